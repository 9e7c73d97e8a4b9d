# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Nothing of a network that requires encryption leaves in clear, and nothing
forged arrives, whatever happens to a host with the kernel datapath."""

import contextlib
import os
import re
import socket
import struct

import pytest

import capture
import packets
from claims import assert_silent
from host import (
    MARKER, STRANGER_MAC, VNI, assert_traffic, under_traffic)
from lab import packet_socket
from runspace import Failed, socket_in, wait_until

# Our devices' UDP ports begin here: arrivals, then demands.
FIRST_D = 63998
SO_MARK = 36


def assert_nothing_new(path, lab, text):
    """Nothing readable but errors of hosts, which quote what they are about:
    a host answers so to its own process."""
    assert not capture.plaintext_tunnel(path)
    assert not [frame for _, frame in capture.frames(path)
                if text in frame and frame[23] != socket.IPPROTO_ICMP]


def dpctl_flows(hv):
    """The flows of the kernel, without ovs-vswitchd."""
    return hv.run.cmd(hv.tree.program("ovs-dpctl"), "dump-flows",
                      netns=hv.netns, env=hv.env)


def uses_flows(hv):
    """Returns when packets to and from the other host pass by flows of the
    kernel."""
    wait_until(lambda: hv.packets("set(tunnel(")
               and hv.packets(f"in_port({FIRST_D + 1})"),
               f"{hv.name} has flows of both directions")


def private_namespaces(hv):
    """Commands that enter the namespaces that ovs-vswitchd holds."""
    folder = f"/proc/{hv.vswitchd.pid}/fd"
    own = os.readlink(f"/proc/{hv.vswitchd.pid}/ns/net")
    spaces = {}
    for fd in os.listdir(folder):
        with contextlib.suppress(OSError):
            name = os.readlink(f"{folder}/{fd}")
            if name.startswith("net:[") and name != own:
                spaces[name] = fd
    return [["nsenter", f"--net={folder}/{fd}"] for fd in spaces.values()]


class TestHost:
    """A host that loses a part of itself."""

    @pytest.fixture(name="lab", scope="class")
    def fixture_lab(self, encrypted_lab):
        return encrypted_lab

    @pytest.fixture(autouse=True)
    def fixture_daemons(self, lab):
        """A test that failed leaves its host running."""
        yield
        for hv in lab.hvs:
            if not hv.vswitchd.alive():
                hv.restart_vswitchd()

    def test_killed(self, lab):
        """ovs-vswitchd dies; the kernel's flows stay."""
        hv1 = lab.hvs[0]
        with under_traffic(lab):
            uses_flows(hv1)
            hv1.kill_vswitchd()
            assert "set(tunnel(" in dpctl_flows(hv1)
            assert lab.vms[0].ping(lab.vms[1].ip, 5, 0.1, wait=1).lost == 5
            # The kernel frees a namespace later.
            wait_until(lambda: not hv1.devices(), "the devices are gone")
        with under_traffic(lab):
            hv1.restart_vswitchd()
            lab.vms[0].reaches(lab.vms[1].ip, 20)
        assert_traffic(lab, 100)

    def test_killed_flow_restore_wait(self, lab):
        """The old flows of the kernel find the new device."""
        hv1 = lab.hvs[0]
        hv1.vsctl("set", "Open_vSwitch", ".",
                  "other_config:flow-restore-wait=true")
        try:
            with under_traffic(lab):
                uses_flows(hv1)
                hv1.kill_vswitchd()
                hv1.restart_vswitchd()
                wait_until(hv1.devices, "there is a device")
                lab.vms[0].reaches(lab.vms[1].ip, 20)
                assert "set(tunnel(" in dpctl_flows(hv1)
        finally:
            hv1.vsctl("remove", "Open_vSwitch", ".", "other_config",
                      "flow-restore-wait")
        assert_traffic(lab, 100)

    def test_devices_removed(self, lab):
        hv1 = lab.hvs[0]
        with under_traffic(lab):
            assert hv1.devices()
            for device in hv1.devices():
                lab.run.cmd("ip", "-n", hv1.netns, "link", "del", device)
        with under_traffic(lab):
            hv1.kill_vswitchd()
            hv1.restart_vswitchd()
            lab.vms[0].reaches(lab.vms[1].ip, 20)
        assert_traffic(lab, 100)

    def test_namespace_emptied(self, lab):
        """Root deletes what is in the private namespace."""
        hv1 = lab.hvs[0]
        with under_traffic(lab):
            for device in ("vnetenc1", "vnetenc0"):
                lab.run.cmd(*private_namespaces(hv1)[0], "ip", "link", "del",
                            device)
            assert lab.vms[0].ping(lab.vms[1].ip, 5, 0.1, wait=1).lost == 5
        with under_traffic(lab):
            hv1.kill_vswitchd()
            hv1.restart_vswitchd()
            lab.vms[0].reaches(lab.vms[1].ip, 20)
        assert_traffic(lab, 100)

    def test_devices_down(self, lab):
        hv1 = lab.hvs[0]
        with under_traffic(lab):
            for device in hv1.devices():
                lab.run.cmd("ip", "-n", hv1.netns, "link", "set", device,
                            "down")
            lab.vms[0].ping(lab.vms[1].ip, 10, 0.05, wait=1)
            for device in hv1.devices():
                # It may just be made again, and be absent.
                lab.run.cmd("ip", "-n", hv1.netns, "link", "set", device,
                            "up", check=False)
        assert_traffic(lab, 100)

    def test_flushed(self, lab):
        """The host's routes, rules, neighbours and addresses go."""
        hv1 = lab.hvs[0]
        with under_traffic(lab):
            lab.run.ip(hv1.netns, "route flush table main",
                       "route flush table local", "rule flush",
                       "neigh flush dev u", "addr flush dev u")
            assert lab.vms[0].ping(lab.vms[1].ip, 10, 0.05, wait=1).lost
        with under_traffic(lab):
            for table, priority in (("local", 0), ("main", 32766),
                                    ("default", 32767)):
                lab.run.cmd("ip", "-n", hv1.netns, "rule", "add", "lookup",
                            table, "priority", priority, check=False)
            lab.run.ip(hv1.netns, "link set dev u down",
                       "link set dev lo down", "link set dev lo up",
                       "link set dev u up")
            hv1.restore_addresses()
            lab.vms[0].reaches(lab.vms[1].ip, 20)
        assert_traffic(lab, 100)

    def test_uplink_down(self, lab):
        hv1 = lab.hvs[0]
        with under_traffic(lab):
            lab.run.ip(hv1.netns, "link set dev u down")
            lab.vms[0].ping(lab.vms[1].ip, 5, 0.05, wait=1)
            lab.run.ip(hv1.netns, "link set dev u up")
            lab.vms[0].reaches(lab.vms[1].ip, 20)

    @pytest.mark.parametrize("value", [1, 2])
    def test_rp_filter(self, lab, value):
        hv1 = lab.hvs[0]
        for name in ("all", "default", "u"):
            lab.run.cmd("sysctl", "-qw",
                        f"net.ipv4.conf.{name}.rp_filter={value}",
                        netns=hv1.netns)
        assert_traffic(lab, 100)

    @pytest.mark.conntrack
    def test_nftables(self, lab):
        """The host's firewall sees only sealed packets, and its end changes
        nothing."""
        hv1 = lab.hvs[0]
        with under_traffic(lab):
            lab.run.cmd("nft", "-f", "-", netns=hv1.netns, stdin=(
                "table ip t { chain out { type filter hook output priority 0;"
                " udp dport { 6081, 63998-65023 } counter drop; } }"))
            assert not lab.vms[0].ping(lab.vms[1].ip, 10, 0.05).lost
            rules = lab.run.cmd("nft", "list", "ruleset", netns=hv1.netns)
            assert "counter packets 0 bytes 0" in rules, rules
            lab.run.cmd("nft", "flush", "ruleset", netns=hv1.netns)


class Attacker:
    """Sends forged packets to the first guest, as the second one."""

    def __init__(self, lab, port):
        self.hv1, self.hv2 = lab.hvs
        self.vm1, self.vm2 = lab.vms
        self.receiver = self.vm1.receiver(port)
        self.port = port

    def payload(self, text=MARKER):
        return packets.geneve(VNI, packets.udp_frame(
            self.vm2.mac, self.vm2.ip, self.vm1.mac, self.vm1.ip, text,
            self.port))

    def frame(self, dport):
        """From the other host to the first one."""
        return packets.ethernet(
            self.hv1.phys_mac(), STRANGER_MAC, 0x0800,
            packets.udp4(self.hv2.ip, self.hv1.ip, 12345, dport,
                         self.payload()))

    def succeeds(self, timeout=0.5):
        """Did anything arrive?"""
        self.receiver.settimeout(timeout)
        try:
            return self.receiver.recv(2000) == MARKER
        except TimeoutError:
            return False


def all_ports(hv):
    """The UDP ports of the encrypted way into a host, and the other way's
    first ones."""
    found = {int(n) for n in re.findall(r"\d{5}", " ".join(hv.devices()))}
    return sorted(found | set(range(FIRST_D, FIRST_D + 8))
                  | {capture.GENEVE, capture.DTLS})


class TestForgery:
    """Forged arrivals."""

    @pytest.fixture(name="lab", scope="class")
    def fixture_lab(self, make_hosts):
        lab = make_hosts(n_strangers=1)
        lab.pin()
        lab.connect()
        return lab

    def require(self, lab):
        for hv, name in zip(lab.hvs, ("gnv2", "gnv1")):
            hv.vsctl("set", "Interface", name, "options:encryption=require")
            hv.revalidate()
        lab.vms[0].reaches(lab.vms[1].ip, 15)

    def test_from_underlay(self, lab):
        attacker = Attacker(lab, 7001)
        sock = lab.strangers[0].packet_socket("u")
        lab.vms[0].reaches(lab.vms[1].ip)
        # A port in clear takes it, so it is well made.
        sock.send(attacker.frame(capture.GENEVE))
        assert attacker.succeeds(20)
        self.require(lab)
        for port in all_ports(lab.hvs[0]):
            for _ in range(3):
                sock.send(attacker.frame(port))
        assert_traffic(lab, 100)
        assert not attacker.succeeds()

    def test_from_host(self, lab):
        """No socket of the host gets anything delivered or sealed, whatever
        takes CAP_NET_RAW to open it, and with any mark."""
        self.require(lab)
        attacker = Attacker(lab, 7002)
        hv1, hv2 = lab.hvs
        at_vm2 = lab.vms[1].receiver(7002)
        at_vm2.settimeout(0.5)
        inner = packets.udp_frame(lab.vms[0].mac, lab.vms[0].ip,
                                  lab.vms[1].mac, lab.vms[1].ip, MARKER, 7002)
        plain = socket_in(hv1.netns, socket.AF_INET, socket.SOCK_DGRAM)
        marked = socket_in(hv1.netns, socket.AF_INET, socket.SOCK_DGRAM)
        forged = socket_in(hv1.netns, socket.AF_INET, socket.SOCK_RAW,
                           socket.IPPROTO_RAW)
        with under_traffic(lab, assert_nothing_new):
            for mark, port in enumerate(all_ports(hv1)):
                if port == capture.GENEVE:
                    continue
                marked.setsockopt(socket.SOL_SOCKET, SO_MARK,
                                  (mark << 16) + port)
                for sock in (plain, marked):
                    for to in (hv1.ip, "127.0.0.1", "192.0.0.8"):
                        with contextlib.suppress(OSError):
                            sock.sendto(attacker.payload(), (to, port))
                forged.sendto(packets.udp4(hv2.ip, hv1.ip, 12345, port,
                                           attacker.payload()), (hv1.ip, 0))
            for device in hv1.devices():
                sock = packet_socket(hv1.netns, device)
                for text in (inner, attacker.frame(FIRST_D),
                             attacker.payload()):
                    with contextlib.suppress(OSError):
                        sock.send(text)
            # In clear, as the tunnel itself would, but for a require port.
            forged.sendto(packets.udp4(hv2.ip, hv1.ip, 12345, capture.GENEVE,
                                       attacker.payload()), (hv1.ip, 0))
            assert not attacker.succeeds()
            with pytest.raises(TimeoutError):
                at_vm2.recv(2000)

    def test_namespace_is_closed(self, lab):
        """Nobody gets into the private namespace without CAP_SYS_ADMIN, and
        it holds only what it needs."""
        enter, = private_namespaces(lab.hvs[0])
        links = lab.run.cmd(*enter, "ip", "-o", "link")
        assert set(re.findall(r"^\d+: (\w+)", links, re.M)) == {
            "lo", "vnetenc0", "vnetenc1"}, links
        with pytest.raises(Failed, match="not permitted"):
            lab.run.cmd("setpriv", "--bounding-set=-sys_admin", *enter,
                        "true")

    def test_garbage(self, lab):
        """Garbage for the DTLS port is counted and changes nothing."""
        self.require(lab)
        hv1, stranger = lab.hvs[0], lab.strangers[0]
        before = hv1.coverage("vnetenc_rx_bad_type")
        sock = stranger.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for i in range(50):
            sock.sendto(b"\0" + struct.pack("!I", i) * 20,
                        (hv1.ip, capture.DTLS))
        hv1.expect("vnetenc_rx_bad_type", before + 50)
        assert_traffic(lab, 100)


def test_without_root(make_hosts):
    """ovs-vswitchd drops root after it made the namespace."""
    lab = make_hosts()
    os.chmod(lab.run.dir, 0o711)
    for hv in lab.hvs:
        hv.restart_as_nobody()
    lab.pin()
    lab.connect(encryption="require")
    pcap = lab.underlay.capture()
    assert_traffic(lab, 1000)
    assert_silent(pcap.stop(), lab)
