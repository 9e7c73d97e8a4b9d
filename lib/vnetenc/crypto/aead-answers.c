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
#include <string.h>
#include "util.h"
#include "vnetenc/crypto/wire.h"

/* Known answers
 * =============
 *
 * Key, nonce and text are those of test cases 4 and 16 of McGrew and Viega's
 * GCM specification and of RFC 8439 section 2.8.2.  The additional data is
 * that of the GCM specification, cut to the 13 bytes of a record.  A long text
 * with a fixed pattern tests the code that works on several blocks at once.
 * Only the end of its ciphertext is compared, because the tag covers the
 * rest. */

enum { SHORT_BYTES = 60, LONG_BYTES = 1021, LONG_END_BYTES = 16 };

struct known_answer {
    uint8_t key[VNETENC_MAX_KEY_BYTES];
    uint8_t nonce[VNETENC_NONCE_BYTES];
    uint8_t short_text[SHORT_BYTES];            /* Ciphertext. */
    uint8_t short_tag[VNETENC_TAG_BYTES];
    uint8_t long_end[LONG_END_BYTES];           /* Of the ciphertext. */
    uint8_t long_tag[VNETENC_TAG_BYTES];
};

static const uint8_t aad[VNETENC_AAD_BYTES] = {
    0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef,
    0xfe, 0xed, 0xfa, 0xce, 0xde,
};

static const uint8_t short_plain[SHORT_BYTES] = {
    0xd9, 0x31, 0x32, 0x25, 0xf8, 0x84, 0x06, 0xe5,
    0xa5, 0x59, 0x09, 0xc5, 0xaf, 0xf5, 0x26, 0x9a,
    0x86, 0xa7, 0xa9, 0x53, 0x15, 0x34, 0xf7, 0xda,
    0x2e, 0x4c, 0x30, 0x3d, 0x8a, 0x31, 0x8a, 0x72,
    0x1c, 0x3c, 0x0c, 0x95, 0x95, 0x68, 0x09, 0x53,
    0x2f, 0xcf, 0x0e, 0x24, 0x49, 0xa6, 0xb5, 0x25,
    0xb1, 0x6a, 0xed, 0xf5, 0xaa, 0x0d, 0xe6, 0x57,
    0xba, 0x63, 0x7b, 0x39,
};

static const struct known_answer answers[VNETENC_N_CIPHERS] = {
    [VNETENC_AES256_GCM] = {
        .key = {
            0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c,
            0x6d, 0x6a, 0x8f, 0x94, 0x67, 0x30, 0x83, 0x08,
            0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c,
            0x6d, 0x6a, 0x8f, 0x94, 0x67, 0x30, 0x83, 0x08,
        },
        .nonce = {
            0xca, 0xfe, 0xba, 0xbe, 0xfa, 0xce, 0xdb, 0xad,
            0xde, 0xca, 0xf8, 0x88,
        },
        .short_text = {
            0x52, 0x2d, 0xc1, 0xf0, 0x99, 0x56, 0x7d, 0x07,
            0xf4, 0x7f, 0x37, 0xa3, 0x2a, 0x84, 0x42, 0x7d,
            0x64, 0x3a, 0x8c, 0xdc, 0xbf, 0xe5, 0xc0, 0xc9,
            0x75, 0x98, 0xa2, 0xbd, 0x25, 0x55, 0xd1, 0xaa,
            0x8c, 0xb0, 0x8e, 0x48, 0x59, 0x0d, 0xbb, 0x3d,
            0xa7, 0xb0, 0x8b, 0x10, 0x56, 0x82, 0x88, 0x38,
            0xc5, 0xf6, 0x1e, 0x63, 0x93, 0xba, 0x7a, 0x0a,
            0xbc, 0xc9, 0xf6, 0x62,
        },
        .short_tag = {
            0xe3, 0xba, 0x21, 0x13, 0x26, 0x12, 0x04, 0x94,
            0x0c, 0x4b, 0x6e, 0x85, 0x47, 0xc3, 0x0c, 0x89,
        },
        .long_end = {
            0xd6, 0x70, 0xd9, 0x05, 0xcf, 0x94, 0x23, 0x13,
            0x3f, 0xa9, 0x7e, 0x49, 0xa8, 0x08, 0xd7, 0x12,
        },
        .long_tag = {
            0x6b, 0xc6, 0x2b, 0x31, 0x6a, 0x94, 0x76, 0xae,
            0xa9, 0x1d, 0x2f, 0xf9, 0x55, 0x43, 0xde, 0xe9,
        },
    },
    [VNETENC_AES128_GCM] = {
        .key = {
            0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c,
            0x6d, 0x6a, 0x8f, 0x94, 0x67, 0x30, 0x83, 0x08,
        },
        .nonce = {
            0xca, 0xfe, 0xba, 0xbe, 0xfa, 0xce, 0xdb, 0xad,
            0xde, 0xca, 0xf8, 0x88,
        },
        .short_text = {
            0x42, 0x83, 0x1e, 0xc2, 0x21, 0x77, 0x74, 0x24,
            0x4b, 0x72, 0x21, 0xb7, 0x84, 0xd0, 0xd4, 0x9c,
            0xe3, 0xaa, 0x21, 0x2f, 0x2c, 0x02, 0xa4, 0xe0,
            0x35, 0xc1, 0x7e, 0x23, 0x29, 0xac, 0xa1, 0x2e,
            0x21, 0xd5, 0x14, 0xb2, 0x54, 0x66, 0x93, 0x1c,
            0x7d, 0x8f, 0x6a, 0x5a, 0xac, 0x84, 0xaa, 0x05,
            0x1b, 0xa3, 0x0b, 0x39, 0x6a, 0x0a, 0xac, 0x97,
            0x3d, 0x58, 0xe0, 0x91,
        },
        .short_tag = {
            0x1f, 0x77, 0x0e, 0x85, 0x72, 0x24, 0xff, 0x6a,
            0xeb, 0xf7, 0xfb, 0x05, 0xcb, 0xb1, 0xe5, 0x2d,
        },
        .long_end = {
            0xfa, 0x02, 0x96, 0x8e, 0x68, 0xff, 0xb9, 0xf7,
            0x4d, 0x09, 0xf9, 0x91, 0xe8, 0x16, 0x09, 0x77,
        },
        .long_tag = {
            0xd9, 0xb2, 0x28, 0x90, 0xea, 0xbf, 0x1b, 0x15,
            0xe2, 0x4b, 0x25, 0xf8, 0x41, 0xe8, 0x01, 0xb3,
        },
    },
    [VNETENC_CHACHA20_POLY1305] = {
        .key = {
            0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
            0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f,
            0x90, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97,
            0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f,
        },
        .nonce = {
            0x07, 0x00, 0x00, 0x00, 0x40, 0x41, 0x42, 0x43,
            0x44, 0x45, 0x46, 0x47,
        },
        .short_text = {
            0x46, 0x4a, 0xdb, 0x78, 0xf9, 0x79, 0x46, 0x5f,
            0xb0, 0xbb, 0x86, 0x3e, 0x99, 0x74, 0x2c, 0x34,
            0x47, 0x67, 0x21, 0x6c, 0x1c, 0x35, 0x99, 0x04,
            0xf3, 0xc6, 0xe0, 0xba, 0xdf, 0xb3, 0x89, 0xd7,
            0x52, 0xa2, 0xc7, 0xad, 0x39, 0xe6, 0x57, 0x78,
            0x97, 0x15, 0xbc, 0x2b, 0xb3, 0x7d, 0xe7, 0xcd,
            0xc4, 0x6e, 0x5f, 0x9b, 0x14, 0x64, 0x8b, 0x18,
            0xda, 0xc7, 0xfe, 0xf6,
        },
        .short_tag = {
            0x99, 0x04, 0x04, 0x7b, 0x53, 0x2f, 0x0d, 0xbf,
            0x93, 0x25, 0x88, 0x96, 0xe6, 0xb3, 0x85, 0x5d,
        },
        .long_end = {
            0xc7, 0x41, 0xe5, 0x00, 0x40, 0xcd, 0x68, 0x73,
            0xfb, 0xe6, 0xbe, 0x27, 0xb8, 0xc8, 0x85, 0xd3,
        },
        .long_tag = {
            0x8c, 0xb4, 0xca, 0x3c, 0xfd, 0x73, 0xb9, 0xa2,
            0xe4, 0x3a, 0xd7, 0xf7, 0x64, 0x79, 0x00, 0xe8,
        },
    },
};

static void
set_op(struct vnetenc_aead_op *op, const struct known_answer *answer,
       uint8_t *text, size_t size, uint8_t *tag)
{
    memset(op, 0, sizeof *op);
    op->text = text;
    op->tag = tag;
    op->size = size;
    op->result = VNETENC_AEAD_FAILED;
    memcpy(op->nonce, answer->nonce, sizeof op->nonce);
    memcpy(op->aad, aad, sizeof op->aad);
}

static void
set_long_plain(uint8_t text[LONG_BYTES])
{
    for (unsigned int i = 0; i < LONG_BYTES; i++) {
        text[i] = i * i + i / 7;
    }
}

static bool
both_done(const struct vnetenc_aead_op ops[2])
{
    return (ops[0].result == VNETENC_AEAD_OK
            && ops[1].result == VNETENC_AEAD_OK);
}

/* Seals a short and a long text in one batch, opens both, and tries to open
 * them with one bit of each tag wrong.  Returns true if all results are as
 * they should be. */
static bool
passes(const struct vnetenc_aead_provider *provider, void *key,
       const struct known_answer *answer)
{
    uint8_t short_text[SHORT_BYTES], short_tag[VNETENC_TAG_BYTES];
    uint8_t long_text[LONG_BYTES], long_tag[VNETENC_TAG_BYTES];
    uint8_t long_plain[LONG_BYTES];
    struct vnetenc_aead_op ops[2];

    set_long_plain(long_plain);
    memcpy(long_text, long_plain, sizeof long_text);
    memcpy(short_text, short_plain, sizeof short_text);
    set_op(&ops[0], answer, short_text, sizeof short_text, short_tag);
    set_op(&ops[1], answer, long_text, sizeof long_text, long_tag);
    provider->seal(key, ops, 2);
    if (!both_done(ops)
        || memcmp(short_text, answer->short_text, sizeof short_text)
        || memcmp(short_tag, answer->short_tag, sizeof short_tag)
        || memcmp(long_text + LONG_BYTES - LONG_END_BYTES, answer->long_end,
                  LONG_END_BYTES)
        || memcmp(long_tag, answer->long_tag, sizeof long_tag)) {
        return false;
    }

    provider->open(key, ops, 2);
    if (!both_done(ops)
        || memcmp(short_text, short_plain, sizeof short_text)
        || memcmp(long_text, long_plain, sizeof long_text)) {
        return false;
    }

    short_tag[0] ^= 0x80;
    long_tag[VNETENC_TAG_BYTES - 1] ^= 1;
    provider->open(key, ops, 2);
    return (ops[0].result == VNETENC_AEAD_BAD
            && ops[1].result == VNETENC_AEAD_BAD);
}

/* The same for a provider that makes nonces.  What it seals, in nonces that
 * count up from the first one and with the fixed IV, the provider "openssl"
 * opens, and it opens the known answers. */
static bool
passes_with_own_nonces(const struct vnetenc_aead_provider *provider, void *key,
                       const struct known_answer *answer, void *other_key)
{
    uint8_t bodies[2][VNETENC_EXPLICIT_NONCE_BYTES + LONG_BYTES
                      + VNETENC_TAG_BYTES];
    uint8_t long_plain[LONG_BYTES];
    struct vnetenc_aead_op ops[2];
    uint64_t first;

    set_long_plain(long_plain);
    for (int i = 0; i < 2; i++) {
        size_t size = i ? LONG_BYTES : SHORT_BYTES;
        uint8_t *text = bodies[i] + VNETENC_EXPLICIT_NONCE_BYTES;

        set_op(&ops[i], answer, text, size, text + size);
        memcpy(text, i ? long_plain : short_plain, size);
        vnetenc_wire_put_u16(ops[i].aad + VNETENC_AAD_BYTES - 2, size);
    }
    provider->seal(key, ops, 1);
    if (ops[0].result != VNETENC_AEAD_FAILED
        || provider->begin(key, answer->nonce, &first)
        || !provider->begin(key, answer->nonce, &first)) {
        return false;
    }
    memcpy(ops[0].text, short_plain, SHORT_BYTES);
    memset(bodies[0], 0, VNETENC_EXPLICIT_NONCE_BYTES);
    provider->seal(key, ops, 2);
    if (!both_done(ops)) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        uint8_t nonce[VNETENC_NONCE_BYTES];

        memcpy(nonce, answer->nonce, VNETENC_GCM_SALT_BYTES);
        vnetenc_wire_put_u64(nonce + VNETENC_GCM_SALT_BYTES, first + i);
        if (memcmp(nonce, ops[i].nonce, sizeof nonce)
            || memcmp(nonce + VNETENC_GCM_SALT_BYTES, bodies[i],
                      VNETENC_EXPLICIT_NONCE_BYTES)) {
            return false;
        }
    }
    vnetenc_aead_openssl.open(other_key, ops, 2);
    if (!both_done(ops)
        || memcmp(ops[0].text, short_plain, SHORT_BYTES)
        || memcmp(ops[1].text, long_plain, LONG_BYTES)) {
        return false;
    }

    memcpy(ops[0].text, answer->short_text, SHORT_BYTES);
    memcpy(ops[0].tag, answer->short_tag, VNETENC_TAG_BYTES);
    memcpy(ops[0].nonce, answer->nonce, sizeof answer->nonce);
    memcpy(ops[0].aad, aad, sizeof aad);
    provider->open(key, ops, 1);
    if (ops[0].result != VNETENC_AEAD_OK
        || memcmp(ops[0].text, short_plain, SHORT_BYTES)) {
        return false;
    }
    memcpy(ops[0].text, answer->short_text, SHORT_BYTES);
    ops[0].tag[0] ^= 0x80;
    provider->open(key, ops, 1);
    return ops[0].result == VNETENC_AEAD_BAD;
}

static bool
passes_with_openssl(const struct vnetenc_aead_provider *provider, void *key,
                    const struct known_answer *answer,
                    enum vnetenc_cipher cipher)
{
    bool ok = false;
    void *other_key;

    if (!vnetenc_aead_openssl.key_create(cipher, answer->key, &other_key)) {
        ok = passes_with_own_nonces(provider, key, answer, other_key);
        vnetenc_aead_openssl.key_destroy(other_key);
    }
    return ok;
}

const char *
vnetenc_aead_provider_self_test(const struct vnetenc_aead_provider *provider)
{
    for (int i = 0; i < VNETENC_N_CIPHERS; i++) {
        bool ok = false;
        void *key;

        if (!provider->supports(i)) {
            continue;
        }
        if (!provider->key_create(i, answers[i].key, &key)) {
            ok = (provider->begin
                  ? passes_with_openssl(provider, key, &answers[i], i)
                  : passes(provider, key, &answers[i]));
            provider->key_destroy(key);
        }
        if (!ok) {
            return vnetenc_cipher_info(i)->name;
        }
    }
    return NULL;
}
