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

#ifndef VNETENC_RELEASE_H
#define VNETENC_RELEASE_H 1

/* Release of packets that waited for a session
 * ============================================
 *
 * This is the control thread's part of packet/hold.h.
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <stddef.h>
#include <stdint.h>
#include "vnetenc/base/drops.h"

struct dp_packet;
struct nlattr;
struct vnetenc_path_key;

/* Takes a sealed packet and applies 'actions' of 'actions_len' bytes to it.
 * If the actions cannot be applied, the packet is counted as 'verdict'. */
typedef void vnetenc_release_func(struct dp_packet *,
                                  const struct nlattr *actions,
                                  size_t actions_len,
                                  const struct vnetenc_path_key *,
                                  enum vnetenc_drop verdict);

/* Returns for how many milliseconds a packet for 'path' may wait. */
typedef unsigned int vnetenc_release_patience_func(
    const struct vnetenc_path_key *path);

/* Takes the packet that vnetenc_hold_batch() posted as 'echo', at 'now', in
 * milliseconds of time_msec(). */
void vnetenc_release_take(uint64_t echo, long long int now);

/* Seals and sends the packets for which a session is up, and drops those that
 * have waited too long at 'now'.  Returns when to call again, LLONG_MAX if no
 * packet waits. */
long long int vnetenc_release_run(vnetenc_release_func *,
                                  vnetenc_release_patience_func *,
                                  long long int now);

/* Drops all packets that wait, including those that were posted and not
 * taken. */
void vnetenc_release_end(void);

#endif /* vnetenc/control/release.h */
