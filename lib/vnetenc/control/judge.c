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
#include "vnetenc/control/judge.h"
#include <limits.h>
#include <stdbool.h>
#include "connectivity.h"
#include "seq.h"
#include "vnetenc/control/incoming.h"
#include "vnetenc/control/outgoing.h"

static bool pending;

void
vnetenc_judge(long long int now)
{
    vnetenc_outgoing_judge_pins(now);
    vnetenc_incoming_judge_pins(now);
    pending = true;
    seq_change(connectivity_seq_get());
}

long long int
vnetenc_judge_run(long long int now)
{
    if (pending) {
        bool out = vnetenc_outgoing_judge(now);
        bool in = vnetenc_incoming_judge(now);

        pending = out || in;
    }
    return pending ? now : LLONG_MAX;
}
