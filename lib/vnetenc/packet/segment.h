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

#ifndef VNETENC_SEGMENT_H
#define VNETENC_SEGMENT_H 1

/* Segmentation
 * ============
 *
 * A TSO packet in a tunnel is cut into segments before it is sealed.  This
 * does what upstream's dp_packet_gso_batch() does, but each segment leaves
 * with its inner checksums complete, has room for a record's head and tag, and
 * is in memory of packet/pool.h.  Its payload is copied once.
 *
 * Thread-safety: any thread, no locks. */

struct dp_packet_batch;

/* Replaces each TSO packet of 'batch' that has several segments by these.  A
 * packet that is no TCP in a tunnel stays as it is. */
void vnetenc_segment_batch(struct dp_packet_batch *batch);

#endif /* vnetenc/packet/segment.h */
