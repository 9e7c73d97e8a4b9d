# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""vnetenc-rollback: what becomes of flows that stock Open vSwitch refuses.

The packages, the databases and the daemons are in tests/packages."""

import importlib.machinery
import importlib.util
import pathlib

import pytest

FILE = pathlib.Path(__file__).parents[2] / "utilities/vnetenc-rollback"


@pytest.fixture(scope="module")
def rollback():
    loader = importlib.machinery.SourceFileLoader("rollback", str(FILE))
    spec = importlib.util.spec_from_loader("rollback", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize("flow, drop, clear", [
    # Nothing of ours: not touched, whatever looks like it.
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
    # Arrivals: none is encrypted any more, all are in clear.
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


def test_file(rollback, tmp_path):
    f = tmp_path / "flows"
    f.write_text("# actions=vnetenc in a comment\n"
                 "ip,actions=vnetenc,output:2\n"
                 "tun_flags=+vnetenc,actions=output:2\narp,actions=NORMAL\n")
    rollback.convert_file(str(f), "clear")
    assert (tmp_path / "flows.stock").read_text() == (
        "# actions=vnetenc in a comment\nip,actions=output:2\n"
        "arp,actions=NORMAL\n")
