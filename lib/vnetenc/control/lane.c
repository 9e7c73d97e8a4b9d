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
#include "vnetenc/control/lane.h"
#include <limits.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "random.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/bridge/lanes.h"
#include "vnetenc/bridge/marks.h"
#include "vnetenc/bridge/path.h"
#include "vnetenc/bridge/rtt.h"
#include "vnetenc/bridge/tunnel.h"
#include "vnetenc/bridge/tx.h"
#include "vnetenc/control/announce.h"
#include "vnetenc/control/handshake.h"
#include "vnetenc/control/initiator.h"
#include "vnetenc/control/session-status.h"
#include "vnetenc/control/socket.h"
#include "vnetenc/trust/failures.h"
#include "vnetenc/trust/peer.h"
#include "vnetenc/trust/profile.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_lane);

unsigned int
vnetenc_lane_path_patience(const struct vnetenc_lane_path *path,
                           unsigned int least_ms)
{
    unsigned int ms = vnetenc_rtt_rounds(&path->peer->rtt,
                                         VNETENC_HANDSHAKE_ROUNDS, least_ms);

    return MAX(ms, VNETENC_HANDSHAKE_ROUNDS * path->answered_ms);
}

static void
path_publish_clear_at(struct vnetenc_lane_path *path)
{
    long long int at = path->grace_from;

    if (at != LLONG_MAX) {
        at += vnetenc_lane_path_patience(path, path->grace_ms);
    }
    atomic_store_relaxed(&path->published->clear_at, at);
}

void
vnetenc_lane_path_allow_clear(struct vnetenc_lane_path *path,
                              unsigned int reason, long long int from,
                              unsigned int grace_ms)
{
    path->grace_from = from;
    path->grace_ms = grace_ms;
    atomic_store_relaxed(&path->published->clear_reason, reason);
    path_publish_clear_at(path);
}

static const struct vnetenc_config_profile *
lane_profile(const struct vnetenc_lane *lane)
{
    return &vnetenc_profile_get(lane->path->published->key.profile)->config;
}

void
vnetenc_lane_init(struct vnetenc_lane *lane, struct vnetenc_lane_path *path,
                  unsigned int index, long long int now)
{
    memset(lane, 0, sizeof *lane);
    lane->path = path;
    lane->index = index;
    ovs_list_init(&lane->attempts);
    ovs_list_init(&lane->closing);
    lane->next_try = now;
    lane->judged = vnetenc_peer_version(path->peer,
                                        path->published->key.profile);
    lane->mark = vnetenc_marks_find(&path->published->key.remote);
}

/* End. */

static void
session_list_destroy(struct ovs_list *list, long long int now)
{
    struct vnetenc_initiator *session;

    LIST_FOR_EACH_SAFE (session, node, list) {
        ovs_list_remove(&session->node);
        vnetenc_initiator_destroy(session, now);
    }
}

/* Removes the session of 'lane' from the packet path and returns it, or
 * NULL. */
static struct vnetenc_initiator *
lane_withdraw(struct vnetenc_lane *lane)
{
    struct vnetenc_initiator *session = lane->up;

    if (session) {
        lane->up = NULL;
        lane->path->n_up--;
        vnetenc_lanes_swap(&lane->path->published->lanes, lane->index, NULL);
        vnetenc_announce();
    }
    return session;
}

/* Ends the session of a lane, for the reason 'why'.  If it was the path's last
 * session, packets of mode `prefer` are dropped until VNETENC_PREFER_LOST_MS
 * after 'lost_at', or longer where handshakes take longer, and then leave in
 * clear. */
static void
lane_end_session(struct vnetenc_lane *lane, const char *why,
                 long long int lost_at, long long int now)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(60, 60);
    struct vnetenc_initiator *session = lane_withdraw(lane);
    struct vnetenc_lane_path *path = lane->path;

    if (!session) {
        return;
    }
    if (!session->probe.lost) {
        vnetenc_initiator_send_close_notify(session);
    }
    vnetenc_initiator_destroy(session, now);
    if (!path->n_up) {
        struct ds s = DS_EMPTY_INITIALIZER;

        /* Attempts go on for VNETENC_WANTED_MS on a path that has lost its
         * last session, and the path is kept for VNETENC_FORGET_MS.  If the
         * profile has gone, a session is wanted only when a packet wants
         * it. */
        path->wanted_at = now;
        if (!vnetenc_profile_get(path->published->key.profile)->cred) {
            path->wanted_at -= VNETENC_WANTED_MS;
        }
        vnetenc_lane_path_allow_clear(path, VNETENC_DROP_clear_lost, lost_at,
                                      VNETENC_PREFER_LOST_MS);
        ipv6_format_mapped(&path->published->key.remote, &s);
        VLOG_WARN_RL(&rl, "%s profile %"PRIu8": no session any more: %s",
                     ds_cstr(&s), path->published->key.profile, why);
        ds_destroy(&s);
    }
}

void
vnetenc_lane_close(struct vnetenc_lane *lane, const char *why,
                   long long int now)
{
    struct vnetenc_initiator *session;

    lane_end_session(lane, why, now, now);
    LIST_FOR_EACH (session, node, &lane->closing) {
        vnetenc_initiator_send_close_notify(session);
    }
    session_list_destroy(&lane->attempts, now);
    session_list_destroy(&lane->closing, now);
    vnetenc_peer_lane_failed(lane->path->peer, &lane->error, NULL);
}

/* Attempts. */

bool
vnetenc_lane_wants_session(const struct vnetenc_lane *lane, long long int now)
{
    return (lane->up
            ? lane->rekey || vnetenc_initiator_is_over(lane->up, now)
            : (lane->rekey || lane->path->n_up
               || now < lane->path->wanted_at + VNETENC_WANTED_MS));
}

static bool
has_room(const struct vnetenc_lane *lane, bool idle)
{
    /* A path that has no session and no attempt may begin one even beside many
     * of its peer, so that attempts that fail under one profile do not starve
     * another. */
    return (lane->up
            || (vnetenc_initiator_n_young() < (lane->backoff_ms
                                               ? VNETENC_MAX_REPETITIONS
                                               : VNETENC_MAX_INITIATIONS)
                && (idle || (lane->path->peer->n_young
                             < VNETENC_MAX_HALF_OPEN_PEER))));
}

bool
vnetenc_lane_may_try(const struct vnetenc_lane *lane, bool idle,
                     long long int now)
{
    const struct vnetenc_initiator *last;

    if (now < lane->next_try || !has_room(lane, idle)) {
        return false;
    } else if (ovs_list_is_empty(&lane->attempts)) {
        return true;
    }
    last = CONTAINER_OF(ovs_list_back(&lane->attempts),
                        struct vnetenc_initiator, node);
    return vnetenc_initiator_is_doubtful(last, now);
}

/* Doubles the pause before the next attempt, with jitter, so that the lanes of
 * a whole cluster do not try in step.  A peer that does not know the profile,
 * or this host under it, may be about to read the same news as this host. */
static void
lane_back_off(struct vnetenc_lane *lane, long long int now)
{
    if (lane->unrecognized_at
        && now < lane->unrecognized_at + VNETENC_MEMBER_MS) {
        lane->backoff_ms = VNETENC_MEMBER_RETRY_MS;
    } else {
        lane->backoff_ms = (lane->backoff_ms
                            ? MIN(2 * lane->backoff_ms, VNETENC_RETRY_MAX_MS)
                            : VNETENC_RETRY_MS);
    }
    lane->next_try = (now + lane->backoff_ms * 3 / 4
                      + random_range(lane->backoff_ms / 2 + 1));
}

static void
attempt_failed(struct vnetenc_lane *lane, char *reason, long long int now)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);
    const struct vnetenc_path_key *key = &lane->path->published->key;
    struct vnetenc_peer *peer = lane->path->peer;
    struct ds s = DS_EMPTY_INITIALIZER;

    ipv6_format_mapped(&key->remote, &s);
    VLOG_WARN_RL(&rl, "%s profile %"PRIu8" lane %u: %s", ds_cstr(&s),
                 key->profile, lane->index, reason);
    ds_destroy(&s);

    peer->n_failures++;
    vnetenc_peer_lane_failed(peer, &lane->error, reason);
    lane->n_restarts = 0;
    lane_back_off(lane, now);
}

/* Publishes 'session' in place of the lane's session, which then closes. */
static void
lane_replace(struct vnetenc_lane *lane, struct vnetenc_initiator *session,
             long long int now)
{
    struct vnetenc_initiator *old = lane->up;

    /* This precedes the publication: while a session is up, no packet leaves
     * in clear. */
    vnetenc_lane_path_allow_clear(lane->path, VNETENC_DROP_clear_lost,
                                  LLONG_MAX, 0);
    lane->path->answered_ms = 0;
    vnetenc_lanes_swap(&lane->path->published->lanes, lane->index,
                       session->tx);
    lane->up = session;
    lane->rekey = vnetenc_initiator_is_outdated(session);
    if (!old) {
        lane->path->n_up++;
    }
    if (old && old->probe.lost && now < old->since + VNETENC_SHORT_LIFE_MS) {
        /* The back-off keeps a peer that gives up every session at once from
         * keeping us busy with new ones. */
        lane_back_off(lane, now);
    } else {
        lane->backoff_ms = 0;
        lane->n_restarts = 0;
    }
    lane->unrecognized_at = 0;
    session_list_destroy(&lane->attempts, now);
    if (old) {
        old->mtu = NULL;
        old->close_at = now + VNETENC_CLOSE_DELAY_MS;
        ovs_list_push_back(&lane->closing, &old->node);
        lane->path->peer->n_rekeys++;
    }
}

/* Publishes 'session', which is on no list. */
static void
lane_publish(struct vnetenc_lane *lane, struct vnetenc_initiator *session,
             long long int now)
{
    struct vnetenc_peer *peer = lane->path->peer;

    lane_replace(lane, session, now);
    peer->n_handshakes++;
    free(peer->suite);
    peer->suite = xstrdup(session->suite);
    vnetenc_cert_fingerprint_format(
        vnetenc_cert_chain_fingerprint(session->chain), peer->fingerprint);
    vnetenc_peer_lane_failed(peer, &lane->error, NULL);
    vnetenc_announce();
}

/* Returns why 'session', an attempt, FAILED.  The caller frees it. */
static char *
attempt_reason(const struct vnetenc_initiator *session, long long int now)
{
    const struct vnetenc_handshake *handshake = session->handshake;
    ovs_be16 port = session->path->dtls_port;

    if (vnetenc_handshake_was_answered(handshake)
        || vnetenc_handshake_was_refused(handshake)
        || vnetenc_handshake_was_disturbed(handshake)) {
        return xstrdup(vnetenc_handshake_reason(handshake));
    } else if (session->heard_at) {
        return vnetenc_failure_text(VNETENC_FAILURE_cookie_only,
                                    "UDP port %"PRIu16" answered the first "
                                    "ClientHello only; the peer is "
                                    "overloaded, or datagrams of up to %d "
                                    "bytes are lost", ntohs(port),
                                    VNETENC_HANDSHAKE_MTU_BYTES);
    } else if (now < session->since + VNETENC_HANDSHAKE_DEADLINE_MS) {
        return xstrdup(vnetenc_handshake_reason(handshake));
    } else if (session->send_error) {
        return vnetenc_failure_text(VNETENC_FAILURE_cannot_send,
                                    "cannot send to UDP port %"PRIu16": %s",
                                    ntohs(port),
                                    ovs_strerror(session->send_error));
    } else if (vnetenc_socket_lease_error(session->lease)) {
        return vnetenc_failure_text(VNETENC_FAILURE_no_answer,
                                    "from UDP port %"PRIu16" (network says, "
                                    "unverified: %s)", ntohs(port),
                                    ovs_strerror(vnetenc_socket_lease_error(
                                        session->lease)));
    }
    return vnetenc_failure_text(VNETENC_FAILURE_no_answer,
                                "from UDP port %"PRIu16"; both hosts must "
                                "have the same other_config:vnetenc-%s-port, "
                                "and firewalls must let it pass", ntohs(port),
                                vnetenc_tunnel_is_vxlan(port) ? "vxlan"
                                : "geneve");
}

/* Destroys 'session', an attempt that FAILED.  If a forged datagram may have
 * been the cause, another attempt takes its place without a pause. */
static void
attempt_ended(struct vnetenc_lane *lane, struct vnetenc_initiator *session,
              long long int now)
{
    char *reason = attempt_reason(session, now);
    bool disturbed = (session->heard_at
                      && vnetenc_handshake_was_disturbed(session->handshake));

    vnetenc_drop_count(VNETENC_DROP_ctl_failed, 1);
    vnetenc_initiator_flush(session);
    ovs_list_remove(&session->node);
    vnetenc_initiator_destroy(session, now);
    if (disturbed && lane->n_restarts < VNETENC_MAX_RESTARTS) {
        free(reason);
        lane->n_restarts++;
        vnetenc_lane_attempt(lane, now);
    } else {
        attempt_failed(lane, reason, now);
    }
}

/* Sends output of the handshake of 'session', an attempt, and publishes or
 * ends 'session' if the state of the handshake says so.  May destroy
 * 'session'. */
static void
attempt_settle(struct vnetenc_initiator *session, long long int now)
{
    struct vnetenc_lane *lane = session->owner;

    switch (vnetenc_handshake_state(session->handshake)) {
    case VNETENC_HANDSHAKE_RUNNING:
        vnetenc_initiator_flush(session);
        return;

    case VNETENC_HANDSHAKE_DONE:
        ovs_list_remove(&session->node);
        if (vnetenc_initiator_establish(session, now)) {
            lane_publish(lane, session, now);
        } else {
            vnetenc_initiator_destroy(session, now);
            attempt_failed(lane, vnetenc_failure_text(
                VNETENC_FAILURE_internal, "cannot set up the cipher"), now);
        }
        return;

    case VNETENC_HANDSHAKE_FAILED:
        attempt_ended(lane, session, now);
        return;
    }
}

void
vnetenc_lane_attempt(struct vnetenc_lane *lane, long long int now)
{
    const struct vnetenc_path_key *key = &lane->path->published->key;
    size_t n = ovs_list_size(&lane->attempts);
    struct vnetenc_initiator *session;
    char *error;

    if (key->profile && vnetenc_tunnel_is_vxlan(key->dtls_port)) {
        attempt_failed(lane, vnetenc_trust_vxlan_error(key->profile),
                       now);
        return;
    }
    if (n >= VNETENC_MAX_ATTEMPTS_LANE) {
        session = CONTAINER_OF(ovs_list_front(&lane->attempts),
                               struct vnetenc_initiator, node);
        vnetenc_handshake_abandon(session->handshake);
        attempt_settle(session, now);
    } else if (n) {
        lane_back_off(lane, now);
    }

    session = vnetenc_initiator_create(key, lane->path->peer, lane->mark, lane,
                                       now, &error);
    if (!session) {
        attempt_failed(lane, vnetenc_failure_text(VNETENC_FAILURE_no_socket,
                                                  "%s", error), now);
        free(error);
        return;
    }
    ovs_list_push_back(&lane->attempts, &session->node);
    attempt_settle(session, now);
}

/* Gives a path without a session the time that its handshake takes, as the
 * first answer tells. */
static void
attempt_note_rtt(const struct vnetenc_initiator *session)
{
    const struct vnetenc_lane *lane = session->owner;
    struct vnetenc_lane_path *path = lane->path;
    unsigned int ms = vnetenc_rtt_rounds(
        vnetenc_handshake_rtt(session->handshake), 1, 0);

    if (!path->n_up && ms > path->answered_ms) {
        path->answered_ms = ms;
        path_publish_clear_at(path);
    }
}

/* Notes since when the peer says that the profile is not for this host. */
static void
attempt_note_refusal(const struct vnetenc_initiator *session,
                     long long int now)
{
    struct vnetenc_lane *lane = session->owner;

    if (!lane->unrecognized_at
        && vnetenc_handshake_is_unrecognized(session->handshake)) {
        lane->unrecognized_at = now;
    }
}

void
vnetenc_lane_input(struct vnetenc_initiator *session, uint8_t *data,
                   size_t size, long long int now)
{
    if (session->handshake) {
        session->heard_at = now;
        vnetenc_handshake_input(session->handshake, data, size, now);
        attempt_note_rtt(session);
        attempt_note_refusal(session, now);
        attempt_settle(session, now);
    } else {
        vnetenc_initiator_input(session, data, size, now);
    }
}

/* Timers. */

static void
run_attempts(struct vnetenc_lane *lane, long long int now)
{
    struct vnetenc_initiator *session;

    LIST_FOR_EACH_SAFE (session, node, &lane->attempts) {
        vnetenc_initiator_run_age(session, now);
        if (now >= vnetenc_handshake_deadline_ms(session->handshake)) {
            vnetenc_handshake_tick(session->handshake, now);
            attempt_settle(session, now);
            /* An attempt that succeeds ends the others. */
            break;
        }
    }
}

static void
run_closing(struct vnetenc_lane *lane, long long int now)
{
    struct vnetenc_initiator *session;

    LIST_FOR_EACH_SAFE (session, node, &lane->closing) {
        if (now >= session->close_at) {
            vnetenc_initiator_send_close_notify(session);
            ovs_list_remove(&session->node);
            vnetenc_initiator_destroy(session, now);
        }
    }
}

static void
run_session(struct vnetenc_lane *lane, long long int now)
{
    struct vnetenc_initiator *session = lane->up;
    unsigned int timeout_ms;

    if (vnetenc_lifetime_is_dead(&session->life, now)) {
        lane_end_session(lane, "key too old", now, now);
        return;
    }
    if (vnetenc_tx_is_spent(session->tx)) {
        /* The path's other lanes take over the packets that would be dropped
         * here. */
        lane_end_session(lane, "key used up", now, now);
        return;
    }
    if (now >= session->end_at) {
        lane_end_session(lane, "cipher no longer allowed", now, now);
        return;
    }
    if (session->probe.lost
        && now >= session->probe.lost_at + vnetenc_lane_path_patience(
            lane->path, VNETENC_PREFER_LOST_MS)) {
        lane_end_session(lane, "peer does not answer", session->probe.lost_at,
                         now);
        return;
    }
    timeout_ms = vnetenc_rtt_timeout(&lane->path->peer->rtt,
                                     VNETENC_PROBE_TIMEOUT_MS);
    switch (vnetenc_probe_run(&session->probe,
                              vnetenc_initiator_traffic(session).n_records,
                              timeout_ms, now)) {
    case VNETENC_PROBE_NOTHING:
        break;
    case VNETENC_PROBE_SEND:
        vnetenc_initiator_send_probe(session, now);
        break;
    case VNETENC_PROBE_LOST:
        lane->path->peer->n_lost++;
        vnetenc_announce();
        vnetenc_lane_hurry(lane, false, now);
        break;
    }
}

/* Begins anew if packets to the peer have another mark than before: they take
 * another way, on which attempts that wait for an answer may succeed at once.
 * A session goes on until there is another, because its socket keeps its
 * mark. */
static void
follow_mark(struct vnetenc_lane *lane, long long int now)
{
    uint32_t mark
        = vnetenc_marks_find(&lane->path->published->key.remote);

    if (mark != lane->mark) {
        lane->mark = mark;
        session_list_destroy(&lane->attempts, now);
        lane->rekey = lane->rekey || lane->up;
        lane->backoff_ms = 0;
        lane->next_try = now;
    }
}

void
vnetenc_lane_run(struct vnetenc_lane *lane, long long int now)
{
    follow_mark(lane, now);
    run_attempts(lane, now);
    run_closing(lane, now);
    if (lane->up) {
        run_session(lane, now);
    }
}

long long int
vnetenc_lane_wake(const struct vnetenc_lane *lane, long long int now)
{
    const struct vnetenc_config_profile *profile = lane_profile(lane);
    long long int wake = now + VNETENC_TICK_MS;
    struct vnetenc_initiator *session;

    if (lane->up
        && (lane->up->probe.tries
            || profile->rekey_records < VNETENC_SHORT_TICK_RECORDS
            || profile->rekey_bytes < VNETENC_SHORT_TICK_BYTES)) {
        wake = now + VNETENC_SHORT_TICK_MS;
    }
    if (now < lane->next_try) {
        wake = MIN(wake, lane->next_try);
    }
    LIST_FOR_EACH (session, node, &lane->attempts) {
        wake = MIN(wake, vnetenc_handshake_deadline_ms(session->handshake));
    }
    return wake;
}

/* Events. */

void
vnetenc_lane_hurry(struct vnetenc_lane *lane, bool rekey, long long int now)
{
    struct vnetenc_initiator *session;

    LIST_FOR_EACH_SAFE (session, node, &lane->attempts) {
        if (vnetenc_initiator_is_doubtful(session, now)
            || (!session->heard_at
                && now >= session->since + vnetenc_rtt_timeout(
                    &lane->path->peer->rtt, VNETENC_RETRY_MS))) {
            ovs_list_remove(&session->node);
            vnetenc_initiator_destroy(session, now);
        }
    }
    if (rekey) {
        lane->rekey = true;
        lane->backoff_ms = 0;
    }
    lane->next_try = now;
}

void
vnetenc_lane_follow_member(struct vnetenc_lane *lane, bool member,
                           long long int now)
{
    struct vnetenc_lane_path *path = lane->path;

    if (member) {
        lane->backoff_ms = 0;
        vnetenc_lane_hurry(lane, false, now);
    } else if (lane->up || !ovs_list_is_empty(&lane->attempts)
               || !ovs_list_is_empty(&lane->closing)) {
        vnetenc_lane_close(lane, "peer is no member any more", now);
        vnetenc_peer_lane_failed(path->peer, &lane->error,
                                 vnetenc_trust_judge_member(
                                     &path->peer->trust,
                                     path->published->key.profile));
    }
}

bool
vnetenc_lane_is_due(const struct vnetenc_lane *lane)
{
    return vnetenc_peer_has_changed(lane->path->peer,
                                    lane->path->published->key.profile,
                                    &lane->judged);
}

/* Ends sessions whose peer is no longer accepted, and soon one whose cipher is
 * no longer allowed. */
static void
judge_sessions(struct vnetenc_lane *lane, bool in_full, long long int now)
{
    struct vnetenc_initiator *session;
    char *reason;

    if (lane->up
        && !vnetenc_initiator_is_trusted(lane->up, in_full, &reason)) {
        lane_end_session(lane, "peer no longer accepted", now, now);
        vnetenc_peer_lane_failed(lane->path->peer, &lane->error, reason);
    }
    LIST_FOR_EACH_SAFE (session, node, &lane->closing) {
        if (!vnetenc_initiator_is_trusted(session, in_full, &reason)) {
            free(reason);
            ovs_list_remove(&session->node);
            vnetenc_initiator_destroy(session, now);
        }
    }
    if (lane->up) {
        vnetenc_initiator_judge_cipher(
            lane->up, now + vnetenc_lane_path_patience(
                lane->path, VNETENC_PREFER_LOST_MS));
    }
}

void
vnetenc_lane_judge_pins(struct vnetenc_lane *lane, long long int now)
{
    judge_sessions(lane, false, now);
}

bool
vnetenc_lane_judge(struct vnetenc_lane *lane, long long int now)
{
    uint8_t profile = lane->path->published->key.profile;
    bool outdated;

    judge_sessions(lane, true, now);
    outdated = lane->up && vnetenc_initiator_is_outdated(lane->up);
    /* An attempt that failed before may succeed now. */
    vnetenc_lane_hurry(lane, outdated, now);
    lane->judged = vnetenc_peer_version(lane->path->peer, profile);
    return outdated;
}

/* Status. */

bool
vnetenc_lane_is_usable(const struct vnetenc_lane *lane)
{
    return lane->up && !lane->up->probe.lost;
}

static const char *
lane_state(const struct vnetenc_lane *lane)
{
    if (lane->up) {
        return vnetenc_lane_is_usable(lane) ? "up" : "lost";
    }
    return ovs_list_is_empty(&lane->attempts) ? "waiting" : "handshaking";
}

void
vnetenc_lane_status(const struct vnetenc_lane *lane,
                    struct vnetenc_session_status *status, long long int now)
{
    *status = (struct vnetenc_session_status) {
        .direction = VNETENC_OUT,
        .peer = lane->path->peer,
        .path = &lane->path->published->key,
        .lane = lane->index,
        .state = lane_state(lane),
    };
    if (lane->up) {
        vnetenc_initiator_status(lane->up, status, now);
    }
}
