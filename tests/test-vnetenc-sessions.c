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

/* Sessions between two hosts, from the first packet that wants one to the
 * last key forgotten: made, replaced, lost, judged, ended. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/control/outgoing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "connectivity.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "seq.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/mail.h"
#include "vnetenc/bridge/marks.h"
#include "vnetenc/bridge/message.h"
#include "vnetenc/control/announce.h"
#include "vnetenc/control/hello.h"
#include "vnetenc/control/incoming.h"
#include "vnetenc/control/socket.h"
#include "vnetenc/trust/peer.h"
#include "vnetenc/trust/profile.h"
#include "vnetenc-unit.h"
#include "vnetenc-unit-control.h"
#include "vnetenc-unit-net.h"
#include "vnetenc-unit-pki.h"
#include "vnetenc-unit-loopback.h"

enum { TICK_MS = 250 };         /* Counters and idle sessions: every tick. */

/* What A knows of B and B of A. */
static struct vnetenc_peer *
remote_b(void)
{
    return vnetenc_peer_find(&unit_b);
}

static struct vnetenc_peer *
remote_a(void)
{
    return vnetenc_peer_find(&unit_a);
}

static ovs_be16
lane_port(unsigned int lane)
{
    const struct vnetenc_tx *tx = unit_control_tx(lane);

    return tx ? tx->lane_port : 0;
}

/* What A sent to B from 'port'. */
static const struct unit_flow *
flow_of(ovs_be16 port)
{
    return unit_control_flow(&unit_a, port, &unit_b, htons(UNIT_DTLS_PORT));
}

/* State of lane 0 and of B's session on 'port'. */
static const char *
state_a(void)
{
    struct vnetenc_session_status s[VNETENC_MAX_LANES];

    return (unit_control_sessions(VNETENC_OUT, &unit_b, s, ARRAY_SIZE(s))
            ? s[0].state : "none");
}

static const char *
state_b(ovs_be16 port)
{
    struct vnetenc_session_status s[VNETENC_MAX_RX_SESSIONS];
    size_t n = unit_control_sessions(VNETENC_IN, &unit_a, s, ARRAY_SIZE(s));

    while (n > 0) {
        if (s[--n].lane_port == port) {
            return s[n].state;
        }
    }
    return "none";
}

static bool
state_is(const char *actual, const char *expected)
{
    if (!strcmp(actual, expected)) {
        return true;
    }
    printf("state is %s, not %s\n", actual, expected);
    return false;
}

static size_t
n_sessions_b(void)
{
    struct vnetenc_session_status s[VNETENC_MAX_RX_SESSIONS];

    return unit_control_sessions(VNETENC_IN, &unit_a, s, ARRAY_SIZE(s));
}

static void
check_clear(enum vnetenc_drop reason, long long int at)
{
    struct vnetenc_path *published = vnetenc_path_find(&unit_ab);
    unsigned int actual_reason;
    long long int actual_at;

    if (CHECK(published)) {
        atomic_read_relaxed(&published->clear_reason, &actual_reason);
        atomic_read_relaxed(&published->clear_at, &actual_at);
        CHECK(actual_reason == reason);
        if (!CHECK(actual_at == at)) {
            printf("clear %lld ms later\n", actual_at - at);
        }
    }
}

static void
begin(void)
{
    unit_control_begin();
}

static void
end(void)
{
    unit_control_end();
    CHECK(!vnetenc_path_find(&unit_ab));
    CHECK(!n_sessions_b());
    CHECK(!unit_control_n_broken());
}

static void
want(void)
{
    vnetenc_outgoing_want(&unit_ab, unit_now_ms);
}

/* Configuration, and a session on lane 0. */
static void
begin_up(void)
{
    begin();
    want();
    unit_control_run(0);
    ovs_assert(unit_control_tx(0));
}

/* Every millisecond a packet, for 'ms'.  Returns how many arrived. */
static unsigned int
carry_for(unsigned int ms)
{
    unsigned int n = 0;

    for (unsigned int i = 0; i < ms; i++) {
        want();
        n += unit_control_carry(0, 1);
        unit_control_run(1);
    }
    return n;
}

/* Coming up. */

static void
test_up(void)
{
    struct vnetenc_session_status a[VNETENC_MAX_LANES], b[4];
    struct vnetenc_path_key ba = unit_ab;
    const struct unit_flow *back;
    struct sockaddr_in sin;
    socklen_t size = sizeof sin;
    int fd;

    begin();
    CHECK(!vnetenc_path_find(&unit_ab));
    want();
    check_clear(VNETENC_DROP_clear_no_session,
                unit_now_ms + VNETENC_PREFER_FIRST_MS);
    CHECK(!lane_port(0));
    unit_control_run(0);
    CHECK(lane_port(0));
    CHECK(unit_control_rx(lane_port(0)));
    CHECK(flow_of(lane_port(0))->n_hellos == 2);
    back = unit_control_flow(&unit_b, htons(UNIT_DTLS_PORT), &unit_a,
                             lane_port(0));
    CHECK(back->n_last_flights == 1);
    CHECK(!back->n_data);
    CHECK(unit_control_carry(0, 10) == 10);
    check_clear(VNETENC_DROP_clear_lost, LLONG_MAX);

    CHECK(unit_control_sessions(VNETENC_OUT, &unit_b, a, ARRAY_SIZE(a)) == 1);
    CHECK(unit_control_sessions(VNETENC_IN, &unit_a, b, ARRAY_SIZE(b)) == 1);
    CHECK(state_is(a->state, "up"));
    CHECK(state_is(b->state, "up"));
    CHECK(a->lane_port == lane_port(0) && b->lane_port == lane_port(0));
    CHECK(a->suite && b->suite && !strcmp(a->suite, b->suite));
    CHECK(!strncmp(a->fingerprint, "sha256:", 7));
    CHECK(!strcmp(a->fingerprint, b->fingerprint));
    CHECK(a->traffic.n_records == 10 && b->traffic.n_records == 10);
    CHECK(remote_b()->n_handshakes == 1 && remote_a()->n_handshakes == 1);
    CHECK(!remote_b()->n_failures && !remote_a()->n_failures);
    CHECK(!remote_b()->n_attempts && !remote_a()->n_half_open);
    CHECK(!vnetenc_peer_error(remote_b()));
    CHECK(!strcmp(remote_b()->suite, a->suite));
    CHECK(!strcmp(remote_b()->fingerprint, a->fingerprint));

    /* Workers of a kernel datapath send from the port of the lane. */
    fd = unit_control_tx(0)->fd;
    CHECK(!getsockname(fd, (struct sockaddr *) &sin, &size)
          && sin.sin_port == lane_port(0)
          && sin.sin_addr.s_addr == in6_addr_get_mapped_ipv4(&unit_a));

    /* One way only. */
    ba.local = unit_b;
    ba.remote = unit_a;
    CHECK(!vnetenc_path_find(&ba));

    /* A second want makes no second session. */
    want();
    unit_control_run(TICK_MS);
    CHECK(unit_control_n_ports_with_hello() == 1);
    end();

    /* The descriptor goes with its session. */
    for (int i = 0; i < 1000 && fcntl(fd, F_GETFD) >= 0; i++) {
        ovsrcu_quiesce();
        xnanosleep(10 * 1000 * 1000);
    }
    CHECK(fcntl(fd, F_GETFD) < 0 && errno == EBADF);
}

static void
test_no_row(void)
{
    struct vnetenc_path_key path = unit_ab;

    begin();
    in6_addr_set_mapped_ipv4(&path.remote, htonl(0x7f000003));
    vnetenc_outgoing_want(&path, unit_now_ms);
    unit_control_run(1000);
    CHECK(!vnetenc_path_find(&path));
    CHECK(!unit_control_n_hellos());
    end();
}

/* The responder's last flight is lost 'unlucky' times. */
static unsigned int unlucky;

static bool
lose_last_flights(const struct unit_wire *wire)
{
    if (unlucky && wire->from_port == htons(UNIT_DTLS_PORT)
        && unit_control_rx(wire->to_port)) {
        unlucky--;
        return false;
    }
    return true;
}

static void
test_last_flight_lost(void)
{
    ovs_be16 port;

    begin();
    unlucky = 2;
    unit_control_fate = lose_last_flights;
    want();
    unit_control_run(0);
    CHECK(unlucky < 2);
    CHECK(!lane_port(0));
    CHECK(n_sessions_b() == 1);
    unit_control_run(1000);
    port = lane_port(0);
    CHECK(port && !unlucky);
    CHECK(unit_control_flow(&unit_b, htons(UNIT_DTLS_PORT), &unit_a,
                            port)->n_last_flights >= 2);
    CHECK(unit_control_carry(0, 10) == 10);
    CHECK(unit_control_n_ports_with_hello() == 1);
    end();
}

/* Nobody answers: one attempt, which repeats its hello for 10 s, then a pause
 * before the next.  A second one beside it would fare no better. */
static void
test_unanswered(void)
{
    unsigned int n_hellos;

    begin();
    unit_control_fate = unit_control_lose;
    want();
    unit_control_run(9999);
    CHECK(unit_control_n_ports_with_hello() == 1);
    CHECK(remote_b()->n_attempts == 1);
    CHECK(!remote_b()->n_young);
    CHECK(state_is(state_a(), "handshaking"));
    CHECK(!remote_b()->n_failures);
    unit_control_run(1);
    CHECK(remote_b()->n_failures == 1);
    CHECK(!remote_b()->n_attempts);
    CHECK_HAS(vnetenc_peer_error(remote_b()), "no_answer: "
              "from UDP port 6082; both hosts must have the same "
              "other_config:vnetenc-geneve-port");
    n_hellos = unit_control_n_hellos();
    unit_control_run(VNETENC_RETRY_MS * 3 / 4 - 1);
    CHECK(unit_control_n_hellos() == n_hellos);
    unit_control_run(VNETENC_RETRY_MS);
    CHECK(unit_control_n_ports_with_hello() == 2);

    /* The pause becomes longer. */
    unit_control_run(10000);
    CHECK(remote_b()->n_failures == 2);
    n_hellos = unit_control_n_hellos();
    unit_control_run(2 * VNETENC_RETRY_MS * 3 / 4 - VNETENC_RETRY_MS);
    CHECK(unit_control_n_hellos() == n_hellos);

    /* When the network is back, it is soon over. */
    unit_control_fate = NULL;
    want();
    unit_control_run(2000);
    CHECK(lane_port(0));
    CHECK(!remote_b()->n_attempts);
    CHECK(!vnetenc_peer_error(remote_b()));
    end();
}

/* Datagrams of A's that are let through; the others are lost. */
static unsigned int n_lucky;

static bool
lose_after_lucky(const struct unit_wire *wire)
{
    if (!ipv6_addr_equals(&wire->from, &unit_a)) {
        return true;
    } else if (!n_lucky) {
        return false;
    }
    n_lucky--;
    return true;
}

/* The peer answers nothing but the first ClientHello of each attempt. */
static bool
lose_after_cookie(const struct unit_wire *wire)
{
    return (ipv6_addr_equals(&wire->from, &unit_a)
            || wire->size == VNETENC_VERIFY_REQUEST_BYTES);
}

static void
test_cookie_only(void)
{
    begin();
    unit_control_fate = lose_after_cookie;
    want();
    unit_control_run(10000);
    /* 6, or 7 if the pauses between them are short. */
    CHECK(unit_control_n_ports_with_hello() <= 7);
    CHECK(remote_b()->n_attempts <= VNETENC_MAX_ATTEMPTS_LANE);
    CHECK_HAS(vnetenc_peer_error(remote_b()), "UDP port 6082 answered the "
              "first ClientHello only; the peer is overloaded, or datagrams "
              "of up to 1200 bytes are lost");
    end();

    /* A peer that starts anew at that moment has other cookies. */
    begin();
    n_lucky = 1;
    unit_control_fate = lose_after_lucky;
    want();
    unit_control_run(1000);
    vnetenc_incoming_end(NULL);
    unit_control_fate = NULL;
    unit_control_run(VNETENC_STUCK_MS);
    CHECK(lane_port(0));
    CHECK(unit_control_n_ports_with_hello() == 2);
    end();
}

/* The peer answers and then hears nothing, as one does that started anew in
 * the middle: a second attempt beside the first after 1.5 s of silence. */
static void
test_silence_in_the_middle(void)
{
    begin();
    n_lucky = 1;
    unit_control_fate = lose_after_lucky;
    want();
    unit_control_run(1499);
    CHECK(!n_lucky);
    CHECK(unit_control_n_ports_with_hello() == 1);
    unit_control_run(TICK_MS);
    CHECK(unit_control_n_ports_with_hello() == 2);
    CHECK(remote_b()->n_attempts == 2);
    unit_control_fate = NULL;
    unit_control_run(2000);
    CHECK(lane_port(0));
    CHECK(!remote_b()->n_attempts);
    CHECK(!remote_b()->n_failures);
    CHECK(!vnetenc_peer_error(remote_b()));
    end();
}

/* Nobody answers at another DTLS port of the same peer. */
static bool
lose_to_other_port(const struct unit_wire *wire)
{
    return wire->to_port != htons(UNIT_DTLS_PORT + 7);
}

static void
want_in_vain(void)
{
    struct vnetenc_path_key path = unit_ab;

    path.dtls_port = htons(UNIT_DTLS_PORT + 7);
    vnetenc_outgoing_want(&path, unit_now_ms);
}

/* Attempts that nobody answers take nothing from a healthy session with the
 * same peer: it is renewed when it is due, and when it is lost. */
static void
test_beside_unanswered(void)
{
    ovs_be16 port;

    begin();
    unit_profile.n_lanes = VNETENC_MAX_LANES;
    unit_profile.rekey_s = 60;
    unit_control_configure(UNIT_ROWS);
    unit_control_fate = lose_to_other_port;
    want_in_vain();
    unit_control_run(100);
    CHECK(remote_b()->n_attempts == VNETENC_MAX_HALF_OPEN_PEER);
    want();
    unit_control_run(0);
    port = lane_port(0);
    CHECK(port);
    for (int i = 0; i < 61; i++) {
        want();
        want_in_vain();
        unit_control_run(1000);
    }
    CHECK(remote_b()->n_attempts >= VNETENC_MAX_HALF_OPEN_PEER);
    CHECK(lane_port(0) && lane_port(0) != port);
    for (unsigned int i = 0; i < VNETENC_MAX_LANES; i++) {
        CHECK(lane_port(i));
    }

    port = lane_port(0);
    vnetenc_incoming_end(remote_a());
    carry_for(2000);
    CHECK(lane_port(0) && lane_port(0) != port);
    end();
}

/* With many peers, not all handshakes begin at once. */
static void
test_initiations(void)
{
    struct vnetenc_path_key path = unit_ab;

    begin();
    unit_control_fate = unit_control_lose;
    for (int i = 0; i < VNETENC_MAX_INITIATIONS + 36; i++) {
        path.dtls_port = htons(7000 + i);
        vnetenc_outgoing_want(&path, unit_now_ms);
    }
    unit_control_run(100);
    CHECK(remote_b()->n_attempts == VNETENC_MAX_INITIATIONS);
    unit_control_run(VNETENC_STUCK_MS + TICK_MS);
    CHECK(remote_b()->n_attempts == VNETENC_MAX_INITIATIONS + 36);
    end();
}

/* A forged fragment of a handshake message, which libssl cannot bear. */
static void
forge_to_a(ovs_be16 port)
{
    const uint8_t fragment[] = {
        22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 16,
        2, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4,
    };
    struct vnetenc_socket *sock;
    char *error;

    sock = vnetenc_socket_responder(&unit_b, htons(UNIT_DTLS_PORT), &error);
    ovs_assert(sock && port);
    vnetenc_socket_send(sock, &unit_a, port, fragment, sizeof fragment);
}

static ovs_be16 a_port;         /* Of A's newest datagram. */

static bool
note_and_lose_after_lucky(const struct unit_wire *wire)
{
    if (ipv6_addr_equals(&wire->from, &unit_a)) {
        a_port = wire->from_port;
    }
    return lose_after_lucky(wire);
}

/* A forged datagram ends a running handshake: another takes its place without
 * a pause, and nothing is said of it. */
static void
test_disturbed(void)
{
    begin();
    n_lucky = 0;
    unit_control_fate = note_and_lose_after_lucky;
    want();
    unit_control_run(0);
    CHECK(unit_control_n_ports_with_hello() == 1);
    forge_to_a(a_port);
    unit_control_exchange();
    CHECK(unit_control_n_ports_with_hello() == 2);
    CHECK(!remote_b()->n_failures);
    CHECK(!vnetenc_peer_error(remote_b()));
    unit_control_fate = NULL;
    unit_control_run(200);
    CHECK(lane_port(0));

    /* Not for ever. */
    vnetenc_outgoing_rekey(remote_b(), unit_now_ms);
    n_lucky = 0;
    unit_control_fate = note_and_lose_after_lucky;
    unit_control_run(0);
    for (int i = 0; i < VNETENC_MAX_RESTARTS; i++) {
        forge_to_a(a_port);
        unit_control_exchange();
        CHECK(!remote_b()->n_failures);
    }
    forge_to_a(a_port);
    unit_control_exchange();
    CHECK(remote_b()->n_failures == 1);
    CHECK(!remote_b()->n_attempts);
    end();
}

/* An alert in clear, which anybody can send. */
static void
alert_to_a(ovs_be16 port)
{
    const uint8_t alert[] = {
        21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 42,
    };
    struct vnetenc_socket *sock;
    char *error;

    sock = vnetenc_socket_responder(&unit_b, htons(UNIT_DTLS_PORT), &error);
    ovs_assert(sock && port);
    vnetenc_socket_send(sock, &unit_a, port, alert, sizeof alert);
}

/* Nor is there more to be had with a second attempt beside the first. */
static void
test_disturbed_beside_another(void)
{
    begin();
    n_lucky = 0;
    unit_control_fate = note_and_lose_after_lucky;
    want();
    unit_control_run(0);
    alert_to_a(a_port);
    unit_control_run(1);
    CHECK(remote_b()->n_attempts == 2);
    for (int i = 0; i < 10; i++) {
        if (remote_b()->n_attempts == 2) {
            forge_to_a(a_port);
            unit_control_exchange();
        }
    }
    CHECK(unit_control_n_ports_with_hello() == 2 + VNETENC_MAX_RESTARTS);
    CHECK(remote_b()->n_failures == 1);
    CHECK(remote_b()->n_attempts == 1);
    end();
}

/* A peer that refuses us is asked again at longer and longer pauses, and at
 * once when it is heard of. */
static void
test_refused(void)
{
    struct vnetenc_path_key ba = unit_ab;
    unsigned int n;

    begin();
    unit_rows[0].pins[0][0] ^= 1;   /* B's row of A. */
    unit_control_configure(UNIT_ROWS);
    want();
    unit_control_run(10000);
    n = unit_control_n_ports_with_hello();
    CHECK(n >= 5 && n <= 10);
    CHECK(remote_b()->n_attempts <= VNETENC_MAX_ATTEMPTS_LANE);
    CHECK_HAS(vnetenc_peer_error(remote_b()), "peer says");
    unit_rows[0].pins[0][0] ^= 1;
    unit_control_configure(UNIT_ROWS);
    ba.local = unit_b;
    ba.remote = unit_a;
    vnetenc_outgoing_want(&ba, unit_now_ms);
    unit_control_run(500);
    CHECK(lane_port(0));
    CHECK(!vnetenc_peer_error(remote_b()));
    end();
}

/* What is said of a peer. */

/* The error of a path is neither hidden by the success of another one, nor
 * does it outlive its path. */
static void
test_error_of_path(void)
{
    struct vnetenc_path_key path = unit_ab;

    begin_up();
    path.profile = 7;
    vnetenc_outgoing_want(&path, unit_now_ms);
    unit_control_run(1000);
    CHECK_HAS(vnetenc_peer_error(remote_b()),
              "no record of table VNetEnc_Profile has id=7");
    vnetenc_outgoing_rekey(remote_b(), unit_now_ms);
    unit_control_run(1000);
    CHECK(remote_b()->n_rekeys == 1);
    CHECK_HAS(vnetenc_peer_error(remote_b()), "id=7");
    CHECK(vnetenc_path_find(&path));
    unit_control_run(VNETENC_FORGET_MS);
    CHECK(!vnetenc_path_find(&path));
    CHECK(state_is(state_a(), "up"));
    CHECK(!vnetenc_peer_error(remote_b()));
    end();
}

/* A path that begins at another address of A, 127.0.0.3, which B knows A
 * by. */
static struct vnetenc_path_key
path_from_other_address(void)
{
    struct vnetenc_path_key path = unit_ab;

    in6_addr_set_mapped_ipv4(&path.local, htonl(0x7f000003));
    unit_rows[0].remote = path.local;
    unit_control_configure(UNIT_ROWS);
    return path;
}

/* Another program has the DTLS port: what A begins succeeds, what B begins
 * does not. */
static void
test_port_in_use(void)
{
    const struct sockaddr_in sin = {
        .sin_family = AF_INET,
        .sin_port = htons(UNIT_DTLS_PORT),
        .sin_addr.s_addr = htonl(0x7f000003),
    };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct vnetenc_path_key path;

    ovs_assert(!bind(fd, (const struct sockaddr *) &sin, sizeof sin));
    begin();
    path = path_from_other_address();
    vnetenc_outgoing_want(&path, unit_now_ms);
    unit_control_run(1000);
    CHECK(state_is(state_a(), "up"));
    CHECK_HAS(vnetenc_peer_error(remote_b()), "cannot answer handshakes: "
              "cannot bind a UDP socket to 127.0.0.3 port 6082: "
              "Address already in use");

    /* Success of what A begins does not hide it. */
    vnetenc_outgoing_rekey(remote_b(), unit_now_ms);
    unit_control_run(1000);
    CHECK(remote_b()->n_rekeys == 1);
    CHECK(vnetenc_peer_error(remote_b()));

    close(fd);
    unit_control_run(2000);
    CHECK(!vnetenc_peer_error(remote_b()));
    unit_rows[0].remote = unit_a;
    end();
}

/* An address that no interface has any more. */
static struct in6_addr gone;

int
bind(int fd, __CONST_SOCKADDR_ARG sa, socklen_t size)
{
    const struct sockaddr_in *sin = sa.__sockaddr_in__;

    if (sin->sin_family == AF_INET && ipv6_addr_is_set(&gone)
        && sin->sin_addr.s_addr == in6_addr_get_mapped_ipv4(&gone)) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    return syscall(SYS_bind, fd, sin, size);
}

static bool
lose_gone(const struct unit_wire *wire)
{
    return (!ipv6_addr_equals(&wire->from, &gone)
            && !ipv6_addr_equals(&wire->to, &gone));
}

/* A gets another address. */
static void
test_address_changed(void)
{
    struct vnetenc_session_status s[VNETENC_MAX_LANES];
    struct vnetenc_path_key path;

    begin_up();
    gone = unit_a;
    unit_control_fate = lose_gone;
    path = path_from_other_address();
    vnetenc_outgoing_want(&path, unit_now_ms);
    unit_control_run(10000);
    CHECK(unit_control_sessions(VNETENC_OUT, &unit_b, s, ARRAY_SIZE(s)) == 1);
    CHECK(state_is(s[0].state, "up"));
    CHECK(ipv6_addr_equals(&s[0].path->local, &path.local));
    CHECK(!vnetenc_peer_error(remote_b()));
    unit_rows[0].remote = unit_a;
    memset(&gone, 0, sizeof gone);
    end();
}

/* Whoever waits for a change of status hears soon that a peer is lost. */
static void
test_lost_is_told(void)
{
    uint64_t seq;

    begin_up();
    unit_control_fate = unit_control_lose;
    unit_control_carry(0, 1);
    seq = seq_read(connectivity_seq_get());
    while (!strcmp(state_a(), "up")) {
        CHECK(seq_read(connectivity_seq_get()) == seq);
        unit_control_run(10);
    }
    CHECK(state_is(state_a(), "lost"));
    vnetenc_announce_run(unit_now_ms + VNETENC_ANNOUNCE_MS);
    CHECK(seq_read(connectivity_seq_get()) != seq);
    end();
}

/* Failures follow each other at 0.2 s, doubling to 15 s; 60 s after the last
 * packet there are no more, after 300 s nothing is left. */
static void
test_back_off(void)
{
    unsigned int before;

    begin();
    unit_rows[1].pins[0][0] ^= 1;
    unit_control_configure(UNIT_ROWS);
    want();
    unit_control_run(1000);
    before = remote_b()->n_failures;
    CHECK(before >= 3 && before <= 4);
    CHECK_HAS(vnetenc_peer_error(remote_b()), "not among the peer's");
    unit_control_run(58000);
    CHECK(remote_a()->n_failures > 0);
    CHECK(remote_b()->n_failures >= 8 && remote_b()->n_failures <= 14);
    CHECK(state_is(state_a(), "waiting"));

    unit_control_run(2000);
    before = remote_b()->n_failures;
    unit_control_run(238000);
    CHECK(remote_b()->n_failures == before);
    CHECK(vnetenc_path_find(&unit_ab));
    unit_control_run(1000 + TICK_MS);
    CHECK(!vnetenc_path_find(&unit_ab));
    CHECK(!unit_control_tx(0));
    end();
}

/* Rekeying. */

static void
test_rekey(void)
{
    struct vnetenc_rx *old_rx;
    ovs_be16 old, new;

    begin_up();
    old = lane_port(0);
    old_rx = unit_control_rx(old);
    unit_control_carry(0, 5);
    CHECK(vnetenc_outgoing_rekey(remote_b(), unit_now_ms) == 1);
    CHECK(lane_port(0) == old);
    unit_control_run(0);
    new = lane_port(0);
    CHECK(new && new != old);
    CHECK(remote_b()->n_rekeys == 1);
    CHECK(remote_b()->n_handshakes == 2);
    CHECK(unit_control_rx(old) == old_rx);
    CHECK(unit_control_rx(new) && unit_control_rx(new) != old_rx);
    CHECK(unit_control_carry(0, 5) == 5);

    /* After 1 s the old one is closed... */
    unit_control_run(999);
    CHECK(!flow_of(old)->n_alerts);
    CHECK(state_is(state_b(old), "up"));
    unit_control_run(TICK_MS);
    CHECK(flow_of(old)->n_alerts == 1);
    CHECK(state_is(state_b(old), "closing"));
    CHECK(state_is(state_b(new), "up"));

    /* ...and 3 s later forgotten. */
    unit_control_run(3000 - TICK_MS);
    CHECK(unit_control_rx(old) == old_rx);
    unit_control_run(2 * TICK_MS);
    CHECK(!unit_control_rx(old));
    CHECK(unit_control_rx(new));
    CHECK(n_sessions_b() == 1);
    CHECK(unit_control_carry(0, 5) == 5);
    CHECK(!flow_of(new)->n_alerts);
    CHECK(remote_b()->ended[VNETENC_OUT].n_records == 5 + 1);
    CHECK(remote_a()->ended[VNETENC_IN].n_records == 5 + 1);

    /* That was all. */
    unit_control_run(60000);
    CHECK(lane_port(0) == new);
    CHECK(unit_control_n_ports_with_hello() == 2);
    end();
}

/* A key of 100 records: replaced before that, and with no successor to be had
 * it seals 200 and not one more, and makes room for other lanes.
 * (unit_control_end() sees that no rule was broken.) */
static void
test_record_limit(void)
{
    unsigned int n_arrived;
    ovs_be16 port;

    begin();
    unit_profile.rekey_records = 100;
    unit_control_configure(UNIT_ROWS);
    want();
    unit_control_run(0);
    n_arrived = carry_for(1000);
    CHECK(n_arrived == 1000);
    CHECK(remote_b()->n_rekeys >= 8 && remote_b()->n_rekeys <= 12);

    port = lane_port(0);
    unit_control_fate = unit_control_lose;
    for (int i = 0; i < 1000; i++) {
        if (lane_port(0)) {
            unit_control_carry(0, 1);
        }
        unit_control_run(1);
    }
    CHECK(!lane_port(0));
    CHECK(flow_of(port)->n_data == 200);
    CHECK(flow_of(port)->next_seq == VNETENC_FIRST_SEQ + 200);
    end();
}

/* The same for octets. */
static void
test_byte_limit(void)
{
    enum { PAYLOAD = 40 };
    ovs_be16 port;

    begin();
    unit_profile.rekey_bytes = 100 * PAYLOAD;
    unit_control_configure(UNIT_ROWS);
    want();
    unit_control_run(0);
    port = lane_port(0);
    unit_control_carry(0, 89);
    unit_control_run(TICK_MS);
    CHECK(lane_port(0) == port);
    unit_control_carry(0, 11);
    unit_control_run(TICK_MS);
    CHECK(lane_port(0) != port);

    port = lane_port(0);
    unit_control_fate = unit_control_lose;
    unit_control_carry(0, 1000);
    CHECK(flow_of(port)->n_data == 200);
    end();
}

static bool
lose_handshakes(const struct unit_wire *wire)
{
    return wire->data[0] != 22;
}

/* The same for time: at most an hour by default, here a minute. */
/* Runs, with a packet now and then, until lane 0 has no longer the session of
 * 'port'.  Returns how long that took. */
static long long int
life_of(ovs_be16 port)
{
    long long int start = unit_now_ms;

    while (lane_port(0) == port && unit_now_ms < start + 200000) {
        if (!((unit_now_ms - start) % 1000)) {
            CHECK(unit_control_carry(0, 1) == 1);
        }
        unit_control_run(1);
    }
    return unit_now_ms - start;
}

static void
test_age_limit(void)
{
    long long int ms;

    begin();
    unit_profile.rekey_s = 60;
    unit_control_configure(UNIT_ROWS);
    want();
    unit_control_run(0);
    ms = life_of(lane_port(0));
    CHECK(ms >= 54000 && ms <= 60000 + TICK_MS);
    CHECK(lane_port(0));
    CHECK(remote_b()->n_rekeys == 1);

    /* Without a successor it ends at twice the time, though its peer is there
     * and answers. */
    unit_control_fate = lose_handshakes;
    ms = life_of(lane_port(0));
    CHECK(ms >= 120000 && ms <= 120000 + TICK_MS);
    CHECK(!lane_port(0));
    CHECK(!remote_b()->n_lost);
    check_clear(VNETENC_DROP_clear_lost, unit_now_ms + 3000);
    end();
}

/* Other credentials: a successor with them. */
static void
test_credentials(void)
{
    ovs_be16 port;

    begin_up();
    port = lane_port(0);
    CHECK_HAS(remote_b()->suite, "AES256");
    unit_profile.ciphers = CONST_CAST(char *, "chacha20-poly1305");
    unit_control_configure(UNIT_ROWS);
    CHECK(lane_port(0) == port);        /* Not before there is another. */
    unit_control_run(0);
    CHECK(lane_port(0) && lane_port(0) != port);
    CHECK_HAS(remote_b()->suite, "CHACHA20");
    CHECK(unit_control_carry(0, 5) == 5);
    unit_control_run(10000);
    CHECK(unit_control_n_ports_with_hello() == 2);
    end();
}

/* A cipher that is not allowed any more is used by neither side for longer
 * than it takes to make another session, even if none can be made. */
static void
test_cipher_withdrawn(void)
{
    const struct unit_flow *back;
    ovs_be16 port;

    begin_up();
    port = lane_port(0);
    CHECK(unit_control_carry(0, 1) == 1);
    unit_control_run(1000);
    unit_control_fate = lose_handshakes;
    unit_profile.ciphers = CONST_CAST(char *, "chacha20-poly1305");
    unit_control_configure(UNIT_ROWS);
    CHECK(carry_for(2900) == 2900);     /* There may be another in time. */
    carry_for(200);
    CHECK(!lane_port(0));
    CHECK(state_is(state_b(port), "none"));

    /* B said so, sealed, and A began to look for another session. */
    back = unit_control_flow(&unit_b, htons(UNIT_DTLS_PORT), &unit_a, port);
    CHECK(back->n_alerts == 1);
    unit_control_fate = NULL;
    carry_for(VNETENC_RETRY_MAX_MS * 2);
    CHECK_HAS(remote_b()->suite, "CHACHA20");
    CHECK(unit_control_carry(0, 1) == 1);
    end();

    /* It is allowed again in time: nothing ends. */
    begin_up();
    port = lane_port(0);
    CHECK(unit_control_carry(0, 1) == 1);
    unit_control_run(1000);
    unit_control_fate = lose_handshakes;
    unit_profile.ciphers = CONST_CAST(char *, "chacha20-poly1305");
    unit_control_configure(UNIT_ROWS);
    carry_for(1000);
    unit_profile.ciphers = NULL;
    unit_control_configure(UNIT_ROWS);
    unit_control_fate = NULL;
    CHECK(carry_for(6000) == 6000);
    CHECK_HAS(remote_b()->suite, "AES256");
    end();
}

static void
test_lanes(void)
{
    ovs_be16 ports[3];

    begin();
    unit_profile.n_lanes = 3;
    unit_control_configure(UNIT_ROWS);
    want();
    unit_control_run(0);
    for (int i = 0; i < 3; i++) {
        ports[i] = lane_port(i);
        CHECK(ports[i] && unit_control_rx(ports[i]));
        CHECK(unit_control_carry(i, 5) == 5);
    }
    CHECK(ports[0] != ports[1] && ports[1] != ports[2]
          && ports[0] != ports[2]);
    CHECK(!lane_port(3));
    CHECK(n_sessions_b() == 3);

    /* Fewer: told to the peer.  More: made. */
    unit_profile.n_lanes = 1;
    unit_control_configure(UNIT_ROWS);
    unit_control_run(0);
    CHECK(lane_port(0) == ports[0] && !lane_port(1) && !lane_port(2));
    CHECK(flow_of(ports[1])->n_alerts == 1);
    CHECK(flow_of(ports[2])->n_alerts == 1);
    unit_control_run(3000 + TICK_MS);
    CHECK(n_sessions_b() == 1);
    unit_profile.n_lanes = 2;
    unit_control_configure(UNIT_ROWS);
    want();
    unit_control_run(TICK_MS);
    CHECK(lane_port(0) == ports[0] && lane_port(1));
    end();
}

/* Probes and loss. */

/* Without traffic a session lives on its probes, one a minute. */
static void
test_idle(void)
{
    ovs_be16 port;

    begin_up();
    port = lane_port(0);
    unit_control_run(1800000);
    CHECK(lane_port(0) == port);
    CHECK(unit_control_rx(port));
    CHECK(flow_of(port)->n_data >= 29 && flow_of(port)->n_data <= 30);
    CHECK(unit_control_flow(&unit_b, htons(UNIT_DTLS_PORT), &unit_a,
                            port)->n_data == flow_of(port)->n_data);
    CHECK(!remote_b()->n_lost);
    CHECK(unit_control_n_ports_with_hello() == 1);
    end();
}

/* No authenticated record for 180 s: the responder forgets. */
static void
test_silence(void)
{
    ovs_be16 port;

    begin_up();
    port = lane_port(0);
    unit_control_run(5000);
    unit_control_carry(0, 1);
    unit_control_run(TICK_MS);
    unit_control_fate = unit_control_lose;
    unit_control_run(180000 - 2 * TICK_MS);
    CHECK(unit_control_rx(port));
    unit_control_run(3 * TICK_MS);
    CHECK(!unit_control_rx(port));
    CHECK(!n_sessions_b());
    end();
}

/* Sends 'n' hints to A's port 'port', as B does or anyone can. */
static void
hint(ovs_be16 port, unsigned int n)
{
    char *error;
    struct vnetenc_socket *sock
        = vnetenc_socket_responder(&unit_b, htons(UNIT_DTLS_PORT), &error);

    for (unsigned int i = 0; i < n; i++) {
        vnetenc_socket_send(sock, &unit_a, port, vnetenc_message_hint,
                            sizeof vnetenc_message_hint);
    }
    unit_control_run(0);
}

static void
test_hints(void)
{
    ovs_be16 port;

    begin_up();
    port = lane_port(0);
    hint(port, 1);
    CHECK(remote_b()->n_hints == 1);
    CHECK(flow_of(port)->n_data == 1);

    /* One a second, however many come. */
    for (int i = 0; i < 50; i++) {
        unit_control_run(19);
        hint(port, 3);
    }
    CHECK(remote_b()->n_hints == 1);
    CHECK(flow_of(port)->n_data == 1);
    unit_control_run(50);
    hint(port, 3);
    CHECK(remote_b()->n_hints == 2);
    CHECK(flow_of(port)->n_data == 2);

    /* That was probing and nothing else. */
    unit_control_run(10000);
    CHECK(lane_port(0) == port);
    CHECK(unit_control_n_ports_with_hello() == 1);
    CHECK(!remote_b()->n_lost && !remote_b()->n_rekeys);
    CHECK(state_is(state_a(), "up"));
    end();
}

static bool
lose_data(const struct unit_wire *wire)
{
    return wire->data[0] != 23;
}

/* Three probes without an answer: another attempt, which takes over. */
static void
test_probes_unanswered(void)
{
    ovs_be16 port;

    begin_up();
    port = lane_port(0);
    hint(port, 1);
    unit_control_run(1000);
    CHECK(flow_of(port)->n_data == 1);
    unit_control_fate = lose_data;
    hint(port, 1);
    CHECK(flow_of(port)->n_data == 2);
    unit_control_run(200);
    CHECK(flow_of(port)->n_data == 3);
    unit_control_run(200);
    CHECK(flow_of(port)->n_data == 4);
    unit_control_run(199);
    CHECK(unit_control_n_ports_with_hello() == 1);
    CHECK(lane_port(0) == port && !remote_b()->n_lost);
    unit_control_run(TICK_MS);
    CHECK(remote_b()->n_lost == 1);
    CHECK(unit_control_n_ports_with_hello() == 2);
    CHECK(lane_port(0) && lane_port(0) != port);
    CHECK(remote_b()->n_rekeys == 1);
    unit_control_fate = NULL;
    CHECK(unit_control_carry(0, 5) == 5);
    end();
}

/* The peer is gone altogether: while it is searched for the lane stays, then
 * it is empty, and mode prefer may speak clear. */
static void
test_lost(void)
{
    long long int lost_at;

    begin_up();
    unit_control_run(5000);
    unit_control_carry(0, 1);
    unit_control_fate = unit_control_lose;

    /* At 2 s it is probed, for 3 times 200 ms. */
    while (!remote_b()->n_lost) {
        unit_control_run(1);
    }
    lost_at = unit_now_ms;
    CHECK(state_is(state_a(), "lost"));
    CHECK(lane_port(0));
    unit_control_run(2900);
    CHECK(lane_port(0));
    CHECK(remote_b()->n_attempts >= 1);
    unit_control_run(100 + TICK_MS);
    CHECK(!lane_port(0));
    check_clear(VNETENC_DROP_clear_lost, lost_at + 3000);
    CHECK(remote_b()->n_lost == 1);

    /* And found again. */
    unit_control_fate = NULL;
    want();
    unit_control_run(3000);
    CHECK(lane_port(0));
    check_clear(VNETENC_DROP_clear_lost, LLONG_MAX);
    CHECK(unit_control_carry(0, 5) == 5);
    CHECK(state_is(state_a(), "up"));
    end();
}

/* The peer started anew and knows nothing: what A sends brings a hint, and
 * that leads to a session within a second. */
static void
test_peer_forgot(void)
{
    ovs_be16 port;

    begin_up();
    port = lane_port(0);
    carry_for(100);
    vnetenc_incoming_end(remote_a());
    CHECK(!unit_control_rx(port));
    CHECK(carry_for(1000) > 200);
    CHECK(lane_port(0) != port);
    CHECK(remote_b()->n_hints == 1);
    CHECK(unit_control_flow(&unit_b, htons(UNIT_DTLS_PORT), &unit_a,
                            port)->n_hints == 1);
    end();
}

/* Judgement. */

static void
test_pins_changed(void)
{
    long long int at;
    ovs_be16 port;

    /* A's opinion of B. */
    begin_up();
    port = lane_port(0);
    unit_control_configure(UNIT_ROWS);
    CHECK(lane_port(0) == port);
    unit_rows[1].pins[0][31] ^= 1;
    unit_control_configure(UNIT_ROWS);
    at = unit_now_ms;
    CHECK(!lane_port(0));
    check_clear(VNETENC_DROP_clear_lost, at + 3000);
    CHECK_HAS(remote_b()->errors[VNETENC_OUT], "not among the peer's");
    CHECK(unit_control_rx(port));       /* B's opinion is as it was. */
    want();
    unit_control_run(5000);
    CHECK(!lane_port(0));
    CHECK(remote_b()->n_failures > 1);

    /* All is well again, at once. */
    unit_rows[1].pins[0][31] ^= 1;
    unit_control_configure(UNIT_ROWS);
    want();
    unit_control_run(0);
    CHECK(lane_port(0));
    CHECK(!vnetenc_peer_error(remote_b()));
    end();

    /* B's opinion of A. */
    begin_up();
    port = lane_port(0);
    unit_rows[0].pins[0][31] ^= 1;
    unit_control_configure(UNIT_ROWS);
    CHECK(!unit_control_rx(port));
    CHECK(!n_sessions_b());
    CHECK_HAS(remote_a()->errors[VNETENC_IN], "not among the peer's");
    CHECK(lane_port(0) == port);
    CHECK(carry_for(5000) == 0);
    CHECK(!lane_port(0));
    CHECK(!n_sessions_b());
    end();
}

/* A key that is about to be closed is judged as well. */
static void
test_pins_changed_while_closing(void)
{
    ovs_be16 old;

    begin_up();
    old = lane_port(0);
    vnetenc_outgoing_rekey(remote_b(), unit_now_ms);
    unit_control_run(0);
    unit_rows[1].pins[0][31] ^= 1;
    unit_control_configure(UNIT_ROWS);
    unit_control_run(2000);
    CHECK(!lane_port(0));
    CHECK(!flow_of(old)->n_alerts);
    end();
}

/* Marks. */

/* The underlay carries only what has these marks, by destination. */
static uint32_t way_to_a, way_to_b;

static bool
follow_ways(const struct unit_wire *wire)
{
    return wire->mark == (ipv6_addr_equals(&wire->to, &unit_b)
                          ? way_to_b : way_to_a);
}

static void
set_marks(uint32_t to_a, uint32_t to_b)
{
    const struct vnetenc_mark marks[] = {
        { .remote = unit_a, .mark = to_a },
        { .remote = unit_b, .mark = to_b },
    };

    CHECK(!vnetenc_marks_set(marks, ARRAY_SIZE(marks)));
}

/* Handshakes of both ends have the mark of the peer's port, from the first
 * datagram to the last. */
static void
test_marks(void)
{
    ovs_be16 port;

    begin();
    way_to_a = 0x80000001;
    way_to_b = 7;
    unit_control_fate = follow_ways;

    /* Without the marks nothing arrives.  When they are there, the attempt
     * that waits is not waited for. */
    want();
    unit_control_run(3000);
    CHECK(!lane_port(0));
    CHECK(unit_control_n_ports_with_hello() == 1);
    set_marks(way_to_a, way_to_b);
    unit_control_run(100);
    CHECK(lane_port(0));
    CHECK(unit_control_n_ports_with_hello() == 2);
    CHECK(!remote_b()->n_attempts && !remote_b()->n_failures);

    /* Records leave through the same socket; probes do, too. */
    unit_control_run(2 * VNETENC_PROBE_IDLE_MS);
    CHECK(!remote_b()->n_lost);

    /* Another way: another session, because workers use the socket of this
     * one. */
    port = lane_port(0);
    way_to_b = 8;
    set_marks(way_to_a, way_to_b);
    unit_control_run(100);
    CHECK(lane_port(0) && lane_port(0) != port);
    port = lane_port(0);
    unit_control_run(2 * VNETENC_PROBE_IDLE_MS);
    CHECK(lane_port(0) == port && !remote_b()->n_lost);

    /* None again. */
    way_to_a = way_to_b = 0;
    vnetenc_marks_set(NULL, 0);
    unit_control_run(100);
    CHECK(lane_port(0) && lane_port(0) != port);
    end();
}

/* A probe and its answer wait for data only where data was sent a moment ago,
 * so the round trip of an idle path is not measured too long. */
static void
test_round_trip_of_idle_path(void)
{
    struct vnetenc_path_key ba = unit_ab;
    struct vnetenc_path *paths[2];

    begin_up();
    ba.local = unit_b;
    ba.remote = unit_a;
    vnetenc_outgoing_want(&ba, unit_now_ms);
    unit_control_run(0);
    paths[0] = vnetenc_path_find(&unit_ab);
    paths[1] = vnetenc_path_find(&ba);
    ovs_assert(paths[1] && state_is(state_a(), "up"));
    unit_control_carry(0, 1);
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        vnetenc_mailbox_serve(&paths[i]->mailbox);
    }
    unit_control_run(VNETENC_PROBE_BUSY_MS + 2 * TICK_MS);
    CHECK(remote_b()->rtt.sampled);
    CHECK(remote_b()->rtt.smoothed_us <= 1000);

    /* While data is sent, they travel with it. */
    unit_control_carry(0, 1);
    unit_control_run(VNETENC_PROBE_BUSY_MS - 2 * TICK_MS - 50);
    vnetenc_mailbox_serve(&paths[0]->mailbox);
    unit_control_run(60);
    CHECK(vnetenc_mailbox_serve(&paths[0]->mailbox));
    end();
}

static void
test_row_removed(void)
{
    ovs_be16 port;

    /* B's row: what A has towards it ends; B is told. */
    begin_up();
    port = lane_port(0);
    unit_control_configure(1);
    CHECK(!remote_b());
    CHECK(!vnetenc_path_find(&unit_ab));
    CHECK(flow_of(port)->n_alerts == 1);
    CHECK(unit_control_rx(port));
    unit_control_run(3000 + TICK_MS);
    CHECK(!unit_control_rx(port));
    want();
    unit_control_run(1000);
    CHECK(!vnetenc_path_find(&unit_ab));
    CHECK(unit_control_n_ports_with_hello() == 1);
    end();

    /* A's row: what B has from it ends at once. */
    begin_up();
    port = lane_port(0);
    unit_rows[0] = unit_rows[1];
    unit_control_configure(1);
    CHECK(!remote_a());
    CHECK(!unit_control_rx(port));
    CHECK(lane_port(0) == port);
    CHECK(carry_for(6000) == 0);
    CHECK(!lane_port(0));
    CHECK(!unit_control_flow(&unit_b, htons(UNIT_DTLS_PORT), &unit_a,
                             port)->n_hints);
    end();

    /* In the middle of a handshake. */
    begin();
    unlucky = 1000;
    unit_control_fate = lose_last_flights;
    want();
    unit_control_run(0);
    CHECK(remote_b()->n_attempts == 1);
    unit_control_configure(0);
    CHECK(!n_sessions_b());
    CHECK(!vnetenc_path_find(&unit_ab));
    unit_control_fate = NULL;
    unit_control_run(20000);
    CHECK(unit_control_n_ports_with_hello() == 1);
    end();
}

/* Round trips up to 2 s: RFC 6298 section 2 in the place of fixed timers.  One
 * attempt suffices, packets may wait for it and none leaves in clear; probes
 * find a session that lives, and repeat nothing; a rekey succeeds. */
static void
test_slow_underlay(void)
{
    static const int round_trips[] = { 2, 100, 400, 700, 1000, 1600, 2000 };

    for (size_t i = 0; i < ARRAY_SIZE(round_trips); i++) {
        long long int rtt = round_trips[i], start;
        ovs_be16 port;

        printf("round trip %lld ms\n", rtt);
        begin();
        unit_control_delay_ms = rtt / 2;
        start = unit_now_ms;
        want();
        unit_control_run(0);
        do {
            long long int waited = unit_now_ms - start;
            long long int clear_at;

            CHECK(vnetenc_outgoing_patience(&unit_ab) > waited);
            atomic_read_relaxed(&vnetenc_path_find(&unit_ab)->clear_at,
                                &clear_at);
            CHECK(clear_at > unit_now_ms);
            unit_control_run(1);
        } while (!lane_port(0) && unit_now_ms < start + 10000);
        CHECK(unit_now_ms - start <= 3 * rtt + 3);
        CHECK(unit_control_n_ports_with_hello() == 1);
        CHECK(remote_b()->n_failures == 0);
        CHECK(remote_b()->rtt.known && remote_a()->rtt.known);

        port = lane_port(0);
        for (int j = 0; j < 20; j++) {
            CHECK(unit_control_carry(0, 1) == 1);
            unit_control_run(1000);
        }
        CHECK(remote_b()->n_lost == 0);
        CHECK(lane_port(0) == port);
        CHECK(state_is(state_a(), "up"));
        CHECK(remote_b()->rtt.smoothed_us >= 1000 * rtt
              && remote_b()->rtt.smoothed_us <= 1000 * (rtt + 2));

        vnetenc_outgoing_rekey(remote_b(), unit_now_ms);
        unit_control_run(4 * rtt + 10);
        CHECK(lane_port(0) && lane_port(0) != port);
        CHECK(unit_control_carry(0, 1) == 1);

        /* A peer that is gone is still found gone. */
        unit_control_fate = unit_control_lose;
        carry_for(2 * VNETENC_PROBE_BUSY_MS + 3 * VNETENC_RTO_MAX_MS + 1000);
        CHECK(remote_b()->n_lost == 1);
        end();
    }
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    unit_loopback_init();
    unit_control_init();

    test_up();
    test_no_row();
    test_last_flight_lost();
    test_unanswered();
    test_cookie_only();
    test_silence_in_the_middle();
    test_beside_unanswered();
    test_initiations();
    test_disturbed();
    test_disturbed_beside_another();
    test_refused();
    test_error_of_path();
    test_port_in_use();
    test_address_changed();
    test_lost_is_told();
    test_back_off();
    test_rekey();
    test_record_limit();
    test_byte_limit();
    test_age_limit();
    test_credentials();
    test_cipher_withdrawn();
    test_lanes();
    test_idle();
    test_silence();
    test_hints();
    test_probes_unanswered();
    test_lost();
    test_peer_forgot();
    test_pins_changed();
    test_pins_changed_while_closing();
    test_marks();
    test_round_trip_of_idle_path();
    test_row_removed();
    test_slow_underlay();

    pki_cleanup();
    return unit_end();
}
