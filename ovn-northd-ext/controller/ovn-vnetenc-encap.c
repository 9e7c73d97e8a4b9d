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

#include "ovn-vnetenc-encap.h"

#include "lib/ovn-sb-idl.h"
#include "lib/ovn-vnetenc-capable.h"
#include "lib/ovn-vnetenc-demand.h"
#include "lib/vswitch-idl.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "ovn/features.h"
#include "ovn-vnetenc-flows.h"
#include "smap.h"
#include "sset.h"

VLOG_DEFINE_THIS_MODULE(ovn_vnetenc_encap);

/* The profile whose certificate identifies a chassis to the others. */
#define IDENTITY_PROFILE 0

static const struct ovsrec_vnetenc_profile *
identity_profile(struct ovsdb_idl *ovs_idl)
{
    const struct ovsrec_vnetenc_profile *profile;

    OVSREC_VNETENC_PROFILE_FOR_EACH (profile, ovs_idl) {
        if (profile->id == IDENTITY_PROFILE) {
            return profile;
        }
    }
    return NULL;
}

/* Returns the fingerprints that peers should pin, which the caller frees: more
 * than one while the host replaces its key. */
static char *
join_fingerprints(struct ovsdb_idl *ovs_idl,
                  const struct ovsrec_vnetenc_profile *profile)
{
    struct sset all = SSET_INITIALIZER(&all);
    const char **sorted;
    char *joined;

    if (ovsrec_server_has_vnetenc_profile_table_col_fingerprints(ovs_idl)) {
        sset_add_array(&all, profile->fingerprints, profile->n_fingerprints);
    }
    sset_add(&all, profile->fingerprint);
    sorted = sset_sort(&all);
    joined = xstrdup(sorted[0]);
    for (size_t i = 1; i < sset_count(&all); i++) {
        char *longer = xasprintf("%s,%s", joined, sorted[i]);

        free(joined);
        joined = longer;
    }
    free(sorted);
    sset_destroy(&all);
    return joined;
}

/* Creates the row into which ovs-vswitchd writes the fingerprints, if it does
 * not exist.  Returns the fingerprints, which the caller frees, or NULL if
 * there are none yet. */
static char *
local_fingerprints(struct ovsdb_idl *ovs_idl, struct ovsdb_idl_txn *ovs_txn,
                  const char *chassis_name)
{
    if (!ovsrec_server_has_vnetenc_profile_table(ovs_idl)) {
        return NULL;
    }

    const struct ovsrec_vnetenc_profile *profile = identity_profile(ovs_idl);
    if (!profile && ovs_txn) {
        const struct smap ids = SMAP_CONST1(&ids, "ovn", chassis_name);

        profile = ovsrec_vnetenc_profile_insert(ovs_txn);
        ovsrec_vnetenc_profile_set_id(profile, IDENTITY_PROFILE);
        ovsrec_vnetenc_profile_set_external_ids(profile, &ids);
    }
    return profile && profile->fingerprint && profile->fingerprint[0]
           ? join_fingerprints(ovs_idl, profile) : NULL;
}

/* Sets 'key' in 'options' to 'value', or removes it if 'value' is NULL. */
static void
set_option(struct smap *options, const char *key, const char *value)
{
    if (value) {
        smap_replace(options, key, value);
    } else {
        smap_remove(options, key);
    }
}

/* Adds our entry to the interface types in the row of 'chassis', or removes
 * it. */
static void
set_announced(const struct sbrec_chassis *chassis, bool announced)
{
    if (announced == ovn_vnetenc_chassis_is_announced(chassis)) {
        return;
    }

    struct ds types = DS_EMPTY_INITIALIZER;
    ovn_vnetenc_put_iface_types(chassis, announced, &types);
    sbrec_chassis_update_other_config_setkey(chassis, "iface-types",
                                             ds_cstr(&types));
    ds_destroy(&types);
}

static void
log_options(const struct sbrec_encap *encap, bool supported,
            const struct smap *options)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

    VLOG_INFO_RL(&rl, "encap %s %s: vnetenc=%s, fingerprints %s",
                 encap->type, encap->ip,
                 smap_get_def(options, OVN_VNETENC_ENCAP_CAPABLE, "(none)"),
                 smap_get_def(options, OVN_VNETENC_ENCAP_FINGERPRINTS,
                              "(none)"));
    if (supported && !ovn_vnetenc_has_usual_port(encap)) {
        VLOG_WARN_RL(&rl, "encap %s %s: options:dst_port=%s: only tunnels to "
                     "the default port can be encrypted; packets that must "
                     "be encrypted are not sent to this chassis",
                     encap->type, encap->ip,
                     smap_get(&encap->options, "dst_port"));
    }
}

void
ovn_vnetenc_encap_run(struct ovsdb_idl *ovs_idl, struct ovsdb_idl_txn *ovs_txn,
                      struct ovsdb_idl_txn *ovnsb_txn,
                      const struct sbrec_chassis *chassis)
{
    bool supported = ovs_feature_is_supported(OVS_VNETENC_SUPPORT);
    char *fingerprints = NULL;

    if (supported) {
        fingerprints = local_fingerprints(ovs_idl, ovs_txn, chassis->name);
    }
    bool installed = ovn_vnetenc_flows_installed();
    if (!ovnsb_txn || (supported && (!installed || !fingerprints))) {
        /* The announcement of an earlier controller stays.  It also stays
         * while the column is empty for a moment after a restart of the local
         * database server, because the peers would otherwise remove their
         * pins.  They cannot use a capability without a fingerprint. */
        free(fingerprints);
        return;
    }
    set_announced(chassis, supported);
    for (size_t i = 0; i < chassis->n_encaps; i++) {
        const struct sbrec_encap *encap = chassis->encaps[i];
        bool capable = supported && ovn_vnetenc_has_usual_port(encap);
        struct smap options;

        if (strcmp(encap->chassis_name, chassis->name)) {
            continue;
        }
        smap_clone(&options, &encap->options);
        set_option(&options, OVN_VNETENC_ENCAP_CAPABLE, capable ? "1" : NULL);
        set_option(&options, OVN_VNETENC_ENCAP_FINGERPRINTS,
                   capable ? fingerprints : NULL);
        if (!smap_equal(&options, &encap->options)) {
            log_options(encap, supported, &options);
            sbrec_encap_set_options(encap, &options);
        }
        smap_destroy(&options);
    }
    free(fingerprints);
}
