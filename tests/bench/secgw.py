# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""DPDK's example of an IPsec gateway: ESP in tunnel mode with AES-256-GCM by
the same library and on the same kind of ports, but without switching and
without Geneve.  It is built from the source of the installed DPDK.

Its crypto is synchronous (cpu-crypto), as that of vnetenc.  Inbound, it gets
the same record for ever: its replay window is off."""

import pathlib
import re
import shutil
import statistics
import subprocess
import time

import frames
import packages
from runspace import Failed

CORE = 1
KEY = ":".join(["01"] * 36)             # Key and salt.
CONFIG = f"""\
sp ipv4 out esp protect 5 pri 1 dst 10.9.0.0/24 sport 0:65535 dport 0:65535
sp ipv4 in esp protect 5 pri 1 dst 10.9.0.0/24 sport 0:65535 dport 0:65535
sa out 5 aead_algo aes-256-gcm aead_key {KEY} mode ipv4-tunnel \
src 172.31.0.1 dst 172.31.0.2 type cpu-crypto
sa in 5 aead_algo aes-256-gcm aead_key {KEY} mode ipv4-tunnel \
src 172.31.0.1 dst 172.31.0.2 type cpu-crypto
rt ipv4 dst 172.31.0.2/32 port 1
rt ipv4 dst 10.9.0.0/24 port 0
neigh port 0 02:00:00:00:00:02
neigh port 1 02:00:00:00:01:02
"""


def build(folder):
    """The program, built in `folder' unless it is there."""
    folder = pathlib.Path(folder)
    program = folder / "ipsec-secgw"
    source = packages.source("libdpdk-dev", folder) / "examples/ipsec-secgw"
    if program.exists():
        return program
    copy = folder / "build"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy)
    # Ports without hardware have no offloads.
    main = copy / "ipsec-secgw.c"
    text, n = re.subn(r"\.offloads = RTE_ETH_RX_OFFLOAD_CHECKSUM",
                      ".offloads = 0", main.read_text())
    if n != 1:
        raise Failed("ipsec-secgw.c is not as expected")
    main.write_text(text)
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libdpdk"],
                           capture_output=True, text=True, check=True
                           ).stdout.split()
    flags = [flag for flag in flags if not flag.startswith("-march")]
    done = subprocess.run(
        ["gcc", "-O3", "-march=native", "-w", "-DALLOW_EXPERIMENTAL_API",
         *sorted(str(path) for path in copy.glob("*.c")),
         *flags, "-o", str(program)],
        capture_output=True, text=True, timeout=300, check=False)
    shutil.rmtree(copy)
    if done.returncode:
        raise Failed(f"ipsec-secgw does not compile: {done.stderr[-800:]}")
    return program


class Gateway:
    def __init__(self, run, program):
        self.run = run
        self.program = program
        self.dir = run.folder("secgw")
        self.netns = run.add_netns("secgw")
        self.config = self.dir / "secgw.conf"
        self.config.write_text(CONFIG)

    def _start(self, plain, cipher):
        return self.run.spawn(
            "stdbuf", "-oL", self.program, "-l", CORE, "--no-huge",
            "--no-pci", "--no-telemetry", "-m", 1024,
            "--file-prefix", self.run.name("secgw"),
            "--log-level", "lib.eal:debug",
            "--vdev", plain, "--vdev", cipher, "--vdev", "crypto_aesni_gcm0",
            "--", "-p", "0x3", "-P", "-u", "0x2", "-l", "-w", 0, "-t", 1,
            "-f", self.config, "--config=(0,0,1),(1,0,1)",
            folder=self.dir, netns=self.netns, env={
                "XDG_RUNTIME_DIR": str(self.dir)})

    def record(self, path, size):
        """Writes a sealed packet of `size' to a capture file."""
        frames.write(self.dir / "plain.pcap", size, 1)
        process = self._start(f"net_pcap0,rx_pcap={self.dir}/plain.pcap",
                              f"net_pcap1,tx_pcap={path}")
        deadline = time.monotonic() + 10
        while (not path.exists() or path.stat().st_size < 24 + 16 + size) \
                and process.alive() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(0.2)
        process.stop()

    def measure(self, way, size, seconds):
        """Cycles for one packet, for each second but the first."""
        frames.write(self.dir / "plain.pcap", size, 1)
        sealed = self.dir / f"sealed-{size}.pcap"
        if way == "in" and not sealed.exists():
            self.record(sealed, size)
        process = self._start(*{
            "out": (f"net_pcap0,rx_pcap={self.dir}/plain.pcap,infinite_rx=1",
                    "net_null1,no-rx=1"),
            "in": ("net_null0,no-rx=1",
                   f"net_pcap1,rx_pcap={sealed},infinite_rx=1")}[way])
        ran, totals = [], []
        deadline = time.monotonic() + seconds + 10
        while len(totals) < seconds + 2 and process.alive() \
                and time.monotonic() < deadline:
            time.sleep(0.05)
            now = re.findall(r"Total packets sent: +(\d+)", process.output())
            if len(now) > len(totals):
                totals = list(map(int, now))
                ran.append((time.monotonic(), _ran(process.pid)))
        hz = re.search(r"TSC frequency is ~(\d+) KHz", process.output())
        text = process.output()
        process.stop()
        if len(ran) != len(totals) or len(totals) < 4 or not hz:
            raise Failed(f"secgw {way} {size}: {text[-600:]}")
        return [int(hz[1]) * 1000 * (ran[i + 1][1] - ran[i][1])
                / (totals[i + 1] - totals[i])
                for i in range(1, len(totals) - 1)
                if totals[i + 1] > totals[i]]


def _ran(pid):
    """Seconds that the first thread of a process has run."""
    with open(f"/proc/{pid}/task/{pid}/schedstat", encoding="ascii") as text:
        return int(text.read().split()[0]) / 1e9


def measure(run, program, sizes, seconds, say):
    rows = []
    gateway = Gateway(run, program)
    for size in sizes:
        for way in ("out", "in"):
            cycles = gateway.measure(way, size, seconds)
            rows.append({"way": way, "size": size,
                         "cycles": statistics.median(cycles),
                         "min": min(cycles), "max": max(cycles)})
            say(f"ipsec-secgw, {size} B, {way}: {rows[-1]['cycles']:.0f}")
    return rows
