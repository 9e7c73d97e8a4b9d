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
 * control/outgoing.c decides when an attempt begins; control/initiator.h says
 * what a session does.
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/list.h"
#include "vnetenc/trust/peer.h"

struct vnetenc_initiator;
struct vnetenc_path;
struct vnetenc_peer;
struct vnetenc_session_status;

/* The part that all lanes of a path share. */
struct vnetenc_lane_path {
    struct vnetenc_path *published;
    struct vnetenc_peer *peer;
    unsigned int n_up;              /* Lanes with a session. */
    unsigned int answered_ms;       /* Round trip of an attempt, or 0. */
    long long int grace_from;       /* Of vnetenc_lane_path_allow_clear(). */
    unsigned int grace_ms;          /* Likewise. */
    long long int wanted_at;        /* Newest packet, or loss of all. */
    long long int usable_at;        /* Newest time with a session that is not
                                     * lost, or when the path began. */
};

struct vnetenc_lane {
    struct vnetenc_lane_path *path; /* Outlives this. */
    unsigned int index;
    struct vnetenc_initiator *up;   /* Published, or NULL. */
    struct ovs_list attempts;
    struct ovs_list closing;
    bool rekey;                 /* A successor was requested. */
    unsigned int backoff_ms;    /* Newest pause between attempts, or 0. */
    long long int unrecognized_at;  /* Since when the peer says so; 0: no. */
    unsigned int n_restarts;    /* Since the newest pause. */
    struct vnetenc_peer_version judged;     /* By which all are accepted. */
    uint32_t mark;              /* Of attempts. */
    struct vnetenc_peer_lane_error error;
    long long int next_try;
};

/* Lets packets of mode `prefer` leave in clear 'grace_ms' after 'from', or
 * later where handshakes take longer, unless a lane has a session (PROTOCOL.md
 * section 5).  They are counted as 'reason', an enum vnetenc_drop.  If 'from'
 * is LLONG_MAX, none leaves in clear. */
void vnetenc_lane_path_allow_clear(struct vnetenc_lane_path *,
                                   unsigned int reason, long long int from,
                                   unsigned int grace_ms);

/* Returns how many milliseconds the path may need for a session, by the round
 * trip that was measured, and 'least_ms' at least. */
unsigned int vnetenc_lane_path_patience(const struct vnetenc_lane_path *,
                                        unsigned int least_ms);

/* Initializes lane 'index' of 'path' without a session.  'now', here and
 * below, is in monotonic milliseconds. */
void vnetenc_lane_init(struct vnetenc_lane *, struct vnetenc_lane_path *,
                       unsigned int index, long long int now);

/* Ends all sessions and attempts of the lane.  Logs 'why' if the path has no
 * session left. */
void vnetenc_lane_close(struct vnetenc_lane *, const char *why,
                        long long int now);

/* Returns true if the lane needs a first or another session. */
bool vnetenc_lane_wants_session(const struct vnetenc_lane *,
                                long long int now);

/* Returns true if another attempt may begin now.  'idle' says that no lane of
 * the path has a session or an attempt.  A lane that has a session, even a
 * lost one, needs no room among the handshakes that begin, so that peers that
 * do not answer take nothing from those that do. */
bool vnetenc_lane_may_try(const struct vnetenc_lane *, bool idle,
                          long long int now);

/* Begins an attempt, which may take the place of a doubtful one. */
void vnetenc_lane_attempt(struct vnetenc_lane *, long long int now);

/* Takes a datagram from the peer for 'session'.  It may end 'session' and
 * others of the same lane. */
void vnetenc_lane_input(struct vnetenc_initiator *session, uint8_t *data,
                        size_t size, long long int now);

/* Returns true if the lane has a session that is not lost. */
bool vnetenc_lane_is_usable(const struct vnetenc_lane *);

/* Runs the timers of attempts, of closing sessions, and of the session in
 * use. */
void vnetenc_lane_run(struct vnetenc_lane *, long long int now);

/* Returns when to call vnetenc_lane_run() again, at the latest. */
long long int vnetenc_lane_wake(const struct vnetenc_lane *,
                                long long int now);

/* Lets the lane try at once because its peer showed that it is alive, and
 * replace its session if 'rekey'.  Doubtful attempts, and those without an
 * answer for VNETENC_RETRY_MS, end.  Only a 'rekey' resets the pause after the
 * next failure. */
void vnetenc_lane_hurry(struct vnetenc_lane *, bool rekey, long long int now);

/* Ends the sessions and attempts of the lane if the peer is no 'member' of the
 * profile any more; otherwise lets the lane try at once. */
void vnetenc_lane_follow_member(struct vnetenc_lane *, bool member,
                                long long int now);

/* Returns true if the judgement of the lane's sessions may have changed. */
bool vnetenc_lane_is_due(const struct vnetenc_lane *);

/* Ends sessions whose pins no longer admit them, and, soon, one whose cipher
 * is no longer allowed: that takes next to no time. */
void vnetenc_lane_judge_pins(struct vnetenc_lane *, long long int now);

/* Ends sessions whose peer is no longer accepted.  Has a session replaced if
 * our own certificate or the ciphers of its profile have changed.  Returns
 * true in the latter case. */
bool vnetenc_lane_judge(struct vnetenc_lane *, long long int now);

/* Fills in the status except the counters of the path.  The pointers in it are
 * into the lane. */
void vnetenc_lane_status(const struct vnetenc_lane *,
                         struct vnetenc_session_status *, long long int now);

#endif /* vnetenc/control/lane.h */
