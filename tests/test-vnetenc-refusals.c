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

/* Handshakes of ours against plain libssl: each thing that must be refused,
 * one at a time, in both roles; and what both sides make of the keys. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/control/handshake.h"

#include <dlfcn.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "bitmap.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/control/dgram.h"
#include "vnetenc-unit.h"
#include "vnetenc-unit-net.h"
#include "vnetenc-unit-pki.h"

/* A peer without any scruples: security level 0, no verification. */
struct plain {
    /* Set by the test; zero is what a proper peer would have. */
    const struct pki_id *id;    /* Default: that of the trusted host. */
    bool no_certificate;
    const struct pki_id *chain; /* Sent along... */
    int n_chain;                /* ...so many times. */
    const char *sni;            /* "" for none. */
    const char *alpn;           /* "" for none. */
    int version;
    uint64_t options;
    const char *ciphers;
    const char *groups;

    struct vnetenc_dgram dgram;
    SSL *ssl;
};

static struct unit_host us, them;

static void
set_up(void)
{
    unit_host_init(&us, "us", "192.0.2.1", NULL);
    unit_host_init(&them, "them", "192.0.2.2", NULL);
    unit_host_trust(&us, &them.ip, &them.id);
}

static int
select_alpn(SSL *ssl OVS_UNUSED, const unsigned char **out,
            unsigned char *out_len, const unsigned char *in OVS_UNUSED,
            unsigned int in_len OVS_UNUSED, void *alpn)
{
    *out = alpn;
    *out_len = strlen(alpn);
    return SSL_TLSEXT_ERR_OK;
}

static void
plain_set_alpn(struct plain *plain, SSL_CTX *ctx, bool server)
{
    const char *alpn = plain->alpn ? plain->alpn : "vnetenc/1";

    if (!alpn[0]) {
        return;
    }
    if (server) {
        SSL_CTX_set_alpn_select_cb(ctx, select_alpn, CONST_CAST(char *, alpn));
    } else {
        char *list = xasprintf("%c%s", (int) strlen(alpn), alpn);

        ovs_assert(!SSL_CTX_set_alpn_protos(ctx, (unsigned char *) list,
                                            strlen(list)));
        free(list);
    }
}

static int
verify_nothing(X509_STORE_CTX *ctx OVS_UNUSED, void *aux OVS_UNUSED)
{
    return 1;
}

static void
plain_init(struct plain *plain, bool server)
{
    const struct pki_id *id = plain->id ? plain->id : &them.id;
    SSL_CTX *ctx = SSL_CTX_new(DTLS_method());
    BIO *bio;

    SSL_CTX_set_security_level(ctx, 0);
    ovs_assert(SSL_CTX_set_min_proto_version(ctx, DTLS1_VERSION));
    if (plain->version) {
        ovs_assert(SSL_CTX_set_max_proto_version(ctx, plain->version));
    }
    SSL_CTX_set_options(ctx, SSL_OP_NO_QUERY_MTU | plain->options);
    SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_cert_verify_callback(ctx, verify_nothing, NULL);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (!plain->no_certificate) {
        ovs_assert(SSL_CTX_use_certificate(ctx, id->cert) == 1);
        ovs_assert(SSL_CTX_use_PrivateKey(ctx, id->key) == 1);
        for (int i = 0; i < plain->n_chain; i++) {
            ovs_assert(SSL_CTX_add1_chain_cert(ctx, plain->chain->cert) == 1);
        }
    }
    if (plain->ciphers) {
        ovs_assert(SSL_CTX_set_cipher_list(ctx, plain->ciphers));
    }
    if (plain->groups) {
        ovs_assert(SSL_CTX_set1_groups_list(ctx, plain->groups));
    }
    plain_set_alpn(plain, ctx, server);

    vnetenc_dgram_init(&plain->dgram);
    plain->ssl = SSL_new(ctx);
    bio = vnetenc_dgram_bio_new(&plain->dgram);
    SSL_set_bio(plain->ssl, bio, bio);
    SSL_set_mtu(plain->ssl, VNETENC_HANDSHAKE_MTU_BYTES);
    if (server) {
        SSL_set_accept_state(plain->ssl);
    } else {
        const char *sni = plain->sni ? plain->sni : "p1.vnetenc.invalid";

        if (sni[0]) {
            ovs_assert(SSL_set_tlsext_host_name(plain->ssl, sni));
        }
        SSL_set_connect_state(plain->ssl);
    }
    SSL_CTX_free(ctx);
}

static void
plain_uninit(struct plain *plain)
{
    SSL_free(plain->ssl);
    vnetenc_dgram_uninit(&plain->dgram);
    ERR_clear_error();
}

static void
plain_input(struct plain *plain, const void *data, size_t size)
{
    vnetenc_dgram_lend(&plain->dgram, data, size);
    ERR_clear_error();
    SSL_do_handshake(plain->ssl);
    vnetenc_dgram_take_back(&plain->dgram);
}

/* Feeds one record to a plain peer whose handshake is over; returns what it
 * reads. */
static int
plain_read(struct plain *plain, const void *data, size_t size,
           void *out, size_t out_size)
{
    int n;

    vnetenc_dgram_lend(&plain->dgram, data, size);
    ERR_clear_error();
    n = SSL_read(plain->ssl, out, out_size);
    vnetenc_dgram_take_back(&plain->dgram);
    return n;
}

/* Our responder against a plain initiator. */

struct bout {
    struct plain plain;
    struct unit_duel duel;      /* Its responder's side: ours. */
    struct vnetenc_handshake *h;        /* Ours. */
    struct vnetenc_keys keys;    /* If DONE. */
    bool done;
};

static void
bout_take(struct bout *bout)
{
    if (bout->h && !bout->done
        && vnetenc_handshake_state(bout->h) == VNETENC_HANDSHAKE_DONE) {
        CHECK(!vnetenc_handshake_pop_output(bout->h));
        vnetenc_handshake_take_keys(bout->h, &bout->keys);
        bout->done = true;
    }
}

/* Moves datagrams until there are no more. */
static void
serve(struct bout *bout)
{
    struct ofpbuf *b;
    bool busy;

    plain_input(&bout->plain, NULL, 0);
    do {
        struct vnetenc_handshake *h;
        struct ofpbuf *reply;

        busy = false;
        while ((b = vnetenc_dgram_pop(&bout->plain.dgram))) {
            if (bout->h) {
                vnetenc_handshake_input(bout->h, b->data, b->size,
                                        unit_now_ms);
            } else {
                unit_listen(bout->duel.listener, &them.ip, htons(4321),
                            b->data, b->size, &reply, &h);
                bout->h = h;
                if (reply) {
                    plain_input(&bout->plain, reply->data, reply->size);
                    ofpbuf_delete(reply);
                }
            }
            ofpbuf_delete(b);
            bout_take(bout);
            busy = true;
        }
        while (bout->h && (b = vnetenc_handshake_pop_output(bout->h))) {
            plain_input(&bout->plain, b->data, b->size);
            ofpbuf_delete(b);
            busy = true;
        }
    } while (busy);
}

/* Our initiator against a plain responder. */
static void
call(struct bout *bout)
{
    struct ofpbuf *b;
    bool busy;

    bout->h = vnetenc_handshake_initiate(&us.lookup, &them.ip, 1,
                                         unit_now_ms);
    do {
        busy = false;
        while ((b = vnetenc_handshake_pop_output(bout->h))) {
            plain_input(&bout->plain, b->data, b->size);
            ofpbuf_delete(b);
            busy = true;
        }
        while ((b = vnetenc_dgram_pop(&bout->plain.dgram))) {
            vnetenc_handshake_input(bout->h, b->data, b->size, unit_now_ms);
            ofpbuf_delete(b);
            bout_take(bout);
            busy = true;
        }
    } while (busy);
}

static void
bout_init(struct bout *bout, const struct plain *plain, bool we_serve)
{
    memset(bout, 0, sizeof *bout);
    bout->plain = *plain;
    plain_init(&bout->plain, !we_serve);
    if (we_serve) {
        unit_duel_init(&bout->duel, &them, &us, 1);
        serve(bout);
    } else {
        call(bout);
    }
}

static void
bout_uninit(struct bout *bout)
{
    plain_uninit(&bout->plain);
    vnetenc_handshake_destroy(bout->h);
    if (bout->duel.listener) {
        unit_duel_uninit(&bout->duel);
    }
}

/* PROTOCOL.md section 1, MUST refuse anything else; section 2 lists what else
 * has to hold: see PROTOCOL.md section 2, MUST hold.
 *
 * Ours must refuse 'plain' because of 'expected'. */
static void
check_refused(const struct plain *plain, bool we_serve, const char *expected)
{
    struct bout bout;

    bout_init(&bout, plain, we_serve);
    CHECK(!bout.done);
    if (CHECK(bout.h != NULL)) {
        if (vnetenc_handshake_state(bout.h) == VNETENC_HANDSHAKE_RUNNING) {
            /* Waits for more than a plain alert. */
            unit_now_ms += VNETENC_HANDSHAKE_DEADLINE_MS;
            vnetenc_handshake_tick(bout.h, unit_now_ms);
        }
        CHECK(vnetenc_handshake_state(bout.h) == VNETENC_HANDSHAKE_FAILED);
        CHECK_HAS(vnetenc_handshake_reason(bout.h), expected);
    }
    if (we_serve) {
        /* It never saw our Finished. */
        CHECK(!SSL_is_init_finished(bout.plain.ssl));
    }
    bout_uninit(&bout);
}

static void
check_refused_in_both_roles(const struct plain *plain, const char *expected)
{
    check_refused(plain, true, expected);
    check_refused(plain, false, expected);
}

/* A plain peer that does everything right is taken, on each profile, so that
 * the refusals below are for the reason they name. */
static void
test_accepted(void)
{
    for (int i = 0; i < UNIT_PROFILES; i++) {
        char sni[] = "p0.vnetenc.invalid";
        struct bout bout;

        sni[1] += i;
        bout_init(&bout, &(struct plain) { .sni = sni }, true);
        CHECK(bout.done && SSL_is_init_finished(bout.plain.ssl));
        CHECK(vnetenc_handshake_profile(bout.h) == i);
        bout_uninit(&bout);
    }

    struct bout bout;

    bout_init(&bout, &(struct plain) { .id = NULL }, false);
    CHECK(bout.done && SSL_is_init_finished(bout.plain.ssl));
    CHECK(!strcmp(SSL_get_servername(bout.plain.ssl,
                                     TLSEXT_NAMETYPE_host_name),
                  "p1.vnetenc.invalid"));
    bout_uninit(&bout);
}

static void
test_no_client_certificate(void)
{
    for (int i = 0; i < UNIT_PROFILES; i++) {
        char sni[] = "p0.vnetenc.invalid";

        sni[1] += i;
        check_refused(&(struct plain) { .sni = sni, .no_certificate = true },
                      true, "the peer has no certificate");
    }
}

/* A certificate that 'spec' describes, pinned, so that nothing is wrong with
 * it but what is. */
static void
check_pinned_refused(const struct pki_spec *spec, const char *expected)
{
    struct pki_id id = pki_make(spec);

    unit_host_trust(&us, &them.ip, &id);
    check_refused_in_both_roles(&(struct plain) { .id = &id }, expected);
    unit_host_trust(&us, &them.ip, &them.id);
    pki_free(&id);
}

static void
test_certificates(void)
{
    struct pki_id stranger = pki_make(&(struct pki_spec) { .san = NULL });

    check_refused_in_both_roles(&(struct plain) { .id = &stranger },
                                "is not among the peer's fingerprints");
    pki_free(&stranger);

    check_pinned_refused(&(struct pki_spec) { .from_s = -7200, .to_s = -60 },
                         "has expired");
    check_pinned_refused(&(struct pki_spec) { .from_s = 3600, .to_s = 7200 },
                         "not yet valid");
    check_pinned_refused(&(struct pki_spec) { .key = "RSA-1024" },
                         "key too weak");
    check_pinned_refused(&(struct pki_spec) { .eku = "codeSigning" },
                         "certificate purpose");
}

static void
test_unknown_peer(void)
{
    us.trust_lookups = 0;
    check_refused_in_both_roles(&(struct plain) { .id = NULL },
                                "no such peer");
    us.trust_lookups = -1;

    us.trust.n_pins = 0;
    check_refused_in_both_roles(&(struct plain) { .id = NULL },
                                "no fingerprint and profile 1 no ca_cert");
    us.trust.n_pins = 1;
}

static unsigned int n_signed, n_verified;

int
EVP_DigestSign(EVP_MD_CTX *ctx, unsigned char *out, size_t *n,
               const unsigned char *in, size_t size)
{
    int (*real)(EVP_MD_CTX *, unsigned char *, size_t *,
                const unsigned char *, size_t)
        = dlsym(RTLD_NEXT, "EVP_DigestSign");

    n_signed++;
    return real(ctx, out, n, in, size);
}

int
X509_verify_cert(X509_STORE_CTX *ctx)
{
    int (*real)(X509_STORE_CTX *) = dlsym(RTLD_NEXT, "X509_verify_cert");

    n_verified++;
    return real(ctx);
}

/* A peer that is no member is refused before a signature is made for it and
 * before its certificate is looked at; over VXLAN everyone is, under any
 * profile but 0. */
static void
test_members(void)
{
    unsigned long only_2[BITMAP_N_LONGS(VNETENC_N_PROFILES)] = { 1 << 2 };
    unsigned long only_1[BITMAP_N_LONGS(VNETENC_N_PROFILES)] = { 1 << 1 };
    struct bout bout;

    us.trust.profiles = only_1;
    bout_init(&bout, &(struct plain) { .id = NULL }, true);
    CHECK(bout.done && n_signed && n_verified);
    bout_uninit(&bout);

    us.trust.profiles = only_2;
    n_signed = n_verified = 0;
    check_refused_in_both_roles(
        &(struct plain) { .id = NULL },
        "not_member: 192.0.2.2 is no member of profile 1");
    CHECK(!n_signed && !n_verified);
    us.trust.profiles = NULL;

    us.vxlan = true;
    bout_init(&bout, &(struct plain) { .id = NULL }, true);
    CHECK(!bout.done);
    CHECK_HAS(vnetenc_handshake_reason(bout.h),
              "vxlan: profile 1 over VXLAN: only profile 0 may be used");
    bout_uninit(&bout);
    CHECK(!n_signed && !n_verified);
    us.vxlan = false;
}

static void
test_ca(void)
{
    struct pki_id ca = pki_make(&(struct pki_spec) { .ca = true });
    struct pki_id wrong_ca = pki_make(&(struct pki_spec) { .ca = true });
    struct pki_spec spec = { .issuer = &ca, .san = "IP:192.0.2.2" };
    struct pki_id id = pki_make(&spec);
    struct bout bout;

    pki_write(pki_path("ca.pem"), 0644, NULL, ca.cert, NULL);
    unit_host_set_cred(&us, 1, pki_path("ca.pem"), NULL);
    us.trust.n_pins = 0;

    for (int we_serve = 0; we_serve <= 1; we_serve++) {
        bout_init(&bout, &(struct plain) { .id = &id }, we_serve);
        CHECK(bout.done);
        bout_uninit(&bout);
    }

    /* Right CA, but a pin that is another's; then the right pin. */
    us.trust.n_pins = 1;
    check_refused_in_both_roles(&(struct plain) { .id = &id },
                                "is not among the peer's fingerprints");
    unit_host_trust(&us, &them.ip, &id);
    bout_init(&bout, &(struct plain) { .id = &id }, true);
    CHECK(bout.done);
    bout_uninit(&bout);
    pki_free(&id);

    /* Right pin, wrong CA. */
    spec.issuer = &wrong_ca;
    id = pki_make(&spec);
    unit_host_trust(&us, &them.ip, &id);
    check_refused_in_both_roles(&(struct plain) { .id = &id },
                                "unable to get local issuer");
    us.trust.n_pins = 0;
    check_refused_in_both_roles(
        &(struct plain) { .id = &id, .chain = &wrong_ca, .n_chain = 1 },
        "self-signed certificate in certificate chain");
    pki_free(&id);

    /* Another host's address. */
    spec.issuer = &ca;
    spec.san = "IP:192.0.2.3";
    id = pki_make(&spec);
    check_refused_in_both_roles(&(struct plain) { .id = &id },
                                "neither the peer's address nor its name");
    pki_free(&id);

    /* The self-made certificate that a pin would do for. */
    check_refused_in_both_roles(&(struct plain) { .id = NULL },
                                "neither the peer's address nor its name");

    unit_host_set_cred(&us, 1, NULL, NULL);
    unit_host_trust(&us, &them.ip, &them.id);
    pki_free(&ca);
    pki_free(&wrong_ca);
}

static void
test_chain_too_large(void)
{
    struct pki_id fat = pki_make(&(struct pki_spec) { .padding = 5000 });

    check_refused_in_both_roles(
        &(struct plain) { .chain = &fat, .n_chain = 4 },
        "message malformed or too large");
    pki_free(&fat);
}

static void
test_protocol(void)
{
    check_refused_in_both_roles(
        &(struct plain) { .options = SSL_OP_NO_EXTENDED_MASTER_SECRET },
        "no extended master secret");
    check_refused(&(struct plain) { .version = DTLS1_VERSION }, true,
                  "only DTLS 1.2 is accepted");
    check_refused(&(struct plain) { .version = DTLS1_VERSION }, false,
                  "peer says, unverified: handshake failure");
}

static void
test_suites(void)
{
    static const char *const suites[] = {
        "ECDHE-ECDSA-AES256-SHA384",    /* CBC. */
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-CCM",
        "ECDHE-ECDSA-CAMELLIA256-SHA384",
    };
    static const char *const rsa_suites[] = {
        "AES256-GCM-SHA384",            /* RSA key exchange. */
        "DHE-RSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-SHA384",
        "NULL-SHA256",
    };
    struct pki_id rsa = pki_make(&(struct pki_spec) { .key = "RSA-2048" });

    for (size_t i = 0; i < ARRAY_SIZE(suites); i++) {
        struct plain plain = { .ciphers = suites[i] };

        check_refused(&plain, true, "no cipher suite in common");
        check_refused(&plain, false,
                      "peer says, unverified: handshake failure");
    }

    /* Against an RSA responder of ours, too, which could speak them. */
    struct unit_host kept = us;

    unit_host_init(&us, "rsa", "192.0.2.1",
                   &(struct pki_spec) { .key = "RSA-2048" });
    unit_host_trust(&us, &them.ip, &rsa);
    for (size_t i = 0; i < ARRAY_SIZE(rsa_suites); i++) {
        struct plain plain = { .ciphers = rsa_suites[i], .id = &rsa };

        check_refused(&plain, true, "no cipher suite in common");
        check_refused(&plain, false,
                      "peer says, unverified: handshake failure");
    }
    unit_host_uninit(&us);
    us = kept;
    us.lookup.aux = &us;
    us.trust.pins = us.pins;
    pki_free(&rsa);
}

static void
test_groups(void)
{
    static const char *const good[] = { "X25519", "P-256", "P-384:P-256" };
    static const char *const bad[] = { "P-521", "X448", "P-224" };

    for (int we_serve = 0; we_serve <= 1; we_serve++) {
        for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
            /* P-256 is needed for the certificates. */
            char *groups = xasprintf("%s%s", good[i],
                                     strstr(good[i], "P-256") ? ""
                                     : ":P-256");
            struct bout bout;

            bout_init(&bout, &(struct plain) { .groups = groups }, we_serve);
            CHECK(bout.done);
            bout_uninit(&bout);
            free(groups);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        check_refused(&(struct plain) { .groups = bad[i] }, true,
                      "no cipher suite in common");
        check_refused(&(struct plain) { .groups = bad[i] }, false,
                      "peer says, unverified: handshake failure");
    }
}

static void
test_alpn(void)
{
    static const char *const wrong[] = {
        "vnetenc/2", "vnetenc/", "vnetenc/10", "VNETENC/1", "h2", "x",
    };

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        check_refused(&(struct plain) { .alpn = wrong[i] }, true,
                      "does not offer vnetenc/1");
        check_refused(&(struct plain) { .alpn = wrong[i] }, false, "");
    }
    check_refused(&(struct plain) { .alpn = "" }, true,
                  "ALPN is not vnetenc/1");
    check_refused(&(struct plain) { .alpn = "" }, false,
                  "ALPN is not vnetenc/1");
}

static void
test_sni(void)
{
    static const char *const wrong[] = {
        "", "p1", "p1.vnetenc.valid", "p256.vnetenc.invalid",
        "p01.vnetenc.invalid", "p1.vnetenc.invalid.", "P1.vnetenc.invalid",
        "q1.vnetenc.invalid", "p1.vnetenc.invalid.example",
    };

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        check_refused(&(struct plain) { .sni = wrong[i] }, true,
                      "names no profile: an SNI of pN.vnetenc.invalid");
    }
    check_refused(&(struct plain) { .sni = "p9.vnetenc.invalid" }, true,
                  "no credentials for profile 9");
}

/* Keys. */

/* Each side's libssl takes what EVP seals with the keys that the other side
 * derived, and the other way round. */
static void
check_records(const char *ciphers, bool we_serve)
{
    static const char text[] = "the quick brown fox";
    uint8_t record[256], out[256];
    unsigned long long int n_app_data;
    struct ofpbuf *b;
    struct bout bout;
    size_t size;

    bout_init(&bout, &(struct plain) { .ciphers = ciphers }, we_serve);
    CHECK(bout.done);
    CHECK(!strcmp(vnetenc_handshake_suite(bout.h), ciphers));

    size = unit_seal(&bout.keys, !we_serve, VNETENC_FIRST_SEQ, text,
                     sizeof text, record);
    CHECK(plain_read(&bout.plain, record, size, out, sizeof out)
          == sizeof text);
    CHECK(!memcmp(out, text, sizeof text));

    /* Not twice. */
    CHECK(plain_read(&bout.plain, record, size, out, sizeof out) < 0);

    CHECK(SSL_write(bout.plain.ssl, text, sizeof text) == sizeof text);
    b = vnetenc_dgram_pop(&bout.plain.dgram);
    memset(out, 0, sizeof out);
    CHECK(b && unit_open(&bout.keys, we_serve, b->data, b->size, out)
          == sizeof text);
    CHECK(!memcmp(out, text, sizeof text));

    /* A handshake that is kept counts it and does no more. */
    n_app_data = vnetenc_drop_total(VNETENC_DROP_ctl_app_data);
    if (b) {
        vnetenc_handshake_input(bout.h, b->data, b->size, unit_now_ms);
    }
    CHECK(vnetenc_drop_total(VNETENC_DROP_ctl_app_data)
          == n_app_data + we_serve);
    CHECK(vnetenc_handshake_state(bout.h) == VNETENC_HANDSHAKE_DONE);
    CHECK(!vnetenc_handshake_pop_output(bout.h));
    ofpbuf_delete(b);
    bout_uninit(&bout);
}

static void
test_records(void)
{
    for (int we_serve = 0; we_serve <= 1; we_serve++) {
        check_records("ECDHE-ECDSA-AES256-GCM-SHA384", we_serve);
        check_records("ECDHE-ECDSA-AES128-GCM-SHA256", we_serve);
        check_records("ECDHE-ECDSA-CHACHA20-POLY1305", we_serve);
    }
}

/* After DONE. */

/* A client may ask for it, but never gets a second handshake within the
 * first. */
static void
test_renegotiation(void)
{
    struct ofpbuf *b;
    struct bout bout;

    bout_init(&bout, &(struct plain) { .id = NULL }, true);
    CHECK(bout.done);
    CHECK(SSL_renegotiate(bout.plain.ssl) == 1);
    SSL_do_handshake(bout.plain.ssl);
    while ((b = vnetenc_dgram_pop(&bout.plain.dgram))) {
        vnetenc_handshake_input(bout.h, b->data, b->size, unit_now_ms);
        ofpbuf_delete(b);
    }
    CHECK(vnetenc_handshake_state(bout.h) == VNETENC_HANDSHAKE_DONE);
    CHECK(vnetenc_handshake_nonces_ok(bout.h));
    while ((b = vnetenc_handshake_pop_output(bout.h))) {
        /* At most an alert. */
        CHECK(((uint8_t *) b->data)[0] == 21);
        plain_input(&bout.plain, b->data, b->size);
        ofpbuf_delete(b);
    }
    bout_uninit(&bout);
}

/* An initiator's libssl is gone: what a server asks for goes unanswered, since
 * the key to answer with has another owner. */
static void
test_renegotiation_asked_for(void)
{
    struct ofpbuf *b;
    struct bout bout;

    bout_init(&bout, &(struct plain) { .id = NULL }, false);
    CHECK(bout.done);
    CHECK(SSL_renegotiate(bout.plain.ssl) == 1);
    SSL_do_handshake(bout.plain.ssl);
    b = vnetenc_dgram_pop(&bout.plain.dgram);
    CHECK(b && ((uint8_t *) b->data)[0] == 22);
    vnetenc_handshake_input(bout.h, b->data, b->size, unit_now_ms);
    CHECK(!vnetenc_handshake_pop_output(bout.h));
    ofpbuf_delete(b);
    bout_uninit(&bout);
}

/* A close_notify ends libssl's part; what comes later does nothing. */
static void
test_close_notify(void)
{
    struct ofpbuf *b;
    struct bout bout;

    bout_init(&bout, &(struct plain) { .id = NULL }, true);
    SSL_shutdown(bout.plain.ssl);
    b = vnetenc_dgram_pop(&bout.plain.dgram);
    CHECK(b && ((uint8_t *) b->data)[0] == 21);
    for (int i = 0; i < 2; i++) {
        vnetenc_handshake_input(bout.h, b->data, b->size, unit_now_ms);
        CHECK(vnetenc_handshake_state(bout.h) == VNETENC_HANDSHAKE_DONE);
        CHECK(!vnetenc_handshake_pop_output(bout.h));
    }
    ofpbuf_delete(b);
    bout_uninit(&bout);
}

/* A session of before is not resumed. */
static void
test_no_resumption(void)
{
    struct bout first, second;
    SSL_SESSION *session;

    bout_init(&first, &(struct plain) { .id = NULL }, true);
    session = SSL_get1_session(first.plain.ssl);
    CHECK(!SSL_SESSION_has_ticket(session));

    memset(&second, 0, sizeof second);
    plain_init(&second.plain, false);
    SSL_set_session(second.plain.ssl, session);
    unit_duel_init(&second.duel, &them, &us, 1);
    serve(&second);
    CHECK(second.done && !SSL_session_reused(second.plain.ssl));
    CHECK(memcmp(&first.keys, &second.keys, sizeof first.keys));

    SSL_SESSION_free(session);
    bout_uninit(&first);
    bout_uninit(&second);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    set_up();

    test_accepted();
    test_no_client_certificate();
    test_certificates();
    test_unknown_peer();
    test_members();
    test_ca();
    test_chain_too_large();
    test_protocol();
    test_suites();
    test_groups();
    test_alpn();
    test_sni();
    test_records();
    test_renegotiation();
    test_renegotiation_asked_for();
    test_close_notify();
    test_no_resumption();

    unit_host_uninit(&us);
    unit_host_uninit(&them);
    pki_cleanup();
    return unit_end();
}
