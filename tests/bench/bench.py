#!/usr/bin/python3
# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Runs all benchmarks, and writes one report.

    bench.py [--builddir DIR] [--report FILE.json] [--quick] [PART...]
    bench.py --publish FILE.json --output DIR/PERFORMANCE.md

FILE.md and FILE.svg are written beside FILE.json.  PARTs, in this order:

    micro         ciphers alone, and our own code
    instructions  patched against pristine Open vSwitch, nothing encrypted
    flowlog       encrypted, with the flow log against without it
    datapath      cycles for one packet on one PMD thread
    split         the same for packets that are sent as two records
    threads       one PMD thread and two
    secgw         DPDK's ipsec-secgw, with one SA, and with as many SAs as the
                  datapath has peers
    system        TCP through hypervisors, and through other tunnels
    kernel        TCP and UDP through the kernel datapath's workers
    scale         one hypervisor with 10, 100 and 1000 peers

Exit status 0 if everything was measured, whatever the result; 1 if something
was not measured: the report names it with the reason.  A program that cannot
be fetched is reported as absent, and is no failure."""

import argparse
import json
import os
import pathlib
import shutil
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
# The reasons why bars are missed; they follow the published report.
NOTES = pathlib.Path(__file__).with_name("notes.md")
sys.path.insert(0, str(TOP / "tests/system"))

import bars                     # noqa: E402
import datapath                 # noqa: E402
import instructions             # noqa: E402
import kernel                   # noqa: E402
import lab                      # noqa: E402
import machine                  # noqa: E402
import micro                    # noqa: E402
import packages                 # noqa: E402
import peers                    # noqa: E402
import report                   # noqa: E402
import runspace                 # noqa: E402
import scale                    # noqa: E402
import secgw                    # noqa: E402
import split                    # noqa: E402
import system                   # noqa: E402

PARTS = ("micro", "instructions", "flowlog", "datapath", "split", "threads",
         "secgw", "system", "kernel", "scale")
FULL = {"sizes": (64, 256, 512, 1400, 8900), "peers": 500, "micro": 5,
        "instructions": 11, "flowlog": 5,
        "setups": 4, "rounds": 2, "window": 0.5, "lanes": 4,
        "thread_peers": 100, "thread_rounds": 5, "secgw_sizes": (64, 1400),
        "secgw_windows": 8, "many_sas": 64, "many_flows": 1000,
        "many_rounds": 4, "many_windows": 4, "tcp_rounds": 5, "tcp_s": 5,
        "kernel_workers": (1, 2), "kernel_loads": tuple(kernel.LOADS),
        "kernel_rounds": 3, "kernel_s": 3,
        "mesh": (10, 100, 1000)}
QUICK = {**FULL, "sizes": (64, 1400), "peers": 20, "micro": 1,
         "instructions": 1, "flowlog": 1, "setups": 1,
         "rounds": 1, "window": 0.2, "thread_peers": 10, "thread_rounds": 1,
         "secgw_windows": 2, "many_rounds": 1, "many_windows": 2,
         "tcp_rounds": 1, "tcp_s": 1,
         "kernel_workers": (1,), "kernel_loads": ("1 stream",),
         "kernel_rounds": 1, "kernel_s": 1,
         "mesh": (10,)}


class Tree(lab.Tree):
    """The built programs, including those of the benchmark."""

    def __init__(self, builddir):
        super().__init__(builddir)
        self.top = pathlib.Path(builddir).resolve()
        self.ovs_pristine = self.top / "_ovs/pristine"
        self.pristine_vswitchd = (self.top / "_ovs/pristine-build/vswitchd"
                                  "/ovs-vswitchd")
        self.bench_vswitchd = self.top / "_ovs/bench/vswitchd/ovs-vswitchd"
        self.bench_program = self.ovs / "tests/bench-vnetenc"
        self.peers_program = self.ovs / "tests/bench-peers"
        self.kernel_program = self.ovs / "tests/bench-kernel"
        self.folder = self.top / "_bench"


class Bench:
    def __init__(self, tree, settings):
        self.tree = tree
        self.settings = argparse.Namespace(**settings)
        self.start = time.monotonic()
        self.raw = {}
        self.failed = {}
        self.absent = {}

    def say(self, text):
        print(f"[{time.monotonic() - self.start:6.1f} s] {text}", flush=True)

    def part(self, name, run):
        self.say(f"-- {name}")
        missing = _missing(self.tree, name)
        if missing:
            self.failed[name] = f"{missing} is not there"
            self.say(self.failed[name])
            return
        try:
            getattr(self, name)(run)
        except (runspace.Failed, OSError, ValueError, KeyError) as failure:
            self.failed[name] = f"{type(failure).__name__}: {failure}"[-800:]
            self.say(f"FAILED: {self.failed[name]}")

    def micro(self, run):
        self.raw["micro"] = micro.measure(run, self.tree, self.settings.micro)

    def instructions(self, run):
        instructions.measure(run, self.tree, self.raw,
                             self.settings.instructions, self.say)

    def flowlog(self, run):
        instructions.measure_log(run, self.tree, self.raw,
                                 self.settings.flowlog, self.say)

    def datapath(self, run):
        s = self.settings
        self.failed.update(datapath.measure(
            run, self.tree, self.raw, s.sizes, s.peers, s.setups, s.rounds,
            s.window, self.say))

    def split(self, run):
        s = self.settings
        self.failed.update(split.measure(
            run, self.tree, self.raw, s.thread_rounds, s.window, self.say))

    def threads(self, run):
        s = self.settings
        if (os.cpu_count() or 1) < 2:
            self.absent["threads"] = "this machine has one processor"
            return
        self.failed.update(datapath.measure_threads(
            run, self.tree, self.raw, s.thread_peers, s.lanes,
            s.thread_rounds, s.window, self.say))

    def secgw(self, run):
        program = self.tree.folder / "dpdk/ipsec-secgw"
        if not program.exists():
            self.absent["ipsec-secgw"] = _note(self.tree, "dpdk")
            return
        s = self.settings
        self.raw["secgw"] = secgw.measure(
            run, program, s.secgw_sizes, s.secgw_windows, s.window, self.say)
        self.failed.update(secgw.measure_many(
            run, self.tree, program, self.raw, s.secgw_sizes, s.many_sas,
            s.many_flows, s.many_rounds, s.many_windows, s.window, self.say))

    def _peers_root(self):
        """The folder with other tunnels and iperf3, or None."""
        root = self.tree.folder / "peers/root"
        if root.exists():
            return root
        self.absent["other tunnels"] = _note(self.tree, "peers")
        return None

    def _lacks_iperf3(self, part, root):
        if root or shutil.which("iperf3"):
            return False
        self.absent[part] = "iperf3 could not be fetched"
        return True

    def system(self, run):
        root = self._peers_root()
        if not self._lacks_iperf3("system", root):
            self.failed.update(system.measure(
                run, self.tree, self.raw, root, self.settings.tcp_rounds,
                self.settings.tcp_s, self.say))

    def kernel(self, run):
        root = self._peers_root()
        if not self._lacks_iperf3("kernel", root):
            self.failed.update(kernel.measure(
                run, self.tree, self.raw, root, self.settings, self.say))

    def scale(self, _run):
        self.failed.update(scale.measure(self.tree, self.raw,
                                         self.settings.mesh, self.say))

    def report(self, watch):
        return {"date": time.strftime("%Y-%m-%d %H:%M"),
                "bars": bars.evaluate(self.raw),
                "machine": machine.facts(self.tree),
                "conditions": {
                    **watch.seen(),
                    "seconds": round(time.monotonic() - self.start)},
                "not_measured": {**self.failed, **{
                    name: f"absent: {why}"
                    for name, why in self.absent.items()}},
                "raw": self.raw}


def _missing(tree, part):
    """A program that a part needs and that was not built, or None."""
    needs = {"micro": [tree.bench_program],
             "instructions": [tree.pristine_vswitchd,
                              shutil.which("valgrind") or "valgrind"],
             "flowlog": [shutil.which("valgrind") or "valgrind"],
             "datapath": [tree.bench_vswitchd],
             "split": [tree.bench_vswitchd],
             "threads": [tree.bench_vswitchd],
             "secgw": [tree.bench_vswitchd],
             "kernel": [tree.kernel_program],
             "scale": [tree.peers_program]}
    return next((program for program in needs.get(part, ())
                 if not pathlib.Path(program).exists()), None)


def _note(tree, what):
    try:
        return (tree.folder / f"{what}.absent").read_text().strip()
    except OSError:
        return "was not fetched"


def fetch(tree, parts):
    """Fetches and builds the programs for comparison.  This needs the network
    and comes before everything else.  A failure is noted, not raised."""
    tree.folder.mkdir(exist_ok=True)
    for needed_by, what, function in (
            (("secgw",), "dpdk", lambda folder: secgw.build(folder)),
            (("system", "kernel"), "peers", lambda folder: packages.unpack(
                peers.PACKAGES, folder))):
        note = tree.folder / f"{what}.absent"
        note.unlink(missing_ok=True)
        if not set(needed_by) & set(parts):
            continue
        print(f"-- fetching what `{needed_by[0]}' needs, unless it is there",
              flush=True)
        try:
            function(tree.folder / what)
        except Exception as failure:        # Any failure: it is absent.
            note.write_text(f"{failure}\n")
            print(f"   absent: {failure}", flush=True)


def arguments():
    parser = argparse.ArgumentParser(description="Measures vnetenc.")
    parser.add_argument("--builddir", default=str(TOP))
    parser.add_argument("--report", metavar="FILE.json")
    parser.add_argument("--quick", action="store_true",
                        help="measure little of everything, as a test")
    parser.add_argument("--publish", metavar="FILE.json")
    parser.add_argument("--output", metavar="FILE.md",
                        default=str(TOP / "Documentation/PERFORMANCE.md"))
    parser.add_argument("parts", nargs="*", metavar="PART",
                        help=f"of {', '.join(PARTS)}; default: all")
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    args.parts = args.parts or PARTS
    return args


def main():
    args = arguments()
    if args.publish:
        found = json.loads(pathlib.Path(args.publish).read_text())
        found["bars"] = bars.evaluate(found["raw"])
        report.publish(found, pathlib.Path(args.output), NOTES.read_text())
        return 0
    tree = Tree(args.builddir)
    path = pathlib.Path(args.report or tree.folder / "report.json").resolve()
    fetch(tree, args.parts)
    runspace.enter()

    watch = machine.Watch()
    bench = Bench(tree, QUICK if args.quick else FULL)
    for part in [part for part in PARTS if part in args.parts]:
        # What one part leaves running would cost the next one time.
        run = runspace.Run()
        try:
            bench.part(part, run)
        finally:
            run.close()
    found = bench.report(watch)
    report.write(found, path)
    for bar in found["bars"]:
        print(f"bar {bar['bar']}: {report.reached(bar)}:"
              f" {report.TITLES[bar['bar']]}")
    for what, why in found["not_measured"].items():
        print(f"not measured: {what}: {why}")
    print(f"report: {path} and {path.with_suffix('.md').name},"
          f" {path.with_suffix('.svg').name} beside it")
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
