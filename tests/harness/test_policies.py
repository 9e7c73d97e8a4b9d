# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Policies that we write for programs of the host, as these programs read
them.  No SELinux kernel and no running firewalld is needed."""

import subprocess

import pytest
from firewall.core.io.service import service_reader
from firewall.errors import FirewallError

from harness.run import TOP


def compile_policy(source, tmp_path):
    """What the compiler of SELinux says of a module, and its status."""
    return subprocess.run(
        ["checkmodule", "-M", "-m", "-o", tmp_path / "vnetenc.mod", source],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False)


def test_selinux_module(tmp_path):
    """It compiles; a type that it does not name is found."""
    policy = TOP / "rhel/vnetenc.te"
    done = compile_policy(policy, tmp_path)
    assert not done.returncode, done.stdout
    text = policy.read_text(encoding="utf-8")
    assert "        type nsfs_t;\n" in text
    broken = tmp_path / "broken.te"
    broken.write_text(text.replace("        type nsfs_t;\n", ""))
    done = compile_policy(broken, tmp_path)
    assert done.returncode and "nsfs_t" in done.stdout, done.stdout


def test_firewalld_service(tmp_path):
    """firewalld reads the service, and refuses a damaged one."""
    service = service_reader("vnetenc.xml", str(TOP / "utilities/firewalld"))
    wanted = [("6082", "udp"), ("6089", "udp")]
    assert sorted(service.ports) == wanted
    assert sorted(service.source_ports) == wanted
    text = (TOP / "utilities/firewalld/vnetenc.xml").read_text("utf-8")
    (tmp_path / "broken.xml").write_text(text.replace('"6089"', '"66089"'))
    with pytest.raises(FirewallError, match="66089"):
        service_reader("broken.xml", str(tmp_path))
