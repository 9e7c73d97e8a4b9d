# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The lists of files of both kinds of packages name all that there is: no
unit, program, completion, manual page, module, board or rule is forgotten.

tests/packages looks into the packages themselves, which take longer to make.
"""

import fnmatch
import re
import subprocess

import pytest

from harness.run import TOP

UTILITIES = TOP / "utilities"
COMPLETIONS = TOP / "debian/completions"
PAGES = sorted(p.stem for p in TOP.glob("Documentation/man/*.[1-9].md"))
PROGRAMS = [p[:-2] for p in PAGES if p.endswith(".8")]
UNITS = sorted(p.name for kind in ("service", "timer")
               for p in UTILITIES.glob(f"*.{kind}"))
# It speaks with apt.
NOT_IN_RPM = {"vnetenc-rollback"}
# Files of "make install" that are no programs, by the variables of Makefile.am
# that list them.
DATA = {"dist_pkgdata_DATA": ["*.lua", "*.nft", "*.yml", "*.json"],
        "dist_tools_DATA": ["vnetenc_tools/*.*"],
        "dist_firewall_DATA": ["firewalld/*.xml"]}


def read(name):
    return (TOP / name).read_text().replace("\\\n", " ")


def made(variable):
    """The words of a variable of Makefile.am."""
    return re.search(rf"^{variable} = (.*)$", read("Makefile.am"),
                     re.M).group(1).split()


def deb():
    """What the package vnetenc takes, as patterns of paths."""
    return [line.split()[0] for line in
            read("debian/vnetenc.install").splitlines()]


def rpm():
    """What any RPM package takes, as patterns of paths, without macros."""
    files = read("rhel/vnetenc.spec").split("%files", 1)[1]
    return [line.split()[-1] for line in files.splitlines()
            if line.startswith(("%{", "/"))]


def taken(path, patterns):
    return any(fnmatch.fnmatch(path, p) for p in patterns)


def test_lists():
    """Nothing below is tested in vain."""
    assert len(PROGRAMS) >= 7 and len(PAGES) >= 9 and len(UNITS) >= 4


def test_programs():
    assert sorted(made("PYTHON_TOOLS") + ["vnetenc-rollback"]) == PROGRAMS
    for program in PROGRAMS:
        folder = "sbin" if program == "vnetenc-rollback" else "bin"
        assert taken(f"usr/{folder}/{program}", deb())
        assert program in NOT_IN_RPM or taken(f"%{{_bindir}}/{program}", rpm())


@pytest.mark.parametrize("page", PAGES)
def test_pages(page):
    folder = "man" + page[-1]
    assert taken(f"usr/share/man/{folder}/{page}", deb())
    assert taken(f"%{{_mandir}}/{folder}/{page}", rpm())


@pytest.mark.parametrize("program", PROGRAMS)
def test_completions(program):
    """Each program has a file of its name, which bash reads when somebody
    completes it for the first time."""
    done = subprocess.run(
        ["bash", "-c", f". {COMPLETIONS / program} && complete -p {program}"],
        text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert taken(f"debian/completions/{program}", deb())
    if program not in NOT_IN_RPM:
        spec = read("rhel/vnetenc.spec")
        loop = re.search(r"for t in ([^;]*); do\s+install -D -m 644 "
                         r"debian/completions", spec).group(1)
        assert program in loop.split()
        assert taken("%{_datadir}/bash-completion/completions/" + program,
                     rpm())


@pytest.mark.parametrize("unit", UNITS)
def test_units(unit):
    stem, kind = unit.rsplit(".", 1)
    rules = read("debian/rules")
    names = re.search(r"^exporter = \$\(foreach u,([^,]*),", rules,
                      re.M).group(1)
    assert stem in names.split()
    loops = re.findall(r"for u in ([^;]*); do", rules)
    assert stem in " ".join(loops).split()
    spec = read("rhel/vnetenc.spec")
    loops = re.findall(r"for u in ([^;]*); do", spec)
    assert stem in " ".join(loops).split()
    assert taken("%{_unitdir}/" + unit, rpm())
    if kind == "timer":
        for macro in ("post", "preun", "postun"):
            assert unit in re.search(rf"^%systemd_{macro} (.*)$", spec,
                                     re.M).group(1).split()


@pytest.mark.parametrize("variable", DATA)
def test_data(variable):
    there = sorted(str(p.relative_to(TOP)) for pattern in DATA[variable]
                   for p in UTILITIES.glob(pattern) if p.suffix != ".pyc")
    assert there and sorted(made(variable)) == there


def test_folders():
    assert taken("usr/share/vnetenc", deb())
    assert taken("%{_datadir}/vnetenc", rpm())
    firewall = "lib/firewalld/services/vnetenc.xml"
    assert f"usr/{firewall}" in read("debian/openvswitch-switch.install")
    assert taken("%{_prefix}/" + firewall, rpm())
