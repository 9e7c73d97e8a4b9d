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

#include "vnetenc/crypto/aead.h"

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

/* Registers the providers that pass their known answers and decides which of
 * them is used for which cipher: the one named 'choice' (other_config:
 * vnetenc-aead), or, with "auto" or NULL, the fastest by a short measurement.
 * A bad choice is logged and changes nothing; the first time it is "auto".
 *
 * Main thread only; before any key is made.  May be called again, for keys
 * that are made from then on. */
void vnetenc_aead_init(const char *choice);

/* The same, if 'choice' has changed since or DPDK has been initialized. */
void vnetenc_aead_update(const char *choice);

/* vnetenc_aead_key_create() with a provider of the caller's choice, registered
 * or not. */
int vnetenc_aead_key_create_with(const struct vnetenc_aead_provider *,
                                 enum vnetenc_cipher, const uint8_t *key,
                                 struct vnetenc_aead_key **)
    OVS_WARN_UNUSED_RESULT;

/* Known answers for 'provider': returns NULL if all of them match, otherwise
 * the name of the cipher that failed. */
const char *vnetenc_aead_self_test(const struct vnetenc_aead_provider *);

#endif /* vnetenc/crypto/aead-provider.h */
