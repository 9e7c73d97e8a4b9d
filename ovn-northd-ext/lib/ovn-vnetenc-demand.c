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

#include "ovn-vnetenc-demand.h"

#include "lib/ovn-sb-idl.h"
#include "lib/ovn-util.h"
#include "smap.h"

struct ovn_vnetenc_demand
ovn_vnetenc_demand_get(const struct smap *options)
{
    struct ovn_vnetenc_demand demand = { .mode = VNETENC_OFF };
    const char *mode = smap_get(options, OVN_VNETENC_MODE);
    const char *profile = smap_get(options, OVN_VNETENC_PROFILE);

    if (mode && !vnetenc_mode_from_string(mode, &demand.mode)) {
        /* A newer ovn-northd wrote it.  Too strong is better than too
         * weak. */
        demand.mode = VNETENC_REQUIRE;
    }
    if (profile) {
        vnetenc_mode_profile_from_string(profile, &demand.profile);
    }
    return demand;
}

void
ovn_vnetenc_demand_put(struct smap *options, struct ovn_vnetenc_demand demand)
{
    if (demand.mode != VNETENC_OFF) {
        smap_add(options, OVN_VNETENC_MODE,
                 vnetenc_mode_to_string(demand.mode));
    }
    if (demand.profile) {
        smap_add_format(options, OVN_VNETENC_PROFILE, "%u", demand.profile);
    }
}

bool
ovn_vnetenc_demand_equals(struct ovn_vnetenc_demand a,
                          struct ovn_vnetenc_demand b)
{
    return a.mode == b.mode && a.profile == b.profile;
}

struct ovn_vnetenc_demand
ovn_vnetenc_demand_of_dp(const struct sbrec_datapath_binding *dp)
{
    return ovn_vnetenc_demand_get(&dp->external_ids);
}

struct ovn_vnetenc_demand
ovn_vnetenc_demand_on_wire(const struct sbrec_datapath_binding *dp,
                           const struct ovsdb_idl *sb_idl)
{
    struct ovn_vnetenc_demand demand = ovn_vnetenc_demand_of_dp(dp);
    const struct sbrec_encryption_credential *credential;

    SBREC_ENCRYPTION_CREDENTIAL_FOR_EACH (credential, sb_idl) {
        for (size_t i = 0; i < credential->n_datapaths; i++) {
            if (credential->datapaths[i] == dp) {
                demand.profile = credential->id;
            }
        }
    }
    return demand;
}

struct ovn_vnetenc_demand
ovn_vnetenc_demand_of_port(const struct sbrec_port_binding *pb)
{
    struct ovn_vnetenc_demand demand =
        ovn_vnetenc_demand_get(&pb->external_ids);

    demand.profile = 0;
    if (strcmp(pb->type, "chassisredirect")
        || strcmp(datapath_get_nb_type(pb->datapath), "logical-router")) {
        return demand;
    }

    struct ovn_vnetenc_demand former = ovn_vnetenc_demand_get(&pb->options);
    if (former.mode > demand.mode) {
        demand.mode = former.mode;
        demand.yields = true;
    }
    return demand;
}
