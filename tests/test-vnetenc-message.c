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

/* Control messages and alerts: every octet that is written, every one that is
 * looked at. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/bridge/message.h"

#include "util.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc-unit.h"

#define ECHO UINT64_C(0x0123456789abcdef)

static const uint8_t probe[] = {
    0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
    0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
};

static bool
parses(const uint8_t *plain, size_t size, enum vnetenc_message_type type,
       uint64_t want)
{
    uint64_t echo = ~want;
    bool ok = vnetenc_message_parse(plain, size, type, &echo);

    CHECK(!ok || echo == want);
    return ok;
}

static void
test_build(void)
{
    uint8_t out[VNETENC_MESSAGE_BYTES + 1];

    memset(out, 0xaa, sizeof out);
    vnetenc_message_build(VNETENC_MESSAGE_PROBE, ECHO, out);
    CHECK(!memcmp(out, probe, sizeof probe));
    CHECK(out[VNETENC_MESSAGE_BYTES] == 0xaa);
    CHECK(parses(out, VNETENC_MESSAGE_BYTES, VNETENC_MESSAGE_PROBE, ECHO));
    CHECK(!parses(out, VNETENC_MESSAGE_BYTES, VNETENC_MESSAGE_REPLY, ECHO));

    vnetenc_message_build(VNETENC_MESSAGE_REPLY, UINT64_MAX, out);
    CHECK(out[8] == 2);
    CHECK(parses(out, VNETENC_MESSAGE_BYTES, VNETENC_MESSAGE_REPLY,
                 UINT64_MAX));
    CHECK(!parses(out, VNETENC_MESSAGE_BYTES, VNETENC_MESSAGE_PROBE,
                  UINT64_MAX));
}

/* A bit changed anywhere before the echo makes it another message. */
static void
test_every_bit(void)
{
    uint8_t plain[sizeof probe];

    memcpy(plain, probe, sizeof plain);
    for (size_t i = 0; i < 8 * sizeof plain; i++) {
        plain[i / 8] ^= 1 << i % 8;
        CHECK(parses(plain, sizeof plain, VNETENC_MESSAGE_PROBE,
                     ECHO ^ (i < 128 ? 0
                             : UINT64_C(1) << (8 * (23 - i / 8) + i % 8)))
              == (i >= 128));
        CHECK(vnetenc_message_is(plain, sizeof plain) == (i >= 64));
        plain[i / 8] ^= 1 << i % 8;
    }
}

static void
test_sizes(void)
{
    uint8_t plain[100] = { 0 };

    /* Padding to any size, but never less. */
    memcpy(plain, probe, sizeof probe);
    for (size_t size = 0; size <= sizeof plain; size++) {
        CHECK(parses(plain, size, VNETENC_MESSAGE_PROBE, ECHO)
              == (size >= sizeof probe));
        CHECK(vnetenc_message_is(plain, size) == (size >= 8));
    }
}

/* No Geneve or VXLAN header is taken for one. */
static void
test_not_control(void)
{
    static const uint8_t geneve[] = { 0, 0, 0x65, 0x58, 0, 0, 0, 0 };
    static const uint8_t vxlan[] = { 0x08, 0, 0, 0, 0, 0, 0, 0 };

    CHECK(!vnetenc_message_is(geneve, sizeof geneve));
    CHECK(!vnetenc_message_is(vxlan, sizeof vxlan));
}

static void
test_close_notify(void)
{
    CHECK(sizeof vnetenc_message_close_notify == 2);
    CHECK(vnetenc_message_close_notify[0] == 1
          && vnetenc_message_close_notify[1] == 0);
}

static void
test_hint(void)
{
    static const uint8_t want[] = {
        21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 10
    };
    static const int told_apart_by[] = { 0, 3, 4 };     /* Type, epoch. */
    uint8_t data[sizeof want];

    CHECK(sizeof vnetenc_message_hint == sizeof want);
    CHECK(!memcmp(vnetenc_message_hint, want, sizeof want));
    CHECK(vnetenc_message_is_hint(vnetenc_message_hint,
                                  sizeof vnetenc_message_hint));

    /* Any alert in clear is one: it makes us probe, no more. */
    memcpy(data, want, sizeof data);
    data[10] = 7;
    data[14] = 42;
    CHECK(vnetenc_message_is_hint(data, sizeof data));

    /* Not what claims to be sealed, nor another type. */
    for (size_t i = 0; i < ARRAY_SIZE(told_apart_by); i++) {
        memcpy(data, want, sizeof data);
        data[told_apart_by[i]] ^= 1;
        CHECK(!vnetenc_message_is_hint(data, sizeof data));
    }
    memcpy(data, want, sizeof data);
    for (size_t size = 0; size < VNETENC_RECORD_HEADER_BYTES; size++) {
        CHECK(!vnetenc_message_is_hint(data, size));
    }
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    test_build();
    test_every_bit();
    test_sizes();
    test_not_control();
    test_close_notify();
    test_hint();
    return unit_end();
}
