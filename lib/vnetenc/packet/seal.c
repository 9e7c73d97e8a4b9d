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
#include "netlink.h"
#include "odp-netlink.h"
#include "packets.h"
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
    bool owned;                 /* Packets may be replaced or kept. */
    bool halves;                /* Some packets may be halves. */
    size_t n;
    struct dp_packet *packets[VNETENC_BURST];   /* NULL: provider keeps it. */
    enum vnetenc_drop drops[VNETENC_BURST];
    struct vnetenc_outer outer[VNETENC_BURST];
    unsigned int lanes[VNETENC_BURST];
};

/* Prepare. */

static inline ALWAYS_INLINE enum vnetenc_drop
prepare_packet(struct burst *b, const struct vnetenc_route *route, size_t i)
{
    struct dp_packet *packet = b->packets[i];
    struct vnetenc_outer *outer = &b->outer[i];
    enum vnetenc_drop drop;

    drop = vnetenc_route_admit(route, packet, outer);
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
    b->lanes[i] = vnetenc_lanes_choose(route->n_lanes, outer->udp_src);
    return VNETENC_KEEP;
}

/* Build. */

static inline ALWAYS_INLINE void
build_record(struct burst *b, const struct vnetenc_route *route, size_t i,
             uint64_t seq, struct vnetenc_aead_op *op)
{
    const struct vnetenc_tx *tx = route->tx[b->lanes[i]];
    const struct vnetenc_outer *outer = &b->outer[i];
    uint8_t *record;

    record = vnetenc_outer_grow(b->packets[i], outer,
                                vnetenc_record_head(tx->cipher),
                                VNETENC_TAG_BYTES, tx->lane_port,
                                route->key.dtls_port);
    vnetenc_record_seal_op(record, tx->cipher, tx->fixed_iv,
                           VNETENC_RECORD_DATA, seq, outer->payload_size, op);
    op->packet = b->owned ? b->packets[i] : NULL;
}

/* Seal and finish. */

static inline ALWAYS_INLINE void
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

/* Seals the packets of 'lane' of 'route'. */
static void
seal_lane(struct burst *b, const struct vnetenc_route *route,
          unsigned int lane)
{
    struct vnetenc_tx *tx = route->tx[lane];
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

    /* A half waits only until a pair with a number 64 pairs further arrives,
     * so pairs of all threads are numbered in the order of time. */
    seq = (OVS_UNLIKELY(b->halves)
           ? vnetenc_tx_reserve_newest(tx, n, n_bytes)
           : vnetenc_tx_reserve(tx, n, n_bytes));
    if (seq == UINT64_MAX) {
        for (size_t k = 0; k < n; k++) {
            b->drops[members[k]] = VNETENC_DROP_tx_key_limit;
        }
        return;
    }
    for (size_t k = 0; k < n; k++) {
        build_record(b, route, members[k], seq + k, &ops[k]);
    }
    vnetenc_aead_seal(tx->key, ops, n);
    for (size_t k = 0; k < n; k++) {
        finish_packet(b, members[k], ops[k].result);
    }
}

/* Seals packets of one route. */
static void
seal_burst(struct burst *b, const struct vnetenc_route *route)
{
    for (size_t i = 0; i < b->n; i++) {
        b->drops[i] = prepare_packet(b, route, i);
    }
    for (unsigned int lane = 0; lane < route->n_lanes; lane++) {
        seal_lane(b, route, lane);
    }
}

/* Adds packet 'i' to 'batch', or counts it and drops it. */
static void
put_packet(struct burst *b, const struct vnetenc_route *route, size_t i,
           struct dp_packet_batch *batch)
{
    if (!b->drops[i]) {
        dp_packet_batch_add(batch, b->packets[i]);
    } else {
        vnetenc_path_count(route->path, &route->key, b->drops[i], 1);
        dp_packet_delete(b->packets[i]);
    }
}

/* Seals the next 'n' packets of 'batch', from 'start' on.  Adds those that
 * stay in the batch to it again, which are never more than were read. */
static void
seal_from_batch(struct burst *b, const struct vnetenc_route *route,
                struct dp_packet_batch *batch, size_t start, size_t n)
{
    b->n = n;
    for (size_t i = 0; i < n; i++) {
        b->packets[i] = batch->packets[start + i];
    }
    seal_burst(b, route);
    for (size_t i = 0; i < n; i++) {
        put_packet(b, route, i, batch);
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
              const struct vnetenc_route *route)
{
    struct burst b;
    size_t burst, n;
    bool split;

    segment_batch(batch, route);
    split = vnetenc_split_batch(batch, route);
    n = dp_packet_batch_size(batch);
    b.owned = true;
    b.halves = split;
    dp_packet_batch_refill_init(batch);
    for (size_t i = 0; i < n; i += burst) {
        burst = (split ? vnetenc_split_burst(&batch->packets[i], n - i)
                 : MIN(n - i, VNETENC_BURST));
        seal_from_batch(&b, route, batch, i, burst);
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

/* Deferred. */

/* A list of actions: seal and output. */
struct seal_and_output {
    struct nlattr seal;
    struct ovs_action_vnetenc action;
    struct nlattr output;
    odp_port_t port;
};
BUILD_ASSERT_DECL(sizeof(struct seal_and_output)
                  == (2 * NLA_HDRLEN
                      + NLA_ALIGN(sizeof(struct ovs_action_vnetenc))
                      + sizeof(odp_port_t)));

/* Returns true if 'action' is followed by an output to a port, and by nothing
 * else in any of the lists of 'actions', 'actions_len' bytes long, that it is
 * in.  Only then the output owns the packets. */
static bool
only_output_follows(const struct ovs_action_vnetenc *action,
                    const struct nlattr *actions, size_t actions_len)
{
    const struct nlattr *rest;
    size_t rest_len;

    rest_len = vnetenc_hold_find_rest(actions, actions_len, action, &rest);
    return (rest_len == NLA_HDRLEN + sizeof(odp_port_t)
            && nl_attr_type(rest) == OVS_ACTION_ATTR_OUTPUT
            && ((const char *) rest + rest_len
                == (const char *) actions + actions_len));
}

/* Defers sealing the packets of 'batch' to the output batch of the port that
 * is the next action.  Returns false if they must be sealed at once.  The
 * arguments are those of vnetenc_seal_batch_of_flow().
 *
 * Packets wait in the form in which the tunnel pushed them.  Those that would
 * have to be cut, split or reported to the source of the flow do not wait:
 * what is needed for that is gone when the output batch is sent.  A large
 * batch gains nothing by waiting. */
static bool
defer_batch(struct dp_packet_batch *batch,
            const struct ovs_action_vnetenc *action, const struct flow *flow,
            const struct nlattr *actions, size_t actions_len)
{
    uint64_t max_size = ETH_HEADER_LEN + (uint64_t) vnetenc_path_least_mtu();
    struct dp_packet *packet;

    if (!flow || !actions || batch->trunc
        || dp_packet_batch_size(batch) > VNETENC_DEFER_PACKETS
        || !only_output_follows(action, actions, actions_len)) {
        return false;
    }
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        if (dp_packet_size(packet) + VNETENC_OVERHEAD > max_size
            || dp_packet_get_tso_segsz(packet)) {
            return false;
        }
    }
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        packet->offloads |= DP_PACKET_OL_VNETENC;
        packet->md.tunnel.tp_dst = action->tp_dst;
        packet->md.tunnel.enc_mode = action->mode;
        packet->md.tunnel.enc_profile = action->profile;
    }
    return true;
}

/* Up to VNETENC_BURST deferred packets, each on a route of its own. */
struct deferred {
    struct burst burst;
    struct ovs_action_vnetenc actions[VNETENC_BURST];
    struct vnetenc_route routes[VNETENC_BURST];
    bool ready[VNETENC_BURST];  /* Others are sealed one by one. */
};

/* Adds 'packet', which is deferred no longer, to 'd'. */
static void
take_deferred(struct deferred *d, struct dp_packet *packet)
{
    size_t i = d->burst.n++;

    packet->offloads &= ~DP_PACKET_OL_VNETENC;
    d->burst.packets[i] = packet;
    d->actions[i].tp_dst = packet->md.tunnel.tp_dst;
    /* Nothing but VNETENC_PREFER may let it leave in clear: the flag, which
     * netdev_send() looks for, is gone. */
    d->actions[i].mode = (packet->md.tunnel.enc_mode == VNETENC_PREFER
                          ? VNETENC_PREFER : VNETENC_REQUIRE);
    d->actions[i].profile = packet->md.tunnel.enc_profile;
}

/* Finds the routes of the packets in 'd' and prepares those that are ready:
 * that have a session and need nothing but to be sealed. */
static void
prepare_deferred(struct deferred *d)
{
    struct burst *b = &d->burst;

    vnetenc_route_find_batch(b->packets, d->actions, b->n, d->routes,
                             d->ready);
    for (size_t i = 0; i < b->n; i++) {
        const struct vnetenc_route *route = &d->routes[i];

        if (!d->ready[i]) {
            continue;
        }
        if (dp_packet_size(b->packets[i]) > route->max_size
            || vnetenc_mailbox_serve(&route->path->mailbox)) {
            d->ready[i] = false;
            continue;
        }
        if (dp_packet_size(b->packets[i]) > VNETENC_LONG_BYTES) {
            vnetenc_path_note_long(route->path);
        }
        b->drops[i] = prepare_packet(b, route, i);
        if (!b->drops[i]) {
            vnetenc_aead_fetch(route->tx[b->lanes[i]]->key);
        }
    }
}

/* Seals the packets of 'd' that are ready.  Each gets a number of its own. */
static void
seal_ready(struct deferred *d)
{
    const struct vnetenc_aead_key *keys[VNETENC_BURST];
    struct vnetenc_aead_op ops[VNETENC_BURST];
    struct burst *b = &d->burst;
    size_t members[VNETENC_BURST];
    size_t n = 0;

    for (size_t i = 0; i < b->n; i++) {
        const struct vnetenc_route *route = &d->routes[i];
        struct vnetenc_tx *tx;
        uint64_t seq;

        if (!d->ready[i] || b->drops[i]) {
            continue;
        }
        tx = route->tx[b->lanes[i]];
        seq = vnetenc_tx_reserve(tx, 1, b->outer[i].payload_size);
        if (seq == UINT64_MAX) {
            b->drops[i] = VNETENC_DROP_tx_key_limit;
            continue;
        }
        build_record(b, route, i, seq, &ops[n]);
        keys[n] = tx->key;
        members[n++] = i;
    }
    vnetenc_aead_seal_each(keys, ops, n);
    for (size_t k = 0; k < n; k++) {
        finish_packet(b, members[k], ops[k].result);
    }
}

/* Seals 'packet', which must leave through 'port', or drops it, like one that
 * did not wait.  Adds what leaves to 'out'. */
static void
seal_alone(struct dp_packet *packet, const struct ovs_action_vnetenc *action,
           odp_port_t port, struct dp_packet_batch *out)
{
    const struct seal_and_output list = {
        .seal = {
            .nla_len = NLA_HDRLEN + sizeof list.action,
            .nla_type = OVS_ACTION_ATTR_VNETENC,
        },
        .action = *action,
        .output = {
            .nla_len = NLA_HDRLEN + sizeof list.port,
            .nla_type = OVS_ACTION_ATTR_OUTPUT,
        },
        .port = port,
    };
    struct dp_packet_batch batch;

    dp_packet_batch_init_packet(&batch, packet);
    vnetenc_seal_batch_of_flow(&batch, &list.action, NULL, &list.seal,
                               sizeof list);
    DP_PACKET_BATCH_FOR_EACH (i, packet, &batch) {
        dp_packet_batch_add(out, packet);
    }
    dp_packet_batch_destroy(&batch);
}

/* Adds the 'n' packets at 'packets', up to VNETENC_BURST, to 'out', the
 * deferred ones after they were sealed. */
static void
output_burst(struct dp_packet *const packets[], size_t n, odp_port_t port,
             struct dp_packet_batch *out)
{
    size_t members[VNETENC_BURST];
    struct deferred d;

    d.burst.owned = true;
    d.burst.n = 0;
    for (size_t i = 0; i < n; i++) {
        if (packets[i]->offloads & DP_PACKET_OL_VNETENC) {
            members[d.burst.n] = i;
            take_deferred(&d, packets[i]);
        }
    }
    if (d.burst.n) {
        prepare_deferred(&d);
        seal_ready(&d);
    }
    for (size_t i = 0, k = 0; i < n; i++) {
        if (k >= d.burst.n || members[k] != i) {
            dp_packet_batch_add(out, packets[i]);
            continue;
        }
        if (d.ready[k]) {
            put_packet(&d.burst, &d.routes[k], k, out);
        } else {
            seal_alone(packets[i], &d.actions[k], port, out);
        }
        k++;
    }
}

void
vnetenc_seal_deferred(struct dp_packet_batch *batch, odp_port_t port)
{
    struct dp_packet_batch in;
    size_t n;

    dp_packet_batch_init(&in);
    dp_packet_batch_swap(&in, batch);
    n = dp_packet_batch_size(&in);
    for (size_t i = 0; i < n; i += VNETENC_BURST) {
        output_burst(&in.packets[i], MIN(n - i, VNETENC_BURST), port, batch);
    }
    dp_packet_batch_destroy(&in);
}

/* At once. */

static bool
may_wait(enum vnetenc_drop verdict)
{
    return (verdict == VNETENC_DROP_tx_no_session
            || verdict == VNETENC_DROP_tx_prefer_wait);
}

bool
vnetenc_seal_batch_of_flow(struct dp_packet_batch *batch,
                           const struct ovs_action_vnetenc *action,
                           const struct flow *flow,
                           const struct nlattr *actions, size_t actions_len)
{
    struct vnetenc_route route;
    enum vnetenc_drop verdict;
    size_t n_held = 0;

    if (dp_packet_batch_is_empty(batch) || action->mode == VNETENC_OFF) {
        return false;
    }
    if (defer_batch(batch, action, flow, actions, actions_len)) {
        return true;
    }
    verdict = vnetenc_route_find(batch->packets[0], action, &route);
    if (verdict) {
        if (may_wait(verdict)) {
            n_held = vnetenc_hold_batch(batch, &route, action, verdict,
                                        actions, actions_len);
        }
        finish_unsealed(batch, &route, verdict, n_held);
        return false;
    }
    route.flow = flow;
    seal_on_route(batch, &route);
    if (vnetenc_mailbox_serve(&route.path->mailbox)) {
        add_messages(batch, &route);
    }
    return false;
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
    seal_on_route(batch, route);
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
    b.owned = false;
    b.halves = false;
    b.n = 1;
    b.packets[0] = packet;
    seal_burst(&b, &route);
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
    /* Probes wait for data to travel with, which may overtake them. */
    seq = vnetenc_tx_reserve_newest(tx, 1, size);
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
