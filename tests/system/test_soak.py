# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Traffic for a long time, with all that may happen to it at once: rekeys,
ends of ovs-vswitchd, floods and replays.

Each datagram has a number.  None is delivered twice, none arrives changed,
and only those may be missing that were on the way around an end of
ovs-vswitchd, or while the machine had no time to read them.  `make check-soak'
runs this for half an hour; VNETENC_SOAK_S sets another time."""

import contextlib
import dataclasses
import hashlib
import itertools
import os
import random
import socket
import struct
import threading
import time

import capture
from claims import assert_sealed
from runspace import Late, wait_until
from test_hostile import forged, hello_frame
from test_rekey import rekey

SECONDS = float(os.environ.get("VNETENC_SOAK_S", "20"))
INTERVAL_S = 0.005
MARKER = b"a text that is long enough to be found "
SIZES = (64, 300, 1000, 1372)           # Octets of UDP data.
REKEY_S, REPLAY_S, FLOOD_S, KILL_S = 2.0, 3.0, 7.0, 11.0
UNREAD = "(not read in time)"
HEADER = struct.Struct("!Q16s")


def datagram(number):
    """Its text and a digest of it are part of it."""
    size = SIZES[number % len(SIZES)] - HEADER.size
    text = (MARKER + b"%d " % number) * (size // len(MARKER) + 1)
    return HEADER.pack(number, hashlib.md5(text[:size]).digest()) \
        + text[:size]


def number_of(data):
    """The number of a datagram, or None if it was changed."""
    number, digest = HEADER.unpack_from(data)
    if hashlib.md5(data[HEADER.size:]).digest() != digest:
        return None
    return number


class Stream:
    """Numbered datagrams from one machine to another."""

    def __init__(self, src, dst):
        self.sent = []                      # When, by number.
        self.got = set()
        self.twice = self.changed = 0
        self._to = dst.ip, 7777
        self._receiver = dst.receiver()
        self._receiver.settimeout(0.2)
        self._sender = src.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._ending = threading.Event()
        self._done = threading.Event()
        self._threads = [threading.Thread(target=t, daemon=True)
                         for t in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()

    def _send(self):
        while not self._ending.wait(INTERVAL_S):
            data = datagram(len(self.sent))
            self.sent.append(time.monotonic())
            self._sender.sendto(data, self._to)

    def _receive(self):
        while not self._done.is_set():
            try:
                number = number_of(self._receiver.recv(2048))
            except TimeoutError:
                continue
            if number is None:
                self.changed += 1
            elif number in self.got:
                self.twice += 1
            else:
                self.got.add(number)

    def flows(self):
        """Waits until ten datagrams that are sent from now on arrived."""
        first = len(self.sent)
        wait_until(lambda: sum(n in self.got for n in
                               range(first, len(self.sent))) >= 10,
                   f"datagrams arrive at {self._to[0]}", 30)

    def end(self):
        self._ending.set()
        self._threads[0].join()
        time.sleep(2)                       # The last ones are on the way.
        self._done.set()
        self._threads[1].join()

    def lost(self, excused):
        """The numbers that did not arrive, except those sent in one of the
        spans of time."""
        return [n for n, at in enumerate(self.sent) if n not in self.got
                and not any(a <= at <= b for a, b in excused)]


@dataclasses.dataclass
class Event:
    """Something that happens now and then."""
    every: float
    do: object
    count: int = 0
    due: float = 0.0

    def turn(self, now):
        if now >= self.due:
            self.count += bool(self.due) and self.do() is not False
            self.due = time.monotonic() + self.every * random.uniform(0.8, 1.2)


class Soak:
    """The hosts of a lab, and the events that happen to them."""

    def __init__(self, lab):
        self.lab = lab
        self.excused = []
        self.story = []                     # (when, event or counters).
        self._dropped = {}
        self._looked = {}
        self.unread = []                    # When hosts read too late.
        self._victims = itertools.cycle(lab.hvs)
        self._now = itertools.cycle([True, True, False, False])
        hv1, hv2 = lab.hvs
        self._hello = capture.udp(hello_frame(lab.pcap.now()))[4]
        self._wire = {hv: hv.uplink_socket() for hv in lab.hvs}
        self._hellos = [forged(hv2, 20000 + i, hv1, capture.DTLS, self._hello)
                        for i in range(500)]
        self.events = {
            "rekeys": Event(REKEY_S, lambda: rekey(lab)),
            "replays": Event(REPLAY_S, self._replay),
            "floods": Event(FLOOD_S, self._flood),
            "kills": Event(KILL_S, self._kill),
            "looks": Event(1.0, self._note_drops)}

    def _note_drops(self):
        """Notes which packets the hosts have dropped since the last look."""
        for hv in self.lab.hvs:
            now = {**hv.show_json()["drops"], UNREAD: hv.n_unread()}
            before = self._dropped.get(hv, {})
            new = {name: n - before.get(name, 0) for name, n in now.items()
                   if n > before.get(name, 0)}
            self._dropped[hv] = now
            when = time.monotonic()
            if UNREAD in new:               # A packet may be on the way.
                self.unread.append((self._looked.get(hv, when) - 0.5, when))
            self._looked[hv] = when
            self.story.append((when, f"{hv.name} {new}"))

    def around(self, at):
        """What happened in the seconds around a time."""
        return "\n".join(f"{when - at:+6.2f} s {what}"
                         for when, what in self.story if abs(when - at) < 3)

    def _replay(self):
        """Repeats what passes just now or, half of the time, what passed some
        seconds ago, which the socket has kept since."""
        hv = next(self._victims)
        sock = self._wire[hv]
        if next(self._now):
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while sock.recv(2048):
                    pass
        sock.settimeout(0.2)
        heard = []
        begin = time.monotonic()
        while len(heard) < 100 and time.monotonic() < begin + 0.5:
            try:
                frame, where = sock.recvfrom(2048)
            except TimeoutError:
                break
            parsed = capture.udp(frame)
            if (parsed and capture.DTLS in (parsed[1], parsed[3])
                    and where[2] == socket.PACKET_OUTGOING):
                heard.append(frame)
        for frame in heard:
            sock.send(frame)

    def _flood(self):
        """2000 hellos in a second, in the name of the peer."""
        for i, frame in enumerate(self._hellos * 4):
            self._wire[self.lab.hvs[1]].send(frame)
            if not i % 20:
                time.sleep(0.01)

    def _kill(self):
        hv = next(self._victims)
        # What was sent before this has arrived, or is lost.
        begin = time.monotonic()
        for stream in self.streams:
            stream.flows()
        hv.kill_vswitchd()
        time.sleep(random.uniform(0, 1))
        hv.restart_vswitchd()
        for stream in self.streams:
            stream.flows()
        self.excused.append((begin, time.monotonic()))

    def run(self, seconds):
        vm1, vm2 = self.lab.vms
        self.streams = [Stream(vm1, vm2), Stream(vm2, vm1)]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for name, event in self.events.items():
                count = event.count
                begin = time.monotonic()
                event.turn(begin)
                if event.count > count:
                    self.story.append((begin, name))
            time.sleep(0.02)
        for stream in self.streams:
            stream.end()
        self._note_drops()


def length(spans):
    """How long it was in any of the spans of time."""
    total, end = 0.0, float("-inf")
    for a, b in sorted(spans):
        total += max(0.0, b - max(a, end))
        end = max(end, b)
    return total


def test_soak(make_lab):
    lab = make_lab(mtu=1450)                # Sends the longest as halves.
    lab.pin()
    lab.connect(encryption="require")
    lab.pcap = lab.underlay.capture()
    lab.vms[0].reaches(lab.vms[1].ip)
    lab.vms[1].reaches(lab.vms[0].ip)
    soak = Soak(lab)
    soak.run(SECONDS)
    for name, event in soak.events.items():
        print(f"{event.count} {name}")
        assert event.count or SECONDS < 2 * event.every
    print(f"{sum(b - a for a, b in soak.excused):.1f} s around kills")
    unread = length(soak.unread)
    print(f"{unread:.1f} s around packets that were not read in time")
    if unread > SECONDS / 2:
        raise Late("Open vSwitch did not read its devices in time")
    for stream in soak.streams:
        lost = stream.lost(soak.excused + soak.unread)
        print(f"{len(stream.sent)} datagrams sent, {len(stream.got)} arrived,"
              f" {len(lost)} lost outside kills, {stream.twice} twice,"
              f" {stream.changed} changed")
        for number in lost[:10]:
            print(f"number {number}:\n{soak.around(stream.sent[number])}")
        assert not stream.twice and not stream.changed
        assert not lost
    assert (any(hv.coverage("vnetenc_rx_replay") for hv in lab.hvs)
            or not soak.events["replays"].count)
    sealed = assert_sealed(lab.pcap.stop(), lab, MARKER)
    print(f"{len(sealed)} records, none in clear, no nonce repeated")
