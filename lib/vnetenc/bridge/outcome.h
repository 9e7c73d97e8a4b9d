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

#ifndef VNETENC_OUTCOME_H
#define VNETENC_OUTCOME_H 1

/* Packets that were not sealed
 * ============================
 *
 * Whether a packet is sealed is decided packet by packet, long after its flow
 * was translated.  The flow log must know whether any packet to a peer was not
 * sealed in some interval.  So each packet that is not sealed leaves a note of
 * the time and the reason; sealing leaves none and costs nothing.
 *
 * The notes are not part of a path, because packets also fail when there is no
 * path yet, and because a path may end before its notes are read.  They stand
 * in a table of fixed size, at a hash of the peer's address and the profile.
 * Two peers may share a place.  Then the flow log may call flows of one peer
 * worse for packets to the other, but never better.
 *
 * For each way of failing the latest note counts, so a note of a loss cannot
 * hide one of a packet that left in clear.
 *
 * Thread-safety: any thread, no locks. */

#include <netinet/in.h>
#include <stdint.h>
#include "vnetenc/base/drops.h"

/* Notes that a packet to 'remote' was not sealed at 'now', in milliseconds of
 * time_msec(). */
void vnetenc_outcome_note(const struct in6_addr *remote, uint8_t profile,
                          enum vnetenc_drop, long long int now);

/* Returns the worst reason that was noted for 'remote' at 'since' or later:
 * packets that left in clear first, then those without a session, then losses
 * beside a session.  Returns VNETENC_KEEP if there is none. */
enum vnetenc_drop vnetenc_outcome_since(const struct in6_addr *remote,
                                        uint8_t profile, long long int since);

/* Does the same for all peers and profiles. */
enum vnetenc_drop vnetenc_outcome_any_since(long long int since);

#endif /* vnetenc/bridge/outcome.h */
