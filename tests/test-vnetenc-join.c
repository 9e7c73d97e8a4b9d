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

/* Joining: orders, lengths, memory, every bound, what an authenticated peer
 * could send, threads.
 *
 * Keywords: mtu, threads. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/packet/join.h"
#include "vnetenc/bridge/halves.h"

#include <stdlib.h>

#include "dp-packet.h"
#include "flow.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "packets.h"
#include "random.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/packet/half.h"
#include "vnetenc-unit-packets.h"
#include "vnetenc-unit-race.h"
#include "vnetenc-unit.h"

enum {
    OFS = ETH_HEADER_LEN + IP_HEADER_LEN + UDP_HEADER_LEN,
    SLOTS = VNETENC_JOIN_SLOTS,
    NOW = 1000000,
};

/* A Geneve packet with 'options' units of options and 'inner' octets. */
struct whole {
    uint8_t octets[VNETENC_MAX_PLAINTEXT_BYTES + 1024];
    size_t head;
    size_t inner;
};

static void
whole_init(struct whole *w, unsigned int options, size_t inner, uint8_t seed)
{
    w->head = VNETENC_GENEVE_BYTES + 4 * options;
    w->inner = inner;
    for (size_t i = 0; i < w->head + inner; i++) {
        w->octets[i] = i * 13 + i / 255 + seed;
    }
    memcpy(w->octets, (uint8_t[]) { options, seed & 0x40 ? 0xc0 : 0x80, 0x65,
                                    0x58, 1, 2, 3, 0 }, VNETENC_GENEVE_BYTES);
}

/* Half of 'w', which is cut behind 'front' octets of the inner frame. */
static struct dp_packet *
make_half(const struct whole *w, bool back, size_t front)
{
    static uint8_t payload[2 * VNETENC_MAX_PLAINTEXT_BYTES];
    size_t size = back ? w->inner - front : front;

    memcpy(payload, w->octets, VNETENC_GENEVE_BYTES);
    memcpy(payload + VNETENC_GENEVE_BYTES + VNETENC_MARK_BYTES,
           w->octets + VNETENC_GENEVE_BYTES, w->head - VNETENC_GENEVE_BYTES);
    vnetenc_half_mark(payload, back, w->inner);
    memcpy(payload + w->head + VNETENC_MARK_BYTES,
           w->octets + w->head + (back ? front : 0), size);
    return unit_datagram(false, htons(UNIT_LANE_PORT),
                         htons(VNETENC_GENEVE_PORT), payload,
                         w->head + VNETENC_MARK_BYTES + size);
}

static bool
is_whole(const struct dp_packet *packet, const struct whole *w)
{
    return (dp_packet_size(packet) == OFS + w->head + w->inner
            && packet->l4_ofs == OFS - UDP_HEADER_LEN
            && !memcmp((uint8_t *) dp_packet_data(packet) + OFS, w->octets,
                       w->head + w->inner));
}

/* Gives 'packet' to 'join' and keeps it. */
static enum vnetenc_drop
give(struct vnetenc_halves *join, struct dp_packet *packet, uint64_t seq,
     long long int now, bool *whole)
{
    *whole = true;
    return vnetenc_join(join, packet, OFS, seq, now, whole);
}

/* A half that has to wait. */
static bool
waits(struct vnetenc_halves *join, const struct whole *w, bool back,
      size_t front, uint64_t n, long long int now)
{
    struct dp_packet *packet = make_half(w, back, front);
    bool whole;
    bool ok = !give(join, packet, n + !back, now, &whole) && !whole;

    dp_packet_delete(packet);
    return ok;
}

/* A half that makes 'w' whole. */
static bool
completes(struct vnetenc_halves *join, const struct whole *w, bool back,
          size_t front, uint64_t n, long long int now)
{
    struct dp_packet *packet = make_half(w, back, front);
    bool whole;
    bool ok = (!give(join, packet, n + !back, now, &whole) && whole
               && is_whole(packet, w));

    dp_packet_delete(packet);
    return ok;
}

/* A half that has to go. */
static bool
goes(struct vnetenc_halves *join, struct dp_packet *packet, uint64_t seq,
     enum vnetenc_drop reason)
{
    bool whole;
    bool ok = give(join, packet, seq, NOW, &whole) == reason && !whole;

    dp_packet_delete(packet);
    return ok;
}

static void
end(struct vnetenc_halves *join)
{
    vnetenc_halves_destroy(join);
    CHECK(vnetenc_halves_n_bytes() == 0);
}

/* Orders and lengths. */

static void
test_lengths(void)
{
    static struct whole w;
    struct vnetenc_halves join;
    unsigned int n_wrong = 0;
    uint64_t n = 65536;

    vnetenc_halves_init(&join);
    unit_drops_begin();
    for (unsigned int options = 0; options <= 61; options += 61) {
        for (size_t inner = 2; inner < 4000; inner += 1 + inner / 10) {
            size_t fronts[] = { 1, inner / 2, inner - 1 };

            for (size_t i = 0; i < ARRAY_SIZE(fronts); i++) {
                whole_init(&w, options, inner, n * 37);
                for (int back = 0; back < 2; back++) {
                    if (!fronts[i]) {
                        continue;
                    }
                    n_wrong += !waits(&join, &w, back, fronts[i], n, NOW);
                    n_wrong += !completes(&join, &w, !back, fronts[i], n,
                                          NOW + VNETENC_JOIN_MS - 1);
                    n += 2 + (n & 1);
                }
            }
        }
    }
    CHECK(n_wrong == 0);

    /* The longest. */
    whole_init(&w, 1, VNETENC_MAX_PLAINTEXT_BYTES - 12, 1);
    CHECK(waits(&join, &w, true, 8000, n, NOW));
    CHECK(completes(&join, &w, false, 8000, n, NOW));
    CHECK(waits(&join, &w, false, 8000, n + 2, NOW));
    CHECK(completes(&join, &w, true, 8000, n + 2, NOW));
    CHECK(unit_no_drops());
    whole_init(&w, 1, VNETENC_MAX_PLAINTEXT_BYTES - 11, 1);
    CHECK(waits(&join, &w, true, 8000, n + 4, NOW));
    CHECK(goes(&join, make_half(&w, false, 8000), n + 5,
               VNETENC_DROP_rx_half_other));
    CHECK(vnetenc_halves_n_bytes() == 0);
    end(&join);
}

/* Memory. */

static bool
joins_in(size_t head, size_t tail, bool back, bool fixed,
         enum vnetenc_drop expected)
{
    static struct whole w;
    struct vnetenc_halves join;
    struct dp_packet *packet;
    enum vnetenc_drop drop;
    bool whole, ok;

    vnetenc_halves_init(&join);
    whole_init(&w, 2, 1514, 7);
    ok = waits(&join, &w, !back, 1400, 65536, NOW);
    packet = make_half(&w, back, 1400);
    dp_packet_resize(packet, head, tail);
    packet = fixed ? unit_fixed(packet) : packet;
    drop = give(&join, packet, 65536 + !back, NOW, &whole);
    ok = (ok && drop == expected && whole == !drop
          && (drop || is_whole(packet, &w)));
    if (fixed) {
        unit_fixed_delete(packet);
    } else {
        dp_packet_delete(packet);
    }
    end(&join);
    return ok;
}

static void
test_room(void)
{
    /* The mark leaves 8 octets in front; 114 or 1400 are missing. */
    CHECK(joins_in(0, 0, false, false, VNETENC_KEEP));
    CHECK(joins_in(0, 0, true, false, VNETENC_KEEP));
    CHECK(joins_in(200, 0, false, true, VNETENC_KEEP));
    CHECK(joins_in(0, 200, false, true, VNETENC_KEEP));
    CHECK(joins_in(53, 53, false, true, VNETENC_KEEP));
    CHECK(joins_in(53, 52, false, true, VNETENC_DROP_rx_half_room));
    CHECK(joins_in(0, 1392, true, true, VNETENC_KEEP));
    CHECK(joins_in(1392, 0, true, true, VNETENC_KEEP));
    CHECK(joins_in(700, 692, true, true, VNETENC_KEEP));
    CHECK(joins_in(700, 691, true, true, VNETENC_DROP_rx_half_room));
}

/* Time. */

static void
test_time(void)
{
    static struct whole w;
    struct vnetenc_halves join;

    vnetenc_halves_init(&join);
    whole_init(&w, 2, 1514, 3);
    unit_drops_begin();
    CHECK(waits(&join, &w, true, 1400, 65536, NOW));
    CHECK(waits(&join, &w, false, 1400, 65536, NOW + VNETENC_JOIN_MS));
    CHECK(unit_drops_are(VNETENC_DROP_rx_half_late, 1));

    /* What came too late waits in its turn, for nobody. */
    vnetenc_halves_sweep(&join, NOW + 2 * VNETENC_JOIN_MS - 1);
    CHECK(unit_no_drops());
    CHECK(vnetenc_halves_n_bytes() > 0);
    vnetenc_halves_sweep(&join, NOW + 2 * VNETENC_JOIN_MS);
    CHECK(unit_drops_are(VNETENC_DROP_rx_half_late, 1));
    CHECK(vnetenc_halves_n_bytes() == 0);

    /* The end of a session is the end of its halves. */
    CHECK(waits(&join, &w, true, 1400, 65536, NOW));
    CHECK(waits(&join, &w, true, 1400, 65538, NOW));
    end(&join);
    CHECK(unit_drops_are(VNETENC_DROP_rx_half_late, 2));
}

static void
test_clock(void)
{
    long long int early = time_msec() - 20;
    long long int time = vnetenc_join_time();

    CHECK(time >= early && time <= time_msec());

    /* It stops and goes on with the one that it comes from. */
    timeval_stop();
    time = time_msec();
    xnanosleep(40 * 1000 * 1000);
    CHECK(vnetenc_join_time() == time);
    timeval_warp(1000);
    xnanosleep(40 * 1000 * 1000);
    CHECK(vnetenc_join_time() == time + 1000);
}

/* Bounds. */

static void
test_slots(void)
{
    static struct whole w;
    struct vnetenc_halves join;
    unsigned int n_wrong = 0;
    uint64_t base = 65537;      /* Pairs may begin with odd numbers, too. */

    vnetenc_halves_init(&join);
    whole_init(&w, 2, 1514, 4);
    unit_drops_begin();
    for (uint64_t i = 0; i < SLOTS; i++) {
        n_wrong += !waits(&join, &w, i & 1, 1400, base + 2 * i, NOW);
    }
    CHECK(n_wrong == 0);
    CHECK(unit_no_drops());

    /* One more: the oldest goes. */
    CHECK(waits(&join, &w, true, 1400, base + 2 * SLOTS, NOW));
    CHECK(unit_drops_are(VNETENC_DROP_rx_half_full, 1));
    for (uint64_t i = 1; i <= SLOTS; i++) {
        n_wrong += !completes(&join, &w, i < SLOTS && !(i & 1), 1400,
                              base + 2 * i, NOW);
    }
    CHECK(n_wrong == 0);
    CHECK(unit_no_drops());
    CHECK(vnetenc_halves_n_bytes() == 0);
    end(&join);
}

static void
test_memory(void)
{
    enum { N = 200, BIG = VNETENC_MAX_PLAINTEXT_BYTES - 100 };
    static struct whole big, small;
    struct vnetenc_halves *joins = xcalloc(N, sizeof *joins);
    uint64_t max = 0, before;
    unsigned int refused = 0;
    struct vnetenc_halves late;

    vnetenc_halves_init(&late);
    whole_init(&big, 0, BIG, 1);
    whole_init(&small, 0, 1514, 2);
    for (size_t i = 0; i < N; i++) {
        vnetenc_halves_init(&joins[i]);
        for (uint64_t k = 0; k < SLOTS; k++) {
            struct dp_packet *packet = make_half(&big, true, 1);
            bool whole;

            refused += give(&joins[i], packet, 2 * k, NOW, &whole) != 0;
            dp_packet_delete(packet);
            max = MAX(max, vnetenc_halves_n_bytes());
        }
    }
    CHECK(max <= VNETENC_JOIN_BYTES);
    CHECK(max > VNETENC_JOIN_BYTES * 9 / 10);
    CHECK(vnetenc_drop_total(VNETENC_DROP_rx_half_memory) > 0);
    CHECK(refused > 1000);

    /* Who holds nothing is still served, and joined. */
    unit_drops_begin();
    CHECK(waits(&late, &small, true, 1400, 65536, NOW));
    CHECK(waits(&late, &small, false, 1400, 65538, NOW));
    CHECK(completes(&late, &small, false, 1400, 65536, NOW));
    CHECK(completes(&late, &small, true, 1400, 65538, NOW));
    CHECK(unit_no_drops());

    /* Who holds much gives up its own oldest. */
    before = vnetenc_halves_n_bytes();
    CHECK(waits(&joins[0], &big, true, 1, 2 * SLOTS - 2 + 128 * SLOTS, NOW));
    CHECK(vnetenc_halves_n_bytes() <= before);

    /* All of it goes when its time is over. */
    for (size_t i = 0; i < N; i++) {
        vnetenc_halves_sweep(&joins[i], NOW + VNETENC_JOIN_MS);
    }
    CHECK(vnetenc_halves_n_bytes() == 0);
    for (size_t i = 0; i < N; i++) {
        vnetenc_halves_destroy(&joins[i]);
    }
    end(&late);
    free(joins);
}

/* What nobody would send but a peer that means no good. */

static struct dp_packet *
changed(const struct whole *w, bool back, size_t ofs, uint8_t flip)
{
    struct dp_packet *packet = make_half(w, back, 1400);

    ((uint8_t *) dp_packet_data(packet))[OFS + ofs] ^= flip;
    return packet;
}

/* PROTOCOL.md section 8, MUST agree in everything else. */
static void
test_hostile(void)
{
    static struct whole w, other;
    struct vnetenc_halves join;

    vnetenc_halves_init(&join);
    whole_init(&w, 2, 1514, 4);

    /* Unreadable: does not even wait. */
    CHECK(goes(&join, changed(&w, false, 11, 4), 65537,
               VNETENC_DROP_rx_half_bad));
    CHECK(goes(&join, changed(&w, false, 1, 0x40), 65537,
               VNETENC_DROP_rx_half_bad));
    CHECK(goes(&join, changed(&w, true, 0, 0x3f), 65537,
               VNETENC_DROP_rx_half_bad));
    CHECK(goes(&join, changed(&w, false, 14, 5), 65537,
               VNETENC_DROP_rx_half_bad));
    CHECK(vnetenc_halves_n_bytes() == 0);

    /* Another VNI, other options, another length, in either half. */
    for (int back = 0; back < 2; back++) {
        static const size_t ofs[] = { 1, 4, 6, 7, 15, 16, 23 };

        for (size_t i = 0; i < ARRAY_SIZE(ofs); i++) {
            CHECK(waits(&join, &w, !back, 1400, 65536, NOW));
            CHECK(goes(&join, changed(&w, back, ofs[i], 1), 65536 + !back,
                       VNETENC_DROP_rx_half_other));
        }
        /* Octets that both have, or neither. */
        CHECK(waits(&join, &w, !back, 1400, 65536, NOW));
        CHECK(goes(&join, make_half(&w, back, 1401), 65536 + !back,
                   VNETENC_DROP_rx_half_other));
        CHECK(waits(&join, &w, !back, 1400, 65536, NOW));
        CHECK(goes(&join, make_half(&w, back, 1399), 65536 + !back,
                   VNETENC_DROP_rx_half_other));
        whole_init(&other, 3, 1514, 4);
        CHECK(waits(&join, &w, !back, 1400, 65536, NOW));
        CHECK(goes(&join, make_half(&other, back, 1400), 65536 + !back,
                   VNETENC_DROP_rx_half_other));
    }
    CHECK(vnetenc_halves_n_bytes() == 0);

    /* Two of the same kind side by side, the wrong way round, and with a
     * number between them: nothing is joined. */
    unit_drops_begin();
    CHECK(waits(&join, &w, true, 1400, 70000, NOW));
    CHECK(waits(&join, &w, true, 1400, 70001, NOW));
    CHECK(unit_drops_are(VNETENC_DROP_rx_half_full, 1));
    CHECK(waits(&join, &w, false, 1400, 80000, NOW));
    CHECK(waits(&join, &w, true, 1400, 80002, NOW));
    CHECK(waits(&join, &w, false, 1400, 90000, NOW));
    CHECK(waits(&join, &w, true, 1400, 89999, NOW));
    end(&join);

    /* Numbers at both ends of what there is. */
    vnetenc_halves_init(&join);
    CHECK(waits(&join, &w, false, 1400, UINT64_MAX, NOW));
    CHECK(waits(&join, &w, true, 1400, 0, NOW));
    CHECK(completes(&join, &w, false, 1400, 0, NOW));
    CHECK(waits(&join, &w, true, 1400, VNETENC_MAX_SEQ - 1, NOW));
    CHECK(completes(&join, &w, false, 1400, VNETENC_MAX_SEQ - 1, NOW));
    end(&join);
}

/* Random halves in random order: nothing comes out that did not go in. */
static void
test_random(void)
{
    enum { N = 40000, SPREAD = 200 };
    static struct whole w;
    struct vnetenc_halves join;
    unsigned int n_wrong = 0, n_whole = 0;
    uint8_t *given = xzalloc(N + SPREAD + 2);

    vnetenc_halves_init(&join);
    for (int i = 0; i < N; i++) {
        uint64_t seq = i + random_range(SPREAD);
        bool back = !(seq & 1);
        struct dp_packet *packet;
        uint64_t pair = seq / 2;
        bool whole;

        if (given[seq]) {
            continue;           /* The window lets no number in twice. */
        }
        given[seq] = 1;
        whole_init(&w, pair % 3, 300 + pair % 200, pair * 5);
        packet = make_half(&w, back, 100 + pair % 100);
        n_wrong += give(&join, packet, seq, NOW + i / 100, &whole);
        if (whole) {
            n_whole++;
            n_wrong += !is_whole(packet, &w);
        }
        dp_packet_delete(packet);
    }
    CHECK(n_wrong == 0);
    CHECK(n_whole > 1000);
    free(given);
    end(&join);
}

/* Threads: each has one half of every packet. */

enum { N_ROUNDS = 30000 };
static struct vnetenc_halves shared;
static struct unit_race race;
static struct ovs_mutex making = OVS_MUTEX_INITIALIZER;
static atomic_uint n_completed[N_ROUNDS];
static atomic_bool sweeping;

static void *
give_halves(void *back_)
{
    bool back = back_ != NULL;
    static struct whole wholes[2];
    struct whole *w = &wholes[back];
    struct dp_packet *template;
    unsigned int round = 0, n_wrong = 0;

    whole_init(w, 2, 300, 9);
    ovs_mutex_lock(&making);
    template = make_half(w, back, 200);
    ovs_mutex_unlock(&making);
    for (unsigned int i = 0; i < N_ROUNDS && unit_race_meet(&race, &round);
         i++) {
        struct dp_packet *packet = dp_packet_clone(template);
        unsigned int orig;
        bool whole;

        n_wrong += give(&shared, packet, 65536 + 2 * i + !back, NOW, &whole);
        if (whole) {
            n_wrong += !is_whole(packet, w);
            atomic_add_relaxed(&n_completed[i], 1u, &orig);
        }
        dp_packet_delete(packet);
    }
    dp_packet_delete(template);
    return (void *) (uintptr_t) n_wrong;
}

static void *
sweep(void *aux OVS_UNUSED)
{
    bool on;

    do {
        vnetenc_halves_sweep(&shared, NOW);
        atomic_read(&sweeping, &on);
    } while (on);
    return NULL;
}

static void
test_threads(void)
{
    unsigned int n_once = 0, n_more = 0, n_run;
    pthread_t threads[3];

    vnetenc_halves_init(&shared);
    unit_race_init(&race, 2);
    atomic_init(&sweeping, true);
    unit_drops_begin();
    threads[0] = ovs_thread_create("front", give_halves, NULL);
    threads[1] = ovs_thread_create("back", give_halves, &shared);
    threads[2] = ovs_thread_create("sweep", sweep, NULL);
    for (int i = 0; i < 2; i++) {
        void *n_wrong;

        xpthread_join(threads[i], &n_wrong);
        CHECK(!n_wrong);
    }
    atomic_store(&sweeping, false);
    xpthread_join(threads[2], NULL);

    /* Exactly one of the two got each packet. */
    n_run = unit_race_n_run(&race, "halves", N_ROUNDS);
    for (unsigned int i = 0; i < n_run; i++) {
        unsigned int n;

        atomic_read(&n_completed[i], &n);
        n_once += n == 1;
        n_more += n > 1;
    }
    CHECK(n_once == n_run);
    CHECK(n_more == 0);
    CHECK(unit_no_drops());
    CHECK(vnetenc_halves_n_bytes() == 0);
    end(&shared);
}

/* Threads that fight for the same places with halves of different packets:
 * what is not joined is counted, and nothing is left behind. */
static void *
fight(void *seed_)
{
    unsigned int seed = (uintptr_t) seed_;
    struct whole *w = xmalloc(sizeof *w);
    unsigned int round = 0, n_wrong = 0;

    whole_init(w, 2, 300, 9);
    for (unsigned int i = 0; i < N_ROUNDS / 4; i++) {
        uint64_t n = 65536 + 2 * SLOTS * (uint64_t) (3 * i + seed);
        struct dp_packet *packets[2];
        bool whole, more;

        ovs_mutex_lock(&making);
        packets[0] = make_half(w, true, 200);
        packets[1] = make_half(w, false, 200);
        ovs_mutex_unlock(&making);
        more = unit_race_meet(&race, &round);
        for (int k = 0; k < 2; k++) {
            if (more) {
                n_wrong += give(&shared, packets[k], n + k, NOW, &whole);
                n_wrong += whole && !is_whole(packets[k], w);
            }
            dp_packet_delete(packets[k]);
        }
        if (!more) {
            break;
        }
    }
    free(w);
    return (void *) (uintptr_t) n_wrong;
}

static void
test_fight(void)
{
    enum { N = 3 };
    pthread_t threads[N];

    vnetenc_halves_init(&shared);
    unit_race_init(&race, N);
    for (uintptr_t i = 0; i < N; i++) {
        threads[i] = ovs_thread_create("fight", fight, (void *) i);
    }
    for (int i = 0; i < N; i++) {
        void *n_wrong;

        xpthread_join(threads[i], &n_wrong);
        CHECK(!n_wrong);
    }
    unit_race_n_run(&race, "places", N_ROUNDS / 4);
    vnetenc_halves_sweep(&shared, NOW + VNETENC_JOIN_MS);
    CHECK(vnetenc_halves_n_bytes() == 0);
    end(&shared);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    test_lengths();
    test_room();
    test_time();
    test_clock();
    test_slots();
    test_memory();
    test_hostile();
    test_random();
    test_threads();
    test_fight();
    return unit_end();
}
