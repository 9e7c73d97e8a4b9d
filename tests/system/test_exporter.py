# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""vnetenc-exporter, with an ovs-appctl that says what a test wants, and on
running hosts."""

import copy
import json
import os
import pathlib
import re
import resource
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

import test_status
from lab import TOP
from runspace import PATIENCE, wait_until

sys.path.insert(0, str(TOP / "utilities"))

from vnetenc_tools import cluster, metrics      # noqa: E402

EXPORTER = TOP / "utilities/vnetenc-exporter"
RULES = TOP / "utilities/vnetenc.rules.yml"
BOARD = TOP / "utilities/vnetenc-grafana.json"
HTTP = 9475
TABLE = {m.name: m for m in metrics.METRICS + metrics.CENTRAL}
OF_HOST = {m.name for m in metrics.METRICS}
# Metrics of node_exporter and Prometheus that the rules use.
FOREIGN = {"node_textfile_mtime_seconds": {"file"}, "up": set()}

COUNTERS = {counter: 100 + n
            for n, (_, _, counter, _) in enumerate(metrics.COUNTERS)}
LOG = {"flows": 1, "lines": 2, "packets": 3, "gap_flows": 4, "lost_lines": 5}
NASTY = 'a"b\\c\n<script>alert(1)</script>\r\n# HELP x {y="z"} 1\ud800'
SESSION = {"direction": "out", "state": "up", "cipher": "ECDHE", "profile": 0}
PEER = {"remote_ip": "192.0.2.2", "name": "hv2", "state": "up", "alarms": [],
        "statistics": COUNTERS,
        "sessions": [SESSION, {**SESSION, "direction": "in"}]}
SHOW = {
    "version": "1.2.3",
    "drops": {"tx_no_session": 3, "rx_auth": 0, "clear_no_peer": 4},
    "providers": {"aes256-gcm": "openssl"},
    "workers": [],
    "devices": [
        {"device": "crypto0", "state": "up", "records": 5, "errors": 6,
         "timeouts": 7},
        {"device": "sync0", "state": "failed", "error": "gone"}],
    "profiles": [
        {"profile": 0, "not_after": "9999-12-31T23:59:59Z", "alarms": []},
        {"profile": 7, "not_after": "2030-01-02T03:04:05Z", "error": "bad",
         "alarms": ["expiring"]}],
    "peers": [PEER],
    "totals": {name: 10 * n for name, n in COUNTERS.items()},
    "flow_log": [
        {"switch": "sw0", "dir": "out", "encryption": "X", "packets": 7,
         "bytes": 700},
        {"switch": "", "dir": "", "encryption": "NX", "packets": 1,
         "bytes": 60}],
}


def series(text):
    """{name: {its labels: value}}; each metric is in the table, with the
    type, the help and the labels that the table has."""
    found = {}
    for family in text_string_to_metric_families(text):
        name = family.name + "_total" * (family.type == "counter")
        metric = TABLE[name]
        assert (family.type, family.documentation) == (metric.type,
                                                       metric.help)
        for sample in family.samples:
            assert sample.name == name
            assert set(sample.labels) == set(metric.labels)
            key = tuple(sample.labels[label] for label in metric.labels)
            assert key not in found.setdefault(name, {})
            found[name][key] = sample.value
    return found


class Fake:
    """A host whose ovs-appctl says what it is told."""

    def __init__(self, folder):
        self.folder = folder
        self.file = folder / "vnetenc.prom"
        self.env = {"PATH": f"{folder}:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.says(SHOW)
        self.logs([{"statistics": LOG, "last_error": []}])

    def logs(self, rows):
        """Lets ovs-vsctl print the table of flow logs."""
        test_status.Fake(self.folder).put("ovs-vsctl", {
            "VNetEnc_Flow_Log": rows}, {
                "VNetEnc_Flow_Log": "statistics,last_error"})

    def runs(self, script):
        """Replaces ovs-appctl by a shell script."""
        path = self.folder / "ovs-appctl"
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(0o755)

    def says(self, show, held=9):
        if not isinstance(show, (bytes, str)):
            show = json.dumps(show)
        if isinstance(show, str):
            show = show.encode()
        folder = self.folder
        (folder / "show").write_bytes(show)
        self.runs(f'echo "$@" >>{folder}/asked\n'
                  'case "$*" in\n'
                  f'*" --format json vnetenc/show") cat {folder}/show ;;\n'
                  '*" coverage/read-counter vnetenc_tx_held")'
                  f' echo {held} ;;\n'
                  '*) echo "wrong: $*" >&2; exit 1 ;;\nesac\n')

    def run(self, *args, **kwargs):
        done = subprocess.run(
            [EXPORTER, *args], env=self.env, text=True, capture_output=True,
            timeout=60 * PATIENCE, check=False, **kwargs)
        assert "Traceback" not in done.stderr
        return done

    def export(self, complains=None, args=()):
        """The metrics in the file."""
        done = self.run("--textfile", str(self.file), *args)
        assert done.returncode == 0 and not done.stdout
        if complains:
            assert re.fullmatch(f"vnetenc-exporter: {complains}\n",
                                done.stderr), done.stderr
        else:
            assert not done.stderr
        text = self.file.read_bytes().decode()
        checked = subprocess.run(["promtool", "check", "metrics"], input=text,
                                 text=True, capture_output=True, check=False)
        # The names are what they are; it says nothing else of them.
        assert not checked.stderr.replace("\n", ""), checked.stderr
        return series(text)


@pytest.fixture(name="fake")
def fixture_fake(tmp_path):
    return Fake(tmp_path)


def test_every_metric(fake):
    found = fake.export()
    assert set(found) == OF_HOST, "SHOW has something for each metric"

    def value(name, *labels):
        return found["vnetenc_" + name][labels]

    assert value("up") == 1
    assert value("build_info", "1.2.3", "userspace") == 1
    assert found["vnetenc_drops_total"] == {("tx_no_session",): 3,
                                            ("rx_auth",): 0}
    assert found["vnetenc_clear_packets_total"] == {("clear_no_peer",): 4}
    assert value("held_packets_total") == 9
    assert value("keylog_enabled") == 0
    assert found["vnetenc_peers"] == {
        (state,): int(state == "up") for state in metrics.STATES}
    assert found["vnetenc_sessions"] == {("out",): 1, ("in",): 1}
    assert value("provider_info", "aes256-gcm", "openssl") == 1
    assert found["vnetenc_device_up"] == {("crypto0",): 1, ("sync0",): 0}
    for n, what in enumerate(("records", "errors", "timeouts"), 5):
        assert found[f"vnetenc_device_{what}_total"] == {("crypto0",): n}
    assert found["vnetenc_profile_error"] == {("0",): 0, ("7",): 1}
    # The other certificate never expires.
    assert found["vnetenc_certificate_not_after_timestamp_seconds"] == {
        ("7",): 1893553445}
    assert found["vnetenc_alarm"] == {("expiring", "", "7"): 1}
    assert value("flowlog_error") == 0 and value("flowlog_flows") == 1
    for what in "lines", "gap_flows", "lost_lines":
        assert value(f"flowlog_{what}_total") == LOG[what]
    assert found["vnetenc_flowlog_packets_total"] == {
        ("sw0", "out", "X"): 7, ("", "", "NX"): 1}
    assert value("flowlog_bytes_total", "sw0", "out", "X") == 700
    assert value("peer_info", "192.0.2.2", "hv2") == 1
    for name, own, counter, _ in metrics.COUNTERS:
        result = tuple(own.values())
        assert value(name, *result) == 10 * COUNTERS[counter]
        assert value("peer_" + name, "192.0.2.2", *result) \
            == COUNTERS[counter]
    asked = (fake.folder / "asked").read_text().splitlines()
    assert len(asked) == 2 and all("--timeout=4 " in line for line in asked)


def test_other_states(fake):
    show = copy.deepcopy(SHOW)
    show.update(keylog="/run/keys", workers=[{"worker": 0}], peers=[
        {**PEER, "remote_ip": f"192.0.2.{n}", "state": state,
         "alarms": ["down", "refused"] if state == "waiting" else [],
         "sessions": [{"direction": "out", "state": state}]}
        for n, state in enumerate(metrics.STATES) if state != "idle"])
    idle = {**PEER, "remote_ip": "192.0.2.9", "sessions": []}
    del idle["state"]
    show["peers"].append(idle)
    fake.says(show)
    found = fake.export()
    assert found["vnetenc_build_info"] == {("1.2.3", "kernel"): 1}
    assert found["vnetenc_keylog_enabled"] == {(): 1}
    assert found["vnetenc_peers"] == {(state,): 1 for state in metrics.STATES}
    assert found["vnetenc_sessions"] == {("out",): 0, ("in",): 0}
    waiting = metrics.STATES.index("waiting")
    assert {key for key in found["vnetenc_alarm"] if not key[2]} == {
        (alarm, f"192.0.2.{waiting}", "") for alarm in ("down", "refused")}


def test_hostile_names(fake):
    """A name of a peer comes from a database.  It is the value of a label,
    and nothing else."""
    fake.says({**SHOW, "peers": [{**PEER, "name": NASTY}]})
    found = fake.export()
    assert list(found["vnetenc_peer_info"]) == [
        ("192.0.2.2", NASTY.replace("\ud800", "?"))]
    assert set(found) == OF_HOST


@pytest.mark.parametrize("n", [100, 101])
def test_many_peers(fake, n):
    fake.says({**SHOW, "peers": [
        {**PEER, "remote_ip": f"192.0.2.{i}", "alarms": ["down"]}
        for i in range(n)]})
    found = fake.export()
    for metric in metrics.METRICS:
        if metric.name.startswith("vnetenc_peer_"):
            n_results = 1 + ("result" in metric.labels)
            assert len(found.get(metric.name, ())) == (
                n * n_results if n == 100 else 0)
    # What does not grow without trouble stays.
    assert found["vnetenc_peers"][("up",)] == n
    assert found["vnetenc_transmit_bytes_total"]
    assert len(found["vnetenc_alarm"]) == n + 1


def test_flow_log(fake):
    """A log that has just begun, with a fault; none; no answer."""
    fake.says({**SHOW, "flow_log": []})
    fake.logs([{"statistics": {}, "last_error": ["file: a reason"]}])
    assert {name: values for name, values in fake.export().items()
            if "flowlog" in name} == {"vnetenc_flowlog_error": {(): 1}}
    fake.logs([])
    others = fake.export()
    assert not [name for name in others if "flowlog" in name]
    script = fake.folder / "ovs-vsctl"
    script.write_text("#!/bin/sh\necho 'ovs-vsctl: down' >&2; exit 1\n")
    assert fake.export("nothing is known of the flow log: ovs-vsctl: down") \
        == others
    script.write_text("#!/bin/sh\necho\n")
    assert fake.export("nothing is known of the flow log: .*") == others


def test_central(fake):
    """A switch of each state, two with one name, and a hostile one."""
    databases = test_status.Fake(fake.folder)
    switch = test_status.switch
    rows = [switch("web", "require", "enforced", chassis="3"),
            switch(NASTY[:-1], "require", "degraded", incapable="1",
                   alarms="2"),
            switch("new", "require"), switch("plain", None),
            switch("two", "prefer", "preferred"),
            {**switch("two", "require", "in-progress", behind="1"),
             "_uuid": "u-2"}]
    databases.put("ovn-nbctl", test_status.north(*rows), cluster.NB_TABLES)
    databases.put("ovn-sbctl", test_status.south(3), cluster.SB_TABLES)
    found = fake.export(args=["--central"])
    assert found.keys() == {m.name for m in metrics.CENTRAL}
    assert found["vnetenc_central_up"] == {(): 1}
    states = {"web": "enforced", NASTY[:-1]: "degraded", "new": "unknown",
              "two (u-two)": "preferred", "two (u-2)": "in-progress"}
    assert found["vnetenc_switch_state"] == {
        (name, state): int(state == its) for name, its in states.items()
        for state in cluster.STATES}
    chassis = found["vnetenc_switch_chassis"]
    assert chassis["web", "all"] == 3 and chassis["web", "behind"] == 0
    assert chassis[NASTY[:-1], "incapable"] == 1
    assert chassis["two (u-2)", "behind"] == 1
    assert ("new", "all") not in chassis
    assert found["vnetenc_switch_alarms"] == {
        ("web",): 0, (NASTY[:-1],): 2, ("two (u-two)",): 0, ("two (u-2)",): 0}
    assert not (fake.folder / "asked").exists()

    script = fake.folder / "ovn-sbctl"
    script.write_text("#!/bin/sh\necho 'ovn-sbctl: down' >&2; exit 1\n")
    assert fake.export("a database does not answer: ovn-sbctl: down",
                       ["--central"]) == {"vnetenc_central_up": {(): 0}}


OLDER = {k: v for k, v in SHOW.items() if k != "totals"}
ENDED = "echo 'ovs-appctl: cannot connect' >&2; echo more >&2; exit 1\n"


@pytest.mark.parametrize("script, complains", [
    (ENDED, "ovs-appctl: cannot connect"),
    ("exit 3\n", "ovs-appctl ended with status 3"),
    ("kill -ALRM $$\n", "ovs-vswitchd did not answer within 4 s"),
])
def test_away(fake, script, complains):
    fake.runs(script)
    assert fake.export(complains) == {"vnetenc_up": {(): 0}}


def test_hung(fake):
    """Neither ovs-appctl nor what it starts ends by itself."""
    child = fake.folder / "child"
    fake.runs(f"trap '' ALRM TERM; sleep 1000 & echo $! >{child}; wait\n")
    started = time.monotonic()
    assert fake.export("ovs-vswitchd did not answer within 5 s") == {
        "vnetenc_up": {(): 0}}
    assert time.monotonic() - started < 30 * PATIENCE
    process = pathlib.Path("/proc", child.read_text().strip(), "cmdline")
    # A process that has ended has none.
    wait_until(lambda: not process.exists() or not process.read_bytes(),
               "what ovs-appctl started ends")


@pytest.mark.parametrize("show, complains", [
    (OLDER, "vnetenc/show has no member 'totals': is ovs-vswitchd older than"
     " vnetenc-exporter[?]"),
    ([], "vnetenc/show was not understood: .*"),
    ({**SHOW, "peers": 7}, "vnetenc/show was not understood: .*"),
    ({**SHOW, "profiles": [{**SHOW["profiles"][0], "not_after": "soon"}]},
     "vnetenc/show was not understood: .*"),
    ("", "ovs-appctl did not print what was expected: .*"),
    ("[" * 100000, "ovs-appctl did not print what was expected: .*"),
    (b'{"a": "\xff"}', "ovs-appctl did not print what was expected: .*"),
])
def test_other_answers(fake, show, complains):
    fake.says(show)
    assert fake.export(complains) == {"vnetenc_up": {(): 0}}


def test_no_appctl(fake):
    fake.env["PATH"] = "/nonexistent"
    assert fake.export("ovs-appctl: No such file or directory") == {
        "vnetenc_up": {(): 0}}


@pytest.mark.parametrize("args, complains", [
    ([], "one of the arguments --textfile --listen is required"),
    (["--textfile", "x.prom", "--listen", "127.0.0.1:1"], "not allowed with"),
    (["--textfile", "/nonexistent/x.prom"],
     "there is no folder /nonexistent"),
    (["--textfile", "x.txt"], "must end in .prom"),
    (["--listen", "9475"], "is not ADDRESS:PORT, such as 127.0.0.1:9475"),
    (["--listen", ":9475"], "is not ADDRESS:PORT"),
    (["--listen", "::1:9475"], "is not ADDRESS:PORT"),
    (["--listen", "[127.0.0.1]:"], "is not ADDRESS:PORT"),
    (["--listen", "127.0.0.1:0"], "is not ADDRESS:PORT"),
    (["--listen", "127.0.0.1:65536"], "is not ADDRESS:PORT"),
    (["--listen", "host:9475"], "is not ADDRESS:PORT"),
    (["--lis", "127.0.0.1:9475"], "one of the arguments"),
    (["x"], "one of the arguments"),
    (["--textfile", "x.prom", "--sb", "unix:x"], "need --central"),
])
def test_usage(fake, args, complains):
    done = fake.run(*args)
    assert done.returncode == 2 and complains in done.stderr
    assert not (fake.folder / "asked").exists()


def test_textfile_is_replaced_whole(fake):
    fake.run("--textfile", str(fake.file), umask=0o077)
    before = fake.file.read_text()
    assert stat.S_IMODE(fake.file.stat().st_mode) == 0o644
    left = fake.folder / "vnetenc.prom.new"
    left.write_text("left by a run that was killed")
    fake.export()
    assert not left.exists()

    # A full disk, here a limit, leaves the old file, and nothing else.
    before = fake.file.read_text()
    done = fake.run("--textfile", str(fake.file), preexec_fn=lambda: (
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))))
    assert done.returncode == 1
    assert done.stderr == (f"vnetenc-exporter: {fake.file} cannot be written:"
                           " File too large\n")
    assert fake.file.read_text() == before
    assert not left.exists()


def test_missing_module(fake):
    done = subprocess.run(
        [sys.executable, "-c",
         "import sys, runpy; sys.modules['prometheus_client'] = None\n"
         f"sys.argv = ['x', '--textfile', {str(fake.file)!r}]\n"
         f"runpy.run_path({str(EXPORTER)!r}, run_name='__main__')"],
        env=fake.env, text=True, capture_output=True, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "install the package python3-prometheus-client" in done.stderr
    assert not fake.file.exists()


# HTTP.

class Served:
    """An exporter that serves a fake host."""

    def __init__(self, fake, host):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as sock:
            sock.bind((host.strip("[]"), 0))
            self.port = sock.getsockname()[1]
        self.at = f"{host}:{self.port}"
        self.errors = fake.folder / "errors"
        with open(self.errors, "wb") as errors:
            self.popen = subprocess.Popen(
                [EXPORTER, "--listen", self.at], env=fake.env, stderr=errors)
        wait_until(self.answers, f"the exporter listens on {self.at}")

    def answers(self):
        assert self.popen.poll() is None, self.errors.read_text()
        try:
            return self.get()
        except OSError:
            return None

    def get(self, path="/metrics"):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{self.at}{path}",
                         timeout=30 * PATIENCE) as answer:
            return answer.read().decode()

    def stop(self):
        self.popen.send_signal(signal.SIGTERM)
        assert self.popen.wait(10 * PATIENCE) == -signal.SIGTERM
        assert "Traceback" not in self.errors.read_text()


@pytest.fixture(name="serve")
def fixture_serve(fake):
    served = []

    def serve(host):
        served.append(Served(fake, host))
        return served[-1]

    yield serve
    for one in served:
        one.stop()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_http(fake, serve, host):
    served = serve(host)
    assert set(series(served.get())) == OF_HOST
    assert set(series(served.get("/metrics?name[]=vnetenc_up"))) == {
        "vnetenc_up"}

    # The daemon goes, hangs, and comes back.
    for script in ENDED, "sleep 1000\n":
        fake.runs(script)
        wait_until(lambda: series(served.get()) == {"vnetenc_up": {(): 0}},
                   "the exporter says that the daemon is away", 30)
    fake.says(SHOW)
    wait_until(lambda: set(series(served.get())) == OF_HOST,
               "the exporter says that the daemon is back", 30)

    second = fake.run("--listen", served.at)
    assert second.returncode == 1
    assert second.stderr == (
        f"vnetenc-exporter: cannot listen on {host.strip('[]')}, port"
        f" {served.port}: another program uses it\n")


def test_http_clients_that_break_off(serve):
    served = serve("127.0.0.1")
    for request in b"", b"GET /metrics HTTP/1.0\r\n\r\n", b"\0\xff\r\n\r\n":
        with socket.create_connection(("127.0.0.1", served.port)) as sock:
            sock.sendall(request)
            # A reset instead of an orderly end.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            b"\1\0\0\0\0\0\0\0")
    assert served.get()


def test_http_asks_once_for_many(fake, serve):
    """However many ask, ovs-vswitchd is asked one question at a time."""
    served = serve("127.0.0.1")
    fake.runs(f"mkdir {fake.folder}/busy || touch {fake.folder}/twice\n"
              f"sleep 0.2; rmdir {fake.folder}/busy; exit 1\n")
    clients = [subprocess.Popen(
        ["curl", "-s", "-o", "/dev/null", f"http://{served.at}/metrics"])
        for _ in range(20)]
    assert not any(client.wait(60 * PATIENCE) for client in clients)
    assert not (fake.folder / "twice").exists()


def test_address_of_another_host(fake):
    done = fake.run("--listen", "192.0.2.77:9475")
    assert done.returncode == 1
    assert done.stderr == ("vnetenc-exporter: cannot listen on 192.0.2.77,"
                           " port 9475: this host does not have the address\n")


# Rules and board.

def used_metrics(expression):
    """{metric: labels that its selectors name}."""
    found = {}
    for name, selector in re.findall(
            r"\b(vnetenc_\w+|node_\w+|up(?={))(?:{([^}]*)})?", expression):
        found.setdefault(name, set()).update(
            re.findall(r"(\w+)\s*[=!]", re.sub(r'"[^"]*"', "", selector)))
    return found


def check_expressions(expressions):
    used = {}
    for expression in expressions:
        for name, labels in used_metrics(expression).items():
            known = (set(TABLE[name].labels) if name in TABLE
                     else FOREIGN[name])
            assert labels <= known | {"instance", "job"}, expression
            used.setdefault(name, set()).update(labels)
    return used


def rules():
    """{alert: its lines}."""
    parts = re.split(r"^  - alert: (\w+)\n", RULES.read_text(), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def test_rules():
    subprocess.run(["promtool", "check", "rules", RULES], check=True)
    subprocess.run(["promtool", "test", "rules",
                    TOP / "tests/system/vnetenc.rules.test.yml"], check=True)


def test_rules_name_metrics():
    found = rules()
    assert len(found) >= 10
    assert check_expressions(found.values())
    for name, text in found.items():
        assert "severity: " in text and "summary: " in text, name

    # Each alarm has a rule, and each rule a test.
    header = (TOP / "lib/vnetenc/trust/alarms.h").read_text()
    alarms = set(re.findall(r"VNETENC_ALARM\((\w+), \"", header))
    text = RULES.read_text()
    assert alarms and alarms <= set(re.findall(r'alarm="(\w+)"', text)) | {
        alarm for group in re.findall(r'alarm=~"([\w|]+)"', text)
        for alarm in group.split("|")}
    tests = (TOP / "tests/system/vnetenc.rules.test.yml").read_text()
    for name in found:
        assert re.search(rf"alertname: {name}\n\s+exp_alerts:\n", tests), name


def test_board(tmp_path):
    board = json.loads(BOARD.read_text())
    panels = board["panels"]
    assert len(panels) >= 8
    assert len({panel["id"] for panel in panels}) == len(panels)
    plain = []
    for target in (t for panel in panels for t in panel["targets"]):
        expr = target["expr"].replace("$instance", "x").replace(
            "$__rate_interval", "5m")
        assert "$" not in expr
        plain.append(expr)
        used = check_expressions([expr])
        assert used and set(used) <= set(TABLE)
        kept = re.findall(r"by \(([^)]*)\)", expr)
        kept = {label for text in kept for label in text.split(", ")}
        assert kept <= {"instance"}.union(*(TABLE[m].labels for m in used))
        assert set(re.findall(r"{{(\w+)}}", target.get("legendFormat", ""))) \
            <= kept

    variable, = (v for v in board["templating"]["list"]
                 if v["type"] == "query")
    assert variable["query"] == "label_values(vnetenc_up, instance)"

    # Prometheus understands the expressions.  JSON is YAML.
    rules_file = tmp_path / "rules.yml"
    rules_file.write_text(json.dumps({"groups": [{"name": "x", "rules": [
        {"record": f"x{n}", "expr": expr} for n, expr in enumerate(plain)]}]}))
    subprocess.run(["promtool", "check", "rules", rules_file], check=True)


# Running hosts.

class Exported:
    """What a host of a lab exports."""

    def __init__(self, lab, hv):
        self.run, self.hv = lab.run, hv
        folder = lab.tree.program("ovs-appctl").parent
        self.env = {**hv.env, "PATH": f"{folder}:{os.environ['PATH']}"}
        self.http = self.run.spawn(
            EXPORTER, "--listen", f"127.0.0.1:{HTTP}", netns=hv.netns,
            env=self.env, folder=hv.dir)

    def by_file(self):
        path = self.hv.dir / "vnetenc.prom"
        self.run.cmd(EXPORTER, "--textfile", path, netns=self.hv.netns,
                     env=self.env)
        return series(path.read_text())

    def by_http(self):
        def read():
            assert self.http.alive(), self.http.output()
            return self.run.cmd("curl", "-s",
                                f"http://127.0.0.1:{HTTP}/metrics",
                                netns=self.hv.netns, check=False)
        return series(wait_until(read, "the exporter answers"))


def test_of_running_hosts(lab):
    """Both ways, one after the other: counters move with traffic, never
    fall, and stay when the row of a peer is removed."""
    hv1, hv2 = lab.hvs
    exported = Exported(lab, hv1)
    hv1.vsctl("create", "VNetEnc_Flow_Log", "bridge=br-int", 'mark="reg0[]"')
    last = {}

    def check(found):
        for name, values in found.items():
            if name.endswith("_total") and "peer" not in TABLE[name].labels:
                for labels, value in values.items():
                    assert value >= last.get((name, labels), 0), name
                    last[name, labels] = value
        return found

    def sealed(found):
        return found["vnetenc_transmit_records_total"][()]

    for read in exported.by_file, exported.by_http:
        before = check(read())
        assert before["vnetenc_up"] == {(): 1}
        version = (TOP / "configure.ac").read_text()
        version = re.search(r"AC_INIT\(\[vnetenc\], \[(.*?)\]\)", version)[1]
        assert before["vnetenc_build_info"] == {(version, "userspace"): 1}
        assert before["vnetenc_flowlog_error"] == {(): 0}
        assert before["vnetenc_peers"][("up",)] == 1
        assert before["vnetenc_sessions"] == {("out",): 1, ("in",): 1}
        assert before["vnetenc_handshakes_total"][("success",)] >= 2
        # The certificate is self-made.
        assert "vnetenc_certificate_not_after_timestamp_seconds" not in before
        assert set(before) <= OF_HOST
        assert lab.vms[0].ping(lab.vms[1].ip, 5).lost == 0
        wait_until(lambda: sealed(check(read())) >= sealed(before) + 5,
                   "the counter grows by the records")
        found = check(read())
        assert found["vnetenc_peer_transmit_records_total"].keys() == {
            (hv2.ip,)}

    before = check(exported.by_file())
    hv1.vsctl("destroy", "VNetEnc_Peer", hv2.ip)
    wait_until(lambda: not hv1.show_json()["peers"], "the peer is gone")
    after = check(exported.by_file())
    assert "vnetenc_peer_info" not in after
    assert sealed(after) >= sealed(before)
    assert sum(after["vnetenc_peers"].values()) == 0

    # The daemon ends; the exporter goes on.
    hv1.kill_vswitchd()
    assert exported.by_file() == {"vnetenc_up": {(): 0}}
    wait_until(lambda: exported.by_http() == {"vnetenc_up": {(): 0}},
               "the exporter says that the daemon is away")
    hv1.restart_vswitchd()
    wait_until(lambda: exported.by_http()["vnetenc_up"] == {(): 1},
               "the exporter says that the daemon is back")
