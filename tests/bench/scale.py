# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""One hypervisor and many peers: the time until all are up, what it costs,
and what a mesh costs at rest.

    [hv1: one tunnel address] --- underlay --- [bench-peers: N addresses]

hv1 is measured.  tests/bench-peers.c plays the peers, behind one gateway, so
one neighbor is enough.  hv1 has one tunnel port whose addresses come from the
flow, so the number of ports plays no part.

A cold start is a hypervisor that boots in the middle of a mesh: all peers
begin a session to it at the same time, and once a second it has a packet for
each peer.  All are up when every peer has a session each way that records have
shown to work.  A cold start is measured twice with new processes: with a
processor for hv1, and with a quarter of one.  For the latter, hv1 is stopped
and continued by signals.  All times of processors are hv1's own."""

import ipaddress
import os
import pathlib
import signal
import subprocess
import threading
import time

from lab import Hypervisor, Underlay
from runspace import Failed, Run, wait_until

LOCAL, GATEWAY, PEERS = "10.77.0.1", "10.77.0.2", "10.77.16.0/20"
FIRST = ipaddress.ip_address("10.77.16.1")
MTU = 1600
KEY = 7
AT_ONCE = 100           # Peers for which one message of OpenFlow sends.
TICK_S = 1.0
LIMIT_S = 120
REST_S = 20             # What a start leaves behind ends in this time.
IDLE_S = 20
SHOWS = 5
PINS = 10               # Peers that are added, one by one, to a mesh at rest.
SLICE_S = 0.02
QUARTER = 0.25
TICKS = os.sysconf("SC_CLK_TCK")
FRAME = "0a7e5c31d9020a7e5c31d90188b5" + "00" * 46


def address(peer):
    return str(FIRST + peer)


class Mesh:
    """A fresh hypervisor, and `n` peers for it."""

    def __init__(self, tree, n):
        self.run = run = Run()
        self.n = n
        underlay = Underlay(run, MTU)
        self.hv = Hypervisor(tree, underlay, 1)
        run.ip(self.hv.netns, f"addr add {LOCAL}/24 dev br-phys",
               f"route add {PEERS} via {GATEWAY}")
        self.hv.add_profile()
        self.peers = self._start_peers(tree, underlay)
        self.port = self._add_tunnel()
        self.empty_kb = self.memory_kb()

    def _start_peers(self, tree, underlay):
        netns = self.run.add_netns("peers")
        underlay.plug("p2", netns, "u")
        self.run.ip(netns, f"addr add {GATEWAY}/24 dev u",
                    f"route add local {PEERS} dev lo")
        peers = self.run.spawn(
            tree.peers_program, self.run.folder("peers"), LOCAL,
            self.hv.fingerprint(), address(0), self.n, netns=netns,
            stdin=subprocess.PIPE)
        wait_until(lambda: "\n" in peers.output() or not peers.alive(),
                   "bench-peers is ready")
        if not peers.alive():
            raise Failed(f"bench-peers: {peers.output()}")
        return peers

    def _add_tunnel(self):
        self.hv.add_tunnel("flow", local_ip="flow", key="flow",
                           encryption="require")
        return self.hv.vsctl("get", "Interface", "gnv0", "ofport")

    def add_rows(self, first, n):
        """Adds rows of peers, in transactions of a hundred at most, and waits
        until hv1 has taken them."""
        fingerprint = self.peers.output().split()[0]
        for start in range(first, first + n, AT_ONCE):
            args = []
            for i in range(start, min(start + AT_ONCE, first + n)):
                args += ["--", "create", "VNetEnc_Peer",
                         f'remote_ip="{address(i)}"',
                         f'fingerprints="{fingerprint}"']
            self.hv.vsctl(*args[1:])

    def send(self):
        """A packet from hv1 to each peer."""
        for start in range(0, self.n, AT_ONCE):
            actions = ",".join(
                f"set_field:{LOCAL}->tun_src,set_field:{address(i)}->tun_dst,"
                f"set_field:{KEY}->tun_id,output:{self.port}"
                for i in range(start, min(start + AT_ONCE, self.n)))
            self.hv.ofctl("packet-out", "br-int",
                          f"in_port=LOCAL,packet={FRAME},actions={actions}",
                          check=False)

    def go(self):
        """Lets the peers begin."""
        self.peers.popen.stdin.write(b"go\n")
        self.peers.popen.stdin.flush()

    def progress(self):
        """The newest line of bench-peers: milliseconds, peers with a session
        to hv1, peers with one from hv1, handshakes, failures."""
        lines = self.peers.output().rpartition("\n")[0].splitlines()[1:]
        return [int(number) for number in lines[-1].split()] if lines \
            else [0] * 5

    def cpu_s(self):
        """Seconds of the processor that hv1's ovs-vswitchd has used."""
        text = self._proc("stat").rpartition(")")[2].split()
        return (int(text[11]) + int(text[12])) / TICKS

    def memory_kb(self):
        return int(self._proc("status").partition("VmRSS:")[2].split()[0])

    def _proc(self, name):
        with open(f"/proc/{self.hv.vswitchd.pid}/{name}",
                  encoding="ascii") as file:
            return file.read()

    def drops(self):
        """The reasons why packets were dropped, with their numbers."""
        return {name: n for name, n in self.hv.show_json()["drops"].items()
                if n}

    def failures(self):
        return sum(peer["statistics"]["failures"]
                   for peer in self.hv.show_json()["peers"])

    def close(self):
        self.run.close()


class Share:
    """Lets a process have a share of one processor only: whenever it has used
    more, it is stopped until it is entitled to the next slice.  What it does
    not use while it is not stopped is lost, apart from one slice."""

    def __init__(self, pid, share):
        self.pid = pid
        self.share = share
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        if share < 1:
            self.thread.start()

    def _used_s(self):
        """Exact seconds of the processor, of all threads."""
        used = 0
        for file in pathlib.Path(f"/proc/{self.pid}/task").glob(
                "*/schedstat"):
            try:
                used += int(file.read_text(encoding="ascii").split()[0])
            except OSError:
                pass                        # The thread has ended.
        return used / 1e9

    def _run(self):
        credit, then, used = 0.0, time.monotonic(), self._used_s()
        while not self.stopping.wait(SLICE_S / 4):
            now, total = time.monotonic(), self._used_s()
            credit = min(SLICE_S, credit + self.share * (now - then)
                         - max(0.0, total - used))
            then, used = now, total
            os.kill(self.pid, signal.SIGSTOP if credit < 0
                    else signal.SIGCONT)
        os.kill(self.pid, signal.SIGCONT)

    def end(self):
        self.stopping.set()
        if self.share < 1:
            self.thread.join()


def _cold_start(mesh, share):
    """Seconds until all sessions are up, and seconds of the processor."""
    throttle = Share(mesh.hv.vswitchd.pid, share)
    start, cpu = time.monotonic(), mesh.cpu_s()
    mesh.go()
    try:
        next_send = start
        while True:
            if time.monotonic() >= next_send:
                mesh.send()
                next_send = time.monotonic() + TICK_S
            progress = mesh.progress()
            if min(progress[1:3]) >= mesh.n:
                break
            if time.monotonic() - start > LIMIT_S:
                raise Failed(f"{progress[1:3]} of {mesh.n} up after {LIMIT_S}"
                             f" s, failed {progress[4]}")
            time.sleep(TICK_S / 10)
        cpu = mesh.cpu_s() - cpu
    finally:
        throttle.end()
    return {"up_s": progress[0] / 1000, "cpu_s": cpu,
            "handshakes": progress[3], "failures": progress[4],
            "own_failures": mesh.failures(), "drops": mesh.drops()}


def _at_rest(mesh):
    """What a mesh costs that has nothing to do."""
    time.sleep(REST_S)
    memory = mesh.memory_kb()
    start, cpu = time.monotonic(), mesh.cpu_s()
    time.sleep(IDLE_S)
    idle = (mesh.cpu_s() - cpu) / (time.monotonic() - start)

    cpu = mesh.cpu_s()
    for _ in range(SHOWS):
        mesh.hv.show()
    show_s = (mesh.cpu_s() - cpu) / SHOWS

    start, cpu = time.monotonic(), mesh.cpu_s()
    for i in range(PINS):
        mesh.add_rows(mesh.n + i, 1)
    pin_s = (mesh.cpu_s() - cpu
             - idle * (time.monotonic() - start)) / PINS
    return {"memory_kb": (memory - mesh.empty_kb) / mesh.n,
            "idle_percent": 100 * idle, "show_s": show_s, "pin_s": pin_s}


def measure(tree, raw, sizes, say):
    """Adds rows to `raw'; returns the failures."""
    rows, failures = raw.setdefault("scale", []), {}
    for n in sizes:
        for share in (1, QUARTER):
            mesh = Mesh(tree, n)
            row = {"peers": n, "share": share}
            try:
                mesh.add_rows(0, n)
                row.update(_cold_start(mesh, share))
                say(f"{n} peers, {share} of a processor: up after"
                    f" {row['up_s']:.1f} s, {row['cpu_s']:.1f} s of it")
                if share == 1:
                    row.update(_at_rest(mesh))
                rows.append(row)
            except Failed as failure:
                failures[f"scale, {n} peers, {share} of a processor"] \
                    = str(failure)[-500:]
            finally:
                mesh.close()
    return failures
