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

#include "ovn-vnetenc-fields.h"

#include <ctype.h>
#include <string.h>

#include "ovn/expr.h"

static void
add_bits(struct shash *symtab, const char *name, int ofs, int n_bits)
{
    char *expansion = xasprintf("vnetenc[%d..%d]", ofs, ofs + n_bits - 1);

    expr_symtab_add_subfield(symtab, name, NULL, expansion);
    free(expansion);
}

void
ovn_vnetenc_init_symtab(struct shash *symtab)
{
    expr_symtab_add_field(symtab, "vnetenc", MFF_LOG_VNETENC, NULL, false);
    add_bits(symtab, "vnetenc.want", OVN_VNETENC_WANT_BIT, 1);
    add_bits(symtab, "vnetenc.must", OVN_VNETENC_MUST_BIT, 1);
    add_bits(symtab, "vnetenc.rx", OVN_VNETENC_RX_OFS, OVN_VNETENC_RX_BITS);
    add_bits(symtab, "vnetenc.profile", OVN_VNETENC_PROFILE_OFS,
             OVN_VNETENC_PROFILE_BITS);
    add_bits(symtab, "vnetenc.log", OVN_VNETENC_LOG_OFS, OVN_VNETENC_LOG_BITS);
}

/* Returns true if 's' begins with the name of a field that is not
 * vnetenc.log. */
static bool
begins_with_demand(const char *s)
{
    static const char prefix[] = "vnetenc.", log[] = "vnetenc.log";

    return (!strncmp(s, prefix, strlen(prefix))
            && (strncmp(s, log, strlen(log))
                || isalnum((unsigned char) s[strlen(log)])));
}

bool
ovn_vnetenc_names_demand(const char *s)
{
    bool quoted = false;
    char before = ' ';

    for (; *s; before = *s++) {
        if (*s == '\\' && s[1]) {
            s++;
        } else if (*s == '"') {
            quoted = !quoted;
        } else if (!quoted && begins_with_demand(s)
                   && !isalnum((unsigned char) before)
                   && !strchr("_.$@", before)) {
            return true;
        }
    }
    return false;
}
