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
#include "vnetenc/control/outgoing.h"
#include <limits.h>
#include <string.h>
#include "connectivity.h"
#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "random.h"
#include "seq.h"
#include "util.h"
#include "vnetenc/bridge/drops.h"
#include "vnetenc/control/handshake.h"
#include "vnetenc/control/initiator.h"
#include "vnetenc/control/mtu.h"
#include "vnetenc/control/session-status.h"
#include "vnetenc/control/socket.h"
#include "vnetenc/trust/peer.h"
#include "vnetenc/trust/profile.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_outgoing);

/* Times of this file alone. */
enum {
    /* An attempt that takes longer may be stuck in the middle, because its
     * peer started anew: another one starts beside it. */
    STUCK_MS = 1500,
    MAX_ATTEMPTS_LANE = 2,

    /* Without a packet that wants a session, none is made. */
    WANTED_MS = 60000,
    FORGET_MS = 300000,

    /* How often counters are compared with limits. */
    TICK_MS = 250,
    SHORT_TICK_MS = 20,
    SHORT_TICK_RECORDS = 1 << 24,
    SHORT_TICK_BYTES = 1 << 30,

    /* A session that its peer gives up sooner was not worth its making. */
    SHORT_LIFE_MS = 10000,
};

struct path;

struct lane {
    struct vnetenc_initiator *up;   /* Published, or NULL. */
    struct ovs_list attempts;
    struct ovs_list closing;
    bool rekey;                 /* A successor is asked for. */
    unsigned int backoff_ms;
    long long int next_try;
};

struct path {
    struct hmap_node node;
    struct vnetenc_path *published; /* Published. */
    struct vnetenc_peer *peer;
    unsigned int n_lanes;
    struct lane lane[VNETENC_MAX_LANES];
    struct vnetenc_mtu mtu;
    long long int wanted_at;
};

static struct hmap paths = HMAP_INITIALIZER(&paths);

static struct path *
path_find(const struct vnetenc_path_key *key)
{
    struct path *path;

    HMAP_FOR_EACH_WITH_HASH (path, node, vnetenc_path_hash(key), &paths) {
        if (vnetenc_path_equals(&path->published->key, key)) {
            return path;
        }
    }
    return NULL;
}

static const struct vnetenc_profile_config *
path_profile(const struct path *path)
{
    return &vnetenc_profile_get(path->published->key.profile)->config;
}

static void
session_list_destroy(struct ovs_list *list, long long int now)
{
    struct vnetenc_initiator *session;

    LIST_FOR_EACH_SAFE (session, node, list) {
        ovs_list_remove(&session->node);
        vnetenc_initiator_destroy(session, now);
    }
}

static bool
path_is_up(const struct path *path)
{
    for (unsigned int i = 0; i < VNETENC_MAX_LANES; i++) {
        if (path->lane[i].up) {
            return true;
        }
    }
    return false;
}

static bool
path_has_attempt(const struct path *path)
{
    for (unsigned int i = 0; i < VNETENC_MAX_LANES; i++) {
        if (!ovs_list_is_empty(&path->lane[i].attempts)) {
            return true;
        }
    }
    return false;
}

/* From 'at' on, packets of mode `prefer` leave in clear unless a lane has a
 * session.  PROTOCOL.md section 5. */
static void
path_allow_clear(struct path *path, enum vnetenc_drop reason, long long int at)
{
    atomic_store_relaxed(&path->published->clear_reason, reason);
    atomic_store_relaxed(&path->published->clear_at, at);
}

/* Takes the session of 'lane' from the packet path, and returns it. */
static struct vnetenc_initiator *
lane_withdraw(struct path *path, unsigned int i)
{
    struct vnetenc_initiator *session = path->lane[i].up;

    if (session) {
        path->lane[i].up = NULL;
        vnetenc_lanes_swap(&path->published->lanes, i, NULL);
        seq_change(connectivity_seq_get());
    }
    return session;
}

/* Ends the session of a lane for 'why'.  If it was the path's last one,
 * packets of mode `prefer` are dropped for 'grace_ms', then clear. */
static void
lane_end_session(struct path *path, unsigned int i, const char *why,
                 long long int grace_ms, long long int now)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(60, 60);
    struct vnetenc_initiator *session = lane_withdraw(path, i);

    if (!session) {
        return;
    }
    if (!session->probe.lost) {
        vnetenc_initiator_send_close_notify(session);
    }
    vnetenc_initiator_destroy(session, now);
    if (!path_is_up(path)) {
        struct ds s = DS_EMPTY_INITIALIZER;

        /* A path without a session is tried again and kept for a while. */
        path->wanted_at = now;
        path_allow_clear(path, VNETENC_DROP_clear_lost, now + grace_ms);
        ipv6_format_mapped(&path->published->key.remote, &s);
        VLOG_WARN_RL(&rl, "%s profile %"PRIu8": no session any more: %s",
                     ds_cstr(&s), path->published->key.profile, why);
        ds_destroy(&s);
    }
}

static void
lane_init(struct lane *lane, long long int now)
{
    memset(lane, 0, sizeof *lane);
    ovs_list_init(&lane->attempts);
    ovs_list_init(&lane->closing);
    lane->next_try = now;
}

static void
lane_close(struct path *path, unsigned int i, const char *why,
           long long int now)
{
    struct vnetenc_initiator *session;

    lane_end_session(path, i, why, VNETENC_PREFER_LOST_MS, now);
    LIST_FOR_EACH (session, node, &path->lane[i].closing) {
        vnetenc_initiator_send_close_notify(session);
    }
    session_list_destroy(&path->lane[i].attempts, now);
    session_list_destroy(&path->lane[i].closing, now);
}

/* The interface towards the peer of 'path' has an MTU of 'mtu'. */
static void
path_take_mtu(struct path *path, unsigned int mtu, long long int now)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

    if (mtu && mtu < VNETENC_MIN_MTU && mtu != path->mtu.device) {
        struct ds s = DS_EMPTY_INITIALIZER;

        ipv6_format_mapped(&path->published->key.remote, &s);
        VLOG_WARN_RL(&rl, "the interface that leads to %s has an MTU of %u: "
                     "sessions need %d", ds_cstr(&s), mtu, VNETENC_MIN_MTU);
        ds_destroy(&s);
    }
    vnetenc_mtu_set_device(&path->mtu, mtu, now);
}

/* Tells the packet path how long packets may be. */
static void
path_follow_mtu(struct path *path, long long int now)
{
    const struct vnetenc_path_key *key = &path->published->key;
    unsigned int mtu;

    if (now >= path->mtu.look_at) {
        path->mtu.look_at = now + VNETENC_MTU_LOOK_MS;
        path_take_mtu(path, vnetenc_mtu_of_route(&key->local, &key->remote),
                      now);
    }
    mtu = path->peer->mtu ? path->peer->mtu : vnetenc_mtu_get(&path->mtu);
    atomic_store_relaxed(&path->published->mtu, mtu);
    atomic_store_relaxed(&path->published->split, !path->peer->no_split);
}

/* Looks whether packets of the length that is believed get through.  A short
 * probe goes with each long one: where that is lost, too, silence tells
 * nothing of lengths. */
static void
path_probe_mtu(struct path *path, long long int now)
{
    struct vnetenc_initiator *session = path->lane[0].up;
    unsigned int size;

    if (!session || path->peer->mtu) {
        return;
    }
    size = vnetenc_mtu_run(&path->mtu, !session->probe.tries, now);
    if (size) {
        session->mtu = &path->mtu;
        vnetenc_initiator_send_long_probe(session, size, path->mtu.echo);
        if (!session->probe.tries) {
            vnetenc_initiator_send_probe(session, now);
        }
    }
}

static struct path *
path_create(const struct vnetenc_path_key *key, struct vnetenc_peer *peer,
            long long int now)
{
    struct path *path = xzalloc(sizeof *path);

    path->n_lanes = vnetenc_profile_get(key->profile)->config.n_lanes;
    path->published = vnetenc_path_create(key, path->n_lanes);
    path->peer = peer;
    path->wanted_at = now;
    for (unsigned int i = 0; i < VNETENC_MAX_LANES; i++) {
        lane_init(&path->lane[i], now);
    }
    path_allow_clear(path, VNETENC_DROP_clear_no_session,
                     now + VNETENC_PREFER_FIRST_MS);
    vnetenc_mtu_init(&path->mtu, now);
    path_follow_mtu(path, now);
    hmap_insert(&paths, &path->node, vnetenc_path_hash(key));
    return path;
}

static void
path_add_up(const struct path *path)
{
    uint64_t n_dropped, n_clear, n_split;

    atomic_read_relaxed(&path->published->n_dropped, &n_dropped);
    atomic_read_relaxed(&path->published->n_clear, &n_clear);
    atomic_read_relaxed(&path->published->n_split, &n_split);
    path->peer->n_split += n_split;
    path->peer->n_dropped += n_dropped;
    path->peer->n_clear += n_clear;
}

static void
path_destroy(struct path *path, const char *why, long long int now)
{
    for (unsigned int i = 0; i < VNETENC_MAX_LANES; i++) {
        lane_close(path, i, why, now);
    }
    hmap_remove(&paths, &path->node);
    path_add_up(path);
    vnetenc_path_retire(path->published);
    free(path);
}

/* Follows a changed number of lanes. */
static void
path_resize(struct path *path, long long int now)
{
    unsigned int n = path_profile(path)->n_lanes;

    if (n == path->n_lanes) {
        return;
    }
    atomic_store_relaxed(&path->published->lanes.n, n);
    for (unsigned int i = n; i < path->n_lanes; i++) {
        lane_close(path, i, "fewer lanes", now);
    }
    path->n_lanes = n;
}

/* Attempts. */

/* Doubles the pause before the next attempt, with jitter so that the lanes of
 * a whole cluster do not try in step. */
static void
lane_back_off(struct lane *lane, long long int now)
{
    lane->backoff_ms = (lane->backoff_ms
                        ? MIN(2 * lane->backoff_ms, VNETENC_RETRY_MAX_MS)
                        : VNETENC_RETRY_MS);
    lane->next_try = (now + lane->backoff_ms * 3 / 4
                      + random_range(lane->backoff_ms / 2 + 1));
}

static void
attempt_failed(struct path *path, unsigned int i, char *reason,
               long long int now)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);
    struct ds s = DS_EMPTY_INITIALIZER;

    ipv6_format_mapped(&path->published->key.remote, &s);
    VLOG_WARN_RL(&rl, "%s profile %"PRIu8" lane %u: %s", ds_cstr(&s),
                 path->published->key.profile, i, reason);
    ds_destroy(&s);

    path->peer->n_failures++;
    vnetenc_peer_set_error(path->peer, VNETENC_OUT, reason);
    if (ovs_list_is_empty(&path->lane[i].attempts)) {
        lane_back_off(&path->lane[i], now);
    }
}

/* Publishes 'session', which is on no list.  What was there closes. */
static void
lane_publish(struct path *path, struct vnetenc_initiator *session,
             long long int now)
{
    struct vnetenc_peer *peer = path->peer;
    struct lane *lane = &path->lane[session->lane];
    struct vnetenc_initiator *old = lane->up;

    /* Before packets can find the session gone again: while one is up, none
     * of them leaves in clear. */
    path_allow_clear(path, VNETENC_DROP_clear_lost, LLONG_MAX);
    vnetenc_lanes_swap(&path->published->lanes, session->lane, session->tx);
    lane->up = session;
    lane->rekey = vnetenc_initiator_is_outdated(session);
    if (old && old->probe.lost && now < old->since + SHORT_LIFE_MS) {
        /* A peer that gives up every session at once does not keep us busy
         * with making others. */
        lane_back_off(lane, now);
    } else {
        lane->backoff_ms = 0;
    }
    session_list_destroy(&lane->attempts, now);
    if (old) {
        old->mtu = NULL;
        old->close_at = now + VNETENC_CLOSE_DELAY_MS;
        ovs_list_push_back(&lane->closing, &old->node);
        peer->n_rekeys++;
    }

    peer->n_handshakes++;
    free(peer->suite);
    peer->suite = xstrdup(session->suite);
    vnetenc_fingerprint_format(vnetenc_chain_fingerprint(session->chain),
                               peer->fingerprint);
    vnetenc_peer_set_error(peer, VNETENC_OUT, NULL);
    seq_change(connectivity_seq_get());
}

/* Does what the state of the handshake of 'session', an attempt, asks for.
 * May destroy 'session'. */
static void
attempt_settle(struct vnetenc_initiator *session, long long int now)
{
    struct path *path = session->owner;
    unsigned int i = session->lane;

    switch (vnetenc_handshake_state(session->handshake)) {
    case VNETENC_HANDSHAKE_RUNNING:
        vnetenc_initiator_flush(session);
        return;

    case VNETENC_HANDSHAKE_DONE:
        ovs_list_remove(&session->node);
        if (vnetenc_initiator_establish(session, now)) {
            lane_publish(path, session, now);
        } else {
            vnetenc_initiator_destroy(session, now);
            attempt_failed(path, i, xstrdup("cannot set up the cipher"), now);
        }
        return;

    case VNETENC_HANDSHAKE_FAILED: {
        char *reason = xstrdup(vnetenc_handshake_reason(session->handshake));

        vnetenc_count(VNETENC_DROP_ctl_failed, 1);
        vnetenc_initiator_flush(session);
        ovs_list_remove(&session->node);
        vnetenc_initiator_destroy(session, now);
        attempt_failed(path, i, reason, now);
        return;
    }
    }
}

static void
attempt_start(struct path *path, unsigned int i, long long int now)
{
    struct vnetenc_initiator *session;
    char *error;

    session = vnetenc_initiator_create(&path->published->key, path->peer,
                                       path, i, now, &error);
    if (!session) {
        attempt_failed(path, i, error, now);
        return;
    }
    ovs_list_push_back(&path->lane[i].attempts, &session->node);
    attempt_settle(session, now);
}

/* True if 'lane' is in need of a session, or of another one. */
static bool
lane_wants_session(const struct path *path, const struct lane *lane,
                   long long int now)
{
    return (lane->up
            ? lane->rekey || vnetenc_initiator_is_over(lane->up, now)
            : (lane->rekey || path_is_up(path)
               || now < path->wanted_at + WANTED_MS));
}

static bool
lane_may_try(const struct path *path, const struct lane *lane,
             long long int now)
{
    size_t n = ovs_list_size(&lane->attempts);
    bool idle = !path_is_up(path) && !path_has_attempt(path);
    const struct vnetenc_initiator *last;

    /* A path that has nothing may always begin, so that attempts which fail
     * under one profile do not starve another. */
    if (now < lane->next_try || n >= MAX_ATTEMPTS_LANE
        || (!idle && (path->peer->n_attempts
                      >= (n + 1) * VNETENC_MAX_HALF_OPEN_PEER))) {
        return false;
    } else if (!n) {
        return true;
    }
    last = CONTAINER_OF(ovs_list_back(&lane->attempts),
                        struct vnetenc_initiator, node);
    return now >= last->since + STUCK_MS;
}

/* Timers. */

static void
run_attempts(struct lane *lane, long long int now)
{
    struct vnetenc_initiator *session;

    LIST_FOR_EACH_SAFE (session, node, &lane->attempts) {
        if (now >= vnetenc_handshake_deadline_ms(session->handshake)) {
            vnetenc_handshake_tick(session->handshake, now);
            attempt_settle(session, now);
            /* An attempt that succeeds ends the others. */
            break;
        }
    }
}

static void
run_closing(struct lane *lane, long long int now)
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
run_session(struct path *path, unsigned int i, long long int now)
{
    struct vnetenc_initiator *session = path->lane[i].up;

    if (vnetenc_lifetime_is_dead(&session->life, now)) {
        lane_end_session(path, i, "key too old", VNETENC_PREFER_LOST_MS, now);
        return;
    }
    if (session->probe.lost
        && now >= session->probe.lost_at + VNETENC_PREFER_LOST_MS) {
        lane_end_session(path, i, "peer does not answer", 0, now);
        return;
    }
    switch (vnetenc_probe_run(&session->probe,
                              vnetenc_initiator_next_seq(session), now)) {
    case VNETENC_PROBE_NOTHING:
        break;
    case VNETENC_PROBE_SEND:
        vnetenc_initiator_send_probe(session, now);
        break;
    case VNETENC_PROBE_LOST:
        path->peer->n_lost++;
        path->lane[i].next_try = now;
        break;
    }
}

static long long int
run_lane(struct path *path, unsigned int i, long long int now)
{
    struct lane *lane = &path->lane[i];
    struct vnetenc_initiator *session;
    long long int wake;

    run_attempts(lane, now);
    run_closing(lane, now);
    if (lane->up) {
        run_session(path, i, now);
    }
    if (lane_wants_session(path, lane, now) && lane_may_try(path, lane, now)) {
        attempt_start(path, i, now);
    }

    wake = now + TICK_MS;
    if (lane->up
        && (lane->up->probe.tries
            || path_profile(path)->rekey_records < SHORT_TICK_RECORDS
            || path_profile(path)->rekey_bytes < SHORT_TICK_BYTES)) {
        wake = now + SHORT_TICK_MS;
    }
    if (now < lane->next_try) {
        wake = MIN(wake, lane->next_try);
    }
    LIST_FOR_EACH (session, node, &lane->attempts) {
        wake = MIN(wake, vnetenc_handshake_deadline_ms(session->handshake));
    }
    return wake;
}

static bool
path_is_forgotten(const struct path *path, long long int now)
{
    return !path_is_up(path) && now >= path->wanted_at + FORGET_MS;
}

long long int
vnetenc_outgoing_run(long long int now)
{
    long long int wake = LLONG_MAX;
    struct path *path;

    HMAP_FOR_EACH_SAFE (path, node, &paths) {
        if (path_is_forgotten(path, now)) {
            path_destroy(path, "unused", now);
            continue;
        }
        path_resize(path, now);
        path_follow_mtu(path, now);
        path_probe_mtu(path, now);
        for (unsigned int i = 0; i < path->n_lanes; i++) {
            long long int next = run_lane(path, i, now);

            wake = MIN(wake, next);
        }
    }
    return wake;
}

/* Events. */

void
vnetenc_outgoing_want(const struct vnetenc_path_key *key, long long int now)
{
    struct path *path = path_find(key);

    if (!path) {
        struct vnetenc_peer *peer = vnetenc_peer_find(&key->remote);

        /* Lanes that are not ours are a test's. */
        if (!peer || vnetenc_path_find(key)) {
            return;
        }
        path = path_create(key, peer, now);
    }
    path->wanted_at = now;
}

void
vnetenc_outgoing_input(struct vnetenc_lease *lease,
                       const struct in6_addr *remote, ovs_be16 remote_port,
                       uint8_t *data, size_t size, long long int now)
{
    struct vnetenc_initiator *session = vnetenc_lease_owner(lease);
    const struct vnetenc_path_key *path = session->path;

    if (remote_port != path->dtls_port
        || !ipv6_addr_equals(remote, &path->remote) || !size) {
        vnetenc_count(VNETENC_DROP_ctl_unexpected, 1);
    } else if (session->handshake) {
        vnetenc_handshake_input(session->handshake, data, size, now);
        attempt_settle(session, now);
    } else {
        vnetenc_initiator_input(session, data, size, now);
    }
}

/* Lets every lane towards 'peer' try at once, and 'rekey'.  Returns their
 * number. */
static unsigned int
hurry(const struct vnetenc_peer *peer, bool rekey, long long int now)
{
    unsigned int n = 0;
    struct path *path;

    HMAP_FOR_EACH (path, node, &paths) {
        if (path->peer != peer) {
            continue;
        }
        for (unsigned int i = 0; i < path->n_lanes; i++) {
            path->lane[i].rekey |= rekey;
            path->lane[i].backoff_ms = 0;
            path->lane[i].next_try = now;
            n++;
        }
    }
    return n;
}

void
vnetenc_outgoing_peer_is_back(const struct vnetenc_peer *peer,
                              long long int now)
{
    hurry(peer, false, now);
}

unsigned int
vnetenc_outgoing_rekey(const struct vnetenc_peer *peer, long long int now)
{
    return hurry(peer, true, now);
}

void
vnetenc_outgoing_judge(long long int now)
{
    struct path *path;

    HMAP_FOR_EACH (path, node, &paths) {
        for (unsigned int i = 0; i < VNETENC_MAX_LANES; i++) {
            struct lane *lane = &path->lane[i];
            struct vnetenc_initiator *session;

            if (lane->up && !vnetenc_initiator_is_trusted(lane->up)) {
                lane_end_session(path, i, "peer no longer accepted",
                                 VNETENC_PREFER_LOST_MS, now);
            } else if (lane->up && vnetenc_initiator_is_outdated(lane->up)) {
                lane->rekey = true;
            }
            LIST_FOR_EACH_SAFE (session, node, &lane->closing) {
                if (!vnetenc_initiator_is_trusted(session)) {
                    ovs_list_remove(&session->node);
                    vnetenc_initiator_destroy(session, now);
                }
            }
            /* What failed may succeed now. */
            lane->backoff_ms = 0;
            lane->next_try = now;
        }
    }
}

void
vnetenc_outgoing_end(const struct vnetenc_peer *peer, long long int now)
{
    struct path *path;

    HMAP_FOR_EACH_SAFE (path, node, &paths) {
        if (!peer || path->peer == peer) {
            path_destroy(path, "peer removed", now);
        }
    }
}

/* Status. */

static const char *
lane_state(const struct lane *lane)
{
    if (lane->up) {
        return lane->up->probe.lost ? "lost" : "up";
    }
    return ovs_list_is_empty(&lane->attempts) ? "waiting" : "handshaking";
}

void
vnetenc_outgoing_for_each(
    void (*cb)(const struct vnetenc_session_status *, void *aux), void *aux,
    long long int now)
{
    struct path *path;

    HMAP_FOR_EACH (path, node, &paths) {
        for (unsigned int i = 0; i < path->n_lanes; i++) {
            const struct lane *lane = &path->lane[i];
            struct vnetenc_session_status status = {
                .direction = VNETENC_OUT,
                .peer = path->peer,
                .path = &path->published->key,
                .lane = i,
                .state = lane_state(lane),
            };

            if (lane->up) {
                vnetenc_initiator_status(lane->up, &status, now);
            }
            if (!i) {
                atomic_read_relaxed(&path->published->n_dropped,
                                    &status.n_dropped);
                atomic_read_relaxed(&path->published->n_clear,
                                    &status.n_clear);
                atomic_read_relaxed(&path->published->n_split,
                                    &status.n_split);
                atomic_read_relaxed(&path->published->mtu, &status.mtu);
            }
            cb(&status, aux);
        }
    }
}
