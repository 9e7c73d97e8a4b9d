# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""ovn-vnetenc-why: each rule, from what the databases and daemons say; on
real hosts it is tested by test_leaktest.py."""

import copy
import json
import os
import re
import subprocess
import sys

import pytest

from lab import TOP
from test_status import Fake

sys.path.insert(0, str(TOP / "utilities"))

from vnetenc_tools import rules, why                # noqa: E402
from vnetenc_tools.leakplan import Problem          # noqa: E402

WHY = TOP / "utilities/ovn-vnetenc-why"
PIN = "sha256:" + "5" * 64
SW0, SW1, LR0 = ({"_uuid": f"d-{name}", "tunnel_key": key,
                  "external_ids": {"name": name, **ids}}
                 for name, key, ids in (("sw0", 1, {"vnetenc": "require"}),
                                        ("sw1", 2, {}), ("lr0", 3, {})))


def chassis(number):
    return {"_uuid": f"c{number}", "name": f"hv{number}",
            "encaps": [f"e{number}"], "transport_zones": [],
            "other_config": {"iface-types": "geneve,vnetenc"}}


def encap(number):
    return {"_uuid": f"e{number}", "chassis_name": f"hv{number}",
            "type": "geneve", "ip": f"192.0.2.{number}",
            "options": {"vnetenc": "1", "vnetenc-fp": PIN}}


def port(name, switch, host, mac, kind="", **options):
    return {"logical_port": name, "type": kind, "datapath": switch["_uuid"],
            "chassis": [f"c{host}"] if host else [], "mac": [mac],
            "options": options, "external_ids": {}, "additional_chassis": []}


def trace(*parts, reached="vm2"):
    """What ovn-trace prints: texts, or a port into whose egress pipeline the
    packet goes."""
    lines = ['ingress(dp="u", inport="vm1")', "-" * 20,
             " 0. ls_in_check_port_sec (northd.c:1): 1, priority 50, uuid"
             " 1f29c399", "    next;"]
    for part in parts:
        lines += ["", f'egress(dp="u", inport="vm1", outport="{part}")'
                  ] if re.fullmatch(r"[\w-]+", part) else ["    " + part]
    if reached:
        lines += ["15. ls_out_apply_port_sec (northd.c:2): 1, priority 0, uuid"
                  " ffe34620", "    output;",
                  f'    /* output to "{reached}", type "" */']
    return "\n".join(lines) + "\n"


def note(mode="require"):
    how = "or dropped" if mode == "require" else "if possible"
    return (f"/* vnetenc: in a tunnel encrypted {how}: profile 0, because of"
            " the datapath */")


def output(*lines, mode="require"):
    """What ofproto/trace prints."""
    return "\n".join(["44. priority 100", "            drop",
                      "    resubmit(,240)", "    240. priority 0",
                      f"            vnetenc(mode={mode})", "    output:1",
                      *(f"     -> {line}" for line in lines),
                      "Datapath actions: tnl_push(tnl_port(4),header(size=58,"
                      "geneve(crit,vni=0x1,options())))"]) + "\n"


TUNNEL = ("output to native tunnel", "tunneling to 192.0.2.2 via br-phys",
          "tunneling from 0a:00:00:00:00:01 192.0.2.1 to 0a:00:00:00:00:02"
          " 192.0.2.2")
SEALED = ("vnetenc: sealing as profile 0 to UDP port 6082", *TUNNEL)


def session(state, lane=0):
    more = ({"cipher": "ECDHE-ECDSA-AES256-GCM-SHA384", "records": 7,
             "age_ms": 5000} if state == "up" else {})
    return {"direction": "out", "profile": 0, "lane": lane, "state": state,
            **more}


class World:
    """Two chassis, hv1 and hv2, with vm1 and vm2 on sw0, which requires
    encryption, as hv1 sees it: all is well."""

    def __init__(self):
        self.south = {
            "Chassis": [chassis(1), chassis(2), chassis(3)],
            "Chassis_Private": [{"name": f"hv{n}",
                                 "encryption": {"1": "require"}}
                                for n in (1, 2, 3)],
            "Encap": [encap(1), encap(2), encap(3)],
            "Datapath_Binding": copy.deepcopy([SW0, SW1, LR0]),
            "Port_Binding": [
                port("vm1", SW0, 1, "0a:00:00:00:01:01 10.9.0.1"),
                port("vm2", SW0, 2, "0a:00:00:00:01:02 10.9.0.2"),
                port("vm3", SW1, 2, "0a:00:00:00:01:03 10.9.1.3"),
                port("vm4", SW0, 3, "unknown"),
                port("sw0-lr0", SW0, 0, "router", "patch", peer="lr0-sw0"),
                port("lr0-sw0", LR0, 0, "0a:00:00:00:02:01 10.9.0.254/24",
                     "patch"),
                port("cr-lr0-sw1", LR0, 3, "", "chassisredirect")]}
        self.name = "hv1"
        self.trace = trace(note(), "vm2")
        self.output = output(*SEALED)
        self.peer = {"remote_ip": "192.0.2.2", "name": "hv2", "alarms": [],
                     "state": "up", "sessions": [session("up")]}
        self.show = {"peers": [self.peer]}
        self.config, self.keys, self.profile = {}, [], 0
        self.logs = []
        self.fails = ()

    def row(self, table, number):
        return self.south[table][number - 1]

    def demand(self, mode):
        self.row("Datapath_Binding", 1)["external_ids"]["vnetenc"] = mode
        self.trace = trace(*([note(mode)] if mode != "off" else []), "vm2")
        self.output = self.output.replace("mode=require", f"mode={mode}")

    def says(self, *lines, mode="require"):
        self.output = output(*lines, mode=mode)

    def no_session(self, error=None, state="waiting"):
        self.peer["sessions"] = [session(state)]
        self.peer["state"] = state
        if error:
            self.peer["last_error"] = error

    def routed(self, *parts):
        """To vm3 on sw1, by way of lr0."""
        self.trace = trace(*parts, "vm3", reached="vm3")

    def write(self, folder):
        fake = Fake(folder)
        fake.put("ovn-sbctl", self.south, why.TABLES)
        fake.put("ovs-vsctl", {
            "Open_vSwitch": [{"external_ids": {"system-id": self.name},
                              "other_config": self.config}],
            "Bridge": [{"name": "br-int", "ports": []}], "Port": [],
            "Interface": [{"_uuid": "i1", "name": "v-vm1", "type": "",
                           "ofport": 3, "options": {},
                           "external_ids": {"iface-id": "vm1"}}],
            "Mirror": [],
            "VNetEnc_Profile": [{"id": self.profile,
                                 "tunnel_keys": self.keys}],
            "VNetEnc_Flow_Log": self.logs}, why.LOCAL_TABLES)
        for name, text in (("ovn-trace", self.trace),
                           ("show", json.dumps(self.show)),
                           ("ofproto", self.output)):
            (folder / f"{name}.txt").write_text(text)
        self.script(folder, "ovn-trace", f"cat {folder}/ovn-trace.txt")
        self.script(folder, "ovs-appctl", f"""case "$*" in
            *ofproto/trace*) cat {folder}/ofproto.txt ;;
            *) cat {folder}/show.txt ;; esac""")
        for name in self.fails:
            self.script(folder, name, f"echo '{name}: down' >&2; exit 1")

    @staticmethod
    def script(folder, name, text):
        file = folder / name
        file.write_text(f'#!/bin/sh\necho "$0 $*" >>{folder}/asked\n{text}\n')
        file.chmod(0o755)


@pytest.fixture(name="world")
def fixture_world(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    world = World()

    def ask(sender="vm1", receiver="vm2", **kwargs):
        world.write(tmp_path)
        return why.Answer([], sender, receiver, **kwargs)

    world.ask, world.folder = ask, tmp_path
    return world


def with_peer(w, **members):
    w.peer.update(members)


def not_announced(w, number):
    w.row("Chassis", number)["other_config"] = {"iface-types": "geneve"}


def set_encap(w, **options):
    """No row of hv2, with these options of its tunnel."""
    w.row("Encap", 2)["options"] = {
        k.replace("vnetenc_", "vnetenc-"): v for k, v in options.items()}
    w.says("vnetenc: no record of table VNetEnc_Peer has 192.0.2.2, the"
           " datapath drops", *TUNNEL)


def report(w, number, **keys):
    w.row("Chassis_Private", number)["encryption"] = {
        k.replace("_", ":"): v for k, v in keys.items()}


def gateway(w, mode="require", second="require"):
    """To vm3, by the chassis hv3 of a gateway."""
    replaced = ('/* Replacing type "chassisredirect" outport "cr-lr0-sw1" with'
                ' distributed port "lr0-sw1". */')
    w.routed(note(mode), replaced, "lr0-sw1", note(second))
    for text in ("192.0.2.2", "hv2"):
        other = {"192.0.2.2": "192.0.2.3", "hv2": "hv3"}[text]
        w.output = w.output.replace(text, other)
    w.peer.update(remote_ip="192.0.2.3", name="hv3")


def all_of(*changes):
    def apply(w):
        for one in changes:
            one(w)
    return apply


def prefer(w):
    w.demand("prefer")


# What differs from a world in which all is well; the code and the rule; a part
# of the chain or of the advice.
ROWS = [
    (lambda w: None, "X", "encrypted", "with 192.0.2.2, profile 0: up"),
    (prefer, "X", "encrypted", "sealing as profile 0"),
    # Packets of another switch left in clear.
    (lambda w: with_peer(w, alarms=["fallback"]), "X", "encrypted", "alarms"),
    # A copy for each chassis.
    (lambda w: setattr(w, "trace", trace(
        note(), 'multicast(dp="u", mcgroup="_MC_unknown")', "vm4", "vm2")),
     "X", "encrypted", "through 1 tunnel"),
    (lambda w: w.row("Port_Binding", 2).update(chassis=[]),
     "UNKNOWN", "not-bound", "port vm2: switch sw0, chassis none"),
    (lambda w: w.row("Port_Binding", 2).update(additional_chassis=["c3"]),
     "UNKNOWN", "migrating", "two chassis"),
    (lambda w: setattr(w, "trace", trace(
        '/* output to "ln", type "localnet" */', reached=None)),
     "NX", "external", "leaves by port ln"),
    (all_of(prefer, lambda w: w.south["Port_Binding"].append(
        port("ln", SW0, 0, "unknown", "localnet")),
        lambda w: w.says(mode="prefer")), "NX", "external", "no tunnel"),
    (lambda w: setattr(w, "trace", trace(
        " 6. ls_out_acl_eval (northd.c:3): (tcp), priority 2001, uuid"
        " 42bc11d0", " 8. ls_out_acl_action (northd.c:4): reg8[17] == 1,"
        " priority 1000, uuid 142f2410", reached=None)),
     "NX", "denied", "ls_out_acl_eval (northd.c:3): (tcp), priority 2001, uuid"
     " 42bc11d0"),
    (lambda w: setattr(w, "fails", ["ovn-trace"]),
     "X", "encrypted", "ovn-trace: down"),
    (lambda w: w.row("Port_Binding", 2).update(chassis=["c1"]),
     "NX_LOCAL_DST", "local", "without a tunnel"),
    (all_of(lambda w: not_announced(w, 1), lambda w: report(
        w, 1, **{"1": "cut-off"}), lambda w: w.says()),
     "NX_HW_NOT_SUPPORTED", "cut-off", "datapath 1: cut-off"),
    (all_of(lambda w: not_announced(w, 1), lambda w: report(w, 1),
            lambda w: setattr(w, "name", "hv2")),
     "NX", "old-sender", "arrived unencrypted"),
    (all_of(prefer, lambda w: not_announced(w, 1),
            lambda w: setattr(w, "name", "hv2")),
     "NX_FALLBACK", "incapable", "row of a peer"),
    (all_of(lambda w: w.demand("off"), lambda w: w.says(*TUNNEL, mode="off")),
     "NX", "no-demand", "demands off"),
    (all_of(lambda w: w.show.update(encryption_off="a plain tunnel"),
            lambda w: w.says("vnetenc: a plain tunnel has UDP port 6082,"
                             " dropping")),
     "NX_HW_NOT_SUPPORTED", "dtls-port", "encryption: OFF"),
    (lambda w: w.says("vnetenc: this geneve tunnel to UDP port 6090 cannot be"
                      " encrypted, dropping"),
     "NX_NOT_SUPPORTED", "tunnel", "6090"),
    (all_of(prefer, lambda w: w.says(
        "vnetenc: this geneve tunnel to UDP port 6090 cannot be encrypted,"
        " sending in clear", *TUNNEL, mode="prefer")),
     "NX_FALLBACK", "tunnel", "sending in clear"),
    (lambda w: set_encap(w, vnetenc="1", vnetenc_fp=PIN, dst_port="6090"),
     "NX_NOT_SUPPORTED", "tunnel", "192.0.2.2): tunnel"),
    (all_of(lambda w: w.row("Encap", 2).update(type="vxlan"),
            lambda w: setattr(w, "name", "hv2")),
     "NX_NOT_SUPPORTED", "tunnel", "hv2 (no tunnel)"),
    (lambda w: w.says("vnetenc: a balancing bond cannot encrypt, dropping"),
     "NX_HW_NOT_SUPPORTED", "bond", "known limits"),
    (lambda w: w.says("vnetenc: this datapath cannot encrypt, dropping"),
     "NX_HW_NOT_SUPPORTED", "datapath", "kernel datapath"),
    (lambda w: w.says("vnetenc: sealing as profile 0 to UDP port 6082, but the"
                      " kernel datapath has no device for it yet, dropping"),
     "NX_SW_NOT_READY", "no-device", "no device for it yet"),
    (lambda w: set_encap(w, vnetenc_fp=PIN),
     "NX_NOT_ACCEPTED", "not-announced", "vnetenc=1"),
    (all_of(lambda w: not_announced(w, 2), lambda w: set_encap(
        w, vnetenc="1", vnetenc_fp=PIN), prefer),
     "NX_FALLBACK", "not-announced", "iface-types"),
    (lambda w: set_encap(w, vnetenc="1"),
     "NX_NOT_ACCEPTED", "no-fingerprint", "VNetEnc_Profile 0"),
    (lambda w: set_encap(w, vnetenc="1", vnetenc_fp="sha256:12"),
     "NX_NOT_ACCEPTED", "no-fingerprint", "VNetEnc_Profile 0"),
    (all_of(lambda w: set_encap(w, vnetenc="1", vnetenc_fp=PIN),
            lambda w: w.row("Encap", 3).update(ip="192.0.2.2")),
     "NX_NOT_ACCEPTED", "claimed-twice", "claimed by more than one"),
    (all_of(lambda w: w.row("Chassis", 1).update(transport_zones=["a"]),
            lambda w: w.row("Chassis", 2).update(transport_zones=["b"]),
            lambda w: w.says()),
     "NX_NOT_ACCEPTED", "no-tunnel", "transport zones"),
    (lambda w: set_encap(w, vnetenc="1", vnetenc_fp=PIN),
     "NX_NOT_ACCEPTED", "no-row", "no record of table VNetEnc_Peer"),
    (lambda w: w.says(SEALED[0], TUNNEL[0], TUNNEL[1], "neighbor cache miss"
                      " for 192.0.2.2 on bridge br-phys, sending ARP request"),
     "UNKNOWN", "no-neighbour", "neighbor cache miss"),
    (lambda w: w.config.update({"vnetenc-unlisted": "drop"}),
     "NX_NOT_ACCEPTED", "unlisted", "tunnel_keys"),
    (all_of(lambda w: w.config.update({"vnetenc-unlisted": "drop"}),
            lambda w: w.keys.append(1)), "X", "encrypted", "sealing"),
    (all_of(lambda w: setattr(w, "profile", 5), lambda w: w.keys.append(1)),
     "NX_NOT_ACCEPTED", "other-profile", "tunnel_keys"),
    (lambda w: w.says(*TUNNEL, mode="off"),
     "NX", "not-followed", "ovn-nbctl --wait=hv sync"),
    (all_of(prefer, lambda w: with_peer(w, alarms=["fallback"])),
     "NX_FALLBACK", "fallback", "alarms: fallback"),
    (all_of(lambda w: setattr(w, "name", "hv2"),
            lambda w: report(w, 1, alarm_hv2="down,refused")),
     "NX_NOT_ACCEPTED", "reported", "alarms down,refused"),
    (all_of(prefer, lambda w: setattr(w, "name", "hv2"),
            lambda w: report(w, 1, alarm_hv2="down")),
     "NX_FALLBACK", "reported", "alarms down"),
    (lambda w: setattr(w, "fails", ["ovs-appctl"]),
     "UNKNOWN", "no-local", "ovs-appctl: down"),
    (lambda w: w.says(), "UNKNOWN", "no-local", "into no tunnel"),
    (lambda w: with_peer(w, sessions=[], state=None),
     "UNKNOWN", "idle", "send a packet"),
    (lambda w: w.no_session(state="handshaking"),
     "UNKNOWN", "handshaking", "profile 0: handshaking"),
    (lambda w: w.no_session(state="lost"), "UNKNOWN", "lost", "0: lost"),
    (lambda w: with_peer(w, sessions=[session("up"), session("waiting", 1)]),
     "UNKNOWN", "lanes", "profile 0: waiting"),
    (lambda w: setattr(w, "name", "hv2"),
     "UNKNOWN", "elsewhere", "run ovn-vnetenc-why on hv1"),
    (lambda w: setattr(w, "fails", ["ovs-vsctl"]),
     "UNKNOWN", "elsewhere", "run ovn-vnetenc-why on hv1"),
]

# As ROWS, to vm3 behind a router.
ROUTED = [
    (lambda w: setattr(w, "fails", ["ovn-trace"]),
     "UNKNOWN", "no-trace", "ovn-trace: down"),
    (lambda w: w.routed(note(), "sw0-lr0", note()), "X", "encrypted",
     "through 1 tunnel"),
    (gateway, "X", "encrypted", "tunnel from hv3 (192.0.2.3) to hv2"),
    (lambda w: gateway(w, "prefer", "prefer"), "UNKNOWN", "further",
     "if possible"),
    (all_of(gateway, lambda w: report(w, 3, alarm_hv2="down")),
     "NX_NOT_ACCEPTED", "reported", "hv3 reports no mode"),
    # Of 17, the report has 16.
    (all_of(gateway, lambda w: report(w, 3, alarm_hv1="down", alarms="2")),
     "UNKNOWN", "further", "hv3 reports no mode"),
    (all_of(gateway, lambda w: w.south["Port_Binding"][-1].update(
        chassis=[])),
     "UNKNOWN", "not-bound", "no chassis"),
    (all_of(gateway, lambda w: not_announced(w, 3)),
     "NX", "old-sender", "arrived unencrypted"),
]
FAILURES = [r.name for r in rules.RULES if r.section == rules.FAILED]


def check(answer, code, name, says):
    text = "\n".join([*(t for _, t in answer.chain), answer.cause(),
                      answer.advice()])
    assert (answer.code, answer.rule.name) == (code, name), text
    assert says in text
    assert answer.status == {"X": 0, "UNKNOWN": 2}.get(code, 1)


@pytest.mark.parametrize("apply, code, name, says", ROWS)
def test_rule(world, apply, code, name, says):
    apply(world)
    check(world.ask(), code, name, says)


@pytest.mark.parametrize("apply, code, name, says", ROUTED)
def test_routed(world, apply, code, name, says):
    apply(world)
    check(world.ask(receiver="vm3"), code, name, says)


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("mode", ["require", "prefer"])
def test_failure(world, name, mode):
    world.demand(mode)
    world.no_session(f"{name}: a text: with a colon")
    check(world.ask(), {"require": "NX_NOT_ACCEPTED",
                        "prefer": "NX_FALLBACK"}[mode], name,
          f"there is no session: {name}: a text: with a colon")


def test_every_rule_has_a_row():
    tested = {name for _, _, name, _ in ROWS + ROUTED} | set(FAILURES)
    # The second chassis of a way is never the worst one if it gives an X.
    assert tested | {"required"} == {r.name for r in rules.RULES if r.when}
    text = (TOP / "lib/vnetenc/base/drops.h").read_text()
    codes = set(re.findall(r"VNETENC_CODE\(([A-Z_]+), ", text))
    for r in rules.RULES:
        assert not r.when or {r.code, r.prefer} <= codes
        assert r.section is None or r.cause and r.check


def test_packet(world):
    """Both traces get the same packet."""
    world.ask(protocol="tcp", port=443)
    asked = (world.folder / "asked").read_text()
    assert ('inport == "vm1" && eth.src == 0a:00:00:00:01:01 && eth.dst =='
            ' 0a:00:00:00:01:02 && ip4.src == 10.9.0.1 && ip4.dst == 10.9.0.2'
            ' && ip.ttl == 64 && tcp.dst == 443') in asked
    assert ("ofproto/trace br-int in_port=3,dl_src=0a:00:00:00:01:01,dl_dst="
            "0a:00:00:00:01:02,tcp,tp_dst=443,nw_src=10.9.0.1,nw_dst=10.9.0.2"
            ",nw_ttl=64") in asked
    world.routed(note(), "sw0-lr0", note())
    world.ask(receiver="vm3")
    assert "dl_dst=0a:00:00:00:02:01,icmp" in (
        world.folder / "asked").read_text()


def test_flow_log(world, monkeypatch):
    """The newest line of such packets."""
    monkeypatch.setenv("OVS_LOGDIR", str(world.folder))

    def logged():
        return [text for source, text in world.ask().chain
                if source == "flow log"]

    assert not logged()
    world.logs = [{"file": []}]
    file = world.folder / "vnetenc-flows.log"
    assert logged() == [f"{file}: No such file or directory"]
    file.write_text('{"gap":{}}\n')
    assert logged() == [f"no such packet at the end of {file}"]
    begin, end = "2026-01-02T03:04:05.678Z", "2026-01-02T03:05:05.678Z"
    flow = {"v": 1, "host": "hv1", "src": "10.9.0.1", "dst": "10.9.0.2",
            "start": begin, "end": begin, "state": "B", "dir": "out",
            "packets": 5, "bytes": 500, "encryption": "NX_FALLBACK",
            "reason": "clear_lost"}
    file.write_text("".join(json.dumps(line) + "\n" for line in (
        flow, {**flow, "end": end, "encryption": "X", "reason": None},
        {**flow, "src": "10.9.0.2", "dst": "10.9.0.1"})) + '{"src": "10.9')
    assert logged() == [f"{begin} to {end}: 5 packets, X, sent"]
    world.logs = [{"file": "other.log"}]
    file.rename(world.folder / "other.log")
    with open(world.folder / "other.log", "ab") as log:
        log.write(b"\n" * why.LOG_TAIL)
    assert logged() == [
        f"no such packet at the end of {world.folder}/other.log"]


@pytest.mark.parametrize("name", [
    "vm2", "10.9.0.2", "0A:00:00:00:01:02", "web"])
def test_names(world, name):
    world.row("Port_Binding", 2)["external_ids"]["name"] = "web"
    assert world.ask(receiver=name).receiver == "vm2"


@pytest.mark.parametrize("name, says", [
    ("vm22", "no port of a machine is named vm22 or has that address."),
    ("vm22", "Similar: vm1, vm2, vm3, vm4"),
    ("10.9.0.77", "Allowed are logical ports"),
    ("10.9.1.3", "10.9.1.3 is not one port, but 2: vm3, vm5"),
    ("sw0-lr0", "port sw0-lr0 is of type patch"),
    ("vm1", "vm1 and vm1 are one port"),
    ("web", "port web has no fixed MAC and IP address"),
    ("db", "have no addresses of one family"),
])
def test_bad_names(world, name, says):
    world.south["Port_Binding"] += [
        port("vm5", SW1, 2, "0a:00:00:00:01:05 10.9.1.3"),
        port("web", SW0, 2, "unknown"),
        port("db", SW0, 2, "0a:00:00:00:01:06 2001:db8::6")]
    with pytest.raises(Problem, match=re.escape(says)):
        world.ask(receiver=name)


def run(*args):
    return subprocess.run([WHY, *args], capture_output=True, text=True,
                          timeout=60, env=os.environ, check=False)


def test_program(world):
    """Its output is harmless on a terminal, and the same as JSON."""
    evil = "vm2\x1b[2J\nX (encrypted)"
    world.row("Port_Binding", 2)["logical_port"] = evil
    world.trace = trace(note(), reached=None)
    world.write(world.folder)
    done = run("vm1", evil)
    assert done.returncode == 1 and not done.stderr
    assert "\x1b" not in done.stdout
    assert not re.search(r"^X", done.stdout, re.M)
    assert "(not known)       the state of connection tracking" in done.stdout
    assert re.search(r"^NX \(denied\): the logical network drops",
                     done.stdout, re.M)
    done = run("--json", "vm1", evil)
    said = json.loads(done.stdout)
    assert done.returncode == said["status"] == 1
    assert said["to"] == evil and said["code"] == "NX"
    assert said["chain"][0]["source"] == "Port_Binding"


@pytest.mark.parametrize("args, says", [
    (["vm1"], "the following arguments are required: VM2"),
    (["vm1", "vm2", "--port", "80"], "--port is for --protocol=tcp"),
    (["vm1", "vm2", "--protocol=tcp"], "--port is for --protocol=tcp"),
    (["vm1", "vm2", "--protocol=udp", "--port=65536"], "must be 1 to 65535"),
    (["vm1", "\x1b[2J"], "no port of a machine is named \\u001b[2J"),
])
def test_usage(world, args, says):
    world.write(world.folder)
    done = run(*args)
    assert done.returncode == 2 and says in done.stderr
    assert "Traceback" not in done.stderr and not done.stdout


def test_unreachable(world):
    world.fails = ["ovn-sbctl"]
    world.write(world.folder)
    done = run("vm1", "vm2")
    assert done.returncode == 2 and not done.stdout
    assert "the southbound database does not answer: ovn-sbctl: down" \
        in done.stderr
