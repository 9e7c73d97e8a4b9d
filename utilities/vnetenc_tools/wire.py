# Copyright (c) 2026 The vnetenc authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at:
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""The packets of a capture, read without keys.

Shares no code with the programs that it judges.
"""

import collections
import ipaddress
import re
import struct

GENEVE, VXLAN = 6081, 4789
DTLS, DTLS_VXLAN = 6082, 6089
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
CLIENT_HELLO, SERVER_HELLO = 1, 2
BFD_PORTS = (3784, 4784)
VLAN_TYPES = (b"\x81\0", b"\x88\xa8", b"\x91\0")
IPV4, IPV6 = 0x0800, 0x86dd
ICMP, UDP, ICMPV6 = 1, 17, 58
# Extension headers of IPv6 that say their length in units of 8 octets.
HOP_BY_HOP, ROUTING, DESTINATION, FRAGMENT = 0, 43, 60, 44

Datagram = collections.namedtuple(
    "Datagram", "time src sport dst dport payload")
Record = collections.namedtuple(
    "Record", "time src sport dst dport type version epoch seq fragment")
# `fragment` is (identification, offset, whether more follow), or None for a
# whole packet.
Packet = collections.namedtuple("Packet", "src dst protocol fragment payload")


def is_mac(text):
    return bool(re.fullmatch(r"(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", text))


def mac(text):
    """The six octets of a MAC address."""
    if not is_mac(text):
        raise ValueError(f"no MAC address: {text}")
    return bytes.fromhex(text.replace(":", ""))


def _network(frame):
    """(ethertype, offset of the network header), behind any VLAN tags."""
    at = 12
    while frame[at:at + 2] in VLAN_TYPES:
        at += 4
    return int.from_bytes(frame[at:at + 2], "big"), at + 2


def packet(frame):
    """The IP packet of a frame, as far as the frame has it, or None."""
    kind, at = _network(frame)
    if kind == IPV4 and len(frame) >= at + 20:
        return _packet4(frame, at)
    if kind == IPV6 and len(frame) >= at + 40:
        return _packet6(frame, at)
    return None


def _packet4(frame, at):
    size, identification, flags = struct.unpack_from("!HHH", frame, at + 2)
    head = (frame[at] & 15) * 4
    # A length of 0 is that of a packet that a NIC has yet to cut.
    end = at + size if size >= head else len(frame)
    offset, more = (flags & 0x1fff) * 8, bool(flags & 0x2000)
    return Packet(str(ipaddress.IPv4Address(frame[at + 12:at + 16])),
                  str(ipaddress.IPv4Address(frame[at + 16:at + 20])),
                  frame[at + 9],
                  (identification, offset, more) if offset or more else None,
                  frame[at + head:end])


def _packet6(frame, at):
    size, protocol = struct.unpack_from("!HB", frame, at + 4)
    src, dst = frame[at + 8:at + 24], frame[at + 24:at + 40]
    end = at + 40 + size if size else len(frame)
    at, fragment = at + 40, None
    while len(frame) >= at + 8 and protocol in (HOP_BY_HOP, ROUTING,
                                                DESTINATION, FRAGMENT):
        if protocol == FRAGMENT:
            flags, identification = struct.unpack_from("!HI", frame, at + 2)
            if flags & 0xfff9:
                fragment = identification, flags & 0xfff8, bool(flags & 1)
            protocol, at = frame[at], at + 8
            if fragment and fragment[1]:
                break               # What follows is no header.
        else:
            protocol, at = frame[at], at + 8 + frame[at + 1] * 8
    return Packet(str(ipaddress.IPv6Address(src)),
                  str(ipaddress.IPv6Address(dst)), protocol, fragment,
                  frame[at:end])


def quoted(packet):
    """The beginning of the packet that an error of ICMP is about, or None."""
    data = packet.payload[8:]
    if packet.fragment:
        return None
    if packet.protocol == ICMP and len(data) >= 20:
        return _packet4(data, 0)
    if packet.protocol == ICMPV6 and len(data) >= 40:
        return _packet6(data, 0)
    return None


def ports(payload):
    """(sport, dport, what follows) of the payload of a UDP packet, or of its
    first fragment; None if it is too short."""
    if len(payload) < 8:
        return None
    sport, dport, size = struct.unpack_from("!HHH", payload)
    return sport, dport, payload[8:size if size >= 8 else None]


def udp(frame):
    """(src, sport, dst, dport, payload) of an unfragmented UDP packet, or
    None."""
    found = packet(frame)
    if found is None or found.protocol != UDP or found.fragment:
        return None
    head = ports(found.payload)
    return head and (found.src, head[0], found.dst, *head[1:])


def datagrams(frames):
    """The datagrams among (time, frame) pairs."""
    for when, frame in frames:
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


def repeated_nonces(records, port=DTLS):
    """Pairs of different records that were sealed under one key with one
    explicit nonce.

    A 4-tuple, in one direction, uses a key from a ChangeCipherSpec on.  The
    random of the ClientHello that led to the key names it, so a repeated
    flight names the same key.  Records with equal bytes are copies that the
    network made, perhaps so late that the 4-tuple has another key."""
    hellos = {}                 # (client, server) -> randoms, in their order.
    key = {}                    # (src, sport, dst, dport) -> key name.
    seen = {}                   # (4-tuple, nonce) -> {fragment: key name}.
    repeated = []
    for r in records:
        way = (r.src, r.sport, r.dst, r.dport)
        pair = way if r.dport == port else (r.dst, r.dport, r.src, r.sport)
        if r.epoch == 0:
            if r.type == HANDSHAKE and r.fragment[:1] == bytes([CLIENT_HELLO]):
                randoms = hellos.setdefault(pair, [])
                if r.fragment[14:46] not in randoms:
                    randoms.append(r.fragment[14:46])
            elif r.type == CHANGE_CIPHER_SPEC:
                key[way] = hellos.get(pair, [None])[-1]
            continue
        keys = seen.setdefault((way, r.fragment[:8]), {})
        if r.fragment in keys:
            continue
        if key.get(way) in keys.values():
            repeated.append((keys, r))
        keys[r.fragment] = key.get(way)
    return repeated
