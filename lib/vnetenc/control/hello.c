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

#include "util.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc/crypto/wire.h"

/* RFC 6347 sections 4.1, 4.2.2, 4.3.2. */
enum {
    MESSAGE_HELLO_VERIFY_REQUEST = 3,
    MESSAGE_HEADER_BYTES = 12,
    VERSION_MAJOR = 0xfe,       /* Of every DTLS. */
    VERSION_DTLS_1_0 = 0xfeff,
};

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

/* Reads the body of a ClientHello up to the cookie, RFC 6347 section 4.2.1,
 * and leaves the rest to libssl. */
static bool
parse_body(const uint8_t *body, size_t size,
           struct vnetenc_hello *hello)
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
vnetenc_hello_parse(const void *data, size_t size,
                    struct vnetenc_hello *hello)
{
    struct vnetenc_record record;
    const uint8_t *message;
    size_t length, pos = 0;

    message = vnetenc_record_next(data, size, &pos, &record);
    if (!message
        || record.type != VNETENC_RECORD_HANDSHAKE
        || record.version >> 8 != VERSION_MAJOR
        || record.epoch
        || record.length < MESSAGE_HEADER_BYTES
        || message[0] != VNETENC_HANDSHAKE_CLIENT_HELLO) {
        return VNETENC_HELLO_OTHER;
    }

    length = vnetenc_wire_get_u24(message + 1);
    if (pos != size
        || vnetenc_wire_get_u24(message + 6)            /* Fragment offset. */
        || vnetenc_wire_get_u24(message + 9) != length  /* Fragment length. */
        || record.length != MESSAGE_HEADER_BYTES + length) {
        return VNETENC_HELLO_FRAGMENT;
    }

    hello->record_sequence = record.seq;
    return (parse_body(message + MESSAGE_HEADER_BYTES, length, hello)
            ? VNETENC_HELLO_OK : VNETENC_HELLO_MALFORMED);
}

bool
vnetenc_hello_is(const void *data, size_t size)
{
    struct vnetenc_hello hello;

    return (vnetenc_hello_parse(data, size, &hello)
            != VNETENC_HELLO_OTHER);
}

/* RFC 6347 section 4.2.1: "the server MUST use the record sequence number in
 * the ClientHello as the record sequence number in the HelloVerifyRequest",
 * and its version is DTLS 1.0, whatever will be negotiated. */
void
vnetenc_hello_build_verify(uint64_t record_sequence,
                           const uint8_t cookie[VNETENC_COOKIE_BYTES],
                           uint8_t out[VNETENC_VERIFY_REQUEST_BYTES])
{
    const size_t length = 3 + VNETENC_COOKIE_BYTES;
    const struct vnetenc_record record = {
        .type = VNETENC_RECORD_HANDSHAKE,
        .version = VERSION_DTLS_1_0,
        .seq = record_sequence,
        .length = MESSAGE_HEADER_BYTES + length,
    };
    uint8_t *p = vnetenc_record_put_header(out, &record);

    memset(p, 0, MESSAGE_HEADER_BYTES);
    p[0] = MESSAGE_HELLO_VERIFY_REQUEST;
    vnetenc_wire_put_u24(p + 1, length);
    vnetenc_wire_put_u24(p + 9, length);        /* Fragment's length. */
    p += MESSAGE_HEADER_BYTES;

    vnetenc_wire_put_u16(p, VERSION_DTLS_1_0);
    p[2] = VNETENC_COOKIE_BYTES;
    memcpy(p + 3, cookie, VNETENC_COOKIE_BYTES);
    ovs_assert(p + length == out + VNETENC_VERIFY_REQUEST_BYTES);
}
