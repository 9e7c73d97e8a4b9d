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
#undef NDEBUG
#include "vnetenc-unit-packets.h"

#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "csum.h"
#include "dp-packet.h"
#include "flow.h"
#include "netdev-native-tnl.h"
#include "packets.h"
#include "random.h"
#include "util.h"

/* Sessions. */

struct vnetenc_path_key
unit_path(bool ipv6, bool at_receiver)
{
    struct in6_addr a = { .s6_addr = { 0xfd, [15] = 1 } };
    struct in6_addr b = { .s6_addr = { 0xfd, [15] = 2 } };
    struct vnetenc_path_key path;

    if (!ipv6) {
        in6_addr_set_mapped_ipv4(&a, htonl(0x0a000001));
        in6_addr_set_mapped_ipv4(&b, htonl(0x0a000002));
    }
    memset(&path, 0, sizeof path);
    path.local = at_receiver ? b : a;
    path.remote = at_receiver ? a : b;
    path.dtls_port = htons(VNETENC_GENEVE_PORT);
    path.profile = UNIT_PROFILE;
    return path;
}

struct ovs_action_vnetenc
unit_action(enum vnetenc_mode mode)
{
    struct ovs_action_vnetenc action;

    memset(&action, 0, sizeof action);
    action.tp_dst = htons(VNETENC_GENEVE_PORT);
    action.mode = mode;
    action.profile = UNIT_PROFILE;
    return action;
}

void
unit_sessions_create(struct unit_sessions *s, enum vnetenc_cipher cipher,
                     bool ipv6, unsigned int n)
{
    struct vnetenc_path_key sender = unit_path(ipv6, false);
    struct vnetenc_path_key receiver = unit_path(ipv6, true);

    memset(s, 0, sizeof *s);
    s->ipv6 = ipv6;
    s->n = n;
    s->published = vnetenc_path_create(&sender, n);
    for (unsigned int i = 0; i < n; i++) {
        struct vnetenc_record_key *key = &s->keys[i];
        ovs_be16 port = htons(UNIT_LANE_PORT + i);

        key->cipher = cipher;
        random_bytes(key->key, sizeof key->key);
        random_bytes(key->fixed_iv, sizeof key->fixed_iv);
        s->tx[i] = vnetenc_tx_create(key, port, VNETENC_MAX_SEQ + 1,
                                     UINT64_MAX);
        s->rx[i] = vnetenc_rx_create(key, &receiver, port);
        ovs_assert(s->tx[i] && s->rx[i]);
        ovs_assert(!vnetenc_lanes_swap(&s->published->lanes, i, s->tx[i]));
        vnetenc_rx_publish(s->rx[i]);
    }
}

void
unit_sessions_destroy(struct unit_sessions *s)
{
    for (unsigned int i = 0; i < s->n; i++) {
        vnetenc_tx_retire(vnetenc_lanes_swap(&s->published->lanes, i, NULL));
        vnetenc_rx_retire(s->rx[i]);
    }
    vnetenc_path_retire(s->published);
    ovsrcu_quiesce();
}

void
unit_tx_set_seq(struct vnetenc_tx *tx, uint64_t seq)
{
    atomic_store_relaxed(&tx->next_seq, seq);
    for (size_t i = 0; i < ARRAY_SIZE(tx->ranges); i++) {
        atomic_read_relaxed(&tx->ranges[i].n_records,
                            &tx->ranges[i].max_records);
    }
}

/* Packets. */

static void
parse(struct dp_packet *packet)
{
    struct flow flow;

    flow_extract(packet, &flow);
}

struct dp_packet *
unit_frame(uint8_t proto, size_t size, bool vlan)
{
    struct dp_packet *packet = dp_packet_new_with_headroom(64 + size, 128);
    size_t l4_len = (proto == IPPROTO_TCP ? TCP_HEADER_LEN
                     : proto == IPPROTO_UDP ? UDP_HEADER_LEN
                     : SCTP_HEADER_LEN);
    struct eth_header *eth = dp_packet_put_zeros(packet, ETH_HEADER_LEN);
    struct ip_header *ip;
    uint8_t *payload;
    void *l4;

    eth->eth_dst = (struct eth_addr) ETH_ADDR_C(50,54,00,00,00,02);
    eth->eth_src = (struct eth_addr) ETH_ADDR_C(50,54,00,00,00,01);
    eth->eth_type = htons(ETH_TYPE_IP);

    ip = dp_packet_put_zeros(packet, IP_HEADER_LEN);
    ip->ip_ihl_ver = IP_IHL_VER(5, 4);
    ip->ip_ttl = 64;
    ip->ip_proto = proto;
    ip->ip_tot_len = htons(IP_HEADER_LEN + l4_len + size);
    put_16aligned_be32(&ip->ip_src, htonl(0xc0a80001));
    put_16aligned_be32(&ip->ip_dst, htonl(0xc0a80002));
    ip->ip_csum = csum(ip, IP_HEADER_LEN);

    dp_packet_put_zeros(packet, l4_len);
    payload = dp_packet_put_uninit(packet, size);
    for (size_t i = 0; i < size; i++) {
        payload[i] = i * 7 + i / 251;
    }
    parse(packet);

    l4 = dp_packet_l4(packet);
    if (proto == IPPROTO_TCP) {
        struct tcp_header *tcp = l4;

        tcp->tcp_src = htons(1000);
        tcp->tcp_dst = htons(80);
        put_16aligned_be32(&tcp->tcp_seq, htonl(1000000));
        tcp->tcp_ctl = TCP_CTL(TCP_ACK | TCP_PSH, 5);
        packet_tcp_complete_csum(packet, false);
    } else if (proto == IPPROTO_UDP) {
        struct udp_header *udp = l4;

        udp->udp_src = htons(1000);
        udp->udp_dst = htons(53);
        udp->udp_len = htons(UDP_HEADER_LEN + size);
        udp->udp_csum = htons(UINT16_MAX);
        packet_udp_complete_csum(packet, false);
    } else {
        struct sctp_header *sctp = l4;

        sctp->sctp_src = htons(1000);
        sctp->sctp_dst = htons(99);
        packet_sctp_complete_csum(packet, false);
    }
    if (vlan) {
        eth_push_vlan(packet, htons(ETH_TYPE_VLAN), htons(0x2064));
    }
    dp_packet_reset_offload(packet);
    parse(packet);
    dp_packet_set_rss_hash(packet, 0x12345678);
    return packet;
}

void
unit_push(struct dp_packet *packet, bool ipv6, bool vxlan)
{
    struct ovs_action_push_tnl data;
    struct vnetenc_path_key path = unit_path(ipv6, false);
    uint8_t *header = (uint8_t *) data.header;
    struct eth_header *eth = (struct eth_header *) data.header;
    size_t l3_len = ipv6 ? IPV6_HEADER_LEN : IP_HEADER_LEN;
    struct udp_header udp;
    uint8_t *tunnel;

    memset(&data, 0, sizeof data);
    data.tnl_type = vxlan ? OVS_VPORT_TYPE_VXLAN : OVS_VPORT_TYPE_GENEVE;
    data.header_len = ETH_HEADER_LEN + l3_len + UDP_HEADER_LEN + 8;
    eth->eth_dst = (struct eth_addr) ETH_ADDR_C(02,00,00,00,00,02);
    eth->eth_src = (struct eth_addr) ETH_ADDR_C(02,00,00,00,00,01);
    eth->eth_type = htons(ipv6 ? ETH_TYPE_IPV6 : ETH_TYPE_IP);
    if (ipv6) {
        struct ovs_16aligned_ip6_hdr ip6;

        memset(&ip6, 0, sizeof ip6);
        put_16aligned_be32(&ip6.ip6_flow, htonl(6 << 28));
        ip6.ip6_hlim = 64;
        ip6.ip6_nxt = IPPROTO_UDP;
        memcpy(&ip6.ip6_src, &path.local, sizeof ip6.ip6_src);
        memcpy(&ip6.ip6_dst, &path.remote, sizeof ip6.ip6_dst);
        memcpy(header + ETH_HEADER_LEN, &ip6, sizeof ip6);
    } else {
        struct ip_header ip;

        memset(&ip, 0, sizeof ip);
        ip.ip_ihl_ver = IP_IHL_VER(5, 4);
        ip.ip_ttl = 64;
        ip.ip_proto = IPPROTO_UDP;
        ip.ip_frag_off = htons(IP_DF);
        put_16aligned_be32(&ip.ip_src, in6_addr_get_mapped_ipv4(&path.local));
        put_16aligned_be32(&ip.ip_dst, in6_addr_get_mapped_ipv4(&path.remote));
        memcpy(header + ETH_HEADER_LEN, &ip, sizeof ip);
    }
    memset(&udp, 0, sizeof udp);
    udp.udp_dst = htons(vxlan ? 4789 : 6081);
    udp.udp_csum = htons(UINT16_MAX);
    memcpy(header + ETH_HEADER_LEN + l3_len, &udp, sizeof udp);

    tunnel = header + ETH_HEADER_LEN + l3_len + UDP_HEADER_LEN;
    if (vxlan) {
        tunnel[0] = 8;
    } else {
        tunnel[2] = ETH_TYPE_TEB >> 8;
        tunnel[3] = ETH_TYPE_TEB & 0xff;
    }
    tunnel[4] = UNIT_VNI >> 16;
    tunnel[5] = UNIT_VNI >> 8 & 0xff;
    tunnel[6] = UNIT_VNI & 0xff;
    netdev_tnl_push_udp_header(NULL, NULL, packet, &data);
}

struct dp_packet *
unit_pushed(size_t size, bool ipv6)
{
    struct dp_packet *packet;
    uint8_t *payload;

    ovs_assert(size >= 8);
    packet = dp_packet_new_with_headroom(size, 128);
    payload = dp_packet_put_uninit(packet, size - 8);
    for (size_t i = 0; i < size - 8; i++) {
        payload[i] = i * 11 + i / 253;
    }
    dp_packet_set_rss_hash(packet, 0x9abcdef0);
    unit_push(packet, ipv6, false);
    return packet;
}

#ifndef HAVE_AF_XDP
struct dp_packet_afxdp {
    struct umem_pool *mpool;
    struct dp_packet packet;
};
#endif

struct dp_packet *
unit_fixed(struct dp_packet *packet)
{
    struct dp_packet_afxdp *fixed = xzalloc(sizeof *fixed);

    fixed->packet = *packet;
    fixed->packet.source = DPBUF_AFXDP;
#ifdef DPDK_NETDEV
    free_cacheline(packet);
#else
    free(packet);
#endif
    return &fixed->packet;
}

void
unit_fixed_delete(struct dp_packet *packet)
{
    packet->source = DPBUF_MALLOC;
    dp_packet_uninit(packet);
    free(CONTAINER_OF(packet, struct dp_packet_afxdp, packet));
}

struct dp_packet *
unit_wire(const struct dp_packet *packet)
{
    struct dp_packet *ready = dp_packet_clone(packet);
    struct dp_packet *wire;

    dp_packet_ol_send_prepare(ready, 0);
    wire = dp_packet_clone_data(dp_packet_data(ready), dp_packet_size(ready));
    dp_packet_delete(ready);
    parse(wire);
    return wire;
}

struct dp_packet *
unit_datagram(bool ipv6, ovs_be16 udp_src, ovs_be16 udp_dst,
              const void *payload, size_t size)
{
    size_t headers = (ETH_HEADER_LEN + UDP_HEADER_LEN
                      + (ipv6 ? IPV6_HEADER_LEN : IP_HEADER_LEN));
    struct dp_packet *packet = unit_pushed(8, ipv6);
    struct dp_packet *wire;
    struct udp_header *udp;

    dp_packet_set_size(packet, headers);
    nullable_memcpy(dp_packet_put_uninit(packet, size), payload, size);
    udp = dp_packet_l4(packet);
    udp->udp_src = udp_src;
    udp->udp_dst = udp_dst;
    udp->udp_len = htons(UDP_HEADER_LEN + size);
    if (ipv6) {
        struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_l3(packet);

        ip6->ip6_plen = udp->udp_len;
    } else {
        struct ip_header *ip = dp_packet_l3(packet);

        ip->ip_tot_len = htons(IP_HEADER_LEN + UDP_HEADER_LEN + size);
    }
    wire = unit_wire(packet);
    dp_packet_delete(packet);
    return wire;
}

bool
unit_checksums_are_right(const struct dp_packet *packet_)
{
    struct dp_packet *packet = dp_packet_clone(packet_);
    const struct ip_header *ip;
    uint32_t pseudo;
    size_t size;
    bool ok;
    void *l4;

    parse(packet);
    ip = dp_packet_l3(packet);
    l4 = dp_packet_l4(packet);
    size = dp_packet_l4_size(packet);
    if (IP_VER(ip->ip_ihl_ver) == 4) {
        const struct udp_header *udp = l4;

        ok = !csum(ip, IP_HEADER_LEN);
        pseudo = packet_csum_pseudoheader(ip);
        if (ip->ip_proto == IPPROTO_SCTP) {
            struct sctp_header *sctp = l4;
            ovs_16aligned_be32 old = sctp->sctp_csum;

            packet_sctp_complete_csum(packet, false);
            ok = ok && !memcmp(&old, &sctp->sctp_csum, sizeof old);
        } else if (ip->ip_proto != IPPROTO_UDP || udp->udp_csum) {
            ok = ok && !csum_finish(csum_continue(pseudo, l4, size));
        }
    } else {
        pseudo = packet_csum_pseudoheader6(dp_packet_l3(packet));
        ok = !csum_finish(csum_continue(pseudo, l4, size));
    }
    dp_packet_delete(packet);
    return ok;
}

uint8_t *
unit_payload(const struct dp_packet *packet, size_t *size)
{
    *size = dp_packet_l4_size(packet) - UDP_HEADER_LEN;
    return (uint8_t *) dp_packet_l4(packet) + UDP_HEADER_LEN;
}

/* The other implementation of the record format. */

bool
unit_open_record(const struct vnetenc_record_key *key, const uint8_t *record,
                 size_t size, uint64_t *seq, uint8_t *plain,
                 size_t *plain_size)
{
    bool chacha = key->cipher == VNETENC_CHACHA20_POLY1305;
    size_t head = chacha ? 13 : 21;
    EVP_CIPHER_CTX *ctx;
    uint8_t nonce[12], aad[13], tag[16];
    int n = 0, end;
    size_t length;
    bool ok;

    if (size < head + 16
        || record[0] != 23 || record[1] != 0xfe || record[2] != 0xfd
        || record[3] != 0 || record[4] != 1) {
        return false;
    }
    length = record[11] << 8 | record[12];
    *plain_size = size - head - 16;
    if (length != size - 13) {
        return false;
    }
    *seq = 0;
    for (int i = 5; i < 11; i++) {
        *seq = *seq << 8 | record[i];
    }

    /* The header with epoch and sequence number moved to the front. */
    memcpy(aad, record + 3, 8);
    memcpy(aad + 8, record, 3);
    aad[11] = *plain_size >> 8;
    aad[12] = *plain_size & 0xff;
    if (chacha) {
        memcpy(nonce, key->fixed_iv, 12);
        for (int i = 0; i < 8; i++) {
            nonce[4 + i] ^= record[3 + i];
        }
    } else {
        memcpy(nonce, key->fixed_iv, 4);
        memcpy(nonce + 4, record + 13, 8);
    }
    memcpy(tag, record + size - 16, 16);

    ctx = EVP_CIPHER_CTX_new();
    ok = (EVP_DecryptInit_ex(ctx,
                             chacha ? EVP_chacha20_poly1305()
                             : key->cipher == VNETENC_AES128_GCM
                             ? EVP_aes_128_gcm() : EVP_aes_256_gcm(),
                             NULL, key->key, nonce) > 0
          && EVP_DecryptUpdate(ctx, NULL, &n, aad, sizeof aad) > 0
          && EVP_DecryptUpdate(ctx, plain, &n, record + head,
                               *plain_size) > 0
          && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, tag) > 0
          && EVP_DecryptFinal_ex(ctx, plain + n, &end) > 0);
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

struct dp_packet *
unit_open(const struct dp_packet *wire)
{
    struct dp_packet *packet = dp_packet_clone(wire);

    if (vnetenc_open(packet)) {
        return packet;
    }
    dp_packet_delete(packet);
    return NULL;
}

/* Drop counters. */

static unsigned long long int totals[VNETENC_N_DROPS];

void
unit_drops_begin(void)
{
    for (int i = 0; i < VNETENC_N_DROPS; i++) {
        totals[i] = vnetenc_drop_total(i);
    }
}

bool
unit_drops_are(enum vnetenc_drop reason, unsigned int n)
{
    bool ok = true;

    for (int i = 0; i < VNETENC_N_DROPS; i++) {
        unsigned long long int delta = vnetenc_drop_total(i) - totals[i];

        if (delta != (i == reason ? n : 0)) {
            printf("counter %s rose by %llu\n", vnetenc_drop_name(i), delta);
            ok = false;
        }
    }
    unit_drops_begin();
    return ok;
}
