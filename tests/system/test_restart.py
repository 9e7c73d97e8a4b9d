# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Daemons end and start again; encrypted traffic returns by itself, and
plaintext never appears."""

import os
import signal
import time

import pytest

from claims import assert_sealed
from lab import delivers, pings, stop_answered, tcp_transfer
from runspace import Late, stopped_thread, wait_until

MARKER = b"what was said before and after the fall "
BACK_WITHIN_S = 5.0


def restart(lab, hypervisors, end):
    """Ends daemons while vm1 pings vm2 and starts them again; a ping is
    answered soon after the start."""
    vm1, vm2 = lab.vms
    running = vm1.ping_start(vm2.ip, 1000, 0.02)
    time.sleep(0.2)
    for hv in hypervisors:
        end(hv)
    time.sleep(0.3)
    started = time.time()
    for hv in hypervisors:
        hv.restart_vswitchd()
    vm1.reaches(vm2.ip, timeout=15)
    stop_answered(running, started, BACK_WITHIN_S)


def kill(hv):
    hv.kill_vswitchd()


def end_gracefully(hv):
    hv.appctl("exit")
    hv.vswitchd.stop(signal.SIGTERM)


@pytest.mark.parametrize("end", [kill, end_gracefully],
                         ids=lambda f: f.__name__)
@pytest.mark.parametrize("which", [(0,), (1,), (0, 1)],
                         ids=["sender", "receiver", "both"])
def test_back_by_itself(lab, end, which):
    restart(lab, [lab.hvs[i] for i in which], end)
    vm1, vm2 = lab.vms
    assert tcp_transfer(vm1, vm2, MARKER * 1000) == MARKER * 1000
    assert_sealed(lab.pcap.stop(), lab, MARKER)


def test_again_and_again(lab):
    """The host's certificate is kept, so pins continue to match."""
    before = lab.hvs[1].fingerprint()
    for _ in range(3):
        restart(lab, [lab.hvs[1]], kill)
    assert lab.hvs[1].fingerprint() == before
    assert_sealed(lab.pcap.stop(), lab)


def test_database_that_stands(lab):
    """Sessions live on, and are replaced, while no database answers."""
    (hv1, hv2), (vm1, vm2) = lab.hvs, lab.vms

    def statistics(name):
        peer, = hv1.show_json()["peers"]
        return peer["statistics"][name]

    for hv in lab.hvs:
        os.kill(hv.ovsdb.pid, signal.SIGSTOP)
    try:
        # Longer than all probes of a session last.
        assert not vm1.ping(vm2.ip, 150, 0.05).lost
        before = statistics("rekeys")
        hv1.appctl("vnetenc/rekey", hv2.ip)
        wait_until(lambda: statistics("rekeys") > before, "a rekey")
        assert not vm1.ping(vm2.ip, 20, 0.02).lost
        if statistics("lost"):          # Or a host stood for a while.
            raise Late("a session was lost")
    finally:
        for hv in lab.hvs:
            os.kill(hv.ovsdb.pid, signal.SIGCONT)
    assert_sealed(lab.pcap.stop(), lab)


def test_main_thread_that_stands(lab):
    """The thread that forwards packets stands, while the one that makes
    handshakes and answers probes goes on: the peer must not take the sessions
    for good ones."""
    (hv1, hv2), (vm1, vm2) = lab.hvs, lab.vms

    def state():
        return hv1.show_json()["peers"][0]["state"]

    vm2.reaches(vm1.ip)
    assert state() == "up"
    with stopped_thread(hv2.vswitchd.pid):
        running = vm1.ping_start(vm2.ip, 1000, 0.02)
        wait_until(lambda: state() != "up", "the peer does not count as up")
        assert not vm1.ping(vm2.ip, 3, 0.02, wait=1).received
        assert state() != "up"
    wait_until(lambda: state() == "up", "the peer is up again")
    vm1.reaches(vm2.ip)
    vm2.reaches(vm1.ip)
    pings(running, stop=True)
    assert_sealed(lab.pcap.stop(), lab)


def test_traffic_in_one_direction_only(lab):
    """The receiver ends while only one side sends: the sender learns of it
    without traffic from the other side."""
    vm1, vm2 = lab.vms
    hv2 = lab.hvs[1]
    receiver = vm2.receiver()
    sender = vm1.socket(2, 2)           # AF_INET, SOCK_DGRAM.
    hv2.kill_vswitchd()
    time.sleep(0.3)
    hv2.restart_vswitchd()
    receiver.settimeout(0.05)

    wait_until(lambda: delivers(sender, receiver, vm2, MARKER),
               "the sender has a new session", BACK_WITHIN_S)
    assert_sealed(lab.pcap.stop(), lab, MARKER)
