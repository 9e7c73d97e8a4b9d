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
#include "vnetenc/control/socket.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "coverage.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "packets.h"
#include "random.h"
#include "socket-util.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/marks.h"
#include "vnetenc/bridge/readers.h"
#include "vnetenc/bridge/sockaddr.h"
#include "vnetenc/kernel/worker.h"

COVERAGE_DEFINE(vnetenc_socket_send_error);

struct vnetenc_socket {
    struct ovs_list node;       /* In 'responders' or 'lanes'. */
    struct in6_addr local;
    ovs_be16 port;
    int fd;
    bool is_lane;
    uint32_t mark;              /* Of what it sends. */
    bool deaf;                  /* Responder sockets: workers read the port. */
    uint32_t n_lost;            /* As the kernel last reported. */
    struct ovs_list leases;     /* Lane sockets: "struct vnetenc_lease". */
};

/* Use of a lane socket with one peer, now or a short while ago. */
struct vnetenc_lease {
    struct ovs_list node;       /* In 'socket->leases'. */
    struct vnetenc_socket *socket;
    struct in6_addr remote;
    void *owner;                /* NULL: returned. */
    int error;                  /* Newest that the kernel reported, or 0. */
    long long int returned_at;
};

static struct ovs_list responders = OVS_LIST_INITIALIZER(&responders);
static struct ovs_list lanes = OVS_LIST_INITIALIZER(&lanes);

/* vnetenc_readers_serial() to which responder sockets were last adapted. */
static uint64_t readers_seen;

/* Sets the socket to send whole datagrams only: one that is too long is lost,
 * as in the datapath.  ICMP messages, which anybody can forge, do not change
 * the length that is allowed: RFC 8899 section 3. */
static void
set_dont_fragment(int fd, int family)
{
    int value = IP_PMTUDISC_PROBE;

    if (family == AF_INET) {
        setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &value, sizeof value);
    } else {
        value = IPV6_PMTUDISC_PROBE;
        setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &value, sizeof value);
    }
}

/* Has the socket queue datagrams that arrive while the control thread has no
 * processor, and report how many it lost. */
static void
set_buffer(int fd)
{
    int size = VNETENC_SOCKET_BUFFER_BYTES;
    int on = 1;

    /* SO_RCVBUFFORCE may exceed net.core.rmem_max, but takes CAP_NET_ADMIN. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
}

/* Sets a lane socket to report that a datagram was not sent, for instance
 * because a queue is full, or could not be delivered (ip(7), IP_RECVERR). */
static void
report_errors(const struct vnetenc_socket *sock, bool report)
{
    int value = report;

    if (IN6_IS_ADDR_V4MAPPED(&sock->local)) {
        setsockopt(sock->fd, IPPROTO_IP, IP_RECVERR, &value, sizeof value);
    } else {
        setsockopt(sock->fd, IPPROTO_IPV6, IPV6_RECVERR, &value, sizeof value);
    }
}

/* Makes the kernel forget an error that it keeps for the next call, which
 * would fail with it: the error belongs to an earlier datagram. */
static void
forget_error(const struct vnetenc_socket *sock)
{
    socklen_t size = sizeof(int);
    int error;

    ovs_ignore(getsockopt(sock->fd, SOL_SOCKET, SO_ERROR, &error, &size));
}

/* Lets sockets of workers be bound to the same address and port, if 'share' is
 * true.  Do so only while it is needed: otherwise a second process would not
 * be told that the port is in use. */
static void
share_port(int fd, bool share)
{
    int value = share;

    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &value, sizeof value);
}

/* Has the kernel leave out a responder socket when it distributes datagrams
 * among the sockets with the same address and port, or include it again.  A
 * connected socket receives only from its peer, and this socket is connected
 * to itself; it can still send to any address.  Returns 0, or a positive errno
 * value; then the caller tries again later. */
static int
set_deaf(struct vnetenc_socket *sock, bool deaf)
{
    struct sockaddr_storage ss;
    socklen_t size = vnetenc_sockaddr_init(&ss, &sock->local, sock->port);

    if (!deaf) {
        ss.ss_family = AF_UNSPEC;
    }
    if (connect(sock->fd, (struct sockaddr *) &ss, size) < 0) {
        return errno;
    }
    share_port(sock->fd, deaf);
    sock->deaf = deaf;
    return 0;
}

/* Adapts responder sockets to the ports that workers read now. */
static void
follow_readers(void)
{
    uint64_t serial = vnetenc_readers_serial();
    struct vnetenc_socket *sock;
    int error = 0;

    if (serial == readers_seen) {
        return;
    }
    LIST_FOR_EACH (sock, node, &responders) {
        bool deaf = vnetenc_readers_have(&sock->local, sock->port);

        if (deaf != sock->deaf) {
            error = set_deaf(sock, deaf) || error;
        }
    }
    if (!error) {
        readers_seen = serial;
    }
}

/* Marks what 'sock' sends.  Returns 0, or a positive errno value, for instance
 * without CAP_NET_ADMIN. */
static int
set_mark(struct vnetenc_socket *sock, uint32_t mark)
{
    if (mark != sock->mark) {
        if (setsockopt(sock->fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark)) {
            return errno;
        }
        sock->mark = mark;
    }
    return 0;
}

/* Returns a socket bound to 'local' and 'port', or a negative errno value.  If
 * 'shared' is true, other sockets may be bound to the same port. */
static int
open_bound(const struct in6_addr *local, ovs_be16 port, bool shared)
{
    struct sockaddr_storage ss;
    socklen_t size = vnetenc_sockaddr_init(&ss, local, port);
    int fd = socket(ss.ss_family, SOCK_DGRAM, 0);
    int error;

    if (fd < 0) {
        return -errno;
    }
    set_dont_fragment(fd, ss.ss_family);
    set_buffer(fd);
    if (shared) {
        share_port(fd, true);
    }
    error = set_nonblocking(fd);
    if (!error && bind(fd, (struct sockaddr *) &ss, size) < 0) {
        error = errno;
    }
    if (error) {
        close(fd);
        return -error;
    }
    return fd;
}

static ovs_be16
bound_port(int fd)
{
    struct sockaddr_storage ss;
    socklen_t size = sizeof ss;

    return (getsockname(fd, (struct sockaddr *) &ss, &size) < 0
            ? 0 : htons(ss_get_port(&ss)));
}

static struct vnetenc_socket *
socket_create(struct ovs_list *list, const struct in6_addr *local,
              ovs_be16 port, char **errorp)
{
    bool shared = port && vnetenc_readers_have(local, port);
    struct vnetenc_socket *sock;
    int fd = open_bound(local, port, shared);

    if (fd < 0) {
        struct ds s = DS_EMPTY_INITIALIZER;

        ds_put_cstr(&s, "cannot bind a UDP socket to ");
        ipv6_format_mapped(local, &s);
        ds_put_format(&s, " port %"PRIu16": %s", ntohs(port),
                      ovs_strerror(-fd));
        *errorp = ds_steal_cstr(&s);
        return NULL;
    }
    sock = xzalloc(sizeof *sock);
    sock->local = *local;
    sock->port = bound_port(fd);
    sock->fd = fd;
    ovs_list_init(&sock->leases);
    ovs_list_push_back(list, &sock->node);
    if (shared && set_deaf(sock, true)) {
        readers_seen = UINT64_MAX;
    }
    *errorp = NULL;
    return sock;
}

static void
socket_destroy(struct vnetenc_socket *sock)
{
    struct vnetenc_lease *lease;

    LIST_FOR_EACH_SAFE (lease, node, &sock->leases) {
        ovs_list_remove(&lease->node);
        free(lease);
    }
    ovs_list_remove(&sock->node);
    close(sock->fd);
    free(sock);
}

struct vnetenc_socket *
vnetenc_socket_responder(const struct in6_addr *local, ovs_be16 dtls_port,
                         char **error)
{
    struct vnetenc_socket *sock;

    if (!dtls_port) {
        *error = xstrdup("there is no UDP port for encrypted tunnels");
        return NULL;
    }
    *error = NULL;
    LIST_FOR_EACH (sock, node, &responders) {
        if (ipv6_addr_equals(&sock->local, local) && sock->port == dtls_port) {
            return sock;
        }
    }
    return socket_create(&responders, local, dtls_port, error);
}

const struct in6_addr *
vnetenc_socket_local(const struct vnetenc_socket *sock)
{
    return &sock->local;
}

ovs_be16
vnetenc_socket_port(const struct vnetenc_socket *sock)
{
    return sock->port;
}

/* Leases. */

static struct vnetenc_lease *
lease_find(const struct vnetenc_socket *sock, const struct in6_addr *remote)
{
    struct vnetenc_lease *lease;

    LIST_FOR_EACH (lease, node, &sock->leases) {
        if (ipv6_addr_equals(&lease->remote, remote)) {
            return lease;
        }
    }
    return NULL;
}

/* Frees leases so old that they no longer matter. */
static void
expire_leases(struct vnetenc_socket *sock, long long int now)
{
    struct vnetenc_lease *lease;

    LIST_FOR_EACH_SAFE (lease, node, &sock->leases) {
        if (!lease->owner
            && now >= lease->returned_at + VNETENC_PORT_REUSE_MS) {
            ovs_list_remove(&lease->node);
            free(lease);
        }
    }
}

struct lease_search {
    size_t n_sockets;           /* Of the local address and the mark. */
    size_t n_fresh;             /* Without a lease of the peer. */
    struct vnetenc_socket *fresh;   /* A random one of these. */
    struct vnetenc_lease *oldest;   /* Returned longest ago, or NULL. */
};

static void
search_sockets(const struct in6_addr *local, const struct in6_addr *remote,
               uint32_t mark, long long int now, struct lease_search *search)
{
    struct vnetenc_socket *sock;

    memset(search, 0, sizeof *search);
    LIST_FOR_EACH (sock, node, &lanes) {
        struct vnetenc_lease *lease;

        if (sock->mark != mark || !ipv6_addr_equals(&sock->local, local)) {
            continue;
        }
        search->n_sockets++;
        expire_leases(sock, now);
        lease = lease_find(sock, remote);
        if (!lease) {
            if (!random_range(++search->n_fresh)) {
                search->fresh = sock;
            }
        } else if (!lease->owner
                   && (!search->oldest || (lease->returned_at
                                           < search->oldest->returned_at))) {
            search->oldest = lease;
        }
    }
}

static struct vnetenc_socket *
lane_socket_create(const struct in6_addr *local, uint32_t mark, char **errorp)
{
    struct vnetenc_socket *sock = socket_create(&lanes, local, 0, errorp);
    int error = sock ? set_mark(sock, mark) : 0;

    if (error) {
        socket_destroy(sock);
        *errorp = xasprintf("cannot set the mark %"PRIu32" of "
                            "options:egress_pkt_mark: %s", mark,
                            ovs_strerror(error));
        return NULL;
    }
    if (sock) {
        sock->is_lane = true;
    }
    return sock;
}

/* If the peer has used every socket of a full pool within the last minute, it
 * gets the one that it used longest ago: the responder replaces the session
 * that it may still have for that port in one step (RFC 6347 section 4.2.8).
 * A full pool grows only if all of its sockets are leased to the peer, as with
 * many lanes of many profiles. */
struct vnetenc_lease *
vnetenc_socket_lease(const struct in6_addr *local,
                     const struct in6_addr *remote, uint32_t mark, void *owner,
                     long long int now, char **error)
{
    struct lease_search search;
    struct vnetenc_lease *lease;
    struct vnetenc_socket *sock;

    *error = NULL;
    search_sockets(local, remote, mark, now, &search);
    sock = search.fresh;
    if (!sock && search.n_sockets < (search.oldest ? VNETENC_POOL_SOCKETS
                                     : VNETENC_MAX_SOCKETS)) {
        sock = lane_socket_create(local, mark, error);
        if (!sock) {
            return NULL;
        }
        report_errors(sock, !vnetenc_worker_n());
    }
    if (!sock) {
        lease = search.oldest;
        if (!lease) {
            *error = xasprintf("all %d lane sockets are in use with this peer",
                               VNETENC_MAX_SOCKETS);
            return NULL;
        }
    } else {
        lease = xzalloc(sizeof *lease);
        lease->socket = sock;
        lease->remote = *remote;
        ovs_list_push_back(&sock->leases, &lease->node);
    }
    lease->owner = owner;
    lease->error = 0;
    return lease;
}

void
vnetenc_socket_return(struct vnetenc_lease *lease, long long int now)
{
    if (lease) {
        lease->owner = NULL;
        lease->returned_at = now;
    }
}

struct vnetenc_socket *
vnetenc_socket_of_lease(const struct vnetenc_lease *lease)
{
    return lease->socket;
}

/* Records come in bursts, for which the default send buffer is too small.
 * Without CAP_NET_ADMIN it stays small. */
int
vnetenc_socket_dup(const struct vnetenc_lease *lease)
{
    int fd = fcntl(lease->socket->fd, F_DUPFD_CLOEXEC, 0);
    int size = VNETENC_LANE_SEND_BYTES;

    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    }
    if (vnetenc_worker_n()) {
        /* The kernel reports an error by failing the next call that sends, and
         * anybody can forge the ICMP message that causes an error.  No record
         * may be lost in this way. */
        report_errors(lease->socket, false);
        forget_error(lease->socket);
    }
    return fd;
}

void *
vnetenc_socket_lease_owner(const struct vnetenc_lease *lease)
{
    return lease->owner;
}

int
vnetenc_socket_lease_error(const struct vnetenc_lease *lease)
{
    return lease->error;
}

/* Input and output. */

int
vnetenc_socket_send(struct vnetenc_socket *sock,
                    const struct in6_addr *remote, ovs_be16 port,
                    const void *data, size_t size)
{
    struct sockaddr_storage ss;
    socklen_t ss_size = vnetenc_sockaddr_init(&ss, remote, port);
    int error = sock->is_lane ? 0 : set_mark(sock, vnetenc_marks_find(remote));

    if (error) {
        COVERAGE_INC(vnetenc_socket_send_error);
        return error;
    }
    forget_error(sock);
    if (sendto(sock->fd, data, size, 0, (struct sockaddr *) &ss, ss_size)
        < 0) {
        COVERAGE_INC(vnetenc_socket_send_error);
        return errno;
    }
    return 0;
}

bool
vnetenc_socket_is_local(const struct in6_addr *local)
{
    int fd = open_bound(local, 0, false);

    if (fd >= 0) {
        close(fd);
    }
    return fd != -EADDRNOTAVAIL;
}

/* Returns false if '*ss' is no address of IP. */
static bool
sockaddr_to_address(const struct sockaddr_storage *ss,
                    struct in6_addr *address, ovs_be16 *port)
{
    if (ss->ss_family != AF_INET && ss->ss_family != AF_INET6) {
        return false;
    }
    *address = ss_get_address(ss);
    *port = htons(ss_get_port(ss));
    return true;
}

/* Counts the datagrams for which 'sock' had no room.  With each datagram, the
 * kernel reports how many it has dropped so far. */
static void
count_lost(struct vnetenc_socket *sock, struct msghdr *msg)
{
    struct cmsghdr *cmsg;

    for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
        uint32_t n;

        if (cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SO_RXQ_OVFL) {
            memcpy(&n, CMSG_DATA(cmsg), sizeof n);
            vnetenc_drop_count(VNETENC_DROP_ctl_socket_full, n - sock->n_lost);
            sock->n_lost = n;
        }
    }
}

/* Receives one datagram.  Returns false if there is none.  A lane socket is
 * open to the whole world, so a datagram without a lease is ignored. */
static bool
receive_one(struct vnetenc_socket *sock, bool lane, vnetenc_socket_cb *cb,
            long long int now)
{
    uint8_t data[VNETENC_MAX_DATAGRAM_BYTES + 1];
    struct vnetenc_lease *lease = NULL;
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(sizeof(uint32_t))];
    } control;
    struct sockaddr_storage ss;
    struct iovec iov = { .iov_base = data, .iov_len = sizeof data };
    struct msghdr msg = {
        .msg_name = &ss, .msg_namelen = sizeof ss,
        .msg_iov = &iov, .msg_iovlen = 1,
        .msg_control = &control, .msg_controllen = sizeof control,
    };
    struct in6_addr remote;
    ovs_be16 port;
    ssize_t n;

    n = recvmsg(sock->fd, &msg, 0);
    if (n < 0) {
        /* Other errors are those of earlier datagrams. */
        return errno != EAGAIN && errno != EWOULDBLOCK;
    }
    count_lost(sock, &msg);
    if (n > VNETENC_MAX_DATAGRAM_BYTES
        || !sockaddr_to_address(&ss, &remote, &port)) {
        return true;
    }
    if (lane) {
        lease = lease_find(sock, &remote);
        if (!lease || !lease->owner) {
            return true;
        }
    }
    cb(sock, lease, &remote, port, data, n, now);
    return true;
}

/* Takes one reported error.  Anybody can forge the ICMP message behind it, so
 * it only serves as a text.  Returns false if there is none. */
static bool
receive_error(struct vnetenc_socket *sock)
{
    uint8_t control[512];
    struct sockaddr_storage ss;
    struct msghdr msg = {
        .msg_name = &ss,
        .msg_namelen = sizeof ss,
        .msg_control = control,
        .msg_controllen = sizeof control,
    };
    struct vnetenc_lease *lease;
    struct in6_addr remote;
    struct cmsghdr *cmsg;
    ovs_be16 port;

    if (recvmsg(sock->fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
        return false;
    }
    if (!sockaddr_to_address(&ss, &remote, &port)) {
        return true;
    }
    lease = lease_find(sock, &remote);
    for (cmsg = CMSG_FIRSTHDR(&msg); lease && cmsg;
         cmsg = CMSG_NXTHDR(&msg, cmsg)) {
        struct sock_extended_err err;

        if ((cmsg->cmsg_level == IPPROTO_IP && cmsg->cmsg_type == IP_RECVERR)
            || (cmsg->cmsg_level == IPPROTO_IPV6
                && cmsg->cmsg_type == IPV6_RECVERR)) {
            memcpy(&err, CMSG_DATA(cmsg), sizeof err);
            lease->error = err.ee_errno;
        }
    }
    return true;
}

static void
receive_all(struct ovs_list *list, bool is_lane, vnetenc_socket_cb *cb,
            long long int now)
{
    struct vnetenc_socket *sock;

    LIST_FOR_EACH (sock, node, list) {
        for (int i = 0; i < VNETENC_RECEIVE_BURST; i++) {
            if (!receive_one(sock, is_lane, cb, now)) {
                break;
            }
        }
        for (int i = 0; is_lane && i < VNETENC_RECEIVE_BURST; i++) {
            if (!receive_error(sock)) {
                break;
            }
        }
    }
}

void
vnetenc_sockets_run(vnetenc_socket_cb *cb, long long int now)
{
    follow_readers();
    receive_all(&responders, false, cb, now);
    receive_all(&lanes, true, cb, now);
}

void
vnetenc_sockets_close_unused(long long int now)
{
    static long long int next = LLONG_MIN;
    struct vnetenc_socket *sock;

    if (now < next && next <= now + VNETENC_LOOK_MS) {
        return;
    }
    next = now + VNETENC_LOOK_MS;
    LIST_FOR_EACH_SAFE (sock, node, &lanes) {
        expire_leases(sock, now);
        if (ovs_list_is_empty(&sock->leases)) {
            socket_destroy(sock);
        }
    }
}

void
vnetenc_sockets_wait(void)
{
    struct vnetenc_socket *sock;

    LIST_FOR_EACH (sock, node, &responders) {
        poll_fd_wait(sock->fd, POLLIN);
    }
    LIST_FOR_EACH (sock, node, &lanes) {
        poll_fd_wait(sock->fd, POLLIN);
    }
}

void
vnetenc_sockets_destroy(void)
{
    struct vnetenc_socket *sock;

    LIST_FOR_EACH_SAFE (sock, node, &responders) {
        socket_destroy(sock);
    }
    LIST_FOR_EACH_SAFE (sock, node, &lanes) {
        socket_destroy(sock);
    }
}
