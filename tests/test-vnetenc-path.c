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

/* Paths: the table finds what is published, by its whole key, and nothing
 * else. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/bridge/path.h"

#include <limits.h>
#include <stdlib.h>

#include "ovs-rcu.h"
#include "packets.h"
#include "random.h"
#include "util.h"
#include "vnetenc-unit.h"

static struct vnetenc_path_key
make_key(const char *local, const char *remote, uint16_t port,
          uint8_t profile)
{
    struct vnetenc_path_key key;

    memset(&key, 0, sizeof key);
    ovs_assert(ipv6_parse(local, &key.local));
    ovs_assert(ipv6_parse(remote, &key.remote));
    key.dtls_port = htons(port);
    key.profile = profile;
    return key;
}

static void
test_paths(void)
{
    struct vnetenc_path_key keys[] = {
        make_key("::ffff:10.0.0.1", "::ffff:10.0.0.2", 6082, 0),
        make_key("::ffff:10.0.0.2", "::ffff:10.0.0.1", 6082, 0),
        make_key("::ffff:10.0.0.1", "::ffff:10.0.0.2", 6089, 0),
        make_key("::ffff:10.0.0.1", "::ffff:10.0.0.2", 6082, 255),
        make_key("::ffff:10.0.0.1", "::ffff:10.0.0.3", 6082, 0),
        make_key("fd00::1", "fd00::2", 6082, 0),
    };
    struct vnetenc_path *paths[ARRAY_SIZE(keys)];

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        CHECK(!vnetenc_path_find(&keys[i]));
        paths[i] = vnetenc_path_create(&keys[i], 1 + i);
    }
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        CHECK(vnetenc_path_find(&keys[i]) == paths[i]);
    }

    CHECK(vnetenc_path_may_want(paths[0], 1000));
    CHECK(!vnetenc_path_may_want(paths[0], 1000));
    CHECK(!vnetenc_path_may_want(paths[0], 1999));
    CHECK(vnetenc_path_may_want(paths[1], 1999));
    CHECK(vnetenc_path_may_want(paths[0], 2000));

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        vnetenc_path_retire(paths[i]);
        CHECK(!vnetenc_path_find(&keys[i]));
    }
}

/* Every packet counts for its reason, and for its path if it has one. */
static void
test_count(void)
{
    struct vnetenc_path_key key = make_key("fd00::1", "fd00::2", 6082, 0);
    struct vnetenc_path *path = vnetenc_path_create(&key, 1);
    uint64_t n_dropped, n_clear;

    vnetenc_path_count(path, NULL, VNETENC_DROP_tx_no_session, 3);
    vnetenc_path_count(path, NULL, VNETENC_DROP_tx_mtu, 2);
    vnetenc_path_count(path, NULL, VNETENC_DROP_clear_lost, 7);
    vnetenc_path_count(NULL, NULL, VNETENC_DROP_tx_no_session, 10);
    vnetenc_path_count(path, NULL, VNETENC_DROP_tx_no_session, 0);
    atomic_read_relaxed(&path->n_dropped, &n_dropped);
    atomic_read_relaxed(&path->n_clear, &n_clear);
    CHECK(n_dropped == 5);
    CHECK(n_clear == 7);
    CHECK(vnetenc_drop_total(VNETENC_DROP_tx_no_session) == 13);
    CHECK(vnetenc_drop_total(VNETENC_DROP_tx_mtu) == 2);
    CHECK(vnetenc_drop_total(VNETENC_DROP_clear_lost) == 7);
    vnetenc_path_retire(path);
}

/* Changes MTUs at random, and compares with the least of all. */
static void
test_least_mtu(void)
{
    enum { N = 20, CHANGES = 10000 };
    static const unsigned int mtus[] = { 0, 1400, 1450, 1500, 9000 };
    struct vnetenc_path_key key = make_key("fd00::1", "fd00::2", 6082, 0);
    unsigned int now[N] = { 0 }, n_wrong = 0;
    struct vnetenc_path *paths[N] = { NULL };

    CHECK(vnetenc_path_least_mtu() == UINT_MAX);
    for (unsigned int i = 0; i < CHANGES; i++) {
        unsigned int which = random_range(N), least = UINT_MAX;

        if (!paths[which]) {
            key.profile = which;
            paths[which] = vnetenc_path_create(&key, 1);
        } else if (random_range(4)) {
            now[which] = mtus[random_range(ARRAY_SIZE(mtus))];
            vnetenc_path_set_mtu(paths[which], now[which]);
        } else {
            vnetenc_path_retire(paths[which]);
            paths[which] = NULL;
            now[which] = 0;
        }
        for (unsigned int k = 0; k < N; k++) {
            least = MIN(least, now[k] ? now[k] : UINT_MAX);
        }
        n_wrong += vnetenc_path_least_mtu() != least;
    }
    CHECK(n_wrong == 0);
    for (unsigned int i = 0; i < N; i++) {
        if (paths[i]) {
            vnetenc_path_retire(paths[i]);
        }
    }
    CHECK(vnetenc_path_least_mtu() == UINT_MAX);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    random_set_seed(1);
    test_paths();
    test_count();
    test_least_mtu();
    ovsrcu_quiesce();
    return unit_end();
}
