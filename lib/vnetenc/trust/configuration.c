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
#include "vnetenc/trust/configuration.h"
#include <string.h>
#include "bitmap.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/trust/cert.h"
#include "vnetenc/trust/failures.h"

/* Replaces a fingerprint that must not be trusted.  No certificate has this
 * one, so a bad value can only refuse a peer, even one that a CA would
 * accept. */
static const uint8_t no_pin[VNETENC_FINGERPRINT_BYTES];

/* Replaces the error in the row of 'peer' by 'error' and takes ownership of
 * it. */
static void
set_error(struct vnetenc_config_peer *peer, char *error)
{
    free(peer->error);
    peer->error = error;
}

/* Appends 'error', which it frees, to the error in the row of 'peer'. */
static void
add_error(struct vnetenc_config_peer *peer, char *error)
{
    if (peer->error) {
        char *both = xasprintf("%s; %s", peer->error, error);

        free(error);
        error = both;
    } else {
        char *named = vnetenc_failure_text(VNETENC_FAILURE_bad_value, "%s",
                                           error);

        free(error);
        error = named;
    }
    set_error(peer, error);
}

void
vnetenc_config_peer_set_mtu(struct vnetenc_config_peer *peer, const char *mtu)
{
    if (mtu && (mtu[strspn(mtu, "0123456789")]
                || !str_to_uint(mtu, 10, &peer->mtu)
                || peer->mtu < VNETENC_MIN_MTU || peer->mtu > UINT16_MAX)) {
        peer->mtu = 0;
        add_error(peer, xasprintf("other_config:mtu: \"%s\" is not an integer "
                                  "from %d to %d", mtu, VNETENC_MIN_MTU,
                                  UINT16_MAX));
    }
}

void
vnetenc_config_peer_set_split(struct vnetenc_config_peer *peer,
                              const char *split)
{
    peer->no_split = split && !strcmp(split, "false");
    if (split && !peer->no_split && strcmp(split, "true")) {
        add_error(peer, xasprintf("other_config:split: \"%s\" is neither "
                                  "\"true\" nor \"false\"", split));
    }
}

void
vnetenc_config_peer_set_pins(struct vnetenc_config_peer *peer,
                             char *const *fingerprints, size_t n)
{
    if (!n) {
        return;
    }
    peer->pins = xcalloc(n, sizeof *peer->pins);
    peer->n_pins = n;
    for (size_t i = 0; i < n; i++) {
        char *error = vnetenc_cert_fingerprint_parse(fingerprints[i],
                                                     peer->pins[i]);

        if (error) {
            memcpy(peer->pins[i], no_pin, sizeof no_pin);
            add_error(peer, xasprintf("fingerprints: %s", error));
            peer->refused = true;
            free(error);
        }
    }
}

void
vnetenc_config_peer_set_profiles(struct vnetenc_config_peer *peer,
                                 const int64_t *profiles, size_t n)
{
    if (!n) {
        return;
    }
    peer->profiles = bitmap_allocate(VNETENC_N_PROFILES);
    for (size_t i = 0; i < n; i++) {
        if (profiles[i] >= 0 && profiles[i] < VNETENC_N_PROFILES) {
            bitmap_set1(peer->profiles, profiles[i]);
        }
    }
}

void
vnetenc_config_profile_init(struct vnetenc_config_profile *profile, uint8_t id)
{
    memset(profile, 0, sizeof *profile);
    profile->id = id;
    profile->strength = VNETENC_SECURITY_BITS;
    profile->n_lanes = VNETENC_DEFAULT_LANES;
    profile->rekey_records = VNETENC_REKEY_RECORDS;
    profile->rekey_bytes = VNETENC_REKEY_BYTES;
    profile->rekey_s = VNETENC_REKEY_S;
}

void
vnetenc_config_fingerprints_copy(
    struct vnetenc_config_fingerprints *dst,
    const struct vnetenc_config_fingerprints *src)
{
    dst->n = src->n;
    dst->f = src->n ? xmemdup(src->f, src->n * sizeof *src->f) : NULL;
}

bool
vnetenc_config_fingerprints_equal(
    const struct vnetenc_config_fingerprints *a,
    const struct vnetenc_config_fingerprints *b)
{
    return (a->n == b->n
            && (!a->n || !memcmp(a->f, b->f, a->n * sizeof *a->f)));
}

bool
vnetenc_config_fingerprints_have(
    const struct vnetenc_config_fingerprints *set,
    const uint8_t fingerprint[VNETENC_FINGERPRINT_BYTES])
{
    for (size_t i = 0; i < set->n; i++) {
        if (!memcmp(set->f[i], fingerprint, sizeof *set->f)) {
            return true;
        }
    }
    return false;
}

void
vnetenc_config_profile_take(struct vnetenc_config_profile *profile,
                            struct vnetenc_config_fingerprints *set,
                            const char *column,
                            char *const *fingerprints, size_t n)
{
    set->f = n ? xcalloc(n, sizeof *set->f) : NULL;
    for (size_t i = 0; i < n; i++) {
        char *error = vnetenc_cert_fingerprint_parse(fingerprints[i],
                                                     set->f[set->n]);

        if (!error) {
            set->n++;
        } else if (!profile->error) {
            profile->error = xasprintf("%s: %s", column, error);
        }
        free(error);
    }
}

void
vnetenc_config_profile_copy(struct vnetenc_config_profile *dst,
                            const struct vnetenc_config_profile *src)
{
    *dst = *src;
    dst->ciphers = nullable_xstrdup(src->ciphers);
    dst->certificate = nullable_xstrdup(src->certificate);
    dst->private_key = nullable_xstrdup(src->private_key);
    dst->ca_cert = nullable_xstrdup(src->ca_cert);
    dst->crl = nullable_xstrdup(src->crl);
    vnetenc_config_fingerprints_copy(&dst->certificates, &src->certificates);
    vnetenc_config_fingerprints_copy(&dst->revoked, &src->revoked);
    dst->error = nullable_xstrdup(src->error);
}

void
vnetenc_config_profile_uninit(struct vnetenc_config_profile *profile)
{
    free(profile->ciphers);
    free(profile->certificate);
    free(profile->private_key);
    free(profile->ca_cert);
    free(profile->crl);
    free(profile->certificates.f);
    free(profile->revoked.f);
    free(profile->error);
}

bool
vnetenc_config_profile_same_cred(const struct vnetenc_config_profile *a,
                                 const struct vnetenc_config_profile *b)
{
    return (nullable_string_is_equal(a->ciphers, b->ciphers)
            && nullable_string_is_equal(a->certificate, b->certificate)
            && nullable_string_is_equal(a->private_key, b->private_key)
            && nullable_string_is_equal(a->ca_cert, b->ca_cert)
            && nullable_string_is_equal(a->crl, b->crl)
            && vnetenc_config_fingerprints_equal(&a->certificates,
                                                 &b->certificates)
            && vnetenc_config_fingerprints_equal(&a->revoked, &b->revoked)
            && a->strength == b->strength
            && nullable_string_is_equal(a->error, b->error));
}

static int
compare_peers(const void *a_, const void *b_)
{
    const struct vnetenc_config_peer *a = a_, *b = b_;

    return memcmp(&a->remote, &b->remote, sizeof a->remote);
}

/* The peer may speak under no profile, whatever certificate it has. */
static void
distrust(struct vnetenc_config_peer *peer, char *error)
{
    set_error(peer, error);
    free(peer->profiles);
    peer->profiles = bitmap_allocate(VNETENC_N_PROFILES);
    peer->refused = false;
    free(peer->pins);
    peer->pins = xmemdup(no_pin, sizeof no_pin);
    peer->n_pins = 1;
}

static void
peer_uninit(struct vnetenc_config_peer *peer)
{
    free(peer->name);
    free(peer->pins);
    free(peer->profiles);
    free(peer->error);
}

/* Two rows may spell one address in different ways. */
void
vnetenc_config_merge_peers(struct vnetenc_config *config)
{
    size_t n = 0;

    if (!config->n_peers) {
        return;
    }
    qsort(config->peers, config->n_peers, sizeof *config->peers,
          compare_peers);
    for (size_t i = 0; i < config->n_peers; i++) {
        struct vnetenc_config_peer *peer = &config->peers[i];

        if (n && !compare_peers(&config->peers[n - 1], peer)) {
            distrust(&config->peers[n - 1],
                     vnetenc_failure_text(VNETENC_FAILURE_bad_value,
                                          "remote_ip: more than one record "
                                          "has this address"));
            peer_uninit(peer);
        } else {
            config->peers[n++] = *peer;
        }
    }
    config->n_peers = n;
}

void
vnetenc_config_destroy(struct vnetenc_config *config)
{
    if (!config) {
        return;
    }
    for (size_t i = 0; i < config->n_peers; i++) {
        peer_uninit(&config->peers[i]);
    }
    for (size_t i = 0; i < config->n_profiles; i++) {
        vnetenc_config_profile_uninit(&config->profiles[i]);
    }
    free(config->directory);
    free(config->peers);
    free(config->profiles);
    free(config->vnis);
    free(config);
}

bool
vnetenc_config_unlisted_parse(const char *s, bool *drop)
{
    bool is_drop = s && !strcmp(s, "drop");

    if (s && !is_drop && strcmp(s, "pass")) {
        return false;
    }
    *drop = is_drop;
    return true;
}

bool
vnetenc_config_address_parse(const char *s, struct in6_addr *address)
{
    ovs_be32 ip4;

    if (ip_parse(s, &ip4)) {
        in6_addr_set_mapped_ipv4(address, ip4);
        return true;
    }
    return ipv6_parse(s, address);
}
