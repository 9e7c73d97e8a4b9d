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

#ifndef VNETENC_LANES_H
#define VNETENC_LANES_H 1

/* Lanes of a path
 * ===============
 *
 * A path has up to VNETENC_MAX_LANES lanes.  Each has one session at a time,
 * with keys, sequence numbers and a UDP source port of its own.  A flow stays
 * on its lane, so that it keeps its order.
 *
 * Thread-safety
 * =============
 *
 * Only the control thread sets sessions and the number of lanes.  Any thread
 * reads them, and uses a session until it next quiesces. */

#include <stdbool.h>
#include "openvswitch/types.h"
#include "ovs-atomic.h"
#include "ovs-rcu.h"
#include "vnetenc/bridge/limits.h"

struct vnetenc_tx;

struct vnetenc_lanes {
    OVSRCU_TYPE(struct vnetenc_tx *) tx[VNETENC_MAX_LANES];
    atomic_uint n;              /* 1 to VNETENC_MAX_LANES. */
};

/* Makes 'n' lanes without sessions, 1 to VNETENC_MAX_LANES. */
void vnetenc_lanes_init(struct vnetenc_lanes *, unsigned int n);

/* Makes 'tx' (NULL for none) the session of 'lane'.  Returns the one
 * that was there: the caller may go on to use it and then retires it.  Control
 * thread. */
struct vnetenc_tx *vnetenc_lanes_swap(struct vnetenc_lanes *,
                                      unsigned int lane, struct vnetenc_tx *);

/* True if any lane has a session.  Any thread. */
bool vnetenc_lanes_up(const struct vnetenc_lanes *);

/* Copies the sessions of the lanes to 'tx', putting another lane's where one
 * has none.  Returns the number of lanes, or 0 if none has a session.  Any
 * thread. */
unsigned int vnetenc_lanes_get(const struct vnetenc_lanes *,
                               struct vnetenc_tx *tx[VNETENC_MAX_LANES]);

/* Returns the lane, of 'n', for packets of a flow: the tunnel put a hash of
 * the flow into 'udp_src'.  Pure function. */
unsigned int vnetenc_lanes_choose(unsigned int n, ovs_be16 udp_src);

#endif /* vnetenc/bridge/lanes.h */
