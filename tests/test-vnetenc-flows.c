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

/* The table of flows: each packet that was credited is collected once, also
 * when the table is full and while other threads credit. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/log/flows.h"

#include <stdlib.h>

#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "packets.h"
#include "util.h"
#include "vnetenc-unit.h"

static void
make_key(struct vnetenc_flow_key *key, uint64_t metadata, uint16_t sport,
         enum vnetenc_flow_fate fate)
{
    memset(key, 0, sizeof *key);
    key->metadata = metadata;
    key->sport = sport;
    key->has_sport = true;
    key->fate = fate;
}

static void
test_life(void)
{
    struct vnetenc_flows_record *r, *again;
    struct vnetenc_flows_sum *sums;
    struct vnetenc_flow_key key;
    size_t n;

    make_key(&key, 7, 1, VNETENC_FLOW_PORT);
    r = vnetenc_flows_get(&key, 10, true);
    again = vnetenc_flows_get(&key, 10, true);
    CHECK(r == again);
    CHECK(vnetenc_flows_count() == 1);
    vnetenc_flows_credit(r, 2, 200, 0x02);
    vnetenc_flows_credit(again, 1, 50, 0x10);
    vnetenc_flows_unref(again);

    sums = vnetenc_flows_collect(&n);
    if (CHECK(n == 1)) {
        CHECK(!memcmp(&sums[0].key, &key, sizeof key));
        CHECK(sums[0].n_packets == 3);
        CHECK(sums[0].n_bytes == 250);
        CHECK(sums[0].tcp_flags == 0x12);
        CHECK(sums[0].begun && !sums[0].ended && !sums[0].is_gap);
    }
    free(sums);

    /* Without packets there is nothing to tell of, except for the end. */
    sums = vnetenc_flows_collect(&n);
    CHECK(n == 0);
    free(sums);
    vnetenc_flows_unref(r);
    sums = vnetenc_flows_collect(&n);
    if (CHECK(n == 1)) {
        CHECK(!sums[0].begun && sums[0].ended && !sums[0].n_packets);
        CHECK(!sums[0].tcp_flags);
    }
    free(sums);
    CHECK(vnetenc_flows_count() == 0);

    /* A record that ends without any packet was never there. */
    vnetenc_flows_unref(vnetenc_flows_get(&key, 10, true));
    sums = vnetenc_flows_collect(&n);
    CHECK(n == 0 && vnetenc_flows_count() == 0);
    free(sums);

    /* Begin and end in one. */
    r = vnetenc_flows_get(&key, 10, true);
    vnetenc_flows_credit(r, 1, 60, 0);
    vnetenc_flows_unref(r);
    sums = vnetenc_flows_collect(&n);
    CHECK(n == 1 && sums[0].begun && sums[0].ended && sums[0].n_packets == 1);
    free(sums);
}

static void
test_overflow(void)
{
    struct vnetenc_flows_record *records[40];
    uint64_t packets = 0, flows = 0;
    struct vnetenc_flows_sum *sums;
    size_t n, n_gaps = 0, n_denied = 0;

    for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
        struct vnetenc_flow_key key;

        /* Two networks, one of them without a name, and two fates. */
        make_key(&key, i % 2, i, i % 4 < 2 ? VNETENC_FLOW_PORT
                                           : VNETENC_FLOW_DENIED);
        records[i] = vnetenc_flows_get(&key, 8, i % 2);
        vnetenc_flows_credit(records[i], i, 100 * i, 0);
    }
    CHECK(vnetenc_flows_count() == 8 + 4);
    sums = vnetenc_flows_collect(&n);
    for (size_t i = 0; i < n; i++) {
        packets += sums[i].n_packets;
        CHECK(sums[i].n_bytes == 100 * sums[i].n_packets);
        if (sums[i].is_gap) {
            n_gaps++;
            flows += sums[i].n_flows;
            CHECK(!sums[i].key.has_sport);
            CHECK(sums[i].key.metadata == 1
                  || sums[i].key.metadata == UINT64_MAX);
            n_denied += sums[i].key.fate == VNETENC_FLOW_DENIED;
        }
    }
    CHECK(packets == 39 * 40 / 2);
    CHECK(flows == 32);
    CHECK(n_gaps == 4);
    CHECK(n_denied == 2);
    free(sums);

    for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
        vnetenc_flows_unref(records[i]);
    }
    free(vnetenc_flows_collect(&n));
    CHECK(vnetenc_flows_count() == 0);
}

enum { N_THREADS = 3, N_ROUNDS = 20000 };

static void *
credit(void *unused OVS_UNUSED)
{
    for (size_t i = 0; i < N_ROUNDS; i++) {
        struct vnetenc_flows_record *r;
        struct vnetenc_flow_key key;

        make_key(&key, 0, i % 3, VNETENC_FLOW_PORT);
        r = vnetenc_flows_get(&key, 2, true);
        vnetenc_flows_credit(r, 1, 10, 0);
        vnetenc_flows_unref(r);
        ovsrcu_quiesce();
    }
    return NULL;
}

/* Records end and begin all the time, and no packet is lost. */
static void
test_race(void)
{
    struct vnetenc_flows_sum *sums;
    pthread_t threads[N_THREADS];
    uint64_t packets = 0;
    bool last = false;
    size_t n;

    for (size_t i = 0; i < N_THREADS; i++) {
        threads[i] = ovs_thread_create("credit", credit, NULL);
    }
    while (true) {
        sums = vnetenc_flows_collect(&n);
        for (size_t i = 0; i < n; i++) {
            packets += sums[i].n_packets;
        }
        free(sums);
        ovsrcu_quiesce();
        if (last) {
            break;
        }
        if (packets >= N_THREADS * N_ROUNDS / 2) {
            for (size_t i = 0; i < N_THREADS; i++) {
                xpthread_join(threads[i], NULL);
            }
            last = true;
        }
    }
    CHECK(packets == N_THREADS * N_ROUNDS);
    CHECK(vnetenc_flows_count() == 0);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    test_life();
    test_overflow();
    test_race();
    return unit_end();
}
