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
#include <string.h>
#include "hash.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/bridge/limits.h"
#include "vnetenc/bridge/outcome.h"

static struct cmap paths = CMAP_INITIALIZER;    /* struct vnetenc_path. */

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
    struct vnetenc_path *path = xzalloc(sizeof *path);

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

static void
path_free(struct vnetenc_path *path)
{
    vnetenc_mailbox_uninit(&path->mailbox);
    free(path);
}

void
vnetenc_path_retire(struct vnetenc_path *path)
{
    ovs_assert(!vnetenc_lanes_up(&path->lanes));
    cmap_remove(&paths, &path->node, vnetenc_path_hash(&path->key));
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
