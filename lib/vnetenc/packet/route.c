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
#include "vnetenc/packet/route.h"
#include <string.h>
#include "hash.h"
#include "odp-netlink.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/bridge/inbox.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc/mode.h"

BUILD_ASSERT_DECL(sizeof(struct ovs_action_vnetenc) == 4);

/* Copies the sessions of the lanes, putting another lane's where one has
 * none.  Returns false if no lane has one. */
static bool
collect_sessions(struct vnetenc_lanes *lanes, struct vnetenc_route *route)
{
    struct vnetenc_tx *any = NULL;
    unsigned int n;

    atomic_read_relaxed(&lanes->n_lanes, &n);
    n = MIN(n, VNETENC_MAX_LANES);
    for (unsigned int i = 0; i < n; i++) {
        route->tx[i] = ovsrcu_get(struct vnetenc_tx *, &lanes->tx[i]);
        if (route->tx[i]) {
            any = route->tx[i];
        }
    }
    for (unsigned int i = 0; i < n; i++) {
        if (!route->tx[i]) {
            route->tx[i] = any;
        }
    }
    route->n_lanes = n;
    return any != NULL;
}

/* Tells the control thread that 'path' is missed.  Should its queue be full,
 * the next packets will try again. */
static void
want_session(const struct vnetenc_path_key *path)
{
    vnetenc_inbox_post(VNETENC_INBOX_KNOWN, VNETENC_EV_WANT, path, 0, 0,
                       NULL, 0);
}

/* The peer has no lanes, so at most a row. */
static enum vnetenc_drop
judge_peer(const struct vnetenc_path_key *path, bool require)
{
    bool loaded = vnetenc_gates_loaded();
    struct vnetenc_gate *gate = vnetenc_gate_find(&path->remote);

    if (gate) {
        if (vnetenc_gate_may_want(gate, time_msec())) {
            want_session(path);
        }
        return require ? VNETENC_DROP_tx_no_session
                       : VNETENC_DROP_tx_prefer_wait;
    } else if (!loaded) {
        return VNETENC_DROP_tx_not_ready;
    }
    return require ? VNETENC_DROP_tx_no_peer : VNETENC_DROP_clear_no_peer;
}

/* The path is known, but no lane has a session. */
static enum vnetenc_drop
judge_lanes(struct vnetenc_lanes *lanes, bool require)
{
    long long int now = time_msec();
    long long int clear_at;
    unsigned int reason;

    if (vnetenc_lanes_may_want(lanes, now)) {
        want_session(&lanes->path);
    }
    if (require) {
        return VNETENC_DROP_tx_no_session;
    }
    atomic_read_relaxed(&lanes->clear_at, &clear_at);
    if (now < clear_at) {
        return VNETENC_DROP_tx_prefer_wait;
    }
    atomic_read_relaxed(&lanes->clear_reason, &reason);
    return vnetenc_is_fallback(reason) ? reason : VNETENC_DROP_tx_prefer_wait;
}

static size_t
outer_size(bool ipv6)
{
    return (ETH_HEADER_LEN + UDP_HEADER_LEN
            + (ipv6 ? IPV6_HEADER_LEN : IP_HEADER_LEN));
}

/* Bytes that sealing adds, by the session that adds most. */
static size_t
overhead(const struct vnetenc_route *route)
{
    size_t max = 0;

    for (unsigned int i = 0; i < route->n_lanes; i++) {
        max = MAX(max, vnetenc_record_overhead(route->tx[i]->cipher));
    }
    return max;
}

/* Sets 'route->max_size'. */
static void
limit_size(struct vnetenc_route *route)
{
    unsigned int mtu;
    size_t added;

    atomic_read_relaxed(&route->lanes->mtu, &mtu);
    if (!mtu) {
        route->max_size = SIZE_MAX;
        return;
    }
    added = overhead(route);
    route->max_size = MAX(ETH_HEADER_LEN + mtu,
                          outer_size(route->ipv6) + added) - added;
}

enum vnetenc_drop
vnetenc_route_find(const struct dp_packet *packet,
                   const struct ovs_action_vnetenc *action,
                   unsigned int n_packets, struct vnetenc_route *route)
{
    /* Whatever is not known to be weaker is `require`. */
    bool require = action->mode != VNETENC_PREFER;
    enum vnetenc_drop verdict;
    uint64_t orig;

    /* Zero the padding: callers hash and compare whole structs. */
    memset(&route->path, 0, sizeof route->path);
    if (!vnetenc_outer_parse_addresses(packet, &route->ipv6,
                                       &route->path.local,
                                       &route->path.remote)) {
        return VNETENC_DROP_tx_bad_packet;
    }
    route->path.dtls_port = action->tp_dst;
    route->path.profile = action->profile;
    route->lanes = vnetenc_lanes_find(&route->path);
    if (!route->lanes) {
        return judge_peer(&route->path, require);
    }
    if (collect_sessions(route->lanes, route)) {
        limit_size(route);
        return VNETENC_KEEP;
    }

    verdict = judge_lanes(route->lanes, require);
    atomic_add_relaxed(vnetenc_is_fallback(verdict) ? &route->lanes->n_clear
                                                    : &route->lanes->n_dropped,
                       n_packets, &orig);
    return verdict;
}

bool
vnetenc_route_admits(const struct vnetenc_route *route,
                     const struct dp_packet *packet,
                     const struct vnetenc_outer *outer)
{
    return (outer->ipv6 == route->ipv6
            && vnetenc_outer_has_addresses(packet, outer->ipv6,
                                           &route->path.local,
                                           &route->path.remote));
}

unsigned int
vnetenc_route_lane(const struct vnetenc_route *route,
                   const struct vnetenc_outer *outer)
{
    return (route->n_lanes == 1 ? 0
            : hash_int((OVS_FORCE uint16_t) outer->udp_src, 0)
              % route->n_lanes);
}
