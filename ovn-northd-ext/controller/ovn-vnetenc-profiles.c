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

#include "ovn-vnetenc-profiles.h"

#include "lib/ovn-sb-idl.h"
#include "lib/ovn-util.h"
#include "lib/vswitch-idl.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "ovn/features.h"
#include "ovn-vnetenc-flows.h"
#include "ovn-vnetenc-modes.h"
#include "ovn-vnetenc-owner.h"
#include "ovn-vnetenc-rights.h"
#include "simap.h"
#include "smap.h"
#include "sset.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(ovn_vnetenc_profiles);

#define KEYS_PREFIX "ovn-keys-"
#define UNLISTED "vnetenc-unlisted"

enum { MAX_KEY = 0xffffff };        /* Of VNetEnc_Profile:tunnel_keys. */

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

/* Desired keys: for each profile, the tunnel keys as decimal numbers. */

struct wanted {
    struct sset keys[OVN_VNETENC_N_PROFILES];
    bool needed[OVN_VNETENC_N_PROFILES];    /* Not by former networks only. */
};

static void
want_key(struct wanted *wanted, uint8_t profile, uint32_t key)
{
    char s[INT_STRLEN(uint32_t) + 1];

    snprintf(s, sizeof s, "%"PRIu32, key);
    sset_add(&wanted->keys[profile], s);
}

/* The modes may be older than the database, in which the id may belong to
 * another credential by now: its row never gets a key of the former one. */
static void
wanted_init(struct wanted *wanted, const struct ovsdb_idl *ovnsb_idl)
{
    const struct ovn_vnetenc_modes *modes = ovn_vnetenc_flows_modes();
    const struct sbrec_encryption_credential *credential;
    struct uuid present[OVN_VNETENC_N_PROFILES] = { 0 };
    const struct ovn_vnetenc_dp *dp;

    for (size_t i = 0; i < OVN_VNETENC_N_PROFILES; i++) {
        sset_init(&wanted->keys[i]);
        wanted->needed[i] = false;
    }
    SBREC_ENCRYPTION_CREDENTIAL_FOR_EACH (credential, ovnsb_idl) {
        present[(uint8_t) credential->id] = credential->header_.uuid;
    }
    HMAP_FOR_EACH (dp, node, &modes->dps) {
        if (!dp->local) {
            continue;
        }
        if (uuid_equals(&present[dp->demand.profile], &dp->credential)) {
            want_key(wanted, dp->demand.profile, dp->key);
            wanted->needed[dp->demand.profile] = true;
        }
        for (size_t i = 0; i < dp->n_former; i++) {
            const struct ovn_vnetenc_former *former = &dp->former[i];

            if (uuid_equals(&present[former->profile], &former->credential)) {
                want_key(wanted, former->profile, dp->key);
            }
        }
    }
}

static void
wanted_destroy(struct wanted *wanted)
{
    for (size_t i = 0; i < OVN_VNETENC_N_PROFILES; i++) {
        sset_destroy(&wanted->keys[i]);
    }
}

/* Keys of a row. */

/* Returns the name of the chassis whose keys 'node' of external_ids has, or
 * NULL if it has none. */
static const char *
keys_owner(const struct smap_node *node)
{
    size_t len = strlen(KEYS_PREFIX);

    return strncmp(node->key, KEYS_PREFIX, len) ? NULL : node->key + len;
}

static bool
has_other_owner(const struct ovsrec_vnetenc_profile *row, const char *name)
{
    const struct smap_node *node;

    SMAP_FOR_EACH (node, &row->external_ids) {
        const char *owner = keys_owner(node);

        if (owner && strcmp(owner, name)) {
            return true;
        }
    }
    return false;
}

/* Makes tunnel_keys the union of the keys that 'ids' has. */
static void
unite_keys(const struct ovsrec_vnetenc_profile *row, const struct smap *ids)
{
    struct sset all = SSET_INITIALIZER(&all);
    const struct smap_node *node;
    const char *s;
    size_t n = 0;

    SMAP_FOR_EACH (node, ids) {
        if (keys_owner(node)) {
            sset_from_delimited_string(&all, node->value, " ");
        }
    }

    int64_t *keys = xmalloc(MAX(sset_count(&all), 1) * sizeof *keys);
    SSET_FOR_EACH (s, &all) {
        unsigned int key;

        /* The database refuses others, with the whole transaction. */
        if (str_to_uint(s, 10, &key) && key <= MAX_KEY) {
            keys[n++] = key;
        }
    }
    ovsrec_vnetenc_profile_set_tunnel_keys(row, keys, n);
    free(keys);
    sset_destroy(&all);
}

/* Makes 'keys' those of chassis 'name' in 'row', or withdraws its keys if
 * 'keys' is NULL.  Returns true if that changed the row. */
static bool
set_keys(const struct ovsrec_vnetenc_profile *row, const struct sset *keys,
         const char *name, struct ovsdb_idl *ovs_idl)
{
    char *key = xasprintf(KEYS_PREFIX "%s", name);
    const struct smap_node *node;
    struct smap ids;

    smap_clone(&ids, &row->external_ids);
    SMAP_FOR_EACH_SAFE (node, &ids) {
        const char *owner = keys_owner(node);

        /* A chassis that was renamed never withdraws its keys. */
        if (owner && strcmp(owner, name)
            && !ovn_vnetenc_owner_is_configured(
                ovsrec_open_vswitch_table_get(ovs_idl), owner)) {
            smap_remove_node(&ids, CONST_CAST(struct smap_node *, node));
        }
    }
    if (keys) {
        const char **array = sset_sort(keys);
        struct ds s = DS_EMPTY_INITIALIZER;

        for (size_t i = 0; i < sset_count(keys); i++) {
            ds_put_format(&s, "%s%s", i ? " " : "", array[i]);
        }
        smap_replace(&ids, key, ds_cstr(&s));
        ds_destroy(&s);
        free(array);
    } else {
        smap_remove(&ids, key);
    }

    bool changed = !smap_equal(&ids, &row->external_ids);
    if (changed) {
        ovsrec_vnetenc_profile_set_external_ids(row, &ids);
        unite_keys(row, &ids);
    }
    smap_destroy(&ids);
    free(key);
    return changed;
}

/* Withdraws the keys of chassis 'name' from 'row', and deletes the row if it
 * was made for a credential and no other chassis needs it. */
static bool
withdraw(const struct ovsrec_vnetenc_profile *row, const char *name,
         struct ovsdb_idl *ovs_idl)
{
    if (ovn_vnetenc_owner_is_credential(&row->external_ids)
        && !has_other_owner(row, name)) {
        VLOG_INFO_RL(&rl, "profile %"PRId64" is removed", row->id);
        ovsrec_vnetenc_profile_delete(row);
        return true;
    }
    return set_keys(row, NULL, name, ovs_idl);
}

/* Settings of a row. */

static bool
sets_equal(char **a, size_t n_a, char **b, size_t n_b)
{
    if (n_a != n_b) {
        return false;
    }
    for (size_t i = 0; i < n_a; i++) {      /* Both are sorted. */
        if (strcmp(a[i], b[i])) {
            return false;
        }
    }
    return true;
}

static bool
numbers_equal(const int64_t *a, size_t n_a, const int64_t *b, size_t n_b)
{
    return n_a == n_b && (!n_a || *a == *b);
}

/* Copies the settings of the credential into 'row'.  Returns true if that
 * changed it. */
static bool
set_settings(const struct ovsrec_vnetenc_profile *row,
             const struct sbrec_encryption_credential *credential)
{
    bool changed = false;

    if (!sets_equal(row->certificates, row->n_certificates,
                    credential->certificates, credential->n_certificates)) {
        ovsrec_vnetenc_profile_set_certificates(
            row, (const char **) credential->certificates,
            credential->n_certificates);
        changed = true;
    }
    if (!sets_equal(row->revoked, row->n_revoked,
                    credential->revoked, credential->n_revoked)) {
        ovsrec_vnetenc_profile_set_revoked(
            row, (const char **) credential->revoked, credential->n_revoked);
        changed = true;
    }
    if (!nullable_string_is_equal(row->ciphers, credential->ciphers)) {
        ovsrec_vnetenc_profile_set_ciphers(row, credential->ciphers);
        changed = true;
    }
    if (!numbers_equal(row->strength, row->n_strength,
                       credential->strength, credential->n_strength)) {
        ovsrec_vnetenc_profile_set_strength(row, credential->strength,
                                            credential->n_strength);
        changed = true;
    }
    if (!numbers_equal(row->lanes, row->n_lanes,
                       credential->lanes, credential->n_lanes)) {
        ovsrec_vnetenc_profile_set_lanes(row, credential->lanes,
                                         credential->n_lanes);
        changed = true;
    }
    if (!numbers_equal(row->rekey_interval, row->n_rekey_interval,
                       credential->rekey_interval,
                       credential->n_rekey_interval)) {
        ovsrec_vnetenc_profile_set_rekey_interval(
            row, credential->rekey_interval, credential->n_rekey_interval);
        changed = true;
    }
    return changed;
}

static bool
is_of(const struct ovsrec_vnetenc_profile *row,
      const struct sbrec_encryption_credential *credential)
{
    const char *s = smap_get(&row->external_ids,
                             ovn_vnetenc_owner_credential);
    struct uuid uuid;

    return (s && uuid_from_string(&uuid, s)
            && uuid_equals(&uuid, &credential->header_.uuid));
}

/* Rows. */

/* The credential of a row that belongs to this chassis; NULL if the chassis
 * must not have such a row. */
static const struct sbrec_encryption_credential *
admitting(const struct sbrec_encryption_credential *credential,
          const char *name)
{
    return (credential && ovn_vnetenc_rights_admit(credential, name)
            ? credential : NULL);
}

static bool
update_row(const struct ovsrec_vnetenc_profile *row, const struct sset *keys,
           const struct sbrec_encryption_credential *credential,
           const char *name, struct ovsdb_idl *ovs_idl)
{
    bool made = ovn_vnetenc_owner_is_credential(&row->external_ids);

    if (made) {
        credential = admitting(credential, name);
        if (!credential || !is_of(row, credential)) {
            return withdraw(row, name, ovs_idl);
        }
    } else if (credential && row->id) {
        VLOG_WARN_RL(&rl, "profile %"PRId64": an administrator made this row "
                     "of VNetEnc_Profile, so the credential %s is not used "
                     "here", row->id, credential->name);
        return false;
    }
    if (sset_is_empty(keys) && row->id) {
        return withdraw(row, name, ovs_idl);
    }

    bool changed = made && set_settings(row, credential);
    return set_keys(row, keys, name, ovs_idl) || changed;
}

static void
insert_row(struct ovsdb_idl *ovs_idl, struct ovsdb_idl_txn *ovs_txn,
           const struct sbrec_encryption_credential *credential,
           const struct sset *keys, const char *name)
{
    const struct ovsrec_vnetenc_profile *row =
        ovsrec_vnetenc_profile_insert(ovs_txn);
    struct smap ids = SMAP_INITIALIZER(&ids);

    VLOG_INFO_RL(&rl, "profile %"PRId64" is made for the credential %s",
                 credential->id, credential->name);
    smap_add_format(&ids, ovn_vnetenc_owner_credential, UUID_FMT,
                    UUID_ARGS(&credential->header_.uuid));
    ovsrec_vnetenc_profile_set_id(row, credential->id);
    ovsrec_vnetenc_profile_set_external_ids(row, &ids);
    set_settings(row, credential);
    set_keys(row, keys, name, ovs_idl);
    smap_destroy(&ids);
}

/* Makes the rows what they should be.  Returns true if that changed one, and
 * sets '*waits' if others have to wait for an acknowledgement. */
static bool
sync_rows(struct ovsdb_idl *ovs_idl, struct ovsdb_idl_txn *ovs_txn,
          const struct ovsdb_idl *ovnsb_idl,
          const struct ovsrec_open_vswitch *cfg, const char *name,
          bool *waits)
{
    bool acked = cfg->cur_cfg >= cfg->next_cfg;
    unsigned long present[BITMAP_N_LONGS(OVN_VNETENC_N_PROFILES)] = { 0 };
    const struct sbrec_encryption_credential *credential;
    const struct ovsrec_vnetenc_profile *row;
    bool changed = false;
    struct wanted wanted;

    wanted_init(&wanted, ovnsb_idl);
    OVSREC_VNETENC_PROFILE_FOR_EACH_SAFE (row, ovs_idl) {
        credential = ovn_vnetenc_rights_credential(ovnsb_idl, row->id);
        bitmap_set1(present, row->id);
        changed |= update_row(row, &wanted.keys[row->id], credential, name,
                              ovs_idl);
    }
    SBREC_ENCRYPTION_CREDENTIAL_FOR_EACH (credential, ovnsb_idl) {
        if (!bitmap_is_set(present, credential->id)
            && wanted.needed[credential->id]
            && ovn_vnetenc_rights_admit(credential, name)) {
            if (acked) {
                insert_row(ovs_idl, ovs_txn, credential,
                           &wanted.keys[credential->id], name);
                changed = true;
            } else {
                *waits = true;
            }
        }
    }
    wanted_destroy(&wanted);
    return changed;
}

static bool
withdraw_all(struct ovsdb_idl *ovs_idl, const char *name)
{
    const struct ovsrec_vnetenc_profile *row;
    bool changed = false;

    OVSREC_VNETENC_PROFILE_FOR_EACH_SAFE (row, ovs_idl) {
        changed |= withdraw(row, name, ovs_idl);
    }
    return changed;
}

/* Lets Open vSwitch drop packets whose key nobody lists. */
static bool
close_unlisted(const struct ovsrec_open_vswitch *cfg)
{
    if (!strcmp(smap_get_def(&cfg->other_config, UNLISTED, ""), "drop")) {
        return false;
    }
    VLOG_INFO("there are credentials: other_config:" UNLISTED "=drop is set");
    ovsrec_open_vswitch_update_other_config_setkey(cfg, UNLISTED, "drop");
    return true;
}

static bool
run(struct ovsdb_idl *ovs_idl, struct ovsdb_idl_txn *ovs_txn,
    const struct ovsdb_idl *ovnsb_idl, bool supported,
    const struct ovsrec_open_vswitch *cfg, const char *name, bool *waits)
{
    if (supported && sbrec_encryption_credential_first(ovnsb_idl)) {
        bool changed = sync_rows(ovs_idl, ovs_txn, ovnsb_idl, cfg, name,
                                 waits);

        return close_unlisted(cfg) || changed;
    }
    if (supported
        && !strcmp(smap_get_def(&cfg->other_config, UNLISTED, ""), "drop")) {
        return sync_rows(ovs_idl, ovs_txn, ovnsb_idl, cfg, name, waits);
    }
    return withdraw_all(ovs_idl, name);
}

static bool
server_has_columns(struct ovsdb_idl *ovs_idl)
{
    return (ovsrec_server_has_vnetenc_profile_table(ovs_idl)
            && ovsrec_server_has_vnetenc_profile_table_col_certificates(
                ovs_idl));
}

/* What was done last, and what is left. */

static struct {
    unsigned int ovs_seqno, ovnsb_seqno, generation;
    bool supported;
    bool done;                  /* The rows are as they should be. */
    bool rights_changed;        /* The rights of a peer are in the present
                                 * transaction. */
    bool unacked;               /* 'done', but ovs-vswitchd may not have
                                 * followed. */
    int64_t cfg;                /* It has at this 'cur_cfg'. */
} last = { .unacked = true };

/* Asks ovs-vswitchd to acknowledge the transaction in 'cur_cfg'.  Another user
 * of ovsdb_idl_txn_increment() may be in the same transaction, and it allows
 * only one. */
static void
request_ack(const struct ovsrec_open_vswitch *cfg)
{
    ovsrec_open_vswitch_verify_next_cfg(cfg);
    ovsrec_open_vswitch_set_next_cfg(cfg, cfg->next_cfg + 1);
    last.unacked = true;
}

static bool
has_seen_all(struct ovsdb_idl *ovs_idl, const struct ovsdb_idl *ovnsb_idl,
             bool supported)
{
    return (last.done && last.supported == supported
            && last.ovs_seqno == ovsdb_idl_get_seqno(ovs_idl)
            && last.ovnsb_seqno == ovsdb_idl_get_seqno(ovnsb_idl)
            && last.generation == ovn_vnetenc_flows_generation());
}

/* Makes the rows what they should be, or sees that they are. */
static void
follow(struct ovsdb_idl *ovs_idl, struct ovsdb_idl_txn *ovs_txn,
       const struct ovsdb_idl *ovnsb_idl, bool supported, const char *name)
{
    const struct ovsrec_open_vswitch *cfg = ovsrec_open_vswitch_first(ovs_idl);

    last.supported = supported;
    last.ovs_seqno = ovsdb_idl_get_seqno(ovs_idl);
    last.ovnsb_seqno = ovsdb_idl_get_seqno(ovnsb_idl);
    last.generation = ovn_vnetenc_flows_generation();
    if (!cfg) {
        last.done = true;
        return;
    }
    last.cfg = cfg->next_cfg;

    bool waits = false;
    bool changed = (run(ovs_idl, ovs_txn, ovnsb_idl, supported, cfg, name,
                        &waits)
                    || last.rights_changed);
    if (changed) {
        request_ack(cfg);
    }
    last.rights_changed = false;
    last.done = !changed && !waits;
}

/* Returns true if ovs-vswitchd obeys what the southbound database says of
 * credentials.  Without any there is nothing to obey. */
static bool
is_in_force(struct ovsdb_idl *ovs_idl, const struct ovsdb_idl *ovnsb_idl,
            bool supported)
{
    const struct ovsrec_open_vswitch *cfg = ovsrec_open_vswitch_first(ovs_idl);

    if (!supported || !cfg
        || (!sbrec_encryption_credential_first(ovnsb_idl)
            && strcmp(smap_get_def(&cfg->other_config, UNLISTED, ""),
                      "drop"))) {
        return true;
    }
    if (last.rights_changed || !has_seen_all(ovs_idl, ovnsb_idl, supported)) {
        return false;
    }
    if (last.unacked && cfg->cur_cfg >= last.cfg) {
        last.unacked = false;
    }
    return !last.unacked;
}

void
ovn_vnetenc_profiles_run(struct ovsdb_idl *ovs_idl,
                         struct ovsdb_idl_txn *ovs_txn,
                         const struct ovsdb_idl *ovnsb_idl,
                         const struct sbrec_chassis *this_chassis)
{
    bool supported =
        ovs_feature_is_supported(OVS_VNETENC_CREDENTIALS_SUPPORT);

    if (!server_has_columns(ovs_idl)) {
        ovn_vnetenc_rights_set_in_force(true);
        return;
    }
    /* There is work only after a change, or to see whether the last
     * transaction succeeded. */
    if (ovs_txn && !daemon_started_recently()
        && (!supported || ovn_vnetenc_flows_installed())
        && (last.rights_changed
            || !has_seen_all(ovs_idl, ovnsb_idl, supported))) {
        follow(ovs_idl, ovs_txn, ovnsb_idl, supported, this_chassis->name);
    }
    ovn_vnetenc_rights_set_in_force(is_in_force(ovs_idl, ovnsb_idl,
                                                supported));
}

void
ovn_vnetenc_profiles_rights_changed(void)
{
    last.rights_changed = true;
}

bool
ovn_vnetenc_profiles_cleanup(struct ovsdb_idl *ovs_idl,
                             struct ovsdb_idl_txn *ovs_txn,
                             const char *chassis_name)
{
    const struct ovsrec_vnetenc_profile *row;
    bool done = true;

    if (!chassis_name || !server_has_columns(ovs_idl)) {
        return true;
    }

    char *key = xasprintf(KEYS_PREFIX "%s", chassis_name);
    OVSREC_VNETENC_PROFILE_FOR_EACH_SAFE (row, ovs_idl) {
        if (smap_get(&row->external_ids, key)) {
            done = false;
            if (ovs_txn) {
                withdraw(row, chassis_name, ovs_idl);
            }
        }
    }
    free(key);
    return done;
}
