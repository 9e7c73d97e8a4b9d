# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""pytest shows all tests of vnetenc: see harness/ for the kinds of them."""
