# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Keys in the memory of ovs-vswitchd, and ovs-vswitchd as a user that is not
root."""

import hmac
import os
import re

from cryptography.hazmat.primitives import serialization

import packets
from claims import NOBODY, assert_sealed, tshark
from sslpeer import Client, Mint

MARKER = b"told by a stock DTLS peer "
PHANTOM = ("0a:7e:5c:31:d9:c8", "10.9.0.200")
CAPABILITIES = {"CAP_NET_BIND_SERVICE": 10, "CAP_NET_BROADCAST": 11,
                "CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_IPC_LOCK": 14,
                "CAP_SYS_RAWIO": 17}


def count_in_memory(pid, secrets):
    """How often each of `secrets` is in the memory that a core dump of a
    process would hold, and in what it would leave out: {name: (n, m)}."""
    found = {name: [0, 0] for name in secrets}
    place = None
    with open(f"/proc/{pid}/smaps", encoding="ascii", errors="replace") \
            as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            begins = re.match(r"([0-9a-f]+)-([0-9a-f]+) (r?)", line)
            if begins:
                place = begins[3] and "[v" not in line \
                    and [int(begins[n], 16) for n in (1, 2)]
            elif line.startswith("VmFlags:") and place:
                memory.seek(place[0])
                octets = memory.read(place[1] - place[0])
                for name, secret in secrets.items():
                    found[name][" dd" in line] += octets.count(secret)
    return {name: tuple(counts) for name, counts in found.items()}


def expand(master, label, size):
    """P_SHA384 of RFC 5246 section 5."""
    a, out = label, b""
    while len(out) < size:
        a = hmac.digest(master, a, "sha384")
        out += hmac.digest(master, a + label, "sha384")
    return out[:size]


def session_keys(lab, path, log):
    """Master secrets and traffic keys of the sessions in a capture.  Which
    ServerHello belongs to which ClientHello is not looked at: keys that do
    not exist are nowhere."""
    servers = [bytes.fromhex(text) for text in tshark(
        lab.run, path, log, "dtls.handshake.type == 2",
        "dtls.handshake.random")]
    secrets = {}
    for n, randoms in enumerate(re.findall("^CLIENT_RANDOM (.*) (.*)$",
                                           log.read_text(), re.M)):
        client, master = map(bytes.fromhex, randoms)
        secrets[f"master secret {n}"] = master
        for m, server in enumerate(servers):
            block = expand(master, b"key expansion" + server + client, 64)
            secrets[f"client's key {n}.{m}"] = block[:32]
            secrets[f"server's key {n}.{m}"] = block[32:]
    return secrets


def test_core_dump(make_lab):
    """A core dump holds neither the host's private key nor any key of a live
    session."""
    lab = make_lab(n_hypervisors=1, n_strangers=1)
    hv, stranger, vm = lab.hvs[0], lab.strangers[0], lab.vms[0]
    credential = Mint(lab.run).make()
    hv.add_profile(ciphers="AES256-GCM")
    hv.fingerprint()
    hv.add_tunnel(stranger.ip, encryption="require")
    log = lab.run.dir / "stock.keys"
    capture = lab.underlay.capture()
    hv.add_peer(stranger.ip, credential.fingerprint)
    client = Client(stranger, hv.ip, credential, options=["-keylogfile", log])
    client.wait_established()
    receiver = vm.receiver()
    client.send(packets.geneve(7, packets.udp_frame(*PHANTOM, vm.mac, vm.ip,
                                                    MARKER)))
    assert receiver.recv(2000) == MARKER
    secrets = session_keys(lab, capture.stop(), log)
    pem = (hv.dir / "vnetenc/hypervisor.pem").read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    secrets["private key"] = key.private_numbers().private_value.to_bytes(
        32, "little")
    secrets["private key in PEM"] = pem.splitlines()[1]
    # Padding, which would be zeros.
    assert all(len(set(secret)) > 8 for secret in secrets.values())

    found = count_in_memory(hv.vswitchd.pid, secrets)
    assert not any(dumped for dumped, _ in found.values()), found
    # They are there, of course: with them it seals, opens and signs.
    for kind in ("client's key", "server's key", "private key"):
        assert any(left_out for name, (_, left_out) in found.items()
                   if name.startswith(kind)), found
    core = hv.vswitchd.output() + (hv.dir / "vs.log").read_text()
    assert "core dumps will hold keys" not in core


def status_of(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return re.search(rf"^{name}:\s*(\S+)", status.read(), re.M)[1]


def test_unprivileged_user(make_lab):
    """ovs-vswitchd --user, with the capabilities that upstream leaves it and
    no others, makes sessions and carries traffic."""
    lab = make_lab()
    os.chmod(lab.run.dir, 0o711)
    for hv in lab.hvs:
        hv.restart_as_nobody()
        pid = hv.vswitchd.pid
        assert status_of(pid, "Uid") == str(NOBODY)
        has = int(status_of(pid, "CapEff"), 16)
        assert not has & ~sum(1 << n for n in CAPABILITIES.values()), hex(has)
    lab.pin()
    lab.connect(encryption="require")
    capture = lab.underlay.capture()
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    ping = vm1.ping(vm2.ip, count=20, interval=0.02)
    assert not ping.lost
    assert_sealed(capture.stop(), lab)
    for hv in lab.hvs:
        path = hv.dir / "vnetenc/hypervisor.pem"
        assert path.stat().st_uid == NOBODY
        assert path.stat().st_mode & 0o777 == 0o600
