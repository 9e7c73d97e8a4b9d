# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""What depends on the release of Debian, on every release."""

import os
import subprocess

import pytest

from harness.run import TOP

RELEASES = [("12", "bookworm", "libipsec-mb1"),
            ("13", "trixie", "libipsec-mb2")]


@pytest.fixture(name="on_release")
def fixture_on_release(tmp_path):
    """Runs a command on a machine that says it has a release of Debian, with
    a library that libipsec-mb-dev depends on."""
    def run(number, name, library, *command):
        release = tmp_path / "os-release"
        release.write_text(f'ID=debian\nVERSION_ID="{number}"\n'
                           f"VERSION_CODENAME={name}\n")
        query = tmp_path / "dpkg-query"
        query.write_text(f"#!/bin/sh\necho '{library} (= 1), other'\n")
        query.chmod(0o755)
        return subprocess.run(
            ["unshare", "--mount", "sh", "-ec",
             'mount --bind "$0" /etc/os-release; exec "$@"', release,
             *command], cwd=TOP, check=True, stdout=subprocess.PIPE,
            text=True, env={**os.environ,
                            "PATH": f"{tmp_path}:{os.environ['PATH']}"}
            ).stdout
    return run


@pytest.mark.parametrize("release", RELEASES)
def test_versions_of_packages(on_release, release):
    """A version names the release that the package was built on, and the
    library recommended is the one it was compiled with."""
    versions = on_release(
        *release, "make", "-s", "-f", "debian/rules", "versions", "--eval",
        "versions:; @echo $(ovs_version) $(ovn_version) $(recommended)")
    ovs, ovn, recommended = versions.split()
    assert ovs.startswith("4.0.0-2+vnetenc")
    assert ovn.startswith("26.03.1-1+vnetenc")
    assert ovs.endswith(f"~deb{release[0]}u1")
    assert ovn.endswith(f"~deb{release[0]}u1")
    assert recommended == f"-Vipsec-mb:Recommends={release[2]}"


@pytest.mark.parametrize("release", RELEASES)
def test_release_to_go_back_to(on_release, release):
    said = on_release(
        *release, "/usr/bin/python3", "-B", "-c",
        "from importlib.machinery import SourceFileLoader\n"
        "program = SourceFileLoader('rollback', 'utilities/vnetenc-rollback')"
        ".load_module()\n"
        "print(program.make_parser().get_default('release'))")
    assert said == release[1] + "\n"
