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

#include "ovn-vnetenc-lflow.h"

#include <string.h>

#include "lib/ovn-sb-idl.h"
#include "lib/ovn-vnetenc-fields.h"
#include "ovn/features.h"
#include "vnetenc/log/note.h"

bool
ovn_vnetenc_skips_lflow(const struct sbrec_logical_flow *lflow)
{
    return (!ovs_feature_is_supported(OVS_VNETENC_SUPPORT)
            && (ovn_vnetenc_names_demand(lflow->match)
                || ovn_vnetenc_names_demand(lflow->actions)));
}

void
ovn_vnetenc_note_lflow(const struct sbrec_logical_flow *lflow,
                       struct ofpbuf *ofpacts)
{
    /* Sampled drops only say so in a comment. */
    if (strstr(lflow->actions, "drop")
        && ovn_vnetenc_names_demand(lflow->match)) {
        vnetenc_note_put(ofpacts, VNETENC_NOTE_CLEAR);
    }
}
