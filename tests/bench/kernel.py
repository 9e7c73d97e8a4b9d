# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Two guests on two hosts of the kernel datapath.

    [vm]--bridge--VXLAN  u 10.1.0.1 ------- u 10.1.0.2  VXLAN--bridge--[vm]
            host a                                  host b

Hosts and guests are network namespaces of the running kernel, whose VXLAN
devices and bridges stand for the datapath: its tunnels are the same code.  The
workers are those of `ovs-vswitchd', in the program tests/bench-kernel.c.
`plain' is VXLAN without encryption, and `idle' is the same beside workers that
have nothing to do.  Each round measures all tunnels in turn, each with all
loads, in an order that rotates, and then other encrypted tunnels.

The cost of a tunnel is the processor time, at both ends, of iperf3, the
daemons, ksoftirqd, and the kernel's thread of the TAP device."""

import os
import pathlib

import iperf
import machine
import packages
import peers
import system
from lab import packet_socket
from runspace import Failed, wait_until

PLAIN, IDLE = "plain", "plain, idle workers"
WAYS = ("write", "napi", "uso", "tso")
# The best way, with workers that measure their system calls, so a bit slower.
COUNTED = "counted"
ENDS = ("a", "b")
OTHER = {"a": "b", "b": "a"}
UNDERLAY = {"a": "10.1.0.1", "b": "10.1.0.2"}
GUEST = {"a": "192.168.7.1", "b": "192.168.7.2"}
MAC = {"a": "02:00:00:00:07:01", "b": "02:00:00:00:07:02"}
MTU = 1400                      # Of guests, as in system.py and peers.py.
UDP_BYTES = 22                  # Payload of 64 bytes of Ethernet.
TICKS = os.sysconf("SC_CLK_TCK")
COUNTERS = ("out_packets", "out_super", "out_records", "out_sends",
            "in_receives", "in_records", "in_packets", "in_writes")

# Name: arguments of iperf3's client, segments of the guests' super-packets.
LOADS = {
    "1 stream": ((), 64),
    "4 streams": (("-P", 4), 64),
    "1 stream, no TSO": ((), 1),
    "UDP, 64 bytes": (("-u", "-b", 0, "-l", UDP_BYTES), 64),
}
BESIDE = (peers.OpenVpn, peers.Ocserv, peers.WireGuard)
USERSPACE = "userspace datapath, TSO on"


def name_of(way, workers):
    return f"{way}, {workers} worker{'s' if workers > 1 else ''}"


def _kernel_threads():
    """The kernel's threads that work for the network."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            comm = (entry / "comm").read_text()
        except OSError:
            continue
        if comm.startswith(("ksoftirqd/", "napi/vnetenc0-")):
            found.append(int(entry.name))
    return found


def _ticks(pids):
    total = 0
    for pid in pids:
        try:
            text = pathlib.Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        total += sum(map(int, text.rpartition(")")[2].split()[11:15]))
    return total


class Program:
    """bench-kernel at one end."""

    def __init__(self, run, tree, host, end, way, workers, *options):
        self.process = run.spawn(
            tree.kernel_program, UNDERLAY[end], UNDERLAY[OTHER[end]], way,
            workers, workers, *options, netns=host, name="bench-kernel",
            stdin=-1)
        wait_until(lambda: "\n" in self.process.output()
                   or not self.process.alive(), "bench-kernel runs")
        try:
            pid, fd, self.out_port, self.in_port, self.source = \
                self.process.output().split("\n")[0].split(None, 4)
        except ValueError:
            raise Failed(f"bench-kernel: {self.process.output()}") from None
        self.netns = f"/proc/{pid}/fd/{fd}"
        self.n_lines = 1

    def numbers(self):
        self.process.popen.stdin.write(b"\n")
        self.process.popen.stdin.flush()
        self.n_lines += 1
        wait_until(lambda: self.process.output().count("\n") >= self.n_lines,
                   "bench-kernel answers")
        cpu, calls, drops, *counters = self.process.output().split("\n")[
            self.n_lines - 1].split()
        return {"cpu_s": float(cpu), "calls_s": float(calls),
                "drops": int(drops), **dict(zip(COUNTERS,
                                                map(int, counters)))}

    def stop(self):
        self.process.popen.stdin.close()
        self.process.popen.wait(10)


class Hosts:
    def __init__(self, run, tree):
        self.run, self.tree = run, tree
        self.host = {end: run.add_netns(f"khost-{end}") for end in ENDS}
        self.guest = {end: run.add_netns(f"kguest-{end}") for end in ENDS}
        self.programs = {}
        self.devices = []
        run.ip(self.host["a"], "link add u type veth peer name u netns "
               + self.host["b"])
        for end in ENDS:
            run.ip(self.host[end], f"addr add {UNDERLAY[end]}/24 dev u",
                   "link set u up", "link add br0 type bridge",
                   "link set br0 up",
                   f"link add vm type veth peer name e0 netns"
                   f" {self.guest[end]}", "link set vm up master br0")
            run.ip(self.guest[end], f"link set e0 address {MAC[end]}",
                   f"addr add {GUEST[end]}/24 dev e0",
                   f"link set e0 mtu {MTU} up")

    def clear(self):
        for end, device in self.devices:
            self.run.ip(self.host[end], f"link del {device}")
        for program in self.programs.values():
            program.stop()
        self.devices, self.programs = [], {}

    def _add(self, end, device, netns, options):
        link = f"link-netns {netns} " if netns else ""
        self.run.ip(self.host[end],
                    f"link add {device} {link}type vxlan id 7"
                    f" local {UNDERLAY[end]} {options}",
                    f"link set {device} mtu {MTU} master br0 up")
        self.devices.append((end, device))

    def _start(self, way, workers, *options):
        for end in ENDS:
            self.programs[end] = Program(self.run, self.tree, self.host[end],
                                         end, way, workers, *options)

    def plain(self):
        for end in ENDS:
            self._add(end, "vx", None,
                      f"remote {UNDERLAY[OTHER[end]]} dstport 4789")

    def idle(self):
        self._start(WAYS[-1], 1)
        self.plain()

    def encrypted(self, way, workers, *options):
        """One VXLAN device sends and the other receives, as the ports of the
        datapath do.  The bridge must not learn from the latter, and must not
        send what arrives back to the former."""
        self._start(way, workers, *options)
        for end, program in self.programs.items():
            self._add(end, "vxout", program.netns, "remote"
                      f" {UNDERLAY[OTHER[end]]} dstport {program.out_port}")
            self._add(end, "vxin", program.netns,
                      f"nolearning dstport {program.in_port}")
            for device in ("vxin", "vxout"):
                self.run.cmd("bridge", "-n", self.host[end], "link", "set",
                             "dev", device, "learning", "off", "isolated",
                             "on")
            self.run.cmd("bridge", "-n", self.host[end], "link", "set", "dev",
                         "vxin", "flood", "off", "mcast_flood", "off",
                         "bcast_flood", "off")
            self.run.cmd("bridge", "-n", self.host[end], "fdb", "add",
                         MAC[OTHER[end]], "dev", "vxout", "master", "static")

    def set_segments(self, n):
        for end in ENDS:
            self.run.ip(self.guest[end], f"link set e0 gso_max_segs {n}")

    def numbers(self):
        return {end: program.numbers()
                for end, program in self.programs.items()}


class Ends:
    """The ends of TCP, whatever tunnel is between them."""

    def __init__(self, run, client, server, ip, daemons, inside=((), ())):
        self.run = run
        self.client, self.server, self.ip = client, server, ip
        self.daemons = daemons
        self.inside = inside

    def load(self, arguments, seconds):
        """One run of iperf3; returns a row."""
        end, before, after = iperf.measure(
            self.run, (self.client, self.server), self.ip, seconds,
            self._usage, arguments, self.inside)
        try:
            cpu = end["cpu_utilization_percent"]
            total = end["sum"] if "-u" in arguments else end["sum_received"]
            took = total["seconds"]
            packets = total.get("packets", 0) - total.get("lost_packets", 0)
            arrived = (packets * UDP_BYTES if "-u" in arguments
                       else total["bytes"])
        except KeyError as error:
            raise Failed(f"iperf3 reported no {error}") from None
        if arrived <= 0:
            raise Failed("nothing arrived")
        threads, daemons = (b - a for a, b in zip(before, after))
        ends = (cpu["host_total"] + cpu["remote_total"]) / 100 * took
        return {"mbps": arrived * 8 / took / 1e6, "kpps": packets / took / 1e3,
                "bytes": arrived, "iperf_s": ends,
                "daemon_s": daemons / TICKS, "threads_s": threads / TICKS,
                "s_per_gb": (ends + (threads + daemons) / TICKS)
                / (arrived / 1e9), "load_average": os.getloadavg()[0]}

    def _usage(self):
        return (_ticks(_kernel_threads()),
                system.session_ticks({p.pid for p in self.daemons}))


def _reaches(run, hosts):
    wait_until(lambda: " 0% packet loss" in run.cmd(
        "ping", "-c", 1, "-W", 1, GUEST["b"], netns=hosts.guest["a"],
        check=False), "the guests reach each other")


def _guard(run, hosts, secret):
    """Fails unless what is on the wire is secret if it should be."""
    marker = system.MARKER
    with packet_socket(hosts.host["a"], "u") as sock:
        sock.setblocking(False)
        run.cmd("ping", "-c", 3, "-i", 0.02, "-s", 1000, "-p", marker.hex(),
                GUEST["b"], netns=hosts.guest["a"])
        frames = list(system._drain(sock))
    seen = [frame for frame in frames if len(frame) > 1000]
    if not seen or any(marker in frame for frame in seen) == secret:
        raise Failed(f"of {len(seen)} packets on the wire, some are"
                     f" {'readable' if secret else 'missing or secret'}")


def _tunnels(hosts, n_workers):
    found = {PLAIN: (hosts.plain, False), IDLE: (hosts.idle, False)}
    for way in WAYS:
        for n in n_workers:
            found[name_of(way, n)] = (
                lambda way=way, n=n: hosts.encrypted(way, n), True)
    found[COUNTED] = lambda: hosts.encrypted(WAYS[-1], 1, "count"), True
    return found


def _measure_tunnel(run, hosts, ends, secret, loads, seconds):
    """One row for each load."""
    _reaches(run, hosts)
    _guard(run, hosts, secret)
    ends.daemons = [p.process for p in hosts.programs.values()]
    for load in loads:
        arguments, segments = LOADS[load]
        hosts.set_segments(segments)
        before = hosts.numbers()
        row = ends.load(arguments, seconds)
        after = hosts.numbers()
        row["ends"] = {end: {key: after[end][key] - before[end][key]
                             for key in after[end]} for end in after}
        yield {"load": load, **row}


def _start_others(run, tree, root, prefix):
    """Other encrypted tunnels, and our userspace datapath."""
    found, failures = {}, {}
    for kind in BESIDE if root else ():
        try:
            peer = kind(run, root)
            found[peer.name] = Ends(run, peer.netns["a"], peer.netns["b"],
                                    peer.server, peer.daemons,
                                    (peer.inside("a"), peer.inside("b")))
        except Failed as failure:
            failures[kind.name] = str(failure)[-500:]
    box = system.Sandbox(run, tree, 1, True)
    box.set_mode(system.ENCRYPTED)
    vm1, vm2 = box.vms
    found[USERSPACE] = Ends(run, vm1.netns, vm2.netns, vm2.ip,
                            [hv.vswitchd for hv in box.hvs],
                            (prefix, prefix))
    return found, failures


def measure(run, tree, raw, root, settings, say):
    """Adds rows to `raw'; returns the failures."""
    rows = raw["kernel"] = []
    raw["kernel_mhz"] = float(machine.facts(tree)["mhz"])
    private = run.folder("iperf3-kernel")
    (private / "run").mkdir()
    prefix = packages.inside(root, private / "run") if root else []
    hosts = Hosts(run, tree)
    tunnels = _tunnels(hosts, settings.kernel_workers)
    others, failures = _start_others(run, tree, root, prefix)
    ends = Ends(run, hosts.guest["a"], hosts.guest["b"], GUEST["b"], [],
                (prefix, prefix))

    def keep(number, name, row):
        rows.append({"round": number, "tunnel": name, **row})
        say(f"round {number + 1}: {name:20} {row['load']:17}"
            f" {row['mbps']:6.0f} Mbit/s {row['kpps']:5.0f} kpps"
            f" {row['s_per_gb']:6.2f} s/GB")

    for number in range(settings.kernel_rounds):
        names = list(tunnels)
        at = number * len(names) // max(1, settings.kernel_rounds)
        for name in names[at:] + names[:at]:
            begin, secret = tunnels[name]
            try:
                begin()
                loads = settings.kernel_loads
                for row in _measure_tunnel(
                        run, hosts, ends, secret,
                        loads[:1] if name == COUNTED else loads,
                        settings.kernel_s):
                    keep(number, name, row)
                for program in hosts.programs.values():
                    raw["kernel_source"] = program.source
            except Failed as failure:
                failures[f"kernel: {name}, round {number}"] = \
                    str(failure)[-500:]
            finally:
                hosts.clear()
        for name, other in others.items():
            try:
                keep(number, name, {"load": "1 stream", **other.load(
                    (), settings.kernel_s)})
            except Failed as failure:
                failures[f"kernel: {name}, round {number}"] = \
                    str(failure)[-500:]
    return failures
