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
#include "ovn-vnetenc-rights.h"
#include "smap.h"
#include "util.h"
#include "uuid.h"

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

    dp->tx.mode = MAX(to, settling ? former->tx.mode : from);
    if (former->local
        && (from == VNETENC_OFF || (settling && former->rx == VNETENC_OFF))) {
        dp->rx = VNETENC_OFF;
    }
}

/* Returns true if 'profile' is still what it was under 'credential': the id of
 * a credential that is gone may belong to another tenant by now. */
static bool
is_present(const struct uuid present[OVN_VNETENC_N_PROFILES], uint8_t profile,
           const struct uuid *credential)
{
    return uuid_equals(&present[profile], credential);
}

static void
accept_former(struct ovn_vnetenc_dp *dp, struct ovn_vnetenc_former former,
              const struct uuid present[OVN_VNETENC_N_PROFILES])
{
    if (former.profile == dp->demand.profile
        || !is_present(present, former.profile, &former.credential)) {
        return;
    }
    for (size_t i = 0; i < dp->n_former; i++) {
        if (dp->former[i].profile == former.profile) {
            dp->former[i] = former;
            return;
        }
    }
    if (dp->n_former == OVN_VNETENC_MAX_FORMER) {
        dp->n_former--;
        memmove(&dp->former[0], &dp->former[1],
                dp->n_former * sizeof dp->former[0]);
    }
    dp->former[dp->n_former++] = former;
}

/* Lets 'dp' send under the profile under which 'former', the same datapath
 * before, sent, if it may for a moment. */
static void
settle_tx_profile(struct ovn_vnetenc_dp *dp,
                  const struct ovn_vnetenc_dp *former, bool changed,
                  const struct uuid present[OVN_VNETENC_N_PROFILES],
                  long long int now_ms)
{
    if (!is_present(present, former->tx.profile, &former->tx_credential)) {
        return;
    }
    if (changed) {
        dp->tx_at = now_ms + OVN_VNETENC_TX_MS;
    } else if (former->tx_at != LLONG_MAX && former->tx_at > now_ms) {
        dp->tx_at = former->tx_at;
    } else {
        return;
    }
    dp->tx.profile = former->tx.profile;
    dp->tx_credential = former->tx_credential;
}

/* Lets 'dp' keep the profile that 'former', the same datapath before, had.
 * 'present' has the credentials of all profiles.  Call after settle(). */
static void
settle_profile(struct ovn_vnetenc_dp *dp, const struct ovn_vnetenc_dp *former,
               const struct uuid present[OVN_VNETENC_N_PROFILES],
               long long int now_ms, uint64_t nb_cfg)
{
    bool changed = dp->demand.profile != former->demand.profile;

    if (!former->local) {
        return;
    }
    settle_tx_profile(dp, former, changed, present, now_ms);

    /* The time of a former profile runs from the change of those that leave,
     * which begins when the flows have been sent. */
    bool sent = former->tx_at != LLONG_MAX && dp->tx_at == LLONG_MAX;
    for (size_t i = 0; i < former->n_former; i++) {
        struct ovn_vnetenc_former f = former->former[i];

        if (f.until == LLONG_MAX && sent) {
            f.until = now_ms + OVN_VNETENC_RX_MS - OVN_VNETENC_TX_MS;
            f.fresh = true;
        }
        if (f.fresh || f.until > now_ms) {
            accept_former(dp, f, present);
        }
    }
    if (changed) {
        bool waits = dp->tx_at != LLONG_MAX;

        accept_former(dp, (struct ovn_vnetenc_former) {
            .profile = former->demand.profile,
            .credential = former->credential,
            .until = (waits ? LLONG_MAX
                      : now_ms + OVN_VNETENC_RX_MS - OVN_VNETENC_TX_MS),
            .fresh = !waits,
        }, present);
        if (dp->n_former) {
            dp->nb_cfg = MIN(dp->nb_cfg, nb_cfg);
        }
    }
    if (dp->n_former && former->n_former) {
        dp->nb_cfg = MIN(dp->nb_cfg, former->nb_cfg);
    }
}

static bool
is_fresh(const struct ovn_vnetenc_dp *dp)
{
    for (size_t i = 0; i < dp->n_former; i++) {
        if (dp->former[i].fresh) {
            return true;
        }
    }
    return dp->fresh;
}

static long long int
changes_at(const struct ovn_vnetenc_dp *dp)
{
    long long int at = MIN(dp->settled_at, dp->tx_at);

    for (size_t i = 0; i < dp->n_former; i++) {
        at = MIN(at, dp->former[i].until);
    }
    return at;
}

bool
ovn_vnetenc_modes_is_settled(const struct ovn_vnetenc_dp *dp)
{
    return changes_at(dp) == LLONG_MAX;
}

/* Gives the datapaths the profiles of the credentials that list them, and
 * fills 'present' with the credential of each profile. */
static void
collect_credentials(
    struct ovn_vnetenc_modes *modes,
    struct uuid present[OVN_VNETENC_N_PROFILES],
    const struct sbrec_encryption_credential_table *credential_table)
{
    const struct sbrec_encryption_credential *credential;

    SBREC_ENCRYPTION_CREDENTIAL_TABLE_FOR_EACH (credential,
                                                credential_table) {
        present[(uint8_t) credential->id] = credential->header_.uuid;
        for (size_t i = 0; i < credential->n_datapaths; i++) {
            struct ovn_vnetenc_dp *dp =
                find(modes, credential->datapaths[i]->tunnel_key);

            if (dp) {
                dp->demand.profile = credential->id;
                dp->credential = credential->header_.uuid;
            }
        }
    }
}

void
ovn_vnetenc_modes_collect(
    struct ovn_vnetenc_modes *modes, const struct ovn_vnetenc_modes *former,
    const struct sbrec_datapath_binding_table *table,
    const struct sbrec_encryption_credential_table *credential_table,
    const struct hmap *local_datapaths, long long int now_ms, uint64_t nb_cfg)
{
    struct uuid present[OVN_VNETENC_N_PROFILES] = { 0 };
    const struct sbrec_datapath_binding *sb;
    struct ovn_vnetenc_dp *dp;

    BUILD_ASSERT_DECL(VNETENC_OFF < VNETENC_PREFER
                      && VNETENC_PREFER < VNETENC_REQUIRE);

    SBREC_DATAPATH_BINDING_TABLE_FOR_EACH (sb, table) {
        dp = xmalloc(sizeof *dp);

        *dp = (struct ovn_vnetenc_dp) {
            .key = sb->tunnel_key,
            .cookie = sb->header_.uuid.parts[0],
            .evpn = smap_get(&sb->external_ids, "dynamic-routing-vni"),
            .local = get_local_datapath(local_datapaths, sb->tunnel_key),
            .log = ovn_vnetenc_loglevel_of_dp(sb),
            .demand = ovn_vnetenc_demand_of_dp(sb),
            .settled_at = LLONG_MAX,
            .tx_at = LLONG_MAX,
            .nb_cfg = UINT64_MAX,
        };
        hmap_insert(&modes->dps, &dp->node, hash_int(dp->key, 0));
    }
    collect_credentials(modes, present, credential_table);
    HMAP_FOR_EACH (dp, node, &modes->dps) {
        const struct ovn_vnetenc_dp *before = find(former, dp->key);

        dp->tx = dp->demand;
        dp->tx_credential = dp->credential;
        dp->rx = dp->demand.mode;
        if (before && before->cookie == dp->cookie) {
            settle(dp, before, now_ms, nb_cfg);
            settle_profile(dp, before, present, now_ms, nb_cfg);
        }
        modes->settled_at = MIN(modes->settled_at, changes_at(dp));
        modes->nb_cfg = MIN(modes->nb_cfg, dp->nb_cfg);
        modes->fresh |= is_fresh(dp);
        if (dp->tx.mode != VNETENC_OFF) {
            modes->n_demanding++;
            modes->evpn |= dp->evpn;
        }
        modes->n_profiled += dp->tx.profile != 0;
        modes->credentials |= !uuid_is_zero(&dp->credential);
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
        for (size_t i = 0; i < dp->n_former; i++) {
            struct ovn_vnetenc_former *former = &dp->former[i];

            if (former->fresh) {
                former->until = (now_ms + OVN_VNETENC_RX_MS
                                 - OVN_VNETENC_TX_MS);
                former->fresh = false;
            }
        }
        modes->settled_at = MIN(modes->settled_at, changes_at(dp));
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
    modes->n_profiled = 0;
    modes->evpn = false;
    modes->credentials = false;
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
    modes->n_profiled = new->n_profiled;
    modes->evpn = new->evpn;
    modes->credentials = new->credentials;
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
            || other->evpn != dp->evpn || other->log != dp->log
            || other->rx != dp->rx
            || !ovn_vnetenc_demand_equals(other->tx, dp->tx)) {
            return false;
        }
    }
    return true;
}

static bool
sends_alike(const struct ovn_vnetenc_modes *a,
            const struct ovn_vnetenc_modes *b)
{
    const struct ovn_vnetenc_dp *dp;

    HMAP_FOR_EACH (dp, node, &a->dps) {
        if (dp->tx.profile != ovn_vnetenc_modes_tx_profile(b, dp->key)) {
            return false;
        }
    }
    return true;
}

bool
ovn_vnetenc_modes_same_profiles(const struct ovn_vnetenc_modes *a,
                                const struct ovn_vnetenc_modes *b)
{
    return ((!a->n_profiled && !b->n_profiled)
            || (sends_alike(a, b) && sends_alike(b, a)));
}

uint8_t
ovn_vnetenc_modes_tx_profile(const struct ovn_vnetenc_modes *modes,
                             uint32_t key)
{
    const struct ovn_vnetenc_dp *dp = find(modes, key);

    return dp ? dp->tx.profile : 0;
}
