# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""An OVN deployment: a central whose southbound database is served over TLS
with role-based access, and hypervisors registered with it."""

from lab import MANAGEMENT, VM
from runspace import PATIENCE, Failed, serves, wait_until

SB_PORT = 6642


class Authority:
    """The certificate authority for TLS of the databases, not for tunnels."""

    def __init__(self, run, name):
        self.run = run
        self.dir = run.folder(f"pki-{name}")
        self.cert = self.dir / "ca.pem"
        self._key = self.dir / "ca-key.pem"
        run.cmd("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-days", 2, "-subj",
                "/CN=control plane CA", "-keyout", self._key, "-out",
                self.cert)

    def issue(self, name):
        """(key, certificate) for `name`; role-based access compares the CN
        with the chassis' system-id."""
        key, cert = self.dir / f"{name}-key.pem", self.dir / f"{name}.pem"
        request = self.dir / f"{name}.csr"
        self.run.cmd("openssl", "req", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-nodes", "-subj",
                     f"/CN={name}", "-keyout", key, "-out", request)
        self.run.cmd("openssl", "x509", "-req", "-in", request, "-CA",
                     self.cert, "-CAkey", self._key, "-CAcreateserial",
                     "-days", 2, "-out", cert)
        return key, cert


def tls_options(authority, name):
    key, cert = authority.issue(name)
    return [f"--private-key={key}", f"--certificate={cert}",
            f"--ca-cert={authority.cert}"]


def start_database(owner, name, options=()):
    """Makes database `name` in the folder of `owner` and serves it; returns
    the server."""
    database = owner.dir / f"{name}.db"
    owner.run.cmd(owner.tree.program("ovsdb-tool"), "create", database,
                  owner.tree.ovn_src / f"ovn-{name}.ovsschema")
    server = owner.run.spawn(
        owner.tree.program("ovsdb-server"), database,
        f"--remote=punix:{owner.dir}/{name}.sock", *options,
        f"--unixctl={owner.dir}/{name}.ctl",
        f"--log-file={owner.dir}/{name}.log", "-vconsole:off",
        name=f"ovsdb-{name}", netns=owner.netns, env=owner.env,
        folder=owner.dir)
    wait_until(lambda: serves(owner.dir / f"{name}.sock"), f"{name} database")
    return server


class Central:
    """NB and SB databases and ovn-northd."""

    def __init__(self, underlay, tree, name="central", sb_port=SB_PORT):
        self.run = run = underlay.run
        self.tree = tree
        self._lrps = []
        self.netns = underlay.netns
        self.dir = run.folder(name)
        self.sb_remote = f"ssl:{MANAGEMENT % 254}:{sb_port}"
        self.env = {f"{p}_{d}DIR": str(self.dir) for p in ("OVS", "OVN")
                    for d in ("RUN", "LOG", "DB", "SYSCONF")}
        self.authority = Authority(run, name)
        start_database(self, "nb")
        start_database(self, "sb", [
            "--remote=db:OVN_Southbound,SB_Global,connections",
            *tls_options(self.authority, "central")])
        self.nbctl("init")
        self.sbctl("init")
        self.northd_ctl = self.dir / "northd.ctl"
        self.northd = run.spawn(
            tree.program("ovn-northd"), f"--ovnnb-db=unix:{self.dir}/nb.sock",
            f"--ovnsb-db=unix:{self.dir}/sb.sock",
            f"--unixctl={self.northd_ctl}",
            f"--log-file={self.dir}/northd.log", "-vconsole:off",
            netns=self.netns, env=self.env, folder=self.dir)
        # The database admits chassis only when their role exists.
        self.nbctl("--wait=sb", "sync")
        self.sbctl("set-connection", "role=ovn-controller",
                   f"pssl:{sb_port}:{MANAGEMENT % 254}")

    def nbctl(self, *args, check=True):
        return self.run.cmd(self.tree.program("ovn-nbctl"),
                            f"--timeout={30 * PATIENCE}",
                            f"--db=unix:{self.dir}/nb.sock", *args,
                            env=self.env, timeout=35, check=check).strip()

    def sbctl(self, *args, check=True):
        return self.run.cmd(self.tree.program("ovn-sbctl"),
                            f"--timeout={15 * PATIENCE}",
                            f"--db=unix:{self.dir}/sb.sock", *args,
                            env=self.env, check=check).strip()

    def sbctl_as(self, hv, *args):
        """Runs ovn-sbctl as the chassis `hv`, over TLS.  It gives up if the
        database does not greet within a second."""
        def attempt():
            try:
                return [self.run.cmd(
                    self.tree.program("ovn-sbctl"),
                    f"--timeout={5 * PATIENCE}", f"--db={self.sb_remote}",
                    *hv.sb_tls, *args, netns=self.netns, env=self.env)]
            except Failed as error:
                if "database connection failed" in str(error):
                    return None
                raise
        return wait_until(attempt, "the database greets")[0].strip()

    def sync(self):
        """Returns when every chassis has done all changes of NB."""
        self.nbctl("--wait=hv", "sync")

    def register(self, hv, **external_ids):
        """Makes `hv` a chassis: starts its ovn-controller.  Values may be
        functions of `hv`."""
        hv.sb_tls = tls_options(self.authority, hv.name)
        hv.vsctl("set", "Open_vSwitch", ".", *(
            f'external_ids:{k}="{v}"' for k, v in (
                ("ovn-remote", self.sb_remote),
                ("ovn-encap-type", "geneve"), ("ovn-encap-ip", hv.ip),
                ("ovn-bridge-datapath-type", hv.datapath),
                *((k.replace("_", "-"), v(hv) if callable(v) else v)
                  for k, v in external_ids.items()))))
        hv.controller = self.run.spawn(
            self.tree.program("ovn-controller"), f"unix:{hv.dir}/db.sock",
            f"--pidfile={hv.dir}/ovn-controller.pid",
            f"--log-file={hv.dir}/oc.log", "-vconsole:off", *hv.sb_tls,
            netns=hv.netns, env=hv.env, folder=hv.dir)

    def add_switch(self, name="sw0"):
        self.nbctl("ls-add", name)

    def add_router(self, name, *switches):
        """A logical router with a port in each of the switches; the port in
        switch number N has the address 10.9.N.254."""
        self.nbctl("lr-add", name)
        for net, switch in enumerate(switches):
            self.attach(name, switch, f"10.9.{net}.254/24")

    def attach(self, router, switch, address):
        """A port of the router in the switch."""
        port = f"{router}-{switch}"
        self._lrps.append(port)
        self.nbctl("lrp-add", router, port,
                   f"0a:7e:5c:fe:01:{len(self._lrps):02x}",
                   address,
                   "--", "lsp-add", switch, f"{switch}-{router}",
                   "--", "lsp-set-type", f"{switch}-{router}", "router",
                   "--", "lsp-set-addresses", f"{switch}-{router}", "router",
                   "--", "lsp-set-options", f"{switch}-{router}",
                   f"router-port={port}")
        return port

    def add_vm(self, hv, number, switch="sw0", net=0, routed=False):
        """A VM on `hv`, on a port of the logical switch, whose network is
        number `net`."""
        vm = VM(hv, number, iface_id=f"vm{number}",
                ip=f"10.9.{net}.{number}",
                gateway=f"10.9.{net}.254" if routed else None)
        self.nbctl("lsp-add", switch, f"vm{number}", "--",
                   "lsp-set-addresses", f"vm{number}", f"{vm.mac} {vm.ip}")
        return vm


class Interconnection:
    """The databases of OVN interconnection, and one ovn-ic for each zone."""

    def __init__(self, *zones):
        self.run = run = zones[0].run
        self.tree = zones[0].tree
        self.netns = zones[0].netns
        self.dir = run.folder("ic")
        self.env = {f"{p}_{d}DIR": str(self.dir) for p in ("OVS", "OVN")
                    for d in ("RUN", "LOG", "DB", "SYSCONF")}
        for name in ("ic-nb", "ic-sb"):
            start_database(self, name)
        for name in ("ic-nb", "ic-sb"):
            self.ctl(name, "init")
        for zone in zones:
            self._start(zone)

    def ctl(self, name, *args):
        return self.run.cmd(
            self.tree.program(f"ovn-{name}ctl"),
            f"--timeout={10 * PATIENCE}",
            f"--db=unix:{self.dir}/{name}.sock", *args, env=self.env).strip()

    def _start(self, zone):
        """Lets a zone advertise its networks and learn those of the others."""
        name = zone.dir.name
        zone.nbctl("set", "NB_Global", ".", f"name={name}",
                   "options:ic-route-adv=true", "options:ic-route-learn=true")
        self.run.spawn(
            self.tree.program("ovn-ic"),
            f"--ovnnb-db=unix:{zone.dir}/nb.sock",
            f"--ovnsb-db=unix:{zone.dir}/sb.sock",
            f"--ic-nb-db=unix:{self.dir}/ic-nb.sock",
            f"--ic-sb-db=unix:{self.dir}/ic-sb.sock",
            f"--unixctl={self.dir}/{name}.ctl",
            f"--log-file={self.dir}/{name}.log", "-vconsole:off",
            name=f"ovn-ic-{name}", netns=self.netns, env=zone.env,
            folder=self.dir)
