# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Claims about a capture that several tests make."""

import os
import pathlib
import shutil
import tempfile

import capture
import packets
from lab import DECODER, NOBODY
from runspace import Late


def assert_sealed(path, lab, *texts, since=0.0, both_ways=True,
                  port=capture.DTLS):
    """The capture has tunnel traffic to `port`, and nothing of an inner
    packet."""
    sealed = capture.data_records(path, since, port)
    ways = {(r.src, r.dst) for r in sealed}
    assert len(ways) >= (2 if both_ways else 1), "no sealed traffic"
    assert_silent(path, lab, *texts, since=since)
    assert not capture.repeated_nonces(path, port)
    return sealed


def assert_silent(path, lab, *texts, since=0.0):
    """Nothing of a tenant is readable on the underlay."""
    plain = capture.plaintext_tunnel(path, since)
    assert not plain, f"{len(plain)} packets in clear, first {plain[0]}"
    for text in (*texts, *(packets.mac(vm.mac) for vm in lab.vms)):
        assert not capture.count(path, text, since), text


def assert_no_loss(lab, ping, n_unread):
    """No ping was lost.  `n_unread` is what lab.n_unread() was before: a
    packet that waited for too long in front of Open vSwitch is the machine's
    loss."""
    if ping.lost and lab.n_unread() > n_unread:
        raise Late("Open vSwitch did not read its devices in time")
    assert not ping.lost, ping.text


def is_handshake(frame):
    """True for a frame that holds DTLS records other than application
    data."""
    parsed = capture.udp(frame)
    return (parsed is not None and capture.DTLS in (parsed[1], parsed[3])
            and parsed[4][:1] in (b"\x14", b"\x15", b"\x16"))


def sessions_on_wire(path):
    """The sessions that carried data: (initiator, lane port, responder)."""
    return {(r.src, r.sport, r.dst) for r in capture.data_records(path)
            if r.dport == capture.DTLS}


def tshark(run, path, keys, wanted, *fields):
    """Fields of the packets of a capture that match a display filter, one
    line each, as tshark decodes them with our script and a key log.

    tshark 4.4 runs no script as root, so it runs as nobody, in a folder with
    copies of the three files."""
    fields = [arg for field in fields or ("frame.protocols",)
              for arg in ("-e", field)]
    with tempfile.TemporaryDirectory() as folder:
        copies = [shutil.copy(file, folder)
                  for file in (path, keys, DECODER)]
        for name in (folder, *copies):
            os.chown(name, NOBODY, NOBODY)
        pcap, log, script = map(pathlib.Path, copies)
        return run.cmd(
            "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
            "--clear-groups", "--inh-caps=-all", "--",
            "tshark", "-r", pcap, "-X", f"lua_script:{script}",
            "-o", f"tls.keylog_file:{log}", "-Y", wanted,
            "-T", "fields", *fields, env={"HOME": folder},
            timeout=60).splitlines()
