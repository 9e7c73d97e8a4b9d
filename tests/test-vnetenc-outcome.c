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

/* Notes of packets that were not sealed: the worst of an interval is found,
 * whatever came after it. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/bridge/outcome.h"

#include "packets.h"
#include "util.h"
#include "vnetenc-unit.h"

static void
test_codes(void)
{
    CHECK(vnetenc_drop_code(VNETENC_KEEP) == VNETENC_CODE_X);
    CHECK(vnetenc_drop_code(VNETENC_DROP_tx_mtu) == VNETENC_CODE_X);
    for (enum vnetenc_drop d = VNETENC_KEEP + 1; d < VNETENC_N_DROPS; d++) {
        CHECK((vnetenc_drop_code(d) == VNETENC_CODE_NX_FALLBACK)
              == vnetenc_drop_is_fallback(d));
    }
    CHECK(vnetenc_drop_code(VNETENC_N_DROPS) == VNETENC_CODE_UNKNOWN);
    CHECK_HAS(vnetenc_drop_code_name(VNETENC_CODE_NX_LOCAL_DST),
              "NX_LOCAL_DST");
}

static void
test_notes(void)
{
    struct in6_addr a, b;

    ovs_assert(ipv6_parse("::ffff:192.0.2.1", &a));
    ovs_assert(ipv6_parse("::ffff:192.0.2.2", &b));

    /* Nothing is noted, not even at the beginning of time. */
    CHECK(vnetenc_outcome_since(&a, 0, 0) == VNETENC_KEEP);
    CHECK(vnetenc_outcome_since(&a, 0, -5000) == VNETENC_KEEP);
    CHECK(vnetenc_outcome_any_since(-5000) == VNETENC_KEEP);

    /* A later loss hides no packet in clear. */
    vnetenc_outcome_note(&a, 0, VNETENC_DROP_clear_lost, 1000);
    vnetenc_outcome_note(&a, 0, VNETENC_DROP_tx_mtu, 1001);
    vnetenc_outcome_note(&a, 0, VNETENC_DROP_tx_no_session, 1002);
    vnetenc_outcome_note(&a, 0, VNETENC_DROP_tx_prefer_wait, 1003);
    CHECK(vnetenc_outcome_since(&a, 0, 1000) == VNETENC_DROP_clear_lost);
    CHECK(vnetenc_outcome_since(&a, 0, 1001) == VNETENC_DROP_tx_no_session);
    CHECK(vnetenc_outcome_since(&a, 0, 1003) == VNETENC_DROP_tx_prefer_wait);
    CHECK(vnetenc_outcome_since(&a, 0, 1004) == VNETENC_KEEP);
    vnetenc_outcome_note(&a, 0, VNETENC_DROP_tx_mtu, 1005);
    CHECK(vnetenc_outcome_since(&a, 0, 1004) == VNETENC_DROP_tx_mtu);

    /* Of one kind, the latest counts. */
    vnetenc_outcome_note(&a, 0, VNETENC_DROP_clear_no_session, 2000);
    CHECK(vnetenc_outcome_since(&a, 0, 0) == VNETENC_DROP_clear_no_session);

    /* Other peers and profiles have places of their own. */
    CHECK(vnetenc_outcome_since(&b, 0, 0) == VNETENC_KEEP);
    CHECK(vnetenc_outcome_since(&a, 1, 0) == VNETENC_KEEP);
    CHECK(vnetenc_outcome_any_since(0) == VNETENC_DROP_clear_no_session);
    CHECK(vnetenc_outcome_any_since(2001) == VNETENC_KEEP);
}

int
main(void)
{
    test_codes();
    test_notes();
    return unit_end();
}
