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

/* Values of the databases: rows of VNetEnc_Peer, options of a port, lists of
 * ciphers.
 *
 *     what 1 | lines: the text of one value each
 *
 * A peer that is hard to read is never easier to speak for than one that is
 * not: it has at least as many pins as the row names, and each is one that
 * the row has written well, or one that no certificate has. */

#include <config.h>
#undef NDEBUG
#include "fuzz/vnetenc-fuzz.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "netdev.h"
#include "packets.h"
#include "smap.h"
#include "util.h"
#include "vnetenc/port.h"
#include "vnetenc/trust/cert.h"
#include "vnetenc/trust/configuration.h"
#include "vnetenc/vnetenc.h"

enum { MAX_LINES = 8 };

/* What no certificate has. */
static const uint8_t no_pin[VNETENC_FINGERPRINT_BYTES];

void
fuzz_begin(void)
{
}

/* Cuts the text at 's' into lines; returns their number. */
static size_t
get_lines(char *s, char *lines[MAX_LINES])
{
    char *save_ptr = NULL;
    size_t n = 0;

    for (char *line = strtok_r(s, "\n", &save_ptr); line && n < MAX_LINES;
         line = strtok_r(NULL, "\n", &save_ptr)) {
        lines[n++] = line;
    }
    return n;
}

/* True if 'text' is 'fingerprint', perhaps with colons between its octets. */
static bool
says(const char *text, const uint8_t fingerprint[VNETENC_FINGERPRINT_BYTES])
{
    char expected[VNETENC_FINGERPRINT_TEXT_BYTES];
    const char *p = strchr(text, ':');
    const char *e;

    vnetenc_cert_fingerprint_format(fingerprint, expected);
    e = strchr(expected, ':') + 1;
    for (p = p ? p + 1 : ""; *p && *e; p++) {
        if (*p != ':' && tolower((unsigned char) *p) != *e++) {
            return false;
        }
    }
    return !*p && !*e;
}

/* Address, MTU, split, fingerprints. */
static void
one_peer(char *lines[], size_t n)
{
    struct vnetenc_config *config;
    struct in6_addr remote;

    if (n < 3 || !vnetenc_config_address_parse(lines[0], &remote)) {
        return;
    }
    /* Twice, as two rows with one address. */
    config = xzalloc(sizeof *config);
    config->n_peers = 2;
    config->peers = xcalloc(2, sizeof *config->peers);
    for (int i = 0; i < 2; i++) {
        struct vnetenc_config_peer *peer = &config->peers[i];

        peer->remote = remote;
        vnetenc_config_peer_set_mtu(peer, lines[1]);
        vnetenc_config_peer_set_split(peer, lines[2]);
        vnetenc_config_peer_set_pins(peer, &lines[3], n - 3);
        ovs_assert(peer->n_pins == n - 3);
        ovs_assert(!peer->mtu || (peer->mtu >= VNETENC_MIN_MTU
                                  && peer->mtu <= UINT16_MAX));
        for (size_t j = 0; j < peer->n_pins; j++) {
            ovs_assert(!memcmp(peer->pins[j], no_pin, sizeof no_pin)
                       || says(lines[3 + j], peer->pins[j]));
        }
    }
    vnetenc_config_merge_peers(config);
    ovs_assert(config->n_peers == 1 && config->peers[0].error);
    ovs_assert(config->peers[0].n_pins == 1
               && !memcmp(config->peers[0].pins[0], no_pin, sizeof no_pin));
    vnetenc_config_destroy(config);
}

/* Encryption and profile of a port.  A mode that is not known is never a
 * weaker one than before. */
static void
one_port(char *lines[], size_t n)
{
    struct netdev_tunnel_config old, cfg;
    struct smap options;
    char *error;
    enum vnetenc_mode mode;

    if (n < 2) {
        return;
    }
    smap_init(&options);
    smap_add(&options, "encryption", lines[0]);
    smap_add(&options, "encryption_profile", lines[1]);
    for (int before = VNETENC_OFF; before <= VNETENC_REQUIRE; before++) {
        memset(&old, 0, sizeof old);
        old.dst_port = htons(6081);
        old.enc_mode = before;
        cfg = old;
        error = vnetenc_port_set_config("geneve", &options, &old, &cfg);
        if (vnetenc_mode_from_string(lines[0], &mode)) {
            ovs_assert(cfg.enc_mode == mode);
        } else {
            ovs_assert(error);
            ovs_assert(cfg.enc_mode >= before && cfg.enc_mode);
        }
        free(error);
    }
    smap_destroy(&options);
}

void
fuzz_one(struct fuzz_input in)
{
    uint8_t what = fuzz_u8(&in);
    char *text = fuzz_string(&in);
    char *lines[MAX_LINES];
    size_t n = get_lines(text, lines);

    if (what & 1) {
        one_port(lines, n);
    } else {
        one_peer(lines, n);
    }
    free(text);
}

void
fuzz_make_seeds(void)
{
    static const char *const peers[] = {
        ("192.0.2.1\n1500\ntrue\nsha256:00112233445566778899aabbccddeeff"
         "00112233445566778899aabbccddeeff\n"),
        "fd00::1\n99999\nmaybe\nsha256:00\nnonsense\n",
        "::ffff:192.0.2.1\n1280\nfalse\n",
    };
    static const char *const ports[] = {
        "require\n0\n", "prefer\n255\n", "off\n256\n", "requrie\n-1\n",
    };

    for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
        fuzz_seed(0, peers[i], strlen(peers[i]));
    }
    for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
        fuzz_seed(1, ports[i], strlen(ports[i]));
    }
}
