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

/* Alarms: what raises and what clears each of them, and what the log says. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/trust/alarms.h"

#include <limits.h>
#include <stdlib.h>

#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/control/outgoing.h"
#include "vnetenc/control/watch.h"
#include "vnetenc/trust/failures.h"
#include "vnetenc/trust/peer.h"
#include "vnetenc-unit.h"
#include "vnetenc-unit-control.h"
#include "vnetenc-unit-loopback.h"
#include "vnetenc-unit-net.h"
#include "vnetenc-unit-pki.h"

/* The log. */

static long int log_from;

/* Returns the number of lines with 'text' since log_forget(). */
static unsigned int
n_logged(const char *text)
{
    FILE *f = fopen(pki_path("log"), "r");
    unsigned int n = 0;
    char line[1024];

    if (f && !fseek(f, log_from, SEEK_SET)) {
        while (fgets(line, sizeof line, f)) {
            n += !!strstr(line, text);
        }
    }
    if (f) {
        fclose(f);
    }
    return n;
}

static void
log_forget(void)
{
    FILE *f = fopen(pki_path("log"), "r");

    if (f) {
        fseek(f, 0, SEEK_END);
        log_from = ftell(f);
        fclose(f);
    }
}

/* The alarms themselves. */

static bool
has(const struct vnetenc_alarms *alarms, const char *expected)
{
    const char *names[VNETENC_N_ALARMS];
    size_t n = vnetenc_alarms_names(alarms, names);
    char text[256] = "";

    for (size_t i = 0; i < n; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s",
                 i ? " " : "", names[i]);
    }
    if (!strcmp(text, expected)) {
        return true;
    }
    printf("alarms are \"%s\", not \"%s\"\n", text, expected);
    return false;
}

/* A cause that comes and goes is one alarm with one line at each end. */
static void
test_no_flapping(void)
{
    const uint32_t down = VNETENC_ALARM_BIT(down);
    struct vnetenc_alarms alarms;
    long long int now = 1000000;

    memset(&alarms, 0, sizeof alarms);
    log_forget();
    CHECK(!vnetenc_alarms_update(&alarms, 0, "peer X", NULL, now));
    CHECK(has(&alarms, ""));
    CHECK(vnetenc_alarms_update(&alarms, down, "peer X", "no_answer: why",
                                now));
    for (int i = 0; i < 100; i++) {
        now += 1000;
        CHECK(!vnetenc_alarms_update(&alarms, i % 2 ? down : 0, "peer X",
                                     NULL, now));
        CHECK(has(&alarms, "down"));
    }
    CHECK(!vnetenc_alarms_update(&alarms, 0, "peer X", NULL,
                                 now + VNETENC_ALARM_MS - 1));
    CHECK(has(&alarms, "down"));
    CHECK(vnetenc_alarms_update(&alarms, 0, "peer X", NULL,
                                now + VNETENC_ALARM_MS));
    CHECK(has(&alarms, ""));
    CHECK(n_logged("alarm down: peer X: ") == 2);
    CHECK(n_logged("no_answer: why") == 1);
    CHECK(n_logged("alarm down: peer X: cleared") == 1);
}

/* Two alarms do not disturb each other; what is removed has none left. */
static void
test_several(void)
{
    struct vnetenc_alarms alarms;
    long long int now = 2000000;

    memset(&alarms, 0, sizeof alarms);
    log_forget();
    vnetenc_alarms_update(&alarms, VNETENC_ALARM_BIT(down), "peer X", NULL,
                          now);
    vnetenc_alarms_update(&alarms, VNETENC_ALARM_BIT(refused), "peer X", NULL,
                          now + 30000);
    CHECK(has(&alarms, "down refused"));
    vnetenc_alarms_update(&alarms, 0, "peer X", NULL, now + VNETENC_ALARM_MS);
    CHECK(has(&alarms, "refused"));
    vnetenc_alarms_end(&alarms, "peer X", now + VNETENC_ALARM_MS);
    CHECK(has(&alarms, ""));
    CHECK(n_logged("cleared") == 2);
}

/* A thousand peers that fail at once are 20 lines and a sum. */
static void
test_many(void)
{
    enum { N = 1000 };
    struct vnetenc_alarms *alarms = xcalloc(N, sizeof *alarms);
    long long int now = 3000000;

    log_forget();
    for (int i = 0; i < N; i++) {
        vnetenc_alarms_update(&alarms[i], VNETENC_ALARM_BIT(down), "peer Y",
                              NULL, now + i);
    }
    CHECK(n_logged("alarm down: peer Y") == VNETENC_ALARM_LINES);
    vnetenc_alarms_run(now + VNETENC_ALARM_LOG_MS - 1);
    CHECK(!n_logged("within a minute"));
    vnetenc_alarms_run(now + VNETENC_ALARM_LOG_MS);
    CHECK(n_logged("within a minute, 980 more alarms were raised and 0 more "
                   "cleared") == 1);
    vnetenc_alarms_run(now + 3 * VNETENC_ALARM_LOG_MS);
    CHECK(n_logged("within a minute") == 1);
    free(alarms);
}

/* Names of failures. */

static void
test_refusals(void)
{
    CHECK(vnetenc_failure_is_refusal("other_certificate: certificate X"));
    CHECK(vnetenc_failure_is_refusal("refused_by_peer: peer says"));
    CHECK(!vnetenc_failure_is_refusal("no_answer: from UDP port 6082"));
    CHECK(!vnetenc_failure_is_refusal("refused_by: what"));
    CHECK(!vnetenc_failure_is_refusal(""));
    CHECK(!vnetenc_failure_is_refusal(NULL));
}

/* The watch, on two hosts. */

static struct vnetenc_peer *
remote_a(void)
{
    return vnetenc_peer_find(&unit_a);
}

static struct vnetenc_peer *
remote_b(void)
{
    return vnetenc_peer_find(&unit_b);
}

/* Time goes on by 's' seconds with a look at the end of each.  'want': there
 * are packets for B all the time. */
static void
watch(unsigned int s, bool want)
{
    for (unsigned int i = 0; i < s; i++) {
        if (want) {
            vnetenc_outgoing_want(&unit_ab, unit_now_ms);
        }
        unit_control_run(1000);
        CHECK(vnetenc_watch_run(unit_now_ms)
              <= unit_now_ms + VNETENC_WATCH_MS);
    }
}

/* A lost session is missed after 10 s, one that nobody wants is not. */
static void
test_down(void)
{
    unit_control_begin();
    unit_control_fate = unit_control_lose;
    watch(20, false);
    CHECK(has(&remote_b()->watch.alarms, ""));
    watch(9, true);
    CHECK(has(&remote_b()->watch.alarms, ""));
    watch(2, true);
    CHECK(has(&remote_b()->watch.alarms, "down"));

    /* The network is back. */
    unit_control_fate = NULL;
    watch(30, true);
    CHECK(unit_control_tx(0));
    CHECK(has(&remote_b()->watch.alarms, "down"));
    watch(60, true);
    CHECK(has(&remote_b()->watch.alarms, ""));

    /* The peer dies while nobody sends: its session is missed all the same. */
    unit_control_fate = unit_control_lose;
    watch(VNETENC_PROBE_IDLE_MS / 1000 + 20, false);
    CHECK(has(&remote_b()->watch.alarms, "down"));
    unit_control_fate = NULL;
    unit_control_end();
}

/* Nobody wants it any more: the alarm ends. */
static void
test_down_and_forgotten(void)
{
    unit_control_begin();
    unit_control_fate = unit_control_lose;
    watch(12, true);
    CHECK(has(&remote_b()->watch.alarms, "down"));
    watch((VNETENC_WANTED_MS + VNETENC_ALARM_MS) / 1000 + 2, false);
    CHECK(has(&remote_b()->watch.alarms, ""));
    unit_control_fate = NULL;
    unit_control_end();
}

static void
test_refused(void)
{
    unit_control_begin();
    unit_rows[0].pins[0][0] ^= 1;   /* B's row of A. */
    unit_control_configure(UNIT_ROWS);
    watch(5, true);
    CHECK(has(&remote_a()->watch.alarms, "refused"));
    watch(10, true);
    CHECK(has(&remote_b()->watch.alarms, "down refused"));
    unit_rows[0].pins[0][0] ^= 1;
    unit_control_configure(UNIT_ROWS);
    /* At the end of the longest pause. */
    watch(VNETENC_RETRY_MAX_MS / 1000 + 12 + 60, true);
    CHECK(has(&remote_b()->watch.alarms, ""));
    unit_control_end();
}

static void
test_fallback(void)
{
    struct vnetenc_path *path;

    unit_control_begin();
    watch(1, true);
    path = vnetenc_path_find(&unit_ab);
    if (CHECK(path)) {
        watch(2, true);
        CHECK(has(&remote_b()->watch.alarms, ""));
        vnetenc_path_count(path, NULL, VNETENC_DROP_clear_no_session, 1);
        watch(1, true);
        CHECK(has(&remote_b()->watch.alarms, "fallback"));
        watch(58, true);
        CHECK(has(&remote_b()->watch.alarms, "fallback"));
        watch(3, true);
        CHECK(has(&remote_b()->watch.alarms, ""));
    }
    unit_control_end();
}

/* 's' seconds with 'n' forged records each. */
static void
forge(unsigned int s, unsigned int n)
{
    for (unsigned int i = 0; i < s; i++) {
        struct vnetenc_tx *tx = unit_control_tx(0);
        struct vnetenc_rx *rx = tx ? unit_control_rx(tx->lane_port) : NULL;
        uint64_t orig;

        if (CHECK(rx)) {
            /* As packet/open.c counts them. */
            atomic_add_relaxed(&rx->n_failed, n, &orig);
        }
        watch(1, true);
    }
}

static void
test_forged(void)
{
    uint64_t n = 0;

    unit_control_begin();
    watch(1, true);
    forge(VNETENC_FORGED_MS / 1000 + 5, VNETENC_FORGED_PER_LOOK);
    CHECK(has(&remote_a()->watch.alarms, ""));
    forge(VNETENC_FORGED_MS / 1000 - 1, VNETENC_FORGED_PER_LOOK + 1);
    CHECK(has(&remote_a()->watch.alarms, ""));
    forge(2, VNETENC_FORGED_PER_LOOK + 1);
    CHECK(has(&remote_a()->watch.alarms, "forged"));

    /* The number outlives the session. */
    n = remote_a()->watch.n_forged;
    CHECK(n >= 60 * (VNETENC_FORGED_PER_LOOK + 1));
    CHECK(vnetenc_outgoing_rekey(remote_b(), unit_now_ms) == 1);
    watch(10, true);
    CHECK(remote_a()->watch.n_forged == n);
    CHECK(remote_a()->n_forged == n);
    watch(60, true);
    CHECK(has(&remote_a()->watch.alarms, ""));
    unit_control_end();
}

/* A peer that is removed takes its alarms with it. */
static void
test_removed(void)
{
    unit_control_begin();
    unit_control_fate = unit_control_lose;
    watch(12, true);
    CHECK(has(&remote_b()->watch.alarms, "down"));
    log_forget();
    vnetenc_watch_end(remote_b(), unit_now_ms);
    CHECK(has(&remote_b()->watch.alarms, ""));
    CHECK(n_logged("alarm down: peer 127.0.0.2") == 1);
    unit_control_fate = NULL;
    unit_control_end();
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    vlog_set_log_file(pki_path("log"));
    vlog_set_levels(NULL, VLF_FILE, VLL_INFO);
    unit_loopback_init();
    unit_control_init();

    test_no_flapping();
    test_several();
    test_many();
    test_refusals();
    test_down();
    test_down_and_forgotten();
    test_refused();
    test_fallback();
    test_forged();
    test_removed();

    pki_cleanup();
    return unit_end();
}
