# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Our ports of the kernel datapath: who may touch them, and how they come
back."""

import os
import re

import pytest

import capture
from host import capable
from runspace import wait_until

IN, OUT = "vnetenc_63999", "vnetenc_64001"     # Geneve; profile 0, require.


def ports(hv):
    """Numbers of the datapath's ports, by name."""
    text = hv.appctl("dpctl/show")
    return {name: int(number) for number, name in
            re.findall(r"port (\d+): (\S+)", text)}


def encrypted(lab, ipv6=False):
    lab.pin(ipv6)
    lab.connect(ipv6, encryption="require")
    capable(lab)
    lab.vms[0].reaches(lab.vms[1].ip, timeout=20)


def no_plaintext(pcap):
    path = pcap.stop()
    assert not capture.plaintext_tunnel(path)
    return path


def test_deleted_devices(make_hosts):
    """Somebody deletes our devices and ports under traffic: nothing leaves in
    clear, and they come back with the same numbers."""
    lab = make_hosts()
    encrypted(lab)
    hv1, (vm1, vm2) = lab.hvs[0], lab.vms
    before = ports(hv1)
    assert before[IN] == 63999 and before[OUT] == 64001
    pcap = lab.underlay.capture()
    for name in (OUT, IN):
        hv1.run.ip(hv1.netns, f"link del dev {name}")
        vm1.ping(vm2.ip, 10, 0.05)
        wait_until(lambda: ports(hv1).get(name) == before[name],
                   f"{name} is made again")
        vm1.reaches(vm2.ip)
        hv1.appctl("dpctl/del-if", "system@ovs-system", name)
        wait_until(lambda: ports(hv1).get(name) == before[name],
                   f"{name} is a port again")
        vm1.reaches(vm2.ip)
    assert capture.data_records(no_plaintext(pcap))


def test_device_down(make_hosts):
    """A device that somebody takes down comes up again."""
    lab = make_hosts()
    encrypted(lab)
    hv1, (vm1, vm2) = lab.hvs[0], lab.vms
    pcap = lab.underlay.capture()
    for name in (OUT, IN):
        said = f"{name}: the port is gone or down, making it again"
        before = hv1.log().count(said)
        hv1.run.ip(hv1.netns, f"link set dev {name} down")
        vm1.ping(vm2.ip, 3, 0.05, wait=0.3)
        wait_until(lambda: hv1.log().count(said) > before,
                   f"{name} is missed")
        vm1.reaches(vm2.ip, timeout=20)
    no_plaintext(pcap)


def test_end_of_datapath(make_hosts):
    """No device stays up when the datapath ends: the host itself would
    receive what arrives.  A new datapath has them again."""
    lab = make_hosts()
    encrypted(lab)
    hv1 = lab.hvs[0]
    assert set(hv1.devices()) >= {IN, OUT}
    hv1.vsctl("del-br", "br-int")
    links = lab.run.cmd("ip", "-n", hv1.netns, "-o", "link", "show", "up")
    assert "vnetenc_" not in links
    hv1.vsctl("add-br", "br-int", "--", "add-port", "br-int", lab.vms[0].port)
    hv1.add_tunnel(lab.hvs[1].ip, encryption="require")
    lab.vms[0].reaches(lab.vms[1].ip, timeout=20)


def test_order(make_hosts):
    """A device is up only as a port of the datapath: before that, the host
    itself would receive what arrives."""
    lab = make_hosts()
    encrypted(lab)
    hv1 = lab.hvs[0]
    monitor = lab.run.spawn("ip", "-o", "monitor", "link", netns=hv1.netns)
    wait_until(lambda: "mon" in (hv1.run.ip(
        hv1.netns, "link add mon type dummy", "link del dev mon"),
        monitor.output())[1], "the monitor works")
    hv1.run.ip(hv1.netns, f"link del dev {IN}")
    wait_until(lambda: ports(hv1).get(IN) == 63999, f"{IN} is made again")
    lab.vms[1].reaches(lab.vms[0].ip)
    # The monitor is a moment behind.
    hv1.run.ip(hv1.netns, "link add end type dummy", "link del dev end")
    wait_until(lambda: " end:" in monitor.output(),
               "the monitor has told everything")
    monitor.stop()
    events = [line for line in monitor.output().splitlines()
              if f" {IN}:" in line and not line.startswith("Deleted")]
    up = [line for line in events if re.search("[<,]UP[,>]", line)]
    assert up, events
    assert all("master ovs-system" in line for line in up), up


def test_strangers_device(make_hosts):
    """A device with a name of ours that is not ours is replaced, and no bridge
    may have one."""
    lab = make_hosts()
    encrypted(lab)
    hv1, (vm1, vm2) = lab.hvs[0], lab.vms
    hv1.run.ip(hv1.netns, "link add vnetenc_64009 type dummy")
    hv1.vsctl("--timeout=5", "add-port", "br-int", "vnetenc_64009",
              check=False)
    wait_until(lambda: "this name is reserved for encrypted tunnels"
               in hv1.log(), "the port is refused")
    assert "vnetenc_64009" not in ports(hv1)
    hv1.vsctl("del-port", "vnetenc_64009")
    hv1.appctl("dpctl/add-if", "system@ovs-system", "vnetenc_64009",
               check=False)
    wait_until(lambda: "vnetenc_64009" not in ports(hv1),
               "the port is deleted")
    vm1.reaches(vm2.ip)


def test_dropped_root(make_hosts):
    """The namespace is made before root is dropped, everything else after."""
    lab = make_hosts()
    encrypted(lab)
    hv1, (vm1, vm2) = lab.hvs[0], lab.vms
    os.chmod(lab.run.dir, 0o711)
    pcap = lab.underlay.capture()
    hv1.restart_as_nobody()
    vm1.reaches(vm2.ip, timeout=20)
    vm2.reaches(vm1.ip, timeout=20)
    assert ports(hv1)[OUT] == 64001
    no_plaintext(pcap)


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_too_long(make_hosts, ipv6):
    """A guest is told what fits into one record, also if its packets have a
    VLAN tag, and just that passes.  Each packet that is too long is
    counted."""
    lab = make_hosts(mtu=1500)
    encrypted(lab, ipv6)
    vm1, vm2 = lab.vms
    for hv, other in zip(lab.hvs, reversed(lab.hvs)):
        hv.set_peer(other.ip6 if ipv6 else other.ip,
                    "other_config:split=false")
    for hv, vm in zip(lab.hvs, lab.vms):
        lab.run.ip(hv.netns, f"link set dev {vm.port} mtu 1504")
        lab.run.ip(vm.netns, "link set dev e0 mtu 1504",
                   f"addr add fd00:9::{vm.number}/64 dev e0 nodad",
                   "link add link e0 name e0.5 type vlan id 5",
                   "link set dev e0.5 mtu 1500 up",
                   f"addr add 10.5.0.{vm.number}/24 dev e0.5",
                   f"addr add fd00:5::{vm.number}/64 dev e0.5 nodad")
    # Record 37, IP and UDP, Geneve without options 8, Ethernet 14.
    fits = 1500 - 37 - (48 if ipv6 else 28) - 8 - 14

    def ping(dst, mtu):
        return vm1.cmd("ping", "-c", "1", "-W", "1", "-M", "do", "-s",
                       str(mtu - (48 if ":" in dst else 28)), dst,
                       check=False)

    def counted():
        return lab.hvs[0].show_json()["drops"]["tx_mtu"]

    def told(dst):
        ping(dst, 1500)
        return re.search(r"mtu (\d+)", vm1.cmd("ip", "route", "get", dst))

    for dst, mtu in ((vm2.ip, fits), ("fd00:9::2", fits),
                     ("10.5.0.2", fits - 4), ("fd00:5::2", fits - 4)):
        before = counted()
        match = wait_until(lambda: told(dst), f"the guest knows the MTU to"
                           f" {dst}", 20)
        wait_until(lambda: counted() > before, "the packet is counted")
        assert int(match[1]) == mtu
        wait_until(lambda: "1 received" in ping(dst, mtu),
                   "what fits passes")
