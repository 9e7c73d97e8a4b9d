# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The operator's view and changes while traffic flows."""

import os
import re
import stat
import time
from xml.etree import ElementTree

import pytest

import capture
import packets
from claims import assert_sealed, sessions_on_wire, tshark
from lab import TOP, pings
from runspace import wait_until
from sslpeer import Mint


def server_names(lab, path):
    """The server names of the ClientHellos in a capture, as tshark reads
    them."""
    return set(tshark(lab.run, path, "/dev/null",
                      "dtls.handshake.type == 1",
                      "dtls.handshake.extensions_server_name")) - {""}


def test_show(lab):
    hv1, hv2 = lab.hvs
    for text in (hv1.show(), hv1.show("--all"), hv1.show(hv2.ip)):
        for wanted in (hv2.ip, hv2.fingerprint(), "state up",
                       "ECDHE-ECDSA-AES256-GCM-SHA384"):
            assert wanted in text, wanted
    assert hv1.fingerprint() in hv1.show()
    assert "rekeys" not in hv1.show() and "rekeys 0" in hv1.show("--all")
    text = hv1.show("--all", hv2.ip)
    assert "provider openssl" in text or "provider ipsec-mb" in text
    assert hv1.fingerprint() not in text and "drops" not in text
    flat = str(hv1.show_json())
    for wanted in (hv2.ip, hv1.fingerprint(), hv2.fingerprint()):
        assert wanted in flat, wanted


def test_status_columns(lab):
    hv1, hv2 = lab.hvs
    wait_until(lambda: hv1.peer(hv2.ip, "peer_fingerprint")
               == hv2.fingerprint(), "the peer's fingerprint is shown")
    wait_until(lambda: "GCM" in hv1.peer(hv2.ip, "cipher"),
               "the cipher is shown")
    wait_until(lambda: hv1.peer(hv2.ip, "last_error") in ("", "[]"),
               "no error is shown")
    assert hv1.vsctl("get", "VNetEnc_Profile", "0", "not_after").strip(
        '"').startswith("9999-12-31")


def test_key_log(lab):
    """The key log is off by default; only its owner can read its file, and an
    existing file is never used."""
    hv1, hv2 = lab.hvs
    log = hv1.keylog_file
    assert not log.exists()
    hv1.keylog()
    hv1.appctl("vnetenc/rekey", hv2.ip)
    wait_until(lambda: log.exists() and "CLIENT_RANDOM" in log.read_text(),
               "the key log is written")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert "key log" in hv1.show().lower() or "keylog" in hv1.show().lower()
    hv1.keylog(on=False)
    size = log.stat().st_size
    hv1.rekey(hv2)
    assert not log.exists() or log.stat().st_size == size


def test_key_log_refuses_a_trap(lab):
    """Somebody put a file, or a link, where the key log would be."""
    hv1, hv2 = lab.hvs
    victim = lab.run.dir / "victim"
    victim.write_text("precious\n")
    os.symlink(victim, hv1.keylog_file)
    answer = hv1.appctl("vnetenc/keylog", "on", check=False)
    hv1.rekey(hv2)
    assert victim.read_text() == "precious\n", answer


def test_key_log_is_off_after_restart(lab):
    hv1, hv2 = lab.hvs
    hv1.keylog()
    hv1.kill_vswitchd()
    log = hv1.keylog_file
    size = log.stat().st_size if log.exists() else 0
    hv1.restart_vswitchd()
    lab.vms[0].reaches(lab.vms[1].ip)
    assert (log.stat().st_size if log.exists() else 0) == size


def test_profile_of_a_port(lab):
    """A change of profile makes other sessions at once, and sends nothing in
    clear."""
    vm1, vm2 = lab.vms
    for hv in lab.hvs:
        hv.add_profile(3, ciphers="CHACHA20-POLY1305")
        hv.fingerprint(3)
    running = vm1.ping_start(vm2.ip, 400, 0.01)
    for hv, tunnel in zip(lab.hvs, ("gnv2", "gnv1")):
        hv.vsctl("set", "Interface", tunnel, "options:encryption_profile=3")
        hv.revalidate()
    vm1.reaches(vm2.ip)
    since = time.time()
    assert not vm1.ping(vm2.ip, 20, 0.01).lost
    pings(running)
    path = lab.pcap.stop()
    # ChaCha20 has no explicit nonce, so no counter is readable.
    assert not capture.plaintext_tunnel(path)
    assert capture.data_records(path, since)
    assert server_names(lab, path) == {"p0.vnetenc.invalid",
                                       "p3.vnetenc.invalid"}


def test_ciphers_changed(lab):
    """A new order of a profile's ciphers takes effect without a restart."""
    hv1, hv2 = lab.hvs
    wait_until(lambda: "AES256" in hv1.peer(hv2.ip, "cipher"),
               "the cipher is shown")
    for hv in lab.hvs:
        hv.vsctl("set", "VNetEnc_Profile", "0",
                 'ciphers="AES128-GCM"')
    hv1.appctl("vnetenc/rekey", hv2.ip)
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    wait_until(lambda: "AES128" in hv1.peer(hv2.ip, "cipher"),
               "the new cipher is in use")
    assert_sealed(lab.pcap.stop(), lab)


def test_bad_ciphers_are_refused(lab):
    """A bad value is reported, and the previous good one stays in force."""
    hv1, hv2 = lab.hvs
    hv1.vsctl("set", "VNetEnc_Profile", "0", 'ciphers="AES256-SHA"')
    wait_until(lambda: "AES256-SHA" in hv1.vsctl(
        "get", "VNetEnc_Profile", "0", "error"), "the error is shown")
    hv1.appctl("vnetenc/rekey", hv2.ip)
    vm1, vm2 = lab.vms
    assert not vm1.ping(vm2.ip, 20, 0.02).lost
    assert_sealed(lab.pcap.stop(), lab)


def test_bad_fingerprint_is_refused(lab):
    """A bad value is reported, and the previous good one stays in force; a
    record that never had a good one accepts nobody."""
    hv1, hv2 = lab.hvs
    vm1, vm2 = lab.vms
    hv1.set_peer(hv2.ip, 'fingerprints="sha256:12xy"')
    wait_until(lambda: "sha256:12xy" in hv1.peer(hv2.ip, "last_error"),
               "the error is shown")
    hv1.appctl("vnetenc/rekey", hv2.ip)
    assert not vm1.ping(vm2.ip, 20, 0.02).lost
    since = time.time()
    hv1.vsctl("destroy", "VNetEnc_Peer", hv2.ip)
    hv1.add_peer(hv2.ip, "sha256:12xy")
    wait_until(lambda: "sha256:12xy" in hv1.peer(hv2.ip, "last_error"),
               "the error is shown")
    assert not vm1.ping(vm2.ip, 20, 0.02, wait=0.5).received
    hv1.set_peer(hv2.ip, f'fingerprints="{hv2.fingerprint()}"')
    vm1.reaches(vm2.ip)
    wait_until(lambda: hv1.peer(hv2.ip, "last_error") in ("", "[]"),
               "no error is shown any more")
    assert_sealed(lab.pcap.stop(), lab, since=since)


@pytest.mark.parametrize("value", ["always", "REQUIRE", ""])
def test_bad_port_option_is_refused(lab, value):
    """A port whose option becomes unreadable continues as before, sealed."""
    hv1 = lab.hvs[0]
    hv1.vsctl("set", "Interface", "gnv2", f'options:encryption="{value}"')
    vm1, vm2 = lab.vms
    vm1.ping(vm2.ip, 20, 0.02)
    assert_sealed(lab.pcap.stop(), lab)
    assert "encryption" in hv1.log()


def test_certificate_replaced(make_lab):
    """With a CA, a host gets a new certificate while traffic flows, and peers
    need no change."""
    lab = make_lab()
    mint = Mint(lab.run)
    ca = mint.make_ca()
    for hv in lab.hvs:
        own = mint.make(ca, san=f"IP:{hv.ip}")
        hv.add_profile(certificate=own.cert, private_key=own.key,
                       ca_cert=ca.cert)
    for hv, other in zip(lab.hvs, lab.hvs[::-1]):
        assert hv.fingerprint()
        hv.add_peer(other.ip)
    lab.connect(encryption="require")
    vm1, vm2 = lab.vms
    hv1, hv2 = lab.hvs
    pcap = lab.underlay.capture()
    vm1.reaches(vm2.ip)
    before = hv2.fingerprint()
    running = vm1.ping_start(vm2.ip, 1000, 0.01)
    new = mint.make(ca, san=f"IP:{hv2.ip}", key="ec:P-384")
    hv2.vsctl("set", "VNetEnc_Profile", "0", f'certificate="{new.cert}"',
              f'private_key="{new.key}"')
    wait_until(lambda: hv2.fingerprint() == new.fingerprint != before,
               "the new certificate is in use")
    for hv, other in zip(lab.hvs, lab.hvs[::-1]):
        hv.appctl("vnetenc/rekey", other.ip)
    wait_until(lambda: hv1.peer(hv2.ip, "peer_fingerprint")
               == new.fingerprint, "the peer has seen it")
    time.sleep(0.5)
    ping = pings(running, stop=True)
    assert not ping.lost
    assert_sealed(pcap.stop(), lab)


def test_option_taken_away_and_set_again(lab):
    """Encryption follows the option: with `off`, the traffic is in clear; with
    the option, it is sealed, and nothing is in clear from then on."""
    vm1, vm2 = lab.vms
    for hv, tunnel in zip(lab.hvs, ("gnv2", "gnv1")):
        hv.vsctl("remove", "Interface", tunnel, "options", "encryption")
        hv.revalidate()
    vm1.reaches(vm2.ip)
    assert capture.plaintext_tunnel(lab.pcap.now())
    for hv, tunnel in zip(lab.hvs, ("gnv2", "gnv1")):
        hv.vsctl("set", "Interface", tunnel, "options:encryption=require")
        hv.revalidate()
    since = time.time()
    assert not vm1.ping(vm2.ip, 20, 0.02).lost
    assert_sealed(lab.pcap.stop(), lab, since=since)


def test_lanes(make_lab):
    """A profile with four lanes: flows are spread over several sessions."""
    lab = make_lab()
    for hv in lab.hvs:
        hv.add_profile(lanes=4)
    lab.exchange_pins()
    lab.connect(encryption="require")
    vm1, vm2 = lab.vms
    pcap = lab.underlay.capture()
    vm1.reaches(vm2.ip)
    sock = vm1.packet_socket("e0")
    for port in range(5000, 5064):
        sock.send(packets.udp_frame(vm1.mac, vm1.ip, vm2.mac, vm2.ip,
                                    b"x", port))

    def n_up():
        peer, = lab.hvs[0].show_json()["peers"]
        return sum(session["direction"] == "out" and session["state"] == "up"
                   for session in peer["sessions"])

    wait_until(lambda: n_up() == 4, "each lane has a session")
    for port in range(5000, 5064):
        sock.send(packets.udp_frame(vm1.mac, vm1.ip, vm2.mac, vm2.ip,
                                    b"x", port))
    path = pcap.stop()
    mine = {s for s in sessions_on_wire(path) if s[0] == lab.hvs[0].ip}
    assert 2 <= len(mine) <= 4
    assert_sealed(path, lab)


def test_vni_of_another_profile(lab):
    """A profile lists the VNI: from then on it is not accepted under any
    other profile."""
    vm1, vm2 = lab.vms
    hv1, hv2 = lab.hvs
    assert not vm1.ping(vm2.ip, 5, 0.02).lost
    hv2.add_profile(9, tunnel_keys=7)
    hv2.revalidate()
    assert vm1.ping(vm2.ip, 5, 0.05, wait=0.3).lost == 5
    hv2.expect("vnetenc_rx_vni", 5)
    hv1.add_profile(9)
    hv1.vsctl("set", "Interface", "gnv2", "options:encryption_profile=9")
    hv1.revalidate()
    # Nor does it leave under another one.
    assert vm1.ping(vm2.ip, 5, 0.05, wait=0.3).lost == 5
    hv2.expect("vnetenc_tx_vni", 1)
    hv2.vsctl("set", "Interface", "gnv1", "options:encryption_profile=9")
    vm1.reaches(vm2.ip)
    assert_sealed(lab.pcap.stop(), lab)


def test_plain_tunnels_on_dtls_port(make_lab):
    """A host that knew nothing of vnetenc had its tunnels on UDP port 6082:
    they stay, and nothing is encrypted."""
    lab = make_lab()
    (hv1, hv2), (vm1, vm2) = lab.hvs, lab.vms
    lab.pin()
    for hv in lab.hvs:
        hv.add_tunnel(lab.hvs[2 - hv.number].ip, "gnv0", dst_port=6082)
    vm1.reaches(vm2.ip)
    for hv in lab.hvs:
        hv.vswitchd.stop()
        hv.restart_vswitchd()
    vm1.reaches(vm2.ip)
    assert hv1.show().startswith("encryption: OFF, UDP port 6082")
    hv1.vsctl("set", "Interface", "gnv0", "options:encryption=require")
    assert "port 6082" in hv1.vsctl("get", "Interface", "gnv0", "error")
    assert not vm1.ping(vm2.ip, 3, 0.05, wait=0.3).received

    # Encrypted tunnels get another port, plain ones the usual one.
    for hv in lab.hvs:
        hv.vsctl("remove", "Interface", "gnv0", "options", "dst_port")
        hv.vswitchd.stop()
        hv.restart_vswitchd()
    hv2.vsctl("set", "Interface", "gnv0", "options:encryption=require")
    hv2.revalidate()
    pcap = lab.underlay.capture()
    vm1.reaches(vm2.ip, 10)
    assert_sealed(pcap.stop(), lab)


def test_address_changed(lab):
    """A host gets another tunnel address: the sessions that it began at the
    old one end, and are no state of the peer's any more."""
    (hv1, hv2), (vm1, vm2) = lab.hvs, lab.vms
    new = "172.31.0.77"
    hv1.run.ip(hv1.netns, f"addr del {hv1.ip}/24 dev br-phys",
               f"addr add {new}/24 dev br-phys")
    hv2.vsctl("set", "Interface", "gnv1", f"options:remote_ip={new}", "--",
              "set", "VNetEnc_Peer", hv1.ip, f'remote_ip="{new}"')
    vm1.reaches(vm2.ip, 10)
    vm2.reaches(vm1.ip, 10)

    def settled():
        peer, = hv1.show_json()["peers"]
        return peer["state"] == "up" and {
            s["local_ip"] for s in peer["sessions"]
            if s["direction"] == "out"} == {new}

    wait_until(settled, "only sessions of the new address are left")
    wait_until(lambda: hv1.peer(hv2.ip, "state") == "up"
               and hv1.peer(hv2.ip, "last_error") in ("", "[]"),
               "the status is good")
    assert_sealed(lab.pcap.stop(), lab)


def manual_firewall():
    """The rules for nftables as the manual shows them, with our file."""
    text = (TOP / "Documentation/OPERATING.md").read_text(encoding="utf-8")
    block, = re.findall(r"^    table inet filter \{\n(?:    .*\n)+?    \}\n",
                        text, re.M)
    assert block.count("...") == 2 and block.count("policy drop") == 2
    return block.replace("...", "").replace(
        "/usr/share/vnetenc", str(TOP / "utilities"))


def test_firewall(make_lab):
    """The firewall of a host that accepts only what the manual says lets
    handshakes through."""
    lab = make_lab()
    for hv in lab.hvs:
        lab.run.cmd("nft", "-f", "-", netns=hv.netns, stdin=manual_firewall())
    lab.pin()
    lab.connect(encryption="require")
    pcap = lab.underlay.capture()
    for src, dst in ((lab.vms[0], lab.vms[1]), (lab.vms[1], lab.vms[0])):
        src.reaches(dst.ip)
        assert not src.ping(dst.ip).lost
    assert_sealed(pcap.stop(), lab)
    # Without our rules no session begins.
    hv1, hv2 = lab.hvs
    lab.run.cmd("nft", "flush", "chain", "inet", "filter", "vnetenc",
                netns=hv2.netns)
    hv1.kill_vswitchd()
    hv1.restart_vswitchd()
    wait_until(lambda: "no_answer: from UDP port 6082"
               in hv1.peer(hv2.ip, "last_error"), "the reason is shown", 30)


def test_firewalld_service():
    """It opens the ports of the rules for nftables."""
    service = ElementTree.parse(TOP / "utilities/firewalld/vnetenc.xml")
    rules = (TOP / "utilities/vnetenc.nft").read_text(encoding="utf-8")
    for field, tag in (("dport", "port"), ("sport", "source-port")):
        ports = {e.get("port") for e in service.getroot().iter(tag)
                 if e.get("protocol") == "udp"}
        assert re.search(rf"udp {field} \{{ ([\d, ]+) \}} accept",
                         rules)[1].split(", ") == sorted(ports)
