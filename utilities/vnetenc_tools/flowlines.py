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
"""Lines of the flow log (REFERENCE.md, "The flow log").

Names and addresses in them are chosen by tenants, and may hold any character.
"""

import collections
import datetime
import gzip
import ipaddress
import json
import os
import time

# Codes, from good to bad.  Those of Azure, and UNKNOWN.
CODES = ("X", "NX_LOCAL_DST", "NX", "UNKNOWN", "NX_FALLBACK",
         "NX_NOT_SUPPORTED", "NX_HW_NOT_SUPPORTED", "NX_SW_NOT_READY",
         "NX_NOT_ACCEPTED")
STATES = ("B", "C", "E", "BE", "D")
DIRECTIONS = ("out", "in", "local", "external")
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp"}

# A longer line is none of ours.
MAX_LINE = 1 << 20
# Seconds between two looks at a file that grows.
POLL = 0.5


class BadLine(Exception):
    """Why a line is not one of the flow log."""


def _check(condition, text):
    if not condition:
        raise BadLine(text)


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) \
        and value >= 0


def parse_time(text):
    """A time in UTC as seconds; ValueError if it is none."""
    return datetime.datetime.fromisoformat(
        text.replace("Z", "+00:00")).replace(
            tzinfo=datetime.timezone.utc).timestamp()


class Line:
    """A line of the flow log; `data` is its JSON object."""

    def __init__(self, text):
        try:
            self.data = json.loads(text)
        except (ValueError, RecursionError):
            raise BadLine("it is not JSON") from None
        _check(isinstance(self.data, dict), "it is not an object")
        _check(self.data.get("v") == 1,
               f"version {self.data.get('v')!r} of the format is not known")
        for name in ("start", "end", "host"):
            _check(isinstance(self.data.get(name), str),
                   f'"{name}" is not a string')
        try:
            self.start = parse_time(self.data["start"])
            self.end = parse_time(self.data["end"])
        except ValueError:
            raise BadLine('"start" or "end" is not a time') from None
        self.host = self.data["host"]
        self.lost = self.data.get("lost_lines")
        if self.lost is None:
            self._check_flow()
        else:
            self._check_counts("lost_lines", ("lines", "packets", "bytes"))
        self.gap = self.data.get("gap")
        if self.gap is not None:
            self._check_counts("gap", ("flows",))

    def _check_counts(self, name, members):
        value = self.data[name]
        _check(isinstance(value, dict)
               and all(_is_count(value.get(m)) for m in members),
               f'"{name}" lacks a number')

    def _check_flow(self):
        data = self.data
        for name in ("packets", "bytes"):
            _check(_is_count(data.get(name)), f'"{name}" is not a number')
        _check(data.get("state") in STATES, '"state" is not known')
        _check(data.get("dir") in (None, *DIRECTIONS), '"dir" is not known')
        _check(isinstance(data.get("encryption"), str),
               '"encryption" is not a string')
        for name in ("switch", "reason", "src", "dst", "cookie"):
            _check(isinstance(data.get(name), (str, type(None))),
                   f'"{name}" is not a string')
        for name in ("proto", "sport", "dport", "table"):
            _check(data.get(name) is None or _is_count(data[name]),
                   f'"{name}" is not a number')
        for name in ("in", "out", "fields"):
            value = data.get(name)
            _check(value is None or isinstance(value, dict) and all(
                isinstance(v, str) for v in value.values()),
                   f'"{name}" is not an object with strings')

    def __getattr__(self, name):
        """Members of the object, None if there is none."""
        return self.data.get(name)

    def ends(self):
        """Where it came from and where it went, each with all its names."""
        return self.data.get("in") or {}, self.data.get("out") or {}

    def field(self, name):
        """A register as a number, or None."""
        try:
            return int((self.fields or {}).get(name, ""), 16)
        except ValueError:
            return None


def name_of(end):
    """How people call one end of a flow."""
    for key in ("iface-id", "name", "port", "peer"):
        if key in end:
            return end[key]
    return "-"


def is_icmp(proto):
    return proto in (1, 58)


def endpoint(address, port, proto):
    """An address and a port as people write them.  ICMP has none."""
    text = "any" if address is None else address
    if port is None or is_icmp(proto):
        return text
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


# --- Reading ----------------------------------------------------------------


class Reader:
    """Lines of files.  `bad` counts those that cannot be read; `first` says
    which was the first."""

    def __init__(self):
        self.bad = 0
        self.first = None

    def _parse(self, raw, name, number):
        try:
            _check(len(raw) < MAX_LINE, "it is too long")
            return Line(raw.decode("utf-8", errors="replace"))
        except BadLine as error:
            self.bad += 1
            self.first = self.first or f"{name}, line {number}: {error}"
            return None

    def _lines(self, stream, name):
        """A line without an end is still being written."""
        number, beyond = 0, False
        while raw := stream.readline(MAX_LINE):
            is_rest, beyond = beyond, not raw.endswith(b"\n")
            number += not is_rest
            if is_rest or beyond and len(raw) < MAX_LINE:
                continue
            line = self._parse(raw, name, number)
            if line:
                yield line

    def read(self, name, stdin):
        """All lines of a file; OSError if it cannot be read."""
        if name == "-":
            yield from self._lines(stdin, "standard input")
            return
        with open(name, "rb") as f:
            packed = f.read(2) == b"\x1f\x8b"
        with (gzip.open if packed else open)(name, "rb") as stream:
            try:
                yield from self._lines(stream, name)
            except EOFError as error:
                raise OSError(None, str(error)) from None

    def follow(self, name):
        """The lines that are written from now on, and None whenever there is
        none.  The file may be renamed, and need not exist."""
        stream = Growing(name)
        while True:
            raw = stream.readline()
            if raw is None:
                yield None
                time.sleep(POLL)
                continue
            line = self._parse(raw, name, stream.number)
            if line:
                yield line


class Growing:
    """A file to which another process writes, under a name that may come to
    mean another file."""

    def __init__(self, name):
        self.name = name
        self.stream = None
        self._open()
        if self.stream:
            self.stream.seek(0, os.SEEK_END)

    def _open(self):
        self.number, self.rest = 0, b""
        try:
            self.stream = open(self.name, "rb")  # pylint: disable=R1732
        except FileNotFoundError:
            self.stream = None

    def _was_replaced(self):
        try:
            there = os.stat(self.name)
        except FileNotFoundError:
            return False
        here = os.fstat(self.stream.fileno())
        return (there.st_ino, there.st_dev) != (here.st_ino, here.st_dev) \
            or there.st_size < self.stream.tell()

    def readline(self):
        """The next whole line, or None."""
        if not self.stream:
            self._open()
            if not self.stream:
                return None
        self.rest += self.stream.readline(MAX_LINE)
        if self.rest.endswith(b"\n") or len(self.rest) >= MAX_LINE:
            raw, self.rest = self.rest, b""
            self.number += 1
            return raw
        if self._was_replaced():
            self.stream.close()
            self.stream = None
        return None


# --- Sums -------------------------------------------------------------------


class Sums:
    """Packets and bytes of lines by switch, code and reason."""

    def __init__(self):
        self.of = collections.defaultdict(lambda: [0, 0, 0])
        self.lost = [0, 0, 0]

    def add(self, line):
        if line.lost:
            cell = self.lost
            counts = (line.lost["lines"], line.lost["packets"],
                      line.lost["bytes"])
        else:
            cell = self.of[line.switch or "-", line.encryption,
                           line.reason or "-"]
            counts = 1, line.packets, line.bytes
        for i, n in enumerate(counts):
            cell[i] += n

    def rows(self):
        yield "switch", "encryption", "reason", "lines", "packets", "bytes"
        for key in sorted(self.of):
            yield *key, *self.of[key]
        if any(self.lost):
            yield "-", "not written", "-", *self.lost


# --- Tuples of Azure --------------------------------------------------------


def _msec(seconds):
    return round(seconds * 1000)


class Direction:
    """What a host saw of one direction of a flow in one interval."""

    def __init__(self):
        self.packets = self.bytes = 0
        self.code = "X"
        self.begun = self.ended = False
        self.outward = False

    def add(self, line):
        self.packets += line.packets
        self.bytes += line.bytes
        self.code = worst(self.code, line.encryption)
        self.begun |= "B" in line.state
        self.ended |= "E" in line.state
        self.outward |= line.dir != "in"


def worst(*codes):
    return max(codes, key=lambda c: CODES.index(c) if c in CODES
               else len(CODES))


class Tuples:
    """Makes tuples of the flow records of Azure's virtual network flow log
    from lines.  The lines of one host and interval follow each other."""

    def __init__(self):
        self.interval = {}              # By host: (start, end).
        self.flows = {}                 # By host: {key: Direction}.

    def add(self, line):
        """The tuples that are complete because of `line`."""
        if line.lost or line.gap:
            return []
        interval = line.start, line.end
        made = []
        if self.interval.get(line.host) != interval:
            made = self.flush(line.host)
            self.interval[line.host] = interval
        if line.state == "D":
            made.append(self._denied(line))
            return made
        key = self._key(line)
        flows = self.flows.setdefault(line.host, {})
        flows.setdefault(key, Direction()).add(line)
        return made

    def flush(self, host=None):
        """The tuples of all that is known of one host, or of all hosts."""
        hosts = list(self.flows) if host is None else [host]
        return [t for h in hosts for t in self._flush(h)]

    @staticmethod
    def _key(line):
        """ICMP has no ports, and a request has another type than its
        answer."""
        ports = (0, 0) if is_icmp(line.proto) else (line.sport, line.dport)
        return line.src, line.dst, *ports, line.proto

    @staticmethod
    def _text(msec, key, outward, state, code, counts):
        return ",".join(map(str, (
            msec, *("" if value is None else value for value in key),
            "O" if outward else "I", state, code, *counts)))

    def _denied(self, line):
        return self._text(_msec(line.end), self._key(line), line.dir != "in",
                          "D", line.encryption,
                          (line.packets, line.bytes, 0, 0))

    @staticmethod
    def _is_request(key, found, back):
        """Whether `key` is the direction of the one who began: the one to the
        lower port, otherwise the one that left this host."""
        sport, dport = key[2:4]
        if None not in (sport, dport) and sport != dport:
            return dport < sport
        return found.outward or not back.outward

    def _flush(self, host):
        flows = self.flows.pop(host, {})
        start, end = map(_msec, self.interval.pop(host, (0, 0)))
        while flows:
            key, found = next(iter(flows.items()))
            del flows[key]
            src, dst, sport, dport, proto = key
            other = dst, src, dport, sport, proto
            back = flows.pop(other, None)
            if back and not self._is_request(key, found, back):
                key, found, back = other, back, found
            yield from self._tuples(start, end, key, found,
                                    back or Direction())

    def _tuples(self, start, end, key, found, back):
        """A tuple for the beginning of a flow has no statistics."""
        code = worst(found.code, back.code)
        if found.begun:
            yield self._text(start, key, found.outward, "B", code, (0,) * 4)
        counts = found.packets, found.bytes, back.packets, back.bytes
        if found.ended or any(counts):
            yield self._text(end, key, found.outward,
                             "E" if found.ended else "C", code, counts)


# --- Filters ----------------------------------------------------------------


def in_network(text, network):
    """Whether an address, or a prefix, is within `network`."""
    try:
        return ipaddress.ip_network(text, strict=False).subnet_of(network)
    except (TypeError, ValueError):
        return False


class Filter:
    """What of the log is asked for; None asks for everything."""

    def __init__(self, **wanted):
        self.wanted = {k: v for k, v in wanted.items() if v}

    def takes(self, line):
        return all(getattr(self, "_" + name)(line, value)
                   for name, value in self.wanted.items())

    @staticmethod
    def _since(line, value):
        return line.end > value

    @staticmethod
    def _until(line, value):
        return line.start < value

    @staticmethod
    def _switch(line, value):
        return line.switch in value

    @staticmethod
    def _encryption(line, value):
        return line.encryption in value

    @staticmethod
    def _reason(line, value):
        return line.reason in value

    @staticmethod
    def _dir(line, value):
        return line.dir in value

    @staticmethod
    def _dropped(line, _value):
        return line.state == "D"

    @staticmethod
    def _port(line, value):
        return any(set(end.values()) & set(value) for end in line.ends())

    @staticmethod
    def _ip(line, value):
        return any(in_network(a, network) for network in value
                   for a in (line.src, line.dst) if a)
