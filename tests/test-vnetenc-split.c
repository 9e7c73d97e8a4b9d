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

/* Splitting, and what the receiver makes of it: every length around the
 * bounds, headers, inner frames of all kinds, batches, threads.
 *
 * Keywords: mtu, threads. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/packet/split.h"

#include <stdlib.h>

#include "dp-packet.h"
#include "flow.h"
#include "odp-util.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "packets.h"
#include "random.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/bridge/inbox.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc/packet/half.h"
#include "vnetenc/packet/pmtu.h"
#include "vnetenc/packet/route.h"
#include "vnetenc-unit-packets.h"
#include "vnetenc-unit-race.h"
#include "vnetenc-unit.h"
#include "vnetenc/bridge/vni.h"

enum { MTU = 1500 };

static void
set_mtu(const struct unit_sessions *s, unsigned int mtu)
{
    atomic_store_relaxed(&s->published->mtu, mtu);
}

/* Seals 'packet' as a batch of its own. */
static void
seal(struct dp_packet *packet, struct dp_packet_batch *batch)
{
    struct ovs_action_vnetenc action = unit_action(VNETENC_REQUIRE);

    dp_packet_batch_init_packet(batch, packet);
    vnetenc_seal_batch(batch, &action);
}

static void
batch_free(struct dp_packet_batch *batch)
{
    dp_packet_delete_batch(batch, true);
    dp_packet_batch_destroy(batch);
}

/* Sequence number of the sealed 'packet', and whether all that is outside
 * suits 'mtu'. */
static uint64_t
record_seq(const struct dp_packet *packet, unsigned int mtu, bool *ok)
{
    size_t size;
    const uint8_t *record = unit_payload(packet, &size);
    uint64_t seq = 0;

    for (int i = 5; i < 11; i++) {
        seq = seq << 8 | record[i];
    }
    *ok = *ok && dp_packet_size(packet) <= ETH_HEADER_LEN + mtu
          && record[0] == 23 && record[11] << 8 | record[12]
          && unit_checksums_are_right(packet);
    return seq;
}

/* True if 'opened' carries the 'size' octets at 'payload'. */
static bool
carries(const struct dp_packet *opened, const uint8_t *payload, size_t size)
{
    const uint8_t *actual;

    if (!opened || dp_packet_l4_size(opened) != UDP_HEADER_LEN + size) {
        return false;
    }
    actual = (const uint8_t *) dp_packet_l4(opened) + UDP_HEADER_LEN;
    return (!memcmp(actual, payload, size)
            && !dp_packet_rss_valid(opened)
            && !(opened->offloads >> DP_PACKET_OL_SHIFT_COUNT));
}

/* True if the 'batch' of two records makes up 'payload', in either order. */
static bool
is_pair(const struct dp_packet_batch *batch, unsigned int mtu,
        const uint8_t *payload, size_t size, bool swap)
{
    struct dp_packet *wire[2], *first, *second;
    bool ok = dp_packet_batch_size(batch) == 2;

    if (!ok) {
        return false;
    }
    wire[0] = unit_wire(batch->packets[0]);
    wire[1] = unit_wire(batch->packets[1]);
    ok = (record_seq(wire[0], mtu, &ok) + 1 == record_seq(wire[1], mtu, &ok)
          && dp_packet_size(wire[0]) <= dp_packet_size(wire[1])
          && dp_packet_size(wire[1]) == ETH_HEADER_LEN + mtu && ok);
    first = unit_open(wire[swap]);
    second = unit_open(wire[!swap]);
    ok = ok && !first && carries(second, payload, size);
    dp_packet_delete(first);
    dp_packet_delete(second);
    dp_packet_delete(wire[0]);
    dp_packet_delete(wire[1]);
    return ok;
}

/* Seals 'packet', which is too long, and joins it again. */
static bool
goes_through(struct dp_packet *packet, unsigned int mtu, bool swap)
{
    struct dp_packet_batch batch;
    size_t size;
    uint8_t *payload = unit_payload(packet, &size);
    bool ok;

    payload = xmemdup(payload, size);
    seal(packet, &batch);
    ok = is_pair(&batch, mtu, payload, size, swap);
    batch_free(&batch);
    free(payload);
    return ok;
}

static bool
goes_whole(struct dp_packet *packet)
{
    struct dp_packet_batch batch;
    bool ok;

    seal(packet, &batch);
    ok = dp_packet_batch_size(&batch) == 1;
    batch_free(&batch);
    return ok;
}

static bool
is_dropped(struct dp_packet *packet, enum vnetenc_drop reason)
{
    struct dp_packet_batch batch;
    bool ok;

    seal(packet, &batch);
    ok = dp_packet_batch_is_empty(&batch) && unit_drops_are(reason, 1);
    batch_free(&batch);
    return ok;
}

/* Marks. */

static void
test_mark(void)
{
    static const struct {
        size_t ofs;
        uint8_t flip;
    } bad[] = {
        { 0, 0x40 },            /* Version. */
        { 0, 0x01 },            /* Options over the end of the packet. */
        { 1, 0x40 },            /* Not critical. */
        { 11, 0x02 },           /* Length of the option. */
        { 11, 0x80 },           /* Reserved bits. */
        { 12, 0x01 },           /* The other half, by the option alone. */
        { 12, 0x04 },
        { 13, 0x01 },
        { 2, 0x01 },            /* The other half, by protocol type alone. */
    };
    uint8_t plain[17] = { 0, 0, 0x65, 0x58, 1, 2, 3, 0 };
    uint8_t copy[17];
    struct vnetenc_half half;

    CHECK(!vnetenc_half_is(plain, sizeof plain));
    vnetenc_half_mark(plain, true, 300);
    CHECK(vnetenc_half_is(plain, sizeof plain));
    CHECK(vnetenc_half_parse(plain, sizeof plain, &half));
    CHECK(half.back && half.head == 16 && half.size == 1 && half.total == 300);
    CHECK(plain[0] == 2 && plain[1] == 0x40);
    CHECK(plain[2] == 0x88 && plain[3] == 0xb5);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        memcpy(copy, plain, sizeof copy);
        copy[bad[i].ofs] ^= bad[i].flip;
        if (!CHECK(!vnetenc_half_parse(copy, sizeof copy, &half))) {
            printf("row %"PRIuSIZE"\n", i);
        }
    }
    for (size_t size = 0; size < 17; size++) {
        CHECK(vnetenc_half_is(plain, size) == (size == 16));
    }
    CHECK(!vnetenc_half_parse(plain, 16, &half));   /* Nothing in it. */

    /* All or more in one half. */
    memcpy(copy, plain, sizeof copy);
    copy[14] = 0;
    copy[15] = 1;
    CHECK(!vnetenc_half_parse(copy, sizeof copy, &half));
    copy[15] = 0;
    CHECK(!vnetenc_half_parse(copy, sizeof copy, &half));
    copy[15] = 2;
    CHECK(vnetenc_half_parse(copy, sizeof copy, &half));
}

/* Headers of two halves that differ anywhere else than they must. */
static void
test_match(void)
{
    uint8_t front[24] = { 2, 0x80, 0x65, 0x58, 1, 2, 3, 0 };
    uint8_t back[24];

    memset(front + 16, 5, 8);
    memcpy(back, front, sizeof back);
    vnetenc_half_mark(front, false, 2000);
    vnetenc_half_mark(back, true, 2000);
    CHECK(vnetenc_half_match(front, back, 24));
    CHECK(!vnetenc_half_match(back, front, 24));
    CHECK(!vnetenc_half_match(front, front, 24));
    CHECK(!vnetenc_half_match(back, back, 24));
    for (size_t i = 0; i < 24; i++) {
        back[i] ^= 0x80;
        CHECK(vnetenc_half_match(front, back, 24) == (i == 2 || i == 3));
        CHECK(vnetenc_half_match(front, back, 16)
              == (i == 2 || i == 3 || i >= 16));
        back[i] ^= 0x80;
    }
}

/* Lengths. */

static void
test_lengths(enum vnetenc_cipher cipher, bool ipv6, unsigned int mtu)
{
    size_t overhead = cipher == VNETENC_CHACHA20_POLY1305 ? 29 : 37;
    size_t max = mtu - overhead - UDP_HEADER_LEN
                 - (ipv6 ? IPV6_HEADER_LEN : IP_HEADER_LEN);
    size_t last = 2 * (max - 16) + 8;
    unsigned int n_wrong = 0;
    struct unit_sessions s;
    uint64_t n_split;

    unit_sessions_create(&s, cipher, ipv6, 1);
    set_mtu(&s, mtu);
    unit_drops_begin();
    for (size_t size = max - 40; size <= max; size++) {
        n_wrong += !goes_whole(unit_pushed(size, ipv6));
    }
    atomic_read_relaxed(&s.published->n_split, &n_split);
    CHECK(n_wrong == 0);
    CHECK(n_split == 0);
    for (size_t size = max + 1;
         size <= MIN(last, VNETENC_MAX_PLAINTEXT_BYTES);
         size += size > max + 100 && size < last - 20 ? 97 : 1) {
        n_wrong += !goes_through(unit_pushed(size, ipv6), mtu, false);
        n_wrong += !goes_through(unit_pushed(size, ipv6), mtu, true);
    }
    CHECK(n_wrong == 0);
    CHECK(unit_no_drops());
    atomic_read_relaxed(&s.published->n_split, &n_split);
    CHECK(n_split > 200);

    if (last < VNETENC_MAX_PLAINTEXT_BYTES) {
        CHECK(goes_through(unit_pushed(last, ipv6), mtu, false));
        CHECK(is_dropped(unit_pushed(last + 1, ipv6), VNETENC_DROP_tx_mtu));
    } else {
        CHECK(goes_through(unit_pushed(VNETENC_MAX_PLAINTEXT_BYTES, ipv6), mtu,
                           true));
    }
    CHECK(is_dropped(unit_pushed(VNETENC_MAX_PLAINTEXT_BYTES + 1, ipv6),
                     VNETENC_DROP_tx_too_long));
    CHECK(vnetenc_halves_n_bytes() == 0);
    unit_sessions_destroy(&s);
}

/* The MTU is followed at once; an unknown one is no bound. */
static void
test_live(void)
{
    struct unit_sessions s;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    unit_drops_begin();
    CHECK(goes_whole(unit_pushed(3000, false)));
    set_mtu(&s, MTU);
    CHECK(is_dropped(unit_pushed(3000, false), VNETENC_DROP_tx_mtu));
    CHECK(goes_through(unit_pushed(1500, false), MTU, false));
    set_mtu(&s, 1600);
    CHECK(goes_whole(unit_pushed(1500, false)));
    set_mtu(&s, 40);            /* Nothing fits. */
    CHECK(is_dropped(unit_pushed(8, false), VNETENC_DROP_tx_mtu));
    set_mtu(&s, 0);
    CHECK(goes_whole(unit_pushed(3000, false)));
    unit_sessions_destroy(&s);
}

/* Headers. */

/* 'n' units of options, of which the first has the critical bit or not. */
static struct dp_packet *
with_options(size_t size, unsigned int n, bool critical, bool ipv6)
{
    struct dp_packet *packet = unit_pushed(size, ipv6);
    uint8_t *geneve = unit_payload(packet, &size);

    geneve[0] = n;
    geneve[1] = critical ? 0xc0 : 0x80;
    return packet;
}

static void
test_options(bool ipv6)
{
    unsigned int n_wrong = 0;
    struct unit_sessions s;

    unit_sessions_create(&s, VNETENC_AES256_GCM, ipv6, 1);
    set_mtu(&s, MTU);
    unit_drops_begin();
    for (unsigned int n = 0; n <= 61; n++) {
        n_wrong += !goes_through(with_options(1500, n, false, ipv6), MTU,
                                 n & 1);
        n_wrong += !goes_through(with_options(1900, n, true, ipv6), MTU,
                                 n & 1);
    }
    CHECK(n_wrong == 0);
    CHECK(unit_no_drops());
    for (unsigned int n = 62; n <= 63; n++) {
        CHECK(is_dropped(with_options(1500, n, true, ipv6),
                         VNETENC_DROP_tx_mtu));
    }
    unit_sessions_destroy(&s);
}

/* What is inside: cut anywhere, complete checksums, any protocol. */
static void
test_inner(uint8_t proto, bool ipv6, bool vlan)
{
    struct dp_packet *frame = unit_frame(proto, 1400, vlan);
    struct dp_packet *packet = dp_packet_clone_with_headroom(frame, 128);
    struct dp_packet_batch batch;
    struct dp_packet *opened = NULL;
    struct unit_sessions s;

    unit_sessions_create(&s, VNETENC_AES128_GCM, ipv6, 1);
    set_mtu(&s, MTU - 100);
    dp_packet_ip_checksum_set_partial(packet);
    dp_packet_l4_checksum_set_partial(packet);
    if (proto == IPPROTO_TCP) {
        dp_packet_l4_proto_set_tcp(packet);
    } else {
        dp_packet_l4_proto_set_udp(packet);
    }
    ((struct ip_header *) dp_packet_l3(packet))->ip_csum = htons(1);
    unit_push(packet, ipv6, false);
    seal(packet, &batch);
    CHECK(dp_packet_batch_size(&batch) == 2);
    for (size_t i = 0; i < dp_packet_batch_size(&batch); i++) {
        struct dp_packet *wire = unit_wire(batch.packets[i]);

        CHECK(!opened);
        opened = unit_open(wire);
        dp_packet_delete(wire);
    }
    if (CHECK(opened)) {
        size_t size;
        uint8_t *payload = unit_payload(opened, &size);

        CHECK(size - 8 == dp_packet_size(frame));
        CHECK(!memcmp(payload + 8, dp_packet_data(frame), size - 8));
    }
    dp_packet_delete(opened);
    batch_free(&batch);
    dp_packet_delete(frame);
    unit_sessions_destroy(&s);
}

/* Not without a place for the mark, a will, or a packet of one's own. */
static void
test_not_split(void)
{
    struct ovs_action_vnetenc action = unit_action(VNETENC_REQUIRE);
    struct dp_packet *packet = unit_frame(IPPROTO_TCP, 1450, false);
    struct unit_sessions s;
    uint64_t n;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    set_mtu(&s, MTU);
    unit_drops_begin();
    unit_push(packet, false, true);     /* VXLAN has no options. */
    CHECK(is_dropped(packet, VNETENC_DROP_tx_mtu));

    packet = unit_pushed(1500, false);
    CHECK(!vnetenc_seal_packet(packet, &action));
    CHECK(unit_drops_are(VNETENC_DROP_tx_slow_mtu, 1));
    dp_packet_delete(packet);
    packet = unit_pushed(1400, false);
    CHECK(vnetenc_seal_packet(packet, &action));
    CHECK(unit_no_drops());
    dp_packet_delete(packet);

    atomic_store_relaxed(&s.published->split, false);
    CHECK(is_dropped(unit_pushed(1500, false), VNETENC_DROP_tx_mtu));
    CHECK(goes_whole(unit_pushed(1400, false)));
    atomic_read_relaxed(&s.published->n_dropped, &n);
    CHECK(n == 3);
    unit_sessions_destroy(&s);
}

/* What a guest at 'in_port' is told of 'packet', which is dropped: the longest
 * frame that gets through, 0 for nothing. */
static unsigned int
told(struct dp_packet *packet, odp_port_t in_port)
{
    struct ovs_action_vnetenc action = unit_action(VNETENC_REQUIRE);
    static struct vnetenc_event event;
    struct vnetenc_pmtu_note note;
    struct dp_packet_batch batch;
    struct flow flow;

    memset(&flow, 0, sizeof flow);
    flow.in_port.odp_port = in_port;
    dp_packet_batch_init_packet(&batch, packet);
    vnetenc_seal_batch_of_flow(&batch, &action, &flow, NULL, 0);
    CHECK(dp_packet_batch_is_empty(&batch));
    dp_packet_batch_destroy(&batch);
    if (!vnetenc_inbox_take(VNETENC_INBOX_GUESTS, &event)) {
        return 0;
    }
    memcpy(&note, event.data, sizeof note);
    return event.type == VNETENC_EV_TOO_LONG ? note.max_frame : 0;
}

static void
test_answers(void)
{
    enum { HEADERS = ETH_HEADER_LEN + IP_HEADER_LEN + UDP_HEADER_LEN };
    enum { ROOM = ETH_HEADER_LEN + MTU - VNETENC_OVERHEAD - HEADERS };
    const odp_port_t port = u32_to_odp(5);
    struct unit_sessions s;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    set_mtu(&s, MTU);
    CHECK(told(unit_pushed(3000, false), port) == 2 * (ROOM - 16));
    CHECK(told(with_options(3000, 61, false, false), port)
          == 2 * (ROOM - 252 - 8));

    /* No place for the mark, so only one record. */
    CHECK(told(with_options(3000, 62, false, false), port)
          == ROOM - 256);
    CHECK(told(with_options(1500, 63, true, false), port)
          == ROOM - 260);

    atomic_store_relaxed(&s.published->split, false);
    CHECK(told(unit_pushed(1500, false), port) == ROOM - 8);

    /* Nobody sent it. */
    CHECK(told(unit_pushed(1500, false), ODPP_NONE) == 0);
    unit_sessions_destroy(&s);
}

static uint64_t
seq_of(const struct dp_packet *packet)
{
    const uint8_t *udp = dp_packet_l4(packet);
    ovs_be64 epoch_and_seq;

    memcpy(&epoch_and_seq, udp + UDP_HEADER_LEN + 3, sizeof epoch_and_seq);
    return ntohll(epoch_and_seq) & ((UINT64_C(1) << 48) - 1);
}

/* Pairs are numbered in the order of time, whatever a thread has left of a
 * range: a half waits only until a pair with a number 64 pairs further
 * comes. */
static void
test_order(void)
{
    struct dp_packet_batch batch;
    struct unit_sessions s;
    uint64_t next;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    set_mtu(&s, MTU);
    for (int i = 0; i < 3; i++) {
        seal(unit_pushed(100, false), &batch);
        batch_free(&batch);
    }
    vnetenc_tx_reserve_newest(s.tx[0], 1, 10);
    seal(unit_pushed(1500, false), &batch);
    CHECK(dp_packet_batch_size(&batch) == 2);
    atomic_read_relaxed(&s.tx[0]->next_seq, &next);
    CHECK(seq_of(batch.packets[0]) == next - 2);
    CHECK(seq_of(batch.packets[1]) == next - 1);
    batch_free(&batch);
    unit_sessions_destroy(&s);
}

/* Both halves or none: a key that may seal one more record. */
static void
test_key_limit(void)
{
    struct dp_packet_batch batch;
    struct unit_sessions s;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    set_mtu(&s, MTU);
    s.tx[0]->end_seq = VNETENC_FIRST_SEQ + 3;
    unit_drops_begin();
    CHECK(goes_through(unit_pushed(1500, false), MTU, false));
    seal(unit_pushed(1500, false), &batch);
    CHECK(dp_packet_batch_is_empty(&batch));
    CHECK(unit_drops_are(VNETENC_DROP_tx_key_limit, 2));
    batch_free(&batch);
    unit_sessions_destroy(&s);
}

/* Memory that is full, or cannot grow. */
static void
test_room(void)
{
    static const size_t rooms[][2] = {
        { 0, 0 }, { 8, 16 }, { 28, 16 }, { 29, 0 }, { 29, 16 }, { 300, 0 },
    };
    struct dp_packet *packet, *fixed;
    struct dp_packet_batch batch;
    struct unit_sessions s;
    uint8_t *payload;
    size_t size;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    set_mtu(&s, MTU);
    for (size_t i = 0; i < ARRAY_SIZE(rooms); i++) {
        packet = unit_pushed(1500, false);
        dp_packet_resize(packet, rooms[i][0], rooms[i][1]);
        CHECK(goes_through(packet, MTU, i & 1));
    }

    packet = unit_pushed(1500, false);
    payload = unit_payload(packet, &size);
    fixed = unit_fixed(dp_packet_clone(packet));
    seal(fixed, &batch);
    CHECK(is_pair(&batch, MTU, payload, size, false));
    batch_free(&batch);
    unit_fixed_delete(fixed);
    dp_packet_delete(packet);
    unit_sessions_destroy(&s);
}

/* TSO packets: what we segment ourselves is never split. */
static void
test_tso(bool ipv6)
{
    enum { SIZE = 60000, SEGSZ = 1448 };
    struct dp_packet *packet = unit_frame(IPPROTO_TCP, SIZE, false);
    struct dp_packet_batch batch;
    unsigned int n_wrong = 0;
    struct unit_sessions s;
    size_t n_octets = 0;
    uint64_t n_split;

    unit_sessions_create(&s, VNETENC_AES256_GCM, ipv6, 1);
    set_mtu(&s, MTU);
    dp_packet_ip_checksum_set_partial(packet);
    dp_packet_l4_checksum_set_partial(packet);
    dp_packet_l4_proto_set_tcp(packet);
    dp_packet_set_tso_segsz(packet, SEGSZ);
    unit_push(packet, ipv6, false);
    unit_drops_begin();
    seal(packet, &batch);
    CHECK(unit_no_drops());
    for (size_t i = 0; i < dp_packet_batch_size(&batch); i++) {
        struct dp_packet *wire = unit_wire(batch.packets[i]);
        struct dp_packet *opened = unit_open(wire);
        size_t size = 0;

        if (opened) {
            unit_payload(opened, &size);
            n_octets += size - 8 - ETH_HEADER_LEN - IP_HEADER_LEN
                        - TCP_HEADER_LEN;
        }
        n_wrong += dp_packet_size(wire) > ETH_HEADER_LEN + MTU;
        n_wrong += i + 1 < dp_packet_batch_size(&batch)
                   && dp_packet_size(wire) != ETH_HEADER_LEN + MTU;
        dp_packet_delete(wire);
        dp_packet_delete(opened);
    }
    CHECK(n_wrong == 0);
    CHECK(n_octets == SIZE);
    atomic_read_relaxed(&s.published->n_split, &n_split);
    CHECK(n_split == 0);
    batch_free(&batch);
    unit_sessions_destroy(&s);
}

/* Batches. */

/* A batch of long and short packets.  The identity of each is its length. */
static void
make_batch(struct dp_packet_batch *batch, unsigned int n, unsigned int step)
{
    dp_packet_batch_init(batch);
    for (unsigned int i = 0; i < n; i++) {
        struct dp_packet *packet
            = unit_pushed(i % step ? 1500 + i : 100 + i, false);
        struct udp_header *udp = dp_packet_l4(packet);

        udp->udp_src = htons(32768 + i % 7 * 97);
        dp_packet_batch_add(batch, packet);
    }
}

/* Opens all of 'batch' in order and counts what does not come out whole and in
 * order, for each lane. */
static unsigned int
count_wrong(const struct dp_packet_batch *batch, unsigned int n,
            unsigned int step)
{
    unsigned int n_wrong = 0, next = 0;
    bool seen[256] = { false };

    for (size_t i = 0; i < dp_packet_batch_size(batch); i++) {
        struct dp_packet *wire = unit_wire(batch->packets[i]);
        struct dp_packet *opened = unit_open(wire);
        size_t size, id;

        if (opened) {
            unit_payload(opened, &size);
            id = size >= 1500 ? size - 1500 : size - 100;
            if (id < n && !seen[id] && !(id % step) == (size < 1500)) {
                seen[id] = true;
                next++;
            } else {
                n_wrong++;
            }
        }
        dp_packet_delete(opened);
        dp_packet_delete(wire);
    }
    return n_wrong + (n - next);
}

static void
test_batch(unsigned int n_lanes)
{
    struct ovs_action_vnetenc action = unit_action(VNETENC_REQUIRE);
    struct dp_packet_batch batch;
    struct unit_sessions s;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, n_lanes);
    set_mtu(&s, MTU);
    unit_drops_begin();
    for (unsigned int step = 1; step < 20; step++) {
        make_batch(&batch, 100, step);
        vnetenc_seal_batch(&batch, &action);
        CHECK(dp_packet_batch_size(&batch) == 200 - DIV_ROUND_UP(100, step));
        CHECK(count_wrong(&batch, 100, step) == 0);
        batch_free(&batch);
    }
    CHECK(unit_no_drops());
    unit_sessions_destroy(&s);
}

/* Where the bursts of a batch end. */
static void
test_burst(void)
{
    struct ovs_action_vnetenc action = unit_action(VNETENC_REQUIRE);
    struct dp_packet_batch batch;
    struct vnetenc_route route;
    struct unit_sessions s;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    set_mtu(&s, MTU);
    dp_packet_batch_init(&batch);
    for (unsigned int i = 0; i < 100; i++) {
        dp_packet_batch_add(&batch, unit_pushed(i == 50 ? 100 : 1500, false));
    }
    CHECK(!vnetenc_route_find(batch.packets[0], &action, &route));
    CHECK(vnetenc_split_batch(&batch, &route));
    CHECK(!vnetenc_split_batch(&batch, &route));
    CHECK(dp_packet_batch_size(&batch) == 199);
    CHECK(vnetenc_split_burst(batch.packets, 199) == 32);
    CHECK(vnetenc_split_burst(batch.packets + 96, 103) == 31);
    CHECK(vnetenc_split_burst(batch.packets + 97, 102) == 32);
    CHECK(vnetenc_split_burst(batch.packets + 167, 32) == 32);
    CHECK(vnetenc_split_burst(batch.packets + 198, 1) == 1);
    CHECK(vnetenc_split_burst(batch.packets, 2) == 2);
    batch_free(&batch);
    unit_sessions_destroy(&s);
}

static struct unit_race race;

static void *
seal_in_thread(void *aux OVS_UNUSED)
{
    struct ovs_action_vnetenc action = unit_action(VNETENC_REQUIRE);
    unsigned int n_wrong = 0, round = 0;

    for (unsigned int i = 0; i < 500; i++) {
        struct dp_packet_batch batch;

        /* What the threads have under way at once fits into the places of
         * one session. */
        make_batch(&batch, 40, 2);
        unit_race_meet(&race, &round);
        vnetenc_seal_batch(&batch, &action);
        n_wrong += count_wrong(&batch, 40, 2);
        batch_free(&batch);
        ovsrcu_quiesce();
    }
    return (void *) (uintptr_t) n_wrong;
}

/* Several threads number their records in one session: halves of one packet
 * get numbers side by side all the same. */
static void
test_threads(void)
{
    enum { N = 2 };
    struct unit_sessions s;
    pthread_t threads[N];

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    set_mtu(&s, MTU);
    unit_drops_begin();
    unit_race_init(&race, N);
    for (int i = 0; i < N; i++) {
        threads[i] = ovs_thread_create("seal", seal_in_thread, NULL);
    }
    for (int i = 0; i < N; i++) {
        void *n_wrong;

        xpthread_join(threads[i], &n_wrong);
        CHECK(!n_wrong);
    }
    CHECK(unit_no_drops());
    CHECK(vnetenc_halves_n_bytes() == 0);
    unit_sessions_destroy(&s);
}

/* Checks that a half passes by itself. */

static void
open_one(const struct dp_packet *sealed, bool whole)
{
    struct dp_packet *wire = unit_wire(sealed);
    struct dp_packet *opened = unit_open(wire);

    CHECK(!opened == !whole);
    dp_packet_delete(opened);
    dp_packet_delete(wire);
}

/* Sessions are freed by another thread. */
static void
wait_for_free(void)
{
    for (int i = 0; i < 1000 && vnetenc_halves_n_bytes(); i++) {
        ovsrcu_quiesce();
        xnanosleep(1000000);
    }
}

static void
test_replay(void)
{
    struct dp_packet_batch batch, other;
    struct unit_sessions s;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    set_mtu(&s, MTU);
    seal(unit_pushed(1500, false), &batch);
    seal(unit_pushed(1500, false), &other);
    unit_drops_begin();
    open_one(batch.packets[0], false);
    CHECK(unit_no_drops());
    open_one(batch.packets[0], false);  /* Not joined with itself. */
    CHECK(unit_drops_are(VNETENC_DROP_rx_replay, 1));
    open_one(other.packets[1], false);  /* Nor with somebody else. */
    CHECK(unit_no_drops());
    open_one(batch.packets[1], true);
    open_one(batch.packets[1], false);
    CHECK(unit_drops_are(VNETENC_DROP_rx_replay, 1));
    open_one(batch.packets[0], false);
    CHECK(unit_drops_are(VNETENC_DROP_rx_replay, 1));
    open_one(other.packets[0], true);
    CHECK(unit_no_drops());
    batch_free(&batch);
    batch_free(&other);

    /* Halves of different sessions do not meet. */
    seal(unit_pushed(1500, false), &batch);
    open_one(batch.packets[0], false);
    unit_sessions_destroy(&s);
    wait_for_free();
    CHECK(unit_drops_are(VNETENC_DROP_rx_half_late, 1));
    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    set_mtu(&s, MTU);
    seal(unit_pushed(1500, false), &other);
    open_one(other.packets[1], false);
    open_one(batch.packets[0], false);
    CHECK(unit_drops_are(VNETENC_DROP_rx_auth, 1));
    batch_free(&batch);
    batch_free(&other);
    unit_sessions_destroy(&s);
    wait_for_free();
    CHECK(unit_drops_are(VNETENC_DROP_rx_half_late, 1));
    CHECK(vnetenc_halves_n_bytes() == 0);
}

/* A forged half is gone before anybody sees that it is one. */
static void
test_forgery(void)
{
    struct dp_packet_batch batch;
    struct unit_sessions s;
    uint8_t *payload;
    size_t size;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    set_mtu(&s, MTU);
    seal(unit_pushed(1500, false), &batch);
    open_one(batch.packets[0], false);
    payload = unit_payload(batch.packets[1], &size);
    payload[100] ^= 1;
    unit_drops_begin();
    open_one(batch.packets[1], false);
    CHECK(unit_drops_are(VNETENC_DROP_rx_auth, 1));
    payload[100] ^= 1;
    open_one(batch.packets[1], true);
    CHECK(unit_no_drops());
    batch_free(&batch);
    unit_sessions_destroy(&s);
}

static void
test_vni(void)
{
    const struct vnetenc_vni vni = { .vni = UNIT_VNI, .profile = 1 };
    struct dp_packet_batch batch;
    struct unit_sessions s;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    set_mtu(&s, MTU);
    seal(unit_pushed(1500, false), &batch);
    vnetenc_vni_set(&vni, 1);
    unit_drops_begin();
    open_one(batch.packets[0], false);
    CHECK(unit_drops_are(VNETENC_DROP_rx_vni, 1));
    open_one(batch.packets[1], false);
    CHECK(unit_drops_are(VNETENC_DROP_rx_vni, 1));
    CHECK(vnetenc_halves_n_bytes() == 0);
    vnetenc_vni_set(NULL, 0);
    batch_free(&batch);
    unit_sessions_destroy(&s);
}

/* One half lost, of every second packet: the others arrive. */
static void
test_loss(void)
{
    struct ovs_action_vnetenc action = unit_action(VNETENC_REQUIRE);
    struct dp_packet_batch batch;
    struct unit_sessions s;
    unsigned int n = 0;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    set_mtu(&s, MTU);
    make_batch(&batch, 30, 1000);
    vnetenc_seal_batch(&batch, &action);
    CHECK(dp_packet_batch_size(&batch) == 59);
    for (size_t i = 0; i < dp_packet_batch_size(&batch); i++) {
        struct dp_packet *wire = unit_wire(batch.packets[i]);

        if (i % 4 != 3) {
            struct dp_packet *opened = unit_open(wire);

            n += opened != NULL;
            dp_packet_delete(opened);
        }
        dp_packet_delete(wire);
    }
    CHECK(n == 1 + 15);
    batch_free(&batch);
    unit_drops_begin();
    vnetenc_rx_sweep(time_msec() + VNETENC_JOIN_MS - 1000);
    CHECK(unit_no_drops());
    vnetenc_rx_sweep(time_msec() + VNETENC_JOIN_MS);
    CHECK(unit_drops_are(VNETENC_DROP_rx_half_late, 14));
    CHECK(vnetenc_halves_n_bytes() == 0);
    unit_sessions_destroy(&s);
    wait_for_free();
    CHECK(unit_no_drops());
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    vnetenc_aead_init("openssl");
    vnetenc_inbox_init();

    /* Halves wait for so long and no longer: not on a busy machine, too. */
    time_msec();
    timeval_stop();

    test_mark();
    test_match();
    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        test_lengths(VNETENC_AES256_GCM, ipv6, MTU);
        test_lengths(VNETENC_CHACHA20_POLY1305, ipv6, 1280);
        test_lengths(VNETENC_AES128_GCM, ipv6, 9000);
        test_options(ipv6);
        test_inner(IPPROTO_TCP, ipv6, false);
        test_inner(IPPROTO_UDP, ipv6, true);
        test_tso(ipv6);
    }
    test_live();
    test_not_split();
    test_answers();
    test_order();
    test_key_limit();
    test_room();
    test_batch(1);
    test_batch(4);
    test_burst();
    test_threads();
    test_replay();
    test_forgery();
    test_vni();
    test_loss();
    return unit_end();
}
