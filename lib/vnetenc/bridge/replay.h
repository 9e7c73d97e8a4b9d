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

#ifndef VNETENC_REPLAY_H
#define VNETENC_REPLAY_H 1

/* Replay window
 * =============
 *
 * This is the window of RFC 6347 section 4.1.2.6, with VNETENC_WINDOW_RECORDS
 * sequence numbers.  A number is checked before the tag of its record is
 * verified, and committed after that.  Of all threads that commit the same
 * number, at most one succeeds.
 *
 * Each slot holds the number of a block of 32 sequence numbers in its upper
 * half, and a bit for each of these numbers in its lower half.  One
 * compare-and-swap both moves a slot to a new block and sets a bit, so no
 * number is ever accepted twice, in whatever order threads run.  'top' makes
 * the left edge of the window exact as long as only one thread commits.
 *
 * Thread-safety: any thread, no locks. */

#include <stdbool.h>
#include "ovs-atomic.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/base/limits.h"

enum { VNETENC_REPLAY_SLOTS = 1024 };   /* Power of 2. */
BUILD_ASSERT_DECL(VNETENC_REPLAY_SLOTS * 32 >= VNETENC_WINDOW_RECORDS + 32);

struct vnetenc_replay {
    atomic_uint64_t top;        /* Largest number committed, plus 1. */
    atomic_uint64_t slots[VNETENC_REPLAY_SLOTS];
};

/* Makes a window that has seen no number.  Call before the window is
 * published. */
void vnetenc_replay_init(struct vnetenc_replay *);

/* Begins to fetch what the functions below need for 'seq'. */
void vnetenc_replay_fetch(const struct vnetenc_replay *, uint64_t seq);

/* Returns VNETENC_KEEP, or the reason to drop a record with number 'seq'. */
enum vnetenc_drop vnetenc_replay_check(const struct vnetenc_replay *,
                                       uint64_t seq);

/* Marks 'seq' as seen.  Returns VNETENC_KEEP to at most one caller for each
 * 'seq', otherwise the reason to drop the record. */
enum vnetenc_drop vnetenc_replay_commit(struct vnetenc_replay *, uint64_t seq)
    OVS_WARN_UNUSED_RESULT;

#endif /* vnetenc/bridge/replay.h */
