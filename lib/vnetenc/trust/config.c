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
#include "vnetenc/trust/config.h"
#include <string.h>
#include "packets.h"
#include "util.h"

void
vnetenc_peer_config_uninit(struct vnetenc_peer_config *peer)
{
    free(peer->name);
    free(peer->pins);
    free(peer->error);
}

void
vnetenc_profile_config_init(struct vnetenc_profile_config *profile, uint8_t id)
{
    memset(profile, 0, sizeof *profile);
    profile->id = id;
    profile->n_lanes = VNETENC_DEFAULT_LANES;
    profile->rekey_records = VNETENC_REKEY_RECORDS;
    profile->rekey_bytes = VNETENC_REKEY_BYTES;
    profile->rekey_s = VNETENC_REKEY_S;
}

void
vnetenc_profile_config_copy(struct vnetenc_profile_config *dst,
                            const struct vnetenc_profile_config *src)
{
    *dst = *src;
    dst->ciphers = nullable_xstrdup(src->ciphers);
    dst->certificate = nullable_xstrdup(src->certificate);
    dst->private_key = nullable_xstrdup(src->private_key);
    dst->ca_cert = nullable_xstrdup(src->ca_cert);
    dst->crl = nullable_xstrdup(src->crl);
}

void
vnetenc_profile_config_uninit(struct vnetenc_profile_config *profile)
{
    free(profile->ciphers);
    free(profile->certificate);
    free(profile->private_key);
    free(profile->ca_cert);
    free(profile->crl);
}

bool
vnetenc_profile_config_same_cred(const struct vnetenc_profile_config *a,
                                 const struct vnetenc_profile_config *b)
{
    return (nullable_string_is_equal(a->ciphers, b->ciphers)
            && nullable_string_is_equal(a->certificate, b->certificate)
            && nullable_string_is_equal(a->private_key, b->private_key)
            && nullable_string_is_equal(a->ca_cert, b->ca_cert)
            && nullable_string_is_equal(a->crl, b->crl));
}

void
vnetenc_config_destroy(struct vnetenc_config *config)
{
    if (!config) {
        return;
    }
    for (size_t i = 0; i < config->n_peers; i++) {
        vnetenc_peer_config_uninit(&config->peers[i]);
    }
    for (size_t i = 0; i < config->n_profiles; i++) {
        vnetenc_profile_config_uninit(&config->profiles[i]);
    }
    free(config->directory);
    free(config->peers);
    free(config->profiles);
    free(config->vnis);
    free(config);
}

bool
vnetenc_address_parse(const char *s, struct in6_addr *address)
{
    ovs_be32 ip4;

    if (ip_parse(s, &ip4)) {
        in6_addr_set_mapped_ipv4(address, ip4);
        return true;
    }
    return ipv6_parse(s, address);
}
