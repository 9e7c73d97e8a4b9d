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
#undef NDEBUG
#include "vnetenc-unit-pki.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "sset.h"
#include "util.h"

static char *dir;
static struct sset paths = SSET_INITIALIZER(&paths);

static EVP_PKEY *
make_key(const char *kind)
{
    EVP_PKEY *key;
    int bits;

    if (ovs_scan(kind, "RSA-%d", &bits)) {
        key = EVP_RSA_gen(bits);
    } else if (!strcmp(kind, "explicit")) {
        key = EVP_EC_gen("P-256");
        ovs_assert(key && EVP_PKEY_set_utf8_string_param(
            key, OSSL_PKEY_PARAM_EC_ENCODING, OSSL_PKEY_EC_ENCODING_EXPLICIT));
    } else if (!strcmp(kind, "ED25519")) {
        key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    } else {
        key = EVP_EC_gen(kind);
    }
    ovs_assert(key);
    return key;
}

static void
add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    ovs_assert(ext && X509_add_ext(cert, ext, -1));
    X509_EXTENSION_free(ext);
}

/* A private extension, to make the certificate large. */
static void
add_padding(X509 *cert, unsigned int size)
{
    ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.32473.1", 1);
    ASN1_OCTET_STRING *string = ASN1_OCTET_STRING_new();
    unsigned char *zeros = xzalloc(size);
    X509_EXTENSION *ext;

    ovs_assert(ASN1_OCTET_STRING_set(string, zeros, size));
    ext = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, string);
    ovs_assert(ext && X509_add_ext(cert, ext, -1));
    X509_EXTENSION_free(ext);
    ASN1_OCTET_STRING_free(string);
    ASN1_OBJECT_free(oid);
    free(zeros);
}

static void
set_names(X509 *cert, const struct pki_id *issuer)
{
    static unsigned int serial = 1000;
    X509_NAME *name = X509_get_subject_name(cert);
    char *cn = xasprintf("unit %u", ++serial);

    ovs_assert(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                          (unsigned char *) cn, -1, -1, 0));
    ovs_assert(ASN1_INTEGER_set(X509_get_serialNumber(cert), serial));
    ovs_assert(X509_set_issuer_name(
        cert, issuer ? X509_get_subject_name(issuer->cert) : name));
    free(cn);
}

struct pki_id
pki_make(const struct pki_spec *spec)
{
    const EVP_MD *digest = EVP_get_digestbyname(
        spec->digest ? spec->digest : "SHA256");
    struct pki_id id;
    X509 *cert;

    id.key = make_key(spec->key ? spec->key : "P-256");
    id.cert = cert = X509_new();
    ovs_assert(X509_set_version(cert, X509_VERSION_3));
    set_names(cert, spec->issuer);
    X509_gmtime_adj(X509_getm_notBefore(cert),
                    spec->from_s ? spec->from_s : -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert),
                    spec->to_s ? spec->to_s : 3600);
    ovs_assert(X509_set_pubkey(cert, id.key));
    add_extension(cert, NID_basic_constraints,
                  spec->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (spec->ca) {
        add_extension(cert, NID_key_usage, "critical,keyCertSign,cRLSign");
    }
    if (spec->san) {
        add_extension(cert, NID_subject_alt_name, spec->san);
    }
    if (spec->eku) {
        add_extension(cert, NID_ext_key_usage, spec->eku);
    }
    if (spec->padding) {
        add_padding(cert, spec->padding);
    }
    ovs_assert(X509_sign(cert, spec->issuer ? spec->issuer->key : id.key,
                         EVP_PKEY_is_a(id.key, "ED25519") ? NULL : digest));
    return id;
}

void
pki_free(struct pki_id *id)
{
    EVP_PKEY_free(id->key);
    X509_free(id->cert);
}

void
pki_pin(const struct pki_id *id, uint8_t pin[32])
{
    unsigned int size;

    ovs_assert(X509_digest(id->cert, EVP_sha256(), pin, &size));
}

static FILE *
create(const char *path, mode_t mode)
{
    FILE *f;

    unlink(path);
    f = fopen(path, "w");
    ovs_assert(f && !chmod(path, mode));
    return f;
}

void
pki_write(const char *path, mode_t mode, EVP_PKEY *key, ...)
{
    FILE *f = create(path, mode);
    va_list args;
    X509 *cert;

    if (key) {
        ovs_assert(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
    }
    va_start(args, key);
    while ((cert = va_arg(args, X509 *))) {
        ovs_assert(PEM_write_X509(f, cert));
    }
    va_end(args);
    ovs_assert(!fclose(f));
}

void
pki_write_crl(const char *path, const struct pki_id *issuer,
              const struct pki_id *revoked, long int to_s)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *from = X509_gmtime_adj(NULL, -3600);
    ASN1_TIME *to = X509_gmtime_adj(NULL, to_s);
    FILE *f = create(path, 0644);

    ovs_assert(X509_CRL_set_version(crl, X509_CRL_VERSION_2));
    ovs_assert(X509_CRL_set_issuer_name(
        crl, X509_get_subject_name(issuer->cert)));
    ovs_assert(X509_CRL_set1_lastUpdate(crl, from)
               && X509_CRL_set1_nextUpdate(crl, to));
    if (revoked) {
        X509_REVOKED *r = X509_REVOKED_new();

        ovs_assert(X509_REVOKED_set_serialNumber(
            r, X509_get_serialNumber(revoked->cert)));
        ovs_assert(X509_REVOKED_set_revocationDate(r, from));
        ovs_assert(X509_CRL_add0_revoked(crl, r));
    }
    ovs_assert(X509_CRL_sort(crl)
               && X509_CRL_sign(crl, issuer->key, EVP_sha256()));
    ovs_assert(PEM_write_X509_CRL(f, crl) && !fclose(f));
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    X509_CRL_free(crl);
}

void
pki_concatenate(const char *path, const char *a, const char *b)
{
    const char *parts[] = { a, b };
    FILE *f = create(path, 0644);

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        FILE *part = fopen(parts[i], "r");
        int c;

        ovs_assert(part);
        while ((c = getc(part)) != EOF) {
            putc(c, f);
        }
        fclose(part);
    }
    ovs_assert(!fclose(f));
}

const char *
pki_dir(void)
{
    if (!dir) {
        const char *tmp = getenv("TMPDIR");

        dir = xasprintf("%s/vnetenc-unit.XXXXXX", tmp ? tmp : "/tmp");
        ovs_assert(mkdtemp(dir));
    }
    return dir;
}

const char *
pki_path(const char *name)
{
    char *path = xasprintf("%s/%s", pki_dir(), name);
    const char *kept;

    sset_add(&paths, path);
    kept = sset_find(&paths, path)->name;
    free(path);
    return kept;
}

static void
remove_tree(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *entry;

    while (d && (entry = readdir(d))) {
        char *child;
        struct stat s;

        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) {
            continue;
        }
        child = xasprintf("%s/%s", path, entry->d_name);
        if (!lstat(child, &s) && S_ISDIR(s.st_mode)) {
            remove_tree(child);
        } else {
            unlink(child);
        }
        free(child);
    }
    if (d) {
        closedir(d);
    }
    rmdir(path);
}

void
pki_cleanup(void)
{
    if (dir) {
        remove_tree(dir);
        free(dir);
        dir = NULL;
    }
    sset_destroy(&paths);
}
