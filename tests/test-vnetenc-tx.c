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

/* Where the threads hardly ever run at once, a round takes many milliseconds,
 * and fewer must do. */
enum { N_ROUNDS = 100000, RACE_MS = 60 * 1000 };

static struct unit_race race;
static atomic_bool race_over;
static atomic_uint n_got[N_ROUNDS];
static unsigned int n_raced;

static void *
reserve_last(void *first_)
{
    long long int end = time_msec() + RACE_MS;
    bool *first = first_;
    unsigned int round = 0;

    for (unsigned int i = 0; i < N_ROUNDS; i++) {
        unsigned int orig;
        bool over;

        if (*first) {
            atomic_store(&shared->next_seq, VNETENC_FIRST_SEQ);
            atomic_store(&race_over, i && time_msec() >= end);
        }
        unit_race_meet(&race, &round);
        atomic_read(&race_over, &over);
        if (over) {
            break;
        }
        if (*first) {
            n_raced++;
        }
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
    for (unsigned int i = 0; i < n_raced; i++) {
        unsigned int n;

        atomic_read_relaxed(&n_got[i], &n);
        n_wrong += n != 1;
    }
    CHECK(n_wrong == 0);
    if (n_raced < N_ROUNDS) {
        printf("raced for the last number %u times, not %d: the time was up\n",
               n_raced, N_ROUNDS);
    }
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
    test_last_number();
    ovsrcu_quiesce();
    return unit_end();
}
