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

#ifndef VNETENC_SEAL_H
#define VNETENC_SEAL_H 1

/* Sealing
 * =======
 *
 * vnetenc_seal_batch() and vnetenc_seal_packet() work on packets that a tunnel
 * has just pushed.  A batch goes through these steps:
 *
 *     route:   which session, or whether to drop or leave in clear; decided
 *              for all packets before the first byte of any changes
 *     segment: packets that the network device would have segmented
 *     split:   packets that would be too long for the underlay
 *     prepare: inner checksums, room
 *     build:   record header with its own sequence number, outer headers
 *     seal:    the cipher, in bursts
 *     finish:  keep the sealed packets, drop the rest
 *
 * A small batch that only has to be output to a port is not sealed at once:
 * its packets are deferred.  They go into the output batch of the port with
 * the offload flag DP_PACKET_OL_VNETENC, beside packets to other peers, and
 * vnetenc_seal_output() seals all of them together.  It waits for the memory
 * of all sessions at the same time, and the cipher of one packet overlaps with
 * that of the next.
 *
 *     A deferred packet is still in clear.  Only vnetenc_seal_output() removes
 *     the flag.  Each output batch passes this function directly before it is
 *     sent, and netdev_send() ends the process rather than send a packet with
 *     the flag.
 *
 * A deferred packet refers to no session, path or flow: the output batch may
 * outlast a grace period, so all of them are looked up when it is sent.
 *
 * vnetenc_seal_record() seals for the control thread: alerts, probes and
 * their replies.
 *
 * Thread-safety: any thread, no locks. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "compiler.h"
#include "dp-packet.h"
#include "vnetenc/base/drops.h"

struct flow;
struct nlattr;
struct ovs_action_vnetenc;
struct vnetenc_route;
struct vnetenc_tx;

/* Seals the packets of a batch that a tunnel has just pushed, as the action
 * demands.  Packets that are dropped leave the batch. */
void vnetenc_seal_batch(struct dp_packet_batch *,
                        const struct ovs_action_vnetenc *);

/* Does the same as vnetenc_seal_batch(), but may hold packets that find no
 * session yet, or defer packets to vnetenc_seal_output().  When there is a
 * session, held packets are sealed and the actions behind this one execute;
 * 'actions', 'actions_len' bytes long, is the list that contains this one.
 * 'flow' is that of the packets before they were pushed; its source is told if
 * a packet is too long.  'flow' and 'actions' may be NULL.
 *
 * A caller that gives both gives its packets away to the last action of each
 * list.  Returns true if the packets are deferred: the caller then passes the
 * output batch to vnetenc_seal_output() before it sends it. */
bool vnetenc_seal_batch_of_flow(struct dp_packet_batch *,
                                const struct ovs_action_vnetenc *,
                                const struct flow *,
                                const struct nlattr *actions,
                                size_t actions_len);

/* Seals the deferred packets of 'batch', which is about to be sent through
 * 'port'.  Packets that are dropped leave the batch; the others keep their
 * order.  vnetenc_seal_output() calls it. */
void vnetenc_seal_deferred(struct dp_packet_batch *batch, odp_port_t port);

/* Seals the deferred packets of an output batch, which is about to be sent
 * through 'port'.  Returns false if no packet is left to be sent. */
static inline bool
vnetenc_seal_output(struct dp_packet_batch *batch, odp_port_t port)
{
    struct dp_packet *packet;
    uint32_t offloads = 0;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        offloads |= packet->offloads;
    }
    if (OVS_LIKELY(!(offloads & DP_PACKET_OL_VNETENC))) {
        return true;
    }
    vnetenc_seal_deferred(batch, port);
    return !dp_packet_batch_is_empty(batch);
}

/* Does the same as vnetenc_seal_batch() for a caller that sends the records
 * itself, each through the socket of its lane, for which it gets the route
 * (packet/route.h).  The batch must have at least one packet, and the mode
 * must not be VNETENC_OFF.  If 'hold' is true, packets that find no session
 * yet may be held; they leave in the same way when there is a session.
 *
 * Returns VNETENC_KEEP if the packets left in the batch are sealed, a fallback
 * (see vnetenc_drop_is_fallback()) if all packets are to leave in clear, or
 * else the reason why no packet is left. */
enum vnetenc_drop vnetenc_seal_batch_for_lanes(
    struct dp_packet_batch *, const struct ovs_action_vnetenc *, bool hold,
    struct vnetenc_route *) OVS_WARN_UNUSED_RESULT;

/* Seals one packet on the slow path, which remains the caller's.  Holds and
 * splits nothing.  Returns false if the caller must drop the packet. */
bool vnetenc_seal_packet(struct dp_packet *, const struct ovs_action_vnetenc *)
    OVS_WARN_UNUSED_RESULT;

/* Writes into 'out', which has 'out_size' bytes, a record of 'type' with the
 * 'size' bytes at 'plain'.  Returns the size of the record, or 0 if the key
 * has reached a hard limit, the cipher failed, 'size' is over
 * VNETENC_MAX_PLAINTEXT_BYTES, or 'out' is too small. */
size_t vnetenc_seal_record(struct vnetenc_tx *, uint8_t type,
                           const void *plain, size_t size,
                           uint8_t *out, size_t out_size)
    OVS_WARN_UNUSED_RESULT;

#endif /* vnetenc/packet/seal.h */
