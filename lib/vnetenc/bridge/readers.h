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

#ifndef VNETENC_READERS_H
#define VNETENC_READERS_H 1

/* DTLS ports that workers read
 * ============================
 *
 * In the userspace datapath, records never reach a socket.  In the kernel
 * datapath they do: workers read them (kernel/ingress.h) from several sockets
 * with the same address and port, among which the kernel distributes them.
 * The control thread sends from the same port, but its socket must not receive
 * any of them.  The main thread publishes the ports that workers read here,
 * and the control thread adapts its sockets.
 *
 * Thread-safety: vnetenc_readers_set() belongs to the main thread.  Any thread
 * may call the others. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"

/* A DTLS port of this host. */
struct vnetenc_readers_port {
    struct in6_addr local;      /* IPv4 addresses are mapped. */
    ovs_be16 port;
};

/* Publishes that workers read, or will read as soon as they can, the 'n' ports
 * at 'ports' and no others.  Wakes the control thread if that is a change.
 * The array remains the caller's. */
void vnetenc_readers_set(const struct vnetenc_readers_port *ports, size_t n);

/* Returns true if workers read, or will read, 'port' of 'local'. */
bool vnetenc_readers_have(const struct in6_addr *local, ovs_be16 port);

/* Returns a number that changes whenever a result of vnetenc_readers_have()
 * changes. */
uint64_t vnetenc_readers_serial(void);

#endif /* vnetenc/bridge/readers.h */
