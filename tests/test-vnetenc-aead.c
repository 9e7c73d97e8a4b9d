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

/* AEAD: every length against libcrypto used in the plainest way, every kind
 * of change refused, many threads on one key, and the gate of known
 * answers. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/crypto/aead.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "ovs-thread.h"
#include "random.h"
#include "util.h"
#include "vnetenc-unit.h"

enum { MAX_SIZE = VNETENC_MAX_PLAINTEXT_BYTES };

static uint8_t key_bytes[VNETENC_MAX_KEY_BYTES];
static uint8_t plain[MAX_SIZE];

static struct vnetenc_aead_key *
make_key(enum vnetenc_cipher cipher)
{
    struct vnetenc_aead_key *key = NULL;

    ovs_assert(!vnetenc_aead_key_create(cipher, key_bytes, &key));
    return key;
}

static void
set_op(struct vnetenc_aead_op *op, uint8_t *text, size_t size, uint8_t *tag,
       unsigned int seed)
{
    memset(op, 0, sizeof *op);
    op->text = text;
    op->tag = tag;
    op->size = size;
    op->result = VNETENC_AEAD_FAILED;
    for (size_t i = 0; i < sizeof op->nonce; i++) {
        op->nonce[i] = seed * 13 + i;
    }
    for (size_t i = 0; i < sizeof op->aad; i++) {
        op->aad[i] = seed * 7 + i;
    }
}

/* One-shot use of libcrypto, nothing kept from one call to the next. */
static void
reference_seal(enum vnetenc_cipher cipher, const struct vnetenc_aead_op *op,
               const uint8_t *in, uint8_t *out, uint8_t tag[VNETENC_TAG_BYTES])
{
    static const char *const names[] = {
        [VNETENC_AES256_GCM] = "AES-256-GCM",
        [VNETENC_AES128_GCM] = "AES-128-GCM",
        [VNETENC_CHACHA20_POLY1305] = "ChaCha20-Poly1305",
    };
    EVP_CIPHER *evp = EVP_CIPHER_fetch(NULL, names[cipher], NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n;

    ovs_assert(EVP_EncryptInit_ex(ctx, evp, NULL, key_bytes, op->nonce));
    ovs_assert(EVP_EncryptUpdate(ctx, NULL, &n, op->aad, sizeof op->aad));
    ovs_assert(!op->size || EVP_EncryptUpdate(ctx, out, &n, in, op->size));
    ovs_assert(EVP_EncryptFinal_ex(ctx, out + op->size, &n));
    ovs_assert(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag));
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(evp);
}

static bool
length_is_right(enum vnetenc_cipher cipher, const struct vnetenc_aead_key *key,
                size_t size)
{
    static uint8_t text[MAX_SIZE], expected[MAX_SIZE + 16];
    uint8_t tag[VNETENC_TAG_BYTES], expected_tag[VNETENC_TAG_BYTES];
    struct vnetenc_aead_op op;

    memcpy(text, plain, size);
    set_op(&op, text, size, tag, size);
    reference_seal(cipher, &op, plain, expected, expected_tag);
    vnetenc_aead_seal(key, &op, 1);
    if (op.result != VNETENC_AEAD_OK
        || memcmp(text, expected, size)
        || memcmp(tag, expected_tag, sizeof tag)) {
        return false;
    }
    vnetenc_aead_open(key, &op, 1);
    return (op.result == VNETENC_AEAD_OK
            && !memcmp(text, plain, size)
            && !memcmp(tag, expected_tag, sizeof tag));
}

static void
test_lengths(enum vnetenc_cipher cipher)
{
    static const size_t more[] = { 9000, MAX_SIZE - 1, MAX_SIZE };
    struct vnetenc_aead_key *key = make_key(cipher);
    unsigned int n_wrong = 0;

    for (size_t size = 0; size <= 2048; size++) {
        n_wrong += !length_is_right(cipher, key, size);
    }
    for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
        n_wrong += !length_is_right(cipher, key, more[i]);
    }
    CHECK(n_wrong == 0);
    vnetenc_aead_key_destroy(key);
}

/* Any one bit of text, tag, nonce or additional data. */
static void
test_changes(enum vnetenc_cipher cipher)
{
    struct vnetenc_aead_key *key = make_key(cipher);
    struct vnetenc_aead_key *other;
    uint8_t sealed[64], text[64], tag[VNETENC_TAG_BYTES];
    struct vnetenc_aead_op op;
    unsigned int n_wrong = 0, n = 0;

    memcpy(sealed, plain, sizeof sealed);
    set_op(&op, sealed, sizeof sealed, tag, 1);
    vnetenc_aead_seal(key, &op, 1);
    CHECK(op.result == VNETENC_AEAD_OK);

    op.text = text;
    struct {
        uint8_t *p;
        size_t size;
    } parts[] = {
        { text, sizeof text }, { tag, sizeof tag },
        { op.nonce, sizeof op.nonce }, { op.aad, sizeof op.aad },
    };
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        for (size_t bit = 0; bit < 8 * parts[i].size; bit++) {
            memcpy(text, sealed, sizeof text);
            parts[i].p[bit / 8] ^= 1 << bit % 8;
            op.result = VNETENC_AEAD_OK;
            vnetenc_aead_open(key, &op, 1);
            parts[i].p[bit / 8] ^= 1 << bit % 8;
            n_wrong += op.result != VNETENC_AEAD_BAD;
            n++;
        }
    }
    CHECK(n == 8 * (64 + 16 + 12 + 13));
    CHECK(n_wrong == 0);

    /* One octet less. */
    memcpy(text, sealed, sizeof text);
    op.size--;
    vnetenc_aead_open(key, &op, 1);
    CHECK(op.result == VNETENC_AEAD_BAD);
    op.size++;

    /* Another key. */
    key_bytes[15] ^= 1;
    other = make_key(cipher);
    key_bytes[15] ^= 1;
    memcpy(text, sealed, sizeof text);
    vnetenc_aead_open(other, &op, 1);
    CHECK(op.result == VNETENC_AEAD_BAD);
    vnetenc_aead_key_destroy(other);

    /* And nothing of all that harmed the key. */
    memcpy(text, sealed, sizeof text);
    vnetenc_aead_open(key, &op, 1);
    CHECK(op.result == VNETENC_AEAD_OK);
    CHECK(!memcmp(text, plain, sizeof text));
    vnetenc_aead_key_destroy(key);
}

/* One bad operation does not spoil its neighbours. */
static void
test_batch(enum vnetenc_cipher cipher)
{
    enum { N = 100, SIZE = 200 };
    struct vnetenc_aead_key *key = make_key(cipher);
    static uint8_t text[N][SIZE], tag[N][VNETENC_TAG_BYTES];
    static struct vnetenc_aead_op ops[N];
    unsigned int n_wrong = 0;

    for (unsigned int i = 0; i < N; i++) {
        memcpy(text[i], plain + i, SIZE - i);
        set_op(&ops[i], text[i], SIZE - i, tag[i], i);
    }
    vnetenc_aead_seal(key, ops, N);
    for (unsigned int i = 0; i < N; i++) {
        n_wrong += ops[i].result != VNETENC_AEAD_OK;
        n_wrong += !memcmp(text[i], plain + i, SIZE - i);
    }
    tag[17][3] ^= 4;
    vnetenc_aead_open(key, ops, N);
    for (unsigned int i = 0; i < N; i++) {
        if (i == 17) {
            n_wrong += ops[i].result != VNETENC_AEAD_BAD;
        } else {
            n_wrong += ops[i].result != VNETENC_AEAD_OK;
            n_wrong += memcmp(text[i], plain + i, SIZE - i) != 0;
        }
    }
    CHECK(n_wrong == 0);
    vnetenc_aead_seal(key, ops, 0);
    vnetenc_aead_key_destroy(key);
}

/* More threads than contexts. */

struct worker {
    struct vnetenc_aead_key *key;
    unsigned int seed;
    unsigned int n_wrong;
};

static void *
work(void *worker_)
{
    struct worker *w = worker_;

    for (unsigned int i = 0; i < 3000; i++) {
        uint8_t text[3][100], tag[3][VNETENC_TAG_BYTES];
        struct vnetenc_aead_op ops[3];

        for (unsigned int j = 0; j < 3; j++) {
            memcpy(text[j], plain + i % 50, 100);
            set_op(&ops[j], text[j], 100, tag[j], w->seed + 100 * i + j);
        }
        vnetenc_aead_seal(w->key, ops, 3);
        if (i % 2) {
            tag[1][0]++;
        }
        vnetenc_aead_open(w->key, ops, 3);
        for (unsigned int j = 0; j < 3; j++) {
            bool bad = i % 2 && j == 1;

            w->n_wrong += ops[j].result != (bad ? VNETENC_AEAD_BAD
                                                : VNETENC_AEAD_OK);
            w->n_wrong += !bad && memcmp(text[j], plain + i % 50, 100);
        }
    }
    return NULL;
}

static void
test_threads(enum vnetenc_cipher cipher)
{
    enum { N_THREADS = 12 };
    struct vnetenc_aead_key *key = make_key(cipher);
    struct worker workers[N_THREADS];
    pthread_t threads[N_THREADS];

    for (unsigned int i = 0; i < N_THREADS; i++) {
        workers[i] = (struct worker) { key, i * 1000000, 0 };
        threads[i] = ovs_thread_create("work", work, &workers[i]);
    }
    for (unsigned int i = 0; i < N_THREADS; i++) {
        xpthread_join(threads[i], NULL);
        CHECK(workers[i].n_wrong == 0);
    }
    vnetenc_aead_key_destroy(key);
}

/* The gate: a provider that errs in one thing is found out. */

static enum { ERR_NONE, ERR_TEXT, ERR_TAG, ERR_LONG, ERR_NOT_DONE,
              ERR_ACCEPT_ALL, ERR_KEY } err;
static enum vnetenc_cipher wrong_cipher;

struct wrong_key {
    void *key;
    bool wrong;
};

static int
wrong_key_create(enum vnetenc_cipher cipher, const uint8_t *bytes, void **aux)
{
    struct wrong_key *w = xzalloc(sizeof *w);

    w->wrong = cipher == wrong_cipher;
    *aux = w;
    if (w->wrong && err == ERR_KEY) {
        free(w);
        *aux = NULL;
        return EINVAL;
    }
    return vnetenc_aead_openssl.key_create(cipher, bytes, &w->key);
}

static void
wrong_key_destroy(void *aux)
{
    struct wrong_key *w = aux;

    vnetenc_aead_openssl.key_destroy(w->key);
    free(w);
}

static void
wrong_seal(void *aux, struct vnetenc_aead_op *ops, size_t n)
{
    struct wrong_key *w = aux;

    vnetenc_aead_openssl.seal(w->key, ops, n);
    for (size_t i = 0; w->wrong && i < n; i++) {
        if (err == ERR_TEXT) {
            ops[i].text[ops[i].size / 2] ^= 1;
        } else if (err == ERR_TAG) {
            ops[i].tag[15] ^= 1;
        } else if (err == ERR_LONG && ops[i].size > 512) {
            ops[i].tag[0] ^= 1;
        } else if (err == ERR_NOT_DONE) {
            ops[i].result = VNETENC_AEAD_FAILED;
        }
    }
}

static void
wrong_open(void *aux, struct vnetenc_aead_op *ops, size_t n)
{
    struct wrong_key *w = aux;

    vnetenc_aead_openssl.open(w->key, ops, n);
    for (size_t i = 0; w->wrong && i < n; i++) {
        if (err == ERR_ACCEPT_ALL) {
            ops[i].result = VNETENC_AEAD_OK;
        }
    }
}

static void
test_gate(void)
{
    struct vnetenc_aead_provider wrong = vnetenc_aead_openssl;

    CHECK(!vnetenc_aead_provider_self_test(&vnetenc_aead_openssl));

    wrong.key_create = wrong_key_create;
    wrong.key_destroy = wrong_key_destroy;
    wrong.seal = wrong_seal;
    wrong.open = wrong_open;
    err = ERR_NONE;
    CHECK(!vnetenc_aead_provider_self_test(&wrong));
    for (int c = 0; c < VNETENC_N_CIPHERS; c++) {
        wrong_cipher = c;
        for (err = ERR_TEXT; err <= ERR_KEY; err++) {
            const char *name = vnetenc_aead_provider_self_test(&wrong);

            CHECK(name && !strcmp(name, vnetenc_cipher_info(c)->name));
        }
    }
}

/* A provider that reports nothing has neither sealed nor opened. */

static void
do_nothing(void *aux OVS_UNUSED, struct vnetenc_aead_op *ops OVS_UNUSED,
           size_t n OVS_UNUSED)
{
}

static void
test_silent_provider(void)
{
    struct vnetenc_aead_provider silent = vnetenc_aead_openssl;
    uint8_t text[10] = "text", tag[VNETENC_TAG_BYTES] = "tag";
    struct vnetenc_aead_key *key;
    struct vnetenc_aead_op op;

    silent.seal = silent.open = do_nothing;
    ovs_assert(!vnetenc_aead_key_create_with(&silent, VNETENC_AES256_GCM,
                                             key_bytes, &key));
    set_op(&op, text, sizeof text, tag, 0);
    op.result = VNETENC_AEAD_OK;
    vnetenc_aead_seal(key, &op, 1);
    CHECK(op.result == VNETENC_AEAD_FAILED);
    op.result = VNETENC_AEAD_OK;
    vnetenc_aead_open(key, &op, 1);
    CHECK(op.result == VNETENC_AEAD_FAILED);
    vnetenc_aead_key_destroy(key);
}

static void
test_table(const char *provider)
{
    enum vnetenc_cipher cipher;

    for (int i = 0; i < VNETENC_N_CIPHERS; i++) {
        struct vnetenc_aead_key *key = make_key(i);

        CHECK(vnetenc_aead_provider_name(i));
        CHECK(!strcmp(vnetenc_aead_key_provider(key), provider));
        CHECK(vnetenc_cipher_from_string(vnetenc_cipher_info(i)->name,
                                         &cipher) && cipher == i);
        vnetenc_aead_key_destroy(key);
    }
    CHECK(!vnetenc_cipher_from_string("aes256-cbc", &cipher));
    CHECK(!vnetenc_cipher_from_string("", &cipher));
    vnetenc_aead_key_destroy(NULL);
}

static void
test_provider(const struct vnetenc_aead_provider *provider)
{
    vnetenc_aead_init(provider->name);
    CHECK(!vnetenc_aead_provider_self_test(provider));
    test_table(provider->name);
    for (int i = 0; i < VNETENC_N_CIPHERS; i++) {
        test_lengths(i);
        test_changes(i);
        test_batch(i);
        test_threads(i);
    }
}

/* Whatever is asked for, there is a provider that passed. */
static void
test_choice(void)
{
    static const char *const choices[] = { NULL, "auto", "", "nonsense" };

    for (size_t i = 0; i < ARRAY_SIZE(choices); i++) {
        vnetenc_aead_init(choices[i]);
        for (int c = 0; c < VNETENC_N_CIPHERS; c++) {
            CHECK(vnetenc_aead_provider_name(c));
        }
    }
}

/* What is preferred depends on the CPU; whichever it is, all are there. */
static void
test_order(void)
{
    enum vnetenc_cipher order[VNETENC_N_CIPHERS];

    vnetenc_cipher_default_order(true, order);
    CHECK(order[0] == VNETENC_AES256_GCM
          && order[1] == VNETENC_AES128_GCM
          && order[2] == VNETENC_CHACHA20_POLY1305);
    vnetenc_cipher_default_order(false, order);
    CHECK(order[0] == VNETENC_CHACHA20_POLY1305
          && order[1] == VNETENC_AES256_GCM
          && order[2] == VNETENC_AES128_GCM);
}

/* Returns the bytes of memory that the program has in use. */
static size_t
resident(void)
{
    unsigned long int size, pages;
    static const char name[] =
        "/proc/self/statm";
    FILE *f = fopen(name, "r");

    ovs_assert(f && fscanf(f, "%lu %lu", &size, &pages) == 2);
    fclose(f);
    return pages * get_page_size();
}

/* Returns the bytes of memory that a key takes. */
static size_t
key_bytes_in_use(int (*create)(enum vnetenc_cipher, const uint8_t *,
                               struct vnetenc_aead_key **),
                 enum vnetenc_cipher cipher)
{
    struct vnetenc_aead_key *keys[1000];
    size_t before = resident();
    size_t n;

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        ovs_assert(!create(cipher, key_bytes, &keys[i]));
    }
    n = (resident() - before) / ARRAY_SIZE(keys);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        vnetenc_aead_key_destroy(keys[i]);
    }
    return n;
}

/* A key of one thread takes less memory. */
static void
test_single_memory(void)
{
    size_t one, all;

    vnetenc_aead_init("openssl");
    /* In this order, because memory that was freed is used again. */
    one = key_bytes_in_use(vnetenc_aead_key_create_single,
                           VNETENC_AES256_GCM);
    all = one + key_bytes_in_use(vnetenc_aead_key_create, VNETENC_AES256_GCM);
    printf("provider openssl: %"PRIuSIZE" bytes for a key of one thread, "
           "%"PRIuSIZE" for another\n", one, all);
    CHECK(one > 0 && one < all / 2);
}

/* And is the same key. */
static void
test_single(void)
{
    vnetenc_aead_init("openssl");
    for (int i = 0; i < VNETENC_N_CIPHERS; i++) {
        uint8_t text[100], tag[VNETENC_TAG_BYTES];
        struct vnetenc_aead_key *key = make_key(i), *single;
        struct vnetenc_aead_op op;

        CHECK(!vnetenc_aead_key_create_single(i, key_bytes, &single));
        CHECK(!strcmp(vnetenc_aead_key_provider(single), "openssl"));
        memcpy(text, plain, sizeof text);
        set_op(&op, text, sizeof text, tag, 0);
        vnetenc_aead_seal(key, &op, 1);
        CHECK(op.result == VNETENC_AEAD_OK);
        vnetenc_aead_open(single, &op, 1);
        CHECK(op.result == VNETENC_AEAD_OK);
        CHECK(!memcmp(text, plain, sizeof text));
        vnetenc_aead_key_destroy(key);
        vnetenc_aead_key_destroy(single);
    }
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    struct vnetenc_aead_key *key;

    set_program_name(argv[0]);
    random_set_seed(1);
    random_bytes(key_bytes, sizeof key_bytes);
    random_bytes(plain, sizeof plain);

    /* No provider has passed yet. */
    CHECK(!vnetenc_aead_provider_name(VNETENC_AES256_GCM));
    CHECK(vnetenc_aead_key_create(VNETENC_AES256_GCM, key_bytes, &key)
          == EOPNOTSUPP);
    CHECK(!key);
    CHECK(vnetenc_aead_key_create_single(VNETENC_AES256_GCM, key_bytes, &key)
          == EOPNOTSUPP);
    CHECK(!key);

    test_provider(&vnetenc_aead_openssl);
    if (!vnetenc_aead_ipsec_mb.init()) {
        test_provider(&vnetenc_aead_ipsec_mb);
    } else {
        printf("provider ipsec-mb: not tested, not usable here\n");
    }
    test_choice();
    test_order();
    test_gate();
    test_silent_provider();
    test_single();
    test_single_memory();
    return unit_end();
}
