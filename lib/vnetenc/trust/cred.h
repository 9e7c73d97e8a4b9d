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

#ifndef VNETENC_CRED_H
#define VNETENC_CRED_H 1

/* A profile's credentials
 * =======================
 *
 * The credentials of a profile are our own key and certificate, the CA and CRL
 * by which peers are judged, and the ciphers that are offered and accepted.
 * All that a handshake of the profile needs is loaded once and never changed.
 * Reloading makes a new object; running handshakes keep the old one.
 *
 * Without 'certificate' and 'private_key' the hypervisor's own key (ECDSA
 * P-256) and self-signed certificate are used.  They are made if there are
 * none, and live in one file of 'directory', so they always match.
 *
 * Lifetime: reference-counted.
 *
 * Thread-safety: none.  Control thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <openssl/types.h>
#include "compiler.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc/trust/configuration.h"

/* Sources of credentials.  NULL means "not configured". */
struct vnetenc_cred_config {
    uint8_t profile;
    const char *directory;      /* Of the self-made pair; made if missing. */
    const char *certificate;    /* PEM, leaf first, then its chain. */
    const char *private_key;    /* PEM, readable only by its owner. */
    const char *ca_cert;        /* PEM, any number of CAs. */
    const char *crl;            /* PEM: a CRL of every CA of a chain. */
    const char *ciphers;        /* Colon list, best first; NULL for all. */
    unsigned int strength;      /* Bits; 0 for VNETENC_SECURITY_BITS. */

    /* Instead of the four files: what trust/find.h has found.  The own
     * certificate is one that is listed, or has a listed CA in its chain. */
    struct vnetenc_config_fingerprints certificates;
    struct vnetenc_config_fingerprints revoked;
    const uint8_t *keep;        /* If this one will do, take no newer one.
                                 * May be NULL. */
};

struct smap;
struct vnetenc_cred;

/* Loads 'config' into a new '*credp'.  Returns NULL if successful, otherwise
 * sets '*credp' to NULL and returns a text that names option, file and cause,
 * which the caller frees. */
char *vnetenc_cred_load(const struct vnetenc_cred_config *config,
                        struct vnetenc_cred **credp)
    OVS_WARN_UNUSED_RESULT;

/* Takes another reference.  Returns NULL for NULL. */
struct vnetenc_cred *vnetenc_cred_ref(const struct vnetenc_cred *);

/* Releases a reference, which may be NULL. */
void vnetenc_cred_unref(struct vnetenc_cred *);

/* Returns the profile for which the credentials were loaded. */
uint8_t vnetenc_cred_profile(const struct vnetenc_cred *);

/* Returns the SHA-256 of our own certificate. */
const uint8_t *vnetenc_cred_fingerprint(const struct vnetenc_cred *);

/* Returns the expiry of our own certificate, as "2031-01-31T23:59:59Z". */
const char *vnetenc_cred_not_after(const struct vnetenc_cred *);

/* Returns NULL if our own certificate is valid at 'now', in wall-clock time,
 * otherwise a text that names the file and the date: peers refuse it.  The
 * caller frees the text. */
char *vnetenc_cred_check_dates(const struct vnetenc_cred *, time_t now)
    OVS_WARN_UNUSED_RESULT;

/* Returns true if our own certificate will soon expire, see
 * vnetenc_cert_expires_soon(). */
bool vnetenc_cred_expires_soon(const struct vnetenc_cred *, time_t now);

/* Returns true if our own certificate is the self-signed one of
 * trust/selfcert.h. */
bool vnetenc_cred_is_self_made(const struct vnetenc_cred *);

/* Returns the least strength of keys and signatures, in bits. */
unsigned int vnetenc_cred_strength(const struct vnetenc_cred *);

/* Returns the listed certificates, of which there are none if peers are judged
 * by pins and 'ca_cert'. */
const struct vnetenc_config_fingerprints *vnetenc_cred_listed(
    const struct vnetenc_cred *);

/* Returns the certificates that are not accepted. */
const struct vnetenc_config_fingerprints *vnetenc_cred_revoked(
    const struct vnetenc_cred *);

/* Replaces the certificates that are not accepted. */
void vnetenc_cred_set_revoked(struct vnetenc_cred *,
                              const struct vnetenc_config_fingerprints *);

/* Returns true if 'keep' is shown though there is a newer certificate. */
bool vnetenc_cred_has_newer(const struct vnetenc_cred *);

/* Adds the listed certificates that this host can use, see
 * vnetenc_usable_get(). */
void vnetenc_cred_usable(const struct vnetenc_cred *, time_t now,
                         struct smap *);

/* Returns NULL, or a text that says which of our own certificate and the CRLs
 * will soon expire, and in how many days.  The caller frees it. */
char *vnetenc_cred_warning(const struct vnetenc_cred *, time_t now);

/* Returns the ciphers, best first, in the form of the configuration. */
const char *vnetenc_cred_ciphers(const struct vnetenc_cred *);

/* Returns true if the profile has the cipher of 'info'. */
bool vnetenc_cred_has_cipher_info(const struct vnetenc_cred *,
                                  const struct vnetenc_cipher_info *info);

/* Returns true if the profile has the cipher. */
bool vnetenc_cred_has_cipher(const struct vnetenc_cred *, enum vnetenc_cipher);

/* Returns true if both have the same certificate of our own, with the same
 * chain, and the same ciphers in the same order, so that sessions need not be
 * replaced. */
bool vnetenc_cred_is_same_own(const struct vnetenc_cred *,
                              const struct vnetenc_cred *);

/* Returns the CAs by which peers are judged, with the CRLs, or NULL without
 * 'ca_cert' and without a listed CA. */
X509_STORE *vnetenc_cred_ca(const struct vnetenc_cred *);

/* Returns true if there is a CRL.  Then each CA of a chain must have one. */
bool vnetenc_cred_has_crl(const struct vnetenc_cred *);

/* Returns libssl's context, for control/handshake.c.  The credentials keep
 * their reference. */
SSL_CTX *vnetenc_cred_ssl_ctx(const struct vnetenc_cred *);

#endif /* vnetenc/trust/cred.h */
