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

#ifndef VNETENC_MESSAGE_H
#define VNETENC_MESSAGE_H 1

/* Messages that sessions send each other
 * ======================================
 *
 * This file has the messages of PROTOCOL.md section 4: probe and reply, which
 * are plaintexts of application data that begin with 8 zero octets, as no
 * tunnel header does; and the alerts close_notify (sealed) and hint (in
 * clear).
 *
 * Thread-safety: pure functions. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "compiler.h"
#include "vnetenc/base/limits.h"

enum vnetenc_message_type {
    VNETENC_MESSAGE_PROBE = 1,
    VNETENC_MESSAGE_REPLY = 2,
};

/* Writes the plaintext of a control message.  The reply to a probe has the
 * 'echo' of the probe. */
void vnetenc_message_build(enum vnetenc_message_type, uint64_t echo,
                           uint8_t out[VNETENC_MESSAGE_BYTES]);

/* True if the 'size' bytes of plaintext at 'plain' are a control message of
 * any type, and not a tunnel payload. */
bool vnetenc_message_is(const uint8_t *plain, size_t size);

/* Reads the control message in the 'size' bytes of plaintext at 'plain' and
 * stores its echo.  Returns false if the message is malformed or not of this
 * type. */
bool vnetenc_message_parse(const uint8_t *plain, size_t size,
                           enum vnetenc_message_type, uint64_t *echo)
    OVS_WARN_UNUSED_RESULT;

/* Alerts, RFC 5246 section 7.2. */
enum { VNETENC_ALERT_BYTES = 2, VNETENC_HINT_BYTES = 15 };

/* The plaintext of the alert that ends a session, RFC 5246 section 7.2.1. */
extern const uint8_t vnetenc_message_close_notify[VNETENC_ALERT_BYTES];

/* The record, in clear, that tells a sender that its record was of no known
 * session. */
extern const uint8_t vnetenc_message_hint[VNETENC_HINT_BYTES];

/* True if the datagram of 'size' bytes at 'data' begins with an alert in
 * clear. */
bool vnetenc_message_is_hint(const uint8_t *data, size_t size);

#endif /* vnetenc/bridge/message.h */
