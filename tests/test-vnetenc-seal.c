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

/* Sealing: every length against a second implementation, offloads, batches,
 * modes, limits, threads. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/packet/seal.h"

#include <stdlib.h>

#include "dp-packet.h"
#include "flow.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "packets.h"
#include "random.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/bridge/inbox.h"
#include "vnetenc/bridge/mail.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc-unit-packets.h"
#include "vnetenc-unit.h"

enum { MAX_SIZE = VNETENC_MAX_PLAINTEXT_BYTES };

static uint8_t plain[65536];

/* Seals 'packet' as a batch of its own.  Returns what became of it, or NULL if
 * it was dropped. */
static struct dp_packet *
seal_one(struct dp_packet *packet, enum vnetenc_mode mode)
{
    struct ovs_action_vnetenc action = unit_action(mode);
    struct dp_packet_batch batch;

    dp_packet_batch_init_packet(&batch, packet);
    vnetenc_seal_batch(&batch, &action);
    packet = dp_packet_batch_size(&batch) ? batch.packets[0] : NULL;
    ovs_assert(dp_packet_batch_size(&batch) <= 1);
    dp_packet_batch_destroy(&batch);
    return packet;
}

/* True if the sealed 'packet' is what it should be in every respect, made from
 * 'size' octets of UDP payload at 'original' with sequence number 'seq'. */
static bool
is_sealed(const struct dp_packet *packet, const struct unit_sessions *s,
          unsigned int lane, uint64_t seq, const uint8_t *original,
          size_t size)
{
    bool chacha = s->keys[lane].cipher == VNETENC_CHACHA20_POLY1305;
    size_t overhead = chacha ? 29 : 37;
    size_t l3_len = s->ipv6 ? IPV6_HEADER_LEN : IP_HEADER_LEN;
    size_t plain_size, payload_size, udp_len;
    struct dp_packet *wire, *opened;
    struct udp_header udp;
    uint64_t actual_seq;
    uint8_t *payload;
    bool ok;

    /* Offload state: plain UDP and nothing else. */
    ok = (!dp_packet_tunnel(packet)
          && dp_packet_l4_proto_udp(packet)
          && (s->ipv6
              ? (dp_packet_l4_checksum_partial(packet)
                 && !dp_packet_ip_checksum_partial(packet))
              : (dp_packet_l4_checksum_good(packet)
                 && dp_packet_ip_checksum_partial(packet)))
          && !dp_packet_get_tso_segsz(packet)
          && packet->offloads < 1 << DP_PACKET_OL_SHIFT_COUNT
          && packet->inner_l3_ofs == UINT16_MAX
          && packet->inner_l4_ofs == UINT16_MAX);

    wire = unit_wire(packet);
    memcpy(&udp, dp_packet_l4(wire), sizeof udp);
    payload = unit_payload(wire, &payload_size);
    udp_len = UDP_HEADER_LEN + size + overhead;
    ok = (ok
          && packet->l3_ofs == wire->l3_ofs
          && packet->l4_ofs == wire->l4_ofs
          && dp_packet_size(wire) == ETH_HEADER_LEN + l3_len + udp_len
          && udp.udp_src == htons(UNIT_LANE_PORT + lane)
          && udp.udp_dst == htons(VNETENC_GENEVE_PORT)
          && udp.udp_len == htons(udp_len)
          && !udp.udp_csum == !s->ipv6
          && unit_checksums_are_right(wire)
          && payload_size == size + overhead
          && unit_open_record(&s->keys[lane], payload, payload_size,
                              &actual_seq, plain, &plain_size)
          && actual_seq == seq
          && plain_size == size
          && !memcmp(plain, original, size)
          /* Explicit nonce: epoch and sequence number. */
          && (chacha || !memcmp(payload + 13, payload + 3, 8)));

    /* And the way back. */
    opened = unit_open(wire);
    ok = (ok && opened
          && dp_packet_size(opened) == (ETH_HEADER_LEN + l3_len
                                        + UDP_HEADER_LEN + size)
          && opened->l4_ofs == wire->l4_ofs
          && !memcmp((uint8_t *) dp_packet_l4(opened) + UDP_HEADER_LEN,
                     original, size)
          && !memcmp(dp_packet_data(opened), dp_packet_data(wire),
                     wire->l4_ofs + UDP_HEADER_LEN)
          && !dp_packet_rss_valid(opened)
          && !(opened->offloads >> DP_PACKET_OL_SHIFT_COUNT));
    dp_packet_delete(opened);
    dp_packet_delete(wire);
    return ok;
}

static bool
seals_size(const struct unit_sessions *s, size_t size, uint64_t seq)
{
    struct dp_packet *packet = unit_pushed(size, s->ipv6);
    size_t original_size;
    uint8_t *original = unit_payload(packet, &original_size);
    bool ok;

    original = xmemdup(original, original_size);
    packet = seal_one(packet, VNETENC_REQUIRE);
    ok = packet && is_sealed(packet, s, 0, seq, original, size);
    if (!ok) {
        printf("size %"PRIuSIZE"\n", size);
    }
    dp_packet_delete(packet);
    free(original);
    return ok;
}

static void
test_lengths(enum vnetenc_cipher cipher, bool ipv6)
{
    struct unit_sessions s;
    unsigned int n_wrong = 0;
    uint64_t seq = VNETENC_FIRST_SEQ;

    unit_sessions_create(&s, cipher, ipv6, 1);
    unit_drops_begin();
    for (size_t size = 8; size <= 2048; size++) {
        n_wrong += !seals_size(&s, size, seq++);
    }
    n_wrong += !seals_size(&s, 9000, seq++);
    n_wrong += !seals_size(&s, MAX_SIZE - 1, seq++);
    n_wrong += !seals_size(&s, MAX_SIZE, seq++);
    CHECK(n_wrong == 0);
    CHECK(unit_no_drops());

    CHECK(!seal_one(unit_pushed(MAX_SIZE + 1, ipv6), VNETENC_REQUIRE));
    CHECK(unit_drops_are(VNETENC_DROP_tx_too_long, 1));
    CHECK(!seal_one(unit_pushed(60000, ipv6), VNETENC_PREFER));
    CHECK(unit_drops_are(VNETENC_DROP_tx_too_long, 1));

    /* Packets that were refused cost no number. */
    CHECK(seals_size(&s, 100, seq));
    unit_sessions_destroy(&s);
}

/* Lengths 0 to 7 do not occur in tunnels: from 0 on by the control thread's
 * function. */
static void
test_records(enum vnetenc_cipher cipher)
{
    static uint8_t text[MAX_SIZE + 1], out[MAX_SIZE + 64];
    struct unit_sessions s;
    uint64_t seq = VNETENC_FIRST_SEQ, actual_seq;
    size_t overhead = cipher == VNETENC_CHACHA20_POLY1305 ? 29 : 37;
    unsigned int n_wrong = 0;
    ovs_be64 seq_num;
    size_t plain_size;

    random_bytes(text, sizeof text);
    unit_sessions_create(&s, cipher, false, 1);
    for (size_t size = 0; size <= MAX_SIZE;
         size += size < 2048 ? 1 : 7168) {
        n_wrong += vnetenc_seal_record(s.tx[0], 23, text, size, out,
                                       size + overhead) != size + overhead;
        n_wrong += !unit_open_record(&s.keys[0], out, size + overhead,
                                     &actual_seq, plain, &plain_size);
        n_wrong += actual_seq != seq++ || plain_size != size
                   || memcmp(plain, text, size);
    }
    CHECK(n_wrong == 0);

    /* Without room, or too long, nothing happens, not even to the number. */
    CHECK(!vnetenc_seal_record(s.tx[0], 23, text, 100, out, 99 + overhead));
    CHECK(!vnetenc_seal_record(s.tx[0], 23, text, MAX_SIZE + 1, out,
                               sizeof out));
    CHECK(vnetenc_seal_record(s.tx[0], 21, "\1\0", 2, out, sizeof out)
          == 2 + overhead);
    CHECK(out[0] == 21);
    memcpy(&seq_num, out + 3, sizeof seq_num);
    CHECK(seq_num == htonll(UINT64_C(1) << 48 | seq));
    unit_sessions_destroy(&s);
}

/* Batches. */

static void
test_unbounded_batch(unsigned int n_lanes)
{
    enum { N = 100 };
    struct ovs_action_vnetenc action = unit_action(VNETENC_REQUIRE);
    uint64_t next[VNETENC_MAX_LANES];
    unsigned int used[VNETENC_MAX_LANES] = { 0 };
    struct dp_packet_batch batch;
    unsigned int n_wrong = 0, n_used = 0;
    struct unit_sessions s;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, n_lanes);
    dp_packet_batch_init(&batch);
    for (unsigned int i = 0; i < N; i++) {
        struct dp_packet *packet = unit_pushed(100 + i, false);
        struct udp_header *udp = dp_packet_l4(packet);

        udp->udp_src = htons(32768 + i * 97);
        dp_packet_batch_add(&batch, packet);
    }
    for (unsigned int i = 0; i < VNETENC_MAX_LANES; i++) {
        next[i] = VNETENC_FIRST_SEQ;
    }

    unit_drops_begin();
    vnetenc_seal_batch(&batch, &action);
    CHECK(unit_no_drops());
    CHECK(dp_packet_batch_size(&batch) == N);
    for (unsigned int i = 0; i < dp_packet_batch_size(&batch); i++) {
        struct dp_packet *packet = batch.packets[i];
        struct dp_packet *original = unit_pushed(100 + i, false);
        size_t size;
        uint8_t *payload = unit_payload(original, &size);
        struct udp_header udp;
        unsigned int lane;

        /* In order, each lane counting for itself. */
        memcpy(&udp, dp_packet_l4(packet), sizeof udp);
        lane = ntohs(udp.udp_src) - UNIT_LANE_PORT;
        if (lane < n_lanes) {
            n_wrong += !is_sealed(packet, &s, lane, next[lane]++, payload,
                                  size);
            used[lane]++;
        } else {
            n_wrong++;
        }
        dp_packet_delete(original);
    }
    CHECK(n_wrong == 0);
    for (unsigned int i = 0; i < n_lanes; i++) {
        n_used += used[i] > 0;
    }
    CHECK(n_used == n_lanes);
    dp_packet_delete_batch(&batch, true);
    dp_packet_batch_destroy(&batch);
    unit_sessions_destroy(&s);
}

/* What cannot be sealed leaves the batch, the others stay in order. */
static void
test_mixed_batch(void)
{
    enum { N = 70 };
    struct ovs_action_vnetenc action = unit_action(VNETENC_PREFER);
    struct dp_packet_batch batch;
    unsigned int n_wrong = 0, k = 0;
    struct unit_sessions s;
    uint64_t n_dropped;

    unit_sessions_create(&s, VNETENC_AES128_GCM, false, 1);
    dp_packet_batch_init(&batch);
    for (unsigned int i = 0; i < N; i++) {
        dp_packet_batch_add(&batch, unit_pushed(i % 10 == 5 ? MAX_SIZE + i
                                                : 100 + i, false));
    }
    unit_drops_begin();
    vnetenc_seal_batch(&batch, &action);
    CHECK(unit_drops_are(VNETENC_DROP_tx_too_long, N / 10));
    CHECK(dp_packet_batch_size(&batch) == N - N / 10);
    for (unsigned int i = 0; i < N; i++) {
        if (i % 10 != 5) {
            n_wrong += (dp_packet_size(batch.packets[k++])
                        != ETH_HEADER_LEN + IP_HEADER_LEN + UDP_HEADER_LEN
                           + 100 + i + 37);
        }
    }
    CHECK(n_wrong == 0);
    atomic_read_relaxed(&s.published->n_dropped, &n_dropped);
    CHECK(n_dropped == N / 10);
    dp_packet_delete_batch(&batch, true);
    dp_packet_batch_destroy(&batch);
    unit_sessions_destroy(&s);
}

/* Not what a tunnel pushed, or not for the same peer as the first: dropped,
 * in both modes. */
static void
test_bad_packets(void)
{
    struct ovs_action_vnetenc action = unit_action(VNETENC_PREFER);
    struct dp_packet_batch batch;
    struct dp_packet *packet;
    struct unit_sessions s;
    struct udp_header *udp;
    struct ip_header *ip;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    unit_drops_begin();
    CHECK(!seal_one(unit_frame(IPPROTO_UDP, 100, false), VNETENC_PREFER));
    CHECK(unit_drops_are(VNETENC_DROP_tx_bad_packet, 1));
    CHECK(!seal_one(unit_frame(IPPROTO_TCP, 100, true), VNETENC_REQUIRE));
    CHECK(unit_drops_are(VNETENC_DROP_tx_bad_packet, 1));

    packet = unit_pushed(100, false);
    udp = dp_packet_l4(packet);
    udp->udp_len = htons(99);
    CHECK(!seal_one(packet, VNETENC_REQUIRE));
    CHECK(unit_drops_are(VNETENC_DROP_tx_bad_packet, 1));

    packet = unit_pushed(100, false);
    ip = dp_packet_l3(packet);
    ip->ip_proto = IPPROTO_TCP;
    CHECK(!seal_one(packet, VNETENC_REQUIRE));
    CHECK(unit_drops_are(VNETENC_DROP_tx_bad_packet, 1));

    packet = unit_pushed(100, false);
    packet->l4_ofs = UINT16_MAX;
    CHECK(!seal_one(packet, VNETENC_REQUIRE));
    CHECK(unit_drops_are(VNETENC_DROP_tx_bad_packet, 1));

    packet = unit_pushed(8, false);
    dp_packet_set_size(packet, dp_packet_size(packet) - 1);
    CHECK(!seal_one(packet, VNETENC_REQUIRE));
    CHECK(unit_drops_are(VNETENC_DROP_tx_bad_packet, 1));

    packet = unit_pushed(100, false);
    packet->offloads &= ~DP_PACKET_OL_TUNNEL_MASK;
    CHECK(!seal_one(packet, VNETENC_PREFER));
    CHECK(unit_drops_are(VNETENC_DROP_tx_bad_packet, 1));

    /* A stranger among others. */
    dp_packet_batch_init(&batch);
    dp_packet_batch_add(&batch, unit_pushed(100, false));
    packet = unit_pushed(100, false);
    ip = dp_packet_l3(packet);
    put_16aligned_be32(&ip->ip_dst, htonl(0x0a000003));
    dp_packet_batch_add(&batch, packet);
    dp_packet_batch_add(&batch, unit_pushed(100, true));
    vnetenc_seal_batch(&batch, &action);
    CHECK(dp_packet_batch_size(&batch) == 1);
    CHECK(unit_drops_are(VNETENC_DROP_tx_bad_packet, 2));
    dp_packet_delete_batch(&batch, true);
    dp_packet_batch_destroy(&batch);
    unit_sessions_destroy(&s);
}

/* Mode `off` and an empty batch: nothing happens. */
static void
test_off(void)
{
    struct ovs_action_vnetenc action = unit_action(VNETENC_OFF);
    struct dp_packet *packet = unit_pushed(100, false);
    struct dp_packet *copy = dp_packet_clone(packet);
    struct dp_packet_batch batch;

    unit_drops_begin();
    CHECK(seal_one(packet, VNETENC_OFF) == packet);
    CHECK(dp_packet_equal(packet, copy));
    CHECK(vnetenc_seal_packet(packet, &action));
    CHECK(dp_packet_equal(packet, copy));
    dp_packet_delete(packet);
    dp_packet_delete(copy);

    action = unit_action(VNETENC_REQUIRE);
    dp_packet_batch_init(&batch);
    vnetenc_seal_batch(&batch, &action);
    CHECK(dp_packet_batch_is_empty(&batch));
    CHECK(unit_no_drops());
}

/* Memory. */

static void
test_room(void)
{
    static const struct {
        size_t head, tail;
    } rows[] = {
        { 0, 0 }, { 20, 16 }, { 21, 15 }, { 21, 16 }, { 0, 100 }, { 100, 0 },
        { 21, 0 }, { 20, 100 }, { 30000, 0 }, { 40000, 3 },
    };
    struct unit_sessions s;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct dp_packet *old = unit_pushed(16000, false);
        struct dp_packet *packet = dp_packet_clone(old);
        size_t size;
        uint8_t *payload = unit_payload(old, &size);

        dp_packet_resize(packet, rows[i].head, rows[i].tail);
        packet = seal_one(packet, VNETENC_REQUIRE);
        if (!CHECK(packet && is_sealed(packet, &s, 0, VNETENC_FIRST_SEQ + i,
                                       payload, size))) {
            printf("row %"PRIuSIZE"\n", i);
        }
        dp_packet_delete(packet);
        dp_packet_delete(old);
    }
    unit_sessions_destroy(&s);
}

/* Memory that cannot grow: the packet is replaced in a batch, and dropped on
 * the slow path, which cannot replace it. */
static void
test_fixed_memory(void)
{
    struct ovs_action_vnetenc action = unit_action(VNETENC_REQUIRE);
    struct dp_packet *old, *fixed, *packet;
    struct unit_sessions s;
    uint8_t *payload;
    size_t size;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    old = unit_pushed(500, false);
    payload = unit_payload(old, &size);

    fixed = unit_fixed(dp_packet_clone(old));
    packet = seal_one(fixed, VNETENC_REQUIRE);
    CHECK(packet != fixed && packet && packet->source == DPBUF_MALLOC);
    CHECK(packet && is_sealed(packet, &s, 0, VNETENC_FIRST_SEQ, payload,
                              size));
    CHECK(packet && packet->md.in_port.odp_port == old->md.in_port.odp_port);
    dp_packet_delete(packet);

    unit_drops_begin();
    CHECK(dp_packet_equal(fixed, old));
    CHECK(!vnetenc_seal_packet(fixed, &action));
    CHECK(unit_drops_are(VNETENC_DROP_tx_no_room, 1));
    unit_fixed_delete(fixed);

    /* With room it need not grow. */
    packet = dp_packet_clone_with_headroom(old, 64);
    dp_packet_prealloc_tailroom(packet, 64);
    fixed = unit_fixed(packet);
    packet = seal_one(fixed, VNETENC_REQUIRE);
    CHECK(packet == fixed);
    CHECK(is_sealed(fixed, &s, 0, VNETENC_FIRST_SEQ + 1, payload, size));
    unit_fixed_delete(fixed);

    /* Just enough, but all of it in front, or behind: the octets move. */
    packet = dp_packet_clone_with_headroom(old, VNETENC_OVERHEAD);
    CHECK(!dp_packet_tailroom(packet));
    fixed = unit_fixed(packet);
    CHECK(seal_one(fixed, VNETENC_REQUIRE) == fixed);
    CHECK(is_sealed(fixed, &s, 0, VNETENC_FIRST_SEQ + 2, payload, size));
    CHECK(!dp_packet_headroom(fixed) && !dp_packet_tailroom(fixed));
    unit_fixed_delete(fixed);

    packet = dp_packet_clone(old);
    dp_packet_prealloc_tailroom(packet, 64);
    CHECK(!dp_packet_headroom(packet) && dp_packet_tailroom(packet) == 64);
    fixed = unit_fixed(packet);
    CHECK(vnetenc_seal_packet(fixed, &action));
    CHECK(is_sealed(fixed, &s, 0, VNETENC_FIRST_SEQ + 3, payload, size));
    CHECK(dp_packet_tailroom(fixed) == 64 - VNETENC_OVERHEAD);
    unit_fixed_delete(fixed);

    /* One octet too few. */
    fixed = unit_fixed(dp_packet_clone_with_headroom(old,
                                                     VNETENC_OVERHEAD - 1));
    CHECK(!vnetenc_seal_packet(fixed, &action));
    CHECK(unit_drops_are(VNETENC_DROP_tx_no_room, 1));
    unit_fixed_delete(fixed);

    /* Memory of the caller's that may move. */
    {
        uint64_t buf[560 / 8];
        struct dp_packet on_stack;

        dp_packet_use_stub(&on_stack, buf, sizeof buf);
        dp_packet_reserve(&on_stack, 60);
        dp_packet_put(&on_stack, unit_payload(old, &size), 500 - 8);
        dp_packet_set_rss_hash(&on_stack, 1);
        unit_push(&on_stack, false, false);
        CHECK(vnetenc_seal_packet(&on_stack, &action));
        CHECK(on_stack.source == DPBUF_MALLOC);
        dp_packet_uninit(&on_stack);
    }
    dp_packet_delete(old);
    unit_sessions_destroy(&s);
}

/* Offloads. */

/* Opens what 'packet' is on the wire and cuts off the tunnel headers.  Returns
 * the inner frame, or NULL. */
static struct dp_packet *
inner_frame(const struct dp_packet *packet)
{
    struct dp_packet *wire = unit_wire(packet);
    struct dp_packet *opened = unit_open(wire);
    struct dp_packet *frame = NULL;

    if (opened) {
        size_t size;
        uint8_t *payload = unit_payload(opened, &size);
        struct flow flow;

        frame = dp_packet_clone_data(payload + 8, size - 8);
        flow_extract(frame, &flow);
    }
    dp_packet_delete(wire);
    dp_packet_delete(opened);
    return frame;
}

/* Inner checksums that a device was to complete. */
static void
test_partial_checksums(uint8_t proto, bool ipv6, bool vlan)
{
    struct dp_packet *frame = unit_frame(proto, 777, vlan);
    struct dp_packet *packet = dp_packet_clone_with_headroom(frame, 128);
    struct ip_header *ip = dp_packet_l3(packet);
    struct dp_packet *inner;
    struct unit_sessions s;

    unit_sessions_create(&s, VNETENC_AES256_GCM, ipv6, 1);
    ip->ip_csum = htons(0xdead);
    dp_packet_ip_checksum_set_partial(packet);
    dp_packet_l4_checksum_set_partial(packet);
    if (proto == IPPROTO_TCP) {
        struct tcp_header *tcp = dp_packet_l4(packet);

        tcp->tcp_csum = htons(0xbeef);
        dp_packet_l4_proto_set_tcp(packet);
    } else if (proto == IPPROTO_UDP) {
        struct udp_header *udp = dp_packet_l4(packet);

        udp->udp_csum = htons(0xbeef);
        dp_packet_l4_proto_set_udp(packet);
    } else {
        struct sctp_header *sctp = dp_packet_l4(packet);

        put_16aligned_be32(&sctp->sctp_csum, htonl(0xdeadbeef));
        dp_packet_l4_proto_set_sctp(packet);
    }
    CHECK(!unit_checksums_are_right(packet));

    unit_push(packet, ipv6, false);
    packet = seal_one(packet, VNETENC_REQUIRE);
    inner = packet ? inner_frame(packet) : NULL;
    CHECK(inner && unit_checksums_are_right(inner));
    CHECK(inner && dp_packet_equal(inner, frame));
    dp_packet_delete(inner);
    dp_packet_delete(packet);
    dp_packet_delete(frame);
    unit_sessions_destroy(&s);
}

/* Offload bits that do not say how to complete a checksum: dropped, where
 * upstream's function would abort. */
static void
test_bad_checksum_state(void)
{
    struct dp_packet *packet;
    struct unit_sessions s;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    unit_drops_begin();

    packet = unit_pushed(100, false);       /* Nothing known of the inside. */
    dp_packet_inner_l4_checksum_set_partial(packet);
    CHECK(!seal_one(packet, VNETENC_REQUIRE));
    CHECK(unit_drops_are(VNETENC_DROP_tx_checksum, 1));

    packet = unit_pushed(100, false);
    dp_packet_inner_ip_checksum_set_partial(packet);
    CHECK(!seal_one(packet, VNETENC_REQUIRE));
    CHECK(unit_drops_are(VNETENC_DROP_tx_checksum, 1));

    packet = unit_frame(IPPROTO_TCP, 100, false);   /* No protocol. */
    dp_packet_l4_checksum_set_partial(packet);
    packet->offloads &= ~DP_PACKET_OL_L4_PROTO_MASK;
    unit_push(packet, false, false);
    CHECK(!seal_one(packet, VNETENC_REQUIRE));
    CHECK(unit_drops_are(VNETENC_DROP_tx_checksum, 1));

    packet = unit_frame(IPPROTO_UDP, 2, false);     /* Shorter than TCP. */
    dp_packet_l4_checksum_set_partial(packet);
    dp_packet_l4_proto_set_tcp(packet);
    unit_push(packet, false, false);
    CHECK(!seal_one(packet, VNETENC_REQUIRE));
    CHECK(unit_drops_are(VNETENC_DROP_tx_checksum, 1));
    unit_sessions_destroy(&s);
}

static struct dp_packet *
tso_packet(size_t size, uint16_t segsz)
{
    struct dp_packet *packet = unit_frame(IPPROTO_TCP, size, false);

    dp_packet_ip_checksum_set_partial(packet);
    dp_packet_l4_checksum_set_partial(packet);
    dp_packet_l4_proto_set_tcp(packet);
    dp_packet_set_tso_segsz(packet, segsz);
    return packet;
}

/* A TSO packet between two others: segmented where it stands, and every
 * segment a good TCP packet of its own. */
static void
test_tso(bool ipv6, size_t size)
{
    enum { SEGSZ = 1400 };
    struct ovs_action_vnetenc action = unit_action(VNETENC_REQUIRE);
    size_t n_segs = DIV_ROUND_UP(size, SEGSZ);
    struct dp_packet *tso = tso_packet(size, SEGSZ);
    struct dp_packet_batch batch;
    unsigned int n_wrong = 0;
    uint32_t seq = 1000000;
    struct unit_sessions s;

    unit_sessions_create(&s, VNETENC_AES256_GCM, ipv6, 1);
    ((struct tcp_header *) dp_packet_l4(tso))->tcp_ctl |= htons(TCP_CWR);
    unit_push(tso, ipv6, false);
    pkt_metadata_init(&tso->md, u32_to_odp(42));
    dp_packet_batch_init(&batch);
    dp_packet_batch_add(&batch, unit_pushed(100, ipv6));
    pkt_metadata_init(&batch.packets[0]->md, u32_to_odp(42));
    dp_packet_batch_add(&batch, tso);
    dp_packet_batch_add(&batch, unit_pushed(200, ipv6));
    unit_drops_begin();
    vnetenc_seal_batch(&batch, &action);
    CHECK(unit_no_drops());
    CHECK(dp_packet_batch_size(&batch) == n_segs + 2);
    for (size_t i = 0; i < dp_packet_batch_size(&batch); i++) {
        struct dp_packet *inner = inner_frame(batch.packets[i]);
        uint32_t n = (odp_to_u32(batch.packets[i]->md.in_port.odp_port));

        n_wrong += n != 42;
        if (!inner) {
            n_wrong++;
        } else if (i && i <= n_segs) {
            struct tcp_header *tcp = dp_packet_l4(inner);
            bool last = i == n_segs;

            n_wrong += !unit_checksums_are_right(inner);
            n_wrong += dp_packet_get_tcp_payload_length(inner)
                       != (last ? size % SEGSZ : SEGSZ);
            n_wrong += ntohl(get_16aligned_be32(&tcp->tcp_seq)) != seq;
            n_wrong += !(TCP_FLAGS(tcp->tcp_ctl) & TCP_PSH) != !last;
            n_wrong += !(TCP_FLAGS(tcp->tcp_ctl) & TCP_CWR) != (i != 1);
            seq += SEGSZ;
        }
        dp_packet_delete(inner);
    }
    CHECK(n_wrong == 0);
    dp_packet_delete_batch(&batch, true);
    dp_packet_batch_destroy(&batch);
    unit_sessions_destroy(&s);
}

static void
test_tso_odd(void)
{
    struct dp_packet *packet, *inner;
    struct unit_sessions s;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    unit_drops_begin();

    /* One segment only. */
    packet = tso_packet(1000, 1400);
    unit_push(packet, false, false);
    packet = seal_one(packet, VNETENC_REQUIRE);
    inner = packet ? inner_frame(packet) : NULL;
    CHECK(inner && unit_checksums_are_right(inner));
    CHECK(packet && !dp_packet_get_tso_segsz(packet));
    CHECK(unit_no_drops());
    dp_packet_delete(packet);
    dp_packet_delete(inner);

    /* Nothing that could be segmented. */
    packet = unit_pushed(3000, false);
    dp_packet_set_tso_segsz(packet, 1400);
    CHECK(!seal_one(packet, VNETENC_REQUIRE));
    CHECK(unit_drops_are(VNETENC_DROP_tx_gso, 1));
    unit_sessions_destroy(&s);
}

/* Segments of the greatest length that a record can take, and of one octet
 * more: the latter cost no number, and are counted once a packet. */
static void
test_tso_longest(bool ipv6)
{
    enum { LONGEST = MAX_SIZE - 8 - ETH_HEADER_LEN - IP_HEADER_LEN
                     - TCP_HEADER_LEN };
    struct ovs_action_vnetenc action = unit_action(VNETENC_REQUIRE);
    struct unit_sessions s;

    unit_sessions_create(&s, VNETENC_AES256_GCM, ipv6, 1);
    unit_drops_begin();
    for (unsigned int i = 0; i < 4; i++) {
        bool too_long = i & 1, one = i & 2;
        size_t segsz = LONGEST + too_long;
        size_t size = one ? segsz : 65000 - segsz / 2;
        struct dp_packet *tso = tso_packet(size, segsz);
        struct dp_packet_batch batch;

        unit_push(tso, ipv6, false);
        dp_packet_batch_init_packet(&batch, tso);
        dp_packet_batch_add(&batch, unit_pushed(200, ipv6));
        vnetenc_seal_batch(&batch, &action);
        if (too_long) {
            CHECK(dp_packet_batch_size(&batch) == 1);
            CHECK(unit_drops_are(VNETENC_DROP_tx_too_long, 1));
        } else {
            CHECK(dp_packet_batch_size(&batch) == 1 + DIV_ROUND_UP(size,
                                                                   segsz));
            CHECK(unit_no_drops());
        }
        dp_packet_delete_batch(&batch, true);
        dp_packet_batch_destroy(&batch);
    }
    CHECK(seals_size(&s, 100, VNETENC_FIRST_SEQ + 5 + 1 + 2 + 1));
    unit_sessions_destroy(&s);
}

/* VXLAN sessions are other sessions: their port is part of the path. */
static void
test_vxlan(void)
{
    struct ovs_action_vnetenc action = unit_action(VNETENC_REQUIRE);
    struct dp_packet *packet = unit_frame(IPPROTO_TCP, 10, false);
    struct dp_packet_batch batch;
    struct unit_sessions s;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    unit_push(packet, false, true);
    action.tp_dst = htons(VNETENC_VXLAN_PORT);
    dp_packet_batch_init_packet(&batch, packet);
    unit_drops_begin();
    vnetenc_seal_batch(&batch, &action);
    CHECK(dp_packet_batch_is_empty(&batch));
    CHECK(unit_drops_are(VNETENC_DROP_tx_no_peer, 1));
    dp_packet_batch_destroy(&batch);
    unit_sessions_destroy(&s);
}

/* Slow path. */

static void
test_slow_path(void)
{
    struct ovs_action_vnetenc require = unit_action(VNETENC_REQUIRE);
    struct ovs_action_vnetenc prefer = unit_action(VNETENC_PREFER);
    struct dp_packet *packet = unit_pushed(300, false);
    struct dp_packet *copy = dp_packet_clone(packet);
    struct unit_sessions s;
    size_t size;

    unit_drops_begin();
    CHECK(!vnetenc_seal_packet(packet, &require));
    CHECK(unit_drops_are(VNETENC_DROP_tx_no_peer, 1));
    CHECK(vnetenc_seal_packet(packet, &prefer));
    CHECK(unit_drops_are(VNETENC_DROP_clear_no_peer, 1));
    CHECK(dp_packet_equal(packet, copy));

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    CHECK(vnetenc_seal_packet(packet, &require));
    CHECK(unit_no_drops());
    CHECK(is_sealed(packet, &s, 0, VNETENC_FIRST_SEQ,
                    unit_payload(copy, &size), 300));
    dp_packet_delete(packet);

    packet = dp_packet_clone(copy);
    CHECK(vnetenc_seal_packet(packet, &prefer));
    CHECK(is_sealed(packet, &s, 0, VNETENC_FIRST_SEQ + 1,
                    unit_payload(copy, &size), 300));
    dp_packet_delete(packet);

    packet = tso_packet(5000, 1000);
    unit_push(packet, false, false);
    unit_drops_begin();
    CHECK(!vnetenc_seal_packet(packet, &prefer));
    CHECK(unit_drops_are(VNETENC_DROP_tx_slow_tso, 1));
    dp_packet_delete(packet);
    packet = unit_frame(IPPROTO_UDP, 100, false);
    CHECK(!vnetenc_seal_packet(packet, &prefer));
    CHECK(unit_drops_are(VNETENC_DROP_tx_bad_packet, 1));
    dp_packet_delete(packet);
    dp_packet_delete(copy);
    unit_sessions_destroy(&s);
}

/* Modes. */

static unsigned int
count_wants(const struct vnetenc_path_key *path)
{
    static struct vnetenc_event event;
    unsigned int n = 0;

    while (vnetenc_inbox_take(VNETENC_INBOX_KNOWN, &event)) {
        if (event.type == VNETENC_EV_WANT
            && !memcmp(&event.path, path, sizeof *path)) {
            n++;
        } else {
            n += 1000;
        }
    }
    return n;
}

/* Seals a packet that should not be.  Returns true if it is dropped, or, if
 * 'clear', left as it is, and 'reason' counted. */
static bool
is_refused(enum vnetenc_mode mode, enum vnetenc_drop reason, bool clear)
{
    struct dp_packet *packet = unit_pushed(100, false);
    struct dp_packet *copy = dp_packet_clone(packet);
    uint32_t offloads = packet->offloads;
    bool ok;

    unit_drops_begin();
    packet = seal_one(packet, mode);
    ok = unit_drops_are(reason, 1);
    if (clear) {
        ok = ok && packet && dp_packet_equal(packet, copy)
             && packet->offloads == offloads;
    } else {
        ok = ok && !packet;
    }
    dp_packet_delete(packet);
    dp_packet_delete(copy);
    return ok;
}

static void
test_modes(void)
{
    struct vnetenc_path_key path = unit_path(false, false);
    struct vnetenc_path *published;
    struct vnetenc_gate *gate;
    struct unit_sessions s;
    uint64_t n;

    /* No row. */
    count_wants(&path);
    CHECK(is_refused(VNETENC_REQUIRE, VNETENC_DROP_tx_no_peer, false));
    CHECK(is_refused(VNETENC_PREFER, VNETENC_DROP_clear_no_peer, true));
    CHECK(is_refused(77, VNETENC_DROP_tx_no_peer, false));
    CHECK(count_wants(&path) == 0);

    /* A row, and nothing has been tried yet. */
    gate = vnetenc_gate_add(&path.remote);
    CHECK(is_refused(VNETENC_REQUIRE, VNETENC_DROP_tx_no_session, false));
    CHECK(count_wants(&path) == 1);
    CHECK(is_refused(VNETENC_PREFER, VNETENC_DROP_tx_prefer_wait, false));
    CHECK(count_wants(&path) <= 1);

    /* A handshake runs. */
    published = vnetenc_path_create(&path, 2);
    atomic_store_relaxed(&published->clear_at, time_msec() + 100000);
    CHECK(is_refused(VNETENC_REQUIRE, VNETENC_DROP_tx_no_session, false));
    CHECK(count_wants(&path) == 1);
    CHECK(is_refused(VNETENC_PREFER, VNETENC_DROP_tx_prefer_wait, false));

    /* It is old enough to be given up. */
    atomic_store_relaxed(&published->clear_at, time_msec());
    CHECK(is_refused(VNETENC_REQUIRE, VNETENC_DROP_tx_no_session, false));
    CHECK(is_refused(VNETENC_PREFER, VNETENC_DROP_clear_no_session, true));
    atomic_store_relaxed(&published->clear_reason, VNETENC_DROP_clear_lost);
    CHECK(is_refused(VNETENC_PREFER, VNETENC_DROP_clear_lost, true));

    /* A reason that is none leaves nothing in clear. */
    atomic_store_relaxed(&published->clear_reason, VNETENC_KEEP);
    CHECK(is_refused(VNETENC_PREFER, VNETENC_DROP_tx_prefer_wait, false));
    atomic_store_relaxed(&published->clear_reason, VNETENC_N_DROPS);
    CHECK(is_refused(VNETENC_PREFER, VNETENC_DROP_tx_prefer_wait, false));
    atomic_read_relaxed(&published->n_clear, &n);
    CHECK(n == 2);
    atomic_read_relaxed(&published->n_dropped, &n);
    CHECK(n == 5);
    vnetenc_path_retire(published);
    vnetenc_gate_remove(gate);

    /* With a session, and without the row. */
    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    CHECK(seals_size(&s, 100, VNETENC_FIRST_SEQ));
    unit_sessions_destroy(&s);
    count_wants(&path);
}

/* Time passes by itself: first dropped, then clear. */
static void
test_prefer_time(void)
{
    struct vnetenc_path_key path = unit_path(false, false);
    struct vnetenc_path *published = vnetenc_path_create(&path, 1);
    long long int clear_at = time_msec() + 200;
    unsigned int n_wrong = 0;
    struct dp_packet *last;

    atomic_store_relaxed(&published->clear_at, clear_at);
    do {
        long long int before = time_msec();
        struct dp_packet *packet = seal_one(unit_pushed(100, false),
                                            VNETENC_PREFER);
        long long int after = time_msec();

        n_wrong += packet && after < clear_at;
        n_wrong += !packet && before >= clear_at;
        dp_packet_delete(packet);
    } while (time_msec() < clear_at + 50);
    CHECK(n_wrong == 0);
    last = seal_one(unit_pushed(100, false), VNETENC_PREFER);
    CHECK(last != NULL);
    dp_packet_delete(last);
    vnetenc_path_retire(published);
    count_wants(&path);
}

/* While the rows have not been read nobody can be told to be without one. */
static void
test_not_loaded(void)
{
    CHECK(is_refused(VNETENC_REQUIRE, VNETENC_DROP_tx_not_ready, false));
    CHECK(is_refused(VNETENC_PREFER, VNETENC_DROP_tx_not_ready, false));
    vnetenc_gates_set_loaded();
    CHECK(is_refused(VNETENC_PREFER, VNETENC_DROP_clear_no_peer, true));
}

/* A lane without a session uses another's. */
static void
test_lane_down(void)
{
    struct unit_sessions s;
    unsigned int n_sealed = 0;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 4);
    for (unsigned int i = 0; i < 3; i++) {
        vnetenc_tx_retire(vnetenc_lanes_swap(&s.published->lanes, i, NULL));
    }
    for (unsigned int i = 0; i < 50; i++) {
        struct dp_packet *packet = unit_pushed(100, false);
        struct udp_header *udp = dp_packet_l4(packet);

        udp->udp_src = htons(40000 + 101 * i);
        packet = seal_one(packet, VNETENC_REQUIRE);
        if (packet) {
            struct udp_header sealed;

            memcpy(&sealed, dp_packet_l4(packet), sizeof sealed);
            n_sealed += sealed.udp_src == htons(UNIT_LANE_PORT + 3);
        }
        dp_packet_delete(packet);
    }
    CHECK(n_sealed == 50);
    unit_sessions_destroy(&s);
}

/* Limits. */

static void
test_key_limit(enum vnetenc_mode mode)
{
    struct ovs_action_vnetenc action = unit_action(mode);
    struct dp_packet_batch batch;
    struct unit_sessions s;

    /* Numbers: a batch that does not fit is dropped as a whole. */
    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    s.tx[0]->end_seq = VNETENC_FIRST_SEQ + 5;
    unit_drops_begin();
    for (uint64_t i = 0; i < 3; i++) {
        CHECK(seals_size(&s, 100, VNETENC_FIRST_SEQ + i));
    }
    dp_packet_batch_init(&batch);
    for (int i = 0; i < 3; i++) {
        dp_packet_batch_add(&batch, unit_pushed(100, false));
    }
    vnetenc_seal_batch(&batch, &action);
    CHECK(dp_packet_batch_is_empty(&batch));
    CHECK(unit_drops_are(VNETENC_DROP_tx_key_limit, 3));
    CHECK(seals_size(&s, 100, VNETENC_FIRST_SEQ + 3));
    CHECK(seals_size(&s, 100, VNETENC_FIRST_SEQ + 4));
    for (int i = 0; i < 3; i++) {
        CHECK(!seal_one(unit_pushed(100, false), mode));
        CHECK(unit_drops_are(VNETENC_DROP_tx_key_limit, 1));
    }
    dp_packet_batch_destroy(&batch);
    unit_sessions_destroy(&s);

    /* Octets. */
    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    s.tx[0]->max_bytes = 250;
    CHECK(seals_size(&s, 100, VNETENC_FIRST_SEQ));
    CHECK(seals_size(&s, 150, VNETENC_FIRST_SEQ + 1));
    unit_drops_begin();
    CHECK(!seal_one(unit_pushed(8, false), mode));
    CHECK(unit_drops_are(VNETENC_DROP_tx_key_limit, 1));
    unit_sessions_destroy(&s);
}

/* A cipher that fails now and then, or keeps the packet. */

static unsigned int failing_calls;
static struct dp_packet *kept;

static void
failing_seal(void *aux, struct vnetenc_aead_op *ops, size_t n)
{
    vnetenc_aead_openssl.seal(aux, ops, n);
    for (size_t i = 0; i < n; i++) {
        unsigned int call = failing_calls++;

        if (call % 3 == 1) {
            ops[i].result = VNETENC_AEAD_FAILED;
        } else if (call % 3 == 2 && ops[i].packet) {
            kept = ops[i].packet;
            ops[i].result = VNETENC_AEAD_KEPT;
        }
    }
}

static void
test_cipher_failure(void)
{
    struct vnetenc_aead_provider failing = vnetenc_aead_openssl;
    struct ovs_action_vnetenc action = unit_action(VNETENC_PREFER);
    struct dp_packet *packets[4];
    struct dp_packet_batch batch;
    struct unit_sessions s;
    struct dp_packet *packet;
    uint8_t *payload;
    size_t size;

    failing.seal = failing_seal;
    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    vnetenc_aead_key_destroy(s.tx[0]->key);
    ovs_assert(!vnetenc_aead_key_create_with(&failing, s.keys[0].cipher,
                                             s.keys[0].key, &s.tx[0]->key));

    packet = unit_pushed(99, false);
    payload = xmemdup(unit_payload(packet, &size), 99);
    dp_packet_delete(packet);
    dp_packet_batch_init(&batch);
    for (int i = 0; i < 4; i++) {
        packets[i] = unit_pushed(99, false);
        dp_packet_batch_add(&batch, packets[i]);
    }
    unit_drops_begin();
    vnetenc_seal_batch(&batch, &action);
    CHECK(unit_drops_are(VNETENC_DROP_tx_aead, 2));
    CHECK(dp_packet_batch_size(&batch) == 2);

    /* The failed numbers, 1 and 2, are lost. */
    CHECK(batch.packets[0] == packets[0]);
    CHECK(is_sealed(packets[0], &s, 0, VNETENC_FIRST_SEQ, payload, 99));
    CHECK(batch.packets[1] == packets[3]);
    CHECK(is_sealed(packets[3], &s, 0, VNETENC_FIRST_SEQ + 3, payload, 99));

    /* The kept packet is still there, and the provider's. */
    CHECK(kept == packets[2]);
    CHECK(dp_packet_size(kept) == dp_packet_size(packets[0]));
    dp_packet_delete(kept);
    dp_packet_delete_batch(&batch, true);
    dp_packet_batch_destroy(&batch);

    /* On the slow path no packet may be kept. */
    kept = NULL;
    packet = unit_pushed(99, false);
    CHECK(!vnetenc_seal_packet(packet, &action));
    CHECK(unit_drops_are(VNETENC_DROP_tx_aead, 1));
    dp_packet_delete(packet);
    packet = unit_pushed(99, false);
    CHECK(vnetenc_seal_packet(packet, &action));
    CHECK(!kept);
    dp_packet_delete(packet);

    free(payload);
    unit_sessions_destroy(&s);
}

static void
set_class(struct dp_packet *packet, bool ipv6, uint8_t class)
{
    if (ipv6) {
        struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_l3(packet);

        put_16aligned_be32(&ip6->ip6_ctlun.ip6_un1.ip6_un1_flow,
                           htonl(6u << 28 | class << 20));
    } else {
        struct ip_header *ip = dp_packet_l3(packet);

        ip->ip_tos = class;
    }
}

/* Messages of the control thread go with the next packets of their path, to
 * the same place, and once. */
static void
test_messages(bool ipv6)
{
    static const uint8_t record[] = "a record that is already sealed";
    const struct ovs_action_vnetenc action = unit_action(VNETENC_REQUIRE);
    struct vnetenc_mailbox *box;
    struct dp_packet_batch batch;
    const struct vnetenc_mail *mail;
    struct vnetenc_mail *back;
    struct unit_sessions s;

    unit_sessions_create(&s, VNETENC_AES256_GCM, ipv6, 1);
    box = &s.published->mailbox;

    /* Not before there were packets. */
    CHECK(!vnetenc_mailbox_put(box, htons(1), htons(2), record,
                               sizeof record));
    dp_packet_batch_init_packet(&batch, unit_pushed(100, ipv6));
    vnetenc_seal_batch(&batch, &action);
    CHECK(dp_packet_batch_size(&batch) == 1);
    dp_packet_delete_batch(&batch, true);
    mail = vnetenc_mailbox_put(box, htons(1), htons(2), record, sizeof record);
    CHECK(mail);

    /* Taken back. */
    back = vnetenc_mailbox_recall(box, mail);
    CHECK(back == mail && back->size == sizeof record);
    CHECK(!vnetenc_mailbox_recall(box, mail));
    vnetenc_mail_free(back);

    /* Taken along. */
    for (int round = 0; round < 2; round++) {
        dp_packet_batch_init(&batch);
        dp_packet_batch_add(&batch, unit_pushed(1000, ipv6));
        dp_packet_batch_add(&batch, unit_pushed(100, ipv6));
        set_class(batch.packets[0], ipv6, 0xb8);
        vnetenc_seal_batch(&batch, &action);
        if (!round) {
            CHECK(dp_packet_batch_size(&batch) == 2);
            mail = vnetenc_mailbox_put(box, htons(1), htons(2), record,
                                       sizeof record);
        } else if (CHECK(dp_packet_batch_size(&batch) == 3)) {
            const struct dp_packet *data = batch.packets[0];
            const struct dp_packet *message = batch.packets[2];
            const struct udp_header *udp = dp_packet_l4(message);
            struct in6_addr dst;

            CHECK(!memcmp(dp_packet_data(data), dp_packet_data(message),
                          ETH_HEADER_LEN));
            CHECK(message->md.in_port.odp_port == data->md.in_port.odp_port);
            CHECK(udp->udp_src == htons(1) && udp->udp_dst == htons(2));
            CHECK(ntohs(udp->udp_len) == UDP_HEADER_LEN + sizeof record);
            CHECK(dp_packet_size(message)
                  == message->l4_ofs + UDP_HEADER_LEN + sizeof record);
            CHECK(!memcmp(udp + 1, record, sizeof record));
            if (ipv6) {
                const struct ovs_16aligned_ip6_hdr *ip6
                    = dp_packet_l3(message);

                CHECK(ip6->ip6_ctlun.ip6_un1.ip6_un1_plen == udp->udp_len);
                CHECK(get_16aligned_be32(&ip6->ip6_ctlun.ip6_un1.ip6_un1_flow)
                      == htonl(6u << 28));
                memcpy(&dst, &ip6->ip6_dst, sizeof dst);
                CHECK(ipv6_addr_equals(&dst, &s.published->key.remote));
            } else {
                const struct ip_header *ip = dp_packet_l3(message);

                CHECK(ntohs(ip->ip_tot_len)
                      == IP_HEADER_LEN + ntohs(udp->udp_len));
                CHECK(!ip->ip_tos);
                in6_addr_set_mapped_ipv4(&dst,
                                         get_16aligned_be32(&ip->ip_dst));
                CHECK(ipv6_addr_equals(&dst, &s.published->key.remote));
            }
        }
        dp_packet_delete_batch(&batch, true);
        dp_packet_batch_destroy(&batch);
    }
    CHECK(!vnetenc_mailbox_recall(box, mail));

    /* With packets that are dropped, none goes; it is freed with the path. */
    mail = vnetenc_mailbox_put(box, htons(1), htons(2), record, sizeof record);
    CHECK(mail);
    atomic_store_relaxed(&s.published->mtu, 60);
    dp_packet_batch_init_packet(&batch, unit_pushed(100, ipv6));
    vnetenc_seal_batch(&batch, &action);
    CHECK(dp_packet_batch_is_empty(&batch));
    dp_packet_batch_destroy(&batch);
    unit_sessions_destroy(&s);
}

/* Threads: packets, control records and rekeys at once.  No number of any key
 * is used twice, whatever a session's fate. */

enum { N_THREADS = 4, N_BATCHES = 400, BATCH = 37, N_KEYS = 64,
       MAX_RECORDS = 70000 };

static struct unit_sessions stress;
static atomic_bool stop;
static atomic_uint64_t n_seen;
static struct seen {
    ovs_be16 port;
    uint64_t seq;
} seen[N_THREADS * N_BATCHES * BATCH + 100000];

static void
note_seen(ovs_be16 port, uint64_t seq)
{
    uint64_t i;

    atomic_add_relaxed(&n_seen, 1, &i);
    ovs_assert(i < ARRAY_SIZE(seen));
    seen[i].port = port;
    seen[i].seq = seq;
}

static void
note_packet(const struct dp_packet *packet)
{
    const uint8_t *udp = dp_packet_l4(packet);
    ovs_be16 port;
    ovs_be64 seq;

    memcpy(&port, udp, sizeof port);
    memcpy(&seq, udp + UDP_HEADER_LEN + 13, sizeof seq);
    note_seen(port, ntohll(seq));
}

static void *
seal_many(void *aux OVS_UNUSED)
{
    struct ovs_action_vnetenc action = unit_action(VNETENC_REQUIRE);

    for (unsigned int i = 0; i < N_BATCHES; i++) {
        struct dp_packet_batch batch;

        dp_packet_batch_init(&batch);
        for (unsigned int j = 0; j < BATCH; j++) {
            dp_packet_batch_add(&batch, unit_pushed(64 + j, false));
        }
        vnetenc_seal_batch(&batch, &action);
        for (unsigned int j = 0; j < dp_packet_batch_size(&batch); j++) {
            note_packet(batch.packets[j]);
        }
        dp_packet_delete_batch(&batch, true);
        dp_packet_batch_destroy(&batch);
        ovsrcu_quiesce();
    }
    return NULL;
}

static int
compare_seen(const void *a_, const void *b_)
{
    const struct seen *a = a_;
    const struct seen *b = b_;

    return (a->port != b->port ? (a->port < b->port ? -1 : 1)
            : a->seq < b->seq ? -1 : a->seq > b->seq);
}

static void
test_threads(void)
{
    pthread_t threads[N_THREADS];
    uint64_t n, n_twice = 0, n_low = 0;
    unsigned int key = 1;
    uint8_t record[64];

    unit_sessions_create(&stress, VNETENC_AES128_GCM, false, 1);
    atomic_init(&n_seen, 0);
    atomic_init(&stop, false);
    for (int i = 0; i < N_THREADS; i++) {
        threads[i] = ovs_thread_create("seal", seal_many, NULL);
    }

    /* Meanwhile, as the control thread: alerts on the published key, and now
     * and then another key. */
    for (unsigned int i = 0; i < 20000; i++) {
        struct vnetenc_tx *tx = stress.tx[0];

        if (vnetenc_seal_record(tx, 21, "\1\0", 2, record, sizeof record)) {
            ovs_be64 seq;

            memcpy(&seq, record + 13, sizeof seq);
            note_seen(tx->lane_port, ntohll(seq));
        }
        if (i % 500 == 499 && key < N_KEYS) {
            struct vnetenc_tx *new;

            random_bytes(stress.keys[0].key, 32);
            new = vnetenc_tx_create(&stress.keys[0],
                                    htons(UNIT_LANE_PORT + key++),
                                    VNETENC_MAX_SEQ + 1, UINT64_MAX);
            vnetenc_tx_retire(vnetenc_lanes_swap(&stress.published->lanes, 0,
                                                 new));
            stress.tx[0] = new;
            ovsrcu_quiesce();
        }
    }
    for (int i = 0; i < N_THREADS; i++) {
        xpthread_join(threads[i], NULL);
    }

    atomic_read_relaxed(&n_seen, &n);
    CHECK(n == N_THREADS * N_BATCHES * BATCH + 20000);
    qsort(seen, n, sizeof *seen, compare_seen);
    for (uint64_t i = 0; i < n; i++) {
        n_twice += i && !compare_seen(&seen[i - 1], &seen[i]);
        n_low += seen[i].seq < (UINT64_C(1) << 48 | VNETENC_FIRST_SEQ);
    }
    CHECK(n_twice == 0);
    CHECK(n_low == 0);
    CHECK(key > 10);
    unit_sessions_destroy(&stress);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    struct smap config = SMAP_INITIALIZER(&config);

    set_program_name(argv[0]);
    random_set_seed(1);
    vnetenc_init(&config);

    test_not_loaded();
    for (int i = 0; i < VNETENC_N_CIPHERS; i++) {
        test_lengths(i, false);
        test_lengths(i, true);
        test_records(i);
    }
    test_unbounded_batch(1);
    test_unbounded_batch(4);
    test_unbounded_batch(16);
    test_mixed_batch();
    test_bad_packets();
    test_off();
    test_room();
    test_fixed_memory();
    for (int i = 0; i < 4; i++) {
        test_partial_checksums(IPPROTO_TCP, i & 1, i & 2);
        test_partial_checksums(IPPROTO_UDP, i & 1, i & 2);
        test_partial_checksums(IPPROTO_SCTP, i & 1, i & 2);
    }
    test_bad_checksum_state();
    for (int i = 0; i < 2; i++) {
        test_tso(i, 1401);
        test_tso(i, 2801);
        test_tso(i, 60000);
        test_tso(i, 65279);
        test_tso_longest(i);
    }
    test_tso_odd();
    test_vxlan();
    test_slow_path();
    test_modes();
    test_prefer_time();
    test_lane_down();
    test_key_limit(VNETENC_REQUIRE);
    test_key_limit(VNETENC_PREFER);
    test_cipher_failure();
    test_messages(false);
    test_messages(true);
    test_threads();
    return unit_end();
}
