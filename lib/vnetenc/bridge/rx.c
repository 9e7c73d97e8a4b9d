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
#include "vnetenc/bridge/rx.h"
#include <openssl/crypto.h>
#include <string.h>
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "vnetenc/bridge/tunnel.h"
#include "vnetenc/bridge/tuple.h"

static struct cmap receivers = CMAP_INITIALIZER;    /* struct vnetenc_rx. */

/* The number of changes of 'receivers', which grows after each change.  A
 * session that a thread found there stays valid as long as this number does
 * not change.  A thread that quiesces sees a new number before a withdrawn
 * session is freed. */
static atomic_uint64_t receivers_version = 1;

/* The session that this thread found last, and those that it is about to look
 * for, in this order: 'ahead[at]' is the next one.  Most packets of a batch
 * are of one session; if not, vnetenc_rx_fetch_batch() has been called. */
struct found_rx {
    struct vnetenc_rx *rx;
    uint64_t version;           /* 0: there is none. */
    size_t at, n;
    struct vnetenc_rx *ahead[VNETENC_BURST];
};
DEFINE_STATIC_PER_THREAD_DATA(struct found_rx, found_rx,
                              { NULL, 0, 0, 0, { NULL } });

/* What a record needs of a session, beside key and window, if one thread
 * receives for it. */
BUILD_ASSERT_DECL(OFFSETOFEND(struct vnetenc_rx, counts[0].n_bytes)
                  <= 2 * CACHE_LINE_SIZE);

static uint32_t
hash_of_rx(const struct vnetenc_rx *rx)
{
    return vnetenc_tuple_hash_path(&rx->path, rx->lane_port);
}

struct vnetenc_rx *
vnetenc_rx_create(const struct vnetenc_record_key *traffic,
                  const struct vnetenc_path_key *path, ovs_be16 lane_port)
{
    struct vnetenc_aead_key *key;
    struct vnetenc_rx *rx;

    if (traffic->single
        ? vnetenc_aead_key_create_single(traffic->cipher, traffic->key, &key)
        : vnetenc_aead_key_create(traffic->cipher, traffic->key, &key)) {
        return NULL;
    }

    rx = xzalloc_cacheline(sizeof *rx);
    rx->path = *path;
    rx->lane_port = lane_port;
    rx->geneve = !vnetenc_tunnel_is_vxlan(path->dtls_port);
    rx->key = key;
    rx->cipher = vnetenc_cipher_info(traffic->cipher);
    memcpy(rx->fixed_iv, traffic->fixed_iv, sizeof rx->fixed_iv);
    for (size_t i = 0; i < VNETENC_RX_COUNTS; i++) {
        atomic_init(&rx->counts[i].owner, 0);
        atomic_init(&rx->counts[i].n_records, 0);
        atomic_init(&rx->counts[i].n_bytes, 0);
    }
    atomic_init(&rx->n_failed, 0);
    vnetenc_rate_init(&rx->replies);
    vnetenc_rate_init(&rx->handshake);
    vnetenc_replay_init(&rx->window);
    vnetenc_halves_init(&rx->halves);
    return rx;
}

void
vnetenc_rx_destroy(struct vnetenc_rx *rx)
{
    if (rx) {
        vnetenc_aead_key_destroy(rx->key);
        OPENSSL_cleanse(rx->fixed_iv, sizeof rx->fixed_iv);
        vnetenc_halves_destroy(&rx->halves);
        free_cacheline(rx);
    }
}

static void
receivers_changed(void)
{
    uint64_t orig;

    atomic_add_explicit(&receivers_version, 1, &orig, memory_order_release);
}

void
vnetenc_rx_publish(struct vnetenc_rx *rx)
{
    struct vnetenc_rx *old = vnetenc_rx_find(&rx->path.local,
                                             rx->path.dtls_port,
                                             &rx->path.remote, rx->lane_port);

    ovs_assert(!rx->published);
    if (old) {
        cmap_replace(&receivers, &old->node, &rx->node, hash_of_rx(rx));
        old->published = false;
    } else {
        cmap_insert(&receivers, &rx->node, hash_of_rx(rx));
    }
    rx->published = true;
    receivers_changed();
}

void
vnetenc_rx_retire(struct vnetenc_rx *rx)
{
    if (rx) {
        if (rx->published) {
            cmap_remove(&receivers, &rx->node, hash_of_rx(rx));
            rx->published = false;
            receivers_changed();
        }
        ovsrcu_postpone(vnetenc_rx_destroy, rx);
    }
}

static bool
rx_has(const struct vnetenc_rx *rx, const struct in6_addr *local,
       ovs_be16 dtls_port, const struct in6_addr *remote, ovs_be16 lane_port)
{
    return (rx->lane_port == lane_port
            && vnetenc_tuple_is_of_path(&rx->path, local, dtls_port, remote));
}

struct vnetenc_rx *
vnetenc_rx_find(const struct in6_addr *local, ovs_be16 dtls_port,
                const struct in6_addr *remote, ovs_be16 lane_port)
{
    struct found_rx *found = found_rx_get();
    struct vnetenc_rx *rx;
    uint64_t version;
    uint32_t hash;

    atomic_read_explicit(&receivers_version, &version, memory_order_acquire);
    if (found->version == version) {
        if (rx_has(found->rx, local, dtls_port, remote, lane_port)) {
            return found->rx;
        } else if (found->at < found->n
                   && rx_has(found->ahead[found->at], local, dtls_port,
                             remote, lane_port)) {
            found->rx = found->ahead[found->at++];
            return found->rx;
        }
    }

    hash = vnetenc_tuple_hash(local, dtls_port, remote, lane_port);
    CMAP_FOR_EACH_WITH_HASH (rx, node, hash, &receivers) {
        if (rx_has(rx, local, dtls_port, remote, lane_port)) {
            found->rx = rx;
            found->version = version;
            found->n = 0;
            return rx;
        }
    }
    return NULL;
}

void
vnetenc_rx_fetch_batch(const uint32_t hashes[], const uint64_t seqs[],
                       size_t n)
{
    struct found_rx *found = found_rx_get();
    uint64_t version;

    ovs_assert(n >= 1 && n <= VNETENC_BURST);
    atomic_read_explicit(&receivers_version, &version, memory_order_acquire);
    found->n = 0;
    for (size_t i = 0; i < n; i++) {
        const struct cmap_node *node = cmap_find(&receivers, hashes[i]);
        struct vnetenc_rx *rx;

        if (node) {
            rx = CONTAINER_OF(node, struct vnetenc_rx, node);
            OVS_PREFETCH(rx);
            OVS_PREFETCH_WRITE(&rx->counts[0]);
            vnetenc_replay_fetch(&rx->window, seqs[i]);
            found->ahead[found->n++] = rx;
        }
    }
    for (size_t i = 0; i < found->n; i++) {
        OVS_PREFETCH(found->ahead[i]->key);
    }
    for (size_t i = 0; i < found->n; i++) {
        vnetenc_aead_fetch(found->ahead[i]->key);
    }
    found->rx = found->ahead[0];
    found->version = found->n ? version : 0;
    found->at = 1;
}

/* Returns the counts that belong to this thread, or NULL if it has none.  The
 * first threads to receive records of a session each take their own.  There is
 * almost always only one such thread, because a lane goes into one queue of a
 * device. */
static struct vnetenc_rx_counts *
own_counts(struct vnetenc_rx *rx)
{
    unsigned int self = ovsthread_id_self() + 1;

    for (size_t i = 0; i < VNETENC_RX_COUNTS - 1; i++) {
        struct vnetenc_rx_counts *count = &rx->counts[i];
        unsigned int owner;

        atomic_read_relaxed(&count->owner, &owner);
        if (owner == self
            || (!owner
                && atomic_compare_exchange_strong_relaxed(&count->owner,
                                                          &owner, self))) {
            return count;
        }
    }
    return NULL;
}

void
vnetenc_rx_count(struct vnetenc_rx *rx, size_t n_bytes)
{
    struct vnetenc_rx_counts *count = own_counts(rx);
    uint64_t old;

    if (count) {
        atomic_read_relaxed(&count->n_records, &old);
        atomic_store_relaxed(&count->n_records, old + 1);
        atomic_read_relaxed(&count->n_bytes, &old);
        atomic_store_relaxed(&count->n_bytes, old + n_bytes);
    } else {
        /* All other threads share the last entry. */
        count = &rx->counts[VNETENC_RX_COUNTS - 1];
        atomic_add_relaxed(&count->n_records, 1, &old);
        atomic_add_relaxed(&count->n_bytes, n_bytes, &old);
    }
}

void
vnetenc_rx_sum(const struct vnetenc_rx *rx_, uint64_t *n_records,
               uint64_t *n_bytes)
{
    struct vnetenc_rx *rx = CONST_CAST(struct vnetenc_rx *, rx_);

    *n_records = *n_bytes = 0;
    for (size_t i = 0; i < VNETENC_RX_COUNTS; i++) {
        uint64_t value;

        atomic_read_relaxed(&rx->counts[i].n_records, &value);
        *n_records += value;
        atomic_read_relaxed(&rx->counts[i].n_bytes, &value);
        *n_bytes += value;
    }
}

void
vnetenc_rx_sweep(long long int now)
{
    struct vnetenc_rx *rx;

    CMAP_FOR_EACH (rx, node, &receivers) {
        vnetenc_halves_sweep(&rx->halves, now);
    }
}

bool
vnetenc_rx_may_reply(struct vnetenc_rx *rx, long long int now)
{
    return vnetenc_rate_take(&rx->replies, now,
                             1000000 / VNETENC_REPLIES_PER_SECOND,
                             VNETENC_REPLIES_PER_SECOND);
}

bool
vnetenc_rx_may_shake(struct vnetenc_rx *rx, long long int now)
{
    return vnetenc_rate_take(&rx->handshake, now,
                             1000000 / VNETENC_SOURCE_PER_SECOND,
                             VNETENC_SOURCE_BURST);
}
