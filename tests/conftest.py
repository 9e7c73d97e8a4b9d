# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Makes every test of vnetenc an item of pytest.

Besides tests in Python there are groups of autotest (harness/suite.py), unit
programs, builds and checks (harness/work.py).  `make check' and quickstart
call tests/run-check, which starts pytest.  By hand, `pytest tests' works in a
built tree, with -k, -x, --lf, --durations and --junitxml as usual.
"""

import contextlib
import os
import pathlib
import signal
import sys
import time

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from harness import guest, pair, reports, suite, work   # noqa: E402
from harness.run import (           # noqa: E402
    FULL, Failure, PARTS, Run, SIDE, SYSTEM_TIMEOUT_S, SignsOfLife, TOP)

TESTS = TOP / "tests"

# A test that is skipped for one of these reasons counts as failed, because
# all programs that the tests need are installed for them.
MISSING = ("not installed", "not found", "missing tool", "could not import")


def pytest_addoption(parser):
    parser.addoption(
        "--builddir", metavar="DIR",
        default=os.environ.get("VNETENC_BUILDDIR", TOP),
        help="holds _ovs/build and _ovn/build")
    parser.addoption(
        "--keep-folder", action="store_true",
        help="do not remove the folders with logs and captures")
    parser.addoption(
        "--parts", metavar="PARTS", default="",
        help="only these parts, of: " + " ".join(PARTS))
    parser.addoption(
        "--name", metavar="NAME", default="",
        help="only tests of ours whose file name, own name or keywords "
        "contain NAME or, if there is none, upstream's of such a file")


def pytest_configure(config):
    option = config.option
    parts = option.parts.split() or [p for p in PARTS if p not in FULL]
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise pytest.UsageError(f"unknown part '{unknown[0]}'; the parts "
                                f"are: {' '.join(PARTS)}")
    if option.name:
        parts = ["unit", "ovs", "ovn", "ns", "guest", "system"]
    config.run = Run(option.builddir, parts, option.name)
    config.suites = suite.Suites(config.run)
    config.builds = work.Builds(config.run)
    config.side_lane = work.SideLane()
    config.guests = guest.Guests(config.run)
    config.run.set_environment()
    if option.help:
        return
    # pytest captures the output of tests, but not this file.
    config.out = os.fdopen(os.dup(1), "w", buffering=1)
    config.signs = SignsOfLife(config.run, config.out.write)
    config.results = Results(config)
    config.pluginmanager.register(config.results)
    if option.collectonly:
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if guest.INSIDE or pair.INSIDE:
        config.pluginmanager.register(reports.Writer(
            config, pathlib.Path(guest.INSIDE or pair.INSIDE)))
    elif config.run.configured:
        config.run.take_lock(config.out.write)
    config.signs.start()


# --- Collecting ----------------------------------------------------------

def pytest_ignore_collect(collection_path, config):
    part = {TESTS / name: name for name in ("guest", "harness", "system")
            }.get(collection_path)
    if part == "harness":
        # Builds and checks are collected there as well.
        return None
    return True if part and part not in config.run.parts else None


def pytest_collect_file(file_path, parent):
    parts = parent.config.run.parts
    kind = None
    if file_path.parent == TESTS:
        if work.is_program(file_path):
            kind = work.UnitFile
        elif suite.part_of(file_path) in parts:
            kind = suite.OurFile
        elif file_path.match("upstream-*-subset"):
            kind = suite.Subset
    elif file_path.match("tests/fuzz/fuzz-*.c"):
        kind = work.FuzzFile
    elif file_path == TESTS / "harness/work.py":
        kind = work.Commands
    return kind and kind.from_parent(parent, path=file_path)


def part_of(item):
    """The part that an item belongs to."""
    return getattr(item, "part", None) or item.path.parent.name


def is_named(item, name):
    if hasattr(item, "is_named"):
        return item.is_named(name)
    return part_of(item) in ("guest", "system") and (
        name in item.path.stem or name in item.name)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session, config, items):
    run = config.run
    kept = [item for item in items if part_of(item) in run.parts
            and (not run.name or is_named(item, run.name))]
    if run.name and not kept:
        kept = [group for subset in sorted(TESTS.glob("upstream-*-subset"))
                for group in suite.Subset.from_parent(
                    session, path=subset).named(run.name)]
        if not kept:
            raise pytest.UsageError(f"no test is named like '{run.name}'")
    dropped = set(items) - set(kept)
    if dropped:
        config.hook.pytest_deselected(items=list(dropped))
    items[:] = sorted(kept, key=lambda item: PARTS.index(part_of(item)))
    session.start_side_lane = lambda: config.side_lane.start(
        [item for item in session.items if part_of(item) in SIDE])


# --- Running -------------------------------------------------------------

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    part = part_of(item)
    config = item.config
    if part not in ("build", "harness", "unit", "ns", "guest", "system") \
            and any(part_of(i) in SIDE for i in item.session.items):
        item.session.start_side_lane()
    config.run.doing["main"] = (
        item.name if part in ("unit", "guest", "system") else "")
    limit = (SYSTEM_TIMEOUT_S if part == "system"
             else guest.TEST_TIMEOUT_S if guest.INSIDE else None)
    if limit:
        with time_limit(limit):
            yield
    else:
        yield
    config.signs.last = time.monotonic()


@contextlib.contextmanager
def time_limit(seconds):
    """A test that hangs fails."""
    def too_long(*_):
        raise Failure(f"not within {seconds} s")

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def is_missing(report):
    """Was a test skipped because something is missing that should exist?"""
    return report.skipped and not hasattr(report, "wasxfail") \
        and any(word in str(report.longrepr).lower() for word in MISSING)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    report.part = part_of(item)
    report.span = getattr(item, "span", None) or (call.start, call.stop)
    if call.when == "call":
        # The time that the item took, not the time that pytest waited.
        report.duration = report.span[1] - report.span[0]
    if is_missing(report):
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure: {report.longrepr[2]}"


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report():
    outcome = yield
    report = outcome.get_result()
    if is_missing(report):
        report.outcome = "failed"


def pytest_sessionfinish(session):
    session.config.run.stop()


# --- Results -------------------------------------------------------------

class Results:
    """Counts, by part and in all."""

    def __init__(self, config):
        self.config = config
        self.tests = {}             # Name -> (part, result).
        self.spans = {}             # Part -> (begin, end).
        self.second = {}            # Part -> names.
        self.begin = time.time()
        self.exitstatus = 0

    def pytest_runtest_logreport(self, report):
        part, result = self.tests.get(report.nodeid, (report.part, "passed"))
        if report.outcome == "failed" or result == "passed":
            result = report.outcome
        self.tests[report.nodeid] = part, result
        begin, end = self.spans.get(part, report.span)
        self.spans[part] = (min(begin, report.span[0]),
                            max(end, report.span[1]))
        if ("second run" in dict(report.user_properties)):
            self.second.setdefault(part, set()).add(report.nodeid)

    def pytest_collectreport(self, report):
        if report.failed:
            self.tests[report.nodeid] = "collecting", "failed"

    def count(self, result, part=None):
        return sum(1 for p, r in self.tests.values()
                   if r == result and part in (None, p))

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter, exitstatus):
        self.exitstatus = int(exitstatus)
        if self.config.option.collectonly or pair.INSIDE:
            return
        line = terminalreporter.write_line
        form = "{:<22} {:>8} {:>8} {:>8} {:>8}  {}".format
        line("")
        for part in sorted(self.second):
            for name in sorted(self.second[part]):
                line(f"needed a second run: {name}")
        line(form("part", "passed", "failed", "skipped", "time", ""))
        for title, seconds in self.times():
            line(form(title, "", "", "", clock(seconds), ""))
        for part in ["collecting", *PARTS]:
            counts = [self.count(r, part)
                      for r in ("passed", "failed", "skipped")]
            if any(counts):
                begin, end = self.spans.get(part, (0, 0))
                note = f"needed a second run: {len(self.second[part])}" \
                    if part in self.second else ""
                line(form(part, *counts, clock(end - begin), note))
        line(form("this run (some parts ran side by side)"[:48], "", "",
                  "", clock(time.time() - self.begin), ""))
        line(f"logs: {self.config.run.logs}")
        self.write_failures(terminalreporter)

    def times(self):
        """(title, seconds) of the steps that quickstart did before."""
        times = self.config.run.builddir / "_log/times"
        with contextlib.suppress(OSError):
            for entry in times.read_text().splitlines():
                seconds, title = entry.split(" ", 1)
                yield title, int(seconds)
            times.unlink()

    def write_failures(self, terminalreporter):
        """Writes the failures to a file, for programs that show them again."""
        if not self.config.run.configured:
            return
        text = []
        for kind in ("failed", "error"):
            for report in terminalreporter.getreports(kind):
                text += [f"--- {report.nodeid}"]
                text += ["    | " + entry for entry in
                         report.longreprtext.splitlines()[-60:]]
        self.config.run.fresh_log("check.failures").write_text(
            "".join(entry + "\n" for entry in text))

    def pytest_unconfigure(self):
        if self.config.option.collectonly:
            return
        failed = self.count("failed")
        if self.exitstatus and not failed:
            # A failure that no test reported counts as one.
            failed = 1
        sys.stdout.flush()
        self.config.out.write(
            f"\n{self.count('passed')} passed, {failed} failed, "
            f"{self.count('skipped')} skipped\n")


def clock(seconds):
    return "{}:{:02d}".format(*divmod(int(seconds), 60))
