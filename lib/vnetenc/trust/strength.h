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

#ifndef VNETENC_STRENGTH_H
#define VNETENC_STRENGTH_H 1

/* The strength of certificates
 * ============================
 *
 * A strength is 112, 128 or 192 bits.  It is that of the weakest of a key, the
 * signatures of a chain, the group and the cipher.
 *
 * Thread-safety: functions of their arguments.  Control thread. */

#include <stdbool.h>
#include <openssl/types.h>
#include "compiler.h"

/* Returns OpenSSL's security level for a strength. */
int vnetenc_strength_level(unsigned int strength);

/* Returns the text that says what is strong enough. */
const char *vnetenc_strength_text(unsigned int strength);

/* Returns the text for a chain that is not.  The caller frees it. */
char *vnetenc_strength_weak_text(unsigned int strength);

/* Returns true if peers refuse 'cert' for its signature, or for its key if it
 * is that of a CA.  OpenSSL 3.5 lets a host send such certificates.  Nobody
 * verifies the signature of a self-signed certificate. */
bool vnetenc_strength_is_weak(unsigned int strength, X509 *cert, bool is_ca);

/* Returns NULL if 'cert' has a key that peers accept and may serve in both
 * roles, because each hypervisor is client and server.  Otherwise returns the
 * cause, to be freed by the caller. */
char *vnetenc_strength_check(unsigned int strength, X509 *cert)
    OVS_WARN_UNUSED_RESULT;

#endif /* vnetenc/trust/strength.h */
