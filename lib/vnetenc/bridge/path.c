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
#include "vnetenc/bridge/path.h"
#include <limits.h>
#include <string.h>
#include "hash.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/outcome.h"

static struct cmap paths = CMAP_INITIALIZER;    /* struct vnetenc_path. */

/* The least MTU of all paths whose MTU is known, or UINT_MAX, and the number
 * of paths that have it.  The control thread writes both. */
static atomic_uint least_mtu = UINT_MAX;
static unsigned int n_least_mtu;

/* What packets need of a path. */
BUILD_ASSERT_DECL(OFFSETOFEND(struct vnetenc_path, mailbox.served)
                  <= CACHE_LINE_SIZE);
BUILD_ASSERT_DECL(OFFSETOFEND(struct vnetenc_path, lanes.tx[3])
                  <= 2 * CACHE_LINE_SIZE);

static uint32_t
hash_address(uint32_t hash, const struct in6_addr *addr)
{
    uint64_t words[2];

    memcpy(&words[0], &addr->s6_addr[0], sizeof words[0]);
    memcpy(&words[1], &addr->s6_addr[8], sizeof words[1]);
    return hash_add64(hash_add64(hash, words[0]), words[1]);
}

/* The packet path calls this for each packet if each is of another flow, so it
 * hashes whole words, which costs a third of hash_bytes(). */
uint32_t
vnetenc_path_hash_addresses(const struct in6_addr *a, const struct in6_addr *b,
                            uint32_t basis)
{
    return hash_finish(hash_address(hash_address(basis, a), b),
                       2 * sizeof *a);
}

uint32_t
vnetenc_path_hash(const struct vnetenc_path_key *key)
{
    return vnetenc_path_hash_addresses(&key->remote, &key->local,
                                       (uint32_t) key->profile << 16
                                       | (OVS_FORCE uint16_t) key->dtls_port);
}

bool
vnetenc_path_equals(const struct vnetenc_path_key *a,
                    const struct vnetenc_path_key *b)
{
    return (a->dtls_port == b->dtls_port
            && a->profile == b->profile
            && ipv6_addr_equals(&a->remote, &b->remote)
            && ipv6_addr_equals(&a->local, &b->local));
}

struct vnetenc_path *
vnetenc_path_create(const struct vnetenc_path_key *key, unsigned int n_lanes)
{
    struct vnetenc_path *path = xzalloc_cacheline(sizeof *path);

    path->key = *key;
    vnetenc_lanes_init(&path->lanes, n_lanes);
    atomic_init(&path->clear_at, LLONG_MAX);
    atomic_init(&path->clear_reason, VNETENC_DROP_clear_no_session);
    atomic_init(&path->mtu, 0);
    atomic_init(&path->split, true);
    atomic_init(&path->sent_long, false);
    vnetenc_mailbox_init(&path->mailbox);
    vnetenc_rate_init(&path->want);
    atomic_init(&path->n_dropped, 0);
    atomic_init(&path->n_clear, 0);
    atomic_init(&path->n_split, 0);
    cmap_insert(&paths, &path->node, vnetenc_path_hash(key));
    return path;
}

/* Some path has 'mtu' now. */
static void
add_mtu(unsigned int mtu)
{
    unsigned int least = vnetenc_path_least_mtu();

    if (mtu < least) {
        atomic_store_relaxed(&least_mtu, mtu);
        n_least_mtu = 1;
    } else if (mtu == least) {
        n_least_mtu++;
    }
}

static void
find_least_mtu(void)
{
    unsigned int mtu, n = 0, least = UINT_MAX;
    struct vnetenc_path *path;

    CMAP_FOR_EACH (path, node, &paths) {
        atomic_read_relaxed(&path->mtu, &mtu);
        if (mtu && mtu < least) {
            least = mtu;
            n = 0;
        }
        n += mtu == least;
    }
    atomic_store_relaxed(&least_mtu, least);
    n_least_mtu = n;
}

/* Some path does not have 'mtu' any more.  Underlays have few different MTUs,
 * so hardly ever all paths must be looked at. */
static void
remove_mtu(unsigned int mtu)
{
    if (mtu == vnetenc_path_least_mtu() && !--n_least_mtu) {
        find_least_mtu();
    }
}

void
vnetenc_path_set_mtu(struct vnetenc_path *path, unsigned int mtu)
{
    unsigned int old;

    atomic_read_relaxed(&path->mtu, &old);
    if (mtu == old) {
        return;
    }
    if (mtu) {
        add_mtu(mtu);
    }
    atomic_store_relaxed(&path->mtu, mtu);
    if (old) {
        remove_mtu(old);
    }
}

unsigned int
vnetenc_path_least_mtu(void)
{
    unsigned int mtu;

    atomic_read_relaxed(&least_mtu, &mtu);
    return mtu;
}

static void
path_free(struct vnetenc_path *path)
{
    vnetenc_mailbox_uninit(&path->mailbox);
    free_cacheline(path);
}

void
vnetenc_path_retire(struct vnetenc_path *path)
{
    unsigned int mtu;

    ovs_assert(!vnetenc_lanes_up(&path->lanes));
    cmap_remove(&paths, &path->node, vnetenc_path_hash(&path->key));
    atomic_read_relaxed(&path->mtu, &mtu);
    if (mtu) {
        remove_mtu(mtu);
    }
    ovsrcu_postpone(path_free, path);
}

struct vnetenc_path *
vnetenc_path_find(const struct vnetenc_path_key *key)
{
    struct vnetenc_path *path;

    CMAP_FOR_EACH_WITH_HASH (path, node, vnetenc_path_hash(key), &paths) {
        if (vnetenc_path_equals(&path->key, key)) {
            return path;
        }
    }
    return NULL;
}

BUILD_ASSERT_DECL(VNETENC_BURST <= sizeof(unsigned long) * CHAR_BIT);

void
vnetenc_path_find_batch(const struct vnetenc_path_key *const keys[], size_t n,
                        struct vnetenc_path *found[])
{
    const struct cmap_node *nodes[VNETENC_BURST];
    uint32_t hashes[VNETENC_BURST];
    unsigned long map;

    for (size_t i = 0; i < n; i++) {
        hashes[i] = vnetenc_path_hash(keys[i]);
    }
    map = cmap_find_batch(&paths, ULONG_MAX >> (sizeof map * CHAR_BIT - n),
                          hashes, nodes);
    for (size_t i = 0; i < n; i++) {
        if (map & 1UL << i) {
            OVS_PREFETCH((const char *) nodes[i] + CACHE_LINE_SIZE);
        }
    }
    for (size_t i = 0; i < n; i++) {
        struct vnetenc_path *path;

        found[i] = NULL;
        if (map & 1UL << i) {
            CMAP_NODE_FOR_EACH (path, node, nodes[i]) {
                if (vnetenc_path_equals(&path->key, keys[i])) {
                    found[i] = path;
                    break;
                }
            }
        }
    }
}

void
vnetenc_path_for_each(void (*cb)(const struct vnetenc_path *, void *aux),
                      void *aux)
{
    const struct vnetenc_path *path;

    CMAP_FOR_EACH (path, node, &paths) {
        cb(path, aux);
    }
}

bool
vnetenc_path_may_want(struct vnetenc_path *path, long long int now)
{
    return vnetenc_rate_take(&path->want, now,
                             1000 * VNETENC_WANT_AGAIN_MS, 1);
}

void
vnetenc_path_count(struct vnetenc_path *path,
                   const struct vnetenc_path_key *key,
                   enum vnetenc_drop reason, unsigned int n)
{
    uint64_t orig;

    vnetenc_drop_count(reason, n);
    if (!key && path) {
        key = &path->key;
    }
    if (key && n) {
        vnetenc_outcome_note(&key->remote, key->profile, reason, time_msec());
    }
    if (path) {
        atomic_add_relaxed(vnetenc_drop_is_fallback(reason) ? &path->n_clear
                                                       : &path->n_dropped,
                           n, &orig);
    }
}
