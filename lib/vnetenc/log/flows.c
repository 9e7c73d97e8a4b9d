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
#include "vnetenc/log/flows.h"
#include <string.h>
#include "cmap.h"
#include "hash.h"
#include "openvswitch/list.h"
#include "ovs-atomic.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "util.h"

struct vnetenc_flows_record {
    struct cmap_node cmap_node; /* In 'flows'. */
    struct ovs_list list_node;  /* In 'all'. */
    struct vnetenc_flow_key key;
    bool is_gap;
    bool begun;                 /* Collecting thread. */

    /* One reference is the table's.  A record whose count is 0 has ended:
     * nobody takes another reference. */
    atomic_uint n_refs;

    atomic_uint64_t n_packets;
    atomic_uint64_t n_bytes;
    atomic_uint64_t n_flows;
    atomic_uint16_t tcp_flags;
};

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
static struct cmap flows = CMAP_INITIALIZER;    /* Writers have 'mutex'. */
static struct ovs_list all OVS_GUARDED_BY(mutex) = OVS_LIST_INITIALIZER(&all);
static size_t n_named OVS_GUARDED_BY(mutex);    /* Records except sums. */

/* Takes a reference, unless the record has ended. */
static bool
try_ref(struct vnetenc_flows_record *r)
{
    unsigned int n;

    atomic_read_relaxed(&r->n_refs, &n);
    do {
        if (!n) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(
                 &r->n_refs, &n, n + 1,
                 memory_order_acquire, memory_order_relaxed));
    return true;
}

/* Ends the record if only the table has a reference. */
static bool
try_end(struct vnetenc_flows_record *r)
{
    unsigned int one = 1;

    return atomic_compare_exchange_strong_explicit(
        &r->n_refs, &one, 0, memory_order_acquire, memory_order_relaxed);
}

static struct vnetenc_flows_record *
find(const struct vnetenc_flow_key *key, uint32_t hash, bool is_gap)
{
    struct vnetenc_flows_record *r;

    CMAP_FOR_EACH_WITH_HASH (r, cmap_node, hash, &flows) {
        if (r->is_gap == is_gap && !memcmp(&r->key, key, sizeof *key)
            && try_ref(r)) {
            return r;
        }
    }
    return NULL;
}

static struct vnetenc_flows_record *
insert(const struct vnetenc_flow_key *key, uint32_t hash, bool is_gap)
    OVS_REQUIRES(mutex)
{
    struct vnetenc_flows_record *r = xzalloc(sizeof *r);

    memcpy(&r->key, key, sizeof r->key);        /* With padding. */
    r->is_gap = is_gap;
    atomic_init(&r->n_refs, 2);
    atomic_init(&r->n_packets, 0);
    atomic_init(&r->n_bytes, 0);
    atomic_init(&r->n_flows, 0);
    atomic_init(&r->tcp_flags, 0);
    cmap_insert(&flows, &r->cmap_node, hash);
    ovs_list_push_back(&all, &r->list_node);
    n_named += !is_gap;
    return r;
}

/* The members that decide what the log says, without names and addresses. */
static void
make_gap_key(const struct vnetenc_flow_key *key, bool is_named,
             struct vnetenc_flow_key *gap)
{
    memset(gap, 0, sizeof *gap);
    gap->metadata = is_named ? key->metadata : UINT64_MAX;
    gap->fate = key->fate;
    gap->reason = key->reason;
    gap->in.is_peer = key->in.is_peer;
    gap->came_sealed = key->came_sealed;
    gap->came_refused = key->came_refused;
}

static struct vnetenc_flows_record *
get_gap(const struct vnetenc_flow_key *key, bool is_named)
    OVS_REQUIRES(mutex)
{
    struct vnetenc_flows_record *r;
    struct vnetenc_flow_key gap;
    uint32_t hash;
    uint64_t orig;

    make_gap_key(key, is_named, &gap);
    hash = hash_bytes(&gap, sizeof gap, 1);
    r = find(&gap, hash, true);
    if (!r) {
        r = insert(&gap, hash, true);
    }
    atomic_add_relaxed(&r->n_flows, 1, &orig);
    return r;
}

struct vnetenc_flows_record *
vnetenc_flows_get(const struct vnetenc_flow_key *key, size_t max,
                  bool is_named)
{
    uint32_t hash = hash_bytes(key, sizeof *key, 0);
    struct vnetenc_flows_record *r = find(key, hash, false);

    if (r) {
        return r;
    }
    ovs_mutex_lock(&mutex);
    r = find(key, hash, false);
    if (!r) {
        r = (n_named < max ? insert(key, hash, false)
             : get_gap(key, is_named));
    }
    ovs_mutex_unlock(&mutex);
    return r;
}

const struct vnetenc_flow_key *
vnetenc_flows_key(const struct vnetenc_flows_record *r)
{
    return &r->key;
}

void
vnetenc_flows_unref(struct vnetenc_flows_record *r)
{
    unsigned int orig;

    atomic_sub_explicit(&r->n_refs, 1, &orig, memory_order_release);
    ovs_assert(orig > 1);
}

void
vnetenc_flows_credit(struct vnetenc_flows_record *r, uint64_t n_packets,
                     uint64_t n_bytes, uint16_t tcp_flags)
{
    uint64_t orig;
    uint16_t flags;

    atomic_add_relaxed(&r->n_packets, n_packets, &orig);
    atomic_add_relaxed(&r->n_bytes, n_bytes, &orig);
    if (tcp_flags) {
        atomic_or_relaxed(&r->tcp_flags, tcp_flags, &flags);
    }
}

static uint64_t
take(atomic_uint64_t *counter)
{
    uint64_t n, orig;

    atomic_read_relaxed(counter, &n);
    atomic_sub_relaxed(counter, n, &orig);
    return n;
}

/* Takes what 'r' holds.  Returns false if that is nothing to tell of. */
static bool
collect(struct vnetenc_flows_record *r, bool ended,
        struct vnetenc_flows_sum *sum)
{
    uint16_t flags;

    sum->key = r->key;
    sum->n_packets = take(&r->n_packets);
    sum->n_bytes = take(&r->n_bytes);
    sum->n_flows = take(&r->n_flows);
    atomic_and_relaxed(&r->tcp_flags, 0, &flags);
    sum->tcp_flags = flags;
    sum->is_gap = r->is_gap;
    sum->begun = !r->begun;
    sum->ended = ended;
    if (!sum->n_packets && !(ended && r->begun && !r->is_gap)) {
        return false;
    }
    r->begun = true;
    return true;
}

struct vnetenc_flows_sum *
vnetenc_flows_collect(size_t *n)
{
    struct vnetenc_flows_record *r;
    struct vnetenc_flows_sum *sums;
    size_t count = 0;

    ovs_mutex_lock(&mutex);
    sums = xmalloc(MAX(1, ovs_list_size(&all)) * sizeof *sums);
    LIST_FOR_EACH_SAFE (r, list_node, &all) {
        bool ended = try_end(r);

        count += collect(r, ended, &sums[count]);
        if (ended) {
            cmap_remove(&flows, &r->cmap_node,
                        hash_bytes(&r->key, sizeof r->key, r->is_gap));
            ovs_list_remove(&r->list_node);
            n_named -= !r->is_gap;
            ovsrcu_postpone(free, r);
        }
    }
    ovs_mutex_unlock(&mutex);
    *n = count;
    return sums;
}

size_t
vnetenc_flows_count(void)
{
    return cmap_count(&flows);
}
