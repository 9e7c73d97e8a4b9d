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
"""The checks.  Each of them adds its findings to a report."""

import collections
import re
import time

from vnetenc_tools import certificates
from vnetenc_tools.databases import (FALLBACKS, MODES, address_of, as_list,
                                     as_one, is_clear_remote, other_port_of)

RECORD = 37             # Bytes that a record adds to a tunnel packet.
ETHERNET = 14
HALF = 8                        # The option of PROTOCOL.md section 8.
# Ethernet header of the guest's packet, Geneve with OVN's option, UDP, IP.
TUNNEL = {4: 14 + 16 + 8 + 20, 6: 14 + 16 + 8 + 40}
DEFAULT_GUEST_MTU = 1500
FINGERPRINT = re.compile(r"sha256:[0-9a-fA-F]{64}")
MAX_FINGERPRINTS = 8            # ovn-controller refuses more.


# The northbound database.

def check_north(north, report):
    if north.stock:
        report.fail(
            "nb-stock", "the northbound database has no column for encryption:"
            " it, or ovn-nbctl, is that of stock OVN", "NB Logical_Switch",
            "bring the packages of vnetenc to the central host, after all"
            " hypervisors (PACKAGES.md)")
    for connection in north.tables["Connection"]:
        if is_clear_remote(connection["target"]):
            report.warn(
                "nb-tcp", "the northbound database is served without TLS:"
                " anybody who can reach it can switch encryption off",
                connection["target"],
                "serve it by pssl: (ovn-nbctl set-ssl, set-connection)")
    default = north.options.get("vnetenc-default", "off")
    if default not in MODES:
        report.fail(
            "nb-default", f'vnetenc-default is "{default}": the previous'
            " value stays in force, or require if there was none",
            "NB_Global options", "set it to off, prefer or require")
    if north.default_is_missing():
        name = north.options["vnetenc-default-credential"]
        report.fail(
            "nb-default", f'vnetenc-default-credential is "{name}", which is'
            " the name of no Encryption_Credential: the previous one stays in"
            " force; if it is not known, no chassis is admitted to the"
            " networks of the default", "NB_Global options",
            "set it to the name of a credential, or remove it")
    if north.options.get("vxlan_mode") == "true":
        report.fail(
            "vxlan", "VXLAN mode: a packet that arrived encrypted must leave"
            " encrypted, whatever its switch demands",
            "NB_Global options:vxlan_mode",
            "use Geneve between chassis")
    for switch in north.chosen():
        profile = switch.config.get("encryption-profile", "0")
        if not profile.isdecimal() or int(profile) > 255:
            report.fail(
                "switch-profile", f'encryption-profile is "{profile}":'
                " profile 0 is used", switch.name,
                "ovn-nbctl set logical_switch NAME"
                " other_config:encryption-profile=0..255")


def check_ports(switch, north, report):
    """Ports that an encrypted switch cuts off, or that leak."""
    external = switch.ports_of_type("localnet", "l2gateway")
    if external:
        allowed = switch.config.get("encryption-allow-external", "")
        if allowed.lower() == "true":
            report.warn(
                "switch-external", f"{', '.join(external)}: traffic through"
                " it is in clear, by encryption-allow-external",
                switch.name, "nothing, if that is meant")
        else:
            for kind in ("localnet", "l2gateway"):
                ports = switch.ports_of_type(kind)
                if ports:
                    report.add(
                        switch.level, f"switch-{kind}",
                        f"{kind} port {', '.join(ports)} would carry nothing",
                        switch.name, "move it to a switch of its own behind a"
                        " router, or allow it to carry clear traffic:"
                        f" ovn-nbctl set logical_switch {switch.name}"
                        " other_config:encryption-allow-external=true")
    vtep = switch.ports_of_type("vtep")
    if vtep:
        report.add(
            switch.level, "switch-vtep", f"vtep port {', '.join(vtep)} would"
            " carry nothing: VTEP gateways cannot encrypt", switch.name,
            "leave the switch without encryption: over a router, too, a switch"
            " that requires it has nothing to do with the gateway")
    if switch.config.get("dynamic-routing-vni"):
        report.add(
            switch.level, "switch-evpn", "EVPN would carry nothing: its"
            " tunnels cannot be encrypted", switch.name,
            "remove other_config:dynamic-routing-vni, or leave the switch"
            " without encryption")
    for port in switch.ports:
        for uuid in as_list(port["mirror_rules"]):
            mirror = north.mirrors.get(uuid)
            if mirror and mirror["type"] in ("gre", "erspan"):
                report.add(
                    switch.level, "switch-mirror", f"mirror {mirror['name']}"
                    f" of port {port['name']} would be ignored: it sends"
                    f" copies in clear to {mirror['sink']}", switch.name,
                    f"ovn-nbctl lsp-detach-mirror {port['name']}"
                    f" {mirror['name']}, or mirror to a local port")


def check_routers(switch, north, report):
    """The demands of an encrypted switch on the routers beside it and on the
    switches beyond them."""
    if not switch.in_question:
        return
    routers = north.routers_of(switch)
    for name, ports in routers:
        for port in ports:
            if port["options"].get("redirect-type") == "bridged":
                report.warn(
                    "router-bridged", "redirect-type=bridged of"
                    f" {port['name']} would be ignored: traffic to the"
                    " gateway takes a tunnel", name,
                    "nothing, if the underlay can carry it")
    reach = north.reach_of(name for name, _ in routers)
    for other in reach.switches + reach.borders:
        if other is not switch:
            check_beyond(switch, other, report)
    for border in reach.borders:
        check_border(switch, border, reach, north, report)


def check_beyond(switch, other, report):
    """Whether `other`, to which routers lead, sends in clear."""
    vtep = other.ports_of_type("vtep")
    if vtep:
        report.fail(
            "router-vtep", f"vtep port {', '.join(vtep)}: packets from its"
            f" gateway over a router to {switch.name} arrive in clear and"
            f" would be dropped, and no packet of {switch.name} would go"
            " there", other.name,
            f"leave {switch.name} without encryption, or accept that")
    if other.config.get("dynamic-routing-vni"):
        report.fail(
            "router-evpn", f"EVPN: packets from it over a router to"
            f" {switch.name} arrive in clear and would be dropped, and no"
            f" packet of {switch.name} would go there", other.name,
            f"leave {switch.name} without encryption, or accept that")
    if other.is_transit() and other.mode == "off" and not other.in_question:
        report.warn(
            "transit-off", f"{other.name} connects routers and demands"
            f" nothing: packets that cross it from another zone to"
            f" {switch.name} arrive in clear and would be dropped",
            other.name,
            f"ovn-nbctl set logical_switch {other.name}"
            " encryption=require, here and in every other zone")


def check_border(switch, border, reach, north, report):
    """Whether packets from other routers of `border` come to `switch` in
    clear: their ports know nothing of its demand."""
    if border.mode != "off" or border.in_question:
        return
    for router, _ in north.routers_of(border):
        if router in reach.routers:
            continue
        off = [s.name for s in north.reach_of([router]).switches
               if s.mode == "off" and not s.in_question]
        if off:
            report.fail(
                "shared-off", f"{border.name} connects routers and demands"
                f" nothing: packets that cross it and {router} from"
                f" {', '.join(sorted(off))} to {switch.name} arrive in clear"
                " and would be dropped if both routers have one gateway"
                " chassis", border.name,
                f"ovn-nbctl set logical_switch {border.name}"
                " encryption=prefer")


# The southbound database.

def check_sb_access(south, remotes, report):
    """Whether pins in SB can be trusted.  `remotes` is a list of (target,
    where it was found) beside the Connection table."""
    connections = south.tables["Connection"]
    for row in connections:
        target = row["target"]
        if not is_clear_remote(target) and as_one(row["read_only"]) is True:
            continue
        if not is_clear_remote(target) and not row["role"]:
            report.fail(
                "sb-no-rbac", "the southbound database is served without"
                " role-based access: every chassis can replace the pins of"
                " the others", target,
                "ovn-sbctl set-connection role=ovn-controller"
                f" {target}; clients that need full access use the Unix socket"
                " or another address for which chassis have no certificates")
    served = [(row["target"], row["target"]) for row in connections]
    for target, where in served + remotes:
        if is_clear_remote(target):
            report.fail(
                "sb-tcp", "the southbound database is reached without TLS:"
                " anybody who can reach it can replace every pin", where,
                "use TLS: ovn-sbctl set-ssl, set-connection"
                " role=ovn-controller pssl:6642, and"
                " external_ids:ovn-remote=ssl:... on the chassis")
    if not served and not remotes:
        report.warn(
            "sb-access", "the southbound database has no row in Connection,"
            " so the way by which chassis reach it is not known",
            "SB Connection",
            "make sure that chassis use TLS with role-based access")
    if (any(row["role"] for row in connections)
            and not south.tables["RBAC_Role"]):
        report.fail(
            "sb-no-role", "a connection names a role, and no role exists:"
            " ovn-northd has not run", "SB RBAC_Role", "start ovn-northd")


def check_interconnection(connections, report):
    """Whether the pins of other zones, which come from there, can be trusted.
    No role keeps anybody from writing there."""
    for row in connections:
        if is_clear_remote(row["target"]):
            report.fail(
                "ic-sb-tcp", "IC_Southbound is reached without TLS: whoever"
                " can reach it can replace the pins of every chassis of"
                " another zone", row["target"],
                "use TLS: ovn-ic-sbctl set-ssl, set-connection pssl:6648, with"
                " certificates for ovn-ic only")


def pins_of(encaps):
    """(set of fingerprints, list of texts that are no fingerprints)."""
    texts = [t for e in encaps
             for t in e["options"].get("vnetenc-fp", "").split(",") if t]
    return ({t.lower() for t in texts if FINGERPRINT.fullmatch(t)},
            [t for t in texts if not FINGERPRINT.fullmatch(t)])


BECOME_CAPABLE = (
    "install this release of Open vSwitch and ovn-controller of vnetenc on"
    " it; there, ovs-appctl dpif/show-dp-features br-int says whether the"
    " datapath can encrypt, ovs-appctl vnetenc/show says why a kernel datapath"
    " cannot, and ovs-vsctl get VNetEnc_Profile 0 error says why there is no"
    " certificate")
BECOME_CAPABLE_REMOTE = (
    "look for vnetenc=1 in options of its Encap rows in its own zone: if it is"
    " there, the program that makes its rows here has to copy vnetenc and"
    " vnetenc-fp, as ovn-ic of vnetenc does; if not, install vnetenc on it")


def check_capability(chassis, encaps, south, add, where):
    """Whether others can encrypt to this chassis.  The datapath of a chassis
    of another zone is not known."""
    if not encaps:
        add("chassis-no-geneve", "has no Geneve encapsulation", where,
            "on it: ovs-vsctl set Open_vSwitch ."
            " external_ids:ovn-encap-type=geneve")
        return
    remote = chassis["other_config"].get("is-remote") == "true"
    ports = sorted({other_port_of(e) for e in encaps} - {None})
    if ports:
        add("chassis-dst-port", "has its Geneve tunnels at UDP port"
            f" {', '.join(ports)}; only those at 6081 can be encrypted", where,
            "on all chassis alike, with ovn-sbctl: remove Encap UUID options"
            " dst_port")
        return
    incapable = [e["ip"] for e in encaps if not south.is_capable(chassis, e)]
    if incapable:
        add("chassis-not-capable", "does not announce that it can decrypt"
            f" ({', '.join(incapable)})", where,
            BECOME_CAPABLE_REMOTE if remote else BECOME_CAPABLE)
        return
    pins, bad = pins_of(encaps)
    if bad:
        add("chassis-bad-pin", f'published "{bad[0]}", which is no'
            " fingerprint: nobody trusts the chassis", where,
            "restart its ovn-controller; find out who wrote that")
    elif len(pins) > MAX_FINGERPRINTS:
        add("chassis-bad-pin", f"published {len(pins)} fingerprints, and at"
            f" most {MAX_FINGERPRINTS} are allowed: nobody trusts the chassis",
            where, "restart its ovn-controller; find out who wrote that")
    elif not pins or any("vnetenc-fp" not in e["options"] for e in encaps):
        add("chassis-no-pin", "can decrypt, but published no fingerprint",
            where, "on it: ovs-vsctl get VNetEnc_Profile 0 fingerprint error")


def check_chassis(south, switches, zones, report):
    """`zones` is whether traffic of `switches` may come from other zones."""
    n_bound = south.count_ports(switches)
    for chassis in south.chassis:
        if (as_list(chassis["vtep_logical_switches"])
                or chassis["other_config"].get("is-vtep") == "true"):
            continue                    # A VTEP gateway, see switch-vtep.
        remote = chassis["other_config"].get("is-remote") == "true"
        # Only transit switches lead to a chassis of another zone.
        level = "WARN" if remote and not zones else "FAIL"
        n_ports = n_bound[chassis["_uuid"]]
        where = chassis["name"]

        def add(name, what, *args, level=level, n_ports=n_ports):
            if n_ports:
                what += f"; {n_ports} ports in question are there"
            report.add(level, name, what, *args)

        encaps = south.encaps_of(chassis)
        check_capability(chassis, [e for e in encaps if e["type"] == "geneve"],
                         south, add, where)
        for encap in encaps:
            if encap["chassis_name"] != where:
                report.fail(
                    "chassis-foreign-encap", f"lists the encapsulation"
                    f" {encap['ip']} of {encap['chassis_name']}", where,
                    "ovn-sbctl chassis-del the chassis that is wrong; its"
                    " ovn-controller makes it again")


def check_answers(south, answer, report):
    """Whether every chassis follows the databases.  `answer` is the number
    that was asked for a moment ago, None if none was."""
    current = (south.tables["SB_Global"] or [{"nb_cfg": 0}])[0]["nb_cfg"]
    if answer and current < answer:
        report.fail(
            "northd", "the southbound database does not follow the northbound"
            f" one: it is at nb_cfg {current}, the other at {answer}",
            "SB_Global", "check whether ovn-northd runs")
        return
    remote = {c["name"] for c in south.chassis
              if c["other_config"].get("is-remote") == "true"}
    for row in south.tables["Chassis_Private"]:
        if row["name"] in remote or row["nb_cfg"] >= (answer or current):
            continue
        # Without having been asked it may be about to answer.
        report.add(
            "FAIL" if answer else "WARN", "chassis-behind",
            f"has reached nb_cfg {row['nb_cfg']}, and the databases are at"
            f" {answer or current}", row["name"],
            "check whether its ovn-controller runs and reaches the southbound"
            " database; if the chassis is gone, ovn-sbctl chassis-del"
            f" {row['name']}")


def check_identities(south, report):
    """Addresses and certificates belong to one chassis each."""
    claims, owners = collections.defaultdict(set), collections.defaultdict(set)
    for chassis in south.chassis:
        encaps = south.encaps_of(chassis)
        for encap in encaps:
            # Nobody has a tunnel of a type that no other chassis has.
            if south.has_type(encap["type"], chassis):
                claims[address_of(encap["ip"])] |= {chassis["name"],
                                                    encap["chassis_name"]}
        for pin in pins_of(encaps)[0]:
            owners[pin].add(chassis["name"])
    for address, names in sorted(claims.items()):
        if len(names) > 1:
            report.fail(
                "address-claimed-twice", f"{' and '.join(sorted(names))} both"
                f" claim {address}: none of them is trusted with it", address,
                "give each its own external_ids:ovn-encap-ip, or ovn-sbctl"
                " chassis-del the chassis that is gone; if nobody configured"
                " this, one of them tries to take the traffic of the other")
    for pin, names in sorted(owners.items()):
        if len(names) > 1:
            hosts = {c["hostname"] for c in south.chassis
                     if c["name"] in names}
            report.warn(
                "fingerprint-shared", f"{' and '.join(sorted(names))} have the"
                " same certificate: to their peers they are one host", pin,
                ("nothing, if they are ovn-controllers of one host; if not, "
                 if len(hosts) == 1 else "")
                + "on all hosts but one: delete hypervisor.pem in"
                " other_config:vnetenc-directory, restart ovs-vswitchd")


def check_northd(north, south, report):
    for switch in north.switches:
        row = south.datapath_of(switch)
        said = row["external_ids"].get("vnetenc", "off") if row else None
        if switch.mode not in ("off", said):
            report.fail(
                "northd", f"encryption={switch.mode} has not reached the"
                " southbound database", switch.name,
                "ovn-nbctl --wait=sb sync; if that does not help, a stock"
                " ovn-northd is active")


# MTU.

def best_mtu(report, south, underlay):
    """The largest MTU of guests whose packets need not be split."""
    version = 4
    for encap in (south.encaps.values() if south else ()):
        if encap["type"] == "geneve" and ":" in encap["ip"]:
            version = 6
    best = underlay - TUNNEL[version] - RECORD
    report.asked["guest_mtu"] = best
    return best


def check_mtu(switch, north, best, report):
    options = collections.defaultdict(list)
    for port in switch.ports:
        uuid = as_one(port["dhcpv4_options"])
        if uuid in north.dhcp:
            options[uuid].append(port["name"])
        too_large(switch.level, port["options"].get("vif-plug-mtu-request"),
                  best, "mtu-port", "vif-plug-mtu-request of the port",
                  f"{switch.name} {port['name']}",
                  f"ovn-nbctl set logical_switch_port {port['name']}"
                  f" options:vif-plug-mtu-request={best}", report)
    for uuid in options:
        row = north.dhcp[uuid]
        do = f"ovn-nbctl set DHCP_Options {uuid} options:mtu={best}"
        where = f"{switch.name} {row['cidr']}"
        mtu = row["options"].get("mtu")
        if mtu is None and best < DEFAULT_GUEST_MTU:
            report.warn(
                "mtu-dhcp-unset", "the DHCP options have no MTU: guests use"
                f" {DEFAULT_GUEST_MTU} or an MTU from another source, and"
                f" {best} is best", where, do)
        too_large(switch.level, mtu, best, "mtu-dhcp",
                  "mtu of the DHCP options", where, do, report)
    for name, ports in north.routers_of(switch):
        for port in ports:
            too_large(switch.level, port["options"].get("gateway_mtu"), best,
                      "mtu-gateway", f"gateway_mtu of {port['name']}", name,
                      f"ovn-nbctl set logical_router_port {port['name']}"
                      f" options:gateway_mtu={best}", report)
            if port["name"] in switch.router_ports():
                too_large(switch.level, port["ipv6_ra_configs"].get("mtu"),
                          best, "mtu-ra",
                          f"MTU in router advertisements of {port['name']}",
                          name, "ovn-nbctl set logical_router_port"
                          f" {port['name']} ipv6_ra_configs:mtu={best}",
                          report)


def too_large(level, text, best, name, what, where, do, report):
    if not text or not str(text).isdecimal() or int(text) <= best:
        return
    # Two records, each with an option that says which half it is.
    most = 2 * (best + ETHERNET - HALF) - ETHERNET
    if int(text) > most:
        report.add(level, name, f"{what} is {text}: a sealed packet is"
                   f" {RECORD} bytes longer, two records take at most {most},"
                   f" and {best} is best", where, do)
    else:
        report.warn(name, f"{what} is {text}: every packet of that size will"
                    f" be sent as two records; {best} is best", where, do)


# The local Open vSwitch.

def check_bridges(local, where, report):
    """Bridges of both datapaths on the way of tunnel packets: a tunnel of the
    userspace datapath does not find a tunnel address in the kernel's."""
    bridges = local.tunnel_bridges()
    if all(b["datapath_type"] != "netdev" for b in bridges):
        return
    for bridge in bridges:
        if bridge["datapath_type"] == "netdev":
            continue
        name = bridge["name"]
        guests = [i for i in local.interfaces_of(bridge)
                  if "iface-id" in i["external_ids"]]
        setting = f"bridge {name} datapath_type=netdev"
        if name == local.bridge and "ovn-encap-ip" in local.ids:
            setting = ("Open_vSwitch ."
                       " external_ids:ovn-bridge-datapath-type=netdev")
        report.fail(
            "local-two-datapaths", f"bridge {name} is on the kernel"
            " datapath, and other bridges on the way of tunnel packets are"
            " not; the change makes the bridge anew with the same ports,"
            f" {len(guests)} of them of guests: all traffic through the bridge"
            " stops meanwhile, and tracked connections, flows that no"
            f" controller installs and the addresses on interface {name} are"
            " lost", where,
            f"move the guests away or accept the interruption, then: ovs-vsctl"
            f" set {setting}, and give {name} its addresses and routes again")


def renew(file):
    return ("delete hypervisor.pem in other_config:vnetenc-directory, restart"
            " ovs-vswitchd" if file == "self-made" else f"renew {file}")


def check_profiles(local, south, switches, where, report):
    """Rows of profiles, those that are missing, and what they hold."""
    rows = {str(row["id"]): row for row in local.tables["VNetEnc_Profile"]}
    for number, row in rows.items():
        if as_one(row["error"]) or not as_one(row["fingerprint"]):
            report.fail("local-profile", f"profile {number}:"
                        f" {as_one(row['error']) or 'has no certificate yet'}",
                        where, "correct the row of VNetEnc_Profile, and see"
                        " whether ovs-vswitchd runs")
    wanted = (south.profiles(local.name) if south
              else collections.defaultdict(list))
    for switch in switches:
        if switch.credential:
            continue            # ovn-controller makes the row.
        profile = switch.config.get("encryption-profile", "0")
        if profile.isdecimal() and switch.name not in wanted[profile]:
            wanted[profile].append(switch.name)
    for profile, names in sorted(wanted.items()):
        if names and profile not in rows and not local.stock:
            report.fail(
                "local-no-profile", f"{', '.join(names)}: uses profile"
                f" {profile}, which has no row", where,
                f"ovs-vsctl create VNetEnc_Profile id={profile}")
    for profile in local.show["profiles"] if local.show else ():
        for what, file, end in certificates.ends_of(profile):
            if end <= certificates.now():
                report.fail(
                    "local-certificate", f"profile {profile['profile']}:"
                    f" {what} expired at {end:%Y-%m-%d %H:%M} UTC: no session"
                    " begins any more", where, renew(file))
            elif end <= certificates.now() + certificates.SOON:
                report.warn(
                    "local-certificate", f"profile {profile['profile']}:"
                    f" {what} expires at {end:%Y-%m-%d %H:%M} UTC", where,
                    renew(file))


def check_dtls_ports(local, where, report):
    """Plain tunnels at a UDP port at which encrypted tunnels arrive."""
    for interface in local.tables["Interface"]:
        port = interface["options"].get("dst_port")
        if port in local.dtls_ports:
            report.fail(
                "local-dtls-port", f"tunnel {interface['name']} has"
                f" dst_port={port}, at which encrypted tunnels arrive: with"
                " vnetenc no tunnel here is encrypted, and packets that must"
                " be are dropped", where, "on all hosts, before the upgrade or"
                " a restart of ovs-vswitchd: ovs-vsctl set Open_vSwitch ."
                f" other_config:{local.dtls_ports[port]}=PORT, with another"
                " UDP port")


def check_local(local, south, switches, best, report):
    where = local.name or "this host"
    check_bridges(local, where, report)
    check_dtls_ports(local, where, report)
    if local.stock:
        report.fail(
            "local-stock", "a stock Open vSwitch runs here", where,
            "install the packages of vnetenc (PACKAGES.md)")
    elif not local.can_encrypt():
        why = local.show and local.show.get("kernel_error")
        report.fail(
            "local-not-capable", "its datapath cannot encrypt"
            + (f": {why}" if why else ""), where,
            "see the section on the kernel datapath of OPERATING.md, and"
            " ovs-appctl vnetenc/show")
    problem = local.controller_error()
    if problem:
        report.fail("local-controller", f"its ovn-controller {problem}: it"
                    " follows neither switches nor pins", where,
                    "start it, or see its log")
    check_profiles(local, south, switches, where, report)
    for interface in local.tables["Interface"]:
        if "iface-id" in interface["external_ids"]:
            too_large("WARN", as_one(interface["mtu"]), best, "mtu-port",
                      f"MTU of {interface['name']}"
                      f" ({interface['external_ids']['iface-id']})", where,
                      f"give the guest's interface an MTU of {best}", report)
    check_local_peers(local, south, where, report)


def check_local_peers(local, south, where, report):
    rows = {address_of(r["remote_ip"]): r
            for r in local.tables["VNetEnc_Peer"]}
    for chassis in (south.chassis if south else ()):
        for encap in south.encaps_of(chassis):
            address = address_of(encap["ip"])
            if (encap["type"] == "geneve" and chassis["name"] != local.name
                    and south.is_capable(chassis, encap)
                    and address not in rows):
                report.fail(
                    "local-no-peer", f"has no row for {chassis['name']} at"
                    f" {address}", where, "read the log of its"
                    " ovn-controller, and check whether there is a tunnel")
    ca = local.show and any("ca_cert" in p for p in local.show["profiles"])
    for address, row in sorted(rows.items()):
        peer = as_one(row["name"]) or address
        if not as_list(row["fingerprints"]) and not ca:
            report.fail("local-no-pin", f"has no pin for {peer}", where,
                        "see chassis-no-pin, or set fingerprints of the row")
        error = as_one(row["last_error"])
        if error and (as_one(row["state"]) != "up"
                      or error.startswith("cannot_answer:")):
            report.fail("local-peer", f"{peer}: {error}", where,
                        "see `It does not work' in OPERATING.md")


def datapath_ids(south, key):
    row = south.keys.get(key) if south else None
    return row["external_ids"] if row else {}


def check_counters(local, south, watch, report):
    """Packets that `require` would have dropped, and packets that it drops."""
    def counts():
        return local.arrivals(), local.departures(), local.dropped_beyond()

    arrivals, departures, dropped = counts()
    span = "since the counters began"
    if watch:
        before = arrivals, departures, dropped
        time.sleep(watch)
        arrivals, departures, dropped = (
            now - then for now, then in zip(counts(), before))
        span = f"in {watch:g} s"
    where = local.name or "this host"
    counters = report.asked["counters"] = []
    for key, packets in sorted(dropped.items()):
        if packets:
            name = datapath_ids(south, key).get("name", f"datapath {key}")
            report.fail(
                "dropped-beyond", f"{name}: {packets} packets that arrived in"
                " clear over another switch or a first tunnel were dropped"
                f" {span}", where, "find the sender: a chassis that cannot"
                " encrypt, a VTEP gateway or EVPN, another zone, or a switch"
                " with a localnet port that demands nothing; then ask again"
                " with --watch 60")
    for key, packets in sorted(arrivals.items()):
        ids = datapath_ids(south, key)
        name = ids.get("name", f"datapath {key}")
        mode = ids.get("vnetenc", "prefer")
        counters.append({"switch": name, "mode": mode,
                         "arrived_in_clear": packets})
        if packets and mode == "prefer":
            report.fail(
                "would-drop-arrivals", f"{name}: require would have dropped"
                f" {packets} packets {span}, which arrived in clear", where,
                "find the sender: a chassis of this report that cannot"
                " encrypt, or one whose `clear_' counters grow; then check"
                " again with --watch 60")
        elif packets:
            report.warn(
                "dropped-arrivals", f"{name}: {packets} packets arrived in"
                f" clear and were dropped {span}", where,
                "find the sender; a few are normal after a change to require")
    for name, packets in sorted(departures.items()):
        counters.append({"left_in_clear": name, "packets": packets})
        if not packets:
            continue
        to = FALLBACKS.get(name, name)
        report.fail(
            "would-drop-departures", f"require would have dropped {packets}"
            f" packets to {to} {span}, which left in clear", where,
            "install vnetenc on that host, or read last_error of the peer;"
            " then check again with --watch 60")
