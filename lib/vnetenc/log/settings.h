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

#ifndef VNETENC_SETTINGS_H
#define VNETENC_SETTINGS_H 1

/* Settings of the flow log
 * ========================
 *
 * Settings are immutable once they are in force.  There are none while nothing
 * is logged.
 *
 * Thread-safety: the main thread makes settings and puts them in force.  Any
 * thread may use those in force until it next quiesces, or longer with a
 * reference. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/meta-flow.h"
#include "openvswitch/shash.h"
#include "ovs-atomic.h"
#include "vnetenc/log/flow.h"

enum {
    VNETENC_SETTINGS_INTERVAL_S = 60,
    VNETENC_SETTINGS_MAX_FLOWS = 20000,
    VNETENC_SETTINGS_CONNECTIONS = 1000,
    VNETENC_SETTINGS_MAX_SIZE_MIB = 10240,
};

struct vnetenc_settings_name {
    uint64_t metadata;
    char *name;
};

struct vnetenc_settings {
    struct ovs_refcount ref_cnt;

    char *bridge;
    struct mf_subfield mark;
    struct mf_subfield fields[VNETENC_FLOW_FIELDS];
    size_t n_fields;
    uint32_t fields_id;         /* Differs if the fields do. */
    struct vnetenc_settings_name *names;        /* By metadata. */
    size_t n_names;
    char *file;
    unsigned int interval_s;
    size_t max_flows;
    unsigned int connections;   /* New ones per second and network. */
    unsigned int max_size_mib;  /* Of the file. */

    char *host;
    struct shash port_ids;      /* char *, by vnetenc_flow_port_name(). */
    struct shash peer_names;    /* char *, by address as text. */
};

/* Says which names vnetenc_settings_is_file() accepts. */
#define VNETENC_SETTINGS_FILE_ALLOWED                                   \
    "the name of a file, without \"/\", that ends in .log and does not "  \
    "begin with \".\", ovs or ovn"

/* Returns true if 'name' may be the file of the log, in the directory of log
 * files.  Whoever may write to a database must not write to every file: those
 * of Open vSwitch and OVN have names that this refuses.  Packages rotate files
 * whose names end in ".log", and no others.  Pure function. */
bool vnetenc_settings_is_file(const char *name);

/* Returns settings for a bridge with all defaults, except that the mark is not
 * set. */
struct vnetenc_settings *vnetenc_settings_create(const char *bridge);

/* Each of these sets a part of the settings, or returns an error that says
 * what is wrong and what is allowed, which the caller must free. */
char *vnetenc_settings_set_mark(struct vnetenc_settings *, const char *)
    OVS_WARN_UNUSED_RESULT;
char *vnetenc_settings_add_field(struct vnetenc_settings *, const char *)
    OVS_WARN_UNUSED_RESULT;
char *vnetenc_settings_set_file(struct vnetenc_settings *, const char *)
    OVS_WARN_UNUSED_RESULT;

/* Names the networks.  Call this once. */
void vnetenc_settings_set_names(struct vnetenc_settings *,
                                const int64_t *metadata, char *const *names,
                                size_t n);

/* Says that a port belongs to 'id'. */
void vnetenc_settings_add_port(struct vnetenc_settings *, const char *name,
                               const char *id);

/* Returns to what the port 'name' belongs, or NULL. */
const char *vnetenc_settings_find_port(const struct vnetenc_settings *,
                                       const char *name);

/* Returns the name of a network, or NULL. */
const char *vnetenc_settings_find_name(const struct vnetenc_settings *,
                                       uint64_t metadata);

/* Puts settings in force, or none if NULL.  Takes the caller's reference. */
void vnetenc_settings_set(struct vnetenc_settings *);

/* Returns the settings in force, or NULL. */
const struct vnetenc_settings *vnetenc_settings_get(void);

/* Returns a reference to the settings in force, or NULL. */
struct vnetenc_settings *vnetenc_settings_get_ref(void);

void vnetenc_settings_unref(struct vnetenc_settings *);

#endif /* vnetenc/log/settings.h */
