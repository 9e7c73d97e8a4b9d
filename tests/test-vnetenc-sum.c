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

/* Checksums: the same as upstream's for every length and alignment.
 *
 * Keywords: kernel. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/packet/sum.h"
#include <string.h>
#include "csum.h"
#include "random.h"
#include "util.h"
#include "vnetenc-unit.h"

enum { MAX_BYTES = 300, LONG_BYTES = 65535 };

static bool
agrees(const uint8_t *p, size_t n)
{
    uint16_t ours = ~vnetenc_sum_fold(vnetenc_sum_add(0, p, n));

    return (OVS_FORCE ovs_be16) ours == csum(p, n);
}

int
main(void)
{
    static uint8_t bytes[LONG_BYTES + 8];
    unsigned int n_wrong = 0;

    /* Ones give the most carries. */
    for (int ones = 0; ones < 2; ones++) {
        if (ones) {
            memset(bytes, 0xff, sizeof bytes);
        } else {
            random_bytes(bytes, sizeof bytes);
        }
        for (size_t ofs = 0; ofs < 8; ofs++) {
            for (size_t n = 0; n <= MAX_BYTES; n++) {
                n_wrong += !agrees(bytes + ofs, n);
            }
            n_wrong += !agrees(bytes + ofs, LONG_BYTES);
        }
    }
    CHECK(!n_wrong);

    /* In two parts, with a word beside them. */
    random_bytes(bytes, sizeof bytes);
    for (size_t n = 2; n < MAX_BYTES; n += 2) {
        uint64_t whole = vnetenc_sum_add(0, bytes, MAX_BYTES);
        uint64_t parts = vnetenc_sum_add(0xfffe, bytes, n);

        parts = vnetenc_sum_add(parts, bytes + n, MAX_BYTES - n);
        n_wrong += (vnetenc_sum_fold(parts)
                    != vnetenc_sum_fold(whole + 0xfffe));
    }
    CHECK(!n_wrong);
    CHECK(!vnetenc_sum_fold(0));
    return unit_end();
}
