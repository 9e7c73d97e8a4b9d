# Copyright (c) 2026 The vnetenc authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at:
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""Where vnetenc-leaktest captures, and what that place cannot show."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time

from vnetenc_tools import interrupt
from vnetenc_tools.databases import Unreachable, run
from vnetenc_tools.leakplan import Problem

MAX_CAPTURE = 64 << 20          # Octets.
START_S = 15                    # Until tcpdump listens.
SEEN_S = 1.5                    # Until a packet is in the file.
NIC_SEES = (
    "It sees each frame that this host hands to {} or gets from it.  It does"
    " not see\nother interfaces and hosts, nor what {} itself sends.")
MIRROR_SEES = (
    "It sees each frame that Open vSwitch puts out to {} or gets from it.  It"
    " does not\nsee what the NIC sends, nor what leaves the host by other"
    " ways.")
FILE_SEES = (
    "It has what its maker captured.  A SPAN port may lose frames without"
    " saying so,\nand other links were not seen.")


def find(local, own, end):
    """The Vantage on the way from one tunnel address to another."""
    try:
        route = json.loads(run(["ip", "-j", "route", "get", end, "from",
                                own]))
        device = route[0]["dev"]
    except (Unreachable, ValueError, LookupError) as error:
        raise Problem(f"no route from {own} to {end}: {error}") from None
    bridge = _bridge_of(local, device)
    if bridge is None:
        return Nic(device)
    nics = _uplinks(local, bridge)
    if len(nics) != 1:
        raise Problem(
            f"packets to {end} leave by bridge {bridge}, which has"
            f" {'several NICs, ' + ', '.join(nics) if nics else 'no NIC'}:"
            " choose one with --interface or, for DPDK, with --mirror; or"
            " judge a capture from outside with --pcap")
    return nics.popitem()[1]


def _bridge_of(local, device):
    for bridge, ports in local.bridges.items():
        for name, interfaces in ports:
            if any(i["name"] == device and i["type"] == "internal"
                   for i in interfaces):
                return bridge
            if name == device == bridge:
                return bridge
    return None


def _uplinks(local, bridge, seen=()):
    """{name: Vantage} of the NICs of a bridge, and of those that patch ports
    connect to it."""
    found = {}
    peers = {i["name"]: name for name, ports in local.bridges.items()
             for _, interfaces in ports for i in interfaces}
    for port, interfaces in local.bridges[bridge]:
        for i in interfaces:
            if "iface-id" in i["external_ids"]:
                continue
            if i["type"] in ("", "system"):
                found[i["name"]] = Nic(i["name"])
            elif i["type"].startswith(("dpdk", "afxdp")):
                found[port] = Mirror(local, port)
            elif i["type"] == "patch":
                other = peers.get(i["options"].get("peer"))
                if other and other not in (bridge, *seen):
                    found.update(_uplinks(local, other, (bridge, *seen)))
    return found


def _go_on():
    """Raises Problem if somebody wants this program to end."""
    if interrupt.seen():
        raise Problem(f"interrupted by {interrupt.seen()}")


class Vantage:
    """A place to capture; the capture is stop()ped in any case."""

    title = sees = ""
    program = "tcpdump"

    def __init__(self):
        self._process = self._begin = None
        self.path = self._errors = None
        self.n_captured = 0

    def _command(self):
        raise NotImplementedError

    def start(self):
        """Returns when packets are being captured into `path`, whose name must
        end with ".pcap": AppArmor lets tcpdump write no other."""
        if not shutil.which(self.program):
            raise Problem(f"{self.program} is not installed")
        self._errors = self.path.with_suffix(".txt")
        with open(self._errors, "wb") as errors:
            # The kernel bounds the file, and interrupts the program if this
            # process dies.
            self._process = subprocess.Popen(
                ["prlimit", f"--fsize={MAX_CAPTURE}",
                 "setpriv", "--pdeathsig", "INT", "--", *self._command(),
                 "-n", "-U", "-Z", "root", "-w", str(self.path)],
                stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                start_new_session=True)
        self._begin = time.monotonic()
        while "listening on" not in self.said():
            _go_on()
            if self._process.poll() is not None:
                raise Problem(f"{self.program} ended: {self._last_words()}")
            if time.monotonic() > self._begin + START_S:
                raise Problem(f"{self.program} does not capture:"
                              f" {self._last_words()}")
            time.sleep(0.05)

    def said(self):
        return self._errors.read_text(errors="replace")

    def _last_words(self):
        lines = self.said().strip().splitlines() or ["it said nothing"]
        return "; ".join(lines[-3:])

    def check(self):
        """Raises Problem if the capture ended by itself, or cannot be
        written, or somebody wants this program to end."""
        _go_on()
        if self.path.exists() and self.path.stat().st_size >= MAX_CAPTURE:
            raise Problem(
                f"the capture was full, {MAX_CAPTURE >> 20} MiB, after"
                f" {time.monotonic() - self._begin:.1f} s: choose a shorter"
                " --watch")
        if self._process.poll() is not None:
            raise Problem(f"{self.program} ended: {self._last_words()}")
        if not os.statvfs(self.path.parent).f_bfree:
            raise Problem(f"{self.path.parent}: no space left on device")

    def wait(self, seconds):
        """Waits while the capture runs."""
        deadline = time.monotonic() + seconds
        self.check()
        while time.monotonic() < deadline:
            time.sleep(min(0.1, max(0, deadline - time.monotonic())))
            self.check()

    def wait_for(self, text):
        """Waits until `text` is in the file; returns whether it is."""
        deadline = time.monotonic() + SEEN_S
        at = 0
        while time.monotonic() < deadline:
            with open(self.path, "rb") as file:
                file.seek(at)
                data = file.read()
            if text in data:
                return True
            at += max(0, len(data) - len(text))
            self.check()
            time.sleep(0.05)
        return False

    def stop(self):
        """Ends the capture; returns what is wrong with it, or None."""
        if self._process is None:
            return None
        ended = self._process.poll() is not None
        if not ended:
            # Both programs then write what they have and clean up.
            os.killpg(self._process.pid, signal.SIGINT)
            try:
                self._process.wait(START_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        if ended:
            return f"{self.program} ended: {self._last_words()}"
        self.n_captured = self._counted("captured")
        n_lost = self._counted("dropped by kernel")
        return f"the capture lost {n_lost} packets" if n_lost else None

    def _counted(self, what):
        found = re.search(rf"^(\d+) packets? {what}", self.said(), re.M)
        return int(found[1]) if found else 0


class Nic(Vantage):
    """An interface of the kernel."""

    def __init__(self, device):
        super().__init__()
        self.device = device
        self.title = f"tcpdump on {device}"
        self.sees = NIC_SEES.format(device, device)

    def _command(self):
        # A large buffer, so that a busy interface loses nothing.
        return ["tcpdump", "-i", self.device, "-B", "32768"]


class Mirror(Vantage):
    """A port of Open vSwitch that the kernel does not see."""

    program = "ovs-tcpdump"

    def __init__(self, local, port):
        super().__init__()
        owners = [b for b, ports in local.bridges.items()
                  if port in (name for name, _ in ports)]
        if not owners:
            raise Problem(f"no port {port} in the local Open vSwitch")
        self._bridge, = owners
        self._port = port
        self._mirror = f"m_{port}"          # As ovs-tcpdump names it.
        self._device = f"vlk{os.getpid():x}"
        self._made = False
        self._is_taken = self._mirror in local.mirrors
        self.title = f"ovs-tcpdump on port {port} of {self._bridge}"
        self.sees = MIRROR_SEES.format(port)

    def start(self):
        if self._is_taken:
            raise Problem(
                f"there is a mirror {self._mirror} already: end the"
                " ovs-tcpdump that uses it or, if none does, remove it:"
                f" ovs-vsctl -- --id=@m get Mirror {self._mirror} --"
                f" remove Bridge {self._bridge} mirrors @m")
        self._made = True
        super().start()

    def _command(self):
        return ["ovs-tcpdump", "-i", self._port, "--mirror-to", self._device]

    def stop(self):
        fault = super().stop()
        if self._made:
            self._remove()
        return fault

    def _remove(self):
        """Removes what ovs-tcpdump may have left, should it have been
        killed."""
        vsctl = ["ovs-vsctl", "--timeout=10"]
        try:
            if run([*vsctl, "--bare", "--columns=_uuid", "find", "Mirror",
                    f"name={self._mirror}"]).strip():
                run([*vsctl, "--", "--id=@m", "get", "Mirror", self._mirror,
                     "--", "remove", "Bridge", self._bridge, "mirrors", "@m"])
            run([*vsctl, "--if-exists", "del-port", self._bridge,
                 self._device])
        except Unreachable as error:
            raise Problem(f"mirror {self._mirror} and port {self._device} may"
                          f" still exist: {error}") from None
        with contextlib.suppress(Unreachable):
            run(["ip", "link", "delete", self._device])
