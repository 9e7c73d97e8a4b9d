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
#include "vnetenc/control/responder.h"
#include <limits.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/bridge/half-open.h"
#include "vnetenc/bridge/message.h"
#include "vnetenc/bridge/rx.h"
#include "vnetenc/bridge/tx.h"
#include "vnetenc/control/announce.h"
#include "vnetenc/control/dgram.h"
#include "vnetenc/control/handshake.h"
#include "vnetenc/control/keys.h"
#include "vnetenc/control/post.h"
#include "vnetenc/control/session-status.h"
#include "vnetenc/control/socket.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc/packet/open.h"
#include "vnetenc/packet/seal.h"
#include "vnetenc/trust/cred.h"
#include "vnetenc/trust/next-key.h"
#include "vnetenc/trust/profile.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_responder);

/* Hard limits of a key that seals only replies, which are few: the peer's
 * session never reaches them. */
#define REPLY_RECORDS VNETENC_REKEY_RECORDS
#define REPLY_BYTES VNETENC_REKEY_BYTES

static unsigned int n_half_open;

static void
half_open_add(struct vnetenc_responder *session, int n)
{
    session->peer->n_half_open += n;
    n_half_open += n;
}

unsigned int
vnetenc_responder_n_half_open(void)
{
    return n_half_open;
}

struct vnetenc_responder *
vnetenc_responder_create(const struct vnetenc_path_key *path,
                         ovs_be16 lane_port, struct vnetenc_peer *peer,
                         struct vnetenc_socket *socket,
                         struct vnetenc_handshake *handshake,
                         long long int now)
{
    struct vnetenc_responder *session = xzalloc(sizeof *session);

    session->path = *path;
    session->lane_port = lane_port;
    session->peer = peer;
    session->socket = socket;
    session->since = session->heard_at = now;
    session->n_keys = vnetenc_next_key_n_used();
    session->forget_at = LLONG_MAX;
    session->handshake = handshake;
    session->half_open = vnetenc_half_open_add(path, lane_port);
    half_open_add(session, 1);
    return session;
}

struct vnetenc_traffic_counts
vnetenc_responder_traffic(const struct vnetenc_responder *session)
{
    struct vnetenc_traffic_counts traffic;

    vnetenc_rx_sum(session->rx, &traffic.n_records, &traffic.n_bytes);
    return traffic;
}

static uint64_t
responder_n_forged(const struct vnetenc_responder *session)
{
    uint64_t n_failed;

    atomic_read_relaxed(&session->rx->n_failed, &n_failed);
    return n_failed;
}

static void
session_add_up(const struct vnetenc_responder *session)
{
    struct vnetenc_traffic_counts *sum = &session->peer->ended[VNETENC_IN];
    struct vnetenc_traffic_counts traffic = vnetenc_responder_traffic(session);

    sum->n_records += traffic.n_records;
    sum->n_bytes += traffic.n_bytes;
    session->peer->n_forged += responder_n_forged(session);
}

void
vnetenc_responder_destroy(struct vnetenc_responder *session)
{
    if (session->rx) {
        session_add_up(session);
        vnetenc_rx_retire(session->rx);
        vnetenc_announce();
    } else {
        half_open_add(session, -1);
    }
    vnetenc_half_open_remove(session->half_open);
    vnetenc_handshake_destroy(session->handshake);
    vnetenc_tx_destroy(session->tx);
    vnetenc_cert_chain_destroy(session->chain);
    free(session->suite);
    free(session);
}

/* The handshake. */

void
vnetenc_responder_flush(struct vnetenc_responder *session, long long int now)
{
    struct ofpbuf *b;

    while ((b = vnetenc_handshake_pop_output(session->handshake))) {
        vnetenc_socket_send(session->socket, &session->path.remote,
                            session->lane_port, b->data, b->size);
        session->flight_at = now;
        ofpbuf_delete(b);
    }
}

bool
vnetenc_responder_owns_hello(const struct vnetenc_responder *session,
                             const uint8_t *data, size_t size)
{
    return (session && session->handshake
            && vnetenc_handshake_owns_hello(session->handshake, data, size));
}

bool
vnetenc_responder_admit_hello(struct vnetenc_responder *session,
                              long long int now)
{
    return (now >= session->flight_at + VNETENC_HANDSHAKE_TIMER_MS
            && (session->half_open
                ? vnetenc_half_open_admit(session->half_open, now)
                : vnetenc_rx_may_shake(session->rx, now)));
}

/* The client's key opens data, the server's seals replies. */
static bool
make_halves(const struct vnetenc_responder *session, struct vnetenc_rx **rx,
            struct vnetenc_tx **tx)
{
    struct vnetenc_keys keys;
    struct vnetenc_record_key traffic;

    vnetenc_handshake_take_keys(session->handshake, &keys);
    traffic = vnetenc_keys_get(&keys, true);
    *rx = vnetenc_rx_create(&traffic, &session->path, session->lane_port);
    vnetenc_record_key_wipe(&traffic);
    traffic = vnetenc_keys_get(&keys, false);
    traffic.single = true;
    *tx = vnetenc_tx_create(&traffic, session->path.dtls_port,
                            VNETENC_FIRST_SEQ + REPLY_RECORDS, REPLY_BYTES);
    vnetenc_record_key_wipe(&traffic);
    vnetenc_keys_wipe(&keys);
    if (*rx && *tx) {
        return true;
    }
    vnetenc_rx_destroy(*rx);
    vnetenc_tx_destroy(*tx);
    return false;
}

bool
vnetenc_responder_establish(struct vnetenc_responder *session,
                            long long int now)
{
    struct vnetenc_rx *rx;
    struct vnetenc_tx *tx;

    session->path.profile = vnetenc_handshake_profile(session->handshake);
    vnetenc_peer_take_rtt(session->peer,
                          vnetenc_handshake_rtt(session->handshake));
    if (!make_halves(session, &rx, &tx)) {
        return false;
    }
    session->chain = vnetenc_handshake_take_peer(session->handshake);
    session->judged = vnetenc_peer_version(session->peer,
                                           session->path.profile);
    session->suite = xstrdup(vnetenc_handshake_suite(session->handshake));
    session->tx = tx;
    session->rx = rx;
    session->since = session->heard_at = now;
    half_open_add(session, -1);
    return true;
}

void
vnetenc_responder_publish(struct vnetenc_responder *session)
{
    vnetenc_rx_publish(session->rx);
    vnetenc_half_open_remove(session->half_open);
    session->half_open = NULL;
}

/* Returns true if libssl used no nonce that our own records could have. */
static bool
nonces_are_ours_alone(const struct vnetenc_responder *session)
{
    struct vnetenc_dgram_nonces nonces
        = vnetenc_handshake_nonces(session->handshake);

    return (vnetenc_handshake_nonces_ok(session->handshake)
            && (!session->tx->makes_nonces
                || vnetenc_dgram_nonces_apart(&nonces,
                                              session->tx->first_nonce)));
}

bool
vnetenc_responder_release(struct vnetenc_responder *session)
{
    if (!session->handshake) {
        return true;
    }
    if (!nonces_are_ours_alone(session)) {
        VLOG_INFO("a session ends because libssl used a nonce that could be "
                  "ours; its peer will make another");
        return false;
    }
    vnetenc_handshake_destroy(session->handshake);
    session->handshake = NULL;
    return true;
}

void
vnetenc_responder_failed(struct vnetenc_responder *session,
                         const char *reason, long long int now)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);
    struct ds s = DS_EMPTY_INITIALIZER;

    ipv6_format_mapped(&session->path.remote, &s);
    VLOG_WARN_RL(&rl, "handshake from %s: %s", ds_cstr(&s), reason);
    ds_destroy(&s);

    vnetenc_drop_count(VNETENC_DROP_ctl_failed, 1);
    session->peer->n_failures++;
    vnetenc_peer_stranger_failed(session->peer, reason, session->since, now);
}

/* Up. */

static bool
is_sealed_alert(const uint8_t *data, size_t size)
{
    struct vnetenc_record record;
    size_t pos = 0;

    return (vnetenc_record_next(data, size, &pos, &record)
            && record.type == VNETENC_RECORD_ALERT
            && record.epoch == VNETENC_EPOCH);
}

bool
vnetenc_responder_input_alert(struct vnetenc_responder *session,
                              const uint8_t *data, size_t size,
                              long long int now)
{
    uint8_t copy[VNETENC_MAX_DATAGRAM_BYTES];
    size_t plain_size;
    uint8_t *plain;

    /* Opening spoils its input, which may belong to a handshake, so a copy is
     * opened. */
    if (!is_sealed_alert(data, size) || size > sizeof copy) {
        return false;
    }
    memcpy(copy, data, size);
    if (vnetenc_open_record(session->rx, copy, size, VNETENC_RECORD_ALERT,
                            &plain, &plain_size)) {
        return false;
    }
    /* Records may still be on their way, so the key stays a little longer. */
    session->forget_at = MIN(session->forget_at, now + VNETENC_LINGER_MS);
    return true;
}

/* Seals 'size' bytes at 'plain', as a record of 'type', and sends it. */
static void
send_record(const struct vnetenc_responder *session, uint8_t type,
            const void *plain, size_t size, long long int now)
{
    uint8_t record[VNETENC_MAX_HEAD_BYTES + VNETENC_MESSAGE_BYTES
                   + VNETENC_TAG_BYTES];
    size_t n = vnetenc_seal_record(session->tx, type, plain, size, record,
                                   sizeof record);

    if (n) {
        vnetenc_post(&session->path, session->socket, session->lane_port,
                     record, n, now);
    }
}

void
vnetenc_responder_reply(struct vnetenc_responder *session, uint64_t echo,
                        long long int now)
{
    uint8_t message[VNETENC_MESSAGE_BYTES];

    vnetenc_message_build(VNETENC_MESSAGE_REPLY, echo, message);
    send_record(session, VNETENC_RECORD_DATA, message, sizeof message, now);
}

/* Ends 'session' soon if the profile has lost its cipher.  Returns false if
 * the session must end now. */
static bool
judge_cipher(struct vnetenc_responder *session, long long int now)
{
    const struct vnetenc_cred *cred
        = vnetenc_profile_get(session->path.profile)->cred;

    if ((cred && vnetenc_cred_has_cipher_info(cred, session->rx->cipher))
        || session->forget_at != LLONG_MAX) {
        return true;
    }
    /* The first record shows that the client has our last flight, and that the
     * key is ours alone. */
    if (!vnetenc_responder_traffic(session).n_records
        || !vnetenc_responder_release(session)) {
        return false;
    }
    send_record(session, VNETENC_RECORD_ALERT, vnetenc_message_close_notify,
                sizeof vnetenc_message_close_notify, now);
    session->forget_at = now + VNETENC_LINGER_MS;
    return true;
}

bool
vnetenc_responder_run(struct vnetenc_responder *session, long long int now)
{
    uint64_t n_records = vnetenc_responder_traffic(session).n_records;

    if (n_records != session->n_records) {
        session->n_records = n_records;
        session->heard_at = now;
    }
    if (now >= session->forget_at
        || now >= session->heard_at + VNETENC_IDLE_MS
        || responder_n_forged(session) >= VNETENC_MAX_FAILED_OPENS) {
        return false;
    }
    vnetenc_peer_has_session(session->peer, now);
    if (session->handshake
        && (n_records
            || now >= vnetenc_handshake_deadline_ms(session->handshake))) {
        return vnetenc_responder_release(session);
    }
    return true;
}

/* Judgement and status. */

bool
vnetenc_responder_is_due(const struct vnetenc_responder *session)
{
    return vnetenc_peer_has_changed(session->peer, session->path.profile,
                                    &session->judged);
}

static void
log_refusal(const struct vnetenc_responder *session, const char *reason)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(60, 60);
    struct ds s = DS_EMPTY_INITIALIZER;

    ipv6_format_mapped(&session->path.remote, &s);
    VLOG_WARN_RL(&rl, "%s profile %"PRIu8": a session that the peer began "
                 "ends: peer no longer accepted: %s", ds_cstr(&s),
                 session->path.profile, reason);
    ds_destroy(&s);
}

/* The peer of 'session' is no longer accepted for 'reason', of which it takes
 * ownership. */
static void
end_for(const struct vnetenc_responder *session, char *reason,
        long long int now)
{
    log_refusal(session, reason);
    session->peer->failed_at = now;
    vnetenc_peer_set_error(session->peer, VNETENC_IN, reason);
}

bool
vnetenc_responder_judge(struct vnetenc_responder *session, bool in_full,
                        long long int now)
{
    char *reason;

    if (vnetenc_peer_judge_live(session->peer, session->path.profile,
                                session->chain, in_full, &reason)) {
        if (in_full) {
            session->judged = vnetenc_peer_version(session->peer,
                                                   session->path.profile);
        }
        return judge_cipher(session, now);
    }
    end_for(session, reason, now);
    return false;
}

bool
vnetenc_responder_judge_member(struct vnetenc_responder *session,
                               long long int now)
{
    char *reason = vnetenc_trust_judge_member(&session->peer->trust,
                                              session->path.profile);

    if (!reason) {
        return true;
    }
    vnetenc_peer_refused_member(session->peer, &session->path);
    end_for(session, reason, now);
    return false;
}

void
vnetenc_responder_note_refusal(const struct vnetenc_responder *session)
{
    struct vnetenc_path_key path = session->path;

    if (vnetenc_handshake_refused_member(session->handshake)) {
        path.profile = vnetenc_handshake_profile(session->handshake);
        vnetenc_peer_refused_member(session->peer, &path);
    }
}

static void
up_status(const struct vnetenc_responder *session,
          struct vnetenc_session_status *status)
{
    vnetenc_cert_fingerprint_format(
        vnetenc_cert_chain_fingerprint(session->chain), status->fingerprint);
    status->traffic = vnetenc_responder_traffic(session);
    status->n_failed = responder_n_forged(session);
    status->suite = session->suite;
    status->provider = vnetenc_aead_key_provider(session->rx->key);
}

void
vnetenc_responder_status(const struct vnetenc_responder *session,
                         struct vnetenc_session_status *status,
                         long long int now)
{
    *status = (struct vnetenc_session_status) {
        .direction = VNETENC_IN,
        .peer = session->peer,
        .path = &session->path,
        .state = (!session->rx ? "handshaking"
                  : session->forget_at != LLONG_MAX ? "closing"
                  : "up"),
        .lane_port = session->lane_port,
        .age_ms = now - session->since,
        .former_key = session->n_keys != vnetenc_next_key_n_used(),
    };
    if (session->rx) {
        up_status(session, status);
    }
}
