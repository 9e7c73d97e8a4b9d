# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""DPDK's example of an IPsec gateway: ESP in tunnel mode with AES-256-GCM by
the same library and on the same kind of ports, but without switching and
without Geneve.  It is built from the source of the installed DPDK.

Its crypto is synchronous (cpu-crypto), as that of vnetenc.  Inbound, it gets
the same records for ever: its replay window is off.

With many SAs, it is compared with one ovs-vswitchd that has as many peers, in
rounds: each round starts both programs anew, one after the other, and gives
them the same frames, of which each goes to another SA or peer than the one
before it.  Counters of both programs must show that each SA and each peer had
its part of the packets."""

import json
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import time

import datapath
import frames
import packages
from runspace import Failed, wait_until

CORE = 1
OUT_SPI, IN_SPI = 1000, 2000            # Of the first SA.
ROUTES = """\
rt ipv4 dst 10.9.0.0/16 port 0
neigh port 0 02:00:00:00:00:02
neigh port 1 02:00:00:00:01:02
"""


def _sa(way, n, first_spi, src, dst):
    """A policy and an SA for the packets of peer `n'."""
    inner = ".".join(map(str, frames.destination(n)))
    _, key, salt = datapath.session_key(n, 0, str(first_spi))
    octets = ":".join(re.findall("..", key + salt))
    return [f"sp ipv4 {way} esp protect {first_spi + n} pri 1 dst {inner}/32"
            " sport 0:65535 dport 0:65535",
            f"sa {way} {first_spi + n} aead_algo aes-256-gcm aead_key {octets}"
            f" mode ipv4-tunnel src {src} dst {dst} type cpu-crypto telemetry"]


def configuration(sas, ways=("out", "in")):
    """An SA to each peer, one from each, and a route to each.  With the other
    order of ways, the program stands for all peers: what it seals, the gateway
    can open."""
    to_peer, from_peer = ways
    lines = [f"rt ipv4 dst {datapath.LOCAL}/32 port 1"]
    for n in range(sas):
        ends = datapath.LOCAL, datapath.remote(n)
        lines += [*_sa(to_peer, n, OUT_SPI, *ends),
                  *_sa(from_peer, n, IN_SPI, *ends[::-1]),
                  f"rt ipv4 dst {ends[1]}/32 port 1"]
    return "\n".join(lines) + "\n" + ROUTES


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
    """Its packets are of this number of flows, in turn for each of its
    SAs."""

    def __init__(self, run, program, sas=1, flows=1):
        self.run = run
        self.program = program
        self.sas = sas
        self.flows = flows
        self.dir = run.folder(f"secgw{sas}")
        self.netns = run.add_netns(f"secgw{sas}")

    def _start(self, configured, plain, cipher):
        config = self.dir / "secgw.conf"
        config.write_text(configured)
        process = self.run.spawn(
            "stdbuf", "-oL", self.program, "-l", CORE, "--no-huge",
            "--no-pci", "-m", 1024, "--file-prefix", "secgw",
            "--log-level", "lib.eal:debug",
            "--vdev", plain, "--vdev", cipher, "--vdev", "crypto_aesni_gcm0",
            "--", "-p", "0x3", "-P", "-u", "0x2", "-l", "-w", 0,
            "-f", config, "--config=(0,0,1),(1,0,1)",
            folder=self.dir, netns=self.netns, env={
                "RUNTIME_DIRECTORY": str(self.dir)})
        try:
            wait_until(lambda: "entering main loop" in process.output()
                       or not process.alive(), "ipsec-secgw is up")
            wait_until(self._sent, "ipsec-secgw sends")
        except (Failed, OSError) as failure:
            raise Failed(f"ipsec-secgw: {failure}:"
                         f" {process.output()[-600:]}") from None
        return process

    # Its counters.

    def _socket(self):
        return self.dir / "dpdk/secgw/dpdk_telemetry.v2"

    def _ask(self, command):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.settimeout(20)
            sock.connect(str(self._socket()))
            sock.recv(1 << 16)          # Its version.
            sock.sendall(command.encode())
            return next(iter(json.loads(sock.recv(1 << 16)).values()))

    def _sent(self):
        """Packets that it sent, no less than it had received just before."""
        received, sent = (sum(self._ask(f"/ethdev/stats,{port}")[name]
                              for port in (0, 1))
                          for name in ("ipackets", "opackets"))
        if received - sent > datapath.IN_FLIGHT + datapath.MAX_LOSS * sent:
            raise Failed(f"ipsec-secgw received {received} packets, and sent"
                         f" {sent}")
        return sent

    def _check_sas(self, way):
        """Each SA of a way must have had its part of the packets, and the
        others none."""
        first = {"out": OUT_SPI, "in": IN_SPI}[way]
        mine = {f"SA_SPI_{first + n}" for n in range(self.sas)}
        found = self._ask("/ipsec/sa/stats")
        used = {name: sa["count"] for name, sa in found.items()
                if sa["count"] or sa["errors"]}
        if used.keys() - mine or any(sa["errors"] for sa in found.values()):
            raise Failed(f"not only the SAs of `{way}' were used: {found}")
        datapath.check_even(f"SAs of `{way}'", used, self.sas)

    # Measurements.

    def record(self, path, size):
        """Writes what the peers seal to a capture file."""
        process = self._start(configuration(self.sas, ("in", "out")),
                              f"net_pcap0,rx_pcap={self._plain(size)}",
                              f"net_pcap1,tx_pcap={path}")
        wait_until(lambda: len(frames.read_frames(path)) == self.flows,
                   "all packets are sealed")
        process.stop()

    def _plain(self, size):
        path = self.dir / f"plain-{size}.pcap"
        frames.write(path, size, self.flows, self.sas)
        return path

    def measure(self, way, size, windows, seconds):
        """Cycles for one packet, in each window."""
        sealed = self.dir / f"sealed-{size}.pcap"
        if way == "in" and not sealed.exists():
            self.record(sealed, size)
        process = self._start(configuration(self.sas), *{
            "out": (f"net_pcap0,rx_pcap={self._plain(size)},infinite_rx=1",
                    "net_null1,no-rx=1"),
            "in": ("net_null0,no-rx=1",
                   f"net_pcap1,rx_pcap={sealed},infinite_rx=1")}[way])
        hz = re.search(r"TSC frequency is ~(\d+) KHz", process.output())
        if not hz:
            raise Failed(f"ipsec-secgw: {process.output()[-600:]}")
        cycles = []
        time.sleep(datapath.SETTLE_S)
        for _ in range(windows):
            sent, ran = self._sent(), _ran(process.pid)
            time.sleep(seconds)
            sent, ran = self._sent() - sent, _ran(process.pid) - ran
            if not sent:
                raise Failed(f"ipsec-secgw, {way}, {size}: nothing was sent")
            cycles.append(int(hz[1]) * 1000 * ran / sent)
        self._check_sas(way)
        process.stop()
        return cycles


def _ran(pid):
    """Seconds that the first thread of a process has run."""
    with open(f"/proc/{pid}/task/{pid}/schedstat", encoding="ascii") as text:
        return int(text.read().split()[0]) / 1e9


def measure(run, program, sizes, windows, seconds, say):
    """Rows of one flow and one SA."""
    rows = []
    gateway = Gateway(run, program)
    for size in sizes:
        for way in ("out", "in"):
            cycles = gateway.measure(way, size, windows, seconds)
            rows.append({"way": way, "size": size,
                         "cycles": statistics.median(cycles),
                         "min": min(cycles), "max": max(cycles)})
            say(f"ipsec-secgw, {size} B, {way}: {rows[-1]['cycles']:.0f}")
    return rows


def measure_many(run, tree, program, raw, sizes, sas, flows, rounds, windows,
                 seconds, say):
    """Adds to `raw' rows of both programs with as many peers and SAs, as those
    for one; returns the failures."""
    rows = {"datapath": [], "direct": [], "secgw": []}
    raw["many_sas"] = rows
    gateway = Gateway(run, program, sas, flows)
    for number in range(rounds):
        try:
            dp = datapath.Datapath(run, tree, f"many{number}")
            dp.set_peers(sas, both_ways=True)
            for size in sizes:
                found = _datapath(dp, size, sas, flows, number, seconds)
                for name, new in found.items():
                    rows[name] += [{**row, "setup": number} for row in new]
                say(f"round {number + 1}: {size} B, {sas} peers: "
                    + ", ".join(f"{row['way']} {row['how']}"
                                f" {row['cycles']:.0f}"
                                for row in found["datapath"]))
            dp.close()
            for size in sizes:
                for way in ("out", "in"):
                    cycles = statistics.median(
                        gateway.measure(way, size, windows, seconds))
                    rows["secgw"].append({"way": way, "size": size,
                                          "setup": number, "cycles": cycles})
                    say(f"round {number + 1}: ipsec-secgw, {sas} SAs, {size}"
                        f" B, {way}: {cycles:.0f}")
        except Failed as failure:
            return {f"{sas} SAs and peers, round {number + 1}":
                    str(failure)[-500:]}
    return {}


def _datapath(dp, size, peers, flows, number, seconds):
    """Push to all peers, pop from all peers to one address, and what pop costs
    without encryption, if packets come from a file."""
    to_all, from_all = (datapath.Case(size, flows, peers, one_address)
                        for one_address in (False, True))
    dp.set_source(size, flows, peers)
    rows = datapath.measure_states(
        dp, to_all, [(datapath.PUSH, datapath.ENCRYPTED)] * 2, seconds, True)
    rows += datapath.measure_states(dp, from_all, datapath.states(number),
                                    seconds, True)
    return {"datapath": rows, "direct": datapath.measure_direct(
        dp, size, 2, seconds, flows, peers)}
