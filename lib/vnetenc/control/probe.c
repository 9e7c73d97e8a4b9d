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
#include "vnetenc/control/probe.h"

#include <limits.h>
#include <string.h>
#include "random.h"
#include "util.h"
#include "vnetenc/base/limits.h"

BUILD_ASSERT_DECL(IS_POW2(VNETENC_PROBE_SLOTS));
BUILD_ASSERT_DECL((int) VNETENC_PROBE_SLOTS >= VNETENC_PROBE_TRIES);

void
vnetenc_probe_init(struct vnetenc_probe *probe, long long int now)
{
    memset(probe, 0, sizeof *probe);
    probe->sent_at = now;
    probe->hinted_at = LLONG_MIN / 2;
    probe->echo = random_uint64();
}

enum vnetenc_probe_action
vnetenc_probe_run(struct vnetenc_probe *probe, uint64_t n_records,
                  unsigned int timeout_ms, long long int now)
{
    long long int silence = now - probe->sent_at;
    bool busy = n_records > probe->n_records;

    if (probe->closed) {
        return VNETENC_PROBE_NOTHING;
    } else if (probe->hurry) {
        return VNETENC_PROBE_SEND;
    } else if (!probe->tries || probe->lost) {
        return (silence >= (busy || probe->lost ? VNETENC_PROBE_BUSY_MS
                                                : VNETENC_PROBE_IDLE_MS)
                ? VNETENC_PROBE_SEND : VNETENC_PROBE_NOTHING);
    } else if (silence < timeout_ms) {
        return VNETENC_PROBE_NOTHING;
    } else if (probe->tries < VNETENC_PROBE_TRIES) {
        return VNETENC_PROBE_SEND;
    }
    vnetenc_probe_give_up(probe, now);
    return VNETENC_PROBE_LOST;
}

void
vnetenc_probe_sent(struct vnetenc_probe *probe, uint64_t n_records,
                   long long int now)
{
    probe->sent_at = now;
    probe->sent[probe->echo % VNETENC_PROBE_SLOTS] = now;
    probe->n_records = n_records;
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

long long int
vnetenc_probe_reply(struct vnetenc_probe *probe, uint64_t echo,
                    long long int now)
{
    /* 'echo' was incremented with each probe. */
    uint64_t back = probe->echo - 1 - echo;

    if (probe->closed || back >= probe->tries) {
        return -1;
    }
    probe->tries = 0;
    probe->lost = false;
    return now - probe->sent[echo % VNETENC_PROBE_SLOTS];
}

void
vnetenc_probe_give_up(struct vnetenc_probe *probe, long long int now)
{
    if (!probe->lost) {
        probe->lost = true;
        probe->lost_at = now;
    }
}

void
vnetenc_probe_close(struct vnetenc_probe *probe, long long int now)
{
    vnetenc_probe_give_up(probe, now);
    probe->closed = true;
}
