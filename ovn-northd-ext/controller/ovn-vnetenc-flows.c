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

#include "ovn-vnetenc-flows.h"

#include <limits.h>

#include "binding.h"
#include "flow.h"
#include "hash.h"
#include "hmapx.h"
#include "lflow.h"
#include "lib/ovn-sb-idl.h"
#include "lib/ovn-vnetenc-demand.h"
#include "lib/ovn-vnetenc-fields.h"
#include "local_data.h"
#include "lport.h"
#include "ofctrl.h"
#include "openvswitch/hmap.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovn/features.h"
#include "ovn/logical-fields.h"
#include "ovn-vnetenc-barrier.h"
#include "ovn-vnetenc-log.h"
#include "ovn-vnetenc-modes.h"
#include "ovn-vnetenc-rights.h"
#include "physical.h"
#include "smap.h"
#include "timeval.h"
#include "uuid.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/log/note.h"

VLOG_DEFINE_THIS_MODULE(ovn_vnetenc_flows);

BUILD_ASSERT_DECL(OFTABLE_VNETENC_TX > OFTABLE_LEARN_REMOTE_FDB);
BUILD_ASSERT_DECL(OFTABLE_VNETENC_RX < OFPTT_MAX);

enum {
    /* Table 240. */
    TX_REDIRECT = 200,
    TX_DP_REQUIRE = 190,
    TX_DP_PREFER_MUST = 180,
    TX_DP_PREFER = 170,
    TX_MUST_PROFILE = 150,
    TX_MUST = 140,
    TX_REDIRECT_YIELDS = 130,   /* Any chassis can demand this. */
    TX_PORT_PREFER = 120,
    TX_WANT_PROFILE = 100,
    TX_WANT = 90,
    TX_PREFER_YIELDS = 80,      /* Any chassis can demand this. */

    /* Table 241. */
    RX_ENCRYPTED_MUST = 130,
    RX_DP_ENCRYPTED = 120,
    RX_DP_CLEAR = 110,
    RX_ENCRYPTED = 100,

    /* Flows for packets with the must bit, above upstream's flows for the same
     * port or table. */
    NOT_IN_CLEAR = 110,

    /* Flows that cut a datapath off, above all others of their tables. */
    CUT_OFF = 200,

    /* In the egress pipeline, just below the logical flows of encryption and
     * above all others. */
    RX_LATE = 65532,
};

static struct ovn_vnetenc_modes modes = OVN_VNETENC_MODES_INITIALIZER(&modes);

/* SB_Global.nb_cfg of the last round in which the engine was not cancelled. */
static uint64_t seen_nb_cfg;

/* True if ovn_vnetenc_flows_settled() has reported 'modes.settled_at'. */
static bool told_settled;

/* True if flows may use the action and the tunnel flag.  The value belongs to
 * the flows that were computed last, because the support of Open vSwitch may
 * change between two runs. */
static bool supported;

/* As 'supported', for the credentials of networks. */
static bool obeys_credentials;

/* Owner of the flows that depend on modes. */
static struct uuid vnetenc_uuid;

/* Changes when 'modes' do. */
static unsigned int generation;

/* Acknowledgement by Open vSwitch of flows that were computed while encryption
 * was 'supported'. */
static struct {
    bool done;
    struct ovn_vnetenc_barrier barrier;
} installed;

/* Returns true if tables 240 and 241 have rows. */
static bool
has_rows(void)
{
    return supported || modes.n_demanding;
}

/* Actions. */

static void
put_resubmit(uint8_t table_id, struct ofpbuf *ofpacts)
{
    struct ofpact_resubmit *resubmit = ofpact_put_RESUBMIT(ofpacts);

    resubmit->in_port = OFPP_IN_PORT;
    resubmit->table_id = table_id;
}

/* Appends actions that set the demand at the tunnel, and that tell the
 * receiver whether the packet must be encrypted again if it is forwarded
 * through another tunnel. */
static void
put_demand(struct ovn_vnetenc_demand demand, enum mf_field_id mff_ovn_geneve,
           struct ofpbuf *ofpacts)
{
    if (mff_ovn_geneve) {
        put_load(demand.mode == VNETENC_REQUIRE, mff_ovn_geneve,
                 OVN_VNETENC_GENEVE_MUST_BIT, 1, ofpacts);
    }

    struct ofpact_vnetenc *vnetenc = ofpact_put_VNETENC(ofpacts);
    vnetenc->mode = demand.mode;
    vnetenc->profile = demand.profile;
}

/* Returns the mark for packets that arrive for 'dp' in clear. */
static enum ovn_vnetenc_rx
rx_of_clear(const struct ovn_vnetenc_dp *dp)
{
    return (dp && dp->tx.mode == VNETENC_REQUIRE && dp->rx != VNETENC_REQUIRE
            ? OVN_VNETENC_RX_ADMITTED : OVN_VNETENC_RX_CLEAR);
}

static void
put_rx_clear(enum ovn_vnetenc_rx rx, struct ofpbuf *ofpacts)
{
    put_load((uint32_t) rx << OVN_VNETENC_RX_OFS, MFF_LOG_VNETENC, 0, 32,
             ofpacts);
}

static void
put_rx_encrypted(enum mf_field_id mff_ovn_geneve, struct ofpbuf *ofpacts)
{
    put_load((OVN_VNETENC_RX_ENCRYPTED << OVN_VNETENC_RX_OFS)
             | (1 << OVN_VNETENC_WANT_BIT), MFF_LOG_VNETENC, 0, 32, ofpacts);
    if (mff_ovn_geneve) {
        struct ofpact_reg_move *move = ofpact_put_REG_MOVE(ofpacts);

        move->src.field = mf_from_id(mff_ovn_geneve);
        move->src.ofs = OVN_VNETENC_GENEVE_MUST_BIT;
        move->src.n_bits = 1;
        move->dst.field = mf_from_id(MFF_LOG_VNETENC);
        move->dst.ofs = OVN_VNETENC_MUST_BIT;
        move->dst.n_bits = 1;
    }
}

void
ovn_vnetenc_put_tx(struct ofpbuf *ofpacts)
{
    if (supported) {
        put_resubmit(OFTABLE_VNETENC_TX, ofpacts);
    }
}

/* VXLAN cannot carry the must bit, so this sets the bit for every packet that
 * arrives through it.  Table 241 reads the bit only of an encrypted packet,
 * and sets the whole register. */
void
ovn_vnetenc_put_rx(enum chassis_tunnel_type type, struct ofpbuf *ofpacts)
{
    if (!has_rows()) {
        return;
    }
    if (supported && type == VXLAN) {
        put_load(1, MFF_LOG_VNETENC, OVN_VNETENC_MUST_BIT, 1, ofpacts);
    }
    put_resubmit(OFTABLE_VNETENC_RX, ofpacts);
}

/* Flows. */

static void
add_flow(struct ovn_desired_flow_table *flow_table, uint8_t table_id,
         uint16_t priority, uint32_t cookie, const struct match *match,
         struct ofpbuf *ofpacts, const struct uuid *uuid)
{
    ofctrl_add_flow(flow_table, table_id, priority, cookie, match, ofpacts,
                    uuid);
    ofpbuf_clear(ofpacts);
}

static void
match_rx(struct match *match, enum ovn_vnetenc_rx rx)
{
    const uint32_t mask = ((1u << OVN_VNETENC_RX_BITS) - 1)
                          << OVN_VNETENC_RX_OFS;

    match_set_reg_masked(match, MFF_LOG_VNETENC - MFF_REG0,
                         (uint32_t) rx << OVN_VNETENC_RX_OFS, mask);
}

static void
match_bit(struct match *match, int bit)
{
    match_set_reg_masked(match, MFF_LOG_VNETENC - MFF_REG0, 1u << bit,
                         1u << bit);
}

static void
add_tx_dp_flows(const struct ovn_vnetenc_dp *dp,
                enum mf_field_id mff_ovn_geneve, struct ofpbuf *ofpacts,
                struct ovn_desired_flow_table *flow_table)
{
    bool require = dp->tx.mode == VNETENC_REQUIRE;
    struct match match = MATCH_CATCHALL_INITIALIZER;

    match_set_metadata(&match, htonll(dp->key));
    put_demand(dp->tx, mff_ovn_geneve, ofpacts);
    add_flow(flow_table, OFTABLE_VNETENC_TX,
             require ? TX_DP_REQUIRE : TX_DP_PREFER, dp->cookie, &match,
             ofpacts, &vnetenc_uuid);
    if (!require) {
        struct ovn_vnetenc_demand demand = {
            .mode = VNETENC_REQUIRE,
            .profile = dp->tx.profile,
        };
        match_bit(&match, OVN_VNETENC_MUST_BIT);
        put_demand(demand, mff_ovn_geneve, ofpacts);
        add_flow(flow_table, OFTABLE_VNETENC_TX, TX_DP_PREFER_MUST,
                 dp->cookie, &match, ofpacts, &vnetenc_uuid);
    }
}

/* Adds the row for a carried bit in packets of 'dp' or, if 'dp' is NULL, in
 * all others: a packet that must be encrypted never falls through to
 * "clear". */
static void
add_tx_carried_flow(const struct ovn_vnetenc_dp *dp, int bit,
                    enum vnetenc_mode mode, uint16_t priority,
                    enum mf_field_id mff_ovn_geneve, struct ofpbuf *ofpacts,
                    struct ovn_desired_flow_table *flow_table)
{
    struct match match = MATCH_CATCHALL_INITIALIZER;
    struct ovn_vnetenc_demand demand = { .mode = mode };

    if (dp) {
        match_set_metadata(&match, htonll(dp->key));
        demand.profile = dp->tx.profile;
    }
    match_bit(&match, bit);
    put_demand(demand, mff_ovn_geneve, ofpacts);
    add_flow(flow_table, OFTABLE_VNETENC_TX, priority, dp ? dp->cookie : 0,
             &match, ofpacts, &vnetenc_uuid);
}

/* Adds the rows of a datapath that has a profile but demands nothing by
 * itself. */
static void
add_tx_profile_flows(const struct ovn_vnetenc_dp *dp,
                     enum mf_field_id mff_ovn_geneve, struct ofpbuf *ofpacts,
                     struct ovn_desired_flow_table *flow_table)
{
    add_tx_carried_flow(dp, OVN_VNETENC_MUST_BIT, VNETENC_REQUIRE,
                        TX_MUST_PROFILE, mff_ovn_geneve, ofpacts, flow_table);
    add_tx_carried_flow(dp, OVN_VNETENC_WANT_BIT, VNETENC_PREFER,
                        TX_WANT_PROFILE, mff_ovn_geneve, ofpacts, flow_table);
}

static void
add_tx_fixed_flows(enum mf_field_id mff_ovn_geneve, struct ofpbuf *ofpacts,
                   struct ovn_desired_flow_table *flow_table)
{
    add_tx_carried_flow(NULL, OVN_VNETENC_MUST_BIT, VNETENC_REQUIRE, TX_MUST,
                        mff_ovn_geneve, ofpacts, flow_table);
    add_tx_carried_flow(NULL, OVN_VNETENC_WANT_BIT, VNETENC_PREFER, TX_WANT,
                        mff_ovn_geneve, ofpacts, flow_table);

    struct match match = MATCH_CATCHALL_INITIALIZER;
    put_demand((struct ovn_vnetenc_demand) { .mode = VNETENC_OFF },
               mff_ovn_geneve, ofpacts);
    add_flow(flow_table, OFTABLE_VNETENC_TX, 0, 0, &match, ofpacts,
             &vnetenc_uuid);
}

/* Adds the two rows of table 241 for 'dp', or for all other datapaths if 'dp'
 * is NULL. */
static void
add_rx_flows(const struct ovn_vnetenc_dp *dp, enum mf_field_id mff_ovn_geneve,
             struct ofpbuf *ofpacts, struct ovn_desired_flow_table *flow_table)
{
    uint32_t cookie = dp ? dp->cookie : 0;
    struct match match = MATCH_CATCHALL_INITIALIZER;

    if (dp) {
        match_set_metadata(&match, htonll(dp->key));
    }
    put_rx_clear(rx_of_clear(dp), ofpacts);
    add_flow(flow_table, OFTABLE_VNETENC_RX, dp ? RX_DP_CLEAR : 0, cookie,
             &match, ofpacts, &vnetenc_uuid);

    match_set_tun_flags_masked(&match, FLOW_TNL_F_VNETENC, FLOW_TNL_F_VNETENC);
    put_rx_encrypted(mff_ovn_geneve, ofpacts);
    add_flow(flow_table, OFTABLE_VNETENC_RX,
             dp ? RX_DP_ENCRYPTED : RX_ENCRYPTED, cookie, &match, ofpacts,
             &vnetenc_uuid);
}

/* Adds the row of table 241 for packets that arrive encrypted through a tunnel
 * that cannot carry the must bit: they get the bit. */
static void
add_rx_must_flow(struct ofpbuf *ofpacts,
                 struct ovn_desired_flow_table *flow_table)
{
    struct match match = MATCH_CATCHALL_INITIALIZER;

    match_bit(&match, OVN_VNETENC_MUST_BIT);
    match_set_tun_flags_masked(&match, FLOW_TNL_F_VNETENC, FLOW_TNL_F_VNETENC);
    put_load((OVN_VNETENC_RX_ENCRYPTED << OVN_VNETENC_RX_OFS)
             | (1 << OVN_VNETENC_WANT_BIT) | (1 << OVN_VNETENC_MUST_BIT),
             MFF_LOG_VNETENC, 0, 32, ofpacts);
    add_flow(flow_table, OFTABLE_VNETENC_RX, RX_ENCRYPTED_MUST, 0, &match,
             ofpacts, &vnetenc_uuid);
}

/* Cuts off a datapath that requires encryption from all tunnels, because Open
 * vSwitch cannot encrypt; or, because it does not obey the credential of the
 * datapath, refuses what arrives, which any chassis could send under profile
 * 0, but for clear packets of a datapath without a demand.  An arriving packet
 * is moved to datapath 0, which does not exist. */
static void
add_cut_off_flows(const struct ovn_vnetenc_dp *dp, struct ofpbuf *ofpacts,
                  struct ovn_desired_flow_table *flow_table)
{
    struct match match = MATCH_CATCHALL_INITIALIZER;

    match_set_metadata(&match, htonll(dp->key));
    if (!supported) {
        vnetenc_note_put(ofpacts, VNETENC_NOTE_UNABLE);
        put_resubmit(OFTABLE_LOCAL_OUTPUT, ofpacts);
        add_flow(flow_table, OFTABLE_REMOTE_OUTPUT, CUT_OFF, dp->cookie,
                 &match, ofpacts, &vnetenc_uuid);
        vnetenc_note_put(ofpacts, VNETENC_NOTE_UNABLE);
        add_flow(flow_table, OFTABLE_FLOOD_REMOTE_CHASSIS, CUT_OFF, dp->cookie,
                 &match, ofpacts, &vnetenc_uuid);
        ovn_vnetenc_log_add_cut_off_flow(dp, CUT_OFF + 1, ofpacts, flow_table,
                                         &vnetenc_uuid);
    } else if (dp->tx.mode == VNETENC_OFF) {
        match_set_tun_flags_masked(&match, FLOW_TNL_F_VNETENC,
                                   FLOW_TNL_F_VNETENC);
    }
    put_load(0, MFF_LOG_DATAPATH, 0, 64, ofpacts);
    add_flow(flow_table, OFTABLE_VNETENC_RX, CUT_OFF, dp->cookie, &match,
             ofpacts, &vnetenc_uuid);
}

/* Keeps packets that must be encrypted away from an EVPN fabric, which cannot
 * be encrypted.  Table 45 has no other purpose.  The flow matches the packets
 * of 'dp' or, if 'dp' is NULL, those that carry the must bit. */
static void
add_evpn_guard(const struct ovn_vnetenc_dp *dp, struct ofpbuf *ofpacts,
               struct ovn_desired_flow_table *flow_table)
{
    struct match match = MATCH_CATCHALL_INITIALIZER;

    if (dp) {
        match_set_metadata(&match, htonll(dp->key));
    } else {
        match_bit(&match, OVN_VNETENC_MUST_BIT);
    }
    put_resubmit(OFTABLE_LOCAL_OUTPUT, ofpacts);
    add_flow(flow_table, OFTABLE_REMOTE_VTEP_OUTPUT, NOT_IN_CLEAR,
             dp ? dp->cookie : 0, &match, ofpacts, &vnetenc_uuid);
}

/* Sends packets that arrived in clear to the egress pipeline, which drops and
 * counts them.  They bypass the flows by which network functions return
 * packets: those flows would forward them through a tunnel, encrypted, as if
 * they belonged to the switch.
 *
 * The flow must not match admitted packets, because they need this table for
 * their conntrack zones and for flooding.  See add_function_port_flow(). */
static void
add_function_guard(const struct ovn_vnetenc_dp *dp, struct ofpbuf *ofpacts,
                   struct ovn_desired_flow_table *flow_table)
{
    struct match match = MATCH_CATCHALL_INITIALIZER;

    match_set_metadata(&match, htonll(dp->key));
    match_rx(&match, OVN_VNETENC_RX_CLEAR);
    put_resubmit(OFTABLE_LOG_EGRESS_PIPELINE, ofpacts);
    add_flow(flow_table, OFTABLE_LOCAL_OUTPUT, CUT_OFF, dp->cookie, &match,
             ofpacts, &vnetenc_uuid);
}

/* Drops packets that arrived in clear, as a logical flow does.  When a switch
 * gets its first port here, that logical flow may come later than the flows
 * that the switch shares with others, which exist already and would admit the
 * packets. */
static void
add_late_guard(const struct ovn_vnetenc_dp *dp, struct ofpbuf *ofpacts,
               struct ovn_desired_flow_table *flow_table)
{
    struct match match = MATCH_CATCHALL_INITIALIZER;

    match_set_metadata(&match, htonll(dp->key));
    match_rx(&match, OVN_VNETENC_RX_CLEAR);
    vnetenc_note_put(ofpacts, VNETENC_NOTE_CLEAR);
    add_flow(flow_table, OFTABLE_LOG_EGRESS_PIPELINE, RX_LATE, dp->cookie,
             &match, ofpacts, &vnetenc_uuid);

    /* Another, settling switch on the way may have admitted the packet. */
    if (dp->rx == VNETENC_REQUIRE) {
        match_rx(&match, OVN_VNETENC_RX_ADMITTED);
        vnetenc_note_put(ofpacts, VNETENC_NOTE_CLEAR);
        add_flow(flow_table, OFTABLE_LOG_EGRESS_PIPELINE, RX_LATE, dp->cookie,
                 &match, ofpacts, &vnetenc_uuid);
    }
}

static void
add_flows(const struct hmap *local_datapaths, enum mf_field_id mff_ovn_geneve,
          struct ovn_desired_flow_table *flow_table)
{
    if (!has_rows()) {
        return;
    }

    struct ofpbuf ofpacts;
    ofpbuf_init(&ofpacts, 64);

    const struct ovn_vnetenc_dp *dp;
    HMAP_FOR_EACH (dp, node, &modes.dps) {
        if (!get_local_datapath(local_datapaths, dp->key)) {
            continue;
        }
        bool require = dp->tx.mode == VNETENC_REQUIRE;
        if (ovn_vnetenc_flows_cut_off(dp) && (supported || require)) {
            add_cut_off_flows(dp, &ofpacts, flow_table);
        }
        if (dp->tx.mode == VNETENC_OFF) {
            if (supported && dp->tx.profile) {
                add_tx_profile_flows(dp, mff_ovn_geneve, &ofpacts,
                                     flow_table);
            }
            continue;
        }
        if (supported) {
            add_tx_dp_flows(dp, mff_ovn_geneve, &ofpacts, flow_table);
            add_rx_flows(dp, mff_ovn_geneve, &ofpacts, flow_table);
        }
        if (require) {
            add_evpn_guard(dp, &ofpacts, flow_table);
        }
        if (require && supported) {
            add_function_guard(dp, &ofpacts, flow_table);
            add_late_guard(dp, &ofpacts, flow_table);
        }
    }
    if (supported) {
        add_tx_fixed_flows(mff_ovn_geneve, &ofpacts, flow_table);
        add_rx_flows(NULL, mff_ovn_geneve, &ofpacts, flow_table);
        add_rx_must_flow(&ofpacts, flow_table);
        add_evpn_guard(NULL, &ofpacts, flow_table);
    }
    ofpbuf_uninit(&ofpacts);
}

/* Collects the modes, and wakes the main loop when they settle. */
static void
collect(struct ovn_vnetenc_modes *new_modes,
        const struct sbrec_datapath_binding_table *table,
        const struct sbrec_encryption_credential_table *credential_table,
        const struct hmap *local_datapaths)
{
    ovn_vnetenc_modes_collect(new_modes, &modes, table, credential_table,
                              local_datapaths, time_msec(), seen_nb_cfg);
    told_settled = false;
    if (new_modes->settled_at != LLONG_MAX) {
        poll_timer_wait_until(new_modes->settled_at);
    }
}

static void
replace_modes(struct ovn_vnetenc_modes *new_modes)
{
    ovn_vnetenc_modes_replace(&modes, new_modes);
    generation++;
}

void
ovn_vnetenc_flows_run(
    const struct sbrec_datapath_binding_table *table,
    const struct sbrec_encryption_credential_table *credential_table,
    const struct physical_ctx *ctx, struct ovn_desired_flow_table *flow_table)
{
    struct ovn_vnetenc_modes new_modes
        = OVN_VNETENC_MODES_INITIALIZER(&new_modes);

    if (uuid_is_zero(&vnetenc_uuid)) {
        uuid_generate(&vnetenc_uuid);
    }
    collect(&new_modes, table, credential_table, ctx->local_datapaths);
    replace_modes(&new_modes);
    supported = ovs_feature_is_supported(OVS_VNETENC_SUPPORT);
    obeys_credentials =
        ovs_feature_is_supported(OVS_VNETENC_CREDENTIALS_SUPPORT);
    if (!supported) {
        installed.done = false;
        ovn_vnetenc_barrier_reset(&installed.barrier);
    }
    if (modes.n_demanding && !supported) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);

        VLOG_WARN_RL(&rl, "switches demand encryption, but Open vSwitch "
                     "cannot encrypt: those that require it are cut off from "
                     "other chassis");
    }
    add_flows(ctx->local_datapaths, ctx->mff_ovn_geneve, flow_table);
}

enum engine_input_handler_result
ovn_vnetenc_flows_handle_datapaths(
    const struct sbrec_datapath_binding_table *table,
    const struct sbrec_encryption_credential_table *credential_table,
    const struct hmap *local_datapaths, enum mf_field_id mff_ovn_geneve,
    struct ovn_desired_flow_table *flow_table)
{
    struct ovn_vnetenc_modes new_modes
        = OVN_VNETENC_MODES_INITIALIZER(&new_modes);

    collect(&new_modes, table, credential_table, local_datapaths);
    bool equal = ovn_vnetenc_modes_equal(&modes, &new_modes);
    if (!ovn_vnetenc_modes_same_profiles(&modes, &new_modes)
        || (supported && !obeys_credentials
            && (modes.credentials || new_modes.credentials))
        || (!equal && (!supported || !modes.n_demanding
                       || !new_modes.n_demanding || modes.evpn
                       || new_modes.evpn))) {
        /* Flows outside of our tables, and of ports, depend on the modes. */
        ovn_vnetenc_modes_destroy(&new_modes);
        return EN_UNHANDLED;
    }

    replace_modes(&new_modes);
    if (equal) {
        return EN_HANDLED_UNCHANGED;
    }
    ofctrl_remove_flows(flow_table, &vnetenc_uuid);
    add_flows(local_datapaths, mff_ovn_geneve, flow_table);
    return EN_HANDLED_UPDATED;
}

bool
ovn_vnetenc_flows_settled(void)
{
    if (modes.settled_at == LLONG_MAX || told_settled) {
        return false;
    }
    if (modes.fresh) {
        if (ofctrl_has_backlog()) {
            return false;
        }
        ovn_vnetenc_modes_start(&modes, time_msec());
    }
    told_settled = time_msec() >= modes.settled_at;
    if (!told_settled) {
        poll_timer_wait_until(modes.settled_at);
    }
    return told_settled;
}

bool
ovn_vnetenc_flows_installed(void)
{
    if (!supported) {
        return false;
    }
    if (!ofctrl_is_connected()) {
        installed.done = false;
    }
    if (!installed.done) {
        installed.done = ovn_vnetenc_barrier_passed(&installed.barrier);
    }
    return installed.done;
}

/* Ports. */

static void
match_outport(struct match *match, const struct sbrec_port_binding *pb)
{
    match_init_catchall(match);
    match_set_metadata(match, htonll(pb->datapath->tunnel_key));
    match_set_reg(match, MFF_LOG_OUTPORT - MFF_REG0, pb->tunnel_key);
}

/* Adds the row for a port that leads to another chassis.  The row of a port
 * that prefers encryption applies if the packet, which may be that of a
 * datapath without a demand, has no stronger demand of its own. */
static void
add_redirect_flows(const struct sbrec_port_binding *pb,
                   enum mf_field_id mff_ovn_geneve, struct ofpbuf *ofpacts,
                   struct ovn_desired_flow_table *flow_table)
{
    struct ovn_vnetenc_demand demand = ovn_vnetenc_demand_of_port(pb);
    struct match match;

    if (demand.mode == VNETENC_OFF) {
        return;
    }
    demand.profile = ovn_vnetenc_modes_tx_profile(&modes,
                                                  pb->datapath->tunnel_key);
    match_outport(&match, pb);
    put_demand(demand, mff_ovn_geneve, ofpacts);
    add_flow(flow_table, OFTABLE_VNETENC_TX,
             (demand.mode == VNETENC_REQUIRE
              ? (demand.yields ? TX_REDIRECT_YIELDS : TX_REDIRECT)
              : (demand.yields ? TX_PREFER_YIELDS : TX_PORT_PREFER)),
             pb->header_.uuid.parts[0], &match, ofpacts, &pb->header_.uuid);
}

/* Drops packets that leave or enter a cut-off switch through a port to another
 * datapath. */
static void
add_cut_off_port_flow(const struct physical_ctx *ctx,
                      const struct sbrec_port_binding *pb,
                      struct ofpbuf *ofpacts,
                      struct ovn_desired_flow_table *flow_table)
{
    const struct sbrec_port_binding *peer =
        lport_get_peer(pb, ctx->sbrec_port_binding_by_name);
    struct match match;

    if (!ovn_vnetenc_requires(pb->datapath->tunnel_key)
        && (!peer || !ovn_vnetenc_requires(peer->datapath->tunnel_key))) {
        return;
    }
    match_outport(&match, pb);
    vnetenc_note_put(ofpacts, VNETENC_NOTE_UNABLE);
    add_flow(flow_table, OFTABLE_LOG_TO_PHY, CUT_OFF,
             pb->header_.uuid.parts[0], &match, ofpacts, &pb->header_.uuid);
}

/* Drops a packet that a settling switch admits in clear and that claims to
 * come from 'pb', the port of a network function on this chassis.  No other
 * chassis sends such packets, and this one would return them encrypted. */
static void
add_function_port_flow(const struct physical_ctx *ctx,
                       const struct sbrec_port_binding *pb,
                       struct ofpbuf *ofpacts,
                       struct ovn_desired_flow_table *flow_table)
{
    struct match match = MATCH_CATCHALL_INITIALIZER;

    if (!smap_get(&pb->options, "nf-linked-port")
        || (pb->chassis != ctx->chassis
            && !is_additional_chassis(pb, ctx->chassis))) {
        return;
    }
    match_set_metadata(&match, htonll(pb->datapath->tunnel_key));
    match_set_reg(&match, MFF_LOG_INPORT - MFF_REG0, pb->tunnel_key);
    match_rx(&match, OVN_VNETENC_RX_ADMITTED);
    vnetenc_note_put(ofpacts, VNETENC_NOTE_CLEAR);
    add_flow(flow_table, OFTABLE_LOCAL_OUTPUT, CUT_OFF,
             pb->header_.uuid.parts[0], &match, ofpacts, &pb->header_.uuid);
}

void
ovn_vnetenc_flows_for_port(const struct physical_ctx *ctx,
                           const struct sbrec_port_binding *pb,
                           enum en_lport_type type,
                           struct ovn_desired_flow_table *flow_table)
{
    if (!has_rows()) {
        return;
    }

    struct ofpbuf ofpacts;
    ofpbuf_init(&ofpacts, 64);
    if (supported && (type == LP_CHASSISREDIRECT || type == LP_L3GATEWAY)) {
        add_redirect_flows(pb, ctx->mff_ovn_geneve, &ofpacts, flow_table);
    } else if (!supported && (type == LP_PATCH || type == LP_L3GATEWAY)) {
        add_cut_off_port_flow(ctx, pb, &ofpacts, flow_table);
    }
    if (supported) {
        add_function_port_flow(ctx, pb, &ofpacts, flow_table);
    }
    ofpbuf_uninit(&ofpacts);
}

bool
ovn_vnetenc_avoid_vlan(const struct sbrec_port_binding *pb,
                       struct match *match, struct ofpbuf *ofpacts,
                       struct ovn_desired_flow_table *flow_table)
{
    struct ovn_vnetenc_demand demand = ovn_vnetenc_demand_of_port(pb);

    if (!supported) {
        return false;
    }
    if (demand.mode != VNETENC_REQUIRE || demand.yields) {
        match_bit(match, OVN_VNETENC_MUST_BIT);
    }
    ofpbuf_clear(ofpacts);
    add_flow(flow_table, OFTABLE_LOCAL_OUTPUT, NOT_IN_CLEAR,
             pb->header_.uuid.parts[0], match, ofpacts, &pb->header_.uuid);
    return true;
}

/* Queries. */

bool
ovn_vnetenc_requires(uint32_t dp_key)
{
    const struct ovn_vnetenc_dp *dp =
        ovn_vnetenc_modes_find_demanding(&modes, dp_key);

    return dp && dp->tx.mode == VNETENC_REQUIRE;
}

const struct ovn_vnetenc_modes *
ovn_vnetenc_flows_modes(void)
{
    return &modes;
}

unsigned int
ovn_vnetenc_flows_generation(void)
{
    return generation;
}

bool
ovn_vnetenc_flows_cut_off(const struct ovn_vnetenc_dp *dp)
{
    return (!supported
            || (!obeys_credentials && !uuid_is_zero(&dp->credential)));
}

/* A mode that changes in one round was not part of the nb_cfg of an earlier
 * round. */
uint64_t
ovn_vnetenc_reportable_cfg(uint64_t reported, uint64_t nb_cfg)
{
    if (engine_canceled()) {
        return reported;
    }
    seen_nb_cfg = nb_cfg;
    if (!ovn_vnetenc_rights_in_force()) {
        return reported;
    }
    return nb_cfg <= modes.nb_cfg ? nb_cfg : MAX(reported, modes.nb_cfg);
}

bool
ovn_vnetenc_cut_off(uint32_t dp_key)
{
    return !supported && ovn_vnetenc_requires(dp_key);
}

uint16_t
ovn_vnetenc_overhead(void)
{
    return supported && modes.n_demanding ? VNETENC_OVERHEAD : 0;
}

void
ovn_vnetenc_flows_destroy(void)
{
    ovn_vnetenc_modes_destroy(&modes);
}
