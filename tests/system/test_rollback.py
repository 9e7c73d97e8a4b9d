# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""vnetenc-rollback: its changes of flows that stock Open vSwitch refuses, and
of a southbound database that does not fit the stock schema.

The packages, the other databases and the daemons are in tests/packages."""

import importlib.machinery
import importlib.util
import json
import os
import pathlib
import shlex
import types

import pytest

from runspace import serves, wait_until

FILE = pathlib.Path(__file__).parents[2] / "utilities/vnetenc-rollback"


@pytest.fixture(scope="module")
def rollback():
    loader = importlib.machinery.SourceFileLoader("rollback", str(FILE))
    spec = importlib.util.spec_from_loader("rollback", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize("release, cleared", [
    ("bookworm", ["4-of-them"]), ("trixie", []), ("stable", ["4-of-them"])])
def test_prefixes(rollback, release, cleared):
    """Prefixes of a flow table go where the stock schema allows fewer."""
    tables = ("3-of-them,ip_dst ip_src ipv6_dst\n"
              "4-of-them,ip_dst ip_src ipv6_dst ipv6_src\nnone,\n")
    assert rollback.long_prefixes(tables, release) == cleared


@pytest.mark.parametrize("flow, drop, clear", [
    # Nothing of ours: not touched, even if it looks similar.
    ("priority=1,in_port=vnetenc0 actions=output:vnetenc-2",) * 3,
    ("tun_flags=+oam actions=NORMAL",) * 3,
    # Demands.
    ("ip actions=vnetenc(mode=require,profile=0),output:2",
     "ip actions=drop", "ip actions=output:2"),
    ("ip actions=vnetenc,output:2", "ip actions=drop",
     "ip actions=output:2"),
    ("ip actions=output:1,vnetenc(mode=prefer),output:2",
     "ip actions=output:1,output:2", "ip actions=output:1,output:2"),
    ("ip actions=vnetenc(mode=off)", "ip actions=drop", "ip actions=drop"),
    ("ip actions=clone(vnetenc(profile=3),output:2),output:1",
     "ip actions=drop", "ip actions=clone(output:2),output:1"),
    ("ip actions=clone(output:2,vnetenc(mode=prefer)),output:1",
     "ip actions=clone(output:2),output:1",
     "ip actions=clone(output:2),output:1"),
    # Arrivals: all are in clear with stock Open vSwitch.
    ("in_port=3,tun_flags=+vnetenc actions=output:1", None, None),
    ("tun_flags=-oam+vnetenc,in_port=3 actions=output:1", None, None),
    ("priority=9,tun_flags=-vnetenc,in_port=3 actions=drop",
     "priority=9,in_port=3 actions=drop",
     "priority=9,in_port=3 actions=drop"),
    ("tun_flags=+oam-vnetenc,in_port=3 actions=drop",
     "tun_flags=+oam,in_port=3 actions=drop",
     "tun_flags=+oam,in_port=3 actions=drop"),
    ("in_port=3,tun_flags=-vnetenc actions=drop",
     "in_port=3 actions=drop", "in_port=3 actions=drop"),
])
def test_flow(rollback, flow, drop, clear):
    assert rollback.stock_flow(flow, "drop") == drop
    assert rollback.stock_flow(flow, "clear") == clear


def test_bundle(rollback):
    flows = ["cookie=0x5, table=3, priority=7,ip actions=NORMAL",
             "cookie=0x5, table=4, idle_timeout=9, send_flow_rem "
             "priority=8,tun_flags=+vnetenc actions=output:1",
             "cookie=0x5, table=4, priority=8,tun_flags=-vnetenc "
             "actions=drop",
             "table=5, priority=1,ip actions=vnetenc,output:2"]
    assert rollback.bundle(flows, "drop") == [
        "delete_strict table=4,priority=8,tun_flags=+vnetenc",
        "delete_strict table=4,priority=8,tun_flags=-vnetenc",
        "add cookie=0x5, table=4, priority=8 actions=drop",
        "add table=5, priority=1,ip actions=drop"]


def test_demands_of_a_chassis(rollback, make_cloud):
    """ovn-controller has flows on every chassis that pass on the demand of a
    packet.  They are no demand of the chassis, which could never be rolled
    back otherwise."""
    cloud = make_cloud()
    for n in (1, 2):
        cloud.add_vm(n, n)
    cloud.central.sync()

    def demanding(is_ovn=True):
        flows = cloud.hvs[0].ofctl("--no-stats", "--no-names", "dump-flows",
                                   "br-int")
        return rollback.demanding([line.strip() for line in
                                   flows.splitlines() if "actions=" in line],
                                  is_ovn)
    carried = wait_until(lambda: demanding(False), "the flows are there")
    assert len(carried) == 1 and not demanding()
    for mode in ("prefer", "require"):
        cloud.set_mode(mode)
        assert demanding(), mode
    cloud.set_mode("off")
    assert not demanding()


def test_file(rollback, tmp_path):
    f = tmp_path / "flows"
    f.write_text("# actions=vnetenc in a comment\n"
                 "ip,actions=vnetenc,output:2\n"
                 "tun_flags=+vnetenc,actions=output:2\narp,actions=NORMAL\n")
    rollback.convert_file(str(f), "clear")
    assert (tmp_path / "flows.stock").read_text() == (
        "# actions=vnetenc in a comment\nip,actions=output:2\n"
        "arp,actions=NORMAL\n")


# Databases with all that vnetenc puts into them: schema, transaction, and a
# table with the column and the value that stay.
FILLED = [
    ("vswitchd/vswitch.ovsschema", [
        {"op": "insert", "table": "Open_vSwitch", "row": {
            "other_config": ["map", [["vnetenc-unlisted", "drop"]]]}},
        {"op": "insert", "table": "Bridge", "row": {"name": "br-int"},
         "uuid-name": "br"},
        {"op": "update", "table": "Open_vSwitch", "where": [],
         "row": {"bridges": ["named-uuid", "br"]}},
        {"op": "insert", "table": "VNetEnc_Flow_Log", "row": {
            "bridge": "br-int", "mark": "reg31[16..17]", "interval": 10,
            "names": ["map", [[7, "blue"]]]}},
        {"op": "insert", "table": "VNetEnc_Profile", "row": {"id": 0}},
        {"op": "insert", "table": "VNetEnc_Peer", "row": {
            "remote_ip": "192.0.2.2"}}], "Bridge", "name", "br-int"),
    ("ovn-nb.ovsschema", [
        {"op": "insert", "table": "Encryption_Credential", "row": {
            "name": "tenants", "id": 3}, "uuid-name": "c"},
        {"op": "insert", "table": "Logical_Switch", "row": {
            "name": "sw0", "encryption": "require",
            "encryption_credential": ["named-uuid", "c"],
            "encryption_status": ["map", [["state", "enforced"]]],
            "other_config": ["map", [["encryption-log", "pair"]]]}}],
     "Logical_Switch", "name", "sw0"),
    ("ovn-sb.ovsschema", [
        {"op": "insert", "table": "Chassis_Private", "row": {
            "name": "hv1", "encryption": ["map", [["5", "require"]]]}}],
     "Chassis_Private", "name", "hv1"),
]


@pytest.mark.parametrize("schema, filling, table, column, value", FILLED,
                         ids=["Open_vSwitch", "northbound", "southbound"])
def test_conversion(run, tree, rollback, monkeypatch, capsys, schema, filling,
                    table, column, value):
    """Databases that say which flows are logged, and whether a switch is
    encrypted, are converted to upstream's schemas, and keep the rest."""
    source = tree.ovs_src if "vswitchd" in schema else tree.ovn_src
    stock = source.parent / "pristine" / schema
    if not stock.exists():
        pytest.skip("only in a build folder: upstream's schema is needed")
    tool, name = tree.program("ovsdb-tool"), json.loads(
        stock.read_text())["name"]
    file = run.dir / "conf.db"
    run.cmd(tool, "create", file, source / schema)
    done = json.loads(run.cmd(tool, "transact", file,
                              json.dumps([name] + filling)))
    assert len(done) == len(filling) and not [d for d in done if "error" in d]

    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(rollback, "SCHEMAS", [("package", schema, str(file))])
    monkeypatch.setattr(rollback, "stock_file", lambda *_: stock.read_text())
    rollback.try_conversions(types.SimpleNamespace(packages=["package"]), [])
    assert capsys.readouterr().out == (
        "copies of the databases can be converted\n")

    def kept():
        return json.loads(run.cmd(tool, "query", file, json.dumps(
            [name, {"op": "select", "table": table, "where": [],
                    "columns": [column]}])))[0]["rows"]
    # Back, and forward again.
    for new, ours in ((stock, False), (source / schema, True)):
        run.cmd(tool, "compact", file)
        run.cmd(tool, "convert", file, new)
        assert kept() == [{column: value}]
        text = json.dumps(json.loads(file.read_text().splitlines()[1]))
        assert ("encryption" in text or "VNetEnc_Flow_Log" in text) == ours


def start_southbound(run, tree, monkeypatch, name):
    """Starts an empty southbound database, which ovn-sbctl uses from now
    on."""
    path = run.dir / name
    run.cmd(tree.program("ovsdb-tool"), "create", path,
            tree.ovn_src / "ovn-sb.ovsschema")
    server = run.spawn(tree.program("ovsdb-server"), path,
                       f"--remote=punix:{path}.sock", "-vconsole:off",
                       f"--unixctl={path}.ctl")
    wait_until(lambda: serves(f"{path}.sock"), f"{name} is up")
    monkeypatch.setenv("OVN_SB_DB", f"unix:{path}.sock")
    run.cmd("ovn-sbctl", "init")
    return server


def test_withdraw(run, tree, rollback, monkeypatch, capsys):
    """The southbound database no longer says that the chassis takes encrypted
    packets and obeys credentials, and the announcements of other chassis
    stay."""
    folder = tree.program("ovn-sbctl").parent
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    start_southbound(run, tree, monkeypatch, "before.db")
    for name in ("hv1", "hv2"):
        run.cmd("ovn-sbctl", "chassis-add", name, "geneve,vxlan",
                "192.0.2." + name[-1], "--", "set", "Chassis", name,
                'other_config:iface-types="geneve,vnetenc"',
                "other_config:datapath-type=netdev", "--",
                "create", "Chassis_Private", "name=" + name,
                "encryption:credentials=true")
    for row in run.cmd("ovn-sbctl", "--bare", "--columns=_uuid", "list",
                       "Encap").split():
        run.cmd("ovn-sbctl", "set", "Encap", row, "options:vnetenc=1",
                "options:vnetenc-fp=sha256:00")
    access = [f"--db={os.environ['OVN_SB_DB']}", "--timeout=5"]
    rollback.withdraw(access, "hv1")
    assert "no longer says that hv1" in capsys.readouterr().out
    for name, announced in (("hv1", False), ("hv2", True)):
        options = run.cmd("ovn-sbctl", "--bare", "--columns=options", "find",
                          "Encap", f"chassis_name={name}")
        assert options.count("vnetenc=1") == options.count("vnetenc-fp") \
            == (2 if announced else 0) and options.count("csum") == 2
        config = run.cmd("ovn-sbctl", "get", "Chassis", name, "other_config")
        assert ("vnetenc" in config) == announced
        assert "datapath-type=netdev" in config
        reported = run.cmd("ovn-sbctl", "get", "Chassis_Private", name,
                           "encryption")
        assert ("credentials" in reported) == announced
    rollback.withdraw(access, "hv3")
    assert "has no chassis hv3" in capsys.readouterr().out
    rollback.withdraw(["--db=unix:/nonexistent", "--timeout=1"], "hv1")
    assert "may still say that hv1" in capsys.readouterr().out


TABLES = {"SSL": ("private_key", "certificate", "ca_cert",
                  "bootstrap_ca_cert", "ssl_protocols", "ssl_ciphers"),
          "Connection": ("target", "role", "read_only", "inactivity_probe",
                         "max_backoff")}


def test_southbound(run, tree, rollback, monkeypatch, capsys):
    """The connections of a southbound database that is made anew are
    restored."""
    def contents():
        return {table: sorted(rollback.southbound_rows(table, *columns))
                for table, columns in TABLES.items()}

    folder = tree.program("ovn-sbctl").parent
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    server = start_southbound(run, tree, monkeypatch, "before.db")
    assert rollback.southbound_access() == []
    run.cmd("ovn-sbctl", "--bootstrap", "set-ssl", "/k y", "/c", "/ca",
            "TLSv1.2", "HIGH:!NULL")
    run.cmd("ovn-sbctl", "set-connection", "role=ovn-controller",
            "pssl:16642", "role=", "read-only", "ptcp:16643:127.0.0.1",
            "--", "set", "connection", "pssl:16642",
            "inactivity_probe=60000", "max_backoff=2000")
    before = contents()
    assert len(before["SSL"]) == 1 and len(before["Connection"]) == 2
    access = rollback.southbound_access()

    # Not made anew: nothing is changed.
    run.cmd("ovn-sbctl", "set", "connection", "pssl:16642", "max_backoff=3000")
    changed = contents()
    rollback.give_southbound(access)
    assert contents() == changed != before

    server.stop()
    capsys.readouterr()
    rollback.give_southbound(access, patience=0)
    said = capsys.readouterr().out
    assert "does not answer" in said
    assert [shlex.split(line) for line in said.splitlines()[1:]] == access

    start_southbound(run, tree, monkeypatch, "after.db")
    assert contents() == {"SSL": [], "Connection": []}
    rollback.give_southbound([["ovn-sbctl", "--timeout=5", "no-such"]])
    said = capsys.readouterr().out
    assert "could not be restored" in said
    assert "ovn-sbctl --timeout=5 no-such" in said
    rollback.give_southbound(access)
    assert contents() == before
    assert "were restored" in capsys.readouterr().out
