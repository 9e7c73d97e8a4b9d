# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Reports of tests that run in another pytest, which this one started: in a
guest (harness/guest.py), or beside it (harness/pair.py).

The other one writes them to a file, one line of JSON each, and this one
reports them as its own.
"""

import json
import time

import pytest

from .run import Failure, tail


class Writer:
    """A plugin of the pytest that runs the tests."""

    def __init__(self, config, folder):
        self._config = config
        self._file = open(folder / "reports", "a", encoding="utf-8",
                          buffering=1)

    def _write(self, **entry):
        self._file.write(json.dumps(entry) + "\n")

    def pytest_collection_finish(self):
        self._write(up=True)

    def pytest_runtest_logreport(self, report):
        self._write(test=report.nodeid,
                    report=self._config.hook.pytest_report_to_serializable(
                        config=self._config, report=report))

    def pytest_runtest_logfinish(self, nodeid):
        self._write(finished=nodeid)


class Reader:
    """Reads what a process, `title', writes to `folder', and ends with its
    output, `console'."""

    def __init__(self, title, folder, process, console, stop):
        self._title = title
        self._file = open(folder / "reports", "a+", encoding="utf-8")
        self._file.seek(0)
        self._process = process
        self._console = console
        self._stop = stop
        self._partial = ""
        self._failure = None
        self._is_up = False
        self._reports = {}          # Test -> its reports.
        self._finished = set()

    def _read(self):
        """Is there something new?"""
        before = self._file.tell()
        while line := self._file.readline():
            self._partial += line
            if not line.endswith("\n"):
                break
            entry = json.loads(self._partial)
            self._partial = ""
            self._is_up = True
            if "report" in entry:
                self._reports.setdefault(entry["test"], []).append(
                    entry["report"])
            elif "finished" in entry:
                self._finished.add(entry["finished"])
        return self._file.tell() != before

    def _until(self, timeout, is_there):
        deadline = time.monotonic() + timeout
        while True:
            ended = self._process.poll() is not None
            if self._read():
                deadline = time.monotonic() + timeout
            if is_there():
                return
            if ended:
                self._fail(f"{self._title} ended before")
            if time.monotonic() > deadline:
                self._fail(f"{self._title} took longer than {timeout} s")
            time.sleep(0.05)

    def _fail(self, what):
        self._stop()
        self._failure = f"{what}; the end of {self._console}:\n" \
            + tail(self._console)
        raise Failure(self._failure)

    def reports(self, config, test, start_timeout, timeout):
        """The reports of a test.  The other pytest may take `start_timeout'
        until it starts, and `timeout' for each test."""
        if test not in self._finished:
            if self._failure:
                raise Failure(self._failure)
            if not self._is_up:
                self._until(start_timeout, lambda: self._is_up)
            self._until(timeout, lambda: test in self._finished)
        for data in self._reports.pop(test, []):
            report = config.hook.pytest_report_from_serializable(
                config=config, data=data)
            if report.skipped:
                # Of JSON's types, pytest wants another one here.
                report.longrepr = tuple(report.longrepr)
            yield report


def report_item(item, read):
    """Reports what `read' says that an item did elsewhere."""
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    begin = time.time()
    try:
        reports = list(read(item))
    except Failure as failure:
        reports = [pytest.TestReport(
            item.nodeid, item.location, dict(item.keywords), "failed",
            str(failure), "call", duration=time.time() - begin,
            part=item.path.parent.name, span=(begin, time.time()))]
    for report in reports:
        hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
