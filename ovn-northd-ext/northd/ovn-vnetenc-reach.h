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

/* Which demand a packet may meet behind a router
 * ==============================================
 *
 * A router that is pinned to a chassis is reached through a tunnel.  A packet
 * that comes out of that tunnel in clear does not enter a switch that requires
 * encryption, wherever beyond the router that is.  So the ports that lead to
 * such a router prefer encryption as soon as a switch within reach has a
 * demand, also where the switch that the packet comes from has none.
 *
 * Within reach are the switches of the router and, over switches and routers
 * without end, those of the routers connected to it.  A switch with a localnet
 * port is where that ends: beyond it is the network that all tenants share.
 * Its own demand counts.
 *
 * Thread-safety
 * =============
 *
 * For the main thread, before others read 'vnetenc_reach' of routers. */

struct hmap;

/* Sets 'vnetenc_reach' of all routers.  Call when all ports know their
 * peers. */
void ovn_vnetenc_reach_run(const struct hmap *ls_datapaths,
                           const struct hmap *lr_datapaths);

#endif /* northd/ovn-vnetenc-reach.h */
