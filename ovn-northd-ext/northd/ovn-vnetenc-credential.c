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

#include "hash.h"
#include "lib/ovn-nb-idl.h"
#include "lib/ovn-sb-idl.h"
#include "lib/ovn-vnetenc-demand.h"
#include "northd.h"
#include "openvswitch/hmap.h"
#include "util.h"
#include "vec.h"

enum { N_IDS = UINT8_MAX + 1 };

/* A datapath in the graph of those that ports connect. */
struct place {
    struct hmap_node node;      /* In 'places', by 'od'. */
    const struct ovn_datapath *od;
    struct place *parent;       /* Of the same component; NULL: the root. */
    uint8_t nearest;            /* Lowest id of all switches in the component;
                                 * valid in its root. */
    uint8_t id;                 /* What was found, or 0. */
    bool fixed;                 /* A switch whose 'id' its row decides. */
};

struct link {
    struct place *a, *b;
    bool gateway;               /* Does not join components. */
};

struct graph {
    struct hmap places;         /* Of struct place. */
    struct vector links;        /* Of struct link. */
};

/* Returns the lower id of two, of which 0 is none. */
static uint8_t
lower(uint8_t a, uint8_t b)
{
    return !a || (b && b < a) ? b : a;
}

static struct place *
find_place(const struct graph *graph, const struct ovn_datapath *od)
{
    struct place *place;

    HMAP_FOR_EACH_WITH_HASH (place, node, hash_pointer(od, 0),
                             &graph->places) {
        if (place->od == od) {
            return place;
        }
    }
    return NULL;
}

/* Returns true if the switch has ports to routers and switches only. */
static bool
only_connects(const struct ovn_datapath *od)
{
    size_t n = vector_len(&od->router_ports) + vector_len(&od->switch_ports);

    return n && n == od->nbs->n_ports;
}

static void
add_place(struct graph *graph, const struct ovn_datapath *od)
{
    if (!od->sdp || ovn_datapath_is_stale(od)) {
        return;
    }

    struct place *place = xzalloc(sizeof *place);
    place->od = od;
    if (od->nbs) {
        const struct nbrec_encryption_credential *credential =
            od->nbs->encryption_credential;

        place->id = credential ? credential->id : 0;
        place->nearest = place->id;
        place->fixed = place->id || !only_connects(od);
    }
    hmap_insert(&graph->places, &place->node, hash_pointer(od, 0));
}

static struct place *
root_of(struct place *place)
{
    while (place->parent) {
        if (place->parent->parent) {
            place->parent = place->parent->parent;
        }
        place = place->parent;
    }
    return place;
}

static void
join(struct place *a, struct place *b)
{
    a = root_of(a);
    b = root_of(b);
    if (a != b) {
        b->parent = a;
        a->nearest = lower(a->nearest, b->nearest);
    }
}

static bool
is_gateway(const struct ovn_port *op)
{
    return op->od->is_gw_router || lrp_is_l3dgw(op);
}

static void
add_link(struct graph *graph, const struct ovn_port *op)
{
    const struct ovn_port *peer = op->peer;

    if (!peer || !peer->od) {
        return;
    }

    struct link link = {
        .a = find_place(graph, op->od),
        .b = find_place(graph, peer->od),
        .gateway = is_gateway(op) || is_gateway(peer),
    };
    if (link.a && link.b) {
        vector_push(&graph->links, &link);
    }
}

static void
build_graph(struct graph *graph, const struct northd_data *northd)
{
    const struct ovn_datapath *od;
    const struct ovn_port *op;

    HMAP_FOR_EACH (od, key_node, &northd->ls_datapaths.datapaths) {
        add_place(graph, od);
    }
    HMAP_FOR_EACH (od, key_node, &northd->lr_datapaths.datapaths) {
        add_place(graph, od);
    }
    HMAP_FOR_EACH (od, key_node, &northd->lr_datapaths.datapaths) {
        HMAP_FOR_EACH (op, dp_node, &od->ports) {
            add_link(graph, op);
        }
    }
    HMAP_FOR_EACH (od, key_node, &northd->ls_datapaths.datapaths) {
        VECTOR_FOR_EACH (&od->switch_ports, op) {
            add_link(graph, op);
        }
    }
}

/* Steps 1 and 2 of the header. */
static void
find_in_components(struct graph *graph)
{
    const struct link *link;
    struct place *place;

    VECTOR_FOR_EACH_PTR (&graph->links, link) {
        if (link->gateway) {
            continue;
        }
        join(link->a, link->b);
        if (link->a->od->nbr && link->b->fixed) {
            link->a->id = lower(link->a->id, link->b->id);
        }
    }
    HMAP_FOR_EACH (place, node, &graph->places) {
        if (!place->fixed && !place->id) {
            place->id = root_of(place)->nearest;
        }
    }
}

/* Step 3.  All that find an id in one round find it at the same distance. */
static bool
find_next(struct graph *graph)
{
    const struct link *link;
    struct place *place;
    bool found = false;

    HMAP_FOR_EACH (place, node, &graph->places) {
        place->nearest = 0;
    }
    VECTOR_FOR_EACH_PTR (&graph->links, link) {
        if (!link->a->fixed && !link->a->id) {
            link->a->nearest = lower(link->a->nearest, link->b->id);
        }
        if (!link->b->fixed && !link->b->id) {
            link->b->nearest = lower(link->b->nearest, link->a->id);
        }
    }
    HMAP_FOR_EACH (place, node, &graph->places) {
        if (place->nearest) {
            place->id = place->nearest;
            found = true;
        }
    }
    return found;
}

/* Fills 'lists', one for each id, with the rows of the datapaths. */
static void
list_datapaths(const struct northd_data *northd, struct vector lists[N_IDS])
{
    struct graph graph = {
        .places = HMAP_INITIALIZER(&graph.places),
        .links = VECTOR_EMPTY_INITIALIZER(struct link),
    };
    struct place *place;

    build_graph(&graph, northd);
    find_in_components(&graph);
    while (find_next(&graph)) {
        continue;
    }
    HMAP_FOR_EACH_POP (place, node, &graph.places) {
        const struct sbrec_datapath_binding *sb = place->od->sdp->sb_dp;

        if (place->id && sb) {
            vector_push(&lists[place->id], &sb);
        }
        free(place);
    }
    hmap_destroy(&graph.places);
    vector_destroy(&graph.links);
}

static void
sync_row(const struct nbrec_encryption_credential *nb,
         const struct sbrec_encryption_credential *sb,
         const struct vector *datapaths)
{
    sbrec_encryption_credential_set_certificates(
        sb, (const char **) nb->certificates, nb->n_certificates);
    sbrec_encryption_credential_set_revoked(
        sb, (const char **) nb->revoked, nb->n_revoked);
    sbrec_encryption_credential_set_chassis(
        sb, (const char **) nb->chassis, nb->n_chassis);
    sbrec_encryption_credential_set_ciphers(sb, nb->ciphers);
    sbrec_encryption_credential_set_strength(sb, nb->strength,
                                             nb->n_strength);
    sbrec_encryption_credential_set_lanes(sb, nb->lanes, nb->n_lanes);
    sbrec_encryption_credential_set_rekey_interval(
        sb, nb->rekey_interval, nb->n_rekey_interval);
    sbrec_encryption_credential_set_datapaths(
        sb, vector_get_array(datapaths), vector_len(datapaths));
}

/* A credential that was made anew under the same id has another UUID.  Its
 * southbound row is another one as well, by which the chassis know it. */
static void
delete_others(const struct nbrec_encryption_credential_table *nb_table,
              const struct sbrec_encryption_credential_table *sb_table)
{
    const struct sbrec_encryption_credential *sb;

    SBREC_ENCRYPTION_CREDENTIAL_TABLE_FOR_EACH_SAFE (sb, sb_table) {
        if (!nbrec_encryption_credential_table_get_for_uuid(
                nb_table, &sb->header_.uuid)) {
            sbrec_encryption_credential_delete(sb);
        }
    }
}

void
ovn_vnetenc_credential_run(
    const struct nbrec_encryption_credential_table *nb_table,
    const struct sbrec_encryption_credential_table *sb_table,
    const struct northd_data *northd, struct ovsdb_idl_txn *ovnsb_txn)
{
    const struct nbrec_encryption_credential *nb;
    struct vector lists[N_IDS];

    delete_others(nb_table, sb_table);
    if (!nbrec_encryption_credential_table_first(nb_table)
        || !sbrec_server_has_encryption_credential_table(
            ovsdb_idl_txn_get_idl(ovnsb_txn))) {
        return;
    }

    for (size_t i = 0; i < N_IDS; i++) {
        lists[i] = VECTOR_EMPTY_INITIALIZER(
            const struct sbrec_datapath_binding *);
    }
    list_datapaths(northd, lists);
    NBREC_ENCRYPTION_CREDENTIAL_TABLE_FOR_EACH (nb, nb_table) {
        const struct sbrec_encryption_credential *sb =
            sbrec_encryption_credential_table_get_for_uuid(
                sb_table, &nb->header_.uuid);

        if (!sb) {
            sb = sbrec_encryption_credential_insert_persist_uuid(
                ovnsb_txn, &nb->header_.uuid);
            sbrec_encryption_credential_set_name(sb, nb->name);
            sbrec_encryption_credential_set_id(sb, nb->id);
        }
        sync_row(nb, sb, &lists[nb->id]);
    }
    for (size_t i = 0; i < N_IDS; i++) {
        vector_destroy(&lists[i]);
    }
}
