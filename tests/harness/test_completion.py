# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Completion by bash, which reads names that tenants choose."""

import subprocess

from harness.run import TOP

SCRIPT = """
. debian/completions/ovn-vnetenc-ready
ovn-nbctl () { printf '%s\\n' sw0 'sw$(touch${IFS}"$TOUCHED")' 'sw;x' other; }
COMP_WORDS=(ovn-vnetenc-ready sw) COMP_CWORD=1
_vnetenc_tools ovn-vnetenc-ready
printf '%s\\n' "${COMPREPLY[@]}"
"""


def test_names(tmp_path):
    """A name is no command, neither now nor when it is entered."""
    touched = tmp_path / "touched"
    done = subprocess.run(["bash", "-c", SCRIPT], cwd=TOP, text=True,
                          stdout=subprocess.PIPE, check=True,
                          env={"PATH": "/usr/bin:/bin",
                               "TOUCHED": str(touched)})
    assert done.stdout.splitlines() == [
        "sw0", r'sw\$\(touch\$\{IFS\}\"\$TOUCHED\"\)', r"sw\;x"]
    assert not touched.exists()
