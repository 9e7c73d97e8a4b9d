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

#ifndef VNETENC_LANE_H
#define VNETENC_LANE_H 1

/* One lane towards a peer
 * =======================
 *
 * A lane has the session in use, the attempts to make its first or next one,
 * and the sessions that are being ended:
 *
 *     attempt -> up -> (rekey or loss: attempt beside it) -> closing
 *
 * When an attempt begins is decided in control/outgoing.c; what a session does
 * is in control/initiator.h.
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/list.h"

struct vnetenc_initiator;
struct vnetenc_path;
struct vnetenc_peer;
struct vnetenc_session_status;

/* The part that all lanes of a path share. */
struct vnetenc_lane_path {
    struct vnetenc_path *published;
    struct vnetenc_peer *peer;
    unsigned int n_up;              /* Lanes with a session. */
    long long int wanted_at;        /* Newest packet, or loss of all. */
};

struct vnetenc_lane {
    struct vnetenc_lane_path *path; /* Outlives us. */
    unsigned int index;
    struct vnetenc_initiator *up;   /* Published, or NULL. */
    struct ovs_list attempts;
    struct ovs_list closing;
    bool rekey;                 /* A successor is asked for. */
    unsigned int backoff_ms;    /* Newest pause between attempts, or 0. */
    unsigned int n_restarts;    /* Since the newest pause. */
    long long int next_try;
};

/* From 'at' on, packets of mode `prefer` leave in clear, counted as 'reason',
 * an enum vnetenc_drop, unless a lane has a session.  LLONG_MAX for never.
 * PROTOCOL.md section 5. */
void vnetenc_lane_path_allow_clear(struct vnetenc_lane_path *,
                                   unsigned int reason, long long int at);

/* Lane 'index' of 'path', without a session.  'now', here and below, is in
 * monotonic milliseconds. */
void vnetenc_lane_init(struct vnetenc_lane *, struct vnetenc_lane_path *,
                       unsigned int index, long long int now);

/* Ends all sessions and attempts of the lane.  'why' is for the log if the
 * path has no session any more. */
void vnetenc_lane_close(struct vnetenc_lane *, const char *why,
                        long long int now);

/* True if the lane is in need of a session, or of another one. */
bool vnetenc_lane_wants_session(const struct vnetenc_lane *,
                                long long int now);

/* True if another attempt may begin now.  'idle' says that no lane of the
 * path has a session or an attempt.  A lane whose session is due or lost needs
 * no room among the attempts that begin, so that peers which do not answer
 * take nothing from those which do. */
bool vnetenc_lane_may_try(const struct vnetenc_lane *, bool idle,
                          long long int now);

/* Begins an attempt, which may take the place of a doubtful one. */
void vnetenc_lane_attempt(struct vnetenc_lane *, long long int now);

/* A datagram from the peer for 'session', which may end by it, as may others
 * of its lane. */
void vnetenc_lane_input(struct vnetenc_initiator *session, uint8_t *data,
                        size_t size, long long int now);

/* Timers of attempts, of what closes, and of the session in use. */
void vnetenc_lane_run(struct vnetenc_lane *, long long int now);

/* When to call vnetenc_lane_run() again, at the latest. */
long long int vnetenc_lane_wake(const struct vnetenc_lane *,
                                long long int now);

/* Lets the lane try at once, because its peer was heard of, and, if 'rekey',
 * replace its session.  Attempts without hope make room; the pause after the
 * next failure does not become shorter by it, except for a 'rekey'. */
void vnetenc_lane_hurry(struct vnetenc_lane *, bool rekey, long long int now);

/* Ends sessions whose peer would not be accepted any more; has one replaced
 * whose profile has other credentials now. */
void vnetenc_lane_judge(struct vnetenc_lane *, long long int now);

/* Fills in the status, but for the counters of the path.  Its pointers are
 * into the lane. */
void vnetenc_lane_status(const struct vnetenc_lane *,
                         struct vnetenc_session_status *, long long int now);

#endif /* vnetenc/control/lane.h */
