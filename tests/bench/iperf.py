# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""One run of iperf3 between two network namespaces."""

import json

from runspace import Failed, wait_until


def measure(run, ends, ip, seconds, usage, arguments=(), inside=((), ())):
    """`ends` are the network namespaces of client and server, `inside` the
    commands that start a program there.  Returns the report's "end", and what
    `usage` said before and after."""
    client, server = ends
    listener = run.spawn(*inside[1], "iperf3", "-s", "-1", name="iperf3",
                         netns=server)
    wait_until(lambda: ":5201" in run.cmd("ss", "-Hltn", netns=server),
               "iperf3 listens")
    before = usage()
    text = run.cmd(*inside[0], "iperf3", "-c", ip, "-J", "-t", seconds,
                   *arguments, netns=client, timeout=seconds + 15,
                   check=False)
    after = usage()
    listener.stop()
    try:
        return json.loads(text)["end"], before, after
    except (ValueError, KeyError):
        raise Failed(f"iperf3 said {text[-300:]}") from None
