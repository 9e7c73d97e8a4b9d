# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""VXLAN tunnels of the kernel datapath, encrypted."""

import re
import socket
import struct

import pytest

import capture
import packets
from claims import assert_sealed, assert_silent
from host import (
    MARKER, STRANGER_MAC, VNI, add_second_bridges, assert_traffic, capable,
    dscp_on_underlay, follow_flows, sessions_up)
from lab import Hypervisor, KernelHost
from runspace import wait_until

PORT = capture.DTLS_VXLAN
VX_IN, VX_OUT = "vnetenc_63998", "vnetenc_64513"  # Profile 0, require.


def vxlan(vni, frame, group=None):
    """The payload of a VXLAN datagram, with a group policy if that is
    given."""
    flags = 0x08000000 if group is None else 0x88000000 | group
    return struct.pack("!II", flags, vni << 8) + frame


class TestPortOption:
    """The ports require it."""

    @pytest.fixture(name="lab", scope="class")
    def fixture_lab(self, make_hosts):
        lab = make_hosts(n_strangers=1)
        lab.pin()
        lab.connect(kind="vxlan", encryption="require", tos="inherit")
        capable(lab)
        lab.vms[0].reaches(lab.vms[1].ip, 15)
        return lab

    def test_traffic(self, lab):
        pcap = lab.underlay.capture()
        assert_traffic(lab)
        path = pcap.stop()
        assert_sealed(path, lab, MARKER, port=PORT)
        assert {d.dport for d in capture.datagrams(path)} <= {PORT} | {
            d.sport for d in capture.datagrams(path) if d.dport == PORT}
        assert {VX_IN, VX_OUT} <= set(lab.hvs[0].devices())

    def test_dscp(self, lab):
        tos = dscp_on_underlay(lab)
        assert tos.count(0xb8) >= 3, tos

    def test_clear_beside(self, lab):
        """One packet leaves in clear, encrypted, and in clear: no output
        takes the UDP port of another."""
        hv1, hv2 = lab.hvs
        vm1, vm2 = lab.vms
        for hv, vm, other in ((hv1, vm1, hv2), (hv2, vm2, hv1)):
            # Two tunnels between two bridges would be a loop.
            hv.ofctl("del-flows", "br-int")
            hv.add_tunnel(other.ip, "clear", kind="vxlan", key="9")
            for port in ("clear", f"gnv{other.number}"):
                hv.ofctl("add-flow", "br-int",
                         f"in_port={port},actions={vm.port}")
            hv.ofctl("add-flow", "br-int", f"in_port={vm.port},actions="
                     f"gnv{other.number}")
        hv1.ofctl("add-flow", "br-int", f"priority=50000,udp,in_port="
                  f"{vm1.port},actions=clear,gnv2,clear")
        for hv in lab.hvs:
            hv.revalidate()
        receiver = vm2.receiver()
        sender = vm1.socket(socket.AF_INET, socket.SOCK_DGRAM)
        pcap = lab.underlay.capture()
        for _ in range(5):
            sender.sendto(MARKER, (vm2.ip, 7777))
            assert [receiver.recv(100) for _ in range(3)] == [MARKER] * 3
        for hv in lab.hvs:
            hv.vsctl("del-port", "clear")
            hv.ofctl("del-flows", "br-int")
            hv.ofctl("add-flow", "br-int", "actions=normal")
        path = pcap.stop()
        plain = capture.plaintext_tunnel(path)
        assert len(plain) == 10 == capture.count(path, MARKER)
        assert {int.from_bytes(d.payload[4:7], "big") for d in plain} == {9}
        assert len(capture.data_records(path, port=PORT)) >= 5

    def test_forged(self, lab):
        """What arrives in clear is dropped, on whatever port."""
        hv1, hv2 = lab.hvs
        vm1, vm2 = lab.vms
        receiver = vm1.receiver(7001)
        receiver.settimeout(0.5)
        sock = lab.strangers[0].packet_socket("u")
        inner = packets.udp_frame(vm2.mac, vm2.ip, vm1.mac, vm1.ip, MARKER,
                                  7001)
        for port in (capture.VXLAN, PORT, 63998, 63999, 64512, 64513):
            for _ in range(3):
                sock.send(packets.ethernet(
                    hv1.phys_mac(), STRANGER_MAC, 0x0800, packets.udp4(
                        hv2.ip, hv1.ip, 12345, port, vxlan(VNI, inner))))
        with pytest.raises(TimeoutError):
            receiver.recv(100)
        assert_traffic(lab, 100)

    def test_killed(self, lab):
        """ovs-vswitchd dies; the kernel's flows send nothing in clear."""
        hv1 = lab.hvs[0]
        vm1, vm2 = lab.vms
        pcap = lab.underlay.capture()
        ping = vm1.ping_start(vm2.ip, 100000, 0.02)
        hv1.kill_vswitchd()
        vm1.ping(vm2.ip, 10, 0.05, wait=1)
        hv1.restart_vswitchd()
        vm1.reaches(vm2.ip, 20)
        ping.stop()
        assert_silent(pcap.stop(), lab)

    def test_too_long(self, lab):
        """A record holds one packet of VXLAN: its guest hears the MTU, and the
        packet is counted."""
        vm1, vm2 = lab.vms
        before = lab.hvs[0].show_json()["drops"]["tx_mtu"]
        try:
            for hv, vm in zip(lab.hvs, lab.vms):
                lab.run.ip(hv.netns, f"link set dev {vm.port} mtu 1600")
                lab.run.ip(vm.netns, "link set dev e0 mtu 1600")

            def told():
                vm1.cmd("ping", "-c", "1", "-W", "1", "-M", "do", "-s", "1572",
                        vm2.ip, check=False)
                return re.search(r"mtu (\d+)", vm1.cmd("ip", "route", "get",
                                                       vm2.ip))

            # Record 37, IP and UDP 28, VXLAN 8, Ethernet 14.
            assert int(wait_until(told, "the guest knows the MTU", 20)[1]) \
                == 1600 - 37 - 28 - 8 - 14
            wait_until(lambda: lab.hvs[0].show_json()["drops"]["tx_mtu"]
                       > before, "the packet is counted")
            wait_until(lambda: "1 received" in vm1.cmd(
                "ping", "-c", "1", "-W", "1", "-M", "do", "-s",
                str(1600 - 37 - 28 - 8 - 14 - 28), vm2.ip, check=False),
                "what fits passes")
        finally:
            for hv, vm in zip(lab.hvs, lab.vms):
                lab.run.ip(hv.netns, f"link set dev {vm.port} mtu 1400")
                lab.run.ip(vm.netns, "link set dev e0 mtu 1400")


def test_action(make_hosts):
    """The action demands it, and a match wants it."""
    lab = make_hosts()
    lab.pin()
    capable(lab)
    for hv in lab.hvs:
        hv.add_tunnel("flow", "gnv", kind="vxlan", key="flow")
    follow_flows(lab)
    pcap = lab.underlay.capture()
    assert_traffic(lab)
    receiver = lab.vms[1].receiver()
    hv1, vm1, vm2 = lab.hvs[0], *lab.vms
    frame = packets.udp_frame(vm1.mac, vm1.ip, vm2.mac, vm2.ip, MARKER)
    hv1.ofctl("packet-out", "br-int",
              f"in_port=controller, packet={frame.hex()}, actions="
              f"set_field:{lab.hvs[1].ip}->tun_dst,set_field:7->tun_id,"
              "vnetenc,output:gnv")
    assert receiver.recv(100) == MARKER
    assert_sealed(pcap.stop(), lab, MARKER, port=PORT)


def test_group_policy(make_hosts):
    """A port with group policies carries nothing.  Without a policy, the
    kernel would send what is in its memory as one."""
    lab = make_hosts()
    lab.pin()
    capable(lab)
    lab.connect(kind="vxlan", encryption="require", exts="gbp")
    pcap = lab.underlay.capture()
    assert lab.vms[0].ping(lab.vms[1].ip, 5, 0.05, wait=0.5).lost == 5
    lab.hvs[0].expect("vnetenc_tx_datapath", 5)
    path = pcap.stop()
    assert_silent(path, lab)
    assert not capture.data_records(path, port=PORT)
    assert "cannot encrypt VXLAN with exts=gbp" in lab.hvs[0].appctl(
        "ofproto/trace", "br-int", f"in_port={lab.vms[0].port}")


def test_both_types(make_hosts):
    """Geneve and VXLAN between two hosts, both encrypted."""
    lab = make_hosts()
    lab.pin()
    lab.connect(encryption="require")
    add_second_bridges(lab, "vx", "vxlan")
    pcap = lab.underlay.capture()
    assert_traffic(lab, 1000)
    hv1 = lab.hvs[0]
    wait_until(lambda: "5 received" in lab.run.cmd(
        "ping", "-c", "5", "-i", "0.2", "-W", "1", "10.8.0.2",
        netns=hv1.netns, check=False), "the other bridges reach each other")
    path = pcap.stop()
    assert_sealed(path, lab, MARKER)
    assert_sealed(path, lab, MARKER, port=PORT)


@pytest.mark.parametrize("userspace", [1, 2])
def test_with_userspace_host(make_lab, userspace):
    """A host with the kernel datapath and one with the userspace datapath."""
    kinds = [KernelHost, KernelHost]
    kinds[userspace - 1] = Hypervisor
    lab = make_lab(kinds=kinds)
    lab.pin()
    lab.connect(kind="vxlan", encryption="require")
    pcap = lab.underlay.capture()
    assert_traffic(lab, 2000)
    assert_sealed(pcap.stop(), lab, MARKER, port=PORT)


def test_ipv6_underlay(make_hosts):
    lab = make_hosts()
    lab.pin(ipv6=True)
    lab.connect(ipv6=True, kind="vxlan", encryption="require")
    pcap = lab.underlay.capture()
    assert_traffic(lab)
    sealed = assert_sealed(pcap.stop(), lab, MARKER, port=PORT)
    assert {r.src for r in sealed} == {hv.ip6 for hv in lab.hvs}


def test_prefer(make_hosts):
    """In clear to a peer without a row, on VXLAN's own port."""
    lab = make_hosts()
    lab.connect(kind="vxlan", encryption="prefer")
    vm1, vm2 = lab.vms
    pcap = lab.underlay.capture()
    vm1.reaches(vm2.ip, 15)
    assert_traffic(lab, 100)
    plain = capture.plaintext_tunnel(pcap.stop())
    assert {d.dport for d in plain} == {capture.VXLAN}
    for hv in lab.hvs:
        hv.expect("vnetenc_clear_no_peer", 10)
    lab.pin()
    sessions_up(lab.hvs)
    pcap = lab.underlay.capture()
    assert_traffic(lab, 100)
    assert_sealed(pcap.stop(), lab, MARKER, port=PORT)
