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
#include "vnetenc/trust/find-json.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "openvswitch/json.h"
#include "util.h"
#include "vnetenc/trust/cert.h"
#include "vnetenc/trust/find.h"

static void
put_date(struct json *object, const char *name, const ASN1_TIME *date)
{
    char text[VNETENC_DATE_TEXT_BYTES];

    vnetenc_cert_date_format(date, text);
    json_object_put_string(object, name, text);
}

/* As Windows prints it, without the spaces. */
static void
put_sha1(struct json *object, const X509 *cert)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[2 * EVP_MAX_MD_SIZE + 1] = "";
    unsigned int size;

    if (X509_digest(cert, EVP_sha1(), digest, &size)) {
        for (unsigned int i = 0; i < size; i++) {
            snprintf(text + 2 * i, 3, "%02x", digest[i]);
        }
    }
    json_object_put_string(object, "sha1", text);
}

static struct json *
describe_certificate(X509 *cert,
                     const uint8_t fingerprint[VNETENC_FINGERPRINT_BYTES])
{
    struct json *object = json_object_create();
    char text[VNETENC_FINGERPRINT_TEXT_BYTES];
    char subject[256] = "";

    vnetenc_cert_fingerprint_format(fingerprint, text);
    json_object_put_string(object, "sha256", text);
    put_sha1(object, cert);
    X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof subject);
    json_object_put_string(object, "subject", subject);
    json_object_put(object, "ca",
                    json_boolean_create(X509_check_ca(cert) == 1));
    put_date(object, "not_before", X509_get0_notBefore(cert));
    put_date(object, "not_after", X509_get0_notAfter(cert));
    return object;
}

static struct json *
describe_found(const struct vnetenc_found *found)
{
    struct json *object = json_object_create();
    struct json *certs = json_array_create_empty();

    json_object_put_string(object, "file", found->name);
    if (found->error) {
        json_object_put_string(object, "error", found->error);
    }
    json_object_put(object, "key", json_boolean_create(found->key));
    json_object_put(object, "crls", json_integer_create(
        found->crls ? sk_X509_CRL_num(found->crls) : 0));
    for (int i = 0; found->certs && i < sk_X509_num(found->certs); i++) {
        json_array_add(certs, describe_certificate(
            sk_X509_value(found->certs, i), found->fingerprints[i]));
    }
    json_object_put(object, "certificates", certs);
    return object;
}

struct json *
vnetenc_find_json(void)
{
    struct json *object = json_object_create();
    struct json *files = json_array_create_empty();
    const struct vnetenc_found *const *found;
    size_t n;

    found = vnetenc_find_all(&n);
    for (size_t i = 0; i < n; i++) {
        json_array_add(files, describe_found(found[i]));
    }
    if (vnetenc_find_error()) {
        json_object_put_string(object, "error", vnetenc_find_error());
    }
    json_object_put(object, "files", files);
    return object;
}
