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

#ifndef OVN_VNETENC_PLACES_H
#define OVN_VNETENC_PLACES_H 1

/* Datapaths, what connects them, and the credential of each
 * =========================================================
 *
 * A switch uses the credential that its row names.  A router, and a switch
 * that has ports to routers and switches only, use that of the networks near
 * them, because their packets are those of the networks: never profile 0 where
 * a credential is near.  Where there are several, the lowest id counts, so
 * that the order does not matter:
 *
 *   1. for a router: of the switches to which its ports lead, other than
 *      gateway ports;
 *   2. of all switches that are reached from there without passing a gateway
 *      port or a router that is bound to a chassis;
 *   3. of the datapaths next to it that have found one, on and on.
 *
 * A switch with other ports that names no credential has that of the cluster,
 * if it demands encryption and names no profile by its number.  So has a
 * switch that only connects others and found none near.  Any other switch has
 * none, and hands none on: several tenants may share it.
 *
 * Thread-safety
 * =============
 *
 * A set of places belongs to one thread. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/hmap.h"
#include "vec.h"

struct northd_data;
struct ovn_datapath;

/* A datapath. */
struct ovn_vnetenc_place {
    struct hmap_node node;      /* In 'places', by 'od'. */
    const struct ovn_datapath *od;
    struct ovn_vnetenc_place *parent;   /* Of the same component; NULL: the
                                         * root. */
    uint8_t nearest;            /* Lowest id of all switches in the component;
                                 * valid in its root. */
    uint8_t id;                 /* What was found, or 0. */
    bool fixed;                 /* A switch whose 'id' its row decides. */
};

struct ovn_vnetenc_link {
    struct ovn_vnetenc_place *a, *b;
    bool gateway;               /* Does not join components. */
    bool leads;                 /* 'a' has a distributed gateway port to 'b':
                                 * chassis of 'a' send to 'b' themselves. */
};

struct ovn_vnetenc_places {
    struct hmap places;         /* Of struct ovn_vnetenc_place. */
    struct vector links;        /* Of struct ovn_vnetenc_link. */
};

/* Collects all places, which have the credentials that their rows name. */
void ovn_vnetenc_places_init(struct ovn_vnetenc_places *,
                             const struct northd_data *);

/* Finds the credentials of all places.  'default_id' is the id of the
 * cluster's, or 0. */
void ovn_vnetenc_places_find(struct ovn_vnetenc_places *, uint8_t default_id);

void ovn_vnetenc_places_destroy(struct ovn_vnetenc_places *);

/* Returns the place that stands for all that are reached from this one without
 * passing a gateway port or a router that is bound to a chassis.  Call after
 * ovn_vnetenc_places_find(). */
const struct ovn_vnetenc_place *ovn_vnetenc_place_root(
    const struct ovn_vnetenc_place *);

#endif /* northd/ovn-vnetenc-places.h */
