# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The openssl tool as the other end, in both roles, and tshark on the
capture: the packets on the wire are standard DTLS 1.2."""

import re
import socket
import time

import pytest

import capture
import packets
from claims import tshark
from runspace import wait_until
from sslpeer import Client, Mint, Server

MARKER = b"told to a stock DTLS peer "
PHANTOM = ("0a:7e:5c:31:d9:c8", "10.9.0.200")


@pytest.fixture(name="lab")
def fixture_lab(make_lab):
    """One hypervisor and a stranger that it knows by its certificate."""
    lab = make_lab(n_hypervisors=1, n_strangers=1)
    lab.mint = Mint(lab.run)
    lab.hvs[0].add_profile()
    lab.hvs[0].fingerprint()
    lab.hvs[0].add_tunnel(lab.strangers[0].ip, encryption="require")
    return lab


def send_to_phantom(vm, text):
    """Lets a VM send a datagram to a VM behind the stranger."""
    vm.packet_socket("e0").send(packets.udp_frame(
        vm.mac, vm.ip, *PHANTOM, text))


def geneve_frames(data, vni=7):
    """The frames behind each Geneve header that `data` holds."""
    header = packets.geneve(vni, b"")
    return data.split(header)[1:]


@pytest.mark.parametrize("key", ["ec:P-256", "ec:P-384", "rsa:2048"])
def test_server(lab, key):
    """s_server decrypts our records to a Geneve header and the frame that
    the VM sent."""
    hv, stranger, vm = lab.hvs[0], lab.strangers[0], lab.vms[0]
    credential = lab.mint.make(key=key)
    server = Server(stranger, credential)
    hv.add_peer(stranger.ip, credential.fingerprint)
    pcap = lab.underlay.capture()

    def decrypted():
        send_to_phantom(vm, MARKER)
        return MARKER in server.received()

    wait_until(decrypted, "s_server decrypts our records", 5, 0.1)
    frames = geneve_frames(server.received())
    wanted = packets.udp_frame(vm.mac, vm.ip, *PHANTOM, MARKER)
    assert any(frame.startswith(wanted) for frame in frames)
    path = pcap.stop()
    assert not capture.count(path, MARKER)
    assert capture.data_records(path)


@pytest.mark.parametrize("cipher", [
    "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305"])
def test_client(lab, cipher):
    """Application data of s_client arrives as a frame at the VM, with each
    suite."""
    hv, stranger, vm = lab.hvs[0], lab.strangers[0], lab.vms[0]
    credential = lab.mint.make()
    hv.add_peer(stranger.ip, credential.fingerprint)
    client = Client(stranger, hv.ip, credential, options=["-cipher", cipher])
    client.wait_established()
    assert f"Cipher is {cipher}" in client.text()
    assert "Extended master secret: yes" in client.text()
    assert "ALPN protocol: vnetenc/1" in client.text()
    receiver = vm.receiver()
    for size in (1, 100, 1300):
        text = MARKER[:1] * size
        client.send(packets.geneve(7, packets.udp_frame(
            *PHANTOM, vm.mac, vm.ip, text)))
        assert receiver.recv(2000) == text


def test_client_over_ipv6(lab):
    hv, stranger, vm = lab.hvs[0], lab.strangers[0], lab.vms[0]
    hv.add_tunnel(stranger.ip6, "gnv6", encryption="require")
    credential = lab.mint.make()
    hv.add_peer(stranger.ip6, credential.fingerprint)
    client = Client(stranger, hv.ip6, credential)
    client.wait_established()
    receiver = vm.receiver()
    client.send(packets.geneve(7, packets.udp_frame(
        *PHANTOM, vm.mac, vm.ip, MARKER)))
    assert receiver.recv(2000) == MARKER


def test_groups(lab):
    """Key exchange works with each allowed group that the client prefers, and
    not with P-521.  (P-256 is always in the list, for the certificates.)"""
    hv, stranger = lab.hvs[0], lab.strangers[0]
    credential = lab.mint.make()
    hv.add_peer(stranger.ip, credential.fingerprint)
    for groups, chosen in (("X25519:P-256", "X25519"),
                           ("P-256", "prime256v1"),
                           ("P-384:P-256", "secp384r1"),
                           ("P-521:P-256", "prime256v1")):
        client = Client(stranger, hv.ip, credential,
                        options=["-groups", groups])
        client.wait_established()
        # OpenSSL 3.0 says "Server", 3.5 "Peer".
        temp_key = re.search("(?:Server|Peer) Temp Key: (.*)",
                             client.text())[1]
        assert chosen in temp_key
        client.stop()


def test_session_of_stock_client_survives_its_silence(lab):
    """A stock peer that answers no probe and renegotiates nothing stays
    connected: only authenticated records end a session."""
    hv, stranger, vm = lab.hvs[0], lab.strangers[0], lab.vms[0]
    credential = lab.mint.make()
    hv.add_peer(stranger.ip, credential.fingerprint)
    client = Client(stranger, hv.ip, credential)
    client.wait_established()
    time.sleep(5)
    receiver = vm.receiver()
    client.send(packets.geneve(7, packets.udp_frame(
        *PHANTOM, vm.mac, vm.ip, MARKER)))
    assert receiver.recv(2000) == MARKER


def test_tshark_decodes(make_lab):
    """tshark with both key logs and our script shows the inner packets."""
    lab = make_lab()
    for hv in lab.hvs:
        hv.keylog()
    lab.pin()
    # The first handshake belongs to it, and a VM may speak at any time.
    pcap = lab.underlay.capture()
    lab.connect(encryption="require")
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    vm1.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(
        MARKER, (vm2.ip, 7777))
    path = pcap.stop()
    keys = lab.run.dir / "keys.txt"
    keys.write_text("".join(hv.keylog_file.read_text() for hv in lab.hvs))

    for wanted in ("icmp.type == 8", "icmp.type == 0",
                   f'udp.payload contains "{MARKER.decode()}"'):
        lines = tshark(lab.run, path, keys, wanted)
        assert lines and all("dtls:geneve:eth" in line for line in lines)
        assert not tshark(lab.run, path, "/dev/null", wanted)
