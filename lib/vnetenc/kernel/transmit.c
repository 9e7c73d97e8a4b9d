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
#include "vnetenc/bridge/drops.h"
#include "vnetenc/bridge/limits.h"
#include "vnetenc/bridge/marks.h"
#include "vnetenc/bridge/path.h"
#include "vnetenc/bridge/sockaddr.h"
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

/* Ancillary data of a message: TOS, TTL, UDP_SEGMENT; of a raw one: a mark. */
union control {
    struct cmsghdr align;
    char data[2 * CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint16_t))];
};

/* Messages that are sent with one system call through one socket. */
struct sending {
    struct vnetenc_worker *worker;      /* Or NULL. */
    struct vnetenc_path *path;          /* Or NULL. */
    bool ipv6;
    int fd;
    uint32_t mark;                      /* Of raw messages. */
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

static int raw_fds[2] = { -1, -1 };     /* IPv4, IPv6. */

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
    vnetenc_path_count(s->path, (error == EMSGSIZE ? VNETENC_DROP_tx_mtu
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

/* Does the same as sending_add() for a packet of a raw socket, which is a
 * message of its own. */
static void
sending_add_raw(struct sending *s, void *data, size_t size)
{
    struct msghdr *m;

    if (s->n_messages == ARRAY_SIZE(s->messages)) {
        sending_flush(s);
    }
    s->records[s->n_records] = (struct iovec) { data, size };
    m = &s->messages[s->n_messages++].msg_hdr;
    memset(m, 0, sizeof *m);
    m->msg_name = &s->to;
    m->msg_namelen = s->to_size;
    m->msg_iov = &s->records[s->n_records++];
    m->msg_iovlen = 1;
    if (s->mark) {
        union control *control = &s->controls[s->n_messages - 1];

        memset(control, 0, sizeof *control);
        m->msg_control = control->data;
        put_control(m, SOL_SOCKET, SO_MARK, &s->mark, sizeof s->mark);
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
            vnetenc_path_count(s->path, VNETENC_DROP_tx_socket, 1);
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

void
vnetenc_transmit_init(void)
{
    static const int families[] = { AF_INET, AF_INET6 };

    for (size_t i = 0; i < ARRAY_SIZE(raw_fds); i++) {
        int size = VNETENC_LANE_SEND_BYTES;

        if (raw_fds[i] >= 0) {
            continue;
        }
        raw_fds[i] = socket(families[i],
                            SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
                            IPPROTO_RAW);
        if (raw_fds[i] >= 0) {
            setsockopt(raw_fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &size,
                       sizeof size);
        } else if (errno != EAFNOSUPPORT) {
            VLOG_ERR("no raw socket (%s): packets of mode prefer that would "
                     "leave in clear are dropped", ovs_strerror(errno));
        }
    }
}

/* Turns 'packet' into a packet of the plain tunnel. */
static void
finish_clear(struct dp_packet *packet)
{
    struct udp_header *udp = dp_packet_l4(packet);

    udp->udp_dst = htons(dp_packet_tunnel_vxlan(packet)
                         ? VNETENC_CLEAR_VXLAN_PORT
                         : VNETENC_CLEAR_GENEVE_PORT);
    dp_packet_set_tso_segsz(packet, 0);
    dp_packet_ol_send_prepare(packet, 0);
}

static void
send_clear(struct vnetenc_worker *worker, struct dp_packet_batch *batch,
           const struct vnetenc_route *route)
{
    struct dp_packet *packet;
    struct sending s;

    sending_init(&s, worker, route->path, route->ipv6, &route->key.remote, 0);
    s.fd = raw_fds[route->ipv6];
    s.mark = vnetenc_marks_find(&route->key.remote);
    if (s.fd < 0) {
        vnetenc_path_count(route->path, VNETENC_DROP_tx_socket,
                           dp_packet_batch_size(batch));
        return;
    }
    dp_packet_gso_batch(batch);
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        finish_clear(packet);
        sending_add_raw(&s, dp_packet_l3(packet), dp_packet_l3_size(packet));
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
