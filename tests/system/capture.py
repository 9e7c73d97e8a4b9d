# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Captures by tcpdump, read without keys.

The capture file is the judge of every claim about the wire.  Its reader, which
vnetenc-leaktest has as well, shares no code with the programs that it judges.
"""

import itertools
import pathlib
import re
import signal
import socket
import struct
import sys
import time

from runspace import Failed, Late, socket_in, wait_until

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "utilities"))

from vnetenc_tools import pcap, wire        # noqa: E402
from vnetenc_tools.wire import (            # noqa: E402, F401
    ALERT, APPLICATION_DATA, DTLS, DTLS_VXLAN, GENEVE, VXLAN, is_tunnel_bfd,
    parse_records, udp)

# To the nearest bridge, which forwards it to nobody; a local experimental
# Ethernet type (IEEE 802).
MARK = bytes.fromhex("0180c200000e" "020000000001" "88b5")


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
    try:
        for frame in pcap.read(path):
            if not frame.data.startswith(MARK):
                yield frame.time, frame.data
    except pcap.Truncated:
        return
    except pcap.Malformed as error:
        raise Failed(str(error)) from None


def datagrams(path):
    return wire.datagrams(frames(path))


def plaintext_tunnel(path, since=0.0):
    """The tunnel packets in clear that carry tenant frames, from `since`
    on."""
    return [d for d in datagrams(path)
            if d.dport in (GENEVE, VXLAN) and d.time >= since
            and not is_tunnel_bfd(d.payload)]


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
    """As wire.repeated_nonces()."""
    return wire.repeated_nonces(records(path, port=port), port)
