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
 * This file joins halves of packets (PROTOCOL.md section 8) on their way in.
 * The half that arrives first waits in its session (bridge/halves.h).  The
 * packet of the half that arrives second becomes the whole packet.
 *
 * Thread-safety: any thread, no locks. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/compiler.h"
#include "vnetenc/base/drops.h"

struct dp_packet;
struct vnetenc_halves;

/* Returns time_msec() for vnetenc_join(), late by at most a tick of the
 * kernel's clock.  A tick is up to 10 ms, which does not matter here.  To read
 * the exact time would make the CPU finish all earlier instructions first. */
long long int vnetenc_join_time(void);

/* Joins a half, which is the UDP payload of 'packet', begins at 'ofs' and
 * arrived in the record with number 'seq', with its partner in the session's
 * 'halves'.  Returns the reason to drop the packet, or VNETENC_KEEP.  In the
 * latter case '*deliver' is true if the packet is whole, or false if a copy of
 * the half waits in 'halves'. */
enum vnetenc_drop vnetenc_join(struct vnetenc_halves *halves,
                               struct dp_packet *packet, size_t ofs,
                               uint64_t seq, long long int now, bool *deliver)
    OVS_WARN_UNUSED_RESULT;

#endif /* vnetenc/packet/join.h */
