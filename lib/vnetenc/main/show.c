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
#include "vnetenc/main/show.h"
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "packets.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/bridge/inbox.h"
#include "vnetenc/bridge/tunnel.h"
#include "vnetenc/control/control.h"
#include "vnetenc/control/keylog.h"
#include "vnetenc/control/outgoing.h"
#include "vnetenc/crypto/aead-provider.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc/crypto/cryptodev.h"
#include "vnetenc/kernel/egress.h"
#include "vnetenc/kernel/inject.h"
#include "vnetenc/kernel/vport.h"
#include "vnetenc/kernel/worker.h"
#include "vnetenc/log/totals.h"
#include "vnetenc/main/show-text.h"
#include "vnetenc/main/status.h"
#include "vnetenc/trust/configuration.h"
#include "vnetenc/trust/cred.h"
#include "vnetenc/trust/profile.h"
#include "vnetenc/trust/ssl.h"
#include "vnetenc/vnetenc.h"

/* The state as JSON, from which main/show-text.c makes the text. */

static char *
address_to_string(const struct in6_addr *address)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ipv6_format_mapped(address, &s);
    return ds_steal_cstr(&s);
}

static void
put_string(struct json *object, const char *name, const char *value)
{
    if (value && value[0]) {
        json_object_put_string(object, name, value);
    }
}

static void
put_number(struct json *object, const char *name, uint64_t value)
{
    json_object_put(object, name, json_integer_create(value));
}

/* Adds the names of alarms that have risen. */
static void
put_alarms(struct json *object, const struct vnetenc_alarms *alarms)
{
    const char *names[VNETENC_N_ALARMS];
    size_t n = vnetenc_alarms_names(alarms, names);
    struct json *array = json_array_create_empty();

    for (size_t i = 0; i < n; i++) {
        json_array_add(array, json_string_create(names[i]));
    }
    json_object_put(object, "alarms", array);
}

static struct json *
describe_profile(const struct vnetenc_profile *profile)
{
    const struct vnetenc_config_profile *config = &profile->config;
    struct json *object = json_object_create();

    put_number(object, "profile", config->id);
    if (profile->cred) {
        char text[VNETENC_FINGERPRINT_TEXT_BYTES];

        vnetenc_cert_fingerprint_format(
            vnetenc_cred_fingerprint(profile->cred), text);
        put_string(object, "fingerprint", text);
        put_string(object, "not_after",
                   vnetenc_cred_not_after(profile->cred));
        put_string(object, "certificate",
                   vnetenc_cred_is_self_made(profile->cred)
                   ? "self-made" : config->certificate);
        put_string(object, "ciphers", vnetenc_cred_ciphers(profile->cred));
        put_string(object, "ca_cert", config->ca_cert);
        put_string(object, "crl", config->crl);
    }
    put_number(object, "lanes", config->n_lanes);
    put_number(object, "rekey_records", config->rekey_records);
    put_number(object, "rekey_bytes", config->rekey_bytes);
    put_number(object, "rekey_interval", config->rekey_s);
    put_string(object, "error", vnetenc_profile_error(profile));
    put_alarms(object, &profile->alarms);
    return object;
}

static struct json *
describe_profiles(void)
{
    struct json *array = json_array_create_empty();

    for (int id = 0; id <= UINT8_MAX; id++) {
        const struct vnetenc_profile *profile = vnetenc_profile_peek(id);

        if (profile) {
            json_array_add(array, describe_profile(profile));
        }
    }
    return array;
}

static struct json *
describe_session(const struct vnetenc_session_status *session)
{
    bool out = session->direction == VNETENC_OUT;
    struct json *object = json_object_create();
    char *local = address_to_string(&session->path->local);

    put_string(object, "direction", out ? "out" : "in");
    put_string(object, "local_ip", local);
    put_number(object, "dtls_port", ntohs(session->path->dtls_port));
    if (out || session->suite) {
        put_number(object, "profile", session->path->profile);
    }
    if (out) {
        put_number(object, "lane", session->lane);
    }
    if (session->mtu) {
        put_number(object, "mtu", session->mtu);
    }
    put_string(object, "state", session->state);
    if (session->lane_port) {
        put_number(object, "lane_port", ntohs(session->lane_port));
        put_number(object, "age_ms", session->age_ms);
    }
    if (session->suite) {
        put_string(object, "cipher", session->suite);
        put_string(object, "provider", session->provider);
        put_string(object, "peer_fingerprint", session->fingerprint);
        put_number(object, "records", session->traffic.n_records);
        put_number(object, "bytes", session->traffic.n_bytes);
        if (!out) {
            put_number(object, "failed", session->n_failed);
        }
    }
    free(local);
    return object;
}

static struct json *
describe_sessions(const struct vnetenc_status *status,
                  const struct vnetenc_peer *peer)
{
    struct json *array = json_array_create_empty();

    for (size_t i = 0; i < status->n_sessions; i++) {
        if (status->sessions[i].peer == peer) {
            json_array_add(array, describe_session(&status->sessions[i]));
        }
    }
    return array;
}

static struct json *
describe_counters(const uint64_t counters[VNETENC_N_PEER_COUNTERS])
{
    struct json *object = json_object_create();

    for (size_t i = 0; i < VNETENC_N_PEER_COUNTERS; i++) {
        put_number(object, vnetenc_peer_counter_names[i], counters[i]);
    }
    return object;
}

static struct json *
describe_peer(const struct vnetenc_status *status,
              const struct vnetenc_peer_status *peer_status)
{
    const struct vnetenc_peer *peer = peer_status->peer;
    struct json *object = json_object_create();
    char *address = address_to_string(&peer->trust.remote_ip);

    put_string(object, "remote_ip", address);
    put_string(object, "name", peer->trust.name);
    put_number(object, "n_fingerprints", peer->trust.n_pins);
    put_string(object, "state", peer_status->state);
    put_string(object, "peer_fingerprint", peer->fingerprint);
    put_string(object, "last_error", vnetenc_peer_error(peer));
    put_alarms(object, &peer->watch.alarms);
    json_object_put(object, "statistics",
                    describe_counters(peer_status->counters));
    json_object_put(object, "sessions", describe_sessions(status, peer));
    free(address);
    return object;
}

/* Puts all peers, or only the peer 'only' if it is nonnull, and the sums over
 * all peers, into 'everything'. */
static void
put_peers(struct json *everything, const struct vnetenc_peer *only)
{
    struct json *array = json_array_create_empty();
    struct vnetenc_status status;

    vnetenc_status_init(&status, time_msec());
    for (size_t i = 0; i < status.n_peers; i++) {
        if (!only || status.peers[i].peer == only) {
            json_array_add(array, describe_peer(&status, &status.peers[i]));
        }
    }
    json_object_put(everything, "peers", array);
    json_object_put(everything, "totals", describe_counters(status.totals));
    vnetenc_status_uninit(&status);
}

static struct json *
describe_drops(void)
{
    struct json *object = json_object_create();

    for (int i = VNETENC_KEEP + 1; i < VNETENC_N_DROPS; i++) {
        put_number(object, vnetenc_drop_name(i), vnetenc_drop_total(i));
    }
    return object;
}

static struct json *
describe_ports(void)
{
    struct json *object = json_object_create();

    put_number(object, "geneve",
               ntohs(vnetenc_tunnel_dtls_port(
                   "geneve", htons(VNETENC_CLEAR_GENEVE_PORT))));
    put_number(object, "vxlan",
               ntohs(vnetenc_tunnel_dtls_port(
                   "vxlan", htons(VNETENC_CLEAR_VXLAN_PORT))));
    return object;
}

/* Describes the provider of each cipher in sessions that begin now. */
static struct json *
describe_providers(void)
{
    struct json *object = json_object_create();

    for (int i = 0; i < VNETENC_N_CIPHERS; i++) {
        put_string(object, vnetenc_cipher_info(i)->name,
                   vnetenc_aead_provider_name(i));
    }
    return object;
}

static void
describe_device(const struct vnetenc_cryptodev_status *status, void *array)
{
    struct json *object = json_object_create();

    put_string(object, "device", status->name);
    put_string(object, "driver", status->driver);
    put_string(object, "state", status->error ? "failed" : "up");
    put_string(object, "error", status->error);
    if (!status->synchronous) {
        put_number(object, "queue_pairs", status->n_queues);
        put_number(object, "queue_pairs_used", status->n_queues_taken);
        put_number(object, "in_flight", status->n_inside);
        put_number(object, "timeouts", status->n_lost);
        put_number(object, "records", status->n_done);
        put_number(object, "errors", status->n_errors);
    }
    put_number(object, "keys", status->n_sessions / 2);
    put_number(object, "elsewhere", status->n_elsewhere);
    json_array_add(array, object);
}

static struct json *
describe_devices(void)
{
    struct json *array = json_array_create_empty();

    vnetenc_cryptodev_for_each(describe_device, array);
    return array;
}

static struct json *
describe_worker(unsigned int i)
{
    const struct vnetenc_worker *worker = vnetenc_worker_get(i);
    struct json *object = json_object_create();

    put_number(object, "worker", i);
    for (int c = 0; c < VNETENC_WORKER_N_COUNTERS; c++) {
        put_number(object, vnetenc_worker_counter_name(c),
                   vnetenc_worker_total(worker, c));
    }
    return object;
}

static struct json *
describe_workers(void)
{
    struct json *array = json_array_create_empty();

    for (unsigned int i = 0; i < vnetenc_worker_n(); i++) {
        json_array_add(array, describe_worker(i));
    }
    return array;
}

static struct json *
describe(const struct vnetenc_peer *only)
{
    struct json *object = json_object_create();

    put_string(object, "version", VNETENC_VERSION);
    put_string(object, "encryption_off", vnetenc_tunnels_obstacle());
    json_object_put(object, "dtls_ports", describe_ports());
    if (vnetenc_ssl_fips()) {
        /* Only this text says which module it is, and so whether it is a
         * validated one. */
        char *module = vnetenc_aead_fips_module();

        put_string(object, "fips_module", module ? module : "none");
        free(module);
    }
    put_string(object, "keylog", vnetenc_keylog_file());
    json_object_put(object, "providers", describe_providers());
    json_object_put(object, "devices", describe_devices());
    put_string(object, "kernel_error",
               vnetenc_vport_is_used() ? vnetenc_vport_error() : NULL);
    json_object_put(object, "workers", describe_workers());
    put_string(object, "way_out", vnetenc_egress_way());
    put_string(object, "way_in",
               (vnetenc_worker_n()
                ? vnetenc_inject_way_name(vnetenc_inject_way()) : NULL));
    json_object_put(object, "profiles", describe_profiles());
    put_peers(object, only);
    vnetenc_egress_collect();
    vnetenc_vport_collect();
    json_object_put(object, "drops", describe_drops());
    json_object_put(object, "flow_log", vnetenc_totals_to_json());
    return object;
}

/* Commands. */

/* Finds a peer by its address, in any spelling, or by its name. */
static struct vnetenc_peer *
find_peer(const char *s)
{
    struct vnetenc_peer *peer;
    struct in6_addr address;

    if (vnetenc_config_address_parse(s, &address)) {
        return vnetenc_peer_find(&address);
    }
    HMAP_FOR_EACH (peer, node, vnetenc_peers()) {
        if (nullable_string_is_equal(peer->trust.name, s)) {
            return peer;
        }
    }
    return NULL;
}

/* Returns the error for a peer that find_peer() did not find, to be freed by
 * the caller.  The error names the first peers that exist. */
static char *
no_peer_error(const char *s)
{
    enum { MAX_NAMED = 8 };
    struct ds error = DS_EMPTY_INITIALIZER;
    struct vnetenc_status status;
    size_t n;

    vnetenc_status_init(&status, time_msec());
    n = MIN(status.n_peers, MAX_NAMED);
    ds_put_format(&error, "\"%s\" is not remote_ip or name of a record in "
                  "table VNetEnc_Peer%s", s, n ? "; peers are " :
                  ", which has none");
    for (size_t i = 0; i < n; i++) {
        const struct vnetenc_trust *trust = &status.peers[i].peer->trust;

        ds_put_cstr(&error, i ? ", " : "");
        ipv6_format_mapped(&trust->remote_ip, &error);
        if (trust->name && trust->name[0]) {
            ds_put_format(&error, " (%s)", trust->name);
        }
    }
    if (n < status.n_peers) {
        ds_put_format(&error, " and %"PRIuSIZE" more", status.n_peers - n);
    }
    vnetenc_status_uninit(&status);
    return ds_steal_cstr(&error);
}

/* Arguments of vnetenc/show. */
struct show_args {
    bool all;
    const char *peer;           /* NULL: all peers. */
};

/* Returns NULL, or an error to be freed by the caller. */
static char *
parse_show_args(int argc, const char *argv[], struct show_args *args)
{
    memset(args, 0, sizeof *args);
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--all")) {
            args->all = true;
        } else if (argv[i][0] == '-') {
            return xasprintf("\"%s\" is not an option; the only one is "
                             "\"--all\"", argv[i]);
        } else if (args->peer) {
            return xasprintf("\"%s\" is one PEER too many after \"%s\"",
                             argv[i], args->peer);
        } else {
            args->peer = argv[i];
        }
    }
    return NULL;
}

static void
reply_text(struct unixctl_conn *conn, const struct show_args *args,
           const struct json *everything)
{
    char *text = (args->peer
                  ? vnetenc_show_text_peers(everything, args->all)
                  : vnetenc_show_text(everything, args->all));

    unixctl_command_reply(conn, text);
    free(text);
}

/* Replies with JSON, which always has all members, or with text. */
static void
unixctl_show(struct unixctl_conn *conn, int argc, const char *argv[],
             void *aux OVS_UNUSED)
{
    const struct vnetenc_peer *only = NULL;
    struct json *everything = NULL;
    struct show_args args;
    char *error = parse_show_args(argc, argv, &args);

    vnetenc_control_lock();
    if (!error && args.peer) {
        only = find_peer(args.peer);
        error = only ? NULL : no_peer_error(args.peer);
    }
    if (!error) {
        everything = describe(only);
    }
    vnetenc_control_unlock();

    if (error) {
        unixctl_command_reply_error(conn, error);
        free(error);
    } else if (unixctl_command_get_output_format(conn)
               == UNIXCTL_OUTPUT_FMT_JSON) {
        unixctl_command_reply_json(conn, everything);
    } else {
        reply_text(conn, &args, everything);
        json_destroy(everything);
    }
}

static void
unixctl_rekey(struct unixctl_conn *conn, int argc OVS_UNUSED,
              const char *argv[], void *aux OVS_UNUSED)
{
    const struct vnetenc_peer *peer;
    unsigned int n = 0;
    char *text;

    vnetenc_control_lock();
    peer = find_peer(argv[1]);
    if (peer) {
        n = vnetenc_outgoing_rekey(peer, time_msec());
        text = xasprintf("new sessions begin on %u lanes", n);
    } else {
        text = no_peer_error(argv[1]);
    }
    vnetenc_control_unlock();

    if (peer) {
        vnetenc_inbox_wake();
        unixctl_command_reply(conn, text);
    } else {
        unixctl_command_reply_error(conn, text);
    }
    free(text);
}

static void
unixctl_keylog(struct unixctl_conn *conn, int argc OVS_UNUSED,
               const char *argv[], void *aux OVS_UNUSED)
{
    char *error = NULL;

    vnetenc_control_lock();
    if (!strcmp(argv[1], "on")) {
        error = vnetenc_keylog_on();
    } else if (!strcmp(argv[1], "off")) {
        vnetenc_keylog_off();
    } else {
        error = xasprintf("\"%s\" is not \"on\" or \"off\"", argv[1]);
    }
    vnetenc_control_unlock();

    if (error) {
        unixctl_command_reply_error(conn, error);
        free(error);
    } else {
        vnetenc_inbox_wake();
        unixctl_command_reply(conn, NULL);
    }
}

void
vnetenc_show_init(void)
{
    unixctl_command_register("vnetenc/show", "[--all] [PEER]", 0, 2,
                             unixctl_show, NULL);
    unixctl_command_register("vnetenc/rekey", "PEER", 1, 1, unixctl_rekey,
                             NULL);
    unixctl_command_register("vnetenc/keylog", "on|off", 1, 1, unixctl_keylog,
                             NULL);
}
