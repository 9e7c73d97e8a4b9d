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

/* What Open vSwitch is told about the other chassis
 * =================================================
 *
 * For every other chassis that this one has tunnels to, and that says in its
 * Encap and Chassis rows that it takes encrypted packets, VNetEnc_Peer in the
 * local Open_vSwitch database gets one row per tunnel address, with the name
 * of the chassis and the fingerprints it published: they pin its certificate.
 *
 * Who owns a row
 * ==============
 *
 * Rows made here carry external_ids:ovn=CHASSIS; only those are changed and
 * deleted here, and those of a CHASSIS for which Open vSwitch is not
 * configured any more: what it pinned, nobody else would ever remove.  A row
 * for the same address, in any spelling, made by anybody else, for instance
 * with external_ids:source=local, is left alone and wins.
 *
 * What is believed
 * ================
 *
 * An Encap row of the tunnel type in use, whose chassis_name is the Chassis
 * that lists it.  Addresses are compared as addresses, not as text.  An
 * address that two chassis claim, in any row, gets no VNetEnc_Peer: a chassis
 * that claims the address of another one can so deny service to it, but never
 * impersonate it.  Fingerprints of which one is malformed, or of which there
 * are more than a row can hold, are not believed either.  Without fingerprints
 * there is no row.
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

void ovn_vnetenc_register_ovs_idl(struct ovsdb_idl *ovs_idl);

/* Call once per main loop, after the tunnels were brought up to date. */
void ovn_vnetenc_peers_run(struct ovsdb_idl *ovs_idl,
                           struct ovsdb_idl_txn *ovs_txn,
                           const struct ovsdb_idl *ovnsb_idl,
                           const struct ovsrec_open_vswitch_table *,
                           const struct ovsrec_bridge *br_int,
                           const struct sbrec_chassis_table *,
                           const struct sbrec_chassis *this_chassis);

/* Call to exit.  Returns true if nothing is left to do. */
bool ovn_vnetenc_peers_cleanup(struct ovsdb_idl *ovs_idl,
                               struct ovsdb_idl_txn *ovs_txn,
                               const char *chassis_name);

#endif /* controller/ovn-vnetenc-peers.h */
