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
"""When the certificates and CRLs of the profiles of this host expire."""

import datetime
import re

from vnetenc_tools.databases import Unreachable, run

SOON = datetime.timedelta(days=7)
PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.S)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def _parse(text, form):
    try:
        return datetime.datetime.strptime(text, form).replace(
            tzinfo=datetime.timezone.utc)
    except ValueError:
        return None


def _ends_in(file, kind, command):
    """When each part of `kind` of a PEM file ends; nothing if it cannot be
    read here, which ovs-vswitchd itself reports."""
    try:
        with open(file, encoding="ascii", errors="replace") as pem:
            parts = [p[0] for p in PEM.finditer(pem.read()) if p[1] == kind]
    except OSError:
        return
    for part in parts:
        try:
            said = run(command, part).strip().partition("=")[2]
        except Unreachable:
            continue
        end = _parse(said, "%b %d %H:%M:%S %Y GMT")
        if end:
            yield end


def ends_of(profile):
    """(what, file, when it ends) of a profile of vnetenc/show."""
    end = _parse(profile.get("not_after", ""), "%Y-%m-%dT%H:%M:%SZ")
    if end:
        yield "its certificate", profile.get("certificate", ""), end
    for name, kind, command in (
            ("ca_cert", "CERTIFICATE", ["openssl", "x509", "-noout",
                                        "-enddate"]),
            ("crl", "X509 CRL", ["openssl", "crl", "-noout", "-nextupdate"])):
        file = profile.get(name)
        for end in _ends_in(file, kind, command) if file else ():
            yield f"a part of {name}", file, end
