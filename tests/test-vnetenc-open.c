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

/* Opening: what is refused and under which reason, replays, control messages
 * and datagrams, VNIs, threads.
 *
 * Keywords: threads. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/crypto/record.h"
#include "vnetenc/packet/open.h"

#include <stdlib.h>

#include "dp-packet.h"
#include "flow.h"
#include "netdev-native-tnl.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "packets.h"
#include "random.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/bridge/half-open.h"
#include "vnetenc/bridge/inbox.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc/packet/seal.h"
#include "vnetenc-unit-packets.h"
#include "vnetenc-unit.h"
#include "vnetenc/bridge/vni.h"

enum { MAX_SIZE = VNETENC_MAX_PLAINTEXT_BYTES };

static ovs_be16
lane_port(void)
{
    return htons(UNIT_LANE_PORT);
}

static ovs_be16
dtls_port(void)
{
    return htons(VNETENC_GENEVE_PORT);
}

/* The record of session 0 in 's' with 'plain' and sequence number 'seq'.
 * Returns its size. */
static size_t
make_record(struct unit_sessions *s, uint64_t seq, uint8_t type,
            const void *plain, size_t size, uint8_t *out, size_t out_size)
{
    unit_tx_set_seq(s->tx[0], seq);
    return vnetenc_seal_record(s->tx[0], type, plain, size, out, out_size);
}

/* Datagram of lane 0 with 'payload'. */
static struct dp_packet *
from_lane(const struct unit_sessions *s, const void *payload, size_t size)
{
    return unit_datagram(s->ipv6, lane_port(), dtls_port(), payload, size);
}

/* True if 'wire' is dropped with 'reason' and nothing else happens. */
static bool
is_dropped(const struct dp_packet *wire, enum vnetenc_drop reason)
{
    struct dp_packet *packet;
    bool ok;

    unit_drops_begin();
    packet = unit_open(wire);
    ok = !packet && unit_drops_are(reason, 1);
    dp_packet_delete(packet);
    return ok;
}

static bool
payload_is_dropped(const struct unit_sessions *s, const void *payload,
                   size_t size, enum vnetenc_drop reason)
{
    struct dp_packet *wire = from_lane(s, payload, size);
    bool ok = is_dropped(wire, reason);

    dp_packet_delete(wire);
    return ok;
}

/* True if 'payload' is delivered as 'plain'. */
static bool
payload_is_delivered(const struct unit_sessions *s, const void *payload,
                     size_t size, const void *plain, size_t plain_size)
{
    struct dp_packet *wire = from_lane(s, payload, size);
    struct dp_packet *packet;
    bool ok;

    unit_drops_begin();
    packet = unit_open(wire);
    ok = (packet && unit_no_drops()
          && dp_packet_l4_size(packet) == UDP_HEADER_LEN + plain_size
          && !memcmp((uint8_t *) dp_packet_l4(packet) + UDP_HEADER_LEN, plain,
                     plain_size));
    dp_packet_delete(packet);
    dp_packet_delete(wire);
    return ok;
}

/* A Geneve header and some text. */
static void
fill_plain(uint8_t *plain, size_t size)
{
    static const uint8_t geneve[8] = {
        0, 0, 0x65, 0x58, UNIT_VNI >> 16, UNIT_VNI >> 8 & 0xff,
        UNIT_VNI & 0xff, 0
    };

    for (size_t i = 0; i < size; i++) {
        plain[i] = i < 8 ? geneve[i] : i * 5 + i / 249;
    }
}

/* Every length of plaintext; those that are too short for a tunnel are
 * authentic and yet refused. */
static void
test_lengths(enum vnetenc_cipher cipher, bool ipv6)
{
    static uint8_t plain[MAX_SIZE], record[MAX_SIZE + 64];
    uint64_t seq = VNETENC_FIRST_SEQ, n_records, n_bytes;
    uint64_t total_bytes = 0, total = 0;
    struct unit_sessions s;
    unsigned int n_wrong = 0;

    fill_plain(plain, sizeof plain);
    unit_sessions_create(&s, cipher, ipv6, 1);
    for (size_t size = 0; size <= MAX_SIZE; size += size < 2048 ? 1 : 1792) {
        size_t n = make_record(&s, seq++, 23, plain, size, record,
                               sizeof record);

        n_wrong += !n;
        n_wrong += !(size < 8
                     ? payload_is_dropped(&s, record, n,
                                          VNETENC_DROP_rx_payload)
                     : payload_is_delivered(&s, record, n, plain, size));
        total++;
        total_bytes += size;
    }
    CHECK(n_wrong == 0);
    vnetenc_rx_sum(s.rx[0], &n_records, &n_bytes);
    CHECK(n_records == total);
    CHECK(n_bytes == total_bytes);
    unit_sessions_destroy(&s);
}

/* Every bit of a record: the reason by the octet it is in.  Then the record
 * itself, which none of that must have spent. */
static void
test_flips(enum vnetenc_cipher cipher)
{
    uint8_t plain[40], record[128], copy[128];
    struct unit_sessions s;
    unsigned int n_wrong = 0;
    uint64_t n_failed;
    size_t n;

    fill_plain(plain, sizeof plain);
    unit_sessions_create(&s, cipher, false, 1);
    n = make_record(&s, VNETENC_FIRST_SEQ, 23, plain, sizeof plain, record,
                    sizeof record);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        size_t octet = bit / 8;
        enum vnetenc_drop reason;

        memcpy(copy, record, n);
        copy[octet] ^= 1 << bit % 8;
        reason = (octet == 0 ? (copy[0] >= 20 && copy[0] <= 22
                                ? VNETENC_DROP_rx_rate /* See below. */
                                : VNETENC_DROP_rx_bad_type)
                  : octet <= 2 ? VNETENC_DROP_rx_bad_version
                  : octet <= 4 ? VNETENC_DROP_rx_bad_epoch
                  : octet == 5 ? VNETENC_DROP_rx_bad_sequence
                  : octet == 6 && bit % 8 >= 4 ? VNETENC_DROP_rx_bad_sequence
                  : octet <= 10 ? VNETENC_DROP_rx_auth
                  : octet <= 12 ? VNETENC_DROP_rx_bad_length
                  : VNETENC_DROP_rx_auth);
        if (reason == VNETENC_DROP_rx_rate) {
            continue;           /* Control datagrams have their own test. */
        }
        if (!payload_is_dropped(&s, copy, n, reason)) {
            printf("bit %"PRIuSIZE"\n", bit);
            n_wrong++;
        }
    }
    CHECK(n_wrong == 0);
    atomic_read_relaxed(&s.rx[0]->n_failed, &n_failed);
    CHECK(n_failed == 8 * (n - 13) + 36);
    CHECK(payload_is_delivered(&s, record, n, plain, sizeof plain));

    /* Now it is spent, and a forgery with its number is seen as a replay. */
    CHECK(payload_is_dropped(&s, record, n, VNETENC_DROP_rx_replay));
    record[n - 1] ^= 1;
    CHECK(payload_is_dropped(&s, record, n, VNETENC_DROP_rx_replay));
    unit_sessions_destroy(&s);
}

/* Cut short, padded, doubled. */
static void
test_framing(enum vnetenc_cipher cipher)
{
    uint8_t plain[40], record[256];
    struct unit_sessions s;
    unsigned int n_wrong = 0;
    struct dp_packet *wire;
    struct udp_header *udp;
    size_t n;

    fill_plain(plain, sizeof plain);
    unit_sessions_create(&s, cipher, false, 1);
    n = make_record(&s, VNETENC_FIRST_SEQ, 23, plain, sizeof plain, record,
                    sizeof record);
    for (size_t size = 0; size < n; size++) {
        n_wrong += !payload_is_dropped(&s, record, size,
                                       size < 13 ? VNETENC_DROP_rx_short
                                       : VNETENC_DROP_rx_bad_length);
    }
    CHECK(n_wrong == 0);

    memcpy(record + n, record, n);
    CHECK(payload_is_dropped(&s, record, n + 1, VNETENC_DROP_rx_bad_length));
    CHECK(payload_is_dropped(&s, record, 2 * n, VNETENC_DROP_rx_bad_length));

    /* A record that is whole, but too short for the cipher. */
    record[11] = 0;
    for (unsigned int length = 0; length < 16; length++) {
        record[12] = length;
        CHECK(payload_is_dropped(&s, record, 13 + length,
                                 VNETENC_DROP_rx_bad_length));
    }

    /* The UDP length counts: octets behind it are padding, and it must not
     * reach beyond the packet. */
    n = make_record(&s, VNETENC_FIRST_SEQ, 23, plain, sizeof plain, record,
                    sizeof record);
    memset(record + n, 0xcc, 30);
    wire = from_lane(&s, record, n + 30);
    udp = dp_packet_l4(wire);
    udp->udp_len = htons(UDP_HEADER_LEN + n + 31);
    CHECK(is_dropped(wire, VNETENC_DROP_rx_bad_length));

    /* Nor if the record agrees: its octets are not there. */
    {
        uint8_t *p = (uint8_t *) dp_packet_l4(wire) + UDP_HEADER_LEN;

        p[12] = n + 31 - 13;
        CHECK(is_dropped(wire, VNETENC_DROP_rx_bad_length));
        p[12] = n - 13;
    }
    udp->udp_len = htons(7);
    CHECK(is_dropped(wire, VNETENC_DROP_rx_bad_length));
    udp->udp_len = htons(UINT16_MAX);
    CHECK(is_dropped(wire, VNETENC_DROP_rx_bad_length));
    udp->udp_len = htons(UDP_HEADER_LEN + n);
    unit_drops_begin();
    {
        struct dp_packet *packet = unit_open(wire);

        CHECK(packet && dp_packet_l4_size(packet)
                        == UDP_HEADER_LEN + sizeof plain);
        CHECK(packet && !dp_packet_l2_pad_size(packet));
        CHECK(unit_no_drops());
        dp_packet_delete(packet);
    }
    dp_packet_delete(wire);

    /* Ethernet padding likewise. */
    n = make_record(&s, VNETENC_FIRST_SEQ + 1, 23, plain, 8, record,
                    sizeof record);
    wire = from_lane(&s, record, n);
    dp_packet_put_zeros(wire, 9);
    dp_packet_set_l2_pad_size(wire, 9);
    {
        struct dp_packet *packet = unit_open(wire);

        CHECK(packet && dp_packet_l4_size(packet) == UDP_HEADER_LEN + 8);
        CHECK(packet && !dp_packet_l2_pad_size(packet));
        dp_packet_delete(packet);
    }
    dp_packet_delete(wire);
    unit_sessions_destroy(&s);
}

/* Order of arrival, over the whole path. */
static void
test_replay(void)
{
    const uint64_t W = VNETENC_WINDOW_RECORDS;
    const uint64_t base = VNETENC_FIRST_SEQ;
    static const struct {
        uint64_t seq;
        enum vnetenc_drop expected;
    } rows[] = {
        { 0, VNETENC_KEEP },
        { 0, VNETENC_DROP_rx_replay },
        { 2, VNETENC_KEEP },
        { 1, VNETENC_KEEP },
        { 2, VNETENC_DROP_rx_replay },
        { VNETENC_WINDOW_RECORDS + 2, VNETENC_KEEP },
        { 3, VNETENC_KEEP },
        { 2, VNETENC_DROP_rx_window },
        { 0, VNETENC_DROP_rx_window },
        { 4, VNETENC_KEEP },
        { 10 * VNETENC_WINDOW_RECORDS, VNETENC_KEEP },
        { VNETENC_WINDOW_RECORDS + 3, VNETENC_DROP_rx_window },
        { 9 * VNETENC_WINDOW_RECORDS, VNETENC_DROP_rx_window },
        { 9 * VNETENC_WINDOW_RECORDS + 1, VNETENC_KEEP },
        { 9 * VNETENC_WINDOW_RECORDS + 1, VNETENC_DROP_rx_replay },
    };
    uint8_t plain[20], record[128];
    struct unit_sessions s;

    fill_plain(plain, sizeof plain);
    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        size_t n = make_record(&s, base + rows[i].seq, 23, plain,
                               sizeof plain, record, sizeof record);
        bool ok = (rows[i].expected
                   ? payload_is_dropped(&s, record, n, rows[i].expected)
                   : payload_is_delivered(&s, record, n, plain,
                                          sizeof plain));
        if (!CHECK(ok)) {
            printf("row %"PRIuSIZE"\n", i);
        }
    }

    /* A forgery far ahead does not move the window. */
    {
        size_t n = make_record(&s, base + 100 * W, 23, plain, sizeof plain,
                               record, sizeof record);

        record[n - 1] ^= 1;
        CHECK(payload_is_dropped(&s, record, n, VNETENC_DROP_rx_auth));
        n = make_record(&s, base + 10 * W - 5, 23, plain, sizeof plain,
                        record, sizeof record);
        CHECK(payload_is_delivered(&s, record, n, plain, sizeof plain));
    }

    /* A stock peer's numbers begin at 1; the largest is the limit's. */
    unit_sessions_destroy(&s);
    unit_sessions_create(&s, VNETENC_AES128_GCM, false, 1);
    {
        size_t n = make_record(&s, 1, 23, plain, sizeof plain, record,
                               sizeof record);

        CHECK(payload_is_delivered(&s, record, n, plain, sizeof plain));
        n = make_record(&s, VNETENC_MAX_SEQ, 23, plain, sizeof plain, record,
                        sizeof record);
        CHECK(payload_is_delivered(&s, record, n, plain, sizeof plain));
    }
    unit_sessions_destroy(&s);
}

/* Packets with any IP header, in memory that ends with them: nothing behind
 * them is read. */
static void
test_fetch_unchecked(bool ipv6)
{
    struct dp_packet_batch batch;
    struct dp_packet *packet;

    dp_packet_batch_init(&batch);
    for (unsigned int i = 0; i < 2 * VNETENC_BURST; i++) {
        struct dp_packet *whole = unit_datagram(ipv6, htons(i), dtls_port(),
                                                "", 1);
        size_t size = dp_packet_size(whole);

        packet = dp_packet_new(size);
        dp_packet_put(packet, dp_packet_data(whole), size);
        packet->l3_ofs = whole->l3_ofs;
        packet->l4_ofs = whole->l4_ofs;
        if (i) {
            *(uint8_t *) dp_packet_l3(packet) = random_uint8();
        }
        if (i % 4 == 1) {
            *(uint8_t *) dp_packet_l3(packet) = ipv6 ? 0x45 : 0x65;
        } else if (i % 4 == 2) {
            packet->l4_ofs = random_range(size + 2);
        } else if (i % 4 == 3) {
            packet->l3_ofs = random_range(size);
        }
        dp_packet_batch_add(&batch, packet);
        dp_packet_delete(whole);
        vnetenc_open_fetch(&batch);
        if (dp_packet_batch_size(&batch) == VNETENC_BURST) {
            dp_packet_delete_batch(&batch, true);
        }
    }
    dp_packet_delete_batch(&batch, true);
    dp_packet_batch_destroy(&batch);
}

/* Packets of some sessions in one batch: whole ones, ones that are cut off
 * anywhere, forged ones and replays, from known and unknown senders.  To fetch
 * ahead changes none of them, nor what becomes of them. */
static void
test_fetch(bool ipv6)
{
    enum { LANES = VNETENC_MAX_LANES, N = 3 * VNETENC_BURST };
    uint8_t plain[20], record[128];
    struct dp_packet_batch batch, copies;
    struct dp_packet *packet;
    struct unit_sessions s;
    unsigned int n_wrong = 0, n_opened = 0, n_good = 0;

    fill_plain(plain, sizeof plain);
    unit_sessions_create(&s, VNETENC_AES256_GCM, ipv6, LANES);
    dp_packet_batch_init(&batch);
    dp_packet_batch_init(&copies);
    unit_drops_begin();
    for (unsigned int i = 0; i < N; i++) {
        unsigned int lane = random_range(LANES);
        unsigned int kind = i ? random_range(8) : 7;
        size_t n = vnetenc_seal_record(s.tx[lane], VNETENC_RECORD_DATA, plain,
                                       sizeof plain, record, sizeof record);

        record[n - 1] ^= kind == 0;
        packet = unit_datagram(ipv6, htons(UNIT_LANE_PORT + lane
                                           + (kind == 1 ? LANES : 0)),
                               dtls_port(), record, n);
        if (kind == 2) {
            dp_packet_set_size(packet,
                               random_range(dp_packet_size(packet)));
        } else if (kind == 3) {
            packet->l4_ofs = UINT16_MAX;
        }
        n_good += kind > 3;
        dp_packet_batch_add(&batch, packet);
        dp_packet_batch_add(&copies, dp_packet_clone(packet));
        if (kind == 4) {
            /* Once more. */
            dp_packet_batch_add(&batch, dp_packet_clone(packet));
            dp_packet_batch_add(&copies, dp_packet_clone(packet));
        }
    }
    for (unsigned int i = 0; i < 3; i++) {
        vnetenc_open_fetch(&batch);
    }
    CHECK(unit_no_drops());
    DP_PACKET_BATCH_FOR_EACH (i, packet, &batch) {
        n_wrong += !dp_packet_equal(packet, copies.packets[i]);
        n_opened += vnetenc_open(packet) != NULL;
    }
    CHECK(n_wrong == 0);
    CHECK(n_opened == n_good);
    dp_packet_delete_batch(&batch, true);
    dp_packet_delete_batch(&copies, true);
    dp_packet_batch_destroy(&batch);
    dp_packet_batch_destroy(&copies);
    unit_sessions_destroy(&s);
}

/* An explicit nonce that has nothing to do with the sequence number, as
 * OpenSSL's. */
static void
test_foreign_nonce(void)
{
    uint8_t plain[24], record[128];
    struct unit_sessions s;
    struct vnetenc_aead_op op;

    fill_plain(plain, sizeof plain);
    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    vnetenc_aead_key_destroy(s.rx[0]->key);
    ovs_assert(!vnetenc_aead_key_create(VNETENC_AES256_GCM, s.keys[0].key,
                                        &s.rx[0]->key));
    memcpy(record, (uint8_t[]) { 23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 7, 0,
                                 8 + 24 + 16 }, 13);
    memcpy(record + 13, "\xde\xad\xbe\xef\x01\x02\x03\x04", 8);
    memcpy(record + 21, plain, sizeof plain);
    memset(&op, 0, sizeof op);
    op.text = record + 21;
    op.size = sizeof plain;
    op.tag = record + 21 + sizeof plain;
    memcpy(op.nonce, s.keys[0].fixed_iv, 4);
    memcpy(op.nonce + 4, record + 13, 8);
    memcpy(op.aad, record + 3, 8);
    memcpy(op.aad + 8, record, 3);
    op.aad[12] = sizeof plain;
    vnetenc_aead_seal(s.tx[0]->key, &op, 1);
    CHECK(payload_is_delivered(&s, record, 21 + 24 + 16, plain,
                               sizeof plain));
    unit_sessions_destroy(&s);
}

/* The four-tuple is the session: any part of it wrong, and the record has
 * none. */
static void
test_who(void)
{
    static struct vnetenc_event event;
    struct vnetenc_path_key path = unit_path(false, true);
    struct dp_packet *good, *wire;
    uint8_t plain[30], record[128];
    struct vnetenc_gate *gate;
    struct unit_sessions s, s6;
    long long int start, n_reports;
    struct udp_header *udp;
    struct ip_header *ip;
    size_t n;

    fill_plain(plain, sizeof plain);
    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    unit_sessions_create(&s6, VNETENC_AES256_GCM, true, 1);
    n = make_record(&s, VNETENC_FIRST_SEQ, 23, plain, sizeof plain, record,
                    sizeof record);
    good = from_lane(&s, record, n);

    wire = dp_packet_clone(good);
    udp = dp_packet_l4(wire);
    udp->udp_src = htons(UNIT_LANE_PORT + 1);
    CHECK(is_dropped(wire, VNETENC_DROP_rx_no_session));
    udp->udp_src = lane_port();
    udp->udp_dst = htons(VNETENC_VXLAN_PORT);
    CHECK(is_dropped(wire, VNETENC_DROP_rx_no_session));
    udp->udp_dst = dtls_port();
    ip = dp_packet_l3(wire);
    put_16aligned_be32(&ip->ip_src, htonl(0x0a000003));
    CHECK(is_dropped(wire, VNETENC_DROP_rx_no_session));
    put_16aligned_be32(&ip->ip_src, htonl(0x0a000001));
    put_16aligned_be32(&ip->ip_dst, htonl(0x0a000003));
    CHECK(is_dropped(wire, VNETENC_DROP_rx_no_session));
    dp_packet_delete(wire);

    /* Another session's address, with this one's key. */
    wire = unit_datagram(true, lane_port(), dtls_port(), record, n);
    CHECK(is_dropped(wire, VNETENC_DROP_rx_auth));
    dp_packet_delete(wire);

    /* Strangers are not reported. */
    CHECK(!vnetenc_inbox_take(VNETENC_INBOX_STRANGERS, &event));
    CHECK(!vnetenc_inbox_take(VNETENC_INBOX_KNOWN, &event));

    /* Peers are, but not often. */
    gate = vnetenc_gate_add(&path.remote);
    wire = dp_packet_clone(good);
    udp = dp_packet_l4(wire);
    udp->udp_src = htons(50000);
    start = time_msec();
    for (int i = 0; i < 1000; i++) {
        if (!is_dropped(wire, VNETENC_DROP_rx_no_session)) {
            CHECK(false);
        }
    }
    CHECK(vnetenc_inbox_take(VNETENC_INBOX_STRANGERS, &event));
    CHECK(event.type == VNETENC_EV_UNKNOWN);
    CHECK(ipv6_addr_equals(&event.path.local, &path.local));
    CHECK(ipv6_addr_equals(&event.path.remote, &path.remote));
    CHECK(event.path.dtls_port == dtls_port());
    CHECK(event.remote_port == htons(50000));
    for (n_reports = 1; vnetenc_inbox_take(VNETENC_INBOX_STRANGERS, &event);
         n_reports++) {
        continue;
    }
    CHECK(n_reports <= 1 + (time_msec() - start)
                           / VNETENC_HINT_INTERVAL_MS);

    dp_packet_delete(wire);
    vnetenc_gate_remove(gate);

    wire = dp_packet_clone(good);
    unit_drops_begin();
    {
        struct dp_packet *packet = unit_open(wire);

        CHECK(packet != NULL);
        CHECK(unit_no_drops());
        dp_packet_delete(packet);
    }
    dp_packet_delete(wire);
    dp_packet_delete(good);
    unit_sessions_destroy(&s);
    unit_sessions_destroy(&s6);
}

/* Another session takes the place of one with the same addresses: the old
 * one's records are refused from then on. */
static void
test_replace(void)
{
    struct vnetenc_path_key path = unit_path(false, true);
    struct vnetenc_record_key key;
    uint8_t plain[30], record[128];
    struct vnetenc_rx *new;
    struct unit_sessions s;
    size_t n;

    fill_plain(plain, sizeof plain);
    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    n = make_record(&s, VNETENC_FIRST_SEQ, 23, plain, sizeof plain, record,
                    sizeof record);
    memset(&key, 7, sizeof key);
    key.cipher = VNETENC_CHACHA20_POLY1305;
    key.single = false;
    new = vnetenc_rx_create(&key, &path, lane_port());
    vnetenc_rx_publish(new);
    CHECK(vnetenc_rx_find(&path.local, path.dtls_port, &path.remote,
                          lane_port()) == new);
    CHECK(payload_is_dropped(&s, record, n, VNETENC_DROP_rx_auth));

    /* The old one goes, the new one stays. */
    vnetenc_rx_retire(s.rx[0]);
    s.rx[0] = NULL;
    CHECK(vnetenc_rx_find(&path.local, path.dtls_port, &path.remote,
                          lane_port()) == new);
    vnetenc_rx_retire(new);
    CHECK(!vnetenc_rx_find(&path.local, path.dtls_port, &path.remote,
                           lane_port()));
    CHECK(payload_is_dropped(&s, record, n, VNETENC_DROP_rx_no_session));
    unit_sessions_destroy(&s);
}

/* Which VNI under which profile. */
static void
test_vni(void)
{
    static const struct vnetenc_vni ours[] = {
        { UNIT_VNI, UNIT_PROFILE }, { 1, 9 },
    };
    static const struct vnetenc_vni theirs[] = {
        { UNIT_VNI, UNIT_PROFILE + 1 }, { UNIT_VNI, UNIT_PROFILE - 1 },
    };
    static const struct vnetenc_vni others[] = {
        { UNIT_VNI - 1, 9 }, { UNIT_VNI + 1, 9 },
    };
    uint8_t plain[30], record[128];
    uint64_t seq = VNETENC_FIRST_SEQ;
    struct unit_sessions s;
    size_t n;

    fill_plain(plain, sizeof plain);
    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
#define NEXT n = make_record(&s, seq++, 23, plain, sizeof plain, record, \
                             sizeof record)
    NEXT;
    vnetenc_vni_set(ours, ARRAY_SIZE(ours));
    CHECK(payload_is_delivered(&s, record, n, plain, sizeof plain));
    NEXT;
    vnetenc_vni_set(others, ARRAY_SIZE(others));
    CHECK(payload_is_delivered(&s, record, n, plain, sizeof plain));
    NEXT;
    vnetenc_vni_set(theirs, ARRAY_SIZE(theirs));
    CHECK(payload_is_dropped(&s, record, n, VNETENC_DROP_rx_vni));
    vnetenc_vni_set(NULL, 0);
    CHECK(payload_is_dropped(&s, record, n, VNETENC_DROP_rx_replay));
    NEXT;
    CHECK(payload_is_delivered(&s, record, n, plain, sizeof plain));
#undef NEXT
    unit_sessions_destroy(&s);
}

/* The most that may have passed a rate since 'start'. */
static unsigned int
most_in(long long int start, int burst, int per_second)
{
    return burst + 1 + (time_msec() - start) * per_second / 1000;
}

/* Control messages inside records. */
static void
test_control(void)
{
    static struct vnetenc_event event;
    uint8_t probe[200], record[256];
    uint64_t seq = VNETENC_FIRST_SEQ;
    struct unit_sessions s;
    unsigned int n_posted = 0, n_refused = 0;
    long long int start = time_msec();
    size_t n;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    memset(probe, 0, sizeof probe);
    probe[8] = 1;
    memcpy(probe + 16, "whatever", 8);

    /* Probes of two sizes. */
    for (size_t size = 24; size <= sizeof probe; size += 176) {
        struct dp_packet *wire, *packet;

        n = make_record(&s, seq++, 23, probe, size, record, sizeof record);
        wire = from_lane(&s, record, n);
        unit_drops_begin();
        packet = unit_open(wire);
        CHECK(!packet);
        CHECK(unit_no_drops());
        dp_packet_delete(packet);
        CHECK(vnetenc_inbox_take(VNETENC_INBOX_KNOWN, &event));
        CHECK(event.type == VNETENC_EV_PROBE);
        CHECK(event.echo == UINT64_C(0x7768617465766572));  /* "whatever" */
        CHECK(event.path.profile == UNIT_PROFILE);
        CHECK(event.remote_port == lane_port());

        /* Repeated it is a replay. */
        CHECK(is_dropped(wire, VNETENC_DROP_rx_replay));
        CHECK(!vnetenc_inbox_take(VNETENC_INBOX_KNOWN, &event));
        dp_packet_delete(wire);
    }

    /* Too short, replies, unknown types, reserved octets. */
    for (unsigned int i = 0; i < 24; i++) {
        bool tiny = i < 8;

        n = make_record(&s, seq++, 23, probe, i, record, sizeof record);
        CHECK(payload_is_dropped(&s, record, n,
                                 tiny ? VNETENC_DROP_rx_payload
                                 : VNETENC_DROP_rx_control_unknown));
    }
    for (unsigned int type = 0; type < 256; type++) {
        if (type != 1) {
            probe[8] = type;
            n = make_record(&s, seq++, 23, probe, 24, record, sizeof record);
            if (!payload_is_dropped(&s, record, n,
                                    VNETENC_DROP_rx_control_unknown)) {
                CHECK(type == 1);
            }
        }
    }
    probe[8] = 1;
    for (unsigned int i = 9; i < 16; i++) {
        probe[i] = 0x80;
        n = make_record(&s, seq++, 23, probe, 24, record, sizeof record);
        CHECK(payload_is_dropped(&s, record, n,
                                 VNETENC_DROP_rx_control_unknown));
        probe[i] = 0;
    }
    CHECK(!vnetenc_inbox_take(VNETENC_INBOX_KNOWN, &event));

    /* At most 10 answers in a second; 2 are spent. */
    unit_drops_begin();
    for (int i = 0; i < 100; i++) {
        struct dp_packet *wire;

        n = make_record(&s, seq++, 23, probe, 24, record, sizeof record);
        wire = from_lane(&s, record, n);
        dp_packet_delete(unit_open(wire));
        dp_packet_delete(wire);
    }
    while (vnetenc_inbox_take(VNETENC_INBOX_KNOWN, &event)) {
        n_posted++;
    }
    n_refused = 100 - n_posted;
    CHECK(unit_drops_are(VNETENC_DROP_rx_reply_rate, n_refused));
    CHECK(n_posted >= VNETENC_REPLIES_PER_SECOND - 2);
    CHECK(n_posted <= most_in(start, VNETENC_REPLIES_PER_SECOND,
                              VNETENC_REPLIES_PER_SECOND));

    /* Not authentic, never looked at. */
    n = make_record(&s, seq++, 23, probe, 24, record, sizeof record);
    record[n - 1] ^= 1;
    CHECK(payload_is_dropped(&s, record, n, VNETENC_DROP_rx_auth));
    CHECK(!vnetenc_inbox_take(VNETENC_INBOX_KNOWN, &event));
    unit_sessions_destroy(&s);
}

/* Datagrams for the control thread. */

/* Feeds a datagram of 'size' octets whose first record has 'type', 'epoch',
 * and a body that begins with 'first'. */
static void
feed_record(bool ipv6, ovs_be16 src, uint8_t type, uint16_t epoch,
            uint8_t first, size_t size)
{
    static uint8_t payload[VNETENC_MAX_DATAGRAM_BYTES + 1];
    struct dp_packet *wire, *packet;

    for (size_t i = 0; i < size; i++) {
        payload[i] = i;
    }
    payload[0] = type;
    payload[1] = 0xfe;
    payload[2] = 0xff;
    payload[3] = epoch >> 8;
    payload[4] = epoch;
    payload[VNETENC_RECORD_HEADER_BYTES] = first;
    wire = unit_datagram(ipv6, src, dtls_port(), payload, size);
    packet = unit_open(wire);
    CHECK(!packet);
    dp_packet_delete(packet);
    dp_packet_delete(wire);
}

static void
feed(bool ipv6, ovs_be16 src, uint8_t type, size_t size)
{
    feed_record(ipv6, src, type, 0x304, VNETENC_RECORD_HEADER_BYTES, size);
}

static void
feed_hello(ovs_be16 src)
{
    feed_record(false, src, VNETENC_RECORD_HANDSHAKE, 0,
                VNETENC_HANDSHAKE_CLIENT_HELLO, 100);
}

/* Takes all events of 'queue'; the datagrams must be of feed(). */
static unsigned int
drain(enum vnetenc_inbox_queue queue, ovs_be16 src, size_t size)
{
    static struct vnetenc_event event;
    unsigned int n = 0;

    while (vnetenc_inbox_take(queue, &event)) {
        bool hello = event.type == VNETENC_EV_HELLO;
        bool ok = (hello == (queue == VNETENC_INBOX_HELLOS)
                   && (hello || event.type == VNETENC_EV_DATAGRAM)
                   && event.remote_port == src
                   && event.path.dtls_port == dtls_port()
                   && event.size == size);

        for (size_t i = VNETENC_RECORD_HEADER_BYTES + 1; i < size; i++) {
            ok = ok && event.data[i] == (i & 0xff);
        }
        n += ok ? 1 : 1000000;
    }
    return n;
}

static void
test_strangers(void)
{
    ovs_be16 stranger = htons(55555);

    unit_drops_begin();
    for (uint8_t type = 20; type <= 22; type++) {
        feed(false, stranger, type, 100);
    }
    feed_hello(stranger);
    CHECK(unit_drops_are(VNETENC_DROP_rx_unknown_source, 4));
    feed(false, stranger, 19, 100);
    feed(false, stranger, 24, 100);
    feed(false, stranger, 0, 100);
    feed(false, stranger, 255, 100);
    CHECK(unit_drops_are(VNETENC_DROP_rx_bad_type, 4));
    CHECK(drain(VNETENC_INBOX_STRANGERS, stranger, 100) == 0);
    CHECK(drain(VNETENC_INBOX_HELLOS, stranger, 100) == 0);
}

/* A blind flood in a peer's name, of hellos and of anything else, takes
 * nothing from a handshake of that peer. */
static void
test_handshake_under_flood(void)
{
    struct vnetenc_path_key path = unit_path(false, true);
    struct vnetenc_gate *gate = vnetenc_gate_add(&path.remote);
    ovs_be16 shaker = htons(55555), blind = htons(55556);
    struct vnetenc_half_open *half_open;
    long long int start = time_msec();
    unsigned int n;

    half_open = vnetenc_half_open_add(&path, shaker);
    unit_drops_begin();
    for (int i = 0; i < 1000; i++) {
        feed(false, blind, 22, 100);
    }
    CHECK(unit_drops_are(VNETENC_DROP_rx_no_handshake, 1000));
    for (int i = 0; i < VNETENC_INBOX_SLOTS; i++) {
        feed_hello(blind);
    }
    CHECK(unit_no_drops());
    feed_hello(blind);
    CHECK(unit_drops_are(VNETENC_DROP_rx_queue_full, 1));

    /* The largest datagram, and one more octet. */
    feed(false, shaker, 20, 14);
    CHECK(drain(VNETENC_INBOX_STRANGERS, shaker, 14) == 1);
    feed(false, shaker, 21, 15);
    CHECK(drain(VNETENC_INBOX_STRANGERS, shaker, 15) == 1);
    feed(false, shaker, 22, VNETENC_MAX_DATAGRAM_BYTES);
    CHECK(drain(VNETENC_INBOX_STRANGERS, shaker,
                VNETENC_MAX_DATAGRAM_BYTES) == 1);
    CHECK(unit_no_drops());
    feed(false, shaker, 22, VNETENC_MAX_DATAGRAM_BYTES + 1);
    CHECK(unit_drops_are(VNETENC_DROP_rx_too_long, 1));
    feed(true, shaker, 22, 100);
    CHECK(unit_drops_are(VNETENC_DROP_rx_unknown_source, 1));

    /* One that knows the port has this handshake's rate, and no more. */
    for (int i = 0; i < 1000; i++) {
        feed(false, shaker, 22, 100);
    }
    n = drain(VNETENC_INBOX_STRANGERS, shaker, 100);
    CHECK(n >= VNETENC_SOURCE_BURST - 3);
    CHECK(n <= most_in(start, VNETENC_SOURCE_BURST,
                       VNETENC_SOURCE_PER_SECOND));
    CHECK(unit_drops_are(VNETENC_DROP_rx_rate, 1000 - n));

    CHECK(drain(VNETENC_INBOX_HELLOS, blind, 100) == VNETENC_INBOX_SLOTS);
    vnetenc_half_open_remove(half_open);
    feed(false, shaker, 22, 100);
    CHECK(unit_drops_are(VNETENC_DROP_rx_no_handshake, 1));
    vnetenc_half_open_remove(NULL);
    vnetenc_gate_remove(gate);
}

/* A live session has its own queue and its own rate. */
static void
test_session_under_flood(void)
{
    struct vnetenc_path_key path = unit_path(false, true);
    struct vnetenc_gate *gate = vnetenc_gate_add(&path.remote);
    struct unit_sessions s;
    long long int start;
    unsigned int n;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    unit_drops_begin();
    start = time_msec();
    feed(false, lane_port(), 22, 100);
    CHECK(unit_no_drops());
    CHECK(drain(VNETENC_INBOX_STRANGERS, lane_port(), 100) == 0);
    CHECK(drain(VNETENC_INBOX_KNOWN, lane_port(), 100) == 1);
    for (int i = 0; i < 1000; i++) {
        feed(false, lane_port(), 21, 100);
    }
    n = drain(VNETENC_INBOX_KNOWN, lane_port(), 100);
    CHECK(n >= VNETENC_SOURCE_BURST - 1);
    CHECK(n <= most_in(start, VNETENC_SOURCE_BURST,
                       VNETENC_SOURCE_PER_SECOND));
    CHECK(unit_drops_are(VNETENC_DROP_rx_rate, 1000 - n));

    /* The next handshake on its port does not need that rate. */
    feed_hello(lane_port());
    CHECK(unit_no_drops());
    CHECK(drain(VNETENC_INBOX_HELLOS, lane_port(), 100) == 1);
    unit_sessions_destroy(&s);
    vnetenc_gate_remove(gate);
}

static void
test_queue_full(void)
{
    struct vnetenc_path_key path = unit_path(false, true);
    uint8_t probe[24], record[64];
    struct vnetenc_gate *gate = vnetenc_gate_add(&path.remote);
    struct vnetenc_half_open *half_open
        = vnetenc_half_open_add(&path, htons(1));
    struct unit_sessions s;
    size_t n;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    while (vnetenc_inbox_post(VNETENC_INBOX_STRANGERS, VNETENC_EV_DATAGRAM,
                              &path, 0, 0, NULL, 0)) {
        continue;
    }
    unit_drops_begin();
    feed(false, htons(1), 22, 100);
    CHECK(unit_drops_are(VNETENC_DROP_rx_queue_full, 1));
    feed(false, lane_port(), 22, 100);
    CHECK(unit_no_drops());
    CHECK(drain(VNETENC_INBOX_KNOWN, lane_port(), 100) == 1);

    while (vnetenc_inbox_post(VNETENC_INBOX_KNOWN, VNETENC_EV_DATAGRAM,
                              &path, 0, 0, NULL, 0)) {
        continue;
    }
    feed(false, lane_port(), 22, 100);
    CHECK(unit_drops_are(VNETENC_DROP_rx_queue_full, 1));
    memset(probe, 0, sizeof probe);
    probe[8] = 1;
    n = make_record(&s, VNETENC_FIRST_SEQ, 23, probe, sizeof probe, record,
                    sizeof record);
    CHECK(payload_is_dropped(&s, record, n, VNETENC_DROP_rx_queue_full));

    drain(VNETENC_INBOX_KNOWN, 0, 0);
    drain(VNETENC_INBOX_STRANGERS, 0, 0);
    unit_sessions_destroy(&s);
    vnetenc_half_open_remove(half_open);
    vnetenc_gate_remove(gate);
}

/* A session that saw too many forgeries is dead. */
static void
test_auth_limit(void)
{
    uint8_t plain[30], record[128];
    struct unit_sessions s;
    size_t n;

    fill_plain(plain, sizeof plain);
    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    n = make_record(&s, VNETENC_FIRST_SEQ, 23, plain, sizeof plain, record,
                    sizeof record);
    atomic_store_relaxed(&s.rx[0]->n_failed, VNETENC_MAX_FAILED_OPENS - 1);
    record[n - 1] ^= 1;
    CHECK(payload_is_dropped(&s, record, n, VNETENC_DROP_rx_auth));
    record[n - 1] ^= 1;
    CHECK(payload_is_dropped(&s, record, n, VNETENC_DROP_rx_auth_limit));
    unit_sessions_destroy(&s);
}

static void
failing_open(void *aux OVS_UNUSED, struct vnetenc_aead_op *ops, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ops[i].result = VNETENC_AEAD_FAILED;
    }
}

/* A cipher that fails is no forgery and spends no number. */
static void
test_cipher_failure(void)
{
    struct vnetenc_aead_provider failing = vnetenc_aead_openssl;
    uint8_t plain[30], record[128];
    struct vnetenc_aead_key *good;
    struct unit_sessions s;
    uint64_t n_failed;
    size_t n;

    failing.open = failing_open;
    fill_plain(plain, sizeof plain);
    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    n = make_record(&s, VNETENC_FIRST_SEQ, 23, plain, sizeof plain, record,
                    sizeof record);
    good = s.rx[0]->key;
    ovs_assert(!vnetenc_aead_key_create_with(&failing, s.keys[0].cipher,
                                             s.keys[0].key, &s.rx[0]->key));
    CHECK(payload_is_dropped(&s, record, n, VNETENC_DROP_rx_aead));
    atomic_read_relaxed(&s.rx[0]->n_failed, &n_failed);
    CHECK(n_failed == 0);
    vnetenc_aead_key_destroy(s.rx[0]->key);
    s.rx[0]->key = good;
    CHECK(payload_is_delivered(&s, record, n, plain, sizeof plain));
    unit_sessions_destroy(&s);
}

/* The control thread's function. */
static void
test_open_record(void)
{
    uint8_t record[128], copy[128], *plain;
    struct unit_sessions s;
    size_t n, size;

    unit_sessions_create(&s, VNETENC_CHACHA20_POLY1305, false, 1);
    n = make_record(&s, 5, 21, "\1\0", 2, record, sizeof record);
    unit_drops_begin();

    memcpy(copy, record, n);
    CHECK(vnetenc_open_record(s.rx[0], copy, n, 23, &plain, &size)
          == VNETENC_DROP_rx_bad_type);
    CHECK(vnetenc_open_record(s.rx[0], copy, n - 1, 21, &plain, &size)
          == VNETENC_DROP_rx_bad_length);
    CHECK(vnetenc_open_record(s.rx[0], copy, 12, 21, &plain, &size)
          == VNETENC_DROP_rx_short);
    copy[n - 1] ^= 1;
    CHECK(vnetenc_open_record(s.rx[0], copy, n, 21, &plain, &size)
          == VNETENC_DROP_rx_auth);
    memcpy(copy, record, n);
    CHECK(!vnetenc_open_record(s.rx[0], copy, n, 21, &plain, &size));
    CHECK(size == 2 && plain[0] == 1 && plain[1] == 0);
    memcpy(copy, record, n);
    CHECK(vnetenc_open_record(s.rx[0], copy, n, 21, &plain, &size)
          == VNETENC_DROP_rx_replay);
    CHECK(unit_no_drops());
    unit_sessions_destroy(&s);
}

/* Through upstream's own function: the tunnel key, the flag, and the inner
 * frame with nothing known of it. */
static void
test_pop(bool ipv6)
{
    struct ovs_action_vnetenc action = unit_action(VNETENC_REQUIRE);
    struct dp_packet *frame = unit_frame(IPPROTO_TCP, 333, true);
    struct dp_packet *packet = dp_packet_clone_with_headroom(frame, 128);
    struct dp_packet *wire;
    struct unit_sessions s;

    unit_sessions_create(&s, VNETENC_AES256_GCM, ipv6, 1);
    unit_push(packet, ipv6, false);
    CHECK(vnetenc_seal_packet(packet, &action));
    wire = unit_wire(packet);
    dp_packet_delete(packet);

    /* What a device may believe to know, of a packet it cannot see into. */
    dp_packet_set_rss_hash(wire, 1);
    dp_packet_inner_ip_checksum_set_good(wire);
    dp_packet_inner_l4_checksum_set_partial(wire);

    packet = netdev_geneve_pop_header(dp_packet_clone(wire));
    CHECK(packet != NULL);
    if (packet) {
        const struct flow_tnl *tnl = &packet->md.tunnel;

        CHECK(dp_packet_equal(packet, frame));
        CHECK(tnl->flags & FLOW_TNL_F_VNETENC);
        CHECK(tnl->tun_id == htonll(UNIT_VNI));
        CHECK(tnl->tp_dst == dtls_port());
        CHECK(tnl->tp_src == lane_port());
        CHECK(ipv6 || tnl->ip_src == htonl(0x0a000001));
        CHECK(!packet->offloads);
        CHECK(!dp_packet_rss_valid(packet));
        dp_packet_delete(packet);
    }

    /* Again: upstream's function deletes what we refuse. */
    unit_drops_begin();
    CHECK(!netdev_geneve_pop_header(wire));
    CHECK(unit_drops_are(VNETENC_DROP_rx_replay, 1));

    /* Clear packets to the plain port do not get the flag. */
    packet = dp_packet_clone_with_headroom(frame, 128);
    unit_push(packet, ipv6, false);
    wire = unit_wire(packet);
    dp_packet_delete(packet);
    packet = netdev_geneve_pop_header(wire);
    CHECK(packet && !(packet->md.tunnel.flags & FLOW_TNL_F_VNETENC));
    dp_packet_delete(packet);
    dp_packet_delete(frame);
    unit_sessions_destroy(&s);
}

/* Threads that open the same records while sessions are replaced: each number
 * of a key is delivered at most once, and without a replacement exactly
 * once. */

enum { N_RECORDS = 20000, STRIDE = 128 };

static uint8_t *records;
static size_t record_size;
static atomic_uint deliveries[N_RECORDS];
static struct unit_sessions shared;

static void *
open_many(void *aux OVS_UNUSED)
{
    for (unsigned int i = 0; i < N_RECORDS; i++) {
        struct dp_packet *wire = from_lane(&shared, records + i * STRIDE,
                                           record_size);
        unsigned int orig;

        if (vnetenc_open(wire)) {
            atomic_add_relaxed(&deliveries[i], 1, &orig);
        }
        dp_packet_delete(wire);
        if (i % 64 == 0) {
            ovsrcu_quiesce();
        }
    }
    return NULL;
}

static void
test_threads(bool with_churn)
{
    unsigned int n_once = 0, n_more = 0;
    pthread_t threads[3];
    uint8_t plain[16];
    uint64_t n_records, n_bytes;

    fill_plain(plain, sizeof plain);
    unit_sessions_create(&shared, VNETENC_AES128_GCM, false, 1);
    records = xzalloc(N_RECORDS * STRIDE);
    for (unsigned int i = 0; i < N_RECORDS; i++) {
        record_size = make_record(&shared, VNETENC_FIRST_SEQ + i, 23, plain,
                                  sizeof plain, records + i * STRIDE, STRIDE);
        atomic_init(&deliveries[i], 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        threads[i] = ovs_thread_create("open", open_many, NULL);
    }
    for (int i = 0; with_churn && i < 200; i++) {
        struct vnetenc_path_key path = unit_path(false, true);
        struct vnetenc_record_key key;
        struct vnetenc_rx *rx;

        /* With another key: none of its records exist. */
        memset(&key, i, sizeof key);
        key.cipher = VNETENC_AES128_GCM;
        key.single = false;
        rx = vnetenc_rx_create(&key, &path, lane_port());
        vnetenc_rx_publish(rx);
        vnetenc_rx_retire(shared.rx[0]);
        shared.rx[0] = rx;
        ovsrcu_quiesce();
    }
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        xpthread_join(threads[i], NULL);
    }
    for (unsigned int i = 0; i < N_RECORDS; i++) {
        unsigned int n;

        atomic_read_relaxed(&deliveries[i], &n);
        n_once += n == 1;
        n_more += n > 1;
    }
    CHECK(n_more == 0);
    if (!with_churn) {
        /* What a lagging thread finds left of the window, another took. */
        CHECK(n_once == N_RECORDS);
        vnetenc_rx_sum(shared.rx[0], &n_records, &n_bytes);
        CHECK(n_records == N_RECORDS);
    }
    free(records);
    unit_sessions_destroy(&shared);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    struct smap config = SMAP_INITIALIZER(&config);

    set_program_name(argv[0]);
    random_set_seed(1);
    vnetenc_init(&config);
    for (int i = 0; i < VNETENC_N_CIPHERS; i++) {
        test_lengths(i, i & 1);
        test_flips(i);
        test_framing(i);
    }
    test_replay();
    test_fetch(false);
    test_fetch(true);
    test_fetch_unchecked(false);
    test_fetch_unchecked(true);
    test_foreign_nonce();
    test_who();
    test_replace();
    test_vni();
    test_control();
    test_strangers();
    test_handshake_under_flood();
    test_session_under_flood();
    test_queue_full();
    test_auth_limit();
    test_cipher_failure();
    test_open_record();
    test_pop(false);
    test_pop(true);
    test_threads(false);
    test_threads(true);
    return unit_end();
}
