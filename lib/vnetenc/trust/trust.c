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
#include "vnetenc/trust/trust.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "bitmap.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/trust/cred.h"
#include "vnetenc/trust/failures.h"
#include "vnetenc/trust/find.h"
#include "vnetenc/trust/strength.h"

bool
vnetenc_trust_admits(const struct vnetenc_trust *trust, uint8_t profile)
{
    return !trust->profiles || bitmap_is_set(trust->profiles, profile);
}

char *
vnetenc_trust_vxlan_error(uint8_t profile)
{
    return vnetenc_failure_text(VNETENC_FAILURE_vxlan, "profile %"PRIu8
                                " over VXLAN: only profile 0 may be used, "
                                "because a VNI of VXLAN need not be that of "
                                "a network; use Geneve", profile);
}

char *
vnetenc_trust_judge_member(const struct vnetenc_trust *trust,
                           uint8_t profile)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    char *why;

    if (vnetenc_trust_admits(trust, profile)) {
        return NULL;
    }
    ipv6_format_mapped(&trust->remote_ip, &s);
    why = vnetenc_failure_text(VNETENC_FAILURE_not_member,
                               "%s is no member of profile %"PRIu8,
                               ds_cstr(&s), profile);
    ds_destroy(&s);
    return why;
}

/* Returns the refusal of a certificate that the peer shows: 'what' of the
 * profile, 'more'. */
static char *
shown_error(enum vnetenc_failure failure, const struct vnetenc_trust *trust,
            const struct vnetenc_cred *cred,
            const uint8_t fingerprint[VNETENC_FINGERPRINT_BYTES],
            const char *what, const char *more)
{
    char text[VNETENC_FINGERPRINT_TEXT_BYTES];
    struct ds s = DS_EMPTY_INITIALIZER;
    char *why;

    ipv6_format_mapped(&trust->remote_ip, &s);
    vnetenc_cert_fingerprint_format(fingerprint, text);
    why = vnetenc_failure_text(failure, "%s shows %s, %s of profile %u%s",
                               ds_cstr(&s), text, what,
                               vnetenc_cred_profile(cred), more);
    ds_destroy(&s);
    return why;
}

/* A certificate of the peer, or of its chain, is revoked. */
static char *
revoked_error(const struct vnetenc_trust *trust,
              const struct vnetenc_cred *cred,
              const uint8_t fingerprint[VNETENC_FINGERPRINT_BYTES])
{
    return shown_error(VNETENC_FAILURE_revoked, trust, cred, fingerprint,
                       "or a certificate that it issued: revoked",
                       " lists it");
}

/* The certificate of the peer is not listed. */
static char *
not_listed_error(const struct vnetenc_trust *trust,
                 const struct vnetenc_cred *cred,
                 const uint8_t fingerprint[VNETENC_FINGERPRINT_BYTES])
{
    return shown_error(VNETENC_FAILURE_not_listed, trust, cred, fingerprint,
                       "which is not among the certificates",
                       "; no CA is, or none whose certificate this host has");
}

/* Returns true if a CA must vouch for the certificate: there is one, and the
 * certificate is not listed itself. */
static bool
needs_ca(const struct vnetenc_cred *cred,
         const uint8_t fingerprint[VNETENC_FINGERPRINT_BYTES])
{
    return (vnetenc_cred_ca(cred)
            && !vnetenc_config_fingerprints_have(vnetenc_cred_listed(cred),
                                                 fingerprint));
}

/* Judges by all that takes no certificate but its fingerprint. */
static char *
judge_pins(const struct vnetenc_trust *trust, const struct vnetenc_cred *cred,
           const uint8_t fingerprint[VNETENC_FINGERPRINT_BYTES])
{
    char text[VNETENC_FINGERPRINT_TEXT_BYTES];
    char *why;

    if (!trust) {
        return vnetenc_failure_text(VNETENC_FAILURE_no_peer, "no such peer");
    }
    if (!cred) {
        return vnetenc_failure_text(VNETENC_FAILURE_no_credential,
                                    "no such profile");
    }
    why = vnetenc_trust_judge_member(trust, vnetenc_cred_profile(cred));
    if (why) {
        return why;
    }
    if (vnetenc_config_fingerprints_have(vnetenc_cred_revoked(cred),
                                         fingerprint)) {
        return revoked_error(trust, cred, fingerprint);
    }
    if (vnetenc_cred_listed(cred)->n) {
        return (vnetenc_cred_ca(cred)
                || vnetenc_config_fingerprints_have(vnetenc_cred_listed(cred),
                                                    fingerprint)
                ? NULL : not_listed_error(trust, cred, fingerprint));
    }
    if (!trust->n_pins) {
        return (vnetenc_cred_ca(cred)
                ? NULL
                : vnetenc_failure_text(VNETENC_FAILURE_no_pin,
                                       "peer has no fingerprint and profile "
                                       "%u no ca_cert",
                                       vnetenc_cred_profile(cred)));
    }
    for (size_t i = 0; i < trust->n_pins; i++) {
        if (!memcmp(trust->pins[i], fingerprint, sizeof *trust->pins)) {
            return NULL;
        }
    }
    vnetenc_cert_fingerprint_format(fingerprint, text);
    return vnetenc_failure_text(VNETENC_FAILURE_other_certificate,
                                "certificate %s is not among the peer's "
                                "fingerprints", text);
}

/* Returns true if the SAN of 'leaf' holds 'name'.  A name that begins with a
 * dot would make OpenSSL accept every host of a domain. */
static bool
has_name(X509 *leaf, const char *name)
{
    return (name && name[0] && name[0] != '.'
            && X509_check_host(leaf, name, strlen(name),
                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT
                               | X509_CHECK_FLAG_NO_WILDCARDS, NULL) == 1);
}

static bool
has_ip(X509 *leaf, const struct in6_addr *ip)
{
    return (IN6_IS_ADDR_V4MAPPED(ip)
            ? X509_check_ip(leaf, &ip->s6_addr[12], 4, 0) == 1
            : X509_check_ip(leaf, ip->s6_addr, sizeof *ip, 0) == 1);
}

static char *
judge_san(const struct vnetenc_trust *trust, X509 *leaf)
{
    return (has_ip(leaf, &trust->remote_ip) || has_name(leaf, trust->name)
            ? NULL
            : vnetenc_failure_text(VNETENC_FAILURE_other_name,
                                   "certificate holds neither the peer's "
                                   "address nor its name as a subject "
                                   "alternative name"));
}

/* With pins and no CA, only the pin vouches for the certificate, and it has
 * matched already, so an unknown issuer is no error.  Any other error
 * stands. */
static int
pinned_cb(int ok, X509_STORE_CTX *ctx)
{
    int error = X509_STORE_CTX_get_error(ctx);

    if (!ok && !X509_STORE_CTX_get_error_depth(ctx)
        && (error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
            || error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
            || error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE)) {
        X509_STORE_CTX_set_error(ctx, X509_V_OK);
        return 1;
    }
    return ok;
}

/* Returns true if every certificate of 'chain' may serve its part for a TLS
 * server.  X509_verify_cert() checks only the purpose TLS client. */
static bool
may_serve(STACK_OF(X509) *chain)
{
    for (int i = 0; i < sk_X509_num(chain); i++) {
        if (X509_check_purpose(sk_X509_value(chain, i),
                               X509_PURPOSE_SSL_SERVER, i > 0) <= 0) {
            return false;
        }
    }
    return sk_X509_num(chain) > 0;
}

/* Returns what libcrypto's finding in 'ctx' means for the operator, or NULL.
 * The caller frees it.  Stores the name of the failure in '*failure'. */
static char *
explain(X509_STORE_CTX *ctx, const struct vnetenc_cred *cred,
        enum vnetenc_failure *failure)
{
    unsigned int profile = vnetenc_cred_profile(cred);

    switch (X509_STORE_CTX_get_error(ctx)) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        *failure = VNETENC_FAILURE_dates;
        return vnetenc_cert_check_dates(X509_STORE_CTX_get_current_cert(ctx),
                                        time(NULL));
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        *failure = VNETENC_FAILURE_issuer;
        return xasprintf("neither %s of profile %u nor a CA that the peer "
                         "sent has issued it",
                         vnetenc_cred_listed(cred)->n
                         ? "a CA among the certificates" : "the ca_cert",
                         profile);
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_HAS_EXPIRED:
        *failure = VNETENC_FAILURE_crl;
        return xasprintf("the crl of profile %u must have a valid list of "
                         "each CA", profile);
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
        *failure = VNETENC_FAILURE_weak;
        return xstrdup(vnetenc_strength_text(vnetenc_cred_strength(cred)));
    case X509_V_ERR_CERT_REVOKED:
        *failure = VNETENC_FAILURE_revoked;
        return NULL;
    case X509_V_ERR_INVALID_PURPOSE:
        *failure = VNETENC_FAILURE_purpose;
        return xstrdup("extendedKeyUsage must allow serverAuth and "
                       "clientAuth, or be absent");
    default:
        *failure = VNETENC_FAILURE_certificate;
        return NULL;
    }
}

/* Returns why libcrypto refused the certificate.  The caller frees it. */
static char *
refusal(X509_STORE_CTX *ctx, const struct vnetenc_cred *cred)
{
    const char *finding
        = X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
    enum vnetenc_failure failure;
    char *meaning = explain(ctx, cred, &failure);
    char *why = vnetenc_failure_text(failure, "certificate refused: %s%s%s",
                                     finding, meaning ? "; " : "",
                                     meaning ? meaning : "");

    free(meaning);
    return why;
}

/* Checks dates, unless 'live', key and purposes and, with a CA, chain and
 * CRL. */
static char *
judge_x509(X509_STORE_CTX *ctx, const struct vnetenc_cred *cred, bool by_ca,
           bool live)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);

    if (!X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT)) {
        return vnetenc_failure_text(VNETENC_FAILURE_internal, "certificate's "
                                    "purpose cannot be checked");
    }
    X509_VERIFY_PARAM_set_auth_level(
        param, vnetenc_strength_level(vnetenc_cred_strength(cred)));
    X509_VERIFY_PARAM_set_depth(param, VNETENC_MAX_CHAIN_DEPTH);
    if (live) {
        X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_NO_CHECK_TIME);
    }
    if (!by_ca) {
        X509_STORE_CTX_set_verify_cb(ctx, pinned_cb);
    } else {
        if (vnetenc_cred_has_crl(cred)) {
            X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_CRL_CHECK
                                     | X509_V_FLAG_CRL_CHECK_ALL);
        }
        /* A listed CA counts, whoever issued it. */
        if (vnetenc_cred_listed(cred)->n) {
            X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_PARTIAL_CHAIN);
        }
    }

    if (X509_verify_cert(ctx) != 1) {
        return refusal(ctx, cred);
    }
    if (!may_serve(X509_STORE_CTX_get0_chain(ctx))) {
        return vnetenc_failure_text(VNETENC_FAILURE_purpose, "certificate "
                                    "refused: not for TLS servers; "
                                    "extendedKeyUsage must allow serverAuth "
                                    "and clientAuth, or be absent");
    }
    return NULL;
}

static unsigned int n_verified;

unsigned int
vnetenc_trust_n_verified(void)
{
    return n_verified;
}

/* Refuses a chain with a certificate that is revoked, or that a CA has issued
 * that is revoked: a peer may leave that out.  The chain is what a peer sent
 * that is not authenticated yet, so no issuer is looked for beyond the length
 * that a chain can have. */
static char *
judge_revoked(const struct vnetenc_trust *trust,
              const struct vnetenc_cred *cred, STACK_OF(X509) *chain)
{
    const struct vnetenc_config_fingerprints *revoked
        = vnetenc_cred_revoked(cred);

    for (int i = 0; revoked->n && i < sk_X509_num(chain); i++) {
        X509 *cert = sk_X509_value(chain, i);
        uint8_t f[VNETENC_FINGERPRINT_BYTES];
        const uint8_t *issuer;

        if (!vnetenc_cert_fingerprint(cert, f)
            || vnetenc_config_fingerprints_have(revoked, f)) {
            return revoked_error(trust, cred, f);
        }
        issuer = (i <= VNETENC_MAX_CHAIN_DEPTH
                  ? vnetenc_find_issuer(cert, revoked) : NULL);
        if (issuer) {
            return revoked_error(trust, cred, issuer);
        }
    }
    return NULL;
}

static char *
verify(const struct vnetenc_trust *trust, const struct vnetenc_cred *cred,
       X509 *leaf, STACK_OF(X509) *chain, bool by_ca, bool live)
{
    X509_STORE *ca = by_ca ? vnetenc_cred_ca(cred) : NULL;
    X509_STORE *store = ca ? ca : X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    char *why;

    n_verified++;
    if (store && ctx
        && X509_STORE_CTX_init(ctx, store, leaf, ca ? chain : NULL)) {
        why = judge_x509(ctx, cred, by_ca, live);
        if (!why) {
            why = judge_revoked(trust, cred, X509_STORE_CTX_get0_chain(ctx));
        }
    } else {
        why = vnetenc_failure_text(VNETENC_FAILURE_internal,
                                   "certificate cannot be verified");
    }
    X509_STORE_CTX_free(ctx);
    if (!ca) {
        X509_STORE_free(store);
    }
    ERR_clear_error();
    return why;
}

static char *
no_certificate(void)
{
    return vnetenc_failure_text(VNETENC_FAILURE_protocol, "no certificate");
}

static char *
judge(const struct vnetenc_trust *trust, const struct vnetenc_cred *cred,
      X509 *leaf, STACK_OF(X509) *chain)
{
    uint8_t fingerprint[VNETENC_FINGERPRINT_BYTES];
    bool by_ca;
    char *why;

    if (!leaf || !vnetenc_cert_fingerprint(leaf, fingerprint)) {
        return no_certificate();
    }
    why = judge_pins(trust, cred, fingerprint);
    if (why) {
        return why;
    }
    why = judge_revoked(trust, cred, chain);
    by_ca = needs_ca(cred, fingerprint);
    if (!why && by_ca) {
        why = judge_san(trust, leaf);
    }
    return why ? why : verify(trust, cred, leaf, chain, by_ca, false);
}

/* Judges a session by what is known of its certificates. */
static char *
judge_known(const struct vnetenc_trust *trust,
            const struct vnetenc_cred *cred,
            const struct vnetenc_cert_chain *c)
{
    const struct vnetenc_config_fingerprints *revoked;
    char *why = judge_pins(trust, cred, vnetenc_cert_chain_fingerprint(c));
    int i;

    if (why) {
        return why;
    }
    revoked = vnetenc_cred_revoked(cred);
    i = vnetenc_cert_chain_find(
        c, (const uint8_t (*)[VNETENC_FINGERPRINT_BYTES]) revoked->f,
        revoked->n);
    return i < 0 ? NULL : revoked_error(trust, cred,
                                        vnetenc_cert_chain_nth(c, i));
}

/* The certificate was judged in full when the session began.  Without a CA, no
 * other part of the judgement can have changed since but the strength and the
 * revoked CAs. */
static char *
judge_live(const struct vnetenc_trust *trust, const struct vnetenc_cred *cred,
           const struct vnetenc_cert_chain *c)
{
    char *why = judge_known(trust, cred, c);
    STACK_OF(X509) *chain;
    X509 *leaf;
    bool by_ca;

    if (why) {
        return why;
    }
    by_ca = needs_ca(cred, vnetenc_cert_chain_fingerprint(c));
    if (!by_ca && vnetenc_cred_strength(cred) == VNETENC_SECURITY_BITS
        && !vnetenc_find_has_any(vnetenc_cred_revoked(cred))) {
        return NULL;
    }
    chain = vnetenc_cert_chain_certs(c);
    leaf = sk_X509_value(chain, 0);
    why = (!leaf ? no_certificate()
           : by_ca ? judge_san(trust, leaf) : NULL);
    if (!why) {
        why = judge_revoked(trust, cred, chain);
    }
    if (!why) {
        why = verify(trust, cred, leaf, chain, by_ca, true);
    }
    sk_X509_pop_free(chain, X509_free);
    return why;
}

static bool
say(char *why, char **reason)
{
    bool ok = !why;

    if (reason) {
        *reason = why;
    } else {
        free(why);
    }
    return ok;
}

bool
vnetenc_trust_judge(const struct vnetenc_trust *trust,
                    const struct vnetenc_cred *cred,
                    X509 *leaf, STACK_OF(X509) *chain, char **reason)
{
    return say(judge(trust, cred, leaf, chain), reason);
}

bool
vnetenc_trust_judge_live(const struct vnetenc_trust *trust,
                         const struct vnetenc_cred *cred,
                         const struct vnetenc_cert_chain *c, char **reason)
{
    return say(judge_live(trust, cred, c), reason);
}

bool
vnetenc_trust_judge_pins(const struct vnetenc_trust *trust,
                         const struct vnetenc_cred *cred,
                         const struct vnetenc_cert_chain *c, char **reason)
{
    return say(judge_known(trust, cred, c), reason);
}
