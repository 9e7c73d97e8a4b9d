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

#include <config.h>
#undef NDEBUG
#include "vnetenc-unit-control.h"

#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hash.h"
#include "openvswitch/list.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/bridge/message.h"
#include "vnetenc/control/incoming.h"
#include "vnetenc/control/judge.h"
#include "vnetenc/control/outgoing.h"
#include "vnetenc/control/post.h"
#include "vnetenc/control/socket.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc/packet/open.h"
#include "vnetenc/packet/seal.h"
#include "vnetenc/trust/cred.h"
#include "vnetenc/trust/profile.h"
#include "vnetenc-unit-net.h"
#include "vnetenc-unit-pki.h"

enum { MAX_FLOWS = 4096, PATIENCE_MS = 5000, MAX_ROUNDS = 10000 };
enum { MAX_PROFILES = 4 };

struct in6_addr unit_a, unit_b;
struct vnetenc_path_key unit_ab;
bool (*unit_control_fate)(const struct unit_wire *);
long long int unit_control_delay_ms;
struct vnetenc_config_peer unit_rows[UNIT_MAX_ROWS];
struct vnetenc_config_profile unit_profile;
size_t unit_n_profiles;

/* Rules. */

static struct unit_flow flows[MAX_FLOWS];
static size_t n_flows;
static unsigned int n_broken;

static void
broken(const struct unit_flow *flow, const char *rule)
{
    n_broken++;
    printf("port %"PRIu16" to %"PRIu16": %s\n", ntohs(flow->from_port),
           ntohs(flow->to_port), rule);
}

unsigned int
unit_control_n_broken(void)
{
    return n_broken;
}

/* A sequence number. */
struct used {
    struct hmap_node node;      /* In 'used' of its flow. */
    uint64_t seq;
};

/* Forgets the numbers: another key follows. */
static void
forget_used(struct unit_flow *flow)
{
    struct used *used;

    HMAP_FOR_EACH_POP (used, node, &flow->used) {
        free(used);
    }
    flow->next_seq = 0;
}

static void
note_used(struct unit_flow *flow, uint64_t seq)
{
    struct used *used;

    HMAP_FOR_EACH_WITH_HASH (used, node, hash_uint64(seq), &flow->used) {
        if (used->seq == seq) {
            broken(flow, "sequence number used twice");
            return;
        }
    }
    used = xmalloc(sizeof *used);
    used->seq = seq;
    hmap_insert(&flow->used, &used->node, hash_uint64(seq));
    flow->next_seq = MAX(flow->next_seq, seq + 1);
}

static struct unit_flow *
flow_get(const struct in6_addr *from, ovs_be16 from_port,
         const struct in6_addr *to, ovs_be16 to_port)
{
    struct unit_flow *flow;

    for (flow = flows; flow < &flows[n_flows]; flow++) {
        if (flow->from_port == from_port && flow->to_port == to_port
            && ipv6_addr_equals(&flow->from, from)
            && ipv6_addr_equals(&flow->to, to)) {
            return flow;
        }
    }
    ovs_assert(n_flows < MAX_FLOWS);
    flow = &flows[n_flows++];
    *flow = (struct unit_flow) {
        .from = *from, .to = *to, .from_port = from_port, .to_port = to_port,
    };
    hmap_init(&flow->used);
    return flow;
}

const struct unit_flow *
unit_control_flow(const struct in6_addr *from, ovs_be16 from_port,
                  const struct in6_addr *to, ovs_be16 to_port)
{
    return flow_get(from, from_port, to, to_port);
}

unsigned int
unit_control_n_hellos(void)
{
    unsigned int n = 0;

    for (size_t i = 0; i < n_flows; i++) {
        n += flows[i].n_hellos;
    }
    return n;
}

unsigned int
unit_control_n_ports_with_hello(void)
{
    unsigned int n = 0;

    for (size_t i = 0; i < n_flows; i++) {
        n += flows[i].n_hellos > 0;
    }
    return n;
}

static bool
is_responder(const struct unit_flow *flow)
{
    return flow->from_port == htons(UNIT_DTLS_PORT);
}

/* A record in clear. */
static void
note_clear(struct unit_flow *flow, const struct vnetenc_record *r,
           const uint8_t *body)
{
    enum { CLIENT_HELLO = 1, SERVER_HELLO = 2 };

    if (r->type == VNETENC_RECORD_ALERT) {
        flow->n_hints++;
    } else if (r->type == VNETENC_RECORD_HANDSHAKE && r->length) {
        if (body[0] == CLIENT_HELLO) {
            flow->n_hellos++;
        }
        if (body[0] == CLIENT_HELLO || body[0] == SERVER_HELLO) {
            flow->rekeying = true;
        }
    }
}

/* A sealed record, by libssl or our code. */
static void
note_sealed(struct unit_flow *flow, const struct vnetenc_record *r)
{
    if (r->seq < VNETENC_FIRST_SEQ) {
        flow->n_last_flights += r->type == VNETENC_RECORD_HANDSHAKE;
        if (flow->rekeying) {       /* The first under another key. */
            flow->rekeying = false;
            forget_used(flow);
        }
        if (flow->next_seq) {
            broken(flow, "libssl writes under a key of ours");
        }
        if (is_responder(flow)
            && !vnetenc_rx_find(&flow->from, flow->from_port, &flow->to,
                                flow->to_port)) {
            broken(flow, "last flight before the session is published");
        }
        return;
    }
    flow->n_data += r->type == VNETENC_RECORD_DATA;
    flow->n_alerts += r->type == VNETENC_RECORD_ALERT;
    note_used(flow, r->seq);
    if (!is_responder(flow)
        && r->seq >= (VNETENC_FIRST_SEQ
                           + 2 * unit_profile.rekey_records)) {
        broken(flow, "more records than the key's hard limit");
    }
}

static void
note(const struct unit_wire *wire)
{
    struct unit_flow *flow = flow_get(&wire->from, wire->from_port,
                                      &wire->to, wire->to_port);
    struct vnetenc_record record;
    const uint8_t *body;
    size_t pos = 0;

    while ((body = vnetenc_record_next(wire->data, wire->size, &pos,
                                       &record))) {
        if (record.epoch) {
            note_sealed(flow, &record);
        } else {
            note_clear(flow, &record, body);
        }
    }
}

bool
unit_control_lose(const struct unit_wire *wire OVS_UNUSED)
{
    return false;
}

/* Notes 'wire' and decides on its fate. */
static bool
passes(const struct unit_wire *wire)
{
    note(wire);
    return !unit_control_fate || unit_control_fate(wire);
}

/* The kernel's sockets. */

static unsigned int n_sent, n_received;
static bool is_open[2][UINT16_MAX + 1];     /* Ports, by host. */

static void
parse_sockaddr(const void *sa, struct in6_addr *address, ovs_be16 *port)
{
    struct sockaddr_in sin;

    memcpy(&sin, sa, sizeof sin);
    ovs_assert(sin.sin_family == AF_INET);
    in6_addr_set_mapped_ipv4(address, sin.sin_addr.s_addr);
    *port = sin.sin_port;
}

static bool *
port_is_open(const struct in6_addr *address, ovs_be16 port)
{
    return &is_open[ipv6_addr_equals(address, &unit_b)][ntohs(port)];
}

/* Datagrams on a slow way. */
struct slow {
    struct ovs_list node;       /* In 'slow', by 'due'. */
    long long int due;
    int fd;                     /* Of its own. */
    struct sockaddr_in to;
    bool counts;                /* Somebody will receive it. */
    size_t size;
    uint8_t data[];
};
static struct ovs_list slow = OVS_LIST_INITIALIZER(&slow);

static void
slow_add(int fd, const void *data, size_t size, const void *to, bool counts)
{
    struct slow *s = xmalloc(sizeof *s + size);

    s->due = unit_now_ms + unit_control_delay_ms;
    s->fd = dup(fd);
    memcpy(&s->to, to, sizeof s->to);
    s->counts = counts;
    s->size = size;
    memcpy(s->data, data, size);
    ovs_list_push_back(&slow, &s->node);
}

/* Sends what is due. */
static void
slow_run(void)
{
    struct slow *s;

    LIST_FOR_EACH_SAFE (s, node, &slow) {
        if (s->due > unit_now_ms) {
            return;
        }
        n_sent += s->counts;
        syscall(SYS_sendto, s->fd, s->data, s->size, 0, &s->to, sizeof s->to);
        close(s->fd);
        ovs_list_remove(&s->node);
        free(s);
    }
}

static long long int
slow_wake(void)
{
    return (ovs_list_is_empty(&slow) ? LLONG_MAX
            : CONTAINER_OF(ovs_list_front(&slow), struct slow, node)->due);
}

static void
slow_end(void)
{
    struct slow *s;

    LIST_FOR_EACH_POP (s, node, &slow) {
        close(s->fd);
        free(s);
    }
}

ssize_t
sendto(int fd, const void *data, size_t size, int flags,
       __CONST_SOCKADDR_ARG to, socklen_t to_size)
{
    struct unit_wire wire = { .data = data, .size = size };
    struct sockaddr_storage from;
    socklen_t from_size = sizeof from, mark_size = sizeof wire.mark;
    const void *to_sa = to.__sockaddr__;

    ovs_assert(!getsockname(fd, (struct sockaddr *) &from, &from_size));
    ovs_assert(!getsockopt(fd, SOL_SOCKET, SO_MARK, &wire.mark, &mark_size));
    parse_sockaddr(&from, &wire.from, &wire.from_port);
    parse_sockaddr(to_sa, &wire.to, &wire.to_port);
    *port_is_open(&wire.from, wire.from_port) = true;
    if (!passes(&wire)) {
        return size;
    }
    if (unit_control_delay_ms) {
        slow_add(fd, data, size, to_sa,
                 *port_is_open(&wire.to, wire.to_port));
        return size;
    }
    n_sent += *port_is_open(&wire.to, wire.to_port);
    return syscall(SYS_sendto, fd, data, size, flags, to_sa, to_size);
}

ssize_t
recvmsg(int fd, struct msghdr *msg, int flags)
{
    ssize_t n = syscall(SYS_recvmsg, fd, msg, flags);

    n_received += n >= 0 && !(flags & MSG_ERRQUEUE);
    return n;
}

/* What the packet path does with a record of type 23.  Returns true if it is
 * delivered. */
static bool
pop_record(const struct vnetenc_path_key *path, ovs_be16 lane_port,
           uint8_t *data, size_t size)
{
    struct vnetenc_gate *gate = vnetenc_gate_find(&path->remote);
    struct vnetenc_rx *rx = vnetenc_rx_find(&path->local, path->dtls_port,
                                            &path->remote, lane_port);
    size_t plain_size;
    uint8_t *plain;
    uint64_t echo;

    if (!rx) {
        if (gate && vnetenc_gate_may_report(gate, unit_now_ms)) {
            vnetenc_incoming_unknown(path, lane_port);
        }
        return false;
    }
    if (vnetenc_open_record(rx, data, size, VNETENC_RECORD_DATA, &plain,
                            &plain_size)) {
        return false;
    }
    if (!vnetenc_message_parse(plain, plain_size, VNETENC_MESSAGE_PROBE,
                               &echo)) {
        return true;
    }
    if (vnetenc_rx_may_reply(rx, unit_now_ms)) {
        vnetenc_incoming_probe(&rx->path, lane_port, echo, unit_now_ms);
    }
    return false;
}

bool
unit_control_pop(ovs_be16 lane_port, const void *data, size_t size)
{
    const struct vnetenc_path_key ba = {
        .local = unit_b,
        .remote = unit_a,
        .dtls_port = htons(UNIT_DTLS_PORT),
    };
    uint8_t *copy = xmemdup(data, size);
    bool delivered = pop_record(&ba, lane_port, copy, size);

    free(copy);
    return delivered;
}

static void
take_datagram(struct vnetenc_socket *sock, struct vnetenc_lease *lease,
              const struct in6_addr *remote, ovs_be16 remote_port,
              uint8_t *data, size_t size, long long int now)
{
    const struct vnetenc_path_key path = {
        .local = *vnetenc_socket_local(sock),
        .remote = *remote,
        .dtls_port = vnetenc_socket_port(sock),
    };

    if (lease) {
        vnetenc_outgoing_input(lease, remote, remote_port, data, size, now);
    } else if (data[0] == VNETENC_RECORD_DATA) {
        pop_record(&path, remote_port, data, size);
    } else {
        vnetenc_incoming_input(&path, remote_port, data, size, now);
    }
}

void
unit_control_exchange(void)
{
    for (int i = 0; n_received < n_sent; i++) {
        ovs_assert(i < PATIENCE_MS);
        if (i) {
            poll(NULL, 0, 1);       /* The kernel takes its time. */
        }
        vnetenc_sockets_run(take_datagram, unit_now_ms);
    }
}

void
unit_control_run(long long int ms)
{
    long long int end = unit_now_ms + ms;
    int rounds = 0;

    for (;;) {
        long long int wake, wake_judge, wake_incoming, wake_post, wake_slow;

        slow_run();
        unit_control_exchange();
        wake_judge = vnetenc_judge_run(unit_now_ms);
        wake = vnetenc_outgoing_run(unit_now_ms);
        wake = MIN(wake, wake_judge);
        wake_incoming = vnetenc_incoming_run(unit_now_ms);
        wake = MIN(wake, wake_incoming);
        wake_post = vnetenc_post_run(unit_now_ms);
        wake = MIN(wake, wake_post);
        wake_slow = slow_wake();
        wake = MIN(wake, wake_slow);
        vnetenc_sockets_close_unused(unit_now_ms);
        ovsrcu_quiesce();
        if (n_received < n_sent || wake <= unit_now_ms) {
            ovs_assert(rounds++ < MAX_ROUNDS);
        } else if (unit_now_ms >= end) {
            return;
        } else {
            unit_now_ms = MIN(wake, end);
            rounds = 0;
        }
    }
}

/* Traffic. */

struct vnetenc_tx *
unit_control_tx(unsigned int lane)
{
    struct vnetenc_path *published = vnetenc_path_find(&unit_ab);

    return (published
            ? ovsrcu_get(struct vnetenc_tx *, &published->lanes.tx[lane])
            : NULL);
}

struct vnetenc_rx *
unit_control_rx(ovs_be16 lane_port)
{
    return vnetenc_rx_find(&unit_b, htons(UNIT_DTLS_PORT), &unit_a,
                           lane_port);
}

unsigned int
unit_control_carry(unsigned int lane, unsigned int n)
{
    static const uint8_t payload[40] = { 0, 0, 0x65, 0x58, 1, 2, 3, 0 };
    struct vnetenc_tx *tx = unit_control_tx(lane);
    unsigned int n_arrived = 0;

    for (unsigned int i = 0; tx && i < n; i++) {
        uint8_t record[VNETENC_MAX_HEAD_BYTES + sizeof payload
                       + VNETENC_TAG_BYTES];
        struct unit_wire wire = {
            .from = unit_a,
            .to = unit_b,
            .from_port = tx->lane_port,
            .to_port = htons(UNIT_DTLS_PORT),
            .data = record,
        };

        wire.size = vnetenc_seal_record(tx, VNETENC_RECORD_DATA, payload,
                                        sizeof payload, record,
                                        sizeof record);
        if (wire.size && passes(&wire)) {
            n_arrived += unit_control_pop(tx->lane_port, record, wire.size);
        }
    }
    return n_arrived;
}

/* Status. */

struct collection {
    enum vnetenc_direction direction;
    const struct in6_addr *remote;
    struct vnetenc_session_status *out;
    size_t n, max;
};

static void
collect(const struct vnetenc_session_status *status, void *c_)
{
    struct collection *c = c_;

    if (status->direction == c->direction
        && ipv6_addr_equals(&status->path->remote, c->remote)) {
        ovs_assert(c->n < c->max);
        c->out[c->n++] = *status;
    }
}

size_t
unit_control_sessions(enum vnetenc_direction direction,
                      const struct in6_addr *remote,
                      struct vnetenc_session_status *out, size_t max)
{
    struct collection c = {
        .direction = direction, .remote = remote, .out = out, .max = max,
    };

    if (direction == VNETENC_OUT) {
        vnetenc_outgoing_for_each(collect, &c, unit_now_ms);
    } else {
        vnetenc_incoming_for_each(collect, &c, unit_now_ms);
    }
    return c.n;
}

/* Configuration. */

static void
remote_ended(struct vnetenc_peer *remote)
{
    vnetenc_outgoing_end(remote, unit_now_ms);
    vnetenc_incoming_end(remote);
}

void
unit_control_configure(size_t n_rows)
{
    struct vnetenc_config_profile profiles[MAX_PROFILES];
    const struct vnetenc_config config = {
        .directory = CONST_CAST(char *, pki_path("own")),
        .peers = unit_rows,
        .n_peers = n_rows,
        .profiles = profiles,
        .n_profiles = unit_n_profiles,
    };
    bool changed;

    ovs_assert(unit_n_profiles <= MAX_PROFILES);
    for (size_t i = 0; i < unit_n_profiles; i++) {
        profiles[i] = unit_profile;
        profiles[i].id = i;
    }
    changed = vnetenc_profiles_configure(&config);
    changed |= vnetenc_peers_configure(&config, remote_ended);
    vnetenc_judge_members(unit_now_ms);
    if (changed) {
        vnetenc_judge(unit_now_ms);
    }
}

/* The one fingerprint, and room for a change of it. */
static uint8_t pins[UNIT_ROWS][1][VNETENC_FINGERPRINT_BYTES];

void
unit_control_init(void)
{
    vnetenc_aead_init(NULL);
    in6_addr_set_mapped_ipv4(&unit_a, htonl(0x7f000001));
    in6_addr_set_mapped_ipv4(&unit_b, htonl(0x7f000002));
    unit_ab.local = unit_a;
    unit_ab.remote = unit_b;
    unit_ab.dtls_port = htons(UNIT_DTLS_PORT);
}

void
unit_control_begin(void)
{
    const struct in6_addr *hosts[UNIT_ROWS] = { &unit_a, &unit_b };
    char *error;

    memset(is_open, 0, sizeof is_open);
    for (size_t i = 0; i < n_flows; i++) {
        forget_used(&flows[i]);
        hmap_destroy(&flows[i].used);
    }
    n_broken = n_flows = n_sent = n_received = 0;
    unit_control_fate = NULL;
    unit_control_delay_ms = 0;
    vnetenc_config_profile_init(&unit_profile, 0);
    unit_profile.has_row = true;
    unit_n_profiles = 1;
    unit_control_configure(0);
    for (size_t i = 0; i < UNIT_ROWS; i++) {
        const struct vnetenc_cred *cred = vnetenc_profile_get(0)->cred;

        memcpy(pins[i], vnetenc_cred_fingerprint(cred), sizeof pins[i]);
        unit_rows[i] = (struct vnetenc_config_peer) {
            .remote = *hosts[i], .pins = pins[i], .n_pins = 1,
        };
        ovs_assert(vnetenc_socket_responder(hosts[i], htons(UNIT_DTLS_PORT),
                                            &error));
        *port_is_open(hosts[i], htons(UNIT_DTLS_PORT)) = true;
    }
    unit_control_configure(UNIT_ROWS);
}

void
unit_control_end(void)
{
    slow_end();
    vnetenc_outgoing_end(NULL, unit_now_ms);
    vnetenc_incoming_end(NULL);
    vnetenc_post_end();
    vnetenc_peers_destroy();
    vnetenc_profiles_destroy();
    vnetenc_sockets_destroy();
    ovsrcu_quiesce();
}
