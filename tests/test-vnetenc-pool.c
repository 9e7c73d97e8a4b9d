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

/* Packets that are used again, in a thread with a pool and in one without.
 *
 * Keywords: kernel. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/packet/pool.h"
#include "dp-packet.h"
#include "vnetenc-unit.h"
#include "vnetenc/base/limits.h"

static bool
is_empty(struct dp_packet *packet, size_t size)
{
    return (!dp_packet_size(packet)
            && dp_packet_headroom(packet) == VNETENC_POOL_HEADROOM
            && dp_packet_tailroom(packet) >= size
            && packet->source == DPBUF_MALLOC
            && !packet->offloads && !dp_packet_get_tso_segsz(packet)
            && packet->l3_ofs == UINT16_MAX);
}

/* Uses a packet of 'size' bytes and puts it back. */
static struct dp_packet *
use(size_t size)
{
    struct dp_packet *packet = vnetenc_pool_get(size);

    CHECK(is_empty(packet, size));
    memset(dp_packet_put_uninit(packet, size), 0xaa, size);
    packet->l3_ofs = 14;
    packet->offloads = UINT16_MAX;
    dp_packet_set_tso_segsz(packet, 1000);
    vnetenc_pool_put(packet);
    return packet;
}

static void
test_sizes(void)
{
    static const size_t sizes[] = {
        0, 1, VNETENC_POOL_BYTES, VNETENC_POOL_BYTES + 1,
        UINT16_MAX - VNETENC_POOL_HEADROOM,
    };

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        use(sizes[i]);
        use(sizes[i]);
    }
}

/* What comes back is given out again, if it is still the same memory. */
static void
test_again(void)
{
    struct dp_packet *packet = use(100);

    CHECK(vnetenc_pool_get(200) == packet);
    dp_packet_prealloc_tailroom(packet, 5000);
    vnetenc_pool_put(packet);
    packet = use(VNETENC_POOL_BYTES);
    CHECK(vnetenc_pool_get(0) == packet);
    dp_packet_delete(packet);
    packet = use(10000);
    CHECK(vnetenc_pool_get(60000) == packet);
    vnetenc_pool_put(packet);
}

/* A pool has a limit, and takes nothing that it did not give out. */
static void
test_limits(void)
{
    struct dp_packet_batch batch;
    uint8_t memory[VNETENC_POOL_HEADROOM + VNETENC_POOL_BYTES];
    struct dp_packet *foreign = xmalloc(sizeof *foreign);

    dp_packet_use_stub(foreign, memory, sizeof memory);
    vnetenc_pool_put(foreign);
    vnetenc_pool_put(NULL);
    dp_packet_batch_init(&batch);
    for (int i = 0; i < 2 * VNETENC_POOL_PACKETS; i++) {
        dp_packet_batch_add(&batch, vnetenc_pool_get(1500));
    }
    vnetenc_pool_put_batch(&batch);
    CHECK(dp_packet_batch_is_empty(&batch));
    for (int i = 0; i < 2 * VNETENC_POOL_PACKETS; i++) {
        struct dp_packet *packet = vnetenc_pool_get(1500);

        CHECK(dp_packet_base(packet) != memory);
        dp_packet_batch_add(&batch, packet);
    }
    vnetenc_pool_put_batch(&batch);
    dp_packet_batch_destroy(&batch);
}

int
main(void)
{
    test_sizes();
    test_limits();
    vnetenc_pool_begin();
    test_sizes();
    test_again();
    test_limits();
    vnetenc_pool_end();
    test_sizes();
    return unit_end();
}
