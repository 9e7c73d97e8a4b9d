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
"""The checks of credentials of networks."""

import collections
import json
import re
import shlex
import time

from vnetenc_tools.databases import as_list, as_one, is_announced


# Keys of external_ids of SB_Global, about the default that is in force.
KEPT = "vnetenc-default-credential"
KEPT_MEMBERS = "vnetenc-default-members"


def south_ids(south):
    return (south.tables["SB_Global"] or [{"external_ids": {}}])[0][
        "external_ids"]


def south_tables(north, south):
    """The southbound tables that the checks need."""
    tables = {"Encryption_Credential": "_uuid,id,name,datapaths,chassis,"
                                       "certificates,revoked",
              "Chassis_Private": "name,encryption"}
    if (any(is_auto(row) for row, _ in in_use(north))
            or north.default_is_missing()
            and KEPT_MEMBERS in south_ids(south)):
        tables["Chassis_Hostname"] = "hostname,chassis"
    return tables


def find_kept(north, south, tables):
    """Finds the credential that ovn-northd uses instead of a default that does
    not exist, unless it admits nobody (check_default)."""
    north.kept = None
    if not north.default_is_missing():
        return
    uuid = south_ids(south).get(KEPT)
    known = north.tables.get("Encryption_Credential", ())
    north.kept = next((row for row in known if row["_uuid"] == uuid), None)
    for row in tables["Encryption_Credential"]:
        if (not north.kept and row["_uuid"] == uuid
                and as_list(row["chassis"]) != [""]):
            north.kept = {
                "_uuid": uuid, "id": row["id"], "name": row["name"],
                "chassis": row["chassis"], "deleted": True,
                "certificates": row["certificates"],
                "revoked": row["revoked"],
                "members": "auto" if KEPT_MEMBERS in south_ids(south) else ""}


def is_auto(credential):
    """Whether ovn-northd computes the members."""
    return as_one(credential["members"]) == "auto"


def credentials_of(north):
    """Those of the northbound database, and a default that was deleted."""
    rows = list(north.tables["Encryption_Credential"])
    return rows + [row for row in [north.kept] if row and row not in rows]


def in_use(north):
    """[(credential, its switches)] of those that a switch has."""
    users = collections.defaultdict(list)
    for switch in north.switches:
        users[north.credential_of(switch)].append(switch)
    return [(row, users[row["_uuid"]])
            for row in sorted(credentials_of(north), key=lambda r: r["id"])
            if row["_uuid"] in users]


def restore(credential):
    """What is to be done about one that was deleted; "" about others."""
    return ("set NB_Global options:vnetenc-default-credential to the name of a"
            " credential" if "deleted" in credential else "")


def level_of(switches):
    return "FAIL" if any(s.in_question for s in switches) else "WARN"


def check_profiles(north, report):
    """Switches with a profile that was made by hand."""
    for switch in north.switches:
        profile = switch.config.get("encryption-profile", "0")
        if ((switch.in_question or switch.mode != "off")
                and not switch.credential and profile.isdecimal()
                and int(profile) and switch.router_ports()):
            report.warn(
                "profile-routed", "what its routers send to their gateways is"
                f" under profile 0, and not under its profile {profile}",
                switch.name, "give it an encryption_credential instead")


def check_requests(credential, switches, report):
    """Ports of which any chassis can become a member by claiming them."""
    names = sorted(
        port["name"] for switch in switches for port in switch.ports
        if not port["type"] and not as_one(port["parent_name"])
        and not port["options"].get("requested-chassis"))
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        report.warn(
            "credential-unrequested", f"{len(names)} ports request no chassis"
            f" ({', '.join(names[:3])}{more}): any chassis that claims one is"
            " admitted", f"Encryption_Credential {credential['name']}",
            "ovn-nbctl lsp-set-options PORT requested-chassis=CHASSIS")


def first_names(names):
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more


def check_default(north, south, rows, report):
    """Networks of a default credential that does not exist, to which nobody is
    admitted: it is not known what the former one was, another one has got its
    id, or it has no computed member."""
    known = {row["_uuid"] for row in north.tables["Encryption_Credential"]}
    names = {row["_uuid"]: row["external_ids"].get("name", "?")
             for row in south.tables["Datapath_Binding"]}
    preferring = {s.name for s in north.switches if s.mode == "prefer"}
    for row in rows:
        if row["_uuid"] not in known and as_list(row["chassis"]) == [""]:
            closed = sorted(names.get(u, "?")
                            for u in as_list(row["datapaths"]))
            clear = [name for name in closed if name in preferring]
            closed = [name for name in closed if name not in preferring]
            effects = [f"{what}: {first_names(which)}" for what, which in (
                ("nothing passes between chassis in", closed),
                ("with encryption=prefer, packets leave in clear in", clear))
                if which]
            report.fail(
                "credential-closed", "the default credential does not exist,"
                " and no chassis is admitted to its networks; "
                + ("; ".join(effects) or "there is none yet"),
                "NB_Global options:vnetenc-default-credential",
                "set it to the name of a credential, or remove it")


def check_hosts(records, south, level, report):
    """Chassis that do not count for the host whose name they report.  The
    `records` are those of Chassis_Hostname."""
    local = [c for c in south.chassis
             if c["other_config"].get("is-remote") != "true"]
    recorded = collections.defaultdict(list)
    for row in records:
        recorded[row["chassis"]].append(row["hostname"])
    hosts = {row["hostname"]: row["chassis"] for row in records}
    owners = {**hosts, **{name: name for name in
                          [c["name"] for c in local] + list(recorded)}}
    for chassis in local:
        name, host = chassis["name"], chassis["hostname"]
        owner = owners.get(host)
        twins = [c["name"] for c in local if c["hostname"] == host
                 and c is not chassis]
        if not host or owner == name or not (owner or name in recorded):
            continue
        # A chassis can report any text; ovn-sbctl reads a value as JSON.
        new = shlex.quote(host)
        create = ("create Chassis_Hostname"
                  f" hostname={shlex.quote(json.dumps(host))}"
                  f" chassis={shlex.quote(json.dumps(name))}")
        # Its own name stands for no host name.
        old = next((h for h in recorded.get(name, ()) if h != name), "")
        if owner and host in hosts and host != owner:
            what = f"is that of chassis {owner}"
            do = ("if the host has a new chassis: ovn-sbctl destroy"
                  f" Chassis_Hostname {new} -- {create}; otherwise find out"
                  " why it has that name")
        elif owner:
            what = "is the name of another chassis"
            do = ("correct it (external_ids:hostname of Open_vSwitch), or find"
                  " out why it has that name")
        elif old:
            what = f"is not {old}, which it had first"
            do = ("if the host was renamed: ovn-sbctl destroy Chassis_Hostname"
                  f" {shlex.quote(old)} -- {create}; otherwise find out why it"
                  " has that name")
        elif twins:
            what = f"is also that of chassis {', '.join(twins)}"
            do = ("correct the others (external_ids:hostname of Open_vSwitch),"
                  f" and then: ovn-sbctl {create}")
        else:
            what = ("is not recorded for it, because it did not report it, or"
                    " not alone, when it was new")
            do = (f"if that is its host: ovn-sbctl {create}; otherwise find"
                  " out why it has that name")
        report.add(level, "credential-hostname", f"its host name {host}"
                   f" {what}: requests of this host do not count for it",
                   name, do)


def check_north(north, report):
    """What the northbound database alone shows."""
    names = {row["_uuid"]: row["name"] for row, _ in in_use(north)}
    for row, switches in in_use(north):
        if is_auto(row):
            check_requests(row, switches, report)
        elif not as_list(row["chassis"]):
            report.warn(
                "credential-open", "lists no chassis, so every chassis is"
                " admitted", f"Encryption_Credential {row['name']}",
                restore(row)
                or f"ovn-nbctl add Encryption_Credential {row['name']} chassis"
                " with all chassis of its networks, or nothing, if it is meant"
                " for all")
        for switch in switches:
            if switch.mode == "prefer":
                report.warn(
                    "credential-prefer", "with encryption=prefer, packets to"
                    f" chassis that the credential {row['name']} does not"
                    " admit, or whose certificate is revoked, leave in clear",
                    switch.name,
                    f"ovn-nbctl set logical_switch {switch.name}"
                    " encryption=require")
    for router, switches in north.attached():
        found = {names.get(north.credential_of(s)) for s in switches}
        found = sorted(found - {None})
        if len(found) > 1:
            report.warn(
                "router-mixed", f"is between the credentials"
                f" {', '.join(found)}: what it sends to its gateway is under"
                " the one with the lowest id, and each of its chassis needs"
                " all of them", router,
                "nothing, if the chassis are admitted to all; otherwise give"
                " each network a router of its own")


def check_chassis(credential, switches, listed, chassis, reports, report):
    """A chassis that has ports in networks of the credential, which the
    switches have, and which admits those that are `listed`, or all."""
    where, level = chassis["name"], level_of(switches)
    name = credential["name"]
    networks = some(sorted(s.name for s in switches))
    said = reports.get(where, {})
    state = said.get(f"credential:{credential['id']}", "")
    if listed and where not in listed:
        report.add(level, "credential-chassis", "has ports in networks of the"
                   f" credential {name}, which does not admit it: it exchanges"
                   " nothing there", where,
                   restore(credential)
                   or f"ovn-nbctl add Encryption_Credential {name} chassis"
                   f" {where}, or move the ports"
                   + (", or set their requested-chassis"
                      if is_auto(credential) else ""))
    elif chassis["other_config"].get("is-remote") == "true":
        pass                    # Reports to its own zone.
    elif said.get("credentials") != "true":
        report.add(level, "chassis-behind", "its ovn-controller or"
                   " ovs-vswitchd does not know credentials: nothing passes"
                   f" under {name}", where,
                   "bring the packages of vnetenc to it, and restart Open"
                   " vSwitch")
    elif state == "local":
        report.add(level, "local-profile", "an administrator made profile"
                   f" {credential['id']} there, so the credential {name} is"
                   " not used", where, "remove the row of VNetEnc_Profile")
    elif not state or state == "waits":
        report.add(level, "credential-missing", f"profile {credential['id']}"
                   f" is not in force there, so nothing passes under {name},"
                   f" in {networks}", where, "see the log of its"
                   " ovn-controller, and whether its ovs-vswitchd runs")
    elif state.startswith("error: "):
        kind = "expired" if re.search("expired", state) else "missing"
        report.add(level, f"credential-{kind}", f"{name}, in {networks}:"
                   f" {state[len('error: '):]}", where,
                   "put certificate and key into the directory credentials of"
                   " that chassis, or correct the credential")
    elif state.startswith("warning: "):
        report.warn("credential-expires", f"{name}, in {networks}:"
                    f" {state[len('warning: '):]}", where,
                    "replace the certificate before that day")


def some(names):
    """The first three of `names`."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"


def bare(fingerprint):
    """Its digits, of which each octet may have a colon before it."""
    return fingerprint.lower().removeprefix("sha256:").replace(":", "")


def usable_of(credential, said):
    """{first digits: whether a CA} of the listed certificates for which a
    chassis has a key, or None if it has not told."""
    number = credential["id"]
    has = said.get(f"credential_has:{number}")
    state = said.get(f"credential:{number}", "")
    if has is None or not (state == "ok" or state.startswith("warning: ")):
        return None
    return {word.rpartition(":")[2]: word.startswith("ca:")
            for word in has.split()}


def check_old(credential, names, reports, report):
    """Whether each of the certificates of a credential can be removed, but for
    one.  The chassis with these `names` have a part in its networks."""
    listed = as_list(credential["certificates"])
    if len(listed) < 2:
        return
    where = f"Encryption_Credential {credential['name']}"
    usable = {name: usable_of(credential, reports.get(name, {}))
              for name in names}
    unknown = [name for name in names if usable[name] is None]
    told = [name for name in names if usable[name] is not None]
    if unknown:
        report.warn(
            "credential-old", f"{some(unknown)} did not report which of its"
            f" {len(listed)} certificates they can use", where, "remove none"
            " of them yet; solve the other findings of these chassis, and"
            " bring the packages of vnetenc to them")
    holders = collections.Counter(digits for name in told
                                  for digits in usable[name])
    # Chassis with a certificate that no other one has.
    own = {name for name in told
           if any(holders[digits] == 1 and not is_ca
                  for digits, is_ca in usable[name].items())}
    revoked = {bare(one) for one in as_list(credential["revoked"])}
    for one in sorted({bare(one) for one in listed} - revoked):
        digits = one[:8]
        have = [usable[name][digits] for name in told
                if digits in usable[name]]
        # Of those that each have their own, none needs that of another.
        others = own if len(have) == 1 and not any(have) else ()
        lack = [name for name in told
                if digits not in usable[name] and name not in others]
        if lack:
            report.warn(
                "credential-old", f"{some(lack)} cannot use its certificate"
                f" sha256:{one}", where, "if it is the new one, install it,"
                " or a certificate that it issued, with the key, in"
                " credentials/ on them before the old one is removed; if it"
                " is the old one, remove it when the new one is not named"
                " here")


def check_geneve(names, with_ports, level, chassis, south, report):
    """A chassis to which no Geneve tunnel leads.  `names` are the credentials
    in use."""
    types = {e["type"] for e in south.encaps_of(chassis)}
    if ("geneve" in types or "vxlan" not in types
            or chassis["other_config"].get("is-vtep") == "true"):
        return
    ports = ("; it has ports in networks with one"
             if chassis["_uuid"] in with_ports else "")
    report.add(level, "credential-vxlan", "has VXLAN tunnels only, whose"
               " tunnel key does not tell the network: since there are"
               f" credentials ({', '.join(names)}), encrypted packets in them"
               f" are dropped, of whatever network{ports}", chassis["name"],
               "use Geneve between chassis")


def reports_of(south, tables):
    """{chassis: its report}"""
    # A stock ovn-controller leaves the report of its predecessor.
    running = {c["name"] for c in south.chassis if is_announced(c)}
    return {row["name"]: row["encryption"]
            for row in tables["Chassis_Private"] if row["name"] in running}


def users(north, south, tables):
    """[(credential, its switches, whom it admits, chassis with ports in its
    networks)]"""
    rows = {row["id"]: row for row in tables["Encryption_Credential"]}
    for credential, switches in in_use(north):
        row = rows.get(credential["id"], {"datapaths": [], "chassis": []})
        datapaths = set(as_list(row["datapaths"]))
        listed = as_list((row if is_auto(credential) else credential)
                         ["chassis"])
        with_ports = {as_one(port["chassis"])
                      for port in south.tables["Port_Binding"]
                      if port["datapath"] in datapaths}
        yield (credential, switches, listed,
               [c for c in south.chassis if c["_uuid"] in with_ports])


def waits(north, south, tables):
    """Whether a chassis has yet to load a credential, or to report that."""
    reports = reports_of(south, tables)
    return any(
        reports.get(c["name"], {}).get("credentials") == "true"
        and reports[c["name"]].get(f"credential:{credential['id']}",
                                   "waits") == "waits"
        and (not listed or c["name"] in listed)
        for credential, _, listed, chassis in users(north, south, tables)
        for c in chassis)


def read_settled(read, unsettled, patience_s):
    """The answer of `read`, which is asked again each second, for at most
    `patience_s`, while it is `unsettled`."""
    deadline = time.monotonic() + patience_s
    answer = read()
    while unsettled(answer) and time.monotonic() < deadline:
        time.sleep(1)
        answer = read()
    return answer


def check_south(north, south, tables, report):
    """What the chassis say.  `tables` holds the rows of south_tables()."""
    reports = reports_of(south, tables)
    used = list(users(north, south, tables))
    check_default(north, south, tables["Encryption_Credential"], report)
    everywhere = set()
    for credential, switches, listed, with_ports in used:
        if any(s.in_question for s in switches):
            # Also those to which a port may move, for instance gateways.
            told = {name for name, said in reports.items()
                    if f"credential:{credential['id']}" in said}
            check_old(credential, sorted(
                c["name"] for c in south.chassis
                if (c in with_ports or c["name"] in told)
                and (not listed or c["name"] in listed)
                and c["other_config"].get("is-remote") != "true"),
                      reports, report)
        everywhere |= {c["_uuid"] for c in with_ports}
        for chassis in with_ports:
            check_chassis(credential, switches, listed, chassis, reports,
                          report)
    level = level_of(s for s in north.switches if s.mode in ("require",
                                                             "prefer"))
    check_hosts(tables.get("Chassis_Hostname", ()), south, level_of(
        s for row, switches, *_ in used if is_auto(row) for s in switches),
                report)
    if used:
        for chassis in south.chassis:
            check_geneve([row["name"] for row, *_ in used], everywhere, level,
                         chassis, south, report)
