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
"""What vnetenc-leaktest looks for, and the packets that it sends.

The southbound database says what must be encrypted, and the local Open vSwitch
where the sender is.
"""

import ipaddress
import secrets
import socket
import struct
import time

from vnetenc_tools.databases import (
    DTLS_PORTS, TUNNEL_PORTS, Unreachable, address_of, as_list, as_one, ask,
    run)
from vnetenc_tools import leaks, wire

TABLES = {
    "Chassis": "_uuid,name,encaps",
    "Encap": "_uuid,type,ip,options",
    "Datapath_Binding": "_uuid,tunnel_key,external_ids",
    "Port_Binding": "logical_port,type,datapath,chassis,mac,options",
}
LOCAL_TABLES = {
    "Open_vSwitch": "external_ids,other_config",
    "Bridge": "name,ports",
    "Port": "_uuid,name,interfaces",
    "Interface": "_uuid,name,type,ofport,options,external_ids",
    "Mirror": "name",
}
DISCARD = 9                     # UDP port of RFC 863.
PROBE_SIZES = range(600, 900)   # Of the frame; below the MTU of any guest.
RATE_HZ = 10


class Problem(Exception):
    """The test cannot be made, or not to its end."""


class Local:
    """The Open vSwitch of this host."""

    def __init__(self, columns=None):
        try:
            self.tables = tables = ask("ovs-vsctl", ["--timeout=10"],
                                       columns or LOCAL_TABLES)
        except Unreachable as error:
            raise Problem("the local Open vSwitch does not answer:"
                          f" {error}; run this on a hypervisor") from None
        root = (tables["Open_vSwitch"] or [{}])[0]
        self.ids = root.get("external_ids", {})
        self.config = root.get("other_config", {})
        self.name = self.ids.get("system-id", "")
        self.bridge = self.ids.get("ovn-bridge", "br-int")
        self.mirrors = {m["name"] for m in tables["Mirror"]}
        self.interfaces = tables["Interface"]
        rows = {i["_uuid"]: i for i in self.interfaces}
        ports = {p["_uuid"]: (p["name"], [rows[u] for u in
                                          as_list(p["interfaces"])
                                          if u in rows])
                 for p in tables["Port"]}
        # Bridge -> [(port, its interfaces)].
        self.bridges = {b["name"]: [ports[u] for u in as_list(b["ports"])
                                    if u in ports] for b in tables["Bridge"]}

    def ofport(self, logical_port):
        for interface in self.interfaces:
            if interface["external_ids"].get("iface-id") == logical_port:
                number = as_one(interface["ofport"])
                if isinstance(number, int) and number > 0:
                    return number
        raise Problem(f"no interface of this host is port {logical_port}: run"
                      " this on the chassis of that port")

    def sealed_ports(self):
        return frozenset(
            int(self.config.get(f"vnetenc-{kind}-port", port))
            for kind, port in DTLS_PORTS.items())


class Site:
    """The southbound database."""

    def __init__(self, options, columns=None):
        try:
            self.tables = tables = ask("ovn-sbctl", options, columns or TABLES)
        except Unreachable as error:
            raise Problem("the southbound database does not answer:"
                          f" {error}; name it with --sb") from None
        self._encaps = {e["_uuid"]: e for e in tables["Encap"]}
        self.chassis = {c["_uuid"]: c for c in tables["Chassis"]}
        self.ports = {p["logical_port"]: p for p in tables["Port_Binding"]}
        self._datapaths = {d["_uuid"]: d for d in tables["Datapath_Binding"]}
        self.required = {u: d for u, d in self._datapaths.items()
                         if d["external_ids"].get("vnetenc") == "require"}

    def datapath_of(self, name):
        """The row of the datapath of a port."""
        return self._datapaths[self.ports[name]["datapath"]]

    def name_of(self, datapath):
        row = self._datapaths[datapath]
        return row["external_ids"].get("name", f"key {row['tunnel_key']}")

    def port(self, name):
        if name not in self.ports:
            raise Problem(f"no port {name} in the southbound database;"
                          " --from and --to take names of logical switch"
                          " ports, as ovn-nbctl lsp-list prints them")
        return self.ports[name]

    def chassis_of(self, name):
        found = self.chassis.get(as_one(self.port(name)["chassis"]))
        if not found:
            raise Problem(f"port {name} is on no chassis: its machine does not"
                          " run")
        return found

    def chassis_named(self, name):
        for chassis in self.chassis.values():
            if chassis["name"] == name:
                return chassis
        raise Problem(f"this host, {name or 'without a system-id'}, is no"
                      " chassis of the southbound database")

    def encaps_of(self, chassis):
        return [self._encaps[u] for u in as_list(chassis["encaps"])
                if u in self._encaps]

    def ends_of(self, chassis):
        """The tunnel addresses of a chassis, those of Geneve first."""
        rows = self.encaps_of(chassis)
        rows.sort(key=lambda e: (e["type"] != "geneve", e["ip"]))
        return list(dict.fromkeys(address_of(e["ip"]) for e in rows))

    def plan(self):
        """The Plan, without packets."""
        if not self.required:
            raise Problem("no logical switch has encryption=require: there is"
                          " nothing to test")
        vnis = {d["tunnel_key"]: self.name_of(u)
                for u, d in self.required.items()}
        macs = {wire.mac(words[0]): name for name, port in self.ports.items()
                if port["datapath"] in self.required
                for words in addresses(port)}
        tunnels = {int(port): kind for kind, port in TUNNEL_PORTS.items()}
        for encap in self._encaps.values():
            if encap["type"] in TUNNEL_PORTS:
                port = encap["options"].get("dst_port")
                if port and port.isdigit():
                    tunnels[int(port)] = encap["type"]
        ends = {end for c in self.chassis.values() for end in self.ends_of(c)}
        return leaks.Plan(vnis, macs, secrets.token_bytes(leaks.MARKER_SIZE),
                          ends=frozenset(ends), tunnels=tunnels)

    def addresses_of(self, name):
        """(MAC address, [IP addresses]) of a port."""
        for words in addresses(self.port(name)):
            ips = [ipaddress.ip_address(w) for w in words[1:] if _is_ip(w)]
            if ips:
                return words[0], ips
        raise Problem(f"port {name} has no fixed MAC and IP address, which a"
                      " probe needs: choose another port")

    def next_hop(self, name, source):
        """The MAC address of a router on the switch of port `name`, in the
        network of the address `source`."""
        for port in self.ports.values():
            if port["datapath"] != self.ports[name]["datapath"]:
                continue
            other = self.ports.get(port["options"].get("peer"))
            for mac, *networks in addresses(other) if other else ():
                if any(source in ipaddress.ip_network(n, strict=False)
                       for n in networks):
                    return mac
        raise Problem(f"no router leads from the switch of {name} to another:"
                      " choose two ports of one switch")


def addresses(port):
    """The words of each entry that begins with a MAC address."""
    entries = (text.split() for text in as_list(port["mac"]))
    return [words for words in entries if words and wire.is_mac(words[0])]


def _is_ip(text):
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


# Control packets.

def other_end(site, local, target):
    """(own tunnel address, that of the other chassis): of the port `target`
    or, without one, of the first chassis with a port that is encrypted."""
    me = site.chassis_named(local.name)
    if target:
        other = site.chassis_of(target)
        if other is me:
            raise Problem(f"port {target} is on this chassis, {local.name}:"
                          " packets to it never leave the host")
    else:
        busy = {as_one(p["chassis"]) for p in site.ports.values()
                if p["datapath"] in site.required}
        found = sorted((c for u, c in site.chassis.items()
                        if u in busy and c is not me),
                       key=lambda c: c["name"])
        if not found:
            raise Problem("no other chassis has a port of a switch with"
                          " encryption=require: nothing leaves this host")
        other = found[0]
    mine, theirs = site.ends_of(me), site.ends_of(other)
    for end in theirs:
        for own in mine:
            if (":" in own) == (":" in end):
                return own, end
    raise Problem(f"chassis {local.name} and {other['name']} have no tunnel"
                  " addresses of one family")


def send_control(plan, tail):
    """Sends the marker in clear, host to host."""
    own, end = plan.control
    family = socket.AF_INET6 if ":" in own else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((own, 0))
            sock.sendto(plan.marker + tail, (end, DISCARD))
    except OSError as error:
        raise Problem(f"the control packet from {own} to {end} cannot be sent:"
                      f" {error.strerror}") from None


# Probes.

class Probes:
    """Marked packets from port `sender` to port `receiver`."""

    def __init__(self, site, local, sender, receiver, number, udp_port):
        self._bridge, self._number = local.bridge, number
        self._udp_port = udp_port
        datapaths = [site.port(p)["datapath"] for p in (sender, receiver)]
        if not set(datapaths) & set(site.required):
            raise Problem(f"neither {sender} nor {receiver} is on a switch"
                          " with encryption=require")
        chassis = site.chassis_of(sender)
        if chassis["name"] != local.name:
            raise Problem(f"port {sender} is on chassis {chassis['name']}, not"
                          f" on this one, {local.name}: run this there")
        self._in_port = local.ofport(sender)
        self._mac, ips = site.addresses_of(sender)
        other_mac, others = site.addresses_of(receiver)
        pairs = [(a, b) for a in ips for b in others if a.version == b.version]
        if not pairs:
            raise Problem(f"ports {sender} and {receiver} have no addresses of"
                          " one family")
        self._src, self._dst = pairs[0]
        self._next = (other_mac if datapaths[0] == datapaths[1]
                      else site.next_hop(sender, self._src))
        self._size = secrets.choice(PROBE_SIZES)
        self.ends = site.ends_of(chassis)

    def add_to(self, plan):
        plan.probes = tuple(self.ends), self._size, self._number

    def frame(self, marker, number):
        """A probe, always of the same size."""
        head = 14 + (20 if self._src.version == 4 else 40) + 8
        data = marker + struct.pack("!I", number)
        data = data.ljust(self._size - head, b"\0")
        datagram = struct.pack("!HHHH", DISCARD, self._udp_port,
                               8 + len(data), 0) + data
        return (wire.mac(self._next) + wire.mac(self._mac)
                + _packet(self._src, self._dst, datagram))

    def send(self, marker, check):
        """`check` raises Problem if there is no use in going on."""
        begin = time.monotonic()
        for number in range(self._number):
            check()
            time.sleep(max(0, begin + number / RATE_HZ - time.monotonic()))
            frame = self.frame(marker, number).hex()
            try:
                run(["ovs-ofctl", "--timeout=10", "-O", "OpenFlow15",
                     "packet-out", self._bridge,
                     f"in_port={self._in_port},packet={frame},actions=table"])
            except Unreachable as error:
                raise Problem(f"probe {number + 1} cannot be sent into bridge"
                              f" {self._bridge}: {error}") from None


def _checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def _packet(src, dst, datagram):
    """The type and the IP packet that holds a UDP datagram without
    checksum."""
    size = len(datagram)
    pseudo = src.packed + dst.packed + struct.pack("!II", size, wire.UDP)
    total = _checksum(pseudo + datagram) or 0xffff
    datagram = datagram[:6] + struct.pack("!H", total) + datagram[8:]
    if src.version == 6:
        return (struct.pack("!HIHBB", wire.IPV6, 6 << 28, size, wire.UDP, 64)
                + src.packed + dst.packed + datagram)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + size, 0, 0x4000, 64,
                       wire.UDP, 0) + src.packed + dst.packed
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    return struct.pack("!H", wire.IPV4) + head + datagram
