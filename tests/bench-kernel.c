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

/* One end of an encrypted VXLAN tunnel between two hosts, for
 * tests/bench/kernel.py.
 *
 *     bench-kernel LOCAL REMOTE WAY WORKERS LANES [count]
 *
 * The program makes N (lib/vnetenc/kernel/netns.h), has WORKERS workers carry
 * packets between N and the underlay, and hands packets to the kernel by WAY
 * (kernel/inject.h).  It has everything of ovs-vswitchd's kernel datapath but
 * the datapath: VXLAN devices that the caller adds, with their sockets in N,
 * take its place.  The sessions of the LANES lanes have constant keys, which
 * both ends know without a handshake; everything else about them is as in
 * ovs-vswitchd.  LOCAL and REMOTE are IPv4 addresses.
 *
 * The first line of the output is
 *
 *     PID FD OUT IN SOURCE
 *
 * where /proc/PID/fd/FD is N, OUT and IN are the UDP ports of the devices that
 * send and receive, and SOURCE says where workers read packets.  For each line
 * of input, there is one with numbers since the start: the seconds of
 * processor time, those of them in system calls of workers, all drops, and the
 * sums of all workers' counters, in the order of kernel/worker.h.  The program
 * ends at the end of its input.
 *
 * The time in system calls is 0 without "count".  It is measured and not taken
 * from getrusage(), because the kernel divides the time of a thread as the
 * ticks of its clock fell, and leaves out ticks in softirqs. */

#include <config.h>
#undef NDEBUG
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "smap.h"
#include "socket-util.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/bridge/inbox.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/path.h"
#include "vnetenc/bridge/readers.h"
#include "vnetenc/bridge/rx.h"
#include "vnetenc/bridge/tunnel.h"
#include "vnetenc/bridge/tx.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc/kernel/device.h"
#include "vnetenc/kernel/egress.h"
#include "vnetenc/kernel/ingress.h"
#include "vnetenc/kernel/inject.h"
#include "vnetenc/kernel/netns.h"
#include "vnetenc/kernel/worker.h"
#include "vnetenc/mode.h"

enum {
    FIRST_LANE_PORT = 40000,
    MTU = 1500,                 /* Of the underlay. */
    RETRY_MS = 100,             /* For ports that cannot be bound yet. */
};

/* Time in system calls.
 *
 * The functions below replace those of the C library that workers call,
 * directly or through wrappers of socket-util. */
#undef sendmmsg
#undef recvmmsg

static bool counts;
static atomic_ullong calls_ns;

static unsigned long long int
thread_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Calls the kernel and counts the time. */
static long
timed_call(long number, long a, long b, long c, long d, long e)
{
    unsigned long long int start = counts ? thread_ns() : 0, orig;
    long result = syscall(number, a, b, c, d, e);

    if (counts) {
        atomic_add_relaxed(&calls_ns, thread_ns() - start, &orig);
    }
    return result;
}

ssize_t
readv(int fd, const struct iovec *iov, int n)
{
    return timed_call(SYS_readv, fd, (long) iov, n, 0, 0);
}

ssize_t
writev(int fd, const struct iovec *iov, int n)
{
    return timed_call(SYS_writev, fd, (long) iov, n, 0, 0);
}

int
recvmmsg(int fd, struct mmsghdr *messages, unsigned int n, int flags,
         struct timespec *timeout)
{
    return timed_call(SYS_recvmmsg, fd, (long) messages, n, flags,
                      (long) timeout);
}

int
sendmmsg(int fd, struct mmsghdr *messages, unsigned int n, int flags)
{
    return timed_call(SYS_sendmmsg, fd, (long) messages, n, flags, 0);
}

int
epoll_wait(int fd, struct epoll_event *events, int n, int timeout)
{
    return timed_call(SYS_epoll_wait, fd, (long) events, n, timeout, 0);
}

int
poll(struct pollfd *pfds, nfds_t n, int timeout)
{
    return timed_call(SYS_poll, (long) pfds, n, timeout, 0, 0);
}

static struct in6_addr
parse_address(const char *text)
{
    struct in6_addr ip;
    ovs_be32 ip4;

    if (!ip_parse(text, &ip4)) {
        ovs_fatal(0, "\"%s\" is no IPv4 address", text);
    }
    in6_addr_set_mapped_ipv4(&ip, ip4);
    return ip;
}

static unsigned int
parse_number(const char *text, unsigned int max)
{
    unsigned int n;

    if (!vnetenc_mode_parse_uint(text, max, &n) || !n) {
        ovs_fatal(0, "\"%s\" is not a number from 1 to %u", text, max);
    }
    return n;
}

/* Sessions. */

/* The key of the records that 'sender' sends on 'lane'. */
static struct vnetenc_record_key
make_key(const struct in6_addr *sender, unsigned int lane)
{
    struct vnetenc_record_key key;

    memset(&key, 0, sizeof key);
    key.cipher = VNETENC_AES256_GCM;
    memcpy(key.key, sender, sizeof *sender);
    key.key[sizeof *sender] = lane;
    return key;
}

/* Makes the socket of a lane as control/socket.c does. */
static int
open_lane(const struct in6_addr *local, unsigned int lane)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET,
        .sin_port = htons(FIRST_LANE_PORT + lane),
        .sin_addr.s_addr = in6_addr_get_mapped_ipv4(local),
    };
    int probe = IP_PMTUDISC_PROBE, bytes = VNETENC_LANE_SEND_BYTES;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0
        || setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof probe)
        || setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes)
        || bind(fd, (struct sockaddr *) &sin, sizeof sin)) {
        ovs_fatal(errno, "socket of lane %u", lane);
    }
    return fd;
}

static void
make_sessions(const struct vnetenc_path_key *key, unsigned int n_lanes)
{
    struct vnetenc_path *path = vnetenc_path_create(key, n_lanes);

    atomic_store_relaxed(&path->mtu, MTU);
    for (unsigned int i = 0; i < n_lanes; i++) {
        ovs_be16 port = htons(FIRST_LANE_PORT + i);
        struct vnetenc_record_key out = make_key(&key->local, i);
        struct vnetenc_record_key in = make_key(&key->remote, i);
        struct vnetenc_tx *tx = vnetenc_tx_create(&out, port,
                                                  VNETENC_MAX_SEQ + 1,
                                                  UINT64_MAX);
        struct vnetenc_rx *rx = vnetenc_rx_create(&in, key, port);

        ovs_assert(tx && rx);
        vnetenc_tx_set_fd(tx, open_lane(&key->local, i));
        ovs_assert(!vnetenc_lanes_swap(&path->lanes, i, tx));
        vnetenc_rx_publish(rx);
    }
}

/* Numbers. */

static double
seconds(const struct timeval *tv)
{
    return tv->tv_sec + tv->tv_usec / 1e6;
}

static void
print_numbers(void)
{
    unsigned long long int n_drops = 0, ns;
    struct rusage usage;

    vnetenc_egress_collect();
    for (int i = VNETENC_KEEP + 1; i < VNETENC_N_DROPS; i++) {
        n_drops += vnetenc_drop_total(i);
    }
    getrusage(RUSAGE_SELF, &usage);
    atomic_read_relaxed(&calls_ns, &ns);
    printf("%.6f %.6f %llu", seconds(&usage.ru_utime)
           + seconds(&usage.ru_stime), ns / 1e9, n_drops);
    for (int c = 0; c < VNETENC_WORKER_N_COUNTERS; c++) {
        uint64_t n = 0;

        for (unsigned int i = 0; i < vnetenc_worker_n(); i++) {
            n += vnetenc_worker_total(vnetenc_worker_get(i), c);
        }
        printf(" %"PRIu64, n);
    }
    printf("\n");
}

/* Reads a line of input.  Returns false at the end. */
static bool
read_line(void)
{
    char c;

    do {
        if (read(STDIN_FILENO, &c, 1) != 1) {
            return false;
        }
    } while (c != '\n');
    return true;
}

static void
serve(const struct vnetenc_readers_port *port)
{
    struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };

    for (;;) {
        int n;

        vnetenc_ingress_run(port, 1);
        ovsrcu_quiesce_start();
        n = poll(&pfd, 1, RETRY_MS);
        ovsrcu_quiesce_end();
        if (n > 0) {
            if (!read_line()) {
                return;
            }
            print_numbers();
        }
    }
}

/* Start. */

static void
start(const struct vnetenc_path_key *key, const char *way,
      unsigned int n_workers)
{
    struct smap none = SMAP_INITIALIZER(&none);

    vnetenc_netns_open();
    if (!vnetenc_netns_up()) {
        ovs_fatal(0, "%s", vnetenc_netns_error());
    }
    if (vnetenc_netns_set_address(&key->local, true)) {
        ovs_fatal(0, "cannot add an address to N");
    }
    vnetenc_aead_init(NULL);
    vnetenc_inbox_init();
    vnetenc_tunnels_init(&none);
    vnetenc_gates_set_loaded();
    vnetenc_inject_choose(vnetenc_netns_tap_fd(0), way);
    if (strcmp(vnetenc_inject_way_name(vnetenc_inject_way()), way)) {
        ovs_fatal(0, "this kernel does not have way \"%s\"", way);
    }
    vnetenc_worker_start(n_workers);
    vnetenc_egress_start();
}

static unsigned int
out_port(void)
{
    const struct vnetenc_device_demand demand = {
        .vxlan = true, .mode = VNETENC_REQUIRE,
    };

    return ntohs(vnetenc_device_out_port(&demand));
}

int
main(int argc, char *argv[])
{
    struct vnetenc_readers_port port;
    struct vnetenc_path_key key;
    unsigned int n_workers, n_lanes;

    set_program_name(argv[0]);
    counts = argc == 7 && !strcmp(argv[6], "count");
    if (argc != 6 && !counts) {
        ovs_fatal(0, "usage: %s LOCAL REMOTE WAY WORKERS LANES [count]",
                  program_name);
    }
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_WARN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    vnetenc_path_key_init(&key);
    key.local = parse_address(argv[1]);
    key.remote = parse_address(argv[2]);
    key.dtls_port = htons(VNETENC_VXLAN_PORT);
    n_workers = parse_number(argv[4], VNETENC_MAX_WORKERS);
    n_lanes = parse_number(argv[5], VNETENC_MAX_LANES);

    start(&key, argv[3], n_workers);
    make_sessions(&key, n_lanes);
    port.local = key.local;
    port.port = key.dtls_port;
    printf("%d %d %u %u %s\n", getpid(), vnetenc_netns_fd(), out_port(),
           ntohs(vnetenc_device_in_port(true)), vnetenc_egress_way());
    serve(&port);
    return 0;
}
