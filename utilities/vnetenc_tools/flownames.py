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
"""Names in the southbound database for numbers in the flow log."""

import json

from vnetenc_tools.databases import Unreachable, as_one, ask, decode, run

TABLES = {
    "Datapath_Binding": "_uuid,tunnel_key,external_ids",
    "Port_Binding": "logical_port,datapath,tunnel_key",
}
FLOW_COLUMNS = "external_ids,flow_desc,match"


class Names:
    """Datapaths and ports as they are now, and flows as they are when a line
    asks for them."""

    def __init__(self, options):
        self.options = options
        rows = ask("ovn-sbctl", options, TABLES)
        keys = {d["_uuid"]: d["tunnel_key"] for d in rows["Datapath_Binding"]}
        self.datapaths = {d["tunnel_key"]: d["external_ids"].get("name")
                          for d in rows["Datapath_Binding"]}
        self.ports = {(keys.get(p["datapath"]), p["tunnel_key"]):
                      p["logical_port"] for p in rows["Port_Binding"]}
        self.flows = {}

    def resolve(self, line):
        """Adds members to a line: "switch" if it is null, "inport",
        "outport", and "purpose" of the flow that dropped a packet."""
        datapath = line.field("metadata")
        if line.switch is None and self.datapaths.get(datapath):
            line.data["switch"] = self.datapaths[datapath]
        for name, register in ("inport", "reg14"), ("outport", "reg15"):
            port = self.ports.get((datapath, line.field(register)))
            if port:
                line.data[name] = port
        if line.cookie:
            if line.cookie not in self.flows:
                self.flows[line.cookie] = self._find_flow(line.cookie)
            if self.flows[line.cookie]:
                line.data["purpose"] = self.flows[line.cookie]

    def _find_flow(self, cookie):
        """The stage of the logical flow with this cookie, the first digits of
        its UUID, and its description or what it matches; None if there is none
        any more, or if it is no logical flow."""
        try:
            prefix = f"{int(cookie, 16):08x}"
            answer = json.loads(run([
                "ovn-sbctl", "--format=json", *self.options, "--if-exists",
                f"--columns={FLOW_COLUMNS}", "list", "Logical_Flow", prefix]))
        except (Unreachable, ValueError):
            return None
        if not answer["data"]:
            return None
        ids, desc, match = answer["data"][0]
        stage = dict(ids[1]).get("stage-name", "")
        return f"{stage}: {as_one(decode(desc)) or match}"
