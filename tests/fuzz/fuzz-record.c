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

/* A datagram on a DTLS port.
 *
 *     what 1 | payload: anything                          (what even)
 *     what 1 | flip 2 | plaintext, which is sealed, and then one of its bits
 *     is flipped, unless flip is 0                        (what odd)
 *
 * Nothing is delivered but what our own code sealed, as it was. */

#include <config.h>
#undef NDEBUG
#include "fuzz/vnetenc-fuzz.h"

#include <string.h>

#include "dp-packet.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/bridge/inbox.h"
#include "vnetenc/bridge/message.h"
#include "vnetenc/bridge/vni.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc/packet/half.h"
#include "vnetenc/packet/open.h"
#include "vnetenc/packet/seal.h"
#include "vnetenc-unit-packets.h"

/* After so many inputs the sessions are made anew, long before their end. */
enum { RENEW = 20000 };

static struct unit_sessions sessions;
static unsigned int n_inputs;

static void
make_sessions(void)
{
    static const enum vnetenc_cipher ciphers[] = {
        VNETENC_AES256_GCM, VNETENC_AES128_GCM, VNETENC_CHACHA20_POLY1305,
    };
    static unsigned int n;

    unit_sessions_create(&sessions, ciphers[n++ % ARRAY_SIZE(ciphers)], false,
                         1);
}

void
fuzz_begin(void)
{
    vnetenc_aead_init("auto");
    vnetenc_inbox_init();
    make_sessions();
}

static void
empty_inboxes(void)
{
    struct vnetenc_event event;

    for (int i = 0; i < VNETENC_N_INBOXES; i++) {
        while (vnetenc_inbox_take(i, &event)) {
            ovs_assert(event.size <= sizeof event.data);
        }
    }
}

/* What vnetenc_open() makes of 'payload'. */
static struct dp_packet *
open_payload(const void *payload, size_t size)
{
    struct dp_packet *wire = unit_datagram(
        false, htons(UNIT_LANE_PORT), htons(VNETENC_GENEVE_PORT), payload,
        size);
    struct dp_packet *opened = unit_open(wire);

    dp_packet_delete(wire);
    return opened;
}

static void
open_anything(struct fuzz_input in)
{
    struct vnetenc_record record;
    size_t size = MIN(in.size, 9000);
    struct dp_packet *opened;

    if (vnetenc_record_parse(in.data, size, &record)) {
        ovs_assert(record.seq < UINT64_C(1) << 48);
    }
    opened = open_payload(in.data, size);
    ovs_assert(!opened);
}

static void
open_sealed(struct fuzz_input in)
{
    static uint8_t record[VNETENC_MAX_PLAINTEXT_BYTES + 64];
    uint16_t flip = fuzz_u16(&in);
    size_t plain_size = MIN(in.size, 9000);
    struct dp_packet *opened;
    const uint8_t *payload;
    size_t size, n;

    n = vnetenc_seal_record(sessions.tx[0], VNETENC_RECORD_DATA, in.data,
                            plain_size, record, sizeof record);
    ovs_assert(n);
    if (flip) {
        record[flip / 8 % n] ^= 1 << flip % 8;
    }
    opened = open_payload(record, n);
    if (opened) {
        ovs_assert(!flip);
        ovs_assert(!vnetenc_message_is(in.data, plain_size));
        if (!vnetenc_half_is(in.data, plain_size)) {
            payload = unit_payload(opened, &size);
            ovs_assert(size == plain_size && !memcmp(payload, in.data, size));
        }
        dp_packet_delete(opened);
    }
}

void
fuzz_one(struct fuzz_input in)
{
    if (++n_inputs % RENEW == 0) {
        unit_sessions_destroy(&sessions);
        make_sessions();
    }
    if (fuzz_u8(&in) & 1) {
        open_sealed(in);
    } else {
        open_anything(in);
    }
    empty_inboxes();
}

void
fuzz_make_seeds(void)
{
    /* Flip, then a Geneve packet. */
    static uint8_t plain[2 + 100] = {
        0, 0, 0, 0, 0x65, 0x58, UNIT_VNI >> 16, UNIT_VNI >> 8 & 0xff,
        UNIT_VNI & 0xff, 0,
    };
    uint8_t probe[2 + VNETENC_MESSAGE_BYTES] = { 0, 0 };
    uint8_t record[200];
    size_t n;

    fuzz_seed(1, plain, sizeof plain);
    plain[1] = 99;
    fuzz_seed(1, plain, sizeof plain);
    vnetenc_message_build(VNETENC_MESSAGE_PROBE, 7, probe + 2);
    fuzz_seed(1, probe, sizeof probe);
    vnetenc_message_build(VNETENC_MESSAGE_REPLY, 7, probe + 2);
    fuzz_seed(1, probe, sizeof probe);

    /* A record whose tag is wrong, an alert, the beginning of a flight. */
    n = vnetenc_seal_record(sessions.tx[0], VNETENC_RECORD_DATA, plain + 2,
                            sizeof plain - 2, record, sizeof record);
    record[n - 1] ^= 1;
    fuzz_seed(0, record, n);
    fuzz_seed(0, vnetenc_message_hint, VNETENC_HINT_BYTES);
    record[0] = VNETENC_RECORD_HANDSHAKE;
    fuzz_seed(0, record, n);
}
