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
"""The rules by which a packet is, or is not, encrypted.

ovn-vnetenc-why tries the rules in this order, and the first that holds is its
verdict.  The tables of "It does not work" in OPERATING.md are made from the
same rules (vnetenc-check --rules), and have those as well that no program can
see.  Texts are Markdown.
"""

import collections
import re

NOTHING = "Nothing is encrypted"
FAILED = "Packets are dropped and tx_no_session grows"
NO_ROW = "There is no row for a peer (OVN)"
UP = "Sessions are up, but packets do not arrive"
UNKNOWN = "The verdict is UNKNOWN"

# `section` has the row, None: no section.  `when` tells from why.Facts whether
# the rule holds, None: no program can see that.  `code` is one of those of
# REFERENCE.md, and `prefer` the one under that mode, where it differs.
Rule = collections.namedtuple(
    "Rule", "name section when code prefer cause check", defaults=[""])


def rule(name, section, when, codes, cause, check=""):
    code, _, prefer = codes.partition("/")
    return Rule(name, section, when, code, prefer or code, cause, check)


def failure(name, check):
    """The reason for which a session does not come up."""
    return rule(name, FAILED, lambda f: f.failure == name,
                "NX_NOT_ACCEPTED/NX_FALLBACK", f"`{name}`", check)


def hint(section, cause, check):
    """A row that is for readers only."""
    return rule("", section, None, "", cause, check)


RULES = (
    # For readers only.
    hint(UP, "small packets pass, large packets do not", "[MTU](#mtu)"),
    hint(UP, "`rx_vni` grows at the receiver", "`tunnel_keys`"),
    hint(UP, "`rx_unlisted` grows at the receiver",
         "`tunnel_keys` and `other_config:vnetenc-unlisted` there"),
    hint(UP, "only one direction works",
         "each direction has its own sessions: look at the other host"),
    hint(UP, "BFD of a port is down", "`require` is set on one end only"),
    hint(UP, "`ofproto/trace` prints `arrived in clear on a port that requires"
         " encryption`", "the other end sends in clear"),

    # The machines, and the way between them.
    rule("not-bound", UNKNOWN, lambda f: f.unbound, "UNKNOWN",
         "a machine, or the gateway on the way, is on no chassis",
         "`ovn-sbctl --columns=logical_port,chassis list Port_Binding`"),
    rule("migrating", UNKNOWN, lambda f: f.migrating, "UNKNOWN",
         "a machine is being migrated, and is on two chassis",
         "ask again when it has moved"),
    rule("external", NOTHING, lambda f: f.external, "NX",
         "OVN: the traffic leaves through a `localnet` port",
         "such traffic uses no tunnel"),
    rule("denied", UP, lambda f: f.denied, "NX",
         "OVN: the logical network drops the packets: ACL, port security, no"
         " route",
         "`ovn-vnetenc-why` names the logical flow, `ovn-trace` prints the"
         " way to it"),
    rule("no-trace", UNKNOWN, lambda f: f.untraced, "UNKNOWN",
         "`ovn-trace` cannot tell which way the packet takes",
         "run `ovn-trace` by hand"),
    rule("local", NOTHING, lambda f: not f.hop, "NX_LOCAL_DST",
         "OVN: both ports are on one chassis",
         "traffic inside a chassis is never encrypted"),

    # The chassis that sends.
    rule("cut-off", UP, lambda f: f.cut_off, "NX_HW_NOT_SUPPORTED",
         "OVN: warning `cut off from other chassis`",
         "Open vSwitch of this chassis cannot encrypt"),
    rule("old-sender", UP, lambda f: f.old_sender, "NX",
         "OVN: the receiving chassis drops packets",
         "the flows with `vnetenc: arrived unencrypted` in `ovn-sbctl"
         " lflow-list sw0` drop packets that a chassis sent in clear;"
         " `ovs-ofctl dump-flows br-int table=241` counts them.  The sender"
         " is too old, or the packet crossed a transit switch, or a switch"
         " with a `localnet` port, that demands nothing: set `encryption`"
         " there as well"),
    rule("no-demand", NOTHING, lambda f: f.mode == "off", "NX",
         "nothing demands encryption",
         "`ovs-vsctl get Interface gnv2 options`; OVN: `ovn-nbctl get"
         " logical_switch sw0 encryption`"),

    rule("incapable", NOTHING, lambda f: f.incapable, "NX_FALLBACK",
         "OVN: the mode is `prefer`, and the chassis that sends does not"
         " announce that it can encrypt",
         "as for a [row of a peer](#there-is-no-row-for-a-peer-ovn)"),

    # Its Open vSwitch.
    rule("dtls-port", NOTHING, lambda f: f.encryption_off,
         "NX_HW_NOT_SUPPORTED/NX_FALLBACK",
         "a plain tunnel has UDP port 6082",
         "`vnetenc/show` begins with `encryption: OFF`; see [tunnels on UDP"
         " port 6082](#tunnels-on-udp-port-6082)"),
    rule("tunnel", NOTHING, lambda f: "tunnel" in (f.said, f.peer_fault),
         "NX_NOT_SUPPORTED/NX_FALLBACK",
         "the port is not Geneve or VXLAN, or has another `dst_port`",
         "counters `tx_tunnel`, `clear_tunnel`; column `error` of the"
         " `Interface`; OVN: `chassis-dst-port` of `ovn-vnetenc-ready`"),
    rule("bond", UP, lambda f: f.said == "bond",
         "NX_HW_NOT_SUPPORTED/NX_FALLBACK",
         "`ofproto/trace` prints `a balancing bond cannot encrypt`",
         "see [known limits](#known-limits)"),
    rule("datapath", UP, lambda f: f.said == "datapath",
         "NX_HW_NOT_SUPPORTED/NX_FALLBACK",
         "`ofproto/trace` prints `this datapath cannot encrypt`",
         "`vnetenc/show` has a line `kernel datapath: cannot encrypt`, see"
         " [kernel datapath](#kernel-datapath); or native tunnelling is off"),
    rule("no-device", UP, lambda f: f.said == "device", "NX_SW_NOT_READY",
         "`ofproto/trace` prints `the kernel datapath has no device for it"
         " yet`",
         "none is needed within a second; otherwise the log says why the"
         " device cannot be made"),

    # The row of the peer.
    rule("not-announced", NO_ROW, lambda f: f.peer_fault == "not-announced",
         "NX_NOT_ACCEPTED/NX_FALLBACK",
         "the chassis does not announce that it can decrypt",
         "`ovn-sbctl --columns=chassis_name,ip,options list Encap` must show"
         " `vnetenc=1`, and `ovn-sbctl get Chassis NAME"
         " other_config:iface-types` must show `vnetenc`.  If only the second"
         " is missing, another `ovn-controller` runs there"),
    hint(NO_ROW, "its Open vSwitch cannot encrypt",
         "on that chassis, `ovs-appctl dpif/show-dp-features br-int`; see"
         " [kernel datapath](#kernel-datapath)"),
    rule("no-fingerprint", NO_ROW,
         lambda f: f.peer_fault == "no-fingerprint",
         "NX_NOT_ACCEPTED/NX_FALLBACK",
         "the chassis published no fingerprint, or a bad one",
         "`vnetenc-fp` in the same list; on that chassis, `ovs-vsctl get"
         " VNetEnc_Profile 0 fingerprint error`"),
    rule("claimed-twice", NO_ROW, lambda f: f.peer_fault == "claimed-twice",
         "NX_NOT_ACCEPTED/NX_FALLBACK",
         "two chassis claim its address",
         "log of `ovn-controller`: `is claimed by more than one chassis`"),
    rule("no-tunnel", NO_ROW, lambda f: f.peer_fault == "no-tunnel",
         "NX_NOT_ACCEPTED",
         "there is no tunnel to the chassis",
         "transport zones, tunnel types"),
    rule("no-row", NO_ROW, lambda f: f.said == "row",
         "NX_NOT_ACCEPTED/NX_FALLBACK",
         "`ovn-controller` has not made the row, for none of these reasons",
         "its log on the host that sends"),
    rule("no-neighbour", UP, lambda f: f.said == "neighbour", "UNKNOWN",
         "`ofproto/trace` prints `neighbor cache miss` or `native tunnel"
         " routing failed`",
         "this host has not sent to the peer lately, or nobody answers ARP for"
         " the peer's tunnel address, or no route leads there: send a packet,"
         " and ask again"),
    rule("not-followed", NOTHING, lambda f: f.said == "clear", "NX",
         "the demand is not in the flows or not in the datapath yet",
         "OVN: `ovn-nbctl --wait=hv sync`; then `ovs-appctl"
         " revalidator/wait`"),

    rule("unlisted", UP, lambda f: f.refused_vni == "unlisted",
         "NX_NOT_ACCEPTED", "`tx_unlisted` grows: no profile lists the VNI",
         "`tunnel_keys`, and `other_config:vnetenc-unlisted`"),
    rule("other-profile", UP, lambda f: f.refused_vni == "other",
         "NX_NOT_ACCEPTED", "`tx_vni` grows: other profiles list the VNI",
         "`tunnel_keys`"),

    # The session.
    failure("no_answer",
            "UDP port N is blocked ([firewalls](#firewalls)), or the peer"
            " runs no vnetenc, has another `other_config:vnetenc-geneve-port`,"
            " or has no row for the address of *this* host.  After `network"
            " says, unverified` stands what the kernel or a host on the way"
            " reported: `No route to host` if nobody answers ARP, `Connection"
            " refused` if no process has the port.  Anybody could have sent"
            " that"),
    failure("cannot_send",
            "the kernel of this host refuses to send: route, firewall"),
    failure("cookie_only",
            "the peer has no time for handshakes: see [many peers](SCALE.md),"
            " and look for growing counters `ctl_...` and `rx_rate` on the"
            " peer.  Or the network loses long datagrams: an MTU below 1280"),
    failure("too_slow",
            "an answer came, and no agreement within 10 s.  Look at the peer"),
    failure("refused_by_peer",
            "the peer refuses this host.  The text after `peer says,"
            " unverified` is a hint from the other end that anybody could have"
            " sent; if it names credentials, read `error` of that"
            " `VNetEnc_Profile` on the peer"),
    failure("no_pin",
            "set `fingerprints` of the row or `ca_cert` of the profile"),
    failure("other_certificate",
            "the peer has another certificate than the pinned one, or somebody"
            " else answers.  Compare the value with `fingerprint` **on** the"
            " peer before you pin it"),
    failure("not_listed",
            "column `certificates` of the profile lists neither the"
            " certificate nor a CA that issued it; or the certificate of that"
            " CA is in no file of `credentials` on this host"),
    failure("other_name",
            "with a CA: the subjectAltName must hold `remote_ip` or `name`"),
    failure("dates",
            "replace the certificate that is named, or correct the"
            " [clocks](#clocks)"),
    failure("issuer",
            "`ca_cert` is wrong, or the peer does not send its intermediate"
            " CAs: add them to the file in its `certificate`"),
    failure("crl",
            "the CRL of one CA of the chain is missing or out of date"),
    failure("revoked",
            "the CRL, or column `revoked` of the profile, has the certificate"
            " of the peer or of a CA: give the peer another one"),
    failure("weak",
            "weaker than `strength` of the profile, for instance RSA with 1024"
            " bits or SHA-1"),
    failure("purpose",
            "extendedKeyUsage must allow serverAuth and clientAuth, or be"
            " absent"),
    failure("certificate",
            "the certificate is refused for the reason that OpenSSL gives"),
    failure("no_cipher",
            "the `ciphers` of the two hosts have no cipher in common, or they"
            " were changed during the handshake"),
    failure("protocol",
            "`cipher suite not allowed`, `no cipher suite in common ...`: as"
            " for `no_cipher`, or the key of a certificate is on a curve that"
            " the peer does not know.  `not DTLS 1.2`, `no version in common"
            " ...`, `ALPN is not vnetenc/1`, `no ALPN in common ...`, `no"
            " extended master secret`: the other end is not vnetenc"),
    failure("nonce",
            "happens once in 65536 handshakes; vnetenc repeats the attempt"),
    failure("bad_value", "the row has a bad value, which is named"),
    failure("no_peer", "the row was removed during the handshake"),
    failure("not_member",
            "`profiles` of the row does not have the profile, on this host;"
            " with OVN, the credential of the network does not name the"
            " chassis of the peer"),
    failure("vxlan",
            "the path is VXLAN and its profile is not 0: use Geneve, or"
            " profile 0"),
    failure("no_credential",
            "the text names the file that cannot be used, or the table that"
            " lacks the record"),
    failure("cannot_answer",
            "handshakes from the peer fail, while those of this host may"
            " succeed and `state` is `up`.  `Address already in use`: another"
            " program has the DTLS port (`ss -ulnp`)"),
    failure("no_socket",
            "`cannot bind ... Cannot assign requested address`: the local"
            " address of the tunnel is on no kernel interface of this host;"
            " put it on the internal port of the bridge.  `all N lane sockets"
            " are in use with this peer`: the product of lanes and profiles is"
            " too large for one peer.  `cannot set the mark ...`:"
            " `ovs-vswitchd` needs `CAP_NET_ADMIN` ([marks](#marks))"),
    failure("internal",
            "the wall clock was set back, or OpenSSL cannot do what it must;"
            " vnetenc repeats the attempt"),
    rule("fallback", NOTHING, lambda f: f.mode == "prefer" and (
        "fallback" in f.alarms), "NX_FALLBACK",
         "the mode is `prefer`, and within the last minute there was no"
         " session",
         "counters `clear_...`, `last_error`"),
    rule("reported", NOTHING, lambda f: not f.here and "down" in f.alarms,
         "NX_NOT_ACCEPTED/NX_FALLBACK",
         "OVN: the chassis that sends reports the [alarm](REFERENCE.md#alarms)"
         " `down`",
         "`last_error` on that chassis"),
    hint(NOTHING, "the packets are BFD between OVN chassis",
         "BFD stays in clear"),

    # What remains.
    rule("no-local", UNKNOWN, lambda f: f.here and f.local_fault, "UNKNOWN",
         "Open vSwitch of this host does not answer, or does not name the way",
         "start it; `ovn-vnetenc-why` runs as root"),
    rule("idle", UNKNOWN, lambda f: f.session == "idle", "UNKNOWN",
         "nothing has been sent to the peer yet",
         "send a packet, and ask again"),
    rule("handshaking", UNKNOWN, lambda f: f.session == "none", "UNKNOWN",
         "there is no session yet, and no failure",
         "ask again in 10 seconds"),
    rule("lost", UNKNOWN, lambda f: f.session == "lost", "UNKNOWN",
         "the peer has just stopped answering",
         "ask again in 10 seconds"),
    rule("lanes", UNKNOWN, lambda f: f.session == "some", "UNKNOWN",
         "only some lanes of the profile have a session",
         "ask again in 10 seconds; the flow may take any lane"),
    rule("elsewhere", UNKNOWN, lambda f: not f.here and f.is_first, "UNKNOWN",
         "only the chassis that sends knows its sessions",
         "run `ovn-vnetenc-why` there"),
    rule("further", UNKNOWN, lambda f: not f.is_first and not f.is_reported,
         "UNKNOWN",
         "the packet leaves a second chassis, which has not reported that it"
         " requires encryption",
         "`vnetenc/show` on that chassis"),
    rule("encrypted", None, lambda f: f.here, "X",
         "the flows demand encryption, and the session is up"),
    rule("required", None, lambda f: f.is_reported, "X",
         "a chassis on the way sends nothing in clear, and reports no alarm"),
)


def judge(facts):
    """The first rule that holds for the facts of one hop."""
    return next(r for r in RULES if r.when and r.when(facts))


def plain(text):
    """Markdown as text for a terminal."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"`|\*+", "", text).removeprefix("OVN: ")


def table(section):
    """The rows of a section's table, as Markdown.  Where all verdicts are
    alike, no column has them."""
    alike = section in (FAILED, UNKNOWN)
    return [f"| {r.cause} | {r.check} |" + ("" if alike else verdicts(r))
            for r in RULES if r.section == section]


def verdicts(row):
    return "".join(f" `{code}`{comma}" for code, comma in (
        [(row.code, ",")] * (row.code != row.prefer)
        + [(row.prefer, "")] * bool(row.prefer))) + " |"
