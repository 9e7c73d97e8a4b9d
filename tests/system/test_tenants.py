# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Two tenants on three hosts, each with a credential of its own, while the
credentials change.

              hv1             hv2             hv3
    sw0       vm1 10.9.0.1    vm2 10.9.0.2    vm3 10.9.0.3      tenant a
    sw1       vm4 10.9.1.4    vm5 10.9.1.5    vm6 10.9.1.6      tenant b

The judge is the capture of the underlay.  The ClientHello of each session,
which is in clear, names the profile of the session, and tshark reads the VNI
of each record with the key logs.  So each record is attributed to a profile
and a network, whatever the hosts say of themselves."""

import bisect
import collections
import datetime
import re
import shutil
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import capture
from claims import tshark
from lab import pings
from runspace import PATIENCE, Failed, wait_until
from sslpeer import Mint

SNI = re.compile(rb"p(\d+)\.vnetenc\.invalid")
INTERVAL = 0.05
CHUNK = b"tenants' payload " * 100
SHORT_S = 40 * PATIENCE         # Life of a certificate that expires.


class Stream:
    """A TCP connection that carries data all the time."""

    def __init__(self, src, dst):
        self.src, self.dst = src, dst
        self.sent = self.received = 0
        self._stopping = threading.Event()
        self._listener = dst.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.bind((dst.ip, 5001))
        self._listener.listen()
        self._threads = [threading.Thread(target=target, daemon=True)
                         for target in (self._receive, self._send)]
        for thread in self._threads:
            thread.start()

    def _receive(self):
        connection, _ = self._listener.accept()
        with connection:
            while data := connection.recv(65536):
                self.received += len(data)

    def _send(self):
        with self.src.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.connect((self.dst.ip, 5001))
            while not self._stopping.wait(INTERVAL):
                sock.sendall(CHUNK)
                self.sent += len(CHUNK)

    def stop(self):
        """Ends the connection; true if all data has arrived."""
        self._stopping.set()
        for thread in reversed(self._threads):
            thread.join(20 * PATIENCE)
        self._listener.close()
        return self.sent and self.received == self.sent


class Tenant:
    """A switch, its machines, and the profiles that it may be under."""

    def __init__(self, cloud, name, switch, net, first):
        self.cloud, self.name, self.switch = cloud, name, switch
        self.vms = [cloud.add_vm(hv, first + hv - 1, switch, net=net)
                    for hv in (1, 2, 3)]
        self.periods = []               # [(since, profiles)].

    def may(self, *profiles):
        """From now on, its packets may be under these profiles."""
        self.periods.append((time.time(), set(profiles)))

    def allowed(self, when):
        """The profiles at the time 'when'."""
        at = bisect.bisect([since for since, _ in self.periods], when) - 1
        return self.periods[at][1] if at >= 0 else {0}

    def pairs(self, *numbers):
        """Pairs of machines on these hosts."""
        vms = [self.vms[number - 1] for number in numbers]
        return [(a, b) for i, a in enumerate(vms) for b in vms[i + 1:]]

    def ping_all(self, *numbers):
        return [a.ping_start(b.ip, 10000, INTERVAL)
                for a, b in self.pairs(*numbers)]

    def reach_all(self):
        for a, b in self.pairs(1, 2, 3):
            a.reaches(b.ip, timeout=15)

    def create(self, name, number, *authorities):
        self.cloud.central.nbctl(
            "create", "Encryption_Credential", f"name={name}", f"id={number}",
            "chassis=hv1,hv2,hv3",
            "certificates=" + ",".join(f'"{ca.fingerprint}"'
                                       for ca in authorities))

    def use(self, name):
        """Returns when the former credential is refused."""
        self.cloud.in_effect(
            "--", "--id=@c", "get", "Encryption_Credential", name, "--",
            "set", "logical_switch", self.switch, "encryption_credential=@c")


class Site:
    """A cloud whose hosts have certificates of each tenant's CAs."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.mint = Mint(cloud.run)
        self.started = time.time()
        for hv in cloud.hvs:
            hv.keylog()
            (hv.dir / "vnetenc/credentials").mkdir(mode=0o700)
        self.a = Tenant(cloud, "a", "sw0", 0, 1)
        self.b = Tenant(cloud, "b", "sw1", 1, 4)

    def issue(self, ca, hv, name, **how):
        """Puts a certificate for the host into its directory."""
        made = self.mint.make(ca, san=f"IP:{hv.ip}", **how)
        target = hv.dir / f"vnetenc/credentials/{name}.pem"
        # The directory is read at any time: the file appears as a whole.
        new = target.with_suffix(".new")
        new.touch(0o600)
        new.write_text("".join(file.read_text() for file in
                               (made.cert, ca.cert, made.key)))
        new.rename(target)
        return made

    def peer_fingerprints(self, hv, profile):
        """{address: fingerprints that the peer has shown} of the sessions
        under the profile."""
        found = collections.defaultdict(set)
        for peer in hv.show_json()["peers"]:
            for session in peer["sessions"]:
                if (session.get("profile") == profile
                        and session.get("state") == "up"):
                    found[peer["remote_ip"]].add(
                        session.get("peer_fingerprint"))
        return found

    def rekey(self):
        for hv in self.cloud.hvs:
            for other in self.cloud.hvs:
                if other is not hv:
                    hv.appctl("vnetenc/rekey", other.ip)

    def wait_shown(self, profile, made):
        """Makes new sessions until all under the profile are made with the
        certificates `made`, one for each host."""
        def all_new():
            if self.all_show(profile, made):
                return True
            self.rekey()
            time.sleep(0.5)
            return False

        wait_until(all_new, f"the certificates of profile {profile}",
                   timeout=30)

    def all_show(self, profile, made):
        wanted = {hv.ip: {cert.fingerprint}
                  for hv, cert in zip(self.cloud.hvs, made)}
        return all(self.peer_fingerprints(hv, profile)
                   == {ip: shown for ip, shown in wanted.items()
                       if ip != hv.ip} for hv in self.cloud.hvs)


def begun(path):
    """{(initiator, lane port, responder): [(time, profile)]} by the
    ClientHellos of a capture."""
    found = collections.defaultdict(list)
    for datagram in capture.datagrams(path):
        if datagram.dport == capture.DTLS and datagram.payload[:1] == b"\x16":
            name = SNI.search(datagram.payload)
            if name:
                found[datagram.src, datagram.sport, datagram.dst].append(
                    (datagram.time, int(name[1])))
    return found


def attributed(site, path):
    """[(time, VNI, profile, when the session began)] of each sealed packet of
    a capture.  Fails with a record that is not attributed."""
    keys = site.cloud.run.dir / "keys.txt"
    keys.write_text("".join(hv.keylog_file.read_text()
                            for hv in site.cloud.hvs))
    sessions = begun(path)
    lines = tshark(site.cloud.run, path, keys, "dtls and geneve",
                   "frame.time_epoch", "ip.src", "udp.srcport", "udp.dstport",
                   "ip.dst", "geneve.vni")
    datagrams = {(r.time, r.src, r.sport) for r in capture.data_records(path)}
    assert len(lines) == len(datagrams), "records that nobody can read"
    found = []
    for line in lines:
        fields = [field.split(",")[0] for field in line.split("\t")]
        when, vni = float(fields[0]), int(fields[5], 0)
        if not vni:                 # Probes and their answers.
            continue
        assert int(fields[3]) == capture.DTLS
        hellos = sessions[fields[1], int(fields[2]), fields[4]]
        at = bisect.bisect([begin for begin, _ in hellos], when) - 1
        assert at >= 0, f"a session without ClientHello: {line}"
        found.append((when, vni, hellos[at][1], hellos[at][0]))
    return found


def judge(site, reused):
    """Each packet was under a profile of its network.  `reused` is the time
    from which profile 5 was another one."""
    names = {site.cloud.tunnel_key(tenant.switch): tenant
             for tenant in (site.a, site.b)}
    seen = collections.Counter()
    # The capture goes on.
    path = shutil.copy(site.cloud.pcap.now(), site.cloud.run.dir / "now.pcap")
    for when, vni, profile, begin in attributed(site, path):
        tenant = names[vni]
        assert profile in tenant.allowed(when), (
            f"{when:.3f}: a packet of {tenant.switch} under profile"
            f" {profile}, not {tenant.allowed(when)}")
        if profile == 5 and when >= reused:
            assert begin >= reused, "a session of the former credential"
        seen[tenant.name, profile] += 1
    # Without these, nothing was judged.
    assert min(seen[key] for key in (("a", 5), ("a", 7), ("b", 6),
                                     ("b", 5))) > 100, seen


def test_tenants(make_cloud):
    """Credentials are added, rotated, expire, are revoked, are deleted while
    they are used, and their ids are used again.  No packet is under another
    profile than one of its network, none is in clear (the cloud's judge), and
    none is lost but those of the host that is revoked."""
    cloud = make_cloud(n=3, switches=("sw0", "sw1"))
    central = cloud.central
    site = Site(cloud)
    a, b = site.a, site.b
    hv1 = cloud.hvs[0]
    cloud.set_mode("require", "sw0", "sw1")
    ca_a, ca_b, new_b = (site.mint.make_ca() for _ in range(3))
    for hv in cloud.hvs:
        site.issue(ca_a, hv, "a")
    of_b = [site.issue(ca_b, hv, "b") for hv in cloud.hvs]
    for tenant in (a, b):
        tenant.reach_all()
    running = [*a.ping_all(1, 2, 3), *b.ping_all(1, 2)]
    rest = [b.vms[0].ping_start(b.vms[2].ip, 10000, INTERVAL),
            b.vms[1].ping_start(b.vms[2].ip, 10000, INTERVAL)]
    streams = [Stream(*pair) for tenant in (a, b)
               for pair in tenant.pairs(1, 2)] + [Stream(*a.pairs(2, 3)[0])]

    # Added.  The certificate that hv1 shows for b, the one that began last,
    # will expire.
    short = site.issue(ca_b, hv1, "short",
                       starts=datetime.timedelta(seconds=-1),
                       ends=datetime.timedelta(seconds=SHORT_S))
    expires = time.time() + SHORT_S
    a.create("a", 5, ca_a)
    b.create("b", 6, ca_b)
    a.may(0, 5)
    b.may(0, 6)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda t: t.use(t.name), (a, b)))
    a.may(5)
    b.may(6)
    site.wait_shown(6, [short, *of_b[1:]])

    # Deleted while it is used.
    with pytest.raises(Failed, match="referential integrity"):
        central.nbctl("destroy", "Encryption_Credential", "a")

    # The CA of b is replaced, while a changes its credential.
    a.create("a7", 7, ca_a)
    a.may(5, 7)
    with ThreadPoolExecutor() as pool:
        changed = pool.submit(a.use, "a7")
        wait_until(lambda: time.time() > expires, "the certificate expires",
                   timeout=SHORT_S)
        site.wait_shown(6, of_b)
        again = [site.issue(new_b, hv, "b-new") for hv in cloud.hvs]
        central.nbctl("--wait=hv", "add", "Encryption_Credential", "b",
                      "certificates", f'"{new_b.fingerprint}"')
        site.wait_shown(6, again)
        central.nbctl("--wait=hv", "remove", "Encryption_Credential", "b",
                      "certificates", f'"{ca_b.fingerprint}"')
        changed.result()
    a.may(7)

    # Revoked: hv3 in b, and nothing else.
    assert not sum(pings(process, stop=True).lost for process in rest)
    central.nbctl("--wait=hv", "add", "Encryption_Credential", "b", "revoked",
                  f'"{again[2].fingerprint}"')
    for vm in b.vms[:2]:
        cloud.refused(vm, b.vms[2])
        assert b.vms[2].ping(vm.ip, 5, 0.02, wait=0.3).lost == 5
    central.nbctl("--wait=hv", "remove", "Encryption_Credential", "b",
                  "revoked", f'"{again[2].fingerprint}"')
    for hv in (0, 1):
        b.vms[hv].reaches(b.vms[2].ip, timeout=15)
    running += [b.vms[hv].ping_start(b.vms[2].ip, 10000, INTERVAL)
                for hv in (0, 1)]

    # The id of the former credential of a becomes that of one of b.
    central.nbctl("--wait=hv", "destroy", "Encryption_Credential", "a")
    reused = time.time()
    b.create("b5", 5, new_b)
    b.may(6, 5)
    b.use("b5")
    b.may(5)
    time.sleep(0.5)

    lost = sum(pings(process, stop=True).lost for process in running)
    arrived = [stream.stop() for stream in streams]
    judge(site, reused)
    assert not lost
    assert all(arrived)
