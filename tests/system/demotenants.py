# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The chapter of the demonstration about two tenants, each with a credential:

             hv1                   hv2
    sw2      vm7 10.9.2.7          vm8 10.9.2.8         tenant-a, id 5
    sw3      vm9 10.9.3.9          vm10 10.9.3.10       tenant-b, id 6

The ClientHello of each session, which is in clear, names the profile of the
session, and the key log shows the VNI inside its records.  So the capture
alone says under which profile each network was sent."""

import re
import socket
import time

import capture
import packets
from lab import pings
from runspace import PATIENCE

TENANTS = (("tenant-a", 5, "sw2"), ("tenant-b", 6, "sw3"))
SNI = re.compile(rb"p(\d+)\.vnetenc\.invalid")


def show(demo):
    central = demo.central
    for _, _, switch in TENANTS:
        central.add_switch(switch)
    demo.say("\nTwo tenants, on hv1 and hv2: sw2 and sw3, each with a"
             " credential.\n")
    since = time.time()
    for name, number, switch in TENANTS:
        type_in(demo, "create", "Encryption_Credential", f"name={name}",
                f"id={number}")
        type_in(demo, "--wait=hv", "--", "--id=@c", "get",
                "Encryption_Credential", name, "--", "set", "Logical_Switch",
                switch, "encryption=require", "encryption_credential=@c")
    demo.say("\n")
    vms = [central.add_vm(demo.hvs[hv], number, f"sw{net}", net)
           for number, hv, net in ((7, 0, 2), (8, 1, 2), (9, 0, 3),
                                   (10, 1, 3))]
    central.sync()
    separate(demo, vms, since)
    withdraw(demo, vms)


def type_in(demo, *command):
    """Gives a command to ovn-nbctl, and shows it."""
    demo.say(f"    ovn-nbctl {' '.join(command)}")
    demo.central.nbctl(*command)


def in_clear(demo, vms, since):
    """The packets on the underlay that name one of the machines."""
    names = [name for vm in vms for name in (packets.mac(vm.mac),
                                             socket.inet_aton(vm.ip))]
    return [d for d in capture.plaintext_tunnel(demo.pcap, since)
            if any(name in d.payload for name in names)]


def profiles_on_wire(path):
    """{(initiator, lane port, responder): profile}."""
    found = {}
    for datagram in capture.datagrams(path):
        if datagram.dport == capture.DTLS and datagram.payload[:1] == b"\x16":
            name = SNI.search(datagram.payload)
            if name:
                found[datagram.src, datagram.sport, datagram.dst] = int(
                    name[1])
    return found


def vnis_by_profile(demo, since):
    """{profile: VNIs of the packets in its sessions}, from `since` on.
    Fails with a record of a session whose ClientHello was not seen."""
    profiles = profiles_on_wire(demo.pcap)
    found = {}
    # Probes and their answers have VNI 0.
    for line in demo.decoded("dtls and geneve.vni > 0 and frame.time_epoch >="
                             f" {since}", "ip.src", "udp.srcport", "ip.dst",
                             "geneve.vni"):
        src, port, dst, vni = (field.split(",")[0] for field in line)
        found.setdefault(profiles[src, int(port), dst], set()).add(
            int(vni, 0))
    return found


def separate(demo, vms, since):
    vm7, vm8, vm9, vm10 = vms
    vm7.reaches(vm8.ip, timeout=10)
    vm9.reaches(vm10.ip, timeout=10)
    lost = [a.ping(b.ip, count=10, interval=0.02).lost
            for a, b in ((vm7, vm8), (vm10, vm9))]
    keys = {number: int(demo.central.sbctl(
        "--bare", "--columns=tunnel_key", "find", "Datapath_Binding",
        f"external_ids:name={switch}")) for _, number, switch in TENANTS}
    found = vnis_by_profile(demo, since)
    clear = in_clear(demo, vms, since)
    names = {key: switch for _, number, switch in TENANTS
             for key in [keys[number]]}
    demo.claim("two tenants: the packets of each network are in sessions of"
               " its own credential, and in no other",
               not any(lost) and not clear
               and all(found.get(number) == {key}
                       for number, key in keys.items())
               and not set(keys.values()) & found.get(0, set()),
               lost_pings=sum(lost), plaintext_packets_of_tenants=len(clear),
               **{f"networks_in_sessions_of_{name}": ", ".join(
                   names.get(vni, f"VNI {vni}")
                   for vni in sorted(found.get(number, ())))
                  for name, number, _ in TENANTS})


def withdraw(demo, vms):
    demo.say("\nhv2 may no longer speak for tenant-a; nobody asks hv2:\n")
    vm7, vm8, vm9, vm10 = vms
    other = vm9.ping_start(vm10.ip, 1000, 0.02)
    type_in(demo, "--wait=hv", "set", "Encryption_Credential", "tenant-a",
            "chassis=hv1")
    demo.say("\n")
    since = time.time()
    lost = [pings(p).lost for p in [
        a.ping_start(b.ip, 10, 0.05, wait=0.3 * PATIENCE)
        for a, b in ((vm7, vm8), (vm8, vm7))]]
    profiles = {session["profile"] for hv in demo.hvs[:2]
                for peer in hv.show_json()["peers"]
                for session in peer["sessions"]
                if session.get("state") == "up"}
    clear = in_clear(demo, vms, since)
    other = pings(other, stop=True)
    demo.claim("a hypervisor that the credential no longer lists is shut out"
               " at once; the other tenant loses nothing",
               lost == [10, 10] and 5 not in profiles and not clear
               and not other.lost,
               lost_pings_to_it=lost[0], lost_pings_from_it=lost[1],
               lost_pings_of_tenant_b=other.lost,
               plaintext_packets_of_tenants=len(clear))
