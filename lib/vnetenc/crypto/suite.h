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

#ifndef VNETENC_SUITE_H
#define VNETENC_SUITE_H 1

/* Cipher suites
 * =============
 *
 * PROTOCOL.md section 2 allows these suites.  Each combines one of our ciphers
 * with an ephemeral key exchange and a kind of certificate (RFC 5289 section
 * 3.2, RFC 7905 section 2).
 *
 * Thread-safety: pure functions of a constant table. */

#include <stddef.h>
#include <stdint.h>
#include "vnetenc/crypto/cipher.h"

/* A cipher suite that a handshake may choose. */
struct vnetenc_suite {
    uint16_t id;                /* As on the wire. */
    const char *name;           /* OpenSSL's. */
    enum vnetenc_cipher cipher;
    const char *prf_digest;     /* OpenSSL's name of the PRF's hash. */
};

/* Returns the suite with number 'id', or NULL if it is not one of ours. */
const struct vnetenc_suite *vnetenc_suite_find(uint16_t id);

/* Returns the 'i'th suite of 'cipher', counted from 0 and best first, or NULL
 * if there are not as many. */
const struct vnetenc_suite *vnetenc_suite_get(enum vnetenc_cipher, size_t i);

#endif /* vnetenc/crypto/suite.h */
