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

/* What the kernel quotes of a packet that is too long. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/kernel/too-long.h"

#include <string.h>

#include "packets.h"
#include "smap.h"
#include "util.h"
#include "vnetenc/bridge/path.h"
#include "vnetenc/bridge/tunnel.h"
#include "vnetenc/packet/pmtu.h"
#include "vnetenc-unit.h"

enum { OPTIONS = 12 };          /* Bytes of Geneve options. */

static void
put16(uint8_t *p, uint16_t x)
{
    p[0] = x >> 8;
    p[1] = x;
}

/* Writes a packet to UDP port 'd', with 'n_tags' tags in the inner frame, and
 * returns its size. */
static size_t
build(uint8_t *p, bool v6, bool vxlan, int n_tags, uint16_t d)
{
    size_t ip = v6 ? 40 : 20, tunnel = ip + 8;
    size_t frame = tunnel + 8 + (vxlan ? 0 : OPTIONS), at;

    memset(p, 0xee, 256);
    memset(p, 0, frame);
    p[0] = v6 ? 0x60 : 0x45;
    p[v6 ? 6 : 9] = 17;
    for (int i = 0; i < 2; i++) {
        uint8_t *addr = p + (v6 ? 8 + 16 * i : 12 + 4 * i);

        memset(addr, 1 + i, v6 ? 16 : 4);
    }
    put16(p + ip + 2, d);
    p[tunnel] = vxlan ? 8 : OPTIONS / 4;
    memset(p + frame, 0xd0, 6);
    memset(p + frame + 6, 0x50, 6);
    at = frame + 12;
    for (int i = 0; i < n_tags; i++, at += 4) {
        put16(p + at, i ? 0x8100 : 0x88a8);
        put16(p + at + 2, 0x6000 + i);
    }
    put16(p + at, 0x0800);
    return at + 2 + 40;
}

/* Parses a copy of just 'size' bytes, so that a sanitizer sees any access
 * beyond them. */
static bool
parse(const uint8_t *p, size_t size, unsigned int mtu,
      struct vnetenc_path_key *path, struct vnetenc_pmtu_note *note,
      size_t *tunnel_ofs)
{
    uint8_t *copy = xmemdup(p, size ? size : 1);
    bool ok = vnetenc_too_long_parse(copy, size, mtu, path, note, tunnel_ofs);

    free(copy);
    return ok;
}

static void
test_good(void)
{
    for (int i = 0; i < 2 * 2 * 3; i++) {
        bool v6 = i & 1, vxlan = i & 2;
        int n_tags = i / 4;
        struct vnetenc_pmtu_note note;
        struct vnetenc_path_key path;
        size_t size, ofs, header = vxlan ? 8 : 8 + OPTIONS;
        uint8_t p[256];

        size = build(p, v6, vxlan, n_tags, vxlan ? 64512 + 7 : 64000 + 7);
        CHECK(parse(p, size, 1400, &path, &note, &ofs));
        CHECK(ofs == (v6 ? 48 : 28) && note.tunnel_size == header);
        CHECK(note.max_frame == 1400 - ofs - header);
        CHECK(note.src.ea[0] == 0x50 && note.dst.ea[0] == 0xd0);
        for (int j = 0; j < VNETENC_PMTU_MAX_TAGS; j++) {
            CHECK(note.tags[j][0] == (j >= n_tags ? 0
                                      : htons(j ? 0x8100 : 0x88a8)));
            CHECK(note.tags[j][1] == (j >= n_tags ? 0 : htons(0x6000 + j)));
        }
        CHECK(path.profile == 3 && path.local.s6_addr[15] == 1
              && path.remote.s6_addr[15] == 2);
        CHECK(path.dtls_port == htons(vxlan ? 6089 : 6082));

        /* A message may have any size. */
        CHECK(parse(p, size, 0, &path, &note, &ofs) && !note.max_frame);
        CHECK(parse(p, size, UINT32_MAX, &path, &note, &ofs)
              && note.max_frame == UINT16_MAX);
        for (size_t n = 0; n < size; n++) {
            CHECK(parse(p, n, 1400, &path, &note, &ofs)
                  == (n >= ofs + header + 14 + 8));
        }
    }
}

static void
test_bad(void)
{
    static const uint16_t others[] = { 0, 6081, 6082, 63998, 63999, 65024 };
    struct vnetenc_pmtu_note note;
    struct vnetenc_path_key path;
    uint8_t p[256];
    size_t size, ofs;

    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        size = build(p, i & 1, false, 0, others[i]);
        CHECK(!parse(p, size, 1400, &path, &note, &ofs));
    }
    for (int v6 = 0; v6 < 2; v6++) {
        size = build(p, v6, false, 0, 64001);
        p[v6 ? 6 : 9] = 6;
        CHECK(!parse(p, size, 1400, &path, &note, &ofs));
        size = build(p, v6, false, 0, 64001);
        p[0]++;                 /* IP options, or a traffic class. */
        CHECK(parse(p, size, 1400, &path, &note, &ofs) == v6);
        p[0] = 0x55;
        CHECK(!parse(p, size, 1400, &path, &note, &ofs));
    }
    /* Options that go beyond the end. */
    size = build(p, false, false, 0, 64001);
    p[28] = 63;
    CHECK(!parse(p, size, 1400, &path, &note, &ofs));
}

int
main(void)
{
    struct smap config = SMAP_INITIALIZER(&config);

    vnetenc_tunnels_init(&config);
    smap_destroy(&config);
    test_good();
    test_bad();
    return unit_end();
}
