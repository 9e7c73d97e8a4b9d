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
#include "vnetenc/packet/seal.h"
#include <string.h>
#include "dp-packet.h"
#include "odp-netlink.h"
#include "util.h"
#include "vnetenc/bridge/mail.h"
#include "vnetenc/bridge/tx.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc/mode.h"
#include "vnetenc/packet/hold.h"
#include "vnetenc/packet/outer.h"
#include "vnetenc/packet/route.h"
#include "vnetenc/packet/segment.h"
#include "vnetenc/packet/split.h"

/* Up to VNETENC_BURST packets that are sealed together.  A packet with a
 * reason in 'drops' takes no further part. */
struct burst {
    const struct vnetenc_route *route;
    ovs_be16 udp_dst;
    bool owned;                 /* Packets may be replaced or kept. */
    size_t n;
    struct dp_packet *packets[VNETENC_BURST];   /* NULL: provider keeps it. */
    enum vnetenc_drop drops[VNETENC_BURST];
    struct vnetenc_outer outer[VNETENC_BURST];
    unsigned int lanes[VNETENC_BURST];
};

/* Prepare. */

static enum vnetenc_drop
prepare_packet(struct burst *b, size_t i)
{
    struct dp_packet *packet = b->packets[i];
    struct vnetenc_outer *outer = &b->outer[i];
    enum vnetenc_drop drop;

    drop = vnetenc_route_admit(b->route, packet, outer);
    if (drop) {
        return drop;
    }
    if (!vnetenc_outer_complete_inner(packet)) {
        return VNETENC_DROP_tx_checksum;
    }
    if (!b->owned && !vnetenc_outer_may_grow(packet, VNETENC_MAX_HEAD_BYTES,
                                             VNETENC_TAG_BYTES)) {
        return VNETENC_DROP_tx_no_room;
    }
    b->packets[i] = vnetenc_outer_make_room(packet, VNETENC_MAX_HEAD_BYTES,
                                            VNETENC_TAG_BYTES);
    b->lanes[i] = vnetenc_lanes_choose(b->route->n_lanes, outer->udp_src);
    return VNETENC_KEEP;
}

/* Build. */

static void
build_record(struct burst *b, size_t i, const struct vnetenc_tx *tx,
             uint64_t seq, struct vnetenc_aead_op *op)
{
    const struct vnetenc_outer *outer = &b->outer[i];
    uint8_t *record;

    record = vnetenc_outer_grow(b->packets[i], outer,
                                vnetenc_record_head(tx->cipher),
                                VNETENC_TAG_BYTES, tx->lane_port, b->udp_dst);
    vnetenc_record_seal_op(record, tx->cipher, tx->fixed_iv,
                           VNETENC_RECORD_DATA, seq, outer->payload_size, op);
    op->packet = b->owned ? b->packets[i] : NULL;
}

/* Seal and finish. */

static void
finish_packet(struct burst *b, size_t i, enum vnetenc_aead_result result)
{
    if (result == VNETENC_AEAD_OK) {
        return;
    }
    b->drops[i] = VNETENC_DROP_tx_aead;
    if (result == VNETENC_AEAD_KEPT) {
        ovs_assert(b->owned);
        b->packets[i] = NULL;
    }
}

/* Seals the packets of 'lane'. */
static void
seal_lane(struct burst *b, unsigned int lane)
{
    struct vnetenc_tx *tx = b->route->tx[lane];
    struct vnetenc_aead_op ops[VNETENC_BURST];
    size_t members[VNETENC_BURST];
    uint64_t n_bytes = 0;
    size_t n = 0;
    uint64_t seq;

    for (size_t i = 0; i < b->n; i++) {
        if (!b->drops[i] && b->lanes[i] == lane) {
            members[n++] = i;
            n_bytes += b->outer[i].payload_size;
        }
    }
    if (!n) {
        return;
    }

    seq = vnetenc_tx_reserve(tx, n, n_bytes);
    if (seq == UINT64_MAX) {
        for (size_t k = 0; k < n; k++) {
            b->drops[members[k]] = VNETENC_DROP_tx_key_limit;
        }
        return;
    }
    for (size_t k = 0; k < n; k++) {
        build_record(b, members[k], tx, seq + k, &ops[k]);
    }
    vnetenc_aead_seal(tx->key, ops, n);
    for (size_t k = 0; k < n; k++) {
        finish_packet(b, members[k], ops[k].result);
    }
}

static void
seal_burst(struct burst *b)
{
    for (size_t i = 0; i < b->n; i++) {
        b->drops[i] = prepare_packet(b, i);
    }
    for (unsigned int lane = 0; lane < b->route->n_lanes; lane++) {
        seal_lane(b, lane);
    }
}

/* Seals the next 'n' packets of 'batch', from 'start' on.  Adds those that
 * stay in the batch to it again, which are never more than were read. */
static void
seal_from_batch(struct burst *b, struct dp_packet_batch *batch, size_t start,
                size_t n)
{
    b->n = n;
    for (size_t i = 0; i < n; i++) {
        b->packets[i] = batch->packets[start + i];
    }
    seal_burst(b);
    for (size_t i = 0; i < n; i++) {
        if (!b->drops[i]) {
            dp_packet_batch_add(batch, b->packets[i]);
        } else {
            vnetenc_path_count(b->route->path, &b->route->key, b->drops[i],
                               1);
            dp_packet_delete(b->packets[i]);
        }
    }
}

/* Segment. */

/* Returns false if a record cannot take the longest segment of 'packet'.  Such
 * a segment is not even made: with the room for a record around it, it might
 * be longer than a packet can be, whose memory is counted in 16 bits. */
static bool
segments_fit(const struct dp_packet *packet)
{
    const char *payload = dp_packet_get_inner_tcp_payload(packet);
    const char *udp = dp_packet_l4(packet);
    size_t segsz = dp_packet_get_tso_segsz(packet);

    if (!segsz || !payload || !udp) {
        return true;
    }
    segsz = MIN(segsz, dp_packet_get_inner_tcp_payload_length(packet));
    return (payload - udp - UDP_HEADER_LEN + segsz
            <= VNETENC_MAX_PLAINTEXT_BYTES);
}

static void
drop_long_segments(struct dp_packet_batch *batch,
                   const struct vnetenc_route *route)
{
    size_t i, n = dp_packet_batch_size(batch);
    struct dp_packet *packet;

    DP_PACKET_BATCH_REFILL_FOR_EACH (i, n, packet, batch) {
        if (segments_fit(packet)) {
            dp_packet_batch_add(batch, packet);
        } else {
            vnetenc_path_count(route->path, &route->key,
                               VNETENC_DROP_tx_too_long, 1);
            dp_packet_delete(packet);
        }
    }
}

static void
segment_batch(struct dp_packet_batch *batch, const struct vnetenc_route *route)
{
    odp_port_t in_port = batch->packets[0]->md.in_port.odp_port;
    struct dp_packet *packet;
    bool any = false;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        any |= dp_packet_get_tso_segsz(packet) != 0;
    }
    if (!any) {
        return;
    }

    vnetenc_split_shorten_segments(batch, route);
    drop_long_segments(batch, route);
    vnetenc_segment_batch(batch);
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        pkt_metadata_init(&packet->md, in_port);
    }
}

/* Messages. */

/* Adds the messages that wait for the path to 'batch', whose packets are
 * sealed, so that the messages travel with data. */
static void
add_messages(struct dp_packet_batch *batch, const struct vnetenc_route *route)
{
    struct vnetenc_mailbox *box = &route->path->mailbox;

    if (dp_packet_batch_is_empty(batch) || batch->trunc) {
        return;
    }
    for (size_t i = 0; i < VNETENC_MAIL_SLOTS; i++) {
        struct vnetenc_mail *mail = vnetenc_mailbox_take(box, i);

        if (mail) {
            dp_packet_batch_add(batch, vnetenc_outer_copy(
                batch->packets[0], route->ipv6, mail->udp_src, mail->udp_dst,
                mail->data, mail->size));
            vnetenc_mail_free(mail);
        }
    }
}

void
vnetenc_seal_batch(struct dp_packet_batch *batch,
                   const struct ovs_action_vnetenc *action)
{
    vnetenc_seal_batch_of_flow(batch, action, NULL, NULL, 0);
}

/* Seals the packets of 'batch' on 'route', which has a session. */
static void
seal_on_route(struct dp_packet_batch *batch,
              const struct ovs_action_vnetenc *action,
              const struct vnetenc_route *route)
{
    struct burst b;
    size_t burst, n;
    bool split;

    segment_batch(batch, route);
    split = vnetenc_split_batch(batch, route);
    n = dp_packet_batch_size(batch);
    b.route = route;
    b.udp_dst = action->tp_dst;
    b.owned = true;
    dp_packet_batch_refill_init(batch);
    for (size_t i = 0; i < n; i += burst) {
        burst = (split ? vnetenc_split_burst(&batch->packets[i], n - i)
                 : MIN(n - i, VNETENC_BURST));
        seal_from_batch(&b, batch, i, burst);
    }
}

/* Counts the packets of 'batch', except the 'n_held' that wait, under
 * 'verdict'.  Drops the packets unless they are to leave in clear. */
static void
finish_unsealed(struct dp_packet_batch *batch,
                const struct vnetenc_route *route, enum vnetenc_drop verdict,
                size_t n_held)
{
    vnetenc_path_count(route->path, &route->key, verdict,
                       dp_packet_batch_size(batch) - n_held);
    dp_packet_delete_batch(batch, !vnetenc_drop_is_fallback(verdict));
}

static bool
may_wait(enum vnetenc_drop verdict)
{
    return (verdict == VNETENC_DROP_tx_no_session
            || verdict == VNETENC_DROP_tx_prefer_wait);
}

void
vnetenc_seal_batch_of_flow(struct dp_packet_batch *batch,
                           const struct ovs_action_vnetenc *action,
                           const struct flow *flow,
                           const struct nlattr *actions, size_t actions_len)
{
    struct vnetenc_route route;
    enum vnetenc_drop verdict;
    size_t n_held = 0;

    if (dp_packet_batch_is_empty(batch) || action->mode == VNETENC_OFF) {
        return;
    }
    verdict = vnetenc_route_find(batch->packets[0], action, &route);
    if (verdict) {
        if (may_wait(verdict)) {
            n_held = vnetenc_hold_batch(batch, &route, action, verdict,
                                        actions, actions_len);
        }
        finish_unsealed(batch, &route, verdict, n_held);
        return;
    }
    route.flow = flow;
    seal_on_route(batch, action, &route);
    if (vnetenc_mailbox_serve(&route.path->mailbox)) {
        add_messages(batch, &route);
    }
}

enum vnetenc_drop
vnetenc_seal_batch_for_lanes(struct dp_packet_batch *batch,
                             const struct ovs_action_vnetenc *action,
                             bool hold, struct vnetenc_route *route)
{
    enum vnetenc_drop verdict;
    size_t n_held = 0;

    verdict = vnetenc_route_find(batch->packets[0], action, route);
    if (verdict) {
        if (hold && may_wait(verdict)) {
            n_held = vnetenc_hold_batch_for_lanes(batch, route, action,
                                                  verdict);
        }
        finish_unsealed(batch, route, verdict, n_held);
        return verdict;
    }
    route->flow = NULL;
    seal_on_route(batch, action, route);
    return VNETENC_KEEP;
}

bool
vnetenc_seal_packet(struct dp_packet *packet,
                    const struct ovs_action_vnetenc *action)
{
    struct vnetenc_route route;
    enum vnetenc_drop verdict;
    struct burst b;

    if (action->mode == VNETENC_OFF) {
        return true;
    }
    verdict = vnetenc_route_find(packet, action, &route);
    if (verdict) {
        vnetenc_path_count(route.path, &route.key, verdict, 1);
        return vnetenc_drop_is_fallback(verdict);
    }

    /* The caller has one packet and can take no segments. */
    if (dp_packet_get_tso_segsz(packet)) {
        vnetenc_path_count(route.path, &route.key, VNETENC_DROP_tx_slow_tso,
                           1);
        return false;
    }
    if (dp_packet_size(packet) > route.max_size) {
        vnetenc_path_count(route.path, &route.key, VNETENC_DROP_tx_slow_mtu,
                           1);
        return false;
    }
    b.route = &route;
    b.udp_dst = action->tp_dst;
    b.owned = false;
    b.n = 1;
    b.packets[0] = packet;
    seal_burst(&b);
    if (b.drops[0]) {
        vnetenc_path_count(route.path, &route.key, b.drops[0], 1);
        return false;
    }
    return true;
}

/* Control thread. */

size_t
vnetenc_seal_record(struct vnetenc_tx *tx, uint8_t type, const void *plain,
                    size_t size, uint8_t *out, size_t out_size)
{
    size_t total = vnetenc_record_overhead(tx->cipher) + size;
    struct vnetenc_aead_op op;
    uint64_t seq;

    if (size > VNETENC_MAX_PLAINTEXT_BYTES || total > out_size) {
        return 0;
    }
    seq = vnetenc_tx_reserve(tx, 1, size);
    if (seq == UINT64_MAX) {
        return 0;
    }

    vnetenc_record_seal_op(out, tx->cipher, tx->fixed_iv, type, seq, size,
                           &op);
    op.packet = NULL;
    nullable_memcpy(op.text, plain, size);
    vnetenc_aead_seal(tx->key, &op, 1);
    return op.result == VNETENC_AEAD_OK ? total : 0;
}
