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
#include "vnetenc/kernel/virtio.h"
#include <linux/virtio_net.h>
#include <netinet/ip6.h>
#include <string.h>
#include "dp-packet.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/packet/sum.h"

/* Flags beside the GSO type, in headers of any length. */
enum { GSO_FLAGS = VIRTIO_NET_HDR_GSO_ECN | 0x20 | 0x40 };  /* In a tunnel. */

enum { MAX_TAGS = 2 };

/* Outer headers. */

/* Stores the offset of the UDP header of 'packet', which must have an IPv4
 * header without options in front of it.  Otherwise returns why it must be
 * dropped. */
static enum vnetenc_drop
parse_ipv4(const struct dp_packet *packet, size_t *l4_ofs)
{
    const struct ip_header *ip = dp_packet_at(packet, ETH_HEADER_LEN,
                                              IP_HEADER_LEN);

    if (!ip || ip->ip_ihl_ver != IP_IHL_VER(5, 4)
        || ntohs(ip->ip_tot_len) != dp_packet_size(packet) - ETH_HEADER_LEN) {
        return VNETENC_DROP_tx_kernel_bad;
    }
    if (ip->ip_frag_off & htons(IP_MORE_FRAGMENTS | IP_FRAG_OFF_MASK)) {
        return VNETENC_DROP_tx_kernel_fragment;
    }
    *l4_ofs = ETH_HEADER_LEN + IP_HEADER_LEN;
    return (ip->ip_proto == IPPROTO_UDP
            ? VNETENC_KEEP : VNETENC_DROP_tx_kernel_bad);
}

static enum vnetenc_drop
parse_ipv6(const struct dp_packet *packet, size_t *l4_ofs)
{
    const struct ovs_16aligned_ip6_hdr *ip6
        = dp_packet_at(packet, ETH_HEADER_LEN, IPV6_HEADER_LEN);
    size_t headers = ETH_HEADER_LEN + IPV6_HEADER_LEN;

    if (!ip6 || IP_VER(ip6->ip6_vfc) != 6
        || ntohs(ip6->ip6_plen) != dp_packet_size(packet) - headers) {
        return VNETENC_DROP_tx_kernel_bad;
    }
    if (ip6->ip6_nxt == IPPROTO_FRAGMENT) {
        return VNETENC_DROP_tx_kernel_fragment;
    }
    *l4_ofs = headers;
    return (ip6->ip6_nxt == IPPROTO_UDP
            ? VNETENC_KEEP : VNETENC_DROP_tx_kernel_bad);
}

enum vnetenc_drop
vnetenc_virtio_outer(struct dp_packet *packet, ovs_be16 *udp_dst)
{
    const struct eth_header *eth = dp_packet_at(packet, 0, ETH_HEADER_LEN);
    const struct udp_header *udp;
    enum vnetenc_drop drop;
    size_t l4_ofs;

    if (!eth) {
        return VNETENC_DROP_tx_kernel_bad;
    } else if (eth->eth_type == htons(ETH_TYPE_IP)) {
        drop = parse_ipv4(packet, &l4_ofs);
    } else if (eth->eth_type == htons(ETH_TYPE_IPV6)) {
        drop = parse_ipv6(packet, &l4_ofs);
    } else {
        drop = VNETENC_DROP_tx_kernel_bad;
    }
    if (drop) {
        return drop;
    }
    udp = dp_packet_at(packet, l4_ofs, UDP_HEADER_LEN);
    if (!udp || ntohs(udp->udp_len) != dp_packet_size(packet) - l4_ofs) {
        return VNETENC_DROP_tx_kernel_bad;
    }

    dp_packet_reset_offsets(packet);
    dp_packet_reset_offload(packet);
    dp_packet_set_tso_segsz(packet, 0);
    packet->l3_ofs = ETH_HEADER_LEN;
    packet->l4_ofs = l4_ofs;
    *udp_dst = udp->udp_dst;
    return VNETENC_KEEP;
}

/* Inner headers. */

/* Converts a field of a virtio header, which the kernel writes in host byte
 * order. */
static uint16_t
host(__virtio16 x)
{
    return (OVS_FORCE uint16_t) x;
}

static uint8_t *
at(const struct dp_packet *packet, size_t ofs, size_t size)
{
    return dp_packet_at(packet, ofs, size);
}

/* Returns the offset of the inner frame, 0 if the tunnel header is bad. */
static size_t
find_frame(const struct dp_packet *packet, bool vxlan)
{
    size_t ofs = packet->l4_ofs + UDP_HEADER_LEN;
    const uint8_t *tunnel = at(packet, ofs, VNETENC_MIN_PLAINTEXT_BYTES);
    size_t size = VNETENC_MIN_PLAINTEXT_BYTES;

    if (!tunnel) {
        return 0;
    }
    if (!vxlan) {
        size += (tunnel[0] & 0x3f) * 4;
    }
    return ofs + size <= dp_packet_size(packet) ? ofs + size : 0;
}

/* Returns the EtherType behind the VLAN tags of the frame that begins at
 * '*ofs', and moves '*ofs' behind the EtherType.  Returns 0 if there is none,
 * or more than MAX_TAGS tags. */
static uint16_t
skip_ethernet(const struct dp_packet *packet, size_t *ofs)
{
    for (int i = 0; i <= MAX_TAGS; i++) {
        size_t type_ofs = *ofs + 2 * ETH_ADDR_LEN + i * VLAN_HEADER_LEN;
        const uint8_t *p = at(packet, type_ofs, 2);
        uint16_t type;

        if (!p) {
            return 0;
        }
        type = p[0] << 8 | p[1];
        if (type != ETH_TYPE_VLAN_8021Q && type != ETH_TYPE_VLAN_8021AD) {
            *ofs = type_ofs + 2;
            return type;
        }
    }
    return 0;
}

/* Returns true if the IP packet at 'l3_ofs' is no fragment and has a TCP
 * header at 'l4_ofs', directly behind its IP header. */
static bool
is_plain_tcp(const struct dp_packet *packet, uint16_t type, size_t l3_ofs,
             size_t l4_ofs)
{
    if (type == ETH_TYPE_IP) {
        const struct ip_header *ip = dp_packet_at(packet, l3_ofs,
                                                  IP_HEADER_LEN);

        return (ip && IP_VER(ip->ip_ihl_ver) == 4
                && IP_IHL(ip->ip_ihl_ver) >= 5
                && l3_ofs + IP_IHL(ip->ip_ihl_ver) * 4 == l4_ofs
                && ip->ip_proto == IPPROTO_TCP
                && !(ip->ip_frag_off
                     & htons(IP_MORE_FRAGMENTS | IP_FRAG_OFF_MASK)));
    } else {
        const struct ovs_16aligned_ip6_hdr *ip6
            = dp_packet_at(packet, l3_ofs, IPV6_HEADER_LEN);

        /* Upstream's checksums do not support extension headers. */
        return (ip6 && IP_VER(ip6->ip6_vfc) == 6
                && l3_ofs + IPV6_HEADER_LEN == l4_ofs
                && ip6->ip6_nxt == IPPROTO_TCP);
    }
}

/* Sets the offload state of a super-packet: the segment size and the offsets
 * of the inner headers, which will be repeated in each segment.  Returns why
 * the packet must be dropped if it is not TCP or cannot be segmented. */
static enum vnetenc_drop
mark_super(struct dp_packet *packet, const struct virtio_net_hdr *header,
           size_t frame_ofs)
{
    uint8_t gso = header->gso_type & ~GSO_FLAGS;
    size_t l3_ofs = frame_ofs, l4_ofs = host(header->csum_start);
    uint16_t type = skip_ethernet(packet, &l3_ofs);
    uint16_t segsz = host(header->gso_size);
    size_t size;

    if (!(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
        || host(header->csum_offset) != offsetof(struct tcp_header, tcp_csum)
        || !((gso == VIRTIO_NET_HDR_GSO_TCPV4 && type == ETH_TYPE_IP)
             || (gso == VIRTIO_NET_HDR_GSO_TCPV6 && type == ETH_TYPE_IPV6))
        || !is_plain_tcp(packet, type, l3_ofs, l4_ofs)) {
        return VNETENC_DROP_tx_kernel_super;
    }
    packet->inner_l3_ofs = l3_ofs;
    packet->inner_l4_ofs = l4_ofs;
    size = dp_packet_get_inner_tcp_payload_length(packet);
    if (!size || size > (size_t) segsz * VNETENC_KERNEL_SEGMENTS) {
        return VNETENC_DROP_tx_kernel_super;
    }
    packet->offloads |= DP_PACKET_OL_INNER_L4_PROTO_TCP;
    dp_packet_inner_l4_checksum_set_partial(packet);
    dp_packet_set_tso_segsz(packet, segsz);
    return VNETENC_KEEP;
}

/* Completes the checksum that 'header' describes, whose field holds the sum of
 * the pseudo-header.  Leaves the outer UDP checksum alone: sealing discards
 * it, and it is computed again for a packet in clear. */
static enum vnetenc_drop
complete_sum(struct dp_packet *packet, const struct virtio_net_hdr *header,
             size_t frame_ofs)
{
    size_t start = host(header->csum_start);
    size_t offset = host(header->csum_offset);
    uint8_t *l4, *field;
    uint16_t sum;

    if (start == packet->l4_ofs) {
        return VNETENC_KEEP;
    }
    l4 = at(packet, start, offset + sizeof sum);
    if (start < frame_ofs + ETH_HEADER_LEN || !l4) {
        return VNETENC_DROP_tx_checksum;
    }
    field = l4 + offset;
    sum = ~vnetenc_sum_fold(vnetenc_sum_add(0, l4, dp_packet_size(packet)
                                            - start));
    if (!sum && offset == offsetof(struct udp_header, udp_csum)) {
        sum = UINT16_MAX;
    }
    memcpy(field, &sum, sizeof sum);
    return VNETENC_KEEP;
}

enum vnetenc_drop
vnetenc_virtio_inner(struct dp_packet *packet,
                     const struct virtio_net_hdr *header, bool vxlan)
{
    const struct udp_header *udp = dp_packet_l4(packet);
    size_t frame_ofs = find_frame(packet, vxlan);

    if (!frame_ofs) {
        return VNETENC_DROP_tx_kernel_bad;
    }
    if (vxlan) {
        dp_packet_tunnel_set_vxlan(packet);
    } else {
        dp_packet_tunnel_set_geneve(packet);
    }
    dp_packet_l4_proto_set_udp(packet);
    if (udp->udp_csum) {
        dp_packet_l4_checksum_set_partial(packet);
    }
    if (header->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
        return mark_super(packet, header, frame_ofs);
    } else if (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
        return complete_sum(packet, header, frame_ofs);
    }
    return VNETENC_KEEP;
}
