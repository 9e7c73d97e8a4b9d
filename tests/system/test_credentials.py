# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""A network with a credential, between three hosts."""

from lab import pings
from runspace import wait_until


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
    assert not pings(ping, stop=True).lost
    assert 5 in profiles(hv1) & profiles(hv2)
    assert hv1.vsctl("get", "VNetEnc_Profile", "0", "tunnel_keys") \
        == f"[{cloud.tunnel_key('sw1')}]"
    for other in (vm2, vm3):
        cloud.encrypted(vm1, other)

    central.nbctl("set", "Encryption_Credential", "a", "chassis=hv1,hv2")
    for hv, other in ((hv1, hv3), (hv2, hv3)):
        wait_until(lambda hv=hv, other=other: hv.vsctl(
            "get", "VNetEnc_Peer", other.ip, "profiles") in ("0", "[0]"),
            "hv3 is no member")
    cloud.refused(vm3, vm1)
    cloud.refused(vm1, vm3)
    cloud.encrypted(vm1, vm2)
    cloud.encrypted(vm4, vm6)
