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
#include <limits.h>

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

/* Adds an error for each option whose name begins as those of our options do
 * but is not one of them.  Returns true if such an option may have been meant
 * to set the mode, that is, if its value is neither a number nor "off". */
static bool
add_unknown_options(const struct smap *options, struct ds *errors)
{
    const struct smap_node *node;
    bool mode = false;

    SMAP_FOR_EACH (node, options) {
        unsigned int value;

        if (strncasecmp(node->key, "enc", 3)
            || !strcmp(node->key, "encryption")
            || !strcmp(node->key, "encryption_profile")) {
            continue;
        }
        add_error(errors, node->key, xstrdup("unknown; there are encryption "
                                             "and encryption_profile"));
        mode |= (strcmp(node->value, "off")
                 && !vnetenc_mode_parse_uint(node->value, UINT_MAX, &value));
    }
    return mode;
}

char *
vnetenc_port_set_config(const char *type, const struct smap *options,
                        const struct netdev_tunnel_config *old,
                        struct netdev_tunnel_config *cfg)
{
    const char *mode = smap_get(options, "encryption");
    const char *profile = smap_get(options, "encryption_profile");
    struct ds errors = DS_EMPTY_INITIALIZER;
    char *error;

    if (cfg->dst_port && vnetenc_tunnel_is_dtls(cfg->dst_port)) {
        add_error(&errors, "dst_port",
                  xasprintf("%"PRIu16" is the port of encrypted tunnels; "
                            "restart ovs-vswitchd to have a plain tunnel "
                            "there, and none that is encrypted",
                            ntohs(cfg->dst_port)));
        cfg->dst_port = old->dst_port;
    }

    bool no_mode = add_unknown_options(options, &errors) && !mode;
    error = mode ? vnetenc_mode_parse(mode, &cfg->enc_mode) : NULL;
    if (error) {
        add_error(&errors, "encryption", error);
        no_mode = true;
    }
    if (no_mode) {
        cfg->enc_mode = old->enc_mode ? old->enc_mode : VNETENC_REQUIRE;
    }
    error = (profile
             ? vnetenc_mode_parse_profile(profile, &cfg->enc_profile) : NULL);
    if (error) {
        add_error(&errors, "encryption_profile", error);
        cfg->enc_profile = old->enc_profile;
    }

    if (cfg->enc_mode && vnetenc_tunnels_obstacle()) {
        add_error(&errors, "encryption", xstrdup(vnetenc_tunnels_obstacle()));
    } else if (cfg->enc_mode
               && !vnetenc_tunnel_dtls_port(type, cfg->dst_port)) {
        add_error(&errors, "encryption",
                  xasprintf("only geneve and vxlan ports with the default "
                            "dst_port can be encrypted, not %s with %"PRIu16,
                            type, ntohs(cfg->dst_port)));
        if (vnetenc_tunnel_dtls_port(type, old->dst_port)) {
            cfg->dst_port = old->dst_port;
        }
    }
    return errors.length ? ds_steal_cstr(&errors) : NULL;
}

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

bool
vnetenc_port_is_configured(const struct netdev_tunnel_config *cfg)
{
    return cfg->ip_dst_flow || ipv6_addr_is_set(&cfg->ipv6_dst);
}

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
