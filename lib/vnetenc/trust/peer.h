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
 * (bridge/gate.h), which the peer publishes and withdraws.
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "bitmap.h"
#include "openvswitch/types.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/path.h"
#include "vnetenc/bridge/rtt.h"
#include "vnetenc/trust/alarms.h"
#include "vnetenc/trust/cert.h"
#include "vnetenc/trust/lookup.h"
#include "vnetenc/trust/trust.h"

struct vnetenc_config;
struct vnetenc_gate;

enum vnetenc_direction {
    VNETENC_OUT,                /* We initiate, and seal. */
    VNETENC_IN,                 /* The peer initiates, we open. */
    VNETENC_N_DIRECTIONS
};

struct vnetenc_traffic_counts {
    uint64_t n_records;
    uint64_t n_bytes;
};

/* A version of what sessions with a peer are judged by. */
struct vnetenc_peer_version {
    unsigned int peer;          /* Serial number of the peer's trust, */
    unsigned int profile;       /* and of the profile's credentials. */
};

/* A chain that was accepted for sessions of a profile. */
struct vnetenc_peer_accepted {
    struct vnetenc_peer_version version;
    uint8_t profile;
    uint8_t chain[VNETENC_FINGERPRINT_BYTES];   /* Its digest. */
};

/* Why handshakes of one lane of ours fail.  All zeros if they do not. */
struct vnetenc_peer_lane_error {
    struct ovs_list node;       /* In 'lane_errors' of the peer. */
    char *text;
};

/* What control/watch.c saw of a peer. */
struct vnetenc_peer_watch {
    struct vnetenc_alarms alarms;
    long long int forged_since; /* Many forgeries at each look since then, or
                                 * 0. */
    bool down;                  /* A path has long been without a session. */

    /* Since the peer was configured, at the newest look and the one before. */
    uint64_t n_clear, former_clear;     /* Packets that left in clear. */
    uint64_t n_forged, former_forged;   /* Forged records. */
};

struct vnetenc_peer {
    struct hmap_node node;      /* In all peers, by address. */
    struct vnetenc_trust trust;
    unsigned int serial;        /* Changes with 'trust'. */
    struct vnetenc_peer_accepted accepted[VNETENC_ACCEPTED];    /* By profile,
                                                         * modulo. */
    struct vnetenc_gate *gate;  /* Published. */
    char *config_error;         /* A bad value in the row, or NULL. */

    /* Profiles under which it may speak, see 'trust'. */
    bool members_changed;       /* Since vnetenc_peers_members_done(). */
    unsigned long refused[BITMAP_N_LONGS(VNETENC_N_PROFILES)];  /* Profiles of
                                 * which it was refused as no member, */
    struct vnetenc_path_key refused_path;   /* the newest time here. */

    unsigned int mtu;           /* MTU of the underlay.  0: measure it. */
    bool no_split;              /* Drop a packet that is too long for it. */
    struct vnetenc_rtt rtt;     /* Its round trip. */

    /* Why the newest handshake in each direction failed.  NULL: it did not
     * fail. */
    char *errors[VNETENC_N_DIRECTIONS];
    struct ovs_list lane_errors;    /* Of our lanes that fail, newest first:
                                     * "struct vnetenc_peer_lane_error". */
    long long int failed_at;    /* Newest error of a stranger's handshake. */
    long long int shaken_at;    /* Newest success of the peer's. */

    /* Why the peer's handshakes cannot be answered, and where.  NULL: they
     * can. */
    char *door_error;
    struct in6_addr door_local;
    ovs_be16 door_port;

    /* Of the newest session towards the peer. */
    char *suite;                /* Or NULL. */
    char fingerprint[VNETENC_FINGERPRINT_TEXT_BYTES];   /* Or "". */

    /* Counters. */
    uint64_t n_handshakes;      /* Finished, both directions. */
    uint64_t n_failures;        /* Failed, both directions. */
    uint64_t n_rekeys;          /* Sessions that replaced one. */
    uint64_t n_lost;            /* Sessions whose peer went silent. */
    uint64_t n_hints;           /* Hints that were obeyed. */

    /* Of sessions that are gone. */
    struct vnetenc_traffic_counts ended[VNETENC_N_DIRECTIONS];
    uint64_t n_forged;          /* Records of the incoming ones. */

    uint64_t n_dropped;         /* Paths gone: packets without a session. */
    uint64_t n_clear;           /* Likewise: that left in clear. */
    uint64_t n_split;           /* Likewise: that were split. */

    struct vnetenc_peer_watch watch;

    bool configured;            /* Used by vnetenc_peers_configure(). */

    /* Limits. */
    unsigned int n_attempts;    /* Handshakes that we initiate now. */
    unsigned int n_young;       /* Those of them that are young. */
    unsigned int n_half_open;   /* Handshakes that the peer initiates now. */
};

/* Applies the peers of 'config'.  Frees each peer that 'config' does not have,
 * after a call of 'ended', which must end its use.  Returns true if the
 * judgement of a peer may have changed. */
bool vnetenc_peers_configure(const struct vnetenc_config *,
                             void (*ended)(struct vnetenc_peer *));

/* Returns true if peers may speak under other profiles than when
 * vnetenc_peers_members_done() was called: those with 'members_changed'.  The
 * judgement of their certificates has not changed by that. */
bool vnetenc_peers_members_changed(void);
void vnetenc_peers_members_done(void);

/* Notes that the peer, on 'path', was refused as no member of the profile
 * there. */
void vnetenc_peer_refused_member(struct vnetenc_peer *,
                                 const struct vnetenc_path_key *path);

/* Forgets one profile of which the peer was refused as no member and is a
 * member now, and sets '*path' to the path on which that was.  Returns false
 * if there is none. */
bool vnetenc_peer_next_admitted(struct vnetenc_peer *,
                                struct vnetenc_path_key *path);

/* Frees all peers.  Nothing may use one any more. */
void vnetenc_peers_destroy(void);

/* Returns the peer with a tunnel address, or NULL.  The peer is valid until
 * the next vnetenc_peers_configure(). */
struct vnetenc_peer *vnetenc_peer_find(const struct in6_addr *);

/* Returns all peers, in no order. */
const struct hmap *vnetenc_peers(void);

/* Returns a peer of which nothing is valid but its counters, which are the
 * sums of those of all peers that were removed. */
const struct vnetenc_peer *vnetenc_peers_removed(void);

/* Sets the error of a direction to 'error', of which it takes ownership; NULL
 * means that there is none. */
void vnetenc_peer_set_error(struct vnetenc_peer *, enum vnetenc_direction,
                            char *error);

/* Notes that a handshake of the lane of ours that owns 'lane_error' failed for
 * 'error', or succeeded if 'error' is NULL.  Takes ownership of 'error'.  Also
 * call with NULL for a lane that is no longer in use. */
void vnetenc_peer_lane_failed(struct vnetenc_peer *,
                              struct vnetenc_peer_lane_error *lane_error,
                              char *error);

/* Notes that a handshake that somebody began in the name of 'peer' at 'since'
 * failed for 'reason'.  Strangers can cause that as often as they like, so the
 * error changes at most every VNETENC_FAILURE_MS, and not at all if a
 * handshake that began later has succeeded. */
void vnetenc_peer_stranger_failed(struct vnetenc_peer *, const char *reason,
                                  long long int since, long long int now);

/* Notes that a handshake that the peer began has succeeded. */
void vnetenc_peer_has_shaken(struct vnetenc_peer *, long long int now);

/* Notes that the peer has a session.  Forgets an error of a handshake that it
 * began and has not repeated for VNETENC_ERROR_MS. */
void vnetenc_peer_has_session(struct vnetenc_peer *, long long int now);

/* Notes that handshakes of the peer to 'local' and 'dtls_port' cannot be
 * answered for 'error', or can be answered if 'error' is NULL.  Takes
 * ownership of 'error'. */
void vnetenc_peer_set_door_error(struct vnetenc_peer *,
                                 const struct in6_addr *local,
                                 ovs_be16 dtls_port, char *error);

/* Returns the version of all that sessions of 'profile' with 'peer' are judged
 * by, for comparison with the one by which a session was judged. */
struct vnetenc_peer_version vnetenc_peer_version(const struct vnetenc_peer *,
                                                 uint8_t profile);

/* Returns true if sessions of 'profile' with 'peer' that were judged by the
 * version given have to be judged anew. */
bool vnetenc_peer_has_changed(const struct vnetenc_peer *, uint8_t profile,
                              const struct vnetenc_peer_version *);

/* Judges a session of 'profile' with 'peer' that is up, by the present
 * configuration.  Unless 'in_full', judges only by what takes next to no time:
 * pins, and whether the profile is there.  Returns false, and sets '*reason',
 * which the caller frees, if the peer is no longer accepted.
 *
 * A peer has many sessions, mostly with one certificate: that is verified
 * once. */
bool vnetenc_peer_judge_live(struct vnetenc_peer *, uint8_t profile,
                             const struct vnetenc_cert_chain *, bool in_full,
                             char **reason)
    OVS_WARN_UNUSED_RESULT;

/* Takes the round trip of a handshake with 'peer' that has succeeded as a
 * guess (bridge/rtt.h). */
void vnetenc_peer_take_rtt(struct vnetenc_peer *peer,
                           const struct vnetenc_rtt *rtt);

/* Returns true if the newest handshake in a direction, or of a lane, failed
 * because this host or the peer refused a certificate. */
bool vnetenc_peer_is_refused(const struct vnetenc_peer *);

/* Returns the error to show the operator first, or NULL if all is well. */
const char *vnetenc_peer_error(const struct vnetenc_peer *);

/* Answers the questions of handshakes from the peers' trust and the profiles'
 * credentials. */
extern const struct vnetenc_lookup vnetenc_peer_lookup;

#endif /* vnetenc/trust/peer.h */
