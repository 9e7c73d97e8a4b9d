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

/* Packets that the control thread sends through a datapath, and the end of
 * that datapath. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/control/execute.h"

#include <unistd.h>

#include "dp-packet.h"
#include "dpif.h"
#include "dummy.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "odp-util.h"
#include "openvswitch/ofpbuf.h"
#include "ovs-numa.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/control/control.h"
#include "vnetenc-unit.h"

enum { N_ROUNDS = 50, N_PACKETS = 200 };

static struct dpif *
make_datapath(void)
{
    struct dpif *dpif;

    ovs_assert(!dpif_create_and_open("test", "dummy", &dpif));
    return dpif;
}

/* As the main thread does.  It holds the lock of the datapath's upcalls, so it
 * must release the last reference. */
static void
end_datapath(struct dpif *dpif)
{
    vnetenc_execute_pause();
    ovs_assert(!dpif_delete(dpif));
    dpif_close(dpif);
    vnetenc_execute_resume();
}

/* Sends a packet to a port that does not exist. */
static void
send_packet(enum vnetenc_drop verdict)
{
    struct dp_packet *packet = dp_packet_new(ETH_TOTAL_MIN);
    struct ofpbuf actions;

    dp_packet_put_zeros(packet, ETH_TOTAL_MIN);
    pkt_metadata_init(&packet->md, ODPP_NONE);
    ofpbuf_init(&actions, 0);
    nl_msg_put_odp_port(&actions, OVS_ACTION_ATTR_OUTPUT, u32_to_odp(7));
    vnetenc_control_lock();
    vnetenc_execute(packet, actions.data, actions.size, NULL, verdict);
    vnetenc_control_unlock();
    ofpbuf_uninit(&actions);
}

/* Sends a packet, and waits until it was counted as dropped. */
static void
send_in_vain(void)
{
    enum vnetenc_drop verdict = VNETENC_DROP_tx_no_session;
    uint64_t n = vnetenc_drop_total(verdict) + 1;

    send_packet(verdict);
    for (int i = 0; i < 30000 && vnetenc_drop_total(verdict) < n; i++) {
        ovsrcu_quiesce();
        usleep(1000);
    }
    CHECK(vnetenc_drop_total(verdict) == n);
}

/* Packets are dropped while a datapath ends, and if there is none. */
static void
test_drops(void)
{
    struct dpif *dpif = make_datapath();

    vnetenc_execute_pause();
    send_in_vain();
    vnetenc_execute_resume();
    end_datapath(dpif);
    send_in_vain();
}

/* A datapath ends while packets are sent through it.  If another thread
 * released the last reference, it would abort(). */
static void
test_end(void)
{
    for (int i = 0; i < N_ROUNDS; i++) {
        struct dpif *dpif = make_datapath();

        for (int j = 0; j < N_PACKETS; j++) {
            send_packet(VNETENC_KEEP);
        }
        end_datapath(dpif);
        ovsrcu_quiesce();
    }
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    ovs_numa_init();            /* For the number of queues. */
    dummy_enable("");
    test_drops();
    test_end();
    return unit_end();
}
