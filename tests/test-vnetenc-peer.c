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

/* Remotes: rows that come, change and go, what is published of them, and what
 * is to be said of them. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/trust/peer.h"

#include <stdlib.h>

#include "connectivity.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "seq.h"
#include "util.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/main/status.h"
#include "vnetenc/trust/configuration.h"
#include "vnetenc/trust/profile.h"
#include "vnetenc-unit.h"
#include "vnetenc-unit-pki.h"

static struct in6_addr
address(const char *s)
{
    struct in6_addr addr;

    ovs_assert(vnetenc_config_address_parse(s, &addr));
    return addr;
}

/* Rows. */

static struct vnetenc_config_peer rows[3];
static uint8_t pins[3][VNETENC_FINGERPRINT_BYTES];

static void
row_init(int i, const char *remote)
{
    memset(&rows[i], 0, sizeof rows[i]);
    rows[i].remote = address(remote);
    rows[i].pins = &pins[i];
    rows[i].n_pins = 1;
    memset(pins[i], i + 1, sizeof pins[i]);
}

static unsigned int n_ended;
static struct in6_addr ended_ip;

static void
ended(struct vnetenc_peer *remote)
{
    n_ended++;
    ended_ip = remote->trust.remote_ip;

    /* All of it is there still. */
    CHECK(vnetenc_peer_find(&ended_ip) == remote);
    CHECK(vnetenc_gate_find(&ended_ip) == remote->gate);
    CHECK(remote->trust.n_pins == 1 && remote->trust.pins);
}

static bool
configure(size_t n_rows)
{
    const struct vnetenc_config config = {
        .peers = rows,
        .n_peers = n_rows,
    };

    return vnetenc_peers_configure(&config, ended);
}

static void
begin(void)
{
    row_init(0, "10.0.0.1");
    row_init(1, "10.0.0.2");
    row_init(2, "fd00::1");
    n_ended = 0;
}

/* Ends everything; nothing stays behind. */
static void
end(void)
{
    vnetenc_peers_destroy();
    CHECK(hmap_is_empty(vnetenc_peers()));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CHECK(!vnetenc_peer_find(&rows[i].remote));
        CHECK(!vnetenc_gate_find(&rows[i].remote));
    }
}

/* What 'connectivity_seq' says happened since the last call. */
static bool
was_told(void)
{
    static uint64_t last;
    uint64_t now = seq_read(connectivity_seq_get());
    bool told = now != last;

    last = now;
    return told;
}

static void
test_add_and_remove(void)
{
    struct in6_addr other_text = address("FD00:0::1");
    struct vnetenc_peer *r[3];

    begin();
    CHECK(configure(3));
    CHECK(hmap_count(vnetenc_peers()) == 3);
    CHECK(!n_ended);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        r[i] = vnetenc_peer_find(&rows[i].remote);
        CHECK(r[i] && r[i]->gate);
        CHECK(r[i]->gate == vnetenc_gate_find(&rows[i].remote));
        CHECK(r[i]->trust.n_pins == 1);
        CHECK(r[i]->trust.pins != rows[i].pins);
        CHECK(!memcmp(r[i]->trust.pins, pins[i], sizeof pins[i]));
        CHECK(!vnetenc_peer_error(r[i]));
    }
    CHECK(vnetenc_peer_find(&other_text) == r[2]);

    /* A second reading finds the same remotes and changes nothing. */
    r[1]->n_handshakes = 77;
    CHECK(!configure(3));
    CHECK(!n_ended);
    CHECK(vnetenc_peer_find(&rows[1].remote) == r[1]);

    /* One goes, after it was called; the others stay as they are. */
    CHECK(!configure(2));
    CHECK(n_ended == 1);
    CHECK(!memcmp(&ended_ip, &rows[2].remote, sizeof ended_ip));
    CHECK(!vnetenc_peer_find(&rows[2].remote));
    CHECK(!vnetenc_gate_find(&rows[2].remote));
    CHECK(vnetenc_peer_find(&rows[1].remote) == r[1]);
    CHECK(r[1]->n_handshakes == 77);
    CHECK(vnetenc_gate_find(&rows[0].remote) == r[0]->gate);

    /* It comes back as new. */
    CHECK(configure(3));
    r[2] = vnetenc_peer_find(&rows[2].remote);
    CHECK(r[2] && r[2]->gate == vnetenc_gate_find(&rows[2].remote));

    CHECK(!configure(0));
    CHECK(n_ended == 4);
    CHECK(hmap_is_empty(vnetenc_peers()));
    end();
}

/* Gives each counter of 'peer' a value of its own. */
static void
set_counters(struct vnetenc_peer *peer, uint64_t factor)
{
    peer->n_handshakes = 1 * factor;
    peer->n_failures = 2 * factor;
    peer->n_rekeys = 3 * factor;
    peer->n_lost = 4 * factor;
    peer->n_hints = 5 * factor;
    peer->ended[VNETENC_OUT].n_records = 6 * factor;
    peer->ended[VNETENC_OUT].n_bytes = 7 * factor;
    peer->n_dropped = 8 * factor;
    peer->n_clear = 9 * factor;
    peer->n_split = 10 * factor;
    peer->ended[VNETENC_IN].n_records = 11 * factor;
    peer->ended[VNETENC_IN].n_bytes = 12 * factor;
    peer->n_forged = 13 * factor;
}

/* The sums over all peers are those of set_counters() with 'factor'. */
static void
check_totals(uint64_t factor)
{
    static const enum vnetenc_peer_counter order[] = {
        VNETENC_PEER_handshakes, VNETENC_PEER_failures, VNETENC_PEER_rekeys,
        VNETENC_PEER_lost, VNETENC_PEER_hints, VNETENC_PEER_tx_records,
        VNETENC_PEER_tx_bytes, VNETENC_PEER_tx_dropped, VNETENC_PEER_tx_clear,
        VNETENC_PEER_tx_split, VNETENC_PEER_rx_records, VNETENC_PEER_rx_bytes,
        VNETENC_PEER_rx_failed,
    };
    struct vnetenc_status status;

    BUILD_ASSERT(ARRAY_SIZE(order) == VNETENC_N_PEER_COUNTERS);
    vnetenc_status_init(&status, 0);
    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        CHECK(status.totals[order[i]] == (i + 1) * factor);
    }
    vnetenc_status_uninit(&status);
}

/* A peer's counters go with it, but not out of the sums. */
static void
test_totals(void)
{
    begin();
    CHECK(configure(3));
    check_totals(0);
    set_counters(vnetenc_peer_find(&rows[1].remote), 10);
    set_counters(vnetenc_peer_find(&rows[2].remote), 100);
    check_totals(110);
    configure(2);
    check_totals(110);
    configure(1);
    check_totals(110);

    /* The next peer of that name is another one. */
    configure(3);
    check_totals(110);
    set_counters(vnetenc_peer_find(&rows[2].remote), 1000);
    check_totals(1110);
    configure(0);
    check_totals(1110);
    end();
    check_totals(0);
}

static void
test_change(void)
{
    uint8_t two[2][VNETENC_FINGERPRINT_BYTES] = { { 1 }, { 2 } };
    const struct vnetenc_peer *remote;
    const struct vnetenc_gate *gate;

    begin();
    CHECK(configure(2));
    remote = vnetenc_peer_find(&rows[0].remote);
    gate = remote->gate;

    pins[0][31] ^= 1;
    CHECK(configure(2));
    CHECK(!memcmp(remote->trust.pins, pins[0], sizeof pins[0]));
    CHECK(!configure(2));

    /* More pins, of which the first is known; none. */
    memcpy(two[0], pins[0], sizeof two[0]);
    rows[0].pins = two;
    rows[0].n_pins = 2;
    CHECK(configure(2));
    CHECK(remote->trust.n_pins == 2);
    CHECK(!memcmp(remote->trust.pins, two, sizeof two));
    CHECK(!configure(2));
    rows[0].pins = NULL;
    rows[0].n_pins = 0;
    CHECK(configure(2));
    CHECK(!remote->trust.n_pins && !remote->trust.pins);
    CHECK(!configure(2));

    /* A row that is refused leaves what was in force. */
    rows[0].pins = two;
    rows[0].n_pins = 1;
    CHECK(configure(2));
    memset(two[1], 0, sizeof two[1]);
    rows[0].pins = &two[1];
    rows[0].name = CONST_CAST(char *, "hv3");
    rows[0].refused = true;
    CHECK(!configure(2));
    CHECK(remote->trust.n_pins == 1 && !remote->trust.name);
    CHECK(!memcmp(remote->trust.pins, two[0], sizeof two[0]));
    rows[0].refused = false;
    CHECK(configure(2));
    CHECK(!memcmp(remote->trust.pins, two[1], sizeof two[1]));
    rows[0].pins = NULL;
    rows[0].n_pins = 0;
    rows[0].name = NULL;
    CHECK(configure(2));

    /* A name, another one, none. */
    rows[0].name = CONST_CAST(char *, "hv1");
    CHECK(configure(2));
    CHECK(!strcmp(remote->trust.name, "hv1"));
    CHECK(!configure(2));
    rows[0].name = CONST_CAST(char *, "hv2");
    CHECK(configure(2));
    CHECK(!strcmp(remote->trust.name, "hv2"));
    rows[0].name = NULL;
    CHECK(configure(2));
    CHECK(!remote->trust.name);

    CHECK(!n_ended);
    CHECK(vnetenc_peer_find(&rows[0].remote) == remote);
    CHECK(vnetenc_gate_find(&rows[0].remote) == gate);
    end();
}

/* A bad value in the row is to be said first, but changes no judgement. */
static void
test_config_error(void)
{
    const struct vnetenc_peer *remote;

    begin();
    CHECK(configure(1));
    remote = vnetenc_peer_find(&rows[0].remote);
    was_told();
    CHECK(!configure(1));
    CHECK(!was_told());

    rows[0].error = CONST_CAST(char *, "fingerprints: bad");
    CHECK(!configure(1));
    CHECK(was_told());
    CHECK(!strcmp(vnetenc_peer_error(remote), "fingerprints: bad"));
    CHECK(!configure(1));
    CHECK(!was_told());

    rows[0].error = NULL;
    CHECK(!configure(1));
    CHECK(was_told());
    CHECK(!vnetenc_peer_error(remote));
    end();
}

/* Each direction has an error of its own: success of one does not hide the
 * failure of the other. */
static void
test_errors(void)
{
    struct vnetenc_peer *remote;

    begin();
    rows[0].error = CONST_CAST(char *, "row");
    configure(1);
    remote = vnetenc_peer_find(&rows[0].remote);
    vnetenc_peer_set_error(remote, VNETENC_IN, xstrdup("in"));
    vnetenc_peer_set_error(remote, VNETENC_OUT, xstrdup("out"));
    CHECK(!strcmp(vnetenc_peer_error(remote), "row"));
    rows[0].error = NULL;
    configure(1);
    CHECK(!strcmp(vnetenc_peer_error(remote), "out"));
    CHECK(!strcmp(remote->errors[VNETENC_OUT], "out"));
    CHECK(!strcmp(remote->errors[VNETENC_IN], "in"));

    /* Told when it changes, and only then. */
    was_told();
    vnetenc_peer_set_error(remote, VNETENC_OUT, xstrdup("out"));
    CHECK(!was_told());
    vnetenc_peer_set_error(remote, VNETENC_OUT, xstrdup("other"));
    CHECK(was_told());
    CHECK(!strcmp(vnetenc_peer_error(remote), "other"));
    vnetenc_peer_set_error(remote, VNETENC_OUT, NULL);
    CHECK(was_told());
    CHECK(!strcmp(vnetenc_peer_error(remote), "in"));
    vnetenc_peer_set_error(remote, VNETENC_IN, NULL);
    CHECK(was_told());
    CHECK(!vnetenc_peer_error(remote));
    vnetenc_peer_set_error(remote, VNETENC_IN, NULL);
    CHECK(!was_told());

    /* One that is left goes with the remote. */
    vnetenc_peer_set_error(remote, VNETENC_OUT, xstrdup("out"));
    end();
}

/* A lane's error goes with it; another lane's success is not its own. */
static void
test_error_of_lane(void)
{
    struct vnetenc_peer *remote;
    struct vnetenc_peer_lane_error lanes[2];

    memset(lanes, 0, sizeof lanes);
    begin();
    configure(1);
    remote = vnetenc_peer_find(&rows[0].remote);
    vnetenc_peer_lane_failed(remote, &lanes[0], xstrdup("zero"));
    vnetenc_peer_lane_failed(remote, &lanes[1], NULL);
    CHECK(!strcmp(vnetenc_peer_error(remote), "zero"));
    vnetenc_peer_lane_failed(remote, &lanes[1], xstrdup("one"));
    vnetenc_peer_lane_failed(remote, &lanes[0], NULL);
    CHECK(!strcmp(vnetenc_peer_error(remote), "one"));

    /* One that still fails is not hidden by one that does no longer, and
     * failing again for the same reason is no news. */
    vnetenc_peer_lane_failed(remote, &lanes[0], xstrdup("zero"));
    CHECK(!strcmp(vnetenc_peer_error(remote), "zero"));
    was_told();
    vnetenc_peer_lane_failed(remote, &lanes[1], xstrdup("one"));
    CHECK(!was_told());
    vnetenc_peer_lane_failed(remote, &lanes[0], NULL);
    CHECK(!strcmp(vnetenc_peer_error(remote), "one"));
    vnetenc_peer_lane_failed(remote, &lanes[1], NULL);
    CHECK(!vnetenc_peer_error(remote));
    end();
}

/* Another door's success is not a door's own, either. */
static void
test_error_of_door(void)
{
    const struct in6_addr local = address("192.0.2.9");
    const struct in6_addr other = address("192.0.2.8");
    struct vnetenc_peer *remote;

    begin();
    configure(1);
    remote = vnetenc_peer_find(&rows[0].remote);
    was_told();
    vnetenc_peer_set_error(remote, VNETENC_IN, xstrdup("in"));
    vnetenc_peer_set_door_error(remote, &local, htons(6082), xstrdup("door"));
    CHECK(was_told());
    CHECK(!strcmp(vnetenc_peer_error(remote), "door"));
    vnetenc_peer_has_shaken(remote, 1000);
    vnetenc_peer_set_door_error(remote, &other, htons(6082), NULL);
    vnetenc_peer_set_door_error(remote, &local, htons(6089), NULL);
    CHECK(!strcmp(vnetenc_peer_error(remote), "door"));
    was_told();
    vnetenc_peer_set_door_error(remote, &local, htons(6082), NULL);
    CHECK(was_told());
    CHECK(!vnetenc_peer_error(remote));
    end();
}

/* Errors that strangers can make are taken up slowly. */
static void
test_error_rate(void)
{
    struct vnetenc_peer *remote;

    begin();
    configure(1);
    remote = vnetenc_peer_find(&rows[0].remote);
    was_told();
    vnetenc_peer_stranger_failed(remote, "first", 1000, 1000);
    CHECK(was_told());
    for (int i = 0; i < 100; i++) {
        char *reason = xasprintf("no. %d", i);

        vnetenc_peer_stranger_failed(remote, reason, 1000, 1000 + i * 50);
        free(reason);
    }
    CHECK(!was_told());
    CHECK(!strcmp(vnetenc_peer_error(remote), "first"));
    vnetenc_peer_stranger_failed(remote, "later", 1000, 6000);
    CHECK(was_told());
    CHECK(!strcmp(vnetenc_peer_error(remote), "later"));

    /* Not at all if one that began later has succeeded. */
    vnetenc_peer_has_shaken(remote, 20000);
    CHECK(was_told());
    CHECK(!vnetenc_peer_error(remote));
    vnetenc_peer_stranger_failed(remote, "twin", 19999, 30000);
    CHECK(!was_told());
    vnetenc_peer_stranger_failed(remote, "late", 20000, 30000);
    CHECK(!strcmp(vnetenc_peer_error(remote), "late"));
    vnetenc_peer_has_session(remote, 30000 + VNETENC_ERROR_MS - 1);
    CHECK(vnetenc_peer_error(remote));
    vnetenc_peer_has_session(remote, 30000 + VNETENC_ERROR_MS);
    CHECK(!vnetenc_peer_error(remote));
    was_told();

    /* Others are not, nor is good news. */
    for (int i = 0; i < 100; i++) {
        vnetenc_peer_set_error(remote, VNETENC_OUT, xasprintf("no. %d", i));
        CHECK(was_told());
    }
    vnetenc_peer_set_error(remote, VNETENC_OUT, NULL);
    vnetenc_peer_set_error(remote, VNETENC_IN, NULL);
    CHECK(!vnetenc_peer_error(remote));
    end();
}

/* Profile 9 has no credentials because of 'cause'. */
static void
check_no_cred(const char *cause)
{
    const struct vnetenc_lookup *lookup = &vnetenc_peer_lookup;
    char *expected = xasprintf("no_credential: no credentials for profile "
                               "9: %s", cause);
    char *why = lookup->why_no_cred(lookup->aux, 9);

    CHECK(!strcmp(why, expected));
    free(why);
    free(expected);
}

/* What handshakes ask. */
static void
test_lookup(void)
{
    const struct vnetenc_lookup *lookup = &vnetenc_peer_lookup;
    struct vnetenc_config_profile profile;
    struct vnetenc_config config = {
        .directory = CONST_CAST(char *, pki_path("own")),
    };

    begin();
    configure(1);
    CHECK(lookup->trust(lookup->aux, &rows[0].remote)
          == &vnetenc_peer_find(&rows[0].remote)->trust);
    CHECK(!lookup->trust(lookup->aux, &rows[1].remote));

    vnetenc_profiles_configure(&config);
    CHECK(lookup->cred(lookup->aux, 0));
    CHECK(lookup->cred(lookup->aux, 0) == vnetenc_profile_get(0)->cred);
    CHECK(!lookup->cred(lookup->aux, 9));
    check_no_cred("no record of table VNetEnc_Profile has id=9");

    /* A record that is there, and bad. */
    vnetenc_config_profile_init(&profile, 9);
    profile.has_row = true;
    profile.certificate = CONST_CAST(char *, "/nothing.pem");
    config.profiles = &profile;
    config.n_profiles = 1;
    vnetenc_profiles_configure(&config);
    check_no_cred("certificate /nothing.pem: needs private_key");
    vnetenc_profiles_destroy();
    end();
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    test_add_and_remove();
    test_totals();
    test_change();
    test_config_error();
    test_errors();
    test_error_of_lane();
    test_error_of_door();
    test_error_rate();
    test_lookup();
    ovsrcu_quiesce();
    pki_cleanup();
    return unit_end();
}
