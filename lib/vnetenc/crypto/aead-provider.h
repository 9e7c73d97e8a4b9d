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

#ifndef VNETENC_AEAD_PROVIDER_H
#define VNETENC_AEAD_PROVIDER_H 1

/* What a provider of AEAD ciphers implements
 * ==========================================
 *
 * One constant row per provider.  A row is registered only after it passed
 * known answers for each cipher it claims (vnetenc_aead_init()).
 *
 * Thread-safety: 'seal' and 'open' run in any number of threads on the same
 * key.  They neither allocate, nor lock, nor log. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util.h"
#include "vnetenc/bridge/limits.h"
#include "vnetenc/crypto/cipher.h"

struct dp_packet;

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

struct vnetenc_aead_provider {
    const char *name;           /* "openssl", ... */

    /* Prepares the provider, once.  Returns 0 or a positive errno value, in
     * which case the provider is left out. */
    int (*init)(void);

    bool (*supports)(enum vnetenc_cipher);

    /* Makes '*aux' for 'key' of the cipher's size.  Returns 0 or a positive
     * errno value.  Keeps no reference to 'key'. */
    int (*key_create)(enum vnetenc_cipher, const uint8_t *key, void **aux);

    /* Cleanses and frees 'aux'. */
    void (*key_destroy)(void *aux);

    /* Sets 'result' in each of the 'n' operations.  VNETENC_AEAD_KEPT only
     * where 'packet' is nonnull: the packet is the provider's from then on, to
     * be freed when the device can no longer write into it. */
    void (*seal)(void *aux, struct vnetenc_aead_op *, size_t n);
    void (*open)(void *aux, struct vnetenc_aead_op *, size_t n);

    /* NULL for all that compute with the CPU's own instructions.  Otherwise
     * the provider may fail or have no room: false says that it no longer does
     * anything for 'aux'.  Such a provider leaves VNETENC_AEAD_UNTRIED in
     * operations that it never showed to its device: another provider does
     * them.  One that it did show is lost if it does not succeed: what came of
     * its text is not known, so its nonce counts as used. */
    bool (*works)(const void *aux);
};

extern const struct vnetenc_aead_provider vnetenc_aead_openssl;
extern const struct vnetenc_aead_provider vnetenc_aead_ipsec_mb;
extern const struct vnetenc_aead_provider vnetenc_aead_cryptodev;

/* Known answers for 'provider': returns NULL if all of them match, otherwise
 * the name of the cipher that failed. */
const char *vnetenc_aead_self_test(const struct vnetenc_aead_provider *);

#endif /* vnetenc/crypto/aead-provider.h */
