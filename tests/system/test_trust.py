# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""A peer is refused for each defect, in both roles, and accepted without the
defect.

The peer is the openssl tool, which itself accepts any certificate."""

import contextlib
import datetime
import time

import pytest

import capture
import packets
from runspace import PATIENCE, wait_until
from sslpeer import DAY, Client, Mint, Server

PHANTOM = ("0a:7e:5c:31:d9:c8", "10.9.0.200")
MARKER = b"not for a stranger"
IP = "172.31.0.101"
HOUR = datetime.timedelta(hours=1)
SURELY = 30 * PATIENCE          # Seconds; a good peer takes less than one.


class Case:
    """A peer: its row here, and the certificate that it shows."""

    def __init__(self, mint):
        self.mint = mint
        self.ca = None                  # The CA of the profile.
        self.pins = []
        self.name = None
        self.shown = None
        self.client = {}                # Arguments of Client.
        self.server = {}                # Arguments of Server.

    def pinned(self, **how):
        self.shown = self.mint.make(**how)
        self.pins = [self.shown.fingerprint]

    def certified(self, **how):
        self.ca = self.mint.make_ca()
        self.shown = self.mint.make(self.ca, **{"san": f"IP:{IP}", **how})


# Peers without a defect.

def good_pin(case):
    case.pinned()


def good_second_pin(case):
    case.pinned()
    case.pins.insert(0, case.mint.make().fingerprint)


def good_ca(case):
    case.certified()


def good_ca_name(case):
    case.certified(san="DNS:host-b.example")
    case.name = "host-b.example"


def good_intermediate_ca(case):
    case.ca = case.mint.make_ca()
    case.shown = case.mint.make(case.mint.make_ca(case.ca), san=f"IP:{IP}")


def good_both(case):
    case.certified()
    case.pins = [case.shown.fingerprint]


# Peers with one defect each.

def wrong_fingerprint(case):
    case.pinned()
    case.pins = [case.mint.make().fingerprint]


def no_trust_anchor(case):
    case.pinned()
    case.pins = []


def wrong_ca(case):
    case.certified()
    case.ca = case.mint.make_ca()


def self_signed_for_ca(case):
    case.certified()
    case.shown = case.mint.make(san=f"IP:{IP}")


def expired_pin(case):
    case.pinned(starts=-2 * DAY, ends=-HOUR)


def expired_ca(case):
    case.certified(starts=-2 * DAY, ends=-HOUR)


def future_pin(case):
    case.pinned(starts=HOUR)


def future_ca(case):
    case.certified(starts=HOUR)


def other_hosts_address(case):
    case.certified(san="IP:172.31.0.77")


def other_hosts_name(case):
    case.certified(san="DNS:host-c.example")
    case.name = "host-b.example"


def no_san(case):
    case.certified(san="")


def weak_key_pin(case):
    case.pinned(key="rsa:1024")
    case.client["options"] = ["-cipher", "DEFAULT@SECLEVEL=0"]
    case.server["options"] = ["-cipher", "DEFAULT@SECLEVEL=0"]


def weak_key_ca(case):
    case.certified(key="rsa:1024")
    case.client["options"] = ["-cipher", "DEFAULT@SECLEVEL=0"]
    case.server["options"] = ["-cipher", "DEFAULT@SECLEVEL=0"]


def no_master_secret_extension(case):
    case.pinned()
    env = case.mint.without_master_secret_extension()
    case.client["env"] = case.server["env"] = env


def wrong_alpn(case):
    case.pinned()
    case.client["alpn"] = case.server["alpn"] = "vnetenc/9"


def no_alpn(case):
    case.pinned()
    case.client["alpn"] = case.server["alpn"] = None


def old_version(case):
    case.pinned()
    case.client["version"] = case.server["version"] = "-dtls1"
    case.client["options"] = ["-cipher", "DEFAULT@SECLEVEL=0"]
    case.server["options"] = ["-cipher", "DEFAULT@SECLEVEL=0"]


def cbc_suite(case):
    case.pinned()
    case.client["options"] = ["-cipher", "ECDHE-ECDSA-AES256-SHA384"]
    case.server["options"] = ["-cipher", "ECDHE-ECDSA-AES256-SHA384"]


def both_pin_fails(case):
    case.certified()
    case.pins = [case.mint.make().fingerprint]


def both_ca_fails(case):
    case.certified()
    case.pins = [case.shown.fingerprint]
    case.ca = case.mint.make_ca()


def no_client_certificate(case):
    case.pinned()
    case.shown = None


def no_server_name(case):
    case.pinned()
    case.client["sni"] = None


def foreign_server_name(case):
    case.pinned()
    case.client["sni"] = "p0.example.com"


def unknown_profile(case):
    case.pinned()
    case.client["sni"] = "p99.vnetenc.invalid"


GOOD = [good_pin, good_second_pin, good_ca, good_ca_name,
        good_intermediate_ca, good_both]
BAD = [wrong_fingerprint, no_trust_anchor, wrong_ca, self_signed_for_ca,
       expired_pin, expired_ca, future_pin, future_ca, other_hosts_address,
       other_hosts_name, no_san, weak_key_pin, weak_key_ca,
       no_master_secret_extension, wrong_alpn, no_alpn, old_version,
       cbc_suite, both_pin_fails, both_ca_fails]
BAD_CLIENT = [no_client_certificate, no_server_name, foreign_server_name,
              unknown_profile]


@pytest.fixture(name="lab")
def fixture_lab(make_lab):
    lab = make_lab(n_hypervisors=1, n_strangers=1)
    lab.hvs[0].add_tunnel(IP, encryption="require")
    return lab


def prepare(lab, make_case):
    """Configures the hypervisor as the case says."""
    case = Case(Mint(lab.run))
    make_case(case)
    hv = lab.hvs[0]
    columns = {}
    if case.ca:
        own = case.mint.make(case.ca, san=f"IP:{hv.ip}")
        columns = {"ca_cert": case.ca.cert, "certificate": own.cert,
                   "private_key": own.key}
    hv.add_profile(**columns)
    hv.fingerprint()
    hv.add_peer(IP, case.pins, **({"name": case.name} if case.name else {}))
    return case


def client_is_heard(lab, case, patience):
    """Does data of the stranger's s_client reach the VM?"""
    vm = lab.vms[0]
    receiver = vm.receiver()
    receiver.settimeout(0.05)
    client = Client(lab.strangers[0], lab.hvs[0].ip, case.shown,
                    **case.client)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and not client.ended():
        if client.established():
            with contextlib.suppress(BrokenPipeError):  # It has just ended.
                client.send(packets.geneve(7, packets.udp_frame(
                    *PHANTOM, vm.mac, vm.ip, MARKER)))
        try:
            return receiver.recv(100) == MARKER
        except TimeoutError:
            pass
    return False


def server_is_told(lab, case, patience):
    """Can the stranger's s_server read packets of the VM?"""
    vm = lab.vms[0]
    server = Server(lab.strangers[0], case.shown, **case.server)
    sender = vm.packet_socket("e0")
    frame = packets.udp_frame(vm.mac, vm.ip, *PHANTOM, MARKER)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        sender.send(frame)
        time.sleep(0.05)
        if MARKER in server.received():
            return True
    return False


@pytest.mark.parametrize("make_case", GOOD, ids=lambda f: f.__name__)
def test_accepted(lab, make_case):
    case = prepare(lab, make_case)
    assert client_is_heard(lab, case, SURELY)
    assert server_is_told(lab, case, SURELY)


@pytest.mark.parametrize("make_case", BAD, ids=lambda f: f.__name__)
def test_refused_as_server(lab, make_case):
    """As a server, a peer with a defect never gets a record of ours."""
    case = prepare(lab, make_case)
    pcap = lab.underlay.capture()
    assert not server_is_told(lab, case, 1.5)
    hv = lab.hvs[0]
    wait_until(lambda: hv.peer(IP, "last_error") not in ("", "[]"),
               "the reason is shown", 20)
    path = pcap.stop()
    assert not capture.count(path, MARKER)
    assert not [r for r in capture.data_records(path) if r.src == hv.ip]


@pytest.mark.parametrize("make_case", BAD + BAD_CLIENT,
                         ids=lambda f: f.__name__)
def test_refused_as_client(lab, make_case):
    """As a client, a peer with a defect never gets a packet delivered."""
    case = prepare(lab, make_case)
    assert not client_is_heard(lab, case, 1.5)


def test_no_client_certificate_on_every_profile(lab):
    """A profile other than the first demands a certificate as well."""
    hv, stranger = lab.hvs[0], lab.strangers[0]
    mint = Mint(lab.run)
    peer = mint.make()
    hv.add_peer(IP, peer.fingerprint)
    for number in (0, 1, 255):
        hv.add_profile(number)
        hv.fingerprint(number)
        sni = f"p{number}.vnetenc.invalid"
        client = Client(stranger, hv.ip, peer, sni=sni)
        client.wait_established()
        client.stop()
        nobody = Client(stranger, hv.ip, None, sni=sni)
        wait_until(nobody.ended, "the nameless client is refused", 12)
        assert not nobody.established()


def test_change_of_trust_ends_sessions(lab):
    """A pin taken away, put back, and taken away with the row: each change
    re-judges the session that is up."""
    case = prepare(lab, good_pin)
    hv = lab.hvs[0]
    assert server_is_told(lab, case, SURELY)
    assert client_is_heard(lab, case, SURELY)
    hv.set_peer(IP, 'fingerprints="sha256:' + "0" * 64 + '"')
    wait_until(lambda: not [
        session for peer in hv.show_json()["peers"]
        for session in peer["sessions"] if session["state"] == "up"],
        "no session is up any more")
    vm = lab.vms[0]

    def dropped():
        return hv.show_json()["drops"]["tx_no_session"]

    before = dropped()
    vm.packet_socket("e0").send(packets.udp_frame(
        vm.mac, vm.ip, *PHANTOM, MARKER))
    wait_until(lambda: dropped() > before, "it is dropped")
    wait_until(lambda: f"{IP} profile 0: a session that the peer began ends: "
               "peer no longer accepted: other_certificate: "
               "certificate sha256:" in hv.log(),
               "the log tells of the session that the peer began")
    assert not client_is_heard(lab, case, 1.5)
