#!/usr/bin/python3
# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The demonstration: an OVN network of two logical switches and a router on
three hypervisors, first in clear, then, after one command, encrypted.  The
third hypervisor cannot encrypt.

             hv1                   hv2                   hv3 (cannot encrypt)
    sw0      vm1 10.9.0.1          vm2 10.9.0.2          vm5 10.9.0.5
    lr0       |                     |                     |
    sw1      vm3 10.9.1.3          vm4 10.9.1.4

Then follow two tenants with a network and a credential each (demotenants.py).
With --datapath=kernel these three have the kernel datapath, and hv4 with vm6
10.9.0.6 on sw0 has the userspace datapath.  The demonstration then needs a
kernel with the modules of Open vSwitch.  Where the running kernel has none, it
runs in a guest (harness/guest.py).

capture.py, which shares no code with the programs that it judges, and tshark
judge every claim about the wire from a capture of the underlay."""

import argparse
import json
import os
import pathlib
import signal
import socket
import sys
import time
import traceback

import capture
import demoguest
import demotenants
import packets
import runspace
from claims import tshark
from lab import (
    TOP, Hypervisor, KernelHost, Tree, Underlay, pings, tcp_transfer)
from ovn import Central
from runspace import PATIENCE, Failed, Run

MARKER = b"The quick brown fox of tenant 7 crosses the underlay. "
TRANSFER = MARKER * 20000
# From one line that is printed to the next.
TIME_LIMIT_S = 180 * PATIENCE
# An emulated processor is no measure.
BACK_WITHIN_S = 5.0 if PATIENCE == 1 else 120.0
COMMAND = ("set", "logical_switch", "sw0", "encryption=require")
READY = TOP / "utilities/ovn-vnetenc-ready"


class Demo:
    """Chassis, VMs, a capture, and the claims so far."""

    def __init__(self, tree, run, datapath):
        self.tree = tree
        self.run = run
        self.is_kernel = datapath == "kernel"
        self.claims = []
        self.start = time.monotonic()
        self.required = []          # Periods in which sw0 required encryption.

    def say(self, text=""):
        signal.alarm(TIME_LIMIT_S)
        for line in text.splitlines():
            print(f"[{time.monotonic() - self.start:5.1f} s] {line}",
                  flush=True)

    def claim(self, text, ok, **figures):
        self.claims.append({"claim": text, "ok": bool(ok),
                            "figures": figures})
        self.say(f"{'ok   ' if ok else 'FALSE'} {text}")
        for name, value in figures.items():
            self.say(f"        {name}: {value}")

    # The steps, in order.

    def build_network(self):
        self.say("Starting the central: northbound and southbound databases,"
                 " ovn-northd.\nChassis reach the southbound database over"
                 " TLS only, held to the role ovn-controller.")
        self.underlay = underlay = Underlay(self.run)
        self.central = Central(underlay, self.tree)
        kinds = [KernelHost if self.is_kernel else Hypervisor] * 3
        if self.is_kernel:
            kinds.append(Hypervisor)
            self.say("Starting four hypervisors: hv1, hv2 and hv3 with the"
                     f" kernel datapath of Linux {os.uname().release},\n"
                     "hv4 with the userspace datapath.  Each is a namespace"
                     " with ovsdb-server, ovs-vswitchd\nand ovn-controller;"
                     " between them the underlay.")
        else:
            self.say("Starting three hypervisors: each a namespace with"
                     " ovsdb-server, ovs-vswitchd\n(userspace datapath) and"
                     " ovn-controller; between them the underlay.")
        self.say("hv3 hides that it can encrypt, as a host that was not"
                 " upgraded.")
        self.hvs = []
        for number, kind in enumerate(kinds, 1):
            self.hvs.append(kind(self.tree, underlay, number))
            self.say(f"    {self.hvs[-1].name} runs")
        self.hvs[2].hide_capability()
        self.capable = self.hvs[:2] + self.hvs[3:]
        for hv in self.hvs:
            self.central.register(hv)
        self.say("Starting the VMs: each a namespace with an interface on a"
                 " bridge of its hypervisor.")
        for switch in ("sw0", "sw1"):
            self.central.add_switch(switch)
        self.central.add_router("lr0", "sw0", "sw1")
        self.vms = [self.central.add_vm(self.hvs[hv - 1], number, f"sw{net}",
                                        net, routed=True)
                    for number, hv, net in (
                        (1, 1, 0), (2, 2, 0), (3, 1, 1), (4, 2, 1), (5, 3, 0),
                        *([(6, 4, 0)] if self.is_kernel else []))]
        # Those on chassis that can encrypt.
        self.encrypting = [vm for vm in self.vms if vm.hv in self.capable]
        # So packets pass ct() on departure and on arrival.
        for direction in ("from-lport", "to-lport"):
            self.central.nbctl("acl-add", "sw0", direction, "1001", "ip4",
                               "allow-related")
        self.say("Waiting until the chassis have done all that"
                 " (ovn-nbctl --wait=hv).")
        self.central.sync()
        self.say("Logical switch sw0: vm1 on hv1, vm2 on hv2, vm5 on hv3"
                 + (", vm6 on hv4" if self.is_kernel else "")
                 + ";\nits ACLs track connections.  sw1: vm3 on hv1, vm4 on"
                 " hv2.  Between them the router lr0.")
        self.underlay_capture = underlay.capture()
        self.say("tcpdump records every packet of the underlay from now on.")

    @property
    def pcap(self):
        return self.underlay_capture.now()

    def speak_in_clear(self):
        self.say("\nIn clear: ping and TCP transfers from vm1 to vm2 within"
                 " sw0, and to vm4 across lr0.")
        for vm in self.vms[1:]:
            self.vms[0].reaches(vm.ip)
        ping, received, pairs = self.exchange(self.vms)
        clear = capture.plaintext_tunnel(self.pcap)
        hits = capture.count(self.pcap, MARKER)
        self.claim(
            f"before: all {len(self.vms)} VMs reach each other, the transfers"
            " arrive, and"
            " their text is readable on the underlay",
            not ping.lost and pairs == n_pairs(self.vms)
            and received == TRANSFER * 2
            and hits > 0 and clear,
            lost_pings=ping.lost, pairs_reached=pairs,
            bytes_received=len(received), plaintext_tunnel_packets=len(clear),
            marker_hits=hits)

    def exchange(self, vms):
        """Makes the traffic that is shown before and after: pings, two
        transfers, and the number of pairs of `vms` that reach each other."""
        vm1, vm2, _, vm4 = self.vms[:4]
        ping = vm1.ping(vm2.ip, count=20, interval=0.02)
        pairs = 0
        for a in vms:
            # A first packet waits only so long for its session, and the first
            # packets of all pairs are too many for an emulated processor.
            started = [a.ping_start(b.ip, 2 * PATIENCE, 0.2, wait=PATIENCE)
                       for b in vms if a is not b]
            pairs += sum(pings(process).received > 0 for process in started)
        received = (tcp_transfer(vm1, vm2, TRANSFER)
                    + tcp_transfer(vm1, vm4, TRANSFER))
        return ping, received, pairs

    def in_effect(self, *command):
        """Gives a command to OVN and returns when it is in effect."""
        self.central.nbctl("--wait=hv", *command)
        return time.time()

    def one_command(self):
        for hv in self.capable:
            hv.keylog()
        self.say("\nThe key log is on, for tshark; vm1 pings vm2 all the"
                 " time.  And now:\n\n"
                 f"    ovn-nbctl {' '.join(COMMAND)}\n\n")
        vm1, vm2 = self.vms[:2]
        running = vm1.ping_start(vm2.ip, 1000, 0.02)
        time.sleep(0.3)
        commanded_at = time.time()
        switched_at = self.in_effect(*COMMAND)
        self.required.append([switched_at, float("inf")])
        vm1.reaches(vm2.ip)
        time.sleep(0.3)
        ping = pings(running, stop=True)
        sealed = capture.data_records(self.pcap, commanded_at)
        between = [d for d in self.in_clear(commanded_at)
                   if d.time < switched_at]
        first = sealed[0].time - commanded_at if sealed else None
        self.claim(
            "one command encrypts the switch while it is in use",
            sealed and ping.received and ping.lost < 100,
            seconds_until_in_effect=round(switched_at - commanded_at, 3),
            seconds_to_first_encrypted_packet=first and round(first, 3),
            plaintext_packets_while_it_took_effect=len(between),
            seconds_to_last_plaintext_packet=round(
                max((d.time for d in between), default=commanded_at)
                - commanded_at, 3),
            pings_sent=ping.sent, lost_pings=ping.lost)

    def speak_encrypted(self):
        self.say("\nThe same pings, the same transfers, among the VMs of "
                 + ("hv1, hv2 and hv4." if self.is_kernel else "hv1 and hv2."))
        since = time.time()
        vm1, _, vm3, vm4 = self.vms[:4]
        for vm in self.encrypting[1:]:
            vm1.reaches(vm.ip)
        ping, received, pairs = self.exchange(self.encrypting)
        sealed = capture.data_records(self.pcap, since)
        ways = {(r.src, r.dst) for r in sealed}
        clear = self.in_clear(since)
        self.claim(
            "after: within the switch and across the router all of them reach"
            " each other and the transfers arrive, in DTLS records in both"
            " directions, nothing of sw0 in clear",
            not ping.lost and pairs == n_pairs(self.encrypting)
            and received == TRANSFER * 2
            and len(ways) == n_pairs(self.capable) and not clear,
            lost_pings=ping.lost, pairs_reached=pairs,
            bytes_received=len(received), dtls_records=len(sealed),
            plaintext_packets_of_sw0=len(clear))
        since = time.time()
        ping = vm1.ping(vm4.ip, count=10, interval=0.02)
        routed = capture.data_records(self.pcap, since)
        self.claim("across the router: every ping from vm1 on sw0 to vm4 on"
                   " sw1 and its answer is a DTLS record",
                   not ping.lost and len(routed) >= 20
                   and not self.in_clear(since),
                   lost_pings=ping.lost, dtls_records=len(routed))
        since = time.time()
        ping = vm3.ping(vm4.ip, count=10, interval=0.02)
        clear = capture.plaintext_tunnel(self.pcap, since)
        self.claim("sw1, which did not ask, still speaks in clear with itself",
                   not ping.lost and len(clear) >= 20, lost_pings=ping.lost,
                   plaintext_tunnel_packets=len(clear))

    def refuse_incapable(self):
        self.say("\nvm1 and vm5 ping each other: hv3 cannot encrypt, sw0"
                 " requires it.")
        since = time.time()
        vm1, vm5 = self.vms[0], self.vms[4]
        lost = [ping.lost for ping in map(pings, [
            vm1.ping_start(vm5.ip, 10, 0.05, wait=0.3),
            vm5.ping_start(vm1.ip, 10, 0.05, wait=0.3)])]
        clear = self.in_clear(since)
        self.claim("require refuses the chassis that cannot encrypt: nothing"
                   " arrives, nothing leaves",
                   lost == [10, 10] and not clear,
                   lost_pings_to_it=lost[0], lost_pings_from_it=lost[1],
                   plaintext_packets_of_sw0=len(clear))

    def fall_back(self):
        self.say("\nFor the time of an upgrade there is `prefer':\n\n"
                 "    ovn-nbctl set logical_switch sw0 encryption=prefer\n\n")
        vm1, vm2, vm5 = self.vms[0], self.vms[1], self.vms[4]
        hv1 = self.hvs[0]
        drops = hv1.show_json()["drops"]
        since = self.required[-1][1] = time.time()
        self.in_effect("set", "logical_switch", "sw0", "encryption=prefer")
        vm1.reaches(vm5.ip)
        lost = [vm1.ping(vm.ip, count=10, interval=0.02).lost
                for vm in (vm2, vm5)]
        # A VM may speak between one look and the other.
        for _ in range(50):
            counted = (hv1.show_json()["drops"]["clear_no_peer"]
                       - drops["clear_no_peer"])
            clear = self.in_clear(since)
            n_sent = sum(d.src == hv1.ip for d in clear)
            if counted == n_sent:
                break
            time.sleep(0.1)
        capable = {hv.ip for hv in self.capable}
        among = [d for d in clear if {d.src, d.dst} <= capable]
        self.claim("prefer: hv3 is reached again, in clear, and each such"
                   " packet is counted; the others still encrypt",
                   lost == [0, 0] and counted == n_sent > 0 and not among,
                   lost_pings=sum(lost), packets_in_clear=len(clear),
                   packets_in_clear_from_hv1=n_sent,
                   counted_by_hv1_as_clear_no_peer=counted,
                   packets_in_clear_between_the_others=len(among))
        status, found = self.ready()
        self.claim("the readiness report names hv3, and what require would"
                   " have dropped",
                   status == 1 and found.get("chassis-not-capable") == ["hv3"]
                   and "would-drop-departures" in found
                   and "would-drop-arrivals" in found,
                   findings=", ".join(sorted(found)))

    def ready(self):
        """Asks ovn-vnetenc-ready on hv1; returns its exit status and
        {finding: where}."""
        path = ":".join(str(self.tree.program(p).parent) for p in
                        ("ovs-vsctl", "ovsdb-tool", "ovn-nbctl"))
        output = self.run.cmd(
            "sh", "-c", '"$@"; echo "status $?"', "ready", READY, "--json",
            f"--nb=unix:{self.central.dir}/nb.sock",
            f"--sb=unix:{self.central.dir}/sb.sock", netns=self.hvs[0].netns,
            env={**self.hvs[0].env, "PATH": f"{path}:{os.environ['PATH']}"})
        answer, _, status = output.rpartition("status ")
        found = {}
        for finding in json.loads(answer)["findings"]:
            if finding["level"] == "FAIL":
                found.setdefault(finding["id"], []).append(finding["where"])
                self.say(f"    {finding['id']}: {finding['where']}:"
                         f" {finding['what']}")
        return int(status), found

    def require_again(self):
        self.say("\nAnd back to require.")
        self.required.append([self.in_effect(*COMMAND), float("inf")])
        vm1, vm2, vm5 = self.vms[0], self.vms[1], self.vms[4]
        lost = [vm1.ping(vm.ip, count=10, interval=0.05,
                         wait=0.3 * PATIENCE).lost
                for vm in (vm2, vm5)]
        self.claim("require again: sessions are still up, so vm2 loses"
                   " nothing, and vm5 is refused", lost == [0, 10],
                   lost_pings_to_vm2=lost[0], lost_pings_to_vm5=lost[1])

    def in_clear(self, since=0.0):
        """The plaintext tunnel packets from `since` on that name a VM of
        sw0."""
        names = [text for vm in self.vms if vm.ip.startswith("10.9.0.")
                 for text in (packets.mac(vm.mac),
                              socket.inet_aton(vm.ip))]
        return [d for d in capture.plaintext_tunnel(self.pcap, since)
                if any(name in d.payload for name in names)]

    def decoded(self, wanted, *fields):
        """Fields of the packets in the capture that match a display
        filter."""
        keys = self.run.dir / "keys.txt"
        keys.write_text("".join(hv.keylog_file.read_text()
                                for hv in self.capable))
        return [line.split("\t")
                for line in tshark(self.run, self.pcap, keys, wanted, *fields)]

    def decode(self):
        self.say("\ntshark reads the capture with the hosts' key logs and"
                 " utilities/vnetenc.lua.")
        vm1, vm2 = self.vms[:2]
        lines = self.decoded("dtls and geneve", "frame.protocols",
                             "icmp.type", "ip.src", "ip.dst", "tcp.payload")
        echo = [f for f in lines
                if "dtls:geneve" in f[0] and f[1] == "8"
                and f[2].endswith(vm1.ip) and f[3].endswith(vm2.ip)]
        marked = [f for f in lines
                  if MARKER.hex() in f[4].replace(":", "")]
        self.claim(
            "tshark with the key log decodes DTLS -> Geneve -> inner packet",
            echo and marked, decoded_packets=len(lines),
            decoded_inner_echo_requests=len(echo),
            decoded_packets_with_the_marker=len(marked))

    def refuse_rogue(self):
        self.say("\nhv1, with its own certificate, tries to replace the"
                 " fingerprint that hv2 published.")
        row = self.central.sbctl("--bare", "--columns=_uuid", "find", "Encap",
                                 f'ip="{self.hvs[1].ip}"')
        before = self.central.sbctl("get", "Encap", row, "options")
        try:
            self.central.sbctl_as(self.hvs[0], "set", "Encap", row,
                                  "options:vnetenc-fp=forged")
            answer = ""
        except Failed as error:
            answer = str(error)
        after = self.central.sbctl("get", "Encap", row, "options")
        self.claim("a chassis cannot replace another's published fingerprint",
                   "permission error" in answer and before == after
                   and "vnetenc-fp" in after,
                   answer="permission error" if "permission error" in answer
                   else answer or "it was done")

    def kill_and_restart(self):
        self.say("\nkill -9 of hv2's ovs-vswitchd, then it is started again;"
                 " nothing else is done.")
        vm1, vm2 = self.vms[:2]
        running = vm1.ping_start(vm2.ip, 2000, 0.02)
        time.sleep(0.2)
        self.hvs[1].kill_vswitchd()
        time.sleep(0.3)
        started_at = time.time()
        self.hvs[1].restart_vswitchd()
        vm1.reaches(vm2.ip, timeout=20)
        time.sleep(0.3)
        ping = pings(running, stop=True)
        back = min((t - started_at for t in ping.replies()
                    if t > started_at), default=None)
        received = tcp_transfer(vm1, vm2, TRANSFER)
        sealed = capture.data_records(self.pcap, started_at)
        ways = {(r.src, r.dst) for r in sealed}
        ips = [hv.ip for hv in self.hvs[:2]]
        between = {tuple(ips), tuple(reversed(ips))}
        self.claim(
            f"encrypted traffic is back by itself within {BACK_WITHIN_S:g} s",
            back is not None and back <= BACK_WITHIN_S
            and received == TRANSFER and between <= ways,
            seconds_until_traffic_is_back=back and round(back, 3),
            lost_pings=ping.lost, bytes_received=len(received))

    def judge(self):
        self.say("\nThe capture, as a whole.")
        self.required[-1][1] = time.time()
        pcap = self.underlay_capture.stop()
        frames = list(capture.frames(pcap))
        switched_at = self.required[0][0]

        def required(when):
            return any(since <= when < until for since, until in self.required)

        plain = [d for d in self.in_clear() if required(d.time)]
        sealed = capture.data_records(pcap, switched_at)
        self.claim("while sw0 required encryption, not one packet of it was in"
                   " clear", not plain and sealed,
                   packets_captured=len(frames),
                   dtls_records=len(list(capture.records(pcap))),
                   dtls_data_records=len(sealed),
                   plaintext_packets_of_sw0=len(plain))
        before = capture.count(pcap, MARKER, until=switched_at)
        after = capture.count(pcap, MARKER, since=switched_at)
        macs = sum(frame.count(packets.mac(vm.mac)) for when, frame in frames
                   if required(when) for vm in self.vms
                   if vm.ip.startswith("10.9.0."))
        self.claim("the marker text is readable before and nowhere after,"
                   " nor is the address of any VM of sw0 while encryption was"
                   " required",
                   before and not after and not macs,
                   marker_hits_before=before, marker_hits_after=after,
                   vm_address_hits_after=macs)
        repeated = capture.repeated_nonces(pcap)
        self.claim("no nonce was used twice with one key",
                   not repeated, repeated_nonces=len(repeated))

    def status(self):
        self.say("\nThe final status: ovs-appctl vnetenc/show on hv1."
                 "  Profile 0 is for sw0, profile 5\nfor tenant-a and profile"
                 " 6 for tenant-b.  A session with hv2 waits, because"
                 " tenant-a\nno longer lists hv2.\n")
        self.say(self.hvs[0].show())

    def show(self):
        self.build_network()
        self.speak_in_clear()
        self.one_command()
        self.speak_encrypted()
        self.refuse_incapable()
        self.decode()
        self.refuse_rogue()
        self.kill_and_restart()
        self.fall_back()
        self.require_again()
        demotenants.show(self)
        self.judge()
        self.status()


def n_pairs(things):
    return len(things) * (len(things) - 1)


def leave_running(demo, builddir):
    """Explains how to enter the network that was left running, and how to end
    it."""
    run = demo.run
    holder = run.spawn("sleep", "infinity", name="holder")
    rc = run.dir / "rc"
    path = ":".join(str(demo.tree.program(p).parent) for p in
                    ("ovs-vsctl", "ovsdb-tool", "ovn-nbctl"))
    hosts = "\n".join(
        f"{name}() {{ ip netns exec {netns} env OVS_RUNDIR={run.dir}/{name}"
        ' "$@"; }' for netns in run.netnses
        for name in [netns.removesuffix("-" + run.id)])
    rc.write_text(f"PATH={path}:$PATH\nexport PATH\n"
                  f"export OVN_NB_DB=unix:{demo.central.dir}/nb.sock\n"
                  f"export OVN_SB_DB=unix:{demo.central.dir}/sb.sock\n"
                  f"{hosts}\nPS1='vnetenc {run.id}# '\n")
    demo.say(f"""
Left running as {run.id}.  To enter it:
    nsenter -t {holder.pid} -n -m bash --rcfile {rc}
and there, for example:
    ovn-nbctl show
    vm1 ping {demo.vms[1].ip}
    hv1 ovs-appctl vnetenc/show
    underlay tcpdump -ni ul0
To end it:
    {sys.executable} {pathlib.Path(__file__).resolve()} --end {run.id}""")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--builddir", metavar="DIR", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[2],
                        help="holds _ovs/build and _ovn/build")
    parser.add_argument("--report", metavar="FILE", type=pathlib.Path,
                        help="write the claims as JSON")
    parser.add_argument("--keep", action="store_true",
                        help="leave the network running")
    parser.add_argument("--datapath", choices=("userspace", "kernel"),
                        default="userspace", help="of the hypervisors")
    parser.add_argument("--end", metavar="ID",
                        help="end a network that was left running")
    return parser.parse_args()


def interrupted(signum, _frame):
    raise Failed(f"interrupted by {signal.Signals(signum).name}")


def main():
    args = parse_arguments()
    if args.end:
        runspace.end_kept(args.end)
        return 0
    if args.datapath == "kernel" and (module := demoguest.missing_module()):
        why = f"Linux {os.uname().release} has no module {module}"
        if args.keep or "VNETENC_GUEST" in os.environ:
            print(f"{why}, and a guest cannot be left running: use"
                  " --keep without --datapath=kernel", file=sys.stderr)
            return 2
        return demoguest.show(args.builddir, args.report, why)
    runspace.enter()
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(signum, interrupted)
    signal.alarm(TIME_LIMIT_S)
    demo = run = None
    claims = []
    try:
        tree = Tree(args.builddir)
        run = Run(kept=args.keep)
        demo = Demo(tree, run, args.datapath)
        claims = demo.claims
        demo.show()
        if args.keep:
            leave_running(demo, args.builddir)
    except (Exception, KeyboardInterrupt) as error:
        traceback.print_exc()
        claims.append({"claim": "the demonstration ran to its end",
                       "ok": False, "figures": {"error": str(error)}})
    finally:
        signal.alarm(0)
        if args.report:
            args.report.write_text(json.dumps({"claims": claims}, indent=2)
                                   + "\n")
        ended = claims and claims[-1]["claim"].endswith("to its end")
        if run is not None and not (args.keep and not ended):
            run.close()
    false = [c for c in claims if not c["ok"]]
    print(f"{len(claims) - len(false)} of {len(claims)} claims are true",
          flush=True)
    return 1 if false or not claims else 0


if __name__ == "__main__":
    sys.exit(main())
