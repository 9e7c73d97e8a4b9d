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
#include "vnetenc/vnetenc.h"
#include <string.h>
#include "openvswitch/vlog.h"
#include "packets.h"
#include "smap.h"
#include "util.h"
#include "vnetenc/crypto/aead-provider.h"
#include "vnetenc/control/control.h"
#include "vnetenc/packet/half.h"
#include "vnetenc/bridge/inbox.h"
#include "vnetenc/bridge/limits.h"

VLOG_DEFINE_THIS_MODULE(vnetenc);

BUILD_ASSERT_DECL(VNETENC_OFF < VNETENC_PREFER);
BUILD_ASSERT_DECL(VNETENC_PREFER < VNETENC_REQUIRE);

/* A tunnel type that can carry records, by its well-known port. */
struct tunnel {
    const char *type;
    const char *key;            /* In other_config. */
    uint16_t plain_port;
    uint16_t default_port;
    uint16_t dtls_port;         /* 0 until vnetenc_init(), then constant. */
};

static struct tunnel tunnels[] = {
    { "geneve", "vnetenc-geneve-port", 6081, VNETENC_GENEVE_PORT, 0 },
    { "vxlan", "vnetenc-vxlan-port", 4789, VNETENC_VXLAN_PORT, 0 },
};

ovs_be16 vnetenc_ports[VNETENC_N_PORTS];
BUILD_ASSERT_DECL(ARRAY_SIZE(tunnels) == VNETENC_N_PORTS);

/* Assigned to VXLAN-GPE. */
enum { VXLAN_GPE_PORT = 4790 };

/* Parses all of 's' as a decimal number of at most 'max'. */
static bool
parse_uint(const char *s, unsigned int max, unsigned int *value)
{
    if (!*s || s[strspn(s, "0123456789")]) {
        return false;
    }
    return str_to_uint(s, 10, value) && *value <= max;
}

/* Ports. */

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
    if (!parse_uint(s, UINT16_MAX, &port) || !port || is_taken(port, t)) {
        VLOG_ERR("other_config:%s: \"%s\" is not a UDP port from 1 to 65535 "
                 "other than 4789, 4790, 6081 and the DTLS port of another "
                 "tunnel type; using %"PRIu16, t->key, s, t->default_port);
        return t->default_port;
    }
    return port;
}

void
vnetenc_init(const struct smap *other_config)
{
    static bool initialized = false;

    if (initialized) {
        return;
    }
    initialized = true;

    vnetenc_aead_init(smap_get(other_config, "vnetenc-aead"));
    vnetenc_inbox_init();
    for (size_t i = 0; i < ARRAY_SIZE(tunnels); i++) {
        tunnels[i].dtls_port = choose_port(other_config, &tunnels[i]);
        vnetenc_ports[i] = htons(tunnels[i].dtls_port);
    }
}

void
vnetenc_update(const struct smap *other_config)
{
    vnetenc_aead_update(smap_get(other_config, "vnetenc-aead"));
}

void
vnetenc_exit(void)
{
    /* Datapath threads may still be at work: what they use goes when they
     * have quiesced, the inbox stays. */
    vnetenc_control_stop();
}

ovs_be16
vnetenc_port(const char *type, ovs_be16 port)
{
    for (size_t i = 0; i < ARRAY_SIZE(tunnels); i++) {
        const struct tunnel *t = &tunnels[i];

        if (!strcmp(type, t->type) && port == htons(t->plain_port)) {
            return htons(t->dtls_port);
        }
    }
    return 0;
}

/* True if 'udp_dst' is the DTLS port of VXLAN, or will be by default. */
bool
vnetenc_is_vxlan_port(ovs_be16 udp_dst)
{
    const struct tunnel *t = &tunnels[ARRAY_SIZE(tunnels) - 1];

    return udp_dst == htons(t->dtls_port ? t->dtls_port : t->default_port);
}

/* True if no flow may have the Geneve option of 'option_class' and
 * 'option_type', since the other end would take it for that of half a
 * packet. */
bool
vnetenc_is_mark(uint16_t option_class, uint8_t option_type)
{
    return (option_class == VNETENC_MARK_CLASS
            && option_type == VNETENC_MARK_TYPE);
}

/* Modes. */

static const char *const mode_names[] = {
    [VNETENC_OFF] = "off",
    [VNETENC_PREFER] = "prefer",
    [VNETENC_REQUIRE] = "require",
};

const char *
vnetenc_mode_to_string(enum vnetenc_mode mode)
{
    return mode < ARRAY_SIZE(mode_names) ? mode_names[mode] : "unknown";
}

bool
vnetenc_mode_from_string(const char *s, enum vnetenc_mode *mode)
{
    for (size_t i = 0; i < ARRAY_SIZE(mode_names); i++) {
        if (!strcmp(s, mode_names[i])) {
            *mode = i;
            return true;
        }
    }
    return false;
}

/* Parses 's', the value of an Interface's "options:encryption".  Returns NULL
 * and sets '*mode', or returns an error message that the caller must free. */
char *
vnetenc_parse_port_mode(const char *s, uint8_t *mode)
{
    enum vnetenc_mode m;

    if (!vnetenc_mode_from_string(s, &m)) {
        return xasprintf("\"%s\" is not \"require\", \"prefer\" or \"off\"",
                         s);
    }
    *mode = m;
    return NULL;
}

/* Parses 's' as a profile.  Returns NULL and sets '*profile', or returns an
 * error message that the caller must free. */
char *
vnetenc_parse_profile(const char *s, uint8_t *profile)
{
    unsigned int value;

    if (!parse_uint(s, UINT8_MAX, &value)) {
        return xasprintf("\"%s\" is not an integer from 0 to 255", s);
    }
    *profile = value;
    return NULL;
}

/* Adds to 'tnl', which holds the demand of the OpenFlow action, that of the
 * tunnel port.  The stronger mode wins and brings its profile; of two equal
 * ones the action's, as it knows the flow. */
void
vnetenc_merge(struct flow_tnl *tnl, uint8_t port_mode, uint8_t port_profile)
{
    if (port_mode > tnl->enc_mode) {
        tnl->enc_mode = port_mode;
        tnl->enc_profile = port_profile;
    }
}
