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

#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/control/incoming.h"
#include "vnetenc/control/outgoing.h"
#include "vnetenc/control/session-status.h"
#include "vnetenc/control/socket.h"
#include "vnetenc/trust/peer.h"
#include "vnetenc/trust/profile.h"
#include "vnetenc-unit.h"
#include "vnetenc-unit-control.h"
#include "vnetenc-unit-loopback.h"
#include "vnetenc-unit-net.h"
#include "vnetenc-unit-pki.h"

/* A has a session with each of its peers, which are all in this process, and
 * each peer has the same one with A.  Peers take turns in using profiles. */
enum {
    N_PROFILES = 2,
    N_PEERS = 48,
    N_ROWS = N_PEERS + 1,       /* Row 0 is A's. */
    UNRELATED = N_ROWS,         /* A row of a peer without sessions. */
    SLICE = VNETENC_JUDGE_BURST     /* In each direction. */
};

static struct pki_id ca, all, new;

/* Counts. */

static unsigned int n_verified, n_decoded;

/* Certificates of sessions that were decoded, each session's once. */
static const unsigned char *seen[2 * N_PEERS];
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

        CHECK(n_verified - before <= 2 * SLICE);
        n++;
        if (!more) {
            return n;
        }
        ovs_assert(n < 1000);
    }
}

/* Hosts. */

static struct in6_addr
address(unsigned int row)
{
    struct in6_addr a;

    in6_addr_set_mapped_ipv4(&a, htonl(0x7f000001 + row));
    return a;
}

static void
count_up(const struct vnetenc_session_status *status, void *n_)
{
    size_t *n = n_;

    *n += !strcmp(status->state, "up");
}

static size_t
n_out(void)
{
    size_t n = 0;

    vnetenc_outgoing_for_each(count_up, &n, unit_now_ms);
    return n;
}

static size_t
n_in(void)
{
    size_t n = 0;

    vnetenc_incoming_for_each(count_up, &n, unit_now_ms);
    return n;
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

static void
want(void)
{
    struct vnetenc_path_key path = unit_ab;

    for (unsigned int i = 1; i <= N_PEERS; i++) {
        path.remote = address(i);
        path.profile = i % N_PROFILES;
        vnetenc_outgoing_want(&path, unit_now_ms);
    }
}

/* All sessions are up, judged by a CA with a CRL or, if 'pinned', by pins
 * alone. */
static void
begin_up(bool pinned)
{
    static uint8_t pins[UNIT_MAX_ROWS][1][VNETENC_FINGERPRINT_BYTES];
    char *error;

    write_crl(NULL);
    unit_control_begin();
    unit_n_profiles = N_PROFILES;
    if (!pinned) {
        unit_profile.certificate = CONST_CAST(char *, pki_path("all.pem"));
        unit_profile.private_key = CONST_CAST(char *, pki_path("all.key"));
        unit_profile.ca_cert = CONST_CAST(char *, pki_path("ca.pem"));
        unit_profile.crl = CONST_CAST(char *, pki_path("ca.crl"));
    }
    for (unsigned int i = 0; i < UNIT_MAX_ROWS; i++) {
        memcpy(pins[i], unit_rows[0].pins, sizeof pins[i]);
    }
    for (unsigned int i = 0; i < UNIT_MAX_ROWS; i++) {
        unit_rows[i] = (struct vnetenc_config_peer) {
            .remote = address(i), .pins = pins[i], .n_pins = pinned,
        };
        ovs_assert(vnetenc_socket_responder(&unit_rows[i].remote,
                                            htons(UNIT_DTLS_PORT), &error));
    }
    unit_control_configure(N_ROWS);
    want();
    unit_control_run(20000);
    CHECK(n_out() == N_PEERS);
    CHECK(n_in() == N_PEERS);
    finish();
    reset();
}

static void
end(void)
{
    unit_control_end();
    CHECK(!unit_control_n_broken());
}

static bool
all_are_up(void)
{
    return CHECK(n_out() == N_PEERS) && CHECK(n_in() == N_PEERS);
}

/* A row of another peer concerns nobody. */
static void
test_unrelated(void)
{
    begin_up(false);
    unit_control_configure(UNRELATED + 1);
    CHECK(finish() == 1);
    CHECK(!n_verified && !n_decoded);
    unit_rows[UNRELATED].name = CONST_CAST(char *, "other");
    unit_control_configure(UNRELATED + 1);
    CHECK(finish() == 1);
    CHECK(!n_verified && !n_decoded);
    all_are_up();

    /* One of the peers: its session, once. */
    unit_rows[5].name = CONST_CAST(char *, "hv5");
    unit_control_configure(UNRELATED + 1);
    finish();
    CHECK(n_verified == 1);
    finish();
    CHECK(n_verified == 1);

    /* The peer with many sessions: its certificate, once for a profile. */
    reset();
    unit_rows[0].name = CONST_CAST(char *, "hv0");
    unit_control_configure(UNRELATED + 1);
    finish();
    CHECK(n_verified == N_PROFILES);
    all_are_up();
    end();
}

static const char *
error_of(unsigned int row)
{
    struct in6_addr remote = address(row);

    return vnetenc_peer_error(vnetenc_peer_find(&remote));
}

/* Peers lose the profile under which they speak, and get it back.  Their
 * sessions end at once, without a look at a certificate. */
static void
test_members(void)
{
    static const int64_t profile_0 = 0;
    const struct in6_addr row_5 = address(5);
    unsigned int n_hellos;

    begin_up(false);
    n_hellos = unit_control_n_hellos();
    vnetenc_config_peer_set_profiles(&unit_rows[5], &profile_0, 1);
    vnetenc_config_peer_set_profiles(&unit_rows[6], &profile_0, 1);
    unit_control_configure(N_ROWS);
    CHECK(n_out() == N_PEERS - 1);      /* Row 6 speaks under profile 0. */
    CHECK(n_in() == N_PEERS);
    CHECK_HAS(error_of(5), "not_member: 127.0.0.6 is no member of profile 1");
    CHECK(!error_of(6));
    unit_control_run(20000);
    CHECK(n_out() == N_PEERS - 1);
    CHECK(unit_control_n_hellos() == n_hellos);

    free(unit_rows[5].profiles);
    unit_rows[5].profiles = NULL;
    unit_control_configure(N_ROWS);
    unit_control_run(100);
    CHECK(n_out() == N_PEERS);
    CHECK(!error_of(5));
    CHECK(unit_control_n_hellos() > n_hellos);

    /* The peer that begins sessions with all of them. */
    reset();
    vnetenc_config_peer_set_profiles(&unit_rows[0], &profile_0, 1);
    unit_control_configure(N_ROWS);
    CHECK(n_in() == N_PEERS / 2);
    finish();
    CHECK(!n_verified && !n_decoded);
    vnetenc_outgoing_rekey(vnetenc_peer_find(&row_5), unit_now_ms);
    unit_control_run(10000);
    CHECK(n_in() == N_PEERS / 2);
    CHECK_HAS(error_of(0), "not_member: 127.0.0.1 is no member of profile 1");
    CHECK_HAS(error_of(5), "refused_by_peer: ");
    CHECK_HAS(error_of(5), "this host is no member there");

    /* Who admits it calls it, which ends its pauses; else they last 0.5 s. */
    n_hellos = unit_control_n_hellos();
    free(unit_rows[0].profiles);
    unit_rows[0].profiles = NULL;
    unit_control_configure(N_ROWS);
    unit_control_run(20);
    CHECK(unit_control_n_hellos() > n_hellos);
    unit_control_run(1500);
    CHECK(n_in() == N_PEERS / 2 + 2);   /* That call, and the answer. */
    free(unit_rows[6].profiles);
    unit_rows[6].profiles = NULL;
    end();
}

/* Another CRL: every peer once, and never many at a time.  No session is
 * replaced. */
static void
test_slices(void)
{
    unsigned int n_hellos;

    begin_up(false);
    n_hellos = unit_control_n_hellos();
    write_crl(NULL);
    refresh();
    CHECK(!n_verified);
    CHECK(finish() > N_PEERS / SLICE);
    CHECK(n_verified == N_PEERS + N_PROFILES);
    unit_control_run(10000);
    CHECK(unit_control_n_hellos() == n_hellos);
    all_are_up();

    /* Nothing has changed since. */
    reset();
    refresh();
    finish();
    CHECK(!n_verified && !n_decoded);

    /* Revoked. */
    write_crl(&all);
    refresh();
    CHECK(finish() > N_PEERS / SLICE);
    CHECK(n_verified == 2 * N_PEERS);
    CHECK(!n_out() && !n_in());
    end();

    /* Another certificate of ours: all sessions are replaced. */
    begin_up(false);
    unit_profile.certificate = CONST_CAST(char *, pki_path("new.pem"));
    unit_profile.private_key = CONST_CAST(char *, pki_path("new.key"));
    n_hellos = unit_control_n_hellos();
    unit_control_configure(N_ROWS);
    CHECK(finish() > N_PEERS / SLICE);
    unit_control_run(20000);
    CHECK(unit_control_n_hellos() >= n_hellos + 2 * N_PEERS);
    all_are_up();
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
    CHECK(n_seen > N_PEERS);            /* None waits for ever. */
    all_are_up();
    write_crl(&all);
    refresh();
    vnetenc_judge_run(unit_now_ms);
    CHECK(n_out() == N_PEERS - SLICE && n_in() == N_PEERS - SLICE);
    finish();
    CHECK(!n_out() && !n_in());
    end();
}

static void
withdraw_pins(void)
{
    for (unsigned int i = 0; i < N_ROWS; i++) {
        unit_rows[i].pins[0][31] ^= 1;
        unit_rows[i].n_pins = 1;
    }
    unit_control_configure(N_ROWS);
}

/* A pin that is withdrawn ends its sessions before any slice. */
static void
test_pins(void)
{
    begin_up(true);
    unit_rows[1].pins[0][31] ^= 1;
    unit_control_configure(N_ROWS);
    CHECK(n_out() == N_PEERS - 1 && n_in() == N_PEERS);
    unit_rows[1].pins[0][31] ^= 1;
    withdraw_pins();
    CHECK(!n_out() && !n_in());
    finish();
    CHECK(!n_verified && !n_decoded);
    end();

    /* Beside a CA, and while slices are left. */
    begin_up(false);
    write_crl(NULL);
    refresh();
    vnetenc_judge_run(unit_now_ms);
    CHECK(n_verified && n_verified <= 2 * SLICE);
    reset();
    withdraw_pins();
    CHECK(!n_out() && !n_in());
    CHECK(!n_verified && !n_decoded);
    end();
}

/* A profile whose row was removed ends its sessions at once. */
static void
test_profile_removed(void)
{
    begin_up(false);
    unit_n_profiles--;
    unit_control_configure(N_ROWS);
    CHECK(n_out() == N_PEERS / N_PROFILES && n_in() == N_PEERS / N_PROFILES);
    CHECK(!n_verified && !n_decoded);
    end();
}

/* Rows are removed and come back while slices are left: their old sessions
 * have ended, and their new ones are judged by what is in force. */
static void
test_row_within(void)
{
    begin_up(false);
    write_crl(NULL);
    refresh();
    vnetenc_judge_run(unit_now_ms);
    unit_control_configure(1);
    CHECK(!vnetenc_peer_find(&unit_b));
    CHECK(!n_out());
    unit_control_configure(N_ROWS);
    want();
    unit_control_run(20000);
    CHECK(n_out() == N_PEERS);
    write_crl(&all);
    refresh();
    finish();
    CHECK(!n_out() && !n_in());
    end();
}

/* Lanes that end and come back during a judgement know what is in force. */
static void
test_lanes_within(void)
{
    begin_up(false);
    for (unsigned int n = 2; n; n--) {
        write_crl(NULL);
        refresh();
        vnetenc_judge_run(unit_now_ms);
        unit_profile.n_lanes = n;
        unit_control_configure(N_ROWS);
        want();
        unit_control_run(30000);
        CHECK(n_out() == n * N_PEERS);
    }
    write_crl(&all);
    refresh();
    finish();
    CHECK(!n_out() && !n_in());
    end();
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    struct pki_spec spec = { .ca = true };
    struct ds san = DS_EMPTY_INITIALIZER;

    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    unit_loopback_init();
    unit_control_init();

    ca = pki_make(&spec);
    for (unsigned int i = 0; i < UNIT_MAX_ROWS; i++) {
        ds_put_format(&san, "%sIP:127.0.0.%u", i ? "," : "", 1 + i);
    }
    spec = (struct pki_spec) { .issuer = &ca, .san = ds_cstr(&san) };
    all = pki_make(&spec);
    new = pki_make(&spec);
    ds_destroy(&san);
    pki_write(pki_path("ca.pem"), 0644, NULL, ca.cert, NULL);
    pki_write(pki_path("all.pem"), 0644, NULL, all.cert, NULL);
    pki_write(pki_path("all.key"), 0600, all.key, NULL);
    pki_write(pki_path("new.pem"), 0644, NULL, new.cert, NULL);
    pki_write(pki_path("new.key"), 0600, new.key, NULL);

    test_unrelated();
    test_members();
    test_slices();
    test_change_within();
    test_pins();
    test_profile_removed();
    test_row_within();
    test_lanes_within();

    pki_free(&new);
    pki_free(&all);
    pki_free(&ca);
    pki_cleanup();
    return unit_end();
}
