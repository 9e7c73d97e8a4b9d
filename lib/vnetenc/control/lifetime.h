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

#ifndef VNETENC_LIFETIME_H
#define VNETENC_LIFETIME_H 1

/* Lifetime of a key
 * =================
 *
 * PROTOCOL.md section 3: a key is replaced after a number of records, after a
 * number of bytes, or at an age.  Each limit is reduced by a random part, so
 * that not all keys of a host end at once.  At VNETENC_HARD_LIMIT_FACTOR times
 * the unreduced limit the key seals nothing more.
 *
 * Thread-safety: pure functions of the caller's data. */

#include <stdbool.h>
#include <stdint.h>

struct vnetenc_config_profile;

struct vnetenc_lifetime {
    uint64_t rekey_seq;         /* Replace the key from here on. */
    uint64_t rekey_bytes;
    long long int rekey_at;
    uint64_t end_seq;           /* Seal nothing from here on. */
    uint64_t end_bytes;
    long long int end_at;
};

/* Computes the lifetime of a key that is new at 'now' (monotonic milliseconds)
 * from a profile's limits. */
void vnetenc_lifetime_init(struct vnetenc_lifetime *,
                           const struct vnetenc_config_profile *,
                           long long int now);

/* Returns true if the key must be replaced after 'next_seq' and 'n_bytes' of
 * plaintext, or because of its age. */
bool vnetenc_lifetime_is_over(const struct vnetenc_lifetime *,
                              uint64_t next_seq, uint64_t n_bytes,
                              long long int now);

/* Returns true if the key is too old to seal anything. */
bool vnetenc_lifetime_is_dead(const struct vnetenc_lifetime *,
                              long long int now);

#endif /* vnetenc/control/lifetime.h */
