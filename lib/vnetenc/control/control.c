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
#include "vnetenc/control/control.h"
#include <limits.h>
#include "connectivity.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovs-atomic.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "seq.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/bridge/halves.h"
#include "vnetenc/bridge/inbox.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/rx.h"
#include "vnetenc/bridge/vni.h"
#include "vnetenc/control/announce.h"
#include "vnetenc/control/execute.h"
#include "vnetenc/control/icmp.h"
#include "vnetenc/control/incoming.h"
#include "vnetenc/control/judge.h"
#include "vnetenc/control/keylog.h"
#include "vnetenc/control/outgoing.h"
#include "vnetenc/control/post.h"
#include "vnetenc/control/release.h"
#include "vnetenc/control/session-status.h"
#include "vnetenc/control/socket.h"
#include "vnetenc/control/watch.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc/trust/configuration.h"
#include "vnetenc/trust/next-key.h"
#include "vnetenc/trust/peer.h"
#include "vnetenc/trust/profile.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_control);

struct ovs_mutex vnetenc_control_mutex = OVS_MUTEX_INITIALIZER;

static struct vnetenc_config *next_config
    OVS_GUARDED_BY(vnetenc_control_mutex);
static bool exiting OVS_GUARDED_BY(vnetenc_control_mutex);
static struct atomic_count n_waiting = ATOMIC_COUNT_INIT(0);
static bool running;            /* Main thread. */
static pthread_t thread;        /* Main thread. */

/* Configuration. */

static void
peer_ended(struct vnetenc_peer *peer)
{
    vnetenc_outgoing_end(peer, time_msec());
    vnetenc_incoming_end(peer);
    vnetenc_watch_end(peer, time_msec());
}

static void
take_config(long long int now)
    OVS_REQUIRES(vnetenc_control_mutex)
{
    struct vnetenc_config *config = next_config;
    bool changed;

    if (!config) {
        return;
    }
    next_config = NULL;
    vnetenc_vni_set(config->vnis, config->n_vnis);
    vnetenc_vni_set_drop_unlisted(config->drop_unlisted);
    changed = vnetenc_profiles_configure(config);
    changed |= vnetenc_peers_configure(config, peer_ended);
    vnetenc_judge_members(now);
    if (changed) {
        vnetenc_judge(now);
    }
    vnetenc_gates_set_loaded();
    vnetenc_config_destroy(config);
}

static void
note_former_key(const struct vnetenc_session_status *session, void *any_)
{
    bool *any = any_;

    *any |= session->former_key;
}

/* Withdraws the fingerprint of the host's former key once no session needs
 * it, or should need it: peers end a session that does. */
static void
forget_former_key(long long int now)
{
    bool any = false;

    if (!vnetenc_next_key_former()) {
        return;
    }
    vnetenc_outgoing_for_each(note_former_key, &any, now);
    vnetenc_incoming_for_each(note_former_key, &any, now);
    if (vnetenc_next_key_may_forget(now, any)) {
        if (any) {
            VLOG_WARN("the fingerprint of the former key is withdrawn, though "
                      "peers did not replace all sessions that began with it");
        }
        vnetenc_next_key_forget();
        seq_change(connectivity_seq_get());
    }
}

static long long int
refresh(long long int now)
{
    static long long int next = LLONG_MIN;

    if (now >= next) {
        next = now + VNETENC_REFRESH_MS;
        if (vnetenc_profiles_refresh()) {
            vnetenc_judge(now);
        }
        forget_former_key(now);
    }
    return next;
}

/* Input. */

/* Returns true if a handshake of a peer's began. */
static bool
take_event(struct vnetenc_event *event, long long int now)
{
    switch (event->type) {
    case VNETENC_EV_WANT:
        vnetenc_outgoing_want(&event->path, now);
        break;
    case VNETENC_EV_HELLO:
        return vnetenc_incoming_hello(&event->path, event->remote_port,
                                      event->data, event->size,
                                      event->posted_at, now);
    case VNETENC_EV_DATAGRAM:
        vnetenc_incoming_input(&event->path, event->remote_port, event->data,
                               event->size, now);
        break;
    case VNETENC_EV_PROBE:
        vnetenc_incoming_probe(&event->path, event->remote_port, event->echo,
                               now);
        break;
    case VNETENC_EV_UNKNOWN:
        vnetenc_incoming_unknown(&event->path, event->remote_port);
        break;
    case VNETENC_EV_TOO_LONG:
        vnetenc_icmp_answer(&event->path, event->data, event->size);
        break;
    case VNETENC_EV_HELD:
        /* VNETENC_EV_WANT is posted at most every 10 ms for a peer, perhaps
         * for another profile, so it is repeated here. */
        vnetenc_outgoing_want(&event->path, now);
        vnetenc_release_take(event->echo, now);
        break;
    }
    return false;
}

/* Handshakes that run have priority over those that begin.  A host that is
 * short of processor time would otherwise begin all that its peers want and
 * end none before its peers lose patience and begin again. */
static void
take_events(void)
{
    struct vnetenc_event event;
    int n_begun = 0;

    for (int i = 0; i < VNETENC_KNOWN_BURST
         && vnetenc_inbox_take(VNETENC_INBOX_KNOWN, &event); i++) {
        take_event(&event, time_msec());
    }
    for (int i = 0; i < VNETENC_STRANGER_BURST
         && vnetenc_inbox_take(VNETENC_INBOX_STRANGERS, &event); i++) {
        take_event(&event, time_msec());
    }
    for (int i = 0; i < VNETENC_HELLO_BURST && n_begun < VNETENC_BEGIN_BURST
         && vnetenc_inbox_take(VNETENC_INBOX_HELLOS, &event); i++) {
        n_begun += take_event(&event, time_msec());
    }
    for (int i = 0; i < VNETENC_GUEST_BURST
         && vnetenc_inbox_take(VNETENC_INBOX_GUESTS, &event); i++) {
        take_event(&event, time_msec());
    }
}

/* Takes a datagram from a responder's socket.  It came in IP fragments, which
 * the datapath does not pop and the kernel joins.  The rules of the datapath
 * apply to it as well. */
static void
take_joined(struct vnetenc_socket *sock, const struct in6_addr *remote,
            ovs_be16 remote_port, uint8_t *data, size_t size,
            long long int now)
{
    const struct vnetenc_path_key path = {
        .local = *vnetenc_socket_local(sock),
        .remote = *remote,
        .dtls_port = vnetenc_socket_port(sock),
    };
    struct vnetenc_gate *gate = vnetenc_gate_find(remote);

    if (!gate) {
        vnetenc_drop_count(VNETENC_DROP_rx_unknown_source, 1);
    } else if (!vnetenc_gate_admit_joined(gate, now)) {
        vnetenc_drop_count(VNETENC_DROP_rx_rate, 1);
    } else if (!vnetenc_record_is_control(data[0])) {
        vnetenc_drop_count(VNETENC_DROP_ctl_unexpected, 1);
    } else {
        vnetenc_incoming_input(&path, remote_port, data, size, now);
    }
}

static void
take_datagram(struct vnetenc_socket *sock, struct vnetenc_lease *lease,
              const struct in6_addr *remote, ovs_be16 remote_port,
              uint8_t *data, size_t size, long long int now)
{
    if (!size) {
        vnetenc_drop_count(VNETENC_DROP_ctl_unexpected, 1);
    } else if (lease) {
        vnetenc_outgoing_input(lease, remote, remote_port, data, size, now);
    } else {
        take_joined(sock, remote, remote_port, data, size, now);
    }
}

/* The thread. */

/* Frees halves of packets that have waited too long, see bridge/halves.h.
 * Returns when to call again, at the latest. */
static long long int
sweep(long long int now)
{
    static long long int next = LLONG_MIN;

    if (now >= next) {
        next = now + VNETENC_JOIN_SWEEP_MS;
        vnetenc_rx_sweep(now);
    }
    return vnetenc_halves_n_bytes() ? next : now + VNETENC_REFRESH_MS;
}

/* Does all work that is due.  Returns when to call again, at the latest.
 * Handshakes take time, so each step reads the clock: a flight that was sent
 * meanwhile must not count as old. */
static long long int
run(void)
    OVS_REQUIRES(vnetenc_control_mutex)
{
    long long int next, wake, now;

    take_config(time_msec());
    take_events();
    vnetenc_sockets_run(take_datagram, time_msec());
    now = time_msec();
    wake = refresh(now);
    /* MIN() is a macro, which would call a function twice. */
    next = vnetenc_judge_run(now);
    wake = MIN(wake, next);
    next = vnetenc_outgoing_run(now);
    wake = MIN(wake, next);
    next = vnetenc_release_run(vnetenc_execute, vnetenc_outgoing_patience,
                               now);
    wake = MIN(wake, next);
    next = vnetenc_post_run(now);
    wake = MIN(wake, next);
    vnetenc_sockets_close_unused(now);
    next = vnetenc_incoming_run(now);
    wake = MIN(wake, next);
    next = vnetenc_watch_run(now);
    wake = MIN(wake, next);
    next = sweep(now);
    wake = MIN(wake, next);
    next = vnetenc_announce_run(now);
    wake = MIN(wake, next);
    next = vnetenc_keylog_run(now);
    return MIN(wake, next);
}

/* A mutex is not fair: the thread that released it can take it again before a
 * thread that waits for it is awake. */
static void
let_others_in(void)
{
    if (atomic_count_get(&n_waiting)) {
        xnanosleep(100 * 1000);
    }
}

static void *
control_main(void *aux OVS_UNUSED)
{
    for (;;) {
        ovs_mutex_lock(&vnetenc_control_mutex);
        if (exiting) {
            ovs_mutex_unlock(&vnetenc_control_mutex);
            return NULL;
        }
        poll_timer_wait_until(run());
        vnetenc_sockets_wait();
        ovs_mutex_unlock(&vnetenc_control_mutex);

        let_others_in();
        vnetenc_inbox_wait();
        poll_block();
    }
}

void
vnetenc_control_lock(void)
{
    atomic_count_inc(&n_waiting);
    ovs_mutex_lock(&vnetenc_control_mutex);
    atomic_count_dec(&n_waiting);
}

void
vnetenc_control_unlock(void)
{
    ovs_mutex_unlock(&vnetenc_control_mutex);
}

void
vnetenc_control_start(void)
{
    if (!running) {
        running = true;
        thread = ovs_thread_create("vnetenc", control_main, NULL);
    }
}

void
vnetenc_control_stop(void)
{
    if (!running) {
        return;
    }
    vnetenc_control_lock();
    exiting = true;
    vnetenc_control_unlock();
    vnetenc_inbox_wake();
    xpthread_join(thread, NULL);

    /* Datapath threads may still forward packets.  They must not mistake a
     * peer that is removed below for a host that never was a peer. */
    vnetenc_gates_unset_loaded();
    ovsrcu_synchronize();
    ovs_mutex_lock(&vnetenc_control_mutex);
    vnetenc_keylog_off();
    vnetenc_outgoing_end(NULL, time_msec());
    vnetenc_incoming_end(NULL);
    vnetenc_peers_destroy();
    vnetenc_profiles_destroy();
    vnetenc_post_end();
    vnetenc_sockets_destroy();
    vnetenc_config_destroy(next_config);
    next_config = NULL;
    ovs_mutex_unlock(&vnetenc_control_mutex);

    /* Once no thread sees a peer, no thread posts a packet for one. */
    ovsrcu_synchronize();
    ovs_mutex_lock(&vnetenc_control_mutex);
    vnetenc_release_end();
    vnetenc_execute_end();
    exiting = false;
    ovs_mutex_unlock(&vnetenc_control_mutex);
    running = false;
}

void
vnetenc_control_configure(struct vnetenc_config *config)
{
    vnetenc_control_lock();
    vnetenc_config_destroy(next_config);
    next_config = config;
    vnetenc_control_unlock();
    vnetenc_inbox_wake();
}
