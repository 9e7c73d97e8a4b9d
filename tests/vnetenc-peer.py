#!/usr/bin/python3
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

"""The other end of the tunnels of the tests on dummy datapaths.

It seals and opens records with the cryptography module and code of its own.
Its key for a lane is the lane's port, 16 times; the fixed IV is a0a1a2a3.

vnetenc-peer.py open
        reads packets in hexadecimal from the underlay, one on each line.  For
        an intact DTLS record it prints
            LANE>PORT SEQUENCE-NUMBER TUNNEL-HEADER INNER-PACKET
        and for any other packet "CLEAR" and the packet.

vnetenc-peer.py sums
        reads TCP packets in hexadecimal, one on each line, without IP options.
        For each it prints whether its checksums are "good" or "bad".

vnetenc-peer.py seal PORT LANE SEQ PLAINTEXT [REMOTE LOCAL]
vnetenc-peer.py record PORT LANE SEQ PLAINTEXT TYPE VERSION EPOCH
vnetenc-peer.py datagram PORT LANE PAYLOAD [REMOTE LOCAL]
        prints a packet from REMOTE to LOCAL (default 1.1.2.92 and 1.1.2.88),
        from UDP port LANE to PORT.  With "seal" it has a record of application
        data, with "record" another record, with "datagram" PAYLOAD as it is.
        SEQ, PLAINTEXT, VERSION and PAYLOAD are hexadecimal.

vnetenc-peer.py stall REMOTE LOCAL N
        begins N handshakes over the kernel's sockets, returns the cookies and
        sends nothing more.
"""

import ipaddress
import socket
import sys
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MACS = bytes.fromhex("aa55aa550000" "f8bc124434b2")


def be(n, size):
    return n.to_bytes(size, "big")


def cipher(lane):
    return AESGCM(be(lane, 2) * 16)


def add_up(data):
    data += b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(data[i:i + 2], "big")
                for i in range(0, len(data), 2))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return total


def record(lane, seq, plain, kind=23, version=0xfefd, epoch=1):
    """A record of a session."""
    number = be(epoch, 2) + be(seq, 6)
    header = be(kind, 1) + be(version, 2)
    text = cipher(lane).encrypt(bytes.fromhex("a0a1a2a3") + number, plain,
                                number + header + be(len(plain), 2))
    return header + number + be(len(text) + 8, 2) + number + text


def datagram(lane, port, payload, remote="1.1.2.92", local="1.1.2.88"):
    """A UDP packet in Ethernet."""
    src = ipaddress.ip_address(remote)
    dst = ipaddress.ip_address(local)
    udp = be(lane, 2) + be(port, 2) + be(8 + len(payload), 2)
    if src.version == 6:
        total = add_up(src.packed + dst.packed + be(17, 2)
                       + be(8 + len(payload), 2) + udp + payload)
        ip = (be(6 << 28, 4) + be(8 + len(payload), 2) + be(17, 1)
              + be(64, 1) + src.packed + dst.packed)
        return (MACS + be(0x86dd, 2) + ip + udp
                + be(0xffff - total or 0xffff, 2) + payload)
    ip = (be(0x45, 2)[1:] + be(0, 1) + be(28 + len(payload), 2) + be(0x4000, 4)
          + be(64, 1) + be(17, 1))
    rest = src.packed + dst.packed
    ip += be(0xffff - add_up(ip + rest), 2) + rest
    return MACS + be(0x800, 2) + ip + udp + be(0, 2) + payload


def opened(packet):
    """The contents of a packet from the underlay, as text."""
    kind = int.from_bytes(packet[12:14], "big")
    if kind == 0x800 and packet[14] == 0x45 and packet[23] == 17:
        udp = packet[34:]
        if (int.from_bytes(packet[16:18], "big") != len(packet) - 14
                or add_up(packet[14:34]) != 0xffff or udp[6:8] != be(0, 2)):
            return None
    elif kind == 0x86dd and packet[20] == 17:
        udp = packet[54:]
        if (int.from_bytes(packet[18:20], "big") != len(packet) - 54
                or add_up(packet[22:54] + be(17, 2) + udp[4:6] + udp)
                != 0xffff):
            return None
    else:
        return None
    lane, port, length = (int.from_bytes(udp[i:i + 2], "big")
                          for i in (0, 2, 4))
    r = udp[8:]
    if (port not in (6082, 6089) or length != len(udp) or len(r) < 37
            or r[:5] != bytes.fromhex("17fefd0001")
            or int.from_bytes(r[11:13], "big") != len(r) - 13
            or r[13:21] != r[3:11]):
        return None
    try:
        plain = cipher(lane).decrypt(
            bytes.fromhex("a0a1a2a3") + r[13:21], r[21:],
            r[3:11] + r[:3] + be(len(r) - 37, 2))
    except InvalidTag:
        return None
    seq = int.from_bytes(r[5:11], "big")
    return "%d>%d %x %s %s" % (lane, port, seq, plain[:8].hex(),
                               plain[8:].hex())


def vector(size, data):
    """A vector of TLS: RFC 5246 section 4.3."""
    return be(len(data), size) + data


def hello(seq, cookie):
    """A ClientHello with this message number."""
    extensions = [
        (0, vector(2, be(0, 1) + vector(2, b"p0.vnetenc.invalid"))),
        (10, vector(2, be(0x001d, 2) + be(0x0017, 2))),
        (13, vector(2, be(0x0403, 2) + be(0x0804, 2))),
        (16, vector(2, vector(1, b"vnetenc/1"))),
        (23, b""),
    ]
    body = (be(0xfefd, 2) + bytes(32) + vector(1, b"") + vector(1, cookie)
            + vector(2, be(0xc02c, 2) + be(0xc02b, 2)) + vector(1, be(0, 1))
            + vector(2, b"".join(be(kind, 2) + vector(2, data)
                                 for kind, data in extensions)))
    message = (be(1, 1) + be(len(body), 3) + be(seq, 2) + be(0, 3)
               + be(len(body), 3) + body)
    return be(22, 1) + be(0xfeff, 2) + be(seq, 8) + vector(2, message)


def stall(remote, local, count):
    """Returns the number of cookies that arrived."""
    answered = []
    for _ in range(count):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((remote, 0))
        s.connect((local, 6082))
        s.settimeout(10)
        s.send(hello(0, b""))
        answer = s.recv(2048)
        if answer[13] == 3:
            answered.append((s, answer[28:28 + answer[27]]))
    # All begin at once: one that is older makes room for another.
    for s, cookie in answered:
        s.send(hello(1, cookie))
    return len(answered)


command, *args = sys.argv[1:]
if command == "open":
    for line in sys.stdin:
        line = line.strip()
        print(opened(bytes.fromhex(line)) or "CLEAR " + line)
elif command == "sums":
    for line in sys.stdin:
        inner = bytes.fromhex(line)
        tcp = inner[34:]
        total = add_up(inner[26:34] + be(6, 2) + be(len(tcp), 2) + tcp)
        print("good" if add_up(inner[14:34]) == total == 0xffff else "bad")
elif command == "seal":
    port, lane, seq, plain, *rest = args
    print(datagram(int(lane), int(port),
                   record(int(lane), int(seq, 16), bytes.fromhex(plain)),
                   *rest).hex())
elif command == "record":
    port, lane, seq, plain, kind, version, epoch = args
    print(datagram(int(lane), int(port),
                   record(int(lane), int(seq, 16), bytes.fromhex(plain),
                          int(kind), int(version, 16), int(epoch))).hex())
elif command == "datagram":
    port, lane, payload, *rest = args
    print(datagram(int(lane), int(port), bytes.fromhex(payload), *rest).hex())
elif command == "stall":
    print("%d cookies" % stall(args[0], args[1], int(args[2])))
