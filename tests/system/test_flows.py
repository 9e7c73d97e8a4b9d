# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""ovn-vnetenc-flows: what it makes of lines, good and bad."""

import gzip
import io
import ipaddress
import json
import os
import select
import subprocess
import sys

import pytest

from lab import TOP

sys.path.insert(0, str(TOP / "utilities"))

from vnetenc_tools import flowlines         # noqa: E402

FLOWS = TOP / "utilities/ovn-vnetenc-flows"
EVIL = "<b>\n\x1b[2J\" 1 packets"
VM1 = {"port": "vif1", "iface-id": "vm1"}
HV2 = {"peer": "192.0.2.2", "name": "hv2"}


def line(src="10.0.0.1:40000", dst="10.0.0.2:443", minute=4, **members):
    """A line from vm1 to hv2, as ovs-vswitchd writes it."""
    (src, _, sport), (dst, _, dport) = (
        text.rpartition(":") if ":" in text else (text, "", "")
        for text in (src, dst))
    return {
        "v": 1, "host": "hv1", "start": f"2026-01-02T03:0{minute}:00.000Z",
        "end": f"2026-01-02T03:0{minute + 1}:00.000Z", "state": "C",
        "dir": "out", "encryption": "X", "reason": None, "switch": "sw0",
        "in": VM1, "out": HV2, "src": src, "dst": dst, "proto": 6,
        "sport": int(sport) if sport else None,
        "dport": int(dport) if dport else None, "packets": 3, "bytes": 300,
        "tcp_flags": 18, "fields": {"metadata": "0x1", "reg14": "0x1",
                                    "reg15": "0x2"}, **members}


def back(**members):
    """The answer."""
    return line("10.0.0.2:443", "10.0.0.1:40000", **{
        "dir": "in", "in": HV2, "out": VM1, "packets": 2, "bytes": 200,
        **members})


HEAD = {name: line()[name] for name in ("v", "host", "start", "end")}
GAP = {**HEAD, "state": "C", "encryption": "NX", "reason": None,
       "switch": "sw1", "packets": 7, "bytes": 70, "gap": {"flows": 5}}
LOST = {**HEAD, "lost_lines": {"lines": 4, "packets": 8, "bytes": 80}}
DENIED = line(state="D", encryption="NX", reason="denied", out=None,
              cookie="0x1234abcd", table=17)


def run(*args, given=None, folder=None):
    path = f"{folder}:/usr/bin:/bin" if folder else os.environ["PATH"]
    return subprocess.run([FLOWS, *args], input=given, capture_output=True,
                          text=True, timeout=60, check=False,
                          env={**os.environ, "PATH": path})


def text_of(*lines):
    return "".join(json.dumps(x) + "\n" for x in lines)


def test_text():
    done = run("-", given=text_of(
        line(), DENIED, GAP, LOST, line("fd00::1:5", "fd00::2:6", lost=True),
        line("10.0.0.0/24", "10.0.0.2", proto=None, switch=None)))
    assert done.returncode == 0 and not done.stderr
    end = "2026-01-02T03:05:00.000Z hv1"
    assert done.stdout.splitlines() == [
        f"{end} sw0 C out X - tcp 10.0.0.1:40000 > 10.0.0.2:443 (vm1 > hv2)"
        " 3 packets 300 bytes",
        f"{end} sw0 D out NX denied tcp 10.0.0.1:40000 > 10.0.0.2:443"
        " (vm1 > -) 3 packets 300 bytes",
        f"{end} sw1 C - NX - 5 flows beyond max_flows 7 packets 70 bytes",
        f"{end}: 4 lines with 8 packets and 80 bytes were not written",
        f"{end} sw0 C out X - tcp [fd00::1]:5 > [fd00::2]:6 (vm1 > hv2)"
        " 3 packets 300 bytes some were lost",
        f"{end} - C out X - - 10.0.0.0/24 > 10.0.0.2 (vm1 > hv2)"
        " 3 packets 300 bytes"]


@pytest.mark.parametrize("option", [[], ["--json"], ["--sum"], ["--azure"]])
def test_names_move_no_cursor(option):
    done = run(*option, "-", given=text_of(line(
        switch=EVIL, host=EVIL, src=EVIL, reason=EVIL,
        **{"in": {"port": EVIL, "iface-id": EVIL}})))
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert done.stdout.count("\n") == (2 if option == ["--sum"] else 1)


@pytest.mark.parametrize("bad, says", [
    ("x", "it is not JSON"),
    pytest.param("[" * 100000, "it is not JSON", id="too deep"),
    ("[]", "it is not an object"),
    ("{}", "version None of the format is not known"),
    (line(v=2), "version 2 of the format"),
    (line(end="soon"), '"start" or "end" is not a time'),
    (line(host=1), '"host" is not a string'),
    (line(packets=-1), '"packets" is not a number'),
    (line(bytes=True), '"bytes" is not a number'),
    (line(state="Z"), '"state" is not known'),
    (line(dir="up"), '"dir" is not known'),
    (line(encryption=None), '"encryption" is not a string'),
    ({**line(), "src": 7}, '"src" is not a string'),
    (line(dport="x"), '"dport" is not a number'),
    (line(out="hv2"), '"out" is not an object with strings'),
    (line(fields={"reg14": 1}), '"fields" is not an object with strings'),
    ({**GAP, "gap": {}}, '"gap" lacks a number'),
    ({**LOST, "lost_lines": 3}, '"lost_lines" lacks a number'),
    pytest.param('"' + "x" * (flowlines.MAX_LINE + 9) + '"', "it is too long",
                 id="too long"),
])
def test_bad_line(bad, says):
    """Lines beside it are read."""
    text = bad if isinstance(bad, str) else json.dumps(bad)
    given = text_of(line()) + text + "\n" + text_of(line())
    reader = flowlines.Reader()
    found = list(reader.read("-", io.BytesIO(given.encode())))
    assert len(found) == 2 and reader.bad == 1
    assert reader.first.startswith("standard input, line 2: ")
    assert says in reader.first


def test_status_of_bad_line():
    done = run("-", given=text_of(line()) + "x\n")
    assert done.returncode == 1 and done.stdout.count("\n") == 1
    assert done.stderr == ("1 lines were not understood; standard input,"
                           " line 2: it is not JSON\n")


def test_unfinished_line():
    """The last line may still be being written."""
    done = run("-", given=text_of(line()) + json.dumps(line())[:50])
    assert done.returncode == 0 and done.stdout.count("\n") == 1


@pytest.mark.parametrize("wanted, takes", [
    ({}, True),
    ({"switch": ["sw1", "sw0"]}, True), ({"switch": ["sw"]}, False),
    ({"encryption": ["X"]}, True), ({"encryption": ["NX"]}, False),
    ({"reason": ["denied"]}, False), ({"dropped": True}, False),
    ({"dir": ["out"]}, True), ({"dir": ["in", "local"]}, False),
    ({"port": ["vm1"]}, True), ({"port": ["vif1"]}, True),
    ({"port": ["hv2"]}, True), ({"port": ["192.0.2.2"]}, True),
    ({"port": ["vm2"]}, False),
    ({"ip": ["10.0.0.2"]}, True), ({"ip": ["10.0.0.0/30"]}, True),
    ({"ip": ["10.0.0.3", "fd00::/8"]}, False),
    ({"since": "2026-01-02T03:04:59"}, True),
    ({"since": "2026-01-02T03:05:00"}, False),
    ({"until": "2026-01-02T03:04:00Z"}, False),
    ({"until": "2026-01-02T03:04:01"}, True),
    ({"switch": ["sw0"], "dropped": True}, False),
])
def test_filter(wanted, takes):
    wanted = {name: [ipaddress.ip_network(v) for v in value]
              if name == "ip" else flowlines.parse_time(value)
              if name in ("since", "until") else value
              for name, value in wanted.items()}
    found = flowlines.Filter(**wanted)
    assert found.takes(flowlines.Line(json.dumps(line()))) == takes


def test_filter_of_dropped():
    done = run("--dropped", "--reason=denied", "--ip=10.0.0.2", "-",
               given=text_of(line(), DENIED, GAP, LOST))
    assert done.returncode == 0 and done.stdout.count("\n") == 1


def test_sum():
    done = run("--sum", "-", given=text_of(
        line(), back(), DENIED, GAP, LOST, line(switch=None)))
    assert [text.split() for text in done.stdout.splitlines()] == [
        ["switch", "encryption", "reason", "lines", "packets", "bytes"],
        ["-", "X", "-", "1", "3", "300"],
        ["sw0", "NX", "denied", "1", "3", "300"],
        ["sw0", "X", "-", "2", "5", "500"],
        ["sw1", "NX", "-", "1", "7", "70"],
        ["-", "not", "written", "-", "4", "8", "80"]]


START, END = 1767323040000, 1767323100000
FLOW = "10.0.0.1,10.0.0.2,40000,443,6"


@pytest.mark.parametrize("lines, tuples", [
    ([line()], [f"{END},{FLOW},O,C,X,3,300,0,0"]),
    # The two directions of a host, in any order.
    ([line(), back()], [f"{END},{FLOW},O,C,X,3,300,2,200"]),
    ([back(), line()], [f"{END},{FLOW},O,C,X,3,300,2,200"]),
    # Somebody outside began.
    ([line("10.0.0.1:443", "10.0.0.2:40000"),
      {**back(), "sport": 40000, "dport": 443}],
     [f"{END},10.0.0.2,10.0.0.1,40000,443,6,I,C,X,2,200,3,300"]),
    # Beginnings have no statistics.
    ([line(state="B"), back(state="B")],
     [f"{START},{FLOW},O,B,X,0,0,0,0", f"{END},{FLOW},O,C,X,3,300,2,200"]),
    ([line(state="BE"), back(state="E")],
     [f"{START},{FLOW},O,B,X,0,0,0,0", f"{END},{FLOW},O,E,X,3,300,2,200"]),
    ([line(state="E", packets=0, bytes=0)], [f"{END},{FLOW},O,E,X,0,0,0,0"]),
    # X is said of both directions or of none.
    ([line(), back(encryption="NX_FALLBACK")],
     [f"{END},{FLOW},O,C,NX_FALLBACK,3,300,2,200"]),
    ([line(encryption="NX_LOCAL_DST", dir="local")],
     [f"{END},{FLOW},O,C,NX_LOCAL_DST,3,300,0,0"]),
    ([line(encryption="NX_NEW_CODE"), back()],
     [f"{END},{FLOW},O,C,NX_NEW_CODE,3,300,2,200"]),
    # Copies are summed.
    ([line(), line(out=VM1)], [f"{END},{FLOW},O,C,X,6,600,0,0"]),
    ([DENIED, back()], [
        f"{END},{FLOW},O,D,NX,3,300,0,0",
        f"{END},10.0.0.2,10.0.0.1,443,40000,6,I,C,X,2,200,0,0"]),
    # A request has another type than its answer.
    ([line("10.0.0.1:8", "10.0.0.2:0", proto=1),
      line("10.0.0.2:0", "10.0.0.1:0", proto=1, dir="in")],
     [f"{END},10.0.0.1,10.0.0.2,0,0,1,O,C,X,3,300,3,300"]),
    # Only the addresses are known.
    ([line("10.0.0.2", "10.0.0.1", proto=None, dir="in"),
      line("10.0.0.1", "10.0.0.2", proto=None)],
     [f"{END},10.0.0.1,10.0.0.2,,,,O,C,X,3,300,3,300"]),
    # Hosts and intervals are not mixed.
    ([line(), back(host="hv2"), back(minute=5)],
     [f"{END},{FLOW},O,C,X,3,300,0,0",
      f"{END},10.0.0.2,10.0.0.1,443,40000,6,I,C,X,2,200,0,0",
      f"{END + 60000},10.0.0.2,10.0.0.1,443,40000,6,I,C,X,2,200,0,0"]),
    ([GAP, LOST], []),
])
def test_azure(lines, tuples):
    made, found = flowlines.Tuples(), []
    for x in lines:
        found += made.add(flowlines.Line(json.dumps(x)))
    found += made.flush()
    assert sorted(found) == sorted(tuples)
    assert all(len(text.split(",")) == 13 for text in tuples)


def test_files(tmp_path):
    (tmp_path / "log").write_text(text_of(line()))
    with gzip.open(tmp_path / "log.1.gz", "wt") as f:
        f.write(text_of(line(), line()))
    done = run(str(tmp_path / "log.1.gz"), str(tmp_path / "log"))
    assert done.returncode == 0 and done.stdout.count("\n") == 3
    done = run("--json", str(tmp_path / "log"))
    assert json.loads(done.stdout) == line()
    done = run(str(tmp_path / "none"))
    assert done.returncode == 2
    assert done.stderr == f"{tmp_path}/none: No such file or directory\n"
    (tmp_path / "cut.gz").write_bytes(
        (tmp_path / "log.1.gz").read_bytes()[:-20])
    done = run(str(tmp_path / "cut.gz"))
    assert done.returncode == 2 and "flow log: " in done.stderr


@pytest.mark.parametrize("args", [
    ["--json", "--sum"], ["--follow", "--sum"], ["--follow", "-"],
    ["--follow", "a", "b"], ["--since", "soon"], ["--ip", "x"],
    ["--encryption", "Y"]])
def test_usage(args):
    assert run(*args).returncode == 2


def test_follow(tmp_path):
    """Through a rename, as a rotation of logs does it."""
    log = tmp_path / "log"
    log.write_text(text_of(line(switch="old")))
    with subprocess.Popen([FLOWS, "--follow", "--json", log],
                          stdout=subprocess.PIPE) as process:
        try:
            # It prints what is written from its start on.
            for i in range(300):
                with log.open("a") as f:
                    f.write(text_of(line(switch=f"ready{i}")))
                if select.select([process.stdout], [], [], 0.2)[0]:
                    break
            with log.open("a") as f:
                f.write(json.dumps(line(switch="one"))[:30])
                f.flush()
                f.write(json.dumps(line(switch="one"))[30:] + "\n")
            log.rename(tmp_path / "log.1")
            with (tmp_path / "log.1").open("a") as f:
                f.write(text_of(line(switch="two")))
            log.write_text(text_of(line(switch="three")))
            found = []
            while "three" not in found:
                found.append(json.loads(process.stdout.readline())["switch"])
            assert [x for x in found if not x.startswith("ready")] == [
                "one", "two", "three"]
        finally:
            process.kill()


def test_resolve(tmp_path):
    def answer(headings, *rows):
        return json.dumps({"headings": headings, "data": rows})

    databases = answer(
        ["_uuid", "tunnel_key", "external_ids"],
        [["uuid", "d1"], 1, ["map", [["name", "sw0"]]]]) + "\n" + answer(
        ["logical_port", "datapath", "tunnel_key"],
        ["vm1", ["uuid", "d1"], 1], [EVIL, ["uuid", "d1"], 2],
        ["other", ["uuid", "d2"], 2])
    flow = answer(["external_ids", "flow_desc", "match"],
                  [["map", [["stage-name", "ls_out_lookup_fdb"]]],
                   "vnetenc: arrived unencrypted", "x"])
    (tmp_path / "databases").write_text(databases + "\n")
    (tmp_path / "flow").write_text(flow + "\n")
    fake = tmp_path / "ovn-sbctl"
    fake.write_text(f"""#!/bin/sh
case $* in
*"Logical_Flow 1234abcd") cat {tmp_path}/flow ;;
*Logical_Flow*) echo '{{"headings":[],"data":[]}}' ;;
*) cat {tmp_path}/databases ;;
esac
""")
    fake.chmod(0o755)
    given = text_of(line(switch=None), DENIED,
                    {**DENIED, "cookie": "0x1", "fields": None})
    done = run("--resolve", "--json", "-", given=given, folder=tmp_path)
    assert done.returncode == 0 and not done.stderr
    first, denied, unknown = map(json.loads, done.stdout.splitlines())
    assert (first["switch"], first["inport"], first["outport"]) == (
        "sw0", "vm1", EVIL)
    assert denied["purpose"] \
        == "ls_out_lookup_fdb: vnetenc: arrived unencrypted"
    assert "purpose" not in unknown and "inport" not in unknown
    done = run("--resolve", "-", given=given, folder=tmp_path)
    assert "[ls_out_lookup_fdb: vnetenc: arrived" in done.stdout
    assert "\x1b" not in done.stdout

    fake.write_text("#!/bin/sh\necho no >&2\nexit 1\n")
    done = run("--resolve", "-", given=given, folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "the southbound database does not answer: no\n"
