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

#include "ovn-vnetenc-peers.h"

#include "coverage.h"
#include "encaps.h"
#include "lib/ovn-sb-idl.h"
#include "lib/ovn-util.h"
#include "lib/ovn-vnetenc-capable.h"
#include "lib/ovn-vnetenc-demand.h"
#include "lib/vswitch-idl.h"
#include "local_data.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "ovn-controller.h"
#include "ovn/features.h"
#include "ovn-vnetenc-flows.h"
#include "ovn-vnetenc-owner.h"
#include "ovn-vnetenc-profiles.h"
#include "ovn-vnetenc-rights.h"
#include "packets.h"
#include "smap.h"
#include "sset.h"

VLOG_DEFINE_THIS_MODULE(ovn_vnetenc_peers);

COVERAGE_DEFINE(ovn_vnetenc_pin_replaced);
COVERAGE_DEFINE(ovn_vnetenc_address_conflict);

#define FINGERPRINT_PREFIX "sha256:"
#define FINGERPRINT_HEX_DIGITS 64

/* Number of fingerprints that the column VNetEnc_Peer:fingerprints can hold.
 * One more would make every transaction of ovn-controller fail for as long as
 * the other chassis publishes them. */
#define MAX_FINGERPRINTS 8

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

/* A desired row, in a shash by the canonical form of its address. */
struct peer {
    const char *name;           /* Of the Chassis in the southbound DB. */
    struct sset fingerprints;
};

void
ovn_vnetenc_register_ovs_idl(struct ovsdb_idl *ovs_idl)
{
    ovsdb_idl_add_table(ovs_idl, &ovsrec_table_vnetenc_peer);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_peer_col_remote_ip);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_peer_col_name);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_peer_col_fingerprints);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_peer_col_external_ids);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_peer_col_alarms);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_peer_col_profiles);

    ovsdb_idl_add_column(ovs_idl, &ovsrec_open_vswitch_col_cur_cfg);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_open_vswitch_col_next_cfg);

    ovsdb_idl_add_table(ovs_idl, &ovsrec_table_vnetenc_profile);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_profile_col_id);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_profile_col_fingerprint);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_profile_col_fingerprints);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_profile_col_external_ids);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_profile_col_tunnel_keys);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_profile_col_certificates);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_profile_col_revoked);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_profile_col_strength);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_profile_col_ciphers);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_profile_col_lanes);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_profile_col_rekey_interval);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_profile_col_usable);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_profile_col_error);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_profile_col_warning);
}

/* Returns the canonical form of the address in 's', which the caller must
 * free, or NULL if 's' is not an address. */
static char *
canonical_address(const char *s)
{
    struct in6_addr address;

    if (!ip46_parse(s, &address)) {
        return NULL;
    }

    struct ds ds = DS_EMPTY_INITIALIZER;
    ipv6_format_mapped(&address, &ds);
    return ds_steal_cstr(&ds);
}

static bool
fingerprint_is_valid(const char *s)
{
    const size_t prefix_len = strlen(FINGERPRINT_PREFIX);

    return (!strncmp(s, FINGERPRINT_PREFIX, prefix_len)
            && strlen(s + prefix_len) == FINGERPRINT_HEX_DIGITS
            && strspn(s + prefix_len, "0123456789abcdefABCDEF")
               == FINGERPRINT_HEX_DIGITS);
}

/* Fills 'fingerprints' from the options of 'encap'.  Returns false if there
 * are none or too many, or if one is malformed; the chassis then gets no row.
 * Without pins, a CA could vouch for a certificate that the chassis never
 * published; without some of them, the certificate in use could be refused. */
static bool
parse_fingerprints(const struct sbrec_encap *encap, struct sset *fingerprints)
{
    const char *s, *list = smap_get(&encap->options,
                                    OVN_VNETENC_ENCAP_FINGERPRINTS);

    sset_from_delimited_string(fingerprints, list ? list : "", ",");
    if (sset_count(fingerprints) > MAX_FINGERPRINTS) {
        VLOG_WARN_RL(&rl, "chassis %s, encap %s: options:%s: %"PRIuSIZE
                     " fingerprints, at most %d are allowed",
                     encap->chassis_name, encap->ip,
                     OVN_VNETENC_ENCAP_FINGERPRINTS,
                     sset_count(fingerprints), MAX_FINGERPRINTS);
        goto error;
    }
    SSET_FOR_EACH (s, fingerprints) {
        if (!fingerprint_is_valid(s)) {
            VLOG_WARN_RL(&rl, "chassis %s, encap %s: options:%s: \"%.80s\" "
                         "is not \"sha256:\" and 64 hexadecimal digits",
                         encap->chassis_name, encap->ip,
                         OVN_VNETENC_ENCAP_FINGERPRINTS, s);
            goto error;
        }
    }
    if (!sset_is_empty(fingerprints)) {
        return true;
    }

error:
    sset_destroy(fingerprints);
    return false;
}

/* Claims. */

static void
claim(struct shash *claims, const char *address, const char *chassis_name)
{
    struct sset *claimants = shash_find_data(claims, address);

    if (!claimants) {
        claimants = xmalloc(sizeof *claimants);
        sset_init(claimants);
        shash_add_nocopy(claims, xstrdup(address), claimants);
    }
    sset_add(claimants, chassis_name);
}

/* Returns true if 'chassis' has an encapsulation of the type of 'encap'.  Only
 * then can there be a tunnel between the two. */
static bool
has_type_of(const struct sbrec_chassis *chassis,
            const struct sbrec_encap *encap)
{
    for (size_t i = 0; i < chassis->n_encaps; i++) {
        if (!strcmp(chassis->encaps[i]->type, encap->type)) {
            return true;
        }
    }
    return false;
}

/* Collects the claims: for each canonical address, the set of names of the
 * chassis that claim it.  A record of a type of which 'this_chassis' has no
 * tunnels claims nothing; a chassis that is gone may have left it. */
static void
collect_claims(const struct sbrec_chassis_table *chassis_table,
               const struct sbrec_chassis *this_chassis,
               struct shash *claims)
{
    const struct sbrec_chassis *chassis;

    SBREC_CHASSIS_TABLE_FOR_EACH (chassis, chassis_table) {
        for (size_t i = 0; i < chassis->n_encaps; i++) {
            if (!has_type_of(this_chassis, chassis->encaps[i])) {
                continue;
            }

            char *address = canonical_address(chassis->encaps[i]->ip);
            if (address) {
                claim(claims, address, chassis->name);
                claim(claims, address, chassis->encaps[i]->chassis_name);
                free(address);
            }
        }
    }
}

static void
destroy_claims(struct shash *claims)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, claims) {
        sset_destroy(node->data);
    }
    shash_destroy_free_data(claims);
}

/* Returns true, and logs an error, unless exactly one chassis claims
 * 'address'. */
static bool
is_contested(const struct shash *claims, const char *address)
{
    const struct sset *claimants = shash_find_data(claims, address);

    if (!claimants) {
        return true;            /* Claimed only for types that we lack. */
    }
    if (sset_count(claimants) == 1) {
        return false;
    }
    COVERAGE_INC(ovn_vnetenc_address_conflict);

    char *names = sset_join(claimants, ", ", "");
    VLOG_ERR_RL(&rl, "tunnel address %s is claimed by more than one chassis "
                "(%s): none of them is trusted with it", address, names);
    free(names);
    return true;
}

/* Desired rows. */

/* Collects the names of the chassis to which tunnel ports of 'br_int' lead. */
static void
collect_tunnels(const struct ovsrec_bridge *br_int, struct sset *names)
{
    for (size_t i = 0; i < br_int->n_ports; i++) {
        const char *id = smap_get(&br_int->ports[i]->external_ids,
                                  OVN_TUNNEL_ID);
        char *name;

        if (id && encaps_tunnel_id_parse(id, &name, NULL, NULL)) {
            sset_add_and_free(names, name);
        }
    }
}

static void
add_chassis(const struct sbrec_chassis *chassis, enum chassis_tunnel_type type,
            const struct shash *claims, struct shash *peers)
{
    for (size_t i = 0; i < chassis->n_encaps; i++) {
        const struct sbrec_encap *encap = chassis->encaps[i];

        if (get_tunnel_type(encap->type) != type
            || strcmp(encap->chassis_name, chassis->name)
            || !ovn_vnetenc_is_capable(chassis, encap)) {
            continue;
        }

        char *address = canonical_address(encap->ip);
        if (address && !is_contested(claims, address)
            && !shash_find(peers, address)) {
            struct peer *peer = xmalloc(sizeof *peer);

            peer->name = chassis->name;
            if (parse_fingerprints(encap, &peer->fingerprints)) {
                shash_add(peers, address, peer);
            } else {
                free(peer);
            }
        }
        free(address);
    }
}

static void
collect_peers(const struct ovsrec_open_vswitch_table *ovs_table,
              const struct ovsrec_bridge *br_int,
              const struct sbrec_chassis_table *chassis_table,
              const struct sbrec_chassis *this_chassis, struct shash *peers)
{
    bool flow_based = is_flow_based_tunnels_enabled(ovs_table, this_chassis);
    struct shash claims = SHASH_INITIALIZER(&claims);
    struct sset tunnels = SSET_INITIALIZER(&tunnels);
    const struct sbrec_chassis *chassis;

    collect_claims(chassis_table, this_chassis, &claims);
    collect_tunnels(br_int, &tunnels);
    SBREC_CHASSIS_TABLE_FOR_EACH (chassis, chassis_table) {
        if (chassis != this_chassis
            && (flow_based || sset_contains(&tunnels, chassis->name))) {
            add_chassis(chassis,
                        select_preferred_tunnel_type(this_chassis, chassis),
                        &claims, peers);
        }
    }
    destroy_claims(&claims);
    sset_destroy(&tunnels);
}

static void
peer_destroy(struct peer *peer)
{
    if (peer) {
        sset_destroy(&peer->fingerprints);
        free(peer);
    }
}

/* Rows. */

static const char *
row_owner(const struct ovsrec_vnetenc_peer *row)
{
    return ovn_vnetenc_owner_get(&row->external_ids);
}

/* Returns true if the ovn-controller of chassis 'name' left 'row' to the
 * chassis that now owns it, and no ovn-controller of the latter, if there is
 * one at all, has taken care of the row yet. */
static bool
row_was_left_by(const struct ovsrec_vnetenc_peer *row, const char *name)
{
    return nullable_string_is_equal(smap_get(&row->external_ids, "ovn-left"),
                                    name);
}

/* Returns true if 'row' belongs to this chassis, or to one that was renamed
 * and therefore will never remove its pins. */
static bool
row_is_ours(const struct ovsrec_vnetenc_peer *row,
            const struct ovsrec_open_vswitch_table *ovs_table,
            const char *chassis_name)
{
    return ((row_owner(row) && row_was_left_by(row, chassis_name))
            || ovn_vnetenc_owner_is_ours(&row->external_ids, ovs_table,
                                         chassis_name));
}

/* Updates 'row'.  Returns true if that changed it. */
static bool
set_row(const struct ovsrec_vnetenc_peer *row, const struct peer *peer,
        const struct ovn_vnetenc_rights *rights, const char *chassis_name)
{
    bool changed = rights && ovn_vnetenc_rights_put(rights, peer->name, row);

    if (changed) {
        ovn_vnetenc_profiles_rights_changed();
    }
    if (!nullable_string_is_equal(row_owner(row), chassis_name)
        || smap_get(&row->external_ids, "ovn-left")) {
        const struct smap ids = SMAP_CONST1(&ids, "ovn", chassis_name);

        ovsrec_vnetenc_peer_set_external_ids(row, &ids);
        changed = true;
    }

    if (!row->name || strcmp(row->name, peer->name)) {
        ovsrec_vnetenc_peer_set_name(row, peer->name);
        changed = true;
    }

    struct sset old;
    sset_init(&old);
    sset_add_array(&old, row->fingerprints, row->n_fingerprints);
    if (!sset_equals(&old, &peer->fingerprints)) {
        const char **array = sset_sort(&peer->fingerprints);

        if (!sset_is_empty(&old)) {
            char *was = sset_join(&old, ", ", "");
            char *is = sset_join(&peer->fingerprints, ", ", "");

            COVERAGE_INC(ovn_vnetenc_pin_replaced);
            VLOG_WARN_RL(&rl, "pinned fingerprints of chassis %s at %s "
                         "changed from %s to %s", peer->name, row->remote_ip,
                         was, is);
            free(was);
            free(is);
        }
        ovsrec_vnetenc_peer_set_fingerprints(row, array,
                                             sset_count(&peer->fingerprints));
        free(array);
        changed = true;
    }
    sset_destroy(&old);
    return changed;
}

static void
insert_row(struct ovsdb_idl_txn *ovs_txn, const char *address,
           const struct peer *peer, const struct ovn_vnetenc_rights *rights,
           const char *chassis_name)
{
    const struct ovsrec_vnetenc_peer *row =
        ovsrec_vnetenc_peer_insert(ovs_txn);

    ovsrec_vnetenc_peer_set_remote_ip(row, address);
    set_row(row, peer, rights, chassis_name);
}

/* Removes the peer with the address of 'row' from 'peers' and returns it.
 * Returns NULL if there is none. */
static struct peer *
take_peer(struct shash *peers, const struct ovsrec_vnetenc_peer *row)
{
    char *address = canonical_address(row->remote_ip);
    struct peer *peer = address ? shash_find_and_delete(peers, address) : NULL;

    free(address);
    return peer;
}

/* Removes the addresses, in any spelling, for which the administrator made a
 * row: that row stays as it is. */
static void
drop_foreign(struct ovsdb_idl *ovs_idl,
             const struct ovsrec_open_vswitch_table *ovs_table,
             struct shash *peers, const char *chassis_name)
{
    const struct ovsrec_vnetenc_peer *row;

    OVSREC_VNETENC_PEER_FOR_EACH (row, ovs_idl) {
        if (!row_is_ours(row, ovs_table, chassis_name)) {
            peer_destroy(take_peer(peers, row));
        }
    }
}

/* Makes our rows equal to 'peers' and empties 'peers'.  Returns true if that
 * changed a row. */
static bool
sync_rows(struct ovsdb_idl *ovs_idl, struct ovsdb_idl_txn *ovs_txn,
          const struct ovsrec_open_vswitch_table *ovs_table,
          const struct ovn_vnetenc_rights *rights, struct shash *peers,
          const char *chassis_name)
{
    const struct ovsrec_vnetenc_peer *row;
    struct shash_node *node;
    bool changed = false;

    drop_foreign(ovs_idl, ovs_table, peers, chassis_name);
    OVSREC_VNETENC_PEER_FOR_EACH_SAFE (row, ovs_idl) {
        if (!row_is_ours(row, ovs_table, chassis_name)) {
            continue;
        }

        struct peer *peer = take_peer(peers, row);
        if (peer) {
            changed |= set_row(row, peer, rights, chassis_name);
            peer_destroy(peer);
        } else {
            ovsrec_vnetenc_peer_delete(row);
            changed = true;
        }
    }
    SHASH_FOR_EACH_SAFE (node, peers) {
        insert_row(ovs_txn, node->name, node->data, rights, chassis_name);
        peer_destroy(node->data);
        shash_delete(peers, node);
        changed = true;
    }
    return changed;
}

void
ovn_vnetenc_peers_run(struct ovsdb_idl *ovs_idl,
                      struct ovsdb_idl_txn *ovs_txn,
                      const struct ovsdb_idl *ovnsb_idl,
                      const struct ovsrec_open_vswitch_table *ovs_table,
                      const struct ovsrec_bridge *br_int,
                      const struct sbrec_chassis_table *chassis_table,
                      const struct sbrec_chassis *this_chassis)
{
    /* An insertion into a table that the server does not have would make every
     * transaction of ovn-controller fail for ever. */
    if (!ovs_txn || !ovsrec_server_has_vnetenc_peer_table(ovs_idl)) {
        return;
    }

    /* No peer is pinned before the flows are installed, because Open vSwitch
     * opens no record of a peer that is not pinned.  The rows that an earlier
     * controller made stay, like its flows. */
    bool supported = ovs_feature_is_supported(OVS_VNETENC_SUPPORT);
    if (supported && !ovn_vnetenc_flows_installed()) {
        return;
    }

    /* There is work only after a change of a database, or to see whether the
     * last transaction succeeded. */
    static unsigned int ovs_seqno, ovnsb_seqno;
    static bool check_again = true;
    static bool was_supported;
    if (!check_again && was_supported == supported
        && ovs_seqno == ovsdb_idl_get_seqno(ovs_idl)
        && ovnsb_seqno == ovsdb_idl_get_seqno(ovnsb_idl)) {
        return;
    }
    was_supported = supported;
    ovs_seqno = ovsdb_idl_get_seqno(ovs_idl);
    ovnsb_seqno = ovsdb_idl_get_seqno(ovnsb_idl);

    struct shash peers = SHASH_INITIALIZER(&peers);
    if (supported) {
        collect_peers(ovs_table, br_int, chassis_table, this_chassis, &peers);
    }

    bool limited =
        ovsrec_server_has_vnetenc_peer_table_col_profiles(ovs_idl);
    struct ovn_vnetenc_rights rights;
    ovn_vnetenc_rights_init(&rights, ovs_idl, ovnsb_idl);
    check_again = sync_rows(ovs_idl, ovs_txn, ovs_table,
                            limited ? &rights : NULL, &peers,
                            this_chassis->name);
    ovn_vnetenc_rights_destroy(&rights);
    shash_destroy(&peers);
}

/* Returns the name of another chassis for which Open vSwitch is configured, or
 * NULL if there is none. */
static const char *
other_chassis(const struct ovsdb_idl *ovs_idl, const char *chassis_name)
{
    static const char prefix[] = "ovn-encap-type-";
    const struct ovsrec_open_vswitch *cfg = ovsrec_open_vswitch_first(ovs_idl);
    const struct smap_node *node;

    if (!cfg) {
        return NULL;
    }
    SMAP_FOR_EACH (node, &cfg->external_ids) {
        const char *name = NULL;

        if (!strcmp(node->key, "system-id")) {
            name = node->value;
        } else if (!strncmp(node->key, prefix, strlen(prefix))) {
            name = node->key + strlen(prefix);
        }
        if (name && strcmp(name, chassis_name)) {
            return name;
        }
    }
    return NULL;
}

/* Leaves rows to another ovn-controller of this host, which may need them:
 * without them its sessions would end. */
bool
ovn_vnetenc_peers_cleanup(struct ovsdb_idl *ovs_idl,
                          struct ovsdb_idl_txn *ovs_txn,
                          const char *chassis_name)
{
    const struct ovsrec_vnetenc_peer *row;
    bool done = true;

    if (!chassis_name || !ovsrec_server_has_vnetenc_peer_table(ovs_idl)) {
        return true;
    }

    const char *heir = other_chassis(ovs_idl, chassis_name);
    OVSREC_VNETENC_PEER_FOR_EACH_SAFE (row, ovs_idl) {
        if (!nullable_string_is_equal(row_owner(row), chassis_name)) {
            continue;
        }
        done = false;
        if (ovs_txn && heir) {
            /* The heir may be no more than a name in the configuration. */
            const struct smap ids = SMAP_CONST2(&ids, "ovn", heir, "ovn-left",
                                                chassis_name);

            ovsrec_vnetenc_peer_set_external_ids(row, &ids);
        } else if (ovs_txn) {
            ovsrec_vnetenc_peer_delete(row);
        }
    }
    return done;
}
