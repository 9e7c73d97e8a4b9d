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

/* Sessions are judged anew when, and only when, what they are judged by has
 * changed: pins at once, certificates in slices.  The judgements are counted,
 * by functions that stand before those of libcrypto. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/control/judge.h"

#include <dlfcn.h>
#include <limits.h>
#include <openssl/x509.h>

#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/bridge/limits.h"
#include "vnetenc/control/outgoing.h"
#include "vnetenc/trust/peer.h"
#include "vnetenc/trust/profile.h"
#include "vnetenc-unit.h"
#include "vnetenc-unit-control.h"
#include "vnetenc-unit-loopback.h"
#include "vnetenc-unit-net.h"
#include "vnetenc-unit-pki.h"

enum {
    N_PROFILES = 3,
    N_SESSIONS = N_PROFILES * VNETENC_MAX_LANES,    /* In each direction. */

    /* A slice ends with the path that exceeds it. */
    SLICE = 2 * VNETENC_JUDGE_BURST + VNETENC_MAX_LANES
};

static struct pki_id ca, both;

/* Counts. */

static unsigned int n_verified, n_decoded;

/* Certificates of sessions that were decoded, each session's once. */
static const unsigned char *seen[2 * N_SESSIONS];
static size_t n_seen;

static void
see(const unsigned char *der)
{
    for (size_t i = 0; i < n_seen; i++) {
        if (seen[i] == der) {
            return;
        }
    }
    if (n_seen < ARRAY_SIZE(seen)) {
        seen[n_seen++] = der;
    }
}

int
X509_verify_cert(X509_STORE_CTX *ctx)
{
    int (*real)(X509_STORE_CTX *) = dlsym(RTLD_NEXT, "X509_verify_cert");

    n_verified++;
    return real(ctx);
}

X509 *
d2i_X509(X509 **cert, const unsigned char **in, long int size)
{
    X509 *(*real)(X509 **, const unsigned char **, long int)
        = dlsym(RTLD_NEXT, "d2i_X509");

    n_decoded++;
    see(*in);
    return real(cert, in, size);
}

static void
reset(void)
{
    n_verified = n_decoded = n_seen = 0;
}

/* Runs slices until none is left.  Returns their number. */
static unsigned int
finish(void)
{
    unsigned int n = 0;

    for (;;) {
        unsigned int before = n_verified;
        bool more = vnetenc_judge_run(unit_now_ms) <= unit_now_ms;

        CHECK(n_verified - before <= SLICE);
        n++;
        if (!more) {
            return n;
        }
        ovs_assert(n < 1000);
    }
}

/* Hosts. */

static size_t
n_out(void)
{
    struct vnetenc_session_status s[N_SESSIONS];
    size_t n = unit_control_sessions(VNETENC_OUT, &unit_b, s, ARRAY_SIZE(s));
    size_t n_up = 0;

    for (size_t i = 0; i < n; i++) {
        n_up += !strcmp(s[i].state, "up");
    }
    return n_up;
}

static size_t
n_in(void)
{
    struct vnetenc_session_status s[2 * N_SESSIONS];

    return unit_control_sessions(VNETENC_IN, &unit_a, s, ARRAY_SIZE(s));
}

static void
write_crl(const struct pki_id *revoked)
{
    static long int to_s = 3600;

    pki_write_crl(pki_path("ca.crl"), &ca, revoked, to_s);
    to_s++;                     /* Every file differs from the last. */
}

/* What the control thread does each VNETENC_REFRESH_MS. */
static void
refresh(void)
{
    if (vnetenc_profiles_refresh()) {
        vnetenc_judge(unit_now_ms);
    }
}

/* All lanes of some profiles from A to B, judged by a CA with a CRL or, if
 * 'pinned', by pins alone. */
static void
begin_up(bool pinned)
{
    struct vnetenc_path_key path = unit_ab;

    write_crl(NULL);
    unit_control_begin();
    unit_n_profiles = N_PROFILES;
    unit_profile.n_lanes = VNETENC_MAX_LANES;
    if (!pinned) {
        unit_profile.certificate = CONST_CAST(char *, pki_path("both.pem"));
        unit_profile.private_key = CONST_CAST(char *, pki_path("both.key"));
        unit_profile.ca_cert = CONST_CAST(char *, pki_path("ca.pem"));
        unit_profile.crl = CONST_CAST(char *, pki_path("ca.crl"));
        for (size_t i = 0; i < UNIT_ROWS; i++) {
            unit_rows[i].n_pins = 0;
        }
    }
    unit_rows[UNIT_ROWS] = (struct vnetenc_config_peer) { .n_pins = 0 };
    in6_addr_set_mapped_ipv4(&unit_rows[UNIT_ROWS].remote, htonl(0x7f000003));
    unit_control_configure(UNIT_ROWS);
    for (path.profile = 0; path.profile < N_PROFILES; path.profile++) {
        vnetenc_outgoing_want(&path, unit_now_ms);
    }
    unit_control_run(5000);
    CHECK(n_out() == N_SESSIONS);
    CHECK(n_in() == N_SESSIONS);
    finish();
    reset();
}

static void
end(void)
{
    unit_control_end();
    CHECK(!unit_control_n_broken());
}

/* A row of another peer concerns nobody. */
static void
test_unrelated(void)
{
    begin_up(false);
    unit_control_configure(UNIT_ROWS + 1);
    CHECK(finish() == 1);
    CHECK(!n_verified && !n_decoded);
    unit_rows[UNIT_ROWS].name = CONST_CAST(char *, "hv3");
    unit_control_configure(UNIT_ROWS + 1);
    CHECK(finish() == 1);
    CHECK(!n_verified && !n_decoded);
    CHECK(n_out() == N_SESSIONS && n_in() == N_SESSIONS);

    /* One of the two peers: its sessions, once. */
    unit_rows[1].name = CONST_CAST(char *, "hv2");
    unit_control_configure(UNIT_ROWS + 1);
    finish();
    CHECK(n_verified == N_SESSIONS);
    finish();
    CHECK(n_verified == N_SESSIONS);
    CHECK(n_out() == N_SESSIONS && n_in() == N_SESSIONS);
    end();
}

/* Another CRL: every session once, and never many at a time. */
static void
test_slices(void)
{
    begin_up(false);
    write_crl(NULL);
    refresh();
    CHECK(!n_verified);
    CHECK(finish() > 2 * N_SESSIONS / SLICE);
    CHECK(n_verified == 2 * N_SESSIONS);
    CHECK(n_out() == N_SESSIONS && n_in() == N_SESSIONS);

    /* Nothing has changed since. */
    unit_control_run(10000);
    CHECK(n_out() == N_SESSIONS && n_in() == N_SESSIONS);
    reset();
    refresh();
    finish();
    CHECK(!n_verified && !n_decoded);

    /* Revoked. */
    write_crl(&both);
    refresh();
    finish();
    CHECK(n_verified == 2 * N_SESSIONS);
    CHECK(!n_out() && !n_in());
    end();
}

/* The files change while slices are left: the newest state judges all, and
 * slices go on where they were. */
static void
test_change_within(void)
{
    begin_up(false);
    for (int i = 0; i < 20; i++) {
        write_crl(NULL);
        refresh();
        vnetenc_judge_run(unit_now_ms);
    }
    CHECK(n_seen == 2 * N_SESSIONS);    /* None waits for ever. */
    CHECK(n_out() == N_SESSIONS && n_in() == N_SESSIONS);
    write_crl(&both);
    refresh();
    vnetenc_judge_run(unit_now_ms);
    CHECK(n_out() < N_SESSIONS && n_in() < N_SESSIONS);
    finish();
    CHECK(!n_out() && !n_in());
    end();
}

/* A pin that is withdrawn ends its sessions before any slice. */
static void
test_pins(void)
{
    begin_up(true);
    unit_rows[1].pins[0][31] ^= 1;
    unit_control_configure(UNIT_ROWS);
    CHECK(!n_out());
    CHECK(n_in() == N_SESSIONS);
    CHECK(finish() == 2);
    unit_rows[0].pins[0][31] ^= 1;
    unit_control_configure(UNIT_ROWS);
    CHECK(!n_in());
    finish();
    CHECK(!n_verified && !n_decoded);
    end();

    /* Beside a CA, and while slices are left. */
    begin_up(false);
    write_crl(NULL);
    refresh();
    vnetenc_judge_run(unit_now_ms);
    CHECK(n_verified && n_verified <= SLICE);
    reset();
    unit_rows[1].n_pins = 1;
    unit_control_configure(UNIT_ROWS);
    CHECK(!n_out());
    CHECK(n_in() == N_SESSIONS);
    CHECK(!n_verified && !n_decoded);
    finish();
    CHECK(n_in() == N_SESSIONS);
    end();
}

/* A profile whose row was removed ends its sessions at once. */
static void
test_profile_removed(void)
{
    begin_up(false);
    unit_n_profiles--;
    unit_control_configure(UNIT_ROWS);
    CHECK(n_out() == N_SESSIONS - VNETENC_MAX_LANES);
    CHECK(n_in() == N_SESSIONS - VNETENC_MAX_LANES);
    CHECK(!n_verified && !n_decoded);
    end();
}

/* A row is removed and comes back while slices are left: its old sessions
 * have ended, and its new ones are judged by what is in force. */
static void
test_row_within(void)
{
    struct vnetenc_path_key path = unit_ab;

    begin_up(false);
    write_crl(NULL);
    refresh();
    vnetenc_judge_run(unit_now_ms);
    unit_control_configure(1);
    CHECK(!vnetenc_peer_find(&unit_b));
    CHECK(!n_out());
    unit_control_configure(UNIT_ROWS);
    for (path.profile = 0; path.profile < N_PROFILES; path.profile++) {
        vnetenc_outgoing_want(&path, unit_now_ms);
    }
    unit_control_run(10000);
    CHECK(n_out() == N_SESSIONS);
    write_crl(&both);
    refresh();
    finish();
    CHECK(!n_out() && !n_in());
    end();
}

/* A lane that comes back during a judgement knows what is in force. */
static void
test_lanes_within(void)
{
    struct vnetenc_path_key path = unit_ab;

    begin_up(false);
    unit_profile.n_lanes = 1;
    unit_control_configure(UNIT_ROWS);
    unit_control_run(5000);
    CHECK(n_out() == N_PROFILES);
    write_crl(NULL);
    refresh();
    unit_profile.n_lanes = VNETENC_MAX_LANES;
    unit_control_configure(UNIT_ROWS);
    for (path.profile = 0; path.profile < N_PROFILES; path.profile++) {
        vnetenc_outgoing_want(&path, unit_now_ms);
    }
    unit_control_run(5000);
    CHECK(n_out() == N_SESSIONS);
    write_crl(&both);
    refresh();
    finish();
    CHECK(!n_out() && !n_in());
    end();
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    struct pki_spec spec = {
        .ca = true,
    };

    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    unit_loopback_init();
    unit_control_init();

    ca = pki_make(&spec);
    spec = (struct pki_spec) {
        .issuer = &ca, .san = "IP:127.0.0.1,IP:127.0.0.2",
    };
    both = pki_make(&spec);
    pki_write(pki_path("ca.pem"), 0644, NULL, ca.cert, NULL);
    pki_write(pki_path("both.pem"), 0644, NULL, both.cert, NULL);
    pki_write(pki_path("both.key"), 0600, both.key, NULL);

    test_unrelated();
    test_slices();
    test_change_within();
    test_pins();
    test_profile_removed();
    test_row_within();
    test_lanes_within();

    pki_free(&both);
    pki_free(&ca);
    pki_cleanup();
    return unit_end();
}
