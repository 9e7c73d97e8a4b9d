# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of the kernel datapath, which run in a guest (harness/guest.py)."""

import pathlib
import re
import sys

import pytest

from harness import guest
from harness.reports import report_item

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))

from fixtures import (              # noqa: E402, F401
    fixture_isolation, fixture_make_cloud, fixture_make_lab, fixture_run,
    fixture_tree, pytest_runtest_makereport, run_item)
from lab import KernelHost          # noqa: E402

# Lines of the kernel that no test may cause.
BUG = re.compile(r"BUG:|Oops|WARNING:|general protection|unregister_netdevice"
                 r": waiting|refcount_t")
# 6.12 warns once about any Geneve option, also of stock tunnels.
KNOWN = re.compile(r"WARNING: .* at include/net/ip_tunnels\.h:707 ")


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "conntrack: needs ct() or nftables for IP")


def pytest_collection_modifyitems(config, items):
    """User Mode Linux has no ct() and no nftables for IP: tests that need them
    belong to `make check-guest-qemu' only."""
    dropped = [item for item in items if guest.UML
               and item.get_closest_marker("conntrack")]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]


def pytest_runtest_protocol(item, nextitem):
    if HERE not in item.path.parents:
        return None
    if guest.INSIDE:
        run_item(item, nextitem)
    else:
        report_item(item, reports_of)
    return True


def reports_of(item):
    """The reports of what an item did in the guest."""
    guests = item.config.guests
    if not hasattr(item.session, "guest_began"):
        item.session.guest_began = True
        guests.start([other.nodeid for other in item.session.items
                      if HERE in other.path.parents])
    return guests.reports(item.config, item.nodeid)


@pytest.fixture(autouse=True)
def fixture_kernel(run):
    """The kernel complains of nothing."""
    run.cmd("dmesg", "--clear")
    yield
    lines = [line for line in run.cmd("dmesg").splitlines()
             if BUG.search(line) and not KNOWN.search(line)]
    assert not lines, "\n".join(lines)


@pytest.fixture(name="kinds", scope="class")
def fixture_kinds():
    return [KernelHost]


@pytest.fixture(name="make_hosts", scope="class")
def fixture_make_hosts(make_lab):
    """Makes a lab of hosts with the kernel datapath."""
    def make(n=2, kind=KernelHost, **kwargs):
        return make_lab(kinds=[kind] * n, **kwargs)
    return make


@pytest.fixture(name="encrypted_lab", scope="class")
def fixture_encrypted_lab(make_hosts):
    """Two hosts whose guests reach each other, encrypted."""
    lab = make_hosts()
    lab.pin()
    lab.connect(encryption="require")
    lab.vms[0].reaches(lab.vms[1].ip, 15)
    return lab
