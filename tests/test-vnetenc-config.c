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

/* What the database says: addresses, defaults, copies. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/trust/config.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "packets.h"
#include "util.h"
#include "vnetenc-unit.h"

/* 'a' and 'b' are texts of one address. */
static bool
is_same(const char *a, const char *b)
{
    struct in6_addr x, y;

    return (CHECK(vnetenc_config_address_parse(a, &x))
            && CHECK(vnetenc_config_address_parse(b, &y))
            && ipv6_addr_equals(&x, &y));
}

static void
test_addresses(void)
{
    static const char *const bad[] = {
        "", " ", "10.0.0", "10.0.0.256", "10.0.0.1.2", "10.0.0.1/24",
        "10.0.0.1 ", " 10.0.0.1", "10.0.0.1:6081", "0x0a000001", "1",
        "fd00::1::2", "fd00::1/64", "fd00::1%lo", "[fd00::1]", "fd00::1 ",
        ":", "fd00:::1", "12345::1", "localhost", "hv1.example",
    };
    struct in6_addr address;

    CHECK(vnetenc_config_address_parse("10.1.2.3", &address));
    CHECK(IN6_IS_ADDR_V4MAPPED(&address));
    CHECK(in6_addr_get_mapped_ipv4(&address) == htonl(0x0a010203));
    CHECK(vnetenc_config_address_parse("fd00::1", &address));
    CHECK(!IN6_IS_ADDR_V4MAPPED(&address));
    CHECK(address.s6_addr[0] == 0xfd && address.s6_addr[15] == 1);

    CHECK(is_same("fd00::1", "FD00:0::1"));
    CHECK(is_same("fd00::1", "fd00:0:0:0:0:0:0:1"));
    CHECK(is_same("fd00::10.0.0.1", "fd00::a00:1"));
    CHECK(is_same("10.0.0.1", "::ffff:10.0.0.1"));
    CHECK(!is_same("10.0.0.1", "::10.0.0.1"));
    CHECK(!is_same("fd00::1", "fd00::2"));

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        if (!CHECK(!vnetenc_config_address_parse(bad[i], &address))) {
            printf("\"%s\"\n", bad[i]);
        }
    }
}

static void
test_defaults(void)
{
    struct vnetenc_config_profile p;

    memset(&p, 0xaa, sizeof p);
    vnetenc_config_profile_init(&p, 200);
    CHECK(p.id == 200);
    CHECK(!p.has_row);
    CHECK(!p.ciphers && !p.certificate && !p.private_key && !p.ca_cert
          && !p.crl);
    CHECK(p.n_lanes == 1);
    CHECK(p.rekey_records == UINT64_C(1) << 32);
    CHECK(p.rekey_bytes == UINT64_C(1) << 38);
    CHECK(p.rekey_s == 3600);
    vnetenc_config_profile_uninit(&p);
}

static struct vnetenc_config_profile
full(void)
{
    return (struct vnetenc_config_profile) {
        .id = 7,
        .has_row = true,
        .ciphers = xstrdup("AES256-GCM"),
        .certificate = xstrdup("cert.pem"),
        .private_key = xstrdup("key.pem"),
        .ca_cert = xstrdup("ca.pem"),
        .crl = xstrdup("ca.crl"),
        .n_lanes = 4,
        .rekey_records = 5,
        .rekey_bytes = 6,
        .rekey_s = 8,
    };
}

static void
test_copy(void)
{
    struct vnetenc_config_profile a = full(), b, c;

    vnetenc_config_profile_copy(&b, &a);
    CHECK(vnetenc_config_profile_same_cred(&a, &b));
    vnetenc_config_profile_uninit(&a);

    /* The copy stands on its own. */
    CHECK(b.id == 7 && b.has_row);
    CHECK(!strcmp(b.ciphers, "AES256-GCM"));
    CHECK(!strcmp(b.certificate, "cert.pem"));
    CHECK(!strcmp(b.private_key, "key.pem"));
    CHECK(!strcmp(b.ca_cert, "ca.pem"));
    CHECK(!strcmp(b.crl, "ca.crl"));
    CHECK(b.n_lanes == 4 && b.rekey_records == 5 && b.rekey_bytes == 6
          && b.rekey_s == 8);
    vnetenc_config_profile_uninit(&b);

    /* What is not given stays so. */
    vnetenc_config_profile_init(&a, 1);
    vnetenc_config_profile_copy(&c, &a);
    CHECK(!c.ciphers && !c.certificate && !c.private_key && !c.ca_cert
          && !c.crl);
    vnetenc_config_profile_uninit(&c);
}

/* Each of the five texts asks for other credentials, no number does. */
static void
test_same_cred(void)
{
    struct vnetenc_config_profile a = full(), b = full();
    char **texts[] = {
        &b.ciphers, &b.certificate, &b.private_key, &b.ca_cert, &b.crl
    };

    b.id = 8;
    b.has_row = false;
    b.n_lanes = b.rekey_s = 1;
    b.rekey_records = b.rekey_bytes = 1;
    CHECK(vnetenc_config_profile_same_cred(&a, &b));
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        char *saved = *texts[i];

        *texts[i] = xstrdup("other");
        CHECK(!vnetenc_config_profile_same_cred(&a, &b));
        CHECK(!vnetenc_config_profile_same_cred(&b, &a));
        free(*texts[i]);
        *texts[i] = NULL;
        CHECK(!vnetenc_config_profile_same_cred(&a, &b));
        CHECK(!vnetenc_config_profile_same_cred(&b, &a));
        *texts[i] = saved;
    }
    vnetenc_config_profile_uninit(&a);
    vnetenc_config_profile_uninit(&b);
}

/* All of it goes (the sanitizer build tells). */
static void
test_destroy(void)
{
    struct vnetenc_config *config = xzalloc(sizeof *config);

    config->directory = xstrdup("own");
    config->peers = xcalloc(2, sizeof *config->peers);
    config->n_peers = 2;
    config->peers[0].name = xstrdup("hv1");
    config->peers[0].pins = xcalloc(3, sizeof *config->peers[0].pins);
    config->peers[0].n_pins = 3;
    config->peers[1].error = xstrdup("bad");
    config->profiles = xcalloc(2, sizeof *config->profiles);
    config->n_profiles = 2;
    config->profiles[0] = full();
    vnetenc_config_profile_init(&config->profiles[1], 9);
    config->vnis = xzalloc(sizeof *config->vnis);
    config->n_vnis = 1;
    vnetenc_config_destroy(config);
    vnetenc_config_destroy(NULL);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    test_addresses();
    test_defaults();
    test_copy();
    test_same_cred();
    test_destroy();
    return unit_end();
}
