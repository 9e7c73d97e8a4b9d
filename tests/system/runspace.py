# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""One run: a private world for a demo or a test session.

enter() puts the program into a network and a mount namespace with a /run/netns
of its own: neither the machine nor another run sees a name that a run makes.

A Run owns a folder, whose name has the run's id, and every process that it
starts.  Each process is written to a ledger (pid and start time) before
anything else happens.  The ledger is locked as long as the run lives: by its
owner or, if the run is left running, by every process of the run.  The next
run calls sweep(), which finds the runs that are dead, and ends the processes
that they left behind, and nothing else.  Unless the run is left running, the
kernel also ends each process together with its starter.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PREFIX = "vnetenc-run-"
# Where the processor is emulated, everything may take this many times as long.
PATIENCE = int(os.environ.get("VNETENC_PATIENCE", "1"))
CLONE_NEWNET = 0x40000000
CLONE_NEWNS = 0x00020000
_libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """A command of the run failed, or a condition did not come true."""


class Late(Failed):
    """Something did not happen in time, or could not be watched.  On a machine
    that is busy or paused, this need not be the product's fault."""


def enter():
    """Puts the calling thread, and all processes that it starts later, into
    namespaces of its own."""
    if os.geteuid() != 0:
        print("system tests and the demo must be run as root",
              file=sys.stderr)
        sys.exit(2)
    if _libc.unshare(CLONE_NEWNET | CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    os.makedirs("/run/netns", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/netns"],
                   check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def wait_until(condition, what, timeout=15.0, interval=0.02):
    """Polls `condition` until it is true, and returns its value."""
    timeout *= PATIENCE
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Late(f"not within {timeout:g} s: {what}")
        time.sleep(interval)


def serves(path):
    """True if a process listens on the Unix socket `path`."""
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.connect(str(path))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def in_netns(name):
    """The calling thread is in network namespace `name`."""
    old = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    new = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        _setns(new)
        yield
    finally:
        _setns(old)
        os.close(new)
        os.close(old)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def stopped_thread(tid):
    """One thread of a process stands; the others go on.  It is stopped where
    it waits for events, and so holds no mutex of theirs."""
    seize, interrupt, detach = 0x4206, 0x4207, 17
    poll = ("7", "271", "73")       # poll() and ppoll(); amd64, arm64.

    def ptrace(request):
        if _libc.ptrace(request, tid, None, None):
            raise OSError(ctypes.get_errno(), f"ptrace {request:#x} of {tid}")

    def stop():
        ptrace(seize)
        ptrace(interrupt)
        os.waitpid(tid, 0x40000000)         # __WALL
        call = pathlib.Path(f"/proc/{tid}/syscall").read_text()
        if call.split()[0] in poll:
            return True
        ptrace(detach)
        return False

    wait_until(stop, f"thread {tid} waits for events")
    try:
        yield
    finally:
        ptrace(detach)


def socket_in(netns, *args):
    """A socket in `netns`, for any thread."""
    with in_netns(netns):
        return socket.socket(*args)


def start_time(pid):
    """A value that distinguishes process `pid` from a later one with the same
    number; None if there is no such process, or only its zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def end_processes(recorded):
    """Ends the processes of `recorded`, a list of (pid, start time)."""
    for sig, patience in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0)):
        alive = [(p, s) for p, s in recorded if start_time(p) == s]
        for pid, _ in reversed(alive):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sig)
        deadline = time.monotonic() + patience
        while (any(start_time(p) == s for p, s in alive)
               and time.monotonic() < deadline):
            time.sleep(0.01)


def _pid_namespace():
    return os.readlink("/proc/self/ns/pid")


def _end_recorded(ledger):
    """Ends the processes that an open ledger names; False if the file is no
    ledger."""
    try:
        lines = [json.loads(line) for line in ledger.read().splitlines()]
        if lines[0]["pid_namespace"] == _pid_namespace():
            end_processes([tuple(line["pid"]) for line in lines[1:]])
    except (ValueError, LookupError):
        return False
    return True


def sweep():
    """Removes processes and folders of dead runs, by their ledgers only."""
    for folder in pathlib.Path(tempfile.gettempdir()).glob(PREFIX + "*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            with open(folder / "ledger", encoding="ascii") as ledger:
                fcntl.flock(ledger, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _end_recorded(ledger):
                    shutil.rmtree(folder, ignore_errors=True)


def end_kept(run_id):
    """Ends the run that was left running under `run_id`."""
    folder = pathlib.Path(tempfile.gettempdir()) / (PREFIX + run_id)
    try:
        with open(folder / "ledger", encoding="ascii") as ledger:
            _end_recorded(ledger)
    except OSError:
        raise Failed(f"no run {run_id}") from None
    shutil.rmtree(folder, ignore_errors=True)


class Process:
    """A process of a run."""

    def __init__(self, popen, log):
        self.popen = popen
        self.pid = popen.pid
        self.started = start_time(popen.pid)
        self.log = log

    def alive(self):
        return self.popen.poll() is None

    def output(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self, sig=signal.SIGTERM, timeout=5.0):
        """Ends the process and waits for it; returns its exit status."""
        timeout *= PATIENCE
        if self.alive():
            self.popen.send_signal(sig)
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise Failed(f"{self.log.stem} did not end in {timeout:g} s"
                         ) from None


class Run:
    """The folder and the processes of one run."""

    def __init__(self, kept=False):
        sweep()
        self.id = secrets.token_hex(3)
        self.kept = kept
        self.dir = pathlib.Path(tempfile.gettempdir()) / (PREFIX + self.id)
        self.dir.mkdir(mode=0o700)
        self.processes = []
        self.netnses = []
        self._on_close = []
        self._ledger = open(self.dir / "ledger", "a", buffering=1,
                            encoding="ascii")
        fcntl.flock(self._ledger, fcntl.LOCK_EX)
        self._record(pid_namespace=_pid_namespace())
        self._n = 0

    def _record(self, **entry):
        self._ledger.write(json.dumps(entry) + "\n")

    def name(self, base):
        """`base` made unique to this run."""
        return f"{base}-{self.id}"

    def folder(self, name):
        folder = self.dir / name
        folder.mkdir(exist_ok=True)
        return folder

    def add_netns(self, base):
        netns = self.name(base)
        self.cmd("ip", "netns", "add", netns)
        self.netnses.append(netns)
        self.ip(netns, "link set dev lo up")
        return netns

    def ip(self, netns, *commands):
        """Runs commands of ip(8) in a namespace."""
        self.cmd("ip", "-n", netns, "-batch", "-", stdin="\n".join(commands))

    def on_close(self, function):
        self._on_close.append(function)

    @staticmethod
    def _enter(netns):
        if netns is None:
            return []
        return ["nsenter", f"--net=/run/netns/{netns}", "--"]

    def cmd(self, *argv, netns=None, timeout=20, check=True, env=None,
            stdin=None):
        """Runs a command to its end; returns its output."""
        full = self._enter(netns) + [str(arg) for arg in argv]
        timeout *= PATIENCE
        try:
            done = subprocess.run(full, capture_output=True, text=True,
                                  timeout=timeout, input=stdin,
                                  env={**os.environ, **(env or {})},
                                  check=False)
        except subprocess.TimeoutExpired:
            raise Late(f"{' '.join(full)}: not within {timeout} s") from None
        if check and done.returncode:
            raise Failed(f"{' '.join(full)}: status {done.returncode}\n"
                         f"{done.stdout}{done.stderr}")
        return done.stdout

    def spawn(self, *argv, netns=None, env=None, name=None, folder=None,
              stdin=subprocess.DEVNULL):
        """Starts a lasting process, with its output in
        <folder>/<name>.out."""
        self._n += 1
        name = name or pathlib.Path(argv[0]).name
        log = (folder or self.dir) / f"{name}.{self._n}.out"
        tether = [] if self.kept else ["setpriv", "--pdeathsig", "KILL", "--"]
        with open(log, "wb") as out:
            popen = subprocess.Popen(
                tether + self._enter(netns) + [str(arg) for arg in argv],
                stdin=stdin, stdout=out, stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})}, start_new_session=True,
                pass_fds=[self._ledger.fileno()] if self.kept else ())
        process = Process(popen, log)
        self._record(pid=(process.pid, process.started))
        self.processes.append(process)
        return process

    def logs(self, lines=40):
        """The last lines of every log and of the daemons' output."""
        text = []
        for path in sorted([*self.dir.glob("*/*.log"),
                            *self.dir.glob("*/*.out")]):
            tail = path.read_text(errors="replace").splitlines()[-lines:]
            text += [f"--- {path.parent.name}/{path.name}", *tail]
        return "\n".join(text)

    def close(self, keep_folder=False):
        """Ends every process of the run, and removes its folder."""
        for function in self._on_close:
            function()
        end_processes([(p.pid, p.started) for p in self.processes])
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.popen.wait(0.1)
        for netns in self.netnses:
            self.cmd("ip", "netns", "del", netns, check=False)
        self._ledger.close()
        if not keep_folder:
            shutil.rmtree(self.dir, ignore_errors=True)
