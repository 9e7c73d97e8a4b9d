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
 * A plain tunnel may need that UDP port, because the host was upgraded from an
 * Open vSwitch that knew nothing of DTLS ports.  Then encryption gives way.
 *
 * Thread-safety: vnetenc_tunnels_init() and vnetenc_tunnels_give_up() belong
 * to the main thread.  Any thread may call the other functions. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/types.h"
#include "ovs-atomic.h"

struct smap;

/* Takes the DTLS ports from 'other_config'.  Logs a bad value and uses the
 * default instead. */
void vnetenc_tunnels_init(const struct smap *other_config);

/* Gives up all DTLS ports until the process ends, because the tunnel port
 * 'name' has one of them, 'port', as its dst_port.  No tunnel port whose
 * records arrive on a DTLS port may be in use. */
void vnetenc_tunnels_give_up(const char *name, ovs_be16 port);

/* Returns why no tunnel can be encrypted, or NULL. */
const char *vnetenc_tunnels_obstacle(void);

/* DTLS ports at which records arrive.  0 before vnetenc_tunnels_init() and
 * after vnetenc_tunnels_give_up(). */
enum { VNETENC_N_DTLS_PORTS = 2 };
extern ATOMIC(ovs_be16) vnetenc_tunnel_dtls_ports[VNETENC_N_DTLS_PORTS];

/* Returns true if 'udp_dst' is a DTLS port.  Called for each packet of any UDP
 * tunnel. */
static inline bool
vnetenc_tunnel_is_dtls(ovs_be16 udp_dst)
{
    ovs_be16 port0, port1;

    atomic_read_relaxed(&vnetenc_tunnel_dtls_ports[0], &port0);
    atomic_read_relaxed(&vnetenc_tunnel_dtls_ports[1], &port1);
    return udp_dst && (udp_dst == port0 || udp_dst == port1);
}

/* Returns the DTLS port of tunnels of 'tunnel_type' to UDP port 'tunnel_port',
 * or 0 if these cannot carry records.  Constant after
 * vnetenc_tunnels_init(). */
ovs_be16 vnetenc_tunnel_dtls_port(const char *tunnel_type,
                                  ovs_be16 tunnel_port);

/* Returns the same as vnetenc_tunnel_dtls_port(), but 0 after
 * vnetenc_tunnels_give_up(): the port at which records arrive. */
ovs_be16 vnetenc_tunnel_arrival_port(const char *tunnel_type,
                                     ovs_be16 tunnel_port);

/* Returns true if 'udp_dst' is the DTLS port of VXLAN or, before
 * vnetenc_tunnels_init(), the default of that port. */
bool vnetenc_tunnel_is_vxlan(ovs_be16 udp_dst);

#endif /* vnetenc/bridge/tunnel.h */
