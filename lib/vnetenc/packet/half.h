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

#ifndef VNETENC_HALF_H
#define VNETENC_HALF_H 1

/* Half of a packet
 * ================
 *
 * A packet that is too long for the underlay travels as two records
 * (PROTOCOL.md section 8).  The plaintext of each is a Geneve packet of its
 * own: the Geneve header of the whole, with an option of ours in front of its
 * options, and a part of the inner frame.
 *
 *     ver, length 1 | flags, C set 1 | protocol type 2 | VNI 3 | 0 1
 *     class 2 | type 1 | length 1 | half 1 | 0 1 | octets of inner frame 2
 *     options of the whole | part of the inner frame
 *
 * Only this file knows these octets.  It sets our option, the mark, in a
 * header, removes it and reads it.  packet/split.h splits packets, and
 * packet/join.h joins halves.
 *
 * Thread-safety: pure functions of the caller's data. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "openvswitch/compiler.h"
#include "openvswitch/types.h"
#include "vnetenc/crypto/wire.h"

enum {
    VNETENC_GENEVE_BYTES = 8,           /* Header without options. */
    VNETENC_MARK_BYTES = 8,             /* Our option. */
    VNETENC_MAX_GENEVE_OPTIONS = 63,    /* In units of 4 bytes. */

    /* RFC 8926 section 3.5: a class for experiments, a critical option. */
    VNETENC_MARK_CLASS = 0xffe7,
    VNETENC_MARK_TYPE = 0x80,

    /* IEEE Std 802, local experiments: a dissector shows the rest as data. */
    VNETENC_BACK_ETHERTYPE = 0x88b5,
};

struct vnetenc_half {
    bool back;
    size_t head;                /* Bytes of Geneve header, with mark. */
    size_t size;                /* Bytes of the inner frame in this half. */
    size_t total;               /* Bytes of the inner frame in both. */
};

/* Returns the number of bytes of the Geneve header at 'geneve', including its
 * options. */
static inline size_t
vnetenc_half_geneve_size(const uint8_t *geneve)
{
    return VNETENC_GENEVE_BYTES + 4 * (geneve[0] & 0x3f);
}

/* True if the Geneve packet of 'size' bytes at 'plain' claims to be a half. */
static inline bool
vnetenc_half_is(const uint8_t *plain, size_t size)
{
    const uint8_t *mark = plain + VNETENC_GENEVE_BYTES;

    return (size >= VNETENC_GENEVE_BYTES + VNETENC_MARK_BYTES
            && (plain[0] & 0x3f)
            && vnetenc_wire_get_u16(mark) == VNETENC_MARK_CLASS
            && mark[2] == VNETENC_MARK_TYPE);
}

/* Reads the header of a packet for which vnetenc_half_is() is true.  Returns
 * false if the packet is not a valid half. */
bool vnetenc_half_parse(const uint8_t *plain, size_t size,
                        struct vnetenc_half *) OVS_WARN_UNUSED_RESULT;

/* True if the headers of 'front' and 'back', which have 'head' bytes each, are
 * those of one packet. */
bool vnetenc_half_match(const uint8_t *front, const uint8_t *back,
                        size_t head) OVS_WARN_UNUSED_RESULT;

/* Marks the header at 'geneve' as that of a half of an inner frame of 'total'
 * bytes.  The caller has left a gap of VNETENC_MARK_BYTES behind its first
 * VNETENC_GENEVE_BYTES. */
void vnetenc_half_mark(uint8_t *geneve, bool back, size_t total);

/* The reverse: makes the header at 'geneve' that of a whole.  'mark' is the
 * mark or a copy of it; the caller closes the gap.  The protocol type of a
 * back half stays as it is. */
void vnetenc_half_unmark(uint8_t *geneve, const uint8_t *mark);

/* True if no flow may use the Geneve option of 'option_class' and
 * 'option_type', because the receiver would take it for our mark. */
bool vnetenc_half_is_mark(uint16_t option_class, uint8_t option_type);

#endif /* vnetenc/packet/half.h */
