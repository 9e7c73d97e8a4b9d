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

#ifndef VNETENC_FIND_H
#define VNETENC_FIND_H 1

/* Credentials that are found by content
 * =====================================
 *
 * The directory `credentials' under that of the host's own key holds, for any
 * NAME:
 *
 *   - NAME.pem: a certificate, then its chain with the trusted CA, and perhaps
 *     its private key.  A CA alone is fine.
 *
 *   - NAME.key: the private key, if NAME.pem has none.
 *
 *   - NAME.crl: CRLs, if there are any.
 *
 * A file with a key must belong to us or to root, and be closed to all others;
 * nobody else may write to the directory.  Only VNETENC_MAX_FOUND
 * names are read: those that were read before, then the first ones.  When a
 * file of a name becomes unreadable, or NAME.crl goes away alone, what was
 * read before stays, with an error; when NAME.pem goes away, so does all of
 * NAME.  If NAME.crl could never be read, the CAs of NAME.pem are not to be
 * trusted.
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <openssl/types.h>
#include <openssl/x509.h>
#include "compiler.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/trust/configuration.h"

/* The name of the directory. */
#define VNETENC_FIND_DIRECTORY "credentials"

/* Files with one name. */
struct vnetenc_found {
    char *name;                 /* "credentials/NAME.pem". */
    char *error;                /* Why it could not be read again, or NULL. */

    /* What was read when there was no error. */
    STACK_OF(X509) *certs;      /* Leaf first, never empty; or NULL. */
    uint8_t (*fingerprints)[VNETENC_FINGERPRINT_BYTES]; /* Of 'certs'. */
    EVP_PKEY *key;              /* Of the leaf, or NULL. */
    STACK_OF(X509_CRL) *crls;   /* Or NULL. */
    bool lacks_crl;             /* NAME.crl is needed, see 'error'. */
};

/* Reads again what has changed in 'directory'/credentials. */
void vnetenc_find_run(const char *directory);

/* Returns a number that changes when what was found changes. */
unsigned int vnetenc_find_generation(void);

/* Returns what was found, in order of names, and their number. */
const struct vnetenc_found *const *vnetenc_find_all(size_t *n);

/* Returns true if one of 'set' was found. */
bool vnetenc_find_has_any(const struct vnetenc_config_fingerprints *set);

/* Returns the fingerprint of one of 'set' that has issued 'cert', by itself or
 * through others that were found, or NULL if none that was found has. */
const uint8_t *vnetenc_find_issuer(
    X509 *cert, const struct vnetenc_config_fingerprints *set);

/* Sets '*store' to a new store of the CAs that were found, are 'listed' and
 * not 'revoked', with their CRLs, or to NULL if there is none, and '*has_crl'
 * to true if it has any CRL.  Returns NULL if successful, otherwise an error
 * text that the caller frees. */
char *vnetenc_find_cas(const struct vnetenc_config_fingerprints *listed,
                       const struct vnetenc_config_fingerprints *revoked,
                       X509_STORE **store, bool *has_crl)
    OVS_WARN_UNUSED_RESULT;

/* Returns why the directory cannot be used in part or at all, or NULL. */
const char *vnetenc_find_error(void);

/* Returns the error of a profile of which none is our own certificate.  The
 * caller frees it. */
char *vnetenc_find_none(void);

/* Returns true if the certificate chains to one of 'cas', which may be NULL,
 * whenever it is valid. */
bool vnetenc_found_chains_to(const struct vnetenc_found *, X509_STORE *cas);

/* Returns true if the certificate is valid at 'now', in wall-clock time. */
bool vnetenc_found_is_valid(const struct vnetenc_found *, time_t now);

/* Returns true if 'a' is a better certificate of our own than 'b': it is valid
 * at 'now' and 'b' is not, or it began later. */
bool vnetenc_found_is_better(const struct vnetenc_found *a,
                             const struct vnetenc_found *b, time_t now);

/* Forgets everything. */
void vnetenc_find_end(void);

#endif /* vnetenc/trust/find.h */
