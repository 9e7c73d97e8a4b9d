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
#include "vnetenc/control/outgoing.h"
#include <limits.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/bridge/rtt.h"
#include "vnetenc/control/door.h"
#include "vnetenc/control/initiator.h"
#include "vnetenc/control/lane.h"
#include "vnetenc/control/mtu.h"
#include "vnetenc/control/session-status.h"
#include "vnetenc/control/socket.h"
#include "vnetenc/trust/peer.h"
#include "vnetenc/trust/profile.h"
#include "vnetenc/trust/trust.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_outgoing);

/* A path that packets need, and its lanes. */
struct outgoing {
    struct hmap_node node;      /* In 'outgoings', by path. */
    struct vnetenc_lane_path path;
    unsigned int n_lanes;       /* In use; the others are empty. */
    struct vnetenc_lane lane[VNETENC_MAX_LANES];
    struct vnetenc_mtu mtu;
    long long int look_at;      /* For what may have changed on this host. */
    long long int age_at;       /* What packets told the mailbox. */
};

static struct hmap outgoings = HMAP_INITIALIZER(&outgoings);

/* The table. */

static struct outgoing *
outgoing_find(const struct vnetenc_path_key *key)
{
    struct outgoing *out;

    HMAP_FOR_EACH_WITH_HASH (out, node, vnetenc_path_hash(key), &outgoings) {
        if (vnetenc_path_equals(&out->path.published->key, key)) {
            return out;
        }
    }
    return NULL;
}

static unsigned int
n_lanes_of_profile(const struct vnetenc_path_key *key)
{
    return vnetenc_profile_get(key->profile)->config.n_lanes;
}

static bool
outgoing_has_attempt(const struct outgoing *out)
{
    for (unsigned int i = 0; i < VNETENC_MAX_LANES; i++) {
        if (!ovs_list_is_empty(&out->lane[i].attempts)) {
            return true;
        }
    }
    return false;
}

/* The MTU of the underlay. */

/* Notes that the interface towards the peer of 'out' has an MTU of 'mtu', 0 if
 * it is not known. */
static void
outgoing_take_mtu(struct outgoing *out, unsigned int mtu, long long int now)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

    if (mtu && mtu < VNETENC_MIN_MTU && mtu != out->mtu.device) {
        struct ds s = DS_EMPTY_INITIALIZER;

        ipv6_format_mapped(&out->path.published->key.remote, &s);
        VLOG_WARN_RL(&rl, "the interface that leads to %s has an MTU of %u: "
                     "sessions need %d", ds_cstr(&s), mtu, VNETENC_MIN_MTU);
        ds_destroy(&s);
    }
    vnetenc_mtu_set_device(&out->mtu, mtu, now);
}

/* Tells the packet path how long a packet to the peer may be and whether one
 * may be split. */
static void
outgoing_follow_mtu(struct outgoing *out)
{
    struct vnetenc_path *published = out->path.published;
    const struct vnetenc_peer *peer = out->path.peer;

    vnetenc_path_set_mtu(published, (peer->mtu ? peer->mtu
                                     : vnetenc_mtu_get(&out->mtu)));
    atomic_store_relaxed(&published->split, !peer->no_split);
}

/* Tests whether packets of the presumed length get through.  A short probe
 * accompanies each long one: if the short one is lost as well, silence proves
 * nothing about lengths. */
static void
outgoing_probe_mtu(struct outgoing *out, long long int now)
{
    struct vnetenc_initiator *session = out->lane[0].up;
    unsigned int size;
    bool busy;

    if (!session || out->path.peer->mtu) {
        return;
    }
    atomic_read_relaxed(&out->path.published->sent_long, &busy);
    size = vnetenc_mtu_run(&out->mtu, !session->probe.tries, busy,
                           vnetenc_rtt_timeout(&out->path.peer->rtt,
                                               VNETENC_MTU_PROBE_MS), now);
    if (size) {
        atomic_store_relaxed(&out->path.published->sent_long, false);
        session->mtu = &out->mtu;
        vnetenc_initiator_send_long_probe(session, size, out->mtu.echo, now);
        if (!session->probe.tries) {
            vnetenc_initiator_send_probe(session, now);
        }
    }
}

/* Lets messages wait for packets only where packets passed a moment ago. */
static void
outgoing_age_mailbox(struct outgoing *out, long long int now)
{
    if (now >= out->age_at) {
        out->age_at = now + VNETENC_TICK_MS;
        vnetenc_mailbox_age(&out->path.published->mailbox);
    }
}

/* Looks at what may have changed on this host. */
static void
outgoing_look(struct outgoing *out, long long int now)
{
    const struct vnetenc_path_key *key = &out->path.published->key;

    if (now >= out->look_at) {
        out->look_at = now + VNETENC_LOOK_MS;
        outgoing_take_mtu(out, vnetenc_mtu_of_route(&key->local,
                                                    &key->remote),
                          now);
        /* The peer will want to speak to us, too.  If another process took
         * the port, this direction works all the same. */
        vnetenc_door_open(key, out->path.peer);
    }
}

/* Begin and end of a path. */

static struct outgoing *
outgoing_create(const struct vnetenc_path_key *key, struct vnetenc_peer *peer,
                long long int now)
{
    struct outgoing *out = xzalloc(sizeof *out);

    out->n_lanes = n_lanes_of_profile(key);
    out->path.published = vnetenc_path_create(key, out->n_lanes);
    out->path.peer = peer;
    out->path.wanted_at = out->path.usable_at = now;
    for (unsigned int i = 0; i < VNETENC_MAX_LANES; i++) {
        vnetenc_lane_init(&out->lane[i], &out->path, i, now);
    }
    vnetenc_lane_path_allow_clear(&out->path, VNETENC_DROP_clear_no_session,
                                  now, VNETENC_PREFER_FIRST_MS);
    vnetenc_mtu_init(&out->mtu);
    outgoing_look(out, now);
    outgoing_follow_mtu(out);
    hmap_insert(&outgoings, &out->node, vnetenc_path_hash(key));
    return out;
}

static void
outgoing_add_up(const struct outgoing *out)
{
    const struct vnetenc_path *published = out->path.published;
    struct vnetenc_peer *peer = out->path.peer;
    uint64_t n_dropped, n_clear, n_split;

    atomic_read_relaxed(&published->n_dropped, &n_dropped);
    atomic_read_relaxed(&published->n_clear, &n_clear);
    atomic_read_relaxed(&published->n_split, &n_split);
    peer->n_split += n_split;
    peer->n_dropped += n_dropped;
    peer->n_clear += n_clear;
}

static void
outgoing_destroy(struct outgoing *out, const char *why, long long int now)
{
    for (unsigned int i = 0; i < VNETENC_MAX_LANES; i++) {
        vnetenc_lane_close(&out->lane[i], why, now);
    }
    vnetenc_peer_set_door_error(out->path.peer,
                                &out->path.published->key.local,
                                out->path.published->key.dtls_port, NULL);
    hmap_remove(&outgoings, &out->node);
    outgoing_add_up(out);
    vnetenc_path_retire(out->path.published);
    free(out);
}

/* Applies a changed number of lanes. */
static void
outgoing_resize(struct outgoing *out, long long int now)
{
    unsigned int n = n_lanes_of_profile(&out->path.published->key);

    if (n == out->n_lanes) {
        return;
    }
    atomic_store_relaxed(&out->path.published->lanes.n, n);
    for (unsigned int i = n; i < out->n_lanes; i++) {
        vnetenc_lane_close(&out->lane[i], "fewer lanes", now);
    }
    out->n_lanes = n;
}

/* Timers. */

static bool
outgoing_is_forgotten(const struct outgoing *out, long long int now)
{
    return (!out->path.n_up
            && now >= out->path.wanted_at + VNETENC_FORGET_MS);
}

/* True if 'out' begins at an address that this host has no more, and packets
 * take another path to the peer. */
static bool
outgoing_has_moved(const struct outgoing *out)
{
    const struct vnetenc_path_key *key = &out->path.published->key;
    const struct outgoing *other;

    if (vnetenc_socket_is_local(&key->local)) {
        return false;
    }
    HMAP_FOR_EACH (other, node, &outgoings) {
        if (other->path.peer == out->path.peer && other->path.n_up
            && !ipv6_addr_equals(&other->path.published->key.local,
                                 &key->local)) {
            return true;
        }
    }
    return false;
}

static long long int
run_lane(struct outgoing *out, struct vnetenc_lane *lane, long long int now)
{
    vnetenc_lane_run(lane, now);
    if (vnetenc_lane_is_usable(lane)) {
        out->path.usable_at = now;
    }
    if (vnetenc_lane_wants_session(lane, now)) {
        bool idle = !out->path.n_up && !outgoing_has_attempt(out);

        if (vnetenc_lane_may_try(lane, idle, now)) {
            vnetenc_lane_attempt(lane, now);
        }
    }
    return vnetenc_lane_wake(lane, now);
}

long long int
vnetenc_outgoing_run(long long int now)
{
    long long int wake = LLONG_MAX;
    struct outgoing *out;

    HMAP_FOR_EACH_SAFE (out, node, &outgoings) {
        if (outgoing_is_forgotten(out, now)) {
            outgoing_destroy(out, "unused", now);
            continue;
        }
        if (now >= out->look_at && outgoing_has_moved(out)) {
            outgoing_destroy(out, "another local address", now);
            continue;
        }
        outgoing_resize(out, now);
        outgoing_look(out, now);
        outgoing_follow_mtu(out);
        outgoing_age_mailbox(out, now);
        outgoing_probe_mtu(out, now);
        for (unsigned int i = 0; i < out->n_lanes; i++) {
            /* MIN() is a macro, which would call run_lane() twice. */
            long long int next = run_lane(out, &out->lane[i], now);

            wake = MIN(wake, next);
        }
    }
    return wake;
}

/* Events. */

void
vnetenc_outgoing_want(const struct vnetenc_path_key *key, long long int now)
{
    struct outgoing *out = outgoing_find(key);

    if (!out) {
        struct vnetenc_peer *peer = vnetenc_peer_find(&key->remote);

        /* A path that exists without being in 'outgoings' was made by
         * main/test-keys.c. */
        if (!peer || vnetenc_path_find(key)) {
            return;
        }
        out = outgoing_create(key, peer, now);
    }
    out->path.wanted_at = now;
}

void
vnetenc_outgoing_input(struct vnetenc_lease *lease,
                       const struct in6_addr *remote, ovs_be16 remote_port,
                       uint8_t *data, size_t size, long long int now)
{
    struct vnetenc_initiator *session = vnetenc_socket_lease_owner(lease);
    const struct vnetenc_path_key *path = session->path;

    if (remote_port != path->dtls_port
        || !ipv6_addr_equals(remote, &path->remote) || !size) {
        vnetenc_drop_count(VNETENC_DROP_ctl_unexpected, 1);
    } else {
        vnetenc_lane_input(session, data, size, now);
    }
}

/* True if an attempt waits for the first answer of a peer of which nothing is
 * known. */
static bool
outgoing_waits_for_first_answer(const struct outgoing *out)
{
    return (!out->path.peer->rtt.known && !out->path.answered_ms
            && outgoing_has_attempt(out));
}

unsigned int
vnetenc_outgoing_patience(const struct vnetenc_path_key *key)
{
    const struct outgoing *out = outgoing_find(key);

    if (!out) {
        return vnetenc_peer_find(&key->remote) ? VNETENC_HOLD_MS : 0;
    }
    return (outgoing_waits_for_first_answer(out) ? VNETENC_PREFER_FIRST_MS
            : vnetenc_lane_path_patience(&out->path, VNETENC_HOLD_MS));
}

/* Lets every lane towards 'peer' try at once, and replace its session if
 * 'rekey'.  Returns the number of these lanes. */
static unsigned int
hurry(const struct vnetenc_peer *peer, bool rekey, long long int now)
{
    struct outgoing *out;
    unsigned int n = 0;

    HMAP_FOR_EACH (out, node, &outgoings) {
        if (out->path.peer == peer) {
            for (unsigned int i = 0; i < out->n_lanes; i++) {
                vnetenc_lane_hurry(&out->lane[i], rekey, now);
            }
            n += out->n_lanes;
        }
    }
    return n;
}

void
vnetenc_outgoing_peer_is_back(const struct vnetenc_peer *peer,
                              long long int now)
{
    hurry(peer, false, now);
}

unsigned int
vnetenc_outgoing_rekey(const struct vnetenc_peer *peer, long long int now)
{
    return hurry(peer, true, now);
}

void
vnetenc_outgoing_follow_members(long long int now)
{
    struct outgoing *out;

    HMAP_FOR_EACH (out, node, &outgoings) {
        const struct vnetenc_peer *peer = out->path.peer;

        if (peer->members_changed) {
            bool member = vnetenc_trust_admits(
                &peer->trust, out->path.published->key.profile);

            for (unsigned int i = 0; i < out->n_lanes; i++) {
                vnetenc_lane_follow_member(&out->lane[i], member, now);
            }
        }
    }
}

void
vnetenc_outgoing_judge_pins(long long int now)
{
    struct outgoing *out;

    HMAP_FOR_EACH (out, node, &outgoings) {
        for (unsigned int i = 0; i < out->n_lanes; i++) {
            if (vnetenc_lane_is_due(&out->lane[i])) {
                vnetenc_lane_judge_pins(&out->lane[i], now);
            }
        }
    }
}

/* Judges the lanes of 'out' that are due, and adds to '*n' what took time.
 * Returns true if a lane was due. */
static bool
outgoing_judge(struct outgoing *out, unsigned int *n, long long int now)
{
    unsigned int n_verified = vnetenc_trust_n_verified();
    bool any = false;

    for (unsigned int i = 0; i < out->n_lanes; i++) {
        if (vnetenc_lane_is_due(&out->lane[i])) {
            any = true;
            *n += vnetenc_lane_judge(&out->lane[i], now);
        }
    }
    *n += vnetenc_trust_n_verified() - n_verified;
    return any;
}

/* Returns the path that is to be judged next, in a circle.  There must be
 * one. */
static struct outgoing *
outgoing_to_judge(void)
{
    static struct hmap_position next;
    struct hmap_node *node = hmap_at_position(&outgoings, &next);

    if (!node) {
        node = hmap_at_position(&outgoings, &next);
    }
    return CONTAINER_OF(node, struct outgoing, node);
}

bool
vnetenc_outgoing_judge(long long int now)
{
    unsigned int n = 0;
    bool any = false;

    for (size_t i = hmap_count(&outgoings);
         i > 0 && n < VNETENC_JUDGE_BURST; i--) {
        any |= outgoing_judge(outgoing_to_judge(), &n, now);
    }
    return any;
}

void
vnetenc_outgoing_end(const struct vnetenc_peer *peer, long long int now)
{
    struct outgoing *out;

    HMAP_FOR_EACH_SAFE (out, node, &outgoings) {
        if (!peer || out->path.peer == peer) {
            outgoing_destroy(out, "peer removed", now);
        }
    }
}

/* Status. */

/* Adds the counters of a path, which are shown with its first lane. */
static void
path_status(const struct vnetenc_path *published,
            struct vnetenc_session_status *status)
{
    atomic_read_relaxed(&published->n_dropped, &status->n_dropped);
    atomic_read_relaxed(&published->n_clear, &status->n_clear);
    atomic_read_relaxed(&published->n_split, &status->n_split);
    atomic_read_relaxed(&published->mtu, &status->mtu);
}

/* Nobody misses a session that is not wanted.  A lost one is: attempts to
 * replace it go on. */
static bool
path_is_down(const struct vnetenc_lane_path *path, long long int now)
{
    return ((path->n_up || now < path->wanted_at + VNETENC_WANTED_MS)
            && now >= path->usable_at + VNETENC_DOWN_MS);
}

void
vnetenc_outgoing_for_each(
    void (*cb)(const struct vnetenc_session_status *, void *aux), void *aux,
    long long int now)
{
    struct outgoing *out;

    HMAP_FOR_EACH (out, node, &outgoings) {
        for (unsigned int i = 0; i < out->n_lanes; i++) {
            struct vnetenc_session_status status;

            vnetenc_lane_status(&out->lane[i], &status, now);
            if (!i) {
                path_status(out->path.published, &status);
                status.down = path_is_down(&out->path, now);
            }
            cb(&status, aux);
        }
    }
}
