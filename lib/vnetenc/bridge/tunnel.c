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
#include "vnetenc/base/limits.h"
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
    { "geneve", "vnetenc-geneve-port", VNETENC_CLEAR_GENEVE_PORT,
      VNETENC_GENEVE_PORT, 0 },
    { "vxlan", "vnetenc-vxlan-port", VNETENC_CLEAR_VXLAN_PORT,
      VNETENC_VXLAN_PORT, 0 },
};

ATOMIC(ovs_be16) vnetenc_tunnel_dtls_ports[VNETENC_N_DTLS_PORTS];
BUILD_ASSERT_DECL(ARRAY_SIZE(tunnels) == VNETENC_N_DTLS_PORTS);

/* Why no tunnel can be encrypted, or NULL.  Never freed. */
static ATOMIC(const char *) obstacle;

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
    return (port == VXLAN_GPE_PORT
            || (port >= VNETENC_KERNEL_FIRST_PORT
                && port <= VNETENC_KERNEL_LAST_PORT));
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
                 "other than 4789, 4790, 6081, %d to %d and the DTLS port of "
                 "another tunnel type; using %"PRIu16, t->key, s,
                 VNETENC_KERNEL_FIRST_PORT, VNETENC_KERNEL_LAST_PORT,
                 t->default_port);
        return t->default_port;
    }
    return port;
}

void
vnetenc_tunnels_init(const struct smap *other_config)
{
    for (size_t i = 0; i < ARRAY_SIZE(tunnels); i++) {
        tunnels[i].dtls_port = choose_port(other_config, &tunnels[i]);
        atomic_store_relaxed(&vnetenc_tunnel_dtls_ports[i],
                             htons(tunnels[i].dtls_port));
    }
}

void
vnetenc_tunnels_give_up(const char *name, ovs_be16 port)
{
    const char *text;

    if (vnetenc_tunnels_obstacle()) {
        return;
    }
    text = xasprintf("UDP port %"PRIu16", at which encrypted tunnels arrive, "
                     "is the dst_port of tunnel port %s", ntohs(port), name);
    VLOG_ERR("%s: no tunnel is encrypted, and packets that must be are "
             "dropped; on all hosts, set other_config:%s to another port and "
             "restart ovs-vswitchd", text,
             tunnels[vnetenc_tunnel_is_vxlan(port)].key);
    atomic_store(&obstacle, text);
    for (size_t i = 0; i < ARRAY_SIZE(tunnels); i++) {
        atomic_store_relaxed(&vnetenc_tunnel_dtls_ports[i], 0);
    }
}

const char *
vnetenc_tunnels_obstacle(void)
{
    const char *text;

    atomic_read(&obstacle, &text);
    return text;
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

ovs_be16
vnetenc_tunnel_arrival_port(const char *type, ovs_be16 port)
{
    return vnetenc_tunnels_obstacle() ? 0 : vnetenc_tunnel_dtls_port(type,
                                                                     port);
}

bool
vnetenc_tunnel_is_vxlan(ovs_be16 udp_dst)
{
    const struct tunnel *t = &tunnels[ARRAY_SIZE(tunnels) - 1];

    return udp_dst == htons(t->dtls_port ? t->dtls_port : t->default_port);
}
