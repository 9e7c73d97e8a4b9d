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
#include "vnetenc/main/status.h"
#include <stdlib.h>
#include <string.h>
#include "util.h"
#include "vnetenc/control/incoming.h"
#include "vnetenc/control/outgoing.h"

const char *const vnetenc_peer_counter_names[VNETENC_N_PEER_COUNTERS] = {
#define VNETENC_PEER_COUNTER(NAME) [VNETENC_PEER_##NAME] = #NAME,
    VNETENC_PEER_COUNTERS
#undef VNETENC_PEER_COUNTER
};

/* States of a lane, from good to bad. */
static const char *const states[VNETENC_N_STATES] = {
    "up", "handshaking", "waiting", "lost"
};

unsigned int
vnetenc_status_rank(const char *state)
{
    for (int i = 0; i < VNETENC_N_STATES; i++) {
        if (state && !strcmp(state, states[i])) {
            return i + 1;
        }
    }
    return 0;
}

static int
compare_peers(const void *a_, const void *b_)
{
    const struct vnetenc_peer_status *a = a_, *b = b_;

    return memcmp(&a->peer->trust.remote_ip, &b->peer->trust.remote_ip,
                  sizeof a->peer->trust.remote_ip);
}

#define COMPARE(A, B)                            \
    do {                                         \
        if ((A) != (B)) {                        \
            return (A) < (B) ? -1 : 1;           \
        }                                        \
    } while (0)

static int
compare_sessions(const void *a_, const void *b_)
{
    const struct vnetenc_session_status *a = a_, *b = b_;
    int cmp = memcmp(&a->path->remote, &b->path->remote,
                     sizeof a->path->remote);

    if (cmp) {
        return cmp;
    }
    COMPARE(a->direction, b->direction);
    COMPARE(a->path->profile, b->path->profile);
    COMPARE(ntohs(a->path->dtls_port), ntohs(b->path->dtls_port));
    COMPARE(a->lane, b->lane);
    COMPARE(ntohs(a->lane_port), ntohs(b->lane_port));
    return memcmp(&a->path->local, &b->path->local, sizeof a->path->local);
}

/* Peers. */

/* Counters of sessions and paths that are gone. */
static void
init_counters(uint64_t c[VNETENC_N_PEER_COUNTERS],
              const struct vnetenc_peer *peer)
{
    c[VNETENC_PEER_handshakes] = peer->n_handshakes;
    c[VNETENC_PEER_failures] = peer->n_failures;
    c[VNETENC_PEER_rekeys] = peer->n_rekeys;
    c[VNETENC_PEER_lost] = peer->n_lost;
    c[VNETENC_PEER_hints] = peer->n_hints;
    c[VNETENC_PEER_tx_records] = peer->ended[VNETENC_OUT].n_records;
    c[VNETENC_PEER_tx_bytes] = peer->ended[VNETENC_OUT].n_bytes;
    c[VNETENC_PEER_tx_dropped] = peer->n_dropped;
    c[VNETENC_PEER_tx_clear] = peer->n_clear;
    c[VNETENC_PEER_tx_split] = peer->n_split;
    c[VNETENC_PEER_rx_records] = peer->ended[VNETENC_IN].n_records;
    c[VNETENC_PEER_rx_bytes] = peer->ended[VNETENC_IN].n_bytes;
    c[VNETENC_PEER_rx_failed] = peer->n_forged;
}

static void
init_peers(struct vnetenc_status *status)
{
    const struct vnetenc_peer *peer;

    status->peers = xcalloc(hmap_count(vnetenc_peers()) + 1,
                            sizeof *status->peers);
    HMAP_FOR_EACH (peer, node, vnetenc_peers()) {
        struct vnetenc_peer_status *s = &status->peers[status->n_peers++];

        s->peer = peer;
        init_counters(s->counters, peer);
    }
    qsort(status->peers, status->n_peers, sizeof *status->peers,
          compare_peers);
}

static void
init_totals(struct vnetenc_status *status)
{
    init_counters(status->totals, vnetenc_peers_removed());
    for (size_t i = 0; i < status->n_peers; i++) {
        for (size_t c = 0; c < VNETENC_N_PEER_COUNTERS; c++) {
            status->totals[c] += status->peers[i].counters[c];
        }
    }
}

struct vnetenc_peer_status *
vnetenc_status_find_peer(const struct vnetenc_status *status,
                         const struct in6_addr *address)
{
    const struct vnetenc_peer key = { .trust.remote_ip = *address };
    const struct vnetenc_peer_status peer = { .peer = &key };

    return bsearch(&peer, status->peers, status->n_peers,
                   sizeof *status->peers, compare_peers);
}

static void
add_up(struct vnetenc_peer_status *peer,
       const struct vnetenc_session_status *session)
{
    uint64_t *c = peer->counters;

    if (session->direction == VNETENC_IN) {
        c[VNETENC_PEER_rx_records] += session->traffic.n_records;
        c[VNETENC_PEER_rx_bytes] += session->traffic.n_bytes;
        c[VNETENC_PEER_rx_failed] += session->n_failed;
        return;
    }
    c[VNETENC_PEER_tx_records] += session->traffic.n_records;
    c[VNETENC_PEER_tx_bytes] += session->traffic.n_bytes;
    c[VNETENC_PEER_tx_dropped] += session->n_dropped;
    c[VNETENC_PEER_tx_clear] += session->n_clear;
    c[VNETENC_PEER_tx_split] += session->n_split;
    if (vnetenc_status_rank(session->state)
        > vnetenc_status_rank(peer->state)) {
        peer->state = session->state;
    }
}

/* Sessions. */

struct gathering {
    struct vnetenc_status *status;
    size_t allocated;
};

static void
gather_session(const struct vnetenc_session_status *session, void *g_)
{
    struct gathering *g = g_;
    struct vnetenc_status *status = g->status;

    if (status->n_sessions >= g->allocated) {
        status->sessions = x2nrealloc(status->sessions, &g->allocated,
                                      sizeof *status->sessions);
    }
    status->sessions[status->n_sessions++] = *session;
    add_up(vnetenc_status_find_peer(status, &session->path->remote), session);
}

void
vnetenc_status_init(struct vnetenc_status *status, long long int now)
{
    struct gathering g = { .status = status };

    memset(status, 0, sizeof *status);
    init_peers(status);
    vnetenc_outgoing_for_each(gather_session, &g, now);
    vnetenc_incoming_for_each(gather_session, &g, now);
    init_totals(status);
    if (status->n_sessions) {
        qsort(status->sessions, status->n_sessions, sizeof *status->sessions,
              compare_sessions);
    }
}

void
vnetenc_status_uninit(struct vnetenc_status *status)
{
    free(status->peers);
    free(status->sessions);
}
