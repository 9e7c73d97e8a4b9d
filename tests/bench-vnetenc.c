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

/* Measures what sealing and opening cost.
 *
 *     bench-vnetenc aead
 *             For each provider, cipher and size: cycles for one operation,
 *             in bursts of VNETENC_BURST, as lines of tab-separated text.
 *
 *     bench-vnetenc packets
 *             Cycles for one packet through vnetenc_seal_batch() and
 *             vnetenc_open(), with a cipher that does nothing and with each
 *             provider.
 *
 *     bench-vnetenc peers
 *             Cycles to seal one packet, alone in its batch, if the packets go
 *             to 1, 32, 128 and 500 peers in turn: at once, and in an output
 *             batch of VNETENC_BURST.  And cycles to open one packet of a
 *             batch of VNETENC_BURST that come from these peers in turn to one
 *             address: without and with vnetenc_open_fetch().
 *
 *     bench-vnetenc run N
 *             Seals and opens N packets with a cipher that does nothing, to be
 *             run under callgrind: what that counts in vnetenc_seal_batch()
 *             and vnetenc_open() is what our own code costs.
 *
 * Cycles are those of the time stamp counter; the least of many repetitions,
 * since whatever disturbs only adds. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/crypto/aead.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dp-packet.h"
#include "flow.h"
#include "netlink.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "random.h"
#include "smap.h"
#include "util.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/bridge/lanes.h"
#include "vnetenc/bridge/tunnel.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc-unit-packets.h"

enum { REPETITIONS = 300 };

static const size_t sizes[] = { 64, 256, 512, 1420, 8900 };

static uint64_t
now_cycles(void)
{
#if defined(__x86_64__)
    uint32_t low, high;

    asm volatile("rdtsc" : "=a" (low), "=d" (high));
    return (uint64_t) high << 32 | low;
#else
    struct timespec ts;

    xclock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
#endif
}

/* A cipher that does nothing. */

static int
null_key_create(enum vnetenc_cipher cipher OVS_UNUSED,
                const uint8_t *key OVS_UNUSED, void **aux)
{
    *aux = NULL;
    return 0;
}

static void
null_key_destroy(void *aux OVS_UNUSED)
{
}

static void
null_crypt(void *aux OVS_UNUSED, struct vnetenc_aead_op *ops, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ops[i].result = VNETENC_AEAD_OK;
    }
}

static const struct vnetenc_aead_provider null_provider = {
    .name = "null",
    .key_create = null_key_create,
    .key_destroy = null_key_destroy,
    .seal = null_crypt,
    .open = null_crypt,
};

static const struct vnetenc_aead_provider *const providers[] = {
    &vnetenc_aead_openssl,
    &vnetenc_aead_ipsec_mb,
};

/* Ciphers alone. */

static uint64_t
measure_cipher(struct vnetenc_aead_key *key, size_t size, bool open)
{
    uint8_t *text = xzalloc(size + VNETENC_TAG_BYTES);
    struct vnetenc_aead_op ops[VNETENC_BURST];
    uint64_t best = UINT64_MAX;

    memset(ops, 0, sizeof ops);
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
        ops[i].text = text;
        ops[i].tag = text + size;
        ops[i].size = size;
    }
    for (int i = 0; i < REPETITIONS; i++) {
        uint64_t start = now_cycles(), n;

        if (open) {
            /* Tags are wrong, which costs the same. */
            vnetenc_aead_open(key, ops, ARRAY_SIZE(ops));
        } else {
            vnetenc_aead_seal(key, ops, ARRAY_SIZE(ops));
        }
        n = now_cycles() - start;
        best = MIN(best, n);
    }
    free(text);
    return best / VNETENC_BURST;
}

static void
bench_cipher(const struct vnetenc_aead_provider *provider,
             enum vnetenc_cipher cipher)
{
    const uint8_t bytes[VNETENC_MAX_KEY_BYTES] = { 1 };
    struct vnetenc_aead_key *key;

    ovs_assert(!vnetenc_aead_key_create_with(provider, cipher, bytes, &key));
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        uint64_t seal = measure_cipher(key, sizes[i], false);
        uint64_t open = measure_cipher(key, sizes[i], true);

        printf("aead\t%s\t%s\t%"PRIuSIZE"\t%"PRIu64"\t%"PRIu64"\n",
               provider->name, vnetenc_cipher_info(cipher)->name, sizes[i],
               seal, open);
    }
    vnetenc_aead_key_destroy(key);
}

static void
bench_aead(void)
{
    printf("what\tprovider\tcipher\toctets\tseal\topen\n");
    for (size_t i = 0; i < ARRAY_SIZE(providers); i++) {
        if (providers[i]->init()) {
            printf("# provider %s is not usable here\n", providers[i]->name);
            continue;
        }
        for (int c = 0; c < VNETENC_N_CIPHERS; c++) {
            if (providers[i]->supports(c)) {
                bench_cipher(providers[i], c);
            }
        }
    }
}

/* Packets. */

static struct unit_sessions sessions;

static void
set_provider(const struct vnetenc_aead_provider *provider)
{
    const struct vnetenc_record_key *keys = &sessions.keys[0];

    vnetenc_aead_key_destroy(sessions.tx[0]->key);
    vnetenc_aead_key_destroy(sessions.rx[0]->key);
    ovs_assert(!vnetenc_aead_key_create_with(provider, keys->cipher,
                                             keys->key,
                                             &sessions.tx[0]->key));
    ovs_assert(!vnetenc_aead_key_create_with(provider, keys->cipher,
                                             keys->key,
                                             &sessions.rx[0]->key));
}

/* Seals a burst of packets of 'size' octets and opens it again.  Adds what
 * that took to '*seal' and '*open'. */
static void
run_burst(size_t size, uint64_t *seal, uint64_t *open)
{
    const struct ovs_action_vnetenc action = unit_action(VNETENC_REQUIRE);
    struct dp_packet *wire[VNETENC_BURST];
    struct dp_packet_batch batch;
    uint64_t start;

    dp_packet_batch_init(&batch);
    for (size_t i = 0; i < VNETENC_BURST; i++) {
        struct dp_packet *packet = unit_pushed(size, false);

        /* As a network device's buffer has it. */
        dp_packet_prealloc_tailroom(packet, VNETENC_TAG_BYTES);
        dp_packet_batch_add(&batch, packet);
    }
    start = now_cycles();
    vnetenc_seal_batch(&batch, &action);
    *seal = now_cycles() - start;
    ovs_assert(dp_packet_batch_size(&batch) == VNETENC_BURST);

    for (size_t i = 0; i < VNETENC_BURST; i++) {
        wire[i] = unit_wire(batch.packets[i]);
    }
    start = now_cycles();
    for (size_t i = 0; i < VNETENC_BURST; i++) {
        ovs_assert(vnetenc_open(wire[i]));
    }
    *open = now_cycles() - start;

    for (size_t i = 0; i < VNETENC_BURST; i++) {
        dp_packet_delete(wire[i]);
    }
    dp_packet_delete_batch(&batch, true);
    dp_packet_batch_destroy(&batch);
}

static void
bench_packets_with(const struct vnetenc_aead_provider *provider)
{
    set_provider(provider);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        uint64_t best_seal = UINT64_MAX, best_open = UINT64_MAX;

        for (int k = 0; k < REPETITIONS; k++) {
            uint64_t seal, open;

            run_burst(sizes[i], &seal, &open);
            best_seal = MIN(best_seal, seal);
            best_open = MIN(best_open, open);
        }
        printf("packet\t%s\t%s\t%"PRIuSIZE"\t%"PRIu64"\t%"PRIu64"\n",
               provider->name,
               vnetenc_cipher_info(sessions.keys[0].cipher)->name, sizes[i],
               best_seal / VNETENC_BURST, best_open / VNETENC_BURST);
    }
}

static void
begin_sessions(void)
{
    vnetenc_aead_init("openssl");
    vnetenc_gates_set_loaded();
    unit_sessions_create(&sessions, VNETENC_AES256_GCM, false, 1);
}

static void
bench_packets(void)
{
    begin_sessions();
    printf("what\tprovider\tcipher\toctets\tseal\topen\n");
    bench_packets_with(&null_provider);
    for (size_t i = 0; i < ARRAY_SIZE(providers); i++) {
        if (!providers[i]->init()) {
            bench_packets_with(providers[i]);
        }
    }
    unit_sessions_destroy(&sessions);
}

/* Many peers. */

static const unsigned int n_peers[] = { 1, 32, 128, 500 };

static ovs_be32
peer_address(unsigned int i)
{
    return htonl(0x0a010000 + i);
}

/* Publishes a path to peer 'i', with a session, and a session from it with the
 * same key. */
static void
add_peer(unsigned int i)
{
    struct vnetenc_path_key key = unit_path(false, false);
    struct vnetenc_record_key traffic = { .cipher = VNETENC_AES256_GCM };
    struct vnetenc_path *path;
    struct vnetenc_rx *rx;

    in6_addr_set_mapped_ipv4(&key.remote, peer_address(i));
    path = vnetenc_path_create(&key, 1);
    vnetenc_path_set_mtu(path, 9000);
    random_bytes(traffic.key, sizeof traffic.key);
    vnetenc_lanes_swap(&path->lanes, 0,
                       vnetenc_tx_create(&traffic, htons(UNIT_LANE_PORT),
                                         VNETENC_MAX_SEQ + 1, UINT64_MAX));
    rx = vnetenc_rx_create(&traffic, &key, htons(UNIT_LANE_PORT));
    ovs_assert(rx);
    vnetenc_rx_publish(rx);
}

/* A packet to peer 'i'. */
static struct dp_packet *
make_packet_to(unsigned int i, size_t size)
{
    struct dp_packet *packet = unit_pushed(size, false);
    struct ip_header *ip = dp_packet_l3(packet);

    put_16aligned_be32(&ip->ip_dst, peer_address(i));
    dp_packet_prealloc_tailroom(packet, VNETENC_TAG_BYTES);
    return packet;
}

/* Returns 'record' as its peer would have sent it to us. */
static struct dp_packet *
turn_around(const struct dp_packet *record)
{
    struct dp_packet *wire = unit_wire(record);
    struct ip_header *ip = dp_packet_l3(wire);
    ovs_16aligned_be32 us = ip->ip_src;

    ip->ip_src = ip->ip_dst;
    ip->ip_dst = us;
    return wire;
}

/* Opens what the peers would answer to the packets of 'sealed'.  Returns the
 * cycles. */
static uint64_t
open_answers(const struct dp_packet_batch *sealed, bool fetch)
{
    struct dp_packet_batch answers;
    struct dp_packet *packet;
    uint64_t start;

    dp_packet_batch_init(&answers);
    DP_PACKET_BATCH_FOR_EACH (i, packet, sealed) {
        dp_packet_batch_add(&answers, turn_around(packet));
    }
    start = now_cycles();
    if (fetch) {
        vnetenc_open_fetch(&answers);
    }
    DP_PACKET_BATCH_FOR_EACH (i, packet, &answers) {
        ovs_assert(vnetenc_open(packet));
    }
    start = now_cycles() - start;
    dp_packet_delete_batch(&answers, true);
    dp_packet_batch_destroy(&answers);
    return start;
}

/* Seals VNETENC_BURST packets of 'size' octets, to 'n' peers from '*next' on,
 * and opens as many.  Stores the cycles of both. */
static void
run_peers(unsigned int n, unsigned int *next, size_t size, bool together,
          uint64_t *seal, uint64_t *open)
{
    const struct {
        struct nlattr head;
        struct ovs_action_vnetenc seal;
        struct nlattr output;
        odp_port_t port;
    } actions = {
        { NLA_HDRLEN + sizeof actions.seal, OVS_ACTION_ATTR_VNETENC },
        unit_action(VNETENC_REQUIRE),
        { NLA_HDRLEN + sizeof actions.port, OVS_ACTION_ATTR_OUTPUT },
        ODP_PORT_C(1),
    };
    struct dp_packet_batch output, one;
    const struct flow flow = { .in_port = { .odp_port = ODP_PORT_C(2) } };
    struct dp_packet *packets[VNETENC_BURST];
    uint64_t start;

    for (size_t i = 0; i < VNETENC_BURST; i++) {
        packets[i] = make_packet_to(*next, size);
        *next = (*next + 7) % n;
    }
    dp_packet_batch_init(&output);
    start = now_cycles();
    for (size_t i = 0; i < VNETENC_BURST; i++) {
        dp_packet_batch_init_packet(&one, packets[i]);
        vnetenc_seal_batch_of_flow(&one, &actions.seal,
                                   together ? &flow : NULL,
                                   &actions.head, sizeof actions);
        dp_packet_batch_add(&output, one.packets[0]);
    }
    ovs_assert(vnetenc_seal_output(&output, actions.port));
    *seal = now_cycles() - start;
    ovs_assert(dp_packet_batch_size(&output) == VNETENC_BURST);
    *open = open_answers(&output, together);
    dp_packet_delete_batch(&output, true);
    dp_packet_batch_destroy(&output);
}

static int
compare_cycles(const void *a_, const void *b_)
{
    const uint64_t *a = a_, *b = b_;

    return *a < *b ? -1 : *a > *b;
}

static void
bench_peers(void)
{
    const struct smap none = SMAP_INITIALIZER(&none);
    unsigned int next = 0, have = 0;

    vnetenc_aead_init(NULL);
    vnetenc_tunnels_init(&none);
    vnetenc_gates_set_loaded();
    printf("what\tpeers\toctets\tseal at once\tseal deferred\t"
           "open\topen fetched\n");
    for (size_t i = 0; i < ARRAY_SIZE(n_peers); i++) {
        while (have < n_peers[i]) {
            add_peer(have++);
        }
        for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
            uint64_t cycles[4][REPETITIONS];

            for (int k = 0; k < REPETITIONS; k++) {
                for (int together = 0; together < 2; together++) {
                    run_peers(have, &next, sizes[s], together,
                              &cycles[together][k],
                              &cycles[2 + together][k]);
                }
            }
            printf("peers\t%u\t%"PRIuSIZE, have, sizes[s]);
            for (size_t c = 0; c < ARRAY_SIZE(cycles); c++) {
                qsort(cycles[c], REPETITIONS, sizeof cycles[c][0],
                      compare_cycles);
                printf("\t%"PRIu64,
                       cycles[c][REPETITIONS / 4] / VNETENC_BURST);
            }
            printf("\n");
        }
    }
}

/* For callgrind: 'n' packets, of which it counts what it is asked to. */
static void
run_packets(unsigned int n)
{
    uint64_t seal, open;

    begin_sessions();
    set_provider(&null_provider);
    for (unsigned int i = 0; i < n; i += VNETENC_BURST) {
        run_burst(1420, &seal, &open);
    }
    unit_sessions_destroy(&sessions);
}

int
main(int argc, char *argv[])
{
    set_program_name(argv[0]);
    random_set_seed(1);
    if (argc == 2 && !strcmp(argv[1], "aead")) {
        bench_aead();
    } else if (argc == 2 && !strcmp(argv[1], "packets")) {
        bench_packets();
    } else if (argc == 2 && !strcmp(argv[1], "peers")) {
        bench_peers();
    } else if (argc == 3 && !strcmp(argv[1], "run")) {
        run_packets(atoi(argv[2]));
    } else {
        fprintf(stderr, "usage: %s aead | packets | peers | run N\n",
                program_name);
        return 2;
    }
    return 0;
}
