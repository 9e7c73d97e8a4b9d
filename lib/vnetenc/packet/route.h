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

#ifndef VNETENC_ROUTE_H
#define VNETENC_ROUTE_H 1

/* The route of a batch
 * ====================
 *
 * This file makes the decision of PROTOCOL.md section 5 for the packets of one
 * tunnel push: in which sessions they are sealed, or why they are not.  It
 * reads the published sessions and peers, asks the control thread for a
 * session if there is none, and changes no packet.
 *
 * Thread-safety: any thread, which may use a route until it next quiesces. */

#include <stdbool.h>
#include "dp-packet.h"
#include "dp-packet-gso.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/path.h"
#include "vnetenc/bridge/vni.h"
#include "vnetenc/packet/outer.h"

struct flow;
struct ovs_action_vnetenc;

struct vnetenc_route {
    struct vnetenc_path_key key;
    bool ipv6;
    struct vnetenc_path *path;                  /* NULL if there is none. */
    unsigned int n_lanes;
    struct vnetenc_tx *tx[VNETENC_MAX_LANES];   /* All nonnull. */
    size_t max_size;            /* Of a pushed packet that is not split, in
                                 * bytes. */
    const struct flow *flow;    /* Before the tunnel, or NULL. */
};

/* Decides about a packet and the rest of its batch.  Returns VNETENC_KEEP if
 * the packets must be sealed, a fallback (see vnetenc_drop_is_fallback()) if
 * they must leave in clear, or the reason to drop them.  Counts nothing.
 *
 * Always sets the members 'key' and 'path' of the route.  Sets the others only
 * if it returns VNETENC_KEEP, except 'flow', which the caller sets. */
enum vnetenc_drop vnetenc_route_find(const struct dp_packet *,
                                     const struct ovs_action_vnetenc *,
                                     struct vnetenc_route *)
    OVS_WARN_UNUSED_RESULT;

/* Does the same for 'n' packets, 1 to VNETENC_BURST, each of its own batch,
 * and waits for the memory of all their sessions together.  Sets 'ready[i]' to
 * true and 'routes[i]' if packet i must be sealed.  If 'ready[i]' is false,
 * vnetenc_route_find() must decide about the packet: this function asks nobody
 * for a session. */
void vnetenc_route_find_batch(struct dp_packet *const packets[],
                              const struct ovs_action_vnetenc actions[],
                              size_t n, struct vnetenc_route routes[],
                              bool ready[]);

/* Returns VNETENC_KEEP if 'packet', which a tunnel pushed, can be sealed on
 * the route, whole or in halves, otherwise the reason to drop it.  Sets
 * 'outer' to its outer headers, unless the reason is tx_bad_packet. */
static inline enum vnetenc_drop
vnetenc_route_admit(const struct vnetenc_route *route,
                    struct dp_packet *packet, struct vnetenc_outer *outer)
{
    enum vnetenc_vni_verdict verdict;

    if (!vnetenc_outer_parse_pushed(packet, outer)
        || outer->ipv6 != route->ipv6
        || !vnetenc_outer_has_addresses(packet, outer->ipv6,
                                        &route->key.local,
                                        &route->key.remote)) {
        return VNETENC_DROP_tx_bad_packet;
    }
    if (dp_packet_get_tso_segsz(packet)
        && dp_packet_gso_nr_segs(packet) != 1) {
        return VNETENC_DROP_tx_gso;
    }
    verdict = vnetenc_vni_judge(
        vnetenc_outer_vni((uint8_t *) dp_packet_data(packet)
                          + outer->payload_ofs), route->key.profile);
    if (verdict) {
        return (verdict == VNETENC_VNI_UNLISTED ? VNETENC_DROP_tx_unlisted
                : VNETENC_DROP_tx_vni);
    }
    return (outer->payload_size > VNETENC_MAX_PLAINTEXT_BYTES
            ? VNETENC_DROP_tx_too_long : VNETENC_KEEP);
}

#endif /* vnetenc/packet/route.h */
