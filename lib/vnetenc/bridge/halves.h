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

#ifndef VNETENC_HALVES_H
#define VNETENC_HALVES_H 1

/* Halves that wait for each other
 * ===============================
 *
 * Halves of packets (PROTOCOL.md section 8) come here when each has passed
 * every check by itself.  The half that arrives first is copied and waits in
 * its session; packet/join.h joins it with the half that arrives second.
 *
 * A session has VNETENC_JOIN_SLOTS slots.  The sequence number of a pair
 * determines its slot.  In its slot, a half finds either its partner or a
 * leftover half of an older pair, which it pushes out.  All sessions together
 * hold at most VNETENC_JOIN_BYTES, and no session holds more than remains free
 * for all.  Therefore neither many sessions nor one that misbehaves can take
 * the memory that another session needs for a few halves.
 *
 * Thread-safety
 * =============
 *
 * Any thread, no locks: the thread that takes a half out of its slot with an
 * atomic exchange owns the half.  vnetenc_halves_init() and
 * vnetenc_halves_destroy() belong to the thread that creates or destroys the
 * session. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/compiler.h"
#include "ovs-atomic.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/base/limits.h"

/* A half that waits for its partner.  The holder of the pointer owns it. */
struct vnetenc_halves_entry {
    uint64_t key;               /* Number of the back half's record. */
    long long int since;        /* time_msec(). */
    bool back;
    size_t size;                /* Of 'plain', in bytes. */
    uint8_t plain[];            /* From the Geneve header on. */
};

struct vnetenc_halves_slot {
    ATOMIC(struct vnetenc_halves_entry *) waiting;
    atomic_llong since;         /* Of the half last put there. */
};

struct vnetenc_halves {
    struct vnetenc_halves_slot slots[VNETENC_JOIN_SLOTS];
    atomic_uint64_t n_bytes;    /* Held, including the entries. */
};

/* Makes all slots empty. */
void vnetenc_halves_init(struct vnetenc_halves *);

/* Frees the halves that still wait, and counts them as late. */
void vnetenc_halves_destroy(struct vnetenc_halves *);

/* Looks for the partner of a half: 'size' bytes at 'plain', which arrived in
 * the record with sequence number 'seq' at 'now', in milliseconds of
 * time_msec().
 *
 * If the partner is there, sets '*partner' to it and returns VNETENC_KEEP; the
 * caller must discard the partner after use.  Otherwise sets '*partner' to
 * NULL, and returns VNETENC_KEEP if a copy of the half now waits, or the
 * reason to drop the half if there is no memory for a copy.  Counts the older
 * halves that it has to drop. */
enum vnetenc_drop vnetenc_halves_meet(struct vnetenc_halves *,
                                      const uint8_t *plain, size_t size,
                                      uint64_t seq, bool back,
                                      long long int now,
                                      struct vnetenc_halves_entry **partner)
    OVS_WARN_UNUSED_RESULT;

/* Frees a partner that vnetenc_halves_meet() returned. */
void vnetenc_halves_discard(struct vnetenc_halves *,
                            struct vnetenc_halves_entry *);

/* Frees the halves that have waited too long at 'now'. */
void vnetenc_halves_sweep(struct vnetenc_halves *, long long int now);

/* Returns the number of bytes that all sessions hold. */
uint64_t vnetenc_halves_n_bytes(void);

#endif /* vnetenc/bridge/halves.h */
