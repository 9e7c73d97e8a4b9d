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
"""The state of a cluster as one HTML page, from status.html beside this file.

All names are those of tenants: the template escapes them, and the page forbids
scripts and requests.
"""

import os
import time

import jinja2

from vnetenc_tools.terminal import clean

# Letter, alarm of a peer, meaning.
ALARMS = (
    ("D", "down", "packets want a session, and there is none"),
    ("F", "fallback", "packets left in clear"),
    ("R", "refused", "one end refused the certificate of the other"),
    ("X", "forged", "many forged records arrive"),
)


def letters(names):
    """The letters of alarms; "!" for one that this program does not know."""
    known = {name: letter for letter, name, _ in ALARMS}
    return "".join(sorted({known.get(name, "!") for name in names}))


def render(cluster):
    """The page as a string."""
    env = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader(
            os.path.dirname(os.path.realpath(__file__))))
    env.filters["clean"] = clean
    rows, columns = cluster.matrix()
    status, verdict = cluster.verdict()
    return env.get_template("status.html").render(
        cluster=cluster, rows=rows, columns=columns, status=status,
        verdict=verdict, letters=letters, alarms=ALARMS,
        at=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())) + "\n"
