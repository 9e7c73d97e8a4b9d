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

#ifndef VNETENC_TOO_LONG_H
#define VNETENC_TOO_LONG_H 1

/* Packets that are too long for a route of N
 * ==========================================
 *
 * The kernel drops a tunnel packet that is longer than the MTU of its route
 * (kernel/underlay.h).  Tunnel devices tell the sender of an IP packet, but
 * not that of a frame with VLAN tags.  For such a frame, the kernel sends an
 * ICMP message to the source of the tunnel packet, which is an address of N.
 * A worker reads these messages and posts them as packet/pmtu does for the
 * userspace datapath; the control thread answers through the way of arrivals.
 *
 * Only the kernel itself sends ICMP in N, but the packets that it quotes are
 * guests': nothing behind the tunnel header is trusted.
 *
 * Thread-safety: vnetenc_too_long_start() belongs to the main thread.
 * vnetenc_too_long_parse() is a pure function of its arguments. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/compiler.h"

struct vnetenc_path_key;
struct vnetenc_pmtu_note;

/* Has a worker read the messages.  Workers must run and N must be up. */
void vnetenc_too_long_start(void);

/* Parses the first 'size' bytes of a tunnel packet that did not fit into
 * 'mtu' bytes, from its IP header on.  Stores its path, the note about the
 * frame inside, and the offset of the tunnel header.  The local address of the
 * path is the source of the packet, which may stand for none.  Returns false
 * if this is no packet of our tunnel devices, or if too little of it is
 * there. */
bool vnetenc_too_long_parse(const uint8_t *packet, size_t size,
                            unsigned int mtu, struct vnetenc_path_key *,
                            struct vnetenc_pmtu_note *, size_t *tunnel_ofs)
    OVS_WARN_UNUSED_RESULT;

#endif /* vnetenc/kernel/too-long.h */
