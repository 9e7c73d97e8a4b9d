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

/* Key block of TLS 1.2 against a second implementation of its PRF. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/control/keys.h"

#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "util.h"
#include "vnetenc-unit.h"

/* RFC 5246 section 5, P_hash, from HMAC alone. */
static void
p_hash(const EVP_MD *md, const uint8_t *secret, size_t secret_size,
       const uint8_t *seed, size_t seed_size, uint8_t *out, size_t out_size)
{
    uint8_t a[EVP_MAX_MD_SIZE + 256], block[EVP_MAX_MD_SIZE];
    unsigned int size = EVP_MD_get_size(md);

    /* 'a' is A(i) followed by the seed. */
    ovs_assert(HMAC(md, secret, secret_size, seed, seed_size, a, NULL));
    memcpy(a + size, seed, seed_size);
    while (out_size) {
        size_t n = MIN(out_size, size);

        ovs_assert(HMAC(md, secret, secret_size, a, size + seed_size, block,
                        NULL));
        memcpy(out, block, n);
        out += n;
        out_size -= n;
        ovs_assert(HMAC(md, secret, secret_size, a, size, block, NULL));
        memcpy(a, block, size);
    }
}

/* The published TLS 1.2 PRF test vector for SHA-256 (label "test label"),
 * first 16 of 100 octets: shows that p_hash() itself is right. */
static void
test_p_hash(void)
{
    static const uint8_t secret[] = {
        0x9b, 0xbe, 0x43, 0x6b, 0xa9, 0x40, 0xf0, 0x17,
        0xb1, 0x76, 0x52, 0x84, 0x9a, 0x71, 0xdb, 0x35,
    };
    static const uint8_t seed[] = {
        't', 'e', 's', 't', ' ', 'l', 'a', 'b', 'e', 'l',
        0xa0, 0xba, 0x9f, 0x93, 0x6c, 0xda, 0x31, 0x18,
        0x27, 0xa6, 0xf7, 0x96, 0xff, 0xd5, 0x19, 0x8c,
    };
    static const uint8_t expected[] = {
        0xe3, 0xf2, 0x29, 0xba, 0x72, 0x7b, 0xe1, 0x7b,
        0x8d, 0x12, 0x26, 0x20, 0x55, 0x7c, 0xd4, 0x53,
    };
    uint8_t out[sizeof expected];

    p_hash(EVP_sha256(), secret, sizeof secret, seed, sizeof seed,
           out, sizeof out);
    CHECK(!memcmp(out, expected, sizeof expected));
}

static void
test_expand(const struct vnetenc_suite *suite)
{
    const struct vnetenc_cipher_info *info
        = vnetenc_cipher_info(suite->cipher);
    size_t key_len = info->key_bytes;
    size_t iv_len = info->fixed_iv_bytes;
    uint8_t master[48], client[32], server[32], seed[13 + 64];
    struct vnetenc_keys keys, zero;
    uint8_t block[2 * (32 + 12)];
    const uint8_t *p = block;

    for (size_t i = 0; i < sizeof master; i++) {
        master[i] = i * 7 + suite->id;
        client[i % 32] = i * 11 + 3;
        server[i % 32] = i * 13 + 5;
    }
    memcpy(seed, "key expansion", 13);
    memcpy(seed + 13, server, 32);
    memcpy(seed + 45, client, 32);
    p_hash(EVP_get_digestbyname(suite->cipher == VNETENC_AES256_GCM
                                ? "SHA384" : "SHA256"),
           master, sizeof master, seed, sizeof seed,
           block, 2 * (key_len + iv_len));

    memset(&keys, 0xa5, sizeof keys);
    CHECK(vnetenc_keys_expand(suite, master, client, server, &keys));
    CHECK(keys.cipher == suite->cipher);
    CHECK(keys.key_len == key_len && keys.iv_len == iv_len);
    CHECK(!memcmp(keys.client_key, p, key_len));
    CHECK(!memcmp(keys.server_key, p += key_len, key_len));
    CHECK(!memcmp(keys.client_iv, p += key_len, iv_len));
    CHECK(!memcmp(keys.server_iv, p += iv_len, iv_len));

    /* Unused octets are zero, all are after wiping. */
    memset(&zero, 0, sizeof zero);
    CHECK(!memcmp(keys.client_key + key_len, zero.client_key,
                  sizeof zero.client_key - key_len));
    CHECK(!memcmp(keys.server_iv + iv_len, zero.server_iv,
                  sizeof zero.server_iv - iv_len));
    vnetenc_keys_wipe(&keys);
    CHECK(!memcmp(&keys, &zero, sizeof zero));
}

static void
test_suites(void)
{
    size_t n = 0;

    for (int cipher = 0; cipher < VNETENC_N_CIPHERS; cipher++) {
        const struct vnetenc_suite *suite;

        for (size_t i = 0; (suite = vnetenc_suite_get(cipher, i)); i++) {
            CHECK(suite->cipher == cipher);
            CHECK(vnetenc_suite_find(suite->id) == suite);
            test_expand(suite);
            n++;
        }
        CHECK(!strncmp(vnetenc_suite_get(cipher, 0)->name, "ECDHE-ECDSA", 11));
        CHECK(!strncmp(vnetenc_suite_get(cipher, 1)->name, "ECDHE-RSA", 9));
    }
    CHECK(n == 6);

    CHECK(!vnetenc_suite_find(0x009d));     /* RSA key exchange. */
    CHECK(!vnetenc_suite_find(0xc024));     /* CBC. */
    CHECK(!vnetenc_suite_find(0xc0ac));     /* CCM. */
    CHECK(!vnetenc_suite_find(0x00a8));     /* PSK. */
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    test_p_hash();
    test_suites();
    return unit_end();
}
