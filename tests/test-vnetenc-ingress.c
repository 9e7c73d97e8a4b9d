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

/* Workers and what they read: records that a peer's kernel sends arrive in N
 * as plaintext, or are counted.  Needs root and a TAP device.
 *
 * Keywords: kernel namespace. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/kernel/ingress.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "latch.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc-unit-packets.h"
#include "vnetenc-unit.h"
#include "vnetenc-unit-shell.h"
#include "vnetenc/bridge/inbox.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc/crypto/wire.h"
#include "vnetenc/kernel/device.h"
#include "vnetenc/kernel/inject.h"
#include "vnetenc/kernel/netns.h"
#include "vnetenc/kernel/worker.h"

#ifndef UDP_NO_CHECK6_RX
#define UDP_NO_CHECK6_RX 102
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum {
    N_WORKERS = 3,
    N_LANES = 16,
    SIZE = 1200,                /* Of a plaintext. */
    PATIENCE_MS = 5000,
    SILENCE_MS = 100,
};

static struct unit_sessions sessions;
static int lanes[N_LANES];      /* The peer's sockets. */
static int inside;              /* A socket in N: what arrives there. */

/* Sockets. */

static int
open_bound(bool ipv6, const struct in6_addr *ip, uint16_t port)
{
    struct sockaddr_in6 sin6 = {
        .sin6_family = AF_INET6,
        .sin6_port = htons(port),
        .sin6_addr = *ip,
    };
    struct sockaddr_in sin = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = ipv6 ? 0 : in6_addr_get_mapped_ipv4(ip),
    };
    int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0), one = 1;
    int bytes = 64 << 20;
    int error;

    ovs_assert(fd >= 0);
    setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &one, sizeof one);
    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &one, sizeof one);
    setsockopt(fd, IPPROTO_UDP, UDP_NO_CHECK6_RX, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    if (!bind(fd, ipv6 ? (void *) &sin6 : (void *) &sin,
              ipv6 ? sizeof sin6 : sizeof sin)) {
        return fd;
    }
    error = errno;
    close(fd);
    return -error;
}

static void *
open_inside(void *ipv6)
{
    struct vnetenc_path_key path = unit_path(ipv6 != NULL, true);

    ovs_assert(!setns(vnetenc_netns_fd(), CLONE_NEWNET));
    inside = open_bound(ipv6 != NULL, &path.local,
                        ntohs(vnetenc_device_in_port(false)));
    ovs_assert(inside >= 0);
    return NULL;
}

static struct vnetenc_readers_port
our_port(void)
{
    struct vnetenc_path_key path = unit_path(sessions.ipv6, true);

    return (struct vnetenc_readers_port) { path.local, path.dtls_port };
}

static void
listen_to(bool listen)
{
    struct vnetenc_readers_port port = our_port();

    vnetenc_ingress_run(&port, listen);
}

/* Sends the 'size' octets at 'data', in datagrams of 'segment', from lane
 * 'lane', with this TOS. */
static void
send_lane(int lane, const uint8_t *data, size_t size, uint16_t segment,
          int tos)
{
    union {
        struct cmsghdr align;
        char octets[CMSG_SPACE(sizeof segment)];
    } control;
    struct iovec iov = { CONST_CAST(uint8_t *, data), size };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct cmsghdr *c = &control.align;

    memset(&control, 0, sizeof control);
    if (segment < size) {
        c->cmsg_len = CMSG_LEN(sizeof segment);
        c->cmsg_level = IPPROTO_UDP;
        c->cmsg_type = UDP_SEGMENT;
        memcpy(CMSG_DATA(c), &segment, sizeof segment);
        msg.msg_control = &control;
        msg.msg_controllen = sizeof control;
    }
    ovs_assert(!(sessions.ipv6
                 ? setsockopt(lanes[lane], IPPROTO_IPV6, IPV6_TCLASS, &tos,
                              sizeof tos)
                 : setsockopt(lanes[lane], IPPROTO_IP, IP_TOS, &tos,
                              sizeof tos)));
    ovs_assert(sendmsg(lanes[lane], &msg, 0) == size);
}

/* What arrived last. */
static struct {
    uint8_t data[UINT16_MAX];
    size_t size;
    struct sockaddr_in6 from;   /* Its port is where sockaddr_in has it. */
    int tos;
} in;

static bool
arrives(int patience_ms)
{
    struct pollfd pfd = { .fd = inside, .events = POLLIN };
    struct iovec iov = { in.data, sizeof in.data };
    char control[128];
    struct msghdr msg = {
        .msg_name = &in.from, .msg_namelen = sizeof in.from,
        .msg_iov = &iov, .msg_iovlen = 1,
        .msg_control = control, .msg_controllen = sizeof control,
    };
    ssize_t n;

    if (poll(&pfd, 1, patience_ms) <= 0) {
        return false;
    }
    n = recvmsg(inside, &msg, 0);
    ovs_assert(n >= 0);
    in.size = n;
    in.tos = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c;
         c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
            in.tos = *CMSG_DATA(c);
        } else if (c->cmsg_level == IPPROTO_IPV6
                   && c->cmsg_type == IPV6_TCLASS) {
            memcpy(&in.tos, CMSG_DATA(c), sizeof in.tos);
        }
    }
    return true;
}

/* Waits until a worker has counted so many drops, and no more. */
static bool
drops_become(enum vnetenc_drop reason, unsigned long long int n)
{
    for (int i = 0; i < PATIENCE_MS && vnetenc_drop_total(reason) < n; i++) {
        poll(NULL, 0, 1);
    }
    return vnetenc_drop_total(reason) == n;
}

/* Plaintexts: Geneve with no options, and octets that follow from 'seed'. */

static void
make_plain(uint8_t *p, size_t size, unsigned int seed)
{
    memset(p, seed, size);
    memcpy(p, (uint8_t[]) { 0, 0, 0x65, 0x58, 0x12, 0x34, 0x56, 0 }, 8);
}

static bool
is_plain(unsigned int seed, size_t size)
{
    static uint8_t p[UINT16_MAX];

    make_plain(p, size, seed);
    return in.size == size && !memcmp(in.data, p, size);
}

static size_t
seal(int lane, const uint8_t *plain, size_t size, uint8_t *record)
{
    size_t n = vnetenc_seal_record(sessions.tx[lane], VNETENC_RECORD_DATA,
                                   plain, size, record, 2 * UINT16_MAX);

    ovs_assert(n);
    return n;
}

static size_t
seal_seed(int lane, unsigned int seed, size_t size, uint8_t *record)
{
    uint8_t plain[VNETENC_MAX_PLAINTEXT_BYTES];

    make_plain(plain, size, seed);
    return seal(lane, plain, size, record);
}

/* One datagram, with its addresses, ports, DSCP and ECN. */
static void
test_one(void)
{
    static uint8_t record[2 * UINT16_MAX];

    for (int lane = 0; lane < N_LANES; lane++) {
        size_t n = seal_seed(lane, lane, SIZE + lane, record);

        send_lane(lane, record, n, n, lane << 2 | 1);
        CHECK(arrives(PATIENCE_MS));
        CHECK(is_plain(lane, SIZE + lane));
        CHECK(in.tos == (lane << 2 | 1));
        CHECK(in.from.sin6_port == htons(UNIT_LANE_PORT + lane));
    }
    CHECK(unit_no_drops());
}

/* Many that the kernel sends as one, the last one shorter. */
static void
test_many(void)
{
    static uint8_t records[2 * UINT16_MAX];
    enum { N = 40 };
    size_t size = 0, segment = 0;

    for (int i = 0; i < N; i++) {
        size += seal_seed(1, i, i == N - 1 ? 100 : SIZE, records + size);
        segment = i ? segment : size;
    }
    send_lane(1, records, size, segment, 0);
    for (int i = 0; i < N; i++) {
        CHECK(arrives(PATIENCE_MS));
        CHECK(is_plain(i, i == N - 1 ? 100 : SIZE));
    }
    CHECK(unit_no_drops());
}

/* Some of many are damaged: the others arrive. */
static void
test_damaged(void)
{
    static uint8_t records[2 * UINT16_MAX];
    enum { N = 10 };
    unsigned long long int n_auth, n_replay;
    size_t size = 0, segment = 0;

    for (int i = 0; i < N; i++) {
        size += seal_seed(2, i, SIZE, records + size);
        segment = i ? segment : size;
        records[size - 1] ^= i % 3 == 1;
    }
    send_lane(2, records, size, segment, 0);
    for (int i = 0; i < N; i++) {
        if (i % 3 != 1) {
            CHECK(arrives(PATIENCE_MS));
            CHECK(is_plain(i, SIZE));
        }
    }
    CHECK(unit_drops_are(VNETENC_DROP_rx_auth, 3));

    /* The same again. */
    n_auth = vnetenc_drop_total(VNETENC_DROP_rx_auth);
    n_replay = vnetenc_drop_total(VNETENC_DROP_rx_replay);
    send_lane(2, records, size, segment, 0);
    CHECK(drops_become(VNETENC_DROP_rx_replay, n_replay + 7));
    CHECK(drops_become(VNETENC_DROP_rx_auth, n_auth + 3));
    CHECK(!arrives(SILENCE_MS));
}

/* Octets of the front or back half of a packet with 'total' octets of frame,
 * of which 'size' from 'ofs' on are in this one. */
static size_t
make_half(uint8_t *p, bool back, const uint8_t *frame, size_t total,
          size_t ofs, size_t size)
{
    size_t head = VNETENC_GENEVE_BYTES + VNETENC_MARK_BYTES;

    memset(p, 0, head);
    memcpy(p + 2, (uint8_t[]) { 0x65, 0x58, 0x12, 0x34, 0x56 }, 5);
    vnetenc_half_mark(p, back, total);
    memcpy(p + head, frame + ofs, size);
    return head + size;
}

/* Appends the 'n' octets at 'record' to '*size' octets at 'records'. */
static void
append(uint8_t *records, size_t *size, const uint8_t *record, size_t n)
{
    memcpy(records + *size, record, n);
    *size += n;
}

/* Halves among others, of lengths for which there is room in the datagram, and
 * for which there is not.  All arrive, and the others unharmed. */
static void
test_halves(void)
{
    static const size_t backs[] = { 1, 5, 10, 14, 20, 30, 60, 700, 1000 };
    static uint8_t records[2 * UINT16_MAX], b[2 * UINT16_MAX];
    static uint8_t f[2 * UINT16_MAX];

    for (size_t i = 0; i < 2 * ARRAY_SIZE(backs); i++) {
        size_t front = SIZE - 16, back = backs[i / 2], total = front + back;
        size_t n_back, n_front, size = 0, segment;
        uint8_t half[2 * SIZE], frame[2 * SIZE];
        unsigned int n_whole = 0;

        memset(frame, 0xe0 + i, sizeof frame);
        n_back = make_half(half, true, frame, total, front, back);
        n_back = seal(3, half, n_back, b);
        n_front = make_half(half, false, frame, total, 0, front);
        segment = n_front = seal(3, half, n_front, f);

        /* A short one is the last of a message. */
        size = seal_seed(3, 1, SIZE, records);
        if (i & 1) {
            append(records, &size, f, n_front);
            append(records, &size, b, n_back);
            send_lane(3, records, size, segment, 0);
            size = 0;
        } else {
            append(records, &size, b, n_back);
            send_lane(3, records, size, segment, 0);
            size = 0;
            append(records, &size, f, n_front);
        }
        size += seal_seed(3, 2, SIZE, records + size);
        send_lane(3, records, size, segment, 0);
        for (int k = 0; k < 3; k++) {
            CHECK(arrives(PATIENCE_MS));
            if (in.size == VNETENC_GENEVE_BYTES + total) {
                n_whole += !memcmp(in.data + VNETENC_GENEVE_BYTES, frame,
                                   total);
            } else {
                CHECK(is_plain(1, SIZE) || is_plain(2, SIZE));
            }
        }
        CHECK(n_whole == 1);
    }
    CHECK(unit_no_drops());
}

/* A handshake datagram goes to the control thread, rubbish nowhere. */
static void
test_control(void)
{
    uint8_t data[100] = { VNETENC_RECORD_HANDSHAKE, 0xfe, 0xfd };
    struct vnetenc_event event;
    unsigned long long int n_short;
    bool taken = false;

    send_lane(4, data, sizeof data, sizeof data, 0);
    for (int i = 0; i < PATIENCE_MS && !taken; i++) {
        taken = vnetenc_inbox_take(VNETENC_INBOX_KNOWN, &event);
        poll(NULL, 0, 1);
    }
    CHECK(taken);
    CHECK(event.type == VNETENC_EV_DATAGRAM);
    CHECK(event.size == sizeof data && !memcmp(event.data, data, event.size));
    CHECK(event.remote_port == htons(UNIT_LANE_PORT + 4));
    CHECK(unit_no_drops());

    n_short = vnetenc_drop_total(VNETENC_DROP_rx_short);
    send_lane(4, data, 0, 1, 0);
    send_lane(4, data, 12, 12, 0);
    CHECK(drops_become(VNETENC_DROP_rx_short, n_short + 2));
}

/* The port goes and comes back; somebody else has it meanwhile. */
static void
test_ports(void)
{
    static uint8_t record[2 * UINT16_MAX];
    struct vnetenc_readers_port port = our_port();
    size_t n;
    int fd;

    CHECK(vnetenc_readers_have(&port.local, port.port));
    listen_to(false);
    CHECK(!vnetenc_readers_have(&port.local, port.port));
    ovsrcu_synchronize();
    do {
        ovsrcu_quiesce();
        poll(NULL, 0, 1);
        fd = open_bound(sessions.ipv6, &port.local, ntohs(port.port));
    } while (fd == -EADDRINUSE);
    ovs_assert(fd >= 0);
    n = seal_seed(5, 1, SIZE, record);
    send_lane(5, record, n, n, 0);
    CHECK(!arrives(SILENCE_MS));

    listen_to(true);
    timeval_warp(VNETENC_INGRESS_RETRY_MS);
    listen_to(true);
    n = seal_seed(5, 2, SIZE, record);
    send_lane(5, record, n, n, 0);
    CHECK(!arrives(SILENCE_MS));

    close(fd);
    timeval_warp(VNETENC_INGRESS_RETRY_MS);
    listen_to(true);
    n = seal_seed(5, 3, SIZE, record);
    send_lane(5, record, n, n, 0);
    CHECK(arrives(PATIENCE_MS));
    CHECK(is_plain(3, SIZE));
}

static struct atomic_count n_blocked = ATOMIC_COUNT_INIT(0);

/* Keeps a worker from reading until 'aux', a latch, is set. */
static bool
block(struct vnetenc_worker *worker OVS_UNUSED, int fd, void *aux)
{
    eventfd_t value;

    if (!eventfd_read(fd, &value)) {
        atomic_count_inc(&n_blocked);
        while (!latch_is_set(aux)) {
            poll(NULL, 0, 1);
        }
    }
    return true;
}

/* A socket that is full: what is lost is counted. */
static void
test_full(void)
{
    enum { N = 12000, TRIES = 300 };
    static uint8_t record[2 * UINT16_MAX];
    struct vnetenc_worker_source *sources[N_WORKERS];
    unsigned long long int before, n_full = 0;
    unsigned int n_arrived = 0, n_sent = N;
    struct latch latch;
    int fds[N_WORKERS];

    latch_init(&latch);
    atomic_count_set(&n_blocked, 0);
    for (int i = 0; i < N_WORKERS; i++) {
        fds[i] = eventfd(1, EFD_NONBLOCK);
        sources[i] = vnetenc_worker_add_fd(vnetenc_worker_get(i), fds[i],
                                           block, NULL, &latch);
    }
    while (atomic_count_get(&n_blocked) < N_WORKERS) {
        poll(NULL, 0, 1);
    }
    before = vnetenc_drop_total(VNETENC_DROP_rx_socket_full);
    for (int i = 0; i < N; i++) {
        size_t n = seal_seed(6, i, 8, record);

        send_lane(6, record, n, n, 0);
    }
    latch_set(&latch);

    /* What comes behind a loss tells of it. */
    for (int i = 0; i < TRIES && n_full + n_arrived != n_sent; i++) {
        send_lane(6, record, seal_seed(6, 0, 8, record), UINT16_MAX, 0);
        n_sent++;
        while (arrives(SILENCE_MS)) {
            n_arrived++;
        }
        n_full = vnetenc_drop_total(VNETENC_DROP_rx_socket_full) - before;
    }
    CHECK(n_full);
    CHECK(n_full + n_arrived == n_sent);
    for (int i = 0; i < N_WORKERS; i++) {
        vnetenc_worker_remove_fd(sources[i]);
    }
    ovsrcu_synchronize();
    for (int i = 0; i < N_WORKERS; i++) {
        close(fds[i]);
    }
    latch_destroy(&latch);
}

static void
set_up(void)
{
    int pid = getpid(), fd;

    ovs_assert(!unshare(CLONE_NEWNET));
    vnetenc_netns_open();
    if (!CHECK(vnetenc_netns_up())) {
        ovs_fatal(0, "%s", vnetenc_netns_error());
    }
    fd = vnetenc_netns_fd();
    ovs_assert(unit_shell("ip link set lo up; "
                          "ip addr add 10.0.0.1/32 dev lo; "
                          "ip addr add 10.0.0.2/32 dev lo; "
                          "ip addr add fd00::1/128 dev lo; "
                          "ip addr add fd00::2/128 dev lo; "
                          "nsenter --net=/proc/%d/fd/%d sh -c '"
                          "ip addr add 10.0.0.2/32 dev lo && "
                          "ip addr add fd00::2/128 dev lo'", pid, fd));
    vnetenc_aead_init(NULL);
    vnetenc_inbox_init();
    vnetenc_inject_choose(vnetenc_netns_tap_fd(0), "write");
}

static void
begin(bool ipv6)
{
    struct vnetenc_path_key path = unit_path(ipv6, false);
    pthread_t thread;

    unit_sessions_create(&sessions, VNETENC_AES256_GCM, ipv6, N_LANES);
    ovs_assert(!pthread_create(&thread, NULL, open_inside,
                               ipv6 ? &thread : NULL));
    pthread_join(thread, NULL);
    listen_to(true);
    for (int i = 0; i < N_LANES; i++) {
        struct sockaddr_in6 sin6 = {
            .sin6_family = AF_INET6,
            .sin6_port = path.dtls_port,
            .sin6_addr = path.remote,
        };
        struct sockaddr_in sin = {
            .sin_family = AF_INET,
            .sin_port = path.dtls_port,
            .sin_addr.s_addr = ipv6 ? 0
                               : in6_addr_get_mapped_ipv4(&path.remote),
        };

        lanes[i] = open_bound(ipv6, &path.local, UNIT_LANE_PORT + i);
        ovs_assert(lanes[i] >= 0);
        ovs_assert(!connect(lanes[i], ipv6 ? (void *) &sin6 : (void *) &sin,
                            ipv6 ? sizeof sin6 : sizeof sin));
    }
    unit_drops_begin();
}

static void
end(void)
{
    vnetenc_ingress_stop();
    close(inside);
    for (int i = 0; i < N_LANES; i++) {
        close(lanes[i]);
    }
    ovsrcu_synchronize();
    unit_sessions_destroy(&sessions);
}

int
main(void)
{
    set_up();

    /* Halves wait for so long and no longer: not on a busy machine, too. */
    time_msec();
    timeval_stop();

    for (int i = 0; i < 2; i++) {
        vnetenc_worker_start(N_WORKERS);
        begin(i);
        test_one();
        test_many();
        test_damaged();
        unit_drops_begin();
        test_halves();
        unit_drops_begin();
        test_control();
        test_ports();
        test_full();
        end();
        vnetenc_worker_stop();
    }
    return unit_end();
}
