# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""System tests: real daemons, real packets, in namespaces of their own."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from fixtures import (              # noqa: E402, F401
    fixture_isolation, fixture_kinds, fixture_make_cloud, fixture_make_lab,
    fixture_run, fixture_tree, pytest_runtest_makereport, run_item)


def pytest_runtest_protocol(item, nextitem):
    if HERE not in item.path.parents:
        return None
    run_item(item, nextitem)
    return True
