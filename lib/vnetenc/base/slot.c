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
#include "vnetenc/base/slot.h"
#include <pthread.h>
#include "ovs-atomic.h"
#include "util.h"

BUILD_ASSERT_DECL(VNETENC_SLOTS < 32);

DEFINE_EXTERN_PER_THREAD_DATA(vnetenc_slot, VNETENC_SLOT_UNKNOWN);

static atomic_uint taken;       /* A bit for each slot. */
static pthread_key_t at_exit;

/* Runs when the thread ends.  What the thread still does after this, in
 * another destructor, it does without a slot. */
static void
give_back(void *slot_plus_1)
{
    unsigned int slot = (uintptr_t) slot_plus_1 - 1;
    unsigned int orig;

    *vnetenc_slot_get() = VNETENC_NO_SLOT;
    /* The next owner sees all that this thread wrote. */
    atomic_and_explicit(&taken, ~(1u << slot), &orig, memory_order_release);
}

unsigned int
vnetenc_slot_take(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;
    unsigned int *slot = vnetenc_slot_get();
    unsigned int old, i;

    if (ovsthread_once_start(&once)) {
        xpthread_key_create(&at_exit, give_back);
        ovsthread_once_done(&once);
    }

    atomic_read_relaxed(&taken, &old);
    do {
        for (i = 0; i < VNETENC_SLOTS && old & (1u << i); i++) {
            continue;
        }
        if (i == VNETENC_SLOTS) {
            break;
        }
    } while (!atomic_compare_exchange_weak_explicit(&taken, &old,
                                                    old | 1u << i,
                                                    memory_order_acquire,
                                                    memory_order_relaxed));
    *slot = i;
    if (i < VNETENC_SLOTS) {
        xpthread_setspecific(at_exit, (void *) (uintptr_t) (i + 1));
    }
    return i;
}
