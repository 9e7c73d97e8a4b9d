# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The rows of the table in Documentation/OPERATING.md, "What is encrypted",
with real traffic: those with a gateway, a provider network, a VTEP or BFD.
"""

import itertools
import re
import socket
import struct
import time

import pytest

import capture
import packets
from cloud import PROVIDER
from lab import Stranger, delivers
from runspace import PATIENCE, wait_until

MARKER = b"of a gateway's row "
VXLAN = 4789


@pytest.fixture(name="gateway")
def fixture_gateway(make_cloud):
    """sw0 with vm1 on hv1; its router's way to the provider network is on
    hv2."""
    cloud = make_cloud()
    cloud.add_provider(1, 2)
    cloud.add_router(switches=("sw0",))
    vm1 = cloud.add_vm(1, 1, routed=True)
    cloud.add_public(2)
    cloud.central.sync()
    return cloud, vm1


def test_row10_row11_to_and_from_outside(gateway):
    """Encrypted as far as the gateway, in clear behind it, in both
    directions."""
    cloud, vm1 = gateway
    internet = cloud.internet
    outside = cloud.underlay.capture(PROVIDER)
    cloud.clear(vm1, internet)
    for mode in ("require", "prefer"):
        since = cloud.set_mode(mode)
        cloud.encrypted(vm1, internet)      # Row 10.
        cloud.encrypted(internet, vm1)      # Row 11.
        assert capture.count(outside.now(), socket.inet_aton(vm1.ip), since)


def test_row12_redirect_to_the_gateway(make_cloud):
    """From a switch that demands nothing, by way of a gateway, to a switch
    that requires encryption: the way to the gateway is encrypted as well."""
    cloud = make_cloud(n=3, switches=("sw0", "sw1"))
    cloud.add_router()
    cloud.central.nbctl("lrp-set-gateway-chassis", "lr0-sw0", "hv2")
    vm1 = cloud.add_vm(3, 1, routed=True)
    vm3 = cloud.add_vm(1, 3, "sw1", net=1, routed=True)
    cloud.clear(vm3, vm1)
    cloud.set_mode("require")
    since = time.time()
    cloud.encrypted(vm3, vm1)
    ways = {(r.src, r.dst) for r in cloud.sealed(since)}
    hv1, hv2, hv3 = (hv.ip for hv in cloud.hvs)
    assert {(hv1, hv2), (hv2, hv3)} <= ways


def test_row13_plain_first_hop(make_cloud):
    """A packet that arrives at the gateway in clear does not enter the switch
    there, although it would enter from a router and not from a tunnel."""
    cloud = make_cloud(switches=("sw0", "sw1"))
    cloud.add_router()
    cloud.central.nbctl("lrp-set-gateway-chassis", "lr0-sw0", "hv2")
    vm1 = cloud.add_vm(2, 1, routed=True)
    vm3 = cloud.add_vm(1, 3, "sw1", net=1, routed=True)
    vm3.reaches(vm1.ip)
    cloud.freeze(1)
    cloud.set_mode("require")
    since = time.time()
    hv2 = cloud.hvs[1]
    before = cloud.flow_packets(hv2, 8, "priority=65534", "reg31=0x4/0xc")
    cloud.refused(vm3, vm1)
    assert cloud.in_clear(since, vm3)
    wait_until(lambda: cloud.flow_packets(
        hv2, 8, "priority=65534", "reg31=0x4/0xc") > before,
        "the drop is counted")


def test_row14_transit_switch(make_cloud):
    """Two routers with a switch between them that demands nothing, the second
    one's port on a gateway: so does the way to the gateway."""
    cloud = make_cloud(switches=("sw0", "sw1", "join"))
    central = cloud.central
    central.add_router("lr0", "sw0")
    central.nbctl("lr-add", "lr1")
    central.attach("lr1", "sw1", "10.9.1.254/24")
    central.attach("lr0", "join", "10.1.0.1/24")
    central.attach("lr1", "join", "10.1.0.2/24")
    central.nbctl("lr-route-add", "lr0", "10.9.1.0/24", "10.1.0.2", "--",
                  "lr-route-add", "lr1", "10.9.0.0/24", "10.1.0.1", "--",
                  "lrp-set-gateway-chassis", "lr0-join", "hv2")
    vm1 = cloud.add_vm(2, 1, routed=True)
    vm3 = cloud.add_vm(1, 3, "sw1", net=1, routed=True)
    cloud.clear(vm3, vm1)
    cloud.set_mode("require")
    cloud.encrypted(vm3, vm1)
    cloud.encrypted(vm1, vm3)


# What makes hv2 part of the way from sw1 to sw0: commands of ovn-nbctl.
ELSEWHERE = {
    "gateway router": "set logical_router lr0 options:chassis=hv2",
    "gateway port": "lrp-set-gateway-chassis lr0-sw1 hv2",
}


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_row14_router_elsewhere(make_cloud, kind):
    """From a switch that demands nothing, over a router on another chassis,
    to one that has a demand, and back."""
    cloud = make_cloud(n=3, switches=("sw0", "sw1"))
    cloud.add_router()
    cloud.central.nbctl(*ELSEWHERE[kind].split())
    vm1 = cloud.add_vm(3, 1, routed=True)
    vm3 = cloud.add_vm(1, 3, "sw1", net=1, routed=True)
    cloud.clear(vm3, vm1)
    for mode in ("prefer", "require"):
        cloud.set_mode(mode)
        since = time.time()
        cloud.encrypted(vm3, vm1)
        cloud.encrypted(vm1, vm3)
        ways = {(r.src, r.dst) for r in cloud.sealed(since)}
        hv1, hv2, hv3 = (hv.ip for hv in cloud.hvs)
        assert {(hv1, hv2), (hv2, hv3), (hv3, hv2), (hv2, hv1)} <= ways


def test_row15_floating_address(gateway):
    """Distributed NAT: the machine's own chassis is the way out, there is no
    tunnel and nothing to encrypt."""
    cloud, vm1 = gateway
    floating = "192.0.2.50"
    cloud.central.nbctl("lr-nat-add", "lr0", "dnat_and_snat", floating,
                        vm1.ip, "vm1", "0a:7e:5c:ff:00:50")
    cloud.set_mode("require")
    outside = cloud.underlay.capture(PROVIDER)
    cloud.internet.reaches(floating)
    since = time.time()
    for sender, target in ((cloud.internet, floating),
                           (vm1, cloud.internet.ip)):
        assert not sender.ping(target, 20, 0.02).lost
    assert len(cloud.sealed(since)) < 20
    assert not cloud.in_clear(since, vm1)
    path = outside.stop()
    assert capture.count(path, socket.inet_aton(floating), since) >= 80


@pytest.mark.parametrize("kind", ["localnet", "l2gateway"])
def test_row16_port_to_the_outside(make_cloud, kind):
    """A port of the switch itself to the provider network carries nothing,
    unless that is allowed."""
    cloud = make_cloud()
    cloud.add_provider(1)
    vm1 = cloud.add_vm(1, 1)
    internet = cloud.internet
    internet.ip = "10.9.0.200"
    cloud.run.ip(internet.netns, f"addr add {internet.ip}/24 dev e0",
                 "route del 10.9.0.0/16")
    cloud.central.nbctl(
        "lsp-add", "sw0", "ext", "--", "lsp-set-type", "ext", kind,
        "--", "lsp-set-addresses", "ext", "unknown",
        "--", "lsp-set-options", "ext", "network_name=physnet",
        *(["l2gateway-chassis=hv1"] if kind == "l2gateway" else []))
    vm1.reaches(internet.ip)
    cloud.set_mode("require")
    cloud.refused(vm1, internet)
    cloud.refused(internet, vm1)
    cloud.in_effect("set", "logical_switch", "sw0",
                    "other_config:encryption-allow-external=true")
    vm1.reaches(internet.ip)
    cloud.in_effect("remove", "logical_switch", "sw0", "other_config",
                    "encryption-allow-external")
    cloud.refused(vm1, internet)


class VxlanHost(Stranger):
    """A host that speaks VXLAN, and cannot encrypt."""

    def __init__(self, cloud, number):
        super().__init__(cloud.underlay, number)
        self.sock = self.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((self.ip, VXLAN))
        self.sock.settimeout(0.3 * PATIENCE)
        cloud.strangers.add(self.ip)    # Its own packets are in clear.

    def send(self, vni, frame, target):
        header = struct.pack("!II", 0x08000000, vni << 8)
        self.sock.sendto(header + frame, (target, VXLAN))

    def frames(self):
        found = []
        try:
            while True:
                found.append(self.sock.recv(4096)[8:])
        except TimeoutError:
            return found


class Vtep(VxlanHost):
    """A VTEP gateway, as ovn-controller-vtep would register it: the switch's
    key is the VNI."""

    def __init__(self, cloud, number):
        super().__init__(cloud, number)
        nbctl, sbctl = cloud.central.nbctl, cloud.central.sbctl
        nbctl("--wait=sb", "lsp-add", "sw0", "gw",
              "--", "lsp-set-type", "gw", "vtep",
              "--", "lsp-set-options", "gw", "vtep-physical-switch=ps0",
              "vtep-logical-switch=ls0",
              "--", "lsp-set-addresses", "gw", "unknown")
        sbctl("chassis-add", "ps0", "vxlan", self.ip)
        sbctl("set", "Chassis", "ps0", "vtep_logical_switches=ls0")
        sbctl("lsp-bind", "gw", "ps0")


class Fabric(VxlanHost):
    """A host of an EVPN fabric.  hv1 has the devices and the entry that a
    routing daemon would make in its kernel."""

    VNI = 10

    def __init__(self, cloud, number):
        super().__init__(cloud, number)
        self._run, self._netns = cloud.run, cloud.hvs[0].netns
        # Open vSwitch, not this device, has the port of the fabric.
        cloud.run.ip(self._netns, "link add br-evpn type bridge",
                     "link set br-evpn up",
                     f"link add vx-evpn type vxlan id {self.VNI} dstport 60010"
                     " nolearning",
                     "link set vx-evpn up master br-evpn")
        cloud.central.nbctl(
            "set", "logical_switch", "sw0", *(
                f"other_config:dynamic-routing-{k}={v}" for k, v in (
                    ("vni", self.VNI), ("bridge-ifname", "br-evpn"),
                    ("vxlan-ifname", "vx-evpn"))))
        self.announce()

    def _entry(self, do):
        self._run.cmd("bridge", "fdb", do, "00:00:00:00:00:00", "dev",
                      "vx-evpn", "dst", self.ip, "static", "permanent",
                      netns=self._netns)

    def announce(self):
        self._entry("append")

    def withdraw(self):
        self._entry("del")


def ways(cloud, vm, other, vni):
    """Returns a function that says whether frames pass (from the VXLAN host
    `other' to a VM on hv1, from that to it)."""
    receiver = vm.receiver()
    receiver.settimeout(0.3 * PATIENCE)
    sender = vm.packet_socket("e0")
    numbers = itertools.count()

    def passes():
        # A frame of an earlier call may be late.
        text = MARKER + b"%d." % next(numbers)
        other.send(vni, packets.udp_frame(
            "0a:7e:5c:aa:00:09", "10.9.0.9", vm.mac, vm.ip, text),
            cloud.hvs[0].ip)
        sender.send(packets.udp_frame(vm.mac, vm.ip, "ff:ff:ff:ff:ff:ff",
                                      "255.255.255.255", text))
        arrived = False
        try:
            while not arrived:
                arrived = receiver.recv(100) == text
        except TimeoutError:
            pass
        return arrived, any(text in f for f in other.frames())

    return passes


def assert_in_clear_only(cloud, passes):
    """Packets pass both ways by `passes`, also with "prefer", and neither way
    with "require"."""
    wait_until(lambda: passes() == (True, True), "packets pass in clear")
    cloud.set_mode("prefer")
    wait_until(lambda: passes() == (True, True), "packets pass with prefer")
    cloud.set_mode("require")
    assert passes() == (False, False)


def test_row17_vtep(make_cloud):
    """A VTEP gateway cannot encrypt: nothing is sent to it or accepted from
    it."""
    cloud = make_cloud(ovn_encap_type="geneve,vxlan")
    vm1, vm2 = (cloud.add_vm(n, n) for n in (1, 2))
    vtep = Vtep(cloud, 101)
    cloud.central.sync()
    passes = ways(cloud, vm1, vtep, cloud.tunnel_key("sw0"))
    assert_in_clear_only(cloud, passes)
    cloud.encrypted(vm1, vm2)


def test_row17_evpn(make_cloud):
    """Nor can a host of an EVPN fabric, also one that is announced later."""
    cloud = make_cloud(ovn_evpn_local_ip=lambda hv: hv.ip,
                       ovn_evpn_vxlan_ports=VXLAN)
    vm1, vm2 = (cloud.add_vm(n, n) for n in (1, 2))
    fabric = Fabric(cloud, 101)
    passes = ways(cloud, vm1, fabric, fabric.VNI)
    assert_in_clear_only(cloud, passes)
    cloud.encrypted(vm1, vm2)

    def known():
        return fabric.ip in cloud.hvs[0].controller_ctl(
            "evpn/vtep-multicast-group-list")
    fabric.withdraw()
    wait_until(lambda: not known(), "ovn-controller forgets the fabric")
    fabric.announce()
    wait_until(known, "ovn-controller knows the fabric again")
    cloud.in_effect()
    assert passes() == (False, False)
    cloud.set_mode("off")
    wait_until(lambda: passes() == (True, True), "the fabric is reached again")


def test_row22_bfd_between_chassis(make_cloud):
    """BFD of the tunnels stays in clear and up.  When the gateway dies,
    traffic takes the other gateway, encrypted all the time."""
    cloud = make_cloud(n=3)
    cloud.add_provider(2, 3)
    cloud.add_router(switches=("sw0",))
    vm1 = cloud.add_vm(1, 1, routed=True)
    port = cloud.add_public(2)
    cloud.central.nbctl("lrp-set-gateway-chassis", port, "hv2", "20", "--",
                        "lrp-set-gateway-chassis", port, "hv3", "10")
    cloud.set_mode("require")
    hv1, hv2, hv3 = cloud.hvs

    def states():
        return re.findall(r"\bstate=(\w+)", hv1.vsctl(
            "--bare", "--columns=bfd_status", "list", "Interface"))

    wait_until(lambda: states().count("up") == 2, "BFD is up")
    cloud.encrypted(vm1, cloud.internet)
    beats = [d for d in capture.datagrams(cloud.pcap.now())
             if d.dport == capture.GENEVE and capture.is_tunnel_bfd(d.payload)]
    assert {hv1.ip, hv2.ip, hv3.ip} == {d.src for d in beats}
    cloud.run.ip(cloud.underlay.netns, f"link set dev {hv2.uplink} down")
    vm1.reaches(cloud.internet.ip, timeout=20)
    since = time.time()
    cloud.encrypted(vm1, cloud.internet)
    assert (hv1.ip, hv3.ip) in {(r.src, r.dst) for r in cloud.sealed(since)}


def test_relay_that_knows_of_no_demand(make_cloud):
    """A chassis whose controller stopped before any switch had a demand
    forwards packets that arrived encrypted only encrypted."""
    cloud = make_cloud(n=3, switches=("sw0", "sw1"))
    cloud.add_router()
    cloud.central.nbctl("lrp-set-gateway-chassis", "lr0-sw1", "hv2")
    vm1 = cloud.add_vm(1, 1, routed=True)
    vm3 = cloud.add_vm(3, 3, "sw1", net=1, routed=True)
    cloud.clear(vm1, vm3)
    cloud.freeze(2)
    since = cloud.set_mode("require", "sw0")
    receiver = vm3.receiver()
    sender = vm1.socket(socket.AF_INET, socket.SOCK_DGRAM)

    # A busy machine makes sessions later than packets wait for them.
    wait_until(lambda: delivers(sender, receiver, vm3, MARKER),
               "packets arrive")
    sent = [MARKER + b"%d" % n for n in range(10)]
    for data in sent:
        sender.sendto(data, (vm3.ip, 7777))
        time.sleep(0.02)
    got = []
    while len(got) < len(sent):         # Those above may still arrive.
        if (data := receiver.recv(100)) != MARKER:
            got.append(data)
    assert got == sent
    assert not capture.count(cloud.pcap.now(), MARKER, since)
    relayed = [r for r in cloud.sealed(since)
               if r.src == cloud.hvs[1].ip and r.dst == cloud.hvs[2].ip]
    assert len(relayed) >= 10
