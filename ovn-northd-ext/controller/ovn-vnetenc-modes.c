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

#include "ovn-vnetenc-modes.h"

#include <limits.h>

#include "hash.h"
#include "lib/ovn-sb-idl.h"
#include "local_data.h"
#include "smap.h"
#include "util.h"

static struct ovn_vnetenc_dp *
find(const struct ovn_vnetenc_modes *modes, uint32_t key)
{
    struct ovn_vnetenc_dp *dp;

    HMAP_FOR_EACH_WITH_HASH (dp, node, hash_int(key, 0), &modes->dps) {
        if (dp->key == key) {
            return dp;
        }
    }
    return NULL;
}

const struct ovn_vnetenc_dp *
ovn_vnetenc_modes_find_demanding(const struct ovn_vnetenc_modes *modes,
                                 uint32_t key)
{
    const struct ovn_vnetenc_dp *dp = find(modes, key);

    return dp && dp->tx.mode != VNETENC_OFF ? dp : NULL;
}

/* Lets 'dp' settle if its mode changed.  'dp' has the present demand in the
 * database; 'former' is the same datapath before the change. */
static void
settle(struct ovn_vnetenc_dp *dp, const struct ovn_vnetenc_dp *former,
       long long int now_ms, uint64_t nb_cfg)
{
    bool settling = (former->settled_at != LLONG_MAX
                     && (former->fresh || former->settled_at > now_ms));
    enum vnetenc_mode from = former->demand.mode;
    enum vnetenc_mode to = dp->demand.mode;

    if ((to == VNETENC_REQUIRE && from != VNETENC_REQUIRE)
        || (to == VNETENC_OFF && from == VNETENC_REQUIRE)) {
        dp->settled_at = now_ms + OVN_VNETENC_SETTLE_MS;
        dp->fresh = true;
        if (dp->local || former->local) {
            dp->nb_cfg = nb_cfg;
        }
    } else if (settling) {
        dp->settled_at = former->settled_at;
        dp->fresh = former->fresh;
    } else {
        return;
    }

    if (settling) {
        dp->nb_cfg = MIN(dp->nb_cfg, former->nb_cfg);
    }

    struct ovn_vnetenc_demand tx = settling ? former->tx : former->demand;
    if (tx.mode > to) {
        dp->tx = tx;
    }
    if (former->local
        && (from == VNETENC_OFF || (settling && former->rx == VNETENC_OFF))) {
        dp->rx = VNETENC_OFF;
    }
}

void
ovn_vnetenc_modes_collect(struct ovn_vnetenc_modes *modes,
                          const struct ovn_vnetenc_modes *former,
                          const struct sbrec_datapath_binding_table *table,
                          const struct hmap *local_datapaths,
                          long long int now_ms, uint64_t nb_cfg)
{
    const struct sbrec_datapath_binding *sb;

    BUILD_ASSERT_DECL(VNETENC_OFF < VNETENC_PREFER
                      && VNETENC_PREFER < VNETENC_REQUIRE);

    SBREC_DATAPATH_BINDING_TABLE_FOR_EACH (sb, table) {
        const struct ovn_vnetenc_dp *before = find(former, sb->tunnel_key);
        struct ovn_vnetenc_dp *dp = xmalloc(sizeof *dp);

        *dp = (struct ovn_vnetenc_dp) {
            .key = sb->tunnel_key,
            .cookie = sb->header_.uuid.parts[0],
            .evpn = smap_get(&sb->external_ids, "dynamic-routing-vni"),
            .local = get_local_datapath(local_datapaths, sb->tunnel_key),
            .demand = ovn_vnetenc_demand_of_dp(sb),
            .settled_at = LLONG_MAX,
            .nb_cfg = UINT64_MAX,
        };
        dp->tx = dp->demand;
        dp->rx = dp->demand.mode;
        if (before && before->cookie == dp->cookie) {
            settle(dp, before, now_ms, nb_cfg);
        }
        hmap_insert(&modes->dps, &dp->node, hash_int(dp->key, 0));
        modes->settled_at = MIN(modes->settled_at, dp->settled_at);
        modes->nb_cfg = MIN(modes->nb_cfg, dp->nb_cfg);
        modes->fresh |= dp->fresh;
        if (dp->tx.mode != VNETENC_OFF) {
            modes->n_demanding++;
            modes->evpn |= dp->evpn;
        }
    }
}

void
ovn_vnetenc_modes_start(struct ovn_vnetenc_modes *modes, long long int now_ms)
{
    struct ovn_vnetenc_dp *dp;

    modes->settled_at = LLONG_MAX;
    HMAP_FOR_EACH (dp, node, &modes->dps) {
        if (dp->fresh) {
            dp->settled_at = now_ms + OVN_VNETENC_SETTLE_MS;
            dp->fresh = false;
        }
        modes->settled_at = MIN(modes->settled_at, dp->settled_at);
    }
    modes->fresh = false;
}

void
ovn_vnetenc_modes_clear(struct ovn_vnetenc_modes *modes)
{
    struct ovn_vnetenc_dp *dp;

    HMAP_FOR_EACH_POP (dp, node, &modes->dps) {
        free(dp);
    }
    modes->n_demanding = 0;
    modes->evpn = false;
    modes->fresh = false;
    modes->settled_at = LLONG_MAX;
    modes->nb_cfg = UINT64_MAX;
}

void
ovn_vnetenc_modes_replace(struct ovn_vnetenc_modes *modes,
                          struct ovn_vnetenc_modes *new)
{
    ovn_vnetenc_modes_clear(modes);
    hmap_swap(&modes->dps, &new->dps);
    modes->n_demanding = new->n_demanding;
    modes->evpn = new->evpn;
    modes->fresh = new->fresh;
    modes->settled_at = new->settled_at;
    modes->nb_cfg = new->nb_cfg;
    ovn_vnetenc_modes_destroy(new);
}

void
ovn_vnetenc_modes_destroy(struct ovn_vnetenc_modes *modes)
{
    ovn_vnetenc_modes_clear(modes);
    hmap_destroy(&modes->dps);
}

bool
ovn_vnetenc_modes_equal(const struct ovn_vnetenc_modes *a,
                        const struct ovn_vnetenc_modes *b)
{
    const struct ovn_vnetenc_dp *dp;

    if (a->n_demanding != b->n_demanding) {
        return false;
    }
    HMAP_FOR_EACH (dp, node, &a->dps) {
        const struct ovn_vnetenc_dp *other =
            ovn_vnetenc_modes_find_demanding(b, dp->key);

        if (dp->tx.mode == VNETENC_OFF) {
            continue;
        }
        if (!other || other->cookie != dp->cookie
            || other->evpn != dp->evpn || other->rx != dp->rx
            || !ovn_vnetenc_demand_equals(other->tx, dp->tx)) {
            return false;
        }
    }
    return true;
}
