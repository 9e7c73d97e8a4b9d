# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Two pytests that share the system tests: most of these use one processor,
and wait.

This one runs the files from the first on, the other one, which it starts,
from the last on, until they meet.  Who makes a file's claim, a file in the
folder of the results, runs its tests.
"""

import contextlib
import os
import pathlib
import shutil
import sys

from . import reports
from .run import SYSTEM_TIMEOUT_S

# In the other one, the folder for results.
INSIDE = os.environ.get("VNETENC_PAIR")

START_TIMEOUT_S = 120


class Pair:
    """What one of the two knows.  `tests' are those to share, in order: with
    fewer than two files of them, or one processor, this one runs alone."""

    def __init__(self, run, tests, options):
        self._run = run
        self._mine = {}             # File -> do I run it?
        self._reader = None
        self._stack = contextlib.ExitStack()
        self._folder = pathlib.Path(INSIDE or run.logs / "pair")
        files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
        self._is_alone = not INSIDE and (len(files) < 2
                                         or (os.cpu_count() or 1) < 2)
        if INSIDE or self._is_alone:
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self._start([test for file in reversed(files) for test in tests
                     if test.partition("::")[0] == file], options)

    def _start(self, tests, options):
        console = self._folder / "console.log"
        out = self._stack.enter_context(open(console, "wb"))
        process = self._stack.enter_context(self._run.child(
            [sys.executable, "-B", "-u", "-m", "pytest",
             f"--builddir={self._run.builddir}", "--parts=system",
             "-p", "no:cacheprovider", *options, *tests],
            stdout=out, cwd=self._run.srcdir / "tests",
            env={**os.environ, "VNETENC_PAIR": str(self._folder)}))
        self._reader = reports.Reader("the second pytest", self._folder,
                                      process, console, self._stack.close)

    def is_mine(self, item):
        """Does this one run the item?  Who asks first does."""
        if self._is_alone:
            return True
        file = item.nodeid.partition("::")[0]
        if file not in self._mine:
            name = self._folder / file.replace("/", "-")
            try:
                os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
                self._mine[file] = True
            except FileExistsError:
                self._mine[file] = False
        return self._mine[file]

    def report(self, item):
        """Reports what the item did in the other one."""
        reports.report_item(item, lambda item: self._reader.reports(
            item.config, item.nodeid, START_TIMEOUT_S, SYSTEM_TIMEOUT_S + 30))
