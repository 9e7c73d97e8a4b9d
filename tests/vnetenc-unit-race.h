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
 * the other, too far apart to meet.) */

#include <sched.h>
#include "ovs-atomic.h"

struct unit_race {
    unsigned int n_threads;
    atomic_uint n_arrived;
};

static inline void
unit_race_init(struct unit_race *race, unsigned int n_threads)
{
    race->n_threads = n_threads;
    atomic_init(&race->n_arrived, 0);
}

/* '*round' is the caller's own and begins at 0. */
static inline void
unit_race_meet(struct unit_race *race, unsigned int *round)
{
    unsigned int n, spins = 0;

    *round += 1;
    atomic_add(&race->n_arrived, 1u, &n);
    do {
        if (++spins % 1000 == 0) {
            sched_yield();
        }
        atomic_read(&race->n_arrived, &n);
    } while (n < *round * race->n_threads);
}

#endif /* vnetenc-unit-race.h */
