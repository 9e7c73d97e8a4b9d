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

/* The provider "fips", which makes nonces: each is used once, by whatever
 * number of threads; it seals nothing else; and the gate of known answers
 * finds out one that errs.
 *
 * OpenSSL's own implementation makes nonces in the same way as its FIPS
 * module, so most of this needs no module.  If the fips property is on,
 * OPENSSL_CONF has named a module, and records are sealed with it. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/crypto/aead.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ovs-thread.h"
#include "util.h"
#include "vnetenc/bridge/rx.h"
#include "vnetenc/bridge/tx.h"
#include "vnetenc/crypto/wire.h"
#include "vnetenc/packet/seal.h"
#include "vnetenc-unit.h"

enum { MAX_SIZE = VNETENC_MAX_PLAINTEXT_BYTES };

static const enum vnetenc_cipher gcm[] = {
    VNETENC_AES256_GCM, VNETENC_AES128_GCM
};
static const uint8_t key_bytes[VNETENC_MAX_KEY_BYTES] = "a key";
static const uint8_t fixed_iv[VNETENC_MAX_FIXED_IV_BYTES] = "salt";

/* Room for a record: what comes before the text, text, tag. */
struct body {
    uint8_t explicit[VNETENC_EXPLICIT_NONCE_BYTES];
    uint8_t text[MAX_SIZE + VNETENC_TAG_BYTES];
};
BUILD_ASSERT_DECL(offsetof(struct body, text) == VNETENC_EXPLICIT_NONCE_BYTES);

static void *
make_key(const struct vnetenc_aead_provider *provider,
         enum vnetenc_cipher cipher)
{
    void *key;

    ovs_assert(!provider->key_create(cipher, key_bytes, &key));
    return key;
}

static void
set_op(struct vnetenc_aead_op *op, struct body *body, size_t size)
{
    memset(op, 0, sizeof *op);
    op->text = body->text;
    op->tag = body->text + size;
    op->size = size;
    memset(op->nonce, 0xee, sizeof op->nonce);
    memcpy(op->nonce, fixed_iv, VNETENC_GCM_SALT_BYTES);
    memcpy(op->aad, "additional ", sizeof op->aad - 2);
    vnetenc_wire_put_u16(op->aad + sizeof op->aad - 2, size);
}

static void
test_lengths(enum vnetenc_cipher cipher)
{
    static const size_t more[] = { 9000, MAX_SIZE - 1, MAX_SIZE };
    static struct body body;
    void *key = make_key(&vnetenc_aead_fips, cipher);
    void *other = make_key(&vnetenc_aead_openssl, cipher);
    unsigned int n_wrong = 0;
    uint64_t first, used = 0;

    CHECK(!vnetenc_aead_fips.begin(key, fixed_iv, &first));
    for (size_t i = 0; i <= 2048 + ARRAY_SIZE(more); i++) {
        size_t size = i <= 2048 ? i : more[i - 2049];
        struct vnetenc_aead_op op;

        memset(body.text, 'x', size);
        set_op(&op, &body, size);
        vnetenc_aead_fips.seal(key, &op, 1);
        n_wrong += op.result != VNETENC_AEAD_OK;
        n_wrong += size >= 16 && !memcmp(body.text, "xxxxxxxxxxxxxxxx", 16);
        n_wrong += vnetenc_wire_get_u64(body.explicit) != first + used++;
        n_wrong += memcmp(op.nonce, fixed_iv, VNETENC_GCM_SALT_BYTES) != 0;
        vnetenc_aead_openssl.open(other, &op, 1);
        n_wrong += op.result != VNETENC_AEAD_OK;
        for (size_t j = 0; j < size; j++) {
            n_wrong += body.text[j] != 'x';
        }
    }
    CHECK(n_wrong == 0);
    vnetenc_aead_fips.key_destroy(key);
    vnetenc_aead_openssl.key_destroy(other);
}

/* Before it began; a second beginning; a tag in another place; too long. */
static void
test_refusals(enum vnetenc_cipher cipher)
{
    static struct body body;
    void *key = make_key(&vnetenc_aead_fips, cipher);
    struct vnetenc_aead_op ops[4];
    uint64_t first, again;

    set_op(&ops[0], &body, 100);
    vnetenc_aead_fips.seal(key, ops, 1);
    CHECK(ops[0].result == VNETENC_AEAD_FAILED);

    CHECK(!vnetenc_aead_fips.begin(key, fixed_iv, &first));
    CHECK(vnetenc_aead_fips.begin(key, fixed_iv, &again) == EALREADY);

    set_op(&ops[0], &body, 100);
    ops[0].tag++;
    set_op(&ops[1], &body, MAX_SIZE);
    ops[1].size++;
    ops[1].tag++;
    set_op(&ops[2], &body, 100);
    ops[2].aad[12]--;
    set_op(&ops[3], &body, 100);
    vnetenc_aead_fips.seal(key, ops, 4);
    CHECK(ops[0].result == VNETENC_AEAD_FAILED);
    CHECK(ops[1].result == VNETENC_AEAD_FAILED);
    CHECK(ops[2].result == VNETENC_AEAD_FAILED);
    CHECK(ops[3].result == VNETENC_AEAD_OK);
    CHECK(vnetenc_wire_get_u64(body.explicit) == first);
    vnetenc_aead_fips.key_destroy(key);

    CHECK(!vnetenc_aead_fips.supports(VNETENC_CHACHA20_POLY1305));
    CHECK(vnetenc_aead_fips.key_create(VNETENC_CHACHA20_POLY1305, key_bytes,
                                       &key) == EOPNOTSUPP);
}

/* Threads that seal at the same time. */

enum { N_THREADS = 8, N_BURSTS = 1000, BURST = 3 };

struct worker {
    void *key;
    uint64_t nonces[N_BURSTS * BURST];
    unsigned int n_wrong;
};

static void *
work(void *worker_)
{
    struct worker *w = worker_;
    struct body *bodies = xcalloc(BURST, sizeof *bodies);

    for (unsigned int i = 0; i < N_BURSTS; i++) {
        struct vnetenc_aead_op ops[BURST];

        for (unsigned int j = 0; j < BURST; j++) {
            set_op(&ops[j], &bodies[j], 60);
        }
        vnetenc_aead_fips.seal(w->key, ops, BURST);
        for (unsigned int j = 0; j < BURST; j++) {
            w->n_wrong += ops[j].result != VNETENC_AEAD_OK;
            w->nonces[i * BURST + j]
                = vnetenc_wire_get_u64(bodies[j].explicit);
        }
    }
    free(bodies);
    return NULL;
}

static void
test_threads(enum vnetenc_cipher cipher)
{
    enum { N = N_THREADS * N_BURSTS * BURST };
    struct worker *workers = xcalloc(N_THREADS, sizeof *workers);
    bool *seen = xcalloc(N, sizeof *seen);
    void *key = make_key(&vnetenc_aead_fips, cipher);
    pthread_t threads[N_THREADS];
    unsigned int n_wrong = 0;
    uint64_t first;

    CHECK(!vnetenc_aead_fips.begin(key, fixed_iv, &first));
    for (int i = 0; i < N_THREADS; i++) {
        workers[i].key = key;
        threads[i] = ovs_thread_create("work", work, &workers[i]);
    }
    for (int i = 0; i < N_THREADS; i++) {
        xpthread_join(threads[i], NULL);
        n_wrong += workers[i].n_wrong;
    }
    for (int i = 0; i < N_THREADS; i++) {
        for (int j = 0; j < N_BURSTS * BURST; j++) {
            uint64_t at = workers[i].nonces[j] - first;

            n_wrong += at >= N || seen[at];
            if (at < N) {
                seen[at] = true;
            }
        }
    }
    CHECK(n_wrong == 0);
    vnetenc_aead_fips.key_destroy(key);
    free(seen);
    free(workers);
}

/* A thread whose turn does not come drops its burst, and no nonce is lost.  It
 * seals again once the other has given the key back. */
static void
test_turn(enum vnetenc_cipher cipher)
{
    static struct body bodies[BURST];
    void *key = make_key(&vnetenc_aead_fips, cipher);
    struct vnetenc_aead_op ops[BURST];
    unsigned int n_wrong = 0;
    uint64_t first;

    CHECK(!vnetenc_aead_fips.begin(key, fixed_iv, &first));
    CHECK(vnetenc_aead_fips_take(key));
    for (int round = 0; round < 2; round++) {
        for (unsigned int i = 0; i < BURST; i++) {
            set_op(&ops[i], &bodies[i], 60);
            ops[i].result = VNETENC_AEAD_OK;
        }
        vnetenc_aead_fips.seal(key, ops, BURST);
        for (unsigned int i = 0; i < BURST; i++) {
            n_wrong += ops[i].result != (round ? VNETENC_AEAD_OK
                                         : VNETENC_AEAD_FAILED);
            n_wrong += (round && vnetenc_wire_get_u64(bodies[i].explicit)
                        != first + i);
        }
        vnetenc_aead_fips_give(key);
    }
    CHECK(n_wrong == 0);
    vnetenc_aead_fips.key_destroy(key);
}

/* The gate. */

static enum { ERR_NONE, ERR_REPEATS, ERR_JUMPS, ERR_FIRST, ERR_TAG, ERR_TEXT,
              ERR_HIDES, ERR_AGAIN, ERR_EARLY, ERR_ACCEPT_ALL, N_ERRS } err;

static int
wrong_begin(void *key, const uint8_t *salt, uint64_t *first)
{
    int error = vnetenc_aead_fips.begin(key, salt, first);

    *first += err == ERR_FIRST;
    return err == ERR_AGAIN ? 0 : error;
}

static void
wrong_seal(void *key, struct vnetenc_aead_op *ops, size_t n)
{
    if (err == ERR_JUMPS && n > 1) {
        struct body *spare = xzalloc(sizeof *spare);
        struct vnetenc_aead_op op;

        vnetenc_aead_fips.seal(key, ops, 1);
        set_op(&op, spare, 10);
        vnetenc_aead_fips.seal(key, &op, 1);
        vnetenc_aead_fips.seal(key, ops + 1, n - 1);
        free(spare);
    } else {
        vnetenc_aead_fips.seal(key, ops, n);
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t *explicit = ops[i].text - VNETENC_EXPLICIT_NONCE_BYTES;

        if (err == ERR_EARLY) {
            ops[i].result = VNETENC_AEAD_OK;
        } else if (ops[i].result != VNETENC_AEAD_OK) {
            continue;
        } else if (err == ERR_TAG) {
            ops[i].tag[3] ^= 1;
        } else if (err == ERR_TEXT) {
            ops[i].text[0] ^= 1;
        } else if (err == ERR_HIDES) {
            memset(explicit, 0, VNETENC_EXPLICIT_NONCE_BYTES);
        } else if (err == ERR_REPEATS && i) {
            memcpy(explicit, ops[0].nonce + VNETENC_GCM_SALT_BYTES,
                   VNETENC_EXPLICIT_NONCE_BYTES);
            memcpy(ops[i].nonce, ops[0].nonce, sizeof ops[0].nonce);
        }
    }
}

static void
wrong_open(void *key, struct vnetenc_aead_op *ops, size_t n)
{
    vnetenc_aead_fips.open(key, ops, n);
    for (size_t i = 0; err == ERR_ACCEPT_ALL && i < n; i++) {
        ops[i].result = VNETENC_AEAD_OK;
    }
}

static void
test_gate(void)
{
    struct vnetenc_aead_provider wrong = vnetenc_aead_fips;

    wrong.begin = wrong_begin;
    wrong.seal = wrong_seal;
    wrong.open = wrong_open;
    for (err = ERR_NONE; err < N_ERRS; err++) {
        CHECK(!vnetenc_aead_provider_self_test(&wrong) == (err == ERR_NONE));
    }
}

/* The one that is used, and whole records. */

static struct vnetenc_tx *
make_tx(enum vnetenc_cipher cipher, bool single)
{
    struct vnetenc_record_key key = { .cipher = cipher, .single = single };

    memcpy(key.key, key_bytes, sizeof key.key);
    memcpy(key.fixed_iv, fixed_iv, sizeof key.fixed_iv);
    return vnetenc_tx_create(&key, htons(1000), UINT64_MAX, UINT64_MAX);
}

static void
test_records(enum vnetenc_cipher cipher, bool single)
{
    const struct vnetenc_cipher_info *info = vnetenc_cipher_info(cipher);
    struct vnetenc_tx *tx = make_tx(cipher, single);
    struct vnetenc_tx *other = make_tx(cipher, single);
    void *key = make_key(&vnetenc_aead_openssl, cipher);
    unsigned int n_wrong = 0;

    CHECK(tx->makes_nonces && other->makes_nonces);
    CHECK(tx->first_nonce != other->first_nonce);
    CHECK(!strcmp(vnetenc_aead_key_provider(tx->key), "fips"));
    for (unsigned int i = 0; i < 100; i++) {
        uint8_t record[200], plain[100];
        struct vnetenc_aead_op op;
        struct vnetenc_record r;
        size_t n;

        memset(plain, i, sizeof plain);
        n = vnetenc_seal_record(tx, VNETENC_RECORD_DATA, plain, sizeof plain,
                                record, sizeof record);
        n_wrong += n != sizeof plain + vnetenc_record_overhead(info);
        n_wrong += vnetenc_wire_get_u64(record + VNETENC_RECORD_HEADER_BYTES)
                   != tx->first_nonce + i;
        /* A stock receiver. */
        n_wrong += !vnetenc_record_parse(record, n, &r);
        n_wrong += r.seq != VNETENC_FIRST_SEQ + i;
        n_wrong += vnetenc_record_open_op(record, &r, info, fixed_iv, &op)
                   != VNETENC_KEEP;
        vnetenc_aead_openssl.open(key, &op, 1);
        n_wrong += op.result != VNETENC_AEAD_OK;
        n_wrong += op.size != sizeof plain
                   || memcmp(op.text, plain, sizeof plain);
    }
    CHECK(n_wrong == 0);
    vnetenc_aead_openssl.key_destroy(key);
    vnetenc_tx_destroy(tx);
    vnetenc_tx_destroy(other);
}

static void
test_alone(void)
{
    char *module = vnetenc_aead_fips_module();

    CHECK(module && strstr(module, "FIPS"));
    printf("sealing with %s\n", module);
    free(module);
    for (size_t i = 0; i < ARRAY_SIZE(gcm); i++) {
        const char *name = vnetenc_aead_provider_name(gcm[i]);

        CHECK(name && !strcmp(name, "fips"));
        test_records(gcm[i], false);
        test_records(gcm[i], true);
    }
    CHECK(!vnetenc_aead_provider_name(VNETENC_CHACHA20_POLY1305));
    CHECK(!make_tx(VNETENC_CHACHA20_POLY1305, false));
    /* No other by name. */
    vnetenc_aead_init("openssl");
    CHECK(!strcmp(vnetenc_aead_provider_name(VNETENC_AES256_GCM), "fips"));
}

/* Not without the property, not even by name. */
static void
test_not_used(void)
{
    struct vnetenc_tx *tx;

    printf("the fips property is off: no module is tested\n");
    vnetenc_aead_init("fips");
    CHECK(strcmp(vnetenc_aead_provider_name(VNETENC_AES256_GCM), "fips"));
    CHECK(!vnetenc_aead_fips_module());
    tx = make_tx(VNETENC_AES256_GCM, false);
    CHECK(!tx->makes_nonces);
    vnetenc_tx_destroy(tx);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    ovs_assert(!vnetenc_aead_fips_prepare());
    for (size_t i = 0; i < ARRAY_SIZE(gcm); i++) {
        test_lengths(gcm[i]);
        test_refusals(gcm[i]);
        test_threads(gcm[i]);
        /* It seals no other record than whole ones. */
        CHECK(vnetenc_aead_measure(&vnetenc_aead_fips, gcm[i]) != LLONG_MAX);
    }
    test_turn(gcm[0]);
    CHECK(!vnetenc_aead_provider_self_test(&vnetenc_aead_fips));
    test_gate();
    vnetenc_aead_init(NULL);
    if (EVP_default_properties_is_fips_enabled(NULL)) {
        test_alone();
    } else {
        test_not_used();
    }
    return unit_end();
}
