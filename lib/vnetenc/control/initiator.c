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
#include "vnetenc/control/initiator.h"
#include <limits.h>
#include <string.h>
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/bridge/message.h"
#include "vnetenc/control/dgram.h"
#include "vnetenc/control/handshake.h"
#include "vnetenc/control/keys.h"
#include "vnetenc/control/mtu.h"
#include "vnetenc/control/post.h"
#include "vnetenc/control/session-status.h"
#include "vnetenc/control/socket.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc/packet/open.h"
#include "vnetenc/packet/seal.h"
#include "vnetenc/trust/cred.h"
#include "vnetenc/trust/next-key.h"
#include "vnetenc/trust/profile.h"

/* Output. */

static void
session_send(struct vnetenc_initiator *session, const void *data, size_t size)
{
    const struct vnetenc_path_key *path = session->path;

    session->send_error
        = vnetenc_socket_send(vnetenc_socket_of_lease(session->lease),
                              &path->remote, path->dtls_port, data, size);
}

/* Sends a probe, sealed as the 'size' bytes at 'record', with data. */
static void
session_post(struct vnetenc_initiator *session, const void *record,
             size_t size, long long int now)
{
    vnetenc_post(session->path, vnetenc_socket_of_lease(session->lease),
                 session->path->dtls_port, record, size, now);
}

static void
session_send_record(struct vnetenc_initiator *session, uint8_t type,
                    const void *plain, size_t size)
{
    uint8_t record[VNETENC_MAX_HEAD_BYTES + VNETENC_MESSAGE_BYTES
                   + VNETENC_TAG_BYTES];
    size_t n = vnetenc_seal_record(session->tx, type, plain, size, record,
                                   sizeof record);

    if (n) {
        session_send(session, record, n);
    }
}

void
vnetenc_initiator_flush(struct vnetenc_initiator *session)
{
    struct ofpbuf *b;

    while ((b = vnetenc_handshake_pop_output(session->handshake))) {
        session_send(session, b->data, b->size);
        ofpbuf_delete(b);
    }
}

struct vnetenc_traffic_counts
vnetenc_initiator_traffic(const struct vnetenc_initiator *session)
{
    struct vnetenc_traffic_counts traffic;

    vnetenc_tx_sum(session->tx, &traffic.n_records, &traffic.n_bytes);
    return traffic;
}

static void
session_add_up(const struct vnetenc_initiator *session)
{
    struct vnetenc_traffic_counts *sum = &session->peer->ended[VNETENC_OUT];
    struct vnetenc_traffic_counts traffic = vnetenc_initiator_traffic(session);

    sum->n_records += traffic.n_records;
    sum->n_bytes += traffic.n_bytes;
}

/* Handshakes begin, and grow old. */

static unsigned int n_young;

unsigned int
vnetenc_initiator_n_young(void)
{
    return n_young;
}

static void
session_is_born(struct vnetenc_initiator *session)
{
    session->young = true;
    session->peer->n_young++;
    n_young++;
}

static void
session_grows_old(struct vnetenc_initiator *session)
{
    if (session->young) {
        session->young = false;
        session->peer->n_young--;
        n_young--;
    }
}

void
vnetenc_initiator_run_age(struct vnetenc_initiator *session,
                          long long int now)
{
    if (now >= session->since + vnetenc_rtt_timeout(&session->peer->rtt,
                                                    VNETENC_STUCK_MS)) {
        session_grows_old(session);
    }
}

bool
vnetenc_initiator_is_doubtful(const struct vnetenc_initiator *session,
                              long long int now)
{
    return (vnetenc_handshake_was_refused(session->handshake)
            || (session->heard_at
                && now >= session->heard_at + vnetenc_rtt_timeout(
                    vnetenc_handshake_rtt(session->handshake),
                    VNETENC_STUCK_MS)));
}

void
vnetenc_initiator_destroy(struct vnetenc_initiator *session, long long int now)
{
    if (session->handshake) {
        session->peer->n_attempts--;
        session_grows_old(session);
        vnetenc_handshake_destroy(session->handshake);
    }
    if (session->tx) {
        session_add_up(session);
        vnetenc_tx_retire(session->tx);
    }
    if (session->rx) {
        vnetenc_rx_destroy(session->rx);
    }
    vnetenc_cert_chain_destroy(session->chain);
    vnetenc_socket_return(session->lease, now);
    free(session->suite);
    free(session);
}

void
vnetenc_initiator_send_close_notify(struct vnetenc_initiator *session)
{
    session_send_record(session, VNETENC_RECORD_ALERT,
                        vnetenc_message_close_notify,
                        sizeof vnetenc_message_close_notify);
}

/* Begin. */

struct vnetenc_initiator *
vnetenc_initiator_create(const struct vnetenc_path_key *path,
                         struct vnetenc_peer *peer, uint32_t mark,
                         void *owner, long long int now, char **error)
{
    struct vnetenc_initiator *session = xzalloc(sizeof *session);

    session->lease = vnetenc_socket_lease(&path->local, &path->remote, mark,
                                          session, now, error);
    if (!session->lease) {
        free(session);
        return NULL;
    }
    session->owner = owner;
    session->path = path;
    session->peer = peer;
    session->since = now;
    session->serial = vnetenc_profile_get(path->profile)->own_serial;
    session->n_keys = vnetenc_next_key_n_used();
    session->handshake = vnetenc_handshake_initiate(&vnetenc_peer_lookup,
                                                    &path->remote,
                                                    path->profile, now);
    peer->n_attempts++;
    session_is_born(session);
    return session;
}

/* The client's key seals data, the server's opens replies. */
static bool
make_halves(struct vnetenc_initiator *session,
            const struct vnetenc_keys *keys)
{
    const struct vnetenc_path_key *path = session->path;
    ovs_be16 port
        = vnetenc_socket_port(vnetenc_socket_of_lease(session->lease));
    struct vnetenc_record_key traffic;

    traffic = vnetenc_keys_get(keys, true);
    session->tx = vnetenc_tx_create(&traffic, port, session->life.end_seq,
                                    session->life.end_bytes);
    if (session->tx) {
        vnetenc_tx_set_fd(session->tx, vnetenc_socket_dup(session->lease));
    }
    vnetenc_record_key_wipe(&traffic);
    traffic = vnetenc_keys_get(keys, false);
    traffic.single = true;
    session->rx = vnetenc_rx_create(&traffic, path, port);
    vnetenc_record_key_wipe(&traffic);
    return session->tx && session->rx;
}

bool
vnetenc_initiator_establish(struct vnetenc_initiator *session,
                            long long int now)
{
    const struct vnetenc_profile *profile
        = vnetenc_profile_get(session->path->profile);
    struct vnetenc_dgram_nonces nonces;
    struct vnetenc_keys keys;
    bool ok;

    session->end_at = LLONG_MAX;
    vnetenc_lifetime_init(&session->life, &profile->config, now);
    vnetenc_probe_init(&session->probe, now);
    vnetenc_peer_take_rtt(session->peer,
                          vnetenc_handshake_rtt(session->handshake));
    session->since = now;
    session->suite = xstrdup(vnetenc_handshake_suite(session->handshake));
    session->chain = vnetenc_handshake_take_peer(session->handshake);

    vnetenc_handshake_take_keys(session->handshake, &keys);
    vnetenc_initiator_flush(session);
    /* One owner: libssl's object is freed before our code gets the key. */
    nonces = vnetenc_handshake_nonces(session->handshake);
    vnetenc_handshake_destroy(session->handshake);
    session->handshake = NULL;
    session->peer->n_attempts--;
    session_grows_old(session);
    ok = make_halves(session, &keys);
    vnetenc_keys_wipe(&keys);
    return (ok && session->chain
            && (!session->tx->makes_nonces
                || vnetenc_dgram_nonces_apart(&nonces,
                                              session->tx->first_nonce)));
}

bool
vnetenc_initiator_is_outdated(const struct vnetenc_initiator *session)
{
    return (session->serial
            != vnetenc_profile_get(session->path->profile)->own_serial);
}

void
vnetenc_initiator_send_probe(struct vnetenc_initiator *session,
                             long long int now)
{
    uint8_t message[VNETENC_MESSAGE_BYTES];
    uint8_t record[VNETENC_MAX_HEAD_BYTES + sizeof message
                   + VNETENC_TAG_BYTES];
    size_t n;

    vnetenc_message_build(VNETENC_MESSAGE_PROBE, session->probe.echo, message);
    n = vnetenc_seal_record(session->tx, VNETENC_RECORD_DATA, message,
                            sizeof message, record, sizeof record);
    if (n) {
        session_post(session, record, n, now);
    }
    vnetenc_probe_sent(&session->probe,
                       vnetenc_initiator_traffic(session).n_records, now);
}

void
vnetenc_initiator_send_long_probe(struct vnetenc_initiator *session,
                                  size_t ip_size, uint64_t echo,
                                  long long int now)
{
    size_t headers = (UDP_HEADER_LEN
                      + (IN6_IS_ADDR_V4MAPPED(&session->path->remote)
                         ? IP_HEADER_LEN : IPV6_HEADER_LEN));
    size_t added = headers + vnetenc_record_overhead(session->tx->cipher);
    uint8_t *plain, *record;
    size_t size, n;

    if (ip_size < added + VNETENC_MESSAGE_BYTES) {
        return;
    }
    size = ip_size - added;
    plain = xzalloc(size);
    record = xmalloc(ip_size);
    vnetenc_message_build(VNETENC_MESSAGE_PROBE, echo, plain);
    n = vnetenc_seal_record(session->tx, VNETENC_RECORD_DATA, plain, size,
                            record, ip_size);
    if (n) {
        session_post(session, record, n, now);
    }
    free(plain);
    free(record);
}

static void
session_input_data(struct vnetenc_initiator *session, uint8_t *data,
                   size_t size, long long int now)
{
    size_t plain_size;
    uint8_t *plain;
    uint64_t echo;

    if (vnetenc_open_record(session->rx, data, size, VNETENC_RECORD_DATA,
                            &plain, &plain_size)) {
        vnetenc_drop_count(VNETENC_DROP_ctl_unexpected, 1);
    } else if (vnetenc_message_parse(plain, plain_size,
                                     VNETENC_MESSAGE_REPLY, &echo)) {
        long long int took = vnetenc_probe_reply(&session->probe, echo, now);

        if (took >= 0) {
            vnetenc_rtt_sample(&session->peer->rtt, took);
        }
        if (session->mtu) {
            vnetenc_mtu_reply(session->mtu, echo, now);
        }
    } else if (!vnetenc_message_is(plain, plain_size)) {
        vnetenc_drop_count(VNETENC_DROP_ctl_app_data, 1);
    }
}

/* A sealed alert ends the session, whatever its description; one in clear is
 * only a hint. */
static void
session_input_alert(struct vnetenc_initiator *session, uint8_t *data,
                    size_t size, long long int now)
{
    size_t plain_size;
    uint8_t *plain;

    if (vnetenc_message_is_hint(data, size)) {
        if (vnetenc_probe_hint(&session->probe, now)) {
            session->peer->n_hints++;
        }
    } else if (vnetenc_open_record(session->rx, data, size,
                                   VNETENC_RECORD_ALERT, &plain,
                                   &plain_size)) {
        vnetenc_drop_count(VNETENC_DROP_ctl_unexpected, 1);
    } else {
        vnetenc_probe_close(&session->probe, now);
    }
}

void
vnetenc_initiator_input(struct vnetenc_initiator *session, uint8_t *data,
                        size_t size, long long int now)
{
    if (data[0] == VNETENC_RECORD_DATA) {
        session_input_data(session, data, size, now);
    } else if (data[0] == VNETENC_RECORD_ALERT) {
        session_input_alert(session, data, size, now);
    } else {
        vnetenc_drop_count(VNETENC_DROP_ctl_unexpected, 1);
    }
}

/* Judgement and status. */

bool
vnetenc_initiator_is_over(const struct vnetenc_initiator *session,
                          long long int now)
{
    uint64_t next_seq;

    atomic_read_relaxed(&session->tx->next_seq, &next_seq);
    return (session->probe.lost
            || vnetenc_lifetime_is_over(
                &session->life, next_seq,
                vnetenc_initiator_traffic(session).n_bytes, now));
}

bool
vnetenc_initiator_is_trusted(const struct vnetenc_initiator *session,
                             bool in_full, char **reason)
{
    return vnetenc_peer_judge_live(session->peer, session->path->profile,
                                   session->chain, in_full, reason);
}

void
vnetenc_initiator_judge_cipher(struct vnetenc_initiator *session,
                               long long int at)
{
    const struct vnetenc_cred *cred
        = vnetenc_profile_get(session->path->profile)->cred;

    if (cred && vnetenc_cred_has_cipher_info(cred, session->tx->cipher)) {
        session->end_at = LLONG_MAX;
    } else {
        session->end_at = MIN(session->end_at, at);
    }
}

void
vnetenc_initiator_status(const struct vnetenc_initiator *session,
                         struct vnetenc_session_status *status,
                         long long int now)
{
    vnetenc_cert_fingerprint_format(
        vnetenc_cert_chain_fingerprint(session->chain), status->fingerprint);
    status->traffic = vnetenc_initiator_traffic(session);
    status->lane_port = session->tx->lane_port;
    status->suite = session->suite;
    status->provider = vnetenc_aead_key_provider(session->tx->key);
    status->age_ms = now - session->since;
    status->former_key = session->n_keys != vnetenc_next_key_n_used();
}

