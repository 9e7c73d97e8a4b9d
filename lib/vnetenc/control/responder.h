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

#ifndef VNETENC_RESPONDER_H
#define VNETENC_RESPONDER_H 1

/* One session from a peer
 * =======================
 *
 * This file keeps a session from its second ClientHello until the session is
 * forgotten: the handshake, then the keys, and the replies to the peer's
 * probes.  It is the twin of control/initiator.h.  control/incoming.c decides
 * which sessions there are and which of them replaces another.
 *
 * Half-open: 'handshake' runs, 'rx' is NULL.
 *
 * Up: 'rx' is set, and is published before the last flight leaves.
 * 'handshake' stays until the client's first record shows that it has that
 * flight; until then libssl may retransmit the flight, and 'tx' seals nothing
 * (PROTOCOL.md section 3).
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"
#include "vnetenc/bridge/path.h"
#include "vnetenc/trust/peer.h"

struct vnetenc_cert_chain;
struct vnetenc_handshake;
struct vnetenc_session_status;
struct vnetenc_socket;

struct vnetenc_responder {
    struct vnetenc_path_key path;   /* With the profile when up. */
    ovs_be16 lane_port;
    struct vnetenc_peer *peer;  /* Outlives this. */
    struct vnetenc_socket *socket;  /* Likewise. */
    long long int since;        /* When half-open, then when up. */
    long long int heard_at;     /* Newest authenticated record. */
    unsigned int n_keys;        /* vnetenc_next_key_n_used() when begun. */
    struct vnetenc_handshake *handshake;    /* NULL: released. */
    struct vnetenc_half_open *half_open;    /* Published; NULL: up. */
    long long int flight_at;    /* The handshake's newest output. */

    /* Up. */
    struct vnetenc_rx *rx;      /* Opens data.  The owner publishes it. */
    struct vnetenc_tx *tx;      /* Seals replies, once released. */
    struct vnetenc_cert_chain *chain;
    struct vnetenc_peer_version judged;     /* By which it is accepted. */
    char *suite;
    uint64_t n_records;         /* Opened until the last run. */
    long long int forget_at;    /* LLONG_MAX until the peer ends it. */
};

/* Makes a half-open session on 'path' and 'lane_port', which takes ownership
 * of 'handshake'.  'now', here and below, is in monotonic milliseconds. */
struct vnetenc_responder *vnetenc_responder_create(
    const struct vnetenc_path_key *, ovs_be16 lane_port, struct vnetenc_peer *,
    struct vnetenc_socket *, struct vnetenc_handshake *handshake,
    long long int now);

/* Frees the session.  If it is up, it is removed from the packet path, and its
 * keys are freed when that has quiesced. */
void vnetenc_responder_destroy(struct vnetenc_responder *);

/* Returns the number of half-open sessions of all peers.  'peer->n_half_open'
 * is the number of one peer. */
unsigned int vnetenc_responder_n_half_open(void);

/* Sends the output of the handshake. */
void vnetenc_responder_flush(struct vnetenc_responder *, long long int now);

/* Returns true if 'data' repeats the ClientHello that this handshake already
 * answers.  Returns false for NULL and for a session without a handshake. */
bool vnetenc_responder_owns_hello(const struct vnetenc_responder *,
                                  const uint8_t *data, size_t size);

/* Returns true if the rate limit admits one more ClientHello that this
 * handshake owns, and the flight that answers it was not sent within
 * VNETENC_HANDSHAKE_TIMER_MS: a client that waits repeats its ClientHello, and
 * when its turn comes, all repetitions are there. */
bool vnetenc_responder_admit_hello(struct vnetenc_responder *,
                                   long long int now);

/* Turns a half-open session whose handshake is DONE into one that is up.  The
 * caller publishes the session and only then flushes it.  Returns false, with
 * the session still half-open, if the cipher cannot be set up. */
bool vnetenc_responder_establish(struct vnetenc_responder *,
                                 long long int now)
    OVS_WARN_UNUSED_RESULT;

/* Lets the packet path open what arrives on a session that is up. */
void vnetenc_responder_publish(struct vnetenc_responder *);

/* Frees libssl's object, which could retransmit the last flight until now:
 * from here on the server's key is ours.  Does nothing if the object is gone.
 * Returns false if that key must not be used; the caller then destroys the
 * session. */
bool vnetenc_responder_release(struct vnetenc_responder *)
    OVS_WARN_UNUSED_RESULT;

/* Logs and counts that the handshake failed for 'reason'.  The caller then
 * destroys the session. */
void vnetenc_responder_failed(struct vnetenc_responder *, const char *reason,
                              long long int now);

/* Takes a sealed alert as the end of a session that is up, whatever its
 * description.  Returns false if 'data', which is never changed, is no alert
 * that our record code can open. */
bool vnetenc_responder_input_alert(struct vnetenc_responder *,
                                   const uint8_t *data, size_t size,
                                   long long int now);

/* Answers a probe (PROTOCOL.md section 4).  Only after
 * vnetenc_responder_release(). */
void vnetenc_responder_reply(struct vnetenc_responder *, uint64_t echo,
                             long long int now);

/* Runs the timers of a session that is up, every VNETENC_TICK_MS.  Returns
 * false if the session is over; the caller then destroys it. */
bool vnetenc_responder_run(struct vnetenc_responder *, long long int now)
    OVS_WARN_UNUSED_RESULT;

/* Returns the records and plaintext bytes of a session that is up. */
struct vnetenc_traffic_counts vnetenc_responder_traffic(
    const struct vnetenc_responder *);

/* Returns true if the judgement of a session that is up may have changed. */
bool vnetenc_responder_is_due(const struct vnetenc_responder *);

/* Judges a session that is up; unless 'in_full', by pins and cipher alone.
 * Returns false if the session must end now; if its peer is no longer
 * accepted, the reason becomes the error of the peer.  If the profile has lost
 * its cipher, the session ends soon: the peer is told, sealed, and may use it
 * until it has another one, for VNETENC_LINGER_MS. */
bool vnetenc_responder_judge(struct vnetenc_responder *, bool in_full,
                             long long int now)
    OVS_WARN_UNUSED_RESULT;

/* Returns false if the peer of a session that is up is no member of its
 * profile; the caller then destroys the session.  The refusal becomes the
 * error of the peer. */
bool vnetenc_responder_judge_member(struct vnetenc_responder *,
                                    long long int now)
    OVS_WARN_UNUSED_RESULT;

/* If the handshake FAILED because the peer is no member of the profile, has
 * the peer remember that, so that this host calls it when it is one. */
void vnetenc_responder_note_refusal(const struct vnetenc_responder *);

/* Fills in the status.  The pointers in it are into the session. */
void vnetenc_responder_status(const struct vnetenc_responder *,
                              struct vnetenc_session_status *,
                              long long int now);

#endif /* vnetenc/control/responder.h */
