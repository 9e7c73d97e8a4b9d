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
 * vnetenc_seal_record() seals for the control thread: alerts, probes and
 * their replies.
 *
 * Thread-safety: any thread, no locks. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "compiler.h"
#include "vnetenc/bridge/drops.h"

struct dp_packet;
struct dp_packet_batch;
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
 * session yet.  When there is a session, held packets are sealed and the
 * actions behind this one execute; 'actions', 'actions_len' bytes long, is the
 * list that contains this one.  'flow' is that of the packets before they were
 * pushed; its source is told if a packet is too long.  'flow' and 'actions'
 * may be NULL. */
void vnetenc_seal_batch_of_flow(struct dp_packet_batch *,
                                const struct ovs_action_vnetenc *,
                                const struct flow *,
                                const struct nlattr *actions,
                                size_t actions_len);

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
