# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The rows of the table in Documentation/OPERATING.md, "What is encrypted",
with real traffic: those without a gateway.

Each test is named after its row.  During every test, nothing of a switch that
requires encryption may be readable on the underlay: see cloud.py.
"""

import socket
import time

import pytest

import capture
import packets
from cloud import drain
from lab import TENANT, TENANT_MAC, VM
from runspace import PATIENCE, Failed, wait_until

MARKER = b"of a row of the table "
BROADCAST = "ff:ff:ff:ff:ff:ff"
GROUP_MAC, GROUP = "01:00:5e:01:02:03", "239.1.2.3"


def test_what_judges_the_rows(make_cloud):
    """A switch only pretends to require encryption: each of the two signs of a
    leak is found by itself, and fails the test."""
    cloud = make_cloud()
    vm1, vm2 = (cloud.add_vm(n, n) for n in (1, 2))
    cloud.central.sync()
    since = time.time()
    key = cloud.tunnel_key("sw0")
    cloud.required["sw0"] = [[since, float("inf")]]
    cloud.keys["sw0"] = key
    cloud.clear(vm1, vm2)
    with pytest.raises(Failed, match="leaks"):
        cloud.close()
    machines, cloud.machines = cloud.machines, {}
    assert cloud.leaks(cloud.pcap.now())
    cloud.keys["sw0"] = key + 1
    assert not cloud.leaks(cloud.pcap.now())
    cloud.machines = machines
    assert cloud.leaks(cloud.pcap.now())
    cloud.excuse(since)


def test_row01_same_chassis(make_cloud):
    """In any mode, packets within one chassis are delivered and never on the
    underlay."""
    cloud = make_cloud(n=2, switches=("sw0", "sw1"))
    cloud.add_router()
    vm1 = cloud.add_vm(1, 1, routed=True)
    vm2 = cloud.add_vm(1, 2, routed=True)
    vm3 = cloud.add_vm(1, 3, "sw1", net=1, routed=True)
    for mode in ("off", "prefer", "require"):
        cloud.set_mode(mode)
        cloud.local(vm1, vm2)
        cloud.local(vm1, vm3)
        cloud.local(vm3, vm1)


@pytest.fixture(name="routed")
def fixture_routed(make_cloud):
    """Makes a cloud: sw0 and sw1 with a router in between, a machine of each
    on hv1 and hv2, and the given chassis that cannot encrypt."""
    def make(n=2, incapable=()):
        cloud = make_cloud(n=n, incapable=incapable, switches=("sw0", "sw1"))
        cloud.add_router()
        vms = [cloud.add_vm(hv, number, f"sw{net}", net=net, routed=True)
               for number, hv, net in ((1, 1, 0), (2, 2, 0), (3, 1, 1),
                                       (4, 2, 1))]
        cloud.central.sync()
        return cloud, *vms
    return make


def test_row02_off_to_off(routed):
    cloud, vm1, vm2, _, vm4 = routed()
    cloud.set_mode("off", "sw0")
    cloud.clear(vm1, vm2)
    cloud.clear(vm1, vm4)
    assert not cloud.sealed(0)


def test_row03_prefer_capable(routed):
    """`prefer` on either side of a router."""
    cloud, vm1, vm2, vm3, vm4 = routed()
    cloud.set_mode("prefer", "sw0")
    since = time.time()
    cloud.encrypted(vm1, vm2)
    cloud.encrypted(vm1, vm4)           # Source prefers.
    cloud.encrypted(vm3, vm2)           # Destination prefers.
    assert not cloud.between(since, vm1, vm2)
    cloud.clear(vm3, vm4)


def test_row04_prefer_incapable(routed):
    """The peer cannot encrypt, and announces that: in clear at once,
    counted."""
    cloud, vm1, vm2, _, vm4 = routed(incapable=[2])
    cloud.set_mode("prefer", "sw0")
    hv1 = cloud.hvs[0]
    before = hv1.show_json()["drops"]["clear_no_peer"]
    cloud.clear(vm1, vm2)
    cloud.clear(vm1, vm4)
    assert hv1.show_json()["drops"]["clear_no_peer"] - before >= 10


def test_row04_prefer_bad_credential(routed):
    """The peer can encrypt, but its certificate is not the pinned one: in
    clear after a second without a session, counted."""
    cloud, vm1, vm2, *_ = routed()
    hv1, hv2 = cloud.hvs
    foreign = "sha256:" + "5" * 64
    hv1.vsctl("--", "--if-exists", "destroy", "VNetEnc_Peer", hv2.ip,
              "--", "create", "VNetEnc_Peer", f'remote_ip="{hv2.ip}"',
              f'fingerprints="{foreign}"', "external_ids:source=local")
    start = time.time()
    cloud.set_mode("prefer", "sw0")
    vm1.reaches(vm2.ip)
    first = min(when for when, frame in capture.frames(cloud.pcap.now())
                if packets.mac(vm1.mac) in frame
                and packets.mac(vm2.mac) in frame)
    assert first - start >= 0.9
    assert hv1.show_json()["drops"]["clear_no_session"] > 0
    wait_until(lambda: "fingerprint" in hv1.peer(hv2.ip, "last_error"),
               "the reason is shown")


def test_row05_require_to_any(routed):
    cloud, vm1, vm2, _, vm4 = routed()
    cloud.set_mode("require", "sw0")
    cloud.encrypted(vm1, vm2)
    cloud.encrypted(vm1, vm4)           # To a switch that demands nothing.


def test_row05_require_no_session(routed):
    """There is no session and no way to make one: dropped with a reason."""
    cloud, vm1, vm2, _, vm4 = routed()
    hv1, hv2 = cloud.hvs
    rules = cloud.run.dir / "rules"
    rules.write_text("table inet t {\nchain c {\n"
                     "type filter hook output priority 0\n"
                     "udp dport 6082 drop\nudp sport 6082 drop\n}\n}\n")
    for hv in (hv1, hv2):
        cloud.run.cmd("nft", "-f", rules, netns=hv.netns)
    cloud.set_mode("require", "sw0")
    cloud.refused(vm1, vm2)
    cloud.refused(vm1, vm4)
    # They have waited for a session before.
    wait_until(lambda: hv1.show_json()["drops"]["tx_no_session"] >= 10,
               "the packets are counted")


def test_row05_require_incapable(routed):
    cloud, vm1, vm2, _, vm4 = routed(incapable=[2])
    cloud.set_mode("require", "sw0")
    cloud.refused(vm1, vm2)
    cloud.refused(vm1, vm4)
    wait_until(lambda: cloud.hvs[0].show_json()["drops"]["tx_no_peer"] >= 10,
               "the packets are counted")


def test_row06_off_to_require(routed):
    """A sender without a demand obeys the destination's demand."""
    cloud, _, vm2, vm3, vm4 = routed()
    cloud.set_mode("require", "sw0")
    cloud.encrypted(vm3, vm2)
    cloud.clear(vm3, vm4)


def test_row07_sender_not_upgraded(routed):
    """A chassis without vnetenc sends in clear; a switch that requires
    encryption accepts nothing from it, directly or over a router."""
    cloud, vm1, vm2, vm3, _ = routed()
    vm1.reaches(vm2.ip)
    vm3.reaches(vm2.ip)
    cloud.freeze(1)
    cloud.set_mode("require", "sw0")
    for sender in (vm1, vm3):
        since = time.time()
        before = cloud.flow_packets(cloud.hvs[1], 48, "priority=65534",
                                    "reg31=0x4/0xc")
        cloud.refused(sender, vm2)
        assert cloud.in_clear(since, sender), "it sent in clear"
        wait_until(lambda n=before: cloud.flow_packets(
            cloud.hvs[1], 48, "priority=65534", "reg31=0x4/0xc") > n,
            "the drop is counted")


def test_row08_require_wins(routed):
    """Between `prefer` and `require`, a capable peer gets records, and any
    other peer gets nothing."""
    cloud, vm1, vm2, vm3, vm4 = routed(n=3, incapable=[3])
    vm5 = cloud.add_vm(3, 5, routed=True)
    vm6 = cloud.add_vm(3, 6, "sw1", net=1, routed=True)
    # Within the switch that only prefers, that peer is reached.
    for prefers, requires, clear in (("sw0", "sw1", (vm1, vm5)),
                                     ("sw1", "sw0", (vm3, vm6))):
        cloud.set_mode("prefer", prefers)
        cloud.set_mode("require", requires)
        cloud.encrypted(vm1, vm4)
        cloud.encrypted(vm3, vm2)
        cloud.refused(vm1, vm6)
        cloud.refused(vm3, vm5)
        cloud.clear(*clear)


def test_row09_one_to_many(make_cloud):
    """Broadcast, multicast and unknown unicast: each copy on its own."""
    cloud = make_cloud(n=3, incapable=[3])
    vm1, vm2, vm3 = (cloud.add_vm(n, n) for n in (1, 2, 3))
    cloud.central.nbctl(*(
        a for n in (1, 2, 3) for a in (
            "--", "lsp-set-addresses", f"vm{n}",
            f"{TENANT_MAC % n} {TENANT % n}", "unknown")))
    cloud.central.sync()
    unknown = "0a:7e:5c:00:00:77"
    cases = ((BROADCAST, "255.255.255.255"), (GROUP_MAC, GROUP),
             (unknown, "10.9.0.77"))

    sockets = [vm.packet_socket("e0") for vm in (vm2, vm3)]
    sender = vm1.packet_socket("e0")
    for mode, third in (("off", True), ("require", False)):
        cloud.set_mode(mode)
        # The addresses of the underlay are known, and sessions are up.
        if mode == "require":
            cloud.encrypted(vm1, vm2)
        else:
            cloud.clear(vm1, vm2)
            cloud.clear(vm1, vm3)
        for mac, ip in cases:
            text = MARKER + f"{mode} {ip}".encode()
            sender.send(packets.udp_frame(vm1.mac, vm1.ip, mac, ip, text))
            second, other = sockets
            assert gets(second, text, 5 * PATIENCE)
            assert gets(other, text, 5 * PATIENCE if third
                        else 0.3 * PATIENCE) == third


def gets(sock, text, within):
    """Whether a frame with `text` arrives."""
    deadline = time.monotonic() + within
    while (left := deadline - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            if text in sock.recv(2048):
                return True
        except TimeoutError:
            pass
    return False


def test_row18_localport(make_cloud):
    """A port that exists on every chassis, like a metadata service: its
    packets stay on their chassis."""
    cloud = make_cloud()
    vm1, vm2 = (cloud.add_vm(n, n) for n in (1, 2))
    cloud.central.nbctl("lsp-add", "sw0", "vm100", "--", "lsp-set-type",
                        "vm100", "localport")
    services = [local_service(cloud, hv) for hv in cloud.hvs]
    cloud.central.nbctl("lsp-set-addresses", "vm100",
                        f"{services[0].mac} {services[0].ip}")
    cloud.set_mode("require")
    cloud.encrypted(vm1, vm2)
    for vm, service in zip((vm1, vm2), services):
        cloud.local(vm, service)
    # It sends nothing to a machine elsewhere, in clear or sealed.
    since = time.time()
    assert services[0].ping(vm2.ip, 20, 0.02, wait=0.3).lost == 20
    assert not cloud.in_clear(since, services[0])
    assert len(cloud.sealed(since)) < 20


def local_service(cloud, hv):
    """The service as it is on one chassis."""
    vm = VM(hv, 100 + hv.number, iface_id="vm100", ip=TENANT % 100)
    vm.mac = TENANT_MAC % 100
    cloud.run.ip(vm.netns, f"link set dev e0 address {vm.mac}")
    cloud.machines.setdefault("sw0", []).append(vm)
    return vm


def test_row20_old_open_vswitch(routed):
    """ovn-controller of vnetenc on an Open vSwitch that cannot encrypt:
    `require` carries nothing into or out of the chassis, not even through a
    router; `prefer` is in clear; the controller works."""
    cloud, vm1, vm2, vm3, vm4 = routed(incapable=[2])
    vm5 = cloud.add_vm(2, 5, routed=True)
    cloud.set_mode("require", "sw0")
    for a, b in ((vm2, vm1), (vm1, vm2), (vm2, vm3), (vm4, vm1), (vm3, vm2)):
        cloud.refused(a, b)
    cloud.local(vm2, vm5)
    cloud.clear(vm3, vm4)
    log = (cloud.hvs[1].dir / "oc.log").read_text()
    assert "cannot encrypt" in log and "OFPBAC" not in log
    cloud.set_mode("prefer", "sw0")
    cloud.clear(vm2, vm1)
    cloud.clear(vm1, vm4)


def test_row21_made_by_the_controller(routed):
    """The ARP request that a router makes for a machine it does not know
    goes through the tunnels like any packet of that switch."""
    cloud, vm1, vm2, vm3, _ = routed()
    nbctl = cloud.central.nbctl
    # Only vm2 itself knows its address.
    nbctl("lsp-set-addresses", "vm2", "unknown", "--", "set",
          "logical_router", "lr0", "options:dynamic_neigh_routers=true")
    cloud.set_mode("require", "sw0")
    asked = vm2.packet_socket("e0")
    vm3.reaches(vm2.ip, timeout=15)
    request = b"\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01"
    assert [f for f in drain(asked) if f[12:22] == request
            and f[28:32] == socket.inet_aton("10.9.0.254")]
    cloud.encrypted(vm3, vm2)


@pytest.mark.parametrize("kind", ["gre", "erspan"])
def test_row23_mirror(make_cloud, kind):
    """A mirror through a tunnel sends copies in clear, so a switch that
    requires encryption has none."""
    cloud = make_cloud()
    vm1, vm2 = (cloud.add_vm(n, n) for n in (1, 2))
    cloud.central.nbctl("mirror-add", "m0", kind, "1", "both",
                        cloud.hvs[1].ip, "--", "lsp-attach-mirror", "vm1",
                        "m0")
    cloud.central.sync()

    def copies(since):
        return [f for when, f in capture.frames(cloud.pcap.now())
                if when >= since and f[12:14] == b"\x08\x00" and f[23] == 47
                and packets.mac(vm1.mac) in f]

    vm1.reaches(vm2.ip)
    wait_until(lambda: vm1.ping(vm2.ip, 2, 0.05) and copies(0),
               "there are copies")
    since = cloud.set_mode("require")
    cloud.encrypted(vm1, vm2)
    assert not copies(since)
    cloud.set_mode("off")
    since = time.time()
    vm1.reaches(vm2.ip)
    wait_until(lambda: vm1.ping(vm2.ip, 2, 0.05) and copies(since),
               "the mirror is back")
