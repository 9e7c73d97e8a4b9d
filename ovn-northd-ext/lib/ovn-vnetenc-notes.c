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

#include "ovn-vnetenc-notes.h"

#include "lib/ovn-nb-idl.h"
#include "lib/ovn-sb-idl.h"
#include "openvswitch/dynamic-string.h"
#include "ovn-vnetenc-fields.h"
#include "smap.h"
#include "util.h"

#define DESCRIPTION_PREFIX "vnetenc: "

void
ovn_vnetenc_put_lflow_note(const struct sbrec_logical_flow *lflow,
                           struct ds *s)
{
    const char *desc = lflow->flow_desc;

    if (desc && !strncmp(desc, DESCRIPTION_PREFIX,
                         strlen(DESCRIPTION_PREFIX))) {
        ds_put_format(s, " /* %s */", desc);
    }
}

static char *
format_note(enum vnetenc_mode mode, uint8_t profile, const char *who)
{
    return xasprintf("/* vnetenc: in a tunnel %s: profile %u, because of the "
                     "%s */", mode == VNETENC_REQUIRE
                     ? "encrypted or dropped" : "encrypted if possible",
                     profile, who);
}

/* Tests the cases in the order of the rows of table 240. */
char *
ovn_vnetenc_tunnel_note(const struct ovn_vnetenc_demand *dp,
                        const struct ovn_vnetenc_demand *port,
                        const struct flow *flow)
{
    uint32_t carried = flow->regs[MFF_LOG_VNETENC - MFF_REG0];
    bool must = carried & (1u << OVN_VNETENC_MUST_BIT);
    bool want = carried & (1u << OVN_VNETENC_WANT_BIT);

    if (port && port->mode == VNETENC_REQUIRE && !port->yields) {
        return format_note(port->mode, dp->profile, "port");
    } else if (dp->mode != VNETENC_OFF) {
        return format_note(must ? VNETENC_REQUIRE : dp->mode, dp->profile,
                           "datapath");
    } else if (must) {
        return format_note(VNETENC_REQUIRE, dp->profile, "way it came");
    } else if (port && port->mode != VNETENC_OFF) {
        return format_note(port->mode, dp->profile, "port");
    } else if (want) {
        return format_note(VNETENC_PREFER, dp->profile, "way it came");
    }
    return NULL;
}

void
ovn_vnetenc_put_switch(const struct nbrec_logical_switch *nbs, struct ds *s)
{
    const char *state = smap_get(&nbs->encryption_status, "state");
    const char *mode = nbs->encryption;

    if (!mode && state && strcmp(state, "off")) {
        mode = "by default";
    }
    if (mode) {
        ds_put_format(s, "    encryption: %s", mode);
        if (state && strcmp(state, mode)) {
            ds_put_format(s, " (%s)", state);
        }
        ds_put_char(s, '\n');
    }
}
