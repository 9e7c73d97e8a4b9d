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
 * A handshake takes some milliseconds.  Were all packets dropped for so long,
 * a guest's TCP would lose all that is under way, and wait for its timer,
 * 200 ms or more, for each direction.  So some packets that find no session
 * wait for it, PROTOCOL.md section 5:
 *
 *     packet path:     vnetenc_hold_batch() posts copies, with the actions
 *                      that would have come next
 *     control thread:  vnetenc_release_run() (control/release.h) seals them
 *                      when there is a session, and has the actions applied to
 *                      the result; or drops them when their time is over
 *
 * A packet that waits is as one in a queue of the network: it leaves sealed,
 * or is dropped and counted as if it had not waited.  How many may is bounded
 * for each peer, and in bytes for all, before anything is allocated.  Who
 * floods paths without a session takes the places of others without one: their
 * packets are dropped as if nothing could wait.  Only a list of actions that
 * sends on, and asks for no translation, is kept.
 *
 * Thread-safety: any thread, no locks. */

#include <stddef.h>
#include <stdint.h>
#include "odp-netlink.h"
#include "openvswitch/compiler.h"
#include "openvswitch/list.h"
#include "vnetenc/bridge/drops.h"
#include "vnetenc/bridge/path.h"

struct dp_packet;
struct dp_packet_batch;
struct nlattr;
struct vnetenc_route;

/* A packet that waits, and what is to be done with it once it is sealed. */
struct vnetenc_hold {
    struct ovs_list node;       /* Of control/release.c. */
    struct vnetenc_path_key path;
    struct ovs_action_vnetenc action;
    enum vnetenc_drop verdict;  /* Why it will be dropped. */
    long long int until;
    size_t n_bytes;             /* What it counts for. */
    struct dp_packet *packet;
    size_t actions_len;
    uint32_t actions[];
};

/* Lets the first packets of 'batch', for which there is no session on 'route'
 * as 'verdict' says, wait.  'action' is in the list 'actions', or this is
 * NULL.  Returns how many wait: those are not to be counted as dropped.  The
 * caller keeps all of the batch. */
size_t vnetenc_hold_batch(const struct dp_packet_batch *batch,
                          const struct vnetenc_route *route,
                          const struct ovs_action_vnetenc *action,
                          enum vnetenc_drop verdict,
                          const struct nlattr *actions, size_t actions_len)
    OVS_WARN_UNUSED_RESULT;

/* Frees a packet that waits.  Control thread, or the thread that made it. */
void vnetenc_hold_destroy(struct vnetenc_hold *);

#endif /* vnetenc/packet/hold.h */
