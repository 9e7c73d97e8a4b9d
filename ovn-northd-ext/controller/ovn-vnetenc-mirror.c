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

#include "ovn-vnetenc-mirror.h"

#include "lib/ovn-sb-idl.h"
#include "lib/ovn-vnetenc-demand.h"
#include "openvswitch/vlog.h"

VLOG_DEFINE_THIS_MODULE(ovn_vnetenc_mirror);

bool
ovn_vnetenc_refuses_mirror(const struct sbrec_port_binding *pb,
                           const struct sbrec_mirror *mirror)
{
    if (!strcmp(mirror->type, "local") || !strcmp(mirror->type, "lport")
        || ovn_vnetenc_demand_of_dp(pb->datapath).mode != VNETENC_REQUIRE) {
        return false;
    }

    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    VLOG_WARN_RL(&rl, "port %s: mirror %s is ignored because it would send "
                 "copies to %s in clear, and the switch requires encryption",
                 pb->logical_port, mirror->name, mirror->sink);
    return true;
}
