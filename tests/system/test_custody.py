# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""CUSTODY.md, typed line by line (pages.py), with SoftHSM."""

import shutil

import pytest

import pages
from lab import pings
from runspace import wait_until

HSM = ("softhsm2-util", "pkcs11-tool")


class Watch:
    """What is true of the network when a command of the page has been
    typed."""

    def __init__(self, cloud, vms):
        self.cloud, self.vms = cloud, vms
        self.ping = self.before = None
        self.n_issued = self.n_revoked = 0

    def shown(self):
        """What the peers of hv1 have seen of it under profile 5."""
        return {session.get("peer_fingerprint")
                for peer in self.cloud.hvs[1].show_json()["peers"]
                for session in peer["sessions"]
                if session.get("profile") == 5
                and session.get("state") == "up"}

    def after(self, command):
        vm1, vm2 = self.vms
        if "encryption=require" in command:
            self.cloud.required["sw0"] = [[self.cloud.in_effect(),
                                           float("inf")]]
            self.cloud.keys["sw0"] = self.cloud.tunnel_key("sw0")
            self.cloud.encrypted(vm1, vm2)
            wait_until(self.shown, "there are sessions under profile 5")
            self.ping = vm1.ping_start(vm2.ip, 10000, 0.02)
            self.before = self.shown()
        elif command == "issue-tenant-a":
            self.n_issued += 1
            if self.ping:
                wait_until(lambda: self.shown() - self.before,
                           "hv1 shows the new certificate", timeout=30)
        elif "revoked" in command:
            self.cloud.refused(vm1, vm2)
            self.cloud.refused(vm2, vm1)
            self.n_revoked += 1
        elif command.startswith("scp hv2-issuer.pem root@central:"):
            assert not pings(self.ping, stop=True).lost


@pytest.fixture(name="hsm", autouse=True)
def fixture_hsm():
    missing = [name for name in HSM if not shutil.which(name)]
    if missing:
        pytest.skip(f"{', '.join(missing)}: not installed; the packages are"
                    " softhsm2, opensc and libengine-pkcs11-openssl")


def test_custody(make_cloud, run, tree):
    pages.install_programs(run)
    cloud = make_cloud()
    vms = [cloud.add_vm(n, n) for n in (1, 2)]
    central = cloud.central
    names = {"192.0.2.": "172.31.0."}
    places = {"ca": (run.folder("ca"), cloud.underlay.netns, {}),
              "central": (central.dir, central.netns, {
                  **central.env, "OVN_NB_DB": f"unix:{central.dir}/nb.sock",
                  "OVN_SB_DB": f"unix:{central.dir}/sb.sock"}),
              **{hv.name: (hv.dir, hv.netns, hv.env) for hv in cloud.hvs}}
    shells = {}
    for name, (folder, netns, env) in places.items():
        (folder / "tokens").mkdir(exist_ok=True)
        config = folder / "softhsm2.conf"
        config.write_text(f"directories.tokendir = {folder}/tokens\n"
                          "objectstore.backend = file\nlog.level = ERROR\n")
        shells[name] = pages.Shell(
            run, tree, folder, netns,
            {**env, "SOFTHSM2_CONF": str(config)}, names)
    watch = Watch(cloud, vms)
    pages.type_page("CUSTODY.md", shells, watch.after)
    assert watch.n_issued == 3 and watch.n_revoked == 1
