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

/* Messages of sessions: a plaintext, or an alert in clear. */

#include <config.h>
#undef NDEBUG
#include "fuzz/vnetenc-fuzz.h"

#include <string.h>

#include "util.h"
#include "vnetenc/bridge/message.h"

void
fuzz_begin(void)
{
}

/* Reads 'in' as a message of 'type' and, if it is one, writes it again. */
static bool
is_message(struct fuzz_input in, enum vnetenc_message_type type)
{
    uint8_t again[VNETENC_MESSAGE_BYTES];
    uint64_t echo;

    if (!vnetenc_message_parse(in.data, in.size, type, &echo)) {
        return false;
    }
    vnetenc_message_build(type, echo, again);
    ovs_assert(in.size >= sizeof again
               && !memcmp(again, in.data, sizeof again));
    return true;
}

void
fuzz_one(struct fuzz_input in)
{
    bool probe = is_message(in, VNETENC_MESSAGE_PROBE);
    bool reply = is_message(in, VNETENC_MESSAGE_REPLY);

    ovs_assert(!(probe && reply));
    ovs_assert(vnetenc_message_is(in.data, in.size) || !(probe || reply));
    if (vnetenc_message_is_hint(in.data, in.size)) {
        ovs_assert(in.size >= VNETENC_RECORD_HEADER_BYTES
                   && in.data[0] == vnetenc_message_hint[0]);
    }
}

void
fuzz_make_seeds(void)
{
    uint8_t message[VNETENC_MESSAGE_BYTES];

    vnetenc_message_build(VNETENC_MESSAGE_PROBE, 1, message);
    fuzz_seed(-1, message, sizeof message);
    vnetenc_message_build(VNETENC_MESSAGE_REPLY, UINT64_MAX, message);
    fuzz_seed(-1, message, sizeof message);
    fuzz_seed(-1, vnetenc_message_close_notify, VNETENC_ALERT_BYTES);
    fuzz_seed(-1, vnetenc_message_hint, VNETENC_HINT_BYTES);
}
