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

/* Kernel sockets: the pool of lane sockets and who may use them, the
 * responder's, and what is taken from them. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/control/socket.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "packets.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/readers.h"
#include "vnetenc/bridge/sockaddr.h"
#include "vnetenc/kernel/worker.h"
#include "vnetenc/trust/configuration.h"
#include "vnetenc-unit.h"
#include "vnetenc-unit-loopback.h"
#include "vnetenc-unit-shell.h"

enum {
    DTLS_PORT = 6082,
    PATIENCE_MS = 5000,
    START = 1000000,            /* The clock that is passed in. */
    N = VNETENC_POOL_SOCKETS,
};

static struct in6_addr
address(const char *s)
{
    struct in6_addr addr;

    ovs_assert(vnetenc_config_address_parse(s, &addr));
    return addr;
}

/* Sockets of somebody else. */

static void
make_sockaddr(const struct in6_addr *ip, ovs_be16 port,
              struct sockaddr_storage *ss)
{
    memset(ss, 0, sizeof *ss);
    if (IN6_IS_ADDR_V4MAPPED(ip)) {
        struct sockaddr_in *sin = ALIGNED_CAST(struct sockaddr_in *, ss);

        sin->sin_family = AF_INET;
        sin->sin_addr.s_addr = in6_addr_get_mapped_ipv4(ip);
        sin->sin_port = port;
    } else {
        struct sockaddr_in6 *sin6 = ALIGNED_CAST(struct sockaddr_in6 *, ss);

        sin6->sin6_family = AF_INET6;
        sin6->sin6_addr = *ip;
        sin6->sin6_port = port;
    }
}

/* A socket at 'ip' and 'port' (0 for any), or a negative errno value. */
static int
stranger_open(const char *ip, uint16_t port)
{
    struct in6_addr addr = address(ip);
    struct sockaddr_storage ss;
    int fd, error;

    make_sockaddr(&addr, htons(port), &ss);
    fd = socket(ss.ss_family, SOCK_DGRAM, 0);
    ovs_assert(fd >= 0);
    if (!bind(fd, (struct sockaddr *) &ss, ss_length(&ss))) {
        return fd;
    }
    error = errno;
    close(fd);
    return -error;
}

/* As a worker opens it, see kernel/ingress.c. */
static int
reader_open(const struct vnetenc_readers_port *port)
{
    struct sockaddr_storage ss;
    int fd, error, one = 1;

    make_sockaddr(&port->local, port->port, &ss);
    fd = socket(ss.ss_family, SOCK_DGRAM, 0);
    ovs_assert(fd >= 0);
    ovs_assert(!setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one));
    if (!bind(fd, (struct sockaddr *) &ss, ss_length(&ss))) {
        return fd;
    }
    error = errno;
    close(fd);
    return -error;
}

static void
stranger_send(int fd, const struct vnetenc_socket *to, const void *data,
              size_t size)
{
    struct sockaddr_storage ss;

    make_sockaddr(vnetenc_socket_local(to), vnetenc_socket_port(to), &ss);
    ovs_assert(sendto(fd, data, size, 0, (struct sockaddr *) &ss,
                      ss_length(&ss)) == size);
}

static ovs_be16
stranger_port(int fd)
{
    struct sockaddr_storage ss;
    socklen_t size = sizeof ss;

    ovs_assert(!getsockname(fd, (struct sockaddr *) &ss, &size));
    return htons(ss_get_port(&ss));
}

/* What came in: how many, and the newest. */

static struct {
    unsigned int n;
    struct vnetenc_socket *sock;
    struct vnetenc_lease *lease;
    struct in6_addr remote;
    ovs_be16 port;
    uint8_t data[VNETENC_MAX_DATAGRAM_BYTES];
    size_t size;
    long long int now;
} in;

static void
take(struct vnetenc_socket *sock, struct vnetenc_lease *lease,
     const struct in6_addr *remote, ovs_be16 port, uint8_t *data, size_t size,
     long long int now)
{
    in.n++;
    in.sock = sock;
    in.lease = lease;
    in.remote = *remote;
    in.port = port;
    ovs_assert(size <= sizeof in.data);
    memcpy(in.data, data, size);
    in.size = size;
    in.now = now;
}

/* Receives until 'n' datagrams were taken.  Returns false if others come, or
 * too few. */
static bool
receive(unsigned int n)
{
    in.n = 0;
    for (int i = 0; in.n < n && i < PATIENCE_MS; i++) {
        vnetenc_sockets_run(take, 4711);
        if (in.n < n) {
            poll(NULL, 0, 1);
        }
    }
    return in.n == n;
}

/* Leases. */

static char *error;

static struct vnetenc_lease *
lease(const struct in6_addr *local, const struct in6_addr *remote,
      long long int now)
{
    static int owner;

    return vnetenc_socket_lease(local, remote, 0, &owner, now, &error);
}

static uint16_t
lease_port(const struct vnetenc_lease *l)
{
    return ntohs(vnetenc_socket_port(vnetenc_socket_of_lease(l)));
}

/* Takes 'N' leases, notes their ports, counts those not in 'seen' yet. */
static unsigned int
lease_all(const struct in6_addr *local, const struct in6_addr *remote,
          struct vnetenc_lease *leases[N], bool seen[UINT16_MAX + 1])
{
    unsigned int n_new = 0;

    for (int i = 0; i < N; i++) {
        leases[i] = lease(local, remote, START);
        ovs_assert(leases[i]);
        CHECK(ipv6_addr_equals(
                  vnetenc_socket_local(vnetenc_socket_of_lease(leases[i])),
                  local));
        n_new += !seen[lease_port(leases[i])];
        seen[lease_port(leases[i])] = true;
    }
    return n_new;
}

static void
test_pool(void)
{
    static bool seen[UINT16_MAX + 1], seen2[UINT16_MAX + 1];
    struct in6_addr local = address("127.0.0.1");
    struct in6_addr local2 = address("127.0.0.2");
    struct in6_addr a = address("127.0.1.1"), b = address("127.0.1.2");
    struct vnetenc_lease *la[N], *lb[N], *l2[N];

    CHECK(lease_all(&local, &a, la, seen) == N);

    /* The same ones for another peer. */
    CHECK(lease_all(&local, &b, lb, seen) == 0);

    /* Each local address has its own. */
    CHECK(lease_all(&local2, &a, l2, seen2) == N);
    vnetenc_sockets_destroy();
}

/* Within 60 s a peer gets a socket again only if there is no other. */
static void
test_reuse(void)
{
    struct in6_addr local = address("127.0.0.1");
    struct in6_addr a = address("127.0.1.1"), b = address("127.0.1.2");
    struct vnetenc_lease *l, *leases[N];
    uint16_t port, port2;

    l = lease(&local, &a, START);
    CHECK(!error);
    port = lease_port(l);
    vnetenc_socket_return(l, START);
    l = lease(&local, &b, START + 1);
    CHECK(lease_port(l) == port);
    vnetenc_socket_return(l, START + 1);
    l = lease(&local, &a, START + 59999);
    port2 = lease_port(l);
    CHECK(port2 != port);
    vnetenc_socket_return(l, START + 59999);
    l = lease(&local, &a, START + 60000);
    CHECK(lease_port(l) == port);

    /* In use since long ago is in use nevertheless. */
    for (int i = 0; i < 10; i++) {
        struct vnetenc_lease *l2 = lease(&local, &a, START + 10000000 + i);

        CHECK(lease_port(l2) != port);
    }
    vnetenc_sockets_destroy();
    vnetenc_socket_return(NULL, START);

    /* A full pool gives what was not used for the longest time. */
    for (int i = 0; i < N; i++) {
        leases[i] = lease(&local, &a, START);
    }
    port = lease_port(leases[9]);
    port2 = lease_port(leases[5]);
    vnetenc_socket_return(leases[5], START + 1);
    vnetenc_socket_return(leases[9], START);
    CHECK(lease_port(lease(&local, &a, START + 2)) == port);
    CHECK(lease_port(lease(&local, &a, START + 2)) == port2);

    /* One in which all are in use grows, but not for ever. */
    for (int i = N; i < VNETENC_MAX_SOCKETS; i++) {
        if (!lease(&local, &a, START + 2)) {
            CHECK(false);
            break;
        }
    }
    CHECK(!lease(&local, &a, START + 2));
    CHECK_HAS(error, "4096");
    free(error);
    vnetenc_sockets_destroy();
}

/* Returns true if nobody has a UDP port of 'ip'. */
static bool
is_free(const char *ip, uint16_t port)
{
    int fd = stranger_open(ip, port);

    if (fd < 0) {
        return false;
    }
    close(fd);
    return true;
}

/* A socket that no peer has used for a minute is closed; it may be one of a
 * mark or of an address that is used no more. */
static void
test_unused(void)
{
    struct in6_addr local = address("127.0.0.1");
    struct in6_addr a = address("127.0.1.1"), b = address("127.0.1.2");
    struct vnetenc_lease *la, *lb;
    static int owner;
    uint16_t port_a, port_b;

    la = vnetenc_socket_lease(&local, &a, 5, &owner, START, &error);
    lb = lease(&local, &b, START);
    port_a = lease_port(la);
    port_b = lease_port(lb);
    vnetenc_socket_return(la, START);
    vnetenc_sockets_close_unused(START + VNETENC_PORT_REUSE_MS - 1);
    CHECK(!is_free("127.0.0.1", port_a));
    vnetenc_sockets_close_unused(START + 2 * VNETENC_PORT_REUSE_MS);
    CHECK(is_free("127.0.0.1", port_a));
    CHECK(!is_free("127.0.0.1", port_b));

    /* One that has a lease of another peer stays. */
    la = lease(&local, &a, START + 2 * VNETENC_PORT_REUSE_MS);
    CHECK(lease_port(la) == port_b);
    vnetenc_socket_return(lb, START + 2 * VNETENC_PORT_REUSE_MS);
    vnetenc_sockets_close_unused(START + 9 * VNETENC_PORT_REUSE_MS);
    CHECK(!is_free("127.0.0.1", port_b));
    CHECK(vnetenc_socket_lease_owner(la));
    vnetenc_socket_return(la, START + 9 * VNETENC_PORT_REUSE_MS);
    vnetenc_sockets_close_unused(START + 99 * VNETENC_PORT_REUSE_MS);
    CHECK(is_free("127.0.0.1", port_b));
    vnetenc_sockets_destroy();
}

static void
ignore_datagram(struct vnetenc_socket *sock OVS_UNUSED,
                struct vnetenc_lease *l OVS_UNUSED,
                const struct in6_addr *remote OVS_UNUSED,
                ovs_be16 port OVS_UNUSED, uint8_t *data OVS_UNUSED,
                size_t size OVS_UNUSED, long long int now OVS_UNUSED)
{
}

static bool
becomes_ready(int fd, short int events)
{
    struct pollfd pfd = { .fd = fd, .events = events };

    return poll(&pfd, 1, PATIENCE_MS) == 1 && pfd.revents & events;
}

/* Discards what the kernel has to say of what 'fd' sent. */
static void
drain_errors(int fd)
{
    struct msghdr msg;

    do {
        memset(&msg, 0, sizeof msg);
    } while (recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0);
}

/* What the kernel says of a datagram is kept for the text of an error, and
 * disturbs no other datagram. */
static void
test_errors(void)
{
    struct in6_addr local = address("127.0.0.1");
    struct in6_addr closed = address("127.0.1.1");
    struct in6_addr open = address("127.0.0.2");
    struct vnetenc_lease *l = lease(&local, &closed, START);
    struct vnetenc_socket *sock = vnetenc_socket_of_lease(l);
    struct vnetenc_socket *responder;
    int fd = vnetenc_socket_dup(l);
    char *responder_error;

    CHECK(!vnetenc_socket_lease_error(l));
    CHECK(!vnetenc_socket_send(sock, &closed, htons(9), "x", 1));
    CHECK(becomes_ready(fd, POLLERR));
    vnetenc_sockets_run(ignore_datagram, START);
    CHECK(vnetenc_socket_lease_error(l) == ECONNREFUSED);

    /* With an error that nobody has read yet. */
    responder = vnetenc_socket_responder(&open, htons(6082),
                                         &responder_error);
    CHECK(responder);
    for (int i = 0; i < 20; i++) {
        drain_errors(fd);
        CHECK(!vnetenc_socket_send(sock, &closed, htons(9), "x", 1));
        CHECK(becomes_ready(fd, POLLERR));
        CHECK(!vnetenc_socket_send(sock, &open, htons(6082), "x", 1));
    }
    close(fd);

    /* The next session begins without it. */
    vnetenc_socket_return(l, START);
    vnetenc_sockets_destroy();
    CHECK(!vnetenc_socket_lease_error(lease(&local, &closed, START)));
    vnetenc_sockets_destroy();
}

/* The kernel tells that a queue is full, for instance the one of packets that
 * wait for a neighbour, only where it is asked to (IP_RECVERR). */
static void
test_full_queue(void)
{
    struct in6_addr local = address("127.0.0.1");
    struct in6_addr remote = address("127.0.0.2");
    struct vnetenc_socket *sock
        = vnetenc_socket_of_lease(lease(&local, &remote, START));

    CHECK(!vnetenc_socket_send(sock, &remote, htons(9), "x", 1));
    ovs_assert(unit_shell("tc qdisc add dev lo root bfifo limit 1"));
    CHECK(vnetenc_socket_send(sock, &remote, htons(9), "x", 1) == ENOBUFS);
    ovs_assert(unit_shell("tc qdisc del dev lo root"));
    CHECK(!vnetenc_socket_send(sock, &remote, htons(9), "x", 1));
    vnetenc_sockets_destroy();
}

/* Sends through the socket of 'l' as a worker does, to 'remote', which answers
 * with errors.  None of these may fail a later send. */
static void
send_as_worker(struct vnetenc_lease *l, const struct in6_addr *remote)
{
    struct sockaddr_storage ss;
    socklen_t size = vnetenc_sockaddr_init(&ss, remote, htons(9));
    int fd = vnetenc_socket_dup(l);

    for (int i = 0; i < 20; i++) {
        CHECK(sendto(fd, "x", 1, 0, (struct sockaddr *) &ss, size) == 1);
        poll(NULL, 0, 1);
    }
    close(fd);
}

/* Where workers send records through it, a socket reports no error: it would
 * cost a record, and anybody can forge it. */
static void
test_no_errors_with_workers(void)
{
    struct in6_addr local = address("127.0.0.1");
    struct in6_addr closed = address("127.0.1.1");
    struct vnetenc_lease *l = lease(&local, &closed, START);

    vnetenc_worker_start(1);
    vnetenc_socket_send(vnetenc_socket_of_lease(l), &closed, htons(9), "x", 1);
    poll(NULL, 0, 10);
    send_as_worker(l, &closed);
    vnetenc_sockets_destroy();

    /* Nor does a new one. */
    l = lease(&local, &closed, START);
    vnetenc_worker_stop();
    send_as_worker(l, &closed);
    vnetenc_sockets_destroy();
}

/* Peers do not crowd on one socket. */
static void
test_random(void)
{
    static bool seen[UINT16_MAX + 1], seen2[UINT16_MAX + 1];
    struct in6_addr local = address("127.0.0.1");
    struct in6_addr peer = address("127.0.1.1");
    struct vnetenc_lease *leases[N];
    unsigned int n = 0;

    lease_all(&local, &peer, leases, seen);
    for (int i = 0; i < 200; i++) {
        uint16_t port;

        in6_addr_set_mapped_ipv4(&peer, htonl(0x0a000000 + i));
        port = lease_port(lease(&local, &peer, START));
        n += !seen2[port];
        seen2[port] = true;
    }
    CHECK(n > N / 2);
    vnetenc_sockets_destroy();
}

static void
test_no_local(void)
{
    struct in6_addr foreign = address("192.0.2.1");

    CHECK(!lease(&foreign, &foreign, START));
    CHECK_HAS(error, "192.0.2.1");
    CHECK_HAS(error, "Cannot assign");
    free(error);
    CHECK(!vnetenc_socket_responder(&foreign, htons(DTLS_PORT), &error));
    CHECK_HAS(error, "192.0.2.1 port 6082");
    free(error);
    CHECK(!vnetenc_socket_responder(&foreign, 0, &error));
    CHECK_HAS(error, "no UDP port");
    free(error);
}

/* The responder's sockets. */

static void
test_responder(void)
{
    struct in6_addr local = address("127.0.0.1");
    struct in6_addr local2 = address("127.0.0.2");
    struct vnetenc_socket *sock, *other;
    int fd;

    sock = vnetenc_socket_responder(&local, htons(DTLS_PORT), &error);
    CHECK(sock && !error);
    CHECK(vnetenc_socket_port(sock) == htons(DTLS_PORT));
    CHECK(ipv6_addr_equals(vnetenc_socket_local(sock), &local));

    /* One of each address and port. */
    CHECK(vnetenc_socket_responder(&local, htons(DTLS_PORT), &error) == sock);
    CHECK(!error);
    other = vnetenc_socket_responder(&local, htons(DTLS_PORT + 7), &error);
    CHECK(other && other != sock);
    other = vnetenc_socket_responder(&local2, htons(DTLS_PORT), &error);
    CHECK(other && other != sock);

    /* Taken by somebody else. */
    fd = stranger_open("127.0.0.1", 0);
    CHECK(!vnetenc_socket_responder(&local, stranger_port(fd), &error));
    CHECK_HAS(error, "in use");
    free(error);
    close(fd);

    /* No port outlives them. */
    CHECK(stranger_open("127.0.0.1", DTLS_PORT) == -EADDRINUSE);
    vnetenc_sockets_destroy();
    fd = stranger_open("127.0.0.1", DTLS_PORT);
    CHECK(fd >= 0);
    close(fd);
}

/* Datagrams. */

/* To 'sock' from 'remote', and back. */
static void
exchange(struct vnetenc_socket *sock, const struct vnetenc_lease *l,
         const char *remote_text)
{
    struct in6_addr remote = address(remote_text);
    struct sockaddr_storage from, want;
    socklen_t size = sizeof from;
    int fd = stranger_open(remote_text, 0);
    char back[8];

    ovs_assert(sock && fd >= 0);
    stranger_send(fd, sock, "forth", 5);
    CHECK(receive(1));
    CHECK(in.sock == sock && in.lease == l);
    CHECK(ipv6_addr_equals(&in.remote, &remote));
    CHECK(in.port == stranger_port(fd));
    CHECK(in.size == 5 && !memcmp(in.data, "forth", 5));
    CHECK(in.now == 4711);

    vnetenc_socket_send(sock, &in.remote, in.port, "back", 4);
    memset(&from, 0, sizeof from);
    CHECK(recvfrom(fd, back, sizeof back, 0, (struct sockaddr *) &from, &size)
          == 4);
    CHECK(!memcmp(back, "back", 4));
    make_sockaddr(vnetenc_socket_local(sock), vnetenc_socket_port(sock),
                  &want);
    CHECK(!memcmp(&from, &want, size));
    close(fd);
}

static void
check_exchange(const char *local_text, const char *remote_text)
{
    struct in6_addr local = address(local_text);
    struct in6_addr remote = address(remote_text);
    struct vnetenc_lease *l;

    exchange(vnetenc_socket_responder(&local, htons(DTLS_PORT), &error), NULL,
             remote_text);
    l = lease(&local, &remote, START);
    exchange(vnetenc_socket_of_lease(l), l, remote_text);
    vnetenc_sockets_destroy();
}

/* A lane socket takes datagrams only for who has it. */
static void
check_strays(const char *local_text, const char *remote_text,
             const char *stray_text)
{
    struct in6_addr local = address(local_text);
    struct in6_addr remote = address(remote_text);
    int peer = stranger_open(remote_text, 0);
    int stray = stranger_open(stray_text, 0);
    struct vnetenc_lease *l = lease(&local, &remote, START);
    struct vnetenc_lease *marker;
    struct vnetenc_socket *sock = vnetenc_socket_of_lease(l);
    int fd = vnetenc_socket_dup(l);

    stranger_send(stray, sock, "stray", 5);
    CHECK(becomes_ready(fd, POLLIN));
    stranger_send(peer, sock, "good", 4);
    CHECK(receive(1));
    CHECK(in.lease == l && in.sock == sock);
    CHECK(vnetenc_socket_lease_owner(in.lease) != NULL);
    CHECK(in.size == 4 && !memcmp(in.data, "good", 4));
    CHECK(ipv6_addr_equals(&in.remote, &remote));

    /* Returned: not even from the peer.  The marker comes last. */
    vnetenc_socket_return(l, START);
    remote = address(stray_text);
    marker = lease(&local, &remote, START);
    CHECK(vnetenc_socket_of_lease(marker) == sock);
    stranger_send(peer, sock, "late", 4);
    CHECK(becomes_ready(fd, POLLIN));
    stranger_send(stray, sock, "marker", 6);
    CHECK(receive(1));
    CHECK(in.lease == marker);
    CHECK(in.size == 6 && !memcmp(in.data, "marker", 6));
    close(fd);
    close(peer);
    close(stray);
    vnetenc_sockets_destroy();
}

/* Two peers on one socket: each is told by its address. */
static void
test_shared(void)
{
    struct in6_addr local = address("127.0.0.1");
    struct in6_addr a = address("127.0.1.1"), b = address("127.0.1.2");
    struct vnetenc_lease *la, *lb;
    int fa = stranger_open("127.0.1.1", 0), fb = stranger_open("127.0.1.2", 0);
    int owner_a, owner_b;

    la = vnetenc_socket_lease(&local, &a, 0, &owner_a, START, &error);
    lb = vnetenc_socket_lease(&local, &b, 0, &owner_b, START, &error);
    CHECK(vnetenc_socket_of_lease(la) == vnetenc_socket_of_lease(lb));
    stranger_send(fb, vnetenc_socket_of_lease(la), "b", 1);
    CHECK(receive(1));
    CHECK(in.lease == lb && vnetenc_socket_lease_owner(in.lease) == &owner_b);
    stranger_send(fa, vnetenc_socket_of_lease(la), "a", 1);
    CHECK(receive(1));
    CHECK(in.lease == la && vnetenc_socket_lease_owner(in.lease) == &owner_a);
    close(fa);
    close(fb);
    vnetenc_sockets_destroy();
}

static void
test_sizes(void)
{
    static const uint8_t data[VNETENC_MAX_DATAGRAM_BYTES + 1];
    struct in6_addr local = address("127.0.0.1");
    struct vnetenc_socket *sock;
    int fd = stranger_open("127.0.0.2", 0);

    sock = vnetenc_socket_responder(&local, htons(DTLS_PORT), &error);
    stranger_send(fd, sock, data, sizeof data);
    stranger_send(fd, sock, data, sizeof data - 1);
    CHECK(receive(1));
    CHECK(in.size == sizeof data - 1);
    stranger_send(fd, sock, data, 0);
    CHECK(receive(1));
    CHECK(in.size == 0);
    close(fd);
    vnetenc_sockets_destroy();
}

/* Who sends much does not keep the others waiting. */
static void
test_burst(void)
{
    struct in6_addr local = address("127.0.0.1");
    struct vnetenc_socket *sock;
    unsigned int n = 0;
    int fd = stranger_open("127.0.0.2", 0);

    sock = vnetenc_socket_responder(&local, htons(DTLS_PORT), &error);
    for (int i = 0; i < 150; i++) {
        stranger_send(fd, sock, "x", 1);
    }
    for (int i = 0; n < 150 && i < PATIENCE_MS; i++) {
        in.n = 0;
        vnetenc_sockets_run(take, 4711);
        CHECK(in.n <= 16);
        n += in.n;
        poll(NULL, 0, n < 150);
    }
    CHECK(n == 150);
    close(fd);
    vnetenc_sockets_destroy();
}

/* A socket keeps a burst of datagrams of VNETENC_SOCKET_BUFFER_BYTES, however
 * small the system's default is, and counts each datagram for which it has no
 * room. */
static void
test_buffer(void)
{
    static const uint8_t data[1000];
    struct in6_addr local = address("127.0.0.1");
    unsigned long long int before
        = vnetenc_drop_total(VNETENC_DROP_ctl_socket_full);
    unsigned int n_sent = 2 * VNETENC_SOCKET_BUFFER_BYTES / sizeof data + 500;
    int fd = stranger_open("127.0.0.2", 0);
    unsigned int n_received = 0, n_lost = 0;
    struct vnetenc_socket *sock;

    sock = vnetenc_socket_responder(&local, htons(DTLS_PORT), &error);
    for (unsigned int i = 0; i < n_sent; i++) {
        stranger_send(fd, sock, data, sizeof data);
    }

    /* The kernel tells of datagrams that were lost with the next one that it
     * has room for, and may still be busy with those above. */
    for (int i = 0; i < PATIENCE_MS && n_received + n_lost != n_sent; i++) {
        do {
            in.n = 0;
            vnetenc_sockets_run(take, 4711);
            n_received += in.n;
        } while (in.n);
        n_lost = vnetenc_drop_total(VNETENC_DROP_ctl_socket_full) - before;
        if (n_received + n_lost != n_sent) {
            stranger_send(fd, sock, data, sizeof data);
            n_sent++;
            poll(NULL, 0, i > 0);
        }
    }
    CHECK(n_received + n_lost == n_sent);
    CHECK(n_lost);
    CHECK(n_received * 2048 >= VNETENC_SOCKET_BUFFER_BYTES);

    stranger_send(fd, sock, data, sizeof data);
    CHECK(receive(1));
    CHECK(vnetenc_drop_total(VNETENC_DROP_ctl_socket_full)
          == before + n_lost);
    close(fd);
    vnetenc_sockets_destroy();
}

/* Both kinds of sockets wake who waits for them. */
static void
test_wait(void)
{
    struct in6_addr local = address("127.0.0.1");
    struct in6_addr remote = address("127.0.0.2");
    int fd = stranger_open("127.0.0.2", 0);
    struct vnetenc_socket *socks[2];

    socks[0] = vnetenc_socket_responder(&local, htons(DTLS_PORT), &error);
    socks[1] = vnetenc_socket_of_lease(lease(&local, &remote, START));
    for (int i = 0; i < 2; i++) {
        long long int start = time_msec();

        stranger_send(fd, socks[i], "x", 1);
        vnetenc_sockets_wait();
        poll_timer_wait(PATIENCE_MS);
        poll_block();
        CHECK(time_msec() < start + PATIENCE_MS);
        CHECK(receive(1));
        CHECK(in.sock == socks[i]);
    }

    /* And nobody else does. */
    vnetenc_sockets_wait();
    {
        long long int start = time_msec();

        poll_timer_wait(50);
        poll_block();
        CHECK(time_msec() >= start + 50);
    }
    close(fd);
    vnetenc_sockets_destroy();
}

static bool
nothing_comes(void)
{
    in.n = 0;
    vnetenc_sockets_run(take, 4711);
    return !in.n;
}

/* Workers read a port: their sockets get all that comes, and the responder
 * sends from it nevertheless. */
static void
test_readers(const char *ip)
{
    enum { N_READERS = 3, N_SENDERS = 60 };
    struct in6_addr local = address(ip);
    struct vnetenc_readers_port port = { local, htons(DTLS_PORT + 20) };
    struct vnetenc_socket *sock;
    int readers[N_READERS], senders[N_SENDERS];
    unsigned int n_read = 0;
    char c;

    sock = vnetenc_socket_responder(&local, port.port, &error);
    ovs_assert(sock);
    CHECK(reader_open(&port) == -EADDRINUSE);
    vnetenc_readers_set(&port, 1);
    CHECK(nothing_comes());
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N_READERS; i++) {
            readers[i] = reader_open(&port);
            ovs_assert(readers[i] >= 0);
        }
        if (round) {
            /* Now the responder's socket is the last one. */
            sock = vnetenc_socket_responder(&local, port.port, &error);
            ovs_assert(sock);
        }
        for (int i = 0; i < N_SENDERS; i++) {
            senders[i] = stranger_open(ip, 0);
            stranger_send(senders[i], sock, "x", 1);
        }
        n_read = 0;
        for (int i = 0; n_read < N_SENDERS && i < PATIENCE_MS; i++) {
            poll(NULL, 0, i > 0);
            for (int j = 0; j < N_READERS; j++) {
                while (recv(readers[j], &c, 1, MSG_DONTWAIT) == 1) {
                    n_read++;
                }
            }
        }
        CHECK(n_read == N_SENDERS);
        CHECK(nothing_comes());

        vnetenc_socket_send(sock, &local, stranger_port(senders[0]), "y", 1);
        CHECK(recv(senders[0], &c, 1, 0) == 1 && c == 'y');

        for (int i = 0; i < N_READERS; i++) {
            close(readers[i]);
        }
        if (!round) {
            for (int i = 0; i < N_SENDERS; i++) {
                close(senders[i]);
            }
            vnetenc_sockets_destroy();
        }
    }

    /* No more. */
    vnetenc_readers_set(NULL, 0);
    CHECK(nothing_comes());
    stranger_send(senders[0], sock, "z", 1);
    CHECK(receive(1));
    CHECK(reader_open(&port) == -EADDRINUSE);
    for (int i = 0; i < N_SENDERS; i++) {
        close(senders[i]);
    }
    vnetenc_sockets_destroy();
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    struct rlimit limit;

    set_program_name(argv[0]);
    unit_loopback_init();
    ovs_assert(!getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = MIN(limit.rlim_max, 2 * VNETENC_MAX_SOCKETS);
    ovs_assert(!setrlimit(RLIMIT_NOFILE, &limit));
    test_pool();
    test_reuse();
    test_unused();
    test_errors();
    test_full_queue();
    test_no_errors_with_workers();
    test_random();
    test_no_local();
    test_responder();
    check_exchange("127.0.0.1", "127.0.0.2");
    check_exchange("::1", "::1");
    check_strays("127.0.0.1", "127.0.0.2", "127.0.0.3");
    test_shared();
    test_sizes();
    test_burst();
    test_buffer();
    test_wait();
    test_readers("127.0.0.1");
    test_readers("::1");
    return unit_end();
}
