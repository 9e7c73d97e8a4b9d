# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Mode `prefer`: in clear to a peer that cannot encrypt, sealed to a peer that
can, and a pause in between; each is counted."""

import time

import capture
from claims import assert_sealed, is_handshake
from lab import pings
from relay import Faults
from runspace import wait_until


def test_peer_without_row(make_lab):
    """To a peer that cannot encrypt: in clear at once, and counted."""
    lab = make_lab()
    lab.connect(encryption="prefer")
    vm1, vm2 = lab.vms
    pcap = lab.underlay.capture()
    vm1.reaches(vm2.ip)
    assert not vm1.ping(vm2.ip, 10, 0.02).lost
    for hv in lab.hvs:
        hv.expect("vnetenc_clear_no_peer", 10)
    assert len(capture.plaintext_tunnel(pcap.stop())) >= 20


def test_capable_peer(make_lab):
    """Sealed from the first packet on: no packet leaves in clear while the
    handshake is young."""
    lab = make_lab()
    lab.pin()
    lab.connect(encryption="prefer")
    vm1, vm2 = lab.vms
    pcap = lab.underlay.capture()
    vm1.reaches(vm2.ip)
    assert not vm1.ping(vm2.ip, 10, 0.02).lost
    assert_sealed(pcap.stop(), lab)


def test_blocked_handshake(make_lab):
    """Dropped for the first 2.5 s in each direction, then in clear, and
    counted."""
    lab = make_lab()
    lab.pin()
    vm1, vm2 = lab.vms
    hv1 = lab.hvs[0]
    relay = lab.underlay.relay(lab.hvs[1])
    relay.out.faults = relay.back.faults = Faults(drop=is_handshake)
    # ARP would be repeated every second only.
    for vm, other in ((vm1, vm2), (vm2, vm1)):
        vm.cmd("ip", "neigh", "replace", other.ip, "lladdr", other.mac,
               "dev", "e0", "nud", "permanent")
    pcap = lab.underlay.capture(hv1.uplink, "in")
    started = time.time()           # The machines send packets by themselves.
    lab.connect(encryption="prefer")
    ping = vm1.ping(vm2.ip, 140, 0.05, wait=0.2)
    clear = capture.plaintext_tunnel(pcap.stop())
    assert ping.received >= 10
    # Nothing before; how soon after depends on the machine's load.
    assert clear[0].time - started >= 2.4
    hv1.expect("vnetenc_tx_prefer_wait", 10)
    hv1.expect("vnetenc_clear_no_session", 10)


def test_lost_session(make_lab):
    """A session was up and gets no successor: packets are dropped for 3 s,
    then leave in clear and are counted; they are sealed again as soon as
    possible."""
    lab = make_lab()
    lab.pin()
    lab.connect(encryption="prefer")
    vm1, vm2 = lab.vms
    hv1, hv2 = lab.hvs
    relay = lab.underlay.relay(hv2)
    vm1.reaches(vm2.ip)
    relay.out.faults = relay.back.faults = Faults(drop=is_handshake)
    pcap = lab.underlay.capture(hv1.uplink, "in")
    hv2.kill_vswitchd()
    hv2.restart_vswitchd()
    running = vm1.ping_start(vm2.ip, 1000, 0.05)
    time.sleep(7)
    pings(running, stop=True)
    hv1.expect("vnetenc_clear_lost", 10)
    clear = capture.plaintext_tunnel(pcap.stop())
    assert clear
    relay.out.faults = relay.back.faults = Faults()
    wait_until(lambda: all(hv.show_json()["peers"][0]["state"] == "up"
                           for hv in lab.hvs), "both have sessions again")
    pcap = lab.underlay.capture()
    vm1.reaches(vm2.ip)
    assert not vm1.ping(vm2.ip, 10, 0.02).lost
    assert_sealed(pcap.stop(), lab)


def test_prefer_does_not_weaken_require(make_lab):
    """One side prefers, the other requires: the latter accepts no
    plaintext."""
    lab = make_lab()
    hv1, hv2 = lab.hvs
    hv1.add_tunnel(hv2.ip, encryption="prefer")
    hv2.add_tunnel(hv1.ip, encryption="require")
    vm1, vm2 = lab.vms
    assert vm1.ping(vm2.ip, 10, 0.05, wait=0.2).lost == 10
    hv1.expect("vnetenc_clear_no_peer", 10)
    lab.pin()
    vm1.reaches(vm2.ip)
