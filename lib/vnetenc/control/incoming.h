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

#ifndef VNETENC_INCOMING_H
#define VNETENC_INCOMING_H 1

/* Sessions from peers
 * ===================
 *
 * This is the responder's half: the listeners, the handshakes that peers
 * begin, and the sessions that result from them.  The 4-tuple (local address,
 * DTLS port, remote address, lane port) identifies each.
 *
 *     ClientHello -> listener -> half-open -> up -> forgotten
 *
 * The receive key is published before the last flight leaves, so that even the
 * first record finds its session.  The send key, for replies, seals nothing
 * before libssl's object is gone (PROTOCOL.md section 3).
 *
 * A ClientHello on the 4-tuple of a session that is up begins another session
 * beside it, which replaces the first when it is up itself (RFC 6347 section
 * 4.2.8).  Nothing unauthenticated ends a session.
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"
#include "vnetenc/bridge/path.h"

struct vnetenc_peer;
struct vnetenc_session_status;

/* Takes a datagram that begins like a ClientHello, from 'remote_port' to the
 * DTLS port of 'path', which has waited since 'arrived_at'.  The profile of
 * 'path' is not known.  Returns true if it began a handshake. */
bool vnetenc_incoming_hello(const struct vnetenc_path_key *path,
                            ovs_be16 remote_port, const uint8_t *data,
                            size_t size, long long int arrived_at,
                            long long int now);

/* Takes any datagram of record type 20, 21 or 22, from 'remote_port' to the
 * DTLS port of 'path'. */
void vnetenc_incoming_input(const struct vnetenc_path_key *path,
                            ovs_be16 remote_port, uint8_t *data, size_t size,
                            long long int now);

/* Answers an authenticated probe with 'echo' on a session of 'path'. */
void vnetenc_incoming_probe(const struct vnetenc_path_key *path,
                            ovs_be16 remote_port, uint64_t echo,
                            long long int now);

/* Sends a hint to 'remote_port', from which a record came that belongs to no
 * known session. */
void vnetenc_incoming_unknown(const struct vnetenc_path_key *path,
                              ovs_be16 remote_port);

/* Runs the timers.  Returns when to call again, at the latest. */
long long int vnetenc_incoming_run(long long int now);

/* Ends sessions of peers that are no members of their profile any more.  Only
 * peers with 'members_changed'. */
void vnetenc_incoming_follow_members(long long int now);

/* Ends every session whose pins no longer admit it, and, soon, every one whose
 * cipher is no longer allowed.  For control/judge.c. */
void vnetenc_incoming_judge_pins(long long int now);

/* Ends sessions whose peer is no longer accepted, some at each call.  Returns
 * true if more may be left.  For control/judge.c. */
bool vnetenc_incoming_judge(long long int now);

/* Ends all sessions and handshakes from 'peer', or those from all peers if
 * 'peer' is NULL. */
void vnetenc_incoming_end(const struct vnetenc_peer *);

/* Calls 'cb' for every session, half-open ones included. */
void vnetenc_incoming_for_each(
    void (*cb)(const struct vnetenc_session_status *, void *aux), void *aux,
    long long int now);

#endif /* vnetenc/control/incoming.h */
