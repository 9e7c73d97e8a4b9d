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
#include "vnetenc/control/icmp.h"
#include <netinet/icmp6.h>
#include <netinet/ip6.h>
#include <string.h>
#include "coverage.h"
#include "csum.h"
#include "dp-packet.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "odp-util.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "unaligned.h"
#include "util.h"
#include "vnetenc/bridge/path.h"
#include "vnetenc/bridge/tunnel.h"
#include "vnetenc/control/execute.h"
#include "vnetenc/crypto/wire.h"
#include "vnetenc/kernel/inject.h"
#include "vnetenc/packet/pmtu.h"

COVERAGE_DEFINE(vnetenc_pmtu_sent);

enum {
    TTL = 64,
    ICMP4_MESSAGE_BYTES = 576,  /* RFC 1812 section 4.3.2.3. */
    ICMP6_MESSAGE_BYTES = 1280, /* RFC 4443 section 2.4 (c). */
    ICMP6_MIN_MTU = 1280,
};

/* The message. */

/* Appends an Ethernet header with the VLAN tags of the packet that came in. */
static void
put_ethernet(struct dp_packet *packet, const struct vnetenc_pmtu_note *note,
             uint16_t type)
{
    ovs_be16 be_type = htons(type);

    dp_packet_put(packet, &note->src, ETH_ADDR_LEN);
    dp_packet_put(packet, &note->dst, ETH_ADDR_LEN);
    for (size_t i = 0; i < VNETENC_PMTU_MAX_TAGS && note->tags[i][0]; i++) {
        dp_packet_put(packet, note->tags[i], sizeof note->tags[i]);
    }
    dp_packet_put(packet, &be_type, sizeof be_type);
}

static bool
is_icmp_error(uint8_t type)
{
    return (type == ICMP4_DST_UNREACH || type == ICMP4_SOURCEQUENCH
            || type == ICMP4_REDIRECT || type == ICMP4_TIME_EXCEEDED
            || type == ICMP4_PARAM_PROB);
}

/* Returns true if the IPv4 packet at 'ip' may be answered. */
static bool
may_answer_4(const struct ip_header *ip, size_t size)
{
    size_t ihl = size ? IP_IHL(ip->ip_ihl_ver) * 4 : 0;
    ovs_be32 src, dst;

    if (size < IP_HEADER_LEN || IP_VER(ip->ip_ihl_ver) != 4
        || ihl < IP_HEADER_LEN || size < ihl + ICMP_ERROR_DATA_L4_LEN
        || ip->ip_frag_off & htons(IP_FRAG_OFF_MASK)) {
        return false;
    }
    src = get_16aligned_be32(&ip->ip_src);
    dst = get_16aligned_be32(&ip->ip_dst);
    return (src && dst && src != htonl(UINT32_MAX)
            && dst != htonl(UINT32_MAX)
            && !ip_is_multicast(src) && !ip_is_multicast(dst)
            && !(ip->ip_proto == IPPROTO_ICMP
                 && is_icmp_error(((const uint8_t *) ip)[ihl])));
}

static struct dp_packet *
build_4(const struct vnetenc_pmtu_note *note, const uint8_t *l3, size_t size,
        size_t mtu)
{
    const struct ip_header *old
        = ALIGNED_CAST(const struct ip_header *, l3);
    struct icmp_header icmp;
    struct dp_packet *packet;
    struct ip_header ip;

    if (!may_answer_4(old, size)) {
        return NULL;
    }
    size = MIN(size, ntohs(old->ip_tot_len));
    size = MIN(size, ICMP4_MESSAGE_BYTES - IP_HEADER_LEN - ICMP_HEADER_LEN);

    memset(&ip, 0, sizeof ip);
    ip.ip_ihl_ver = IP_IHL_VER(5, 4);
    ip.ip_tot_len = htons(IP_HEADER_LEN + ICMP_HEADER_LEN + size);
    ip.ip_ttl = TTL;
    ip.ip_proto = IPPROTO_ICMP;
    ip.ip_src = old->ip_dst;
    ip.ip_dst = old->ip_src;
    ip.ip_csum = csum(&ip, sizeof ip);

    memset(&icmp, 0, sizeof icmp);
    icmp.icmp_type = ICMP4_DST_UNREACH;
    icmp.icmp_code = 4;         /* Fragmentation needed. */
    icmp.icmp_fields.frag.mtu = htons(mtu);
    icmp.icmp_csum = csum_finish(csum_continue(
        csum_continue(0, &icmp, sizeof icmp), l3, size));

    packet = dp_packet_new(VNETENC_PMTU_HEAD_BYTES);
    put_ethernet(packet, note, ETH_TYPE_IP);
    dp_packet_put(packet, &ip, sizeof ip);
    dp_packet_put(packet, &icmp, sizeof icmp);
    dp_packet_put(packet, l3, size);
    return packet;
}

/* Returns true for an extension header that could hide an ICMPv6 error or a
 * later fragment. */
static bool
hides_payload(uint8_t next)
{
    return (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING
            || next == IPPROTO_FRAGMENT || next == IPPROTO_DSTOPTS
            || next == IPPROTO_MH);
}

/* Returns true if the IPv6 packet at 'ip6' may be answered. */
static bool
may_answer_6(const struct ovs_16aligned_ip6_hdr *ip6, size_t size)
{
    struct in6_addr src, dst;

    if (size < IPV6_HEADER_LEN + ICMP_ERROR_DATA_L4_LEN
        || IP_VER(((const uint8_t *) ip6)[0]) != 6) {
        return false;
    }
    memcpy(&src, &ip6->ip6_src, sizeof src);
    memcpy(&dst, &ip6->ip6_dst, sizeof dst);
    return (ipv6_addr_is_set(&src)
            && !ipv6_addr_is_multicast(&src) && !ipv6_addr_is_multicast(&dst)
            && !hides_payload(ip6->ip6_nxt)
            && !(ip6->ip6_nxt == IPPROTO_ICMPV6
                 && ((const uint8_t *) ip6)[IPV6_HEADER_LEN] < 128));
}

static struct dp_packet *
build_6(const struct vnetenc_pmtu_note *note, const uint8_t *l3, size_t size,
        size_t mtu)
{
    const struct ovs_16aligned_ip6_hdr *old
        = ALIGNED_CAST(const struct ovs_16aligned_ip6_hdr *, l3);
    struct ovs_16aligned_ip6_hdr ip6;
    struct icmp6_data_header icmp6;
    struct dp_packet *packet;
    uint32_t pseudo;

    if (!may_answer_6(old, size)) {
        return NULL;
    }
    size = MIN(size, IPV6_HEADER_LEN + ntohs(old->ip6_plen));
    size = MIN(size, (ICMP6_MESSAGE_BYTES - IPV6_HEADER_LEN
                      - ICMP6_DATA_HEADER_LEN));

    memset(&ip6, 0, sizeof ip6);
    put_16aligned_be32(&ip6.ip6_flow, htonl(6u << 28));
    ip6.ip6_plen = htons(ICMP6_DATA_HEADER_LEN + size);
    ip6.ip6_nxt = IPPROTO_ICMPV6;
    ip6.ip6_hlim = TTL;
    ip6.ip6_src = old->ip6_dst;
    ip6.ip6_dst = old->ip6_src;

    memset(&icmp6, 0, sizeof icmp6);
    icmp6.icmp6_base.icmp6_type = ICMP6_PACKET_TOO_BIG;
    put_16aligned_be32(icmp6.icmp6_data.be32,
                       htonl(MAX(mtu, ICMP6_MIN_MTU)));
    pseudo = packet_csum_pseudoheader6(&ip6);
    icmp6.icmp6_base.icmp6_cksum = csum_finish(csum_continue(
        csum_continue(pseudo, &icmp6, sizeof icmp6), l3, size));

    packet = dp_packet_new(2 * VNETENC_PMTU_HEAD_BYTES);
    put_ethernet(packet, note, ETH_TYPE_IPV6);
    dp_packet_put(packet, &ip6, sizeof ip6);
    dp_packet_put(packet, &icmp6, sizeof icmp6);
    dp_packet_put(packet, l3, size);
    return packet;
}

struct dp_packet *
vnetenc_icmp_build(const struct vnetenc_pmtu_note *note, const uint8_t *frame,
                   size_t size)
{
    uint64_t l3[VNETENC_PMTU_HEAD_BYTES / 8];
    size_t ofs = 2 * ETH_ADDR_LEN;

    /* RFC 1122 section 3.2.2: a packet to a group causes no message. */
    if (eth_addr_is_multicast(note->src) || eth_addr_is_multicast(note->dst)) {
        return NULL;
    }
    for (int i = 0; i <= VNETENC_PMTU_MAX_TAGS && size >= ofs + 2; i++) {
        ovs_be16 type = htons(vnetenc_wire_get_u16(frame + ofs));
        size_t mtu;

        if (eth_type_vlan(type)) {
            ofs += VLAN_HEADER_LEN;
            continue;
        }
        ofs += sizeof type;
        size = MIN(size - ofs, sizeof l3);
        memcpy(l3, frame + ofs, size);      /* Aligned. */
        mtu = note->max_frame > ofs ? note->max_frame - ofs : 0;
        return (type == htons(ETH_TYPE_IP)
                ? build_4(note, (uint8_t *) l3, size, mtu)
                : type == htons(ETH_TYPE_IPV6)
                ? build_6(note, (uint8_t *) l3, size, mtu)
                : NULL);
    }
    return NULL;
}

/* Sending. */

static void
send_out(struct dp_packet *packet, uint32_t port)
{
    struct ofpbuf actions;

    ofpbuf_init(&actions, 64);
    nl_msg_put_odp_port(&actions, OVS_ACTION_ATTR_OUTPUT, u32_to_odp(port));
    packet->md.in_port.odp_port = ODPP_NONE;
    vnetenc_execute(packet, actions.data, actions.size, NULL, VNETENC_KEEP);
    COVERAGE_INC(vnetenc_pmtu_sent);
    ofpbuf_uninit(&actions);
}

/* Sends 'packet' as an arrival from the tunnel of 'path', with the tunnel
 * header of the packet that was too long. */
static void
send_in(struct dp_packet *packet, const struct vnetenc_path_key *path,
        const uint8_t *tunnel, size_t tunnel_size)
{
    const struct vnetenc_coalesce_outer outer = {
        .src = path->remote,
        .dst = path->local,
        .udp_src = path->dtls_port,
        .vxlan = vnetenc_tunnel_is_vxlan(path->dtls_port),
    };

    dp_packet_push(packet, tunnel, tunnel_size);
    vnetenc_inject_packet(&outer, dp_packet_data(packet),
                          dp_packet_size(packet));
    COVERAGE_INC(vnetenc_pmtu_sent);
    dp_packet_delete(packet);
}

void
vnetenc_icmp_answer(const struct vnetenc_path_key *path, const uint8_t *data,
                    size_t size)
{
    const uint8_t *frame = data + sizeof(struct vnetenc_pmtu_note);
    struct vnetenc_pmtu_note note;
    struct dp_packet *packet;

    if (size < sizeof note) {
        return;
    }
    memcpy(&note, data, sizeof note);
    size -= sizeof note;
    if (size < note.tunnel_size) {
        return;
    }
    packet = vnetenc_icmp_build(&note, frame + note.tunnel_size,
                                size - note.tunnel_size);
    if (packet && note.tunnel_size) {
        send_in(packet, path, frame, note.tunnel_size);
    } else if (packet) {
        send_out(packet, note.in_port);
    }
}
