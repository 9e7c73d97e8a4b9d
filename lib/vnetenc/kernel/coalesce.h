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
 * Workers hand the packets that they opened to the kernel in as few pieces as
 * possible.  A run is a sequence of tunnel packets that the kernel takes as
 * one, with the same effect as one by one:
 *
 *   - Segments of one inner TCP connection, in order, that differ only in
 *     fields that TSO sets again: a super-packet, as GRO makes it.  Only
 *     segments with correct checksums are joined, because nobody verifies
 *     these checksums later: a damaged segment passes unchanged, and its
 *     receiver discards it.
 *
 *   - Tunnel packets of equal size, of which the last may be shorter, with the
 *     same outer header: the kernel splits such a run before it parses the
 *     inner headers.
 *
 * Packets of one TCP connection leave in the order in which they came.  At
 * most VNETENC_COALESCE_RUNS runs of TCP connections and one run of equal
 * packets exist at a time.
 *
 * Until a run is emitted, it refers to the caller's memory and may write to
 * it; no packet is copied here.
 *
 * Thread-safety: the functions work only on the caller's data. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include "openvswitch/types.h"
#include "vnetenc/base/limits.h"

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

    unsigned int n;             /* Packets.  A single one is unchanged. */
    size_t size;                /* Sum of 'iov': one header, all payloads. */
    struct iovec iov[VNETENC_COALESCE_PACKETS];

    /* Private. */
    bool closed;                /* No packet may follow the last. */
    bool push;                  /* The last had PSH. */
    bool atomic;                /* May not be fragmented: RFC 6864. */
    uint16_t next_id;
    uint32_t next_seq;
    uint32_t hash;              /* Of the connection. */
    unsigned int serial;        /* Order in which runs began. */
};

/* Consumes a run.  When it returns, the memory of the packets belongs to the
 * caller of vnetenc_coalesce_add() again. */
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

/* Initializes the struct without runs.  Runs will be passed to 'emit' with
 * 'aux'.  If neither 'tcp' nor 'equal' is set, each packet is a run of its
 * own. */
void vnetenc_coalesce_init(struct vnetenc_coalesce *, bool tcp, bool equal,
                           vnetenc_coalesce_cb *emit, void *aux);

/* Adds a tunnel packet, the 'size' bytes at 'plain', which begin with the
 * Geneve or VXLAN header and are at least VNETENC_MIN_PLAINTEXT_BYTES.  They
 * remain in use until the run with this packet is emitted.  May emit runs. */
void vnetenc_coalesce_add(struct vnetenc_coalesce *,
                          const struct vnetenc_coalesce_outer *,
                          uint8_t *plain, size_t size);

/* Emits all runs. */
void vnetenc_coalesce_flush(struct vnetenc_coalesce *);

#endif /* vnetenc/kernel/coalesce.h */
