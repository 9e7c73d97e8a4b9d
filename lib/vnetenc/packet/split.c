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
#include "vnetenc/packet/split.h"
#include <string.h>
#include "dp-packet.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc/packet/half.h"
#include "vnetenc/packet/outer.h"
#include "vnetenc/packet/pmtu.h"
#include "vnetenc/packet/route.h"

/* Headroom of a back half, for sealing and an Ethernet tag. */
enum { BACK_HEADROOM = 64 };
BUILD_ASSERT_DECL(BACK_HEADROOM >= VNETENC_MAX_HEAD_BYTES + VLAN_HEADER_LEN);
#ifdef DPDK_NETDEV
BUILD_ASSERT_DECL(RTE_PKTMBUF_HEADROOM >= BACK_HEADROOM);
#endif

/* Segments. */

void
vnetenc_split_shorten_segments(struct dp_packet_batch *batch,
                               const struct vnetenc_route *route)
{
    struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        uint16_t segsz = dp_packet_get_tso_segsz(packet);
        size_t head;

        if (!segsz || !dp_packet_get_inner_tcp_payload(packet)) {
            continue;
        }
        head = ((char *) dp_packet_get_inner_tcp_payload(packet)
                - (char *) dp_packet_data(packet));
        if (head < route->max_size && segsz > route->max_size - head) {
            dp_packet_set_tso_segsz(packet, route->max_size - head);
        }
    }
}

/* Cutting. */

/* Where a packet is cut. */
struct cut {
    size_t ofs;                 /* Of the Geneve header. */
    size_t head;                /* Bytes of that header, without mark. */
    size_t front;               /* Bytes of the inner frame in front... */
    size_t back;                /* ...and behind. */
};

static bool
may_split(const struct vnetenc_route *route)
{
    bool split;

    atomic_read_relaxed(&route->path->split, &split);
    return split;
}

/* True if a Geneve header of 'head' bytes has a place for the mark. */
static bool
has_place(size_t head)
{
    return (head + VNETENC_MARK_BYTES
            <= VNETENC_GENEVE_BYTES + 4 * VNETENC_MAX_GENEVE_OPTIONS);
}

/* Finds where to cut 'packet', which is too long.  Returns VNETENC_KEEP, or
 * the reason to drop the packet. */
static enum vnetenc_drop
plan_cut(const struct vnetenc_route *route, struct dp_packet *packet,
         struct cut *cut)
{
    struct vnetenc_outer outer;
    enum vnetenc_drop drop;
    size_t max, inner;

    drop = vnetenc_route_admit(route, packet, &outer);
    if (drop) {
        return drop;
    }
    if (!dp_packet_tunnel_geneve(packet) || !may_split(route)) {
        return VNETENC_DROP_tx_mtu;
    }

    cut->ofs = outer.payload_ofs;
    cut->head = vnetenc_half_geneve_size((uint8_t *) dp_packet_data(packet)
                                         + cut->ofs);
    if (cut->head >= outer.payload_size || !has_place(cut->head)
        || cut->ofs + cut->head + VNETENC_MARK_BYTES >= route->max_size) {
        return VNETENC_DROP_tx_mtu;
    }
    max = route->max_size - (cut->ofs + cut->head + VNETENC_MARK_BYTES);
    inner = outer.payload_size - cut->head;
    if (inner > 2 * max) {
        return VNETENC_DROP_tx_mtu;
    }
    /* 'inner' is greater than 'max', because the packet is too long even
     * without a mark. */
    cut->front = max;
    cut->back = inner - cut->front;
    return (vnetenc_outer_complete_inner(packet)
            ? VNETENC_KEEP : VNETENC_DROP_tx_checksum);
}

/* Tells the sender of 'packet' how long a packet may be. */
static void
report(const struct vnetenc_route *route, const struct dp_packet *packet)
{
    size_t head, max, mark = 0;
    struct vnetenc_outer outer;
    const uint8_t *tunnel;

    if (!vnetenc_outer_parse_pushed(packet, &outer)) {
        return;
    }
    tunnel = (uint8_t *) dp_packet_data(packet) + outer.payload_ofs;
    head = VNETENC_GENEVE_BYTES;        /* VXLAN has as many. */
    if (dp_packet_tunnel_geneve(packet)) {
        head = vnetenc_half_geneve_size(tunnel);
        if (may_split(route) && has_place(head)) {
            mark = VNETENC_MARK_BYTES;
        }
    }
    if (head < outer.payload_size
        && outer.payload_ofs + head + mark < route->max_size) {
        max = route->max_size - (outer.payload_ofs + head + mark);
        vnetenc_pmtu_report(&route->key, route->flow, tunnel + head,
                            outer.payload_size - head,
                            mark ? 2 * max : max);
    }
}

/* Finishes a half: marks it, gives it a UDP length of its own, and forgets the
 * inner headers, at which no device must look.  Sealing sets the other
 * lengths. */
static void
finish_half(struct dp_packet *packet, const struct cut *cut, bool back)
{
    struct udp_header *udp = dp_packet_l4(packet);

    packet->inner_l3_ofs = UINT16_MAX;
    packet->inner_l4_ofs = UINT16_MAX;
    dp_packet_set_tso_segsz(packet, 0);
    udp->udp_len = htons(dp_packet_size(packet) - packet->l4_ofs);
    vnetenc_half_mark((uint8_t *) dp_packet_data(packet) + cut->ofs, back,
                      cut->front + cut->back);
}

/* Returns a packet with room for 'size' bytes, from the pool of 'like' if that
 * is in DPDK's memory and the pool has room: from other memory, the packet
 * would be copied when it is sent. */
static struct dp_packet *
new_back(const struct dp_packet *like OVS_UNUSED, size_t size)
{
#ifdef DPDK_NETDEV
    if (like->source == DPBUF_DPDK) {
        struct rte_mbuf *mbuf = rte_pktmbuf_alloc(like->mbuf.pool);

        if (mbuf && rte_pktmbuf_tailroom(mbuf) >= size) {
            struct dp_packet *back
                = CONTAINER_OF(mbuf, struct dp_packet, mbuf);

            dp_packet_reset_offload(back);
            return back;
        }
        rte_pktmbuf_free(mbuf);
    }
#endif
    return dp_packet_new_with_headroom(size, BACK_HEADROOM);
}

static struct dp_packet *
make_back(const struct dp_packet *packet, const struct cut *cut)
{
    const uint8_t *data = dp_packet_data(packet);
    size_t base = cut->ofs + VNETENC_GENEVE_BYTES;
    size_t headers = cut->ofs + cut->head;
    size_t size = headers + VNETENC_MARK_BYTES + cut->back;
    struct dp_packet *back = new_back(packet, size + VNETENC_TAG_BYTES);
    uint8_t *p = dp_packet_put_uninit(back, size);

    memcpy(p, data, base);
    p += base + VNETENC_MARK_BYTES;     /* The mark is written below. */
    memcpy(p, data + base, headers - base);
    memcpy(p + headers - base, data + headers + cut->front, cut->back);

    /* Copy the same members as dp_packet_clone_with_headroom() does. */
    memcpy(&back->l2_pad_size, &packet->l2_pad_size,
           sizeof *back - offsetof(struct dp_packet, l2_pad_size));
    if (dp_packet_rss_valid(packet)) {
        dp_packet_set_rss_hash(back, dp_packet_get_rss_hash(packet));
    }
    finish_half(back, cut, true);
    return back;
}

/* Makes 'packet' its own front half.  Returns it, or a copy in its place. */
static struct dp_packet *
make_front(struct dp_packet *packet, const struct cut *cut)
{
    size_t base = cut->ofs + VNETENC_GENEVE_BYTES;
    uint8_t *data;

    dp_packet_set_size(packet, cut->ofs + cut->head + cut->front);
    packet = vnetenc_outer_make_room(packet, (VNETENC_MAX_HEAD_BYTES
                                              + VNETENC_MARK_BYTES),
                                     VNETENC_TAG_BYTES);
    data = dp_packet_push_uninit(packet, VNETENC_MARK_BYTES);
    memmove(data, data + VNETENC_MARK_BYTES, base);
    finish_half(packet, cut, false);
    return packet;
}

/* Adds the halves of 'packet', which is too long, to 'out'.  Returns false if
 * the packet is dropped instead. */
static bool
split_packet(struct dp_packet_batch *out, const struct vnetenc_route *route,
             struct dp_packet *packet)
{
    enum vnetenc_drop drop;
    struct cut cut;

    drop = plan_cut(route, packet, &cut);
    if (drop) {
        if (drop == VNETENC_DROP_tx_mtu) {
            report(route, packet);
        }
        vnetenc_path_count(route->path, &route->key, drop, 1);
        dp_packet_delete(packet);
        return false;
    }
    dp_packet_batch_add(out, make_back(packet, &cut));
    dp_packet_batch_add(out, make_front(packet, &cut));
    return true;
}

bool
vnetenc_split_batch(struct dp_packet_batch *batch,
                    const struct vnetenc_route *route)
{
    struct dp_packet_batch out;
    struct dp_packet *packet;
    uint64_t n_split = 0, orig;
    size_t longest = 0;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        longest = MAX(longest, dp_packet_size(packet));
    }
    if (longest > VNETENC_LONG_BYTES) {
        vnetenc_path_note_long(route->path);
    }
    if (OVS_LIKELY(longest <= route->max_size)) {
        return false;
    }

    dp_packet_batch_init(&out);
    out.trunc = batch->trunc;
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        if (dp_packet_size(packet) > route->max_size) {
            n_split += split_packet(&out, route, packet);
        } else {
            dp_packet_batch_add(&out, packet);
        }
    }
    dp_packet_batch_swap(batch, &out);
    dp_packet_batch_destroy(&out);
    atomic_add_relaxed(&route->path->n_split, n_split, &orig);
    return true;
}

/* True if 'packet' is a back half.  Its front half is then the next packet. */
static bool
is_back(const struct dp_packet *packet)
{
    const uint8_t *udp = dp_packet_l4(packet);
    struct vnetenc_half half;
    size_t size;

    if (!dp_packet_tunnel_geneve(packet) || !udp
        || dp_packet_l4_size(packet) < UDP_HEADER_LEN) {
        return false;
    }
    size = dp_packet_l4_size(packet) - UDP_HEADER_LEN;
    return (vnetenc_half_is(udp + UDP_HEADER_LEN, size)
            && vnetenc_half_parse(udp + UDP_HEADER_LEN, size, &half)
            && half.back);
}

size_t
vnetenc_split_burst(struct dp_packet *const packets[], size_t n)
{
    size_t burst = MIN(n, VNETENC_BURST);

    return burst < n && is_back(packets[burst - 1]) ? burst - 1 : burst;
}
