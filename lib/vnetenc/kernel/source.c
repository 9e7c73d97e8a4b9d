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
#include "vnetenc/kernel/source.h"
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "hash.h"
#include "packets.h"
#include "socket-util.h"
#include "util.h"
#include "vnetenc/bridge/marks.h"
#include "vnetenc/bridge/sockaddr.h"

void
vnetenc_source_init(struct vnetenc_source *source)
{
    memset(source, 0, sizeof *source);
    source->fds[0] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    source->fds[1] = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

void
vnetenc_source_uninit(struct vnetenc_source *source)
{
    for (size_t i = 0; i < ARRAY_SIZE(source->fds); i++) {
        if (source->fds[i] >= 0) {
            close(source->fds[i]);
        }
    }
}

struct in6_addr
vnetenc_source_ask(const struct vnetenc_source *source,
                   const struct in6_addr *remote)
{
    const struct sockaddr none = { .sa_family = AF_UNSPEC };
    int fd = source->fds[!IN6_IS_ADDR_V4MAPPED(remote)];
    uint32_t mark = vnetenc_marks_find(remote);
    struct sockaddr_storage ss;
    socklen_t size;

    /* Without CAP_NET_ADMIN the socket has no mark. */
    if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) && mark) {
        return in6addr_any;
    }
    /* Any port will do: nothing is sent. */
    size = vnetenc_sockaddr_init(&ss, remote, htons(VNETENC_GENEVE_PORT));
    /* A socket keeps its source until it is disconnected. */
    connect(fd, &none, sizeof none);
    if (connect(fd, (struct sockaddr *) &ss, size)) {
        return in6addr_any;
    }
    size = sizeof ss;
    return (getsockname(fd, (struct sockaddr *) &ss, &size)
            ? in6addr_any : ss_get_address(&ss));
}

bool
vnetenc_source_find(struct vnetenc_source *source,
                    const struct in6_addr *remote, struct in6_addr *local,
                    long long int now)
{
    size_t i = hash_bytes(remote, sizeof *remote, 0) % VNETENC_SOURCE_SLOTS;

    if (now >= source->known[i].until
        || !ipv6_addr_equals(&source->known[i].remote, remote)) {
        source->known[i].remote = *remote;
        source->known[i].local = vnetenc_source_ask(source, remote);
        source->known[i].until = now + VNETENC_SOURCE_MS;
    }
    *local = source->known[i].local;
    return ipv6_addr_is_set(local);
}
