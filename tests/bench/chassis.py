#!/usr/bin/python3
# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The status of a logical switch on many chassis, most of them only rows of
the southbound database.

    chassis.py --builddir DIR [--chassis N] [--page FILE]

One chassis is real.  Each of the others has a port of the switch and reports
that it requires encryption.  Then chassis report alarms and clear them again,
one after the other.  The program fails if ovn-northd or ovn-controller
computes anything anew for that, if the status does not follow, or if
ovn-vnetenc-status does not name the alarm; and it prints what all of that
costs."""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/system"), str(TOP / "utilities")]

from lab import Hypervisor, Tree, Underlay      # noqa: E402
from ovn import Central                         # noqa: E402
from runspace import Failed, Run, enter, wait_until     # noqa: E402

AT_ONCE = 100
ALARMS = 10
STATUS = TOP / "utilities/ovn-vnetenc-status"
NODES = {"northd": ("northd", "lflow"),
         "controller": ("runtime_data", "lflow_output", "pflow_output")}
TICKS = os.sysconf("SC_CLK_TCK")
FINGERPRINT = "sha256:" + "5" * 64


def rows_of(number, key):
    """The operations that insert a chassis and bind its port."""
    name = f"ch{number}"
    return [
        {"op": "insert", "table": "Encap", "uuid-name": f"e{number}",
         "row": {"type": "geneve", "chassis_name": name,
                 "ip": f"10.77.{number >> 8}.{number & 255}",
                 "options": ["map", [["vnetenc", "1"],
                                     ["vnetenc-fp", FINGERPRINT]]]}},
        {"op": "insert", "table": "Chassis", "uuid-name": f"c{number}",
         "row": {"name": name, "hostname": name,
                 "encaps": ["named-uuid", f"e{number}"],
                 "other_config": ["map", [["iface-types", "vnetenc"]]]}},
        {"op": "insert", "table": "Chassis_Private",
         "row": {"name": name, "chassis": ["named-uuid", f"c{number}"],
                 "encryption": ["map", [[str(key), "require"]]]}},
        {"op": "update", "table": "Port_Binding",
         "where": [["logical_port", "==", f"p{number}"]],
         "row": {"chassis": ["named-uuid", f"c{number}"], "up": True}}]


class Cluster:
    """A central, one real chassis, and `n` that are rows."""

    def __init__(self, tree, n):
        self.run = Run()
        self.tree = tree
        underlay = Underlay(self.run)
        self.central = Central(underlay, tree)
        self.hv = Hypervisor(tree, underlay, 1)
        self.central.register(self.hv)
        self.central.add_switch()
        self.central.add_vm(self.hv, 1)
        self.central.nbctl("--wait=hv", "set", "logical_switch", "sw0",
                           "encryption=require")
        key = int(self.central.sbctl(
            "--bare", "--columns=tunnel_key", "find", "Datapath_Binding",
            "external_ids:name=sw0"))
        for first in range(1, n + 1, AT_ONCE):
            self._add(range(first, min(first + AT_ONCE, n + 1)), key)

    def _add(self, numbers, key):
        self.central.nbctl("--wait=sb", *(
            word for k in numbers
            for word in ("--", "lsp-add", "sw0", f"p{k}")))
        operations = ["OVN_Southbound"]
        for k in numbers:
            operations += rows_of(k, key)
        said = self.run.cmd(
            self.tree.program("ovsdb-client"), "transact",
            f"unix:{self.central.dir}/sb.sock", json.dumps(operations),
            timeout=60)
        if "error" in said:
            raise Failed(f"the southbound database refused: {said[:500]}")

    def wait(self, state):
        self.central.nbctl("wait-until", "logical_switch", "sw0",
                           f"encryption_status:state={state}")

    def ask(self, daemon, *command):
        ctl = (self.central.northd_ctl if daemon == "northd" else next(
            self.hv.dir.glob("ovn-controller.*.ctl")))
        return self.run.cmd(self.tree.program("ovs-appctl"), "-t", ctl,
                            *command)

    def recomputes(self):
        return sum(int(re.search(r"recompute: *(\d+)", self.ask(
            daemon, "inc-engine/show-stats", node))[1])
            for daemon, nodes in NODES.items() for node in nodes)

    def cpu(self):
        """Seconds of processor time of ovn-northd."""
        stat = pathlib.Path(f"/proc/{self.central.northd.pid}/stat")
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def status(self, *options):
        """(exit status, output, seconds)"""
        start = time.monotonic()
        done = subprocess.run(
            [STATUS, f"--nb=unix:{self.central.dir}/nb.sock",
             f"--sb=unix:{self.central.dir}/sb.sock", *options],
            env={**os.environ, "PATH": f"{self.tree.ovn}/utilities:"
                 f"{os.environ['PATH']}"},
            text=True, capture_output=True, check=False)
        return done.returncode, done.stdout, time.monotonic() - start

    def alarm(self, reporter, other):
        """An alarm rises and falls."""
        row = "Chassis_Private", f"ch{reporter}"
        self.central.sbctl("set", *row,
                           f'encryption:"alarm:ch{other}"=down',
                           "encryption:alarms=1")
        self.wait("degraded")
        self.central.sbctl("remove", *row, "encryption",
                           f'"alarm:ch{other}"', "alarms")
        self.wait("enforced")


def measure(cluster, n, page):
    start = time.monotonic()
    cluster.wait("enforced")
    print(f"enforced on {n + 1} chassis, {time.monotonic() - start:.1f} s"
          " after the last had reported")
    wait_until(lambda: cluster.status()[0] == 0, "all is enforced")
    for daemon in NODES:
        cluster.ask(daemon, "inc-engine/clear-stats")
    before = cluster.cpu()
    for k in range(1, ALARMS + 1):
        cluster.alarm(k, n - k)
    per_change = (cluster.cpu() - before) / (2 * ALARMS)
    print(f"ovn-northd: {1000 * per_change:.0f} ms of a processor for each"
          " change of an alarm")
    if cluster.recomputes():
        raise Failed("an alarm made a daemon compute anew")
    print("ovn-northd and ovn-controller: 0 recomputes")

    code, text, seconds = cluster.status()
    if code or "enforced" not in text:
        raise Failed(f"ovn-vnetenc-status: {code}\n{text[:1000]}")
    print(f"ovn-vnetenc-status: {seconds:.1f} s")
    cluster.central.sbctl("set", "Chassis_Private", "ch2",
                          f'encryption:"alarm:ch{n}"=down',
                          "encryption:alarms=1")
    cluster.wait("degraded")
    code, _, seconds = cluster.status(f"--html={page}")
    html = page.read_text()
    if code != 1 or f"ch{n}" not in html or "ch2" not in html:
        raise Failed(f"the page does not name the alarm: {code}")
    print(f"page: {seconds:.1f} s, {len(html) // 1024} KiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--builddir", default=TOP, type=pathlib.Path)
    parser.add_argument("--chassis", default=1000, type=int)
    parser.add_argument("--page", type=pathlib.Path,
                        default=pathlib.Path("_bench/chassis.html"))
    args = parser.parse_args()
    page = args.page.resolve()
    page.parent.mkdir(exist_ok=True)
    enter()
    cluster = Cluster(Tree(args.builddir), args.chassis - 1)
    try:
        measure(cluster, args.chassis - 1, page)
    finally:
        cluster.run.close()


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        sys.exit(f"chassis.py: {error}")
