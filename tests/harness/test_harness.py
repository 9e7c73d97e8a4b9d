# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The harness itself: a failing test is reported, and no test is lost.

tests/run-check runs a small source tree with a suite and two unit programs of
its own, in the same way as the real tree.
"""

import re
import shutil
import subprocess
import sys

import pytest

from harness.run import TOP

SUITE = """m4_define([AT_PACKAGE_NAME], [dummy])
m4_define([AT_PACKAGE_TARNAME], [dummy])
m4_define([AT_PACKAGE_VERSION], [1])
m4_define([AT_PACKAGE_STRING], [dummy 1])
m4_define([AT_PACKAGE_BUGREPORT], [nobody])
AT_INIT([dummy])
AT_COPYRIGHT([])
m4_include([vnetenc-tests.m4])
"""

GROUPS = """
AT_SETUP([good])
AT_KEYWORDS([fine])
AT_CHECK([true])
AT_CLEANUP
AT_SETUP([bad])
AT_CHECK([echo what was seen], [0], [what was wanted
])
AT_CLEANUP
AT_SETUP([skipped])
AT_SKIP_IF([true])
AT_CLEANUP
"""

# It ends the suite that runs it.
KILLER = """
AT_SETUP([killer])
AT_CHECK([kill -9 $(cat "$SUITE_PID"); sleep 60])
AT_CLEANUP
AT_SETUP([after it])
AT_CHECK([true])
AT_CLEANUP
"""

# Its first run looks like that of a program that waits for a processor.
LATE = """
AT_SETUP([late])
AT_CHECK([test -e "$STATE" || {
  touch "$STATE"
  echo 'Unreasonably long 2000ms poll interval (3ms user, 1ms system)' > x.log
  exit 1
}])
AT_CLEANUP
"""

# What a class shares is late at first, and tells at its end whether it is ok.
LATE_CLASS = """
import pytest
from runspace import Late

made = []


class TestShared:
    @pytest.fixture(name="shared", scope="class")
    def fixture_shared(self):
        made.append(len(made))
        yield made[-1]
        assert made[-1] or {ok}, "it was not ok"

    @pytest.fixture(name="lab", scope="class")
    def fixture_lab(self, shared):
        if not shared:
            raise Late("not within 5 s")
        return shared

    def test_one(self, lab):
        assert lab == 1

    def test_two(self, lab):
        assert lab == 1
"""

MAKEFILE = """
TESTSUITE =
check_SCRIPTS =
check_DATA =
AUTOTEST_PATH = tests
Makefile:
"""


class Project:
    """A source and build tree with dummy tests."""

    def __init__(self, top):
        self.top = top
        tests = top / "tests"
        tests.mkdir()
        for name in ("conftest.py", "pytest.ini", "run-check"):
            shutil.copy(TOP / "tests" / name, tests)
        shutil.copytree(TOP / "tests/harness", tests / "harness",
                        ignore=shutil.ignore_patterns("test_*", "__py*"))
        (top / "utilities").mkdir()
        shutil.copy(TOP / "utilities/vnetenc-lib.sh", top / "utilities")
        (top / "vnetenc-env").write_text(
            f"srcdir='{top}'\nbuilddir='{top}'\nPYTHON3='{sys.executable}'\n"
            "CFLAGS=\nCLANG=\n")
        (tests / "testsuite.at").write_text(SUITE)
        for tree in ("ovs", "ovn"):
            build = top / f"_{tree}/build"
            (build / "tests").mkdir(parents=True)
            (build / "Makefile").write_text(MAKEFILE)
            (build / "tests/atconfig").write_text(
                f"at_testdir=tests\nabs_builddir={build}/tests\n"
                f"at_srcdir=.\nabs_srcdir={build}/tests\nat_top_srcdir=..\n"
                f"abs_top_srcdir={build}\nat_top_build_prefix=../\n"
                f"abs_top_builddir={build}\nat_top_builddir={build}\n"
                "AUTOTEST_PATH=tests\nSHELL=/bin/sh\n")
            (build / "tests/atlocal").write_text(
                f"SUITE_PID={top}/pid\nSTATE={top}/state\necho $$ >$SUITE_PID"
                "\nexport SUITE_PID STATE\n")

    def add_groups(self, name, text):
        (self.top / "tests" / name).write_text(text)

    def add_program(self, name, script):
        (self.top / f"tests/{name}.c").write_text(
            "int\nmain (void)\n{\n}\n")
        program = self.top / f"_ovs/build/tests/{name}"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def check(self, *args):
        """Runs run-check; returns (exit status, last line, all output)."""
        done = subprocess.run([self.top / "tests/run-check", *args],
                              stdout=subprocess.PIPE, cwd=self.top, text=True,
                              stderr=subprocess.STDOUT, timeout=100,
                              stdin=subprocess.DEVNULL, check=False,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        return done.returncode, done.stdout.splitlines()[-1], done.stdout


@pytest.fixture(name="project")
def fixture_project(tmp_path):
    return Project(tmp_path)


def test_groups(project):
    project.add_groups("vnetenc-dummy.at", GROUPS)
    status, last, output = project.check("ovs")
    assert (status, last) == (1, "1 passed, 2 failed, 0 skipped"), output
    # The log of the failed group, and the reason why the other one failed.
    assert "+what was seen" in output
    assert re.search("3: skipped: skipped", output)
    failed = (project.top / "_log/check.failures").read_text()
    assert "vnetenc-dummy.at::bad" in failed


def test_selected_groups(project):
    project.add_groups("vnetenc-dummy.at", GROUPS)
    status, last, output = project.check("ovs", "--", "-k", "fine")
    assert (status, last) == (0, "1 passed, 0 failed, 0 skipped"), output
    project.check("ovs")
    status, last, output = project.check("ovs", "--", "--lf", "-x")
    assert (status, last) == (1, "0 passed, 1 failed, 0 skipped"), output
    ran = (project.top / "_log/ovs.output").read_text()
    assert not re.search("1: good", ran) and "2: bad" in ran


def test_name(project):
    project.add_groups("vnetenc-dummy.at", GROUPS)
    project.add_groups("ovn-testsuite.at", SUITE)
    project.add_groups("ovn-vnetenc-other.at",
                       "AT_SETUP([other])\nAT_CLEANUP\n")
    project.add_program("test-vnetenc-good", "exit 0")
    status, last, output = project.check("--match", "good")
    assert (status, last) == (0, "2 passed, 0 failed, 0 skipped"), output


def test_killed_suite(project):
    project.add_groups("vnetenc-dummy.at", GROUPS + KILLER)
    status, last, output = project.check("ovs", "--", "-k", "good or killer "
                                         "or after")
    assert status == 1, output
    assert "the suite ended before this group did" in output
    passed, failed, _ = map(int, re.findall(r"\d+", last))
    assert failed >= 1 and passed + failed == 3, output


def test_second_run(project):
    project.add_groups("vnetenc-dummy.at", LATE)
    status, last, output = project.check("ovs")
    assert (status, last) == (0, "1 passed, 0 failed, 0 skipped"), output
    assert "needed a second run: " in output


@pytest.mark.parametrize("ok, wanted", [
    (True, "2 passed"), (False, "2 passed, 1 error")])
def test_second_run_of_a_class(tmp_path, ok, wanted):
    """It makes anew what the class shares, whose end may not fail."""
    (tmp_path / "conftest.py").write_text(
        f"import sys\nsys.path[:0] = {[str(TOP / 'tests/system')]}\n"
        "from fixtures import pytest_runtest_makereport, run_item\n"
        "def pytest_runtest_protocol(item, nextitem):\n"
        "    run_item(item, nextitem)\n    return True\n")
    (tmp_path / "test_late.py").write_text(LATE_CLASS.format(ok=ok))
    done = subprocess.run(
        [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider",
         tmp_path], stdout=subprocess.PIPE, text=True, check=False,
        stdin=subprocess.DEVNULL, timeout=100)
    assert f"{wanted} in" in done.stdout.splitlines()[-1], done.stdout


def test_unit_programs(project):
    project.add_program("test-vnetenc-good", "exit 0")
    project.add_program("test-vnetenc-bad", "echo not true: 1 == 2; exit 1")
    project.add_program("test-vnetenc-skipped", "exit 77")
    project.add_program("test-vnetenc-missing", "")
    (project.top / "_ovs/build/tests/test-vnetenc-missing").unlink()
    status, last, output = project.check("unit")
    assert (status, last) == (1, "1 passed, 3 failed, 0 skipped"), output
    assert "not true: 1 == 2" in output
    assert "was not built" in output


def test_build_that_fails_stops_the_rest(project):
    build = project.top / "utilities/vnetenc-build"
    build.write_text("#!/bin/sh\necho no compiler today\nexit 1\n")
    build.chmod(0o755)
    project.add_program("test-vnetenc-good", "exit 0")
    status, last, output = project.check("build", "unit")
    assert (status, last) == (1, "0 passed, 1 failed, 0 skipped"), output
    assert "no compiler today" in output


def test_part_that_only_skips(project):
    """Status 77 says that the record is another compiler's."""
    with open(project.top / "_ovs/build/Makefile", "a") as makefile:
        makefile.write("tests/bench-vnetenc:\n")
    count = project.top / "tests/count-instructions"
    count.write_text("#!/bin/sh\nexit 77\n")
    count.chmod(0o755)
    status, last, output = project.check("instructions")
    assert (status, last) == (0, "0 passed, 0 failed, 1 skipped"), output


def test_clang_that_came_after_configure(project):
    build = project.top / "utilities/vnetenc-build"
    build.write_text('#!/bin/bash\n. "${0%/*}/vnetenc-lib.sh"\nload_env\n'
                     '[ -n "$CLANG" ] || die "clang is not installed"\n')
    build.chmod(0o755)
    status, last, output = project.check("clang")
    assert (status, last) == (0, "1 passed, 0 failed, 0 skipped"), output


def test_nothing_to_test(project):
    status, last, output = project.check("unit")
    assert (status, last) == (5, "0 passed, 1 failed, 0 skipped"), output


def test_unknown_part(project):
    status, _, output = project.check("units")
    assert status == 4, output
    assert "unknown part 'units'" in output


# A guest without a kernel: it runs the command that a guest would run.
GUEST = """#!/bin/sh
for word; do
    case $word in VNETENC_GUEST=*) export "$word" ;; esac
done
echo the guest is up
exec bash "$VNETENC_GUEST/command"
"""

GUEST_TESTS = """import os
import harness.guest
import pytest

def test_good():
    assert harness.guest.INSIDE

def test_bad():
    assert "what was seen" == "what was wanted"

def test_skipped():
    pytest.skip("for a reason")

def test_deadly():
    os._exit(1)

def test_after_it():
    pass
"""


@pytest.fixture(name="guest")
def fixture_guest(project):
    """A project with tests for a guest."""
    tests = project.top / "tests"
    shutil.copytree(TOP / "tests/guest", tests / "guest",
                    ignore=shutil.ignore_patterns("test_*", "__py*"))
    shutil.copytree(TOP / "tests/system", tests / "system",
                    ignore=shutil.ignore_patterns("test_*", "__py*"))
    shutil.copytree(TOP / "utilities/vnetenc_tools",
                    project.top / "utilities/vnetenc_tools",
                    ignore=shutil.ignore_patterns("__pycache__"))
    (tests / "guest/test_dummy.py").write_text(GUEST_TESTS)
    kernel = project.top / "_guest/uml"
    kernel.mkdir(parents=True)
    (kernel / "linux").write_text(GUEST)
    (kernel / "linux").chmod(0o755)
    return project


def test_guest(guest):
    status, last, output = guest.check("guest", "--", "-k", "not deadly")
    assert (status, last) == (1, "2 passed, 1 failed, 1 skipped"), output
    assert "'what was seen' == 'what was wanted'" in output
    assert "for a reason" in output


def test_guest_that_ends(guest):
    """It ends during a test, with others still to come."""
    status, last, output = guest.check("guest", "--", "-k", "not bad")
    assert (status, last) == (1, "1 passed, 2 failed, 1 skipped"), output
    assert output.count("the guest ended before") >= 2, output
    assert "the guest is up" in output


def test_guest_without_kernel(guest):
    kernel = guest.top / "tests/guest/kernel"
    kernel.write_text("#!/bin/sh\necho no such package\nexit 1\n")
    status, last, output = guest.check("guest")
    assert (status, last) == (1, "0 passed, 5 failed, 0 skipped"), output
    assert "no such package" in output


# Each file of a pair waits until the other one runs.
PAIR_TESTS = """import os
import pathlib
import time

HERE = pathlib.Path(__file__)

def note(name):
    with open(HERE.with_name(name), "a") as file:
        file.write(f"{os.getpid()}\\n")

def test_good():
    note(HERE.stem)
    deadline = time.monotonic() + 60
    while not HERE.with_name(OTHER).exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)

def test_bad():
    note(HERE.stem)
    assert "what was seen" == "what was wanted"

def test_deadly():
    note(HERE.stem)
    if os.environ.get("VNETENC_PAIR"):
        os._exit(1)

def test_after_it():
    note(HERE.stem)
"""


@pytest.fixture(name="pair")
def fixture_pair(guest):
    """A project with two files of system tests."""
    folder = guest.top / "tests/system"
    for name, other in (("test_a", "test_b"), ("test_b", "test_a")):
        (folder / f"{name}.py").write_text(
            PAIR_TESTS.replace("OTHER", repr(other)))
    return guest


def who_ran(pair):
    return [(pair.top / "tests/system" / name).read_text().split()
            for name in ("test_a", "test_b")]


def test_pair(pair):
    status, last, output = pair.check("system", "--", "-k", "not deadly")
    assert (status, last) == (1, "4 passed, 2 failed, 0 skipped"), output
    assert output.count("'what was seen' == 'what was wanted'") >= 2, output
    first, second = who_ran(pair)
    assert len(first) == len(second) == 3
    assert len(set(first)) == len(set(second)) == 1
    assert first[0] != second[0]


def test_pair_that_is_not_wanted(pair):
    """With -x, or with one file, pytest runs alone."""
    status, last, output = pair.check("system", "--", "-x", "-k", "after")
    assert (status, last) == (0, "2 passed, 0 failed, 0 skipped"), output
    first, second = who_ran(pair)
    assert first == second


def test_pair_that_ends(pair):
    """The second one ends during a test, with others still to come."""
    status, last, output = pair.check("system", "--", "-k", "not bad")
    assert (status, last) == (1, "4 passed, 2 failed, 0 skipped"), output
    assert output.count("the second pytest ended before") >= 2, output
