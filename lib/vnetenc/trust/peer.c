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
#include "connectivity.h"
#include "hash.h"
#include "packets.h"
#include "seq.h"
#include "util.h"
#include "vnetenc/bridge/gate.h"
#include "vnetenc/trust/config.h"
#include "vnetenc/trust/profile.h"

enum { FAILURE_MS = 5000 };

static struct hmap remotes = HMAP_INITIALIZER(&remotes);

static uint32_t
hash_address(const struct in6_addr *address)
{
    return hash_bytes(address, sizeof *address, 0);
}

struct vnetenc_peer *
vnetenc_peer_find(const struct in6_addr *address)
{
    struct vnetenc_peer *remote;

    HMAP_FOR_EACH_WITH_HASH (remote, node, hash_address(address), &remotes) {
        if (ipv6_addr_equals(&remote->trust.remote_ip, address)) {
            return remote;
        }
    }
    return NULL;
}

const struct hmap *
vnetenc_peers(void)
{
    return &remotes;
}

void
vnetenc_peer_set_error(struct vnetenc_peer *remote,
                         enum vnetenc_direction direction, char *error)
{
    if (nullable_string_is_equal(remote->errors[direction], error)) {
        free(error);
        return;
    }
    seq_change(connectivity_seq_get());
    free(remote->errors[direction]);
    remote->errors[direction] = error;
}

void
vnetenc_peer_stranger_failed(struct vnetenc_peer *remote,
                               const char *reason, long long int now)
{
    if (now >= remote->failed_at + FAILURE_MS) {
        remote->failed_at = now;
        vnetenc_peer_set_error(remote, VNETENC_IN, xstrdup(reason));
    }
}

const char *
vnetenc_peer_error(const struct vnetenc_peer *remote)
{
    return (remote->config_error ? remote->config_error
            : remote->errors[VNETENC_OUT] ? remote->errors[VNETENC_OUT]
            : remote->errors[VNETENC_IN]);
}

static struct vnetenc_cred *
lookup_cred(void *aux OVS_UNUSED, uint8_t profile)
{
    return vnetenc_profile_get(profile)->cred;
}

static const struct vnetenc_trust *
lookup_trust(void *aux OVS_UNUSED, const struct in6_addr *address)
{
    const struct vnetenc_peer *remote = vnetenc_peer_find(address);

    return remote ? &remote->trust : NULL;
}

const struct vnetenc_lookup vnetenc_peer_lookup = {
    .cred = lookup_cred,
    .trust = lookup_trust,
};

static struct vnetenc_peer *
remote_create(const struct in6_addr *address)
{
    struct vnetenc_peer *remote = xzalloc(sizeof *remote);

    remote->trust.remote_ip = *address;
    remote->failed_at = LLONG_MIN / 2;
    remote->gate = vnetenc_gate_add(address);
    hmap_insert(&remotes, &remote->node, hash_address(address));
    return remote;
}

static void
remote_destroy(struct vnetenc_peer *remote)
{
    hmap_remove(&remotes, &remote->node);
    vnetenc_gate_remove(remote->gate);
    free(remote->trust.name);
    free(remote->trust.pins);
    free(remote->config_error);
    for (int i = 0; i < VNETENC_N_DIRECTIONS; i++) {
        free(remote->errors[i]);
    }
    free(remote->suite);
    free(remote);
}

static bool
same_trust(const struct vnetenc_trust *trust,
           const struct vnetenc_peer_config *config)
{
    return (nullable_string_is_equal(trust->name, config->name)
            && trust->n_pins == config->n_pins
            && (!config->n_pins
                || !memcmp(trust->pins, config->pins,
                           config->n_pins * sizeof *config->pins)));
}

static bool
configure_one(const struct vnetenc_peer_config *config)
{
    struct vnetenc_peer *remote = vnetenc_peer_find(&config->remote);
    bool is_new = !remote;

    if (is_new) {
        remote = remote_create(&config->remote);
    }
    remote->configured = true;
    remote->mtu = config->mtu;
    remote->no_split = config->no_split;
    if (!nullable_string_is_equal(remote->config_error, config->error)) {
        free(remote->config_error);
        remote->config_error = nullable_xstrdup(config->error);
        seq_change(connectivity_seq_get());
    }
    if ((config->refused && !is_new) || same_trust(&remote->trust, config)) {
        return false;
    }
    free(remote->trust.name);
    free(remote->trust.pins);
    remote->trust.name = nullable_xstrdup(config->name);
    remote->trust.pins = (config->n_pins
                          ? xmemdup(config->pins,
                                    config->n_pins * sizeof *config->pins)
                          : NULL);
    remote->trust.n_pins = config->n_pins;
    return true;
}

bool
vnetenc_peers_configure(const struct vnetenc_config *config,
                          void (*ended)(struct vnetenc_peer *))
{
    struct vnetenc_peer *remote;
    bool changed = false;

    HMAP_FOR_EACH (remote, node, &remotes) {
        remote->configured = false;
    }
    for (size_t i = 0; i < config->n_peers; i++) {
        changed |= configure_one(&config->peers[i]);
    }
    HMAP_FOR_EACH_SAFE (remote, node, &remotes) {
        if (!remote->configured) {
            ended(remote);
            remote_destroy(remote);
        }
    }
    return changed;
}

void
vnetenc_peers_destroy(void)
{
    struct vnetenc_peer *remote;

    HMAP_FOR_EACH_SAFE (remote, node, &remotes) {
        remote_destroy(remote);
    }
}
