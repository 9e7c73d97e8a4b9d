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
 * The control thread adds and removes; any thread finds and uses a gate until
 * it next quiesces. */

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

/* Makes and publishes a gate for 'remote', which has none yet.  Control
 * thread. */
struct vnetenc_gate *vnetenc_gate_add(const struct in6_addr *remote);

/* Withdraws a gate, and frees it after a grace period.  Control thread. */
void vnetenc_gate_remove(struct vnetenc_gate *);

/* Returns the gate of 'remote', or NULL if it has none.  Any thread; good
 * until it next quiesces. */
struct vnetenc_gate *vnetenc_gate_find(const struct in6_addr *remote);

/* The following take 'now' in milliseconds of time_msec(), from any thread. */

/* True if one more handshake, whose ClientHello brought a good cookie, is
 * within the peer's rate.  Only who receives what is sent to the peer can use
 * that up. */
bool vnetenc_gate_admit_hello(struct vnetenc_gate *, long long int now);

/* True if one more handshake datagram that came in IP fragments is within the
 * source's rate. */
bool vnetenc_gate_admit_joined(struct vnetenc_gate *, long long int now);

/* True if a WANT may be posted now: one in VNETENC_WANT_INTERVAL_MS. */
bool vnetenc_gate_may_want(struct vnetenc_gate *, long long int now);

/* True if one more packet may wait for a session: VNETENC_HOLD_PER_SECOND, in
 * bursts of VNETENC_HOLD_BURST. */
bool vnetenc_gate_may_hold(struct vnetenc_gate *, long long int now);

/* True if a record of no known session may be reported now: one in
 * VNETENC_HINT_INTERVAL_MS. */
bool vnetenc_gate_may_report(struct vnetenc_gate *, long long int now);

/* Says that the control thread has read all rows once.  Until then, a peer
 * that is not found may yet be one, and nothing is sent to it in clear.
 * Control thread. */
void vnetenc_gates_set_loaded(void);

/* True if all rows were read.  Ask before looking for a gate, not after.  Any
 * thread. */
bool vnetenc_gates_loaded(void);

/* Takes that back, before the peers are removed because the process ends.
 * After that and a grace period, no thread concludes from a missing gate that
 * there is no peer.  Control thread. */
void vnetenc_gates_unset_loaded(void);

#endif /* vnetenc/bridge/gate.h */
