# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Other encrypted tunnels, each between two namespaces that a veth joins:

    [a]  tunnel 10.8.0.1  ==  u 172.31.0.1 --- u 172.31.0.2  ==  10.8.0.2 [b]

Each is set up as its manual says, with AES-256-GCM if it has that, with an
inner MTU of 1400, and with one connection and no other work."""

import base64
import hashlib
import re

import packages
from runspace import Failed, wait_until

OUTER = {"a": "172.31.0.1", "b": "172.31.0.2"}
INNER = {"a": "10.8.0.1", "b": "10.8.0.2"}
OTHER = {"a": "b", "b": "a"}
MTU = 1400
PACKAGES = """fastd iperf3 libcharon-extra-plugins
    libstrongswan-standard-plugins nebula ocserv openconnect openvpn
    strongswan-charon strongswan-swanctl tinc wireguard-go
    wireguard-tools""".split()


class Peer:
    """A tunnel between two namespaces; each subclass is one kind."""

    name = None
    cipher = None
    package = None
    server = INNER["b"]

    def __init__(self, run, root):
        self.run = run
        self.root = root
        self.dir = run.folder(self.name)
        self.daemons = []
        self.netns = {end: run.add_netns(f"{self.name}-{end}")
                      for end in OUTER}
        run.ip(self.netns["a"],
               f"link add u type veth peer name u netns {self.netns['b']}")
        for end, netns in self.netns.items():
            run.ip(netns, f"addr add {OUTER[end]}/24 dev u",
                   "link set dev u up")
            (self.dir / end / "run").mkdir(parents=True)
        self.start()
        wait_until(lambda: run.cmd("ping", "-c", 1, "-W", 1, self.server,
                                   netns=self.netns["a"], check=False
                                   ).count("bytes from"),
                   f"{self.name} is up", timeout=20)

    def start(self):
        raise NotImplementedError

    def inside(self, end):
        """A prefix for a command that runs at `end'."""
        return packages.inside(self.root, self.dir / end / "run")

    def daemon(self, end, *argv, **kwargs):
        """Starts a daemon in the foreground."""
        process = self.run.spawn(*self.inside(end), *argv, name=f"d{end}",
                                 netns=self.netns[end],
                                 folder=self.dir / end, **kwargs)
        self.daemons.append(process)
        return process

    def cmd(self, end, *argv, **kwargs):
        return self.run.cmd(*self.inside(end), *argv,
                            netns=self.netns[end], **kwargs)

    def file(self, end, name, text):
        path = self.dir / end / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o700)
        return path

    def device(self, end, name):
        """Gives a tunnel device its address as soon as it exists."""
        wait_until(lambda: name in self.run.cmd("ip", "-n", self.netns[end],
                                                "-o", "link"),
                   f"{self.name} has made {name}")
        self.run.ip(self.netns[end],
                    f"addr add {INNER[end]}/24 dev {name}",
                    f"link set dev {name} mtu {MTU} up")

    def certificates(self):
        """A key and a certificate for each end, in key.pem and cert.pem."""
        for end in OUTER:
            self.run.cmd("openssl", "req", "-x509", "-newkey", "ec",
                         "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                         "-subj", f"/CN={end}", "-days", 30,
                         "-keyout", self.dir / end / "key.pem",
                         "-out", self.dir / end / "cert.pem")


class WireGuard(Peer):
    name, package = "wireguard-go", "wireguard-go"
    cipher = "ChaCha20-Poly1305"

    def start(self):
        public = {}
        for end in OUTER:
            key = self.cmd(end, "wg", "genkey")
            self.file(end, "key", key)
            public[end] = self.cmd(end, "wg", "pubkey", stdin=key).strip()
            self.daemon(end, "wireguard-go", "-f", "wg0")
            self.device(end, "wg0")
        for end in OUTER:
            wait_until(lambda: (self.dir / end / "run/wireguard/wg0.sock"
                                ).exists(), "wireguard-go listens")
            self.cmd(end, "wg", "set", "wg0", "private-key",
                     self.dir / end / "key", "listen-port", 5000, "peer",
                     public[OTHER[end]], "endpoint",
                     f"{OUTER[OTHER[end]]}:5000", "allowed-ips",
                     f"{INNER[OTHER[end]]}/32")


class OpenVpn(Peer):
    name, package = "openvpn", "openvpn"
    cipher = "AES-256-GCM"

    def start(self):
        self.certificates()
        for end, role in (("b", ["--tls-server", "--dh", "none"]),
                          ("a", ["--tls-client", "--remote", OUTER["b"]])):
            digest = self.run.cmd("openssl", "x509", "-noout", "-sha256",
                                  "-fingerprint", "-in",
                                  self.dir / OTHER[end] / "cert.pem")
            self.daemon(
                end, "openvpn", "--dev", "tun0", "--dev-type", "tun",
                "--proto", "udp", "--tun-mtu", MTU, "--mssfix", 0,
                "--data-ciphers", self.cipher, "--disable-dco",
                "--txqueuelen", 1000, *role,
                "--cert", self.dir / end / "cert.pem",
                "--key", self.dir / end / "key.pem",
                "--peer-fingerprint", digest.partition("=")[2].strip(),
                "--ifconfig", INNER[end], INNER[OTHER[end]])


class Ocserv(Peer):
    name, package = "ocserv", "ocserv"
    cipher = "DTLS 1.2, AES-256-GCM"
    server = "10.8.0.1"

    def start(self):
        self.certificates()
        self.cmd("b", "ocpasswd", "-c", self.dir / "b/passwords", "u",
                 stdin="word\nword\n")
        conf = self.file("b", "ocserv.conf", "\n".join((
            f'auth = "plain[passwd={self.dir}/b/passwords]"',
            "tcp-port = 443", "udp-port = 443", "run-as-user = root",
            "run-as-group = root", f"socket-file = {self.dir}/b/socket",
            f"server-cert = {self.dir}/b/cert.pem",
            f"server-key = {self.dir}/b/key.pem", "device = vpns",
            "ipv4-network = 10.8.0.0", "ipv4-netmask = 255.255.255.0",
            "mtu = 1480", "dpd = 90", "keepalive = 300",
            "try-mtu-discovery = false", "isolate-workers = false",
            "max-clients = 4", "rekey-time = 0", "")))
        self.daemon("b", "ocserv", "-f", "-c", conf)
        wait_until(lambda: ":443" in self.run.cmd(
            "ss", "-Hltn", netns=self.netns["b"]), "ocserv listens")
        script = self.file("a", "script", f"""#!/bin/sh
[ "$reason" = connect ] || exit 0
ip link set $TUNDEV mtu {MTU} up
ip addr add $INTERNAL_IP4_ADDRESS/24 dev $TUNDEV
""")
        der = self.run.cmd(
            "sh", "-c", f"openssl x509 -noout -pubkey -in {self.dir}/b/"
            "cert.pem | openssl pkey -pubin -outform der | base64 -w0")
        pin = base64.b64encode(hashlib.sha256(base64.b64decode(der)).digest())
        client = self.daemon(
            "a", "sh", "-c", "echo word | openconnect -u u --passwd-on-stdin"
            f" --servercert pin-sha256:{pin.decode()} --mtu 1480"
            f" --base-mtu 1500 -i oc0 --script {script}"
            f" https://{OUTER['b']}")
        wait_until(lambda: "Established DTLS" in client.output()
                   or "DTLS connected" in client.output(),
                   "openconnect has DTLS")


class Fastd(Peer):
    name, package = "fastd", "fastd"
    cipher = "Salsa2012, UMAC"

    def start(self):
        keys = {end: re.findall(r"(?:Secret|Public): (\w+)", self.cmd(
            end, "sh", "-c", "fastd --generate-key 2>&1")) for end in OUTER}
        for end in OUTER:
            conf = self.file(end, "fastd.conf", f"""
log level warn;
mode tun;
interface "fd0";
method "salsa2012+umac";
bind any:6000;
mtu {MTU};
secret "{keys[end][0]}";
peer "p" {{ key "{keys[OTHER[end]][1]}";
           remote {OUTER[OTHER[end]]}:6000; }}
""")
            self.daemon(end, "fastd", "-c", conf)
            self.device(end, "fd0")


class Nebula(Peer):
    name, package = "nebula", "nebula"
    cipher = "AES-256-GCM"

    def start(self):
        top = self.dir
        self.cmd("a", "nebula-cert", "ca", "-name", "t", "-out-crt",
                 top / "ca.crt", "-out-key", top / "ca.key")
        for end in OUTER:
            self.cmd(end, "nebula-cert", "sign", "-name", end, "-ip",
                     f"{INNER[end]}/24", "-ca-crt", top / "ca.crt", "-ca-key",
                     top / "ca.key", "-out-crt", top / end / "crt",
                     "-out-key", top / end / "key")
            other = OTHER[end]
            allow = "[{port: any, proto: any, host: any}]"
            conf = self.file(end, "nebula.yml", f"""
pki: {{ca: {top}/ca.crt, cert: {top}/{end}/crt, key: {top}/{end}/key}}
static_host_map: {{"{INNER[other]}": ["{OUTER[other]}:4242"]}}
lighthouse: {{am_lighthouse: false}}
listen: {{host: 0.0.0.0, port: 4242, batch: 64}}
tun: {{dev: nb0, mtu: {MTU}, tx_queue: 1000}}
cipher: aes
firewall: {{outbound: {allow}, inbound: {allow}}}
""")
            self.daemon(end, "nebula", "-config", conf)


class Tinc(Peer):
    name, package = "tinc", "tinc"
    cipher = "AES-256-CBC, SHA256"

    def start(self):
        for end in OUTER:
            self.file(end, "tinc.conf", f"Name = {end}\nInterface = tc0\n"
                      f"ConnectTo = {OTHER[end]}\nMode = router\n")
            self.file(end, "tinc-up", "#!/bin/sh\n"
                      f"ip link set tc0 mtu {MTU} up\n"
                      f"ip addr add {INNER[end]}/24 dev tc0\n")
            self.file(end, f"hosts/{end}",
                      f"Address = {OUTER[end]}\nSubnet = {INNER[end]}/32\n"
                      "Cipher = aes-256-cbc\nDigest = sha256\n")
            self.cmd(end, "tincd", "-c", self.dir / end, "-K2048", stdin="")
        for end in OUTER:
            other = OTHER[end]
            self.file(other, f"hosts/{end}",
                      (self.dir / end / "hosts" / end).read_text())
        for end in OUTER:
            self.daemon(end, "tincd", "-c", self.dir / end, "-D",
                        f"--pidfile={self.dir}/{end}/pid")


class Libipsec(Peer):
    name, package = "strongswan", "strongswan-charon"
    cipher = "ESP in UDP, AES-256-GCM"

    def start(self):
        for end in OUTER:
            self._start_end(end)
        for end in OUTER:
            wait_until(lambda: (self.dir / end / "vici").exists(),
                       "charon listens")
            self._swanctl(end, "--load-all", "--file",
                          self.dir / end / "swanctl.conf")
        self._swanctl("a", "--initiate", "--child", "c")
        for end in OUTER:
            self.run.ip(self.netns[end], f"link set dev ipsec0 mtu {MTU}")

    def _start_end(self, end):
        top, other = self.dir / end, OTHER[end]
        conf = self.file(end, "strongswan.conf", f"""
charon {{
    load = random nonce openssl pem pkcs1 x509 pubkey curve25519 hmac kdf \
kernel-libipsec kernel-netlink socket-default vici updown
    install_routes = yes
    plugins {{
        kernel-libipsec {{ load = yes }}
        vici {{ socket = unix://{top}/vici }}
    }}
    filelog {{ {top}/log {{ default = 1 }} }}
}}
""")
        self.env = {"STRONGSWAN_CONF": str(conf)}
        self.file(end, "swanctl.conf", f"""
connections {{ t {{
    version = 2
    local_addrs = {OUTER[end]}
    remote_addrs = {OUTER[other]}
    proposals = aes256gcm16-prfsha256-ecp256
    encap = yes
    local {{ auth = psk
             id = {end} }}
    remote {{ auth = psk
              id = {other} }}
    children {{ c {{
        local_ts = {INNER[end]}/32
        remote_ts = {INNER[other]}/32
        esp_proposals = aes256gcm16
        rekey_time = 0
    }} }}
}} }}
secrets {{ ike-1 {{ secret = abcdef }} }}
""")
        self.run.ip(self.netns[end], f"addr add {INNER[end]}/32 dev lo")
        self.daemon(end, "/usr/lib/ipsec/charon", env=self.env)

    def _swanctl(self, end, *argv):
        self.cmd(end, "swanctl", *argv, "--uri", f"unix://{self.dir}/{end}/"
                 "vici", env={"STRONGSWAN_CONF": str(self.dir / end
                                                     / "strongswan.conf")})


ALL = (WireGuard, OpenVpn, Ocserv, Libipsec, Nebula, Fastd, Tinc)


def start_all(run, root):
    """Starts all peers; returns the peers that are up, and the errors of the
    others by name."""
    up, failures = [], {}
    for kind in ALL:
        try:
            up.append(kind(run, root))
        except Failed as failure:
            failures[kind.name] = str(failure)[-500:]
    return up, failures
