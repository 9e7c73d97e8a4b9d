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
#include "vnetenc/packet/open.h"
#include "dp-packet.h"
#include "packets.h"
#include "timeval.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/bridge/half-open.h"
#include "vnetenc/bridge/inbox.h"
#include "vnetenc/bridge/message.h"
#include "vnetenc/bridge/rx.h"
#include "vnetenc/bridge/tunnel.h"
#include "vnetenc/bridge/tuple.h"
#include "vnetenc/bridge/vni.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc/crypto/wire.h"
#include "vnetenc/packet/half.h"
#include "vnetenc/packet/join.h"
#include "vnetenc/packet/outer.h"

/* A received datagram and what is known of it so far. */
struct datagram {
    struct vnetenc_outer outer;
    uint8_t *data;              /* UDP payload. */
    size_t size;
    struct vnetenc_record record;
};

/* A record whose tag and number were right.  Only authenticate() makes it. */
struct opened {
    struct vnetenc_rx *rx;
    uint8_t *plain;
    size_t size;
};

/* Before authentication
 * ---------------------
 *
 * Apart from authenticate(), no function below may change the state of a
 * session or of a window, or look at a record's text.  The functions may use
 * up rate limits, which exist for that. */

static enum vnetenc_drop
parse_datagram(struct dp_packet *packet, struct datagram *d)
{
    if (!vnetenc_outer_parse_received(packet, &d->outer)) {
        return VNETENC_DROP_rx_bad_length;
    }
    d->data = (uint8_t *) dp_packet_data(packet) + d->outer.payload_ofs;
    d->size = d->outer.payload_size;
    return (vnetenc_record_parse(d->data, d->size, &d->record)
            ? VNETENC_KEEP : VNETENC_DROP_rx_short);
}

static struct vnetenc_rx *
find_session(const struct datagram *d)
{
    return vnetenc_rx_find(&d->outer.dst, d->outer.udp_dst, &d->outer.src,
                           d->outer.udp_src);
}

/* Posts a datagram, of which the profile is unknown, to the control thread. */
static bool
post_datagram(const struct datagram *d, enum vnetenc_inbox_queue queue,
              enum vnetenc_event_type type, const void *data, size_t size)
{
    struct vnetenc_path_key path;

    vnetenc_path_key_init(&path);
    path.local = d->outer.dst;
    path.remote = d->outer.src;
    path.dtls_port = d->outer.udp_dst;
    return vnetenc_inbox_post(queue, type, &path, d->outer.udp_src, 0, data,
                              size);
}

/* True if 'd' looks like a ClientHello.  The control thread looks closer. */
static bool
is_hello(const struct datagram *d)
{
    return (d->record.type == VNETENC_RECORD_HANDSHAKE
            && !d->record.epoch
            && d->size > VNETENC_RECORD_HEADER_BYTES
            && (d->data[VNETENC_RECORD_HEADER_BYTES]
                == VNETENC_HANDSHAKE_CLIENT_HELLO));
}

/* Stores in '*queue' where 'd', which is no ClientHello, goes.  An attacker
 * who forges the source address of a peer, but does not see the packets that
 * are sent to the peer, does not know the ports of the peer's sessions and
 * handshakes. */
static enum vnetenc_drop
admit_to_handshake(const struct datagram *d, enum vnetenc_inbox_queue *queue)
{
    struct vnetenc_rx *rx = find_session(d);
    struct vnetenc_half_open *half_open;

    if (rx) {
        *queue = VNETENC_INBOX_KNOWN;
        return (vnetenc_rx_may_shake(rx, time_msec())
                ? VNETENC_KEEP : VNETENC_DROP_rx_rate);
    }

    half_open = vnetenc_half_open_find(&d->outer.dst, d->outer.udp_dst,
                                       &d->outer.src, d->outer.udp_src);
    if (half_open) {
        *queue = VNETENC_INBOX_STRANGERS;
        return (vnetenc_half_open_admit(half_open, time_msec())
                ? VNETENC_KEEP : VNETENC_DROP_rx_rate);
    }
    return (vnetenc_gate_find(&d->outer.src)
            ? VNETENC_DROP_rx_no_handshake : VNETENC_DROP_rx_unknown_source);
}

/* Copies the whole of 'd' for the control thread.  Every ClientHello from the
 * address of a peer goes there, because no cheaper check of its cookie exists:
 * the control thread answers it in microseconds, and nothing else waits in the
 * ring of ClientHellos. */
static enum vnetenc_drop
pass_to_control(const struct datagram *d)
{
    enum vnetenc_inbox_queue queue = VNETENC_INBOX_HELLOS;
    enum vnetenc_event_type type = VNETENC_EV_HELLO;
    enum vnetenc_drop drop = VNETENC_KEEP;

    if (d->size > VNETENC_MAX_DATAGRAM_BYTES) {
        drop = VNETENC_DROP_rx_too_long;
    } else if (!is_hello(d)) {
        type = VNETENC_EV_DATAGRAM;
        drop = admit_to_handshake(d, &queue);
    } else if (!vnetenc_gate_find(&d->outer.src)) {
        drop = VNETENC_DROP_rx_unknown_source;
    }
    if (drop) {
        return drop;
    }
    return (post_datagram(d, queue, type, d->data, d->size)
            ? VNETENC_KEEP : VNETENC_DROP_rx_queue_full);
}

/* Reports a record from a peer under keys that we do not have.  The control
 * thread may send a hint to the peer. */
static void
report_unknown(const struct datagram *d)
{
    struct vnetenc_gate *gate = vnetenc_gate_find(&d->outer.src);

    if (gate && vnetenc_gate_may_report(gate, time_msec())) {
        post_datagram(d, VNETENC_INBOX_STRANGERS, VNETENC_EV_UNKNOWN, NULL,
                      0);
    }
}

static bool
has_too_many_failures(struct vnetenc_rx *rx)
{
    uint64_t n_failed;

    atomic_read_relaxed(&rx->n_failed, &n_failed);
    return n_failed >= VNETENC_MAX_FAILED_OPENS;
}

/* Opens the record at 'data', whose header 'r' has been checked, and commits
 * its number.  Only this function crosses the line. */
static enum vnetenc_drop
authenticate(struct vnetenc_rx *rx, uint8_t *data,
             const struct vnetenc_record *r, struct opened *opened)
{
    struct vnetenc_aead_op op;
    enum vnetenc_drop drop;
    uint64_t orig;

    if (has_too_many_failures(rx)) {
        return VNETENC_DROP_rx_auth_limit;
    }
    drop = vnetenc_replay_check(&rx->window, r->seq);
    if (!drop) {
        drop = vnetenc_record_open_op(data, r, rx->cipher, rx->fixed_iv, &op);
    }
    if (drop) {
        return drop;
    }

    op.packet = NULL;
    vnetenc_aead_open(rx->key, &op, 1);
    if (op.result == VNETENC_AEAD_BAD) {
        atomic_add_relaxed(&rx->n_failed, 1, &orig);
        return VNETENC_DROP_rx_auth;
    } else if (op.result != VNETENC_AEAD_OK) {
        return VNETENC_DROP_rx_aead;
    }

    drop = vnetenc_replay_commit(&rx->window, r->seq);
    if (drop) {
        return drop;
    }
    vnetenc_rx_count(rx, op.size);
    opened->rx = rx;
    opened->plain = op.text;
    opened->size = op.size;
    return VNETENC_KEEP;
}

/* After authentication
 * --------------------
 *
 * The functions below take a 'struct opened': its sender is the peer of the
 * session, and no number comes here twice. */

/* Replies travel the other way, to the lane port, so a reply is of unknown
 * type here. */
static enum vnetenc_drop
take_control_message(const struct opened *opened)
{
    struct vnetenc_rx *rx = opened->rx;
    uint64_t echo;

    if (!vnetenc_message_parse(opened->plain, opened->size,
                               VNETENC_MESSAGE_PROBE, &echo)) {
        return VNETENC_DROP_rx_control_unknown;
    }
    if (!vnetenc_rx_may_reply(rx, time_msec())) {
        return VNETENC_DROP_rx_reply_rate;
    }
    return (vnetenc_inbox_post(VNETENC_INBOX_KNOWN, VNETENC_EV_PROBE,
                               &rx->path, rx->lane_port, echo, NULL, 0)
            ? VNETENC_KEEP : VNETENC_DROP_rx_queue_full);
}

/* Sets '*deliver' to whether the plaintext is a tunnel packet. */
static enum vnetenc_drop
judge_plaintext(const struct opened *opened, bool *deliver)
{
    enum vnetenc_vni_verdict verdict;

    *deliver = false;
    if (opened->size < VNETENC_MIN_PLAINTEXT_BYTES) {
        return VNETENC_DROP_rx_payload;
    } else if (vnetenc_message_is(opened->plain, opened->size)) {
        return take_control_message(opened);
    }
    verdict = vnetenc_vni_judge(vnetenc_outer_vni(opened->plain),
                                opened->rx->path.profile);
    if (verdict) {
        return (verdict == VNETENC_VNI_UNLISTED ? VNETENC_DROP_rx_unlisted
                : VNETENC_DROP_rx_vni);
    }
    *deliver = true;
    return VNETENC_KEEP;
}

static enum vnetenc_drop
take_record(struct dp_packet *packet, const struct datagram *d, bool *deliver)
{
    struct opened opened;
    struct vnetenc_rx *rx;
    enum vnetenc_drop drop;

    drop = vnetenc_record_check(&d->record, VNETENC_RECORD_DATA, d->size);
    if (drop) {
        return drop;
    }
    rx = find_session(d);
    if (!rx) {
        report_unknown(d);
        return VNETENC_DROP_rx_no_session;
    }
    drop = authenticate(rx, d->data, &d->record, &opened);
    if (!drop) {
        drop = judge_plaintext(&opened, deliver);
    }
    if (!drop && *deliver) {
        vnetenc_outer_shrink(packet, &d->outer, opened.plain - d->data,
                             opened.size);
        if (rx->geneve && vnetenc_half_is(opened.plain, opened.size)) {
            drop = vnetenc_join(&rx->halves, packet, d->outer.payload_ofs,
                                d->record.seq, vnetenc_join_time(), deliver);
        }
    }
    return drop;
}

/* Before that
 * -----------
 *
 * The functions below look at packets of which nothing is checked, and decide
 * nothing about them. */

static bool
has_dtls_port(const struct dp_packet *packet)
{
    const struct udp_header *udp = dp_packet_l4(packet);

    return (udp && packet->l4_ofs + UDP_HEADER_LEN <= dp_packet_size(packet)
            && vnetenc_tunnel_is_dtls(udp->udp_dst));
}

/* Returns true if the packets of 'batch', which are two or more, seem to have
 * one sender, as most batches do.  There is nothing to be gained then. */
static bool
seem_alike(const struct dp_packet_batch *batch)
{
    size_t last = dp_packet_batch_size(batch) - 1;
    const struct dp_packet *first = batch->packets[0];

    return (vnetenc_outer_has_same_sender(first, batch->packets[last])
            && vnetenc_outer_has_same_sender(first,
                                             batch->packets[last / 2]));
}

/* Stores what the session of 'packet' has as its hash, and the number of the
 * record. */
static bool
look_at(const struct dp_packet *packet, uint32_t *hash, uint64_t *seq)
{
    struct vnetenc_outer outer;
    struct vnetenc_record record;

    if (!vnetenc_outer_parse_unchecked(packet, &outer)
        || !vnetenc_record_parse((const uint8_t *) dp_packet_data(packet)
                                 + outer.payload_ofs, outer.payload_size,
                                 &record)) {
        return false;
    }
    *hash = vnetenc_tuple_hash(&outer.dst, outer.udp_dst, &outer.src,
                               outer.udp_src);
    *seq = record.seq;
    return true;
}

void
vnetenc_open_fetch(const struct dp_packet_batch *batch)
{
    struct dp_packet *const *packets = batch->packets;
    size_t n = MIN(dp_packet_batch_size(batch), VNETENC_BURST);
    uint32_t hashes[VNETENC_BURST];
    uint64_t seqs[VNETENC_BURST];
    size_t k = 0;

    if (n < 2 || !has_dtls_port(packets[0]) || seem_alike(batch)) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (!i || !vnetenc_outer_has_same_sender(packets[i - 1],
                                                 packets[i])) {
            k += look_at(packets[i], &hashes[k], &seqs[k]);
        }
    }
    if (k) {
        vnetenc_rx_fetch_batch(hashes, seqs, k);
    }
}

struct udp_header *
vnetenc_open(struct dp_packet *packet)
{
    bool deliver = false;
    struct datagram d;
    enum vnetenc_drop drop;

    drop = parse_datagram(packet, &d);
    if (!drop) {
        drop = (vnetenc_record_is_control(d.record.type)
                ? pass_to_control(&d)
                : take_record(packet, &d, &deliver));
    }
    if (drop) {
        vnetenc_drop_count(drop, 1);
        return NULL;
    }
    return deliver ? dp_packet_l4(packet) : NULL;
}

enum vnetenc_drop
vnetenc_open_record(struct vnetenc_rx *rx, uint8_t *data, size_t size,
                    uint8_t type, uint8_t **plain, size_t *plain_size)
{
    struct vnetenc_record record;
    struct opened opened;
    enum vnetenc_drop drop;

    if (!vnetenc_record_parse(data, size, &record)) {
        return VNETENC_DROP_rx_short;
    }
    drop = vnetenc_record_check(&record, type, size);
    if (!drop) {
        drop = authenticate(rx, data, &record, &opened);
    }
    if (!drop) {
        *plain = opened.plain;
        *plain_size = opened.size;
    }
    return drop;
}
