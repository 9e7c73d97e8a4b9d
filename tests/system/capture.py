# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Captures by tcpdump, read without keys.

The capture file is the judge of every claim about the wire, and this reader
shares no code with the programs that it judges.
"""

import collections
import ipaddress
import itertools
import re
import signal
import socket
import struct
import time

from runspace import Failed, Late, socket_in, wait_until

GENEVE, VXLAN = 6081, 4789
DTLS, DTLS_VXLAN = 6082, 6089
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
CLIENT_HELLO, SERVER_HELLO = 1, 2
BFD_PORTS = (3784, 4784)
# To the nearest bridge, which forwards it to nobody; a local experimental
# Ethernet type (IEEE 802).
MARK = bytes.fromhex("0180c200000e" "020000000001" "88b5")

Datagram = collections.namedtuple(
    "Datagram", "time src sport dst dport payload")
Record = collections.namedtuple(
    "Record", "time src sport dst dport type version epoch seq fragment")


class Capture:
    """A running tcpdump, which writes each packet to the file at once."""

    def __init__(self, run, netns, interface, direction=None):
        self.path = run.dir / f"{interface}.{id(self):x}.pcap"
        self._one_way = direction is not None
        self._where = netns, interface
        self._marks = itertools.count()
        self._tcpdump = run.spawn(
            # The kernel's buffer has slots of the size that -s asks for.
            "tcpdump", "-i", interface, "-w", self.path, "-U", "-s", "16384",
            "-n", "-B", "65536", "-Z", "root", "--immediate-mode",
            *(("-Q", direction) if direction else ()), netns=netns)
        wait_until(lambda: "listening on" in self._tcpdump.output(),
                   "tcpdump listens")

    def now(self):
        """Returns the path of the file, which has each packet that passed
        before this call.  A file is a moment behind the wire, so that without
        this a packet seems missing, or a leak is not seen.  The mark is a
        frame of our own."""
        if self._tcpdump.alive() and not self._one_way:
            mark = MARK + struct.pack("!Q", next(self._marks)).ljust(46, b"m")
            begin = self.path.stat().st_size
            with socket_in(self._where[0], socket.AF_PACKET, socket.SOCK_RAW,
                           0) as sock:
                sock.bind((self._where[1], 0))
                sock.send(mark)

            def written():
                with self.path.open("rb") as f:
                    f.seek(begin)
                    return mark in f.read()
            wait_until(written, "the mark is in the capture", interval=0.005)
        return self.path

    def _settle(self):
        """Waits until the file no longer grows."""
        def quiet():
            size = self.path.stat().st_size
            time.sleep(0.1)
            return self.path.stat().st_size == size
        wait_until(quiet, "the network is quiet", timeout=3)

    def stop(self, quiet=True):
        """Ends the capture; fails if it missed a packet."""
        if self._tcpdump.alive():
            if quiet:
                self._settle()
                self.now()
            self._tcpdump.stop(signal.SIGINT)
        counts = [int(n) for n in re.findall(
            r"(\d+) packets? (?:captured|received|dropped)",
            self._tcpdump.output())]
        # Machines send packets by themselves, also between the last look at
        # the file and the signal: such packets may be missing at the end.
        missing = (quiet and not self._one_way and len(counts) == 3
                   and counts[1] - counts[0] > 3)
        if len(counts) != 3 or counts[2] or missing:
            raise Late(f"incomplete capture: {self._tcpdump.output()}")
        return self.path


def frames(path):
    """Yields (time, frame) of a capture file, without a last packet that is
    still being written, and without our marks."""
    data = path.read_bytes()
    magic = struct.unpack_from("<I", data)[0] if len(data) >= 24 else None
    if magic is None:
        return
    if magic not in (0xa1b2c3d4, 0xa1b23c4d):
        raise Failed(f"{path}: not a capture file")
    fraction = 1e-6 if magic == 0xa1b2c3d4 else 1e-9
    at = 24
    while at + 16 <= len(data):
        sec, sub, size, _ = struct.unpack_from("<IIII", data, at)
        if at + 16 + size > len(data):
            return
        if not data.startswith(MARK, at + 16):
            yield sec + sub * fraction, data[at + 16:at + 16 + size]
        at += 16 + size


def _network(frame):
    """(ethertype, offset of the network header), behind any VLAN tags."""
    at = 12
    while frame[at:at + 2] in (b"\x81\0", b"\x88\xa8"):
        at += 4
    return int.from_bytes(frame[at:at + 2], "big"), at + 2


def udp(frame):
    """(src, sport, dst, dport, payload) of an unfragmented UDP packet, or
    None."""
    kind, at = _network(frame)
    if kind == 0x0800 and len(frame) >= at + 28:
        if (frame[at + 9] != 17
                or int.from_bytes(frame[at + 6:at + 8], "big") & 0x3fff):
            return None
        src, dst = frame[at + 12:at + 16], frame[at + 16:at + 20]
        at += (frame[at] & 15) * 4
    elif kind == 0x86dd and len(frame) >= at + 48:
        if frame[at + 6] != 17:
            return None
        src, dst = frame[at + 8:at + 24], frame[at + 24:at + 40]
        at += 40
    else:
        return None
    sport, dport, size = struct.unpack_from("!HHH", frame, at)
    return (str(ipaddress.ip_address(src)), sport,
            str(ipaddress.ip_address(dst)), dport, frame[at + 8:at + size])


def datagrams(path):
    for when, frame in frames(path):
        parsed = udp(frame)
        if parsed:
            yield Datagram(when, *parsed)


def is_tunnel_bfd(payload):
    """True for BFD between the ends of the tunnel, which carries no data of a
    tenant."""
    if len(payload) < 8:
        return False
    inner = udp(payload[8 + (payload[0] & 0x3f) * 4:])
    return inner is not None and inner[3] in BFD_PORTS


def plaintext_tunnel(path, since=0.0):
    """The tunnel packets in clear that carry tenant frames, from `since`
    on."""
    return [d for d in datagrams(path)
            if d.dport in (GENEVE, VXLAN) and d.time >= since
            and not is_tunnel_bfd(d.payload)]


def parse_records(datagram):
    """The DTLS records of a datagram, as far as they parse."""
    data, at = datagram.payload, 0
    while at + 13 <= len(data):
        kind, version, epoch = struct.unpack_from("!BHH", data, at)
        seq = int.from_bytes(data[at + 5:at + 11], "big")
        size = int.from_bytes(data[at + 11:at + 13], "big")
        if at + 13 + size > len(data):
            return
        yield Record(*datagram[:5], kind, version, epoch, seq,
                     data[at + 13:at + 13 + size])
        at += 13 + size


def records(path, since=0.0, port=DTLS):
    """Every DTLS record to or from the DTLS port."""
    for datagram in datagrams(path):
        if port in (datagram.sport, datagram.dport) and datagram.time >= since:
            yield from parse_records(datagram)


def data_records(path, since=0.0, port=DTLS):
    """The application_data records: sealed tunnel packets and probes."""
    return [r for r in records(path, since, port)
            if r.type == APPLICATION_DATA]


def count(path, text, since=0.0, until=float("inf")):
    """How often `text` is readable anywhere in the capture."""
    return sum(frame.count(text) for when, frame in frames(path)
               if since <= when < until)


def repeated_nonces(path, port=DTLS):
    """Pairs of different records that were sealed under one key with one
    explicit nonce.

    A 4-tuple, in one direction, uses a key from a ChangeCipherSpec on.  The
    random of the ClientHello that led to the key names it, so a repeated
    flight names the same key.  Records with equal bytes are copies that the
    network made."""
    hello = {}                  # (client, server) -> random.
    key = {}                    # (src, sport, dst, dport) -> key name.
    seen = {}                   # (key, nonce) -> fragment.
    repeated = []
    for r in records(path, port=port):
        way = (r.src, r.sport, r.dst, r.dport)
        pair = way if r.dport == port else (r.dst, r.dport, r.src, r.sport)
        if r.epoch == 0:
            if r.type == HANDSHAKE and r.fragment[:1] == bytes([CLIENT_HELLO]):
                hello[pair] = bytes(r.fragment[14:46])
            elif r.type == CHANGE_CIPHER_SPEC:
                key[way] = hello.get(pair)
            continue
        name = (way, key.get(way), r.fragment[:8])
        fragment = seen.setdefault(name, r.fragment)
        if fragment != r.fragment:
            repeated.append((name, r))
    return repeated
