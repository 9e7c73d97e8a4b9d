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
#include "vnetenc/bridge/rtt.h"
#include "util.h"
#include "vnetenc/base/limits.h"

static unsigned int
to_us(long long int ms)
{
    return 1000 * MIN(MAX(ms, 0), VNETENC_RTT_MAX_MS);
}

/* RFC 6298 section 2.2. */
static void
begin(struct vnetenc_rtt *rtt, unsigned int us)
{
    rtt->known = true;
    rtt->smoothed_us = us;
    rtt->variation_us = us / 2;
}

void
vnetenc_rtt_sample(struct vnetenc_rtt *rtt, long long int ms)
{
    unsigned int us = to_us(ms);
    unsigned int off;

    if (!rtt->sampled) {
        rtt->sampled = true;
        begin(rtt, us);
        return;
    }
    /* RFC 6298 section 2.3. */
    off = MAX(rtt->smoothed_us, us) - MIN(rtt->smoothed_us, us);
    rtt->variation_us = (3 * rtt->variation_us + off) / 4;
    rtt->smoothed_us = (7 * rtt->smoothed_us + us) / 8;
}

void
vnetenc_rtt_guess(struct vnetenc_rtt *rtt, long long int ms)
{
    unsigned int us = to_us(ms);

    if (!rtt->sampled && (!rtt->known || us < rtt->smoothed_us)) {
        begin(rtt, us);
    }
}

unsigned int
vnetenc_rtt_timeout(const struct vnetenc_rtt *rtt, unsigned int least_ms)
{
    unsigned int ms
        = DIV_ROUND_UP(rtt->smoothed_us + 4 * rtt->variation_us, 1000);

    return MAX(MIN(ms, VNETENC_RTO_MAX_MS), least_ms);
}

unsigned int
vnetenc_rtt_rounds(const struct vnetenc_rtt *rtt, unsigned int n,
                   unsigned int least_ms)
{
    return MAX(DIV_ROUND_UP(n * rtt->smoothed_us, 1000), least_ms);
}
