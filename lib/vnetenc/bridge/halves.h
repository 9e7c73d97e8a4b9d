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
 * Halves of packets, PROTOCOL.md section 8, that have passed every check by
 * themselves.  The half that comes first is copied and waits in its session;
 * packet/join.h makes one packet of it and the half that comes second.
 *
 * A session has VNETENC_JOIN_SLOTS places.  The place of a pair follows from
 * its sequence number, so a half meets either its partner or the leftover of a
 * pair as many pairs ago, which goes.  All sessions together hold at most
 * VNETENC_JOIN_BYTES, and each of them no more than it leaves free for all:
 * therefore many sessions, or one that misbehaves, never take away what
 * another needs for a few halves.
 *
 * Thread-safety
 * =============
 *
 * Any thread, no locks: a half has one owner, who took it out of its place
 * with an atomic exchange.  vnetenc_halves_init() and vnetenc_halves_destroy()
 * are for the thread that creates and destroys the session. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/compiler.h"
#include "ovs-atomic.h"
#include "vnetenc/bridge/drops.h"
#include "vnetenc/bridge/limits.h"

/* A half that waits for the other.  The holder of the pointer owns it. */
struct vnetenc_halves_entry {
    uint64_t key;               /* Number of the back half's record. */
    long long int since;        /* time_msec(). */
    bool back;
    size_t size;                /* Of 'plain', in bytes. */
    uint8_t plain[];            /* From the Geneve header on. */
};

struct vnetenc_halves_slot {
    ATOMIC(struct vnetenc_halves_entry *) waiting;
    atomic_llong since;         /* Of what was last put there. */
};

struct vnetenc_halves {
    struct vnetenc_halves_slot slots[VNETENC_JOIN_SLOTS];
    atomic_uint64_t n_bytes;    /* Held, with what holds them. */
};

/* Makes all places empty. */
void vnetenc_halves_init(struct vnetenc_halves *);

/* Frees the halves that still wait, and counts them as late. */
void vnetenc_halves_destroy(struct vnetenc_halves *);

/* Looks for the other half of the one at 'plain', 'size' bytes that came in
 * the record with number 'seq', at 'now', in milliseconds of time_msec().
 *
 * If it is there, VNETENC_KEEP is returned and '*partner' is set to it: the
 * caller discards it after use.  If it is not, '*partner' is set to NULL: a
 * copy waits, and VNETENC_KEEP is returned, or there is no memory for one, and
 * the reason is returned.  Older halves that have to go are counted here. */
enum vnetenc_drop vnetenc_halves_meet(struct vnetenc_halves *,
                                      const uint8_t *plain, size_t size,
                                      uint64_t seq, bool back,
                                      long long int now,
                                      struct vnetenc_halves_entry **partner)
    OVS_WARN_UNUSED_RESULT;

/* Frees a half that vnetenc_halves_meet() handed over. */
void vnetenc_halves_discard(struct vnetenc_halves *,
                            struct vnetenc_halves_entry *);

/* Frees halves that have waited too long at 'now'. */
void vnetenc_halves_sweep(struct vnetenc_halves *, long long int now);

/* Returns the bytes that all sessions hold. */
uint64_t vnetenc_halves_n_bytes(void);

#endif /* vnetenc/bridge/halves.h */
