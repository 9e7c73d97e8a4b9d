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
#include <string.h>
#include "connectivity.h"
#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "seq.h"
#include "util.h"
#include "vnetenc/bridge/drops.h"
#include "vnetenc/bridge/message.h"
#include "vnetenc/bridge/rx.h"
#include "vnetenc/bridge/tx.h"
#include "vnetenc/control/handshake.h"
#include "vnetenc/control/hello.h"
#include "vnetenc/control/keys.h"
#include "vnetenc/control/listener.h"
#include "vnetenc/control/outgoing.h"
#include "vnetenc/control/session-status.h"
#include "vnetenc/control/socket.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc/packet/open.h"
#include "vnetenc/packet/seal.h"
#include "vnetenc/trust/peer.h"
#include "vnetenc/trust/profile.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_incoming);

/* Times of this file alone. */
enum {
    /* How often counters are looked at. */
    TICK_MS = 250,

    /* A handshake that takes longer may be that of a peer which started anew,
     * or nobody's: it makes room for another one of the same peer. */
    STUCK_MS = 1500,
};

/* Replies and alerts are few; a session of the peer's never lasts so long. */
#define REPLY_RECORDS VNETENC_REKEY_RECORDS
#define REPLY_BYTES VNETENC_REKEY_BYTES

/* Where handshakes begin: one per local address and DTLS port. */
struct door {
    struct ovs_list node;       /* In 'doors'. */
    struct vnetenc_socket *socket;
    struct vnetenc_listener *listener;
};

/* One association, from its second ClientHello on.  Half-open while 'rx' is
 * NULL. */
struct incoming {
    struct hmap_node node;      /* In 'incomings', by 4-tuple. */
    struct vnetenc_path_key path;   /* Profile known when up. */
    ovs_be16 lane_port;
    struct vnetenc_peer *peer;
    struct door *door;
    long long int since;        /* Half-open; then: up. */
    long long int heard_at;

    /* Half-open, and then until the client's first record. */
    struct vnetenc_handshake *handshake;

    /* Up. */
    struct vnetenc_rx *rx;      /* Published. */
    struct vnetenc_tx *tx;      /* Seals once 'handshake' is gone. */
    struct vnetenc_chain *chain;
    char *suite;
    uint64_t n_records;         /* When last looked at. */
    long long int forget_at;
};

static struct hmap incomings = HMAP_INITIALIZER(&incomings);
static struct ovs_list doors = OVS_LIST_INITIALIZER(&doors);
static unsigned int n_half_open;

/* Doors. */

/* The door that 'path' leads to, made if there is none; NULL if it can't
 * be. */
static struct door *
door_get(const struct vnetenc_path_key *path, long long int now)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);
    struct vnetenc_socket *socket;
    struct door *door;
    char *error;

    socket = vnetenc_socket_responder(&path->local, path->dtls_port, &error);
    if (!socket) {
        VLOG_WARN_RL(&rl, "cannot answer handshakes: %s", error);
        free(error);
        return NULL;
    }
    LIST_FOR_EACH (door, node, &doors) {
        if (door->socket == socket) {
            return door;
        }
    }

    door = xzalloc(sizeof *door);
    door->socket = socket;
    door->listener = vnetenc_listener_create(&vnetenc_peer_lookup,
                                             &path->local, path->dtls_port,
                                             now);
    if (!door->listener) {
        VLOG_WARN_RL(&rl, "cannot answer handshakes: no random numbers");
        free(door);
        return NULL;
    }
    ovs_list_push_back(&doors, &door->node);
    return door;
}

/* The table. */

static uint32_t
hash_tuple(const struct vnetenc_path_key *path, ovs_be16 lane_port)
{
    uint32_t hash = hash_bytes(&path->remote, sizeof path->remote, 0);

    hash = hash_bytes(&path->local, sizeof path->local, hash);
    return hash_2words(hash, (OVS_FORCE uint32_t) path->dtls_port << 16
                             | (OVS_FORCE uint32_t) lane_port);
}

static bool
has_tuple(const struct incoming *in, const struct vnetenc_path_key *path,
          ovs_be16 lane_port)
{
    return (in->lane_port == lane_port
            && in->path.dtls_port == path->dtls_port
            && ipv6_addr_equals(&in->path.remote, &path->remote)
            && ipv6_addr_equals(&in->path.local, &path->local));
}

/* The session of a 4-tuple that is up, or the one that is half-open: there is
 * at most one of each. */
static struct incoming *
incoming_find(const struct vnetenc_path_key *path, ovs_be16 lane_port, bool up)
{
    struct incoming *in;

    HMAP_FOR_EACH_WITH_HASH (in, node, hash_tuple(path, lane_port),
                             &incomings) {
        if (has_tuple(in, path, lane_port) && (in->rx != NULL) == up) {
            return in;
        }
    }
    return NULL;
}

static struct vnetenc_traffic_counts
incoming_traffic(const struct incoming *in)
{
    struct vnetenc_traffic_counts traffic;

    vnetenc_rx_sum(in->rx, &traffic.n_records, &traffic.n_bytes);
    return traffic;
}

static void
incoming_add_up(const struct incoming *in)
{
    struct vnetenc_traffic_counts *sum = &in->peer->ended[VNETENC_IN];
    struct vnetenc_traffic_counts traffic = incoming_traffic(in);

    sum->n_records += traffic.n_records;
    sum->n_bytes += traffic.n_bytes;
}

static void
incoming_destroy(struct incoming *in)
{
    hmap_remove(&incomings, &in->node);
    if (in->rx) {
        incoming_add_up(in);
        vnetenc_rx_retire(in->rx);
        seq_change(connectivity_seq_get());
    } else {
        in->peer->n_half_open--;
        n_half_open--;
    }
    vnetenc_handshake_destroy(in->handshake);
    vnetenc_tx_destroy(in->tx);
    vnetenc_chain_destroy(in->chain);
    free(in->suite);
    free(in);
}

static void
incoming_failed(struct incoming *in, const char *reason, long long int now)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);
    struct ds s = DS_EMPTY_INITIALIZER;

    ipv6_format_mapped(&in->path.remote, &s);
    VLOG_WARN_RL(&rl, "handshake from %s: %s", ds_cstr(&s), reason);
    ds_destroy(&s);

    vnetenc_count(VNETENC_DROP_ctl_failed, 1);
    in->peer->n_failures++;
    vnetenc_peer_stranger_failed(in->peer, reason, now);
    incoming_destroy(in);
}

static void
incoming_flush(struct incoming *in)
{
    struct ofpbuf *b;

    while ((b = vnetenc_handshake_pop_output(in->handshake))) {
        vnetenc_socket_send(in->door->socket, &in->path.remote,
                            in->lane_port, b->data, b->size);
        ofpbuf_delete(b);
    }
}

/* From half-open to up. */

/* Of more than VNETENC_MAX_RX_SESSIONS sessions of one peer and profile, the
 * one from which nothing came for the longest time goes. */
static void
trim_sessions(const struct incoming *newest)
{
    struct incoming *in, *idlest = NULL;
    size_t n = 0;

    HMAP_FOR_EACH (in, node, &incomings) {
        if (in->rx && in->peer == newest->peer
            && in->path.profile == newest->path.profile) {
            n++;
            if (in != newest && (!idlest || in->heard_at < idlest->heard_at)) {
                idlest = in;
            }
        }
    }
    if (n > VNETENC_MAX_RX_SESSIONS) {
        incoming_destroy(idlest);
    }
}

/* The client's key opens its records, the server's is for replies. */
static bool
make_halves(const struct incoming *in, struct vnetenc_rx **rx,
            struct vnetenc_tx **tx)
{
    struct vnetenc_record_keys keys;
    struct vnetenc_record_key traffic;

    vnetenc_handshake_take_keys(in->handshake, &keys);
    traffic = vnetenc_record_keys_get(&keys, true);
    *rx = vnetenc_rx_create(&traffic, &in->path, in->lane_port);
    vnetenc_record_key_wipe(&traffic);
    traffic = vnetenc_record_keys_get(&keys, false);
    *tx = vnetenc_tx_create(&traffic, in->path.dtls_port,
                            VNETENC_FIRST_SEQ + REPLY_RECORDS, REPLY_BYTES);
    vnetenc_record_key_wipe(&traffic);
    vnetenc_record_keys_wipe(&keys);
    if (*rx && *tx) {
        return true;
    }
    vnetenc_rx_destroy(*rx);
    vnetenc_tx_destroy(*tx);
    return false;
}

/* Publishes the session of 'in', whose handshake is DONE; what was up on its
 * 4-tuple ends in the same step.  Returns false if it cannot be. */
static bool
incoming_establish(struct incoming *in, long long int now)
{
    struct incoming *old = incoming_find(&in->path, in->lane_port, true);
    struct vnetenc_rx *rx;
    struct vnetenc_tx *tx;

    in->path.profile = vnetenc_handshake_profile(in->handshake);
    if (!make_halves(in, &rx, &tx)) {
        return false;
    }
    in->chain = vnetenc_handshake_take_peer(in->handshake);
    in->suite = xstrdup(vnetenc_handshake_suite(in->handshake));
    in->tx = tx;
    in->rx = rx;
    in->since = in->heard_at = now;
    in->peer->n_half_open--;
    n_half_open--;

    vnetenc_rx_publish(rx);
    if (old) {
        incoming_destroy(old);
    }
    trim_sessions(in);
    in->peer->n_handshakes++;
    vnetenc_outgoing_peer_is_back(in->peer, now);
    vnetenc_peer_set_error(in->peer, VNETENC_IN, NULL);
    seq_change(connectivity_seq_get());
    return true;
}

/* Does what the state of the handshake of 'in' asks for.  May destroy 'in'. */
static void
incoming_settle(struct incoming *in, long long int now)
{
    switch (vnetenc_handshake_state(in->handshake)) {
    case VNETENC_HANDSHAKE_RUNNING:
        incoming_flush(in);
        return;

    case VNETENC_HANDSHAKE_DONE:
        if (!in->rx && !incoming_establish(in, now)) {
            incoming_failed(in, "cannot set up the cipher", now);
            return;
        }
        incoming_flush(in);
        return;

    case VNETENC_HANDSHAKE_FAILED:
        incoming_flush(in);
        incoming_failed(in, vnetenc_handshake_reason(in->handshake), now);
        return;
    }
}

/* Lets libssl's object go, which could repeat the last flight until now.
 * From here on the server's key is ours.  Destroys 'in' if that key is not to
 * be used; returns false then. */
static bool
incoming_release(struct incoming *in)
{
    if (!vnetenc_handshake_nonces_ok(in->handshake)) {
        VLOG_INFO("a session is thrown away for its nonces; its peer will "
                  "make another");
        incoming_destroy(in);
        return false;
    }
    vnetenc_handshake_destroy(in->handshake);
    in->handshake = NULL;
    return true;
}

/* Handshakes. */

/* A handshake that may be stuck and could be ended for another one of
 * 'peer', or NULL. */
static struct incoming *
find_stuck(const struct vnetenc_peer *peer, long long int now)
{
    struct incoming *in, *stuck = NULL;

    HMAP_FOR_EACH (in, node, &incomings) {
        if (!in->rx && in->peer == peer && now >= in->since + STUCK_MS
            && (!stuck || in->since < stuck->since)) {
            stuck = in;
        }
    }
    return stuck;
}

/* True if a handshake may begin on the 4-tuple on which 'half_open' is, and
 * 'stuck', or NULL, may end for it.  Whoever sees a cookie can send a
 * ClientHello with it: that must not end what just began. */
static bool
may_begin(const struct vnetenc_peer *peer,
          const struct incoming *half_open, const struct incoming *stuck,
          long long int now)
{
    if (half_open && now < half_open->since + STUCK_MS) {
        return false;
    }
    return (half_open || stuck
            || (peer->n_half_open < VNETENC_MAX_HALF_OPEN_PEER
                && n_half_open < VNETENC_MAX_HALF_OPEN));
}

static bool
is_full(const struct vnetenc_peer *peer)
{
    return (peer->n_half_open >= VNETENC_MAX_HALF_OPEN_PEER
            || n_half_open >= VNETENC_MAX_HALF_OPEN);
}

/* 'handshake' begins.  A client has one handshake at a time on a port, so
 * that a half-open one on the same 4-tuple is dead: may_begin() saw to it that
 * it is not a young one. */
static void
begin(const struct vnetenc_path_key *path, ovs_be16 lane_port,
      struct vnetenc_peer *peer, struct door *door,
      struct vnetenc_handshake *handshake, long long int now)
{
    struct incoming *old = incoming_find(path, lane_port, false);
    struct incoming *in = xzalloc(sizeof *in);

    if (old) {
        incoming_destroy(old);
    }
    in->path = *path;
    in->lane_port = lane_port;
    in->peer = peer;
    in->door = door;
    in->since = in->heard_at = now;
    in->forget_at = LLONG_MAX;
    in->handshake = handshake;
    hmap_insert(&incomings, &in->node, hash_tuple(path, lane_port));
    peer->n_half_open++;
    n_half_open++;
    incoming_settle(in, now);
}

static void
input_to_listener(const struct vnetenc_path_key *path, ovs_be16 remote_port,
                  struct vnetenc_peer *peer, const uint8_t *data,
                  size_t size, long long int now)
{
    struct incoming *half_open = incoming_find(path, remote_port, false);
    struct incoming *stuck = (!half_open && is_full(peer)
                              ? find_stuck(peer, now) : NULL);
    bool admit = may_begin(peer, half_open, stuck, now);
    struct vnetenc_handshake *handshake;
    struct ofpbuf *reply;
    struct door *door = door_get(path, now);

    if (!door) {
        return;
    }
    switch (vnetenc_listener_input(door->listener, &path->remote, remote_port,
                                   data, size, admit, now, &reply,
                                   &handshake)) {
    case VNETENC_LISTENER_REPLY:
        vnetenc_socket_send(door->socket, &path->remote, remote_port,
                            reply->data, reply->size);
        ofpbuf_delete(reply);
        break;
    case VNETENC_LISTENER_HANDSHAKE:
        if (stuck) {
            incoming_destroy(stuck);
        }
        begin(path, remote_port, peer, door, handshake, now);
        break;
    case VNETENC_LISTENER_FULL:
        vnetenc_count(VNETENC_DROP_ctl_half_open, 1);
        break;
    case VNETENC_LISTENER_FRAGMENT:
        vnetenc_count(VNETENC_DROP_ctl_hello_fragment, 1);
        break;
    case VNETENC_LISTENER_IGNORED:
        vnetenc_count(VNETENC_DROP_ctl_unexpected, 1);
        break;
    }
}

static void
input_to_handshake(struct incoming *in, const uint8_t *data, size_t size,
                   long long int now)
{
    vnetenc_handshake_input(in->handshake, data, size, now);
    incoming_settle(in, now);
}

static bool
owns_hello(const struct incoming *in, const uint8_t *data, size_t size)
{
    return (in && in->handshake
            && vnetenc_handshake_owns_hello(in->handshake, data, size));
}

static bool
is_hello(const uint8_t *data, size_t size)
{
    struct vnetenc_client_hello hello;

    return (vnetenc_client_hello_parse(data, size, &hello)
            != VNETENC_HELLO_OTHER);
}

static bool
is_sealed_alert(const uint8_t *data, size_t size)
{
    struct vnetenc_record record;
    size_t pos = 0;

    return (vnetenc_record_next(data, size, &pos, &record)
            && record.type == VNETENC_RECORD_ALERT
            && record.epoch == VNETENC_EPOCH);
}

/* A sealed alert of the peer's record code.  Returns false if it is not one
 * of the session that is up. */
static bool
input_alert(struct incoming *up, const uint8_t *data, size_t size,
            long long int now)
{
    uint8_t copy[VNETENC_MAX_DATAGRAM_BYTES];
    size_t plain_size;
    uint8_t *plain;

    /* Opening spoils what turns out to be a handshake's. */
    if (!up || size > sizeof copy) {
        return false;
    }
    memcpy(copy, data, size);
    if (vnetenc_open_record(up->rx, copy, size, VNETENC_RECORD_ALERT,
                            &plain, &plain_size)) {
        return false;
    }
    /* Records may still be on their way: keep the key a little longer. */
    up->forget_at = MIN(up->forget_at, now + VNETENC_LINGER_MS);
    return true;
}

void
vnetenc_incoming_input(const struct vnetenc_path_key *path,
                       ovs_be16 remote_port, uint8_t *data, size_t size,
                       long long int now)
{
    struct vnetenc_peer *peer = vnetenc_peer_find(&path->remote);
    struct incoming *half_open = incoming_find(path, remote_port, false);
    struct incoming *up = incoming_find(path, remote_port, true);

    if (!peer) {
        vnetenc_count(VNETENC_DROP_ctl_unexpected, 1);
    } else if (is_hello(data, size)) {
        if (owns_hello(half_open, data, size)) {
            input_to_handshake(half_open, data, size, now);
        } else if (owns_hello(up, data, size)) {
            input_to_handshake(up, data, size, now);
        } else {
            input_to_listener(path, remote_port, peer, data, size, now);
        }
    } else if (is_sealed_alert(data, size)
               && input_alert(up, data, size, now)) {
        return;
    } else if (half_open) {
        input_to_handshake(half_open, data, size, now);
    } else if (up && up->handshake) {
        input_to_handshake(up, data, size, now);
    } else {
        vnetenc_count(VNETENC_DROP_ctl_unexpected, 1);
    }
}

/* Records. */

void
vnetenc_incoming_probe(const struct vnetenc_path_key *path,
                       ovs_be16 remote_port, uint64_t echo, long long int now)
{
    uint8_t message[VNETENC_CONTROL_BYTES];
    uint8_t record[VNETENC_MAX_HEAD_BYTES + sizeof message
                   + VNETENC_TAG_BYTES];
    struct incoming *in = incoming_find(path, remote_port, true);
    size_t n;

    /* It may be of a session that was replaced meanwhile: only the first
     * record of this one shows that the client has our last flight. */
    if (!in || in->path.profile != path->profile
        || !incoming_traffic(in).n_records) {
        return;
    }
    in->heard_at = now;
    if (in->handshake && !incoming_release(in)) {
        return;
    }
    vnetenc_control_build(VNETENC_CONTROL_REPLY, echo, message);
    n = vnetenc_seal_record(in->tx, VNETENC_RECORD_DATA, message,
                            sizeof message, record, sizeof record);
    if (n) {
        vnetenc_socket_send(in->door->socket, &in->path.remote,
                            in->lane_port, record, n);
    }
}

void
vnetenc_incoming_unknown(const struct vnetenc_path_key *path,
                         ovs_be16 remote_port)
{
    struct vnetenc_socket *socket;
    char *error;

    if (!vnetenc_peer_find(&path->remote)
        || incoming_find(path, remote_port, true)) {
        return;
    }
    socket = vnetenc_socket_responder(&path->local, path->dtls_port, &error);
    if (socket) {
        vnetenc_socket_send(socket, &path->remote, remote_port, vnetenc_hint,
                            sizeof vnetenc_hint);
    }
    free(error);
}

/* Timers. */

static bool
has_too_many_forgeries(const struct incoming *in)
{
    uint64_t n_failed;

    atomic_read_relaxed(&in->rx->n_failed, &n_failed);
    return n_failed >= VNETENC_MAX_FAILED_OPENS;
}

/* Returns when to look at 'in' again.  May destroy 'in'. */
static long long int
run_up(struct incoming *in, long long int now)
{
    uint64_t n_records = incoming_traffic(in).n_records;

    if (n_records != in->n_records) {
        in->n_records = n_records;
        in->heard_at = now;
    }
    if (now >= in->forget_at || now >= in->heard_at + VNETENC_IDLE_MS
        || has_too_many_forgeries(in)) {
        incoming_destroy(in);
        return LLONG_MAX;
    }
    if (in->handshake
        && (n_records
            || now >= vnetenc_handshake_deadline_ms(in->handshake))
        && !incoming_release(in)) {
        return LLONG_MAX;
    }
    return now + TICK_MS;
}

long long int
vnetenc_incoming_run(long long int now)
{
    long long int wake = LLONG_MAX;
    struct incoming *in;

    HMAP_FOR_EACH_SAFE (in, node, &incomings) {
        if (in->rx) {
            long long int next = run_up(in, now);   /* MIN() is a macro. */

            wake = MIN(wake, next);
        } else if (now < vnetenc_handshake_deadline_ms(in->handshake)) {
            wake = MIN(wake, vnetenc_handshake_deadline_ms(in->handshake));
        } else {
            /* Settling may end others, so the rest waits for the next call,
             * which is at once. */
            vnetenc_handshake_tick(in->handshake, now);
            incoming_settle(in, now);
            return now;
        }
    }
    return wake;
}

/* Judgement and end. */

void
vnetenc_incoming_judge(void)
{
    struct incoming *in;

    HMAP_FOR_EACH_SAFE (in, node, &incomings) {
        const struct vnetenc_cred *cred;
        char *reason;

        if (!in->rx) {
            continue;           /* The handshake will ask for itself. */
        }
        cred = vnetenc_profile_get(in->path.profile)->cred;
        if (!vnetenc_trust_judge_chain(&in->peer->trust, cred, in->chain,
                                       &reason)) {
            vnetenc_peer_set_error(in->peer, VNETENC_IN, reason);
            incoming_destroy(in);
        }
    }
}

void
vnetenc_incoming_end(const struct vnetenc_peer *peer)
{
    struct incoming *in;
    struct door *door;

    HMAP_FOR_EACH_SAFE (in, node, &incomings) {
        if (!peer || in->peer == peer) {
            incoming_destroy(in);
        }
    }
    if (!peer) {
        LIST_FOR_EACH_POP (door, node, &doors) {
            vnetenc_listener_destroy(door->listener);
            free(door);
        }
    }
}

/* Status. */

static void
up_status(const struct incoming *in, struct vnetenc_session_status *status)
{
    vnetenc_fingerprint_format(vnetenc_chain_fingerprint(in->chain),
                               status->fingerprint);
    status->traffic = incoming_traffic(in);
    atomic_read_relaxed(&in->rx->n_failed, &status->n_failed);
    status->suite = in->suite;
    status->provider = vnetenc_aead_key_provider(in->rx->key);
}

void
vnetenc_incoming_for_each(
    void (*cb)(const struct vnetenc_session_status *, void *aux), void *aux,
    long long int now)
{
    struct incoming *in;

    HMAP_FOR_EACH (in, node, &incomings) {
        struct vnetenc_session_status status = {
            .direction = VNETENC_IN,
            .peer = in->peer,
            .path = &in->path,
            .state = (!in->rx ? "handshaking"
                      : in->forget_at != LLONG_MAX ? "closing"
                      : "up"),
            .lane_port = in->lane_port,
            .age_ms = now - in->since,
        };

        if (in->rx) {
            up_status(in, &status);
        }
        cb(&status, aux);
    }
}
