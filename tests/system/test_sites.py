# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""SITES.md, typed line by line (pages.py)."""

import pages
from lab import VM
from runspace import wait_until


class Watch:
    """What is true of the network when a command of the page has been
    typed."""

    def __init__(self, cloud, partner):
        self.cloud, self.partner = cloud, partner
        self.vms = [cloud.add_vm(n, n) for n in (1, 2)]
        self.printer = None
        self.n_checks = 0

    def profiles(self, hv, other):
        return {session["profile"] for peer in hv.show_json()["peers"]
                for session in peer["sessions"]
                if peer["remote_ip"] == other.ip
                and session.get("state") == "up"}

    def after(self, command):
        if "lsp-set-type to-partner" in command:
            self.printer = VM(self.partner, 9)
            self.partner.vsctl("del-port", "br-int", self.printer.port, "--",
                               "add-port", "br-s2s", self.printer.port)
            self.cloud.machines["sw0"].append(self.printer)
            for vm in self.vms:
                vm.reaches(self.printer.ip, timeout=15)
                self.cloud.encrypted(vm, self.printer)
            for one, other in ((self.cloud.hvs[0], self.partner),
                               (self.partner, self.cloud.hvs[0])):
                assert self.profiles(one, other) == {200}
            self.n_checks += 1
        elif "revoked" in command:
            wait_until(lambda: not self.profiles(
                self.cloud.hvs[0], self.partner), "the sessions end")
            for vm in self.vms:
                self.cloud.refused(vm, self.printer)
                self.cloud.refused(self.printer, vm)
            self.cloud.encrypted(*self.vms)
            self.n_checks += 1


def test_sites(make_cloud, run, tree):
    pages.install_programs(run)
    cloud = make_cloud()
    partner = cloud.make_host(9)
    watch = Watch(cloud, partner)
    cloud.set_mode("require")
    cloud.encrypted(*watch.vms)
    central, hv1 = cloud.central, cloud.hvs[0]
    names = {"198.51.100.1": hv1.ip, "198.51.100.2": partner.ip}
    shells = {
        "hv1": pages.Shell(run, tree, hv1.dir, hv1.netns, hv1.env, names),
        "central": pages.Shell(
            run, tree, central.dir, central.netns,
            {**central.env, "OVN_NB_DB": f"unix:{central.dir}/nb.sock"})}
    # Under the name of the page.
    folder = run.folder("partner")
    folder.rmdir()
    folder.symlink_to(partner.dir)
    shells["partner"] = pages.Shell(run, tree, partner.dir, partner.netns,
                                    partner.env, names)
    pages.type_page("SITES.md", shells, watch.after)
    assert watch.n_checks == 2
