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

/* The private network namespace: what is missing if it cannot be made, who is
 * where in it, its way out and its way in, what it takes over from the host,
 * and what a second process finds in it after a crash of the first. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/kernel/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "csum.h"
#include "openvswitch/types.h"
#include "packets.h"
#include "socket-util.h"
#include "util.h"
#include "vnetenc-unit.h"

enum {
    D = 64001,
    PATIENCE_MS = 5000,
    VNET = 10,                  /* Length of a virtio header. */
    HEADERS = ETH_HEADER_LEN + IP_HEADER_LEN + UDP_HEADER_LEN,
};

/* Asks a thread inside N for a UDP socket. */

struct request {
    int family;
    uint16_t port;
    int fd;
};

static void *
open_inside(void *request_)
{
    struct request *r = request_;
    struct sockaddr_in6 any = {     /* Its port is where sockaddr_in has it. */
        .sin6_family = r->family,
        .sin6_port = htons(r->port),
    };

    ovs_assert(!setns(vnetenc_netns_fd(), CLONE_NEWNET));
    r->fd = socket(r->family, SOCK_DGRAM, 0);
    ovs_assert(r->fd >= 0);
    ovs_assert(!bind(r->fd, (struct sockaddr *) &any,
                     r->family == AF_INET ? sizeof(struct sockaddr_in)
                     : sizeof any));
    return NULL;
}

static int
socket_inside(int family, uint16_t port)
{
    struct request r = { family, port, -1 };
    pthread_t thread;

    ovs_assert(!pthread_create(&thread, NULL, open_inside, &r));
    ovs_assert(!pthread_join(thread, NULL));
    return r.fd;
}

static void
send_to(int fd, const char *ip, uint16_t port, const char *text)
{
    struct sockaddr_storage ss;
    char *target = xasprintf(strchr(ip, ':') ? "[%s]:%d" : "%s:%d", ip, port);

    ovs_assert(inet_parse_active(target, 0, &ss, false, NULL));
    ovs_assert(sendto(fd, text, strlen(text), 0, (struct sockaddr *) &ss,
                      ss_length(&ss)) == strlen(text));
    free(target);
}

static int
way_out(unsigned int queue)
{
    int fd = vnetenc_netns_out_fd(queue);

    return fd >= 0 ? fd : vnetenc_netns_tap_fd(queue);
}

/* Returns the number of bytes that the way out has, 0 if none come. */
static size_t
read_out(void *buffer, size_t size)
{
    unsigned int n = vnetenc_netns_n_queues();
    struct pollfd *fds = xcalloc(n, sizeof *fds);
    ssize_t length = 0;

    for (unsigned int i = 0; i < n; i++) {
        fds[i].fd = way_out(i);
        fds[i].events = POLLIN;
    }
    ovs_assert(poll(fds, n, PATIENCE_MS) > 0);
    for (unsigned int i = 0; i < n; i++) {
        if (fds[i].revents) {
            length = read(fds[i].fd, buffer, size);
            break;
        }
    }
    free(fds);
    return MAX(length, 0);
}

static bool
is_readable(int fd, int ms)
{
    struct pollfd pfd = { fd, POLLIN, 0 };

    return poll(&pfd, 1, ms) == 1;
}

/* A packet to anywhere leaves by the way out. */
static void
test_out(void)
{
    uint8_t packet[2048];
    struct ip_header *ip = (void *) &packet[VNET + ETH_HEADER_LEN];
    struct ovs_16aligned_ip6_hdr *ip6 = (void *) ip;
    struct udp_header *udp = (void *) &packet[VNET + ETH_HEADER_LEN
                                              + IP_HEADER_LEN];
    struct in6_addr src6;
    int fd = socket_inside(AF_INET, 0);
    size_t n;

    send_to(fd, "203.0.113.7", D, "four");
    n = read_out(packet, sizeof packet);
    CHECK(n == VNET + HEADERS + 4);
    CHECK(get_16aligned_be32(&ip->ip_src) == inet_addr("192.0.0.8"));
    CHECK(get_16aligned_be32(&ip->ip_dst) == inet_addr("203.0.113.7"));
    CHECK(udp->udp_dst == htons(D));
    CHECK(!memcmp(&packet[n - 4], "four", 4));
    close(fd);

    fd = socket_inside(AF_INET6, 0);
    send_to(fd, "2001:db8::7", D, "six");
    n = read_out(packet, sizeof packet);
    CHECK(n == VNET + ETH_HEADER_LEN + IPV6_HEADER_LEN + UDP_HEADER_LEN + 3);
    inet_pton(AF_INET6, "100::8", &src6);
    CHECK(!memcmp(&ip6->ip6_src, &src6, sizeof src6));
    close(fd);
}

/* A datagram that is written to the TAP reaches a socket in N, from whatever
 * address, and none outside. */
static void
test_in(void)
{
    static const uint8_t mac[] = { VNETENC_NETNS_MAC };
    uint8_t frame[VNET + HEADERS + 4], got[64];
    struct eth_header *eth = (void *) &frame[VNET];
    struct ip_header *ip = (void *) (eth + 1);
    struct udp_header *udp = (void *) (ip + 1);
    int inside = socket_inside(AF_INET, D), outside;
    struct sockaddr_in sin = {
        .sin_family = AF_INET,
        .sin_port = htons(D),
    };

    outside = socket(AF_INET, SOCK_DGRAM, 0);
    ovs_assert(!bind(outside, (struct sockaddr *) &sin, sizeof sin));

    memset(frame, 0, sizeof frame);
    memcpy(&eth->eth_dst, mac, sizeof mac);
    eth->eth_type = htons(ETH_TYPE_IP);
    ip->ip_ihl_ver = IP_IHL_VER(5, 4);
    ip->ip_tot_len = htons(IP_HEADER_LEN + UDP_HEADER_LEN + 4);
    ip->ip_ttl = 64;
    ip->ip_proto = IPPROTO_UDP;
    put_16aligned_be32(&ip->ip_src, inet_addr("203.0.113.7"));
    put_16aligned_be32(&ip->ip_dst, inet_addr("192.0.0.8"));
    ip->ip_csum = csum(ip, IP_HEADER_LEN);
    udp->udp_src = htons(40000);
    udp->udp_dst = htons(D);
    udp->udp_len = htons(UDP_HEADER_LEN + 4);
    memcpy(udp + 1, "four", 4);

    for (unsigned int i = 0; i < vnetenc_netns_n_queues(); i++) {
        CHECK(write(vnetenc_netns_tap_fd(i), frame, sizeof frame)
              == sizeof frame);
        CHECK(is_readable(inside, PATIENCE_MS)
              && recv(inside, got, sizeof got, 0) == 4
              && !memcmp(got, "four", 4));
    }
    CHECK(!is_readable(outside, 0));
    close(inside);
    close(outside);
}

/* A child of a process that monitors it comes after one that crashed. */
static void
test_crash(void)
{
    int fd, status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (!pid) {
        _exit(vnetenc_netns_up() ? 0 : 1);
    }
    ovs_assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    CHECK(!WEXITSTATUS(status));

    fd = socket_inside(AF_INET, 0);
    for (int i = 0; i < 50; i++) {
        send_to(fd, "203.0.113.7", D, "old");
    }
    close(fd);
    CHECK(vnetenc_netns_up());
    CHECK(!vnetenc_netns_error());
    for (unsigned int i = 0; i < vnetenc_netns_n_queues(); i++) {
        CHECK(!is_readable(way_out(i), 0));
    }
}

static struct in6_addr
mapped(const char *text)
{
    struct in6_addr ip;

    in6_addr_set_mapped_ipv4(&ip, inet_addr(text));
    return ip;
}

/* Addresses and routes can be set more than once and deleted more than once;
 * a datagram longer than the MTU of its route does not leave. */
static void
test_routes(void)
{
    struct in6_addr local = mapped("198.51.100.1");
    struct in6_addr remote = mapped("203.0.113.7"), remote6;
    uint8_t packet[2048];
    char text[1400];
    struct ip_header *ip = (void *) &packet[VNET + ETH_HEADER_LEN];
    int fd = socket_inside(AF_INET, 0), probe = IP_PMTUDISC_DO;
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons(D),
        .sin_addr.s_addr = inet_addr("203.0.113.7"),
    };

    ovs_assert(ipv6_parse("2001:db8::7", &remote6));
    for (int i = 0; i < 2; i++) {
        CHECK(!vnetenc_netns_set_address(&local, true));
        CHECK(!vnetenc_netns_set_route(&remote, 1300 + i));
        CHECK(!vnetenc_netns_set_route(&remote6, 1300 + i));
    }
    ovs_assert(!setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe,
                           sizeof probe));
    memset(text, 'x', sizeof text);
    text[1301 - IP_HEADER_LEN - UDP_HEADER_LEN] = '\0';
    send_to(fd, "203.0.113.7", D, text);
    CHECK(read_out(packet, sizeof packet) == VNET + ETH_HEADER_LEN + 1301);
    CHECK(get_16aligned_be32(&ip->ip_src) == inet_addr("192.0.0.8"));
    text[1301 - IP_HEADER_LEN - UDP_HEADER_LEN] = 'x';
    CHECK(sendto(fd, text, sizeof text, 0, (struct sockaddr *) &to, sizeof to)
          < 0 && errno == EMSGSIZE);

    for (int i = 0; i < 2; i++) {
        CHECK(!vnetenc_netns_set_address(&local, false));
        CHECK(!vnetenc_netns_set_route(&remote, 0));
        CHECK(!vnetenc_netns_set_route(&remote6, 0));
    }
    close(fd);
}

/* What nobody reads is lost, and counted. */
static void
test_drops(void)
{
    enum { SENT = 20000 };
    uint64_t before = 0, after = 0;
    uint8_t packet[2048];
    unsigned int n = 0;
    int fd;

    if (vnetenc_netns_out_fd(0) >= 0) {
        printf("drops of the TAP not tested: it is not the way out\n");
        return;
    }
    CHECK(vnetenc_netns_tap_drops(&before));
    fd = socket_inside(AF_INET, 0);
    for (int i = 0; i < SENT; i++) {
        send_to(fd, "203.0.113.7", D, "many");
    }
    close(fd);
    CHECK(vnetenc_netns_tap_drops(&after));
    for (unsigned int i = 0; i < vnetenc_netns_n_queues(); i++) {
        while (read(way_out(i), packet, sizeof packet) > 0) {
            n++;
        }
    }
    CHECK(n > 0 && n < SENT);
    CHECK(n + (after - before) == SENT);
}

static void
test_threaded(void)
{
    int error = vnetenc_netns_set_threaded(true);

    if (error == EOPNOTSUPP) {
        printf("threaded NAPI not tested: this kernel has none\n");
        return;
    }
    CHECK(!error);
    CHECK(!vnetenc_netns_set_threaded(false));
}

/* What may be missing.  Each function takes something away from this process,
 * and returns true if that succeeded. */

static bool
drop_capability(int capability)
{
    struct __user_cap_header_struct header = {
        .version = _LINUX_CAPABILITY_VERSION_3,
    };
    struct __user_cap_data_struct data[2];

    if (syscall(SYS_capget, &header, data)) {
        return false;
    }
    data[0].effective &= ~(UINT32_C(1) << capability);
    data[0].permitted &= ~(UINT32_C(1) << capability);
    return !syscall(SYS_capset, &header, data);
}

static bool
drop_sys_admin(void)
{
    return drop_capability(CAP_SYS_ADMIN);
}

static bool
drop_net_raw(void)
{
    return drop_capability(CAP_NET_RAW);
}

static bool
own_mounts(void)
{
    return (!unshare(CLONE_NEWNS)
            && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

static bool
mount_again(unsigned long int flags, const char *folder)
{
    return (own_mounts() && !mount(folder, folder, NULL, MS_BIND, NULL)
            && !mount("none", folder, NULL, MS_REMOUNT | MS_BIND | flags,
                      NULL));
}

static bool
hide_tun(void)
{
    return own_mounts() && !mount("none", "/dev/net", "tmpfs", 0, NULL);
}

static bool
forbid_tun(void)
{
    return mount_again(MS_NODEV, "/dev/net");
}

static bool
forbid_sysctls(void)
{
    return mount_again(MS_RDONLY, "/proc/sys");
}

/* The limit of the machine stays: a user namespace has a limit of its own. */
static bool
forbid_namespaces(void)
{
    const char *name = "/proc/sys/user/max_net_namespaces";
    int fd;
    bool ok;

    if (unshare(CLONE_NEWUSER)) {
        return false;
    }
    fd = open(name, O_WRONLY);
    ok = fd >= 0 && write(fd, "0", 1) == 1;
    close(fd);
    return ok;
}

/* Without something, N is not made, and the error says what is missing. */
static void
test_missing(void)
{
    static const struct {
        bool (*take)(void);
        const char *error;
    } cases[] = {
        { drop_sys_admin, "cannot make a network namespace: Operation not "
          "permitted (CAP_SYS_ADMIN is needed at the start)" },
        { forbid_namespaces, "cannot make a network namespace: No space left "
          "on device (see user.max_net_namespaces)" },
        { forbid_sysctls, "cannot write \"0\" to /proc/sys/net/ipv4/conf/all/"
          "rp_filter: Read-only file system" },
        { hide_tun, "cannot open /dev/net/tun: No such file or directory" },
        { forbid_tun, "cannot open /dev/net/tun: Permission denied" },
        { drop_net_raw, "cannot make a packet socket: Operation not permitted "
          "(CAP_NET_RAW is needed)" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        pid_t pid = fork();
        int status;

        ovs_assert(pid >= 0);
        if (!pid) {
            ovs_assert(cases[i].take());
            vnetenc_netns_open();
            CHECK_HAS(vnetenc_netns_error(), cases[i].error);
            CHECK(vnetenc_netns_fd() < 0);
            CHECK(!vnetenc_netns_up());
            CHECK_HAS(vnetenc_netns_error(), cases[i].error);
            fflush(stdout);
            _exit(unit_failed != 0);
        }
        ovs_assert(waitpid(pid, &status, 0) == pid);
        CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
    }
}

int
main(void)
{
    CHECK_HAS(vnetenc_netns_error(), "no Open vSwitch datapath");
    CHECK(vnetenc_netns_fd() < 0);
    test_missing();

    vnetenc_netns_open();
    CHECK_HAS(vnetenc_netns_error(), "no kernel datapath is in use");
    ovs_assert(vnetenc_netns_fd() >= 0);
    CHECK(vnetenc_netns_n_queues() >= 1);
    test_crash();
    test_out();
    test_in();
    test_routes();
    test_drops();
    test_threaded();
    return unit_end();
}
