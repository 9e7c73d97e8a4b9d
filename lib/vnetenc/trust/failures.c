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
#include "vnetenc/trust/failures.h"
#include <stdarg.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "util.h"

static const struct {
    const char *name;
    bool refusal;
} failures[VNETENC_N_FAILURES] = {
#define VNETENC_FAILURE(NAME, REFUSAL, MEANING) \
    [VNETENC_FAILURE_##NAME] = { #NAME, REFUSAL },
    VNETENC_FAILURES
#undef VNETENC_FAILURE
};

const char *
vnetenc_failure_name(enum vnetenc_failure failure)
{
    return failure < VNETENC_N_FAILURES ? failures[failure].name : "unknown";
}

bool
vnetenc_failure_is_refusal(const char *error)
{
    size_t n = error ? strcspn(error, ":") : 0;

    for (int i = 0; i < VNETENC_N_FAILURES; i++) {
        if (n == strlen(failures[i].name)
            && !strncmp(error, failures[i].name, n)) {
            return failures[i].refusal;
        }
    }
    return false;
}

char *
vnetenc_failure_text(enum vnetenc_failure failure, const char *format, ...)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    va_list args;

    ds_put_format(&s, "%s: ", vnetenc_failure_name(failure));
    va_start(args, format);
    ds_put_format_valist(&s, format, args);
    va_end(args);
    return ds_steal_cstr(&s);
}
