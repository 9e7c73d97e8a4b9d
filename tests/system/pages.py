# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Pages of the documentation, typed line by line: each command of a `console'
block runs on the host that its prompt names and prints what the block says,
where `...' is any text."""

import doctest
import os
import re
import subprocess

import pytest

from lab import TOP
from runspace import PATIENCE

BLOCK = re.compile(r"^```console\n(.*?)^```", re.M | re.S)
COMMAND = re.compile(
    r"^root@(\w+):~# ((?:.*\\\n)*(?:.*<<'END'\n(?:.*\n)*?END|.*))\n"
    r"((?:(?!root@).*\n)*)", re.M)
# Folders of the packages, which are one folder of a host of the lab.
FOLDERS = re.compile(r"/(?:etc|var/log|var/lib)/(?:openvswitch|ovn)\b|/root\b"
                     r"|/usr/local/sbin\b")
TIMEOUT_S = 60 * PATIENCE

# Files are copied without a login, and scripts then name the folders of their
# host; the folders of ovs-pki are the lab's.
PROGRAMS = {
    "scp": """#!/bin/sh
for last; do :; done
host=${last#root@} host=${host%%:*}
for file in $(echo "$*" | sed "s| $last$||"); do
    copy=$HOSTS/$host/${file##*/}
    cp "$file" "$copy" || exit 1
    if head -n 1 "$copy" | grep -q '^#!'; then
        sed -i "s|$HOSTS/[a-z0-9]*/|$HOSTS/$host/|g" "$copy"
    fi
done
""",
    "ovs-pki": """#!/bin/sh
exec "$PKI" --dir="$OVS_DBDIR/pki" --log="$OVS_LOGDIR/pki.log" "$@"
"""}


class Shell:
    """A root's shell on a host of the lab, which has the folder `folder`.
    `translate` tells what its names for some things are."""

    def __init__(self, run, tree, folder, netns, env, translate=()):
        self.run, self.tree, self.folder = run, tree, folder
        self.netns = netns
        self.env = env
        self.translate = dict(translate)

    def local(self, text):
        for name, own in self.translate.items():
            text = text.replace(name, own)
        return FOLDERS.sub(str(self.folder), text)

    def type(self, command):
        """(exit status, all that a command prints)."""
        path = [self.run.folder("bin"), self.folder,
                self.tree.ovs / "utilities", self.tree.ovs / "ovsdb",
                self.tree.ovn / "utilities", TOP / "utilities"]
        done = subprocess.run(
            ["nsenter", f"--net=/run/netns/{self.netns}", "--", "bash", "-c",
             self.local(command)], cwd=self.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, timeout=TIMEOUT_S, check=False,
            env={**os.environ, **self.env, "HOSTS": str(self.run.dir),
                 "PKI": str(self.tree.program("ovs-pki")),
                 "PATH": ":".join([*map(str, path), os.environ["PATH"]])})
        return done.returncode, done.stdout


def steps(page):
    """(line, host, command, output) of each command of the page."""
    text = page.read_text()
    for block in BLOCK.finditer(text):
        found = list(COMMAND.finditer(block[1]))
        assert "".join(step[0] for step in found) == block[1], block[1]
        for step in found:
            yield (text.count("\n", 0, block.start(1) + step.start()) + 1,
                   *step.groups())


def install_programs(run):
    for name, text in PROGRAMS.items():
        program = run.folder("bin") / name
        program.write_text(text)
        program.chmod(0o755)


def type_page(name, shells, after=None):
    """Types all commands of the page `name`, into the shells of its hosts.
    Calls after(command) after each."""
    page = TOP / "Documentation" / name
    checker = doctest.OutputChecker()
    n_steps = 0
    for line, host, command, output in steps(page):
        shell = shells[host]
        status, said = shell.type(command)
        output = shell.local(output)
        if status or not checker.check_output(output, said, doctest.ELLIPSIS):
            example = doctest.Example(command, output)
            pytest.fail(f"{name}:{line}: {command}\nstatus {status}\n"
                        + checker.output_difference(example, said,
                                                    doctest.ELLIPSIS))
        if after:
            after(command)
        n_steps += 1
    assert n_steps
