# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Hosts with the kernel datapath, in the lab of the system tests."""

from lab import Hypervisor


class KernelHost(Hypervisor):
    """A host that runs Open vSwitch with the kernel datapath.  The underlay
    addresses are on the uplink, as on most hosts, and no bridge has it."""

    datapath = "system"
    device = "u"

    def _add_bridges(self):
        # What is captured has the size that the wire sees.
        self.run.cmd("ethtool", "-K", "u", "tx", "on", "tso", "off",
                     "tx-udp-segmentation", "off", netns=self.netns)
        self.vsctl("add-br", "br-int")
        # ovn-controller makes this row, for what the datapath can do.
        self.vsctl("--", "--id=@d", "create", "Datapath",
                   "datapath_version=0", "--", "set", "Open_vSwitch", ".",
                   "datapaths:system=@d")

    def capability(self):
        """What the database says of encryption: "true" or "false"."""
        return self.vsctl("--if-exists", "get", "Datapath", self.vsctl(
            "--bare", "--columns=_uuid", "list", "Datapath"),
            "capabilities:vnetenc").strip('"')

    def flows(self):
        """The flows of the datapath."""
        return self.appctl("dpctl/dump-flows", "system@ovs-system")
