# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Mode `prefer`, several profiles and new keys, on the kernel datapath."""

import pytest

import capture
from claims import assert_sealed, assert_silent, sessions_on_wire
from host import (
    MARKER, add_second_bridges, assert_traffic, capable, follow_flows,
    send_by_flows, sessions_up)
from lab import pings, replied
from runspace import wait_until


def test_prefer(make_hosts):
    """To a stock host in clear, sealed once the host is upgraded, in clear
    when its ovs-vswitchd has ended, and sealed again; each is counted."""
    lab = make_hosts()
    hv1, hv2 = lab.hvs
    vm1, vm2 = lab.vms
    hv1.add_tunnel(hv2.ip, "gnv2", encryption="prefer")
    hv2.add_tunnel(hv1.ip, "gnv1")
    capable(lab)
    pcap = lab.underlay.capture()
    assert_traffic(lab, 100)
    hv1.expect("vnetenc_clear_no_peer", 20)
    path = pcap.stop()
    assert {d.src for d in capture.plaintext_tunnel(path)} == {hv1.ip, hv2.ip}
    assert capture.count(path, MARKER)
    assert not capture.data_records(path)

    # The stock host is upgraded: first it only has peers.
    lab.pin()
    sessions_up([hv1])
    pcap = lab.underlay.capture()
    assert_traffic(lab, 100)
    path = pcap.stop()
    assert {d.src for d in capture.plaintext_tunnel(path)} == {hv2.ip}
    assert {r.src for r in capture.data_records(path)
            if r.dport == capture.DTLS} >= {hv1.ip}
    hv2.vsctl("set", "Interface", "gnv1", "options:encryption=prefer")
    hv2.revalidate()
    # Packets leave in clear if the handshake takes too long.
    vm1.reaches(vm2.ip, 15)
    sessions_up(lab.hvs)
    pcap = lab.underlay.capture()
    assert_traffic(lab, 100)
    assert_sealed(pcap.stop(), lab, MARKER)

    # The peer is gone.
    assert not hv1.coverage("vnetenc_clear_lost")
    hv2.kill_vswitchd()
    pcap = lab.underlay.capture()
    running = vm1.ping_start(vm2.ip, 100000, 0.1)
    wait_until(lambda: hv1.coverage("vnetenc_clear_lost") >= 5,
               "packets leave in clear", 60)
    running.stop()
    assert len(capture.plaintext_tunnel(pcap.stop())) >= 5
    hv2.restart_vswitchd()
    vm1.reaches(vm2.ip, 20)
    sessions_up(lab.hvs)
    pcap = lab.underlay.capture()
    assert_traffic(lab, 100)
    assert_sealed(pcap.stop(), lab, MARKER)


def test_prefer_with_require(make_hosts):
    """One side prefers, the other requires: the latter accepts nothing in
    clear."""
    lab = make_hosts()
    hv1, hv2 = lab.hvs
    vm1, vm2 = lab.vms
    hv1.add_tunnel(hv2.ip, encryption="prefer")
    hv2.add_tunnel(hv1.ip, encryption="require")
    capable(lab)
    assert vm1.ping(vm2.ip, 10, 0.05, wait=1).lost == 10
    hv1.expect("vnetenc_clear_no_peer", 5)
    lab.pin()
    vm1.reaches(vm2.ip, 20)
    pcap = lab.underlay.capture()
    assert_traffic(lab, 100)
    assert_sealed(pcap.stop(), lab, MARKER)


def test_switched_on(make_hosts):
    """Encryption goes on and off under traffic.  Of the packets that begin a
    session each loss is counted; with sessions nothing is lost."""
    lab = make_hosts()
    lab.pin()
    capable(lab)
    for hv in lab.hvs:
        hv.add_tunnel("flow", "gnv", key="flow")
    follow_flows(lab, out="", match="")
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)

    def drops():
        return sum(n for hv in lab.hvs
                   for n in hv.show_json()["drops"].values())

    for have_sessions in (False, True):
        before = drops()
        pcap = lab.underlay.capture()
        running = vm1.ping_start(vm2.ip, 100000, 0.01)
        for out in ("vnetenc", "", "vnetenc", ""):
            replied(running, 15)
            for hv, other in zip(lab.hvs, reversed(lab.hvs)):
                send_by_flows(hv, other, out)
                hv.revalidate()
            if out:
                sessions_up(lab.hvs)
        replied(running, 15)
        ping = pings(running, stop=True)
        assert ping.lost <= (0 if have_sessions else drops() - before), (
            ping.text, [hv.show_json()["drops"] for hv in lab.hvs])
        path = pcap.stop()
        assert capture.plaintext_tunnel(path) and capture.data_records(path)


class TestProfiles:
    """Two bridges, whose tunnels have a profile each."""

    @pytest.fixture(name="lab", scope="class")
    def fixture_lab(self, make_hosts):
        lab = make_hosts()
        for hv in lab.hvs:
            hv.add_profile(1)
        lab.pin()
        lab.connect(encryption="require")
        add_second_bridges(lab, "second", "geneve", encryption_profile=1)
        lab.vms[0].reaches(lab.vms[1].ip, 15)
        return lab

    def test_traffic(self, lab):
        hv1 = lab.hvs[0]
        hv1.reaches("10.8.0.2", 15)
        pcap = lab.underlay.capture()
        ping = hv1.ping("10.8.0.2", 10, 0.1)
        assert not ping.lost, ping.text
        assert_traffic(lab, 500)
        path = pcap.stop()
        assert_sealed(path, lab, MARKER)
        # Of each profile one session in each direction.
        assert len(sessions_on_wire(path)) == 4
        for hv in lab.hvs:
            assert {"vnetenc_64001", "vnetenc_64003"} <= set(hv.devices())

    def test_rekey(self, lab):
        """Keys change under traffic, and nothing is lost."""
        hv1, vm1, vm2 = lab.hvs[0], *lab.vms

        def rekeys():
            return [peer["statistics"]["rekeys"] for hv in lab.hvs
                    for peer in hv.show_json()["peers"]]

        hv1.reaches("10.8.0.2", 15)
        pcap = lab.underlay.capture()
        running = vm1.ping_start(vm2.ip, 100000, 0.01)
        replied(running)
        for _ in range(4):
            before = rekeys()
            for hv, other in zip(lab.hvs, reversed(lab.hvs)):
                hv.appctl("vnetenc/rekey", other.ip)
            # Of both profiles.  One that is asked for during another is the
            # same.
            wait_until(lambda: all(now >= n + 2 for now, n in
                                   zip(rekeys(), before)), "keys are new")
            replied(running, 20)
        second = hv1.ping("10.8.0.2", 10, 0.1)
        assert not second.lost, second.text
        ping = pings(running, stop=True)
        assert not ping.lost, ping.text
        path = pcap.stop()
        assert_sealed(path, lab)
        assert len(sessions_on_wire(path)) >= 12

    def test_one_without_session(self, lab):
        """One profile has no peer any more: the other still works."""
        hv1 = lab.hvs[0]
        for hv in lab.hvs:
            hv.vsctl("set", "Interface", "second",
                     "options:encryption_profile=2")
            hv.revalidate()
        pcap = lab.underlay.capture()
        assert hv1.ping("10.8.0.2", 5, 0.1, wait=1).lost == 5
        assert_traffic(lab, 100)
        assert_silent(pcap.stop(), lab, MARKER)
        assert "vnetenc_64005" in hv1.devices()
