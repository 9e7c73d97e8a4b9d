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

/* Marks by peer, and the sockets that have them. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/bridge/marks.h"

#include <sys/socket.h>
#include <unistd.h>

#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/control/socket.h"
#include "vnetenc/kernel/source.h"
#include "vnetenc-unit.h"
#include "vnetenc-unit-loopback.h"
#include "vnetenc-unit-shell.h"

static struct in6_addr
addr(const char *text)
{
    struct in6_addr a;
    ovs_be32 ip4;

    if (ip_parse(text, &ip4)) {
        in6_addr_set_mapped_ipv4(&a, ip4);
    } else {
        ovs_assert(ipv6_parse(text, &a));
    }
    return a;
}

static uint32_t
find(const char *remote)
{
    struct in6_addr a = addr(remote);

    return vnetenc_marks_find(&a);
}

static void
test_table(void)
{
    struct vnetenc_mark marks[] = {
        { .remote = addr("192.0.2.2"), .mark = 5 },
        { .remote = addr("2001:db8::1"), .mark = UINT32_MAX },
        { .remote = addr("192.0.2.1"), .mark = 9 },
        { .remote = addr("192.0.2.1"), .mark = 9 },
        { .remote = in6addr_any, .mark = 3 },
    };
    const struct in6_addr *ambiguous;

    CHECK(!find("192.0.2.1"));
    CHECK(!vnetenc_marks_set(marks, 4));
    CHECK(find("192.0.2.1") == 9);
    CHECK(find("192.0.2.2") == 5);
    CHECK(find("2001:db8::1") == UINT32_MAX);
    CHECK(!find("192.0.2.3"));
    CHECK(!find("2001:db8::2"));

    /* A port to any address. */
    CHECK(!vnetenc_marks_set(marks, 5));
    CHECK(find("192.0.2.1") == 9);
    CHECK(find("192.0.2.3") == 3);
    CHECK(find("2001:db8::2") == 3);

    /* Ports that contradict each other. */
    marks[3].mark = 8;
    ambiguous = vnetenc_marks_set(marks, 4);
    CHECK(ambiguous && ipv6_addr_equals(ambiguous, &marks[2].remote));
    CHECK(find("192.0.2.1") == 8);

    /* Ports without a mark: beside one with a mark, beside one to any address,
     * and nothing but such ports. */
    marks[2].mark = 0;
    ambiguous = vnetenc_marks_set(marks, 4);
    CHECK(ambiguous && ipv6_addr_equals(ambiguous, &marks[2].remote));
    CHECK(find("192.0.2.1") == 8);
    marks[0].mark = 0;
    marks[2].mark = 8;
    CHECK(!vnetenc_marks_set(marks, 5));
    CHECK(!find("192.0.2.2"));
    CHECK(find("192.0.2.3") == 3);
    CHECK(!vnetenc_marks_set(marks, 1));
    CHECK(!find("192.0.2.2"));

    CHECK(!vnetenc_marks_set(NULL, 0));
    CHECK(!find("192.0.2.1"));
}

static uint32_t
mark_of(int fd)
{
    socklen_t size = sizeof(uint32_t);
    uint32_t mark;

    ovs_assert(!getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &size));
    return mark;
}

/* Workers send records through a duplicate of a lane socket. */
static void
test_lane_sockets(void)
{
    struct in6_addr local = addr("127.0.0.1");
    struct in6_addr a = addr("127.0.0.2"), b = addr("127.0.0.3");
    struct vnetenc_mark marks[] = {
        { .remote = a, .mark = 5 }, { .remote = b, .mark = 6 },
    };
    struct vnetenc_lease *la, *lb, *later;
    int fd_a, fd_b, fd_later;
    char *error;

    vnetenc_marks_set(marks, 2);
    la = vnetenc_socket_lease(&local, &a, 5, &local, 0, &error);
    lb = vnetenc_socket_lease(&local, &b, 6, &local, 0, &error);
    fd_a = vnetenc_socket_dup(la);
    fd_b = vnetenc_socket_dup(lb);
    CHECK(mark_of(fd_a) == 5);
    CHECK(mark_of(fd_b) == 6);

    /* A socket keeps its mark. */
    marks[0].mark = 6;
    vnetenc_marks_set(marks, 2);
    CHECK(mark_of(fd_a) == 5);
    CHECK(!vnetenc_socket_send(vnetenc_socket_of_lease(la), &a, htons(9), "x",
                               1));
    CHECK(mark_of(fd_a) == 5);
    later = vnetenc_socket_lease(&local, &a, 6, &local, 0, &error);
    CHECK(vnetenc_socket_of_lease(later) == vnetenc_socket_of_lease(lb));
    fd_later = vnetenc_socket_dup(later);
    CHECK(mark_of(fd_later) == 6);

    vnetenc_socket_return(la, 0);
    vnetenc_socket_return(lb, 0);
    vnetenc_socket_return(later, 0);
    close(fd_a);
    close(fd_b);
    close(fd_later);
    vnetenc_sockets_destroy();
    vnetenc_marks_set(NULL, 0);
}

/* The host's rules send packets to 198.51.100.2 one way with the mark 5, and
 * nowhere without. */
static void
test_rules(void)
{
    struct vnetenc_mark mark = { .remote = addr("198.51.100.2"), .mark = 5 };
    struct in6_addr local = addr("198.51.100.1");
    struct vnetenc_socket *responder;
    struct vnetenc_source source;
    struct vnetenc_lease *lease;
    struct in6_addr from;
    char *error;

    ovs_assert(unit_shell("ip addr add 198.51.100.1/32 dev lo && "
                          "ip route add unreachable 198.51.100.2 && "
                          "ip route add 198.51.100.2 dev lo table 100 "
                          "src 198.51.100.1 && "
                          "ip rule add fwmark 5 lookup 100 priority 100"));
    responder = vnetenc_socket_responder(&local, htons(6082), &error);
    ovs_assert(responder);
    vnetenc_source_init(&source);

    CHECK(vnetenc_socket_send(responder, &mark.remote, htons(9), "x", 1));
    from = vnetenc_source_ask(&source, &mark.remote);
    CHECK(!ipv6_addr_is_set(&from));
    lease = vnetenc_socket_lease(&local, &mark.remote, 0, &local, 0, &error);
    CHECK(vnetenc_socket_send(vnetenc_socket_of_lease(lease), &mark.remote,
                              htons(9), "x", 1));
    vnetenc_socket_return(lease, 0);

    vnetenc_marks_set(&mark, 1);
    CHECK(!vnetenc_socket_send(responder, &mark.remote, htons(9), "x", 1));
    from = vnetenc_source_ask(&source, &mark.remote);
    CHECK(ipv6_addr_equals(&from, &local));
    lease = vnetenc_socket_lease(&local, &mark.remote, 5, &local, 0, &error);
    CHECK(!vnetenc_socket_send(vnetenc_socket_of_lease(lease), &mark.remote,
                               htons(9), "x", 1));
    vnetenc_socket_return(lease, 0);

    /* The responder's socket has many peers. */
    CHECK(!vnetenc_socket_send(responder, &local, htons(9), "x", 1));
    vnetenc_marks_set(NULL, 0);
    CHECK(vnetenc_socket_send(responder, &mark.remote, htons(9), "x", 1));

    vnetenc_source_uninit(&source);
    vnetenc_sockets_destroy();
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    unit_loopback_init();

    test_table();
    test_lane_sockets();
    test_rules();
    return unit_end();
}
