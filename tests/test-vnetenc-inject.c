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

/* Each way into the kernel, seen from behind a VXLAN device whose socket is in
 * N: needs root, a TAP and VXLAN devices.
 *
 * Keywords: kernel namespace. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/kernel/inject.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "packets.h"
#include "util.h"
#include "vnetenc-unit-tcp.h"
#include "vnetenc-unit.h"
#include "vnetenc-unit-shell.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/crypto/wire.h"
#include "vnetenc/kernel/device.h"
#include "vnetenc/kernel/netns.h"

enum {
    N_PACKETS = 20,
    SIZE = 1000,
    LAST_SIZE = 300,
    PATIENCE_MS = 5000,
    VXLAN_BYTES = 8,
    FRAME_MAX = 70000,
};

static struct vnetenc_inject inject;
static struct vnetenc_coalesce coalesce;
static int frames;              /* Packet socket on the VXLAN device. */

/* A frame as it came out of the VXLAN device. */
static struct virtio_net_hdr virtio;
static uint8_t frame[FRAME_MAX];

static void
open_frames(void)
{
    struct sockaddr_ll sll = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
    };
    int one = 1;

    sll.sll_ifindex = if_nametoindex("vx");
    frames = socket(AF_PACKET, SOCK_RAW, 0);
    ovs_assert(frames >= 0);
    ovs_assert(!setsockopt(frames, SOL_PACKET, PACKET_VNET_HDR, &one,
                           sizeof one));
    ovs_assert(!bind(frames, (struct sockaddr *) &sll, sizeof sll));
}

/* Returns the size of the next frame that came in, 0 if there is none. */
static size_t
next_frame(void)
{
    for (;;) {
        struct pollfd pfd = { .fd = frames, .events = POLLIN };
        struct iovec iov[] = {
            { &virtio, sizeof virtio },
            { frame, sizeof frame },
        };
        struct sockaddr_ll sll;
        struct msghdr msg = {
            .msg_name = &sll,
            .msg_namelen = sizeof sll,
            .msg_iov = iov,
            .msg_iovlen = ARRAY_SIZE(iov),
        };
        ssize_t n;

        if (poll(&pfd, 1, PATIENCE_MS) <= 0) {
            return 0;
        }
        n = recvmsg(frames, &msg, 0);
        ovs_assert(n > (ssize_t) sizeof virtio);
        if (sll.sll_pkttype != PACKET_OUTGOING) {
            return n - sizeof virtio;
        }
    }
}

static void
take(void *aux OVS_UNUSED, struct vnetenc_coalesce_run *r)
{
    vnetenc_inject_run(&inject, r);
}

static struct vnetenc_coalesce_outer
outer_of(bool ipv6, uint8_t tos)
{
    struct vnetenc_coalesce_outer outer = {
        .udp_src = htons(40000),
        .tos = tos,
        .vxlan = true,
    };

    if (ipv6) {
        ovs_assert(ipv6_parse("fd00::1", &outer.src));
        ovs_assert(ipv6_parse("fd00::2", &outer.dst));
    } else {
        in6_addr_set_mapped_ipv4(&outer.src, htonl(0x0a000001));
        in6_addr_set_mapped_ipv4(&outer.dst, htonl(0x0a000002));
    }
    return outer;
}

static void
begin(enum vnetenc_inject_way way)
{
    vnetenc_inject_init(&inject, vnetenc_netns_tap_fd(0));
    vnetenc_coalesce_init(&coalesce, way == VNETENC_INJECT_tso,
                          way >= VNETENC_INJECT_uso, take, NULL);
}

/* A stream of segments, which says congestion outside only.  The kernel tells
 * the inside, but not behind a tag. */
static void
test_tcp(enum vnetenc_inject_way way, bool outer6, bool ipv6, int n_tags)
{
    struct vnetenc_coalesce_outer outer = outer_of(outer6, IP_ECN_CE);
    struct unit_tcp t = {
        .vxlan = true, .vni = 7, .n_tags = n_tags, .ipv6 = ipv6, .df = true,
        .port = 40001, .seq = 1000, .n_tcp_options = 3, .size = SIZE,
    };
    struct unit_tcp_layers l = unit_tcp_layers(&t);
    size_t expected = (N_PACKETS - 1) * SIZE + LAST_SIZE, seen = 0, size;
    static uint8_t p[N_PACKETS][SIZE + 200];
    unsigned int n_frames = 0;

    begin(way);
    for (int i = 0; i < N_PACKETS; i++) {
        bool last = i == N_PACKETS - 1;

        t.flags = last ? TCP_ACK | TCP_PSH : TCP_ACK;
        t.size = last ? LAST_SIZE : SIZE;
        size = unit_tcp_build(&t, p[i]);
        p[i][l.l3 + 1] |= ipv6 ? IP_ECN_ECT_0 << 4 : IP_ECN_ECT_0;
        unit_tcp_set_sums(p[i], size, ipv6, l.l3, l.l4);
        vnetenc_coalesce_add(&coalesce, &outer, p[i], size);
        t.seq += t.size;
        t.id++;
    }
    vnetenc_coalesce_flush(&coalesce);
    CHECK(inject.n_writes == (way == VNETENC_INJECT_tso ? 1
                              : way == VNETENC_INJECT_uso ? 1 : N_PACKETS));

    while (seen < expected && (size = next_frame())) {
        /* A packet socket takes a tag away. */
        size_t gone = VXLAN_BYTES + 4 * n_tags;
        const uint8_t *l3 = frame + l.l3 - gone;
        const uint8_t *data = frame + l.data - gone;
        size_t n = size - (data - frame);

        ovs_assert(size > data - frame);
        CHECK(!memcmp(frame, p[0] + VXLAN_BYTES, 2 * ETH_ADDR_LEN));
        CHECK(!memcmp(l3 - 2, p[0] + l.l3 - 2, 2));
        CHECK((ipv6 ? l3[1] >> 4 & 3 : l3[1] & 3)
              == (n_tags ? IP_ECN_ECT_0 : IP_ECN_CE));
        for (size_t i = 0; i < n; i++) {
            if (data[i] != (uint8_t) ((1000 + seen + i) * 7)) {
                CHECK(!"other payload");
                break;
            }
        }
        CHECK(n <= SIZE
              || (virtio.gso_size == SIZE
                  && virtio.gso_type == (ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6
                                         : VIRTIO_NET_HDR_GSO_TCPV4)));
        seen += n;
        n_frames++;
    }
    CHECK(seen == expected);
    CHECK(way != VNETENC_INJECT_tso || n_frames == 1);
}

/* Frames of no protocol that anybody knows. */
static void
test_equal(enum vnetenc_inject_way way, bool outer6)
{
    struct vnetenc_coalesce_outer outer = outer_of(outer6, 0);
    static uint8_t p[N_PACKETS][SIZE];

    begin(way);
    for (int i = 0; i < N_PACKETS; i++) {
        memset(p[i], i, sizeof p[i]);
        memcpy(p[i], (uint8_t[]) { 8, 0, 0, 0, 0, 0, 7, 0 }, VXLAN_BYTES);
        memcpy(p[i] + VXLAN_BYTES,
               (uint8_t[]) { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5 },
               ETH_HEADER_LEN);
        vnetenc_coalesce_add(&coalesce, &outer, p[i],
                             i == N_PACKETS - 1 ? LAST_SIZE : SIZE);
    }
    vnetenc_coalesce_flush(&coalesce);
    CHECK(inject.n_writes == (way >= VNETENC_INJECT_uso ? 1 : N_PACKETS));
    for (int i = 0; i < N_PACKETS; i++) {
        size_t size = next_frame();

        CHECK(size == (i == N_PACKETS - 1 ? LAST_SIZE : SIZE) - VXLAN_BYTES);
        CHECK(!memcmp(frame, p[i] + VXLAN_BYTES, size));
    }
}

/* A device that is down takes nothing. */
static void
test_refused(void)
{
    struct vnetenc_coalesce_outer outer = outer_of(false, 0);
    unsigned long long int n = vnetenc_drop_total(VNETENC_DROP_rx_tap_error);
    uint8_t p[64] = { 8 };

    begin(VNETENC_INJECT_uso);
    ovs_assert(unit_shell("nsenter --net=/proc/%d/fd/%d ip link set "
                          VNETENC_NETNS_TAP " down",
                          (int) getpid(), vnetenc_netns_fd()));
    vnetenc_coalesce_add(&coalesce, &outer, p, sizeof p);
    vnetenc_coalesce_add(&coalesce, &outer, p, sizeof p);
    vnetenc_coalesce_flush(&coalesce);
    CHECK(vnetenc_drop_total(VNETENC_DROP_rx_tap_error) == n + 2);
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
    ovs_assert(unit_shell("nsenter --net=/proc/%d/fd/%d sh -c '"
                          "ip addr add 10.0.0.2/32 dev lo && "
                          "ip addr add fd00::2/128 dev lo'", pid, fd));
    ovs_assert(unit_shell("sysctl -qw net.ipv6.conf.default.disable_ipv6=1; "
                          "ip link add vx link-netns /proc/%d/fd/%d type "
                          "vxlan external dstport %d udp6zerocsumrx && "
                          "ip link set vx up", pid, fd,
                          ntohs(vnetenc_device_in_port(true))));
    open_frames();
}

int
main(void)
{
    set_up();
    for (int way = 0; way < VNETENC_INJECT_N_WAYS; way++) {
        const char *name = vnetenc_inject_way_name(way);

        vnetenc_inject_choose(vnetenc_netns_tap_fd(0), name);
        if (vnetenc_inject_way() != way) {
            printf("way %s: this kernel does not know it\n", name);
            continue;
        }
        for (int i = 0; i < 8; i++) {
            test_tcp(way, i & 1, i & 2, i >> 2);
        }
        test_equal(way, false);
        test_equal(way, true);
    }
    vnetenc_inject_choose(vnetenc_netns_tap_fd(0), "fast");
    CHECK(vnetenc_inject_way() > VNETENC_INJECT_write);
    test_refused();
    return unit_end();
}
