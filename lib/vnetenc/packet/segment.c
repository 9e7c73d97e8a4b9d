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
#include "vnetenc/packet/segment.h"
#include <netinet/ip6.h>
#include <string.h>
#include "dp-packet.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/packet/pool.h"
#include "vnetenc/packet/sum.h"

/* A TSO packet that is being cut. */
struct cut {
    const struct dp_packet *whole;
    size_t head;                /* Bytes of all headers. */
    size_t payload;             /* Bytes behind them. */
    size_t segsz;               /* Of each segment but the last. */
    unsigned int n;             /* Segments. */
};

/* Sets the outer lengths.  The outer checksums are left alone, as sealing
 * computes or discards them. */
static void
set_outer(struct dp_packet *segment, unsigned int i)
{
    struct udp_header *udp = dp_packet_l4(segment);
    struct ip_header *ip = dp_packet_l3(segment);

    udp->udp_len = htons(dp_packet_l4_size(segment));
    if (IP_VER(ip->ip_ihl_ver) == 4) {
        ip->ip_tot_len = htons(dp_packet_l3_size(segment));
        ip->ip_id = htons(ntohs(ip->ip_id) + i);
    } else {
        struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_l3(segment);

        ip6->ip6_plen = htons(dp_packet_l3_size(segment) - sizeof *ip6);
    }
}

/* Sets the fields of the inner IP header that differ between segments.
 * Returns true if it is an IPv6 header. */
static bool
set_inner_ip(struct dp_packet *segment, unsigned int i)
{
    struct ip_header *ip = dp_packet_inner_l3(segment);

    if (IP_VER(ip->ip_ihl_ver) == 4) {
        uint16_t sum;

        ip->ip_tot_len = htons(dp_packet_inner_l3_size(segment));
        ip->ip_id = htons(ntohs(ip->ip_id) + i);
        ip->ip_csum = 0;
        sum = ~vnetenc_sum_fold(vnetenc_sum_add(
            0, ip, IP_IHL(ip->ip_ihl_ver) * 4));
        memcpy(&ip->ip_csum, &sum, sizeof sum);
        return false;
    } else {
        struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_inner_l3(segment);

        ip6->ip6_plen = htons(dp_packet_inner_l3_size(segment) - sizeof *ip6);
        return true;
    }
}

/* Sets the fields of the TCP header that differ between segments: only the
 * first has CWR, and only the last PSH and FIN. */
static void
set_tcp(struct dp_packet *segment, const struct cut *cut, unsigned int i,
        bool ipv6)
{
    struct tcp_header *tcp = dp_packet_inner_l4(segment);
    uint32_t seq = ntohl(get_16aligned_be32(&tcp->tcp_seq));
    size_t size = dp_packet_inner_l4_size(segment);
    uint16_t clear = i ? TCP_CWR : 0, sum;

    if (i < cut->n - 1) {
        clear |= TCP_PSH | TCP_FIN;
    }
    put_16aligned_be32(&tcp->tcp_seq, htonl(seq + i * cut->segsz));
    tcp->tcp_ctl &= ~htons(clear);
    tcp->tcp_csum = 0;
    sum = ~vnetenc_sum_fold(vnetenc_sum_add(
        vnetenc_sum_tcp_pseudo(dp_packet_inner_l3(segment), ipv6, size), tcp,
        size));
    memcpy(&tcp->tcp_csum, &sum, sizeof sum);
}

static void
copy_metadata(struct dp_packet *segment, const struct dp_packet *whole)
{
    segment->packet_type = whole->packet_type;
    segment->l2_5_ofs = whole->l2_5_ofs;
    segment->l3_ofs = whole->l3_ofs;
    segment->l4_ofs = whole->l4_ofs;
    segment->inner_l3_ofs = whole->inner_l3_ofs;
    segment->inner_l4_ofs = whole->inner_l4_ofs;
    segment->has_hash = whole->has_hash;
    *dp_packet_rss_ptr(segment) = *dp_packet_rss_ptr(whole);
    segment->has_mark = whole->has_mark;
    *dp_packet_flow_mark_ptr(segment) = *dp_packet_flow_mark_ptr(whole);
    segment->offloads = whole->offloads;
}

static struct dp_packet *
make_segment(const struct cut *cut, unsigned int i)
{
    const uint8_t *data = dp_packet_data(cut->whole);
    size_t ofs = i * cut->segsz;
    size_t size = MIN(cut->segsz, cut->payload - ofs);
    struct dp_packet *segment = vnetenc_pool_get(cut->head + size
                                                 + VNETENC_TAG_BYTES);

    dp_packet_put(segment, data, cut->head);
    dp_packet_put(segment, data + cut->head + ofs, size);
    copy_metadata(segment, cut->whole);
    set_outer(segment, i);
    set_tcp(segment, cut, i, set_inner_ip(segment, i));
    dp_packet_inner_ip_checksum_set_good(segment);
    dp_packet_inner_l4_checksum_set_good(segment);
    return segment;
}

/* Stores how 'packet' is to be cut.  Returns false if it cannot be cut. */
static bool
plan(const struct dp_packet *packet, struct cut *cut)
{
    const uint8_t *data = dp_packet_data(packet);
    const uint8_t *payload;

    if ((!dp_packet_tunnel_geneve(packet) && !dp_packet_tunnel_vxlan(packet))
        || !dp_packet_inner_l3(packet)) {
        return false;
    }
    payload = dp_packet_get_inner_tcp_payload(packet);
    if (!payload) {
        return false;
    }
    cut->whole = packet;
    cut->head = payload - data;
    cut->payload = dp_packet_get_inner_tcp_payload_length(packet);
    cut->segsz = dp_packet_get_tso_segsz(packet);
    cut->n = DIV_ROUND_UP(cut->payload, cut->segsz);
    return true;
}

void
vnetenc_segment_batch(struct dp_packet_batch *batch)
{
    struct dp_packet_batch segments;
    struct dp_packet *packet;

    dp_packet_batch_init(&segments);
    segments.trunc = batch->trunc;
    DP_PACKET_BATCH_FOR_EACH (k, packet, batch) {
        struct cut cut;

        if (!dp_packet_get_tso_segsz(packet) || !plan(packet, &cut)
            || cut.n < 2) {
            dp_packet_batch_add(&segments, packet);
            continue;
        }
        for (unsigned int i = 0; i < cut.n; i++) {
            dp_packet_batch_add(&segments, make_segment(&cut, i));
        }
        vnetenc_pool_put(packet);
    }
    dp_packet_batch_swap(batch, &segments);
    dp_packet_batch_destroy(&segments);
}
