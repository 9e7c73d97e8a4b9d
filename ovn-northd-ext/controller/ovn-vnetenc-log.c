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

#include "ovn-vnetenc-log.h"

#include <stdlib.h>

#include "lib/inc-proc-eng.h"
#include "lib/ovn-sb-idl.h"
#include "lib/ovn-util.h"
#include "lib/ovn-vnetenc-fields.h"
#include "lib/ovn-vnetenc-loglevel.h"
#include "lib/vswitch-idl.h"
#include "local_data.h"
#include "ofctrl.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "ovn/logical-fields.h"
#include "ovn-vnetenc-flows.h"
#include "ovn-vnetenc-modes.h"
#include "ovn-vnetenc-owner.h"
#include "smap.h"
#include "util.h"
#include "vnetenc/log/note.h"
#include "vnetenc/log/settings.h"

VLOG_DEFINE_THIS_MODULE(ovn_vnetenc_log);

void
ovn_vnetenc_log_register_ovs_idl(struct ovsdb_idl *ovs_idl)
{
    ovsdb_idl_add_table(ovs_idl, &ovsrec_table_vnetenc_flow_log);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_flow_log_col_bridge);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_flow_log_col_mark);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_flow_log_col_fields);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_flow_log_col_names);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_flow_log_col_file);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_flow_log_col_interval);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_flow_log_col_max_flows);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_flow_log_col_connections);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_flow_log_col_max_size);
    ovsdb_idl_add_column(ovs_idl, &ovsrec_vnetenc_flow_log_col_external_ids);
}

/* Settings. */

/* The newest value of each option that was refused, by key. */
static struct shash refused = SHASH_INITIALIZER(&refused);

static void
forget_refused(const char *key)
{
    free(shash_find_and_delete(&refused, key));
}

/* Logs once that 'value' is refused.  'in_use' is used instead, or the default
 * if it is NULL. */
static void
note_refused(const char *key, const char *value, const char *allowed,
             const char *in_use)
{
    const char *before = shash_find_data(&refused, key);

    if (!before || strcmp(before, value)) {
        VLOG_WARN("NB_Global options:%s=%s: must be %s; %s is used", key,
                  value, allowed, in_use ? in_use : "the default");
        free(shash_replace(&refused, key, xstrdup(value)));
    }
}

/* An option of SB_Global that is a number, and its column in the row.  The
 * range is that of the column: the database refuses the whole transaction of
 * ovn-controller if a number is outside. */
struct number {
    const char *key;
    long long int min, max;
    void (*set)(const struct ovsrec_vnetenc_flow_log *, const int64_t *,
                size_t);
};

/* Makes the column of 'row', which has 'n' (0 or 1) 'values', equal to the
 * option.  Returns true if that changed the column. */
static bool
sync_number(const struct ovsrec_vnetenc_flow_log *row,
            const struct smap *options, struct number number,
            const int64_t *values, size_t n)
{
    const char *s = smap_get(options, number.key);
    long long int value;
    int64_t new;

    if (!s) {
        forget_refused(number.key);
        if (n) {
            number.set(row, NULL, 0);
        }
        return n;
    }
    if (!str_to_llong(s, 10, &value) || value < number.min
        || value > number.max) {
        char *in_use = n ? xasprintf("%"PRId64, values[0]) : NULL;
        char *allowed = xasprintf("an integer from %lld to %lld", number.min,
                                  number.max);

        note_refused(number.key, s, allowed, in_use);
        free(allowed);
        free(in_use);
        return false;
    }
    forget_refused(number.key);
    if (n && values[0] == value) {
        return false;
    }
    new = value;
    number.set(row, &new, 1);
    return true;
}

static bool
sync_file(const struct ovsrec_vnetenc_flow_log *row,
          const struct smap *options)
{
    const char *file = smap_get(options, OVN_VNETENC_LOG_FILE);

    if (file && !vnetenc_settings_is_file(file)) {
        note_refused(OVN_VNETENC_LOG_FILE, file,
                     VNETENC_SETTINGS_FILE_ALLOWED, row->file);
        return false;
    }
    forget_refused(OVN_VNETENC_LOG_FILE);
    if (nullable_string_is_equal(file, row->file)) {
        return false;
    }
    ovsrec_vnetenc_flow_log_set_file(row, file);
    return true;
}

static bool
sync_settings(const struct ovsrec_vnetenc_flow_log *row,
              const struct smap *options)
{
    const struct number interval = {
        OVN_VNETENC_LOG_INTERVAL, 10, 600,
        ovsrec_vnetenc_flow_log_set_interval,
    };
    const struct number max_flows = {
        OVN_VNETENC_LOG_MAX_FLOWS, 1, 1000000,
        ovsrec_vnetenc_flow_log_set_max_flows,
    };
    const struct number connections = {
        OVN_VNETENC_LOG_CONNECTIONS, 0, 100000,
        ovsrec_vnetenc_flow_log_set_connections,
    };
    const struct number max_size = {
        OVN_VNETENC_LOG_MAX_SIZE, 1, 1048576,
        ovsrec_vnetenc_flow_log_set_max_size,
    };
    bool changed = sync_file(row, options);

    changed |= sync_number(row, options, interval, row->interval,
                           row->n_interval);
    changed |= sync_number(row, options, max_flows, row->max_flows,
                           row->n_max_flows);
    changed |= sync_number(row, options, connections, row->connections,
                           row->n_connections);
    changed |= sync_number(row, options, max_size, row->max_size,
                           row->n_max_size);
    return changed;
}

/* Names. */

struct name {
    int64_t key;
    const char *name;
};

static int
compare_names(const void *a_, const void *b_)
{
    const struct name *a = a_;
    const struct name *b = b_;

    return a->key < b->key ? -1 : a->key > b->key;
}

/* Returns the names of all local datapaths that have one, sorted by tunnel
 * key, which the caller must free, and their number in '*n_names'.  A packet
 * keeps its mark when it leaves its switch, so names of datapaths that are not
 * logged are needed as well. */
static struct name *
collect_names(const struct hmap *local_datapaths, size_t *n_names)
{
    struct name *names = xmalloc(hmap_count(local_datapaths) * sizeof *names);
    const struct local_datapath *ld;
    size_t n = 0;

    HMAP_FOR_EACH (ld, hmap_node, local_datapaths) {
        const char *name = smap_get(&ld->datapath->external_ids, "name");

        if (name) {
            names[n++] = (struct name) { ld->datapath->tunnel_key, name };
        }
    }
    qsort(names, n, sizeof *names, compare_names);
    *n_names = n;
    return names;
}

/* The database keeps a map sorted by key. */
static bool
names_equal(const struct ovsrec_vnetenc_flow_log *row,
            const struct name *names, size_t n)
{
    if (row->n_names != n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (row->key_names[i] != names[i].key
            || strcmp(row->value_names[i], names[i].name)) {
            return false;
        }
    }
    return true;
}

static bool
sync_names(const struct ovsrec_vnetenc_flow_log *row,
           const struct hmap *local_datapaths)
{
    size_t n;
    struct name *names = collect_names(local_datapaths, &n);
    bool changed = !names_equal(row, names, n);

    if (changed) {
        int64_t *keys = xmalloc(n * sizeof *keys);
        const char **values = xmalloc(n * sizeof *values);

        for (size_t i = 0; i < n; i++) {
            keys[i] = names[i].key;
            values[i] = names[i].name;
        }
        ovsrec_vnetenc_flow_log_set_names(row, keys, values, n);
        free(keys);
        free(values);
    }
    free(names);
    return changed;
}

/* The row. */

static bool
sync_fields(const struct ovsrec_vnetenc_flow_log *row)
{
    /* Sorted, as the database keeps a set. */
    const char *fields[] = {
        mf_from_id(MFF_LOG_INPORT)->name,
        mf_from_id(MFF_LOG_OUTPORT)->name,
    };

    if (row->n_fields == ARRAY_SIZE(fields)
        && !strcmp(row->fields[0], fields[0])
        && !strcmp(row->fields[1], fields[1])) {
        return false;
    }
    ovsrec_vnetenc_flow_log_set_fields(row, fields, ARRAY_SIZE(fields));
    return true;
}

/* Updates 'row'.  Returns true if that changed it. */
static bool
sync_row(const struct ovsrec_vnetenc_flow_log *row,
         const struct ovsrec_bridge *br_int, const char *chassis_name,
         const struct smap *options, const struct hmap *local_datapaths)
{
    char *mark = xasprintf("%s[%d..%d]", mf_from_id(MFF_LOG_VNETENC)->name,
                           OVN_VNETENC_LOG_OFS,
                           OVN_VNETENC_LOG_OFS + OVN_VNETENC_LOG_BITS - 1);
    const char *owner = ovn_vnetenc_owner_get(&row->external_ids);
    bool changed = false;

    if (!nullable_string_is_equal(owner, chassis_name)) {
        const struct smap ids = SMAP_CONST1(&ids, "ovn", chassis_name);

        ovsrec_vnetenc_flow_log_set_external_ids(row, &ids);
        changed = true;
    }
    if (strcmp(row->bridge, br_int->name)) {
        ovsrec_vnetenc_flow_log_set_bridge(row, br_int->name);
        changed = true;
    }
    if (strcmp(row->mark, mark)) {
        ovsrec_vnetenc_flow_log_set_mark(row, mark);
        changed = true;
    }
    free(mark);
    changed |= sync_fields(row);
    changed |= sync_names(row, local_datapaths);
    changed |= sync_settings(row, options);
    return changed;
}

static bool
is_wanted(const struct hmap *local_datapaths)
{
    const struct local_datapath *ld;

    HMAP_FOR_EACH (ld, hmap_node, local_datapaths) {
        if (ovn_vnetenc_loglevel_of_dp(ld->datapath)
            != OVN_VNETENC_LOGLEVEL_OFF) {
            return true;
        }
    }
    return false;
}

/* Logs once that 'row' keeps us from logging. */
static void
complain(const struct ovsrec_vnetenc_flow_log *row)
{
    static struct uuid known;

    if (!uuid_equals(&known, &row->header_.uuid)) {
        known = row->header_.uuid;
        VLOG_WARN("table VNetEnc_Flow_Log has a row for bridge %s that this "
                  "ovn-controller did not make: logical switches with "
                  "other_config:%s are not logged here until somebody removes "
                  "that row", row->bridge, OVN_VNETENC_NB_LOG);
    }
}

/* Returns true if that changed the table. */
static bool
sync_table(struct ovsdb_idl *ovs_idl, struct ovsdb_idl_txn *ovs_txn,
           const struct ovsdb_idl *sb_idl,
           const struct ovsrec_open_vswitch_table *ovs_table,
           const struct ovsrec_bridge *br_int, const char *chassis_name,
           const struct hmap *local_datapaths)
{
    const struct ovsrec_vnetenc_flow_log *row =
        ovsrec_vnetenc_flow_log_first(ovs_idl);
    const struct sbrec_sb_global *global = sbrec_sb_global_first(sb_idl);
    const struct smap no_options = SMAP_INITIALIZER(&no_options);
    bool ours = row && ovn_vnetenc_owner_is_ours(&row->external_ids, ovs_table,
                                                 chassis_name);

    if (!is_wanted(local_datapaths)) {
        if (ours) {
            ovsrec_vnetenc_flow_log_delete(row);
        }
        return ours;
    }
    if (row && !ours) {
        complain(row);
        return false;
    }
    if (!row) {
        row = ovsrec_vnetenc_flow_log_insert(ovs_txn);
    }
    return sync_row(row, br_int, chassis_name,
                    global ? &global->options : &no_options,
                    local_datapaths);
}

void
ovn_vnetenc_log_run(struct ovsdb_idl *ovs_idl, struct ovsdb_idl_txn *ovs_txn,
                    const struct ovsdb_idl *sb_idl,
                    const struct ovsrec_open_vswitch_table *ovs_table,
                    const struct ovsrec_bridge *br_int,
                    const struct sbrec_chassis *this_chassis,
                    const struct hmap *local_datapaths)
{
    /* There is work only after a change of a database, or to see whether the
     * last transaction succeeded. */
    static unsigned int ovs_seqno, sb_seqno;
    static bool check_again = true;

    if (engine_canceled() || daemon_started_recently()) {
        /* The datapaths may be those of a former round, or not all may have
         * come from the southbound database yet. */
        check_again = true;
        return;
    }
    if (!ovs_txn || !ovsrec_server_has_vnetenc_flow_log_table(ovs_idl)
        || (!check_again && ovs_seqno == ovsdb_idl_get_seqno(ovs_idl)
            && sb_seqno == ovsdb_idl_get_seqno(sb_idl))) {
        return;
    }
    ovs_seqno = ovsdb_idl_get_seqno(ovs_idl);
    sb_seqno = ovsdb_idl_get_seqno(sb_idl);
    check_again = sync_table(ovs_idl, ovs_txn, sb_idl, ovs_table, br_int,
                             this_chassis->name, local_datapaths);
}

bool
ovn_vnetenc_log_cleanup(struct ovsdb_idl *ovs_idl,
                        struct ovsdb_idl_txn *ovs_txn,
                        const char *chassis_name)
{
    const struct ovsrec_vnetenc_flow_log *row;

    if (!chassis_name || !ovsrec_server_has_vnetenc_flow_log_table(ovs_idl)) {
        return true;
    }
    row = ovsrec_vnetenc_flow_log_first(ovs_idl);
    if (!row || !nullable_string_is_equal(
            ovn_vnetenc_owner_get(&row->external_ids), chassis_name)) {
        return true;
    }
    if (ovs_txn) {
        ovsrec_vnetenc_flow_log_delete(row);
    }
    return false;
}

/* Packets of datapaths that are cut off. */

static void
put_mark(enum ovn_vnetenc_loglevel level, struct ofpbuf *ofpacts)
{
    put_load(level, MFF_LOG_VNETENC, OVN_VNETENC_LOG_OFS, OVN_VNETENC_LOG_BITS,
             ofpacts);
}

void
ovn_vnetenc_log_add_cut_off_flow(const struct ovn_vnetenc_dp *dp,
                                 uint16_t priority, struct ofpbuf *ofpacts,
                                 struct ovn_desired_flow_table *flow_table,
                                 const struct uuid *uuid)
{
    struct match match = MATCH_CATCHALL_INITIALIZER;
    struct ofpact_resubmit *again;
    const uint32_t mask = ((1u << OVN_VNETENC_LOG_BITS) - 1)
                          << OVN_VNETENC_LOG_OFS;

    if (dp->log == OVN_VNETENC_LOGLEVEL_OFF) {
        return;
    }
    match_set_metadata(&match, htonll(dp->key));
    match_set_reg_masked(&match, MFF_LOG_VNETENC - MFF_REG0, 0, mask);
    put_mark(dp->log, ofpacts);
    again = ofpact_put_RESUBMIT(ofpacts);
    again->in_port = OFPP_IN_PORT;
    again->table_id = OFTABLE_VNETENC_RX;
    ofctrl_add_flow(flow_table, OFTABLE_VNETENC_RX, priority, dp->cookie,
                    &match, ofpacts, uuid);
    ofpbuf_clear(ofpacts);
    vnetenc_note_put(ofpacts, VNETENC_NOTE_UNABLE);
    put_mark(OVN_VNETENC_LOGLEVEL_OFF, ofpacts);
}

void
ovn_vnetenc_log_destroy(void)
{
    shash_destroy_free_data(&refused);
}
