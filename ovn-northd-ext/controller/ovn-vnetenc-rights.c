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

#include "ovn-vnetenc-rights.h"

#include "lib/ovn-sb-idl.h"
#include "lib/vswitch-idl.h"
#include "ovn-vnetenc-owner.h"
#include "util.h"

static unsigned long *
rights_of(struct ovn_vnetenc_rights *rights, const char *name)
{
    unsigned long *listed = shash_find_data(&rights->listed, name);

    if (!listed) {
        listed = bitmap_allocate(OVN_VNETENC_N_PROFILES);
        shash_add(&rights->listed, name, listed);
    }
    return listed;
}

void
ovn_vnetenc_rights_init(struct ovn_vnetenc_rights *rights,
                        const struct ovsdb_idl *ovs_idl,
                        const struct ovsdb_idl *ovnsb_idl)
{
    const struct sbrec_encryption_credential *credential;
    const struct ovsrec_vnetenc_profile *row;

    memset(rights->everyone, 0, sizeof rights->everyone);
    shash_init(&rights->listed);
    bitmap_set1(rights->everyone, 0);
    OVSREC_VNETENC_PROFILE_FOR_EACH (row, ovs_idl) {
        if (!ovn_vnetenc_owner_is_credential(&row->external_ids)) {
            bitmap_set1(rights->everyone, row->id);
        }
    }
    SBREC_ENCRYPTION_CREDENTIAL_FOR_EACH (credential, ovnsb_idl) {
        bitmap_set(rights->everyone, credential->id, !credential->n_chassis);
        for (size_t i = 0; i < credential->n_chassis; i++) {
            bitmap_set1(rights_of(rights, credential->chassis[i]),
                        credential->id);
        }
    }
}

void
ovn_vnetenc_rights_destroy(struct ovn_vnetenc_rights *rights)
{
    shash_destroy_free_data(&rights->listed);
}

bool
ovn_vnetenc_rights_put(const struct ovn_vnetenc_rights *rights,
                       const char *name, const struct ovsrec_vnetenc_peer *row)
{
    const unsigned long *listed = shash_find_data(&rights->listed, name);
    int64_t ids[OVN_VNETENC_N_PROFILES];
    size_t n = 0;

    for (size_t i = 0; i < OVN_VNETENC_N_PROFILES; i++) {
        if (bitmap_is_set(rights->everyone, i)
            || (listed && bitmap_is_set(listed, i))) {
            ids[n++] = i;
        }
    }
    if (n == row->n_profiles && !memcmp(ids, row->profiles, n * sizeof *ids)) {
        return false;
    }
    ovsrec_vnetenc_peer_set_profiles(row, ids, n);
    return true;
}

bool
ovn_vnetenc_rights_admit(const struct sbrec_encryption_credential *credential,
                         const char *name)
{
    for (size_t i = 0; i < credential->n_chassis; i++) {
        if (!strcmp(credential->chassis[i], name)) {
            return true;
        }
    }
    return !credential->n_chassis;
}

const struct sbrec_encryption_credential *
ovn_vnetenc_rights_credential(const struct ovsdb_idl *ovnsb_idl, int64_t id)
{
    const struct sbrec_encryption_credential *credential;

    SBREC_ENCRYPTION_CREDENTIAL_FOR_EACH (credential, ovnsb_idl) {
        if (credential->id == id) {
            return credential;
        }
    }
    return NULL;
}

static bool in_force;

void
ovn_vnetenc_rights_set_in_force(bool in_force_)
{
    in_force = in_force_;
}

bool
ovn_vnetenc_rights_in_force(void)
{
    return in_force;
}
