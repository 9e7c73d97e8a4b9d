# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Ciphers computed by crypto devices of DPDK, in a daemon built with DPDK."""

import json

import pytest

from claims import assert_sealed
from lab import Tree, tcp_transfer
from runspace import wait_until

MARKER = b"nobody on the underlay reads this "
LOOKASIDE = "crypto_openssl0"
SYNCHRONOUS = "crypto_aesni_gcm0"


class DpdkTree(Tree):
    """The programs of the usual build, and the daemon of the build with
    DPDK."""

    def __init__(self, builddir, vswitchd):
        super().__init__(builddir)
        self.vswitchd = vswitchd

    def program(self, name):
        return (self.vswitchd if name == "ovs-vswitchd"
                else super().program(name))


@pytest.fixture(name="tree", scope="session")
def fixture_tree(tree):
    vswitchd = tree.ovs.parent / "dpdk/vswitchd/ovs-vswitchd"
    usual = tree.program("ovs-vswitchd")
    if not vswitchd.exists() or (vswitchd.stat().st_mtime
                                 < usual.stat().st_mtime):
        pytest.skip("there is no build with DPDK as new as the usual one")
    return DpdkTree(tree.ovs.parents[1], vswitchd)


def choose(hv, provider):
    hv.vsctl("set", "Open_vSwitch", ".",
             f"other_config:vnetenc-aead={provider}")


def show(hv):
    return json.loads(hv.appctl("--format", "json", "vnetenc/show"))


def sessions(hv):
    """The providers of all sessions."""
    return {session.get("provider") for peer in show(hv)["peers"]
            for session in peer["sessions"]}


def start_dpdk(hv):
    hv.vsctl("set", "Open_vSwitch", ".",
             'other_config:dpdk-extra="--no-huge --legacy-mem --no-pci -m 256'
             f' --no-shconf --vdev={LOOKASIDE} --vdev={SYNCHRONOUS}"',
             "other_config:dpdk-init=true")


def test_live(make_lab):
    """Devices before DPDK is initialized, with it, and a change of device
    while packets are on their way."""
    lab = make_lab()
    hv1, hv2 = lab.hvs
    vm1, vm2 = lab.vms
    for hv in lab.hvs:
        choose(hv, f"cryptodev:{LOOKASIDE}")
        wait_until(lambda: "DPDK is not initialized" in hv.log(),
                   "the refusal is logged")
        assert "cryptodev" not in show(hv)["providers"].values()
        assert not show(hv)["devices"]
        start_dpdk(hv)
        assert show(hv)["providers"]["aes256-gcm"] == "cryptodev"
    lab.pin()
    lab.connect(encryption="require")
    pcap = lab.underlay.capture()
    vm1.reaches(vm2.ip)
    assert tcp_transfer(vm1, vm2, MARKER * 5000) == MARKER * 5000
    assert len(assert_sealed(pcap.stop(), lab, MARKER)) > 100
    for hv in lab.hvs:
        assert sessions(hv) == {"cryptodev"}
        device, = show(hv)["devices"]
        assert device["device"] == LOOKASIDE
        assert device["state"] == "up"
        assert device["records"] > 100
        assert not device["timeouts"] and not device["errors"]
        assert not device["in_flight"]
        assert (f"device {LOOKASIDE}, driver crypto_openssl, state up\n"
                in hv.appctl("vnetenc/show"))

    # Refused: nothing changes.
    choose(hv1, "cryptodev:crypto_null7")
    wait_until(lambda: '"cryptodev:crypto_null7" is not usable here'
               in hv1.log(), "the refusal is logged")
    assert f'"{LOOKASIDE}", "{SYNCHRONOUS}"' in hv1.log()
    assert show(hv1)["providers"]["aes256-gcm"] == "cryptodev"
    assert vm1.ping(vm2.ip, 3, 0.05).lost == 0

    # Another device for new sessions; the old one is closed when the old
    # sessions are gone.
    choose(hv1, f"cryptodev:{SYNCHRONOUS}")
    hv1.appctl("vnetenc/rekey", hv2.ip)
    hv2.appctl("vnetenc/rekey", hv1.ip)
    assert vm1.ping(vm2.ip, 100, 0.05).lost == 0
    wait_until(lambda: [d["device"] for d in show(hv1)["devices"]]
               == [SYNCHRONOUS], f"{LOOKASIDE} is closed", 20)
    device, = show(hv1)["devices"]
    assert device["state"] == "up" and not device["elsewhere"]
    assert tcp_transfer(vm1, vm2, MARKER * 5000) == MARKER * 5000
    assert sessions(hv1) == {"cryptodev"}
