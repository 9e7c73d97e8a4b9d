# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""What a host does with the UDP of its tunnels: firewall, connection tracking,
IPsec."""

import re
import socket

import pytest

import capture
from claims import assert_sealed, assert_silent
from harness import guest
from host import MARKER, assert_traffic, capable, under_traffic
from lab import TOP
from runspace import wait_until

RULES = TOP / "utilities/vnetenc.nft"
RULE = re.compile(r"udp (\w+) \{ ([\d, ]+) \} (\w+)$", re.M)
ESTABLISHED = "ct state established accept"
CHAIN = """chain {name} {{
    type filter hook {hook} priority {priority}; policy {policy};
    {rules}
}}
"""


def documented(chain):
    """The rules of a chain of the file that we install."""
    text = RULES.read_text(encoding="utf-8")
    return re.search(r"^chain " + chain + r" \{\n(.*?)^\}", text,
                     re.M | re.S)[1]


def as_iptables(rules):
    """These rules as arguments of iptables."""
    found = [f"-p udp -m multiport --{field}s {ports.replace(' ', '')}"
             f" -j {verdict.upper()}"
             for field, ports, verdict in RULE.findall(rules)]
    if ESTABLISHED in rules:
        found.append("-m conntrack --ctstate ESTABLISHED -j ACCEPT")
    return found


def set_firewall(hv, rules, untracked=""):
    """The host drops all IPv4 packets but what `rules` accept, and does not
    track those that `untracked` selects."""
    if guest.UML:
        # Its kernel has no nftables for IP.
        lines = ["*raw", *(f"-A {chain} {rule}" for chain in
                           ("PREROUTING", "OUTPUT")
                           for rule in as_iptables(untracked)), "COMMIT",
                 "*filter", ":INPUT DROP [0:0]", ":OUTPUT DROP [0:0]",
                 *(f"-A {chain} {rule}" for chain in ("INPUT", "OUTPUT")
                   for rule in as_iptables(rules)), "COMMIT"]
        hv.run.cmd("iptables-legacy-restore", netns=hv.netns,
                   stdin="\n".join(lines) + "\n")
    else:
        chains = [CHAIN.format(name=hook, hook=hook, priority=priority,
                               policy=policy, rules=text)
                  for text, priority, policy, hooks in (
                      (rules, "filter", "drop", ("input", "output")),
                      (untracked, "raw", "accept", ("prerouting", "output")))
                  for hook in hooks]
        tables = "".join(f"table ip {name} {{\n{''.join(part)}}}\n"
                         for name, part in (("t", chains[:2]),
                                            ("raw", chains[2:])))
        hv.run.cmd("nft", "-f", "-", netns=hv.netns,
                   stdin="flush ruleset\n" + tables)


def clear_firewall(hv):
    if guest.UML:
        hv.run.cmd("iptables-legacy-restore", netns=hv.netns, stdin=(
            "*raw\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\n"
            ":OUTPUT ACCEPT [0:0]\nCOMMIT\n"))
    else:
        hv.run.cmd("nft", "flush", "ruleset", netns=hv.netns)


def n_tracked(hv):
    """How many connections the host tracks."""
    return int(hv.run.cmd("sysctl", "-n", "net.netfilter.nf_conntrack_count",
                          netns=hv.netns))


class TestFirewall:
    """Hosts whose firewalls drop what they do not know."""

    @pytest.fixture(name="lab", scope="class")
    def fixture_lab(self, make_hosts):
        lab = make_hosts()
        lab.run.cmd("modprobe", "nf_conntrack")
        lab.pin()
        lab.connect(encryption="require")
        lab.vms[0].reaches(lab.vms[1].ip, 15)
        return lab

    @pytest.fixture(autouse=True)
    def fixture_open(self, lab):
        yield
        for hv in lab.hvs:
            clear_firewall(hv)

    def passes(self, lab, *args):
        """With these firewalls, new sessions come up, and traffic passes."""
        hv1, hv2 = lab.hvs
        for hv in lab.hvs:
            set_firewall(hv, *args)
        with under_traffic(lab):
            hv2.kill_vswitchd()
            hv2.restart_vswitchd()
            hv1.appctl("vnetenc/rekey", hv2.ip)
            lab.vms[0].reaches(lab.vms[1].ip, 20)
        pcap = lab.underlay.capture()
        assert_traffic(lab, 500)
        assert_sealed(pcap.stop(), lab, MARKER)

    def test_documented_rules(self, lab):
        """The rules of the file alone suffice."""
        self.passes(lab, documented("vnetenc"))

    def test_untracked(self, lab):
        """The same, and sealed packets are not tracked."""
        rules = documented("vnetenc-notrack")
        for hv in lab.hvs:
            set_firewall(hv, documented("vnetenc"), rules)
        before = [n_tracked(hv) for hv in lab.hvs]
        self.passes(lab, documented("vnetenc"), rules)
        assert all(n_tracked(hv) <= n for hv, n in zip(lab.hvs, before))

    def test_stateful(self, lab):
        """A firewall that tracks connections needs only the rule for those
        that begin."""
        begin = "\n".join(line for line in documented("vnetenc").splitlines()
                          if "dport" in line)
        assert "sport" not in begin
        self.passes(lab, f"{ESTABLISHED}\n{begin}")
        assert all(n_tracked(hv) >= 2 for hv in lab.hvs)

    def test_closed(self, lab):
        """Without the rules nothing passes, and nothing is in clear."""
        hv1 = lab.hvs[0]
        before = hv1.coverage("vnetenc_tx_socket")
        set_firewall(hv1, ESTABLISHED.replace("established", "invalid"))
        pcap = lab.underlay.capture()
        assert lab.vms[0].ping(lab.vms[1].ip, 5, 0.1, wait=1).lost == 5
        hv1.expect("vnetenc_tx_socket", before + 5)
        assert_silent(pcap.stop(), lab)
        clear_firewall(hv1)
        lab.vms[0].reaches(lab.vms[1].ip, 20)


def protect(hv, other, *selector):
    """IPsec between two hosts in transport mode, for what `selector` selects
    of the packets that leave this host."""
    hv.run.ip(hv.netns, "xfrm state flush", "xfrm policy flush")
    for src, dst, direction in ((hv, other, "out"), (other, hv, "in")):
        hv.run.ip(
            hv.netns,
            f"xfrm state add src {src.ip} dst {dst.ip} proto esp"
            f" spi {0x1000 + src.number} mode transport aead"
            f" rfc4106(gcm(aes)) 0x{src.number:040x} 128",
            *(f"xfrm policy add src {src.ip} dst {dst.ip} {text}"
              f" dir {direction} tmpl src {src.ip} dst {dst.ip} proto esp"
              f" mode transport" for text in selector or [""]))


def assert_only_esp(path, lab):
    """All that the hosts send to each other is in ESP, and there is some."""
    ips = {socket.inet_aton(hv.ip) for hv in lab.hvs}
    protocols = {frame[23] for _, frame in capture.frames(path)
                 if {frame[26:30], frame[30:34]} == ips
                 and frame[12:14] == b"\x08\x00"}
    assert protocols == {socket.IPPROTO_ESP}, protocols
    assert_silent(path, lab, MARKER)


class TestIpsec:
    """Hosts with IPsec between them."""

    @pytest.fixture(name="lab", scope="class")
    def fixture_lab(self, make_hosts):
        return make_hosts()

    @pytest.fixture(autouse=True)
    def fixture_ports(self, lab):
        """Each test makes its tunnels."""
        yield
        for hv in lab.hvs:
            hv.run.ip(hv.netns, "xfrm state flush", "xfrm policy flush")
            for name in ("gnv1", "gnv2"):
                hv.vsctl("--if-exists", "del-port", name)
            for table in ("VNetEnc_Peer", "VNetEnc_Profile"):
                hv.vsctl("--all", "destroy", table)

    def both(self, lab, *selector):
        protect(lab.hvs[0], lab.hvs[1], *selector)
        protect(lab.hvs[1], lab.hvs[0], *selector)

    def test_everything(self, lab):
        """Records are in ESP, and nothing is lost, although the kernel refuses
        to split a super-packet."""
        lab.pin()
        lab.connect(encryption="require")
        lab.vms[0].reaches(lab.vms[1].ip, 15)
        pcap = lab.underlay.capture()
        self.both(lab)
        with under_traffic(lab):
            lab.vms[0].reaches(lab.vms[1].ip, 15)
        assert_silent(pcap.stop(), lab, MARKER)
        for hv, other in zip(lab.hvs, reversed(lab.hvs)):
            hv.appctl("vnetenc/rekey", other.ip)
        pcap = lab.underlay.capture()
        assert_traffic(lab, 2000)
        assert_only_esp(pcap.stop(), lab)
        self.long_packets(lab)
        # IPsec ends, encryption does not.
        for hv in lab.hvs:
            hv.run.ip(hv.netns, "xfrm policy flush", "xfrm state flush")
        pcap = lab.underlay.capture()
        assert_traffic(lab, 500)
        assert_sealed(pcap.stop(), lab, MARKER)

    def long_packets(self, lab):
        """Packets that fit into one record but not into one of IPsec pass in
        two halves, once probes have found out."""
        for hv, vm in zip(lab.hvs, lab.vms):
            lab.run.ip(hv.netns, f"link set dev {vm.port} mtu 1505")
            lab.run.ip(vm.netns, "link set dev e0 mtu 1505")
        wait_until(lambda: "1 received" in lab.vms[0].cmd(
            "ping", "-c", "1", "-W", "1", "-M", "do", "-s", "1477",
            lab.vms[1].ip, check=False), "long packets pass", 30)
        assert_traffic(lab, 500)

    def test_tunnels_in_clear(self, lab):
        """IPsec for tunnels alone, as Open vSwitch sets it up: it also holds
        for packets of `prefer` that no record can take."""
        hv1, hv2 = lab.hvs
        hv1.add_tunnel(hv2.ip, "gnv2", encryption="prefer")
        hv2.add_tunnel(hv1.ip, "gnv1")
        capable(lab)
        pcap = lab.underlay.capture()
        assert_traffic(lab, 100)
        assert capture.plaintext_tunnel(pcap.stop())
        self.both(lab, "proto udp dport 6081")
        wait_until(lambda: lab.vms[0].ping(lab.vms[1].ip, 1, 1,
                                           wait=1).received, "IPsec is up")
        pcap = lab.underlay.capture()
        assert_traffic(lab, 500)
        assert_only_esp(pcap.stop(), lab)
