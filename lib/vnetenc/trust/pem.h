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

#ifndef VNETENC_PEM_H
#define VNETENC_PEM_H 1

/* Certificates, keys and CRLs in PEM
 * ==================================
 *
 * Each function returns NULL if successful, otherwise the cause, which the
 * caller frees, and sets its result to NULL.  None asks for a password: nobody
 * is there to type one.
 *
 * Thread-safety: none.  Control thread only. */

#include <stdbool.h>
#include <openssl/types.h>
#include <openssl/x509.h>
#include "compiler.h"

struct ofpbuf;

/* Reads all certificates of 'pem', of which there must be one. */
char *vnetenc_pem_certs(const struct ofpbuf *pem, STACK_OF(X509) **)
    OVS_WARN_UNUSED_RESULT;

/* Reads all CRLs of 'pem', of which there must be one. */
char *vnetenc_pem_crls(const struct ofpbuf *pem, STACK_OF(X509_CRL) **)
    OVS_WARN_UNUSED_RESULT;

/* Returns true if 'pem' seems to have a private key. */
bool vnetenc_pem_has_key(const struct ofpbuf *pem);

/* Reads the private key of 'pem'.  It is no error if there is none. */
char *vnetenc_pem_key(const struct ofpbuf *pem, EVP_PKEY **)
    OVS_WARN_UNUSED_RESULT;

#endif /* vnetenc/trust/pem.h */
