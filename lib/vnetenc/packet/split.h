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
 * A packet that would be too long for the underlay once it is sealed is first
 * split into two packets (PROTOCOL.md section 8).  In a batch, the back half
 * comes first and the front half directly behind it.  The front half is as
 * long as the underlay allows, so the back half, which waits at the receiver,
 * is the short one.  If a packet just filled the underlay's MTU and sealing
 * adds 37 bytes, 45 bytes of the inner frame are copied to the back half, and
 * no other byte of it moves.
 *
 * Thread-safety: any thread, no locks. */

#include <stdbool.h>
#include <stddef.h>

struct dp_packet;
struct dp_packet_batch;
struct vnetenc_route;

/* Shortens the segments into which TSO packets of 'batch' will be cut, so that
 * no segment is split. */
void vnetenc_split_shorten_segments(struct dp_packet_batch *batch,
                                    const struct vnetenc_route *);

/* Splits the packets of 'batch' that are too long, and drops those that cannot
 * be split.  Returns true if any packet was too long. */
bool vnetenc_split_batch(struct dp_packet_batch *batch,
                         const struct vnetenc_route *);

/* Returns how many of the next 'n' packets to number together: at most
 * VNETENC_BURST, or one less to keep two halves together. */
size_t vnetenc_split_burst(struct dp_packet *const packets[], size_t n);

#endif /* vnetenc/packet/split.h */
