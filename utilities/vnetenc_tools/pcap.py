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
"""Capture files, as tcpdump (pcap) and Wireshark (pcapng) write them."""

import collections
import struct

ETHERNET = 1
# More than any link carries: a length beyond this is damage.
MAX_FRAME = 1 << 20

# Magic -> (byte order, seconds in a unit of the second time field).
PCAP = {
    bytes.fromhex("d4c3b2a1"): ("<", 1e-6),
    bytes.fromhex("a1b2c3d4"): (">", 1e-6),
    bytes.fromhex("4d3cb2a1"): ("<", 1e-9),
    bytes.fromhex("a1b23c4d"): (">", 1e-9),
}
SECTION, INTERFACE, OLD_PACKET, SIMPLE, PACKET = 0x0a0d0d0a, 1, 2, 3, 6
SECTION_MAGIC = bytes.fromhex("0a0d0d0a")
BYTE_ORDER = 0x1a2b3c4d
TSRESOL, TSOFFSET = 9, 14

# `is_cut` says that the capture has only the beginning of the frame.
Frame = collections.namedtuple("Frame", "time data is_cut")


class Malformed(Exception):
    """Not a capture file, or a kind that cannot be read here."""


class Truncated(Malformed):
    """The file ends within a packet, or before the first."""


def read(path):
    """Yields the frames of a capture file, from its begin to its end."""
    with open(path, "rb") as file:
        magic = file.read(4)
        if len(magic) < 4:
            raise Truncated(f"{path}: is empty")
        try:
            if magic in PCAP:
                yield from _pcap(file, *PCAP[magic])
            elif magic == SECTION_MAGIC:
                yield from _pcapng(file)
            else:
                raise Malformed("is no capture file: it begins with"
                                f" {magic.hex()}")
        except Malformed as error:
            raise type(error)(f"{path}: {error}") from None


def _take(file, size):
    data = file.read(size)
    if len(data) < size:
        raise Truncated("is truncated: it ends within a packet")
    return data


def _check_link(link):
    if link != ETHERNET:
        raise Malformed(f"has link type {link}; only Ethernet, {ETHERNET}, can"
                        " be judged: capture one interface, not \"any\"")


def _check_size(size):
    if size > MAX_FRAME:
        raise Malformed(f"is damaged: a packet of {size} octets")


def _pcap(file, order, unit):
    link, = struct.unpack(order + "16xI", _take(file, 20))
    _check_link(link & 0xffff)
    head = struct.Struct(order + "IIII")
    while True:
        first = file.read(1)
        if not first:
            return
        sec, sub, size, whole = head.unpack(first + _take(file, 15))
        _check_size(size)
        yield Frame(sec + sub * unit, _take(file, size), size < whole)


def _pcapng(file):
    order, interfaces, kind = None, [], SECTION
    while True:
        if kind == SECTION:
            # The length can be read only after the byte order behind it.
            head = _take(file, 8)
            order = "<" if struct.unpack_from("<I", head, 4)[0] == BYTE_ORDER \
                else ">"
            if struct.unpack_from(order + "I", head, 4)[0] != BYTE_ORDER:
                raise Malformed("is damaged: a section without a byte order")
            interfaces = []
            body = _block(file, order, head[:4], 4)
        else:
            body = _block(file, order, _take(file, 4), 0)
            frame = _frame_of(kind, body, order, interfaces)
            if frame:
                yield frame
        kind = file.read(4)
        if not kind:
            return
        if len(kind) < 4:
            raise Truncated("is truncated: it ends within a packet")
        kind, = struct.unpack(order + "I", kind)


def _block(file, order, length, n_read):
    """The body of a block, whose length field and the `n_read` octets behind
    it were read."""
    size, = struct.unpack(order + "I", length)
    if size < 12 + n_read or size % 4:
        raise Malformed(f"is damaged: a block of {size} octets")
    _check_size(size)
    return _take(file, size - 8 - n_read)[:-4]


def _frame_of(kind, body, order, interfaces):
    """The frame of a block, None if it holds none."""
    try:
        if kind == INTERFACE:
            interfaces.append(_interface(body, order))
        elif kind == PACKET:
            number, high, low, size, whole = struct.unpack_from(
                order + "IIIII", body)
            unit, offset, _ = interfaces[number]
            if size > len(body) - 20:
                raise Malformed(f"is damaged: a packet of {size} octets")
            return Frame(offset + ((high << 32) + low) * unit,
                         body[20:20 + size], size < whole)
        elif kind == SIMPLE:
            whole, = struct.unpack_from(order + "I", body)
            snap = interfaces[0][2]
            size = min(whole, snap or whole, len(body) - 4)
            return Frame(0.0, body[4:4 + size], size < whole)
        elif kind == OLD_PACKET:
            raise Malformed("has obsolete packet blocks: convert it with"
                            " editcap -F pcap")
    except (struct.error, IndexError):
        raise Malformed(f"is damaged: a block of type {kind}") from None
    return None


def _interface(body, order):
    """(seconds in a unit of time, offset of time, snap length)."""
    link, snap = struct.unpack_from(order + "H2xI", body)
    _check_link(link)
    unit, offset, at = 1e-6, 0, 8
    while at + 4 <= len(body):
        code, size = struct.unpack_from(order + "HH", body, at)
        if code == TSRESOL and size:
            value = body[at + 4]
            unit = 2.0 ** -(value & 127) if value & 128 else 10.0 ** -value
        elif code == TSOFFSET:
            offset, = struct.unpack_from(order + "q", body, at + 4)
        at += 4 + size + -size % 4
    return unit, offset, snap
