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

#include "ovn-vnetenc-credential.h"

#include "lib/ovn-nb-idl.h"
#include "lib/ovn-sb-idl.h"
#include "lib/ovn-vnetenc-demand.h"
#include "northd.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "ovn-vnetenc-members.h"
#include "ovn-vnetenc-places.h"
#include "smap.h"
#include "sset.h"
#include "util.h"
#include "uuid.h"
#include "vec.h"

VLOG_DEFINE_THIS_MODULE(ovn_vnetenc_credential);

enum { N_IDS = UINT8_MAX + 1 };

/* The credential of the cluster. */

/* Keys of external_ids of SB_Global, which no chassis may write: a start of
 * ovn-northd, or another ovn-northd, does not forget what was in force. */
#define CLUSTER_UUID OVN_VNETENC_NB_DEFAULT_CREDENTIAL
#define CLUSTER_NONE "none"     /* In place of the UUID. */
#define CLUSTER_MEMBERS "vnetenc-default-members"

struct cluster {
    uint8_t id;                 /* Of the credential in force; 0: none. */

    /* Its southbound row, if it has no northbound one, otherwise NULL. */
    const struct sbrec_encryption_credential *kept;

    /* The members of 'kept' are computed, but only those that 'listed' has,
     * an array, are admitted, unless it is empty. */
    struct json *listed;        /* NULL: they are not. */
};

static const struct nbrec_encryption_credential *
find_by_name(const struct nbrec_encryption_credential_table *table,
             const char *name)
{
    const struct nbrec_encryption_credential *nb;

    NBREC_ENCRYPTION_CREDENTIAL_TABLE_FOR_EACH (nb, table) {
        if (!strcmp(nb->name, name)) {
            return nb;
        }
    }
    return NULL;
}

/* Returns true if a credential of the northbound database has the id. */
static bool
is_taken(const struct nbrec_encryption_credential_table *table, int64_t id)
{
    const struct nbrec_encryption_credential *nb;

    NBREC_ENCRYPTION_CREDENTIAL_TABLE_FOR_EACH (nb, table) {
        if (nb->id == id) {
            return true;
        }
    }
    return false;
}

static bool
is_auto(const struct nbrec_encryption_credential *nb)
{
    return nb->members && !strcmp(nb->members, "auto");
}

static const struct sbrec_sb_global *
sb_global(const struct ovn_vnetenc_credential_input *in)
{
    return sbrec_sb_global_first(ovsdb_idl_txn_get_idl(in->sb_txn));
}

static const char *
recall(const struct ovn_vnetenc_credential_input *in, const char *key)
{
    const struct sbrec_sb_global *sb = sb_global(in);

    return sb ? smap_get(&sb->external_ids, key) : NULL;
}

/* Makes 'uuid', or none if it is NULL, the credential that is in force, and
 * 'listed', if nonnull, the list of those that may be computed as its members.
 * Takes ownership of 'listed'. */
static void
remember(const struct ovn_vnetenc_credential_input *in,
         const struct uuid *uuid, struct json *listed)
{
    const struct sbrec_sb_global *sb = sb_global(in);
    struct smap ids;

    if (sb) {
        smap_clone(&ids, &sb->external_ids);
        smap_remove(&ids, CLUSTER_UUID);
        smap_remove(&ids, CLUSTER_MEMBERS);
        if (uuid) {
            smap_add_format(&ids, CLUSTER_UUID, UUID_FMT, UUID_ARGS(uuid));
        } else {
            smap_add(&ids, CLUSTER_UUID, CLUSTER_NONE);
        }
        if (listed) {
            smap_add_nocopy(&ids, xstrdup(CLUSTER_MEMBERS),
                            json_to_string(listed, JSSF_SORT));
        }
        if (!smap_equal(&ids, &sb->external_ids)) {
            sbrec_sb_global_verify_external_ids(sb);
            sbrec_sb_global_set_external_ids(sb, &ids);
        }
        smap_destroy(&ids);
    }
    json_destroy(listed);
}

static void
use_northbound(const struct ovn_vnetenc_credential_input *in,
               const struct nbrec_encryption_credential *nb,
               struct cluster *cluster)
{
    struct json *listed = NULL;

    if (is_auto(nb)) {
        listed = json_array_create_empty();
        for (size_t i = 0; i < nb->n_chassis; i++) {
            json_array_add(listed, json_string_create(nb->chassis[i]));
        }
    }
    remember(in, &nb->header_.uuid, listed);
    cluster->id = nb->id;
}

/* Returns true if a switch uses the profile, which is then made by hand. */
static bool
is_made_by_hand(const struct northd_data *northd, int id)
{
    const struct ovn_datapath *od;

    HMAP_FOR_EACH (od, key_node, &northd->ls_datapaths.datapaths) {
        if (smap_get_int(&od->nbs->other_config, OVN_VNETENC_NB_PROFILE, 0)
            == id) {
            return true;
        }
    }
    return false;
}

/* Returns an id for a closed row, or 0 if none is left. */
static int
find_free_id(const struct ovn_vnetenc_credential_input *in)
{
    int id = UINT8_MAX;

    while (id && (is_taken(in->nb_credentials, id)
                  || is_made_by_hand(in->northd, id))) {
        id--;
    }
    return id;
}

/* Returns the id of a credential that no network has, or 0. */
static int
find_unused_id(const struct ovn_vnetenc_credential_input *in)
{
    const struct nbrec_encryption_credential *nb;
    const struct sbrec_encryption_credential *sb;

    NBREC_ENCRYPTION_CREDENTIAL_TABLE_FOR_EACH (nb, in->nb_credentials) {
        sb = sbrec_encryption_credential_table_get_for_uuid(
            in->sb_credentials, &nb->header_.uuid);
        if ((!sb || !sb->n_datapaths)
            && !is_made_by_hand(in->northd, nb->id)) {
            return nb->id;
        }
    }
    return 0;
}

static void
close_row(const struct sbrec_encryption_credential *sb)
{
    const char *nobody = "";

    sbrec_encryption_credential_set_chassis(sb, &nobody, 1);
}

/* Returns a new southbound row that admits no chassis, so that nothing is sent
 * or received under it. */
static const struct sbrec_encryption_credential *
make_closed(const struct ovn_vnetenc_credential_input *in, int id)
{
    const struct sbrec_encryption_credential *sb;
    struct uuid uuid;
    char *name;

    uuid_generate(&uuid);
    sb = sbrec_encryption_credential_insert_persist_uuid(in->sb_txn, &uuid);
    name = xasprintf("closed-"UUID_FMT, UUID_ARGS(&uuid));
    sbrec_encryption_credential_set_name(sb, name);
    sbrec_encryption_credential_set_id(sb, id);
    close_row(sb);
    free(name);
    remember(in, &uuid, NULL);
    return sb;
}

/* Returns true if others use the id of 'sb', which has no northbound row. */
static bool
has_lost_id(const struct ovn_vnetenc_credential_input *in,
            const struct sbrec_encryption_credential *sb)
{
    return (is_taken(in->nb_credentials, sb->id)
            || (ovn_vnetenc_credential_is_closed(sb)
                && is_made_by_hand(in->northd, sb->id)));
}

/* Uses the credential that was found last by its name, if 'cluster' refers to
 * none by a name that exists.  Returns false if that is not possible. */
static bool
use_former(const struct ovn_vnetenc_credential_input *in,
           struct cluster *cluster)
{
    const char *s = recall(in, CLUSTER_UUID);
    const struct nbrec_encryption_credential *nb;
    const struct sbrec_encryption_credential *sb;
    struct uuid uuid;

    if (nullable_string_is_equal(s, CLUSTER_NONE)) {
        return true;
    }
    if (!s || !uuid_from_string(&uuid, s)) {
        uuid = UUID_ZERO;
    }
    sb = sbrec_encryption_credential_table_get_for_uuid(in->sb_credentials,
                                                        &uuid);
    nb = nbrec_encryption_credential_table_get_for_uuid(in->nb_credentials,
                                                        &uuid);
    if (!nb && sb) {
        /* It was made anew.  The database allows no two of one name. */
        nb = find_by_name(in->nb_credentials, sb->name);
    }
    if (nb) {
        use_northbound(in, nb, cluster);
        return true;
    }
    if (!sb || has_lost_id(in, sb)) {
        int id = find_free_id(in);

        if (!id && sb) {
            /* Its networks are closed together with those of the credential
             * that got its id, which is not copied. */
            close_row(sb);
            remember(in, &uuid, NULL);
        } else {
            id = id ? id : find_unused_id(in);
            sb = id ? make_closed(in, id) : NULL;
        }
    } else if (recall(in, CLUSTER_MEMBERS)) {
        cluster->listed = json_from_string(recall(in, CLUSTER_MEMBERS));
    }
    cluster->kept = sb;
    cluster->id = sb ? sb->id : 0;
    return sb != NULL;
}

/* Returns what is in force, to be freed. */
static char *
describe(const struct ovn_vnetenc_credential_input *in,
         const struct cluster *cluster)
{
    const struct nbrec_encryption_credential *nb;

    if (cluster->kept) {
        return (ovn_vnetenc_credential_is_closed(cluster->kept)
                && !cluster->listed
                ? xasprintf("the former one is not known, or was deleted and "
                            "its id given to another, so the networks of the "
                            "default are closed under id %"PRIu8,
                            cluster->id)
                : xasprintf("%s is used, which was deleted",
                            cluster->kept->name));
    }
    NBREC_ENCRYPTION_CREDENTIAL_TABLE_FOR_EACH (nb, in->nb_credentials) {
        if (nb->id == cluster->id) {
            return xasprintf("%s is used", nb->name);
        }
    }
    return xstrdup("none is used");
}

/* Says once what is done instead of using 'name'; NULL: nothing is wrong. */
static void
refuse(const char *name, char *instead)
{
    static char *said;
    char *text = name ? xasprintf("NB_Global options:%s=%s: must be the name "
                                  "of an Encryption_Credential; %s",
                                  OVN_VNETENC_NB_DEFAULT_CREDENTIAL, name,
                                  instead)
                      : NULL;

    if (text && !nullable_string_is_equal(text, said)) {
        VLOG_WARN("%s", text);
    }
    free(said);
    free(instead);
    said = text;
}

/* Finds the credential of the cluster.  If the name in NB_Global is that of no
 * credential, the former one stays in force, even if it was deleted, and so
 * does none.  If it is not known, or its id was given away since, the networks
 * get a credential that admits nobody: neither profile 0 nor the new owner of
 * the id may have their packets.  Returns false if there is no id for that. */
static bool
find_cluster(const struct ovn_vnetenc_credential_input *in,
             struct cluster *cluster)
{
    const char *name = smap_get(in->nb_options,
                                OVN_VNETENC_NB_DEFAULT_CREDENTIAL);
    const struct nbrec_encryption_credential *nb =
        name ? find_by_name(in->nb_credentials, name) : NULL;

    *cluster = (struct cluster) { .id = 0 };
    if (!name) {
        remember(in, NULL, NULL);
        refuse(NULL, NULL);
    } else if (nb) {
        use_northbound(in, nb, cluster);
        refuse(NULL, NULL);
    } else if (use_former(in, cluster)) {
        refuse(name, describe(in, cluster));
    } else {
        refuse(name, xstrdup("no id is left to close the networks of the "
                             "default, so no credential is changed"));
        return false;
    }
    return true;
}

bool
ovn_vnetenc_credential_is_closed(const struct sbrec_encryption_credential *sb)
{
    return sb->n_chassis == 1 && !sb->chassis[0][0];
}

/* Rows. */

/* Fills 'lists', one for each id, with the rows of the datapaths. */
static void
list_datapaths(const struct ovn_vnetenc_places *places,
               struct vector lists[N_IDS])
{
    const struct ovn_vnetenc_place *place;

    HMAP_FOR_EACH (place, node, &places->places) {
        const struct sbrec_datapath_binding *sb = place->od->sdp->sb_dp;

        if (place->id && sb) {
            vector_push(&lists[place->id], &sb);
        }
    }
}

static void
set_datapaths(const struct sbrec_encryption_credential *sb,
              const struct vector *datapaths)
{
    sbrec_encryption_credential_set_datapaths(
        sb, vector_get_array(datapaths), vector_len(datapaths));
}

static bool
any_auto(const struct nbrec_encryption_credential_table *table)
{
    const struct nbrec_encryption_credential *nb;

    NBREC_ENCRYPTION_CREDENTIAL_TABLE_FOR_EACH (nb, table) {
        if (is_auto(nb)) {
            return true;
        }
    }
    return false;
}

/* Admits to 'sb' the members that 'listed', unless it is empty, does not
 * exclude. */
static void
admit_members(const struct sbrec_encryption_credential *sb,
              const struct sset *listed, struct ovn_vnetenc_members *members)
{
    struct sset names = SSET_INITIALIZER(&names);
    const char *name;

    ovn_vnetenc_members_find(members, sb->id, &names);
    SSET_FOR_EACH_SAFE (name, &names) {
        if (!sset_is_empty(listed) && !sset_contains(listed, name)) {
            sset_delete(&names, SSET_NODE_FROM_NAME(name));
        }
    }
    if (sset_is_empty(&names)) {
        sset_add(&names, "");
    }

    const char **array = sset_sort(&names);
    sbrec_encryption_credential_set_chassis(sb, array, sset_count(&names));
    free(array);
    sset_destroy(&names);
}

static void
sync_row(const struct nbrec_encryption_credential *nb,
         const struct sbrec_encryption_credential *sb,
         struct ovn_vnetenc_members *members, const struct vector *datapaths)
{
    sbrec_encryption_credential_set_certificates(
        sb, (const char **) nb->certificates, nb->n_certificates);
    sbrec_encryption_credential_set_revoked(
        sb, (const char **) nb->revoked, nb->n_revoked);
    if (is_auto(nb)) {
        struct sset listed = SSET_INITIALIZER(&listed);

        sset_add_array(&listed, nb->chassis, nb->n_chassis);
        admit_members(sb, &listed, members);
        sset_destroy(&listed);
    } else {
        sbrec_encryption_credential_set_chassis(
            sb, (const char **) nb->chassis, nb->n_chassis);
    }
    sbrec_encryption_credential_set_ciphers(sb, nb->ciphers);
    sbrec_encryption_credential_set_strength(sb, nb->strength,
                                             nb->n_strength);
    sbrec_encryption_credential_set_lanes(sb, nb->lanes, nb->n_lanes);
    sbrec_encryption_credential_set_rekey_interval(
        sb, nb->rekey_interval, nb->n_rekey_interval);
    set_datapaths(sb, datapaths);
}

/* Returns true if 'kept' has the id of the row with 'uuid'. */
static bool
is_replaced(const struct uuid *uuid, int64_t id,
            const struct sbrec_encryption_credential *kept)
{
    return kept && kept->id == id && !uuid_equals(&kept->header_.uuid, uuid);
}

static void
sync_rows(const struct ovn_vnetenc_credential_input *in,
          const struct sbrec_encryption_credential *kept,
          struct ovn_vnetenc_members *members,
          const struct vector lists[N_IDS])
{
    const struct nbrec_encryption_credential *nb;

    NBREC_ENCRYPTION_CREDENTIAL_TABLE_FOR_EACH (nb, in->nb_credentials) {
        const struct sbrec_encryption_credential *sb =
            sbrec_encryption_credential_table_get_for_uuid(
                in->sb_credentials, &nb->header_.uuid);

        if (is_replaced(&nb->header_.uuid, nb->id, kept)) {
            continue;
        }
        if (!sb) {
            sb = sbrec_encryption_credential_insert_persist_uuid(
                in->sb_txn, &nb->header_.uuid);
            sbrec_encryption_credential_set_name(sb, nb->name);
            sbrec_encryption_credential_set_id(sb, nb->id);
        }
        sync_row(nb, sb, members, &lists[nb->id]);
    }
}

/* Syncs the row of a default that has no northbound row any more. */
static void
sync_kept(const struct cluster *cluster, struct ovn_vnetenc_members *members,
          const struct vector lists[N_IDS])
{
    const struct sbrec_encryption_credential *sb = cluster->kept;

    if (!sb) {
        return;
    }
    set_datapaths(sb, &lists[sb->id]);
    if (cluster->listed) {
        struct sset listed = SSET_INITIALIZER(&listed);

        if (cluster->listed->type == JSON_ARRAY) {
            size_t n = json_array_size(cluster->listed);

            for (size_t i = 0; i < n; i++) {
                const struct json *name = json_array_at(cluster->listed, i);

                sset_add(&listed, (name->type == JSON_STRING
                                   ? json_string(name) : ""));
            }
        } else {
            sset_add(&listed, "");      /* Unreadable: admit nobody. */
        }
        admit_members(sb, &listed, members);
        sset_destroy(&listed);
    }
}

/* Deletes the rows, other than 'kept', of credentials that are gone or that
 * have its id.  A credential that was made anew under the same id has another
 * UUID.  Its southbound row is another one as well, by which the chassis know
 * it. */
static void
delete_others(const struct ovn_vnetenc_credential_input *in,
              const struct sbrec_encryption_credential *kept)
{
    const struct sbrec_encryption_credential *sb;

    SBREC_ENCRYPTION_CREDENTIAL_TABLE_FOR_EACH_SAFE (sb, in->sb_credentials) {
        if (is_replaced(&sb->header_.uuid, sb->id, kept)
            || (sb != kept
                && !nbrec_encryption_credential_table_get_for_uuid(
                    in->nb_credentials, &sb->header_.uuid))) {
            sbrec_encryption_credential_delete(sb);
        }
    }
}

/* The members of a default that was deleted are computed. */
static bool kept_is_auto;

static void
sync_all(const struct ovn_vnetenc_credential_input *in,
         const struct cluster *cluster)
{
    struct ovn_vnetenc_places places;
    struct vector lists[N_IDS];

    for (size_t i = 0; i < N_IDS; i++) {
        lists[i] = VECTOR_EMPTY_INITIALIZER(
            const struct sbrec_datapath_binding *);
    }
    ovn_vnetenc_places_init(&places, in->northd);
    ovn_vnetenc_places_find(&places, cluster->id);
    list_datapaths(&places, lists);
    delete_others(in, cluster->kept);
    if (kept_is_auto || any_auto(in->nb_credentials)) {
        struct ovn_vnetenc_members members;

        ovn_vnetenc_members_init(&members, &places, in->northd,
                                 in->sb_chassis, in->sb_hostnames,
                                 in->sb_txn);
        sync_rows(in, cluster->kept, &members, lists);
        sync_kept(cluster, &members, lists);
        ovn_vnetenc_members_destroy(&members);
    } else {
        sync_rows(in, cluster->kept, NULL, lists);
        sync_kept(cluster, NULL, lists);
    }
    ovn_vnetenc_places_destroy(&places);
    for (size_t i = 0; i < N_IDS; i++) {
        vector_destroy(&lists[i]);
    }
}

void
ovn_vnetenc_credential_run(const struct ovn_vnetenc_credential_input *in)
{
    struct cluster cluster;

    if (!sbrec_server_has_encryption_credential_table(
            ovsdb_idl_txn_get_idl(in->sb_txn))
        || !find_cluster(in, &cluster)) {
        return;
    }
    kept_is_auto = cluster.listed != NULL;
    if (nbrec_encryption_credential_table_first(in->nb_credentials)
        || sbrec_encryption_credential_table_first(in->sb_credentials)) {
        sync_all(in, &cluster);
    }
    json_destroy(cluster.listed);
}

bool
ovn_vnetenc_credential_follows_claims(
    const struct nbrec_encryption_credential_table *nb_table,
    const struct sbrec_port_binding_table *sb_table)
{
    const struct sbrec_port_binding *pb;

    if (!kept_is_auto && !any_auto(nb_table)) {
        return false;
    }
    SBREC_PORT_BINDING_TABLE_FOR_EACH_TRACKED (pb, sb_table) {
        if (sbrec_port_binding_is_updated(pb, SBREC_PORT_BINDING_COL_CHASSIS)
            || sbrec_port_binding_is_updated(
                   pb, SBREC_PORT_BINDING_COL_ADDITIONAL_CHASSIS)) {
            return true;
        }
    }
    return false;
}
