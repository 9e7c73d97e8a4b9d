# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Folders, settings, processes and logs that all tests of one run share."""

import contextlib
import fcntl
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]

# Parts run in this order.  The parts of SIDE run beside the suites before
# them.
PARTS = ["build", "harness", "unit", "ovs", "ovn", "upstream-ovs",
         "upstream-ovn", "full-ovs", "full-ovn", "style", "docs",
         "instructions", "asan", "clang", "tsan", "fuzz", "dpdk", "ns",
         "guest", "system"]
SIDE = {"style", "docs", "instructions", "asan", "clang", "tsan", "fuzz",
        "dpdk"}
FULL = {"full-ovs", "full-ovn"}

SIGN_OF_LIFE_S = 30
SYSTEM_TIMEOUT_S = 900 + int(os.environ.get("VNETENC_SOAK_S", "0"))


class Failure(Exception):
    """A test failed; the text is the complete report."""


class Run:
    """One run of pytest."""

    def __init__(self, builddir, parts, name):
        self.srcdir = TOP
        self.builddir = pathlib.Path(builddir).resolve()
        self.parts = parts
        self.name = name            # Argument of `quickstart test'.
        self.logs = self.builddir / "_log"
        if name:
            self.logs /= "match"
        self.jobs = int(os.environ.get("VNETENC_TEST_JOBS", 8))
        self.doing = {}             # Lane -> its current item.
        self._lock = None
        self._children = set()
        self._stopped = False
        self._mutex = threading.Lock()

    @property
    def configured(self):
        return (self.builddir / "vnetenc-env").exists()

    def need_builds(self):
        for tree in ("ovs", "ovn"):
            if not (self.builddir / f"_{tree}/build/Makefile").exists():
                raise Failure(f"{self.builddir} holds no build of {tree}: "
                              "run make there first")

    def take_lock(self, say):
        """Waits for another run that uses the same files."""
        name = "_lock.match" if self.name else "_lock.check"
        self._lock = open(self.builddir / name, "ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another run is busy with the tests; waiting for it\n")
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def set_environment(self):
        """Removes settings of a desktop, an outer run or an outer make, which
        would change results.  The system's programs come first in the PATH,
        because upstream's tests find python3 by name."""
        for name in ("OVS_RUNDIR", "OVS_SYSCONFDIR", "OVN_NB_DB", "OVN_SB_DB",
                     "OVN_RUNDIR", "TESTSUITEFLAGS", "MAKEFLAGS", "MFLAGS",
                     "MAKELEVEL", "MAKEOVERRIDES", "DESTDIR"):
            os.environ.pop(name, None)
        os.environ["PATH"] = ("/usr/sbin:/usr/bin:/sbin:/bin:"
                              + os.environ.get("PATH", ""))
        os.environ["LC_ALL"] = "C.UTF-8"
        os.environ["VNETENC_BUILDDIR"] = str(self.builddir)
        os.environ["VNETENC_SRCDIR"] = str(self.srcdir)

    # --- Processes -------------------------------------------------------

    @contextlib.contextmanager
    def child(self, command, **kwargs):
        """A process that ends with the run, with its process group."""
        with self._mutex:
            if self._stopped:
                raise Failure("the run was stopped")
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *map(str, command)],
                stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT,
                start_new_session=True, **kwargs)
            self._children.add(process)
        try:
            yield process
        finally:
            end_group(process)
            with self._mutex:
                self._children.discard(process)

    def call(self, command, log, timeout=None, env=None, **kwargs):
        """Runs a command with its output appended to the file `log`; returns
        its status, or None if it took too long."""
        if threading.current_thread() is not threading.main_thread():
            command = ["nice", "-n", "10", *command]
        with open(log, "ab") as out:
            with self.child(command, stdout=out,
                            env={**os.environ, **(env or {})},
                            **kwargs) as process:
                try:
                    return process.wait(timeout)
                except subprocess.TimeoutExpired:
                    return None

    def shell(self, function, *args):
        """The output of a function of utilities/vnetenc-lib.sh."""
        done = subprocess.run(
            ["/bin/bash", "-c", '. "$0"; "$@"',
             self.srcdir / "utilities/vnetenc-lib.sh", function, *args],
            capture_output=True, text=True, stdin=subprocess.DEVNULL,
            check=False)
        if done.returncode:
            raise Failure(f"{function} {' '.join(map(str, args))}\n"
                          f"{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def stop(self):
        """Ends every process; no process can be started after that."""
        with self._mutex:
            self._stopped = True
            children = list(self._children)
        for process in children:
            end_group(process)

    # --- Logs ------------------------------------------------------------

    def fresh_log(self, name):
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / name
        log.unlink(missing_ok=True)
        return log


def end_group(process):
    """Ends a process and its group."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def tail(path, lines=60):
    """The end of a log, without the lines that begin with ">": autotest quotes
    whole logs of daemons there, which are beside it anyway."""
    try:
        text = pathlib.Path(path).read_text(errors="replace")
    except OSError:
        return ""
    kept = [line for line in text.splitlines() if not line.startswith(">")]
    return "\n".join(kept[-lines:])


def keywords_of(source):
    """The words of a C file's line "Keywords:"."""
    found = re.search(r"^ \* Keywords: *(.*?)\.?(?: *\*/)?$",
                      source.read_text(), re.M)
    return found.group(1).replace(",", " ").split() if found else []


class SignsOfLife(threading.Thread):
    """Prints the current item after 30 seconds without a result."""

    def __init__(self, run, write):
        super().__init__(daemon=True)
        self._run = run
        self._write = write
        self._begin = self.last = time.monotonic()

    def run(self):
        while True:
            time.sleep(1)
            now = time.monotonic()
            if now - self.last >= SIGN_OF_LIFE_S:
                self.last = now
                minutes, seconds = divmod(int(now - self._begin), 60)
                doing = "; ".join(str(d) for d in
                                  list(self._run.doing.values()) if d)
                self._write(f"\n   {minutes}:{seconds:02d}  "
                            f"{doing or 'collecting tests'}\n")
