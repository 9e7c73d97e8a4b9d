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

#ifndef VNETENC_PROFILE_H
#define VNETENC_PROFILE_H 1

/* Profiles, as the control thread knows them
 * ==========================================
 *
 * A profile is its settings and its credentials.  A bad change is refused
 * with an error text; what was good before stays in force.  Profile 0 exists
 * without a row, too, with the default of everything.
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <stdbool.h>
#include <stdint.h>
#include "vnetenc/trust/config.h"

struct vnetenc_cred;

struct vnetenc_profile {
    struct vnetenc_config_profile config;   /* In force. */
    struct vnetenc_cred *cred;              /* NULL: none could be loaded. */
    unsigned int serial;                    /* Changes with 'cred'. */
    char *error;                            /* Of the newest change. */
};

/* Takes over what 'config' says of profiles.  Returns true if a peer could
 * be judged otherwise than before. */
bool vnetenc_profiles_configure(const struct vnetenc_config *);

/* Loads credential files again if they changed.  Same return value. */
bool vnetenc_profiles_refresh(void);

/* Frees all profiles and gives their credentials back. */
void vnetenc_profiles_destroy(void);

/* Never NULL.  A profile that does not exist has no credentials. */
const struct vnetenc_profile *vnetenc_profile_get(uint8_t id);

/* The profile if it has a row or was asked for before, otherwise NULL. */
const struct vnetenc_profile *vnetenc_profile_peek(uint8_t id);

/* True if the newest vnetenc_profiles_configure() or _refresh() has changed
 * the credentials of a profile, or removed it. */
bool vnetenc_profile_has_changed(uint8_t id);

#endif /* vnetenc/trust/profile.h */
