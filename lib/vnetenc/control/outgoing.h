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

#ifndef VNETENC_OUTGOING_H
#define VNETENC_OUTGOING_H 1

/* Sessions towards peers
 * ======================
 *
 * This is the initiator's half: the lanes of each path that packets need, and
 * for each lane the session in use, the attempts to make its first or next
 * one, and the sessions that are being ended.
 *
 *     WANT -> attempt -> up -> (rekey or loss: attempt beside it) -> closing
 *
 * Only our own limits and authenticated events end a session: probes that stay
 * unanswered, a sealed alert, a judgement after trust has changed.  A hint
 * makes us probe, nothing else (PROTOCOL.md section 4).
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"
#include "vnetenc/bridge/path.h"

struct vnetenc_lease;
struct vnetenc_peer;
struct vnetenc_session_status;

/* Notes that a packet found no session on 'path'. */
void vnetenc_outgoing_want(const struct vnetenc_path_key *path,
                           long long int now);

/* Returns for how many milliseconds a packet for 'path' may wait for a
 * session: 0 if there will be none. */
unsigned int vnetenc_outgoing_patience(const struct vnetenc_path_key *path);

/* Takes a datagram for the session that has 'lease'. */
void vnetenc_outgoing_input(struct vnetenc_lease *,
                            const struct in6_addr *remote,
                            ovs_be16 remote_port, uint8_t *data, size_t size,
                            long long int now);

/* Runs the timers.  Returns when to call again, at the latest. */
long long int vnetenc_outgoing_run(long long int now);

/* Makes a new session for every lane towards 'peer'.  Returns the number of
 * these lanes. */
unsigned int vnetenc_outgoing_rekey(const struct vnetenc_peer *,
                                    long long int now);

/* Lets attempts begin at once, because 'peer' has just authenticated itself to
 * us. */
void vnetenc_outgoing_peer_is_back(const struct vnetenc_peer *,
                                   long long int now);

/* Ends sessions with peers that are no members of their profile any more, and
 * lets those try at once that are.  Only peers with 'members_changed'. */
void vnetenc_outgoing_follow_members(long long int now);

/* Ends every session whose pins no longer admit it, and, soon, every one whose
 * cipher is no longer allowed.  For control/judge.c. */
void vnetenc_outgoing_judge_pins(long long int now);

/* Ends sessions whose peer is no longer accepted, and replaces sessions whose
 * profile has another certificate of ours or other ciphers, some at each call.
 * Returns true if more may be left.  For control/judge.c. */
bool vnetenc_outgoing_judge(long long int now);

/* Ends all sessions and attempts towards 'peer', or those towards all peers if
 * 'peer' is NULL. */
void vnetenc_outgoing_end(const struct vnetenc_peer *, long long int now);

/* Calls 'cb' for every lane. */
void vnetenc_outgoing_for_each(
    void (*cb)(const struct vnetenc_session_status *, void *aux), void *aux,
    long long int now);

#endif /* vnetenc/control/outgoing.h */
