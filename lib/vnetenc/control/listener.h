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

#ifndef VNETENC_LISTENER_H
#define VNETENC_LISTENER_H 1

/* The responder before there is state
 * ===================================
 *
 * There is one listener for each local IP and DTLS port.  It takes datagrams
 * that belong to no handshake, and answers a ClientHello with a
 * HelloVerifyRequest.  If the ClientHello has a good cookie, the caller may
 * let the listener begin a handshake.  The listener keeps nothing but the keys
 * of its cookies.
 *
 * The caller drops datagrams from addresses without a VNetEnc_Peer row
 * (section 2 of PROTOCOL.md), and limits the rate and the number of handshakes
 * that begin.  It passes a ClientHello on the 4-tuple of a live session to the
 * listener and never to that session's handshake, unless
 * vnetenc_handshake_owns_hello().
 *
 * Thread-safety: none.  Control thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include "openvswitch/types.h"

struct ofpbuf;
struct vnetenc_handshake;
struct vnetenc_listener;
struct vnetenc_lookup;

/* Makes a listener.  'lookup' is copied; the objects that it refers to must
 * outlive the listener and its handshakes.  Returns NULL if OpenSSL has no
 * random numbers. */
struct vnetenc_listener *vnetenc_listener_create(
    const struct vnetenc_lookup *lookup, const struct in6_addr *local_ip,
    ovs_be16 local_port, long long int now_ms);

/* Frees the listener and cleanses its keys.  Its handshakes go on. */
void vnetenc_listener_destroy(struct vnetenc_listener *);

enum vnetenc_listener_result {
    VNETENC_LISTENER_REPLY,     /* '*reply' goes back to the client. */
    VNETENC_LISTENER_GOOD,      /* Good cookie: a handshake may begin. */
    VNETENC_LISTENER_FRAGMENT,  /* Fragmented ClientHello. */
    VNETENC_LISTENER_IGNORED,   /* Anything else. */
};

/* Takes one datagram and remembers nothing of it (RFC 6347 section 4.2.1).
 * Sets '*reply', which becomes the caller's, to the answer or to NULL. */
enum vnetenc_listener_result vnetenc_listener_input(
    struct vnetenc_listener *, const struct in6_addr *client_ip,
    ovs_be16 client_port, const void *data, size_t size, long long int now_ms,
    struct ofpbuf **reply);

/* Begins the handshake of a ClientHello that vnetenc_listener_input() found
 * good.  The caller owns the result and sends its output. */
struct vnetenc_handshake *vnetenc_listener_accept(
    const struct vnetenc_listener *, const struct in6_addr *client_ip,
    ovs_be16 client_port, const void *data, size_t size,
    long long int now_ms);

#endif /* vnetenc/control/listener.h */
