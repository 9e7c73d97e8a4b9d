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

#ifndef VNETENC_UNIT_PKI_H
#define VNETENC_UNIT_PKI_H 1

/* Certificates for unit programs
 * ==============================
 *
 * Makes keys, certificates, CAs and CRLs of every good and bad kind, and
 * files with them in a folder of their own. */

#include <stdbool.h>
#include <stdint.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

/* A key and its certificate. */
struct pki_id {
    EVP_PKEY *key;
    X509 *cert;
};

struct pki_spec {
    const char *key;            /* "P-256" (default), "RSA-2048", ... */
    const struct pki_id *issuer;    /* NULL: self-signed. */
    bool ca;
    const char *san;            /* As "IP:192.0.2.1,DNS:a.example". */
    const char *eku;            /* As "serverAuth". */
    const char *digest;         /* "SHA256" by default. */
    long int from_s;            /* Validity, from now; default from -1 h... */
    long int to_s;              /* ...to 1 h. */
    unsigned int padding;       /* Octets of a private extension. */
};

struct pki_id pki_make(const struct pki_spec *);
void pki_free(struct pki_id *);
void pki_pin(const struct pki_id *, uint8_t pin[32]);

/* CRL of 'issuer' that lists 'revoked' (NULL for none), in PEM at 'path';
 * valid until 'to_s' from now. */
void pki_write_crl(const char *path, const struct pki_id *issuer,
                   const struct pki_id *revoked, long int to_s);

/* Writes the contents of 'a' and 'b' to 'path'. */
void pki_concatenate(const char *path, const char *a, const char *b);

/* PEM at 'path': key (if 'key' is nonnull), then each certificate up to
 * NULL. */
void pki_write(const char *path, mode_t mode, EVP_PKEY *key, ...)
    __attribute__((sentinel));

/* A new folder below $TMPDIR or /tmp, and a path in it; valid until the
 * program ends. */
const char *pki_dir(void);
const char *pki_path(const char *name);

/* Removes the folder and frees all paths. */
void pki_cleanup(void);

#endif /* vnetenc-unit-pki.h */
