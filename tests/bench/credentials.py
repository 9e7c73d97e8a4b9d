#!/usr/bin/python3
# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""What credentials cost ovn-northd and the southbound database.

    credentials.py [--builddir DIR] [--chassis N] [--credentials N]

The chassis exist in the southbound database only.  Each credential has a
switch, with a router and a second switch behind it; each chassis has one port,
which requests it.  Measured are, with the same networks: no credentials,
credentials that list the chassis with ports, computed members, and credentials
that list every chassis.  Times are processor times of ovn-northd, medians of
ROUNDS.  The size is that of the compacted southbound database."""

import argparse
import pathlib
import statistics
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/system"))

from lab import Tree, Underlay              # noqa: E402
from ovn import Central                     # noqa: E402
from runspace import Run                    # noqa: E402

ROUNDS = 5
AT_ONCE = 100           # Commands of one transaction.


def batch(ctl, commands):
    """Runs `commands`, lists of arguments, in a few transactions."""
    for first in range(0, len(commands), AT_ONCE):
        ctl(*[arg for command in commands[first:first + AT_ONCE]
              for arg in ("--", *command)])


class Site:
    def __init__(self, run, builddir, n_chassis, n_credentials):
        self.central = Central(Underlay(run), Tree(builddir))
        self.run, self.tree = run, self.central.tree
        self.nb, self.sb = self.central.nbctl, self.central.sbctl
        self.names = [f"chassis-{n:04}" for n in range(n_chassis)]
        self.n = n_credentials
        self.build()

    def build(self):
        batch(self.sb, [["chassis-add", name, "geneve",
                         f"10.{n >> 8}.{n & 255}.1", "--", "set", "Chassis",
                         name, f"hostname=host-of-{name}"]
                        for n, name in enumerate(self.names)])
        batch(self.nb, [
            ["ls-add", f"sw{n}", "--", "ls-add", f"back{n}", "--", "set",
             "logical_switch", f"sw{n}", "encryption=require",
             "--", "lr-add", f"r{n}",
             *(arg for net, ls in enumerate((f"sw{n}", f"back{n}")) for arg in
               ("--", "lrp-add", f"r{n}", f"r{n}-{ls}",
                f"0a:00:00:0{net}:{n >> 8:02x}:{n & 255:02x}",
                f"10.{net}.{n}.1/24", "--", "lsp-add-router-port", ls,
                f"{ls}-r{n}", f"r{n}-{ls}"))]
            for n in range(self.n)])
        batch(self.nb, [
            ["lsp-add", f"sw{n % self.n}", f"p{n}", "--", "lsp-set-options",
             f"p{n}", f"requested-chassis=host-of-{name}"]
            for n, name in enumerate(self.names)])
        self.settle()

    def settle(self):
        for _ in range(3):
            self.nb("--wait=sb", "sync")

    def give(self, kind):
        batch(self.nb, [
            [f"--id=@c{n}", "create", "Encryption_Credential",
             f"name=tenant{n}", f"id={n + 1}",
             {"computed": "members=auto",
              "listed": "chassis=" + ",".join(self.names[n::self.n]),
              "all listed": "chassis=" + ",".join(self.names)}[kind],
             "--", "set", "logical_switch", f"sw{n}",
             f"encryption_credential=@c{n}"] for n in range(self.n)])
        self.settle()

    def take(self):
        batch(self.nb, [["clear", "logical_switch", f"sw{n}",
                         "encryption_credential"] for n in range(self.n)])
        self.nb("--all", "destroy", "Encryption_Credential")
        self.sb("--all", "destroy", "Chassis_Hostname")
        self.settle()

    def used_ms(self):
        """The time that the main thread of ovn-northd was on a processor."""
        text = pathlib.Path(
            f"/proc/{self.central.northd.pid}/schedstat").read_text()
        return int(text.split()[0]) / 1e6

    def cost(self, change):
        """What ovn-northd needs for `change`, which gets the number of the
        round."""
        used = []
        for number in range(ROUNDS):
            before = self.used_ms()
            change(number)
            self.nb("--wait=sb", "sync")
            used.append(self.used_ms() - before)
        return statistics.median(used)

    def recompute(self, _number):
        self.run.cmd(self.tree.program("ovs-appctl"), "-t",
                     self.central.northd_ctl, "inc-engine/recompute")

    def add_port(self, number):
        self.nb("lsp-add", "sw0", f"new{number}", "--", "lsp-set-options",
                f"new{number}", f"requested-chassis={self.names[-1]}")

    def remove_port(self, number):
        self.nb("lsp-del", f"new{number}")

    def claim(self, number):
        self.sb("--if-exists", "lsp-unbind", "p0", "--", "lsp-bind", "p0",
                self.names[number])

    def size_kb(self):
        copy = self.run.dir / "copy.db"
        copy.write_bytes((self.central.dir / "sb.db").read_bytes())
        self.run.cmd(self.tree.program("ovsdb-tool"), "compact", copy)
        return copy.stat().st_size / 1000

    def measure(self):
        return [self.cost(change) for change in (
            self.recompute, self.add_port, self.remove_port, self.claim)] + [
            self.size_kb()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--builddir", default=".")
    parser.add_argument("--chassis", type=int, default=1000)
    parser.add_argument("--credentials", type=int, default=50)
    args = parser.parse_args()
    run = Run()
    try:
        site = Site(run, args.builddir, args.chassis, args.credentials)
        print("| Credentials | all, ms | new port, ms | port removed, ms |"
              " claim, ms | database, kB |\n|---|" + "---:|" * 5)
        for kind in ("none", "listed", "computed", "all listed"):
            if kind != "none":
                site.give(kind)
            print(f"| {kind} | " + " | ".join(
                f"{figure:.1f}" for figure in site.measure()) + " |",
                flush=True)
            if kind != "none":
                site.take()
    finally:
        run.close()


if __name__ == "__main__":
    main()
