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

#ifndef VNETENC_OUTER_H
#define VNETENC_OUTER_H 1

/* The outer headers of a tunnel packet
 * ====================================
 *
 * Ethernet, IPv4 or IPv6 and UDP in front of a tunnel payload: where they
 * are, how a gap is opened behind them and closed again, and what their
 * fields and the packet's offload state must be afterwards.
 *
 * Thread-safety: pure functions of the caller's packet. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/compiler.h"
#include "openvswitch/types.h"

struct dp_packet;

struct vnetenc_outer {
    struct in6_addr src;        /* IPv4 addresses are mapped. */
    struct in6_addr dst;
    ovs_be16 udp_src;
    ovs_be16 udp_dst;
    bool ipv6;
    size_t payload_ofs;         /* Behind the UDP header. */
    size_t payload_size;        /* By the UDP length. */
};

/* A packet just pushed by a Geneve or VXLAN tunnel.  Returns false if it is
 * not one.  Leaves 'src' and 'dst' alone. */
bool vnetenc_outer_parse_pushed(const struct dp_packet *,
                                struct vnetenc_outer *)
    OVS_WARN_UNUSED_RESULT;

/* Only the addresses of one: a packet that is still to be segmented may be too
 * large for its lengths. */
bool vnetenc_outer_parse_addresses(const struct dp_packet *, bool *ipv6,
                                   struct in6_addr *src, struct in6_addr *dst)
    OVS_WARN_UNUSED_RESULT;

/* True if a packet that was parsed as IPv6, or not, goes from 'src' to 'dst',
 * which are of the same family. */
bool vnetenc_outer_has_addresses(const struct dp_packet *, bool ipv6,
                                 const struct in6_addr *src,
                                 const struct in6_addr *dst);

/* A received packet whose IP header is sound and whose offsets are set.
 * Returns false if the UDP length is not. */
bool vnetenc_outer_parse_received(const struct dp_packet *,
                                  struct vnetenc_outer *)
    OVS_WARN_UNUSED_RESULT;

/* Room for 'head' bytes in front and 'tail' behind.  Returns the packet, or
 * another in its place if its memory cannot grow; in that case the first was
 * freed. */
struct dp_packet *vnetenc_outer_make_room(struct dp_packet *, size_t head,
                                          size_t tail)
    OVS_WARN_UNUSED_RESULT;

/* True if vnetenc_outer_make_room() would return 'packet' itself. */
bool vnetenc_outer_may_grow(const struct dp_packet *, size_t head,
                            size_t tail);

/* Completes the inner checksums, which nobody can do later.  Returns false if
 * the packet's state does not say how. */
bool vnetenc_outer_complete_inner(struct dp_packet *) OVS_WARN_UNUSED_RESULT;

/* Makes the packet plain UDP from 'udp_src' to 'udp_dst', with 'head' bytes
 * between UDP header and payload and 'tail' behind, for which there must be
 * room.  Returns the first byte behind the UDP header. */
uint8_t *vnetenc_outer_grow(struct dp_packet *, const struct vnetenc_outer *,
                            size_t head, size_t tail, ovs_be16 udp_src,
                            ovs_be16 udp_dst);

/* The reverse: 'head' bytes behind the UDP header disappear and everything
 * behind the next 'size'.  Nothing is known of checksums and hash of the
 * packet inside.  Lengths in the outer headers stay what they were. */
void vnetenc_outer_shrink(struct dp_packet *, const struct vnetenc_outer *,
                          size_t head, size_t size);

#endif /* vnetenc/packet/outer.h */
