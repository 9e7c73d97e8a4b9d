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
#include "vnetenc/kernel/coalesce.h"
#include <string.h>
#include "packets.h"
#include "util.h"
#include "vnetenc/crypto/wire.h"
#include "vnetenc/packet/half.h"
#include "vnetenc/packet/sum.h"

/* Offsets of fields in headers, which may be unaligned. */
enum {
    GENEVE_TYPE_OFS = 2,
    VNI_OFS = 4, VNI_BYTES = 3,
    VXLAN_BYTES = 8,
    ETH_TYPE_OFS = 12,

    IP_LEN_OFS = 2, IP_ID_OFS = 4, IP_FRAG_OFS = 6, IP_PROTO_OFS = 9,
    IP_CSUM_OFS = 10, IP_ADDR_OFS = 12, IP_ADDR_BYTES = 8,
    IP6_LEN_OFS = 4, IP6_NEXT_OFS = 6, IP6_ADDR_OFS = 8,
    IP6_ADDR_BYTES = 32,

    TCP_PORT_BYTES = 4, TCP_SEQ_OFS = 4, TCP_ACK_OFS = 8, TCP_DOFF_OFS = 12,
    TCP_FLAGS_OFS = 13, TCP_WINDOW_OFS = 14, TCP_CSUM_OFS = 16,
    TCP_URGENT_OFS = 18, TCP_OPTIONS_OFS = 20,
};

/* The most bytes of a run: all lengths have 16 bits, and the longest outer
 * headers are those of IPv6 and UDP. */
enum { MAX_BYTES = UINT16_MAX - IPV6_HEADER_LEN - UDP_HEADER_LEN };
BUILD_ASSERT_DECL(MAX_BYTES > 2 * VNETENC_MAX_PLAINTEXT_BYTES);

/* The contents of a tunnel packet. */
enum inside {
    INSIDE_OTHER,               /* Certainly no TCP. */
    INSIDE_UNSURE,              /* Maybe TCP, but not joinable. */
    INSIDE_TCP,                 /* TCP, whole, all lengths agree. */
};

struct layers {
    bool ipv6;
    size_t l3, l4, data;        /* Offsets. */
    uint32_t hash;
};

static uint32_t
get_u32(const uint8_t *p)
{
    return (uint32_t) vnetenc_wire_get_u16(p) << 16
           | vnetenc_wire_get_u16(p + 2);
}

/* Checksums. */

static bool
sums_are_right(const uint8_t *plain, size_t size, const struct layers *in)
{
    const uint8_t *l3 = plain + in->l3;
    size_t l4_size = size - in->l4;

    uint64_t sum = vnetenc_sum_tcp_pseudo(l3, in->ipv6, l4_size);

    sum = vnetenc_sum_add(sum, plain + in->l4, l4_size);
    return (vnetenc_sum_fold(sum) == UINT16_MAX
            && (in->ipv6 || (vnetenc_sum_fold(vnetenc_sum_add(
                                 0, l3, IP_HEADER_LEN)) == UINT16_MAX)));
}

/* Parsing the inner headers. */

/* Returns the offset of the inner Ethernet frame, 'size' if there is none. */
static size_t
find_frame(const uint8_t *plain, size_t size, bool vxlan)
{
    size_t ofs = vxlan ? VXLAN_BYTES : vnetenc_half_geneve_size(plain);

    return ((vxlan || (vnetenc_wire_get_u16(plain + GENEVE_TYPE_OFS)
                       == ETH_TYPE_TEB))
            && ofs < size ? ofs : size);
}

/* Returns the offset behind the Ethernet header at 'ofs' and up to two tags,
 * and stores what follows there. */
static size_t
skip_ethernet(const uint8_t *plain, size_t size, size_t ofs, uint16_t *type)
{
    *type = 0;
    ofs += ETH_HEADER_LEN;
    for (int i = 0; i < 3 && ofs <= size; i++) {
        *type = vnetenc_wire_get_u16(plain + ofs - 2);
        if (*type != ETH_TYPE_VLAN_8021Q && *type != ETH_TYPE_VLAN_8021AD) {
            break;
        }
        ofs += VLAN_HEADER_LEN;
    }
    return ofs;
}

static enum inside
parse_ip4(const uint8_t *plain, size_t size, struct layers *in)
{
    const uint8_t *l3 = plain + in->l3;

    in->ipv6 = false;
    in->l4 = in->l3 + IP_HEADER_LEN;
    if (in->l4 > size || l3[IP_PROTO_OFS] != IPPROTO_TCP) {
        return INSIDE_OTHER;
    }
    return (l3[0] == IP_IHL_VER(5, 4)
            && !(vnetenc_wire_get_u16(l3 + IP_FRAG_OFS) & ~IP_DONT_FRAGMENT)
            && vnetenc_wire_get_u16(l3 + IP_LEN_OFS) == size - in->l3
            ? INSIDE_TCP : INSIDE_UNSURE);
}

static enum inside
parse_ip6(const uint8_t *plain, size_t size, struct layers *in)
{
    const uint8_t *l3 = plain + in->l3;

    in->ipv6 = true;
    in->l4 = in->l3 + IPV6_HEADER_LEN;
    if (in->l4 > size) {
        return INSIDE_OTHER;
    } else if (l3[IP6_NEXT_OFS] != IPPROTO_TCP) {
        return (l3[IP6_NEXT_OFS] == IPPROTO_UDP
                || l3[IP6_NEXT_OFS] == IPPROTO_ICMPV6
                ? INSIDE_OTHER : INSIDE_UNSURE);
    }
    return (l3[0] >> 4 == 6
            && vnetenc_wire_get_u16(l3 + IP6_LEN_OFS) == size - in->l4
            ? INSIDE_TCP : INSIDE_UNSURE);
}

/* Hashes the VNI, the ports and the source address of a connection.  Of an
 * IPv6 address, only the last 4 bytes count. */
static uint32_t
hash_connection(const uint8_t *plain, const struct layers *in)
{
    const uint8_t *addresses = plain + in->l3 + (in->ipv6 ? IP6_ADDR_OFS + 12
                                                 : IP_ADDR_OFS);

    return (get_u32(plain + in->l4) ^ get_u32(addresses) * 31
            ^ vnetenc_wire_get_u24(plain + VNI_OFS));
}

static enum inside
parse_inside(const uint8_t *plain, size_t size, bool vxlan, struct layers *in)
{
    enum inside inside = INSIDE_OTHER;
    uint16_t type;

    in->l3 = skip_ethernet(plain, size, find_frame(plain, size, vxlan), &type);
    if (type == ETH_TYPE_IP) {
        inside = parse_ip4(plain, size, in);
    } else if (type == ETH_TYPE_IPV6) {
        inside = parse_ip6(plain, size, in);
    }
    if (inside != INSIDE_TCP) {
        return inside;
    } else if (in->l4 + TCP_HEADER_LEN > size) {
        return INSIDE_UNSURE;
    }
    in->data = in->l4 + (plain[in->l4 + TCP_DOFF_OFS] >> 4) * 4;
    if (in->data < in->l4 + TCP_HEADER_LEN || in->data > size) {
        return INSIDE_UNSURE;
    }
    in->hash = hash_connection(plain, in);
    return INSIDE_TCP;
}

/* Comparing. */

static uint8_t *
run_first(const struct vnetenc_coalesce_run *run)
{
    return run->iov[0].iov_base;
}

static bool
same_outer(const struct vnetenc_coalesce_outer *a,
           const struct vnetenc_coalesce_outer *b)
{
    return (a->udp_src == b->udp_src
            && a->tos == b->tos
            && a->vxlan == b->vxlan
            && !memcmp(&a->src, &b->src, sizeof a->src)
            && !memcmp(&a->dst, &b->dst, sizeof a->dst));
}

/* Returns true if the 'n' bytes at 'ofs' are the same in two packets. */
static bool
same(const uint8_t *a, const uint8_t *b, size_t ofs, size_t n)
{
    return !memcmp(a + ofs, b + ofs, n);
}

/* Returns true if a packet belongs to the connection of 'run', even if it
 * cannot be joined to it. */
static bool
same_connection(const struct vnetenc_coalesce_run *run, const uint8_t *plain,
                const struct layers *in)
{
    const uint8_t *first = run_first(run);
    size_t ofs = in->ipv6 ? IP6_ADDR_OFS : IP_ADDR_OFS;
    size_t n = in->ipv6 ? IP6_ADDR_BYTES : IP_ADDR_BYTES;

    return (run->hash == in->hash
            && run->ipv6 == in->ipv6
            && same(first, plain, VNI_OFS, VNI_BYTES)
            && !memcmp(first + run->l3_ofs + ofs, plain + in->l3 + ofs, n)
            && !memcmp(first + run->l4_ofs, plain + in->l4, TCP_PORT_BYTES));
}

/* Returns true if the IP header at 'l3' may follow in 'run'.  Only length,
 * identification and checksum may differ, and the identification must be the
 * one that segmentation would give it, unless the packet is atomic. */
static bool
same_ip(const struct vnetenc_coalesce_run *run, const uint8_t *l3)
{
    const uint8_t *first = run_first(run) + run->l3_ofs;

    if (run->ipv6) {
        return (same(first, l3, 0, IP6_LEN_OFS)
                && same(first, l3, IP6_NEXT_OFS,
                        IPV6_HEADER_LEN - IP6_NEXT_OFS));
    }
    return (same(first, l3, 0, IP_LEN_OFS)
            && same(first, l3, IP_FRAG_OFS, IP_CSUM_OFS - IP_FRAG_OFS)
            && same(first, l3, IP_ADDR_OFS, IP_ADDR_BYTES)
            && (run->atomic
                || vnetenc_wire_get_u16(l3 + IP_ID_OFS) == run->next_id));
}

/* Returns true if the TCP header at 'l4' may follow in 'run'.  Only sequence
 * number, PSH and checksum may differ, and the sequence number must be the
 * next one. */
static bool
same_tcp(const struct vnetenc_coalesce_run *run, const uint8_t *l4)
{
    const uint8_t *first = run_first(run) + run->l4_ofs;

    return (get_u32(l4 + TCP_SEQ_OFS) == run->next_seq
            && same(first, l4, 0, TCP_PORT_BYTES)
            && same(first, l4, TCP_ACK_OFS, TCP_FLAGS_OFS - TCP_ACK_OFS)
            && (l4[TCP_FLAGS_OFS] & ~TCP_PSH) == TCP_ACK
            && same(first, l4, TCP_WINDOW_OFS, TCP_CSUM_OFS - TCP_WINDOW_OFS)
            && same(first, l4, TCP_URGENT_OFS,
                    run->data_ofs - run->l4_ofs - TCP_URGENT_OFS));
}

static bool
has_room(const struct vnetenc_coalesce_run *run, size_t size)
{
    return (!run->closed && run->n < VNETENC_COALESCE_PACKETS
            && size <= run->segment && run->size + size <= MAX_BYTES);
}

static bool
may_follow(const struct vnetenc_coalesce_run *run,
           const struct vnetenc_coalesce_outer *outer, const uint8_t *plain,
           size_t size, const struct layers *in)
{
    return (size > in->data
            && has_room(run, size - in->data)
            && run->l3_ofs == in->l3
            && run->l4_ofs == in->l4
            && run->data_ofs == in->data
            && same_outer(&run->outer, outer)
            && same(run_first(run), plain, 0, in->l3)
            && same_ip(run, plain + in->l3)
            && same_tcp(run, plain + in->l4)
            && sums_are_right(plain, size, in));
}

/* Returns true if a packet may begin a run.  A packet with PSH may not,
 * because it would also end the run. */
static bool
may_begin(const uint8_t *plain, size_t size, const struct layers *in)
{
    const uint8_t *l4 = plain + in->l4;

    return (size > in->data
            && l4[TCP_FLAGS_OFS] == TCP_ACK
            && !(l4[TCP_DOFF_OFS] & 0xf)
            && sums_are_right(plain, size, in));
}

/* Runs. */

static void
run_begin(struct vnetenc_coalesce *c, struct vnetenc_coalesce_run *run,
          const struct vnetenc_coalesce_outer *outer, uint8_t *plain,
          size_t size, size_t segment)
{
    run->outer = *outer;
    run->segment = segment;
    run->n = 1;
    run->size = size;
    run->iov[0].iov_base = plain;
    run->iov[0].iov_len = size;
    run->closed = false;
    run->serial = c->serial++;
}

static void
run_begin_tcp(struct vnetenc_coalesce *c, struct vnetenc_coalesce_run *run,
              const struct vnetenc_coalesce_outer *outer, uint8_t *plain,
              size_t size, const struct layers *in)
{
    const uint8_t *l3 = plain + in->l3;

    run_begin(c, run, outer, plain, size, size - in->data);
    run->tcp = true;
    run->ipv6 = in->ipv6;
    run->l3_ofs = in->l3;
    run->l4_ofs = in->l4;
    run->data_ofs = in->data;
    run->push = false;
    run->atomic = (in->ipv6
                   || (vnetenc_wire_get_u16(l3 + IP_FRAG_OFS)
                       & IP_DONT_FRAGMENT));
    run->next_id = in->ipv6 ? 0 : vnetenc_wire_get_u16(l3 + IP_ID_OFS) + 1;
    run->next_seq = get_u32(plain + in->l4 + TCP_SEQ_OFS) + run->segment;
    run->hash = in->hash;
}

static void
run_append(struct vnetenc_coalesce_run *run, uint8_t *data, size_t size)
{
    run->iov[run->n].iov_base = data;
    run->iov[run->n].iov_len = size;
    run->n++;
    run->size += size;
    run->closed = size < run->segment;
}

static void
run_append_tcp(struct vnetenc_coalesce_run *run, uint8_t *plain, size_t size,
               const struct layers *in)
{
    size_t payload = size - in->data;

    run_append(run, plain + in->data, payload);
    run->push = plain[in->l4 + TCP_FLAGS_OFS] & TCP_PSH;
    run->closed |= run->push;
    run->next_id++;
    run->next_seq += payload;
}

/* Turns the headers of the first packet into those of the whole run, with a
 * partial TCP checksum that the kernel completes. */
static void
set_headers(struct vnetenc_coalesce_run *run)
{
    uint8_t *l3 = run_first(run) + run->l3_ofs;
    uint8_t *l4 = run_first(run) + run->l4_ofs;
    size_t l4_size = run->size - run->l4_ofs;
    uint16_t sum;

    if (run->ipv6) {
        vnetenc_wire_put_u16(l3 + IP6_LEN_OFS, l4_size);
    } else {
        vnetenc_wire_put_u16(l3 + IP_LEN_OFS, run->size - run->l3_ofs);
        memset(l3 + IP_CSUM_OFS, 0, sizeof sum);
        sum = ~vnetenc_sum_fold(vnetenc_sum_add(0, l3, IP_HEADER_LEN));
        memcpy(l3 + IP_CSUM_OFS, &sum, sizeof sum);
    }
    if (run->push) {
        l4[TCP_FLAGS_OFS] |= TCP_PSH;
    }
    sum = vnetenc_sum_fold(vnetenc_sum_tcp_pseudo(l3, run->ipv6, l4_size));
    memcpy(l4 + TCP_CSUM_OFS, &sum, sizeof sum);
}

static void
emit_other(struct vnetenc_coalesce *c)
{
    if (c->other.n) {
        c->emit(c->aux, &c->other);
        c->other.n = 0;
        c->other_has_tcp = false;
    }
}

/* Emits 'run', but first 'other' if that has TCP: its packets of the same
 * connection came earlier, see vnetenc_coalesce_add(). */
static void
emit_tcp(struct vnetenc_coalesce *c, struct vnetenc_coalesce_run *run)
{
    if (c->other_has_tcp) {
        emit_other(c);
    }
    if (run->n > 1) {
        set_headers(run);
    }
    c->emit(c->aux, run);
    run->n = 0;
}

static void
emit_all_tcp(struct vnetenc_coalesce *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(c->runs); i++) {
        if (c->runs[i].n) {
            emit_tcp(c, &c->runs[i]);
        }
    }
}

static struct vnetenc_coalesce_run *
find_run(struct vnetenc_coalesce *c, const uint8_t *plain,
         const struct layers *in)
{
    for (size_t i = 0; i < ARRAY_SIZE(c->runs); i++) {
        if (c->runs[i].n && same_connection(&c->runs[i], plain, in)) {
            return &c->runs[i];
        }
    }
    return NULL;
}

/* Returns a free run.  If there is none, emits the oldest run to free it. */
static struct vnetenc_coalesce_run *
free_run(struct vnetenc_coalesce *c)
{
    struct vnetenc_coalesce_run *oldest = &c->runs[0];

    for (size_t i = 0; i < ARRAY_SIZE(c->runs); i++) {
        struct vnetenc_coalesce_run *run = &c->runs[i];

        if (!run->n) {
            return run;
        }
        if (c->serial - run->serial > c->serial - oldest->serial) {
            oldest = run;
        }
    }
    emit_tcp(c, oldest);
    return oldest;
}

/* Adds a TCP packet to a run of its connection.  Returns false if it cannot be
 * in a run; then its connection has no run any more. */
static bool
add_tcp(struct vnetenc_coalesce *c, const struct vnetenc_coalesce_outer *outer,
        uint8_t *plain, size_t size, const struct layers *in)
{
    struct vnetenc_coalesce_run *run = find_run(c, plain, in);

    if (run && may_follow(run, outer, plain, size, in)) {
        run_append_tcp(run, plain, size, in);
        return true;
    } else if (run) {
        emit_tcp(c, run);
    }
    if (!may_begin(plain, size, in)) {
        return false;
    }
    run_begin_tcp(c, run ? run : free_run(c), outer, plain, size, in);
    return true;
}

static void
add_other(struct vnetenc_coalesce *c,
          const struct vnetenc_coalesce_outer *outer, uint8_t *plain,
          size_t size)
{
    struct vnetenc_coalesce_run *run = &c->other;

    if (run->n && c->equal && has_room(run, size)
        && same_outer(&run->outer, outer)) {
        run_append(run, plain, size);
        return;
    }
    emit_other(c);
    run_begin(c, run, outer, plain, size, size);
}

void
vnetenc_coalesce_init(struct vnetenc_coalesce *c, bool tcp, bool equal,
                      vnetenc_coalesce_cb *emit, void *aux)
{
    memset(c, 0, sizeof *c);
    c->tcp = tcp;
    c->equal = equal;
    c->emit = emit;
    c->aux = aux;
}

void
vnetenc_coalesce_add(struct vnetenc_coalesce *c,
                     const struct vnetenc_coalesce_outer *outer,
                     uint8_t *plain, size_t size)
{
    enum inside inside = INSIDE_OTHER;
    struct layers in;

    if (c->tcp) {
        inside = parse_inside(plain, size, outer->vxlan, &in);
        if (inside == INSIDE_TCP && add_tcp(c, outer, plain, size, &in)) {
            return;
        } else if (inside == INSIDE_UNSURE) {
            emit_all_tcp(c);
        }
    }
    add_other(c, outer, plain, size);
    c->other_has_tcp |= inside != INSIDE_OTHER;
}

void
vnetenc_coalesce_flush(struct vnetenc_coalesce *c)
{
    emit_other(c);
    emit_all_tcp(c);
}
