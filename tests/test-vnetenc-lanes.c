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

/* Lanes: a session takes the place of another, and a lane without one borrows
 * that of another lane. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/bridge/lanes.h"

#include <stdlib.h>

#include "ovs-rcu.h"
#include "util.h"
#include "vnetenc/bridge/tx.h"
#include "vnetenc-unit.h"

/* Nobody looks into these. */
static struct vnetenc_tx a, b;

static void
test_swap(void)
{
    struct vnetenc_lanes lanes;

    vnetenc_lanes_init(&lanes, 3);
    CHECK(!vnetenc_lanes_up(&lanes));
    CHECK(!vnetenc_lanes_swap(&lanes, 1, &a));
    CHECK(vnetenc_lanes_up(&lanes));
    CHECK(vnetenc_lanes_swap(&lanes, 1, &b) == &a);
    CHECK(!vnetenc_lanes_swap(&lanes, 2, &a));
    CHECK(vnetenc_lanes_swap(&lanes, 2, NULL) == &a);
    CHECK(vnetenc_lanes_swap(&lanes, 1, NULL) == &b);
    CHECK(!vnetenc_lanes_up(&lanes));
}

static void
test_get(void)
{
    struct vnetenc_tx *tx[VNETENC_MAX_LANES];
    struct vnetenc_lanes lanes;

    vnetenc_lanes_init(&lanes, 3);
    CHECK(vnetenc_lanes_get(&lanes, tx) == 0);
    vnetenc_lanes_swap(&lanes, 1, &a);
    CHECK(vnetenc_lanes_get(&lanes, tx) == 3);
    CHECK(tx[0] == &a && tx[1] == &a && tx[2] == &a);
    vnetenc_lanes_swap(&lanes, 0, &b);
    CHECK(vnetenc_lanes_get(&lanes, tx) == 3);
    CHECK(tx[0] == &b && tx[1] == &a && tx[2] == &a);

    /* A lane beyond the number is up, but takes no packets. */
    atomic_store_relaxed(&lanes.n, 1);
    CHECK(vnetenc_lanes_get(&lanes, tx) == 1);
    vnetenc_lanes_swap(&lanes, 0, NULL);
    CHECK(vnetenc_lanes_get(&lanes, tx) == 0);
    CHECK(vnetenc_lanes_up(&lanes));
}

/* A flow always gets the same lane, and all lanes get flows. */
static void
test_choose(void)
{
    unsigned int n_flows[3] = { 0, 0, 0 };

    for (unsigned int port = 0; port <= UINT16_MAX; port++) {
        unsigned int lane = vnetenc_lanes_choose(3, htons(port));

        CHECK(vnetenc_lanes_choose(1, htons(port)) == 0);
        if (CHECK(lane < 3)) {
            n_flows[lane]++;
        }
        CHECK(vnetenc_lanes_choose(3, htons(port)) == lane);
    }
    for (size_t i = 0; i < 3; i++) {
        CHECK(n_flows[i] > UINT16_MAX / 4);
    }
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    test_swap();
    test_get();
    test_choose();
    ovsrcu_quiesce();
    return unit_end();
}
