# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""quickstart: it refuses at once what it cannot do, before it installs
packages or builds, and says what is wrong and what is allowed."""

import pathlib
import shutil
import subprocess
import tempfile

import pytest

from harness.run import TOP


@pytest.fixture(name="top")
def fixture_top():
    """A folder, open to all users, where nothing can be configured or
    built."""
    with tempfile.TemporaryDirectory() as folder:
        top = pathlib.Path(folder) / "top"
        (top / "utilities").mkdir(parents=True)
        top.parent.chmod(0o755)
        shutil.copy(TOP / "quickstart", top)
        shutil.copy(TOP / "utilities/vnetenc-lib.sh", top / "utilities")
        (top.parent / "folder").mkdir()
        (top.parent / "old").write_text("as it was")
        yield top


def refused(top, *args, under=()):
    """What quickstart says when it refuses; it must not have begun."""
    before = sorted(top.parent.rglob("*"))
    done = subprocess.run([*under, "./quickstart", *args], cwd=top,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    assert not done.stdout
    assert sorted(top.parent.rglob("*")) == before
    assert (top.parent / "old").read_text() == "as it was"
    return done.stderr


@pytest.mark.parametrize("args, said", [
    (["frob"], "unknown command 'frob'; there are bench, build, check, demo,"),
    (["check", "unit"], "unknown argument 'unit'; check takes none"),
    (["build", "-j"], "unknown argument '-j'; build takes none"),
    (["demo", "--quick"],
     "unknown argument '--quick'; demo takes --datapath=kernel, --keep and"
     " --report FILE"),
    (["demo", "--datapath=system"],
     "unknown argument '--datapath=system'; demo takes --datapath=kernel,"),
    (["bench", "--keep"],
     "unknown argument '--keep'; bench takes --quick and --report FILE"),
    (["demo", "--report"], "--report needs the name of a file"),
    (["demo", "--keep", "--report", "../none/x"],
     "--report ../none/x: there is no folder "),
    (["bench", "--report", "../folder"], "--report ../folder: it is a folder"),
    (["demo", "--report", "/proc/x"], "/proc/x cannot be written"),
    (["demo", "--report", "../old", "-x"], "unknown argument '-x'"),
    (["demo", "--report", "../new", "-x"], "unknown argument '-x'"),
    (["test"], "test takes one NAME, and was given 0"),
    (["test", "a", "b"], "test takes one NAME, and was given 2"),
    (["packages", "x"],
     "packages takes --output DIR, and was given 'x'"),
])
def test_wrong_argument(top, args, said):
    assert said in refused(top, *args)


@pytest.mark.parametrize("command", ["bench", "build", "check", "demo",
                                     "packages --output x", "test x"])
def test_without_root(top, command):
    said = refused(top, *command.split(), under=[
        "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
    assert f"quickstart {command.split()[0]} " in said
    assert "run it as root" in said


@pytest.mark.parametrize("command", ["bench", "check", "demo", "test x"])
def test_without_right_to_mount(top, command):
    """As in a container that is not privileged."""
    said = refused(top, *command.split(), under=[
        "setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all"])
    assert "makes network namespaces and mounts" in said
    assert "it needs to be privileged (CAP_SYS_ADMIN)" in said
