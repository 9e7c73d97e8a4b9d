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
 * The MTU is the length of the largest IP packet to a peer, PROTOCOL.md
 * section 8: the value in the configuration of the peer, otherwise the MTU of
 * the interface with the route to it, which is read every VNETENC_LOOK_MS.
 *
 * Probes of that length, sealed control messages with padding, find out
 * whether the underlay carries it (RFC 8899 section 5).  While only they stay
 * unanswered, shorter lengths from a short list are tried until one is
 * answered.  The search begins anew after VNETENC_MTU_AGAIN_MS, or when the
 * interface's MTU changes.  While long packets are sent, the length that was
 * found is probed every VNETENC_PROBE_BUSY_MS: nothing else would tell that
 * they are lost.
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct vnetenc_mtu {
    unsigned int device;        /* MTU of the interface.  0: not known. */

    /* The search.  'size' is the length that is being tried, 'proved' the one
     * that was answered last, or 0. */
    unsigned int size;
    unsigned int proved;
    unsigned int tries;         /* Unanswered probes of 'size'. */
    uint64_t echo;              /* That of the newest probe. */
    long long int search_at;    /* Earliest next search from 'device' on. */
    long long int check_at;     /* Earliest next probe of 'proved'. */
    long long int next;         /* When to send the next one. */
};

/* Initializes 'mtu' without any knowledge. */
void vnetenc_mtu_init(struct vnetenc_mtu *);

/* Sets the interface's MTU to 'device'.  0 changes nothing: there is no route
 * at the moment.  'now', here and below, is in monotonic milliseconds. */
void vnetenc_mtu_set_device(struct vnetenc_mtu *, unsigned int device,
                            long long int now);

/* Returns the MTU to use, or 0 if none is known. */
unsigned int vnetenc_mtu_get(const struct vnetenc_mtu *);

/* Runs the search.  Returns the length of an IP packet that must be sent as a
 * probe with 'echo' now, or 0.  'alive' says that short probes are answered:
 * if they are not, silence proves nothing.  'busy' says that long packets are
 * sent.  A probe counts as unanswered after 'timeout_ms'. */
unsigned int vnetenc_mtu_run(struct vnetenc_mtu *, bool alive, bool busy,
                             unsigned int timeout_ms, long long int now);

/* Takes an authenticated reply with 'echo'. */
void vnetenc_mtu_reply(struct vnetenc_mtu *, uint64_t echo, long long int now);

/* Returns the MTU of the interface that leads to 'remote', or 0 if it is not
 * known. */
unsigned int vnetenc_mtu_of_route(const struct in6_addr *local,
                                  const struct in6_addr *remote);

#endif /* vnetenc/control/mtu.h */
