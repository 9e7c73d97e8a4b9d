# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""A cable with faults: it forwards whole frames between two interfaces, and
loses, duplicates, delays and reorders some of them.

The fate of the n-th packet of a direction depends on the seed and on n only.
Faults may be changed while packets pass.
"""

import dataclasses
import heapq
import random
import select
import socket
import threading
import time
from typing import Callable

from runspace import socket_in

SO_RCVBUFFORCE = 33
ETH_P_ALL = 3
PACKET_OUTGOING = 4


def _no_packet(_frame):
    return False


def _as_it_is(frame):
    return frame


@dataclasses.dataclass
class Faults:
    """The faults of one direction; probabilities are 0..1, times are
    seconds."""
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0            # Held back while later packets pass,
    hold: float = 0.005             # for so long.
    delay: float = 0.0              # Of every packet.
    drop: Callable = _no_packet     # Packets that are always lost.
    change: Callable = _as_it_is    # What leaves instead of a packet.


@dataclasses.dataclass
class Counts:
    passed: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    dropped: int = 0


class Direction:
    """One of the two ways through the cable."""

    def __init__(self, source, sink, seed):
        self.source = source
        self.sink = sink
        self.faults = Faults()
        self.counts = Counts()
        self._random = random.Random(seed)

    def fates(self, frame):
        """The delays with which copies of the frame go out."""
        faults, counts = self.faults, self.counts
        lost, doubled, held = (self._random.random() for _ in range(3))
        if faults.drop(frame):
            counts.dropped += 1
            return []
        if lost < faults.loss:
            counts.lost += 1
            return []
        counts.passed += 1
        delays = [faults.delay]
        if held < faults.reorder:
            counts.reordered += 1
            delays = [faults.delay + faults.hold]
        if doubled < faults.duplicate:
            counts.duplicated += 1
            delays.append(faults.delay + faults.hold / 2)
        return delays


class Relay(threading.Thread):
    """Forwards between interfaces `near` and `far` of a namespace until it
    is stopped.  `out` is the direction near -> far, `back` the other."""

    def __init__(self, netns, near, far, seed=1):
        super().__init__(daemon=True)
        ends = [self._open(netns, name) for name in (near, far)]
        self.out = Direction(ends[0], ends[1], f"{seed} out")
        self.back = Direction(ends[1], ends[0], f"{seed} back")
        self._stopping = threading.Event()
        self.start()

    @staticmethod
    def _open(netns, interface):
        sock = socket_in(netns, socket.AF_PACKET, socket.SOCK_RAW,
                         socket.htons(ETH_P_ALL))
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        sock.bind((interface, ETH_P_ALL))
        sock.setblocking(False)
        return sock

    def stop(self):
        if not self._stopping.is_set():
            self._stopping.set()
            self.join()
            self.out.source.close()
            self.back.source.close()

    def run(self):
        waiting = []                # Heap of (time, number, sink, frame).
        number = 0
        while not self._stopping.is_set():
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                self._send(*heapq.heappop(waiting)[2:])
            pause = min(0.05, waiting[0][0] - now) if waiting else 0.05
            readable, _, _ = select.select(
                [self.out.source, self.back.source], [], [], pause)
            for way in (self.out, self.back):
                if way.source not in readable:
                    continue
                for frame in self._receive(way.source):
                    fates = way.fates(frame)
                    frame = way.faults.change(frame)
                    for delay in fates:
                        if delay <= 0:
                            self._send(way.sink, frame)
                        else:
                            number += 1
                            heapq.heappush(waiting, (time.monotonic() + delay,
                                                     number, way.sink, frame))

    @staticmethod
    def _receive(sock):
        """A few of the frames that have arrived."""
        for _ in range(64):
            try:
                frame, address = sock.recvfrom(65536)
            except OSError:         # None left, or the interface is down.
                return
            if address[2] != PACKET_OUTGOING:
                yield frame

    @staticmethod
    def _send(sink, frame):
        try:
            sink.send(frame)
        except OSError:             # Interface down or queue full: lost.
            pass
