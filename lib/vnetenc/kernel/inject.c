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
#include "vnetenc/kernel/inject.h"
#include <errno.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <netinet/ip6.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include "csum.h"
#include "openvswitch/vlog.h"
#include "ovs-atomic.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/kernel/device.h"
#include "vnetenc/kernel/netns.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_inject);

/* Constants that headers of older kernels lack. */
enum {
    OFFLOAD_USO = 0x20 | 0x40,          /* TUN_F_USO4, TUN_F_USO6. */
    OFFLOAD_UDP_TUNNEL = 0x80,          /* TUN_F_UDP_TUNNEL_GSO. */
    OFFLOAD_TSO = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6,

    GSO_UDP_L4 = 5,                     /* VIRTIO_NET_HDR_... */
    GSO_UDP_TUNNEL_IP4 = 0x20,
    GSO_UDP_TUNNEL_IP6 = 0x40,
};

enum { TTL = 64 };

/* "struct virtio_net_hdr_v1_hash_tunnel".  The fields of 'base' are in the
 * host's byte order, the offsets are little-endian. */
struct virtio_header {
    struct virtio_net_hdr base;
    uint8_t unused[10];
    uint8_t outer_th[2];        /* Offset of the outer UDP header. */
    uint8_t inner_nh[2];        /* Offset of the inner IP header. */
};
BUILD_ASSERT_DECL(sizeof(struct virtio_header) == VNETENC_INJECT_VIRTIO_BYTES);

static atomic_uint the_way = VNETENC_INJECT_write;

/* Choosing. */

enum vnetenc_inject_way
vnetenc_inject_way(void)
{
    unsigned int way;

    atomic_read_relaxed(&the_way, &way);
    return way;
}

const char *
vnetenc_inject_way_name(enum vnetenc_inject_way way)
{
    static const char *const names[VNETENC_INJECT_N_WAYS] = {
#define VNETENC_INJECT_WAY(NAME, TEXT) #NAME,
        VNETENC_INJECT_WAYS
#undef VNETENC_INJECT_WAY
    };

    return way < VNETENC_INJECT_N_WAYS ? names[way] : "unknown";
}

/* Returns a description of a way for a human reader. */
static const char *
way_text(enum vnetenc_inject_way way)
{
    static const char *const texts[VNETENC_INJECT_N_WAYS] = {
#define VNETENC_INJECT_WAY(NAME, TEXT) TEXT,
        VNETENC_INJECT_WAYS
#undef VNETENC_INJECT_WAY
    };

    return way < VNETENC_INJECT_N_WAYS ? texts[way] : "unknown";
}

/* The ways that the kernel supports, determined once. */
static bool known[VNETENC_INJECT_N_WAYS];

/* Sets up the TAP and determines the ways that the kernel supports: a kernel
 * that does not support a kind of super-packet rejects its flag. */
static void
set_up_tap(int tap_fd)
{
    int header_bytes = VNETENC_INJECT_VIRTIO_BYTES;
    int queue_bytes = VNETENC_KERNEL_QUEUE_BYTES;

    if (ioctl(tap_fd, TUNSETVNETHDRSZ, &header_bytes)
        || ioctl(tap_fd, TUNSETSNDBUF, &queue_bytes)) {
        VLOG_ERR("cannot set up the TAP device of the kernel datapath: %s",
                 ovs_strerror(errno));
    }
    known[VNETENC_INJECT_write] = true;
    known[VNETENC_INJECT_napi] = !vnetenc_netns_set_threaded(true);
    known[VNETENC_INJECT_uso] = !ioctl(tap_fd, TUNSETOFFLOAD,
                                       OFFLOAD_TSO | OFFLOAD_USO);
    known[VNETENC_INJECT_tso] = !ioctl(tap_fd, TUNSETOFFLOAD,
                                       OFFLOAD_TSO | OFFLOAD_USO
                                       | OFFLOAD_UDP_TUNNEL);
    ioctl(tap_fd, TUNSETOFFLOAD, 0);
}

static bool
find_way(const char *name, enum vnetenc_inject_way *wayp)
{
    for (int way = 0; way < VNETENC_INJECT_N_WAYS; way++) {
        if (!strcmp(name, vnetenc_inject_way_name(way))) {
            *wayp = way;
            return true;
        }
    }
    return false;
}

static enum vnetenc_inject_way
choose(const char *wanted)
{
    enum vnetenc_inject_way way;

    if (wanted && strcmp(wanted, "auto")) {
        if (!find_way(wanted, &way)) {
            VLOG_WARN("other_config:vnetenc-kernel-inject=%s is none of auto, "
                      "write, napi, uso and tso; auto is used", wanted);
        } else if (known[way]) {
            return way;
        } else {
            VLOG_WARN("other_config:vnetenc-kernel-inject=%s: the kernel does "
                      "not know that; auto is used", wanted);
        }
    }
    way = VNETENC_INJECT_N_WAYS - 1;
    while (!known[way]) {
        way--;
    }
    return way;
}

void
vnetenc_inject_choose(int tap_fd, const char *wanted)
{
    enum vnetenc_inject_way way;

    if (!known[VNETENC_INJECT_write]) {
        set_up_tap(tap_fd);
    }
    way = choose(wanted);
    vnetenc_netns_set_threaded(way == VNETENC_INJECT_napi);
    atomic_store_relaxed(&the_way, way);
    VLOG_INFO("packets go into the kernel datapath by way \"%s\": %s",
              vnetenc_inject_way_name(way), way_text(way));
}

/* Writing. */

static size_t
put_eth(uint8_t *p, bool ipv6)
{
    struct eth_header eth = {
        .eth_dst.ea = { VNETENC_NETNS_MAC },
        .eth_src.ea = { 0x02, 0, 0, 0, 0, 0x01 },
        .eth_type = ipv6 ? htons(ETH_TYPE_IPV6) : htons(ETH_TYPE_IP),
    };

    memcpy(p, &eth, sizeof eth);
    return sizeof eth;
}

/* Writes an IPv4 header for 'size' bytes of UDP and returns its size.  Stores
 * the sum of the UDP pseudo header in '*sum'. */
static size_t
put_ip4(uint8_t *p, const struct vnetenc_coalesce_outer *outer, size_t size,
        uint32_t *sum)
{
    struct ip_header ip = {
        .ip_ihl_ver = IP_IHL_VER(5, 4),
        .ip_tos = outer->tos,
        .ip_tot_len = htons(sizeof ip + size),
        .ip_frag_off = htons(IP_DONT_FRAGMENT),
        .ip_ttl = TTL,
        .ip_proto = IPPROTO_UDP,
    };

    memcpy(&ip.ip_src, &outer->src.s6_addr[12], sizeof ip.ip_src);
    memcpy(&ip.ip_dst, &outer->dst.s6_addr[12], sizeof ip.ip_dst);
    ip.ip_csum = csum(&ip, sizeof ip);
    *sum = packet_csum_pseudoheader(&ip);
    memcpy(p, &ip, sizeof ip);
    return sizeof ip;
}

static size_t
put_ip6(uint8_t *p, const struct vnetenc_coalesce_outer *outer, size_t size,
        uint32_t *sum)
{
    struct ovs_16aligned_ip6_hdr ip6;

    memset(&ip6, 0, sizeof ip6);
    put_16aligned_be32(&ip6.ip6_flow, htonl(6 << 28 | outer->tos << 20));
    ip6.ip6_plen = htons(size);
    ip6.ip6_nxt = IPPROTO_UDP;
    ip6.ip6_hlim = TTL;
    memcpy(&ip6.ip6_src, &outer->src, sizeof ip6.ip6_src);
    memcpy(&ip6.ip6_dst, &outer->dst, sizeof ip6.ip6_dst);
    *sum = packet_csum_pseudoheader6(&ip6);
    memcpy(p, &ip6, sizeof ip6);
    return sizeof ip6;
}

/* Describes a run of equal packets as one UDP super-packet.  The kernel
 * completes the UDP checksum of each packet, so the UDP header must have a
 * partial one. */
static void
describe_equal(struct virtio_net_hdr *virtio, size_t udp_ofs,
               const struct vnetenc_coalesce_run *run)
{
    virtio->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    virtio->gso_type = GSO_UDP_L4;
    virtio->hdr_len = udp_ofs + UDP_HEADER_LEN;
    virtio->gso_size = run->segment;
    virtio->csum_start = udp_ofs;
    virtio->csum_offset = offsetof(struct udp_header, udp_csum);
}

static void
put_le16(uint8_t *p, uint16_t x)
{
    p[0] = x;
    p[1] = x >> 8;
}

static void
describe_tcp(struct virtio_header *virtio, size_t udp_ofs, bool ipv6,
             const struct vnetenc_coalesce_run *run)
{
    size_t ofs = udp_ofs + UDP_HEADER_LEN;

    virtio->base.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    virtio->base.gso_type = ((run->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6
                              : VIRTIO_NET_HDR_GSO_TCPV4)
                             | (ipv6 ? GSO_UDP_TUNNEL_IP6
                                : GSO_UDP_TUNNEL_IP4));
    virtio->base.hdr_len = ofs + run->data_ofs;
    virtio->base.gso_size = run->segment;
    virtio->base.csum_start = ofs + run->l4_ofs;
    virtio->base.csum_offset = offsetof(struct tcp_header, tcp_csum);
    put_le16(virtio->outer_th, udp_ofs);
    put_le16(virtio->inner_nh, ofs + run->l3_ofs);
}

/* Writes all headers in front of 'run' and returns their size. */
static size_t
put_head(uint8_t *head, const struct vnetenc_coalesce_run *run)
{
    const struct vnetenc_coalesce_outer *outer = &run->outer;
    bool ipv6 = !IN6_IS_ADDR_V4MAPPED(&outer->dst);
    uint8_t *frame = head + sizeof(struct virtio_header);
    size_t size = UDP_HEADER_LEN + run->size;
    struct virtio_header virtio;
    struct udp_header udp = {
        .udp_src = outer->udp_src,
        .udp_dst = vnetenc_device_in_port(outer->vxlan),
        .udp_len = htons(size),
    };
    uint32_t sum;
    size_t ofs;

    ofs = put_eth(frame, ipv6);
    ofs += (ipv6 ? put_ip6 : put_ip4)(frame + ofs, outer, size, &sum);

    memset(&virtio, 0, sizeof virtio);
    if (run->n > 1) {
        if (run->tcp) {
            describe_tcp(&virtio, ofs, ipv6, run);
        } else {
            describe_equal(&virtio.base, ofs, run);
            udp.udp_csum = ~csum_finish(sum);
        }
    }
    memcpy(head, &virtio, sizeof virtio);
    memcpy(frame + ofs, &udp, sizeof udp);
    return frame - head + ofs + sizeof udp;
}

void
vnetenc_inject_init(struct vnetenc_inject *inject, int tap_fd)
{
    inject->fd = tap_fd;
    inject->n_writes = 0;
}

void
vnetenc_inject_run(struct vnetenc_inject *inject,
                   struct vnetenc_coalesce_run *run)
{
    struct iovec iov[1 + VNETENC_COALESCE_PACKETS];

    iov[0].iov_base = inject->head;
    iov[0].iov_len = put_head(inject->head, run);
    memcpy(&iov[1], run->iov, run->n * sizeof run->iov[0]);
    inject->n_writes++;
    if (writev(inject->fd, iov, 1 + run->n) < 0) {
        bool full = errno == EAGAIN || errno == ENOBUFS;

        if (!full) {
            static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

            VLOG_WARN_RL(&rl, "kernel refused %u packets from a peer: %s",
                         run->n, ovs_strerror(errno));
        }
        vnetenc_drop_count(full ? VNETENC_DROP_rx_tap_full
                           : VNETENC_DROP_rx_tap_error, run->n);
    }
}

void
vnetenc_inject_packet(const struct vnetenc_coalesce_outer *outer, void *data,
                      size_t size)
{
    struct vnetenc_coalesce_run run;
    struct vnetenc_inject inject;

    memset(&run, 0, sizeof run);
    run.outer = *outer;
    run.n = 1;
    run.size = size;
    run.iov[0] = (struct iovec) { data, size };
    vnetenc_inject_init(&inject, vnetenc_netns_tap_fd(0));
    vnetenc_inject_run(&inject, &run);
}
