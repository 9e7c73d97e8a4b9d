# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Unit programs, builds and checks: one command each.

Items that mostly compile run in the side lane, a thread that works beside the
suites, because the suites wait more than they compute.
"""

import os
import re
import shutil
import subprocess
import threading
import time

import pytest

from .run import Failure, SIDE, TOP, keywords_of, tail

UNIT_TIMEOUT_S = 600

# How long one target is fuzzed; VNETENC_FUZZ_RUNS says how often instead.
FUZZ_S = 20
FUZZ_RUNS = os.environ.get("VNETENC_FUZZ_RUNS", "")

SANITIZERS = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0",
              "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
              "TSAN_OPTIONS": "history_size=7:"
                              f"suppressions={TOP}/tests/tsan-suppressions"}

# Part: what utilities/vnetenc-build makes for it.
BUILDS = {"build": ["ovs", "ovn"], "asan": ["ovs-asan"],
          "clang": ["ovs-clang", "ovn-clang"], "tsan": ["ovs-tsan"],
          "fuzz": ["ovs-fuzz"], "dpdk": ["ovs-dpdk"]}


class SideLane:
    """Does the work of items in their order, before pytest asks for them."""

    def __init__(self):
        self._outcomes = {}
        self._changed = threading.Condition()
        self._thread = None

    def start(self, items):
        if not self._thread:
            self._thread = threading.Thread(target=self._main, daemon=True,
                                            args=[items])
            self._thread.start()

    def _main(self, items):
        for item in items:
            item.run.doing["side"] = item.name
            error = None
            begin = time.time()
            try:
                item.work()
            except BaseException as e:  # Also what pytest.skip() raises.
                error = e
            item.span = (begin, time.time())
            with self._changed:
                self._outcomes[item] = error
                self._changed.notify_all()
        item.run.doing.pop("side")

    def outcome(self, item):
        with self._changed:
            while item not in self._outcomes:
                self._changed.wait(1)
        if self._outcomes[item]:
            raise self._outcomes[item]


class Work(pytest.Item):
    """One command, or a few."""

    def __init__(self, part, **kwargs):
        super().__init__(**kwargs)
        self.part = part
        self.run = self.config.run
        self.span = None
        self.extra_keyword_matches.add(part)

    def work(self):
        raise NotImplementedError

    def is_named(self, _name):
        return False

    def runtest(self):
        if self.part in SIDE:
            self.session.start_side_lane()
            self.config.side_lane.outcome(self)
        else:
            self.work()

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, Failure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, None, f"{self.path.name}: {self.name}"


# --- Builds --------------------------------------------------------------

class Builds:
    """Each build is made once in a run."""

    def __init__(self, run):
        self.run = run
        self._mutex = threading.Lock()
        self._errors = {}

    def make(self, part):
        with self._mutex:
            if part not in self._errors:
                self._errors[part] = self._make(part)
        if self._errors[part]:
            raise self._errors[part]

    def _make(self, part):
        if part == "dpdk" and subprocess.run(
                ["pkg-config", "--exists", "libdpdk"], check=False,
                stderr=subprocess.DEVNULL).returncode:
            return pytest.skip.Exception("libdpdk-dev is not there")
        log = self.run.fresh_log(f"{part}.log")
        for kind in BUILDS[part]:
            if self.run.call([self.run.srcdir / "utilities/vnetenc-build",
                              kind], log, cwd=self.run.builddir):
                return Failure(f"{kind} does not build:\n" + tail(log))
        return None


class Build(Work):
    def work(self):
        try:
            self.config.builds.make(self.part)
        except Failure:
            if self.part == "build":
                self.session.shouldfail = ("nothing that follows the failed "
                                           "build would mean anything")
            raise


class Style(Work):
    """Our files against the rules."""

    def work(self):
        log = self.run.fresh_log("style.log")
        if self.run.call([self.run.srcdir / "utilities/vnetenc-check"], log,
                         cwd=self.run.builddir):
            raise Failure(tail(log))


class Docs(Work):
    """The documentation without a warning, and for each installed program a
    manual page."""

    def work(self):
        log = self.run.fresh_log("docs.log")
        scratch = log.with_suffix("")
        shutil.rmtree(scratch, ignore_errors=True)
        if self.run.call(["make", "-s", "-C", self.run.builddir, "docs",
                          "install-tools", "install-data",
                          f"DESTDIR={scratch}"], log):
            raise Failure(tail(log))
        programs = {p.name for p in scratch.rglob("*bin/*")}
        pages = {p.stem for p in scratch.rglob("man8/*.8")}
        if not programs or programs != pages:
            raise Failure("a program without a page, or a page without a "
                          f"program: {', '.join(programs ^ pages)}")
        for page in scratch.rglob("man?/*.?"):
            if self.run.call(["man", "--warnings", "-l", page],
                             log.with_suffix(".8")):
                raise Failure(f"{page.name}: man cannot show it")
        if re.search(r"^troff|^grotty", log.with_suffix(".8").read_text(),
                     re.M):
            raise Failure(tail(log.with_suffix(".8")))
        shutil.rmtree(scratch)


class Instructions(Work):
    """The cost of a packet in our code, against tests/instructions."""

    def work(self):
        if not shutil.which("valgrind"):
            pytest.skip("valgrind is not there")
        log = self.run.fresh_log("instructions.log")
        build = self.run.builddir / "_ovs/build"
        tests = self.run.srcdir / "tests"
        status = self.run.call(
            ["make", "-s", "-C", build, "tests/bench-vnetenc"], log) \
            or self.run.call([tests / "count-instructions",
                              build / "tests/bench-vnetenc",
                              tests / "instructions"], log)
        if status == 77:
            pytest.skip("recorded with another compiler")
        if status:
            raise Failure(tail(log))


class Commands(pytest.File):
    """This file stands for the builds and the checks."""

    def collect(self):
        kinds = {"style": Style, "docs": Docs, "instructions": Instructions,
                 **{part: Build for part in BUILDS}}
        for part, kind in kinds.items():
            if part in self.config.run.parts:
                yield kind.from_parent(self, name=part, part=part)


# --- Unit programs -------------------------------------------------------

class Unit(Work):
    """One of tests/test-vnetenc-*.c; its log has its own counts."""

    def __init__(self, program, folder, **kwargs):
        super().__init__(**kwargs)
        self.program = program
        self.folder = folder

    def is_named(self, name):
        return self.part == "unit" and (
            name in self.path.stem
            or any(name in word for word in keywords_of(self.path)))

    def work(self):
        if self.part in BUILDS:
            self.config.builds.make(self.part)
        program = self.run.builddir / self.folder / "tests" / self.program
        if not os.access(program, os.X_OK):
            raise Failure(f"{program} was not built")
        log = self.run.fresh_log(f"{self.part}.{self.program}.log")
        scratch = log.with_suffix("")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        status = self.run.call(
            [program], log, cwd=scratch, timeout=UNIT_TIMEOUT_S,
            env=None if self.part == "unit" else SANITIZERS)
        if status is None:
            raise Failure(f"{self.program}: not within {UNIT_TIMEOUT_S} s\n"
                          + tail(log))
        if status:
            raise Failure(f"{self.program}: status {status}\n" + tail(log))
        shutil.rmtree(scratch)


class UnitFile(pytest.File):
    """A program in all its builds."""

    def collect(self):
        name = self.path.stem
        variants = [("unit", name, "_ovs/build"), ("asan", name, "_ovs/asan")]
        if "dpdk" in keywords_of(self.path):
            variants += [("dpdk", name, "_ovs/dpdk"),
                         ("dpdk", name + "-asan", "_ovs/dpdk")]
        if "threads" in keywords_of(self.path):
            variants.append(("tsan", name + "-tsan", "_ovs/clang"))
        for part, program, folder in variants:
            if part in self.config.run.parts:
                label = part + program.removeprefix(name)
                yield Unit.from_parent(self, name=label, part=part,
                                       program=program, folder=folder)


# --- Fuzz targets --------------------------------------------------------

class Fuzz(Work):
    """One of tests/fuzz/fuzz-*.c, with what it made to start from."""

    def call(self, log, *args):
        program = self.run.builddir / "_ovs/clang/tests/fuzz" / self.name
        return self.run.call([program, *args], log, cwd=log.with_suffix(""),
                             env=SANITIZERS)

    def work(self):
        self.config.builds.make("fuzz")
        log = self.run.fresh_log(f"{self.name}.log")
        scratch = log.with_suffix("")
        shutil.rmtree(scratch, ignore_errors=True)
        (scratch / "corpus").mkdir(parents=True)
        limit = f"-runs={FUZZ_RUNS}" if FUZZ_RUNS \
            else f"-max_total_time={FUZZ_S}"
        # A slow input on a machine that is busy is no finding.
        if self.call(log, "seeds", "corpus") or self.call(
                log, "-seed=1", "-timeout=300", "-print_final_stats=1",
                "-max_len=4096", limit, "corpus"):
            raise Failure(f"{tail(log)}\nthe input is in {scratch}")
        if not re.search(r"number_of_executed_units: *[1-9]",
                         log.read_text(errors="replace")):
            raise Failure(f"nothing was run:\n{tail(log)}")
        shutil.rmtree(scratch)


class FuzzFile(pytest.File):
    def collect(self):
        if "fuzz" in self.config.run.parts:
            yield Fuzz.from_parent(self, name=self.path.stem, part="fuzz")


def is_program(path):
    """Whether this source file is a program; without main() it is a part of
    another one."""
    return path.match("test-vnetenc-*.c") \
        and re.search(r"\bmain *\(", path.read_text())
