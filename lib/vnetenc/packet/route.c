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
#include "odp-netlink.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/bridge/inbox.h"
#include "vnetenc/bridge/tx.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc/mode.h"

BUILD_ASSERT_DECL(sizeof(struct ovs_action_vnetenc) == 4);

/* Asks the control thread for a session.  If its queue is full, the next
 * packets will ask again. */
static void
want_session(const struct vnetenc_path_key *key)
{
    vnetenc_inbox_post(VNETENC_INBOX_KNOWN, VNETENC_EV_WANT, key, 0, 0,
                       NULL, 0);
}

/* Decides about packets without a path.  Their peer has a gate if it has a
 * VNetEnc_Peer row. */
static enum vnetenc_drop
judge_peer(const struct vnetenc_path_key *key, bool require)
{
    bool loaded = vnetenc_gates_loaded();
    struct vnetenc_gate *gate = vnetenc_gate_find(&key->remote);

    if (gate) {
        if (vnetenc_gate_may_want(gate, time_msec())) {
            want_session(key);
        }
        return require ? VNETENC_DROP_tx_no_session
                       : VNETENC_DROP_tx_prefer_wait;
    } else if (!loaded) {
        return VNETENC_DROP_tx_not_ready;
    }
    return require ? VNETENC_DROP_tx_no_peer : VNETENC_DROP_clear_no_peer;
}

/* Decides about packets on a path of which no lane has a session. */
static enum vnetenc_drop
judge_path(struct vnetenc_path *path, bool require)
{
    long long int now = time_msec();
    long long int clear_at;
    unsigned int reason;

    if (vnetenc_path_may_want(path, now)) {
        want_session(&path->key);
    }
    if (require) {
        return VNETENC_DROP_tx_no_session;
    }
    atomic_read_relaxed(&path->clear_at, &clear_at);
    if (now < clear_at) {
        return VNETENC_DROP_tx_prefer_wait;
    }
    atomic_read_relaxed(&path->clear_reason, &reason);
    return (vnetenc_drop_is_fallback(reason)
            ? reason : VNETENC_DROP_tx_prefer_wait);
}

static size_t
outer_size(bool ipv6)
{
    return (ETH_HEADER_LEN + UDP_HEADER_LEN
            + (ipv6 ? IPV6_HEADER_LEN : IP_HEADER_LEN));
}

/* Returns the number of bytes that sealing adds in the session that adds
 * most. */
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

    atomic_read_relaxed(&route->path->mtu, &mtu);
    if (!mtu) {
        route->max_size = SIZE_MAX;
        return;
    }
    added = overhead(route);
    route->max_size = MAX(ETH_HEADER_LEN + mtu,
                          outer_size(route->ipv6) + added) - added;
}

/* Sets 'route->key' and 'route->ipv6'.  Returns false if 'packet' is not a
 * packet that a tunnel pushed. */
static bool
begin(struct vnetenc_route *route, const struct dp_packet *packet,
      const struct ovs_action_vnetenc *action)
{
    vnetenc_path_key_init(&route->key);
    route->path = NULL;
    if (!vnetenc_outer_parse_addresses(packet, &route->ipv6,
                                       &route->key.local,
                                       &route->key.remote)) {
        return false;
    }
    route->key.dtls_port = action->tp_dst;
    route->key.profile = action->profile;
    return true;
}

/* Takes the sessions of 'route->path'.  Returns false if it has none. */
static bool
take_sessions(struct vnetenc_route *route)
{
    route->n_lanes = vnetenc_lanes_get(&route->path->lanes, route->tx);
    return route->n_lanes != 0;
}

enum vnetenc_drop
vnetenc_route_find(const struct dp_packet *packet,
                   const struct ovs_action_vnetenc *action,
                   struct vnetenc_route *route)
{
    /* A mode that is not known to be weaker counts as `require`. */
    bool require = action->mode != VNETENC_PREFER;

    if (!begin(route, packet, action)) {
        return VNETENC_DROP_tx_bad_packet;
    }
    route->path = vnetenc_path_find(&route->key);
    if (!route->path) {
        return judge_peer(&route->key, require);
    }
    if (!take_sessions(route)) {
        return judge_path(route->path, require);
    }
    limit_size(route);
    return VNETENC_KEEP;
}

void
vnetenc_route_find_batch(struct dp_packet *const packets[],
                         const struct ovs_action_vnetenc actions[], size_t n,
                         struct vnetenc_route routes[], bool ready[])
{
    const struct vnetenc_path_key *keys[VNETENC_BURST];
    struct vnetenc_path *paths[VNETENC_BURST];

    ovs_assert(n >= 1 && n <= VNETENC_BURST);
    for (size_t i = 0; i < n; i++) {
        ready[i] = begin(&routes[i], packets[i], &actions[i]);
        keys[i] = &routes[i].key;
    }
    vnetenc_path_find_batch(keys, n, paths);
    for (size_t i = 0; i < n; i++) {
        routes[i].path = paths[i];
        ready[i] = ready[i] && paths[i] && take_sessions(&routes[i]);
        for (size_t k = 0; ready[i] && k < routes[i].n_lanes; k++) {
            vnetenc_tx_fetch(routes[i].tx[k]);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (ready[i]) {
            limit_size(&routes[i]);
        }
    }
}
