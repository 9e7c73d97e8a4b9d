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
#include "vnetenc/log/line.h"
#include <stdlib.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/log/flow.h"
#include "vnetenc/log/flows.h"
#include "vnetenc/log/settings.h"

static void
put_string(struct json *json, const char *name, const char *value)
{
    json_object_put(json, name, (value ? json_string_create(value)
                                 : json_null_create()));
}

static void
put_integer(struct json *json, const char *name, uint64_t value)
{
    json_object_put(json, name, json_integer_create(value));
}

static void
put_integer_or_null(struct json *json, const char *name, bool known,
                    uint64_t value)
{
    json_object_put(json, name, (known ? json_integer_create(value)
                                 : json_null_create()));
}

static void
put_hex(struct json *json, const char *name, uint64_t value)
{
    json_object_put_format(json, name, "0x%"PRIx64, value);
}

static void
put_time(struct json *json, const char *name, long long int wall_msec)
{
    json_object_put_nocopy(
        json, xstrdup(name),
        json_string_create_nocopy(xastrftime_msec("%Y-%m-%dT%H:%M:%S.###Z",
                                                  wall_msec, true)));
}

static void
put_head(struct json *json, const struct vnetenc_settings *s,
         const struct vnetenc_line_interval *interval)
{
    put_integer(json, "v", 1);
    put_string(json, "host", s->host);
    put_time(json, "start", interval->start);
    put_time(json, "end", interval->end);
}

static char *
address_to_string(const struct in6_addr *addr)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ipv6_format_mapped(addr, &s);
    return ds_steal_cstr(&s);
}

static void
put_address(struct json *json, const char *name, const struct in6_addr *addr,
            unsigned int len, bool is_ipv6)
{
    unsigned int max = is_ipv6 ? 128 : 32;
    char *text;

    if (!len) {
        put_string(json, name, NULL);
        return;
    }
    text = address_to_string(addr);
    if (len < max) {
        json_object_put_format(json, name, "%s/%u", text, len);
    } else {
        put_string(json, name, text);
    }
    free(text);
}

static void
put_end(struct json *json, const char *name,
        const struct vnetenc_flow_end *end, const struct vnetenc_settings *s)
{
    struct json *object;

    if (!end->is_peer && !end->port[0]) {
        put_string(json, name, NULL);
        return;
    }
    object = json_object_create();
    if (end->is_peer) {
        char *text = address_to_string(&end->peer);
        const char *peer = shash_find_data(&s->peer_names, text);

        put_string(object, "peer", text);
        if (peer) {
            put_string(object, "name", peer);
        }
        free(text);
    } else {
        const char *id = vnetenc_settings_find_port(s, end->port);

        put_string(object, "port", end->port);
        if (id) {
            put_string(object, "iface-id", id);
        }
    }
    json_object_put(json, name, object);
}

static void
put_fields(struct json *json, const struct vnetenc_flow_key *key,
           const struct vnetenc_settings *s)
{
    struct json *fields = json_object_create();

    put_hex(fields, "metadata", key->metadata);
    /* Records may be older than the settings. */
    if (key->fields_id == s->fields_id) {
        for (size_t i = 0; i < s->n_fields; i++) {
            put_hex(fields, s->fields[i].field->name, key->fields[i]);
        }
    }
    json_object_put(json, "fields", fields);
}

static void
put_flow(struct json *json, const struct vnetenc_flow_key *key,
         const struct vnetenc_settings *s)
{
    put_end(json, "in", &key->in, s);
    put_end(json, "out", &key->out, s);
    put_address(json, "src", &key->src, key->src_len, key->is_ipv6);
    put_address(json, "dst", &key->dst, key->dst_len, key->is_ipv6);
    put_integer_or_null(json, "proto", key->has_proto, key->proto);
    put_integer_or_null(json, "sport", key->has_sport, key->sport);
    put_integer_or_null(json, "dport", key->has_dport, key->dport);
    put_fields(json, key, s);
    if (key->fate == VNETENC_FLOW_SEALED) {
        put_integer(json, "profile", key->profile);
    }
    if (key->has_rule) {
        put_hex(json, "cookie", key->cookie);
        put_integer(json, "table", key->table);
    }
}

static const char *
reason_of(const struct vnetenc_flow_key *key,
          const struct vnetenc_flow_verdict *verdict)
{
    return (verdict->reason ? vnetenc_drop_name(verdict->reason)
            : key->fate == VNETENC_FLOW_REFUSED ? "no_neighbour"
            : key->fate == VNETENC_FLOW_DENIED ? "denied"
            : NULL);
}

static const char *
state_of(const struct vnetenc_flows_sum *sum,
         const struct vnetenc_flow_verdict *verdict)
{
    return (verdict->dropped ? "D"
            : sum->is_gap || (!sum->begun && !sum->ended) ? "C"
            : sum->begun && sum->ended ? "BE"
            : sum->begun ? "B"
            : "E");
}

/* Appends 'text' to 's', with U+007F to U+009F escaped, which can be commands
 * to a terminal: names are anybody's. */
static void
put_harmless(struct ds *s, const char *text)
{
    for (const unsigned char *p = (const unsigned char *) text; *p; p++) {
        if (*p == 0x7f) {
            ds_put_cstr(s, "\\u007f");
        } else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f) {
            ds_put_format(s, "\\u%04x", *++p);
        } else {
            ds_put_char(s, *p);
        }
    }
}

/* Returns 'json' as a line and destroys it. */
static char *
finish(struct json *json)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    char *text = json_to_string(json, JSSF_SORT);

    put_harmless(&s, text);
    ds_put_char(&s, '\n');
    free(text);
    json_destroy(json);
    return ds_steal_cstr(&s);
}

char *
vnetenc_line_format(const struct vnetenc_flows_sum *sum,
                    const struct vnetenc_flow_verdict *verdict,
                    const struct vnetenc_settings *s,
                    const struct vnetenc_line_interval *interval)
{
    const struct vnetenc_flow_key *key = &sum->key;
    struct json *json;

    if (verdict->dropped && !sum->n_packets) {
        return NULL;
    }
    json = json_object_create();
    put_head(json, s, interval);
    put_string(json, "state", state_of(sum, verdict));
    put_string(json, "encryption", vnetenc_drop_code_name(verdict->code));
    put_string(json, "reason", reason_of(key, verdict));
    put_string(json, "switch", vnetenc_settings_find_name(s, key->metadata));
    put_integer(json, "packets", sum->n_packets);
    put_integer(json, "bytes", sum->n_bytes);
    if (verdict->lost) {
        json_object_put(json, "lost", json_boolean_create(true));
    }
    if (sum->is_gap) {
        struct json *gap = json_object_create();

        put_integer(gap, "flows", sum->n_flows);
        json_object_put(json, "gap", gap);
    } else {
        put_string(json, "dir", vnetenc_flow_direction(key));
        put_flow(json, key, s);
        put_integer(json, "tcp_flags", sum->tcp_flags);
    }
    return finish(json);
}

char *
vnetenc_line_format_lost(const struct vnetenc_line_lost *lost,
                         const struct vnetenc_settings *s)
{
    struct json *json = json_object_create();
    struct json *object = json_object_create();

    put_head(json, s, &lost->interval);
    put_integer(object, "lines", lost->n_lines);
    put_integer(object, "packets", lost->n_packets);
    put_integer(object, "bytes", lost->n_bytes);
    json_object_put(json, "lost_lines", object);
    return finish(json);
}
