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
    vnetenc_flows_credit(r, 2, 200, 0x02, 0);
    vnetenc_flows_credit(again, 1, 50, 0x10, 0);
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

    /* The earliest time counts, for what is collected with it. */
    r = vnetenc_flows_get(&key, 10, true);
    vnetenc_flows_credit(r, 1, 60, 0, 300);
    vnetenc_flows_credit(r, 1, 60, 0, 200);
    vnetenc_flows_credit(r, 1, 60, 0, 400);
    sums = vnetenc_flows_collect(&n);
    CHECK(n == 1 && sums[0].since == 200);
    free(sums);
    vnetenc_flows_credit(r, 1, 60, 0, 500);
    vnetenc_flows_unref(r);
    sums = vnetenc_flows_collect(&n);
    CHECK(n == 1 && sums[0].since == 500);
    free(sums);

    /* A record that ends without any packet was never there. */
    vnetenc_flows_unref(vnetenc_flows_get(&key, 10, true));
    sums = vnetenc_flows_collect(&n);
    CHECK(n == 0 && vnetenc_flows_count() == 0);
    free(sums);

    /* Begin and end in one. */
    r = vnetenc_flows_get(&key, 10, true);
    vnetenc_flows_credit(r, 1, 60, 0, 0);
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
        vnetenc_flows_credit(records[i], i, 100 * i, 0, 0);
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

/* Ends 'n' records and frees the table. */
static void
end(struct vnetenc_flows_record **records, size_t n)
{
    size_t n_sums;

    for (size_t i = 0; i < n; i++) {
        vnetenc_flows_unref(records[i]);
    }
    free(vnetenc_flows_collect(&n_sums));
    CHECK(n_sums == 0 && vnetenc_flows_count() == 0);
}

/* A network cannot take the records of others, however many flows it has. */
static void
test_share(void)
{
    struct vnetenc_flows_record *records[400];
    uint16_t n_own[4] = { 0, 0, 0, 0 };

    for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
        size_t network = i / 100;
        struct vnetenc_flow_key key, own;

        make_key(&key, network, i, VNETENC_FLOW_PORT);
        records[i] = vnetenc_flows_get(&key, 100, network != 3);
        own = key;
        own.sport++;
        n_own[network] += vnetenc_flows_admit(
            &own, network != 3, VNETENC_FLOWS_PAIRS, 100, 1000, true, 0);
    }
    /* Four times as many as are free, and that for each further one. */
    CHECK(n_own[0] == 79);
    CHECK(n_own[1] == 15);
    CHECK(n_own[2] == 3);
    CHECK(n_own[3] == 0);
    CHECK(vnetenc_flows_count() == 80 + 16 + 4 + 0 + 4);
    end(records, ARRAY_SIZE(records));
}

/* A network with too many new flows is told apart less finely for a while,
 * those that it has excepted, and other networks are not. */
static void
test_admit(void)
{
    const enum vnetenc_flows_level pairs = VNETENC_FLOWS_PAIRS;
    const enum vnetenc_flows_level connections = VNETENC_FLOWS_CONNECTIONS;
    struct vnetenc_flows_record *r;
    struct vnetenc_flow_key a, b, other;
    long long int now = 1000000;

    make_key(&a, 7, 1, VNETENC_FLOW_PORT);
    make_key(&b, 7, 2, VNETENC_FLOW_PORT);
    make_key(&other, 8, 1, VNETENC_FLOW_PORT);

    r = vnetenc_flows_get(&a, 10, true);
    for (size_t i = 0; i < 9; i++) {
        CHECK(vnetenc_flows_admit(&a, true, connections, 10, 2, true, now));
        CHECK(vnetenc_flows_admit(&b, true, connections, 10, 2, false, now));
    }
    CHECK(vnetenc_flows_admit(&b, true, connections, 10, 2, true, now));
    CHECK(vnetenc_flows_admit(&b, true, connections, 10, 2, true, now));
    CHECK(!vnetenc_flows_admit(&b, true, connections, 10, 2, true, now));
    CHECK(!vnetenc_flows_admit(&a, true, connections, 10, 2, false, now));
    CHECK(vnetenc_flows_admit(&b, true, pairs, 10, 2, true, now));
    CHECK(vnetenc_flows_admit(&other, true, connections, 10, 2, true, now));
    CHECK(vnetenc_flows_admit(&b, false, connections, 10, 2, true, now));
    CHECK(!vnetenc_flows_admit(&b, true, connections, 10, 2, true,
                               now + 59999));
    CHECK(vnetenc_flows_admit(&b, true, connections, 10, 2, true,
                              now + 60000));
    CHECK(!vnetenc_flows_admit(&a, true, connections, 10, 0, false, now));
    end(&r, 1);
}

/* Packets of which it is unknown whether they belong to a sum belong to
 * another sum, not to a flow without names. */
static void
test_unknown(void)
{
    struct vnetenc_flows_record *r, *gap, *unknown[2];
    struct vnetenc_flows_sum *sums;
    struct vnetenc_flow_key key;
    size_t n, n_gaps = 0;

    make_key(&key, 7, 1, VNETENC_FLOW_SEALED);
    r = vnetenc_flows_get(&key, 10, true);
    make_key(&key, 8, 2, VNETENC_FLOW_SEALED);
    gap = vnetenc_flows_get(&key, 0, false);
    unknown[0] = vnetenc_flows_get_unknown(r, 10);
    unknown[1] = vnetenc_flows_get_unknown(gap, 10);
    for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
        vnetenc_flows_credit(unknown[i], 1 + i, 100, 0, 0);
        vnetenc_flows_unref(unknown[i]);
    }
    vnetenc_flows_unref(r);
    vnetenc_flows_unref(gap);
    sums = vnetenc_flows_collect(&n);
    CHECK(n == 2);
    for (size_t i = 0; i < n; i++) {
        CHECK(sums[i].key.fate == VNETENC_FLOW_UNKNOWN);
        CHECK(sums[i].is_gap == (sums[i].n_packets == 2));
        CHECK(sums[i].is_gap || sums[i].key.has_sport);
        CHECK(!sums[i].n_flows);
        n_gaps += sums[i].is_gap;
    }
    CHECK(n_gaps == 1);
    free(sums);
}

/* A table of more records than are collected at once. */
static void
test_many(void)
{
    static struct vnetenc_flows_record *records[2000];
    struct vnetenc_flows_sum *sums;
    uint64_t packets = 0;
    size_t n;

    for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
        struct vnetenc_flow_key key;

        make_key(&key, 7, i, VNETENC_FLOW_PORT);
        records[i] = vnetenc_flows_get(&key, 10000, true);
        vnetenc_flows_credit(records[i], 1 + i, 0, 0, 0);
        if (i % 3) {
            vnetenc_flows_unref(records[i]);
        }
    }
    sums = vnetenc_flows_collect(&n);
    CHECK(n == ARRAY_SIZE(records));
    for (size_t i = 0; i < n; i++) {
        packets += sums[i].n_packets;
        CHECK(sums[i].ended == (sums[i].key.sport % 3 != 0));
    }
    CHECK(packets == ARRAY_SIZE(records) * (ARRAY_SIZE(records) + 1) / 2);
    CHECK(vnetenc_flows_count() == DIV_ROUND_UP(ARRAY_SIZE(records), 3));
    free(sums);
    for (size_t i = 0; i < ARRAY_SIZE(records); i += 3) {
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
        vnetenc_flows_credit(r, 1, 10, 0, 0);
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
    test_share();
    test_admit();
    test_unknown();
    test_many();
    test_race();
    return unit_end();
}
