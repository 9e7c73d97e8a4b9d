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
 * A key encrypts one direction of one session's traffic under one cipher (see
 * crypto/cipher.h).  Its provider (see crypto/aead-provider.h) is chosen when
 * the key is made and changes at most once: when a device fails, another
 * provider takes over.
 *
 * Sealing and opening take any number of operations, work in place, and return
 * when each operation has a result.  A provider with a device enqueues all
 * operations, then collects them.  If the device does not return an operation
 * in time, its result is KEPT if the provider may keep the packet; otherwise
 * the device had a copy and the result is FAILED.
 *
 * The caller provides the nonces: crypto/record.h builds them, and the owner
 * of the session guarantees that none is used twice.  Only while OpenSSL's
 * fips property is on, the provider makes them.
 *
 * Thread-safety
 * =============
 *
 * Any number of threads may use a key at once, without locks.  Only the
 * control thread makes keys.  A key must outlive a grace period after it was
 * last published, so its owner destroys it there or in the thread that runs
 * the callbacks of ovs-rcu.h. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "compiler.h"
#include "vnetenc/crypto/aead-provider.h"
#include "vnetenc/crypto/cipher.h"

struct vnetenc_aead_key;

/* Registers the providers that give the known answers and decides which of
 * them is used for which cipher: the one named 'choice' (other_config:
 * vnetenc-aead), or, with "auto" or NULL, the fastest by a short measurement.
 * A bad choice is logged and changes nothing; in the first call it counts as
 * "auto".
 *
 * Main thread, before any key is made.  A later call applies to keys that are
 * made after it. */
void vnetenc_aead_init(const char *choice);

/* Calls vnetenc_aead_init() if 'choice' has changed or DPDK has been
 * initialized since the last call.  Main thread. */
void vnetenc_aead_update(const char *choice);

/* Returns the nanoseconds that the provider needs to seal a burst of full-size
 * records, or LLONG_MAX if it fails.  Main thread. */
long long int vnetenc_aead_measure(const struct vnetenc_aead_provider *,
                                   enum vnetenc_cipher);

/* Does the same as vnetenc_aead_key_create(), with a provider of the caller's
 * choice, which need not be registered. */
int vnetenc_aead_key_create_with(const struct vnetenc_aead_provider *,
                                 enum vnetenc_cipher, const uint8_t *key,
                                 struct vnetenc_aead_key **)
    OVS_WARN_UNUSED_RESULT;

/* Makes a key from the bytes 'key', whose number is the cipher's 'key_bytes'
 * and to which no reference is kept.  Returns 0, or a positive errno value and
 * sets the new key to NULL: EOPNOTSUPP if no provider can compute the cipher.
 * Control thread. */
int vnetenc_aead_key_create(enum vnetenc_cipher, const uint8_t *key,
                            struct vnetenc_aead_key **)
    OVS_WARN_UNUSED_RESULT;

/* Does the same as vnetenc_aead_key_create(), for a key that only one thread
 * uses at a time, as those of control messages.  It takes less memory, and no
 * place in a device. */
int vnetenc_aead_key_create_single(enum vnetenc_cipher, const uint8_t *key,
                                   struct vnetenc_aead_key **)
    OVS_WARN_UNUSED_RESULT;

/* Prepares a new key for sealing with 'fixed_iv' of its cipher.  Call it once,
 * before the first record is sealed.  '*makes_nonces' says whether the
 * provider makes the nonces; if so, the first explicit nonce is '*first', and
 * each next one is greater by 1 (modulo 2^64).  Returns 0 or a positive errno
 * value.  Control thread. */
int vnetenc_aead_key_begin(struct vnetenc_aead_key *, const uint8_t *fixed_iv,
                           bool *makes_nonces, uint64_t *first)
    OVS_WARN_UNUSED_RESULT;

/* Cleanses and frees a key, which may be NULL.  Any thread that is not of the
 * datapath. */
void vnetenc_aead_key_destroy(struct vnetenc_aead_key *);

/* Returns the name of the provider that computes with the key now.  The name
 * changes when a device fails. */
const char *vnetenc_aead_key_provider(const struct vnetenc_aead_key *);

/* Returns the name of the provider that a new key of the cipher would get, or
 * NULL if there is none.  Any thread. */
const char *vnetenc_aead_provider_name(enum vnetenc_cipher);

/* Seals 'n_ops' records in place and sets their results.  Any thread, no
 * locks. */
void vnetenc_aead_seal(const struct vnetenc_aead_key *,
                       struct vnetenc_aead_op *, size_t n_ops);

/* Does the same for records of different keys: 'keys[i]' is that of 'ops[i]'.
 * Ciphers of one record after the other overlap where the CPU can. */
void vnetenc_aead_seal_each(const struct vnetenc_aead_key *const keys[],
                            struct vnetenc_aead_op *ops, size_t n_ops);

/* Begins to fetch what sealing and opening need of a key.  Any thread, no
 * locks. */
void vnetenc_aead_fetch(const struct vnetenc_aead_key *);

/* Opens 'n_ops' records in place and sets their results.  Any thread, no
 * locks. */
void vnetenc_aead_open(const struct vnetenc_aead_key *,
                       struct vnetenc_aead_op *, size_t n_ops);

#endif /* vnetenc/crypto/aead.h */
