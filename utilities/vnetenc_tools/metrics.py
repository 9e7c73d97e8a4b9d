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
"""The metrics of vnetenc-exporter."""

import calendar
import collections
import time

from vnetenc_tools import cluster
from vnetenc_tools.databases import as_one

Metric = collections.namedtuple("Metric", "name type labels help")

# With more peers than this, no peer has series of its own: 1000 hosts with
# 1000 peers each would make 15 million.
MAX_PEERS = 100

# States of a session to a peer, and of a peer to which nothing was sent.
STATES = "up", "idle", "handshaking", "waiting", "lost"

# Counters of a peer, which also have sums over all peers: the name of the
# metric, the labels that it has, the counter in vnetenc/show, and the help.
COUNTERS = [
    ("transmit_records_total", {}, "tx_records", "Records sealed."),
    ("transmit_bytes_total", {}, "tx_bytes", "Bytes sealed."),
    ("transmit_dropped_packets_total", {}, "tx_dropped",
     "Packets dropped instead of sent."),
    ("transmit_clear_packets_total", {}, "tx_clear",
     "Packets sent in clear, as mode prefer allows."),
    ("transmit_split_packets_total", {}, "tx_split",
     "Packets sent as two records."),
    ("receive_records_total", {}, "rx_records", "Records opened."),
    ("receive_bytes_total", {}, "rx_bytes", "Bytes opened."),
    ("receive_forged_records_total", {}, "rx_failed",
     "Forged records, in sessions that were up."),
    ("handshakes_total", {"result": "success"}, "handshakes",
     "Handshakes that ended, begun by either side."),
    ("handshakes_total", {"result": "failure"}, "failures", None),
    ("rekeys_total", {}, "rekeys", "Sessions to peers that were replaced."),
    ("lost_total", {}, "lost", "Times that a peer stopped answering."),
    ("hints_total", {}, "hints", "Hints of peers that were obeyed."),
]

# Counters of the flow log.
LOG_COUNTERS = {"lines": "Lines written.",
                "gap_flows": "Flows of which only sums are known.",
                "lost_lines": "Lines that could not be written."}


def _counters(prefix, labels, of_peer):
    return [Metric(f"vnetenc_{prefix}{name}", "counter",
                   labels + tuple(own), text + of_peer)
            for name, own, _, text in COUNTERS if text]


# The only lists of metrics, of a host and of a cluster: vnetenc-exporter has
# no others, and REFERENCE.md is compared with them.
METRICS = [
    Metric("vnetenc_up", "gauge", (),
           "1 if ovs-vswitchd answered; if it is 0, there are no others."),
    Metric("vnetenc_build_info", "gauge", ("version", "datapath"),
           "Always 1."),
    Metric("vnetenc_drops_total", "counter", ("reason",),
           "Packets and datagrams dropped."),
    Metric("vnetenc_clear_packets_total", "counter", ("reason",),
           "Packets that left in clear although encryption was preferred."),
    Metric("vnetenc_held_packets_total", "counter", (),
           "Packets that waited for the first session and were sealed."),
    Metric("vnetenc_keylog_enabled", "gauge", (),
           "1 while the secrets of new sessions are written to a file."),
    Metric("vnetenc_peers", "gauge", ("state",), "Peers in each state."),
    Metric("vnetenc_sessions", "gauge", ("direction",),
           "Sessions that are established."),
    Metric("vnetenc_provider_info", "gauge", ("cipher", "provider"),
           "Always 1: the provider of each cipher for new sessions."),
    Metric("vnetenc_device_up", "gauge", ("device",),
           "0 if the crypto device failed."),
    Metric("vnetenc_device_records_total", "counter", ("device",),
           "Records that the crypto device gave back."),
    Metric("vnetenc_device_errors_total", "counter", ("device",),
           "Records that it gave back with an error."),
    Metric("vnetenc_device_timeouts_total", "counter", ("device",),
           "Records that it did not give back."),
    Metric("vnetenc_profile_error", "gauge", ("profile",),
           "1 if the row of the profile has a fault."),
    Metric("vnetenc_certificate_not_after_timestamp_seconds", "gauge",
           ("profile",),
           "When the certificate expires; absent if it never does."),
    Metric("vnetenc_alarm", "gauge", ("alarm", "peer", "profile"),
           "1 for each alarm of a peer or a profile while it is raised."),
    Metric("vnetenc_flowlog_error", "gauge", (),
           "1 if the row of the flow log has a fault, or its last lines could"
           " not be written."),
    Metric("vnetenc_flowlog_flows", "gauge", (), "Flows in memory."),
    *(Metric(f"vnetenc_flowlog_{name}_total", "counter", (), text)
      for name, text in LOG_COUNTERS.items()),
    *(Metric(f"vnetenc_flowlog_{name}_total", "counter",
             ("switch", "dir", "encryption"),
             f"{name.capitalize()} in lines that were written or lost.")
      for name in ("packets", "bytes")),
    *_counters("", (), ""),
    Metric("vnetenc_peer_info", "gauge", ("peer", "name"),
           "Always 1: the name of a peer."),
    *_counters("peer_", ("peer",), f"  At most {MAX_PEERS} peers."),
]
CENTRAL = [
    Metric("vnetenc_central_up", "gauge", (),
           "1 if both databases answered; if it is 0, there are no others."),
    Metric("vnetenc_switch_state", "gauge", ("switch", "state"),
           "1 for the state that a logical switch is in, 0 for others."),
    Metric("vnetenc_switch_chassis", "gauge", ("switch", "condition"),
           "Chassis that send packets of the switch, and some of these."),
    Metric("vnetenc_switch_alarms", "gauge", ("switch",),
           "Alarms between two of these chassis."),
]


class Unknown(Exception):
    """Says why the answer of ovs-vswitchd was not understood."""


def _not_after(text):
    """The time of vnetenc/show, None if a certificate never expires (RFC 5280
    section 4.1.2.5)."""
    if text.startswith("9999-"):
        return None
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


def _is_established(session):
    return "cipher" in session


class Samples:
    """{name of a metric: [(values of its labels, value)]}."""

    def __init__(self, table):
        self._labels = {m.name: m.labels for m in table}
        self.by_name = {m.name: [] for m in table}

    def add(self, name, value, /, **labels):
        # What cannot be encoded would end the output.
        values = [str(labels.pop(label, "")).encode(errors="replace").decode()
                  for label in self._labels["vnetenc_" + name]]
        assert not labels, labels
        self.by_name["vnetenc_" + name].append((values, value))

    def add_host(self, show, held):
        is_kernel = show["workers"] or "kernel_error" in show
        self.add("build_info", 1, version=show["version"],
                 datapath="kernel" if is_kernel else "userspace")
        for reason, n in show["drops"].items():
            self.add("clear_packets_total" if reason.startswith("clear_")
                     else "drops_total", n, reason=reason)
        self.add("held_packets_total", held)
        self.add("keylog_enabled", int("keylog" in show))
        for cipher, provider in show["providers"].items():
            self.add("provider_info", 1, cipher=cipher, provider=provider)

    def add_device(self, device):
        name = device["device"]
        self.add("device_up", int(device["state"] == "up"), device=name)
        for counter in "records", "errors", "timeouts":
            # A synchronous device does not count.
            if counter in device:
                self.add(f"device_{counter}_total", device[counter],
                         device=name)

    def add_profile(self, profile):
        number = profile["profile"]
        self.add("profile_error", int("error" in profile), profile=number)
        not_after = _not_after(profile.get("not_after", "9999-"))
        if not_after is not None:
            self.add("certificate_not_after_timestamp_seconds", not_after,
                     profile=number)
        for alarm in profile["alarms"]:
            self.add("alarm", 1, alarm=alarm, profile=number)

    def add_counters(self, prefix, counters, **labels):
        for name, own, counter, _ in COUNTERS:
            self.add(prefix + name, counters[counter], **labels, **own)

    def add_peers(self, peers):
        states = collections.Counter(p.get("state", "idle") for p in peers)
        for state in STATES:
            self.add("peers", states[state], state=state)
        directions = collections.Counter(
            s["direction"] for p in peers for s in p["sessions"]
            if _is_established(s))
        for direction in "out", "in":
            self.add("sessions", directions[direction], direction=direction)
        for peer in peers:
            address = peer["remote_ip"]
            for alarm in peer["alarms"]:
                self.add("alarm", 1, alarm=alarm, peer=address)
            if len(peers) <= MAX_PEERS:
                self.add("peer_info", 1, peer=address,
                         name=peer.get("name", ""))
                self.add_counters("peer_", peer["statistics"], peer=address)

    def add_log_total(self, row):
        for name in "packets", "bytes":
            self.add(f"flowlog_{name}_total", row[name], switch=row["switch"],
                     dir=row["dir"], encryption=row["encryption"])

    def add_log(self, row):
        self.add("flowlog_error", int(as_one(row["last_error"]) != ""))
        # ovs-vswitchd writes them some seconds after its start.
        for name, n in row["statistics"].items():
            if name == "flows":
                self.add("flowlog_flows", n)
            elif name in LOG_COUNTERS:
                self.add(f"flowlog_{name}_total", n)

    def add_switch(self, switch, name):
        for state in cluster.STATES:
            self.add("switch_state", int(state == switch.state), switch=name,
                     state=state)
        for condition in "chassis", "behind", "incapable":
            # "": the switch has no such number.
            if switch.numbers[condition] != "":
                self.add("switch_chassis", switch.numbers[condition],
                         switch=name, condition="all" if condition == "chassis"
                         else condition)
        if switch.numbers["alarms"] != "":
            self.add("switch_alarms", switch.numbers["alarms"], switch=name)


def read(show, held, logs):
    """The samples in the answers of ovs-vswitchd: vnetenc/show in JSON, and
    the packets that waited for a session; and in the rows of the flow log."""
    samples = Samples(METRICS)
    samples.add("up", 1)
    try:
        samples.add_host(show, held)
        for device in show["devices"]:
            samples.add_device(device)
        for profile in show["profiles"]:
            samples.add_profile(profile)
        samples.add_counters("", show["totals"])
        samples.add_peers(show["peers"])
        for row in show["flow_log"]:
            samples.add_log_total(row)
        for row in logs:
            samples.add_log(row)
    except KeyError as error:
        raise Unknown(f"vnetenc/show has no member {error}: is ovs-vswitchd"
                      " older than vnetenc-exporter?") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise Unknown(f"vnetenc/show was not understood: {error}") from error
    return samples.by_name


def down():
    """The samples if ovs-vswitchd does not answer."""
    samples = Samples(METRICS)
    samples.add("up", 0)
    return samples.by_name


def read_central(found):
    """The samples of a Cluster, or of None if a database did not answer."""
    samples = Samples(CENTRAL)
    samples.add("central_up", int(found is not None))
    switches = found.switches if found else []
    # Two switches may have one name.
    names = collections.Counter(s.name for s in switches)
    for switch in switches:
        samples.add_switch(switch, switch.name if names[switch.name] == 1
                           else f"{switch.name} ({switch.uuid})")
    return samples.by_name
