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

#ifndef VNETENC_UNIT_CONTROL_H
#define VNETENC_UNIT_CONTROL_H 1

/* Both control halves in one process
 * ==================================
 *
 * Two hosts, A (127.0.0.1) and B (127.0.0.2), whose kernel sockets, sessions
 * and rows live in the tables of one process: a row for each, with the
 * fingerprint that both have.  What the control thread and the packet path do
 * with datagrams, this file does by hand, with 'unit_now_ms' as the clock.
 *
 * Every datagram that is sent, on its way to the kernel (this file defines
 * sendto()), is shown to 'unit_control_fate', and must keep these rules of
 * PROTOCOL.md section 3:
 *
 *   - A responder's last flight leaves only when its session is published.
 *
 *   - One owner per write key: once our code has sealed with it, libssl writes
 *     nothing under it, and our code uses no sequence number twice.
 *
 *   - No key seals more than twice 'unit_profile.rekey_records'. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/hmap.h"
#include "vnetenc/bridge/path.h"
#include "vnetenc/bridge/rx.h"
#include "vnetenc/bridge/tx.h"
#include "vnetenc/main/status.h"
#include "vnetenc/trust/configuration.h"
#include "vnetenc/trust/peer.h"

enum { UNIT_DTLS_PORT = 6082, UNIT_ROWS = 2, UNIT_MAX_ROWS = 50 };

extern struct in6_addr unit_a, unit_b;

struct unit_wire {
    struct in6_addr from, to;
    ovs_be16 from_port, to_port;
    const uint8_t *data;
    size_t size;
    uint32_t mark;              /* SO_MARK. */
};

/* False: the datagram is lost.  NULL: none is. */
extern bool (*unit_control_fate)(const struct unit_wire *);
bool unit_control_lose(const struct unit_wire *);   /* All of them. */

/* How long each datagram that goes through the kernel takes, from the call of
 * unit_control_begin() on, which sets it to 0. */
extern long long int unit_control_delay_ms;

/* What the next configuration is made of. */
extern struct vnetenc_config_peer unit_rows[UNIT_MAX_ROWS]; /* A, B, ... */
extern struct vnetenc_config_profile unit_profile;          /* Profile 0. */
extern size_t unit_n_profiles;      /* 1 to 4; all are like profile 0. */

/* Once. */
void unit_control_init(void);

/* Sockets, rows, a profile; and the end of all of it. */
void unit_control_begin(void);
void unit_control_end(void);

/* Applies the configuration as the control thread does. */
void unit_control_configure(size_t n_rows);

/* The clock moves by 'ms'; all that is due on the way happens. */
void unit_control_run(long long int ms);

/* Takes what was sent, without timers. */
void unit_control_exchange(void);

/* From A to B, profile 0. */
extern struct vnetenc_path_key unit_ab;
struct vnetenc_tx *unit_control_tx(unsigned int lane);
struct vnetenc_rx *unit_control_rx(ovs_be16 lane_port);

/* Seals 'n' packets on 'lane' as the packet path would.  Returns how many
 * arrived. */
unsigned int unit_control_carry(unsigned int lane, unsigned int n);

/* B's packet path gets a record from A's port 'lane_port'. */
bool unit_control_pop(ovs_be16 lane_port, const void *data, size_t size);

/* Lanes (VNETENC_OUT) or sessions (VNETENC_IN) with the peer at 'remote'. */
size_t unit_control_sessions(enum vnetenc_direction,
                             const struct in6_addr *remote,
                             struct vnetenc_session_status *, size_t max);

/* What went from 'from' and 'port' to the other host since the beginning. */
struct unit_flow {
    struct in6_addr from, to;
    ovs_be16 from_port, to_port;
    unsigned int n_hellos;      /* ClientHello. */
    unsigned int n_last_flights;    /* Finished, by libssl. */
    unsigned int n_data;        /* Records of type 23, by our code. */
    unsigned int n_alerts;      /* Sealed alerts, by our code. */
    unsigned int n_hints;
    uint64_t next_seq;          /* After the greatest of our code; 0: none
                                 * under this key. */
    struct hmap used;           /* Sequence numbers of our code. */
    bool rekeying;              /* A handshake has begun. */
};
const struct unit_flow *unit_control_flow(const struct in6_addr *from,
                                          ovs_be16 from_port,
                                          const struct in6_addr *to,
                                          ovs_be16 to_port);

/* Sums over all flows. */
unsigned int unit_control_n_hellos(void);
unsigned int unit_control_n_ports_with_hello(void);

/* Number of rules that were broken since the beginning. */
unsigned int unit_control_n_broken(void);

#endif /* vnetenc-unit-control.h */
