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
 * Anybody can forge datagrams with the address of a peer.  Of the datagrams
 * that are neither ClientHellos nor from the 4-tuple of a session, the control
 * thread therefore gets only those with the 4-tuple of a handshake whose
 * cookie was verified (RFC 6347 section 4.2.1).  Each such 4-tuple has a rate
 * of its own, which a flood of other datagrams cannot use up.
 *
 * Thread-safety
 * =============
 *
 * The control thread adds and removes handshakes.  Any thread may find a
 * handshake and use it until the thread next quiesces. */

#include <netinet/in.h>
#include <stdbool.h>
#include "openvswitch/types.h"

struct vnetenc_half_open;
struct vnetenc_path_key;

/* Publishes the 4-tuple of a handshake that begins.  Copies the key of the
 * path, whose profile does not matter.  A 4-tuple must not be added twice; the
 * caller removes it with vnetenc_half_open_remove().  Control thread. */
struct vnetenc_half_open *vnetenc_half_open_add(
    const struct vnetenc_path_key *, ovs_be16 lane_port);

/* Withdraws a handshake, which may be NULL, and frees it after a grace period.
 * Control thread. */
void vnetenc_half_open_remove(struct vnetenc_half_open *);

/* Returns true if one more datagram of this handshake is within its rate of
 * VNETENC_SOURCE_PER_SECOND.  'now' is time_msec().  Any thread that may still
 * use 'half_open'. */
bool vnetenc_half_open_admit(struct vnetenc_half_open *half_open,
                             long long int now);

/* Returns the handshake of a 4-tuple, or NULL if there is none.  Any thread,
 * which may use the handshake until it next quiesces. */
struct vnetenc_half_open *vnetenc_half_open_find(
    const struct in6_addr *local, ovs_be16 dtls_port,
    const struct in6_addr *remote, ovs_be16 lane_port);

#endif /* vnetenc/bridge/half-open.h */
