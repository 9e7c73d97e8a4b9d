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
#include "vnetenc/kernel/too-long.h"
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip6.h>
#include <string.h>
#include <sys/socket.h>
#include "hash.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/path.h"
#include "vnetenc/bridge/tunnel.h"
#include "vnetenc/crypto/wire.h"
#include "vnetenc/kernel/device.h"
#include "vnetenc/kernel/netns.h"
#include "vnetenc/kernel/worker.h"
#include "vnetenc/packet/half.h"
#include "vnetenc/packet/pmtu.h"

enum {
    ICMP_BYTES = 8,             /* Header of a message, also of ICMPv6. */
    FRAGMENTATION_NEEDED = 4,   /* Code of ICMP4_DST_UNREACH. */
};

/* Parsing. */

/* Stores the addresses of the IP packet, and the offset of its UDP header in
 * '*udp_ofs'.  Returns false if it is not UDP. */
static bool
parse_ip(const uint8_t *p, size_t size, struct in6_addr *src,
         struct in6_addr *dst, size_t *udp_ofs)
{
    if (size >= IP_HEADER_LEN && p[0] == IP_IHL_VER(5, 4)) {
        ovs_be32 addr[2];

        memcpy(addr, p + offsetof(struct ip_header, ip_src), sizeof addr);
        in6_addr_set_mapped_ipv4(src, addr[0]);
        in6_addr_set_mapped_ipv4(dst, addr[1]);
        *udp_ofs = IP_HEADER_LEN;
        return p[offsetof(struct ip_header, ip_proto)] == IPPROTO_UDP;
    } else if (size >= IPV6_HEADER_LEN && IP_VER(p[0]) == 6) {
        memcpy(src, p + offsetof(struct ovs_16aligned_ip6_hdr, ip6_src),
               sizeof *src);
        memcpy(dst, p + offsetof(struct ovs_16aligned_ip6_hdr, ip6_dst),
               sizeof *dst);
        *udp_ofs = IPV6_HEADER_LEN;
        return (p[offsetof(struct ovs_16aligned_ip6_hdr, ip6_nxt)]
                == IPPROTO_UDP);
    }
    return false;
}

/* Fills the fields of 'note' that are those of 'frame'. */
static bool
parse_frame(const uint8_t *frame, size_t size, struct vnetenc_pmtu_note *note)
{
    const uint8_t *tag = frame + 2 * ETH_ADDR_LEN;

    if (size < ETH_HEADER_LEN + VNETENC_PMTU_MAX_TAGS * VLAN_HEADER_LEN) {
        return false;
    }
    memcpy(&note->dst, frame, ETH_ADDR_LEN);
    memcpy(&note->src, frame + ETH_ADDR_LEN, ETH_ADDR_LEN);
    for (size_t i = 0; i < VNETENC_PMTU_MAX_TAGS; i++) {
        ovs_be16 type = htons(vnetenc_wire_get_u16(tag));

        if (!eth_type_vlan(type)) {
            break;
        }
        note->tags[i][0] = type;
        note->tags[i][1] = htons(vnetenc_wire_get_u16(tag + sizeof type));
        tag += VLAN_HEADER_LEN;
    }
    return true;
}

bool
vnetenc_too_long_parse(const uint8_t *packet, size_t size, unsigned int mtu,
                       struct vnetenc_path_key *path,
                       struct vnetenc_pmtu_note *note, size_t *tunnel_ofs)
{
    struct vnetenc_device_demand demand;
    size_t udp_ofs, ofs;
    ovs_be16 udp_dst;

    vnetenc_path_key_init(path);
    if (!parse_ip(packet, size, &path->local, &path->remote, &udp_ofs)
        || size < udp_ofs + UDP_HEADER_LEN + VNETENC_MIN_PLAINTEXT_BYTES) {
        return false;
    }
    udp_dst = htons(vnetenc_wire_get_u16(
        packet + udp_ofs + offsetof(struct udp_header, udp_dst)));
    if (!vnetenc_device_of_out_port(udp_dst, &demand)) {
        return false;
    }
    ofs = *tunnel_ofs = udp_ofs + UDP_HEADER_LEN;
    ofs += (demand.vxlan ? VNETENC_GENEVE_BYTES     /* VXLAN has as many. */
            : vnetenc_half_geneve_size(packet + ofs));

    memset(note, 0, sizeof *note);
    note->in_port = UINT32_MAX;
    note->tunnel_size = ofs - *tunnel_ofs;
    note->max_frame = mtu > ofs ? MIN(mtu - ofs, UINT16_MAX) : 0;
    path->profile = demand.profile;
    path->dtls_port = vnetenc_tunnel_dtls_port(
        demand.vxlan ? "vxlan" : "geneve",
        htons(demand.vxlan ? VNETENC_CLEAR_VXLAN_PORT
              : VNETENC_CLEAR_GENEVE_PORT));
    return size >= ofs && parse_frame(packet + ofs, size - ofs, note);
}

/* Reading. */

/* Takes a message about 'packet'. */
static void
take(const uint8_t *packet, size_t size, unsigned int mtu)
{
    struct vnetenc_pmtu_note note;
    struct vnetenc_path_key path;
    size_t tunnel_ofs;

    if (!vnetenc_too_long_parse(packet, size, mtu, &path, &note,
                                &tunnel_ofs)) {
        return;
    }
    vnetenc_drop_count(VNETENC_DROP_tx_mtu, 1);
    /* The answer will be an arrival from this address. */
    if (vnetenc_gate_find(&path.remote)) {
        /* The guest's port is unknown.  A guest that uses many addresses can
         * use up the rate of others. */
        vnetenc_pmtu_post(&path, &note, hash_bytes(&note.src, sizeof note.src,
                                                   0),
                          packet + tunnel_ofs, size - tunnel_ofs);
    }
}

static void
take_4(const uint8_t *p, size_t size)
{
    size_t ofs = size ? IP_IHL(p[0]) * 4 : 0;

    if (size >= ofs + ICMP_BYTES && ofs >= IP_HEADER_LEN
        && p[ofs] == ICMP4_DST_UNREACH
        && p[ofs + 1] == FRAGMENTATION_NEEDED) {
        take(p + ofs + ICMP_BYTES, size - ofs - ICMP_BYTES,
             vnetenc_wire_get_u16(p + ofs + 6));
    }
}

/* Raw sockets of IPv6 leave the IP header out. */
static void
take_6(const uint8_t *p, size_t size)
{
    if (size >= ICMP_BYTES && p[0] == ICMP6_PACKET_TOO_BIG) {
        take(p + ICMP_BYTES, size - ICMP_BYTES,
             vnetenc_wire_get_u16(p + 4) ? UINT16_MAX
             : vnetenc_wire_get_u16(p + 6));
    }
}

static bool
run(struct vnetenc_worker *worker OVS_UNUSED, int fd, void *ipv6)
{
    for (int i = 0; i < VNETENC_KERNEL_BURST; i++) {
        uint8_t message[VNETENC_PMTU_HEAD_BYTES];
        ssize_t size = recv(fd, message, sizeof message, MSG_DONTWAIT);

        if (size < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        (ipv6 ? take_6 : take_4)(message, size);
    }
    return true;
}

void
vnetenc_too_long_start(void)
{
    static bool ipv6 = true;

    for (int i = 0; i < 2; i++) {
        int fd = vnetenc_netns_icmp_fd(i);

        if (fd >= 0) {
            vnetenc_worker_add_fd(vnetenc_worker_get(0), fd, run, NULL,
                                  i ? &ipv6 : NULL);
        }
    }
}
