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
#include <limits.h>
#include "coverage.h"
#include "dp-packet.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "openvswitch/list.h"
#include "ovs-atomic.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/bridge/inbox.h"
#include "vnetenc/bridge/limits.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/packet/route.h"
#include "vnetenc/vnetenc.h"

COVERAGE_DEFINE(vnetenc_tx_held);

/* A packet that waits, and what is to be done with it once it is sealed. */
struct held {
    struct ovs_list node;       /* In 'held', of the control thread. */
    struct vnetenc_path path;
    struct ovs_action_vnetenc action;
    enum vnetenc_drop verdict;  /* Why it will be dropped. */
    long long int until;
    size_t n_bytes;             /* What it counts for. */
    struct dp_packet *packet;
    size_t actions_len;
    uint32_t actions[];
};

static struct ovs_list held = OVS_LIST_INITIALIZER(&held);
static atomic_uint64_t n_bytes = 0;     /* Of all, also in the inbox. */

/* Any thread. */

static void
held_destroy(struct held *h)
{
    uint64_t orig;

    atomic_sub_relaxed(&n_bytes, h->n_bytes, &orig);
    dp_packet_delete(h->packet);
    free(h);
}

/* True if 'actions' only send on.  Others, of which recirc and userspace are
 * some, ask for translation, which the control thread must not do: it would
 * learn under its mutex, and take part in locks that are held at the end of
 * the daemon while that waits for this thread. */
static bool
only_sends(const struct nlattr *actions, size_t actions_len)
{
    const struct nlattr *a;
    size_t left;

    NL_ATTR_FOR_EACH (a, left, actions, actions_len) {
        switch (nl_attr_type(a)) {
        case OVS_ACTION_ATTR_OUTPUT:
        case OVS_ACTION_ATTR_LB_OUTPUT:
        case OVS_ACTION_ATTR_SET:
        case OVS_ACTION_ATTR_SET_MASKED:
        case OVS_ACTION_ATTR_PUSH_VLAN:
        case OVS_ACTION_ATTR_POP_VLAN:
            break;
        default:
            return false;
        }
    }
    return true;
}

/* Finds what comes behind 'action' in the innermost list of 'actions' that it
 * is in.  Returns the length of that, 0 if it is not found or the last. */
static size_t
find_rest(const struct nlattr *actions, size_t actions_len,
          const struct ovs_action_vnetenc *action, const struct nlattr **rest)
{
    const struct nlattr *a;
    size_t left;

    NL_ATTR_FOR_EACH (a, left, actions, actions_len) {
        const char *data = nl_attr_get(a);
        size_t size = nl_attr_get_size(a);

        if (data == (const char *) action) {
            *rest = nl_attr_next(a);
            return left - MIN(left, NLA_ALIGN(a->nla_len));
        } else if (data < (const char *) action
                   && (const char *) action < data + size) {
            /* Other lists are no tunnel's output. */
            return (nl_attr_type(a) == OVS_ACTION_ATTR_CLONE
                    ? find_rest(nl_attr_get(a), size, action, rest) : 0);
        }
    }
    return 0;
}

/* Posts a copy of 'packet'.  Returns false if that is too much. */
static bool
post(const struct dp_packet *packet, const struct vnetenc_path *path,
     const struct ovs_action_vnetenc *action, enum vnetenc_drop verdict,
     const struct nlattr *rest, size_t rest_len)
{
    size_t size = (sizeof(struct held) + rest_len + sizeof *packet
                   + dp_packet_size(packet));
    struct held *h;
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
    h->actions_len = rest_len;
    memcpy(h->actions, rest, rest_len);
    if (!vnetenc_inbox_post(VNETENC_INBOX_GUESTS, VNETENC_EV_HELD, path, 0,
                            (uintptr_t) h, NULL, 0)) {
        held_destroy(h);
        return false;
    }
    return true;
}

size_t
vnetenc_hold_batch(const struct dp_packet_batch *batch,
                   const struct vnetenc_route *route,
                   const struct ovs_action_vnetenc *action,
                   enum vnetenc_drop verdict,
                   const struct nlattr *actions, size_t actions_len)
{
    struct vnetenc_gate *gate = vnetenc_gate_find(&route->path.remote);
    long long int now = time_msec();
    const struct dp_packet *packet;
    const struct nlattr *rest;
    size_t rest_len, n = 0;
    uint64_t orig;

    /* A copy does not know how much of it was to be cut off. */
    if (!gate || batch->trunc || !actions) {
        return 0;
    }
    rest_len = find_rest(actions, actions_len, action, &rest);
    if (!rest_len || !only_sends(rest, rest_len)) {
        return 0;
    }
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        if (!vnetenc_gate_may_hold(gate, now)
            || !post(packet, &route->path, action, verdict, rest, rest_len)) {
            break;
        }
        n++;
    }
    if (route->lanes) {
        atomic_sub_relaxed(&route->lanes->n_dropped, n, &orig);
    }
    return n;
}

/* Control thread. */

void
vnetenc_hold_take(uint64_t echo, long long int until)
{
    struct held *h = (struct held *) (uintptr_t) echo;

    h->until = until;
    ovs_list_push_back(&held, &h->node);
}

static bool
path_is_up(const struct vnetenc_lanes *lanes)
{
    for (size_t i = 0; i < VNETENC_MAX_LANES; i++) {
        if (ovsrcu_get(struct vnetenc_tx *, &lanes->tx[i])) {
            return true;
        }
    }
    return false;
}

/* What vnetenc_seal_batch() leaves may go on, as it may in the packet path. */
static void
seal_and_send(struct held *h, vnetenc_hold_send_func *send)
{
    struct dp_packet_batch batch;
    struct dp_packet *packet;

    dp_packet_batch_init_packet(&batch, h->packet);
    h->packet = NULL;
    vnetenc_seal_batch(&batch, &h->action);
    if (!dp_packet_batch_is_empty(&batch)) {
        COVERAGE_INC(vnetenc_tx_held);
    }
    DP_PACKET_BATCH_FOR_EACH (i, packet, &batch) {
        if (!send(packet, (const struct nlattr *) h->actions,
                  h->actions_len)) {
            vnetenc_count(h->verdict, 1);
        }
    }
    dp_packet_delete_batch(&batch, true);
    dp_packet_batch_destroy(&batch);
}

static void
count_drop(const struct held *h, struct vnetenc_lanes *lanes)
{
    uint64_t orig;

    vnetenc_count(h->verdict, 1);
    if (lanes) {
        atomic_add_relaxed(&lanes->n_dropped, 1, &orig);
    }
}

long long int
vnetenc_hold_run(vnetenc_hold_send_func *send, long long int now)
{
    long long int wake = LLONG_MAX;
    struct held *h;

    LIST_FOR_EACH_SAFE (h, node, &held) {
        struct vnetenc_lanes *lanes = vnetenc_lanes_find(&h->path);

        if (lanes && path_is_up(lanes)) {
            seal_and_send(h, send);
        } else if (now >= h->until) {
            count_drop(h, lanes);
        } else {
            wake = MIN(wake, h->until);
            continue;
        }
        ovs_list_remove(&h->node);
        held_destroy(h);
    }
    return wake;
}

void
vnetenc_hold_end(void)
{
    struct vnetenc_event *event = xmalloc(sizeof *event);
    struct held *h;

    while (vnetenc_inbox_take(VNETENC_INBOX_GUESTS, event)) {
        if (event->type == VNETENC_EV_HELD) {
            vnetenc_hold_take(event->echo, 0);
        }
    }
    free(event);
    LIST_FOR_EACH_SAFE (h, node, &held) {
        ovs_list_remove(&h->node);
        count_drop(h, NULL);
        held_destroy(h);
    }
}
