# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Hosts with packages, for the tests of packages.

A host is a tree of the Debian release of this machine, with a network
namespace of its own: a writable layer over a tree that is made once.
Packages are installed, upgraded and removed in it with apt and dpkg, as an
administrator would do.  A Host has no init system: the packages run the init
script of Open vSwitch, and the commands of OVN's units start OVN.  A
SystemdHost has systemd, which runs the units, and systemd-networkd for
addresses.

All hosts are in one mount, network and process namespace, so nothing is left
when the program ends.
"""

import atexit
import hashlib
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time

UNDERLAY = "172.31.0.%d"
MANAGEMENT = "10.99.0.%d"
TENANT = "10.9.0.%d"
RELEASE = platform.freedesktop_os_release().get("VERSION_CODENAME")
# Packages that stock packages and ours need, so that nothing is fetched later.
LIBRARIES = {"bookworm": ["libipsec-mb1", "librte-ethdev23", "librte-vhost23"],
             "trixie": ["libipsec-mb2", "librte-ethdev25", "librte-vhost25"]}
NEEDED = """ca-certificates dbus dpdk ifupdown iproute2 iputils-ping kmod
    libbpf1 libcap-ng0 libjs-sphinxdoc libnuma1 libudev1 libunbound8 libxdp1
    logrotate lsb-base lsb-release netbase openssl procps python3
    python3-netaddr python3-netifaces python3-pyparsing
    python3-sortedcontainers strongswan systemd systemd-sysv tcpdump
    uuid-runtime""".split() + LIBRARIES.get(RELEASE, [])
STOCK = """openvswitch-common openvswitch-doc openvswitch-ipsec openvswitch-pki
    openvswitch-source openvswitch-switch openvswitch-switch-dpdk
    openvswitch-test openvswitch-testcontroller openvswitch-vtep
    python3-openvswitch ovn-central ovn-common ovn-controller-vtep ovn-doc
    ovn-docker ovn-host ovn-ic ovn-ic-db""".split()


# Where the processor is emulated, everything may take this many times as long.
PATIENCE = int(os.environ.get("VNETENC_PATIENCE", "1"))


class Broken(Exception):
    """A step failed that all later steps need."""


def run(*command, check=True, timeout=300, text=None):
    done = subprocess.run(command, input=text, text=True,
                          timeout=timeout * PATIENCE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if check and done.returncode:
        raise Broken("%s: %s" % (" ".join(command), done.stdout[-3000:]))
    return done


def mirror():
    """The archive from which apt fetches the packages of this release."""
    if RELEASE not in LIBRARIES:
        raise Broken("%s: packages are tested on %s"
                     % (RELEASE, " and ".join(LIBRARIES)))
    out = run("apt-get", "indextargets", "--format",
              "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages")
    for line in out.stdout.splitlines():
        uri, release, component = line.split()
        if (release, component) == (RELEASE, "main"):
            return uri
    raise Broken("apt has no archive of " + RELEASE)


def prepare(work, archive):
    """Make the tree and fetch the stock packages, unless they exist."""
    base, stock = work / "base", work / "stock"
    done = work / "base.done"
    if not done.exists() or done.read_text() != " ".join(NEEDED):
        run("rm", "-rf", "--one-file-system", str(base))
        work.mkdir(parents=True, exist_ok=True)
        run("debootstrap", "--variant=minbase",
            "--include=" + ",".join(NEEDED), RELEASE, str(base), archive,
            timeout=1800)
        (base / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
        done.write_text(" ".join(NEEDED))
    if not (work / "stock.done").exists():
        shutil.rmtree(stock, ignore_errors=True)
        stock.mkdir()
        subprocess.run(["apt-get", "-q", "download"] + STOCK, cwd=stock,
                       check=True)
        (work / "stock.done").touch()
    make_archive(stock)


def prepare_tested(work, archive, packages):
    """Make a second tree, with PACKAGES of the archive in addition."""
    def install(tree, enter):
        (tree / "etc/apt/sources.list").write_text(
            "deb %s %s main\n" % (archive, RELEASE))
        shutil.copy("/etc/resolv.conf", tree / "etc/resolv.conf")
        apt = [*enter, "apt-get", "-qy"]
        run(*apt, "update", timeout=600)
        run(*apt, "install", "--no-install-recommends", *sorted(packages),
            timeout=1800)
        run(*apt, "clean")

    _prepare_copy(work, "tested", sorted(packages), install)


def prepare_stock_hosts(work, packages):
    """Make another tree, with the stock PACKAGES, whose services do not
    run."""
    def install(tree, enter):
        debs = [f for p in packages for f in (work / "stock").glob(p + "_*")]
        for deb in debs:
            shutil.copy(deb, tree / "tmp")
        run(*enter, "dpkg", "-i", *("/tmp/" + d.name for d in debs))
        for deb in debs:
            (tree / "tmp" / deb.name).unlink()

    _prepare_copy(work, "stock-host", packages, install)


def _prepare_copy(work, name, packages, install):
    """Make a copy of the tree with PACKAGES, unless it is there, which INSTALL
    puts into it without starting a service."""
    tree, done = work / name, work / (name + ".done")
    wanted = " ".join(NEEDED + packages)
    if done.exists() and done.read_text() == wanted:
        return
    done.unlink(missing_ok=True)
    run("rm", "-rf", "--one-file-system", str(tree))
    run("cp", "-a", str(work / "base"), str(tree))
    policy = tree / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    install(tree, ["chroot", str(tree), "env", "-i", "HOME=/root",
                   "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
                   "DEBIAN_FRONTEND=noninteractive"])
    policy.unlink()
    done.write_text(wanted)


def make_archive(stock):
    """Turn the folder into an archive that apt takes for Debian's."""
    index = stock / "dists" / RELEASE / "main/binary-amd64"
    index.mkdir(parents=True, exist_ok=True)
    with open(index / "Packages", "w") as f:
        subprocess.run(["dpkg-scanpackages", "-m", "."], cwd=stock, stdout=f,
                       stderr=subprocess.DEVNULL, check=True)
    text = (index / "Packages").read_bytes()
    (stock / "dists" / RELEASE / "Release").write_text(
        "Codename: %s\nArchitectures: amd64\n"
        "Components: main\nSHA256:\n %s %d main/binary-amd64/Packages\n"
        % (RELEASE, hashlib.sha256(text).hexdigest(), len(text)))


def readme(title):
    """The commands that README.md or PACKAGES.md has under the bold words
    TITLE."""
    text = ((TOP / "README.md").read_text()
            + (TOP / "Documentation/PACKAGES.md").read_text())
    part = re.split(r"\n(?:\*\*|#)", text.partition("**%s**" % title)[2])[0]
    found = [line[4:] for line in part.splitlines()
             if line.startswith("    ")]
    if not found:
        raise Broken("README.md, PACKAGES.md: no commands under " + title)
    return found


def isolate():
    """Continue in namespaces of our own."""
    if os.environ.get("VNETENC_ISOLATED") == str(os.getppid()):
        return
    # The child compares, because an inherited variable alone proves nothing.
    script = ('mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/netns '
              '&& ip link set lo up && VNETENC_ISOLATED=$$ "$@"')
    os.execvp("unshare", [
        "unshare", "--net", "--mount", "--pid", "--uts", "--fork",
        "--kill-child", "--mount-proc", "/bin/sh", "-c", script, "isolated",
        sys.executable, *sys.argv])


class Host:
    """One machine.  Ours and stock packages are in /debs."""

    systemd = False
    base = "base"

    def __init__(self, work, name, debs):
        self.name = name
        self.root = work / "run" / name
        layer = work / "run" / (name + ".layer")
        for d in (self.root, layer / "upper", layer / "work"):
            d.mkdir(parents=True)
        run("mount", "-t", "overlay", "overlay", "-o",
            "lowerdir=%s,upperdir=%s,workdir=%s"
            % (work / self.base, layer / "upper", layer / "work"),
            str(self.root))
        for what in ("dev", "sys"):
            run("mount", "--rbind", "/" + what, str(self.root / what))
        run("mount", "-t", "proc", "proc", str(self.root / "proc"))
        for kind, folder in (("stock", work / "stock"), ("ours", debs)):
            to = self.root / "debs" / kind
            to.mkdir(parents=True)
            run("mount", "--bind", str(folder), str(to))
        # Debian's kernel has the module openvswitch, which the init script
        # loads although the userspace datapath does not need it.
        modprobe = self.root / "sbin/modprobe"
        modprobe.unlink()
        modprobe.symlink_to("/bin/true")
        # Without an init system, services start only if a policy allows it.
        policy = self.root / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 104\n")
        policy.chmod(0o755)
        (self.root / "etc/apt/sources.list").write_text(
            "deb [trusted=yes] file:/debs/stock %s main\n" % RELEASE)
        # Nobody can answer questions.
        (self.root / "etc/apt/apt.conf.d/10test").write_text(
            'APT::Get::Assume-Yes "true";\nAPT::Install-Recommends "false";\n'
            'Dpkg::Options:: "--force-confdef";\n')
        run("ip", "netns", "add", name)
        self("ip", "link", "set", "lo", "up")
        self("apt-get", "-q", "update")

    def __call__(self, *command, check=True, timeout=300):
        done = self.do(*command, check=check, timeout=timeout)
        return done.stdout.strip()

    def do(self, *command, check=True, timeout=300):
        return run(*self.prefix(), *command, check=check, timeout=timeout)

    def sh(self, script, check=True):
        return self("/bin/sh", "-c", script, check=check)

    def readme(self, title, check=True):
        """Run the commands of the manual under TITLE, except those that make
        the packages."""
        script = "\n".join(c for c in readme(title) if "quickstart" not in c)
        return self("/bin/bash", "-ec", "mkdir -p /tmp/DIR; cd /tmp; "
                    "[ -e DIR/deb ] || ln -s /debs/ours DIR/deb\n" + script,
                    check=check, timeout=600)

    def prefix(self):
        return ["nsenter", "--net=/run/netns/" + self.name,
                "chroot", str(self.root), "env", "-i", "HOME=/root",
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
                "DEBIAN_FRONTEND=noninteractive"]

    # --- Packages ---

    def debs(self, kind, names):
        """The files of the packages NAMES of KIND "stock" or "ours"."""
        out = []
        for n in names:
            files = sorted((self.root / "debs" / kind).glob(n + "_*.deb"))
            if len(files) != 1:
                raise Broken("%d packages %s among %s" % (len(files), n, kind))
            out.append("/debs/%s/%s" % (kind, files[0].name))
        return out

    def install(self, kind, names, *options):
        return self("apt-get", "-q", *options, "install",
                    *self.debs(kind, names), timeout=600)

    def versions(self):
        out = self("dpkg-query", "-W", "-f",
                   "${Package} ${Version} ${db:Status-Status}\n")
        found = (line.split() for line in out.splitlines())
        return {f[0]: f[1] for f in found
                if len(f) == 3 and f[2] == "installed"
                and re.match("openvswitch-|ovn-|python3-openvswitch|vnetenc",
                             f[0])}

    def files(self):
        """Every file, except those of the kernel and of apt."""
        out = self.sh("find / -xdev \\( -path /proc -o -path /sys -o "
                      "-path /dev -o -path /debs -o -path /var/lib/dpkg -o "
                      "-path /var/cache -o -path /var/lib/apt -o "
                      "-path /var/log/apt -o -path /tmp -o "
                      "-name __pycache__ \\) -prune -o ! -type d -print")
        return set(out.splitlines())

    def pid(self, daemon, directory="openvswitch"):
        f = self.root / "run" / directory / (daemon + ".pid")
        try:
            pid = int(f.read_text())
            os.kill(pid, 0)
            return pid
        except (OSError, ValueError):
            return None


# Runs as the first process of a host: prepares the tree for systemd.
BOOT = """set -e
cd "$1"
mount --make-rprivate /
umount -R -l dev sys proc
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm dev/net
for d in null zero full random urandom tty net/tun; do
    touch dev/$d
    mount --bind /dev/$d dev/$d
done
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
hostname "$2"
pivot_root . mnt
cd /
umount -l /mnt
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --show-status=no"""


class SystemdHost(Host):
    """The same with systemd."""

    systemd = True

    def __init__(self, work, name, debs):
        self.init = None
        super().__init__(work, name, debs)
        (self.root / "usr/sbin/policy-rc.d").unlink()
        wants = self.root / "etc/systemd/system/multi-user.target.wants"
        wants.mkdir(parents=True, exist_ok=True)
        unit = "systemd-networkd.service"
        (wants / unit).symlink_to("/lib/systemd/system/" + unit)
        # A group of its own: process numbers begin with 1 here, and a run that
        # was killed leaves its group.
        group = pathlib.Path(tempfile.mkdtemp(
            prefix="vnetenc-check-", suffix="-" + name, dir=self._group()))
        atexit.register(self._remove_group, group)
        boot = subprocess.Popen(
            ["/bin/sh", "-c", 'echo 0 >"$0/cgroup.procs"; exec "$@"',
             str(group), "nsenter", "--net=/run/netns/" + name, "unshare",
             "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork",
             "--kill-child", "/bin/sh", "-c", BOOT, "boot", str(self.root),
             name], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        # A child that ends early must not be forgotten at exit.
        atexit.register(boot.kill)
        children = pathlib.Path("/proc/%d/task/%d/children"
                                % (boot.pid, boot.pid))
        wait_until("systemd of " + name, lambda: children.read_text(), 30)
        self.init = children.read_text().split()[0]
        wait_until("the end of the boot of " + name, lambda: self.do(
            "systemctl", "is-system-running", check=False).stdout.strip()
            in ("running", "degraded"), 120)

    @staticmethod
    def _group():
        """The folder of cgroups version 2."""
        for line in open("/proc/self/mounts"):
            fields = line.split()
            if fields[2] == "cgroup2":
                return pathlib.Path(fields[1])
        raise Broken("there are no cgroups of version 2")

    @staticmethod
    def _remove_group(group):
        """Remove the group after its processes, which were killed, are
        gone."""
        for _ in range(50):
            for d in sorted(group.glob("**/"), reverse=True):
                try:
                    d.rmdir()
                except OSError:
                    pass
            if not group.exists():
                return
            time.sleep(0.1)

    def prefix(self):
        chroot = super().prefix()
        if not self.init:
            return chroot
        return ["nsenter", "-t", self.init, "--mount", "--pid", "--net",
                "--uts", "--ipc", "--cgroup", "--root", "--wd"] \
            + chroot[chroot.index("env"):]


class Ping:
    """Ping in the background, to count losses and the longest silence."""

    def __init__(self, netns, target, interval=0.05):
        self.interval = interval
        # A pipe that nobody reads would stop it.
        self.output = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            ["nsenter", "--net=/run/netns/" + netns, "ping", "-n", "-D",
             "-i", str(interval), target],
            stdout=self.output, stderr=subprocess.STDOUT)
        self.begin = time.time()

    def stop(self):
        """(packets sent, lost, longest silence in seconds)"""
        end = time.time()
        self.process.send_signal(2)
        self.process.wait(10 * PATIENCE)
        self.output.seek(0)
        out = self.output.read()
        times = [float(x) for x in re.findall(
            r"^\[([0-9.]+)\] \d+ bytes from", out, re.M)]
        found = re.search(r"(\d+) packets transmitted, (\d+) received", out)
        sent, got = map(int, found.groups()) if found else (0, 0)
        marks = [self.begin] + times + [end]
        gap = max(b - a for a, b in zip(marks, marks[1:]))
        return sent, sent - got, gap


# The text that a Stream sends, over and over.
TEXT = b"nobody on the underlay reads this stream "
SENDER = """
import socket, sys, time
text = sys.argv[2].encode() * 100
with socket.create_connection((sys.argv[1], 7000)) as sock:
    n = 0
    try:
        while True:
            sock.sendall(text)
            n += len(text)
            time.sleep(0.05)
    except KeyboardInterrupt:
        pass
print(n)
"""
RECEIVER = """
import socket, sys, time
text = sys.argv[2].encode()
with socket.create_server((sys.argv[1], 7000)) as server:
    print("ready", flush=True)
    sock, _ = server.accept()
n = 0
while data := sock.recv(65536):
    begin = n % len(text)
    assert data == (text * (len(data) // len(text) + 2))[begin:][:len(data)]
    n += len(data)
    print(time.time(), n, flush=True)
"""


class Stream:
    """One TCP connection between two machines, over which TEXT passes all the
    time."""

    def __init__(self, work, sender, receiver, target):
        self.arrivals = work / "stream"
        self.errors = work / "stream.errors"
        with open(self.arrivals, "w") as out, open(self.errors, "w") as errors:
            self.receiver = self._python(receiver, RECEIVER, target, out,
                                         errors)
        wait_until("the stream's receiver", lambda: self.arrivals.read_text())
        self.sender = self._python(sender, SENDER, target, subprocess.PIPE,
                                   subprocess.STDOUT)
        wait_until("the stream", lambda: len(self._lines()) > 10)

    @staticmethod
    def _python(netns, program, target, out, errors):
        return subprocess.Popen(
            ["nsenter", "--net=/run/netns/" + netns, sys.executable, "-c",
             program, target, TEXT.decode()], stdout=out, stderr=errors,
            text=True)

    def _lines(self):
        """[time, octets until then] of each arrival."""
        return [line.split() for line
                in self.arrivals.read_text().splitlines()[1:]]

    def silence(self, since):
        """The longest time without an arrival since then."""
        marks = [since, *(t for t in (float(x[0]) for x in self._lines()
                                      if len(x) == 2) if t > since),
                 time.time()]
        return max(b - a for a, b in zip(marks, marks[1:]))

    def stop(self):
        """(octets sent, octets that arrived in order, what went wrong)"""
        self.sender.send_signal(2)
        said = self.sender.communicate(timeout=60 * PATIENCE)[0].strip()
        self.receiver.wait(60 * PATIENCE)
        sent = int(said) if said.isdigit() else 0
        errors = self.errors.read_text() + ("" if sent else said)
        return sent, int(self._lines()[-1][1]), errors


def wait_until(what, condition, timeout=60):
    timeout *= PATIENCE
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.2)
    raise Broken("not within %d s: %s" % (timeout, what))


TOP = pathlib.Path(__file__).resolve().parents[2]
