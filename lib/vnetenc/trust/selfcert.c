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
#include "vnetenc/trust/selfcert.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "util.h"
#include "vnetenc/trust/file.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_selfcert);

/* RFC 5280 section 4.1.2.2: a serial number is positive and has at most 20
 * octets. */
static bool
set_serial(X509 *cert)
{
    BIGNUM *serial = BN_new();
    bool ok = (serial
               && BN_rand(serial, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY)
               && BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)));

    BN_free(serial);
    return ok;
}

/* Always valid: whether the pin of a host is trusted is the peers' decision,
 * and the host's clock may have been wrong on the day of its first start. */
static bool
set_dates(X509 *cert)
{
    return (ASN1_TIME_set_string_X509(X509_getm_notBefore(cert),
                                      "700101000000Z")
            && ASN1_TIME_set_string_X509(X509_getm_notAfter(cert),
                                         "99991231235959Z"));
}

/* The name says nothing about the host, because everyone who sees a handshake
 * sees the name, and nobody trusts it. */
static bool
set_name(X509 *cert)
{
    X509_NAME *name = X509_get_subject_name(cert);

    return (X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                       (const unsigned char *) "vnetenc",
                                       -1, -1, 0)
            && X509_set_issuer_name(cert, name));
}

static bool
add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool ok = ext && X509_add_ext(cert, ext, -1);

    X509_EXTENSION_free(ext);
    return ok;
}

static bool
add_extensions(X509 *cert)
{
    return (add_extension(cert, NID_basic_constraints, "critical,CA:FALSE")
            && add_extension(cert, NID_key_usage, "critical,digitalSignature")
            && add_extension(cert, NID_ext_key_usage,
                             "serverAuth,clientAuth"));
}

static X509 *
make_certificate(EVP_PKEY *key)
{
    X509 *cert = X509_new();

    if (cert
        && X509_set_version(cert, X509_VERSION_3)
        && set_serial(cert)
        && set_dates(cert)
        && set_name(cert)
        && X509_set_pubkey(cert, key)
        && add_extensions(cert)
        && X509_sign(cert, key, EVP_sha256())) {
        return cert;
    }
    X509_free(cert);
    return NULL;
}

/* Makes a pair and appends it in PEM to 'pem'.  Returns false if OpenSSL
 * fails. */
static bool
make_pair(struct ofpbuf *pem)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key ? make_certificate(key) : NULL;
    BIO *bio = BIO_new(BIO_s_secmem());
    bool ok = (cert && bio
               && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL,
                                                NULL)
               && PEM_write_bio_X509(bio, cert));

    if (ok) {
        char *data;
        long int size = BIO_get_mem_data(bio, &data);

        ofpbuf_put(pem, data, size);
    }
    BIO_free(bio);              /* Cleanses the key. */
    X509_free(cert);
    EVP_PKEY_free(key);
    return ok;
}

static char *
make_file(int dir, const char *name)
{
    struct ofpbuf pem;
    char *why;

    ofpbuf_init(&pem, 4096);
    if (make_pair(&pem)) {
        why = vnetenc_file_dir_create(dir, name, &pem);
    } else {
        const char *reason = ERR_reason_error_string(ERR_peek_error());

        why = xasprintf("cannot make a key: %s",
                        reason ? reason : "unknown error");
        ERR_clear_error();
    }
    vnetenc_file_wipe(&pem);
    return why;
}

/* Reads 'name' in 'dir', the open 'directory'.  If there is no such file,
 * makes it if 'make' is true. */
static char *
load_or_make(const char *directory, int dir, const char *name, bool make,
             struct ofpbuf *pem)
{
    bool exists;
    char *why = vnetenc_file_dir_read(dir, name, pem, &exists);

    if (exists || !make) {
        return why;
    }
    why = make_file(dir, name);
    if (!why) {
        VLOG_INFO("made a new key and certificate in %s/%s", directory, name);
        ofpbuf_uninit(pem);
        why = vnetenc_file_dir_read(dir, name, pem, &exists);
    }
    return why || exists ? why : xstrdup("vanished");
}

/* Opens 'directory'.  Returns NULL and sets '*dir' if successful, otherwise a
 * text that names it and the cause. */
static char *
open_directory(const char *directory, int *dir)
{
    char *why = vnetenc_file_dir_open(directory, dir);
    char *error = (why ? xasprintf("directory %s: %s", directory, why)
                   : NULL);

    free(why);
    return error;
}

/* Closes 'dir' and returns 'why', which it frees, with the name of the file
 * before it. */
static char *
close_directory(const char *directory, int dir, const char *name, char *why)
{
    char *error = (why ? xasprintf("%s/%s: %s", directory, name, why)
                   : NULL);

    close(dir);
    free(why);
    return error;
}

static char *
load(const char *directory, const char *name, bool make, struct ofpbuf *pem)
{
    char *error;
    int dir;

    ofpbuf_init(pem, 0);
    error = open_directory(directory, &dir);
    if (error) {
        return error;
    }
    ofpbuf_uninit(pem);
    return close_directory(directory, dir, name,
                           load_or_make(directory, dir, name, make, pem));
}

char *
vnetenc_selfcert_load(const char *directory, struct ofpbuf *pem)
{
    return load(directory, VNETENC_SELFCERT_FILE, true, pem);
}

char *
vnetenc_selfcert_load_next(const char *directory, bool make,
                           struct ofpbuf *pem)
{
    return load(directory, VNETENC_SELFCERT_NEXT_FILE, make, pem);
}

char *
vnetenc_selfcert_use_next(const char *directory)
{
    char *error, *why = NULL;
    int dir;

    error = open_directory(directory, &dir);
    if (error) {
        return error;
    }
    if (renameat(dir, VNETENC_SELFCERT_NEXT_FILE, dir,
                 VNETENC_SELFCERT_FILE)) {
        why = xstrdup(ovs_strerror(errno));
    } else {
        fsync(dir);
    }
    return close_directory(directory, dir, VNETENC_SELFCERT_NEXT_FILE, why);
}

char *
vnetenc_selfcert_drop_next(const char *directory)
{
    char *error, *why = NULL;
    int dir;

    error = open_directory(directory, &dir);
    if (error) {
        return error;
    }
    if (unlinkat(dir, VNETENC_SELFCERT_NEXT_FILE, 0)) {
        why = xstrdup(ovs_strerror(errno));
    } else {
        fsync(dir);
    }
    return close_directory(directory, dir, VNETENC_SELFCERT_NEXT_FILE, why);
}
