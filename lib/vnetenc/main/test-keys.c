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
#include "vnetenc/main/test-keys.h"
#include <openssl/crypto.h>
#include <string.h>
#include "netdev.h"
#include "openvswitch/list.h"
#include "ovs-thread.h"
#include "sset.h"
#include "unixctl.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/bridge/path.h"
#include "vnetenc/bridge/rx.h"
#include "vnetenc/bridge/tx.h"
#include "vnetenc/bridge/vni.h"
#include "vnetenc/control/control.h"
#include "vnetenc/trust/configuration.h"

enum { MAX_VNI = 0xffffff };

/* An object that vnetenc/test-reset removes: one pointer is nonnull. */
struct made {
    struct ovs_list node;       /* In 'all_made'. */
    struct vnetenc_gate *gate;
    struct vnetenc_path *published;
    struct vnetenc_rx *rx;
};

static struct ovs_list all_made OVS_GUARDED_BY(vnetenc_control_mutex)
    = OVS_LIST_INITIALIZER(&all_made);

/* Arguments.  Each function removes the arguments that it reads from '*argv'
 * and returns true, or leaves the first bad one in front and returns false. */

static bool
take_address(const char ***argv, struct in6_addr *address)
{
    return vnetenc_config_address_parse(**argv, address) && (*argv)++;
}

static bool
take_uint(const char ***argv, unsigned int max, unsigned int *value)
{
    return str_to_uint(**argv, 10, value) && *value <= max && (*argv)++;
}

static bool
take_u64(const char ***argv, uint64_t *value)
{
    unsigned long long int ull;

    if (!str_to_ullong(**argv, 10, &ull)) {
        return false;
    }
    *value = ull;
    (*argv)++;
    return true;
}

static bool
take_hex(const char ***argv, uint8_t *bytes, size_t n)
{
    const char *s = **argv;

    if (strlen(s) != 2 * n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        bool ok;

        bytes[i] = hexits_value(s + 2 * i, 2, &ok);
        if (!ok) {
            return false;
        }
    }
    (*argv)++;
    return true;
}

/* Takes LOCAL REMOTE DTLS_PORT PROFILE. */
static bool
take_path(const char ***argv, struct vnetenc_path_key *path)
{
    unsigned int port, profile;

    memset(path, 0, sizeof *path);
    if (!take_address(argv, &path->local)
        || !take_address(argv, &path->remote)
        || !take_uint(argv, UINT16_MAX, &port)
        || !take_uint(argv, UINT8_MAX, &profile)) {
        return false;
    }
    path->dtls_port = htons(port);
    path->profile = profile;
    return true;
}

/* Takes CIPHER KEY IV. */
static bool
take_traffic_key(const char ***argv, struct vnetenc_record_key *traffic)
{
    const struct vnetenc_cipher_info *info;

    memset(traffic, 0, sizeof *traffic);
    if (!vnetenc_cipher_from_string(**argv, &traffic->cipher)) {
        return false;
    }
    (*argv)++;
    info = vnetenc_cipher_info(traffic->cipher);
    return (take_hex(argv, traffic->key, info->key_bytes)
            && take_hex(argv, traffic->fixed_iv, info->fixed_iv_bytes));
}

/* Replies with 'error'; if 'error' is NULL, with an error that calls 'bad' a
 * bad argument; if both are NULL, with success. */
static void
reply(struct unixctl_conn *conn, const char *error, const char *bad)
{
    if (error) {
        unixctl_command_reply_error(conn, error);
    } else if (bad) {
        char *s = xasprintf("%s: bad argument", bad);

        unixctl_command_reply_error(conn, s);
        free(s);
    } else {
        unixctl_command_reply(conn, NULL);
    }
}

static struct made *
remember(void)
    OVS_REQUIRES(vnetenc_control_mutex)
{
    struct made *made = xzalloc(sizeof *made);

    ovs_list_push_back(&all_made, &made->node);
    return made;
}

/* Peers. */

static const char *
add_peer(const struct in6_addr *remote)
    OVS_REQUIRES(vnetenc_control_mutex)
{
    if (vnetenc_gate_find(remote)) {
        return "there is such a peer already";
    }
    remember()->gate = vnetenc_gate_add(remote);
    return NULL;
}

static void
test_add_peer(struct unixctl_conn *conn, int argc OVS_UNUSED,
              const char *argv[], void *aux OVS_UNUSED)
{
    const char **arg = argv + 1;
    struct in6_addr remote;
    const char *error;

    if (!take_address(&arg, &remote)) {
        reply(conn, NULL, *arg);
        return;
    }
    ovs_mutex_lock(&vnetenc_control_mutex);
    error = add_peer(&remote);
    ovs_mutex_unlock(&vnetenc_control_mutex);
    reply(conn, error, NULL);
}

/* Paths without a session. */

static const struct {
    const char *name;
    enum vnetenc_drop reason;   /* VNETENC_KEEP: never in clear. */
} states[] = {
    { "wait", VNETENC_KEEP },
    { "no-session", VNETENC_DROP_clear_no_session },
    { "lost", VNETENC_DROP_clear_lost },
};

static bool
take_state(const char ***argv, enum vnetenc_drop *reason)
{
    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        if (!strcmp(**argv, states[i].name)) {
            *reason = states[i].reason;
            (*argv)++;
            return true;
        }
    }
    return false;
}

static const char *
add_path(const struct vnetenc_path_key *path, enum vnetenc_drop reason)
    OVS_REQUIRES(vnetenc_control_mutex)
{
    struct vnetenc_path *published;

    if (vnetenc_path_find(path)) {
        return "there is such a path already";
    }
    published = vnetenc_path_create(path, 1);
    if (reason) {
        atomic_store_relaxed(&published->clear_reason, reason);
        atomic_store_relaxed(&published->clear_at, 0);
    }
    remember()->published = published;
    return NULL;
}

static void
test_add_path(struct unixctl_conn *conn, int argc OVS_UNUSED,
              const char *argv[], void *aux OVS_UNUSED)
{
    const char **arg = argv + 1;
    struct vnetenc_path_key path;
    enum vnetenc_drop reason;
    const char *error;

    if (!take_path(&arg, &path) || !take_state(&arg, &reason)) {
        reply(conn, NULL, *arg);
        return;
    }
    ovs_mutex_lock(&vnetenc_control_mutex);
    error = add_path(&path, reason);
    ovs_mutex_unlock(&vnetenc_control_mutex);
    reply(conn, error, NULL);
}

/* Sets the MTU of a path, and whether packets that are too long are split or
 * dropped. */
static void
test_set_mtu(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[], void *aux OVS_UNUSED)
{
    struct vnetenc_path *published;
    const char **arg = argv + 1;
    struct vnetenc_path_key path;
    const char *error = NULL;
    unsigned int mtu;
    bool split;

    if (!take_path(&arg, &path) || !take_uint(&arg, UINT16_MAX, &mtu)) {
        reply(conn, NULL, *arg);
        return;
    }
    split = !strcmp(*arg, "split");
    if (!split && strcmp(*arg, "drop")) {
        reply(conn, NULL, *arg);
        return;
    }
    ovs_mutex_lock(&vnetenc_control_mutex);
    published = vnetenc_path_find(&path);
    if (published) {
        vnetenc_path_set_mtu(published, mtu);
        atomic_store_relaxed(&published->split, split);
    } else {
        error = "there is no such path";
    }
    ovs_mutex_unlock(&vnetenc_control_mutex);
    reply(conn, error, NULL);
}

/* Sessions. */

struct session_args {
    bool out;
    struct vnetenc_path_key path;
    unsigned int lane_port;
    struct vnetenc_record_key traffic;
    uint64_t max_records;
    uint64_t max_bytes;
};

static bool
take_session(const char ***argv, struct session_args *args)
{
    args->out = !strcmp(**argv, "out");
    if (!args->out && strcmp(**argv, "in")) {
        return false;
    }
    (*argv)++;
    args->max_records = VNETENC_HARD_LIMIT_FACTOR * VNETENC_REKEY_RECORDS;
    args->max_bytes = VNETENC_HARD_LIMIT_FACTOR * VNETENC_REKEY_BYTES;
    return (take_path(argv, &args->path)
            && take_uint(argv, UINT16_MAX, &args->lane_port)
            && take_traffic_key(argv, &args->traffic)
            && (!**argv || take_u64(argv, &args->max_records))
            && (!**argv || take_u64(argv, &args->max_bytes)));
}

static struct made *
find_made(const struct vnetenc_path *published)
    OVS_REQUIRES(vnetenc_control_mutex)
{
    struct made *made;

    LIST_FOR_EACH (made, node, &all_made) {
        if (made->published == published) {
            return made;
        }
    }
    return NULL;
}

/* Puts 'tx' on the first lane that has no session, which may be a new one. */
static bool
put_on_lane(struct vnetenc_lanes *lanes, struct vnetenc_tx *tx)
    OVS_REQUIRES(vnetenc_control_mutex)
{
    for (unsigned int i = 0; i < VNETENC_MAX_LANES; i++) {
        if (!ovsrcu_get_protected(struct vnetenc_tx *, &lanes->tx[i])) {
            vnetenc_lanes_swap(lanes, i, tx);
            atomic_store_relaxed(&lanes->n, i + 1);
            return true;
        }
    }
    return false;
}

static const char *
add_tx(const struct session_args *args)
    OVS_REQUIRES(vnetenc_control_mutex)
{
    struct vnetenc_path *published = vnetenc_path_find(&args->path);
    struct vnetenc_tx *tx;

    if (published && !find_made(published)) {
        return "the path belongs to the control thread";
    }
    tx = vnetenc_tx_create(&args->traffic, htons(args->lane_port),
                           VNETENC_FIRST_SEQ + args->max_records,
                           args->max_bytes);
    if (!tx) {
        return "the cipher is not available";
    }
    if (!published) {
        add_path(&args->path, VNETENC_KEEP);
        published = vnetenc_path_find(&args->path);
    }
    if (!put_on_lane(&published->lanes, tx)) {
        vnetenc_tx_destroy(tx);
        return "the path has no more lanes";
    }
    return NULL;
}

static const char *
add_rx(const struct session_args *args)
    OVS_REQUIRES(vnetenc_control_mutex)
{
    ovs_be16 lane_port = htons(args->lane_port);
    struct vnetenc_rx *rx;

    if (vnetenc_rx_find(&args->path.local, args->path.dtls_port,
                        &args->path.remote, lane_port)) {
        return "there is such a session already";
    }
    rx = vnetenc_rx_create(&args->traffic, &args->path, lane_port);
    if (!rx) {
        return "the cipher is not available";
    }
    vnetenc_rx_publish(rx);
    remember()->rx = rx;
    return NULL;
}

static void
test_add_session(struct unixctl_conn *conn, int argc OVS_UNUSED,
                 const char *argv[], void *aux OVS_UNUSED)
{
    struct session_args args;
    const char **arg = argv + 1;
    const char *error = NULL;
    const char *bad = NULL;

    if (take_session(&arg, &args)) {
        ovs_mutex_lock(&vnetenc_control_mutex);
        error = args.out ? add_tx(&args) : add_rx(&args);
        ovs_mutex_unlock(&vnetenc_control_mutex);
    } else {
        bad = *arg;
    }
    OPENSSL_cleanse(&args.traffic, sizeof args.traffic);
    reply(conn, error, bad);
}

/* VNIs. */

/* Takes VNI:PROFILE. */
static bool
take_vni(const char ***argv, struct vnetenc_vni *vni)
{
    unsigned int number, profile;
    int n = -1;

    if (!ovs_scan(**argv, "%u:%u%n", &number, &profile, &n)
        || (**argv)[n] || number > MAX_VNI || profile > UINT8_MAX) {
        return false;
    }
    vni->vni = number;
    vni->profile = profile;
    (*argv)++;
    return true;
}

static void
test_set_vni(struct unixctl_conn *conn, int argc, const char *argv[],
             void *aux OVS_UNUSED)
{
    struct vnetenc_vni *vnis = xcalloc(argc, sizeof *vnis);
    const char **arg = argv + 1;
    size_t n = 0;

    while (*arg && take_vni(&arg, &vnis[n])) {
        n++;
    }
    if (!*arg) {
        ovs_mutex_lock(&vnetenc_control_mutex);
        vnetenc_vni_set(vnis, n);
        ovs_mutex_unlock(&vnetenc_control_mutex);
    }
    free(vnis);
    reply(conn, NULL, *arg);
}

/* Reset. */

static void
retire_path(struct vnetenc_path *published)
    OVS_REQUIRES(vnetenc_control_mutex)
{
    for (unsigned int i = 0; i < VNETENC_MAX_LANES; i++) {
        vnetenc_tx_retire(vnetenc_lanes_swap(&published->lanes, i, NULL));
    }
    vnetenc_path_retire(published);
}

static void
test_reset(struct unixctl_conn *conn, int argc OVS_UNUSED,
           const char *argv[] OVS_UNUSED, void *aux OVS_UNUSED)
{
    struct made *made;

    ovs_mutex_lock(&vnetenc_control_mutex);
    LIST_FOR_EACH_POP (made, node, &all_made) {
        if (made->gate) {
            vnetenc_gate_remove(made->gate);
        } else if (made->published) {
            retire_path(made->published);
        } else {
            vnetenc_rx_retire(made->rx);
        }
        free(made);
    }
    vnetenc_vni_set(NULL, 0);
    ovs_mutex_unlock(&vnetenc_control_mutex);
    reply(conn, NULL, NULL);
}

/* Commands. */

static bool
have_dummy_devices(void)
{
    struct sset types = SSET_INITIALIZER(&types);
    bool have;

    netdev_enumerate_types(&types);
    have = sset_contains(&types, "dummy");
    sset_destroy(&types);
    return have;
}

void
vnetenc_test_keys_init(void)
{
    if (!have_dummy_devices()) {
        return;
    }

    unixctl_command_register("vnetenc/test-add-peer", "remote", 1, 1,
                             test_add_peer, NULL);
    unixctl_command_register("vnetenc/test-add-path",
                             "local remote dtls_port profile "
                             "wait|no-session|lost", 5, 5,
                             test_add_path, NULL);
    unixctl_command_register("vnetenc/test-add-session",
                             "out|in local remote dtls_port profile "
                             "lane_port cipher key iv "
                             "[max_records [max_bytes]]", 9, 11,
                             test_add_session, NULL);
    unixctl_command_register("vnetenc/test-set-mtu",
                             "local remote dtls_port profile mtu split|drop",
                             6, 6, test_set_mtu, NULL);
    unixctl_command_register("vnetenc/test-set-vni", "[vni:profile]...",
                             0, INT_MAX, test_set_vni, NULL);
    unixctl_command_register("vnetenc/test-reset", "", 0, 0,
                             test_reset, NULL);
}
