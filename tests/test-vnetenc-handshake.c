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

/* Handshakes of ours against each other, over a network that loses, doubles
 * and reorders; their timers; what anyone may send.  (Against plain libssl:
 * test-vnetenc-refusals.c.) */

#include <config.h>
#undef NDEBUG
#include "vnetenc/control/handshake.h"

#include <limits.h>
#include <malloc.h>
#include <stdlib.h>

#include <openssl/conf.h>
#include <openssl/err.h>

#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/control/dgram.h"
#include "vnetenc/trust/cred.h"
#include "vnetenc-unit.h"
#include "vnetenc-unit-net.h"
#include "vnetenc-unit-pki.h"

enum { DAY_MS = 86400 * 1000 };

static struct unit_host a, b;

static void
set_up(void)
{
    unit_host_init(&a, "a", "192.0.2.1", NULL);
    unit_host_init(&b, "b", "192.0.2.2", NULL);
    unit_host_trust(&a, &b.ip, &b.id);
    unit_host_trust(&b, &a.ip, &a.id);
}

static void
check_success(struct unit_duel *duel)
{
    struct vnetenc_cert_chain *peer;

    unit_duel_run(duel);
    if (!CHECK(vnetenc_handshake_state(duel->client)
               == VNETENC_HANDSHAKE_DONE)) {
        printf("initiator: %s\n", vnetenc_handshake_reason(duel->client));
        return;
    }
    CHECK(duel->client_done && duel->server_done);
    CHECK(!duel->early_output);
    CHECK(!duel->bad_number);
    CHECK(duel->client_keys.key_len > 0);
    CHECK(!memcmp(&duel->client_keys, &duel->server_keys,
                  sizeof duel->client_keys));
    CHECK(vnetenc_handshake_profile(duel->client) == duel->profile);
    CHECK(vnetenc_handshake_profile(duel->server) == duel->profile);
    CHECK(!strcmp(vnetenc_handshake_suite(duel->client),
                  vnetenc_handshake_suite(duel->server)));
    CHECK(vnetenc_handshake_nonces_ok(duel->client));
    CHECK(vnetenc_handshake_nonces_ok(duel->server));

    peer = vnetenc_handshake_take_peer(duel->client);
    CHECK(!memcmp(vnetenc_cert_chain_fingerprint(peer), a.pins[0],
                  VNETENC_FINGERPRINT_BYTES));
    vnetenc_cert_chain_destroy(peer);
    peer = vnetenc_handshake_take_peer(duel->server);
    CHECK(!memcmp(vnetenc_cert_chain_fingerprint(peer), b.pins[0],
                  VNETENC_FINGERPRINT_BYTES));
    vnetenc_cert_chain_destroy(peer);
}

static void
test_success(void)
{
    for (int profile = 0; profile < UNIT_PROFILES; profile++) {
        long long int start = unit_now_ms;
        struct unit_duel duel;

        unit_duel_init(&duel, &a, &b, profile);
        check_success(&duel);
        CHECK(vnetenc_handshake_deadline_ms(duel.client) == LLONG_MAX);
        CHECK(vnetenc_handshake_deadline_ms(duel.server)
              == unit_now_ms - 1 + VNETENC_RESPONDER_KEEP_MS);
        CHECK(unit_now_ms - start < 10);        /* No timer ran out. */
        unit_duel_uninit(&duel);
    }
}

/* The initiator's order of ciphers counts, within what the responder has. */
static void
check_ciphers(const char *initiator, const char *responder,
              const char *expected)
{
    struct unit_duel duel;

    unit_host_set_cred(&a, 1, NULL, initiator);
    unit_host_set_cred(&b, 1, NULL, responder);
    unit_duel_init(&duel, &a, &b, 1);
    check_success(&duel);
    CHECK_HAS(vnetenc_handshake_suite(duel.client), expected);
    unit_duel_uninit(&duel);
    unit_host_set_cred(&a, 1, NULL, NULL);
    unit_host_set_cred(&b, 1, NULL, NULL);
}

static void
test_ciphers(void)
{
    check_ciphers(NULL, NULL, "ECDHE-ECDSA-AES256-GCM-SHA384");
    check_ciphers("AES128-GCM", NULL, "AES128-GCM-SHA256");
    check_ciphers("CHACHA20-POLY1305", NULL, "CHACHA20-POLY1305");
    check_ciphers(NULL, "CHACHA20-POLY1305", "CHACHA20-POLY1305");
    check_ciphers("AES128-GCM:AES256-GCM", "AES256-GCM:AES128-GCM",
                  "AES128-GCM-SHA256");
    check_ciphers("CHACHA20-POLY1305:AES256-GCM", NULL, "CHACHA20-POLY1305");
}

static void
test_no_common_cipher(void)
{
    struct unit_duel duel;

    unit_host_set_cred(&a, 1, NULL, "AES128-GCM");
    unit_host_set_cred(&b, 1, NULL, "AES256-GCM");
    unit_duel_init(&duel, &a, &b, 1);
    unit_duel_run(&duel);
    CHECK_HAS(vnetenc_handshake_reason(duel.client),
              "no end within 10 s (peer says, unverified: handshake failure: "
              "it refuses the certificate, or no cipher is in common)");
    unit_duel_uninit(&duel);
    unit_host_set_cred(&a, 1, NULL, NULL);
    unit_host_set_cred(&b, 1, NULL, NULL);
}

/* RSA and a chain that does not fit one datagram. */
static void
test_rsa(void)
{
    struct unit_host big;
    struct unit_duel duel;

    unit_host_init(&big, "big", "2001:db8::3",
                   &(struct pki_spec) { .key = "RSA-4096", .padding = 3000 });
    unit_host_trust(&big, &a.ip, &a.id);
    unit_host_trust(&a, &big.ip, &big.id);
    unit_duel_init(&duel, &a, &big, 0);
    unit_duel_run(&duel);
    CHECK(duel.client_done && duel.server_done);
    CHECK(!strcmp(vnetenc_handshake_suite(duel.client),
                  "ECDHE-RSA-AES256-GCM-SHA384"));
    unit_duel_uninit(&duel);

    /* The other way round. */
    unit_duel_init(&duel, &big, &a, 0);
    unit_duel_run(&duel);
    CHECK(duel.client_done && duel.server_done);
    unit_duel_uninit(&duel);

    unit_host_uninit(&big);
    unit_host_trust(&a, &b.ip, &b.id);
}

/* Bad networks. */

static enum unit_fate
drop_special(struct unit_duel *duel, unsigned int index)
{
    return index == duel->special ? UNIT_DROP : UNIT_PASS;
}

static enum unit_fate
double_special(struct unit_duel *duel, unsigned int index)
{
    return index == duel->special ? UNIT_DOUBLE : UNIT_PASS;
}

static enum unit_fate
delay_special(struct unit_duel *duel, unsigned int index)
{
    return index == duel->special ? UNIT_DELAY : UNIT_PASS;
}

static enum unit_fate
double_all(struct unit_duel *duel OVS_UNUSED, unsigned int index OVS_UNUSED)
{
    return UNIT_DOUBLE;
}

/* Each datagram with each fate, one at a time.  Among them is the responder's
 * last flight, which only its libssl can repeat. */
static void
test_each_datagram(void)
{
    enum unit_fate (*const fates[])(struct unit_duel *, unsigned int) = {
        drop_special, double_special, delay_special, double_all,
    };
    unsigned int n_packets;
    struct unit_duel duel;

    unit_duel_init(&duel, &a, &b, 2);
    unit_duel_run(&duel);
    n_packets = duel.n_packets;
    unit_duel_uninit(&duel);
    CHECK(n_packets >= 6);

    for (size_t i = 0; i < ARRAY_SIZE(fates); i++) {
        for (unsigned int j = 0; j < n_packets; j++) {
            long long int start = unit_now_ms;

            unit_duel_init(&duel, &a, &b, 2);
            duel.fate = fates[i];
            duel.special = j;
            check_success(&duel);
            CHECK(unit_now_ms - start < 2 * VNETENC_HANDSHAKE_TIMER_MS);
            unit_duel_uninit(&duel);
        }
    }
}

static enum unit_fate
random_fate(struct unit_duel *duel, unsigned int index OVS_UNUSED)
{
    /* xorshift32: the same on every machine. */
    duel->seed ^= duel->seed << 13;
    duel->seed ^= duel->seed >> 17;
    duel->seed ^= duel->seed << 5;

    switch (duel->seed >> 8 & 7) {
    case 0:
    case 1:
        return UNIT_DROP;
    case 2:
        return UNIT_DOUBLE;
    case 3:
        return UNIT_DELAY;
    default:
        return UNIT_PASS;
    }
}

/* A quarter lost, and the rest not in order: most attempts succeed, and those
 * which do not say that they ran out of time. */
static void
test_random_networks(void)
{
    unsigned int n_done = 0;

    for (uint32_t seed = 1; seed <= 200; seed++) {
        struct unit_duel duel;

        unit_duel_init(&duel, &a, &b, seed % UNIT_PROFILES);
        duel.fate = random_fate;
        duel.seed = seed * 2654435761u;
        unit_duel_run(&duel);
        if (duel.client_done) {
            CHECK(duel.server_done);
            CHECK(!memcmp(&duel.client_keys, &duel.server_keys,
                          sizeof duel.client_keys));
            n_done++;
        } else {
            CHECK_HAS(vnetenc_handshake_reason(duel.client),
                      "no end within 10 s");
        }
        CHECK(!duel.early_output);
        unit_duel_uninit(&duel);
    }
    CHECK(n_done >= 190);
}

/* One bit of one datagram is wrong.  Whatever comes of it, both
 * sides agree when both say that they are DONE. */
static enum unit_fate
flip_fate(struct unit_duel *duel, unsigned int index)
{
    return index == duel->special ? UNIT_FLIP : UNIT_PASS;
}

static void
test_flipped_bits(void)
{
    unsigned int n_done = 0;

    for (uint32_t seed = 1; seed <= 300; seed++) {
        struct unit_duel duel;

        unit_duel_init(&duel, &a, &b, seed % UNIT_PROFILES);
        duel.fate = flip_fate;
        duel.special = seed % 8;
        duel.seed = seed * 2654435761u;
        unit_duel_run(&duel);
        if (duel.client_done) {
            CHECK(duel.server_done);
            CHECK(!memcmp(&duel.client_keys, &duel.server_keys,
                          sizeof duel.client_keys));
            n_done++;
        }
        unit_duel_uninit(&duel);
    }
    CHECK(n_done > 100 && n_done < 280);
}

/* Timers. */

static void
test_retransmission(void)
{
    static const int expected_ms[] = {
        50, 150, 350, 750, 1550, 3150, 6150, 9150,
    };
    long long int start = unit_now_ms;
    struct vnetenc_handshake *h
        = vnetenc_handshake_initiate(&a.lookup, &b.ip, 0, start);
    struct ofpbuf *hello = vnetenc_handshake_pop_output(h);

    CHECK(hello && !vnetenc_handshake_pop_output(h));
    for (size_t i = 0; i < ARRAY_SIZE(expected_ms); i++) {
        struct ofpbuf *again;

        unit_now_ms = start + expected_ms[i] - 1;
        vnetenc_handshake_tick(h, unit_now_ms);
        CHECK(!vnetenc_handshake_pop_output(h));
        CHECK(vnetenc_handshake_deadline_ms(h) == start + expected_ms[i]);

        unit_now_ms++;
        vnetenc_handshake_tick(h, unit_now_ms);
        again = vnetenc_handshake_pop_output(h);
        if (CHECK(again && again->size == hello->size)) {
            /* All but the record's sequence number. */
            CHECK(!memcmp((char *) again->data + 11,
                          (char *) hello->data + 11, hello->size - 11));
        }
        ofpbuf_delete(again);
    }

    CHECK(vnetenc_handshake_deadline_ms(h) == start + 10000);
    unit_now_ms = start + 9999;
    vnetenc_handshake_tick(h, unit_now_ms);
    CHECK(vnetenc_handshake_state(h) == VNETENC_HANDSHAKE_RUNNING);
    unit_now_ms++;
    vnetenc_handshake_tick(h, unit_now_ms);
    CHECK(vnetenc_handshake_state(h) == VNETENC_HANDSHAKE_FAILED);
    CHECK(!strcmp(vnetenc_handshake_reason(h),
                  "too_slow: no end within 10 s"));
    CHECK(vnetenc_handshake_deadline_ms(h) == LLONG_MAX);
    ofpbuf_delete(hello);
    vnetenc_handshake_destroy(h);
}

/* libssl's timer follows the wall clock.  Set back, it would wait for a day:
 * the attempt is over instead. */
static void
test_clock_back(void)
{
    struct vnetenc_handshake *h
        = vnetenc_handshake_initiate(&a.lookup, &b.ip, 0, unit_now_ms);
    struct unit_duel duel;

    unit_wall_offset_ms -= DAY_MS;
    unit_now_ms = vnetenc_handshake_deadline_ms(h);
    vnetenc_handshake_tick(h, unit_now_ms);
    CHECK(vnetenc_handshake_state(h) == VNETENC_HANDSHAKE_FAILED);
    CHECK_HAS(vnetenc_handshake_reason(h), "wall clock was set back");
    vnetenc_handshake_destroy(h);

    /* Its successor knows nothing of it. */
    unit_duel_init(&duel, &a, &b, 0);
    check_success(&duel);
    unit_duel_uninit(&duel);

    /* A second is no more than a late repetition. */
    unit_duel_init(&duel, &a, &b, 0);
    duel.client = vnetenc_handshake_initiate(&a.lookup, &b.ip, 0,
                                             unit_now_ms);
    unit_wall_offset_ms -= 1000;
    duel.fate = drop_special;
    check_success(&duel);
    unit_duel_uninit(&duel);
    unit_wall_offset_ms += DAY_MS + 1000;
}

static void
test_clock_forward(void)
{
    struct unit_duel duel;

    unit_duel_init(&duel, &a, &b, 0);
    duel.client = vnetenc_handshake_initiate(&a.lookup, &b.ip, 0,
                                             unit_now_ms);
    unit_wall_offset_ms += DAY_MS;

    /* Our clock has not moved, so nothing is repeated. */
    ofpbuf_delete(vnetenc_handshake_pop_output(duel.client));
    duel.next_clear[true] = 1;
    vnetenc_handshake_tick(duel.client, unit_now_ms);
    CHECK(!vnetenc_handshake_pop_output(duel.client));
    check_success(&duel);
    unit_duel_uninit(&duel);
    unit_wall_offset_ms -= DAY_MS;
}

/* The clock is set back while the responder waits for the client. */
static enum unit_fate
clock_back_fate(struct unit_duel *duel, unsigned int index)
{
    if (index == duel->special) {
        unit_wall_offset_ms -= DAY_MS;
    }
    return UNIT_PASS;
}

/* Whenever the clock jumps, no handshake waits longer than its deadline, and
 * the next one works. */
static void
test_clock_anytime(void)
{
    for (unsigned int i = 0; i < 8; i++) {
        long long int start = unit_now_ms;
        struct unit_duel duel;

        unit_duel_init(&duel, &a, &b, 0);
        duel.fate = clock_back_fate;
        duel.special = i;
        unit_duel_run(&duel);
        CHECK(unit_now_ms <= start + VNETENC_HANDSHAKE_DEADLINE_MS);
        if (duel.server && !duel.server_done) {
            unit_now_ms = MAX(unit_now_ms, start
                              + 2 * VNETENC_HANDSHAKE_DEADLINE_MS);
            vnetenc_handshake_tick(duel.server, unit_now_ms);
            CHECK(vnetenc_handshake_state(duel.server)
                  == VNETENC_HANDSHAKE_FAILED);
        }
        unit_duel_uninit(&duel);

        unit_duel_init(&duel, &a, &b, 0);
        check_success(&duel);
        unit_duel_uninit(&duel);
        unit_wall_offset_ms += DAY_MS;
    }
}

/* What anyone may send. */

static const uint8_t plain_alert[] = {
    21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 42,
};

static void
test_unverified_alert(void)
{
    struct vnetenc_handshake *h
        = vnetenc_handshake_initiate(&a.lookup, &b.ip, 0, unit_now_ms);
    struct unit_duel duel;

    vnetenc_handshake_input(h, plain_alert, sizeof plain_alert, unit_now_ms);
    CHECK(vnetenc_handshake_state(h) == VNETENC_HANDSHAKE_RUNNING);
    unit_now_ms += VNETENC_HANDSHAKE_DEADLINE_MS;
    vnetenc_handshake_tick(h, unit_now_ms);
    CHECK(!strcmp(vnetenc_handshake_reason(h),
                  "refused_by_peer: no end within 10 s "
                  "(peer says, unverified: bad certificate)"));
    vnetenc_handshake_destroy(h);

    /* It changes nothing. */
    unit_duel_init(&duel, &a, &b, 0);
    duel.client = vnetenc_handshake_initiate(&a.lookup, &b.ip, 0,
                                             unit_now_ms);
    vnetenc_handshake_input(duel.client, plain_alert, sizeof plain_alert,
                            unit_now_ms);
    check_success(&duel);
    vnetenc_handshake_input(duel.client, plain_alert, sizeof plain_alert,
                            unit_now_ms);
    vnetenc_handshake_input(duel.server, plain_alert, sizeof plain_alert,
                            unit_now_ms);
    CHECK(vnetenc_handshake_state(duel.client) == VNETENC_HANDSHAKE_DONE);
    CHECK(vnetenc_handshake_state(duel.server) == VNETENC_HANDSHAKE_DONE);
    unit_duel_uninit(&duel);
}

/* Forges a datagram to each end, in the name of the other. */
static void
to_both(struct unit_duel *duel, const void *data, size_t size)
{
    vnetenc_handshake_input(duel->client, data, size, unit_now_ms);
    if (duel->server) {
        vnetenc_handshake_input(duel->server, data, size, unit_now_ms);
    }
}

/* Records of all types and epochs, of random content, before each datagram.
 * Those of epoch 0 and type 22 aside (libssl must believe them), none
 * hurts. */
static enum unit_fate
noisy_fate(struct unit_duel *duel, unsigned int index)
{
    static const uint8_t types[] = { 20, 21, 21, 22, 23, 23, 24, 99 };
    static const uint8_t epochs[] = { 1, 0, 1, 1, 0, 1, 0, 1 };

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        uint8_t noise[13 + 64] = { types[i], 0xfe, 0xfd, 0, epochs[i] };

        noise[9] = index;
        noise[10] = 200 + i;
        noise[12] = 64;
        to_both(duel, noise, sizeof noise);
    }
    return UNIT_PASS;
}

static void
test_noise(void)
{
    struct unit_duel duel;

    unit_duel_init(&duel, &a, &b, 0);
    duel.fate = noisy_fate;
    check_success(&duel);
    unit_duel_uninit(&duel);

    unit_duel_init(&duel, &a, &b, 0);
    duel.client = vnetenc_handshake_initiate(&a.lookup, &b.ip, 0,
                                             unit_now_ms);
    for (int i = 0; i < 1000; i++) {
        noisy_fate(&duel, i);
    }
    CHECK(vnetenc_handshake_state(duel.client) == VNETENC_HANDSHAKE_RUNNING);
    unit_duel_uninit(&duel);
}

/* Forged records of epoch 1 before each datagram, more than libssl is shown
 * while it has no keys: some too short for any cipher, some as long as a
 * Finished. */
static enum unit_fate
early_fate(struct unit_duel *duel, unsigned int index)
{
    for (int i = 0; i < 4 * VNETENC_EARLY_RECORDS; i++) {
        uint8_t early[13 + 48] = {
            22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 1 + index, i,
        };
        size_t body_size = i % 2 ? 48 : i;

        early[12] = body_size;
        to_both(duel, early, 13 + body_size);
    }
    return UNIT_PASS;
}

/* A forged fragment of a message that was read before, in a record in clear
 * with a high number, before each datagram. */
static enum unit_fate
far_ahead_fate(struct unit_duel *duel, unsigned int index)
{
    static const uint8_t hello[13 + 12] = {
        22, 0xfe, 0xfd, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 12,
        1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    };
    static const uint8_t verify[13 + 12 + 3] = {
        22, 0xfe, 0xfd, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 15,
        3, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 3, 0xfe, 0xff, 0,
    };

    if (index > 1) {
        vnetenc_handshake_input(duel->client, verify, sizeof verify,
                                unit_now_ms);
    }
    if (duel->server) {
        vnetenc_handshake_input(duel->server, hello, sizeof hello,
                                unit_now_ms);
    }
    return UNIT_PASS;
}

/* RFC 6347 section 4.1.2.6: nothing authenticates the number of a record in
 * clear, so a forged one must not move what is taken for a replay. */
static void
test_far_ahead(void)
{
    long long int started_ms = unit_now_ms;
    struct unit_duel duel;

    unit_duel_init(&duel, &a, &b, 0);
    duel.fate = far_ahead_fate;
    check_success(&duel);
    CHECK(unit_now_ms - started_ms < VNETENC_HANDSHAKE_TIMER_MS);
    unit_duel_uninit(&duel);
}

/* RFC 6347 section 4.1: forged early records neither end the handshake nor
 * delay it, and no genuine record is taken for one that came too early. */
static void
test_early_records(void)
{
    unsigned long long int n = vnetenc_drop_total(VNETENC_DROP_ctl_early);
    long long int started_ms = unit_now_ms;
    struct unit_duel duel;

    unit_duel_init(&duel, &a, &b, 0);
    duel.fate = early_fate;
    check_success(&duel);
    CHECK(unit_now_ms - started_ms < VNETENC_HANDSHAKE_TIMER_MS);
    CHECK(vnetenc_drop_total(VNETENC_DROP_ctl_early) > n);
    unit_duel_uninit(&duel);
}

/* A responder in the middle of a handshake, on which anyone who knows the
 * ports may send: pieces of messages that never become whole, and records
 * that libssl keeps until it has keys. */
static void
hoard(struct vnetenc_handshake *h)
{
    for (int i = 0; i < 100; i++) {
        uint8_t piece[13 + 12 + 1] = {
            22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 1, i, 0, 13,
            11, 0, 0x40, 0, 0, 2 + i, 0, 0, 0, 0, 0, 1, 0,
        };
        uint8_t early[1200] = {
            22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 2, i, (1200 - 13) >> 8,
            (1200 - 13) & 0xff,
        };

        vnetenc_handshake_input(h, piece, sizeof piece, unit_now_ms);
        vnetenc_handshake_input(h, early, sizeof early, unit_now_ms);
    }
}

static void
test_memory(void)
{
    struct unit_duel duel;
    size_t before;

    unit_duel_init(&duel, &a, &b, 0);
    duel.client = vnetenc_handshake_initiate(&a.lookup, &b.ip, 0,
                                             unit_now_ms);
    for (int i = 0; i < 2; i++) {
        struct ofpbuf *hello = vnetenc_handshake_pop_output(duel.client);
        struct ofpbuf *reply;
        struct vnetenc_handshake *h;

        unit_listen(duel.listener, &a.ip, htons(4321), hello->data,
                    hello->size, &reply, &h);
        if (reply) {
            vnetenc_handshake_input(duel.client, reply->data, reply->size,
                                    unit_now_ms);
        }
        duel.server = h;
        ofpbuf_delete(hello);
        ofpbuf_delete(reply);
    }
    before = mallinfo2().uordblks;
    hoard(duel.server);
    CHECK(vnetenc_handshake_state(duel.server) == VNETENC_HANDSHAKE_RUNNING);
    CHECK(mallinfo2().uordblks - before < 256 * 1024);
    unit_duel_uninit(&duel);
}

/* Cut-off, overlong and empty datagrams. */
static void
test_odd_datagrams(void)
{
    struct vnetenc_handshake *h
        = vnetenc_handshake_initiate(&a.lookup, &b.ip, 0, unit_now_ms);
    uint8_t big[VNETENC_MAX_DATAGRAM_BYTES + 1] = { 22, 0xfe, 0xfd };

    ofpbuf_delete(vnetenc_handshake_pop_output(h));
    for (size_t size = 0; size < sizeof plain_alert; size++) {
        vnetenc_handshake_input(h, plain_alert, size, unit_now_ms);
    }
    vnetenc_handshake_input(h, big, sizeof big, unit_now_ms);
    CHECK(vnetenc_handshake_state(h) == VNETENC_HANDSHAKE_RUNNING);
    unit_now_ms += VNETENC_HANDSHAKE_DEADLINE_MS;
    vnetenc_handshake_tick(h, unit_now_ms);
    CHECK(!strcmp(vnetenc_handshake_reason(h),
                  "too_slow: no end within 10 s"));
    vnetenc_handshake_input(h, plain_alert, sizeof plain_alert, unit_now_ms);
    vnetenc_handshake_tick(h, unit_now_ms);
    CHECK(!vnetenc_handshake_pop_output(h));
    vnetenc_handshake_destroy(h);
    vnetenc_handshake_destroy(NULL);
}

/* Nonces. */

/* As if libssl had written a record of epoch 1 with a nonce that begins with
 * 0x0001. */
static void
write_our_nonce(struct vnetenc_handshake *h)
{
    static const uint8_t record[13 + 24] = {
        22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 24, 0, 1,
    };
    BIO *bio = vnetenc_dgram_bio_new(vnetenc_handshake_dgram(h));

    CHECK(BIO_write(bio, record, sizeof record) == sizeof record);
    BIO_free(bio);
}

static enum unit_fate
spoil_client(struct unit_duel *duel, unsigned int index OVS_UNUSED)
{
    write_our_nonce(duel->client);
    ofpbuf_delete(vnetenc_dgram_pop(vnetenc_handshake_dgram(duel->client)));
    return UNIT_PASS;
}

static enum unit_fate
spoil_server(struct unit_duel *duel, unsigned int index OVS_UNUSED)
{
    if (duel->server && !duel->server_done
        && vnetenc_handshake_nonces_ok(duel->server)) {
        write_our_nonce(duel->server);
    }
    return UNIT_PASS;
}

/* A handshake in which libssl drew a nonce that could be ours is discarded,
 * without its last flight. */
static void
test_nonce_space(void)
{
    struct unit_duel duel;

    unit_duel_init(&duel, &a, &b, 0);
    duel.fate = spoil_client;
    unit_duel_run(&duel);
    CHECK(vnetenc_handshake_state(duel.client) == VNETENC_HANDSHAKE_FAILED);
    CHECK_HAS(vnetenc_handshake_reason(duel.client), "nonce: ");
    CHECK(!vnetenc_handshake_nonces_ok(duel.client));
    unit_duel_uninit(&duel);

    unit_duel_init(&duel, &a, &b, 0);
    duel.fate = spoil_server;
    unit_duel_run(&duel);
    CHECK(vnetenc_handshake_state(duel.server) == VNETENC_HANDSHAKE_FAILED);
    CHECK_HAS(vnetenc_handshake_reason(duel.server), "nonce: ");
    CHECK(!duel.server_done);
    CHECK(!duel.client_done);
    CHECK(!vnetenc_handshake_pop_output(duel.server));
    unit_duel_uninit(&duel);

    /* ChaCha20-Poly1305 has no explicit nonce that could collide. */
    unit_host_set_cred(&a, 3, NULL, "CHACHA20-POLY1305");
    unit_duel_init(&duel, &a, &b, 3);
    duel.fate = spoil_client;
    check_success(&duel);
    unit_duel_uninit(&duel);
    unit_host_set_cred(&a, 3, NULL, NULL);

    /* After DONE it is for the owner to ask. */
    unit_duel_init(&duel, &a, &b, 0);
    check_success(&duel);
    write_our_nonce(duel.server);
    CHECK(vnetenc_handshake_state(duel.server) == VNETENC_HANDSHAKE_DONE);
    CHECK(!vnetenc_handshake_nonces_ok(duel.server));
    unit_duel_uninit(&duel);
}

/* Configuration that changes under way. */

static void
test_trust_withdrawn(void)
{
    struct unit_duel duel;

    /* The initiator asks three times: whether the peer is a member, when it
     * sees the certificate, and at the end. */
    for (int n = 0; n <= 2; n++) {
        a.trust_lookups = n;
        unit_duel_init(&duel, &a, &b, 0);
        unit_duel_run(&duel);
        CHECK_HAS(vnetenc_handshake_reason(duel.client), "no such peer");
        CHECK(!duel.client_done);
        unit_duel_uninit(&duel);
    }
    a.trust_lookups = -1;

    for (int n = 0; n <= 2; n++) {
        b.trust_lookups = n;
        unit_duel_init(&duel, &a, &b, 0);
        unit_duel_run(&duel);
        CHECK(!duel.server_done && !duel.client_done);
        CHECK_HAS(vnetenc_handshake_reason(duel.server), "no such peer");
        unit_duel_uninit(&duel);
    }
    b.trust_lookups = -1;
}

/* Replaces the credentials of profile 1 by the same with 'strength'. */
static void
set_strength(struct unit_host *host, unsigned int strength)
{
    char *cert = xasprintf("%s.pem", host->trust.name);
    char *key = xasprintf("%s.key", host->trust.name);
    char *error;

    vnetenc_cred_unref(host->creds[1]);
    error = vnetenc_cred_load(&(struct vnetenc_cred_config) {
        .profile = 1, .certificate = pki_path(cert),
        .private_key = pki_path(key), .strength = strength },
        &host->creds[1]);
    ovs_assert(!error);
    free(cert);
    free(key);
}

/* Both demand 192 bits, or one does.  The connection takes the strength of the
 * profile although it began without one. */
static void
test_strength(void)
{
    const struct pki_spec spec = { .key = "P-384", .digest = "SHA384" };
    struct unit_host strong, other;
    struct unit_duel duel;

    unit_host_init(&strong, "strong", "192.0.2.3", &spec);
    unit_host_init(&other, "other", "192.0.2.4", &spec);
    unit_host_trust(&strong, &other.ip, &other.id);
    unit_host_trust(&other, &strong.ip, &strong.id);
    for (int i = 0; i < 4; i++) {
        set_strength(&strong, i & 1 ? 192 : 112);
        set_strength(&other, i & 2 ? 192 : 112);
        unit_duel_init(&duel, &strong, &other, 1);
        unit_duel_run(&duel);
        CHECK(duel.client_done && duel.server_done);
        CHECK_HAS(vnetenc_handshake_suite(duel.client),
                  "ECDHE-ECDSA-AES256-GCM-SHA384");
        unit_duel_uninit(&duel);
    }
    unit_host_uninit(&strong);

    /* The other one has a certificate on P-256. */
    unit_host_init(&strong, "weak", "192.0.2.3", NULL);
    unit_host_trust(&strong, &other.ip, &other.id);
    unit_host_trust(&other, &strong.ip, &strong.id);
    for (int other_calls = 0; other_calls <= 1; other_calls++) {
        unit_duel_init(&duel, other_calls ? &other : &strong,
                       other_calls ? &strong : &other, 1);
        unit_duel_run(&duel);
        CHECK(!duel.client_done && !duel.server_done);
        unit_duel_uninit(&duel);
    }
    unit_host_uninit(&strong);
    unit_host_uninit(&other);
}

static struct unit_host *withdrawer;

/* Takes away the cipher that was chosen while the responder's first flight is
 * on the way. */
static enum unit_fate
withdraw_cipher(struct unit_duel *duel, unsigned int index)
{
    if (index == 3) {
        unit_host_set_cred(withdrawer, duel->profile, NULL, "AES256-GCM");
    }
    return UNIT_PASS;
}

static void
test_cipher_withdrawn(void)
{
    struct unit_host *hosts[] = { &a, &b };

    for (int i = 0; i < 2; i++) {
        const struct vnetenc_handshake *h;
        struct unit_duel duel;

        withdrawer = hosts[i];
        unit_host_set_cred(&a, 1, NULL, "AES128-GCM:AES256-GCM");
        unit_duel_init(&duel, &a, &b, 1);
        duel.fate = withdraw_cipher;
        unit_duel_run(&duel);
        h = i ? duel.server : duel.client;
        CHECK(!(i ? duel.server_done : duel.client_done));
        CHECK(vnetenc_handshake_state(h) == VNETENC_HANDSHAKE_FAILED);
        CHECK_HAS(vnetenc_handshake_reason(h), "profile 1 has no ");
        unit_duel_uninit(&duel);
        unit_host_set_cred(&a, 1, NULL, NULL);
        unit_host_set_cred(&b, 1, NULL, NULL);
    }
}

static void
test_unknown_profile(void)
{
    struct vnetenc_cred *cred = b.creds[2];
    struct unit_duel duel;

    unit_duel_init(&duel, &a, &b, UNIT_PROFILES + 3);
    unit_duel_run(&duel);
    CHECK(!strcmp(vnetenc_handshake_reason(duel.client),
                  "no credentials for profile 7"));
    CHECK(duel.n_packets == 0);
    unit_duel_uninit(&duel);

    b.creds[2] = NULL;
    unit_duel_init(&duel, &a, &b, 2);
    unit_duel_run(&duel);
    CHECK(!duel.server_done && !duel.client_done);
    CHECK_HAS(vnetenc_handshake_reason(duel.server),
              "no credentials for profile 2");
    CHECK_HAS(vnetenc_handshake_reason(duel.client),
              "unrecognized name: it has no credentials for the profile");
    unit_duel_uninit(&duel);
    b.creds[2] = cred;
}

/* The machine's openssl.cnf. */

static void
read_openssl_cnf(const char *line)
{
    const char *path = pki_path("openssl.cnf");
    FILE *f = fopen(path, "w");

    ovs_assert(f && fprintf(f, "openssl_conf = m\n[m]\nssl_conf = s\n"
                            "[s]\nsystem_default = d\n[d]\n%s\n", line) > 0
               && !fclose(f));
    CHECK(CONF_modules_load_file(path, NULL, 0) == 1);
    for (int profile = 0; profile < UNIT_PROFILES; profile++) {
        unit_host_set_cred(&a, profile, NULL, NULL);
        unit_host_set_cred(&b, profile, NULL, NULL);
    }
    CONF_modules_finish();
}

/* Nothing of it decides whether there is a session. */
static void
test_openssl_cnf(void)
{
    static const char *const lines[] = {
        "SignatureAlgorithms = RSA+SHA256",
        "ClientSignatureAlgorithms = RSA+SHA256",
        "Groups = P-521",
        "CipherString = AES256-SHA256:@SECLEVEL=5",
        "MinProtocol = TLSv1.3",
        "MaxProtocol = DTLSv1",
        "Options = ServerPreference,UnsafeLegacyRenegotiation",
        "VerifyMode = Once",
    };

    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        struct unit_duel duel;

        read_openssl_cnf(lines[i]);
        unit_duel_init(&duel, &a, &b, 0);
        check_success(&duel);
        unit_duel_uninit(&duel);
    }
    read_openssl_cnf("MinProtocol = DTLSv1.2");
}

/* Key log. */

static unsigned int n_keylog;

static void
count_keylog(const char *line)
{
    n_keylog += !strncmp(line, "CLIENT_RANDOM ", 14) && strlen(line) > 100;
}

static void
test_keylog(void)
{
    struct unit_duel duel;

    for (int on = 1; on >= 0; on--) {
        n_keylog = 0;
        vnetenc_handshake_set_keylog(on ? count_keylog : NULL);
        unit_duel_init(&duel, &a, &b, 0);
        check_success(&duel);
        unit_duel_uninit(&duel);
        CHECK(n_keylog == (on ? 2 : 0));
    }
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    set_up();

    test_success();
    test_ciphers();
    test_no_common_cipher();
    test_rsa();
    test_each_datagram();
    test_random_networks();
    test_flipped_bits();
    test_retransmission();
    test_clock_back();
    test_clock_forward();
    test_clock_anytime();
    test_unverified_alert();
    test_noise();
    test_early_records();
    test_far_ahead();
    test_memory();
    test_odd_datagrams();
    test_nonce_space();
    test_trust_withdrawn();
    test_strength();
    test_cipher_withdrawn();
    test_unknown_profile();
    test_openssl_cnf();
    test_keylog();

    CHECK(!ERR_peek_error());
    unit_host_uninit(&a);
    unit_host_uninit(&b);
    pki_cleanup();
    return unit_end();
}
