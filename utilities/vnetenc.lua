-- Copyright (c) 2026 The vnetenc authors.
-- SPDX-License-Identifier: Apache-2.0
--
-- Shows vnetenc's tunnels in tshark and wireshark:
--
--   tshark -r CAPTURE -X lua_script:vnetenc.lua -o tls.keylog_file:KEYLOG
--
-- A datagram to or from a DTLS port is DTLS.  Its application_data records
-- contain Geneve (port 6082) or VXLAN (port 6089).

local udp = DissectorTable.get("udp.port")
local dtls = DissectorTable.get("dtls.port")

for dtls_port, tunnel_port in pairs({[6082] = 6081, [6089] = 4789}) do
    udp:add(dtls_port, Dissector.get("dtls"))
    dtls:add(dtls_port, udp:get_dissector(tunnel_port))
end
