# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Cycles for one delivered packet in one ovs-vswitchd with DPDK, without
hardware.

               br-int                          br-phys
    src  --> [ vnetenc, gnv ] --tnl_push--> [ LOCAL ] --> null      push
    sink <-- [ gnv ] <------tnl_pop-------- [ LOCAL ] <-> ring      loop

`src' sends a capture file for ever, in bursts of 32.  In `push' the tunnel
packets end in a port that discards them.  In `loop' they go through a ring
back into the same thread, which takes them out of the tunnel.  Every record is
a new one there; a record that is sent again would be dropped as a replay.
Both ends of the tunnel belong to one ovs-vswitchd, and only a flow is changed
between two windows: plain or encrypted, push or loop.  The cost of opening a
packet, above that of plain decapsulation, is therefore

    (loop encrypted - push encrypted) - (loop plain - push plain)

in one process, with the same memory.  vnetenc/test-add-session gives the
sessions their keys."""

import collections
import contextlib
import hashlib
import ipaddress
import json
import pathlib
import re
import socket
import statistics
import time

import frames
from runspace import Failed, serves, wait_until

LOCAL = "172.31.0.1"
MAC = "02:00:00:00:01:01"
DTLS_PORT = 6082
FIRST_LANE_PORT = 50000
MTU = {False: 1600, True: 9200}
MEMORY_MB = 3072
PLAIN, ENCRYPTED = "plain", "encrypted"
PUSH, LOOP, POP = "push", "loop", "pop"
MAX_LOSS, IN_FLIGHT = 0.001, 256
SETTLE_S, MAX_SETTLE_S = 0.15, 10.0
EVEN = 0.5                      # Counters are not read at one moment.


def remote(n):
    """The tunnel address of peer `n`."""
    return str(ipaddress.ip_address("172.31.64.0") + 256 * (n // 250) + 1
               + n % 250)


def session_key(n, lane, way=""):
    """Cipher, key and fixed IV of a session, as vnetenc/test-add-session
    takes them."""
    octets = hashlib.sha512(f"bench {n} {lane}{way}".encode()).hexdigest()
    return "aes256-gcm", octets[:64], octets[64:72]


class Datapath:
    """ovsdb-server, ovs-vswitchd, two bridges and the ports of the figure."""

    def __init__(self, run, tree, name, jumbo=False, max_threads=1):
        self.run = run
        self.tree = tree
        self.dir = run.folder(name)
        self.netns = run.add_netns(name)
        self.env = {f"OVS_{d}DIR": str(self.dir)
                    for d in ("RUN", "LOG", "DB", "SYSCONF")}
        self.mtu = MTU[jumbo]
        self.max_threads = max_threads
        self.cores = (1,)
        self._control = None
        self._start()
        self._bridges()
        self.peers = 0
        self.rings = 1

    def _start(self):
        self.run.cmd(self.tree.program("ovsdb-tool"), "create",
                     self.dir / "conf.db",
                     self.tree.ovs_src / "vswitchd/vswitch.ovsschema")
        self.ovsdb = self.run.spawn(
            self.tree.program("ovsdb-server"), self.dir / "conf.db",
            f"--remote=punix:{self.dir}/db.sock",
            f"--pidfile={self.dir}/ovsdb-server.pid",
            f"--log-file={self.dir}/ovsdb.log", "-vconsole:off",
            env=self.env, folder=self.dir, netns=self.netns)
        wait_until(lambda: serves(self.dir / "db.sock"), "ovsdb-server is up")
        self.vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".",
                   "other_config:dpdk-init=true",
                   "other_config:dpdk-extra=\"--no-huge --legacy-mem"
                   f" --no-pci --no-telemetry -m {MEMORY_MB}\"",
                   "other_config:dpdk-lcore-mask=0x1",
                   "other_config:per-port-memory=true",
                   "other_config:max-idle=600000",
                   self._core_mask())
        self.vswitchd = self.run.spawn(
            self.tree.bench_vswitchd, f"unix:{self.dir}/db.sock",
            f"--pidfile={self.dir}/ovs-vswitchd.pid",
            f"--log-file={self.dir}/vs.log", "-vconsole:off",
            "--enable-dummy", "--disable-system",
            env=self.env, folder=self.dir, netns=self.netns)

    def _bridges(self):
        self.vsctl(
            "add-br", "br-phys", "--", "set", "Bridge", "br-phys",
            "datapath_type=netdev", f"other-config:hwaddr={MAC}",
            "--", "add-br", "br-int", "--", "set", "Bridge", "br-int",
            "datapath_type=netdev", "fail_mode=secure",
            "--", "add-port", "br-int", "gnv", "--", "set", "Interface",
            "gnv", "type=geneve", "options:remote_ip=flow",
            "options:local_ip=flow", "options:key=7", "ofport_request=10",
            *self._dpdk("br-int", "sink", 2, "net_null1,no-rx=1"),
            *self._dpdk("br-phys", "null", 2, "net_null2,no-rx=1"),
            # Each thread sends on a queue of its own, and gets its own packets
            # back: the main thread has queue 0, the others follow as they
            # begin.
            *self._dpdk("br-phys", "ring", 3, "net_ring0",
                        f"options:n_rxq={1 + self.max_threads}",
                        self._spread(1)))
        self.run.ip(self.netns, f"addr replace {LOCAL}/24 dev br-phys",
                    "link set dev br-phys mtu 9000 up")
        self.ofctl("del-flows", "br-phys")

    def _dpdk(self, bridge, port, number, devargs, *settings):
        return ("--", "add-port", bridge, port, "--", "set", "Interface",
                port, "type=dpdk", f"options:dpdk-devargs=\"{devargs}\"",
                f"mtu_request={self.mtu}", f"ofport_request={number}",
                *settings)

    def add_ring(self, number):
        """One more ring, for every second peer."""
        self.vsctl(*self._dpdk("br-phys", f"ring{number}", 2 + number,
                               f"net_ring{number}",
                               f"options:n_rxq={1 + self.max_threads}",
                               self._spread(1))[1:])
        self.rings = number

    def _core_mask(self):
        mask = sum(1 << core for core in self.cores)
        return f"other_config:pmd-cpu-mask={mask:#x}"

    def _spread(self, first):
        """The setting that gives each core a queue of a port."""
        pairs = ",".join(f"{first + i}:{core}"
                         for i, core in enumerate(self.cores))
        return f"other_config:pmd-rxq-affinity=\"{pairs}\""

    # Commands.

    def vsctl(self, *args):
        return self.run.cmd(self.tree.program("ovs-vsctl"), "--timeout=25",
                            f"--db=unix:{self.dir}/db.sock", *args,
                            env=self.env, timeout=30).strip()

    def ofctl(self, *args, **kwargs):
        return self.run.cmd(self.tree.program("ovs-ofctl"), "--timeout=10",
                            *args, env=self.env, **kwargs)

    def appctl(self, method, *args):
        """Does the same as ovs-appctl, without a process for each command."""
        if self._control is None:
            self._control = socket.socket(socket.AF_UNIX)
            self._control.settimeout(20)
            self._control.connect(
                str(self.dir / f"ovs-vswitchd.{self.vswitchd.pid}.ctl"))
        self._control.sendall(json.dumps(
            {"id": 0, "method": method,
             "params": [str(arg) for arg in args]}).encode())
        text = b""
        while True:
            chunk = self._control.recv(1 << 20)
            if not chunk:
                raise Failed(f"ovs-vswitchd ended: {self.vswitchd.output()}")
            text += chunk
            try:
                reply = json.loads(text)
            except ValueError:
                continue
            if reply["error"]:
                raise Failed(f"{method}: {reply['error']}")
            return reply["result"] or ""

    # The source of packets.

    def set_source(self, size, flows, peers=1):
        """Makes `src' send frames of `size'."""
        path = self.dir / f"{size}-{flows}-{peers}.pcap"
        if not path.exists():
            frames.write(path, size, flows, peers)
        self._add_source("br-int", path)

    def set_tunnel_source(self, size, flows=1, peers=1):
        """Makes `src' send the frames of set_source, inside plain Geneve from
        the peers, to br-phys."""
        path = self.dir / f"{size}-{flows}-{peers}-tunnel.pcap"
        head = bytes.fromhex("0000655800000700")
        macs = bytes.fromhex(MAC.replace(":", "") * 2)
        frames.write_frames(path, [
            frames.udp_packet(macs, frames.ip(remote(i % peers)),
                              frames.ip(LOCAL), 50000 + i, 6081, head + frame)
            for i, frame in enumerate(frames.udp_frames(size, flows, peers))])
        self._add_source("br-phys", path)

    def _add_source(self, bridge, path):
        self.vsctl("--if-exists", "del-port", "src")
        reads = ",".join([f"rx_pcap={path}"] * len(self.cores))
        self.vsctl(*self._dpdk(bridge, "src", 1,
                               f"net_pcap0,{reads},infinite_rx=1",
                               f"options:n_rxq={len(self.cores)}",
                               self._spread(0))[1:])

    def set_peers(self, n, lanes=1, both_ways=False):
        """Adds addresses, neighbours and sessions until there are at least `n`
        peers.  There are sessions from the peers only with `both_ways'."""
        new = [remote(i) for i in range(self.peers, n)]
        if not new:
            return
        self.run.ip(self.netns, *(f"addr add {ip}/32 dev br-phys"
                                  for ip in new))
        self.wait_for_route(new[-1])
        if both_ways and not self.peers:
            self._add_peer(LOCAL)
        for i, ip in enumerate(new, self.peers):
            self._add_peer(ip)
            for lane in range(lanes):
                port = FIRST_LANE_PORT + lane
                self._add_session(LOCAL, ip, port, session_key(i, lane))
                if both_ways:
                    self._add_session(ip, LOCAL, port,
                                      session_key(i, lane, "back"))
        self.peers = n

    def _add_peer(self, ip):
        self.appctl("ovs/route/add", f"{ip}/32", "br-phys")
        self.appctl("tnl/neigh/set", "br-phys", ip, MAC)
        self.appctl("vnetenc/test-add-peer", ip)

    def _add_session(self, src, dst, port, key):
        for way, ends in (("out", (src, dst)), ("in", (dst, src))):
            self.appctl("vnetenc/test-add-session", way, *ends, DTLS_PORT, 0,
                        port, *key)

    def wait_for_route(self, ip):
        wait_until(lambda: f"{ip}/32" in self.appctl("ovs/route/show"),
                   f"ovs-vswitchd knows {ip}")

    def set_cores(self, cores):
        """Changes the threads.  A port that reads a file cannot be made anew
        for other threads, so the port is missing until the next source."""
        self.vsctl("--if-exists", "del-port", "src")
        self.cores = cores
        self.vsctl("set", "Open_vSwitch", ".", self._core_mask(),
                   "--", "set", "Interface", "ring", self._spread(1))
        wait_until(lambda: len(pmd_threads(self.appctl(
            "dpif-netdev/pmd-perf-show", "-nh"))) == len(cores),
            "there are as many threads as asked for")

    def close(self):
        """Removes the source, to make room for the next one."""
        with contextlib.suppress(OSError):
            self._control.close()
        self.vswitchd.stop(timeout=20)
        self.ovsdb.stop()

    # Flows and measurements.

    def set_state(self, way, how, peers=1, one_address=False):
        """`way' is PUSH, LOOP or, with PLAIN and a tunnel source, POP; `how'
        is PLAIN or ENCRYPTED.  With `one_address', tunnel packets go from the
        addresses of all peers to LOCAL, otherwise from LOCAL to them."""
        seal = "vnetenc(mode=require)," if how == ENCRYPTED else ""
        arrival = "+vnetenc" if how == ENCRYPTED else "-vnetenc"
        flows = [f"in_port=10,tun_flags={arrival},actions=output:2"]
        for n in range(peers):
            inner = ".".join(map(str, frames.destination(n)))
            match = (f"in_port=1,ip,nw_dst={inner}" if peers > 1
                     else "in_port=1")
            ends = LOCAL, remote(n)
            src, dst = ends[::-1] if one_address else ends
            flows.append(f"{match},actions=set_field:{src}->tun_src,"
                         f"set_field:{dst}->tun_dst,{seal}output:10")
        port = {PUSH: 2, LOOP: 3, POP: 2}[way]
        below = ["in_port=1,actions=LOCAL", "in_port=3,actions=LOCAL",
                 f"priority=1,in_port=LOCAL,actions=output:{port}"]
        if self.rings > 1:
            below += ["in_port=4,actions=LOCAL"] + [
                f"in_port=LOCAL,ip,nw_dst={remote(n)},actions=output:4"
                for n in range(1, peers, 2) if way == LOOP]
        self.ofctl("--bundle", "replace-flows", "br-phys", "-",
                   stdin="\n".join(below))
        self.ofctl("--bundle", "replace-flows", "br-int", "-",
                   stdin="\n".join(flows))
        self.appctl("revalidator/wait")

    def settle(self):
        """Waits until every packet finds its flow."""
        def settled():
            self.appctl("dpif-netdev/pmd-stats-clear")
            time.sleep(SETTLE_S)
            text = self.appctl("dpif-netdev/pmd-perf-show", "-nh")
            threads = pmd_threads(text)
            return (sum(t.rx for t in threads) > 0
                    and not any(t.upcalls for t in threads))
        wait_until(settled, "every packet finds its flow", MAX_SETTLE_S)

    def drops(self):
        """Packets that vnetenc dropped since the start."""
        text = self.appctl("vnetenc/show").partition("drops:")[2]
        return sum(int(n) for n in re.findall(r"^  [a-z_]+ +(\d+)", text,
                                              re.M))

    def encrypted(self):
        """Packets so far between each pair of addresses: those that were
        sealed, and those that were opened."""
        sealed, opened = collections.Counter(), collections.Counter()
        for line in self.appctl("dpctl/dump-flows",
                                "netdev@ovs-netdev").splitlines():
            packets = re.search(r" packets:(\d+),", line)
            for counts, pair in (
                    (sealed, re.search(
                        r"tnl_push\(.*?,ipv4\(src=([\d.]+),dst=([\d.]+),"
                        r".*?,vnetenc\(", line)),
                    (opened, re.search(
                        r"tunnel\([^)]*?src=([\d.]+),dst=([\d.]+),.*?"
                        r"flags\([^)]*\+vnetenc", line))):
                if pair:
                    counts[pair.groups()] += int(packets[1])
        return sealed, opened

    def even_window(self, seconds, way, peers):
        """The same as window(), for encrypted packets of this number of
        peers, of which each must have its part."""
        before = self.encrypted()
        row = self.window(seconds, way)
        for what, old, new in list(zip(("sealed", "opened"), before,
                                       self.encrypted()))[:1 + (way == LOOP)]:
            check_even(f"packets {what}", new - old, peers)
        return row

    def window(self, seconds, way, records=1):
        """Measures for `seconds`.  Returns cycles for one delivered packet,
        delivered packets per second over all threads, and the part of the time
        in which something else had the threads' processors.  A packet is
        sealed as this number of `records`.

        The threads never wait, so they use all the time in which they run."""
        end_of = {PUSH: "null", LOOP: "sink", POP: "sink"}[way]
        dropped, arrived = self.drops(), self._sent(end_of)
        self.appctl("dpif-netdev/pmd-stats-clear")
        before, start = self._running(), time.monotonic()
        time.sleep(seconds)
        after, end = self._running(), time.monotonic()
        threads = pmd_threads(self.appctl("dpif-netdev/pmd-perf-show", "-nh"))
        arrived = self._sent(end_of) - arrived
        rx = sum(t.rx for t in threads)
        tx = sum(t.tx for t in threads)
        if rx - tx > MAX_LOSS * rx + IN_FLIGHT or self.drops() != dropped \
                or not tx:
            raise Failed(f"of {rx:.0f} packets, {tx:.0f} were sent, and"
                         f" {self.drops() - dropped} dropped by vnetenc")
        if way == LOOP:
            threads = [t._replace(tx=t.tx / (1 + records)) for t in threads]
        if arrived < sum(t.tx for t in threads) - IN_FLIGHT:
            raise Failed(f"{arrived} packets arrived at {end_of}, of {tx:.0f}"
                         " sent")
        if way == PUSH:
            threads = [t._replace(tx=t.tx / records) for t in threads]
        ran = {core: (after[core] - before[core]) / (end - start)
               for core in after}
        return {"cycles": sum(t.cycles * ran[t.core] for t in threads)
                / sum(t.tx for t in threads),
                "mpps": sum(t.tx / t.seconds / ran[t.core]
                            for t in threads) / 1e6,
                "away": 1 - min(ran[t.core] for t in threads)}

    def _sent(self, port):
        """Packets that `port' was given to send, and packets that it sent."""
        text = self.appctl("dpctl/show", "-s", "netdev@ovs-netdev")
        part = text.partition(f": {port} ")[2]
        return int(re.search(r"TX packets:(\d+)", part)[1])

    def _running(self):
        """For each core, the seconds that its thread has run."""
        seconds = {}
        for task in pathlib.Path(f"/proc/{self.vswitchd.pid}/task").iterdir():
            match = re.match(r"pmd-c(\d+)", (task / "comm").read_text())
            if match:
                text = (task / "schedstat").read_text()
                seconds[int(match[1])] = int(text.split()[0]) / 1e9
        return seconds


def check_even(what, counts, n):
    """Fails unless all `n' were counted, and each of them at least half as
    often as any other."""
    least, most = (f(counts.values(), default=0) for f in (min, max))
    if len(counts) != n or least < EVEN * most or not least:
        raise Failed(f"{what}: {len(counts)} of {n} have any, from {least} to"
                     f" {most}")


PmdThread = collections.namedtuple(
    "PmdThread", "core cycles rx tx upcalls seconds")


def pmd_threads(text):
    """The output of pmd-perf-show for each PMD thread."""
    threads = []
    seconds = re.search(r"Measurement duration: ([\d.]+) s", text)
    for part in re.split(r"^(?=pmd thread|main thread)", text, flags=re.M):
        core = re.match(r"pmd thread numa_id \d+ core_id (\d+)", part)
        if not core:
            continue

        def figure(name):
            match = re.search(name + r": +(\d+)", part)
            return float(match[1]) if match else 0.0

        threads.append(PmdThread(int(core[1]), figure("Used TSC cycles"),
                                 figure("Rx packets"), figure("Tx packets"),
                                 figure("- Upcalls"), float(seconds[1])))
    return threads


# The measurements.

# With `one_address', each packet of a batch that is opened is of another
# session, as at a hypervisor with many peers.  Otherwise there are as many
# addresses and flows below the tunnel as peers, and hardly any batches.
Case = collections.namedtuple("Case", "size flows peers one_address")


def cases(sizes, peers):
    return [Case(size, *rest) for size in sizes
            for rest in ((1, 1, False), (1000, 1, False),
                         (1000, peers, False), (1000, peers, True))]


def states(number):
    """The four states, in an order that rotates."""
    order = [(way, how) for way in (PUSH, LOOP) for how in (PLAIN, ENCRYPTED)]
    return order if number % 2 == 0 else order[::-1]


def measure_direct(dp, size, rounds, seconds, flows=1, peers=1):
    """Plain packets that come from a file, are taken out of the tunnel, and
    leave, as in a gateway."""
    dp.set_tunnel_source(size, flows, peers)
    dp.set_state(POP, PLAIN)
    dp.settle()
    return [{"size": size, "round": number, **dp.window(seconds, POP)}
            for number in range(rounds)]


def measure_case(dp, case, rounds, seconds):
    dp.set_source(case.size, case.flows, case.peers)
    rows = []
    for number in range(rounds):
        rows += [{"round": number, **row}
                 for row in measure_states(dp, case, states(number), seconds)]
    return rows


def measure_states(dp, case, some, seconds, even=False):
    """One window of each state, for the source that was set.  With `even',
    each peer must have its part of the encrypted packets."""
    rows = []
    for way, how in some:
        dp.set_state(way, how, case.peers, case.one_address)
        dp.settle()
        rows.append({**case._asdict(), "way": way, "how": how,
                     **(dp.even_window(seconds, way, case.peers)
                        if even and how == ENCRYPTED
                        else dp.window(seconds, way))})
    return rows


def measure(run, tree, raw, sizes, peers, setups, rounds, seconds, say):
    """Adds to `raw' rows of cycles for one packet on one PMD thread, and rows
    for packets that are only taken out of a plain tunnel; returns the
    failures."""
    rows, direct, failures = [], [], {}
    raw["datapath"], raw["direct"] = rows, direct
    for setup in range(setups):
        for jumbo in (False, True):
            some = [case for case in cases(sizes, peers)
                    if (case.size > 1500) == jumbo]
            if not some:
                continue
            dp = Datapath(run, tree, f"dp{setup}{'j' if jumbo else ''}", jumbo)
            dp.set_peers(max(case.peers for case in some), both_ways=True)
            for case in some:
                try:
                    new = measure_case(dp, case, rounds, seconds)
                except Failed as failure:
                    failures[f"{case}"] = str(failure)[-500:]
                    continue
                rows += [{"setup": setup, **row} for row in new]
                say(f"setup {setup + 1}: {case.size:5} B, {case.flows} flows,"
                    f" {case.peers} peers"
                    f"{', one address' if case.one_address else ''}: "
                    + ", ".join(
                        f"{way} {how} {median(new, way, how):.0f}"
                        for way, how in states(0)))
                if case.flows == 1 and not jumbo:
                    direct += [{"setup": setup, **row} for row in
                               measure_direct(dp, case.size, rounds, seconds)]
            dp.close()
    return failures


def median(rows, way, how):
    return statistics.median(row["cycles"] for row in rows
                             if (row["way"], row["how"]) == (way, how))


def measure_threads(run, tree, raw, peers, lanes, rounds, seconds, say):
    """Adds to `raw' rows of packets per second on one and on two PMD threads,
    between one pair of hosts, with lanes, and between many pairs; returns the
    failures."""
    rows, failures = [], {}
    raw["threads"] = rows
    for title, n, n_lanes in (("one pair", 1, lanes),
                              ("many pairs", peers, 1)):
        dp = Datapath(run, tree, f"dp-{n}", max_threads=2)
        dp.set_peers(n, n_lanes)
        for number in range(rounds):
            for way, how in ((PUSH, PLAIN), (PUSH, ENCRYPTED),
                             (LOOP, ENCRYPTED)):
                dp.set_state(way, how, n)
                for threads in (1, 2):
                    dp.set_cores((1, 0)[:threads])
                    dp.set_source(1400, 1000, n)
                    dp.settle()
                    try:
                        row = dp.window(seconds, way)
                    except Failed as failure:
                        failures[f"{title}, {way} {how}, {threads} threads"] \
                            = str(failure)[-500:]
                        continue
                    rows.append({"pairs": title, "lanes": n_lanes,
                                 "round": number, "way": way, "how": how,
                                 "threads": threads, **row})
                    say(f"{title}, {way} {how}, {threads} threads:"
                        f" {row['mpps']:.2f} Mpps")
        dp.close()
    return failures
