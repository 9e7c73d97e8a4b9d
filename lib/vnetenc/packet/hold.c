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

#include <config.h>
#include "vnetenc/packet/hold.h"
#include <string.h>
#include "dp-packet.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "ovs-atomic.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/bridge/inbox.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/packet/route.h"

static atomic_uint64_t n_bytes = 0;     /* Of all held packets, also in the
                                         * inbox. */

static size_t find_rest_of_branch(const struct nlattr *,
                                  const struct ovs_action_vnetenc *,
                                  const struct nlattr **rest);

void
vnetenc_hold_destroy(struct vnetenc_hold *h)
{
    uint64_t orig;

    atomic_sub_relaxed(&n_bytes, h->n_bytes, &orig);
    dp_packet_delete(h->packet);
    free(h);
}

size_t
vnetenc_hold_find_rest(const struct nlattr *actions, size_t actions_len,
                       const struct ovs_action_vnetenc *action,
                       const struct nlattr **rest)
{
    const struct nlattr *a;
    size_t left;

    NL_ATTR_FOR_EACH (a, left, actions, actions_len) {
        const char *data = nl_attr_get(a);
        size_t size = nl_attr_get_size(a);

        if (data == (const char *) action) {
            *rest = nl_attr_next(a);
            return left - MIN(left, NLA_ALIGN(a->nla_len));
        } else if (data > (const char *) action
                   || (const char *) action >= data + size) {
            continue;
        }
        switch (nl_attr_type(a)) {
        case OVS_ACTION_ATTR_CLONE:
            return vnetenc_hold_find_rest(nl_attr_get(a), size, action,
                                          rest);
        case OVS_ACTION_ATTR_CHECK_PKT_LEN:
            return find_rest_of_branch(a, action, rest);
        default:
            return 0;           /* No other list is a tunnel's output. */
        }
    }
    return 0;
}

/* Does the same as vnetenc_hold_find_rest() for 'check', an action
 * check_pkt_len. */
static size_t
find_rest_of_branch(const struct nlattr *check,
                    const struct ovs_action_vnetenc *action,
                    const struct nlattr **rest)
{
    const struct nlattr *branch;
    size_t left;

    NL_NESTED_FOR_EACH (branch, left, check) {
        const char *data = nl_attr_get(branch);
        size_t size = nl_attr_get_size(branch);

        if (data < (const char *) action
            && (const char *) action < data + size) {
            return vnetenc_hold_find_rest(nl_attr_get(branch), size, action,
                                          rest);
        }
    }
    return 0;
}

/* Posts a copy of 'packet', to leave through 'rest' or, if that is NULL,
 * through the socket of its lane.  Returns false if there are too many bytes
 * or the inbox is full. */
static bool
post(const struct dp_packet *packet, const struct vnetenc_path_key *path,
     const struct ovs_action_vnetenc *action, enum vnetenc_drop verdict,
     const struct nlattr *rest, size_t rest_len)
{
    size_t size = (sizeof(struct vnetenc_hold) + rest_len + sizeof *packet
                   + dp_packet_size(packet));
    struct vnetenc_hold *h;
    uint64_t before;

    atomic_add_relaxed(&n_bytes, size, &before);
    if (before + size > VNETENC_HOLD_BYTES) {
        atomic_sub_relaxed(&n_bytes, size, &before);
        return false;
    }
    h = xmalloc(sizeof *h + rest_len);
    h->path = *path;
    h->action = *action;
    h->verdict = verdict;
    h->n_bytes = size;
    h->packet = dp_packet_clone(packet);
    h->by_lane = !rest;
    h->actions_len = rest_len;
    nullable_memcpy(h->actions, rest, rest_len);
    if (!vnetenc_inbox_post(VNETENC_INBOX_GUESTS, VNETENC_EV_HELD, path, 0,
                            (uintptr_t) h, NULL, 0)) {
        vnetenc_hold_destroy(h);
        return false;
    }
    return true;
}

static size_t
hold_batch(const struct dp_packet_batch *batch,
           const struct vnetenc_route *route,
           const struct ovs_action_vnetenc *action, enum vnetenc_drop verdict,
           const struct nlattr *rest, size_t rest_len)
{
    struct vnetenc_gate *gate = vnetenc_gate_find(&route->key.remote);
    long long int now = time_msec();
    const struct dp_packet *packet;
    size_t n = 0;

    if (!gate) {
        return 0;
    }
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        if (!vnetenc_gate_may_hold(gate, now)
            || !post(packet, &route->key, action, verdict, rest, rest_len)) {
            break;
        }
        n++;
    }
    return n;
}

size_t
vnetenc_hold_batch(const struct dp_packet_batch *batch,
                   const struct vnetenc_route *route,
                   const struct ovs_action_vnetenc *action,
                   enum vnetenc_drop verdict,
                   const struct nlattr *actions, size_t actions_len)
{
    const struct nlattr *rest;
    size_t rest_len;

    /* A copy would lose the length to which the packet must be cut. */
    if (batch->trunc || !actions) {
        return 0;
    }
    rest_len = vnetenc_hold_find_rest(actions, actions_len, action, &rest);
    if (!rest_len) {
        return 0;
    }
    return hold_batch(batch, route, action, verdict, rest, rest_len);
}

size_t
vnetenc_hold_batch_for_lanes(const struct dp_packet_batch *batch,
                             const struct vnetenc_route *route,
                             const struct ovs_action_vnetenc *action,
                             enum vnetenc_drop verdict)
{
    return hold_batch(batch, route, action, verdict, NULL, 0);
}
