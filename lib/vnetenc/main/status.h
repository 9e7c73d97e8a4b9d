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

#ifndef VNETENC_STATUS_H
#define VNETENC_STATUS_H 1

/* Status of peers and sessions
 * ============================
 *
 * A status is a snapshot of all peers and sessions, for main/show.h and
 * main/ovsdb.h.  Its pointers are borrowed: they are valid while
 * vnetenc_control_mutex is held.
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include "vnetenc/control/session-status.h"

/* Counters of a peer, over all its sessions since it was configured. */
#define VNETENC_PEER_COUNTERS                                               \
    VNETENC_PEER_COUNTER(handshakes)    /* Finished, from both sides. */    \
    VNETENC_PEER_COUNTER(failures)      /* Failed, from both sides. */      \
    VNETENC_PEER_COUNTER(rekeys)        /* Sessions to it replaced. */      \
    VNETENC_PEER_COUNTER(lost)          /* Times it stopped answering. */   \
    VNETENC_PEER_COUNTER(hints)         /* Its hints obeyed. */             \
    VNETENC_PEER_COUNTER(tx_records)                                        \
    VNETENC_PEER_COUNTER(tx_bytes)                                          \
    VNETENC_PEER_COUNTER(tx_dropped)                                        \
    VNETENC_PEER_COUNTER(tx_clear)                                          \
    VNETENC_PEER_COUNTER(tx_split)      /* Packets sealed in two halves. */ \
    VNETENC_PEER_COUNTER(rx_records)                                        \
    VNETENC_PEER_COUNTER(rx_bytes)                                          \
    VNETENC_PEER_COUNTER(rx_failed)     /* Forged records. */

enum vnetenc_peer_counter {
#define VNETENC_PEER_COUNTER(NAME) VNETENC_PEER_##NAME,
    VNETENC_PEER_COUNTERS
#undef VNETENC_PEER_COUNTER
    VNETENC_N_PEER_COUNTERS
};

/* States of a session to a peer. */
enum { VNETENC_N_STATES = 4 };

/* Returns the rank of 'state', from 1 for "up" to VNETENC_N_STATES for the
 * worst state, or 0 if 'state' is NULL or not a state of a session to a
 * peer. */
unsigned int vnetenc_status_rank(const char *state);

/* Names of the counters in the database. */
extern const char *const vnetenc_peer_counter_names[VNETENC_N_PEER_COUNTERS];

struct vnetenc_peer_status {
    const struct vnetenc_peer *peer;
    const char *state;          /* The worst of its lanes, NULL if none. */
    uint64_t counters[VNETENC_N_PEER_COUNTERS];
};

struct vnetenc_status {
    struct vnetenc_peer_status *peers;          /* By address. */
    size_t n_peers;
    struct vnetenc_session_status *sessions;    /* By address first. */
    size_t n_sessions;
    uint64_t totals[VNETENC_N_PEER_COUNTERS];   /* Over all peers, and those
                                                 * that were removed. */
};

/* Collects the status of all peers and sessions.  'now' is the time in ms, as
 * of time_msec().  The caller frees the members with
 * vnetenc_status_uninit(). */
void vnetenc_status_init(struct vnetenc_status *, long long int now);

/* Frees the members of a status. */
void vnetenc_status_uninit(struct vnetenc_status *);

/* Returns the status of the peer with the address 'remote', which belongs to
 * the status of all, or NULL if there is no such peer. */
struct vnetenc_peer_status *vnetenc_status_find_peer(
    const struct vnetenc_status *, const struct in6_addr *remote);

#endif /* vnetenc/main/status.h */
