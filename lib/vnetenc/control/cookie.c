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
#include "vnetenc/control/cookie.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "util.h"

bool
vnetenc_cookie_jar_init(struct vnetenc_cookie_jar *jar, long long int now_ms)
{
    jar->changed_ms = now_ms;
    return (RAND_bytes(jar->current, sizeof jar->current) == 1
            && RAND_bytes(jar->previous, sizeof jar->previous) == 1);
}

void
vnetenc_cookie_jar_wipe(struct vnetenc_cookie_jar *jar)
{
    OPENSSL_cleanse(jar, sizeof *jar);
}

bool
vnetenc_cookie_jar_run(struct vnetenc_cookie_jar *jar, long long int now_ms)
{
    long long int age = now_ms - jar->changed_ms;

    if (age < VNETENC_COOKIE_KEY_MS) {
        return true;
    }
    if (age >= 2 * VNETENC_COOKIE_KEY_MS) {
        /* No call came for so long that the current key is too old even for
         * the previous one. */
        return vnetenc_cookie_jar_init(jar, now_ms);
    }
    memcpy(jar->previous, jar->current, sizeof jar->previous);
    jar->changed_ms += VNETENC_COOKIE_KEY_MS;
    return RAND_bytes(jar->current, sizeof jar->current) == 1;
}

/* Computes the HMAC over the fields one by one, because a struct may have
 * padding. */
static bool
compute(const uint8_t secret[VNETENC_COOKIE_SECRET_BYTES],
        const struct vnetenc_endpoints *ends,
        uint8_t cookie[VNETENC_COOKIE_BYTES])
{
    uint8_t text[sizeof ends->client_ip + sizeof ends->client_port
                 + sizeof ends->local_ip + sizeof ends->local_port];
    unsigned int size = VNETENC_COOKIE_BYTES;
    uint8_t *p = text;

    memcpy(p, &ends->client_ip, sizeof ends->client_ip);
    p += sizeof ends->client_ip;
    memcpy(p, &ends->client_port, sizeof ends->client_port);
    p += sizeof ends->client_port;
    memcpy(p, &ends->local_ip, sizeof ends->local_ip);
    p += sizeof ends->local_ip;
    memcpy(p, &ends->local_port, sizeof ends->local_port);

    return HMAC(EVP_sha256(), secret, VNETENC_COOKIE_SECRET_BYTES,
                text, sizeof text, cookie, &size) != NULL;
}

bool
vnetenc_cookie_make(const struct vnetenc_cookie_jar *jar,
                    const struct vnetenc_endpoints *ends,
                    uint8_t cookie[VNETENC_COOKIE_BYTES])
{
    return compute(jar->current, ends, cookie);
}

static bool
matches(const uint8_t *secret, const struct vnetenc_endpoints *ends,
        const uint8_t *cookie)
{
    uint8_t expected[VNETENC_COOKIE_BYTES];

    return (compute(secret, ends, expected)
            && !CRYPTO_memcmp(expected, cookie, sizeof expected));
}

bool
vnetenc_cookie_check(const struct vnetenc_cookie_jar *jar,
                     const struct vnetenc_endpoints *ends,
                     const uint8_t *cookie, size_t size)
{
    return (size == VNETENC_COOKIE_BYTES
            && (matches(jar->current, ends, cookie)
                || matches(jar->previous, ends, cookie)));
}
