# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Hypervisors, virtual machines and the network between them.

                    underlay (bridge "ul0", the capture point)
          p1 |                       p2 |               pf |
    +--------+---------+       +--------+---------+   +----+-----+
    | hv1    u         |       | hv2    u         |   | stranger |
    |        br-phys   |       |        br-phys   |   +----------+
    |        br-int    |       |        br-int    |
    |        v-vm1     |       |        v-vm2     |
    +--------+---------+       +--------+---------+
             | e0                       | e0
           [vm1]                      [vm2]

A hypervisor is a network namespace with its own ovsdb-server and
ovs-vswitchd.  With the userspace datapath, br-phys holds the uplink "u" and,
as a host's network set-up would, the underlay addresses; with the kernel
datapath, "u" has them itself.  A stranger is a
namespace with plain kernel addresses on the underlay, for peers that are
not Open vSwitch.  A management bridge apart from the underlay carries all
traffic that is not tunnel traffic.
"""

import dataclasses
import json
import math
import os
import pathlib
import re
import signal
import socket
import threading
import time

from capture import Capture
from relay import Relay
from runspace import (
    PATIENCE, Failed, Late, serves, socket_in, start_time, wait_until)

UNDERLAY4 = "172.31.0.%d"
UNDERLAY6 = "fd00:31::%x"
MANAGEMENT = "172.31.1.%d"
TENANT = "10.9.0.%d"
TENANT_MAC = "0a:7e:5c:31:d9:%02x"      # In no packet by chance.
GENEVE = 6081
DTLS = 6082
NOBODY = 65534
ETH_P_ALL = 3
STOPPED_S = 0.2         # A later answer may have been overtaken for so long.
SO_RCVBUFFORCE = 33
TOP = pathlib.Path(__file__).resolve().parents[2]
DECODER = TOP / "utilities/vnetenc.lua"


class Tree:
    """The built programs."""

    def __init__(self, builddir):
        top = pathlib.Path(builddir).resolve()
        self.ovs_src, self.ovs = top / "_ovs/src", top / "_ovs/build"
        self.ovn_src, self.ovn = top / "_ovn/src", top / "_ovn/build"
        if not (self.ovs / "vswitchd/ovs-vswitchd").exists():
            raise Failed(f"{top}: no built Open vSwitch below it")

    def program(self, name):
        for folder in (self.ovs / "utilities", self.ovs / "ovsdb",
                       self.ovs / "vswitchd", self.ovn / "utilities",
                       self.ovn / "northd", self.ovn / "controller",
                       self.ovn / "ic"):
            if (folder / name).exists():
                return folder / name
        raise Failed(f"{name} was not built")


class Underlay:
    """The physical network: a namespace with a bridge to which all hosts are
    connected, and another bridge for management."""

    bridge = "ul0"
    management = "mg0"

    def __init__(self, run, mtu=1600):
        self.run = run
        self.mtu = mtu
        self.netns = run.add_netns("underlay")
        for bridge, size in ((self.bridge, mtu), (self.management, 1500)):
            run.ip(self.netns,
                   f"link add {bridge} mtu {size} type bridge"
                   " mcast_snooping 0",
                   f"link set dev {bridge} addrgenmode none up")
        run.ip(self.netns, f"addr add {MANAGEMENT % 254}/24 dev mg0")

    def plug(self, port, netns, inner, bridge=bridge):
        """Connects `inner` in `netns` to a bridge, as `port`."""
        mtu = self.mtu if bridge == self.bridge else 1500
        self.run.ip(self.netns,
                    f"link add {port} mtu {mtu} type veth"
                    f" peer name {inner} mtu {mtu} netns {netns}",
                    f"link set dev {port} master {bridge} addrgenmode none up")
        self.run.ip(netns, f"link set dev {inner} up")
        no_offload(self.run, self.netns, port)
        no_offload(self.run, netns, inner)

    def capture(self, interface=bridge, direction=None):
        return Capture(self.run, self.netns, interface, direction)

    def relay(self, hv, seed=1):
        """Puts a relay between a hypervisor and the bridge."""
        outer, inner = f"r{hv.number}", f"s{hv.number}"
        self.run.ip(self.netns,
                    f"link set dev {hv.uplink} nomaster",
                    f"link add {inner} mtu {self.mtu} type veth"
                    f" peer name {outer} mtu {self.mtu}",
                    f"link set dev {inner} addrgenmode none up",
                    f"link set dev {outer} master {self.bridge}"
                    " addrgenmode none up")
        no_offload(self.run, self.netns, outer)
        no_offload(self.run, self.netns, inner)
        relay = Relay(self.netns, hv.uplink, inner, seed)
        self.run.on_close(relay.stop)
        return relay


def no_offload(run, netns, interface):
    """Switches checksum offload off: Open vSwitch reads the other end through
    AF_PACKET, and would see unfinished checksums."""
    run.cmd("ethtool", "-K", interface, "tx", "off", netns=netns)


def packet_socket(netns, interface):
    """A raw socket for whole frames."""
    sock = socket_in(netns, socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((interface, ETH_P_ALL))
    return sock


@dataclasses.dataclass
class Pings:
    """The result of a ping.  `on_the_way` counts the last requests of a ping
    that was stopped, or that continued for late replies: an answer to these
    cannot be expected."""
    sent: int
    received: int
    text: str
    on_the_way: int = 0

    @property
    def lost(self):
        return len(set(range(1, self.sent + 1 - self.on_the_way))
                   - answered(self.text))

    def replies(self):
        """The times at which replies arrived."""
        return [float(t) for t in
                re.findall(r"^\[([\d.]+)\] \d+ bytes from", self.text, re.M)]


class Pinger:
    """A namespace that pings."""

    def ping_start(self, dst, count, interval, wait=1, deadline=None):
        limit = ("-w", deadline) if deadline else ("-W", wait)
        return self.run.spawn("ping", "-n", "-D", "-c", count, "-i", interval,
                              *limit, dst, netns=self.netns)

    def ping(self, dst, count=5, interval=0.05, wait=None):
        """Pings.  `wait` is for pings without any reply.  After the first
        reply, ping waits only one interval for the last one, whatever its
        options say; that is too short on a busy machine.  Without `wait`, it
        therefore continues until `count` replies arrived, or for 2 s, and only
        the first `count` requests count."""
        deadline = (None if wait
                    else math.ceil(count * interval) + 2 * PATIENCE)
        return pings(self.ping_start(dst, count, interval, wait, deadline))

    def reaches(self, dst, timeout=5.0):
        """Waits until `dst` answers; returns the seconds until then."""
        start = time.monotonic()
        wait_until(lambda: self.ping(dst, 1, 1, wait=0.2 * PATIENCE).received,
                   f"{self.name} reaches {dst}", timeout)
        return time.monotonic() - start


class Host(Pinger):
    """A namespace that sends and receives: a VM or a stranger."""

    def __init__(self, run, name, ip):
        self.run = run
        self.name = name
        self.ip = ip
        self.netns = run.add_netns(name)

    def cmd(self, *argv, **kwargs):
        return self.run.cmd(*argv, netns=self.netns, **kwargs)

    def socket(self, *args):
        return socket_in(self.netns, *args)

    def packet_socket(self, interface):
        return packet_socket(self.netns, interface)


def answered(text):
    """The numbers of the requests that were answered, as ping shows it."""
    return {int(n) for n in re.findall(r" icmp_seq=(\d+) ttl", text)}


def _settle(process):
    """Asks a running ping how many requests it has sent, and gives these time
    to be answered, while ping sends others.  Returns their number, None if
    that is not known: before the first answer, a signal may end ping."""
    if not process.alive() or not answered(process.output()):
        return None

    def told():
        return re.findall(r"\d+/(\d+) packets, ", process.output())
    before = len(told())
    process.popen.send_signal(signal.SIGQUIT)
    wait_until(lambda: len(told()) > before or not process.alive(),
               "ping tells how many requests it has sent")
    if len(told()) == before:
        return None
    sent = int(told()[-1])
    now = time.monotonic()
    end, overtaken = now + 2 * PATIENCE, None
    while process.alive() and now < end:
        seen = answered(process.output())
        if seen.issuperset(range(1, sent + 1)):
            break
        if overtaken is None and max(seen) > sent:
            overtaken = now
        if overtaken is not None and now - overtaken > STOPPED_S:
            break
        time.sleep(0.02)
        now = time.monotonic()
    return sent


def replied(process, count=5, timeout=15.0):
    """Waits until a running ping has so many more answers."""
    wanted = len(answered(process.output())) + count
    wait_until(lambda: len(answered(process.output())) >= wanted,
               "pings are answered", timeout)


def pings(process, stop=False):
    """Waits for a ping that was started, or stops it, and reads its
    result."""
    counted = None
    if stop:
        counted = _settle(process)
        process.popen.send_signal(signal.SIGINT)
    process.popen.wait(60 * PATIENCE)
    text = process.output()
    match = re.search(r"(\d+) packets transmitted, (\d+) received", text)
    if not match:
        raise Failed(f"ping said: {text}")
    sent = int(match[1])
    argv = process.popen.args
    on_the_way = 0
    if counted is not None:
        on_the_way = sent - counted
    elif stop:
        on_the_way = math.ceil(STOPPED_S / float(argv[argv.index("-i") + 1]))
    elif "-w" in argv:
        count = int(argv[argv.index("-c") + 1])
        if sent < count and " errors, " not in text:
            raise Late(f"ping had no time to send: {text}")
        on_the_way = sent - count
    return Pings(sent, int(match[2]), text, max(0, on_the_way))


def stop_answered(process, since, within):
    """Waits until a running ping is answered after the time `since`, which is
    late after more than `within` seconds, and stops it."""
    def later():
        return [t for t in Pings(0, 0, process.output()).replies()
                if t > since]
    seconds = min(wait_until(later, "a ping is answered")) - since
    pings(process, stop=True)
    if seconds > within:
        raise Late(f"a ping was answered after {seconds:.1f} s")


def delivers(sender, receiver, dst, data):
    """Sends a datagram to the port of dst.receiver(); returns whether such a
    datagram arrives while the receiver waits."""
    sender.sendto(data, (dst.ip, 7777))
    try:
        return receiver.recv(2000) == data
    except TimeoutError:
        return False


def tcp_transfer(src, dst, data, port=5001, timeout=10.0):
    """Sends `data` from one host to another; returns the data that
    arrived."""
    timeout *= PATIENCE
    family = socket.AF_INET6 if ":" in dst.ip else socket.AF_INET
    listener = dst.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.settimeout(timeout)
    listener.bind((dst.ip, port))
    listener.listen()
    received = bytearray()

    def receive():
        try:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(timeout)
                while chunk := connection.recv(65536):
                    received.extend(chunk)
        except OSError:
            pass                            # The caller sees how much came.

    thread = threading.Thread(target=receive, daemon=True)
    thread.start()
    try:
        with src.socket(family, socket.SOCK_STREAM) as sender:
            sender.settimeout(timeout)
            sender.connect((dst.ip, port))
            sender.sendall(data)
    except OSError:
        pass
    thread.join(timeout)
    listener.close()
    return bytes(received)


class VM(Host):
    """A virtual machine: a namespace behind a port of br-int."""

    def __init__(self, hv, number, mtu=1400, iface_id=None, ip=None,
                 gateway=None):
        super().__init__(hv.run, f"vm{number}", ip or TENANT % number)
        self.number = number
        self.hv = hv
        self.mac = TENANT_MAC % number
        self.port = f"v-vm{number}"
        run = hv.run
        run.ip(hv.netns,
               f"link add {self.port} type veth peer name e0"
               f" netns {self.netns}",
               f"link set dev {self.port} mtu {mtu} up")
        run.ip(self.netns,
               f"link set dev e0 address {self.mac} mtu {mtu} up",
               f"addr add {self.ip}/24 dev e0",
               *([f"route add default via {gateway}"] if gateway else []))
        if hv.datapath == "netdev":
            no_offload(run, self.netns, "e0")
            no_offload(run, hv.netns, self.port)
        hv.vsctl("add-port", "br-int", self.port, *(
            ("--", "set", "Interface", self.port,
             f"external_ids:iface-id={iface_id}") if iface_id else ()))

    def know(self, *others):
        """Sets the MAC addresses of the others, so that none is looked for."""
        self.run.ip(self.netns, *(
            f"neigh replace {other.ip} lladdr {other.mac} dev e0 nud permanent"
            for other in others))

    def receiver(self, port=7777):
        """A UDP socket that waits a little for a datagram.  It takes the
        place of an earlier one, which a test that failed may have left."""
        receivers = self.__dict__.setdefault("_receivers", {})
        if port in receivers:
            receivers.pop(port).close()
        sock = receivers[port] = self.socket(socket.AF_INET,
                                             socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        sock.bind(("", port))
        sock.settimeout(2.0 * PATIENCE)
        return sock


class Stranger(Host):
    """A namespace on the underlay that is not a hypervisor."""

    def __init__(self, underlay, number):
        super().__init__(underlay.run, f"stranger{number}",
                         UNDERLAY4 % number)
        self.ip6 = UNDERLAY6 % number
        underlay.plug(f"p{number}", self.netns, "u")
        self.run.ip(self.netns, f"addr add {self.ip}/24 dev u",
                    f"addr add {self.ip6}/64 dev u nodad")


class Hypervisor(Pinger):
    """A host that runs Open vSwitch."""

    datapath = "netdev"
    launcher = ()                           # Starts ovs-vswitchd.
    device = "br-phys"                      # Has the underlay addresses.

    def __init__(self, tree, underlay, number, other_config=()):
        self.tree = tree
        self.run = underlay.run
        self.number = number
        self.name = f"hv{number}"
        self.ip = UNDERLAY4 % number
        self.ip6 = UNDERLAY6 % number
        self.dir = self.run.folder(self.name)
        self.netns = self.run.add_netns(self.name)
        self.uplink = f"p{number}"
        self.mtu = underlay.mtu
        underlay.plug(self.uplink, self.netns, "u")
        if self.datapath == "netdev":
            # The kernel also sees packets that arrive here.  It must not
            # answer for addresses of br-phys with the address of this device.
            self.run.ip(self.netns, "link set dev u arp off")
        underlay.plug(f"m{number}", self.netns, "mg", underlay.management)
        self.run.ip(self.netns, f"addr add {MANAGEMENT % number}/24 dev mg")
        self.env = {f"{p}_{d}DIR": str(self.dir) for p in ("OVS", "OVN")
                    for d in ("RUN", "LOG", "DB", "SYSCONF")}
        self._start_database(other_config)
        self.vswitchd = None
        self.vswitchd_options = []
        self.start_vswitchd()
        self._add_bridges()
        self.restore_addresses()

    def _add_bridges(self):
        self.vsctl("add-br", "br-phys",
                   "--", "set", "Bridge", "br-phys", "datapath_type=netdev",
                   "--", "add-port", "br-phys", "u",
                   "--", "add-br", "br-int",
                   "--", "set", "Bridge", "br-int", "datapath_type=netdev")

    def _start_database(self, other_config):
        schema = self.tree.ovs_src / "vswitchd/vswitch.ovsschema"
        self.run.cmd(self.tree.program("ovsdb-tool"), "create",
                     self.dir / "conf.db", schema)
        self.ovsdb = self.run.spawn(
            self.tree.program("ovsdb-server"), self.dir / "conf.db",
            f"--remote=punix:{self.dir}/db.sock",
            f"--pidfile={self.dir}/ovsdb-server.pid",
            f"--log-file={self.dir}/ovsdb.log", "-vconsole:off",
            netns=self.netns, env=self.env, folder=self.dir)
        wait_until(lambda: serves(self.dir / "db.sock"),
                   "ovsdb-server is up")
        self.vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".",
                   f"external_ids:system-id={self.name}",
                   f"external_ids:hostname={self.name}",
                   *(f"other_config:{kv}" for kv in other_config))

    def start_vswitchd(self):
        """Starts the daemon, without waiting for it."""
        self.vswitchd = self.run.spawn(
            *self.launcher,
            self.tree.program("ovs-vswitchd"), f"unix:{self.dir}/db.sock",
            f"--pidfile={self.dir}/ovs-vswitchd.pid",
            f"--log-file={self.dir}/vs.log", "-vconsole:off",
            *(["--disable-system"] if self.datapath == "netdev" else []),
            *self.vswitchd_options, name="ovs-vswitchd",
            netns=self.netns, env=self.env, folder=self.dir)

    def kill_vswitchd(self):
        self.vswitchd.stop(signal.SIGKILL)

    def restart_vswitchd(self):
        """Starts a daemon that has ended, and gives br-phys its addresses, as
        the network set-up of a host would."""
        self.start_vswitchd()
        wait_until(self._serves, f"ovs-vswitchd of {self.name} serves")
        self.restore_addresses()

    def restart_as_nobody(self):
        """Restarts the daemon, which then drops root."""
        self.vswitchd.stop()
        for folder, names, files in os.walk(self.dir):
            for name in [".", *names, *files]:
                os.chown(os.path.join(folder, name), NOBODY, NOBODY)
        self.vswitchd_options = ["--user=nobody:nogroup"]
        self.restart_vswitchd()

    def _serves(self):
        if not self.vswitchd.alive():
            raise Failed(f"ovs-vswitchd of {self.name} ended:"
                         f" {self.vswitchd.output()}")
        control = self.dir / f"ovs-vswitchd.{self.vswitchd.pid}.ctl"
        return control.exists() and self.device in self.run.cmd(
            "ip", "-n", self.netns, "-o", "link")

    def restore_addresses(self):
        """Does the same as the network set-up of a host."""
        self.run.ip(self.netns,
                    f"addr replace {self.ip}/24 dev {self.device}",
                    f"addr replace {self.ip6}/64 dev {self.device} nodad",
                    f"link set dev {self.device} up")

    def phys_mac(self):
        """The Ethernet address on the underlay."""
        text = self.run.cmd("ip", "-n", self.netns, "-o", "link", "show",
                            "dev", self.device)
        return re.search(r"link/ether (\S+)", text)[1]

    def uplink_socket(self):
        """A raw socket that sends past Open vSwitch."""
        return packet_socket(self.netns, "u")

    # Commands.

    def vsctl(self, *args, check=True):
        return self.run.cmd(self.tree.program("ovs-vsctl"),
                            f"--timeout={15 * PATIENCE}",
                            f"--db=unix:{self.dir}/db.sock", *args,
                            env=self.env, check=check).strip()

    def ofctl(self, *args, check=True):
        return self.run.cmd(self.tree.program("ovs-ofctl"),
                            f"--timeout={10 * PATIENCE}", *args,
                            env=self.env, check=check)

    def appctl(self, *args, check=True):
        return self.run.cmd(self.tree.program("ovs-appctl"),
                            f"--timeout={10 * PATIENCE}", *args,
                            env=self.env, check=check)

    def controller_ctl(self, *args):
        """As appctl(), for this host's ovn-controller."""
        return self.appctl(
            "-t", self.dir / f"ovn-controller.{self.controller.pid}.ctl",
            *args)

    def coverage(self, counter):
        """A coverage counter's total; 0 if it has never been hit."""
        text = self.appctl("coverage/read-counter", counter, check=False)
        return int(text.strip() or 0)

    def hide_capability(self):
        """Makes this host unable to encrypt: Open vSwitch refuses the action
        and the flag, and its database shows that."""
        self.appctl("dpif/set-dp-features", "br-int", "vnetenc", "false")
        self.vsctl("set", "Datapath", self._datapath_row(),
                   "capabilities:vnetenc=false")

    def _datapath_row(self):
        """The row for what the datapath can do.  ovn-controller makes it, if
        there is one."""
        if not self.vsctl("list", "Datapath"):
            self.vsctl("--", "--id=@d", "create", "Datapath",
                       "datapath_version=1", "--", "set",
                       "Open_vSwitch", ".",
                       f"datapaths:{self.datapath}=@d")
        return self.vsctl("--bare", "--columns=_uuid", "list", "Datapath")

    def expect(self, counter, total):
        """Waits until a coverage counter has reached `total`: threads report
        their counts once a second."""
        wait_until(lambda: self.coverage(counter) >= total,
                   f"{counter} of {self.name} reaches {total}", 5)

    def n_unread(self, kind="-0"):
        """How many packets the kernel has dropped because Open vSwitch did
        not read them in time: from its devices or, if `kind` is "-ua", from
        its UDP sockets.  The tests' own sockets, which they need not read, do
        not count."""
        text = self.run.cmd("ss", kind, "-n", "-m", "-p", "-O",
                            netns=self.netns)
        return sum(int(re.search(r"skmem:\(.*,d(\d+)\)", line)[1])
                   for line in text.splitlines()
                   if f",pid={self.vswitchd.pid}," in line)

    def revalidate(self):
        """Returns when the datapath follows the flow tables: changes of flow
        tables reach the datapath's flow cache a moment later.

        The command waits for the end of the look at the cache that is under
        way.  That one may have begun before the change, the next has not."""
        for _ in range(2):
            self.appctl("revalidator/wait")

    def log(self):
        return (self.dir / "vs.log").read_text(errors="replace")

    # Tunnels.

    def add_tunnel(self, remote, name="gnv0", kind="geneve", **options):
        """A tunnel port of br-int."""
        options = {"remote_ip": remote, "key": "7", **options}
        self.vsctl("add-port", "br-int", name,
                   "--", "set", "Interface", name, f"type={kind}",
                   *(f'options:{k}="{v}"' for k, v in options.items()))

    # Encryption.

    def add_profile(self, number=0, **columns):
        """Creates a profile row, as an administrator would."""
        self.vsctl("create", "VNetEnc_Profile", f"id={number}",
                   *(f"{k}={_quote(v)}" for k, v in columns.items()))

    def fingerprint(self, number=0):
        """The fingerprint of this host's own certificate."""
        def read():
            value = self.vsctl("--if-exists", "get", "VNetEnc_Profile",
                               str(number), "fingerprint", check=False)
            return value.strip('"[] \n')
        return wait_until(read, f"{self.name} has a fingerprint")

    def add_peer(self, remote, fingerprints=(), **columns):
        if isinstance(fingerprints, str):
            fingerprints = (fingerprints,)
        args = [f"remote_ip={_quote(remote)}"]
        if fingerprints:
            args.append("fingerprints=" + ",".join(map(_quote, fingerprints)))
        args += [f"{k}={_quote(v)}" for k, v in columns.items()]
        self.vsctl("create", "VNetEnc_Peer", *args)

    def set_peer(self, remote, *settings):
        self.vsctl("set", "VNetEnc_Peer", remote, *settings)

    def peer(self, remote, column):
        return self.vsctl("get", "VNetEnc_Peer", remote, column).strip('"')

    def show(self, *args):
        return self.appctl("vnetenc/show", *args)

    def show_json(self):
        return json.loads(self.appctl("--format", "json", "vnetenc/show"))

    def n_rekeys(self):
        """How many of its sessions took the place of an older one."""
        return sum(peer["statistics"]["rekeys"]
                   for peer in self.show_json()["peers"])

    def rekey(self, other):
        """Returns when the session towards `other` is a new one."""
        before = self.n_rekeys()
        self.appctl("vnetenc/rekey", other.ip)
        wait_until(lambda: self.n_rekeys() > before,
                   f"{self.name} has a new session")

    def keylog(self, on=True):
        self.appctl("vnetenc/keylog", "on" if on else "off")

    @property
    def keylog_file(self):
        return self.dir / "vnetenc-keylog.txt"


def _quote(value):
    """A value of a column as ovs-vsctl reads it."""
    return str(value) if isinstance(value, int) else f'"{value}"'


class KernelHost(Hypervisor):
    """A host that runs Open vSwitch with the kernel datapath.  The underlay
    addresses are on the uplink, as on most hosts, and no bridge has it."""

    datapath = "system"
    device = "u"

    def _add_bridges(self):
        # What is captured has the size that the wire sees.
        self.run.cmd("ethtool", "-K", "u", "tx", "on", "tso", "off",
                     "tx-udp-segmentation", "off", netns=self.netns)
        self.vsctl("add-br", "br-int")

    def capability(self):
        """What the database says of encryption: "true" or "false"."""
        return self.vsctl("--if-exists", "get", "Datapath",
                          self._datapath_row(),
                          "capabilities:vnetenc").strip('"')

    def flows(self):
        """The flows of the datapath."""
        return self.appctl("dpctl/dump-flows", "system@ovs-system")

    def packets(self, *texts):
        """How many packets the datapath's flows with all `texts` have seen."""
        return sum(int(re.search(r"packets:(\d+)", flow)[1])
                   for flow in self.flows().splitlines()
                   if all(text in flow for text in texts))

    def devices(self):
        """Our tunnel devices, which are ports of the datapath."""
        links = self.run.cmd("ip", "-n", self.netns, "-o", "link")
        return re.findall(r"^\d+: (vnetenc\w+)", links, re.M)

    def clear_flows(self):
        """Returns when the datapath's flows are gone."""
        self.appctl("revalidator/purge")


class Lab:
    """Hypervisors that share an underlay, each with one VM; tunnels in
    clear between them unless asked otherwise."""

    def __init__(self, run, tree, n_hypervisors=2, mtu=1600, other_config=(),
                 n_strangers=0, kinds=None):
        self.run = run
        self.tree = tree
        self.underlay = Underlay(run, mtu)
        self.hvs = [kind(tree, self.underlay, i + 1, other_config)
                    for i, kind in enumerate(
                        kinds or [Hypervisor] * n_hypervisors)]
        self.vms = [VM(hv, hv.number) for hv in self.hvs]
        self.strangers = [Stranger(self.underlay, 101 + i)
                          for i in range(n_strangers)]
        for vm in self.vms:
            vm.know(*(other for other in self.vms if other is not vm))

    def connect(self, ipv6=False, **options):
        """Full mesh of tunnel ports, Geneve unless `kind` says otherwise."""
        for hv in self.hvs:
            for other in self.hvs:
                if other is not hv:
                    hv.add_tunnel(other.ip6 if ipv6 else other.ip,
                                  f"gnv{other.number}", **options)

    def pin(self, ipv6=False):
        """Every hypervisor learns the fingerprints of the others."""
        for hv in self.hvs:
            hv.add_profile()
        self.exchange_pins(ipv6)

    def exchange_pins(self, ipv6=False):
        prints = {hv.number: hv.fingerprint() for hv in self.hvs}
        for hv in self.hvs:
            for other in self.hvs:
                if other is not hv:
                    hv.add_peer(other.ip6 if ipv6 else other.ip,
                                prints[other.number])

    def only_with_mark(self, mark):
        """Rules of the hosts let only marked packets to each other."""
        for hv in self.hvs:
            self.run.ip(hv.netns, f"rule add fwmark {mark} lookup 100")
            for other in self.hvs:
                if other is not hv:
                    self.run.ip(
                        hv.netns, f"route add unreachable {other.ip}",
                        f"route add {other.ip} dev {hv.device} src {hv.ip} "
                        "table 100")

    def n_unread(self):
        """As Hypervisor.n_unread(), of all hypervisors."""
        return sum(hv.n_unread() for hv in self.hvs)

    def check_alive(self):
        """No daemon has ended by itself."""
        for hv in self.hvs:
            if start_time(hv.vswitchd.pid) is None:
                raise Failed(f"ovs-vswitchd of {hv.name} ended by itself")
