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

#ifndef VNETENC_MTU_H
#define VNETENC_MTU_H 1

/* The MTU of the underlay
 * =======================
 *
 * How long an IP packet to a peer may be, PROTOCOL.md section 8: what the
 * configuration of the peer says; otherwise the MTU of the interface with the
 * route to it, which is looked at every VNETENC_MTU_LOOK_MS.
 *
 * Probes of that length, sealed control messages with padding, find out
 * whether it is true (RFC 8899 section 5): while only they stay unanswered,
 * shorter lengths out of a short list are tried until one is answered.  After
 * VNETENC_MTU_AGAIN_MS, or when the interface's MTU changes, all begins anew.
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct vnetenc_mtu {
    unsigned int device;        /* Of the interface.  0: not known. */
    long long int look_at;      /* When to look again. */

    /* The search.  'size' octets are being tried; what was answered last is
     * 'proved', 0 if nothing was. */
    unsigned int size;
    unsigned int proved;
    unsigned int tries;         /* Probes of 'size' that were not answered. */
    uint64_t echo;              /* Of the newest probe. */
    long long int next;         /* When to send the next one. */
};

/* Nothing is known.  'now', here and below, is in monotonic milliseconds. */
void vnetenc_mtu_init(struct vnetenc_mtu *, long long int now);

/* Takes up that the interface has an MTU of 'device'.  0 says nothing: there
 * is no route at the moment. */
void vnetenc_mtu_set_device(struct vnetenc_mtu *, unsigned int device,
                            long long int now);

/* The MTU to go by, 0 if none is known. */
unsigned int vnetenc_mtu_get(const struct vnetenc_mtu *);

/* The search.  vnetenc_mtu_run() returns the length of an IP packet that is to
 * be sent as a probe with 'echo' now, or 0.  'alive' says that short probes
 * are answered: if not, nothing can be learned from silence. */
unsigned int vnetenc_mtu_run(struct vnetenc_mtu *, bool alive,
                             long long int now);

/* An authenticated reply with 'echo' came. */
void vnetenc_mtu_reply(struct vnetenc_mtu *, uint64_t echo, long long int now);

/* The MTU of the interface that leads to 'remote', 0 if it is not known. */
unsigned int vnetenc_mtu_of_route(const struct in6_addr *local,
                                  const struct in6_addr *remote);

#endif /* vnetenc/control/mtu.h */
