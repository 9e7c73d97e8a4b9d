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

#include <config.h>
#include "vnetenc/control/incoming.h"
#include <limits.h>
#include "openvswitch/hmap.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/bridge/rx.h"
#include "vnetenc/control/announce.h"
#include "vnetenc/control/door.h"
#include "vnetenc/control/handshake.h"
#include "vnetenc/control/hello.h"
#include "vnetenc/control/incoming-table.h"
#include "vnetenc/control/listener.h"
#include "vnetenc/control/outgoing.h"
#include "vnetenc/control/responder.h"
#include "vnetenc/control/session-status.h"
#include "vnetenc/trust/failures.h"
#include "vnetenc/trust/trust.h"

/* From half-open to up. */

/* Ends the session that was silent for the longest time if the path of
 * 'newest' has more than VNETENC_MAX_RX_SESSIONS sessions. */
static void
trim_sessions(const struct vnetenc_responder *newest)
{
    struct vnetenc_incoming *in, *idlest = NULL;
    size_t n = 0;

    HMAP_FOR_EACH (in, node, vnetenc_incoming_table()) {
        if (in->up && vnetenc_path_equals(&in->up->path, &newest->path)) {
            n++;
            if (in->up != newest
                && (!idlest || in->up->heard_at < idlest->up->heard_at)) {
                idlest = in;
            }
        }
    }
    if (n > VNETENC_MAX_RX_SESSIONS) {
        vnetenc_incoming_table_drop(idlest, idlest->up);
    }
}

/* Publishes the half-open session of 'in', whose handshake is DONE, and ends
 * the session that was up in the same step.  Returns false if the session
 * cannot be published. */
static bool
incoming_establish(struct vnetenc_incoming *in, long long int now)
{
    struct vnetenc_responder *session = in->half_open;
    struct vnetenc_responder *old = in->up;

    if (!vnetenc_responder_establish(session, now)) {
        return false;
    }
    in->half_open = NULL;
    in->up = session;
    vnetenc_responder_publish(session);
    if (old) {
        vnetenc_responder_destroy(old);
    }
    trim_sessions(session);
    session->peer->n_handshakes++;
    vnetenc_outgoing_peer_is_back(session->peer, now);
    vnetenc_peer_has_shaken(session->peer, now);
    vnetenc_announce();
    return true;
}

/* Sends output of the handshake of 'session', one of those of 'in', and
 * publishes or drops the session if the state of the handshake says so.  May
 * destroy both. */
static void
incoming_settle(struct vnetenc_incoming *in, struct vnetenc_responder *session,
                long long int now)
{
    char *reason = NULL;

    switch (vnetenc_handshake_state(session->handshake)) {
    case VNETENC_HANDSHAKE_RUNNING:
        vnetenc_responder_flush(session, now);
        return;

    case VNETENC_HANDSHAKE_DONE:
        if (session == in->half_open && !incoming_establish(in, now)) {
            reason = vnetenc_failure_text(VNETENC_FAILURE_internal,
                                          "cannot set up the cipher");
            break;
        }
        vnetenc_responder_flush(session, now);
        return;

    case VNETENC_HANDSHAKE_FAILED:
        vnetenc_responder_flush(session, now);
        reason = xstrdup(vnetenc_handshake_reason(session->handshake));
        vnetenc_responder_note_refusal(session);
        break;
    }
    vnetenc_responder_failed(session, reason, now);
    free(reason);
    vnetenc_incoming_table_drop(in, session);
}

/* Handshakes. */

/* Returns true if the handshake of 'half_open' began so long ago that it may
 * be stuck. */
static bool
is_old(const struct vnetenc_responder *half_open, long long int now)
{
    return now >= half_open->since + vnetenc_rtt_timeout(
        &half_open->peer->rtt, VNETENC_STUCK_MS);
}

/* Returns the oldest handshake that may be stuck and may end for another one
 * of 'peer', or NULL: one of 'peer', or of any peer if 'peer' has not reached
 * its own limit. */
static struct vnetenc_incoming *
find_stuck(const struct vnetenc_peer *peer, long long int now)
{
    struct vnetenc_incoming *in, *stuck = NULL;

    HMAP_FOR_EACH (in, node, vnetenc_incoming_table()) {
        if (in->half_open
            && (in->half_open->peer == peer
                || peer->n_half_open < VNETENC_MAX_HALF_OPEN_PEER)
            && is_old(in->half_open, now)
            && (!stuck || in->half_open->since < stuck->half_open->since)) {
            stuck = in;
        }
    }
    return stuck;
}

/* Returns true if a handshake of 'peer' may begin on the 4-tuple of
 * 'half_open', which may be NULL.  Stores a handshake that has to end for it,
 * or NULL, in '*stuck'.  An attacker who sees a cookie can send a ClientHello
 * with it, which must not end a handshake that has just begun. */
static bool
may_begin(const struct vnetenc_peer *peer,
          const struct vnetenc_responder *half_open, long long int now,
          struct vnetenc_incoming **stuck)
{
    bool full = (peer->n_half_open >= VNETENC_MAX_HALF_OPEN_PEER
                 || vnetenc_responder_n_half_open() >= VNETENC_MAX_HALF_OPEN);

    *stuck = !half_open && full ? find_stuck(peer, now) : NULL;
    return half_open ? is_old(half_open, now) : *stuck || !full;
}

/* Lets 'handshake' begin.  A client has one handshake at a time on a port, so
 * a half-open one on the same 4-tuple is dead: may_begin() has made sure that
 * it is not a young one. */
static void
begin(const struct vnetenc_path_key *path, ovs_be16 lane_port,
      struct vnetenc_peer *peer, struct vnetenc_door *door,
      struct vnetenc_handshake *handshake, long long int now)
{
    struct vnetenc_incoming *in = vnetenc_incoming_table_find(path, lane_port);

    if (!in) {
        in = vnetenc_incoming_table_add(path, lane_port);
    } else if (in->half_open) {
        vnetenc_responder_destroy(in->half_open);
    }
    in->half_open = vnetenc_responder_create(path, lane_port, peer,
                                             door->socket, handshake, now);
    incoming_settle(in, in->half_open, now);
}

/* Takes a ClientHello of no known handshake, which begins one if it has a good
 * cookie and there is room.  Returns true if one began. */
static bool
input_new_hello(const struct vnetenc_path_key *path, ovs_be16 remote_port,
                struct vnetenc_peer *peer,
                const struct vnetenc_responder *half_open,
                const uint8_t *data, size_t size, long long int now)
{
    struct vnetenc_door *door = vnetenc_door_get(path, peer, now);
    struct vnetenc_incoming *stuck;

    if (!door || !vnetenc_door_input(door, path, remote_port, data, size,
                                     now)) {
        return false;
    }
    if (!may_begin(peer, half_open, now, &stuck)) {
        vnetenc_drop_count(VNETENC_DROP_ctl_half_open, 1);
        return false;
    }
    if (!vnetenc_gate_admit_hello(peer->gate, now)) {
        vnetenc_drop_count(VNETENC_DROP_ctl_hello_rate, 1);
        return false;
    }
    if (stuck) {
        vnetenc_incoming_table_drop(stuck, stuck->half_open);
    }
    begin(path, remote_port, peer, door,
          vnetenc_listener_accept(door->listener, &path->remote, remote_port,
                                  data, size, now),
          now);
    return true;
}

static void
input_to_handshake(struct vnetenc_incoming *in,
                   struct vnetenc_responder *session,
                   const uint8_t *data, size_t size, long long int now)
{
    vnetenc_handshake_input(session->handshake, data, size, now);
    incoming_settle(in, session, now);
}

/* Takes a ClientHello that 'session' has seen before and therefore answers by
 * retransmitting its flight.  The rate is limited, because everyone who saw
 * that ClientHello can send it. */
static void
input_own_hello(struct vnetenc_incoming *in, struct vnetenc_responder *session,
                const uint8_t *data, size_t size, long long int now)
{
    if (vnetenc_responder_admit_hello(session, now)) {
        input_to_handshake(in, session, data, size, now);
    } else {
        vnetenc_drop_count(VNETENC_DROP_rx_rate, 1);
    }
}

bool
vnetenc_incoming_hello(const struct vnetenc_path_key *path,
                       ovs_be16 remote_port, const uint8_t *data, size_t size,
                       long long int arrived_at, long long int now)
{
    struct vnetenc_peer *peer = vnetenc_peer_find(&path->remote);
    struct vnetenc_incoming *in
        = vnetenc_incoming_table_find(path, remote_port);
    struct vnetenc_responder *half_open = in ? in->half_open : NULL;
    struct vnetenc_responder *up = in ? in->up : NULL;

    if (!peer || !vnetenc_hello_is(data, size)) {
        vnetenc_drop_count(VNETENC_DROP_ctl_unexpected, 1);
    } else if (now >= arrived_at + VNETENC_HELLO_WAIT_MS) {
        /* If more ClientHellos arrive than we can answer, work for clients
         * that have given up would take the place of work for others. */
        vnetenc_drop_count(VNETENC_DROP_ctl_hello_late, 1);
    } else if (vnetenc_responder_owns_hello(half_open, data, size)) {
        input_own_hello(in, half_open, data, size, now);
    } else if (vnetenc_responder_owns_hello(up, data, size)) {
        input_own_hello(in, up, data, size, now);
    } else {
        return input_new_hello(path, remote_port, peer, half_open, data, size,
                               now);
    }
    return false;
}

void
vnetenc_incoming_input(const struct vnetenc_path_key *path,
                       ovs_be16 remote_port, uint8_t *data, size_t size,
                       long long int now)
{
    struct vnetenc_incoming *in
        = vnetenc_incoming_table_find(path, remote_port);
    struct vnetenc_responder *half_open = in ? in->half_open : NULL;
    struct vnetenc_responder *up = in ? in->up : NULL;

    if (vnetenc_hello_is(data, size)) {
        vnetenc_incoming_hello(path, remote_port, data, size, now, now);
    } else if (!vnetenc_peer_find(&path->remote)) {
        vnetenc_drop_count(VNETENC_DROP_ctl_unexpected, 1);
    } else if (up && vnetenc_responder_input_alert(up, data, size, now)) {
        return;
    } else if (half_open) {
        input_to_handshake(in, half_open, data, size, now);
    } else if (up && up->handshake) {
        input_to_handshake(in, up, data, size, now);
    } else {
        vnetenc_drop_count(VNETENC_DROP_ctl_unexpected, 1);
    }
}

/* Records. */

void
vnetenc_incoming_probe(const struct vnetenc_path_key *path,
                       ovs_be16 remote_port, uint64_t echo, long long int now)
{
    struct vnetenc_incoming *in
        = vnetenc_incoming_table_find(path, remote_port);
    struct vnetenc_responder *up = in ? in->up : NULL;

    /* The probe may be of a session that was replaced meanwhile: only the
     * first record of this session shows that the client has our last
     * flight. */
    if (!up || up->path.profile != path->profile
        || !vnetenc_responder_traffic(up).n_records) {
        return;
    }
    up->heard_at = now;
    if (vnetenc_responder_release(up)) {
        vnetenc_responder_reply(up, echo, now);
    } else {
        vnetenc_incoming_table_drop(in, up);
    }
}

void
vnetenc_incoming_unknown(const struct vnetenc_path_key *path,
                         ovs_be16 remote_port)
{
    struct vnetenc_incoming *in
        = vnetenc_incoming_table_find(path, remote_port);

    if (vnetenc_peer_find(&path->remote) && (!in || !in->up)) {
        vnetenc_door_hint(path, remote_port);
    }
}

/* Timers. */

/* Runs the timers of a half-open session.  Returns when to call again; 'now'
 * if 'in' may have ended, but no other: timers finish no handshake. */
static long long int
run_half_open(struct vnetenc_incoming *in, long long int now)
{
    struct vnetenc_responder *session = in->half_open;
    struct vnetenc_handshake *handshake = session->handshake;
    bool failed = false;

    if (now >= vnetenc_handshake_deadline_ms(handshake)) {
        vnetenc_handshake_tick(handshake, now);
        failed = (vnetenc_handshake_state(handshake)
                  == VNETENC_HANDSHAKE_FAILED);
        incoming_settle(in, session, now);
    }
    return failed ? now : vnetenc_handshake_deadline_ms(handshake);
}

/* Runs the timers of a session that is up.  Returns when to call again.  May
 * free 'in'. */
static long long int
run_up(struct vnetenc_incoming *in, long long int now)
{
    if (!vnetenc_responder_run(in->up, now)) {
        vnetenc_incoming_table_drop(in, in->up);
        return LLONG_MAX;
    }
    return now + VNETENC_TICK_MS;
}

long long int
vnetenc_incoming_run(long long int now)
{
    long long int wake = LLONG_MAX;
    struct vnetenc_incoming *in;

    HMAP_FOR_EACH_SAFE (in, node, vnetenc_incoming_table()) {
        long long int next;         /* MIN() would evaluate a call twice. */

        if (in->half_open) {
            next = run_half_open(in, now);
            wake = MIN(wake, next);
            if (next <= now) {
                continue;
            }
        }
        if (in->up) {
            next = run_up(in, now);
            wake = MIN(wake, next);
        }
    }
    return wake;
}

/* Judgement and end. */

/* Judges the session of 'in' that is up, if it is due.  A half-open session is
 * judged when its handshake ends.  Returns false if none was due. */
static bool
incoming_judge(struct vnetenc_incoming *in, bool in_full, long long int now)
{
    if (!in->up || !vnetenc_responder_is_due(in->up)) {
        return false;
    }
    if (!vnetenc_responder_judge(in->up, in_full, now)) {
        vnetenc_incoming_table_drop(in, in->up);
    }
    return true;
}

/* A half-open session is judged when its handshake ends. */
void
vnetenc_incoming_follow_members(long long int now)
{
    struct vnetenc_incoming *in;

    HMAP_FOR_EACH_SAFE (in, node, vnetenc_incoming_table()) {
        if (in->up && in->up->peer->members_changed
            && !vnetenc_responder_judge_member(in->up, now)) {
            vnetenc_incoming_table_drop(in, in->up);
        }
    }
}

void
vnetenc_incoming_judge_pins(long long int now)
{
    struct vnetenc_incoming *in;

    HMAP_FOR_EACH_SAFE (in, node, vnetenc_incoming_table()) {
        incoming_judge(in, false, now);
    }
}

bool
vnetenc_incoming_judge(long long int now)
{
    unsigned int end = vnetenc_trust_n_verified() + VNETENC_JUDGE_BURST;
    bool any = false;

    for (size_t i = hmap_count(vnetenc_incoming_table());
         i > 0 && vnetenc_trust_n_verified() != end
         && !hmap_is_empty(vnetenc_incoming_table()); i--) {
        any |= incoming_judge(vnetenc_incoming_table_next(), true, now);
    }
    return any;
}

void
vnetenc_incoming_end(const struct vnetenc_peer *peer)
{
    struct vnetenc_incoming *in;

    HMAP_FOR_EACH_SAFE (in, node, vnetenc_incoming_table()) {
        struct vnetenc_responder *half_open = in->half_open, *up = in->up;

        if (peer && (up ? up : half_open)->peer != peer) {
            continue;
        }
        if (half_open) {
            vnetenc_incoming_table_drop(in, half_open);
        }
        if (up) {
            vnetenc_incoming_table_drop(in, up);
        }
    }
    if (!peer) {
        vnetenc_doors_close();
    }
}

/* Status. */

void
vnetenc_incoming_for_each(
    void (*cb)(const struct vnetenc_session_status *, void *aux), void *aux,
    long long int now)
{
    struct vnetenc_incoming *in;

    HMAP_FOR_EACH (in, node, vnetenc_incoming_table()) {
        struct vnetenc_responder *sessions[] = { in->half_open, in->up };

        for (size_t i = 0; i < ARRAY_SIZE(sessions); i++) {
            struct vnetenc_session_status status;

            if (sessions[i]) {
                vnetenc_responder_status(sessions[i], &status, now);
                cb(&status, aux);
            }
        }
    }
}
