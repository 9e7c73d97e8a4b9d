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

#include "ovn-vnetenc-loglevel.h"

#include <string.h>

#include "lib/ovn-sb-idl.h"
#include "smap.h"
#include "util.h"

static const char *const words[] = {
    [OVN_VNETENC_LOGLEVEL_OFF] = "off",
    [OVN_VNETENC_LOGLEVEL_PAIR] = "pair",
    [OVN_VNETENC_LOGLEVEL_CONNECTION] = "connection",
};

bool
ovn_vnetenc_loglevel_from_string(const char *s,
                                 enum ovn_vnetenc_loglevel *level)
{
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (!strcmp(s, words[i])) {
            *level = i;
            return true;
        }
    }
    return false;
}

const char *
ovn_vnetenc_loglevel_to_string(enum ovn_vnetenc_loglevel level)
{
    return words[level];
}

enum ovn_vnetenc_loglevel
ovn_vnetenc_loglevel_of_dp(const struct sbrec_datapath_binding *dp)
{
    enum ovn_vnetenc_loglevel level = OVN_VNETENC_LOGLEVEL_OFF;
    const char *s = smap_get(&dp->external_ids, OVN_VNETENC_LOG);

    if (s) {
        ovn_vnetenc_loglevel_from_string(s, &level);
    }
    return level;
}
