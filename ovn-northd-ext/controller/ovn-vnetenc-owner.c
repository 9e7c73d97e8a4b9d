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

#include "ovn-vnetenc-owner.h"

#include <string.h>

#include "lib/vswitch-idl.h"
#include "smap.h"

const char ovn_vnetenc_owner_credential[] = "ovn-credential";

bool
ovn_vnetenc_owner_is_configured(
    const struct ovsrec_open_vswitch_table *ovs_table, const char *name)
{
    const struct ovsrec_open_vswitch *cfg =
        ovsrec_open_vswitch_table_first(ovs_table);
    const struct smap_node *node;

    if (!cfg) {
        return true;
    }
    SMAP_FOR_EACH (node, &cfg->external_ids) {
        /* Keys for one of several chassis: "ovn-encap-ip-NAME". */
        size_t len = strlen(node->key), name_len = strlen(name);

        if ((!strcmp(node->key, "system-id") && !strcmp(node->value, name))
            || (len > name_len && node->key[len - name_len - 1] == '-'
                && !strcmp(node->key + len - name_len, name))) {
            return true;
        }
    }
    return false;
}

const char *
ovn_vnetenc_owner_get(const struct smap *external_ids)
{
    return (smap_get(external_ids, "source")
            ? NULL : smap_get(external_ids, "ovn"));
}

bool
ovn_vnetenc_owner_is_credential(const struct smap *external_ids)
{
    return smap_get(external_ids, ovn_vnetenc_owner_credential);
}

bool
ovn_vnetenc_owner_is_ours(const struct smap *external_ids,
                          const struct ovsrec_open_vswitch_table *ovs_table,
                          const char *chassis_name)
{
    const char *owner = ovn_vnetenc_owner_get(external_ids);

    return owner && (!strcmp(owner, chassis_name)
                     || !ovn_vnetenc_owner_is_configured(ovs_table, owner));
}
