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

#ifndef OFPROTO_DPIF_VNETENC_H
#define OFPROTO_DPIF_VNETENC_H 1

/* Encryption in translation
 * =========================
 *
 * Translation calls these functions when a packet is about to leave through a
 * tunnel and when a packet has arrived through one.  Each decision comes with
 * the sentence that "ofproto/trace" prints for it.  If the packet is dropped,
 * or leaves in clear against a demand, the decision also comes with the reason
 * under which the packet must be counted.  The reason is an int, because
 * upstream's files do not know the enum vnetenc_drop of lib/vnetenc.
 *
 * The demand of a packet ('enc_mode' and 'enc_profile' of struct flow_tnl) and
 * the mark of its arrival (FLOW_TNL_F_VNETENC) are separate on purpose.  The
 * demand controls output and is always zero on arrival, so it is part of no
 * megaflow mask.  The mark is set only on packets that vnetenc_open() has
 * opened.
 *
 * Translation never looks at sessions.  The datapath looks up a session for
 * each packet, so no revalidation is needed when sessions come and go.
 *
 * Thread-safety
 * =============
 *
 * Any thread may call any function.  vnetenc_xlate_may_learn() also reads the
 * table of gates (bridge/gate.h), and vnetenc_xlate_find_port() asks for ports
 * (kernel/vport.h).  Apart from that, the decisions depend only
 * on the arguments and on the DTLS ports, which never change after
 * vnetenc_init(). */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/compiler.h"

struct dpif;
struct ds;
struct flow;
struct flow_tnl;
struct flow_wildcards;
struct netdev;
struct ofpbuf;

/* Decides about a packet that is about to leave through a tunnel of type
 * 'tunnel_type'.  The flow_tnl holds the demand and the UDP destination port.
 * 'obstacle' is NULL, or the reason why this packet cannot be sealed.
 *
 * Returns false if the packet must not leave.  Otherwise returns true, after
 * clearing a demand of VNETENC_PREFER that cannot be met: the packet must be
 * sealed if and only if a demand is left.
 *
 * Appends an explanation to 'why', or nothing if no encryption is demanded.
 * Stores in '*reason' the reason under which to count the packet, or 0. */
bool vnetenc_xlate_tx(struct flow_tnl *, const char *tunnel_type,
                      const char *obstacle, struct ds *why, int *reason)
    OVS_WARN_UNUSED_RESULT;

/* Completes the decision of vnetenc_xlate_tx() for the kernel datapath 'dpif':
 * a packet with a demand must not leave while the datapath has no port for
 * this demand.  Mode `prefer` makes no difference, as the port comes soon.
 * Appends to 'why', stores '*reason' and returns like vnetenc_xlate_tx(). */
bool vnetenc_xlate_find_port(struct flow_tnl *, const char *tunnel_type,
                             const struct dpif *dpif, struct ds *why,
                             int *reason)
    OVS_WARN_UNUSED_RESULT;

/* Returns why a kernel datapath that can encrypt cannot encrypt what it sends
 * through the tunnel 'netdev', or NULL. */
const char *vnetenc_xlate_kernel_obstacle(const struct netdev *netdev);

/* Returns the sentence for the end of a packet's translation, or NULL.
 * 'unused' is true if no output through a tunnel followed the last demand,
 * 'clear' if an output through a tunnel took place without any demand.  Stores
 * in '*reason' the reason under which to count the packet, or 0.
 *
 * An unused demand is not an error in itself: OFPP_NORMAL may find that the
 * packet is for a port of this bridge. */
const char *vnetenc_xlate_end(bool unused, bool clear, int *reason);

/* Counts 'n_packets' packets under a reason that another function stored,
 * which must not be 0. */
void vnetenc_xlate_count(int reason, unsigned int n_packets);

/* Decides about a packet with the given flow that has arrived through a tunnel
 * port with the demand 'port_mode'.  'capable' says whether the datapath can
 * open packets.  Unwildcards the mark of arrival if the decision depends on
 * it, that is, for VNETENC_REQUIRE.
 *
 * Returns false if the packet must be dropped before anything reads its
 * contents.  Appends an explanation to 'why', or nothing if the port requires
 * nothing. */
bool vnetenc_xlate_rx(const struct flow *, uint8_t port_mode, bool capable,
                      struct flow_wildcards *, struct ds *why)
    OVS_WARN_UNUSED_RESULT;

/* Returns true if the MAC address of 'src', the sender of a tunnel packet, may
 * be learned from the packet.  A packet to a DTLS port is not authentic before
 * the datapath opens it, and a packet in clear from the address of a peer
 * never is.  Learning from either would let anybody redirect the packets that
 * this host sends to the peer.  The MAC address of a peer is learned only from
 * ARP and neighbor discovery. */
bool vnetenc_xlate_may_learn(const struct flow *, const struct in6_addr *src);

/* Appends to 'odp_actions' the action that seals the output of the preceding
 * tnl_push.  Call for a packet that vnetenc_xlate_tx() let pass and that still
 * has a demand.  Sets the UDP destination port of the sealed packet in the
 * flow and in 'base_flow'.
 *
 * Returns the number of bytes that sealing adds to the packet. */
int vnetenc_xlate_put(const struct flow_tnl *, const char *tunnel_type,
                      struct ofpbuf *odp_actions, struct flow *,
                      struct flow *base_flow);

#endif /* ofproto-dpif-vnetenc.h */
