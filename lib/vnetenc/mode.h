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

#ifndef VNETENC_MODE_H
#define VNETENC_MODE_H 1

/* Modes and profiles: the demand of a packet
 * ==========================================
 *
 * A demand says whether a packet that leaves through a tunnel must be sealed,
 * and with the credentials of which profile.
 *
 * Thread-safety: the functions work only on their arguments. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/compiler.h"

struct flow_tnl;

/* The treatment of a packet that leaves through a tunnel.  The values are
 * ordered by strength: where two demands meet, the larger one wins. */
enum vnetenc_mode {
    VNETENC_OFF = 0,            /* Clear. */
    VNETENC_PREFER = 1,         /* Sealed if possible, otherwise clear. */
    VNETENC_REQUIRE = 2,        /* Sealed or dropped. */
};

/* Returns "off", "prefer", "require" or, for any other value, "unknown". */
const char *vnetenc_mode_to_string(enum vnetenc_mode);

/* Sets '*mode' to the mode with that name.  Returns false if there is no such
 * mode. */
bool vnetenc_mode_from_string(const char *, enum vnetenc_mode *mode);

/* Parses the value of an Interface's "options:encryption".  Returns NULL and
 * sets '*mode', or returns an error message that the caller must free. */
char *vnetenc_mode_parse(const char *, uint8_t *mode)
    OVS_WARN_UNUSED_RESULT;

/* Parses the whole string as the number of a profile, 0 to 255.  Returns false
 * and leaves '*profile' alone if the string is anything else. */
bool vnetenc_mode_profile_from_string(const char *, uint8_t *profile);

/* Parses a profile, 0 to 255.  Returns NULL and sets '*profile', or returns an
 * error message that the caller must free. */
char *vnetenc_mode_parse_profile(const char *, uint8_t *profile)
    OVS_WARN_UNUSED_RESULT;

/* Parses the whole string as a decimal number of at most 'max'.  Returns false
 * if the string is anything else. */
bool vnetenc_mode_parse_uint(const char *, unsigned int max,
                             unsigned int *value);

/* Merges the demand of the tunnel port into 'tnl', which holds the demand of
 * the OpenFlow action.  The stronger mode wins, with its profile.  If the
 * modes are equal, the profile of the action stays, because the action knows
 * the flow. */
void vnetenc_mode_merge(struct flow_tnl *, uint8_t port_mode,
                        uint8_t port_profile);

#endif /* vnetenc/mode.h */
