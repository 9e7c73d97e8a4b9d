# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Tunnels of the kernel datapath, encrypted."""

import re
import socket

import pytest

import capture
import packets
from claims import assert_sealed
from host import (
    MARKER, VNI, assert_traffic, capable, dscp_on_underlay, follow_flows)
from lab import Hypervisor, KernelHost
from runspace import wait_until

IPPROTO_UDP_SEGMENT = 103
ARRIVALS = 63999             # Our port of the datapath for arrivals.


class TestPortOption:
    """The ports require it."""

    @pytest.fixture(name="lab", scope="class")
    def fixture_lab(self, make_hosts):
        lab = make_hosts()
        capable(lab)
        lab.pin()
        lab.connect(encryption="require", tos="inherit")
        for vm in lab.vms:
            lab.run.ip(vm.netns, f"addr add fd00:9::{vm.number:x}/64 dev e0"
                       " nodad")
        lab.vms[0].reaches(lab.vms[1].ip, 15)
        return lab

    def test_traffic(self, lab):
        pcap = lab.underlay.capture()
        assert_traffic(lab)
        path = pcap.stop()
        assert_sealed(path, lab, MARKER)
        assert not [d for d in capture.datagrams(path)
                    if capture.DTLS not in (d.sport, d.dport)]

    def test_inner_ipv6(self, lab):
        vm1, vm2 = lab.vms
        vm1.reaches(f"fd00:9::{vm2.number:x}")
        assert not vm1.ping(f"fd00:9::{vm2.number:x}").lost

    def test_tagged(self, lab):
        for vm in lab.vms:
            lab.run.ip(vm.netns, "link add link e0 name e0.5 type vlan id 5",
                       f"addr add 10.5.0.{vm.number}/24 dev e0.5",
                       "link set dev e0.5 mtu 1380 up")
        vm1, vm2 = lab.vms
        pcap = lab.underlay.capture()
        vm1.reaches("10.5.0.2")
        assert not vm1.ping("10.5.0.2").lost
        assert_sealed(pcap.stop(), lab)

    def test_udp_super_packets(self, lab):
        """A guest sends many equal datagrams at once."""
        vm1, vm2 = lab.vms
        receiver = vm2.receiver()
        sender = vm1.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sent = [(b"%3d " % i + MARKER * 40)[:1200] for i in range(20)]
        sender.setsockopt(socket.IPPROTO_UDP, IPPROTO_UDP_SEGMENT, 1200)
        pcap = lab.underlay.capture()
        sender.sendto(b"".join(sent), (vm2.ip, 7777))
        assert sorted(receiver.recv(2000) for _ in sent) == sent
        assert_sealed(pcap.stop(), lab, MARKER, both_ways=False)

    def test_dscp(self, lab):
        """The underlay sees the DSCP, and the other guest too."""
        tos = dscp_on_underlay(lab)
        assert tos.count(0xb8) >= 3, tos

    def test_counters(self, lab):
        """Revalidation keeps the flows of the datapath, with their counts."""
        hv1, hv2 = lab.hvs
        vm1, vm2 = lab.vms
        vm1.know(vm2)
        vm2.know(vm1)
        for hv in lab.hvs:
            # On a busy machine, flows are idle for long, and revalidation is
            # slow, which would then delete flows of few packets instead.
            hv.vsctl("set", "Open_vSwitch", ".",
                     "other_config:max-idle=600000",
                     "other_config:min-revalidate-pps=0")
        # Flows of former tests become idle meanwhile, and their counts go.
        hv2.clear_flows()
        assert not vm1.ping(vm2.ip).lost
        arrived = (f"in_port({ARRIVALS})", f"dst={vm2.mac}",
                   "eth_type(0x0800)")
        for priority in range(3):
            before = hv2.packets(*arrived)
            for hv in lab.hvs:
                hv.ofctl("add-flow", "br-int",
                         f"table=9,priority={priority},actions=drop")
                hv.revalidate()
            assert not vm1.ping(vm2.ip, 10, 0.01).lost
            assert hv2.packets(*arrived) >= before + 10, hv2.flows()

    def test_trace(self, lab):
        """OpenFlow sees the tunnel port and the flag, not our device."""
        hv1, hv2 = lab.hvs
        assert not lab.vms[0].ping(lab.vms[1].ip).lost
        text = hv2.appctl(
            "ofproto/trace", "br-int",
            f"in_port=gnv1,tun_flags=vnetenc,tun_id=7,tun_src={hv1.ip},"
            f"tun_dst={hv2.ip}")
        assert "arrived encrypted" in text, text

    def test_clear_arrives_nowhere(self, lab):
        """The other host sends in clear."""
        hv1, hv2 = lab.hvs
        vm1, vm2 = lab.vms
        hv2.vsctl("remove", "Interface", "gnv1", "options", "encryption")
        hv2.revalidate()
        try:
            assert vm2.ping(vm1.ip, 5, wait=1).lost == 5
            wait_until(lambda: "actions:drop" in hv1.flows(),
                       f"a flow of {hv1.name} drops")
        finally:
            hv2.vsctl("set", "Interface", "gnv1",
                      "options:encryption=require")
        vm2.reaches(vm1.ip)


class TestAction:
    """The action demands it, and a match wants it."""

    @pytest.fixture(name="lab", scope="class")
    def fixture_lab(self, make_hosts):
        lab = make_hosts()
        lab.pin()
        capable(lab)
        for hv in lab.hvs:
            hv.add_tunnel("flow", "gnv", key="flow")
        follow_flows(lab)
        return lab

    def test_traffic(self, lab):
        pcap = lab.underlay.capture()
        assert_traffic(lab)
        assert_sealed(pcap.stop(), lab, MARKER)

    def test_purge(self, lab):
        """The first packet of a flow is not lost, nor what follows it."""
        vm1, vm2 = lab.vms
        vm1.reaches(vm2.ip)
        for _ in range(3):
            for hv in lab.hvs:
                hv.clear_flows()
            assert not vm1.ping(vm2.ip, 3, 0.05).lost

    def test_packet_out(self, lab):
        """A controller's packet is sealed, too."""
        hv1, vm1, vm2 = lab.hvs[0], *lab.vms
        vm1.reaches(vm2.ip)
        receiver = vm2.receiver()
        frame = packets.udp_frame(vm1.mac, vm1.ip, vm2.mac, vm2.ip, MARKER)
        pcap = lab.underlay.capture()
        hv1.ofctl("packet-out", "br-int",
                  f"in_port=controller, packet={frame.hex()}, actions="
                  f"set_field:{lab.hvs[1].ip}->tun_dst,set_field:7->tun_id,"
                  "vnetenc,output:gnv")
        assert receiver.recv(100) == MARKER
        assert_sealed(pcap.stop(), lab, MARKER, both_ways=False)

    def test_controller_sees_arrivals(self, lab):
        """An arrival takes the way through ovs-vswitchd."""
        hv2, vm1, vm2 = lab.hvs[1], *lab.vms
        hv2.ofctl("add-flow", "br-int", "priority=50000,in_port=gnv,"
                  "tun_flags=+vnetenc,actions=controller(max_len=64),"
                  "output:v-vm2")
        try:
            hv2.revalidate()
            ping = vm1.ping(vm2.ip, 5, 0.1)
            assert not ping.lost, ping.text
        finally:
            hv2.ofctl("--strict", "del-flows", "br-int", "priority=50000,"
                      "in_port=gnv,tun_flags=+vnetenc")

    def test_pause(self, lab):
        """A controller resumes packets that left, and that arrived."""
        flows = (
            f"icmp,in_port=v-vm1,actions=controller(pause),"
            f"set_field:{lab.hvs[1].ip}->tun_dst,set_field:{VNI}->tun_id,"
            "vnetenc,output:gnv",
            "icmp,in_port=gnv,tun_flags=+vnetenc,actions=controller(pause),"
            "resubmit(,6)")
        controllers = []
        for hv, flow in zip(lab.hvs, flows):
            controllers.append(lab.run.spawn(
                hv.tree.program("ovs-ofctl"), "monitor", "br-int", "resume",
                netns=hv.netns, env=hv.env))
            hv.ofctl("add-flow", "br-int", f"priority=50000,{flow}")
        lab.hvs[1].ofctl("add-flow", "br-int",
                         "table=6,tun_flags=+vnetenc,actions=output:v-vm2")
        for hv in lab.hvs:
            # Packets no longer pass without the controllers, which may not be
            # connected yet.
            hv.revalidate()
        try:
            vm1, vm2 = lab.vms
            pcap = lab.underlay.capture()
            vm1.reaches(vm2.ip, 10)
            ping = vm1.ping(vm2.ip, 5, 0.2)
            assert not ping.lost, ping.text
            assert_sealed(pcap.stop(), lab)
            for controller in controllers:
                assert "NXT_PACKET_IN2" in controller.output()
        finally:
            for controller in controllers:
                controller.stop()
            follow_flows(lab)

    def test_match(self, lab):
        """What is sent in clear does not match the flag."""
        vm1, vm2 = lab.vms
        hv2 = lab.hvs[1]

        def n_matched():
            hv2.revalidate()        # Also brings the flows' counts.
            dump = hv2.ofctl("dump-flows", "br-int",
                             "in_port=gnv,tun_flags=+vnetenc")
            return int(re.search(r"n_packets=(\d+)", dump)[1])

        follow_flows(lab, out="")
        # A flow inherits the packets of the last moment, such as those that a
        # guest sent unasked.
        before = n_matched()
        try:
            assert vm1.ping(vm2.ip, 3, 0.1, wait=0.5).lost == 3
            assert n_matched() == before
        finally:
            follow_flows(lab)
        vm1.reaches(vm2.ip)


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_narrow_underlay(make_hosts, ipv6):
    """A packet that does not fit is split, or its guest hears the MTU that
    fits."""
    lab = make_hosts(mtu=1400)
    lab.pin(ipv6)
    lab.connect(ipv6, encryption="require")
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip, 15)
    pcap = lab.underlay.capture()
    wait_until(lambda: re.search("mtu = ?1| 2 received", vm1.cmd(
        "ping", "-c", "2", "-i", "0.2", "-W", "1", "-M", "do", "-s", "1372",
        vm2.ip, check=False)), "the guest's packets, or an answer")
    assert_traffic(lab)
    path = pcap.stop()
    assert max(len(frame) for _, frame in capture.frames(path)) <= 1414
    assert_sealed(path, lab, MARKER)


@pytest.mark.parametrize("userspace", [1, 2])
def test_with_userspace_host(make_lab, userspace):
    """A host with the kernel datapath and one with the userspace datapath."""
    kinds = [KernelHost, KernelHost]
    kinds[userspace - 1] = Hypervisor
    lab = make_lab(kinds=kinds)
    lab.pin()
    lab.connect(encryption="require")
    pcap = lab.underlay.capture()
    assert_traffic(lab, 2000)
    assert_sealed(pcap.stop(), lab, MARKER)


def test_ipv6_underlay(make_hosts):
    lab = make_hosts()
    lab.pin(ipv6=True)
    lab.connect(ipv6=True, encryption="require")
    pcap = lab.underlay.capture()
    assert_traffic(lab)
    sealed = assert_sealed(pcap.stop(), lab, MARKER)
    assert {r.src for r in sealed} == {hv.ip6 for hv in lab.hvs}


def test_local_ip(make_hosts):
    """The tunnel has an address of its own on each host."""
    lab = make_hosts()
    for hv in lab.hvs:
        hv.ip = f"172.31.0.{50 + hv.number}"
        lab.run.ip(hv.netns, f"addr add {hv.ip}/32 dev lo")
    lab.pin()
    for hv, other in zip(lab.hvs, reversed(lab.hvs)):
        lab.run.ip(hv.netns, f"route add {other.ip}/32 dev u")
        lab.run.cmd("sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=0",
                    netns=hv.netns)
        hv.add_tunnel(other.ip, local_ip=hv.ip, encryption="require")
    pcap = lab.underlay.capture()
    assert_traffic(lab)
    sealed = assert_sealed(pcap.stop(), lab, MARKER)
    assert {r.src for r in sealed} == {hv.ip for hv in lab.hvs}


def test_several_bridges(make_hosts):
    """Two bridges with a tunnel each: one requires encryption, the other is
    in clear."""
    lab = make_hosts()
    lab.pin()
    for hv, other in zip(lab.hvs, reversed(lab.hvs)):
        hv.vsctl("add-br", "br-two")
        lab.run.ip(hv.netns, f"addr add 10.8.0.{hv.number}/24 dev br-two",
                   "link set dev br-two mtu 1400 up")
        hv.vsctl("add-port", "br-two", "clear", "--", "set", "Interface",
                 "clear", "type=geneve", f"options:remote_ip={other.ip}",
                 "options:key=8")
    lab.connect(encryption="require")
    pcap = lab.underlay.capture()
    assert_traffic(lab, 1000)
    ping = lab.hvs[0].ping("10.8.0.2", 5, 0.2)
    assert not ping.lost, ping.text
    path = pcap.stop()
    assert not capture.count(path, MARKER)
    assert {int.from_bytes(d.payload[4:7], "big")
            for d in capture.plaintext_tunnel(path)} == {8}


@pytest.mark.conntrack
def test_conntrack(make_hosts):
    """ct() on departure and on arrival."""
    lab = make_hosts()
    lab.pin()
    for hv in lab.hvs:
        hv.add_tunnel("flow", "gnv", key="flow")
    follow_flows(lab)
    for hv, other in zip(lab.hvs, reversed(lab.hvs)):
        port = f"v-vm{hv.number}"
        hv.ofctl("add-flow", "br-int", f"priority=40000,ip,in_port={port},"
                 f"actions=set_field:{other.ip}->tun_dst,set_field:7->tun_id,"
                 "vnetenc,ct(commit,table=5)")
        hv.ofctl("add-flow", "br-int", "table=5,actions=output:gnv")
        hv.ofctl("add-flow", "br-int", "priority=40000,ip,in_port=gnv,"
                 f"tun_id=7,tun_src={other.ip},actions=ct(commit,table=6)")
        hv.ofctl("add-flow", "br-int", "table=6,tun_flags=+vnetenc,"
                 f"ct_state=+trk,actions=output:{port}")
        hv.revalidate()
    pcap = lab.underlay.capture()
    assert_traffic(lab)
    assert_sealed(pcap.stop(), lab, MARKER)
    assert "ct(commit" in lab.hvs[0].flows()


def test_mark_in_kernel(make_hosts):
    """Handshakes, records and packets in clear take the way that the mark of
    the tunnel port chooses: the hosts have no other way to each other."""
    lab = make_hosts()
    hv1, hv2 = lab.hvs
    vm1, vm2 = lab.vms
    lab.only_with_mark(100)
    lab.connect(encryption="prefer")
    assert vm1.ping(vm2.ip, 5, 0.1, wait=0.2).lost == 5
    for hv, other in ((hv1, hv2), (hv2, hv1)):
        hv.vsctl("set", "Interface", f"gnv{other.number}",
                 "options:egress_pkt_mark=100")

    # In clear, for want of a peer.
    pcap = lab.underlay.capture()
    vm1.reaches(vm2.ip, 15)
    assert capture.plaintext_tunnel(pcap.stop())

    for hv, other in ((hv1, hv2), (hv2, hv1)):
        hv.vsctl("set", "Interface", f"gnv{other.number}",
                 "options:encryption=require")
        hv.revalidate()
    lab.pin()
    vm1.reaches(vm2.ip, 15)
    pcap = lab.underlay.capture()
    assert_traffic(lab)
    assert_sealed(pcap.stop(), lab, MARKER)


def test_vrf(make_hosts):
    """The device of the underlay belongs to a VRF, and the tunnel address is
    outside: a rule for the mark leads into the VRF, and local routes out."""
    lab = make_hosts()
    for hv, other in zip(lab.hvs, reversed(lab.hvs)):
        lab.run.cmd("modprobe", "vrf")
        lab.run.ip(hv.netns, "link add vrf0 type vrf table 100",
                   "link set vrf0 up",
                   f"address del {hv.ip}/24 dev {hv.device}",
                   f"link set {hv.device} master vrf0",
                   f"address add {hv.ip}/32 dev lo",
                   f"route add local {hv.ip} dev lo table 100",
                   f"route add {other.ip} dev {hv.device} src {hv.ip} "
                   "table 100",
                   "rule add fwmark 100 lookup 100")
        lab.run.cmd("sysctl", "-qw", "net.ipv4.udp_l3mdev_accept=1",
                    netns=hv.netns)
    lab.connect(encryption="require", egress_pkt_mark=100)
    lab.pin()
    lab.vms[0].reaches(lab.vms[1].ip, 15)
    pcap = lab.underlay.capture()
    assert_traffic(lab)
    assert_sealed(pcap.stop(), lab, MARKER)
