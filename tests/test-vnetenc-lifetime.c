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

/* Lifetimes and probes: when a key is replaced, when it seals no more, when
 * its peer is asked and when given up. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/control/lifetime.h"
#include "vnetenc/control/probe.h"

#include <limits.h>

#include "random.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/trust/configuration.h"
#include "vnetenc-unit.h"

/* Lifetimes. */

static struct vnetenc_config_profile
limits(uint64_t records, uint64_t bytes, unsigned int seconds)
{
    struct vnetenc_config_profile config;

    vnetenc_config_profile_init(&config, 0);
    config.rekey_records = records;
    config.rekey_bytes = bytes;
    config.rekey_s = seconds;
    return config;
}

/* 'x' is 'full' less up to a tenth. */
static bool
is_near(uint64_t x, uint64_t full)
{
    return x <= full && x >= full - full / 10;
}

static void
test_jitter(void)
{
    const struct vnetenc_config_profile config
        = limits(1000000, 5000000, 3600);
    uint64_t least = UINT64_MAX, most = 0;

    for (int i = 0; i < 1000; i++) {
        struct vnetenc_lifetime life;
        uint64_t n;

        vnetenc_lifetime_init(&life, &config, 7000);
        n = life.rekey_seq - VNETENC_FIRST_SEQ;
        least = MIN(least, n);
        most = MAX(most, n);
        CHECK(is_near(n, 1000000));
        CHECK(is_near(life.rekey_bytes, 5000000));
        CHECK(is_near(life.rekey_at - 7000, 3600000));
        CHECK(life.end_seq == VNETENC_FIRST_SEQ + 2000000);
        CHECK(life.end_bytes == 10000000);
        CHECK(life.end_at == 7000 + 7200000);
    }
    /* All of the tenth is used. */
    CHECK(least < 910000 && most > 990000);
}

/* The smallest and the largest values that the database admits. */
static void
test_extremes(void)
{
    struct vnetenc_config_profile config = limits(1, 1, 1);
    struct vnetenc_lifetime life;

    for (int i = 0; i < 100; i++) {
        vnetenc_lifetime_init(&life, &config, 0);
        CHECK(life.rekey_seq == VNETENC_FIRST_SEQ + 1);
        CHECK(life.rekey_bytes == 1);
        CHECK(life.end_seq == VNETENC_FIRST_SEQ + 2);
        CHECK(life.end_bytes == 2);
        CHECK(!vnetenc_lifetime_is_over(&life, VNETENC_FIRST_SEQ, 0, 0));
    }

    vnetenc_config_profile_init(&config, 0);
    for (int i = 0; i < 100; i++) {
        vnetenc_lifetime_init(&life, &config, 0);
        CHECK(is_near(life.rekey_seq - VNETENC_FIRST_SEQ, UINT64_C(1) << 32));
        CHECK(is_near(life.rekey_bytes, UINT64_C(1) << 38));
        CHECK(life.end_seq == VNETENC_FIRST_SEQ + (UINT64_C(1) << 33));
        CHECK(life.end_seq <= VNETENC_MAX_SEQ);
        CHECK(life.end_bytes == UINT64_C(1) << 39);
    }
}

static void
test_over_and_dead(void)
{
    const struct vnetenc_lifetime life = {
        .rekey_seq = 500,
        .rekey_bytes = 900,
        .rekey_at = 10000,
        .end_at = 20000,
    };

    CHECK(!vnetenc_lifetime_is_over(&life, 499, 899, 9999));
    CHECK(vnetenc_lifetime_is_over(&life, 500, 0, 0));
    CHECK(vnetenc_lifetime_is_over(&life, 0, 900, 0));
    CHECK(vnetenc_lifetime_is_over(&life, 0, 0, 10000));
    CHECK(!vnetenc_lifetime_is_dead(&life, 19999));
    CHECK(vnetenc_lifetime_is_dead(&life, 20000));
}

/* Probes. */

static long long int now;
static uint64_t n_records;
static struct vnetenc_probe probe;
static unsigned int timeout_ms = 200;

static void
begin(void)
{
    now = 1000000;
    n_records = 0;
    vnetenc_probe_init(&probe, now);
}

/* Seals what the lane carries. */
static void
carry(unsigned int n)
{
    n_records += n;
}

static enum vnetenc_probe_action
run(void)
{
    return vnetenc_probe_run(&probe, n_records, timeout_ms, now);
}

/* Sends the probe that is due, which is a record, too.  Returns
 * what its reply has to say. */
static uint64_t
send_probe(void)
{
    uint64_t echo = probe.echo;

    CHECK(run() == VNETENC_PROBE_SEND);
    carry(1);
    vnetenc_probe_sent(&probe, n_records, now);
    CHECK(run() == VNETENC_PROBE_NOTHING);
    return echo;
}

/* Nothing happens for 'ms', then something does. */
static void
quiet_for(int ms)
{
    now += ms - 1;
    CHECK(run() == VNETENC_PROBE_NOTHING);
    now++;
    CHECK(run() != VNETENC_PROBE_NOTHING);
}

static void
test_idle_and_busy(void)
{
    begin();
    CHECK(run() == VNETENC_PROBE_NOTHING);
    quiet_for(60000);
    vnetenc_probe_reply(&probe, send_probe(), now);

    /* The probe itself is no traffic. */
    quiet_for(60000);
    vnetenc_probe_reply(&probe, send_probe(), now);

    carry(1);
    quiet_for(2000);
    vnetenc_probe_reply(&probe, send_probe(), now);
    carry(100);
    quiet_for(2000);
    vnetenc_probe_reply(&probe, send_probe(), now);
    quiet_for(60000);
    CHECK(!probe.lost);
}

/* Three unanswered ones, each of which has 200 ms. */
static void
test_lost(void)
{
    begin();
    carry(1);
    now += 2000;
    for (int i = 0; i < 3; i++) {
        send_probe();
        CHECK(!probe.lost);
        quiet_for(200);
    }
    CHECK(run() == VNETENC_PROBE_NOTHING);      /* Said once. */
    CHECK(probe.lost && probe.lost_at == now);

    /* It is asked on, at leisure, and believed if it answers. */
    now += 1799;
    CHECK(run() == VNETENC_PROBE_NOTHING);
    now++;
    send_probe();
    quiet_for(2000);
    vnetenc_probe_reply(&probe, send_probe(), now);
    CHECK(!probe.lost && !probe.tries);
    quiet_for(60000);
}

/* How long an answer may take follows the round trip, also beyond the time
 * between two probes.  A reply tells how long it took, whichever probe it
 * answers. */
static void
test_slow(void)
{
    uint64_t echo;

    timeout_ms = 2700;
    begin();
    carry(1);
    now += 2000;
    for (int i = 0; i < 3; i++) {
        send_probe();
        CHECK(!probe.lost);
        quiet_for(2700);
    }
    CHECK(probe.lost);

    begin();
    carry(1);
    now += 2000;
    echo = send_probe();
    quiet_for(2700);
    send_probe();
    now += 300;
    CHECK(vnetenc_probe_reply(&probe, echo, now) == 3000);
    CHECK(vnetenc_probe_reply(&probe, echo, now) == -1);
    CHECK(vnetenc_probe_reply(&probe, echo + 1, now) == -1);
    timeout_ms = 200;
}

/* Each of the three may be the one that is answered; nothing else counts. */
static void
test_replies(void)
{
    for (int n = 1; n <= 3; n++) {
        for (int answered = 0; answered < n; answered++) {
            uint64_t echoes[3];

            begin();
            probe.echo = random_range(2) ? UINT64_MAX - 1 : random_uint64();
            vnetenc_probe_reply(&probe, probe.echo, now);
            vnetenc_probe_reply(&probe, probe.echo - 1, now);
            carry(1);
            now += 2000;
            for (int i = 0; i < n; i++) {
                echoes[i] = send_probe();
                now += 200;
            }
            for (int i = 1; i <= 64; i++) {
                vnetenc_probe_reply(&probe, echoes[0] - i, now);
                vnetenc_probe_reply(&probe, echoes[n - 1] + i, now);
                vnetenc_probe_reply(&probe, echoes[0] ^ UINT64_C(1) << 63,
                                    now);
            }
            CHECK(probe.tries == n);
            vnetenc_probe_reply(&probe, echoes[answered], now);
            CHECK(!probe.tries);
            CHECK(run() == VNETENC_PROBE_NOTHING);
        }
    }

    /* What was answered once is no answer to the next. */
    begin();
    now += 60000;
    {
        uint64_t old = send_probe();

        vnetenc_probe_reply(&probe, old, now);
        carry(1);
        now += 2000;
        send_probe();
        vnetenc_probe_reply(&probe, old, now);
        CHECK(probe.tries == 1);
    }
}

/* Two sessions do not begin with the same echo, so that nobody knows it. */
static void
test_echo_is_random(void)
{
    uint64_t first;

    begin();
    first = probe.echo;
    begin();
    CHECK(probe.echo != first);
}

static void
test_hints(void)
{
    begin();
    CHECK(vnetenc_probe_hint(&probe, now));
    CHECK(!vnetenc_probe_hint(&probe, now));    /* One too many. */
    vnetenc_probe_reply(&probe, send_probe(), now);

    /* One a second. */
    now += 999;
    CHECK(!vnetenc_probe_hint(&probe, now));
    CHECK(run() == VNETENC_PROBE_NOTHING);
    now++;
    CHECK(vnetenc_probe_hint(&probe, now));
    send_probe();

    /* Not while an answer is awaited: hints do not hurry that. */
    now += 199;
    CHECK(!vnetenc_probe_hint(&probe, now));
    CHECK(run() == VNETENC_PROBE_NOTHING);

    begin();
    carry(1);
    now += 2000;
    send_probe();
    now += 100;
    CHECK(!vnetenc_probe_hint(&probe, now));
    CHECK(run() == VNETENC_PROBE_NOTHING);

    /* However many come, and whenever: they make nothing lost. */
    begin();
    for (int i = 0; i < 100000; i++) {
        now += 7;
        vnetenc_probe_hint(&probe, now);
        if (run() == VNETENC_PROBE_SEND) {
            vnetenc_probe_reply(&probe, send_probe(), now);
        }
        ovs_assert(!probe.lost);
    }
    CHECK(!probe.lost);
}

/* A session that its peer has ended stays lost, whatever the peer answers, and
 * is not probed any more. */
static void
test_close(void)
{
    uint64_t echo;

    begin();
    quiet_for(VNETENC_PROBE_IDLE_MS);
    echo = send_probe();
    vnetenc_probe_close(&probe, now);
    CHECK(probe.lost && probe.lost_at == now);
    CHECK(vnetenc_probe_reply(&probe, echo, now) < 0);
    CHECK(probe.lost);
    vnetenc_probe_hint(&probe, now);
    for (int i = 0; i < 100; i++) {
        now += 1000;
        CHECK(run() == VNETENC_PROBE_NOTHING);
    }
}

static void
test_give_up(void)
{
    begin();
    vnetenc_probe_give_up(&probe, now);
    CHECK(probe.lost && probe.lost_at == now);
    now += 100;
    vnetenc_probe_give_up(&probe, now);
    CHECK(probe.lost_at == now - 100);

    /* Still it is asked. */
    quiet_for(1900);
    vnetenc_probe_reply(&probe, send_probe(), now);
    CHECK(!probe.lost);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    test_jitter();
    test_extremes();
    test_over_and_dead();
    test_idle_and_busy();
    test_lost();
    test_slow();
    test_replies();
    test_echo_is_random();
    test_hints();
    test_give_up();
    test_close();
    return unit_end();
}
