# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Suites of autotest: ours, and upstream's.

A suite runs once, with the numbers of all selected groups, as soon as an item
asks for the result of one of them.  A thread reads the output of the suite and
hands each group's result to the item that waits for it.
"""

import collections
import fnmatch
import os
import re
import shutil
import subprocess
import threading
import time

import pytest

from .run import Failure, tail

LISTED = re.compile(r'^at_help_all="(.*?)"$', re.M | re.S)
RESULT = re.compile(r"^ *(\d+): .* (ok|(?:FAILED|skipped|expected failure|"
                    r"UNEXPECTED PASS).*)$")

# The suite has a process namespace of its own.  However the suite ends, also
# by an interrupt, the kernel ends every daemon that it started.  The shell
# stays the first process of the namespace, to reap them.
CONTAINED = ["unshare", "--mount", "--pid", "--fork", "--kill-child",
             "--mount-proc", "/bin/bash", "-c", '"$@"; exit $?', "contained"]

# The same, with network namespaces of its own as well, so the machine's
# networks stay untouched.
ISOLATED = ["unshare", "--net", *CONTAINED[1:-2], """
    mount -t tmpfs -o mode=755 tmpfs /run || exit 1
    mkdir -p /run/netns /run/lock
    ip link set lo up || exit 1
    "$@"
    exit $?""", "isolated"]

# Signs that a program waited for a processor: it reports that it did not poll
# for more than a second although it computed next to nothing, or that another
# program on this machine did not greet within that time.
LATE = re.compile(r"Unreasonably long [0-9]+ms poll interval "
                  r"\([0-9]{1,2}ms user, [0-9]{1,2}ms system\)"
                  r"|<->unix#[0-9]+: connection timed out")

Listed = collections.namedtuple("Listed", "number file title keywords")
Result = collections.namedtuple("Result", "said begin end again")


class Tree:
    """One of the two builds and the suites in it."""

    def __init__(self, run, name):
        self.run = run
        self.name = name
        self.build = run.builddir / f"_{name}/build"
        self.upstream = self.build / "../src/tests/testsuite"
        self._prepared = False
        self._ours = None

    def prepare(self):
        """Makes the files that upstream's suite needs."""
        if self._prepared:
            return
        self.run.need_builds()
        targets = self.run.shell(
            "print_make", self.build,
            "$(TESTSUITE) $(check_SCRIPTS) $(check_DATA)").split()
        log = self.run.fresh_log(f"{self.name}-suite.log")
        if targets and self.run.call(
                ["make", "-s", "-C", self.build, "--no-print-directory",
                 f"-j{os.cpu_count()}", *targets], log):
            raise Failure(f"upstream's suite of {self.name} cannot be made:\n"
                          + tail(log))
        self._prepared = True

    def ours(self):
        """Generates our suite out of all our .at files."""
        if self._ours:
            return self._ours
        self.prepare()
        srcdir = self.run.srcdir
        top, prefix = {"ovs": ("testsuite.at", "vnetenc"),
                       "ovn": ("ovn-testsuite.at", "ovn-vnetenc")}[self.name]
        name = "vnetenc-match" if self.run.name else "vnetenc-testsuite"
        suite = self.build / "tests" / name
        files = sorted((srcdir / "tests").glob(prefix + "*.at"),
                       key=lambda f: (not f.stem.endswith("-macros"), f.name))
        listed = suite.with_suffix(".d")
        listed.mkdir(exist_ok=True)
        (listed / "vnetenc-tests.m4").write_text(
            "".join(f"m4_include([tests/{f.name}])\n" for f in files))
        new = suite.with_suffix(".tmp")
        log = self.run.fresh_log(f"{self.name}-suite.log")
        if self.run.call(
                ["autom4te", "--language=autotest", "-I", srcdir,
                 "-I", self.run.builddir / f"_{self.name}/src", "-I", listed,
                 "-o", new, srcdir / "tests" / top], log,
                cwd=self.run.builddir):
            raise Failure(f"our suite of {self.name} cannot be made:\n"
                          + tail(log))
        new.replace(suite)
        self._ours = suite
        return suite


def list_groups(suite):
    """The groups of a suite, as it lists them itself."""
    found = LISTED.search(suite.read_text(errors="replace"))
    if not found:
        raise Failure(f"{suite} lists no groups")
    groups = []
    for line in found.group(1).splitlines():
        number, where, rest = line.split(";", 2)
        title, keywords = rest.rstrip(";").rsplit(";", 1) \
            if ";" in rest.rstrip(";") else (rest.rstrip(";"), "")
        title = re.sub(r"\\(.)", r"\1", title).strip()
        groups.append(Listed(int(number), where.rsplit(":", 1)[0], title,
                             keywords.split()))
    return groups


class Suite:
    """One run of a suite: the groups of one part."""

    # Only one suite runs at a time.
    running = None

    def __init__(self, tree, script, part):
        self.tree = tree
        self.run = tree.run
        self.script = script
        self.part = part
        self.label = part if part.endswith(tree.name) \
            else f"{part}-{tree.name}"
        self.ours = not part.startswith(("upstream-", "full-"))
        self.jobs = 1 if part == "ns" else self.run.jobs
        self.listed = list_groups(script)
        self.thread = None
        self._wanted = []
        self._results = {}
        self._changed = threading.Condition()

    def __str__(self):
        return (f"{self.label}: {len(self._results)} of {len(self._wanted)} "
                "groups done")

    # --- The main thread -------------------------------------------------

    def start(self, numbers):
        if Suite.running:
            Suite.running.thread.join()
        Suite.running = self
        # The build may have made it anew.
        if list_groups(self.script) != self.listed:
            raise Failure(f"{self.script} changed after its groups were "
                          "collected: run the tests again")
        self._wanted = numbers
        self.run.doing["suite"] = self
        self.thread = threading.Thread(target=self._main, daemon=True)
        self.thread.start()

    def result(self, number):
        """Waits for the result of a group."""
        with self._changed:
            while number not in self._results and self.thread.is_alive():
                self._changed.wait(1)
        if number in self._results:
            return self._results[number]
        return Result("no result: the suite ended before this group did; "
                      "see its output:\n"
                      + tail(self.run.logs / f"{self.label}.output"),
                      0, 0, False)

    # --- The thread of the run -------------------------------------------

    def _main(self):
        try:
            late = self._run(self._wanted, self.jobs, "output", False)
            if late:
                self._run(late, 1, "again", True)
        except (OSError, Failure) as error:
            with open(self.run.logs / f"{self.label}.output", "a") as out:
                out.write(f"{error}\n")
        finally:
            self.run.doing.pop("suite", None)
            with self._changed:
                self._changed.notify_all()

    def _command(self, numbers, jobs):
        command = ["sh", self.script, "-C", "tests", f"-j{jobs}",
                   "AUTOTEST_PATH=" + self.run.shell(
                       "print_make", self.tree.build, "$(AUTOTEST_PATH)"),
                   *map(str, numbers)]
        if self.part == "ns":
            return ISOLATED + command
        return CONTAINED + command if os.geteuid() == 0 else command

    def _run(self, numbers, jobs, log, again):
        """Runs groups; returns those whose result does not count."""
        env = dict(os.environ)
        if self.tree.name == "ovn":
            env["ovs_srcdir"] = str(self.run.builddir / "_ovs/src")
            env["ovs_builddir"] = str(self.run.builddir / "_ovs/build")
        late = []
        # The groups begin in the order of their numbers: the first JOBS at
        # once, each of the others when another group ends.
        begins = collections.deque([time.time()] * jobs)
        waiting = collections.deque(sorted(numbers))
        begin = {}
        with open(self.run.fresh_log(f"{self.label}.{log}"), "w") as out:
            with self.run.child(self._command(numbers, jobs), env=env,
                                cwd=self.tree.build, text=True, bufsize=1,
                                errors="replace",
                                stdout=subprocess.PIPE) as process:
                for line in process.stdout:
                    out.write(line)
                    out.flush()
                    while begins and waiting:
                        begin[waiting.popleft()] = begins.popleft()
                    found = RESULT.match(line)
                    if not found:
                        continue
                    number, said = int(found.group(1)), found.group(2)
                    begins.append(time.time())
                    if said != "ok":
                        self._keep(number)
                        if not again and self._is_late(number, said):
                            late.append(number)
                            continue
                    self._add(number, Result(said, begin.get(number, 0),
                                             time.time(), again))
        return late

    def _add(self, number, result):
        with self._changed:
            self._results[number] = result
            self._changed.notify_all()

    def _is_late(self, number, said):
        """Whether a group gets one more run, alone: tests wait for limited
        times, and a busy machine is slow.  A group of ours gets it only if one
        of its programs waited for a processor.  The report names the group."""
        if not self.ours:
            return True
        return said.startswith("FAILED") and any(
            LATE.search(log.read_text(errors="replace"))
            for log in self.kept(number).rglob("*.log"))

    def kept(self, number):
        return self.run.logs / f"{self.label}.{number:04d}"

    def _keep(self, number):
        """Copies the files that a group left behind to the logs."""
        kept = self.kept(number)
        shutil.rmtree(kept, ignore_errors=True)
        # Autotest writes a log's last line after it prints the result.
        time.sleep(0.2)
        for folder in (self.tree.build / "tests").glob(
                f"{self.script.name}.dir/*"):
            if folder.name.isdigit() and int(folder.name) == number:
                shutil.copytree(
                    folder, kept, symlinks=True, ignore_dangling_symlinks=True,
                    ignore=lambda d, names: [
                        n for n in names if not os.path.isfile(f"{d}/{n}")
                        and not os.path.isdir(f"{d}/{n}")])


class Group(pytest.Item):
    """A group of a suite."""

    def __init__(self, suite, listed, **kwargs):
        super().__init__(**kwargs)
        self.suite = suite
        self.listed = listed
        self.part = suite.part
        self.span = None
        self.extra_keyword_matches.update([self.part, listed.title,
                                           listed.file, *listed.keywords])

    def is_named(self, name):
        return any(name in word for word in (
            self.listed.file, self.listed.title, *self.listed.keywords))

    def runtest(self):
        if not self.suite.thread:
            self.suite.start([item.listed.number for item in self.session.items
                              if getattr(item, "suite", None) is self.suite])
        number = self.listed.number
        result = self.suite.result(number)
        if result.begin:
            self.span = (result.begin, result.end)
        if result.again:
            self.user_properties.append(("second run", self.part))
        # A skipped group counts as failed: none may be skipped here.
        if result.said != "ok":
            kept = self.suite.kept(number)
            raise Failure(f"{number}: {self.listed.title}: {result.said}\n"
                          + tail(kept / f"{self.suite.script.name}.log")
                          + (f"\nall of it: {kept}" if kept.exists() else ""))

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, Failure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, None, f"{self.listed.file}: {self.listed.title}"


class Groups(pytest.File):
    """A file that stands for groups: an .at file of ours, or a list of groups
    of upstream."""

    def make(self, suite, listed):
        """Items for groups.  Each item gets a name of its own."""
        seen = collections.Counter()
        for group in listed:
            name = group.title
            if group.file != self.path.name:
                name = f"{group.file}: {name}"
            seen[name] += 1
            if seen[name] > 1:
                name += f" #{seen[name]}"
            yield Group.from_parent(self, name=name, suite=suite,
                                    listed=group)

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, Failure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)


class OurFile(Groups):
    """An .at file of ours.  Groups of tests/*-ns.at need namespaces, or
    measure time."""

    def collect(self):
        suites = self.config.suites
        tree = "ovn" if self.path.name.startswith("ovn-") else "ovs"
        part = part_of(self.path)
        suite = suites.suite(tree, part, suites.trees[tree].ours())
        found = [g for g in suite.listed if g.file == self.path.name]
        if not found:
            raise Failure(f"{self.path.name} holds no tests")
        return self.make(suite, found)


class Subset(Groups):
    """Upstream's groups that tests/upstream-*-subset names: for Open vSwitch
    by patterns of files and with a count, for OVN by file and title."""

    def collect(self):
        tree = self.path.name.split("-")[1]
        suites = self.config.suites
        if suites.run.name:
            return                  # Only if no test of ours has the name.
        for part in (f"upstream-{tree}", f"full-{tree}"):
            if part in suites.run.parts:
                suite = self.suite(tree, part)
                yield from self.make(suite, self.choose(suite.listed)
                                     if part.startswith("upstream-")
                                     else suite.listed)

    def suite(self, tree, part):
        suites = self.config.suites
        suites.trees[tree].prepare()
        return suites.suite(tree, part, suites.trees[tree].upstream)

    def choose(self, listed):
        lines = [line for line in self.path.read_text().splitlines()
                 if line and not line.startswith("#")]
        counts = [int(line.split()[1]) for line in lines
                  if line.startswith("count ")]
        if not counts:
            return self._choose_titles(lines, listed)
        patterns = [line for line in lines if not line.startswith("count ")]
        chosen = [group for group in listed
                  if any(fnmatch.fnmatchcase(group.file, p)
                         for p in patterns)]
        if len(chosen) < counts[0]:
            raise Failure(f"only {len(chosen)} of {counts[0]} tests found")
        return chosen

    @staticmethod
    def _choose_titles(lines, listed):
        by_name = collections.defaultdict(list)
        for group in listed:
            by_name[f"{group.file}: {group.title}"].append(group)
        missing = [line for line in lines if line not in by_name]
        if missing:
            raise Failure("\n".join(f"no such test: {m}" for m in missing))
        return [group for line in lines for group in by_name[line]]

    def named(self, name):
        """Upstream's groups from files with this name."""
        tree = self.path.name.split("-")[1]
        suite = self.suite(tree, f"full-{tree}")
        return list(self.make(suite, [g for g in suite.listed
                                      if name in g.file]))


class Suites:
    """Both trees and the suites in use."""

    def __init__(self, run):
        self.run = run
        self.trees = {name: Tree(run, name) for name in ("ovs", "ovn")}
        self._suites = {}

    def suite(self, tree, part, script):
        key = tree, part
        if key not in self._suites:
            self._suites[key] = Suite(self.trees[tree], script, part)
        return self._suites[key]


def part_of(path):
    """The part to which an .at file of ours belongs, or None."""
    if path.suffix != ".at" or path.stem.endswith(("-macros", "testsuite")):
        return None
    if path.stem.endswith("-ns"):
        return "ns"
    if path.name.startswith("ovn-vnetenc"):
        return "ovn"
    return "ovs" if path.name.startswith("vnetenc") else None
