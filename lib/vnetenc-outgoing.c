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
#include "vnetenc-outgoing.h"
#include <limits.h>
#include <string.h>
#include "connectivity.h"
#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "random.h"
#include "seq.h"
#include "util.h"
#include "vnetenc-control-message.h"
#include "vnetenc-drops.h"
#include "vnetenc-handshake.h"
#include "vnetenc-keys.h"
#include "vnetenc-lifetime.h"
#include "vnetenc-open.h"
#include "vnetenc-profile.h"
#include "vnetenc-record.h"
#include "vnetenc-remote.h"
#include "vnetenc-seal.h"
#include "vnetenc-socket.h"
#include "vnetenc-status.h"

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
    SHORT_TICK_RECORDS = 1 << 20,
};

struct path;

/* One association, from its first ClientHello to its close_notify. */
struct session {
    struct ovs_list node;       /* In 'attempts' or 'closing' of a lane. */
    struct path *path;
    unsigned int lane;
    struct vnetenc_lease *lease;
    long long int since;        /* Start of attempt; then: established. */

    unsigned int serial;        /* Of the profile's credentials. */

    struct vnetenc_handshake *handshake;    /* NULL: finished. */

    /* Finished. */
    struct vnetenc_tx *tx;      /* Seals data, probes, close_notify. */
    struct vnetenc_rx *rx;      /* Opens replies.  Never published. */
    struct vnetenc_chain *chain;
    char *suite;
    struct vnetenc_lifetime life;
    struct vnetenc_probe probe;
    long long int close_at;
};

struct lane {
    struct session *up;         /* Published, or NULL. */
    struct ovs_list attempts;
    struct ovs_list closing;
    bool rekey;                 /* A successor is asked for. */
    unsigned int backoff_ms;
    long long int next_try;
};

struct path {
    struct hmap_node node;
    struct vnetenc_lanes *lanes;    /* Published. */
    struct vnetenc_remote *remote;
    unsigned int n_lanes;
    struct lane lane[VNETENC_MAX_LANES];
    long long int wanted_at;
};

static struct hmap paths = HMAP_INITIALIZER(&paths);

static struct path *
path_find(const struct vnetenc_path *key)
{
    struct path *path;

    HMAP_FOR_EACH_WITH_HASH (path, node, vnetenc_path_hash(key), &paths) {
        if (vnetenc_path_equals(&path->lanes->path, key)) {
            return path;
        }
    }
    return NULL;
}

static const struct vnetenc_profile_config *
path_profile(const struct path *path)
{
    return &vnetenc_profile_get(path->lanes->path.profile)->config;
}

/* Sessions. */

static void
session_send(struct session *session, const void *data, size_t size)
{
    const struct vnetenc_path *path = &session->path->lanes->path;

    vnetenc_socket_send(vnetenc_lease_socket(session->lease), &path->remote,
                        path->dtls_port, data, size);
}

static void
session_send_record(struct session *session, uint8_t type,
                    const void *plain, size_t size)
{
    uint8_t record[VNETENC_MAX_HEAD_BYTES + VNETENC_CONTROL_BYTES
                   + VNETENC_TAG_BYTES];
    size_t n = vnetenc_seal_record(session->tx, type, plain, size, record,
                                   sizeof record);

    if (n) {
        session_send(session, record, n);
    }
}

static void
session_flush(struct session *session)
{
    struct ofpbuf *b;

    while ((b = vnetenc_handshake_pop_output(session->handshake))) {
        session_send(session, b->data, b->size);
        ofpbuf_delete(b);
    }
}

static struct vnetenc_traffic
session_traffic(const struct session *session)
{
    struct vnetenc_traffic traffic;
    uint64_t next_seq;

    atomic_read_relaxed(&session->tx->next_seq, &next_seq);
    atomic_read_relaxed(&session->tx->n_bytes, &traffic.n_bytes);
    traffic.n_records = next_seq - VNETENC_FIRST_SEQ;
    return traffic;
}

static void
session_add_up(const struct session *session)
{
    struct vnetenc_traffic *sum
        = &session->path->remote->ended[VNETENC_OUT];
    struct vnetenc_traffic traffic = session_traffic(session);

    sum->n_records += traffic.n_records;
    sum->n_bytes += traffic.n_bytes;
}

/* Frees 'session', which is on no list and not published. */
static void
session_destroy(struct session *session, long long int now)
{
    if (session->handshake) {
        session->path->remote->n_attempts--;
        vnetenc_handshake_destroy(session->handshake);
    }
    if (session->tx) {
        session_add_up(session);
        vnetenc_tx_retire(session->tx);
    }
    if (session->rx) {
        vnetenc_rx_destroy(session->rx);
    }
    vnetenc_chain_destroy(session->chain);
    vnetenc_lease_return(session->lease, now);
    free(session->suite);
    free(session);
}

static void
session_list_destroy(struct ovs_list *list, long long int now)
{
    struct session *session;

    LIST_FOR_EACH_SAFE (session, node, list) {
        ovs_list_remove(&session->node);
        session_destroy(session, now);
    }
}

/* Tells the peer that 'session' ends, whose key it will forget. */
static void
session_send_close_notify(struct session *session)
{
    session_send_record(session, VNETENC_RECORD_ALERT, vnetenc_close_notify,
                        sizeof vnetenc_close_notify);
}

/* Paths. */

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

/* From 'at' on, packets of mode `prefer` leave in clear unless a lane has a
 * session.  PROTOCOL.md section 5. */
static void
path_allow_clear(struct path *path, enum vnetenc_drop reason, long long int at)
{
    atomic_store_relaxed(&path->lanes->clear_reason, reason);
    atomic_store_relaxed(&path->lanes->clear_at, at);
}

/* Takes the session of 'lane' from the packet path, and returns it. */
static struct session *
lane_withdraw(struct path *path, unsigned int i)
{
    struct session *session = path->lane[i].up;

    if (session) {
        path->lane[i].up = NULL;
        vnetenc_lanes_swap(path->lanes, i, NULL);
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
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);
    struct session *session = lane_withdraw(path, i);

    if (!session) {
        return;
    }
    session_destroy(session, now);
    if (!path_is_up(path)) {
        struct ds s = DS_EMPTY_INITIALIZER;

        path_allow_clear(path, VNETENC_DROP_clear_lost, now + grace_ms);
        ipv6_format_mapped(&path->lanes->path.remote, &s);
        VLOG_WARN_RL(&rl, "%s profile %"PRIu8": no session any more (%s); "
                     "mode require drops, mode prefer leaves in clear in "
                     "%lld ms", ds_cstr(&s), path->lanes->path.profile, why,
                     grace_ms);
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
    if (path->lane[i].up) {
        session_send_close_notify(path->lane[i].up);
    }
    lane_end_session(path, i, why, VNETENC_PREFER_LOST_MS, now);
    session_list_destroy(&path->lane[i].attempts, now);
    session_list_destroy(&path->lane[i].closing, now);
}

static struct path *
path_create(const struct vnetenc_path *key, struct vnetenc_remote *remote,
            long long int now)
{
    struct path *path = xzalloc(sizeof *path);

    path->n_lanes = vnetenc_profile_get(key->profile)->config.n_lanes;
    path->lanes = vnetenc_lanes_create(key, path->n_lanes);
    path->remote = remote;
    path->wanted_at = now;
    for (unsigned int i = 0; i < VNETENC_MAX_LANES; i++) {
        lane_init(&path->lane[i], now);
    }
    path_allow_clear(path, VNETENC_DROP_clear_no_session,
                     now + VNETENC_PREFER_FIRST_MS);
    hmap_insert(&paths, &path->node, vnetenc_path_hash(key));
    return path;
}

static void
path_destroy(struct path *path, const char *why, long long int now)
{
    for (unsigned int i = 0; i < VNETENC_MAX_LANES; i++) {
        lane_close(path, i, why, now);
    }
    hmap_remove(&paths, &path->node);
    vnetenc_lanes_retire(path->lanes);
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
    atomic_store_relaxed(&path->lanes->n_lanes, n);
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

    ipv6_format_mapped(&path->lanes->path.remote, &s);
    VLOG_WARN_RL(&rl, "%s profile %"PRIu8" lane %u: %s", ds_cstr(&s),
                 path->lanes->path.profile, i, reason);
    ds_destroy(&s);

    path->remote->n_failures++;
    vnetenc_remote_set_error(path->remote, VNETENC_OUT, reason);
    lane_back_off(&path->lane[i], now);
}

/* The initiator's key is for data, the responder's for what comes back. */
static bool
make_halves(struct session *session, const struct vnetenc_record_keys *keys)
{
    const struct vnetenc_path *path = &session->path->lanes->path;
    ovs_be16 port = vnetenc_socket_port(vnetenc_lease_socket(session->lease));
    struct vnetenc_traffic_key traffic;

    traffic = vnetenc_record_keys_get(keys, true);
    session->tx = vnetenc_tx_create(&traffic, port, session->life.end_seq,
                                    session->life.end_bytes);
    vnetenc_traffic_key_wipe(&traffic);
    traffic = vnetenc_record_keys_get(keys, false);
    session->rx = vnetenc_rx_create(&traffic, path, port);
    vnetenc_traffic_key_wipe(&traffic);
    return session->tx && session->rx;
}

/* Turns a finished handshake into a session. */
static bool
session_establish(struct session *session, long long int now)
{
    struct vnetenc_remote *remote = session->path->remote;
    struct vnetenc_record_keys keys;
    bool ok;

    vnetenc_lifetime_init(&session->life, path_profile(session->path), now);
    vnetenc_probe_init(&session->probe, now);
    session->since = now;
    session->suite = xstrdup(vnetenc_handshake_suite(session->handshake));
    session->chain = vnetenc_handshake_take_peer(session->handshake);

    vnetenc_handshake_take_keys(session->handshake, &keys);
    session_flush(session);
    /* One owner: libssl's object goes before our code gets the key. */
    vnetenc_handshake_destroy(session->handshake);
    session->handshake = NULL;
    remote->n_attempts--;
    ok = make_halves(session, &keys);
    vnetenc_record_keys_wipe(&keys);
    return ok && session->chain;
}

/* True if the profile has other credentials than when 'session' began. */
static bool
session_is_outdated(const struct session *session)
{
    uint8_t profile = session->path->lanes->path.profile;

    return session->serial != vnetenc_profile_get(profile)->serial;
}

/* Publishes 'session', which is on no list.  What was there closes. */
static void
lane_publish(struct path *path, struct session *session, long long int now)
{
    struct vnetenc_remote *remote = path->remote;
    struct lane *lane = &path->lane[session->lane];
    struct session *old = lane->up;

    vnetenc_lanes_swap(path->lanes, session->lane, session->tx);
    lane->up = session;
    lane->rekey = session_is_outdated(session);
    lane->backoff_ms = 0;
    session_list_destroy(&lane->attempts, now);
    if (old) {
        old->close_at = now + VNETENC_CLOSE_DELAY_MS;
        ovs_list_push_back(&lane->closing, &old->node);
        remote->n_rekeys++;
    }

    remote->n_handshakes++;
    free(remote->suite);
    remote->suite = xstrdup(session->suite);
    vnetenc_fingerprint_format(vnetenc_chain_fingerprint(session->chain),
                               remote->fingerprint);
    vnetenc_remote_set_error(remote, VNETENC_OUT, NULL);
    seq_change(connectivity_seq_get());
}

/* Does what the state of the handshake of 'session', an attempt, asks for.
 * May destroy 'session'. */
static void
attempt_settle(struct session *session, long long int now)
{
    struct path *path = session->path;
    unsigned int i = session->lane;

    switch (vnetenc_handshake_state(session->handshake)) {
    case VNETENC_HANDSHAKE_RUNNING:
        session_flush(session);
        return;

    case VNETENC_HANDSHAKE_DONE:
        ovs_list_remove(&session->node);
        if (session_establish(session, now)) {
            lane_publish(path, session, now);
        } else {
            session_destroy(session, now);
            attempt_failed(path, i, xstrdup("cannot set up the cipher"), now);
        }
        return;

    case VNETENC_HANDSHAKE_FAILED: {
        char *reason = xstrdup(vnetenc_handshake_reason(session->handshake));

        vnetenc_count(VNETENC_DROP_ctl_failed, 1);
        session_flush(session);
        ovs_list_remove(&session->node);
        session_destroy(session, now);
        attempt_failed(path, i, reason, now);
        return;
    }
    }
}

static void
attempt_start(struct path *path, unsigned int i, long long int now)
{
    const struct vnetenc_path *key = &path->lanes->path;
    struct session *session = xzalloc(sizeof *session);
    struct vnetenc_socket *responder;
    char *error;

    session->path = path;
    session->lane = i;
    session->since = now;
    session->serial = vnetenc_profile_get(key->profile)->serial;

    /* The peer will want to speak to us, too: have the socket in time. */
    responder = vnetenc_socket_responder(&key->local, key->dtls_port, &error);
    if (responder) {
        session->lease = vnetenc_lease_take(&key->local, &key->remote,
                                            session, now, &error);
    }
    if (!session->lease) {
        free(session);
        attempt_failed(path, i, error, now);
        return;
    }
    session->handshake = vnetenc_handshake_initiate(&vnetenc_remote_lookup,
                                                    &key->remote,
                                                    key->profile, now);
    path->remote->n_attempts++;
    ovs_list_push_back(&path->lane[i].attempts, &session->node);
    attempt_settle(session, now);
}

/* True if 'lane' is in need of a session, or of another one. */
static bool
lane_wants_session(const struct path *path, const struct lane *lane,
                   long long int now)
{
    const struct session *up = lane->up;
    uint64_t next_seq, n_bytes;

    if (!up) {
        return lane->rekey || now < path->wanted_at + WANTED_MS;
    }
    atomic_read_relaxed(&up->tx->next_seq, &next_seq);
    atomic_read_relaxed(&up->tx->n_bytes, &n_bytes);
    return (lane->rekey || up->probe.lost
            || vnetenc_lifetime_is_over(&up->life, next_seq, n_bytes, now));
}

static bool
lane_may_try(const struct path *path, const struct lane *lane,
             long long int now)
{
    size_t n = ovs_list_size(&lane->attempts);
    const struct session *last;

    if (now < lane->next_try || n >= MAX_ATTEMPTS_LANE
        || (path->remote->n_attempts
            >= (n + 1) * VNETENC_MAX_HALF_OPEN_PEER)) {
        return false;
    } else if (!n) {
        return true;
    }
    last = CONTAINER_OF(ovs_list_back(&lane->attempts), struct session, node);
    return now >= last->since + STUCK_MS;
}

/* Timers. */

static void
run_attempts(struct lane *lane, long long int now)
{
    struct session *session;

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
    struct session *session;

    LIST_FOR_EACH_SAFE (session, node, &lane->closing) {
        if (now >= session->close_at) {
            session_send_close_notify(session);
            ovs_list_remove(&session->node);
            session_destroy(session, now);
        }
    }
}

static void
send_probe(struct session *session, long long int now)
{
    uint8_t message[VNETENC_CONTROL_BYTES];
    uint64_t next_seq;

    vnetenc_control_build(VNETENC_CONTROL_PROBE, session->probe.echo, message);
    session_send_record(session, VNETENC_RECORD_DATA, message, sizeof message);
    atomic_read_relaxed(&session->tx->next_seq, &next_seq);
    vnetenc_probe_sent(&session->probe, next_seq, now);
}

static void
run_session(struct path *path, unsigned int i, long long int now)
{
    struct session *session = path->lane[i].up;
    uint64_t next_seq;

    if (vnetenc_lifetime_is_dead(&session->life, now)) {
        lane_end_session(path, i, "key too old", VNETENC_PREFER_LOST_MS, now);
        return;
    }
    if (session->probe.lost
        && now >= session->probe.lost_at + VNETENC_PREFER_LOST_MS) {
        lane_end_session(path, i, "peer does not answer", 0, now);
        return;
    }
    atomic_read_relaxed(&session->tx->next_seq, &next_seq);
    switch (vnetenc_probe_run(&session->probe, next_seq, now)) {
    case VNETENC_PROBE_NOTHING:
        break;
    case VNETENC_PROBE_SEND:
        send_probe(session, now);
        break;
    case VNETENC_PROBE_LOST:
        path->remote->n_lost++;
        path->lane[i].next_try = now;
        break;
    }
}

static long long int
run_lane(struct path *path, unsigned int i, long long int now)
{
    struct lane *lane = &path->lane[i];
    struct session *session;
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
            || path_profile(path)->rekey_records < SHORT_TICK_RECORDS)) {
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
        for (unsigned int i = 0; i < path->n_lanes; i++) {
            wake = MIN(wake, run_lane(path, i, now));
        }
    }
    return wake;
}

/* Events. */

void
vnetenc_outgoing_want(const struct vnetenc_path *key, long long int now)
{
    struct path *path = path_find(key);

    if (!path) {
        struct vnetenc_remote *remote = vnetenc_remote_find(&key->remote);

        /* Lanes that are not ours are a test's. */
        if (!remote || vnetenc_lanes_find(key)) {
            return;
        }
        path = path_create(key, remote, now);
    }
    path->wanted_at = now;
}

static void
session_input_data(struct session *session, uint8_t *data, size_t size)
{
    size_t plain_size;
    uint8_t *plain;
    uint64_t echo;

    if (vnetenc_open_record(session->rx, data, size, VNETENC_RECORD_DATA,
                            &plain, &plain_size)) {
        vnetenc_count(VNETENC_DROP_ctl_unexpected, 1);
    } else if (vnetenc_control_parse(plain, plain_size,
                                     VNETENC_CONTROL_REPLY, &echo)) {
        vnetenc_probe_reply(&session->probe, echo);
    } else if (!vnetenc_control_is(plain, plain_size)) {
        vnetenc_count(VNETENC_DROP_ctl_app_data, 1);
    }
}

/* A sealed alert ends the session, whatever it says; one in clear is no more
 * than a hint. */
static void
session_input_alert(struct session *session, uint8_t *data, size_t size,
                    long long int now)
{
    size_t plain_size;
    uint8_t *plain;

    if (vnetenc_is_hint(data, size)) {
        if (vnetenc_probe_hint(&session->probe, now)) {
            session->path->remote->n_hints++;
        }
    } else if (vnetenc_open_record(session->rx, data, size,
                                   VNETENC_RECORD_ALERT, &plain,
                                   &plain_size)) {
        vnetenc_count(VNETENC_DROP_ctl_unexpected, 1);
    } else {
        vnetenc_probe_give_up(&session->probe, now);
    }
}

void
vnetenc_outgoing_input(struct vnetenc_lease *lease,
                       const struct in6_addr *remote, ovs_be16 remote_port,
                       uint8_t *data, size_t size, long long int now)
{
    struct session *session = vnetenc_lease_owner(lease);
    const struct vnetenc_path *path = &session->path->lanes->path;

    if (remote_port != path->dtls_port
        || !ipv6_addr_equals(remote, &path->remote) || !size) {
        vnetenc_count(VNETENC_DROP_ctl_unexpected, 1);
    } else if (session->handshake) {
        vnetenc_handshake_input(session->handshake, data, size, now);
        attempt_settle(session, now);
    } else if (data[0] == VNETENC_RECORD_DATA) {
        session_input_data(session, data, size);
    } else if (data[0] == VNETENC_RECORD_ALERT) {
        session_input_alert(session, data, size, now);
    } else {
        vnetenc_count(VNETENC_DROP_ctl_unexpected, 1);
    }
}

unsigned int
vnetenc_outgoing_rekey(const struct vnetenc_remote *remote, long long int now)
{
    unsigned int n = 0;
    struct path *path;

    HMAP_FOR_EACH (path, node, &paths) {
        if (path->remote != remote) {
            continue;
        }
        for (unsigned int i = 0; i < path->n_lanes; i++) {
            path->lane[i].rekey = true;
            path->lane[i].backoff_ms = 0;
            path->lane[i].next_try = now;
            n++;
        }
    }
    return n;
}

static bool
session_is_trusted(const struct session *session)
{
    const struct path *path = session->path;
    const struct vnetenc_profile *profile
        = vnetenc_profile_get(path->lanes->path.profile);
    char *reason;

    if (vnetenc_trust_judge_chain(&path->remote->trust, profile->cred,
                                  session->chain, &reason)) {
        return true;
    }
    vnetenc_remote_set_error(path->remote, VNETENC_OUT, reason);
    return false;
}

void
vnetenc_outgoing_judge(long long int now)
{
    struct path *path;

    HMAP_FOR_EACH (path, node, &paths) {
        for (unsigned int i = 0; i < VNETENC_MAX_LANES; i++) {
            struct lane *lane = &path->lane[i];
            struct session *session;

            if (lane->up && !session_is_trusted(lane->up)) {
                lane_end_session(path, i, "peer no longer accepted",
                                 VNETENC_PREFER_LOST_MS, now);
            } else if (lane->up && session_is_outdated(lane->up)) {
                lane->rekey = true;
            }
            LIST_FOR_EACH_SAFE (session, node, &lane->closing) {
                if (!session_is_trusted(session)) {
                    ovs_list_remove(&session->node);
                    session_destroy(session, now);
                }
            }
            /* What failed may succeed now. */
            lane->backoff_ms = 0;
            lane->next_try = now;
        }
    }
}

void
vnetenc_outgoing_end(const struct vnetenc_remote *remote, long long int now)
{
    struct path *path;

    HMAP_FOR_EACH_SAFE (path, node, &paths) {
        if (!remote || path->remote == remote) {
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

static void
session_status(const struct session *session,
               struct vnetenc_session_status *status, long long int now)
{
    vnetenc_fingerprint_format(vnetenc_chain_fingerprint(session->chain),
                               status->fingerprint);
    status->traffic = session_traffic(session);
    status->lane_port = session->tx->lane_port;
    status->suite = session->suite;
    status->provider = vnetenc_aead_key_provider(session->tx->key);
    status->age_ms = now - session->since;
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
                .remote = path->remote,
                .path = &path->lanes->path,
                .lane = i,
                .state = lane_state(lane),
            };

            if (lane->up) {
                session_status(lane->up, &status, now);
            }
            if (!i) {
                atomic_read_relaxed(&path->lanes->n_dropped,
                                    &status.n_dropped);
                atomic_read_relaxed(&path->lanes->n_clear, &status.n_clear);
            }
            cb(&status, aux);
        }
    }
}
