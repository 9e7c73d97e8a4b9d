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

#ifndef VNETENC_RATE_H
#define VNETENC_RATE_H 1

/* Token bucket in one word
 * ========================
 *
 * A token bucket limits events to a rate with a burst.  The word is the time
 * at which the bucket will be full again, so a taker needs one
 * compare-and-swap and no clock of its own.
 *
 * Thread-safety: any thread, no locks. */

#include <stdbool.h>
#include "ovs-atomic.h"

struct vnetenc_rate {
    atomic_llong full_at;       /* In microseconds. */
};

/* Fills the bucket.  A bucket of zeros is also full. */
void vnetenc_rate_init(struct vnetenc_rate *);

/* Takes one token, at 'now', in milliseconds of time_msec(), from a bucket
 * that holds 'burst' tokens and gains one every 'interval_us' microseconds.
 * Returns false if the bucket is empty. */
bool vnetenc_rate_take(struct vnetenc_rate *, long long int now,
                       long long int interval_us, int burst);

#endif /* vnetenc/bridge/rate.h */
