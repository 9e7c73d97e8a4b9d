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

/* Plays many peers of one hypervisor, for tests/bench/scale.py.
 *
 *     bench-peers FOLDER HYPERVISOR FINGERPRINT FIRST N
 *
 * The peers are independent of each other: each has one of the N IPv4
 * addresses from FIRST on, sessions of its own both ways, and timers of its
 * own.  They share a self-made certificate, which is kept in FOLDER and whose
 * fingerprint is the first line of the output, and they trust the certificate
 * FINGERPRINT of the HYPERVISOR.  The addresses must be local to the network
 * namespace; a local route is enough.
 *
 * Peers answer from the start.  When standard input has a line, each of them
 * begins a session to the hypervisor, all at the same time, and begins again,
 * as a hypervisor would, until the session is up.  A session is up when a
 * record has shown that the other side has its keys as well.  Whenever one of
 * the numbers has changed, there is a line of output:
 *
 *     MS BEGUN ANSWERED HANDSHAKES FAILURES
 *
 * They are the milliseconds since the line of input, the peers whose own
 * session is up, the peers with a session of the hypervisor's that is up, the
 * handshakes that have ended well, and those that have failed.  The program
 * ends at the end of its input. */

#include <config.h>
#undef NDEBUG
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "openvswitch/list.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "random.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/message.h"
#include "vnetenc/bridge/path.h"
#include "vnetenc/bridge/rtt.h"
#include "vnetenc/bridge/rx.h"
#include "vnetenc/bridge/tx.h"
#include "vnetenc/control/handshake.h"
#include "vnetenc/control/hello.h"
#include "vnetenc/control/keys.h"
#include "vnetenc/control/listener.h"
#include "vnetenc/control/probe.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc/packet/open.h"
#include "vnetenc/packet/seal.h"
#include "vnetenc/trust/cert.h"
#include "vnetenc/trust/cred.h"
#include "vnetenc/trust/trust.h"

enum {
    MAX_PEERS = 4094,
    LANE_SOCKETS = 16,          /* Attempts of a peer take turns. */
    SOCKETS = 1 + LANE_SOCKETS, /* The first one has the DTLS port. */
    BUFFER_BYTES = 64 << 20,
    BURST = 64,                 /* Datagrams of one socket. */
    TICK_MS = 10,
    REPORT_MS = 50,
};

/* A session or a handshake.  If it is 'ours', 'port' is our lane port,
 * otherwise the hypervisor's. */
struct session {
    struct ovs_list node;       /* In 'peer->sessions'; newest last. */
    struct peer *peer;
    bool ours;
    ovs_be16 port;
    int fd;
    struct vnetenc_handshake *handshake;    /* NULL: gone. */
    struct vnetenc_tx *tx;      /* NULL: no keys yet. */
    struct vnetenc_rx *rx;      /* Likewise. */
    struct vnetenc_probe probe;
    long long int heard_at;     /* 0: not heard. */
    bool up;
};

struct peer {
    struct in6_addr ip;
    struct vnetenc_lookup lookup;
    struct vnetenc_listener *listener;
    struct vnetenc_rtt rtt;     /* Of the hypervisor. */
    struct ovs_list sessions;
    unsigned int n_attempts;
    unsigned int backoff_ms;
    long long int next_try;     /* LLONG_MAX: answers only. */
};

struct local {
    int fd;
    ovs_be16 port;
};

static struct peer peers[MAX_PEERS];
static unsigned int n_peers;
static struct local locals[SOCKETS];
static struct in6_addr hypervisor;
static uint8_t pins[1][VNETENC_FINGERPRINT_BYTES];
static struct vnetenc_trust trust;
static struct vnetenc_cred *cred;
static long long int now;

static unsigned int n_begun, n_answered, n_handshakes, n_failures;

static struct vnetenc_cred *
lookup_cred(void *aux OVS_UNUSED, uint8_t profile)
{
    return profile ? NULL : cred;
}

static const struct vnetenc_trust *
lookup_trust(void *aux OVS_UNUSED, const struct in6_addr *ip)
{
    return ipv6_addr_equals(ip, &hypervisor) ? &trust : NULL;
}

static unsigned int
lookup_timer_ms(void *peer_, const struct in6_addr *ip OVS_UNUSED)
{
    const struct peer *peer = peer_;

    return vnetenc_rtt_timeout(&peer->rtt, VNETENC_HANDSHAKE_TIMER_MS);
}

/* Sockets. */

static struct local
open_local(uint16_t port)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_port = htons(port),
    };
    socklen_t size = sizeof sin;
    int bytes = BUFFER_BYTES;
    int yes = 1;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *) &sin, sizeof sin)
        || getsockname(fd, (struct sockaddr *) &sin, &size)
        || setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &yes, sizeof yes)
        || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes)
        || set_nonblocking(fd)) {
        ovs_fatal(errno, "UDP port %"PRIu16, port);
    }
    return (struct local) { .fd = fd, .port = sin.sin_port };
}

union control {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
};

static void
send_from(int fd, const struct peer *peer, ovs_be16 to_port,
          const void *data, size_t size)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET,
        .sin_port = to_port,
        .sin_addr.s_addr = in6_addr_get_mapped_ipv4(&hypervisor),
    };
    struct in_pktinfo info = {
        .ipi_spec_dst.s_addr = in6_addr_get_mapped_ipv4(&peer->ip),
    };
    struct iovec iov = { .iov_base = CONST_CAST(void *, data),
                         .iov_len = size };
    union control control = { .align = {
        .cmsg_level = IPPROTO_IP,
        .cmsg_type = IP_PKTINFO,
        .cmsg_len = CMSG_LEN(sizeof info),
    } };
    struct msghdr msg = {
        .msg_name = &sin, .msg_namelen = sizeof sin,
        .msg_iov = &iov, .msg_iovlen = 1,
        .msg_control = &control, .msg_controllen = sizeof control,
    };

    memcpy(CMSG_DATA(&control.align), &info, sizeof info);
    /* What the kernel does not take is lost, as on a wire. */
    (void) !sendmsg(fd, &msg, 0);
}

/* Receives a datagram of the hypervisor's.  Returns its size, 0 if it is not
 * for a peer, or -1 if there is none. */
static ssize_t
receive(int fd, uint8_t *data, size_t size, struct peer **peer,
        ovs_be16 *from_port)
{
    struct sockaddr_in sin;
    struct iovec iov = { .iov_base = data, .iov_len = size };
    union control control;
    struct msghdr msg = {
        .msg_name = &sin, .msg_namelen = sizeof sin,
        .msg_iov = &iov, .msg_iovlen = 1,
        .msg_control = &control, .msg_controllen = sizeof control,
    };
    ssize_t n = recvmsg(fd, &msg, 0);
    struct in_pktinfo info;
    uint32_t index;

    if (n < 0) {
        return -1;
    }
    ovs_assert(CMSG_FIRSTHDR(&msg));
    memcpy(&info, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof info);
    index = (ntohl(info.ipi_addr.s_addr)
             - ntohl(in6_addr_get_mapped_ipv4(&peers[0].ip)));
    if (index >= n_peers
        || sin.sin_addr.s_addr != in6_addr_get_mapped_ipv4(&hypervisor)) {
        return 0;
    }
    *peer = &peers[index];
    *from_port = sin.sin_port;
    return n;
}

/* Sessions. */

static struct session *
session_find(const struct peer *peer, bool ours, ovs_be16 port)
{
    struct session *s;

    LIST_FOR_EACH (s, node, &peer->sessions) {
        if (s->ours == ours && s->port == port) {
            return s;
        }
    }
    return NULL;
}

/* Takes ownership of 'handshake'. */
static struct session *
session_create(struct peer *peer, bool ours, ovs_be16 port, int fd,
               struct vnetenc_handshake *handshake)
{
    struct session *s = xzalloc(sizeof *s);

    s->peer = peer;
    s->ours = ours;
    s->port = port;
    s->fd = fd;
    s->handshake = handshake;
    ovs_list_push_back(&peer->sessions, &s->node);
    return s;
}

static unsigned int
peer_n_up(const struct peer *peer, bool ours)
{
    const struct session *s;
    unsigned int n = 0;

    LIST_FOR_EACH (s, node, &peer->sessions) {
        n += s->ours == ours && s->up;
    }
    return n;
}

/* The numbers of peers count a peer once, however many sessions it has. */
static void
session_set_up(struct session *s, bool up)
{
    if (s->up != up) {
        unsigned int *n = s->ours ? &n_begun : &n_answered;
        unsigned int before = peer_n_up(s->peer, s->ours);

        s->up = up;
        *n += !!peer_n_up(s->peer, s->ours) - !!before;
    }
}

static void
session_destroy(struct session *s)
{
    session_set_up(s, false);
    ovs_list_remove(&s->node);
    vnetenc_handshake_destroy(s->handshake);
    vnetenc_tx_destroy(s->tx);
    vnetenc_rx_destroy(s->rx);
    free(s);
}

static void
session_send(const struct session *s, const void *data, size_t size)
{
    send_from(s->fd, s->peer, s->ours ? htons(VNETENC_GENEVE_PORT) : s->port,
              data, size);
}

static void
session_flush(struct session *s)
{
    struct ofpbuf *b;

    while ((b = vnetenc_handshake_pop_output(s->handshake))) {
        session_send(s, b->data, b->size);
        ofpbuf_delete(b);
    }
}

static void
session_send_message(struct session *s, enum vnetenc_message_type type,
                     uint64_t echo)
{
    uint8_t message[VNETENC_MESSAGE_BYTES];
    uint8_t record[VNETENC_MAX_HEAD_BYTES + sizeof message
                   + VNETENC_TAG_BYTES];
    size_t n;

    vnetenc_message_build(type, echo, message);
    n = vnetenc_seal_record(s->tx, VNETENC_RECORD_DATA, message,
                            sizeof message, record, sizeof record);
    session_send(s, record, n);
}

static uint64_t
session_n_records(const struct session *s)
{
    uint64_t n_records, n_bytes;

    vnetenc_tx_sum(s->tx, &n_records, &n_bytes);
    return n_records;
}

static void
session_probe(struct session *s)
{
    session_send_message(s, VNETENC_MESSAGE_PROBE, s->probe.echo);
    vnetenc_probe_sent(&s->probe, session_n_records(s), now);
}

/* The initiator is the client. */
static void
session_take_keys(struct session *s)
{
    const struct vnetenc_rtt *rtt = vnetenc_handshake_rtt(s->handshake);
    const struct vnetenc_path_key path = {
        .local = s->peer->ip,
        .remote = hypervisor,
        .dtls_port = htons(VNETENC_GENEVE_PORT),
    };
    struct vnetenc_record_key key;
    struct vnetenc_keys keys;

    vnetenc_handshake_take_keys(s->handshake, &keys);
    key = vnetenc_keys_get(&keys, s->ours);
    s->tx = vnetenc_tx_create(&key, s->port, VNETENC_MAX_SEQ,
                              VNETENC_REKEY_BYTES);
    key = vnetenc_keys_get(&keys, !s->ours);
    s->rx = vnetenc_rx_create(&key, &path, s->port);
    vnetenc_record_key_wipe(&key);
    vnetenc_keys_wipe(&keys);
    ovs_assert(s->tx && s->rx);
    if (rtt->known) {
        vnetenc_rtt_guess(&s->peer->rtt, rtt->smoothed_us / 1000);
    }
}

/* Sessions that a peer begins. */

/* Ends a session that another one replaces. */
static void
session_close(struct session *s)
{
    uint8_t record[VNETENC_MAX_HEAD_BYTES + VNETENC_ALERT_BYTES
                   + VNETENC_TAG_BYTES];

    if (s->tx) {
        size_t n = vnetenc_seal_record(s->tx, VNETENC_RECORD_ALERT,
                                       vnetenc_message_close_notify,
                                       VNETENC_ALERT_BYTES, record,
                                       sizeof record);

        session_send(s, record, n);
    }
    session_destroy(s);
}

static void
peer_back_off(struct peer *peer)
{
    peer->backoff_ms = (peer->backoff_ms
                        ? MIN(2 * peer->backoff_ms, VNETENC_RETRY_MAX_MS)
                        : VNETENC_RETRY_MS);
    peer->next_try = (now + peer->backoff_ms * 3 / 4
                      + random_range(peer->backoff_ms / 2 + 1));
}

static void
settle_ours(struct session *s)
{
    struct peer *peer = s->peer;
    struct session *other;

    switch (vnetenc_handshake_state(s->handshake)) {
    case VNETENC_HANDSHAKE_RUNNING:
        session_flush(s);
        break;
    case VNETENC_HANDSHAKE_DONE:
        n_handshakes++;
        session_take_keys(s);
        session_flush(s);
        vnetenc_handshake_destroy(s->handshake);
        s->handshake = NULL;
        peer->backoff_ms = 0;
        LIST_FOR_EACH_SAFE (other, node, &peer->sessions) {
            if (other->ours && other != s) {
                session_close(other);
            }
        }
        /* Guests send at once.  This message shows that the session is up, and
         * is none of the probes that judge it. */
        vnetenc_probe_init(&s->probe, now);
        session_send_message(s, VNETENC_MESSAGE_PROBE, 0);
        break;
    case VNETENC_HANDSHAKE_FAILED:
        n_failures++;
        session_flush(s);
        session_destroy(s);
        peer_back_off(peer);
        break;
    }
}

static void
begin(struct peer *peer)
{
    const struct local *local
        = &locals[1 + peer->n_attempts++ % LANE_SOCKETS];

    settle_ours(session_create(peer, true, local->port, local->fd,
                               vnetenc_handshake_initiate(
                                   &peer->lookup, &hypervisor, 0, now)));
}

/* A hypervisor lets a second attempt run beside one that was answered and then
 * heard nothing. */
static bool
is_doubtful(const struct session *s)
{
    return (vnetenc_handshake_was_refused(s->handshake)
            || (s->heard_at
                && now >= s->heard_at + vnetenc_rtt_timeout(
                    vnetenc_handshake_rtt(s->handshake),
                    VNETENC_STUCK_MS)));
}

static void
run_attempts(struct peer *peer)
{
    struct session *s, *oldest = NULL, *newest = NULL;
    unsigned int n = 0;

    LIST_FOR_EACH (s, node, &peer->sessions) {
        if (s->ours && s->tx && !s->probe.lost) {
            return;
        } else if (s->ours && s->handshake) {
            oldest = n++ ? oldest : s;
            newest = s;
        }
    }
    if (now < peer->next_try || (newest && !is_doubtful(newest))) {
        return;
    }
    if (n >= VNETENC_MAX_ATTEMPTS_LANE) {
        n_failures++;
        session_destroy(oldest);
    }
    if (n) {
        peer_back_off(peer);
    }
    begin(peer);
}

/* Returns true if 's' or others may have ended. */
static bool
run_ours(struct session *s)
{
    if (s->handshake) {
        if (now < vnetenc_handshake_deadline_ms(s->handshake)) {
            return false;
        }
        vnetenc_handshake_tick(s->handshake, now);
        settle_ours(s);
        return true;
    }
    switch (vnetenc_probe_run(&s->probe, session_n_records(s),
                              vnetenc_rtt_timeout(&s->peer->rtt,
                                                  VNETENC_PROBE_TIMEOUT_MS),
                              now)) {
    case VNETENC_PROBE_NOTHING:
        break;
    case VNETENC_PROBE_SEND:
        session_probe(s);
        break;
    case VNETENC_PROBE_LOST:
        n_failures++;           /* Another attempt begins beside it. */
        session_set_up(s, false);
        s->peer->next_try = now;
        break;
    }
    return false;
}

static void
input_ours(struct session *s, uint8_t *data, size_t size)
{
    size_t plain_size;
    uint8_t *plain;
    long long int took;
    uint64_t echo;

    if (s->handshake) {
        s->heard_at = now;
        vnetenc_handshake_input(s->handshake, data, size, now);
        settle_ours(s);
    } else if (vnetenc_message_is_hint(data, size)) {
        vnetenc_probe_hint(&s->probe, now);
    } else if (!vnetenc_open_record(s->rx, data, size, VNETENC_RECORD_DATA,
                                    &plain, &plain_size)
               && vnetenc_message_parse(plain, plain_size,
                                        VNETENC_MESSAGE_REPLY, &echo)) {
        took = vnetenc_probe_reply(&s->probe, echo, now);
        if (took >= 0) {
            vnetenc_rtt_sample(&s->peer->rtt, took);
        }
        session_set_up(s, !s->probe.lost);
    }
}

/* Sessions that the hypervisor begins. */

/* The first record of the hypervisor's shows that it has our last flight. */
static void
input_data(struct session *s, uint8_t *data, size_t size)
{
    size_t plain_size;
    uint8_t *plain;
    uint64_t echo;

    if (vnetenc_open_record(s->rx, data, size, VNETENC_RECORD_DATA, &plain,
                            &plain_size)) {
        return;
    }
    vnetenc_handshake_destroy(s->handshake);
    s->handshake = NULL;
    session_set_up(s, true);
    if (vnetenc_message_parse(plain, plain_size, VNETENC_MESSAGE_PROBE,
                              &echo)) {
        session_send_message(s, VNETENC_MESSAGE_REPLY, echo);
    }
}

static void
settle_theirs(struct session *s)
{
    switch (vnetenc_handshake_state(s->handshake)) {
    case VNETENC_HANDSHAKE_RUNNING:
        break;
    case VNETENC_HANDSHAKE_DONE:
        if (!s->rx) {
            n_handshakes++;
            session_take_keys(s);
            if (s->peer->next_try != LLONG_MAX) {
                s->peer->next_try = now;    /* The hypervisor is there. */
            }
        }
        break;
    case VNETENC_HANDSHAKE_FAILED:
        n_failures++;
        session_flush(s);
        session_destroy(s);
        return;
    }
    session_flush(s);
}

static void
run_theirs(struct session *s)
{
    if (!s->handshake || now < vnetenc_handshake_deadline_ms(s->handshake)) {
        return;
    }
    if (s->rx) {
        session_destroy(s);     /* No record came. */
    } else {
        vnetenc_handshake_tick(s->handshake, now);
        settle_theirs(s);
    }
}

/* Takes a ClientHello that 's', which may be NULL, does not own. */
static void
input_hello(struct peer *peer, struct session *s, ovs_be16 port,
            const uint8_t *data, size_t size)
{
    struct ofpbuf *reply;

    if (vnetenc_listener_input(peer->listener, &hypervisor, port, data, size,
                               now, &reply) == VNETENC_LISTENER_GOOD) {
        if (s) {
            session_destroy(s);
        }
        settle_theirs(session_create(
            peer, false, port, locals[0].fd,
            vnetenc_listener_accept(peer->listener, &hypervisor, port, data,
                                    size, now)));
    } else if (reply) {
        send_from(locals[0].fd, peer, port, reply->data, reply->size);
        ofpbuf_delete(reply);
    }
}

static void
input_theirs(struct peer *peer, ovs_be16 port, uint8_t *data, size_t size)
{
    struct session *s = session_find(peer, false, port);

    if (data[0] == VNETENC_RECORD_DATA) {
        if (s && s->rx) {
            input_data(s, data, size);
        }
    } else if (vnetenc_hello_is(data, size)
               && !(s && s->handshake
                    && vnetenc_handshake_owns_hello(s->handshake, data,
                                                    size))) {
        input_hello(peer, s, port, data, size);
    } else if (s && s->handshake) {
        vnetenc_handshake_input(s->handshake, data, size, now);
        settle_theirs(s);
    }
}

/* Main. */

static void
receive_all(const struct local *local)
{
    uint8_t data[VNETENC_MAX_DATAGRAM_BYTES];
    ovs_be16 from_port;
    struct peer *peer;
    struct session *s;
    ssize_t n;

    for (int i = 0; i < BURST; i++) {
        n = receive(local->fd, data, sizeof data, &peer, &from_port);
        if (n < 0) {
            return;
        } else if (!n) {
            continue;
        } else if (local == &locals[0]) {
            input_theirs(peer, from_port, data, n);
        } else {
            s = session_find(peer, true, local->port);
            if (s) {
                input_ours(s, data, n);
            }
        }
    }
}

static void
run_timers(void)
{
    struct session *s;

    for (struct peer *peer = peers; peer < &peers[n_peers]; peer++) {
        LIST_FOR_EACH_SAFE (s, node, &peer->sessions) {
            if (s->ours && run_ours(s)) {
                break;
            }
        }
        LIST_FOR_EACH_SAFE (s, node, &peer->sessions) {
            if (!s->ours) {
                run_theirs(s);
            }
        }
        run_attempts(peer);
    }
}

static void
report(long long int start)
{
    static unsigned int old[4];
    const unsigned int new[4] = { n_begun, n_answered, n_handshakes,
                                  n_failures };

    if (memcmp(old, new, sizeof new)) {
        memcpy(old, new, sizeof new);
        printf("%lld %u %u %u %u\n", now - start, n_begun, n_answered,
               n_handshakes, n_failures);
        fflush(stdout);
    }
}

/* Reads standard input.  Returns false at its end. */
static bool
take_line(long long int *start)
{
    char line[16];
    ssize_t n = read(STDIN_FILENO, line, sizeof line);

    if (n > 0) {
        *start = now;
        for (unsigned int i = 0; i < n_peers; i++) {
            peers[i].next_try = now;
        }
    }
    return n > 0;
}

static void
run(void)
{
    struct pollfd fds[SOCKETS + 1] = {
        [SOCKETS] = { .fd = STDIN_FILENO, .events = POLLIN },
    };
    long long int start = time_msec();
    long long int next_tick = 0;
    long long int next_report = 0;

    for (int i = 0; i < SOCKETS; i++) {
        fds[i] = (struct pollfd) { .fd = locals[i].fd, .events = POLLIN };
    }
    for (;;) {
        poll(fds, ARRAY_SIZE(fds), TICK_MS);
        now = time_msec();
        if (fds[SOCKETS].revents && !take_line(&start)) {
            return;
        }
        for (int i = 0; i < SOCKETS; i++) {
            if (fds[i].revents) {
                receive_all(&locals[i]);
            }
        }
        if (now >= next_tick) {
            run_timers();
            next_tick = now + TICK_MS;
        }
        if (now >= next_report) {
            report(start);
            next_report = now + REPORT_MS;
        }
    }
}

static void
parse_ipv4(const char *text, struct in6_addr *address)
{
    struct in_addr ip4;

    if (inet_pton(AF_INET, text, &ip4) != 1) {
        ovs_fatal(0, "\"%s\" is not an IPv4 address", text);
    }
    in6_addr_set_mapped_ipv4(address, ip4.s_addr);
}

static void
load_credentials(const char *folder, const char *fingerprint)
{
    const struct vnetenc_cred_config config = { .directory = folder };
    char *error = vnetenc_cert_fingerprint_parse(fingerprint, pins[0]);

    if (!error) {
        error = vnetenc_cred_load(&config, &cred);
    }
    if (error) {
        ovs_fatal(0, "%s", error);
    }
    trust = (struct vnetenc_trust) {
        .remote_ip = hypervisor, .pins = pins, .n_pins = 1,
    };
}

static void
create_peers(const char *first, const char *n)
{
    struct in6_addr ip;

    n_peers = strtoul(n, NULL, 10);
    if (!n_peers || n_peers > MAX_PEERS) {
        ovs_fatal(0, "\"%s\" is not a number from 1 to %d", n, MAX_PEERS);
    }
    parse_ipv4(first, &ip);
    for (unsigned int i = 0; i < n_peers; i++) {
        struct peer *peer = &peers[i];

        in6_addr_set_mapped_ipv4(
            &peer->ip, htonl(ntohl(in6_addr_get_mapped_ipv4(&ip)) + i));
        peer->lookup = (struct vnetenc_lookup) {
            .cred = lookup_cred, .trust = lookup_trust,
            .timer_ms = lookup_timer_ms, .aux = peer,
        };
        peer->listener = vnetenc_listener_create(
            &peer->lookup, &peer->ip, htons(VNETENC_GENEVE_PORT), now);
        ovs_assert(peer->listener);
        ovs_list_init(&peer->sessions);
        peer->next_try = LLONG_MAX;
    }
}

int
main(int argc, char *argv[])
{
    char fingerprint[VNETENC_FINGERPRINT_TEXT_BYTES];

    set_program_name(argv[0]);
    /* The output is for a program. */
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_ERR);
    if (argc != 6) {
        ovs_fatal(0, "usage: %s FOLDER HYPERVISOR FINGERPRINT FIRST N",
                  program_name);
    }
    now = time_msec();
    vnetenc_aead_init(NULL);
    parse_ipv4(argv[2], &hypervisor);
    load_credentials(argv[1], argv[3]);
    create_peers(argv[4], argv[5]);
    for (int i = 0; i < SOCKETS; i++) {
        locals[i] = open_local(i ? 0 : VNETENC_GENEVE_PORT);
    }
    vnetenc_cert_fingerprint_format(vnetenc_cred_fingerprint(cred),
                                    fingerprint);
    puts(fingerprint);
    fflush(stdout);
    run();

    for (unsigned int i = 0; i < n_peers; i++) {
        struct session *s;

        LIST_FOR_EACH_SAFE (s, node, &peers[i].sessions) {
            session_destroy(s);
        }
        vnetenc_listener_destroy(peers[i].listener);
    }
    vnetenc_cred_unref(cred);
    return 0;
}
