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
#include "vnetenc/base/limits.h"

static struct cmap peers = CMAP_INITIALIZER;
static atomic_bool loaded = false;

static uint32_t
hash_remote(const struct in6_addr *remote)
{
    return hash_bytes(remote, sizeof *remote, 0);
}

struct vnetenc_gate *
vnetenc_gate_add(const struct in6_addr *remote)
{
    struct vnetenc_gate *gate = xmalloc(sizeof *gate);

    gate->remote = *remote;
    vnetenc_rate_init(&gate->want);
    vnetenc_rate_init(&gate->hold);
    vnetenc_rate_init(&gate->report);
    vnetenc_rate_init(&gate->hello);
    vnetenc_rate_init(&gate->joined);
    cmap_insert(&peers, &gate->node, hash_remote(remote));
    return gate;
}

void
vnetenc_gate_remove(struct vnetenc_gate *gate)
{
    cmap_remove(&peers, &gate->node, hash_remote(&gate->remote));
    ovsrcu_postpone(free, gate);
}

struct vnetenc_gate *
vnetenc_gate_find(const struct in6_addr *remote)
{
    struct vnetenc_gate *gate;

    CMAP_FOR_EACH_WITH_HASH (gate, node, hash_remote(remote), &peers) {
        if (ipv6_addr_equals(&gate->remote, remote)) {
            return gate;
        }
    }
    return NULL;
}

static bool
take_of_source(struct vnetenc_rate *rate, long long int now)
{
    return vnetenc_rate_take(rate, now, 1000000 / VNETENC_SOURCE_PER_SECOND,
                             VNETENC_SOURCE_BURST);
}

bool
vnetenc_gate_admit_hello(struct vnetenc_gate *gate, long long int now)
{
    return take_of_source(&gate->hello, now);
}

bool
vnetenc_gate_admit_joined(struct vnetenc_gate *gate, long long int now)
{
    return take_of_source(&gate->joined, now);
}

bool
vnetenc_gate_may_want(struct vnetenc_gate *gate, long long int now)
{
    return vnetenc_rate_take(&gate->want, now,
                             1000 * VNETENC_WANT_INTERVAL_MS, 1);
}

bool
vnetenc_gate_may_hold(struct vnetenc_gate *gate, long long int now)
{
    return vnetenc_rate_take(&gate->hold, now,
                             1000000 / VNETENC_HOLD_PER_SECOND,
                             VNETENC_HOLD_BURST);
}

bool
vnetenc_gate_may_report(struct vnetenc_gate *gate, long long int now)
{
    return vnetenc_rate_take(&gate->report, now,
                             1000 * VNETENC_HINT_INTERVAL_MS, 1);
}

void
vnetenc_gates_set_loaded(void)
{
    atomic_store_explicit(&loaded, true, memory_order_release);
}

void
vnetenc_gates_unset_loaded(void)
{
    atomic_store_explicit(&loaded, false, memory_order_release);
}

bool
vnetenc_gates_loaded(void)
{
    bool result;

    atomic_read_explicit(&loaded, &result, memory_order_acquire);
    return result;
}
