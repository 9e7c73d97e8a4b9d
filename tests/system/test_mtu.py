# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Guests keep their MTU: a packet that is too long for the underlay once it is
sealed travels in two halves, and no packet is an IP fragment on the
underlay."""

import concurrent.futures
import socket
import struct
import threading
import time

import pytest

import capture
from claims import assert_sealed, tshark
from lab import VM, tcp_transfer
from relay import Faults
from runspace import PATIENCE, Late, wait_until

MARKER = b"as long as it ever was "
IP_MTU_DISCOVER, IP_PMTUDISC_PROBE, IP_PMTUDISC_DONT = 10, 3, 0
SOL_PACKET, PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 263, 8, 1 << 4
ETHERNET = 14
BACK = 126                  # UDP payload of the back half of 1450 bytes.
WINDOW, END = 25, b"end "


def set_guest_mtu(lab, mtu):
    for vm in lab.vms:
        vm.run.ip(vm.hv.netns, f"link set dev {vm.port} mtu {mtu}")
        vm.run.ip(vm.netns, f"link set dev e0 mtu {mtu}")


def make(make_lab, mtu=1500, guest_mtu=1500, ipv6=False, encryption="require"):
    lab = make_lab(mtu=mtu)
    set_guest_mtu(lab, guest_mtu)
    lab.pin(ipv6)
    lab.connect(ipv6, encryption=encryption)
    return lab


@pytest.fixture(name="lab")
def fixture_lab(make_lab):
    return make(make_lab)


def udp_sender(vm, fragment=False):
    sock = vm.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER,
                    IP_PMTUDISC_DONT if fragment else IP_PMTUDISC_PROBE)
    return sock


def content(number, size):
    """Contents that only datagram `number` of `size` bytes has."""
    head = b"%d " % number
    return (head + bytes((number * 7 + i * 13 + i // 256) & 255
                         for i in range(size)))[:size]


def assert_arrive(vm1, vm2, sizes, fragment=False):
    """A datagram of each size arrives, unchanged."""
    sender, receiver = udp_sender(vm1, fragment), vm2.receiver()
    repeated = set()                    # They may arrive twice, and late.
    for number, size in enumerate(sizes):
        data = content(number, size)
        for _ in range(3):              # A busy machine loses some itself.
            sender.sendto(data, (vm2.ip, 7777))
            try:
                while (got := receiver.recv(65536)) in repeated - {data}:
                    pass
                break
            except TimeoutError:
                got = None
                repeated.add(data)
        assert got == data, f"datagram of {size} bytes"


def assert_fits(path, mtu):
    """No frame is longer than the underlay allows, none is an IP
    fragment."""
    n_full = 0
    for _, frame in capture.frames(path):
        assert len(frame) <= ETHERNET + mtu
        n_full += len(frame) == ETHERNET + mtu
        if frame[12:14] == b"\x08\0":
            assert not int.from_bytes(frame[20:22], "big") & 0x3fff
        elif frame[12:14] == b"\x86\xdd":
            assert frame[20] != 44
    return n_full


def mtu_shown(hv):
    """The MTU that `hv` uses for its first session towards a peer."""
    for peer in hv.show_json()["peers"]:
        for session in peer["sessions"]:
            if session["direction"] == "out":
                return session.get("mtu")
    return None


def n_split(hv):
    return sum(p["statistics"]["tx_split"] for p in hv.show_json()["peers"])


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_every_size(make_lab, ipv6):
    """Gives guests an MTU above that of their underlay, so that a ping of 1500
    bytes is one packet."""
    lab = make(make_lab, guest_mtu=1528, ipv6=ipv6)
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    pcap = lab.underlay.capture()
    assert_arrive(vm1, vm2, range(1272, 1501))
    lost = [size for size in range(1300, 1501) if not pinged(vm1, vm2, size)]
    assert not lost
    path = pcap.stop()
    assert assert_fits(path, 1500) > 300
    assert_sealed(path, lab)
    assert n_split(lab.hvs[0]) > 200


def pinged(vm1, vm2, size):
    """True if a ping of this size, which may not be fragmented, is answered.
    A busy machine loses some pings itself."""
    return any(" 0 received" not in vm1.cmd(
        "ping", "-n", "-c", "1", "-W", "2", "-M", "do", "-s", str(size),
        vm2.ip, check=False) for _ in range(3))


def receive_frame(sock):
    """The frame as it was sent: the kernel removes its VLAN tag and reports
    the tag separately."""
    data, beside, _, _ = sock.recvmsg(65536, 64)
    for _, _, aux in beside:
        status, tci, tpid = struct.unpack("=I12xHH", aux)
        if status & TP_STATUS_VLAN_VALID:
            data = data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
    return data


@pytest.mark.parametrize("kind", ["88b6", "8100200788b6"],
                         ids=["untagged", "tagged"])
def test_other_frames(lab, kind):
    """Frames other than IP, with and without a VLAN tag, up to the longest."""
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    sender, receiver = (vm.packet_socket("e0") for vm in lab.vms)
    receiver.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    receiver.settimeout(2.0)
    head = bytes.fromhex((vm2.mac + vm1.mac).replace(":", "") + kind)
    repeated = set()

    def arrives(frame):
        sender.send(frame)
        try:
            while (got := receive_frame(receiver)) != frame:
                assert got in repeated or not got.startswith(head)
        except TimeoutError:
            repeated.add(frame)
            return False
        return True

    for number, size in enumerate((*range(1400, 1430), 1499, 1500)):
        frame = head + content(number, size)
        assert any(arrives(frame) for _ in range(3)), size
    assert n_split(lab.hvs[0]) >= 15


class Tap(VM):
    """A guest behind a tap device, as an internal port of br-int is one."""

    def __init__(self, hv):
        self.run, self.netns, self.name = hv.run, hv.netns, hv.name
        self.ip = f"10.78.0.{hv.number}"
        hv.vsctl("add-port", "br-int", "tap", "--", "set", "Interface", "tap",
                 "type=internal", "mtu_request=1500")
        hv.run.ip(hv.netns, "link set dev tap up",
                  f"addr add {self.ip}/24 dev tap")


def test_tap(lab):
    vm1, vm2 = (Tap(hv) for hv in lab.hvs)
    vm1.reaches(vm2.ip)
    assert_arrive(vm1, vm2, range(1340, 1473))
    assert n_split(lab.hvs[0]) >= 50
    data = MARKER * 20000
    assert tcp_transfer(vm1, vm2, data, timeout=20) == data
    assert tcp_transfer(vm2, vm1, data, timeout=20) == data


def test_fragments_of_guests(lab):
    """A datagram of 9000 bytes, which the guest sends in fragments of its
    own."""
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    assert_arrive(vm1, vm2, [1472, 9000, 20000, 1473], fragment=True)


def test_jumbo(make_lab):
    lab = make(make_lab, mtu=9000, guest_mtu=9000)
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    pcap = lab.underlay.capture()
    assert_arrive(vm1, vm2, (*range(8860, 8973), 9000), fragment=True)
    assert n_split(lab.hvs[0]) >= 80
    data = MARKER * 100000
    assert tcp_transfer(vm1, vm2, data, timeout=20) == data
    path = pcap.stop()
    assert assert_fits(path, 9000) > 10
    assert_sealed(path, lab, MARKER)


@pytest.mark.parametrize("other_config", [(), ("userspace-tso-enable=true",)],
                         ids=["plain", "tso"])
def test_bulk(make_lab, other_config):
    """Segments that a guest made are split; segments that Open vSwitch makes
    need no split."""
    lab = make_lab(mtu=1500, other_config=other_config)
    set_guest_mtu(lab, 1442)
    if other_config:
        for vm in lab.vms:
            vm.cmd("ethtool", "-K", "e0", "tx", "on", "tso", "on")
    lab.pin()
    lab.connect(encryption="require")
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    pcap = lab.underlay.capture()
    data = MARKER * 100000
    assert tcp_transfer(vm1, vm2, data, timeout=20) == data
    assert tcp_transfer(vm2, vm1, data, timeout=20) == data
    path = pcap.stop(quiet=False)
    assert assert_fits(path, 1500)
    assert_sealed(path, lab, MARKER)
    split = n_split(lab.hvs[0])
    assert split > 500 if not other_config else split < 500


def test_switched_on_under_load(make_lab):
    """A connection that filled the underlay in clear goes on when encryption
    is switched on."""
    lab = make(make_lab, guest_mtu=1442, encryption="off")
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    arrivals, stop = [], threading.Event()
    listener = vm2.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind((vm2.ip, 5001))
    listener.listen()

    def receive():
        connection, _ = listener.accept()
        with connection:
            while chunk := connection.recv(65536):
                arrivals.append((time.monotonic(), len(chunk)))

    def send():
        with vm1.socket(socket.AF_INET, socket.SOCK_STREAM) as sender:
            sender.connect((vm2.ip, 5001))
            while not stop.is_set():
                sender.sendall(MARKER * 400)

    threads = [threading.Thread(target=f, daemon=True)
               for f in (receive, send)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(arrivals) > 100, "the connection is busy")
    for hv, tunnel in zip(lab.hvs, ("gnv2", "gnv1")):   # Sessions first.
        hv.vsctl("set", "Interface", tunnel, "options:encryption=prefer")
    wait_until(lambda: all("state up" in hv.show() for hv in lab.hvs),
               "sessions are up")
    wait_until(lambda: n_split(lab.hvs[0]) > 100, "packets are split")
    before = time.monotonic()
    for hv, tunnel in zip(lab.hvs, ("gnv2", "gnv1")):
        hv.vsctl("set", "Interface", tunnel, "options:encryption=require")
    time.sleep(0.3)
    switched = time.monotonic()
    wait_until(lambda: arrivals[-1][0] > switched + 1, "it goes on", 10)
    stop.set()
    threads[1].join(5)
    assert not threads[1].is_alive()
    gaps = [(b[0] - a[0], b[0] > before)
            for a, b in zip(arrivals, arrivals[1:])]
    print(f"longest gap {max(gaps)[0] * 1000:.0f} ms, since sessions are up"
          f" {max(g for g, late in gaps if late) * 1000:.0f} ms")
    if max(gaps)[0] >= 3:
        raise Late(f"a gap of {max(gaps)[0]:.1f} s")
    listener.close()


def test_switched_on_for_what_never_fitted(make_lab):
    """Packets of a connection are too long for the underlay in clear.  Sealed,
    they get through, and the connection continues."""
    lab = make(make_lab, guest_mtu=1500, encryption="off")
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    data = MARKER * 20000
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        got = pool.submit(tcp_transfer, vm1, vm2, data, timeout=30)
        time.sleep(1)
        assert not got.done()
        for hv, tunnel in zip(lab.hvs, ("gnv2", "gnv1")):
            hv.vsctl("set", "Interface", tunnel, "options:encryption=require")
        assert got.result() == data
    assert n_split(lab.hvs[0]) > 50


def test_interface_is_followed(make_lab):
    """The MTU of the underlay's interface, as it changes."""
    lab = make(make_lab, mtu=1600)
    hv1, (vm1, vm2) = lab.hvs[0], lab.vms
    vm1.reaches(vm2.ip)
    # The guests' ports bound that of br-int, not that of br-phys.
    wait_until(lambda: mtu_shown(hv1) == 1600, "the MTU is known", 5)
    assert_arrive(vm1, vm2, range(1440, 1460))
    assert not n_split(hv1)
    hv1.run.ip(hv1.netns, "link set dev u mtu 1500")
    wait_until(lambda: mtu_shown(hv1) == 1500, "the MTU is followed", 10)
    pcap = lab.underlay.capture(direction="in", interface=hv1.uplink)
    assert_arrive(vm1, vm2, range(1440, 1460))
    assert_fits(pcap.stop(), 1500)
    assert n_split(hv1) >= 20


def test_set_by_hand(lab):
    """PROTOCOL.md section 8, MUST carry IP packets of 1280 octets: the least
    that an underlay can be set to is enough."""
    hv1, hv2 = lab.hvs
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    hv1.set_peer(hv2.ip, "other_config:mtu=1280")
    wait_until(lambda: mtu_shown(hv1) == 1280, "the setting counts", 5)
    pcap = lab.underlay.capture(direction="in", interface=hv1.uplink)
    assert_arrive(vm1, vm2, range(1150, 1473, 7))
    assert_fits(pcap.stop(), 1280)

    for bad in ("42", "1279", "66000", "1400x"):
        hv1.set_peer(hv2.ip, f"other_config:mtu={bad}")
        wait_until(lambda b=bad: f'mtu: \\"{b}\\"' in hv1.peer(
            hv2.ip, "last_error"), "a bad value is reported", 5)
        wait_until(lambda: mtu_shown(hv1) == 1500, "it does not count", 5)
    hv1.vsctl("clear", "VNetEnc_Peer", hv2.ip, "other_config")
    wait_until(lambda: "other_config" not in hv1.peer(hv2.ip, "last_error"),
               "nothing is wrong any more", 5)


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_guests_are_told(make_lab, ipv6):
    """Without splitting, a guest learns the MTU, and its connection
    continues."""
    lab = make(make_lab)
    hv1, hv2 = lab.hvs
    vm1, vm2 = lab.vms
    if ipv6:
        for vm in lab.vms:
            vm.ip = f"fd00:9::{vm.number}"
            vm.run.ip(vm.netns, f"addr add {vm.ip}/64 dev e0 nodad")
        vm1.know(vm2)
        vm2.know(vm1)
    vm1.reaches(vm2.ip)
    for hv, other in ((hv1, hv2), (hv2, hv1)):
        hv.set_peer(other.ip, "other_config:split=false")
    # 1500 less IP, UDP, record, Geneve and Ethernet headers.
    best = 1500 - 28 - 37 - 8 - 14
    headers = 48 if ipv6 else 28
    said = []

    def too_long():
        said.append(vm1.cmd(
            "ping", "-n", "-c", "1", "-W", 5 * PATIENCE, "-M", "do", "-s",
            best - headers + 1, vm2.ip, check=False))
        return " 0 received" in said[-1]

    wait_until(too_long, "the setting counts")
    assert f"{best}" in said[-1]
    split_before = n_split(hv1)
    route = vm1.cmd("ip", "route", "get", vm2.ip)
    assert f"mtu {best}" in route
    assert not vm1.ping(vm2.ip, 5).lost
    text = vm1.cmd("ping", "-n", "-c", "3", "-i", "0.2", "-W", "1", "-M", "do",
                   "-s", str(best - headers), vm2.ip)
    assert " 0 received" not in text
    data = MARKER * 20000
    assert tcp_transfer(vm1, vm2, data, timeout=20) == data
    assert tcp_transfer(vm2, vm1, data, timeout=20) == data
    assert hv1.coverage("vnetenc_pmtu_sent") < 100
    hv1.expect("vnetenc_tx_mtu", 1)
    assert n_split(hv1) == split_before


def test_narrow_underlay(lab):
    """The way is narrower than the MTU of the interface: long probes find that
    out, and forged packets have no effect."""
    hv1, hv2 = lab.hvs
    vm1, vm2 = lab.vms
    relay = faulty(lab, drop=lambda frame: len(frame) > ETHERNET + 1420)
    narrow = relay.out.faults
    vm1.reaches(vm2.ip)
    wait_until(lambda: mtu_shown(hv1) == 1400, "the MTU is found", 30)
    pcap = lab.underlay.capture(direction="in", interface=hv1.uplink)
    assert_arrive(vm1, vm2, range(1300, 1473, 9))
    assert_fits(pcap.stop(), 1400)
    relay.out.faults = relay.back.faults = Faults()
    wait_until(lambda: mtu_shown(hv1) == 1500, "it is wide again", 90, 0.5)

    # It becomes narrow while long packets are sent: a probe goes with them
    # every 2 s, so that a minute does not pass.
    sender = vm1.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def is_found():
        sender.sendto(bytes(1400), (vm2.ip, 7777))
        return mtu_shown(hv1) == 1400

    relay.out.faults = relay.back.faults = narrow
    wait_until(is_found, "the MTU is found again", 20, 0.2)


def test_ovn(make_cloud):
    """OVN's own option, and rows that belong to ovn-controller."""
    cloud = make_cloud()
    vms = [cloud.add_vm(n, n) for n in (1, 2)]
    cloud.set_mode("require")
    for vm, hv, other in zip(vms, cloud.hvs, cloud.hvs[::-1]):
        vm.run.ip(hv.netns, f"link set dev {vm.port} mtu 1442")
        vm.run.ip(vm.netns, "link set dev e0 mtu 1442")
        hv.set_peer(other.ip, "other_config:mtu=1500")
    cloud.in_effect()
    vms[0].reaches(vms[1].ip)
    wait_until(lambda: mtu_shown(cloud.hvs[0]) == 1500, "the row counts", 5)
    assert_arrive(*vms, range(1370, 1415))
    assert n_split(cloud.hvs[0]) >= 37
    data = MARKER * 20000
    assert tcp_transfer(*vms, data, timeout=20) == data


def test_tshark_decodes(make_lab):
    """tshark with both key logs sees two Geneve packets, one of which holds
    data."""
    lab = make_lab(mtu=1500)
    set_guest_mtu(lab, 1500)
    for hv in lab.hvs:
        hv.keylog()
    lab.pin()
    pcap = lab.underlay.capture()
    lab.connect(encryption="require")
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    assert_arrive(vm1, vm2, [1450])
    path = pcap.stop()
    keys = lab.run.dir / "keys.txt"
    keys.write_text("".join(hv.keylog_file.read_text() for hv in lab.hvs))
    kinds = tshark(lab.run, path, keys, "geneve.option.class == 0xffe7",
                   "geneve.proto_type")
    assert kinds == ["0x88b5", "0x6558"]


def received(receiver):
    """The datagrams that arrive, until none arrives any longer."""
    got = []
    receiver.settimeout(0.5)
    try:
        while True:
            got.append(receiver.recv(65536))
    except TimeoutError:
        return got


def send_numbered(vm1, vm2, count, size=1450, n_senders=1):
    """Sends datagrams that are split, by several sockets in turn; returns
    those that arrived.  A busy host loses what waits in front of it for too
    long, so the next ones wait for a short one, which is not split."""
    senders = [udp_sender(vm1) for _ in range(n_senders)]
    receiver = vm2.receiver()
    got = []

    def arrives(end):
        senders[0].sendto(end, (vm2.ip, 7777))
        receiver.settimeout(0.5 * PATIENCE)
        try:
            while (data := receiver.recv(65536)) != end:
                got.append(data)
        except TimeoutError:
            return False
        return True

    for first in range(0, count, WINDOW):
        for number in range(first, min(first + WINDOW, count)):
            senders[number % n_senders].sendto(content(number, size),
                                               (vm2.ip, 7777))
            time.sleep(0.001)
        wait_until(lambda end=END + b"%d" % first: arrives(end),
                   "a short datagram arrives")
    got += received(receiver)
    return [data for data in got if not data.startswith(END)]


def faulty(lab, seed=1, **faults):
    relay = lab.underlay.relay(lab.hvs[1], seed)
    relay.out.faults = relay.back.faults = Faults(**faults)
    return relay


def assert_unchanged(got, size=1450):
    for data in got:
        assert data == content(int(data.split(b" ")[0]), size)
    assert len(set(got)) == len(got)


def test_reordering(lab):
    """Halves overtake each other, and whole packets."""
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    faulty(lab, reorder=0.3)
    got = send_numbered(vm1, vm2, 300)
    assert_unchanged(got)
    assert len(got) >= 280


def test_duplicates(lab):
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    faulty(lab, duplicate=1.0)
    got = send_numbered(vm1, vm2, 100)
    assert_unchanged(got)
    assert len(got) >= 95
    lab.hvs[1].expect("vnetenc_rx_replay", 180)


@pytest.mark.parametrize("back", [True, False], ids=["back", "front"])
def test_one_half_is_lost(lab, back):
    """Without one half the packet does not arrive, other packets do, and the
    other half does not wait for ever."""
    vm1, vm2 = lab.vms
    hv2 = lab.hvs[1]
    vm1.reaches(vm2.ip)

    def half(frame):
        parsed = capture.udp(frame)
        return (parsed is not None and parsed[3] == capture.DTLS
                and parsed[4][:1] == b"\x17"
                and (len(parsed[4]) == BACK if back
                     else len(frame) == ETHERNET + 1500))

    relay = faulty(lab, drop=half)
    assert not send_numbered(vm1, vm2, 50)
    assert relay.back.counts.dropped + relay.out.counts.dropped >= 45
    assert not vm1.ping(vm2.ip, 20, 0.02).lost
    hv2.expect("vnetenc_rx_half_late", 45)
    relay.out.faults = relay.back.faults = Faults()
    got = send_numbered(vm1, vm2, 50)
    assert_unchanged(got)
    assert len(got) >= 45


def test_transfer_over_everything(lab):
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    faulty(lab, 7, loss=0.02, duplicate=0.05, reorder=0.1)
    data = MARKER * 5000
    assert tcp_transfer(vm1, vm2, data, timeout=30) == data


def test_interleaved_flows(make_lab):
    """Several flows in several lanes, over a cable that reorders."""
    lab = make_lab(mtu=1500)
    set_guest_mtu(lab, 1500)
    for hv in lab.hvs:
        hv.add_profile(lanes=4)
    lab.exchange_pins()
    lab.connect(encryption="require")
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    faulty(lab, reorder=0.2)
    got = send_numbered(vm1, vm2, 400, n_senders=8)
    assert_unchanged(got)
    assert len(got) >= 380


def test_replayed_halves(lab):
    """An attacker who records halves and sends them again, in any order, has
    no effect."""
    vm1, vm2 = lab.vms
    hv1, hv2 = lab.hvs
    vm1.reaches(vm2.ip)
    pcap = lab.underlay.capture(interface=hv1.uplink, direction="in")
    assert len(send_numbered(vm1, vm2, 20)) >= 18
    frames = [f for _, f in capture.frames(pcap.stop())
              if capture.udp(f) and capture.udp(f)[3] == capture.DTLS]
    assert len(frames) >= 36
    receiver = vm2.receiver()
    sock = hv1.uplink_socket()
    before = hv2.coverage("vnetenc_rx_replay")
    for frame in frames + frames[::-1] + frames[::2]:
        sock.send(frame)
    assert not received(receiver)
    hv2.expect("vnetenc_rx_replay", before + 2 * len(frames))
    assert not vm1.ping(vm2.ip, 10, 0.02).lost
