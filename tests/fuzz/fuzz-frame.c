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

/* A frame that the kernel hands over, with its virtio header.
 *
 *     what 1 | virtio header 10 | frame: anything         (what even)
 *     what 1 | virtio header 10 | what is behind a good outer header of
 *     UDP, by 'what' in IPv6, and of VXLAN                 (what odd)
 *
 * What passes is sealed, or segmented and completed as if it were to leave in
 * clear.  Nothing that was not sealed is taken for a record. */

#include <config.h>
#undef NDEBUG
#include "fuzz/vnetenc-fuzz.h"

#include <linux/virtio_net.h>
#include <netinet/ip6.h>
#include <string.h>

#include "dp-packet.h"
#include "dp-packet-gso.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/bridge/inbox.h"
#include "vnetenc/bridge/vni.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc/kernel/virtio.h"
#include "vnetenc/packet/route.h"
#include "vnetenc/packet/seal.h"
#include "vnetenc-unit-packets.h"

enum {
    WHAT_HEADER = 0x01,
    WHAT_IPV6 = 0x02,
    WHAT_VXLAN = 0x04,
    WHAT_CLEAR = 0x08,
    MAX_FRAME = 20000,
    RENEW = 1000,               /* As in fuzz-record.c. */
};

static struct unit_sessions sessions[2];
static unsigned int n_inputs;

static void
make_sessions(void)
{
    for (int i = 0; i < 2; i++) {
        unit_sessions_create(&sessions[i], VNETENC_AES128_GCM, i, 2);
    }
}

void
fuzz_begin(void)
{
    vnetenc_aead_init("openssl");
    vnetenc_inbox_init();
    make_sessions();
}

static void
empty_inboxes(void)
{
    struct vnetenc_event event;

    for (int i = 0; i < VNETENC_N_INBOXES; i++) {
        while (vnetenc_inbox_take(i, &event)) {
            continue;
        }
    }
}

/* A frame with a good outer header. */
static struct dp_packet *
make_frame(struct fuzz_input in, bool ipv6)
{
    return unit_datagram(ipv6, htons(50000), htons(64000), in.data,
                         MIN(in.size, MAX_FRAME));
}

/* Gives it the addresses of a path that has a session. */
static void
set_addresses(struct dp_packet *packet, bool ipv6)
{
    struct vnetenc_path_key key = unit_path(ipv6, false);

    if (ipv6) {
        struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_l3(packet);

        memcpy(&ip6->ip6_src, &key.local, sizeof key.local);
        memcpy(&ip6->ip6_dst, &key.remote, sizeof key.remote);
    } else {
        struct ip_header *ip = dp_packet_l3(packet);

        put_16aligned_be32(&ip->ip_src, in6_addr_get_mapped_ipv4(&key.local));
        put_16aligned_be32(&ip->ip_dst, in6_addr_get_mapped_ipv4(&key.remote));
    }
}

static void
seal(struct dp_packet_batch *batch)
{
    struct ovs_action_vnetenc action = unit_action(VNETENC_REQUIRE);
    struct vnetenc_route route;
    struct dp_packet *packet;

    ovs_assert(!vnetenc_seal_batch_for_lanes(batch, &action, false, &route));
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        const struct udp_header *udp = dp_packet_l4(packet);
        const uint8_t *record = (const uint8_t *) (udp + 1);

        ovs_assert(udp->udp_dst == htons(VNETENC_GENEVE_PORT));
        ovs_assert(ntohs(udp->udp_src) - UNIT_LANE_PORT < 2u);
        ovs_assert(dp_packet_l4_size(packet) >= UDP_HEADER_LEN
                   + VNETENC_MIN_PLAINTEXT_BYTES + VNETENC_OVERHEAD);
        ovs_assert(record[0] == 23 && record[1] == 254 && record[2] == 253);
    }
}

static void
complete(struct dp_packet_batch *batch)
{
    struct dp_packet *packet;

    dp_packet_gso_batch(batch);
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        dp_packet_set_tso_segsz(packet, 0);
        dp_packet_ol_send_prepare(packet, 0);
    }
}

void
fuzz_one(struct fuzz_input in)
{
    uint8_t what = fuzz_u8(&in);
    struct virtio_net_hdr header;
    struct dp_packet_batch batch;
    size_t n = sizeof header;
    struct dp_packet *packet;
    const uint8_t *data = fuzz_take(&in, &n);
    ovs_be16 port;

    memset(&header, 0, sizeof header);
    nullable_memcpy(&header, data, n);
    packet = (what & WHAT_HEADER ? make_frame(in, what & WHAT_IPV6)
              : dp_packet_clone_data(in.data, MIN(in.size, MAX_FRAME)));
    pkt_metadata_init(&packet->md, 0);
    if (vnetenc_virtio_outer(packet, &port)
        || vnetenc_virtio_inner(packet, &header, what & WHAT_VXLAN)) {
        ovs_assert(!(what & WHAT_HEADER) || in.size < 8
                   || header.flags || header.gso_type
                   || !(what & WHAT_VXLAN));
        dp_packet_delete(packet);
        return;
    }
    ovs_assert(packet->l3_ofs < packet->l4_ofs
               && packet->l4_ofs + UDP_HEADER_LEN
                  + VNETENC_MIN_PLAINTEXT_BYTES <= dp_packet_size(packet));

    dp_packet_batch_init_packet(&batch, packet);
    if (what & WHAT_CLEAR) {
        complete(&batch);
    } else {
        set_addresses(packet, packet->l4_ofs == ETH_HEADER_LEN
                              + IPV6_HEADER_LEN);
        seal(&batch);
    }
    dp_packet_delete_batch(&batch, true);
    dp_packet_batch_destroy(&batch);
    empty_inboxes();
    if (++n_inputs % RENEW == 0) {
        unit_sessions_destroy(&sessions[0]);
        unit_sessions_destroy(&sessions[1]);
        make_sessions();
    }
}

/* A seed of a frame with TCP inside, which leaves 'header' to us. */
static void
make_seed(uint8_t what, struct virtio_net_hdr header, uint8_t proto)
{
    static uint8_t seed[MAX_FRAME];
    struct dp_packet *packet = unit_frame(proto, 3000, false);
    const uint8_t *data;
    size_t skip = 0, size;

    unit_push(packet, what & WHAT_IPV6, what & WHAT_VXLAN);
    if (what & WHAT_HEADER) {
        skip = packet->l4_ofs + UDP_HEADER_LEN;
    }
    header.csum_start += packet->l4_ofs + UDP_HEADER_LEN + 8 + ETH_HEADER_LEN
                         + IP_HEADER_LEN;
    data = dp_packet_data(packet);
    size = dp_packet_size(packet) - skip;
    memcpy(seed, &header, sizeof header);
    memcpy(seed + sizeof header, data + skip, size);
    fuzz_seed(what, seed, sizeof header + size);
    dp_packet_delete(packet);
}

void
fuzz_make_seeds(void)
{
    const struct virtio_net_hdr plain = { .flags = 0 };
    const struct virtio_net_hdr tcp = {
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
        .csum_offset = offsetof(struct tcp_header, tcp_csum),
    };
    const struct virtio_net_hdr udp = {
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
        .csum_offset = offsetof(struct udp_header, udp_csum),
    };
    const struct virtio_net_hdr tso = {
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
        .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
        .gso_size = 1000,
        .csum_offset = offsetof(struct tcp_header, tcp_csum),
    };

    for (int what = 0; what < 16; what++) {
        make_seed(what, plain, IPPROTO_TCP);
        make_seed(what, tcp, IPPROTO_TCP);
        make_seed(what, udp, IPPROTO_UDP);
        make_seed(what, tso, IPPROTO_TCP);
    }
}
