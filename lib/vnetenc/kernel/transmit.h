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

#ifndef VNETENC_TRANSMIT_H
#define VNETENC_TRANSMIT_H 1

/* Sending
 * =======
 *
 * The functions here seal packets of the kernel datapath and send each record
 * through the socket of its lane.  Records of equal size leave as one message
 * (UDP_SEGMENT).  TOS and TTL are those of the tunnel packet.  DF is always
 * set, because a packet that is too long is split or dropped before.
 *
 * Packets that leave in clear, under `prefer` only, leave through UDP sockets
 * of their own, to the port of the plain tunnel.  Not through raw sockets: for
 * those the host's IPsec policies and rules would not see the source address
 * and the ports, by which they know tunnels.  These sockets receive nothing.
 *
 * Thread-safety: vnetenc_transmit_init() belongs to the main thread and must
 * be called first.  Any thread may call vnetenc_transmit(). */

#include <stdbool.h>

struct dp_packet_batch;
struct ovs_action_vnetenc;
struct vnetenc_worker;

/* Opens the sockets for packets in clear.  Must be called once. */
void vnetenc_transmit_init(void);

/* Seals the packets of 'batch', which all go to one peer, as 'action' demands,
 * and sends them.  If 'hold' is true, packets without a session may be held
 * (packet/hold.h).  Frees the packets and leaves the batch empty.  Counts for
 * 'worker' unless that is NULL.  Returns true if there was a session. */
bool vnetenc_transmit(struct vnetenc_worker *worker,
                      struct dp_packet_batch *batch,
                      const struct ovs_action_vnetenc *action, bool hold);

#endif /* vnetenc/kernel/transmit.h */
