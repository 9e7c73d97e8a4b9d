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

#include <config.h>
#include "vnetenc/mode.h"

#include <string.h>

#include "packets.h"
#include "util.h"

BUILD_ASSERT_DECL(VNETENC_OFF < VNETENC_PREFER);
BUILD_ASSERT_DECL(VNETENC_PREFER < VNETENC_REQUIRE);

static const char *const mode_names[] = {
    [VNETENC_OFF] = "off",
    [VNETENC_PREFER] = "prefer",
    [VNETENC_REQUIRE] = "require",
};

const char *
vnetenc_mode_to_string(enum vnetenc_mode mode)
{
    return mode < ARRAY_SIZE(mode_names) ? mode_names[mode] : "unknown";
}

bool
vnetenc_mode_from_string(const char *s, enum vnetenc_mode *mode)
{
    for (size_t i = 0; i < ARRAY_SIZE(mode_names); i++) {
        if (!strcmp(s, mode_names[i])) {
            *mode = i;
            return true;
        }
    }
    return false;
}

bool
vnetenc_mode_parse_uint(const char *s, unsigned int max, unsigned int *value)
{
    if (!*s || s[strspn(s, "0123456789")]) {
        return false;
    }
    return str_to_uint(s, 10, value) && *value <= max;
}

char *
vnetenc_mode_parse(const char *s, uint8_t *mode)
{
    enum vnetenc_mode m;

    if (!vnetenc_mode_from_string(s, &m)) {
        return xasprintf("\"%s\" is not \"require\", \"prefer\" or \"off\"",
                         s);
    }
    *mode = m;
    return NULL;
}

bool
vnetenc_mode_profile_from_string(const char *s, uint8_t *profile)
{
    unsigned int value;

    if (!vnetenc_mode_parse_uint(s, UINT8_MAX, &value)) {
        return false;
    }
    *profile = value;
    return true;
}

char *
vnetenc_mode_parse_profile(const char *s, uint8_t *profile)
{
    return (vnetenc_mode_profile_from_string(s, profile)
            ? NULL
            : xasprintf("\"%s\" is not an integer from 0 to 255", s));
}

void
vnetenc_mode_merge(struct flow_tnl *tnl, uint8_t port_mode,
                   uint8_t port_profile)
{
    if (port_mode > tnl->enc_mode) {
        tnl->enc_mode = port_mode;
        tnl->enc_profile = port_profile;
    }
}
