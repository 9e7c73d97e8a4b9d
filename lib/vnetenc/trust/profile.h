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
 * A profile has settings and credentials.  A bad change is refused with an
 * error text; the former credentials stay in force.  A certificate that has
 * expired or is not valid yet does not replace a valid one.  Profile 0 exists
 * even without a row, with the default of every column.
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "compiler.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/trust/alarms.h"
#include "vnetenc/trust/configuration.h"

struct vnetenc_cred;

struct vnetenc_profile {
    struct vnetenc_config_profile config;   /* In force. */
    struct vnetenc_cred *cred;              /* NULL: none could be loaded. */
    unsigned int serial;                    /* Changes with 'cred'. */
    unsigned int own_serial;                /* Changes with what peers see of
                                             * 'cred', see
                                             * vnetenc_cred_is_same_own(). */
    char *error;                            /* Of the newest change. */
    char *date_error;                       /* Of the dates of 'cred'. */
    char *warning;                          /* They will soon be over. */
    struct vnetenc_alarms alarms;
};

/* Applies the profiles of 'config'.  Returns true if the judgement of a peer
 * may have changed. */
bool vnetenc_profiles_configure(const struct vnetenc_config *);

/* Loads credential files again if they changed or could not be loaded, and
 * compares the dates of certificates with the clock.  Returns true if the
 * judgement of a peer may have changed. */
bool vnetenc_profiles_refresh(void);

/* Raises and clears the alarms of all profiles.  'now' is in monotonic ms.
 * Returns true if one has changed. */
bool vnetenc_profiles_watch(long long int now);

/* Returns the fingerprint of the host's own certificate if a profile shows it,
 * otherwise NULL. */
const uint8_t *vnetenc_profiles_own_fingerprint(void);

/* Puts the host's next key in the place of its present one, see
 * trust/next-key.h, and has the profiles that use it show the new certificate.
 * Returns NULL if successful, otherwise the reason, to be freed.  'now' is in
 * monotonic ms. */
char *vnetenc_profiles_use_next_key(long long int now)
    OVS_WARN_UNUSED_RESULT;

/* Makes or deletes the next key.  Return the same. */
char *vnetenc_profiles_make_next_key(void) OVS_WARN_UNUSED_RESULT;
char *vnetenc_profiles_drop_next_key(void) OVS_WARN_UNUSED_RESULT;

/* Frees all profiles and releases their credentials. */
void vnetenc_profiles_destroy(void);

/* Returns the error to show to the operator, or NULL if all is well. */
const char *vnetenc_profile_error(const struct vnetenc_profile *);

/* Stores the fingerprints that peers should pin: that of our own certificate,
 * and if that is the one of the host, those of the next and the former one.
 * Returns their number. */
size_t vnetenc_profile_fingerprints(
    const struct vnetenc_profile *,
    uint8_t f[VNETENC_OWN_FINGERPRINTS][VNETENC_FINGERPRINT_BYTES]);

/* Returns a profile, never NULL.  A profile that does not exist has no
 * credentials. */
const struct vnetenc_profile *vnetenc_profile_get(uint8_t id);

/* Returns the profile if it has a row or was asked for before, otherwise
 * NULL. */
const struct vnetenc_profile *vnetenc_profile_peek(uint8_t id);

#endif /* vnetenc/trust/profile.h */
