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
#include "vnetenc/bridge/half-open.h"
#include "cmap.h"
#include "ovs-rcu.h"
#include "util.h"
#include "vnetenc/bridge/path.h"
#include "vnetenc/bridge/rate.h"
#include "vnetenc/bridge/tuple.h"

struct vnetenc_half_open {
    struct cmap_node node;      /* In 'half_opens'. */
    struct vnetenc_path_key path;   /* The profile does not matter. */
    ovs_be16 lane_port;
    struct vnetenc_rate rate;   /* Any thread. */
};

static struct cmap half_opens = CMAP_INITIALIZER;

struct vnetenc_half_open *
vnetenc_half_open_add(const struct vnetenc_path_key *path, ovs_be16 lane_port)
{
    struct vnetenc_half_open *half_open = xmalloc(sizeof *half_open);

    half_open->path = *path;
    half_open->lane_port = lane_port;
    vnetenc_rate_init(&half_open->rate);
    cmap_insert(&half_opens, &half_open->node,
                vnetenc_tuple_hash_path(path, lane_port));
    return half_open;
}

void
vnetenc_half_open_remove(struct vnetenc_half_open *half_open)
{
    if (half_open) {
        cmap_remove(&half_opens, &half_open->node,
                    vnetenc_tuple_hash_path(&half_open->path,
                                            half_open->lane_port));
        ovsrcu_postpone(free, half_open);
    }
}

struct vnetenc_half_open *
vnetenc_half_open_find(const struct in6_addr *local, ovs_be16 dtls_port,
                       const struct in6_addr *remote, ovs_be16 lane_port)
{
    uint32_t hash = vnetenc_tuple_hash(local, dtls_port, remote, lane_port);
    struct vnetenc_half_open *half_open;

    CMAP_FOR_EACH_WITH_HASH (half_open, node, hash, &half_opens) {
        if (half_open->lane_port == lane_port
            && vnetenc_tuple_is_of_path(&half_open->path, local, dtls_port,
                                        remote)) {
            return half_open;
        }
    }
    return NULL;
}

bool
vnetenc_half_open_admit(struct vnetenc_half_open *half_open,
                        long long int now)
{
    return vnetenc_rate_take(&half_open->rate, now,
                             1000000 / VNETENC_SOURCE_PER_SECOND,
                             VNETENC_SOURCE_BURST);
}
