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

#ifndef OVN_VNETENC_PEERS_H
#define OVN_VNETENC_PEERS_H 1

/* Rows of VNetEnc_Peer for the other chassis
 * ==========================================
 *
 * ovn-controller writes rows of VNetEnc_Peer into the local Open_vSwitch
 * database for every other chassis to which this one has tunnels, and whose
 * Encap and Chassis rows announce that it takes encrypted packets.  There is
 * one row for each tunnel address, with the name of the chassis and the
 * fingerprints that it published.  These pin its certificate.  The row also
 * has the profiles under which the chassis may speak (ovn-vnetenc-rights.h).
 *
 * Ownership of a row
 * ==================
 *
 * Rows made here have external_ids:ovn=CHASSIS.  The functions here change and
 * delete only the rows of this chassis, and those of a CHASSIS for which Open
 * vSwitch is no longer configured, because nobody else would ever remove these
 * pins.  If anybody else made a row for the same address, in any spelling, for
 * instance with external_ids:source=local, that row stays and wins.
 *
 * Trust in the southbound database
 * ================================
 *
 * An Encap row counts if it has the tunnel type in use and its chassis_name is
 * that of the Chassis that lists it.  Addresses are compared as addresses, not
 * as text.  An address that two chassis claim, in any row of a type of which
 * this chassis has tunnels, gets no VNetEnc_Peer: a chassis that claims the
 * address of another one can deny service to it, but never impersonate it.  No
 * fingerprint counts if one of them is malformed, or if there are more than a
 * row can hold.  Without fingerprints there is no row.
 *
 * Thread-safety
 * =============
 *
 * Main thread only. */

#include <stdbool.h>

struct ovsdb_idl;
struct ovsdb_idl_txn;
struct ovsrec_bridge;
struct ovsrec_open_vswitch_table;
struct sbrec_chassis;
struct sbrec_chassis_table;

/* Registers the tables and columns of the Open_vSwitch database that are used
 * here and by ovn-vnetenc-encap.h. */
void ovn_vnetenc_register_ovs_idl(struct ovsdb_idl *ovs_idl);

/* Updates the rows.  Call once per main loop, after the tunnels were
 * updated. */
void ovn_vnetenc_peers_run(struct ovsdb_idl *ovs_idl,
                           struct ovsdb_idl_txn *ovs_txn,
                           const struct ovsdb_idl *ovnsb_idl,
                           const struct ovsrec_open_vswitch_table *,
                           const struct ovsrec_bridge *br_int,
                           const struct sbrec_chassis_table *,
                           const struct sbrec_chassis *this_chassis);

/* Deletes the rows of this chassis or, if Open vSwitch is configured for
 * another chassis, leaves them to that chassis.  Call in each iteration at
 * exit.  Returns true if nothing is left to do. */
bool ovn_vnetenc_peers_cleanup(struct ovsdb_idl *ovs_idl,
                               struct ovsdb_idl_txn *ovs_txn,
                               const char *chassis_name);

#endif /* controller/ovn-vnetenc-peers.h */
