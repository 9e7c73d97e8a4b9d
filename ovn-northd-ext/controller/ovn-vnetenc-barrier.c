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

#include "ovn-vnetenc-barrier.h"

#include "lib/ofctrl-seqno.h"
#include "ofctrl.h"
#include "openvswitch/poll-loop.h"

/* How often an acknowledgement is looked for. */
enum { ACK_POLL_MS = 20 };

static void
begin(struct ovn_vnetenc_barrier *barrier)
{
    if (!barrier->typed) {
        barrier->type = ofctrl_seqno_add_type();
        barrier->typed = true;
    }
    /* Numbers begin anew with each connection, and an acknowledgement of an
     * earlier connection would count for a request whose number is not higher.
     * The loop finds a number that is higher. */
    do {
        ofctrl_seqno_update_create(barrier->type, ++barrier->seqno);
    } while (ofctrl_seqno_get_req_cfg() <= ofctrl_get_cur_cfg());
    barrier->asked = true;
}

bool
ovn_vnetenc_barrier_passed(struct ovn_vnetenc_barrier *barrier)
{
    bool passed = false;

    if (!ofctrl_is_connected()) {
        /* Requests are lost with the connection, and flows may be. */
        barrier->asked = false;
    } else if (!barrier->asked) {
        begin(barrier);
    } else {
        struct ofctrl_acked_seqnos *acked
            = ofctrl_acked_seqnos_get(barrier->type);

        passed = ofctrl_acked_seqnos_contains(acked, barrier->seqno);
        barrier->asked = !passed;
        ofctrl_acked_seqnos_destroy(acked);
    }
    if (barrier->asked) {
        /* The acknowledgement is recorded at the end of a round, and does not
         * wake the main loop. */
        poll_timer_wait(ACK_POLL_MS);
    }
    return passed;
}

void
ovn_vnetenc_barrier_reset(struct ovn_vnetenc_barrier *barrier)
{
    barrier->asked = false;
}
