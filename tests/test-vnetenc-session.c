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

/* Sessions: numbers are given out once and up to the limit; tables find what
 * is published and nothing else. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/bridge/session.h"

#include <stdlib.h>

#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc-unit-race.h"
#include "vnetenc-unit.h"

static struct vnetenc_record_key traffic;

static struct vnetenc_tx *
make_tx(uint64_t end_seq, uint64_t max_bytes)
{
    struct vnetenc_tx *tx = vnetenc_tx_create(&traffic, htons(1), end_seq,
                                              max_bytes);

    ovs_assert(tx);
    return tx;
}

static void
test_reserve(void)
{
    const uint64_t first = VNETENC_FIRST_SEQ;
    struct vnetenc_tx *tx = make_tx(first + 100, 1000);

    CHECK(vnetenc_tx_reserve(tx, 1, 10) == first);
    CHECK(vnetenc_tx_reserve(tx, 32, 10) == first + 1);
    CHECK(vnetenc_tx_reserve(tx, 67, 10) == first + 33);
    CHECK(vnetenc_tx_reserve(tx, 1, 10) == UINT64_MAX);
    CHECK(vnetenc_tx_reserve(tx, 1, 0) == UINT64_MAX);
    vnetenc_tx_destroy(tx);

    /* A range that does not fit is refused whole; a smaller one may fit. */
    tx = make_tx(first + 100, 1000);
    CHECK(vnetenc_tx_reserve(tx, 99, 0) == first);
    CHECK(vnetenc_tx_reserve(tx, 2, 0) == UINT64_MAX);
    CHECK(vnetenc_tx_reserve(tx, 1, 0) == first + 99);
    CHECK(vnetenc_tx_reserve(tx, 1, 0) == UINT64_MAX);
    vnetenc_tx_destroy(tx);

    /* Octets. */
    tx = make_tx(first + 100, 1000);
    CHECK(vnetenc_tx_reserve(tx, 1, 999) == first);
    CHECK(vnetenc_tx_reserve(tx, 1, 2) == UINT64_MAX);
    CHECK(vnetenc_tx_reserve(tx, 1, 1) == first + 1);
    CHECK(vnetenc_tx_reserve(tx, 1, 1) == UINT64_MAX);
    CHECK(vnetenc_tx_reserve(tx, 1, UINT64_MAX) == UINT64_MAX);
    CHECK(vnetenc_tx_reserve(tx, 1, 0) == first + 2);
    vnetenc_tx_destroy(tx);

    /* Nothing beyond what a receiver's window can hold, whatever was asked
     * for, and no wrapping round. */
    tx = make_tx(UINT64_MAX, UINT64_MAX);
    atomic_store_relaxed(&tx->next_seq, VNETENC_MAX_SEQ);
    CHECK(vnetenc_tx_reserve(tx, 2, 0) == UINT64_MAX);
    CHECK(vnetenc_tx_reserve(tx, 1, 0) == VNETENC_MAX_SEQ);
    CHECK(vnetenc_tx_reserve(tx, 1, 0) == UINT64_MAX);
    vnetenc_tx_destroy(tx);

    tx = make_tx(first, 1000);
    CHECK(vnetenc_tx_reserve(tx, 1, 0) == UINT64_MAX);
    vnetenc_tx_destroy(tx);

    /* A handshake that shortens the range before publication. */
    tx = make_tx(first - 1, 1000);
    CHECK(vnetenc_tx_reserve(tx, 1, 0) == UINT64_MAX);
    vnetenc_tx_destroy(tx);
    vnetenc_tx_destroy(NULL);
}

/* Threads at the limit: every number once, none beyond. */

enum { N_THREADS = 4, N_SEQS = 200000 };

static struct vnetenc_tx *shared;
static atomic_uint taken[N_SEQS];
static atomic_uint n_outside;

static void *
reserve_all(void *n_)
{
    unsigned int n = *(unsigned int *) n_;
    unsigned int orig;
    uint64_t seq;

    while ((seq = vnetenc_tx_reserve(shared, n, n)) != UINT64_MAX) {
        for (unsigned int i = 0; i < n; i++) {
            uint64_t k = seq + i - VNETENC_FIRST_SEQ;

            if (k < N_SEQS) {
                atomic_add_relaxed(&taken[k], 1, &orig);
            } else {
                atomic_add_relaxed(&n_outside, 1, &orig);
            }
        }
    }
    return NULL;
}

static void
test_threads(void)
{
    static unsigned int sizes[N_THREADS] = { 1, 3, 32, 7 };
    pthread_t threads[N_THREADS];
    unsigned int n_twice = 0, n_never = 0, n;

    shared = make_tx(VNETENC_FIRST_SEQ + N_SEQS, UINT64_MAX);
    atomic_init(&n_outside, 0);
    for (unsigned int i = 0; i < N_SEQS; i++) {
        atomic_init(&taken[i], 0);
    }
    for (unsigned int i = 0; i < N_THREADS; i++) {
        threads[i] = ovs_thread_create("take", reserve_all, &sizes[i]);
    }
    for (unsigned int i = 0; i < N_THREADS; i++) {
        xpthread_join(threads[i], NULL);
    }
    for (unsigned int i = 0; i < N_SEQS; i++) {
        atomic_read_relaxed(&taken[i], &n);
        n_twice += n > 1;
        n_never += n == 0;
    }
    atomic_read_relaxed(&n_outside, &n);
    CHECK(n_twice == 0);
    CHECK(n == 0);
    CHECK(n_never < 32 * N_THREADS);    /* Lost at the very end. */
    vnetenc_tx_destroy(shared);
}

/* Two threads that ask for the last number at the same moment. */

enum { N_ROUNDS = 100000 };

static struct unit_race race;
static atomic_uint n_got[N_ROUNDS];

static void *
reserve_last(void *first_)
{
    bool *first = first_;
    unsigned int round = 0;

    for (unsigned int i = 0; i < N_ROUNDS; i++) {
        unsigned int orig;

        if (*first) {
            atomic_store(&shared->next_seq, VNETENC_FIRST_SEQ);
        }
        unit_race_meet(&race, &round);
        if (vnetenc_tx_reserve(shared, 1, 0) != UINT64_MAX) {
            atomic_add_relaxed(&n_got[i], 1, &orig);
        }
        unit_race_meet(&race, &round);
    }
    return NULL;
}

static void
test_last_number(void)
{
    static bool first[2] = { true, false };
    pthread_t threads[2];
    unsigned int n_wrong = 0;

    shared = make_tx(VNETENC_FIRST_SEQ + 1, UINT64_MAX);
    unit_race_init(&race, 2);
    for (unsigned int i = 0; i < N_ROUNDS; i++) {
        atomic_init(&n_got[i], 0);
    }
    for (int i = 0; i < 2; i++) {
        threads[i] = ovs_thread_create("last", reserve_last, &first[i]);
    }
    for (int i = 0; i < 2; i++) {
        xpthread_join(threads[i], NULL);
    }
    for (unsigned int i = 0; i < N_ROUNDS; i++) {
        unsigned int n;

        atomic_read_relaxed(&n_got[i], &n);
        n_wrong += n != 1;
    }
    CHECK(n_wrong == 0);
    vnetenc_tx_destroy(shared);
}

static struct vnetenc_path_key
make_path(const char *local, const char *remote, uint16_t port,
          uint8_t profile)
{
    struct vnetenc_path_key path;

    memset(&path, 0, sizeof path);
    ovs_assert(ipv6_parse(local, &path.local));
    ovs_assert(ipv6_parse(remote, &path.remote));
    path.dtls_port = htons(port);
    path.profile = profile;
    return path;
}

static void
test_lanes(void)
{
    struct vnetenc_path_key paths[] = {
        make_path("::ffff:10.0.0.1", "::ffff:10.0.0.2", 6082, 0),
        make_path("::ffff:10.0.0.2", "::ffff:10.0.0.1", 6082, 0),
        make_path("::ffff:10.0.0.1", "::ffff:10.0.0.2", 6089, 0),
        make_path("::ffff:10.0.0.1", "::ffff:10.0.0.2", 6082, 255),
        make_path("::ffff:10.0.0.1", "::ffff:10.0.0.3", 6082, 0),
        make_path("fd00::1", "fd00::2", 6082, 0),
    };
    struct vnetenc_lanes *lanes[ARRAY_SIZE(paths)];
    struct vnetenc_tx *a, *b;

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        CHECK(!vnetenc_lanes_find(&paths[i]));
        lanes[i] = vnetenc_lanes_create(&paths[i], 1 + i);
    }
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        CHECK(vnetenc_lanes_find(&paths[i]) == lanes[i]);
    }

    a = make_tx(VNETENC_MAX_SEQ, 1);
    b = make_tx(VNETENC_MAX_SEQ, 1);
    CHECK(!vnetenc_lanes_swap(lanes[2], 1, a));
    CHECK(vnetenc_lanes_swap(lanes[2], 1, b) == a);
    CHECK(!vnetenc_lanes_swap(lanes[2], 2, a));
    CHECK(vnetenc_lanes_swap(lanes[2], 2, NULL) == a);
    CHECK(vnetenc_lanes_swap(lanes[2], 1, NULL) == b);
    vnetenc_tx_retire(a);
    vnetenc_tx_retire(b);
    vnetenc_tx_retire(NULL);

    CHECK(vnetenc_lanes_may_want(lanes[0], 1000));
    CHECK(!vnetenc_lanes_may_want(lanes[0], 1000));
    CHECK(!vnetenc_lanes_may_want(lanes[0], 1999));
    CHECK(vnetenc_lanes_may_want(lanes[1], 1999));
    CHECK(vnetenc_lanes_may_want(lanes[0], 2000));

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        vnetenc_lanes_retire(lanes[i]);
        CHECK(!vnetenc_lanes_find(&paths[i]));
    }
}

static void
test_receivers(void)
{
    struct vnetenc_path_key p = make_path("::ffff:10.0.0.1", "::ffff:10.0.0.2",
                                          6082, 4);
    struct vnetenc_path_key q = make_path("::ffff:10.0.0.1", "::ffff:10.0.0.3",
                                          6082, 4);
    struct vnetenc_rx *a = vnetenc_rx_create(&traffic, &p, htons(1000));
    struct vnetenc_rx *b = vnetenc_rx_create(&traffic, &p, htons(1001));
    struct vnetenc_rx *c = vnetenc_rx_create(&traffic, &q, htons(1000));
    struct vnetenc_rx *a2 = vnetenc_rx_create(&traffic, &p, htons(1000));

#define FIND(PATH, PORT) \
    vnetenc_rx_find(&(PATH).local, (PATH).dtls_port, &(PATH).remote, \
                    htons(PORT))
    CHECK(!FIND(p, 1000));
    vnetenc_rx_publish(a);
    vnetenc_rx_publish(b);
    vnetenc_rx_publish(c);
    CHECK(FIND(p, 1000) == a);
    CHECK(FIND(p, 1001) == b);
    CHECK(FIND(q, 1000) == c);
    CHECK(!FIND(q, 1001));
    CHECK(!vnetenc_rx_find(&p.remote, p.dtls_port, &p.local, htons(1000)));
    CHECK(!vnetenc_rx_find(&p.local, htons(6089), &p.remote, htons(1000)));

    /* In one step, also for a thread that remembers the replaced one, which
     * may go in any order. */
    CHECK(FIND(p, 1000) == a);
    vnetenc_rx_publish(a2);
    CHECK(FIND(p, 1000) == a2);
    CHECK(!a->published && a2->published);
    vnetenc_rx_retire(a);
    CHECK(FIND(p, 1000) == a2);
    vnetenc_rx_retire(a2);
    CHECK(!FIND(p, 1000));
    vnetenc_rx_retire(b);
    vnetenc_rx_retire(c);
    CHECK(!FIND(p, 1001) && !FIND(q, 1000));
    vnetenc_rx_retire(NULL);

    /* Never published. */
    a = vnetenc_rx_create(&traffic, &p, htons(1000));
    vnetenc_rx_destroy(a);
    vnetenc_rx_destroy(NULL);
#undef FIND
}

/* More threads than have counters of their own. */

enum { N_COUNTERS = 2 * VNETENC_RX_COUNTS, N_COUNTED = 200000 };

static struct vnetenc_rx *counting;

static void *
count_all(void *n_bytes_)
{
    unsigned int *n_bytes = n_bytes_;

    for (unsigned int i = 0; i < N_COUNTED; i++) {
        vnetenc_rx_count(counting, *n_bytes);
    }
    return NULL;
}

static void
test_counts(void)
{
    struct vnetenc_path_key p = make_path("::1", "::2", 6082, 4);
    pthread_t threads[N_COUNTERS];
    unsigned int sizes[N_COUNTERS];
    uint64_t n_records, n_bytes, sum = 0;

    counting = vnetenc_rx_create(&traffic, &p, htons(1000));
    vnetenc_rx_traffic(counting, &n_records, &n_bytes);
    CHECK(n_records == 0 && n_bytes == 0);
    for (unsigned int i = 0; i < N_COUNTERS; i++) {
        sizes[i] = 1 << i;
        sum += sizes[i];
        threads[i] = ovs_thread_create("count", count_all, &sizes[i]);
    }
    for (unsigned int i = 0; i < N_COUNTERS; i++) {
        xpthread_join(threads[i], NULL);
    }
    vnetenc_rx_traffic(counting, &n_records, &n_bytes);
    CHECK(n_records == UINT64_C(1) * N_COUNTERS * N_COUNTED);
    CHECK(n_bytes == sum * N_COUNTED);
    vnetenc_rx_destroy(counting);
}

static void
test_rates(void)
{
    struct vnetenc_path_key p = make_path("::ffff:10.0.0.1", "::ffff:10.0.0.2",
                                          6082, 4);
    struct vnetenc_rx *rx = vnetenc_rx_create(&traffic, &p, htons(1000));
    unsigned int n_replies = 0, n_shakes = 0;

    for (int i = 0; i < 1000; i++) {
        n_replies += vnetenc_rx_may_reply(rx, 5000);
        n_shakes += vnetenc_rx_may_shake(rx, 5000);
    }
    CHECK(n_replies == VNETENC_REPLIES_PER_SECOND);
    CHECK(n_shakes == VNETENC_SOURCE_BURST);
    for (int i = 1; i <= 10000; i++) {
        n_replies += vnetenc_rx_may_reply(rx, 5000 + i);
        n_shakes += vnetenc_rx_may_shake(rx, 5000 + i);
    }
    CHECK(n_replies == 11 * VNETENC_REPLIES_PER_SECOND);
    CHECK(n_shakes == VNETENC_SOURCE_BURST + 10 * VNETENC_SOURCE_PER_SECOND);
    vnetenc_rx_destroy(rx);
}

/* A cipher that no provider has. */
static void
test_no_cipher(void)
{
    struct vnetenc_path_key p = make_path("::1", "::2", 6082, 4);

    CHECK(!vnetenc_tx_create(&traffic, 0, 0, 0));
    CHECK(!vnetenc_rx_create(&traffic, &p, 0));
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    memset(&traffic, 9, sizeof traffic);
    traffic.cipher = VNETENC_AES256_GCM;
    test_no_cipher();
    vnetenc_aead_init(NULL);
    test_reserve();
    test_threads();
    test_last_number();
    test_lanes();
    test_receivers();
    test_counts();
    test_rates();
    ovsrcu_quiesce();
    return unit_end();
}
