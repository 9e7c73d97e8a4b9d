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

#ifndef VNETENC_POOL_H
#define VNETENC_POOL_H 1

/* Packets that are used again
 * ===========================
 *
 * A thread with a pool keeps the memory of packets that it no longer needs,
 * for its next ones.  There are two sizes, that of a usual packet and that of
 * a super-packet.  A packet of the pool is an ordinary one (DPBUF_MALLOC): any
 * code, in any thread, may resize it, keep it or delete it.
 *
 * In a thread without a pool, the functions allocate and free.
 *
 * Thread-safety: each thread has its own pool. */

#include <stddef.h>

struct dp_packet;
struct dp_packet_batch;

/* Gives the calling thread a pool, which is empty. */
void vnetenc_pool_begin(void);

/* Frees the packets in the calling thread's pool and takes it away. */
void vnetenc_pool_end(void);

/* Returns an empty packet with room for 'size' bytes, and with
 * VNETENC_POOL_HEADROOM bytes in front of them. */
struct dp_packet *vnetenc_pool_get(size_t size);

/* Takes 'packet', which nobody uses any more.  NULL is ignored. */
void vnetenc_pool_put(struct dp_packet *packet);

/* Takes the packets of 'batch' and leaves it empty. */
void vnetenc_pool_put_batch(struct dp_packet_batch *batch);

#endif /* vnetenc/packet/pool.h */
