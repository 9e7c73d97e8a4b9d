# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Facts about the machine and the programs, for a report."""

import os
import pathlib
import platform
import re
import subprocess

INTERESTING = ("aes", "vaes", "pclmulqdq", "vpclmulqdq", "avx2", "avx512f",
               "hypervisor")
PACKAGES = ("libdpdk-dev", "libipsec-mb1", "libssl3", "gcc", "valgrind")


def _output(*argv):
    try:
        return subprocess.run(argv, capture_output=True, text=True,
                              timeout=20, check=False).stdout.strip()
    except OSError:
        return ""


def _stolen():
    fields = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()
    return int(fields[8]), sum(map(int, fields[1:9]))


class Watch:
    """How busy the machine is with other work during the measurement."""

    def __init__(self):
        self.load = os.getloadavg()
        self.stolen = _stolen()

    def seen(self):
        stolen, total = (b - a for a, b in zip(self.stolen, _stolen()))
        return {"load_before": round(self.load[0], 2),
                "load_after": round(os.getloadavg()[0], 2),
                "stolen_percent": round(100 * stolen / max(1, total), 2)}


def facts(tree):
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()

    def first(name):
        match = re.search(rf"^{name}\s*: (.*)$", cpuinfo, re.M)
        return match[1] if match else "?"

    flags = first("flags").split()
    memory = re.search(r"MemTotal: +(\d+)",
                       pathlib.Path("/proc/meminfo").read_text())
    return {
        "cpu": first("model name"), "mhz": first("cpu MHz"),
        "cores": os.cpu_count(),
        "features": [f for f in INTERESTING if f in flags],
        "memory_gb": round(int(memory[1]) / 1e6),
        "kernel": platform.release(),
        "packages": {name: _output("dpkg-query", "-W", "-f=${Version}", name)
                     for name in PACKAGES},
        "version": _output("git", "-C", str(tree.top), "describe", "--always",
                           "--dirty"),
        "compiled": {"benchmark of the datapath": "-O2 -march=native",
                     "all else": _cflags(tree)}}


def _cflags(tree):
    makefile = (tree.ovs / "Makefile").read_text(errors="replace")
    match = re.search(r"^CFLAGS = (.*)$", makefile, re.M)
    return match[1] if match else "?"
