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
"""The way of a packet from one machine to another, and whether each chassis
that it leaves encrypts it.

The southbound database and ovn-trace know the way.  What its first chassis
does, its Open vSwitch knows; of others there is what they have reported.
"""

import difflib
import json
import os
import re

from vnetenc_tools import flowlines, leakplan, rules
from vnetenc_tools.checks import MAX_FINGERPRINTS, pins_of
from vnetenc_tools.databases import (
    MODES, Unreachable, address_of, as_list, as_one, is_announced,
    other_port_of, run)
from vnetenc_tools.leakplan import Problem

TABLES = {
    "Chassis": "_uuid,name,encaps,other_config,transport_zones",
    "Chassis_Private": "name,encryption",
    "Encap": "_uuid,chassis_name,type,ip,options",
    "Datapath_Binding": "_uuid,tunnel_key,external_ids",
    "Port_Binding": "logical_port,type,datapath,chassis,mac,options,"
                    "external_ids,additional_chassis",
}
LOCAL_TABLES = {**leakplan.LOCAL_TABLES, "VNetEnc_Profile": "id,tunnel_keys",
                "VNetEnc_Flow_Log": "file"}
# Octets at the end of the flow log.
LOG_TAIL = 1 << 20
# Types of ports behind which machines are, and those that lead outside.
MACHINES = ("", "virtual", "remote")
EXTERNAL = ("localnet", "l2gateway", "vtep")
# Connections are new wherever connection tracking is asked.
N_NEW = 8

# Codes and the exit statuses that they mean; of all others it is 1.
STATUS = {"X": 0, "UNKNOWN": 2}
PROTOCOLS = {"icmp": ("icmp4.type == 8", "icmp,icmp_type=8,icmp_code=0"),
             "icmp6": ("icmp6.type == 128", "icmp6,icmpv6_type=128"),
             "tcp": ("tcp.dst == {0}", "tcp{1},tp_dst={0}"),
             "udp": ("udp.dst == {0}", "udp{1},tp_dst={0}")}


class Site(leakplan.Site):
    """The southbound database."""

    def __init__(self, options):
        super().__init__(options, TABLES)
        self.reports = {row["name"]: row["encryption"] or {}
                        for row in self.tables["Chassis_Private"]}

    def find(self, name):
        """The logical port with a name, or the one with an address."""
        found = [p for p, row in self.ports.items()
                 if row["type"] in MACHINES and (
                     name == row["external_ids"].get("name")
                     or _is_of(name, row))]
        if name in self.ports:
            kind = self.ports[name]["type"]
            if kind not in MACHINES:
                raise Problem(f"port {name} is of type {kind}: name the port"
                              " of a machine")
            return name
        if len(found) > 1:
            raise Problem(f"{name} is not one port, but {len(found)}:"
                          f" {_first(found)}; name one of them")
        if not found:
            near = difflib.get_close_matches(
                name, [p for p, row in self.ports.items()
                       if row["type"] in MACHINES], 5, 0.5)
            raise Problem(
                f"no port of a machine is named {name} or has that address."
                "  Allowed are logical ports, which ovs-vsctl shows as"
                " external_ids:iface-id, and their IP and MAC addresses."
                + (f"  Similar: {_first(near)}" if near else ""))
        return found[0]

    def host_of(self, name):
        """The row of the chassis of a port, or None."""
        return self.chassis.get(as_one(self.ports[name]["chassis"]))

    def demand_of(self, name):
        """The mode that the switch of a port demands."""
        ids = self.datapath_of(name)["external_ids"]
        mode = ids.get("vnetenc", "off")
        return mode if mode in MODES else "require"

    def has_localnet(self, name):
        return any(p["type"] == "localnet"
                   and p["datapath"] == self.ports[name]["datapath"]
                   for p in self.ports.values())

    def tunnels_of(self, chassis):
        return [e for e in self.encaps_of(chassis) if e["type"] == "geneve"]

    def fault_of(self, source, target, remote):
        """Why ovn-controller of `source` makes no row for `target`, or for
        its address `remote`: the name of a rule, or None."""
        zones = [set(as_list(c["transport_zones"])) for c in (source, target)]
        if any(zones) and not zones[0] & zones[1]:
            return "no-tunnel"
        rows = self.tunnels_of(target)
        rows = [e for e in rows if address_of(e["ip"]) == remote] or rows
        faults = [self._fault_of_row(target, e) for e in rows] or ["tunnel"]
        return faults[0] if all(faults) else None

    def _fault_of_row(self, chassis, encap):
        if other_port_of(encap):
            return "tunnel"
        if encap["options"].get("vnetenc") != "1" \
                or not is_announced(chassis):
            return "not-announced"
        pins, bad = pins_of([encap])
        if bad or not 0 < len(pins) <= MAX_FINGERPRINTS:
            return "no-fingerprint"
        claims = {e["chassis_name"] for e in self.tables["Encap"]
                  if address_of(e["ip"]) == address_of(encap["ip"])}
        return "claimed-twice" if len(claims) > 1 else None


def _is_of(text, row):
    return any(text.lower() == words[0].lower()
               or address_of(text) in map(address_of, words[1:])
               for words in leakplan.addresses(row))


def _first(names):
    return ", ".join(sorted(names)[:8]) + (", ..." if len(names) > 8 else "")


# The packet.

class Packet:
    """The first packet of a connection."""

    def __init__(self, site, sender, receiver, protocol, port):
        self.source_mac, sources = site.addresses_of(sender)
        mac, targets = site.addresses_of(receiver)
        pairs = [(a, b) for a in sources for b in targets
                 if a.version == b.version]
        if not pairs:
            raise Problem(f"ports {sender} and {receiver} have no addresses of"
                          " one family")
        self.source, self.target = pairs[0]
        self.mac = (mac if site.ports[sender]["datapath"]
                    == site.ports[receiver]["datapath"]
                    else site.next_hop(sender, self.source))
        six = "6" * (self.source.version == 6)
        if protocol == "icmp":
            protocol += six
        self.title = protocol + (f" to port {port}" if port else "")
        self._expression, self._flow = (
            text.format(port, six) for text in PROTOCOLS[protocol])

    def expression(self, sender):
        """As ovn-trace takes it."""
        ip = f"ip{self.source.version}"
        return (f"inport == {json.dumps(sender)} &&"
                f" eth.src == {self.source_mac} && eth.dst == {self.mac} &&"
                f" {ip}.src == {self.source} && {ip}.dst == {self.target} &&"
                f" ip.ttl == 64 && {self._expression}")

    def flow(self, ofport):
        """As ofproto/trace takes it."""
        key = "ipv6_" if self.source.version == 6 else "nw_"
        return (f"in_port={ofport},dl_src={self.source_mac},dl_dst={self.mac},"
                f"{self._flow},{key}src={self.source},{key}dst={self.target},"
                "nw_ttl=64")


# The way.

class Hop:
    """A tunnel that the packet takes, with the mode that it demands there."""

    def __init__(self, source, target, mode, note=""):
        self.source, self.target = source, target
        self.mode, self.note = mode, note


class Way:
    """What ovn-trace says of a packet to the port `receiver`."""

    PIPELINE = re.compile(
        r"\s*(?:ingress|egress)\(dp=\"[^\"]*\", inport=\"(.*?)\""
        r"(?:, outport=\"(.*)\")?\)$")
    NOTE = re.compile(r"/\* vnetenc: (in a tunnel encrypted (or dropped|if"
                      r" possible): profile \d+, because of the .*) \*/")
    REPLACED = re.compile(r"/\* Replacing type \".*\" outport \"(.*)\" with"
                          r" distributed port ")
    OUTPUT = re.compile(r"/\* output to \"(.*)\", type \"(.*)\" \*/")
    TABLE = re.compile(r"\s*\d+\. (.* uuid [0-9a-f]{8}|.*\(implicit drop\))")

    def __init__(self, site, receiver, chassis):
        self._site, self._receiver = site, receiver
        self._at = chassis
        self._note = self._replaced = None
        self._flooded = False
        self.hops, self.unbound = [], []
        self.external = self.stopped = None
        self.delivered = False

    def read(self, text):
        for line in text.splitlines():
            self._read_line(line)
        if self.delivered:
            self.external = self.stopped = None

    def _read_line(self, line):
        found = self.PIPELINE.match(line)
        if found:
            self._pass(found[2])
            return
        found = self.NOTE.search(line)
        if found:
            self._note = found
        elif "multicast(dp=" in line:
            self._flooded = True
        found = self.REPLACED.search(line)
        if found:
            self._replaced = found[1]
        found = self.OUTPUT.search(line)
        if found:
            self.delivered |= found[1] == self._receiver
            if found[2] in EXTERNAL:
                self.external = found[1]
        found = self.TABLE.match(line)
        # The flow that acts on the verdict of ACLs does not say which.
        if found and "_acl_action" not in found[1]:
            self.stopped = found[1]

    def _pass(self, port):
        """The packet enters an egress pipeline, or an ingress pipeline."""
        note, replaced = self._note, self._replaced
        self._replaced = None
        if not self._flooded:
            self._note = None
        if port is None or self._flooded and port != self._receiver:
            return
        row = self._site.ports.get(replaced or port)
        if not row:
            return
        host = self._site.host_of(replaced or port)
        if replaced and not host:
            self.unbound.append(replaced)
        if host and self._at and host is not self._at:
            mode = (("require" if note[2] == "or dropped" else "prefer")
                    if note else "off")
            self.hops.append(Hop(self._at, host, mode,
                                 note[1] if note else ""))
            self._at = host


# What Open vSwitch does.

class Translation:
    """What ofproto/trace says: `said` is a word for it, `remote` the other end
    of the tunnel."""

    WORDS = (
        ("row", "vnetenc: no record of table VNetEnc_Peer has"),
        ("device", "the kernel datapath has no device for it yet"),
        ("bond", "vnetenc: a balancing bond cannot encrypt"),
        ("tunnel", "cannot be encrypted"),
        ("tunnel", "the kernel datapath cannot encrypt VXLAN"),
        ("datapath", "vnetenc: this datapath cannot encrypt"),
        ("sealed", "vnetenc: sealing as profile"),
        ("clear", "output to native tunnel"),
        ("clear", "output to kernel tunnel"),
    )

    def __init__(self, text, addresses):
        outputs = [[]]
        for line in map(str.strip, text.splitlines()):
            if line.startswith("output:"):
                outputs.append([])
            outputs[-1].append(line)
        modes = re.findall(r"^\s*vnetenc\((?:mode=)?(\w+)", text, re.M)
        self.mode = modes[-1] if modes and modes[-1] in MODES else "off"
        self.text, self.said, self.remote = "", "", None
        for lines in outputs:
            found = self._look(lines)
            if found and (not self.said or found[2] in addresses):
                self.said, self.text, self.remote = found
        if not self.remote:             # The kernel's tunnels have no line.
            ends = re.findall(r"set\(tunnel\([^)]*\bdst=([0-9a-fA-F.:]+)",
                              text)
            self.remote = ends[-1] if ends else None
        found = re.search(r"profile (\d+)", self.text)
        self.profile = int(found[1]) if found else 0
        found = re.findall(r"\b(?:vni|tun_id)=(0x[0-9a-f]+|\d+)",
                           "".join(re.findall("^Datapath actions: .*", text,
                                              re.M)))
        self.vni = int(found[-1], 0) if found else None

    def _look(self, lines):
        text = "\n".join(lines)
        remote = re.search(r"tunneling to (\S+) via", text)
        for word, sign in self.WORDS:
            if sign in text:
                line = next(entry for entry in lines if sign in entry)
                if word in ("sealed", "clear") and (
                        "neighbor cache miss" in text
                        or "tunnel routing failed" in text):
                    word = "neighbour"
                    line = next(entry for entry in lines
                                if "neighbor cache miss" in entry
                                or "tunnel routing failed" in entry)
                return (word, line.removeprefix("-> "),
                        remote and address_of(remote[1]))
        return None


class Here:
    """Open vSwitch of this host, which is the chassis of the sender."""

    def __init__(self, local):
        self.show = {}
        self.translation = self.fault = None
        self._local = local

    def ask(self, packet, sender, addresses):
        try:
            self.show = json.loads(run([
                "ovs-appctl", "--timeout=10", "--format", "json",
                "vnetenc/show"]))
            text = run(["ovs-appctl", "--timeout=10", "ofproto/trace",
                        self._local.bridge,
                        packet.flow(self._local.ofport(sender))])
        except (Unreachable, Problem, ValueError) as error:
            self.fault = str(error)
            return
        self.translation = Translation(text, addresses)
        if not self.translation.said:
            self.fault = "ofproto/trace sends the packet into no tunnel"

    def logged(self, packet):
        """What the flow log said last of such packets, None without a log."""
        for row in self._local.tables["VNetEnc_Flow_Log"]:
            path = os.path.join(
                os.environ.get("OVS_LOGDIR", "/var/log/openvswitch"),
                as_one(row["file"]) or "vnetenc-flows.log")
            try:
                with open(path, "rb") as file:
                    file.seek(max(0, os.fstat(file.fileno()).st_size
                                  - LOG_TAIL))
                    lines = file.read().splitlines()
            except OSError as error:
                return f"{path}: {error.strerror}"
            found = filter(None, (_flow(line, packet)
                                  for line in reversed(lines)))
            return next(found, f"no such packet at the end of {path}")
        return None

    def refused_vni(self):
        """Why the VNI may not leave under the packet's profile: "unlisted",
        "other", or None if it may."""
        lists = [(row["id"], as_list(row["tunnel_keys"]))
                 for row in self._local.tables["VNetEnc_Profile"]]
        listing = {profile for profile, keys in lists
                   if self.translation.vni in keys}
        if listing:
            return None if self.translation.profile in listing else "other"
        return "unlisted" if self._local.config.get(
            "vnetenc-unlisted", "pass") != "pass" else None

    def peer(self):
        """The peer of the translation, {} if there is none."""
        return next((p for p in self.show.get("peers", ())
                     if self.translation and self.translation.remote
                     and address_of(p["remote_ip"])
                     == self.translation.remote), {})

    def sessions(self):
        """Those that seal for the peer."""
        return [s for s in self.peer().get("sessions", ())
                if s["direction"] == "out"
                and s["profile"] == self.translation.profile]

    def session(self):
        """A word for the state of the sessions."""
        states = {s["state"] for s in self.sessions()}
        if states == {"up"}:
            return "up"
        if not states and not self.peer().get("last_error"):
            return "idle"
        return ("lost" if "lost" in states
                else "some" if "up" in states else "none")


def _flow(line, packet):
    """A line of the flow log as text, None if it is of other packets."""
    try:
        flow = flowlines.Line(line)
    except flowlines.BadLine:
        return None                     # Half of one.
    if (flow.src, flow.dst) != (str(packet.source), str(packet.target)):
        return None
    return (f"{flow.data['start']} to {flow.data['end']}: {flow.packets}"
            f" packets, {flow.encryption}, {flow.reason or 'sent'}")


# The verdict.

class Facts:
    """What is known of one hop, or of a way without hops."""

    def __init__(self, answer, hop, number, here):
        site = answer.site
        self.unbound, self.migrating = answer.unbound, answer.migrating
        self.untraced = answer.untraced
        self.external, self.denied = answer.external, answer.denied
        self.hop, self.is_first = hop, number == 0
        self.here = here
        told = here.translation if here else None
        self.said = told.said if told else None
        self.local_fault = here.fault if here else None
        self.session = (here.session() if here and self.said == "sealed"
                        else None)
        if here and here.fault and not self.said \
                and site.has_localnet(answer.receiver):
            self.external = "localnet"
        self.refused_vni = (here.refused_vni() if self.said == "sealed"
                            else None)
        self.encryption_off = (here.show.get("encryption_off") if here
                               else None)
        self.mode, self.alarms, self.failure = "off", (), None
        self.cut_off = self.old_sender = self.incapable = False
        self.is_reported = False
        self.peer_fault = None
        if not hop:
            return
        self.mode = max(hop.mode, told.mode if told else "off",
                        key=MODES.index)
        report = site.reports.get(hop.source["name"], {})
        if here:
            peer = here.peer()
            self.alarms = peer.get("alarms", ())
            if self.session == "none":
                self.failure = peer.get("last_error", "").split(":")[0]
        else:
            self.alarms = report.get("alarm:" + hop.target["name"],
                                     "").split(",")
        if self.said != "sealed":
            self.cut_off = "cut-off" in (report.get(str(key))
                                         for key in answer.keys)
            capable = is_announced(hop.source)
            self.old_sender = not capable and self.mode == "require"
            self.incapable = not capable and self.mode == "prefer"
            self.peer_fault = site.fault_of(hop.source, hop.target,
                                            told and told.remote)
        # A report names the first alarms only, and their number.
        n = sum(key.startswith("alarm:") for key in report)
        self.is_reported = (self.mode == "require" and not self.is_first
                            and report.get("alarms", str(n)) == str(n))


class Answer:
    """The chain from port to record, and the verdict."""

    def __init__(self, options, sender, receiver, protocol="icmp", port=None):
        self.site = site = Site(options)
        self.chain = []                 # (source, text).
        self.sender, self.receiver = map(site.find, (sender, receiver))
        names = [self.sender, self.receiver]
        if names[0] == names[1]:
            raise Problem(f"{sender} and {receiver} are one port,"
                          f" {names[0]}")
        self.keys = sorted({site.datapath_of(n)["tunnel_key"] for n in names})
        self.unbound = [n for n in names if not site.host_of(n)]
        self.migrating = [n for n in names
                          if as_list(site.ports[n]["additional_chassis"])]
        self.external = self.denied = self.untraced = None
        self.hops, self.here, self._logged = [], None, None
        for name in names:
            self._add_port(name)
        if not self.unbound:
            self._follow(Packet(site, *names, protocol, port), options)
        self._judge()

    def note(self, source, text):
        self.chain.append((source, text))

    def _add_port(self, name):
        site, host = self.site, self.site.host_of(name)
        addresses = " ".join(
            word for words in leakplan.addresses(site.ports[name])
            for word in words) or "no fixed address"
        self.note("Port_Binding", f"port {name}: switch"
                  f" {site.name_of(site.ports[name]['datapath'])}, chassis"
                  f" {host['name'] if host else 'none'}, {addresses}")
        self.note("Datapath_Binding",
                  f"switch {site.name_of(site.ports[name]['datapath'])}:"
                  f" demands {site.demand_of(name)}")

    def _follow(self, packet, options):
        """Finds the hops, and asks the Open vSwitch of the first chassis."""
        site, start = self.site, self.site.host_of(self.sender)
        self.note("packet", f"{packet.source} to {packet.target},"
                  f" {packet.title}, first of a connection")
        way = Way(site, self.receiver, start)
        try:
            way.read(run(["ovn-trace", "--no-friendly-names", *(
                o for o in options if not o.startswith("--timeout=")),
                          *["--ct=new"] * N_NEW,
                          packet.expression(self.sender)]))
        except Unreachable as error:
            self.note("ovn-trace", f"does not answer: {error}")
            self._guess(start)
        else:
            self._take(way)
        try:
            local = leakplan.Local(LOCAL_TABLES)
        except Problem as error:
            self.note("this host", str(error))
            local = None
        if self.hops and local and local.name == start["name"]:
            self.here = Here(local)
            self.here.ask(packet, self.sender, {
                address_of(e["ip"])
                for e in site.encaps_of(self.hops[0].target)})
            self._logged = self.here.logged(packet)

    def _guess(self, start):
        """The way without ovn-trace."""
        ports = [self.site.ports[n] for n in (self.sender, self.receiver)]
        host = self.site.host_of(self.receiver)
        if ports[0]["datapath"] != ports[1]["datapath"]:
            self.untraced = True
        elif host is not start:
            self.hops = [Hop(start, host, self.site.demand_of(self.sender))]

    def _take(self, way):
        self.hops, self.external = way.hops, way.external
        self.unbound = way.unbound
        if not way.delivered and not way.external:
            self.denied = way.stopped or "it does not say where"
            self.note("ovn-trace", f"the packet does not reach"
                      f" {self.receiver}: {self.denied}")
        elif way.external:
            self.note("ovn-trace", f"the packet leaves by port {way.external}")
        else:
            n = len(way.hops)
            self.note("ovn-trace", f"the packet reaches {self.receiver}"
                      + (" without a tunnel" if not n else
                         f" through {n} tunnel{'s' * (n > 1)}"))

    def _judge(self):
        """Judges hop by hop; the worst one counts."""
        found = []
        for number, hop in enumerate(self.hops or [None]):
            here = self.here if number == 0 and hop else None
            facts = Facts(self, hop, number, here)
            if hop:
                self._add_hop(hop, facts)
            if here:
                self._add_here(here)
            found.append((rules.judge(facts), facts))
        self.rule, facts = max(found, key=lambda pair: (
            STATUS.get(_code(*pair), 3)))
        self.code = _code(self.rule, facts)
        self.status = STATUS.get(self.code, 1)
        self.hop = facts.hop
        self.unknown = ["the state of connection tracking: a packet of an"
                        " established connection may take another way",
                        "the way back: ask for it with the ports exchanged"]

    def _add_hop(self, hop, facts):
        ends = [", ".join(address_of(e["ip"])
                          for e in self.site.tunnels_of(c)) or "no tunnel"
                for c in (hop.source, hop.target)]
        self.note("Encap", f"tunnel from {hop.source['name']} ({ends[0]}) to"
                  f" {hop.target['name']} ({ends[1]})"
                  + (f": {facts.peer_fault}" if facts.peer_fault else ""))
        self.note("ovn-trace", hop.note or "no demand is known for it")
        report = self.site.reports.get(hop.source["name"], {})
        said = [f"datapath {key}: {value}" for key, value in report.items()
                if key in map(str, self.keys)]
        alarms = report.get("alarm:" + hop.target["name"])
        self.note("Chassis_Private", f"{hop.source['name']} reports "
                  + (", ".join(said) or "no mode of these switches")
                  + (f"; alarms {alarms}" if alarms else ""))

    def _add_here(self, here):
        told = here.translation
        if self._logged:
            self.note("flow log", self._logged)
        if here.fault:
            self.note("this host", here.fault)
        if not told or not told.said:
            return
        self.note("ofproto/trace", told.text
                  + (f", to {told.remote}" if told.remote else ""))
        peer = here.peer()
        if told.said != "sealed":
            return
        if not peer:
            self.note("vnetenc/show", f"no peer {told.remote}")
            return
        for session in here.sessions():
            self.note("vnetenc/show", f"session with {told.remote}, profile"
                      f" {session['profile']}: {session['state']}"
                      + (f", {session['cipher']}, {session['records']} records"
                         f" in {session['age_ms'] // 1000} s"
                         if "cipher" in session else ""))
        if peer.get("last_error"):
            self.note("vnetenc/show", f"last error: {peer['last_error']}")
        if peer.get("alarms"):
            self.note("vnetenc/show", f"alarms: {', '.join(peer['alarms'])}")

    def cause(self):
        """Of the verdict, as plain text."""
        if self.rule.section == rules.FAILED:
            return f"there is no session: {self.here.peer()['last_error']}"
        return rules.plain(self.rule.cause)

    def advice(self):
        """Where to go on, as plain text."""
        if self.rule.name == "elsewhere":
            return f"run ovn-vnetenc-why on {self.hop.source['name']}"
        return rules.plain(self.rule.check)

    def as_dict(self):
        return {
            "from": self.sender, "to": self.receiver, "code": self.code,
            "rule": self.rule.name, "status": self.status,
            "cause": self.cause(), "check": self.advice(),
            "section": self.rule.section,
            "chain": [{"source": s, "text": t} for s, t in self.chain],
            "unknown": self.unknown}


def _code(rule, facts):
    return rule.prefer if facts.mode == "prefer" else rule.code
