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
#include "vnetenc/log/settings.h"
#include <stdlib.h>
#include <string.h>
#include "dirs.h"
#include "hash.h"
#include "nx-match.h"
#include "ovs-rcu.h"
#include "util.h"

static OVSRCU_TYPE(struct vnetenc_settings *) in_force
    = OVSRCU_INITIALIZER(NULL);

struct vnetenc_settings *
vnetenc_settings_create(const char *bridge)
{
    struct vnetenc_settings *s = xzalloc(sizeof *s);

    ovs_refcount_init(&s->ref_cnt);
    s->bridge = xstrdup(bridge);
    s->file = xasprintf("%s/vnetenc-flows.log", ovs_logdir());
    s->interval_s = VNETENC_SETTINGS_INTERVAL_S;
    s->max_flows = VNETENC_SETTINGS_MAX_FLOWS;
    s->connections = VNETENC_SETTINGS_CONNECTIONS;
    s->max_size_mib = VNETENC_SETTINGS_MAX_SIZE_MIB;
    s->host = xstrdup("");
    shash_init(&s->port_ids);
    shash_init(&s->peer_names);
    return s;
}

static void
destroy(struct vnetenc_settings *s)
{
    for (size_t i = 0; i < s->n_names; i++) {
        free(s->names[i].name);
    }
    free(s->names);
    free(s->bridge);
    free(s->file);
    free(s->host);
    shash_destroy_free_data(&s->port_ids);
    shash_destroy_free_data(&s->peer_names);
    free(s);
}

void
vnetenc_settings_unref(struct vnetenc_settings *s)
{
    if (s && ovs_refcount_unref(&s->ref_cnt) == 1) {
        ovsrcu_postpone(destroy, s);
    }
}

/* Returns true if the flow table alone decides what 'mf' is.  The datapath
 * does not tell packets apart by other fields only because the log reads
 * them. */
static bool
is_of_the_pipeline(const struct mf_field *mf)
{
    return mf_is_register(mf->id) || mf->id == MFF_METADATA;
}

char *
vnetenc_settings_set_mark(struct vnetenc_settings *s, const char *text)
{
    char *error = mf_parse_subfield(&s->mark, text);

    if (error) {
        char *why = xasprintf("mark: %s", error);

        free(error);
        return why;
    }
    if (!is_of_the_pipeline(s->mark.field)) {
        return xasprintf("mark: \"%s\" is neither part of a register nor of "
                         "metadata", text);
    }
    if (s->mark.n_bits > 64) {
        return xasprintf("mark: \"%s\" has %u bits; at most 64 are allowed",
                         text, s->mark.n_bits);
    }
    return NULL;
}

char *
vnetenc_settings_add_field(struct vnetenc_settings *s, const char *text)
{
    const struct mf_field *mf = mf_from_name(text);

    if (!mf) {
        return xasprintf("fields: \"%s\" is not the name of a field", text);
    }
    if (!is_of_the_pipeline(mf)) {
        return xasprintf("fields: \"%s\" is neither a register nor metadata",
                         text);
    }
    if (mf->n_bits > 64) {
        return xasprintf("fields: \"%s\" has %u bits; at most 64 are allowed",
                         text, mf->n_bits);
    }
    if (s->n_fields >= VNETENC_FLOW_FIELDS) {
        return xasprintf("fields: at most %d are allowed",
                         VNETENC_FLOW_FIELDS);
    }
    s->fields[s->n_fields++] = (struct mf_subfield) {
        .field = mf,
        .n_bits = mf->n_bits,
    };
    s->fields_id = hash_int(mf->id, s->fields_id);
    return NULL;
}

bool
vnetenc_settings_is_file(const char *name)
{
    static const char suffix[] = ".log";
    size_t n = strlen(name);

    return (!strchr(name, '/') && name[0] != '.' && strncmp(name, "ovs", 3)
            && strncmp(name, "ovn", 3) && n >= strlen(suffix)
            && !strcmp(name + n - strlen(suffix), suffix));
}

char *
vnetenc_settings_set_file(struct vnetenc_settings *s, const char *name)
{
    if (!vnetenc_settings_is_file(name)) {
        return xasprintf("file: \"%s\" is not allowed: must be %s", name,
                         VNETENC_SETTINGS_FILE_ALLOWED);
    }
    free(s->file);
    s->file = xasprintf("%s/%s", ovs_logdir(), name);
    return NULL;
}

static int
compare_names(const void *a_, const void *b_)
{
    const struct vnetenc_settings_name *a = a_;
    const struct vnetenc_settings_name *b = b_;

    return a->metadata < b->metadata ? -1 : a->metadata > b->metadata;
}

void
vnetenc_settings_set_names(struct vnetenc_settings *s,
                           const int64_t *metadata, char *const *names,
                           size_t n)
{
    s->names = xcalloc(n, sizeof *s->names);
    s->n_names = n;
    for (size_t i = 0; i < n; i++) {
        s->names[i].metadata = metadata[i];
        s->names[i].name = xstrdup(names[i]);
    }
    qsort(s->names, n, sizeof *s->names, compare_names);
}

void
vnetenc_settings_add_port(struct vnetenc_settings *s, const char *name,
                          const char *id)
{
    char text[VNETENC_FLOW_PORT_BYTES];

    vnetenc_flow_port_name(name, text);
    free(shash_replace(&s->port_ids, text, xstrdup(id)));
}

const char *
vnetenc_settings_find_port(const struct vnetenc_settings *s, const char *name)
{
    char text[VNETENC_FLOW_PORT_BYTES];

    vnetenc_flow_port_name(name, text);
    return shash_find_data(&s->port_ids, text);
}

const char *
vnetenc_settings_find_name(const struct vnetenc_settings *s, uint64_t metadata)
{
    const struct vnetenc_settings_name key = { .metadata = metadata };
    const struct vnetenc_settings_name *found
        = (s->n_names
           ? bsearch(&key, s->names, s->n_names, sizeof key, compare_names)
           : NULL);

    return found ? found->name : NULL;
}

void
vnetenc_settings_set(struct vnetenc_settings *s)
{
    struct vnetenc_settings *old
        = ovsrcu_get_protected(struct vnetenc_settings *, &in_force);

    ovsrcu_set(&in_force, s);
    vnetenc_settings_unref(old);
}

const struct vnetenc_settings *
vnetenc_settings_get(void)
{
    return ovsrcu_get(struct vnetenc_settings *, &in_force);
}

struct vnetenc_settings *
vnetenc_settings_get_ref(void)
{
    struct vnetenc_settings *s
        = ovsrcu_get(struct vnetenc_settings *, &in_force);

    return s && ovs_refcount_try_ref_rcu(&s->ref_cnt) ? s : NULL;
}
