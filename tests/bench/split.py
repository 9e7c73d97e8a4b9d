# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The cost of keeping the MTU of guests: bytes of a guest for each cycle of
one PMD thread, over an underlay with MTU 1500.

One guest has packets that fill the underlay before they are sealed; they are
sent as two records.  The other guest has the ideal MTU, and its packets need
one record.  Process and sessions are those of datapath.py; in `loop' the
thread seals, opens and joins.  In one turn a thread takes as many packets from
a ring as from the source, so two records for each packet need two rings, each
for one of two peers."""

import statistics

import datapath
from runspace import Failed

MTU = 1500
# Records for a frame: its bytes.  Guests' MTU 1405 and 1442, Ethernet header.
FRAMES = {1: 1405 + 14, 2: 1442 + 14}
GOAL = 0.6
PEERS = 2


def measure(run, tree, raw, rounds, seconds, say):
    """Adds rows and ratios to `raw'; returns the failures."""
    rows, failures = [], {}
    dp = datapath.Datapath(run, tree, "dp-split")
    dp.set_peers(PEERS)
    dp.add_ring(2)
    for peer in range(PEERS):
        dp.appctl("vnetenc/test-set-mtu", datapath.LOCAL,
                  datapath.remote(peer), datapath.DTLS_PORT, 0, MTU, "split")
    for number in range(rounds):
        for records, size in FRAMES.items():
            dp.set_source(size, PEERS, PEERS)
            for way in (datapath.PUSH, datapath.LOOP):
                dp.set_state(way, datapath.ENCRYPTED, PEERS)
                dp.settle()
                try:
                    row = dp.window(seconds, way, records)
                except Failed as failure:
                    failures[f"split, {records} records, {way}"] \
                        = str(failure)[-500:]
                    continue
                rows.append({"round": number, "records": records,
                             "size": size, "way": way, **row})
    dp.close()
    raw["split"] = {"rows": rows, "ratios": ratios(rows)}
    for figure in raw["split"]["ratios"]:
        say(f"split against whole, {figure['way']}: {figure['ratio']:.2f}")
    return failures


def ratios(rows):
    """For each way, cycles for a packet, and the ratio of bytes for a cycle of
    split packets to those of whole packets: medians over all rounds."""
    figures = []
    for way in (datapath.PUSH, datapath.LOOP):
        cycles = {records: [row["cycles"] for row in rows
                            if (row["way"], row["records"]) == (way, records)]
                  for records in FRAMES}
        if not all(cycles.values()):
            continue
        whole, split = (statistics.median(cycles[n]) for n in (1, 2))
        ratio = (FRAMES[2] / split) / (FRAMES[1] / whole)
        figures.append({"way": way, "whole": round(whole),
                        "split": round(split), "ratio": round(ratio, 3),
                        "goal": GOAL, "ok": ratio >= GOAL})
    return figures
