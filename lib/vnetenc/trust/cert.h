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

#ifndef VNETENC_CERT_H
#define VNETENC_CERT_H 1

/* Certificates: fingerprints, dates and chains
 * ============================================
 *
 * Thread-safety: pure functions of their arguments and of OpenSSL's reference
 * counts.  Control thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <openssl/x509.h>
#include "compiler.h"
#include "vnetenc/base/limits.h"

/* "sha256:", 64 hexadecimal digits, a null byte. */
enum { VNETENC_FINGERPRINT_TEXT_BYTES = 7 + 64 + 1 };

/* Parses "sha256:" and 64 hexadecimal digits.  Capitals, and colons between
 * octets, are accepted.  Returns NULL if successful, otherwise a text that
 * names the value and the accepted form, which the caller frees. */
char *vnetenc_cert_fingerprint_parse(const char *,
                                     uint8_t out[VNETENC_FINGERPRINT_BYTES])
    OVS_WARN_UNUSED_RESULT;

/* Writes a fingerprint in the only form that we print: "sha256:" and 64
 * lower-case digits. */
void vnetenc_cert_fingerprint_format(
    const uint8_t fingerprint[VNETENC_FINGERPRINT_BYTES],
    char out[VNETENC_FINGERPRINT_TEXT_BYTES]);

/* Computes the SHA-256 of 'cert' in DER.  Returns false if OpenSSL fails. */
bool vnetenc_cert_fingerprint(const X509 *cert,
                              uint8_t out[VNETENC_FINGERPRINT_BYTES])
    OVS_WARN_UNUSED_RESULT;

/* A date, as "2031-01-31T23:59:59Z". */
enum { VNETENC_DATE_TEXT_BYTES = 24 };

/* Writes the expiry of 'cert', or "unreadable". */
void vnetenc_cert_not_after_format(const X509 *cert,
                                   char out[VNETENC_DATE_TEXT_BYTES]);

/* Returns NULL if 'cert' is valid at 'now', in wall-clock time, otherwise a
 * text with the date from or until which it is.  The caller frees it. */
char *vnetenc_cert_check_dates(const X509 *cert, time_t now)
    OVS_WARN_UNUSED_RESULT;

/* Returns 1, 7 or 30 if the time from 'now', in wall-clock time, to 'to' is
 * less than so many days, and less than a quarter of that from 'from' to 'to'.
 * Otherwise, and if it is past, returns 0. */
int vnetenc_cert_days_left(const ASN1_TIME *from, const ASN1_TIME *to,
                           time_t now);

/* Returns the least of these numbers for the CRLs of 'store', which may be
 * NULL, and writes the date of that one. */
int vnetenc_cert_crl_days_left(const X509_STORE *store, time_t now,
                               char date[VNETENC_DATE_TEXT_BYTES]);

/* Writes a date. */
void vnetenc_cert_date_format(const ASN1_TIME *date,
                              char out[VNETENC_DATE_TEXT_BYTES]);

/* Returns true if 'cert' expires less than VNETENC_EXPIRING_S after 'now', in
 * wall-clock time, or within the last quarter of its life if that is less. */
bool vnetenc_cert_expires_soon(const X509 *cert, time_t now);

/* The certificate of a peer and the chain that came with it, in DER.  A
 * session keeps both to be judged again. */
struct vnetenc_cert_chain;

/* Encodes 'leaf' and 'chain', and keeps no reference to them.  'chain' may be
 * NULL, and may begin with 'leaf' itself, as libssl's does for a client.
 * Returns NULL if a certificate cannot be encoded. */
struct vnetenc_cert_chain *vnetenc_cert_chain_create(
    X509 *leaf, const STACK_OF(X509) *chain);

/* Frees a chain, which may be NULL. */
void vnetenc_cert_chain_destroy(struct vnetenc_cert_chain *);

/* Returns the SHA-256 of the leaf, VNETENC_FINGERPRINT_BYTES long, owned by
 * the chain. */
const uint8_t *vnetenc_cert_chain_fingerprint(
    const struct vnetenc_cert_chain *);

/* Returns the SHA-256 of a certificate of the chain, from 0 for the leaf. */
const uint8_t *vnetenc_cert_chain_nth(const struct vnetenc_cert_chain *,
                                      int i);

/* Returns the certificate of the chain, from 0 for the leaf, that is one of
 * the 'n' fingerprints, or -1. */
int vnetenc_cert_chain_find(const struct vnetenc_cert_chain *,
                            const uint8_t (*)[VNETENC_FINGERPRINT_BYTES],
                            size_t n);

/* Returns the SHA-256 of all certificates of the chain,
 * VNETENC_FINGERPRINT_BYTES long, owned by the chain. */
const uint8_t *vnetenc_cert_chain_digest(const struct vnetenc_cert_chain *);

/* Decodes the certificates of the chain, leaf first, for the caller, who frees
 * them with the stack.  The stack ends before a certificate that cannot be
 * read. */
STACK_OF(X509) *vnetenc_cert_chain_certs(const struct vnetenc_cert_chain *);

#endif /* vnetenc/trust/cert.h */
