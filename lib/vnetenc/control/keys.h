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

#ifndef VNETENC_KEYS_H
#define VNETENC_KEYS_H 1

/* Record keys of a finished handshake
 * ===================================
 *
 * This is the bridge between libssl, which performs the handshake, and our
 * record code, which seals and opens.  OpenSSL's own TLS1-PRF computes the key
 * block from the master secret and the two randoms (RFC 5246 section 6.3).
 *
 * Lifetime
 * ========
 *
 * The holder of a 'struct vnetenc_keys' cleanses it with vnetenc_keys_wipe()
 * on success and on failure.
 *
 * Thread-safety: pure functions.  Only the control thread has SSL objects. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "compiler.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc/crypto/suite.h"

struct ssl_st;

/* The client seals with 'client_key' and opens with 'server_key'; the server
 * the other way round.  Unused octets are zero. */
struct vnetenc_keys {
    enum vnetenc_cipher cipher;
    size_t key_len;             /* Of each key. */
    size_t iv_len;              /* Of each fixed IV: 4 (GCM), 12 (ChaCha). */
    uint8_t client_key[VNETENC_MAX_KEY_BYTES];
    uint8_t server_key[VNETENC_MAX_KEY_BYTES];
    uint8_t client_iv[VNETENC_MAX_FIXED_IV_BYTES];
    uint8_t server_iv[VNETENC_MAX_FIXED_IV_BYTES];
};

/* Computes the record keys of 'ssl', whose handshake has finished.  Returns
 * false, with '*keys' all zero, if the suite is not ours or the computation
 * failed. */
bool vnetenc_keys_derive(struct ssl_st *ssl, struct vnetenc_keys *)
    OVS_WARN_UNUSED_RESULT;

/* Does the part of vnetenc_keys_derive() that needs no handshake.  'master'
 * has 48 octets, each random 32. */
bool vnetenc_keys_expand(const struct vnetenc_suite *, const uint8_t *master,
                         const uint8_t *client_random,
                         const uint8_t *server_random,
                         struct vnetenc_keys *)
    OVS_WARN_UNUSED_RESULT;

/* Cleanses the keys. */
void vnetenc_keys_wipe(struct vnetenc_keys *);

/* Returns the key with which the client, or else the server, seals.  The
 * caller wipes it. */
struct vnetenc_record_key vnetenc_keys_get(
    const struct vnetenc_keys *, bool client);

#endif /* vnetenc/control/keys.h */
