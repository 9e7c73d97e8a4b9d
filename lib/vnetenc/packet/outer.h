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
 * The outer headers are Ethernet, IPv4 or IPv6, and UDP, in front of a tunnel
 * payload.  The functions here find them, open and close a gap behind them,
 * and set their fields and the packet's offload state accordingly.
 *
 * Thread-safety: pure functions of the caller's packet. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/compiler.h"
#include "openvswitch/types.h"
#include "vnetenc/crypto/wire.h"

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

/* Returns the VNI of a tunnel payload of at least VNETENC_MIN_PLAINTEXT_BYTES.
 * It is at the same place in a Geneve and in a VXLAN header. */
static inline uint32_t
vnetenc_outer_vni(const uint8_t *payload)
{
    return vnetenc_wire_get_u24(payload + 4);
}

/* Finds the outer headers of a packet that a Geneve or VXLAN tunnel has just
 * pushed.  Returns false if the packet is not one.  Leaves 'src' and 'dst'
 * alone. */
bool vnetenc_outer_parse_pushed(const struct dp_packet *,
                                struct vnetenc_outer *)
    OVS_WARN_UNUSED_RESULT;

/* Reads only the addresses of such a packet, not its lengths: a packet that is
 * still to be segmented may be too large for these. */
bool vnetenc_outer_parse_addresses(const struct dp_packet *, bool *ipv6,
                                   struct in6_addr *src, struct in6_addr *dst)
    OVS_WARN_UNUSED_RESULT;

/* Returns true if a packet, which is IPv6 if 'ipv6' is true, otherwise IPv4,
 * goes from 'src' to 'dst', which must be of the same family. */
bool vnetenc_outer_has_addresses(const struct dp_packet *, bool ipv6,
                                 const struct in6_addr *src,
                                 const struct in6_addr *dst);

/* Finds the outer headers of a received packet whose IP header has been
 * checked and whose offsets are set.  Returns false if the UDP length is
 * wrong. */
bool vnetenc_outer_parse_received(const struct dp_packet *,
                                  struct vnetenc_outer *)
    OVS_WARN_UNUSED_RESULT;

/* Does the same for a packet whose IP header has not been checked.  Returns
 * false for packets with VLAN tags, IP options or extension headers, too. */
bool vnetenc_outer_parse_unchecked(const struct dp_packet *,
                                   struct vnetenc_outer *)
    OVS_WARN_UNUSED_RESULT;

/* Returns true if two received packets, whose offsets are set, have the same
 * addresses and the same UDP source port.  May miss this, so nothing but speed
 * may depend on it. */
bool vnetenc_outer_has_same_sender(const struct dp_packet *,
                                   const struct dp_packet *);

/* Makes room for 'head' bytes in front of the packet and 'tail' behind it.
 * Returns the packet or, if its memory cannot grow, a copy in its place; the
 * original is freed then. */
struct dp_packet *vnetenc_outer_make_room(struct dp_packet *, size_t head,
                                          size_t tail)
    OVS_WARN_UNUSED_RESULT;

/* Returns true if vnetenc_outer_make_room() would return 'packet' itself. */
bool vnetenc_outer_may_grow(const struct dp_packet *, size_t head,
                            size_t tail);

/* Completes the inner checksums, which no device can do after sealing.
 * Returns false if the packet's offload state does not say how. */
bool vnetenc_outer_complete_inner(struct dp_packet *) OVS_WARN_UNUSED_RESULT;

/* Makes the packet plain UDP from 'udp_src' to 'udp_dst', with 'head' bytes
 * between UDP header and payload and 'tail' bytes behind the payload, for
 * which there must be room.  Returns the first byte behind the UDP header. */
uint8_t *vnetenc_outer_grow(struct dp_packet *, const struct vnetenc_outer *,
                            size_t head, size_t tail, ovs_be16 udp_src,
                            ovs_be16 udp_dst);

/* Returns a plain UDP packet from 'udp_src' to 'udp_dst' with the 'size' bytes
 * at 'payload', and with the Ethernet and IP headers and the metadata of
 * 'packet', which vnetenc_outer_grow() has made, but in no traffic class. */
struct dp_packet *vnetenc_outer_copy(const struct dp_packet *packet, bool ipv6,
                                     ovs_be16 udp_src, ovs_be16 udp_dst,
                                     const void *payload, size_t size)
    OVS_WARN_UNUSED_RESULT;

/* Does the reverse of vnetenc_outer_grow(): removes the 'head' bytes behind
 * the UDP header, and everything behind the next 'size' bytes.  Forgets the
 * inner offload state and the hash, which are unknown for the packet inside.
 * Leaves the lengths in the outer headers alone. */
void vnetenc_outer_shrink(struct dp_packet *, const struct vnetenc_outer *,
                          size_t head, size_t size);

#endif /* vnetenc/packet/outer.h */
