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
"""Judges frames: is anything of an encrypted network readable in them?

Shares no code with the programs that it judges, asks nobody and reads only
the frames that it is given.
"""

import collections
import dataclasses
import ipaddress
import json

from vnetenc_tools import wire

MARKER_SIZE = 32
# What follows the marker in the two control packets.
BEGIN, END = b"begin", b"end"
CONTROLS = {BEGIN: "begin", END: "end"}
MARKED = "marker"
N_FIRST = 10
MAX_FRAGMENTED = 1024           # Packets that wait for fragments.
MAX_FRAGMENTS = 256             # Of one packet.
# At most this is added to an inner frame: Geneve with options, the record.
MAX_OVERHEAD = 128
MANY_PREFIXES = 64
OVN_VXLAN_KEY = 0xfff           # The bits of a VNI that name the datapath.
VERSION = 1

Leak = collections.namedtuple("Leak", "time src dst port vni reasons")


class PlanError(Exception):
    """A plan that cannot be read."""


@dataclasses.dataclass
class Plan:
    """What must not be readable, and the packets that prove the capture."""
    vnis: dict                  # VNI -> name of the switch.
    macs: dict                  # MAC address, 6 octets -> name of the port.
    marker: bytes = b""
    control: tuple = ("", "")   # From this host to that one.
    ends: frozenset = frozenset()       # Addresses of tunnels.
    # UDP port -> "geneve" or "vxlan", in clear.
    tunnels: dict = dataclasses.field(default_factory=lambda: {
        wire.GENEVE: "geneve", wire.VXLAN: "vxlan"})
    sealed: frozenset = frozenset((wire.DTLS, wire.DTLS_VXLAN))
    # (tunnel addresses of the sender, size of the inner frame, number).
    probes: tuple = ((), 0, 0)

    def to_json(self):
        return json.dumps({
            "version": VERSION,
            "vnis": {str(vni): name for vni, name in self.vnis.items()},
            "macs": {mac.hex(":"): name for mac, name in self.macs.items()},
            "marker": self.marker.hex(),
            "control": list(self.control),
            "ends": sorted(self.ends),
            "tunnels": {str(port): kind
                        for port, kind in self.tunnels.items()},
            "sealed": sorted(self.sealed),
            "probes": [list(self.probes[0]), *self.probes[1:]],
        }, indent=2) + "\n"

    @classmethod
    def from_json(cls, text):
        try:
            said = json.loads(text)
            if said["version"] != VERSION:
                raise ValueError(f"version {said['version']}, not {VERSION}")
            plan = cls(
                {int(vni): str(name) for vni, name in said["vnis"].items()},
                {wire.mac(mac): str(name)
                 for mac, name in said["macs"].items()},
                bytes.fromhex(said["marker"]),
                tuple(_addresses(said["control"])),
                frozenset(_addresses(said["ends"])),
                {int(port): str(kind)
                 for port, kind in said["tunnels"].items()},
                frozenset(int(port) for port in said["sealed"]),
                (tuple(_addresses(said["probes"][0])),
                 int(said["probes"][1]), int(said["probes"][2])))
            if len(plan.marker) != MARKER_SIZE or len(plan.control) != 2:
                raise ValueError("marker or control")
        except KeyError as error:
            raise PlanError(f"{error} is missing") from None
        except (ValueError, TypeError, AttributeError, IndexError) as error:
            raise PlanError(str(error)) from None
        return plan


def _addresses(texts):
    return [str(ipaddress.ip_address(text)) for text in texts]


def is_common(mac):
    """Whether other data often contains these six octets."""
    return mac.count(0) >= 3 or len(set(mac)) <= 2


class Fragments:
    """The fragments that were seen, and the packets that they make."""

    def __init__(self):
        self._waiting = collections.OrderedDict()

    def add(self, packet, is_leak):
        """(the payload of the whole packet or, if fragments are missing, None;
        whether a fragment before this one was a leak)."""
        identification, offset, more = packet.fragment
        name = packet.src, packet.dst, packet.protocol, identification
        parts, size, is_told = self._waiting.pop(name, ({}, None, False))
        parts[offset] = packet.payload
        if not more:
            size = offset + len(packet.payload)
        whole = _joined(parts, size)
        if whole is None and len(parts) < MAX_FRAGMENTS:
            self._waiting[name] = parts, size, is_told or is_leak
            if len(self._waiting) > MAX_FRAGMENTED:
                self._waiting.popitem(last=False)
        return whole, is_told


def _joined(parts, size):
    """The first `size` octets, None if some are not there."""
    data = b""
    for offset in sorted(parts):
        if size is None or offset > len(data):
            return None
        data = data[:offset] + parts[offset]
    return data if size is not None and len(data) >= size else None


class Judge:
    """Sees frames one by one."""

    def __init__(self, plan):
        self.plan = plan
        self.n_seen = 0
        self.n_cut = 0
        self.n_sealed = 0           # Frames with records, between the ends.
        self.n_probes = 0           # Those with the size of a probe.
        self.n_other = 0            # Tunnel packets in clear, not planned.
        self.n_leaks = 0
        self.first = []             # Leaks.
        self.controls = set()
        self._fragments = Fragments()
        self.common = {m for m in plan.macs if is_common(m)}
        self._rare = set(plan.macs) - self.common
        self._prefixes = {mac[:3] for mac in self._rare}

    def see(self, when, frame, is_cut=False):
        """Judges a frame; returns its Leak, or None."""
        self.n_seen += 1
        self.n_cut += is_cut
        packet = wire.packet(frame)
        reasons = self._find(frame) + self._at(frame)
        port = vni = None
        if packet:
            see = self._see_fragment if packet.fragment else self._see_packet
            port, vni, reasons = see(packet, reasons)
        if not reasons:
            # BFD between chassis has no VNI of a switch, and so is here.
            self.n_other += vni is not None
            return None
        src, dst = ((packet.src, packet.dst) if packet else
                    (frame[6:12].hex(":"), frame[:6].hex(":")))
        leak = Leak(when, src, dst, port, vni, reasons)
        self.n_leaks += 1
        if len(self.first) < N_FIRST:
            self.first.append(leak)
        return leak

    def _see_packet(self, packet, reasons):
        """(UDP port, VNI, reasons), where known, of a packet, or a first
        fragment, in whose frame `reasons` were found."""
        head = wire.ports(packet.payload) \
            if packet.protocol == wire.UDP else None
        if head is None:
            if self._is_refusal(packet):
                reasons = [r for r in reasons if r != MARKED]
            return None, None, reasons
        port, vni, found = self._udp(packet, *head)
        if self._is_control(packet, head[2]):
            self.controls.add(head[2][MARKER_SIZE:])
            reasons = [r for r in reasons if r != MARKED]
        return port, vni, reasons + [r for r in found if r not in reasons]

    def _see_fragment(self, packet, reasons):
        """The same of a fragment and, when the others are there, of the
        packet, unless another fragment was a leak already."""
        port = vni = None
        if packet.fragment[1] == 0:
            port, vni, reasons = self._see_packet(packet, reasons)
        whole, is_told = self._fragments.add(packet, bool(reasons))
        if whole is not None and not is_told and not reasons:
            return self._see_packet(
                packet._replace(payload=whole, fragment=None),
                self._find(whole))
        return port, vni, reasons

    def _find(self, data):
        """The marker and the MAC addresses anywhere in `data`."""
        found = []
        if self.plan.marker and self.plan.marker in data:
            found.append(MARKED)
        # Mostly a few prefixes are those of all, and in no sealed frame.
        if (len(self._prefixes) > MANY_PREFIXES
                or any(prefix in data for prefix in self._prefixes)):
            macs = self._rare
            found += [self._named(data[at:at + 6])
                      for at in range(len(data) - 5)
                      if data[at:at + 6] in macs]
        return list(dict.fromkeys(found))

    def _named(self, mac):
        return f"MAC address {mac.hex(':')} of {self.plan.macs[mac]}"

    def _at(self, frame):
        """The common MAC addresses, in the header of a frame only."""
        return [self._named(mac) for mac in (frame[:6], frame[6:12])
                if mac in self.common]

    def _udp(self, packet, sport, dport, payload):
        """(port, VNI or None, reasons) of a datagram."""
        if {sport, dport} & self.plan.sealed:
            self._count_sealed(packet, sport, dport, payload)
        kind = self.plan.tunnels.get(dport)
        if kind is None or len(payload) < 8:
            return dport, None, []
        vni = int.from_bytes(payload[4:7], "big")
        inner = payload[8:]
        names = [self.plan.vnis.get(vni)]
        if kind == "geneve":
            inner = payload[8 + (payload[0] & 0x3f) * 4:]
        else:
            names.append(self.plan.vnis.get(vni & OVN_VXLAN_KEY))
        found = [f"VNI of {name}" for name in names if name is not None][:1]
        found += self._at(inner)
        return dport, vni, found

    def _count_sealed(self, packet, sport, dport, payload):
        datagram = wire.Datagram(0, packet.src, sport, packet.dst, dport,
                                 payload)
        sizes = [len(r.fragment) for r in wire.parse_records(datagram)
                 if r.type == wire.APPLICATION_DATA]
        if not sizes or not {packet.src, packet.dst} <= self.plan.ends:
            return
        self.n_sealed += 1
        senders, size, _ = self.plan.probes
        if packet.src in senders and any(
                size < s <= size + MAX_OVERHEAD for s in sizes):
            self.n_probes += 1

    def _is_control(self, packet, data):
        return (bool(self.plan.marker)
                and data[:MARKER_SIZE] == self.plan.marker
                and data[MARKER_SIZE:] in CONTROLS
                and (packet.src, packet.dst) == self.plan.control)

    def _is_refusal(self, packet):
        """Whether ICMP says to the sender of a control packet that nobody
        wanted it, which quotes the packet."""
        quoted = wire.quoted(packet)
        if not quoted or quoted.protocol != wire.UDP or quoted.fragment:
            return False
        head = wire.ports(quoted.payload)
        return (head is not None and self._is_control(quoted, head[2])
                and packet.dst == self.plan.control[0])

    def missing_controls(self):
        return [name for tail, name in CONTROLS.items()
                if tail not in self.controls]

    def doubts(self):
        """Why these frames, if nothing leaked in them, do not prove that
        nothing leaked."""
        found = []
        missing = self.missing_controls()
        if missing:
            found.append(f"no control packet ({', '.join(missing)}) was seen,"
                         " so nothing is proven about this place")
        if self.n_cut:
            found.append(f"{self.n_cut} frames are cut short, and the rest of"
                         " them was not seen: capture with -s 0")
        number = self.plan.probes[2]
        if self.n_probes < number:
            found.append(f"of {number} probes {self.n_probes or 'none'} was"
                         " seen in a sealed record: the others were dropped,"
                         " or left elsewhere")
        elif not self.n_sealed:
            found.append("no sealed packet between chassis was seen: there was"
                         " nothing to judge")
        return found
