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
#include <openssl/err.h>
#include <openssl/evp.h>
#include "ovs-atomic.h"
#include "ovs-thread.h"
#include "util.h"

/* The provider "openssl"
 * ======================
 *
 * The provider uses libcrypto's EVP.  A key has several contexts, all of which
 * are made and keyed when the key is made, so that a thread sets only the
 * nonce.  A thread takes a context with one compare-and-swap.  Different
 * threads begin their search at different contexts, so they seldom meet.  A
 * context takes 1 kB and more, so a key of one thread has only one. */

enum { MAX_SLOTS = 64 };

static EVP_CIPHER *evp_ciphers[VNETENC_N_CIPHERS];

struct slot {
    PADDED_MEMBERS(CACHE_LINE_SIZE,
        atomic_bool busy;
        EVP_CIPHER_CTX *ctx;
    );
};

struct openssl_key {
    unsigned int n_slots;
    struct slot slots[];
};

static struct slot *
take_slot(struct openssl_key *key)
{
    unsigned int i = ovsthread_id_self() % key->n_slots;

    for (unsigned int tries = 1;; tries++) {
        struct slot *slot = &key->slots[i];
        bool expected = false;

        if (atomic_compare_exchange_strong_explicit(&slot->busy, &expected,
                                                    true,
                                                    memory_order_acquire,
                                                    memory_order_relaxed)) {
            return slot;
        }
        i = i + 1 < key->n_slots ? i + 1 : 0;
        if (tries % key->n_slots == 0) {
            /* There are more threads than cores, and one of them was
             * interrupted. */
            sched_yield();
        }
    }
}

static void
give_slot(struct slot *slot)
{
    atomic_store_explicit(&slot->busy, false, memory_order_release);
}

static bool
seal_one(EVP_CIPHER_CTX *ctx, const struct vnetenc_aead_op *op)
{
    uint8_t end[1];
    int n;

    return EVP_EncryptInit_ex2(ctx, NULL, NULL, op->nonce, NULL) > 0
           && EVP_EncryptUpdate(ctx, NULL, &n, op->aad, sizeof op->aad) > 0
           && (!op->size
               || (EVP_EncryptUpdate(ctx, op->text, &n, op->text,
                                     op->size) > 0
                   && n == op->size))
           && EVP_EncryptFinal_ex(ctx, end, &n) > 0
           && !n
           && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG,
                                  VNETENC_TAG_BYTES, op->tag) > 0;
}

static enum vnetenc_aead_result
open_one(EVP_CIPHER_CTX *ctx, const struct vnetenc_aead_op *op)
{
    uint8_t end[1];
    int n;

    if (EVP_DecryptInit_ex2(ctx, NULL, NULL, op->nonce, NULL) <= 0
        || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG,
                               VNETENC_TAG_BYTES, op->tag) <= 0
        || EVP_DecryptUpdate(ctx, NULL, &n, op->aad, sizeof op->aad) <= 0
        || (op->size && (EVP_DecryptUpdate(ctx, op->text, &n, op->text,
                                           op->size) <= 0
                         || n != op->size))) {
        return VNETENC_AEAD_FAILED;
    }

    /* This compares the tags, in constant time. */
    return EVP_DecryptFinal_ex(ctx, end, &n) > 0 && !n ? VNETENC_AEAD_OK
                                                       : VNETENC_AEAD_BAD;
}

static void
openssl_seal(void *key_, struct vnetenc_aead_op *ops, size_t n)
{
    struct slot *slot = take_slot(key_);

    for (size_t i = 0; i < n; i++) {
        if (seal_one(slot->ctx, &ops[i])) {
            ops[i].result = VNETENC_AEAD_OK;
        } else {
            ops[i].result = VNETENC_AEAD_FAILED;
            ERR_clear_error();
        }
    }
    give_slot(slot);
}

static void
openssl_open(void *key_, struct vnetenc_aead_op *ops, size_t n)
{
    struct slot *slot = take_slot(key_);

    for (size_t i = 0; i < n; i++) {
        ops[i].result = open_one(slot->ctx, &ops[i]);
        if (ops[i].result != VNETENC_AEAD_OK) {
            ERR_clear_error();
        }
    }
    give_slot(slot);
}

static int
openssl_init(void)
{
    bool any = false;

    for (int i = 0; i < VNETENC_N_CIPHERS; i++) {
        EVP_CIPHER_free(evp_ciphers[i]);
        evp_ciphers[i] = EVP_CIPHER_fetch(
            NULL, vnetenc_cipher_info(i)->evp_name, NULL);
        any |= evp_ciphers[i] != NULL;
    }
    ERR_clear_error();
    return any ? 0 : EOPNOTSUPP;
}

static bool
openssl_supports(enum vnetenc_cipher cipher)
{
    return evp_ciphers[cipher] != NULL;
}

/* GCM and ChaCha20 have the same key schedule for both directions, so one
 * context can seal and open. */
static EVP_CIPHER_CTX *
make_context(enum vnetenc_cipher cipher, const uint8_t *key)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    if (ctx
        && EVP_EncryptInit_ex2(ctx, evp_ciphers[cipher], NULL, NULL,
                               NULL) > 0
        && EVP_CIPHER_CTX_get_key_length(ctx)
           == vnetenc_cipher_info(cipher)->key_bytes
        && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN,
                               VNETENC_NONCE_BYTES, NULL) > 0
        && EVP_EncryptInit_ex2(ctx, NULL, key, NULL, NULL) > 0) {
        return ctx;
    }
    EVP_CIPHER_CTX_free(ctx);
    ERR_clear_error();
    return NULL;
}

static void
openssl_key_destroy(void *key_)
{
    struct openssl_key *key = key_;

    if (key) {
        for (unsigned int i = 0; i < key->n_slots; i++) {
            /* This cleanses the key schedule. */
            EVP_CIPHER_CTX_free(key->slots[i].ctx);
        }
        free_cacheline(key);
    }
}

static int
create(enum vnetenc_cipher cipher, const uint8_t *bytes, unsigned int n_slots,
       void **keyp)
{
    struct openssl_key *key;

    *keyp = NULL;
    if (!evp_ciphers[cipher]) {
        return EOPNOTSUPP;
    }

    key = xzalloc_cacheline(sizeof *key + n_slots * sizeof *key->slots);
    key->n_slots = n_slots;
    for (unsigned int i = 0; i < n_slots; i++) {
        atomic_init(&key->slots[i].busy, false);
        key->slots[i].ctx = make_context(cipher, bytes);
        if (!key->slots[i].ctx) {
            openssl_key_destroy(key);
            return EPROTO;
        }
    }
    *keyp = key;
    return 0;
}

static int
openssl_key_create(enum vnetenc_cipher cipher, const uint8_t *bytes,
                   void **keyp)
{
    return create(cipher, bytes,
                  MIN(MAX(count_total_cores(), 0) + 2, MAX_SLOTS), keyp);
}

static int
openssl_key_create_single(enum vnetenc_cipher cipher, const uint8_t *bytes,
                          void **keyp)
{
    return create(cipher, bytes, 1, keyp);
}

const struct vnetenc_aead_provider vnetenc_aead_openssl = {
    .name = "openssl",
    .init = openssl_init,
    .supports = openssl_supports,
    .key_create = openssl_key_create,
    .key_create_single = openssl_key_create_single,
    .key_destroy = openssl_key_destroy,
    .seal = openssl_seal,
    .open = openssl_open,
};
