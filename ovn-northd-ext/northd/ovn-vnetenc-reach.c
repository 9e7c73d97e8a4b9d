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

#include "ovn-vnetenc-reach.h"

#include "hmapx.h"
#include "lib/ovn-vnetenc-demand.h"
#include "northd.h"
#include "openvswitch/hmap.h"
#include "vec.h"

static enum vnetenc_mode
od_mode(const struct ovn_datapath *od)
{
    return ovn_vnetenc_demand_of_dp(od->sdp->sb_dp).mode;
}

static bool
any_demand(const struct hmap *ls_datapaths)
{
    const struct ovn_datapath *od;

    HMAP_FOR_EACH (od, key_node, ls_datapaths) {
        if (od_mode(od) != VNETENC_OFF) {
            return true;
        }
    }
    return false;
}

/* A search.  'todo' has the datapaths that are connected to visited ones and
 * must still be visited, 'mode' is the strongest mode so far. */
struct walk {
    struct vector todo;         /* Of struct ovn_datapath *. */
    struct hmapx *seen;
    enum vnetenc_mode mode;
};

static void
walk_to(struct walk *walk, const struct ovn_port *port)
{
    struct ovn_datapath *od = port->peer ? port->peer->od : NULL;

    if (!od) {
        return;
    }
    if (od->nbs) {
        walk->mode = MAX(walk->mode, od_mode(od));
        if (!vector_is_empty(&od->localnet_ports)) {
            return;
        }
    }
    if (hmapx_add(walk->seen, od)) {
        vector_push(&walk->todo, &od);
    }
}

static void
walk_from(struct walk *walk, const struct ovn_datapath *od)
{
    const struct ovn_port *port;

    if (od->nbr) {
        HMAP_FOR_EACH (port, dp_node, &od->ports) {
            walk_to(walk, port);
        }
        return;
    }
    VECTOR_FOR_EACH (&od->router_ports, port) {
        walk_to(walk, port);
    }
    VECTOR_FOR_EACH (&od->switch_ports, port) {
        walk_to(walk, port);
    }
}

/* Visits every datapath connected to 'router', and sets 'vnetenc_reach' of the
 * routers among them. */
static void
visit(struct ovn_datapath *router, struct hmapx *seen)
{
    struct walk walk = {
        .todo = VECTOR_EMPTY_INITIALIZER(struct ovn_datapath *),
        .seen = seen,
        .mode = VNETENC_OFF,
    };
    struct vector routers = VECTOR_EMPTY_INITIALIZER(struct ovn_datapath *);
    struct ovn_datapath *od;

    hmapx_add(seen, router);
    vector_push(&walk.todo, &router);
    while (!vector_is_empty(&walk.todo)) {
        vector_pop(&walk.todo, &od);
        if (od->nbr) {
            vector_push(&routers, &od);
        }
        walk_from(&walk, od);
    }
    VECTOR_FOR_EACH (&routers, od) {
        od->vnetenc_reach = walk.mode;
    }
    vector_destroy(&walk.todo);
    vector_destroy(&routers);
}

void
ovn_vnetenc_reach_run(const struct hmap *ls_datapaths,
                      const struct hmap *lr_datapaths)
{
    struct hmapx seen = HMAPX_INITIALIZER(&seen);
    struct ovn_datapath *od;

    if (any_demand(ls_datapaths)) {
        HMAP_FOR_EACH (od, key_node, lr_datapaths) {
            if (!hmapx_contains(&seen, od)) {
                visit(od, &seen);
            }
        }
    }
    hmapx_destroy(&seen);
}
