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

#ifndef VNETENC_AEAD_H
#define VNETENC_AEAD_H 1

/* Keys
 * ====
 *
 * A key is one direction of one session's traffic under one cipher (see
 * crypto/cipher.h).  Its provider (see crypto/aead-provider.h) is chosen when
 * the key is made and changes at most once: when a device fails, another
 * provider takes over.
 *
 * Sealing and opening take any number of operations, in place, and return when
 * each of them has a result: a provider that hands them to a device enqueues
 * all, then collects.  What it cannot get back in time it reports as KEPT, if
 * the operation says that it may keep the packet, or else as FAILED, having
 * given the device a copy.  Nonces are the caller's: crypto/record.h builds
 * them, and the owner of the session guarantees that none is used twice.
 *
 * Thread-safety
 * =============
 *
 * A key may be used by any number of threads at once, without locks.
 * Creation and destruction belong to the control thread; a key must outlive a
 * grace period after it was last published. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "compiler.h"
#include "vnetenc/crypto/aead-provider.h"
#include "vnetenc/crypto/cipher.h"

struct vnetenc_aead_key;

/* Registers the providers that pass their known answers and decides which of
 * them is used for which cipher: the one named 'choice' (other_config:
 * vnetenc-aead), or, with "auto" or NULL, the fastest by a short measurement.
 * A bad choice is logged and changes nothing; the first time it is "auto".
 *
 * Main thread only; before any key is made.  May be called again, for keys
 * that are made from then on. */
void vnetenc_aead_init(const char *choice);

/* The same, if 'choice' has changed since or DPDK has been initialized. */
void vnetenc_aead_update(const char *choice);

/* vnetenc_aead_key_create() with a provider of the caller's choice, registered
 * or not. */
int vnetenc_aead_key_create_with(const struct vnetenc_aead_provider *,
                                 enum vnetenc_cipher, const uint8_t *key,
                                 struct vnetenc_aead_key **)
    OVS_WARN_UNUSED_RESULT;

int vnetenc_aead_key_create(enum vnetenc_cipher, const uint8_t *key,
                            struct vnetenc_aead_key **)
    OVS_WARN_UNUSED_RESULT;
void vnetenc_aead_key_destroy(struct vnetenc_aead_key *);
enum vnetenc_cipher vnetenc_aead_key_cipher(const struct vnetenc_aead_key *);
const char *vnetenc_aead_key_provider(const struct vnetenc_aead_key *);

/* Who would compute a key of the cipher that is made now, NULL if nobody. */
const char *vnetenc_aead_provider_name(enum vnetenc_cipher);

void vnetenc_aead_seal(const struct vnetenc_aead_key *,
                       struct vnetenc_aead_op *, size_t n_ops);
void vnetenc_aead_open(const struct vnetenc_aead_key *,
                       struct vnetenc_aead_op *, size_t n_ops);

#endif /* vnetenc/crypto/aead.h */
