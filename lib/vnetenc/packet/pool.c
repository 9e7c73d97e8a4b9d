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
#include "vnetenc/packet/pool.h"
#include <stdbool.h>
#include "dp-packet.h"
#include "ovs-thread.h"
#include "util.h"
#include "vnetenc/base/limits.h"

/* Packets of one size. */
struct shelf {
    size_t n;
    struct dp_packet *packets[VNETENC_POOL_PACKETS];
};

enum { USUAL, SUPER, N_SHELVES };

struct pool {
    bool used;
    struct shelf shelves[N_SHELVES];
};

DEFINE_STATIC_PER_THREAD_DATA(struct pool, pool,
                              { false, { { 0, { NULL } } } });

/* Memory of a packet, and the most packets, of each shelf.  dp_packet counts
 * its memory in 16 bits. */
static const struct {
    size_t bytes, packets;
} kinds[N_SHELVES] = {
    [USUAL] = { VNETENC_POOL_HEADROOM + VNETENC_POOL_BYTES,
                VNETENC_POOL_PACKETS },
    [SUPER] = { UINT16_MAX, VNETENC_POOL_SUPER_PACKETS },
};
BUILD_ASSERT_DECL(VNETENC_POOL_SUPER_PACKETS <= VNETENC_POOL_PACKETS);

void
vnetenc_pool_begin(void)
{
    pool_get()->used = true;
}

void
vnetenc_pool_end(void)
{
    struct pool *pool = pool_get();

    pool->used = false;
    for (int i = 0; i < N_SHELVES; i++) {
        struct shelf *shelf = &pool->shelves[i];

        while (shelf->n) {
            dp_packet_delete(shelf->packets[--shelf->n]);
        }
    }
}

struct dp_packet *
vnetenc_pool_get(size_t size)
{
    size_t bytes = VNETENC_POOL_HEADROOM + size;
    struct pool *pool = pool_get();

    for (int i = 0; i < N_SHELVES; i++) {
        struct shelf *shelf = &pool->shelves[i];
        struct dp_packet *packet;

        if (bytes > kinds[i].bytes) {
            continue;
        }
        if (!shelf->n) {
            bytes = pool->used ? kinds[i].bytes : bytes;
            break;
        }
        packet = shelf->packets[--shelf->n];
        dp_packet_use(packet, dp_packet_base(packet), kinds[i].bytes);
        dp_packet_reserve(packet, VNETENC_POOL_HEADROOM);
        return packet;
    }
    return dp_packet_new_with_headroom(bytes - VNETENC_POOL_HEADROOM,
                                       VNETENC_POOL_HEADROOM);
}

void
vnetenc_pool_put(struct dp_packet *packet)
{
    struct pool *pool = pool_get();

    if (!packet) {
        return;
    }
    for (int i = 0; pool->used && i < N_SHELVES; i++) {
        struct shelf *shelf = &pool->shelves[i];

        if (packet->source == DPBUF_MALLOC
            && dp_packet_get_allocated(packet) == kinds[i].bytes
            && shelf->n < kinds[i].packets) {
            shelf->packets[shelf->n++] = packet;
            return;
        }
    }
    dp_packet_delete(packet);
}

void
vnetenc_pool_put_batch(struct dp_packet_batch *batch)
{
    struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        vnetenc_pool_put(packet);
    }
    dp_packet_batch_reset(batch);
}
