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

#include "hmapx.h"
#include "lib/ovn-nb-idl.h"
#include "lib/ovn-sb-idl.h"
#include "lib/ovn-vnetenc-demand.h"
#include "northd.h"
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

/* The last one that could be found by its name. */
static struct {
    struct uuid uuid;           /* Zero if there is none. */
    char *refused;              /* Newest name that was logged, or NULL. */
} cluster;

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

/* Finds the credential of the cluster in the southbound database, after a
 * start: it lists switches that name none. */
static void
recall(const struct ovn_vnetenc_credential_input *in,
       const struct ovn_vnetenc_places *places)
{
    const struct sbrec_encryption_credential *sb;
    struct hmapx takers = HMAPX_INITIALIZER(&takers);
    const struct ovn_vnetenc_place *place;

    HMAP_FOR_EACH (place, node, &places->places) {
        if (ovn_vnetenc_place_takes_default(place)) {
            hmapx_add(&takers, CONST_CAST(struct sbrec_datapath_binding *,
                                          place->od->sdp->sb_dp));
        }
    }
    SBREC_ENCRYPTION_CREDENTIAL_TABLE_FOR_EACH (sb, in->sb_credentials) {
        for (size_t i = 0; i < sb->n_datapaths; i++) {
            if (hmapx_contains(&takers, sb->datapaths[i])) {
                cluster.uuid = sb->header_.uuid;
            }
        }
    }
    hmapx_destroy(&takers);
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

/* Returns the southbound row of the credential of the cluster that was found
 * last, if it still has its id. */
static const struct sbrec_encryption_credential *
last_of_cluster(const struct ovn_vnetenc_credential_input *in)
{
    const struct sbrec_encryption_credential *sb =
        sbrec_encryption_credential_table_get_for_uuid(in->sb_credentials,
                                                       &cluster.uuid);

    return (sb && (nbrec_encryption_credential_table_get_for_uuid(
                       in->nb_credentials, &cluster.uuid)
                   || !is_taken(in->nb_credentials, sb->id))
            ? sb : NULL);
}

/* Returns the id of the credential of the cluster, or 0 if there is none.  If
 * the name is that of no credential, the former one stays in force, even if it
 * was deleted. */
static uint8_t
id_of_cluster(const struct ovn_vnetenc_credential_input *in,
              const struct ovn_vnetenc_places *places)
{
    const char *name = smap_get(in->nb_options,
                                OVN_VNETENC_NB_DEFAULT_CREDENTIAL);
    const struct nbrec_encryption_credential *nb =
        name ? find_by_name(in->nb_credentials, name) : NULL;

    if (!name || nb) {
        cluster.uuid = nb ? nb->header_.uuid : UUID_ZERO;
        free(cluster.refused);
        cluster.refused = NULL;
        return nb ? nb->id : 0;
    }
    if (uuid_is_zero(&cluster.uuid)) {
        recall(in, places);
    }

    const struct sbrec_encryption_credential *sb = last_of_cluster(in);
    if (!cluster.refused || strcmp(cluster.refused, name)) {
        VLOG_WARN("NB_Global options:%s=%s: must be the name of an "
                  "Encryption_Credential; %s is used",
                  OVN_VNETENC_NB_DEFAULT_CREDENTIAL, name,
                  sb ? sb->name : "none");
        free(cluster.refused);
        cluster.refused = xstrdup(name);
    }
    return sb ? sb->id : 0;
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
is_auto(const struct nbrec_encryption_credential *nb)
{
    return nb->members && !strcmp(nb->members, "auto");
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

/* Admits to 'sb' the members that the northbound row does not exclude. */
static void
admit_members(const struct nbrec_encryption_credential *nb,
              const struct sbrec_encryption_credential *sb,
              struct ovn_vnetenc_members *members)
{
    struct sset names = SSET_INITIALIZER(&names);
    struct sset listed = SSET_INITIALIZER(&listed);
    const char *name;

    ovn_vnetenc_members_find(members, nb->id, &names);
    sset_add_array(&listed, nb->chassis, nb->n_chassis);
    SSET_FOR_EACH_SAFE (name, &names) {
        if (nb->n_chassis && !sset_contains(&listed, name)) {
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
    sset_destroy(&listed);
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
        admit_members(nb, sb, members);
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

static void
sync_rows(const struct ovn_vnetenc_credential_input *in,
          struct ovn_vnetenc_members *members,
          const struct vector lists[N_IDS])
{
    const struct nbrec_encryption_credential *nb;

    NBREC_ENCRYPTION_CREDENTIAL_TABLE_FOR_EACH (nb, in->nb_credentials) {
        const struct sbrec_encryption_credential *sb =
            sbrec_encryption_credential_table_get_for_uuid(
                in->sb_credentials, &nb->header_.uuid);

        if (!sb) {
            sb = sbrec_encryption_credential_insert_persist_uuid(
                in->sb_txn, &nb->header_.uuid);
            sbrec_encryption_credential_set_name(sb, nb->name);
            sbrec_encryption_credential_set_id(sb, nb->id);
        }
        sync_row(nb, sb, members, &lists[nb->id]);
    }
}

/* Deletes the rows of credentials that are gone.  A credential that was made
 * anew under the same id has another UUID.  Its southbound row is another one
 * as well, by which the chassis know it.  That of the cluster stays for as
 * long as it is in force. */
static void
delete_others(const struct ovn_vnetenc_credential_input *in,
              const struct vector lists[N_IDS])
{
    const struct sbrec_encryption_credential *last = last_of_cluster(in);
    const struct sbrec_encryption_credential *sb;

    SBREC_ENCRYPTION_CREDENTIAL_TABLE_FOR_EACH_SAFE (sb, in->sb_credentials) {
        if (nbrec_encryption_credential_table_get_for_uuid(
                in->nb_credentials, &sb->header_.uuid)) {
            continue;
        }
        if (sb == last) {
            set_datapaths(sb, &lists[sb->id]);
        } else {
            sbrec_encryption_credential_delete(sb);
        }
    }
}

void
ovn_vnetenc_credential_run(const struct ovn_vnetenc_credential_input *in)
{
    struct ovn_vnetenc_places places;
    struct vector lists[N_IDS];

    if (!sbrec_server_has_encryption_credential_table(
            ovsdb_idl_txn_get_idl(in->sb_txn))
        || (!nbrec_encryption_credential_table_first(in->nb_credentials)
            && !sbrec_encryption_credential_table_first(
                in->sb_credentials))) {
        return;
    }

    for (size_t i = 0; i < N_IDS; i++) {
        lists[i] = VECTOR_EMPTY_INITIALIZER(
            const struct sbrec_datapath_binding *);
    }
    ovn_vnetenc_places_init(&places, in->northd);
    ovn_vnetenc_places_find(&places, id_of_cluster(in, &places));
    list_datapaths(&places, lists);
    delete_others(in, lists);
    if (any_auto(in->nb_credentials)) {
        struct ovn_vnetenc_members members;

        ovn_vnetenc_members_init(&members, &places, in->northd,
                                 in->sb_chassis, in->sb_hostnames,
                                 in->sb_txn);
        sync_rows(in, &members, lists);
        ovn_vnetenc_members_destroy(&members);
    } else {
        sync_rows(in, NULL, lists);
    }
    ovn_vnetenc_places_destroy(&places);
    for (size_t i = 0; i < N_IDS; i++) {
        vector_destroy(&lists[i]);
    }
}

bool
ovn_vnetenc_credential_follows_claims(
    const struct nbrec_encryption_credential_table *nb_table,
    const struct sbrec_port_binding_table *sb_table)
{
    const struct sbrec_port_binding *pb;

    if (!any_auto(nb_table)) {
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
