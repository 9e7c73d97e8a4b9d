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
#include "vnetenc/packet/outer.h"
#include <netinet/ip6.h>
#include <string.h>
#include "byte-order.h"
#include "dp-packet.h"
#include "packets.h"
#include "unaligned.h"
#include "util.h"
#include "vnetenc/base/limits.h"

/* This file relies on these facts of dp-packet.h: inner offload bits are the
 * outer ones shifted, and popping a tunnel shifts them back. */
BUILD_ASSERT_DECL(DP_PACKET_OL_SHIFT_COUNT == 16);
BUILD_ASSERT_DECL((DP_PACKET_OL_IP_CKSUM_MASK | DP_PACKET_OL_L4_CKSUM_MASK
                   | DP_PACKET_OL_L4_PROTO_MASK | DP_PACKET_OL_TUNNEL_MASK)
                  < (1 << DP_PACKET_OL_SHIFT_COUNT));

/* Bytes of extra room, for the next function that needs some. */
enum { SPARE_ROOM = 64 };

/* Does the same as in6_addr_set_mapped_ipv4(), but stores words of the size in
 * which the address will be read.  After smaller stores, the CPU would have to
 * wait before it could read such a word. */
static void
set_mapped(struct in6_addr *addr, ovs_be32 ip)
{
    const uint64_t words[2] = {
        0,
        htonll(UINT64_C(0xffff00000000) | ntohl(ip)),
    };

    memcpy(addr, words, sizeof *addr);
}

static void
get_addresses(const void *l3, bool ipv6, struct in6_addr *src,
              struct in6_addr *dst)
{
    if (ipv6) {
        const struct ovs_16aligned_ip6_hdr *ip6 = l3;

        memcpy(src, &ip6->ip6_src, sizeof *src);
        memcpy(dst, &ip6->ip6_dst, sizeof *dst);
    } else {
        const struct ip_header *ip = l3;

        set_mapped(src, get_16aligned_be32(&ip->ip_src));
        set_mapped(dst, get_16aligned_be32(&ip->ip_dst));
    }
}

/* Reads the UDP header of 'packet', whose offsets are set. */
static bool
parse_udp(const struct dp_packet *packet, struct vnetenc_outer *outer)
{
    size_t ofs = packet->l4_ofs, pad = dp_packet_l2_pad_size(packet);
    const struct udp_header *udp
        = (void *) ((uint8_t *) dp_packet_data(packet) + ofs);
    size_t size = dp_packet_size(packet);
    size_t udp_len;

    if (ofs + UDP_HEADER_LEN + pad > size) {
        return false;
    }
    udp_len = ntohs(udp->udp_len);
    if (udp_len < UDP_HEADER_LEN || ofs + udp_len + pad > size) {
        return false;
    }
    outer->udp_src = udp->udp_src;
    outer->udp_dst = udp->udp_dst;
    outer->payload_ofs = ofs + UDP_HEADER_LEN;
    outer->payload_size = udp_len - UDP_HEADER_LEN;
    return true;
}

/* Returns true if 'packet' has an IP header without options directly in front
 * of a UDP header, as tunnels push it.  Sets '*ipv6'. */
static inline ALWAYS_INLINE bool
is_bare_udp(const struct dp_packet *packet, bool *ipv6)
{
    const void *l3 = dp_packet_l3(packet);
    size_t l3_len = packet->l4_ofs - packet->l3_ofs;
    const struct eth_header *eth = dp_packet_data(packet);

    if (l3_len == IP_HEADER_LEN) {
        const struct ip_header *ip = l3;

        *ipv6 = false;
        return (eth->eth_type == htons(ETH_TYPE_IP)
                && ip->ip_ihl_ver == IP_IHL_VER(5, 4)
                && ip->ip_proto == IPPROTO_UDP);
    } else if (l3_len == IPV6_HEADER_LEN) {
        const struct ovs_16aligned_ip6_hdr *ip6 = l3;

        *ipv6 = true;
        return (eth->eth_type == htons(ETH_TYPE_IPV6)
                && ip6->ip6_nxt == IPPROTO_UDP);
    }
    return false;
}

static bool
is_pushed(const struct dp_packet *packet, bool *ipv6)
{
    return ((dp_packet_tunnel_geneve(packet) || dp_packet_tunnel_vxlan(packet))
            && dp_packet_is_eth(packet)
            && packet->l3_ofs == ETH_HEADER_LEN
            && packet->l4_ofs != UINT16_MAX
            && packet->l4_ofs >= packet->l3_ofs
            && packet->l4_ofs + UDP_HEADER_LEN <= dp_packet_size(packet)
            && is_bare_udp(packet, ipv6));
}

bool
vnetenc_outer_parse_addresses(const struct dp_packet *packet, bool *ipv6,
                              struct in6_addr *src, struct in6_addr *dst)
{
    if (!is_pushed(packet, ipv6)) {
        return false;
    }
    get_addresses(dp_packet_l3(packet), *ipv6, src, dst);
    return true;
}

bool
vnetenc_outer_has_addresses(const struct dp_packet *packet, bool ipv6,
                            const struct in6_addr *src,
                            const struct in6_addr *dst)
{
    const void *l3 = dp_packet_l3(packet);

    if (ipv6) {
        const struct ovs_16aligned_ip6_hdr *ip6 = l3;

        return (!memcmp(&ip6->ip6_src, src, sizeof *src)
                && !memcmp(&ip6->ip6_dst, dst, sizeof *dst));
    } else {
        const struct ip_header *ip = l3;

        return (!memcmp(&ip->ip_src, &src->s6_addr[12], sizeof ip->ip_src)
                && !memcmp(&ip->ip_dst, &dst->s6_addr[12],
                           sizeof ip->ip_dst));
    }
}

bool
vnetenc_outer_parse_pushed(const struct dp_packet *packet,
                           struct vnetenc_outer *outer)
{
    return (is_pushed(packet, &outer->ipv6)
            && parse_udp(packet, outer)
            && (outer->payload_ofs + outer->payload_size
                == dp_packet_size(packet))
            && outer->payload_size >= VNETENC_MIN_PLAINTEXT_BYTES);
}

bool
vnetenc_outer_parse_received(const struct dp_packet *packet,
                             struct vnetenc_outer *outer)
{
    const struct ip_header *ip = dp_packet_l3(packet);

    if (!ip || packet->l4_ofs == UINT16_MAX || !parse_udp(packet, outer)) {
        return false;
    }
    outer->ipv6 = IP_VER(ip->ip_ihl_ver) == 6;
    get_addresses(ip, outer->ipv6, &outer->src, &outer->dst);
    return true;
}

bool
vnetenc_outer_parse_unchecked(const struct dp_packet *packet,
                              struct vnetenc_outer *outer)
{
    const void *l3 = dp_packet_l3(packet);

    if (!l3 || packet->l4_ofs == UINT16_MAX
        || packet->l4_ofs + UDP_HEADER_LEN > dp_packet_size(packet)
        || !is_bare_udp(packet, &outer->ipv6)
        || !parse_udp(packet, outer)) {
        return false;
    }
    get_addresses(l3, outer->ipv6, &outer->src, &outer->dst);
    return true;
}

bool
vnetenc_outer_has_same_sender(const struct dp_packet *a,
                              const struct dp_packet *b)
{
    size_t l3_ofs = a->l3_ofs, l4_ofs = a->l4_ofs;
    const char *l3_a = (const char *) dp_packet_data(a) + l3_ofs;
    const char *l3_b = (const char *) dp_packet_data(b) + l3_ofs;
    size_t end = l4_ofs + sizeof(ovs_be16);

    if (l3_ofs != b->l3_ofs || l4_ofs != b->l4_ofs
        || end > dp_packet_size(a) || end > dp_packet_size(b)) {
        return false;
    }
    switch (l4_ofs - l3_ofs) {
    case IP_HEADER_LEN:
        return !memcmp(l3_a + offsetof(struct ip_header, ip_src),
                       l3_b + offsetof(struct ip_header, ip_src),
                       2 * sizeof(ovs_be32) + sizeof(ovs_be16));
    case IPV6_HEADER_LEN:
        return !memcmp(
            l3_a + offsetof(struct ovs_16aligned_ip6_hdr, ip6_src),
            l3_b + offsetof(struct ovs_16aligned_ip6_hdr, ip6_src),
            2 * sizeof(struct in6_addr) + sizeof(ovs_be16));
    default:
        return false;
    }
}

static bool
has_room(const struct dp_packet *packet, size_t head, size_t tail)
{
    return (dp_packet_headroom(packet) >= head
            && dp_packet_tailroom(packet) >= tail);
}

/* Returns true if there is enough room in total, which shift() can move to
 * where it is needed. */
static bool
has_room_in_all(const struct dp_packet *packet, size_t head, size_t tail)
{
    return (dp_packet_headroom(packet) + dp_packet_tailroom(packet)
            >= head + tail);
}

/* Moves the bytes of 'packet' so that there is room on both sides of them.  A
 * packet from a packet socket, or from segmentation, has much room in front
 * and none behind. */
static void
shift(struct dp_packet *packet, size_t head, size_t tail)
{
    size_t headroom = dp_packet_headroom(packet);
    size_t tailroom = dp_packet_tailroom(packet);

    dp_packet_shift(packet, (headroom < head ? (int) (head - headroom)
                             : (int) tailroom - (int) tail));
}

/* Returns false for a packet in DPDK's memory that would have to grow, because
 * upstream ends the process if that memory is used up. */
bool
vnetenc_outer_may_grow(const struct dp_packet *packet, size_t head,
                       size_t tail)
{
    return (has_room_in_all(packet, head, tail)
            || packet->source == DPBUF_MALLOC
            || packet->source == DPBUF_STUB);
}

struct dp_packet *
vnetenc_outer_make_room(struct dp_packet *packet, size_t head, size_t tail)
{
    if (has_room(packet, head, tail)) {
        return packet;
    } else if (has_room_in_all(packet, head, tail)) {
        shift(packet, head, tail);
        return packet;
    }

    if (!vnetenc_outer_may_grow(packet, head, tail)) {
        struct dp_packet *copy;

        copy = dp_packet_clone_with_headroom(packet, head + SPARE_ROOM);
        dp_packet_delete(packet);
        packet = copy;
    }
    if (!has_room(packet, head, tail)) {
        /* Make both rooms at once, so that the bytes move once.  Do not keep a
         * large old headroom: all memory of the packet must stay below
         * 64 kB. */
        size_t old = dp_packet_headroom(packet);

        dp_packet_resize(packet,
                         old >= head && old <= head + 4 * SPARE_ROOM
                         ? old : head + SPARE_ROOM,
                         tail + SPARE_ROOM);
    }
    return packet;
}

/* Returns true if the inner checksums can be completed in 'packet'. */
static bool
inner_is_complete(const struct dp_packet *packet)
{
    size_t l4_size = dp_packet_inner_l4_size(packet);

    if (!dp_packet_tunnel(packet) || !dp_packet_inner_l3(packet)) {
        return false;
    }
    if (dp_packet_inner_l4_checksum_partial(packet)) {
        return (dp_packet_inner_l4(packet)
                && l4_size >= (dp_packet_inner_l4_proto_tcp(packet)
                               ? TCP_HEADER_LEN
                               : dp_packet_inner_l4_proto_udp(packet)
                               ? UDP_HEADER_LEN
                               : dp_packet_inner_l4_proto_sctp(packet)
                               ? SCTP_HEADER_LEN
                               : SIZE_MAX));
    }
    return true;
}

bool
vnetenc_outer_complete_inner(struct dp_packet *packet)
{
    /* Forget the outer checksums, because the bytes that they cover change. */
    packet->offloads &= ~(DP_PACKET_OL_IP_CKSUM_MASK
                          | DP_PACKET_OL_L4_CKSUM_MASK);

    if (dp_packet_inner_ip_checksum_partial(packet)
        || dp_packet_inner_l4_checksum_partial(packet)) {
        if (!inner_is_complete(packet)) {
            return false;
        }
        dp_packet_ol_send_prepare(packet, 0);
    }
    return (!dp_packet_inner_ip_checksum_partial(packet)
            && !dp_packet_inner_l4_checksum_partial(packet));
}

/* Sets lengths, ports and checksums.  Call before the headers move to an odd
 * address. */
static void
set_header(struct dp_packet *packet, const struct vnetenc_outer *outer,
           size_t payload_size, ovs_be16 udp_src, ovs_be16 udp_dst)
{
    size_t udp_len = UDP_HEADER_LEN + payload_size;
    struct udp_header *udp = dp_packet_l4(packet);

    udp->udp_src = udp_src;
    udp->udp_dst = udp_dst;
    udp->udp_len = htons(udp_len);
    if (outer->ipv6) {
        struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_l3(packet);

        /* A nonzero checksum will be computed, if possible by the network
         * device. */
        ip6->ip6_plen = htons(udp_len);
        udp->udp_csum = htons(UINT16_MAX);
    } else {
        struct ip_header *ip = dp_packet_l3(packet);

        /* No UDP checksum: the tag protects more than a checksum does. */
        ip->ip_tot_len = htons(IP_HEADER_LEN + udp_len);
        ip->ip_csum = 0;
        udp->udp_csum = 0;
    }
}

/* Sets the offload state of a plain UDP packet, inside which a device must not
 * look. */
static void
set_offloads(struct dp_packet *packet, bool ipv6)
{
    packet->offloads = 0;
    packet->inner_l3_ofs = UINT16_MAX;
    packet->inner_l4_ofs = UINT16_MAX;
    dp_packet_set_tso_segsz(packet, 0);
    dp_packet_l4_proto_set_udp(packet);
    if (ipv6) {
        dp_packet_l4_checksum_set_partial(packet);
    } else {
        dp_packet_ip_checksum_set_partial(packet);
        dp_packet_l4_checksum_set_good(packet);
    }
}

uint8_t *
vnetenc_outer_grow(struct dp_packet *packet, const struct vnetenc_outer *outer,
                   size_t head, size_t tail, ovs_be16 udp_src,
                   ovs_be16 udp_dst)
{
    uint8_t *old = dp_packet_data(packet);
    uint8_t *new;

    set_header(packet, outer, head + outer->payload_size + tail, udp_src,
               udp_dst);
    ovs_assert(has_room(packet, head, tail));
    new = old - head;
    dp_packet_set_data(packet, new);
    dp_packet_set_size(packet, dp_packet_size(packet) + head + tail);
    memmove(new, old, outer->payload_ofs);
    set_offloads(packet, outer->ipv6);
    return new + outer->payload_ofs;
}

/* Removes 'packet' from the traffic class that a guest has chosen: the network
 * may delay or drop packets of that class. */
static void
clear_class(struct dp_packet *packet, bool ipv6)
{
    if (ipv6) {
        struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_l3(packet);
        ovs_be32 flow = get_16aligned_be32(&ip6->ip6_flow);

        put_16aligned_be32(&ip6->ip6_flow, flow & htonl(0xf00fffff));
    } else {
        struct ip_header *ip = dp_packet_l3(packet);

        ip->ip_tos = 0;
    }
}

struct dp_packet *
vnetenc_outer_copy(const struct dp_packet *packet, bool ipv6,
                   ovs_be16 udp_src, ovs_be16 udp_dst, const void *payload,
                   size_t size)
{
    const struct vnetenc_outer outer = { .ipv6 = ipv6 };
    size_t headers = packet->l4_ofs + UDP_HEADER_LEN;
    struct dp_packet *copy;

    copy = dp_packet_new_with_headroom(headers + size, SPARE_ROOM);
    dp_packet_put(copy, dp_packet_data(packet), headers);
    dp_packet_put(copy, payload, size);
    copy->l3_ofs = packet->l3_ofs;
    copy->l4_ofs = packet->l4_ofs;
    copy->packet_type = packet->packet_type;
    copy->md = packet->md;
    copy->md.skb_priority = 0;
    clear_class(copy, ipv6);
    set_header(copy, &outer, size, udp_src, udp_dst);
    set_offloads(copy, ipv6);
    return copy;
}

void
vnetenc_outer_shrink(struct dp_packet *packet,
                     const struct vnetenc_outer *outer,
                     size_t head, size_t size)
{
    uint8_t *old = dp_packet_data(packet);

    dp_packet_set_l2_pad_size(packet, 0);
    dp_packet_set_size(packet, outer->payload_ofs + head + size);
    memmove(old + head, old, outer->payload_ofs);
    dp_packet_pull(packet, head);

    packet->offloads &= (1u << DP_PACKET_OL_SHIFT_COUNT) - 1;
    packet->inner_l3_ofs = UINT16_MAX;
    packet->inner_l4_ofs = UINT16_MAX;

    /* Forget the hash: it is that of the lane, the same for all of its
     * flows. */
    packet->has_hash = false;
}
