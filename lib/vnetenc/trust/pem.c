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
#include "vnetenc/trust/pem.h"

#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "openvswitch/ofpbuf.h"
#include "util.h"

static BIO *
bio_on(const struct ofpbuf *pem)
{
    BIO *bio = BIO_new_mem_buf(pem->data ? pem->data : "", pem->size);

    if (!bio) {
        out_of_memory();
    }
    return bio;
}

/* Refuses to give a password: libssl's own callback would ask on the terminal
 * and wait, but nobody is there to type one.  Sets '*encrypted', unless it is
 * NULL, to true. */
static int
no_password_cb(char *buf OVS_UNUSED, int size OVS_UNUSED, int rw OVS_UNUSED,
               void *encrypted)
{
    if (encrypted) {
        *(bool *) encrypted = true;
    }
    return -1;
}

/* Returns true if the last PEM_read_*() failed because it reached the end. */
static bool
at_end(void)
{
    unsigned long int code = ERR_peek_last_error();

    return (ERR_GET_LIB(code) == ERR_LIB_PEM
            && ERR_GET_REASON(code) == PEM_R_NO_START_LINE);
}

/* Returns the error of a list of 'what', of which 'n' were read, or NULL. */
static char *
list_error(const char *what, int n)
{
    char *error = (n > 0 && at_end() ? NULL
                   : xasprintf(at_end() ? "holds no %s in PEM"
                               : "holds a malformed %s", what));

    ERR_clear_error();
    return error;
}

char *
vnetenc_pem_certs(const struct ofpbuf *pem, STACK_OF(X509) **certs)
{
    BIO *bio = bio_on(pem);
    char *error;
    X509 *cert;

    *certs = sk_X509_new_null();
    while ((cert = PEM_read_bio_X509(bio, NULL, no_password_cb, NULL))) {
        if (!sk_X509_push(*certs, cert)) {
            out_of_memory();
        }
    }
    error = list_error("certificate", sk_X509_num(*certs));
    if (error) {
        sk_X509_pop_free(*certs, X509_free);
        *certs = NULL;
    }
    BIO_free(bio);
    return error;
}

char *
vnetenc_pem_crls(const struct ofpbuf *pem, STACK_OF(X509_CRL) **crls)
{
    BIO *bio = bio_on(pem);
    X509_CRL *crl;
    char *error;

    *crls = sk_X509_CRL_new_null();
    while ((crl = PEM_read_bio_X509_CRL(bio, NULL, no_password_cb, NULL))) {
        if (!sk_X509_CRL_push(*crls, crl)) {
            out_of_memory();
        }
    }
    error = list_error("CRL", sk_X509_CRL_num(*crls));
    if (error) {
        sk_X509_CRL_pop_free(*crls, X509_CRL_free);
        *crls = NULL;
    }
    BIO_free(bio);
    return error;
}

bool
vnetenc_pem_has_key(const struct ofpbuf *pem)
{
    static const char mark[] = "PRIVATE KEY-----";

    return pem->size && memmem(pem->data, pem->size, mark, sizeof mark - 1);
}

char *
vnetenc_pem_key(const struct ofpbuf *pem, EVP_PKEY **key)
{
    BIO *bio = bio_on(pem);
    bool encrypted = false;
    char *error = NULL;

    *key = PEM_read_bio_PrivateKey(bio, NULL, no_password_cb, &encrypted);
    if (encrypted) {
        error = xstrdup("is encrypted with a password; a key without one is "
                        "accepted");
    } else if (!*key && vnetenc_pem_has_key(pem)) {
        error = xstrdup("holds a malformed private key");
    }
    ERR_clear_error();
    BIO_free(bio);
    return error;
}
