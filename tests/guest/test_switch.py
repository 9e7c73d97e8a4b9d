# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""A logical switch on hosts with the kernel datapath, with the userspace
datapath, and without encryption.  The switch has an ACL, so its packets pass
ct() on departure and on arrival."""

import time

import pytest

import capture
import packets
from cloud import drain
from host import MARKER
from lab import Hypervisor, KernelHost, pings, tcp_transfer
from test_ready import Asked

pytestmark = pytest.mark.conntrack


def allow_related(central, switch):
    """Connections of these kinds pass, and nothing else."""
    for direction in ("from-lport", "to-lport"):
        central.nbctl("acl-add", switch, direction, "1002",
                      "ip4 && (icmp || tcp)", "allow-related", "--",
                      "acl-add", switch, direction, "1001", "ip4", "drop")


class TestSwitch:
    """hv1 and hv2 have the kernel datapath, hv3 the userspace datapath."""

    @pytest.fixture(name="kinds", scope="class")
    def fixture_kinds(self):
        return [KernelHost, KernelHost, Hypervisor]

    @pytest.fixture(name="cloud", scope="class")
    def fixture_cloud(self, make_cloud):
        cloud = make_cloud(n=3)
        for hv in cloud.hvs:
            cloud.add_vm(hv.number, hv.number)
        allow_related(cloud.central, "sw0")
        cloud.central.sync()
        return cloud

    def test_require(self, cloud):
        vms = cloud.machines["sw0"]
        for vm in vms[1:]:
            cloud.clear(vms[0], vm)
        since = cloud.set_mode("require")
        for a in vms:
            for b in vms:
                if a is not b:
                    cloud.encrypted(a, b)
                    data = MARKER * 2000
                    assert tcp_transfer(a, b, data, timeout=60) == data
        ips = [hv.ip for hv in cloud.hvs]
        assert {(r.src, r.dst) for r in cloud.sealed(since)} == {
            (a, b) for a in ips for b in ips if a != b}
        assert not capture.count(cloud.pcap.now(), MARKER, since)
        # In both directions.
        vms[0].reaches(vms[1].ip)
        flows = cloud.hvs[0].flows().splitlines()
        for arrived in (False, True):
            assert [f for f in flows if "actions:ct(" in f
                    and ("tunnel(" in f) == arrived], flows

    def test_ready(self, cloud):
        """Every chassis says that it can encrypt, and the readiness report
        finds nothing on a host with the kernel datapath."""
        for hv in cloud.hvs:
            encap = cloud.central.sbctl("--bare", "--columns=options", "find",
                                        "Encap", f'ip="{hv.ip}"')
            assert "vnetenc=1" in encap, encap
            assert hv.fingerprint() in encap
        cloud.set_mode("require")
        site = Asked(cloud)
        for args in ((), ("--local",)):
            status, found = site.findings(*args, hv=cloud.hvs[0])
            assert not status, found
        for hv in cloud.hvs[:2]:
            peers = {p["remote_ip"]: p for p in hv.show_json()["peers"]}
            assert set(peers) == {h.ip for h in cloud.hvs if h is not hv}

    def test_arrived_in_clear(self, cloud):
        """A packet that was good when the switch demanded nothing is not
        delivered now."""
        hv2 = cloud.hvs[1]
        vm1, vm2, _ = cloud.machines["sw0"]
        cloud.set_mode("off")
        cloud.clear(vm1, vm2)
        good = [f for _, f in capture.frames(cloud.pcap.now())
                if capture.udp(f) and capture.udp(f)[0] == hv2.ip
                and packets.mac(vm1.mac) in f and packets.mac(vm2.mac) in f
                and b"\x08\x00\x45" in f[50:]][-1]
        cloud.set_mode("require")
        cloud.encrypted(vm1, vm2)
        heard = vm1.packet_socket("e0")
        since = time.time()
        sock = hv2.uplink_socket()
        for _ in range(5):
            sock.send(good)
        inner = good[good.index(packets.mac(vm1.mac)):]
        assert not [f for f in drain(heard) if f[:60] == inner[:60]]
        assert len([f for w, f in capture.frames(cloud.pcap.now())
                    if w >= since and f == good]) == 5
        cloud.excuse(since)

    def test_restart(self, cloud):
        """kill -9 of ovs-vswitchd: nothing in clear, and traffic comes back by
        itself."""
        cloud.set_mode("require")
        vm1, vm2, vm3 = cloud.machines["sw0"]
        cloud.encrypted(vm1, vm2)
        hv2 = cloud.hvs[1]
        running = vm1.ping_start(vm2.ip, 100000, 0.02)
        hv2.kill_vswitchd()
        time.sleep(0.3)
        hv2.restart_vswitchd()
        vm1.reaches(vm2.ip, timeout=20)
        pings(running, stop=True)
        cloud.encrypted(vm2, vm1)
        cloud.encrypted(vm3, vm2)


class TestMixed:
    """hv1 has the kernel datapath, hv2 the userspace datapath, and hv3, with
    the kernel datapath, cannot encrypt, as a host that was not upgraded."""

    @pytest.fixture(name="kinds", scope="class")
    def fixture_kinds(self):
        return [KernelHost, Hypervisor, KernelHost]

    def test_mixed(self, make_cloud):
        cloud = make_cloud(n=3, incapable=[3])
        vm1, vm2, vm3 = (cloud.add_vm(n, n) for n in (1, 2, 3))
        allow_related(cloud.central, "sw0")
        cloud.central.sync()
        for mode in ("prefer", "require", "prefer"):
            cloud.set_mode(mode)
            cloud.encrypted(vm1, vm2)
            cloud.encrypted(vm2, vm1)
            for vm in (vm1, vm2):
                if mode == "prefer":
                    cloud.clear(vm, vm3)
                else:
                    cloud.refused(vm, vm3)
                    cloud.refused(vm3, vm)
        for hv in cloud.hvs[:2]:
            assert hv.show_json()["drops"]["tx_no_peer"] >= 5
