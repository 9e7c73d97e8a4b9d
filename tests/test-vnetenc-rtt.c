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

/* The round trip of a peer. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/bridge/rtt.h"
#include <string.h>

#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc-unit.h"

/* RFC 6298 section 2: the rules, in numbers. */
static void
test_rules(void)
{
    struct vnetenc_rtt rtt;

    memset(&rtt, 0, sizeof rtt);
    CHECK(vnetenc_rtt_timeout(&rtt, 200) == 200);
    CHECK(vnetenc_rtt_rounds(&rtt, 4, 500) == 500);

    /* "SRTT <- R, RTTVAR <- R/2, RTO <- SRTT + max (G, K*RTTVAR)". */
    vnetenc_rtt_sample(&rtt, 400);
    CHECK(vnetenc_rtt_timeout(&rtt, 200) == 1200);
    CHECK(vnetenc_rtt_rounds(&rtt, 4, 500) == 1600);

    /* "RTTVAR <- 3/4 * RTTVAR + 1/4 * |SRTT - R'|",
     * "SRTT <- 7/8 * SRTT + 1/8 * R'". */
    vnetenc_rtt_sample(&rtt, 480);
    CHECK(rtt.variation_us == 170000 && rtt.smoothed_us == 410000);
    CHECK(vnetenc_rtt_timeout(&rtt, 200) == 1090);

    /* What is even comes close to the round trip, and never below it. */
    for (int i = 0; i < 50; i++) {
        vnetenc_rtt_sample(&rtt, 400);
        CHECK(vnetenc_rtt_timeout(&rtt, 0) >= 400);
    }
    CHECK(vnetenc_rtt_timeout(&rtt, 0) <= 404);
    CHECK(vnetenc_rtt_timeout(&rtt, 500) == 500);
}

/* Guesses count until there is a sample, the least of them. */
static void
test_guesses(void)
{
    struct vnetenc_rtt rtt;

    memset(&rtt, 0, sizeof rtt);
    vnetenc_rtt_guess(&rtt, 600);
    CHECK(rtt.smoothed_us == 600000);
    vnetenc_rtt_guess(&rtt, 700);
    CHECK(rtt.smoothed_us == 600000);
    vnetenc_rtt_guess(&rtt, 300);
    CHECK(rtt.smoothed_us == 300000);
    vnetenc_rtt_sample(&rtt, 900);
    CHECK(rtt.smoothed_us == 900000);
    vnetenc_rtt_guess(&rtt, 1);
    CHECK(rtt.smoothed_us == 900000);
}

/* Nobody who delays answers makes us wait for ever; no clock that goes back
 * makes it worse. */
static void
test_bounds(void)
{
    struct vnetenc_rtt rtt;

    memset(&rtt, 0, sizeof rtt);
    vnetenc_rtt_sample(&rtt, 1000000);
    CHECK(rtt.smoothed_us == 1000 * VNETENC_RTT_MAX_MS);
    CHECK(vnetenc_rtt_timeout(&rtt, 200) == VNETENC_RTO_MAX_MS);
    CHECK(vnetenc_rtt_timeout(&rtt, VNETENC_RTO_MAX_MS + 1)
          == VNETENC_RTO_MAX_MS + 1);
    vnetenc_rtt_sample(&rtt, -5);
    CHECK(rtt.smoothed_us == 1000 * VNETENC_RTT_MAX_MS * 7 / 8);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    test_rules();
    test_guesses();
    test_bounds();
    return unit_end();
}
