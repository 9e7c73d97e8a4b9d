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

/* Packets that are sealed in the output batch of a port. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/packet/seal.h"

#include <stdlib.h>

#include "dp-packet.h"
#include "flow.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "openvswitch/ofpbuf.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "random.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/bridge/inbox.h"
#include "vnetenc/bridge/lanes.h"
#include "vnetenc/bridge/mail.h"
#include "vnetenc/control/release.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc-unit-packets.h"
#include "vnetenc-unit.h"

#define PORT ODP_PORT_C(9)

enum { MTU = 1500 };

static const struct flow flow = { .in_port = { .odp_port = ODP_PORT_C(3) } };
static struct ofpbuf actions;

/* Makes a list of actions with the action vnetenc in 'depth' clones, directly
 * in front of an action of 'type'.  'more' adds an output behind the outermost
 * list.  Returns the argument of the action vnetenc. */
static const struct ovs_action_vnetenc *
make_actions(enum vnetenc_mode mode, unsigned int depth, uint16_t type,
             bool more)
{
    const struct ovs_action_vnetenc action = unit_action(mode);
    size_t ofs[4], at;

    ofpbuf_clear(&actions);
    for (size_t i = 0; i < depth; i++) {
        ofs[i] = nl_msg_start_nested(&actions, OVS_ACTION_ATTR_CLONE);
    }
    at = actions.size;
    nl_msg_put_unspec(&actions, OVS_ACTION_ATTR_VNETENC, &action,
                      sizeof action);
    if (type) {
        nl_msg_put_odp_port(&actions, type, PORT);
    }
    for (size_t i = depth; i > 0; i--) {
        nl_msg_end_nested(&actions, ofs[i - 1]);
    }
    if (more) {
        nl_msg_put_odp_port(&actions, OVS_ACTION_ATTR_OUTPUT, PORT);
    }
    return nl_attr_get(ofpbuf_at_assert(&actions, at, NLA_HDRLEN));
}

static bool
is_deferred(const struct dp_packet *packet)
{
    return (packet->offloads & DP_PACKET_OL_VNETENC) != 0;
}

static bool
is_record(const struct dp_packet *packet)
{
    const struct udp_header *udp = dp_packet_l4(packet);

    return udp->udp_dst == htons(VNETENC_GENEVE_PORT);
}

/* Does what the datapath does with the last two actions of a list for 'packet'
 * alone in its batch: seals or defers it, then adds it to 'output'. */
static void
send_packet(struct dp_packet_batch *output, struct dp_packet *packet,
            const struct ovs_action_vnetenc *action)
{
    struct dp_packet_batch batch;

    dp_packet_batch_init_packet(&batch, packet);
    vnetenc_seal_batch_of_flow(&batch, action, &flow, actions.data,
                               actions.size);
    DP_PACKET_BATCH_FOR_EACH (i, packet, &batch) {
        dp_packet_batch_add(output, packet);
    }
    dp_packet_batch_destroy(&batch);
}

/* Defers 'packet' under 'mode' and adds it to 'output'. */
static void
defer(struct dp_packet_batch *output, struct dp_packet *packet,
      enum vnetenc_mode mode)
{
    send_packet(output, packet,
                make_actions(mode, 0, OVS_ACTION_ATTR_OUTPUT, false));
    ovs_assert(is_deferred(packet) && !is_record(packet));
}

static void
clear(struct dp_packet_batch *batch)
{
    dp_packet_delete_batch(batch, true);
    dp_packet_batch_destroy(batch);
}

/* Stores the number of the record in 'packet' and the size of its plaintext.
 * Returns false if it is no record of lane 'lane' of 's'. */
static bool
open_packet(const struct unit_sessions *s, unsigned int lane,
            const struct dp_packet *packet, uint64_t *seq, size_t *size)
{
    static uint8_t plain[VNETENC_MAX_PLAINTEXT_BYTES];
    struct dp_packet *wire;
    size_t payload_size;
    uint8_t *payload;
    bool ok;

    if (is_deferred(packet) || !is_record(packet)) {
        return false;
    }
    wire = unit_wire(packet);
    payload = unit_payload(wire, &payload_size);
    ok = unit_open_record(&s->keys[lane], payload, payload_size, seq, plain,
                          size);
    dp_packet_delete(wire);
    return ok;
}

/* Who waits. */

/* Returns true if 'n' packets of 'size' bytes of payload are deferred under
 * these conditions.  If they are not, they must be sealed or dropped. */
static bool
defers(const struct ovs_action_vnetenc *action, unsigned int n, size_t size,
       const struct flow *flow_, bool trunc, uint16_t segsz)
{
    struct dp_packet_batch batch;
    struct dp_packet *packet;
    unsigned int n_deferred = 0;

    dp_packet_batch_init(&batch);
    for (unsigned int i = 0; i < n; i++) {
        packet = unit_pushed(size, false);
        dp_packet_set_tso_segsz(packet, segsz);
        dp_packet_batch_add(&batch, packet);
    }
    batch.trunc = trunc;
    vnetenc_seal_batch_of_flow(&batch, action, flow_, actions.data,
                               actions.size);
    DP_PACKET_BATCH_FOR_EACH (i, packet, &batch) {
        n_deferred += is_deferred(packet);
        ovs_assert(is_deferred(packet) != is_record(packet));
    }
    ovs_assert(!n_deferred || n_deferred == n);
    clear(&batch);
    return n_deferred;
}

static void
test_who_waits(void)
{
    const enum ovs_action_attr output = OVS_ACTION_ATTR_OUTPUT;
    const struct ovs_action_vnetenc *action;
    struct unit_sessions s;
    size_t longest;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    action = make_actions(VNETENC_REQUIRE, 0, output, false);
    CHECK(defers(action, 1, 100, &flow, false, 0));
    CHECK(defers(action, VNETENC_DEFER_PACKETS, 100, &flow, false, 0));
    CHECK(!defers(action, VNETENC_DEFER_PACKETS + 1, 100, &flow, false, 0));
    CHECK(!defers(action, 1, 100, NULL, false, 0));
    CHECK(!defers(action, 1, 100, &flow, true, 0));
    CHECK(!defers(action, 1, 100, &flow, false, 50));

    /* Any size, as long as no path has an MTU.  After that, what surely
     * fits. */
    CHECK(defers(action, 1, 9000, &flow, false, 0));
    vnetenc_path_set_mtu(s.published, MTU);
    longest = MTU - IP_HEADER_LEN - UDP_HEADER_LEN - VNETENC_OVERHEAD;
    CHECK(defers(action, 1, longest, &flow, false, 0));
    CHECK(!defers(action, 1, longest + 1, &flow, false, 0));
    vnetenc_path_set_mtu(s.published, 0);
    CHECK(defers(action, 1, longest + 1, &flow, false, 0));

    /* In a clone, if that comes last. */
    action = make_actions(VNETENC_PREFER, 1, output, false);
    CHECK(defers(action, 1, 100, &flow, false, 0));
    action = make_actions(VNETENC_REQUIRE, 3, output, false);
    CHECK(defers(action, 1, 100, &flow, false, 0));
    action = make_actions(VNETENC_REQUIRE, 1, output, true);
    CHECK(!defers(action, 1, 100, &flow, false, 0));
    action = make_actions(VNETENC_REQUIRE, 3, output, true);
    CHECK(!defers(action, 1, 100, &flow, false, 0));

    /* Anything but an output alone. */
    action = make_actions(VNETENC_REQUIRE, 0, output, true);
    CHECK(!defers(action, 1, 100, &flow, false, 0));
    action = make_actions(VNETENC_REQUIRE, 0, OVS_ACTION_ATTR_LB_OUTPUT,
                          false);
    CHECK(!defers(action, 1, 100, &flow, false, 0));
    action = make_actions(VNETENC_REQUIRE, 0, OVS_ACTION_ATTR_RECIRC, false);
    CHECK(!defers(action, 1, 100, &flow, false, 0));
    action = make_actions(VNETENC_REQUIRE, 0, OVS_ACTION_ATTR_METER, false);
    CHECK(!defers(action, 1, 100, &flow, false, 0));
    action = make_actions(VNETENC_REQUIRE, 0, 0, false);
    CHECK(!defers(action, 1, 100, &flow, false, 0));
    action = make_actions(VNETENC_REQUIRE, 1, 0, true);
    CHECK(!defers(action, 1, 100, &flow, false, 0));
    unit_sessions_destroy(&s);
}

/* The output batch. */

/* Puts 'n' packets into an output batch: plain ones, deferred ones, and ones
 * that were sealed at once, in random order. */
static void
test_order(bool ipv6, enum vnetenc_cipher cipher, unsigned int n_lanes,
           unsigned int n)
{
    struct dp_packet **before = xmalloc(n * sizeof *before);
    bool *is_deferred_ = xcalloc(n, sizeof *is_deferred_);
    unsigned int n_wrong = 0, n_deferred = 0;
    uint64_t last[VNETENC_MAX_LANES] = { 0 };
    struct dp_packet_batch output;
    struct dp_packet *packet;
    struct unit_sessions s;

    unit_sessions_create(&s, cipher, ipv6, n_lanes);
    unit_drops_begin();
    dp_packet_batch_init(&output);
    for (unsigned int i = 0; i < n; i++) {
        unsigned int kind = random_range(4);

        packet = unit_pushed(100 + i, ipv6);
        ((struct udp_header *) dp_packet_l4(packet))->udp_src
            = htons(random_range(UINT16_MAX));
        if (!kind) {
            dp_packet_batch_add(&output, packet);
        } else {
            is_deferred_[i] = true;
            n_deferred++;
            defer(&output, packet, VNETENC_REQUIRE);
        }
        before[i] = packet;
    }
    CHECK(vnetenc_seal_output(&output, PORT));
    CHECK(dp_packet_batch_size(&output) == n);

    DP_PACKET_BATCH_FOR_EACH (i, packet, &output) {
        if (!is_deferred_[i]) {
            n_wrong += packet != before[i] || is_record(packet);
        } else {
            const struct udp_header *udp = dp_packet_l4(packet);
            unsigned int lane = ntohs(udp->udp_src) - UNIT_LANE_PORT;
            uint64_t seq = 0;
            size_t size;

            n_wrong += !(lane < n_lanes
                         && open_packet(&s, lane, packet, &seq, &size)
                         && size == 100 + i
                         && seq == MAX(last[lane] + 1, VNETENC_FIRST_SEQ));
            last[MIN(lane, VNETENC_MAX_LANES - 1)] = seq;
        }
    }
    CHECK(n_wrong == 0);
    CHECK(unit_no_drops());
    CHECK(n_deferred > n / 2);
    CHECK(vnetenc_seal_output(&output, PORT));
    clear(&output);
    unit_sessions_destroy(&s);
    free(is_deferred_);
    free(before);
}

/* Puts one deferred packet and 'n' records in an output batch.  Returns the
 * number of records that the receiver drops because they are too late. */
static uint64_t
count_late(const struct unit_sessions *s, unsigned int n)
{
    const struct ovs_action_vnetenc action = unit_action(VNETENC_REQUIRE);
    uint64_t before = vnetenc_drop_total(VNETENC_DROP_rx_window);
    struct dp_packet_batch output, batch;
    struct dp_packet *packet;
    unsigned int n_opened = 0;
    uint64_t n_late;

    dp_packet_batch_init(&output);
    defer(&output, unit_pushed(100, s->ipv6), VNETENC_REQUIRE);
    for (unsigned int i = 0; i < n; i++) {
        dp_packet_batch_init_packet(&batch, unit_pushed(100, s->ipv6));
        vnetenc_seal_batch(&batch, &action);
        ovs_assert(dp_packet_batch_size(&batch) == 1);
        dp_packet_batch_add(&output, batch.packets[0]);
    }
    ovs_assert(vnetenc_seal_output(&output, PORT));
    DP_PACKET_BATCH_FOR_EACH (i, packet, &output) {
        struct dp_packet *wire = unit_wire(packet);

        n_opened += vnetenc_open(wire) != NULL;
        dp_packet_delete(wire);
    }
    clear(&output);
    n_late = vnetenc_drop_total(VNETENC_DROP_rx_window) - before;
    CHECK(n_opened + n_late == n + 1);
    return n_late;
}

/* A deferred packet gets its number when the output batch is sent, and so
 * overtakes all records in that batch.  OPERATING.md names the limit. */
static void
test_overtaking(void)
{
    struct unit_sessions s;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    CHECK(count_late(&s, VNETENC_WINDOW_RECORDS - 1) == 0);
    CHECK(count_late(&s, VNETENC_WINDOW_RECORDS) == 1);
    unit_sessions_destroy(&s);
}

/* Adds a path to 10.0.0.'i' with a session under 'key', if that is nonnull. */
static struct vnetenc_path *
add_peer(unsigned int i, const struct vnetenc_record_key *key)
{
    struct vnetenc_path_key path = unit_path(false, false);
    struct vnetenc_path *published;

    in6_addr_set_mapped_ipv4(&path.remote, htonl(0x0a000000 + i));
    published = vnetenc_path_create(&path, 1);
    if (key) {
        vnetenc_lanes_swap(&published->lanes, 0,
                           vnetenc_tx_create(key, htons(UNIT_LANE_PORT),
                                             VNETENC_MAX_SEQ + 1,
                                             UINT64_MAX));
    }
    return published;
}

static struct dp_packet *
make_packet_to(unsigned int i, size_t size)
{
    struct dp_packet *packet = unit_pushed(size, false);
    struct ip_header *ip = dp_packet_l3(packet);

    put_16aligned_be32(&ip->ip_dst, htonl(0x0a000000 + i));
    return packet;
}

/* Many peers, with keys of their own and with different ciphers.  Each seventh
 * has no session, and each eleventh no path. */
static void
test_many_peers(void)
{
    enum { N = 100 };
    struct vnetenc_path *paths[N] = { NULL };
    struct unit_sessions keys[N];
    unsigned int n_sealed = 0, n_wrong = 0;
    struct dp_packet_batch output;

    for (unsigned int i = 0; i < N; i++) {
        struct vnetenc_record_key *key = &keys[i].keys[0];

        memset(key, 0, sizeof *key);
        key->cipher = i % VNETENC_N_CIPHERS;
        random_bytes(key->key, sizeof key->key);
        random_bytes(key->fixed_iv, sizeof key->fixed_iv);
        if (i % 11) {
            paths[i] = add_peer(i + 1, i % 7 ? key : NULL);
        }
    }
    unit_drops_begin();
    dp_packet_batch_init(&output);
    for (unsigned int i = 0; i < N; i++) {
        defer(&output, make_packet_to(i + 1, 200 + i), VNETENC_REQUIRE);
    }
    CHECK(vnetenc_seal_output(&output, PORT));
    for (unsigned int i = 0; i < N; i++) {
        uint64_t seq;
        size_t size;

        if (i % 11 && i % 7) {
            n_wrong += !(n_sealed < dp_packet_batch_size(&output)
                         && open_packet(&keys[i], 0, output.packets[n_sealed],
                                        &seq, &size)
                         && size == 200 + i && seq == VNETENC_FIRST_SEQ);
            n_sealed++;
        }
    }
    CHECK(n_wrong == 0);
    CHECK(dp_packet_batch_size(&output) == n_sealed);
    clear(&output);
    for (unsigned int i = 0; i < N; i++) {
        if (paths[i]) {
            vnetenc_tx_retire(vnetenc_lanes_swap(&paths[i]->lanes, 0, NULL));
            vnetenc_path_retire(paths[i]);
        }
    }
    ovsrcu_quiesce();
}

/* Without a session nothing leaves, and each packet is counted once. */
static void
test_no_session(void)
{
    struct vnetenc_path_key path = unit_path(false, false);
    struct dp_packet_batch output;
    struct vnetenc_path *published;
    struct vnetenc_gate *gate;
    struct dp_packet *plain;
    uint64_t n;

    unit_drops_begin();
    dp_packet_batch_init(&output);
    for (int i = 0; i < 40; i++) {
        defer(&output, unit_pushed(100, false), VNETENC_REQUIRE);
    }
    CHECK(!vnetenc_seal_output(&output, PORT));
    CHECK(dp_packet_batch_is_empty(&output));
    CHECK(unit_drops_are(VNETENC_DROP_tx_no_peer, 40));

    /* Others are not concerned. */
    unit_drops_begin();
    plain = unit_pushed(100, false);
    defer(&output, unit_pushed(100, false), VNETENC_REQUIRE);
    dp_packet_batch_add(&output, plain);
    defer(&output, unit_pushed(100, false), VNETENC_REQUIRE);
    CHECK(vnetenc_seal_output(&output, PORT));
    CHECK(dp_packet_batch_size(&output) == 1 && output.packets[0] == plain);
    CHECK(unit_drops_are(VNETENC_DROP_tx_no_peer, 2));
    dp_packet_delete_batch(&output, true);

    /* A path that has lost its session, with and without a right to send in
     * clear. */
    published = vnetenc_path_create(&path, 1);
    unit_drops_begin();
    defer(&output, unit_pushed(100, false), VNETENC_REQUIRE);
    CHECK(!vnetenc_seal_output(&output, PORT));
    CHECK(unit_drops_are(VNETENC_DROP_tx_no_session, 1));
    unit_drops_begin();
    defer(&output, unit_pushed(100, false), VNETENC_PREFER);
    CHECK(!vnetenc_seal_output(&output, PORT));
    CHECK(unit_drops_are(VNETENC_DROP_tx_prefer_wait, 1));
    atomic_store_relaxed(&published->clear_at, 0);
    unit_drops_begin();
    defer(&output, unit_pushed(100, false), VNETENC_REQUIRE);
    plain = unit_pushed(100, false);
    defer(&output, plain, VNETENC_PREFER);
    CHECK(vnetenc_seal_output(&output, PORT));
    CHECK(dp_packet_batch_size(&output) == 1 && output.packets[0] == plain
          && !is_deferred(plain) && !is_record(plain));
    dp_packet_delete_batch(&output, true);
    atomic_read_relaxed(&published->n_dropped, &n);
    CHECK(n == 3);
    atomic_read_relaxed(&published->n_clear, &n);
    CHECK(n == 1);
    vnetenc_path_retire(published);

    /* Held for the port, if the peer may get a session. */
    gate = vnetenc_gate_add(&path.remote);
    unit_drops_begin();
    defer(&output, unit_pushed(100, false), VNETENC_REQUIRE);
    CHECK(!vnetenc_seal_output(&output, PORT));
    CHECK(unit_no_drops());
    {
        static struct vnetenc_event event;

        CHECK(vnetenc_inbox_take(VNETENC_INBOX_GUESTS, &event)
              && event.type == VNETENC_EV_HELD);
        vnetenc_release_take(event.echo, 0);
    }
    vnetenc_release_end();
    CHECK(unit_drops_are(VNETENC_DROP_tx_no_session, 1));
    vnetenc_gate_remove(gate);
    dp_packet_batch_destroy(&output);
}

/* All is looked up when the output batch is sent, after any number of grace
 * periods. */
static void
test_changes(void)
{
    struct unit_sessions s, t;
    struct dp_packet_batch output;
    struct dp_packet *copy;
    uint64_t seq;
    size_t size;

    /* Another session. */
    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    unit_drops_begin();
    dp_packet_batch_init(&output);
    defer(&output, unit_pushed(100, false), VNETENC_REQUIRE);
    unit_sessions_destroy(&s);
    unit_sessions_create(&t, VNETENC_CHACHA20_POLY1305, false, 1);
    CHECK(vnetenc_seal_output(&output, PORT));
    CHECK(open_packet(&t, 0, output.packets[0], &seq, &size)
          && seq == VNETENC_FIRST_SEQ && size == 100);
    dp_packet_delete_batch(&output, true);

    /* None any more. */
    defer(&output, unit_pushed(100, false), VNETENC_REQUIRE);
    unit_sessions_destroy(&t);
    CHECK(!vnetenc_seal_output(&output, PORT));
    CHECK(unit_drops_are(VNETENC_DROP_tx_no_peer, 1));

    /* A session where there was none. */
    defer(&output, unit_pushed(100, false), VNETENC_REQUIRE);
    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    CHECK(vnetenc_seal_output(&output, PORT));
    CHECK(open_packet(&s, 0, output.packets[0], &seq, &size));
    dp_packet_delete_batch(&output, true);

    /* A smaller MTU: two records, one behind the other, among others. */
    unit_drops_begin();
    defer(&output, unit_pushed(100, false), VNETENC_REQUIRE);
    defer(&output, unit_pushed(1600, false), VNETENC_REQUIRE);
    defer(&output, unit_pushed(101, false), VNETENC_REQUIRE);
    vnetenc_path_set_mtu(s.published, MTU);
    CHECK(vnetenc_seal_output(&output, PORT));
    if (CHECK(dp_packet_batch_size(&output) == 4)) {
        CHECK(open_packet(&s, 0, output.packets[0], &seq, &size)
              && size == 100);
        CHECK(open_packet(&s, 0, output.packets[1], &seq, &size)
              && size < 1400);
        CHECK(open_packet(&s, 0, output.packets[2], &seq, &size)
              && dp_packet_size(output.packets[2]) == ETH_HEADER_LEN + MTU);
        CHECK(open_packet(&s, 0, output.packets[3], &seq, &size)
              && size == 101);
    }
    CHECK(unit_no_drops());
    vnetenc_path_set_mtu(s.published, 0);
    dp_packet_delete_batch(&output, true);

    /* A copy is as deferred as the packet. */
    defer(&output, unit_pushed(100, false), VNETENC_REQUIRE);
    copy = dp_packet_clone(output.packets[0]);
    CHECK(is_deferred(copy));
    dp_packet_batch_add(&output, copy);
    CHECK(vnetenc_seal_output(&output, PORT));
    for (size_t i = 0; i < 2; i++) {
        CHECK(open_packet(&s, 0, output.packets[i], &seq, &size));
    }
    clear(&output);
    unit_sessions_destroy(&s);
}

/* What the packet itself lacks, and what the key does not admit. */
static void
test_drops(void)
{
    struct dp_packet_batch output;
    struct unit_sessions s;
    struct udp_header *udp;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    dp_packet_batch_init(&output);
    unit_drops_begin();
    defer(&output, unit_pushed(100, false), VNETENC_REQUIRE);
    udp = dp_packet_l4(output.packets[0]);
    udp->udp_len = htons(20);
    CHECK(!vnetenc_seal_output(&output, PORT));
    CHECK(unit_drops_are(VNETENC_DROP_tx_bad_packet, 1));

    unit_drops_begin();
    defer(&output, unit_pushed(100, false), VNETENC_REQUIRE);
    output.packets[0]->l4_ofs = UINT16_MAX;
    CHECK(!vnetenc_seal_output(&output, PORT));
    CHECK(unit_drops_are(VNETENC_DROP_tx_bad_packet, 1));

    unit_drops_begin();
    defer(&output, unit_pushed(VNETENC_MAX_PLAINTEXT_BYTES + 1, false),
          VNETENC_REQUIRE);
    CHECK(!vnetenc_seal_output(&output, PORT));
    CHECK(unit_drops_are(VNETENC_DROP_tx_too_long, 1));

    unit_drops_begin();
    unit_tx_set_seq(s.tx[0], s.tx[0]->end_seq - 1);
    for (int i = 0; i < 3; i++) {
        defer(&output, unit_pushed(100, false), VNETENC_REQUIRE);
    }
    CHECK(vnetenc_seal_output(&output, PORT));
    CHECK(dp_packet_batch_size(&output) == 1);
    CHECK(unit_drops_are(VNETENC_DROP_tx_key_limit, 2));
    CHECK(vnetenc_tx_is_spent(s.tx[0]));
    clear(&output);
    unit_sessions_destroy(&s);
}

/* Messages travel behind a deferred packet, too. */
static void
test_messages(void)
{
    static const uint8_t record[50] = { 0x17 };
    struct vnetenc_mailbox *box;
    struct dp_packet_batch output;
    struct dp_packet *plain;
    struct unit_sessions s;

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    box = &s.published->mailbox;
    dp_packet_batch_init(&output);
    CHECK(!vnetenc_mailbox_put(box, htons(1), htons(2), record,
                               sizeof record));
    defer(&output, unit_pushed(100, false), VNETENC_REQUIRE);
    CHECK(vnetenc_seal_output(&output, PORT));
    dp_packet_delete_batch(&output, true);

    CHECK(vnetenc_mailbox_put(box, htons(1), htons(2), record,
                              sizeof record));
    plain = unit_pushed(100, false);
    defer(&output, unit_pushed(100, false), VNETENC_REQUIRE);
    dp_packet_batch_add(&output, plain);
    CHECK(vnetenc_seal_output(&output, PORT));
    if (CHECK(dp_packet_batch_size(&output) == 3)) {
        const struct udp_header *udp = dp_packet_l4(output.packets[1]);

        CHECK(udp->udp_src == htons(1) && udp->udp_dst == htons(2));
        CHECK(!memcmp(udp + 1, record, sizeof record));
        CHECK(output.packets[2] == plain);
    }
    clear(&output);
    unit_sessions_destroy(&s);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    random_set_seed(1);
    vnetenc_aead_init(NULL);
    vnetenc_inbox_init();
    vnetenc_gates_set_loaded();
    time_msec();
    timeval_stop();
    ofpbuf_init(&actions, 256);

    test_who_waits();
    for (int cipher = 0; cipher < VNETENC_N_CIPHERS; cipher++) {
        test_order(cipher == VNETENC_AES128_GCM, cipher, 1, 100);
    }
    test_order(false, VNETENC_AES256_GCM, VNETENC_MAX_LANES, 300);
    test_order(true, VNETENC_AES256_GCM, 3, VNETENC_BURST);
    test_overtaking();
    test_many_peers();
    test_no_session();
    test_changes();
    test_drops();
    test_messages();
    ofpbuf_uninit(&actions);
    ovsrcu_exit();
    return unit_end();
}
