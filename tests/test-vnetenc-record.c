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

/* Record header, nonce and additional data, octet by octet. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/crypto/record.h"

#include "util.h"
#include "vnetenc-unit.h"

static const uint8_t fixed_iv[VNETENC_MAX_FIXED_IV_BYTES] = {
    0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab,
};

static bool
equal(const uint8_t *actual, const char *hex, size_t n)
{
    uint8_t expected[64];

    ovs_assert(n <= sizeof expected && strlen(hex) == 2 * n);
    for (size_t i = 0; i < n; i++) {
        bool ok;

        expected[i] = hexits_value(hex + 2 * i, 2, &ok);
        ovs_assert(ok);
    }
    return !memcmp(actual, expected, n);
}

/* 100 octets with sequence number 0x0102030405. */
static void
test_gcm(enum vnetenc_cipher id)
{
    const struct vnetenc_cipher_info *cipher = vnetenc_cipher_info(id);
    struct vnetenc_aead_op op, back;
    struct vnetenc_record r;
    uint8_t buf[21 + 100 + 16];

    memset(buf, 0xee, sizeof buf);
    CHECK(vnetenc_record_head(cipher) == 21);
    CHECK(vnetenc_record_overhead(cipher) == 37);
    vnetenc_record_seal_op(buf, cipher, fixed_iv, 23, UINT64_C(0x0102030405),
                           100, &op);
    CHECK(equal(buf, "17fefd" "0001" "000102030405" "007c", 13));
    CHECK(equal(buf + 13, "0001000102030405", 8));
    CHECK(buf[21] == 0xee);
    CHECK(op.text == buf + 21);
    CHECK(op.size == 100);
    CHECK(op.tag == buf + 121);
    CHECK(equal(op.nonce, "a0a1a2a3" "0001000102030405", 12));
    CHECK(equal(op.aad, "0001000102030405" "17fefd" "0064", 13));

    CHECK(vnetenc_record_parse(buf, sizeof buf, &r));
    CHECK(r.type == 23 && r.version == 0xfefd && r.epoch == 1
          && r.seq == UINT64_C(0x0102030405) && r.length == 124);
    CHECK(!vnetenc_record_check(&r, 23, sizeof buf));
    CHECK(!vnetenc_record_open_op(buf, &r, cipher, fixed_iv, &back));
    CHECK(back.text == op.text && back.tag == op.tag && back.size == op.size);
    CHECK(!memcmp(back.nonce, op.nonce, sizeof op.nonce));
    CHECK(!memcmp(back.aad, op.aad, sizeof op.aad));

    /* The explicit nonce is read from the record, never assumed. */
    memcpy(buf + 13, "abcdefgh", 8);
    CHECK(!vnetenc_record_open_op(buf, &r, cipher, fixed_iv, &back));
    CHECK(equal(back.nonce, "a0a1a2a3" "6162636465666768", 12));
    CHECK(!memcmp(back.aad, op.aad, sizeof op.aad));
}

static void
test_chacha(void)
{
    const struct vnetenc_cipher_info *cipher
        = vnetenc_cipher_info(VNETENC_CHACHA20_POLY1305);
    struct vnetenc_aead_op op, back;
    struct vnetenc_record r;
    uint8_t buf[13 + 2 + 16];

    memset(buf, 0xee, sizeof buf);
    CHECK(vnetenc_record_head(cipher) == 13);
    CHECK(vnetenc_record_overhead(cipher) == 29);
    vnetenc_record_seal_op(buf, cipher, fixed_iv, 21, UINT64_C(0x10000), 2,
                           &op);
    CHECK(equal(buf, "15fefd" "0001" "000000010000" "0012", 13));
    CHECK(buf[13] == 0xee);
    CHECK(op.text == buf + 13 && op.size == 2 && op.tag == buf + 15);
    CHECK(equal(op.nonce, "a0a1a2a3" "a4a4a6a7a8a8aaab", 12));
    CHECK(equal(op.aad, "0001000000010000" "15fefd" "0002", 13));

    CHECK(vnetenc_record_parse(buf, sizeof buf, &r));
    CHECK(!vnetenc_record_check(&r, 21, sizeof buf));
    CHECK(!vnetenc_record_open_op(buf, &r, cipher, fixed_iv, &back));
    CHECK(back.text == op.text && back.tag == op.tag && back.size == op.size);
    CHECK(!memcmp(back.nonce, op.nonce, sizeof op.nonce));
    CHECK(!memcmp(back.aad, op.aad, sizeof op.aad));
}

/* Numbers and lengths in which every octet counts. */
static void
test_large(void)
{
    static uint8_t buf[21 + 0x1234 + 16];
    struct vnetenc_aead_op op;

    vnetenc_record_seal_op(buf, vnetenc_cipher_info(VNETENC_AES256_GCM),
                           fixed_iv, 23, UINT64_C(0xfedcba987), 0x1234, &op);
    CHECK(equal(op.nonce, "a0a1a2a3" "0001000fedcba987", 12));
    CHECK(equal(op.aad, "0001000fedcba987" "17fefd" "1234", 13));
    vnetenc_record_seal_op(buf, vnetenc_cipher_info(VNETENC_CHACHA20_POLY1305),
                           fixed_iv, 23, UINT64_C(0xfedcba987), 0x1234, &op);
    CHECK(equal(op.nonce, "a0a1a2a3" "a4a4a6a84562032c", 12));
    CHECK(equal(op.aad, "0001000fedcba987" "17fefd" "1234", 13));
}

static void
test_parse_short(void)
{
    uint8_t buf[13] = { 23, 0xfe, 0xfd, 0, 1 };
    struct vnetenc_record r;

    for (size_t size = 0; size < sizeof buf; size++) {
        CHECK(!vnetenc_record_parse(buf, size, &r));
    }
    CHECK(vnetenc_record_parse(buf, sizeof buf, &r));
}

static void
test_check(void)
{
    static const struct vnetenc_record good = { 23, 0xfefd, 1, 65536, 40 };
    static const struct {
        struct vnetenc_record r;
        size_t size;
        enum vnetenc_drop expected;
    } rows[] = {
        { { 23, 0xfefd, 1, 65536, 40 }, 53, VNETENC_KEEP },
        { { 23, 0xfefd, 1, 0, 40 }, 53, VNETENC_KEEP },
        { { 24, 0xfefd, 1, 65536, 40 }, 53, VNETENC_DROP_rx_bad_type },
        { { 22, 0xfefd, 1, 65536, 40 }, 53, VNETENC_DROP_rx_bad_type },
        { { 23, 0xfeff, 1, 65536, 40 }, 53, VNETENC_DROP_rx_bad_version },
        { { 23, 0xfefc, 1, 65536, 40 }, 53, VNETENC_DROP_rx_bad_version },
        { { 23, 0x0303, 1, 65536, 40 }, 53, VNETENC_DROP_rx_bad_version },
        { { 23, 0xfefd, 0, 65536, 40 }, 53, VNETENC_DROP_rx_bad_epoch },
        { { 23, 0xfefd, 2, 65536, 40 }, 53, VNETENC_DROP_rx_bad_epoch },
        { { 23, 0xfefd, 257, 65536, 40 }, 53, VNETENC_DROP_rx_bad_epoch },
        { { 23, 0xfefd, 1, VNETENC_MAX_SEQ, 40 }, 53, VNETENC_KEEP },
        { { 23, 0xfefd, 1, VNETENC_MAX_SEQ + 1, 40 }, 53,
          VNETENC_DROP_rx_bad_sequence },
        { { 23, 0xfefd, 1, 65536, 41 }, 53, VNETENC_DROP_rx_bad_length },
        { { 23, 0xfefd, 1, 65536, 39 }, 53, VNETENC_DROP_rx_bad_length },
        { { 23, 0xfefd, 1, 65536, 65535 }, 53, VNETENC_DROP_rx_bad_length },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (!CHECK(vnetenc_record_check(&rows[i].r, 23, rows[i].size)
                   == rows[i].expected)) {
            printf("row %"PRIuSIZE"\n", i);
        }
    }
    CHECK(vnetenc_record_check(&good, 21, 53) == VNETENC_DROP_rx_bad_type);
}

/* Least and largest length of each cipher. */
static void
test_lengths(void)
{
    for (int i = 0; i < VNETENC_N_CIPHERS; i++) {
        const struct vnetenc_cipher_info *cipher = vnetenc_cipher_info(i);
        unsigned int least = cipher->explicit_bytes + VNETENC_TAG_BYTES;
        unsigned int most = least + VNETENC_MAX_PLAINTEXT_BYTES;
        struct vnetenc_record r = { 23, 0xfefd, 1, 65536, 0 };
        uint8_t record[VNETENC_MAX_HEAD_BYTES];
        struct vnetenc_aead_op op;
        unsigned int n_kept = 0;

        memset(record, 0, sizeof record);
        for (unsigned int length = 0; length <= UINT16_MAX; length++) {
            enum vnetenc_drop drop;

            r.length = length;
            drop = vnetenc_record_open_op(record, &r, cipher, fixed_iv, &op);
            if (!drop) {
                n_kept++;
                if (op.size != length - least) {
                    CHECK(op.size == length - least);
                }
            } else if (drop != VNETENC_DROP_rx_bad_length
                       || (length >= least && length <= most)) {
                CHECK(drop == VNETENC_DROP_rx_bad_length);
                CHECK(length < least || length > most);
            }
        }
        CHECK(least == (cipher->explicit_bytes ? 24 : 16));
        CHECK(n_kept == VNETENC_MAX_PLAINTEXT_BYTES + 1);
    }
}

/* From record to record through a datagram. */
static void
test_next(void)
{
    const struct vnetenc_record first = {
        .type = 22, .version = 0xfeff, .seq = UINT64_C(0x123456789abc),
        .length = 3,
    };
    const struct vnetenc_record second = {
        .type = 21, .version = 0xfefd, .epoch = 1, .seq = 7,
    };
    uint8_t data[2 * VNETENC_RECORD_HEADER_BYTES + 3] = { 0 };
    struct vnetenc_record r;
    size_t pos = 0;
    uint8_t *body;

    body = vnetenc_record_put_header(data, &first);
    CHECK(body == data + VNETENC_RECORD_HEADER_BYTES);
    CHECK(vnetenc_record_put_header(body + 3, &second)
          == data + sizeof data);

    CHECK(vnetenc_record_next(data, sizeof data, &pos, &r) == body);
    CHECK(r.type == 22 && r.version == 0xfeff && r.epoch == 0
          && r.seq == UINT64_C(0x123456789abc) && r.length == 3);
    CHECK(pos == VNETENC_RECORD_HEADER_BYTES + 3);
    CHECK(vnetenc_record_next(data, sizeof data, &pos, &r)
          == data + sizeof data);
    CHECK(r.type == 21 && r.version == 0xfefd && r.epoch == 1 && r.seq == 7
          && r.length == 0);
    CHECK(pos == sizeof data);
    CHECK(!vnetenc_record_next(data, sizeof data, &pos, &r));
    CHECK(pos == sizeof data);

    /* Not a whole one. */
    for (size_t size = 0; size < VNETENC_RECORD_HEADER_BYTES + 3; size++) {
        pos = 0;
        CHECK(!vnetenc_record_next(data, size, &pos, &r));
        CHECK(pos == 0);
    }
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    test_gcm(VNETENC_AES256_GCM);
    test_gcm(VNETENC_AES128_GCM);
    test_chacha();
    test_large();
    test_parse_short();
    test_check();
    test_lengths();
    test_next();
    return unit_end();
}
