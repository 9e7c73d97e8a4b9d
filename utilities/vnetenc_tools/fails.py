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
"""The findings that can be a FAIL, and so can be accepted."""

FAILS = frozenset("""
    address-claimed-twice
    chassis-bad-pin
    chassis-behind
    chassis-dst-port
    chassis-foreign-encap
    chassis-no-geneve
    chassis-no-pin
    chassis-not-capable
    credential-chassis
    credential-closed
    credential-expired
    credential-hostname
    credential-missing
    credential-vxlan
    dropped-beyond
    ic-sb-tcp
    ic-sb-unreachable
    local-certificate
    local-controller
    local-dtls-port
    local-no-peer
    local-no-pin
    local-no-profile
    local-not-capable
    local-peer
    local-profile
    local-stock
    local-two-datapaths
    local-unreachable
    mtu-dhcp
    mtu-gateway
    mtu-port
    mtu-ra
    nb-default
    nb-stock
    nb-unreachable
    northd
    router-evpn
    router-vtep
    sb-no-rbac
    sb-no-role
    sb-tcp
    sb-unreachable
    shared-off
    switch-evpn
    switch-l2gateway
    switch-localnet
    switch-mirror
    switch-profile
    switch-vtep
    vxlan
    would-drop-arrivals
    would-drop-departures
""".split())
