# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""What becomes of the running switch while packages change, under systemd."""

import importlib.machinery
import importlib.util
import os
import subprocess

import pytest

from harness.run import TOP

FAKES = {
    "systemctl": """
        echo "$*" >>"$FAKES/calls"
        case $* in
        *is-active*) [ "$ACTIVE" = yes ];;
        show*) cat "$FAKES/pid";;
        reload*) [ "$RELOADED" = same ] || echo "$RELOADED" >"$FAKES/pid";;
        restart*) [ "$RESTARTS" = yes ];;
        *) exit 3;;
        esac""",
    "ovs-appctl": '[ "$ANSWERS" = yes ]',
    "ovs-vsctl": 'echo "ovs-vsctl $*" >>"$FAKES/calls"',
    "policy-rc.d": 'exit "$POLICY"',
}
USUAL = {"ACTIVE": "yes", "ANSWERS": "yes", "RELOADED": "200",
         "RESTARTS": "yes", "POLICY": "104"}
RELOAD = "reload openvswitch-switch.service"
RESTART = "restart openvswitch-switch.service"
FORGET = ("ovs-vsctl --no-wait --timeout=5 remove Open_vSwitch ."
          " other_config flow-restore-wait")


@pytest.fixture(name="sh")
def fixture_sh(tmp_path):
    """Runs a script with such commands; returns the result and what it did to
    the switch."""
    for name, script in FAKES.items():
        file = tmp_path / name
        file.write_text("#!/bin/sh\n" + script + "\n")
        file.chmod(0o755)
    (tmp_path / "systemd").mkdir()
    (tmp_path / "pid").write_text("100\n")
    (tmp_path / "calls").touch()

    def run(script, *args, **what):
        script = script.replace("/usr/sbin/policy-rc.d",
                                str(tmp_path / "policy-rc.d"))
        script = script.replace("/run/systemd/system",
                                str(tmp_path / "systemd"))
        done = subprocess.run(
            ["/bin/sh", "-c", script, "sh", *args], capture_output=True,
            text=True, timeout=60, check=False, env={
                **os.environ, **USUAL, **what, "FAKES": str(tmp_path),
                "PATH": f"{tmp_path}:{os.environ['PATH']}"})
        calls = (tmp_path / "calls").read_text().splitlines()
        return done, [call for call in calls
                      if not call.startswith(("show", "-q is-active"))]
    return run


@pytest.mark.parametrize("args, what, calls", [
    (("configure", "1"), {}, [RELOAD, FORGET]),
    # The reload succeeds, but did not replace the daemon, or ended it.
    (("configure", "1"), {"RELOADED": "same"}, [RELOAD, FORGET, RESTART]),
    (("configure", "1"), {"RELOADED": "0"}, [RELOAD, FORGET, RESTART]),
    (("configure", "1"), {"RELOADED": "0", "RESTARTS": "no"},
     [RELOAD, FORGET, RESTART]),
    # A reload would wait for it.
    (("configure", "1"), {"ANSWERS": "no"}, [RESTART]),
    (("configure", "1"), {"POLICY": "101"}, []),
    (("configure", "1"), {"POLICY": "101", "ANSWERS": "no"}, []),
    (("configure", "1"), {"POLICY": "0"}, [RELOAD, FORGET]),
    (("configure", "1"), {"ACTIVE": "no"}, []),
    (("configure", ""), {}, []),
    (("abort-upgrade", "1"), {}, []),
])
def test_switch_after_upgrade(sh, args, what, calls):
    """The switch is replaced once, by the reload that keeps flows wherever
    that works."""
    text = (TOP / "debian/openvswitch-switch.postinst").read_text()
    rest = text.partition("export OVS_FORCE_RELOAD_KMOD")[2]
    done, found = sh("set -e\n" + rest, *args, **what)
    assert found == calls
    assert done.returncode == 0
    assert ("not restarted" in done.stderr) == (what.get("RESTARTS") == "no")


@pytest.mark.parametrize("unit, action, what, status, calls", [
    ("openvswitch-switch.service", "restart", {}, 101, [RELOAD]),
    ("openvswitch-switch.service", "restart", {"RELOADED": "same"}, 104,
     [RELOAD]),
    ("openvswitch-switch.service", "restart", {"RELOADED": "0"}, 104,
     [RELOAD]),
    ("openvswitch-switch.service", "start", {}, 104, []),
    ("ovs-vswitchd.service", "stop", {}, 101, []),
    ("ovsdb-server.service", "stop", {}, 101, []),
    ("ovn-controller.service", "stop", {}, 101, []),
    ("ovn-controller.service", "restart", {}, 104, []),
    ("ssh.service", "stop", {}, 104, []),
])
def test_policy_of_rollback(sh, unit, action, what, status, calls):
    """While stock packages are installed, the switch is reloaded once."""
    loader = importlib.machinery.SourceFileLoader(
        "rollback", str(TOP / "utilities/vnetenc-rollback"))
    spec = importlib.util.spec_from_loader("rollback", loader)
    rollback = importlib.util.module_from_spec(spec)
    loader.exec_module(rollback)
    done, found = sh(rollback.ONLY_RELOADED, unit, action, **what)
    assert (done.returncode, found) == (status, calls)
