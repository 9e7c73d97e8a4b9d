# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""A bad network between the hypervisors: the relay loses, reorders and
duplicates packets."""

import contextlib
import socket
import time

import pytest

import capture
from claims import assert_sealed, assert_silent, is_handshake
from lab import tcp_transfer
from relay import Faults
from runspace import PATIENCE, Late, wait_until

MARKER = b"through thick and thin "
WINDOW = 50


@pytest.fixture(name="lab")
def fixture_lab(make_lab):
    lab = make_lab()
    lab.pin()
    lab.pcap = lab.underlay.capture()
    return lab


def send_numbers(src, dst, count):
    """Sends datagrams with numbers, and returns the numbers that arrive until
    none arrives any longer.  A busy host loses what waits in front of it for
    too long, so some wait for those before them."""
    receiver = dst.receiver()
    sender = src.socket(socket.AF_INET, socket.SOCK_DGRAM)
    got = []

    def receive(timeout, least=float("inf")):
        receiver.settimeout(timeout * PATIENCE)
        with contextlib.suppress(TimeoutError):
            while len(got) < least:
                got.append(int(receiver.recv(100)))

    for first in range(0, count, WINDOW):
        n = len(got)
        for i in range(first, first + WINDOW):
            sender.sendto(b"%d" % i, (dst.ip, 7777))
            time.sleep(0.0005)
        receive(2, n + WINDOW)
    receive(0.5)
    return got


def faulty(lab, seed, **faults):
    """Makes the tunnels last: machines send packets by themselves, which would
    begin a handshake without faults."""
    relay = lab.underlay.relay(lab.hvs[1], seed)
    relay.out.faults = relay.back.faults = Faults(**faults)
    lab.connect(encryption="require")
    return relay


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_handshake_over_loss(lab, seed):
    """Every fourth packet is lost: sessions come up nevertheless."""
    faulty(lab, seed, loss=0.25)
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip, timeout=15)
    assert_sealed(lab.pcap.stop(), lab)


def test_each_flight_lost_once(lab):
    """Each handshake datagram is lost when it is first seen."""
    seen = set()

    def first_time(frame):
        if not is_handshake(frame):
            return False
        sender, sport, _, dport, payload = capture.udp(frame)
        # A retransmission has a new record sequence number.
        name = (sender, sport, dport, payload[:1], payload[13:14],
                len(payload))
        if name in seen:
            return False
        seen.add(name)
        return True

    faulty(lab, 1, drop=first_time)
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip, timeout=15)
    assert len(seen) >= 8
    assert_sealed(lab.pcap.stop(), lab)


def test_duplicates_are_dropped(lab):
    """Every packet arrives twice: every datagram is delivered once."""
    relay = faulty(lab, 1, duplicate=1.0)
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    hv2 = lab.hvs[1]
    before = hv2.coverage("vnetenc_rx_replay")
    got = send_numbers(vm1, vm2, 100)
    assert len(got) >= 95 and len(set(got)) == len(got)
    hv2.expect("vnetenc_rx_replay", before + 95)
    assert relay.back.counts.duplicated >= 95


def test_reordering_is_harmless(lab):
    """A third of the packets overtakes others: all are delivered."""
    faulty(lab, 1, reorder=0.3)
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    got = send_numbers(vm1, vm2, 500)
    assert len(got) >= 475              # A busy machine loses some itself.
    assert got != sorted(got) and len(set(got)) == len(got)
    hv2 = lab.hvs[1]
    time.sleep(1.2)
    assert not hv2.coverage("vnetenc_rx_window")
    assert not hv2.coverage("vnetenc_rx_replay")


def test_transfer_over_everything(lab):
    faulty(lab, 7, loss=0.02, duplicate=0.05, reorder=0.1)
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip, timeout=15)
    data = MARKER * 5000
    assert tcp_transfer(vm1, vm2, data, timeout=20) == data
    assert_sealed(lab.pcap.stop(), lab, MARKER)


def test_blocked_handshake(lab):
    """No handshake gets through: `require` sends nothing, and reports that.
    After the block is lifted, traffic flows."""
    relay = faulty(lab, 1, drop=is_handshake)
    vm1, vm2 = lab.vms
    assert vm1.ping(vm2.ip, 30, 0.1, wait=0.2).lost == 30
    lab.hvs[0].expect("vnetenc_tx_no_session", 20)
    assert_silent(lab.pcap.now(), lab)
    assert not capture.data_records(lab.pcap.now())
    relay.out.faults = relay.back.faults = Faults()
    vm1.reaches(vm2.ip, timeout=15)
    assert_sealed(lab.pcap.stop(), lab)


def test_underlay_goes_away(lab):
    """The cable is cut for longer than all probes last.  Afterwards traffic
    flows again, and nothing leaked."""
    relay = faulty(lab, 1)
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    relay.out.faults = relay.back.faults = Faults(drop=lambda frame: True)
    assert vm1.ping(vm2.ip, 50, 0.1, wait=0.1).lost == 50
    relay.out.faults = relay.back.faults = Faults()
    wait_until(lambda: vm1.ping(vm2.ip, 1, 1, wait=0.2).received,
               "traffic is back", 15)
    assert_sealed(lab.pcap.stop(), lab)


def test_wrong_neighbours_of_the_kernel(make_lab):
    """Probes and their answers go where data goes, so a session lives on whose
    data arrives, whatever the kernel takes for the peer's MAC address."""
    lab = make_lab()
    lab.pin()
    lab.connect(encryption="require")
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    for hv, other in zip(lab.hvs, lab.hvs[::-1]):
        hv.run.ip(hv.netns, f"neigh replace {other.ip} lladdr"
                            " 02:00:00:00:00:99 dev br-phys nud permanent")
    assert not vm1.ping(vm2.ip, 240, 0.05).lost
    # A host that stands for a while answers no probe, either.
    if any(hv.show_json()["peers"][0]["statistics"]["lost"]
           for hv in lab.hvs):
        raise Late("a session was lost")
