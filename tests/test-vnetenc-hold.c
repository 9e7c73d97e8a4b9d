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

/* Packets that wait for the first session. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/control/release.h"
#include "vnetenc/packet/hold.h"

#include <stdlib.h>

#include "dp-packet.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "openvswitch/ofpbuf.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/bridge/inbox.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc-unit-packets.h"
#include "vnetenc-unit.h"

static struct ofpbuf actions;
static struct ofpbuf wanted;    /* What is to be done with what was held. */

/* What was sent. */
static unsigned int n_sent, n_plain, n_wrong_actions;
static uint16_t sizes[1024];

static void
note_sent(struct dp_packet *packet, const struct nlattr *rest, size_t rest_len,
          const struct vnetenc_path_key *path OVS_UNUSED,
          enum vnetenc_drop verdict OVS_UNUSED)
{
    const struct udp_header *udp = dp_packet_l4(packet);

    n_plain += udp->udp_dst != htons(VNETENC_GENEVE_PORT);
    n_wrong_actions += (rest_len != wanted.size
                        || memcmp(rest, wanted.data, rest_len));
    sizes[n_sent++ % ARRAY_SIZE(sizes)] = ntohs(udp->udp_len);
    dp_packet_delete(packet);
}

static unsigned int
patience(const struct vnetenc_path_key *path OVS_UNUSED)
{
    return VNETENC_HOLD_MS;
}

static long long int
run(long long int after)
{
    n_sent = n_plain = n_wrong_actions = 0;
    return vnetenc_release_run(note_sent, patience, time_msec() + after);
}

/* What the control thread does with its queue. */
static unsigned int
take_all(void)
{
    static struct vnetenc_event event;
    unsigned int n = 0;

    while (vnetenc_inbox_take(VNETENC_INBOX_GUESTS, &event)) {
        ovs_assert(event.type == VNETENC_EV_HELD);
        vnetenc_release_take(event.echo, time_msec());
        n++;
    }
    while (vnetenc_inbox_take(VNETENC_INBOX_KNOWN, &event)) {
        ovs_assert(event.type == VNETENC_EV_WANT);
    }
    return n;
}

/* A list of actions: the action vnetenc in as many lists of 'type' as 'depth'
 * says, and 'rest' behind it, if that has anything.  Returns its argument. */
static const struct ovs_action_vnetenc *
make_actions_of(enum vnetenc_mode mode, unsigned int depth, uint16_t type,
                const struct ofpbuf *rest)
{
    struct ovs_action_vnetenc action = unit_action(mode);
    size_t ofs[4], branch[4], at;
    bool check = type == OVS_ACTION_ATTR_CHECK_PKT_LEN;

    ofpbuf_clear(&actions);
    nl_msg_put_u32(&actions, OVS_ACTION_ATTR_OUTPUT, 3);
    for (unsigned int i = 0; i < depth; i++) {
        nl_msg_put_u32(&actions, OVS_ACTION_ATTR_OUTPUT, 4);
        ofs[i] = nl_msg_start_nested(&actions, type);
        if (check) {
            nl_msg_put_u16(&actions, OVS_CHECK_PKT_LEN_ATTR_PKT_LEN, 1500);
            branch[i] = nl_msg_start_nested(
                &actions, OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_LESS_EQUAL);
        }
    }
    at = actions.size;
    nl_msg_put_unspec(&actions, OVS_ACTION_ATTR_VNETENC, &action,
                      sizeof action);
    ofpbuf_put(&actions, rest->data, rest->size);
    for (unsigned int i = depth; i > 0; i--) {
        if (check) {
            nl_msg_end_nested(&actions, branch[i - 1]);
        }
        nl_msg_end_nested(&actions, ofs[i - 1]);
        nl_msg_put_u32(&actions, OVS_ACTION_ATTR_OUTPUT, 5);
    }
    return nl_attr_get(ofpbuf_at_assert(&actions, at, NLA_HDRLEN));
}

/* The same with an output as the rest, or none. */
static const struct ovs_action_vnetenc *
make_actions(enum vnetenc_mode mode, unsigned int depth, uint16_t type,
             bool more)
{
    ofpbuf_clear(&wanted);
    if (more) {
        nl_msg_put_u32(&wanted, OVS_ACTION_ATTR_OUTPUT, 7);
    }
    return make_actions_of(mode, depth, type, &wanted);
}

/* Seals 'n' packets of 'size' octets of payload, 'size' + 1 and so on, for
 * which there is no session.  Returns how many of them wait. */
static unsigned int
seal(const struct ovs_action_vnetenc *action, unsigned int n, size_t size,
     bool trunc)
{
    struct dp_packet_batch batch;

    dp_packet_batch_init(&batch);
    for (unsigned int i = 0; i < n; i++) {
        dp_packet_batch_add(&batch, unit_pushed(size + i, false));
    }
    batch.trunc = trunc;
    vnetenc_seal_batch_of_flow(&batch, action, NULL, actions.data,
                               actions.size);
    ovs_assert(dp_packet_batch_is_empty(&batch));
    dp_packet_batch_destroy(&batch);
    return take_all();
}

static void
test_who_waits(void)
{
    struct vnetenc_path_key path = unit_path(false, false);
    const struct ovs_action_vnetenc *action;
    struct vnetenc_gate *gate;

    /* Nobody who could ever get a session. */
    unit_drops_begin();
    action = make_actions(VNETENC_REQUIRE, 0, 0, true);
    CHECK(seal(action, 3, 100, false) == 0);
    CHECK(unit_drops_are(VNETENC_DROP_tx_no_peer, 3));

    gate = vnetenc_gate_add(&path.remote);
    unit_drops_begin();
    action = make_actions(VNETENC_REQUIRE, 0, 0, true);
    CHECK(seal(action, 3, 100, false) == 3);
    action = make_actions(VNETENC_REQUIRE, 1, OVS_ACTION_ATTR_CLONE, true);
    CHECK(seal(action, 2, 100, false) == 2);
    action = make_actions(VNETENC_REQUIRE, 3, OVS_ACTION_ATTR_CLONE, true);
    CHECK(seal(action, 1, 100, false) == 1);
    action = make_actions(VNETENC_REQUIRE, 2, OVS_ACTION_ATTR_CHECK_PKT_LEN,
                          true);
    CHECK(seal(action, 3, 100, false) == 3);
    CHECK(unit_no_drops());

    /* Nothing would come next, or it is not known what. */
    action = make_actions(VNETENC_REQUIRE, 0, 0, false);
    CHECK(seal(action, 1, 100, false) == 0);
    action = make_actions(VNETENC_REQUIRE, 2, OVS_ACTION_ATTR_CLONE, false);
    CHECK(seal(action, 1, 100, false) == 0);
    action = make_actions(VNETENC_REQUIRE, 1, OVS_ACTION_ATTR_SAMPLE, true);
    CHECK(seal(action, 1, 100, false) == 0);
    ofpbuf_clear(&actions);
    CHECK(seal(action, 1, 100, false) == 0);
    action = make_actions(VNETENC_REQUIRE, 0, 0, true);
    CHECK(seal(action, 1, 100, true) == 0);
    CHECK(unit_drops_are(VNETENC_DROP_tx_no_session, 5));

    /* Until their time is over. */
    unit_drops_begin();
    CHECK(run(0) == time_msec() + VNETENC_HOLD_MS);
    CHECK(run(VNETENC_HOLD_MS - 1) == time_msec() + VNETENC_HOLD_MS);
    CHECK(unit_no_drops());
    CHECK(run(VNETENC_HOLD_MS) == LLONG_MAX);
    CHECK(unit_drops_are(VNETENC_DROP_tx_no_session, 9));
    CHECK(n_sent == 0);

    /* Under `prefer` they wait, too, and are not sent in clear. */
    unit_drops_begin();
    action = make_actions(VNETENC_PREFER, 1, OVS_ACTION_ATTR_CLONE, true);
    CHECK(seal(action, 2, 100, false) == 2);
    CHECK(run(VNETENC_HOLD_MS) == LLONG_MAX);
    CHECK(unit_drops_are(VNETENC_DROP_tx_prefer_wait, 2));
    CHECK(n_sent == 0);
    vnetenc_gate_remove(gate);
}

static void
test_bounds(void)
{
    struct vnetenc_path_key path = unit_path(false, false);
    struct vnetenc_gate *gate = vnetenc_gate_add(&path.remote);
    const struct ovs_action_vnetenc *action;
    unsigned int n = 0, n_admitted;

    /* In number, for each peer. */
    unit_drops_begin();
    action = make_actions(VNETENC_REQUIRE, 0, 0, true);
    for (unsigned int i = 0; i < 20; i++) {
        n += seal(action, 10, 100, false);
    }
    CHECK(n == VNETENC_HOLD_BURST);
    CHECK(unit_drops_are(VNETENC_DROP_tx_no_session,
                         200 - VNETENC_HOLD_BURST));
    timeval_warp(500);
    CHECK(seal(action, 100, 100, false) == VNETENC_HOLD_PER_SECOND / 2);
    run(VNETENC_HOLD_MS);
    vnetenc_gate_remove(gate);

    /* In octets, for all: they are free again once the packets are gone. */
    for (int round = 0; round < 2; round++) {
        n = 0;
        for (unsigned int i = 0; i < 5; i++) {
            gate = vnetenc_gate_add(&path.remote);
            for (unsigned int j = 0; j < 4; j++) {
                n += seal(action, 25, 16000, false);
            }
            vnetenc_gate_remove(gate);
        }
        n_admitted = VNETENC_HOLD_BYTES / 16000;
        CHECK(n > n_admitted * 9 / 10 && n <= n_admitted);
        CHECK(run(VNETENC_HOLD_MS) == LLONG_MAX);
    }

    /* The queue may be full. */
    unit_drops_begin();
    gate = vnetenc_gate_add(&path.remote);
    while (vnetenc_inbox_post(VNETENC_INBOX_GUESTS, VNETENC_EV_TOO_LONG, &path,
                              0, 0, NULL, 0)) {
        continue;
    }
    action = make_actions(VNETENC_REQUIRE, 0, 0, true);
    {
        struct dp_packet_batch batch;

        dp_packet_batch_init_packet(&batch, unit_pushed(100, false));
        vnetenc_seal_batch_of_flow(&batch, action, NULL, actions.data,
                                   actions.size);
        dp_packet_batch_destroy(&batch);
    }
    CHECK(unit_drops_are(VNETENC_DROP_tx_no_session, 1));
    vnetenc_release_end();
    vnetenc_gate_remove(gate);
}

/* A session comes: what waited is sealed, in its order. */
static void
test_release(void)
{
    struct vnetenc_path_key path = unit_path(false, false);
    struct vnetenc_gate *gate = vnetenc_gate_add(&path.remote);
    const struct ovs_action_vnetenc *action;
    struct unit_sessions s;
    unsigned int n_wrong = 0;
    uint64_t n;

    action = make_actions(VNETENC_REQUIRE, 1, OVS_ACTION_ATTR_CLONE, true);
    unit_drops_begin();
    CHECK(seal(action, 30, 500, false) == 30);
    run(0);
    CHECK(n_sent == 0);

    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    CHECK(run(0) == LLONG_MAX);
    CHECK(n_sent == 30 && !n_plain && !n_wrong_actions);
    for (size_t i = 0; i < 30; i++) {
        n_wrong += sizes[i] != UDP_HEADER_LEN + 500 + i + VNETENC_OVERHEAD;
    }
    CHECK(n_wrong == 0);
    CHECK(unit_no_drops());
    unit_sessions_destroy(&s);

    /* The path is there before its session: nothing counts twice. */
    s.published = vnetenc_path_create(&path, 1);
    CHECK(seal(action, 3, 500, false) == 3);
    atomic_read_relaxed(&s.published->n_dropped, &n);
    CHECK(n == 0);
    run(VNETENC_HOLD_MS);
    atomic_read_relaxed(&s.published->n_dropped, &n);
    CHECK(n == 3);
    CHECK(unit_drops_are(VNETENC_DROP_tx_no_session, 3));
    vnetenc_path_retire(s.published);

    /* The end, with some in the queue and some out of it. */
    unit_drops_begin();
    CHECK(seal(action, 3, 500, false) == 3);
    vnetenc_release_end();
    CHECK(unit_drops_are(VNETENC_DROP_tx_no_session, 3));
    CHECK(run(0) == LLONG_MAX);
    vnetenc_gate_remove(gate);
}

/* What comes behind may be any list, and is kept to its last byte: ct and
 * recirculation, as of a bond, or a copy to a controller. */
static void
test_any_rest(void)
{
    struct vnetenc_path_key path = unit_path(false, false);
    struct vnetenc_gate *gate = vnetenc_gate_add(&path.remote);
    const struct ovs_action_vnetenc *action;
    struct ovs_action_hash hash = { .hash_basis = 1 };
    struct unit_sessions s;
    size_t ofs;

    ofpbuf_clear(&wanted);
    ofs = nl_msg_start_nested(&wanted, OVS_ACTION_ATTR_CT);
    nl_msg_put_flag(&wanted, OVS_CT_ATTR_COMMIT);
    nl_msg_end_nested(&wanted, ofs);
    nl_msg_put_unspec(&wanted, OVS_ACTION_ATTR_HASH, &hash, sizeof hash);
    ofs = nl_msg_start_nested(&wanted, OVS_ACTION_ATTR_USERSPACE);
    nl_msg_put_u32(&wanted, OVS_USERSPACE_ATTR_PID, 1);
    nl_msg_end_nested(&wanted, ofs);
    nl_msg_put_u32(&wanted, OVS_ACTION_ATTR_RECIRC, 5);

    unit_drops_begin();
    for (unsigned int depth = 0; depth < 3; depth++) {
        action = make_actions_of(VNETENC_REQUIRE, depth, OVS_ACTION_ATTR_CLONE,
                                 &wanted);
        CHECK(seal(action, 2, 100, false) == 2);
    }
    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    CHECK(run(0) == LLONG_MAX);
    CHECK(n_sent == 6 && !n_plain && !n_wrong_actions);
    CHECK(unit_no_drops());
    unit_sessions_destroy(&s);
    vnetenc_gate_remove(gate);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    vnetenc_aead_init("openssl");
    vnetenc_inbox_init();
    vnetenc_gates_set_loaded();
    time_msec();
    timeval_stop();
    ofpbuf_init(&actions, 256);
    ofpbuf_init(&wanted, 256);
    test_who_waits();
    timeval_warp(10000);
    test_bounds();
    test_release();
    test_any_rest();
    ofpbuf_uninit(&wanted);
    ofpbuf_uninit(&actions);
    ovsrcu_exit();
    return unit_end();
}
