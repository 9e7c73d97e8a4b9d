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

/* Sessions to open with: the table finds what is published and nothing else;
 * threads count together; rates hold.
 *
 * Keywords: threads. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/bridge/rx.h"

#include <stdlib.h>

#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "packets.h"
#include "random.h"
#include "util.h"
#include "vnetenc/bridge/tuple.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc-unit.h"

static struct vnetenc_record_key key;

static struct vnetenc_path_key
make_path(const char *local, const char *remote, uint16_t port,
          uint8_t profile)
{
    struct vnetenc_path_key path;

    memset(&path, 0, sizeof path);
    ovs_assert(ipv6_parse(local, &path.local));
    ovs_assert(ipv6_parse(remote, &path.remote));
    path.dtls_port = htons(port);
    path.profile = profile;
    return path;
}

static void
test_receivers(void)
{
    struct vnetenc_path_key p = make_path("::ffff:10.0.0.1", "::ffff:10.0.0.2",
                                          6082, 4);
    struct vnetenc_path_key q = make_path("::ffff:10.0.0.1", "::ffff:10.0.0.3",
                                          6082, 4);
    struct vnetenc_rx *a = vnetenc_rx_create(&key, &p, htons(1000));
    struct vnetenc_rx *b = vnetenc_rx_create(&key, &p, htons(1001));
    struct vnetenc_rx *c = vnetenc_rx_create(&key, &q, htons(1000));
    struct vnetenc_rx *a2 = vnetenc_rx_create(&key, &p, htons(1000));

#define FIND(PATH, PORT) \
    vnetenc_rx_find(&(PATH).local, (PATH).dtls_port, &(PATH).remote, \
                    htons(PORT))
    CHECK(!FIND(p, 1000));
    vnetenc_rx_publish(a);
    vnetenc_rx_publish(b);
    vnetenc_rx_publish(c);
    CHECK(FIND(p, 1000) == a);
    CHECK(FIND(p, 1001) == b);
    CHECK(FIND(q, 1000) == c);
    CHECK(!FIND(q, 1001));
    CHECK(!vnetenc_rx_find(&p.remote, p.dtls_port, &p.local, htons(1000)));
    CHECK(!vnetenc_rx_find(&p.local, htons(6089), &p.remote, htons(1000)));

    /* In one step, also for a thread that remembers the replaced one, which
     * may go in any order. */
    CHECK(FIND(p, 1000) == a);
    vnetenc_rx_publish(a2);
    CHECK(FIND(p, 1000) == a2);
    CHECK(!a->published && a2->published);
    vnetenc_rx_retire(a);
    CHECK(FIND(p, 1000) == a2);
    vnetenc_rx_retire(a2);
    CHECK(!FIND(p, 1000));
    vnetenc_rx_retire(b);
    vnetenc_rx_retire(c);
    CHECK(!FIND(p, 1001) && !FIND(q, 1000));
    vnetenc_rx_retire(NULL);

    /* Never published. */
    a = vnetenc_rx_create(&key, &p, htons(1000));
    vnetenc_rx_destroy(a);
    vnetenc_rx_destroy(NULL);
#undef FIND
}

/* Whatever was fetched, and whatever happened since then, the table finds what
 * is published. */
static void
test_fetch(void)
{
    enum { N = 60, ROUNDS = 3000 };
    struct vnetenc_path_key p = make_path("::ffff:10.0.0.1", "::ffff:10.0.0.2",
                                          6082, 4);
    struct vnetenc_rx *published[N] = { NULL };
    unsigned int n_wrong = 0, n_found = 0;

    for (unsigned int round = 0; round < ROUNDS; round++) {
        unsigned int n = 1 + random_range(VNETENC_BURST);
        uint32_t hashes[VNETENC_BURST];
        uint64_t seqs[VNETENC_BURST];
        unsigned int ports[VNETENC_BURST];
        unsigned int i;

        for (i = 0; i < n; i++) {
            ports[i] = random_range(N);
            hashes[i] = vnetenc_tuple_hash_path(&p, htons(ports[i]));
            seqs[i] = random_uint64();
        }
        vnetenc_rx_fetch_batch(hashes, seqs, n);
        for (i = 0; i < n; i++) {
            unsigned int port = random_range(4) ? ports[i] : random_range(N);
            struct vnetenc_rx *rx;

            if (!random_range(50)) {
                rx = published[port];
                published[port] = NULL;
                if (!rx || random_range(2)) {
                    published[port] = vnetenc_rx_create(&key, &p,
                                                        htons(port));
                    vnetenc_rx_publish(published[port]);
                }
                vnetenc_rx_retire(rx);
            }
            rx = vnetenc_rx_find(&p.local, p.dtls_port, &p.remote,
                                 htons(port));
            n_wrong += rx != published[port];
            n_found += rx != NULL;
        }
        if (!random_range(20)) {
            ovsrcu_quiesce();
        }
    }
    CHECK(n_wrong == 0);
    CHECK(n_found > ROUNDS);
    for (unsigned int i = 0; i < N; i++) {
        vnetenc_rx_retire(published[i]);
    }
}

/* More threads than have counters of their own. */

enum { N_COUNTERS = 2 * VNETENC_RX_COUNTS, N_COUNTED = 200000 };

static struct vnetenc_rx *counting;

static void *
count_all(void *n_bytes_)
{
    unsigned int *n_bytes = n_bytes_;

    for (unsigned int i = 0; i < N_COUNTED; i++) {
        vnetenc_rx_count(counting, *n_bytes);
    }
    return NULL;
}

static void
test_counts(void)
{
    struct vnetenc_path_key p = make_path("::1", "::2", 6082, 4);
    pthread_t threads[N_COUNTERS];
    unsigned int sizes[N_COUNTERS];
    uint64_t n_records, n_bytes, sum = 0;

    counting = vnetenc_rx_create(&key, &p, htons(1000));
    vnetenc_rx_sum(counting, &n_records, &n_bytes);
    CHECK(n_records == 0 && n_bytes == 0);
    for (unsigned int i = 0; i < N_COUNTERS; i++) {
        sizes[i] = 1 << i;
        sum += sizes[i];
        threads[i] = ovs_thread_create("count", count_all, &sizes[i]);
    }
    for (unsigned int i = 0; i < N_COUNTERS; i++) {
        xpthread_join(threads[i], NULL);
    }
    vnetenc_rx_sum(counting, &n_records, &n_bytes);
    CHECK(n_records == UINT64_C(1) * N_COUNTERS * N_COUNTED);
    CHECK(n_bytes == sum * N_COUNTED);
    vnetenc_rx_destroy(counting);
}

static void
test_rates(void)
{
    struct vnetenc_path_key p = make_path("::ffff:10.0.0.1", "::ffff:10.0.0.2",
                                          6082, 4);
    struct vnetenc_rx *rx = vnetenc_rx_create(&key, &p, htons(1000));
    unsigned int n_replies = 0, n_shakes = 0;

    for (int i = 0; i < 1000; i++) {
        n_replies += vnetenc_rx_may_reply(rx, 5000);
        n_shakes += vnetenc_rx_may_shake(rx, 5000);
    }
    CHECK(n_replies == VNETENC_REPLIES_PER_SECOND);
    CHECK(n_shakes == VNETENC_SOURCE_BURST);
    for (int i = 1; i <= 10000; i++) {
        n_replies += vnetenc_rx_may_reply(rx, 5000 + i);
        n_shakes += vnetenc_rx_may_shake(rx, 5000 + i);
    }
    CHECK(n_replies == 11 * VNETENC_REPLIES_PER_SECOND);
    CHECK(n_shakes == VNETENC_SOURCE_BURST + 10 * VNETENC_SOURCE_PER_SECOND);
    vnetenc_rx_destroy(rx);
}

/* A cipher that no provider has. */
static void
test_no_cipher(void)
{
    struct vnetenc_path_key p = make_path("::1", "::2", 6082, 4);

    CHECK(!vnetenc_rx_create(&key, &p, 0));
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    memset(&key, 9, sizeof key);
    key.cipher = VNETENC_AES256_GCM;
    key.single = false;
    test_no_cipher();
    vnetenc_aead_init(NULL);
    test_receivers();
    test_fetch();
    test_counts();
    test_rates();
    ovsrcu_quiesce();
    return unit_end();
}
