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

#include <config.h>
#include "vnetenc/bridge/rate.h"
#include <limits.h>
#include "util.h"

void
vnetenc_rate_init(struct vnetenc_rate *rate)
{
    atomic_init(&rate->full_at, LLONG_MIN);
}

bool
vnetenc_rate_take(struct vnetenc_rate *rate, long long int now,
                  long long int interval_us, int burst)
{
    long long int now_us = now * 1000;
    long long int old, new;

    atomic_read_relaxed(&rate->full_at, &old);
    do {
        new = MAX(old, now_us) + interval_us;
        if (new - now_us > interval_us * burst) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_relaxed(&rate->full_at,
                                                   &old, new));
    return true;
}
