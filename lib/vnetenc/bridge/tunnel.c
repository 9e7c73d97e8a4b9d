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
#include "vnetenc/bridge/tunnel.h"

#include <string.h>

#include "openvswitch/vlog.h"
#include "packets.h"
#include "smap.h"
#include "util.h"
#include "vnetenc/bridge/limits.h"
#include "vnetenc/mode.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_tunnel);

/* A tunnel type that can carry records, on its well-known port. */
struct tunnel {
    const char *type;
    const char *key;            /* In other_config. */
    uint16_t plain_port;
    uint16_t default_port;
    uint16_t dtls_port;         /* 0 before vnetenc_init(), then constant. */
};

static struct tunnel tunnels[] = {
    { "geneve", "vnetenc-geneve-port", 6081, VNETENC_GENEVE_PORT, 0 },
    { "vxlan", "vnetenc-vxlan-port", 4789, VNETENC_VXLAN_PORT, 0 },
};

ovs_be16 vnetenc_tunnel_dtls_ports[VNETENC_N_DTLS_PORTS];
BUILD_ASSERT_DECL(ARRAY_SIZE(tunnels) == VNETENC_N_DTLS_PORTS);

/* The port assigned to VXLAN-GPE. */
enum { VXLAN_GPE_PORT = 4790 };

static bool
is_taken(unsigned int port, const struct tunnel *self)
{
    for (size_t i = 0; i < ARRAY_SIZE(tunnels); i++) {
        const struct tunnel *t = &tunnels[i];

        if (port == t->plain_port
            || (t != self && port == t->default_port)
            || (t != self && port == t->dtls_port)) {
            return true;
        }
    }
    return port == VXLAN_GPE_PORT;
}

static uint16_t
choose_port(const struct smap *other_config, const struct tunnel *t)
{
    const char *s = smap_get(other_config, t->key);
    unsigned int port;

    if (!s) {
        return t->default_port;
    }
    if (!vnetenc_mode_parse_uint(s, UINT16_MAX, &port)
        || !port || is_taken(port, t)) {
        VLOG_ERR("other_config:%s: \"%s\" is not a UDP port from 1 to 65535 "
                 "other than 4789, 4790, 6081 and the DTLS port of another "
                 "tunnel type; using %"PRIu16, t->key, s, t->default_port);
        return t->default_port;
    }
    return port;
}

void
vnetenc_tunnels_init(const struct smap *other_config)
{
    for (size_t i = 0; i < ARRAY_SIZE(tunnels); i++) {
        tunnels[i].dtls_port = choose_port(other_config, &tunnels[i]);
        vnetenc_tunnel_dtls_ports[i] = htons(tunnels[i].dtls_port);
    }
}

ovs_be16
vnetenc_tunnel_dtls_port(const char *type, ovs_be16 port)
{
    for (size_t i = 0; i < ARRAY_SIZE(tunnels); i++) {
        const struct tunnel *t = &tunnels[i];

        if (!strcmp(type, t->type) && port == htons(t->plain_port)) {
            return htons(t->dtls_port);
        }
    }
    return 0;
}

bool
vnetenc_tunnel_is_vxlan(ovs_be16 udp_dst)
{
    const struct tunnel *t = &tunnels[ARRAY_SIZE(tunnels) - 1];

    return udp_dst == htons(t->dtls_port ? t->dtls_port : t->default_port);
}
