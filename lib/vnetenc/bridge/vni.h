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

#ifndef VNETENC_VNI_H
#define VNETENC_VNI_H 1

/* VNIs that belong to profiles
 * ============================
 *
 * The column tunnel_keys of VNetEnc_Profile lists VNIs.  A VNI that some
 * profile lists may leave and arrive only under the profiles that list it.
 * Any other VNI may leave and arrive under any profile, or under none if
 * other_config:vnetenc-unlisted is "drop".
 *
 * Thread-safety: the control thread sets the pairs, any thread may ask. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ovs-atomic.h"

struct vnetenc_vni {
    uint32_t vni;
    uint8_t profile;
};

/* Copies the 'n' pairs of VNI and profile, which replace all former ones.
 * Control thread. */
void vnetenc_vni_set(const struct vnetenc_vni *, size_t n);

/* Says whether VNIs that no profile lists are dropped.  Control thread. */
void vnetenc_vni_set_drop_unlisted(bool);

enum vnetenc_vni_verdict {
    VNETENC_VNI_PASSES,
    VNETENC_VNI_UNLISTED,       /* No profile lists it: it is dropped. */
    VNETENC_VNI_OTHER,          /* Other profiles list it. */
};

extern atomic_bool vnetenc_vni_any_rule;    /* Used below only. */
enum vnetenc_vni_verdict vnetenc_vni_judge__(uint32_t vni, uint8_t profile);

/* Judges a packet of 'vni' that leaves or arrives under 'profile'.  Any
 * thread. */
static inline enum vnetenc_vni_verdict
vnetenc_vni_judge(uint32_t vni, uint8_t profile)
{
    bool any;

    atomic_read_relaxed(&vnetenc_vni_any_rule, &any);
    return any ? vnetenc_vni_judge__(vni, profile) : VNETENC_VNI_PASSES;
}

#endif /* vnetenc/bridge/vni.h */
