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

#include "ovn-vnetenc-places.h"

#include "hash.h"
#include "lib/ovn-nb-idl.h"
#include "lib/ovn-vnetenc-demand.h"
#include "northd.h"
#include "smap.h"
#include "util.h"

/* Returns the lower id of two, of which 0 is none. */
static uint8_t
lower(uint8_t a, uint8_t b)
{
    return !a || (b && b < a) ? b : a;
}

static struct ovn_vnetenc_place *
find_place(const struct ovn_vnetenc_places *places,
           const struct ovn_datapath *od)
{
    struct ovn_vnetenc_place *place;

    HMAP_FOR_EACH_WITH_HASH (place, node, hash_pointer(od, 0),
                             &places->places) {
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
add_place(struct ovn_vnetenc_places *places, const struct ovn_datapath *od)
{
    if (!od->sdp || ovn_datapath_is_stale(od)) {
        return;
    }

    struct ovn_vnetenc_place *place = xzalloc(sizeof *place);
    place->od = od;
    if (od->nbs) {
        const struct nbrec_encryption_credential *credential =
            od->nbs->encryption_credential;

        place->id = credential ? credential->id : 0;
        place->nearest = place->id;
        place->fixed = place->id || !only_connects(od);
    }
    hmap_insert(&places->places, &place->node, hash_pointer(od, 0));
}

static struct ovn_vnetenc_place *
root_of(struct ovn_vnetenc_place *place)
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
join(struct ovn_vnetenc_place *a, struct ovn_vnetenc_place *b)
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
add_link(struct ovn_vnetenc_places *places, const struct ovn_port *op)
{
    const struct ovn_port *peer = op->peer;

    if (!peer || !peer->od) {
        return;
    }

    struct ovn_vnetenc_link link = {
        .a = find_place(places, op->od),
        .b = find_place(places, peer->od),
        .gateway = is_gateway(op) || is_gateway(peer),
        .leads = op->nbrp && lrp_is_l3dgw(op),
    };
    if (link.a && link.b) {
        vector_push(&places->links, &link);
    }
}

void
ovn_vnetenc_places_init(struct ovn_vnetenc_places *places,
                        const struct northd_data *northd)
{
    const struct ovn_datapath *od;
    const struct ovn_port *op;

    hmap_init(&places->places);
    places->links = VECTOR_EMPTY_INITIALIZER(struct ovn_vnetenc_link);
    HMAP_FOR_EACH (od, key_node, &northd->ls_datapaths.datapaths) {
        add_place(places, od);
    }
    HMAP_FOR_EACH (od, key_node, &northd->lr_datapaths.datapaths) {
        add_place(places, od);
    }
    HMAP_FOR_EACH (od, key_node, &northd->lr_datapaths.datapaths) {
        HMAP_FOR_EACH (op, dp_node, &od->ports) {
            add_link(places, op);
        }
    }
    HMAP_FOR_EACH (od, key_node, &northd->ls_datapaths.datapaths) {
        VECTOR_FOR_EACH (&od->switch_ports, op) {
            add_link(places, op);
        }
    }
}

/* Returns true for a switch that demands encryption and says nothing of its
 * profile. */
static bool
says_nothing(const struct ovn_datapath *od)
{
    return (od->nbs && !od->nbs->encryption_credential
            && !smap_get(&od->nbs->other_config, OVN_VNETENC_NB_PROFILE)
            && ovn_vnetenc_demand_of_dp(od->sdp->sb_dp).mode != VNETENC_OFF);
}

const struct ovn_vnetenc_place *
ovn_vnetenc_place_root(const struct ovn_vnetenc_place *place)
{
    while (place->parent) {
        place = place->parent;
    }
    return place;
}

/* Steps 1 and 2 of the header. */
static void
find_in_components(struct ovn_vnetenc_places *places)
{
    const struct ovn_vnetenc_link *link;
    struct ovn_vnetenc_place *place;

    VECTOR_FOR_EACH_PTR (&places->links, link) {
        if (link->gateway) {
            continue;
        }
        join(link->a, link->b);
        if (link->a->od->nbr && link->b->fixed) {
            link->a->id = lower(link->a->id, link->b->id);
        }
    }
    HMAP_FOR_EACH (place, node, &places->places) {
        if (!place->fixed && !place->id) {
            place->id = root_of(place)->nearest;
        }
    }
}

/* Step 3.  All that find an id in one round find it at the same distance. */
static bool
find_next(struct ovn_vnetenc_places *places)
{
    const struct ovn_vnetenc_link *link;
    struct ovn_vnetenc_place *place;
    bool found = false;

    HMAP_FOR_EACH (place, node, &places->places) {
        place->nearest = 0;
    }
    VECTOR_FOR_EACH_PTR (&places->links, link) {
        if (!link->a->fixed && !link->a->id) {
            link->a->nearest = lower(link->a->nearest, link->b->id);
        }
        if (!link->b->fixed && !link->b->id) {
            link->b->nearest = lower(link->b->nearest, link->a->id);
        }
    }
    HMAP_FOR_EACH (place, node, &places->places) {
        if (place->nearest) {
            place->id = place->nearest;
            found = true;
        }
    }
    return found;
}

void
ovn_vnetenc_places_find(struct ovn_vnetenc_places *places, uint8_t default_id)
{
    struct ovn_vnetenc_place *place;

    HMAP_FOR_EACH (place, node, &places->places) {
        if (place->fixed && !place->id && says_nothing(place->od)) {
            place->id = place->nearest = default_id;
        }
    }
    find_in_components(places);
    while (find_next(places)) {
        continue;
    }

    /* What only connects, with nothing near. */
    HMAP_FOR_EACH (place, node, &places->places) {
        if (!place->id && !place->fixed && says_nothing(place->od)) {
            place->id = default_id;
        }
    }
    while (find_next(places)) {
        continue;
    }
}

void
ovn_vnetenc_places_destroy(struct ovn_vnetenc_places *places)
{
    struct ovn_vnetenc_place *place;

    HMAP_FOR_EACH_POP (place, node, &places->places) {
        free(place);
    }
    hmap_destroy(&places->places);
    vector_destroy(&places->links);
}
