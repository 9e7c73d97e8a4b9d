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
"""The databases and the local Open vSwitch.

One process reads each source, and therefore sees one state of it.
"""

import collections
import ipaddress
import json
import re
import shutil
import signal
import subprocess

MODES = ("off", "prefer", "require")
# What is not counted by peer: the counter, and where the packets went.
FALLBACKS = {
    "clear_no_peer": "hosts without a peer row",
    "clear_tunnel": "tunnels with another type or dst_port",
    "clear_datapath": "tunnels over a datapath or bond that cannot encrypt",
}

NB_TABLES = {
    "NB_Global": None,
    "Connection": "target",
    "Logical_Switch":
        "_uuid,name,ports,encryption,encryption_credential,other_config",
    "Encryption_Credential":
        "_uuid,name,id,chassis,members,certificates,revoked",
    "Logical_Switch_Port":
        "_uuid,name,type,options,parent_name,dhcpv4_options,mirror_rules",
    "Logical_Router": "_uuid,name,ports",
    "Logical_Router_Port": "_uuid,name,peer,options,ipv6_ra_configs",
    "DHCP_Options": "_uuid,cidr,options",
    "Mirror": "_uuid,name,type,sink",
}
SB_TABLES = {
    "SB_Global": None,
    "Connection": "target,read_only,role",
    "RBAC_Role": "name",
    "Chassis": "_uuid,name,hostname,encaps,other_config,vtep_logical_switches",
    "Chassis_Private": "name,nb_cfg",
    "Encap": "_uuid,chassis_name,type,ip,options",
    "Datapath_Binding": "_uuid,tunnel_key,external_ids",
    "Port_Binding": "logical_port,type,datapath,chassis",
}
LOCAL_TABLES = {
    "Open_vSwitch": "external_ids,other_config",
    "Datapath": "capabilities",
    "Bridge": "name,datapath_type,ports",
    "Port": "_uuid,interfaces",
    "Interface": "_uuid,name,type,options,mtu,external_ids",
    "VNetEnc_Peer": "remote_ip,name,fingerprints,state,last_error,statistics",
    "VNetEnc_Profile": "id,fingerprint,error",
}


# The port of tunnels that can be encrypted, and where they arrive encrypted.
TUNNEL_PORTS = {"geneve": "6081", "vxlan": "4789"}
DTLS_PORTS = {"geneve": "6082", "vxlan": "6089"}


class Unreachable(Exception):
    """A database or a daemon did not answer."""

    def __init__(self, text, timed_out=False):
        super().__init__(text)
        self.timed_out = timed_out


def run(argv, given=None):
    """The output of a command that reads `given`; Unreachable if it fails."""
    try:
        done = subprocess.run(argv, input=given, capture_output=True,
                              text=True, check=False)
    except OSError as error:
        raise Unreachable(f"{argv[0]}: {error.strerror}") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["failed"]
        raise Unreachable(lines[-1], done.returncode == -signal.SIGALRM)
    return done.stdout


def decode(datum):
    """A value of the database protocol as a value of Python; a set of one
    element looks like that element."""
    if not isinstance(datum, list):
        return datum
    kind, value = datum
    if kind == "map":
        return {key: decode(v) for key, v in value}
    if kind == "set":
        return [decode(v) for v in value]
    return value


def as_list(value):
    return value if isinstance(value, list) else [value]


def as_one(value):
    """The value of an optional column, "" if the column is empty."""
    return (value[0] if value else "") if isinstance(value, list) else value


def add_database_arguments(parser, north=True):
    """How the databases, or only the southbound one, are reached."""
    if north:
        parser.add_argument("--nb", metavar="URL",
                            help="northbound database, as for ovn-nbctl --db")
    parser.add_argument("--sb", metavar="URL",
                        help="southbound database, as for ovn-sbctl --db")
    parser.add_argument("-p", "--private-key", metavar="FILE",
                        help="private key for ssl: databases")
    parser.add_argument("-c", "--certificate", metavar="FILE",
                        help="certificate of that key")
    parser.add_argument("-C", "--ca-cert", metavar="FILE",
                        help="certificates of CAs that the databases use")
    parser.add_argument("--timeout", type=int, default=10, metavar="SECONDS",
                        help="wait at most this long for each database;"
                        " default %(default)s")


def database_options(args, url):
    """The options of ovn-nbctl or ovn-sbctl for these arguments."""
    options = [f"--timeout={args.timeout}", "--no-leader-only"]
    for name in ("private_key", "certificate", "ca_cert"):
        value = getattr(args, name)
        if value:
            options.append(f"--{name.replace('_', '-')}={value}")
    return options + ([f"--db={url}"] if url else [])


def ask(program, options, tables):
    """The rows of `tables`, each a dict.  One process reads them, and
    therefore sees one state of the database."""
    argv = [program, "--format=json", *options]
    for table, columns in tables.items():
        argv += ["--", *([f"--columns={columns}"] if columns else []),
                 "list", table]
    # Strings may hold characters that splitlines() takes for ends of lines.
    answers = run(argv).split("\n")
    rows = {}
    for table, line in zip(tables, answers):
        answer = json.loads(line)
        rows[table] = [dict(zip(answer["headings"], map(decode, values)))
                       for values in answer["data"]]
    return rows


def ask_any(program, options, tables):
    """(rows, True if a stock program or database answered).  Tables and
    columns that only vnetenc has are then left out."""
    try:
        return ask(program, options, tables), False
    except Unreachable as error:
        if not re.search('unknown table "(VNetEnc|Encryption)|"encryption',
                         str(error)):
            raise
    fewer = {table: columns and re.sub("encryption[a-z_]*,", "", columns)
             for table, columns in tables.items()
             if not table.startswith(("VNetEnc", "Encryption"))}
    rows = ask(program, options, fewer)
    return {table: rows.get(table, []) for table in tables}, True


def address_of(text):
    """An address in its canonical form; `text` itself if it is no address."""
    try:
        address = ipaddress.ip_address(text)
        return str(getattr(address, "ipv4_mapped", None) or address)
    except ValueError:
        return text


def other_port_of(encap):
    """The UDP port of an encapsulation that cannot be encrypted, or None."""
    usual = TUNNEL_PORTS.get(encap["type"])
    port = encap["options"].get("dst_port", usual)
    return port if port != usual else None


def is_announced(chassis):
    """Whether ovn-controller of vnetenc runs on a chassis of SB.  A stock one
    removes the entry, and leaves Encap options alone.  ovn-ic does not copy
    the entry; it has checked the entry in the other zone."""
    config = chassis["other_config"]
    return (config.get("is-remote") == "true"
            or "vnetenc" in config.get("iface-types", "").split(","))


def is_clear_remote(target):
    """True for a connection method without TLS that leaves the host."""
    return target.split(":")[0] in ("tcp", "ptcp")


class Switch:
    """A logical switch, its ports, and whether it is in question."""

    def __init__(self, row, ports, default):
        self.uuid = row["_uuid"]
        self.name = row["name"] or row["_uuid"]
        self.config = row["other_config"]
        self.own_mode = as_one(row.get("encryption", ""))
        self.mode = self.own_mode or default
        self.credential = as_one(row.get("encryption_credential", ""))
        self.ports = [ports[u] for u in as_list(row["ports"]) if u in ports]
        self.in_question = False

    @property
    def level(self):
        return "FAIL" if self.in_question else "WARN"

    def ports_of_type(self, *types):
        return [p["name"] for p in self.ports if p["type"] in types]

    def router_ports(self):
        return [p["options"].get("router-port") for p in self.ports
                if p["type"] == "router"]

    def is_transit(self):
        return "interconn-ts" in self.config

    def is_border(self):
        """Whether it leads to a network that others share; ovn-northd does
        not look for demands beyond it."""
        return bool(self.ports_of_type("localnet"))


class Reach:
    """The routers and switches that are connected to a router, and the borders
    at which that ends.  ovn-northd computes the same."""

    def __init__(self, routers, switches, borders):
        self.routers = routers
        self.switches = switches
        self.borders = borders

    def crosses_zones(self):
        return any(s.is_transit() for s in self.switches + self.borders)


class North:
    """NB, with its references resolved."""

    def __init__(self, tables, stock=False):
        self.tables = tables
        self.stock = stock
        self.options = (tables["NB_Global"] or [{"options": {}}])[0]["options"]
        default = self.options.get("vnetenc-default", "off")
        # ovn-northd keeps the previous value, which is not known here.
        self.default = default if default in MODES else "require"
        ports = {p["_uuid"]: p for p in tables["Logical_Switch_Port"]}
        self.switches = sorted(
            (Switch(row, ports, self.default)
             for row in tables["Logical_Switch"]), key=lambda s: s.name)
        self.default_credential = next(
            (row["_uuid"] for row in tables.get("Encryption_Credential", ())
             if row["name"] == self.options.get("vnetenc-default-credential")),
            "")
        self.kept = None        # Used instead of a default that is missing.
        self.dhcp = {d["_uuid"]: d for d in tables["DHCP_Options"]}
        self.mirrors = {m["_uuid"]: m for m in tables["Mirror"]}
        lrps = {p["_uuid"]: p for p in tables["Logical_Router_Port"]}
        self.routers = {
            row["name"]: [lrps[u] for u in as_list(row["ports"]) if u in lrps]
            for row in tables["Logical_Router"]}
        self._owners = {p["name"]: name for name, ports in self.routers.items()
                        for p in ports}
        self._attached = collections.defaultdict(list)
        for switch in self.switches:
            for port in switch.router_ports():
                self._attached[self._owners.get(port)].append(switch)

    def default_is_missing(self):
        """Whether the default credential is named and does not exist."""
        return ("vnetenc-default-credential" in self.options
                and not self.default_credential)

    def nb_cfg(self):
        return (self.tables["NB_Global"] or [{"nb_cfg": 0}])[0]["nb_cfg"]

    def choose(self, names, everything):
        """Marks the switches in question; returns the names of no switch."""
        for switch in self.switches:
            switch.in_question = (everything or switch.name in names
                                  or switch.uuid in names
                                  or not names and switch.mode != "off")
        known = {n for s in self.switches for n in (s.name, s.uuid)}
        return sorted(set(names) - known)

    def chosen(self):
        return [s for s in self.switches if s.in_question]

    def credential_of(self, switch):
        """The UUID of the credential that a switch has, or would have if it
        demanded encryption.  ovn-northd computes the same, but for switches
        that only connect others."""
        if (switch.mode == "off" and not switch.in_question
                or "encryption-profile" in switch.config):
            return switch.credential
        return (switch.credential or self.default_credential
                or (self.kept["_uuid"] if self.kept else ""))

    def routers_of(self, switch):
        """[(name, ports)] of the routers to which the switch is attached."""
        attached = set(switch.router_ports())
        return [(name, ports) for name, ports in self.routers.items()
                if any(p["name"] in attached for p in ports)]

    def attached(self):
        """[(router, its switches)]"""
        return [(name, self._attached[name]) for name in sorted(self.routers)]

    def _neighbours(self, router):
        """The routers that have a port in common with `router`."""
        peers = {as_one(p["peer"]) for p in self.routers[router]}
        return {self._owners[p] for p in peers if p in self._owners}

    def reach_of(self, routers):
        """The Reach of `routers`."""
        found, switches, borders = set(), {}, {}
        todo = set(routers)
        while todo:
            router = todo.pop()
            found.add(router)
            todo |= self._neighbours(router) - found
            for switch in self._attached[router]:
                if switch.is_border():
                    borders[switch.name] = switch
                elif switch.name not in switches:
                    switches[switch.name] = switch
                    todo |= {n for n, _ in self.routers_of(switch)} - found
        return Reach(found, list(switches.values()), list(borders.values()))

    def crosses_zones(self, switches):
        """Whether traffic of `switches` may come from another zone."""
        return any(s.is_transit() or self.reach_of(
            n for n, _ in self.routers_of(s)).crosses_zones()
            for s in switches)


class South:
    """SB, with its references resolved."""

    def __init__(self, tables):
        self.tables = tables
        self.encaps = {e["_uuid"]: e for e in tables["Encap"]}
        self.chassis = sorted(tables["Chassis"], key=lambda c: c["name"])
        self.keys = {d["tunnel_key"]: d for d in tables["Datapath_Binding"]}
        self.datapaths = {d["external_ids"].get("logical-switch"): d
                          for d in tables["Datapath_Binding"]}

    def encaps_of(self, chassis):
        return [self.encaps[u] for u in as_list(chassis["encaps"])
                if u in self.encaps]

    def remote_chassis(self):
        return [c for c in self.chassis
                if c["other_config"].get("is-remote") == "true"]

    def profiles(self, name):
        """{profile: names of the switches that use it}, as chassis see it.  Of
        others than 0, those that have a port on the chassis `name`."""
        found = collections.defaultdict(list)
        here = {c["_uuid"] for c in self.chassis if c["name"] == name}
        used = {p["datapath"] for p in self.tables["Port_Binding"]
                if as_one(p["chassis"]) in here}
        for row in self.tables["Datapath_Binding"]:
            ids = row["external_ids"]
            profile = ids.get("vnetenc-profile", "0")
            if ids.get("vnetenc", "off") != "off" and (
                    profile == "0" or row["_uuid"] in used):
                found[profile].append(
                    ids.get("name", f"datapath {row['tunnel_key']}"))
        return found

    def has_type(self, kind, but):
        """Whether a chassis other than `but` has tunnels of that type."""
        return any(e["type"] == kind for c in self.chassis if c is not but
                   for e in self.encaps_of(c))

    def is_capable(self, chassis, encap):
        return (encap["options"].get("vnetenc") == "1"
                and is_announced(chassis)
                and not other_port_of(encap))

    def datapath_of(self, switch):
        return self.datapaths.get(switch.uuid)

    def count_ports(self, switches):
        """The number of ports of `switches` that are bound to each chassis."""
        rows = [self.datapath_of(s) for s in switches]
        datapaths = {row["_uuid"] for row in rows if row}
        return collections.Counter(as_one(p["chassis"])
                                   for p in self.tables["Port_Binding"]
                                   if p["datapath"] in datapaths)


class Local:
    """This hypervisor."""

    def __init__(self):
        self.tables, self.stock = ask_any("ovs-vsctl", ["--timeout=5"],
                                          LOCAL_TABLES)
        root = (self.tables["Open_vSwitch"]
                or [{"external_ids": {}, "other_config": {}}])[0]
        self.ids = root["external_ids"]
        self.dtls_ports = {
            root["other_config"].get(f"vnetenc-{kind}-port", port):
            f"vnetenc-{kind}-port" for kind, port in DTLS_PORTS.items()}
        self.name = self.ids.get("system-id", "")
        self.bridge = self.ids.get("ovn-bridge", "br-int")
        self.addresses = [a for a in self.ids.get("ovn-encap-ip", "")
                          .split(",") if a]
        self.interfaces = {i["_uuid"]: i for i in self.tables["Interface"]}
        self.ports = {p["_uuid"]: [self.interfaces[u]
                                   for u in as_list(p["interfaces"])
                                   if u in self.interfaces]
                      for p in self.tables["Port"]}
        try:
            self.show = json.loads(run(["ovs-appctl", "--timeout=5",
                                        "--format", "json", "vnetenc/show"]))
        except (Unreachable, ValueError):
            self.show = None

    def can_encrypt(self):
        """Whether a datapath here can encrypt.  ovn-controller makes rows of
        Datapath; without such rows the daemon is asked."""
        said = {d["capabilities"].get("vnetenc")
                for d in self.tables["Datapath"]} - {None}
        if said:
            return "true" in said
        for bridge in self.tables["Bridge"]:
            try:
                if "Tunnel encryption: Yes" in run(
                        ["ovs-appctl", "--timeout=5", "dpif/show-dp-features",
                         bridge["name"]]):
                    return True
            except Unreachable:
                pass
        return False

    def controller_error(self):
        """The problem of the ovn-controller of this host, None if it is
        connected, or cannot be asked, or there is none."""
        if "ovn-remote" not in self.ids or not shutil.which("ovn-appctl"):
            return None
        try:
            said = run(["ovn-appctl", "--timeout=5", "-t", "ovn-controller",
                        "connection-status"]).strip()
        except Unreachable as error:
            return f"does not answer: {error}"
        return None if said == "connected" else f"says: {said}"

    def interfaces_of(self, bridge):
        return [i for u in as_list(bridge["ports"])
                for i in self.ports.get(u, ())]

    def tunnel_bridges(self):
        """The bridges on the way of tunnel packets: bridges with tunnels, with
        the tunnel address, and bridges that patch ports connect to these."""
        bridges = {b["name"]: b for b in self.tables["Bridge"]}
        owner = {i["name"]: name for name, b in bridges.items()
                 for i in self.interfaces_of(b)}
        found = {owner.get(self.bridge), *(
            owner.get(i["name"]) for i in self.interfaces.values()
            if i["type"] in ("geneve", "vxlan")), *(
            owner.get(link["ifname"]) for link in self.address_links())}
        todo = found - {None}
        found = set()
        while todo:
            name = todo.pop()
            found.add(name)
            for i in self.interfaces_of(bridges[name]):
                if i["type"] == "patch":
                    other = owner.get(i["options"].get("peer"))
                    todo |= {other} - {None} - found
        return [bridges[name] for name in sorted(found)]

    def _count(self, table, pattern):
        """{tunnel key: packets of the flows that `pattern` is found in}."""
        counts = collections.Counter()
        if self.bridge not in {b["name"] for b in self.tables["Bridge"]}:
            return counts               # A host without OVN.
        for line in run(["ovs-ofctl", "--timeout=5", "-O", "OpenFlow15",
                         "dump-flows", self.bridge,
                         f"table={table}"]).splitlines():
            key = re.search(r"metadata=(0x[0-9a-f]+)", line)
            packets = re.search(r"n_packets=(\d+)", line)
            if key and packets and re.search(pattern, line):
                counts[int(key[1], 16)] += int(packets[1])
        return counts

    def arrivals(self):
        """Table 241: {tunnel key: packets that arrived in clear}."""
        return self._count(241, r"^(?!.*\+vnetenc)")

    def dropped_beyond(self):
        """Where the ingress pipeline begins: {tunnel key: packets that arrived
        in clear elsewhere and were dropped here}."""
        return self._count(8, r"priority=65534,.*reg31=0x[48]/0xc"
                           r".* actions=(drop|note:)")

    def departures(self):
        """{reason or peer: packets that left in clear under `prefer`}."""
        show = json.loads(run(["ovs-appctl", "--timeout=5", "--format",
                               "json", "vnetenc/show"]))
        counts = collections.Counter(
            {name: show["drops"].get(name, 0) for name in FALLBACKS})
        for peer in show["peers"]:
            counts[peer["remote_ip"]] = peer["statistics"].get("tx_clear", 0)
        return counts

    def address_links(self):
        """The interfaces that have a local tunnel address."""
        try:
            links = json.loads(run(["ip", "-j", "addr"]))
        except (Unreachable, ValueError):
            return []
        wanted = {address_of(a) for a in self.addresses}
        return [link for link in links
                if any(info.get("local") in wanted
                       for info in link.get("addr_info", ()))]

    def underlay_mtu(self):
        """The MTU of the interface with the tunnel address, None if it
        cannot be found."""
        return min((link["mtu"] for link in self.address_links()),
                   default=None)
