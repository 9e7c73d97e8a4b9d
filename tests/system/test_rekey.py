# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Keys change under traffic: nothing is lost, no nonce is used twice."""

import socket
import time

import capture
from claims import assert_no_loss, assert_sealed, sessions_on_wire
from lab import pings
from relay import Faults
from runspace import wait_until


def rekey(lab):
    for hv in lab.hvs:
        for other in lab.hvs:
            if other is not hv:
                hv.appctl("vnetenc/rekey", other.ip)


def test_no_loss(lab):
    vm1, vm2 = lab.vms
    n_unread = lab.n_unread()
    running = vm1.ping_start(vm2.ip, 100000, 0.002)
    for _ in range(5):
        time.sleep(0.5)
        before = {hv: hv.n_rekeys() for hv in lab.hvs}
        rekey(lab)
        wait_until(lambda: all(hv.n_rekeys() > n for hv, n in before.items()),
                   "both have new sessions")
    time.sleep(1.5)
    ping = pings(running, stop=True)
    assert ping.sent > 200
    assert_no_loss(lab, ping, n_unread)
    path = lab.pcap.stop()
    sealed = assert_sealed(path, lab)
    sessions = sessions_on_wire(path)
    for hv in lab.hvs:
        assert len([s for s in sessions if s[0] == hv.ip]) >= 6
    assert len(sealed) > 400


def test_old_session_is_closed(lab):
    """After a rekey the initiator sends a sealed close_notify on the old
    session and uses only the new one."""
    vm1, vm2 = lab.vms
    hv1, hv2 = lab.hvs
    before = {s for s in sessions_on_wire(lab.pcap.now()) if s[0] == hv1.ip}
    assert len(before) == 1
    running = vm1.ping_start(vm2.ip, 300, 0.01)
    hv1.appctl("vnetenc/rekey", hv2.ip)
    pings(running)
    old = before.pop()

    def sent(path):
        """The records of the old session, and its goodbyes."""
        mine = [r for r in capture.records(path)
                if (r.src, r.sport) == (hv1.ip, old[1])]
        return mine, [r for r in mine
                      if r.type == capture.ALERT and r.epoch == 1]

    wait_until(lambda: sent(lab.pcap.now())[1], "the old session is closed")
    path = lab.pcap.stop()
    mine, goodbyes = sent(path)
    assert len(goodbyes) == 1
    last_data = max(r.time for r in mine
                    if r.type == capture.APPLICATION_DATA)
    assert last_data <= goodbyes[0].time
    new = {s for s in sessions_on_wire(path) if s[0] == hv1.ip} - {old}
    assert len(new) == 1


def send_all(src, dst, n_bursts):
    """Sends datagrams, 30 in a burst, all of which arrive in their order."""
    sender = src.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver = dst.receiver()
    for _ in range(n_bursts):
        sent = [b"%d" % n for n in range(30)]
        for data in sent:
            sender.sendto(data, (dst.ip, 7777))
            time.sleep(0.001)
        assert [receiver.recv(100) for _ in sent] == sent


def test_after_records(make_lab):
    """rekey_records of the profile, far below its default.  How many packets
    still pass during a handshake depends on the machine, so the packets after
    these wait for the new sessions."""
    lab = make_lab()
    for hv in lab.hvs:
        hv.add_profile(rekey_records=200)
    lab.exchange_pins()
    lab.connect(encryption="require")
    pcap = lab.underlay.capture()
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    for n in range(1, 6):
        for hv, src, dst in zip(lab.hvs, (vm1, vm2), (vm2, vm1)):
            send_all(src, dst, 7)
            wait_until(lambda n=n, hv=hv: hv.n_rekeys() >= n,
                       f"{hv.name} has a new session")
    send_all(vm1, vm2, 1)
    send_all(vm2, vm1, 1)
    path = pcap.stop()
    assert_sealed(path, lab)
    per_session = {}
    for r in capture.data_records(path):
        if r.dport == capture.DTLS:
            key = (r.src, r.sport, r.dst)
            per_session[key] = per_session.get(key, 0) + 1
    assert len(per_session) >= 12
    assert max(per_session.values()) <= 400


def test_nonces_over_rekeys_and_restart(lab):
    vm1, vm2 = lab.vms
    for _ in range(3):
        rekey(lab)
        vm1.ping(vm2.ip, 50, 0.005)
    lab.hvs[1].kill_vswitchd()
    time.sleep(0.2)
    lab.hvs[1].restart_vswitchd()
    vm1.reaches(vm2.ip)
    for _ in range(3):
        rekey(lab)
        vm1.ping(vm2.ip, 50, 0.005)
    path = lab.pcap.stop()
    assert_sealed(path, lab)
    firsts = {}
    for r in capture.data_records(path):
        assert r.epoch == 1
        # The nonce of AES-GCM is the epoch and the sequence number.
        assert r.fragment[:8] == (r.epoch.to_bytes(2, "big")
                                  + r.seq.to_bytes(6, "big"))
        key = (r.src, r.sport, r.dst)
        firsts[key] = min(firsts.get(key, r.seq), r.seq)
    # A packet that waited for a session while its host started may find no
    # port.
    assert min(firsts.values()) == 1 << 16
    assert max(firsts.values()) < (1 << 16) + 10


def test_while_the_network_is_bad(lab):
    """Rekeys succeed, and traffic goes on, over a lossy cable."""
    vm1, vm2 = lab.vms
    relay = lab.underlay.relay(lab.hvs[1], seed=4)
    relay.out.faults = relay.back.faults = Faults(
        loss=0.1, duplicate=0.1, reorder=0.2)
    before = sessions_on_wire(lab.pcap.now())
    running = vm1.ping_start(vm2.ip, 2000, 0.01)
    rekey(lab)
    wait_until(lambda: {s[0] for s in
                        sessions_on_wire(lab.pcap.now()) - before}
               == {hv.ip for hv in lab.hvs}, "new sessions in both directions")
    ping = pings(running, stop=True)
    assert ping.received
    assert_sealed(lab.pcap.stop(), lab)
