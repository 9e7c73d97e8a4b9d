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

#ifndef VNETENC_SOURCE_H
#define VNETENC_SOURCE_H 1

/* Local addresses by the host's routes
 * ====================================
 *
 * A tunnel without a local_ip leaves the choice of its source to the host's
 * routes, rules included.  To ask the kernel, a UDP socket is connected, which
 * sends nothing but has the mark of packets to the peer (bridge/marks.h).  The
 * answer is cached for VNETENC_SOURCE_MS.
 *
 * Thread-safety: none.  Each reader of kernel/egress has its own struct, and
 * so has the main thread. */

#include <netinet/in.h>
#include <stdbool.h>
#include "vnetenc/base/limits.h"

struct vnetenc_source {
    int fds[2];                 /* IPv4, IPv6. */
    struct {
        struct in6_addr remote;
        struct in6_addr local;  /* All zeros if there is none. */
        long long int until;    /* In ms of time_msec(). */
    } known[VNETENC_SOURCE_SLOTS];
};

/* Opens the sockets. */
void vnetenc_source_init(struct vnetenc_source *);

/* Closes the sockets. */
void vnetenc_source_uninit(struct vnetenc_source *);

/* Asks the kernel for the address from which packets go to 'remote', past the
 * cache.  Returns all zeros if there is none. */
struct in6_addr vnetenc_source_ask(const struct vnetenc_source *,
                                   const struct in6_addr *remote);

/* Stores the address from which packets go to 'remote', from the cache if it
 * is there.  Returns false if there is none.  'now' is in milliseconds of
 * time_msec(). */
bool vnetenc_source_find(struct vnetenc_source *,
                         const struct in6_addr *remote,
                         struct in6_addr *local, long long int now);

#endif /* vnetenc/kernel/source.h */
