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

#ifndef VNETENC_INCOMING_TABLE_H
#define VNETENC_INCOMING_TABLE_H 1

/* Sessions that peers began, by 4-tuple
 * =====================================
 *
 * The table owns the sessions in it.  control/incoming.h decides about them.
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include "openvswitch/hmap.h"
#include "openvswitch/types.h"
#include "vnetenc/bridge/path.h"

struct vnetenc_responder;

/* The sessions of one 4-tuple: one that is up, a half-open one that may take
 * its place, or both. */
struct vnetenc_incoming {
    struct hmap_node node;      /* In the table. */
    struct vnetenc_path_key path;   /* The profile is each session's. */
    ovs_be16 lane_port;
    struct vnetenc_responder *half_open;    /* Or NULL. */
    struct vnetenc_responder *up;           /* Published, or NULL. */
};

/* Returns all entries, by the hash of their 4-tuple. */
const struct hmap *vnetenc_incoming_table(void);

/* Returns the entry of the 4-tuple of 'path' and 'lane_port', or NULL. */
struct vnetenc_incoming *vnetenc_incoming_table_find(
    const struct vnetenc_path_key *path, ovs_be16 lane_port);

/* Adds an entry, which the caller must give a session.  There must be none
 * for the 4-tuple. */
struct vnetenc_incoming *vnetenc_incoming_table_add(
    const struct vnetenc_path_key *path, ovs_be16 lane_port);

/* Ends 'session', one of those of 'in'.  Frees 'in' if it was the last. */
void vnetenc_incoming_table_drop(struct vnetenc_incoming *in,
                                 struct vnetenc_responder *session);

/* Returns another entry at each call, in a circle.  The table must not be
 * empty. */
struct vnetenc_incoming *vnetenc_incoming_table_next(void);

#endif /* vnetenc/control/incoming-table.h */
