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
#include "vnetenc/control/watch.h"
#include <limits.h>
#include <stdlib.h>
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/control/announce.h"
#include "vnetenc/control/incoming.h"
#include "vnetenc/control/outgoing.h"
#include "vnetenc/control/session-status.h"
#include "vnetenc/trust/alarms.h"
#include "vnetenc/trust/peer.h"
#include "vnetenc/trust/profile.h"

/* Returns how the log names 'peer', to be freed by the caller. */
static char *
name_of(const struct vnetenc_peer *peer)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_cstr(&s, "peer ");
    ipv6_format_mapped(&peer->trust.remote_ip, &s);
    if (peer->trust.name && peer->trust.name[0]) {
        ds_put_format(&s, " (%s)", peer->trust.name);
    }
    return ds_steal_cstr(&s);
}

/* What is seen at one look, summed up in each peer. */

/* The counters of sessions and paths that are gone. */
static void
begin_look(struct vnetenc_peer *peer)
{
    struct vnetenc_peer_watch *watch = &peer->watch;

    watch->down = false;
    watch->former_clear = watch->n_clear;
    watch->former_forged = watch->n_forged;
    watch->n_clear = peer->n_clear;
    watch->n_forged = peer->n_forged;
}

static void
add_session(const struct vnetenc_session_status *session,
            void *aux OVS_UNUSED)
{
    struct vnetenc_peer *peer = CONST_CAST(struct vnetenc_peer *,
                                           session->peer);

    peer->watch.down |= session->down;
    peer->watch.n_clear += session->n_clear;
    peer->watch.n_forged += session->n_failed;
}

/* Returns true if forgeries have been many at each look for
 * VNETENC_FORGED_MS. */
static bool
is_under_attack(struct vnetenc_peer_watch *watch, long long int now)
{
    if (watch->n_forged - watch->former_forged <= VNETENC_FORGED_PER_LOOK) {
        watch->forged_since = 0;
    } else if (!watch->forged_since) {
        watch->forged_since = now;
    }
    return (watch->forged_since
            && now >= watch->forged_since + VNETENC_FORGED_MS);
}

static uint32_t
find_causes(struct vnetenc_peer *peer, long long int now)
{
    struct vnetenc_peer_watch *watch = &peer->watch;
    uint32_t causes = 0;

    if (watch->down) {
        causes |= VNETENC_ALARM_BIT(down);
    }
    if (watch->n_clear > watch->former_clear) {
        causes |= VNETENC_ALARM_BIT(fallback);
    }
    if (vnetenc_peer_is_refused(peer)) {
        causes |= VNETENC_ALARM_BIT(refused);
    }
    if (is_under_attack(watch, now)) {
        causes |= VNETENC_ALARM_BIT(forged);
    }
    return causes;
}

/* Returns true if an alarm of 'peer' has changed. */
static bool
end_look(struct vnetenc_peer *peer, long long int now)
{
    uint32_t causes = find_causes(peer, now);
    bool changed = false;

    if (causes || peer->watch.alarms.raised) {
        char *whose = name_of(peer);

        changed = vnetenc_alarms_update(&peer->watch.alarms, causes, whose,
                                        vnetenc_peer_error(peer), now);
        free(whose);
    }
    return changed;
}

/* Returns true if an alarm has changed. */
static bool
look(long long int now)
{
    struct vnetenc_peer *peer;
    bool changed = false;

    HMAP_FOR_EACH (peer, node, vnetenc_peers()) {
        begin_look(peer);
    }
    vnetenc_outgoing_for_each(add_session, NULL, now);
    vnetenc_incoming_for_each(add_session, NULL, now);
    HMAP_FOR_EACH (peer, node, vnetenc_peers()) {
        changed |= end_look(peer, now);
    }
    changed |= vnetenc_profiles_watch(now);
    return changed;
}

long long int
vnetenc_watch_run(long long int now)
{
    static long long int next = LLONG_MIN;

    if (now >= next) {
        next = now + VNETENC_WATCH_MS;
        if (look(now)) {
            vnetenc_announce();
        }
        vnetenc_alarms_run(now);
    }
    return next;
}

void
vnetenc_watch_end(struct vnetenc_peer *peer, long long int now)
{
    char *whose = name_of(peer);

    vnetenc_alarms_end(&peer->watch.alarms, whose, now);
    free(whose);
}
