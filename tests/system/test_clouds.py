# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The daily work of a cloud, on switches that require encryption: changes
under traffic, migration, load balancers, gateway routers, containers,
multicast, switches behind switches.
"""

import collections
import contextlib
import re
import socket
import threading
import time

import pytest

import capture
import packets
from cloud import drain
from lab import TENANT_MAC, VM, pings, tcp_transfer
from runspace import wait_until
from sslpeer import Mint

MARKER = b"of a busy cloud "
GROUP_MAC, GROUP = "01:00:5e:01:02:03", "239.1.2.3"


@pytest.fixture(name="pair")
def fixture_pair(make_cloud):
    cloud = make_cloud()
    vms = [cloud.add_vm(n, n) for n in (1, 2)]
    cloud.central.sync()
    vms[0].reaches(vms[1].ip)
    return cloud, *vms


def test_live(pair, record_property):
    """Encryption is switched on, to another mode and off again while traffic
    runs: no packet is lost, although chassis learn of it one after the
    other."""
    cloud, vm1, vm2 = pair
    lost = {}
    for step, mode in enumerate(("require", "prefer", "require", "prefer",
                                 None, "prefer", "require", "off", "require",
                                 None)):
        running = vm1.ping_start(vm2.ip, 1000, 0.01)
        wait_until(lambda r=running: len(re.findall(
            "bytes from", r.output())) > 5, "it runs")
        cloud.set_mode(mode)
        vm1.reaches(vm2.ip)
        time.sleep(0.3)
        ping = pings(running, stop=True)
        lost[f"{step} {mode}"] = ping.lost
        if not step:
            silence = _silence(ping.replies())
            record_property("first_require_silence_s", round(silence, 3))
    assert not any(lost.values()), lost


def test_live_behind(pair):
    """The same for packets to all ports of the switch, with one chassis that
    learns of the mode half a second later."""
    cloud, vm1, vm2 = pair
    receiver = vm2.receiver()
    sender = vm1.packet_socket("e0")
    stop, sent = threading.Event(), []

    def speak():
        while not stop.wait(0.02):
            sent.append(b"%d" % len(sent))
            sender.send(packets.udp_frame(
                vm1.mac, vm1.ip, "ff:ff:ff:ff:ff:ff", "255.255.255.255",
                sent[-1]))

    thread = threading.Thread(target=speak, daemon=True)
    thread.start()
    for late, mode in enumerate(("require", None, "require", None)):
        cloud.hvs[late % 2].controller_ctl("debug/pause")
        timer = threading.Timer(0.5, cloud.hvs[late % 2].controller_ctl,
                                ["debug/resume"])
        timer.start()
        cloud.set_mode(mode)
        timer.join()
    stop.set()
    thread.join()
    got = []
    with contextlib.suppress(TimeoutError):
        while sent[-1] not in got:
            got.append(receiver.recv(100))
    assert got + drain(receiver) == sent


def _silence(times):
    """The longest time between two replies."""
    return max(b - a for a, b in zip(times, times[1:]))


def test_migration(make_cloud):
    """A machine moves to a third chassis while packets are sent to it."""
    cloud = make_cloud(n=3)
    vm1, vm2 = (cloud.add_vm(n, n) for n in (1, 2))
    cloud.set_mode("require")
    cloud.encrypted(vm1, vm2)
    cloud.central.nbctl("lsp-set-options", "vm2",
                        "requested-chassis=hv2,hv3",
                        "activation-strategy=rarp")
    cloud.in_effect()
    hv2, hv3 = cloud.hvs[1:]
    running = vm1.ping_start(vm2.ip, 2000, 0.02)
    # The new place is ready before the machine arrives there.
    moved = VM(hv3, 22, iface_id="vm2", ip=vm2.ip)
    moved.mac = vm2.mac
    cloud.run.ip(moved.netns, f"link set dev e0 address {vm2.mac}")
    cloud.in_effect()
    cloud.run.ip(vm2.netns, "link set dev e0 down")
    moved.packet_socket("e0").send(packets.ethernet(
        "ff:ff:ff:ff:ff:ff", vm2.mac, 0x8035,
        b"\x00\x01\x08\x00\x06\x04\x00\x03" + packets.mac(vm2.mac) + bytes(4)
        + packets.mac(vm2.mac) + bytes(4)))
    cloud.central.nbctl("lsp-set-options", "vm2", "requested-chassis=hv3")
    hv2.vsctl("del-port", vm2.port)
    cloud.in_effect()
    since = time.time()
    cloud.encrypted(vm1, moved)
    ping = pings(running, stop=True)
    assert ping.received and ping.lost * 0.02 < 3
    ways = {(r.src, r.dst) for r in cloud.sealed(since)}
    assert (cloud.hvs[0].ip, hv3.ip) in ways


def test_load_balancer(make_cloud):
    """The internal load balancer: a virtual address whose backends are on
    other chassis, within the switch and across the router."""
    cloud = make_cloud(n=3, switches=("sw0", "sw1"))
    cloud.add_router()
    vm1 = cloud.add_vm(1, 1, routed=True)
    vm2 = cloud.add_vm(2, 2, routed=True)
    vm3 = cloud.add_vm(3, 3, routed=True)
    vm4 = cloud.add_vm(1, 4, "sw1", net=1, routed=True)
    backends = {vm2: b"two", vm3: b"three"}
    cloud.central.nbctl(
        "lb-add", "lb0", "10.9.7.7:80",
        ",".join(f"{vm.ip}:8080" for vm in backends), "tcp",
        "--", "ls-lb-add", "sw0", "lb0", "--", "ls-lb-add", "sw1", "lb0",
        "--", "lr-lb-add", "lr0", "lb0")
    cloud.set_mode("require")
    listeners = [serve(vm, text) for vm, text in backends.items()]
    for vm in (vm1, vm4):
        for backend in backends:
            vm.reaches(backend.ip)
        since = time.time()
        answers = {ask(vm, "10.9.7.7") for _ in range(12)}
        for _ in range(48):             # A backend is chosen by a hash.
            if len(answers) < len(backends):
                answers.add(ask(vm, "10.9.7.7"))
        assert answers == {MARKER + text for text in backends.values()}
        assert len(cloud.sealed(since)) > 24
        assert not any(MARKER in f for f in cloud.in_clear(since, vm))
    for listener in listeners:
        listener.close()
    assert not capture.count(cloud.pcap.now(), MARKER)


def serve(vm, text):
    """A server that sends `text` to each client."""
    listener = vm.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((vm.ip, 8080))
    listener.listen(50)

    def run():
        try:
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(MARKER + text)
        except OSError:
            pass                            # It was closed.

    threading.Thread(target=run, daemon=True).start()
    return listener


def ask(vm, address):
    with vm.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.settimeout(5)
        sock.connect((address, 80))
        return sock.recv(100)


def test_gateway_router(make_cloud):
    """A gateway router behind a join switch that requires encryption as well:
    packets are encrypted as far as its chassis."""
    cloud = make_cloud(switches=("sw0", "join"))
    cloud.add_provider(2)
    central = cloud.central
    central.add_router("lr0", "sw0")
    central.nbctl("lr-add", "gw", "--", "set", "logical_router", "gw",
                  "options:chassis=hv2")
    central.attach("lr0", "join", "10.1.0.1/24")
    central.attach("gw", "join", "10.1.0.2/24")
    central.nbctl("ls-add", "public", "--", "lsp-add", "public", "ln",
                  "--", "lsp-set-type", "ln", "localnet",
                  "--", "lsp-set-addresses", "ln", "unknown",
                  "--", "lsp-set-options", "ln", "network_name=physnet")
    central.attach("gw", "public", "192.0.2.254/24")
    central.nbctl("lr-route-add", "lr0", "0.0.0.0/0", "10.1.0.2", "--",
                  "lr-route-add", "gw", "10.9.0.0/16", "10.1.0.1")
    vm1 = cloud.add_vm(1, 1, routed=True)
    cloud.clear(vm1, cloud.internet)
    cloud.set_mode("require")
    cloud.encrypted(vm1, cloud.internet)
    # From outside the demand is known once the router has found vm1's switch.
    cloud.encrypted(cloud.internet, vm1)
    cloud.set_mode("require", "join")
    cloud.encrypted(vm1, cloud.internet)


def test_containers(make_cloud):
    """Containers in machines: ports behind a port, told apart by a VLAN
    tag."""
    cloud = make_cloud(switches=("sw0", "sw1"))
    vms = [cloud.add_vm(n, n) for n in (1, 2)]
    nbctl = cloud.central.nbctl
    for number, vm in enumerate(vms, 1):
        nbctl("lsp-add", "sw1", f"c{number}", f"vm{number}", "42", "--",
              "lsp-set-addresses", f"c{number}",
              f"{TENANT_MAC % (40 + number)} 10.9.1.{40 + number}")
    cloud.set_mode("require", "sw1")
    frame = packets.udp_frame(TENANT_MAC % 41, "10.9.1.41", TENANT_MAC % 42,
                              "10.9.1.42", MARKER, vlan=42)
    sender = vms[0].packet_socket("e0")
    receiver = vms[1].packet_socket("e0")
    receiver.settimeout(0.2)

    def arrives():
        sender.send(frame)
        try:
            while True:
                if MARKER in receiver.recv(2048):
                    return True
        except TimeoutError:
            return False

    since = time.time()
    wait_until(arrives, "the container's packet arrives")
    assert cloud.sealed(since)
    assert not capture.count(cloud.pcap.now(), MARKER)
    # The machines themselves are on a switch that demands nothing.
    cloud.clear(*vms)


def test_multicast(make_cloud):
    """Multicast with snooping, to machines that joined, and relayed by the
    router."""
    cloud = make_cloud(n=3, switches=("sw0", "sw1"))
    cloud.add_router()
    vm1, vm2, vm3 = (cloud.add_vm(n, n, routed=True) for n in (1, 2, 3))
    vm4 = cloud.add_vm(2, 4, "sw1", net=1, routed=True)
    nbctl = cloud.central.nbctl
    nbctl("set", "logical_router", "lr0", "options:mcast_relay=true")
    for switch in ("sw0", "sw1"):
        nbctl("set", "logical_switch", switch,
              "other_config:mcast_snoop=true",
              "other_config:mcast_flood_unregistered=false")
    cloud.set_mode("require")
    members = [member(vm) for vm in (vm2, vm4)]
    stranger = vm3.packet_socket("e0")
    stranger.settimeout(0.2)
    cloud.encrypted(vm1, vm2)
    sender = vm1.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 8)

    def arrived():
        sender.sendto(MARKER, (GROUP, 7777))
        return all(receives(sock) for sock in members)

    wait_until(arrived, "the members get it")
    assert not capture.count(cloud.pcap.now(), MARKER)
    try:
        while True:
            assert MARKER not in stranger.recv(2048)
    except TimeoutError:
        pass


def member(vm):
    sock = vm.receiver()
    sock.settimeout(0.2)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                    socket.inet_aton(GROUP) + socket.inet_aton(vm.ip))
    return sock


def receives(sock):
    try:
        return sock.recv(100) == MARKER
    except TimeoutError:
        return False


def test_switch_behind_switch(make_cloud):
    """Directly connected switches: the demand follows the packet from the one
    that requires encryption into the one that does not, and back."""
    cloud = make_cloud(switches=("sw0", "sw1"))
    vm1 = cloud.add_vm(1, 1)
    vm2 = cloud.add_vm(2, 2, "sw1")
    vm3 = cloud.add_vm(1, 3, "sw1")
    cloud.central.nbctl(*(
        a for one, other in (("sw0", "sw1"), ("sw1", "sw0")) for a in (
            "--", "lsp-add", one, f"{one}-{other}",
            "--", "lsp-set-type", f"{one}-{other}", "switch",
            "--", "lsp-set-addresses", f"{one}-{other}", "unknown",
            "--", "lsp-set-options", f"{one}-{other}",
            f"peer={other}-{one}")))
    cloud.clear(vm1, vm2)
    cloud.set_mode("require")
    cloud.encrypted(vm1, vm2)
    cloud.encrypted(vm2, vm1)
    cloud.clear(vm3, vm2)


def test_large_transfers_in_both_directions(pair):
    cloud, vm1, vm2 = pair
    since = cloud.set_mode("require")
    vm1.reaches(vm2.ip)
    text = MARKER * 20000
    assert tcp_transfer(vm1, vm2, text) == text
    assert tcp_transfer(vm2, vm1, text) == text
    assert not capture.count(cloud.pcap.now(), MARKER, since)


TUNNELS = {
    "flow-based": {"ovn_enable_flow_based_tunnels": "true"},
    "IPv6 underlay": {"ovn_encap_ip": lambda hv: hv.ip6},
    "two addresses": {"ovn_encap_ip": lambda hv: f"{hv.ip},{hv.ip6}"},
    "monitor all": {"ovn_monitor_all": "true"},
}


@pytest.mark.parametrize("kind", TUNNELS)
def test_tunnels(make_cloud, kind):
    """With every kind of tunnel between chassis, one command is sufficient."""
    cloud = make_cloud(n=3, incapable=[3], **TUNNELS[kind])
    vm1, vm2, vm3 = (cloud.add_vm(n, n) for n in (1, 2, 3))
    cloud.clear(vm1, vm3)
    cloud.set_mode("require")
    cloud.encrypted(vm1, vm2)
    cloud.encrypted(vm2, vm1)
    cloud.refused(vm1, vm3)
    if kind == "IPv6 underlay":
        assert all(":" in r.src for r in cloud.sealed(0))


def test_tunnel_address_of_a_machine(make_cloud):
    """A chassis has several tunnel addresses: each machine uses the configured
    one, and packets are encrypted from each of them."""
    cloud = make_cloud(**TUNNELS["two addresses"])
    vms = [cloud.add_vm(n, n) for n in (1, 2)]
    cloud.set_mode("require")
    for address in ("ip6", "ip"):
        wanted = [getattr(hv, address) for hv in cloud.hvs]
        for hv, vm, ip in zip(cloud.hvs, vms, wanted):
            hv.vsctl("set", "Interface", vm.port,
                     f'external_ids:encap-ip="{ip}"')

        def passes(wanted=wanted):
            since = time.time()
            if vms[0].ping(vms[1].ip, 10, 0.02, wait=0.3).lost:
                return False
            time.sleep(0.2)
            seen = collections.Counter(r.src for r in cloud.sealed(since))
            return all(seen[ip] >= 10 for ip in wanted)

        wait_until(passes, f"packets go from {wanted}")
        cloud.encrypted(*vms)


def test_certificates_of_a_ca(pair):
    """Three settings on each host switch to a CA.  A host whose certificate is
    from another CA is then refused, although OVN pins it."""
    cloud, vm1, vm2 = pair
    hv1, hv2 = cloud.hvs
    mint = Mint(cloud.run)
    ca = mint.make_ca()

    def give(hv, issuer):
        own = mint.make(issuer, san=f"IP:{hv.ip}")
        hv.vsctl("set", "VNetEnc_Profile", "0", f'certificate="{own.cert}"',
                 f'private_key="{own.key}"', f'ca_cert="{ca.cert}"')
        other = hv2 if hv is hv1 else hv1
        wait_until(lambda: own.fingerprint in other.peer(
            hv.ip, "fingerprints"), "it is pinned")
        return own

    cloud.set_mode("require")
    own = [give(hv, ca) for hv in cloud.hvs]
    cloud.encrypted(vm1, vm2)
    wait_until(lambda: own[1].fingerprint in hv1.peer(
        hv2.ip, "peer_fingerprint"), "the certificate of the CA is shown")
    give(hv2, mint.make_ca())
    wait_until(lambda: vm1.ping(vm2.ip, 2, 0.05, wait=0.1).lost == 2,
               "it is refused")
    cloud.refused(vm1, vm2)
    wait_until(lambda: "issuer" in hv1.peer(hv2.ip, "last_error"),
               "the reason is told")
