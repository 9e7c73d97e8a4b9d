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
#include "vnetenc/base/drops.h"
#include "coverage.h"
#include "ovs-atomic.h"
#include "util.h"

#define VNETENC_DROP(NAME, CODE, TEXT) COVERAGE_DEFINE(vnetenc_##NAME)
VNETENC_DROPS
VNETENC_FALLBACKS
#undef VNETENC_DROP

/* Exact numbers, for "vnetenc/show" and the tests.  A coverage counter lacks
 * the packets that threads have counted but not yet handed in. */
static atomic_uint64_t totals[VNETENC_N_DROPS];

void
vnetenc_drop_count(enum vnetenc_drop reason, unsigned int n_packets)
{
    uint64_t orig;

    switch (reason) {
#define VNETENC_DROP(NAME, CODE, TEXT)                  \
    case VNETENC_DROP_##NAME:                           \
        COVERAGE_ADD(vnetenc_##NAME, n_packets);        \
        break;
    VNETENC_DROPS
    VNETENC_FALLBACKS
#undef VNETENC_DROP
    case VNETENC_KEEP:
    case VNETENC_N_DROPS:
    default:
        OVS_NOT_REACHED();
    }
    atomic_add_relaxed(&totals[reason], n_packets, &orig);
}

const char *
vnetenc_drop_name(enum vnetenc_drop reason)
{
    static const char *const names[VNETENC_N_DROPS] = {
        [VNETENC_KEEP] = "keep",
#define VNETENC_DROP(NAME, CODE, TEXT) [VNETENC_DROP_##NAME] = #NAME,
        VNETENC_DROPS
        VNETENC_FALLBACKS
#undef VNETENC_DROP
    };

    return reason < VNETENC_N_DROPS ? names[reason] : "unknown";
}

const char *
vnetenc_drop_text(enum vnetenc_drop reason)
{
    static const char *const texts[VNETENC_N_DROPS] = {
        [VNETENC_KEEP] = "not dropped",
#define VNETENC_DROP(NAME, CODE, TEXT) [VNETENC_DROP_##NAME] = TEXT,
        VNETENC_DROPS
        VNETENC_FALLBACKS
#undef VNETENC_DROP
    };

    return reason < VNETENC_N_DROPS ? texts[reason] : "unknown";
}

enum vnetenc_code
vnetenc_drop_code(enum vnetenc_drop reason)
{
    static const enum vnetenc_code codes[VNETENC_N_DROPS] = {
        [VNETENC_KEEP] = VNETENC_CODE_X,
#define VNETENC_DROP(NAME, CODE, TEXT) \
        [VNETENC_DROP_##NAME] = VNETENC_CODE_##CODE,
        VNETENC_DROPS
        VNETENC_FALLBACKS
#undef VNETENC_DROP
    };

    return reason < VNETENC_N_DROPS ? codes[reason] : VNETENC_CODE_UNKNOWN;
}

const char *
vnetenc_drop_code_name(enum vnetenc_code code)
{
    static const char *const names[VNETENC_N_CODES] = {
#define VNETENC_CODE(NAME, TEXT) [VNETENC_CODE_##NAME] = #NAME,
        VNETENC_CODES
#undef VNETENC_CODE
    };

    return code < VNETENC_N_CODES ? names[code] : "UNKNOWN";
}

unsigned long long int
vnetenc_drop_total(enum vnetenc_drop reason)
{
    uint64_t total = 0;

    if (reason < VNETENC_N_DROPS) {
        atomic_read_relaxed(&totals[reason], &total);
    }
    return total;
}
