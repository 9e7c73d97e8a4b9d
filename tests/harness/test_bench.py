# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The benchmark's comparisons with DPDK's ipsec-secgw and with one peer: what
it configures, what it believes, and what the report says of it.  Nothing is
measured here."""

import collections
import re
import sys

import pytest

from harness.run import TOP

for folder in ("tests/bench", "tests/system"):
    if str(TOP / folder) not in sys.path:
        sys.path.append(str(TOP / folder))

import bars                     # noqa: E402
import bench                    # noqa: E402
import datapath                 # noqa: E402
import frames                   # noqa: E402
import plot                     # noqa: E402
import report                   # noqa: E402
import secgw                    # noqa: E402
from runspace import Failed     # noqa: E402

SAS = bench.FULL["many_sas"]
FLOWS = bench.FULL["many_flows"]
STATES = [(way, how) for way in ("push", "loop")
          for how in ("plain", "encrypted")]


# The configuration of ipsec-secgw.

def sas_of(text):
    """For each way and SPI, what its SA and its policy say."""
    sas = collections.defaultdict(dict)
    for line in text.splitlines():
        words = line.split()
        if words[0] == "sa":
            sas[words[1], int(words[2])]["sa"] = words[3:]
        elif words[0] == "sp":
            sas[words[2], int(words[5])]["to"] = words[words.index("dst") + 1]
    return sas


def word_after(words, name):
    return words[words.index(name) + 1]


def test_sas():
    """Each peer has an SA each way, with a key, a policy and a route of its
    own."""
    text = secgw.configuration(SAS)
    sas = sas_of(text)
    for way in ("out", "in"):
        assert sum(found == way for found, _ in sas) == SAS
    keys = {word_after(sa["sa"], "aead_key") for sa in sas.values()}
    assert len(keys) == 2 * SAS
    assert {len(key.split(":")) for key in keys} == {32 + 4}
    for n in range(SAS):
        inner = ".".join(map(str, frames.destination(n))) + "/32"
        for way, spi, ends in (
                ("out", secgw.OUT_SPI, (datapath.LOCAL, datapath.remote(n))),
                ("in", secgw.IN_SPI, (datapath.remote(n), datapath.LOCAL))):
            sa = sas[way, spi + n]
            assert sa["to"] == inner
            assert (word_after(sa["sa"], "src"),
                    word_after(sa["sa"], "dst")) == ends
        assert f"rt ipv4 dst {datapath.remote(n)}/32 port 1\n" in text


def test_sas_of_the_peers():
    """What the peers seal, the gateway can open."""
    ours = sas_of(secgw.configuration(SAS))
    theirs = sas_of(secgw.configuration(SAS, ("in", "out")))
    other = {"out": "in", "in": "out"}
    assert {(other[way], spi): sa for (way, spi), sa in theirs.items()} == ours


def test_frames(tmp_path):
    """Both programs get packets of all peers in turn; a capture that is being
    written has its complete packets only."""
    path = tmp_path / "x.pcap"
    frames.write(path, 64, FLOWS, SAS)
    found = frames.read_frames(path)
    assert len(found) == FLOWS == len(set(found))
    assert [frame[30:34] for frame in found] == [
        frames.destination(i % SAS) for i in range(FLOWS)]
    whole = path.read_bytes()
    for cut, n in ((1, FLOWS - 1), (64 + 16 - 1, FLOWS - 1),
                   (64 + 16, FLOWS - 1), (len(whole), 0),
                   (len(whole) - 20, 0)):
        path.write_bytes(whole[:len(whole) - cut])
        assert frames.read_frames(path) == found[:n]


def test_tunnel_frames(tmp_path):
    """Packets that only are taken out of the tunnel are of all peers, too."""
    sources = []

    class Source(datapath.Datapath):
        def __init__(self):             # pylint: disable=W0231
            self.dir = tmp_path

        def _add_source(self, bridge, path):
            sources.append((bridge, frames.read_frames(path)))

    Source().set_tunnel_source(64, FLOWS, SAS)
    Source().set_tunnel_source(64)
    for bridge, found in sources:
        assert bridge == "br-phys"
        for i, frame in enumerate(found):
            assert frame[26:30] == frames.ip(datapath.remote(i % SAS))
            assert frame[50:] == frames.udp_frame(
                64, frames.destination(i % SAS), 1000 + i)
    assert [len(found) for _, found in sources] == [FLOWS, 1]


# The counters.

def turns(n):
    return {i: len(range(i, FLOWS, n)) for i in range(n)}


def test_even():
    datapath.check_even("packets", turns(SAS), SAS)
    datapath.check_even("packets", {0: 9}, 1)


@pytest.mark.parametrize("counts, wrong", [
    ({}, "0 of 64 have any"),
    (turns(1), "1 of 64 have any"),
    (turns(SAS - 1), "63 of 64 have any"),
    (turns(SAS + 1), "65 of 64 have any"),
    ({**turns(SAS), 5: 0}, "from 0 to 16"),
    ({**turns(SAS), 5: 7}, "from 7 to 16"),
    ({**turns(SAS), 5: 100}, "from 15 to 100"),
    (dict.fromkeys(range(SAS), 0), "from 0 to 0")])
def test_not_even(counts, wrong):
    with pytest.raises(Failed, match=wrong):
        datapath.check_even("packets", counts, SAS)


PUSHED = ("recirc_id(0),in_port(7),packet_type(ns=0,id=0),eth_type(0x0800),"
          "ipv4(dst=10.9.0.1,tos=0/0x3,frag=no), packets:{}, bytes:640,"
          " used:0.000s, actions:tnl_push(tnl_port(4),header(size=50,type=5,"
          "eth(dst=02:00:00:00:01:01,src=02:00:00:00:01:01,dl_type=0x0800),"
          "ipv4(src=172.31.0.1,dst={},proto=17,tos=0,ttl=64,frag=0x4000),"
          "udp(src=0,dst=6081,csum=0x0),geneve(vni=0x7)),out_port(3)),{}1\n")
SEAL = "vnetenc(profile=0,mode=require,dst=6082),"
POPPED = ("recirc_id(0),tunnel(tun_id=0x7,src={},dst=172.31.0.1,geneve(),"
          "flags({}+key)),in_port(5),packet_type(ns=0,id=0),eth_type(0x0800),"
          "ipv4(frag=no), packets:{}, bytes:640, used:0.002s, actions:4\n")


class Flows(datapath.Datapath):
    """A datapath that has these flows, one after the other."""

    def __init__(self, *dumps):         # pylint: disable=W0231
        self.dumps = list(dumps)

    def appctl(self, method, *args):
        assert method == "dpctl/dump-flows"
        return "flow-dump from the main thread:\n" + self.dumps.pop(0)

    def window(self, seconds, way, records=1):
        return {"cycles": 1}


def test_counts_of_flows():
    """Packets in clear do not count, whatever they carry."""
    found = Flows(PUSHED.format(10, "172.31.64.1", SEAL)
                  + PUSHED.format(3, "172.31.64.1", SEAL)
                  + PUSHED.format(20, "172.31.64.2", "")
                  + POPPED.format("172.31.64.3", "+vnetenc", 30)
                  + POPPED.format("172.31.64.4", "-vnetenc", 40)
                  + POPPED.format("172.31.64.5", "", 50)).encrypted()
    assert found == ({("172.31.0.1", "172.31.64.1"): 13},
                     {("172.31.64.3", "172.31.0.1"): 30})


def dump(old, sealed, opened):
    """Flows of peers, with `old' packets more than these."""
    return "".join(
        PUSHED.format(old + sealed.get(n, 0), datapath.remote(n), SEAL)
        + POPPED.format(datapath.remote(n), "+vnetenc",
                        old + opened.get(n, 0)) for n in range(SAS))


@pytest.mark.parametrize("way, sealed, opened, wrong", [
    ("push", turns(SAS), {}, None),
    ("loop", turns(SAS), turns(SAS), None),
    ("push", turns(1), {}, "packets sealed: 1 of 64"),
    ("loop", turns(1), turns(SAS), "packets sealed: 1 of 64"),
    ("loop", turns(SAS), turns(SAS - 1), "packets opened: 63 of 64")])
def test_even_window(way, sealed, opened, wrong):
    """Only packets of the window count."""
    flows = Flows(dump(1000, {}, {}), dump(1000, sealed, opened))
    if wrong is None:
        assert flows.even_window(1, way, SAS) == {"cycles": 1}
    else:
        with pytest.raises(Failed, match=wrong):
            flows.even_window(1, way, SAS)


class Counters(secgw.Gateway):
    """An ipsec-secgw with these counters."""

    def __init__(self, sas, counters):  # pylint: disable=W0231
        self.sas = sas
        self.counters = counters

    def _ask(self, command):
        return self.counters[command]

    def check(self, way):
        self._check_sas(way)

    def sent(self):
        return self._sent()


def of_sas(used, errors=0):
    """Counters of SAs both ways, as ipsec-secgw has them."""
    found = {f"SA_SPI_{first + n}": {"count": 0, "bytes": 0, "errors": 0}
             for first in (secgw.OUT_SPI, secgw.IN_SPI) for n in range(SAS)}
    for spi, count in used.items():
        found[f"SA_SPI_{spi}"].update(count=count, errors=errors)
    return Counters(SAS, {"/ipsec/sa/stats": found})


def shifted(counts, first):
    return {first + n: count for n, count in counts.items()}


def test_sas_are_used():
    of_sas(shifted(turns(SAS), secgw.OUT_SPI)).check("out")
    of_sas(shifted(turns(SAS), secgw.IN_SPI)).check("in")


@pytest.mark.parametrize("used, errors, wrong", [
    (shifted(turns(1), secgw.OUT_SPI), 0, "1 of 64"),
    (shifted(turns(SAS - 1), secgw.OUT_SPI), 0, "63 of 64"),
    (shifted(turns(SAS), secgw.IN_SPI), 0, "not only the SAs of `out'"),
    (shifted(turns(SAS), secgw.OUT_SPI), 1, "not only the SAs of `out'"),
    ({}, 0, "0 of 64")])
def test_sas_are_not_used(used, errors, wrong):
    with pytest.raises(Failed, match=wrong):
        of_sas(used, errors).check("out")


def ports(received, sent):
    names = ("ipackets", "opackets")
    return Counters(SAS, {"/ethdev/stats,0": dict(zip(names, (received, 0))),
                          "/ethdev/stats,1": dict(zip(names, (0, sent)))})


def test_lost_packets():
    """Cycles of packets that were dropped would be cheap."""
    assert ports(1_000_000, 999_900).sent() == 999_900
    with pytest.raises(Failed, match="received 1000000 packets, and sent 9"):
        ports(1_000_000, 990_000).sent()


# The bar and the report.

def of_round(setup, size, theirs, push, pop, peers=SAS):
    """Rows of a round in which our push and pop cost that much."""
    plain, ring = 200, 150
    cycles = {("push", "plain"): plain, ("push", "encrypted"): plain + 300,
              ("loop", "plain"): plain + ring,
              ("loop", "encrypted"): plain + 300 + ring + 250}
    case = {"size": size, "flows": FLOWS, "peers": peers, "setup": setup}
    return {
        "datapath": [
            {**case, "one_address": False, "way": "push", "how": "encrypted",
             "cycles": push + more} for more in (-5, 5)] + [
            {**case, "one_address": True, "way": way, "how": how,
             "cycles": cycles[way, how]} for way, how in STATES],
        "direct": [{"size": size, "setup": setup, "cycles": pop - 250}],
        "secgw": [{"size": size, "setup": setup, "way": way,
                   "cycles": theirs} for way in ("out", "in")]}


def together(*rounds):
    return {name: [row for rows in rounds for row in rows[name]]
            for name in ("datapath", "direct", "secgw")}


def one_sa(cycles=100):
    """Rows of one flow that are well below the bar."""
    return {
        "datapath": [
            {"size": size, "flows": 1, "peers": 1, "one_address": False,
             "setup": 0, "round": 0, "way": way, "how": how,
             "cycles": cycles}
            for size in (64, 1400) for way, how in STATES],
        "direct": [{"size": size, "cycles": cycles} for size in (64, 1400)],
        "secgw": [{"way": way, "size": size, "cycles": 500}
                  for size in (64, 1400) for way in ("out", "in")]}


def below():
    return [of_round(setup, size, 1000, 900, 950)
            for setup in range(3) for size in (64, 1400)]


def test_bar():
    """All eight rows must be there, and reach their bar."""
    ok, figures = bars.bar2({**one_sa(), "many_sas": together(*below())})
    assert ok
    rows = figures["comparisons"]
    assert [row["sas"] for row in rows] == 4 * [1] + 4 * [SAS]
    assert {(row["size"], row["way"], row["allowed"])
            for row in rows if row["sas"] == SAS} == {
        (64, "push", 1.1), (64, "pop", 1.1), (1400, "push", 1.0),
        (1400, "pop", 1.0)}
    assert not bars.bar2(one_sa())[0]
    assert not bars.bar2({"many_sas": together(*below())})[0]
    assert not bars.bar2({**one_sa(600),
                          "many_sas": together(*below())})[0]


@pytest.mark.parametrize("size, push, pop, ok", [
    (1400, 1000, 1000, True), (1400, 1001, 1000, False),
    (1400, 1000, 1001, False), (64, 1100, 1100, True),
    (64, 1101, 1100, False), (64, 1100, 1101, False)])
def test_limits(size, push, pop, ok):
    rounds = [of_round(setup, size, 1000, push, pop) for setup in range(3)]
    other = [of_round(setup, 1464 - size, 1000, 900, 900)
             for setup in range(3)]
    found = bars.bar2({**one_sa(), "many_sas": together(*rounds, *other)})
    assert found[0] == ok


def test_pairs():
    """A ratio is one of programs in the same round; a round that was not
    complete does not count."""
    rounds = [of_round(0, 1400, 1000, 900, 800),
              of_round(1, 1400, 500, 550, 600),
              of_round(2, 1400, 2000, 1900, 2200)]
    for setup, name, n in ((3, "datapath", 0), (4, "direct", 0),
                           (5, "secgw", 0), (6, "datapath", 5),
                           (7, "secgw", 1)):
        rows = of_round(setup, 1400, 1000, 9000, 9000)
        rounds.append({**rows, name: rows[name][:n]})
    push, pop = bars.bar2({"many_sas": together(*rounds)})[1]["comparisons"]
    assert push["ratio"] == {"median": 0.95, "min": 0.9, "max": 1.1, "n": 3}
    assert pop["ratio"] == {"median": 1.1, "min": 0.8, "max": 1.2, "n": 3}
    assert push["ok"] and not pop["ok"]
    assert (push["vnetenc"], push["ipsec_secgw"]) == (900, 1000)
    assert (pop["vnetenc"], pop["ipsec_secgw"]) == (800, 1000)


def test_report(tmp_path):
    """The table has both kinds of rows, also if the rest was not measured."""
    raw = {**one_sa(), "many_sas": together(
        *below(), of_round(3, 1400, 1000, 1100, 1100),
        of_round(4, 1400, 1000, 1100, 1100))}
    raw["many_sas"]["secgw"][-1]["cycles"] = 999
    machine = {"cores": 2, "cpu": "x", "mhz": "1", "features": [],
               "memory_gb": 1, "kernel": "x", "packages": {}, "version": "x",
               "compiled": {}}
    report.write({"date": "x", "bars": bars.evaluate(raw), "machine": machine,
                  "conditions": {"load_before": 0, "stolen_percent": 0},
                  "not_measured": {}, "raw": raw}, tmp_path / "x.json")
    text = (tmp_path / "x.md").read_text(encoding="utf-8")
    for row in (
            "| 64 bytes, push, 1 SA / 1 peer, 1 flow | 100 | 500 | 0.2 | 1.1"
            " | yes |",
            "| 64 bytes, push, 64 SAs / 64 peers, 1000 flows | 900 | 1000 |"
            " 0.900 (0.900 to 0.900) | 1.1 | yes |",
            "| 1400 bytes, pop, 64 SAs / 64 peers, 1000 flows | 950 | 1000 |"
            " 0.950 (0.950 to 1.101) | 1.0 | yes |"):
        assert row + "\n" in text
    assert f"| 2. {report.TITLES['2']} | reached |\n" in text
    assert report.TITLES["2"].endswith(f"with one SA and with {SAS}")


# Many peers.

def of_case(size, peers, one_address, push, pop):
    """Rows of one round, in which encryption adds so much."""
    cycles = {("push", "plain"): 300, ("push", "encrypted"): 300 + push,
              ("loop", "plain"): 700, ("loop", "encrypted"): 700 + push + pop}
    return [{"size": size, "flows": 1000, "peers": peers, "setup": 0,
             "round": 0, "one_address": one_address, "way": way, "how": how,
             "cycles": n} for (way, how), n in cycles.items()]


def of_peers(push, pop):
    """Figures that do not count are far too large."""
    return {"datapath": of_case(64, 1, False, 100, 200)
            + of_case(64, 500, False, push, 9000)
            + of_case(64, 500, True, 9000, pop)}


@pytest.mark.parametrize("push, pop, ok", [
    (135, 270, True), (135.4, 270, False), (135, 271, False)])
def test_many_peers(push, pop, ok):
    found = bars.bar8(of_peers(push, pop))
    assert found[0] == ok
    assert found[1]["ratios"] == [{
        "size": 64, "flows": 1000, "peers": 500, "push": 1.35,
        "push_ok": push == 135, "pop": round(pop / 200, 2),
        "pop_ok": pop == 270}]


def test_many_peers_noise():
    """One peer seems to cost nothing: no ratio reaches the bar by that."""
    raw = of_peers(100, 100)
    raw["datapath"][:4] = of_case(64, 1, False, 100, -50)
    ok, figures = bars.bar8(raw)
    assert not ok and figures["ratios"][0]["push_ok"]
    assert figures["ratios"][0]["pop"] == 100


@pytest.mark.parametrize("missing", [
    (1, False), (500, False), (500, True)])
def test_many_peers_missing(missing):
    raw = of_peers(100, 100)
    raw["datapath"] = [row for row in raw["datapath"]
                       if (row["peers"], row["one_address"]) != missing]
    ok, figures = bars.bar8(raw)
    assert not ok and not figures["ratios"]


# Charts.

def test_colours():
    """What vnetenc encrypts has another colour than all else."""
    names = ("plain", "encrypted", "other")
    drawn = plot.svg([plot.Panel(
        "title", "unit", "tunnel", names, [("others", [1, 2, 3], [None] * 3)],
        ours=("vnetenc", {1}))])
    colours = re.findall(r'height="[0-9.]+" fill="(#[0-9a-f]+)"', drawn)
    # The background, the legend, the bars.
    grey, ours = plot.COLOURS[:2]
    assert colours == ["#fff", grey, ours, grey, ours, grey]
    for text in ("others", "vnetenc"):
        assert f">{text}</text>" in drawn
