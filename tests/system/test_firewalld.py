# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The service for firewalld lets datagrams of encrypted tunnels pass."""

import socket

import firewalld
from runspace import PATIENCE, socket_in

OUTSIDE, INSIDE = "192.0.2.1", "192.0.2.2"
LANE = 40000
# Source and destination port of unsolicited datagrams: ClientHellos and
# records to the DTLS ports of Geneve and VXLAN, and what these ports send to a
# lane that connection tracking does not know.
TUNNELS = {(LANE, 6082), (LANE, 6089), (6082, LANE), (6089, LANE)}
OTHERS = {(LANE, 6081), (LANE, 4789), (LANE, LANE), (6081, LANE)}
LAST = (LANE, firewalld.OPEN_PORT)


def udp_socket(netns, ip, port):
    sock = socket_in(netns, socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((ip, port))
    sock.settimeout(5 * PATIENCE)
    return sock


def passing(run, *services):
    """Which of these datagrams reach a host with the services.  None can be
    overtaken by the last one, which always passes."""
    outside, inside = (run.add_netns("-".join([name, *services]))
                       for name in ("outside", "inside"))
    run.cmd("ip", "-n", outside, "link", "add", "u", "type", "veth", "peer",
            "name", "u", "netns", inside)
    for netns, ip in ((outside, OUTSIDE), (inside, INSIDE)):
        run.ip(netns, f"addr add {ip}/24 dev u", "link set dev u up")
    firewalld.start(run, inside, *services)
    ways = sorted(TUNNELS | OTHERS) + [LAST]
    senders = {port: udp_socket(outside, OUTSIDE, port)
               for port in {sport for sport, _ in ways}}
    receivers = {port: udp_socket(inside, INSIDE, port)
                 for port in {dport for _, dport in ways}}
    for sport, dport in ways:
        senders[sport].sendto(b"x", (INSIDE, dport))
    receivers[LAST[1]].recv(9)
    seen = set()
    for port, sock in receivers.items():
        sock.settimeout(0)
        try:
            while True:
                seen.add((sock.recvfrom(9)[1][1], port))
        except BlockingIOError:
            pass
    return seen


def test_service(run):
    assert passing(run, "vnetenc") == TUNNELS
    assert passing(run) == set()
