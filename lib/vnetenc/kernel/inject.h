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

#ifndef VNETENC_INJECT_H
#define VNETENC_INJECT_H 1

/* Into the kernel
 * ===============
 *
 * Packets that workers opened are written to the TAP device of N
 * (kernel/netns.h), as UDP from the peer to the port of the device for
 * arrivals.  During a write the kernel takes the packet up to the guest, so
 * few large writes are better than many.  These are the ways, the best one
 * first; the first that the kernel supports is used:
 *
 *   tso     Linux 6.17.  Inner TCP as one super-packet, whose virtio header
 *           says where the tunnel's headers end; the rest as by "uso".
 *   uso     Linux 6.2.  Equal tunnel packets as one UDP super-packet.
 *   napi    Linux 5.12.  Each packet by itself; a thread of the kernel then
 *           delivers it.
 *   write   Each packet by itself.
 *
 * Thread-safety
 * =============
 *
 * vnetenc_inject_choose() belongs to the main thread.  A "struct
 * vnetenc_inject" belongs to one worker.  Any thread may call the others. */

#include <stdbool.h>
#include <stdint.h>
#include "packets.h"
#include "vnetenc/kernel/coalesce.h"

/* NAME, text. */
#define VNETENC_INJECT_WAYS                                                 \
    VNETENC_INJECT_WAY(write, "packet by packet")                           \
    VNETENC_INJECT_WAY(napi, "packet by packet, to a thread of the kernel") \
    VNETENC_INJECT_WAY(uso, "equal packets as one")                         \
    VNETENC_INJECT_WAY(tso, "TCP segments, or equal packets, as one")

enum vnetenc_inject_way {
#define VNETENC_INJECT_WAY(NAME, TEXT) VNETENC_INJECT_##NAME,
    VNETENC_INJECT_WAYS
#undef VNETENC_INJECT_WAY
    VNETENC_INJECT_N_WAYS
};

/* Size of the virtio header of the TAP device, in both directions, after
 * vnetenc_inject_choose(): "struct virtio_net_hdr" and either zeros or offsets
 * of tunnel headers. */
enum { VNETENC_INJECT_VIRTIO_BYTES = 24 };

/* Chooses the way with the name 'wanted'.  If 'wanted' is NULL, "auto",
 * unknown or not supported by the kernel, chooses the best way; logs the
 * reason in the last two cases.  The first call sets up the TAP device with
 * queue 'tap_fd' and clears its offloads (TUNSETOFFLOAD): kernel/egress sets
 * those that it needs afterwards.  Later calls may be made while workers
 * write. */
void vnetenc_inject_choose(int tap_fd, const char *wanted);

/* Returns the way chosen. */
enum vnetenc_inject_way vnetenc_inject_way(void);

/* Returns the name of a way, as used in other_config:vnetenc-kernel-inject. */
const char *vnetenc_inject_way_name(enum vnetenc_inject_way);

/* The way into the kernel of one worker. */
struct vnetenc_inject {
    int fd;                     /* Queue of the TAP. */
    unsigned int n_writes;      /* For the worker to count. */
    uint8_t head[VNETENC_INJECT_VIRTIO_BYTES + ETH_HEADER_LEN
                 + IPV6_HEADER_LEN + UDP_HEADER_LEN];
};

/* Prepares for writes to 'tap_fd'. */
void vnetenc_inject_init(struct vnetenc_inject *, int tap_fd);

/* Writes the packets of 'run', whose memory is the caller's again afterwards.
 * Packets that the kernel refuses are counted as dropped. */
void vnetenc_inject_run(struct vnetenc_inject *,
                        struct vnetenc_coalesce_run *run);

/* Writes the tunnel packet of 'size' bytes at 'data', which begins with the
 * Geneve or VXLAN header.  Any thread, once vnetenc_inject_choose() was
 * called. */
void vnetenc_inject_packet(const struct vnetenc_coalesce_outer *, void *data,
                           size_t size);

#endif /* vnetenc/kernel/inject.h */
