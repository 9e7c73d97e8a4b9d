# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The flow log of a running host: under a scan of ports, and while its
database is away.  tests/vnetenc-flowlog.at has its lines."""

import json
import os
import re
import signal
import socket

from runspace import wait_until

N_PORTS = 50000
CHUNK = 100             # Fits into the buffer of a device.
MAX_FLOWS = 1000
ETH_P_IP = 0x800
PACKET_OUTGOING = 4


class Log:
    """The flow log of a host, for packets that vm1 sends."""

    def __init__(self, hv, mark, **columns):
        self.hv = hv
        self.file = hv.dir / "vnetenc-flows.log"
        hv.vsctl("create", "VNetEnc_Flow_Log", "bridge=br-int",
                 'mark="reg0[]"', "interval=10",
                 *(f"{k}={v}" for k, v in columns.items()))
        hv.ofctl("add-flow", "br-int",
                 f"cookie=0xf,priority=40000,ip,in_port=v-vm1,"
                 f"actions=set_field:{mark}->reg0,NORMAL")
        hv.revalidate()

    def lines(self):
        return ([json.loads(line) for line in
                 self.file.read_text().splitlines()]
                if self.file.exists() else [])

    def told(self):
        """Packets in all lines."""
        lines = self.lines()
        assert not any("lost_lines" in line for line in lines), lines
        return sum(line["packets"] for line in lines)

    def sent(self):
        """Packets that have been marked."""
        text = self.hv.ofctl("dump-flows", "br-int", "cookie=0xf/-1")
        return int(re.search(r"n_packets=(\d+)", text)[1])

    def wait(self, least):
        """Waits until each packet is in a line."""
        wait_until(lambda: self.sent() >= least, "all packets are counted")
        wait_until(lambda: self.told() == self.sent(),
                   "each packet is in one line", timeout=60, interval=0.5)

    def statistics(self):
        text = self.hv.vsctl("get", "VNetEnc_Flow_Log", "br-int",
                             "statistics")
        return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", text)}


def scan(vm1, vm2):
    """Sends a packet to each port, and waits for it."""
    with vm2.socket(socket.AF_PACKET, socket.SOCK_RAW,
                    socket.htons(ETH_P_IP)) as receiver, \
            vm1.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        receiver.bind(("e0", ETH_P_IP))
        for start in range(1, N_PORTS + 1, CHUNK):
            missing = set(range(start, start + CHUNK))

            def arrive():
                for port in missing:
                    sender.sendto(b"scan", (vm2.ip, port))
                receiver.settimeout(0.5)
                try:
                    while missing:
                        frame, source = receiver.recvfrom(2000)
                        if source[2] != PACKET_OUTGOING and frame[23] == 17:
                            missing.discard(
                                int.from_bytes(frame[36:38], "big"))
                except TimeoutError:
                    pass
                return not missing
            wait_until(arrive, f"ports from {start} on are reached", 60)


def memory_kb(hv):
    with open(f"/proc/{hv.vswitchd.pid}/status", encoding="ascii") as file:
        return int(file.read().partition("VmRSS:")[2].split()[0])


def test_scan(lab):
    """Somebody who scans ports makes the log neither grow in memory nor lose
    count: names are lost, sums are not."""
    hv1 = lab.hvs[0]
    vm1, vm2 = lab.vms
    log = Log(hv1, 2, max_flows=MAX_FLOWS)
    before = memory_kb(hv1)
    used = []
    for n in (1, 2, 3):
        scan(vm1, vm2)
        flows = hv1.appctl("dpctl/dump-flows").count("\n")
        assert flows <= MAX_FLOWS + 100, flows
        log.wait(n * N_PORTS)
        used.append(memory_kb(hv1) - before)
    print(f"memory: {used} kB")
    assert log.statistics()["flows"] <= MAX_FLOWS + 100
    codes = {line["encryption"] for line in log.lines()}
    assert "X" in codes and not codes & {"NX", "NX_FALLBACK"}, codes
    # The first scan makes caches of packets and flows.
    assert used[0] < 64 << 10 and used[2] - used[0] < 4 << 10, used


def test_database_away(lab):
    """The log needs no database: while it stands, and when it is dead, packets
    get into lines by the settings that were there."""
    hv1 = lab.hvs[0]
    vm1, vm2 = lab.vms
    log = Log(hv1, 1)

    def told():
        return sum(line["packets"] for line in log.lines()
                   if line["dst"] == vm2.ip and line["encryption"] == "X")

    def wait_for(n):
        wait_until(lambda: told() >= n, f"{n} packets are in the log", 60)

    os.kill(hv1.ovsdb.pid, signal.SIGSTOP)
    try:
        first = vm1.ping(vm2.ip, 5).received
        assert first
        wait_for(first)
    finally:
        os.kill(hv1.ovsdb.pid, signal.SIGCONT)
    before = told()
    second = vm1.ping(vm2.ip, 5).received
    assert second
    hv1.ovsdb.stop()
    wait_for(before + second)
