# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""A cloud under OVN, watched for leaks.

A test sets the mode of a logical switch by set_mode(), so the cloud knows when
each switch requires encryption.  close() reads the capture of the whole test.
It fails if something of a switch was readable on the underlay while the switch
required encryption: a tunnel packet with its key, or any packet with the
address of one of its machines.  The judge is that of vnetenc-leaktest.
"""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import capture
import packets
from lab import Host, Hypervisor, Underlay
from ovn import Central
from runspace import PATIENCE, Failed, start_time, wait_until
from vnetenc_tools.leaks import Judge, Plan

PROVIDER = "ex0"
OUTSIDE = "192.0.2.%d"


class Cloud:
    """A central and `n` chassis, which are of `kinds` in turn.  Those whose
    numbers are in `incapable` hide that they can encrypt."""

    def __init__(self, run, tree, n=2, incapable=(), switches=("sw0",),
                 kinds=(Hypervisor,), **register):
        self.run = run
        self.tree = tree
        self.kinds = kinds
        self.underlay = Underlay(run)
        self.central = Central(self.underlay, tree)
        self.hvs = [self.make_host(i + 1) for i in range(n)]
        for hv in self.hvs:
            if hv.number in incapable:
                hv.hide_capability()
            self.central.register(hv, **register)
        for switch in switches:
            self.central.add_switch(switch)
        self.machines = {}              # Switch -> VMs.
        self.required = {}              # Switch -> [[since, until]].
        self.keys = {}                  # Switch that did -> tunnel key.
        self.strangers = set()          # Outer addresses that may send clear.
        self.frozen = set()             # Chassis without ovn-controller.
        self.excused = []               # Periods, see excuse().
        self.internet = None
        self.pcap = self.underlay.capture()

    # Building.

    def make_host(self, number):
        kind = self.kinds[(number - 1) % len(self.kinds)]
        return kind(self.tree, self.underlay, number)

    def add_vm(self, hv, number, switch="sw0", **kwargs):
        vm = self.central.add_vm(self.hvs[hv - 1], number, switch, **kwargs)
        self.machines.setdefault(switch, []).append(vm)
        return vm

    def add_router(self, name="lr0", switches=("sw0", "sw1")):
        self.central.add_router(name, *switches)

    def add_provider(self, *numbers):
        """A network outside the overlay, to which these chassis are attached,
        with a host on it."""
        run = self.run
        run.ip(self.underlay.netns, f"link add {PROVIDER} mtu 1500 type bridge"
               " mcast_snooping 0",
               f"link set dev {PROVIDER} addrgenmode none up")
        for number in numbers:
            hv = self.hvs[number - 1]
            self.underlay.plug(f"x{number}", hv.netns, "ex", PROVIDER)
            run.ip(hv.netns, "link set dev ex arp off")
            hv.vsctl("add-br", "br-ex", "--", "set", "Bridge", "br-ex",
                     f"datapath_type={hv.datapath}",
                     "--", "add-port", "br-ex", "ex",
                     "--", "set", "Open_vSwitch", ".",
                     "external_ids:ovn-bridge-mappings=physnet:br-ex")
        self.internet = Host(run, "internet", OUTSIDE % 1)
        self.internet.mac = "0a:7e:5c:fd:00:01"
        self.underlay.plug("xi", self.internet.netns, "e0", PROVIDER)
        run.ip(self.internet.netns,
               f"link set dev e0 address {self.internet.mac}",
               f"addr add {self.internet.ip}/24 dev e0",
               f"route add 10.9.0.0/16 via {OUTSIDE % 254}")

    def add_public(self, gateway, router="lr0"):
        """A switch with a localnet port, behind a distributed gateway port
        of the router, which is on chassis number `gateway`."""
        nbctl = self.central.nbctl
        nbctl("ls-add", "public", "--", "lsp-add", "public", "ln",
              "--", "lsp-set-type", "ln", "localnet",
              "--", "lsp-set-addresses", "ln", "unknown",
              "--", "lsp-set-options", "ln", "network_name=physnet")
        port = self.central.attach(router, "public", f"{OUTSIDE % 254}/24")
        nbctl("lrp-set-gateway-chassis", port, f"hv{gateway}")
        return port

    # Changing.

    def in_effect(self, *command, central=None, datapath=True):
        """Gives a command to OVN; returns the time at which every chassis that
        still has an ovn-controller has done it; with 'datapath', also in its
        flow caches."""
        central = central or self.central
        if not self.frozen:
            central.nbctl("--wait=hv", *(command or ("sync",)))
        else:
            central.nbctl("--wait=sb", *(command or ("sync",)))
            wanted = int(central.nbctl("get", "NB_Global", ".", "nb_cfg"))
            wait_until(lambda: all(
                self._answer(hv) >= wanted for hv in self.hvs
                if hv.number not in self.frozen), "the chassis have done it")
        if datapath:
            with ThreadPoolExecutor() as pool:
                for _ in pool.map(Hypervisor.revalidate, self.hvs):
                    pass
        return time.time()

    def _answer(self, hv):
        return int(self.central.sbctl("get", "Chassis_Private", hv.name,
                                      "nb_cfg"))

    def set_mode(self, mode, *switches, central=None):
        """Sets or clears the column of the switches; returns the time at which
        the change is in effect.  For `require', ovn-nbctl --wait=hv alone
        promises that."""
        switches = switches or ("sw0",)
        command = []
        for switch in switches:
            if command:
                command.append("--")
            command += (["set", "logical_switch", switch,
                         f"encryption={mode}"] if mode else
                        ["clear", "logical_switch", switch, "encryption"])
            for period in self.required.get(switch, ()):
                period[1] = min(period[1], time.time())
        when = self.in_effect(*command, central=central,
                              datapath=mode != "require")
        if mode == "require":
            for switch in switches:
                self.required.setdefault(switch, []).append(
                    [when, float("inf")])
                self.keys[switch] = self.tunnel_key(switch, central)
        return when

    def freeze(self, number):
        """Ends the ovn-controller of a chassis.  The chassis keeps its flows,
        like a chassis that was not upgraded."""
        hv = self.hvs[number - 1]
        hv.controller.stop(9)
        self.frozen.add(number)
        self.strangers.add(hv.ip)

    def excuse(self, since):
        """Allows packets in clear between `since` and now: the contract allows
        them."""
        self.excused.append((since, time.time()))

    # Watching.

    def tunnel_key(self, switch, central=None):
        return int((central or self.central).sbctl(
            "--bare", "--columns=tunnel_key", "find", "Datapath_Binding",
            f"external_ids:name={switch}"))

    def flow_packets(self, hv, table, *match):
        """How many packets hit the flows of a table of br-int whose text
        contains all of `match`."""
        text = hv.ofctl("-O", "OpenFlow15", "dump-flows", "br-int",
                        f"table={table}")
        return sum(int(line.split("n_packets=")[1].split(",")[0])
                   for line in text.splitlines()
                   if "n_packets=" in line and all(m in line for m in match))

    def in_clear(self, since, *vms):
        """The frames on the underlay, from `since` on, that name one of the
        machines."""
        return [frame for when, frame in capture.frames(self.pcap.now())
                if when >= since and _names(frame, vms)]

    def between(self, since, a, b):
        """The frames that name both machines: packets from one to the other.
        A machine of a switch that demands nothing may send other packets in
        clear."""
        return [f for f in self.in_clear(since, a)
                if all(socket.inet_aton(vm.ip) in f for vm in (a, b))]

    def sealed(self, since):
        return capture.data_records(self.pcap.now(), since)

    # Claims.

    def encrypted(self, a, b, count=5):
        """`a` reaches `b`, both ways in records."""
        a.reaches(b.ip)
        since = _steady_pings(a, b, count)
        assert len(self.sealed(since)) >= 2 * count
        assert not self.between(since, a, b)

    def clear(self, a, b, count=5):
        """`a` reaches `b`, both ways in clear."""
        a.reaches(b.ip)
        since = _steady_pings(a, b, count)
        assert len(self.between(since, a, b)) >= 2 * count

    def local(self, a, b, count=20):
        """`a` reaches `b`, and nothing of it is on the underlay."""
        a.reaches(b.ip)
        since = _steady_pings(a, b, count)
        assert not self.between(since, a, b)
        # Probes, and packets that machines send by themselves, are there.
        assert len(self.sealed(since)) < count

    def refused(self, a, b, count=5):
        """Nothing of `a` arrives at `b` or comes back."""
        sock = b.packet_socket("e0")
        drain(sock)
        ping = a.ping(b.ip, count, 0.02, wait=0.3)
        assert ping.lost == count
        source = socket.inet_aton(a.ip)
        assert not [f for f in drain(sock) if source in f[14:34]]

    def leaks(self, path):
        """Readable packets of switches that required encryption."""
        found = []
        judges = {switch: Judge(Plan(
            {self.keys[switch]: switch},
            {packets.mac(vm.mac): vm.name
             for vm in self.machines.get(switch, ())}))
            for switch in self.required}
        for when, frame in capture.frames(path):
            parsed = capture.udp(frame)
            if (parsed and parsed[0] in self.strangers
                    or any(a <= when < b for a, b in self.excused)):
                continue
            for switch, periods in self.required.items():
                if not any(a <= when < b for a, b in periods):
                    continue
                leak = judges[switch].see(when, frame)
                if leak or _names(frame, self.machines.get(switch, ())):
                    found.append((switch, when, leak, frame.hex()))
        return found

    def close(self):
        """Judges the whole capture; daemons must still be there."""
        path = self.pcap.stop()
        leaks = self.leaks(path)
        if leaks:
            raise Failed(f"{len(leaks)} leaks, the first: {leaks[0]}")
        if capture.repeated_nonces(path):
            raise Failed("a nonce was used twice")
        for hv in self.hvs:
            if start_time(hv.vswitchd.pid) is None:
                raise Failed(f"ovs-vswitchd of {hv.name} ended by itself")
            if (hv.number not in self.frozen
                    and start_time(hv.controller.pid) is None):
                raise Failed(f"ovn-controller of {hv.name} ended by itself")


def _steady_pings(a, b, count):
    """Pings until a series loses nothing: a port that has just come up may
    lose a packet.  Returns the time at which that series began."""
    for _ in range(3):
        since = time.time()
        ping = a.ping(b.ip, count, 0.02)
        if not ping.lost:
            return since
    raise Failed(f"{a.name} reaches {b.name} with losses: {ping.text}")


def _names(frame, vms):
    """Whether a frame has the MAC address of one of the machines or, outside
    ciphertext, its IP address.  Ciphertext may have any four bytes by chance,
    so only MAC addresses are looked for there."""
    parsed = capture.udp(frame)
    sealed = parsed and capture.DTLS in (parsed[1], parsed[3])
    return any(packets.mac(vm.mac) in frame
               or not sealed and socket.inet_aton(vm.ip) in frame
               for vm in vms)


def drain(sock, pause=0.15):
    """The frames that arrive until a pause."""
    sock.settimeout(pause * PATIENCE)
    frames = []
    try:
        while True:
            frames.append(sock.recv(2048))
    except TimeoutError:
        return frames
