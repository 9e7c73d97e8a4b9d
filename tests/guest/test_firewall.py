# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The stateful firewall of a host with the kernel datapath, with the rules
that are packaged."""

import pytest

from claims import assert_sealed
from host import MARKER, assert_traffic, sessions_up
from lab import TOP

pytestmark = pytest.mark.conntrack

# Nothing passes but what our chains, or a connection that passed, let through.
FILTER = """
table inet filter {
    include "%(top)s/utilities/vnetenc.nft"
    chain input {
        type filter hook input priority filter; policy drop;
        ct state invalid counter drop
        ct state established counter accept
        jump vnetenc
    }
    chain output {
        type filter hook output priority filter; policy drop;
        ct state invalid counter drop
        ct state established counter accept
        jump vnetenc
    }
%(more)s
}
"""
NOTRACK = """
    chain prerouting {
        type filter hook prerouting priority raw;
        jump vnetenc-notrack
    }
    chain output-raw {
        type filter hook output priority raw;
        jump vnetenc-notrack
    }
"""


def load(lab, more):
    for hv in lab.hvs:
        lab.run.cmd("nft", "-f", "-", netns=hv.netns,
                    stdin="flush ruleset\n" + FILTER % {"top": TOP,
                                                        "more": more})


def tracked(lab):
    """How many packets of each host matched an established connection."""
    return [sum(int(line.split("counter packets ")[1].split()[0])
                for line in lab.run.cmd("nft", "list", "ruleset",
                                        netns=hv.netns).splitlines()
                if "established" in line) for hv in lab.hvs]


def test_stateful(make_hosts):
    """Sessions begin and data passes in both directions, tracked and, with
    the chains for that, untracked.  Without our rules nothing passes, and
    nothing leaves in clear instead."""
    lab = make_hosts()
    pcap = lab.underlay.capture()
    load(lab, "")
    lab.pin()
    lab.connect(encryption="require")
    assert_traffic(lab, 200)
    assert all(count > 100 for count in tracked(lab)), tracked(lab)
    load(lab, NOTRACK)
    assert_traffic(lab, 200)
    assert tracked(lab) == [0, 0]
    for hv in lab.hvs:
        hv.kill_vswitchd()
        hv.restart_vswitchd()
    sessions_up(lab.hvs)
    assert_traffic(lab, 200)
    assert tracked(lab) == [0, 0]
    for hv in lab.hvs:
        lab.run.cmd("nft", "flush", "chain", "inet", "filter", "vnetenc",
                    netns=hv.netns)
    assert lab.vms[0].ping(lab.vms[1].ip, 10, 0.05, wait=1).lost == 10
    assert_sealed(pcap.stop(), lab, MARKER)
