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

/* Sessions to seal with: numbers are given out once and up to the limit.
 *
 * Keywords: threads. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/bridge/tx.h"

#include <stdlib.h>

#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc-unit-race.h"
#include "vnetenc-unit.h"

static struct vnetenc_record_key key;

static struct vnetenc_tx *
make_tx(uint64_t end_seq, uint64_t max_bytes)
{
    struct vnetenc_tx *tx = vnetenc_tx_create(&key, htons(1), end_seq,
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

/* Threads at once: every number once, none beyond the limit, and as many
 * records and bytes counted as there were. */

enum { N_SEQS = VNETENC_RANGES_MIN_RECORDS, N_BYTES = 1000 };

static struct vnetenc_tx *shared;
static atomic_uint taken[N_SEQS];
static atomic_uint n_outside;
static atomic_uint n_taken;

struct taker {
    pthread_t thread;
    unsigned int n;             /* Numbers at once. */
    unsigned int n_times;
};

static void *
take_numbers(void *taker_)
{
    const struct taker *taker = taker_;
    unsigned int orig;

    for (unsigned int t = 0; t < taker->n_times; t++) {
        uint64_t seq = vnetenc_tx_reserve(shared, taker->n,
                                          taker->n * N_BYTES);

        if (seq == UINT64_MAX) {
            break;
        }
        for (unsigned int i = 0; i < taker->n; i++) {
            uint64_t k = seq + i - VNETENC_FIRST_SEQ;

            if (k < N_SEQS) {
                atomic_add_relaxed(&taken[k], 1, &orig);
            } else {
                atomic_add_relaxed(&n_outside, 1, &orig);
            }
        }
        atomic_add_relaxed(&n_taken, taker->n, &orig);
    }
    return NULL;
}

static void
begin_taking(uint64_t max_bytes)
{
    shared = make_tx(VNETENC_FIRST_SEQ + N_SEQS, max_bytes);
    atomic_init(&n_outside, 0);
    atomic_init(&n_taken, 0);
    for (unsigned int i = 0; i < N_SEQS; i++) {
        atomic_init(&taken[i], 0);
    }
}

static void
take_at_once(struct taker takers[], size_t n_takers)
{
    for (size_t i = 0; i < n_takers; i++) {
        takers[i].thread = ovs_thread_create("take", take_numbers, &takers[i]);
    }
    for (size_t i = 0; i < n_takers; i++) {
        xpthread_join(takers[i].thread, NULL);
    }
}

/* Returns the number of records. */
static unsigned int
end_taking(void)
{
    unsigned int n_twice = 0, n_sum = 0, n;
    uint64_t n_records, n_bytes;

    for (unsigned int i = 0; i < N_SEQS; i++) {
        atomic_read_relaxed(&taken[i], &n);
        n_twice += n > 1;
        n_sum += n;
    }
    CHECK(n_twice == 0);
    atomic_read_relaxed(&n_outside, &n);
    CHECK(n == 0);
    atomic_read_relaxed(&n_taken, &n);
    CHECK(n == n_sum);
    vnetenc_tx_sum(shared, &n_records, &n_bytes);
    CHECK(n_records == n);
    CHECK(n_bytes == (uint64_t) n * N_BYTES);
    vnetenc_tx_destroy(shared);
    return n;
}

/* At the limit of numbers.  A few are lost, wherever the rest of a range is
 * shorter than what a thread asks for. */
static void
test_threads(void)
{
    struct taker takers[] = {
        { .n = 1, .n_times = UINT_MAX },
        { .n = 3, .n_times = UINT_MAX },
        { .n = 32, .n_times = UINT_MAX },
        { .n = 7, .n_times = UINT_MAX },
    };

    begin_taking(UINT64_MAX);
    take_at_once(takers, ARRAY_SIZE(takers));
    CHECK(end_taking() > N_SEQS - N_SEQS / 8);
}

/* More threads than slots. */
static void
test_many_threads(void)
{
    enum { N = 3 * VNETENC_SLOTS };
    struct taker takers[N];
    unsigned int sum = 0;

    for (int i = 0; i < N; i++) {
        takers[i].n = 1 + i % 5;
        takers[i].n_times = 600;
        sum += takers[i].n * takers[i].n_times;
    }
    begin_taking(UINT64_MAX);
    take_at_once(takers, N);
    CHECK(end_taking() == sum);
}

static void *
get_slot(void *slot_)
{
    unsigned int *slot = slot_;

    *slot = vnetenc_slot_own();
    return NULL;
}

/* Threads that come and go have the slots of those that went before. */
static void
test_next_threads(void)
{
    unsigned int slot = VNETENC_NO_SLOT;

    begin_taking(UINT64_MAX);
    for (int i = 0; i < 10 * VNETENC_SLOTS; i++) {
        struct taker takers[] = {
            { .n = 1, .n_times = 50 },
            { .n = 2, .n_times = 30 },
        };

        take_at_once(takers, ARRAY_SIZE(takers));
    }
    CHECK(end_taking() == 10 * VNETENC_SLOTS * (50 + 60));
    xpthread_join(ovs_thread_create("slot", get_slot, &slot), NULL);
    CHECK(slot != VNETENC_NO_SLOT);
}

/* At the limit of bytes.  What a thread has taken of them, and not used, no
 * other thread gets. */
static void
test_bytes(void)
{
    enum { N = 4 };
    struct taker takers[N];
    const uint64_t max = VNETENC_RANGES_MIN_BYTES + 12345;
    unsigned int n;

    for (int i = 0; i < N; i++) {
        takers[i].n = 1;
        takers[i].n_times = UINT_MAX;
    }
    begin_taking(max);
    take_at_once(takers, N);
    CHECK(vnetenc_tx_is_spent(shared));
    n = end_taking();
    CHECK((uint64_t) n * N_BYTES <= max);
    CHECK((uint64_t) n * N_BYTES > max - N * VNETENC_RANGE_BYTES);
}

/* A thread alone has no gaps, keeps its range while others extend theirs, and
 * gives it up when it has fallen behind. */
static void
test_lag(void)
{
    const uint64_t first = VNETENC_FIRST_SEQ;
    enum { N_ALONE = 1000 };
    struct taker other = { .n = 1, .n_times = VNETENC_RANGE_LAG * 2 / 3 };
    unsigned int n_wrong = 0;
    uint64_t seq = first;
    uint64_t next;

    begin_taking(UINT64_MAX);
    while (seq < first + N_ALONE) {
        unsigned int n = MIN(1 + seq % (VNETENC_RANGE_BURST - 1),
                             first + N_ALONE - seq);

        n_wrong += vnetenc_tx_reserve(shared, n, 10) != seq;
        seq += n;
    }
    CHECK(n_wrong == 0);

    take_at_once(&other, 1);
    CHECK(vnetenc_tx_reserve(shared, 1, 10) == first + N_ALONE);
    take_at_once(&other, 1);
    atomic_read_relaxed(&shared->next_seq, &next);
    CHECK(next > first + N_ALONE + VNETENC_RANGE_LAG);
    CHECK(vnetenc_tx_reserve(shared, 1, 10) == next);

    /* Few, as it may fall behind again. */
    atomic_read_relaxed(&shared->next_seq, &seq);
    CHECK(seq == next + 1);
    CHECK(vnetenc_tx_reserve(shared, 1, 10) == next + 1);

    vnetenc_tx_destroy(shared);
}

static uint64_t
get_next(const struct vnetenc_tx *tx_)
{
    struct vnetenc_tx *tx = CONST_CAST(struct vnetenc_tx *, tx_);
    uint64_t next;

    atomic_read_relaxed(&tx->next_seq, &next);
    return next;
}

/* The rest of a range, which may be too short, and numbers from the
 * session. */
static void
test_rest(void)
{
    struct taker other = { .n = 1, .n_times = 1 };
    uint64_t seq = 0, next;

    begin_taking(UINT64_MAX);
    for (int i = 0; i < 3; i++) {
        seq = vnetenc_tx_reserve(shared, 1, 10);
    }
    /* Ranges of 1, 1 and 3 numbers: two are left. */
    CHECK(get_next(shared) == seq + 3);
    take_at_once(&other, 1);

    next = get_next(shared);
    CHECK(vnetenc_tx_reserve_newest(shared, 2, 10) == next);
    CHECK(vnetenc_tx_reserve(shared, VNETENC_RANGE_BURST, 10) == next + 2);
    CHECK(vnetenc_tx_reserve(shared, 1, 10) == seq + 1);

    /* One is left, and two do not fit: nobody gets that one. */
    next = get_next(shared);
    CHECK(next == seq + 3 + 1 + 2 + VNETENC_RANGE_BURST);
    CHECK(vnetenc_tx_reserve(shared, 2, 10) == next);

    /* The range is twice as large as the last one, and 1. */
    CHECK(get_next(shared) == next + 7);
    take_at_once(&other, 1);
    CHECK(vnetenc_tx_reserve(shared, 5, 10) == next + 2);
    next = get_next(shared);
    CHECK(vnetenc_tx_reserve(shared, 1, 10) == next);
    vnetenc_tx_destroy(shared);
}

/* Limits that threads might meet while others have most of the session for
 * themselves are met exactly. */
static void
test_small_limits(void)
{
    struct taker others[8];
    const uint64_t first = VNETENC_FIRST_SEQ;

    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        others[i].n = 1;
        others[i].n_times = 1;
    }
    for (int small_bytes = 0; small_bytes < 2; small_bytes++) {
        uint64_t next;

        begin_taking(small_bytes ? VNETENC_RANGES_MIN_BYTES - 1 : UINT64_MAX);
        if (!small_bytes) {
            vnetenc_tx_destroy(shared);
            shared = make_tx(first + VNETENC_RANGES_MIN_RECORDS - 1,
                             UINT64_MAX);
        }
        take_at_once(others, ARRAY_SIZE(others));
        atomic_read_relaxed(&shared->next_seq, &next);
        CHECK(next == first + ARRAY_SIZE(others));
        CHECK(end_taking() == ARRAY_SIZE(others));
    }
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
        if (!unit_race_meet(&race, &round)) {
            break;
        }
        if (vnetenc_tx_reserve(shared, 1, 0) != UINT64_MAX) {
            atomic_add_relaxed(&n_got[i], 1, &orig);
        }
        if (!unit_race_meet(&race, &round)) {
            break;
        }
    }
    return NULL;
}

static void
test_last_number(void)
{
    static bool first[2] = { true, false };
    pthread_t threads[2];
    unsigned int n_wrong = 0, n_run;

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
    n_run = unit_race_n_run(&race, "last number", 2 * N_ROUNDS);
    for (unsigned int i = 0; i < DIV_ROUND_UP(n_run, 2); i++) {
        unsigned int n;

        atomic_read_relaxed(&n_got[i], &n);
        n_wrong += n != 1;
    }
    CHECK(n_wrong == 0);
    vnetenc_tx_destroy(shared);
}

/* A cipher that no provider has. */
static void
test_no_cipher(void)
{
    CHECK(!vnetenc_tx_create(&key, 0, 0, 0));
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    memset(&key, 9, sizeof key);
    key.cipher = VNETENC_AES256_GCM;
    key.single = false;
    test_no_cipher();
    vnetenc_aead_init(NULL);
    test_reserve();
    test_threads();
    test_many_threads();
    test_next_threads();
    test_bytes();
    test_lag();
    test_rest();
    test_small_limits();
    test_last_number();
    ovsrcu_quiesce();
    return unit_end();
}
