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
 * A path has up to VNETENC_MAX_LANES lanes.  Each lane has one session at a
 * time, with its own keys, sequence numbers and UDP source port.  A flow stays
 * on its lane, so its packets stay in order.
 *
 * Thread-safety
 * =============
 *
 * Only the control thread sets sessions and the number of lanes.  Any thread
 * may read them, and may use a session until the thread next quiesces. */

#include <stdbool.h>
#include "openvswitch/types.h"
#include "ovs-atomic.h"
#include "ovs-rcu.h"
#include "vnetenc/base/limits.h"

struct vnetenc_tx;

struct vnetenc_lanes {
    atomic_uint n;              /* 1 to VNETENC_MAX_LANES. */
    OVSRCU_TYPE(struct vnetenc_tx *) tx[VNETENC_MAX_LANES];
};

/* Makes 'n' lanes, 1 to VNETENC_MAX_LANES, without sessions. */
void vnetenc_lanes_init(struct vnetenc_lanes *, unsigned int n);

/* Makes 'tx', which may be NULL for none, the session of 'lane'.  Returns the
 * former session, which the caller may still use and must then retire.
 * Control thread. */
struct vnetenc_tx *vnetenc_lanes_swap(struct vnetenc_lanes *,
                                      unsigned int lane, struct vnetenc_tx *);

/* True if any lane has a session.  Any thread. */
bool vnetenc_lanes_up(const struct vnetenc_lanes *);

/* Copies the sessions of the lanes to 'tx'.  A lane without a session gets
 * that of another lane.  Returns the number of lanes, or 0 if none has a
 * session.  Any thread. */
unsigned int vnetenc_lanes_get(const struct vnetenc_lanes *,
                               struct vnetenc_tx *tx[VNETENC_MAX_LANES]);

/* Returns which of 'n' lanes is that of a flow: the tunnel put a hash of the
 * flow into 'udp_src'.  Pure function. */
unsigned int vnetenc_lanes_choose(unsigned int n, ovs_be16 udp_src);

#endif /* vnetenc/bridge/lanes.h */
