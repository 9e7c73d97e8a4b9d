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
#include "vnetenc/control/judge.h"
#include <limits.h>
#include <stdbool.h>
#include "connectivity.h"
#include "seq.h"
#include "vnetenc/control/incoming.h"
#include "vnetenc/control/outgoing.h"
#include "vnetenc/trust/peer.h"

static bool pending;

void
vnetenc_judge(long long int now)
{
    vnetenc_outgoing_judge_pins(now);
    vnetenc_incoming_judge_pins(now);
    pending = true;
    seq_change(connectivity_seq_get());
}

void
vnetenc_judge_members(long long int now)
{
    struct vnetenc_path_key path;
    struct vnetenc_peer *peer;

    if (!vnetenc_peers_members_changed()) {
        return;
    }
    vnetenc_outgoing_follow_members(now);
    vnetenc_incoming_follow_members(now);
    HMAP_FOR_EACH (peer, node, vnetenc_peers()) {
        while (peer->members_changed
               && vnetenc_peer_next_admitted(peer, &path)) {
            vnetenc_outgoing_want(&path, now);
        }
    }
    vnetenc_peers_members_done();
    seq_change(connectivity_seq_get());
}

long long int
vnetenc_judge_run(long long int now)
{
    if (pending) {
        bool out = vnetenc_outgoing_judge(now);
        bool in = vnetenc_incoming_judge(now);

        pending = out || in;
    }
    return pending ? now : LLONG_MAX;
}
