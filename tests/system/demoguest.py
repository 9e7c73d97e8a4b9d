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
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
MODULES = ("openvswitch", "vport_geneve", "tun", "veth", "bridge")
# What is printed, and what it may take at most.
USUAL_TIME = {False: ("2 minutes", 600), True: ("10 minutes", 3600)}


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
    from harness.run import Failure, Run, tail  # pylint: disable=C0415

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    run = Run(builddir, [], "")
    print(f"{why}: the demonstration runs in a guest, a virtual machine with"
          f"\nDebian's kernel {guest.KERNEL}, which is fetched once.  Nothing"
          " is installed.", flush=True)
    try:
        kernel = guest.fetch_kernel(run)
    except Failure as failure:
        print(failure)
        return 1
    is_emulated = not guest.has_kvm(run, kernel)
    usual, limit = USUAL_TIME[is_emulated]
    print(("KVM does not work here, so the processor is emulated"
           if is_emulated else "KVM works here")
          + f": it takes about {usual}.", flush=True)
    results = run.logs / "guest-demo"
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    demo = [sys.executable, "-B", "-u", TESTS / "system/demo.py", "--builddir",
            run.builddir, "--datapath=kernel", "--report",
            "/run/results/report.json"]
    (results / "command").write_text(
        f"{guest.environment(is_emulated)}"
        f"{shlex.join(map(str, demo))} >/run/results/output 2>&1\n"
        "echo $? >/run/results/status\n")
    console = results / "console.log"
    with open(console, "wb") as out, \
            open(results / "output", "a+", encoding="utf-8") as output, \
            guest.boot(run, kernel, is_emulated, results, out) as process:
        output.seek(0)
        deadline = time.monotonic() + limit
        while True:
            ended = process.poll() is not None
            sys.stdout.write(output.read())
            sys.stdout.flush()
            if ended or time.monotonic() > deadline:
                break
            time.sleep(0.2)
    if report and (results / "report.json").exists():
        shutil.copy(results / "report.json", report)
    if (results / "status").exists():
        return int((results / "status").read_text())
    print(("The guest ended early" if ended else
           f"The guest took longer than {limit} s")
          + f"; the end of {console}:\n{tail(console)}")
    return 1
