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
#include "vnetenc/control/release.h"

#include <limits.h>

#include "coverage.h"
#include "dp-packet.h"
#include "openvswitch/list.h"
#include "ovs-atomic.h"
#include "util.h"
#include "vnetenc/bridge/inbox.h"
#include "vnetenc/bridge/path.h"
#include "vnetenc/kernel/transmit.h"
#include "vnetenc/packet/hold.h"
#include "vnetenc/packet/seal.h"

COVERAGE_DEFINE(vnetenc_tx_held);

static struct ovs_list held = OVS_LIST_INITIALIZER(&held);

void
vnetenc_release_take(uint64_t echo, long long int now)
{
    struct vnetenc_hold *h = (struct vnetenc_hold *) (uintptr_t) echo;

    h->since = now;
    ovs_list_push_back(&held, &h->node);
}

/* Seals the packet of 'h' and sends the result.  Packets that
 * vnetenc_seal_batch() leaves in the batch go on, as in the packet path. */
static void
send_by_actions(struct vnetenc_hold *h, vnetenc_release_func *send)
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
        send(packet, (const struct nlattr *) h->actions, h->actions_len,
             &h->path, h->verdict);
    }
    dp_packet_batch_destroy(&batch);
}

static void
send_by_lane(struct vnetenc_hold *h)
{
    struct dp_packet_batch batch;

    dp_packet_batch_init_packet(&batch, h->packet);
    h->packet = NULL;
    if (vnetenc_transmit(NULL, &batch, &h->action, false)) {
        COVERAGE_INC(vnetenc_tx_held);
    }
    dp_packet_batch_destroy(&batch);
}

long long int
vnetenc_release_run(vnetenc_release_func *send,
                    vnetenc_release_patience_func *patience, long long int now)
{
    long long int wake = LLONG_MAX;
    struct vnetenc_hold *h;

    LIST_FOR_EACH_SAFE (h, node, &held) {
        struct vnetenc_path *path = vnetenc_path_find(&h->path);
        long long int until = h->since + patience(&h->path);

        if (path && vnetenc_lanes_up(&path->lanes)) {
            if (h->by_lane) {
                send_by_lane(h);
            } else {
                send_by_actions(h, send);
            }
        } else if (now >= until) {
            vnetenc_path_count(path, &h->path, h->verdict, 1);
        } else {
            wake = MIN(wake, until);
            continue;
        }
        ovs_list_remove(&h->node);
        vnetenc_hold_destroy(h);
    }
    return wake;
}

void
vnetenc_release_end(void)
{
    struct vnetenc_event *event = xmalloc(sizeof *event);
    struct vnetenc_hold *h;

    while (vnetenc_inbox_take(VNETENC_INBOX_GUESTS, event)) {
        if (event->type == VNETENC_EV_HELD) {
            vnetenc_release_take(event->echo, 0);
        }
    }
    free(event);
    LIST_FOR_EACH_SAFE (h, node, &held) {
        ovs_list_remove(&h->node);
        vnetenc_path_count(NULL, &h->path, h->verdict, 1);
        vnetenc_hold_destroy(h);
    }
}
