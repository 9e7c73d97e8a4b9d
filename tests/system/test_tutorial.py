# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The tutorial, typed line by line: each command of a `console' block runs on
the host that its prompt names and prints what the block says, where `...' is
any text."""

import doctest
import os
import re
import subprocess

import pytest

from lab import TOP, Hypervisor, Underlay
from ovn import start_database
from runspace import PATIENCE

PAGE = TOP / "Documentation/TUTORIAL.md"
BLOCK = re.compile(r"^```console\n(.*?)^```", re.M | re.S)
COMMAND = re.compile(r"^root@(\w+):~# ((?:.*\\\n)*.*)\n((?:(?!root@).*\n)*)",
                     re.M)
# Folders of the packages, which are one folder of a host of the lab.
FOLDERS = re.compile(r"/(?:etc|var/log|var/lib)/(?:openvswitch|ovn)\b|/root\b")
TIMEOUT_S = 60 * PATIENCE

# Files are copied without a login, and the folders of ovs-pki are the lab's.
PROGRAMS = {
    "scp": """#!/bin/sh
for last; do :; done
host=${last#root@}
exec cp $(echo "$*" | sed "s| $last$||") "$HOSTS/${host%%:*}/"
""",
    "ovs-pki": """#!/bin/sh
exec "$PKI" --dir="$OVS_DBDIR/pki" --log="$OVS_LOGDIR/pki.log" "$@"
"""}


class FreshHost(Hypervisor):
    """A host on which the packages were installed and nothing was set, with
    eth0 for management and eth1 for tunnels."""

    def _add_bridges(self):
        self.run.ip(self.netns, "link set dev u down arp on",
                    "link set dev u name eth1", "link set dev mg name eth0",
                    f"addr add 198.51.100.{self.number}/24 dev eth0")

    def restore_addresses(self):
        pass

    def start_controller(self):
        self.run.spawn(
            self.tree.program("ovn-controller"), f"unix:{self.dir}/db.sock",
            f"--pidfile={self.dir}/ovn-controller.pid",
            f"--log-file={self.dir}/oc.log", "-vconsole:off",
            netns=self.netns, env=self.env, folder=self.dir)

    def start_central(self):
        start_database(self, "nb")
        start_database(self, "sb", [
            "--remote=db:OVN_Southbound,SB_Global,connections",
            "--private-key=db:OVN_Southbound,SSL,private_key",
            "--certificate=db:OVN_Southbound,SSL,certificate",
            "--ca-cert=db:OVN_Southbound,SSL,ca_cert"])
        self.env.update(OVN_NB_DB=f"unix:{self.dir}/nb.sock",
                        OVN_SB_DB=f"unix:{self.dir}/sb.sock")
        for database in "nb", "sb":
            self.run.cmd(self.tree.program(f"ovn-{database}ctl"), "init",
                         env=self.env)
        self.run.spawn(
            self.tree.program("ovn-northd"),
            f"--ovnnb-db={self.env['OVN_NB_DB']}",
            f"--ovnsb-db={self.env['OVN_SB_DB']}",
            f"--unixctl={self.dir}/northd.ctl",
            f"--log-file={self.dir}/northd.log", "-vconsole:off",
            netns=self.netns, env=self.env, folder=self.dir)

    def type(self, command):
        """(exit status, all that a command prints)."""
        folder = str(self.dir)
        path = [self.run.folder("bin"), self.tree.ovs / "utilities",
                self.tree.ovs / "ovsdb", self.tree.ovn / "utilities",
                TOP / "utilities"]
        done = subprocess.run(
            ["nsenter", f"--net=/run/netns/{self.netns}", "--", "bash", "-c",
             FOLDERS.sub(folder, command)], cwd=folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, timeout=TIMEOUT_S, check=False,
            env={**os.environ, **self.env, "HOSTS": str(self.run.dir),
                 "PKI": str(self.tree.program("ovs-pki")),
                 "PATH": ":".join([*map(str, path), os.environ["PATH"]])})
        return done.returncode, done.stdout


def steps():
    """(line, host, command, output) of each command of the page."""
    text = PAGE.read_text()
    for block in BLOCK.finditer(text):
        found = list(COMMAND.finditer(block[1]))
        assert "".join(step[0] for step in found) == block[1], block[1]
        for step in found:
            yield (text.count("\n", 0, block.start(1) + step.start()) + 1,
                   *step.groups())


def test_tutorial(run, tree):
    for name, text in PROGRAMS.items():
        program = run.folder("bin") / name
        program.write_text(text)
        program.chmod(0o755)
    underlay = Underlay(run, mtu=1500)
    hosts = {hv.name: hv for hv in (FreshHost(tree, underlay, number)
                                    for number in (1, 2))}
    hosts["hv1"].start_central()
    for hv in hosts.values():
        hv.start_controller()
    checker = doctest.OutputChecker()
    n_steps = 0
    for line, host, command, output in steps():
        status, said = hosts[host].type(command)
        if status or not checker.check_output(output, said, doctest.ELLIPSIS):
            example = doctest.Example(command, output)
            pytest.fail(f"{PAGE.name}:{line}: {command}\nstatus {status}\n"
                        + checker.output_difference(example, said,
                                                    doctest.ELLIPSIS))
        n_steps += 1
    assert n_steps
