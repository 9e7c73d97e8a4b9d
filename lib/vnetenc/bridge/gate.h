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

#ifndef VNETENC_GATE_H
#define VNETENC_GATE_H 1

/* Gates: peers as the packet path knows them
 * ==========================================
 *
 * There is one gate for each address of a VNetEnc_Peer row.  It says how often
 * the packet path may ask for a session with that peer, and how many
 * handshakes may begin in the peer's name.  Everything else about a peer
 * belongs to the control thread (trust/peer.h).
 *
 * Thread-safety
 * =============
 *
 * The control thread adds and removes gates.  Any thread may find a gate and
 * use it until the thread next quiesces. */

#include <netinet/in.h>
#include "cmap.h"
#include "vnetenc/bridge/rate.h"

struct vnetenc_gate {
    struct cmap_node node;
    struct in6_addr remote;     /* IPv4 addresses are mapped. */

    /* Any thread. */
    struct vnetenc_rate want;       /* WANT events. */
    struct vnetenc_rate hold;       /* HELD events. */
    struct vnetenc_rate report;     /* UNKNOWN events. */
    struct vnetenc_rate hello;      /* ClientHellos with a good cookie. */
    struct vnetenc_rate joined;     /* Datagrams that the kernel joined. */
};

/* Makes and publishes a gate for 'remote', which must not have one.  Control
 * thread. */
struct vnetenc_gate *vnetenc_gate_add(const struct in6_addr *remote);

/* Withdraws a gate and frees it after a grace period.  Control thread. */
void vnetenc_gate_remove(struct vnetenc_gate *);

/* Returns the gate of 'remote', or NULL if it has none.  Any thread, which may
 * use the gate until it next quiesces. */
struct vnetenc_gate *vnetenc_gate_find(const struct in6_addr *remote);

/* Any thread may call the following functions.  'now' is time_msec(). */

/* True if one more handshake is within the peer's rate.  The ClientHello of
 * the handshake must have had a valid cookie, so only a host that receives the
 * packets sent to the peer can use up this rate. */
bool vnetenc_gate_admit_hello(struct vnetenc_gate *, long long int now);

/* True if one more handshake datagram that came in IP fragments is within the
 * source's rate. */
bool vnetenc_gate_admit_joined(struct vnetenc_gate *, long long int now);

/* True if a WANT may be posted now: one each VNETENC_WANT_INTERVAL_MS. */
bool vnetenc_gate_may_want(struct vnetenc_gate *, long long int now);

/* True if one more packet may wait for a session: VNETENC_HOLD_PER_SECOND, in
 * bursts of up to VNETENC_HOLD_BURST. */
bool vnetenc_gate_may_hold(struct vnetenc_gate *, long long int now);

/* True if a record of no known session may be reported now: one each
 * VNETENC_HINT_INTERVAL_MS. */
bool vnetenc_gate_may_report(struct vnetenc_gate *, long long int now);

/* Call when the control thread has read all VNetEnc_Peer rows once.  Before
 * that, an address without a gate may still be that of a peer, and no packet
 * with a demand leaves to it in clear.  Control thread. */
void vnetenc_gates_set_loaded(void);

/* True if all rows have been read.  Call before vnetenc_gate_find(), not
 * after, because the rows may be read between the two calls.  Any thread. */
bool vnetenc_gates_loaded(void);

/* Undoes vnetenc_gates_set_loaded().  Call when the control thread has ended,
 * before the gates are removed, and wait for a grace period: after that, no
 * thread takes a missing gate for a missing row.  Main thread. */
void vnetenc_gates_unset_loaded(void);

#endif /* vnetenc/bridge/gate.h */
