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
#include "vnetenc/bridge/outcome.h"
#include "hash.h"
#include "ovs-atomic.h"
#include "util.h"

enum { N_PLACES = 4096 };

/* Ways of failing, the worst first. */
enum way { WAY_CLEAR, WAY_REFUSED, WAY_NOT_READY, WAY_LOST, N_WAYS };

/* A note is the time in milliseconds and, in its low 8 bits, the reason.  0 is
 * no note. */
struct place {
    atomic_uint64_t notes[N_WAYS];
};

static struct place places[N_PLACES];
static struct place all;

BUILD_ASSERT_DECL(VNETENC_N_DROPS <= UINT8_MAX);

static struct place *
find_place(const struct in6_addr *remote, uint8_t profile)
{
    return &places[hash_bytes(remote, sizeof *remote, profile) % N_PLACES];
}

static enum way
way_of(enum vnetenc_drop reason)
{
    switch (vnetenc_drop_code(reason)) {
    case VNETENC_CODE_NX_FALLBACK:
        return WAY_CLEAR;
    case VNETENC_CODE_NX_SW_NOT_READY:
        return WAY_NOT_READY;
    case VNETENC_CODE_X:
        return WAY_LOST;
    case VNETENC_CODE_NX:
    case VNETENC_CODE_NX_LOCAL_DST:
    case VNETENC_CODE_NX_NOT_ACCEPTED:
    case VNETENC_CODE_NX_HW_NOT_SUPPORTED:
    case VNETENC_CODE_NX_NOT_SUPPORTED:
    case VNETENC_CODE_UNKNOWN:
    case VNETENC_N_CODES:
    default:
        return WAY_REFUSED;
    }
}

void
vnetenc_outcome_note(const struct in6_addr *remote, uint8_t profile,
                     enum vnetenc_drop reason, long long int now)
{
    uint64_t note = (uint64_t) now << 8 | reason;
    enum way way = way_of(reason);

    atomic_store_relaxed(&find_place(remote, profile)->notes[way], note);
    atomic_store_relaxed(&all.notes[way], note);
}

static enum vnetenc_drop
worst(struct place *place, long long int since)
{
    for (size_t i = 0; i < N_WAYS; i++) {
        uint64_t note;

        atomic_read_relaxed(&place->notes[i], &note);
        if (note && (long long int) (note >> 8) >= since) {
            return note & UINT8_MAX;
        }
    }
    return VNETENC_KEEP;
}

enum vnetenc_drop
vnetenc_outcome_since(const struct in6_addr *remote, uint8_t profile,
                      long long int since)
{
    return worst(find_place(remote, profile), since);
}

enum vnetenc_drop
vnetenc_outcome_any_since(long long int since)
{
    return worst(&all, since);
}
