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

#ifndef VNETENC_MARKS_H
#define VNETENC_MARKS_H 1

/* Marks of packets to peers
 * =========================
 *
 * options:egress_pkt_mark of a tunnel port marks what the datapath sends, so
 * that rules of the host or routes of Open vSwitch may choose another way for
 * it, for instance a VRF.  All that we send to a peer through sockets takes
 * the mark of the tunnel port that leads to the peer.
 *
 * Thread-safety: the main thread sets the marks, any thread may ask. */

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

/* The mark of a tunnel port. */
struct vnetenc_mark {
    struct in6_addr remote;     /* All zeros: of ports to any address. */
    uint32_t mark;              /* 0: none. */
};

/* Copies the marks of the 'n' tunnel ports, which replace all former ones.  If
 * the ports to an address differ, the lowest mark counts.  Returns one of
 * these addresses, until the next call, or NULL.  Main thread. */
const struct in6_addr *vnetenc_marks_set(const struct vnetenc_mark *,
                                         size_t n);

/* Returns the mark of packets to 'remote'; 0 means no mark.  Any thread. */
uint32_t vnetenc_marks_find(const struct in6_addr *remote);

#endif /* vnetenc/bridge/marks.h */
