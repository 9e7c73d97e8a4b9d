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

/* Credentials: what is made, what is loaded, what is refused and how. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/trust/cred.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "util.h"
#include "vnetenc/trust/file.h"
#include "vnetenc/trust/trust.h"
#include "vnetenc-unit.h"
#include "vnetenc-unit-pki.h"

static struct pki_id id, other, ca;

static void
set_up(void)
{
    id = pki_make(&(struct pki_spec) { .san = NULL });
    other = pki_make(&(struct pki_spec) { .san = NULL });
    ca = pki_make(&(struct pki_spec) { .ca = true });
    pki_write(pki_path("id.pem"), 0644, NULL, id.cert, NULL);
    pki_write(pki_path("id.key"), 0600, id.key, NULL);
    pki_write(pki_path("other.key"), 0600, other.key, NULL);
    pki_write(pki_path("ca.pem"), 0644, NULL, ca.cert, NULL);
    pki_write_crl(pki_path("ca.crl"), &ca, NULL, 3600);
}

static void
write_text(const char *path, mode_t mode, const char *text)
{
    FILE *f;

    unlink(path);
    f = fopen(path, "w");
    ovs_assert(f && fputs(text, f) >= 0 && !fclose(f) && !chmod(path, mode));
}

/* The usual configuration. */
static struct vnetenc_cred_config
usual(void)
{
    return (struct vnetenc_cred_config) {
        .profile = 5,
        .certificate = pki_path("id.pem"),
        .private_key = pki_path("id.key"),
    };
}

static struct vnetenc_cred *
load(const struct vnetenc_cred_config *config)
{
    struct vnetenc_cred *cred;
    char *error = vnetenc_cred_load(config, &cred);

    if (!CHECK(!error && cred)) {
        printf("%s\n", error);
        exit(1);
    }
    CHECK(!ERR_peek_error());
    return cred;
}

/* 'config' is refused with a text that has both 'file' and 'cause'. */
static void
check_error(const struct vnetenc_cred_config *config, const char *file,
            const char *cause)
{
    struct vnetenc_cred *cred = (void *) 1;
    char *error = vnetenc_cred_load(config, &cred);

    CHECK(!cred);
    CHECK_HAS(error, file);
    CHECK_HAS(error, cause);
    CHECK(!ERR_peek_error());
    free(error);
}

/* The self-made pair. */

static mode_t
mode_of(const char *path)
{
    struct stat s;

    return lstat(path, &s) ? 0 : s.st_mode & 07777;
}

static int
count_files(const char *path)
{
    DIR *d = opendir(path);
    int n = 0;

    while (d && readdir(d)) {
        n++;
    }
    closedir(d);
    return n - 2;               /* "." and "..". */
}

static void
test_self_made(void)
{
    const char *dir = pki_path("own");
    const char *file = pki_path("own/hypervisor.pem");
    const struct vnetenc_cred_config config = {
        .profile = 0, .directory = dir,
    };
    struct vnetenc_cred *first, *second;

    /* Whatever the umask. */
    umask(0);
    first = load(&config);
    umask(022);
    CHECK(vnetenc_cred_is_self_made(first));
    CHECK(mode_of(dir) == 0700);
    CHECK(mode_of(file) == 0600);
    CHECK(count_files(dir) == 1);
    CHECK(!strcmp(vnetenc_cred_not_after(first), "9999-12-31T23:59:59Z"));

    /* The same for another profile and after a restart. */
    second = load(&(struct vnetenc_cred_config) {
        .profile = 9, .directory = dir });
    CHECK(!memcmp(vnetenc_cred_fingerprint(first),
                  vnetenc_cred_fingerprint(second),
                  VNETENC_FINGERPRINT_BYTES));
    CHECK(vnetenc_cred_profile(second) == 9);
    vnetenc_cred_unref(first);
    vnetenc_cred_unref(second);

    /* Another hypervisor has another. */
    second = load(&(struct vnetenc_cred_config) {
        .directory = pki_path("own2") });
    first = load(&config);
    CHECK(memcmp(vnetenc_cred_fingerprint(first),
                 vnetenc_cred_fingerprint(second),
                 VNETENC_FINGERPRINT_BYTES));
    vnetenc_cred_unref(first);
    vnetenc_cred_unref(second);
}

static void
test_self_made_certificate(void)
{
    struct vnetenc_cred *cred = load(&(struct vnetenc_cred_config) {
        .directory = pki_path("own") });
    X509 *cert = SSL_CTX_get0_certificate(vnetenc_cred_ssl_ctx(cred));
    EVP_PKEY *key = X509_get0_pubkey(cert);
    uint8_t pin[1][VNETENC_FINGERPRINT_BYTES];
    struct vnetenc_trust trust = { .name = NULL };
    char group[32];

    CHECK(EVP_PKEY_is_a(key, "EC"));
    CHECK(EVP_PKEY_get_group_name(key, group, sizeof group, NULL)
          && !strcmp(group, "prime256v1"));
    /* Whatever the clock says, of the host that makes it or of a peer. */
    CHECK(X509_get0_notBefore(cert)->type == V_ASN1_UTCTIME
          && !ASN1_TIME_cmp_time_t(X509_get0_notBefore(cert), 0));
    CHECK(!vnetenc_cred_check_dates(cred, 0));
    CHECK(X509_self_signed(cert, 1) == 1);

    /* It passes the rule by its pin, and only so. */
    memcpy(pin[0], vnetenc_cred_fingerprint(cred), sizeof pin[0]);
    CHECK(!vnetenc_trust_judge(&trust, cred, cert, NULL, NULL));
    trust.pins = pin;
    trust.n_pins = 1;
    CHECK(vnetenc_trust_judge(&trust, cred, cert, NULL, NULL));
    vnetenc_cred_unref(cred);
}

static void
test_self_made_refusals(void)
{
    const char *dir = pki_path("bad");
    const char *file = pki_path("bad/hypervisor.pem");
    const struct vnetenc_cred_config config = { .directory = dir };

    /* The folder. */
    write_text(dir, 0600, "");
    check_error(&config, dir, "Not a directory");
    unlink(dir);
    CHECK(!symlink(pki_path("own"), dir));
    check_error(&config, dir, "Not a directory");
    unlink(dir);
    check_error(&(struct vnetenc_cred_config) {
        .directory = pki_path("no/such") }, "no/such", "No such file");
    CHECK(!mkdir(dir, 0700) && !chmod(dir, 0770));
    check_error(&config, dir, "mode 0770 lets others write");
    CHECK(!chmod(dir, 0755));
    CHECK(!count_files(dir));

    /* The file.  What is there is never replaced. */
    write_text(file, 0600, "");
    check_error(&config, file, "holds no certificate in PEM");
    CHECK(count_files(dir) == 1);
    pki_write(file, 0600, other.key, id.cert, NULL);
    check_error(&config, file, "does not belong to certificate");
    pki_write(file, 0640, id.key, id.cert, NULL);
    check_error(&config, file, "mode 0640 lets others in");
    unlink(file);
    CHECK(!symlink(pki_path("own/hypervisor.pem"), file));
    check_error(&config, file, "Too many levels of symbolic links");
    unlink(file);
    CHECK(!symlink(pki_path("nowhere"), file));
    check_error(&config, file, "Too many levels of symbolic links");
    CHECK(access(pki_path("nowhere"), F_OK));
    unlink(file);
    CHECK(!mkdir(file, 0700));
    check_error(&config, file, "not a regular file");
    rmdir(file);

    check_error(&(struct vnetenc_cred_config) { .profile = 1 },
                "neither certificate and private_key", "nor a directory");
}

/* A pair that another process made in the meantime is kept. */
static void
test_create_race(void)
{
    struct ofpbuf text, contents;
    char *error;
    bool exists;
    int dir;

    error = vnetenc_file_dir_open(pki_path("race"), &dir);
    CHECK(!error);
    for (int i = 0; i < 2; i++) {
        const char *s = i ? "second" : "first";

        ofpbuf_use_const(&text, s, strlen(s));
        CHECK(!vnetenc_file_dir_create(dir, "file", &text));
        CHECK(!vnetenc_file_dir_read(dir, "file", &contents, &exists));
        CHECK(exists);
        CHECK(contents.size == 5 && !memcmp(contents.data, "first", 5));
        vnetenc_file_wipe(&contents);
        CHECK(count_files(pki_path("race")) == 1);
    }
    CHECK(!vnetenc_file_dir_read(dir, "other", &contents, &exists) && !exists);
    close(dir);
}

/* Configured files. */

static void
test_configured(void)
{
    struct vnetenc_cred_config config = usual();
    struct vnetenc_cred *cred = load(&config);
    uint8_t pin[VNETENC_FINGERPRINT_BYTES];

    pki_pin(&id, pin);
    CHECK(!memcmp(vnetenc_cred_fingerprint(cred), pin, sizeof pin));
    CHECK(vnetenc_cred_profile(cred) == 5);
    CHECK(!vnetenc_cred_is_self_made(cred));
    CHECK(!vnetenc_cred_ca(cred) && !vnetenc_cred_has_crl(cred));
    CHECK(vnetenc_cred_ref(cred) == cred);
    vnetenc_cred_unref(cred);
    vnetenc_cred_unref(cred);
    vnetenc_cred_unref(NULL);
    CHECK(!vnetenc_cred_ref(NULL));

    config.ca_cert = pki_path("ca.pem");
    config.crl = pki_path("ca.crl");
    cred = load(&config);
    CHECK(vnetenc_cred_ca(cred) && vnetenc_cred_has_crl(cred));
    vnetenc_cred_unref(cred);

    /* The certificate's chain comes along. */
    pki_write(pki_path("chain.pem"), 0644, NULL, id.cert, ca.cert, NULL);
    config.certificate = pki_path("chain.pem");
    cred = load(&config);
    STACK_OF(X509) *chain;
    CHECK(SSL_CTX_get0_chain_certs(vnetenc_cred_ssl_ctx(cred), &chain));
    CHECK(sk_X509_num(chain) == 1
          && !X509_cmp(sk_X509_value(chain, 0), ca.cert));
    vnetenc_cred_unref(cred);
}

static void
test_private_key_refusals(void)
{
    struct vnetenc_cred_config config = usual();

    config.private_key = NULL;
    check_error(&config, "certificate", "needs private_key");
    config = usual();
    config.certificate = NULL;
    check_error(&config, "private_key", "needs certificate");

    config = usual();
    config.private_key = pki_path("missing.key");
    check_error(&config, "private_key", "missing.key: No such file");
    config.private_key = pki_path("other.key");
    check_error(&config, "other.key", "does not belong to certificate");

    config.private_key = pki_path("open.key");
    pki_write(config.private_key, 0644, id.key, NULL);
    check_error(&config, "open.key", "mode 0644 lets others in");
    chmod(config.private_key, 0640);
    check_error(&config, "open.key", "mode 0640 lets others in");
    chmod(config.private_key, 0602);
    check_error(&config, "open.key", "mode 0602 lets others in");

    if (!geteuid()) {
        chmod(config.private_key, 0600);
        CHECK(!chown(config.private_key, 65534, 0));
        check_error(&config, "open.key", "belongs to another user");
    }

    write_text(pki_path("garbage.key"), 0600, "not a key\n");
    config.private_key = pki_path("garbage.key");
    check_error(&config, "garbage.key", "holds no private key in PEM");
    config.private_key = pki_path("id.pem");
    chmod(config.private_key, 0600);
    check_error(&config, "id.pem", "holds no private key in PEM");

    /* Nobody is asked for a password, in either form of such files. */
    config.private_key = pki_path("secret.key");
    for (int traditional = 0; traditional < 2; traditional++) {
        BIO *bio = BIO_new_file(config.private_key, "w");

        CHECK(bio
              && (traditional ? PEM_write_bio_PrivateKey_traditional
                  : PEM_write_bio_PrivateKey)(
                      bio, id.key, EVP_aes_128_cbc(),
                      (unsigned char *) "abcd", 4, NULL, NULL));
        BIO_free(bio);
        chmod(config.private_key, 0600);
        check_error(&config, "secret.key",
                    "is encrypted with a password; a key without one is "
                    "accepted");
    }

    /* Nor does anything wait for a pipe. */
    config.private_key = pki_path("pipe.key");
    CHECK(!mkfifo(config.private_key, 0600));
    check_error(&config, "pipe.key", "not a regular file");
}

static void
check_certificate_error(const struct pki_spec *spec, const char *cause)
{
    struct vnetenc_cred_config config = usual();
    struct pki_id bad = pki_make(spec);

    config.certificate = pki_path("bad.pem");
    config.private_key = pki_path("bad.key");
    pki_write(config.certificate, 0644, NULL, bad.cert, NULL);
    pki_write(config.private_key, 0600, bad.key, NULL);
    check_error(&config, "bad.pem", cause);
    pki_free(&bad);
}

static void
test_certificate_refusals(void)
{
    struct vnetenc_cred_config config = usual();
    char *big;

    config.certificate = pki_path("missing.pem");
    check_error(&config, "certificate", "missing.pem: No such file");
    config.certificate = pki_path("id.key");
    check_error(&config, "id.key", "holds no certificate in PEM");
    config.certificate = pki_dir();
    check_error(&config, "certificate", "not a regular file");

    write_text(pki_path("broken.pem"), 0644,
               "-----BEGIN CERTIFICATE-----\nAAAA\n"
               "-----END CERTIFICATE-----\n");
    config.certificate = pki_path("broken.pem");
    check_error(&config, "broken.pem", "holds a malformed certificate");

    big = xzalloc(VNETENC_MAX_CRED_FILE_BYTES + 2);
    memset(big, 'x', VNETENC_MAX_CRED_FILE_BYTES + 1);
    write_text(pki_path("big.pem"), 0644, big);
    free(big);
    config.certificate = pki_path("big.pem");
    check_error(&config, "big.pem", "larger than 1048576 octets");

    check_certificate_error(&(struct pki_spec) { .eku = "serverAuth" },
                            "not for TLS clients");
    check_certificate_error(&(struct pki_spec) { .eku = "clientAuth" },
                            "not for TLS servers");
}

/* Peers would refuse these keys without saying why. */
static void
test_key_kinds(void)
{
    static const struct {
        const char *key, *named;        /* NULL: accepted. */
    } kinds[] = {
        { "P-256", NULL },
        { "P-384", NULL },
        { "RSA-2048", NULL },
        { "P-224", "EC on P-224" },
        { "P-521", "EC on P-521" },
        { "brainpoolP256r1", "EC on brainpoolP256r1" },
        { "brainpoolP512r1", "EC on brainpoolP512r1" },
        { "secp256k1", "EC on secp256k1" },
        { "explicit", "EC on parameters of its own" },
        { "RSA-1024", "RSA with 1024 bits" },
        { "ED25519", "ED25519" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        const struct pki_spec spec = { .key = kinds[i].key };
        struct vnetenc_cred_config config = usual();

        if (kinds[i].named) {
            char *cause = xasprintf("key is %s; ", kinds[i].named);

            check_certificate_error(&spec, cause);
            free(cause);
            check_certificate_error(&spec, "EC on P-256 or P-384, and RSA "
                                    "with 2048 bits or more, are accepted");
        } else {
            struct pki_id good = pki_make(&spec);

            config.certificate = pki_path("good.pem");
            config.private_key = pki_path("good.key");
            pki_write(config.certificate, 0644, NULL, good.cert, NULL);
            pki_write(config.private_key, 0600, good.key, NULL);
            vnetenc_cred_unref(load(&config));
            pki_free(&good);
        }
    }
}

static void
test_weak_signature(void)
{
    static const struct {
        bool ca;                /* Follows the certificate of the host. */
        bool self_signed;
        const char *digest;
        const char *key;
        bool accepted;
    } rows[] = {
        { true, false, "SHA1", "P-256", false },
        { true, false, "SHA256", "RSA-1024", false },
        { true, true, "SHA256", "RSA-1024", false },
        { true, false, "SHA256", "RSA-2048", true },
        { true, true, "SHA1", "P-256", true },
        { false, false, "SHA1", "P-256", false },
        { false, true, "SHA1", "P-256", true },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct vnetenc_cred_config config = usual();
        struct pki_id made = pki_make(&(struct pki_spec) {
            .ca = rows[i].ca, .issuer = rows[i].self_signed ? NULL : &ca,
            .digest = rows[i].digest, .key = rows[i].key });

        config.certificate = pki_path("weak-chain.pem");
        if (rows[i].ca) {
            pki_write(config.certificate, 0644, NULL, id.cert, made.cert,
                      NULL);
        } else {
            config.private_key = pki_path("weak.key");
            pki_write(config.private_key, 0600, made.key, NULL);
            pki_write(config.certificate, 0644, NULL, made.cert, NULL);
        }
        if (rows[i].accepted) {
            vnetenc_cred_unref(load(&config));
        } else {
            check_error(&config, "weak-chain.pem", "a signature or a key of "
                        "a CA is weaker than 112 bits; SHA-256 and RSA with "
                        "2048 bits are accepted");
        }
        pki_free(&made);
    }
}

static void
test_ca_refusals(void)
{
    struct vnetenc_cred_config config = usual();

    config.crl = pki_path("ca.crl");
    check_error(&config, "crl", "needs ca_cert");

    config.ca_cert = pki_path("ca.pem");
    config.crl = pki_path("missing.crl");
    check_error(&config, "crl", "missing.crl: No such file");
    config.crl = pki_path("ca.pem");
    check_error(&config, "crl", "holds no CRL in PEM");

    config.crl = NULL;
    config.ca_cert = pki_path("missing-ca.pem");
    check_error(&config, "ca_cert", "missing-ca.pem: No such file");
    config.ca_cert = pki_path("id.key");
    check_error(&config, "ca_cert", "holds no certificate in PEM");

    /* A good certificate does not hide a broken one behind it. */
    FILE *f = fopen(pki_path("half.pem"), "w");
    CHECK(f && PEM_write_X509(f, ca.cert));
    fputs("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", f);
    fclose(f);
    config.ca_cert = pki_path("half.pem");
    check_error(&config, "ca_cert", "half.pem: holds a malformed certificate");
    config = usual();
    f = fopen(pki_path("half-id.pem"), "w");
    CHECK(f && PEM_write_X509(f, id.cert));
    fputs("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", f);
    fclose(f);
    config.certificate = pki_path("half-id.pem");
    check_error(&config, "certificate",
                "half-id.pem: holds a malformed certificate");
}

/* Ciphers. */

static void
check_ciphers(const char *ciphers, const char *expected,
              const char *first_suite)
{
    struct vnetenc_cred_config config = usual();
    struct vnetenc_cred *cred;
    STACK_OF(SSL_CIPHER) *suites;
    int n = 0;

    config.ciphers = ciphers;
    cred = load(&config);
    CHECK(!strcmp(vnetenc_cred_ciphers(cred), expected));

    suites = SSL_CTX_get_ciphers(vnetenc_cred_ssl_ctx(cred));
    for (int i = 0; i < sk_SSL_CIPHER_num(suites); i++) {
        const SSL_CIPHER *c = sk_SSL_CIPHER_value(suites, i);

        if (strcmp(SSL_CIPHER_get_version(c), "TLSv1.3")) {
            if (!n++) {
                CHECK(!strcmp(SSL_CIPHER_get_name(c), first_suite));
            }
        }
    }
    CHECK(n == 2 * (1 + (strchr(expected, ':') != NULL)
                    + (strchr(expected, ':') != strrchr(expected, ':'))));
    vnetenc_cred_unref(cred);
}

static void
check_ciphers_error(const char *ciphers, const char *cause)
{
    struct vnetenc_cred_config config = usual();

    config.ciphers = ciphers;
    check_error(&config, "aes256-gcm, aes128-gcm, chacha20-poly1305", cause);
    check_error(&config, "ciphers", cause);
}

static void
test_ciphers(void)
{
    check_ciphers(NULL, "aes256-gcm:aes128-gcm:chacha20-poly1305",
                  "ECDHE-ECDSA-AES256-GCM-SHA384");
    check_ciphers("aes128-gcm", "aes128-gcm",
                  "ECDHE-ECDSA-AES128-GCM-SHA256");
    check_ciphers("CHACHA20-POLY1305:AES256-GCM",
                  "chacha20-poly1305:aes256-gcm",
                  "ECDHE-ECDSA-CHACHA20-POLY1305");

    check_ciphers_error("", "empty name");
    check_ciphers_error("aes256-gcm:", "empty name");
    check_ciphers_error("aes256-gcm,aes128-gcm", "unknown cipher");
    check_ciphers_error("ALL", "unknown cipher");
    check_ciphers_error("aes256-gcm@SECLEVEL=0", "unknown cipher");
    check_ciphers_error("aes256-gcm:AES256-GCM", "cipher named twice");
    check_ciphers_error("aes256-gcm:aes128-gcm:chacha20-poly1305:aes256-gcm",
                        "cipher named twice");
}

static void
test_fips(void)
{
    struct vnetenc_cred_config config = usual();
    struct vnetenc_cred *cred;
    char *error;

    /* Without a FIPS provider nothing can be loaded with the property on, but
     * the list of ciphers is checked before. */
    EVP_default_properties_enable_fips(NULL, 1);
    config.ciphers = "chacha20-poly1305";
    check_error(&config, "ciphers", "not with OpenSSL's fips property");
    config.ciphers = "aes256-gcm:aes128-gcm";
    error = vnetenc_cred_load(&config, &cred);
    CHECK(!error || !strstr(error, "fips property"));
    free(error);
    vnetenc_cred_unref(cred);
    EVP_default_properties_enable_fips(NULL, 0);
    ERR_clear_error();
    config.ciphers = NULL;
    vnetenc_cred_unref(load(&config));
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    set_up();

    test_self_made();
    test_self_made_certificate();
    test_self_made_refusals();
    test_create_race();
    test_configured();
    test_private_key_refusals();
    test_certificate_refusals();
    test_key_kinds();
    test_weak_signature();
    test_ca_refusals();
    test_ciphers();
    test_fips();

    pki_free(&id);
    pki_free(&other);
    pki_free(&ca);
    pki_cleanup();
    return unit_end();
}
