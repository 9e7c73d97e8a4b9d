# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""A report as JSON, as Markdown and as a plot."""

import json
import pathlib

import bars
import plot

TITLES = {
    "1": "Encrypted push and pop cost at most 1.15 x raw AEAD + 100 cycles"
         " more than plain ones",
    "2": "Encrypted push and pop cost at most as much as DPDK's ipsec-secgw"
         " (1.1 x at 64 bytes), with one SA and with 64",
    "3": "Two PMD threads do at least 1.8 x as much as one",
    "4": "Encrypted TCP reaches 0.9 x plain Geneve, and more than other"
         " encrypted tunnels",
    "5": "Nothing encrypted: within 1 % of pristine Open vSwitch in"
         " instructions",
    "6": "Kernel datapath: the bars of its section",
    "7": "The flow log adds at most 5 % to the instructions for an encrypted"
         " packet of 1400 octets",
    "8": "With many peers, encryption adds at most 1.35 x what it adds with"
         " one",
}


def write(report, path):
    """Writes `report' to `path', and .md and .svg beside it."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
    publish(report, path.with_suffix(".md"))


def publish(report, path, notes=""):
    """Writes the Markdown to `path', with `notes' at its end, and the plot
    beside it."""
    picture = path.with_suffix(".svg")
    parts = [markdown(report, picture.name)] + ([notes] if notes else [])
    path.write_text("\n".join(parts))
    picture.write_text(plot.svg(panels(report["raw"])))


def _warning(conditions, cores):
    # The average of that minute includes the build just before.
    if conditions["load_before"] <= 0.75 * cores \
            and conditions["stolen_percent"] <= 100 * bars.MAX_STEAL:
        return []
    return ["**Do not rely on these figures:** the machine had other work"
            f" (load {conditions['load_before']},"
            f" {conditions['stolen_percent']} % stolen).", ""]


def _table(head, rows):
    lines = ["| " + " | ".join(head) + " |",
             "|" + "|".join("---" if n == 0 else "---:"
                            for n in range(len(head))) + "|"]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return lines + [""]


def _range(figure, digits=0):
    """Median (least to greatest)."""
    return (f"{figure['median']:.{digits}f} ({figure['min']:.{digits}f} to"
            f" {figure['max']:.{digits}f})")


def _yes(ok):
    return "yes" if ok else "**no**"


def reached(bar):
    return ("reached" if bar["ok"]
            else "not reached" if any(bar["figures"].values())
            else "not measured")


def markdown(report, picture):
    raw, facts = report["raw"], report["machine"]
    judged = {bar["bar"]: bar for bar in report["bars"]}
    out = ["# Performance", "",
           "`./quickstart bench` makes this page, except for the last"
           " section, if there is one, which is written by hand.  The headers"
           " of the files in `tests/bench/` describe the measurements."
           "  Figures are medians, with the least and the greatest in"
           " parentheses.  Cycles are those of the time stamp counter, and"
           " count only while the measured thread has the processor.", "",
           f"![Cycles for one packet, TCP throughput and cost]({picture})",
           "", *_warning(report["conditions"], facts["cores"])]
    out += _table(("Bar", "Result"), [
        (f"{n}. {TITLES[n]}", reached(bar))
        for n, bar in judged.items()])
    out += ["## Machine", ""]
    out += _table(("Property", "Value"), [
        ("Date", report["date"]),
        ("Version", facts["version"]),
        ("CPU", f"{facts['cores']} x {facts['cpu']}, {facts['mhz']} MHz"),
        ("CPU features", ", ".join(facts["features"])),
        ("Memory", f"{facts['memory_gb']} GB, no huge pages"),
        ("Kernel", facts["kernel"]),
        *facts["packages"].items(),
        *((f"Compiler flags, {what}", f"`{flags}`")
          for what, flags in facts["compiled"].items()),
        *((name.replace("_", " "), value)
          for name, value in report["conditions"].items())])
    for part in (_datapath, _many_peers, _split, _gateway, _threads, _ciphers,
                 _system, _kernel, _instructions, _flowlog, _scale):
        out += part(raw, judged)
    if report["not_measured"]:
        out += ["## Not measured", ""]
        out += _table(("Measurement", "Reason"), [
            (what, " ".join(str(why).split())[:300].replace("|", "/"))
            for what, why in report["not_measured"].items()])
    return "\n".join(out)


def _datapath(_raw, judged):
    cases = judged["1"]["figures"]["cases"]
    if not cases:
        return []
    return ["## Cycles for one packet, one PMD thread", "",
            "`ovs-vswitchd` runs with DPDK's virtual devices.  *Push*"
            " receives, looks up, encapsulates, and sends.  *Pop* is the cost"
            " of a tunnel packet from its arrival on; to measure it, pushed"
            " packets are sent through a ring.  Sizes are those of inner"
            " frames.  *Limit* is the limit that bar 1 sets to the difference"
            " between encrypted and plain.  In *real* rows, packets of all"
            " peers come to one address, in common batches; otherwise each"
            " peer's go to an address of its own.", ""] + _table(
        ("Bytes, flows, peers", "push plain", "push encrypted",
         "difference", "limit", "pop plain", "pop encrypted", "difference",
         "limit"),
        [(f"{c['size']}, {c['flows']}, {c['peers']}"
          + (", real" if c["one_address"] else ""),
          _range(c["push_plain"]), _range(c["push_encrypted"]),
          _mark(c, "push"), c.get("push_limit", "?"), _range(c["pop_plain"]),
          _range(c["pop_encrypted"]), _mark(c, "pop"),
          c.get("pop_limit", "?")) for c in cases])


def _mark(case, way):
    text = f"{case[way + '_added']['median']:.0f}"
    return text if case.get(way + "_ok", True) else f"**{text}**"


def _many_peers(_raw, judged):
    figures = judged["8"]["figures"]["ratios"]
    if not figures:
        return []
    return ["What encryption adds with many peers, compared with one peer and"
            " as many flows.  Packets are pushed to all peers from one"
            f" address, and popped in *real* rows.  Bar 8 allows"
            f" {bars.MANY_PEERS}.", ""] + _table(
        ("Bytes, flows, peers", "push", "pop"),
        [(f"{f['size']}, {f['flows']}, {f['peers']}",
          *(str(f[way]) if f[f"{way}_ok"] else f"**{f[way]}**"
            for way in ("push", "pop"))) for f in figures])


def _split(raw, _judged):
    figures = raw.get("split", {}).get("ratios")
    if not figures:
        return []
    return ["## Packets as two records, one PMD thread", "",
            "Cycles for one packet over an underlay with MTU 1500.  A guest"
            " with MTU 1405 has packets of one record, a guest with MTU 1442"
            " packets of two.  *Ratio* compares the bytes for a cycle of the"
            " latter with those of the former.  *Loop* seals, opens and joins"
            " in one thread.", ""] + _table(
        ("", "one record", "two records", "ratio", "goal", "reached"),
        [(f["way"], f["whole"], f["split"], f["ratio"], f["goal"],
          _yes(f["ok"])) for f in figures])


def _gateway(_raw, judged):
    figures = judged["2"]["figures"]["comparisons"]
    if not figures:
        return []
    return ["## Against DPDK's ipsec-secgw", "",
            "Cycles for one packet.  `ipsec-secgw` has AES-256-GCM in ESP, and"
            " neither switches nor encapsulates Geneve.  For this table, pop"
            " begins in both programs with a packet from a file.  Rows with"
            " several SAs and peers have this number of SAs each way in"
            " `ipsec-secgw` and of peers in vnetenc, and packets of all of"
            " them in turn; each of their ratios compares both programs in the"
            " same round.", ""] + _table(
        ("", "vnetenc", "ipsec-secgw", "ratio", "allowed", "reached"),
        [(f"{f['size']} bytes, {f['way']}, {_sas(f)}", f["vnetenc"],
          f["ipsec_secgw"],
          _range(f["ratio"], 3) if f["sas"] > 1 else f["ratio"],
          f["allowed"], _yes(f["ok"])) for f in figures])


def _sas(figures):
    if figures["sas"] == 1:
        return "1 SA / 1 peer, 1 flow"
    return (f"{figures['sas']} SAs / {figures['sas']} peers,"
            f" {figures['flows']} flows")


def _threads(_raw, judged):
    figures = judged["3"]["figures"]["scaling"]
    if not figures:
        return []
    return ["## Two PMD threads", "",
            "Millions of packets per second: 1400 bytes, 1000 flows.", ""
            ] + _table(
        ("", "one thread", "two threads", "ratio"),
        [(f"{f['pairs']}, {f['way']} {f['how']}", f["one_mpps"],
          f["two_mpps"], _range(f["ratio"], 2)) for f in figures])


def _ciphers(raw, _judged):
    rows = raw.get("micro", [])
    if not rows:
        return []
    sizes = sorted({row["octets"] for row in rows})
    found = {}
    for row in rows:
        found.setdefault((row["what"], row["provider"], row["cipher"]), {})[
            row["octets"]] = f"{row['seal']:.0f} / {row['open']:.0f}"
    names = {"aead": "cipher alone", "packet": "cipher and our code"}
    return ["## Ciphers", "", "Cycles to seal / to open, in bursts of 32."
            "  The provider `null` does nothing.", ""] + _table(
        ("Cipher", *(f"{size} bytes" for size in sizes)),
        [(f"{names.get(what, what)}: {provider}, {cipher}",
          *(figures.get(size, "") for size in sizes))
         for (what, provider, cipher), figures in found.items()])


def _system(raw, judged):
    figures = judged["4"]["figures"]
    if not figures["targets"]:
        return []
    out = ["## TCP through two hypervisors", "",
           "The hypervisors are network namespaces without DPDK, and guests"
           " have an MTU of 1400.  Each round measures all tunnels in turn."
           "  Where packets are split, guests have an MTU of 1450: their"
           " packets fill the MTU of the underlay, 1500, before they are"
           " encrypted.  The other tunnels end in the hypervisor itself and"
           " switch nothing; all of them are Debian's packages.", ""] + _table(
        ("Tunnel", "Version, cipher", "Mbit/s", "CPU s/GB, daemons",
         "CPU s/GB, machine"),
        [(name, raw.get("tunnels", {}).get(name, ""), _range(f["mbps"]),
          _range(f["daemon_s_per_gb"], 1),
          _range(f["cpu_s_per_gb"], 1))
         for name, f in figures["targets"].items()])
    return out + _table(
        ("Ratio in the same round", "TCP", "CPU of daemons", "at least",
         "reached"),
        [(f"{f['of']} / {f['to']}", _range(f["tcp"], 2), _range(f["cpu"], 2),
          f["least"], _yes(f["ok"])) for f in figures["ratios"]])


def _kernel_cell(figures, load):
    if not figures:
        return ""
    return (_range(figures["kpps"]) + " kpps" if load.startswith("UDP")
            else f"{_range(figures['mbps'])}, "
                 f"{figures['s_per_gb']['median']:.1f} s/GB")


def _kernel(raw, judged):
    figures = bars.kernel(raw)
    if not figures:
        return []
    tunnels = list(dict.fromkeys(row["tunnel"] for row in raw["kernel"]
                                 if row["tunnel"] != bars.KERNEL_COUNTED))
    loads = list(dict.fromkeys(row["load"] for row in raw["kernel"]))
    out = ["## Kernel datapath", "",
           "Two guests on two hosts, in network namespaces of this kernel:"
           " bridges and VXLAN devices stand for the datapath, and the workers"
           " of `ovs-vswitchd` seal and open with AES-256-GCM.  `write`,"
           " `napi`, `uso` and `tso` are the ways into the kernel that"
           " `other_config:vnetenc-kernel-inject` can force; the way out was:"
           f" {raw['kernel_source']}.  Each round measures all tunnels in"
           " turn.  TCP is in Mbit/s, with the seconds of processor time of"
           " both ends for a gigabyte; *no TSO* means that guests send"
           " segments one by one.  Guests have an MTU of 1400.", ""] + _table(
        ("Tunnel", *loads),
        [(tunnel, *(_kernel_cell(figures.get((tunnel, load)), load)
                    for load in loads)) for tunnel in tunnels])
    shares = [(tunnel, *(_kernel_share(raw, tunnel, load) for load in loads))
              for tunnel in tunnels
              if tunnel.split(",")[0] in bars.KERNEL_SHARE]
    out += ["Shares of plain VXLAN in the same round:", ""] + _table(
        ("Tunnel", *loads), shares)
    return out + _table(
        ("Bar", "value", "limit", "reached"),
        [(j["what"], _range(j["value"], 2 if j["limit"] < 10 else 0),
          ("at least " if j["least"] else "at most ") + f"{j['limit']:g}",
          _yes(j["ok"])) for j in judged["6"]["figures"].get("kernel", [])])


def _kernel_share(raw, tunnel, load):
    values = bars.kernel_ratios(raw, tunnel, "plain", load)
    return _range(bars.spread(values), 2) if values else ""


def _instructions(_raw, judged):
    figures = judged["5"]["figures"]["instructions"]
    if not figures:
        return []
    return ["## Nothing encrypted", "",
            "Instructions for one packet, alone in its batch, by callgrind.",
            ""] + _table(
        ("", "pristine", "patched", "ratio"),
        [(f["scenario"], _range(f["pristine"]), _range(f["patched"]),
          f["ratio"])
         for f in figures])


def _flowlog(_raw, judged):
    figures = judged["7"]["figures"]
    if not figures["flowlog"]:
        return []
    return ["## Flow log", "",
            "Instructions for one encrypted packet of 100 connections, by"
            " callgrind, without the exact match cache.  The log is switched"
            " off and on in turns; ratios are to the run without it just"
            " before.", "",
            f"Without the log: {_range(bars.spread(figures['off']))}.", ""
            ] + _table(("Told apart", "ratio"),
                       [(f["how"], _range(f["ratio"], 4))
                        for f in figures["flowlog"]])


def _scale(raw, _judged):
    rows = raw.get("scale", [])
    if not rows:
        return []
    out = ["## Many peers", "",
           "One hypervisor boots in a mesh: each peer begins a session to it"
           " at the same time, and it has packets for each peer.  *Up* is the"
           " time until every peer has a working session each way."
           "  *Processor* is the time that `ovs-vswitchd` used until then."
           "  [SCALE.md](SCALE.md) computes larger meshes.", ""] + _table(
        ("Peers, share of a processor", "up, s", "processor, s", "handshakes",
         "failed", "handshakes/s and processor"),
        [(f"{r['peers']}, {r['share']}", f"{r['up_s']:.1f}",
          f"{r['cpu_s']:.2f}", r["handshakes"], r["failures"],
          f"{r['handshakes'] / r['cpu_s']:.0f}" if r["cpu_s"] else "")
         for r in rows])
    return out + ["At rest, with a session each way with every peer.  *Show*"
                  " is `ovs-appctl vnetenc/show`, *row* a new row in"
                  " `VNetEnc_Peer`.", ""] + _table(
        ("Peers", "memory for a peer, kB", "idle, % of a processor",
         "show, ms of a processor", "row, ms of a processor"),
        [(r["peers"], f"{r['memory_kb']:.0f}", f"{r['idle_percent']:.1f}",
          f"{1000 * r['show_s']:.0f}", f"{1000 * r['pin_s']:.1f}")
         for r in rows if "memory_kb" in r])


# The plot.

def panels(raw):
    entries = bars.datapath(raw)
    one_flow = [e for e in entries if e["flows"] == 1]
    targets = bars.system(raw)
    found = []
    if one_flow:
        found += [_cycles(one_flow, way, "1 flow") for way in ("push", "pop")]
    for way in ("push", "pop"):
        # As for bar 8.
        many = [e for e in entries
                if e["peers"] > 1 and e["one_address"] == (way == "pop")]
        if many:
            found.append(_cycles(many, way, f"{many[0]['flows']} flows,"
                                 f" {many[0]['peers']} peers"))
    if targets:
        found += [_tunnels(targets, *what) for what in (
            ("mbps", "TCP through two hypervisors", "Mbit/s"),
            ("daemon_s_per_gb", "CPU time of the daemons",
             "seconds per gigabyte"))]
    return found


def _cycles(entries, way, what):
    def figures(how):
        return [e[f"{way}_{how}"] for e in entries]

    series = [(how, [f["median"] for f in figures(how)],
               [(f["min"], f["max"]) for f in figures(how)])
              for how in ("plain", "encrypted")]
    series.append(("plain + what bar 1 allows",
                   [e[f"{way}_plain"]["median"] + e.get(f"{way}_limit", 0)
                    for e in entries], [None] * len(entries)))
    return plot.Panel(f"Geneve {way}, one PMD thread, {what}",
                      "cycles per packet", "bytes of the inner frame",
                      [str(e["size"]) for e in entries], series)


def _tunnels(targets, key, title, unit):
    figures = [f[key] for f in targets.values()]
    return plot.Panel(
        title, unit, "tunnel",
        [name.replace(", ", "\n") for name in targets],
        [("others", [f["median"] for f in figures],
          [(f["min"], f["max"]) for f in figures])],
        ours=("encrypted by vnetenc",
              {n for n, name in enumerate(targets) if "encrypted" in name}))
