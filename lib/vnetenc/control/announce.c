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
#include "vnetenc/control/announce.h"
#include <limits.h>
#include <stdbool.h>
#include "connectivity.h"
#include "seq.h"
#include "vnetenc/base/limits.h"

static bool pending;
static long long int next = LLONG_MIN;

void
vnetenc_announce(void)
{
    pending = true;
}

long long int
vnetenc_announce_run(long long int now)
{
    if (!pending) {
        return LLONG_MAX;
    }
    if (now >= next) {
        pending = false;
        next = now + VNETENC_ANNOUNCE_MS;
        seq_change(connectivity_seq_get());
        return LLONG_MAX;
    }
    return next;
}
