# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The judge of vnetenc-leaktest, on frames made by hand."""

import dataclasses
import json
import socket
import struct
import subprocess

import pytest

import packets
from lab import TOP
from vnetenc_tools import pcap, wire
from vnetenc_tools.leaks import (
    BEGIN, END, MAX_FRAGMENTED, Judge, Leak, Plan, PlanError)

LEAKTEST = TOP / "utilities/vnetenc-leaktest"
HV1, HV2 = "192.0.2.1", "192.0.2.2"
HV1_6, HV2_6 = "2001:db8::1", "2001:db8::2"
OUTER = "02:00:00:00:00:02", "02:00:00:00:00:01"        # Destination, source.
VM1, VM2 = "0a:7e:5c:31:d9:01", "0a:7e:5c:31:d9:02"
COMMON = "00:00:00:00:01:02"
MARKER = bytes(range(100, 132))
SEALED_PROBE = b"s" * 760
PLAN = Plan(
    {5: "sw0"}, {packets.mac(VM1): "vm1", packets.mac(COMMON): "vm3"}, MARKER,
    (HV1, HV2), frozenset((HV1, HV2, HV1_6, HV2_6)),
    {6081: "geneve", 4789: "vxlan", 7000: "geneve"},
    probes=((HV1,), 700, 20))


def ether(payload, kind=0x0800, tags=b""):
    frame = packets.ethernet(*OUTER, kind, payload)
    return frame[:12] + tags + frame[12:]


def udp6(src, dst, sport, dport, data, extensions=b"", first=17):
    datagram = struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data
    return (struct.pack("!IHBB", 6 << 28, len(extensions + datagram), first,
                        64)
            + socket.inet_pton(socket.AF_INET6, src)
            + socket.inet_pton(socket.AF_INET6, dst) + extensions + datagram)


def outer(data, dport=6081, src=HV1, dst=HV2, **kwargs):
    if ":" in src:
        return ether(udp6(src, dst, 50000, dport, data), 0x86dd, **kwargs)
    return ether(packets.udp4(src, dst, 50000, dport, data), **kwargs)


def inner(data=b"data", src=VM2, dst=VM2):
    """A frame of no planned MAC address unless asked."""
    return packets.udp_frame(src, "10.0.0.1", dst, "10.0.0.2", data)


def geneve(vni, frame=None, options=b""):
    payload = packets.geneve(vni, frame or inner())
    return (bytes([len(options) // 4]) + payload[1:8] + options
            + payload[8:])


def vxlan(vni, frame=None):
    return struct.pack("!II", 8 << 24, vni << 8) + (frame or inner())


def record(fragment, kind=23):
    return (struct.pack("!BHHHIH", kind, 0xfefd, 1, 0, 7, len(fragment))
            + fragment)


def bfd():
    return packets.geneve(0, packets.ethernet(
        *OUTER, 0x0800, packets.udp4(HV1, HV2, 50000, 3784, b"bfd")))


def fragments4(packet, *cuts):
    """The frames of an IPv4 packet that is cut at these offsets of its
    payload."""
    head, payload = bytearray(packet[:20]), packet[20:]
    ends = [*cuts, len(payload)]
    for begin, end in zip([0, *cuts], ends):
        flags = begin // 8 | (0 if end == len(payload) else 0x2000)
        struct.pack_into("!HHH", head, 2, 20 + end - begin, 77, flags)
        yield ether(bytes(head) + payload[begin:end])


def fragments6(packet, *cuts):
    head, payload = packet[:40], packet[40:]
    for begin, end in zip([0, *cuts], [*cuts, len(payload)]):
        flags = begin | (end != len(payload))
        part = struct.pack("!BBHI", head[6], 0, flags, 77) + payload[begin:end]
        yield ether(head[:4] + struct.pack("!HB", len(part), 44) + head[7:]
                    + part, 0x86dd)


def icmp(quoted, src=HV2, dst=HV1):
    payload = struct.pack("!BBHI", 3, 3, 0, 0) + quoted
    return ether(struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64,
                             1, 0)
                 + socket.inet_aton(src) + socket.inet_aton(dst) + payload)


def control(tail, src=HV1, dst=HV2):
    return packets.udp4(src, dst, 40000, 9, MARKER + tail)


MARKED = inner(MARKER)
VLAN = bytes.fromhex("81000007")
QINQ = bytes.fromhex("88a80009") + VLAN
OPTIONS = bytes.fromhex("010280010001 0002".replace(" ", ""))
# Cut within the marker, which begins behind 8 + 8 + 42 octets.
IN_MARKER = 8 + 8 + 42 + 14

# (what, frames, (port, VNI, part of a reason) of each leak).
CASES = [
    ("nothing", [], []),
    ("Geneve with a planned VNI", [outer(geneve(5))],
     [(6081, 5, "VNI of sw0")]),
    ("Geneve with options", [outer(geneve(5, options=OPTIONS))],
     [(6081, 5, "VNI of sw0")]),
    ("Geneve with another VNI", [outer(geneve(6))], []),
    ("VXLAN", [outer(vxlan(5), 4789)], [(4789, 5, "VNI of sw0")]),
    ("VXLAN with the key of a port as well", [outer(vxlan(0x3005), 4789)],
     [(4789, 0x3005, "VNI of sw0")]),
    ("VXLAN with another VNI", [outer(vxlan(6), 4789)], []),
    ("Geneve with such a VNI", [outer(geneve(0x3005))], []),
    ("the dst_port of an Encap", [outer(geneve(5), 7000)],
     [(7000, 5, "VNI of sw0")]),
    ("IPv6 underlay", [outer(geneve(5), src=HV1_6, dst=HV2_6)],
     [(6081, 5, "VNI of sw0")]),
    ("IPv6 underlay, extension headers",
     [ether(udp6(HV1_6, HV2_6, 50000, 6081, geneve(5),
                 bytes.fromhex("3c00010400000000 1101010400000000"
                               "0000000000000000".replace(" ", "")), 0),
            0x86dd)],
     [(6081, 5, "VNI of sw0")]),
    ("VLAN tag", [outer(geneve(5), tags=VLAN)], [(6081, 5, "VNI of sw0")]),
    ("two VLAN tags, IPv6",
     [outer(geneve(5), src=HV1_6, dst=HV2_6, tags=QINQ)],
     [(6081, 5, "VNI of sw0")]),
    ("marker in another VNI", [outer(geneve(6, MARKED))],
     [(6081, 6, "marker")]),
    ("marker on another port", [outer(MARKED, 12345)],
     [(12345, None, "marker")]),
    ("marker at the DTLS port", [outer(record(MARKED), 6082)],
     [(6082, None, "marker")]),
    ("marker without IP", [ether(b"x" + MARKER, 0x88b6)],
     [(None, None, "marker")]),
    ("marker in TCP", [ether(packets.udp4(HV1, HV2, 1, 2, MARKER)[:9] + b"\6"
                             + packets.udp4(HV1, HV2, 1, 2, MARKER)[10:])],
     [(None, None, "marker")]),
    ("half of a marker", [outer(geneve(6, inner(MARKER[:31])))], []),
    ("MAC address in another VNI", [outer(geneve(6, inner(src=VM1)))],
     [(6081, 6, f"MAC address {VM1} of vm1")]),
    ("MAC address on another port", [outer(inner(dst=VM1), 12345)],
     [(12345, None, "of vm1")]),
    ("MAC address of the frame", [packets.udp_frame(
        VM1, "10.0.0.1", VM2, "10.0.0.2", b"")], [(7777, None, "of vm1")]),
    ("MAC address at an odd place", [ether(b"x" * 999 + packets.mac(VM1))],
     [(None, None, "of vm1")]),
    ("a like MAC address before it",
     [ether(packets.mac(VM1)[:5] + b"x" + packets.mac(VM1), 0x88b6)],
     [(None, None, "of vm1")]),
    ("a common MAC address in a tunnel", [outer(geneve(6, inner(src=COMMON)))],
     [(6081, 6, "of vm3")]),
    ("a common MAC address in VXLAN",
     [outer(vxlan(6, inner(dst=COMMON)), 4789)], [(4789, 6, "of vm3")]),
    ("a common MAC address behind options",
     [outer(geneve(6, inner(src=COMMON), OPTIONS))], [(6081, 6, "of vm3")]),
    ("a common MAC address as other data",
     [outer(b"y" * 40 + packets.mac(COMMON), 12345)], []),
    ("BFD between chassis", [outer(bfd())], []),
    ("fragments: the VNI", fragments4(packets.udp4(
        HV1, HV2, 50000, 6081, geneve(5)), 24), [(6081, 5, "VNI of sw0")]),
    ("fragments: the marker in the second", fragments4(packets.udp4(
        HV1, HV2, 50000, 6081, geneve(6, MARKED)), 24),
     [(None, None, "marker")]),
    ("fragments: the marker in two", fragments4(packets.udp4(
        HV1, HV2, 50000, 6081, geneve(6, MARKED)), IN_MARKER),
     [(6081, 6, "marker")]),
    ("fragments: the marker in two, the last first",
     list(fragments4(packets.udp4(HV1, HV2, 50000, 6081, geneve(6, MARKED)),
                     24, IN_MARKER))[::-1], [(6081, 6, "marker")]),
    ("fragments: one is missing", list(fragments4(packets.udp4(
        HV1, HV2, 50000, 6081, geneve(6, MARKED)), IN_MARKER))[1:], []),
    ("fragments of IPv6: the VNI", fragments6(udp6(
        HV1_6, HV2_6, 50000, 6081, geneve(5)), 24),
     [(6081, 5, "VNI of sw0")]),
    ("fragments of IPv6: the marker in two", fragments6(udp6(
        HV1_6, HV2_6, 50000, 6081, geneve(6, MARKED)), IN_MARKER),
     [(6081, 6, "marker")]),
    ("control packets", [ether(control(BEGIN)), ether(control(END))], []),
    ("a control packet to another host",
     [ether(control(BEGIN, dst="192.0.2.9"))], [(9, None, "marker")]),
    ("a control packet with more", [ether(control(BEGIN + b"x"))],
     [(9, None, "marker")]),
    ("the refusal of a control packet", [icmp(control(BEGIN))], []),
    ("ICMP with a probe in it", [icmp(packets.udp4(
        HV1, HV2, 50000, 6081, geneve(6, MARKED)))], [(None, None, "marker")]),
    ("ICMP to another host", [icmp(control(BEGIN), dst="192.0.2.9")],
     [(None, None, "marker")]),
    ("records", [outer(record(SEALED_PROBE), 6082)], []),
    ("frames that end early", [outer(geneve(5))[:n] for n in range(46)], []),
    ("a frame that ends behind the VNI", [outer(geneve(5))[:50]],
     [(6081, 5, "VNI of sw0")]),
]


def judged(frames, plan=PLAN):
    judge = Judge(plan)
    found = [judge.see(7.0, frame) for frame in frames]
    return judge, [leak for leak in found if leak]


@pytest.mark.parametrize("frames, wanted", [case[1:] for case in CASES],
                         ids=[case[0] for case in CASES])
def test_frames(frames, wanted):
    frames = list(frames)
    judge, found = judged(frames)
    assert len(found) == len(wanted) == judge.n_leaks, found
    for leak, (port, vni, reason) in zip(found, wanted):
        assert (leak.port, leak.vni) == (port, vni), leak
        assert any(reason in r for r in leak.reasons), leak
    assert judge.n_seen == len(frames)


def test_many_mac_addresses():
    """Of many makers."""
    macs = {bytes([2 * n, n, 7, 8, 9, n]): f"vm{n}" for n in range(1, 100)}
    plan = dataclasses.replace(PLAN, macs=macs)
    for mac, name in macs.items():
        leak, = judged([ether(b"x" * 99 + mac + b"y" * 9)], plan)[1]
        assert leak.reasons == [f"MAC address {mac.hex(':')} of {name}"]
    assert not judged([ether(b"x" * 99 + mac[:5] + b"y" * 9)], plan)[1]


def test_a_leak_says_who_sent_it():
    _, found = judged([outer(geneve(5))])
    assert found == [Leak(7.0, HV1, HV2, 6081, 5, ["VNI of sw0"])]


def test_what_proves_a_capture():
    """Both control packets, whole frames, and the probes in records."""
    begin, end = ether(control(BEGIN)), ether(control(END))
    probe = outer(record(SEALED_PROBE), 6082)
    probes = [probe] * PLAN.probes[2]
    good = [begin, *probes, end]
    judge, _ = judged(good)
    assert not judge.doubts()
    assert (judge.n_sealed, judge.n_probes) == (20, 20)
    for frames, doubt in (
            ([*probes, end], "no control packet (begin)"),
            ([begin, begin, *probes], "no control packet (end)"),
            (probes, "no control packet (begin, end)"),
            ([begin, end], "of 20 probes none"),
            # One went another way.
            ([*good[:-2], end], "of 20 probes 19"),
            # A probe of a session, a handshake, another sender, others' DTLS.
            ([begin, end, outer(record(b"s" * 40), 6082)], "of 20 probes"),
            ([begin, end, outer(record(SEALED_PROBE, 22), 6082)],
             "of 20 probes"),
            ([begin, end, outer(record(SEALED_PROBE), 6082, HV2, HV1)],
             "of 20 probes"),
            ([begin, end, outer(record(SEALED_PROBE), 6082, dst="192.0.2.9")],
             "of 20 probes")):
        judge, found = judged(frames)
        assert not found and len(judge.doubts()) == 1
        assert doubt in judge.doubts()[0]
    watch = dataclasses.replace(PLAN, probes=((), 0, 0))
    assert judged([begin, end], watch)[0].doubts() == [
        "no sealed packet between chassis was seen: there was nothing to"
        " judge"]
    assert not judged([begin, outer(record(b"s"), 6082, HV2, HV1), end],
                      watch)[0].doubts()
    judge = Judge(PLAN)
    for frame in good:
        judge.see(7.0, frame, is_cut=frame is probe)
    assert "20 frames are cut short" in judge.doubts()[0]


def test_waiting_fragments_are_bounded():
    judge = Judge(PLAN)
    first, last = fragments4(packets.udp4(HV1, HV2, 1, 2, b"x" * 64), 24)
    for number in range(MAX_FRAGMENTED + 500):
        frame = bytearray(first)
        struct.pack_into("!H", frame, 18, number)
        judge.see(7.0, bytes(frame))
    assert len(judge._fragments._waiting) == MAX_FRAGMENTED


def test_plan_is_read_as_written():
    assert Plan.from_json(PLAN.to_json()) == PLAN
    good = json.loads(PLAN.to_json())
    for key, value in (("version", 2), ("marker", "00"), ("marker", "xy"),
                       ("macs", {"0a:7e": "x"}), ("vnis", {"x": "sw0"}),
                       ("control", [HV1]), ("ends", ["nowhere"]),
                       ("probes", []), ("vnis", [])):
        with pytest.raises(PlanError):
            Plan.from_json(json.dumps({**good, key: value}))
    for key in good:
        less = {k: v for k, v in good.items() if k != key}
        with pytest.raises(PlanError, match=key):
            Plan.from_json(json.dumps(less))
    for text in ("", "[]", "7", "{", "null"):
        with pytest.raises(PlanError):
            Plan.from_json(text)


# Files.

def pcap_file(frames, order="<", magic=0xa1b2c3d4, link=1, cut=0):
    data = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    for frame in frames:
        data += struct.pack(order + "IIII", 7, 5, len(frame),
                            len(frame) + cut) + frame
    return data


def block(order, kind, body):
    body += b"\0" * (-len(body) % 4)
    size = 12 + len(body)
    return (struct.pack(order + "II", kind, size) + body
            + struct.pack(order + "I", size))


def pcapng_file(frames, order="<", link=1, resolution=6, kind=6):
    data = block(order, 0x0a0d0d0a, struct.pack(
        order + "IHHq", 0x1a2b3c4d, 1, 0, -1))
    data += block(order, 1, struct.pack(order + "HHIHHB3xHH", link, 0, 0, 9, 1,
                                        resolution, 0, 0))
    data += block(order, 5, bytes(12))          # Statistics.
    ticks = 7 * 10 ** resolution + 5 * 10 ** (resolution - 6)
    for frame in frames:
        if kind == 3:
            data += block(order, 3, struct.pack(order + "I", len(frame))
                          + frame)
        else:
            data += block(order, kind, struct.pack(
                order + "IIIII", 0, ticks >> 32, ticks & 0xffffffff,
                len(frame), len(frame)) + frame)
    return data


FRAMES = [outer(geneve(5)), ether(control(BEGIN)), b"x" * 61]
FILES = {
    "pcap": pcap_file(FRAMES),
    "pcap, big-endian": pcap_file(FRAMES, ">"),
    "pcap, nanoseconds": pcap_file(FRAMES, magic=0xa1b23c4d),
    "pcapng": pcapng_file(FRAMES),
    "pcapng, big-endian": pcapng_file(FRAMES, ">"),
    "pcapng, nanoseconds": pcapng_file(FRAMES, resolution=9),
    "pcapng, two sections": pcapng_file(FRAMES[:1])
    + pcapng_file(FRAMES[1:], ">"),
    "pcapng, simple packets": pcapng_file(FRAMES, kind=3),
}


@pytest.mark.parametrize("name", FILES)
def test_kinds_of_files(tmp_path, name):
    path = tmp_path / "file"
    path.write_bytes(FILES[name])
    read = list(pcap.read(path))
    assert [f.data for f in read] == FRAMES
    if "simple" not in name:
        assert all(abs(f.time - 7) < 1e-3 for f in read)
    assert not any(f.is_cut for f in read)
    # Whatever the length at which it ends: whole packets, then the truth.
    for size in range(len(FILES[name])):
        path.write_bytes(FILES[name][:size])
        frames = []
        try:
            for frame in pcap.read(path):
                frames.append(frame.data)
        except pcap.Truncated as error:
            assert str(path) in str(error)
        assert frames == FRAMES[:len(frames)] != FRAMES


@pytest.mark.parametrize("data, said", [
    (b"", "is empty"),
    (b"hello, world", "is no capture file"),
    (pcap_file(FRAMES, link=113), "link type 113; only Ethernet"),
    (pcapng_file(FRAMES, link=276), "link type 276; only Ethernet"),
    (pcap_file(FRAMES)[:32] + b"\xff" * 99, "damaged: a packet of"),
    (pcapng_file(FRAMES)[:28] + b"\xff" * 99, "damaged: a block of"),
    (pcapng_file(FRAMES, kind=2), "obsolete packet blocks"),
    (pcapng_file([])[:28] + pcapng_file(FRAMES)[68:], "damaged: a block of"),
], ids=["empty", "text", "pcap, any", "pcapng, any", "pcap, length",
        "pcapng, length", "obsolete", "no interface"])
def test_bad_files(tmp_path, data, said):
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(pcap.Malformed, match=said):
        list(pcap.read(path))


def test_frames_that_were_cut(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(pcap_file(FRAMES, cut=1))
    assert all(f.is_cut for f in pcap.read(path))


@pytest.mark.parametrize("text", ["0a:7e:5c:31:d9", "0a:7e:5c:31:d9:1", ""])
def test_bad_mac_address(text):
    with pytest.raises(ValueError):
        wire.mac(text)


# The program with --pcap.

def judge_files(folder, data, plan=None):
    """(exit status, output)."""
    (folder / "plan").write_text(plan or PLAN.to_json())
    (folder / "pcap").write_bytes(data)
    done = subprocess.run(
        [LEAKTEST, "--pcap", folder / "pcap", "--plan", folder / "plan"],
        capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_program(tmp_path):
    good = [ether(control(BEGIN)),
            *[outer(record(SEALED_PROBE), 6082)] * PLAN.probes[2],
            ether(control(END))]
    status, text = judge_files(tmp_path, pcap_file(good))
    assert (status, text.splitlines()[-1]) == (
        0, "NOTHING LEAKED, as far as this place shows"), text
    assert "       22 packets seen\n" in text
    status, text = judge_files(tmp_path, pcapng_file(good[1:]))
    assert status == 2 and "no control packet (begin)" in text, text
    leak = "leak: 1970-01-01 00:00:07.000005 UTC 192.0.2.1 > 192.0.2.2, UDP" \
        " port 6081, VNI 5: VNI of sw0\n"
    # A leak is one even if the rest proves nothing.
    for frames in (good, []):
        status, text = judge_files(tmp_path,
                                   pcap_file([*frames, outer(geneve(5))]))
        assert status == 1 and leak in text, text
    status, text = judge_files(tmp_path, pcap_file(
        [outer(geneve(5))] * 15)[:-1])
    assert status == 1 and text.count(leak) == 10, text
    assert "... and 4 more\n" in text and "truncated" in text, text
    status, text = judge_files(tmp_path, pcap_file(good)[:-1])
    assert status == 2 and "truncated: it ends within a packet" in text, text


def test_program_says_what_is_wrong(tmp_path):
    status, text = judge_files(tmp_path, b"hello, world")
    assert status == 2 and f"{tmp_path}/pcap: is no capture file" in text
    status, text = judge_files(tmp_path, pcap_file([]), "{}")
    assert status == 2 and f"{tmp_path}/plan: no plan of" in text
    (tmp_path / "pcap").unlink()
    for args, said in (
            (["--pcap", tmp_path / "pcap", "--plan", tmp_path / "plan"],
             "no plan of"),
            (["--pcap", tmp_path / "pcap"], "need each other"),
            (["--from", "vm1"], "--from and --to need each other"),
            (["--count", "101"], "not between 1 and 100"),
            (["--watch", "61"], "not between 0 and 60"),
            (["--interface", "a", "--mirror", "b"], "exclude each other")):
        done = subprocess.run([LEAKTEST, *args], capture_output=True,
                              text=True, check=False)
        assert done.returncode == 2 and said in done.stderr, done.stderr
    (tmp_path / "plan").write_text(PLAN.to_json())
    done = subprocess.run(
        [LEAKTEST, "--pcap", tmp_path / "pcap", "--plan", tmp_path / "plan"],
        capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"{tmp_path}/pcap: No such file or directory" in done.stdout


def test_names_move_no_cursor(tmp_path):
    plan = dataclasses.replace(PLAN, vnis={5: "sw\x1b[2J0\nNOTHING LEAKED"})
    status, text = judge_files(tmp_path, pcap_file([outer(geneve(5))]),
                               plan.to_json())
    assert status == 1 and "\x1b" not in text
    assert "\nNOTHING LEAKED" not in text, text
