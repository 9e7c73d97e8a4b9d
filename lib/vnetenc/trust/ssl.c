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
#include "vnetenc/trust/ssl.h"

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sslerr.h>

#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/crypto/suite.h"
#include "vnetenc/trust/strength.h"

/* The wire version.  It covers everything that both ends must understand. */
static const unsigned char alpn[] = "\x09vnetenc/1";

enum { ALPN_BYTES = sizeof alpn - 1 };

#define VNETENC_SSL_TOO_LARGE                                               \
    "message malformed or too large: a certificate and its chain may have "   \
    "16384 octets"
BUILD_ASSERT_DECL(VNETENC_MAX_CERT_LIST_BYTES == 16384);

#define VNETENC_SSL_NO_SIGNATURE                                            \
    "no signature algorithm in common: ECDSA and RSA with SHA-256, SHA-384 "  \
    "and SHA-512 are accepted"

#define VNETENC_SSL_NO_GROUP                                                \
    "no elliptic curve in common: X25519, P-256 and P-384 are accepted, "     \
    "and P-384 alone with strength=192"

static void (*keylog)(const char *line);

static const char *groups(int level);
static void demand(SSL *);

/* Index of the owner in an SSL object's ex_data. */
static int
owner_index(void)
{
    static int index = -1;

    if (index < 0) {
        index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
        ovs_assert(index >= 0);
    }
    return index;
}

static struct vnetenc_ssl_owner *
owner_of(const SSL *ssl)
{
    struct vnetenc_ssl_owner *owner = SSL_get_ex_data(ssl, owner_index());

    ovs_assert(owner);
    return owner;
}

void
vnetenc_ssl_sni_format(uint8_t profile, char sni[VNETENC_SNI_BYTES])
{
    snprintf(sni, VNETENC_SNI_BYTES, "p%u.vnetenc.invalid", profile);
}

/* Refuses leading zeros and capitals, which vnetenc_ssl_sni_format() does not
 * write. */
bool
vnetenc_ssl_sni_parse(const char *sni, uint8_t *profile)
{
    char canonical[VNETENC_SNI_BYTES];
    unsigned int n;

    if (!ovs_scan(sni, "p%u.", &n) || n > UINT8_MAX) {
        return false;
    }
    vnetenc_ssl_sni_format(n, canonical);
    *profile = n;
    return !strcmp(sni, canonical);
}

bool
vnetenc_ssl_fips(void)
{
    return EVP_default_properties_is_fips_enabled(NULL);
}

/* Texts for the reasons that libssl gives for a failed handshake. */
static const struct {
    int reason;
    const char *text;
} reasons[] = {
    { SSL_R_NO_SHARED_CIPHER,
      "no cipher suite in common: the profile's ciphers must be among those "
      "of the peer, and the key of the certificate EC on P-256 or P-384, or "
      "RSA" },
    { SSL_R_NO_APPLICATION_PROTOCOL,
      "no ALPN in common: the peer does not offer vnetenc/1" },
    { SSL_R_CALLBACK_FAILED,
      "the peer names no profile: an SNI of pN.vnetenc.invalid is "
      "accepted" },
    { SSL_R_UNSUPPORTED_PROTOCOL,
      "no version in common: only DTLS 1.2 is accepted" },
    { SSL_R_WRONG_VERSION_NUMBER,
      "no version in common: only DTLS 1.2 is accepted" },
    { SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "the peer has no certificate" },
    { SSL_R_EXCESSIVE_MESSAGE_SIZE, VNETENC_SSL_TOO_LARGE },
    { SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, VNETENC_SSL_NO_SIGNATURE },
    { SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, VNETENC_SSL_NO_SIGNATURE },
    { SSL_R_WRONG_SIGNATURE_TYPE, VNETENC_SSL_NO_SIGNATURE },
    { SSL_R_WRONG_CURVE, VNETENC_SSL_NO_GROUP },
    { SSL_R_UNSUPPORTED_ELLIPTIC_CURVE, VNETENC_SSL_NO_GROUP },
    { SSL_R_NO_SHARED_GROUPS, VNETENC_SSL_NO_GROUP },
};

const char *
vnetenc_ssl_error(void)
{
    unsigned long int code = ERR_peek_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    static char text[128];

    ERR_clear_error();
    if (!reason) {
        /* A failure of DTLS reassembly leaves no error in the queue. */
        return VNETENC_SSL_TOO_LARGE;
    }
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
        if (ERR_GET_LIB(code) == ERR_LIB_SSL
            && ERR_GET_REASON(code) == reasons[i].reason) {
            return reasons[i].text;
        }
    }
    snprintf(text, sizeof text, "libssl says \"%s\"", reason);
    return text;
}

void
vnetenc_ssl_set_keylog(void (*keylog_)(const char *line))
{
    keylog = keylog_;
}

/* Callbacks of libssl. */

static void
keylog_cb(const SSL *ssl OVS_UNUSED, const char *line)
{
    if (keylog) {
        keylog(line);
    }
}

static int
sni_cb(SSL *ssl, int *alert, void *aux OVS_UNUSED)
{
    const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    struct vnetenc_ssl_owner *owner = owner_of(ssl);
    SSL_CTX *ctx = NULL;
    uint8_t profile;

    if (!SSL_is_server(ssl)) {
        return SSL_TLSEXT_ERR_OK;       /* Nothing to decide. */
    }
    if (sni && vnetenc_ssl_sni_parse(sni, &profile)) {
        ctx = owner->select(owner, profile);
    }
    if (!ctx || !SSL_set_SSL_CTX(ssl, ctx)
        || !SSL_set1_groups_list(
            ssl, groups(SSL_CTX_get_security_level(ctx)))) {
        *alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }

    /* SSL_set_SSL_CTX() copies the certificate but not groups and demands on
     * the client.  Without this call, a client without a certificate would
     * pass. */
    demand(ssl);
    return SSL_TLSEXT_ERR_OK;
}

static int
alpn_cb(SSL *ssl OVS_UNUSED, const unsigned char **out, unsigned char *out_len,
        const unsigned char *in, unsigned int in_len, void *aux OVS_UNUSED)
{
    for (unsigned int i = 0; i < in_len; i += 1 + in[i]) {
        if (in_len - i >= ALPN_BYTES && !memcmp(in + i, alpn, ALPN_BYTES)) {
            *out = alpn + 1;
            *out_len = ALPN_BYTES - 1;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Replaces libssl's own verification of a chain, so that only the owner's rule
 * decides. */
static int
verify_cb(X509_STORE_CTX *store, void *aux OVS_UNUSED)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(
        store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct vnetenc_ssl_owner *owner = owner_of(ssl);
    bool ok = owner->judge(owner, X509_STORE_CTX_get0_cert(store),
                           X509_STORE_CTX_get0_untrusted(store));

    X509_STORE_CTX_set_error(
        store, ok ? X509_V_OK : X509_V_ERR_APPLICATION_VERIFICATION);
    return ok;
}

static int
cookie_verify_cb(SSL *ssl, const unsigned char *cookie, unsigned int size)
{
    struct vnetenc_ssl_owner *owner = owner_of(ssl);

    return owner->check_cookie(owner, cookie, size);
}

/* libssl demands this callback, but only the listener makes cookies. */
static int
cookie_generate_cb(SSL *ssl OVS_UNUSED, unsigned char *cookie OVS_UNUSED,
                   unsigned int *size OVS_UNUSED)
{
    return 0;
}

/* Returns the microseconds until a flight is retransmitted, if the pause
 * before was 'us'; 0 means that there was none. */
static unsigned int
timer_cb(SSL *ssl, unsigned int us)
{
    struct vnetenc_ssl_owner *owner = owner_of(ssl);

    return (us ? MIN(2 * us, VNETENC_RTO_MAX_MS * 1000)
            : owner->flight_begins(owner) * 1000);
}

/* Contexts and objects. */

static uint64_t
demanded_options(void)
{
    return (SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION
            | SSL_OP_NO_RENEGOTIATION);
}

/* Certificates that cred.c and trust.c accept have keys for these. */
static const char signature_algorithms[]
    = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:"
      "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"
      "RSA+SHA256:RSA+SHA384:RSA+SHA512";

static const char *
groups(int level)
{
    return (level >= 4 ? "P-384"
            : vnetenc_ssl_fips() ? "P-256:P-384"
            : "X25519:P-256:P-384");
}

SSL_CTX *
vnetenc_ssl_ctx_new(unsigned int bits)
{
    SSL_CTX *ctx = SSL_CTX_new(DTLS_method());
    int level = vnetenc_strength_level(bits);

    if (!ctx) {
        return NULL;
    }

    /* SSL_CTX_new() has read the host's openssl.cnf: no setting that weakens
     * the protocol may stay. */
    SSL_CTX_clear_options(ctx, SSL_CTX_get_options(ctx));
    SSL_CTX_set_options(ctx, demanded_options());
    SSL_CTX_set_security_level(ctx, level);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_quiet_shutdown(ctx, 1);
    SSL_CTX_set_max_cert_list(ctx, VNETENC_MAX_CERT_LIST_BYTES);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       NULL);

    SSL_CTX_set_cert_verify_callback(ctx, verify_cb, NULL);
    SSL_CTX_set_tlsext_servername_callback(ctx, sni_cb);
    SSL_CTX_set_alpn_select_cb(ctx, alpn_cb, NULL);
    SSL_CTX_set_cookie_generate_cb(ctx, cookie_generate_cb);
    SSL_CTX_set_cookie_verify_cb(ctx, cookie_verify_cb);
    SSL_CTX_set_keylog_callback(ctx, keylog_cb);

    if (!SSL_CTX_set_min_proto_version(ctx, DTLS1_2_VERSION)
        || !SSL_CTX_set_max_proto_version(ctx, DTLS1_2_VERSION)
        || !SSL_CTX_set1_groups_list(ctx, groups(level))
        || !SSL_CTX_set1_sigalgs_list(ctx, signature_algorithms)
        || !SSL_CTX_set1_client_sigalgs_list(ctx, signature_algorithms)) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

/* Returns the context of a responder that does not know the profile yet.  It
 * has no certificate, so no handshake can succeed in it.  It is made once and
 * never freed. */
static SSL_CTX *
ctx_unnamed(void)
{
    static SSL_CTX *ctx;

    if (!ctx) {
        ctx = vnetenc_ssl_ctx_new(VNETENC_SECURITY_BITS);
    }
    return ctx;
}

/* Sets on 'ssl' itself everything that it must not inherit by chance. */
static void
demand(SSL *ssl)
{
    SSL_clear_options(ssl, SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION
                      | SSL_OP_CIPHER_SERVER_PREFERENCE
                      | SSL_OP_NO_EXTENDED_MASTER_SECRET);
    SSL_set_options(ssl, demanded_options());
    SSL_set_security_level(ssl, SSL_CTX_get_security_level(
                                    SSL_get_SSL_CTX(ssl)));
    SSL_set_quiet_shutdown(ssl, 1);
    SSL_set_max_cert_list(ssl, VNETENC_MAX_CERT_LIST_BYTES);
    SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                   NULL);
    SSL_set_mtu(ssl, VNETENC_HANDSHAKE_MTU_BYTES);
    DTLS_set_timer_cb(ssl, timer_cb);
}

static SSL *
ssl_new(SSL_CTX *ctx, struct vnetenc_ssl_owner *owner, BIO *bio)
{
    SSL *ssl = ctx && bio ? SSL_new(ctx) : NULL;

    if (!ssl) {
        BIO_free(bio);
        return NULL;
    }
    SSL_set_bio(ssl, bio, bio);
    SSL_set_ex_data(ssl, owner_index(), owner);
    demand(ssl);
    return ssl;
}

SSL *
vnetenc_ssl_new_client(SSL_CTX *ctx, struct vnetenc_ssl_owner *owner,
                       BIO *bio, uint8_t profile)
{
    SSL *ssl = ssl_new(ctx, owner, bio);
    char sni[VNETENC_SNI_BYTES];

    if (!ssl) {
        return NULL;
    }
    vnetenc_ssl_sni_format(profile, sni);
    if (!SSL_set_tlsext_host_name(ssl, sni)
        || SSL_set_alpn_protos(ssl, alpn, ALPN_BYTES)) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_connect_state(ssl);
    return ssl;
}

SSL *
vnetenc_ssl_new_server(struct vnetenc_ssl_owner *owner, BIO *bio)
{
    SSL *ssl = ssl_new(ctx_unnamed(), owner, bio);

    if (ssl) {
        SSL_set_accept_state(ssl);
    }
    return ssl;
}

const char *
vnetenc_ssl_check(SSL *ssl, const struct vnetenc_suite **suitep)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
    const unsigned char *protocol;
    unsigned int protocol_len;

    *suitep = (cipher
               ? vnetenc_suite_find(SSL_CIPHER_get_protocol_id(cipher))
               : NULL);
    SSL_get0_alpn_selected(ssl, &protocol, &protocol_len);

    if (SSL_version(ssl) != DTLS1_2_VERSION) {
        return "not DTLS 1.2";
    } else if (!*suitep) {
        return "cipher suite not allowed";
    } else if (SSL_get_extms_support(ssl) != 1) {
        return "no extended master secret";
    } else if (protocol_len != ALPN_BYTES - 1
               || memcmp(protocol, alpn + 1, protocol_len)) {
        return "ALPN is not vnetenc/1";
    } else if (SSL_session_reused(ssl)) {
        return "resumed session";
    } else if (!SSL_get0_peer_certificate(ssl)) {
        return "no peer certificate";
    } else if (SSL_get_verify_result(ssl) != X509_V_OK) {
        return "peer certificate not verified";
    }
    return NULL;
}

const char *
vnetenc_ssl_alert_text(uint8_t alert)
{
    switch (alert) {
    case SSL_AD_UNRECOGNIZED_NAME:
        return "unrecognized name: it has no credentials for the profile, or "
               "this host is no member there";
    case SSL_AD_HANDSHAKE_FAILURE:
        return "handshake failure: it refuses the certificate, or no cipher "
               "is in common";
    default:
        return SSL_alert_desc_string_long(alert);
    }
}

bool
vnetenc_ssl_has_server_hello(const SSL *ssl)
{
    OSSL_HANDSHAKE_STATE state = SSL_get_state(ssl);

    return (state != TLS_ST_BEFORE && state != TLS_ST_CW_CLNT_HELLO
            && state != DTLS_ST_CR_HELLO_VERIFY_REQUEST);
}
