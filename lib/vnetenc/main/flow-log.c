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
#include "vnetenc/main/flow-log.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "netdev.h"
#include "openvswitch/dynamic-string.h"
#include "ovsdb-idl.h"
#include "packets.h"
#include "seq.h"
#include "smap.h"
#include "util.h"
#include "vnetenc/log/settings.h"
#include "vnetenc/log/writer.h"
#include "vnetenc/trust/configuration.h"
#include "vswitch-idl.h"

/* What is wrong with the row, or NULL. */
static char *error;
/* What is logged, as text, or NULL if nothing is. */
static char *in_force;

/* Returns what decides which flows are logged and how they are translated. */
static char *
describe(const struct ovsrec_vnetenc_flow_log *row)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_format(&s, "%s\n%s\n", row->bridge, row->mark);
    for (size_t i = 0; i < row->n_fields; i++) {
        ds_put_format(&s, "%s\n", row->fields[i]);
    }
    if (row->n_connections) {
        ds_put_format(&s, "%"PRId64"\n", row->connections[0]);
    }
    return ds_steal_cstr(&s);
}

static char *
get_host(const struct ovsrec_open_vswitch *cfg)
{
    const char *id = smap_get(&cfg->external_ids, "system-id");
    char host[256] = "";

    return xstrdup(id ? id : gethostname(host, sizeof host) ? "" : host);
}

static void
add_ports(const struct ovsdb_idl *idl, struct vnetenc_settings *s)
{
    const struct ovsrec_interface *row;

    OVSREC_INTERFACE_FOR_EACH (row, idl) {
        const char *id = smap_get(&row->external_ids, "iface-id");

        if (id) {
            vnetenc_settings_add_port(s, row->name, id);
        }
    }
}

static void
add_peers(const struct ovsdb_idl *idl, struct vnetenc_settings *s)
{
    const struct ovsrec_vnetenc_peer *row;

    OVSREC_VNETENC_PEER_FOR_EACH (row, idl) {
        struct in6_addr remote;

        if (row->name
            && vnetenc_config_address_parse(row->remote_ip, &remote)) {
            struct ds address = DS_EMPTY_INITIALIZER;

            ipv6_format_mapped(&remote, &address);
            free(shash_replace(&s->peer_names, ds_cstr(&address),
                               xstrdup(row->name)));
            ds_destroy(&address);
        }
    }
}

/* Reads 'row' into 's'.  Returns an error, or NULL. */
static char *
read_row(const struct ovsrec_vnetenc_flow_log *row,
         struct vnetenc_settings *s)
{
    char *why;

    if (!row->bridge[0]) {
        return xstrdup("bridge: the name of a bridge is missing");
    }
    why = vnetenc_settings_set_mark(s, row->mark);
    for (size_t i = 0; !why && i < row->n_fields; i++) {
        why = vnetenc_settings_add_field(s, row->fields[i]);
    }
    if (!why && row->file) {
        why = vnetenc_settings_set_file(s, row->file);
    }
    if (row->n_interval) {
        s->interval_s = row->interval[0];
    }
    if (row->n_max_flows) {
        s->max_flows = row->max_flows[0];
    }
    if (row->n_connections) {
        s->connections = row->connections[0];
    }
    if (row->n_max_size) {
        s->max_size_mib = row->max_size[0];
    }
    vnetenc_settings_set_names(s, row->key_names, row->value_names,
                               row->n_names);
    return why;
}

static void
translate_again(void)
{
    /* The first datapath makes it.  Before, nothing is translated. */
    if (tnl_conf_seq) {
        seq_change(tnl_conf_seq);
    }
}

static void
log_nothing(void)
{
    if (in_force) {
        vnetenc_settings_set(NULL);
        free(in_force);
        in_force = NULL;
        translate_again();
        vnetenc_writer_wake();
    }
}

static void
put_in_force(const struct ovsrec_vnetenc_flow_log *row,
             struct vnetenc_settings *s)
{
    char *next = describe(row);
    bool changed = !nullable_string_is_equal(next, in_force);

    vnetenc_settings_set(s);
    free(in_force);
    in_force = next;
    vnetenc_writer_start();
    vnetenc_writer_wake();
    if (changed) {
        translate_again();
    }
}

void
vnetenc_flow_log_run(const struct ovsdb_idl *idl,
                     const struct ovsrec_open_vswitch *cfg)
{
    const struct ovsrec_vnetenc_flow_log *row
        = ovsrec_vnetenc_flow_log_first(idl);
    struct vnetenc_settings *s;

    free(error);
    error = NULL;
    if (!row) {
        log_nothing();
        return;
    }
    s = vnetenc_settings_create(row->bridge);
    error = read_row(row, s);
    if (error) {
        vnetenc_settings_unref(s);
        return;
    }
    free(s->host);
    s->host = get_host(cfg);
    add_ports(idl, s);
    add_peers(idl, s);
    put_in_force(row, s);
}

void
vnetenc_flow_log_write(struct ovsdb_idl *idl)
{
    const struct ovsrec_vnetenc_flow_log *row
        = ovsrec_vnetenc_flow_log_first(idl);
    struct vnetenc_writer_status status;
    const char *keys[] = {
        "flows", "gap_flows", "lines", "lost_lines", "packets",
    };
    int64_t values[ARRAY_SIZE(keys)];

    if (!row) {
        return;
    }
    vnetenc_writer_get_status(&status);
    values[0] = status.n_records;
    values[1] = status.n_gap_flows;
    values[2] = status.n_lines;
    values[3] = status.n_lost_lines;
    values[4] = status.n_packets;
    ovsrec_vnetenc_flow_log_set_statistics(row, keys, values,
                                           ARRAY_SIZE(keys));
    ovsrec_vnetenc_flow_log_set_last_error(row, error ? error : status.error);
    free(status.error);
}

void
vnetenc_flow_log_init(struct ovsdb_idl *idl)
{
    ovsdb_idl_omit_alert(idl, &ovsrec_vnetenc_flow_log_col_statistics);
    ovsdb_idl_omit_alert(idl, &ovsrec_vnetenc_flow_log_col_last_error);

    /* Upstream does not read these.  Others often write them, so they are no
     * reason to configure everything again: a change counts from the next
     * change of something else on. */
    ovsdb_idl_add_column(idl, &ovsrec_open_vswitch_col_external_ids);
    ovsdb_idl_omit_alert(idl, &ovsrec_open_vswitch_col_external_ids);
    ovsdb_idl_add_column(idl, &ovsrec_interface_col_external_ids);
    ovsdb_idl_omit_alert(idl, &ovsrec_interface_col_external_ids);
}
