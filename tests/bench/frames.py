# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Capture files with the packets that a benchmark sends again and again."""

import ipaddress
import struct

PCAP_HEADER = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
HEADERS = 14 + 20 + 8           # Ethernet, IPv4, UDP.
SOURCE = bytes((10, 9, 255, 1))
MACS = bytes.fromhex("020000000002020000000001")


def destination(n):
    """The inner address of peer `n`, as bytes."""
    return bytes((10, 9, n // 250, 1 + n % 250))


def _checksum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def udp_packet(macs, src, dst, sport, dport, payload):
    """An Ethernet frame with a UDP packet in it."""
    udp = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0x4000, 64,
                       17, 0, src, dst)
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    return macs + b"\x08\x00" + head + udp


def udp_frame(size, dst, sport):
    """A frame of `size' bytes from one of the machines."""
    return udp_packet(MACS, SOURCE, dst, sport, 2000, bytes(size - HEADERS))


def ip(text):
    return ipaddress.IPv4Address(text).packed


def write_frames(path, frames):
    with open(path, "wb") as out:
        out.write(PCAP_HEADER)
        for frame in frames:
            size = len(frame)
            out.write(struct.pack("<IIII", 0, 0, size, size) + frame)


def read_frames(path):
    """All complete frames of a capture file."""
    data, at, frames = path.read_bytes(), len(PCAP_HEADER), []
    while at + 16 <= len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        frames.append(data[at + 16:at + 16 + size])
        at += 16 + size
    return frames[:-1] if at > len(data) else frames


def udp_frames(size, flows, peers=1):
    """Frames of `size' bytes of `flows' UDP flows, to `peers' addresses in
    turn."""
    return (udp_frame(size, destination(i % peers), 1000 + i)
            for i in range(flows))


def write(path, size, flows, peers=1):
    write_frames(path, udp_frames(size, flows, peers))
