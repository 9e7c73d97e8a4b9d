# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Fixtures and hooks for all tests of real daemons."""

import os
import pathlib

import pytest
from _pytest.runner import CallInfo, runtestprotocol

import runspace
from cloud import Cloud
from lab import Hypervisor, Lab, Tree


_runs = []                          # Those that a test uses now.


@pytest.fixture(scope="session", autouse=True)
def fixture_isolation():
    runspace.enter()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Ends the report of a failure with the logs of the daemons."""
    outcome = yield
    report = outcome.get_result()
    report.late = (call.excinfo is not None
                   and isinstance(call.excinfo.value, runspace.Late))
    if report.failed:
        report.sections += [("daemons", run.logs()) for run in _runs
                            if run.dir.exists()]


def _stolen():
    """Seconds during which this machine had no processors."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return int(fields[8]) / os.sysconf("SC_CLK_TCK")


def _end_class(item):
    """Ends what the tests of the item's class share; returns the report of
    that."""
    module = item.getparent(pytest.Module)
    call = CallInfo.from_call(
        lambda: item.session._setupstate.teardown_exact(module), "teardown")
    return item.ihook.pytest_runtest_makereport(item=item, call=call)


def run_item(item, nextitem):
    """Runs a test that was late once more, and names it: tests wait for
    limited times, and the machine may be busy or, if it is virtual, paused for
    a while.  A false claim, a daemon that ended, or a packet in the wrong
    place fails at once.

    The second run makes anew what the tests of a class share: pytest remembers
    how that failed, and half of the test may have been done to it."""
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    stolen = _stolen()
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    failed = [r for r in reports if r.failed]
    if failed and all(r.late for r in failed):
        item.user_properties.append((
            "second run", "the processors were gone for "
            f"{_stolen() - stolen:.1f} s\n"
            + "\n".join(r.longreprtext for r in failed)))
        end = _end_class(item)
        item._initrequest()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if end.failed and not end.late:
            reports.append(end)
    for report in reports:
        hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


# Tests of a class share these and a lab; other tests have their own.

@pytest.fixture(scope="session", name="tree")
def fixture_tree(pytestconfig):
    return Tree(pytestconfig.getoption("builddir"))


@pytest.fixture(name="run", scope="class")
def fixture_run(pytestconfig):
    run = runspace.Run()
    _runs.append(run)
    yield run
    _runs.remove(run)
    run.close(keep_folder=pytestconfig.getoption("keep_folder"))


@pytest.fixture(name="make_lab", scope="class")
def fixture_make_lab(run, tree):
    """Makes a Lab; its daemons must still run when the test ends."""
    labs = []

    def make(**kwargs):
        labs.append(Lab(run, tree, **kwargs))
        return labs[-1]

    yield make
    for lab in labs:
        lab.check_alive()


@pytest.fixture(name="lab")
def fixture_lab(make_lab):
    """Two hosts with an encrypted tunnel that is up, the underlay watched."""
    lab = make_lab()
    lab.pin()
    # Virtual machines send by themselves, so sessions begin with the tunnels.
    lab.pcap = lab.underlay.capture()
    lab.connect(encryption="require")
    lab.vms[0].reaches(lab.vms[1].ip)
    return lab


@pytest.fixture(name="kinds", scope="class")
def fixture_kinds():
    """The kinds of the hosts of a cloud, in turn."""
    return [Hypervisor]


@pytest.fixture(name="make_cloud", scope="class")
def fixture_make_cloud(run, tree, kinds):
    """Makes a Cloud; afterwards nothing may have leaked."""
    clouds = []

    def make(**kwargs):
        clouds.append(Cloud(run, tree, **{"kinds": kinds, **kwargs}))
        return clouds[-1]

    yield make
    for cloud in clouds:
        cloud.close()
