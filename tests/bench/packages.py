# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Debian's packages, unpacked into a folder of the benchmark and never
installed: no file of the machine changes, and no service is added.

`shown' makes them appear in /usr for the processes of one private mount
namespace."""

import os
import pathlib
import shutil
import subprocess
import urllib.parse

from runspace import Failed

COMPLETE = "complete"


def _apt(*argv, cwd=None):
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True,
                          timeout=300, check=False,
                          env={**os.environ, "LC_ALL": "C"})
    if done.returncode:
        raise Failed(f"{' '.join(argv[:3])}: {done.stderr[-800:]}")
    return done.stdout


def missing(names):
    """The packages that apt-get would install for `names'."""
    text = _apt("apt-get", "-s", "install", "--no-install-recommends", *names)
    return [line.split()[1] for line in text.splitlines()
            if line.startswith("Inst ")]


def _download(names, folder):
    wanted = missing(names)
    if wanted:
        _apt("apt-get", "-q", "download", *wanted, cwd=folder)


def unpack(names, folder):
    """Unpacks `names', and packages that they need and this machine lacks,
    into `folder'/root, unless they are there already; returns that folder."""
    folder = pathlib.Path(folder)
    root, archives = folder / "root", folder / "archives"
    note = folder / COMPLETE
    if note.exists() and note.read_text().split() == sorted(names):
        return root
    shutil.rmtree(folder, ignore_errors=True)
    archives.mkdir(parents=True)
    (root / "usr").mkdir(parents=True)
    try:
        _download(names, archives)
    except (Failed, subprocess.TimeoutExpired):
        _apt("apt-get", "-q", "update")     # The lists may be old.
        _download(names, archives)
    found = []
    for archive in sorted(archives.glob("*.deb")):
        _apt("dpkg", "-x", str(archive), str(root))
        found.append(" ".join(archive.stem.split("_")[:2]))
    (folder / "versions").write_text(
        urllib.parse.unquote("\n".join(found)) + "\n")
    # Debian 12's base has them in /usr only.
    for name in ("bin", "sbin", "lib"):
        if (root / name).is_dir() and not (root / name).is_symlink():
            shutil.copytree(root / name, root / "usr" / name,
                            symlinks=True, dirs_exist_ok=True)
    shutil.rmtree(archives)
    note.write_text("\n".join(sorted(names)) + "\n")
    return root


def inside(root, run_folder):
    """A prefix for a command, with which that command alone sees `root'/usr
    laid over /usr, and `run_folder' as /run."""
    return ["unshare", "--mount", "sh", "-c",
            f"mount -t overlay overlay -o ro,lowerdir={root}/usr:/usr /usr"
            f" && mount --bind {run_folder} /run && exec \"$@\"", "sh"]


KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
APT_CONF = """\
Dir::Etc::sourcelist "{dir}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "{dir}/lists";
Dir::Cache "{dir}/cache";
Acquire::Languages "none";
Acquire::Retries "1";
APT::Sandbox::User "root";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


def _archives():
    """(address, suite) of the Debian archives this machine uses."""
    text = _apt("apt-get", "indextargets", "--format",
                "$(REPO_URI) $(RELEASE) $(COMPONENT)",
                "Created-By: Packages")
    return sorted({tuple(line.split()[:2]) for line in text.splitlines()
                   if line.split()[2:] == ["main"]})


def source(package, folder):
    """Unpacks the source of an installed `package', of the same version, into
    `folder'/source, through an apt with lists of its own."""
    folder = pathlib.Path(folder)
    tree, note = folder / "source", folder / COMPLETE
    wanted = _apt("dpkg-query", "-W",
                  "-f=${source:Package}=${source:Version}", package)
    if note.exists() and note.read_text() == wanted:
        return tree
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "lists/partial").mkdir(parents=True)
    (folder / "cache/archives/partial").mkdir(parents=True)
    (folder / "apt.conf").write_text(APT_CONF.format(dir=folder))
    (folder / "sources.list").write_text("".join(
        f"deb-src [signed-by={KEYRING}] {uri} {suite} main\n"
        for uri, suite in _archives()))
    apt = ("apt-get", "-c", str(folder / "apt.conf"), "-q")
    _apt(*apt, "update")
    _apt(*apt, "source", "--download-only", wanted, cwd=folder)
    _apt("dpkg-source", "-x", str(next(folder.glob("*.dsc"))), str(tree))
    for name in ("lists", "cache"):
        shutil.rmtree(folder / name)
    note.write_text(wanted)
    return tree


def versions(names, folder):
    """The versions of packages that `unpack' unpacked or that were installed
    before."""
    note = pathlib.Path(folder) / "versions"
    found = dict(line.split() for line in note.read_text().splitlines())
    return {name: found.get(name) or _apt(
        "dpkg-query", "-W", "-f=${Version}", name) for name in names}
