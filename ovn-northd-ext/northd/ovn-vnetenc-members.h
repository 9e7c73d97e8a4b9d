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

#ifndef OVN_VNETENC_MEMBERS_H
#define OVN_VNETENC_MEMBERS_H 1

/* Chassis that have a part in the networks of a credential
 * ========================================================
 *
 * Members of a credential are the chassis that may send packets of one of its
 * datapaths into a tunnel: those of all ports in datapaths from which one of
 * its datapaths is reached without a tunnel.  Datapaths that ports connect are
 * one component, but for gateway ports and for routers that are bound to a
 * chassis.  The gateway chassis are part of the components on both sides of
 * such a port.  From the side of its router, a gateway port leads to the
 * other: ports may send through it from their own chassis, whatever
 * always-redirect says, which any chassis can change.
 *
 * A port counts for the chassis that its northbound row requests, whether or
 * not they exist.  If it requests none, it counts for those that claim it.
 * Container and mirror ports follow their parent or target.  External ports
 * and gateway ports count for their whole HA group.  Virtual and vtep ports
 * never count.  In a datapath that is shared with other availability zones
 * every remote chassis is a member.
 *
 * Requests may name a chassis or its host.  Any chassis can give itself the
 * name of another host, so the southbound table Chassis_Hostname remembers
 * which chassis first had it; other chassis do not count for that host, and
 * the chassis does not count for other hosts until an administrator says so.
 * If two new chassis have one host name, neither counts for it.  A chassis
 * without a name that counts has a record of its own name: it cannot wait for
 * one that becomes free.  Role-based access lets no chassis write this table.
 *
 * A rogue chassis can become a member by a claim of a port that requests no
 * chassis, in shared datapaths by calling itself remote, and, when it is new,
 * by the host name of a host that has no record either.
 *
 * Thread-safety
 * =============
 *
 * A set of members belongs to one thread. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/hmap.h"
#include "openvswitch/shash.h"

struct northd_data;
struct ovn_vnetenc_places;
struct ovsdb_idl_txn;
struct sbrec_chassis_hostname_table;
struct sbrec_chassis_table;
struct sset;

struct ovn_vnetenc_members {
    struct hmap components;     /* Of struct component. */
    struct shash hosts;         /* Names of chassis, by host and chassis. */
    const struct ovn_vnetenc_places *places;
    const struct northd_data *northd;
    const struct sbrec_chassis_table *chassis;
};

/* Prepares to find members in 'places', which must not change meanwhile.
 * Remembers the hosts of chassis that are new in the southbound database. */
void ovn_vnetenc_members_init(struct ovn_vnetenc_members *,
                              const struct ovn_vnetenc_places *,
                              const struct northd_data *,
                              const struct sbrec_chassis_table *,
                              const struct sbrec_chassis_hostname_table *,
                              struct ovsdb_idl_txn *sb_txn);

/* Adds the names of the members of credential 'id' to 'names'. */
void ovn_vnetenc_members_find(struct ovn_vnetenc_members *, uint8_t id,
                              struct sset *names);

void ovn_vnetenc_members_destroy(struct ovn_vnetenc_members *);

#endif /* northd/ovn-vnetenc-members.h */
