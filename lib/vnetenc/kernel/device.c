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
#include "vnetenc/kernel/device.h"

#include "util.h"
#include "vnetenc/mode.h"

/* The first D of each tunnel type; two for each of 256 profiles. */
enum { FIRST_D = 64000, D_OF_TYPE = 512, D_IN = 63999 };
BUILD_ASSERT_DECL(FIRST_D + VNETENC_DEVICE_N_TYPES * D_OF_TYPE < UINT16_MAX);
BUILD_ASSERT_DECL(VNETENC_PREFER == 1 && VNETENC_REQUIRE == 2);

ovs_be16
vnetenc_device_out_port(const struct vnetenc_device_demand *demand)
{
    ovs_assert(demand->mode == VNETENC_PREFER
               || demand->mode == VNETENC_REQUIRE);
    return htons(FIRST_D + D_OF_TYPE * demand->vxlan + 2 * demand->profile
                 + demand->mode - 1);
}

bool
vnetenc_device_of_out_port(ovs_be16 udp_dst,
                           struct vnetenc_device_demand *demand)
{
    unsigned int i = ntohs(udp_dst) - FIRST_D;

    if (i >= VNETENC_DEVICE_N_TYPES * D_OF_TYPE) {
        return false;
    }
    demand->vxlan = i / D_OF_TYPE;
    demand->profile = i % D_OF_TYPE / 2;
    demand->mode = i % 2 + 1;
    return true;
}

ovs_be16
vnetenc_device_in_port(bool vxlan)
{
    return htons(D_IN - vxlan);
}
