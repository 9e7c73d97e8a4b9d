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

/* Modes, profiles, ports: text in, value or exact error out. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/vnetenc.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "packets.h"
#include "smap.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc-unit.h"

static void
test_modes(void)
{
    enum vnetenc_mode mode;
    uint8_t m = 99;
    char *error;

    for (int i = VNETENC_OFF; i <= VNETENC_REQUIRE; i++) {
        const char *s = vnetenc_mode_to_string(i);

        CHECK(vnetenc_mode_from_string(s, &mode) && mode == i);
        error = vnetenc_mode_parse(s, &m);
        CHECK(!error && m == i);
        free(error);
    }
    CHECK(!strcmp(vnetenc_mode_to_string(VNETENC_OFF), "off"));
    CHECK(!strcmp(vnetenc_mode_to_string(VNETENC_PREFER), "prefer"));
    CHECK(!strcmp(vnetenc_mode_to_string(VNETENC_REQUIRE), "require"));
    CHECK(!strcmp(vnetenc_mode_to_string(3), "unknown"));
    CHECK(!vnetenc_mode_from_string("Require", &mode));
    CHECK(!vnetenc_mode_from_string("", &mode));

    m = 99;
    error = vnetenc_mode_parse("yes", &m);
    CHECK(error && !strcmp(error, "\"yes\" is not \"require\", \"prefer\" or "
                                  "\"off\""));
    CHECK(m == 99);
    free(error);
}

static void
test_profiles(void)
{
    static const char *const bad[] = {
        "", " 1", "1 ", "-1", "+1", "256", "0x10", "1.0", "abc",
        "99999999999999999999",
    };
    uint8_t profile = 99;
    char *error;

    error = vnetenc_mode_parse_profile("0", &profile);
    CHECK(!error && profile == 0);
    error = vnetenc_mode_parse_profile("255", &profile);
    CHECK(!error && profile == 255);
    error = vnetenc_mode_parse_profile("007", &profile);
    CHECK(!error && profile == 7);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char *expected = xasprintf("\"%s\" is not an integer from 0 to 255",
                                   bad[i]);

        profile = 99;
        error = vnetenc_mode_parse_profile(bad[i], &profile);
        CHECK(error && !strcmp(error, expected));
        CHECK(profile == 99);
        free(error);
        free(expected);
    }
}

static void
test_merge(void)
{
    /* { action's mode and profile, port's, result } */
    static const uint8_t rows[][6] = {
        { 0, 0,  0, 5,  0, 0 },
        { 0, 0,  1, 5,  1, 5 },
        { 0, 0,  2, 5,  2, 5 },
        { 1, 7,  0, 5,  1, 7 },
        { 1, 7,  1, 5,  1, 7 },
        { 1, 7,  2, 5,  2, 5 },
        { 2, 7,  0, 5,  2, 7 },
        { 2, 7,  1, 5,  2, 7 },
        { 2, 7,  2, 5,  2, 7 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const uint8_t *r = rows[i];
        struct flow_tnl tnl;

        memset(&tnl, 0, sizeof tnl);
        tnl.enc_mode = r[0];
        tnl.enc_profile = r[1];
        vnetenc_mode_merge(&tnl, r[2], r[3]);
        CHECK(tnl.enc_mode == r[4] && tnl.enc_profile == r[5]);
    }
}

/* Ports are chosen once in a process, so each row has a process. */
static bool
ports_are(const char *geneve, const char *vxlan, uint16_t geneve_port,
          uint16_t vxlan_port)
{
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    ovs_assert(pid >= 0);
    if (!pid) {
        struct smap config = SMAP_INITIALIZER(&config);
        bool ok = (!vnetenc_tunnel_is_dtls(htons(6082))
                   && !vnetenc_tunnel_is_dtls(0));

        if (geneve) {
            smap_add(&config, "vnetenc-geneve-port", geneve);
        }
        if (vxlan) {
            smap_add(&config, "vnetenc-vxlan-port", vxlan);
        }
        vnetenc_init(&config);
        ok = (ok
              && (vnetenc_tunnel_dtls_port("geneve", htons(6081))
                  == htons(geneve_port))
              && (vnetenc_tunnel_dtls_port("vxlan", htons(4789))
                  == htons(vxlan_port))
              && (vnetenc_tunnel_arrival_port("geneve", htons(6081))
                  == htons(geneve_port))
              && vnetenc_tunnel_is_dtls(htons(geneve_port))
              && vnetenc_tunnel_is_dtls(htons(vxlan_port)));

        /* A change needs a restart. */
        smap_replace(&config, "vnetenc-geneve-port", "1234");
        vnetenc_init(&config);
        ok = ok && vnetenc_tunnel_is_dtls(htons(geneve_port))
             && vnetenc_tunnel_is_dtls(htons(1234)) == (geneve_port == 1234);

        ok = (ok
              && !vnetenc_tunnel_dtls_port("geneve", htons(6080))
              && !vnetenc_tunnel_dtls_port("geneve", htons(4789))
              && !vnetenc_tunnel_dtls_port("vxlan", htons(6081))
              && !vnetenc_tunnel_dtls_port("gtpu", htons(2152))
              && !vnetenc_tunnel_dtls_port("gre", 0)
              && !vnetenc_tunnel_is_dtls(htons(6081))
              && !vnetenc_tunnel_is_dtls(htons(4789))
              && !vnetenc_tunnel_is_dtls(htons(4790))
              && !vnetenc_tunnel_is_dtls(0));
        smap_destroy(&config);

        /* A plain tunnel needs one of them. */
        ok = ok && !vnetenc_tunnels_obstacle();
        vnetenc_tunnels_give_up("old", htons(vxlan_port));
        ok = (ok
              && vnetenc_tunnels_obstacle()
              && strstr(vnetenc_tunnels_obstacle(), "tunnel port old")
              && !vnetenc_tunnel_is_dtls(htons(geneve_port))
              && !vnetenc_tunnel_is_dtls(htons(vxlan_port))
              && !vnetenc_tunnel_is_dtls(0)
              && (vnetenc_tunnel_dtls_port("geneve", htons(6081))
                  == htons(geneve_port))
              && !vnetenc_tunnel_arrival_port("geneve", htons(6081)));
        _exit(!ok);
    }
    ovs_assert(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) && !WEXITSTATUS(status);
}

static void
test_ports(void)
{
    static const char *const bad[] = {
        "0", "65536", "-1", "", "abc", "6081", "4789", "4790", "0x1000",
        " 7000", "63998", "64001", "65023",
    };

    CHECK(ports_are(NULL, NULL, 6082, 6089));
    CHECK(ports_are("7000", NULL, 7000, 6089));
    CHECK(ports_are(NULL, "65535", 6082, 65535));
    CHECK(ports_are("1", "2", 1, 2));
    CHECK(ports_are("63997", "65024", 63997, 65024));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        CHECK(ports_are(bad[i], NULL, 6082, 6089));
        CHECK(ports_are("7000", bad[i], 7000, 6089));
    }

    /* Never the same. */
    CHECK(ports_are("7000", "7000", 7000, 6089));
    CHECK(ports_are("6089", NULL, 6082, 6089));
    CHECK(ports_are(NULL, "6082", 6082, 6089));
}

static void
test_drop_names(void)
{
    for (int i = 1; i < VNETENC_N_DROPS; i++) {
        CHECK(vnetenc_drop_total(i) == 0);
        vnetenc_drop_count(i, i);
        CHECK(vnetenc_drop_total(i) == i);
        CHECK(strlen(vnetenc_drop_text(i)) > 0);
        CHECK(vnetenc_drop_is_fallback(i)
              == !strncmp(vnetenc_drop_name(i), "clear_", 6));
        for (int j = 0; j < i; j++) {
            if (!strcmp(vnetenc_drop_name(i), vnetenc_drop_name(j))) {
                CHECK(i == j);
            }
        }
    }
    CHECK(vnetenc_drop_total(VNETENC_KEEP) == 0);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    test_modes();
    test_profiles();
    test_merge();
    test_ports();
    test_drop_names();
    return unit_end();
}
