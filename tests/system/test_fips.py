# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""ovs-vswitchd with OpenSSL's FIPS module.

The module and its configuration are those of Debian 13, which the OpenSSL of
Debian 12 loads as well.  `make check-fips' puts both into `_fips', and runs
this."""

import re

import pytest

import capture
from claims import assert_sealed
from lab import Hypervisor, pings, tcp_transfer

MARKER = b"only approved services seal this "
CONFIG = """\
openssl_conf = init
.include {}
[init]
providers = providers
alg_section = algorithms
[providers]
fips = fips_sect
base = base
[base]
activate = 1
[algorithms]
default_properties = fips=yes
"""


@pytest.fixture(name="environment")
def fixture_environment(run, tree):
    """The environment of programs that use the module and nothing else."""
    module = tree.ovs.parents[1] / "_fips"
    if not (module / "fips.so").exists():
        pytest.skip(f"{module} has no FIPS module: make check-fips fetches it")
    config = run.folder("fips") / "openssl.cnf"
    config.write_text(CONFIG.format(module / "fipsmodule.cnf"))
    return {"OPENSSL_CONF": str(config), "OPENSSL_MODULES": str(module)}


def host_kind(environment):
    """A kind of host whose ovs-vswitchd has this environment."""
    return type("FipsHost", (Hypervisor,), {"launcher": [
        "env", *(f"{name}={value}" for name, value in environment.items())]})


def explicit_nonces(path, initiator):
    """For each session that a host began, [(sequence number, explicit nonce)]
    of the records that it sent there."""
    found = {}
    for r in capture.data_records(path):
        if r.src == initiator and r.dport == capture.DTLS:
            found.setdefault(r.sport, []).append(
                (r.seq, int.from_bytes(r.fragment[:8], "big")))
    return found.values()


@pytest.mark.parametrize("n_fips", (1, 2))
def test_traffic(make_lab, environment, n_fips):
    """Hosts with the module, with each other and with one that lacks it:
    rekeys under traffic lose nothing, no nonce is repeated, and the module
    makes its own."""
    lab = make_lab(kinds=[host_kind(environment)] * n_fips
                   + [Hypervisor] * (2 - n_fips))
    lab.pin()
    lab.connect(encryption="require")
    pcap = lab.underlay.capture()
    vm1, vm2 = lab.vms
    vm1.reaches(vm2.ip)
    running = vm1.ping_start(vm2.ip, 10000, 0.005)
    for _ in range(5):
        for hv, other in (lab.hvs, lab.hvs[::-1]):
            hv.appctl("vnetenc/rekey", other.ip)
        for a, b in (lab.vms, lab.vms[::-1]):
            assert tcp_transfer(a, b, MARKER * 2000) == MARKER * 2000
    assert not pings(running, stop=True).lost

    for number, hv in enumerate(lab.hvs):
        show = hv.show_json()
        used = {session["provider"] for peer in show["peers"]
                for session in peer["sessions"]
                if session.get("state") == "up"}
        if number < n_fips:
            assert show["fips_module"].startswith("OpenSSL FIPS Provider")
            assert set(show["providers"]) == {"aes128-gcm", "aes256-gcm"}
            assert set(show["providers"].values()) == used == {"fips"}
        else:
            assert "fips" not in used

    path = pcap.stop()
    assert_sealed(path, lab, MARKER)            # No nonce is repeated.
    for number, hv in enumerate(lab.hvs):
        # Where the nonces begin, beside the sequence numbers.
        starts = [{nonce - seq for seq, nonce in records}
                  for records in explicit_nonces(path, hv.ip)]
        assert len(starts) >= 6
        for start in starts:
            assert len(start) == 1
        starts = {start.pop() for start in starts}
        # With the module, at random.  Otherwise the epoch is before them.
        assert (len(starts) >= 6 and 1 << 48 not in starts
                if number < n_fips else starts == {1 << 48})


def test_unit(run, tree, environment):
    """The unit program, with the module."""
    program = tree.ovs / "tests/test-vnetenc-fips"
    text = run.cmd(program, env=environment)
    assert re.search("^sealing with .*FIPS", text, re.M), text
