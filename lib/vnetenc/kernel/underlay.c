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
#include "vnetenc/kernel/underlay.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmap.h"
#include "hash.h"
#include "netdev-provider.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "route-table.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/path.h"
#include "vnetenc/bridge/readers.h"
#include "vnetenc/bridge/tunnel.h"
#include "vnetenc/kernel/netns.h"
#include "vnetenc/kernel/source.h"
#include "vnetenc/packet/half.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_underlay);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

/* A peer.  Replaced as a whole if 'local' changes. */
struct peer {
    struct cmap_node node;      /* In 'peers'. */
    struct in6_addr remote;     /* IPv4 addresses are mapped. */
    struct in6_addr local;      /* All zeros if there is no route. */

    /* Main thread only. */
    unsigned int mtu;           /* Of the route in N, 0 if there is none. */
    unsigned int new_mtu;
    bool keep;
};

static struct cmap peers = CMAP_INITIALIZER;

/* Set of addresses. */
struct locals {
    struct in6_addr addr[VNETENC_KERNEL_MAX_LOCALS];
    size_t n;
};
static struct locals locals;

static struct vnetenc_readers_port
    ports[VNETENC_KERNEL_MAX_LOCALS * VNETENC_N_DTLS_PORTS];
static size_t n_ports;

/* Are there tunnel ports of Geneve, of VXLAN? */
static bool has_port[2];

static bool peers_changed;
static uint64_t route_seq;
static long long int look_at;

static struct peer *
peer_find(const struct in6_addr *remote)
{
    struct peer *peer;

    CMAP_FOR_EACH_WITH_HASH (peer, node, hash_bytes(remote, sizeof *remote, 0),
                             &peers) {
        if (ipv6_addr_equals(&peer->remote, remote)) {
            return peer;
        }
    }
    return NULL;
}

static void
peer_insert(struct peer *peer)
{
    cmap_insert(&peers, &peer->node,
                hash_bytes(&peer->remote, sizeof peer->remote, 0));
}

static void
peer_remove(struct peer *peer)
{
    cmap_remove(&peers, &peer->node,
                hash_bytes(&peer->remote, sizeof peer->remote, 0));
    ovsrcu_postpone(free, peer);
}

bool
vnetenc_underlay_source(const struct in6_addr *remote, struct in6_addr *local)
{
    const struct peer *peer = peer_find(remote);

    if (!peer || !ipv6_addr_is_set(&peer->local)) {
        return false;
    }
    *local = peer->local;
    return true;
}

const struct vnetenc_readers_port *
vnetenc_underlay_ports(size_t *n)
{
    *n = n_ports;
    return ports;
}

unsigned int
vnetenc_underlay_tunnel_mtu(unsigned int mtu, bool split, bool v6)
{
    int outer = (v6 ? IPV6_HEADER_LEN : IP_HEADER_LEN) + UDP_HEADER_LEN;
    /* Assume the longest options that a Geneve header can have. */
    int geneve = VNETENC_GENEVE_BYTES + 4 * VNETENC_MAX_GENEVE_OPTIONS;
    int half = mtu - outer - VNETENC_OVERHEAD - VNETENC_MARK_BYTES - geneve;
    int whole = mtu - VNETENC_OVERHEAD;
    int two = outer + geneve + 2 * half;

    return MIN(MAX(split ? MAX(whole, two) : whole, 0), UINT16_MAX);
}

/* Returns the address from which the host sends to 'remote', by its own routes
 * and rules. */
static struct in6_addr
find_source(const struct in6_addr *remote)
{
    static struct vnetenc_source source;
    static bool made = false;

    if (!made) {
        made = true;
        vnetenc_source_init(&source);
    }
    return vnetenc_source_ask(&source, remote);
}

void
vnetenc_underlay_set_peers(const struct in6_addr *remotes, size_t n)
{
    struct peer *peer;

    CMAP_FOR_EACH (peer, node, &peers) {
        peer->keep = false;
    }
    for (size_t i = 0; i < n; i++) {
        peer = peer_find(&remotes[i]);
        if (!peer) {
            peer = xzalloc(sizeof *peer);
            peer->remote = remotes[i];
            peer_insert(peer);
        }
        peer->keep = true;
    }
    CMAP_FOR_EACH (peer, node, &peers) {
        if (!peer->keep) {
            if (peer->mtu) {
                vnetenc_netns_set_route(&peer->remote, 0);
            }
            peer_remove(peer);
        }
    }
    peers_changed = true;
}

static void
update_sources(void)
{
    struct peer *peer;

    CMAP_FOR_EACH (peer, node, &peers) {
        struct in6_addr local = find_source(&peer->remote);

        if (!ipv6_addr_equals(&local, &peer->local)) {
            struct peer *new = xmemdup(peer, sizeof *peer);

            new->local = local;
            peer_insert(new);
            peer_remove(peer);
        }
    }
}

static bool
locals_contain(const struct locals *set, const struct in6_addr *addr)
{
    for (size_t i = 0; i < set->n; i++) {
        if (ipv6_addr_equals(&set->addr[i], addr)) {
            return true;
        }
    }
    return false;
}

static void
locals_add(struct locals *set, const struct in6_addr *addr)
{
    if (!ipv6_addr_is_set(addr) || locals_contain(set, addr)) {
        return;
    }
    if (set->n >= VNETENC_KERNEL_MAX_LOCALS) {
        VLOG_WARN_RL(&rl, "tunnels have more than %d local addresses; the "
                     "others cannot be encrypted", VNETENC_KERNEL_MAX_LOCALS);
        return;
    }
    set->addr[set->n++] = *addr;
}

/* Adds all addresses of the host that other hosts can reach. */
static void
locals_add_host(struct locals *set)
{
    struct ifaddrs *list, *ifa;

    if (getifaddrs(&list)) {
        return;
    }
    for (ifa = list; ifa; ifa = ifa->ifa_next) {
        struct in6_addr addr;

        if (!ifa->ifa_addr || ifa->ifa_flags & IFF_LOOPBACK) {
            continue;
        }
        if (ifa->ifa_addr->sa_family == AF_INET) {
            in6_addr_set_mapped_ipv4(&addr, ALIGNED_CAST(
                struct sockaddr_in *, ifa->ifa_addr)->sin_addr.s_addr);
            locals_add(set, &addr);
        } else if (ifa->ifa_addr->sa_family == AF_INET6) {
            addr = ALIGNED_CAST(struct sockaddr_in6 *,
                                ifa->ifa_addr)->sin6_addr;
            if (!in6_is_lla(&addr)) {
                locals_add(set, &addr);
            }
        }
    }
    freeifaddrs(list);
}

static void
locals_add_ports(struct locals *set)
{
    struct netdev **vports;
    bool host = false;
    size_t n;

    has_port[0] = has_port[1] = false;
    vports = netdev_get_vports(&n);
    for (size_t i = 0; i < n; i++) {
        const struct netdev_tunnel_config *cfg
            = netdev_get_tunnel_config(vports[i]);
        ovs_be16 port = cfg ? vnetenc_tunnel_dtls_port(
            netdev_get_type(vports[i]), cfg->dst_port) : 0;

        if (port) {
            has_port[vnetenc_tunnel_is_vxlan(port)] = true;
            host |= cfg->ip_src_flow;
            locals_add(set, &cfg->ipv6_src);
        }
        netdev_close(vports[i]);
    }
    free(vports);
    if (host) {
        locals_add_host(set);
    }
}

static void
update_locals(void)
{
    struct locals new = { .n = 0 }, old = locals;
    struct peer *peer;

    CMAP_FOR_EACH (peer, node, &peers) {
        locals_add(&new, &peer->local);
    }
    locals_add_ports(&new);

    locals.n = 0;
    for (size_t i = 0; i < new.n; i++) {
        int error = (locals_contain(&old, &new.addr[i]) ? 0
                     : vnetenc_netns_set_address(&new.addr[i], true));

        if (!error) {
            locals.addr[locals.n++] = new.addr[i];
        } else {
            struct ds s = DS_EMPTY_INITIALIZER;

            ipv6_format_mapped(&new.addr[i], &s);
            VLOG_WARN_RL(&rl, "%s: cannot be a local address of encrypted "
                         "tunnels: %s", ds_cstr(&s), ovs_strerror(error));
            ds_destroy(&s);
        }
    }
    for (size_t i = 0; i < old.n; i++) {
        if (!locals_contain(&new, &old.addr[i])) {
            vnetenc_netns_set_address(&old.addr[i], false);
        }
    }
}

static void
update_ports(void)
{
    n_ports = 0;
    for (size_t i = 0; i < locals.n; i++) {
        for (size_t j = 0; j < VNETENC_N_DTLS_PORTS; j++) {
            ovs_be16 port = vnetenc_tunnel_dtls_ports[j];

            /* The port is 0 if plain tunnels use it. */
            if (port && has_port[vnetenc_tunnel_is_vxlan(port)]) {
                ports[n_ports].local = locals.addr[i];
                ports[n_ports++].port = port;
            }
        }
    }
}

/* Takes the MTU of 'path' for its peer if it is the smallest of all paths to
 * that peer. */
static void
take_mtu(const struct vnetenc_path *path, void *aux OVS_UNUSED)
{
    struct peer *peer = peer_find(&path->key.remote);
    unsigned int mtu;
    bool split;

    atomic_read_relaxed(&CONST_CAST(struct vnetenc_path *, path)->mtu, &mtu);
    atomic_read_relaxed(&CONST_CAST(struct vnetenc_path *, path)->split,
                        &split);
    if (peer && mtu) {
        split = split && !vnetenc_tunnel_is_vxlan(path->key.dtls_port);
        mtu = vnetenc_underlay_tunnel_mtu(
            mtu, split, !IN6_IS_ADDR_V4MAPPED(&path->key.remote));
        if (!peer->new_mtu || mtu < peer->new_mtu) {
            peer->new_mtu = mtu;
        }
    }
}

static void
update_mtus(void)
{
    struct peer *peer;

    CMAP_FOR_EACH (peer, node, &peers) {
        peer->new_mtu = 0;
    }
    vnetenc_path_for_each(take_mtu, NULL);
    CMAP_FOR_EACH (peer, node, &peers) {
        /* A known MTU stays while there is no path. */
        if (peer->new_mtu && peer->new_mtu != peer->mtu) {
            int error = vnetenc_netns_set_route(&peer->remote, peer->new_mtu);

            if (!error) {
                peer->mtu = peer->new_mtu;
            } else {
                VLOG_WARN_RL(&rl, "cannot set the MTU of a route: %s",
                             ovs_strerror(error));
            }
        }
    }
}

void
vnetenc_underlay_run(void)
{
    long long int now = time_msec();
    uint64_t seq = route_table_get_change_seq();

    if (vnetenc_netns_error()
        || (!peers_changed && seq == route_seq && now < look_at)) {
        return;
    }
    if (peers_changed || seq != route_seq) {
        update_sources();
    }
    update_locals();
    update_ports();
    update_mtus();
    peers_changed = false;
    route_seq = seq;
    look_at = now + VNETENC_KERNEL_LOOK_MS;
}

void
vnetenc_underlay_wait(void)
{
    if (!vnetenc_netns_error() && !cmap_is_empty(&peers)) {
        poll_timer_wait_until(look_at);
    }
}
