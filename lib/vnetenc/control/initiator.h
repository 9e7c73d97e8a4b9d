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

#ifndef VNETENC_INITIATOR_H
#define VNETENC_INITIATOR_H 1

/* One session towards a peer
 * ==========================
 *
 * This file keeps a session from its first ClientHello to its close_notify:
 * the handshake, then the keys, the probes and the replies to them.
 * control/lane.c decides which sessions there are and which of them the packet
 * path uses.
 *
 * Only our own limits and authenticated events end a session: probes that stay
 * unanswered, a sealed alert, a judgement after trust has changed.  An alert
 * in clear makes us probe, nothing else (PROTOCOL.md section 4).
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/list.h"
#include "vnetenc/bridge/path.h"
#include "vnetenc/bridge/rx.h"
#include "vnetenc/bridge/tx.h"
#include "vnetenc/control/lifetime.h"
#include "vnetenc/control/probe.h"
#include "vnetenc/trust/peer.h"

struct vnetenc_cert_chain;
struct vnetenc_mtu;
struct vnetenc_session_status;

struct vnetenc_initiator {
    struct ovs_list node;       /* In a list of the owner. */
    void *owner;                /* A lane. */
    const struct vnetenc_path_key *path;    /* Outlives this. */
    struct vnetenc_peer *peer;  /* Likewise. */
    struct vnetenc_lease *lease;
    long long int since;        /* When begun, then when established. */
    unsigned int serial;        /* 'own_serial' of the profile. */
    unsigned int n_keys;        /* vnetenc_next_key_n_used() when begun. */

    struct vnetenc_handshake *handshake;    /* NULL: established. */
    bool young;                 /* Counted among the young handshakes. */
    long long int heard_at;     /* Newest datagram from the peer; 0: none. */
    int send_error;             /* Why the newest was not sent, or 0. */

    /* Established. */
    struct vnetenc_tx *tx;      /* Seals data, probes, close_notify. */
    struct vnetenc_rx *rx;      /* Opens replies.  Never published. */
    struct vnetenc_cert_chain *chain;
    char *suite;
    struct vnetenc_lifetime life;
    struct vnetenc_probe probe;
    struct vnetenc_mtu *mtu;    /* The owner's, gets replies, or NULL. */
    long long int close_at;     /* For the owner. */
    long long int end_at;       /* Its cipher was withdrawn; LLONG_MAX: no. */
};

/* Begins a handshake for 'owner', which this file does not read.  All that the
 * session sends has 'mark'.  'now', here and below, is in monotonic
 * milliseconds.  Returns NULL and sets '*error', to be freed, if there is no
 * lane socket. */
struct vnetenc_initiator *vnetenc_initiator_create(
    const struct vnetenc_path_key *, struct vnetenc_peer *, uint32_t mark,
    void *owner, long long int now, char **error);

/* Frees an attempt or a session that is on no list and that new packets do not
 * find.  Its keys are freed when the packet path has quiesced. */
void vnetenc_initiator_destroy(struct vnetenc_initiator *, long long int now);

/* Sends the output of the handshake. */
void vnetenc_initiator_flush(struct vnetenc_initiator *);

/* Returns the number of young handshakes with all peers: those that began
 * within VNETENC_STUCK_MS.  'peer->n_young' is the number with one peer. */
unsigned int vnetenc_initiator_n_young(void);

/* Stops counting the handshake as young VNETENC_STUCK_MS after it began. */
void vnetenc_initiator_run_age(struct vnetenc_initiator *, long long int now);

/* Returns true if the handshake has probably failed: it was refused, or the
 * peer answered and then fell silent, as a peer that restarts in the middle
 * does.  A HelloVerifyRequest is an answer in this sense: a peer that restarts
 * has other cookies, and libssl does not take a second HelloVerifyRequest.  A
 * handshake that was never answered is not doubtful: it left no state with the
 * peer, and another would fare no better. */
bool vnetenc_initiator_is_doubtful(const struct vnetenc_initiator *,
                                   long long int now);

/* Turns an attempt whose handshake is DONE into a session, which the caller
 * publishes.  Returns false if the cipher cannot be set up; the caller then
 * destroys it. */
bool vnetenc_initiator_establish(struct vnetenc_initiator *,
                                 long long int now)
    OVS_WARN_UNUSED_RESULT;

/* The functions below are for established sessions. */

/* Takes a datagram from the peer, at least one byte long: a reply to a probe,
 * or an alert.  Spoils 'data'. */
void vnetenc_initiator_input(struct vnetenc_initiator *, uint8_t *data,
                             size_t size, long long int now);

/* Sends a probe (PROTOCOL.md section 4) and starts its timer. */
void vnetenc_initiator_send_probe(struct vnetenc_initiator *,
                                  long long int now);

/* Sends a probe with 'echo' in an IP packet of 'ip_size' bytes, whose reply
 * goes to 'mtu'.  Does nothing if 'ip_size' is too small for a probe. */
void vnetenc_initiator_send_long_probe(struct vnetenc_initiator *,
                                       size_t ip_size, uint64_t echo,
                                       long long int now);

/* Tells the peer that the session ends, so that it forgets the key. */
void vnetenc_initiator_send_close_notify(struct vnetenc_initiator *);

/* Returns the traffic of the session so far, probes included. */
struct vnetenc_traffic_counts vnetenc_initiator_traffic(
    const struct vnetenc_initiator *);

/* Returns true if a successor is due because a limit was reached or the
 * session was lost. */
bool vnetenc_initiator_is_over(const struct vnetenc_initiator *,
                               long long int now);

/* Returns true if our own certificate or the ciphers of the profile have
 * changed since the session began. */
bool vnetenc_initiator_is_outdated(const struct vnetenc_initiator *);

/* Returns false, and sets '*reason', which the caller frees, if the peer is no
 * longer accepted.  Unless 'in_full', only what costs next to nothing is
 * judged: pins, and whether the profile is there. */
bool vnetenc_initiator_is_trusted(const struct vnetenc_initiator *,
                                  bool in_full, char **reason);

/* Sets 'end_at' to 'at' if the profile has lost the session's cipher, unless
 * that was so before, or to LLONG_MAX if it has the cipher. */
void vnetenc_initiator_judge_cipher(struct vnetenc_initiator *,
                                    long long int at);

/* Fills in the status of an established session.  The pointers in it are into
 * the session. */
void vnetenc_initiator_status(const struct vnetenc_initiator *,
                              struct vnetenc_session_status *,
                              long long int now);

#endif /* vnetenc/control/initiator.h */
