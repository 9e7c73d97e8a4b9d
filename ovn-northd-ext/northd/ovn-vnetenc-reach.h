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

#ifndef OVN_VNETENC_REACH_H
#define OVN_VNETENC_REACH_H 1

/* The demand that a packet may meet behind a router
 * =================================================
 *
 * A router that is pinned to a chassis is reached through a tunnel.  A packet
 * that comes out of that tunnel in clear does not enter any switch beyond the
 * router that requires encryption.  Therefore the ports that lead to such a
 * router prefer encryption as soon as a switch within reach has a demand, even
 * if the switch from which the packet comes has none.
 *
 * The switches within reach are those of the router and, over any number of
 * switches and routers, those of the routers connected to it.  A switch with a
 * localnet port ends the reach, because the network beyond it is shared by all
 * tenants.  The demand of that switch still counts.
 *
 * Thread-safety
 * =============
 *
 * The main thread calls this before other threads read 'vnetenc_reach' of
 * routers. */

struct hmap;

/* Sets 'vnetenc_reach' of all routers.  Call after all ports know their
 * peers. */
void ovn_vnetenc_reach_run(const struct hmap *ls_datapaths,
                           const struct hmap *lr_datapaths);

#endif /* northd/ovn-vnetenc-reach.h */
