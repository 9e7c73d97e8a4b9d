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
 * Thread-safety: vnetenc_tunnels_init() belongs to the main thread.  The ports
 * never change once it was called, and the other functions depend on nothing
 * else. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct smap;

/* Takes the DTLS ports from 'other_config'.  A bad value is logged, and the
 * default is used. */
void vnetenc_tunnels_init(const struct smap *other_config);

/* DTLS ports.  0 until vnetenc_tunnels_init(), then constant. */
enum { VNETENC_N_DTLS_PORTS = 2 };
extern ovs_be16 vnetenc_tunnel_dtls_ports[VNETENC_N_DTLS_PORTS];

/* Asked for each packet of any UDP tunnel. */
static inline bool
vnetenc_tunnel_is_dtls(ovs_be16 udp_dst)
{
    return (udp_dst && (udp_dst == vnetenc_tunnel_dtls_ports[0]
                        || udp_dst == vnetenc_tunnel_dtls_ports[1]));
}

/* The DTLS port for tunnels of the type whose plain UDP port is 'tunnel_port',
 * 0 if they cannot carry records. */
ovs_be16 vnetenc_tunnel_dtls_port(const char *tunnel_type,
                                  ovs_be16 tunnel_port);

/* True if 'udp_dst' is the DTLS port of VXLAN, or will be by default. */
bool vnetenc_tunnel_is_vxlan(ovs_be16 udp_dst);

#endif /* vnetenc/bridge/tunnel.h */
