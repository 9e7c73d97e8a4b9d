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
    /* Small limits would be met while threads have most of a session to
     * themselves.  A provider that makes the nonces has one order. */
    tx->has_ranges = (!makes_nonces
                      && (tx->end_seq
                          >= VNETENC_FIRST_SEQ + VNETENC_RANGES_MIN_RECORDS)
                      && max_bytes >= VNETENC_RANGES_MIN_BYTES);
    tx->makes_nonces = makes_nonces;
    tx->first_nonce = first_nonce;
    atomic_init(&tx->spent, false);
    atomic_init(&tx->next_seq, VNETENC_FIRST_SEQ);
    atomic_init(&tx->bytes_taken, 0);
    for (size_t i = 0; i < ARRAY_SIZE(tx->ranges); i++) {
        atomic_init(&tx->ranges[i].n_records, 0);
        atomic_init(&tx->ranges[i].n_bytes, 0);
    }
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

/* Gives 'range', of which 'records' numbers were used so far, at least 'n'
 * more.  Takes twice as many as the last time, up to VNETENC_RANGE_RECORDS,
 * but only 'n' if the range fell 'behind', so that a thread which seals seldom
 * wastes few.  Returns false if the session does not have so many. */
static bool
extend_numbers(struct vnetenc_tx *tx, struct vnetenc_tx_range *range,
               uint64_t records, bool behind, unsigned int n)
{
    uint64_t own_end = range->base + range->max_records;
    uint64_t left = range->max_records - records;
    uint64_t next, first, end;

    range->step = behind ? 0 : MIN(2 * range->step + 1, VNETENC_RANGE_RECORDS);
    atomic_read_relaxed(&tx->next_seq, &next);
    do {
        /* What is left is given up, unless nobody took the numbers behind
         * it. */
        first = next == own_end ? next - left : next;
        end = MAX(first + n, next + range->step);
        if (end > tx->end_seq) {
            end = first + n;
        }
        if (end > tx->end_seq) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_relaxed(&tx->next_seq, &next, end));
    range->base = first - records;
    range->max_records = records + (end - first);
    return true;
}

/* Takes at least 'n_bytes' bytes; exactly these near the limit.  Returns how
 * many it took, or UINT64_MAX. */
static uint64_t
take_bytes(struct vnetenc_tx *tx, uint64_t n_bytes)
{
    if (n_bytes <= VNETENC_RANGE_BYTES
        && add_up_to(&tx->bytes_taken, VNETENC_RANGE_BYTES,
                     tx->max_bytes) != UINT64_MAX) {
        return VNETENC_RANGE_BYTES;
    }
    return (add_up_to(&tx->bytes_taken, n_bytes, tx->max_bytes) != UINT64_MAX
            ? n_bytes : UINT64_MAX);
}

/* Implements vnetenc_tx_reserve() for a thread that owns 'range'. */
static inline ALWAYS_INLINE uint64_t
reserve_own(struct vnetenc_tx *tx, struct vnetenc_tx_range *range,
            unsigned int n, uint64_t n_bytes)
{
    uint64_t records, bytes, next;
    bool behind;

    atomic_read_relaxed(&range->n_bytes, &bytes);
    if (OVS_UNLIKELY(n_bytes > range->max_bytes - bytes)) {
        uint64_t taken = take_bytes(tx, n_bytes);

        if (taken == UINT64_MAX) {
            return UINT64_MAX;
        }
        range->max_bytes += taken;
    }

    atomic_read_relaxed(&tx->next_seq, &next);
    atomic_read_relaxed(&range->n_records, &records);
    behind = next - (range->base + records) > VNETENC_RANGE_LAG;
    if (OVS_UNLIKELY(behind || n > range->max_records - records)
        && !extend_numbers(tx, range, records, behind, n)) {
        return UINT64_MAX;
    }
    atomic_store_relaxed(&range->n_records, records + n);
    atomic_store_relaxed(&range->n_bytes, bytes + n_bytes);
    return range->base + records;
}

uint64_t
vnetenc_tx_reserve_newest(struct vnetenc_tx *tx, unsigned int n,
                          uint64_t n_bytes)
{
    struct vnetenc_tx_range *common = &tx->ranges[VNETENC_NO_SLOT];
    uint64_t seq = UINT64_MAX;
    uint64_t orig;

    if (add_up_to(&tx->bytes_taken, n_bytes, tx->max_bytes) != UINT64_MAX) {
        seq = add_up_to(&tx->next_seq, n, tx->end_seq);
    }
    if (OVS_UNLIKELY(seq == UINT64_MAX)) {
        atomic_store_relaxed(&tx->spent, true);
    } else {
        atomic_add_relaxed(&common->n_records, n, &orig);
        atomic_add_relaxed(&common->n_bytes, n_bytes, &orig);
    }
    return seq;
}

uint64_t
vnetenc_tx_reserve(struct vnetenc_tx *tx, unsigned int n, uint64_t n_bytes)
{
    unsigned int slot = vnetenc_slot_own();
    uint64_t seq;

    if (OVS_UNLIKELY(!tx->has_ranges || slot == VNETENC_NO_SLOT)
        || n >= VNETENC_RANGE_BURST) {
        return vnetenc_tx_reserve_newest(tx, n, n_bytes);
    }
    seq = reserve_own(tx, &tx->ranges[slot], n, n_bytes);
    if (OVS_UNLIKELY(seq == UINT64_MAX)) {
        atomic_store_relaxed(&tx->spent, true);
    }
    return seq;
}

void
vnetenc_tx_sum(const struct vnetenc_tx *tx_, uint64_t *n_records,
               uint64_t *n_bytes)
{
    struct vnetenc_tx *tx = CONST_CAST(struct vnetenc_tx *, tx_);

    *n_records = *n_bytes = 0;
    for (size_t i = 0; i < ARRAY_SIZE(tx->ranges); i++) {
        uint64_t value;

        atomic_read_relaxed(&tx->ranges[i].n_records, &value);
        *n_records += value;
        atomic_read_relaxed(&tx->ranges[i].n_bytes, &value);
        *n_bytes += value;
    }
}

bool
vnetenc_tx_is_spent(const struct vnetenc_tx *tx_)
{
    struct vnetenc_tx *tx = CONST_CAST(struct vnetenc_tx *, tx_);
    bool spent;

    atomic_read_relaxed(&tx->spent, &spent);
    return spent;
}
