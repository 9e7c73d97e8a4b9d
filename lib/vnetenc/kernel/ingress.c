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
#include "vnetenc/kernel/ingress.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "dp-packet.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "socket-util.h"
#include "timeval.h"
#include "unaligned.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/sockaddr.h"
#include "vnetenc/bridge/tunnel.h"
#include "vnetenc/kernel/coalesce.h"
#include "vnetenc/kernel/inject.h"
#include "vnetenc/kernel/netns.h"
#include "vnetenc/kernel/worker.h"
#include "vnetenc/packet/open.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_ingress);

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum {
    MAX_HEAD = IPV6_HEADER_LEN + UDP_HEADER_LEN,
    MAX_CONTROL = 128,          /* Bytes of control messages. */
};

/* Buffer of a worker for one message.  Each datagram is opened in place, with
 * outer headers in front of it. */
struct buffer {
    uint8_t head[MAX_HEAD];
    uint8_t data[UINT16_MAX];
};

/* The receiving state of a worker. */
struct receiver {
    struct buffer buffers[VNETENC_INGRESS_DATAGRAMS];
    struct mmsghdr messages[VNETENC_INGRESS_DATAGRAMS];
    struct iovec iovs[VNETENC_INGRESS_DATAGRAMS];
    struct sockaddr_storage sources[VNETENC_INGRESS_DATAGRAMS];
    union {
        struct cmsghdr align;
        char octets[MAX_CONTROL];
    } controls[VNETENC_INGRESS_DATAGRAMS];
    uint8_t whole[VNETENC_MAX_PLAINTEXT_BYTES];     /* Of two halves. */
    struct vnetenc_coalesce coalesce;
    struct vnetenc_inject inject;
};

/* One socket of one worker. */
struct ingress_socket {
    struct receiver *receiver;
    int fd;
    struct vnetenc_readers_port port;
    uint32_t n_full;            /* Datagrams that found no room. */
};

/* Outer headers of the datagrams of one message. */
struct outer {
    struct vnetenc_coalesce_outer fields;
    bool ipv6;
    size_t size;
    uint8_t head[MAX_HEAD];
};

/* Receiving. */

static void
inject_run(void *receiver_, struct vnetenc_coalesce_run *run)
{
    struct receiver *r = receiver_;

    vnetenc_inject_run(&r->inject, run);
}

/* Reads the control messages of 'msg'.  Stores the size of each datagram but
 * the last in '*segment' if the kernel joined several, and sets '*tos' and
 * '*n_full' if 'msg' has them. */
static void
read_control(struct msghdr *msg, size_t *segment, uint8_t *tos,
             uint32_t *n_full)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        int value;

        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
            *tos = *(uint8_t *) CMSG_DATA(c);
            continue;
        } else if (c->cmsg_len < CMSG_LEN(sizeof value)) {
            continue;
        }
        memcpy(&value, CMSG_DATA(c), sizeof value);
        if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
            *segment = value;
        } else if (c->cmsg_level == IPPROTO_IPV6
                   && c->cmsg_type == IPV6_TCLASS) {
            *tos = value;
        } else if (c->cmsg_level == SOL_SOCKET
                   && c->cmsg_type == SO_RXQ_OVFL) {
            *n_full = value;
        }
    }
}

/* Makes the outer headers that the datagrams had on the underlay. */
static void
make_outer(struct outer *outer, const struct ingress_socket *s,
           const struct sockaddr_storage *source, uint8_t tos)
{
    struct vnetenc_coalesce_outer *f = &outer->fields;
    struct udp_header udp = { .udp_dst = s->port.port };

    f->src = ss_get_address(source);
    f->udp_src = htons(ss_get_port(source));
    f->dst = s->port.local;
    f->tos = tos;
    f->vxlan = vnetenc_tunnel_is_vxlan(s->port.port);
    outer->ipv6 = source->ss_family == AF_INET6;
    if (outer->ipv6) {
        struct ovs_16aligned_ip6_hdr ip6;

        memset(&ip6, 0, sizeof ip6);
        put_16aligned_be32(&ip6.ip6_flow,
                           htonl(UINT32_C(6) << 28 | (uint32_t) tos << 20));
        ip6.ip6_nxt = IPPROTO_UDP;
        memcpy(&ip6.ip6_src, &f->src, sizeof ip6.ip6_src);
        memcpy(&ip6.ip6_dst, &f->dst, sizeof ip6.ip6_dst);
        memcpy(outer->head, &ip6, sizeof ip6);
        outer->size = sizeof ip6;
    } else {
        struct ip_header ip = {
            .ip_ihl_ver = IP_IHL_VER(5, 4),
            .ip_tos = tos,
            .ip_proto = IPPROTO_UDP,
        };

        memcpy(&ip.ip_src, &f->src.s6_addr[12], sizeof ip.ip_src);
        memcpy(&ip.ip_dst, &f->dst.s6_addr[12], sizeof ip.ip_dst);
        memcpy(outer->head, &ip, sizeof ip);
        outer->size = sizeof ip;
    }
    udp.udp_src = f->udp_src;
    memcpy(outer->head + outer->size, &udp, sizeof udp);
    outer->size += sizeof udp;
}

/* Puts the headers of a datagram of 'size' bytes in front of 'data'. */
static void
put_outer(const struct outer *outer, uint8_t *data, size_t size)
{
    ovs_be16 udp_len = htons(UDP_HEADER_LEN + size);
    ovs_be16 ip_len = outer->ipv6 ? udp_len : htons(outer->size + size);
    size_t ip_len_ofs = (outer->ipv6
                         ? offsetof(struct ovs_16aligned_ip6_hdr, ip6_plen)
                         : offsetof(struct ip_header, ip_tot_len));
    uint8_t *head = data - outer->size;

    memcpy(head, outer->head, outer->size);
    memcpy(head + ip_len_ofs, &ip_len, sizeof ip_len);
    memcpy(data - UDP_HEADER_LEN + offsetof(struct udp_header, udp_len),
           &udp_len, sizeof udp_len);
}

/* Opens the datagram of 'size' bytes at 'data' and adds the tunnel packet in
 * it to a run.  The bytes in front of 'data' belong to the previous datagram,
 * whose plaintext may still be in use: they are saved, overwritten with the
 * outer headers, and restored.  Returns true if there was a tunnel packet. */
static bool
open_datagram(struct receiver *r, const struct outer *outer, uint8_t *data,
              size_t size)
{
    uint8_t *base = data - outer->size;
    uint8_t lent[MAX_HEAD];
    struct dp_packet packet;
    struct udp_header *udp;
    uint8_t *plain = NULL;
    size_t plain_size = 0;
    bool whole = false;

    memcpy(lent, base, outer->size);
    put_outer(outer, data, size);
    dp_packet_use_stub(&packet, base, outer->size + size);
    dp_packet_set_size(&packet, outer->size + size);
    packet.l3_ofs = 0;
    packet.l4_ofs = outer->size - UDP_HEADER_LEN;
    udp = vnetenc_open(&packet);
    if (udp) {
        plain = (uint8_t *) (udp + 1);
        plain_size = (uint8_t *) dp_packet_tail(&packet) - plain;
        whole = plain < data || plain + plain_size > data + size;
        if (whole) {
            /* The packet was joined from two halves and is not within this
             * datagram. */
            ovs_assert(plain_size <= sizeof r->whole);
            memcpy(r->whole, plain, plain_size);
            plain = r->whole;
        }
    }
    dp_packet_uninit(&packet);
    memcpy(base, lent, outer->size);

    if (plain) {
        vnetenc_coalesce_add(&r->coalesce, &outer->fields, plain, plain_size);
    }
    if (whole) {
        vnetenc_coalesce_flush(&r->coalesce);   /* 'r->whole' is free again. */
    }
    return plain;
}

/* Opens the datagrams in message 'i'. */
static void
open_message(struct vnetenc_worker *worker, struct ingress_socket *s,
             unsigned int i)
{
    struct receiver *r = s->receiver;
    struct msghdr *msg = &r->messages[i].msg_hdr;
    size_t size = r->messages[i].msg_len, segment = size, ofs = 0;
    unsigned int n = 0, n_packets = 0;
    uint32_t n_full = s->n_full;
    struct outer outer;
    uint8_t tos = 0;

    read_control(msg, &segment, &tos, &n_full);
    if (n_full != s->n_full) {
        vnetenc_drop_count(VNETENC_DROP_rx_socket_full, n_full - s->n_full);
        s->n_full = n_full;
    }
    make_outer(&outer, s, msg->msg_name, tos);
    do {
        size_t one = MIN(segment, size - ofs);

        n_packets += open_datagram(r, &outer, r->buffers[i].data + ofs, one);
        ofs += one;
        n++;
    } while (ofs < size && segment);
    vnetenc_worker_count(worker, VNETENC_WORKER_in_receives, 1);
    vnetenc_worker_count(worker, VNETENC_WORKER_in_records, n);
    vnetenc_worker_count(worker, VNETENC_WORKER_in_packets, n_packets);
}

/* Resets the fields of messages that recvmmsg() changes. */
static void
reset_messages(struct receiver *r)
{
    for (size_t i = 0; i < VNETENC_INGRESS_DATAGRAMS; i++) {
        struct msghdr *msg = &r->messages[i].msg_hdr;

        msg->msg_namelen = sizeof r->sources[i];
        msg->msg_controllen = sizeof r->controls[i];
    }
}

static bool
socket_run(struct vnetenc_worker *worker, int fd, void *socket_)
{
    struct ingress_socket *s = socket_;
    struct receiver *r = s->receiver;
    enum vnetenc_inject_way way = vnetenc_inject_way();
    int n;

    reset_messages(r);
    n = recvmmsg(fd, r->messages, VNETENC_INGRESS_DATAGRAMS, MSG_DONTWAIT,
                 NULL);
    if (n <= 0) {
        return true;
    }
    r->coalesce.tcp = way == VNETENC_INJECT_tso;
    r->coalesce.equal = way >= VNETENC_INJECT_uso;
    for (int i = 0; i < n; i++) {
        open_message(worker, s, i);
    }
    vnetenc_coalesce_flush(&r->coalesce);
    vnetenc_worker_count(worker, VNETENC_WORKER_in_writes,
                         r->inject.n_writes);
    r->inject.n_writes = 0;
    return true;
}

/* Making and retiring sockets: main thread. */

/* The sockets of one port. */
struct listener {
    struct ovs_list node;       /* In 'listeners'. */
    struct vnetenc_readers_port port;
    unsigned int n;             /* Sockets, of workers 0 to n - 1. */
    struct vnetenc_worker_source *sources[VNETENC_MAX_WORKERS];
    unsigned int n_failed;      /* Failed tries in a row. */
};

static struct ovs_list listeners = OVS_LIST_INITIALIZER(&listeners);

/* Receivers by the index of their worker.  Made once and kept. */
static struct receiver *receivers[VNETENC_MAX_WORKERS];

/* When to retry binds that failed, in ms of time_msec().  LLONG_MAX if none
 * did. */
static long long int retry_at = LLONG_MAX;

static struct receiver *
receiver_get(unsigned int index)
{
    int tap_fd = vnetenc_netns_tap_fd(index % vnetenc_netns_n_queues());
    struct receiver *r = receivers[index];

    if (r) {
        return r;
    }
    r = receivers[index] = xzalloc(sizeof *r);
    for (size_t i = 0; i < VNETENC_INGRESS_DATAGRAMS; i++) {
        struct msghdr *msg = &r->messages[i].msg_hdr;

        r->iovs[i].iov_base = r->buffers[i].data;
        r->iovs[i].iov_len = sizeof r->buffers[i].data;
        msg->msg_name = &r->sources[i];
        msg->msg_iov = &r->iovs[i];
        msg->msg_iovlen = 1;
        msg->msg_control = &r->controls[i];
    }
    vnetenc_inject_init(&r->inject, tap_fd);
    vnetenc_coalesce_init(&r->coalesce, false, false, inject_run, r);
    return r;
}

static void
set_option(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof value);
}

/* Sets the options of a socket.  Ignores failures, because older kernels lack
 * some options: without UDP_GRO, datagrams arrive one by one. */
static void
set_options(int fd, bool ipv6)
{
    int bytes = VNETENC_INGRESS_SOCKET_BYTES;

    set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    set_option(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes)) {
        set_option(fd, SOL_SOCKET, SO_RCVBUF, bytes);
    }
    set_option(fd, IPPROTO_UDP, UDP_GRO, 1);
    if (ipv6) {
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
        set_option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
        set_option(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1);
    } else {
        set_option(fd, IPPROTO_IP, IP_RECVTOS, 1);
        set_option(fd, IPPROTO_IP, IP_FREEBIND, 1);
    }
}

/* Returns a socket for 'port', or a negative errno value.  The address need
 * not be one of the host's yet. */
static int
open_socket(const struct vnetenc_readers_port *port)
{
    bool ipv6 = !IN6_IS_ADDR_V4MAPPED(&port->local);
    struct sockaddr_storage ss;
    socklen_t size = vnetenc_sockaddr_init(&ss, &port->local, port->port);
    int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    0);

    if (fd < 0) {
        return -errno;
    }
    set_options(fd, ipv6);
    if (bind(fd, (struct sockaddr *) &ss, size)) {
        int error = errno;

        close(fd);
        return -error;
    }
    return fd;
}

/* Frees a socket that no worker uses any more. */
static void
socket_destroy(void *socket_)
{
    struct ingress_socket *s = socket_;

    close(s->fd);
    free(s);
}

/* Schedules a retry.  The control thread needs a moment to share the port, so
 * only a failure that lasts longer is logged, and only once. */
static void
listener_failed(struct listener *listener, int error, long long int now)
{
    enum { PATIENCE = 10 };

    if (++listener->n_failed == PATIENCE) {
        struct ds s = DS_EMPTY_INITIALIZER;

        ipv6_format_mapped(&listener->port.local, &s);
        VLOG_WARN("workers cannot bind a UDP socket to %s port %"PRIu16": %s; "
                  "trying again", ds_cstr(&s), ntohs(listener->port.port),
                  ovs_strerror(error));
        ds_destroy(&s);
    }
    retry_at = MIN(retry_at, now + VNETENC_INGRESS_RETRY_MS);
}

/* Makes the sockets that 'listener' still lacks. */
static void
listener_run(struct listener *listener, long long int now)
{
    while (listener->n < vnetenc_worker_n()) {
        struct ingress_socket *s;
        int fd = open_socket(&listener->port);

        if (fd < 0) {
            listener_failed(listener, -fd, now);
            return;
        }
        s = xzalloc(sizeof *s);
        s->receiver = receiver_get(listener->n);
        s->fd = fd;
        s->port = listener->port;
        listener->sources[listener->n]
            = vnetenc_worker_add_fd(vnetenc_worker_get(listener->n), fd,
                                    socket_run, socket_destroy, s);
        listener->n++;
    }
    listener->n_failed = 0;
}

static void
listener_destroy(struct listener *listener)
{
    for (unsigned int i = 0; i < listener->n; i++) {
        vnetenc_worker_remove_fd(listener->sources[i]);
    }
    ovs_list_remove(&listener->node);
    free(listener);
}

static bool
is_listed(const struct vnetenc_readers_port *port,
          const struct vnetenc_readers_port *ports, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (port->port == ports[i].port
            && ipv6_addr_equals(&port->local, &ports[i].local)) {
            return true;
        }
    }
    return false;
}

static struct listener *
listener_find(const struct vnetenc_readers_port *port)
{
    struct listener *listener;

    LIST_FOR_EACH (listener, node, &listeners) {
        if (is_listed(&listener->port, port, 1)) {
            return listener;
        }
    }
    return NULL;
}

void
vnetenc_ingress_run(const struct vnetenc_readers_port *ports, size_t n)
{
    long long int now = time_msec();
    struct listener *listener;
    bool retry = now >= retry_at;

    LIST_FOR_EACH_SAFE (listener, node, &listeners) {
        if (!is_listed(&listener->port, ports, n)) {
            listener_destroy(listener);
        }
    }
    /* Let the control thread share these ports before they are bound. */
    vnetenc_readers_set(ports, n);

    if (retry) {
        retry_at = LLONG_MAX;
    }
    for (size_t i = 0; i < n; i++) {
        listener = listener_find(&ports[i]);
        if (!listener) {
            listener = xzalloc(sizeof *listener);
            listener->port = ports[i];
            ovs_list_push_back(&listeners, &listener->node);
        } else if (listener->n_failed && !retry) {
            continue;
        }
        listener_run(listener, now);
    }
}

void
vnetenc_ingress_wait(void)
{
    if (retry_at != LLONG_MAX) {
        poll_timer_wait_until(retry_at);
    }
}

void
vnetenc_ingress_stop(void)
{
    vnetenc_ingress_run(NULL, 0);
    retry_at = LLONG_MAX;
}
