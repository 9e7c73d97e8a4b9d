# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""An attacker who can send packets to a hypervisor, and forge their source,
ends no session, uses no memory and gets nothing delivered."""

import collections
import socket
import threading
import time

import pytest

import capture
import packets
from claims import assert_sealed, is_handshake, sessions_on_wire
from runspace import Late, wait_until
from sslpeer import Client, Mint

MARKER = b"forged or repeated "


@pytest.fixture(name="lab")
def fixture_lab(make_lab):
    lab = make_lab(n_strangers=1)
    # Virtual machines send by themselves, so sessions begin with the tunnels.
    lab.pcap = lab.underlay.capture()
    lab.pin()
    lab.connect(encryption="require")
    lab.vms[0].reaches(lab.vms[1].ip)
    lab.vms[1].reaches(lab.vms[0].ip)
    return lab


def hello_frame(path):
    """A frame of the capture that holds a ClientHello."""
    for _, frame in capture.frames(path):
        parsed = capture.udp(frame)
        if (parsed and parsed[3] == capture.DTLS and is_handshake(frame)
                and parsed[4][13:14] == b"\1"):
            return frame
    raise AssertionError("no ClientHello was captured")


def sealed_frames(path, src):
    """Frames of the capture that hold sealed packets from `src`."""
    frames = []
    for _, frame in capture.frames(path):
        parsed = capture.udp(frame)
        if (parsed and parsed[0] == src and parsed[3] == capture.DTLS
                and parsed[4][:1] == b"\x17"):
            frames.append(frame)
    return frames


def forged(src, sport, dst, dport, payload):
    """A forged frame from one hypervisor to another."""
    return packets.ethernet(
        dst.phys_mac(), src.phys_mac(), 0x0800,
        packets.udp4(src.ip, dst.ip, sport, dport, payload))


def all_is_well(lab):
    """Traffic flows both ways; right after a flood one may be late."""
    vm1, vm2 = lab.vms
    assert vm1.ping(vm2.ip, 10, 0.02).lost <= 1
    assert vm2.ping(vm1.ip, 10, 0.02).lost <= 1


def test_flood_of_hellos_from_nobody(lab):
    """An address without a peer row is dropped before anything is copied,
    and gets no answer."""
    hv1, stranger = lab.hvs[0], lab.strangers[0]
    hello = capture.udp(hello_frame(lab.pcap.now()))[4]
    sender = stranger.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind((stranger.ip, 40000))
    sender.connect((hv1.ip, capture.DTLS))
    before = hv1.coverage("vnetenc_rx_unknown_source")
    running = lab.vms[0].ping_start(lab.vms[1].ip, 50, 0.02)

    def counted():
        """A busy host loses many in front of Open vSwitch."""
        for _ in range(200):
            for _ in range(10):
                sender.send(hello)
            time.sleep(0.001)
        return hv1.coverage("vnetenc_rx_unknown_source") >= before + 1000

    wait_until(counted, "1000 are counted", interval=1)
    running.popen.wait(30)
    sender.settimeout(0.3)
    with pytest.raises(TimeoutError):
        sender.recv(2000)
    all_is_well(lab)


class Flood:
    """Sends frames over and over, about 20,000 a second, until it is told to
    end."""

    def __init__(self, sock, frames):
        self.sock = sock
        self.frames = frames
        self.sent = 0
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._send)

    def _send(self):
        while not self.ending.wait(0.005):
            for _ in range(100):
                self.sock.send(self.frames[self.sent % len(self.frames)])
                self.sent += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()


def hellos_of_attempts(records, src, forged_ports):
    """How many ClientHellos each attempt of `src` sent, by its UDP port."""
    return collections.Counter(
        r.sport for r in records
        if r.src == src and r.dport == capture.DTLS and not r.epoch
        and r.type == 22 and r.sport not in forged_ports
        and r.fragment[:1] == b"\1")


def test_flood_of_hellos_in_a_peers_name(lab):
    """The peer gets new sessions all the same, even when it starts anew, each
    by its first attempt."""
    hv1, hv2 = lab.hvs
    vm1, vm2 = lab.vms
    path = lab.pcap.now()
    hello = capture.udp(hello_frame(path))[4]
    ports = range(20000, 22000)
    frames = [forged(hv2, port, hv1, capture.DTLS, hello) for port in ports]
    n_rekeyed = 3
    n_before = len(hellos_of_attempts(capture.records(path), hv2.ip, ports))
    with Flood(hv2.uplink_socket(), frames) as flood:
        wait_until(lambda: flood.sent >= 2000, "the flood has begun")
        for _ in range(n_rekeyed):
            hv2.rekey(hv1)
        hv2.kill_vswitchd()
        hv2.restart_vswitchd()
        vm2.reaches(vm1.ip)
        vm1.reaches(vm2.ip)
        for _ in range(5):
            n_unread = lab.n_unread()
            lost = vm1.ping(vm2.ip, 100, 0.02).lost
            if lost <= 5 or lab.n_unread() == n_unread:
                break
        else:
            raise Late("Open vSwitch did not read its devices in time")
        assert lost <= 5
    all_is_well(lab)
    records = list(capture.records(lab.pcap.stop()))
    # An attempt repeats a ClientHello after 50 ms, then after twice as long
    # each time, so five times within 2 s; and it has two, one with a cookie.
    hellos = hellos_of_attempts(records, hv2.ip, ports)
    new = list(hellos.values())[n_before:]
    unread = [hv.n_unread(kind) for hv in lab.hvs for kind in ("-0", "-ua")]
    print(f"{unread} packets were not read in time, hellos {new}")
    if (len(new) > n_rekeyed + 1 or max(new) > 7) and any(unread):
        raise Late(f"Open vSwitch did not read packets in time: {hellos}")
    assert len(new) == n_rekeyed + 1, hellos
    assert max(new) <= 7, hellos
    # The only answers are cookies: no state, no large flight.
    answers = [r for r in records if r.src == hv1.ip and r.dport in ports]
    assert answers
    assert max(len(r.fragment) for r in answers) < 100


def test_forged_mac_address(lab):
    """One forged packet to a tunnel port, with the address of a peer and
    another MAC address, does not redirect what goes to that peer."""
    hv1, hv2 = lab.hvs
    vm1, vm2 = lab.vms
    sock = hv2.uplink_socket()
    geneve = bytes.fromhex("0000655800000700") + bytes(40)
    for port, payload in ((capture.DTLS, b"x"), (capture.GENEVE, geneve)):
        sock.send(packets.ethernet(
            hv1.phys_mac(), "02:00:00:00:00:99", 0x0800,
            packets.udp4(hv2.ip, hv1.ip, 1234, port, payload)))
        assert not vm1.ping(vm2.ip, 100, 0.02).lost
    assert "02:00:00:00:00:99" not in hv1.appctl("tnl/neigh/show")


def test_replayed_records(lab):
    """Sealed packets sent a second time are not delivered."""
    hv1, hv2 = lab.hvs
    vm1, vm2 = lab.vms
    receiver = vm2.receiver()
    vm1.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(
        MARKER, (vm2.ip, 7777))
    assert receiver.recv(100) == MARKER
    before = hv2.coverage("vnetenc_rx_replay")
    old = sealed_frames(lab.pcap.now(), hv1.ip)
    sock = hv1.uplink_socket()
    for frame in old:
        sock.send(frame)
    hv2.expect("vnetenc_rx_replay", before + len(old))
    receiver.settimeout(0.3)
    with pytest.raises(TimeoutError):
        receiver.recv(100)
    all_is_well(lab)


def test_changed_records(lab):
    """A sealed packet with one changed bit, anywhere, is not delivered."""
    hv1, hv2 = lab.hvs
    vm1, vm2 = lab.vms
    receiver = vm2.receiver()
    relay = lab.underlay.relay(hv2)
    vm1.reaches(vm2.ip)
    held = []
    # Ethernet, IPv4 and UDP; record; Geneve; Ethernet, IPv4 and UDP.  Probes,
    # and packets that the machine sends by itself, have other lengths.
    length = 42 + 37 + 8 + 42 + len(MARKER)

    def hold(frame):
        if (len(frame) == length
                and capture.DTLS in (capture.udp(frame) or (0,) * 5)[3:4]):
            held.append(frame)
            return True
        return False

    relay.back.faults.drop = hold
    vm1.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(
        MARKER, (vm2.ip, 7777))
    frame = wait_until(lambda: [f for f in held if b"\x17\xfe\xfd" in f],
                       "the packet is caught")[0]
    relay.back.faults.drop = lambda frame: False
    sock = hv1.uplink_socket()
    before = hv2.coverage("vnetenc_rx_auth")
    first = 42                          # Behind Ethernet, IPv4 and UDP.
    assert frame[first] == 0x17
    for at in range(first, len(frame)):
        changed = bytearray(frame)
        changed[40:42] = b"\0\0"        # No UDP checksum: tags decide.
        changed[at] ^= 1 << at % 8
        sock.send(changed)
    receiver.settimeout(0.5)
    with pytest.raises(TimeoutError):
        receiver.recv(100)
    hv2.expect("vnetenc_rx_auth", before + len(frame) - 42 - 15)
    sock.send(frame)                    # The original is still good.
    assert receiver.recv(100) == MARKER
    all_is_well(lab)


def test_forged_alerts(lab):
    """Alerts in clear, with the addresses of both ends and on every port in
    use, end no session."""
    hv1, hv2 = lab.hvs
    used = sessions_on_wire(lab.pcap.now())
    lanes = {(r.src, r.sport) for r in capture.data_records(lab.pcap.now())
             if r.dport == capture.DTLS}
    fatal = bytes.fromhex("15fefd0000000000000000" "0002") + b"\2\x0a"
    close = bytes.fromhex("15fefd0001000000010005" "0002") + b"\1\0"
    assert used and lanes
    socks = {hv: hv.uplink_socket() for hv in lab.hvs}
    frames = []
    for alert in (fatal, close):
        for owner, other in ((hv1, hv2), (hv2, hv1)):
            for lane in (port for ip, port in lanes if ip == owner.ip):
                frames += [
                    (owner, forged(owner, lane, other, capture.DTLS, alert)),
                    (other, forged(other, capture.DTLS, owner, lane, alert))]
    for _ in range(20):
        for sender, frame in frames:
            socks[sender].send(frame)
    all_is_well(lab)
    time.sleep(2)
    all_is_well(lab)
    # Not even a new session was made.
    assert sessions_on_wire(lab.pcap.now()) == used
    assert_sealed(lab.pcap.stop(), lab)


def test_forged_hello_on_a_live_session(lab):
    """A ClientHello from the 4-tuple of a live session does not end it."""
    hv1, hv2 = lab.hvs
    hello = capture.udp(hello_frame(lab.pcap.now()))[4]
    lanes = {r.sport for r in capture.data_records(lab.pcap.now())
             if r.src == hv2.ip and r.dport == capture.DTLS}
    sock = hv2.uplink_socket()
    for _ in range(5):
        for lane in lanes:
            sock.send(forged(hv2, lane, hv1, capture.DTLS, hello))
    time.sleep(0.5)
    all_is_well(lab)


@pytest.mark.parametrize("payload", [
    b"", b"\x17", b"\x17\xfe\xfd" + bytes(10), bytes(1400), b"\xff" * 100,
    b"\x17\xfe\xfd\0\1" + bytes(6) + b"\0\x40" + bytes(64),
    b"\x17\xfe\xff\0\1" + bytes(6) + b"\0\x40" + bytes(64),
    b"\x17\xfe\xfd\0\2" + bytes(6) + b"\0\x40" + bytes(64),
    b"\x17\xfe\xfd\0\1" + bytes(6) + b"\xff\xff" + bytes(64),
    b"\x16\xfe\xfd" + bytes(22) + b"\xff" * 1200,
    b"\x14\xfe\xfd" + bytes(8) + b"\0\1\1",
    b"\x15\xfe\xfd" + bytes(8) + b"\0\2\2\x28",
], ids=["empty", "one", "header", "zeros", "ones", "data", "version",
        "epoch", "length", "handshake", "ccs", "alert"])
def test_garbage(lab, payload):
    """From a peer's address, on its lane port and on another port."""
    hv1, hv2 = lab.hvs
    lanes = {r.sport for r in capture.data_records(lab.pcap.now())
             if r.src == hv2.ip and r.dport == capture.DTLS}
    sock = hv2.uplink_socket()
    for lane in (*lanes, 50000):
        frame = forged(hv2, lane, hv1, capture.DTLS, payload)
        for _ in range(10):
            sock.send(frame)
    all_is_well(lab)
    hv1.appctl("vnetenc/show")


def test_fragmented_datagrams(lab):
    """IP fragments to the DTLS port reach the kernel's socket, not the
    datapath: a handshake passes there, data does not."""
    hv1, stranger = lab.hvs[0], lab.strangers[0]
    mint = Mint(lab.run)
    # A chain that fits into no packet of the underlay; the control path takes
    # at most 2048 bytes.
    ca = mint.make_ca(key="rsa:4096")
    middle = mint.make_ca(ca, key="rsa:4096")
    peer = mint.make(middle, san=f"IP:{stranger.ip}", key="rsa:4096")
    own = mint.make(ca, san=f"IP:{hv1.ip}")
    hv1.add_profile(5, ca_cert=ca.cert, certificate=own.cert,
                    private_key=own.key)
    hv1.fingerprint(5)
    hv1.add_peer(stranger.ip)
    hv1.add_tunnel(stranger.ip, "gnv101", encryption="require",
                   encryption_profile=5)
    pcap = lab.underlay.capture()
    client = Client(stranger, hv1.ip, peer, sni="p5.vnetenc.invalid",
                    options=["-mtu", "1900"])
    client.wait_established()
    vm1 = lab.vms[0]
    receiver = vm1.receiver()

    def send(size):
        client.send(packets.geneve(7, packets.udp_frame(
            "0a:7e:5c:31:d9:c8", "10.9.0.200", vm1.mac, vm1.ip,
            b"x" * size)))

    # One after the other, because a busy client would put both into one
    # record.
    send(100)
    assert receiver.recv(3000) == b"x" * 100
    send(2000)                          # In fragments.
    receiver.settimeout(0.5)
    with pytest.raises(TimeoutError):
        receiver.recv(3000)
    fragments = [f for _, f in capture.frames(pcap.stop())
                 if f[12:14] == b"\x08\0"
                 and f[20:22] not in (b"\0\0", b"\x40\0")
                 and f[26:30] == socket.inet_aton(stranger.ip)]
    assert len(fragments) >= 4
    all_is_well(lab)
