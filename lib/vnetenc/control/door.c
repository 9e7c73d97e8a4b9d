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

#include <config.h>
#include "vnetenc/control/door.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/bridge/message.h"
#include "vnetenc/bridge/path.h"
#include "vnetenc/bridge/rate.h"
#include "vnetenc/control/listener.h"
#include "vnetenc/control/socket.h"
#include "vnetenc/trust/failures.h"
#include "vnetenc/trust/peer.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_door);

/* Limits the answers to ClientHellos without a cookie, which anybody can send
 * in a peer's name.  The answers share the network interface with probes and
 * with the host's own traffic, and must not saturate it. */
static struct vnetenc_rate verify_rate;

static struct ovs_list doors = OVS_LIST_INITIALIZER(&doors);

struct vnetenc_socket *
vnetenc_door_open(const struct vnetenc_path_key *path,
                  struct vnetenc_peer *peer)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);
    struct vnetenc_socket *socket;
    char *error;

    socket = vnetenc_socket_responder(&path->local, path->dtls_port, &error);
    if (error) {
        char *cause = error;

        error = vnetenc_failure_text(VNETENC_FAILURE_cannot_answer,
                                     "cannot answer handshakes: %s", cause);
        VLOG_WARN_RL(&rl, "%s", error);
        free(cause);
    }
    vnetenc_peer_set_door_error(peer, &path->local, path->dtls_port, error);
    return socket;
}

struct vnetenc_door *
vnetenc_door_get(const struct vnetenc_path_key *path,
                 struct vnetenc_peer *peer, long long int now)
{
    struct vnetenc_socket *socket = vnetenc_door_open(path, peer);
    struct vnetenc_door *door;

    if (!socket) {
        return NULL;
    }
    LIST_FOR_EACH (door, node, &doors) {
        if (door->socket == socket) {
            return door;
        }
    }

    door = xzalloc(sizeof *door);
    door->socket = socket;
    door->listener = vnetenc_listener_create(&vnetenc_peer_lookup,
                                             &path->local, path->dtls_port,
                                             now);
    if (!door->listener) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

        VLOG_WARN_RL(&rl, "cannot answer handshakes: no random numbers");
        free(door);
        return NULL;
    }
    ovs_list_push_back(&doors, &door->node);
    return door;
}

bool
vnetenc_door_input(struct vnetenc_door *door,
                   const struct vnetenc_path_key *path, ovs_be16 lane_port,
                   const void *data, size_t size, long long int now)
{
    struct ofpbuf *reply;

    switch (vnetenc_listener_input(door->listener, &path->remote, lane_port,
                                   data, size, now, &reply)) {
    case VNETENC_LISTENER_REPLY:
        if (!vnetenc_rate_take(&verify_rate, now,
                               1000000 / VNETENC_VERIFY_PER_SECOND,
                               VNETENC_VERIFY_BURST)) {
            vnetenc_drop_count(VNETENC_DROP_ctl_verify_rate, 1);
            ofpbuf_delete(reply);
            return false;
        }
        vnetenc_socket_send(door->socket, &path->remote, lane_port,
                            reply->data, reply->size);
        ofpbuf_delete(reply);
        return false;
    case VNETENC_LISTENER_GOOD:
        return true;
    case VNETENC_LISTENER_FRAGMENT:
        vnetenc_drop_count(VNETENC_DROP_ctl_hello_fragment, 1);
        return false;
    case VNETENC_LISTENER_IGNORED:
    default:
        vnetenc_drop_count(VNETENC_DROP_ctl_unexpected, 1);
        return false;
    }
}

void
vnetenc_door_hint(const struct vnetenc_path_key *path, ovs_be16 lane_port)
{
    struct vnetenc_socket *socket;
    char *error;

    socket = vnetenc_socket_responder(&path->local, path->dtls_port, &error);
    if (socket) {
        vnetenc_socket_send(socket, &path->remote, lane_port,
                            vnetenc_message_hint, sizeof vnetenc_message_hint);
    }
    free(error);
}

void
vnetenc_doors_close(void)
{
    struct vnetenc_door *door;

    LIST_FOR_EACH_POP (door, node, &doors) {
        vnetenc_listener_destroy(door->listener);
        free(door);
    }
}
