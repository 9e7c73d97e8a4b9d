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
 * or leaves in clear against a demand, it also comes with the reason to count
 * the packet for: an int, because upstream's files do not know the enum
 * vnetenc_drop of lib/vnetenc.
 *
 * The demand of a packet ('enc_mode' and 'enc_profile' of struct flow_tnl) and
 * the mark of its arrival (FLOW_TNL_F_VNETENC) are separate on purpose.  The
 * demand decides about output and is always zero on arrival, so it is part of
 * no megaflow mask.  Only vnetenc_open() sets the mark.
 *
 * Translation never looks at sessions.  The datapath looks for a session for
 * each packet, so no revalidation is needed when sessions come and go.
 *
 * Thread-safety
 * =============
 *
 * Any thread may call vnetenc_xlate_count().  The other functions depend only
 * on their arguments and on the DTLS ports, which never change after
 * vnetenc_init(). */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/compiler.h"

struct ds;
struct flow;
struct flow_tnl;
struct flow_wildcards;
struct ofpbuf;

/* Decides about a packet that is about to leave through a tunnel of type
 * 'tunnel_type'.  The flow_tnl holds the demand and the UDP destination port.
 * 'obstacle' is NULL, or the reason why this packet cannot be sealed.
 *
 * Returns false if the packet must not leave.  Otherwise returns true, after
 * clearing a demand of VNETENC_PREFER that cannot be met: the packet must be
 * sealed if and only if a demand is left.
 *
 * Appends the reason to 'why', or nothing if no encryption is demanded.
 * Stores in '*reason' the reason to count the packet for, or 0. */
bool vnetenc_xlate_tx(struct flow_tnl *, const char *tunnel_type,
                      const char *obstacle, struct ds *why, int *reason)
    OVS_WARN_UNUSED_RESULT;

/* Returns the sentence for the end of a packet's translation, or NULL.
 * 'unused' says that no output through a tunnel came after the last demand,
 * 'clear' that one took place without any demand.  Stores in '*reason' the
 * reason to count the packet for, or 0.
 *
 * An unused demand is no fault in itself: OFPP_NORMAL may find that the packet
 * is for a port of this bridge. */
const char *vnetenc_xlate_end(bool unused, bool clear, int *reason);

/* Counts packets for a reason that one of the other functions stored. */
void vnetenc_xlate_count(int reason, unsigned int n_packets);

/* Decides about a packet with the given flow that has arrived through a tunnel
 * port with the demand 'port_mode'.  'capable' says whether the datapath can
 * open packets.  Unwildcards the mark of arrival if the decision depends on
 * it, that is, for VNETENC_REQUIRE.
 *
 * Returns false if the packet must be dropped unread.  Appends the reason to
 * 'why', or nothing if the port requires nothing. */
bool vnetenc_xlate_rx(const struct flow *, uint8_t port_mode, bool capable,
                      struct flow_wildcards *, struct ds *why)
    OVS_WARN_UNUSED_RESULT;

/* Returns true if a tunnel packet may tell from which MAC address its sender
 * 'src' is reached.  One to a DTLS port is not authentic before the datapath
 * opens it, and one in clear that names a peer never is: either would let
 * anybody redirect what this host sends to the peer.  Where a peer is, ARP and
 * neighbor discovery tell. */
bool vnetenc_xlate_may_learn(const struct flow *, const struct in6_addr *src);

/* Appends the action that seals the output of the preceding tnl_push to
 * 'odp_actions', for a packet that vnetenc_xlate_tx() let pass with a demand.
 * Sets the UDP destination port of the sealed packet in the flow and in
 * 'base_flow'.
 *
 * Returns the number of bytes that sealing adds to the packet. */
int vnetenc_xlate_put(const struct flow_tnl *, const char *tunnel_type,
                      struct ofpbuf *odp_actions, struct flow *,
                      struct flow *base_flow);

#endif /* ofproto-dpif-vnetenc.h */
