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

/* Replay window: a truth table, a simple model, and threads.
 *
 * Keywords: threads. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/bridge/replay.h"

#include <stdlib.h>

#include "ovs-thread.h"
#include "random.h"
#include "util.h"
#include "vnetenc-unit-race.h"
#include "vnetenc-unit.h"

#define W VNETENC_WINDOW_RECORDS
#define FAR (UINT64_C(10) * W)

static void
test_table(void)
{
    static const struct {
        uint64_t seq;
        enum vnetenc_drop expected;
    } rows[] = {
        /*  0 */ { 0, VNETENC_KEEP },
        /*  1 */ { 0, VNETENC_DROP_rx_replay },
        /*  2 */ { 1, VNETENC_KEEP },
        /*  3 */ { 1, VNETENC_DROP_rx_replay },
        /*  4 */ { 9, VNETENC_KEEP },
        /*  5 */ { 8, VNETENC_KEEP },
        /*  6 */ { 7, VNETENC_KEEP },
        /*  7 */ { 7, VNETENC_DROP_rx_replay },
        /*  8 */ { 8, VNETENC_DROP_rx_replay },
        /*  9 */ { W, VNETENC_KEEP },              /* Window: 1 to W. */
        /* 10 */ { W - 1, VNETENC_KEEP },
        /* 11 */ { W - 1, VNETENC_DROP_rx_replay },
        /* 12 */ { 2, VNETENC_KEEP },
        /* 13 */ { 1, VNETENC_DROP_rx_replay },    /* Left edge. */
        /* 14 */ { 0, VNETENC_DROP_rx_window },
        /* 15 */ { 2 * W, VNETENC_KEEP },          /* Window: W + 1 to 2 W. */
        /* 16 */ { W + 1, VNETENC_KEEP },
        /* 17 */ { W, VNETENC_DROP_rx_window },
        /* 18 */ { W + 1, VNETENC_DROP_rx_replay },
        /* 19 */ { 2 * W - 1, VNETENC_KEEP },
        /* 20 */ { FAR, VNETENC_KEEP },            /* Far ahead. */
        /* 21 */ { 2 * W + 1, VNETENC_DROP_rx_window },
        /* 22 */ { FAR - W, VNETENC_DROP_rx_window },
        /* 23 */ { FAR - W + 1, VNETENC_KEEP },
        /* 24 */ { FAR - W + 1, VNETENC_DROP_rx_replay },
        /* 25 */ { FAR - 1, VNETENC_KEEP },
        /* 26 */ { FAR, VNETENC_DROP_rx_replay },
        /* 27 */ { VNETENC_MAX_SEQ + 1, VNETENC_DROP_rx_bad_sequence },
        /* 28 */ { VNETENC_MAX_SEQ, VNETENC_KEEP },
        /* 29 */ { VNETENC_MAX_SEQ, VNETENC_DROP_rx_replay },
        /* 30 */ { VNETENC_MAX_SEQ - W, VNETENC_DROP_rx_window },
        /* 31 */ { VNETENC_MAX_SEQ - W + 1, VNETENC_KEEP },
        /* 32 */ { (UINT64_C(1) << 48) - 1, VNETENC_DROP_rx_bad_sequence },
        /* 33 */ { UINT64_MAX, VNETENC_DROP_rx_bad_sequence },
    };
    struct vnetenc_replay replay;

    vnetenc_replay_init(&replay);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        enum vnetenc_drop check = vnetenc_replay_check(&replay, rows[i].seq);
        enum vnetenc_drop commit = vnetenc_replay_commit(&replay,
                                                         rows[i].seq);

        if (!CHECK(check == rows[i].expected)
            || !CHECK(commit == rows[i].expected)) {
            printf("row %"PRIuSIZE": check %s, commit %s\n", i,
                   vnetenc_drop_name(check), vnetenc_drop_name(commit));
        }
    }
}

/* The network keeps one class of packets back for 200 ms while 25,000 packets
 * of another pass each second: every packet of both is accepted, once. */
static void
test_slow_class(void)
{
    enum { BEHIND = 25000 / 5, N = 100000 };
    struct vnetenc_replay replay;
    unsigned int n_wrong = 0;

    vnetenc_replay_init(&replay);
    for (uint64_t seq = 0; seq < N + BEHIND; seq++) {
        if (seq % 50) {
            n_wrong += vnetenc_replay_commit(&replay, seq) != VNETENC_KEEP;
        }
        if (seq >= BEHIND && (seq - BEHIND) % 50 == 0) {
            n_wrong += (vnetenc_replay_commit(&replay, seq - BEHIND)
                        != VNETENC_KEEP);
            n_wrong += (vnetenc_replay_commit(&replay, seq - BEHIND)
                        != VNETENC_DROP_rx_replay);
        }
    }
    if (!CHECK(n_wrong == 0)) {
        printf("%u records\n", n_wrong);
    }
}

/* 'top' may lag behind what other threads commit: then a slot that moved on
 * refuses what it can no longer tell. */
static void
test_slot_moved_on(void)
{
    const uint64_t span = VNETENC_REPLAY_SLOTS * 32;
    struct vnetenc_replay replay;

    vnetenc_replay_init(&replay);
    CHECK(!vnetenc_replay_commit(&replay, 5));
    CHECK(!vnetenc_replay_commit(&replay, span + 7));
    atomic_store_relaxed(&replay.top, 6);
    CHECK(vnetenc_replay_check(&replay, 5) == VNETENC_DROP_rx_window);
    CHECK(vnetenc_replay_commit(&replay, 5) == VNETENC_DROP_rx_window);
    CHECK(vnetenc_replay_commit(&replay, 6) == VNETENC_DROP_rx_window);
    CHECK(vnetenc_replay_commit(&replay, span + 7)
          == VNETENC_DROP_rx_replay);
    CHECK(!vnetenc_replay_commit(&replay, span + 5));
}

/* A check alone never marks. */
static void
test_check_is_pure(void)
{
    struct vnetenc_replay replay, copy;

    vnetenc_replay_init(&replay);
    CHECK(!vnetenc_replay_commit(&replay, 5000));
    memcpy(&copy, &replay, sizeof copy);
    for (uint64_t seq = 0; seq < 20000; seq++) {
        ovs_ignore(vnetenc_replay_check(&replay, seq));
    }
    CHECK(!memcmp(&copy, &replay, sizeof copy));
}

/* Random numbers around a moving top, against one byte per number. */
static void
test_model(void)
{
    enum { N_SEQS = 1 << 20, N_ROUNDS = 2000000 };
    uint8_t *seen = xzalloc(N_SEQS);
    struct vnetenc_replay replay;
    unsigned int n_wrong = 0, n_kept = 0;
    uint64_t top = 0;           /* Largest accepted, plus 1. */

    vnetenc_replay_init(&replay);
    for (int i = 0; i < N_ROUNDS; i++) {
        int64_t seq = top;
        enum vnetenc_drop expected;

        /* Mostly just behind the top, sometimes about the left edge, seldom
         * far ahead. */
        seq += (random_range(10) ? random_range(200) - 190
                : random_range(10000) ? random_range(W + 200) - W - 190
                : random_range(3 * W));
        if (seq < 0 || seq >= N_SEQS) {
            continue;
        }
        expected = (seq + W < top ? VNETENC_DROP_rx_window
                    : seen[seq] ? VNETENC_DROP_rx_replay
                    : VNETENC_KEEP);
        n_wrong += vnetenc_replay_check(&replay, seq) != expected;
        n_wrong += vnetenc_replay_commit(&replay, seq) != expected;
        if (!expected) {
            n_kept++;
            seen[seq] = true;
            top = MAX(top, seq + 1);
        }
    }
    CHECK(n_wrong == 0);
    CHECK(n_kept > 100000);
    free(seen);
}

/* Threads that commit the same numbers. */

enum { N_THREADS = 4, N_NUMBERS = 1600000 };

static struct vnetenc_replay shared;
static struct unit_race together;
static atomic_uint accepted[N_NUMBERS];

static void *
commit_all(void *seed_)
{
    unsigned int seed = *(unsigned int *) seed_;
    unsigned int round = 0;

    /* None of them ends before all have begun: the thread sanitizer would see
     * the one after the other. */
    unit_race_meet(&together, &round);
    for (unsigned int i = 0; i < N_NUMBERS; i++) {
        /* Each thread in its own order, within a window. */
        unsigned int seq = i ^ (seed * 37 & 1023);
        unsigned int orig;

        if (seq < N_NUMBERS && !vnetenc_replay_check(&shared, seq)
            && !vnetenc_replay_commit(&shared, seq)) {
            atomic_add_relaxed(&accepted[seq], 1, &orig);
        }
    }
    return NULL;
}

static void
test_threads(void)
{
    unsigned int n_once = 0, n_more = 0;
    unsigned int seeds[N_THREADS];
    pthread_t threads[N_THREADS];

    vnetenc_replay_init(&shared);
    unit_race_init(&together, N_THREADS);
    for (unsigned int i = 0; i < N_NUMBERS; i++) {
        atomic_init(&accepted[i], 0);
    }
    for (unsigned int i = 0; i < N_THREADS; i++) {
        seeds[i] = i;
        threads[i] = ovs_thread_create("commit", commit_all, &seeds[i]);
    }
    for (unsigned int i = 0; i < N_THREADS; i++) {
        xpthread_join(threads[i], NULL);
    }
    for (unsigned int i = 0; i < N_NUMBERS; i++) {
        unsigned int n;

        atomic_read_relaxed(&accepted[i], &n);
        n_once += n == 1;
        n_more += n > 1;
    }
    CHECK(n_more == 0);

    /* A thread that lags by more than the window loses some. */
    CHECK(n_once > N_NUMBERS / 2);
}

/* Two threads that commit the same few numbers at the same moment, and then
 * once more: each number is got once.  A slot that was not changed in one step
 * would give a number to both, or forget one that it gave. */

enum { PER_ROUND = 32 };

static struct unit_race race;

static void
commit_round(unsigned int start)
{
    for (unsigned int seq = start; seq < start + PER_ROUND; seq++) {
        unsigned int orig;

        if (!vnetenc_replay_commit(&shared, seq)) {
            atomic_add_relaxed(&accepted[seq], 1, &orig);
        }
    }
}

static void *
commit_at_once(void *aux OVS_UNUSED)
{
    unsigned int round = 0;

    for (unsigned int i = 0; i < N_NUMBERS; i += PER_ROUND) {
        for (int again = 0; again < 2; again++) {
            if (!unit_race_meet(&race, &round)) {
                return NULL;
            }
            commit_round(i);
        }
    }
    return NULL;
}

static void
test_exactly_once(void)
{
    unsigned int n_once = 0, n_run;
    pthread_t threads[2];

    vnetenc_replay_init(&shared);
    for (unsigned int i = 0; i < N_NUMBERS; i++) {
        atomic_init(&accepted[i], 0);
    }
    unit_race_init(&race, 2);
    for (int i = 0; i < 2; i++) {
        threads[i] = ovs_thread_create("commit", commit_at_once, NULL);
    }
    for (int i = 0; i < 2; i++) {
        xpthread_join(threads[i], NULL);
    }
    n_run = unit_race_n_run(&race, "same numbers", 2 * N_NUMBERS / PER_ROUND);
    n_run = DIV_ROUND_UP(n_run, 2) * PER_ROUND;
    for (unsigned int i = 0; i < n_run; i++) {
        unsigned int n;

        atomic_read_relaxed(&accepted[i], &n);
        n_once += n == 1;
    }
    CHECK(n_once == n_run);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    random_set_seed(1);
    test_table();
    test_slow_class();
    test_slot_moved_on();
    test_check_is_pure();
    test_model();
    test_threads();
    test_exactly_once();
    return unit_end();
}
