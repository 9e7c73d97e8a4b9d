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

/* Interface of a provider of AEAD ciphers
 * =======================================
 *
 * Each provider is one constant row.  vnetenc_aead_init() registers a row only
 * if it gives the known answers for each cipher that it claims to support.
 *
 * Thread-safety: 'seal' and 'open' run in any number of threads on the same
 * key.  They neither allocate, nor log, nor lock; but to seal with a provider
 * that makes nonces, threads wait for each other's bursts, for a limited
 * time.  Threads of the
 * datapath call no other function. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "compiler.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/crypto/cipher.h"

struct dp_packet;

enum vnetenc_aead_result {
    VNETENC_AEAD_FAILED,        /* Not done.  Text may be garbage. */
    VNETENC_AEAD_OK,
    VNETENC_AEAD_BAD,           /* Open: tag wrong.  Text is garbage. */
    VNETENC_AEAD_KEPT,          /* The device may still write into the packet,
                                 * which now belongs to the provider. */
    VNETENC_AEAD_UNTRIED,       /* Not begun.  Callers of vnetenc_aead_seal()
                                 * and vnetenc_aead_open() never see it. */
};

/* One record.  'text' is replaced by its ciphertext or plaintext; 'tag' is
 * written by seal, read by open.
 *
 * A provider that makes nonces ignores 'nonce' when it seals, and writes the
 * explicit part to the record, VNETENC_EXPLICIT_NONCE_BYTES that the caller
 * has before 'text', and to 'nonce'; 'tag' must follow 'text', and 'aad' end
 * with 'size', as that of a record does. */
struct vnetenc_aead_op {
    uint8_t *text;
    uint8_t *tag;
    uint32_t size;              /* Bytes of 'text'. */
    enum vnetenc_aead_result result;    /* Set by provider. */

    /* Each has 16 bytes of its own, which are stored at once. */
    PADDED_MEMBERS(16, uint8_t nonce[VNETENC_NONCE_BYTES];);
    PADDED_MEMBERS(16, uint8_t aad[VNETENC_AAD_BYTES];);

    struct dp_packet *packet;   /* Holds 'text'.  If nonnull, the provider may
                                 * keep it: see VNETENC_AEAD_KEPT. */
};

struct vnetenc_aead_provider {
    const char *name;           /* "openssl", ... */

    /* Prepares the provider, once.  Returns 0 or a positive errno value, in
     * which case the provider is left out. */
    int (*init)(void);

    /* True if the provider can compute the cipher. */
    bool (*supports)(enum vnetenc_cipher);

    /* Makes '*aux' for 'key' of the cipher's size.  Returns 0 or a positive
     * errno value.  Keeps no reference to 'key'. */
    int (*key_create)(enum vnetenc_cipher, const uint8_t *key, void **aux);

    /* Does the same for a key that only one thread uses at a time.  NULL:
     * 'key_create' serves. */
    int (*key_create_single)(enum vnetenc_cipher, const uint8_t *key,
                             void **aux);

    /* NULL in a provider that seals with the nonces that it is given.
     *
     * Other providers make nonces themselves, and seal nothing before this was
     * called, once: it takes the fixed IV, VNETENC_GCM_SALT_BYTES long, and
     * stores the first explicit nonce in '*first'.  The nonce of each next
     * operation, whether that succeeds or not, is the one before plus 1,
     * modulo 2^64.  Returns 0 or a positive errno value. */
    int (*begin)(void *aux, const uint8_t *fixed_iv, uint64_t *first);

    /* Cleanses and frees 'aux'. */
    void (*key_destroy)(void *aux);

    /* Sets 'result' in each of the 'n' operations.  VNETENC_AEAD_KEPT is
     * allowed only if 'packet' is nonnull.  From then on the provider owns the
     * packet; it frees the packet when the device can no longer write into
     * it. */
    void (*seal)(void *aux, struct vnetenc_aead_op *, size_t n);
    void (*open)(void *aux, struct vnetenc_aead_op *, size_t n);

    /* Does the same as 'seal' for 'n' operations, each with a key of its own:
     * auxs[i] is that of the i-th.  NULL: one call of 'seal' for each. */
    void (*seal_each)(void *const auxs[], struct vnetenc_aead_op *, size_t n);

    /* Begins to fetch what 'seal' and 'open' read of 'aux'.  NULL: does
     * nothing. */
    void (*fetch)(const void *aux);

    /* NULL in a provider that computes with the CPU's own instructions and
     * cannot fail.  In any other provider, false means that it no longer does
     * anything for 'aux'.
     *
     * Such a provider sets VNETENC_AEAD_UNTRIED in operations that its device
     * has not seen; another provider does them.  An operation that the device
     * has seen and that did not succeed is lost: the state of its text is
     * unknown, and its nonce counts as used. */
    bool (*works)(const void *aux);
};

extern const struct vnetenc_aead_provider vnetenc_aead_openssl;
extern const struct vnetenc_aead_provider vnetenc_aead_ipsec_mb;
extern const struct vnetenc_aead_provider vnetenc_aead_cryptodev;
extern const struct vnetenc_aead_provider vnetenc_aead_fips;

/* Does what vnetenc_aead_fips.init() does, also without OpenSSL's fips
 * property, for tests. */
int vnetenc_aead_fips_prepare(void);

/* Takes a key of vnetenc_aead_fips as a thread that seals a burst does, and
 * gives it back, for tests.  Returns false if it was not to be had. */
bool vnetenc_aead_fips_take(void *key) OVS_WARN_UNUSED_RESULT;
void vnetenc_aead_fips_give(void *key);

/* Returns the name and version of OpenSSL's module that computes, which the
 * caller frees, or NULL if the provider "fips" is not used. */
char *vnetenc_aead_fips_module(void);

/* Compares the provider with known answers for each cipher that it supports.
 * Returns NULL if all of them match, otherwise the name of the cipher that
 * failed.  Main thread. */
const char *vnetenc_aead_provider_self_test(
    const struct vnetenc_aead_provider *);

#endif /* vnetenc/crypto/aead-provider.h */
