# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""vnetenc-leaktest on hypervisors; its judge alone is tested by
test_judge.py.  And ovn-vnetenc-why on the same hypervisors; test_why.py has
its rules."""

import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from lab import TOP, pings
from runspace import PATIENCE, wait_until

LEAKTEST = TOP / "utilities/vnetenc-leaktest"
WHY = TOP / "utilities/ovn-vnetenc-why"
CLEAN, LEAK, UNKNOWN = 0, 1, 2


class Auditor:
    """Runs the program on the hypervisors of a cloud.  The machines vm1 and
    vm2 are on sw0, which requires encryption, vm3 and vm4 on sw1; the odd ones
    are on hv1."""

    def __init__(self, cloud):
        self.cloud = cloud
        tree = cloud.tree
        self.path = ":".join([
            *dict.fromkeys(str(tree.program(p).parent) for p in
                           ("ovs-vsctl", "ovsdb-tool", "ovn-sbctl")),
            "/usr/sbin:/usr/bin:/sbin:/bin"])
        self.python = tree.ovs_src / "python"
        self.folder = cloud.run.folder("auditor")
        self.n = 0

    def command(self, *args, hv=1, sb=True, program=LEAKTEST):
        hv = self.cloud.hvs[hv - 1]
        return [*self.cloud.run._enter(hv.netns), program,
                *([f"--sb=unix:{self.cloud.central.dir}/sb.sock"]
                  if sb else []), *map(str, args)]

    def env(self, hv=1, **more):
        # Modules of the tree stay as they are.
        return {**self.cloud.hvs[hv - 1].env, "PATH": self.path,
                "PYTHONPATH": str(self.python),
                "PYTHONDONTWRITEBYTECODE": "1", **more}

    def run(self, *args, hv=1, sb=True, **env):
        """(exit status, output)."""
        done = subprocess.run(
            self.command(*args, hv=hv, sb=sb), env=self.env(hv, **env),
            text=True, capture_output=True, check=False,
            timeout=120 * PATIENCE)
        assert not done.stderr or done.returncode == UNKNOWN, done.stderr
        return done.returncode, done.stdout + done.stderr

    def probe(self, *args, sender="vm1", receiver="vm2", **kwargs):
        return self.run("--from", sender, "--to", receiver, "--count", 10,
                        "--watch", 0, *args, **kwargs)

    def why(self, *args, hv=1):
        """(exit status, code, rule) of ovn-vnetenc-why, and its report."""
        done = subprocess.run(
            self.command("--json", *args, hv=hv, program=WHY),
            env=self.env(hv), text=True, capture_output=True, check=False,
            timeout=60 * PATIENCE)
        assert not done.stderr, done.stderr
        said = json.loads(done.stdout)
        return (done.returncode, said["code"], said["rule"]), said

    def file(self, name):
        self.n += 1
        return self.folder / f"{self.n}-{name}"

    def links(self):
        """What a mirror adds to hv1."""
        hv = self.cloud.hvs[0]
        return (hv.vsctl("--bare", "--columns=name", "list", "Mirror"),
                hv.vsctl("list-ports", "br-phys"),
                self.cloud.run.cmd("ip", "-n", hv.netns, "-br", "link"))


def count(text, what):
    """The number in front of `what` in a report."""
    return int(re.search(rf"^ *(\d+) {what}", text, re.M)[1])


class TestLeaktest:

    @pytest.fixture(name="auditor", scope="class")
    def fixture_auditor(self, make_cloud):
        cloud = make_cloud(switches=("sw0", "sw1"))
        cloud.vms = [cloud.add_vm(hv, number, f"sw{net}", net=net, routed=True)
                     for number, hv, net in ((1, 1, 0), (2, 2, 0), (3, 1, 1),
                                             (4, 2, 1))]
        cloud.add_router()
        cloud.set_mode("require")
        cloud.encrypted(*cloud.vms[:2])
        return Auditor(cloud)

    def test_encrypted(self, auditor):
        """Probes and traffic leave in records, and arrive.  A capture at the
        underlay, outside both hosts, says the same as the host's."""
        cloud = auditor.cloud
        vm1, vm2 = cloud.vms[:2]
        plan, kept = auditor.file("plan"), auditor.file("kept.pcap")
        receiver = vm2.receiver(9)
        traffic = vm1.ping_start(vm2.ip, 1000, 0.05)
        span = cloud.underlay.capture("p1")
        status, text = auditor.run("--from", "vm1", "--to", "vm2", "--watch",
                                   "1", "--save-plan", plan, "--write", kept)
        path = span.stop(quiet=False)
        pings(traffic, stop=True)
        assert status == CLEAN, text
        assert "vantage: tcpdump on u" in text
        assert text.endswith("NOTHING LEAKED, as far as this place shows\n")
        assert count(text, "of these with the size of a probe") >= 20
        marker = bytes.fromhex(json.loads(plan.read_text())["marker"])
        got = [receiver.recv(2000) for _ in range(20)]
        assert {data[:32] for data in got} == {marker}
        assert len(set(got)) == 20
        assert vm1.mac in plan.read_text() and vm2.mac in plan.read_text()
        for file in (plan, kept):
            assert file.stat().st_mode & 0o777 == 0o600
        for file in (path, kept):
            status, text = auditor.run("--pcap", file, "--plan", plan,
                                       sb=False)
            assert status == CLEAN, text

    def test_routed(self, auditor):
        """From a switch that requires to one that demands nothing."""
        receiver = auditor.cloud.vms[3].receiver(7)
        status, text = auditor.probe("--udp-port", 7, receiver="vm4")
        assert status == CLEAN, text
        assert len([receiver.recv(2000) for _ in range(10)]) == 10

    def test_past_table_240(self, auditor):
        """A flow sends the packets of vm1 into the tunnel in clear."""
        cloud = auditor.cloud
        hv1, hv2 = cloud.hvs
        vm1, vm2 = cloud.vms[:2]
        status, text = auditor.probe()
        assert status == CLEAN, text
        tunnel = hv1.vsctl("--bare", "--columns=name", "find", "Interface",
                           f'options:remote_ip="{hv2.ip}"')
        port = hv1.vsctl("get", "Interface", vm1.port, "ofport")
        out = hv1.vsctl("get", "Interface", tunnel, "ofport")
        flow = f"in_port={port},dl_type=0x0800"
        key = cloud.keys["sw0"]
        since = time.time()
        hv1.ofctl("add-flow", "br-int", f"priority=65535,{flow},"
                  f"actions=load:{key}->NXM_NX_TUN_ID[],output:{out}")
        hv1.revalidate()
        plan = auditor.file("plan")
        span = cloud.underlay.capture("p2")
        try:
            status, text = auditor.probe("--save-plan", plan)
            assert status == LEAK, text
            wanted = (rf"^leak: .* {hv1.ip} > {hv2.ip}, UDP port 6081, VNI"
                      rf" {key}: marker, MAC address {vm2.mac} of vm2,"
                      rf" MAC address {vm1.mac} of vm1, VNI of sw0$")
            assert re.search(wanted, text, re.M), text
            assert count(text, "packets of the plan, readable") >= 10
            assert "doubt: " not in text
            status, text = auditor.run("--pcap", span.stop(quiet=False),
                                       "--plan", plan, sb=False)
            assert status == LEAK and re.search(wanted, text, re.M), text
            # Without probes, traffic shows it.
            traffic = vm1.ping_start(vm2.ip, 1000, 0.1)
            status, text = auditor.run("--watch", 2)
            pings(traffic, stop=True)
            assert status == LEAK and f"VNI {key}: " in text, text
            assert "marker, MAC" not in text
        finally:
            hv1.ofctl("--strict", "del-flows", "br-int",
                      f"priority=65535,{flow}")
            hv1.revalidate()
            cloud.excuse(since)
        status, text = auditor.probe()
        assert status == CLEAN, text

    def test_without_control_packet(self, auditor):
        """An interface that the tunnels do not use proves nothing."""
        status, text = auditor.probe("--interface", "mg")
        assert status == UNKNOWN, text
        assert "no control packet (begin, end) was seen" in text
        assert "of these with the size" in text
        assert count(text, "of these with the size of a probe") == 0

    def test_probes_that_do_not_leave(self, auditor):
        """An ACL drops them: nothing is proven."""
        nbctl = auditor.cloud.central.nbctl
        nbctl("--wait=hv", "acl-add", "sw0", "from-lport", "100",
              'inport == "vm1" && udp', "drop")
        try:
            status, text = auditor.probe()
        finally:
            nbctl("--wait=hv", "acl-del", "sw0")
        assert status == UNKNOWN, text
        assert "of 10 probes none was seen" in text

    def test_mirror(self, auditor):
        """As for a port of DPDK.  No mirror is left behind, also if the
        program or ovs-tcpdump is killed."""
        before = auditor.links()
        status, text = auditor.probe("--mirror", "u")
        assert status == CLEAN, text
        assert "vantage: ovs-tcpdump on port u of br-phys" in text
        wait_until(lambda: auditor.links() == before, "no mirror is left")
        for victim in ("leaktest", "ovs-tcpdump"):
            running = subprocess.Popen(
                auditor.command("--mirror", "u", "--watch", 60),
                env=auditor.env(), stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True)
            wait_until(lambda: "m_u" in auditor.links()[0], "a mirror is made")
            # nsenter has become the program.
            pid = running.pid if victim == "leaktest" else _child(running.pid)
            os.kill(pid, signal.SIGKILL)
            text = running.communicate(timeout=60)[0]
            if victim != "leaktest":
                assert running.returncode == UNKNOWN, text
                assert "ovs-tcpdump ended" in text
            wait_until(lambda: auditor.links() == before,
                       "nothing is left behind")

    def test_mirror_of_somebody_else(self, auditor):
        hv1 = auditor.cloud.hvs[0]
        hv1.vsctl("--", "--id=@m", "create", "Mirror", "name=m_u", "--",
                  "add", "Bridge", "br-phys", "mirrors", "@m")
        try:
            before = auditor.links()
            status, text = auditor.probe("--mirror", "u")
            assert status == UNKNOWN, text
            assert "there is a mirror m_u already" in text
            assert auditor.links() == before
        finally:
            hv1.vsctl("clear", "Bridge", "br-phys", "mirrors")

    def test_interrupted(self, auditor):
        """It judges what it has seen and cleans up, however often and
        whenever the signal comes."""
        before = auditor.links()
        running = subprocess.Popen(
            auditor.command("--mirror", "u", "--watch", 60),
            env=auditor.env(), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        wait_until(lambda: "m_u" in auditor.links()[0], "a mirror is made")
        for _ in range(10):
            running.terminate()
            time.sleep(0.02)
        text = running.communicate(timeout=60)[0]
        assert running.returncode == UNKNOWN, text
        assert "interrupted by SIGTERM" in text
        wait_until(lambda: auditor.links() == before, "no mirror is left")

    @pytest.mark.parametrize("ports, said", [
        (("nobody", "vm2"), "no port nobody in the southbound database"),
        (("vm1", "nobody"), "no port nobody in the southbound database"),
        (("vm2", "vm1"), "port vm2 is on chassis hv2, not on this one, hv1"),
        (("vm1", "vm3"), "port vm3 is on this chassis, hv1"),
        (("vm3", "vm4"), "neither vm3 nor vm4 is on a switch with"
                         " encryption=require"),
    ])
    def test_wrong_ports(self, auditor, ports, said):
        status, text = auditor.probe(sender=ports[0], receiver=ports[1])
        assert status == UNKNOWN and said in text, text

    def test_why_encrypted(self, auditor):
        """In one switch and across a router, with the sources."""
        vm1, _, _, vm4 = auditor.cloud.vms
        for sender, receiver in (("vm1", "vm2"), ("vm1", vm4.ip),
                                 (vm1.mac, "vm4")):
            found, said = auditor.why(sender, receiver)
            assert found == (0, "X", "encrypted"), said
        chain = {}
        for line in said["chain"]:
            chain.setdefault(line["source"], []).append(line["text"])
        assert re.search(r"sealing as profile 0 to UDP port 6082, to ",
                         chain["ofproto/trace"][0])
        assert re.search(r"profile 0: up, ECDHE-ECDSA-AES", str(
            chain["vnetenc/show"]))
        assert chain["ovn-trace"] == [
            "the packet reaches vm4 through 1 tunnel",
            "in a tunnel encrypted or dropped: profile 0, because of the way"
            " it came"]
        assert chain["Chassis_Private"] == ["hv1 reports datapath"
                                            f" {auditor.cloud.keys['sw0']}:"
                                            " require"]

    def test_why_not(self, auditor):
        """Each answer is that of the packets themselves."""
        cloud = auditor.cloud
        hv1, hv2 = cloud.hvs
        nbctl = cloud.central.nbctl
        for args, hv, wanted in (
                (("vm1", "vm3"), 1, (1, "NX_LOCAL_DST", "local")),
                (("vm3", "vm4"), 1, (1, "NX", "no-demand")),
                (("vm1", "vm2"), 2, (2, "UNKNOWN", "elsewhere"))):
            found, said = auditor.why(*args, hv=hv)
            assert found == wanted, said
        assert said["check"] == "run ovn-vnetenc-why on hv1"
        nbctl("--wait=hv", "acl-add", "sw0", "to-lport", "100",
              'outport == "vm2" && udp.dst == 53', "drop")
        try:
            found, said = auditor.why("vm1", "vm2", "--protocol=udp",
                                      "--port=53")
            assert found == (1, "NX", "denied"), said
            assert "udp.dst == 53" in str(said["chain"])
            found, said = auditor.why("vm1", "vm2")
            assert found == (0, "X", "encrypted"), said
        finally:
            nbctl("--wait=hv", "acl-del", "sw0")
        hv1.vsctl("--", "destroy", "VNetEnc_Peer", hv2.ip, "--", "create",
                  "VNetEnc_Peer", f'remote_ip="{hv2.ip}"',
                  "external_ids:source=local",
                  'fingerprints="sha256:' + "5" * 64 + '"')
        try:
            traffic = cloud.vms[0].ping_start(cloud.vms[1].ip, 1000, 0.1)
            wait_until(lambda: hv1.peer(hv2.ip, "last_error").startswith(
                "other_certificate"), "hv1 refuses hv2")
            found, said = auditor.why("vm1", "vm2")
            pings(traffic, stop=True)
            assert found == (1, "NX_NOT_ACCEPTED", "other_certificate"), said
        finally:
            hv1.vsctl("destroy", "VNetEnc_Peer", hv2.ip)
            cloud.central.sync()
        cloud.encrypted(*cloud.vms[:2])
        assert auditor.why("vm1", "vm2")[0] == (0, "X", "encrypted")

    def test_what_is_missing(self, auditor):
        run, folder = auditor.run, auditor.folder
        status, text = run(OVN_RUNDIR=str(folder), sb=False)
        assert status == UNKNOWN, text
        assert "the southbound database does not answer" in text
        status, text = run(OVS_RUNDIR=str(folder))
        assert status == UNKNOWN, text
        assert "the local Open vSwitch does not answer" in text
        status, text = run("--interface", "nowhere")
        assert status == UNKNOWN, text
        assert "tcpdump ended: tcpdump: nowhere: No such device" in text
        status, text = run("--mirror", "nowhere")
        assert status == UNKNOWN and "no port nowhere" in text, text
        status, text = run("--save-plan", "/nonexistent/plan")
        assert status == UNKNOWN and "/nonexistent/plan: No such" in text
        status, text = run("--save-plan", LEAKTEST)
        assert status == UNKNOWN and "File exists" in text, text
        # Everything but tcpdump.
        tools = folder / "bin"
        tools.mkdir()
        for name in ("ip", "nsenter", "setpriv"):
            (tools / name).symlink_to(shutil.which(name))
        status, text = run(PATH=":".join(
            [str(tools), *auditor.path.split(":")[:-4]]))
        assert status == UNKNOWN, text
        assert "tcpdump is not installed" in text

    def test_full_disk(self, auditor):
        """The disk has place for the first packets only."""
        folder = auditor.file("disk")
        folder.mkdir()
        run = auditor.cloud.run
        run.cmd("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder)
        try:
            vm1, vm2 = auditor.cloud.vms[:2]
            traffic = vm1.ping_start(vm2.ip, 1000, 0.01)
            status, text = auditor.run("--watch", 30, TMPDIR=str(folder))
            pings(traffic, stop=True)
        finally:
            run.cmd("umount", folder)
        assert status == UNKNOWN, text
        assert f"{folder}/" in text and "no space left on device" in text

    @pytest.mark.parametrize("place", [["--interface"], ["--mirror"]],
                             ids=["nic", "mirror"])
    def test_full_capture(self, auditor, place):
        """The capture has a bound, 1 MiB here, also while probes are sent."""
        before = auditor.links()
        kept = auditor.file("full.pcap")
        script = ("import runpy, sys; sys.path.insert(0, sys.argv[1]);"
                  "from vnetenc_tools import vantage;"
                  "vantage.MAX_CAPTURE = 1 << 20; sys.argv[:2] = [];"
                  "runpy.run_path(sys.argv[0], run_name='__main__')")
        vm1, vm2 = auditor.cloud.vms[:2]
        traffic = vm1.run.spawn("ping", "-q", "-s", 1300, "-i", "0.002",
                                vm2.ip, netns=vm1.netns)
        try:
            command = auditor.command(
                *place, "u", "--from", "vm1", "--to", "vm2", "--count", 100,
                "--write", kept)
            at = command.index(LEAKTEST)
            command[at:at] = ["/usr/bin/python3", "-c", script,
                              TOP / "utilities"]
            done = subprocess.run(command, env=auditor.env(), text=True,
                                  capture_output=True, check=False)
        finally:
            traffic.stop()
        text = done.stdout + done.stderr
        assert done.returncode == UNKNOWN, text
        assert "doubt: the capture was full, 1 MiB, after" in text
        assert kept.stat().st_size == 1 << 20
        wait_until(lambda: auditor.links() == before, "nothing is left")

    def test_nothing_to_test(self, auditor):
        cloud = auditor.cloud
        cloud.set_mode("off")
        status, text = auditor.probe()
        cloud.set_mode("require")
        assert status == UNKNOWN, text
        assert "no logical switch has encryption=require" in text

    def test_killed_host(self, auditor):
        """Within 30 s the state of the switch says so, and why."""
        cloud = auditor.cloud
        hv2 = cloud.hvs[1]
        vm1, vm2 = cloud.vms[:2]

        def status():
            return cloud.central.nbctl("get", "logical_switch", "sw0",
                                       "encryption_status")

        cloud.encrypted(vm1, vm2)
        wait_until(lambda: "state=enforced" in status(), "sw0 is enforced",
                   timeout=90)          # Alarms of the tests before end.
        traffic = vm1.ping_start(vm2.ip, 1000, 0.1)
        hv2.kill_vswitchd()
        try:
            wait_until(lambda: "state=degraded" in status(),
                       "sw0 is degraded", timeout=30)
            assert re.search(r"causes=\"hv1[^,]*hv2[^,]*down", status())
            found, said = auditor.why("vm1", "vm2")
            assert found == (1, "NX_NOT_ACCEPTED", "no_answer"), said
        finally:
            pings(traffic, stop=True)
            hv2.restart_vswitchd()


def _child(pid):
    """The first child of a process, 0 if it has none."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return int((file.read().split() or ["0"])[0])
