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

/* Lanes: a session takes the place of another, also while threads use it, and
 * a lane without one borrows that of another lane.  A rate holds for all
 * threads together.
 *
 * Keywords: threads. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/bridge/lanes.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "util.h"
#include "vnetenc/bridge/rate.h"
#include "vnetenc/bridge/tx.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc-unit.h"

/* Nobody looks into these. */
static struct vnetenc_tx a, b;

static void
test_swap(void)
{
    struct vnetenc_lanes lanes;

    vnetenc_lanes_init(&lanes, 3);
    CHECK(!vnetenc_lanes_up(&lanes));
    CHECK(!vnetenc_lanes_swap(&lanes, 1, &a));
    CHECK(vnetenc_lanes_up(&lanes));
    CHECK(vnetenc_lanes_swap(&lanes, 1, &b) == &a);
    CHECK(!vnetenc_lanes_swap(&lanes, 2, &a));
    CHECK(vnetenc_lanes_swap(&lanes, 2, NULL) == &a);
    CHECK(vnetenc_lanes_swap(&lanes, 1, NULL) == &b);
    CHECK(!vnetenc_lanes_up(&lanes));
}

static void
test_get(void)
{
    struct vnetenc_tx *tx[VNETENC_MAX_LANES];
    struct vnetenc_lanes lanes;

    vnetenc_lanes_init(&lanes, 3);
    CHECK(vnetenc_lanes_get(&lanes, tx) == 0);
    vnetenc_lanes_swap(&lanes, 1, &a);
    CHECK(vnetenc_lanes_get(&lanes, tx) == 3);
    CHECK(tx[0] == &a && tx[1] == &a && tx[2] == &a);
    vnetenc_lanes_swap(&lanes, 0, &b);
    CHECK(vnetenc_lanes_get(&lanes, tx) == 3);
    CHECK(tx[0] == &b && tx[1] == &a && tx[2] == &a);

    /* A lane beyond the number is up, but takes no packets. */
    atomic_store_relaxed(&lanes.n, 1);
    CHECK(vnetenc_lanes_get(&lanes, tx) == 1);
    vnetenc_lanes_swap(&lanes, 0, NULL);
    CHECK(vnetenc_lanes_get(&lanes, tx) == 0);
    CHECK(vnetenc_lanes_up(&lanes));
}

/* A flow always gets the same lane, and all lanes get flows. */
static void
test_choose(void)
{
    unsigned int n_flows[3] = { 0, 0, 0 };

    for (unsigned int port = 0; port <= UINT16_MAX; port++) {
        unsigned int lane = vnetenc_lanes_choose(3, htons(port));

        CHECK(vnetenc_lanes_choose(1, htons(port)) == 0);
        if (CHECK(lane < 3)) {
            n_flows[lane]++;
        }
        CHECK(vnetenc_lanes_choose(3, htons(port)) == lane);
    }
    for (size_t i = 0; i < 3; i++) {
        CHECK(n_flows[i] > UINT16_MAX / 4);
    }
}

enum { N_THREADS = 4, N_LANES = 3, N_SWAPS = 300, N_USES = 1000 };

static struct vnetenc_lanes shared;
static atomic_bool done;

/* Takes numbers of each lane's session, which another thread replaces. */
static void *
use_lanes(void *n_taken_)
{
    struct vnetenc_tx *tx[VNETENC_MAX_LANES];
    atomic_uint *n_taken = n_taken_;
    unsigned int orig;
    bool end;

    do {
        unsigned int n = vnetenc_lanes_get(&shared, tx);

        for (unsigned int i = 0; i < n; i++) {
            if (vnetenc_tx_reserve(tx[i], 1, 1) != UINT64_MAX) {
                atomic_add_relaxed(n_taken, 1, &orig);
            }
        }
        ovsrcu_quiesce();
        atomic_read_relaxed(&done, &end);
    } while (!end);
    return NULL;
}

/* The smallest of the threads' numbers. */
static unsigned int
least(atomic_uint n_taken[N_THREADS])
{
    unsigned int smallest = UINT_MAX;

    for (unsigned int i = 0; i < N_THREADS; i++) {
        unsigned int n;

        atomic_read_relaxed(&n_taken[i], &n);
        smallest = MIN(smallest, n);
    }
    return smallest;
}

/* Sessions are replaced and freed while threads take numbers of them.  The
 * sanitizers would see a session that is used after its end. */
static void
test_threads(void)
{
    struct vnetenc_record_key key;
    atomic_uint n_taken[N_THREADS];
    pthread_t threads[N_THREADS];

    memset(&key, 9, sizeof key);
    key.cipher = VNETENC_AES256_GCM;
    key.single = false;
    vnetenc_lanes_init(&shared, N_LANES);
    atomic_init(&done, false);
    for (unsigned int i = 0; i < N_THREADS; i++) {
        atomic_init(&n_taken[i], 0);
        threads[i] = ovs_thread_create("use", use_lanes, &n_taken[i]);
    }
    for (unsigned int i = 0; i < N_SWAPS || least(n_taken) < N_USES; i++) {
        /* Now and then a lane has none, and borrows. */
        struct vnetenc_tx *tx = i % 7
            ? vnetenc_tx_create(&key, htons(1), VNETENC_FIRST_SEQ + 1000, 1000)
            : NULL;

        ovs_assert(!tx == !(i % 7));
        vnetenc_tx_retire(vnetenc_lanes_swap(&shared, i % N_LANES, tx));
        ovsrcu_quiesce();
    }
    atomic_store_relaxed(&done, true);
    for (unsigned int i = 0; i < N_THREADS; i++) {
        xpthread_join(threads[i], NULL);
    }
    for (unsigned int i = 0; i < N_LANES; i++) {
        vnetenc_tx_retire(vnetenc_lanes_swap(&shared, i, NULL));
    }
}

enum { BURST = 1000 };

static struct vnetenc_rate rate;

static void *
take_tokens(void *n_taken_)
{
    unsigned int *n_taken = n_taken_;

    for (unsigned int i = 0; i < BURST; i++) {
        *n_taken += vnetenc_rate_take(&rate, 1000, 1000, BURST);
    }
    return NULL;
}

static void
test_rate(void)
{
    unsigned int n_taken[N_THREADS] = { 0 };
    pthread_t threads[N_THREADS];
    unsigned int sum = 0;

    vnetenc_rate_init(&rate);
    for (unsigned int i = 0; i < N_THREADS; i++) {
        threads[i] = ovs_thread_create("take", take_tokens, &n_taken[i]);
    }
    for (unsigned int i = 0; i < N_THREADS; i++) {
        xpthread_join(threads[i], NULL);
        sum += n_taken[i];
    }
    CHECK(sum == BURST);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    vnetenc_aead_init(NULL);
    test_swap();
    test_get();
    test_choose();
    test_threads();
    test_rate();
    ovsrcu_quiesce();
    return unit_end();
}
