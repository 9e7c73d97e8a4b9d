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

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/crypto/suite.h"
#include "vnetenc/trust/cert.h"
#include "vnetenc/trust/file.h"
#include "vnetenc/trust/find.h"
#include "vnetenc/trust/pem.h"
#include "vnetenc/trust/selfcert.h"
#include "vnetenc/trust/ssl.h"
#include "vnetenc/trust/strength.h"
#include "vnetenc/trust/usable.h"

struct vnetenc_cred {
    unsigned int ref_cnt;
    uint8_t profile;
    bool self_made;
    SSL_CTX *ctx;               /* With own certificate, chain and key. */

    X509_STORE *ca;             /* NULL without any. */
    bool has_crl;
    unsigned int strength;
    struct vnetenc_config_fingerprints listed, revoked;
    bool has_newer;
    struct vnetenc_usable usable;

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
    cred->strength = (config->strength ? config->strength
                      : VNETENC_SECURITY_BITS);
    vnetenc_config_fingerprints_copy(&cred->listed, &config->certificates);
    vnetenc_config_fingerprints_copy(&cred->revoked, &config->revoked);
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
        free(cred->listed.f);
        free(cred->revoked.f);
        vnetenc_usable_uninit(&cred->usable);
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

unsigned int
vnetenc_cred_strength(const struct vnetenc_cred *cred)
{
    return cred->strength;
}

const struct vnetenc_config_fingerprints *
vnetenc_cred_listed(const struct vnetenc_cred *cred)
{
    return &cred->listed;
}

const struct vnetenc_config_fingerprints *
vnetenc_cred_revoked(const struct vnetenc_cred *cred)
{
    return &cred->revoked;
}

void
vnetenc_cred_set_revoked(struct vnetenc_cred *cred,
                         const struct vnetenc_config_fingerprints *revoked)
{
    free(cred->revoked.f);
    vnetenc_config_fingerprints_copy(&cred->revoked, revoked);
}

bool
vnetenc_cred_has_newer(const struct vnetenc_cred *cred)
{
    return cred->has_newer;
}

void
vnetenc_cred_usable(const struct vnetenc_cred *cred, time_t now,
                    struct smap *usable)
{
    vnetenc_usable_get(&cred->usable, now, usable);
}

char *
vnetenc_cred_warning(const struct vnetenc_cred *cred, time_t now)
{
    const X509 *cert = SSL_CTX_get0_certificate(cred->ctx);
    char date[VNETENC_DATE_TEXT_BYTES];
    int of_cert = vnetenc_cert_days_left(X509_get0_notBefore(cert),
                                         X509_get0_notAfter(cert), now);
    int of_crl = vnetenc_cert_crl_days_left(cred->ca, now, date);

    if (of_cert && (!of_crl || of_cert <= of_crl)) {
        return xasprintf("certificate %s: expires on %s, in less than %d "
                         "day%s", cred->certificate, cred->not_after, of_cert,
                         of_cert == 1 ? "" : "s");
    }
    return (of_crl
            ? xasprintf("crl: a list expires on %s, in less than %d day%s; "
                        "after that, no certificate of its CA is accepted",
                        date, of_crl, of_crl == 1 ? "" : "s")
            : NULL);
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

/* Returns why 'cipher' cannot be used, or NULL. */
static const char *
check_cipher(const struct vnetenc_cred *cred, enum vnetenc_cipher cipher)
{
    if (cipher == VNETENC_CHACHA20_POLY1305 && vnetenc_ssl_fips()) {
        return "not with OpenSSL's fips property";
    }
    return (8 * vnetenc_cipher_info(cipher)->key_bytes < cred->strength
            ? "a cipher is weaker than the strength of the profile" : NULL);
}

/* Adds the cipher 'name' to 'cred'.  Returns NULL if successful, otherwise the
 * cause. */
static const char *
add_cipher(struct vnetenc_cred *cred, const char *name)
{
    enum vnetenc_cipher cipher;
    const char *cause;

    if (!cipher_from_name(name, &cipher)) {
        return name[0] ? "unknown cipher" : "empty name";
    }
    if (vnetenc_cred_has_cipher(cred, cipher)) {
        return "cipher named twice";
    }
    cause = check_cipher(cred, cipher);
    if (!cause) {
        cred->ciphers[cred->n_ciphers++] = cipher;
    }
    return cause;
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
            if (!check_cipher(cred, order[i])) {
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
    free(cred->ciphers_text);
    cred->ciphers_text = ds_steal_cstr(&text);
    if (!SSL_CTX_set_cipher_list(cred->ctx, ds_cstr(&suites))) {
        error = ciphers_error(cred->ciphers_text, vnetenc_ssl_error());
    }
    ds_destroy(&suites);
    return error;
}

/* Gives 'cred' a context without any certificate. */
static char *
make_ctx(struct vnetenc_cred *cred)
{
    SSL_CTX_free(cred->ctx);
    cred->ctx = vnetenc_ssl_ctx_new(cred->strength);
    return (cred->ctx ? use_ciphers(cred)
            : xasprintf("libssl: %s", vnetenc_ssl_error()));
}

/* Own key and certificate. */

static char *
weak_error(const struct vnetenc_cred *cred, const char *option,
           const char *file)
{
    ERR_clear_error();
    return file_error(option, file,
                      vnetenc_strength_weak_text(cred->strength));
}

/* Makes the first of 'certs' our own, and the others its chain, without a
 * self-signed one if 'no_root', as peers have it.  They come from 'file' of
 * 'option'. */
static char *
use_certificates(struct vnetenc_cred *cred, const char *option,
                 const char *file, STACK_OF(X509) *certs, bool no_root)
{
    X509 *leaf = sk_X509_value(certs, 0);
    char *cause = vnetenc_strength_check(cred->strength, leaf);

    if (cause) {
        return file_error(option, file, cause);
    } else if (vnetenc_strength_is_weak(cred->strength, leaf, false)) {
        return weak_error(cred, option, file);
    } else if (SSL_CTX_use_certificate(cred->ctx, leaf) != 1
               || !vnetenc_cert_fingerprint(leaf, cred->fingerprint)) {
        return libssl_error(option, file);
    }
    vnetenc_cert_not_after_format(leaf, cred->not_after);
    free(cred->certificate);
    cred->certificate = xstrdup(file);

    SSL_CTX_clear_chain_certs(cred->ctx);
    for (int i = 1; i < sk_X509_num(certs); i++) {
        X509 *cert = sk_X509_value(certs, i);

        if (vnetenc_strength_is_weak(cred->strength, cert, true)) {
            return weak_error(cred, option, file);
        } else if (no_root && X509_get_extension_flags(cert) & EXFLAG_SS) {
            continue;
        } else if (SSL_CTX_add1_chain_cert(cred->ctx, cert) != 1) {
            return libssl_error(option, file);
        }
    }
    return NULL;
}

static char *
load_certificates(struct vnetenc_cred *cred, const char *file,
                  const struct ofpbuf *pem)
{
    STACK_OF(X509) *certs;
    char *error = vnetenc_pem_certs(pem, &certs);

    error = (error ? file_error("certificate", file, error)
             : use_certificates(cred, "certificate", file, certs, false));
    sk_X509_pop_free(certs, X509_free);
    return error;
}

static char *
load_key(struct vnetenc_cred *cred, const char *file, const char *cert_file,
         const struct ofpbuf *pem)
{
    EVP_PKEY *key;
    char *error = vnetenc_pem_key(pem, &key);

    if (error) {
        error = file_error("private_key", file, error);
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
    return error;
}

static char *
load_self_made(const char *directory, struct vnetenc_cred *cred)
{
    struct ofpbuf pem;
    char *file = xasprintf("%s/%s", directory, VNETENC_SELFCERT_FILE);
    char *error = vnetenc_selfcert_load(directory, &pem);

    if (!error) {
        error = load_certificates(cred, file, &pem);
    }
    if (!error) {
        error = load_key(cred, file, file, &pem);
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
             : load_certificates(cred, config->certificate, &pem));
    vnetenc_file_wipe(&pem);
    if (error) {
        return error;
    }

    error = vnetenc_file_read(config->private_key, true, &pem);
    error = (error ? file_error("private_key", config->private_key, error)
             : load_key(cred, config->private_key, config->certificate,
                        &pem));
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
    } else if (cred->strength > 128) {
        return xasprintf("strength: %u needs certificates, or certificate and "
                         "private_key: the key that a host makes for itself "
                         "is EC on P-256", cred->strength);
    } else if (config->directory) {
        return load_self_made(config->directory, cred);
    }
    return xstrdup("neither certificate and private_key nor a directory to "
                   "make them in");
}

/* CA and CRL. */

/* Adds a CA or, if 'ca' is NULL, a CRL to the store. */
static bool
store_add(struct vnetenc_cred *cred, X509 *ca, X509_CRL *crl)
{
    if (!cred->ca) {
        cred->ca = X509_STORE_new();
    }
    cred->has_crl |= !ca;
    return (cred->ca
            && (ca ? X509_STORE_add_cert(cred->ca, ca)
                : X509_STORE_add_crl(cred->ca, crl)) == 1);
}

static char *
load_ca(const char *file, struct vnetenc_cred *cred)
{
    STACK_OF(X509) *certs = NULL;
    struct ofpbuf pem;
    char *error = vnetenc_file_read(file, false, &pem);

    if (!error) {
        error = vnetenc_pem_certs(&pem, &certs);
    }
    error = error ? file_error("ca_cert", file, error) : NULL;
    for (int i = 0; !error && i < sk_X509_num(certs); i++) {
        if (!store_add(cred, sk_X509_value(certs, i), NULL)) {
            error = libssl_error("ca_cert", file);
        }
    }
    sk_X509_pop_free(certs, X509_free);
    vnetenc_file_wipe(&pem);
    return error;
}

static char *
load_crl(const char *file, struct vnetenc_cred *cred)
{
    STACK_OF(X509_CRL) *crls = NULL;
    struct ofpbuf pem;
    char *error = vnetenc_file_read(file, false, &pem);

    if (!error) {
        error = vnetenc_pem_crls(&pem, &crls);
    }
    error = error ? file_error("crl", file, error) : NULL;
    for (int i = 0; !error && i < sk_X509_CRL_num(crls); i++) {
        if (!store_add(cred, NULL, sk_X509_CRL_value(crls, i))) {
            error = libssl_error("crl", file);
        }
    }
    sk_X509_CRL_pop_free(crls, X509_CRL_free);
    vnetenc_file_wipe(&pem);
    return error;
}

/* Credentials that are found by content. */

/* Returns true if the certificate of 'found' may be our own. */
static bool
may_be_own(const struct vnetenc_cred *cred, const struct vnetenc_found *found)
{
    for (int i = 0; i < sk_X509_num(found->certs); i++) {
        if (vnetenc_config_fingerprints_have(&cred->revoked,
                                             found->fingerprints[i])) {
            return false;
        }
    }
    return (found->key
            && (vnetenc_config_fingerprints_have(&cred->listed,
                                                 found->fingerprints[0])
                || vnetenc_found_chains_to(found, cred->ca)));
}

/* Makes the certificate of 'found' our own, and the only one: libssl keeps one
 * for each type of key, and shows any of them.  Returns why it cannot be. */
static char *
use_found(struct vnetenc_cred *cred, const struct vnetenc_found *found)
{
    char *error = make_ctx(cred);

    if (!error) {
        error = use_certificates(cred, "certificates", found->name,
                                 found->certs, true);
    }
    return (error ? error
            : SSL_CTX_use_PrivateKey(cred->ctx, found->key) != 1
            ? libssl_error("certificates", found->name) : NULL);
}

/* Chooses our own certificate: 'keep' if that will do, otherwise the valid one
 * that began last and can be used.  Notes all that can be. */
static char *
choose_own(const struct vnetenc_cred_config *config, struct vnetenc_cred *cred)
{
    const struct vnetenc_found *const *found, *best = NULL, *kept = NULL;
    const struct vnetenc_found **good;
    size_t n, n_good = 0;
    char *error = NULL;

    found = vnetenc_find_all(&n);
    good = xcalloc(n + 1, sizeof *good);
    for (size_t i = 0; i < n; i++) {
        char *why;

        if (!found[i]->certs || !may_be_own(cred, found[i])) {
            continue;
        }
        why = use_found(cred, found[i]);
        if (why) {
            free(error);
            error = why;
            continue;
        }
        good[n_good++] = found[i];
        if (!best || vnetenc_found_is_better(found[i], best, time_wall())) {
            best = found[i];
        }
        if (config->keep && vnetenc_found_is_valid(found[i], time_wall())
            && !memcmp(found[i]->fingerprints[0], config->keep,
                       sizeof *found[i]->fingerprints)) {
            kept = found[i];
        }
    }
    vnetenc_usable_init(&cred->usable, &cred->listed, &cred->revoked, good,
                        n_good);
    free(good);
    if (!best) {
        return error ? error : vnetenc_find_none();
    }
    free(error);
    cred->has_newer = kept && best != kept;
    return use_found(cred, kept ? kept : best);
}

static char *
load_listed(const struct vnetenc_cred_config *config,
            struct vnetenc_cred *cred)
{
    char *error;

    if (config->certificate || config->private_key || config->ca_cert
        || config->crl) {
        return xstrdup("certificates: certificate, private_key, ca_cert and "
                       "crl must be empty beside it");
    }
    error = vnetenc_find_cas(&cred->listed, &cred->revoked, &cred->ca,
                             &cred->has_crl);
    return error ? error : choose_own(config, cred);
}

static char *
load(const struct vnetenc_cred_config *config, struct vnetenc_cred *cred)
{
    char *error = parse_ciphers(config->ciphers, cred);

    if (!error) {
        error = make_ctx(cred);
    }
    if (!error && cred->listed.n) {
        return load_listed(config, cred);
    }
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
