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
#include "ofproto-dpif-vnetenc.h"

#include <inttypes.h>

#include "flow.h"
#include "netdev.h"
#include "odp-util.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/vnetenc.h"
#include "vnetenc/odp.h"

/* This file relies on these facts of upstream.  The demand is in former
 * padding, so the layout of the flow has not changed.  The mark is public, so
 * that flows can match it.  Recirculation preserves both. */
BUILD_ASSERT_DECL(FLOW_WC_SEQ == 43);
BUILD_ASSERT_DECL(offsetof(struct flow_tnl, enc_mode)
                  == offsetof(struct flow_tnl, gtpu_msgtype) + 1);
BUILD_ASSERT_DECL(offsetof(struct flow_tnl, metadata) % 8 == 0);
BUILD_ASSERT_DECL(FLOW_TNL_F_VNETENC & FLOW_TNL_PUB_F_MASK);
BUILD_ASSERT_DECL(!(FLOW_TNL_F_UDPIF & FLOW_TNL_F_MASK));

/* Only ovs-vswitchd has this file.  ovs-vswitchd uses libcrypto as soon as it
 * reads its command-line options, and libcrypto must be taken over before its
 * first use: a constructor does this. */
OVS_CONSTRUCTOR(vnetenc_libcrypto_is_secret) {
    vnetenc_protect_secrets();
}

/* Says what the datapath will do with a packet that can be sealed.  Rows come
 * and go without a new translation, so only a trace tells of them. */
static void
report_sealing(const struct flow_tnl *tnl, ovs_be16 dtls_port, struct ds *why)
{
    struct in6_addr remote = flow_tnl_dst(tnl);

    if (vnetenc_gate_find(&remote)) {
        ds_put_format(why, "vnetenc: sealing as profile %"PRIu8
                      " to UDP port %"PRIu16, tnl->enc_profile,
                      ntohs(dtls_port));
    } else {
        ds_put_cstr(why, "vnetenc: no record of table VNetEnc_Peer has ");
        ipv6_format_mapped(&remote, why);
        ds_put_cstr(why, (tnl->enc_mode == VNETENC_PREFER
                          ? ", the datapath sends in clear"
                          : ", the datapath drops"));
    }
}

bool
vnetenc_xlate_tx(struct flow_tnl *tnl, const char *tunnel_type,
                 const char *obstacle, struct ds *why, int *reason)
{
    ovs_be16 dtls_port;

    *reason = VNETENC_KEEP;
    if (tnl->enc_mode == VNETENC_OFF) {
        return true;
    }
    if (vnetenc_tunnels_obstacle()) {
        obstacle = vnetenc_tunnels_obstacle();
    }

    dtls_port = vnetenc_tunnel_dtls_port(tunnel_type, tnl->tp_dst);
    if (!obstacle && dtls_port) {
        report_sealing(tnl, dtls_port, why);
        return true;
    }

    if (obstacle) {
        ds_put_format(why, "vnetenc: %s", obstacle);
    } else {
        ds_put_format(why, "vnetenc: this %s tunnel", tunnel_type);
        if (tnl->tp_dst) {
            ds_put_format(why, " to UDP port %"PRIu16, ntohs(tnl->tp_dst));
        }
        ds_put_cstr(why, " cannot be encrypted");
    }

    if (tnl->enc_mode != VNETENC_PREFER) {
        ds_put_cstr(why, ", dropping");
        *reason = (obstacle ? VNETENC_DROP_tx_datapath
                   : VNETENC_DROP_tx_tunnel);
        return false;
    }
    ds_put_cstr(why, ", sending in clear");
    *reason = (obstacle ? VNETENC_DROP_clear_datapath
               : VNETENC_DROP_clear_tunnel);
    tnl->enc_mode = VNETENC_OFF;
    tnl->enc_profile = 0;
    return true;
}

const char *
vnetenc_xlate_kernel_obstacle(const struct netdev *netdev)
{
    const struct netdev_tunnel_config *config
        = netdev_get_tunnel_config(netdev);

    return (config && config->exts & 1u << OVS_VXLAN_EXT_GBP
            ? "the kernel datapath cannot encrypt VXLAN with exts=gbp"
            : NULL);
}

bool
vnetenc_xlate_find_port(struct flow_tnl *tnl, const char *tunnel_type,
                        const struct dpif *dpif, struct ds *why, int *reason)
{
    if (tnl->enc_mode == VNETENC_OFF
        || vnetenc_vport_find(dpif, tunnel_type, tnl) != ODPP_NONE) {
        return true;
    }
    ds_put_cstr(why, ", but the kernel datapath has no device for it yet, "
                "dropping");
    *reason = VNETENC_DROP_tx_device;
    return false;
}

const char *
vnetenc_xlate_end(bool unused, bool clear, int *reason)
{
    *reason = unused && clear ? VNETENC_DROP_clear_unused : VNETENC_KEEP;
    return (!unused ? NULL
            : clear ? "vnetenc: demanded in vain, the packet left through a "
                      "tunnel in clear"
            : "vnetenc: no output through a tunnel follows the demand");
}

void
vnetenc_xlate_count(int reason, unsigned int n_packets)
{
    vnetenc_drop_count(reason, n_packets);
}

bool
vnetenc_xlate_rx(const struct flow *flow, uint8_t port_mode, bool capable,
                 struct flow_wildcards *wc, struct ds *why)
{
    if (port_mode != VNETENC_REQUIRE) {
        return true;
    }

    if (!capable) {
        ds_put_cstr(why, "vnetenc: this datapath cannot decrypt, dropping");
        return false;
    }

    wc->masks.tunnel.flags |= FLOW_TNL_F_VNETENC;
    if (!(flow->tunnel.flags & FLOW_TNL_F_VNETENC)) {
        ds_put_cstr(why, "vnetenc: arrived in clear on a port that requires "
                    "encryption, dropping");
        return false;
    }
    ds_put_cstr(why, "vnetenc: arrived encrypted");
    return true;
}

bool
vnetenc_xlate_may_learn(const struct flow *flow, const struct in6_addr *src)
{
    return !vnetenc_tunnel_is_dtls(flow->tp_dst) && !vnetenc_gate_find(src);
}

int
vnetenc_xlate_put(const struct flow_tnl *tnl, const char *tunnel_type,
                  struct ofpbuf *odp_actions, struct flow *flow,
                  struct flow *base_flow)
{
    const struct ovs_action_vnetenc action = {
        .tp_dst = vnetenc_tunnel_dtls_port(tunnel_type, tnl->tp_dst),
        .mode = tnl->enc_mode,
        .profile = tnl->enc_profile,
    };

    ovs_assert(action.tp_dst);
    vnetenc_odp_put(odp_actions, &action);
    flow->tp_dst = base_flow->tp_dst = action.tp_dst;
    return VNETENC_OVERHEAD;
}
