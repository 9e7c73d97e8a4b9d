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
#include "vnetenc/packet/half.h"
#include "util.h"
#include "vnetenc/crypto/wire.h"

/* Offsets in a Geneve header, and in our option. */
enum {
    OFS_LENGTH = 0,
    OFS_FLAGS = 1,
    OFS_PROTOCOL = 2,
    OFS_VNI = 4,

    OFS_MARK_LENGTH = 3,
    OFS_MARK_HALF = 4,
    OFS_MARK_ZERO = 5,
    OFS_MARK_TOTAL = 6,
};

/* Bits of OFS_FLAGS and OFS_MARK_HALF. */
enum {
    FLAG_CRITICAL = 0x40,

    HALF_BACK = 0x01,
    HALF_CRITICAL = 0x02,       /* The whole has FLAG_CRITICAL. */
};

enum { MARK_UNITS = VNETENC_MARK_BYTES / 4 };
BUILD_ASSERT_DECL(VNETENC_MARK_BYTES % 4 == 0);

bool
vnetenc_half_parse(const uint8_t *plain, size_t size,
                   struct vnetenc_half *half)
{
    const uint8_t *mark = plain + VNETENC_GENEVE_BYTES;

    half->head = vnetenc_half_geneve_size(plain);
    if (half->head < VNETENC_GENEVE_BYTES + VNETENC_MARK_BYTES
        || size <= half->head
        || plain[OFS_LENGTH] >> 6
        || !(plain[OFS_FLAGS] & FLAG_CRITICAL)
        || mark[OFS_MARK_LENGTH] != MARK_UNITS - 1
        || mark[OFS_MARK_HALF] & ~(HALF_BACK | HALF_CRITICAL)
        || mark[OFS_MARK_ZERO]) {
        return false;
    }
    half->size = size - half->head;
    half->back = mark[OFS_MARK_HALF] & HALF_BACK;
    half->total = vnetenc_wire_get_u16(&mark[OFS_MARK_TOTAL]);
    return (half->size < half->total
            && half->back == (vnetenc_wire_get_u16(&plain[OFS_PROTOCOL])
                              == VNETENC_BACK_ETHERTYPE));
}

bool
vnetenc_half_match(const uint8_t *front, const uint8_t *back, size_t head)
{
    enum { OFS_HALF = VNETENC_GENEVE_BYTES + OFS_MARK_HALF };

    return (!memcmp(front, back, OFS_PROTOCOL)
            && !memcmp(front + OFS_VNI, back + OFS_VNI, OFS_HALF - OFS_VNI)
            && (front[OFS_HALF] ^ back[OFS_HALF]) == HALF_BACK
            && back[OFS_HALF] & HALF_BACK
            && !memcmp(front + OFS_HALF + 1, back + OFS_HALF + 1,
                       head - (OFS_HALF + 1)));
}

void
vnetenc_half_mark(uint8_t *geneve, bool back, size_t total)
{
    uint8_t *mark = geneve + VNETENC_GENEVE_BYTES;

    vnetenc_wire_put_u16(mark, VNETENC_MARK_CLASS);
    mark[2] = VNETENC_MARK_TYPE;
    mark[OFS_MARK_LENGTH] = MARK_UNITS - 1;
    mark[OFS_MARK_HALF] = ((back ? HALF_BACK : 0)
                           | (geneve[OFS_FLAGS] & FLAG_CRITICAL
                              ? HALF_CRITICAL : 0));
    mark[OFS_MARK_ZERO] = 0;
    vnetenc_wire_put_u16(&mark[OFS_MARK_TOTAL], total);

    geneve[OFS_LENGTH] += MARK_UNITS;
    geneve[OFS_FLAGS] |= FLAG_CRITICAL;
    if (back) {
        vnetenc_wire_put_u16(&geneve[OFS_PROTOCOL], VNETENC_BACK_ETHERTYPE);
    }
}

void
vnetenc_half_unmark(uint8_t *geneve, const uint8_t *mark)
{
    geneve[OFS_LENGTH] -= MARK_UNITS;
    if (!(mark[OFS_MARK_HALF] & HALF_CRITICAL)) {
        geneve[OFS_FLAGS] &= ~FLAG_CRITICAL;
    }
}

bool
vnetenc_half_is_mark(uint16_t option_class, uint8_t option_type)
{
    return (option_class == VNETENC_MARK_CLASS
            && option_type == VNETENC_MARK_TYPE);
}
