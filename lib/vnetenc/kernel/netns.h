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

#ifndef VNETENC_NETNS_H
#define VNETENC_NETNS_H 1

/* The private network namespace
 * =============================
 *
 * N is a network namespace without a name that only ovs-vswitchd holds,
 * through a descriptor.  Our tunnel devices are ports of the kernel datapath,
 * but their sockets and routes are in N.  A process that can put packets into
 * N could have them sealed or pass them off as arrivals.  But entering N takes
 * CAP_SYS_ADMIN, and the host's routes, rules and sockets do not apply there.
 * CAP_NET_ADMIN in the host's namespace is enough to put a device into N,
 * because link-netnsid of our tunnel devices tells a number of N, but also to
 * do the same harm with the kernel datapath alone.  N has only these devices:
 *
 *   lo         with the local addresses of tunnels, and the addresses below
 *              that stand for no source;
 *   vnetenc0   a TAP device, through which opened packets enter the kernel;
 *   vnetenc1   a dummy device, to which the default route leads, and from
 *              which packet sockets read the packets to be sealed.  If the
 *              kernel has no dummy devices, they leave through the TAP.
 *
 * The namespace, the TAP and all descriptors are made before ovs-vswitchd
 * drops root, because making them takes CAP_SYS_ADMIN.  This must be cheap,
 * because the database is not known yet, and with it whether N will be used.
 * The rest, which takes CAP_NET_ADMIN, is made when a kernel datapath is
 * opened.  With --monitor, the monitor process holds N as well, so N outlives
 * a crash of its child.
 *
 * Thread-safety
 * =============
 *
 * vnetenc_netns_open(), _up(), _tap_drops() and _set_...() belong to the main
 * thread.  Any thread may call the others.  Descriptors never change and are
 * never closed. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* Names of the devices in N. */
#define VNETENC_NETNS_TAP "vnetenc0"
#define VNETENC_NETNS_DUMMY "vnetenc1"

/* Ethernet address of the TAP, to which frames written to it must go. */
#define VNETENC_NETNS_MAC 0x02, 0x00, 0x76, 0x6e, 0x65, 0x63

/* Source addresses of tunnel packets whose flow names no source: dummy
 * addresses of RFC 7600 and RFC 6666. */
#define VNETENC_NETNS_NO_SOURCE4 "192.0.0.8"
#define VNETENC_NETNS_NO_SOURCE6 "100::8"

/* Makes N, the TAP and all descriptors.  Must be called once, before
 * daemonize_start() and before there is a second thread. */
void vnetenc_netns_open(void);

/* Makes the rest of N and discards the packets in its queues.  Returns true if
 * N is up; otherwise logs the reason.  Later calls only return the result of
 * the first. */
bool vnetenc_netns_up(void);

/* Returns NULL if N is up, otherwise the reason why it is not. */
const char *vnetenc_netns_error(void);

/* Returns the number of queues of the TAP, which is also that of packet
 * sockets, at least 1 if N is up.  The kernel spreads packets over all queues,
 * so each needs a worker; a worker may have several. */
unsigned int vnetenc_netns_n_queues(void);

/* Returns the descriptor of N, -1 if there is none. */
int vnetenc_netns_fd(void);

/* Returns the descriptor of queue 'queue' of the TAP: IFF_VNET_HDR, IFF_NAPI,
 * nonblocking.  The virtio header has 10 bytes until TUNSETVNETHDRSZ changes
 * its size for the whole device. */
int vnetenc_netns_tap_fd(unsigned int queue);

/* Returns packet socket 'queue' on the dummy device: SOCK_RAW,
 * PACKET_VNET_HDR, PACKET_FANOUT_HASH, nonblocking.  Returns -1 if packets
 * leave through the TAP. */
int vnetenc_netns_out_fd(unsigned int queue);

/* Returns the descriptor of a raw socket of N, nonblocking, that receives the
 * messages of ICMP or ICMPv6.  Returns -1 if there is none. */
int vnetenc_netns_icmp_fd(bool ipv6);

/* Switches threaded NAPI of the TAP on or off.  Returns 0, or a positive errno
 * value: EOPNOTSUPP if the kernel is too old. */
int vnetenc_netns_set_threaded(bool);

/* Stores the number of packets that the TAP has lost because its queues were
 * full.  Returns false if rtnetlink of N does not answer. */
bool vnetenc_netns_tap_drops(uint64_t *drops);

/* Adds an address to lo or deletes it; IPv4 addresses are mapped.  Returns 0,
 * also if there is nothing to change, or a positive errno value. */
int vnetenc_netns_set_address(const struct in6_addr *, bool add);

/* Adds a route to 'remote' with the MTU 'mtu', through the device of the
 * default route, or changes its MTU.  If 'mtu' is 0, deletes the route.
 * Returns 0 or a positive errno value. */
int vnetenc_netns_set_route(const struct in6_addr *remote, unsigned int mtu);

#endif /* vnetenc/kernel/netns.h */
