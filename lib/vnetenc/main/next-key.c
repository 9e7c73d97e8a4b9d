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
#include "vnetenc/main/next-key.h"
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"
#include "vnetenc/control/control.h"
#include "vnetenc/trust/cert.h"
#include "vnetenc/trust/next-key.h"
#include "vnetenc/trust/profile.h"

static void
put_fingerprint(struct ds *out, const char *name, const uint8_t *fingerprint)
{
    char text[VNETENC_FINGERPRINT_TEXT_BYTES] = "none";

    if (fingerprint) {
        vnetenc_cert_fingerprint_format(fingerprint, text);
    }
    ds_put_format(out, "%s: %s\n", name, text);
}

static char *
describe(void)
{
    const char *error = vnetenc_next_key_error();
    struct ds out = DS_EMPTY_INITIALIZER;

    put_fingerprint(&out, "present", vnetenc_profiles_own_fingerprint());
    put_fingerprint(&out, "next", vnetenc_next_key_fingerprint());
    put_fingerprint(&out, "former", vnetenc_next_key_former());
    if (error) {
        ds_put_format(&out, "error: %s\n", error);
    }
    return ds_steal_cstr(&out);
}

/* Does what 'verb' says.  Returns NULL if successful, otherwise an error,
 * which the caller frees. */
static char *
obey(const char *verb)
{
    return (!strcmp(verb, "make") ? vnetenc_profiles_make_next_key()
            : !strcmp(verb, "use") ? vnetenc_profiles_use_next_key(time_msec())
            : !strcmp(verb, "drop") ? vnetenc_profiles_drop_next_key()
            : xasprintf("\"%s\" is not \"make\", \"use\" or \"drop\"", verb));
}

static void
unixctl_next_key(struct unixctl_conn *conn, int argc, const char *argv[],
                 void *aux OVS_UNUSED)
{
    char *error, *text;

    vnetenc_control_lock();
    error = argc > 1 ? obey(argv[1]) : NULL;
    text = describe();
    vnetenc_control_unlock();

    if (error) {
        unixctl_command_reply_error(conn, error);
    } else {
        unixctl_command_reply(conn, text);
    }
    free(error);
    free(text);
}

void
vnetenc_next_key_command_init(void)
{
    unixctl_command_register("vnetenc/next-key", "[make|use|drop]", 0, 1,
                             unixctl_next_key, NULL);
}
