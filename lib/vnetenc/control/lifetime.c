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
#include "vnetenc/bridge/limits.h"
#include "vnetenc/trust/config.h"

/* 'value' less up to VNETENC_REKEY_JITTER_PERCENT, never 0. */
static uint64_t
jittered(uint64_t value)
{
    uint64_t part = value / 100 * VNETENC_REKEY_JITTER_PERCENT
                    + value % 100 * VNETENC_REKEY_JITTER_PERCENT / 100;

    return value - (part ? random_uint64() % (part + 1) : 0);
}

void
vnetenc_lifetime_init(struct vnetenc_lifetime *life,
                      const struct vnetenc_profile_config *config,
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

void
vnetenc_probe_init(struct vnetenc_probe *probe, long long int now)
{
    memset(probe, 0, sizeof *probe);
    probe->sent_at = now;
    probe->seq = VNETENC_FIRST_SEQ;
    probe->hinted_at = LLONG_MIN / 2;
    probe->echo = random_uint64();
}

enum vnetenc_probe_action
vnetenc_probe_run(struct vnetenc_probe *probe, uint64_t next_seq,
                  long long int now)
{
    long long int silence = now - probe->sent_at;
    bool busy = next_seq > probe->seq;

    if (probe->hurry) {
        return VNETENC_PROBE_SEND;
    } else if (probe->tries && probe->tries < VNETENC_PROBE_TRIES) {
        return (silence >= VNETENC_PROBE_TIMEOUT_MS ? VNETENC_PROBE_SEND
                                                    : VNETENC_PROBE_NOTHING);
    } else if (probe->tries && !probe->lost
               && silence >= VNETENC_PROBE_TIMEOUT_MS) {
        vnetenc_probe_give_up(probe, now);
        return VNETENC_PROBE_LOST;
    }
    return (silence >= (busy || probe->lost ? VNETENC_PROBE_BUSY_MS
                                            : VNETENC_PROBE_IDLE_MS)
            ? VNETENC_PROBE_SEND : VNETENC_PROBE_NOTHING);
}

void
vnetenc_probe_sent(struct vnetenc_probe *probe, uint64_t next_seq,
                   long long int now)
{
    probe->sent_at = now;
    probe->seq = next_seq;
    probe->hurry = false;
    probe->tries = MIN(probe->tries + 1, VNETENC_PROBE_TRIES);
    probe->echo++;
}

bool
vnetenc_probe_hint(struct vnetenc_probe *probe, long long int now)
{
    if (probe->tries || now < probe->hinted_at + VNETENC_HINT_INTERVAL_MS) {
        return false;
    }
    probe->hinted_at = now;
    probe->hurry = true;
    return true;
}

void
vnetenc_probe_reply(struct vnetenc_probe *probe, uint64_t echo)
{
    /* 'echo' moved on by one with each probe sent. */
    uint64_t back = probe->echo - 1 - echo;

    if (probe->tries && back < probe->tries) {
        probe->tries = 0;
        probe->lost = false;
    }
}

void
vnetenc_probe_give_up(struct vnetenc_probe *probe, long long int now)
{
    if (!probe->lost) {
        probe->lost = true;
        probe->lost_at = now;
    }
}
