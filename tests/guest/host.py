# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Hosts with the kernel datapath, in the lab of the system tests."""

import contextlib

import capture
from claims import assert_silent
from lab import tcp_transfer
from runspace import wait_until

MARKER = b"nobody on the underlay reads this "
VNI = 7
# Sends forged frames.  With the address of a host, the underlay's bridge would
# send what is for that host to the attacker, until the host speaks again.
STRANGER_MAC = "02:00:00:00:00:99"


def dscp_on_underlay(lab):
    """The TOS octets of the records that the first host sends while its guest
    pings with DSCP 46."""
    vm1, vm2 = lab.vms
    pcap = lab.underlay.capture()
    vm1.cmd("ping", "-c", "3", "-i", "0.1", "-Q", "0xb8", vm2.ip)
    return [frame[15] for _, frame in capture.frames(pcap.stop())
            if (parsed := capture.udp(frame)) and parsed[0] ==
            lab.hvs[0].ip and parsed[4][:1] == b"\x17"]


def add_second_bridges(lab, name, kind, **options):
    """Another bridge on each of two hosts, with the address 10.8.0.N and an
    encrypted tunnel port `name` to the other host."""
    for hv, other in zip(lab.hvs, reversed(lab.hvs)):
        hv.vsctl("add-br", "br-two")
        lab.run.ip(hv.netns, f"addr add 10.8.0.{hv.number}/24 dev br-two",
                   "link set dev br-two mtu 1400 up")
        hv.vsctl("add-port", "br-two", name, "--", "set", "Interface", name,
                 f"type={kind}", f"options:remote_ip={other.ip}",
                 "options:key=8", "options:encryption=require",
                 *(f"options:{k}={v}" for k, v in options.items()))


def capable(lab):
    """Returns when each host says that it can encrypt."""
    for hv in lab.hvs:
        wait_until(lambda: hv.capability() == "true",
                   f"{hv.name} says that it can encrypt")


def sessions_up(hvs):
    """Returns when all peers of these hosts have sessions."""
    def peers():
        return [peer for hv in hvs for peer in hv.show_json()["peers"]]
    wait_until(lambda: peers() and all(peer.get("state") == "up"
                                       for peer in peers()),
               "sessions are up", 15)


def send_by_flows(hv, other, out, source=False):
    """The flow of a host for its guest's packets to the other host, in place
    of an earlier one: actions before the output to the tunnel port.  Without
    `source`, the host's routes choose the address to send from."""
    actions = ",".join(filter(None, [
        source and f"set_field:{hv.ip}->tun_src",
        f"set_field:{other.ip}->tun_dst", f"set_field:{VNI}->tun_id",
        out, "output:gnv"]))
    hv.ofctl("add-flow", "br-int", f"in_port=v-vm{hv.number},"
             f"actions={actions}")


def follow_flows(lab, out="vnetenc", match="tun_flags=+vnetenc",
                 source=False):
    """Flow tables of two hosts with a tunnel port "gnv" whose flows say where
    to, and with `source` where from: actions before the output to it, and a
    match of what arrives."""
    for hv, other in zip(lab.hvs, reversed(lab.hvs)):
        fields = ",".join(filter(None, [
            "in_port=gnv", f"tun_id={VNI}", f"tun_src={other.ip}", match]))
        hv.ofctl("del-flows", "br-int")
        send_by_flows(hv, other, out, source)
        hv.ofctl("add-flow", "br-int",
                 f"{fields},actions=output:v-vm{hv.number}")
        hv.revalidate()


def assert_traffic(lab, size=5000):
    """Ping and TCP pass both ways, without a loss."""
    vm1, vm2 = lab.vms[:2]
    data = MARKER * size
    for src, dst in ((vm1, vm2), (vm2, vm1)):
        src.reaches(dst.ip, 15)
        ping = src.ping(dst.ip, 10, 0.02)
        assert not ping.lost, ping.text
        assert tcp_transfer(src, dst, data, timeout=30) == data


@contextlib.contextmanager
def under_traffic(lab, assert_end=assert_silent):
    """Both guests send all the time, and the underlay is watched."""
    vm1, vm2 = lab.vms
    pcap = lab.underlay.capture()
    running = [src.ping_start(dst.ip, 100000, 0.02)
               for src, dst in ((vm1, vm2), (vm2, vm1))]
    try:
        yield pcap
        # The guests' packets of another while.
        vm1.ping(vm2.ip, 20, 0.05, wait=1)
    finally:
        for ping in running:
            ping.stop()
    assert_end(pcap.stop(), lab, MARKER)
