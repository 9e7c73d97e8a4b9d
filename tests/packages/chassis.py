# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Chassis of OVN with packages, which are upgraded, encrypted and rolled back
while their machines send, and the claims about them."""

import contextlib
import json
import re
import subprocess
import time

from hosts import (
    MANAGEMENT, PATIENCE, TENANT, UNDERLAY, Host, Ping, run, wait_until)

BEFORE = "Before an upgrade"
UPGRADE = "On a machine that already runs Open vSwitch"
BACK = "Back to the stock packages"

OURS = "+vnetenc"
TIMEOUT = "--timeout=%d" % (60 * PATIENCE)
OVS = ["openvswitch-common", "openvswitch-switch", "python3-openvswitch"]
CENTRAL = ["ovn-common", "ovn-central"]
CHASSIS = ["ovn-common", "ovn-host"]


class Claims:
    def __init__(self):
        self.all = []

    def __call__(self, text, ok, detail=""):
        self.all.append({"claim": text, "ok": bool(ok),
                         "detail": str(detail)})
        print("%-6s %s%s" % ("ok" if ok else "NOT OK", text,
                             "  [%s]" % detail if detail != "" else ""),
              flush=True)


claim = Claims()


def claims_end(report):
    """Write the claims to the file REPORT, if any; the exit status."""
    failed = sum(not c["ok"] for c in claim.all)
    if report:
        report.write_text(json.dumps({"claims": claim.all}, indent=1))
    print("%d passed, %d failed, 0 skipped"
          % (len(claim.all) - failed, failed))
    return 1 if failed or not claim.all else 0


NETWORK = """[Match]
Name=%s
[Link]
MTUBytes=1600
[Network]
Address=%s/24
LinkLocalAddressing=no
"""


class Cloud:
    """Some hosts with the userspace datapath, h1 also the central one, with a
    machine on each."""

    datapath = "netdev"

    def __init__(self, work, debs, kind, count):
        # Runs through all steps, if there is one.
        self.stream = None
        self.pairs = [(a, b) for b in range(1, count + 1)
                      for a in range(1, b)]
        run("ip", "link", "add", "ul0", "type", "bridge")
        run("ip", "link", "add", "mg0", "type", "bridge")
        run("ip", "link", "set", "ul0", "up", "mtu", "1600")
        run("ip", "link", "set", "mg0", "up")
        self.hosts = []
        for n in range(1, count + 1):
            h = kind(work, "h%d" % n, debs)
            h.n = n
            self.hosts.append(h)
            for wire, bridge in (("u", "ul0"), ("m", "mg0")):
                run("ip", "link", "add", "%s%d" % (wire, n), "mtu", "1600",
                    "type", "veth", "peer", "name", wire, "netns", h.name)
                run("ip", "link", "set", "%s%d" % (wire, n), "master",
                    bridge, "up")
                h("ip", "link", "set", "dev", wire, "up", "mtu", "1600")
            self.addresses(h)
            self._machine(h)

    def addresses(self, h):
        """Gives the host the addresses that need no bridge of its own."""
        # The address of "u" is not that of br-phy, as that of a network card
        # would be: the kernel must not answer with it.
        h("ip", "link", "set", "dev", "u", "arp", "off")
        for name, address in (("m", MANAGEMENT % h.n),
                              ("br-phy", UNDERLAY % h.n)):
            (h.root / "etc/systemd/network" / (name + ".network")
             ).write_text(NETWORK % (name, address))
        if h.systemd:
            h("networkctl", "reload")
        else:
            h("ip", "addr", "add", MANAGEMENT % h.n + "/24", "dev", "m")

    def _machine(self, h):
        vm = "vm%d" % h.n
        run("ip", "netns", "add", vm)
        run("ip", "-n", h.name, "link", "add", "v-" + vm, "type", "veth",
            "peer", "name", "eth0", "netns", vm)
        run("ip", "-n", h.name, "link", "set", "v-" + vm, "up")
        run("ip", "-n", vm, "link", "set", "lo", "up")
        run("ip", "-n", vm, "link", "set", "eth0", "address",
            "0a:00:00:00:00:0%d" % h.n, "mtu", "1400", "up")
        run("ip", "-n", vm, "addr", "add", TENANT % h.n + "/24", "dev",
            "eth0")
        run("ip", "netns", "exec", vm, "sh", "-c",
            "test ! -x /usr/sbin/ethtool || ethtool -K eth0 tx off")

    def start_switch(self, h):
        # The init script sets the name from this file at every start.
        (h.root / "etc/openvswitch/system-id.conf").write_text(h.name + "\n")
        h("ovs-vsctl", "set", "Open_vSwitch", ".",
          "external_ids:system-id=" + h.name,
          "external_ids:hostname=" + h.name,
          "external_ids:ovn-remote=tcp:%s:6642" % (MANAGEMENT % 1),
          "external_ids:ovn-encap-type=geneve",
          "external_ids:ovn-encap-ip=" + UNDERLAY % h.n,
          "external_ids:ovn-bridge-datapath-type=" + self.datapath)
        self.uplink(h)
        h("ovs-vsctl", "--may-exist", "add-br", "br-int", "--", "set",
          "bridge", "br-int", "datapath_type=" + self.datapath,
          "fail-mode=secure",
          "--", "add-port", "br-int", "v-vm%d" % h.n, "--", "set",
          "interface", "v-vm%d" % h.n, "external_ids:iface-id=vm%d" % h.n)
        # An administrator's own bridge, with flows no controller knows.
        h("ovs-vsctl", "add-br", "br-own", "--", "set", "bridge", "br-own",
          "datapath_type=" + self.datapath, "fail-mode=secure")
        self.add_own_flow(h)
        self.network(h)

    def add_own_flow(self, h):
        h("ovs-ofctl", "add-flow", "br-own",
          "table=3,priority=7,ip,nw_dst=192.0.2.%d,actions=drop" % h.n)

    def uplink(self, h):
        """Tunnel packets leave through a bridge."""
        h("ovs-vsctl", "add-br", "br-phy", "--", "set", "bridge", "br-phy",
          "datapath_type=netdev", "--", "add-port", "br-phy", "u")

    def network(self, h):
        """Adds addresses when the bridge appears again, as networkd does."""
        if h.systemd:
            wait_until("the address of " + h.name, lambda: UNDERLAY % h.n in h(
                "ip", "-4", "addr", "show", "dev", "br-phy", check=False))
            return
        h("ip", "link", "set", "br-phy", "up", "mtu", "1600")
        h("ip", "addr", "replace", UNDERLAY % h.n + "/24", "dev", "br-phy")

    @contextlib.contextmanager
    def kept_network(self, h):
        """The same in the background, while packages are installed."""
        if h.systemd:
            yield
            return
        keeper = subprocess.Popen(
            h.prefix() + ["/bin/sh", "-c", "while :; do "
                          "ip -4 -o addr show dev br-phy 2>/dev/null | "
                          "grep -q %s || { ip link set br-phy up mtu 1600 && "
                          "ip addr replace %s/24 dev br-phy; }; sleep 0.1; "
                          "done" % (UNDERLAY % h.n, UNDERLAY % h.n)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            keeper.terminate()
            keeper.wait()

    def ovn(self, h, command):
        """Runs the commands of OVN's units if nothing else runs them."""
        if not h.systemd:
            h("/usr/share/ovn/scripts/ovn-ctl", command, timeout=120)

    def central(self, h):
        self.ovn(h, "start_northd")
        h("ovn-nbctl", TIMEOUT, "set-connection", "ptcp:6641:0.0.0.0")
        h("ovn-sbctl", TIMEOUT, "set-connection", "ptcp:6642:0.0.0.0")

    def logical(self):
        h = self.hosts[0]
        h("ovn-nbctl", "ls-add", "sw0")
        for n in range(1, len(self.hosts) + 1):
            h("ovn-nbctl", "lsp-add", "sw0", "vm%d" % n, "--",
              "lsp-set-addresses", "vm%d" % n,
              "0a:00:00:00:00:0%d %s" % (n, TENANT % n))

    def reaches(self, a, b):
        return run("ip", "netns", "exec", "vm%d" % a, "ping", "-c1",
                   "-W%d" % PATIENCE, TENANT % b, check=False).returncode == 0

    def all_reach(self):
        return all(self.reaches(a, b) and self.reaches(b, a)
                   for a, b in self.pairs)

    def on_wire(self):
        """{two hosts: [packets in clear, encrypted]} while all machines
        send."""
        seconds = min(2 * PATIENCE, 10)
        watch = [subprocess.Popen(
            ["timeout", str(seconds), "tcpdump", "-nqi", "ul0", "udp", "port",
             port, "and", "greater", "100"], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True) for port in ("6081", "6082")]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for a, b in self.pairs:
                self.reaches(a, b)
        seen = {pair: [0, 0] for pair in self.pairs}
        for kind, w in enumerate(watch):
            for line in w.communicate()[0].splitlines():
                found = re.search(r"IP \S+\.(\d)\.\d+ > \S+\.(\d)\.\d+: UDP",
                                  line)
                if found:
                    seen[tuple(sorted(map(int, found.groups())))][kind] += 1
        return seen


def measured(text, cloud, target, step):
    """Do STEP while machines 1 and 2, or 3, send; claim the losses."""
    other = 2 if target == 1 else 1
    ping = Ping("vm%d" % other, TENANT % target)
    time.sleep(0.5)
    begin, began_at = time.monotonic(), time.time()
    try:
        step()
        took = time.monotonic() - begin
        wait_until("traffic after: " + text,
                   lambda: cloud.reaches(other, target), 60)
        time.sleep(1)
    finally:
        sent, lost, gap = ping.stop()
    stalled = ("" if not cloud.stream else ", of a TCP connection %.2f s"
               % cloud.stream.silence(began_at))
    claim("%s: traffic goes on afterwards" % text, True,
          "%.1f s for the step, %d of %d packets lost, longest silence %.2f s"
          % (took, lost, sent, gap) + stalled)
    return sent, lost, gap


def upgrade_host(cloud, h):
    with cloud.kept_network(h):
        h.readme(UPGRADE)
        if h.n == 1:
            cloud.ovn(h, "restart_northd")
        # The package ended it with --restart; its unit starts it.
        cloud.ovn(h, "start_controller")
    cloud.network(h)


def roll_host_back(cloud, h):
    with cloud.kept_network(h):
        out = h.readme(BACK)
        if h.n == 1:
            cloud.ovn(h, "restart_northd")
            if not h.systemd:
                # Only now is this database made anew, which vnetenc-rollback
                # announced.
                h("ovn-sbctl", TIMEOUT, "set-connection",
                  "ptcp:6642:0.0.0.0")
        cloud.ovn(h, "start_controller")
    cloud.network(h)
    return out


def bridges(h):
    return set(h("ovs-vsctl", "list-br").split())


def own_flow(h):
    return "nw_dst=192.0.2.%d" % h.n in h("ovs-ofctl", "dump-flows",
                                          "br-own")


def fingerprints(h):
    return h("ovn-sbctl", "--bare", "--columns=options", "list", "Encap")


def stock_cloud(work, debs, kind=Host, count=3, make=Cloud):
    """Chassis with stock packages, and machines that send."""
    cloud = make(work, debs, kind, count)
    h1 = cloud.hosts[0]
    for h in cloud.hosts:
        h.install("stock", OVS + CHASSIS + (["ovn-central"] if h is h1
                                            else []))
        cloud.start_switch(h)
    cloud.central(h1)
    cloud.logical()
    for h in cloud.hosts:
        cloud.ovn(h, "start_controller")
    h1("ovn-nbctl", "--wait=hv", TIMEOUT, "sync")
    wait_until("traffic between stock hosts", cloud.all_reach)
    cloud.stock = {h.name: h.versions() for h in cloud.hosts}
    cloud.kept = {h.name: bridges(h) for h in cloud.hosts}
    seen = cloud.on_wire()
    claim("%d stock chassis talk in clear" % count,
          all(c and not e for c, e in seen.values()),
          cloud.stock["h2"]["openvswitch-switch"] + ", "
          + cloud.stock["h2"]["ovn-host"])
    return cloud


def upgrade_step(cloud, h, text="upgrade of %s"):
    h.readme(BEFORE, check=False)
    measured(text % h.name, cloud, h.n, lambda: upgrade_host(cloud, h))
    have = h.versions()
    claim(h.name + ": all of its packages are ours",
          set(have) == set(cloud.stock[h.name]) | {"vnetenc"}
          and all(OURS in v for p, v in have.items() if p != "vnetenc"),
          sorted(have))
    claim_kept(cloud, h)
    wait_until("traffic with " + h.name, cloud.all_reach)


def claim_kept(cloud, h):
    there = bridges(h)
    kept = there == cloud.kept[h.name]
    flow = own_flow(h)
    claim(h.name + ": bridges and an administrator's flows stay",
          kept and flow, "" if kept and flow else "bridges %s, flows %s"
          % (sorted(there), h("ovs-ofctl", "dump-flows", "br-own",
                              check=False)))


def rollback_step(cloud, h):
    measured("rollback of " + h.name, cloud, h.n,
             lambda: roll_host_back(cloud, h))
    have = {p: v for p, v in h.versions().items() if p != "vnetenc"}
    claim(h.name + ": all packages are stock again",
          have == cloud.stock[h.name],
          "" if have == cloud.stock[h.name] else have)
    claim_kept(cloud, h)
    wait_until("traffic with " + h.name, cloud.all_reach)


def set_mode(cloud, mode, wait="hv"):
    h1 = cloud.hosts[0]
    measured("encryption=" + mode, cloud, 2, lambda: h1(
        "ovn-nbctl", "--wait=" + wait, TIMEOUT, "set", "Logical_Switch", "sw0",
        "encryption=" + mode))


def settle(cloud):
    wait_until("traffic of all", cloud.all_reach)
    for h in cloud.hosts:
        h("ovs-appctl", "revalidator/wait")


def claim_wire(cloud, capable, text):
    """Packets between the hosts CAPABLE are encrypted, others in clear.
    Handshakes and probes look like encrypted packets: there are a few, also
    for a while after encryption was switched off."""
    settle(cloud)
    seen = cloud.on_wire()
    claim(text, all(
        (e and not c) if {*pair} <= capable else 20 * e < c
        for pair, (c, e) in seen.items()),
        ", ".join("h%d-h%d: %d in clear, %d encrypted" % (*pair, *n)
                  for pair, n in seen.items()))
