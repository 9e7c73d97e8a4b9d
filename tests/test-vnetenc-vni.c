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

/* VNIs: against a loop over the same rows. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/bridge/vni.h"

#include "ovs-rcu.h"
#include "random.h"
#include "util.h"
#include "vnetenc-unit.h"

static enum vnetenc_vni_verdict
expected(const struct vnetenc_vni *rows, size_t n, uint32_t vni,
         uint8_t profile, bool drop)
{
    bool listed = false;

    for (size_t i = 0; i < n; i++) {
        if (rows[i].vni == vni) {
            if (rows[i].profile == profile) {
                return VNETENC_VNI_PASSES;
            }
            listed = true;
        }
    }
    return (listed ? VNETENC_VNI_OTHER
            : drop ? VNETENC_VNI_UNLISTED : VNETENC_VNI_PASSES);
}

static void
test_random(size_t n)
{
    struct vnetenc_vni rows[200];
    unsigned int n_wrong = 0, n_no = 0;

    ovs_assert(n <= ARRAY_SIZE(rows));
    for (size_t i = 0; i < n; i++) {
        rows[i].vni = random_range(100);
        rows[i].profile = random_range(5);
    }
    vnetenc_vni_set(rows, n);
    for (int drop = 1; drop >= 0; drop--) {
        vnetenc_vni_set_drop_unlisted(drop);
        for (uint32_t vni = 0; vni < 110; vni++) {
            for (unsigned int profile = 0; profile < 6; profile++) {
                enum vnetenc_vni_verdict actual
                    = vnetenc_vni_judge(vni, profile);

                n_wrong += actual != expected(rows, n, vni, profile, drop);
                n_no += actual == VNETENC_VNI_OTHER;
            }
        }
    }
    CHECK(n_wrong == 0);
    CHECK(n_no > 0 || !n);
    ovsrcu_quiesce();
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    static const struct vnetenc_vni edges[] = {
        { 0xffffff, 255 }, { 0, 0 },
    };

    set_program_name(argv[0]);
    random_set_seed(1);
    CHECK(vnetenc_vni_judge(0, 0) == VNETENC_VNI_PASSES);
    CHECK(vnetenc_vni_judge(0xffffff, 255) == VNETENC_VNI_PASSES);
    for (size_t n = 0; n <= 200; n++) {
        test_random(n);
    }
    vnetenc_vni_set(edges, ARRAY_SIZE(edges));
    CHECK(vnetenc_vni_judge(0xffffff, 255) == VNETENC_VNI_PASSES);
    CHECK(vnetenc_vni_judge(0xffffff, 0) == VNETENC_VNI_OTHER);
    CHECK(vnetenc_vni_judge(0, 0) == VNETENC_VNI_PASSES);
    CHECK(vnetenc_vni_judge(0, 255) == VNETENC_VNI_OTHER);
    CHECK(vnetenc_vni_judge(1, 255) == VNETENC_VNI_PASSES);
    vnetenc_vni_set_drop_unlisted(true);
    CHECK(vnetenc_vni_judge(0, 0) == VNETENC_VNI_PASSES);
    CHECK(vnetenc_vni_judge(0, 255) == VNETENC_VNI_OTHER);
    CHECK(vnetenc_vni_judge(1, 255) == VNETENC_VNI_UNLISTED);
    vnetenc_vni_set(NULL, 0);
    CHECK(vnetenc_vni_judge(0, 0) == VNETENC_VNI_UNLISTED);
    vnetenc_vni_set_drop_unlisted(false);
    CHECK(vnetenc_vni_judge(0, 0) == VNETENC_VNI_PASSES);
    return unit_end();
}
