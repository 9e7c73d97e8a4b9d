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

#ifndef VNETENC_HALF_OPEN_H
#define VNETENC_HALF_OPEN_H 1

/* Handshakes that a peer has begun, as the packet path knows them
 * ===============================================================
 *
 * Anybody can forge datagrams in a peer's name.  Only those that hit the
 * 4-tuple of a handshake whose cookie was verified (RFC 6347 section 4.2.1)
 * are worth a copy for the control thread, and each such 4-tuple has a rate
 * of its own: a flood of the others cannot use it up.
 *
 * Thread-safety
 * =============
 *
 * The control thread adds and removes; any thread may ask. */

#include <netinet/in.h>
#include <stdbool.h>
#include "openvswitch/types.h"

struct vnetenc_half_open;
struct vnetenc_path_key;

/* Publishes the 4-tuple of a handshake that begins.  'path' is copied; its
 * profile does not matter.  The caller removes what it has added; there is at
 * most one for a 4-tuple.  Control thread. */
struct vnetenc_half_open *vnetenc_half_open_add(
    const struct vnetenc_path_key *, ovs_be16 lane_port);

/* Withdraws what vnetenc_half_open_add() returned, which is freed after a
 * grace period.  NULL is allowed.  Control thread. */
void vnetenc_half_open_remove(struct vnetenc_half_open *);

/* Returns true if one more datagram of this handshake is within its rate of
 * VNETENC_SOURCE_PER_SECOND.  'now' is time_msec().  Any thread that uses
 * 'half_open' until it next quiesces. */
bool vnetenc_half_open_admit(struct vnetenc_half_open *half_open,
                             long long int now);

/* Returns the handshake of a 4-tuple, or NULL.  Any thread. */
struct vnetenc_half_open *vnetenc_half_open_find(
    const struct in6_addr *local, ovs_be16 dtls_port,
    const struct in6_addr *remote, ovs_be16 lane_port);

#endif /* vnetenc/bridge/half-open.h */
