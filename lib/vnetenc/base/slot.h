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

#ifndef VNETENC_SLOT_H
#define VNETENC_SLOT_H 1

/* Slots of threads
 * ================
 *
 * A slot is a small number that belongs to one running thread and to no other.
 * Data with an element for each slot need neither locks nor atomic operations
 * between threads: only the owner of a slot writes its element.
 *
 * A thread takes a free slot when it first asks for one, keeps it until the
 * thread ends, and leaves all that it wrote in its elements to the next owner.
 * There are VNETENC_SLOTS; when all are taken, a thread that asks gets
 * VNETENC_NO_SLOT, and keeps that, too.
 *
 * Thread-safety: any thread, no locks. */

#include <limits.h>
#include "ovs-thread.h"
#include "vnetenc/base/limits.h"

/* Shared by all threads without a slot of their own.  Also a valid index. */
enum { VNETENC_NO_SLOT = VNETENC_SLOTS };

/* Implementation. */
enum { VNETENC_SLOT_UNKNOWN = UINT_MAX / 2 };
DECLARE_EXTERN_PER_THREAD_DATA(unsigned int, vnetenc_slot);
unsigned int vnetenc_slot_take(void);

/* Returns the slot of this thread, or VNETENC_NO_SLOT. */
static inline unsigned int
vnetenc_slot_own(void)
{
    unsigned int slot = *vnetenc_slot_get();

    return OVS_LIKELY(slot != VNETENC_SLOT_UNKNOWN) ? slot
                                                    : vnetenc_slot_take();
}

#endif /* vnetenc/base/slot.h */
