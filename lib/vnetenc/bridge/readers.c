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
#include "vnetenc/bridge/readers.h"
#include <stdlib.h>
#include <string.h>
#include "ovs-atomic.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/bridge/inbox.h"

struct readers {
    size_t n;
    struct vnetenc_readers_port ports[];
};

static OVSRCU_TYPE(struct readers *) current;
static atomic_uint64_t serial;

static bool
same_port(const struct vnetenc_readers_port *a,
          const struct vnetenc_readers_port *b)
{
    return a->port == b->port && ipv6_addr_equals(&a->local, &b->local);
}

static bool
is_current(const struct vnetenc_readers_port *ports, size_t n)
{
    const struct readers *r = ovsrcu_get(struct readers *, &current);

    if (n != (r ? r->n : 0)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!same_port(&ports[i], &r->ports[i])) {
            return false;
        }
    }
    return true;
}

void
vnetenc_readers_set(const struct vnetenc_readers_port *ports, size_t n)
{
    struct readers *old = ovsrcu_get_protected(struct readers *, &current);
    struct readers *new;
    uint64_t orig;

    if (is_current(ports, n)) {
        return;
    }
    new = xmalloc(sizeof *new + n * sizeof *ports);
    new->n = n;
    if (n) {
        memcpy(new->ports, ports, n * sizeof *ports);
    }
    ovsrcu_set(&current, new);
    if (old) {
        ovsrcu_postpone(free, old);
    }
    atomic_add(&serial, 1, &orig);
    vnetenc_inbox_wake();
}

bool
vnetenc_readers_have(const struct in6_addr *local, ovs_be16 port)
{
    const struct vnetenc_readers_port wanted = { *local, port };
    const struct readers *r = ovsrcu_get(struct readers *, &current);

    for (size_t i = 0; r && i < r->n; i++) {
        if (same_port(&r->ports[i], &wanted)) {
            return true;
        }
    }
    return false;
}

uint64_t
vnetenc_readers_serial(void)
{
    uint64_t n;

    atomic_read(&serial, &n);
    return n;
}
