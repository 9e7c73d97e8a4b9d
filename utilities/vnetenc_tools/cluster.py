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
"""What the chassis of a cluster have reported: states of switches and alarms.

The data come from the two databases alone.  Names in them are those of
tenants, and may hold any character.
"""

import re

from vnetenc_tools.databases import as_one, ask

NB_TABLES = {
    "NB_Global": "options",
    "Logical_Switch": "name,_uuid,encryption,encryption_status",
}
SB_TABLES = {
    "Chassis": "name,hostname,other_config",
    "Chassis_Private": "name,encryption",
}

# States of a switch, from good to bad.
STATES = ("off", "enforced", "preferred", "in-progress", "degraded",
          "unknown")

# States that belong to another demand.
OTHER_DEMAND = {"off": ("enforced", "preferred"),
                "prefer": ("enforced", "off"),
                "require": ("preferred", "off")}

# Above this number, a page has a row only for each chassis with an alarm.
MATRIX_CHASSIS = 64

ALARM = "alarm:"
NUMBERS = ("chassis", "behind", "incapable", "alarms")


def natural(name):
    """A key for sorting by which hv2 comes before hv10."""
    return [(int(part) if part.isdecimal() else 0, part)
            for part in re.split(r"(\d+)", name)]


class Switch:
    """A logical switch that demands encryption, or has demanded it."""

    def __init__(self, row, default):
        status = row["encryption_status"] or {}
        self.uuid = row["_uuid"]
        self.name = row["name"] or self.uuid
        self.demand = as_one(row["encryption"]) or default
        state = status.get("state",
                           "off" if self.demand == "off" else "unknown")
        self.state = state if state in STATES else "unknown"
        if self.state in OTHER_DEMAND.get(self.demand, ()):
            self.state = "in-progress"      # ovn-northd has not followed yet.
        self.since = status.get("since", "")
        # "" if it is not known.
        self.numbers = {key: int(status[key]) if
                        status.get(key, "").isdecimal() else ""
                        for key in NUMBERS}
        self.causes = [(text, status[key]) for text, key in (
            ("closed", "closed"),
            ("not reported yet by", "behind-chassis"),
            ("cannot encrypt", "incapable-chassis"),
            ("alarms", "causes")) if key in status]

    def as_dict(self):
        return {"name": self.name, "demand": self.demand,
                "state": self.state, "since": self.since, **self.numbers,
                "causes": [f"{text}: {names}" for text, names in self.causes]}


class Chassis:
    """A chassis and its alarms: {other chassis: names of alarms}."""

    def __init__(self, row, report):
        self.name = row["name"]
        self.hostname = row["hostname"]
        self.capable = "vnetenc" in row["other_config"].get(
            "iface-types", "").split(",")
        self.reported = report is not None
        report = report or {}
        self.alarms = {key[len(ALARM):]: value.split(",")
                       for key, value in sorted(report.items())
                       if key.startswith(ALARM)}
        # Those with an alarm, of which a chassis names 16.
        n = report.get("alarms", "")
        self.n_alarms = int(n) if n.isdecimal() else len(self.alarms)

    def as_dict(self):
        return {"name": self.name, "hostname": self.hostname,
                "capable": self.capable, "reported": self.reported,
                "alarms": self.alarms, "n_alarms": self.n_alarms}


class Cluster:
    def __init__(self, north, south):
        options = north["NB_Global"][0]["options"] if north["NB_Global"] \
            else {}
        default = options.get("vnetenc-default", "off")
        switches = [Switch(row, default) for row in north["Logical_Switch"]]
        self.n_switches = len(switches)
        self.switches = sorted(
            (s for s in switches if (s.demand, s.state) != ("off", "off")),
            key=lambda s: (-STATES.index(s.state), natural(s.name)))
        reports = {row["name"]: row["encryption"]
                   for row in south["Chassis_Private"]}
        self.chassis = sorted(
            (Chassis(row, reports.get(row["name"]))
             for row in south["Chassis"]
             if row["other_config"].get("is-remote") != "true"),
            key=lambda c: natural(c.name))

    def matrix(self):
        """The chassis of rows and of columns of a matrix of alarms."""
        if len(self.chassis) <= MATRIX_CHASSIS:
            return self.chassis, self.chassis
        named = {name for c in self.chassis for name in c.alarms}
        return ([c for c in self.chassis if c.alarms or not c.capable],
                [c for c in self.chassis if c.name in named])

    def count(self, *states):
        return sum(s.state in states for s in self.switches)

    def verdict(self):
        """(exit status, sentence)."""
        n = len(self.switches)
        if not n:
            return 0, "no switch demands encryption"
        unknown = self.count("unknown")
        bad = n - unknown - self.count("enforced", "off")
        said = [f"{bad} of {n} switches are not enforced"] * (bad > 0) \
            + [f"of {unknown} nothing is known"] * (unknown > 0)
        if not said:
            return 0, "all that is demanded is enforced"
        return 2 if unknown else 1, ", ".join(said)

    def as_dict(self):
        status, sentence = self.verdict()
        return {"status": status, "verdict": sentence,
                "switches": [s.as_dict() for s in self.switches],
                "chassis": [c.as_dict() for c in self.chassis]}


def read(north_options, south_options):
    """Asks both databases; Unreachable if one does not answer."""
    return Cluster(ask("ovn-nbctl", north_options, NB_TABLES),
                   ask("ovn-sbctl", south_options, SB_TABLES))
