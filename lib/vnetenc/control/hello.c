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
#include "vnetenc/control/hello.h"

#include <string.h>

#include "unaligned.h"
#include "util.h"

/* RFC 6347 sections 4.1, 4.2.2, 4.3.2. */
enum {
    TYPE_HANDSHAKE = 22,
    MESSAGE_CLIENT_HELLO = 1,
    MESSAGE_HELLO_VERIFY_REQUEST = 3,
    MESSAGE_HEADER_BYTES = 12,
    VERSION_MAJOR = 0xfe,       /* Of every DTLS. */
    VERSION_DTLS_1_0 = 0xfeff,
};

static uint16_t
get_u16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

static uint32_t
get_u24(const uint8_t *p)
{
    return (uint32_t) p[0] << 16 | p[1] << 8 | p[2];
}

static uint64_t
get_u48(const uint8_t *p)
{
    return (uint64_t) get_u24(p) << 24 | get_u24(p + 3);
}

bool
vnetenc_wire_record_next(const uint8_t *data, size_t size, size_t *pos,
                         struct vnetenc_wire_record *record)
{
    const uint8_t *p = data + *pos;
    size_t left = size - *pos;

    if (left < VNETENC_RECORD_HEADER_BYTES) {
        return false;
    }
    record->type = p[0];
    record->version = get_u16(p + 1);
    record->epoch = get_u16(p + 3);
    record->sequence = get_u48(p + 5);
    record->body = p + VNETENC_RECORD_HEADER_BYTES;
    record->body_size = get_u16(p + 11);
    if (record->body_size > left - VNETENC_RECORD_HEADER_BYTES) {
        return false;
    }
    *pos += VNETENC_RECORD_HEADER_BYTES + record->body_size;
    return true;
}

/* Reads the vector at '*pos', whose length is one octet, and moves '*pos'
 * behind it. */
static bool
get_vector(const uint8_t *body, size_t size, size_t *pos,
           const uint8_t **vector, size_t *vector_size)
{
    const uint8_t *p = body + *pos;
    size_t left = size - *pos;

    if (!left || *p > left - 1) {
        return false;
    }
    *vector_size = *p;
    *vector = p + 1;
    *pos += 1 + *vector_size;
    return true;
}

/* ClientHello's body up to the cookie, RFC 6347 section 4.2.1.  The rest is
 * left to libssl. */
static bool
parse_body(const uint8_t *body, size_t size,
           struct vnetenc_client_hello *hello)
{
    size_t pos = 2 + VNETENC_HELLO_RANDOM_BYTES;
    const uint8_t *session_id;
    size_t session_id_size;

    if (size < pos || body[0] != VERSION_MAJOR) {
        return false;
    }
    hello->random = body + 2;
    return (get_vector(body, size, &pos, &session_id, &session_id_size)
            && get_vector(body, size, &pos,
                          &hello->cookie, &hello->cookie_size));
}

enum vnetenc_hello_result
vnetenc_client_hello_parse(const void *data, size_t size,
                           struct vnetenc_client_hello *hello)
{
    struct vnetenc_wire_record record;
    const uint8_t *message;
    size_t length, pos = 0;

    if (!vnetenc_wire_record_next(data, size, &pos, &record)
        || record.type != TYPE_HANDSHAKE
        || record.version >> 8 != VERSION_MAJOR
        || record.epoch
        || record.body_size < MESSAGE_HEADER_BYTES
        || record.body[0] != MESSAGE_CLIENT_HELLO) {
        return VNETENC_HELLO_OTHER;
    }

    message = record.body;
    length = get_u24(message + 1);
    if (pos != size
        || get_u24(message + 6)                 /* Fragment's offset. */
        || get_u24(message + 9) != length       /* Fragment's length. */
        || record.body_size != MESSAGE_HEADER_BYTES + length) {
        return VNETENC_HELLO_FRAGMENT;
    }

    hello->record_sequence = record.sequence;
    return (parse_body(message + MESSAGE_HEADER_BYTES, length, hello)
            ? VNETENC_HELLO_OK : VNETENC_HELLO_MALFORMED);
}

static uint8_t *
put_uint(uint8_t *p, uint64_t value, int n_bytes)
{
    for (int i = n_bytes - 1; i >= 0; i--) {
        *p++ = value >> (8 * i);
    }
    return p;
}

/* RFC 6347 section 4.2.1: "the server MUST use the record sequence number in
 * the ClientHello as the record sequence number in the HelloVerifyRequest",
 * and DTLS 1.0 as its version, whatever will be negotiated. */
void
vnetenc_verify_request_build(uint64_t record_sequence,
                             const uint8_t cookie[VNETENC_COOKIE_BYTES],
                             uint8_t out[VNETENC_VERIFY_REQUEST_BYTES])
{
    const size_t length = 3 + VNETENC_COOKIE_BYTES;
    uint8_t *p = out;

    p = put_uint(p, TYPE_HANDSHAKE, 1);
    p = put_uint(p, VERSION_DTLS_1_0, 2);
    p = put_uint(p, 0, 2);                      /* Epoch. */
    p = put_uint(p, record_sequence, 6);
    p = put_uint(p, MESSAGE_HEADER_BYTES + length, 2);

    p = put_uint(p, MESSAGE_HELLO_VERIFY_REQUEST, 1);
    p = put_uint(p, length, 3);
    p = put_uint(p, 0, 2);                      /* Message sequence. */
    p = put_uint(p, 0, 3);                      /* Fragment's offset. */
    p = put_uint(p, length, 3);                 /* Fragment's length. */

    p = put_uint(p, VERSION_DTLS_1_0, 2);
    p = put_uint(p, VNETENC_COOKIE_BYTES, 1);
    memcpy(p, cookie, VNETENC_COOKIE_BYTES);
    ovs_assert(p + VNETENC_COOKIE_BYTES == out + VNETENC_VERIFY_REQUEST_BYTES);
}
