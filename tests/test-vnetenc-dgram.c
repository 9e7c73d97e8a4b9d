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

/* The BIO: datagrams stay datagrams, and no nonce is overlooked. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/control/dgram.h"

#include "openvswitch/ofpbuf.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc-unit.h"

static void
test_datagrams(void)
{
    static const uint8_t two[2 * 13] = {
        [0] = 22, 0xfe, 0xfd, [13] = 22, 0xfe, 0xfd,
    };
    struct vnetenc_dgram dgram;
    struct ofpbuf *b;
    char buf[8];
    BIO *bio;

    vnetenc_dgram_init(&dgram);
    bio = vnetenc_dgram_bio_new(&dgram);

    /* In: one datagram, once. */
    CHECK(BIO_read(bio, buf, sizeof buf) == -1 && BIO_should_retry(bio));
    vnetenc_dgram_lend(&dgram, "abc", 3);
    CHECK(BIO_pending(bio) == 3);
    CHECK(BIO_read(bio, buf, sizeof buf) == 3 && !memcmp(buf, "abc", 3));
    CHECK(BIO_read(bio, buf, sizeof buf) == -1 && BIO_should_retry(bio));
    CHECK(BIO_pending(bio) == 0);

    /* What does not fit is lost. */
    vnetenc_dgram_lend(&dgram, "abcdefghij", 10);
    CHECK(BIO_read(bio, buf, sizeof buf) == 8);
    CHECK(BIO_read(bio, buf, sizeof buf) == -1);

    vnetenc_dgram_lend(&dgram, "abc", 3);
    vnetenc_dgram_take_back(&dgram);
    CHECK(BIO_read(bio, buf, sizeof buf) == -1);

    /* Out: each write is a datagram. */
    CHECK(!vnetenc_dgram_pop(&dgram));
    CHECK(BIO_write(bio, two, 13) == 13);
    CHECK(BIO_write(bio, two, 26) == 26);
    CHECK(BIO_flush(bio) == 1);
    b = vnetenc_dgram_pop(&dgram);
    CHECK(b && b->size == 13);
    ofpbuf_delete(b);
    b = vnetenc_dgram_pop(&dgram);
    CHECK(b && b->size == 26);
    ofpbuf_delete(b);
    CHECK(!vnetenc_dgram_pop(&dgram));

    /* The owner outlives the BIO. */
    CHECK(BIO_write(bio, two, 13) == 13);
    BIO_free(bio);
    CHECK(vnetenc_dgram_nonces_ok(&dgram, true));
    vnetenc_dgram_purge(&dgram);
    CHECK(!vnetenc_dgram_pop(&dgram));
    vnetenc_dgram_uninit(&dgram);
}

/* RFC 6347 section 4.2.1: a record in clear has the number after that of the
 * one before, whatever libssl wrote into it; others keep theirs. */
static void
test_numbers(void)
{
    /* Epoch, number that libssl gave it, number on the wire. */
    static const uint8_t rows[][3] = {
        { 0, 0, 0x40 }, { 0, 1, 0x41 }, { 1, 0, 0 }, { 0, 1, 0x42 },
        { 1, 1, 1 }, { 0, 0, 0x43 },
    };
    uint8_t two[2 * 13] = {
        [0] = 22, 0xfe, 0xfd, [13] = 22, 0xfe, 0xfd,
    };
    struct vnetenc_dgram dgram;
    struct ofpbuf *b;
    BIO *bio;

    vnetenc_dgram_init(&dgram);
    vnetenc_dgram_number_from(&dgram, 0x40);
    bio = vnetenc_dgram_bio_new(&dgram);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i += 2) {
        for (size_t j = 0; j < 2; j++) {
            two[13 * j + 4] = rows[i + j][0];
            two[13 * j + 10] = rows[i + j][1];
        }
        CHECK(BIO_write(bio, two, sizeof two) == sizeof two);
        b = vnetenc_dgram_pop(&dgram);
        for (size_t j = 0; j < 2; j++) {
            two[13 * j + 10] = rows[i + j][2];
        }
        CHECK(b->size == sizeof two && !memcmp(b->data, two, sizeof two));
        ofpbuf_delete(b);
    }
    BIO_free(bio);
    vnetenc_dgram_uninit(&dgram);
}

static void
put_record(struct vnetenc_dgram *dgram, int epoch, uint64_t sequence,
           uint16_t nonce)
{
    uint8_t record[13 + 24] = { 22, 0xfe, 0xfd, epoch >> 8, epoch };
    BIO *bio = vnetenc_dgram_bio_new(dgram);

    for (int i = 0; i < 6; i++) {
        record[5 + i] = sequence >> (40 - 8 * i);
    }
    record[12] = 24;
    record[13] = nonce >> 8;
    record[14] = nonce;
    CHECK(BIO_write(bio, record, sizeof record) == sizeof record);
    BIO_free(bio);
}

static bool
nonces_ok(int epoch, uint64_t sequence, uint16_t nonce, bool explicit_nonce)
{
    struct vnetenc_dgram dgram;
    bool ok;

    vnetenc_dgram_init(&dgram);
    put_record(&dgram, 1, 0, 2);
    put_record(&dgram, epoch, sequence, nonce);
    put_record(&dgram, 1, 1, 2);
    ok = vnetenc_dgram_nonces_ok(&dgram, explicit_nonce);
    vnetenc_dgram_uninit(&dgram);
    return ok;
}

static void
test_nonce_watch(void)
{
    for (int gcm = 0; gcm <= 1; gcm++) {
        CHECK(nonces_ok(1, 0, 0, gcm));
        CHECK(nonces_ok(1, 65535, 0xffff, gcm));
        CHECK(nonces_ok(1, 5, 2, gcm));
        CHECK(nonces_ok(1, 5, 0x0100, gcm));
        CHECK(nonces_ok(1, 5, 1, gcm) == !gcm);
        CHECK(nonces_ok(0, 5, 1, gcm));         /* Clear: no nonce. */
        CHECK(nonces_ok(0, 65536, 1, gcm));
        CHECK(!nonces_ok(1, 65536, 2, gcm));
        CHECK(!nonces_ok(1, UINT64_C(0xffffffffffff), 2, gcm));
        CHECK(!nonces_ok(2, 0, 2, gcm));
    }
}

/* What can't be read can't be vouched for. */
/* Nonces of a provider that makes them, from 'first' on, beside those that
 * libssl used: 'n' from 'libssl' on. */
static bool
apart(uint64_t libssl, uint64_t n, uint64_t first)
{
    const struct vnetenc_dgram_nonces nonces = { .first = libssl, .n = n };

    return vnetenc_dgram_nonces_apart(&nonces, first);
}

static void
test_apart(void)
{
    static const uint64_t starts[] = {
        0, 1, 12345, UINT64_MAX, UINT64_MAX - 5, UINT64_C(1) << 63,
        UINT64_MAX - VNETENC_NONCE_GAP,
    };

    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        uint64_t a = starts[i];

        CHECK(apart(a, 0, a));          /* It used none. */
        CHECK(!apart(a, 1, a));
        CHECK(!apart(a, 3, a + 1));
        CHECK(!apart(a, 1, a + 1));     /* Close. */
        CHECK(!apart(a, 1, a - 1));
        CHECK(!apart(a, 1, a + VNETENC_NONCE_GAP - 1));
        CHECK(!apart(a, 1, a - VNETENC_NONCE_GAP + 1));
        CHECK(apart(a, 1, a + VNETENC_NONCE_GAP));
        CHECK(apart(a, 1, a - VNETENC_NONCE_GAP));
        CHECK(!apart(a, 2, a + VNETENC_NONCE_GAP));
        CHECK(apart(a, 2, a + VNETENC_NONCE_GAP + 1));
        CHECK(apart(a, 2, a - VNETENC_NONCE_GAP));
        CHECK(apart(a, 100, a + (UINT64_C(1) << 63)));
        CHECK(!apart(a, VNETENC_NONCE_GAP, a + (UINT64_C(1) << 63)));
        CHECK(!apart(a, UINT64_MAX, a + (UINT64_C(1) << 63)));
    }
}

static void
put_whole_nonce(struct vnetenc_dgram *dgram, uint64_t nonce)
{
    uint8_t record[13 + 24] = { 22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0,
                                24 };
    BIO *bio = vnetenc_dgram_bio_new(dgram);

    for (int i = 0; i < 8; i++) {
        record[13 + i] = nonce >> (56 - 8 * i);
    }
    CHECK(BIO_write(bio, record, sizeof record) == sizeof record);
    BIO_free(bio);
}

/* The BIO knows all of libssl's nonces, or knows that it does not. */
static void
test_noted(void)
{
    const uint64_t a = UINT64_MAX - 1;
    struct vnetenc_dgram dgram;

    vnetenc_dgram_init(&dgram);
    CHECK(!dgram.nonces.n);
    for (int i = 0; i < 5; i++) {
        put_whole_nonce(&dgram, a + i);
    }
    CHECK(dgram.nonces.first == a && dgram.nonces.n == 5);
    CHECK(vnetenc_dgram_nonces_apart(&dgram.nonces, a + (a >> 1)));
    put_whole_nonce(&dgram, a + 4);
    CHECK(!vnetenc_dgram_nonces_apart(&dgram.nonces, a + (a >> 1)));
    vnetenc_dgram_uninit(&dgram);

    vnetenc_dgram_init(&dgram);
    put_whole_nonce(&dgram, a);
    put_whole_nonce(&dgram, a - 1);
    CHECK(!vnetenc_dgram_nonces_apart(&dgram.nonces, a + (a >> 1)));
    vnetenc_dgram_uninit(&dgram);
}

static void
test_nonce_watch_unreadable(void)
{
    uint8_t record[13 + 8] = { 22, 0xfe, 0xfd, 0, 1 };
    struct vnetenc_dgram dgram;
    BIO *bio;

    record[12] = 9;             /* One more than there is. */
    vnetenc_dgram_init(&dgram);
    bio = vnetenc_dgram_bio_new(&dgram);
    CHECK(BIO_write(bio, record, sizeof record) == sizeof record);
    CHECK(!vnetenc_dgram_nonces_ok(&dgram, false));
    BIO_free(bio);
    vnetenc_dgram_uninit(&dgram);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    test_datagrams();
    test_numbers();
    test_nonce_watch();
    test_nonce_watch_unreadable();
    test_apart();
    test_noted();
    return unit_end();
}
