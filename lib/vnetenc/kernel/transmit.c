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
#include "vnetenc/kernel/transmit.h"
#include <errno.h>
#include <linux/filter.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "dp-packet.h"
#include "dp-packet-gso.h"
#include "odp-netlink.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/marks.h"
#include "vnetenc/bridge/path.h"
#include "vnetenc/bridge/sockaddr.h"
#include "vnetenc/bridge/tunnel.h"
#include "vnetenc/bridge/tx.h"
#include "vnetenc/kernel/worker.h"
#include "vnetenc/mode.h"
#include "vnetenc/packet/pool.h"
#include "vnetenc/packet/route.h"
#include "vnetenc/packet/seal.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_transmit);

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

/* Ancillary data of a message: TOS, TTL and UDP_SEGMENT; in clear also the
 * source address and a mark. */
union control {
    struct cmsghdr align;
    char data[2 * CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint16_t))
              + CMSG_SPACE(sizeof(struct in6_pktinfo))
              + CMSG_SPACE(sizeof(uint32_t))];
};

/* Messages that are sent with one system call through one socket. */
struct sending {
    struct vnetenc_worker *worker;      /* Or NULL. */
    struct vnetenc_path *path;          /* Or NULL. */
    bool ipv6;
    int fd;
    const struct in6_addr *source;      /* NULL: that of the socket. */
    uint32_t mark;                      /* 0: that of the socket. */
    struct sockaddr_storage to;
    socklen_t to_size;

    size_t n_messages;
    struct mmsghdr messages[VNETENC_SEND_MESSAGES];
    union control controls[VNETENC_SEND_MESSAGES];
    size_t n_records;
    struct iovec records[VNETENC_SEND_RECORDS];

    /* The newest message. */
    uint8_t tos, ttl;
    size_t seg_size;            /* Of each record but the last. */
    size_t size;
    bool open;                  /* It may get more records. */
};

/* Sockets for packets in clear.  A flow always has the same one, and the
 * network spreads flows by their UDP ports. */
enum { CLEAR_IPV4, CLEAR_IPV4_DF, CLEAR_IPV6, N_CLEAR };
static int clear_fds[N_CLEAR][VNETENC_CLEAR_SOCKETS];

/* Messages. */

static void
sending_init(struct sending *s, struct vnetenc_worker *worker,
             struct vnetenc_path *path, bool ipv6,
             const struct in6_addr *remote, ovs_be16 port)
{
    s->worker = worker;
    s->path = path;
    s->ipv6 = ipv6;
    s->fd = -1;
    s->source = NULL;
    s->mark = 0;
    s->n_messages = 0;
    s->n_records = 0;
    s->open = false;
    s->to_size = vnetenc_sockaddr_init(&s->to, remote, port);
}

static void
put_control(struct msghdr *m, int level, int type, const void *data,
            size_t size)
{
    struct cmsghdr *c = ALIGNED_CAST(struct cmsghdr *,
                                     ((char *) m->msg_control
                                      + m->msg_controllen));

    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(c), data, size);
    m->msg_controllen += CMSG_SPACE(size);
}

/* Closes the newest message: if it has several records, tells the kernel their
 * size. */
static void
close_message(struct sending *s)
{
    uint16_t segment = s->seg_size;
    struct msghdr *m;

    if (s->open) {
        s->open = false;
        m = &s->messages[s->n_messages - 1].msg_hdr;
        if (m->msg_iovlen > 1) {
            put_control(m, IPPROTO_UDP, UDP_SEGMENT, &segment,
                        sizeof segment);
        }
    }
}

static void
put_source(struct msghdr *m, const struct in6_addr *source)
{
    if (IN6_IS_ADDR_V4MAPPED(source)) {
        struct in_pktinfo info = {
            .ipi_spec_dst.s_addr = in6_addr_get_mapped_ipv4(source),
        };

        put_control(m, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else {
        struct in6_pktinfo info = { .ipi6_addr = *source };

        put_control(m, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
}

static void
open_message(struct sending *s, uint8_t tos, uint8_t ttl, size_t size)
{
    struct msghdr *m = &s->messages[s->n_messages].msg_hdr;
    union control *control = &s->controls[s->n_messages];
    int value = tos;

    memset(m, 0, sizeof *m);
    memset(control, 0, sizeof *control);
    m->msg_name = &s->to;
    m->msg_namelen = s->to_size;
    m->msg_iov = &s->records[s->n_records];
    m->msg_control = control->data;
    put_control(m, s->ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
                s->ipv6 ? IPV6_TCLASS : IP_TOS, &value, sizeof value);
    if (ttl) {
        value = ttl;
        put_control(m, s->ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
                    s->ipv6 ? IPV6_HOPLIMIT : IP_TTL, &value, sizeof value);
    }
    if (s->source) {
        put_source(m, s->source);
    }
    if (s->mark) {
        put_control(m, SOL_SOCKET, SO_MARK, &s->mark, sizeof s->mark);
    }
    s->n_messages++;
    s->tos = tos;
    s->ttl = ttl;
    s->seg_size = size;
    s->size = 0;
    s->open = true;
}

/* Returns true if a record of 'size' bytes fits into the newest message. */
static bool
fits(const struct sending *s, uint8_t tos, uint8_t ttl, size_t size)
{
    return (s->open && s->tos == tos && s->ttl == ttl && size <= s->seg_size
            && (s->messages[s->n_messages - 1].msg_hdr.msg_iovlen
                < VNETENC_SEND_SEGMENTS)
            && s->size + size <= VNETENC_SEND_BYTES);
}

/* Counts. */

static void
count_sent(const struct sending *s, const struct msghdr *m)
{
    if (s->worker) {
        vnetenc_worker_count(s->worker, VNETENC_WORKER_out_sends, 1);
        vnetenc_worker_count(s->worker, VNETENC_WORKER_out_records,
                             m->msg_iovlen);
    }
}

static void
count_error(const struct sending *s, const struct msghdr *m, int error)
{
    vnetenc_path_count(s->path, NULL,
                       (error == EMSGSIZE ? VNETENC_DROP_tx_mtu
                        : error == EAGAIN || error == ENOBUFS
                        ? VNETENC_DROP_tx_socket_full
                        : VNETENC_DROP_tx_socket), m->msg_iovlen);
}

/* Sending. */

/* Sends the records of 'm' one by one.  The kernel refuses to split a message
 * if the underlay has IPsec or, before Linux 6.11, no checksum offload (EIO),
 * or if the MTU has shrunk (EINVAL). */
static void
send_records(const struct sending *s, const struct msghdr *m)
{
    struct msghdr one = *m;

    one.msg_iovlen = 1;
    /* UDP_SEGMENT is the last control message: leave it out. */
    one.msg_controllen -= CMSG_SPACE(sizeof(uint16_t));
    for (size_t i = 0; i < m->msg_iovlen; i++) {
        one.msg_iov = &m->msg_iov[i];
        if (sendmsg(s->fd, &one, MSG_DONTWAIT) < 0) {
            count_error(s, &one, errno);
        } else {
            count_sent(s, &one);
        }
    }
}

/* Sends all messages. */
static void
sending_flush(struct sending *s)
{
    size_t i = 0;

    close_message(s);
    while (i < s->n_messages) {
        int n = sendmmsg(s->fd, &s->messages[i], s->n_messages - i,
                         MSG_DONTWAIT);

        if (n > 0) {
            for (; n; n--) {
                count_sent(s, &s->messages[i++].msg_hdr);
            }
        } else if (errno != EINTR) {
            const struct msghdr *m = &s->messages[i++].msg_hdr;

            if (m->msg_iovlen > 1 && (errno == EIO || errno == EINVAL
                                      || errno == EMSGSIZE)) {
                send_records(s, m);
            } else {
                count_error(s, m, errno);
            }
        }
    }
    s->n_messages = 0;
    s->n_records = 0;
}

/* Adds 'size' bytes at 'data', which must live until sending_flush(), as one
 * datagram. */
static void
sending_add(struct sending *s, uint8_t tos, uint8_t ttl, void *data,
            size_t size)
{
    if (s->n_records == ARRAY_SIZE(s->records)) {
        sending_flush(s);
    }
    if (!fits(s, tos, ttl, size)) {
        close_message(s);
        if (s->n_messages == ARRAY_SIZE(s->messages)) {
            sending_flush(s);
        }
        open_message(s, tos, ttl, size);
    }
    s->records[s->n_records++] = (struct iovec) { data, size };
    s->messages[s->n_messages - 1].msg_hdr.msg_iovlen++;
    s->size += size;
    if (size < s->seg_size) {
        close_message(s);
    }
}

/* Sealed packets. */

static void
get_tos_and_ttl(const struct dp_packet *packet, bool ipv6, uint8_t *tos,
                uint8_t *ttl)
{
    if (ipv6) {
        const struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_l3(packet);

        *tos = ntohl(get_16aligned_be32(&ip6->ip6_flow)) >> 20;
        *ttl = ip6->ip6_hlim;
    } else {
        const struct ip_header *ip = dp_packet_l3(packet);

        *tos = ip->ip_tos;
        *ttl = ip->ip_ttl;
    }
}

/* Sends those packets of 'batch' that were sealed into 'tx'.  A packet that
 * was not sealed still has the UDP port of a device as its destination, never
 * the DTLS port. */
static void
send_lane(struct sending *s, const struct dp_packet_batch *batch,
          const struct vnetenc_tx *tx, ovs_be16 dtls_port)
{
    struct dp_packet *packet;

    s->fd = tx->fd;
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        struct udp_header *udp = dp_packet_l4(packet);
        uint8_t tos, ttl;

        if (udp->udp_src != tx->lane_port || udp->udp_dst != dtls_port) {
            continue;
        }
        if (s->fd < 0) {
            vnetenc_path_count(s->path, NULL, VNETENC_DROP_tx_socket, 1);
            continue;
        }
        get_tos_and_ttl(packet, s->ipv6, &tos, &ttl);
        sending_add(s, tos, ttl, udp + 1,
                    dp_packet_l4_size(packet) - UDP_HEADER_LEN);
    }
    sending_flush(s);
}

/* Returns true if lane 'i' has a session of its own and does not use that of
 * an earlier lane. */
static bool
is_first(const struct vnetenc_route *route, unsigned int i)
{
    for (unsigned int k = 0; k < i; k++) {
        if (route->tx[k]->lane_port == route->tx[i]->lane_port) {
            return false;
        }
    }
    return true;
}

static void
send_sealed(struct vnetenc_worker *worker, const struct dp_packet_batch *batch,
            const struct vnetenc_route *route)
{
    struct sending s;

    sending_init(&s, worker, route->path, route->ipv6, &route->key.remote,
                 route->key.dtls_port);
    for (unsigned int i = 0; i < route->n_lanes; i++) {
        if (is_first(route, i)) {
            send_lane(&s, batch, route->tx[i], route->key.dtls_port);
        }
    }
}

/* Packets in clear. */

static int
open_clear_socket(int family, int level, int option, int value)
{
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    const struct sock_fprog filter = { .len = 1, .filter = &nothing };
    int size = VNETENC_LANE_SEND_BYTES;

    if (fd < 0) {
        if (errno != EAFNOSUPPORT) {
            VLOG_ERR("no socket (%s): packets of mode prefer that would leave "
                     "in clear are dropped", ovs_strerror(errno));
        }
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    setsockopt(fd, level, option, &value, sizeof value);
    return fd;
}

void
vnetenc_transmit_init(void)
{
    static bool done = false;

    if (done) {
        return;                 /* The workers have started again. */
    }
    done = true;
    for (size_t i = 0; i < VNETENC_CLEAR_SOCKETS; i++) {
        clear_fds[CLEAR_IPV4][i] = open_clear_socket(
            AF_INET, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
        clear_fds[CLEAR_IPV4_DF][i] = open_clear_socket(
            AF_INET, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
        clear_fds[CLEAR_IPV6][i] = open_clear_socket(
            AF_INET6, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
    }
}

/* Returns the socket for 'packet', which is to leave in clear, or -1. */
static int
find_clear_socket(const struct dp_packet *packet, bool ipv6)
{
    const struct udp_header *udp = dp_packet_l4(packet);
    const struct ip_header *ip = dp_packet_l3(packet);
    int kind = (ipv6 ? CLEAR_IPV6
                : ip->ip_frag_off & htons(IP_DF) ? CLEAR_IPV4_DF : CLEAR_IPV4);

    return clear_fds[kind][ntohs(udp->udp_src) % VNETENC_CLEAR_SOCKETS];
}

static void
send_clear(struct vnetenc_worker *worker, struct dp_packet_batch *batch,
           const struct vnetenc_route *route)
{
    struct dp_packet *packet;
    ovs_be16 port = htons(vnetenc_tunnel_is_vxlan(route->key.dtls_port)
                          ? VNETENC_CLEAR_VXLAN_PORT
                          : VNETENC_CLEAR_GENEVE_PORT);
    struct sending s;

    sending_init(&s, worker, route->path, route->ipv6, &route->key.remote,
                 port);
    s.source = &route->key.local;
    s.mark = vnetenc_marks_find(&route->key.remote);
    dp_packet_gso_batch(batch);
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        int fd = find_clear_socket(packet, route->ipv6);
        struct udp_header *udp;
        uint8_t tos, ttl;

        if (fd < 0) {
            vnetenc_path_count(route->path, &route->key,
                               VNETENC_DROP_tx_socket, 1);
            continue;
        }
        if (fd != s.fd) {
            sending_flush(&s);
            s.fd = fd;
        }
        dp_packet_set_tso_segsz(packet, 0);
        dp_packet_ol_send_prepare(packet, 0);
        udp = dp_packet_l4(packet);
        get_tos_and_ttl(packet, route->ipv6, &tos, &ttl);
        sending_add(&s, tos, ttl, udp + 1,
                    dp_packet_l4_size(packet) - UDP_HEADER_LEN);
    }
    sending_flush(&s);
}

bool
vnetenc_transmit(struct vnetenc_worker *worker, struct dp_packet_batch *batch,
                 const struct ovs_action_vnetenc *action, bool hold)
{
    struct vnetenc_route route;
    enum vnetenc_drop verdict;

    verdict = vnetenc_seal_batch_for_lanes(batch, action, hold, &route);
    if (verdict == VNETENC_KEEP) {
        send_sealed(worker, batch, &route);
    } else if (vnetenc_drop_is_fallback(verdict)
               && action->mode == VNETENC_PREFER) {
        send_clear(worker, batch, &route);
    }
    vnetenc_pool_put_batch(batch);
    return verdict == VNETENC_KEEP;
}
