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
 * The initiator's half: for each path that packets want to take, the lanes;
 * for each lane, the session in use, the attempts to make its first or next
 * one, and the sessions that are being ended.
 *
 *     WANT -> attempt -> up -> (rekey or loss: attempt beside it) -> closing
 *
 * Only what is authenticated ends a session: our own limits and counters,
 * probes that stay unanswered, a judgement by changed pins.  A hint makes us
 * probe, nothing else (PROTOCOL.md section 4).
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

/* A packet found no session on 'path'. */
void vnetenc_outgoing_want(const struct vnetenc_path_key *path,
                           long long int now);

/* A datagram for whoever holds 'lease'. */
void vnetenc_outgoing_input(struct vnetenc_lease *,
                            const struct in6_addr *remote,
                            ovs_be16 remote_port, uint8_t *data, size_t size,
                            long long int now);

/* Timers.  Returns when to call again, at the latest. */
long long int vnetenc_outgoing_run(long long int now);

/* New sessions for every lane towards 'peer' that has one.  Returns their
 * number. */
unsigned int vnetenc_outgoing_rekey(const struct vnetenc_peer *,
                                    long long int now);

/* 'peer' has just authenticated itself to us: attempts need not wait. */
void vnetenc_outgoing_peer_is_back(const struct vnetenc_peer *,
                                   long long int now);

/* Ends every session whose peer would not be accepted any more, and replaces
 * every one whose profile has other credentials now. */
void vnetenc_outgoing_judge(long long int now);

/* Ends everything towards 'peer', or, NULL, everything. */
void vnetenc_outgoing_end(const struct vnetenc_peer *, long long int now);

/* Calls 'cb' for every lane. */
void vnetenc_outgoing_for_each(
    void (*cb)(const struct vnetenc_session_status *, void *aux), void *aux,
    long long int now);

#endif /* vnetenc/control/outgoing.h */
