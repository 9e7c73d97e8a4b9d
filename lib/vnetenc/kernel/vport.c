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
#include "vnetenc/kernel/vport.h"

#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <string.h>

#include "connectivity.h"
#include "dpif.h"
#include "dpif-netdev.h"
#include "flow.h"
#include "netdev.h"
#include "odp-util.h"
#include "openvswitch/vlog.h"
#include "ovs-atomic.h"
#include "packets.h"
#include "seq.h"
#include "simap.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/kernel/datapath.h"
#include "vnetenc/kernel/device.h"
#include "vnetenc/kernel/netns.h"
#include "vnetenc/kernel/worker.h"
#include "vnetenc/mode.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_vport);

/* The number of our ports, which are numbered from VNETENC_DEVICE_FIRST_D
 * on. */
enum { N_VPORTS = VNETENC_DEVICE_LAST_D - VNETENC_DEVICE_FIRST_D + 1 };

enum state { UNUSED, WANTED, PRESENT };

/* Any thread may read 'state' and change it from UNUSED to WANTED.  Only the
 * main thread makes other changes and uses the other members. */
struct vport {
    atomic_int state;           /* An enum state. */
    unsigned int ifindex;       /* Of the device, while PRESENT. */
    uint64_t n_too_long;        /* Of the device, counted as drops. */
};

static struct vport vports[N_VPORTS];

/* Is there a port that is WANTED? */
static atomic_bool any_wanted;
static long long int retry_at;
static long long int check_at;

/* A tunnel type, and the port of its own device on the default UDP port. */
static struct tunnel {
    const char *type;
    const char *device;
    atomic_uint32_t port;       /* An odp_port_t. */
} tunnels[VNETENC_DEVICE_N_TYPES] = {
    { "geneve", "genev_sys_6081", UINT32_MAX },
    { "vxlan", "vxlan_sys_4789", UINT32_MAX },
};
enum { VXLAN = 1 };

static bool is_used;

/* Why the port of Geneve's arrivals could not be made, or NULL. */
static const char *error_text;

static struct vport *
vport_of(ovs_be16 d)
{
    return &vports[ntohs(d) - VNETENC_DEVICE_FIRST_D];
}

static enum state
get_state(struct vport *p)
{
    int state;

    atomic_read_relaxed(&p->state, &state);
    return state;
}

static odp_port_t
d_to_odp(ovs_be16 d)
{
    return u32_to_odp(ntohs(d));
}

/* Has the port for 'd' made, or made again.  Main thread. */
static void
want(ovs_be16 d)
{
    atomic_store_relaxed(&vport_of(d)->state, WANTED);
    atomic_store_relaxed(&any_wanted, true);
}

/* Has the main thread make the port for 'd', unless that was asked for before.
 * Any thread. */
static void
want_first(ovs_be16 d)
{
    int state = UNUSED;

    if (atomic_compare_exchange_strong_relaxed(&vport_of(d)->state, &state,
                                               WANTED)) {
        atomic_store_relaxed(&any_wanted, true);
        seq_change(connectivity_seq_get());
    }
}

/* Takes the device for 'd' down, and has its port made again. */
static void
give_up(ovs_be16 d)
{
    vnetenc_device_set_up(d, false);
    want(d);
}

/* Deletes the port for 'd', whoever made it, with its device.  The device goes
 * down first: the host itself would receive what arrives on one that is up and
 * no port. */
static void
delete_port(struct dpif *dpif, ovs_be16 d)
{
    char name[VNETENC_DEVICE_NAME_SIZE];
    struct dpif_port port;

    vnetenc_device_set_up(d, false);
    vnetenc_device_name(d, name);
    if (dpif_port_exists(dpif, name)
        && !dpif_port_query_by_name(dpif, name, &port)) {
        dpif_port_del(dpif, port.port_no, false);
        dpif_port_destroy(&port);
    }
    vnetenc_device_delete(d);
}

/* Adds the device for 'd', which exists, to the datapath. */
static int
add_port(struct dpif *dpif, ovs_be16 d)
{
    char name[VNETENC_DEVICE_NAME_SIZE];
    odp_port_t port_no = d_to_odp(d);
    struct netdev *netdev;
    int error;

    vnetenc_device_name(d, name);
    error = netdev_open(name, "system", &netdev);
    if (!error) {
        error = dpif_port_add(dpif, netdev, &port_no);
        netdev_close(netdev);
    }
    vport_of(d)->ifindex = if_nametoindex(name);
    vport_of(d)->n_too_long = 0;
    return error ? error : vport_of(d)->ifindex ? 0 : ENODEV;
}

/* Makes the port for 'd'.  Returns true if it succeeds, otherwise logs the
 * reason. */
static bool
make_port(struct dpif *dpif, ovs_be16 d)
{
    const char *what;
    int error;

    delete_port(dpif, d);
    error = vnetenc_device_make(d, &what);
    if (!error) {
        what = "cannot add a tunnel device to the datapath";
        error = add_port(dpif, d);
    }
    if (!error) {
        what = "cannot bring a tunnel device up";
        error = vnetenc_device_set_up(d, true);
    }
    if (error) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
        static char text[128];
        const char *hint = (error == EOPNOTSUPP
                            ? " (is the module of the tunnel type missing?)"
                            : "");

        delete_port(dpif, d);
        VLOG_WARN_RL(&rl, "vnetenc_%"PRIu16": %s: %s%s", ntohs(d), what,
                     ovs_strerror(error), hint);
        if (d == vnetenc_device_in_port(false)) {
            snprintf(text, sizeof text, "%s: %s%s", what, ovs_strerror(error),
                     hint);
            error_text = text;
        }
        return false;
    }
    atomic_store_relaxed(&vport_of(d)->state, PRESENT);
    return true;
}

void
vnetenc_vport_open(struct dpif *dpif)
{
    if (dpif_is_netdev(dpif)) {
        return;
    }
    is_used = true;
    if (!vnetenc_netns_up()) {
        return;
    }
    vnetenc_datapath_start();
    if (make_port(dpif, vnetenc_device_in_port(false))) {
        error_text = NULL;
    }
}

void
vnetenc_vport_close(const struct dpif *dpif)
{
    if (dpif_is_netdev(dpif)) {
        return;
    }
    for (size_t i = 0; i < N_VPORTS; i++) {
        if (get_state(&vports[i]) == PRESENT) {
            give_up(htons(VNETENC_DEVICE_FIRST_D + i));
        }
    }
}

void
vnetenc_vport_expect(void)
{
    for (int mode = VNETENC_PREFER; mode <= VNETENC_REQUIRE; mode++) {
        const struct vnetenc_device_demand demand = { .mode = mode };
        ovs_be16 d = vnetenc_device_out_port(&demand);

        if (get_state(vport_of(d)) == UNUSED) {
            want(d);
        }
    }
}

bool
vnetenc_vport_is_used(void)
{
    return is_used;
}

const char *
vnetenc_vport_error(void)
{
    const char *error = vnetenc_netns_error();

    return (error ? error
            : error_text ? error_text
            : !vnetenc_worker_n() ? "no workers run"
            : NULL);
}

/* Returns the number of packets that the device for 'd', which demands, has
 * refused because they were longer than the MTU of their route.  Returns 0 if
 * it is unknown. */
static uint64_t
count_too_long(ovs_be16 d, bool vxlan)
{
    char name[VNETENC_DEVICE_NAME_SIZE];
    struct netdev_stats stats;
    struct netdev *netdev;
    uint64_t others;
    int error;

    vnetenc_device_name(d, name);
    if (netdev_open(name, "system", &netdev)) {
        return 0;
    }
    error = netdev_get_stats(netdev, &stats);
    netdev_close(netdev);
    if (error) {
        return 0;
    } else if (vxlan) {
        /* The device receives nothing but the messages of the kernel about
         * such packets. */
        return stats.rx_packets;
    }
    /* Except for a lack of memory, all other errors are also in a counter of
     * their own, which may be newer than their sum. */
    others = stats.tx_carrier_errors + stats.collisions;
    return stats.tx_errors > others ? stats.tx_errors - others : 0;
}

void
vnetenc_vport_collect(void)
{
    for (size_t i = 0; i < N_VPORTS; i++) {
        ovs_be16 d = htons(VNETENC_DEVICE_FIRST_D + i);
        struct vnetenc_device_demand demand;
        uint64_t n;

        if (get_state(&vports[i]) != PRESENT
            || !vnetenc_device_of_out_port(d, &demand)) {
            continue;
        }
        n = count_too_long(d, demand.vxlan);
        if (n > vports[i].n_too_long) {
            vnetenc_drop_count(VNETENC_DROP_tx_mtu, n - vports[i].n_too_long);
            vports[i].n_too_long = n;
        }
    }
}

bool
vnetenc_vport_is_name(const char *name)
{
    ovs_be16 d;

    return vnetenc_device_from_name(name, &d);
}

static bool
is_ours(struct dpif *dpif, ovs_be16 d)
{
    char name[VNETENC_DEVICE_NAME_SIZE];
    struct dpif_port port;
    bool ours = false;

    vnetenc_device_name(d, name);
    if (dpif_port_exists(dpif, name)
        && !dpif_port_query_by_name(dpif, name, &port)) {
        ours = (port.port_no == d_to_odp(d)
                && if_nametoindex(name) == vport_of(d)->ifindex);
        dpif_port_destroy(&port);
    }
    return ours;
}

/* Has the port for 'd' made again if it is no longer the one that was made,
 * and up. */
static void
check_port(struct dpif *dpif, ovs_be16 d)
{
    switch (get_state(vport_of(d))) {
    case PRESENT:
        if (!is_ours(dpif, d) || !vnetenc_device_is_up(d)) {
            VLOG_WARN("vnetenc_%"PRIu16": the port is gone or down, making it "
                      "again", ntohs(d));
            give_up(d);
        }
        break;
    case WANTED:
        /* Another thread may have asked while vnetenc_vport_run() looked. */
        atomic_store_relaxed(&any_wanted, true);
        break;
    case UNUSED:
        break;
    }
}

bool
vnetenc_vport_run(struct dpif *dpif)
{
    bool made = false;
    bool wanted;

    if (dpif_is_netdev(dpif) || vnetenc_netns_error()) {
        return false;
    }

    /* The kernel may have failed to deliver a notification. */
    if (time_msec() >= check_at) {
        for (size_t i = 0; i < N_VPORTS; i++) {
            check_port(dpif, htons(VNETENC_DEVICE_FIRST_D + i));
        }
        vnetenc_vport_collect();
        check_at = time_msec() + VNETENC_KERNEL_CHECK_MS;
    }

    atomic_read_relaxed(&any_wanted, &wanted);
    if (!wanted || time_msec() < retry_at) {
        return false;
    }

    atomic_store_relaxed(&any_wanted, false);
    for (size_t i = 0; i < N_VPORTS; i++) {
        if (get_state(&vports[i]) == WANTED) {
            if (make_port(dpif, htons(VNETENC_DEVICE_FIRST_D + i))) {
                made = true;
            } else {
                atomic_store_relaxed(&any_wanted, true);
                retry_at = time_msec() + VNETENC_KERNEL_RETRY_MS;
            }
        }
    }
    return made;
}

bool
vnetenc_vport_changed(struct dpif *dpif, const char *name)
{
    ovs_be16 d;

    if (dpif_is_netdev(dpif) || !vnetenc_device_from_name(name, &d)) {
        return false;
    }

    check_port(dpif, d);
    if (get_state(vport_of(d)) != PRESENT && dpif_port_exists(dpif, name)) {
        VLOG_WARN("%s: deleting a port that has a name of ours", name);
        delete_port(dpif, d);
    }
    return true;
}

void
vnetenc_vport_set_tunnels(const struct dpif *dpif, const struct simap *ports)
{
    if (dpif_is_netdev(dpif)) {
        return;
    }
    for (size_t i = 0; i < VNETENC_DEVICE_N_TYPES; i++) {
        struct simap_node *node = simap_find(ports, tunnels[i].device);
        ovs_be16 in_port = vnetenc_device_in_port(i == VXLAN);

        atomic_store_relaxed(&tunnels[i].port, node ? node->data : UINT32_MAX);
        if (node && !vnetenc_netns_error()
            && get_state(vport_of(in_port)) == UNUSED) {
            want(in_port);
        }
    }
}

/* Returns the port of the tunnel type's own device, by the index of the type
 * in 'tunnels', ODPP_NONE if there is none. */
static odp_port_t
get_tunnel(size_t i)
{
    uint32_t port;

    atomic_read_relaxed(&tunnels[i].port, &port);
    return u32_to_odp(port);
}

odp_port_t
vnetenc_vport_find(const struct dpif *dpif, const char *type,
                   struct flow_tnl *tnl)
{
    const struct vnetenc_device_demand demand = {
        .vxlan = !strcmp(type, tunnels[VXLAN].type),
        .profile = tnl->enc_profile,
        .mode = tnl->enc_mode,
    };
    ovs_be16 d;

    if (dpif_is_netdev(dpif) || vnetenc_netns_error()) {
        return ODPP_NONE;
    }

    d = vnetenc_device_out_port(&demand);
    switch (get_state(vport_of(d))) {
    case PRESENT:
        if (demand.vxlan) {
            tnl->tp_dst = 0;
        }
        return d_to_odp(d);
    case UNUSED:
        want_first(d);
        return ODPP_NONE;
    case WANTED:
    default:
        return ODPP_NONE;
    }
}

/* Returns the port of the tunnel type's own device if the packet with 'flow'
 * arrived through a port of ours for that type.  Returns ODPP_NONE if it did
 * not, or if such packets do not arrive through this port. */
static odp_port_t
get_arrival(const struct flow *flow)
{
    uint32_t number = odp_to_u32(flow->in_port.odp_port);
    struct vnetenc_device_demand demand;
    ovs_be16 d = htons(number);

    if (number < VNETENC_DEVICE_FIRST_D || number > VNETENC_DEVICE_LAST_D
        || get_state(vport_of(d)) != PRESENT) {
        return ODPP_NONE;
    }
    if (vnetenc_device_of_out_port(d, &demand)) {
        /* Packets only leave by this port, but the kernel answers a packet
         * that is longer than the MTU of its route, in the name of the peer,
         * and this answer arrives here.  A packet that is addressed to this
         * host itself comes back with the host's own address, which no peer
         * has. */
        struct in6_addr src = flow_tnl_src(&flow->tunnel);

        return (vnetenc_gate_find(&src) ? get_tunnel(demand.vxlan)
                : ODPP_NONE);
    }
    return get_tunnel(d == vnetenc_device_in_port(true));
}

void
vnetenc_vport_decode(const struct dpif *dpif, struct flow *flow)
{
    odp_port_t tunnel;

    if (dpif_is_netdev(dpif) || !flow_tnl_dst_is_set(&flow->tunnel)) {
        return;
    }
    tunnel = get_arrival(flow);
    if (tunnel != ODPP_NONE) {
        flow->in_port.odp_port = tunnel;
        flow->tunnel.flags |= FLOW_TNL_F_VNETENC;
    }
}

void
vnetenc_vport_decode_mask(const struct dpif *dpif, struct flow_wildcards *wc)
{
    if (!dpif_is_netdev(dpif)) {
        wc->masks.tunnel.flags |= FLOW_TNL_F_VNETENC;
    }
}

const struct flow *
vnetenc_vport_encode_mask(const struct dpif *dpif, const struct flow *mask,
                          struct flow *copy)
{
    if (dpif_is_netdev(dpif)) {
        return mask;
    }
    *copy = *mask;
    copy->tunnel.flags &= ~FLOW_TNL_F_VNETENC;
    return copy;
}

void
vnetenc_vport_encode(const struct dpif *dpif, struct pkt_metadata *md)
{
    if (dpif_is_netdev(dpif) || !flow_tnl_dst_is_set(&md->tunnel)
        || !(md->tunnel.flags & FLOW_TNL_F_VNETENC)) {
        return;
    }
    md->tunnel.flags &= ~FLOW_TNL_F_VNETENC;
    for (size_t i = 0; i < VNETENC_DEVICE_N_TYPES; i++) {
        if (md->in_port.odp_port == get_tunnel(i)
            && get_tunnel(i) != ODPP_NONE) {
            md->in_port.odp_port = d_to_odp(
                vnetenc_device_in_port(i == VXLAN));
        }
    }
}
