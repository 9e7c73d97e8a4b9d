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
#include "vnetenc/trust/cred.h"

#include <string.h>
#include <strings.h>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"
#include "vnetenc/crypto/suite.h"
#include "vnetenc/trust/cert.h"
#include "vnetenc/trust/file.h"
#include "vnetenc/trust/selfcert.h"
#include "vnetenc/trust/ssl.h"

struct vnetenc_cred {
    unsigned int ref_cnt;
    uint8_t profile;
    bool self_made;
    SSL_CTX *ctx;               /* With own certificate, chain and key. */

    X509_STORE *ca;             /* NULL without 'ca_cert'. */
    bool has_crl;

    uint8_t fingerprint[VNETENC_FINGERPRINT_BYTES];
    char not_after[VNETENC_DATE_TEXT_BYTES];

    /* Best first. */
    enum vnetenc_cipher ciphers[VNETENC_N_CIPHERS];
    size_t n_ciphers;
    char *ciphers_text;
    char *certificate;          /* Name of the file. */
};

static char *load(const struct vnetenc_cred_config *, struct vnetenc_cred *);

char *
vnetenc_cred_load(const struct vnetenc_cred_config *config,
                  struct vnetenc_cred **credp)
{
    struct vnetenc_cred *cred = xzalloc(sizeof *cred);
    char *error;

    cred->ref_cnt = 1;
    cred->profile = config->profile;
    ERR_clear_error();
    error = load(config, cred);
    if (error) {
        vnetenc_cred_unref(cred);
        cred = NULL;
    }
    ERR_clear_error();
    *credp = cred;
    return error;
}

struct vnetenc_cred *
vnetenc_cred_ref(const struct vnetenc_cred *cred_)
{
    struct vnetenc_cred *cred = CONST_CAST(struct vnetenc_cred *, cred_);

    if (cred) {
        cred->ref_cnt++;
    }
    return cred;
}

void
vnetenc_cred_unref(struct vnetenc_cred *cred)
{
    if (cred && !--cred->ref_cnt) {
        SSL_CTX_free(cred->ctx);
        X509_STORE_free(cred->ca);
        free(cred->ciphers_text);
        free(cred->certificate);
        free(cred);
    }
}

uint8_t
vnetenc_cred_profile(const struct vnetenc_cred *cred)
{
    return cred->profile;
}

const uint8_t *
vnetenc_cred_fingerprint(const struct vnetenc_cred *cred)
{
    return cred->fingerprint;
}

const char *
vnetenc_cred_not_after(const struct vnetenc_cred *cred)
{
    return cred->not_after;
}

char *
vnetenc_cred_check_dates(const struct vnetenc_cred *cred, time_t now)
{
    char *why = vnetenc_cert_check_dates(SSL_CTX_get0_certificate(cred->ctx),
                                         now);
    char *error;

    if (!why) {
        return NULL;
    }
    error = xasprintf("certificate %s: %s; peers accept one that is valid now",
                      cred->certificate, why);
    free(why);
    return error;
}

bool
vnetenc_cred_expires_soon(const struct vnetenc_cred *cred, time_t now)
{
    return vnetenc_cert_expires_soon(SSL_CTX_get0_certificate(cred->ctx), now);
}

bool
vnetenc_cred_is_self_made(const struct vnetenc_cred *cred)
{
    return cred->self_made;
}

const char *
vnetenc_cred_ciphers(const struct vnetenc_cred *cred)
{
    return cred->ciphers_text;
}

bool
vnetenc_cred_has_cipher(const struct vnetenc_cred *cred,
                        enum vnetenc_cipher cipher)
{
    for (size_t i = 0; i < cred->n_ciphers; i++) {
        if (cred->ciphers[i] == cipher) {
            return true;
        }
    }
    return false;
}

bool
vnetenc_cred_has_cipher_info(const struct vnetenc_cred *cred,
                             const struct vnetenc_cipher_info *info)
{
    for (size_t i = 0; i < cred->n_ciphers; i++) {
        if (vnetenc_cipher_info(cred->ciphers[i]) == info) {
            return true;
        }
    }
    return false;
}

static bool
is_same_chain(const struct vnetenc_cred *a, const struct vnetenc_cred *b)
{
    STACK_OF(X509) *a_chain = NULL, *b_chain = NULL;

    SSL_CTX_get0_chain_certs(a->ctx, &a_chain);
    SSL_CTX_get0_chain_certs(b->ctx, &b_chain);
    if (sk_X509_num(a_chain) != sk_X509_num(b_chain)) {
        return false;
    }
    for (int i = 0; i < sk_X509_num(a_chain); i++) {
        if (X509_cmp(sk_X509_value(a_chain, i), sk_X509_value(b_chain, i))) {
            return false;
        }
    }
    return true;
}

bool
vnetenc_cred_is_same_own(const struct vnetenc_cred *a,
                         const struct vnetenc_cred *b)
{
    return (!memcmp(a->fingerprint, b->fingerprint, sizeof a->fingerprint)
            && is_same_chain(a, b)
            && !strcmp(a->ciphers_text, b->ciphers_text));
}

X509_STORE *
vnetenc_cred_ca(const struct vnetenc_cred *cred)
{
    return cred->ca;
}

bool
vnetenc_cred_has_crl(const struct vnetenc_cred *cred)
{
    return cred->has_crl;
}

SSL_CTX *
vnetenc_cred_ssl_ctx(const struct vnetenc_cred *cred)
{
    return cred->ctx;
}

/* Error texts: "option file: cause". */

static char *
file_error(const char *option, const char *file, char *cause)
{
    char *error = xasprintf("%s %s: %s", option, file, cause);

    free(cause);
    return error;
}

static char *
libssl_error(const char *option, const char *file)
{
    return file_error(option, file, xstrdup(vnetenc_ssl_error()));
}

/* Ciphers. */

static char *
ciphers_error(const char *ciphers, const char *cause)
{
    struct ds names = DS_EMPTY_INITIALIZER;
    char *error;

    for (int i = 0; i < VNETENC_N_CIPHERS; i++) {
        ds_put_format(&names, "%s%s", i ? ", " : "",
                      vnetenc_cipher_info(i)->name);
    }
    error = xasprintf("ciphers \"%s\": %s; a list of %s, separated by colons, "
                      "is accepted", ciphers, cause, ds_cstr(&names));
    ds_destroy(&names);
    return error;
}

static bool
cipher_from_name(const char *name, enum vnetenc_cipher *cipher)
{
    for (int i = 0; i < VNETENC_N_CIPHERS; i++) {
        if (!strcasecmp(name, vnetenc_cipher_info(i)->name)) {
            *cipher = i;
            return true;
        }
    }
    return false;
}

static bool
is_usable(enum vnetenc_cipher cipher)
{
    return cipher != VNETENC_CHACHA20_POLY1305 || !vnetenc_ssl_fips();
}

/* Adds the cipher 'name' to 'cred'.  Returns NULL if successful, otherwise the
 * cause. */
static const char *
add_cipher(struct vnetenc_cred *cred, const char *name)
{
    enum vnetenc_cipher cipher;

    if (!cipher_from_name(name, &cipher)) {
        return name[0] ? "unknown cipher" : "empty name";
    }
    if (vnetenc_cred_has_cipher(cred, cipher)) {
        return "cipher named twice";
    }
    if (!is_usable(cipher)) {
        return "not with OpenSSL's fips property";
    }
    cred->ciphers[cred->n_ciphers++] = cipher;
    return NULL;
}

static char *
parse_ciphers(const char *ciphers, struct vnetenc_cred *cred)
{
    const char *cause = NULL;
    char *copy, *next, *name;

    if (!ciphers) {
        enum vnetenc_cipher order[VNETENC_N_CIPHERS];

        vnetenc_cipher_default_order(vnetenc_cipher_cpu_has_aes(), order);
        for (int i = 0; i < VNETENC_N_CIPHERS; i++) {
            if (is_usable(order[i])) {
                cred->ciphers[cred->n_ciphers++] = order[i];
            }
        }
        return NULL;
    }

    next = copy = xstrdup(ciphers);
    while (!cause && (name = strsep(&next, ":"))) {
        cause = add_cipher(cred, name);
    }
    free(copy);
    return cause ? ciphers_error(ciphers, cause) : NULL;
}

static char *
use_ciphers(struct vnetenc_cred *cred)
{
    struct ds suites = DS_EMPTY_INITIALIZER;
    struct ds text = DS_EMPTY_INITIALIZER;
    char *error = NULL;

    for (size_t i = 0; i < cred->n_ciphers; i++) {
        const struct vnetenc_suite *suite;

        ds_put_format(&text, "%s%s", i ? ":" : "",
                      vnetenc_cipher_info(cred->ciphers[i])->name);
        for (size_t j = 0;
             (suite = vnetenc_suite_get(cred->ciphers[i], j)); j++) {
            ds_put_format(&suites, "%s%s", suites.length ? ":" : "",
                          suite->name);
        }
    }
    cred->ciphers_text = ds_steal_cstr(&text);
    if (!SSL_CTX_set_cipher_list(cred->ctx, ds_cstr(&suites))) {
        error = ciphers_error(cred->ciphers_text, vnetenc_ssl_error());
    }
    ds_destroy(&suites);
    return error;
}

/* Own key and certificate. */

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
pem_at_end(void)
{
    unsigned long int code = ERR_peek_last_error();

    return (ERR_GET_LIB(code) == ERR_LIB_PEM
            && ERR_GET_REASON(code) == PEM_R_NO_START_LINE);
}

/* Returns the error for 'file' of 'option', which cannot be read as a list of
 * 'what' to its end. */
static char *
pem_error(const char *option, const char *file, const char *what)
{
    char *cause = xasprintf(pem_at_end() ? "holds no %s in PEM"
                            : "holds a malformed %s", what);

    ERR_clear_error();
    return file_error(option, file, cause);
}

static char *
weak_error(const char *option, const char *file)
{
    ERR_clear_error();
    return file_error(option, file,
                      xasprintf("a signature or a key of a CA is weaker than "
                                "%d bits; SHA-256 and RSA with %d bits are "
                                "accepted", VNETENC_SECURITY_BITS,
                                VNETENC_MIN_RSA_BITS));
}

/* Returns true if peers refuse 'cert' for its signature, or for its key if it
 * is that of a CA.  OpenSSL 3.5 lets a host send such certificates.  Nobody
 * verifies the signature of a self-signed certificate. */
static bool
is_weak(X509 *cert, bool is_ca)
{
    int bits;

    if (is_ca && (EVP_PKEY_get_security_bits(X509_get0_pubkey(cert))
                  < VNETENC_SECURITY_BITS)) {
        return true;
    }
    return (!(X509_get_extension_flags(cert) & EXFLAG_SS)
            && (X509_get_signature_info(cert, NULL, NULL, &bits, NULL) != 1
                || bits < VNETENC_SECURITY_BITS));
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
describe_bad_key(const EVP_PKEY *key)
{
    if (!key) {
        return xstrdup("of an unknown kind");
    } else if (EVP_PKEY_is_a(key, "EC")) {
        char name[64];
        const char *curve = curve_of(key, name, sizeof name);

        return (!curve ? xstrdup("EC on parameters of its own")
                : strcmp(curve, "P-256") && strcmp(curve, "P-384")
                ? xasprintf("EC on %s", curve) : NULL);
    } else if (EVP_PKEY_is_a(key, "RSA")) {
        int bits = EVP_PKEY_get_bits(key);

        return (bits < VNETENC_MIN_RSA_BITS
                ? xasprintf("RSA with %d bits", bits) : NULL);
    }
    return xstrdup(EVP_PKEY_get0_type_name(key));
}

/* Returns NULL if 'cert' has a key that peers accept and may serve in both
 * roles, because each hypervisor is client and server.  Otherwise returns the
 * cause, to be freed by the caller. */
static char *
check_certificate(X509 *cert)
{
    char *key = describe_bad_key(X509_get0_pubkey(cert));

    if (key) {
        char *cause = xasprintf("key is %s; EC on P-256 or P-384, and RSA "
                                "with %d bits or more, are accepted", key,
                                VNETENC_MIN_RSA_BITS);

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

/* Takes the leaf and its chain from 'pem'. */
static char *
use_certificates(struct vnetenc_cred *cred, const char *file,
                 const struct ofpbuf *pem)
{
    BIO *bio = bio_on(pem);
    X509 *cert = PEM_read_bio_X509(bio, NULL, no_password_cb, NULL);
    char *error = NULL;
    char *cause;

    if (!cert) {
        error = pem_error("certificate", file, "certificate");
    } else if ((cause = check_certificate(cert))) {
        error = file_error("certificate", file, cause);
    } else if (is_weak(cert, false)) {
        error = weak_error("certificate", file);
    } else if (SSL_CTX_use_certificate(cred->ctx, cert) != 1
               || !vnetenc_cert_fingerprint(cert, cred->fingerprint)) {
        error = libssl_error("certificate", file);
    } else {
        vnetenc_cert_not_after_format(cert, cred->not_after);
        cred->certificate = xstrdup(file);
    }
    X509_free(cert);

    while (!error
           && (cert = PEM_read_bio_X509(bio, NULL, no_password_cb, NULL))) {
        if (is_weak(cert, true)) {
            error = weak_error("certificate", file);
        } else if (SSL_CTX_add1_chain_cert(cred->ctx, cert) != 1) {
            error = libssl_error("certificate", file);
        }
        X509_free(cert);
    }
    if (!error && !pem_at_end()) {
        error = pem_error("certificate", file, "certificate");
    }
    ERR_clear_error();
    BIO_free(bio);
    return error;
}

static char *
use_key(struct vnetenc_cred *cred, const char *file, const char *cert_file,
        const struct ofpbuf *pem)
{
    BIO *bio = bio_on(pem);
    bool encrypted = false;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password_cb,
                                            &encrypted);
    char *error = NULL;

    if (encrypted) {
        error = file_error("private_key", file,
                           xstrdup("is encrypted with a password; a key "
                                   "without one is accepted"));
    } else if (!key) {
        error = file_error("private_key", file,
                           xstrdup("holds no private key in PEM"));
    } else if (X509_check_private_key(SSL_CTX_get0_certificate(cred->ctx), key)
               != 1) {
        error = file_error("private_key", file,
                           xasprintf("does not belong to certificate %s",
                                     cert_file));
    } else if (SSL_CTX_use_PrivateKey(cred->ctx, key) != 1) {
        error = libssl_error("private_key", file);
    }
    EVP_PKEY_free(key);
    BIO_free(bio);
    return error;
}

static char *
load_self_made(const char *directory, struct vnetenc_cred *cred)
{
    struct ofpbuf pem;
    char *file = xasprintf("%s/%s", directory, VNETENC_SELFCERT_FILE);
    char *error = vnetenc_selfcert_load(directory, &pem);

    if (!error) {
        error = use_certificates(cred, file, &pem);
    }
    if (!error) {
        error = use_key(cred, file, file, &pem);
    }
    cred->self_made = true;
    vnetenc_file_wipe(&pem);
    free(file);
    return error;
}

static char *
load_configured(const struct vnetenc_cred_config *config,
                struct vnetenc_cred *cred)
{
    struct ofpbuf pem;
    char *error;

    error = vnetenc_file_read(config->certificate, false, &pem);
    error = (error ? file_error("certificate", config->certificate, error)
             : use_certificates(cred, config->certificate, &pem));
    vnetenc_file_wipe(&pem);
    if (error) {
        return error;
    }

    error = vnetenc_file_read(config->private_key, true, &pem);
    error = (error ? file_error("private_key", config->private_key, error)
             : use_key(cred, config->private_key, config->certificate, &pem));
    vnetenc_file_wipe(&pem);
    return error;
}

static char *
load_pair(const struct vnetenc_cred_config *config, struct vnetenc_cred *cred)
{
    if (config->certificate && config->private_key) {
        return load_configured(config, cred);
    } else if (config->certificate) {
        return file_error("certificate", config->certificate,
                          xstrdup("needs private_key"));
    } else if (config->private_key) {
        return file_error("private_key", config->private_key,
                          xstrdup("needs certificate"));
    } else if (config->directory) {
        return load_self_made(config->directory, cred);
    }
    return xstrdup("neither certificate and private_key nor a directory to "
                   "make them in");
}

/* CA and CRL. */

static char *
load_ca(const char *file, struct vnetenc_cred *cred)
{
    struct ofpbuf pem;
    char *error = vnetenc_file_read(file, false, &pem);
    BIO *bio = bio_on(&pem);
    size_t n = 0;
    X509 *cert;

    cred->ca = X509_STORE_new();
    error = error ? file_error("ca_cert", file, error) : NULL;
    while (!error
           && (cert = PEM_read_bio_X509(bio, NULL, no_password_cb, NULL))) {
        if (!cred->ca || X509_STORE_add_cert(cred->ca, cert) != 1) {
            error = libssl_error("ca_cert", file);
        }
        X509_free(cert);
        n++;
    }
    if (!error && (!n || !pem_at_end())) {
        error = pem_error("ca_cert", file, "certificate");
    }
    ERR_clear_error();
    BIO_free(bio);
    vnetenc_file_wipe(&pem);
    return error;
}

static char *
load_crl(const char *file, struct vnetenc_cred *cred)
{
    struct ofpbuf pem;
    char *error = vnetenc_file_read(file, false, &pem);
    BIO *bio = bio_on(&pem);
    X509_CRL *crl;

    error = error ? file_error("crl", file, error) : NULL;
    while (!error
           && (crl = PEM_read_bio_X509_CRL(bio, NULL, no_password_cb,
                                           NULL))) {
        if (X509_STORE_add_crl(cred->ca, crl) != 1) {
            error = libssl_error("crl", file);
        }
        X509_CRL_free(crl);
        cred->has_crl = true;
    }
    if (!error && (!cred->has_crl || !pem_at_end())) {
        error = pem_error("crl", file, "CRL");
    }
    ERR_clear_error();
    BIO_free(bio);
    vnetenc_file_wipe(&pem);
    return error;
}

static char *
load(const struct vnetenc_cred_config *config, struct vnetenc_cred *cred)
{
    char *error = parse_ciphers(config->ciphers, cred);

    if (error) {
        return error;
    }
    cred->ctx = vnetenc_ssl_ctx_new();
    if (!cred->ctx) {
        return xasprintf("libssl: %s", vnetenc_ssl_error());
    }
    error = use_ciphers(cred);
    if (!error) {
        error = load_pair(config, cred);
    }
    if (!error && config->ca_cert) {
        error = load_ca(config->ca_cert, cred);
    }
    if (!error && config->crl) {
        error = (config->ca_cert ? load_crl(config->crl, cred)
                 : file_error("crl", config->crl, xstrdup("needs ca_cert")));
    }
    return error;
}
