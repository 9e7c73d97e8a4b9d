# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""firewalld in a network namespace: its own code reads a zone and writes the
rules.  Its server for D-Bus, which only takes commands, does not run."""

import shutil
import sys

from lab import TOP

ZONE = '<?xml version="1.0" encoding="utf-8"?>\n<zone%s>%s</zone>\n'
# firewalld needs these.
OTHERS = {"block": "%%REJECT%%", "drop": "DROP", "trusted": "ACCEPT"}
# A datagram to this port always passes.
OPEN_PORT = 9
START = """
import sys
import firewall.config
firewall.config.set_system_config_paths(sys.argv[1])
firewall.config.set_default_config_paths(sys.argv[1])
from firewall.core.fw import Firewall
fw = Firewall()
fw.start()
print(fw.get_state())
"""


def start(run, netns, *services):
    """The rules of a zone with these services, as after "firewall-cmd
    --permanent --zone=public --add-service=SERVICE" and a start."""
    folder = run.folder("firewalld-" + netns)
    for name in ("zones", "services", "icmptypes", "ipsets", "helpers",
                 "policies"):
        (folder / name).mkdir(exist_ok=True)
    for name, target in OTHERS.items():
        (folder / "zones" / (name + ".xml")).write_text(
            ZONE % (f' target="{target}"', ""))
    (folder / "zones/public.xml").write_text(ZONE % ("", "".join(
        [f'<port protocol="udp" port="{OPEN_PORT}"/>',
         *(f'<service name="{s}"/>' for s in services)])))
    (folder / "firewalld.conf").write_text(
        "DefaultZone=public\nFirewallBackend=nftables\nIPv6_rpfilter=no\n")
    for service in (TOP / "utilities/firewalld").glob("*.xml"):
        shutil.copy(service, folder / "services")
    said = run.cmd(sys.executable, "-B", "-c", START, folder, netns=netns)
    assert "RUNNING" in said, said
