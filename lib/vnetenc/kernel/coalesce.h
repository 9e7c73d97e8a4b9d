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

#ifndef VNETENC_COALESCE_H
#define VNETENC_COALESCE_H 1

/* Many packets as one
 * ===================
 *
 * What workers opened goes into the kernel in as few pieces as possible.  A
 * run is a number of tunnel packets that the kernel takes as one and that mean
 * the same as one by one:
 *
 *   - Segments of one inner TCP connection, in order, which differ in nothing
 *     but what TSO would make different again: a super-packet, as GRO joins
 *     them.  All checksums were right before, because nobody looks at them
 *     again: a packet that a guest or its memory damaged stays damaged.
 *
 *   - Tunnel packets of equal size, the last of them maybe shorter, with the
 *     same outer header: the kernel cuts these again before it looks inside.
 *
 * Packets of one TCP connection leave in the order in which they came.  There
 * are VNETENC_COALESCE_RUNS connections at a time and one run of equal
 * packets.
 *
 * A run refers to the caller's memory, until it was emitted, and may write to
 * it; no octet is copied here.
 *
 * Thread-safety: the functions work only on the caller's data. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include "openvswitch/types.h"
#include "vnetenc/bridge/limits.h"

/* The outer header of a tunnel packet. */
struct vnetenc_coalesce_outer {
    struct in6_addr src;        /* IPv4 addresses are mapped. */
    struct in6_addr dst;
    ovs_be16 udp_src;
    uint8_t tos;                /* DSCP and ECN. */
    bool vxlan;                 /* Otherwise Geneve. */
};

struct vnetenc_coalesce_run {
    struct vnetenc_coalesce_outer outer;
    bool tcp;                   /* Otherwise equal packets. */

    /* 'tcp' only: offsets in the first packet, behind the outer header. */
    bool ipv6;                  /* Inner. */
    uint16_t l3_ofs;
    uint16_t l4_ofs;
    uint16_t data_ofs;

    /* TCP payload, or size, of each packet but the last.  The last is no
     * larger. */
    uint16_t segment;

    unsigned int n;             /* Packets.  One is as it came. */
    size_t size;                /* Sum of 'iov': one header, all payloads. */
    struct iovec iov[VNETENC_COALESCE_PACKETS];

    /* Private. */
    bool closed;                /* Nothing comes behind the last. */
    bool push;                  /* The last had PSH. */
    bool atomic;                /* May not be fragmented: RFC 6864. */
    uint16_t next_id;
    uint32_t next_seq;
    uint32_t hash;              /* Of the connection. */
    unsigned int serial;        /* Order in which runs began. */
};

/* Takes a run away.  Its memory is the caller's again afterwards. */
typedef void vnetenc_coalesce_cb(void *aux, struct vnetenc_coalesce_run *);

struct vnetenc_coalesce {
    bool tcp;                   /* Join segments. */
    bool equal;                 /* Join equal packets. */
    vnetenc_coalesce_cb *emit;
    void *aux;
    unsigned int serial;
    bool other_has_tcp;         /* Some of 'other' are TCP. */
    struct vnetenc_coalesce_run other;
    struct vnetenc_coalesce_run runs[VNETENC_COALESCE_RUNS];
};

/* Makes it empty.  If neither 'tcp' nor 'equal' is set, each packet is a run
 * of its own. */
void vnetenc_coalesce_init(struct vnetenc_coalesce *, bool tcp, bool equal,
                           vnetenc_coalesce_cb *emit, void *aux);

/* Adds the 'size' bytes of a tunnel packet at 'plain', from the Geneve or
 * VXLAN header on, at least VNETENC_MIN_PLAINTEXT_BYTES.  It remains in use
 * until the run in which it is was emitted. */
void vnetenc_coalesce_add(struct vnetenc_coalesce *,
                          const struct vnetenc_coalesce_outer *,
                          uint8_t *plain, size_t size);

/* Emits all runs. */
void vnetenc_coalesce_flush(struct vnetenc_coalesce *);

#endif /* vnetenc/kernel/coalesce.h */
