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
#include "vnetenc/packet/sum.h"
#include <arpa/inet.h>
#include <string.h>
#include "openvswitch/types.h"

/* Addresses in IP headers. */
enum {
    IP_ADDR_OFS = 12, IP_ADDR_BYTES = 8,
    IP6_ADDR_OFS = 8, IP6_ADDR_BYTES = 32,
};

/* Returns a sum of at most 33 bits that stands for the same value. */
static uint64_t
shorten(uint64_t sum)
{
    return (sum & UINT32_MAX) + (sum >> 32);
}

static uint64_t
get_word(const uint8_t *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof word);
    return word;
}

/* Adds a word and counts the carry, which is worth 1. */
static void
add_word(uint64_t *sum, uint64_t *carries, uint64_t word)
{
    *sum += word;
    *carries += *sum < word;
}

uint64_t
vnetenc_sum_add(uint64_t sum, const void *data, size_t n)
{
    /* A CPU adds to these side by side.  An array would be in memory. */
    uint64_t a = 0, b = 0, c = 0, d = 0;
    uint64_t a_carries = 0, b_carries = 0, c_carries = 0, d_carries = 0;
    const uint8_t *p = data;
    uint64_t tail = 0;

    for (; n >= 32; n -= 32, p += 32) {
        add_word(&a, &a_carries, get_word(p));
        add_word(&b, &b_carries, get_word(p + 8));
        add_word(&c, &c_carries, get_word(p + 16));
        add_word(&d, &d_carries, get_word(p + 24));
    }
    for (; n >= 8; n -= 8, p += 8) {
        add_word(&a, &a_carries, get_word(p));
    }
    memcpy(&tail, p, n);
    return (sum + shorten(a) + shorten(b) + shorten(c) + shorten(d)
            + shorten(tail) + a_carries + b_carries + c_carries + d_carries);
}

uint64_t
vnetenc_sum_tcp_pseudo(const void *l3_, bool ipv6, size_t size)
{
    const uint8_t *l3 = l3_;
    uint64_t sum = ((OVS_FORCE uint16_t) htons(size)
                    + (OVS_FORCE uint16_t) htons(IPPROTO_TCP));

    return (ipv6 ? vnetenc_sum_add(sum, l3 + IP6_ADDR_OFS, IP6_ADDR_BYTES)
            : vnetenc_sum_add(sum, l3 + IP_ADDR_OFS, IP_ADDR_BYTES));
}

uint16_t
vnetenc_sum_fold(uint64_t sum)
{
    sum = shorten(sum);
    while (sum >> 16) {
        sum = (sum & UINT16_MAX) + (sum >> 16);
    }
    return sum;
}
