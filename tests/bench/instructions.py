# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Instructions for one packet while nothing is encrypted: patched against
pristine Open vSwitch, counted by callgrind.

Both are built alike and run the same dummy datapath: forwarding between two
ports, encapsulation, decapsulation.  Dummy ports deliver packets one by one,
so the cost of a batch counts in full for a packet.  The count is from the
arrival of a packet to its departure, on flows in the exact match cache.  The
layout of hash tables and of the heap makes runs differ by half a per cent, so
there are several runs of each.

The flow log is measured in the same way, where it costs most: packets of many
connections, encrypted, which are looked up without the exact match cache, so
that flows of the datapath for each connection are the more to look up."""

import re

import frames
from runspace import Failed, serves, wait_until

SCENARIOS = ("forward", "push", "pop")
WARM, PACKETS, PER_COMMAND = 20, 400, 50
SIZE = 128
# At this function callgrind writes a file and begins anew: one command calls
# it, and nothing else does.
DUMP_FUNCTION = "coverage_unixctl_read_counter"
DUMP_COMMAND = ("coverage/read-counter", "poll_zero_timeout")
RECEIVE = "dp_netdev_process_rxq_port"
WORK = ("dp_netdev_input__", "dp_netdev_pmd_flush_output_packets",
        "dp_netdev_pmd_flush_output_on_port")
LOG_SIZE, CONNECTIONS = 1400, 100
# What marks packets, or None without a log.
LOG_MARKS = {"off": None, "pair": 1, "connection": 2}
SESSION = ("6082", "0", "50000", "aes256-gcm", "11" * 32, "22" * 4)
LOCAL, REMOTE = "1.1.2.88", "1.1.2.92"
LOCAL_MAC, REMOTE_MAC = "aa:55:aa:55:00:00", "f8:bc:12:44:34:b2"


def inner_frame():
    return frames.udp_frame(SIZE, frames.destination(0), 1000)


def tunnel_frame():
    """A Geneve packet from REMOTE to LOCAL."""
    geneve = bytes.fromhex("0000655800007b00") + inner_frame()
    return frames.udp_packet(
        bytes.fromhex(LOCAL_MAC.replace(":", "")
                      + REMOTE_MAC.replace(":", "")),
        bytes(map(int, REMOTE.split("."))), bytes(map(int, LOCAL.split("."))),
        50000, 6081, geneve)


class Switch:
    """ovs-vswitchd under callgrind, with dummy ports."""

    def __init__(self, run, tree, name, vswitchd, schema):
        self.run = run
        self.tree = tree
        self.dir = run.folder(name)
        self.env = {f"OVS_{d}DIR": str(self.dir)
                    for d in ("RUN", "LOG", "DB", "SYSCONF")}
        run.cmd(tree.program("ovsdb-tool"), "create", self.dir / "conf.db",
                schema)
        run.spawn(tree.program("ovsdb-server"), self.dir / "conf.db",
                  f"--remote=punix:{self.dir}/db.sock", "-vconsole:off",
                  env=self.env, folder=self.dir)
        wait_until(lambda: serves(self.dir / "db.sock"), "ovsdb-server is up")
        self.vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".",
                   "other_config:emc-insert-inv-prob=1",
                   "other_config:max-idle=600000",
                   "other_config:n-handler-threads=1",
                   "other_config:n-revalidator-threads=1")
        self.counts, self.dumps = self.dir / "callgrind.out", 0
        self.vswitchd = run.spawn(
            "valgrind", "--tool=callgrind", "--instr-atstart=yes",
            f"--callgrind-out-file={self.counts}",
            f"--dump-before={DUMP_FUNCTION}",
            vswitchd, f"unix:{self.dir}/db.sock", "--enable-dummy",
            "--disable-system", f"--unixctl={self.dir}/ctl", "-vconsole:off",
            env=self.env, folder=self.dir)
        wait_until(self._serves, "ovs-vswitchd is up", timeout=60)
        self._bridges()

    def _serves(self):
        if not self.vswitchd.alive():
            raise Failed(self.vswitchd.output())
        return serves(self.dir / "ctl")

    def _bridges(self):
        self.vsctl(
            "add-br", "br0", "--", "set", "Bridge", "br0",
            "datapath_type=dummy", f"other-config:hwaddr=\"{LOCAL_MAC}\"",
            "--", "add-br", "br-int", "--", "set", "Bridge", "br-int",
            "datapath_type=dummy", "fail-mode=secure",
            *(arg for bridge, port, number in (
                ("br0", "p1", 1), ("br-int", "p3", 3), ("br-int", "p5", 5))
              for arg in ("--", "add-port", bridge, port, "--", "set",
                          "Interface", port, "type=dummy",
                          f"ofport_request={number}")),
            "--", "add-port", "br-int", "t1", "--", "set", "Interface", "t1",
            "type=geneve", f"options:remote_ip={REMOTE}", "options:key=123",
            "ofport_request=10")
        self.appctl("netdev-dummy/ip4addr", "br0", f"{LOCAL}/24")
        self.appctl("tnl/neigh/set", "br0", REMOTE, REMOTE_MAC)
        self.ofctl("del-flows", "br0")
        self.ofctl("add-flow", "br0", "in_port=1,actions=LOCAL")
        self.ofctl("add-flow", "br0", "in_port=LOCAL,actions=output:1")

    def vsctl(self, *args):
        self.run.cmd(self.tree.program("ovs-vsctl"), "--timeout=60",
                     f"--db=unix:{self.dir}/db.sock", *args, env=self.env,
                     timeout=70)

    def ofctl(self, *args):
        self.run.cmd(self.tree.program("ovs-ofctl"), "--timeout=60", *args,
                     env=self.env, timeout=70)

    def appctl(self, *args):
        return self.run.cmd(self.tree.program("ovs-appctl"), "--timeout=60",
                            "-t", self.dir / "ctl", *args, env=self.env,
                            timeout=70)

    def _send(self, source, sink, frame, n):
        """Lets `n' packets arrive at `source' and leave by `sink'."""
        for done in range(0, n, PER_COMMAND):
            self._send_all(source, sink, [frame] * min(n - done, PER_COMMAND))

    def _send_all(self, source, sink, data):
        before = self._sent(sink)
        self.appctl("netdev-dummy/receive", source,
                    *[frame.hex() for frame in data])
        wait_until(lambda: self._sent(sink) - before >= len(data),
                   f"packets leave by {sink}", timeout=60)

    def _sent(self, port):
        """Packets that `port' was given to send."""
        text = self.appctl("dpctl/show", "-s", "dummy@ovs-dummy")
        part = text.partition(f": {port} ")[2]
        return int(re.search(r"TX packets:(\d+)", part)[1])

    def count(self, scenario):
        """Sends packets; returns the instructions for one."""
        source, frame, sink = {
            "forward": ("p3", inner_frame(), "p5"),
            "push": ("p3", inner_frame(), "p1"),
            "pop": ("p1", tunnel_frame(), "p5")}[scenario]
        out = 10 if scenario == "push" else 5
        self.ofctl("add-flow", "br-int", f"in_port=3,actions=output:{out}")
        self.ofctl("add-flow", "br-int", "in_port=10,actions=output:5")
        self._send(source, sink, frame, WARM)
        self.appctl("revalidator/wait")
        self._dump()
        self._send(source, sink, frame, PACKETS)
        return edges(self._dump())

    def begin_session(self):
        """Keys for packets to REMOTE, and no exact match cache."""
        self.vsctl("set", "Open_vSwitch", ".",
                   "other_config:emc-insert-inv-prob=0")
        self.appctl("vnetenc/test-add-peer", REMOTE)
        self.appctl("vnetenc/test-add-session", "out", LOCAL, REMOTE, *SESSION)

    def count_logged(self, mark):
        """Sends encrypted packets of many connections; returns the
        instructions for one."""
        if mark:
            self.vsctl("create", "VNetEnc_Flow_Log", "bridge=br-int",
                       "mark=\"reg0[0..1]\"")
        self.ofctl("add-flow", "br-int",
                   f"in_port=3,actions=set_field:{mark or 0}->reg0,"
                   "vnetenc(mode=require),output:10")
        self.appctl("revalidator/purge")
        data = [frames.udp_frame(LOG_SIZE, frames.destination(0), 1000 + n)
                for n in range(CONNECTIONS)]
        for frame in data:
            self._send("p3", "p1", frame, 1)
        self.appctl("revalidator/wait")
        self._dump()
        for _ in range(PACKETS // CONNECTIONS):
            for first in range(0, CONNECTIONS, PER_COMMAND):
                self._send_all("p3", "p1", data[first:first + PER_COMMAND])
        counted = edges(self._dump())
        if mark:
            self.vsctl("--all", "destroy", "VNetEnc_Flow_Log")
        return counted

    def _dump(self):
        """The counts of callgrind since the last call."""
        self.appctl(*DUMP_COMMAND)
        self.dumps += 1
        return self.counts.with_suffix(f".out.{self.dumps}").read_text()

    def stop(self):
        self.appctl("exit")
        self.vswitchd.popen.wait(60)


def edges(text):
    """Instructions for one packet, from callgrind's file: the inclusive cost
    of the functions for packets that RECEIVE calls."""
    names = {}

    def name_of(spec):
        number, _, name = spec.partition(" ")
        if name:
            names[number] = name
        return names[number].partition("'")[0].partition(".")[0]

    function = callee = None
    total, calls = 0, {}
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("fn="):
            function = name_of(line[3:])
        elif line.startswith("cfn="):
            callee = name_of(line[4:])
        elif line.startswith("calls="):
            cost = int(next(lines).split()[1])
            if function == RECEIVE and callee in WORK:
                total += cost
                calls[callee] = (calls.get(callee, 0)
                                 + int(line[6:].split()[0]))
    n = calls.get(WORK[0], 0)
    if n != PACKETS:
        raise Failed(f"callgrind saw {calls}, not {PACKETS} packets")
    return total / n


def measure(run, tree, raw, repeats, say):
    """Adds to `raw' rows of instructions for one packet."""
    rows = raw["instructions"] = []
    trees = (("patched", tree.program("ovs-vswitchd"), tree.ovs_src),
             ("pristine", tree.pristine_vswitchd, tree.ovs_pristine))
    for number in range(repeats):
        for kind, vswitchd, source in trees:
            switch = Switch(run, tree, f"{kind}-{number}", vswitchd,
                            source / "vswitchd/vswitch.ovsschema")
            for scenario in SCENARIOS:
                rows.append({"scenario": scenario, "tree": kind,
                             "repeat": number,
                             "instructions": switch.count(scenario)})
                say(f"{kind}, {scenario}: {rows[-1]['instructions']:.1f}")
            switch.stop()


def measure_log(run, tree, raw, repeats, say):
    """Adds to `raw' rows of instructions for one encrypted packet, with and
    without the flow log, in turns."""
    rows = raw["flowlog"] = []
    switch = Switch(run, tree, "flowlog", tree.program("ovs-vswitchd"),
                    tree.ovs_src / "vswitchd/vswitch.ovsschema")
    switch.begin_session()
    for number in range(repeats):
        for how, mark in LOG_MARKS.items():
            rows.append({"how": how, "repeat": number,
                         "instructions": switch.count_logged(mark)})
            say(f"flow log {how}: {rows[-1]['instructions']:.1f}")
    switch.stop()
