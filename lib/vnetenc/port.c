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
#include "vnetenc/port.h"

#include <inttypes.h>

#include "netdev.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "smap.h"
#include "util.h"
#include "vnetenc/bridge/tunnel.h"
#include "vnetenc/mode.h"

/* Adds 'error', which it frees, to 'errors'. */
static void
add_error(struct ds *errors, const char *key, char *error)
{
    ds_put_format(errors, "%soptions:%s: %s", errors->length ? "; " : "", key,
                  error);
    free(error);
}

/* Sets the encryption of a tunnel port of the given 'type' from 'options',
 * where 'cfg' has the port's UDP destination port already and 'old' is what
 * the port worked with until now.
 *
 * Returns NULL if successful, otherwise an error message that the caller must
 * free.  In that case a port in use, see vnetenc_port_is_configured(), must go
 * on with 'cfg', which is safe: what was refused is as in 'old', and a mode
 * that cannot be read is VNETENC_REQUIRE if there was no demand.  A new port
 * must not come up. */
char *
vnetenc_port_set_config(const char *type, const struct smap *options,
                        const struct netdev_tunnel_config *old,
                        struct netdev_tunnel_config *cfg)
{
    const char *mode = smap_get(options, "encryption");
    const char *profile = smap_get(options, "encryption_profile");
    struct ds errors = DS_EMPTY_INITIALIZER;
    char *error;

    if (cfg->dst_port && vnetenc_is_port(cfg->dst_port)) {
        add_error(&errors, "dst_port",
                  xasprintf("%"PRIu16" is the port of encrypted tunnels",
                            ntohs(cfg->dst_port)));
        cfg->dst_port = old->dst_port;
    }

    error = mode ? vnetenc_parse_port_mode(mode, &cfg->enc_mode) : NULL;
    if (error) {
        add_error(&errors, "encryption", error);
        cfg->enc_mode = old->enc_mode ? old->enc_mode : VNETENC_REQUIRE;
    }
    error = profile ? vnetenc_parse_profile(profile, &cfg->enc_profile) : NULL;
    if (error) {
        add_error(&errors, "encryption_profile", error);
        cfg->enc_profile = old->enc_profile;
    }

    if (cfg->enc_mode && !vnetenc_port(type, cfg->dst_port)) {
        add_error(&errors, "encryption",
                  xasprintf("only geneve and vxlan ports with the default "
                            "dst_port can be encrypted, not %s with %"PRIu16,
                            type, ntohs(cfg->dst_port)));
        if (vnetenc_port(type, old->dst_port)) {
            cfg->dst_port = old->dst_port;
        }
    }
    return errors.length ? ds_steal_cstr(&errors) : NULL;
}

/* Returns what is wrong with the 'options' of 'netdev', which are in force as
 * far as they are sound: NULL, or an error message that the caller must
 * free. */
char *
vnetenc_port_get_error(const struct netdev *netdev, const struct smap *options)
{
    const struct netdev_tunnel_config *now = netdev_get_tunnel_config(netdev);
    struct netdev_tunnel_config cfg;

    if (!now) {
        return NULL;
    }
    cfg = *now;
    cfg.dst_port = htons(smap_get_uint(options, "dst_port",
                                       ntohs(now->dst_port)));
    return vnetenc_port_set_config(netdev_get_type(netdev), options, now,
                                   &cfg);
}

/* Returns true if 'cfg' is what a tunnel port works with, rather than one that
 * was just made. */
bool
vnetenc_port_is_configured(const struct netdev_tunnel_config *cfg)
{
    return cfg->ip_dst_flow || ipv6_addr_is_set(&cfg->ipv6_dst);
}

/* Adds to 'options' what vnetenc_port_set_config() made of them. */
void
vnetenc_port_get_config(const struct netdev_tunnel_config *cfg,
                        struct smap *options)
{
    if (cfg->enc_mode) {
        smap_add(options, "encryption",
                 vnetenc_mode_to_string(cfg->enc_mode));
    }
    if (cfg->enc_profile) {
        smap_add_format(options, "encryption_profile", "%"PRIu8,
                        cfg->enc_profile);
    }
}
