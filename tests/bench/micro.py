# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Ciphers alone, and our own code around them: runs tests/bench-vnetenc."""

import statistics

CIPHER = "aes256-gcm"


def measure(run, tree, repeats):
    """Rows: what (aead or packet), provider, cipher, octets, and cycles to
    seal and to open.  Each figure is the median of some runs; each run gives
    the least of many repetitions."""
    found = {}
    for _ in range(repeats):
        for what in ("aead", "packets"):
            for row in parse(run.cmd(tree.bench_program, what, timeout=120)):
                key = tuple(row[k] for k in ("what", "provider", "cipher",
                                             "octets"))
                found.setdefault(key, []).append((row["seal"], row["open"]))
    return [{"what": what, "provider": provider, "cipher": cipher,
             "octets": octets,
             "seal": statistics.median(seal for seal, _ in figures),
             "open": statistics.median(open_ for _, open_ in figures),
             "seal_min": min(seal for seal, _ in figures),
             "open_min": min(open_ for _, open_ in figures),
             "seal_max": max(seal for seal, _ in figures),
             "open_max": max(open_ for _, open_ in figures)}
            for (what, provider, cipher, octets), figures in found.items()]


def parse(text):
    """Rows from lines of tab-separated text below a line of names."""
    names = None
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        fields = line.split("\t")
        if fields[0] == "what":
            names = fields
            continue
        row = dict(zip(names, fields))
        for name in ("octets", "seal", "open"):
            row[name] = int(row[name])
        yield row


def raw(rows, way, octets):
    """Cycles for one AEAD operation on `octets' with the fastest provider,
    interpolated between the two nearest measured sizes."""
    points = {}
    for row in rows:
        if row["what"] == "aead" and row["cipher"] == CIPHER:
            points[row["octets"]] = min(row[way],
                                        points.get(row["octets"], 1e9))
    sizes = sorted(points)
    low = max([s for s in sizes if s <= octets] or sizes[:1])
    high = min([s for s in sizes if s >= octets] or sizes[-1:])
    if low == high:
        return points[low]
    part = (octets - low) / (high - low)
    return points[low] + part * (points[high] - points[low])
