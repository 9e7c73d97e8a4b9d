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

#ifndef VNETENC_UNDERLAY_H
#define VNETENC_UNDERLAY_H 1

/* Addresses and routes of the underlay
 * ====================================
 *
 * Tunnel packets of the kernel datapath are built in N (kernel/netns.h), but
 * records travel by the host's routes.  This file keeps both in step.  For
 * each peer, it asks the host's routing for the local address of records.
 * Each such address, and each local_ip of a tunnel port, is an address of lo
 * in N.  A peer to which the MTU of the underlay is known has a route in N;
 * the MTU of this route is the largest tunnel packet that fits, and the kernel
 * reports it to guests.
 *
 * If a tunnel port has local_ip=flow, all addresses of the host are local
 * addresses.  There are at most VNETENC_KERNEL_MAX_LOCALS.
 *
 * Thread-safety
 * =============
 *
 * Any thread may call vnetenc_underlay_source().  The others belong to the
 * main thread. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

struct vnetenc_readers_port;

/* Sets the addresses of all 'n' peers, where IPv4 addresses are mapped, and
 * forgets other peers. */
void vnetenc_underlay_set_peers(const struct in6_addr *remotes, size_t n);

/* Follows changes of routes, tunnel ports and MTUs.  Does nothing before N is
 * up.  Call in each iteration of the main loop. */
void vnetenc_underlay_run(void);

/* Makes poll_block() return when vnetenc_underlay_run() has to be called. */
void vnetenc_underlay_wait(void);

/* Stores the local address from which records to 'remote', a peer, are sent.
 * Returns false if it is not a peer or there is no route to it. */
bool vnetenc_underlay_source(const struct in6_addr *remote,
                             struct in6_addr *local);

/* Returns the DTLS ports on which records for the kernel datapath arrive, and
 * stores their number in '*n'.  Each local address has the DTLS port of each
 * tunnel type of which there is a tunnel port.  The array is valid until the
 * next vnetenc_underlay_run(). */
const struct vnetenc_readers_port *vnetenc_underlay_ports(size_t *n);

/* Returns the size of the largest tunnel packet, with its IP header, that fits
 * into an underlay with MTU 'mtu', in two halves if 'split', over IPv6 if
 * 'v6'.  Pure function. */
unsigned int vnetenc_underlay_tunnel_mtu(unsigned int mtu, bool split,
                                         bool v6);

#endif /* vnetenc/kernel/underlay.h */
