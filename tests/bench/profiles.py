#!/usr/bin/python3
# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""What many profiles cost two hosts that share them.

    profiles.py [--builddir DIR] [PROFILES...]

Both hosts have a row of VNetEnc_Profile for each, with a tunnel key of its
own, and the certificate that they have made for themselves.  Once a second
each host has a packet for each profile without a session.  Measured are the
time from the first packet until each host has a session under each profile,
what hv1 has used of a processor until then, its sockets, and the growth of its
resident set, a few seconds later."""

import argparse
import os
import pathlib
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/system"))

import runspace                             # noqa: E402
from lab import Lab, Tree                   # noqa: E402
from runspace import Failed, Run, wait_until    # noqa: E402

FRAME = "0a7e5c31d9020a7e5c31d90188b5" + "00" * 46
SIZES = (1, 60, 200)
AT_ONCE = 50            # Rows of a transaction, packets of a message.
LIMIT_S = 120
REST_S = 5
TICKS = os.sysconf("SC_CLK_TCK")


def groups(ids):
    for first in range(0, len(ids), AT_ONCE):
        yield ids[first:first + AT_ONCE]


class Pair:
    def __init__(self, run, tree, n):
        self.ids = list(range(1, n + 1))
        self.lab = Lab(run, tree)
        self.lab.pin()
        self.lab.connect(key="flow", encryption="require")
        for hv in self.lab.hvs:
            for ids in groups(self.ids):
                hv.vsctl(*[arg for number in ids for arg in (
                    "--", "create", "VNetEnc_Profile", f"id={number}",
                    f"tunnel_keys={number + 1000}")][1:])
        for hv in self.lab.hvs:
            wait_until(lambda hv=hv: len(
                [p for p in hv.show_json()["profiles"]
                 if p.get("fingerprint")]) > n,
                "the profiles are loaded", 30)

    def up(self, hv):
        """The profiles under which the host has a session of its own."""
        return {session["profile"] for peer in hv.show_json()["peers"]
                for session in peer["sessions"]
                if session.get("state") == "up"
                and session["direction"] == "out"}

    def send(self, hv, ids):
        for some in groups(ids):
            actions = ",".join(
                f"set_field:{number + 1000}->tun_id,"
                f"vnetenc(mode=require,profile={number}),output:gnv"
                f"{3 - hv.number}" for number in some)
            hv.ofctl("packet-out", "br-int",
                     f"in_port=LOCAL,packet={FRAME},actions={actions}")

    def proc(self, name):
        pid = self.lab.hvs[0].vswitchd.pid
        return pathlib.Path(f"/proc/{pid}/{name}").read_text()

    def cpu_s(self):
        fields = self.proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_kb(self):
        return int(self.proc("status").partition("VmRSS:")[2].split()[0])

    def sockets(self):
        """UDP sockets of the host; it has no other program with any."""
        text = self.lab.run.cmd("ss", "-H", "-u", "-a", "-n",
                                netns=self.lab.hvs[0].netns)
        return len(text.splitlines())

    def measure(self):
        memory, sockets = self.memory_kb(), self.sockets()
        start, cpu = time.monotonic(), self.cpu_s()
        next_send = start
        left = {hv: self.ids for hv in self.lab.hvs}
        while any(left.values()):
            if time.monotonic() >= next_send:
                for hv, ids in left.items():
                    self.send(hv, ids)
                next_send += 1
            time.sleep(0.05)
            for hv in left:
                up = self.up(hv)
                left[hv] = [number for number in self.ids if number not in up]
            if time.monotonic() - start > LIMIT_S:
                raise Failed(f"no session after {LIMIT_S} s under"
                             f" {[len(ids) for ids in left.values()]}"
                             f" profiles: {self.lab.hvs[0].show()}")
        seconds, cpu = time.monotonic() - start, self.cpu_s() - cpu
        time.sleep(REST_S)
        return (len(self.ids), seconds, cpu, self.sockets() - sockets,
                (self.memory_kb() - memory) / len(self.ids))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--builddir", default=".")
    parser.add_argument("profiles", type=int, nargs="*", default=SIZES)
    args = parser.parse_args()
    runspace.enter()
    print("| Profiles | up, s | processor, s | sockets | memory for a profile,"
          " kB |\n|---|" + "---:|" * 4)
    for n in args.profiles:
        run = Run()
        try:
            row = Pair(run, Tree(args.builddir), n).measure()
            print("| {} | {:.1f} | {:.2f} | {} | {:.0f} |".format(*row),
                  flush=True)
        finally:
            run.close()


if __name__ == "__main__":
    main()
