# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""OVN: one logical switch on two chassis; only its column is configured."""

import time

import pytest

import capture
import packets
from claims import assert_sealed
from lab import Hypervisor, Underlay, stop_answered, tcp_transfer
from ovn import Central
from runspace import Failed, wait_until

MARKER = b"of one logical switch "


class Cloud:
    """Central, two chassis, one switch with a VM on each."""

    def __init__(self, run, tree):
        self.run = run
        self.underlay = Underlay(run)
        self.central = Central(self.underlay, tree)
        self.hvs = [Hypervisor(tree, self.underlay, n) for n in (1, 2)]
        for hv in self.hvs:
            self.central.register(hv)
        self.central.add_switch("sw0")
        self.vms = [self.central.add_vm(hv, hv.number) for hv in self.hvs]
        self.central.sync()
        self.pcap = self.underlay.capture()

    def set_mode(self, mode):
        """Sets or clears the column; returns when all chassis have done
        that."""
        if mode:
            self.central.nbctl("--wait=hv", "set", "logical_switch", "sw0",
                               f"encryption={mode}")
        else:
            self.central.nbctl("--wait=hv", "clear", "logical_switch", "sw0",
                               "encryption")
        if mode != "require":       # --wait=hv alone promises this.
            for hv in self.hvs:
                hv.revalidate()
        return time.time()


@pytest.fixture(name="cloud")
def fixture_cloud(run, tree):
    return Cloud(run, tree)


def test_require(cloud):
    vm1, vm2 = cloud.vms
    vm1.reaches(vm2.ip)
    assert capture.plaintext_tunnel(cloud.pcap.now())
    since = cloud.set_mode("require")
    vm1.reaches(vm2.ip)
    assert not vm1.ping(vm2.ip, 20, 0.02).lost
    assert tcp_transfer(vm1, vm2, MARKER * 5000) == MARKER * 5000
    assert_sealed(cloud.pcap.stop(), cloud, MARKER, since=since)


def test_require_from_the_start(cloud):
    """The first packet of the switch is already sealed."""
    since = cloud.set_mode("require")
    vm1, vm2 = cloud.vms
    vm1.reaches(vm2.ip)
    assert_sealed(cloud.pcap.stop(), cloud, since=since)


def test_broadcast(cloud):
    since = cloud.set_mode("require")
    vm1, vm2 = cloud.vms
    vm1.reaches(vm2.ip)
    receiver = vm2.receiver()
    vm1.packet_socket("e0").send(packets.udp_frame(
        vm1.mac, vm1.ip, "ff:ff:ff:ff:ff:ff", "255.255.255.255", MARKER))
    assert receiver.recv(100) == MARKER
    assert_sealed(cloud.pcap.stop(), cloud, MARKER, since=since)


def test_off_again(cloud):
    """Without the column, or with `off`, the switch sends in clear again."""
    vm1, vm2 = cloud.vms
    for mode in (None, "off"):
        cloud.set_mode("require")
        vm1.reaches(vm2.ip)
        since = cloud.set_mode(mode)
        assert not vm1.ping(vm2.ip, 10, 0.02).lost
        assert capture.plaintext_tunnel(cloud.pcap.now(), since)


def test_prefer(cloud):
    since = cloud.set_mode("prefer")
    vm1, vm2 = cloud.vms
    vm1.reaches(vm2.ip)
    assert not vm1.ping(vm2.ip, 10, 0.02).lost
    assert_sealed(cloud.pcap.stop(), cloud, since=since)


def test_another_switch_stays_clear(cloud):
    """Only the switch with the column is encrypted."""
    central = cloud.central
    central.add_switch("sw1")
    vm5, vm6 = (central.add_vm(hv, 4 + hv.number, "sw1") for hv in cloud.hvs)
    since = cloud.set_mode("require")
    vm5.reaches(vm6.ip)
    path = cloud.pcap.now()
    assert capture.count(path, packets.mac(vm5.mac), since)
    cloud.vms[0].reaches(cloud.vms[1].ip)
    assert not capture.count(cloud.pcap.now(), packets.mac(cloud.vms[0].mac),
                             since)


def test_fingerprints_are_published_and_pinned(cloud):
    hv1, hv2 = cloud.hvs
    cloud.set_mode("require")
    for hv, other in ((hv1, hv2), (hv2, hv1)):
        own = other.fingerprint()
        published = cloud.central.sbctl("--bare", "--columns=options", "find",
                                        "Encap", f'ip="{other.ip}"')
        assert own in published
        wait_until(lambda: own in hv.peer(other.ip, "fingerprints"),
                   "the pin is known")


def test_published_fingerprint_is_protected(cloud):
    """Role-based access: a chassis changes its own Encap row only."""
    hv1, hv2 = cloud.hvs
    central = cloud.central
    cloud.set_mode("require")
    rows = [central.sbctl("--bare", "--columns=_uuid", "find", "Encap",
                          f'ip="{hv.ip}"') for hv in cloud.hvs]
    with pytest.raises(Failed, match="permission"):
        central.sbctl_as(hv1, "set", "Encap", rows[1],
                         "options:vnetenc-fp=forged")
    assert "forged" not in central.sbctl("get", "Encap", rows[1], "options")
    central.sbctl_as(hv1, "set", "Encap", rows[0], "options:other=allowed")


def test_forged_plaintext(cloud):
    """Plaintext Geneve with the switch's key and the other chassis' address is
    not delivered when the switch requires encryption."""
    hv1, hv2 = cloud.hvs
    vm1, vm2 = cloud.vms
    vm1.reaches(vm2.ip)
    receiver = vm1.receiver()
    # A frame that was good, with another text in it.
    vm2.socket(2, 2).sendto(MARKER, (vm1.ip, 7777))
    assert receiver.recv(100) == MARKER
    good = next(f for _, f in capture.frames(cloud.pcap.now()) if MARKER in f)
    sock = hv2.uplink_socket()
    sock.send(good)
    assert receiver.recv(100) == MARKER
    cloud.set_mode("require")
    vm1.reaches(vm2.ip)
    for _ in range(5):
        sock.send(good)
    receiver.settimeout(0.5)
    with pytest.raises(TimeoutError):
        receiver.recv(100)


@pytest.mark.parametrize("daemon", ["ovs-vswitchd", "ovn-controller"])
def test_restart(cloud, daemon):
    """Each daemon of one chassis is killed and started again."""
    since = cloud.set_mode("require")
    vm1, vm2 = cloud.vms
    hv2 = cloud.hvs[1]
    vm1.reaches(vm2.ip)
    running = vm1.ping_start(vm2.ip, 1000, 0.02)
    if daemon == "ovs-vswitchd":
        hv2.kill_vswitchd()
        time.sleep(0.3)
        started = time.time()
        hv2.restart_vswitchd()
    else:
        hv2.controller.stop(9)
        time.sleep(0.3)
        started = time.time()
        cloud.central.register(hv2)
        cloud.central.sync()
    vm1.reaches(vm2.ip)
    stop_answered(running, started, 5)
    assert_sealed(cloud.pcap.stop(), cloud, since=since)


def test_rows_of_an_administrator_win(cloud):
    """OVN does not touch a peer row that it did not make."""
    hv1, hv2 = cloud.hvs
    foreign = "sha256:" + "5" * 64
    hv1.vsctl("--", "--if-exists", "destroy", "VNetEnc_Peer", hv2.ip,
              "--", "create", "VNetEnc_Peer", f'remote_ip="{hv2.ip}"',
              f'fingerprints="{foreign}"', "external_ids:source=local")
    cloud.set_mode("require")
    vm1, vm2 = cloud.vms
    assert vm1.ping(vm2.ip, 10, 0.1, wait=0.2).lost == 10
    assert foreign in hv1.peer(hv2.ip, "fingerprints")


def test_chassis_leaves(cloud):
    """The peer row goes with the chassis."""
    hv1, hv2 = cloud.hvs
    cloud.set_mode("require")
    cloud.vms[0].reaches(cloud.vms[1].ip)
    assert hv2.ip in hv1.vsctl("--bare", "--columns=remote_ip", "list",
                               "VNetEnc_Peer")
    hv2.run.cmd(hv2.tree.program("ovs-appctl"), "-t", "ovn-controller",
                "exit", env=hv2.env)
    wait_until(lambda: hv2.ip not in hv1.vsctl(
        "--bare", "--columns=remote_ip", "list", "VNetEnc_Peer"),
        "the row is gone")
