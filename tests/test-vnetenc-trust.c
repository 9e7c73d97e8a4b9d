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

/* Who may speak for a peer: the rule, row by row. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/trust/trust.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "bitmap.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/trust/cred.h"
#include "vnetenc-unit.h"
#include "vnetenc-unit-pki.h"

static struct pki_id ca, other_ca, intermediate, own;
static struct vnetenc_cred *plain_cred, *ca_cred, *crl_cred;

static struct vnetenc_cred *
load_cred(const char *ca_cert, const char *crl)
{
    const struct vnetenc_cred_config config = {
        .profile = 3,
        .certificate = pki_path("own.pem"),
        .private_key = pki_path("own.key"),
        .ca_cert = ca_cert,
        .crl = crl,
    };
    struct vnetenc_cred *cred;
    char *error = vnetenc_cred_load(&config, &cred);

    if (error) {
        ovs_fatal(0, "%s", error);
    }
    return cred;
}

static void
set_up(void)
{
    ca = pki_make(&(struct pki_spec) { .ca = true });
    other_ca = pki_make(&(struct pki_spec) { .ca = true });
    intermediate = pki_make(&(struct pki_spec) { .ca = true, .issuer = &ca });
    own = pki_make(&(struct pki_spec) { .san = NULL });
    pki_write(pki_path("own.pem"), 0644, NULL, own.cert, NULL);
    pki_write(pki_path("own.key"), 0600, own.key, NULL);
    pki_write(pki_path("ca.pem"), 0644, NULL, ca.cert, NULL);
    plain_cred = load_cred(NULL, NULL);
    ca_cred = load_cred(pki_path("ca.pem"), NULL);
}

/* What is known of the peer in most tests. */
static struct vnetenc_trust
the_peer(void)
{
    struct vnetenc_trust trust = { .name = NULL };

    in6_addr_set_mapped_ipv4(&trust.remote_ip, inet_addr("192.0.2.1"));
    return trust;
}

/* NULL if the certificate may speak for the peer, else why not. */
static const char *
judge_with_chain(const struct vnetenc_trust *trust,
                 const struct vnetenc_cred *cred,
                 const struct pki_id *id, STACK_OF(X509) *stack)
{
    static char *why;

    free(why);
    CHECK(vnetenc_trust_judge(trust, cred, id->cert, stack, &why) == !why);
    CHECK(vnetenc_trust_judge(trust, cred, id->cert, stack, NULL) == !why);
    return why;
}

static const char *
judge(const struct vnetenc_trust *trust, const struct vnetenc_cred *cred,
      const struct pki_id *id)
{
    return judge_with_chain(trust, cred, id, NULL);
}

/* Judges a new certificate of 'spec' by its pin, by CA, by both. */
static void
check_refused_everywhere(const struct pki_spec *spec, const char *expected)
{
    struct pki_spec issued = *spec;
    struct vnetenc_trust trust = the_peer();
    uint8_t pin[1][VNETENC_FINGERPRINT_BYTES];
    struct pki_id id = pki_make(spec);

    pki_pin(&id, pin[0]);
    trust.pins = pin;
    trust.n_pins = 1;
    CHECK_HAS(judge(&trust, plain_cred, &id), expected);
    pki_free(&id);

    issued.issuer = &ca;
    issued.san = "IP:192.0.2.1";
    id = pki_make(&issued);
    trust.n_pins = 0;
    CHECK_HAS(judge(&trust, ca_cred, &id), expected);

    pki_pin(&id, pin[0]);
    trust.n_pins = 1;
    CHECK_HAS(judge(&trust, plain_cred, &id), expected);
    CHECK_HAS(judge(&trust, ca_cred, &id), expected);
    pki_free(&id);
}

/* Why a session that is up must end, or NULL. */
static const char *
judge_live(const struct vnetenc_trust *trust, const struct vnetenc_cred *cred,
           const struct pki_id *id)
{
    struct vnetenc_cert_chain *chain
        = vnetenc_cert_chain_create(id->cert, NULL);
    static char *why;

    free(why);
    CHECK(vnetenc_trust_judge_live(trust, cred, chain, &why) == !why);
    vnetenc_cert_chain_destroy(chain);
    return why;
}

/* Dates end no session, other pins do. */
static void
test_live(void)
{
    struct pki_spec spec = { .issuer = &ca, .san = "IP:192.0.2.1",
                             .from_s = -3600, .to_s = -60 };
    uint8_t pin[1][VNETENC_FINGERPRINT_BYTES];
    struct vnetenc_trust trust = the_peer();
    struct pki_id expired = pki_make(&spec);

    CHECK_HAS(judge(&trust, ca_cred, &expired), "dates: ");
    CHECK(!judge_live(&trust, ca_cred, &expired));
    CHECK_HAS(judge_live(&trust, plain_cred, &expired), "no_pin: ");

    pki_pin(&expired, pin[0]);
    trust.pins = pin;
    trust.n_pins = 1;
    CHECK_HAS(judge(&trust, plain_cred, &expired), "dates: ");
    CHECK(!judge_live(&trust, plain_cred, &expired));
    CHECK(!judge_live(&trust, ca_cred, &expired));
    pin[0][0] ^= 1;
    CHECK_HAS(judge_live(&trust, plain_cred, &expired), "is not among");
    CHECK_HAS(judge_live(&trust, ca_cred, &expired), "is not among");
    pki_free(&expired);
}

static void
test_bad_certificates(void)
{
    check_refused_everywhere(
        &(struct pki_spec) { .from_s = -7200, .to_s = -3600 },
        "dates: certificate refused: certificate has expired; expired on 20");
    check_refused_everywhere(
        &(struct pki_spec) { .from_s = 3600, .to_s = 7200 },
        "not yet valid; not valid before 20");
    check_refused_everywhere(
        &(struct pki_spec) { .key = "RSA-1024" },
        "weak: certificate refused: EE certificate key too weak; 112 bits "
        "are needed");
    check_refused_everywhere(
        &(struct pki_spec) { .eku = "emailProtection" },
        "certificate purpose; extendedKeyUsage must allow ");
    check_refused_everywhere(
        &(struct pki_spec) { .eku = "clientAuth" },
        "purpose: certificate refused: not for TLS servers");
    check_refused_everywhere(
        &(struct pki_spec) { .eku = "serverAuth" },
        "certificate purpose; extendedKeyUsage must allow ");
}

static void
test_pins(void)
{
    struct pki_id good = pki_make(&(struct pki_spec) { .san = NULL });
    struct pki_id rsa = pki_make(&(struct pki_spec) { .key = "RSA-2048" });
    struct pki_id issued = pki_make(&(struct pki_spec) { .issuer = &ca });
    struct pki_id stranger = pki_make(&(struct pki_spec) { .san = NULL });
    uint8_t pins[3][VNETENC_FINGERPRINT_BYTES];
    struct vnetenc_trust trust = the_peer();

    /* Neither pin nor CA. */
    CHECK_HAS(judge(&trust, plain_cred, &good),
              "no fingerprint and profile 3 no ca_cert");

    pki_pin(&good, pins[0]);
    pki_pin(&rsa, pins[1]);
    pki_pin(&issued, pins[2]);
    trust.pins = pins;
    trust.n_pins = 3;
    CHECK(!judge(&trust, plain_cred, &good));
    CHECK(!judge(&trust, plain_cred, &rsa));
    CHECK(!judge(&trust, plain_cred, &issued));
    CHECK_HAS(judge(&trust, plain_cred, &stranger),
              "is not among the peer's fingerprints");

    trust.n_pins = 1;
    CHECK_HAS(judge(&trust, plain_cred, &rsa),
              "is not among the peer's fingerprints");

    /* One bit off. */
    pins[0][31] ^= 1;
    CHECK_HAS(judge(&trust, plain_cred, &good),
              "is not among the peer's fingerprints");

    CHECK_HAS(judge(NULL, plain_cred, &good), "no_peer: no such peer");
    CHECK_HAS(judge(&trust, NULL, &good), "no_credential: no such profile");
    pki_free(&good);
    pki_free(&rsa);
    pki_free(&issued);
    pki_free(&stranger);
}

/* A peer that is no member is refused, whatever its certificate. */
static void
test_members(void)
{
    struct vnetenc_trust trust = the_peer();
    uint8_t pin[1][VNETENC_FINGERPRINT_BYTES];
    struct pki_id id = pki_make(&(struct pki_spec) {
        .san = "IP:192.0.2.1", .issuer = &ca });

    pki_pin(&id, pin[0]);
    trust.pins = pin;
    trust.n_pins = 1;
    CHECK(!judge(&trust, plain_cred, &id));
    CHECK(!judge(&trust, ca_cred, &id));
    trust.profiles = bitmap_allocate(VNETENC_N_PROFILES);
    CHECK(!vnetenc_trust_admits(&trust, 0));
    CHECK_HAS(judge(&trust, plain_cred, &id),
              "not_member: 192.0.2.1 is no member of profile 3");
    CHECK_HAS(judge(&trust, ca_cred, &id), "not_member: ");
    CHECK_HAS(judge_live(&trust, plain_cred, &id), "not_member: ");
    bitmap_set1(trust.profiles, 1);
    CHECK_HAS(judge(&trust, plain_cred, &id), "not_member: ");
    bitmap_set1(trust.profiles, 3);
    CHECK(!judge(&trust, plain_cred, &id));
    CHECK(!judge_live(&trust, plain_cred, &id));
    free(trust.profiles);
    pki_free(&id);
}

/* A pinned leaf that its issuer sends along: the chain does not matter. */
static void
test_pin_with_chain(void)
{
    struct pki_id id = pki_make(&(struct pki_spec) {
        .issuer = &intermediate });
    STACK_OF(X509) *stack = sk_X509_new_null();
    uint8_t pin[1][VNETENC_FINGERPRINT_BYTES];
    struct vnetenc_trust trust = the_peer();

    sk_X509_push(stack, id.cert);
    sk_X509_push(stack, intermediate.cert);
    sk_X509_push(stack, ca.cert);
    pki_pin(&id, pin[0]);
    trust.pins = pin;
    trust.n_pins = 1;
    CHECK(!judge_with_chain(&trust, plain_cred, &id, stack));

    /* A pin of the issuer is no pin of the leaf. */
    pki_pin(&intermediate, pin[0]);
    CHECK_HAS(judge_with_chain(&trust, plain_cred, &id, stack),
              "is not among the peer's fingerprints");
    sk_X509_free(stack);
    pki_free(&id);
}

static const char *
judge_san(const char *san, const char *name)
{
    struct pki_id id = pki_make(&(struct pki_spec) {
        .issuer = &ca, .san = san });
    struct vnetenc_trust trust = the_peer();
    const char *why;

    trust.name = CONST_CAST(char *, name);
    why = judge(&trust, ca_cred, &id);
    pki_free(&id);
    return why;
}

static void
test_san(void)
{
    static const char neither[] = "holds neither the peer's address nor its";

    CHECK(!judge_san("IP:192.0.2.1", NULL));
    CHECK(!judge_san("IP:192.0.2.7,IP:192.0.2.1", NULL));
    CHECK(!judge_san("DNS:hv1.example", "hv1.example"));
    CHECK(!judge_san("DNS:HV1.example", "hv1.EXAMPLE"));
    CHECK(!judge_san("IP:192.0.2.1", "hv1.example"));
    CHECK(!judge_san("DNS:hv1.example,IP:192.0.2.9", "hv1.example"));

    /* Right certificate, but another host's. */
    CHECK_HAS(judge_san("IP:192.0.2.2", NULL), neither);
    CHECK_HAS(judge_san("DNS:hv2.example", "hv1.example"), neither);
    CHECK_HAS(judge_san(NULL, NULL), neither);
    CHECK_HAS(judge_san(NULL, "hv1.example"), neither);

    /* No wildcards of either side; no address as a name. */
    CHECK_HAS(judge_san("DNS:*.dc1.example", "hv1.dc1.example"), neither);
    CHECK_HAS(judge_san("DNS:hv1.example", ".example"), neither);
    CHECK_HAS(judge_san("DNS:hv1.example", ""), neither);
    CHECK_HAS(judge_san("DNS:192.0.2.1", NULL), neither);
    CHECK_HAS(judge_san("IP:::ffff:192.0.2.1", NULL), neither);
}

static void
test_san_ipv6(void)
{
    struct pki_id id = pki_make(&(struct pki_spec) {
        .issuer = &ca, .san = "IP:2001:db8::1" });
    struct vnetenc_trust trust = { .name = NULL };

    inet_pton(AF_INET6, "2001:db8::1", &trust.remote_ip);
    CHECK(!judge(&trust, ca_cred, &id));
    inet_pton(AF_INET6, "2001:db8::2", &trust.remote_ip);
    CHECK(judge(&trust, ca_cred, &id) != NULL);
    pki_free(&id);
}

/* The subject's common name is not read, not even without a SAN. */
static void
test_common_name(void)
{
    struct pki_id id = pki_make(&(struct pki_spec) { .issuer = &ca });
    char cn[64];
    struct vnetenc_trust trust = the_peer();

    X509_NAME_get_text_by_NID(X509_get_subject_name(id.cert), NID_commonName,
                              cn, sizeof cn);
    trust.name = cn;
    CHECK_HAS(judge(&trust, ca_cred, &id), "other_name: ");
    pki_free(&id);
}

static void
test_chains(void)
{
    struct pki_spec spec = { .issuer = &ca, .san = "IP:192.0.2.1" };
    struct pki_id weak_ca = pki_make(&(struct pki_spec) {
        .issuer = &ca, .ca = true, .key = "RSA-1024" });
    struct pki_id leaf_as_ca = pki_make(&spec);
    STACK_OF(X509) *stack = sk_X509_new_null();
    struct vnetenc_trust trust = the_peer();
    struct pki_id id;

    /* Another CA. */
    spec.issuer = &other_ca;
    id = pki_make(&spec);
    CHECK_HAS(judge(&trust, ca_cred, &id), "unable to get local issuer "
              "certificate; neither the ca_cert of profile ");
    pki_free(&id);

    /* Self-signed: only a pin could vouch for it. */
    spec.issuer = NULL;
    id = pki_make(&spec);
    CHECK_HAS(judge(&trust, ca_cred, &id), "issuer: ");
    pki_free(&id);

    /* Intermediate, with and without it being sent along. */
    spec.issuer = &intermediate;
    id = pki_make(&spec);
    CHECK(judge(&trust, ca_cred, &id) != NULL);
    sk_X509_push(stack, intermediate.cert);
    CHECK(!judge_with_chain(&trust, ca_cred, &id, stack));
    pki_free(&id);

    /* Issued by a leaf. */
    spec.issuer = &leaf_as_ca;
    id = pki_make(&spec);
    sk_X509_set(stack, 0, leaf_as_ca.cert);
    CHECK_HAS(judge_with_chain(&trust, ca_cred, &id, stack), "invalid CA");
    pki_free(&id);

    /* Issued by a weak CA. */
    spec.issuer = &weak_ca;
    id = pki_make(&spec);
    sk_X509_set(stack, 0, weak_ca.cert);
    CHECK_HAS(judge_with_chain(&trust, ca_cred, &id, stack),
              "CA certificate key too weak");
    pki_free(&id);

    /* Weak signature. */
    spec.issuer = &ca;
    spec.digest = "SHA1";
    id = pki_make(&spec);
    CHECK_HAS(judge(&trust, ca_cred, &id),
              "digest algorithm too weak; 112 bits are needed");
    pki_free(&id);

    sk_X509_free(stack);
    pki_free(&weak_ca);
    pki_free(&leaf_as_ca);
}

/* Pins and CA given: both must hold. */
static void
test_both(void)
{
    struct pki_spec spec = { .issuer = &ca, .san = "IP:192.0.2.1" };
    uint8_t pin[1][VNETENC_FINGERPRINT_BYTES];
    struct pki_id good = pki_make(&spec);
    struct pki_id unpinned = pki_make(&spec);
    struct vnetenc_trust trust = the_peer();
    struct pki_id other;

    trust.pins = pin;
    trust.n_pins = 1;
    pki_pin(&good, pin[0]);
    CHECK(!judge(&trust, ca_cred, &good));
    CHECK_HAS(judge(&trust, ca_cred, &unpinned), "is not among");

    spec.issuer = &other_ca;
    other = pki_make(&spec);
    pki_pin(&other, pin[0]);
    CHECK_HAS(judge(&trust, ca_cred, &other), "unable to get local issuer");
    pki_free(&other);

    spec.issuer = NULL;
    other = pki_make(&spec);
    pki_pin(&other, pin[0]);
    CHECK_HAS(judge(&trust, ca_cred, &other), "issuer: ");
    pki_free(&other);

    spec.issuer = &ca;
    spec.san = "IP:192.0.2.2";
    other = pki_make(&spec);
    pki_pin(&other, pin[0]);
    CHECK_HAS(judge(&trust, ca_cred, &other), "other_name: ");
    pki_free(&other);

    pki_free(&good);
    pki_free(&unpinned);
}

static void
test_crl(void)
{
    struct pki_spec spec = { .issuer = &ca, .san = "IP:192.0.2.1" };
    struct pki_id good = pki_make(&spec);
    struct pki_id revoked = pki_make(&spec);
    struct vnetenc_trust trust = the_peer();
    STACK_OF(X509) *stack = sk_X509_new_null();
    struct pki_id below;

    pki_write_crl(pki_path("ca.crl"), &ca, &revoked, 3600);
    crl_cred = load_cred(pki_path("ca.pem"), pki_path("ca.crl"));
    CHECK(!judge(&trust, ca_cred, &revoked));
    CHECK(!judge(&trust, crl_cred, &good));
    CHECK_HAS(judge(&trust, crl_cred, &revoked), "revoked: ");

    /* An intermediate without a CRL of its own. */
    spec.issuer = &intermediate;
    below = pki_make(&spec);
    sk_X509_push(stack, intermediate.cert);
    CHECK_HAS(judge_with_chain(&trust, crl_cred, &below, stack),
              "crl: certificate refused: unable to get "
              "certificate CRL");
    vnetenc_cred_unref(crl_cred);

    /* An intermediate that is revoked itself, below which nothing is. */
    pki_write_crl(pki_path("ca-2.crl"), &ca, &intermediate, 3600);
    pki_write_crl(pki_path("intermediate.crl"), &intermediate, NULL, 3600);
    pki_concatenate(pki_path("both.crl"), pki_path("ca-2.crl"),
                    pki_path("intermediate.crl"));
    crl_cred = load_cred(pki_path("ca.pem"), pki_path("both.crl"));
    CHECK_HAS(judge_with_chain(&trust, crl_cred, &below, stack),
              "revoked: ");
    vnetenc_cred_unref(crl_cred);

    /* The same without its being revoked. */
    pki_concatenate(pki_path("both.crl"), pki_path("ca.crl"),
                    pki_path("intermediate.crl"));
    crl_cred = load_cred(pki_path("ca.pem"), pki_path("both.crl"));
    CHECK(!judge_with_chain(&trust, crl_cred, &below, stack));
    vnetenc_cred_unref(crl_cred);
    pki_free(&below);

    /* A CRL that should have been replaced. */
    pki_write_crl(pki_path("old.crl"), &ca, NULL, -60);
    crl_cred = load_cred(pki_path("ca.pem"), pki_path("old.crl"));
    CHECK_HAS(judge(&trust, crl_cred, &good),
              "CRL has expired; the crl of profile ");
    vnetenc_cred_unref(crl_cred);

    /* Which ends no session that is up; a revocation does. */
    crl_cred = load_cred(pki_path("ca.pem"), pki_path("old.crl"));
    CHECK(!judge_live(&trust, crl_cred, &good));
    vnetenc_cred_unref(crl_cred);
    crl_cred = load_cred(pki_path("ca.pem"), pki_path("ca.crl"));
    CHECK(!judge_live(&trust, crl_cred, &good));
    CHECK_HAS(judge_live(&trust, crl_cred, &revoked), "revoked: ");
    vnetenc_cred_unref(crl_cred);

    /* A CRL of somebody else. */
    pki_write_crl(pki_path("other.crl"), &other_ca, NULL, 3600);
    crl_cred = load_cred(pki_path("ca.pem"), pki_path("other.crl"));
    CHECK_HAS(judge(&trust, crl_cred, &good),
              "crl: certificate refused: unable to get "
              "certificate CRL");
    vnetenc_cred_unref(crl_cred);

    sk_X509_free(stack);
    pki_free(&good);
    pki_free(&revoked);
}

static void
check_fingerprint(const char *s, bool good)
{
    uint8_t out[VNETENC_FINGERPRINT_BYTES];
    char *error = vnetenc_cert_fingerprint_parse(s, out);

    CHECK(good == !error);
    if (good) {
        char text[VNETENC_FINGERPRINT_TEXT_BYTES];

        vnetenc_cert_fingerprint_format(out, text);
        CHECK(!strcmp(text, "sha256:00112233445566778899aabbccddeeff"
                            "0123456789abcdef0123456789abcdef"));
    } else {
        CHECK_HAS(error, s);
        CHECK_HAS(error, "\"sha256:\" and 64 hexadecimal digits");
    }
    free(error);
}

#define HEX64 "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcd"

static void
test_fingerprints(void)
{
    check_fingerprint("sha256:" HEX64 "ef", true);
    check_fingerprint("sha256:00112233445566778899AABBCCDDEEFF"
                      "0123456789ABCDEF0123456789abcdef", true);
    check_fingerprint("SHA256:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
                      "01:23:45:67:89:AB:CD:EF:01:23:45:67:89:ab:cd:ef", true);

    check_fingerprint("", false);
    check_fingerprint("sha256", false);
    check_fingerprint("sha256:", false);
    check_fingerprint(HEX64 "ef", false);
    check_fingerprint("sha1:" HEX64 "ef", false);
    check_fingerprint("sha256:" HEX64, false);
    check_fingerprint("sha256:" HEX64 "e", false);
    check_fingerprint("sha256:" HEX64 "eg", false);
    check_fingerprint("sha256:" HEX64 "efe", false);
    check_fingerprint("sha256:" HEX64 "ef ", false);
    check_fingerprint("sha256:" HEX64 "ef:", false);
    check_fingerprint("sha256::" HEX64 "ef", false);
    check_fingerprint("sha256:0:0112233445566778899aabbccddeeff"
                      "0123456789abcdef0123456789abcdef", false);
    check_fingerprint("sha256:00::112233445566778899aabbccddeeff"
                      "0123456789abcdef0123456789abcdef", false);
}

static void
test_chain(void)
{
    struct pki_id id = pki_make(&(struct pki_spec) { .issuer = &ca });
    struct vnetenc_cert_chain *chain
        = vnetenc_cert_chain_create(id.cert, NULL);
    uint8_t pin[VNETENC_FINGERPRINT_BYTES];

    pki_pin(&id, pin);
    CHECK(!memcmp(vnetenc_cert_chain_fingerprint(chain), pin, sizeof pin));
    vnetenc_cert_chain_destroy(chain);
    vnetenc_cert_chain_destroy(NULL);
    pki_free(&id);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    set_up();

    test_fingerprints();
    test_chain();
    test_pins();
    test_members();
    test_pin_with_chain();
    test_san();
    test_san_ipv6();
    test_common_name();
    test_chains();
    test_both();
    test_crl();
    test_bad_certificates();
    test_live();

    vnetenc_cred_unref(plain_cred);
    vnetenc_cred_unref(ca_cred);
    pki_free(&ca);
    pki_free(&other_ca);
    pki_free(&intermediate);
    pki_free(&own);
    pki_cleanup();
    return unit_end();
}
