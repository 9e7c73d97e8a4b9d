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

#ifndef VNETENC_SSL_H
#define VNETENC_SSL_H 1

/* libssl, set up as PROTOCOL.md section 2 demands
 * ===============================================
 *
 * This file sets everything that is set on an SSL_CTX or an SSL object, and
 * checks that a finished handshake complied.  It takes no decisions: it passes
 * libssl's callbacks on to the owner of the SSL object.
 *
 * Thread-safety: none.  Control thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <openssl/ssl.h>
#include "compiler.h"

struct vnetenc_suite;

/* The decisions for one SSL object. */
struct vnetenc_ssl_owner {
    /* Responder: returns the context for the profile that the ClientHello
     * names, or NULL to refuse it. */
    SSL_CTX *(*select)(struct vnetenc_ssl_owner *, uint8_t profile);

    /* Returns true if the peer's certificate may speak for the peer. */
    bool (*judge)(struct vnetenc_ssl_owner *, X509 *leaf,
                  STACK_OF(X509) *chain);

    /* Responder: returns true if this is the cookie that the listener found
     * good. */
    bool (*check_cookie)(struct vnetenc_ssl_owner *, const uint8_t *cookie,
                         size_t size);

    /* Called when a flight is sent for the first time.  Returns after how many
     * milliseconds it is to be retransmitted. */
    unsigned int (*flight_begins)(struct vnetenc_ssl_owner *);
};

/* Returns a context for a strength of 'bits', without certificate and key, or
 * NULL if libssl fails. */
SSL_CTX *vnetenc_ssl_ctx_new(unsigned int bits);

/* Returns the SSL object of an initiator that asks for 'profile', or of a
 * responder.  Its callbacks go to 'owner', which must outlive it.  It reads
 * and writes 'bio', of which it takes ownership in any case.  The caller frees
 * it.  Returns NULL if 'ctx' or 'bio' is NULL or libssl fails. */
SSL *vnetenc_ssl_new_client(SSL_CTX *ctx, struct vnetenc_ssl_owner *owner,
                            BIO *bio, uint8_t profile);
SSL *vnetenc_ssl_new_server(struct vnetenc_ssl_owner *owner, BIO *bio);

/* Checks the result of a finished handshake.  If it complies with PROTOCOL.md,
 * returns NULL and stores the suite in '*suitep'.  Otherwise returns a text
 * that names the violation. */
const char *vnetenc_ssl_check(SSL *, const struct vnetenc_suite **suitep)
    OVS_WARN_UNUSED_RESULT;

/* Returns a text that says why libssl failed and what would have been
 * accepted.  Empties libssl's queue of errors.  The text is valid until the
 * next call. */
const char *vnetenc_ssl_error(void);

/* Returns true if OpenSSL's fips property is on: no X25519, no ChaCha20. */
bool vnetenc_ssl_fips(void);

/* Returns the name of an alert, and its meaning if it has one here. */
const char *vnetenc_ssl_alert_text(uint8_t alert);

/* Returns true if libssl, as a client, has read a ServerHello. */
bool vnetenc_ssl_has_server_hello(const SSL *);

/* Implements vnetenc_handshake_set_keylog(). */
void vnetenc_ssl_set_keylog(void (*)(const char *line));

/* SNI, PROTOCOL.md section 1: "p<N>.vnetenc.invalid" for profile N. */
enum { VNETENC_SNI_BYTES = sizeof "p255.vnetenc.invalid" };

/* Writes the server name of 'profile'. */
void vnetenc_ssl_sni_format(uint8_t profile, char sni[VNETENC_SNI_BYTES]);

/* Parses a server name.  Returns false unless it is exactly what
 * vnetenc_ssl_sni_format() writes for some profile. */
bool vnetenc_ssl_sni_parse(const char *sni, uint8_t *profile)
    OVS_WARN_UNUSED_RESULT;

#endif /* vnetenc/trust/ssl.h */
