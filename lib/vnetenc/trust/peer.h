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

#ifndef VNETENC_PEER_H
#define VNETENC_PEER_H 1

/* Peers, as the control thread knows them
 * =======================================
 *
 * A peer is a VNetEnc_Peer row: the rule by which its certificate is judged,
 * its counters and its last error.  The packet path knows the peer's gate
 * (bridge/gate.h), which the peer publishes and takes back.
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/hmap.h"
#include "vnetenc/trust/cert.h"
#include "vnetenc/trust/lookup.h"
#include "vnetenc/trust/trust.h"

struct vnetenc_config;
struct vnetenc_gate;
struct vnetenc_path_key;

enum vnetenc_direction {
    VNETENC_OUT,                /* We initiate, and seal. */
    VNETENC_IN,                 /* The peer initiates, we open. */
    VNETENC_N_DIRECTIONS
};

struct vnetenc_traffic_counts {
    uint64_t n_records;
    uint64_t n_bytes;
};

struct vnetenc_peer {
    struct hmap_node node;      /* In all peers, by address. */
    struct vnetenc_trust trust;
    bool changed;               /* By the newest configuration. */
    struct vnetenc_gate *gate;  /* Published. */
    char *config_error;         /* A bad value in the row, or NULL. */
    unsigned int mtu;           /* Of the underlay.  0: find out. */
    bool no_split;              /* Drop what is too long for it. */

    /* Why the newest handshake failed, by who initiated it.  NULL: it did
     * not. */
    char *errors[VNETENC_N_DIRECTIONS];
    long long int failed_at;    /* Newest error of a stranger's handshake. */

    /* Of the newest session towards the peer. */
    char *suite;                /* Or NULL. */
    char fingerprint[VNETENC_FINGERPRINT_TEXT_BYTES];   /* Or "". */

    /* Counters. */
    uint64_t n_handshakes;      /* Finished, both directions. */
    uint64_t n_failures;        /* Failed, both directions. */
    uint64_t n_rekeys;          /* Sessions that replaced one. */
    uint64_t n_lost;            /* Sessions whose peer went silent. */
    uint64_t n_hints;           /* Obeyed. */

    /* Of sessions that are gone. */
    struct vnetenc_traffic_counts ended[VNETENC_N_DIRECTIONS];

    uint64_t n_dropped;         /* Paths gone: packets without a session. */
    uint64_t n_clear;           /* Likewise: that left in clear. */
    uint64_t n_split;           /* Likewise: that were split. */

    bool configured;            /* Temporary. */

    /* Limits. */
    unsigned int n_attempts;    /* Handshakes that we initiate now. */
    unsigned int n_young;       /* Those of them that began just now. */
    unsigned int n_half_open;   /* Handshakes that it initiates now. */
};

/* Takes over what 'config' says of peers.  Peers that are in use may end;
 * '*ended' is called for each before it goes.  Returns true if a peer could
 * be judged otherwise than before. */
bool vnetenc_peers_configure(const struct vnetenc_config *,
                             void (*ended)(struct vnetenc_peer *));

/* Frees all peers, which nothing may use any more. */
void vnetenc_peers_destroy(void);

/* The peer with a tunnel address, or NULL.  Good until the next
 * vnetenc_peers_configure(). */
struct vnetenc_peer *vnetenc_peer_find(const struct in6_addr *);

/* Iteration, in no order. */
const struct hmap *vnetenc_peers(void);

/* Takes ownership of 'error', which may be NULL. */
void vnetenc_peer_set_error(struct vnetenc_peer *, enum vnetenc_direction,
                            char *error);

/* A handshake failed that somebody began in the name of 'peer'.  Strangers
 * can do that as often as they like, so it is taken up slowly. */
void vnetenc_peer_stranger_failed(struct vnetenc_peer *,
                                  const char *reason, long long int now);

/* True if what was configured last could change the judgement of sessions of
 * 'path' with the peer: its row, or the credentials of the profile. */
bool vnetenc_peer_has_changed(const struct vnetenc_peer *peer,
                              const struct vnetenc_path_key *path);

/* Returns the error to show the operator first, or NULL if all is well. */
const char *vnetenc_peer_error(const struct vnetenc_peer *);

/* Answers handshakes: the peers' trust, the profiles' credentials. */
extern const struct vnetenc_lookup vnetenc_peer_lookup;

#endif /* vnetenc/trust/peer.h */
