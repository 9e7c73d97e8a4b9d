# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The rows of the table in Documentation/OPERATING.md, "What is encrypted", on
hosts with the kernel datapath: the tests of tests/system, with other hosts."""

import pytest

from test_clouds import test_multicast  # noqa: F401
from test_rows import *             # noqa: F401, F403
from test_rows_gateway import *     # noqa: F401, F403
from test_rows_zones import *       # noqa: F401, F403

pytestmark = pytest.mark.conntrack
