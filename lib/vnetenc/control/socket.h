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

#ifndef VNETENC_SOCKET_H
#define VNETENC_SOCKET_H 1

/* Kernel UDP sockets
 * ==================
 *
 * Handshakes and control messages pass through ordinary sockets bound to the
 * tunnel's local address (PROTOCOL.md section 1):
 *
 *   - One responder socket per local address and DTLS port sends all answers
 *     of the responder.  It receives only datagrams that the datapath does not
 *     pop (IP fragments, which the kernel joins), or nothing if workers read
 *     the port (bridge/readers.h).
 *
 *   - All peers share a pool of lane sockets per local address and mark,
 *     because the source of a datagram tells the peers apart.  A session
 *     leases a socket that its peer has not used for VNETENC_PORT_REUSE_MS, if
 *     there is one.  A socket that no peer has used for that time is closed.
 *
 * What is sent to a peer has the mark of the tunnel port (bridge/marks.h).  A
 * lane socket has one mark for ever, because workers send through it as well.
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct vnetenc_socket;
struct vnetenc_lease;

/* Takes a datagram that arrived at a responder socket ('lease' is NULL) or for
 * the session that has the lease. */
typedef void vnetenc_socket_cb(struct vnetenc_socket *,
                               struct vnetenc_lease *,
                               const struct in6_addr *remote,
                               ovs_be16 remote_port,
                               uint8_t *data, size_t size,
                               long long int now);

/* Returns the responder socket, and makes it if there is none.  Returns NULL
 * and sets '*error', to be freed, if the socket cannot be bound, for example
 * because 'local' is not, or not yet, an address of this host. */
struct vnetenc_socket *vnetenc_socket_responder(const struct in6_addr *local,
                                                ovs_be16 dtls_port,
                                                char **error);

/* Returns the address to which the socket is bound. */
const struct in6_addr *vnetenc_socket_local(const struct vnetenc_socket *);

/* Returns the UDP port to which the socket is bound. */
ovs_be16 vnetenc_socket_port(const struct vnetenc_socket *);

/* Leases a lane socket that marks what it sends by 'mark', for a session of
 * 'owner' with 'remote'.  Returns NULL and sets '*error', to be freed, if no
 * socket is free. */
struct vnetenc_lease *vnetenc_socket_lease(const struct in6_addr *local,
                                           const struct in6_addr *remote,
                                           uint32_t mark, void *owner,
                                           long long int now, char **error);

/* Returns the socket to the pool.  A session with another peer may lease it at
 * once, one with the same peer after VNETENC_PORT_REUSE_MS, or earlier if no
 * other socket is free. */
void vnetenc_socket_return(struct vnetenc_lease *, long long int now);

/* Returns the socket of a lease, which is valid until the lease is
 * returned. */
struct vnetenc_socket *vnetenc_socket_of_lease(const struct vnetenc_lease *);

/* Returns the 'owner' that vnetenc_socket_lease() was given. */
void *vnetenc_socket_lease_owner(const struct vnetenc_lease *);

/* Returns another descriptor of the socket of a lease, for records, or -1.
 * The caller closes it.  Enlarges the send buffer of the socket. */
int vnetenc_socket_dup(const struct vnetenc_lease *);

/* Returns the newest errno value that the kernel reported for a datagram to
 * the peer since vnetenc_socket_lease(), or 0.  Anybody can forge the ICMP
 * message that may be behind it. */
int vnetenc_socket_lease_error(const struct vnetenc_lease *);

/* Sends a datagram.  Returns 0, or the positive errno value for which the
 * kernel refuses it.  The network may lose it all the same. */
int vnetenc_socket_send(struct vnetenc_socket *,
                        const struct in6_addr *remote, ovs_be16 port,
                        const void *data, size_t size);

/* Returns false if no interface of this host has the address 'local'. */
bool vnetenc_socket_is_local(const struct in6_addr *local);

/* Receives from all sockets, a bounded number of datagrams from each. */
void vnetenc_sockets_run(vnetenc_socket_cb *, long long int now);

/* Closes lane sockets that no peer has used for VNETENC_PORT_REUSE_MS, for
 * instance because their address or their mark is used no more.  No message
 * that is due may wait for them (control/post.h). */
void vnetenc_sockets_close_unused(long long int now);

/* Makes poll_block() return when a socket has a datagram. */
void vnetenc_sockets_wait(void);

/* Closes all sockets.  No session may have a lease any more. */
void vnetenc_sockets_destroy(void);

#endif /* vnetenc/control/socket.h */
