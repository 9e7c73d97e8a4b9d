# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Frames made by hand, and the Geneve header around them."""

import socket
import struct


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def ethernet(dst, src, kind, payload, vlan=None):
    tag = b"" if vlan is None else struct.pack("!HH", 0x8100, vlan)
    return mac(dst) + mac(src) + tag + struct.pack("!H", kind) + payload


def udp4(src, dst, sport, dport, data):
    """An IPv4 packet that holds a UDP datagram."""
    source, target = socket.inet_aton(src), socket.inet_aton(dst)
    size = 8 + len(data)
    pseudo = source + target + struct.pack("!BBH", 0, 17, size)
    head = struct.pack("!HHHH", sport, dport, size, 0)
    total = checksum(pseudo + head + data) or 0xffff
    datagram = struct.pack("!HHHH", sport, dport, size, total) + data
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + size, 0, 0x4000, 64, 17, 0)
    ip += source + target
    return ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + datagram


def udp_frame(src_mac, src, dst_mac, dst, data, port=7777, vlan=None):
    return ethernet(dst_mac, src_mac, 0x0800,
                    udp4(src, dst, port, port, data), vlan)


def geneve(vni, frame):
    """The payload of a Geneve datagram."""
    return struct.pack("!BBHI", 0, 0, 0x6558, vni << 8) + frame


def parse_geneve(payload):
    """(vni, frame)."""
    first, _, kind, vni = struct.unpack_from("!BBHI", payload)
    if kind != 0x6558 or first >> 6:
        raise ValueError(f"not Geneve: {payload[:16].hex()}")
    return vni >> 8, payload[8 + (first & 0x3f) * 4:]
