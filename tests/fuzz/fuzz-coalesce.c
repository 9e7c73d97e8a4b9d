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

/* Coalesced packets: what comes out, cut again as the kernel cuts it, is what
 * was given, and in order for each connection.
 *
 *     what to join 1 | any number of: shape 1 | change 1 | size 2 | and if
 *     'change' says so, offset 2 | exclusive or 1
 *
 * Each packet follows the one before it of its connection, except for the
 * change. */

#include <config.h>
#undef NDEBUG
#include "fuzz/vnetenc-fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "csum.h"
#include "packets.h"
#include "util.h"
#include "vnetenc-unit-tcp.h"
#include "vnetenc/kernel/coalesce.h"

enum {
    MAX_PACKETS = 100,
    MAX_SIZE = 3000,
    N_CONNECTIONS = 16,

    CHANGE_OCTET = 1,           /* The octet at 'offset'. */
    CHANGE_SUMS = 2,            /* Sums are right nevertheless. */
    CHANGE_PSH = 4,
    CHANGE_TOS = 8,             /* Outer. */
    CHANGE_GARBAGE = 16,        /* 'size' octets of it. */
    CHANGE_FLUSH = 32,
};

struct packet {
    uint8_t *p;
    size_t size;
    struct unit_tcp_layers l;
    bool ipv4;
    int connection;             /* Unique if that is not certain. */
    bool taken;                 /* Came out. */
};

static struct packet given[MAX_PACKETS];
static unsigned int n_given, n_out;
static int came[MAX_PACKETS];   /* Index in 'given', in order. */

void
fuzz_begin(void)
{
}

/* True if 'p', which is as large as 'g', may be an IPv4 packet whose
 * identification means nothing. */
static bool
is_atomic(const struct packet *g, const uint8_t *p)
{
    return (g->ipv4 && g->size >= g->l.l4
            && p[g->l.l3] == 0x45
            && p[g->l.l3 + 6] == 0x40
            && !csum(p + g->l.l3, IP_HEADER_LEN));
}

static bool
is_equal(const struct packet *g, const uint8_t *p, size_t size)
{
    size_t id = g->l.l3 + 4, sum = g->l.l3 + 10, rest = g->l.l3 + 12;

    if (g->size != size) {
        return false;
    } else if (!memcmp(g->p, p, size)) {
        return true;
    }
    return (is_atomic(g, g->p) && is_atomic(g, p)
            && !memcmp(g->p, p, id)
            && !memcmp(g->p + id + 2, p + id + 2, sum - id - 2)
            && !memcmp(g->p + rest, p + rest, size - rest));
}

static void
take(void *aux OVS_UNUSED, struct vnetenc_coalesce_run *run)
{
    static uint8_t p[UNIT_TCP_MAX];

    for (unsigned int i = 0; i < run->n; i++) {
        size_t size = unit_tcp_cut(run, i, p);
        unsigned int k = 0;

        while (k < n_given
               && (given[k].taken || !is_equal(&given[k], p, size))) {
            k++;
        }
        ovs_assert(k < n_given);
        given[k].taken = true;
        came[n_out++] = k;
    }
}

static void
check_order(void)
{
    for (unsigned int i = 0; i < n_out; i++) {
        for (unsigned int j = 0; j < i; j++) {
            const struct packet *x = &given[came[j]], *y = &given[came[i]];

            ovs_assert(x < y || x->connection != y->connection);
        }
    }
}

static void
set_shape(struct unit_tcp *t, unsigned int shape)
{
    memset(t, 0, sizeof *t);
    t->vxlan = shape & 8;
    t->n_options = shape & 1;
    t->n_tags = (shape >> 1 & 1) + (shape & 1);
    t->ipv6 = shape & 4;
    t->df = shape & 2;
    t->port = 40000 + shape;
    t->seq = 0xfffff000;
    t->n_tcp_options = shape & 3;
}

/* Makes the next packet of 't' and returns its size.  Says in '*certain'
 * whether it still is one of the connection. */
static size_t
make_packet(struct fuzz_input *in, struct unit_tcp *t, uint8_t change,
            uint8_t *p, bool *certain)
{
    enum { PORTS = 4 };
    size_t size = fuzz_u16(in) % MAX_SIZE;
    struct unit_tcp_layers l = unit_tcp_layers(t);

    *certain = !(change & CHANGE_GARBAGE);
    if (change & CHANGE_GARBAGE) {
        const uint8_t *garbage = fuzz_take(in, &size);

        size = MAX(size, VNETENC_MIN_PLAINTEXT_BYTES);
        memset(p, 0, size);
        memcpy(p, garbage, MIN(size, in->data - garbage));
        return size;
    }
    t->size = size;
    t->flags = TCP_ACK | (change & CHANGE_PSH ? TCP_PSH : 0);
    size = unit_tcp_build(t, p);
    t->seq += t->size;
    t->id++;
    if (change & CHANGE_OCTET) {
        size_t ofs = fuzz_u16(in) % size;

        p[ofs] ^= fuzz_u8(in);
        *certain = ofs >= l.l4 + PORTS;
        if (change & CHANGE_SUMS) {
            unit_tcp_set_sums(p, size, t->ipv6, l.l3, l.l4);
        }
    }
    return size;
}

void
fuzz_one(struct fuzz_input in)
{
    static struct vnetenc_coalesce c;
    struct unit_tcp t[N_CONNECTIONS];
    uint8_t *memory[MAX_PACKETS];
    uint8_t join = fuzz_u8(&in);

    n_given = n_out = 0;
    vnetenc_coalesce_init(&c, join & 1, join & 2, take, NULL);
    for (int i = 0; i < N_CONNECTIONS; i++) {
        set_shape(&t[i], i);
    }
    while (in.size && n_given < MAX_PACKETS) {
        static uint8_t p[UNIT_TCP_MAX];
        uint8_t shape = fuzz_u8(&in) % N_CONNECTIONS;
        uint8_t change = fuzz_u8(&in);
        struct packet *g = &given[n_given];
        struct vnetenc_coalesce_outer outer = {
            .tos = change & CHANGE_TOS ? 1 : 0,
            .vxlan = t[shape].vxlan,
        };
        bool certain;

        g->size = make_packet(&in, &t[shape], change, p, &certain);
        g->connection = certain ? shape : N_CONNECTIONS + n_given;
        g->p = xmemdup(p, g->size);
        g->l = unit_tcp_layers(&t[shape]);
        g->ipv4 = !t[shape].ipv6;
        g->taken = false;
        memory[n_given] = xmemdup(p, g->size);
        vnetenc_coalesce_add(&c, &outer, memory[n_given++], g->size);
        if (change & CHANGE_FLUSH) {
            vnetenc_coalesce_flush(&c);
            ovs_assert(n_out == n_given);
        }
    }
    vnetenc_coalesce_flush(&c);
    ovs_assert(n_out == n_given);
    check_order();
    for (unsigned int i = 0; i < n_given; i++) {
        free(given[i].p);
        free(memory[i]);
    }
}

/* 'n' packets in turn of the connections in 'shapes'. */
static void
seed(uint8_t join, unsigned int n, const uint8_t *shapes, size_t n_shapes,
     uint8_t change)
{
    uint8_t s[1 + MAX_PACKETS * 7] = { join };
    size_t size = 1;

    for (unsigned int i = 0; i < n; i++) {
        bool last = i + 1 == n;

        s[size++] = shapes[i % n_shapes];
        s[size++] = last ? change : 0;
        s[size++] = 0x02;
        s[size++] = 0;
        if (last && change & CHANGE_OCTET) {
            s[size++] = 0;
            s[size++] = 60;
            s[size++] = 1;
        }
    }
    fuzz_seed(-1, s, size);
}

void
fuzz_make_seeds(void)
{
    static const uint8_t shapes[] = { 2, 4, 0, 10, 12, 1, 3, 5, 7, 9 };

    for (uint8_t join = 0; join < 4; join++) {
        seed(join, 70, shapes, 1, 0);
        seed(join, 20, shapes, 2, CHANGE_PSH);
        seed(join, 40, shapes, ARRAY_SIZE(shapes), CHANGE_TOS);
        seed(join, 3, shapes, 1, CHANGE_OCTET);
        seed(join, 3, shapes, 1, CHANGE_OCTET | CHANGE_SUMS);
        seed(join, 3, shapes, 1, CHANGE_FLUSH);
    }
}
