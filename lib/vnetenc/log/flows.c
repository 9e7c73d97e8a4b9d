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
#include <limits.h>
#include <string.h>
#include "cmap.h"
#include "hash.h"
#include "openvswitch/list.h"
#include "ovs-atomic.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/bridge/rate.h"

/* A network that has this many times as many records as are free gets no
 * more, so that it cannot take those of the others. */
enum { SHARE = 4 };

/* A network that has had too many new flows is coarse for so long. */
enum { COARSE_MS = 60000 };

/* Records that are collected without a break. */
enum { SLICE = 256 };

/* What new flows a network may have at a level. */
struct budget {
    struct vnetenc_rate rate;
    atomic_llong coarse_until;  /* In milliseconds of time_msec(). */
};

/* All networks without a name count as one. */
struct network {
    struct cmap_node cmap_node; /* In 'networks'. */
    uint64_t metadata;
    bool is_named;
    atomic_size_t n_records;    /* Except sums.  Writers have 'mutex'. */
    struct budget budgets[VNETENC_FLOWS_CONNECTIONS + 1];
};

struct vnetenc_flows_record {
    struct cmap_node cmap_node; /* In 'flows'. */
    struct ovs_list list_node;  /* In 'all'. */
    struct vnetenc_flow_key key;
    uint32_t hash;
    bool is_gap;
    bool is_named;              /* The network. */
    bool begun;                 /* Collecting thread. */

    /* One reference is the table's.  A record whose count is 0 has ended:
     * nobody takes another reference. */
    atomic_uint n_refs;

    atomic_uint64_t n_packets;
    atomic_uint64_t n_bytes;
    atomic_uint64_t n_flows;
    atomic_uint16_t tcp_flags;
    atomic_llong since;         /* LLONG_MAX if nothing was credited. */
};

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
static struct cmap flows = CMAP_INITIALIZER;    /* Writers have 'mutex'. */
static struct cmap networks = CMAP_INITIALIZER; /* The same. */
static struct ovs_list all OVS_GUARDED_BY(mutex) = OVS_LIST_INITIALIZER(&all);
static atomic_size_t n_named;   /* Records except sums.  As 'flows'. */

/* Networks. */

static uint64_t
network_id(uint64_t metadata, bool is_named)
{
    return is_named ? metadata : UINT64_MAX;
}

static struct network *
find_network(uint64_t metadata, bool is_named)
{
    uint64_t id = network_id(metadata, is_named);
    struct network *network;

    CMAP_FOR_EACH_WITH_HASH (network, cmap_node, hash_uint64(id),
                             &networks) {
        if (network->metadata == id && network->is_named == is_named) {
            return network;
        }
    }
    return NULL;
}

static struct network *
need_network(uint64_t metadata, bool is_named)
    OVS_REQUIRES(mutex)
{
    struct network *network = find_network(metadata, is_named);

    if (!network) {
        network = xzalloc(sizeof *network);
        network->metadata = network_id(metadata, is_named);
        network->is_named = is_named;
        cmap_insert(&networks, &network->cmap_node,
                    hash_uint64(network->metadata));
    }
    return network;
}

static bool
is_coarse(struct network *network, enum vnetenc_flows_level level,
          long long int now)
{
    long long int until;

    atomic_read_relaxed(&network->budgets[level].coarse_until, &until);
    return now < until;
}

static void
add_to_size(atomic_size_t *counter, int n)
    OVS_REQUIRES(mutex)
{
    size_t size;

    atomic_read_relaxed(counter, &size);
    atomic_store_relaxed(counter, size + n);
}

/* Counts a record that comes or goes. */
static void
count_record(const struct vnetenc_flows_record *r, int n)
    OVS_REQUIRES(mutex)
{
    if (!r->is_gap) {
        add_to_size(&n_named, n);
        add_to_size(&need_network(r->key.metadata, r->is_named)->n_records,
                    n);
    }
}

/* Returns true if a table of 'max' records has room for one of 'network'. */
static bool
has_room(struct network *network, size_t max)
{
    size_t n, n_all;

    atomic_read_relaxed(&network->n_records, &n);
    atomic_read_relaxed(&n_named, &n_all);
    return n_all < max && n < SHARE * (max - n_all);
}

/* Frees the networks of which nothing needs to be known. */
static void
sweep_networks(long long int now)
{
    struct network *network;

    ovs_mutex_lock(&mutex);
    CMAP_FOR_EACH (network, cmap_node, &networks) {
        size_t n;

        atomic_read_relaxed(&network->n_records, &n);
        if (!n && !is_coarse(network, VNETENC_FLOWS_PAIRS, now)
            && !is_coarse(network, VNETENC_FLOWS_CONNECTIONS, now)) {
            cmap_remove(&networks, &network->cmap_node,
                        hash_uint64(network->metadata));
            ovsrcu_postpone(free, network);
        }
    }
    ovs_mutex_unlock(&mutex);
}

/* Records. */

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
insert(const struct vnetenc_flow_key *key, uint32_t hash, bool is_gap,
       bool is_named)
    OVS_REQUIRES(mutex)
{
    struct vnetenc_flows_record *r = xzalloc(sizeof *r);

    memcpy(&r->key, key, sizeof r->key);        /* With padding. */
    r->hash = hash;
    r->is_gap = is_gap;
    r->is_named = is_named;
    atomic_init(&r->n_refs, 2);
    atomic_init(&r->n_packets, 0);
    atomic_init(&r->n_bytes, 0);
    atomic_init(&r->n_flows, 0);
    atomic_init(&r->tcp_flags, 0);
    atomic_init(&r->since, LLONG_MAX);
    cmap_insert(&flows, &r->cmap_node, hash);
    ovs_list_push_back(&all, &r->list_node);
    count_record(r, 1);
    return r;
}

static uint32_t
hash_key(const struct vnetenc_flow_key *key, bool is_gap)
{
    return hash_bytes(key, sizeof *key, is_gap);
}

/* The members that decide what the log says, without names and addresses. */
static void
make_gap_key(const struct vnetenc_flow_key *key, bool is_named,
             struct vnetenc_flow_key *gap)
{
    memset(gap, 0, sizeof *gap);
    gap->metadata = network_id(key->metadata, is_named);
    gap->fate = key->fate;
    gap->reason = key->reason;
    gap->in.is_peer = key->in.is_peer;
    gap->in.is_outside = key->in.is_outside;
    gap->came_sealed = key->came_sealed;
    gap->note = key->note;
}

/* Returns a record, which is made if there is none. */
static struct vnetenc_flows_record *
need(const struct vnetenc_flow_key *key, bool is_gap, bool is_named)
{
    uint32_t hash = hash_key(key, is_gap);
    struct vnetenc_flows_record *r = find(key, hash, is_gap);

    if (!r) {
        ovs_mutex_lock(&mutex);
        r = find(key, hash, is_gap);
        if (!r) {
            r = insert(key, hash, is_gap, is_named);
        }
        ovs_mutex_unlock(&mutex);
    }
    return r;
}

/* Returns the record of 'key', made if there is room for it, or NULL. */
static struct vnetenc_flows_record *
get_named(const struct vnetenc_flow_key *key, size_t max, bool is_named)
{
    uint32_t hash = hash_key(key, false);
    struct vnetenc_flows_record *r = find(key, hash, false);
    struct network *network;

    if (r) {
        return r;
    }
    network = find_network(key->metadata, is_named);
    if (network && !has_room(network, max)) {
        return NULL;            /* An attacker must not have the mutex. */
    }
    ovs_mutex_lock(&mutex);
    r = find(key, hash, false);
    if (!r && has_room(need_network(key->metadata, is_named), max)) {
        r = insert(key, hash, false, is_named);
    }
    ovs_mutex_unlock(&mutex);
    return r;
}

struct vnetenc_flows_record *
vnetenc_flows_get(const struct vnetenc_flow_key *key, size_t max,
                  bool is_named)
{
    struct vnetenc_flows_record *r = get_named(key, max, is_named);
    struct vnetenc_flow_key gap;
    uint64_t orig;

    if (!r) {
        make_gap_key(key, is_named, &gap);
        r = need(&gap, true, is_named);
        atomic_add_relaxed(&r->n_flows, 1, &orig);
    }
    return r;
}

struct vnetenc_flows_record *
vnetenc_flows_get_unknown(const struct vnetenc_flows_record *r, size_t max)
{
    struct vnetenc_flow_key key;

    memcpy(&key, &r->key, sizeof key);
    key.fate = VNETENC_FLOW_UNKNOWN;
    key.reason = VNETENC_KEEP;
    key.profile = 0;
    return (r->is_gap ? need(&key, true, r->is_named)
            : vnetenc_flows_get(&key, max, r->is_named));
}

static bool
exists(const struct vnetenc_flow_key *key)
{
    struct vnetenc_flows_record *r = find(key, hash_key(key, false), false);

    if (r) {
        vnetenc_flows_unref(r);
    }
    return r != NULL;
}

bool
vnetenc_flows_admit(const struct vnetenc_flow_key *key, bool is_named,
                    enum vnetenc_flows_level level, size_t max,
                    unsigned int per_second, bool is_new, long long int now)
{
    struct network *network = find_network(key->metadata, is_named);
    struct budget *budget;

    if (!network) {
        ovs_mutex_lock(&mutex);
        network = need_network(key->metadata, is_named);
        ovs_mutex_unlock(&mutex);
    }
    if (!per_second || is_coarse(network, level, now)) {
        return false;
    }
    if (!is_new || exists(key)) {
        return true;
    }
    budget = &network->budgets[level];
    if (has_room(network, max)
        && vnetenc_rate_take(&budget->rate, now, 1000000 / per_second,
                             per_second)) {
        return true;
    }
    atomic_store_relaxed(&budget->coarse_until, now + COARSE_MS);
    return false;
}

void
vnetenc_flows_unref(struct vnetenc_flows_record *r)
{
    unsigned int orig;

    atomic_sub_explicit(&r->n_refs, 1, &orig, memory_order_release);
    ovs_assert(orig > 1);
}

/* Lowers 'since' to 'value'. */
static void
lower(atomic_llong *since, long long int value)
{
    long long int old;

    atomic_read(since, &old);
    while (value < old && !atomic_compare_exchange_weak(since, &old, value)) {
        continue;
    }
}

void
vnetenc_flows_credit(struct vnetenc_flows_record *r, uint64_t n_packets,
                     uint64_t n_bytes, uint16_t tcp_flags,
                     long long int since)
{
    uint64_t orig;
    uint16_t flags;

    /* Whoever collects the packets takes the time before and reads it after
     * that, so the first of these is seen.  If the time was taken and the
     * packets were not, the second is for the next time. */
    lower(&r->since, since);
    atomic_add(&r->n_packets, n_packets, &orig);
    lower(&r->since, since);
    atomic_add_relaxed(&r->n_bytes, n_bytes, &orig);
    if (tcp_flags) {
        atomic_or_relaxed(&r->tcp_flags, tcp_flags, &flags);
    }
}

static uint64_t
take(atomic_uint64_t *counter)
{
    uint64_t n, orig;

    atomic_read(counter, &n);
    atomic_sub(counter, n, &orig);
    return n;
}

static long long int
take_since(atomic_llong *since)
{
    long long int old;

    atomic_read(since, &old);
    while (!atomic_compare_exchange_weak(since, &old, LLONG_MAX)) {
        continue;
    }
    return old;
}

/* Takes what 'r' holds.  Returns false if that is nothing to tell of. */
static bool
collect(struct vnetenc_flows_record *r, bool ended,
        struct vnetenc_flows_sum *sum)
{
    long long int since;
    uint16_t flags;

    sum->key = r->key;
    sum->since = take_since(&r->since);
    sum->n_packets = take(&r->n_packets);
    atomic_read(&r->since, &since);
    sum->since = MIN(sum->since, since);
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

/* Collects up to 'n' records that follow the list node 'at', and returns the
 * last of them that stays.  Appends to 'sums'. */
static struct ovs_list *
collect_slice(struct ovs_list *at, size_t n, struct vnetenc_flows_sum *sums,
              size_t *n_sums)
    OVS_REQUIRES(mutex)
{
    for (; n && at->next != &all; n--) {
        struct vnetenc_flows_record *r
            = CONTAINER_OF(at->next, struct vnetenc_flows_record, list_node);
        bool ended = try_end(r);

        *n_sums += collect(r, ended, &sums[*n_sums]);
        if (!ended) {
            at = &r->list_node;
            continue;
        }
        cmap_remove(&flows, &r->cmap_node, r->hash);
        ovs_list_remove(&r->list_node);
        count_record(r, -1);
        ovsrcu_postpone(free, r);
    }
    return at;
}

struct vnetenc_flows_sum *
vnetenc_flows_collect(size_t *n)
{
    /* Records that come meanwhile are for the next time. */
    size_t left = cmap_count(&flows);
    struct vnetenc_flows_sum *sums = xmalloc(MAX(1, left) * sizeof *sums);
    struct ovs_list *at = &all;
    size_t some;

    *n = 0;
    for (; left; left -= some) {
        some = MIN(left, SLICE);
        ovs_mutex_lock(&mutex);
        at = collect_slice(at, some, sums, n);
        ovs_mutex_unlock(&mutex);
        ovsrcu_quiesce();
    }
    sweep_networks(time_msec());
    return sums;
}

size_t
vnetenc_flows_count(void)
{
    return cmap_count(&flows);
}
