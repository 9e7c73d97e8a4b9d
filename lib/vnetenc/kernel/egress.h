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

#ifndef VNETENC_EGRESS_H
#define VNETENC_EGRESS_H 1

/* Out of the kernel's datapath
 * ============================
 *
 * Workers read the packets that tunnel devices send in N (kernel/netns.h) from
 * a packet socket or from the TAP, a burst at a time:
 *
 *     kernel/virtio     validates a tunnel packet, completes offloads inside
 *     kernel/device     finds the demand by the UDP port
 *     kernel/source     chooses the local address, if the packet names none
 *     here              groups the packets of one path
 *     kernel/transmit   seals and sends them
 *
 * Any other packet in N that arrives here, such as the kernel's own messages
 * to multicast groups, is dropped and counted.
 *
 * Thread-safety: see each function. */

#include <stdbool.h>
#include <stddef.h>
#include "vnetenc/kernel/worker.h"

struct vnetenc_egress;

/* Has the workers read all queues of N.  Workers must run and N must be up.
 * Main thread, once. */
void vnetenc_egress_start(void);

/* Forgets the queues.  Call before the workers are stopped: that frees the
 * readers.  Main thread. */
void vnetenc_egress_stop(void);

/* Returns the source of the packets that workers read: "packet socket", "TAP,
 * super-packets" or "TAP".  NULL if there are no queues.  Main thread. */
const char *vnetenc_egress_way(void);

/* Counts the packets that packet sockets, or the TAP, have lost since the last
 * call as drops.  Main thread. */
void vnetenc_egress_collect(void);

/* Makes a reader of 'fd', a packet socket or else a TAP, with virtio headers
 * of 'header_len' bytes.  The descriptor remains the caller's.  Free the
 * reader with vnetenc_egress_destroy(). */
struct vnetenc_egress *vnetenc_egress_create(int fd, bool packet_socket,
                                             size_t header_len);

/* Has the TAP with queue 'fd' leave checksums and, if possible, segmentation
 * to us.  Sets '*super' to true if packets can be super-packets (Linux 6.17
 * and a long virtio header).  Returns the size of its virtio headers in bytes.
 * Main thread. */
size_t vnetenc_egress_set_tap(int fd, bool *super);

/* Frees a reader, which may be NULL. */
void vnetenc_egress_destroy(struct vnetenc_egress *);

/* Reads one burst and sends it.  This is the run function for
 * vnetenc_worker_add_fd(); its 'aux' is the reader. */
vnetenc_worker_run_func vnetenc_egress_run;

#endif /* vnetenc/kernel/egress.h */
