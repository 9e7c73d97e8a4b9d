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

/* What is split and joined, in memory of every kind: what of it is used for
 * the second packet, and what happens where it is used up.
 *
 * Keywords: mtu, dpdk. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/packet/split.h"

#include <stdlib.h>

#include "dp-packet.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc/packet/join.h"
#include "vnetenc-unit-packets.h"
#include "vnetenc-unit.h"

enum { MTU = 1500 };

static struct unit_sessions sessions;

/* The two records of 'packet', the back half's first. */
static bool
seal(struct dp_packet *packet, struct dp_packet *sealed[2])
{
    struct ovs_action_vnetenc action = unit_action(VNETENC_REQUIRE);
    struct dp_packet_batch batch;
    bool ok;

    dp_packet_batch_init_packet(&batch, packet);
    vnetenc_seal_batch(&batch, &action);
    ok = dp_packet_batch_size(&batch) == 2;
    if (ok) {
        sealed[0] = batch.packets[0];
        sealed[1] = batch.packets[1];
    } else {
        dp_packet_delete_batch(&batch, true);
    }
    dp_packet_batch_destroy(&batch);
    return ok;
}

/* What is on the wire of 'packet', which is freed. */
static struct dp_packet *
put_on_wire(struct dp_packet *packet)
{
    struct dp_packet *wire = unit_wire(packet);

    dp_packet_delete(packet);
    return wire;
}

/* vnetenc_open() of 'packet'.  NULL if it was dropped or taken. */
static struct dp_packet *
open_in_place(struct dp_packet *packet)
{
    if (vnetenc_open(packet)) {
        return packet;
    }
    dp_packet_delete(packet);
    return NULL;
}

/* True if 'packet' carries what unit_pushed() puts into 'size' octets. */
static bool
carries(const struct dp_packet *packet, size_t size)
{
    struct dp_packet *pushed = unit_pushed(size, false);
    size_t actual_size = 0;
    bool ok = false;

    if (packet) {
        const uint8_t *actual = unit_payload(packet, &actual_size);
        const uint8_t *expected = unit_payload(pushed, &size);

        ok = actual_size == size && !memcmp(actual, expected, size);
    }
    dp_packet_delete(pushed);
    return ok;
}

/* True if 'sealed' arrive, in either order, in memory from malloc(), as what
 * unit_pushed() puts into 'size' octets.  Frees them. */
static bool
arrive(struct dp_packet *sealed[2], size_t size, bool swap)
{
    struct dp_packet *wire[2], *first, *second;
    bool ok;

    wire[0] = put_on_wire(sealed[0]);
    wire[1] = put_on_wire(sealed[1]);
    first = open_in_place(wire[swap]);
    second = open_in_place(wire[!swap]);
    ok = !first && carries(second, size);
    dp_packet_delete(first);
    dp_packet_delete(second);
    return ok;
}

static void
test_malloced(void)
{
    struct dp_packet *sealed[2], *fixed;

    if (CHECK(seal(unit_pushed(1500, false), sealed))) {
        CHECK(sealed[0]->source == DPBUF_MALLOC);
        CHECK(sealed[1]->source == DPBUF_MALLOC);
        CHECK(arrive(sealed, 1500, true));
    }

    /* Memory of AF_XDP is the device's to receive with. */
    fixed = unit_fixed(unit_pushed(1500, false));
    if (CHECK(seal(fixed, sealed))) {
        CHECK(sealed[0]->source == DPBUF_MALLOC);
        CHECK(arrive(sealed, 1500, false));
    }
    unit_fixed_delete(fixed);
}

#ifdef DPDK_NETDEV

#include <rte_malloc.h>

#include "vnetenc-unit-dpdk.h"

enum {
    N_PACKETS = 63,
    FULL = 1445,                /* What unit_pushed() makes is a little too
                                 * long for the underlay... */
    FULL_PUSHED = FULL + 42     /* ...and is so long itself. */
};

/* Room for a packet of the underlay's, for the longest that two records can
 * take, for 'FULL' and no more, and for none of them. */
static struct rte_mempool *normal, *large, *tight, *small;

/* 'from', which is freed, out of 'pool', with 'headroom'. */
static struct dp_packet *
pooled(struct rte_mempool *pool, struct dp_packet *from, size_t headroom)
{
    struct dp_packet *packet = unit_dpdk_packet(pool);

    dp_packet_reset_offload(packet);
    dp_packet_set_data(packet, (char *) dp_packet_base(packet) + headroom);
    dp_packet_put(packet, dp_packet_data(from), dp_packet_size(from));
    memcpy(&packet->l2_pad_size, &from->l2_pad_size,
           sizeof *packet - offsetof(struct dp_packet, l2_pad_size));
    if (dp_packet_rss_valid(from)) {
        dp_packet_set_rss_hash(packet, dp_packet_get_rss_hash(from));
    }
    dp_packet_delete(from);
    return packet;
}

static unsigned int
n_used(struct rte_mempool *pool)
{
    return rte_mempool_in_use_count(pool);
}

/* All that is left of 'pool'. */
static void
take_all(struct rte_mempool *pool, struct dp_packet *packets[N_PACKETS],
         size_t *n)
{
    *n = 0;
    while (n_used(pool) < N_PACKETS) {
        packets[(*n)++] = unit_dpdk_packet(pool);
    }
}

static void
give_back(struct dp_packet *packets[N_PACKETS], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dp_packet_delete(packets[i]);
    }
}

/* All that is left of the heap, as a list. */
static void *
take_heap(void)
{
    void *list = NULL;

    for (size_t size = 1 << 20; size >= sizeof list; size /= 2) {
        void *p;

        while ((p = rte_malloc(NULL, size, 0)) != NULL) {
            memcpy(p, &list, sizeof list);
            list = p;
        }
    }
    return list;
}

static void
give_heap_back(void *list)
{
    while (list) {
        void *next;

        memcpy(&next, list, sizeof next);
        rte_free(list);
        list = next;
    }
}

static unsigned int
n_heap_blocks(void)
{
    struct rte_malloc_socket_stats stats;

    ovs_assert(!rte_malloc_get_socket_stats(0, &stats));
    return stats.alloc_count;
}

/* Sending. */

/* Both halves are DPDK's: nothing has to be copied for a device of DPDK's. */
static void
test_sealed_in_pool(void)
{
    struct dp_packet *packet, *sealed[2];

    for (int i = 0; i < 2; i++) {
        packet = pooled(normal, unit_pushed(1500, false), 128);
        if (CHECK(seal(packet, sealed))) {
            CHECK(sealed[0]->source == DPBUF_DPDK);
            CHECK(sealed[0]->mbuf.pool == normal);
            CHECK(sealed[1] == packet);
            CHECK(n_used(normal) == 2);
            CHECK(!RTE_MBUF_HAS_EXTBUF(&sealed[0]->mbuf));
            CHECK(dp_packet_rss_valid(sealed[0])
                  == dp_packet_rss_valid(sealed[1]));
            CHECK(arrive(sealed, 1500, i));
        }
        CHECK(n_used(normal) == 0);
    }
}

/* 'packet', of whose pool nothing more is to be had, is split all the same,
 * with 'n' packets of the pool left in use, its front half among them or
 * not. */
static void
test_seal_without(struct dp_packet *packet, size_t size, unsigned int n,
                  bool in_place)
{
    struct rte_mempool *pool = packet->mbuf.pool;
    struct dp_packet *sealed[2];

    if (CHECK(seal(packet, sealed))) {
        CHECK(sealed[0]->source == DPBUF_MALLOC);
        CHECK((sealed[1] == packet) == in_place);
        CHECK(n_used(pool) == n);
        CHECK(arrive(sealed, size, false));
        CHECK(n_used(pool) == n - in_place);
    }
}

static void
test_sealed_without_pool(void)
{
    struct dp_packet *packet, *others[N_PACKETS], *sealed[2];
    void *heap;
    size_t n;

    packet = pooled(normal, unit_pushed(1500, false), 128);
    take_all(normal, others, &n);
    CHECK(n == N_PACKETS - 1);
    test_seal_without(packet, 1500, N_PACKETS, true);

    /* Without headroom, and with the heap used up: the octets are moved to
     * where the back half was. */
    packet = pooled(normal, unit_pushed(1500, false), 0);
    heap = take_heap();
    test_seal_without(packet, 1500, N_PACKETS, true);
    give_heap_back(heap);
    give_back(others, n);
    CHECK(n_used(normal) == 0);

    /* Without room for that, it is copied. */
    packet = pooled(tight, unit_pushed(FULL, false), 0);
    CHECK(dp_packet_tailroom(packet) == 0);
    take_all(tight, others, &n);
    heap = take_heap();
    test_seal_without(packet, FULL, N_PACKETS - 1, false);
    give_heap_back(heap);
    give_back(others, n);
    CHECK(n_used(tight) == 0);

    /* The back half is longer than what the pool has. */
    packet = pooled(small, unit_pushed(2800, false), 128);
    CHECK(RTE_MBUF_HAS_EXTBUF(&packet->mbuf));
    test_seal_without(packet, 2800, 1, true);
    CHECK(n_used(small) == 0);

    /* Only the front half has no room. */
    packet = pooled(tight, unit_pushed(FULL, false), 0);
    if (CHECK(seal(packet, sealed))) {
        CHECK(sealed[0]->source == DPBUF_DPDK);
        CHECK(sealed[1]->source == DPBUF_MALLOC);
        CHECK(n_used(tight) == 1);
        CHECK(arrive(sealed, FULL, false));
    }
    CHECK(n_used(tight) == 0);
}

/* Receiving. */

/* The two records of a packet of 'size' octets, as they arrive in 'pool'. */
static bool
receive(struct rte_mempool *pool, size_t size, struct dp_packet *halves[2])
{
    struct dp_packet *sealed[2];

    if (!seal(unit_pushed(size, false), sealed)) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        halves[i] = pooled(pool, put_on_wire(sealed[i]), 128);
    }
    return true;
}

/* A packet of 'size' octets is joined, either half coming last: in the memory
 * of that one, or in 'other'. */
static void
test_joined(struct rte_mempool *pool, size_t size, bool other)
{
    unsigned int n_blocks = n_heap_blocks();
    struct dp_packet *halves[2];

    for (int last = 0; last < 2; last++) {
        if (CHECK(receive(pool, size, halves))) {
            struct dp_packet *joined;

            CHECK(!open_in_place(halves[!last]));
            joined = open_in_place(halves[last]);
            CHECK(joined == halves[last]);
            CHECK(carries(joined, size));
            CHECK(joined && !!RTE_MBUF_HAS_EXTBUF(&joined->mbuf) == other);
            dp_packet_delete(joined);
        }
        CHECK(n_used(pool) == 0);
        CHECK(n_heap_blocks() == n_blocks);
    }
}

/* The longer packet that is needed is not to be had. */
static void
test_joined_without_heap(void)
{
    struct dp_packet *halves[2];

    for (int last = 0; last < 2; last++) {
        void *heap;

        if (!CHECK(receive(normal, 2800, halves))) {
            continue;
        }
        unit_drops_begin();
        heap = take_heap();
        CHECK(!open_in_place(halves[!last]));
        CHECK(unit_no_drops());
        CHECK(vnetenc_halves_n_bytes() > 0);
        CHECK(!open_in_place(halves[last]));
        CHECK(unit_drops_are(VNETENC_DROP_rx_half_room, 1));
        CHECK(vnetenc_halves_n_bytes() == 0);
        CHECK(n_used(normal) == 0);
        give_heap_back(heap);

        /* What fits goes on. */
        test_joined(normal, 1500, false);
        test_joined(normal, 2800, true);
    }
}

static void
test_with_dpdk(void)
{
    unit_dpdk_start("-m 64");
    normal = unit_dpdk_pool("normal", N_PACKETS, 1600);
    large = unit_dpdk_pool("large", N_PACKETS, 3000);
    tight = unit_dpdk_pool("tight", N_PACKETS,
                           FULL_PUSHED - RTE_PKTMBUF_HEADROOM);
    small = unit_dpdk_pool("small", N_PACKETS, 256);

    test_sealed_in_pool();
    test_sealed_without_pool();
    test_joined(normal, 1500, false);
    test_joined(normal, 2800, true);
    test_joined(large, 2800, false);
    test_joined_without_heap();
}

#endif /* DPDK_NETDEV */

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    vnetenc_aead_init("openssl");

    /* Halves wait for so long and no longer: not on a busy machine, too. */
    time_msec();
    timeval_stop();

#ifdef DPDK_NETDEV
    unit_dpdk_log();
#endif
    unit_sessions_create(&sessions, VNETENC_AES256_GCM, false, 1);
    atomic_store_relaxed(&sessions.published->mtu, MTU);
    test_malloced();
#ifdef DPDK_NETDEV
    test_with_dpdk();
#endif
    unit_sessions_destroy(&sessions);
    return unit_end();
}
