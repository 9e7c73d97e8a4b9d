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
#include "vnetenc/bridge/lanes.h"
#include "hash.h"
#include "util.h"

void
vnetenc_lanes_init(struct vnetenc_lanes *lanes, unsigned int n)
{
    ovs_assert(n >= 1 && n <= VNETENC_MAX_LANES);
    for (size_t i = 0; i < VNETENC_MAX_LANES; i++) {
        ovsrcu_init(&lanes->tx[i], NULL);
    }
    atomic_init(&lanes->n, n);
}

struct vnetenc_tx *
vnetenc_lanes_swap(struct vnetenc_lanes *lanes, unsigned int lane,
                   struct vnetenc_tx *tx)
{
    struct vnetenc_tx *old;

    ovs_assert(lane < VNETENC_MAX_LANES);
    old = ovsrcu_get_protected(struct vnetenc_tx *, &lanes->tx[lane]);
    ovsrcu_set(&lanes->tx[lane], tx);
    return old;
}

bool
vnetenc_lanes_up(const struct vnetenc_lanes *lanes)
{
    for (size_t i = 0; i < VNETENC_MAX_LANES; i++) {
        if (ovsrcu_get(struct vnetenc_tx *, &lanes->tx[i])) {
            return true;
        }
    }
    return false;
}

unsigned int
vnetenc_lanes_get(const struct vnetenc_lanes *lanes,
                  struct vnetenc_tx *tx[VNETENC_MAX_LANES])
{
    struct vnetenc_tx *any = NULL;
    unsigned int n;

    atomic_read_relaxed(&CONST_CAST(struct vnetenc_lanes *, lanes)->n, &n);
    n = MIN(n, VNETENC_MAX_LANES);
    for (unsigned int i = 0; i < n; i++) {
        tx[i] = ovsrcu_get(struct vnetenc_tx *, &lanes->tx[i]);
        if (tx[i]) {
            any = tx[i];
        }
    }
    for (unsigned int i = 0; i < n; i++) {
        if (!tx[i]) {
            tx[i] = any;
        }
    }
    return any ? n : 0;
}

unsigned int
vnetenc_lanes_choose(unsigned int n, ovs_be16 udp_src)
{
    return n == 1 ? 0 : hash_int((OVS_FORCE uint16_t) udp_src, 0) % n;
}
