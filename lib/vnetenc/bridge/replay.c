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
#include "vnetenc/bridge/replay.h"

enum { BLOCK_SHIFT = 5 };       /* 32 sequence numbers in a block. */
BUILD_ASSERT_DECL(IS_POW2(VNETENC_REPLAY_SLOTS));

static uint64_t
block_of(uint64_t seq)
{
    return seq >> BLOCK_SHIFT;
}

static uint32_t
bit_of(uint64_t seq)
{
    return UINT32_C(1) << (seq & ((1u << BLOCK_SHIFT) - 1));
}

/* Checks 'seq' against 'slot', the contents of the slot of its block. */
static enum vnetenc_drop
check_slot(uint64_t slot, uint64_t seq)
{
    uint64_t block = slot >> 32;

    if (block > block_of(seq)) {
        return VNETENC_DROP_rx_window;
    } else if (block == block_of(seq) && slot & bit_of(seq)) {
        return VNETENC_DROP_rx_replay;
    }
    return VNETENC_KEEP;
}

/* Returns 'slot', for which check_slot() let 'seq' pass, with 'seq' marked in
 * it. */
static uint64_t
mark_slot(uint64_t slot, uint64_t seq)
{
    uint64_t block = block_of(seq);

    return slot >> 32 == block ? slot | bit_of(seq)
                               : block << 32 | bit_of(seq);
}

static enum vnetenc_drop
check_range(const struct vnetenc_replay *replay, uint64_t seq)
{
    uint64_t top;

    if (seq > VNETENC_MAX_SEQ) {
        return VNETENC_DROP_rx_bad_sequence;
    }
    atomic_read_relaxed(&CONST_CAST(struct vnetenc_replay *, replay)->top,
                        &top);
    return seq + VNETENC_WINDOW_RECORDS < top ? VNETENC_DROP_rx_window
                                              : VNETENC_KEEP;
}

/* Raises 'top' without compare-and-swap: if two threads raise it at once, the
 * lower value may stay until the next record. */
static void
raise_top(struct vnetenc_replay *replay, uint64_t seq)
{
    uint64_t top;

    atomic_read_relaxed(&replay->top, &top);
    if (top <= seq) {
        atomic_store_relaxed(&replay->top, seq + 1);
    }
}

void
vnetenc_replay_init(struct vnetenc_replay *replay)
{
    atomic_init(&replay->top, 0);
    for (size_t i = 0; i < VNETENC_REPLAY_SLOTS; i++) {
        atomic_init(&replay->slots[i], 0);
    }
}

void
vnetenc_replay_fetch(const struct vnetenc_replay *replay, uint64_t seq)
{
    OVS_PREFETCH_WRITE(&replay->top);
    OVS_PREFETCH_WRITE(&replay->slots[block_of(seq) % VNETENC_REPLAY_SLOTS]);
}

enum vnetenc_drop
vnetenc_replay_check(const struct vnetenc_replay *replay_, uint64_t seq)
{
    struct vnetenc_replay *replay = CONST_CAST(struct vnetenc_replay *,
                                               replay_);
    enum vnetenc_drop drop = check_range(replay, seq);
    uint64_t slot;

    if (drop) {
        return drop;
    }
    atomic_read_relaxed(&replay->slots[block_of(seq) % VNETENC_REPLAY_SLOTS],
                        &slot);
    return check_slot(slot, seq);
}

enum vnetenc_drop
vnetenc_replay_commit(struct vnetenc_replay *replay, uint64_t seq)
{
    atomic_uint64_t *p
        = &replay->slots[block_of(seq) % VNETENC_REPLAY_SLOTS];
    enum vnetenc_drop drop = check_range(replay, seq);
    uint64_t slot;

    if (drop) {
        return drop;
    }

    /* The slot alone decides: its block number only grows and the bits of one
     * block are only set, so relaxed order is enough. */
    atomic_read_relaxed(p, &slot);
    do {
        drop = check_slot(slot, seq);
        if (drop) {
            return drop;
        }
    } while (!atomic_compare_exchange_weak_relaxed(p, &slot,
                                                   mark_slot(slot, seq)));
    raise_top(replay, seq);
    return VNETENC_KEEP;
}
