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
#include "vnetenc/crypto/aead-provider.h"
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <string.h>
#include "openvswitch/types.h"
#include "ovs-atomic.h"
#include "ovs-thread.h"
#include "util.h"
#include "vnetenc/crypto/wire.h"

/* The provider "fips"
 * ===================
 *
 * FIPS 140-3 (Implementation Guidance C.H) approves AES-GCM for sealing only
 * if the module makes the nonce.  OpenSSL's module does so for TLS 1.2: it
 * takes the fixed IV, draws the first explicit nonce, and adds 1 for each
 * record.  So this provider makes nonces, and writes them into the records.
 * It is the only one while OpenSSL's fips property is on, and is not used
 * otherwise.
 *
 * A key has one context to seal, because two contexts would draw two starts,
 * whose nonces could meet.  A thread takes it for a burst; one that does not
 * get it in time fails to seal.  More lanes make more keys.  Contexts to open
 * get the nonce from the record, as always, and are those of the provider
 * "openssl".
 *
 * A nonce counts as used when the module was told to seal, whether it
 * succeeded or not: the module has moved on. */

/* The body of a record: explicit nonce, text, tag. */
enum {
    EXTRA_BYTES = VNETENC_EXPLICIT_NONCE_BYTES + VNETENC_TAG_BYTES,
};

struct fips_key {
    void *opener;               /* Of the provider "openssl". */
    PADDED_MEMBERS(CACHE_LINE_SIZE,
        atomic_bool busy;
        bool ready;             /* The context has the fixed IV. */
        EVP_CIPHER_CTX *ctx;
    );
};

static EVP_CIPHER *evp_ciphers[VNETENC_N_CIPHERS];

static bool
has_explicit_nonce(enum vnetenc_cipher cipher)
{
    return vnetenc_cipher_info(cipher)->explicit_bytes != 0;
}

static int
fips_init(void)
{
    if (!EVP_default_properties_is_fips_enabled(NULL)) {
        return EPERM;
    }
    return vnetenc_aead_fips_prepare();
}

int
vnetenc_aead_fips_prepare(void)
{
    bool any = false;

    for (int i = 0; i < VNETENC_N_CIPHERS; i++) {
        EVP_CIPHER_free(evp_ciphers[i]);
        evp_ciphers[i] = (has_explicit_nonce(i)
                          ? EVP_CIPHER_fetch(NULL,
                                             vnetenc_cipher_info(i)->evp_name,
                                             NULL)
                          : NULL);
        any |= evp_ciphers[i] != NULL;
    }
    ERR_clear_error();
    return any ? vnetenc_aead_openssl.init() : EOPNOTSUPP;
}

char *
vnetenc_aead_fips_module(void)
{
    char *name = NULL, *version = NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_NAME, &name, 0),
        OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_VERSION, &version, 0),
        OSSL_PARAM_END,
    };
    const OSSL_PROVIDER *module;

    if (!EVP_default_properties_is_fips_enabled(NULL)
        || !evp_ciphers[VNETENC_AES256_GCM]) {
        return NULL;
    }
    module = EVP_CIPHER_get0_provider(evp_ciphers[VNETENC_AES256_GCM]);
    if (!OSSL_PROVIDER_get_params(module, params) || !name || !version) {
        ERR_clear_error();
        return xstrdup("unknown");
    }
    return xasprintf("%s %s", name, version);
}

static bool
fips_supports(enum vnetenc_cipher cipher)
{
    return evp_ciphers[cipher] && vnetenc_aead_openssl.supports(cipher);
}

static void
fips_key_destroy(void *key_)
{
    struct fips_key *key = key_;

    if (key) {
        vnetenc_aead_openssl.key_destroy(key->opener);
        EVP_CIPHER_CTX_free(key->ctx);      /* Cleanses the key schedule. */
        free_cacheline(key);
    }
}

static int
create(enum vnetenc_cipher cipher, const uint8_t *bytes,
       int (*create_opener)(enum vnetenc_cipher, const uint8_t *, void **),
       void **keyp)
{
    struct fips_key *key;
    int error;

    *keyp = NULL;
    if (!fips_supports(cipher)) {
        return EOPNOTSUPP;
    }
    key = xzalloc_cacheline(sizeof *key);
    atomic_init(&key->busy, false);
    error = create_opener(cipher, bytes, &key->opener);
    if (!error) {
        key->ctx = EVP_CIPHER_CTX_new();
        if (!key->ctx
            || EVP_EncryptInit_ex2(key->ctx, evp_ciphers[cipher], bytes, NULL,
                                   NULL) <= 0
            || EVP_CIPHER_CTX_get_key_length(key->ctx)
               != vnetenc_cipher_info(cipher)->key_bytes) {
            error = EPROTO;
        }
    }
    ERR_clear_error();
    if (error) {
        fips_key_destroy(key);
        return error;
    }
    *keyp = key;
    return 0;
}

static int
fips_key_create(enum vnetenc_cipher cipher, const uint8_t *bytes, void **keyp)
{
    return create(cipher, bytes, vnetenc_aead_openssl.key_create, keyp);
}

static int
fips_key_create_single(enum vnetenc_cipher cipher, const uint8_t *bytes,
                       void **keyp)
{
    return create(cipher, bytes, vnetenc_aead_openssl.key_create_single, keyp);
}

/* Reads the nonce that the module will use next. */
static bool
get_nonce(EVP_CIPHER_CTX *ctx, uint8_t nonce[VNETENC_NONCE_BYTES])
{
    return (EVP_CIPHER_CTX_get_iv_length(ctx) == VNETENC_NONCE_BYTES
            && EVP_CIPHER_CTX_get_updated_iv(ctx, nonce,
                                             VNETENC_NONCE_BYTES) > 0);
}

/* A second start could lead to nonces that were used. */
static int
fips_begin(void *key_, const uint8_t *fixed_iv, uint64_t *first)
{
    struct fips_key *key = key_;
    uint8_t nonce[VNETENC_NONCE_BYTES];
    uint8_t salt[VNETENC_GCM_SALT_BYTES];

    if (key->ready) {
        return EALREADY;
    }
    memcpy(salt, fixed_iv, sizeof salt);
    if (EVP_CIPHER_CTX_ctrl(key->ctx, EVP_CTRL_GCM_SET_IV_FIXED, sizeof salt,
                            salt) <= 0
        || !get_nonce(key->ctx, nonce)
        || memcmp(nonce, salt, sizeof salt)) {
        ERR_clear_error();
        return EPROTO;
    }
    *first = vnetenc_wire_get_u64(nonce + sizeof salt);
    key->ready = true;
    return 0;
}

static bool
try_take(struct fips_key *key)
{
    bool expected = false;

    return atomic_compare_exchange_strong_explicit(&key->busy, &expected, true,
                                                   memory_order_acquire,
                                                   memory_order_relaxed);
}

/* Waits for the turn of this thread, in vain if another one keeps the key.
 * That one may be waiting for this processor: at first, one that yields is
 * enough, but not if the other has a lower priority.  Neither wait is a
 * quiescent state, in which the key could be freed. */
static bool
take(struct fips_key *key)
{
    for (int i = 0; i < VNETENC_TURN_YIELDS; i++) {
        if (try_take(key)) {
            return true;
        }
        sched_yield();
    }
    for (int i = 0; i < VNETENC_TURN_SLEEPS; i++) {
        if (try_take(key)) {
            return true;
        }
        xnanosleep_no_quiesce(VNETENC_TURN_SLEEP_NS);
    }
    return false;
}

static void
give(struct fips_key *key)
{
    atomic_store_explicit(&key->busy, false, memory_order_release);
}

bool
vnetenc_aead_fips_take(void *key)
{
    return take(key);
}

void
vnetenc_aead_fips_give(void *key)
{
    give(key);
}

/* Seals one record.  The module counts the explicit nonce, which it writes,
 * among the plaintext, and corrects the length in its copy of the additional
 * data. */
static bool
seal_one(EVP_CIPHER_CTX *ctx, struct vnetenc_aead_op *op)
{
    uint8_t *body = op->text - VNETENC_EXPLICIT_NONCE_BYTES;
    size_t size = op->size + EXTRA_BYTES;
    uint8_t aad[VNETENC_AAD_BYTES];

    if (op->size > VNETENC_MAX_PLAINTEXT_BYTES
        || op->tag != op->text + op->size
        || vnetenc_wire_get_u16(op->aad + sizeof op->aad - 2) != op->size) {
        return false;
    }
    memcpy(aad, op->aad, sizeof aad);
    vnetenc_wire_put_u16(aad + sizeof aad - 2,
                         op->size + VNETENC_EXPLICIT_NONCE_BYTES);
    if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_TLS1_AAD, sizeof aad, aad)
        != VNETENC_TAG_BYTES
        || EVP_Cipher(ctx, body, body, size) != (int) size) {
        return false;
    }
    memcpy(op->nonce + VNETENC_GCM_SALT_BYTES, body,
           VNETENC_EXPLICIT_NONCE_BYTES);
    return true;
}

static void
fips_seal(void *key_, struct vnetenc_aead_op *ops, size_t n)
{
    struct fips_key *key = key_;

    if (!take(key)) {
        for (size_t i = 0; i < n; i++) {
            ops[i].result = VNETENC_AEAD_FAILED;    /* Uses no nonce. */
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (key->ready && seal_one(key->ctx, &ops[i])) {
            ops[i].result = VNETENC_AEAD_OK;
        } else {
            ops[i].result = VNETENC_AEAD_FAILED;
            ERR_clear_error();
        }
    }
    give(key);
}

static void
fips_open(void *key_, struct vnetenc_aead_op *ops, size_t n)
{
    struct fips_key *key = key_;

    vnetenc_aead_openssl.open(key->opener, ops, n);
}

const struct vnetenc_aead_provider vnetenc_aead_fips = {
    .name = "fips",
    .init = fips_init,
    .supports = fips_supports,
    .key_create = fips_key_create,
    .key_create_single = fips_key_create_single,
    .key_destroy = fips_key_destroy,
    .begin = fips_begin,
    .seal = fips_seal,
    .open = fips_open,
};
