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
#include "vnetenc/control/incoming-table.h"
#include <stdlib.h>
#include "util.h"
#include "vnetenc/bridge/tuple.h"
#include "vnetenc/control/responder.h"

static struct hmap table = HMAP_INITIALIZER(&table);

const struct hmap *
vnetenc_incoming_table(void)
{
    return &table;
}

struct vnetenc_incoming *
vnetenc_incoming_table_find(const struct vnetenc_path_key *path,
                            ovs_be16 lane_port)
{
    struct vnetenc_incoming *in;

    HMAP_FOR_EACH_WITH_HASH (in, node,
                             vnetenc_tuple_hash_path(path, lane_port),
                             &table) {
        if (in->lane_port == lane_port
            && vnetenc_tuple_is_of_path(&in->path, &path->local,
                                        path->dtls_port, &path->remote)) {
            return in;
        }
    }
    return NULL;
}

struct vnetenc_incoming *
vnetenc_incoming_table_add(const struct vnetenc_path_key *path,
                           ovs_be16 lane_port)
{
    struct vnetenc_incoming *in = xzalloc(sizeof *in);

    in->path = *path;
    in->lane_port = lane_port;
    hmap_insert(&table, &in->node, vnetenc_tuple_hash_path(path, lane_port));
    return in;
}

void
vnetenc_incoming_table_drop(struct vnetenc_incoming *in,
                            struct vnetenc_responder *session)
{
    if (session == in->up) {
        in->up = NULL;
    } else {
        in->half_open = NULL;
    }
    vnetenc_responder_destroy(session);
    if (!in->up && !in->half_open) {
        hmap_remove(&table, &in->node);
        free(in);
    }
}

struct vnetenc_incoming *
vnetenc_incoming_table_next(void)
{
    static struct hmap_position next;
    struct hmap_node *node = hmap_at_position(&table, &next);

    if (!node) {
        node = hmap_at_position(&table, &next);
    }
    return CONTAINER_OF(node, struct vnetenc_incoming, node);
}
