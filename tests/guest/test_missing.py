# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""What the kernel datapath needs to encrypt, missing piece by piece."""

import contextlib
import json

import pytest

from claims import assert_silent
from host import MARKER, assert_traffic, capable
from lab import TOP, pings
from runspace import wait_until

READY = TOP / "utilities/ovn-vnetenc-ready"


def in_mounts(command):
    """Starts ovs-vswitchd in a mount namespace that `command` changes."""
    return ["unshare", "--mount", "--propagation=private", "sh", "-c",
            f'{command} && exec "$@"', "sh"]


@contextlib.contextmanager
def sysctl(lab, name, value):
    before = lab.run.cmd("sysctl", "-n", name).strip()
    lab.run.cmd("sysctl", "-qw", f"{name}={value}")
    try:
        yield
    finally:
        lab.run.cmd("sysctl", "-qw", f"{name}={before}")


@contextlib.contextmanager
def without_modules(lab, *modules):
    """The kernel has not loaded `modules`, and does not find them."""
    with sysctl(lab, "kernel.modprobe", "/bin/false"):
        try:
            lab.run.cmd("rmmod", *modules)
            yield
        finally:
            lab.run.cmd("modprobe", "-a", *modules)


# How ovs-vswitchd is started, and what it says.
LAUNCHERS = {
    "no CAP_SYS_ADMIN": (
        ["setpriv", "--bounding-set=-sys_admin", "--"],
        "cannot make a network namespace: Operation not permitted"
        " (CAP_SYS_ADMIN is needed at the start)"),
    "no CAP_NET_RAW": (
        ["setpriv", "--bounding-set=-net_raw", "--"],
        "cannot make a packet socket: Operation not permitted"
        " (CAP_NET_RAW is needed)"),
    "no tun": (
        in_mounts("mount -t tmpfs none /dev/net"),
        "cannot open /dev/net/tun: No such file or directory"),
    "tun is forbidden": (
        in_mounts("mount --bind -o nodev /dev/net /dev/net"
                  " && mount -o remount,bind,nodev /dev/net"),
        "cannot open /dev/net/tun: Permission denied"),
    "sysctls cannot be written": (
        in_mounts("mount --bind /proc/sys /proc/sys"
                  " && mount -o remount,bind,ro /proc/sys"),
        'cannot write "0" to /proc/sys/net/ipv4/conf/all/rp_filter:'
        " Read-only file system"),
}


def ready(hv):
    """The findings of the readiness report on this host."""
    path = hv.tree.program("ovs-vsctl").parent
    text = hv.run.cmd(READY, "--local", "--json", netns=hv.netns, check=False,
                      env={**hv.env, "PATH": f"{path}:/usr/sbin:/usr/bin"})
    return {f["id"]: f for f in json.loads(text)["findings"]}


class TestMissing:
    """A host whose ovs-vswitchd starts without something."""

    @pytest.fixture(name="lab", scope="class")
    def fixture_lab(self, encrypted_lab):
        return encrypted_lab

    def refuses(self, lab, text, launcher=()):
        """The host, started by `launcher`, cannot encrypt, says `text`
        everywhere, and sends and accepts nothing in clear."""
        hv1 = lab.hvs[0]
        vm1, vm2 = lab.vms
        hv1.kill_vswitchd()
        known = len(hv1.log())
        pcap = lab.underlay.capture()
        hv1.launcher = launcher
        hv1.restart_vswitchd()
        wait_until(lambda: text in hv1.show(), f"the host says: {text}")
        assert f"kernel datapath: cannot encrypt: {text}" in hv1.show()
        assert text in hv1.log()[known:]
        assert text in ready(hv1)["local-not-capable"]["what"]
        wait_until(lambda: hv1.capability() == "false", "it cannot encrypt")
        running = [src.ping_start(dst.ip, 5, 0.05, wait=1)
                   for src, dst in ((vm1, vm2), (vm2, vm1))]
        assert [pings(ping).lost for ping in running] == [5, 5]
        assert_silent(pcap.stop(), lab)

    def test_no_dummy(self, lab):
        """Without the module dummy, packets leave through the TAP."""
        hv1 = lab.hvs[0]
        assert "out by packet socket" in hv1.show("--all")
        with without_modules(lab, "dummy"):
            for hv in lab.hvs:
                hv.kill_vswitchd()
                hv.restart_vswitchd()
            lab.vms[0].reaches(lab.vms[1].ip, 20)
            pcap = lab.underlay.capture()
            assert_traffic(lab, 500)
            assert "out by TAP" in hv1.show("--all")
            assert "the kernel has no dummy devices" in hv1.log()
            assert_silent(pcap.stop(), lab, MARKER)

    @pytest.mark.parametrize("case", LAUNCHERS)
    def test_start(self, lab, case):
        launcher, text = LAUNCHERS[case]
        self.refuses(lab, text, launcher)

    def test_no_namespaces(self, lab):
        """The machine allows no more network namespaces."""
        with sysctl(lab, "user.max_net_namespaces", 0):
            self.refuses(lab, "cannot make a network namespace: No space left"
                         " on device (see user.max_net_namespaces)")

    def test_no_geneve(self, lab):
        """Without the module geneve there are no tunnels.  Once it is there,
        all is well again."""
        hv1 = lab.hvs[0]
        for hv in lab.hvs:
            hv.kill_vswitchd()
            hv.run.cmd(hv.tree.program("ovs-dpctl"), "del-dp", "ovs-system",
                       netns=hv.netns, env=hv.env)
        try:
            with without_modules(lab, "vport_geneve", "geneve"):
                self.refuses(lab, "cannot make a tunnel device: Operation not"
                             " supported (is the module of the tunnel type"
                             " missing?)")
        finally:
            for hv in lab.hvs:
                hv.kill_vswitchd()
                hv.restart_vswitchd()
        lab.vms[0].reaches(lab.vms[1].ip, 20)
        capable(lab)
        assert "local-not-capable" not in ready(hv1)
        assert "cannot encrypt" not in hv1.show()
