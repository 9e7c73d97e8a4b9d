# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""System tests: real daemons, real packets, in namespaces of their own."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from harness.pair import INSIDE, Pair   # noqa: E402
from fixtures import (              # noqa: E402, F401
    fixture_isolation, fixture_kinds, fixture_lab, fixture_make_cloud,
    fixture_make_lab, fixture_run, fixture_tree, pytest_runtest_makereport,
    run_item)


def pytest_runtest_protocol(item, nextitem):
    if HERE not in item.path.parents:
        return None
    pair = the_pair(item)
    if pair.is_mine(item):
        run_item(item, nextitem)
    elif not INSIDE:
        pair.report(item)
    return True


def the_pair(item):
    """Made with the first test."""
    session, option = item.session, item.config.option
    if not hasattr(session, "pair"):
        tests = [other.nodeid for other in session.items
                 if HERE in other.path.parents]
        if option.usepdb or option.capture == "no" or option.maxfail:
            tests = []
        session.pair = Pair(item.config.run, tests,
                            ["--keep-folder"] if option.keep_folder else [])
    return session.pair
