# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Guests: machines with a kernel of their own, for tests of the kernel
datapath.  The kernel of this machine may lack its modules, and is not ours to
configure.

The tests of each file of tests/guest that a run selects run in one guest, in a
pytest of its own, and all these guests run side by side.  A guest has the
files of this machine, so the tree is used as it was built; all that it writes
is lost, but for the folder of its results.  There it writes the reports of
pytest, one line of JSON each, and the run out here reports them as its own.

The guest is User Mode Linux, a program, unless VNETENC_GUEST_KERNEL names a
kernel of Debian for QEMU, 6.1 or 6.12.
"""

import contextlib
import json
import os
import pathlib
import shlex
import shutil
import sys
import time

from .run import Failure, tail

# In a guest, the folder for results.
INSIDE = os.environ.get("VNETENC_GUEST")

KERNEL = os.environ.get("VNETENC_GUEST_KERNEL", "uml")
UML = KERNEL == "uml"

TEST_TIMEOUT_S = 120 if UML else 600
BOOT_TIMEOUT_S = 120 if UML else 300
FETCH_TIMEOUT_S = 600
MEMORY_MB = 1536

# How a guest in QEMU mounts the files of this machine.
ROOT_9P = "trans=virtio,version=9p2000.L,cache=loose,msize=512000"


class Reporter:
    """Writes the reports, in a guest."""

    def __init__(self, config):
        self._config = config
        self._file = open(pathlib.Path(INSIDE) / "reports", "a",
                          encoding="utf-8", buffering=1)

    def _write(self, **entry):
        self._file.write(json.dumps(entry) + "\n")

    def pytest_collection_finish(self):
        self._write(up=True)

    def pytest_runtest_logreport(self, report):
        self._write(report=self._config.hook.pytest_report_to_serializable(
            config=self._config, report=report))

    def pytest_runtest_logfinish(self, nodeid):
        self._write(finished=nodeid)


class Guests:
    """The guests of a run."""

    def __init__(self, run):
        self._run = run
        self._guests = {}           # File -> its guest.
        self._failure = None

    def start(self, tests):
        """Boots the guests, which run `tests`, in their order."""
        run = self._run
        kernel = run.builddir / "_guest" / KERNEL
        log = run.fresh_log("guest-kernel.log")
        if run.call([run.srcdir / "tests/guest/kernel", KERNEL, kernel], log,
                    timeout=FETCH_TIMEOUT_S):
            self._failure = "there is no kernel for the guest:\n" + tail(log)
            return
        results = run.logs / f"guest-{KERNEL}"
        shutil.rmtree(results, ignore_errors=True)
        files = {}
        for test in tests:
            files.setdefault(test.partition("::")[0], []).append(test)
        for file, its_tests in files.items():
            self._guests[file] = Guest(run, kernel, its_tests,
                                       results / pathlib.Path(file).stem)

    def reports(self, config, test):
        """The reports of a test, which is the next one of its file."""
        if self._failure:
            raise Failure(self._failure)
        return self._guests[test.partition("::")[0]].reports(config, test)


class Guest:
    """A guest, which runs `tests`."""

    def __init__(self, run, kernel, tests, results):
        self._results = results
        self._console = results / "console.log"
        self._stack = contextlib.ExitStack()
        self._failure = None
        self._is_up = False
        results.mkdir(parents=True)
        pytest = [sys.executable, "-B", "-u", "-m", "pytest",
                  f"--builddir={run.builddir}", "--parts=guest",
                  "-p", "no:cacheprovider", *tests]
        (self._results / "command").write_text(
            f"cd {shlex.quote(str(run.srcdir / 'tests'))}\n"
            f"export VNETENC_GUEST_KERNEL={KERNEL}\n"
            f"exec {shlex.join(pytest)}\n")
        self._reports = open(self._results / "reports", "a+",
                             encoding="utf-8")
        self._reports.seek(0)
        console = self._stack.enter_context(open(self._console, "wb"))
        self._process = self._stack.enter_context(run.child(
            self._uml(kernel) if UML else self._qemu(kernel), stdout=console,
            cwd=self._results, env={**os.environ, **self._scratch()}))

    @staticmethod
    def _arguments(kernel, share, results):
        init = pathlib.Path(__file__).parents[1] / "guest/init"
        return init, [f"VNETENC_GUEST={results}", f"VNETENC_SHARE={share}",
                      f"VNETENC_MODULES={kernel / 'modules'}"]

    def _scratch(self):
        """User Mode Linux keeps its memory in a file: in memory, if there is
        enough of that."""
        with contextlib.suppress(OSError):
            free = os.statvfs("/dev/shm")
            if free.f_bavail * free.f_frsize > MEMORY_MB << 20:
                return {"TMPDIR": "/dev/shm"}
        return {"TMPDIR": str(self._results)}

    def _uml(self, kernel):
        init, arguments = self._arguments(kernel, "hostfs", self._results)
        return [kernel / "linux", f"mem={MEMORY_MB}M",
                f"uml_dir={self._results}", "rootfstype=hostfs",
                "rootflags=/", "ro", f"init={init}", "con=null",
                "con0=null,fd:1", "ssl=null", "quiet", *arguments]

    def _qemu(self, kernel):
        init, arguments = self._arguments(kernel, "9p", self._results)
        share = "security_model=none,multidevs=remap"
        return ["qemu-system-x86_64", "-machine", "q35",
                "-accel", "tcg,thread=multi", "-smp", "2",
                "-cpu", "max,la57=off", "-m", str(MEMORY_MB),
                "-display", "none", "-nodefaults", "-no-reboot",
                "-serial", "stdio", "-kernel", kernel / "linux",
                "-initrd", kernel / "initrd",
                "-fsdev", f"local,id=root,path=/,readonly=on,{share}",
                "-device", "virtio-9p-pci,fsdev=root,mount_tag=root",
                "-fsdev", f"local,id=results,path={self._results},{share}",
                "-device", "virtio-9p-pci,fsdev=results,mount_tag=results",
                "-append", " ".join(
                    ["console=ttyS0", "panic=-1", "quiet", "mitigations=off",
                     f"VNETENC_INIT={init}", f"VNETENC_9P={ROOT_9P}",
                     *arguments])]

    def _until(self, timeout, is_last):
        """The entries of the guest, up to one for which `is_last` is true."""
        entries = []
        deadline = time.monotonic() + timeout
        partial = ""
        while True:
            ended = self._process.poll() is not None
            while line := self._reports.readline():
                partial += line
                if not line.endswith("\n"):
                    break
                entries.append(json.loads(partial))
                partial = ""
                if is_last(entries[-1]):
                    return entries
            if ended:
                self._fail("the guest ended before")
            if time.monotonic() > deadline:
                self._fail(f"the guest took longer than {timeout} s")
            time.sleep(0.05)

    def _fail(self, what):
        self.stop()
        self._failure = f"{what}; the end of {self._console}:\n" \
            + tail(self._console)
        raise Failure(self._failure)

    def reports(self, config, test):
        """The reports of a test, which is the next one of the guest."""
        if self._failure:
            raise Failure(self._failure)
        if not self._is_up:
            self._until(BOOT_TIMEOUT_S, lambda entry: "up" in entry)
            self._is_up = True
        for entry in self._until(TEST_TIMEOUT_S + 30,
                                 lambda entry: entry.get("finished") == test):
            if "report" in entry:
                report = config.hook.pytest_report_from_serializable(
                    config=config, data=entry["report"])
                if report.skipped:
                    # Of JSON's types, pytest wants another one here.
                    report.longrepr = tuple(report.longrepr)
                yield report

    def stop(self):
        self._stack.close()
