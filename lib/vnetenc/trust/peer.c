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
#include "vnetenc/trust/peer.h"
#include <limits.h>
#include <string.h>
#include "bitmap.h"
#include "connectivity.h"
#include "hash.h"
#include "packets.h"
#include "seq.h"
#include "util.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/trust/configuration.h"
#include "vnetenc/trust/failures.h"
#include "vnetenc/trust/profile.h"

static struct hmap peers = HMAP_INITIALIZER(&peers);

/* Only its counters are used. */
static struct vnetenc_peer removed;

static bool members_changed;    /* Of some peer. */

/* The newest serial number of all peers. */
static unsigned int last_serial;

static uint32_t
hash_address(const struct in6_addr *address)
{
    return hash_bytes(address, sizeof *address, 0);
}

struct vnetenc_peer *
vnetenc_peer_find(const struct in6_addr *address)
{
    struct vnetenc_peer *peer;

    HMAP_FOR_EACH_WITH_HASH (peer, node, hash_address(address), &peers) {
        if (ipv6_addr_equals(&peer->trust.remote_ip, address)) {
            return peer;
        }
    }
    return NULL;
}

const struct hmap *
vnetenc_peers(void)
{
    return &peers;
}

const struct vnetenc_peer *
vnetenc_peers_removed(void)
{
    return &removed;
}

/* Replaces '*errorp' by 'error', of which it takes ownership.  Tells the main
 * thread if the text changes. */
static void
replace_error(char **errorp, char *error)
{
    if (nullable_string_is_equal(*errorp, error)) {
        free(error);
        return;
    }
    seq_change(connectivity_seq_get());
    free(*errorp);
    *errorp = error;
}

void
vnetenc_peer_set_error(struct vnetenc_peer *peer,
                       enum vnetenc_direction direction, char *error)
{
    replace_error(&peer->errors[direction], error);
}

void
vnetenc_peer_lane_failed(struct vnetenc_peer *peer,
                         struct vnetenc_peer_lane_error *lane_error,
                         char *error)
{
    const struct vnetenc_peer_lane_error *newest;

    if (nullable_string_is_equal(lane_error->text, error)) {
        free(error);
        return;
    }
    if (lane_error->text) {
        ovs_list_remove(&lane_error->node);
        free(lane_error->text);
    }
    lane_error->text = error;
    if (error) {
        ovs_list_push_front(&peer->lane_errors, &lane_error->node);
    }
    newest = (ovs_list_is_empty(&peer->lane_errors) ? NULL
              : CONTAINER_OF(ovs_list_front(&peer->lane_errors),
                             struct vnetenc_peer_lane_error, node));
    vnetenc_peer_set_error(peer, VNETENC_OUT,
                           newest ? xstrdup(newest->text) : NULL);
}

void
vnetenc_peer_stranger_failed(struct vnetenc_peer *peer, const char *reason,
                             long long int since, long long int now)
{
    if (since >= peer->shaken_at
        && now >= peer->failed_at + VNETENC_FAILURE_MS) {
        peer->failed_at = now;
        vnetenc_peer_set_error(peer, VNETENC_IN, xstrdup(reason));
    }
}

void
vnetenc_peer_has_shaken(struct vnetenc_peer *peer, long long int now)
{
    peer->shaken_at = now;
    vnetenc_peer_set_error(peer, VNETENC_IN, NULL);
}

void
vnetenc_peer_has_session(struct vnetenc_peer *peer, long long int now)
{
    if (now >= peer->failed_at + VNETENC_ERROR_MS) {
        vnetenc_peer_set_error(peer, VNETENC_IN, NULL);
    }
}

void
vnetenc_peer_set_door_error(struct vnetenc_peer *peer,
                            const struct in6_addr *local, ovs_be16 dtls_port,
                            char *error)
{
    if (error) {
        peer->door_local = *local;
        peer->door_port = dtls_port;
    } else if (!ipv6_addr_equals(&peer->door_local, local)
               || peer->door_port != dtls_port) {
        return;
    }
    replace_error(&peer->door_error, error);
}

bool
vnetenc_peer_is_refused(const struct vnetenc_peer *peer)
{
    const struct vnetenc_peer_lane_error *error;

    LIST_FOR_EACH (error, node, &peer->lane_errors) {
        if (vnetenc_failure_is_refusal(error->text)) {
            return true;
        }
    }
    return (vnetenc_failure_is_refusal(peer->errors[VNETENC_OUT])
            || vnetenc_failure_is_refusal(peer->errors[VNETENC_IN]));
}

const char *
vnetenc_peer_error(const struct vnetenc_peer *peer)
{
    return (peer->config_error ? peer->config_error
            : peer->errors[VNETENC_OUT] ? peer->errors[VNETENC_OUT]
            : peer->door_error ? peer->door_error
            : peer->errors[VNETENC_IN]);
}

struct vnetenc_peer_version
vnetenc_peer_version(const struct vnetenc_peer *peer, uint8_t profile)
{
    return (struct vnetenc_peer_version) {
        .peer = peer->serial,
        .profile = vnetenc_profile_get(profile)->serial,
    };
}

bool
vnetenc_peer_has_changed(const struct vnetenc_peer *peer, uint8_t profile,
                         const struct vnetenc_peer_version *version)
{
    struct vnetenc_peer_version newest = vnetenc_peer_version(peer, profile);

    return (version->peer != newest.peer
            || version->profile != newest.profile);
}

bool
vnetenc_peer_judge_live(struct vnetenc_peer *peer, uint8_t profile,
                        const struct vnetenc_cert_chain *chain, bool in_full,
                        char **reason)
{
    const struct vnetenc_cred *cred = vnetenc_profile_get(profile)->cred;
    struct vnetenc_peer_accepted *accepted
        = &peer->accepted[profile % VNETENC_ACCEPTED];
    const uint8_t *digest = vnetenc_cert_chain_digest(chain);

    if (!in_full) {
        return vnetenc_trust_judge_pins(&peer->trust, cred, chain, reason);
    }
    if (accepted->profile == profile
        && !vnetenc_peer_has_changed(peer, profile, &accepted->version)
        && !memcmp(accepted->chain, digest, sizeof accepted->chain)) {
        return true;
    }
    if (!vnetenc_trust_judge_live(&peer->trust, cred, chain, reason)) {
        return false;
    }
    accepted->version = vnetenc_peer_version(peer, profile);
    accepted->profile = profile;
    memcpy(accepted->chain, digest, sizeof accepted->chain);
    return true;
}

void
vnetenc_peer_take_rtt(struct vnetenc_peer *peer, const struct vnetenc_rtt *rtt)
{
    if (rtt->known) {
        vnetenc_rtt_guess(&peer->rtt, rtt->smoothed_us / 1000);
    }
}

static struct vnetenc_cred *
lookup_cred(void *aux OVS_UNUSED, uint8_t profile)
{
    return vnetenc_profile_get(profile)->cred;
}

static char *
lookup_why_no_cred(void *aux OVS_UNUSED, uint8_t profile)
{
    const char *error = vnetenc_profile_get(profile)->error;

    return (error
            ? vnetenc_failure_text(VNETENC_FAILURE_no_credential,
                                   "no credentials for profile %"PRIu8": %s",
                                   profile, error)
            : vnetenc_failure_text(VNETENC_FAILURE_no_credential,
                                   "no credentials for profile %"PRIu8": no "
                                   "record of table VNetEnc_Profile has "
                                   "id=%"PRIu8, profile, profile));
}

static const struct vnetenc_trust *
lookup_trust(void *aux OVS_UNUSED, const struct in6_addr *address)
{
    const struct vnetenc_peer *peer = vnetenc_peer_find(address);

    return peer ? &peer->trust : NULL;
}

static unsigned int
lookup_timer_ms(void *aux OVS_UNUSED, const struct in6_addr *address)
{
    const struct vnetenc_peer *peer = vnetenc_peer_find(address);

    return (peer
            ? vnetenc_rtt_timeout(&peer->rtt, VNETENC_HANDSHAKE_TIMER_MS)
            : VNETENC_HANDSHAKE_TIMER_MS);
}

const struct vnetenc_lookup vnetenc_peer_lookup = {
    .cred = lookup_cred,
    .why_no_cred = lookup_why_no_cred,
    .trust = lookup_trust,
    .timer_ms = lookup_timer_ms,
};

static struct vnetenc_peer *
peer_create(const struct in6_addr *address)
{
    struct vnetenc_peer *peer = xzalloc(sizeof *peer);

    ovs_list_init(&peer->lane_errors);
    peer->trust.remote_ip = *address;
    peer->serial = ++last_serial;
    peer->failed_at = peer->shaken_at = LLONG_MIN / 2;
    peer->gate = vnetenc_gate_add(address);
    hmap_insert(&peers, &peer->node, hash_address(address));
    return peer;
}

static void
peer_add_up(const struct vnetenc_peer *peer)
{
    removed.n_handshakes += peer->n_handshakes;
    removed.n_failures += peer->n_failures;
    removed.n_rekeys += peer->n_rekeys;
    removed.n_lost += peer->n_lost;
    removed.n_hints += peer->n_hints;
    for (int i = 0; i < VNETENC_N_DIRECTIONS; i++) {
        removed.ended[i].n_records += peer->ended[i].n_records;
        removed.ended[i].n_bytes += peer->ended[i].n_bytes;
    }
    removed.n_forged += peer->n_forged;
    removed.n_dropped += peer->n_dropped;
    removed.n_clear += peer->n_clear;
    removed.n_split += peer->n_split;
}

static void
peer_destroy(struct vnetenc_peer *peer)
{
    peer_add_up(peer);
    hmap_remove(&peers, &peer->node);
    vnetenc_gate_remove(peer->gate);
    free(peer->trust.name);
    free(peer->trust.pins);
    free(peer->trust.profiles);
    free(peer->config_error);
    for (int i = 0; i < VNETENC_N_DIRECTIONS; i++) {
        free(peer->errors[i]);
    }
    free(peer->door_error);
    free(peer->suite);
    free(peer);
}

static bool
same_trust(const struct vnetenc_trust *trust,
           const struct vnetenc_config_peer *config)
{
    return (nullable_string_is_equal(trust->name, config->name)
            && trust->n_pins == config->n_pins
            && (!config->n_pins
                || !memcmp(trust->pins, config->pins,
                           config->n_pins * sizeof *config->pins)));
}

static bool
same_profiles(const unsigned long *a, const unsigned long *b)
{
    return a && b ? bitmap_equal(a, b, VNETENC_N_PROFILES) : a == b;
}

/* Takes the profiles under which the peer may speak, even from a row with a
 * refused value. */
static void
take_profiles(struct vnetenc_peer *peer,
              const struct vnetenc_config_peer *config)
{
    if (same_profiles(peer->trust.profiles, config->profiles)) {
        return;
    }
    free(peer->trust.profiles);
    peer->trust.profiles = (config->profiles
                            ? bitmap_clone(config->profiles,
                                           VNETENC_N_PROFILES)
                            : NULL);
    peer->members_changed = members_changed = true;
}

bool
vnetenc_peers_members_changed(void)
{
    return members_changed;
}

void
vnetenc_peers_members_done(void)
{
    struct vnetenc_peer *peer;

    HMAP_FOR_EACH (peer, node, &peers) {
        peer->members_changed = false;
    }
    members_changed = false;
}

void
vnetenc_peer_refused_member(struct vnetenc_peer *peer,
                            const struct vnetenc_path_key *path)
{
    bitmap_set1(peer->refused, path->profile);
    peer->refused_path = *path;
}

bool
vnetenc_peer_next_admitted(struct vnetenc_peer *peer,
                           struct vnetenc_path_key *path)
{
    size_t id;

    BITMAP_FOR_EACH_1 (id, VNETENC_N_PROFILES, peer->refused) {
        if (vnetenc_trust_admits(&peer->trust, id)) {
            bitmap_set0(peer->refused, id);
            *path = peer->refused_path;
            path->profile = id;
            return true;
        }
    }
    return false;
}

static bool
configure_one(const struct vnetenc_config_peer *config)
{
    struct vnetenc_peer *peer = vnetenc_peer_find(&config->remote);
    bool is_new = !peer;

    if (is_new) {
        peer = peer_create(&config->remote);
    }
    peer->configured = true;
    peer->mtu = config->mtu;
    peer->no_split = config->no_split;
    if (!nullable_string_is_equal(peer->config_error, config->error)) {
        free(peer->config_error);
        peer->config_error = nullable_xstrdup(config->error);
        seq_change(connectivity_seq_get());
    }
    take_profiles(peer, config);
    if ((config->refused && !is_new) || same_trust(&peer->trust, config)) {
        return false;
    }
    free(peer->trust.name);
    free(peer->trust.pins);
    peer->trust.name = nullable_xstrdup(config->name);
    peer->trust.pins = (config->n_pins
                        ? xmemdup(config->pins,
                                  config->n_pins * sizeof *config->pins)
                        : NULL);
    peer->trust.n_pins = config->n_pins;
    peer->serial = ++last_serial;
    return true;
}

bool
vnetenc_peers_configure(const struct vnetenc_config *config,
                        void (*ended)(struct vnetenc_peer *))
{
    struct vnetenc_peer *peer;
    bool changed = false;

    HMAP_FOR_EACH (peer, node, &peers) {
        peer->configured = false;
    }
    for (size_t i = 0; i < config->n_peers; i++) {
        changed |= configure_one(&config->peers[i]);
    }
    HMAP_FOR_EACH_SAFE (peer, node, &peers) {
        if (!peer->configured) {
            ended(peer);
            peer_destroy(peer);
        }
    }
    return changed;
}

void
vnetenc_peers_destroy(void)
{
    struct vnetenc_peer *peer;

    HMAP_FOR_EACH_SAFE (peer, node, &peers) {
        peer_destroy(peer);
    }
    memset(&removed, 0, sizeof removed);
}
