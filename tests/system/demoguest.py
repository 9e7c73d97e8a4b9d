# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The demonstration of the kernel datapath, on a machine whose own kernel has
no Open vSwitch: in a guest (harness/guest.py), with a kernel of Debian.  User
Mode Linux does not suffice, because its Open vSwitch has no ct()."""

import os
import pathlib
import platform
import shlex
import shutil
import signal
import subprocess
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
MODULES = ("openvswitch", "vport_geneve", "tun", "veth", "bridge")
USUAL_TIME = ("2 minutes with KVM, and\n10 minutes without it if this machine"
              " does nothing else")


def missing_module():
    """The first module that the running kernel does not have, or None."""
    for module in MODULES:
        if not os.path.exists(f"/sys/module/{module}"):
            try:
                subprocess.run(["modprobe", "-q", module], check=True)
            except (OSError, subprocess.CalledProcessError):
                return module
    return None


def show(builddir, report, why):
    """Runs the demonstration in a guest, and prints what it prints; returns
    its exit status."""
    is_12 = platform.freedesktop_os_release().get("VERSION_ID") == "12"
    os.environ.setdefault("VNETENC_GUEST_KERNEL", "6.1" if is_12 else "6.12")
    sys.path.insert(0, str(TESTS))
    # The module reads the variable.
    from harness import guest           # pylint: disable=C0415
    from harness.run import Failure, Run  # pylint: disable=C0415

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    run = Run(builddir, [], "")
    print(f"{why}: the demonstration\nruns in a guest, a virtual machine with"
          f" Debian's kernel {guest.KERNEL}, which is fetched\nonce.  Nothing"
          f" is installed.  It takes about {USUAL_TIME}.", flush=True)
    demo = [sys.executable, "-B", "-u", TESTS / "system/demo.py", "--builddir",
            run.builddir, "--datapath=kernel", "--report",
            "/run/results/report.json"]
    try:
        return guest.show(run, "demo", shlex.join(map(str, demo)))
    except Failure as failure:
        print(failure)
        return 1
    finally:
        written = run.logs / "guest-demo/report.json"
        if report and written.exists():
            shutil.copy(written, report)
