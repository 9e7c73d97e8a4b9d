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
#include "vnetenc/bridge/message.h"
#include <string.h>
#include "util.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc/crypto/wire.h"

enum { TYPE_OFS = 8, ECHO_OFS = 16 };
BUILD_ASSERT_DECL(TYPE_OFS == sizeof(uint64_t));

void
vnetenc_message_build(enum vnetenc_message_type type, uint64_t echo,
                      uint8_t out[VNETENC_MESSAGE_BYTES])
{
    memset(out, 0, VNETENC_MESSAGE_BYTES);
    out[TYPE_OFS] = type;
    vnetenc_wire_put_u64(out + ECHO_OFS, echo);
}

bool
vnetenc_message_is(const uint8_t *plain, size_t size)
{
    uint64_t first;

    if (size < sizeof first) {
        return false;
    }
    memcpy(&first, plain, sizeof first);
    return !first;
}

bool
vnetenc_message_parse(const uint8_t *plain, size_t size,
                      enum vnetenc_message_type type, uint64_t *echo)
{
    if (size < VNETENC_MESSAGE_BYTES
        || !vnetenc_message_is(plain, size)
        || plain[TYPE_OFS] != type
        || !is_all_zeros(plain + TYPE_OFS + 1,
                         ECHO_OFS - TYPE_OFS - 1)) {
        return false;
    }
    *echo = vnetenc_wire_get_u64(plain + ECHO_OFS);
    return true;
}

/* Level warning, close_notify. */
const uint8_t vnetenc_message_close_notify[VNETENC_ALERT_BYTES] = { 1, 0 };

/* Epoch 0, sequence number 0, level fatal, unexpected_message. */
const uint8_t vnetenc_message_hint[VNETENC_HINT_BYTES] = {
    VNETENC_RECORD_ALERT, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0,
    0, VNETENC_ALERT_BYTES, 2, 10
};

bool
vnetenc_message_is_hint(const uint8_t *data, size_t size)
{
    struct vnetenc_record record;

    return (vnetenc_record_parse(data, size, &record)
            && record.type == VNETENC_RECORD_ALERT
            && record.epoch == 0);
}
