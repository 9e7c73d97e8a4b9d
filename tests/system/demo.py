#!/usr/bin/python3
# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The demonstration: one logical switch on two hypervisors, first in clear,
then, after one command, encrypted.

Every claim about the wire is judged from a capture of the underlay, by
capture.py, which shares no code with what it judges, and by tshark."""

import argparse
import json
import pathlib
import signal
import sys
import time
import traceback

import capture
import runspace
from lab import DECODER, Hypervisor, Tree, Underlay, pings, tcp_transfer
from ovn import Central
from runspace import Failed, Run

MARKER = b"The quick brown fox of tenant 7 crosses the underlay. "
TRANSFER = MARKER * 20000
TIME_LIMIT_S = 180
BACK_WITHIN_S = 5.0
COMMAND = ("set", "logical_switch", "sw0", "encryption=require")


class Demo:
    """Two chassis, four VMs, a capture, and what was claimed so far."""

    def __init__(self, tree, run):
        self.tree = tree
        self.run = run
        self.claims = []
        self.start = time.monotonic()
        self.switched_at = None

    def say(self, text=""):
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
        self.say("Starting two hypervisors: each a namespace with ovsdb-server"
                 ", ovs-vswitchd\n(userspace datapath) and ovn-controller;"
                 " between them the underlay.")
        self.hvs = [Hypervisor(self.tree, underlay, n) for n in (1, 2)]
        for hv in self.hvs:
            self.central.register(hv)
        self.central.add_switch("sw0")
        self.vms = [self.central.add_vm(self.hvs[i % 2], i + 1)
                    for i in range(4)]
        self.central.sync()
        self.say("Logical switch sw0: vm1, vm3 on hv1; vm2, vm4 on hv2.")
        self.underlay_capture = underlay.capture()
        self.say("tcpdump records every packet of the underlay from now on.")

    def speak_in_clear(self):
        self.say("\nIn clear: ping and a TCP transfer from vm1 to vm2.")
        vm1, vm2 = self.vms[:2]
        vm1.reaches(vm2.ip)
        ping, received, pairs = self.exchange()
        self.pcap = self.underlay_capture.path
        clear = capture.plaintext_tunnel(self.pcap)
        hits = capture.count(self.pcap, MARKER)
        self.claim(
            "before: all VMs reach each other, the transfer arrives, and its"
            " text is readable on the underlay",
            not ping.lost and pairs == 12 and received == TRANSFER
            and hits > 0 and clear,
            lost_pings=ping.lost, pairs_reached=pairs,
            bytes_received=len(received), plaintext_tunnel_packets=len(clear),
            marker_hits=hits)

    def exchange(self):
        """The traffic that is shown before and after."""
        vm1, vm2 = self.vms[:2]
        ping = vm1.ping(vm2.ip, count=20, interval=0.02)
        started = [(a, a.ping_start(b.ip, 2, 0.2, wait=1))
                   for a in self.vms for b in self.vms if a is not b]
        pairs = sum(pings(process).received > 0 for _, process in started)
        return ping, tcp_transfer(vm1, vm2, TRANSFER), pairs

    def one_command(self):
        for hv in self.hvs:
            hv.keylog()
        self.say("\nThe key log is on, for tshark; vm1 pings vm2 all the"
                 " time.  And now:\n\n"
                 f"    ovn-nbctl {' '.join(COMMAND)}\n\n")
        vm1, vm2 = self.vms[:2]
        running = vm1.ping_start(vm2.ip, 1000, 0.02)
        time.sleep(0.3)
        commanded_at = time.time()
        self.central.nbctl("--wait=hv", *COMMAND)
        for hv in self.hvs:
            hv.revalidate()
        self.switched_at = time.time()
        vm1.reaches(vm2.ip)
        time.sleep(0.3)
        ping = pings(running, stop=True)
        sealed = capture.data_records(self.pcap, commanded_at)
        between = [d for d in capture.plaintext_tunnel(self.pcap,
                                                       commanded_at)
                   if d.time < self.switched_at]
        first = sealed[0].time - commanded_at if sealed else None
        self.claim(
            "one command encrypts the switch while it is in use",
            sealed and ping.received and ping.lost < 100,
            seconds_until_in_effect=round(self.switched_at - commanded_at, 3),
            seconds_to_first_encrypted_packet=first and round(first, 3),
            plaintext_tunnel_packets_while_it_took_effect=len(between),
            seconds_to_last_plaintext_packet=round(
                max((d.time for d in between), default=commanded_at)
                - commanded_at, 3),
            pings_sent=ping.sent, lost_pings=ping.lost)

    def speak_encrypted(self):
        self.say("\nThe same ping, the same transfer.")
        self.encrypted_from = time.time()
        ping, received, pairs = self.exchange()
        sealed = capture.data_records(self.pcap, self.encrypted_from)
        ways = {(r.src, r.dst) for r in sealed}
        self.claim(
            "after: all VMs reach each other and the transfer arrives, in"
            " DTLS records in both directions",
            not ping.lost and pairs == 12 and received == TRANSFER
            and len(ways) == 2,
            lost_pings=ping.lost, pairs_reached=pairs,
            bytes_received=len(received), dtls_records=len(sealed))

    def decode(self):
        self.say("\ntshark reads the capture with the two hosts' key logs and"
                 " utilities/vnetenc.lua.")
        keys = self.run.dir / "keys.txt"
        keys.write_text("".join(hv.keylog_file.read_text()
                                for hv in self.hvs))
        vm1, vm2 = self.vms[:2]
        text = MARKER.decode().split(".", maxsplit=1)[0]
        lines = self.run.cmd(
            "tshark", "-r", self.pcap, "-X", f"lua_script:{DECODER}",
            "-o", f"tls.keylog_file:{keys}", "-Y", "dtls and geneve",
            "-T", "fields", "-e", "frame.protocols", "-e", "icmp.type",
            "-e", "ip.src", "-e", "ip.dst", timeout=60).splitlines()
        echo = [f for f in (line.split("\t") for line in lines)
                if "dtls:geneve" in f[0] and f[1] == "8"
                and f[2].endswith(vm1.ip) and f[3].endswith(vm2.ip)]
        marked = self.run.cmd(
            "tshark", "-r", self.pcap, "-X", f"lua_script:{DECODER}",
            "-o", f"tls.keylog_file:{keys}", "-Y",
            f'dtls and geneve and tcp.payload contains "{text}"',
            timeout=60).splitlines()
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
                   "ermission" in answer and before == after
                   and "vnetenc-fp" in after)

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
        self.claim(
            f"encrypted traffic is back by itself within {BACK_WITHIN_S:g} s",
            back is not None and back <= BACK_WITHIN_S
            and received == TRANSFER and len(ways) == 2,
            seconds_until_traffic_is_back=back and round(back, 3),
            lost_pings=ping.lost, bytes_received=len(received))

    def judge(self):
        self.say("\nThe capture, as a whole.")
        pcap = self.underlay_capture.stop()
        packets = list(capture.frames(pcap))
        plain = capture.plaintext_tunnel(pcap, self.switched_at)
        sealed = capture.data_records(pcap, self.switched_at)
        self.claim("not one plaintext tunnel packet after the command",
                   not plain and sealed,
                   packets_captured=len(packets),
                   dtls_records=len(list(capture.records(pcap))),
                   dtls_data_records=len(sealed),
                   plaintext_tunnel_packets_after_the_switch=len(plain))
        before = capture.count(pcap, MARKER, until=self.switched_at)
        after = capture.count(pcap, MARKER, since=self.switched_at)
        macs = sum(capture.count(pcap, bytes.fromhex(
            vm.mac.replace(":", "")), since=self.switched_at)
            for vm in self.vms)
        self.claim("the marker text is readable before and nowhere after,"
                   " nor is the address of any VM",
                   before and not after and not macs,
                   marker_hits_before=before, marker_hits_after=after,
                   vm_address_hits_after=macs)
        repeated = capture.repeated_nonces(pcap)
        self.claim("no nonce was used twice with one key",
                   not repeated, repeated_nonces=len(repeated))

    def show(self):
        self.build_network()
        self.speak_in_clear()
        self.one_command()
        self.speak_encrypted()
        self.decode()
        self.refuse_rogue()
        self.kill_and_restart()
        self.judge()


def leave_running(demo, builddir):
    """Tells how to enter the network that was left running, and how to end
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
    runspace.enter([sys.executable, *sys.argv])
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(signum, interrupted)
    signal.alarm(TIME_LIMIT_S)
    demo = run = None
    claims = []
    try:
        tree = Tree(args.builddir)
        run = Run(kept=args.keep)
        demo = Demo(tree, run)
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
