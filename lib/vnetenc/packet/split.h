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

#ifndef VNETENC_SPLIT_H
#define VNETENC_SPLIT_H 1

/* Splitting
 * =========
 *
 * A packet that would be too long for the underlay once it is sealed becomes
 * two packets before, PROTOCOL.md section 8: in a batch, first the back half
 * and right behind it the front half, which is as long as the underlay
 * allows.  So the back half, the one that waits at the receiver, is the short
 * one: with the 37 bytes that sealing adds to a packet that filled the
 * underlay's MTU, 45 bytes of it are copied, and no other byte moves.
 *
 * Thread-safety: any thread, no locks. */

#include <stdbool.h>
#include <stddef.h>

struct dp_packet;
struct dp_packet_batch;
struct vnetenc_route;

/* TSO packets of 'batch' will be segmented so that no segment is split. */
void vnetenc_split_shorten_segments(struct dp_packet_batch *batch,
                                    const struct vnetenc_route *);

/* Splits the packets of 'batch' that are too long, and drops those that
 * cannot be split.  Returns true if there was one. */
bool vnetenc_split_batch(struct dp_packet_batch *batch,
                         const struct vnetenc_route *);

/* How many of the next 'n' packets to number together: VNETENC_BURST at most,
 * or one less so that halves stay together. */
size_t vnetenc_split_burst(struct dp_packet *const packets[], size_t n);

#endif /* vnetenc/packet/split.h */
