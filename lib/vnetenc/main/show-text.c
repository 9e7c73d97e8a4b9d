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
#include "vnetenc/main/show-text.h"
#include <inttypes.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/crypto/cipher.h"
#include "vnetenc/main/status.h"

/* The text so far, and whether it must have all values. */
struct printer {
    struct ds s;
    bool all;                   /* "--all". */
};

/* Defaults of members, by name, if not 0. */
static const struct {
    const char *name;
    const char *string;         /* NULL if the member is a number. */
    int64_t number;
} defaults[] = {
    { "geneve", NULL, VNETENC_GENEVE_PORT },
    { "vxlan", NULL, VNETENC_VXLAN_PORT },
    { "dtls_port", NULL, VNETENC_GENEVE_PORT },
    { "n_fingerprints", NULL, 1 },
    { "lanes", NULL, VNETENC_DEFAULT_LANES },
    { "rekey_records", NULL, VNETENC_REKEY_RECORDS },
    { "rekey_bytes", NULL, VNETENC_REKEY_BYTES },
    { "rekey_interval", NULL, VNETENC_REKEY_S },
    { "aes256-gcm", "openssl", 0 },
    { "aes128-gcm", "openssl", 0 },
    { "chacha20-poly1305", "openssl", 0 },
    { "provider", "openssl", 0 },
    { "certificate", "self-made", 0 },
    { "not_after", "9999-12-31T23:59:59Z", 0 },
};

static bool
is_default(const char *name, const struct json *value)
{
    if (value->type != JSON_STRING && !json_integer(value)) {
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
        if (!strcmp(name, defaults[i].name)) {
            return (value->type == JSON_STRING
                    ? !strcmp(json_string(value), defaults[i].string)
                    : json_integer(value) == defaults[i].number);
        }
    }
    return false;
}

static const struct json *
member(const struct json *object, const char *name)
{
    return shash_find_data(json_object(object), name);
}

/* Returns NULL if 'object' has no such member. */
static const char *
string_member(const struct json *object, const char *name)
{
    const struct json *value = member(object, name);

    return value ? json_string(value) : NULL;
}

/* Prints on one line, as "name value, name value", those of the members
 * 'names' that 'object' has. */
static void
print_members(struct printer *p, const char *indent,
              const struct json *object, const char *const names[], size_t n)
{
    const char *separator = indent;

    for (size_t i = 0; i < n; i++) {
        const struct json *value = member(object, names[i]);

        if (!value || (!p->all && is_default(names[i], value))) {
            continue;
        }
        ds_put_format(&p->s, "%s%s ", separator, names[i]);
        if (value->type == JSON_STRING) {
            ds_put_cstr(&p->s, json_string(value));
        } else {
            ds_put_format(&p->s, "%"PRId64, json_integer(value));
        }
        separator = ", ";
    }
    if (separator != indent) {
        ds_put_char(&p->s, '\n');
    }
}

#define PRINT_MEMBERS(P, INDENT, OBJECT, ...)                           \
    do {                                                                \
        static const char *const names_[] = { __VA_ARGS__ };            \
        print_members(P, INDENT, OBJECT, names_, ARRAY_SIZE(names_));   \
    } while (0)

static void
print_devices(struct printer *p, const struct json *devices)
{
    if (json_array_size(devices)) {
        ds_put_cstr(&p->s, "devices:\n");
    }
    for (size_t i = 0; i < json_array_size(devices); i++) {
        const struct json *d = json_array_at(devices, i);

        PRINT_MEMBERS(p, "  ", d, "device", "driver", "state", "error");
        PRINT_MEMBERS(p, "    ", d, "queue_pairs", "queue_pairs_used",
                      "in_flight", "timeouts", "records", "errors", "keys",
                      "elsewhere");
    }
}

static void
print_workers(struct printer *p, const struct json *everything)
{
    const struct json *workers = member(everything, "workers");
    const struct json *error = member(everything, "kernel_error");

    if (error) {
        ds_put_format(&p->s, "kernel datapath: cannot encrypt: %s\n",
                      json_string(error));
    }
    if (json_array_size(workers)) {
        ds_put_format(&p->s, "workers: %"PRIuSIZE", out by %s, in by %s\n",
                      json_array_size(workers),
                      string_member(everything, "way_out"),
                      string_member(everything, "way_in"));
    }
    for (size_t i = 0; i < json_array_size(workers); i++) {
        const struct json *worker = json_array_at(workers, i);

        ds_put_format(&p->s, "  worker %"PRId64"\n",
                      json_integer(member(worker, "worker")));
        PRINT_MEMBERS(p, "    ", worker, "out_packets", "out_super",
                      "out_records", "out_sends");
        PRINT_MEMBERS(p, "    ", worker, "in_receives", "in_records",
                      "in_packets", "in_writes");
    }
}

static void
print_ciphers(struct printer *p, const struct json *profile)
{
    enum vnetenc_cipher order[VNETENC_N_CIPHERS];
    const char *ciphers = string_member(profile, "ciphers");
    struct ds usual = DS_EMPTY_INITIALIZER;

    vnetenc_cipher_default_order(vnetenc_cipher_cpu_has_aes(), order);
    for (int i = 0; i < VNETENC_N_CIPHERS; i++) {
        ds_put_format(&usual, "%s%s", i ? ":" : "",
                      vnetenc_cipher_info(order[i])->name);
    }
    if (ciphers && (p->all || strcmp(ciphers, ds_cstr(&usual)))) {
        ds_put_format(&p->s, "    ciphers %s\n", ciphers);
    }
    ds_destroy(&usual);
}

/* Prints the alarms of a peer or a profile. */
static void
print_alarms(struct printer *p, const struct json *object)
{
    const struct json *alarms = member(object, "alarms");

    for (size_t i = 0; i < json_array_size(alarms); i++) {
        ds_put_format(&p->s, "%s%s", i ? ", " : "    alarms ",
                      json_string(json_array_at(alarms, i)));
    }
    if (json_array_size(alarms)) {
        ds_put_char(&p->s, '\n');
    }
}

static void
print_profiles(struct printer *p, const struct json *profiles)
{
    ds_put_format(&p->s, "profiles:%s\n",
                  json_array_size(profiles) ? "" : " none");
    for (size_t i = 0; i < json_array_size(profiles); i++) {
        const struct json *profile = json_array_at(profiles, i);

        ds_put_format(&p->s, "  profile %"PRId64"\n",
                      json_integer(member(profile, "profile")));
        PRINT_MEMBERS(p, "    ", profile, "error");
        print_alarms(p, profile);
        PRINT_MEMBERS(p, "    ", profile, "fingerprint");
        PRINT_MEMBERS(p, "    ", profile, "certificate", "not_after",
                      "ca_cert", "crl");
        print_ciphers(p, profile);
        PRINT_MEMBERS(p, "    ", profile, "lanes", "rekey_records",
                      "rekey_bytes", "rekey_interval");
    }
}

static void
print_sessions(struct printer *p, const struct json *peer)
{
    const struct json *sessions = member(peer, "sessions");
    const char *known = string_member(peer, "peer_fingerprint");

    for (size_t i = 0; i < json_array_size(sessions); i++) {
        const struct json *session = json_array_at(sessions, i);

        PRINT_MEMBERS(p, "    ", session, "direction", "state", "profile",
                      "lane", "local_ip", "dtls_port", "lane_port", "mtu");
        PRINT_MEMBERS(p, "      ", session, "cipher", "provider", "age_ms",
                      "records", "bytes", "failed");
        if (p->all || !nullable_string_is_equal(
                string_member(session, "peer_fingerprint"), known)) {
            PRINT_MEMBERS(p, "      ", session, "peer_fingerprint");
        }
    }
}

static const char *
peer_state(const struct json *peer)
{
    const char *state = string_member(peer, "state");

    return state ? state : "idle";
}

static void
print_peer(struct printer *p, const struct json *peer)
{
    const struct json *statistics = member(peer, "statistics");
    const char *name = string_member(peer, "name");

    ds_put_format(&p->s, "  remote_ip %s",
                  json_string(member(peer, "remote_ip")));
    if (name) {
        ds_put_format(&p->s, ", name %s", name);
    }
    ds_put_format(&p->s, ", state %s\n", peer_state(peer));
    PRINT_MEMBERS(p, "    ", peer, "last_error");
    print_alarms(p, peer);
    PRINT_MEMBERS(p, "    ", peer, "n_fingerprints", "peer_fingerprint");
    print_members(p, "    ", statistics, vnetenc_peer_counter_names, 5);
    print_members(p, "    ", statistics, vnetenc_peer_counter_names + 5,
                  VNETENC_N_PEER_COUNTERS - 5);
    print_sessions(p, peer);
}

/* Returns the rank of a peer's state, 0 for a peer without a session. */
static unsigned int
peer_rank(const struct json *peer)
{
    return vnetenc_status_rank(string_member(peer, "state"));
}

/* The order in which peers are printed, highest first: those that are not up,
 * those with an error or an alarm, those that are up, those that are idle. */
enum { MAX_URGENCY = 3 * VNETENC_N_STATES };

static unsigned int
peer_urgency(const struct json *peer)
{
    unsigned int rank = peer_rank(peer);

    if (rank > 1) {
        return 2 * VNETENC_N_STATES + rank;
    }
    return rank + (member(peer, "last_error")
                   || json_array_size(member(peer, "alarms"))
                   ? VNETENC_N_STATES : 0);
}

/* Prints the number of peers in each state, as "1 lost, 2 up, 5 idle". */
static void
print_states(struct printer *p, const struct json *peers)
{
    const char *separator = " ";

    for (int rank = VNETENC_N_STATES; rank >= 0; rank--) {
        const char *state = NULL;
        size_t n = 0;

        for (size_t i = 0; i < json_array_size(peers); i++) {
            if (peer_rank(json_array_at(peers, i)) == rank) {
                state = peer_state(json_array_at(peers, i));
                n++;
            }
        }
        if (n) {
            ds_put_format(&p->s, "%s%"PRIuSIZE" %s", separator, n, state);
            separator = ", ";
        }
    }
}

static void
print_peers(struct printer *p, const struct json *peers)
{
    for (int urgency = MAX_URGENCY; urgency >= 0; urgency--) {
        for (size_t i = 0; i < json_array_size(peers); i++) {
            const struct json *peer = json_array_at(peers, i);

            if (peer_urgency(peer) == urgency) {
                print_peer(p, peer);
            }
        }
    }
}

static void
print_drops(struct printer *p, const struct json *drops)
{
    bool any = false;

    ds_put_cstr(&p->s, "drops:");
    for (int i = VNETENC_KEEP + 1; i < VNETENC_N_DROPS; i++) {
        int64_t n = json_integer(member(drops, vnetenc_drop_name(i)));

        if (n || p->all) {
            ds_put_format(&p->s, "%s  %-20s %10"PRId64"  %s\n",
                          any ? "" : "\n", vnetenc_drop_name(i), n,
                          vnetenc_drop_text(i));
            any = true;
        }
    }
    ds_put_cstr(&p->s, any ? "" : " none\n");
}

/* Prints everything, the most important first. */
static void
print(struct printer *p, const struct json *everything)
{
    const char *obstacle = string_member(everything, "encryption_off");
    const char *keylog = string_member(everything, "keylog");
    const char *module = string_member(everything, "fips_module");
    const struct json *peers = member(everything, "peers");

    if (obstacle) {
        ds_put_format(&p->s, "encryption: OFF, %s\n", obstacle);
    }
    if (keylog) {
        ds_put_format(&p->s, "key log: ON, %s\n", keylog);
    } else if (p->all) {
        ds_put_cstr(&p->s, "key log: off\n");
    }
    if (module) {
        ds_put_format(&p->s, "FIPS module: %s\n", module);
    }
    ds_put_cstr(&p->s, "peers:");
    print_states(p, peers);
    ds_put_cstr(&p->s, json_array_size(peers) ? "\n" : " none\n");
    print_peers(p, peers);
    print_drops(p, member(everything, "drops"));
    print_profiles(p, member(everything, "profiles"));
    print_workers(p, everything);
    print_devices(p, member(everything, "devices"));
    PRINT_MEMBERS(p, "providers: ", member(everything, "providers"),
                  "aes256-gcm", "aes128-gcm", "chacha20-poly1305");
    PRINT_MEMBERS(p, "dtls ports: ", member(everything, "dtls_ports"),
                  "geneve", "vxlan");
}

char *
vnetenc_show_text(const struct json *everything, bool all)
{
    struct printer p = { DS_EMPTY_INITIALIZER, all };

    print(&p, everything);
    return ds_steal_cstr(&p.s);
}

char *
vnetenc_show_text_peers(const struct json *everything, bool all)
{
    struct printer p = { DS_EMPTY_INITIALIZER, all };

    print_peers(&p, member(everything, "peers"));
    return ds_steal_cstr(&p.s);
}
