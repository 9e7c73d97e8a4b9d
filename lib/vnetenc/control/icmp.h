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

#ifndef VNETENC_ICMP_H
#define VNETENC_ICMP_H 1

/* ICMP messages about packets that are too long
 * =============================================
 *
 * This is the control thread's part of packet/pmtu.h.  The sender of a packet
 * that was too long gets ICMP "fragmentation needed" (RFC 792, RFC 1191) or
 * ICMPv6 "packet too big" (RFC 4443 section 3.2), in the name of the packet's
 * destination, because a switched network has no router to send it.  The
 * message leaves through the port on which the packet came in.  In the kernel
 * datapath, that port is unknown: the message arrives from the tunnel, as an
 * answer of the destination would.
 *
 * Thread-safety: vnetenc_icmp_build() is a pure function;
 * vnetenc_icmp_answer() runs under vnetenc_control_mutex. */

#include <stddef.h>
#include <stdint.h>
#include "openvswitch/compiler.h"

struct dp_packet;
struct vnetenc_path_key;
struct vnetenc_pmtu_note;

/* Returns the message to send about the packet that begins with the 'size'
 * bytes at 'frame', which the caller must delete, or NULL if there must be
 * none (RFC 1122 section 3.2.2, RFC 4443 section 2.4). */
struct dp_packet *vnetenc_icmp_build(const struct vnetenc_pmtu_note *note,
                                     const uint8_t *frame, size_t size)
    OVS_WARN_UNUSED_RESULT;

/* Sends the message about the packet of 'path' that packet/pmtu posted as the
 * 'size' bytes at 'data', if there must be one. */
void vnetenc_icmp_answer(const struct vnetenc_path_key *path,
                         const uint8_t *data, size_t size);

#endif /* vnetenc/control/icmp.h */
