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
 * One per local IP and DTLS port.  Takes datagrams that belong to no
 * handshake and answers a ClientHello with a HelloVerifyRequest or, if it
 * brings back a good cookie, with a new handshake.  Keeps nothing but the
 * keys of its cookies.
 *
 * The caller has dropped datagrams from addresses without a peer row and over
 * their rate long before (section 2 of PROTOCOL.md), keeps the count of
 * half-open handshakes, and gives a ClientHello on the 4-tuple of a live
 * session to the listener, never to that session's handshake, unless
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

/* 'lookup' is copied; what it refers to must outlive the listener and its
 * handshakes.  NULL if there is no randomness to be had. */
struct vnetenc_listener *vnetenc_listener_create(
    const struct vnetenc_lookup *lookup, const struct in6_addr *local_ip,
    ovs_be16 local_port, long long int now_ms);

/* Frees the listener and cleanses its keys.  Its handshakes go on. */
void vnetenc_listener_destroy(struct vnetenc_listener *);

enum vnetenc_listener_result {
    VNETENC_LISTENER_REPLY,     /* '*reply' goes back to the client. */
    VNETENC_LISTENER_HANDSHAKE, /* '*handshake' is new.  Send its output. */
    VNETENC_LISTENER_FULL,      /* Good cookie, but 'admit' was false. */
    VNETENC_LISTENER_FRAGMENT,  /* Fragmented ClientHello. */
    VNETENC_LISTENER_IGNORED,   /* Anything else. */
};

/* Takes one datagram.  'admit' says whether there is room for one more
 * half-open handshake with this client.  '*reply' and '*handshake' are NULL
 * except as said above; they become the caller's. */
enum vnetenc_listener_result vnetenc_listener_input(
    struct vnetenc_listener *, const struct in6_addr *client_ip,
    ovs_be16 client_port, const void *data, size_t size, bool admit,
    long long int now_ms, struct ofpbuf **reply,
    struct vnetenc_handshake **handshake);

#endif /* vnetenc/control/listener.h */
