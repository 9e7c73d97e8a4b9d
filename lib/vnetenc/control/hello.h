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

#ifndef VNETENC_HELLO_H
#define VNETENC_HELLO_H 1

/* The two messages that are exchanged before there is state
 * =========================================================
 *
 * This file reads a ClientHello and writes a HelloVerifyRequest (RFC 6347
 * section 4.2.1).  It works on raw octets, so that a datagram that anyone may
 * have sent touches nothing of libssl.
 *
 * Thread-safety: pure functions. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "compiler.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/control/cookie.h"

/* The parts of a ClientHello that the stateless listener needs.  The pointers
 * are into the datagram. */
struct vnetenc_hello {
    uint64_t record_sequence;
    const uint8_t *random;      /* 32 octets. */
    const uint8_t *cookie;
    size_t cookie_size;         /* 0 in the first ClientHello. */
};

enum vnetenc_hello_result {
    VNETENC_HELLO_OK,
    VNETENC_HELLO_OTHER,        /* Not a ClientHello. */
    VNETENC_HELLO_FRAGMENT,     /* Piece of one, or not alone. */
    VNETENC_HELLO_MALFORMED,
};

/* Reads a datagram that is exactly one record with exactly one whole
 * ClientHello of epoch 0. */
enum vnetenc_hello_result vnetenc_hello_parse(
    const void *data, size_t size, struct vnetenc_hello *);

/* Returns true if a datagram looks like a ClientHello, perhaps a bad one. */
bool vnetenc_hello_is(const void *data, size_t size);

enum { VNETENC_VERIFY_REQUEST_BYTES = 13 + 12 + 3 + VNETENC_COOKIE_BYTES };

/* Writes a HelloVerifyRequest with 'cookie' (RFC 6347 section 4.2.1) as one
 * record with the sequence number of the ClientHello. */
void vnetenc_hello_build_verify(
    uint64_t record_sequence, const uint8_t cookie[VNETENC_COOKIE_BYTES],
    uint8_t out[VNETENC_VERIFY_REQUEST_BYTES]);

#endif /* vnetenc/control/hello.h */
