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

#ifndef VNETENC_H
#define VNETENC_H 1

/* Virtual network encryption
 * ==========================
 *
 * What Open vSwitch's own files call.  Beside this header, each of the
 * following is for one of them: odp.h (odp-util.c), port.h
 * (netdev-vport.c), main/ovsdb.h (bridge.c), ofproto-dpif-vnetenc.h
 * (ofproto-dpif-xlate.c).
 *
 * A packet's way out: translation merges the demand of the OpenFlow action
 * with that of the tunnel port (vnetenc_merge()), asks for the DTLS port of
 * the tunnel (vnetenc_port()) and emits a datapath action right behind
 * tnl_push.  The datapath hands the pushed batch to vnetenc_seal_batch(),
 * which turns every tunnel payload into one DTLS 1.2 record or drops it.
 *
 * A packet's way in: the DTLS port is in the tunnel port map, so the datapath
 * pops the packet as a tunnel packet and, once the outer IP and UDP headers
 * are known to be sound, calls vnetenc_open(), which gives back the outer UDP
 * header of a packet whose payload is plaintext again, or NULL.
 *
 * Thread-safety
 * =============
 *
 * vnetenc_seal_*() and vnetenc_open() may be called by any number of threads
 * at once; they take no lock, and they must be called from a thread that
 * quiesces (see ovs-rcu.h).  vnetenc_init(), vnetenc_update(), vnetenc_exit()
 * belong to the main thread.  Everything else is a pure function of its
 * arguments and of the DTLS ports, which never change once vnetenc_init() was
 * called. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/compiler.h"
#include "openvswitch/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct dp_packet;
struct dp_packet_batch;
struct ds;
struct flow;
struct flow_tnl;
struct nlattr;
struct ovs_action_vnetenc;
struct smap;
struct udp_header;

/* What must happen to a packet that leaves through a tunnel.  Ordered by
 * strength: where two demands meet, the larger wins. */
enum vnetenc_mode {
    VNETENC_OFF = 0,            /* Clear. */
    VNETENC_PREFER = 1,         /* Sealed if the peer can, else clear. */
    VNETENC_REQUIRE = 2,        /* Sealed or dropped. */
};

/* Octets that sealing adds to a packet: record header (13), explicit nonce
 * (8), tag (16). */
#define VNETENC_OVERHEAD 37

/* Life. */
void vnetenc_init(const struct smap *other_config);
void vnetenc_update(const struct smap *other_config);
void vnetenc_exit(void);

/* Modes as text. */
const char *vnetenc_mode_to_string(enum vnetenc_mode);
bool vnetenc_mode_from_string(const char *, enum vnetenc_mode *);
char *vnetenc_parse_port_mode(const char *, uint8_t *mode)
    OVS_WARN_UNUSED_RESULT;
char *vnetenc_parse_profile(const char *, uint8_t *profile)
    OVS_WARN_UNUSED_RESULT;

/* DTLS ports.  0 until vnetenc_init(), then constant. */
enum { VNETENC_N_PORTS = 2 };
extern ovs_be16 vnetenc_ports[VNETENC_N_PORTS];

/* Asked for each packet of any UDP tunnel. */
static inline bool
vnetenc_is_port(ovs_be16 udp_dst)
{
    return (udp_dst && (udp_dst == vnetenc_ports[0]
                        || udp_dst == vnetenc_ports[1]));
}

/* Translation. */
ovs_be16 vnetenc_port(const char *tunnel_type, ovs_be16 tunnel_port);
bool vnetenc_is_vxlan_port(ovs_be16 udp_dst);
bool vnetenc_is_mark(uint16_t option_class, uint8_t option_type);
void vnetenc_merge(struct flow_tnl *, uint8_t port_mode, uint8_t port_profile);

/* Datapath. */
void vnetenc_seal_batch(struct dp_packet_batch *,
                        const struct ovs_action_vnetenc *);
void vnetenc_seal_batch_of_flow(struct dp_packet_batch *,
                                const struct ovs_action_vnetenc *,
                                const struct flow *,
                                const struct nlattr *actions,
                                size_t actions_len);
bool vnetenc_seal_packet(struct dp_packet *, const struct ovs_action_vnetenc *)
    OVS_WARN_UNUSED_RESULT;
struct udp_header *vnetenc_open(struct dp_packet *, struct udp_header *)
    OVS_WARN_UNUSED_RESULT;

#ifdef __cplusplus
}
#endif

#endif /* vnetenc/vnetenc.h */
