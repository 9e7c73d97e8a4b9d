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

/* Out of the kernel's datapath: what frames of any kind become, and that
 * nothing leaves but records and what may leave in clear.
 *
 * Frames come through a socket pair, as out of a packet socket, and at last
 * out of a real one, and out of a TAP, behind a VXLAN device.  Datagrams leave
 * through real sockets for 127.0.0.2 and ::1.
 *
 * Keywords: kernel. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/kernel/egress.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "csum.h"
#include "dp-packet.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/bridge/inbox.h"
#include "vnetenc/bridge/lanes.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/control/release.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc/kernel/device.h"
#include "vnetenc/kernel/transmit.h"
#include "vnetenc/kernel/virtio.h"
#include "vnetenc-unit-loopback.h"
#include "vnetenc-unit-packets.h"
#include "vnetenc-unit.h"
#include "vnetenc-unit-shell.h"

enum { PROFILE = 7, TOS = 0xb8, TTL = 33, MAX_DATAGRAM = 20000,
       PATIENCE_MS = 5000 };

static struct in6_addr here[2], there[2];   /* IPv4, IPv6. */
static bool own_network;

/* Frames. */

/* A frame of the kernel and its header. */
struct frame {
    struct virtio_net_hdr header;
    struct dp_packet *packet;
    bool vxlan;
};

static struct ip_header *
outer_ip(const struct dp_packet *packet)
{
    return ALIGNED_CAST(struct ip_header *,
                        (uint8_t *) dp_packet_data(packet) + ETH_HEADER_LEN);
}

static struct udp_header *
outer_udp(const struct dp_packet *packet, bool ipv6)
{
    return (void *) ((uint8_t *) outer_ip(packet)
                     + (ipv6 ? IPV6_HEADER_LEN : IP_HEADER_LEN));
}

static size_t
payload_ofs(bool ipv6)
{
    return (ETH_HEADER_LEN + UDP_HEADER_LEN
            + (ipv6 ? IPV6_HEADER_LEN : IP_HEADER_LEN));
}

/* As a tunnel device sends it: an inner frame of 'proto' with 'size' octets,
 * for the demand 'mode'. */
static struct frame
make_frame(bool ipv6, bool vxlan, uint8_t mode, uint8_t proto, size_t size)
{
    const struct vnetenc_device_demand demand = {
        .vxlan = vxlan,
        .profile = PROFILE,
        .mode = mode,
    };
    struct frame f = { .packet = unit_frame(proto, size, false) };
    struct dp_packet *pushed = f.packet;
    struct udp_header *udp;

    f.vxlan = vxlan;
    unit_push(pushed, ipv6, vxlan);
    if (ipv6) {
        struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_l3(pushed);

        put_16aligned_be32(&ip6->ip6_flow, htonl(6 << 28 | TOS << 20));
        ip6->ip6_hlim = TTL;
        memcpy(&ip6->ip6_src, &here[1], sizeof here[1]);
        memcpy(&ip6->ip6_dst, &there[1], sizeof there[1]);
    } else {
        struct ip_header *ip = dp_packet_l3(pushed);

        ip->ip_tos = TOS;
        ip->ip_ttl = TTL;
        put_16aligned_be32(&ip->ip_src, in6_addr_get_mapped_ipv4(&here[0]));
        put_16aligned_be32(&ip->ip_dst, in6_addr_get_mapped_ipv4(&there[0]));
    }
    udp = dp_packet_l4(pushed);
    udp->udp_src = htons(50000);
    udp->udp_dst = vnetenc_device_out_port(&demand);
    f.packet = dp_packet_clone_data(dp_packet_data(pushed),
                                    dp_packet_size(pushed));
    dp_packet_delete(pushed);
    return f;
}

/* Makes of a frame with TCP inside a super-packet of segments of 'segsz'
 * octets: its checksum is that of the pseudo-header. */
static void
make_super(struct frame *f, bool ipv6, uint16_t segsz)
{
    size_t l3_ofs = payload_ofs(ipv6) + 8 + ETH_HEADER_LEN;
    size_t l4_ofs = l3_ofs + IP_HEADER_LEN;
    uint8_t *data = dp_packet_data(f->packet);
    struct ip_header *ip = ALIGNED_CAST(struct ip_header *, data + l3_ofs);
    struct tcp_header *tcp = ALIGNED_CAST(struct tcp_header *, data + l4_ofs);

    tcp->tcp_csum = ~csum_finish(packet_csum_pseudoheader(ip));
    f->header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    f->header.csum_start = l4_ofs;
    f->header.csum_offset = offsetof(struct tcp_header, tcp_csum);
    f->header.gso_size = segsz;
    if (segsz) {
        f->header.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
        f->header.hdr_len = l4_ofs + TCP_HEADER_LEN;
    }
}

static enum vnetenc_drop
parse(const struct dp_packet *packet_, const struct virtio_net_hdr *header,
      bool vxlan)
{
    /* No more memory than octets, for sanitizers. */
    struct dp_packet *packet = dp_packet_clone_data(dp_packet_data(packet_),
                                                    dp_packet_size(packet_));
    enum vnetenc_drop drop;
    ovs_be16 port;

    drop = vnetenc_virtio_outer(packet, &port);
    if (!drop) {
        drop = vnetenc_virtio_inner(packet, header, vxlan);
    }
    dp_packet_delete(packet);
    return drop;
}

static enum vnetenc_drop
parse_frame(const struct frame *f)
{
    return parse(f->packet, &f->header, f->vxlan);
}

/* Parsing. */

/* Every field that must have a certain value, with another one; every length
 * that is too short. */
static void
test_outer(bool ipv6, bool vxlan)
{
    struct frame f = make_frame(ipv6, vxlan, VNETENC_REQUIRE, IPPROTO_UDP,
                                100);
    uint8_t *data = dp_packet_data(f.packet);
    size_t size = dp_packet_size(f.packet);
    unsigned int n_kept = 0, n_wrong = 0;
    static const struct {
        size_t ofs;
        uint8_t change;
        enum vnetenc_drop drop;
    } v4[] = {
        { 12, 0x01, VNETENC_DROP_tx_kernel_bad },       /* Ethertype. */
        { 13, 0x06, VNETENC_DROP_tx_kernel_bad },
        { 14, 0x03, VNETENC_DROP_tx_kernel_bad },       /* Header length. */
        { 14, 0x20, VNETENC_DROP_tx_kernel_bad },       /* Version. */
        { 16, 0x01, VNETENC_DROP_tx_kernel_bad },       /* Length. */
        { 17, 0x01, VNETENC_DROP_tx_kernel_bad },
        { 20, 0x20, VNETENC_DROP_tx_kernel_fragment },  /* MF. */
        { 20, 0x01, VNETENC_DROP_tx_kernel_fragment },  /* Offset. */
        { 21, 0x01, VNETENC_DROP_tx_kernel_fragment },
        { 20, 0x40, VNETENC_KEEP },                     /* DF. */
        { 23, 0x01, VNETENC_DROP_tx_kernel_bad },       /* Protocol. */
        { 38, 0x01, VNETENC_DROP_tx_kernel_bad },       /* UDP length. */
        { 39, 0x01, VNETENC_DROP_tx_kernel_bad },
    }, v6[] = {
        { 14, 0x20, VNETENC_DROP_tx_kernel_bad },       /* Version. */
        { 18, 0x01, VNETENC_DROP_tx_kernel_bad },       /* Length. */
        { 19, 0x01, VNETENC_DROP_tx_kernel_bad },
        { 20, IPPROTO_UDP ^ IPPROTO_FRAGMENT,
          VNETENC_DROP_tx_kernel_fragment },
        { 20, IPPROTO_UDP ^ IPPROTO_HOPOPTS, VNETENC_DROP_tx_kernel_bad },
        { 58, 0x01, VNETENC_DROP_tx_kernel_bad },       /* UDP length. */
        { 59, 0x01, VNETENC_DROP_tx_kernel_bad },
    };

    CHECK(parse_frame(&f) == VNETENC_KEEP);
    for (size_t i = 0; i < (ipv6 ? ARRAY_SIZE(v6) : ARRAY_SIZE(v4)); i++) {
        size_t ofs = ipv6 ? v6[i].ofs : v4[i].ofs;
        uint8_t change = ipv6 ? v6[i].change : v4[i].change;

        data[ofs] ^= change;
        if (parse_frame(&f) != (ipv6 ? v6[i].drop : v4[i].drop)) {
            printf("octet %"PRIuSIZE" ^ %#x\n", ofs, change);
            n_wrong++;
        }
        data[ofs] ^= change;
    }
    CHECK(n_wrong == 0);

    for (size_t i = 0; i < size; i++) {
        dp_packet_set_size(f.packet, i);
        n_kept += parse_frame(&f) == VNETENC_KEEP;
    }
    CHECK(n_kept == 0);
    dp_packet_set_size(f.packet, size);

    /* A tunnel header, and no more, is fine; less is not. */
    for (size_t i = 0; i <= 9; i++) {
        struct udp_header *udp = outer_udp(f.packet, ipv6);
        size_t udp_len = UDP_HEADER_LEN + i;

        dp_packet_set_size(f.packet, payload_ofs(ipv6) + i);
        udp->udp_len = htons(udp_len);
        if (ipv6) {
            ALIGNED_CAST(struct ovs_16aligned_ip6_hdr *,
                         outer_ip(f.packet))->ip6_plen = htons(udp_len);
        } else {
            outer_ip(f.packet)->ip_tot_len = htons(IP_HEADER_LEN + udp_len);
        }
        n_wrong += ((parse_frame(&f) == VNETENC_KEEP) != (i >= 8));
    }
    CHECK(n_wrong == 0);
    dp_packet_delete(f.packet);
}

/* Checksums that are left to us are as if they had been there. */
static void
test_checksum(uint8_t proto)
{
    struct frame f = make_frame(false, false, VNETENC_REQUIRE, proto, 333);
    size_t l4_ofs = payload_ofs(false) + 8 + ETH_HEADER_LEN + IP_HEADER_LEN;
    size_t ofs = (proto == IPPROTO_TCP ? offsetof(struct tcp_header, tcp_csum)
                  : offsetof(struct udp_header, udp_csum));
    uint8_t *l4 = (uint8_t *) dp_packet_data(f.packet) + l4_ofs;
    struct ip_header *ip = ALIGNED_CAST(struct ip_header *,
                                        l4 - IP_HEADER_LEN);
    ovs_be16 right, sum;
    ovs_be16 port;

    memcpy(&right, l4 + ofs, sizeof right);
    sum = ~csum_finish(packet_csum_pseudoheader(ip));
    memcpy(l4 + ofs, &sum, sizeof sum);
    f.header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    f.header.csum_start = l4_ofs;
    f.header.csum_offset = ofs;
    CHECK(!vnetenc_virtio_outer(f.packet, &port));
    CHECK(!vnetenc_virtio_inner(f.packet, &f.header, false));
    memcpy(&sum, l4 + ofs, sizeof sum);
    CHECK(sum == right);

    /* That of the outer header is left alone. */
    f.header.csum_start = f.packet->l4_ofs;
    f.header.csum_offset = offsetof(struct udp_header, udp_csum);
    CHECK(parse_frame(&f) == VNETENC_KEEP);

    /* One that would be anywhere else. */
    for (unsigned int start = 0; start < 65536; start += 7) {
        for (unsigned int offset = 0; offset < 65536; offset += 4099) {
            bool good = (start >= payload_ofs(false) + 8 + ETH_HEADER_LEN
                         && start + offset + 2 <= dp_packet_size(f.packet));

            if (start == payload_ofs(false) - UDP_HEADER_LEN) {
                continue;
            }
            f.header.csum_start = start;
            f.header.csum_offset = offset;
            if (parse_frame(&f) != (good ? VNETENC_KEEP
                                    : VNETENC_DROP_tx_checksum)) {
                CHECK(!"checksum field in the wrong place");
            }
        }
    }
    dp_packet_delete(f.packet);
}

/* Super-packets that are none. */
static void
test_super(void)
{
    struct frame f = make_frame(false, false, VNETENC_REQUIRE, IPPROTO_TCP,
                                5000);
    size_t l3_ofs = payload_ofs(false) + 8 + ETH_HEADER_LEN;
    uint8_t *data = dp_packet_data(f.packet);
    struct virtio_net_hdr good;

    make_super(&f, false, 1000);
    good = f.header;
    CHECK(parse_frame(&f) == VNETENC_KEEP);
    f.header.gso_type |= VIRTIO_NET_HDR_GSO_ECN | 0x20;
    CHECK(parse_frame(&f) == VNETENC_KEEP);

#define BAD_HEADER(MEMBER, VALUE)                                       \
    f.header = good;                                                    \
    f.header.MEMBER = VALUE;                                            \
    CHECK(parse_frame(&f) == VNETENC_DROP_tx_kernel_super)
    BAD_HEADER(flags, 0);
    BAD_HEADER(gso_size, 0);
    BAD_HEADER(gso_size, 2);            /* Too many segments. */
    BAD_HEADER(gso_type, VIRTIO_NET_HDR_GSO_TCPV6);
    BAD_HEADER(gso_type, VIRTIO_NET_HDR_GSO_UDP);
    BAD_HEADER(gso_type, 5);            /* UDP_L4. */
    BAD_HEADER(gso_type, 0x1f);
    BAD_HEADER(csum_offset, 6);
    BAD_HEADER(csum_start, good.csum_start - 4);
    BAD_HEADER(csum_start, good.csum_start + 4);
    BAD_HEADER(csum_start, 65535);
    f.header = good;

#define BAD_OCTET(OFS, CHANGE)                                          \
    data[OFS] ^= (CHANGE);                                              \
    CHECK(parse_frame(&f) == VNETENC_DROP_tx_kernel_super);             \
    data[OFS] ^= (CHANGE)
    BAD_OCTET(l3_ofs - 2, 0x80);        /* Ethertype. */
    BAD_OCTET(l3_ofs, 0x01);            /* Header length. */
    BAD_OCTET(l3_ofs, 0x20);            /* Version. */
    BAD_OCTET(l3_ofs + 6, 0x20);        /* Fragment. */
    BAD_OCTET(l3_ofs + 9, 0x17);        /* Protocol. */
    BAD_OCTET(l3_ofs + 20 + 12, 0x10);  /* TCP header of 16 octets. */
    CHECK(parse_frame(&f) == VNETENC_KEEP);

    /* Options of Geneve up to the end, and beyond. */
    BAD_OCTET(payload_ofs(false), 0x3f);
    dp_packet_delete(f.packet);

    /* Nothing but headers. */
    f = make_frame(false, false, VNETENC_REQUIRE, IPPROTO_TCP, 0);
    make_super(&f, false, 1000);
    CHECK(parse_frame(&f) == VNETENC_DROP_tx_kernel_super);
    dp_packet_delete(f.packet);
}

/* From one end to the other. */

static struct vnetenc_worker *worker;
static int pair[2];             /* Kernel, egress. */
static struct vnetenc_egress *egress;

/* Has the egress read a frame. */
static void
give(const struct frame *f)
{
    struct iovec iov[2] = {
        { CONST_CAST(void *, &f->header), sizeof f->header },
        { dp_packet_data(f->packet), dp_packet_size(f->packet) },
    };
    ssize_t n = writev(pair[0], iov, 2);

    ovs_assert(n == sizeof f->header + dp_packet_size(f->packet));
}

static void
run_egress(void)
{
    CHECK(vnetenc_egress_run(worker, pair[1], egress));
}

static void
give_one(struct frame f)
{
    give(&f);
    dp_packet_delete(f.packet);
    run_egress();
}

/* A UDP socket, which wants to know TOS and TTL. */
static int
udp_socket(const struct in6_addr *addr, uint16_t port)
{
    struct sockaddr_storage ss;
    int one = 1, size = 4 << 20, fd;

    memset(&ss, 0, sizeof ss);
    if (IN6_IS_ADDR_V4MAPPED(addr)) {
        struct sockaddr_in *sin = ALIGNED_CAST(struct sockaddr_in *, &ss);

        sin->sin_family = AF_INET;
        sin->sin_addr.s_addr = in6_addr_get_mapped_ipv4(addr);
        sin->sin_port = htons(port);
    } else {
        struct sockaddr_in6 *sin6 = ALIGNED_CAST(struct sockaddr_in6 *, &ss);

        sin6->sin6_family = AF_INET6;
        sin6->sin6_addr = *addr;
        sin6->sin6_port = htons(port);
    }
    fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    ovs_assert(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &one, sizeof one);
    setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &one, sizeof one);
    if (ss.ss_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &one, sizeof one);
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &one, sizeof one);
    }
    if (bind(fd, (struct sockaddr *) &ss, sizeof ss)) {
        ovs_fatal(errno, "bind");
    }
    return fd;
}

/* What arrived. */
struct datagram {
    uint8_t data[MAX_DATAGRAM];
    size_t size;
    uint16_t port;
    int tos, ttl;
};

static bool
receive(int fd, struct datagram *d, int patience_ms)
{
    union {
        struct cmsghdr align;
        char data[256];
    } control;
    struct sockaddr_storage from;
    struct iovec iov = { d->data, sizeof d->data };
    struct msghdr m = {
        .msg_name = &from,
        .msg_namelen = sizeof from,
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    ssize_t n;

    if (poll(&pfd, 1, patience_ms) <= 0) {
        return false;
    }
    n = recvmsg(fd, &m, 0);
    ovs_assert(n >= 0);
    d->size = n;
    d->port = ntohs(ALIGNED_CAST(struct sockaddr_in *, &from)->sin_port);
    d->tos = d->ttl = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_type == IP_TOS && c->cmsg_level == IPPROTO_IP) {
            d->tos = *(uint8_t *) CMSG_DATA(c);
        } else if (c->cmsg_type == IPV6_TCLASS) {
            memcpy(&d->tos, CMSG_DATA(c), sizeof d->tos);
        } else {
            memcpy(&d->ttl, CMSG_DATA(c), sizeof d->ttl);
        }
    }
    return true;
}

static bool
is_silent(int fd)
{
    static struct datagram d;

    return !receive(fd, &d, 0);
}

/* A path with one lane, whose socket is real. */
struct lane {
    struct vnetenc_path_key key;
    struct vnetenc_record_key record_key;
    struct vnetenc_path *path;
    int fd;                     /* The lane's, */
    uint16_t port;              /* its port, */
    int remote_fd;              /* and where its records arrive. */
};

static void
lane_open(struct lane *lane, bool ipv6, bool vxlan)
{
    struct sockaddr_in6 sin6;
    socklen_t size = sizeof sin6;

    memset(lane, 0, sizeof *lane);
    vnetenc_path_key_init(&lane->key);
    lane->key.local = here[ipv6];
    lane->key.remote = there[ipv6];
    lane->key.dtls_port = vnetenc_tunnel_dtls_port(
        vxlan ? "vxlan" : "geneve", htons(vxlan ? 4789 : 6081));
    lane->key.profile = PROFILE;
    lane->fd = udp_socket(&here[ipv6], 0);
    ovs_assert(!getsockname(lane->fd, (struct sockaddr *) &sin6, &size));
    lane->port = ntohs(sin6.sin6_port);
    lane->remote_fd = udp_socket(&there[ipv6], ntohs(lane->key.dtls_port));
}

static struct vnetenc_tx *
make_tx(struct lane *lane, int fd)
{
    struct vnetenc_tx *tx;

    lane->record_key.cipher = VNETENC_AES256_GCM;
    memset(lane->record_key.key, 0x55, sizeof lane->record_key.key);
    tx = vnetenc_tx_create(&lane->record_key, htons(lane->port),
                           VNETENC_MAX_SEQ + 1, UINT64_MAX);
    vnetenc_tx_set_fd(tx, fd);
    return tx;
}

static void
lane_begin_with(struct lane *lane, int fd)
{
    lane->path = vnetenc_path_create(&lane->key, 1);
    ovs_assert(!vnetenc_lanes_swap(&lane->path->lanes, 0, make_tx(lane, fd)));
}

static void
lane_begin(struct lane *lane)
{
    lane_begin_with(lane, dup(lane->fd));
}

static void
lane_end(struct lane *lane)
{
    if (lane->path) {
        vnetenc_tx_retire(vnetenc_lanes_swap(&lane->path->lanes, 0, NULL));
        vnetenc_path_retire(lane->path);
        ovsrcu_quiesce();
    }
    close(lane->fd);
    close(lane->remote_fd);
}

/* Receives a record and opens it.  Returns the size of what is inside, 0 if
 * there is none or it is wrong. */
static size_t
receive_record(struct lane *lane, uint8_t *plain)
{
    static struct datagram d;
    size_t size;
    uint64_t seq;

    if (!receive(lane->remote_fd, &d, PATIENCE_MS)) {
        return 0;
    }
    CHECK(d.port == lane->port);
    CHECK(d.tos == TOS);
    CHECK(d.ttl == TTL);
    return (CHECK(unit_open_record(&lane->record_key, d.data, d.size, &seq,
                                   plain, &size)) ? size : 0);
}

static void
name_no_source(struct dp_packet *packet, bool ipv6)
{
    if (ipv6) {
        struct in6_addr none;

        ipv6_parse("100::8", &none);
        memcpy((uint8_t *) outer_ip(packet) + 8, &none, sizeof none);
    } else {
        put_16aligned_be32(&outer_ip(packet)->ip_src, htonl(0xc0000008));
    }
}

/* Frames of one packet each arrive as they were. */
static void
test_send(bool ipv6, bool vxlan)
{
    static uint8_t plain[MAX_DATAGRAM];
    struct lane lane;
    struct frame f;

    unit_drops_begin();
    lane_open(&lane, ipv6, vxlan);
    lane_begin(&lane);
    for (size_t size = 0; size < 9000; size += 1234) {
        size_t ofs = payload_ofs(ipv6), n;

        f = make_frame(ipv6, vxlan, VNETENC_REQUIRE, IPPROTO_UDP, size);
        n = dp_packet_size(f.packet) - ofs;
        give(&f);
        run_egress();
        CHECK(receive_record(&lane, plain) == n);
        CHECK(!memcmp(plain, (uint8_t *) dp_packet_data(f.packet) + ofs, n));
        dp_packet_delete(f.packet);
    }
    CHECK(is_silent(lane.remote_fd));

    CHECK(unit_no_drops());

    /* A flow that names no source gets one by the host's routes. */
    f = make_frame(ipv6, vxlan, VNETENC_REQUIRE, IPPROTO_UDP, 10);
    name_no_source(f.packet, ipv6);
    give_one(f);
    CHECK(receive_record(&lane, plain) == 8 + 42 + 10);
    CHECK(unit_no_drops());
    lane_end(&lane);
}

/* Receives the segments of a super-packet, whose TCP payload has 'size'
 * octets, in records of 'lane' or in clear. */
static void
receive_segments(struct lane *lane, int clear_fd, const struct frame *f,
                 size_t size, uint16_t segsz)
{
    size_t frame_ofs = 8, n_wrong = 0, done = 0;
    const uint8_t *sent = ((uint8_t *) dp_packet_data(f->packet)
                           + dp_packet_size(f->packet) - size);
    size_t headers = frame_ofs + ETH_HEADER_LEN + IP_HEADER_LEN
                     + TCP_HEADER_LEN;

    while (done < size) {
        static uint8_t plain[MAX_DATAGRAM];
        static struct datagram d;
        struct dp_packet *packet;
        struct tcp_header *tcp;
        size_t n;

        if (lane) {
            n = receive_record(lane, plain);
        } else {
            n = receive(clear_fd, &d, PATIENCE_MS) ? d.size : 0;
            memcpy(plain, d.data, n);
        }
        if (!CHECK(n == headers + MIN(segsz, size - done))) {
            return;
        }
        packet = dp_packet_clone_data(plain + frame_ofs, n - frame_ofs);
        n_wrong += !unit_checksums_are_right(packet);
        tcp = ALIGNED_CAST(struct tcp_header *,
                           ((uint8_t *) dp_packet_data(packet)
                            + ETH_HEADER_LEN + IP_HEADER_LEN));
        n_wrong += (ntohl(get_16aligned_be32(&tcp->tcp_seq))
                    != 1000000 + done);
        n -= headers;
        n_wrong += memcmp(plain + headers, sent + done, n) != 0;
        done += n;
        n_wrong += (TCP_FLAGS(tcp->tcp_ctl) & TCP_PSH ? done != size
                    : done == size);
        dp_packet_delete(packet);
    }
    CHECK(n_wrong == 0);
}

/* Super-packets arrive as segments, and are sent in few messages. */
static void
test_send_super(bool may_cut)
{
    static const size_t sizes[] = { 1, 999, 1000, 1001, 5000, 60000, 64700 };
    struct lane lane;
    int one = 1;

    unit_drops_begin();
    lane_open(&lane, false, false);
    if (!may_cut) {
        /* UDP_SEGMENT is refused to a socket that makes no checksums. */
        setsockopt(lane.fd, SOL_SOCKET, SO_NO_CHECK, &one, sizeof one);
    }
    lane_begin(&lane);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct frame f = make_frame(false, false, VNETENC_REQUIRE, IPPROTO_TCP,
                                    sizes[i]);
        size_t n_segments = DIV_ROUND_UP(sizes[i], 1000);
        uint64_t n = vnetenc_worker_total(worker, VNETENC_WORKER_out_sends);

        make_super(&f, false, 1000);
        give(&f);
        run_egress();
        n = vnetenc_worker_total(worker, VNETENC_WORKER_out_sends) - n;
        CHECK(may_cut ? n <= DIV_ROUND_UP(n_segments, 59) : n == n_segments);
        receive_segments(&lane, -1, &f, sizes[i], 1000);
        dp_packet_delete(f.packet);
    }
    CHECK(is_silent(lane.remote_fd));
    CHECK(unit_no_drops());
    lane_end(&lane);
}

/* One burst to several peers, with and without a session, of different sizes
 * and TOS. */
static void
test_mixture(void)
{
    static uint8_t plain[MAX_DATAGRAM];
    unsigned int n_wrong = 0;
    struct lane lane;

    lane_open(&lane, false, false);
    lane_begin(&lane);
    unit_drops_begin();
    for (int i = 0; i < 15; i++) {
        struct frame f = make_frame(false, false, VNETENC_REQUIRE, IPPROTO_UDP,
                                    i % 4 ? 700 : 701);

        if (i % 3 == 1) {
            put_16aligned_be32(&outer_ip(f.packet)->ip_dst,
                               htonl(0x7f000100 + i));
        }
        give(&f);
        dp_packet_delete(f.packet);
    }
    run_egress();
    for (int i = 0; i < 15; i++) {
        if (i % 3 != 1) {
            n_wrong += (receive_record(&lane, plain)
                        != 8 + 42 + (i % 4 ? 700 : 701));
        }
    }
    CHECK(n_wrong == 0);
    CHECK(is_silent(lane.remote_fd));
    CHECK(unit_drops_are(VNETENC_DROP_tx_no_peer, 5));
    lane_end(&lane);
}

/* Two lanes with the same port, which only a test can make: each record leaves
 * once. */
static void
test_same_port(void)
{
    static uint8_t plain[MAX_DATAGRAM];
    struct lane lane;

    lane_open(&lane, false, false);
    lane.path = vnetenc_path_create(&lane.key, 2);
    for (int i = 0; i < 2; i++) {
        ovs_assert(!vnetenc_lanes_swap(&lane.path->lanes, i,
                                       make_tx(&lane, dup(lane.fd))));
    }
    for (int i = 0; i < 10; i++) {
        struct frame f = make_frame(false, false, VNETENC_REQUIRE, IPPROTO_UDP,
                                    100);

        outer_udp(f.packet, false)->udp_src = htons(50000 + 7 * i);
        give(&f);
        dp_packet_delete(f.packet);
    }
    run_egress();
    for (int i = 0; i < 10; i++) {
        CHECK(receive_record(&lane, plain) == 8 + 42 + 100);
    }
    CHECK(is_silent(lane.remote_fd));
    vnetenc_tx_retire(vnetenc_lanes_swap(&lane.path->lanes, 1, NULL));
    lane_end(&lane);
}

/* What names no demand, or is no frame at all. */
static void
test_refused(void)
{
    struct frame f;
    struct lane lane;
    int plain_fd = udp_socket(&there[0], 6081);
    uint8_t *long_frame = xzalloc(70000);

    lane_open(&lane, false, false);
    lane_begin(&lane);
    unit_drops_begin();
    f = make_frame(false, false, VNETENC_REQUIRE, IPPROTO_UDP, 100);
    outer_udp(f.packet, false)->udp_dst = htons(6081);
    give_one(f);
    f = make_frame(false, false, VNETENC_REQUIRE, IPPROTO_UDP, 100);
    outer_udp(f.packet, false)->udp_dst = vnetenc_device_in_port(false);
    give_one(f);
    f = make_frame(false, false, VNETENC_REQUIRE, IPPROTO_UDP, 100);
    outer_udp(f.packet, false)->udp_dst = htons(VNETENC_GENEVE_PORT);
    give_one(f);
    CHECK(unit_drops_are(VNETENC_DROP_tx_kernel_port, 3));

    /* No route leads there; not if this is not a network of its own. */
    unit_drops_begin();
    f = make_frame(false, false, VNETENC_REQUIRE, IPPROTO_UDP, 100);
    name_no_source(f.packet, false);
    put_16aligned_be32(&outer_ip(f.packet)->ip_dst, htonl(0xcb007101));
    give_one(f);
    CHECK(!own_network || unit_drops_are(VNETENC_DROP_tx_kernel_source, 1));

    unit_drops_begin();
    ovs_assert(send(pair[0], long_frame, 70000, 0) == 70000);
    run_egress();
    CHECK(unit_drops_are(VNETENC_DROP_tx_kernel_cut, 1));
    free(long_frame);

    unit_drops_begin();
    for (size_t i = 1; i < 10; i++) {
        ovs_assert(send(pair[0], "012345678", i, 0) == i);
    }
    run_egress();
    CHECK(unit_drops_are(VNETENC_DROP_tx_kernel_bad, 9));
    CHECK(is_silent(plain_fd) && is_silent(lane.remote_fd));
    lane_end(&lane);

    /* A session without a socket, as one that a test made. */
    unit_drops_begin();
    lane_open(&lane, false, false);
    lane_begin_with(&lane, -1);
    give_one(make_frame(false, false, VNETENC_REQUIRE, IPPROTO_UDP, 100));
    give_one(make_frame(false, false, VNETENC_PREFER, IPPROTO_UDP, 100));
    CHECK(unit_drops_are(VNETENC_DROP_tx_socket, 2));
    CHECK(is_silent(lane.remote_fd) && is_silent(plain_fd));
    lane_end(&lane);
    close(plain_fd);
}

/* Without a session, under either mode. */
static void
test_modes(bool ipv6, bool vxlan)
{
    size_t ofs = payload_ofs(ipv6), size;
    uint16_t port = 0;

    int plain_fd = udp_socket(&there[ipv6], vxlan ? 4789 : 6081);
    static struct datagram d;
    struct vnetenc_gate *gate;
    struct lane lane;
    struct frame f;

    lane_open(&lane, ipv6, vxlan);
    unit_drops_begin();
    give_one(make_frame(ipv6, vxlan, VNETENC_REQUIRE, IPPROTO_UDP, 100));
    CHECK(unit_drops_are(VNETENC_DROP_tx_no_peer, 1));
    CHECK(is_silent(plain_fd) && is_silent(lane.remote_fd));

    /* In clear, with TOS and TTL of the tunnel packet.  Each flow has a UDP
     * port, and not all have the same. */
    unit_drops_begin();
    for (int i = 0; i < 4; i++) {
        f = make_frame(ipv6, vxlan, VNETENC_PREFER, IPPROTO_UDP, 100);
        if (i == 3) {
            outer_udp(f.packet, ipv6)->udp_src = htons(50001);
        }
        give(&f);
        run_egress();
        size = dp_packet_size(f.packet) - ofs;
        CHECK(receive(plain_fd, &d, PATIENCE_MS) && d.size == size);
        CHECK(!memcmp(d.data, (uint8_t *) dp_packet_data(f.packet) + ofs,
                      size));
        CHECK(d.tos == TOS && d.ttl == TTL);
        CHECK(i == 0 || (d.port == port) == (i != 3));
        port = d.port;
        dp_packet_delete(f.packet);
    }
    CHECK(unit_drops_are(VNETENC_DROP_clear_no_peer, 4));

    f = make_frame(ipv6, vxlan, VNETENC_PREFER, IPPROTO_TCP, 12345);
    make_super(&f, ipv6, 1000);
    give(&f);
    run_egress();
    receive_segments(NULL, plain_fd, &f, 12345, 1000);
    dp_packet_delete(f.packet);
    CHECK(is_silent(plain_fd) && is_silent(lane.remote_fd));

    /* A peer that has a row: packets wait, and nothing is in clear. */
    gate = vnetenc_gate_add(&lane.key.remote);
    unit_drops_begin();
    give_one(make_frame(ipv6, vxlan, VNETENC_REQUIRE, IPPROTO_UDP, 100));
    give_one(make_frame(ipv6, vxlan, VNETENC_PREFER, IPPROTO_UDP, 100));
    CHECK(is_silent(plain_fd) && is_silent(lane.remote_fd));
    CHECK(unit_no_drops());
    vnetenc_gate_remove(gate);
    vnetenc_release_end();
    CHECK(vnetenc_drop_total(VNETENC_DROP_tx_no_session)
          && vnetenc_drop_total(VNETENC_DROP_tx_prefer_wait));
    lane_end(&lane);
    close(plain_fd);
}

static void
no_actions(struct dp_packet *packet, const struct nlattr *actions OVS_UNUSED,
           size_t actions_len OVS_UNUSED,
           const struct vnetenc_path_key *path OVS_UNUSED,
           enum vnetenc_drop verdict OVS_UNUSED)
{
    CHECK(false);
    dp_packet_delete(packet);
}

static unsigned int
patience(const struct vnetenc_path_key *path OVS_UNUSED)
{
    return VNETENC_HOLD_MS;
}

/* What waited leaves, in its order, when there is a session. */
static void
test_hold(void)
{
    static struct vnetenc_event event;
    static uint8_t plain[MAX_DATAGRAM];
    struct vnetenc_gate *gate = vnetenc_gate_add(&there[0]);
    struct lane lane;
    struct frame f;

    lane_open(&lane, false, false);
    unit_drops_begin();
    give_one(make_frame(false, false, VNETENC_REQUIRE, IPPROTO_UDP, 100));
    f = make_frame(false, false, VNETENC_REQUIRE, IPPROTO_TCP, 5000);
    make_super(&f, false, 1000);
    give(&f);
    run_egress();
    while (vnetenc_inbox_take(VNETENC_INBOX_GUESTS, &event)) {
        ovs_assert(event.type == VNETENC_EV_HELD);
        vnetenc_release_take(event.echo, time_msec());
    }
    vnetenc_release_run(no_actions, patience, time_msec());
    CHECK(is_silent(lane.remote_fd));
    lane_begin(&lane);
    vnetenc_release_run(no_actions, patience, time_msec());
    CHECK(receive_record(&lane, plain) == 8 + 42 + 100);
    receive_segments(&lane, -1, &f, 5000, 1000);
    CHECK(unit_no_drops());
    dp_packet_delete(f.packet);
    vnetenc_gate_remove(gate);
    lane_end(&lane);
}

/* A real packet socket behind a VXLAN device. */

static bool
run_ip(const char *args)
{
    return unit_shell("ip %s 2>/dev/null", args);
}

static int
open_packet_socket(const char *device, bool nonblocking)
{
    struct sockaddr_ll ll;
    int one = 1, fd;

    fd = socket(AF_PACKET, SOCK_RAW | (nonblocking ? SOCK_NONBLOCK : 0), 0);
    memset(&ll, 0, sizeof ll);
    ll.sll_family = AF_PACKET;
    ll.sll_protocol = htons(nonblocking ? ETH_P_ALL : 0);
    ll.sll_ifindex = if_nametoindex(device);
    if (fd < 0 || !ll.sll_ifindex
        || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one)
        || bind(fd, (struct sockaddr *) &ll, sizeof ll)) {
        ovs_fatal(errno, "packet socket on %s", device);
    }
    return fd;
}

/* Sends an inner frame of TCP with 'size' octets, as a guest's network card
 * does, into the VXLAN device. */
static struct frame
send_inner(int fd, size_t size, uint16_t segsz)
{
    struct frame f = make_frame(false, true, VNETENC_REQUIRE, IPPROTO_TCP,
                                size);
    size_t ofs = payload_ofs(false) + 8;
    struct iovec iov[2];

    make_super(&f, false, segsz);
    f.header.csum_start -= ofs;
    f.header.hdr_len -= segsz ? ofs : 0;
    iov[0] = (struct iovec) { &f.header, sizeof f.header };
    iov[1] = (struct iovec) { (uint8_t *) dp_packet_data(f.packet) + ofs,
                              dp_packet_size(f.packet) - ofs };
    if (writev(fd, iov, 2) < 0) {
        ovs_fatal(errno, "cannot send into the device");
    }
    return f;
}

/* Waits until the worker has sent 'n' more datagrams. */
static void
run_until(struct vnetenc_egress *reader, int fd, unsigned int n)
{
    uint64_t n_before = vnetenc_worker_total(worker,
                                             VNETENC_WORKER_out_records);
    uint64_t n_sent;

    do {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };

        if (!CHECK(poll(&pfd, 1, 20000) == 1)) {
            return;
        }
        CHECK(vnetenc_egress_run(worker, fd, reader));
        ovsrcu_quiesce();
        n_sent = vnetenc_worker_total(worker, VNETENC_WORKER_out_records);
    } while (n_sent - n_before < n);
    CHECK(n_sent - n_before == n);
}

/* Opens a TAP with virtio headers of 'len' bytes. */
static int
open_tap(const char *name, int len)
{
    const char *device = "/dev/net/tun";
    int fd = open(device, O_RDWR | O_NONBLOCK);
    struct ifreq ifr;

    memset(&ifr, 0, sizeof ifr);
    ovs_strlcpy(ifr.ifr_name, name, sizeof ifr.ifr_name);
    ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE;
    if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr)
        || ioctl(fd, TUNSETVNETHDRSZ, &len)) {
        return -1;
    }
    return fd;
}

/* A tunnel's packets leave through 'device', where 'reader' reads them, and
 * records stay here. */
static void
run_tunnel(struct vnetenc_egress *reader, int fd, const char *device)
{
    static const size_t sizes[] = { 100, 1000, 1001, 30000, 64000 };
    char *route = xasprintf("route replace 198.51.100.2 dev %s "
                            "src 198.51.100.1", device);
    int in = open_packet_socket("vx", false);
    uint64_t n_bad = vnetenc_drop_total(VNETENC_DROP_tx_kernel_bad);

    ovs_assert(run_ip(route));
    free(route);
    unit_drops_begin();
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct frame f = send_inner(in, sizes[i], 1000);
        struct lane lane;

        ovs_assert(run_ip("addr add 198.51.100.2/32 dev lo"));
        lane_open(&lane, false, true);
        lane_begin(&lane);
        run_until(reader, fd, DIV_ROUND_UP(sizes[i], 1000));
        receive_segments(&lane, -1, &f, sizes[i], 1000);
        CHECK(is_silent(lane.remote_fd));
        lane_end(&lane);
        ovs_assert(run_ip("addr del 198.51.100.2/32 dev lo"));
        dp_packet_delete(f.packet);
    }
    /* The kernel's own messages to multicast groups. */
    n_bad = vnetenc_drop_total(VNETENC_DROP_tx_kernel_bad) - n_bad;
    CHECK(unit_drops_are(VNETENC_DROP_tx_kernel_bad, n_bad));
    close(in);
}

static bool
make_tunnel(void)
{
    const struct vnetenc_device_demand demand = {
        .vxlan = true,
        .profile = PROFILE,
        .mode = VNETENC_REQUIRE,
    };
    char *add = xasprintf("link add vx type vxlan id 7 local 198.51.100.1 "
                          "remote 198.51.100.2 ttl %d tos %#x dstport %d "
                          "udpcsum", TTL, TOS,
                          ntohs(vnetenc_device_out_port(&demand)));
    bool ok = run_ip(add);

    free(add);
    return (ok && run_ip("addr add 198.51.100.1/32 dev lo")
            && run_ip("link set vx mtu 9000 addrgenmode none up"));
}

static void
test_kernel(void)
{
    struct vnetenc_egress *reader;
    int fd;

    /* So that the devices have nothing to say of their own. */
    ovs_assert(unit_shell("sysctl -q net.ipv6.conf.default.disable_ipv6=1"));
    if (!make_tunnel()) {
        printf("skipped: real devices: no VXLAN in this kernel\n");
        return;
    }
    ipv6_parse("::ffff:198.51.100.1", &here[0]);
    ipv6_parse("::ffff:198.51.100.2", &there[0]);

    ovs_assert(run_ip("link add out type dummy")
               || run_ip("link add out type veth peer name out2"));
    run_ip("link set out2 mtu 65535 arp off up");
    ovs_assert(run_ip("link set out mtu 65535 arp off addrgenmode none up"));
    fd = open_packet_socket("out", true);
    reader = vnetenc_egress_create(fd, true, sizeof(struct virtio_net_hdr));
    run_tunnel(reader, fd, "out");
    vnetenc_egress_destroy(reader);
    close(fd);

    for (int len = 10; len <= 24; len += 14) {
        uint64_t n = vnetenc_worker_total(worker, VNETENC_WORKER_out_super);
        bool super;

        fd = open_tap("tap", len);
        if (fd < 0) {
            printf("skipped: TAP: %s\n", ovs_strerror(errno));
            return;
        }
        ovs_assert(run_ip("link set tap mtu 65521 txqueuelen 2000 arp off "
                          "addrgenmode none up"));
        CHECK(vnetenc_egress_set_tap(fd, &super) == len);
        reader = vnetenc_egress_create(fd, false, len);
        run_tunnel(reader, fd, "tap");
        n = vnetenc_worker_total(worker, VNETENC_WORKER_out_super) - n;
        CHECK(super ? n == 3 : n == 0);
        printf("TAP with headers of %d bytes: %ssuper-packets\n", len,
               super ? "" : "no ");
        vnetenc_egress_destroy(reader);
        close(fd);
    }
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    struct smap empty = SMAP_INITIALIZER(&empty);
    int size = 4 << 20;

    set_program_name(argv[0]);
    own_network = unit_loopback_init();
    vnetenc_aead_init("openssl");
    vnetenc_inbox_init();
    vnetenc_tunnels_init(&empty);
    vnetenc_gates_set_loaded();
    vnetenc_transmit_init();
    ipv6_parse("::ffff:127.0.0.1", &here[0]);
    ipv6_parse("::ffff:127.0.0.2", &there[0]);
    ipv6_parse("::1", &here[1]);
    ipv6_parse("::1", &there[1]);
    vnetenc_worker_start(1);
    worker = vnetenc_worker_get(0);
    ovs_assert(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0,
                           pair));
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    egress = vnetenc_egress_create(pair[1], true,
                                   sizeof(struct virtio_net_hdr));

    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        for (int vxlan = 0; vxlan < 2; vxlan++) {
            test_outer(ipv6, vxlan);
            test_send(ipv6, vxlan);
            test_modes(ipv6, vxlan);
        }
    }
    test_checksum(IPPROTO_TCP);
    test_checksum(IPPROTO_UDP);
    test_super();
    test_send_super(true);
    test_send_super(false);
    test_mixture();
    test_same_port();
    test_refused();
    test_hold();
    if (own_network) {
        test_kernel();
    } else {
        printf("skipped: real devices: no network of its own\n");
    }

    vnetenc_egress_destroy(egress);
    vnetenc_worker_stop();
    ovsrcu_exit();
    return unit_end();
}
