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

#ifndef VNETENC_UNIT_TCP_H
#define VNETENC_UNIT_TCP_H 1

/* TCP in tunnel packets
 * =====================
 *
 * Tunnel packets with TCP inside, as workers open them, and what segmentation
 * makes of a super-packet: written anew here, so that it can be compared with
 * what kernel/coalesce.h does. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "vnetenc/kernel/coalesce.h"

enum { UNIT_TCP_MAX = 66000 };

struct unit_tcp {
    bool vxlan;
    unsigned int n_options;     /* Geneve, in units of 4 bytes. */
    uint32_t vni;
    unsigned int n_tags;        /* VLAN. */
    bool ipv6;
    bool df;
    uint16_t id;
    uint16_t port;              /* TCP, of the sender. */
    uint32_t seq;
    uint8_t flags;
    unsigned int n_tcp_options; /* In units of 4 bytes. */
    size_t size;                /* Of the payload. */
};

/* Where the layers of a packet are. */
struct unit_tcp_layers {
    size_t frame, l3, l4, data;
};

struct unit_tcp_layers unit_tcp_layers(const struct unit_tcp *);

/* Writes the packet to 'p', with right sums and a payload that says where in
 * the stream it is, and returns its size. */
size_t unit_tcp_build(const struct unit_tcp *, uint8_t *p);

/* Makes the inner sums of the 'size' bytes of packet at 'p' right. */
void unit_tcp_set_sums(uint8_t *p, size_t size, bool ipv6, size_t l3,
                       size_t l4);

/* Writes packet 'i' of 'run' to 'p', as the kernel cuts it, and returns its
 * size. */
size_t unit_tcp_cut(const struct vnetenc_coalesce_run *run, unsigned int i,
                    uint8_t *p);

#endif /* vnetenc-unit-tcp.h */
