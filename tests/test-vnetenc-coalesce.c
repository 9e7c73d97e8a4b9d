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
#undef NDEBUG
#include "vnetenc/kernel/coalesce.h"

#include <stdlib.h>
#include <string.h>

#include "packets.h"
#include "util.h"
#include "vnetenc-unit-tcp.h"
#include "vnetenc-unit.h"
#include "vnetenc/crypto/wire.h"

enum { MAX_PACKETS = 200, SIZE = 1000 };

/* What was given, and what came out of it, packet by packet. */
static struct {
    uint8_t *p;
    size_t size;
} in[MAX_PACKETS], out[MAX_PACKETS];
static unsigned int n_in, n_out, n_runs, run_sizes[MAX_PACKETS];
static struct vnetenc_coalesce c;
static struct vnetenc_coalesce_outer outer;

static void
take(void *aux OVS_UNUSED, struct vnetenc_coalesce_run *run)
{
    static uint8_t p[UNIT_TCP_MAX];
    size_t size = 0;

    for (unsigned int i = 0; i < run->n; i++) {
        ovs_assert(n_out < MAX_PACKETS);
        size += run->iov[i].iov_len;
        out[n_out].size = unit_tcp_cut(run, i, p);
        out[n_out].p = xmemdup(p, out[n_out].size);
        n_out++;
    }
    CHECK(size == run->size);
    run_sizes[n_runs++] = run->n;
}

static void
begin(bool tcp, bool equal)
{
    for (unsigned int i = 0; i < n_in; i++) {
        free(in[i].p);
    }
    for (unsigned int i = 0; i < n_out; i++) {
        free(out[i].p);
    }
    n_in = n_out = n_runs = 0;
    memset(&outer, 0, sizeof outer);
    outer.udp_src = htons(40000);
    vnetenc_coalesce_init(&c, tcp, equal, take, NULL);
}

/* Adds a copy of the 'size' bytes at 'p'. */
static void
add(const uint8_t *p, size_t size)
{
    static uint8_t memory[MAX_PACKETS][2000];

    ovs_assert(n_in < MAX_PACKETS && size <= sizeof memory[0]);
    in[n_in].p = xmemdup(p, size);
    in[n_in].size = size;
    memcpy(memory[n_in], p, size);
    vnetenc_coalesce_add(&c, &outer, memory[n_in], size);
    n_in++;
}

static void
add_tcp(const struct unit_tcp *t)
{
    uint8_t p[2000];

    outer.vxlan = t->vxlan;
    add(p, unit_tcp_build(t, p));
}

/* True if what came out is what was given. */
static bool
all_the_same(void)
{
    vnetenc_coalesce_flush(&c);
    if (n_in != n_out) {
        return false;
    }
    for (unsigned int i = 0; i < n_in; i++) {
        if (in[i].size != out[i].size
            || memcmp(in[i].p, out[i].p, in[i].size)) {
            return false;
        }
    }
    return true;
}

/* True if one of what came out is the 'size' bytes at 'p'. */
static bool
came_out(const uint8_t *p, size_t size)
{
    for (unsigned int i = 0; i < n_out; i++) {
        if (out[i].size == size && !memcmp(out[i].p, p, size)) {
            return true;
        }
    }
    return false;
}

static const struct unit_tcp usual = {
    .n_options = 2, .vni = 0x123456, .df = true, .id = 77, .port = 40001,
    .seq = 0xfffff000, .flags = TCP_ACK, .n_tcp_options = 3, .size = SIZE,
};

/* The packet that TSO would make behind 't'. */
static struct unit_tcp
next(struct unit_tcp t)
{
    t.seq += t.size;
    t.id++;
    return t;
}

/* Shapes of packets.  Each is joined with its like, VXLAN too. */
static void
test_shapes(void)
{
    for (unsigned int i = 0; i < 2 * 2 * 2 * 3 * 2 * 2; i++) {
        struct unit_tcp t = usual;
        unsigned int j = i;

        t.ipv6 = j % 2, j /= 2;
        t.vxlan = j % 2, j /= 2;
        t.df = j % 2, j /= 2;
        t.n_tags = j % 3, j /= 3;
        t.n_options = j % 2 * 63, j /= 2;
        t.n_tcp_options = j % 2 * 10;
        t.size = 100;
        begin(true, true);
        for (int k = 0; k < 10; k++) {
            add_tcp(&t);
            t = next(t);
        }
        CHECK(all_the_same());
        CHECK(n_runs == 1);
    }
}

/* What the second of two packets differs in. */
enum layer { TUNNEL, FRAME, L3, L4, DATA };
struct difference {
    const char *what;
    enum layer layer;
    int ofs;
    uint8_t xor;
    int flags;
};
enum { IPV6 = 1, NO_DF = 2, JOINED = 4 };

static const struct difference differences[] = {
    { "nothing", L4, 0, 0, JOINED },
    { "nothing, IPv6", L4, 0, 0, IPV6 | JOINED },
    { "nothing, no DF", L4, 0, 0, NO_DF | JOINED },
    { "Geneve version", TUNNEL, 0, 0x40, 0 },
    { "Geneve O bit", TUNNEL, 1, 0x80, 0 },
    { "Geneve C bit", TUNNEL, 1, 0x40, 0 },
    { "Geneve protocol", TUNNEL, 3, 1, 0 },
    { "VNI", TUNNEL, 6, 1, 0 },
    { "Geneve option", TUNNEL, 15, 1, 0 },
    { "destination MAC", FRAME, 5, 1, 0 },
    { "source MAC", FRAME, 11, 1, 0 },
    { "Ethertype", FRAME, 12, 0x80, 0 },
    { "IP header length", L3, 0, 3, 0 },
    { "DSCP", L3, 1, 4, 0 },
    { "ECN", L3, 1, 3, 0 },
    { "identification, DF", L3, 5, 0x40, JOINED },
    { "identification, no DF", L3, 5, 0x40, NO_DF },
    { "DF", L3, 6, 0x40, 0 },
    { "DF gone", L3, 6, 0x40, NO_DF },
    { "more fragments", L3, 6, 0x20, 0 },
    { "fragment offset", L3, 7, 1, 0 },
    { "reserved flag", L3, 6, 0x80, 0 },
    { "TTL", L3, 8, 1, 0 },
    { "IP protocol", L3, 9, 0x17, 0 },
    { "source address", L3, 15, 1, 0 },
    { "destination address", L3, 19, 1, 0 },
    { "traffic class", L3, 1, 0x10, IPV6 },
    { "flow label", L3, 3, 1, IPV6 },
    { "next header", L3, 6, 0x17, IPV6 },
    { "hop limit", L3, 7, 1, IPV6 },
    { "source address, IPv6", L3, 23, 1, IPV6 },
    { "destination address, IPv6", L3, 39, 1, IPV6 },
    { "source port", L4, 1, 1, 0 },
    { "destination port", L4, 3, 1, 0 },
    { "sequence number", L4, 7, 1, 0 },
    { "sequence number, high", L4, 4, 0x80, 0 },
    { "ACK number", L4, 11, 1, 0 },
    { "TCP header length", L4, 12, 0x10, 0 },
    { "AE bit", L4, 12, 1, 0 },
    { "FIN", L4, 13, TCP_FIN, 0 },
    { "SYN", L4, 13, TCP_SYN, 0 },
    { "RST", L4, 13, TCP_RST, 0 },
    { "PSH", L4, 13, TCP_PSH, JOINED },
    { "ACK", L4, 13, TCP_ACK, 0 },
    { "URG", L4, 13, TCP_URG, 0 },
    { "ECE", L4, 13, TCP_ECE, 0 },
    { "CWR", L4, 13, TCP_CWR, 0 },
    { "window", L4, 15, 1, 0 },
    { "urgent pointer", L4, 19, 1, 0 },
    { "TCP option", L4, 31, 1, 0 },
    { "payload", DATA, 0, 0xff, JOINED },
};

static void
test_differences(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(differences); i++) {
        const struct difference *d = &differences[i];
        struct unit_tcp t = usual;
        struct unit_tcp_layers l;
        uint8_t p[2000];
        size_t size;

        t.ipv6 = d->flags & IPV6;
        t.df = !(d->flags & NO_DF);
        l = unit_tcp_layers(&t);
        begin(true, false);
        add_tcp(&t);
        t = next(t);
        size = unit_tcp_build(&t, p);
        p[d->ofs + (d->layer == TUNNEL ? 0 : d->layer == FRAME ? l.frame
                    : d->layer == L3 ? l.l3 : d->layer == L4 ? l.l4
                    : l.data)] ^= d->xor;
        unit_tcp_set_sums(p, size, t.ipv6, l.l3, l.l4);
        add(p, size);
        vnetenc_coalesce_flush(&c);
        if (!CHECK(n_runs == (d->flags & JOINED ? 1 : 2))) {
            printf("%s\n", d->what);
        }
    }
}

/* Of each bit of the header, whether it may differ. */
static bool
bit_may_differ(const struct unit_tcp *t, size_t bit)
{
    struct unit_tcp_layers l = unit_tcp_layers(t);
    size_t ofs = bit / 8;

    return (ofs >= l.data
            || (!t->ipv6 && t->df && (ofs == l.l3 + 4 || ofs == l.l3 + 5))
            || (!t->ipv6 && (ofs == l.l3 + 10 || ofs == l.l3 + 11))
            || ofs == l.l4 + 16 || ofs == l.l4 + 17
            || (ofs == l.l4 + 13 && 1 << bit % 8 == TCP_PSH));
}

/* Each single bit of a packet that follows another one, with sums that are
 * right again, and with sums that are not. */
static void
test_bits(void)
{
    for (unsigned int shape = 0; shape < 8; shape++) {
        struct unit_tcp t = usual;
        struct unit_tcp_layers l;
        unsigned int n_wrong = 0, n_damaged = 0;
        uint8_t p[2000];
        size_t size;

        t.ipv6 = shape & 1;
        t.df = shape & 2;
        t.n_tags = shape >> 2;
        t.size = 20;
        l = unit_tcp_layers(&t);
        for (size_t bit = 0; bit < 8 * (l.data + t.size); bit++) {
            struct unit_tcp second = next(t);

            for (int damaged = 0; damaged < 2; damaged++) {
                begin(true, true);
                add_tcp(&t);
                size = unit_tcp_build(&second, p);
                p[bit / 8] ^= 1 << bit % 8;
                if (!damaged) {
                    unit_tcp_set_sums(p, size, t.ipv6, l.l3, l.l4);
                }
                add(p, size);
                vnetenc_coalesce_flush(&c);
                n_wrong += !damaged && (n_runs == 1) != bit_may_differ(&t,
                                                                       bit);
                n_damaged += damaged && n_runs != 2;

                /* The damage is still there, to be seen by the guest. */
                CHECK(!damaged || came_out(p, size));
            }
        }
        CHECK(!n_wrong);
        CHECK(!n_damaged);
    }
}

/* The first of two packets is damaged. */
static void
test_first(void)
{
    struct unit_tcp t = usual, second = next(t);
    struct unit_tcp_layers l = unit_tcp_layers(&t);

    for (size_t ofs = l.l3; ofs < l.data + t.size; ofs++) {
        uint8_t p[2000];
        size_t size = unit_tcp_build(&t, p);

        begin(true, false);
        p[ofs] ^= 0x55;
        add(p, size);
        add_tcp(&second);
        vnetenc_coalesce_flush(&c);
        CHECK(n_runs == 2);
        CHECK(came_out(p, size));
    }
}

/* What ends a run behind a packet. */
static void
test_ends(void)
{
    struct unit_tcp t = usual, u;

    /* A shorter one. */
    begin(true, false);
    add_tcp(&t);
    t = next(t);
    t.size = SIZE - 1;
    add_tcp(&t);
    t = next(t);
    add_tcp(&t);
    CHECK(all_the_same());
    CHECK(n_runs == 2 && run_sizes[0] == 2);

    /* A longer one begins another run. */
    begin(true, false);
    t = usual;
    add_tcp(&t);
    t = next(t);
    t.size = SIZE + 1;
    add_tcp(&t);
    t = next(t);
    add_tcp(&t);
    CHECK(all_the_same());
    CHECK(n_runs == 2 && run_sizes[1] == 2);

    /* PSH. */
    begin(true, false);
    t = usual;
    add_tcp(&t);
    t = next(t);
    t.flags |= TCP_PSH;
    add_tcp(&t);
    t = next(t);
    t.flags = TCP_ACK;
    add_tcp(&t);
    CHECK(all_the_same());
    CHECK(n_runs == 2 && run_sizes[0] == 2);

    /* No payload: ACKs stay what they are. */
    begin(true, false);
    t = usual;
    t.size = 0;
    for (int i = 0; i < 5; i++) {
        add_tcp(&t);
    }
    CHECK(all_the_same());
    CHECK(n_runs == 5);

    /* Packets, octets. */
    begin(true, false);
    t = usual;
    t.size = 100;
    for (int i = 0; i < VNETENC_COALESCE_PACKETS + 1; i++) {
        add_tcp(&t);
        t = next(t);
    }
    CHECK(all_the_same());
    CHECK(n_runs == 2 && run_sizes[0] == VNETENC_COALESCE_PACKETS);
    begin(true, false);
    t = usual;
    t.size = 1800;
    for (int i = 0; i < 40; i++) {
        add_tcp(&t);
        t = next(t);
    }
    CHECK(all_the_same());
    CHECK(n_runs == 2 && run_sizes[0] == 36);

    /* Padding behind the IP packet. */
    begin(true, false);
    t = usual;
    for (int i = 0; i < 2; i++) {
        uint8_t p[2000];
        size_t size = unit_tcp_build(&t, p);

        p[size] = 0;
        add(p, size + 1);
        t = next(t);
    }
    CHECK(all_the_same());
    CHECK(n_runs == 2);

    /* Another outer header. */
    for (int i = 0; i < 5; i++) {
        begin(true, true);
        t = usual;
        add_tcp(&t);
        t = next(t);
        outer.tos ^= i == 0;
        outer.udp_src ^= i == 1 ? htons(1) : 0;
        outer.src.s6_addr[15] ^= i == 2;
        outer.dst.s6_addr[15] ^= i == 3;
        add_tcp(&t);
        CHECK(all_the_same());
        CHECK(n_runs == (i < 4 ? 2 : 1));
    }

    /* VXLAN behind Geneve. */
    begin(true, true);
    t = u = usual;
    t.n_options = u.n_options = 0;
    u.vxlan = true;
    u = next(u);
    add_tcp(&t);
    add_tcp(&u);
    CHECK(all_the_same());
    CHECK(n_runs == 2);
}

/* Packets of several connections, mixed: the order of each remains. */
static void
test_order(void)
{
    enum { N = 10, EACH = 6 };
    struct unit_tcp t[N];
    unsigned int seen[N] = { 0 };
    struct unit_tcp_layers l = unit_tcp_layers(&usual);

    begin(true, true);
    for (int i = 0; i < N; i++) {
        t[i] = usual;
        t[i].port += i;
        t[i].id = 0;
    }
    for (int k = 0; k < EACH; k++) {
        for (int i = 0; i < N; i++) {
            /* Some that cannot be joined, in between. */
            t[i].flags = TCP_ACK | (k == i % EACH ? TCP_URG : 0);
            add_tcp(&t[i]);
            t[i] = next(t[i]);
        }
    }
    vnetenc_coalesce_flush(&c);
    CHECK(n_out == N * EACH);
    CHECK(n_runs < N * EACH);
    for (unsigned int k = 0; k < n_out; k++) {
        unsigned int i = vnetenc_wire_get_u16(out[k].p + l.l4) - usual.port;

        ovs_assert(i < N);
        CHECK(vnetenc_wire_get_u16(out[k].p + l.l3 + 4) == seen[i]++);
    }

    /* Alternating, they are joined nevertheless. */
    begin(true, false);
    for (int i = 0; i < 2; i++) {
        t[i] = usual;
        t[i].port += i;
    }
    for (int k = 0; k < 20; k++) {
        add_tcp(&t[k % 2]);
        t[k % 2] = next(t[k % 2]);
    }
    vnetenc_coalesce_flush(&c);
    CHECK(n_runs == 2 && run_sizes[0] == 10 && run_sizes[1] == 10);

    /* A fragment might be of any of them. */
    begin(true, true);
    t[0] = usual;
    add_tcp(&t[0]);
    {
        struct unit_tcp fragment = next(t[0]);
        uint8_t p[2000];
        size_t size = unit_tcp_build(&fragment, p);

        p[l.l3 + 6] = 0x20;
        unit_tcp_set_sums(p, size, false, l.l3, l.l4);
        add(p, size);
    }
    t[0] = next(t[0]);
    add_tcp(&t[0]);
    CHECK(all_the_same());
    CHECK(n_runs == 3);
}

/* Equal packets. */
static void
test_equal(void)
{
    static const size_t sizes[] = { 100, 100, 100, 60, 60, 100, 100, 120 };
    static const unsigned int expected[] = { 4, 1, 2, 1 };
    uint8_t p[2000];

    memset(p, 0xaa, sizeof p);
    begin(false, true);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        p[99] = i;
        add(p, sizes[i]);
    }
    CHECK(all_the_same());
    CHECK(n_runs == 4 && !memcmp(run_sizes, expected, sizeof expected));

    /* Number and octets. */
    begin(false, true);
    for (int i = 0; i < 65; i++) {
        add(p, VNETENC_MIN_PLAINTEXT_BYTES);
    }
    CHECK(all_the_same());
    CHECK(n_runs == 2 && run_sizes[0] == 64);
    begin(false, true);
    for (int i = 0; i < 40; i++) {
        add(p, 2000);
    }
    CHECK(all_the_same());
    CHECK(n_runs == 2 && run_sizes[0] == 32);

    /* Not at all. */
    begin(false, false);
    for (int i = 0; i < 5; i++) {
        add_tcp(&usual);
    }
    CHECK(all_the_same());
    CHECK(n_runs == 5);
}

/* What is cut off anywhere is no TCP. */
static void
test_short(void)
{
    uint8_t p[2000];
    size_t size = unit_tcp_build(&usual, p);

    for (size_t n = VNETENC_MIN_PLAINTEXT_BYTES; n < size; n++) {
        uint8_t *exact = xmemdup(p, n);

        begin(true, true);
        add(exact, n);
        add(exact, n);
        CHECK(all_the_same());
        free(exact);
    }
}

int
main(void)
{
    test_shapes();
    test_differences();
    test_bits();
    test_first();
    test_ends();
    test_order();
    test_equal();
    test_short();
    return unit_end();
}
