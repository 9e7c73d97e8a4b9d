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
#include "vnetenc/bridge/gate.h"
#include "hash.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/bridge/limits.h"

static struct cmap peers = CMAP_INITIALIZER;
static atomic_bool loaded = false;

static uint32_t
hash_remote(const struct in6_addr *remote)
{
    return hash_bytes(remote, sizeof *remote, 0);
}

struct vnetenc_peer *
vnetenc_peer_add(const struct in6_addr *remote)
{
    struct vnetenc_peer *peer = xmalloc(sizeof *peer);

    peer->remote = *remote;
    vnetenc_rate_init(&peer->want);
    vnetenc_rate_init(&peer->hold);
    vnetenc_rate_init(&peer->report);
    vnetenc_rate_init(&peer->handshake);
    cmap_insert(&peers, &peer->node, hash_remote(remote));
    return peer;
}

void
vnetenc_peer_remove(struct vnetenc_peer *peer)
{
    cmap_remove(&peers, &peer->node, hash_remote(&peer->remote));
    ovsrcu_postpone(free, peer);
}

struct vnetenc_peer *
vnetenc_peer_find(const struct in6_addr *remote)
{
    struct vnetenc_peer *peer;

    CMAP_FOR_EACH_WITH_HASH (peer, node, hash_remote(remote), &peers) {
        if (ipv6_addr_equals(&peer->remote, remote)) {
            return peer;
        }
    }
    return NULL;
}

bool
vnetenc_peer_admit(struct vnetenc_peer *peer, long long int now)
{
    return vnetenc_rate_take(&peer->handshake, now,
                             1000000 / VNETENC_SOURCE_PER_SECOND,
                             VNETENC_SOURCE_BURST);
}

bool
vnetenc_peer_may_want(struct vnetenc_peer *peer, long long int now)
{
    return vnetenc_rate_take(&peer->want, now,
                             1000 * VNETENC_WANT_INTERVAL_MS, 1);
}

bool
vnetenc_peer_may_hold(struct vnetenc_peer *peer, long long int now)
{
    return vnetenc_rate_take(&peer->hold, now,
                             1000000 / VNETENC_HOLD_PER_SECOND,
                             VNETENC_HOLD_BURST);
}

bool
vnetenc_peer_may_report(struct vnetenc_peer *peer, long long int now)
{
    return vnetenc_rate_take(&peer->report, now,
                             1000 * VNETENC_HINT_INTERVAL_MS, 1);
}

void
vnetenc_peers_set_loaded(void)
{
    atomic_store_explicit(&loaded, true, memory_order_release);
}

void
vnetenc_peers_unset_loaded(void)
{
    atomic_store_explicit(&loaded, false, memory_order_release);
}

bool
vnetenc_peers_loaded(void)
{
    bool result;

    atomic_read_explicit(&loaded, &result, memory_order_acquire);
    return result;
}
