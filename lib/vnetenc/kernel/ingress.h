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

#ifndef VNETENC_INGRESS_H
#define VNETENC_INGRESS_H 1

/* From the underlay into the kernel
 * =================================
 *
 * Each worker has a socket of its own for each DTLS port on which records for
 * a kernel datapath arrive.  The kernel distributes datagrams among the
 * workers by four-tuple, so each lane stays with one worker.  A socket is
 * bound to one address, never to all addresses, because others may belong to
 * userspace bridges.
 *
 * A worker receives datagrams, or several that the kernel joined into one
 * message (UDP_GRO), opens each in place with vnetenc_open(), and hands the
 * tunnel packets to the kernel (kernel/coalesce.h, kernel/inject.h).
 * Handshakes and alerts reach the control thread in the same way as in the
 * userspace datapath.
 *
 * Thread-safety: the functions below belong to the main thread. */

#include <stddef.h>
#include "vnetenc/bridge/readers.h"

/* Makes sockets for the 'n' distinct ports at 'ports' and retires those for
 * other ports.  Retries to bind those that failed.  The array remains the
 * caller's.  Call in each iteration of the main loop while workers run. */
void vnetenc_ingress_run(const struct vnetenc_readers_port *ports, size_t n);

/* Makes poll_block() return when vnetenc_ingress_run() has to retry. */
void vnetenc_ingress_wait(void);

/* Retires all sockets.  Call before workers are stopped. */
void vnetenc_ingress_stop(void);

#endif /* vnetenc/kernel/ingress.h */
