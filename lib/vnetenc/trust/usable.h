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

#ifndef VNETENC_USABLE_H
#define VNETENC_USABLE_H 1

/* Listed certificates that a host can use
 * =======================================
 *
 * While a certificate or a CA of a profile is replaced, both are listed, and
 * the former one must stay so until every host has a key for the new one.
 * This tells for which of the listed certificates this host has one: for the
 * certificate itself, or for one that the listed CA issued.
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <stddef.h>
#include <time.h>

struct smap;
struct vnetenc_config_fingerprints;
struct vnetenc_found;
struct vnetenc_usable_pair;

struct vnetenc_usable {
    struct vnetenc_usable_pair *pairs;
    size_t n;
};

/* Makes a new '*usable' of the 'n' certificates 'own', each of which may be
 * the host's own.  It is empty unless more than one is 'listed'. */
void vnetenc_usable_init(struct vnetenc_usable *usable,
                         const struct vnetenc_config_fingerprints *listed,
                         const struct vnetenc_config_fingerprints *revoked,
                         const struct vnetenc_found *const *own, size_t n);

/* Frees the contents. */
void vnetenc_usable_uninit(struct vnetenc_usable *);

/* Adds the fingerprint of each listed certificate for which the host has one
 * that is valid at 'now', in wall-clock time, with the value "host" if it is
 * that one, or "ca". */
void vnetenc_usable_get(const struct vnetenc_usable *, time_t now,
                        struct smap *);

#endif /* vnetenc/trust/usable.h */
