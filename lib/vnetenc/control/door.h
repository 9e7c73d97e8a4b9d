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

#ifndef VNETENC_DOOR_H
#define VNETENC_DOOR_H 1

/* Doors, where handshakes of peers begin
 * ======================================
 *
 * A door is the kernel socket of a local address and DTLS port together with
 * the listener that answers there.  It is made by the first ClientHello that
 * leads to it and stays until the control thread ends.
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <stdbool.h>
#include <stddef.h>
#include "openvswitch/list.h"
#include "openvswitch/types.h"

struct vnetenc_listener;
struct vnetenc_path_key;
struct vnetenc_peer;
struct vnetenc_socket;

struct vnetenc_door {
    struct ovs_list node;       /* In all doors. */
    struct vnetenc_socket *socket;
    struct vnetenc_listener *listener;
};

/* Opens the socket at which handshakes of 'peer' arrive on 'path', unless it
 * is open.  Returns the socket.  Returns NULL, logs the cause and sets it as
 * the error of the peer, if the socket cannot be opened. */
struct vnetenc_socket *vnetenc_door_open(const struct vnetenc_path_key *path,
                                         struct vnetenc_peer *peer);

/* Returns the door of the local address and DTLS port of 'path', and makes it
 * at 'now' (monotonic milliseconds) if there is none.  The door belongs to
 * this file.  Returns NULL if its socket cannot be opened. */
struct vnetenc_door *vnetenc_door_get(const struct vnetenc_path_key *path,
                                      struct vnetenc_peer *peer,
                                      long long int now);

/* Answers a datagram that belongs to no handshake, from the client of 'path'
 * at 'lane_port'.  Returns true if it is a ClientHello with a good cookie,
 * with which vnetenc_listener_accept() can begin a handshake. */
bool vnetenc_door_input(struct vnetenc_door *,
                        const struct vnetenc_path_key *path,
                        ovs_be16 lane_port, const void *data, size_t size,
                        long long int now);

/* Sends a hint to the client of 'path' at 'lane_port': its session is not
 * known here (PROTOCOL.md section 4). */
void vnetenc_door_hint(const struct vnetenc_path_key *path,
                       ovs_be16 lane_port);

/* Frees all doors, but not their sockets.  Nothing may use a door any more. */
void vnetenc_doors_close(void);

#endif /* vnetenc/control/door.h */
