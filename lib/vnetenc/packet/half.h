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
 * PROTOCOL.md section 8.  A packet that is too long for the underlay travels
 * as two records.  The plaintext of each is a Geneve packet of its own: the
 * Geneve header of the whole, with an option of ours as its first one, and a
 * part of the inner frame.
 *
 *     ver, length 1 | flags, C set 1 | protocol type 2 | VNI 3 | 0 1
 *     class 2 | type 1 | length 1 | half 1 | 0 1 | octets of inner frame 2
 *     options of the whole | part of the inner frame
 *
 * This file knows these octets: it marks a header, takes the mark away and
 * reads it.  packet/split.h cuts, packet/join.h puts together.
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

    /* IEEE Std 802, local experiments: what a dissector shows as data. */
    VNETENC_BACK_ETHERTYPE = 0x88b5,
};

struct vnetenc_half {
    bool back;
    size_t head;                /* Bytes of Geneve header, the mark's too. */
    size_t size;                /* Bytes of the inner frame in this half. */
    size_t total;               /* In both. */
};

/* Bytes of the Geneve header at 'geneve', options included. */
static inline size_t
vnetenc_half_geneve_size(const uint8_t *geneve)
{
    return VNETENC_GENEVE_BYTES + 4 * (geneve[0] & 0x3f);
}

/* True if 'plain', the 'size' bytes of a Geneve packet, claims to be a
 * half. */
static inline bool
vnetenc_half_is(const uint8_t *plain, size_t size)
{
    const uint8_t *mark = plain + VNETENC_GENEVE_BYTES;

    return (size >= VNETENC_GENEVE_BYTES + VNETENC_MARK_BYTES
            && (plain[0] & 0x3f)
            && vnetenc_wire_get_u16(mark) == VNETENC_MARK_CLASS
            && mark[2] == VNETENC_MARK_TYPE);
}

/* Reads what vnetenc_half_is() found.  Returns false if it cannot be. */
bool vnetenc_half_parse(const uint8_t *plain, size_t size,
                        struct vnetenc_half *) OVS_WARN_UNUSED_RESULT;

/* True if the headers of 'front' and 'back', of 'head' bytes, are those of
 * one packet. */
bool vnetenc_half_match(const uint8_t *front, const uint8_t *back,
                        size_t head) OVS_WARN_UNUSED_RESULT;

/* Marks the header at 'geneve', with a gap of VNETENC_MARK_BYTES behind its
 * first VNETENC_GENEVE_BYTES, as that of a half. */
void vnetenc_half_mark(uint8_t *geneve, bool back, size_t total);

/* The reverse: the header at 'geneve', whose mark at 'mark' is still good, is
 * that of a whole, with a gap in the same place. */
void vnetenc_half_unmark(uint8_t *geneve, const uint8_t *mark);

/* True if no flow may have the Geneve option of 'option_class' and
 * 'option_type', because the other end would take it for that of half a
 * packet. */
bool vnetenc_half_is_mark(uint16_t option_class, uint8_t option_type);

#endif /* vnetenc/packet/half.h */
