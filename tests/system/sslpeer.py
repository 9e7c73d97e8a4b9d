# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The independent peer: the openssl tool as DTLS client and server, with good
and bad certificates."""

import dataclasses
import datetime
import hashlib
import pathlib
import ssl
import subprocess

from runspace import wait_until

DAY = datetime.timedelta(days=1)

CA_CONFIG = """\
[ca]
default_ca = own
[own]
database = {dir}/index.txt
new_certs_dir = {dir}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = supplied
"""


@dataclasses.dataclass
class Credential:
    cert: pathlib.Path
    key: pathlib.Path
    chain: tuple = ()           # Certificates between it and the CA.

    @property
    def fingerprint(self):
        der = ssl.PEM_cert_to_DER_cert(self.cert.read_text())
        return "sha256:" + hashlib.sha256(der).hexdigest()


class Mint:
    """Makes certificates."""

    def __init__(self, run):
        self.run = run
        self.dir = run.folder("mint")
        (self.dir / "index.txt").touch()
        self._config = self.dir / "ca.cnf"
        self._config.write_text(CA_CONFIG.format(dir=self.dir))
        self._n = 0

    def make(self, issuer=None, san="", starts=-DAY, ends=7 * DAY,
             key="ec:P-256", is_ca=False, name="peer"):
        """A certificate signed by `issuer` or by itself."""
        self._n += 1
        base = self.dir / f"{name}{self._n}"
        made = Credential(base.with_suffix(".pem"), base.with_suffix(".key"))
        request, extensions = base.with_suffix(".csr"), base.with_suffix(
            ".ext")
        kind, _, size = key.partition(":")
        self.run.cmd(
            "openssl", "req", "-new", "-nodes", "-subj", f"/CN={name}",
            "-keyout", made.key, "-out", request,
            *(("-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{size}")
              if kind == "ec" else ("-newkey", f"rsa:{size}")))
        extensions.write_text("\n".join((
            f"basicConstraints=critical,CA:{'true' if is_ca else 'false'}",
            *((f"subjectAltName={san}",) if san else ()), "")))
        now = datetime.datetime.now(datetime.timezone.utc)
        self.run.cmd(
            "openssl", "ca", "-batch", "-notext", "-config", self._config,
            "-in", request, "-out", made.cert, "-extfile", extensions,
            "-startdate", f"{now + starts:%Y%m%d%H%M%SZ}",
            "-enddate", f"{now + ends:%Y%m%d%H%M%SZ}",
            *(("-cert", issuer.cert, "-keyfile", issuer.key) if issuer else
              ("-selfsign", "-keyfile", made.key)))
        if issuer and is_ca:
            made.chain = (made.cert, *issuer.chain)
        elif issuer:
            made.chain = issuer.chain
        return made

    def make_ca(self, issuer=None, **kwargs):
        return self.make(issuer, is_ca=True, name="ca", **kwargs)

    def without_master_secret_extension(self):
        """Environment in which openssl does not use RFC 7627."""
        config = self.dir / "no-ems.cnf"
        config.write_text("openssl_conf = main\n[main]\nssl_conf = ssl\n"
                          "[ssl]\nsystem_default = all\n"
                          "[all]\nOptions = -ExtendedMasterSecret\n")
        return {"OPENSSL_CONF": str(config)}


def _credential_options(credential):
    if credential is None:
        return []
    options = ["-cert", credential.cert, "-key", credential.key]
    if credential.chain:
        chain = credential.cert.with_suffix(".chain")
        chain.write_text("".join(c.read_text() for c in credential.chain))
        options += ["-cert_chain", chain]
    return options


class Tool:
    """A running openssl s_client or s_server."""

    def __init__(self, host, options, env):
        self._process = host.run.spawn(
            "openssl", *options, netns=host.netns, env=env,
            stdin=subprocess.PIPE)

    def send(self, data):
        """Sends `data` as one record of application data."""
        self._process.popen.stdin.write(data)
        self._process.popen.stdin.flush()

    def text(self):
        return self._process.output()

    def received(self):
        return self._process.log.read_bytes()

    def stop(self):
        if self._process.alive():
            self._process.stop()


class Client(Tool):
    """s_client: connects from `host` to the DTLS port of `target`."""

    def __init__(self, host, target, credential, sni="p0.vnetenc.invalid",
                 alpn="vnetenc/1", version="-dtls1_2", options=(), env=None):
        where = f"[{target}]" if ":" in target else target
        super().__init__(host, [
            "s_client", version, "-connect", f"{where}:6082", "-ign_eof",
            "-nocommands", *_credential_options(credential),
            *(("-servername", sni) if sni else ("-noservername",)),
            *(("-alpn", alpn) if alpn else ()), *options], env)

    def established(self):
        """True when the handshake is done and s_client has told all of it.
        s_client also names a cipher after a late failure."""
        text = self.text()
        return ("Cipher is ECDHE" in text and "Extended master secret:" in text
                and ":error:" not in text)

    def wait_established(self):
        wait_until(self.established, "s_client has a session")

    def ended(self):
        return not self._process.alive()


class Server(Tool):
    """s_server on the DTLS port of `host`; writes the decrypted data.

    It has no server name, because with one it would not negotiate ALPN."""

    def __init__(self, host, credential, alpn="vnetenc/1",
                 version="-dtls1_2", verify="-Verify", port=6082, options=(),
                 env=None):
        super().__init__(host, [
            "s_server", version, "-accept", f"{host.ip}:{port}", "-quiet",
            *((verify, "3") if verify else ()),
            *_credential_options(credential),
            *(("-alpn", alpn) if alpn else ()), *options], env)
        wait_until(lambda: f":{port:04X} " in host.cmd(
            "cat", "/proc/net/udp", "/proc/net/udp6"), "s_server listens")
