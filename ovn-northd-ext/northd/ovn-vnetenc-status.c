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
#include "smap.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(ovn_vnetenc_status);

/* How many chassis or alarms a status names. */
enum { MAX_NAMES = 8 };

/* A logical switch with a demand. */
struct ls {
    struct hmap_node node;      /* In 'switches', by 'key'. */
    uint32_t key;               /* Tunnel key. */
    enum vnetenc_mode mode;
    const struct nbrec_logical_switch *nbs;
    struct sset chassis;        /* With a port of it, by name. */
};

static struct ls *
find_switch(const struct hmap *switches, uint32_t key)
{
    struct ls *ls;

    HMAP_FOR_EACH_WITH_HASH (ls, node, hash_int(key, 0), switches) {
        if (ls->key == key) {
            return ls;
        }
    }
    return NULL;
}

static void
collect_switches(struct ovsdb_idl *nb_idl, const struct ovsdb_idl *sb_idl,
                 struct hmap *switches)
{
    const struct sbrec_datapath_binding *dp;

    SBREC_DATAPATH_BINDING_FOR_EACH (dp, sb_idl) {
        enum vnetenc_mode mode = ovn_vnetenc_demand_of_dp(dp).mode;
        struct uuid uuid;

        if (mode == VNETENC_OFF || !datapath_get_nb_uuid(dp, &uuid)) {
            continue;
        }

        const struct nbrec_logical_switch *nbs
            = nbrec_logical_switch_get_for_uuid(nb_idl, &uuid);
        if (nbs) {
            struct ls *ls = xmalloc(sizeof *ls);

            *ls = (struct ls) {
                .key = dp->tunnel_key,
                .mode = mode,
                .nbs = nbs,
                .chassis = SSET_INITIALIZER(&ls->chassis),
            };
            hmap_insert(switches, &ls->node, hash_int(ls->key, 0));
        }
    }
}

/* Adds the chassis on which ports are.  Those of other availability zones
 * report to their own. */
static void
collect_chassis(const struct ovsdb_idl *sb_idl, struct hmap *switches)
{
    const struct sbrec_port_binding *pb;

    SBREC_PORT_BINDING_FOR_EACH (pb, sb_idl) {
        struct ls *ls;

        if (!pb->chassis
            || smap_get_bool(&pb->chassis->other_config, "is-remote",
                             false)) {
            continue;
        }
        ls = find_switch(switches, pb->datapath->tunnel_key);
        if (ls) {
            sset_add(&ls->chassis, pb->chassis->name);
        }
    }
}

static void
destroy_switches(struct hmap *switches)
{
    struct ls *ls;

    HMAP_FOR_EACH_POP (ls, node, switches) {
        sset_destroy(&ls->chassis);
        free(ls);
    }
    hmap_destroy(switches);
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

/* Adds the alarms between 'chassis' and others with a port of 'ls'. */
static void
add_alarms(const struct ls *ls, const struct sbrec_chassis_private *chassis,
           struct names *alarms)
{
    const struct smap_node *node;

    SMAP_FOR_EACH (node, &chassis->encryption) {
        const char *other = node->key + strlen(OVN_VNETENC_REPORT_ALARM);

        if (!strncmp(node->key, OVN_VNETENC_REPORT_ALARM,
                     strlen(OVN_VNETENC_REPORT_ALARM))
            && sset_contains(&ls->chassis, other)) {
            add_name(alarms, "%s to %s: %s", chassis->name, other,
                     node->value);
        }
    }
}

static const char *
state_of(const struct ls *ls, size_t n_behind, size_t n_incapable,
         size_t n_alarms)
{
    return (n_incapable || n_alarms ? "degraded"
            : n_behind ? "in-progress"
            : ls->mode == VNETENC_REQUIRE ? "enforced" : "preferred");
}

static void
compose(const struct ls *ls, const struct shash *privates,
        struct smap *status)
{
    struct names behind = { .text = DS_EMPTY_INITIALIZER };
    struct names incapable = { .text = DS_EMPTY_INITIALIZER };
    struct names alarms = { .text = DS_EMPTY_INITIALIZER };
    const char **names = sset_sort(&ls->chassis);
    char key[INT_STRLEN(uint32_t) + 1];

    snprintf(key, sizeof key, "%"PRIu32, ls->key);
    for (size_t i = 0; i < sset_count(&ls->chassis); i++) {
        const struct sbrec_chassis_private *chassis
            = shash_find_data(privates, names[i]);

        if (!chassis || !chassis->chassis) {
            add_name(&behind, "%s", names[i]);
            continue;
        }
        if (!ovn_vnetenc_chassis_is_announced(chassis->chassis)) {
            add_name(&incapable, "%s", names[i]);
        } else if (strcmp(smap_get_def(&chassis->encryption, key, ""),
                          vnetenc_mode_to_string(ls->mode))) {
            add_name(&behind, "%s", names[i]);
        }
        add_alarms(ls, chassis, &alarms);
    }
    free(names);

    smap_add(status, "state", state_of(ls, behind.n, incapable.n, alarms.n));
    smap_add_format(status, "chassis", "%"PRIuSIZE, sset_count(&ls->chassis));
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
warn_of_cut_off(const struct ls *ls, const struct smap *status,
                const struct ovsdb_idl *sb_idl)
{
    const char *now = smap_get(status, "incapable-chassis");
    const char *before = smap_get(&ls->nbs->encryption_status,
                                  "incapable-chassis");
    struct names ports = { .text = DS_EMPTY_INITIALIZER };
    const struct sbrec_port_binding *pb;

    if (!now || ls->mode != VNETENC_REQUIRE
        || nullable_string_is_equal(now, before)) {
        return;
    }
    SBREC_PORT_BINDING_FOR_EACH (pb, sb_idl) {
        if (pb->chassis && pb->datapath->tunnel_key == ls->key
            && !ovn_vnetenc_chassis_is_announced(pb->chassis)) {
            add_name(&ports, "%s", pb->logical_port);
        }
    }
    VLOG_WARN("logical switch %s: encryption=require cuts off chassis that "
              "cannot encrypt: %s; %"PRIuSIZE" ports on them: %s%s",
              ls->nbs->name, now, ports.n, ds_cstr(&ports.text),
              ports.n > MAX_NAMES ? ", ..." : "");
    ds_destroy(&ports.text);
}

/* All of them. */

static void
update_demanding(const struct ovsdb_idl *sb_idl, const struct hmap *switches)
{
    struct shash privates = SHASH_INITIALIZER(&privates);
    const struct sbrec_chassis_private *chassis;
    const struct ls *ls;

    SBREC_CHASSIS_PRIVATE_FOR_EACH (chassis, sb_idl) {
        shash_add(&privates, chassis->name, chassis);
    }
    HMAP_FOR_EACH (ls, node, switches) {
        struct smap status = SMAP_INITIALIZER(&status);

        compose(ls, &privates, &status);
        warn_of_cut_off(ls, &status, sb_idl);
        write_status(ls->nbs, &status);
        smap_destroy(&status);
    }
    shash_destroy(&privates);
}

/* Says of switches that demand nothing any more, or explicitly nothing, that
 * they are off.  The others need no status. */
static void
update_others(const struct ovsdb_idl *nb_idl, const struct hmap *switches)
{
    struct hmapx demanding = HMAPX_INITIALIZER(&demanding);
    const struct nbrec_logical_switch *nbs;
    const struct ls *ls;

    HMAP_FOR_EACH (ls, node, switches) {
        hmapx_add(&demanding, CONST_CAST(struct nbrec_logical_switch *,
                                         ls->nbs));
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
    struct hmap switches = HMAP_INITIALIZER(&switches);

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

    collect_switches(nb_idl, sb_idl, &switches);
    if (!hmap_is_empty(&switches)) {
        collect_chassis(sb_idl, &switches);
        update_demanding(sb_idl, &switches);
    }
    update_others(nb_idl, &switches);
    destroy_switches(&switches);
}

void
ovn_vnetenc_status_init(struct ovsdb_idl *nb_idl)
{
    ovsdb_idl_omit_alert(nb_idl,
                         &nbrec_logical_switch_col_encryption_status);
}
