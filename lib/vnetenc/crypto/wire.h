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

#ifndef VNETENC_WIRE_H
#define VNETENC_WIRE_H 1

/* Integers on the wire
 * ====================
 *
 * Functions that read and write big-endian integers of 2, 3 and 8 octets at
 * any address (RFC 5246 section 4.4).
 *
 * Thread-safety: the functions work only on the caller's data. */

#include <stdint.h>
#include <string.h>
#include "byte-order.h"
#include "openvswitch/types.h"

/* Returns the integer in the 2 octets at 'p'. */
static inline uint16_t
vnetenc_wire_get_u16(const uint8_t *p)
{
    ovs_be16 x;

    memcpy(&x, p, sizeof x);
    return ntohs(x);
}

/* Returns the integer in the 3 octets at 'p'. */
static inline uint32_t
vnetenc_wire_get_u24(const uint8_t *p)
{
    return (uint32_t) p[0] << 16 | vnetenc_wire_get_u16(p + 1);
}

/* Returns the integer in the 8 octets at 'p'. */
static inline uint64_t
vnetenc_wire_get_u64(const uint8_t *p)
{
    ovs_be64 x;

    memcpy(&x, p, sizeof x);
    return ntohll(x);
}

/* Writes 'value' into the 2 octets at 'p'. */
static inline void
vnetenc_wire_put_u16(uint8_t *p, uint16_t value)
{
    ovs_be16 x = htons(value);

    memcpy(p, &x, sizeof x);
}

/* Writes 'value' into the 3 octets at 'p'. */
static inline void
vnetenc_wire_put_u24(uint8_t *p, uint32_t value)
{
    p[0] = value >> 16;
    vnetenc_wire_put_u16(p + 1, value);
}

/* Writes 'value' into the 8 octets at 'p'. */
static inline void
vnetenc_wire_put_u64(uint8_t *p, uint64_t value)
{
    ovs_be64 x = htonll(value);

    memcpy(p, &x, sizeof x);
}

#endif /* vnetenc/crypto/wire.h */
