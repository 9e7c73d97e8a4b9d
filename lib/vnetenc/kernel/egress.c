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
#include "vnetenc/kernel/egress.h"
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <netinet/ip6.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include "dp-packet.h"
#include "odp-netlink.h"
#include "odp-util.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/tunnel.h"
#include "vnetenc/kernel/device.h"
#include "vnetenc/kernel/netns.h"
#include "vnetenc/kernel/source.h"
#include "vnetenc/kernel/transmit.h"
#include "vnetenc/kernel/underlay.h"
#include "vnetenc/kernel/virtio.h"
#include "vnetenc/packet/outer.h"
#include "vnetenc/packet/pool.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_egress);

/* Room for a virtio header: more than the longest of any kernel. */
enum { MAX_HEADER_BYTES = 32 };

/* Size of a virtio header that can describe a super-packet in a tunnel. */
enum { TUNNEL_HEADER_BYTES = 24 };

/* Buffers for one frame.  Its first bytes are read into 'small', a packet of
 * the usual size, and the rest into 'big', a packet for super-packets, behind
 * a gap.  If there is a rest, the first bytes are copied into the gap. */
struct slot {
    uint8_t header[MAX_HEADER_BYTES] OVS_ALIGNED_VAR(8);
    struct dp_packet *small;    /* NULL if it is to be replaced. */
    struct dp_packet *big;
    struct iovec iovs[3];
    size_t size;                /* Of the frame, header included. */
    bool cut;
};

/* Packets of one path. */
struct group {
    struct ovs_action_vnetenc action;
    bool ipv6;
    struct in6_addr local, remote;
    struct dp_packet_batch batch;
    size_t n_bytes;
};

struct vnetenc_egress {
    int fd;
    bool packet_socket;
    size_t header_len;
    struct vnetenc_source source;
    struct in6_addr no_source[2];
    ovs_be16 dtls_ports[VNETENC_DEVICE_N_TYPES];
    struct slot slots[VNETENC_KERNEL_BURST];
    struct mmsghdr messages[VNETENC_KERNEL_BURST];
    struct group groups[VNETENC_KERNEL_GROUPS];
    size_t n_groups;
};

/* Main thread. */
static struct vnetenc_egress *readers[VNETENC_KERNEL_QUEUES];
static size_t n_readers;
static bool tap_has_super;      /* The TAP gives us super-packets. */

/* Memory. */

/* dp_packet counts its memory in 16 bits. */
enum { BIG_BYTES = UINT16_MAX - VNETENC_POOL_HEADROOM };

static void
slot_refill(struct slot *slot, size_t header_len)
{
    if (!slot->small) {
        slot->small = vnetenc_pool_get(VNETENC_KERNEL_SMALL_BYTES
                                       + VNETENC_OVERHEAD);
    }
    if (!slot->big) {
        slot->big = vnetenc_pool_get(BIG_BYTES);
    }
    slot->iovs[0] = (struct iovec) { slot->header, header_len };
    slot->iovs[1] = (struct iovec) {
        dp_packet_data(slot->small),
        VNETENC_KERNEL_SMALL_BYTES,
    };
    slot->iovs[2] = (struct iovec) {
        (uint8_t *) dp_packet_data(slot->big) + VNETENC_KERNEL_SMALL_BYTES,
        BIG_BYTES - VNETENC_KERNEL_SMALL_BYTES,
    };
}

/* Removes the frame from 'slot' and returns it.  If the frame must be dropped,
 * returns NULL and stores the reason in '*drop'. */
static struct dp_packet *
slot_take(struct slot *slot, size_t header_len, enum vnetenc_drop *drop)
{
    struct dp_packet *packet;
    size_t size;

    if (slot->cut) {
        *drop = VNETENC_DROP_tx_kernel_cut;
        return NULL;
    } else if (slot->size < header_len) {
        *drop = VNETENC_DROP_tx_kernel_bad;
        return NULL;
    }
    size = slot->size - header_len;
    if (size <= VNETENC_KERNEL_SMALL_BYTES) {
        packet = slot->small;
        slot->small = NULL;
    } else {
        packet = slot->big;
        slot->big = NULL;
        memcpy(dp_packet_data(packet), dp_packet_data(slot->small),
               VNETENC_KERNEL_SMALL_BYTES);
    }
    dp_packet_set_size(packet, size);
    pkt_metadata_init(&packet->md, ODPP_NONE);
    return packet;
}

struct vnetenc_egress *
vnetenc_egress_create(int fd, bool packet_socket, size_t header_len)
{
    struct vnetenc_egress *egress = xzalloc(sizeof *egress);

    ovs_assert(header_len >= sizeof(struct virtio_net_hdr)
               && header_len <= MAX_HEADER_BYTES);
    egress->fd = fd;
    egress->packet_socket = packet_socket;
    egress->header_len = header_len;
    vnetenc_source_init(&egress->source);
    ipv6_parse("::ffff:" VNETENC_NETNS_NO_SOURCE4, &egress->no_source[0]);
    ipv6_parse(VNETENC_NETNS_NO_SOURCE6, &egress->no_source[1]);
    egress->dtls_ports[0] = vnetenc_tunnel_dtls_port(
        "geneve", htons(VNETENC_CLEAR_GENEVE_PORT));
    egress->dtls_ports[1] = vnetenc_tunnel_dtls_port(
        "vxlan", htons(VNETENC_CLEAR_VXLAN_PORT));
    for (size_t i = 0; i < VNETENC_KERNEL_BURST; i++) {
        slot_refill(&egress->slots[i], header_len);
        egress->messages[i].msg_hdr.msg_iov = egress->slots[i].iovs;
        egress->messages[i].msg_hdr.msg_iovlen
            = ARRAY_SIZE(egress->slots[i].iovs);
    }
    for (size_t i = 0; i < VNETENC_KERNEL_GROUPS; i++) {
        dp_packet_batch_init(&egress->groups[i].batch);
    }
    return egress;
}

void
vnetenc_egress_destroy(struct vnetenc_egress *egress)
{
    if (egress) {
        for (size_t i = 0; i < VNETENC_KERNEL_BURST; i++) {
            dp_packet_delete(egress->slots[i].small);
            dp_packet_delete(egress->slots[i].big);
        }
        for (size_t i = 0; i < VNETENC_KERNEL_GROUPS; i++) {
            dp_packet_batch_destroy(&egress->groups[i].batch);
        }
        vnetenc_source_uninit(&egress->source);
        free(egress);
    }
}

/* Reading. */

/* Reads up to VNETENC_KERNEL_BURST frames.  Returns their number, or a
 * negative errno value. */
static int
read_socket(struct vnetenc_egress *egress)
{
    int n = recvmmsg(egress->fd, egress->messages, VNETENC_KERNEL_BURST,
                     MSG_DONTWAIT, NULL);

    if (n < 0) {
        return -errno;
    }
    for (int i = 0; i < n; i++) {
        const struct mmsghdr *m = &egress->messages[i];

        egress->slots[i].size = m->msg_len;
        egress->slots[i].cut = m->msg_hdr.msg_flags & MSG_TRUNC;
    }
    return n;
}

/* Does the same as read_socket().  A TAP does not report that it cut a frame
 * off, but a frame that fills the buffer was: the kernel has no frames of this
 * length. */
static int
read_tap(struct vnetenc_egress *egress)
{
    int n;

    for (n = 0; n < VNETENC_KERNEL_BURST; n++) {
        struct slot *slot = &egress->slots[n];
        ssize_t size = readv(egress->fd, slot->iovs, ARRAY_SIZE(slot->iovs));

        if (size < 0) {
            return n ? n : -errno;
        }
        slot->size = size;
        slot->cut = size >= egress->header_len + BIG_BYTES;
    }
    return n;
}

/* Groups. */

static void
group_flush(struct vnetenc_worker *worker, struct group *group)
{
    vnetenc_transmit(worker, &group->batch, &group->action, true);
    group->n_bytes = 0;
}

static void
flush_all(struct vnetenc_worker *worker, struct vnetenc_egress *egress)
{
    for (size_t i = 0; i < egress->n_groups; i++) {
        if (!dp_packet_batch_is_empty(&egress->groups[i].batch)) {
            group_flush(worker, &egress->groups[i]);
        }
    }
    egress->n_groups = 0;
}

/* Returns the group of packets that go from 'local' to 'remote' with 'demand'.
 * Makes it if there is none, and flushes all groups if there is no room. */
static struct group *
find_group(struct vnetenc_worker *worker, struct vnetenc_egress *egress,
           const struct vnetenc_device_demand *demand, bool ipv6,
           const struct in6_addr *local, const struct in6_addr *remote)
{
    struct ovs_action_vnetenc action;
    struct group *group;

    memset(&action, 0, sizeof action);
    action.tp_dst = egress->dtls_ports[demand->vxlan];
    action.mode = demand->mode;
    action.profile = demand->profile;
    for (size_t i = 0; i < egress->n_groups; i++) {
        group = &egress->groups[i];
        if (!memcmp(&group->action, &action, sizeof action)
            && group->ipv6 == ipv6
            && ipv6_addr_equals(&group->remote, remote)
            && ipv6_addr_equals(&group->local, local)) {
            return group;
        }
    }
    if (egress->n_groups == VNETENC_KERNEL_GROUPS) {
        flush_all(worker, egress);
    }
    group = &egress->groups[egress->n_groups++];
    group->action = action;
    group->ipv6 = ipv6;
    group->local = *local;
    group->remote = *remote;
    return group;
}

/* Packets. */

static bool
is_no_source(const struct vnetenc_egress *egress, const struct in6_addr *addr)
{
    return (ipv6_addr_equals(addr, &egress->no_source[0])
            || ipv6_addr_equals(addr, &egress->no_source[1]));
}

/* Sets the source address of 'packet'.  Leaves the outer checksums alone: they
 * are discarded by sealing and computed again for a packet in clear. */
static void
set_source(struct dp_packet *packet, bool ipv6, const struct in6_addr *local)
{
    if (ipv6) {
        struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_l3(packet);

        memcpy(&ip6->ip6_src, local, sizeof *local);
    } else {
        struct ip_header *ip = dp_packet_l3(packet);

        put_16aligned_be32(&ip->ip_src, in6_addr_get_mapped_ipv4(local));
    }
}

/* If '*local', the source address of 'packet', stands for none, finds the
 * source address, stores it in '*local' and writes it into the packet.
 * Returns false if there is no route. */
static bool
choose_source(struct vnetenc_egress *egress, struct dp_packet *packet,
              bool ipv6, const struct in6_addr *remote, struct in6_addr *local)
{
    if (!is_no_source(egress, local)) {
        return true;
    }
    /* Records to a peer leave from the address to which control/ has bound its
     * sockets.  Packets to other hosts may leave in clear. */
    if (!vnetenc_underlay_source(remote, local)
        && !vnetenc_source_find(&egress->source, remote, local,
                                time_msec())) {
        return false;
    }
    set_source(packet, ipv6, local);
    return true;
}

/* Adds 'packet' to its group, or returns why it must be dropped. */
static enum vnetenc_drop
take_packet(struct vnetenc_worker *worker, struct vnetenc_egress *egress,
            struct dp_packet *packet, const struct virtio_net_hdr *header)
{
    struct vnetenc_device_demand demand;
    struct in6_addr local, remote;
    enum vnetenc_drop drop;
    struct group *group;
    ovs_be16 udp_dst;
    bool ipv6;

    drop = vnetenc_virtio_outer(packet, &udp_dst);
    if (drop) {
        return drop;
    } else if (!vnetenc_device_of_out_port(udp_dst, &demand)
               || !egress->dtls_ports[demand.vxlan]) {
        return VNETENC_DROP_tx_kernel_port;
    }
    drop = vnetenc_virtio_inner(packet, header, demand.vxlan);
    if (drop) {
        return drop;
    } else if (!vnetenc_outer_parse_addresses(packet, &ipv6, &local,
                                              &remote)) {
        return VNETENC_DROP_tx_kernel_bad;
    } else if (!choose_source(egress, packet, ipv6, &remote, &local)) {
        return VNETENC_DROP_tx_kernel_source;
    }

    group = find_group(worker, egress, &demand, ipv6, &local, &remote);
    dp_packet_batch_add(&group->batch, packet);
    group->n_bytes += dp_packet_size(packet);
    if (dp_packet_batch_size(&group->batch) >= NETDEV_MAX_BURST
        || group->n_bytes >= VNETENC_KERNEL_FLUSH_BYTES) {
        group_flush(worker, group);
    }
    return VNETENC_KEEP;
}

/* Processes the frame in 'slot' and refills the slot. */
static void
take_slot(struct vnetenc_worker *worker, struct vnetenc_egress *egress,
          struct slot *slot)
{
    const struct virtio_net_hdr *header
        = ALIGNED_CAST(const struct virtio_net_hdr *, slot->header);
    enum vnetenc_drop drop = VNETENC_KEEP;
    struct dp_packet *packet;

    vnetenc_worker_count(worker, VNETENC_WORKER_out_packets, 1);
    if (header->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
        vnetenc_worker_count(worker, VNETENC_WORKER_out_super, 1);
    }
    packet = slot_take(slot, egress->header_len, &drop);
    if (packet) {
        drop = take_packet(worker, egress, packet, header);
        if (drop) {
            vnetenc_pool_put(packet);
        }
    }
    if (drop) {
        vnetenc_drop_count(drop, 1);
    }
    slot_refill(slot, egress->header_len);
}

/* Handles 'error', which the kernel returned instead of a frame.  Returns
 * false if there will never be a frame again. */
static bool
take_error(int error)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

    if (error == EINVAL) {
        /* The kernel discarded a super-packet that no virtio header can
         * describe. */
        vnetenc_drop_count(VNETENC_DROP_tx_kernel_super, 1);
    } else if (error == EBADF || error == EBADFD || error == ENODEV) {
        return false;
    } else if (error != EAGAIN && error != EINTR) {
        VLOG_WARN_RL(&rl, "reading what the kernel sends: %s",
                     ovs_strerror(error));
    }
    return true;
}

bool
vnetenc_egress_run(struct vnetenc_worker *worker, int fd OVS_UNUSED,
                   void *egress_)
{
    struct vnetenc_egress *egress = egress_;
    int n = (egress->packet_socket ? read_socket(egress) : read_tap(egress));

    if (n < 0) {
        return take_error(-n);
    }
    for (int i = 0; i < n; i++) {
        take_slot(worker, egress, &egress->slots[i]);
    }
    flush_all(worker, egress);
    return true;
}

/* Main thread. */

size_t
vnetenc_egress_set_tap(int fd, bool *super)
{
    /* UDP_TUNNEL_GSO, UDP_TUNNEL_GSO_CSUM. */
    const unsigned int tunnel = 0x80 | 0x100;
    const unsigned int tcp = TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    int len;

    if (ioctl(fd, TUNGETVNETHDRSZ, &len)) {
        len = sizeof(struct virtio_net_hdr);
    }
    *super = (len >= TUNNEL_HEADER_BYTES
              && !ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | tcp | tunnel));
    if (!*super && ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM)) {
        /* The kernel completes the checksums itself.  That takes it more time
         * than us, but has no other effect. */
        VLOG_INFO("TAP: no checksum offload: %s", ovs_strerror(errno));
    }
    return len;
}

static void
reader_gone(void *reader)
{
    vnetenc_egress_destroy(reader);
}

void
vnetenc_egress_start(void)
{
    unsigned int n = vnetenc_netns_n_queues();
    size_t tap_header_len = 0;

    ovs_assert(!n_readers && n <= VNETENC_KERNEL_QUEUES);
    vnetenc_transmit_init();
    if (vnetenc_netns_out_fd(0) < 0) {
        tap_header_len = vnetenc_egress_set_tap(vnetenc_netns_tap_fd(0),
                                                &tap_has_super);
    }
    for (unsigned int i = 0; i < n; i++) {
        int out = vnetenc_netns_out_fd(i);
        int fd = out >= 0 ? out : vnetenc_netns_tap_fd(i);

        readers[n_readers++] = vnetenc_egress_create(
            fd, out >= 0,
            out >= 0 ? sizeof(struct virtio_net_hdr) : tap_header_len);
        vnetenc_worker_add_fd(vnetenc_worker_get(i % vnetenc_worker_n()), fd,
                              vnetenc_egress_run, reader_gone, readers[i]);
    }
}

void
vnetenc_egress_stop(void)
{
    vnetenc_egress_collect();
    n_readers = 0;
}

const char *
vnetenc_egress_way(void)
{
    if (!n_readers) {
        return NULL;
    } else if (readers[0]->packet_socket) {
        return "packet socket";
    }
    return tap_has_super ? "TAP, super-packets" : "TAP";
}

/* Counts the packets that the TAP has lost since the last call. */
static void
collect_tap(void)
{
    static uint64_t before;
    uint64_t drops;

    if (vnetenc_netns_tap_drops(&drops) && drops > before) {
        vnetenc_drop_count(VNETENC_DROP_tx_kernel_queue, drops - before);
        before = drops;
    }
}

void
vnetenc_egress_collect(void)
{
    if (n_readers && !readers[0]->packet_socket) {
        collect_tap();
    }
    for (size_t i = 0; i < n_readers; i++) {
        struct tpacket_stats stats;
        socklen_t size = sizeof stats;

        if (readers[i]->packet_socket
            && !getsockopt(readers[i]->fd, SOL_PACKET, PACKET_STATISTICS,
                           &stats, &size) && stats.tp_drops) {
            vnetenc_drop_count(VNETENC_DROP_tx_kernel_queue, stats.tp_drops);
        }
    }
}
