# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""ovn-vnetenc-status: what it says of good, bad and unreadable databases."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from lab import TOP

sys.path.insert(0, str(TOP / "utilities"))

from vnetenc_tools import cluster           # noqa: E402

STATUS = TOP / "utilities/ovn-vnetenc-status"
EVIL = "<script>document.title='evil'</script>\n\x1b[2J\" onload=x"


def switch(name, demand, state=None, **status):
    row = {"state": state, "since": "2026-01-02T03:04:05Z", "chassis": "2",
           "behind": "0", "incapable": "0", "alarms": "0"} if state else {}
    row.update((key.replace("_", "-"), value)
               for key, value in status.items())
    return {"name": name, "_uuid": "u-" + name, "encryption": demand or [],
            "encryption_status": row}


def south(n, alarms=None, stock=()):
    """`n` chassis; alarms: {number: {number of the other: text}}."""
    reports, rows = [], []
    for i in range(1, n + 1):
        found = {f"alarm:hv{other}": text
                 for other, text in (alarms or {}).get(i, {}).items()}
        if found:
            found["alarms"] = str(len(found))
        reports.append({"name": f"hv{i}", "encryption": found})
        types = "geneve" if i in stock else "geneve,vnetenc"
        rows.append({"name": f"hv{i}", "hostname": f"host{i}",
                     "other_config": {"iface-types": types}})
    return {"Chassis": rows, "Chassis_Private": reports}


def north(*switches, **options):
    return {"NB_Global": [{"options": options}],
            "Logical_Switch": list(switches)}


@pytest.mark.parametrize("rows, status, says", [
    ([], 0, "no switch demands"),
    ([switch("a", None)], 0, "no switch demands"),
    ([switch("a", "off", "off")], 0, "no switch demands"),
    ([switch("a", "require", "enforced")], 0, "all that is demanded"),
    ([switch("a", "prefer", "preferred")], 1, "1 of 1 switches"),
    ([switch("a", "require", "enforced"),
      switch("b", "require", "degraded")], 1, "1 of 2 switches"),
    ([switch("a", "require", "in-progress")], 1, "1 of 1 switches"),
    # What ovn-northd wrote before the demand changed.
    ([switch("a", "require", "off")], 1, "1 of 1 switches"),
    ([switch("a", "require", "preferred")], 1, "1 of 1 switches"),
    ([switch("a", "prefer", "enforced")], 1, "1 of 1 switches"),
    ([switch("a", "off", "enforced")], 1, "1 of 1 switches"),
    ([switch("a", "require")], 2, "of 1 nothing is known"),
    ([switch("a", "require", "a word of a later version")], 2, "of 1 nothing"),
])
def test_verdict(rows, status, says):
    verdict = cluster.Cluster(north(*rows), south(2)).verdict()
    assert verdict[0] == status and says in verdict[1]


def test_default():
    """The default of the cluster is a demand."""
    found = cluster.Cluster(north(switch("a", None), **{
        "vnetenc-default": "require"}), south(2))
    assert found.verdict()[0] == 2
    assert found.switches[0].demand == "require"


class Fake:
    """ovn-nbctl and ovn-sbctl that print tables."""

    def __init__(self, folder):
        self.folder = folder

    def put(self, program, tables, columns):
        lines = []
        for table, rows in tables.items():
            names = columns[table].split(",")
            lines.append(json.dumps({
                "headings": names,
                "data": [[self.encode(row[n]) for n in names]
                         for row in rows]}))
        answer = self.folder / f"{program}.json"
        answer.write_text("\n".join(lines) + "\n")
        script = self.folder / program
        script.write_text(f"#!/bin/sh\ncat '{answer}'\n")
        script.chmod(0o755)

    @staticmethod
    def encode(value):
        if isinstance(value, dict):
            return ["map", list(map(list, value.items()))]
        return ["set", value] if isinstance(value, list) else value

    def run(self, *args):
        return subprocess.run(
            [STATUS, *args], capture_output=True, text=True, timeout=60,
            env={**os.environ, "PATH": f"{self.folder}:/usr/bin:/bin"})


@pytest.fixture
def fake(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    fake = Fake(folder)
    fake.put("ovn-nbctl", north(
        switch("web", "require", "enforced"),
        switch(EVIL, "require", "degraded", incapable="1",
               incapable_chassis="hv3", alarms="1",
               causes="hv1 to hv2: down"),
        switch("plain", None)), cluster.NB_TABLES)
    fake.put("ovn-sbctl", south(3, {1: {2: "down,refused"}}, stock={3}),
             cluster.SB_TABLES)
    return fake


def test_text(fake):
    done = fake.run()
    assert done.returncode == 1 and not done.stderr
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert lines[0] == ("1 of 2 switches are not enforced; 3 switches,"
                        " 3 chassis")
    assert lines[2].split() == ["switch", "demand", "state", "since",
                                "chassis", "behind", "incapable", "alarms"]
    assert re.search(r"^web +require +enforced +2026-01-02T03:04:05Z +2 +0"
                     " +0 +0$", done.stdout, re.M)
    assert re.search(r"cannot encrypt: hv3$", done.stdout, re.M)
    assert re.search(r"alarms: hv1 to hv2: down$", done.stdout, re.M)
    assert re.search(r"^hv1 +hv2 +down, refused$", done.stdout, re.M)
    assert "plain" not in done.stdout


def test_json(fake):
    done = fake.run("--json")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert said["status"] == 1
    assert [s["name"] for s in said["switches"]] == [EVIL, "web"]
    assert said["chassis"][0]["alarms"] == {"hv2": ["down", "refused"]}
    assert [c["capable"] for c in said["chassis"]] == [True, True, False]


@pytest.mark.parametrize("args, says", [
    (["--json", "--html", "x"], "--json and --html exclude each other"),
    (["--watch", "0.1"], "--watch 0.1: must be at least 1"),
    (["--html", "/nonexistent/page.html"],
     "/nonexistent/page.html: No such file or directory"),
    (["web"], "unrecognized arguments: web"),
])
def test_usage(fake, args, says):
    done = fake.run(*args)
    assert done.returncode == 2 and says in done.stderr
    assert "Traceback" not in done.stderr


def test_unreachable(fake):
    script = fake.folder / "ovn-sbctl"
    script.write_text("#!/bin/sh\necho 'ovn-sbctl: down' >&2; exit 1\n")
    done = fake.run()
    assert done.returncode == 2 and not done.stdout
    assert done.stderr == ("not known: a database does not answer: ovn-sbctl:"
                           " down\n")


def test_full_disk(fake):
    """The former page stays."""
    page = fake.folder / "page.html"
    page.write_text("former")
    os.chmod(fake.folder, 0o755)
    done = subprocess.run(
        ["prlimit", "--fsize=100", STATUS, "--html", page],
        capture_output=True, text=True, timeout=60,
        env={**os.environ, "PATH": f"{fake.folder}:/usr/bin:/bin"})
    assert done.returncode != 0 and done.returncode != 1
    assert page.read_text() == "former"


def browse(page, *args):
    """What Chromium makes of a page, without a network."""
    return subprocess.run(
        ["unshare", "--net", "chromium", "--headless", "--no-sandbox",
         "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={page}.d",
         *args, page.as_uri()], capture_output=True, timeout=120, check=True)


@pytest.mark.parametrize("n", [3, 300])
def test_page(fake, n, tmp_path):
    """Chromium shows all of it, and runs nothing that is in a name."""
    fake.put("ovn-sbctl", south(n, {1: {2: "down,refused"}}, stock={3}),
             cluster.SB_TABLES)
    page = tmp_path / "page.html"
    done = fake.run("--html", str(page))
    assert done.returncode == 1 and not done.stderr, done.stderr
    assert not re.search(r"<script|https?:", page.read_text())
    if not shutil.which("chromium"):
        pytest.skip("chromium is not installed")
    seen = browse(page, "--dump-dom").stdout.decode()
    assert "<title>Encryption of virtual networks</title>" in seen
    assert "<script" not in seen
    assert "&lt;script&gt;document.title='evil'&lt;/script&gt;" in seen
    assert len(re.findall(r'<td class="bad"', seen)) == 1
    assert "DR</td>" in seen
    # Of 3 chassis all have a row, of 300 the one with an alarm and the one
    # that cannot encrypt.
    assert len(re.findall(r'<th class="row"', seen)) == (3 if n == 3 else 2)
    shot = tmp_path / "page.png"
    browse(page, f"--screenshot={shot}", "--window-size=1250,1000")
    assert shot.read_bytes().startswith(b"\x89PNG")
    assert shot.stat().st_size > 20000      # An empty page has 5 kB.
