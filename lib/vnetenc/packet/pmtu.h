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

/* Reports of packets that are too long
 * ====================================
 *
 * A packet that is too long for the underlay and cannot be split is dropped,
 * and its sender is told how long a packet may be:
 *
 *     packet path:     vnetenc_pmtu_report() posts the head of the packet
 *     control thread:  vnetenc_icmp_answer() (control/icmp.h) builds the
 *                      message and sends it
 *
 * Thread-safety: any thread, no locks. */

#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct flow;
struct vnetenc_path_key;

enum {
    VNETENC_PMTU_HEAD_BYTES = 1280, /* Of a packet, at most. */
    VNETENC_PMTU_MAX_TAGS = 2,
};

/* The event that is posted, which the head of the inner frame follows. */
struct vnetenc_pmtu_note {
    uint32_t in_port;           /* The datapath's number. */
    struct eth_addr src, dst;   /* As the packet came in. */
    ovs_be16 tags[VNETENC_PMTU_MAX_TAGS][2];    /* TPID and TCI, or 0. */
    uint16_t max_frame;         /* Bytes of the longest possible frame. */
    uint16_t tunnel_size;       /* Kernel datapath: bytes of the tunnel header
                                 * in front of the frame. */
};

/* Reports the frame of 'size' bytes at 'frame', which a guest sent and which
 * arrived with 'flow'.  Reports nothing if 'flow' is NULL, that is, unknown.
 * A frame of up to 'max_frame' bytes would have passed.  Reports over the rate
 * of a port, VNETENC_PMTU_PER_SECOND, or of all ports,
 * VNETENC_PMTU_ALL_PER_SECOND, are lost. */
void vnetenc_pmtu_report(const struct vnetenc_path_key *, const struct flow *,
                         const void *frame, size_t size, size_t max_frame);

/* Does the same for the frame that 'note' describes.  The 'size' bytes at
 * 'data' begin with its tunnel header, if it has one.  Senders with the same
 * 'bucket' share a rate. */
void vnetenc_pmtu_post(const struct vnetenc_path_key *,
                       const struct vnetenc_pmtu_note *, uint32_t bucket,
                       const void *data, size_t size);

#endif /* vnetenc/packet/pmtu.h */
