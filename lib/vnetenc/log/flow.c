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
#include "vnetenc/log/flow.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/bridge/outcome.h"

/* Only the datapath knows whether packets that were to be sealed were sealed.
 * The worst that happened to a packet to the peer is said of them all. */
static struct vnetenc_flow_verdict
judge_sealed(const struct vnetenc_flow_key *key, long long int since)
{
    enum vnetenc_drop reason
        = (key->out.is_peer
           ? vnetenc_outcome_since(&key->out.peer, key->profile, since)
           : vnetenc_outcome_any_since(since));
    enum vnetenc_code code = vnetenc_drop_code(reason);

    return (struct vnetenc_flow_verdict) {
        .code = code,
        .reason = reason,
        .dropped = (code != VNETENC_CODE_X
                    && code != VNETENC_CODE_NX_FALLBACK),
        .lost = reason && code == VNETENC_CODE_X,
    };
}

struct vnetenc_flow_verdict
vnetenc_flow_judge(const struct vnetenc_flow_key *key, long long int since)
{
    struct vnetenc_flow_verdict v = {
        .code = VNETENC_CODE_UNKNOWN,
        .reason = key->reason,
    };

    switch ((enum vnetenc_flow_fate) key->fate) {
    case VNETENC_FLOW_PORT:
        v.code = (key->came_sealed ? VNETENC_CODE_X
                  : key->in.is_peer ? VNETENC_CODE_NX
                  : VNETENC_CODE_NX_LOCAL_DST);
        break;
    case VNETENC_FLOW_EXTERNAL:
        v.code = VNETENC_CODE_NX;
        break;
    case VNETENC_FLOW_SEALED:
        return judge_sealed(key, since);
    case VNETENC_FLOW_CLEAR:
        v.code = (key->reason ? vnetenc_drop_code(key->reason)
                  : VNETENC_CODE_NX);
        break;
    case VNETENC_FLOW_REFUSED:
        v.code = (key->reason ? vnetenc_drop_code(key->reason)
                  : VNETENC_CODE_NX_SW_NOT_READY);
        v.dropped = true;
        break;
    case VNETENC_FLOW_DENIED:
        v.code = (key->came_refused ? VNETENC_CODE_NX_NOT_ACCEPTED
                  : VNETENC_CODE_NX);
        v.dropped = true;
        break;
    case VNETENC_FLOW_UNKNOWN:
        break;
    }
    return v;
}

const char *
vnetenc_flow_direction(const struct vnetenc_flow_key *key)
{
    return (key->fate == VNETENC_FLOW_EXTERNAL ? "external"
            : key->out.is_peer ? "out"
            : key->in.is_peer ? "in"
            : key->fate == VNETENC_FLOW_DENIED ? "out"
            : "local");
}
