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

#ifndef VNETENC_TUPLE_H
#define VNETENC_TUPLE_H 1

/* The 4-tuple of a session
 * ========================
 *
 * A receiver knows a session by both addresses, by the DTLS port and by the
 * lane port, which is the UDP source port of the session's records
 * (PROTOCOL.md section 3).  The functions here hash and compare the 4-tuple
 * for the tables of sessions, of half-open handshakes and of the control
 * thread.
 *
 * Thread-safety: pure functions. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/types.h"
#include "packets.h"
#include "vnetenc/bridge/path.h"

/* Returns the hash of a 4-tuple. */
static inline uint32_t
vnetenc_tuple_hash(const struct in6_addr *local, ovs_be16 dtls_port,
                   const struct in6_addr *remote, ovs_be16 lane_port)
{
    uint32_t ports = (((OVS_FORCE uint32_t) dtls_port << 16)
                      | (OVS_FORCE uint32_t) lane_port);

    return vnetenc_path_hash_addresses(remote, local, ports);
}

/* Returns the hash of the 4-tuple of 'path', whose profile does not matter,
 * and 'lane_port'. */
static inline uint32_t
vnetenc_tuple_hash_path(const struct vnetenc_path_key *path,
                        ovs_be16 lane_port)
{
    return vnetenc_tuple_hash(&path->local, path->dtls_port, &path->remote,
                              lane_port);
}

/* True if 'path', whose profile does not matter, has these addresses and this
 * DTLS port.  The caller compares the lane port. */
static inline bool
vnetenc_tuple_is_of_path(const struct vnetenc_path_key *path,
                         const struct in6_addr *local, ovs_be16 dtls_port,
                         const struct in6_addr *remote)
{
    return (path->dtls_port == dtls_port
            && ipv6_addr_equals(&path->remote, remote)
            && ipv6_addr_equals(&path->local, local));
}

#endif /* vnetenc/bridge/tuple.h */
