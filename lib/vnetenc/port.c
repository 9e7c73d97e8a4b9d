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
#include "packets.h"
#include "smap.h"
#include "util.h"
#include "vnetenc/bridge/tunnel.h"
#include "vnetenc/mode.h"

/* Returns 'error', which it frees, with the option that it is about. */
static char *
name_key(const char *key, char *error)
{
    char *s = xasprintf("options:%s: %s", key, error);

    free(error);
    return s;
}

/* Sets the encryption of a tunnel port of the given 'type' from 'options',
 * where 'cfg' has the port's UDP destination port already.
 *
 * Returns NULL if successful, otherwise an error message that the caller must
 * free.  In that case the port must keep its previous configuration, see
 * vnetenc_port_is_configured(). */
char *
vnetenc_port_set_config(const char *type, const struct smap *options,
                        struct netdev_tunnel_config *cfg)
{
    const char *mode = smap_get(options, "encryption");
    const char *profile = smap_get(options, "encryption_profile");
    char *error;

    if (cfg->dst_port && vnetenc_is_port(cfg->dst_port)) {
        return xasprintf("dst_port %"PRIu16" is the port of encrypted "
                         "tunnels", ntohs(cfg->dst_port));
    }

    if (mode) {
        error = vnetenc_parse_port_mode(mode, &cfg->enc_mode);
        if (error) {
            return name_key("encryption", error);
        }
    }
    if (profile) {
        error = vnetenc_parse_profile(profile, &cfg->enc_profile);
        if (error) {
            return name_key("encryption_profile", error);
        }
    }
    if (cfg->enc_mode && !vnetenc_port(type, cfg->dst_port)) {
        return xstrdup("encryption is for geneve and vxlan ports with the "
                       "default dst_port only");
    }
    return NULL;
}

/* Returns true if 'cfg' is what a tunnel port works with, rather than one that
 * was just made.  A bad option must leave the former as it is and keep the
 * latter from coming up, since that would send in clear. */
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
