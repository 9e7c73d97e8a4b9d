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

#ifndef OVN_VNETENC_BARRIER_H
#define OVN_VNETENC_BARRIER_H 1

/* What Open vSwitch has acknowledged
 * ==================================
 *
 * A barrier is passed when Open vSwitch has acknowledged all flows that were
 * computed before it began.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Initialize with all zeros. */
struct ovn_vnetenc_barrier {
    bool typed;                 /* 'type' was assigned. */
    bool asked;                 /* 'seqno' was requested. */
    size_t type;                /* Of ofctrl's sequence numbers. */
    uint64_t seqno;
};

/* Returns true, once, when the barrier is passed.  The first call, and the
 * first after the barrier was passed or reset or the connection to Open
 * vSwitch was lost, begins it.  Call in each round of the main loop until it
 * is passed; wakes the main loop for that. */
bool ovn_vnetenc_barrier_passed(struct ovn_vnetenc_barrier *);

/* Gives up a barrier that has begun. */
void ovn_vnetenc_barrier_reset(struct ovn_vnetenc_barrier *);

#endif /* controller/ovn-vnetenc-barrier.h */
