# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Row 19 of the table in Documentation/OPERATING.md, "What is encrypted": two
availability zones joined by ovn-ic and a transit switch.

    zone "central"                          zone "west"
    vm1 - sw0 - lr0 ------ transit switch ------ lr9 - sw9 - vm9
    hv1       hv2 (gateway)                hv3 (gateway)     hv3
"""

import pytest

from lab import delivers
from ovn import SB_PORT, Central, Interconnection
from runspace import wait_until


class Zones:
    """Two zones; `cloud` watches the wire for both."""

    def __init__(self, cloud, incapable=False):
        self.cloud = cloud
        self.east = cloud.central
        self.west = Central(cloud.underlay, cloud.tree, "west", SB_PORT + 1)
        hv3 = cloud.make_host(3)
        if incapable:
            hv3.hide_capability()
        self.west.register(hv3, ovn_is_interconn="true")
        cloud.hvs[1].vsctl("set", "Open_vSwitch", ".",
                           "external_ids:ovn-is-interconn=true")
        cloud.hvs.append(hv3)
        ic = Interconnection(self.east, self.west)
        ic.ctl("ic-nb", "ts-add", "ts")
        self.vm1 = self._zone(self.east, cloud.hvs[0], cloud.hvs[1], 0, 1)
        self.vm9 = self._zone(self.west, hv3, hv3, 9, 9)

    def _zone(self, central, hv, gateway, net, number):
        switch, router = f"sw{net}", f"lr{net}"
        if switch != "sw0":
            central.add_switch(switch)
        central.nbctl("lr-add", router)
        central.attach(router, switch, f"10.9.{net}.254/24")
        wait_until(lambda: "ts" in central.nbctl("ls-list"),
                   "the zone has the transit switch")
        port = central.attach(router, "ts", f"169.254.100.{number}/24")
        central.nbctl("set", "logical_router_port", port,
                      f'mac="0a:7e:5c:fc:00:0{number}"', "--",
                      "lrp-set-gateway-chassis", port, gateway.name)
        vm = central.add_vm(hv, number, switch, net=net, routed=True)
        self.cloud.machines.setdefault(switch, []).append(vm)
        return vm

    def require(self):
        cloud = self.cloud
        cloud.set_mode("require", "sw0", "ts")
        cloud.set_mode("require", "sw9", "ts", central=self.west)


@pytest.fixture(name="cloud")
def fixture_cloud(make_cloud):
    return make_cloud(n=2)


def test_row19_two_zones(cloud):
    zones = Zones(cloud)
    vm1, vm9 = zones.vm1, zones.vm9
    vm1.reaches(vm9.ip, timeout=20)
    cloud.clear(vm1, vm9)
    zones.require()
    cloud.encrypted(vm1, vm9)
    cloud.encrypted(vm9, vm1)
    hv1, hv2, hv3 = cloud.hvs
    assert {(hv1.ip, hv2.ip), (hv2.ip, hv3.ip), (hv3.ip, hv2.ip)} <= {
        (r.src, r.dst) for r in cloud.sealed(0)}
    # ovn-ic carried the fingerprints into the other zone.
    for hv, other in ((hv2, hv3), (hv3, hv2)):
        assert other.fingerprint() in hv.peer(other.ip, "fingerprints")
    published = zones.east.sbctl("--bare", "--columns=options", "find",
                                 "Encap", f'ip="{hv3.ip}"')
    assert hv3.fingerprint() in published


def test_row19_demand_of_one_zone(cloud):
    """The transit switch demands nothing: packets of a switch that requires
    encryption still leave the gateway encrypted, because the demand came
    with the packet."""
    zones = Zones(cloud)
    vm1, vm9 = zones.vm1, zones.vm9
    vm1.reaches(vm9.ip, timeout=20)
    since = cloud.set_mode("require", "sw0")
    receiver = vm9.receiver()
    sender = vm1.socket(2, 2)

    receiver.settimeout(0.2)
    wait_until(lambda: delivers(sender, receiver, vm9, b"from zone to zone"),
               "it arrives")
    hv2, hv3 = cloud.hvs[1:]
    wait_until(lambda: (hv2.ip, hv3.ip) in {
        (r.src, r.dst) for r in cloud.sealed(since)},
        "it has left the gateway encrypted")


def test_row19_other_zone_cannot(cloud):
    zones = Zones(cloud, incapable=True)
    vm1, vm9 = zones.vm1, zones.vm9
    vm1.reaches(vm9.ip, timeout=20)
    zones.require()
    cloud.refused(vm1, vm9)
    cloud.refused(vm9, vm1)
