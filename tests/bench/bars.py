# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Compares the raw rows of a report with the bars."""

import collections
import statistics

import micro

GENEVE_HEADER = 8
SLACK, CYCLES = 1.15, 100
MANY_PEERS = 1.35
MAX_STEAL = 0.02
median = statistics.median


def spread(values):
    """Median, least and greatest."""
    values = list(values)
    return {"median": round(median(values), 4), "min": round(min(values), 4),
            "max": round(max(values), 4), "n": len(values)}


# Datapath.

def by_case(rows):
    """For each (size, flows, peers, one_address), the quadruples of figures of
    one round of one setup."""
    found = collections.defaultdict(dict)
    for row in rows:
        case = (row["size"], row["flows"], row["peers"],
                row.get("one_address", False))
        found[case].setdefault((row["setup"], row["round"]), {})[
            row["way"], row["how"]] = row["cycles"]
    return {case: [q for q in rounds.values() if len(q) == 4]
            for case, rounds in found.items()}


DERIVED = {
    "push_plain": lambda q: q["push", "plain"],
    "push_encrypted": lambda q: q["push", "encrypted"],
    "push_added": lambda q: q["push", "encrypted"] - q["push", "plain"],
    "pop_plain": lambda q: q["loop", "plain"] - q["push", "plain"],
    "pop_encrypted": lambda q: q["loop", "encrypted"] - q["push", "encrypted"],
    "pop_added": lambda q: (q["loop", "encrypted"] - q["push", "encrypted"]
                            - q["loop", "plain"] + q["push", "plain"]),
}


def datapath(raw):
    """One entry for each case: figures, and whether they reach the bar."""
    entries = []
    for (size, flows, peers, one_address), rounds in by_case(
            raw.get("datapath", [])).items():
        if not rounds:
            continue
        entry = {"size": size, "flows": flows, "peers": peers,
                 "one_address": one_address}
        for name, derive in DERIVED.items():
            entry[name] = spread(map(derive, rounds))
        if raw.get("micro"):
            for way, name in (("push", "seal"), ("pop", "open")):
                aead = micro.raw(raw["micro"], name, size + GENEVE_HEADER)
                limit = SLACK * aead + CYCLES
                entry[f"{way}_aead"] = round(aead)
                entry[f"{way}_limit"] = round(limit)
                entry[f"{way}_ok"] = entry[f"{way}_added"]["median"] <= limit
        entries.append(entry)
    return entries


def bar1(raw):
    entries = datapath(raw)
    ok = bool(entries) and all(entry.get("push_ok") and entry.get("pop_ok")
                               for entry in entries)
    return ok, {"cases": entries}


def bar8(raw):
    """What encryption adds with many peers, compared with one peer and as many
    flows: pushed to all from one address, popped from all at one address."""
    entries = {(e["size"], e["flows"], e["peers"] > 1, e["one_address"]): e
               for e in datapath(raw)}
    figures = []
    for (size, flows, many, one_address), one in entries.items():
        push, pop = (entries.get((size, flows, True, real))
                     for real in (False, True))
        if many or one_address or not push or not pop:
            continue
        # Where it adds nothing to one peer, there is no ratio to be reached.
        ratios = {way: case[f"{way}_added"]["median"]
                  / max(one[f"{way}_added"]["median"], 1)
                  for way, case in (("push", push), ("pop", pop))}
        figures.append({
            "size": size, "flows": flows, "peers": push["peers"],
            **{way: round(ratio, 2) for way, ratio in ratios.items()},
            **{f"{way}_ok": ratio <= MANY_PEERS
               for way, ratio in ratios.items()}})
    ok = figures and all(f["push_ok"] and f["pop_ok"] for f in figures)
    return ok, {"ratios": figures}


def _gateway_factor(size):
    return 1.1 if size < 512 else 1.0


def _one_sa(raw):
    gateway = {(row["way"], row["size"]): row["cycles"]
               for row in raw.get("secgw", [])}
    direct = collections.defaultdict(list)
    for row in raw.get("direct", []):
        direct[row["size"]].append(row["cycles"])
    figures = []
    for entry in datapath(raw):
        size = entry["size"]
        if entry["flows"] > 1 or ("out", size) not in gateway:
            continue
        factor = _gateway_factor(size)
        pairs = [("push", "out", entry["push_encrypted"]["median"])]
        if direct[size]:
            pairs.append(("pop", "in", median(direct[size])
                          + entry["pop_added"]["median"]))
        for way, other, cycles in pairs:
            figures.append({
                "size": size, "way": way, "sas": 1, "vnetenc": round(cycles),
                "ipsec_secgw": round(gateway[other, size]),
                "ratio": round(cycles / gateway[other, size], 3),
                "allowed": factor,
                "ok": cycles <= factor * gateway[other, size]})
    return figures


def _many_sas(raw):
    """Of each round, the figures of both programs; ratios are those of
    rounds."""
    many = raw.get("many_sas", {"datapath": [], "direct": [], "secgw": []})
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for row in many["datapath"]:
        found[row["size"], row["setup"]][
            row["one_address"], row["way"], row["how"]].append(row["cycles"])
    for row in many["direct"]:
        found[row["size"], row["setup"]]["direct"].append(row["cycles"])
    for row in many["secgw"]:
        found[row["size"], row["setup"]][row["way"]].append(row["cycles"])
    pairs = collections.defaultdict(list)
    for (size, _setup), rows in found.items():
        middle = {what: median(cycles) for what, cycles in rows.items()}
        real = {what[1:]: cycles for what, cycles in middle.items()
                if what[0] is True}
        if {"out", "in", "direct", (False, "push", "encrypted")
            } <= middle.keys() and len(real) == 4:
            pairs[size, "push"].append((middle[False, "push", "encrypted"],
                                        middle["out"]))
            pairs[size, "pop"].append((
                middle["direct"] + DERIVED["pop_added"](real), middle["in"]))
    some = next(iter(many["datapath"]), {})
    figures = []
    for (size, way), of_round in pairs.items():
        ratio = spread(ours / theirs for ours, theirs in of_round)
        factor = _gateway_factor(size)
        ours, theirs = map(median, zip(*of_round))
        figures.append({
            "size": size, "way": way, "sas": some["peers"],
            "flows": some["flows"], "vnetenc": round(ours),
            "ipsec_secgw": round(theirs), "ratio": ratio, "allowed": factor,
            "ok": ratio["median"] <= factor})
    return figures


def bar2(raw):
    one, many = _one_sa(raw), _many_sas(raw)
    return (min(len(one), len(many)) >= 4
            and all(f["ok"] for f in one + many)), {"comparisons": one + many}


def bar3(raw):
    found = collections.defaultdict(dict)
    for row in raw.get("threads", []):
        key = row["pairs"], row["way"], row["how"]
        found[key].setdefault(row["round"], {})[row["threads"]] = row["mpps"]
    figures = []
    for (pairs, way, how), rounds in found.items():
        complete = [r for r in rounds.values() if len(r) == 2]
        if not complete:
            continue
        ratio = spread(r[2] / r[1] for r in complete)
        figures.append({"pairs": pairs, "way": way, "how": how,
                        "one_mpps": round(median(r[1] for r in complete), 3),
                        "two_mpps": round(median(r[2] for r in complete), 3),
                        "ratio": ratio,
                        "ok": how == "plain" or ratio["median"] >= 1.8})
    judged = [f for f in figures if f["how"] == "encrypted"]
    return len(judged) >= 4 and all(f["ok"] for f in judged), {
        "scaling": figures}


# System.

def _system_rows(raw):
    """The rows during which the machine did nothing else, or all rows if there
    is no such row."""
    rows = raw.get("system", [])
    return [row for row in rows if row["steal"] <= MAX_STEAL] or rows


def system(raw):
    """For each target, its figures over all rounds."""
    found = collections.defaultdict(list)
    for row in _system_rows(raw):
        found[row["target"]].append(row)
    return {target: {key: spread(row[key] for row in rows)
                     for key in ("mbps", "daemon_s_per_gb", "cpu_s_per_gb")}
            for target, rows in found.items()}


def _ratios(raw, a, b, key):
    """a / b in each round in which both were measured."""
    rounds = collections.defaultdict(dict)
    for row in _system_rows(raw):
        rounds[row["round"]][row["target"]] = row[key]
    return [r[a] / r[b] for r in rounds.values() if a in r and b in r]


def bar4(raw):
    figures, ok = {"targets": system(raw), "ratios": []}, True
    names = list(figures["targets"])
    others = [name for name in names if not name.startswith("Geneve")]
    for tso in ("TSO off", "TSO on"):
        encrypted = f"Geneve, {tso}, encrypted"
        for other, least in ([(f"Geneve, {tso}, plain", 0.9)]
                             + [(name, 1.0) for name in others]):
            ratios = _ratios(raw, encrypted, other, "mbps")
            if not ratios:
                ok = False
                continue
            cost = _ratios(raw, encrypted, other, "daemon_s_per_gb")
            reached = median(ratios) >= least
            ok = ok and reached
            figures["ratios"].append({
                "of": encrypted, "to": other, "tcp": spread(ratios),
                "cpu": spread(cost), "least": least, "ok": reached})
        # A goal that does not belong to this bar.
        split = _ratios(raw, f"{encrypted}, split", encrypted, "mbps")
        if split:
            cost = _ratios(raw, f"{encrypted}, split", encrypted,
                           "daemon_s_per_gb")
            figures["ratios"].append({
                "of": f"{encrypted}, split", "to": encrypted,
                "tcp": spread(split), "cpu": spread(cost), "least": 0.75,
                "ok": median(split) >= 0.75})
    return ok and len(others) >= 7, figures


def bar5(raw):
    found = collections.defaultdict(dict)
    for row in raw.get("instructions", []):
        found[row["scenario"]].setdefault(row["tree"], []).append(
            row["instructions"])
    figures = []
    for scenario, trees in found.items():
        if len(trees) == 2:
            ratio = median(trees["patched"]) / median(trees["pristine"])
            figures.append({"scenario": scenario,
                            "pristine": spread(trees["pristine"]),
                            "patched": spread(trees["patched"]),
                            "ratio": round(ratio, 5), "ok": ratio <= 1.01})
    return len(figures) == 3 and all(f["ok"] for f in figures), {
        "instructions": figures}


# Flow log.

LOG_COST = 1.05                 # Of an encrypted packet.


def bar7(raw):
    rounds = collections.defaultdict(dict)
    for row in raw.get("flowlog", []):
        rounds[row["repeat"]][row["how"]] = row["instructions"]
    figures = []
    for how in ("pair", "connection"):
        ratios = [r[how] / r["off"] for r in rounds.values()
                  if how in r and "off" in r]
        if ratios:
            figures.append({"how": how, "ratio": spread(ratios),
                            "ok": median(ratios) <= LOG_COST})
    return len(figures) == 2 and all(f["ok"] for f in figures), {
        "flowlog": figures,
        "off": [r["off"] for r in rounds.values() if "off" in r]}


# Kernel datapath.

# Least share of plain VXLAN's TCP, for each way into the kernel.
KERNEL_SHARE = {"tso": 0.45, "uso": 0.35, "napi": 0.22, "write": 0.22}
KERNEL_SECONDS = 2.0            # Of the best way, beyond plain, for a GB.
KERNEL_FACTOR = 3.0             # Of the best way, against other tunnels.
KERNEL_CYCLES = 250             # Of a record, beside the cipher's.
KERNEL_IDLE = 0.5               # Percent, of the workers of both ends.
KERNEL_TCP, KERNEL_COUNTED = "1 stream", "counted"
RECORD_BYTES = 1420             # Of the plaintext, as in bench-vnetenc.


def kernel(raw):
    """For each (tunnel, load), its figures over all rounds."""
    found = collections.defaultdict(list)
    for row in raw.get("kernel", []):
        found[row["tunnel"], row["load"]].append(row)
    return {key: {name: spread(row[name] for row in rows)
                  for name in ("mbps", "kpps", "s_per_gb")}
            for key, rows in found.items()}


def _kernel_pairs(raw, a, b, load, combine):
    """combine(row of a, row of b) in each round with both."""
    rounds = collections.defaultdict(dict)
    for row in raw.get("kernel", []):
        if row["load"] == load:
            rounds[row["round"]][row["tunnel"]] = row
    return [combine(r[a], r[b]) for r in rounds.values()
            if a in r and b in r]


def kernel_ratios(raw, a, b, load):
    """Throughput of a / that of b, in each round."""
    key = "kpps" if load.startswith("UDP") else "mbps"
    return _kernel_pairs(raw, a, b, load, lambda x, y: x[key] / y[key])


def _kernel_cycles(raw):
    """All cycles of a worker for one record, beside system calls: of the end
    that seals most records, and of the end that opens most."""
    found = {"seal": [], "open": []}
    for row in raw.get("kernel", []):
        if (row["tunnel"], row["load"]) != (KERNEL_COUNTED, KERNEL_TCP):
            continue
        for end, what in (("a", "seal"), ("b", "open")):
            n = row["ends"][end]
            records = n["out_records"] + n["in_records"]
            found[what].append((n["cpu_s"] - n["calls_s"])
                               * raw["kernel_mhz"] * 1e6 / max(1, records))
    return found


def _idle_percents(raw):
    """Processor time of workers beside plain VXLAN, in each round."""
    return [100 * sum(end["cpu_s"] for end in row["ends"].values())
            / (row["bytes"] * 8 / row["mbps"] / 1e6)
            for row in raw.get("kernel", [])
            if (row["tunnel"], row["load"]) == ("plain, idle workers",
                                                KERNEL_TCP)]


def _best(raw):
    """The encrypted tunnel with the most TCP."""
    entries = {tunnel: f["mbps"]["median"]
               for (tunnel, load), f in kernel(raw).items()
               if load == KERNEL_TCP and tunnel.split(",")[0] in KERNEL_SHARE}
    return max(entries, key=entries.get) if entries else None


def bar6(raw):
    """The bars of the kernel datapath."""
    judged = []

    def judge(what, values, limit, least=True):
        if values:
            value = spread(values)
            middle = value["median"]
            judged.append({"what": what, "value": value, "limit": limit,
                           "least": least, "ok": (
                               middle >= limit if least
                               else middle <= limit)})

    best = _best(raw)
    if not best:
        return False, {}
    tunnels = {tunnel for tunnel, _ in kernel(raw)}
    for way, share in KERNEL_SHARE.items():
        name = max((t for t in tunnels if t.startswith(f"{way}, ")),
                   key=lambda t: kernel(raw)[t, KERNEL_TCP]["mbps"]["median"],
                   default=None)
        if name:
            judge(f"TCP: {name} / plain", kernel_ratios(
                raw, name, "plain", KERNEL_TCP), share)
    cheapest = min((t for t in tunnels if t.startswith("tso, ")),
                   key=lambda t: kernel(raw)[t, KERNEL_TCP]["s_per_gb"][
                       "median"], default=best)
    judge(f"s/GB: {cheapest} - plain", _kernel_pairs(
        raw, cheapest, "plain", KERNEL_TCP,
        lambda x, y: x["s_per_gb"] - y["s_per_gb"]), KERNEL_SECONDS, False)
    for other in sorted(tunnels):
        if not other.startswith(("plain", KERNEL_COUNTED, *KERNEL_SHARE)):
            judge(f"TCP: {best} / {other}", kernel_ratios(
                raw, best, other, KERNEL_TCP), KERNEL_FACTOR)
    for what, cycles in _kernel_cycles(raw).items():
        rows = [row for row in raw.get("micro", []) if row["octets"]
                == RECORD_BYTES and row["cipher"] == micro.CIPHER
                and row["provider"] == "ipsec-mb"]
        for row in rows:
            if row["what"] == "aead":
                limit = round(SLACK * row[what] + KERNEL_CYCLES)
                alone = [r[what] for r in rows if r["what"] == "packet"]
                judge(f"cycles to {what} a record", alone, limit, False)
                judge(f"cycles of a worker to {what} a record", cycles, limit,
                      False)
    judge("percent of a processor for idle workers", _idle_percents(raw),
          KERNEL_IDLE, False)
    return all(j["ok"] for j in judged), {"kernel": judged}


def evaluate(raw):
    bars = []
    for number, judge in enumerate((bar1, bar2, bar3, bar4, bar5, bar6, bar7,
                                    bar8), 1):
        ok, figures = judge(raw)
        bars.append({"bar": str(number), "ok": bool(ok), "figures": figures})
    return bars
