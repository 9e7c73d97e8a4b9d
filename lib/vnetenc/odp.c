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
#include "vnetenc/odp.h"

#include <errno.h>
#include <inttypes.h>

#include "netlink.h"
#include "odp-netlink.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"
#include "vnetenc/mode.h"

/* This file relies on two facts of upstream: the attribute is the newest one,
 * so no other number has moved, and its argument has no hidden padding. */
BUILD_ASSERT_DECL(OVS_ACTION_ATTR_VNETENC == OVS_ACTION_ATTR_LB_OUTPUT + 1);
BUILD_ASSERT_DECL(OVS_ACTION_ATTR_VNETENC == OVS_ACTION_ATTR_MAX);
BUILD_ASSERT_DECL(sizeof(struct ovs_action_vnetenc) == 4);

void
vnetenc_odp_put(struct ofpbuf *odp_actions,
                const struct ovs_action_vnetenc *action)
{
    nl_msg_put_unspec(odp_actions, OVS_ACTION_ATTR_VNETENC,
                      action, sizeof *action);
}

void
vnetenc_odp_format(struct ds *s, const struct ovs_action_vnetenc *action)
{
    ds_put_format(s, "vnetenc(profile=%"PRIu8",mode=", action->profile);
    if (action->mode <= VNETENC_REQUIRE) {
        ds_put_cstr(s, vnetenc_mode_to_string(action->mode));
    } else {
        ds_put_format(s, "%"PRIu8, action->mode);
    }
    ds_put_format(s, ",dst=%"PRIu16")", ntohs(action->tp_dst));
}

int
vnetenc_odp_parse(const char *s, struct ofpbuf *odp_actions)
{
    struct ovs_action_vnetenc action;
    unsigned int profile, dst;
    enum vnetenc_mode mode;
    char mode_s[8];
    int n = -1;

    if (!ovs_scan(s, "vnetenc(profile=%u,mode=%7[a-z],dst=%u)%n",
                  &profile, mode_s, &dst, &n) || n < 0
        || profile > UINT8_MAX || dst == 0 || dst > UINT16_MAX
        || !vnetenc_mode_from_string(mode_s, &mode) || mode == VNETENC_OFF) {
        return -EINVAL;
    }

    action = (struct ovs_action_vnetenc) {
        .tp_dst = htons(dst),
        .mode = mode,
        .profile = profile,
    };
    vnetenc_odp_put(odp_actions, &action);
    return n;
}
