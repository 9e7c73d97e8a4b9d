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

#include "ovn-vnetenc-switch.h"

#include "datapath-sync.h"
#include "en-global-config.h"
#include "lib/ovn-nb-idl.h"
#include "lib/ovn-vnetenc-demand.h"
#include "lib/ovn-vnetenc-loglevel.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(ovn_vnetenc_switch);

/* Returns the mode of switches that set none.  If the value cannot be read,
 * the former value stays in force; if there is no former value, for instance
 * after a start, the mode is VNETENC_REQUIRE. */
static enum vnetenc_mode
default_mode(const struct smap *nb_options)
{
    static enum vnetenc_mode in_force = VNETENC_REQUIRE;
    static char *refused = NULL;        /* Newest value that was logged. */
    const char *s = smap_get(nb_options, OVN_VNETENC_NB_DEFAULT);
    enum vnetenc_mode mode = VNETENC_OFF;

    if (s && !vnetenc_mode_from_string(s, &mode)) {
        if (!refused || strcmp(refused, s)) {
            VLOG_WARN("NB_Global options:%s=%s: must be one of off, prefer, "
                      "require; %s is used", OVN_VNETENC_NB_DEFAULT, s,
                      vnetenc_mode_to_string(in_force));
            free(refused);
            refused = xstrdup(s);
        }
        return in_force;
    }
    in_force = s ? mode : VNETENC_REQUIRE;
    free(refused);
    refused = NULL;
    return mode;
}

/* The last profile, and the last level of the flow log, of each switch that
 * could be read and was not 0, by UUID of the switch. */
static struct shash profiles = SHASH_INITIALIZER(&profiles);
static struct shash loglevels = SHASH_INITIALIZER(&loglevels);

static void
forget_deleted(struct shash *values,
               const struct ovn_unsynced_datapath_map *map)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, values) {
        struct uuid uuid;

        if (!uuid_from_string(&uuid, node->name)
            || !ovn_unsynced_datapath_find(map, &uuid)) {
            shash_delete(values, node);
        }
    }
}

/* Returns the last value of the switch that could be read. */
static uintptr_t
recall(const struct shash *values, const struct nbrec_logical_switch *nbs)
{
    char uuid[UUID_LEN + 1];
    const void *value;

    snprintf(uuid, sizeof uuid, UUID_FMT, UUID_ARGS(&nbs->header_.uuid));
    value = shash_find_data(values, uuid);
    return (uintptr_t) value;
}

static void
remember(struct shash *values, const struct nbrec_logical_switch *nbs,
         uintptr_t value)
{
    char uuid[UUID_LEN + 1];

    snprintf(uuid, sizeof uuid, UUID_FMT, UUID_ARGS(&nbs->header_.uuid));
    if (value) {
        shash_replace(values, uuid, (void *) value);
    } else {
        shash_find_and_delete(values, uuid);
    }
}

static void
warn_two_profiles(const struct nbrec_logical_switch *nbs)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 10);

    if (smap_get(&nbs->other_config, OVN_VNETENC_NB_PROFILE)) {
        VLOG_WARN_RL(&rl, "logical switch %s: other_config:%s is ignored "
                     "because the switch has the credential %s", nbs->name,
                     OVN_VNETENC_NB_PROFILE, nbs->encryption_credential->name);
    }
}

/* Returns the profile of the switch: that of its credential or, without one,
 * a number.  If the number cannot be read, the former number stays in force;
 * if there is no former number, for instance after a start, the profile is
 * 0. */
static uint8_t
switch_profile(const struct nbrec_logical_switch *nbs)
{
    if (nbs->encryption_credential) {
        warn_two_profiles(nbs);
        return nbs->encryption_credential->id;
    }

    const char *s = smap_get(&nbs->other_config, OVN_VNETENC_NB_PROFILE);
    uint8_t profile = 0;

    if (s && !vnetenc_mode_profile_from_string(s, &profile)) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 10);

        profile = recall(&profiles, nbs);
        VLOG_WARN_RL(&rl, "logical switch %s: other_config:%s=%s: must be a "
                     "number from 0 to 255; %"PRIu8" is used",
                     nbs->name, OVN_VNETENC_NB_PROFILE, s, profile);
    } else {
        remember(&profiles, nbs, profile);
    }
    return profile;
}

/* Returns the level of the flow log of the switch.  If the value cannot be
 * read, the former value stays in force; if there is no former value, the
 * switch is not logged. */
static enum ovn_vnetenc_loglevel
switch_loglevel(const struct nbrec_logical_switch *nbs)
{
    enum ovn_vnetenc_loglevel level = OVN_VNETENC_LOGLEVEL_OFF;
    const char *s = smap_get(&nbs->other_config, OVN_VNETENC_NB_LOG);

    if (s && !ovn_vnetenc_loglevel_from_string(s, &level)) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 10);

        level = recall(&loglevels, nbs);
        VLOG_WARN_RL(&rl, "logical switch %s: other_config:%s=%s: must be one "
                     "of off, pair, connection; %s is used",
                     nbs->name, OVN_VNETENC_NB_LOG, s,
                     ovn_vnetenc_loglevel_to_string(level));
    } else {
        remember(&loglevels, nbs, level);
    }
    return level;
}

static struct ovn_vnetenc_demand
switch_demand(const struct nbrec_logical_switch *nbs,
              const struct smap *nb_options)
{
    struct ovn_vnetenc_demand demand = { .mode = VNETENC_OFF };

    /* The column is NULL if it is empty or the server's schema does not have
     * it.  The schema and the IDL allow only known modes; for an unknown one,
     * too strong is better than too weak. */
    if (!nbs->encryption) {
        demand.mode = default_mode(nb_options);
    } else if (!vnetenc_mode_from_string(nbs->encryption, &demand.mode)) {
        demand.mode = VNETENC_REQUIRE;
    }
    demand.profile = switch_profile(nbs);
    return demand;
}

void
ovn_vnetenc_switch_external_ids(const struct nbrec_logical_switch *nbs,
                                const struct ed_type_global_config *global,
                                struct smap *external_ids)
{
    struct ovn_vnetenc_demand demand = switch_demand(nbs, &global->nb_options);

    if (demand.mode != VNETENC_OFF && global->vxlan_mode) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);

        VLOG_WARN_RL(&rl, "logical switch %s: encryption=%s in VXLAN mode: "
                     "a packet that arrived encrypted must leave encrypted, "
                     "whatever its switch demands; use Geneve, or set "
                     "NB_Global options:vxlan_mode=false", nbs->name,
                     vnetenc_mode_to_string(demand.mode));
    }
    ovn_vnetenc_demand_put(external_ids, demand);

    enum ovn_vnetenc_loglevel level = switch_loglevel(nbs);
    if (level != OVN_VNETENC_LOGLEVEL_OFF) {
        smap_add(external_ids, OVN_VNETENC_LOG,
                 ovn_vnetenc_loglevel_to_string(level));
    }
}

bool
ovn_vnetenc_default_changed(const struct ovn_unsynced_datapath_map *map,
                            const struct ed_type_global_config *global)
{
    const struct ovn_unsynced_datapath *udp;

    if (global->tracked && !global->tracked_data.nb_options_changed) {
        return false;
    }
    forget_deleted(&profiles, map);
    forget_deleted(&loglevels, map);
    HMAP_FOR_EACH (udp, hmap_node, &map->dps) {
        const struct nbrec_logical_switch *nbs =
            CONTAINER_OF(udp->nb_row, struct nbrec_logical_switch, header_);

        if (!ovn_vnetenc_demand_equals(
                ovn_vnetenc_demand_get(&udp->external_ids),
                switch_demand(nbs, &global->nb_options))) {
            return true;
        }
    }
    return false;
}
