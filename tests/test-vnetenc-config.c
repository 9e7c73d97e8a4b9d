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
#include "vnetenc/trust/configuration.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "bitmap.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/trust/cert.h"
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
    CHECK(!p.certificates.n && !p.revoked.n && !p.error);
    CHECK(p.strength == 112);
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
        .certificates = { xzalloc(64), 2 },
        .revoked = { xzalloc(32), 1 },
        .strength = 128,
        .error = xstrdup("bad"),
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
    CHECK(b.certificates.n == 2 && b.revoked.n == 1 && b.strength == 128);
    CHECK(!strcmp(b.error, "bad"));
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

/* Each of the texts and lists, and the strength, asks for other credentials;
 * no other number does. */
static void
test_same_cred(void)
{
    struct vnetenc_config_profile a = full(), b = full();
    char **texts[] = {
        &b.ciphers, &b.certificate, &b.private_key, &b.ca_cert, &b.crl,
        &b.error
    };
    struct vnetenc_config_fingerprints *lists[] = {
        &b.certificates, &b.revoked
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
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        lists[i]->n--;
        CHECK(!vnetenc_config_profile_same_cred(&a, &b));
        lists[i]->n++;
        lists[i]->f[0][31] = 1;
        CHECK(!vnetenc_config_profile_same_cred(&a, &b));
        lists[i]->f[0][31] = 0;
        CHECK(vnetenc_config_profile_same_cred(&a, &b));
    }
    b.strength = 192;
    CHECK(!vnetenc_config_profile_same_cred(&a, &b));
    vnetenc_config_profile_uninit(&a);
    vnetenc_config_profile_uninit(&b);
}

static void
test_lists(void)
{
    static char good[] = "sha256:00112233445566778899aabbccddeeff"
                         "00112233445566778899AABBCCDDEEFF";
    static char sha1[] = "sha1:00112233445566778899aabbccddeeff00112233";
    char *texts[] = { sha1, good };
    struct vnetenc_config_profile p;
    uint8_t f[VNETENC_FINGERPRINT_BYTES];

    CHECK(!vnetenc_cert_fingerprint_parse(good, f));
    vnetenc_config_profile_init(&p, 1);
    CHECK(!vnetenc_config_fingerprints_have(&p.certificates, f));
    vnetenc_config_profile_take(&p, &p.certificates, "certificates",
                                &texts[1], 1);
    CHECK(!p.error);
    CHECK(vnetenc_config_fingerprints_have(&p.certificates, f));

    /* A bad one makes an error, and the good one counts all the same. */
    vnetenc_config_profile_take(&p, &p.revoked, "revoked", texts, 2);
    CHECK_HAS(p.error, "revoked: \"sha1:");
    CHECK(p.revoked.n == 1);
    CHECK(vnetenc_config_fingerprints_have(&p.revoked, f));
    f[0] ^= 1;
    CHECK(!vnetenc_config_fingerprints_have(&p.revoked, f));
    vnetenc_config_profile_uninit(&p);
}

static void
test_members(void)
{
    static const int64_t ids[] = { 255, 0, 256, -1 };
    struct vnetenc_config_peer peer;

    memset(&peer, 0, sizeof peer);
    vnetenc_config_peer_set_profiles(&peer, NULL, 0);
    CHECK(!peer.profiles);
    vnetenc_config_peer_set_profiles(&peer, ids, ARRAY_SIZE(ids));
    CHECK(bitmap_count1(peer.profiles, VNETENC_N_PROFILES) == 2);
    CHECK(bitmap_is_set(peer.profiles, 0));
    CHECK(bitmap_is_set(peer.profiles, 255));
    free(peer.profiles);
}

/* A peer with two rows is a member of nothing, whatever the rows say. */
static void
test_twins(void)
{
    static const int64_t five = 5;
    struct vnetenc_config *config = xzalloc(sizeof *config);

    config->n_peers = 3;
    config->peers = xcalloc(config->n_peers, sizeof *config->peers);
    CHECK(vnetenc_config_address_parse("10.0.0.1", &config->peers[0].remote));
    CHECK(vnetenc_config_address_parse("10.0.0.2", &config->peers[1].remote));
    config->peers[2].remote = config->peers[0].remote;
    vnetenc_config_peer_set_profiles(&config->peers[2], &five, 1);
    vnetenc_config_merge_peers(config);
    CHECK(config->n_peers == 2);
    CHECK(!config->peers[1].profiles);
    CHECK(config->peers[0].profiles
          && !bitmap_count1(config->peers[0].profiles, VNETENC_N_PROFILES));
    vnetenc_config_destroy(config);
}

static void
test_unlisted(void)
{
    bool drop = true;

    CHECK(vnetenc_config_unlisted_parse(NULL, &drop) && !drop);
    CHECK(vnetenc_config_unlisted_parse("drop", &drop) && drop);
    CHECK(!vnetenc_config_unlisted_parse("Pass", &drop) && drop);
    CHECK(vnetenc_config_unlisted_parse("pass", &drop) && !drop);
    CHECK(!vnetenc_config_unlisted_parse("", &drop) && !drop);
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
    test_lists();
    test_members();
    test_twins();
    test_unlisted();
    test_destroy();
    return unit_end();
}
