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
#include "vnetenc/trust/strength.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include "util.h"

int
vnetenc_strength_level(unsigned int strength)
{
    return strength >= 192 ? 4 : strength >= 128 ? 3 : 2;
}

const char *
vnetenc_strength_text(unsigned int strength)
{
    return (strength >= 192
            ? "192 bits are needed: P-384, RSA with 7680 bits, SHA-384"
            : strength >= 128
            ? "128 bits are needed: P-256, RSA with 3072 bits, SHA-256"
            : "112 bits are needed: RSA with 2048 bits, SHA-256");
}

static int
min_rsa_bits(unsigned int strength)
{
    return (strength >= 192 ? 7680 : strength >= 128 ? 3072
            : 2048);
}

char *
vnetenc_strength_weak_text(unsigned int strength)
{
    return xasprintf("a signature or a key of a CA is weaker than %u bits; %s "
                     "and RSA with %d bits are accepted", strength,
                     strength >= 192 ? "SHA-384" : "SHA-256",
                     min_rsa_bits(strength));
}

bool
vnetenc_strength_is_weak(unsigned int strength, X509 *cert, bool is_ca)
{
    int needed = strength;
    int bits;

    if (is_ca && (EVP_PKEY_get_security_bits(X509_get0_pubkey(cert))
                  < needed)) {
        return true;
    }
    return (!(X509_get_extension_flags(cert) & EXFLAG_SS)
            && (X509_get_signature_info(cert, NULL, NULL, &bits, NULL) != 1
                || bits < needed));
}

/* Returns the usual name of the curve of 'key', or NULL if the key has
 * explicit curve parameters.  'name', which has 'size' bytes, may hold the
 * result. */
static const char *
curve_of(const EVP_PKEY *key, char *name, size_t size)
{
    const char *nist;
    int is_explicit;

    if (EVP_PKEY_get_group_name(key, name, size, NULL) != 1
        || (EVP_PKEY_get_int_param(
                key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
                &is_explicit) && is_explicit)) {
        return NULL;
    }
    nist = EC_curve_nid2nist(OBJ_sn2nid(name));
    return nist ? nist : name;
}

/* Describes the kind of 'key' if peers would refuse it, otherwise returns
 * NULL. */
static char *
describe_bad_key(unsigned int strength, const EVP_PKEY *key)
{
    if (!key) {
        return xstrdup("of an unknown kind");
    } else if (EVP_PKEY_is_a(key, "EC")) {
        char name[64];
        const char *curve = curve_of(key, name, sizeof name);

        return (!curve ? xstrdup("EC on parameters of its own")
                : (strcmp(curve, "P-256") && strcmp(curve, "P-384"))
                || EVP_PKEY_get_security_bits(key) < (int) strength
                ? xasprintf("EC on %s", curve) : NULL);
    } else if (EVP_PKEY_is_a(key, "RSA")) {
        int bits = EVP_PKEY_get_bits(key);

        return (EVP_PKEY_get_security_bits(key) < (int) strength
                ? xasprintf("RSA with %d bits", bits) : NULL);
    }
    return xstrdup(EVP_PKEY_get0_type_name(key));
}

char *
vnetenc_strength_check(unsigned int strength, X509 *cert)
{
    char *key = describe_bad_key(strength, X509_get0_pubkey(cert));

    if (key) {
        char *cause = xasprintf("key is %s; EC on %sP-384, and RSA with %d "
                                "bits or more, are accepted", key,
                                strength >= 192 ? "" : "P-256 or ",
                                min_rsa_bits(strength));

        free(key);
        return cause;
    }
    if (X509_check_purpose(cert, X509_PURPOSE_SSL_CLIENT, 0) != 1) {
        return xstrdup("not for TLS clients; extendedKeyUsage must allow "
                       "clientAuth or be absent");
    }
    if (X509_check_purpose(cert, X509_PURPOSE_SSL_SERVER, 0) != 1) {
        return xstrdup("not for TLS servers; extendedKeyUsage must allow "
                       "serverAuth or be absent");
    }
    return NULL;
}
