# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The tutorial, typed line by line (pages.py)."""

import pages
from lab import Hypervisor, Underlay
from ovn import start_database


class FreshHost(Hypervisor):
    """A host on which the packages were installed and nothing was set, with
    eth0 for management and eth1 for tunnels."""

    def _add_bridges(self):
        self.run.ip(self.netns, "link set dev u down arp on",
                    "link set dev u name eth1", "link set dev mg name eth0",
                    f"addr add 198.51.100.{self.number}/24 dev eth0")

    def restore_addresses(self):
        pass

    def start_controller(self):
        self.run.spawn(
            self.tree.program("ovn-controller"), f"unix:{self.dir}/db.sock",
            f"--pidfile={self.dir}/ovn-controller.pid",
            f"--log-file={self.dir}/oc.log", "-vconsole:off",
            netns=self.netns, env=self.env, folder=self.dir)

    def start_central(self):
        start_database(self, "nb")
        start_database(self, "sb", [
            "--remote=db:OVN_Southbound,SB_Global,connections",
            "--private-key=db:OVN_Southbound,SSL,private_key",
            "--certificate=db:OVN_Southbound,SSL,certificate",
            "--ca-cert=db:OVN_Southbound,SSL,ca_cert"])
        self.env.update(OVN_NB_DB=f"unix:{self.dir}/nb.sock",
                        OVN_SB_DB=f"unix:{self.dir}/sb.sock")
        for database in "nb", "sb":
            self.run.cmd(self.tree.program(f"ovn-{database}ctl"), "init",
                         env=self.env)
        self.run.spawn(
            self.tree.program("ovn-northd"),
            f"--ovnnb-db={self.env['OVN_NB_DB']}",
            f"--ovnsb-db={self.env['OVN_SB_DB']}",
            f"--unixctl={self.dir}/northd.ctl",
            f"--log-file={self.dir}/northd.log", "-vconsole:off",
            netns=self.netns, env=self.env, folder=self.dir)


def test_tutorial(run, tree):
    pages.install_programs(run)
    underlay = Underlay(run, mtu=1500)
    hosts = {hv.name: hv for hv in (FreshHost(tree, underlay, number)
                                    for number in (1, 2))}
    hosts["hv1"].start_central()
    for hv in hosts.values():
        hv.start_controller()
    pages.type_page("TUTORIAL.md", {
        name: pages.Shell(run, tree, hv.dir, hv.netns, hv.env)
        for name, hv in hosts.items()})
