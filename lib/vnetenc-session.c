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
#include "vnetenc-session.h"
#include <openssl/crypto.h>
#include <string.h>
#include "hash.h"
#include "packets.h"
#include "util.h"

static struct cmap paths = CMAP_INITIALIZER;        /* struct vnetenc_lanes. */
static struct cmap receivers = CMAP_INITIALIZER;    /* struct vnetenc_rx. */

uint32_t
vnetenc_path_hash(const struct vnetenc_path *path)
{
    uint32_t hash = hash_bytes(&path->remote, sizeof path->remote,
                               path->profile);

    hash = hash_bytes(&path->local, sizeof path->local, hash);
    return hash_int((OVS_FORCE uint16_t) path->dtls_port, hash);
}

bool
vnetenc_path_equals(const struct vnetenc_path *a,
                    const struct vnetenc_path *b)
{
    return (a->dtls_port == b->dtls_port
            && a->profile == b->profile
            && ipv6_addr_equals(&a->remote, &b->remote)
            && ipv6_addr_equals(&a->local, &b->local));
}

void
vnetenc_traffic_key_wipe(struct vnetenc_traffic_key *traffic)
{
    OPENSSL_cleanse(traffic, sizeof *traffic);
}

/* Sender's half. */

struct vnetenc_tx *
vnetenc_tx_create(const struct vnetenc_traffic_key *traffic,
                  ovs_be16 lane_port, uint64_t end_seq, uint64_t max_bytes)
{
    struct vnetenc_aead_key *key;
    struct vnetenc_tx *tx;

    if (vnetenc_aead_key_create(traffic->cipher, traffic->key, &key)) {
        return NULL;
    }

    tx = xzalloc_cacheline(sizeof *tx);
    tx->key = key;
    tx->cipher = vnetenc_cipher_info(traffic->cipher);
    memcpy(tx->fixed_iv, traffic->fixed_iv, sizeof tx->fixed_iv);
    tx->lane_port = lane_port;
    tx->end_seq = MIN(end_seq, VNETENC_MAX_SEQ + 1);
    tx->max_bytes = max_bytes;
    atomic_init(&tx->next_seq, VNETENC_FIRST_SEQ);
    atomic_init(&tx->n_bytes, 0);
    return tx;
}

void
vnetenc_tx_destroy(struct vnetenc_tx *tx)
{
    if (tx) {
        vnetenc_aead_key_destroy(tx->key);
        OPENSSL_cleanse(tx->fixed_iv, sizeof tx->fixed_iv);
        free_cacheline(tx);
    }
}

void
vnetenc_tx_retire(struct vnetenc_tx *tx)
{
    if (tx) {
        ovsrcu_postpone(vnetenc_tx_destroy, tx);
    }
}

/* Adds 'n' to 'counter' unless that would lift it over 'max'.  Returns the
 * value before, or UINT64_MAX.  Never wraps. */
static uint64_t
add_up_to(atomic_uint64_t *counter, uint64_t n, uint64_t max)
{
    uint64_t old;

    atomic_read_relaxed(counter, &old);
    if (old > max || n > max - old) {
        return UINT64_MAX;
    }
    atomic_add_relaxed(counter, n, &old);
    return old > max || n > max - old ? UINT64_MAX : old;
}

uint64_t
vnetenc_tx_reserve(struct vnetenc_tx *tx, unsigned int n, uint64_t n_bytes)
{
    if (add_up_to(&tx->n_bytes, n_bytes, tx->max_bytes) == UINT64_MAX) {
        return UINT64_MAX;
    }
    return add_up_to(&tx->next_seq, n, tx->end_seq);
}

/* Lanes. */

struct vnetenc_lanes *
vnetenc_lanes_create(const struct vnetenc_path *path, unsigned int n_lanes)
{
    struct vnetenc_lanes *lanes = xzalloc(sizeof *lanes);

    ovs_assert(n_lanes >= 1 && n_lanes <= VNETENC_MAX_LANES);
    lanes->path = *path;
    for (size_t i = 0; i < VNETENC_MAX_LANES; i++) {
        ovsrcu_init(&lanes->tx[i], NULL);
    }
    atomic_init(&lanes->n_lanes, n_lanes);
    atomic_init(&lanes->clear_at, LLONG_MAX);
    atomic_init(&lanes->clear_reason, VNETENC_DROP_clear_no_session);
    vnetenc_rate_init(&lanes->want);
    atomic_init(&lanes->n_dropped, 0);
    atomic_init(&lanes->n_clear, 0);
    cmap_insert(&paths, &lanes->node, vnetenc_path_hash(path));
    return lanes;
}

void
vnetenc_lanes_retire(struct vnetenc_lanes *lanes)
{
    for (size_t i = 0; i < VNETENC_MAX_LANES; i++) {
        ovs_assert(!ovsrcu_get_protected(struct vnetenc_tx *, &lanes->tx[i]));
    }
    cmap_remove(&paths, &lanes->node, vnetenc_path_hash(&lanes->path));
    ovsrcu_postpone(free, lanes);
}

struct vnetenc_lanes *
vnetenc_lanes_find(const struct vnetenc_path *path)
{
    struct vnetenc_lanes *lanes;

    CMAP_FOR_EACH_WITH_HASH (lanes, node, vnetenc_path_hash(path), &paths) {
        if (vnetenc_path_equals(&lanes->path, path)) {
            return lanes;
        }
    }
    return NULL;
}

struct vnetenc_tx *
vnetenc_lanes_swap(struct vnetenc_lanes *lanes, unsigned int lane,
                   struct vnetenc_tx *tx)
{
    struct vnetenc_tx *old;

    ovs_assert(lane < VNETENC_MAX_LANES);
    old = ovsrcu_get_protected(struct vnetenc_tx *, &lanes->tx[lane]);
    ovsrcu_set(&lanes->tx[lane], tx);
    return old;
}

bool
vnetenc_lanes_may_want(struct vnetenc_lanes *lanes, long long int now)
{
    return vnetenc_rate_take(&lanes->want, now,
                             1000 * VNETENC_WANT_AGAIN_MS, 1);
}

/* Receiver's half. */

static uint32_t
hash_rx(const struct in6_addr *local, ovs_be16 dtls_port,
        const struct in6_addr *remote, ovs_be16 lane_port)
{
    uint32_t ports = (((OVS_FORCE uint32_t) dtls_port << 16)
                      | (OVS_FORCE uint32_t) lane_port);
    uint32_t hash = hash_bytes(remote, sizeof *remote, ports);

    return hash_bytes(local, sizeof *local, hash);
}

static uint32_t
hash_of_rx(const struct vnetenc_rx *rx)
{
    return hash_rx(&rx->path.local, rx->path.dtls_port, &rx->path.remote,
                   rx->lane_port);
}

struct vnetenc_rx *
vnetenc_rx_create(const struct vnetenc_traffic_key *traffic,
                  const struct vnetenc_path *path, ovs_be16 lane_port)
{
    struct vnetenc_aead_key *key;
    struct vnetenc_rx *rx;

    if (vnetenc_aead_key_create(traffic->cipher, traffic->key, &key)) {
        return NULL;
    }

    rx = xzalloc_cacheline(sizeof *rx);
    rx->path = *path;
    rx->lane_port = lane_port;
    rx->key = key;
    rx->cipher = vnetenc_cipher_info(traffic->cipher);
    memcpy(rx->fixed_iv, traffic->fixed_iv, sizeof rx->fixed_iv);
    atomic_init(&rx->n_records, 0);
    atomic_init(&rx->n_bytes, 0);
    atomic_init(&rx->n_failed, 0);
    vnetenc_rate_init(&rx->replies);
    vnetenc_rate_init(&rx->handshake);
    vnetenc_replay_init(&rx->window);
    return rx;
}

void
vnetenc_rx_destroy(struct vnetenc_rx *rx)
{
    if (rx) {
        vnetenc_aead_key_destroy(rx->key);
        OPENSSL_cleanse(rx->fixed_iv, sizeof rx->fixed_iv);
        free_cacheline(rx);
    }
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
}

void
vnetenc_rx_retire(struct vnetenc_rx *rx)
{
    if (rx) {
        if (rx->published) {
            cmap_remove(&receivers, &rx->node, hash_of_rx(rx));
            rx->published = false;
        }
        ovsrcu_postpone(vnetenc_rx_destroy, rx);
    }
}

struct vnetenc_rx *
vnetenc_rx_find(const struct in6_addr *local, ovs_be16 dtls_port,
                const struct in6_addr *remote, ovs_be16 lane_port)
{
    uint32_t hash = hash_rx(local, dtls_port, remote, lane_port);
    struct vnetenc_rx *rx;

    CMAP_FOR_EACH_WITH_HASH (rx, node, hash, &receivers) {
        if (rx->lane_port == lane_port
            && rx->path.dtls_port == dtls_port
            && ipv6_addr_equals(&rx->path.remote, remote)
            && ipv6_addr_equals(&rx->path.local, local)) {
            return rx;
        }
    }
    return NULL;
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
