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

#ifndef VNETENC_JOIN_H
#define VNETENC_JOIN_H 1

/* Joining
 * =======
 *
 * Halves of packets, PROTOCOL.md section 8, on their way in.  A half that has
 * passed every check by itself is copied and waits in its session for the
 * other; the one that comes second becomes the whole packet, in its place.
 *
 * A session has VNETENC_JOIN_SLOTS places; which one a pair uses follows from
 * its sequence number, so a half meets its partner or the leftover of a pair
 * as many pairs ago, which goes.  All sessions together hold at most
 * VNETENC_JOIN_BYTES, and each of them no more than it leaves free for all:
 * so many sessions, or one that misbehaves, never take away what another
 * needs for a few halves.
 *
 * Thread-safety
 * =============
 *
 * Any thread, no locks: a half has one owner, who took it out of its place
 * with an atomic exchange.  vnetenc_join_init() and vnetenc_join_destroy()
 * are for who creates and destroys the session. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ovs-atomic.h"
#include "vnetenc/bridge/drops.h"
#include "vnetenc/bridge/limits.h"

struct dp_packet;
struct vnetenc_waiting;

struct vnetenc_join_slot {
    ATOMIC(struct vnetenc_waiting *) waiting;
    atomic_llong since;         /* Of what was last put there. */
};

struct vnetenc_join {
    struct vnetenc_join_slot slots[VNETENC_JOIN_SLOTS];
    atomic_uint64_t n_bytes;    /* Held, with what holds them. */
};

void vnetenc_join_init(struct vnetenc_join *);
void vnetenc_join_destroy(struct vnetenc_join *);

/* time_msec() for vnetenc_join(), at most a tick of the kernel's clock late.
 * That is up to 10 ms, which do not matter here.  What does is that the CPU
 * finishes everything before it reads the exact time. */
long long int vnetenc_join_time(void);

/* The UDP payload of 'packet', which begins at 'ofs', is a half that came in
 * the record with number 'seq'.  Returns why it must be dropped, or
 * VNETENC_KEEP: if '*deliver' is set then, the packet is whole, otherwise its
 * octets are kept elsewhere. */
enum vnetenc_drop vnetenc_join(struct vnetenc_join *,
                               struct dp_packet *packet, size_t ofs,
                               uint64_t seq, long long int now, bool *deliver)
    OVS_WARN_UNUSED_RESULT;

/* Frees halves that have waited too long. */
void vnetenc_join_sweep(struct vnetenc_join *, long long int now);

/* Octets held by all sessions. */
uint64_t vnetenc_join_n_bytes(void);

#endif /* vnetenc/packet/join.h */
