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
#include "vnetenc-unit-tcp.h"

#include <string.h>
#include "csum.h"
#include "packets.h"
#include "unaligned.h"
#include "util.h"
#include "vnetenc/crypto/wire.h"

struct unit_tcp_layers
unit_tcp_layers(const struct unit_tcp *t)
{
    struct unit_tcp_layers l;

    l.frame = 8 + (t->vxlan ? 0 : 4 * t->n_options);
    l.l3 = l.frame + ETH_HEADER_LEN + 4 * t->n_tags;
    l.l4 = l.l3 + (t->ipv6 ? IPV6_HEADER_LEN : IP_HEADER_LEN);
    l.data = l.l4 + TCP_HEADER_LEN + 4 * t->n_tcp_options;
    return l;
}

static void
put_u32(uint8_t *p, uint32_t x)
{
    vnetenc_wire_put_u16(p, x >> 16);
    vnetenc_wire_put_u16(p + 2, x);
}

static uint32_t
pseudo(const uint8_t *l3, bool ipv6, size_t size)
{
    uint32_t sum = csum_continue(0, ipv6 ? l3 + 8 : l3 + 12, ipv6 ? 32 : 8);

    sum = csum_add16(sum, htons(size));
    return csum_add16(sum, htons(IPPROTO_TCP));
}

static void
put_be16(uint8_t *p, ovs_be16 x)
{
    memcpy(p, &x, sizeof x);
}

void
unit_tcp_set_sums(uint8_t *p, size_t size, bool ipv6, size_t l3, size_t l4)
{
    if (!ipv6) {
        put_be16(p + l3 + 10, 0);
        put_be16(p + l3 + 10, csum(p + l3, IP_HEADER_LEN));
    }
    put_be16(p + l4 + 16, 0);
    put_be16(p + l4 + 16,
             csum_finish(csum_continue(pseudo(p + l3, ipv6, size - l4),
                                       p + l4, size - l4)));
}

size_t
unit_tcp_build(const struct unit_tcp *t, uint8_t *p)
{
    struct unit_tcp_layers l = unit_tcp_layers(t);
    size_t size = l.data + t->size;
    uint8_t *type;

    memset(p, 0, l.data);
    if (t->vxlan) {
        p[0] = 8;
    } else {
        p[0] = t->n_options;
        vnetenc_wire_put_u16(p + 2, ETH_TYPE_TEB);
        memset(p + 8, 0x11, 4 * t->n_options);
    }
    vnetenc_wire_put_u24(p + 4, t->vni);

    memcpy(p + l.frame, (uint8_t[]) { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1 },
           2 * ETH_ADDR_LEN);
    type = p + l.frame + 2 * ETH_ADDR_LEN;
    for (unsigned int i = 0; i < t->n_tags; i++) {
        vnetenc_wire_put_u16(type, i ? ETH_TYPE_VLAN_8021Q
                                   : ETH_TYPE_VLAN_8021AD);
        vnetenc_wire_put_u16(type + 2, 100 + i);
        type += 4;
    }
    vnetenc_wire_put_u16(type, t->ipv6 ? ETH_TYPE_IPV6 : ETH_TYPE_IP);
    if (t->ipv6) {
        p[l.l3] = 0x60;
        vnetenc_wire_put_u16(p + l.l3 + 4, size - l.l4);
        p[l.l3 + 6] = IPPROTO_TCP;
        p[l.l3 + 7] = 64;
        p[l.l3 + 8] = p[l.l3 + 24] = 0xfd;
        p[l.l3 + 23] = 1;
        p[l.l3 + 39] = 2;
    } else {
        p[l.l3] = 0x45;
        vnetenc_wire_put_u16(p + l.l3 + 2, size - l.l3);
        vnetenc_wire_put_u16(p + l.l3 + 4, t->id);
        p[l.l3 + 6] = t->df ? 0x40 : 0;
        p[l.l3 + 8] = 64;
        p[l.l3 + 9] = IPPROTO_TCP;
        put_u32(p + l.l3 + 12, 0xc0a80001);
        put_u32(p + l.l3 + 16, 0xc0a80002);
    }
    vnetenc_wire_put_u16(p + l.l4, t->port);
    vnetenc_wire_put_u16(p + l.l4 + 2, 5001);
    put_u32(p + l.l4 + 4, t->seq);
    put_u32(p + l.l4 + 8, 0x01020304);
    p[l.l4 + 12] = (5 + t->n_tcp_options) << 4;
    p[l.l4 + 13] = t->flags;
    vnetenc_wire_put_u16(p + l.l4 + 14, 501);
    memset(p + l.l4 + TCP_HEADER_LEN, 1, 4 * t->n_tcp_options);
    for (size_t i = 0; i < t->size; i++) {
        p[l.data + i] = (t->seq + i) * 7;
    }
    unit_tcp_set_sums(p, size, t->ipv6, l.l3, l.l4);
    return size;
}

/* As the kernel's tcp_gso_segment() and inet_gso_segment() do: the first
 * packet's headers, with the numbers that follow, and PSH on the last only. */
static size_t
cut_tcp(const struct vnetenc_coalesce_run *run, unsigned int i, uint8_t *p)
{
    const uint8_t *super = run->iov[0].iov_base;
    size_t head = run->data_ofs;
    size_t n = i ? run->iov[i].iov_len : run->iov[i].iov_len - head;
    size_t l4_size = head + n - run->l4_ofs;
    uint8_t *l3 = p + run->l3_ofs, *l4 = p + run->l4_ofs;

    ovs_assert(i + 1 == run->n ? n <= run->segment : n == run->segment);
    memcpy(p, super, head);
    memcpy(p + head, (uint8_t *) run->iov[i].iov_base + (i ? 0 : head), n);
    if (run->ipv6) {
        ovs_assert(vnetenc_wire_get_u16(l3 + 4) == run->size - run->l4_ofs);
        vnetenc_wire_put_u16(l3 + 4, l4_size);
    } else {
        ovs_assert(vnetenc_wire_get_u16(l3 + 2) == run->size - run->l3_ofs);
        ovs_assert(!csum(l3, IP_HEADER_LEN));
        vnetenc_wire_put_u16(l3 + 2, head + n - run->l3_ofs);
        vnetenc_wire_put_u16(l3 + 4, vnetenc_wire_get_u16(l3 + 4) + i);
    }
    /* What the network stack completes is the sum of the pseudo header. */
    ovs_assert(!memcmp(l4 + 16, &(ovs_be16) {
        ~csum_finish(pseudo(super + run->l3_ofs, run->ipv6,
                            run->size - run->l4_ofs)) }, 2));
    put_u32(l4 + 4, ((uint32_t) vnetenc_wire_get_u16(l4 + 4) << 16
                     | vnetenc_wire_get_u16(l4 + 6)) + i * run->segment);
    if (i + 1 < run->n) {
        l4[13] &= ~TCP_PSH;
    }
    unit_tcp_set_sums(p, head + n, run->ipv6, run->l3_ofs, run->l4_ofs);
    return head + n;
}

size_t
unit_tcp_cut(const struct vnetenc_coalesce_run *run, unsigned int i,
             uint8_t *p)
{
    ovs_assert(run->n <= VNETENC_COALESCE_PACKETS && i < run->n);
    ovs_assert(run->size <= UINT16_MAX - IPV6_HEADER_LEN - UDP_HEADER_LEN);
    if (run->tcp && run->n > 1) {
        return cut_tcp(run, i, p);
    }
    ovs_assert(i + 1 == run->n ? run->iov[i].iov_len <= run->segment
               || run->tcp : run->iov[i].iov_len == run->segment);
    memcpy(p, run->iov[i].iov_base, run->iov[i].iov_len);
    return run->iov[i].iov_len;
}
