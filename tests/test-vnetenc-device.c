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

/* Devices of the kernel datapath: their numbers and names; and the MTU of
 * tunnels whose records have that of the underlay. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/kernel/device.h"

#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/kernel/underlay.h"
#include "vnetenc/mode.h"
#include "vnetenc-unit.h"

/* Every demand has a D, no two have the same, and no other number is one. */
static void
test_numbers(void)
{
    static bool seen[UINT16_MAX + 1];
    struct vnetenc_device_demand demand, got;
    unsigned int n = 0;

    for (unsigned int i = 0; i < 2 * 256 * 2; i++) {
        demand.vxlan = i / 512;
        demand.profile = i / 2;
        demand.mode = i % 2 ? VNETENC_REQUIRE : VNETENC_PREFER;

        ovs_be16 d = vnetenc_device_out_port(&demand);
        CHECK(!seen[ntohs(d)]);
        seen[ntohs(d)] = true;
        CHECK(vnetenc_device_of_out_port(d, &got)
              && got.vxlan == demand.vxlan && got.profile == demand.profile
              && got.mode == demand.mode);
    }
    for (unsigned int d = 0; d <= UINT16_MAX; d++) {
        n += vnetenc_device_of_out_port(htons(d), &got);
    }
    CHECK(n == 1024);

    /* Flows outlive their process: the numbers must never change. */
    demand = (struct vnetenc_device_demand) { false, 0, VNETENC_REQUIRE };
    CHECK(vnetenc_device_out_port(&demand) == htons(64001));
    demand = (struct vnetenc_device_demand) { true, 255, VNETENC_PREFER };
    CHECK(vnetenc_device_out_port(&demand) == htons(65022));
    CHECK(vnetenc_device_in_port(false) == htons(63999));
    CHECK(vnetenc_device_in_port(true) == htons(63998));
}

static void
test_names(void)
{
    static const char *const others[] = {
        "vnetenc_", "vnetenc_63997", "vnetenc_65024", "vnetenc_64001x",
        "vnetenc_-1", "vnetenc0", "vnetenc", "xvnetenc_64001", "",
        "vnetenc_4294967296",
    };
    char name[VNETENC_DEVICE_NAME_SIZE];
    ovs_be16 d = 0;

    for (unsigned int i = VNETENC_DEVICE_FIRST_D; i <= VNETENC_DEVICE_LAST_D;
         i++) {
        vnetenc_device_name(htons(i), name);
        CHECK(vnetenc_device_from_name(name, &d) && d == htons(i));
    }
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        CHECK(!vnetenc_device_from_name(others[i], &d));
    }
}

static void
test_mtu(void)
{
    CHECK(vnetenc_underlay_tunnel_mtu(1500, false, false) == 1463);
    CHECK(vnetenc_underlay_tunnel_mtu(1500, false, true) == 1463);

    /* Two records, each with the longest options that there are. */
    for (int v6 = 0; v6 < 2; v6++) {
        unsigned int outer = (v6 ? 40 : 20) + 8, geneve = 8 + 252;
        unsigned int mtu = vnetenc_underlay_tunnel_mtu(1500, true, v6);
        unsigned int inner = mtu - outer - geneve;

        CHECK(DIV_ROUND_UP(inner, 2) + outer + geneve + 8 + 37 <= 1500);
        CHECK(mtu > 1463);
    }
    CHECK(vnetenc_underlay_tunnel_mtu(65535, true, false) == UINT16_MAX);
    CHECK(vnetenc_underlay_tunnel_mtu(0, true, false) == 0);
}

int
main(void)
{
    test_numbers();
    test_names();
    test_mtu();
    return unit_end();
}
