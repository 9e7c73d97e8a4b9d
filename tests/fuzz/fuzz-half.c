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

/* Halves: packets that are split and joined again, and halves that an
 * authenticated peer made up.
 *
 *     any number of: what 1 | number 1 | size 2 | that many octets
 *
 * 'what' says whether the octets are an inner frame, of which both halves
 * arrive, in which order, and behind which octet it is cut; or the plaintext
 * that arrives as a half. */

#include <config.h>
#undef NDEBUG
#include "fuzz/vnetenc-fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "dp-packet.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/bridge/halves.h"
#include "vnetenc/packet/half.h"
#include "vnetenc/packet/join.h"
#include "vnetenc-unit-packets.h"

enum {
    OFS = ETH_HEADER_LEN + IP_HEADER_LEN + UDP_HEADER_LEN,
    MAX_OPTIONS = VNETENC_MAX_GENEVE_OPTIONS - VNETENC_MARK_BYTES / 4,
    MAX_INNER = 2000,
    WHAT_FRAME = 0x80,
    WHAT_SWAP = 0x40,
};

static long long int now = 1000000;

void
fuzz_begin(void)
{
}

/* Gives 'join' the 'size' octets of a plaintext.  Returns the whole packet,
 * or NULL. */
static struct dp_packet *
give(struct vnetenc_halves *join, const uint8_t *plain, size_t size,
     uint64_t seq)
{
    struct dp_packet *packet = unit_datagram(
        false, htons(UNIT_LANE_PORT), htons(VNETENC_GENEVE_PORT), plain, size);
    bool whole = true;

    if (vnetenc_join(join, packet, OFS, seq, now, &whole) || !whole) {
        dp_packet_delete(packet);
        return NULL;
    }
    ovs_assert(dp_packet_size(packet) >= OFS + VNETENC_GENEVE_BYTES);
    return packet;
}

/* Both halves of a Geneve packet with 'inner' octets of frame and as many
 * options as fit 'what' make it up again. */
static void
split_and_join(struct vnetenc_halves *join, uint8_t what, uint64_t seq,
               const uint8_t *frame, size_t inner)
{
    size_t n_options = what & 0x1f;
    size_t head = VNETENC_GENEVE_BYTES + 4 * n_options;
    size_t marked = head + VNETENC_MARK_BYTES;
    size_t cut = inner * (what & 7) / 8;
    uint8_t *whole = xzalloc(head + inner);
    uint8_t *half[2];
    size_t size[2];
    struct dp_packet *packet;

    whole[0] = n_options;
    memcpy(whole + 2, (uint8_t[]) { 0x65, 0x58, 1, 2, 3 }, 5);
    if (inner) {
        memcpy(whole + head, frame, inner);
    }
    for (int back = 0; back < 2; back++) {
        size[back] = back ? inner - cut : cut;
        half[back] = xzalloc(marked + size[back]);
        memcpy(half[back], whole, VNETENC_GENEVE_BYTES);
        memcpy(half[back] + VNETENC_GENEVE_BYTES + VNETENC_MARK_BYTES,
               whole + VNETENC_GENEVE_BYTES, head - VNETENC_GENEVE_BYTES);
        vnetenc_half_mark(half[back], back, inner);
        if (size[back]) {
            memcpy(half[back] + marked, frame + (back ? cut : 0), size[back]);
        }
    }

    /* The back half has the first number of the two. */
    for (int i = 0; i < 2; i++) {
        bool back = i == !!(what & WHAT_SWAP);

        packet = give(join, half[back], marked + size[back], seq + !back);
        if (packet) {
            ovs_assert(i && dp_packet_size(packet) == OFS + head + inner);
            ovs_assert(!memcmp((uint8_t *) dp_packet_data(packet) + OFS,
                               whole, head + inner));
        }
        dp_packet_delete(packet);
    }
    free(half[0]);
    free(half[1]);
    free(whole);
}

/* What a peer made up. */
static void
join_anything(struct vnetenc_halves *join, uint64_t seq, const uint8_t *plain,
              size_t size)
{
    struct vnetenc_half half;

    if (!vnetenc_half_is(plain, size)) {
        return;
    }
    if (vnetenc_half_parse(plain, size, &half)) {
        ovs_assert(half.head + half.size == size);
        ovs_assert(half.size <= half.total);
    }
    dp_packet_delete(give(join, plain, size, seq));
}

void
fuzz_one(struct fuzz_input in)
{
    struct vnetenc_halves join;

    vnetenc_halves_init(&join);
    while (in.size) {
        uint8_t what = fuzz_u8(&in);
        uint64_t seq = VNETENC_FIRST_SEQ + fuzz_u8(&in);
        size_t n = fuzz_u16(&in) % MAX_INNER;
        const uint8_t *p = fuzz_take(&in, &n);

        if (what & WHAT_FRAME) {
            split_and_join(&join, what, 2 * seq, p, n);
        } else {
            join_anything(&join, seq, p, n);
        }
        ovs_assert(vnetenc_halves_n_bytes() <= VNETENC_JOIN_BYTES);
    }
    vnetenc_halves_sweep(&join, now);
    vnetenc_halves_destroy(&join);
    ovs_assert(!vnetenc_halves_n_bytes());
}

/* A half as a peer would send it, with 4 octets in front. */
static void
seed_half(bool back, size_t total, size_t size)
{
    uint8_t seed[4 + 16 + 100] = { 0, !back, 0, 16 + size };
    uint8_t *geneve = seed + 4;

    memcpy(geneve + 2, (uint8_t[]) { 0x65, 0x58, 1, 2, 3 }, 5);
    vnetenc_half_mark(geneve, back, total);
    fuzz_seed(-1, seed, 4 + 16 + size);
}

void
fuzz_make_seeds(void)
{
    uint8_t frame[4 + 200] = { WHAT_FRAME | 4, 0, 0, 200 };

    fuzz_seed(-1, frame, sizeof frame);
    frame[0] = WHAT_FRAME | WHAT_SWAP | 0x15;
    fuzz_seed(-1, frame, sizeof frame);
    seed_half(false, 120, 100);
    seed_half(true, 120, 20);
    seed_half(true, 10, 20);
}
