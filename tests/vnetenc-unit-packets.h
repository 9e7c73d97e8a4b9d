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

#ifndef VNETENC_UNIT_PACKETS_H
#define VNETENC_UNIT_PACKETS_H 1

/* Packets for unit programs
 * =========================
 *
 * Inner frames, tunnel packets as Open vSwitch itself pushes them, what of
 * them is on the wire, sessions that fit them, and drop counters.
 *
 * The sender is 10.0.0.1 or fd00::1, the receiver 10.0.0.2 or fd00::2. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "odp-netlink.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/bridge/path.h"
#include "vnetenc/bridge/rx.h"
#include "vnetenc/bridge/tx.h"
#include "vnetenc/vnetenc.h"

struct dp_packet;

enum {
    UNIT_VNI = 0x123456,
    UNIT_LANE_PORT = 40000,     /* Of lane 0; the others follow. */
    UNIT_PROFILE = 3,
};

/* Sessions of one path, both halves with the same keys. */
struct unit_sessions {
    bool ipv6;
    unsigned int n;
    struct vnetenc_record_key keys[VNETENC_MAX_LANES];
    struct vnetenc_path *published;
    struct vnetenc_tx *tx[VNETENC_MAX_LANES];
    struct vnetenc_rx *rx[VNETENC_MAX_LANES];
};

/* Makes and publishes 'n' lanes with a session each. */
void unit_sessions_create(struct unit_sessions *, enum vnetenc_cipher,
                          bool ipv6, unsigned int n);
void unit_sessions_destroy(struct unit_sessions *);

/* Gives the next record of 'tx' the sequence number 'seq', whichever thread
 * seals it.  No other thread may seal meanwhile. */
void unit_tx_set_seq(struct vnetenc_tx *tx, uint64_t seq);

/* As the sender and as the receiver see it. */
struct vnetenc_path_key unit_path(bool ipv6, bool at_receiver);
struct ovs_action_vnetenc unit_action(enum vnetenc_mode);

/* An Ethernet frame with an IPv4 packet of 'proto' (TCP, UDP or SCTP), with
 * 'size' octets behind its layer 4 header, all checksums right and all
 * offsets set.  'vlan' adds a tag. */
struct dp_packet *unit_frame(uint8_t proto, size_t size, bool vlan);

/* Pushes a Geneve (VXLAN if 'vxlan') header on 'packet'. */
void unit_push(struct dp_packet *, bool ipv6, bool vxlan);

/* A pushed Geneve packet whose UDP payload has 'size' octets, at least 8. */
struct dp_packet *unit_pushed(size_t size, bool ipv6);

/* 'packet' in memory that cannot grow, as a device's of AF_XDP, which would
 * take it back: dp_packet_delete() does nothing.  unit_fixed_delete() does. */
struct dp_packet *unit_fixed(struct dp_packet *packet);
void unit_fixed_delete(struct dp_packet *);

/* What a device without offloads would send of 'packet', as the next host
 * receives it: checksums complete, no metadata, offsets set.  'packet' stays
 * the caller's. */
struct dp_packet *unit_wire(const struct dp_packet *packet);

/* 'packet' with all its UDP payload replaced, IP and UDP lengths to match. */
struct dp_packet *unit_datagram(bool ipv6, ovs_be16 udp_src, ovs_be16 udp_dst,
                                const void *payload, size_t size);

/* True if IPv4 header checksum and layer 4 checksum (0 counts as right for UDP
 * over IPv4) of the Ethernet frame in 'packet' are right. */
bool unit_checksums_are_right(const struct dp_packet *packet);

/* UDP payload of a packet whose offsets are set. */
uint8_t *unit_payload(const struct dp_packet *, size_t *size);

/* Opens a record with libcrypto and none of our code.  Returns false if its
 * tag or format is wrong. */
bool unit_open_record(const struct vnetenc_record_key *,
                      const uint8_t *record, size_t size, uint64_t *seq,
                      uint8_t *plain, size_t *plain_size);

/* vnetenc_open() of a copy of 'wire'.  NULL if it was dropped or taken. */
struct dp_packet *unit_open(const struct dp_packet *wire);

/* Remembers all drop counters. */
void unit_drops_begin(void);

/* True if since then 'reason' rose by 'n' and no other changed. */
bool unit_drops_are(enum vnetenc_drop reason, unsigned int n);
#define unit_no_drops() unit_drops_are(VNETENC_KEEP, 0)

#endif /* vnetenc-unit-packets.h */
