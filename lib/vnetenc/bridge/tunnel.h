/*
 * Copyright (c) 2026 The vnetenc authors.
 *
 * Licensed under the Apache License, Version 2.0 (the "License");
 * you may not use this file except in compliance with the License.
 * You may obtain a copy of the License at:
 *
 *     http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software
 * distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 * See the License for the specific language governing permissions and
 * limitations under the License.
 */

#ifndef VNETENC_TUNNEL_H
#define VNETENC_TUNNEL_H 1

/* Tunnel types and their DTLS ports
 * =================================
 *
 * A tunnel type that can carry records has a DTLS port: the UDP port on which
 * its records arrive, in place of the port of the plain tunnel (PROTOCOL.md
 * section 1).
 *
 * Thread-safety: vnetenc_tunnels_init() belongs to the main thread.  After
 * that, the ports never change, and the other functions depend only on the
 * ports and on their arguments. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct smap;

/* Takes the DTLS ports from 'other_config'.  Logs a bad value and uses the
 * default instead. */
void vnetenc_tunnels_init(const struct smap *other_config);

/* DTLS ports.  0 before vnetenc_tunnels_init(), then constant. */
enum { VNETENC_N_DTLS_PORTS = 2 };
extern ovs_be16 vnetenc_tunnel_dtls_ports[VNETENC_N_DTLS_PORTS];

/* True if 'udp_dst' is a DTLS port.  Called for each packet of any UDP
 * tunnel. */
static inline bool
vnetenc_tunnel_is_dtls(ovs_be16 udp_dst)
{
    return (udp_dst && (udp_dst == vnetenc_tunnel_dtls_ports[0]
                        || udp_dst == vnetenc_tunnel_dtls_ports[1]));
}

/* Returns the DTLS port of tunnels of 'tunnel_type' to UDP port 'tunnel_port',
 * or 0 if these cannot carry records. */
ovs_be16 vnetenc_tunnel_dtls_port(const char *tunnel_type,
                                  ovs_be16 tunnel_port);

/* True if 'udp_dst' is the DTLS port of VXLAN or, before
 * vnetenc_tunnels_init(), the default of that port. */
bool vnetenc_tunnel_is_vxlan(ovs_be16 udp_dst);

#endif /* vnetenc/bridge/tunnel.h */
