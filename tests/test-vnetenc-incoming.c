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

/* The responder's half against clients that do as they like: half-open
 * handshakes, many sessions, the same port twice, repeated flights. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/control/incoming.h"

#include <limits.h>
#include <stdlib.h>

#include "connectivity.h"
#include "openvswitch/list.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "seq.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/message.h"
#include "vnetenc/control/announce.h"
#include "vnetenc/control/handshake.h"
#include "vnetenc/control/outgoing.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc/trust/peer.h"
#include "vnetenc-unit.h"
#include "vnetenc-unit-control.h"
#include "vnetenc-unit-loopback.h"
#include "vnetenc-unit-net.h"
#include "vnetenc-unit-pki.h"

enum {
    TICK_MS = 250,              /* Sessions are looked at. */
    STUCK_MS = 1500,            /* A half-open handshake may be evicted. */
    HELLO_MS = 1 + 1000 / VNETENC_SOURCE_PER_SECOND,
    FIRST_PORT = 100,           /* Clients' ports: no lane socket has them. */
    N_CLIENTS = 80,
};

/* Clients at A's address, each at a port of its own. */

struct client {
    ovs_be16 port;
    struct vnetenc_handshake *h;
    struct vnetenc_keys keys;    /* Once DONE. */
    struct ofpbuf *in[64];      /* From B, not read yet. */
    size_t n_in;
    struct ofpbuf *last;        /* Newest datagram sent to B. */
};

static struct client clients[N_CLIENTS];

static struct vnetenc_path_key
path_to_b(uint8_t profile)
{
    return (struct vnetenc_path_key) {
        .local = unit_b,
        .remote = unit_a,
        .dtls_port = htons(UNIT_DTLS_PORT),
        .profile = profile,
    };
}

static struct vnetenc_peer *
remote_a(void)
{
    return vnetenc_peer_find(&unit_a);
}

static bool
catch(const struct unit_wire *wire)
{
    unsigned int i = ntohs(wire->to_port) - FIRST_PORT;

    if (ipv6_addr_equals(&wire->to, &unit_a) && i < N_CLIENTS) {
        struct client *c = &clients[i];

        ovs_assert(c->n_in < ARRAY_SIZE(c->in));
        c->in[c->n_in++] = ofpbuf_clone_data(wire->data, wire->size);
        return false;
    }
    return true;
}

/* B gets 'data' from 'c'. */
static void
to_b(struct client *c, const void *data, size_t size)
{
    const struct vnetenc_path_key path = path_to_b(0);
    uint8_t *copy = xmemdup(data, size);

    vnetenc_incoming_input(&path, c->port, copy, size, unit_now_ms);
    free(copy);
}

/* Sends what 'c' has to send. */
static void
client_send(struct client *c)
{
    struct ofpbuf *b;

    while ((b = vnetenc_handshake_pop_output(c->h))) {
        to_b(c, b->data, b->size);
        ofpbuf_delete(c->last);
        c->last = b;
    }
}

/* 'c' reads what came from B.  Returns how many datagrams. */
static size_t
client_read(struct client *c)
{
    size_t n = c->n_in;

    for (size_t i = 0; i < n; i++) {
        vnetenc_handshake_input(c->h, c->in[i]->data, c->in[i]->size,
                                unit_now_ms);
        ofpbuf_delete(c->in[i]);
    }
    c->n_in = 0;
    return n;
}

static void
client_forget_input(struct client *c)
{
    for (size_t i = 0; i < c->n_in; i++) {
        ofpbuf_delete(c->in[i]);
    }
    c->n_in = 0;
}

static struct client *
client_begin(unsigned int i)
{
    struct client *c = &clients[i];

    vnetenc_handshake_destroy(c->h);
    client_forget_input(c);
    c->port = htons(FIRST_PORT + i);
    c->h = vnetenc_handshake_initiate(&vnetenc_peer_lookup, &unit_b, 0,
                                      unit_now_ms);
    return c;
}

/* Until B has state for 'c': two ClientHellos are sent, B's flight is there,
 * unread. */
static struct client *
client_half_open(unsigned int i)
{
    struct client *c = client_begin(i);

    client_send(c);
    CHECK(client_read(c) == 1);
    client_send(c);
    return c;
}

/* Reads what ends the handshake. */
static void
client_done(struct client *c)
{
    client_read(c);
    if (CHECK(vnetenc_handshake_state(c->h) == VNETENC_HANDSHAKE_DONE)) {
        vnetenc_handshake_take_keys(c->h, &c->keys);
    }
}

static struct client *
client_finish(struct client *c)
{
    client_read(c);
    client_send(c);
    client_done(c);
    return c;
}

static struct client *
client_up(unsigned int i)
{
    return client_finish(client_half_open(i));
}

/* A flight that a client repeats. */
struct flight {
    struct ofpbuf *b[8];
    size_t n;
};

/* What 'c' sends when it has waited long enough. */
static void
client_repeat(struct client *c, struct flight *flight)
{
    unit_now_ms = vnetenc_handshake_deadline_ms(c->h);
    vnetenc_handshake_tick(c->h, unit_now_ms);
    for (flight->n = 0;
         (flight->b[flight->n] = vnetenc_handshake_pop_output(c->h));
         flight->n++) {
        ovs_assert(flight->n + 1 < ARRAY_SIZE(flight->b));
    }
    ovs_assert(flight->n);
}

/* B gets 'flight' of 'c'.  Returns true if it answers. */
static bool
is_answered(struct client *c, struct flight *flight)
{
    bool answered;

    client_forget_input(c);
    for (size_t i = 0; i < flight->n; i++) {
        to_b(c, flight->b[i]->data, flight->b[i]->size);
        ofpbuf_delete(flight->b[i]);
    }
    answered = c->n_in > 0;
    client_forget_input(c);
    return answered;
}

/* 'c' seals a probe with number 'seq'. */
static void
client_probe(struct client *c, uint64_t seq, uint64_t echo)
{
    uint8_t message[VNETENC_MESSAGE_BYTES], record[200];
    size_t n;

    vnetenc_message_build(VNETENC_MESSAGE_PROBE, echo, message);
    n = unit_seal(&c->keys, true, seq, message, sizeof message, record);
    unit_control_pop(c->port, record, n);
}

static struct vnetenc_rx *
rx_of(const struct client *c)
{
    return unit_control_rx(c->port);
}

static void
begin(void)
{
    unit_control_begin();
    unit_control_fate = catch;
}

static void
end(void)
{
    for (size_t i = 0; i < N_CLIENTS; i++) {
        struct client *c = &clients[i];

        vnetenc_handshake_destroy(c->h);
        client_forget_input(c);
        ofpbuf_delete(c->last);
        memset(c, 0, sizeof *c);
    }
    unit_control_end();
    CHECK(!unit_control_n_broken());
}

static unsigned int
count(const char *state)
{
    struct vnetenc_session_status s[N_CLIENTS];
    size_t n = unit_control_sessions(VNETENC_IN, &unit_a, s, N_CLIENTS);
    unsigned int n_state = 0;

    for (size_t i = 0; i < n; i++) {
        n_state += !strcmp(s[i].state, state);
    }
    return n_state;
}

/* What was counted as 'reason' since the last call for it. */
static unsigned int
n_dropped(enum vnetenc_drop reason)
{
    static unsigned long long int last[VNETENC_N_DROPS];
    unsigned long long int now = vnetenc_drop_total(reason);
    unsigned int n = now - last[reason];

    last[reason] = now;
    return n;
}

/* Half-open. */

/* Nothing is kept for who only says hello. */
static void
test_no_state(void)
{
    begin();
    for (unsigned int i = 0; i < 10; i++) {
        client_send(client_begin(i));
        CHECK(clients[i].n_in == 1);
    }
    CHECK(!count("handshaking"));
    CHECK(!remote_a()->n_half_open);
    end();
}

static void
test_half_open_limit(void)
{
    struct client *c;

    begin();
    n_dropped(VNETENC_DROP_ctl_half_open);
    for (unsigned int i = 0; i < 4; i++) {
        client_half_open(i);
        CHECK(clients[i].n_in == 1);
        unit_now_ms++;
    }
    CHECK(count("handshaking") == 4);
    CHECK(remote_a()->n_half_open == 4);

    /* The fifth is turned away, again and again. */
    c = client_half_open(4);
    CHECK(!c->n_in);
    CHECK(n_dropped(VNETENC_DROP_ctl_half_open) == 1);
    to_b(c, c->last->data, c->last->size);
    CHECK(n_dropped(VNETENC_DROP_ctl_half_open) == 1);
    CHECK(count("handshaking") == 4);

    /* Until one of the four seems stuck: the oldest. */
    client_read(&clients[0]);
    client_read(&clients[1]);
    unit_now_ms += STUCK_MS - 4 - 1;
    to_b(c, c->last->data, c->last->size);
    CHECK(n_dropped(VNETENC_DROP_ctl_half_open) == 1);
    unit_now_ms++;
    to_b(c, c->last->data, c->last->size);
    CHECK(n_dropped(VNETENC_DROP_ctl_half_open) == 0);
    CHECK(count("handshaking") == 4);
    client_finish(c);
    CHECK(rx_of(c));
    CHECK(count("handshaking") == 3);

    /* It was client 0, whose next flight comes too late. */
    n_dropped(VNETENC_DROP_ctl_unexpected);
    client_send(&clients[0]);
    CHECK(n_dropped(VNETENC_DROP_ctl_unexpected) > 0);
    CHECK(!rx_of(&clients[0]));

    /* The others are still welcome. */
    client_finish(&clients[1]);
    CHECK(rx_of(&clients[1]));
    CHECK(remote_a()->n_half_open == 2);
    end();
}

/* However much a client sends: what counts is how long it takes. */
static void
test_slow_client(void)
{
    begin();
    n_dropped(VNETENC_DROP_ctl_half_open);
    for (unsigned int i = 0; i < 4; i++) {
        client_half_open(i);
    }
    for (int j = 0; j < 2; j++) {
        client_half_open(4);
        CHECK(!clients[4].n_in);
        CHECK(n_dropped(VNETENC_DROP_ctl_half_open) == 1);
        unit_now_ms += STUCK_MS / 2;
        for (unsigned int i = 0; i < 4; i++) {
            struct client *c = &clients[i];

            to_b(c, c->last->data, c->last->size);
            client_forget_input(c);
        }
    }
    client_half_open(4);
    CHECK(clients[4].n_in);
    CHECK(n_dropped(VNETENC_DROP_ctl_half_open) == 0);
    CHECK(count("handshaking") == 4);
    end();
}

/* 10 s after its beginning a half-open handshake has failed. */
static void
test_half_open_deadline(void)
{
    begin();
    client_half_open(0);
    unit_control_run(9999);
    CHECK(count("handshaking") == 1);
    CHECK(!remote_a()->n_failures);
    CHECK(clients[0].n_in > 3);         /* Its flight was repeated. */
    unit_control_run(1);
    CHECK(!count("handshaking"));
    CHECK(remote_a()->n_failures == 1);
    CHECK(!remote_a()->n_half_open);
    CHECK_HAS(remote_a()->errors[VNETENC_IN], "no end within 10 s");
    end();
}

/* A handshake that fails after one that began later has succeeded says nothing
 * of the peer: it is the twin that was given up. */
static void
test_error_of_twin(void)
{
    begin();
    client_half_open(0);
    unit_control_run(2000);
    client_up(1);
    CHECK(count("up") == 1);
    unit_control_run(8000);
    CHECK(!count("handshaking"));
    CHECK(remote_a()->n_failures == 1);
    CHECK(!vnetenc_peer_error(remote_a()));
    end();
}

/* One that fails later is reported, but not for ever, if the peer has a
 * session and makes no further attempt. */
static void
test_error_of_late_handshake(void)
{
    begin();
    client_up(0);
    client_half_open(1);
    unit_control_run(10000);
    CHECK_HAS(vnetenc_peer_error(remote_a()), "no end within 10 s");
    unit_control_run(VNETENC_ERROR_MS - 1000);
    CHECK(vnetenc_peer_error(remote_a()));
    unit_control_run(2000);
    CHECK(count("up") == 1);
    CHECK(!vnetenc_peer_error(remote_a()));

    /* Without a session it stays. */
    unit_control_run(VNETENC_IDLE_MS);
    CHECK(!count("up"));
    client_half_open(2);
    unit_control_run(10000 + 2 * VNETENC_ERROR_MS);
    CHECK_HAS(vnetenc_peer_error(remote_a()), "no end within 10 s");
    end();
}

/* All timers that are due run in one call, whichever handshakes end. */
static void
test_half_open_deadlines(void)
{
    begin();
    for (unsigned int i = 0; i < 4; i++) {
        client_half_open(i);
    }
    unit_now_ms += 10000;
    vnetenc_incoming_run(unit_now_ms);
    CHECK(!count("handshaking"));
    CHECK(remote_a()->n_failures == 4);
    end();
}

/* A client that waits for its turn repeats its ClientHello.  All repetitions
 * wait with it, and one answer is enough for them. */
static void
test_hello_repeated(void)
{
    const struct vnetenc_path_key path = path_to_b(0);
    struct client *c;

    begin();
    c = client_half_open(0);
    CHECK(c->n_in == 1);
    n_dropped(VNETENC_DROP_rx_rate);
    for (int i = 0; i < 3; i++) {
        unit_now_ms += 16;
        CHECK(!vnetenc_incoming_hello(&path, c->port, c->last->data,
                                      c->last->size, unit_now_ms,
                                      unit_now_ms));
        CHECK(c->n_in == 1);
    }
    CHECK(n_dropped(VNETENC_DROP_rx_rate) == 3);

    /* Later the answer may be lost. */
    unit_now_ms += 2;
    CHECK(!vnetenc_incoming_hello(&path, c->port, c->last->data,
                                  c->last->size, unit_now_ms, unit_now_ms));
    CHECK(c->n_in > 1);
    CHECK(n_dropped(VNETENC_DROP_rx_rate) == 0);
    CHECK(rx_of(client_finish(c)));
    end();
}

/* A host with more ClientHellos than it can answer leaves out those whose
 * clients have repeated them meanwhile. */
static void
test_hello_late(void)
{
    const struct vnetenc_path_key path = path_to_b(0);
    struct client *c;
    struct ofpbuf *b;

    begin();
    c = client_begin(0);
    client_send(c);
    CHECK(client_read(c) == 1);
    b = vnetenc_handshake_pop_output(c->h);
    n_dropped(VNETENC_DROP_ctl_hello_late);
    CHECK(!vnetenc_incoming_hello(&path, c->port, b->data, b->size,
                                  unit_now_ms - VNETENC_HELLO_WAIT_MS,
                                  unit_now_ms));
    CHECK(n_dropped(VNETENC_DROP_ctl_hello_late) == 1);
    CHECK(!c->n_in);
    CHECK(vnetenc_incoming_hello(&path, c->port, b->data, b->size,
                                 unit_now_ms - VNETENC_HELLO_WAIT_MS + 1,
                                 unit_now_ms));
    CHECK(n_dropped(VNETENC_DROP_ctl_hello_late) == 0);
    ofpbuf_delete(b);
    CHECK(rx_of(client_finish(c)));
    end();
}

/* The first change is passed on at once, further ones together. */
static void
test_announce(void)
{
    const struct seq *seq = connectivity_seq_get();
    uint64_t before;

    begin();
    unit_now_ms += VNETENC_ANNOUNCE_MS;
    vnetenc_announce_run(unit_now_ms);
    unit_now_ms += VNETENC_ANNOUNCE_MS;
    before = seq_read(seq);
    CHECK(vnetenc_announce_run(unit_now_ms) == LLONG_MAX);
    CHECK(seq_read(seq) == before);

    client_finish(client_half_open(0));
    CHECK(seq_read(seq) == before);
    CHECK(vnetenc_announce_run(unit_now_ms) == LLONG_MAX);
    CHECK(seq_read(seq) != before);

    before = seq_read(seq);
    client_finish(client_half_open(1));
    client_finish(client_half_open(2));
    CHECK(vnetenc_announce_run(unit_now_ms + 1)
          == unit_now_ms + VNETENC_ANNOUNCE_MS);
    CHECK(seq_read(seq) == before);
    CHECK(vnetenc_announce_run(unit_now_ms + VNETENC_ANNOUNCE_MS)
          == LLONG_MAX);
    CHECK(seq_read(seq) != before);
    before = seq_read(seq);
    CHECK(vnetenc_announce_run(unit_now_ms + 2 * VNETENC_ANNOUNCE_MS)
          == LLONG_MAX);
    CHECK(seq_read(seq) == before);
    end();
}

/* Whoever sees a cookie can begin anew on the port of a half-open handshake,
 * and must not end it by that while it is young. */
static void
test_half_open_again(void)
{
    struct client *c, other;

    begin();
    c = client_half_open(0);
    n_dropped(VNETENC_DROP_ctl_half_open);

    /* Somebody else there. */
    other = *c;
    memset(c, 0, sizeof *c);
    client_begin(0);
    client_send(c);
    CHECK(client_read(c) == 1);
    client_send(c);
    CHECK(!c->n_in);
    CHECK(n_dropped(VNETENC_DROP_ctl_half_open) == 1);
    CHECK(count("handshaking") == 1);
    vnetenc_handshake_destroy(c->h);
    ofpbuf_delete(c->last);
    *c = other;
    client_finish(c);
    CHECK(rx_of(c));
    CHECK(!remote_a()->n_half_open);

    /* An old one is replaced, not added to. */
    client_half_open(1);
    unit_now_ms += STUCK_MS - 1;
    CHECK(!client_half_open(1)->n_in);
    unit_now_ms++;
    CHECK(client_half_open(1)->n_in == 1);
    CHECK(count("handshaking") == 1);
    client_finish(&clients[1]);
    CHECK(rx_of(&clients[1]));
    CHECK(!remote_a()->n_half_open);
    end();
}

static void
test_half_open_and_row_removed(void)
{
    begin();
    client_half_open(0);
    client_up(1);
    unit_rows[0] = unit_rows[1];
    unit_control_configure(1);
    CHECK(!remote_a());
    CHECK(!rx_of(&clients[1]));
    n_dropped(VNETENC_DROP_ctl_unexpected);
    client_read(&clients[0]);
    client_send(&clients[0]);
    CHECK(n_dropped(VNETENC_DROP_ctl_unexpected) > 0);
    CHECK(!rx_of(&clients[0]));
    unit_control_run(1000);
    end();
}

/* The pins are asked again while the handshake runs. */
static void
test_half_open_and_pins_changed(void)
{
    struct client *c;

    begin();
    c = client_half_open(0);
    unit_rows[0].pins[0][5] ^= 1;
    unit_control_configure(UNIT_ROWS);
    client_read(c);
    client_send(c);
    CHECK(!rx_of(c));
    CHECK(remote_a()->n_failures == 1);
    CHECK_HAS(remote_a()->errors[VNETENC_IN], "not among the peer's");
    CHECK(!count("handshaking"));
    end();
}

/* Who brings good cookies at a higher rate than a peer may is turned away, but
 * a hello without one is answered all the same. */
static void
test_hello_rate(void)
{
    struct client *c;

    begin();
    n_dropped(VNETENC_DROP_ctl_hello_rate);
    for (unsigned int i = 0; i < VNETENC_SOURCE_BURST; i++) {
        client_up(i);
    }
    CHECK(n_dropped(VNETENC_DROP_ctl_hello_rate) == 0);
    c = client_half_open(VNETENC_SOURCE_BURST);
    CHECK(!c->n_in);
    CHECK(n_dropped(VNETENC_DROP_ctl_hello_rate) == 1);
    client_send(client_begin(VNETENC_SOURCE_BURST + 1));
    CHECK(clients[VNETENC_SOURCE_BURST + 1].n_in == 1);

    unit_now_ms += HELLO_MS;
    to_b(c, c->last->data, c->last->size);
    CHECK(n_dropped(VNETENC_DROP_ctl_hello_rate) == 0);
    client_finish(c);
    CHECK(rx_of(c));
    end();
}

/* Up. */

static void
test_session_limit(void)
{
    struct vnetenc_rx *rx;

    begin();
    for (unsigned int i = 0; i < 64; i++) {
        client_up(i);
        unit_now_ms += HELLO_MS;
    }
    CHECK(count("up") == 64);

    /* Client 0, the oldest, speaks: client 1 is the one idle longest. */
    client_probe(&clients[0], VNETENC_FIRST_SEQ, 1);
    rx = rx_of(&clients[0]);
    client_up(64);
    CHECK(count("up") == 64);
    CHECK(rx && rx_of(&clients[0]) == rx);
    CHECK(!rx_of(&clients[1]));
    CHECK(rx_of(&clients[2]));
    CHECK(rx_of(&clients[64]));
    for (unsigned int i = 65; i < N_CLIENTS; i++) {
        unit_now_ms += HELLO_MS;
        client_up(i);
        CHECK(rx_of(&clients[i]));
        CHECK(!rx_of(&clients[i - 63]));
    }
    CHECK(count("up") == 64);
    end();
}

/* RFC 6347 section 4.2.8: a client that starts anew on the port of a live
 * session.  That one works until the new one has proved itself, then is gone
 * in the same step. */
static void
test_same_port(void)
{
    const struct vnetenc_path_key path = path_to_b(0);
    struct vnetenc_keys old_keys;
    struct vnetenc_rx *old;
    struct client *c;

    begin();
    c = client_up(0);
    client_probe(c, VNETENC_FIRST_SEQ, 1);
    CHECK(c->n_in == 1);
    old = rx_of(c);
    old_keys = c->keys;
    client_half_open(0);
    CHECK(rx_of(c) == old);
    CHECK(count("up") == 1 && count("handshaking") == 1);

    /* The old one still answers. */
    {
        struct ofpbuf *flight = c->in[0];

        c->n_in = 0;
        c->keys = old_keys;
        client_probe(c, VNETENC_FIRST_SEQ + 1, 2);
        CHECK(c->n_in == 1);
        client_forget_input(c);
        c->in[c->n_in++] = flight;
    }

    client_finish(c);
    CHECK(rx_of(c) && rx_of(c) != old);
    CHECK(count("up") == 1 && !count("handshaking"));

    /* A probe on the old one that is only now seen says nothing of the new
     * one, whose key is libssl's until its first record. */
    vnetenc_incoming_probe(&path, c->port, 4, unit_now_ms);
    CHECK(!c->n_in);
    client_probe(c, VNETENC_FIRST_SEQ, 3);
    CHECK(c->n_in == 1);
    end();
}

/* A session that is up since this moment, with four repetitions of the
 * client's last flight to come. */
static struct client *
client_up_with_repeats(unsigned int i, struct flight repeats[4])
{
    struct client *c = client_half_open(i);
    struct ofpbuf *flight;

    client_read(c);
    flight = vnetenc_handshake_pop_output(c->h);
    for (int r = 0; r < 4; r++) {
        client_repeat(c, &repeats[r]);
    }
    to_b(c, flight->data, flight->size);
    ofpbuf_delete(flight);
    client_done(c);
    return c;
}

/* One owner per write key: until the client's first record B's libssl repeats
 * the last flight; from then on our code answers, and libssl is gone. */
static void
test_reply_key(void)
{
    uint8_t message[VNETENC_MESSAGE_BYTES], plain[100];
    struct flight repeats[4];
    struct client *c;

    begin();
    c = client_up_with_repeats(0, repeats);
    CHECK(is_answered(c, &repeats[0]));
    CHECK(is_answered(c, &repeats[1]));
    client_probe(c, VNETENC_FIRST_SEQ, 4711);
    CHECK(c->n_in == 1);
    vnetenc_message_build(VNETENC_MESSAGE_REPLY, 4711, message);
    CHECK(unit_open(&c->keys, false, c->in[0]->data, c->in[0]->size, plain)
          == sizeof message);
    CHECK(!memcmp(plain, message, sizeof message));
    CHECK(!is_answered(c, &repeats[2]));
    CHECK(!is_answered(c, &repeats[3]));
    client_probe(c, VNETENC_FIRST_SEQ + 1, 4712);
    CHECK(c->n_in == 1);
    end();
}

/* A record that is no probe has the same effect, at the next tick; so have 15
 * s without any. */
static void
test_release(void)
{
    static const uint8_t payload[40] = { 0, 0, 0x65, 0x58, 1 };
    struct flight repeats[4];
    uint8_t record[200];
    struct client *c;
    size_t n;

    begin();
    c = client_up_with_repeats(0, repeats);
    n = unit_seal(&c->keys, true, VNETENC_FIRST_SEQ, payload, sizeof payload,
                  record);
    CHECK(unit_control_pop(c->port, record, n));
    CHECK(is_answered(c, &repeats[0]));
    unit_control_run(TICK_MS);
    for (int i = 1; i < 4; i++) {
        CHECK(!is_answered(c, &repeats[i]));
    }

    c = client_up_with_repeats(1, repeats);
    CHECK(is_answered(c, &repeats[0]));
    unit_control_run(14999 - TICK_MS);
    CHECK(is_answered(c, &repeats[1]));
    unit_control_run(2 * TICK_MS);
    CHECK(!is_answered(c, &repeats[2]));
    CHECK(!is_answered(c, &repeats[3]));
    CHECK(rx_of(c));
    end();
}

/* Nothing unauthenticated ends a session, or a handshake. */
static void
test_forgeries(void)
{
    static const uint8_t clear_close[] = {
        21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0,
    };
    uint8_t sealed[100];
    struct client *c;
    size_t n;

    begin();
    c = client_half_open(0);
    to_b(c, clear_close, sizeof clear_close);
    to_b(c, vnetenc_message_hint, sizeof vnetenc_message_hint);
    client_finish(c);
    CHECK(rx_of(c));

    /* In clear, sealed with a wrong key, a repetition. */
    n = unit_seal(&c->keys, true, VNETENC_FIRST_SEQ + 5,
                  vnetenc_message_close_notify,
                  sizeof vnetenc_message_close_notify, sealed);
    sealed[0] = VNETENC_RECORD_ALERT;   /* So its tag is wrong. */
    to_b(c, clear_close, sizeof clear_close);
    to_b(c, vnetenc_message_hint, sizeof vnetenc_message_hint);
    to_b(c, sealed, n);
    to_b(c, c->last->data, c->last->size);
    for (int bit = 0; bit < 64; bit++) {
        sealed[n - 1 - bit / 8] ^= 1 << bit % 8;
        to_b(c, sealed, n);
    }
    unit_control_run(5000);
    CHECK(rx_of(c));
    CHECK(count("up") == 1);
    end();
}

/* Who may be told that its session is not known. */
static void
test_unknown(void)
{
    const struct vnetenc_path_key path = path_to_b(0);
    struct vnetenc_path_key stranger = path;
    struct client *c;

    begin();
    c = &clients[0];
    c->port = htons(FIRST_PORT);
    vnetenc_incoming_unknown(&path, c->port);
    CHECK(c->n_in == 1);
    CHECK(c->in[0]->size == 15
          && !memcmp(c->in[0]->data, vnetenc_message_hint, 15));
    client_forget_input(c);

    /* Not who has no row, and not on a session that came up meanwhile. */
    in6_addr_set_mapped_ipv4(&stranger.remote, htonl(0x7f000003));
    vnetenc_incoming_unknown(&stranger, c->port);
    CHECK(!unit_control_flow(&unit_b, htons(UNIT_DTLS_PORT),
                             &stranger.remote, c->port)->n_hints);
    client_up(0);
    vnetenc_incoming_unknown(&path, c->port);
    CHECK(!c->n_in);
    end();
}

/* What is no beginning of anything. */
static void
test_unexpected(void)
{
    static const uint8_t ccs[] = {
        20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 1,
    };
    struct vnetenc_path_key stranger = path_to_b(0);
    struct client *c;
    uint8_t *p;

    begin();
    c = client_begin(0);
    n_dropped(VNETENC_DROP_ctl_unexpected);
    to_b(c, ccs, sizeof ccs);
    to_b(c, vnetenc_message_hint, sizeof vnetenc_message_hint);
    CHECK(n_dropped(VNETENC_DROP_ctl_unexpected) == 2);
    client_send(c);
    client_forget_input(c);
    CHECK(n_dropped(VNETENC_DROP_ctl_unexpected) == 0);

    /* From an address without a row. */
    in6_addr_set_mapped_ipv4(&stranger.remote, htonl(0x7f000003));
    vnetenc_incoming_input(&stranger, c->port, c->last->data, c->last->size,
                           unit_now_ms);
    CHECK(n_dropped(VNETENC_DROP_ctl_unexpected) == 1);

    /* A hello in pieces. */
    n_dropped(VNETENC_DROP_ctl_hello_fragment);
    p = c->last->data;
    p[12] -= 20;
    p[13 + 11] -= 20;
    to_b(c, p, c->last->size - 20);
    CHECK(n_dropped(VNETENC_DROP_ctl_hello_fragment) == 1);
    CHECK(!c->n_in);
    CHECK(!count("handshaking"));
    end();
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    unit_loopback_init();
    unit_control_init();

    test_no_state();
    test_half_open_limit();
    test_slow_client();
    test_half_open_deadline();
    test_error_of_twin();
    test_error_of_late_handshake();
    test_half_open_deadlines();
    test_hello_repeated();
    test_hello_late();
    test_announce();
    test_half_open_again();
    test_half_open_and_row_removed();
    test_half_open_and_pins_changed();
    test_hello_rate();
    test_session_limit();
    test_same_port();
    test_reply_key();
    test_release();
    test_forgeries();
    test_unknown();
    test_unexpected();

    pki_cleanup();
    return unit_end();
}
