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

#ifndef VNETENC_HOLD_H
#define VNETENC_HOLD_H 1

/* Packets that wait for the first session
 * =======================================
 *
 * A handshake takes some milliseconds.  If all packets were dropped meanwhile,
 * a guest's TCP would lose all packets in flight and wait for its timer,
 * 200 ms or more, in each direction.  Therefore some packets that find no
 * session wait for one (PROTOCOL.md section 5):
 *
 *     packet path:     vnetenc_hold_batch() posts copies, with the actions
 *                      that would have come next
 *     control thread:  vnetenc_release_run() (control/release.h) seals them
 *                      when there is a session, and has the actions applied to
 *                      the result, or drops them after VNETENC_HOLD_MS, or
 *                      later (base/limits.h)
 *
 * A packet that waits is like one in a queue of the network: it leaves sealed,
 * or it is dropped and counted as if it had not waited.  The number of these
 * packets is limited for each peer, and their bytes over all peers, before
 * anything is allocated.  A flood on paths without a session takes the places
 * of other packets without one, which are then dropped as if nothing could
 * wait.  Any actions may follow, for instance ct and recirc.
 *
 * Thread-safety: any thread, no locks. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "odp-netlink.h"
#include "openvswitch/compiler.h"
#include "openvswitch/list.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/bridge/path.h"

struct dp_packet;
struct dp_packet_batch;
struct nlattr;
struct vnetenc_route;

/* A packet that waits, and the actions to execute when it is sealed. */
struct vnetenc_hold {
    struct ovs_list node;       /* Of control/release.c. */
    struct vnetenc_path_key path;
    struct ovs_action_vnetenc action;
    enum vnetenc_drop verdict;  /* Reason, if it is dropped. */
    long long int since;        /* Of control/release.c. */
    size_t n_bytes;             /* Counted against the limit. */
    struct dp_packet *packet;
    bool by_lane;               /* Leaves through the socket of its lane. */
    size_t actions_len;
    uint32_t actions[];
};

/* Lets the first packets of 'batch', which have no session on 'route', wait
 * for one: posts copies.  'verdict' is the reason under which they are counted
 * if they are dropped.  'actions', which may be NULL, is the list that
 * contains 'action'.  Returns the number of packets that wait, which the
 * caller must not count as dropped.  The batch remains the caller's. */
size_t vnetenc_hold_batch(const struct dp_packet_batch *batch,
                          const struct vnetenc_route *route,
                          const struct ovs_action_vnetenc *action,
                          enum vnetenc_drop verdict,
                          const struct nlattr *actions, size_t actions_len)
    OVS_WARN_UNUSED_RESULT;

/* Does the same as vnetenc_hold_batch() for packets that a worker of the
 * kernel datapath sends through the socket of their lane. */
size_t vnetenc_hold_batch_for_lanes(const struct dp_packet_batch *batch,
                                    const struct vnetenc_route *route,
                                    const struct ovs_action_vnetenc *action,
                                    enum vnetenc_drop verdict)
    OVS_WARN_UNUSED_RESULT;

/* Finds the actions behind 'action' in the innermost list of 'actions' that
 * contains it, and stores them in '*rest'.  Returns their length, which is 0
 * if 'action' is not found or is the last one.  Pure function. */
size_t vnetenc_hold_find_rest(const struct nlattr *actions,
                              size_t actions_len,
                              const struct ovs_action_vnetenc *action,
                              const struct nlattr **rest);

/* Frees a packet that waits.  Control thread, or the thread that made it. */
void vnetenc_hold_destroy(struct vnetenc_hold *);

#endif /* vnetenc/packet/hold.h */
