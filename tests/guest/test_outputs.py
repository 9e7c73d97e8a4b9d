# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Ways out of a bridge of the kernel datapath, and what is kept of a packet's
headers."""

import socket
import struct

import pytest

import capture
import packets
from claims import assert_sealed
from host import MARKER, assert_traffic, capable, follow_flows
from lab import delivers, no_offload
from relay import Faults
from runspace import wait_until

ECT, CE = 2, 3


def mark_congestion(frame):
    """The network is congested: it marks the datagram instead of dropping
    it."""
    parsed = capture.udp(frame)
    if not parsed or capture.DTLS not in (parsed[1], parsed[3]):
        return frame
    ip = bytearray(frame[14:34])
    if ip[1] & 3:
        ip[1] |= CE
        ip[10:12] = bytes(2)
        ip[10:12] = struct.pack("!H", packets.checksum(bytes(ip)))
    return frame[:14] + bytes(ip) + frame[34:]


def test_ecn(make_hosts):
    """Congestion that the underlay has marked is marked for the guest."""
    lab = make_hosts()
    # The relay reads packets with finished checksums.
    for hv in lab.hvs:
        no_offload(lab.run, hv.netns, "u")
    relay = lab.underlay.relay(lab.hvs[1])
    lab.pin()
    lab.connect(encryption="require", tos="inherit")
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip, 15)
    sniffer = vm2.packet_socket("e0")
    sniffer.settimeout(2)

    def arrives_with(mark):
        """Sends packets of a guest that understands marks."""
        vm1.cmd("ping", "-c", "1", "-W", "1", "-Q", str(ECT), vm2.ip,
                check=False)
        while True:
            try:
                frame = sniffer.recv(2000)
            except TimeoutError:
                return False
            if frame[:6] == packets.mac(vm2.mac) and frame[23:24] == b"\1" \
                    and frame[34:35] == b"\10":
                return frame[15] & 3 == mark

    wait_until(lambda: arrives_with(ECT), "the guest sees no congestion")
    pcap = lab.underlay.capture()
    relay.out.faults = relay.back.faults = Faults(change=mark_congestion)
    wait_until(lambda: arrives_with(CE), "the guest sees the congestion")
    assert_sealed(pcap.stop(), lab)


def test_flow_based(make_hosts):
    """Flows say where to and where from; each pair of addresses has its
    session."""
    lab = make_hosts()
    lab.pin()
    for hv in lab.hvs:
        hv.main, hv.ip = hv.ip, f"172.31.0.{60 + hv.number}"
        lab.run.ip(hv.netns, f"addr add {hv.ip}/24 dev u")
    lab.exchange_pins()
    capable(lab)
    hv1, hv2 = lab.hvs
    vm1, vm2 = lab.vms
    for hv in lab.hvs:
        hv.add_tunnel("flow", "gnv", key="flow", local_ip="flow")
    # With the source from the start: a guest may speak, unasked, before the
    # next flow is there, and its packet makes a session of a third pair.
    follow_flows(lab, source=True)
    for hv, other in zip(lab.hvs, reversed(lab.hvs)):
        hv.ofctl("add-flow", "br-int", f"priority=50000,udp,in_port=v-vm"
                 f"{hv.number},actions=set_field:{hv.main}->tun_src,"
                 f"set_field:{other.main}->tun_dst,set_field:7->tun_id,"
                 "vnetenc,output:gnv")
        hv.ofctl("add-flow", "br-int", "priority=50000,udp,in_port=gnv,"
                 f"tun_src={other.main},tun_dst={hv.main},"
                 f"tun_flags=+vnetenc,actions=output:v-vm{hv.number}")
        hv.revalidate()
    receiver = vm2.receiver()
    sender = vm1.socket(socket.AF_INET, socket.SOCK_DGRAM)
    pcap = lab.underlay.capture()
    assert_traffic(lab, 500)

    wait_until(lambda: delivers(sender, receiver, vm2, MARKER),
               "the datagram arrives", 15)
    sealed = assert_sealed(pcap.stop(), lab, MARKER)
    ways = {(r.src, r.dst) for r in sealed}
    assert {(hv1.ip, hv2.ip), (hv2.ip, hv1.ip), (hv1.main, hv2.main)} <= ways
    assert not {(hv1.ip, hv2.main), (hv1.main, hv2.ip)} & ways


class TestMesh:
    """Three hosts, with a tunnel to each other one."""

    @pytest.fixture(name="lab", scope="class")
    def fixture_lab(self, make_hosts):
        lab = make_hosts(3)
        lab.pin()
        lab.connect(encryption="require")
        for hv, vm in zip(lab.hvs, lab.vms):
            # Packets from a tunnel go to the guest only.
            tunnels = [f"gnv{o.number}" for o in lab.hvs if o is not hv]
            hv.ofctl("del-flows", "br-int")
            hv.ofctl("add-flow", "br-int", f"in_port={vm.port},actions="
                     f"{','.join(tunnels)}")
            for tunnel in tunnels:
                hv.ofctl("add-flow", "br-int",
                         f"in_port={tunnel},actions={vm.port}")
        for other in lab.vms[1:]:
            lab.vms[0].reaches(other.ip, 15)
        return lab

    def test_broadcast(self, lab):
        """A flooded frame is sealed for each peer by itself."""
        vm1, vm2, vm3 = lab.vms
        receivers = [vm.receiver() for vm in (vm2, vm3)]
        pcap = lab.underlay.capture()
        vm1.packet_socket("e0").send(packets.udp_frame(
            vm1.mac, vm1.ip, "ff:ff:ff:ff:ff:ff", "255.255.255.255", MARKER))
        assert [r.recv(100) for r in receivers] == [MARKER, MARKER]
        sealed = assert_sealed(pcap.stop(), lab, MARKER)
        assert {hv.ip for hv in lab.hvs[1:]} <= {r.dst for r in sealed}

    def test_mirror(self, lab):
        """A mirror to a tunnel port sends its copies sealed."""
        hv1, hv2, _ = lab.hvs
        vm1, vm2, _ = lab.vms
        for hv, other in ((hv1, hv2), (hv2, hv1)):
            hv.add_tunnel(other.ip, "copies", key="9", encryption="require")
        hv2.ofctl("add-flow", "br-int",
                  f"priority=40000,in_port=copies,actions={vm2.port}")
        hv1.ofctl("add-flow", "br-int",
                  f"priority=40000,udp,in_port={vm1.port},actions=drop")
        hv1.vsctl("--", "--id=@p", "get", "Port", vm1.port, "--", "--id=@o",
                  "get", "Port", "copies", "--", "--id=@m", "create",
                  "Mirror", "name=m", "select_src_port=@p", "output_port=@o",
                  "--", "set", "Bridge", "br-int", "mirrors=@m")
        hv1.revalidate()
        receiver = vm2.receiver()
        sender = vm1.socket(socket.AF_INET, socket.SOCK_DGRAM)
        pcap = lab.underlay.capture()
        sender.sendto(MARKER, (vm2.ip, 7777))
        assert receiver.recv(100) == MARKER
        assert_sealed(pcap.stop(), lab, MARKER, both_ways=False)
        hv1.vsctl("clear", "Bridge", "br-int", "mirrors")
        wait_until(lambda: "set(tunnel(tun_id=0x9," not in hv1.flows(),
                   "no flow sends copies")
        receiver.settimeout(0.5)
        sender.sendto(MARKER, (vm2.ip, 7777))
        with pytest.raises(TimeoutError):
            receiver.recv(100)

    def test_own_messages(self, lab):
        """The kernel itself sends nothing through the private namespace."""
        for hv in lab.hvs:
            assert not hv.coverage("vnetenc_tx_kernel_bad")
            assert not hv.coverage("vnetenc_tx_kernel_port")
