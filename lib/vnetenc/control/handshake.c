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
#include "vnetenc/control/handshake.h"

#include <limits.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/rtt.h"
#include "vnetenc/bridge/tunnel.h"
#include "vnetenc/control/dgram.h"
#include "vnetenc/control/hello.h"
#include "vnetenc/control/keys.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc/crypto/secret.h"
#include "vnetenc/trust/cred.h"
#include "vnetenc/trust/failures.h"
#include "vnetenc/trust/ssl.h"
#include "vnetenc/trust/trust.h"

struct vnetenc_handshake {
    struct vnetenc_ssl_owner owner;     /* First: libssl calls back with it. */

    /* Immutable. */
    struct vnetenc_lookup lookup;
    struct in6_addr remote_ip;
    bool responder;
    bool vxlan;                 /* Responder: on the DTLS port of VXLAN. */
    uint8_t hello_random[VNETENC_HELLO_RANDOM_BYTES];   /* Responder. */
    uint8_t cookie[VNETENC_COOKIE_BYTES];               /* Responder. */
    long long int started_ms;

    /* libssl. */
    SSL *ssl;                   /* NULL: gone, see "One owner per write key" */
    struct vnetenc_dgram dgram;
    unsigned int n_early;       /* Records of epoch 1 seen before its keys. */

    /* How far we are. */
    enum vnetenc_handshake_state state;
    long long int timer_ms;     /* libssl's timer in our clock. */
    long long int done_ms;
    long long int now_ms;       /* While libssl is called. */
    long long int flight_ms;    /* The newest flight began; -1: answered. */
    struct vnetenc_rtt rtt;     /* Of this handshake's flights. */
    char *reason;               /* Why FAILED. */
    char *refusal;              /* Why one of our callbacks said no. */
    const char *peer_alert;     /* Of the peer, unverified. */
    bool unrecognized;          /* It says: the profile is not for us. */
    bool no_member;             /* We say so to the peer. */
    bool disturbed;             /* FAILED, not for a reason of ours. */
    bool answered;              /* By a ServerHello. */

    /* Our own decision about the peer's certificate. */
    bool judged;
    uint8_t judged_fingerprint[VNETENC_FINGERPRINT_BYTES];

    /* Result. */
    uint8_t profile;
    struct vnetenc_cred *cred;          /* Of 'profile'. */
    const struct vnetenc_suite *suite;
    struct vnetenc_keys keys;
    bool keys_taken;
    struct vnetenc_cert_chain *peer;
};

static SSL_CTX *select_profile(struct vnetenc_ssl_owner *, uint8_t profile);
static bool judge(struct vnetenc_ssl_owner *, X509 *, STACK_OF(X509) *);
static bool check_cookie(struct vnetenc_ssl_owner *, const uint8_t *, size_t);
static unsigned int flight_begins(struct vnetenc_ssl_owner *);
static void accept_hello(struct vnetenc_handshake *, const void *,
                         size_t);
static void advance(struct vnetenc_handshake *, long long int now_ms);
static void finish(struct vnetenc_handshake *, long long int now_ms);
static void drain(struct vnetenc_handshake *);
static bool is_wanted(struct vnetenc_handshake *,
                      const struct vnetenc_record *, const uint8_t *body);
static void fail(struct vnetenc_handshake *, enum vnetenc_failure,
                 const char *format, ...) OVS_PRINTF_FORMAT(3, 4);

static struct vnetenc_handshake *
handshake_create(const struct vnetenc_lookup *lookup,
                 const struct in6_addr *remote_ip, long long int now_ms)
{
    struct vnetenc_handshake *h = vnetenc_secret_alloc(sizeof *h);

    h->owner.select = select_profile;
    h->owner.judge = judge;
    h->owner.check_cookie = check_cookie;
    h->owner.flight_begins = flight_begins;
    h->lookup = *lookup;
    h->remote_ip = *remote_ip;
    h->started_ms = h->now_ms = now_ms;
    h->flight_ms = -1;
    h->timer_ms = LLONG_MAX;
    h->state = VNETENC_HANDSHAKE_RUNNING;
    vnetenc_dgram_init(&h->dgram);
    ERR_clear_error();
    return h;
}

struct vnetenc_handshake *
vnetenc_handshake_initiate(const struct vnetenc_lookup *lookup,
                           const struct in6_addr *remote_ip, uint8_t profile,
                           long long int now_ms)
{
    struct vnetenc_handshake *h = handshake_create(lookup, remote_ip, now_ms);
    SSL_CTX *ctx = select_profile(&h->owner, profile);

    h->profile = profile;
    if (!ctx) {
        fail(h, VNETENC_FAILURE_internal, "refused");
        return h;
    }
    h->ssl = vnetenc_ssl_new_client(ctx, &h->owner,
                                    vnetenc_dgram_bio_new(&h->dgram),
                                    profile);
    if (!h->ssl) {
        fail(h, VNETENC_FAILURE_internal, "cannot start: %s",
             vnetenc_ssl_error());
        return h;
    }
    advance(h, now_ms);
    return h;
}

struct vnetenc_handshake *
vnetenc_handshake_respond(const struct vnetenc_lookup *lookup,
                          const struct vnetenc_endpoints *ends,
                          const void *data, size_t size, long long int now_ms)
{
    struct vnetenc_handshake *h
        = handshake_create(lookup, &ends->client_ip, now_ms);
    struct vnetenc_hello hello;

    h->responder = true;
    h->vxlan = vnetenc_tunnel_is_vxlan(ends->local_port);
    if (vnetenc_hello_parse(data, size, &hello) != VNETENC_HELLO_OK
        || hello.cookie_size != sizeof h->cookie) {
        fail(h, VNETENC_FAILURE_protocol,
             "not a ClientHello with a cookie");
        return h;
    }
    memcpy(h->hello_random, hello.random, sizeof h->hello_random);
    memcpy(h->cookie, hello.cookie, sizeof h->cookie);
    vnetenc_dgram_number_from(&h->dgram, hello.record_sequence);

    h->ssl = vnetenc_ssl_new_server(&h->owner,
                                    vnetenc_dgram_bio_new(&h->dgram));
    if (!h->ssl) {
        fail(h, VNETENC_FAILURE_internal, "cannot start: %s",
             vnetenc_ssl_error());
        return h;
    }
    accept_hello(h, data, size);
    advance(h, now_ms);
    return h;
}

void
vnetenc_handshake_destroy(struct vnetenc_handshake *h)
{
    if (h) {
        SSL_free(h->ssl);
        vnetenc_dgram_uninit(&h->dgram);
        vnetenc_cred_unref(h->cred);
        vnetenc_cert_chain_destroy(h->peer);
        free(h->reason);
        free(h->refusal);
        vnetenc_secret_free(h);
    }
}

void
vnetenc_handshake_input(struct vnetenc_handshake *h, const void *data,
                        size_t size, long long int now_ms)
{
    struct vnetenc_record record;
    const uint8_t *body;
    size_t start = 0;
    size_t pos = 0;

    if (size > VNETENC_MAX_DATAGRAM_BYTES) {
        return;
    }

    /* libssl reads one record at a time, because whether it may see a record
     * depends on how far the records before have brought the handshake. */
    while (h->ssl
           && (body = vnetenc_record_next(data, size, &pos, &record))) {
        if (is_wanted(h, &record, body)) {
            vnetenc_dgram_lend(&h->dgram, (const uint8_t *) data + start,
                               pos - start);
            if (h->state == VNETENC_HANDSHAKE_RUNNING) {
                advance(h, now_ms);
            } else {
                drain(h);
            }
            vnetenc_dgram_take_back(&h->dgram);
        }
        start = pos;
    }
}

enum vnetenc_handshake_state
vnetenc_handshake_state(const struct vnetenc_handshake *h)
{
    return h->state;
}

const char *
vnetenc_handshake_reason(const struct vnetenc_handshake *h)
{
    return h->reason ? h->reason : "";
}

bool
vnetenc_handshake_was_answered(const struct vnetenc_handshake *h)
{
    return h->answered;
}

bool
vnetenc_handshake_was_refused(const struct vnetenc_handshake *h)
{
    return h->peer_alert != NULL;
}

bool
vnetenc_handshake_is_unrecognized(const struct vnetenc_handshake *h)
{
    return h->unrecognized;
}

bool
vnetenc_handshake_refused_member(const struct vnetenc_handshake *h)
{
    return h->no_member;
}

bool
vnetenc_handshake_was_disturbed(const struct vnetenc_handshake *h)
{
    return h->state == VNETENC_HANDSHAKE_FAILED && h->disturbed;
}

/* Returns the failure of a handshake that does not end. */
static enum vnetenc_failure
no_end(const struct vnetenc_handshake *h)
{
    return (h->peer_alert ? VNETENC_FAILURE_refused_by_peer
            : VNETENC_FAILURE_too_slow);
}

void
vnetenc_handshake_abandon(struct vnetenc_handshake *h)
{
    if (h->state == VNETENC_HANDSHAKE_RUNNING) {
        fail(h, no_end(h), "peer stopped answering");
    }
}

struct ofpbuf *
vnetenc_handshake_pop_output(struct vnetenc_handshake *h)
{
    /* PROTOCOL.md section 3: the responder publishes its receive keys first
     * and only then sends its last flight. */
    if (h->state == VNETENC_HANDSHAKE_DONE && !h->keys_taken) {
        return NULL;
    }
    return vnetenc_dgram_pop(&h->dgram);
}

bool
vnetenc_handshake_owns_hello(const struct vnetenc_handshake *h,
                             const void *data, size_t size)
{
    struct vnetenc_hello hello;

    return (h->responder
            && vnetenc_hello_parse(data, size, &hello)
            == VNETENC_HELLO_OK
            && !memcmp(hello.random, h->hello_random, sizeof h->hello_random));
}

void
vnetenc_handshake_take_keys(struct vnetenc_handshake *h,
                            struct vnetenc_keys *keys)
{
    ovs_assert(h->state == VNETENC_HANDSHAKE_DONE && !h->keys_taken);
    *keys = h->keys;
    vnetenc_keys_wipe(&h->keys);
    h->keys_taken = true;
}

struct vnetenc_cert_chain *
vnetenc_handshake_take_peer(struct vnetenc_handshake *h)
{
    struct vnetenc_cert_chain *peer = h->peer;

    ovs_assert(h->state == VNETENC_HANDSHAKE_DONE && peer);
    h->peer = NULL;
    return peer;
}

const char *
vnetenc_handshake_suite(const struct vnetenc_handshake *h)
{
    return h->suite ? h->suite->name : "";
}

uint8_t
vnetenc_handshake_profile(const struct vnetenc_handshake *h)
{
    return h->profile;
}

bool
vnetenc_handshake_nonces_ok(const struct vnetenc_handshake *h)
{
    /* A suite that is not known yet may have explicit nonces. */
    return vnetenc_dgram_nonces_ok(
        &h->dgram, (!h->suite || vnetenc_cipher_info(h->suite->cipher)
                                 ->explicit_bytes));
}

struct vnetenc_dgram_nonces
vnetenc_handshake_nonces(const struct vnetenc_handshake *h)
{
    return h->dgram.nonces;
}

void
vnetenc_handshake_set_keylog(void (*keylog)(const char *line))
{
    vnetenc_ssl_set_keylog(keylog);
}

struct vnetenc_dgram *
vnetenc_handshake_dgram(struct vnetenc_handshake *h)
{
    return &h->dgram;
}

static struct vnetenc_handshake *
handshake_from_owner(struct vnetenc_ssl_owner *owner)
{
    return CONTAINER_OF(owner, struct vnetenc_handshake, owner);
}

/* Timers.
 *
 * libssl's timer follows the wall clock, ours the monotonic one.  After each
 * call of libssl we read its timer, note in our own clock when it will expire,
 * and let libssl handle it when our clock reaches that time.  If the wall
 * clock was set back, libssl reports hours: then the attempt counts as
 * expired, and its successor starts with a fresh timer. */

/* Returns the milliseconds until libssl's timer expires, or -1 if it is not
 * running. */
static long long int
libssl_timer(SSL *ssl)
{
    struct timeval tv;

    return (DTLSv1_get_timeout(ssl, &tv)
            ? tv.tv_sec * 1000LL + DIV_ROUND_UP(tv.tv_usec, 1000)
            : -1);
}

/* A flight that was sent is answered. */
static void
flight_ends(struct vnetenc_handshake *h)
{
    if (h->flight_ms >= 0) {
        vnetenc_rtt_guess(&h->rtt, h->now_ms - h->flight_ms);
        h->flight_ms = -1;
    }
}

/* libssl sends a flight, which it does when the one before it is answered.
 * Returns after how many milliseconds the flight is to be repeated. */
static unsigned int
flight_begins(struct vnetenc_ssl_owner *owner)
{
    struct vnetenc_handshake *h = handshake_from_owner(owner);

    flight_ends(h);
    h->flight_ms = h->now_ms;
    return (h->rtt.known || !h->lookup.timer_ms
            ? vnetenc_rtt_timeout(&h->rtt, VNETENC_HANDSHAKE_TIMER_MS)
            : h->lookup.timer_ms(h->lookup.aux, &h->remote_ip));
}

const struct vnetenc_rtt *
vnetenc_handshake_rtt(const struct vnetenc_handshake *h)
{
    return &h->rtt;
}

/* Notes when libssl's timer expires.  Call this after each call of libssl. */
static void
rearm(struct vnetenc_handshake *h, long long int now_ms)
{
    long long int left = libssl_timer(h->ssl);

    if (left > VNETENC_RTO_MAX_MS) {
        fail(h, VNETENC_FAILURE_internal,
             "expired: the wall clock was set back");
    } else {
        h->timer_ms = left < 0 ? LLONG_MAX : now_ms + left;
    }
}

long long int
vnetenc_handshake_deadline_ms(const struct vnetenc_handshake *h)
{
    switch (h->state) {
    case VNETENC_HANDSHAKE_RUNNING:
        return MIN(h->timer_ms,
                   h->started_ms + VNETENC_HANDSHAKE_DEADLINE_MS);
    case VNETENC_HANDSHAKE_DONE:
        return (h->responder ? h->done_ms + VNETENC_RESPONDER_KEEP_MS
                : LLONG_MAX);
    case VNETENC_HANDSHAKE_FAILED:
    default:
        return LLONG_MAX;
    }
}

void
vnetenc_handshake_tick(struct vnetenc_handshake *h, long long int now_ms)
{
    if (h->state != VNETENC_HANDSHAKE_RUNNING) {
        return;
    }
    if (now_ms >= h->started_ms + VNETENC_HANDSHAKE_DEADLINE_MS) {
        fail(h, no_end(h), "no end within %d s",
             VNETENC_HANDSHAKE_DEADLINE_MS / 1000);
        return;
    }
    if (now_ms < h->timer_ms) {
        return;
    }

    ERR_clear_error();
    h->now_ms = now_ms;
    if (DTLSv1_handle_timeout(h->ssl) < 0) {
        fail(h, VNETENC_FAILURE_internal, "cannot repeat a flight: %s",
             vnetenc_ssl_error());
        return;
    }
    rearm(h, now_ms);
}

/* Decisions that libssl asks for. */

/* Makes 'text' the reason of the refusal and takes ownership of it. */
static void
refuse(struct vnetenc_handshake *h, char *text)
{
    free(h->refusal);
    h->refusal = text;
}

static SSL_CTX *
select_profile(struct vnetenc_ssl_owner *owner, uint8_t profile)
{
    struct vnetenc_handshake *h = handshake_from_owner(owner);
    struct vnetenc_cred *cred = h->lookup.cred(h->lookup.aux, profile);
    const struct vnetenc_trust *trust
        = h->lookup.trust(h->lookup.aux, &h->remote_ip);
    char *why;

    if (h->cred) {
        refuse(h, vnetenc_failure_text(VNETENC_FAILURE_protocol,
                                       "profile named twice"));
        return NULL;
    }
    h->profile = profile;
    if (h->vxlan && profile) {
        refuse(h, vnetenc_trust_vxlan_error(profile));
        return NULL;
    }
    /* Before any signature is made or verified.  A peer that was removed in
     * the meantime is refused when its certificate is judged. */
    why = trust ? vnetenc_trust_judge_member(trust, profile) : NULL;
    if (why) {
        h->no_member = true;
        refuse(h, why);
        return NULL;
    }
    if (!cred) {
        refuse(h, h->lookup.why_no_cred(h->lookup.aux, profile));
        return NULL;
    }
    h->cred = vnetenc_cred_ref(cred);
    return vnetenc_cred_ssl_ctx(cred);
}

static bool
judge(struct vnetenc_ssl_owner *owner, X509 *leaf, STACK_OF(X509) *chain)
{
    struct vnetenc_handshake *h = handshake_from_owner(owner);
    char *why = NULL;

    h->judged = (vnetenc_cert_fingerprint(leaf, h->judged_fingerprint)
                 && vnetenc_trust_judge(
                     h->lookup.trust(h->lookup.aux, &h->remote_ip),
                     h->cred, leaf, chain, &why));
    if (!h->judged) {
        refuse(h, why);
    }
    return h->judged;
}

static bool
check_cookie(struct vnetenc_ssl_owner *owner, const uint8_t *cookie,
             size_t size)
{
    struct vnetenc_handshake *h = handshake_from_owner(owner);

    return (h->responder && size == sizeof h->cookie
            && !CRYPTO_memcmp(cookie, h->cookie, size));
}

/* Steps. */

static void
fail(struct vnetenc_handshake *h, enum vnetenc_failure failure,
     const char *format, ...)
{
    struct ds reason = DS_EMPTY_INITIALIZER;
    va_list args;

    if (h->refusal) {
        ds_put_cstr(&reason, h->refusal);
    } else {
        ds_put_format(&reason, "%s: ", vnetenc_failure_name(failure));
        va_start(args, format);
        ds_put_format_valist(&reason, format, args);
        va_end(args);
    }
    if (h->peer_alert) {
        ds_put_format(&reason, " (peer says, unverified: %s)", h->peer_alert);
    }

    free(h->reason);
    h->reason = ds_steal_cstr(&reason);
    h->state = VNETENC_HANDSHAKE_FAILED;
    SSL_free(h->ssl);
    h->ssl = NULL;
    vnetenc_keys_wipe(&h->keys);
}

/* Makes libssl take the ClientHello for the second one, which answers a
 * HelloVerifyRequest. */
static void
accept_hello(struct vnetenc_handshake *h, const void *data, size_t size)
{
    BIO_ADDR *client = BIO_ADDR_new();

    vnetenc_dgram_lend(&h->dgram, data, size);
    if (!client || DTLSv1_listen(h->ssl, client) != 1) {
        fail(h, VNETENC_FAILURE_protocol, "ClientHello refused: %s",
             vnetenc_ssl_error());
    }
    vnetenc_dgram_take_back(&h->dgram);
    BIO_ADDR_free(client);
}

static void
advance(struct vnetenc_handshake *h, long long int now_ms)
{
    int retval;

    if (h->state != VNETENC_HANDSHAKE_RUNNING) {
        return;
    }
    ERR_clear_error();
    h->now_ms = now_ms;
    retval = SSL_do_handshake(h->ssl);
    h->answered = h->answered || vnetenc_ssl_has_server_hello(h->ssl);
    if (retval == 1) {
        flight_ends(h);
        finish(h, now_ms);
    } else if (SSL_get_error(h->ssl, retval) == SSL_ERROR_WANT_READ) {
        rearm(h, now_ms);
    } else {
        h->disturbed = !h->refusal;
        fail(h, VNETENC_FAILURE_protocol, "%s", vnetenc_ssl_error());
    }
}

/* Judges the peer's certificate once more by the present configuration, which
 * may have changed since libssl asked, up to 10 s ago. */
static char *
judge_again(struct vnetenc_handshake *h)
{
    struct vnetenc_cred *cred = h->lookup.cred(h->lookup.aux, h->profile);
    const struct vnetenc_trust *trust
        = h->lookup.trust(h->lookup.aux, &h->remote_ip);
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(h->ssl);
    X509 *leaf = SSL_get0_peer_certificate(h->ssl);
    char *why;

    if (!h->judged) {
        return vnetenc_failure_text(VNETENC_FAILURE_internal,
                                    "certificate was not judged");
    }
    h->peer = vnetenc_cert_chain_create(leaf, chain);
    if (!h->peer || memcmp(vnetenc_cert_chain_fingerprint(h->peer),
                           h->judged_fingerprint,
                           sizeof h->judged_fingerprint)) {
        return vnetenc_failure_text(VNETENC_FAILURE_internal, "certificate is "
                                    "not the one that was judged");
    }
    return vnetenc_trust_judge(trust, cred, leaf, chain, &why) ? NULL : why;
}

/* Returns the reason why the handshake that libssl has finished must not
 * count, or NULL. */
static char *
examine(struct vnetenc_handshake *h)
{
    /* The profile may have changed since the handshake began. */
    const struct vnetenc_cred *cred
        = h->lookup.cred(h->lookup.aux, h->profile);
    const char *problem = vnetenc_ssl_check(h->ssl, &h->suite);
    char *why;

    if (problem) {
        return vnetenc_failure_text(VNETENC_FAILURE_protocol, "%s", problem);
    }
    if (!cred || !vnetenc_cred_has_cipher(cred, h->suite->cipher)) {
        return vnetenc_failure_text(VNETENC_FAILURE_no_cipher,
                                    "profile %u has no %s", h->profile,
                                    h->suite->name);
    }
    why = judge_again(h);
    if (why) {
        return why;
    }
    if (!vnetenc_handshake_nonces_ok(h)) {
        return vnetenc_failure_text(VNETENC_FAILURE_nonce, "libssl drew a "
                                    "nonce that could be ours");
    }
    if (!vnetenc_keys_derive(h->ssl, &h->keys)) {
        return vnetenc_failure_text(VNETENC_FAILURE_internal,
                                    "record keys cannot be derived");
    }
    return NULL;
}

static void
finish(struct vnetenc_handshake *h, long long int now_ms)
{
    char *why = examine(h);

    if (why) {
        /* The output has the last flight, which would tell the client that the
         * handshake succeeded. */
        vnetenc_dgram_purge(&h->dgram);
        refuse(h, why);
        fail(h, VNETENC_FAILURE_internal, "refused");
        return;
    }

    h->state = VNETENC_HANDSHAKE_DONE;
    h->done_ms = now_ms;
    if (!h->responder) {
        SSL_free(h->ssl);
        h->ssl = NULL;
    }
}

/* Lets a responder's libssl, after DONE, read what the client retransmits, to
 * which libssl answers with its last flight. */
static void
drain(struct vnetenc_handshake *h)
{
    uint8_t plaintext[VNETENC_MAX_DATAGRAM_BYTES];
    int n;

    ERR_clear_error();
    while ((n = SSL_read(h->ssl, plaintext, sizeof plaintext)) > 0) {
        vnetenc_drop_count(VNETENC_DROP_ctl_app_data, 1);
    }
    OPENSSL_cleanse(plaintext, sizeof plaintext);
    if (SSL_get_error(h->ssl, n) != SSL_ERROR_WANT_READ) {
        /* An authenticated alert came: libssl has nothing more to
         * retransmit. */
        ERR_clear_error();
        SSL_free(h->ssl);
        h->ssl = NULL;
    }
}

/* Returns true if libssl has read the peer's ChangeCipherSpec and therefore
 * opens records of epoch 1 at once. */
static bool
reads_epoch_1(const SSL *ssl)
{
    OSSL_HANDSHAKE_STATE state = SSL_get_state(ssl);

    return (state == TLS_ST_CR_CHANGE || state == TLS_ST_SR_CHANGE
            || SSL_is_init_finished(ssl));
}

/* A shorter record of epoch 1 holds no message.  libssl would not ignore it
 * but end the handshake: with AES-GCM a record must have room for a nonce and
 * a tag. */
enum { MIN_EPOCH_1_BYTES = VNETENC_EXPLICIT_NONCE_BYTES + VNETENC_TAG_BYTES };

/* Returns true if libssl may see 'record', which is of epoch 1.
 *
 * libssl keeps such a record, with a buffer of 17 kB, until it has keys for
 * it, as RFC 6347 section 4.1 allows for a Finished that overtook its
 * ChangeCipherSpec.  Anyone who knows both ports can forge such records, and
 * libssl notes their numbers before it can tell that they are forged.
 * Therefore libssl sees only a few of them, with low numbers: they neither
 * take much memory nor move its replay window past the Finished, which comes
 * after its ChangeCipherSpec when the flight is retransmitted. */
static bool
is_wanted_in_epoch_1(struct vnetenc_handshake *h,
                     const struct vnetenc_record *record)
{
    if (record->length < MIN_EPOCH_1_BYTES) {
        return false;
    }
    if (reads_epoch_1(h->ssl)) {
        return true;
    }
    if (h->n_early >= VNETENC_EARLY_RECORDS
        || record->seq >= VNETENC_EARLY_SEQS) {
        vnetenc_drop_count(VNETENC_DROP_ctl_early, 1);
        return false;
    }
    h->n_early++;
    return true;
}

/* Returns true if libssl may see 'record', whose body is at 'body'. */
static bool
is_wanted(struct vnetenc_handshake *h, const struct vnetenc_record *record,
          const uint8_t *body)
{
    bool running = h->state == VNETENC_HANDSHAKE_RUNNING;

    switch (record->type) {
    case VNETENC_RECORD_ALERT:
        if (!record->epoch) {
            /* Anyone may have sent it.  The attempt runs to its deadline. */
            if (running && record->length == 2) {
                h->peer_alert = vnetenc_ssl_alert_text(body[1]);
                h->unrecognized = body[1] == SSL_AD_UNRECOGNIZED_NAME;
            }
            return false;
        }
        break;
    case VNETENC_RECORD_DATA:
        vnetenc_drop_count(VNETENC_DROP_ctl_app_data, 1);
        return false;
    case VNETENC_RECORD_CHANGE_CIPHER_SPEC:
    case VNETENC_RECORD_HANDSHAKE:
        break;
    default:
        return false;
    }

    /* After the handshake no record in clear has a meaning. */
    if (!record->epoch) {
        return running;
    }
    return (record->epoch == VNETENC_EPOCH
            && is_wanted_in_epoch_1(h, record));
}
