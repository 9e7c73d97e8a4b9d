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
#include "vnetenc/bridge/inbox.h"
#include <string.h>
#include "latch.h"
#include "openvswitch/poll-loop.h"
#include "ovs-atomic.h"
#include "timeval.h"
#include "util.h"

BUILD_ASSERT_DECL(IS_POW2(VNETENC_INBOX_SLOTS));
BUILD_ASSERT_DECL(IS_POW2(VNETENC_INBOX_GUEST_SLOTS));

/* A slot's 'turn' tells who owns the slot.  In the slot of the 'n'th event,
 * 'n' means the poster of that event, 'n' + 1 means the taker, and 'n' plus
 * the number of slots means the poster one round later. */
struct slot {
    atomic_uint64_t turn;
    struct vnetenc_event event;
};

struct ring {
    struct slot *slots;
    size_t n_slots;             /* Power of 2. */

    PADDED_MEMBERS(CACHE_LINE_SIZE,
        atomic_uint64_t n_posted;   /* Slots claimed, any thread. */
    );
    PADDED_MEMBERS(CACHE_LINE_SIZE,
        uint64_t n_taken;           /* Control thread. */
    );
};

static struct ring rings[VNETENC_N_INBOXES];

/* Ringing the doorbell costs a system call, so a poster rings only if the
 * control thread is asleep.  'asleep' and the slots' turns are written and
 * read in sequentially consistent order: either the poster sees that the
 * control thread is asleep, or the control thread sees the event. */
static struct latch doorbell;
static atomic_bool asleep = false;

static struct slot *
slot_of(const struct ring *ring, uint64_t n)
{
    return &ring->slots[n & (ring->n_slots - 1)];
}

/* Claims a slot of 'ring' and stores its number in '*n'.  Returns NULL if the
 * ring is full. */
static struct slot *
claim_slot(struct ring *ring, uint64_t *n)
{
    atomic_read_relaxed(&ring->n_posted, n);
    for (;;) {
        struct slot *slot = slot_of(ring, *n);
        uint64_t turn;

        atomic_read_explicit(&slot->turn, &turn, memory_order_acquire);
        if (turn == *n) {
            if (atomic_compare_exchange_weak_relaxed(&ring->n_posted, n,
                                                     *n + 1)) {
                return slot;
            }
        } else if (turn < *n) {
            return NULL;        /* Not yet taken since the last round. */
        } else {
            atomic_read_relaxed(&ring->n_posted, n);
        }
    }
}

/* Returns the slot that holds the next event of 'ring', or NULL if there is
 * none. */
static struct slot *
next_slot(struct ring *ring)
{
    struct slot *slot = slot_of(ring, ring->n_taken);
    uint64_t turn;

    atomic_read(&slot->turn, &turn);
    return turn == ring->n_taken + 1 ? slot : NULL;
}

void
vnetenc_inbox_init(void)
{
    for (size_t i = 0; i < VNETENC_N_INBOXES; i++) {
        struct ring *ring = &rings[i];

        ring->n_slots = (i == VNETENC_INBOX_GUESTS ? VNETENC_INBOX_GUEST_SLOTS
                         : VNETENC_INBOX_SLOTS);
        ring->slots = xcalloc(ring->n_slots, sizeof *ring->slots);
        for (size_t j = 0; j < ring->n_slots; j++) {
            atomic_init(&ring->slots[j].turn, j);
        }
        atomic_init(&ring->n_posted, 0);
        ring->n_taken = 0;
    }
    latch_init(&doorbell);
}

bool
vnetenc_inbox_post(enum vnetenc_inbox_queue queue,
                   enum vnetenc_event_type type,
                   const struct vnetenc_path_key *path, ovs_be16 remote_port,
                   uint64_t echo, const void *payload, size_t size)
{
    struct ring *ring = &rings[queue];
    struct vnetenc_event *event;
    struct slot *slot;
    bool wake;
    uint64_t n;

    if (size > sizeof event->data) {
        return false;
    }
    slot = claim_slot(ring, &n);
    if (!slot) {
        return false;
    }

    event = &slot->event;
    event->type = type;
    event->path = *path;
    event->remote_port = remote_port;
    event->echo = echo;
    event->posted_at = type == VNETENC_EV_HELLO ? time_msec() : 0;
    event->size = size;
    nullable_memcpy(event->data, payload, size);
    atomic_store(&slot->turn, n + 1);

    atomic_read(&asleep, &wake);
    if (wake) {
        vnetenc_inbox_wake();
    }
    return true;
}

bool
vnetenc_inbox_take(enum vnetenc_inbox_queue queue, struct vnetenc_event *event)
{
    struct ring *ring = &rings[queue];
    struct slot *slot = next_slot(ring);

    atomic_store_relaxed(&asleep, false);
    if (!slot) {
        return false;
    }

    memcpy(event, &slot->event, (offsetof(struct vnetenc_event, data)
                                 + slot->event.size));
    atomic_store_explicit(&slot->turn, ring->n_taken + ring->n_slots,
                          memory_order_release);
    ring->n_taken++;
    return true;
}

void
vnetenc_inbox_wait(void)
{
    if (latch_poll(&doorbell)) {
        /* It was rung since the last wait, maybe for an event that has not
         * been looked at. */
        poll_immediate_wake();
        return;
    }

    atomic_store(&asleep, true);
    for (size_t i = 0; i < VNETENC_N_INBOXES; i++) {
        if (next_slot(&rings[i])) {
            atomic_store_relaxed(&asleep, false);
            poll_immediate_wake();
            return;
        }
    }
    latch_wait(&doorbell);
}

void
vnetenc_inbox_wake(void)
{
    if (rings[0].slots) {       /* Before init, nobody sleeps. */
        atomic_store_relaxed(&asleep, false);
        latch_set(&doorbell);
    }
}
