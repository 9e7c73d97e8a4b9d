# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""TCP through two hypervisors in network namespaces, without DPDK: plain
Geneve, encrypted Geneve on the same ports, and other encrypted tunnels.

Everything is set up once.  A round measures all targets in turn, in an order
that rotates, with plain and encrypted Geneve next to each other.  The cost of
a tunnel is the processor time of its daemons, at both ends, for a gigabyte
that arrived.  Before each measurement, pings verify that 1400 bytes pass
unfragmented, and that they are readable on the wire if, and only if, the
tunnel is plain."""

import os
import pathlib

import iperf
import packages
import peers
from lab import VM, Hypervisor, Lab, no_offload, packet_socket
from runspace import Failed

MARKER = b"vnetenc-bench-mk"
PLAIN, ENCRYPTED, SPLIT = "plain", "encrypted", "encrypted, split"
# MTU of guests.  SPLIT: every full-size packet fills the underlay in clear,
# and is too long for it when it is encrypted.
GUEST_MTU = {PLAIN: 1400, ENCRYPTED: 1400, SPLIT: 1450}
OFF, ON = "TSO off", "TSO on"
TICKS = os.sysconf("SC_CLK_TCK")


class Wire:
    """A veth that replaces the lab's underlay."""

    bridge, management = "wire", "management"

    def __init__(self, run, name, mtu, offload):
        self.run = run
        self.mtu = mtu
        self.offload = offload
        self.netns = run.add_netns(name)
        run.ip(self.netns, f"link add e0 mtu {mtu} type veth peer name e1"
               f" mtu {mtu}")
        self.ends = ["e0", "e1"]

    def plug(self, _port, netns, inner, bridge=bridge):
        if bridge != self.bridge:
            self.run.ip(netns, f"link add {inner} type bridge")
            return
        self.run.ip(self.netns, f"link set dev {self.ends.pop(0)} netns"
                    f" {netns} name {inner}")
        self.run.ip(netns, f"link set dev {inner} up")
        if not self.offload:
            no_offload(self.run, netns, inner)


class Sandbox(Lab):
    """Two hypervisors and two VMs, connected by Geneve."""

    def __init__(self, run, tree, first, tso):
        self.run = run
        self.tree = tree
        wire = Wire(run, f"wire{first}", 1500, tso)
        config = ["userspace-tso-enable=true"] if tso else []
        self.hvs = [Hypervisor(tree, wire, number, config)
                    for number in (first, first + 1)]
        self.vms = [VM(hv, hv.number) for hv in self.hvs]
        for vm, other in zip(self.vms, reversed(self.vms)):
            vm.know(other)
            if tso:
                run.cmd("ethtool", "-K", "e0", "tx", "on", "tso", "on",
                        netns=vm.netns)
                run.cmd("ethtool", "-K", vm.port, "tx", "on",
                        netns=vm.hv.netns)
        self.connect()
        self.pin()

    def set_mode(self, how):
        mode = "off" if how == PLAIN else "require"
        for vm in self.vms:
            for netns, port in ((vm.netns, "e0"), (vm.hv.netns, vm.port)):
                self.run.ip(netns, f"link set dev {port} mtu"
                            f" {GUEST_MTU[how]}")
        for hv, other in zip(self.hvs, reversed(self.hvs)):
            hv.vsctl("set", "Interface", f"gnv{other.number}",
                     f"options:encryption={mode}")
        for hv in self.hvs:
            hv.revalidate()
        self.vms[0].reaches(self.vms[1].ip)


class Target:
    """A tunnel to measure: the ends of TCP, the daemons that work for it, and
    its packets on the wire."""

    def __init__(self, run, name, client, server, ip, daemons, wire, secret,
                 prepare=lambda: None, inside=((), ())):
        self.run = run
        self.name = name
        self.client, self.server, self.ip = client, server, ip
        self.daemons = daemons
        self.wire = wire
        self.secret = secret
        self.prepare = prepare
        self.inside = inside

    def guard(self):
        """Fails unless 1400 bytes pass in one piece and look on the wire as
        they should."""
        with packet_socket(self.wire, "u") as sock:
            sock.setblocking(False)
            out = self.run.cmd(
                "ping", "-n", "-M", "do", "-s", 1372, "-c", 3, "-i", 0.02,
                "-W", 1, "-p", MARKER.hex(), self.ip, netns=self.client,
                check=False)
            frames = list(_drain(sock))
        if " 3 received" not in out:
            raise Failed(f"{self.name}: 1400 bytes do not pass: {out}")
        if not any(len(frame) > 1400 for frame in frames):
            raise Failed(f"{self.name}: nothing was seen on the wire")
        if any(MARKER in frame for frame in frames) == self.secret:
            raise Failed(f"{self.name}: what is on the wire is"
                         f" {'not ' if self.secret else ''}secret")

    def measure(self, seconds):
        """One run of iperf3."""
        self.prepare()
        self.guard()
        end, before, after = iperf.measure(
            self.run, (self.client, self.server), self.ip, seconds,
            self._usage, inside=self.inside)
        try:
            n_bytes = end["sum_received"]["bytes"]
        except KeyError as error:
            raise Failed(f"{self.name}: iperf3 reported no {error}") from None
        if not n_bytes:
            raise Failed(f"{self.name}: nothing arrived")
        total, daemons, stolen, idle = (b - a for a, b in zip(before, after))
        return {"mbps": end["sum_received"]["bits_per_second"] / 1e6,
                "cpu_s_per_gb": total / TICKS / (n_bytes / 1e9),
                "daemon_s_per_gb": daemons / TICKS / (n_bytes / 1e9),
                "retransmits": end["sum_sent"]["retransmits"],
                "steal": stolen / max(1, total + stolen + idle),
                "load": os.getloadavg()[0]}

    def _usage(self):
        """Ticks so far: of the whole machine, of the daemons, stolen, idle."""
        text = pathlib.Path("/proc/stat").read_text().splitlines()[0]
        user, nice, system, idle, wait, irq, soft, steal = map(
            int, text.split()[1:9])
        return (user + nice + system + irq + soft,
                session_ticks({p.pid for p in self.daemons}), steal,
                idle + wait)


def _drain(sock):
    while True:
        try:
            yield sock.recv(65536)
        except BlockingIOError:
            return


def session_ticks(leaders):
    """Processor time of every process whose session has one of these
    leaders."""
    ticks = 0
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="ascii",
                      errors="replace") as stat:
                fields = stat.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) in leaders:
            ticks += sum(map(int, fields[11:15]))   # With dead children.
    return ticks


def _geneve(run, box, title, inside):
    vm1, vm2 = box.vms
    daemons = [hv.vswitchd for hv in box.hvs]
    return [Target(run, f"Geneve, {title}, {how}", vm1.netns, vm2.netns,
                   vm2.ip, daemons, box.hvs[0].netns, how != PLAIN,
                   lambda how=how: box.set_mode(how), (inside, inside))
            for how in GUEST_MTU]


def _tunnel(run, peer):
    return Target(run, peer.name, peer.netns["a"], peer.netns["b"],
                  peer.server, peer.daemons, peer.netns["a"], True,
                  inside=(peer.inside("a"), peer.inside("b")))


def orders(targets, rounds):
    """The targets in the order of each round.  The order rotates.  Targets of
    one sandbox are measured one after the other, backwards in every other
    round."""
    boxes = [targets[i:i + 3] for i in (0, 3)]
    groups = boxes + [[target] for target in targets[6:]]
    for number in range(rounds):
        at = number * len(groups) // max(1, rounds)
        for group in groups[at:] + groups[:at]:
            yield from ((number, t) for t in
                        (group if number % 2 == 0 else reversed(group)))


def measure(run, tree, raw, root, rounds, seconds, say):
    """Adds rows to `raw'; returns the failures."""
    rows = raw["system"] = []
    boxes = [(OFF, Sandbox(run, tree, 1, False)),
             (ON, Sandbox(run, tree, 3, True))]
    private = run.folder("iperf3")
    (private / "run").mkdir()
    prefix = packages.inside(root, private / "run") if root else []
    targets = [target for title, box in boxes
               for target in _geneve(run, box, title, prefix)]
    others, failures = peers.start_all(run, root) if root else ([], {})
    targets += [_tunnel(run, peer) for peer in others]
    found = packages.versions([peer.package for peer in others],
                              root.parent) if others else {}
    raw["tunnels"] = {peer.name: f"{found[peer.package]}, {peer.cipher}"
                      for peer in others}
    for number, target in orders(targets, rounds):
        try:
            row = {"round": number, "target": target.name,
                   **target.measure(seconds)}
        except Failed as failure:
            failures[f"{target.name}, round {number}"] = str(failure)[-500:]
            continue
        rows.append(row)
        say(f"round {number + 1}: {target.name:28} {row['mbps']:6.0f} Mbit/s"
            f" {row['daemon_s_per_gb']:6.1f} s/GB")
    for title, box in boxes:
        try:
            box.check_alive()
        except Failed as failure:
            failures[title] = f"{failure}: {run.logs(3)[-400:]}"
    return failures
