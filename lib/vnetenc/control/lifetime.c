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
#include "vnetenc/control/lifetime.h"
#include <string.h>
#include "random.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/trust/configuration.h"

/* Returns 'value' less a random part of up to VNETENC_REKEY_JITTER_PERCENT of
 * it, never 0. */
static uint64_t
jittered(uint64_t value)
{
    uint64_t part = value / 100 * VNETENC_REKEY_JITTER_PERCENT
                    + value % 100 * VNETENC_REKEY_JITTER_PERCENT / 100;

    return value - (part ? random_uint64() % (part + 1) : 0);
}

void
vnetenc_lifetime_init(struct vnetenc_lifetime *life,
                      const struct vnetenc_config_profile *config,
                      long long int now)
{
    long long int ms = config->rekey_s * 1000LL;

    life->rekey_seq = VNETENC_FIRST_SEQ + jittered(config->rekey_records);
    life->rekey_bytes = jittered(config->rekey_bytes);
    life->rekey_at = now + jittered(ms);
    life->end_seq = (VNETENC_FIRST_SEQ
                     + VNETENC_HARD_LIMIT_FACTOR * config->rekey_records);
    life->end_bytes = VNETENC_HARD_LIMIT_FACTOR * config->rekey_bytes;
    life->end_at = now + VNETENC_HARD_LIMIT_FACTOR * ms;
}

bool
vnetenc_lifetime_is_over(const struct vnetenc_lifetime *life,
                         uint64_t next_seq, uint64_t n_bytes,
                         long long int now)
{
    return (next_seq >= life->rekey_seq || n_bytes >= life->rekey_bytes
            || now >= life->rekey_at);
}

bool
vnetenc_lifetime_is_dead(const struct vnetenc_lifetime *life,
                         long long int now)
{
    return now >= life->end_at;
}
