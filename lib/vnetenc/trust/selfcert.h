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

#ifndef VNETENC_SELFCERT_H
#define VNETENC_SELFCERT_H 1

/* The hypervisor's own key and certificate
 * ========================================
 *
 * The identity of a hypervisor without a PKI is an ECDSA P-256 key and a
 * self-signed certificate, which peers know by its SHA-256.  Both are made on
 * first use and kept in one file.  The certificate is valid from 1970-01-01
 * (clocks differ) to 9999-12-31 (RFC 5280 section 4.1.2.5: no expiry).
 *
 * Thread-safety: none.  Control thread only. */

#include <stdbool.h>
#include <openssl/types.h>
#include "compiler.h"

struct ofpbuf;

/* Name of the file with the self-made pair in its directory. */
#define VNETENC_SELFCERT_FILE "hypervisor.pem"

/* Name of the file with the pair that will take its place, if there is any:
 * trust/next-key.h. */
#define VNETENC_SELFCERT_NEXT_FILE "hypervisor-next.pem"

/* Reads the pair in PEM from 'directory' into '*pem', and makes the pair if
 * there is none.  Returns NULL if successful, otherwise a text that names file
 * and cause, to be freed.  In either case the caller cleanses '*pem' with
 * vnetenc_file_wipe(). */
char *vnetenc_selfcert_load(const char *directory, struct ofpbuf *pem)
    OVS_WARN_UNUSED_RESULT;

/* Reads the next pair, which belongs in VNETENC_SELFCERT_NEXT_FILE, in the
 * same way; but if there is none and 'make' is false, that is no error, and
 * '*pem' is empty. */
char *vnetenc_selfcert_load_next(const char *directory, bool make,
                                 struct ofpbuf *pem)
    OVS_WARN_UNUSED_RESULT;

/* Puts the next pair in the place of the present one, which is lost.  Returns
 * NULL if successful, otherwise a text that names file and cause, to be
 * freed. */
char *vnetenc_selfcert_use_next(const char *directory) OVS_WARN_UNUSED_RESULT;

/* Deletes the next pair.  Returns the same. */
char *vnetenc_selfcert_drop_next(const char *directory)
    OVS_WARN_UNUSED_RESULT;

#endif /* vnetenc/trust/selfcert.h */
