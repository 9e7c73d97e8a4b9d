# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Tunnel traffic of any kind between two hypervisors is sealed."""

import re
import socket
import time

import pytest

import capture
import packets
from claims import assert_sealed, assert_silent
from lab import TOP, delivers, tcp_transfer
from runspace import wait_until

MARKER = b"nobody on the underlay reads this "
PACKET_AUXDATA = 8
SOL_PACKET = 263


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_port_option(make_lab, ipv6):
    lab = make_lab()
    lab.pin(ipv6)
    lab.connect(ipv6, encryption="require")
    vm1, vm2 = lab.vms
    pcap = lab.underlay.capture()
    vm1.reaches(vm2.ip)
    assert not vm1.ping(vm2.ip, 20, 0.01).lost
    assert tcp_transfer(vm1, vm2, MARKER * 5000) == MARKER * 5000
    sealed = assert_sealed(pcap.stop(), lab, MARKER)
    assert len(sealed) > 100
    ends = {hv.ip6 if ipv6 else hv.ip for hv in lab.hvs}
    assert {r.src for r in sealed} == ends


def filter_underlay(hv):
    """The flows that OPERATING.md gives, and none but those for ARP beside
    them."""
    text = (TOP / "Documentation/OPERATING.md").read_text()
    flows = re.findall("^ *'(priority=100,udp,.*)'$", text, re.M)
    assert len(flows) == 4
    for flow in ("priority=1,actions=drop", "priority=2,arp,actions=NORMAL",
                 *flows):
        hv.ofctl("add-flow", "br-phys", re.sub(r"\beth1\b", "u", flow))


@pytest.mark.parametrize("underlay", ["plain", "ct", "filter"])
def test_first_packets_wait(make_lab, underlay):
    """Packets that are sent before there is a session arrive in their order
    when there is one, also if the underlay's bridge tracks connections and
    recirculates, or filters.  On a busy machine the session may come too late,
    or another packet of the guest may have made it before: each profile is
    another try."""
    lab = make_lab()
    if underlay == "ct":
        for hv in lab.hvs:
            hv.ofctl("add-flow", "br-phys",
                     "priority=10,udp,tp_dst=6082,in_port=LOCAL,"
                     "actions=ct(commit,table=1)")
            hv.ofctl("add-flow", "br-phys", "table=1,actions=NORMAL")
    lab.pin()
    lab.connect()
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    if underlay == "filter":
        for hv in lab.hvs:
            filter_underlay(hv)
    sender, receiver = vm1.socket(socket.AF_INET, socket.SOCK_DGRAM), \
        vm2.receiver()
    pcap = lab.underlay.capture()
    for profile in (1, 2, 3, 4):
        for hv, tunnel in zip(lab.hvs, ("gnv2", "gnv1")):
            hv.add_profile(profile)
            hv.vsctl("set", "Interface", tunnel, "options:encryption=require",
                     f"options:encryption_profile={profile}")
            hv.revalidate()
        sent = [b"%d %d " % (profile, i) + MARKER for i in range(50)]
        for data in sent:
            sender.sendto(data, (vm2.ip, 7777))
        got = []
        try:
            while sent[-1] not in got:
                got.append(receiver.recv(100))
        except TimeoutError:
            pass
        time.sleep(1.2)                 # Threads report their counts.
        if got == sent and lab.hvs[0].coverage("vnetenc_tx_held") >= 10:
            break
    assert got == sent
    assert lab.hvs[0].coverage("vnetenc_tx_held") >= 10
    assert not capture.count(pcap.stop(), MARKER)

    # The thread that had them recirculated does not keep the daemon from
    # ending.
    lab.hvs[0].appctl("exit")
    wait_until(lambda: not lab.hvs[0].vswitchd.alive(), "the daemon ends", 5)
    lab.hvs[0].restart_vswitchd()


def test_ipv6_has_udp_checksum(make_lab):
    """IPv6 underlay: the outer UDP checksum exists and is correct."""
    lab = make_lab()
    lab.pin(ipv6=True)
    lab.connect(ipv6=True, encryption="require")
    pcap = lab.underlay.capture()
    lab.vms[0].reaches(lab.vms[1].ip)
    checked = 0
    for _, frame in capture.frames(pcap.stop()):
        parsed = capture.udp(frame)
        if parsed and parsed[3] == capture.DTLS:
            size = len(frame) - 54
            pseudo = frame[22:54] + size.to_bytes(4, "big") + b"\0\0\0\x11"
            assert frame[60:62] != b"\0\0"
            assert packets.checksum(pseudo + frame[54:]) == 0
            checked += 1
    assert checked


def test_without_peer_nothing_leaves(make_lab):
    lab = make_lab()
    lab.connect(encryption="require")
    vm1, vm2 = lab.vms
    pcap = lab.underlay.capture()
    assert vm1.ping(vm2.ip, 5, 0.1, wait=0.2).lost == 5
    lab.hvs[0].expect("vnetenc_tx_no_peer", 3)
    path = pcap.stop()
    assert_silent(path, lab)
    assert not [d for d in capture.datagrams(path)
                if d.dport in (capture.GENEVE, capture.DTLS)]


def test_mark(make_lab):
    """Handshakes take the way that the mark of the tunnel port chooses: the
    hosts have no other way to each other."""
    lab = make_lab()
    lab.pin()
    lab.only_with_mark(100)
    lab.connect(encryption="require")
    vm1, vm2 = lab.vms
    assert vm1.ping(vm2.ip, 5, 0.1, wait=0.2).lost == 5
    hv1, hv2 = lab.hvs
    for hv, other in ((hv1, hv2), (hv2, hv1)):
        hv.appctl("ovs/route/add", f"{other.ip}/32", hv.device,
                  f"src={hv.ip}", "pkt_mark=100")
        hv.vsctl("set", "Interface", f"gnv{other.number}",
                 "options:egress_pkt_mark=100")
    pcap = lab.underlay.capture()
    vm1.reaches(vm2.ip)
    assert not vm1.ping(vm2.ip, 20, 0.01).lost
    assert_sealed(pcap.stop(), lab, packets.mac(vm1.mac))


def test_one_side_only(make_lab):
    """`require` on one side: it drops the other's plaintext on arrival, and
    the other opens its sealed packets."""
    lab = make_lab()
    lab.pin()
    hv1, hv2 = lab.hvs
    vm1, vm2 = lab.vms
    hv1.add_tunnel(hv2.ip, encryption="require")
    hv2.add_tunnel(hv1.ip)
    receiver = vm2.receiver()
    sender = vm1.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.settimeout(0.1)
    wait_until(lambda: delivers(sender, receiver, vm2, MARKER),
               "sealed packets arrive")
    assert vm2.ping(vm1.ip, 5, 0.05, wait=0.2).lost == 5
    hv2.vsctl("set", "Interface", "gnv0", "options:encryption=require")
    vm2.reaches(vm1.ip)


def test_forged_plaintext_is_dropped(make_lab):
    """A plaintext Geneve packet that claims to come from the peer does not
    get to the VM; sealed ones do."""
    lab = make_lab()
    lab.pin()
    lab.connect(encryption="require")
    vm1, vm2 = lab.vms
    hv1, hv2 = lab.hvs
    vm1.reaches(vm2.ip)
    receiver = vm1.receiver()
    frame = packets.udp_frame(vm2.mac, vm2.ip, vm1.mac, vm1.ip, b"forged")
    outer = packets.ethernet(
        hv1.phys_mac(), hv2.phys_mac(), 0x0800,
        packets.udp4(hv2.ip, hv1.ip, 50000, capture.GENEVE,
                     packets.geneve(7, frame)))
    sock = hv2.uplink_socket()
    for _ in range(5):
        sock.send(outer)
    receiver.settimeout(0.5)
    with pytest.raises(TimeoutError):
        receiver.recv(100)
    hv1.vsctl("remove", "Interface", "gnv2", "options", "encryption")
    hv1.revalidate()
    sock.send(outer)
    receiver.settimeout(2)
    assert receiver.recv(100) == b"forged"


def test_vlan_tagged_inner_frames(make_lab):
    lab = make_lab()
    lab.pin()
    lab.connect(encryption="require")
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    sender = vm1.packet_socket("e0")
    receiver = vm2.packet_socket("e0")
    receiver.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    receiver.settimeout(2)
    pcap = lab.underlay.capture()
    sender.send(packets.udp_frame(vm1.mac, vm1.ip, vm2.mac, vm2.ip, MARKER,
                                  vlan=42))

    def tagged():
        data, extra, _, _ = receiver.recvmsg(2048, 64)
        return (MARKER in data and extra
                and int.from_bytes(extra[0][2][16:18], "little") == 42)

    wait_until(tagged, "the frame arrives with its tag", 2)
    assert_sealed(pcap.stop(), lab, MARKER, both_ways=False)


def test_every_small_size(make_lab):
    """UDP datagrams of every size, and sizes around the MTU."""
    lab = make_lab()
    lab.pin()
    lab.connect(encryption="require")
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    receiver = vm2.receiver()
    sender = vm1.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for size in [*range(1, 80), *range(1366, 1373), 3000]:
        data = bytes(i & 255 for i in range(size))
        sender.sendto(data, (vm2.ip, 7777))
        assert receiver.recv(4000) == data


@pytest.mark.parametrize("other_config", [(), ("userspace-tso-enable=true",)],
                         ids=["plain", "tso"])
def test_bulk(make_lab, other_config):
    """Megabytes, with and without segmentation offload in the VMs."""
    lab = make_lab(other_config=other_config)
    if other_config:
        for vm in lab.vms:
            vm.cmd("ethtool", "-K", "e0", "tx", "on", "tso", "on")
    lab.pin()
    lab.connect(encryption="require")
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    pcap = lab.underlay.capture()
    data = MARKER * 200000
    assert tcp_transfer(vm1, vm2, data, timeout=20) == data
    assert tcp_transfer(vm2, vm1, data, timeout=20) == data
    assert_sealed(pcap.stop(quiet=False), lab, MARKER)


def test_openflow_action_and_match(make_lab):
    """vnetenc() before an output to a port without a demand, and a match on
    packets that arrived sealed."""
    lab = make_lab()
    lab.pin()
    lab.connect()
    vm1, vm2 = lab.vms
    for hv, vm, tunnel in zip(lab.hvs, lab.vms, ("gnv2", "gnv1")):
        hv.ofctl("del-flows", "br-int")
        hv.ofctl("add-flow", "br-int", f"in_port={vm.port},"
                 f"actions=vnetenc(mode=require),output:{tunnel}")
        hv.ofctl("add-flow", "br-int", f"in_port={tunnel},"
                 f"tun_flags=+vnetenc,actions=output:{vm.port}")
        hv.revalidate()
    pcap = lab.underlay.capture()
    vm1.reaches(vm2.ip)
    assert not vm1.ping(vm2.ip, 10, 0.02).lost
    assert_sealed(pcap.stop(), lab)
    lab.hvs[0].ofctl("add-flow", "br-int",
                     f"in_port={vm1.port},actions=output:gnv2")
    lab.hvs[0].revalidate()
    assert vm1.ping(vm2.ip, 3, 0.1, wait=0.3).lost == 3


def test_broadcast_to_two_peers(make_lab):
    """A flooded frame is sealed for each peer separately."""
    lab = make_lab(n_hypervisors=3)
    lab.pin()
    for hv in lab.hvs:
        for other in lab.hvs:
            if other is not hv:
                hv.add_tunnel(other.ip, f"gnv{other.number}",
                              encryption="require")
        # Full mesh: packets from a tunnel go to the VM only.
        hv.ofctl("del-flows", "br-int")
        tunnels = [f"gnv{o.number}" for o in lab.hvs if o is not hv]
        hv.ofctl("add-flow", "br-int", f"in_port={lab.vms[hv.number - 1].port}"
                 f",actions={','.join(tunnels)}")
        for tunnel in tunnels:
            hv.ofctl("add-flow", "br-int", f"in_port={tunnel},actions="
                     f"{lab.vms[hv.number - 1].port}")
    vm1, vm2, vm3 = lab.vms
    pcap = lab.underlay.capture()
    vm1.reaches(vm2.ip)
    vm1.reaches(vm3.ip)
    receivers = [vm.receiver() for vm in (vm2, vm3)]
    vm1.packet_socket("e0").send(packets.udp_frame(
        vm1.mac, vm1.ip, "ff:ff:ff:ff:ff:ff", "255.255.255.255", MARKER))
    assert [r.recv(100) for r in receivers] == [MARKER, MARKER]
    assert_sealed(pcap.stop(), lab, MARKER)
