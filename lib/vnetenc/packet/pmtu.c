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
#include "vnetenc/packet/pmtu.h"
#include <string.h>
#include "flow.h"
#include "odp-util.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/bridge/inbox.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/rate.h"

/* No guest may use up the rate of others, so each port has a bucket.  Ports
 * whose numbers are equal modulo VNETENC_PMTU_PORTS share one, but no guest
 * chooses its port number.  The bucket of all ports keeps reports from
 * occupying the control thread.  A bucket of zeros is full. */
static struct vnetenc_rate of_port[VNETENC_PMTU_PORTS];
static struct vnetenc_rate of_all;

static bool
may_report(uint32_t bucket, long long int now)
{
    return (vnetenc_rate_take(&of_port[bucket % VNETENC_PMTU_PORTS], now,
                              1000000 / VNETENC_PMTU_PER_SECOND,
                              VNETENC_PMTU_BURST)
            && vnetenc_rate_take(&of_all, now,
                                 1000000 / VNETENC_PMTU_ALL_PER_SECOND,
                                 VNETENC_PMTU_ALL_PER_SECOND / 10));
}

void
vnetenc_pmtu_post(const struct vnetenc_path_key *path,
                  const struct vnetenc_pmtu_note *note, uint32_t bucket,
                  const void *data, size_t size)
{
    uint8_t event[sizeof *note + VNETENC_PMTU_HEAD_BYTES];

    if (may_report(bucket, time_msec())) {
        size = MIN(size, VNETENC_PMTU_HEAD_BYTES);
        memcpy(event, note, sizeof *note);
        memcpy(event + sizeof *note, data, size);
        vnetenc_inbox_post(VNETENC_INBOX_GUESTS, VNETENC_EV_TOO_LONG, path, 0,
                           0, event, sizeof *note + size);
    }
}

void
vnetenc_pmtu_report(const struct vnetenc_path_key *path,
                    const struct flow *flow, const void *frame, size_t size,
                    size_t max_frame)
{
    struct vnetenc_pmtu_note note;

    /* A packet that came out of a tunnel, or that Open vSwitch made, was sent
     * by no guest of this host.  After address translation, the message would
     * show the guest an address that is hidden from it, and the guest could
     * not use it. */
    if (!flow || flow_tnl_dst_is_set(&flow->tunnel)
        || flow->in_port.odp_port == ODPP_NONE
        || flow->ct_state & (CS_SRC_NAT | CS_DST_NAT)) {
        return;
    }

    memset(&note, 0, sizeof note);
    note.in_port = odp_to_u32(flow->in_port.odp_port);
    /* 'flow' may be that of another packet of the megaflow, with another
     * source.  If the packet was not routed, its own header has the source. */
    note.src = flow->dl_src;
    note.dst = flow->dl_dst;
    if (size >= 2 * ETH_ADDR_LEN && !memcmp(frame, &note.dst, ETH_ADDR_LEN)) {
        memcpy(&note.src, (const uint8_t *) frame + ETH_ADDR_LEN,
               ETH_ADDR_LEN);
    }
    for (size_t i = 0; i < VNETENC_PMTU_MAX_TAGS; i++) {
        if (flow->vlans[i].tci & htons(VLAN_CFI)) {
            note.tags[i][0] = flow->vlans[i].tpid;
            note.tags[i][1] = flow->vlans[i].tci & ~htons(VLAN_CFI);
        }
    }
    note.max_frame = max_frame;
    vnetenc_pmtu_post(path, &note, note.in_port, frame, size);
}
