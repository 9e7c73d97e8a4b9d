# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""A network with a credential, between three hosts."""

import datetime
import shutil
import time

import pytest

from lab import pings
from runspace import PATIENCE, wait_until
from sslpeer import DAY, Mint
from test_ready import Asked

HOUR = datetime.timedelta(hours=1)


def profiles(hv):
    """The profiles of the sessions that `hv` has."""
    return {session["profile"] for peer in hv.show_json()["peers"]
            for session in peer["sessions"]}


def test_credential(make_cloud):
    """A network gets a credential while packets are sent: none is lost, and
    afterwards they are under its profile.  A host that the credential does not
    list is refused from then on, and reaches other networks as before."""
    cloud = make_cloud(n=3, switches=("sw0", "sw1"))
    hv1, hv2, hv3 = cloud.hvs
    central = cloud.central
    vm1, vm2, vm3 = (cloud.add_vm(n, n) for n in (1, 2, 3))
    vm4, vm6 = (cloud.add_vm(n, n + 3, "sw1") for n in (1, 3))
    cloud.set_mode("require", "sw0", "sw1")
    for other in (vm2, vm3):
        cloud.encrypted(vm1, other)
    central.nbctl("create", "Encryption_Credential", "name=a", "id=5")
    ping = vm1.ping_start(vm2.ip, 2000, 0.02)
    cloud.in_effect("--", "--id=@c", "get", "Encryption_Credential", "a",
                    "--", "set", "logical_switch", "sw0",
                    "encryption_credential=@c")
    wait_until(lambda: 5 in profiles(hv1) & profiles(hv2),
               "both have sessions under the profile")
    assert not pings(ping, stop=True).lost
    assert hv1.vsctl("get", "VNetEnc_Profile", "0", "tunnel_keys") \
        == f"[{cloud.tunnel_key('sw1')}]"
    for other in (vm2, vm3):
        cloud.encrypted(vm1, other)

    central.nbctl("--wait=hv", "set", "Encryption_Credential", "a",
                  "chassis=hv1,hv2")
    for hv, other in ((hv1, hv3), (hv2, hv3)):
        wait_until(lambda hv=hv, other=other: hv.vsctl(
            "get", "VNetEnc_Peer", other.ip, "profiles") in ("0", "[0]"),
            "hv3 is no member")
    cloud.refused(vm3, vm1)
    cloud.refused(vm1, vm3)
    cloud.encrypted(vm1, vm2)
    cloud.encrypted(vm4, vm6)


def test_no_member_yet(make_cloud):
    """A port comes to a host while ovn-northd, which computes the members,
    stands: nothing of it passes until ovn-northd goes on."""
    cloud = make_cloud(n=3)
    hv1, _, hv3 = cloud.hvs
    central = cloud.central
    vm1, vm2, vm3 = (cloud.add_vm(n, n) for n in (1, 2, 3))
    central.nbctl("create", "Encryption_Credential", "name=a", "id=5",
                  "members=auto")
    cloud.in_effect("--", "--id=@c", "get", "Encryption_Credential", "a",
                    "--", "set", "logical_switch", "sw0",
                    "encryption_credential=@c")
    cloud.set_mode("require")
    port = hv3.vsctl("--bare", "--columns=name", "find", "Interface",
                     "external_ids:iface-id=vm3")
    hv3.vsctl("remove", "Interface", port, "external_ids", "iface-id")
    wait_until(lambda: hv1.vsctl("get", "VNetEnc_Peer", hv3.ip, "profiles")
               in ("0", "[0]"), "hv3 is no member any more")
    cloud.encrypted(vm1, vm2)

    def northd(command):
        cloud.run.cmd(central.tree.program("ovs-appctl"), "-t",
                      central.northd_ctl, command)

    northd("pause")
    hv3.vsctl("set", "Interface", port, "external_ids:iface-id=vm3")
    wait_until(lambda: central.sbctl(
        "--bare", "--columns=chassis", "find", "Port_Binding",
        "logical_port=vm3"), "the port is on hv3")
    for a, b in ((vm1, vm3), (vm3, vm1)):
        cloud.refused(a, b)
    northd("resume")
    for a, b in ((vm1, vm3), (vm3, vm2)):
        cloud.encrypted(a, b)
    assert profiles(hv3) == {5}


def test_former_credential(make_cloud):
    """A network changes its credential.  The row of the former one goes, with
    its sessions, and nobody misses them."""
    cloud = make_cloud()
    for name, number in (("a", 5), ("b", 6)):
        cloud.central.nbctl("create", "Encryption_Credential", f"name={name}",
                            f"id={number}")
    use = ("--", "--id=@c", "get", "Encryption_Credential")
    change = ("--", "set", "logical_switch", "sw0", "encryption_credential=@c")
    cloud.in_effect(*use, "a", *change)
    vm1, vm2 = (cloud.add_vm(n, n) for n in (1, 2))
    cloud.set_mode("require")
    cloud.encrypted(vm1, vm2)
    ping = vm1.ping_start(vm2.ip, 2000, 0.05)
    cloud.in_effect(*use, "b", *change)
    hv1, hv2 = cloud.hvs
    for hv in cloud.hvs:
        assert "5" not in hv.vsctl("--bare", "--columns=id", "list",
                                   "VNetEnc_Profile").split()
    # An alarm needs VNETENC_DOWN_MS.
    time.sleep(12 * PATIENCE)
    assert not pings(ping, stop=True).lost
    for hv, other in ((hv1, hv2), (hv2, hv1)):
        assert "alarm down" not in hv.log()
        assert hv.peer(other.ip, "alarms") == "[]"


class Faults:
    """The network sw0 with a credential that lists a CA, between three hosts,
    of which the third one has what a test gives it."""

    def __init__(self, cloud):
        self.cloud, self.site = cloud, Asked(cloud)
        self.mint = Mint(cloud.run)
        self.ca = self.mint.make_ca()
        self.vms = [cloud.add_vm(n, n) for n in (1, 2, 3)]
        for hv in cloud.hvs:
            (hv.dir / "vnetenc/credentials").mkdir(mode=0o700)
        for hv in cloud.hvs[:2]:
            self.give(hv)
        cloud.set_mode("require")
        cloud.central.nbctl(
            "create", "Encryption_Credential", "name=a", "id=5",
            "chassis=hv1,hv2,hv3", f'certificates="{self.ca.fingerprint}"')
        cloud.in_effect("--", "--id=@c", "get", "Encryption_Credential", "a",
                        "--", "set", "logical_switch", "sw0",
                        "encryption_credential=@c")

    def give(self, hv, other_key=False, **how):
        """Puts a certificate into the directory of the host."""
        made = self.mint.make(self.ca, san=f"IP:{hv.ip}", **how)
        key = (self.mint.make().key if other_key else made.key).read_text()
        folder = hv.dir / "vnetenc/credentials"
        new = folder / "a.new"
        new.touch(0o600)
        new.write_text(made.cert.read_text() + self.ca.cert.read_text() + key)
        new.rename(folder / "a.pem")

    def findings(self):
        """{(id, where): finding} of what is wrong with credentials."""
        return {(finding["id"], finding["where"]): finding
                for findings in self.site.findings("sw0")[1].values()
                for finding in findings
                if finding["id"].startswith(("credential-", "local-"))}

    def expect(self, name, where, level, text=""):
        """Waits for the finding; there is no other one."""
        def found():
            findings = self.findings()
            return (set(findings) == {(name, where)}
                    and text in findings[name, where]["what"]
                    and findings[name, where]["level"] == level)
        wait_until(found, f"{name}, {text}", timeout=30)

    def third_is_cut_off(self):
        """Of this network only, and nothing of it is in clear."""
        for vm in self.vms[:2]:
            self.cloud.refused(self.vms[2], vm)
            self.cloud.refused(vm, self.vms[2])
        self.cloud.encrypted(*self.vms[:2])


@pytest.fixture(name="faults")
def fixture_faults(make_cloud):
    return Faults(make_cloud(n=3))


def test_failures(faults):
    """What a host lacks, or has and cannot use, is named with the host, and
    concerns no other one."""
    hv3 = faults.cloud.hvs[2]
    central = faults.cloud.central
    folder = hv3.dir / "vnetenc/credentials"
    faults.expect("credential-missing", "hv3", "FAIL", "a, in sw0: ")
    faults.third_is_cut_off()
    assert hv3.show_json()["drops"]["tx_no_session"]

    faults.give(hv3, other_key=True)
    faults.expect("credential-missing", "hv3", "FAIL", "key")

    faults.give(hv3, starts=-2 * DAY, ends=-HOUR)
    faults.expect("credential-expired", "hv3", "FAIL", "expired")
    faults.third_is_cut_off()

    faults.give(hv3, starts=-30 * DAY, ends=HOUR)
    faults.expect("credential-expires", "hv3", "WARN")
    faults.vms[2].reaches(faults.vms[0].ip, timeout=20)

    # It goes: the host does not forget before its file does.
    shutil.rmtree(folder)
    folder.mkdir(mode=0o700)
    faults.expect("credential-missing", "hv3", "FAIL")
    faults.give(hv3)
    wait_until(lambda: not faults.findings(), "all is well", timeout=30)
    faults.vms[2].reaches(faults.vms[0].ip, timeout=20)

    # The keys of all are on P-256.  The rest stays in force.
    ping = faults.vms[0].ping_start(faults.vms[1].ip, 1000, 0.02)
    central.nbctl("--wait=hv", "set", "Encryption_Credential", "a",
                  "strength=192")
    wait_until(lambda: {
        key for key, finding in faults.findings().items()
        if "key is EC on P-256" in finding["what"]} == {
            ("credential-missing", hv.name) for hv in faults.cloud.hvs},
        "the keys are too weak", timeout=30)
    assert not pings(ping, stop=True).lost
    central.nbctl("--wait=hv", "clear", "Encryption_Credential", "a",
                  "strength")
    wait_until(lambda: not faults.findings(), "all is well", timeout=30)

    # A row of somebody else is in the way.
    hv3.vsctl("destroy", "VNetEnc_Profile", "5", "--", "create",
              "VNetEnc_Profile", "id=5")
    faults.expect("local-profile", "hv3", "FAIL")
    faults.third_is_cut_off()
    hv3.vsctl("destroy", "VNetEnc_Profile", "5")
    wait_until(lambda: not faults.findings(), "all is well", timeout=30)

    central.nbctl("--wait=hv", "set", "Encryption_Credential", "a",
                  "chassis=hv1,hv2")
    faults.expect("credential-chassis", "hv3", "FAIL")
    faults.third_is_cut_off()
