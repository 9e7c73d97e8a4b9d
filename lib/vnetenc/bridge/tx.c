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
#include "vnetenc/bridge/tx.h"
#include <openssl/crypto.h>
#include <string.h>
#include <unistd.h>
#include "ovs-rcu.h"

struct vnetenc_tx *
vnetenc_tx_create(const struct vnetenc_record_key *traffic,
                  ovs_be16 lane_port, uint64_t end_seq, uint64_t max_bytes)
{
    struct vnetenc_aead_key *key;
    struct vnetenc_tx *tx;
    uint64_t first_nonce;
    bool makes_nonces;

    if (traffic->single
        ? vnetenc_aead_key_create_single(traffic->cipher, traffic->key, &key)
        : vnetenc_aead_key_create(traffic->cipher, traffic->key, &key)) {
        return NULL;
    }
    if (vnetenc_aead_key_begin(key, traffic->fixed_iv, &makes_nonces,
                               &first_nonce)) {
        vnetenc_aead_key_destroy(key);
        return NULL;
    }

    tx = xzalloc_cacheline(sizeof *tx);
    tx->key = key;
    tx->cipher = vnetenc_cipher_info(traffic->cipher);
    memcpy(tx->fixed_iv, traffic->fixed_iv, sizeof tx->fixed_iv);
    tx->lane_port = lane_port;
    tx->fd = -1;
    tx->end_seq = MIN(end_seq, VNETENC_MAX_SEQ + 1);
    if (makes_nonces) {
        /* Beyond, a nonce could be one that libssl used under this key. */
        tx->end_seq = MIN(tx->end_seq,
                          VNETENC_FIRST_SEQ + VNETENC_NONCE_GAP);
    }
    tx->max_bytes = max_bytes;
    tx->makes_nonces = makes_nonces;
    tx->first_nonce = first_nonce;
    atomic_init(&tx->spent, false);
    atomic_init(&tx->next_seq, VNETENC_FIRST_SEQ);
    atomic_init(&tx->n_bytes, 0);
    return tx;
}

void
vnetenc_tx_set_fd(struct vnetenc_tx *tx, int fd)
{
    ovs_assert(tx->fd < 0);
    tx->fd = fd;
}

void
vnetenc_tx_destroy(struct vnetenc_tx *tx)
{
    if (tx) {
        vnetenc_aead_key_destroy(tx->key);
        OPENSSL_cleanse(tx->fixed_iv, sizeof tx->fixed_iv);
        if (tx->fd >= 0) {
            close(tx->fd);
        }
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

/* Adds 'n' to 'counter' and returns the value before, or returns UINT64_MAX if
 * the sum would be over 'max'.  Threads that add at once may lift the counter
 * over 'max', but only those whose own sum is not over 'max' succeed.  Never
 * wraps. */
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
    uint64_t seq = UINT64_MAX;

    if (add_up_to(&tx->n_bytes, n_bytes, tx->max_bytes) != UINT64_MAX) {
        seq = add_up_to(&tx->next_seq, n, tx->end_seq);
    }
    if (seq == UINT64_MAX) {
        atomic_store_relaxed(&tx->spent, true);
    }
    return seq;
}

bool
vnetenc_tx_is_spent(const struct vnetenc_tx *tx_)
{
    struct vnetenc_tx *tx = CONST_CAST(struct vnetenc_tx *, tx_);
    bool spent;

    atomic_read_relaxed(&tx->spent, &spent);
    return spent;
}
