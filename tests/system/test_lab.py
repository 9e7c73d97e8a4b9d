# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The base of the other tests: the capture shows a network in clear, and the
relay makes the configured faults."""

import pathlib
import sys
import tempfile
import threading

import pytest

import capture
import packets
import runspace
from claims import tshark
from lab import pings, replied, tcp_transfer
from relay import Direction, Faults
from sslpeer import Client, Mint, Server
from runspace import Late, wait_until

MARKER = b"what the capture must be able to see "


def test_plaintext_is_seen(make_lab):
    lab = make_lab()
    lab.connect()
    vm1, vm2 = lab.vms
    pcap = lab.underlay.capture()
    vm1.reaches(vm2.ip)
    assert tcp_transfer(vm1, vm2, MARKER * 500) == MARKER * 500
    path = pcap.stop()
    plain = capture.plaintext_tunnel(path)
    assert {(d.src, d.dst) for d in plain} == {
        (lab.hvs[0].ip, lab.hvs[1].ip), (lab.hvs[1].ip, lab.hvs[0].ip)}
    assert capture.count(path, MARKER) >= 450
    assert capture.count(path, packets.mac(vm1.mac)) >= 20
    assert not capture.data_records(path)


@pytest.fixture(name="relayed")
def fixture_relayed(make_lab):
    """A relay between two machines that reach each other in clear."""
    lab = make_lab()
    lab.connect()
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    relay = lab.underlay.relay(lab.hvs[1])
    vm1.reaches(vm2.ip)
    return relay, vm1, vm2


def test_late_is_not_lost(relayed):
    """The last replies arrive much later than the ones before."""
    relay, vm1, vm2 = relayed
    timer = threading.Timer(0.1, lambda: setattr(relay.out, "faults",
                                                 Faults(delay=0.2)))
    timer.start()
    ping = vm1.ping(vm2.ip, 10, 0.02)
    timer.join()
    assert not ping.lost


def test_late_is_not_lost_at_the_end(relayed):
    """A ping that is stopped has many requests on the way.  A lost one counts,
    but not if the ping itself had no time."""
    relay, vm1, vm2 = relayed
    relay.out.faults = Faults(delay=0.6)
    running = vm1.ping_start(vm2.ip, 100000, 0.02)
    replied(running)
    assert not pings(running, stop=True).lost
    relay.out.faults = Faults(loss=0.3)
    running = vm1.ping_start(vm2.ip, 100000, 0.02)
    replied(running, 50)
    assert pings(running, stop=True).lost
    with pytest.raises(Late, match="no time to send"):
        pings(vm1.ping_start(vm2.ip, 100, 0.05, deadline=1))


def test_relay_loses_what_it_should(relayed):
    relay, vm1, vm2 = relayed
    assert not vm1.ping(vm2.ip, 50, 0.01).lost
    relay.out.faults = Faults(loss=0.3)
    lost = vm1.ping(vm2.ip, 100, 0.01).lost
    assert 10 <= lost <= 60
    assert relay.out.counts.lost >= lost
    relay.out.faults = Faults(drop=lambda frame: True)
    assert vm1.ping(vm2.ip, 3, 0.1, wait=0.3).lost == 3


def test_relay_repeats_itself():
    """The same seed gives every packet the same fate."""
    def fates(seed):
        way = Direction(None, None, seed)
        way.faults = Faults(loss=0.2, duplicate=0.2, reorder=0.2)
        return [way.fates(b"") for _ in range(200)]
    assert fates("1 out") == fates("1 out") != fates("2 out")


def test_nonce_check_sees_repetition(run):
    """The judge of nonces finds a repeated nonce between stock peers in a
    capture with one changed byte."""
    path = run.dir / "made.pcap"

    def made(*contents):
        frames = [packets.udp_frame(
            "02:00:00:00:00:01", "192.0.2.1", "02:00:00:00:00:02",
            "192.0.2.2", content, port=6082) for content in contents]
        path.write_bytes(
            bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")
            + b"".join(bytes(8) + len(f).to_bytes(4, "little") * 2 + f
                       for f in frames))
        return path

    def record(seq, nonce, text):
        fragment = nonce.to_bytes(8, "big") + text
        return (b"\x17\xfe\xfd\0\1" + seq.to_bytes(6, "big")
                + len(fragment).to_bytes(2, "big") + fragment)

    def new_key(random):
        hello = bytes([1]) + bytes(13) + random * 32
        return (b"\x16\xfe\xfd" + bytes(8) + len(hello).to_bytes(2, "big")
                + hello + b"\x14\xfe\xfd" + bytes(8) + b"\0\1\1")

    one, other = record(1, 7, b"a" * 20), record(2, 8, b"b" * 20)
    third = record(3, 7, b"c" * 20)
    assert not capture.repeated_nonces(made(one, other, one))
    assert capture.repeated_nonces(made(one, other, third))
    # A late copy has the key of its original, and makes no other.
    for order in ((one, third), (third, one), (new_key(b"1"), third)):
        frames = [new_key(b"1"), one, new_key(b"2"), *order]
        assert not capture.repeated_nonces(made(*frames))
        fourth = record(4, 7, b"d" * 20)
        assert len(capture.repeated_nonces(made(*frames, fourth))) == 1


def test_stock_peers_speak(make_lab, run):
    """The openssl tool as we use it: both roles, certificates, Geneve."""
    lab = make_lab(n_hypervisors=0, n_strangers=2)
    one, two = lab.strangers
    mint = Mint(run)
    ca = mint.make_ca()
    middle = mint.make_ca(ca)
    client = mint.make(middle, san=f"IP:{two.ip}")
    server = Server(one, mint.make(key="rsa:2048"), options=[
        "-CAfile", ca.cert, "-verify_return_error"])
    peer = Client(two, one.ip, client)
    peer.wait_established()
    assert "Extended master secret: yes" in peer.text()
    payload = packets.geneve(7, b"f" * 60)
    peer.send(payload)
    wait_until(lambda: payload in server.received(), "the payload arrives")
    assert packets.parse_geneve(payload) == (7, b"f" * 60)
    peer.stop()
    server.stop()
    Server(one, mint.make())
    late = Client(two, one.ip, client,
                  env=mint.without_master_secret_extension())
    late.wait_established()
    assert "Extended master secret: no" in late.text()


def test_tshark_decodes_stock_peers(make_lab, run):
    """The script for tshark reads records of stock peers as well."""
    lab = make_lab(n_hypervisors=0, n_strangers=2)
    one, two = lab.strangers
    mint = Mint(run)
    pcap = lab.underlay.capture()
    server = Server(one, mint.make())
    keys = run.dir / "keys.txt"
    peer = Client(two, one.ip, mint.make(), options=["-keylogfile", keys])
    peer.wait_established()
    peer.send(packets.geneve(7, packets.udp_frame(
        "02:00:00:00:00:01", "10.9.0.1", "02:00:00:00:00:02", "10.9.0.2",
        MARKER)))
    wait_until(lambda: MARKER in server.received(), "the payload arrives")
    path = pcap.stop()
    assert tshark(run, path, keys, "udp.port == 7777") == [
        "eth:ethertype:ip:udp:dtls:geneve:eth:ethertype:ip:udp:data"]
    assert not tshark(run, path, "/dev/null", "udp.port == 7777")
    assert not capture.count(path, MARKER)


def test_leftovers_of_a_dead_run_are_removed(run, tmp_path, monkeypatch):
    """The next run removes the folder and a left process of a run whose owner
    was killed, and nothing of a living run.  They have a folder for temporary
    files of their own: another test may begin a run at any time."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    script = ("import os, subprocess, sys; sys.path.insert(0, sys.argv[1])\n"
              "from runspace import Run, start_time\n"
              "run = Run(); pid = subprocess.Popen(['sleep', '99'],"
              " stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid\n"
              "run._record(pid=(pid, start_time(pid)))\n"
              "print(pid, run.dir, flush=True)\n"
              "os.kill(os.getpid(), 9)\n")
    here = pathlib.Path(__file__).resolve().parent
    pid, folder = run.cmd(sys.executable, "-c", script, here, check=False,
                          env={"TMPDIR": str(tmp_path)}).split()
    assert runspace.start_time(int(pid)) is not None
    living = runspace.Run()
    try:
        mine = living.spawn("sleep", 100)
        runspace.sweep()
        wait_until(lambda: runspace.start_time(int(pid)) is None,
                   "it is ended")
        assert not pathlib.Path(folder).exists()
        assert mine.alive() and living.dir.exists()
        assert {p.parent for p in (living.dir, pathlib.Path(folder))} == {
            tmp_path}
    finally:
        living.close()
