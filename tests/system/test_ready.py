# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""ovn-vnetenc-ready against real databases.

One northbound and one southbound database serve all tests of a kind.  Each
test adds a fault, runs the report, and removes the fault again.
"""

import datetime
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import types

import pytest

import runspace
from lab import TOP, Tree, Underlay
from ovn import SB_PORT, Central, start_database
from sslpeer import Mint

sys.path.insert(0, str(TOP / "utilities"))

from vnetenc_tools.credentials import read_settled  # noqa: E402
from vnetenc_tools.fails import FAILS       # noqa: E402

READY = TOP / "utilities/ovn-vnetenc-ready"


def fingerprint(digit):
    return "sha256:" + digit * 64


class Site:
    """A central and chassis that exist in the southbound database only."""

    def __init__(self, run, tree):
        self.run = run
        self.central = Central(Underlay(run), tree)
        self.nb, self.sb = self.central.nbctl, self.central.sbctl
        self.path = ":".join(str(tree.program(p).parent) for p in
                             ("ovs-vsctl", "ovsdb-tool", "ovn-nbctl"))
        self.nb("ls-add", "plain")
        for number in (1, 2):
            self.add_chassis(f"hv{number}", f"192.0.2.{number}",
                             fingerprint(str(number)))
        self.nb("--wait=sb", "sync")

    def add_chassis(self, name, address, pin, datapath="netdev",
                    dst_port=None, **config):
        self.sb("chassis-add", name, "geneve", address)
        self.sb("set", "Chassis", name,
                f'other_config:datapath-type="{datapath}"',
                *(f"other_config:{k.replace('_', '-')}={v}"
                  for k, v in config.items()))
        if pin is not None:
            self.sb("set", "Chassis", name,
                    'other_config:iface-types="geneve,vnetenc"')
            self.set_encap(name, "options:vnetenc=1")
        if pin:
            self.set_encap(name, f'options:vnetenc-fp="{pin}"')
        if dst_port:
            self.set_encap(name, f"options:dst_port={dst_port}")

    def set_encap(self, name, *settings):
        row = self.sb("--bare", "--columns=_uuid", "find", "Encap",
                      f"chassis_name={name}")
        self.sb("set", "Encap", row, *settings)

    def ask(self, *args, hv=None):
        """(exit status, output)."""
        env = {"PATH": f"{self.path}:/usr/sbin:/usr/bin:/sbin:/bin",
               **(hv.env if hv else {"OVS_RUNDIR": "/nonexistent"})}
        done = subprocess.run(
            [*(self.run._enter(hv.netns) if hv else ()), READY,
             f"--nb=unix:{self.central.dir}/nb.sock",
             f"--sb=unix:{self.central.dir}/sb.sock", "--settle=0", *args],
            env=env, text=True, capture_output=True, timeout=60, check=False)
        assert not done.stderr or done.returncode == 2, done.stderr
        return done.returncode, done.stdout or done.stderr

    def findings(self, *args, **kwargs):
        """(exit status, findings by id)."""
        status, text = self.ask("--json", *args, **kwargs)
        answer = json.loads(text)
        found = {}
        for finding in answer["findings"]:
            assert all(finding[k] for k in ("what", "where", "do"))
            # What cannot be accepted is no FAIL.
            assert finding["level"] != "FAIL" or finding["id"] in FAILS
            found.setdefault(finding["id"], []).append(finding)
        failed = any(f["level"] == "FAIL" for f in answer["findings"])
        assert status == int(failed) and answer["ready"] != failed
        return status, found


@pytest.fixture(scope="module", name="site")
def fixture_site(pytestconfig):
    run = runspace.Run()
    site = Site(run, Tree(pytestconfig.getoption("builddir")))
    yield site
    northd, log = site.central.northd, site.central.dir / "northd.log"
    ended = None if northd.alive() else (
        f"ovn-northd ended with {northd.popen.returncode}: {northd.output()}"
        f"{log.read_text()[-4000:]}")
    run.close()
    assert not ended, ended


def test_ready(site):
    status, text = site.ask("plain")
    assert status == 0, text
    assert text.splitlines()[-1] == "READY: 0 FAIL, 0 WARN"
    assert "plain (off)" in text
    assert "underlay 1500, guests at most 1405" in text
    status, text = site.ask("--json")
    assert status == 0
    answer = json.loads(text)
    assert answer["ready"] is True and answer["findings"] == []
    assert answer["asked"]["switches"] == {}
    assert answer["asked"]["local"] is None


def test_usage(site):
    for args in (["nothing"], ["--all", "plain"], ["--bad"],
                 ["--local", "--no-local"], ["--accept", "sb-tpc"],
                 ["--accept", "sb-tcp="], ["--accept", "transit-off"]):
        status, text = site.ask(*args)
        assert status == 2 and "usage" in text
    assert "sb-tcp, sb-unreachable" in site.ask("--accept", "sb-tpc")[1]


def test_accepted_in_vain(site, switch):
    """What is accepted and is not there may be misspelt."""
    site.nb("lsp-add", switch, "ext", "--", "lsp-set-type", "ext", "vtep")
    assert set(site.findings("--accept=switch-vtep", switch)[1]) == {
        "switch-vtep"}
    status, found = site.findings("--accept=switch-vtep=s", switch)
    assert status == 1 and found["switch-vtep"][0]["level"] == "FAIL"
    finding, = found["accept-unused"]
    assert finding["where"] == "--accept switch-vtep=s"


def test_unreachable(site):
    for option, name in (("--nb", "nb-unreachable"),
                         ("--sb", "sb-unreachable")):
        status, found = site.findings(f"{option}=unix:/nonexistent",
                                      "--timeout=1")
        assert status == 1 and name in found
    status, found = site.findings("--local")
    assert status == 1 and "local-unreachable" in found


# Faults of a switch: commands of ovn-nbctl, where "S" is the switch; the
# finding; a part of its text or remedy.
SWITCHES = {
    "localnet": ("lsp-add S ext -- lsp-set-type ext localnet",
                 "switch-localnet", "ext"),
    "l2gateway": ("lsp-add S ext -- lsp-set-type ext l2gateway",
                  "switch-l2gateway", "ext"),
    "vtep": ("lsp-add S ext -- lsp-set-type ext vtep", "switch-vtep", "ext"),
    "evpn": ("set logical_switch S other_config:dynamic-routing-vni=9",
             "switch-evpn", "EVPN"),
    "gre mirror": (
        "lsp-add S p -- mirror-add m1 gre 0 both 192.0.2.9"
        " -- lsp-attach-mirror p m1", "switch-mirror", "192.0.2.9"),
    "erspan mirror": (
        "lsp-add S p -- mirror-add m1 erspan 0 both 192.0.2.9"
        " -- lsp-attach-mirror p m1", "switch-mirror", "m1"),
    "dhcp mtu": (
        "lsp-add S p -- --id=@d create DHCP_Options cidr=10.9.0.0/24"
        " options:mtu=9000 -- set logical_switch_port p dhcpv4_options=@d",
        "mtu-dhcp", "options:mtu=1405"),
    "gateway mtu": (
        "lr-add r -- lrp-add r rp 0a:00:00:00:00:01 10.9.0.1/24"
        " -- lsp-add S p -- lsp-set-type p router"
        " -- lsp-set-options p router-port=rp -- lsp-set-addresses p router"
        " -- set logical_router_port rp options:gateway_mtu=9000",
        "mtu-gateway", "options:gateway_mtu=1405"),
    "router advertisements": (
        "lr-add r -- lrp-add r rp 0a:00:00:00:00:01 fd00:9::1/64"
        " -- lsp-add S p -- lsp-set-type p router"
        " -- lsp-set-options p router-port=rp -- lsp-set-addresses p router"
        " -- set logical_router_port rp ipv6_ra_configs:mtu=9000",
        "mtu-ra", "ipv6_ra_configs:mtu=1405"),
    "plugged port": (
        "lsp-add S p -- lsp-set-options p vif-plug-mtu-request=9000",
        "mtu-port", "vif-plug-mtu-request=1405"),
    "profile": (
        "set logical_switch S other_config:encryption-profile=256",
        "switch-profile", "256"),
}


@pytest.fixture(name="switch")
def fixture_switch(site):
    site.nb("ls-add", "S")
    yield "S"
    site.nb("ls-del", "S", "--", "--if-exists", "lr-del", "r", "--",
            "destroy", "DHCP_Options", *site.nb(
                "--bare", "--columns=_uuid", "list", "DHCP_Options").split(),
            "--", "--all", "destroy", "Mirror")


@pytest.mark.parametrize("case", SWITCHES)
def test_switch(site, switch, case):
    commands, name, text = SWITCHES[case]
    site.nb(*commands.split())
    status, found = site.findings(switch)
    assert status == 1 and set(found) == {name}
    (finding,) = found[name]
    assert finding["level"] == "FAIL"
    assert text in finding["what"] + finding["do"]
    # It is no fault of a switch that will not be encrypted.
    status, found = site.findings("plain")
    assert status == 0
    if name != "switch-profile":
        assert found[name][0]["level"] == "WARN"
        status, found = site.findings("--accept", name, switch)
        assert status == 0 and found[name][0]["level"] == "WARN"
    # A switch that will not be encrypted is not checked.
    site.nb("set", "logical_switch", switch, "encryption=off")
    assert site.findings() == (0, {})
    # A switch that demands encryption is in question even without its name.
    site.nb("--wait=sb", "set", "logical_switch", switch,
            "encryption=require")
    assert site.findings()[0] == 1


WARNINGS = {
    "allowed localnet": (
        "lsp-add S ext -- lsp-set-type ext localnet -- set logical_switch S"
        " other_config:encryption-allow-external=true", "switch-external"),
    "dhcp without mtu": (
        "lsp-add S p -- --id=@d create DHCP_Options cidr=10.9.0.0/24"
        " -- set logical_switch_port p dhcpv4_options=@d", "mtu-dhcp-unset"),
    "dhcp mtu": (
        "lsp-add S p -- --id=@d create DHCP_Options cidr=10.9.0.0/24"
        " options:mtu=1442 -- set logical_switch_port p dhcpv4_options=@d",
        "mtu-dhcp"),
    "plugged port": (
        "lsp-add S p -- lsp-set-options p vif-plug-mtu-request=2808",
        "mtu-port"),
    "bridged redirect": (
        "lr-add r -- lrp-add r rp 0a:00:00:00:00:01 10.9.0.1/24"
        " -- lrp-set-options rp redirect-type=bridged"
        " -- lsp-add S p -- lsp-set-type p router"
        " -- lsp-set-options p router-port=rp", "router-bridged"),
    "routed profile": (
        "lr-add r -- lrp-add r rp 0a:00:00:00:00:01 10.9.0.1/24"
        " -- lsp-add-router-port S sr rp"
        " -- set logical_switch S other_config:encryption-profile=7",
        "profile-routed"),
}


@pytest.mark.parametrize("case", WARNINGS)
def test_warning(site, switch, case):
    commands, name = WARNINGS[case]
    site.nb(*commands.split())
    status, found = site.findings(switch)
    assert status == 0 and set(found) == {name}
    assert found[name][0]["level"] == "WARN"


# Faults of a network with a credential, of which port p is on hv1: the state
# that hv1 reports; commands of ovn-nbctl; the finding, its level and place.
CREDENTIALS = {
    "listed": ("ok", "", None, None, None),
    "not listed": ("ok",
                   "set Encryption_Credential c chassis=hv2",
                   "credential-chassis", "FAIL", "hv1"),
    "old": (None, "", "chassis-behind", "FAIL", "hv1"),
    "local": ("local", "", "local-profile",
              "FAIL", "hv1"),
    "missing": ("error: no file", "",
                "credential-missing", "FAIL", "hv1"),
    "expired": ("error: has expired", "",
                "credential-expired", "FAIL", "hv1"),
    "expires": ("warning: in 7 days", "",
                "credential-expires", "WARN", "hv1"),
    "no row": (False, "", "credential-missing", "FAIL", "hv1"),
    "not loaded": ("waits", "", "credential-missing", "FAIL", "hv1"),
    "open": ("ok", "clear Encryption_Credential c chassis", "credential-open",
             "WARN", "Encryption_Credential c"),
    "computed": (
        "ok", "set Encryption_Credential c members=auto"
        " -- lsp-set-options p requested-chassis=hv1", None, None, None),
    "not requested": (
        "ok", "set Encryption_Credential c members=auto",
        "credential-unrequested", "WARN", "Encryption_Credential c"),
    "not computed": (
        "ok", "set Encryption_Credential c members=auto"
        " -- lsp-set-options p requested-chassis=hv2",
        "credential-chassis", "FAIL", "hv1"),
    "prefer": ("ok", "set logical_switch S encryption=prefer",
               "credential-prefer", "WARN", "S"),
    "router": (
        "ok",
        "lr-add r -- lrp-add r rp 0a:00:00:00:00:01 10.9.0.1/24"
        " -- lrp-add r rq 0a:00:00:00:00:02 10.8.0.1/24"
        " -- lsp-add-router-port S sr rp -- ls-add T"
        " -- lsp-add-router-port T tr rq"
        " -- --id=@d create Encryption_Credential name=d id=6 chassis=hv1"
        " -- set logical_switch T encryption_credential=@d",
        "router-mixed", "WARN", "r"),
}


@pytest.fixture(name="credential")
def fixture_credential(site, switch):
    site.nb("--wait=sb", "lsp-add", switch, "p", "--", "--id=@c", "create",
            "Encryption_Credential", "name=c", "id=5", "chassis=hv1", "--",
            "set",
            "logical_switch", switch, "encryption_credential=@c")
    site.sb("lsp-bind", "p", "hv1")
    yield "c"
    site.nb("clear", "logical_switch", switch, "encryption_credential", "--",
            "--if-exists", "ls-del", "T", "--", "--all", "destroy",
            "Encryption_Credential")
    site.sb("--all", "destroy", "Chassis_Private")


@pytest.mark.parametrize("case", CREDENTIALS)
def test_credential(site, switch, credential, case):
    state, commands, name, level, where = CREDENTIALS[case]
    assert credential
    site.sb("create", "Chassis_Private", "name=hv1", "nb_cfg=1000000000",
            *(["encryption:credentials=true"] if state is not None else ()),
            *([f'encryption:"credential:5"="{state}"'] if state else ()))
    if commands:
        site.nb("--wait=sb", *commands.split())
    status, found = site.findings(switch)
    assert status == (level == "FAIL")
    assert set(found) == {name} - {None}
    if name:
        assert (found[name][0]["level"], found[name][0]["where"]) \
            == (level, where)


def ca(digits):
    return f"ca:{digits}"


# While a certificate is replaced: for which of the certificates a... and b...
# hv1 and hv2 report to have a key, or None; what is revoked; who is named for
# which one, "" if it is not known.
REPLACED = {
    "both": (f"{ca('a' * 8)} {ca('b' * 8)}", f"{ca('a' * 8)} {ca('b' * 8)}",
             "", {}),
    "not on one": (f"{ca('a' * 8)} {ca('b' * 8)}", ca("a" * 8), "",
                   {"b": "hv2"}),
    "not on a standby": (f"{ca('a' * 8)} {ca('b' * 8)}", ca("a" * 8), "",
                         {"b": "hv2"}),
    "nowhere": (ca("a" * 8), ca("a" * 8), "", {"b": "hv1, hv2"}),
    "nowhere and revoked": (ca("a" * 8), ca("a" * 8), "b", {}),
    "own ones": ("a" * 8, "b" * 8, "", {}),
    "shared": ("a" * 8 + " " + "b" * 8, "b" * 8, "", {"a": "hv2"}),
    "shared and nowhere": ("a" * 8, "a" * 8, "", {"b": "hv1, hv2"}),
    "not told": (f"{ca('a' * 8)} {ca('b' * 8)}", None, "", {"": "hv2"}),
    "neither": (None, None, "", {"": "hv1, hv2"}),
}


@pytest.mark.parametrize("case", REPLACED)
def test_credential_old(site, switch, credential, case):
    """Until every chassis has a key for each certificate, none is to be
    removed."""
    *said, revoked, expected = REPLACED[case]
    full = {f"sha256:{letter * 64}": letter for letter in "ab"}
    site.nb("--wait=sb", "lsp-add", switch, "q", "--", "set",
            "Encryption_Credential", credential, "chassis=hv1,hv2",
            f'certificates="sha256:{"a" * 64}"'
            f',"SHA256:{":".join(["BB"] * 32)}"',
            *([f'revoked="sha256:{revoked * 64}"'] if revoked else ()))
    if case != "not on a standby":
        site.sb("lsp-bind", "q", "hv2")
    for name, has in zip(("hv1", "hv2"), said):
        site.sb("create", "Chassis_Private", f"name={name}",
                "nb_cfg=1000000000", "encryption:credentials=true",
                'encryption:"credential:5"="ok"',
                *([f'encryption:"credential_has:5"="{has}"'] if has else ()))
    status, found = site.findings(switch)
    assert status == 0 and set(found) <= {"credential-old"}
    named = {}
    for finding in found.get("credential-old", ()):
        assert (finding["level"], finding["where"]) \
            == ("WARN", "Encryption_Credential c")
        what = finding["what"]
        names, _, of = what.partition(" cannot use its certificate ")
        if of:
            named[full[of]] = names
        else:
            named[""] = what.partition(" did not report ")[0]
    assert named == expected


def test_credential_hostname(site, switch, credential):
    """A chassis has the host name of another, another one than at first, or
    one that a second new chassis has."""
    site.sb("create", "Chassis_Private", "name=hv1", "nb_cfg=1000000000",
            "encryption:credentials=true", 'encryption:"credential:5"="ok"',
            "--", "set", "Chassis", "hv1", "hostname=host",
            "--", "--all", "destroy", "Chassis_Hostname")

    def found():
        """{chassis: (what, do)}"""
        status, names = site.findings(switch)
        assert status == bool(names)
        assert set(names) <= {"credential-hostname"}
        return {f["where"]: (f["what"], f["do"])
                for f in names.get("credential-hostname", ())}

    try:
        site.nb("--wait=sb", "set", "Encryption_Credential", credential,
                "members=auto", "--", "lsp-set-options", "p",
                "requested-chassis=hv1")
        assert not found()
        site.sb("set", "Chassis", "hv2", "hostname=host")
        (where, (what, _)), = found().items()
        assert where == "hv2" and "is that of chassis hv1" in what

        # It has a new chassis.
        (_, do), = found().values()
        site.sb(*shlex.split(do.split(": ovn-sbctl ")[1].split("; ")[0]))
        assert set(found()) == {"hv1"}
        site.sb("set", "Chassis_Hostname", "host", "chassis=hv1")

        # The name of a chassis is nobody's host name.
        site.sb("set", "Chassis", "hv2", "hostname=hv1")
        (where, (what, do)), = found().items()
        assert where == "hv2" and "is the name of another chassis" in what
        assert "destroy" not in do

        # What it says is to be done when the first one was renamed.
        site.sb("set", "Chassis", "hv2", 'hostname=""', "--",
                "set", "Chassis", "hv1", r'hostname="\"renamed\""')
        (where, (what, do)), = found().items()
        assert where == "hv1" and "is not host, which it had first" in what
        site.sb(*shlex.split(do.split(": ovn-sbctl ")[1].split("; ")[0]))
        assert not found()

        site.nb("clear", "Encryption_Credential", credential, "members")
        site.sb("--all", "destroy", "Chassis_Hostname")
        for name in ("hv1", "hv2"):
            site.sb("set", "Chassis", name, "hostname=twin")
        site.nb("--wait=sb", "set", "Encryption_Credential", credential,
                "members=auto")
        twins = found()
        assert "is also that of chassis hv2" in twins["hv1"][0]
        assert "is also that of chassis hv1" in twins["hv2"][0]
        site.sb(*shlex.split(twins["hv1"][1].split(": ovn-sbctl ")[1]))
        assert set(found()) == {"hv2"}
    finally:
        for name in ("hv1", "hv2"):
            site.sb("set", "Chassis", name, 'hostname=""')
        site.sb("--all", "destroy", "Chassis_Hostname")


def test_credential_settles():
    """A state that a chassis has yet to report is no finding."""
    answers = ["waits", "waits", "ok", "waits"]
    assert read_settled(lambda: answers.pop(0), lambda a: a != "ok",
                        1000) == "ok"
    assert answers == ["waits"]
    assert read_settled(lambda: answers.pop(0), lambda a: a != "ok",
                        0) == "waits"


def test_closed_default(site, switch, credential):
    """The default was deleted, and its id is that of another."""
    assert credential
    site.nb("--wait=sb", "create", "Encryption_Credential", "name=base",
            "id=7", "chassis=hv1", "--", "set", "NB_Global", ".",
            "options:vnetenc-default-credential=base", "--", "clear",
            "logical_switch", switch, "encryption_credential", "--", "set",
            "logical_switch", switch, "encryption=require")
    site.sb("create", "Chassis_Private", "name=hv1", "nb_cfg=1000000000",
            "encryption:credentials=true", 'encryption:"credential:7"="ok"')
    try:
        site.nb("--wait=sb", "set", "NB_Global", ".",
                "options:vnetenc-default-credential=bsae")
        site.nb("--wait=sb", "destroy", "Encryption_Credential", "base")
        assert set(site.findings(switch)[1]) == {"nb-default"}
        # It is in force, and examined as others are.
        site.sb("set", "Chassis_Private", "hv1",
                'encryption:"credential:7"="error: has expired"')
        status, found = site.findings(switch)
        assert set(found) == {"nb-default", "credential-expired"}
        assert f"base, in {switch}: " in found["credential-expired"][0]["what"]
        site.nb("--wait=sb", "create", "Encryption_Credential", "name=other",
                "id=7")
        status, found = site.findings(switch)
        assert status == 1
        assert set(found) == {"nb-default", "credential-closed"}
        assert found["credential-closed"][0]["what"].endswith(
            f"; nothing passes between chassis in: {switch}")
        site.nb("--wait=sb", "set", "logical_switch", switch,
                "encryption=prefer")
        assert site.findings(switch)[1]["credential-closed"][0][
            "what"].endswith(f"; with encryption=prefer, packets leave in"
                             f" clear in: {switch}")
    finally:
        site.nb("--wait=sb", "remove", "NB_Global", ".", "options",
                "vnetenc-default-credential", "--", "clear",
                "logical_switch", switch, "encryption")
    assert site.findings(switch) == (0, {})


def test_report_of_a_predecessor(site, switch, credential):
    """A stock ovn-controller leaves what its predecessor reported."""
    assert credential
    site.sb("create", "Chassis_Private", "name=hv1", "nb_cfg=1000000000",
            "encryption:credentials=true", 'encryption:"credential:5"="ok"')
    assert site.findings(switch) == (0, {})
    site.sb("set", "Chassis", "hv1", 'other_config:iface-types="geneve"')
    found = site.findings(switch)[1]
    site.sb("set", "Chassis", "hv1",
            'other_config:iface-types="geneve,vnetenc"')
    assert set(found) == {"chassis-not-capable", "chassis-behind"}


@pytest.fixture(name="join")
def fixture_join(site, switch):
    """S - lr1 - join - lr2 - plain"""
    site.nb("ls-add", "join")
    for number, net in ((1, 9), (2, 8)):
        router = f"lr{number}"
        site.nb("lr-add", router)
        for at, (ls, address) in enumerate((
                (switch if number == 1 else "plain", f"10.{net}.0.1/24"),
                ("join", f"10.1.0.{number}/24"))):
            port = f"{router}-{ls}"
            site.nb("lrp-add", router, port,
                    f"0a:00:00:00:0{at}:0{number}", address,
                    "--", "lsp-add", ls, f"{ls}-{router}",
                    "--", "lsp-set-type", f"{ls}-{router}", "router",
                    "--", "lsp-set-addresses", f"{ls}-{router}", "router",
                    "--", "lsp-set-options", f"{ls}-{router}",
                    f"router-port={port}")
    yield "join"
    site.nb("lr-del", "lr1", "--", "lr-del", "lr2", "--", "ls-del", "join",
            "--", "lsp-del", "plain-lr2")


def test_switch_between_routers(site, switch, join):
    """ovn-northd sees what is beyond it."""
    assert site.findings(switch, join) == (0, {})
    assert site.findings(switch) == (0, {})


def test_transit_switch(site, switch, join, third):
    """Nobody sees what is beyond one that demands nothing, in another
    zone, and the chassis of that zone matter."""
    site.nb("set", "logical_switch", join, "other_config:interconn-ts=ts")
    site.add_chassis(third, "192.0.2.3", None)
    site.sb("set", "Chassis", third, "other_config:is-remote=true")
    status, found = site.findings(switch)
    assert status == 1
    assert set(found) == {"transit-off", "chassis-not-capable",
                          "ic-sb-access"}
    assert found["transit-off"][0]["where"] == join
    assert found["transit-off"][0]["level"] == "WARN"
    finding, = found["chassis-not-capable"]
    assert finding["level"] == "FAIL"
    assert "copy vnetenc and vnetenc-fp" in finding["do"]
    site.set_encap(third, "options:vnetenc=1",
                   f'options:vnetenc-fp="{fingerprint("3")}"')
    site.nb("--wait=sb", "set", "logical_switch", join, "encryption=require")
    assert set(site.findings(switch)[1]) == {"ic-sb-access"}


def test_shared_network(site, switch, join):
    """Behind a localnet port ovn-northd looks at nobody's demand, and the
    switch there demands nothing."""
    site.nb("lsp-add-localnet-port", join, "ln", "phys")
    status, found = site.findings(switch)
    assert status == 1 and set(found) == {"shared-off", "switch-localnet"}
    finding, = found["shared-off"]
    assert finding["where"] == join and "plain" in finding["what"]
    assert "lr2" in finding["what"]
    # If all that is beyond has a demand, nothing arrives in clear.
    site.nb("set", "logical_switch", "plain", "encryption=prefer")
    assert "shared-off" not in site.findings(switch)[1]
    site.nb("clear", "logical_switch", "plain", "encryption")
    # What it says is to be done.
    site.nb(*finding["do"].split()[1:])
    assert site.findings(switch)[0] == 0


@pytest.mark.parametrize("name, command", [
    ("router-vtep", "lsp-add plain gw -- lsp-set-type gw vtep"),
    ("router-evpn", "set logical_switch plain"
     " other_config:dynamic-routing-vni=9")])
def test_gateway_behind_routers(site, switch, join, name, command):
    """A gateway that cannot encrypt, in a switch of its own."""
    assert join
    site.nb(*command.split())
    try:
        status, found = site.findings(switch)
        assert status == 1 and name in found
        finding, = found[name]
        assert finding["level"] == "FAIL" and finding["where"] == "plain"
        assert f"to {switch} arrive in clear" in finding["what"]
        assert name not in site.findings("plain")[1]
    finally:
        site.nb("--if-exists", "lsp-del", "gw", "--", "remove",
                "logical_switch", "plain", "other_config",
                "dynamic-routing-vni")


# Faults of a third chassis: its address, pin, datapath; the findings.
CHASSIS = {
    "incapable": (dict(address="192.0.2.3", pin=None),
                  "chassis-not-capable"),
    "kernel": (dict(address="192.0.2.3", pin=None, datapath="system"),
               "chassis-not-capable"),
    "unpinned": (dict(address="192.0.2.3", pin=""), "chassis-no-pin"),
    "malformed": (dict(address="192.0.2.3", pin="sha256:12"),
                  "chassis-bad-pin"),
    "other port": (dict(address="192.0.2.3", pin=fingerprint("3"),
                        dst_port=6083), "chassis-dst-port"),
    "too many": (dict(address="192.0.2.3",
                      pin=",".join(f"sha256:{n:064x}" for n in range(9))),
                 "chassis-bad-pin"),
}


@pytest.fixture(name="third")
def fixture_third(site):
    yield "hv3"
    site.sb("--if-exists", "chassis-del", "hv3")


@pytest.mark.parametrize("case", CHASSIS)
def test_chassis(site, third, case):
    arguments, name = CHASSIS[case]
    site.add_chassis(third, **arguments)
    status, found = site.findings("plain")
    assert status == 1 and set(found) == {name}
    assert found[name][0]["where"] == third
    # In another zone it matters to transit switches only.
    site.sb("set", "Chassis", third, "other_config:is-remote=true")
    status, found = site.findings("plain")
    assert status == 0 and found[name][0]["level"] == "WARN"


def test_chassis_of_another_zone(site, third):
    """A chassis as ovn-ic makes it: without some facts that are known of own
    chassis."""
    site.add_chassis(third, "192.0.2.3", fingerprint("3"))
    site.sb("remove", "Chassis", third, "other_config", "datapath-type", "--",
            "set", "Chassis", third, "other_config:is-remote=true")
    status, found = site.findings("plain")
    assert status == 0 and set(found) == {"ic-sb-access"}


@pytest.fixture(name="ic_sb")
def fixture_ic_sb(site):
    """IC_Southbound."""
    owner = types.SimpleNamespace(
        run=site.run, tree=site.central.tree, netns=site.central.netns,
        dir=site.run.folder("ic"), env=site.central.env)
    server = start_database(owner, "ic-sb")
    url = f"unix:{owner.dir}/ic-sb.sock"

    def ctl(*args):
        site.run.cmd(owner.tree.program("ovn-ic-sbctl"), f"--db={url}", *args)

    ctl("init")
    yield url, ctl
    server.stop()


def test_interconnection(site, third, ic_sb):
    """The pins of other zones are as good as the access to it."""
    url, ctl = ic_sb
    site.add_chassis(third, "192.0.2.3", fingerprint("3"))
    assert site.findings() == (0, {})
    site.sb("set", "Chassis", third, "other_config:is-remote=true")
    status, found = site.findings()
    assert status == 0 and found["ic-sb-access"][0]["level"] == "WARN"
    assert site.findings(f"--ic-sb={url}") == (0, {})
    ctl("set-connection", "ptcp:6648", "pssl:6649")
    status, found = site.findings(f"--ic-sb={url}")
    assert status == 1 and set(found) == {"ic-sb-tcp"}
    assert [f["where"] for f in found["ic-sb-tcp"]] == ["ptcp:6648"]
    status, found = site.findings("--ic-sb=unix:/nonexistent", "--timeout=1")
    assert status == 1 and set(found) == {"ic-sb-unreachable"}


def test_vtep_chassis(site, third):
    site.sb("chassis-add", third, "vxlan", "192.0.2.3", "--", "set",
            "Chassis", third, "other_config:is-vtep=true")
    assert site.findings("plain") == (0, {})


def test_stock_controller_took_over(site, third):
    """A stock ovn-controller leaves Encap options alone and writes its own
    types of interfaces."""
    site.add_chassis(third, "192.0.2.3", fingerprint("3"))
    assert site.findings() == (0, {})
    site.sb("set", "Chassis", third, 'other_config:iface-types="geneve"')
    status, found = site.findings()
    assert status == 1 and set(found) == {"chassis-not-capable"}
    assert found["chassis-not-capable"][0]["where"].startswith(third)


def test_text_of_others(site, third):
    """Text that a chassis wrote does not look like a line of the report."""
    site.add_chassis(third, "192.0.2.3",
                     r"sha256:1\nREADY: 0 FAIL\u2028\u001b[2J")
    status, text = site.ask("plain")
    assert status == 1 and "\nREADY" not in text and "\x1b" not in text
    assert "sha256:1\\u000aREADY" in text
    assert text.splitlines()[-1].startswith("NOT READY")


def test_chassis_without_geneve(site, third):
    site.sb("chassis-add", third, "vxlan", "192.0.2.3")
    status, found = site.findings()
    assert status == 1 and set(found) == {"chassis-no-geneve"}


def test_credential_vxlan(site, third, switch, credential):
    """Such a chassis exchanges nothing that is encrypted any more, though it
    has no port in a network with a credential."""
    assert credential
    site.sb("create", "Chassis_Private", "name=hv1", "nb_cfg=1000000000",
            "encryption:credentials=true", 'encryption:"credential:5"="ok"')
    site.sb("chassis-add", third, "vxlan", "192.0.2.3")
    site.nb("--wait=sb", "set", "logical_switch", switch,
            "encryption=require")
    status, found = site.findings(switch)
    assert status == 1
    assert set(found) == {"chassis-no-geneve", "credential-vxlan"}
    assert found["credential-vxlan"][0]["where"] == third
    site.sb("--", "--id=@e", "create", "Encap", "type=geneve",
            'ip="192.0.2.3"', f"chassis_name={third}",
            "--", "add", "Chassis", third, "encaps", "@e")
    assert "credential-vxlan" not in site.findings(switch)[1]


def test_ports_in_question_are_counted(site, third, switch):
    site.add_chassis(third, "192.0.2.3", None)
    site.nb("--wait=sb", "lsp-add", switch, "p")
    site.sb("lsp-bind", "p", third)
    assert "1 ports in question" in \
        site.findings(switch)[1]["chassis-not-capable"][0]["what"]
    assert "in question" not in \
        site.findings("plain")[1]["chassis-not-capable"][0]["what"]


@pytest.mark.parametrize("addresses", [("192.0.2.2", "192.0.2.2"),
                                       ("fd00::2", "FD00:0::2"),
                                       ("192.0.2.9", "::ffff:192.0.2.9")])
def test_address_claimed_twice(site, third, addresses):
    """One address is found in two spellings as well, which are two addresses
    to the database."""
    site.add_chassis(third, addresses[1] if ":" in addresses[1]
                     else "192.0.2.3", fingerprint("3"))
    if addresses[0] != addresses[1]:
        site.sb("chassis-add", "hv4", "geneve", addresses[0])
        names = {"hv3", "hv4"}
    else:
        # One row that a chassis lists although the row is not its own.
        row = site.sb("--bare", "--columns=_uuid", "find", "Encap",
                      "chassis_name=hv2")
        site.sb("add", "Chassis", third, "encaps", row)
        names = {"hv2", "hv3"}
    try:
        status, found = site.findings()
        assert status == 1
        (finding,) = found["address-claimed-twice"]
        assert all(name in finding["what"] for name in names)
        assert ("chassis-foreign-encap" in found) == (names != {"hv3", "hv4"})
    finally:
        site.sb("--if-exists", "chassis-del", "hv4")
        if addresses[0] == addresses[1]:
            site.sb("remove", "Chassis", third, "encaps", row)


def test_record_of_a_type_that_is_not_used(site, third):
    """What a chassis that is gone left behind claims nothing, unless another
    one has tunnels of that type."""
    site.add_chassis(third, "192.0.2.3", fingerprint("3"))
    site.sb("chassis-add", "stale", "vxlan", "192.0.2.3")
    try:
        assert "address-claimed-twice" not in site.findings()[1]
        site.sb("chassis-add", "hv4", "vxlan", "192.0.2.4")
        assert "hv3 and stale" in \
            site.findings()[1]["address-claimed-twice"][0]["what"]
    finally:
        site.sb("chassis-del", "stale", "--", "--if-exists", "chassis-del",
                "hv4")


def test_shared_fingerprint(site, third):
    site.add_chassis(third, "192.0.2.3", fingerprint("2"))
    status, found = site.findings()
    assert status == 0 and "hv2 and hv3" in \
        found["fingerprint-shared"][0]["what"]


@pytest.mark.parametrize("target, name", [("ptcp:6643", "sb-tcp"),
                                          ("pssl:6643", "sb-no-rbac")])
def test_sb_access(site, target, name):
    own = ["role=ovn-controller", f"pssl:{SB_PORT}:127.0.0.1"]
    try:
        site.sb("set-connection", target, *own)
        status, found = site.findings()
        assert status == 1 and name in found
        assert {f["where"] for f in found[name]} == {target}
        # A read-only client replaces nothing; without TLS that is not known.
        site.sb("set-connection", "read-only", target, "read-write", *own)
        status, found = site.findings()
        assert (status == 1 and "sb-tcp" in found if name == "sb-tcp"
                else (status, found) == (0, {}))
        site.sb("del-connection")
        status, found = site.findings()
        assert status == 0 and set(found) == {"sb-access"}
    finally:
        site.sb("set-connection", *own)


def test_default_and_northd(site):
    """The cluster's default; an ovn-northd that does not answer."""
    try:
        site.nb("--wait=sb", "set", "NB_Global", ".",
                "options:vnetenc-default=always")
        status, found = site.findings()
        assert status == 1 and set(found) == {"nb-default"}
        site.nb("--wait=sb", "set", "NB_Global", ".",
                "options:vnetenc-default=prefer")
        status, text = site.ask()
        assert status == 0 and "plain (prefer)" in text
        site.run.cmd(site.central.tree.program("ovs-appctl"), "-t",
                     site.central.northd_ctl, "pause")
        site.nb("set", "logical_switch", "plain", "encryption=require")
        for option in "--no-sync", "--timeout=2":
            status, found = site.findings(option)
            assert status == 1 and set(found) == {"northd"}
        assert any("does not follow" in f["what"] for f in found["northd"])
    finally:
        site.run.cmd(site.central.tree.program("ovs-appctl"), "-t",
                     site.central.northd_ctl, "resume")
        site.nb("--wait=sb", "remove", "NB_Global", ".", "options",
                "vnetenc-default", "--", "clear", "logical_switch", "plain",
                "encryption")


def test_default_credential(site, switch, credential):
    """The credential of switches without their own."""
    site.nb("clear", "logical_switch", switch, "encryption_credential", "--",
            "clear", "Encryption_Credential", credential, "chassis", "--",
            "set", "NB_Global", ".", "options:vnetenc-default-credential=C")
    try:
        status, found = site.findings(switch)
        assert status == 1
        assert set(found) == {"nb-default"}
        site.nb("set", "NB_Global", ".",
                f"options:vnetenc-default-credential={credential}")
        assert set(site.findings(switch)[1]) == {"credential-open"}
        site.nb("set", "logical_switch", switch,
                "other_config:encryption-profile=0")
        assert site.findings(switch) == (0, {})
    finally:
        site.nb("remove", "NB_Global", ".", "options",
                "vnetenc-default-credential")


def test_mtu_follows_the_underlay(site):
    def best(*args):
        return json.loads(site.ask("--json", *args)[1])["asked"]["guest_mtu"]

    assert best("--underlay-mtu=9000") == 8905
    site.sb("chassis-add", "hv6", "geneve", "fd00::6")
    try:
        assert best() == 1385
    finally:
        site.sb("chassis-del", "hv6")


# On hypervisors.

class Asked(Site):
    """The same report on a running cloud."""

    def __init__(self, cloud):              # pylint: disable=W0231
        self.run = cloud.run
        self.central = cloud.central
        self.nb, self.sb = self.central.nbctl, self.central.sbctl
        self.path = ":".join(str(cloud.tree.program(p).parent) for p in
                             ("ovs-vsctl", "ovsdb-tool", "ovn-nbctl"))

    def wait_ready(self, hv):
        """Waits until nothing is found on a host.  That a session has come up
        after an error reaches the database within a second."""
        runspace.wait_until(lambda: self.findings(hv=hv) == (0, {}),
                            f"{hv.name} is ready")


def test_local_counters(make_cloud):
    """Packets that `require` would have dropped are counted in both
    directions, and are no longer counted when they are no longer sent."""
    cloud = make_cloud(n=3, incapable=[3])
    vm1, vm2, vm3 = (cloud.add_vm(n, n) for n in (1, 2, 3))
    cloud.set_mode("prefer")
    cloud.encrypted(vm1, vm2)
    site = Asked(cloud)
    hv1, hv3 = cloud.hvs[0], cloud.hvs[2]
    assert "chassis-not-capable" in site.findings(hv=hv1)[1]
    cloud.clear(vm1, vm3)
    status, found = site.findings(hv=hv1)
    assert status == 1 and set(found) == {
        "chassis-not-capable", "would-drop-arrivals", "would-drop-departures"}
    text = found["would-drop-arrivals"][0]["what"]
    assert "sw0" in text and found["would-drop-arrivals"][0]["where"] == "hv1"
    status, text = site.ask("--json", hv=hv1)
    asked = json.loads(text)["asked"]
    assert asked["local"] == "hv1" and asked["switches"] == {"sw0": "prefer"}
    assert asked["underlay_mtu"] == 1600 and asked["guest_mtu"] == 1505
    (counter,) = (c for c in asked["counters"] if "switch" in c)
    # Open vSwitch updates the counts of its cached flows now and then.
    assert counter["switch"] == "sw0" and counter["arrived_in_clear"] >= 1
    # Without such packets, except those that machines send by themselves.
    runspace.wait_until(lambda: set(site.findings(
        "--watch=0.2", hv=hv1)[1]) == {"chassis-not-capable"},
        "there are quiet times")
    # That host reports it itself.
    assert "local-not-capable" in site.findings("--local", hv=hv3)[1]


def test_dropped_beyond_a_router(make_cloud):
    """What arrives in clear in one switch and is dropped before another one,
    which the counters of table 241 do not show."""
    cloud = make_cloud(n=3, incapable=[1], switches=("sw0", "sw1"))
    cloud.add_router()
    cloud.central.nbctl("set", "logical_router", "lr0", "options:chassis=hv2")
    vm1 = cloud.add_vm(3, 1, routed=True)
    vm3 = cloud.add_vm(1, 3, "sw1", net=1, routed=True)
    cloud.clear(vm3, vm1)
    site, hv2 = Asked(cloud), cloud.hvs[1]
    assert "dropped-beyond" not in site.findings(hv=hv2)[1]
    cloud.excuse(cloud.set_mode("require"))
    cloud.strangers.add(cloud.hvs[0].ip)

    def reported():
        assert vm3.ping(vm1.ip, 2, 0.05, wait=0.1).lost
        # The router has one, too, if vm1 sent by itself meanwhile.
        return [f for f in site.findings(hv=hv2)[1].get("dropped-beyond", ())
                if f["what"].startswith("sw0:")]

    finding, = runspace.wait_until(reported, "the drop is reported")
    assert finding["level"] == "FAIL"
    # The counters of flows follow those of the datapath within a second.
    runspace.wait_until(lambda: "dropped-beyond" not in site.findings(
        "--watch=0.2", hv=hv2)[1], "no more is dropped")


def test_dead_controller(make_cloud):
    """A chassis that does not answer; its database looks as ever."""
    cloud = make_cloud()
    vm1, vm2 = (cloud.add_vm(n, n) for n in (1, 2))
    cloud.set_mode("require")
    cloud.encrypted(vm1, vm2)
    site = Asked(cloud)
    hv1, hv2 = cloud.hvs
    site.wait_ready(hv1)
    os.kill(hv2.controller.pid, signal.SIGSTOP)
    try:
        # It has done all that was asked of it before.
        assert site.findings("--no-sync", hv=hv1) == (0, {})
        status, found = site.findings("--timeout=2", hv=hv1)
        assert status == 1 and set(found) == {"chassis-behind"}
        finding, = found["chassis-behind"]
        assert finding["where"] == "hv2" and finding["level"] == "FAIL"
        status, found = site.findings("--local", hv=hv2)
        assert status == 1 and "local-controller" in found
    finally:
        os.kill(hv2.controller.pid, signal.SIGCONT)
    runspace.wait_until(lambda: site.findings(hv=hv2) == (0, {}),
                        "it has caught up")


def test_local_two_datapaths(make_cloud):
    """The report names the bridges to change, and how; after the changes the
    host is ready."""
    cloud = make_cloud()
    vm1, vm2 = (cloud.add_vm(n, n) for n in (1, 2))
    cloud.set_mode("require")
    cloud.encrypted(vm1, vm2)
    site, hv1 = Asked(cloud), cloud.hvs[0]
    site.wait_ready(hv1)
    # A bridge that is not on the way of tunnel packets may stay.
    hv1.vsctl("--no-wait", "add-br", "br-own")
    assert site.findings(hv=hv1) == (0, {})
    # A bridge that a patch port connects may not.
    hv1.vsctl("--no-wait", "add-port", "br-own", "a", "--", "set", "interface",
              "a", "type=patch", "options:peer=b", "--", "add-port", "br-int",
              "b", "--", "set", "interface", "b", "type=patch",
              "options:peer=a")
    hv1.vsctl("--no-wait", "set", "bridge", "br-phys", "datapath_type=system")
    # This kernel has no datapath, so the test makes the bridge's interface.
    runspace.wait_until(lambda: "br-phys" not in hv1.run.cmd(
        "ip", "-n", hv1.netns, "link"), "the bridge is gone")
    hv1.run.ip(hv1.netns, "link add br-phys type veth peer name v")
    hv1.restore_addresses()
    status, found = site.findings("--local", hv=hv1)
    named = {f["what"].split()[1]: f for f in found["local-two-datapaths"]}
    assert status == 1 and set(named) == {"br-own", "br-phys"}
    assert all("stops meanwhile" in f["what"] for f in named.values())
    hv1.vsctl("del-br", "br-own", "--", "del-port", "br-int", "b")
    hv1.run.ip(hv1.netns, "link del br-phys")
    # The command of its remedy.
    command = re.search(r"ovs-vsctl (.*), and give", named["br-phys"]["do"])
    hv1.vsctl(*command[1].split())
    hv1.restore_addresses()
    cloud.encrypted(vm1, vm2)
    assert "local-two-datapaths" not in site.findings(hv=hv1)[1]


def test_local_kernel_datapath(make_cloud):
    """A host whose bridges are all on the kernel datapath need not change
    them: what counts is whether that datapath can encrypt."""
    cloud = make_cloud()
    site, hv1 = Asked(cloud), cloud.hvs[0]
    for bridge in ("br-int", "br-phys"):
        hv1.vsctl("--no-wait", "set", "bridge", bridge, "datapath_type=system")
    # ovn-controller sets it when it is configured.
    hv1.vsctl("--no-wait", "set", "Open_vSwitch", ".",
              "external_ids:ovn-bridge-datapath-type=system")
    runspace.wait_until(lambda: "br-phys" not in hv1.run.cmd(
        "ip", "-n", hv1.netns, "link"), "the bridge is gone")
    hv1.run.ip(hv1.netns, f"addr add {hv1.ip}/24 dev mg")
    _, found = site.findings("--local", hv=hv1)
    assert "local-two-datapaths" not in found


def test_local_without_ovn(make_lab):
    """The report also works with plain Open vSwitch, with and without a bridge
    br-int."""
    lab = make_lab(n_hypervisors=1)
    hv, = lab.hvs

    def found():
        return {name for name, findings in findings_without_ovn(lab).items()
                if any(f["level"] == "FAIL" for f in findings)}

    assert found() == set()
    hv.hide_capability()
    assert found() == {"local-not-capable"}
    hv.vsctl("del-br", "br-int")
    assert "local-unreachable" not in found()


def findings_without_ovn(lab):
    """{id: findings} of the first host of a lab."""
    hv = lab.hvs[0]
    paths = {str(lab.tree.program(p).parent) for p in
             ("ovs-vsctl", "ovsdb-tool", "ovn-nbctl")}
    done = subprocess.run(
        [*lab.run._enter(hv.netns), READY, "--local", "--json",
         "--timeout=1"], text=True, capture_output=True, timeout=60,
        check=False,
        env={"PATH": ":".join([*paths, "/usr/bin:/bin"]), **hv.env})
    found = {}
    for finding in json.loads(done.stdout)["findings"]:
        found.setdefault(finding["id"], []).append(finding)
    return found


def test_local_certificates(make_lab):
    """What has expired, and what soon will."""
    lab = make_lab(n_hypervisors=1)
    hv, = lab.hvs
    mint = Mint(lab.run)
    day = datetime.timedelta(days=1)
    old, soon = mint.make_ca(ends=-day / 24), mint.make_ca(ends=day)
    good = mint.make_ca(ends=20 * day)
    crl = mint.dir / "crl.pem"
    lab.run.cmd("openssl", "ca", "-gencrl", "-config", mint.dir / "ca.cnf",
                "-cert", good.cert, "-keyfile", good.key, "-out", crl,
                "-crl_lastupdate", "20200101000000Z",
                "-crl_nextupdate", "20200201000000Z")
    both = mint.dir / "both.pem"
    both.write_text(good.cert.read_text() + soon.cert.read_text())
    own = mint.make(good, ends=20 * day)
    hv.add_profile(0, certificate=own.cert, private_key=own.key,
                   ca_cert=both)
    runspace.wait_until(lambda: any(
        "ca_cert" in p for p in hv.show_json()["profiles"]), "it is in use")
    finding, = findings_without_ovn(lab)["local-certificate"]
    assert finding["level"] == "WARN" and "ca_cert" in finding["what"]
    hv.vsctl("set", "VNetEnc_Profile", "0", f"ca_cert={good.cert}",
             f"crl={crl}")
    runspace.wait_until(lambda: any(
        "crl" in p for p in hv.show_json()["profiles"]), "it is in use")
    finding, = findings_without_ovn(lab)["local-certificate"]
    assert finding["level"] == "FAIL" and str(crl) in finding["do"]
    hv.vsctl("set", "VNetEnc_Profile", "0", f"ca_cert={old.cert}", "--",
             "clear", "VNetEnc_Profile", "0", "crl")
    runspace.wait_until(lambda: any(
        p.get("ca_cert") == str(old.cert)
        for p in hv.show_json()["profiles"]), "it is in use")
    finding, = findings_without_ovn(lab)["local-certificate"]
    assert finding["level"] == "FAIL" and str(old.cert) in finding["do"]


def test_profile_without_certificate(make_lab):
    """A row that ovs-vswitchd has not seen."""
    lab = make_lab(n_hypervisors=1)
    hv, = lab.hvs
    assert "local-profile" not in findings_without_ovn(lab)
    os.kill(hv.vswitchd.pid, signal.SIGSTOP)
    try:
        hv.vsctl("--no-wait", "create", "VNetEnc_Profile", "id=5")
        finding, = findings_without_ovn(lab)["local-profile"]
    finally:
        os.kill(hv.vswitchd.pid, signal.SIGCONT)
    assert "profile 5: has no certificate yet" in finding["what"]


def test_local_dtls_port(make_lab):
    """Plain tunnels at the port of encrypted ones, before the upgrade or
    after it."""
    lab = make_lab(n_hypervisors=1)
    hv, = lab.hvs
    assert "local-dtls-port" not in findings_without_ovn(lab)
    hv.add_tunnel("172.31.0.9", "old", dst_port=6082)
    finding, = findings_without_ovn(lab)["local-dtls-port"]
    assert finding["level"] == "FAIL"
    assert "tunnel old has dst_port=6082" in finding["what"]
    assert "other_config:vnetenc-geneve-port=" in finding["do"]
    hv.vsctl("--no-wait", "set", "Open_vSwitch", ".",
             "other_config:vnetenc-geneve-port=6090")
    assert "local-dtls-port" not in findings_without_ovn(lab)


def test_stock(make_cloud, tmp_path):
    """Stock programs are asked without the tables and columns that only
    vnetenc has."""
    cloud = make_cloud()
    site, hv1 = Asked(cloud), cloud.hvs[0]
    for name, unknown, message in (
            ("ovs-vsctl", "VNetEnc_", 'unknown table "VNetEnc_Peer"'),
            ("ovn-nbctl", "encryption", "Logical_Switch does not contain a"
             ' column whose name matches "encryption"')):
        program = tmp_path / name
        program.write_text(
            f"#!/bin/sh\ncase \"$*\" in *{unknown}*) echo '{name}: {message}'"
            f" >&2; exit 1;; esac\nexec {cloud.tree.program(name)} \"$@\"\n")
        program.chmod(0o755)
    site.path = f"{tmp_path}:{site.path}"
    status, found = site.findings("--all", hv=hv1)
    assert status == 1 and {"nb-stock", "local-stock"} <= set(found)
    assert "nb-unreachable" not in found and "local-unreachable" not in found


def test_local_peers(make_cloud):
    """Rows of peers, their pins and handshakes; profiles; interfaces."""
    cloud = make_cloud()
    vm1, vm2 = (cloud.add_vm(n, n) for n in (1, 2))
    cloud.set_mode("require")
    cloud.encrypted(vm1, vm2)
    site = Asked(cloud)
    hv1, hv2 = cloud.hvs
    site.wait_ready(hv1)
    # As the host itself reaches the southbound database: over TLS.
    assert site.findings("--local", f"--sb={site.central.sb_remote}",
                         *hv1.sb_tls, hv=hv1) == (0, {})
    status, found = site.findings("--underlay-mtu=1494", hv=hv1)
    assert status == 0 and set(found) == {"mtu-port"}
    assert "1399" in found["mtu-port"][0]["what"]
    site.nb("--wait=sb", "set", "logical_switch", "sw0",
            "other_config:encryption-profile=7")
    assert "local-no-profile" in site.findings(hv=hv1)[1]
    # A hypervisor sees that without the northbound database.
    finding, = site.findings("--local", hv=hv1)[1]["local-no-profile"]
    assert "sw0" in finding["what"] and "profile 7" in finding["what"]
    site.nb("--wait=sb", "remove", "logical_switch", "sw0", "other_config",
            "encryption-profile")
    hv1.vsctl("--", "destroy", "VNetEnc_Peer", hv2.ip,
              "--", "create", "VNetEnc_Peer", f'remote_ip="{hv2.ip}"',
              "external_ids:source=local")
    status, found = site.findings(hv=hv1)
    assert status == 1 and "local-no-pin" in found
    hv1.set_peer(hv2.ip, f'fingerprints="{fingerprint("5")}"')

    def refused():
        assert vm1.ping(vm2.ip, 2, 0.05, wait=0.1).lost
        return "local-peer" in site.findings(hv=hv1)[1]

    runspace.wait_until(refused, "the handshake's failure is reported")
