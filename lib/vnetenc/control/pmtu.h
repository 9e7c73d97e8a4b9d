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

#ifndef VNETENC_PMTU_H
#define VNETENC_PMTU_H 1

/* Telling guests what is too long
 * ===============================
 *
 * A packet that is too long for the underlay and cannot be split is dropped;
 * its sender is told by ICMP "fragmentation needed" (RFC 792, RFC 1191) or
 * ICMPv6 "packet too big" (RFC 4443 section 3.2), in the name of the packet's
 * destination, since a switched network has no router to speak.  The message
 * goes out of the port that the packet came in from.
 *
 *     packet path:     vnetenc_pmtu_report() posts the head of the packet
 *     control thread:  vnetenc_pmtu_answer() builds the message and sends it
 *
 * Thread-safety: vnetenc_pmtu_report() any thread, no locks;
 * vnetenc_pmtu_build() is a pure function; the others under
 * vnetenc_control_mutex. */

#include <stddef.h>
#include <stdint.h>
#include "openvswitch/compiler.h"
#include "openvswitch/types.h"

struct dp_packet;
struct flow;
struct vnetenc_path_key;

enum {
    VNETENC_PMTU_HEAD_BYTES = 1280, /* Of a packet, at most. */
    VNETENC_PMTU_MAX_TAGS = 2,
};

/* What is posted, with the head of the inner frame behind it. */
struct vnetenc_pmtu_note {
    uint32_t in_port;           /* The datapath's number. */
    struct eth_addr src, dst;   /* As the packet came in. */
    ovs_be16 tags[VNETENC_PMTU_MAX_TAGS][2];    /* TPID and TCI, or 0. */
    uint16_t max_frame;         /* Octets of a frame that would do. */
};

/* Reports 'size' octets at 'frame', what a guest sent, which came in with
 * 'flow'.  A frame of 'max_frame' octets would have got through. */
void vnetenc_pmtu_report(const struct vnetenc_path_key *, const struct flow *,
                         const void *frame, size_t size, size_t max_frame);

/* Returns the message that 'note' and the 'size' octets at 'frame' call for,
 * or NULL if there must be none (RFC 1122 section 3.2.2, RFC 4443 section
 * 2.4). */
struct dp_packet *vnetenc_pmtu_build(const struct vnetenc_pmtu_note *note,
                                     const uint8_t *frame, size_t size)
    OVS_WARN_UNUSED_RESULT;

/* What was posted. */
void vnetenc_pmtu_answer(const uint8_t *data, size_t size);

#endif /* vnetenc/control/pmtu.h */
