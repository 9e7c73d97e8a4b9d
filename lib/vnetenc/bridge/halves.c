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
#include "vnetenc/bridge/halves.h"
#include <string.h>
#include "util.h"
#include "vnetenc/base/limits.h"

/* Bytes held by all sessions. */
static atomic_uint64_t total_bytes = 0;

/* Memory. */

static uint64_t
cost(size_t plain_size)
{
    return sizeof(struct vnetenc_halves_entry) + plain_size;
}

static void
release(struct vnetenc_halves *halves, uint64_t n)
{
    uint64_t orig;

    atomic_sub_relaxed(&halves->n_bytes, n, &orig);
    atomic_sub_relaxed(&total_bytes, n, &orig);
}

/* Reserves 'n' bytes.  Returns false if the session would then hold more than
 * remains free for all. */
static bool
reserve(struct vnetenc_halves *halves, uint64_t n)
{
    uint64_t own, all;

    atomic_add_relaxed(&halves->n_bytes, n, &own);
    atomic_add_relaxed(&total_bytes, n, &all);
    if (own + n + all + n <= VNETENC_JOIN_BYTES) {
        return true;
    }
    release(halves, n);
    return false;
}

static struct vnetenc_halves_entry *
take(struct vnetenc_halves_slot *slot)
{
    return atomic_exchange_explicit(&slot->waiting, NULL,
                                    memory_order_acq_rel);
}

/* Puts 'waiting' into 'slot'.  Returns false if that is not empty. */
static bool
put(struct vnetenc_halves_slot *slot, struct vnetenc_halves_entry *waiting)
{
    struct vnetenc_halves_entry *expected = NULL;

    atomic_store_relaxed(&slot->since, waiting->since);
    return atomic_compare_exchange_strong_explicit(&slot->waiting, &expected,
                                                   waiting,
                                                   memory_order_acq_rel,
                                                   memory_order_relaxed);
}

void
vnetenc_halves_discard(struct vnetenc_halves *halves,
                       struct vnetenc_halves_entry *waiting)
{
    release(halves, cost(waiting->size));
    free(waiting);
}

static bool
is_late(const struct vnetenc_halves_entry *waiting, long long int now)
{
    return now >= waiting->since + VNETENC_JOIN_MS;
}

/* Drops 'waiting'.  Counts it as late if it is, otherwise under 'reason'. */
static void
give_up(struct vnetenc_halves *halves, struct vnetenc_halves_entry *waiting,
        enum vnetenc_drop reason, long long int now)
{
    vnetenc_drop_count((is_late(waiting, now)
                        ? VNETENC_DROP_rx_half_late : reason), 1);
    vnetenc_halves_discard(halves, waiting);
}

/* Drops halves of 'halves', beginning behind 'slot', where the oldest one is,
 * until 'n' bytes can be reserved.  Returns false if they cannot be reserved
 * even without these halves. */
static bool
make_room(struct vnetenc_halves *halves, struct vnetenc_halves_slot *slot,
          uint64_t n, long long int now)
{
    size_t first = slot - halves->slots;

    for (size_t i = 1; i < VNETENC_JOIN_SLOTS; i++) {
        struct vnetenc_halves_entry *old;

        old = take(&halves->slots[(first + i) % VNETENC_JOIN_SLOTS]);
        if (old) {
            give_up(halves, old, VNETENC_DROP_rx_half_memory, now);
            if (reserve(halves, n)) {
                return true;
            }
        }
    }
    return false;
}

static struct vnetenc_halves_entry *
make_waiting(struct vnetenc_halves *halves, struct vnetenc_halves_slot *slot,
             const uint8_t *plain, size_t size, uint64_t key, bool back,
             long long int now)
{
    struct vnetenc_halves_entry *waiting;

    if (!reserve(halves, cost(size))
        && !make_room(halves, slot, cost(size), now)) {
        return NULL;
    }
    waiting = xmalloc(sizeof *waiting + size);
    waiting->key = key;
    waiting->since = now;
    waiting->back = back;
    waiting->size = size;
    memcpy(waiting->plain, plain, size);
    return waiting;
}

/* Never waits for another thread: the loop repeats only if another thread has
 * put a half into the slot since this thread emptied it. */
enum vnetenc_drop
vnetenc_halves_meet(struct vnetenc_halves *halves, const uint8_t *plain,
                    size_t size, uint64_t seq, bool back, long long int now,
                    struct vnetenc_halves_entry **partner)
{
    uint64_t key = back ? seq : seq - 1;
    struct vnetenc_halves_slot *slot
        = &halves->slots[(key >> 1) % VNETENC_JOIN_SLOTS];
    struct vnetenc_halves_entry *mine = NULL;

    do {
        *partner = take(slot);
        if (*partner) {
            if ((*partner)->key == key && (*partner)->back != back
                && !is_late(*partner, now)) {
                if (mine) {
                    vnetenc_halves_discard(halves, mine);
                }
                return VNETENC_KEEP;
            }
            give_up(halves, *partner, VNETENC_DROP_rx_half_full, now);
            *partner = NULL;
        }
        if (!mine) {
            mine = make_waiting(halves, slot, plain, size, key, back, now);
            if (!mine) {
                return VNETENC_DROP_rx_half_memory;
            }
        }
    } while (!put(slot, mine));
    return VNETENC_KEEP;
}

/* Life. */

void
vnetenc_halves_init(struct vnetenc_halves *halves)
{
    for (size_t i = 0; i < VNETENC_JOIN_SLOTS; i++) {
        atomic_init(&halves->slots[i].waiting, NULL);
        atomic_init(&halves->slots[i].since, 0);
    }
    atomic_init(&halves->n_bytes, 0);
}

void
vnetenc_halves_destroy(struct vnetenc_halves *halves)
{
    for (size_t i = 0; i < VNETENC_JOIN_SLOTS; i++) {
        struct vnetenc_halves_entry *waiting = take(&halves->slots[i]);

        if (waiting) {
            vnetenc_drop_count(VNETENC_DROP_rx_half_late, 1);
            vnetenc_halves_discard(halves, waiting);
        }
    }
}

/* A slot's 'since' may belong to an older or a newer half than the one that is
 * there now, so it only decides whether to look at that half. */
static void
sweep_slot(struct vnetenc_halves *halves, struct vnetenc_halves_slot *slot,
           long long int now)
{
    struct vnetenc_halves_entry *waiting;
    long long int since;

    atomic_read_relaxed(&slot->since, &since);
    if (now < since + VNETENC_JOIN_MS) {
        return;
    }
    waiting = take(slot);
    if (waiting && (is_late(waiting, now) || !put(slot, waiting))) {
        give_up(halves, waiting, VNETENC_DROP_rx_half_full, now);
    }
}

void
vnetenc_halves_sweep(struct vnetenc_halves *halves, long long int now)
{
    uint64_t n_bytes;

    atomic_read_relaxed(&halves->n_bytes, &n_bytes);
    for (size_t i = 0; n_bytes && i < VNETENC_JOIN_SLOTS; i++) {
        sweep_slot(halves, &halves->slots[i], now);
    }
}

uint64_t
vnetenc_halves_n_bytes(void)
{
    uint64_t n;

    atomic_read_relaxed(&total_bytes, &n);
    return n;
}
