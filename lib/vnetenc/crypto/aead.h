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

#ifndef VNETENC_AEAD_H
#define VNETENC_AEAD_H 1

/* Ciphers and keys
 * ================
 *
 * A cipher is a row of a constant table.  A key is one direction of one
 * session's traffic under one cipher; whoever implements it (the provider,
 * see crypto/aead-provider.h) is chosen when the key is made.  It changes
 * once at most: when a device fails, another provider takes over.
 *
 * Sealing and opening take any number of operations, in place, and return when
 * each of them has a result: a provider that hands them to a device enqueues
 * all, then collects.  What it cannot get back in time it reports as KEPT, if
 * the operation says that it may keep the packet, or else as FAILED, having
 * given the device a copy.  Nonces are the caller's: crypto/record.h builds
 * them, and the owner of the session guarantees that none is used twice.
 *
 * Thread-safety
 * =============
 *
 * A key may be used by any number of threads at once, without locks.
 * Creation and destruction belong to the control thread; a key must outlive a
 * grace period after it was last published. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "compiler.h"
#include "util.h"
#include "vnetenc/bridge/limits.h"

struct dp_packet;

/* RFC 5289, RFC 7905. */
enum vnetenc_cipher {
    VNETENC_AES256_GCM,
    VNETENC_AES128_GCM,
    VNETENC_CHACHA20_POLY1305,
    VNETENC_N_CIPHERS
};

struct vnetenc_cipher_info {
    const char *name;           /* As in VNetEnc_Profile:ciphers. */
    const char *evp_name;       /* OpenSSL's name of the AEAD. */
    uint8_t key_bytes;
    uint8_t fixed_iv_bytes;     /* From the key block: 4 (GCM), 12 (ChaCha). */
    uint8_t explicit_bytes;     /* In each record: 8 (GCM), 0 (ChaCha). */
};

const struct vnetenc_cipher_info *vnetenc_cipher_info(enum vnetenc_cipher);
bool vnetenc_cipher_from_string(const char *, enum vnetenc_cipher *);

/* All ciphers, the one to be preferred first.  Without AES instructions, see
 * vnetenc_cpu_has_aes(), AES is slow, and its tables tell the key to those who
 * can measure times on the same CPU. */
void vnetenc_cipher_default_order(bool cpu_has_aes,
                                  enum vnetenc_cipher[VNETENC_N_CIPHERS]);
bool vnetenc_cpu_has_aes(void);

/* True if some provider passed its known answers for the cipher. */
bool vnetenc_cipher_available(enum vnetenc_cipher);

enum vnetenc_aead_result {
    VNETENC_AEAD_FAILED,        /* Not done.  Text may be half done. */
    VNETENC_AEAD_OK,
    VNETENC_AEAD_BAD,           /* Open: tag wrong.  Text is garbage. */
    VNETENC_AEAD_KEPT,          /* Device may still write into the packet: it
                                 * belongs to the provider now. */
    VNETENC_AEAD_UNTRIED,       /* Nobody has begun.  Not seen by callers of
                                 * vnetenc_aead_seal() and _open(). */
};

/* One record.  'text' is replaced by its ciphertext or plaintext; 'tag' is
 * written by seal, read by open. */
struct vnetenc_aead_op {
    uint8_t *text;
    uint8_t *tag;
    uint32_t size;              /* Octets of 'text'. */
    enum vnetenc_aead_result result;    /* Set by provider. */

    /* Each in 16 octets of its own, which are stored at once. */
    PADDED_MEMBERS(16, uint8_t nonce[VNETENC_NONCE_BYTES];);
    PADDED_MEMBERS(16, uint8_t aad[VNETENC_AAD_BYTES];);

    struct dp_packet *packet;   /* Holds 'text' and may be kept, see above; if
                                 * NULL, a provider may not keep it. */
};

struct vnetenc_aead_key;

int vnetenc_aead_key_create(enum vnetenc_cipher, const uint8_t *key,
                            struct vnetenc_aead_key **)
    OVS_WARN_UNUSED_RESULT;
void vnetenc_aead_key_destroy(struct vnetenc_aead_key *);
enum vnetenc_cipher vnetenc_aead_key_cipher(const struct vnetenc_aead_key *);
const char *vnetenc_aead_key_provider(const struct vnetenc_aead_key *);

/* Who would compute a key of the cipher that is made now, NULL if nobody. */
const char *vnetenc_aead_provider_name(enum vnetenc_cipher);

void vnetenc_aead_seal(const struct vnetenc_aead_key *,
                       struct vnetenc_aead_op *, size_t n_ops);
void vnetenc_aead_open(const struct vnetenc_aead_key *,
                       struct vnetenc_aead_op *, size_t n_ops);

#endif /* vnetenc/crypto/aead.h */
