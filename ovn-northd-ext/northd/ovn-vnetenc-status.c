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

#include "ovn-vnetenc-status.h"

#include <limits.h>

#include "hash.h"
#include "hmapx.h"
#include "lib/ovn-nb-idl.h"
#include "lib/ovn-sb-idl.h"
#include "lib/ovn-util.h"
#include "lib/ovn-vnetenc-capable.h"
#include "lib/ovn-vnetenc-demand.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "ovn-vnetenc-credential.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(ovn_vnetenc_status);

/* How many chassis or alarms a status names, and of how much text an alarm
 * is. */
enum { MAX_NAMES = 8, MAX_ALARM_BYTES = 64 };

/* Datapaths between which packets need no gateway: a chassis with a port of
 * one sends packets of all into tunnels itself. */
struct area {
    struct area *into;          /* Became part of this one, or NULL. */
    struct hmapx chassis;       /* With a port of it. */
};

struct dp {
    struct hmap_node node;      /* In 'dps', by 'key'. */
    uint32_t key;               /* Tunnel key. */
    struct area area;           /* That it began with. */
    bool border;                /* It has a localnet port. */

    /* A logical switch with a demand, or NULL. */
    const struct nbrec_logical_switch *nbs;
    enum vnetenc_mode mode;
    bool closed;                /* Its credential, the default, does not exist,
                                 * and the one instead admits nobody. */
};

static struct dp *
find_dp(const struct hmap *dps, uint32_t key)
{
    struct dp *dp;

    HMAP_FOR_EACH_WITH_HASH (dp, node, hash_int(key, 0), dps) {
        if (dp->key == key) {
            return dp;
        }
    }
    return NULL;
}

static struct area *
area_of(struct dp *dp)
{
    struct area *area = &dp->area;

    while (area->into) {
        area = area->into;
    }
    return area;
}

/* Returns true if a switch has a demand. */
static bool
collect_dps(struct ovsdb_idl *nb_idl, const struct ovsdb_idl *sb_idl,
            struct hmap *dps)
{
    const struct sbrec_datapath_binding *sb;
    bool any = false;

    SBREC_DATAPATH_BINDING_FOR_EACH (sb, sb_idl) {
        struct dp *dp = xzalloc(sizeof *dp);
        struct uuid uuid;

        dp->key = sb->tunnel_key;
        dp->mode = ovn_vnetenc_demand_of_dp(sb).mode;
        hmapx_init(&dp->area.chassis);
        if (dp->mode != VNETENC_OFF && datapath_get_nb_uuid(sb, &uuid)) {
            dp->nbs = nbrec_logical_switch_get_for_uuid(nb_idl, &uuid);
            any |= dp->nbs != NULL;
        }
        hmap_insert(dps, &dp->node, hash_int(dp->key, 0));
    }
    return any;
}

/* Marks the datapaths of a default credential that has no northbound row and
 * admits nobody. */
static void
find_closed(struct ovsdb_idl *nb_idl, const struct ovsdb_idl *sb_idl,
            const struct hmap *dps)
{
    const struct sbrec_encryption_credential *sb;

    SBREC_ENCRYPTION_CREDENTIAL_FOR_EACH (sb, sb_idl) {
        if (!ovn_vnetenc_credential_is_closed(sb)
            || nbrec_encryption_credential_get_for_uuid(nb_idl,
                                                        &sb->header_.uuid)) {
            continue;
        }
        for (size_t i = 0; i < sb->n_datapaths; i++) {
            struct dp *dp = find_dp(dps, sb->datapaths[i]->tunnel_key);

            if (dp) {
                dp->closed = true;
            }
        }
    }
}

/* Joins the areas that a router connects on every chassis: not through a
 * gateway, and not beyond a switch with a localnet port. */
static void
join_areas(const struct ovsdb_idl *sb_idl, struct hmap *dps)
{
    struct shash patches = SHASH_INITIALIZER(&patches);
    const struct sbrec_port_binding *pb;
    struct shash_node *node;

    SBREC_PORT_BINDING_FOR_EACH (pb, sb_idl) {
        struct dp *dp = find_dp(dps, pb->datapath->tunnel_key);

        if (!strcmp(pb->type, "localnet") && dp) {
            dp->border = true;
        } else if (!strcmp(pb->type, "patch")
                   && !smap_get(&pb->options, "chassis-redirect-port")) {
            shash_add(&patches, pb->logical_port, pb);
        }
    }
    SHASH_FOR_EACH (node, &patches) {
        const struct sbrec_port_binding *peer;

        pb = node->data;
        peer = shash_find_data(&patches, smap_get_def(&pb->options, "peer",
                                                      ""));
        if (peer) {
            struct dp *a = find_dp(dps, pb->datapath->tunnel_key);
            struct dp *b = find_dp(dps, peer->datapath->tunnel_key);

            if (a && b && !a->border && !b->border
                && area_of(a) != area_of(b)) {
                area_of(a)->into = area_of(b);
            }
        }
    }
    shash_destroy(&patches);
}

static void
add_chassis(struct area *area, const struct sbrec_chassis *chassis)
{
    /* Those of other availability zones report to their own. */
    if (!smap_get_bool(&chassis->other_config, "is-remote", false)) {
        hmapx_add(&area->chassis, CONST_CAST(struct sbrec_chassis *,
                                             chassis));
    }
}

/* Adds the chassis on which ports are, or will be. */
static void
collect_chassis(const struct ovsdb_idl *sb_idl, struct hmap *dps)
{
    const struct sbrec_port_binding *pb;

    SBREC_PORT_BINDING_FOR_EACH (pb, sb_idl) {
        struct dp *dp;

        if (!pb->chassis && !pb->n_additional_chassis) {
            continue;
        }
        dp = find_dp(dps, pb->datapath->tunnel_key);
        if (!dp) {
            continue;
        }
        if (pb->chassis) {
            add_chassis(area_of(dp), pb->chassis);
        }
        for (size_t i = 0; i < pb->n_additional_chassis; i++) {
            add_chassis(area_of(dp), pb->additional_chassis[i]);
        }
    }
}

static void
destroy_dps(struct hmap *dps)
{
    struct dp *dp;

    HMAP_FOR_EACH_POP (dp, node, dps) {
        hmapx_destroy(&dp->area.chassis);
        free(dp);
    }
    hmap_destroy(dps);
}

/* Stores the chassis by name in 'names', to be destroyed by the caller. */
static void
name_chassis(const struct hmapx *chassis, struct shash *names)
{
    struct hmapx_node *node;

    shash_init(names);
    HMAPX_FOR_EACH (node, chassis) {
        const struct sbrec_chassis *c = node->data;

        shash_add(names, c->name, c);
    }
}

/* One status. */

/* Names, of which the first few are kept, and their number. */
struct names {
    struct ds text;
    size_t n;
};

static void OVS_PRINTF_FORMAT(2, 3)
add_name(struct names *names, const char *format, ...)
{
    va_list args;

    if (names->n++ < MAX_NAMES) {
        ds_put_cstr(&names->text, names->n > 1 ? ", " : "");
        va_start(args, format);
        ds_put_format_valist(&names->text, format, args);
        va_end(args);
    }
}

/* Stores number and names under 'key' and 'names_key', and frees the names. */
static void
put_names(struct smap *status, const char *key, const char *names_key,
          struct names *names)
{
    smap_add_format(status, key, "%"PRIuSIZE, names->n);
    if (names->n > MAX_NAMES) {
        ds_put_format(&names->text, " and %"PRIuSIZE" more",
                      names->n - MAX_NAMES);
    }
    if (names->n) {
        smap_add(status, names_key, ds_cstr(&names->text));
    }
    ds_destroy(&names->text);
}

/* Adds the alarms between 'chassis' and 'others'. */
static void
add_alarms(const struct shash *others,
           const struct sbrec_chassis_private *chassis, struct names *alarms)
{
    const struct smap_node *node;

    SMAP_FOR_EACH (node, &chassis->encryption) {
        const char *other = node->key + strlen(OVN_VNETENC_REPORT_ALARM);

        if (!strncmp(node->key, OVN_VNETENC_REPORT_ALARM,
                     strlen(OVN_VNETENC_REPORT_ALARM))
            && shash_find(others, other)) {
            /* A chassis chooses the value. */
            add_name(alarms, "%s to %s: %.*s", chassis->name, other,
                     MAX_ALARM_BYTES, node->value);
        }
    }
}

static const char *
state_of(enum vnetenc_mode mode, size_t n_behind, size_t n_incapable,
         size_t n_alarms)
{
    return (n_incapable || n_alarms ? "degraded"
            : n_behind ? "in-progress"
            : mode == VNETENC_REQUIRE ? "enforced" : "preferred");
}

static void
compose(struct dp *dp, const struct shash *privates, struct smap *status)
{
    struct names behind = { .text = DS_EMPTY_INITIALIZER };
    struct names incapable = { .text = DS_EMPTY_INITIALIZER };
    struct names alarms = { .text = DS_EMPTY_INITIALIZER };
    char key[INT_STRLEN(uint32_t) + 1];
    const struct shash_node **nodes;
    struct shash all;

    snprintf(key, sizeof key, "%"PRIu32, dp->key);
    name_chassis(&area_of(dp)->chassis, &all);
    nodes = shash_sort(&all);
    for (size_t i = 0; i < shash_count(&all); i++) {
        const struct sbrec_chassis *chassis = nodes[i]->data;
        const struct sbrec_chassis_private *own
            = shash_find_data(privates, chassis->name);

        if (!ovn_vnetenc_chassis_is_announced(chassis)) {
            add_name(&incapable, "%s", chassis->name);
        } else if (!own || strcmp(smap_get_def(&own->encryption, key, ""),
                                  vnetenc_mode_to_string(dp->mode))) {
            add_name(&behind, "%s", chassis->name);
        }
        if (own) {
            add_alarms(&all, own, &alarms);
        }
    }
    free(nodes);

    smap_add(status, "state",
             dp->closed ? "degraded" : state_of(dp->mode, behind.n,
                                                incapable.n, alarms.n));
    if (dp->closed) {
        smap_add(status, "closed",
                 dp->mode == VNETENC_PREFER
                 ? "the default credential does not exist; packets leave in "
                   "clear"
                 : "the default credential does not exist");
    }
    smap_add_format(status, "chassis", "%"PRIuSIZE, shash_count(&all));
    shash_destroy(&all);
    put_names(status, "behind", "behind-chassis", &behind);
    put_names(status, "incapable", "incapable-chassis", &incapable);
    put_names(status, "alarms", "causes", &alarms);
}

/* Writes 'status' if it is another one.  Adds since when its state holds. */
static void
write_status(const struct nbrec_logical_switch *nbs, struct smap *status)
{
    const struct smap *old = &nbs->encryption_status;
    const char *since = smap_get(old, "since");

    if (since && !strcmp(smap_get_def(old, "state", ""),
                         smap_get_def(status, "state", ""))) {
        smap_add(status, "since", since);
    } else {
        smap_add_nocopy(status, xstrdup("since"),
                        xastrftime_msec("%Y-%m-%dT%H:%M:%SZ",
                                        time_wall_msec(), true));
    }
    if (!smap_equal(old, status)) {
        nbrec_logical_switch_set_encryption_status(nbs, status);
    }
}

/* Says once that a chassis carries no traffic of the switch, and which
 * ports. */
static void
warn_of_cut_off(const struct dp *dp, const struct smap *status,
                const struct ovsdb_idl *sb_idl)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 10);
    const char *now = smap_get(status, "incapable-chassis");
    const char *before = smap_get(&dp->nbs->encryption_status,
                                  "incapable-chassis");
    struct names ports = { .text = DS_EMPTY_INITIALIZER };
    const struct sbrec_port_binding *pb;

    if (!now || dp->mode != VNETENC_REQUIRE
        || nullable_string_is_equal(now, before)
        || VLOG_DROP_WARN(&rl)) {
        return;
    }
    SBREC_PORT_BINDING_FOR_EACH (pb, sb_idl) {
        if (pb->chassis && pb->datapath->tunnel_key == dp->key
            && !ovn_vnetenc_chassis_is_announced(pb->chassis)) {
            add_name(&ports, "%s", pb->logical_port);
        }
    }
    VLOG_WARN("logical switch %s: encryption=require cuts off chassis that "
              "cannot encrypt: %s; %"PRIuSIZE" ports on them: %s%s",
              dp->nbs->name, now, ports.n, ds_cstr(&ports.text),
              ports.n > MAX_NAMES ? ", ..." : "");
    ds_destroy(&ports.text);
}

/* All of them. */

static void
update_demanding(const struct ovsdb_idl *sb_idl, const struct hmap *dps)
{
    struct shash privates = SHASH_INITIALIZER(&privates);
    const struct sbrec_chassis_private *chassis;
    struct dp *dp;

    SBREC_CHASSIS_PRIVATE_FOR_EACH (chassis, sb_idl) {
        shash_add(&privates, chassis->name, chassis);
    }
    HMAP_FOR_EACH (dp, node, dps) {
        if (dp->nbs) {
            struct smap status = SMAP_INITIALIZER(&status);

            compose(dp, &privates, &status);
            warn_of_cut_off(dp, &status, sb_idl);
            write_status(dp->nbs, &status);
            smap_destroy(&status);
        }
    }
    shash_destroy(&privates);
}

/* Says of switches that demand nothing any more, or explicitly nothing, that
 * they are off.  The others need no status. */
static void
update_others(const struct ovsdb_idl *nb_idl, const struct hmap *dps)
{
    struct hmapx demanding = HMAPX_INITIALIZER(&demanding);
    const struct nbrec_logical_switch *nbs;
    const struct dp *dp;

    HMAP_FOR_EACH (dp, node, dps) {
        if (dp->nbs) {
            hmapx_add(&demanding, CONST_CAST(struct nbrec_logical_switch *,
                                             dp->nbs));
        }
    }
    NBREC_LOGICAL_SWITCH_FOR_EACH (nbs, nb_idl) {
        if (!hmapx_contains(&demanding, nbs)
            && (!smap_is_empty(&nbs->encryption_status)
                || (nbs->encryption && !strcmp(nbs->encryption, "off")))) {
            struct smap status = SMAP_INITIALIZER(&status);

            smap_add(&status, "state", "off");
            write_status(nbs, &status);
            smap_destroy(&status);
        }
    }
    hmapx_destroy(&demanding);
}

void
ovn_vnetenc_status_run(struct ovsdb_idl *nb_idl, struct ovsdb_idl *sb_idl)
{
    static long long int next = LLONG_MIN;
    static unsigned int nb_seqno, sb_seqno;
    struct hmap dps = HMAP_INITIALIZER(&dps);

    if ((nb_seqno == ovsdb_idl_get_seqno(nb_idl)
         && sb_seqno == ovsdb_idl_get_seqno(sb_idl))
        || !nbrec_server_has_logical_switch_table_col_encryption_status(
            nb_idl)) {
        return;
    }
    if (time_msec() < next) {
        poll_timer_wait_until(next);
        return;
    }
    nb_seqno = ovsdb_idl_get_seqno(nb_idl);
    sb_seqno = ovsdb_idl_get_seqno(sb_idl);
    next = time_msec() + OVN_VNETENC_STATUS_INTERVAL_MS;

    if (collect_dps(nb_idl, sb_idl, &dps)) {
        find_closed(nb_idl, sb_idl, &dps);
        join_areas(sb_idl, &dps);
        collect_chassis(sb_idl, &dps);
        update_demanding(sb_idl, &dps);
    }
    update_others(nb_idl, &dps);
    destroy_dps(&dps);
}

void
ovn_vnetenc_status_init(struct ovsdb_idl *nb_idl)
{
    ovsdb_idl_omit_alert(nb_idl,
                         &nbrec_logical_switch_col_encryption_status);
}
