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

#include "ovn-vnetenc-lflows.h"

#include "debug.h"
#include "lflow-mgr.h"
#include "lib/ovn-nb-idl.h"
#include "lib/ovn-sb-idl.h"
#include "lib/ovn-vnetenc-demand.h"
#include "lib/ovn-vnetenc-loglevel.h"
#include "northd.h"
#include "openvswitch/vlog.h"

VLOG_DEFINE_THIS_MODULE(ovn_vnetenc_lflows);

/* Priorities.  Each is above all flows of upstream in its stage, except CARRY,
 * which must stay below the flows that set a queue on the way to a localnet
 * port (100 and 110).  The flow that drops a packet refused by port security
 * has a lower priority (50), so the match of CARRY checks that verdict. */
enum {
    PRIORITY_LOG = 65535,
    PRIORITY_RX_CLEAR = 65534,
    PRIORITY_EXTERNAL = 65533,
    PRIORITY_CARRY = 60,
};

/* Upstream's list of stages.  The constants that it makes of the list are
 * private to northd.c. */
#define PIPELINE_STAGE(DP_TYPE, PIPELINE, STAGE, TABLE, NAME) \
    STAGE_##DP_TYPE##_##PIPELINE##_##STAGE,
enum { PIPELINE_STAGES };
#undef PIPELINE_STAGE

#define PIPELINE_STAGE(DP_TYPE, PIPELINE, STAGE, TABLE, NAME) \
    { DP_##DP_TYPE, P_##PIPELINE, TABLE, NAME },
static const struct ovn_stage stages[] = { PIPELINE_STAGES };
#undef PIPELINE_STAGE

/* The verdict of check_out_port_sec(), REGBIT_PORT_SEC_DROP in northd.c. */
#define PORT_SEC_OK "reg0[15] == 0"

static enum vnetenc_mode
od_mode(const struct ovn_datapath *od)
{
    return ovn_vnetenc_demand_of_dp(od->sdp->sb_dp).mode;
}

/* The match of packets without a mark, or with that of a coarser level. */
static const char *
not_marked(enum ovn_vnetenc_loglevel level)
{
    return (level == OVN_VNETENC_LOGLEVEL_CONNECTION
            ? "vnetenc.log == {0, 1}" : "vnetenc.log == 0");
}

/* Returns actions that mark packets, and have the stage look at them again.
 * A packet keeps the mark on its way through routers and further switches, and
 * the finer of two levels.  The caller must free the string. */
static char *
mark_actions(const struct ovn_stage *stage, enum ovn_vnetenc_loglevel level)
{
    return xasprintf("vnetenc.log = %d; next(pipeline=%s,table=%d);", level,
                     stage->pipeline == P_IN ? "ingress" : "egress",
                     stage->table);
}

/* Marks the packets that the stage sees. */
static void
build_mark_flow(const struct ovn_datapath *od, const struct ovn_stage *stage,
                enum ovn_vnetenc_loglevel level, struct lflow_table *lflows)
{
    char *actions = mark_actions(stage, level);

    ovn_lflow_add(lflows, od, stage, PRIORITY_LOG, not_marked(level), actions,
                  NULL, WITH_DESC("vnetenc: log"));
    free(actions);
}

/* Packets are marked before anything may drop them. */
static void
build_log_flows(const struct ovn_datapath *od, struct lflow_table *lflows)
{
    enum ovn_vnetenc_loglevel level =
        ovn_vnetenc_loglevel_of_dp(od->sdp->sb_dp);

    BUILD_ASSERT_DECL(OVN_VNETENC_LOGLEVEL_PAIR == 1
                      && OVN_VNETENC_LOGLEVEL_CONNECTION == 2);
    if (level != OVN_VNETENC_LOGLEVEL_OFF) {
        build_mark_flow(od, &stages[STAGE_SWITCH_IN_CHECK_PORT_SEC], level,
                        lflows);
        build_mark_flow(od, &stages[STAGE_SWITCH_OUT_LOOKUP_FDB], level,
                        lflows);
    }
}

/* A packet that came through a tunnel in clear does not enter a switch that
 * requires encryption.  It is dropped in the egress pipeline, where tunnelled
 * packets normally arrive, before the switch can learn a MAC address or a
 * connection from it.  Packets from ramp and EVPN gateways, interconnection,
 * path MTU discovery, and routers behind a first tunnel arrive in the ingress
 * pipeline and are dropped there.  A packet that a switch admits because the
 * switch has only just begun to require encryption (rx 2) is for the ports of
 * that switch: it does not pass a router into a switch that has required
 * encryption for longer. */
void
ovn_vnetenc_build_ls_flows(const struct ovn_datapath *od,
                           struct lflow_table *lflows)
{
    build_log_flows(od, lflows);
    if (od_mode(od) != VNETENC_REQUIRE) {
        return;
    }
    ovn_lflow_add(lflows, od, &stages[STAGE_SWITCH_IN_CHECK_PORT_SEC],
                  PRIORITY_RX_CLEAR, "vnetenc.rx == {1, 2}",
                  debug_drop_action(), NULL,
                  WITH_DESC("vnetenc: arrived unencrypted"));
    ovn_lflow_add(lflows, od, &stages[STAGE_SWITCH_OUT_LOOKUP_FDB],
                  PRIORITY_RX_CLEAR, "vnetenc.rx == 1", debug_drop_action(),
                  NULL,
                  WITH_DESC("vnetenc: arrived unencrypted"));
}

/* Returns true if ports to the outside may carry packets of 'nbs' in clear. */
static bool
external_is_allowed(const struct nbrec_logical_switch *nbs)
{
    const char *s = smap_get(&nbs->other_config, OVN_VNETENC_NB_EXTERNAL);

    if (s && strcasecmp(s, "true") && strcasecmp(s, "false")) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 10);

        VLOG_WARN_RL(&rl, "logical switch %s: other_config:%s=%s: must be "
                     "true or false; false is used",
                     nbs->name, OVN_VNETENC_NB_EXTERNAL, s);
    }
    return s && !strcasecmp(s, "true");
}

static void
build_external_port_flows(const struct ovn_port *op,
                          struct lflow_table *lflows, struct ds *match)
{
    if (external_is_allowed(op->od->nbs)) {
        return;
    }

    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 10);
    VLOG_WARN_RL(&rl, "logical switch %s: encryption=require: %s port %s "
                 "carries no traffic; to let it carry clear traffic set "
                 "other_config:%s=true", op->od->nbs->name, op->nbsp->type,
                 op->key, OVN_VNETENC_NB_EXTERNAL);

    ds_clear(match);
    ds_put_format(match, "inport == %s", op->json_key);
    ovn_lflow_add(lflows, op->od, &stages[STAGE_SWITCH_IN_CHECK_PORT_SEC],
                  PRIORITY_EXTERNAL, ds_cstr(match), debug_drop_action(),
                  op->lflow_ref, WITH_HINT(&op->nbsp->header_),
                  WITH_DESC("vnetenc: from outside of the overlay"));
    ds_clear(match);
    ds_put_format(match, "outport == %s", op->json_key);
    ovn_lflow_add(lflows, op->od, &stages[STAGE_SWITCH_OUT_LOOKUP_FDB],
                  PRIORITY_EXTERNAL, ds_cstr(match), debug_drop_action(),
                  op->lflow_ref, WITH_HINT(&op->nbsp->header_),
                  WITH_DESC("vnetenc: to outside of the overlay"));
}

/* The router would learn from ARP and ND packets of another availability zone
 * before the switch sees them.  This flow makes the router drop them first.
 * Another one has them logged if those of the switch are: nothing has marked
 * them yet.  'op' is the port of the switch. */
static void
build_router_port_flow(const struct ovn_port *op, struct lflow_table *lflows,
                       struct ds *match)
{
    const struct ovn_stage *stage = &stages[STAGE_ROUTER_IN_ADMISSION];
    enum ovn_vnetenc_loglevel level =
        ovn_vnetenc_loglevel_of_dp(op->od->sdp->sb_dp);
    const struct ovn_port *peer = op->peer;

    if (!peer || !peer->nbrp || !peer->od) {
        return;
    }
    ds_clear(match);
    ds_put_format(match, "inport == %s && vnetenc.rx == {1, 2}",
                  peer->json_key);
    ovn_lflow_add(lflows, peer->od, stage, PRIORITY_RX_CLEAR, ds_cstr(match),
                  debug_drop_action(), op->lflow_ref,
                  WITH_HINT(&peer->nbrp->header_),
                  WITH_DESC("vnetenc: arrived unencrypted"));
    if (level != OVN_VNETENC_LOGLEVEL_OFF) {
        char *actions = mark_actions(stage, level);

        ds_put_format(match, " && %s", not_marked(level));
        ovn_lflow_add(lflows, peer->od, stage, PRIORITY_LOG, ds_cstr(match),
                      actions, op->lflow_ref,
                      WITH_HINT(&peer->nbrp->header_),
                      WITH_DESC("vnetenc: log"));
        free(actions);
    }
}

/* The flow has no WITH_IO_PORT: ovn-controller would skip it on a chassis
 * where the port is not "related", and the demand would be lost there. */
static void
build_carry_flow(const struct ovn_port *op, enum vnetenc_mode mode,
                 struct lflow_table *lflows, struct ds *match,
                 struct ds *actions)
{
    ds_clear(match);
    ds_put_format(match, "outport == %s && " PORT_SEC_OK, op->json_key);
    ds_clear(actions);
    ds_put_format(actions, "vnetenc.%s = 1; output;",
                  mode == VNETENC_REQUIRE ? "must" : "want");
    ovn_lflow_add(lflows, op->od, &stages[STAGE_SWITCH_OUT_APPLY_PORT_SEC],
                  PRIORITY_CARRY, ds_cstr(match), ds_cstr(actions),
                  op->lflow_ref,
                  WITH_HINT(&op->nbsp->header_),
                  WITH_DESC("vnetenc: the demand follows the packet"));
}

void
ovn_vnetenc_build_lsp_flows(const struct ovn_port *op,
                            struct lflow_table *lflows,
                            struct ds *match, struct ds *actions)
{
    enum vnetenc_mode mode = od_mode(op->od);
    const char *type = op->nbsp->type;

    if (mode == VNETENC_OFF) {
        return;
    }
    if (!strcmp(type, "router") || !strcmp(type, "switch")) {
        build_carry_flow(op, mode, lflows, match, actions);
        if (mode == VNETENC_REQUIRE) {
            build_router_port_flow(op, lflows, match);
        }
    } else if (mode == VNETENC_REQUIRE
               && (!strcmp(type, "localnet") || !strcmp(type, "l2gateway"))) {
        build_external_port_flows(op, lflows, match);
    }
}

static bool
router_touches_require(const struct ovn_datapath *od)
{
    const struct ovn_datapath *ls;

    VECTOR_FOR_EACH (&od->ls_peers, ls) {
        if (od_mode(ls) == VNETENC_REQUIRE) {
            return true;
        }
    }
    return false;
}

/* 'redirect-type=bridged' sends packets to the gateway over a localnet port.
 * They bypass every logical egress pipeline, so no logical flow could stop
 * them. */
static void
refuse_bridged_redirect(const struct ovn_port *op, struct smap *options)
{
    const char *type = smap_get(options, "redirect-type");

    if (!type || strcasecmp(type, "bridged")
        || !router_touches_require(op->od)) {
        return;
    }
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 10);
    VLOG_WARN_RL(&rl, "logical router port %s: redirect-type=bridged is "
                 "ignored because a switch of the router requires encryption",
                 op->primary_port->key);
    smap_remove(options, "redirect-type");
}

void
ovn_vnetenc_lrp_options(const struct ovn_port *op, struct smap *options)
{
    if (op->primary_port) {
        refuse_bridged_redirect(op, options);
    }
}

/* Returns the mode of ports that lead to 'router' through a tunnel from a
 * datapath without a demand.  They prefer encryption if a switch beyond the
 * router has a demand, because a packet that comes out of the tunnel in clear
 * would not enter a switch that requires encryption. */
static enum vnetenc_mode
least_mode_towards(const struct ovn_datapath *router)
{
    return router->vnetenc_reach != VNETENC_OFF ? VNETENC_PREFER : VNETENC_OFF;
}

/* Puts 'mode' into 'ids' in place of any demand that external_ids of the
 * northbound row contain, where none belongs. */
static void
replace_demand(struct smap *ids, enum vnetenc_mode mode)
{
    smap_remove(ids, OVN_VNETENC_MODE);
    smap_remove(ids, OVN_VNETENC_PROFILE);
    ovn_vnetenc_demand_put(ids, (struct ovn_vnetenc_demand) { .mode = mode });
}

/* A chassisredirect port has the demand of the switch behind it, so that the
 * tunnel to its gateway is encrypted even if the packet comes from a switch
 * without a demand. */
void
ovn_vnetenc_lrp_set_external_ids(const struct ovn_port *op)
{
    enum vnetenc_mode mode = VNETENC_OFF;
    struct smap ids;

    if (op->primary_port) {
        const struct ovn_port *peer = op->primary_port->peer;

        if (peer && peer->od && peer->od->nbs) {
            mode = od_mode(peer->od);
        }
        if (mode == VNETENC_OFF) {
            mode = least_mode_towards(op->od);
        }
    }
    smap_clone(&ids, &op->nbrp->external_ids);
    replace_demand(&ids, mode);
    sbrec_port_binding_set_external_ids(op->sb, &ids);
    smap_destroy(&ids);
}

/* Switch ports that lead to a router through a tunnel are those of gateway
 * routers, and the chassisredirect ports beside gateway ports.  If the switch
 * itself has a demand, these ports need none. */
void
ovn_vnetenc_lsp_external_ids(const struct ovn_port *op, struct smap *ids)
{
    const struct ovn_port *lsp = op->primary_port ? op->primary_port : op;
    const struct ovn_port *peer = lsp->peer;
    enum vnetenc_mode mode = VNETENC_OFF;

    if (peer && peer->nbrp && (op->primary_port || peer->od->is_gw_router)
        && od_mode(op->od) == VNETENC_OFF) {
        mode = least_mode_towards(peer->od);
    }
    replace_demand(ids, mode);
}
