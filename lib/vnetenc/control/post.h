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

#ifndef VNETENC_POST_H
#define VNETENC_POST_H 1

/* Sending sealed messages of the control thread
 * =============================================
 *
 * A probe, or the answer to one, travels with the data of its path if there is
 * data (bridge/mail.h), so that it shows whether data arrives.  Otherwise it
 * leaves through the kernel socket, as handshakes do.
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <stddef.h>
#include "openvswitch/types.h"

struct vnetenc_path_key;
struct vnetenc_socket;

/* Sends the sealed record of 'size' bytes at 'data' to 'port' of the peer of
 * 'path'.  If data was sent on the path since the last message, the record
 * waits up to VNETENC_MAIL_MS for data to travel with.  Otherwise, or if none
 * comes, it leaves through the socket, which is bound to the record's source
 * port.  'now' is in milliseconds of time_msec(). */
void vnetenc_post(const struct vnetenc_path_key *path, struct vnetenc_socket *,
                  ovs_be16 port, const void *data, size_t size,
                  long long int now);

/* Sends the records that no data took along in time.  Returns when to call
 * again, LLONG_MAX if no record waits. */
long long int vnetenc_post_run(long long int now);

/* Forgets the records that wait.  Call before sockets are closed. */
void vnetenc_post_end(void);

#endif /* vnetenc/control/post.h */
