# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The kernel datapath and tunnels in clear, and demands that it cannot
meet."""

import pytest

import capture
import packets
from lab import KernelHost, tcp_transfer
from runspace import Failed, wait_until

MARKER = b"what the capture must be able to see "


def test_tunnel_in_clear(make_hosts):
    """A stock tunnel works in the kernel, and the capture sees it."""
    lab = make_hosts()
    lab.connect()
    vm1, vm2 = lab.vms
    pcap = lab.underlay.capture()
    vm1.reaches(vm2.ip)
    assert not vm2.ping(vm1.ip).lost
    assert tcp_transfer(vm1, vm2, MARKER * 5000) == MARKER * 5000
    flows = lab.hvs[0].flows()
    assert "genev_sys_6081" in lab.hvs[0].appctl("dpctl/show")
    assert "set(tunnel(" in flows and "tunnel(tun_id=0x7" in flows, flows
    path = pcap.stop()
    plain = capture.plaintext_tunnel(path)
    assert {(d.src, d.dst) for d in plain} == {
        (lab.hvs[0].ip, lab.hvs[1].ip), (lab.hvs[1].ip, lab.hvs[0].ip)}
    assert capture.count(path, MARKER) >= 100
    assert capture.count(path, packets.mac(vm1.mac)) >= 20
    assert not capture.data_records(path)


class Unprivileged(KernelHost):
    """ovs-vswitchd cannot make a network namespace."""
    launcher = ["setpriv", "--bounding-set=-sys_admin", "--"]


def test_demand_that_cannot_be_met(make_hosts):
    """The kernel datapath cannot encrypt: a port that requires encryption
    sends nothing, and takes nothing that arrives in clear."""
    lab = make_hosts(kind=Unprivileged)
    lab.pin()
    lab.connect()
    hv1, hv2 = lab.hvs
    vm1, vm2 = lab.vms
    for hv in lab.hvs:
        wait_until(lambda: hv.capability() == "false",
                   f"{hv.name} says that it cannot encrypt")
    vm1.reaches(vm2.ip)
    hv1.vsctl("set", "Interface", "gnv2", "options:encryption=require")
    hv1.revalidate()
    pcap = lab.underlay.capture()
    assert vm1.ping(vm2.ip, 5, wait=1).lost == 5
    trace = hv1.appctl("ofproto/trace", "br-int", f"in_port={vm1.port}")
    assert "this datapath cannot encrypt, dropping" in trace, trace
    assert "set(tunnel(" not in trace, trace
    hv1.expect("vnetenc_tx_datapath", 1)
    # The other host still sends in clear.
    assert hv1.ip not in {d.src for d in
                          capture.plaintext_tunnel(pcap.stop())}
    pcap = lab.underlay.capture()
    assert vm2.ping(vm1.ip, 5, wait=1).lost == 5
    trace = hv1.appctl(
        "ofproto/trace", "br-int",
        f"in_port=gnv2,tun_id=7,tun_src={hv2.ip},tun_dst={hv1.ip}")
    assert "this datapath cannot decrypt, dropping" in trace, trace
    plain = capture.plaintext_tunnel(pcap.stop())
    assert {d.src for d in plain} == {hv2.ip}
    with pytest.raises(Failed, match="OFPBAC_BAD_TYPE"):
        hv1.ofctl("add-flow", "br-int", "actions=vnetenc,normal")
