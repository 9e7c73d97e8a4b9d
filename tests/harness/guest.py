# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Guests: machines with a kernel of their own, for tests of the kernel
datapath.  The kernel of this machine may lack its modules, and is not ours to
configure.

The tests of each file of tests/guest that a run selects run in one guest, in a
pytest of its own.  A guest has the files of this machine, so the tree is used
as it was built; all that it writes is lost, but for the folder of its results.
There it writes the reports of its tests (harness/reports.py).

The guest is User Mode Linux, a program, unless VNETENC_GUEST_KERNEL names a
kernel of Debian for QEMU, 6.1 or 6.12.  QEMU uses KVM where that works, and
emulates the processors elsewhere.  Guests of User Mode Linux all run side by
side.  Those of QEMU have two processors: with KVM they run one after the
other; an emulated one takes one processor of this machine.
"""

import contextlib
import os
import pathlib
import shlex
import shutil
import sys
import time

from .reports import Reader
from .run import Failure, tail

# In a guest, the folder for results.
INSIDE = os.environ.get("VNETENC_GUEST")

KERNEL = os.environ.get("VNETENC_GUEST_KERNEL", "uml")
UML = KERNEL == "uml"

# Only for guests that hang.  Many of User Mode Linux run side by side, and a
# test that was late runs once more within its time.
TEST_TIMEOUT_S = 900 if UML else 1800
BOOT_TIMEOUT_S = 600
FETCH_TIMEOUT_S = 600
PROBE_TIMEOUT_S = 20
MEMORY_MB = 1536
# A program that is shown, and that prints nothing for so long, is ended.  No
# other limit depends on how much of this machine's time the guest gets.
SILENCE_S = 2400
# How many times as long as elsewhere the tests of a guest wait: of User Mode
# Linux, whose guests share the processors, and of one that is emulated.
UML_PATIENCE = 3
EMULATED_PATIENCE = 10

# How a guest in QEMU mounts the files of this machine.
ROOT_9P = "trans=virtio,version=9p2000.L,cache=loose,msize=512000"


class Guests:
    """The guests of a run."""

    def __init__(self, run):
        self._run = run
        self._kernel = None
        self._is_emulated = False
        self._n_beside = 1          # Guests that run side by side.
        self._files = {}            # File -> its tests.
        self._guests = {}           # File -> its guest.
        self._failure = None

    def start(self, tests):
        """Prepares the guests, which run `tests`, in their order."""
        try:
            self._kernel = fetch_kernel(self._run)
        except Failure as failure:
            self._failure = str(failure)
            return
        self._is_emulated = not UML and not has_kvm(self._run, self._kernel)
        shutil.rmtree(self._results, ignore_errors=True)
        for test in tests:
            self._files.setdefault(test.partition("::")[0], []).append(test)
        if UML:
            self._n_beside = len(self._files)
        elif self._is_emulated:
            self._n_beside = os.cpu_count()
        self._boot_from(0)

    @property
    def _results(self):
        return self._run.logs / f"guest-{KERNEL}"

    def _boot_from(self, number):
        """Boots the guests that run while the reports of a file are read."""
        for file in list(self._files)[number:number + self._n_beside]:
            if file not in self._guests:
                self._guests[file] = Guest(
                    self._run, self._kernel, self._is_emulated,
                    self._files[file],
                    self._results / pathlib.Path(file).stem)

    def reports(self, config, test):
        """The reports of a test."""
        if self._failure:
            raise Failure(self._failure)
        file = test.partition("::")[0]
        self._boot_from(list(self._files).index(file))
        return self._guests[file].reports(config, test)


def fetch_kernel(run):
    """The folder of the kernel, which is fetched if it is not there."""
    kernel = run.builddir / "_guest" / KERNEL
    log = run.fresh_log("guest-kernel.log")
    if run.call([run.srcdir / "tests/guest/kernel", KERNEL, kernel], log,
                timeout=FETCH_TIMEOUT_S):
        raise Failure("there is no kernel for the guest:\n" + tail(log))
    return kernel


def environment(is_emulated):
    """What a guest's command sets for tests and demonstration."""
    patience = (UML_PATIENCE if UML else EMULATED_PATIENCE if is_emulated
                else 1)
    return (f"export VNETENC_GUEST_KERNEL={KERNEL}\n"
            f"export VNETENC_PATIENCE={patience}\n")


def machine(accelerator, memory_mb=MEMORY_MB):
    """The command of QEMU, without its kernel and disks."""
    return ["qemu-system-x86_64", "-machine", "q35",
            *accelerator, "-smp", "2", "-m", str(memory_mb),
            "-display", "none", "-nodefaults", "-no-reboot",
            "-serial", "stdio"]


KVM = ["-accel", "kvm", "-cpu", "host"]
# With a thread for each processor, one may execute what another has replaced:
# kernel 6.12 panicked at a breakpoint that it had put into its own code for a
# moment ("Oops: int3").
EMULATED = ["-accel", "tcg,thread=single", "-cpu", "max,la57=off"]


def has_kvm(run, kernel):
    """Whether KVM works: there are machines with a /dev/kvm that does not.
    The kernel boots, finds no files and ends."""
    return os.access("/dev/kvm", os.R_OK | os.W_OK) and not run.call(
        [*machine(KVM), "-kernel", kernel / "linux", "-initrd",
         kernel / "initrd", "-append", "console=ttyS0 panic=-1 quiet"],
        run.fresh_log("guest-kvm.log"), timeout=PROBE_TIMEOUT_S)


def boot(run, kernel, is_emulated, results, output, memory_mb=MEMORY_MB):
    """Boots a guest that runs the shell script `command' of the folder
    `results', and ends.  The folder is the guest's /run/results."""
    init = pathlib.Path(__file__).parents[1] / "guest/init"
    arguments = [f"VNETENC_GUEST={results}",
                 f"VNETENC_MODULES={kernel / 'modules'}",
                 f"VNETENC_SHARE={'hostfs' if UML else '9p'}"]
    if UML:
        command = [kernel / "linux", f"mem={memory_mb}M", f"uml_dir={results}",
                   "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}",
                   "con=null", "con0=null,fd:1", "ssl=null", "quiet",
                   *arguments]
    else:
        share = "security_model=none,multidevs=remap"
        command = [*machine(EMULATED if is_emulated else KVM, memory_mb),
                   "-kernel", kernel / "linux", "-initrd", kernel / "initrd",
                   "-fsdev", f"local,id=root,path=/,readonly=on,{share}",
                   "-device", "virtio-9p-pci,fsdev=root,mount_tag=root",
                   "-fsdev", f"local,id=results,path={results},{share}",
                   "-device", "virtio-9p-pci,fsdev=results,mount_tag=results",
                   "-append", " ".join(
                       ["console=ttyS0", "panic=-1", "quiet",
                        "mitigations=off", f"VNETENC_INIT={init}",
                        f"VNETENC_9P={ROOT_9P}", *arguments])]
    return run.child(command, stdout=output, cwd=results,
                     env={**os.environ, **_scratch(results)})


def _scratch(results):
    """User Mode Linux keeps its memory in a file: in memory, if there is
    enough of that."""
    with contextlib.suppress(OSError):
        free = os.statvfs("/dev/shm")
        if free.f_bavail * free.f_frsize > MEMORY_MB << 20:
            return {"TMPDIR": "/dev/shm"}
    return {"TMPDIR": str(results)}


def show(run, name, script, memory_mb=MEMORY_MB):
    """Runs a shell script in a guest of its own, prints what it prints, and
    returns its exit status.  The folder of its results is guest-`name' among
    the logs."""
    kernel = fetch_kernel(run)
    is_emulated = not UML and not has_kvm(run, kernel)
    results = run.logs / f"guest-{name}"
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    (results / "command").write_text(
        f"{environment(is_emulated)}({script}\n) >/run/results/output 2>&1\n"
        "echo $? >/run/results/status\n")
    if is_emulated:
        print("KVM does not work here, so the processor is emulated.",
              flush=True)
    console = results / "console.log"
    with open(console, "wb") as out, \
            open(results / "output", "a+", encoding="utf-8") as output, \
            boot(run, kernel, is_emulated, results, out,
                 memory_mb) as process:
        output.seek(0)
        heard = time.monotonic()
        while True:
            ended = process.poll() is not None
            text = output.read()
            if text:
                heard = time.monotonic()
            sys.stdout.write(text)
            sys.stdout.flush()
            if ended or time.monotonic() - heard > SILENCE_S:
                break
            time.sleep(0.2)
    if (results / "status").exists():
        return int((results / "status").read_text())
    raise Failure(("The guest ended early" if ended else
                   f"The guest printed nothing for {SILENCE_S} s")
                  + f"; the end of {console}:\n{tail(console)}")


class Guest:
    """A guest, which runs `tests`."""

    def __init__(self, run, kernel, is_emulated, tests, results):
        self._stack = contextlib.ExitStack()
        results.mkdir(parents=True)
        pytest = [sys.executable, "-B", "-u", "-m", "pytest",
                  f"--builddir={run.builddir}", "--parts=guest",
                  "-p", "no:cacheprovider", *tests]
        (results / "command").write_text(
            f"cd {shlex.quote(str(run.srcdir / 'tests'))}\n"
            f"{environment(is_emulated)}"
            f"exec {shlex.join(pytest)}\n")
        console = results / "console.log"
        out = self._stack.enter_context(open(console, "wb"))
        process = self._stack.enter_context(
            boot(run, kernel, is_emulated, results, out))
        self._reader = Reader("the guest", results, process, console,
                              self.stop)

    def reports(self, config, test):
        """The reports of a test."""
        return self._reader.reports(config, test, BOOT_TIMEOUT_S,
                                    TEST_TIMEOUT_S + 30)

    def stop(self):
        self._stack.close()
