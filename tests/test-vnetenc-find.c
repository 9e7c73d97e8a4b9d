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

/* Credentials that are found by content: which certificate a host shows, whom
 * it accepts, what is revoked, and how strong all of it must be. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/trust/find.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/trust/cert.h"
#include "vnetenc/trust/cred.h"
#include "vnetenc/trust/find-json.h"
#include "vnetenc/trust/peer.h"
#include "vnetenc/trust/profile.h"
#include "vnetenc/trust/trust.h"
#include "vnetenc-unit.h"
#include "vnetenc-unit-pki.h"

static struct pki_id ca, new_ca, stranger_ca;
static struct pki_id old, new, expired, shared;

static const char *
file(const char *name)
{
    static char path[4][512];
    static int i;

    i = (i + 1) % 4;
    snprintf(path[i], sizeof path[i], "%s/credentials/%s", pki_dir(), name);
    return path[i];
}

/* What readdir() fails with, or 0. */
static int readdir_error;

struct dirent *
readdir(DIR *dir)
{
    struct dirent *(*real)(DIR *) = dlsym(RTLD_NEXT, "readdir");

    if (readdir_error) {
        errno = readdir_error;
        return NULL;
    }
    return real(dir);
}

static struct pki_id
issue(const struct pki_id *issuer, const char *san, long int from_s,
      long int to_s)
{
    return pki_make(&(struct pki_spec) {
        .issuer = issuer, .san = san, .from_s = from_s, .to_s = to_s });
}

static void
set_up(void)
{
    const char *us = "IP:192.0.2.2";

    ca = pki_make(&(struct pki_spec) { .ca = true });
    new_ca = pki_make(&(struct pki_spec) { .ca = true });
    stranger_ca = pki_make(&(struct pki_spec) { .ca = true });
    old = issue(&ca, us, -3000, 3000);
    new = issue(&ca, us, -2000, 3000);
    expired = issue(&ca, us, -1000, -10);
    shared = pki_make(&(struct pki_spec) { .san = NULL });
    ovs_assert(!mkdir(file(""), 0700));
}

/* The set of the certificates given, up to NULL. */
static struct vnetenc_config_fingerprints
set_of(const struct pki_id *a, const struct pki_id *b)
{
    static uint8_t f[8][2][VNETENC_FINGERPRINT_BYTES];
    static int i;
    struct vnetenc_config_fingerprints set;

    i = (i + 1) % 8;
    set.f = f[i];
    set.n = 0;
    if (a) {
        pki_pin(a, set.f[set.n++]);
    }
    if (b) {
        pki_pin(b, set.f[set.n++]);
    }
    return set;
}

static bool
is_shown(const struct vnetenc_cred *cred, const struct pki_id *id)
{
    uint8_t f[VNETENC_FINGERPRINT_BYTES];

    pki_pin(id, f);
    return cred && !memcmp(vnetenc_cred_fingerprint(cred), f, sizeof f);
}

static struct vnetenc_cred *
load(const struct vnetenc_cred_config *config, const char *expected)
{
    struct vnetenc_cred *cred;
    char *error;

    vnetenc_find_run(pki_dir());
    error = vnetenc_cred_load(config, &cred);
    if (expected) {
        CHECK_HAS(error, expected);
        CHECK(!cred);
    } else if (!CHECK(!error)) {
        printf("%s\n", error);
    }
    free(error);
    return cred;
}

/* Which certificate is shown. */
static void
test_own(void)
{
    struct vnetenc_cred_config config = {
        .profile = 5, .certificates = set_of(&ca, NULL),
    };
    uint8_t keep[VNETENC_FINGERPRINT_BYTES];
    struct vnetenc_cred *cred;

    load(&config, "certificates: no file of 0 in directory credentials has");

    /* Only what the CA issued, of these what is valid and began last. */
    pki_write(file("old.pem"), 0600, old.key, old.cert, ca.cert, NULL);
    pki_write(file("expired.pem"), 0644, NULL, expired.cert, ca.cert, NULL);
    pki_write(file("expired.key"), 0600, expired.key, NULL);
    pki_write(file("shared.pem"), 0600, shared.key, shared.cert, NULL);
    cred = load(&config, NULL);
    CHECK(is_shown(cred, &old));
    CHECK(vnetenc_cred_ca(cred) && !vnetenc_cred_has_crl(cred));
    vnetenc_cred_unref(cred);
    pki_write(file("new.pem"), 0600, new.key, new.cert, ca.cert, NULL);
    cred = load(&config, NULL);
    CHECK(is_shown(cred, &new));
    CHECK(!vnetenc_cred_has_newer(cred));
    vnetenc_cred_unref(cred);

    /* The one before, while it will do. */
    pki_pin(&old, keep);
    config.keep = keep;
    cred = load(&config, NULL);
    CHECK(is_shown(cred, &old) && vnetenc_cred_has_newer(cred));
    vnetenc_cred_unref(cred);
    config.revoked = set_of(&old, NULL);
    cred = load(&config, NULL);
    CHECK(is_shown(cred, &new) && !vnetenc_cred_has_newer(cred));
    vnetenc_cred_unref(cred);
    config.revoked = set_of(&ca, NULL);
    load(&config, "is listed or issued by a listed CA, and not revoked");
    config.revoked.n = 0;
    config.keep = NULL;

    /* The certificate itself is listed. */
    config.certificates = set_of(&shared, NULL);
    cred = load(&config, NULL);
    CHECK(is_shown(cred, &shared));
    vnetenc_cred_unref(cred);
    config.certificates = set_of(&stranger_ca, NULL);
    load(&config, "no file of 4 in directory credentials");

    config.certificate = "a.pem";
    load(&config, "certificates: certificate, private_key, ca_cert and crl "
         "must be empty beside it");
}

static int
n_certificates(const struct vnetenc_cred *cred)
{
    SSL_CTX *ctx = vnetenc_cred_ssl_ctx(cred);
    int n = 0;

    for (long int op = SSL_CERT_SET_FIRST; SSL_CTX_set_current_cert(ctx, op);
         op = SSL_CERT_SET_NEXT) {
        n++;
    }
    return n;
}

/* Keys of two types: only the certificate that was chosen can be shown. */
static void
test_key_types(void)
{
    struct pki_id rsa = pki_make(&(struct pki_spec) {
        .key = "RSA-2048", .issuer = &ca, .from_s = -1000, .to_s = 3000 });
    struct vnetenc_cred_config config = {
        .profile = 5, .certificates = set_of(&ca, NULL),
    };
    uint8_t keep[VNETENC_FINGERPRINT_BYTES];
    struct vnetenc_cred *cred;

    pki_write(file("rsa.pem"), 0600, rsa.key, rsa.cert, ca.cert, NULL);
    cred = load(&config, NULL);
    CHECK(is_shown(cred, &rsa) && n_certificates(cred) == 1);
    vnetenc_cred_unref(cred);

    pki_pin(&new, keep);
    config.keep = keep;
    cred = load(&config, NULL);
    CHECK(is_shown(cred, &new) && n_certificates(cred) == 1);
    vnetenc_cred_unref(cred);
    CHECK(!unlink(file("rsa.pem")));
    pki_free(&rsa);
}

/* Of the listed certificates, 'a' and 'b' are usable in these ways at 'now',
 * each NULL if it is not. */
static void
check_usable(const struct vnetenc_cred *cred, time_t now,
             const struct pki_id *a, const char *a_way,
             const struct pki_id *b, const char *b_way)
{
    const struct pki_id *ids[] = { a, b };
    const char *ways[] = { a_way, b_way };
    struct smap usable = SMAP_INITIALIZER(&usable);
    size_t n = 0;

    vnetenc_cred_usable(cred, now, &usable);
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        char text[VNETENC_FINGERPRINT_TEXT_BYTES];
        uint8_t f[VNETENC_FINGERPRINT_BYTES];

        pki_pin(ids[i], f);
        vnetenc_cert_fingerprint_format(f, text);
        CHECK(nullable_string_is_equal(smap_get(&usable, text), ways[i]));
        n += ways[i] != NULL;
    }
    CHECK(smap_count(&usable) == n);
    smap_destroy(&usable);
}

/* Which of the listed certificates this host can use: rotation must not remove
 * the others before it can. */
static void
test_usable(void)
{
    struct pki_id renewed = issue(&new_ca, "IP:192.0.2.2", -100, 3000);
    struct pki_id later = issue(&new_ca, "IP:192.0.2.2", 1000, 3000);
    struct vnetenc_cred_config config = {
        .profile = 5, .certificates = set_of(&ca, &new_ca),
    };
    struct vnetenc_cred *cred;
    time_t now = time_wall();

    /* The CA alone, or a certificate without its key, is of no use. */
    pki_write(file("new_ca.pem"), 0644, NULL, new_ca.cert, NULL);
    pki_write(file("renewed.pem"), 0644, NULL, renewed.cert, new_ca.cert,
              NULL);
    cred = load(&config, NULL);
    check_usable(cred, now, &ca, "ca", &new_ca, NULL);
    vnetenc_cred_unref(cred);

    /* It is valid from now on, or only later. */
    pki_write(file("renewed.pem"), 0600, later.key, later.cert, new_ca.cert,
              NULL);
    cred = load(&config, NULL);
    check_usable(cred, now, &ca, "ca", &new_ca, NULL);
    check_usable(cred, now + 2000, &ca, "ca", &new_ca, "ca");
    check_usable(cred, now + 5000, &ca, NULL, &new_ca, NULL);
    vnetenc_cred_unref(cred);
    pki_write(file("renewed.pem"), 0600, renewed.key, renewed.cert,
              new_ca.cert, NULL);
    cred = load(&config, NULL);
    check_usable(cred, now, &ca, "ca", &new_ca, "ca");
    vnetenc_cred_unref(cred);

    /* One that is revoked is not listed. */
    config.revoked = set_of(&new_ca, NULL);
    cred = load(&config, NULL);
    check_usable(cred, now, &ca, "ca", &new_ca, NULL);
    vnetenc_cred_unref(cred);
    config.revoked.n = 0;

    /* The certificates themselves, and one alone. */
    config.certificates = set_of(&renewed, &shared);
    cred = load(&config, NULL);
    check_usable(cred, now, &renewed, "host", &shared, "host");
    vnetenc_cred_unref(cred);
    config.certificates = set_of(&renewed, &ca);
    cred = load(&config, NULL);
    check_usable(cred, now, &renewed, "host", &ca, "ca");
    vnetenc_cred_unref(cred);
    config.certificates = set_of(&new_ca, NULL);
    cred = load(&config, NULL);
    check_usable(cred, now, &new_ca, NULL, &ca, NULL);
    vnetenc_cred_unref(cred);

    CHECK(!unlink(file("renewed.pem")) && !unlink(file("new_ca.pem")));
    pki_free(&renewed);
    pki_free(&later);
}

/* Files that cannot be used, and what stays. */
static void
test_files(void)
{
    struct vnetenc_cred_config config = {
        .profile = 5, .certificates = set_of(&new, NULL),
    };
    unsigned int generation;
    struct vnetenc_cred *cred;
    struct json *json;
    char *text;

    vnetenc_find_run(pki_dir());
    generation = vnetenc_find_generation();
    vnetenc_find_run(pki_dir());
    CHECK(vnetenc_find_generation() == generation);

    /* Others can read the key; it is not that of the certificate; no PEM.
     * Each time the former content stays, with an error. */
    CHECK(!chmod(file("new.pem"), 0640));
    pki_write(file("new.pem"), 0640, new.key, new.cert, NULL);
    cred = load(&config, NULL);
    CHECK(is_shown(cred, &new));
    vnetenc_cred_unref(cred);
    CHECK(vnetenc_find_generation() != generation);
    json = vnetenc_find_json();
    text = json_to_string(json, 0);
    CHECK_HAS(text, "new.pem: mode 0640 lets others in, must be 0600");
    CHECK_HAS(text, "\"sha1\":\"");
    free(text);
    json_destroy(json);
    pki_write(file("new.pem"), 0600, old.key, new.cert, NULL);
    vnetenc_cred_unref(load(&config, NULL));
    pki_write(file("new.pem"), 0600, NULL, NULL);
    vnetenc_cred_unref(load(&config, NULL));

    /* What goes away is gone. */
    CHECK(!unlink(file("new.pem")));
    load(&config, "no file of 3");

    /* A new file that is bad counts for nothing, and is named. */
    pki_write(file("new.pem"), 0600, old.key, new.cert, NULL);
    load(&config, "new.pem: the key does not belong to the first cert");
    pki_write(file("new.pem"), 0600, new.key, new.cert, ca.cert, NULL);
    vnetenc_cred_unref(load(&config, NULL));

    /* A directory that others can write to: nothing of it is read anew. */
    CHECK(!chmod(file(""), 0770));
    CHECK(!unlink(file("new.pem")));
    vnetenc_cred_unref(load(&config, NULL));
    CHECK_HAS(vnetenc_find_error(), "mode 0770 lets others write");
    CHECK(!chmod(file(""), 0700));
    load(&config, "no file of 3");
    CHECK(!vnetenc_find_error());
    pki_write(file("new.pem"), 0600, new.key, new.cert, ca.cert, NULL);
}

static struct vnetenc_trust
the_peer(void)
{
    struct vnetenc_trust trust = { .name = CONST_CAST(char *, "hv1") };

    in6_addr_set_mapped_ipv4(&trust.remote_ip, inet_addr("192.0.2.1"));
    return trust;
}

/* Why a peer that shows 'id' and its issuer is refused, or NULL; also if it
 * has a session already. */
static const char *
judge(const struct vnetenc_trust *trust, const struct vnetenc_cred *cred,
      const struct pki_id *id, const struct pki_id *issuer)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    struct vnetenc_cert_chain *known;
    static char *why;
    char *live;

    free(why);
    if (issuer) {
        sk_X509_push(chain, issuer->cert);
    }
    CHECK(vnetenc_trust_judge(trust, cred, id->cert, chain, &why) == !why);
    known = vnetenc_cert_chain_create(id->cert, chain);
    CHECK(vnetenc_trust_judge_live(trust, cred, known, &live) == !live);
    CHECK(nullable_string_is_equal(why, live));
    free(live);
    vnetenc_cert_chain_destroy(known);
    sk_X509_free(chain);
    return why;
}

/* A peer that shows 'id', which is listed or pinned, and perhaps 'sent', is
 * refused when 'new_ca' is revoked, and not before. */
static void
check_hidden(const struct vnetenc_trust *trust, const struct pki_id *id,
             const struct pki_id *sent)
{
    const struct vnetenc_config_fingerprints none = { .n = 0 };
    const struct vnetenc_config_fingerprints revoked = set_of(&new_ca, NULL);
    uint8_t pin[1][VNETENC_FINGERPRINT_BYTES];
    struct vnetenc_trust pinned = *trust;

    pki_pin(id, pin[0]);
    pinned.pins = pin;
    pinned.n_pins = 1;
    for (int listed = 0; listed < 2; listed++) {
        struct vnetenc_cred_config config = {
            .profile = 5, .directory = pki_path("own"),
            .certificates = listed ? set_of(id, &shared) : none,
        };
        struct vnetenc_cred *cred = load(&config, NULL);

        CHECK(!judge(&pinned, cred, id, sent));
        vnetenc_cred_set_revoked(cred, &revoked);
        CHECK_HAS(judge(&pinned, cred, id, sent), "revoked: 192.0.2.1 shows");
        vnetenc_cred_unref(cred);
    }
}

static void
test_peers(void)
{
    struct pki_id by_ip = issue(&ca, "IP:192.0.2.1", 0, 0);
    struct pki_id by_name = issue(&new_ca, "DNS:hv1", 0, 0);
    struct pki_id elsewhere = issue(&ca, "IP:192.0.2.9", 0, 0);
    struct pki_id foreign = issue(&stranger_ca, "IP:192.0.2.1", 0, 0);
    struct pki_id sub_ca, sub;
    struct vnetenc_trust trust = the_peer();
    uint8_t pin[1][VNETENC_FINGERPRINT_BYTES];
    struct vnetenc_cred_config config = {
        .profile = 5, .certificates = set_of(&ca, &shared),
    };
    struct vnetenc_cred *cred = load(&config, NULL);

    /* A CA: its name must be right.  Listed itself: whoever shows it. */
    CHECK(!judge(&trust, cred, &by_ip, NULL));
    CHECK(!judge(&trust, cred, &by_ip, &ca));
    CHECK_HAS(judge(&trust, cred, &elsewhere, NULL), "other_name: ");
    CHECK_HAS(judge(&trust, cred, &by_name, NULL), "issuer: ");
    CHECK_HAS(judge(&trust, cred, &foreign, NULL), "of profile 5");
    CHECK_HAS(judge(&trust, cred, &foreign, &stranger_ca), "issuer: ");
    CHECK(!judge(&trust, cred, &shared, NULL));

    /* A pin of the peer does not count. */
    pki_pin(&foreign, pin[0]);
    trust.pins = pin;
    trust.n_pins = 1;
    CHECK_HAS(judge(&trust, cred, &foreign, NULL), "issuer: ");
    CHECK(!judge(&trust, cred, &by_ip, NULL));
    vnetenc_cred_unref(cred);

    /* No CA is listed, or none that is known here. */
    config.certificates = set_of(&stranger_ca, &shared);
    cred = load(&config, NULL);
    CHECK_HAS(judge(&trust, cred, &foreign, &stranger_ca),
              "not_listed: 192.0.2.1 shows sha256:");
    CHECK(!judge(&trust, cred, &shared, NULL));
    vnetenc_cred_unref(cred);

    /* Both CAs, as while one replaces the other. */
    pki_write(file("ca2.pem"), 0644, NULL, new_ca.cert, NULL);
    config.certificates = set_of(&ca, &new_ca);
    cred = load(&config, NULL);
    CHECK(!judge(&trust, cred, &by_ip, NULL));
    CHECK(!judge(&trust, cred, &by_name, NULL));
    CHECK_HAS(judge(&trust, cred, &shared, NULL), "other_name: ");

    /* Revoked: a host, a CA, also of sessions that are up. */
    config.revoked = set_of(&by_ip, &new_ca);
    vnetenc_cred_set_revoked(cred, &config.revoked);
    CHECK_HAS(judge(&trust, cred, &by_ip, NULL),
              "revoked: 192.0.2.1 shows sha256:");
    CHECK_HAS(judge(&trust, cred, &by_name, NULL), "revoked: ");
    CHECK_HAS(judge(&trust, cred, &by_name, &new_ca),
              "revoked of profile 5 lists it");
    vnetenc_cred_unref(cred);

    /* A certificate that is listed or pinned needs no chain, but the files of
     * this host show that a revoked CA issued it: straight, or through one
     * that the peer sends or that is in a file. */
    check_hidden(&trust, &by_name, NULL);
    sub_ca = pki_make(&(struct pki_spec) { .ca = true, .issuer = &new_ca });
    sub = issue(&sub_ca, "DNS:hv1", 0, 0);
    check_hidden(&trust, &sub, &sub_ca);
    pki_write(file("sub.pem"), 0644, NULL, sub_ca.cert, NULL);
    check_hidden(&trust, &sub, NULL);
    CHECK(!unlink(file("sub.pem")));
    pki_free(&sub_ca);
    pki_free(&sub);

    /* Revocation does not need `certificates'. */
    config = (struct vnetenc_cred_config) {
        .profile = 5, .directory = pki_path("own"),
        .revoked = set_of(&foreign, NULL),
    };
    cred = load(&config, NULL);
    CHECK_HAS(judge(&trust, cred, &foreign, NULL), "revoked: ");
    vnetenc_cred_unref(cred);
    pki_free(&by_ip);
    pki_free(&by_name);
    pki_free(&elsewhere);
    pki_free(&foreign);
}

/* A CRL is in force by which 'peer' is revoked, and 'error' is said, which may
 * be NULL. */
static void
check_crl(const struct vnetenc_cred_config *config, const struct pki_id *peer,
          const char *error)
{
    struct vnetenc_trust trust = the_peer();
    struct vnetenc_cred *cred = load(config, NULL);

    CHECK(vnetenc_cred_has_crl(cred));
    CHECK_HAS(judge(&trust, cred, peer, NULL), "revoked: ");
    vnetenc_cred_unref(cred);
    if (error) {
        struct json *json = vnetenc_find_json();
        char *text = json_to_string(json, 0);

        CHECK_HAS(text, error);
        free(text);
        json_destroy(json);
    }
}

/* CAs that were renewed with their keys have issued each other.  They lie in
 * many files, and the search for a revoked one among them ends. */
static void
test_renewed(void)
{
    enum { N_TWINS = 3, N_FILES = 12 };
    struct pki_id root = pki_make(&(struct pki_spec) { .ca = true });
    struct pki_id leaf = issue(&root, "DNS:hv1", 0, 0);
    struct vnetenc_config_fingerprints set = set_of(&new_ca, NULL);
    struct pki_id twins[N_TWINS];
    char name[32];

    for (int i = 0; i < N_TWINS; i++) {
        twins[i].key = root.key;
        twins[i].cert = X509_dup(root.cert);
        CHECK(ASN1_INTEGER_set(X509_get_serialNumber(twins[i].cert), i + 1)
              && X509_sign(twins[i].cert, root.key, EVP_sha256()));
    }
    for (int i = 0; i < N_FILES; i++) {
        snprintf(name, sizeof name, "twin%02d.pem", i);
        pki_write(file(name), 0644, NULL, twins[i % N_TWINS].cert, NULL);
    }
    vnetenc_find_run(pki_dir());
    CHECK(vnetenc_find_has_any(&set));
    CHECK(!vnetenc_find_issuer(leaf.cert, &set));
    set = set_of(&twins[2], NULL);
    CHECK(vnetenc_find_issuer(leaf.cert, &set));
    set = set_of(&leaf, NULL);
    CHECK(!vnetenc_find_issuer(leaf.cert, &set));

    for (int i = 0; i < N_FILES; i++) {
        snprintf(name, sizeof name, "twin%02d.pem", i);
        CHECK(!unlink(file(name)));
    }
    for (int i = 0; i < N_TWINS; i++) {
        X509_free(twins[i].cert);
    }
    pki_free(&leaf);
    pki_free(&root);
}

/* A certificate that says nothing of its purpose, as version 1 does, is that
 * of a host: it vouches for no other. */
static void
test_version_1(void)
{
    struct pki_id id = pki_make(&(struct pki_spec) { .san = NULL });
    struct vnetenc_trust trust = the_peer();
    struct vnetenc_cred_config config = { .profile = 5 };
    struct vnetenc_cred *cred;
    struct pki_id peer;

    while (X509_get_ext_count(id.cert)) {
        X509_EXTENSION_free(X509_delete_ext(id.cert, 0));
    }
    CHECK(X509_set_version(id.cert, X509_VERSION_1));
    CHECK(X509_sign(id.cert, id.key, EVP_sha256()));
    peer = issue(&id, "IP:192.0.2.1", 0, 0);
    pki_write(file("v1.pem"), 0600, id.key, id.cert, NULL);
    config.certificates = set_of(&id, NULL);
    cred = load(&config, NULL);
    CHECK(is_shown(cred, &id));
    CHECK(!judge(&trust, cred, &id, NULL));
    CHECK_HAS(judge(&trust, cred, &peer, NULL), "not_listed: ");
    vnetenc_cred_unref(cred);
    CHECK(!unlink(file("v1.pem")));
    pki_free(&peer);
    pki_free(&id);
}

static void
test_crl(void)
{
    struct pki_id peer = issue(&ca, "IP:192.0.2.1", 0, 0);
    struct vnetenc_trust trust = the_peer();
    const struct vnetenc_cred_config config = {
        .profile = 5, .certificates = set_of(&ca, NULL),
    };
    struct vnetenc_cred *cred;
    char *warning;

    pki_write_crl(file("new.crl"), &ca, &peer, 24 * 3600);
    cred = load(&config, NULL);
    CHECK(vnetenc_cred_has_crl(cred));
    CHECK_HAS(judge(&trust, cred, &peer, NULL), "revoked: ");
    warning = vnetenc_cred_warning(cred, time_wall() + 23 * 3600);
    CHECK_HAS(warning, "crl: a list expires on ");
    CHECK_HAS(warning, "in less than 1 day;");
    free(warning);
    vnetenc_cred_unref(cred);

    /* It goes with its CA, not alone, nor when it cannot be looked at. */
    CHECK(!unlink(file("new.crl")));
    check_crl(&config, &peer, "new.crl: is gone; it is needed until new.pem");
    CHECK(!symlink("new.crl", file("new.crl")));
    check_crl(&config, &peer, "new.crl: Too many levels of symbolic links");
    CHECK(!unlink(file("new.crl")));
    CHECK(!unlink(file("new.pem")));
    readdir_error = EIO;
    check_crl(&config, &peer, "credentials: Input/output error");
    readdir_error = 0;
    vnetenc_cred_unref(load(&config, NULL));
    CHECK(!vnetenc_find_error());
    cred = load(&config, NULL);
    CHECK(is_shown(cred, &old) && !vnetenc_cred_has_crl(cred));
    vnetenc_cred_unref(cred);

    /* One that could not be read so far: nobody knows whom it revokes. */
    CHECK(!symlink("new.crl", file("new.crl")));
    pki_write(file("new.pem"), 0600, new.key, new.cert, ca.cert, NULL);
    load(&config, "a CA of credentials/new.pem is listed, but its CRLs cannot "
         "be read: new.crl: Too many levels of symbolic links");
    CHECK(!unlink(file("new.crl")));
    load(&config, "be read: new.crl: is gone; it is needed until new.pem");

    /* It counts beside any certificate. */
    pki_write_crl(file("old.crl"), &ca, &peer, 3600);
    pki_write(file("old.pem"), 0600, old.key, old.cert, NULL);
    pki_write_crl(file("new.crl"), &ca, NULL, 3600);
    CHECK(!unlink(file("new.pem")));
    pki_write(file("ca.pem"), 0644, NULL, ca.cert, NULL);
    check_crl(&config, &peer, NULL);
    CHECK(!unlink(file("old.crl")));
    CHECK(!unlink(file("new.crl")));
    CHECK(!unlink(file("old.pem")));
    CHECK(!unlink(file("ca.pem")));
    vnetenc_find_run(pki_dir());
    pki_write(file("old.pem"), 0600, old.key, old.cert, ca.cert, NULL);
    pki_write(file("new.pem"), 0600, new.key, new.cert, ca.cert, NULL);
    pki_free(&peer);
}

/* Names beyond the last that is read: none that was read before. */
static void
test_many(void)
{
    struct pki_id peer = issue(&ca, "IP:192.0.2.1", 0, 0);
    const struct vnetenc_cred_config config = {
        .profile = 5, .certificates = set_of(&ca, NULL),
    };
    char name[32];
    size_t n;

    pki_write_crl(file("new.crl"), &ca, &peer, 3600);
    check_crl(&config, &peer, NULL);
    for (int i = 0; i < VNETENC_MAX_FOUND; i++) {
        snprintf(name, sizeof name, "a%03d.pem", i);
        CHECK(!symlink("nothing", file(name)));
    }
    check_crl(&config, &peer, "files *.pem, of which 256 are read; a");
    vnetenc_find_all(&n);
    CHECK(n == VNETENC_MAX_FOUND);
    for (int i = 0; i < VNETENC_MAX_FOUND; i++) {
        snprintf(name, sizeof name, "a%03d.pem", i);
        CHECK(!unlink(file(name)));
    }
    CHECK(!unlink(file("new.crl")));
    CHECK(!unlink(file("new.pem")));
    vnetenc_find_run(pki_dir());
    CHECK(!vnetenc_find_error());
    pki_write(file("new.pem"), 0600, new.key, new.cert, ca.cert, NULL);
    pki_free(&peer);
}

static void
test_warning(void)
{
    static const struct {
        int days_left;
        const char *says;
    } rows[] = {
        { 31, NULL }, { 29, "less than 30 days" }, { 8, "less than 30 days" },
        { 6, "less than 7 days" }, { 0, "less than 1 day" }, { -1, NULL },
    };
    struct pki_id id = issue(&ca, NULL, -3600, 400L * 24 * 3600);
    const struct vnetenc_cred_config config = {
        .profile = 5, .certificates = set_of(&id, NULL),
    };
    struct vnetenc_cred *cred;

    pki_write(file("year.pem"), 0600, id.key, id.cert, NULL);
    cred = load(&config, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *warning = vnetenc_cred_warning(
            cred, time_wall() + (400 - rows[i].days_left) * 86400L - 3600);

        if (rows[i].says) {
            CHECK_HAS(warning, "certificate credentials/year.pem: expires on");
            CHECK_HAS(warning, rows[i].says);
        } else {
            CHECK(!warning);
        }
        free(warning);
    }
    vnetenc_cred_unref(cred);
    CHECK(!unlink(file("year.pem")));
    pki_free(&id);
}

/* What each strength takes, of our own and of a peer. */
static void
test_strength(void)
{
    static const struct {
        const char *key, *digest;
        unsigned int max;
    } rows[] = {
        { "RSA-2048", "SHA256", 112 },
        { "RSA-3072", "SHA256", 128 },
        { "P-256", "SHA256", 128 },
        { "P-384", "SHA384", 192 },
    };
    static const unsigned int strengths[] = { 112, 128, 192 };
    struct pki_id strong = pki_make(&(struct pki_spec) {
        .key = "P-384", .digest = "SHA384" });
    struct vnetenc_cred *cred;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pki_id id = pki_make(&(struct pki_spec) {
            .key = rows[i].key, .digest = rows[i].digest });

        for (size_t j = 0; j < ARRAY_SIZE(strengths); j++) {
            struct vnetenc_cred_config config = {
                .profile = 5, .certificates = set_of(&id, &strong),
                .strength = strengths[j],
            };
            bool ok = strengths[j] <= rows[i].max;
            struct vnetenc_trust trust = the_peer();

            /* As a peer's. */
            pki_write(file("own.pem"), 0600, strong.key, strong.cert, NULL);
            cred = load(&config, NULL);
            if (ok) {
                CHECK(!judge(&trust, cred, &id, NULL));
            } else {
                CHECK_HAS(judge(&trust, cred, &id, NULL), "weak: ");
            }
            CHECK(vnetenc_cred_has_cipher(cred, VNETENC_AES256_GCM));
            CHECK(vnetenc_cred_has_cipher(cred, VNETENC_AES128_GCM)
                  == (strengths[j] <= 128));
            vnetenc_cred_unref(cred);

            /* As our own. */
            config.certificates = set_of(&id, NULL);
            pki_write(file("own.pem"), 0600, id.key, id.cert, NULL);
            cred = load(&config, ok ? NULL : "own.pem: key is ");
            vnetenc_cred_unref(cred);
        }
        pki_free(&id);
    }
    CHECK(!unlink(file("own.pem")));
    load(&(struct vnetenc_cred_config) {
        .directory = pki_path("own"), .strength = 192 },
        "strength: 192 needs certificates, or certificate and private_key");
    load(&(struct vnetenc_cred_config) {
        .directory = pki_path("own"), .strength = 192,
        .ciphers = "aes256-gcm:aes128-gcm" },
        "a cipher is weaker than the strength of the profile");
    pki_free(&strong);
}

/* Profiles. */

static struct vnetenc_config_profile row;

static bool
configure(void)
{
    const struct vnetenc_config config = {
        .directory = CONST_CAST(char *, pki_dir()),
        .profiles = &row,
        .n_profiles = 1,
    };

    return vnetenc_profiles_configure(&config);
}

static void
test_profile(void)
{
    const struct vnetenc_profile *profile;
    unsigned int serial;

    /* A bad fingerprint in a new row: no credentials. */
    vnetenc_config_profile_init(&row, 5);
    row.has_row = true;
    row.certificates = set_of(&ca, NULL);
    row.error = CONST_CAST(char *, "certificates: \"x\" is not a fingerprint");
    configure();
    profile = vnetenc_profile_get(5);
    CHECK(!profile->cred);
    CHECK_HAS(vnetenc_profile_error(profile), "certificates: \"x\"");
    row.error = NULL;
    CHECK(!unlink(file("new.pem")));
    CHECK(configure());
    CHECK(is_shown(profile->cred, &old));

    /* A newer file is shown when peers have had time to read of it. */
    pki_write(file("new.pem"), 0600, new.key, new.cert, ca.cert, NULL);
    vnetenc_profiles_refresh();
    CHECK(is_shown(profile->cred, &old));
    timeval_warp(VNETENC_SHOW_NEW_MS - 1);
    vnetenc_profiles_refresh();
    CHECK(is_shown(profile->cred, &old));
    timeval_warp(1);
    serial = profile->own_serial;
    CHECK(vnetenc_profiles_refresh());
    CHECK(is_shown(profile->cred, &new));
    CHECK(profile->own_serial != serial);

    /* What is revoked is so though the rest of the row is refused, and goes on
     * being so. */
    serial = profile->serial;
    row.revoked = set_of(&shared, NULL);
    row.error = CONST_CAST(char *, "certificates: bad");
    CHECK(configure());
    CHECK(profile->serial != serial);
    CHECK(is_shown(profile->cred, &new));
    CHECK(vnetenc_cred_revoked(profile->cred)->n == 1);
    row.revoked = set_of(&stranger_ca, NULL);
    row.error = CONST_CAST(char *, "revoked: bad");
    CHECK(configure());
    CHECK(vnetenc_cred_revoked(profile->cred)->n == 2);
    row.error = NULL;
    CHECK(configure());
    CHECK(vnetenc_cred_revoked(profile->cred)->n == 1);

    /* The file of a revoked CA shows whom it issued: all are judged anew. */
    row.certificates.n = 0;
    CHECK(configure());
    CHECK(!vnetenc_profiles_refresh());
    pki_write(file("ca3.pem"), 0644, NULL, stranger_ca.cert, NULL);
    CHECK(vnetenc_profiles_refresh());
    CHECK(!vnetenc_profiles_refresh());

    vnetenc_profiles_destroy();
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    time_msec();
    timeval_stop();
    set_up();
    test_own();
    test_key_types();
    test_usable();
    test_files();
    test_peers();
    test_renewed();
    test_version_1();
    test_crl();
    test_many();
    test_warning();
    test_strength();
    test_profile();
    vnetenc_find_end();
    pki_free(&ca);
    pki_free(&new_ca);
    pki_free(&stranger_ca);
    pki_free(&old);
    pki_free(&new);
    pki_free(&expired);
    pki_free(&shared);
    pki_cleanup();
    return unit_end();
}
