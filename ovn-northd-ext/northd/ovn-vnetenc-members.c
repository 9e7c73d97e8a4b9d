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

#include "ovn-vnetenc-members.h"

#include "hash.h"
#include "hmapx.h"
#include "lib/ovn-nb-idl.h"
#include "lib/ovn-sb-idl.h"
#include "northd.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "ovn-vnetenc-places.h"
#include "smap.h"
#include "sset.h"
#include "util.h"
#include "vec.h"

VLOG_DEFINE_THIS_MODULE(ovn_vnetenc_members);

/* Places that are reached from each other without a tunnel. */
struct component {
    struct hmap_node node;      /* In 'components', by 'root'. */
    const struct ovn_vnetenc_place *root;
    struct vector datapaths;    /* Of const struct ovn_datapath *. */
    struct hmapx upstream;      /* Components with a gateway port to it. */
    struct sset chassis;        /* Of its own ports, by name. */
    bool filled;                /* 'chassis' is complete. */
};

/* Hosts. */

static const char *
host_of(const struct ovn_vnetenc_members *members, const char *name)
{
    const char *chassis = shash_find_data(&members->hosts, name);

    return chassis ? chassis : name;
}

static bool
is_remote(const struct sbrec_chassis *chassis)
{
    return smap_get_bool(&chassis->other_config, "is-remote", false);
}

/* Says once of a chassis what is wrong with its host name.  'said' has what is
 * wrong in this run, and 'last' what was wrong in the one before. */
static struct smap last = SMAP_INITIALIZER(&last);

static void OVS_PRINTF_FORMAT(3, 4)
refuse(struct smap *said, const char *chassis, const char *format, ...)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 20);
    struct ds line = DS_EMPTY_INITIALIZER;
    va_list args;
    char *text;

    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);
    if (strcmp(smap_get_def(&last, chassis, ""), text)) {
        /* A chassis can report any text, also line feeds. */
        ds_put_printable(&line, text, strlen(text));
        VLOG_WARN_RL(&rl, "chassis %s: %s", chassis, ds_cstr(&line));
        ds_destroy(&line);
    }
    smap_add_nocopy(said, xstrdup(chassis), text);
}

/* A new chassis that reports a host. */
struct claim {
    const struct sbrec_chassis *chassis;
    const struct sbrec_chassis *rival;  /* Another one, or NULL. */
};

/* Notes that 'chassis', which has no record, reports the name of a host that
 * no other chassis has. */
static void
add_claim(struct shash *claims, const struct sbrec_chassis *chassis)
{
    struct claim *claim = shash_find_data(claims, chassis->hostname);

    if (claim) {
        claim->rival = chassis;
    } else {
        claim = xzalloc(sizeof *claim);
        claim->chassis = chassis;
        shash_add(claims, chassis->hostname, claim);
    }
}

/* Finds the host of 'chassis'.  'recorded' has the record of each chassis that
 * has one, by its name. */
static void
find_host(struct ovn_vnetenc_members *members,
          const struct sbrec_chassis *chassis, const struct shash *recorded,
          struct shash *claims, struct smap *said)
{
    const struct sbrec_chassis_hostname *record =
        shash_find_data(recorded, chassis->name);
    const char *owner = shash_find_data(&members->hosts, chassis->hostname);

    if (owner && strcmp(owner, chassis->name)) {
        refuse(said, chassis->name, "its hostname %s is that of chassis %s: "
               "requests of this host do not count for it; if the host has a "
               "new chassis, replace the record of Chassis_Hostname",
               chassis->hostname, owner);
    } else if (!record) {
        add_claim(claims, chassis);
    } else if (!owner) {
        refuse(said, chassis->name, "its hostname %s is not %s, which it has "
               "in Chassis_Hostname: requests of host %s do not count for it; "
               "if that is its host, replace the record",
               chassis->hostname, record->hostname, chassis->hostname);
    }
}

/* Records of Chassis_Hostname. */
struct records {
    struct shash hosts;         /* Rows, by host. */
    struct shash chassis;       /* One row of each chassis, by its name. */
    struct ovsdb_idl_txn *txn;
};

static void
add_record(struct records *records, const char *hostname, const char *chassis)
{
    const struct sbrec_chassis_hostname *row =
        sbrec_chassis_hostname_insert(records->txn);

    sbrec_chassis_hostname_set_hostname(row, hostname);
    sbrec_chassis_hostname_set_chassis(row, chassis);
    shash_add(&records->hosts, hostname, row);
    shash_add_once(&records->chassis, chassis, row);
}

/* A chassis with a record gets no other one.  This one says nothing that is
 * not known, so it only makes sure of that. */
static void
add_own_name(struct records *records, const char *chassis)
{
    if (!shash_find(&records->chassis, chassis)
        && !shash_find(&records->hosts, chassis)) {
        add_record(records, chassis, chassis);
    }
}

/* Collects the records.  One whose host has the name of a chassis becomes that
 * of this chassis. */
static void
collect_records(struct ovn_vnetenc_members *members,
                const struct sbrec_chassis_hostname_table *table,
                struct records *records)
{
    struct sset former = SSET_INITIALIZER(&former);
    const struct sbrec_chassis_hostname *row;
    const char *name;

    SBREC_CHASSIS_HOSTNAME_TABLE_FOR_EACH (row, table) {
        name = shash_find_data(&members->hosts, row->hostname);
        if (name && strcmp(name, row->chassis)) {
            sset_add(&former, row->chassis);
            sbrec_chassis_hostname_set_chassis(row, name);
        }
        shash_add(&records->hosts, row->hostname, row);
        shash_add_once(&records->chassis, row->chassis, row);
    }
    /* Nobody gets a second first name by that. */
    SSET_FOR_EACH (name, &former) {
        add_own_name(records, name);
    }
    sset_destroy(&former);
}

/* Records the host of a chassis, unless two claim it: which of them has a
 * right to the name is not known. */
static void
decide_claim(struct ovn_vnetenc_members *members, const char *hostname,
             const struct claim *claim, struct records *records,
             struct smap *said)
{
    const char *name = claim->chassis->name;

    if (claim->rival) {
        refuse(said, name, "its hostname %s is also that of chassis %s: "
               "requests of this host count for neither; make a record of "
               "Chassis_Hostname for the right one",
               hostname, claim->rival->name);
        return;
    }
    add_record(records, hostname, name);
    shash_add_once(&members->hosts, hostname, name);
}

/* The name of a chassis is that of its certificate, so nobody else can have
 * it, and it wins over the names of hosts.  A chassis gets one record, when it
 * is seen first: with its host name, or with its own name if it has none, is
 * remote, or reports a name that it may not have.  No chassis can wait for a
 * host name that becomes free. */
static void
collect_hosts(struct ovn_vnetenc_members *members,
              const struct sbrec_chassis_hostname_table *table,
              struct ovsdb_idl_txn *sb_txn)
{
    struct records records = { .txn = sb_txn };
    struct shash claims = SHASH_INITIALIZER(&claims);
    const struct sbrec_chassis_hostname *row;
    struct smap said = SMAP_INITIALIZER(&said);
    const struct sbrec_chassis *chassis;
    struct shash_node *node;

    if (!sbrec_server_has_chassis_hostname_table(
            ovsdb_idl_txn_get_idl(sb_txn))) {
        return;
    }
    shash_init(&records.hosts);
    shash_init(&records.chassis);
    SBREC_CHASSIS_TABLE_FOR_EACH (chassis, members->chassis) {
        if (!is_remote(chassis)) {
            shash_add_once(&members->hosts, chassis->name, chassis->name);
        }
    }
    collect_records(members, table, &records);
    SBREC_CHASSIS_TABLE_FOR_EACH (chassis, members->chassis) {
        if (is_remote(chassis)) {
            add_own_name(&records, chassis->name);
        }
    }
    /* Also while its row is missing: stopping ovn-controller deletes it. */
    SHASH_FOR_EACH (node, &records.chassis) {
        row = node->data;
        shash_add_once(&members->hosts, row->chassis, row->chassis);
    }
    SHASH_FOR_EACH (node, &records.hosts) {
        row = node->data;
        shash_add_once(&members->hosts, row->hostname, row->chassis);
    }
    SBREC_CHASSIS_TABLE_FOR_EACH (chassis, members->chassis) {
        if (chassis->hostname[0] && !is_remote(chassis)) {
            find_host(members, chassis, &records.chassis, &claims, &said);
        }
    }
    SHASH_FOR_EACH (node, &claims) {
        decide_claim(members, node->name, node->data, &records, &said);
    }
    SBREC_CHASSIS_TABLE_FOR_EACH (chassis, members->chassis) {
        add_own_name(&records, chassis->name);
    }
    shash_destroy_free_data(&claims);
    shash_destroy(&records.hosts);
    shash_destroy(&records.chassis);
    hmap_swap(&last.map, &said.map);
    smap_destroy(&said);
}

/* Chassis of ports. */

/* Adds the chassis in 'list', names of chassis or hosts with commas between
 * them. */
static void
add_requested(const struct ovn_vnetenc_members *members,
              struct component *component, const char *list)
{
    char *copy = xstrdup(list);
    char *name, *save_ptr = NULL;

    for (name = strtok_r(copy, ",", &save_ptr); name;
         name = strtok_r(NULL, ",", &save_ptr)) {
        sset_add(&component->chassis, host_of(members, name));
    }
    free(copy);
}

static void
add_claimed(struct component *component, const struct sbrec_chassis *chassis)
{
    if (!is_remote(chassis)) {
        sset_add(&component->chassis, chassis->name);
    }
}

static void
add_group(struct component *component,
          const struct nbrec_ha_chassis_group *group)
{
    for (size_t i = 0; group && i < group->n_ha_chassis; i++) {
        sset_add(&component->chassis, group->ha_chassis[i]->chassis_name);
    }
}

/* Adds the chassis of the gateway that 'op' is, or that its router is. */
static void
add_gateway(struct component *component, const struct ovn_port *op)
{
    if (!op || !op->nbrp || !op->od || !op->od->nbr || op->primary_port) {
        return;
    }

    const char *chassis = smap_get(&op->od->nbr->options, "chassis");
    if (chassis) {
        /* A name, and nothing else, for ovn-controller. */
        sset_add(&component->chassis, chassis);
    }
    if (op->nbrp->ha_chassis_group) {
        add_group(component, op->nbrp->ha_chassis_group);
        return;
    }
    for (size_t i = 0; i < op->nbrp->n_gateway_chassis; i++) {
        sset_add(&component->chassis,
                 op->nbrp->gateway_chassis[i]->chassis_name);
    }
}

static void
add_interface(const struct ovn_vnetenc_members *members,
              struct component *component, const struct ovn_port *op)
{
    const char *requested;

    if (op->nbsp->parent_name && op->nbsp->parent_name[0]) {
        op = ovn_port_find(&members->northd->ls_ports,
                           op->nbsp->parent_name);
        if (!op || !op->nbsp) {
            return;
        }
    }
    requested = smap_get(&op->nbsp->options, "requested-chassis");
    if (requested && requested[0]) {
        add_requested(members, component, requested);
        return;
    }
    if (op->sb && op->sb->chassis) {
        add_claimed(component, op->sb->chassis);
    }
    for (size_t i = 0; op->sb && i < op->sb->n_additional_chassis; i++) {
        add_claimed(component, op->sb->additional_chassis[i]);
    }
}

/* Adds the chassis of the ports that get copies of the packets of 'op', in the
 * datapath of 'op'. */
static void
add_mirrors(const struct ovn_vnetenc_members *members,
            struct component *component, const struct ovn_port *op)
{
    for (size_t i = 0; i < op->nbsp->n_mirror_rules; i++) {
        const struct nbrec_mirror *mirror = op->nbsp->mirror_rules[i];
        const struct ovn_port *target =
            (strcmp(mirror->type, "lport") ? NULL
             : ovn_port_find(&members->northd->ls_ports, mirror->sink));

        if (target && target->nbsp) {
            add_interface(members, component, target);
        }
    }
}

static void
add_switch_port(const struct ovn_vnetenc_members *members,
                struct component *component, const struct ovn_port *op)
{
    if (op->primary_port || !op->nbsp) {
        return;
    }
    add_mirrors(members, component, op);
    if (!op->nbsp->type[0]) {
        add_interface(members, component, op);
    } else if (!strcmp(op->nbsp->type, "external")) {
        add_group(component, op->nbsp->ha_chassis_group);
    } else if (!strcmp(op->nbsp->type, "l2gateway")) {
        const char *chassis = smap_get(&op->nbsp->options,
                                       "l2gateway-chassis");
        if (chassis) {
            sset_add(&component->chassis, chassis);
        }
    } else if (!strcmp(op->nbsp->type, "router")) {
        add_gateway(component, op->peer);
    }
}

static bool
is_shared(const struct ovn_datapath *od)
{
    return (od->nbs
            ? smap_get(&od->nbs->other_config, "interconn-ts") != NULL
            /* Not is_transit_router: it follows from columns that every
             * chassis may write. */
            : smap_get(&od->nbr->options, "interconn-tr") != NULL);
}

static void
add_remote(const struct ovn_vnetenc_members *members,
           struct component *component)
{
    const struct sbrec_chassis *chassis;

    SBREC_CHASSIS_TABLE_FOR_EACH (chassis, members->chassis) {
        if (is_remote(chassis)) {
            sset_add(&component->chassis, chassis->name);
        }
    }
}

static void
fill(const struct ovn_vnetenc_members *members, struct component *component)
{
    const struct ovn_datapath *od;
    const struct ovn_port *op;

    if (component->filled) {
        return;
    }
    component->filled = true;
    VECTOR_FOR_EACH (&component->datapaths, od) {
        HMAP_FOR_EACH (op, dp_node, &od->ports) {
            if (od->nbs) {
                add_switch_port(members, component, op);
            } else {
                add_gateway(component, op);
                add_gateway(component, op->peer);
            }
        }
        if (is_shared(od)) {
            add_remote(members, component);
        }
    }
}

/* Components. */

static struct component *
component_of(struct ovn_vnetenc_members *members,
             const struct ovn_vnetenc_place *place)
{
    const struct ovn_vnetenc_place *root = ovn_vnetenc_place_root(place);
    struct component *component;

    HMAP_FOR_EACH_WITH_HASH (component, node, hash_pointer(root, 0),
                             &members->components) {
        if (component->root == root) {
            return component;
        }
    }
    component = xzalloc(sizeof *component);
    component->root = root;
    component->datapaths
        = VECTOR_EMPTY_INITIALIZER(const struct ovn_datapath *);
    hmapx_init(&component->upstream);
    sset_init(&component->chassis);
    hmap_insert(&members->components, &component->node,
                hash_pointer(root, 0));
    return component;
}

void
ovn_vnetenc_members_init(struct ovn_vnetenc_members *members,
                         const struct ovn_vnetenc_places *places,
                         const struct northd_data *northd,
                         const struct sbrec_chassis_table *chassis,
                         const struct sbrec_chassis_hostname_table *hostnames,
                         struct ovsdb_idl_txn *sb_txn)
{
    const struct ovn_vnetenc_place *place;
    const struct ovn_vnetenc_link *link;

    hmap_init(&members->components);
    shash_init(&members->hosts);
    members->places = places;
    members->northd = northd;
    members->chassis = chassis;
    collect_hosts(members, hostnames, sb_txn);
    HMAP_FOR_EACH (place, node, &places->places) {
        vector_push(&component_of(members, place)->datapaths, &place->od);
    }
    VECTOR_FOR_EACH_PTR (&places->links, link) {
        if (link->leads) {
            hmapx_add(&component_of(members, link->b)->upstream,
                      component_of(members, link->a));
        }
    }
}

void
ovn_vnetenc_members_find(struct ovn_vnetenc_members *members, uint8_t id,
                         struct sset *names)
{
    struct vector todo = VECTOR_EMPTY_INITIALIZER(struct component *);
    struct hmapx seen = HMAPX_INITIALIZER(&seen);
    const struct ovn_vnetenc_place *place;
    struct component *component;

    HMAP_FOR_EACH (place, node, &members->places->places) {
        if (place->id == id) {
            component = component_of(members, place);
            if (hmapx_add(&seen, component)) {
                vector_push(&todo, &component);
            }
        }
    }
    while (!vector_is_empty(&todo)) {
        struct hmapx_node *node;
        const char *name;

        vector_pop(&todo, &component);
        fill(members, component);
        SSET_FOR_EACH (name, &component->chassis) {
            sset_add(names, name);
        }
        HMAPX_FOR_EACH (node, &component->upstream) {
            struct component *upstream = node->data;

            if (hmapx_add(&seen, upstream)) {
                vector_push(&todo, &upstream);
            }
        }
    }
    vector_destroy(&todo);
    hmapx_destroy(&seen);
}

void
ovn_vnetenc_members_destroy(struct ovn_vnetenc_members *members)
{
    struct component *component;

    HMAP_FOR_EACH_POP (component, node, &members->components) {
        vector_destroy(&component->datapaths);
        hmapx_destroy(&component->upstream);
        sset_destroy(&component->chassis);
        free(component);
    }
    hmap_destroy(&members->components);
    shash_destroy(&members->hosts);
}
