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

#ifndef VNETENC_VIRTIO_H
#define VNETENC_VIRTIO_H 1

/* Tunnel packets as the kernel hands them over
 * ============================================
 *
 * The kernel hands over an Ethernet frame behind a virtio header that
 * describes the pending offload: a checksum to be completed, or a TCP packet
 * to be segmented.  These functions trust neither frame nor header, validate
 * both, and make a packet such as a tunnel of the userspace datapath pushes.
 *
 *     outer:  finds the UDP port, which tells the type of the tunnel
 *     inner:  completes the offload inside the tunnel
 *
 * Thread-safety: pure functions of the caller's packet. */

#include <stdbool.h>
#include "openvswitch/compiler.h"
#include "openvswitch/types.h"
#include "vnetenc/base/drops.h"

struct dp_packet;
struct virtio_net_hdr;

/* Checks that 'packet', an Ethernet frame, is UDP in IP, whole and no
 * fragment.  Sets its outer offsets and '*udp_dst' and returns VNETENC_KEEP,
 * or returns why it must be dropped. */
enum vnetenc_drop vnetenc_virtio_outer(struct dp_packet *packet,
                                       ovs_be16 *udp_dst)
    OVS_WARN_UNUSED_RESULT;

/* Completes the checksum of the packet inside, or sets the packet's offload
 * state so that vnetenc_seal_batch() segments it.  Offsets in 'header' count
 * from the beginning of the outer frame.  Returns VNETENC_KEEP or why the
 * packet must be dropped.  Call after vnetenc_virtio_outer(). */
enum vnetenc_drop vnetenc_virtio_inner(struct dp_packet *packet,
                                       const struct virtio_net_hdr *header,
                                       bool vxlan)
    OVS_WARN_UNUSED_RESULT;

#endif /* vnetenc/kernel/virtio.h */
