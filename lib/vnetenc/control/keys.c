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
#include "vnetenc/control/keys.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>

#include "util.h"

/* RFC 5246 section 6.3: key_block = PRF(master_secret, "key expansion",
 * server_random + client_random). */
static bool
key_block(const struct vnetenc_suite *suite, const uint8_t *master,
          const uint8_t *client_random, const uint8_t *server_random,
          uint8_t *block, size_t size)
{
    static const char label[] = "key expansion";
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_TLS1_PRF, NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    bool ok = false;

    if (ctx) {
        /* OpenSSL does not write to the parameters, in spite of their type. */
        OSSL_PARAM params[] = {
            OSSL_PARAM_construct_utf8_string(
                OSSL_KDF_PARAM_DIGEST, CONST_CAST(char *, suite->prf_digest),
                0),
            OSSL_PARAM_construct_octet_string(
                OSSL_KDF_PARAM_SECRET, CONST_CAST(uint8_t *, master),
                VNETENC_MASTER_SECRET_BYTES),
            OSSL_PARAM_construct_octet_string(
                OSSL_KDF_PARAM_SEED, CONST_CAST(char *, label),
                sizeof label - 1),
            OSSL_PARAM_construct_octet_string(
                OSSL_KDF_PARAM_SEED, CONST_CAST(uint8_t *, server_random),
                VNETENC_HELLO_RANDOM_BYTES),
            OSSL_PARAM_construct_octet_string(
                OSSL_KDF_PARAM_SEED, CONST_CAST(uint8_t *, client_random),
                VNETENC_HELLO_RANDOM_BYTES),
            OSSL_PARAM_construct_end(),
        };

        ok = EVP_KDF_derive(ctx, block, size, params) == 1;
    }
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return ok;
}

bool
vnetenc_keys_expand(const struct vnetenc_suite *suite, const uint8_t *master,
                    const uint8_t *client_random,
                    const uint8_t *server_random,
                    struct vnetenc_keys *keys)
{
    const struct vnetenc_cipher_info *info
        = vnetenc_cipher_info(suite->cipher);
    uint8_t block[2 * (VNETENC_MAX_KEY_BYTES + VNETENC_MAX_FIXED_IV_BYTES)];
    size_t key_len = info->key_bytes;
    size_t iv_len = info->fixed_iv_bytes;
    bool ok;

    memset(keys, 0, sizeof *keys);
    ovs_assert(2 * (key_len + iv_len) <= sizeof block);

    ok = key_block(suite, master, client_random, server_random,
                   block, 2 * (key_len + iv_len));
    if (ok) {
        const uint8_t *p = block;

        keys->cipher = suite->cipher;
        keys->key_len = key_len;
        keys->iv_len = iv_len;

        memcpy(keys->client_key, p, key_len);
        p += key_len;
        memcpy(keys->server_key, p, key_len);
        p += key_len;
        memcpy(keys->client_iv, p, iv_len);
        p += iv_len;
        memcpy(keys->server_iv, p, iv_len);
    }
    OPENSSL_cleanse(block, sizeof block);
    return ok;
}

bool
vnetenc_keys_derive(SSL *ssl, struct vnetenc_keys *keys)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
    const struct vnetenc_suite *suite
        = cipher ? vnetenc_suite_find(SSL_CIPHER_get_protocol_id(cipher))
        : NULL;
    uint8_t client_random[VNETENC_HELLO_RANDOM_BYTES];
    uint8_t server_random[VNETENC_HELLO_RANDOM_BYTES];
    uint8_t master[VNETENC_MASTER_SECRET_BYTES];
    const SSL_SESSION *session = SSL_get_session(ssl);
    bool ok;

    memset(keys, 0, sizeof *keys);
    ok = (suite && session
          && (SSL_SESSION_get_master_key(session, master, sizeof master)
              == sizeof master)
          && (SSL_get_client_random(ssl, client_random, sizeof client_random)
              == sizeof client_random)
          && (SSL_get_server_random(ssl, server_random, sizeof server_random)
              == sizeof server_random)
          && vnetenc_keys_expand(suite, master, client_random, server_random,
                                 keys));
    OPENSSL_cleanse(master, sizeof master);
    return ok;
}

void
vnetenc_keys_wipe(struct vnetenc_keys *keys)
{
    OPENSSL_cleanse(keys, sizeof *keys);
}

struct vnetenc_record_key
vnetenc_keys_get(const struct vnetenc_keys *keys, bool client)
{
    struct vnetenc_record_key traffic = { .cipher = keys->cipher };

    memcpy(traffic.key, client ? keys->client_key : keys->server_key,
           sizeof traffic.key);
    memcpy(traffic.fixed_iv, client ? keys->client_iv : keys->server_iv,
           sizeof traffic.fixed_iv);
    return traffic;
}
