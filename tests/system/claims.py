# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Claims about a capture that several tests make."""

import capture
import packets
from lab import DECODER


def assert_sealed(path, lab, *texts, since=0.0, both_ways=True):
    """The capture has tunnel traffic, and nothing of an inner packet."""
    sealed = capture.data_records(path, since)
    ways = {(r.src, r.dst) for r in sealed}
    assert len(ways) >= (2 if both_ways else 1), "no sealed traffic"
    assert_silent(path, lab, *texts, since=since)
    assert not capture.repeated_nonces(path)
    return sealed


def assert_silent(path, lab, *texts, since=0.0):
    """Nothing of a tenant is readable on the underlay."""
    plain = capture.plaintext_tunnel(path, since)
    assert not plain, f"{len(plain)} packets in clear, first {plain[0]}"
    for text in (*texts, *(packets.mac(vm.mac) for vm in lab.vms)):
        assert not capture.count(path, text, since), text


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


def tshark(run, path, keys, wanted, field="frame.protocols"):
    """A field of the packets of a capture that match a display filter, as
    tshark decodes them with our script and a key log."""
    return run.cmd(
        "tshark", "-r", path, "-X", f"lua_script:{DECODER}", "-o",
        f"tls.keylog_file:{keys}", "-Y", wanted, "-T", "fields", "-e", field,
        timeout=60).splitlines()
