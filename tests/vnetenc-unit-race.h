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

#ifndef VNETENC_UNIT_RACE_H
#define VNETENC_UNIT_RACE_H 1

/* Races for unit programs
 * =======================
 *
 * Threads that call unit_race_meet() leave it within a few instructions of
 * each other, as often as a test likes: what two threads must not both get,
 * they then ask for at once.  (A pthread barrier wakes its threads one after
 * the other, too far apart to meet.)
 *
 * Where the threads hardly ever run at once, because the machine has other
 * work, a meeting takes many milliseconds.  After UNIT_RACE_S the race is
 * over, for all of its threads in the same round. */

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>
#include "ovs-atomic.h"
#include "util.h"

enum { UNIT_RACE_S = 30 };

struct unit_race {
    unsigned int n_threads;
    time_t end;                 /* Seconds of CLOCK_MONOTONIC. */
    atomic_uint n_arrived;
    atomic_uint over;           /* The first round that is not run. */
};

/* Of the kernel: a test may have stopped the clock of timeval.h. */
static inline time_t
unit_race_now(void)
{
    struct timespec now;

    ovs_assert(!clock_gettime(CLOCK_MONOTONIC, &now));
    return now.tv_sec;
}

static inline void
unit_race_init(struct unit_race *race, unsigned int n_threads)
{
    race->n_threads = n_threads;
    race->end = unit_race_now() + UNIT_RACE_S;
    atomic_init(&race->n_arrived, 0);
    atomic_init(&race->over, UINT_MAX);
}

/* '*round' is the caller's own and begins at 0.  Returns false, to each
 * thread, once the race is over.
 *
 * A thread that finds the time up says so before it arrives, and names the
 * round in which it arrives: no thread has left that one yet. */
static inline bool
unit_race_meet(struct unit_race *race, unsigned int *round)
{
    unsigned int n, spins = 0, over;

    *round += 1;
    if (*round % 16 == 0 && unit_race_now() >= race->end) {
        over = UINT_MAX;
        atomic_compare_exchange_strong(&race->over, &over, *round);
    }
    atomic_add(&race->n_arrived, 1u, &n);
    do {
        if (++spins % 1000 == 0) {
            sched_yield();
        }
        atomic_read(&race->n_arrived, &n);
    } while (n < *round * race->n_threads);
    atomic_read(&race->over, &over);
    return *round < over;
}

/* Returns how many of 'n' rounds were run, after the race, and says so if they
 * are not all. */
static inline unsigned int
unit_race_n_run(struct unit_race *race, const char *name, unsigned int n)
{
    unsigned int over;

    atomic_read(&race->over, &over);
    if (over <= n) {
        printf("race \"%s\": %u rounds, not %u: the time was up\n", name,
               over - 1, n);
        return over - 1;
    }
    return n;
}

#endif /* vnetenc-unit-race.h */
