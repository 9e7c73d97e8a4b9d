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

#ifndef OVN_VNETENC_PROFILES_H
#define OVN_VNETENC_PROFILES_H 1

/* Rows of VNetEnc_Profile for the credentials of local networks
 * =============================================================
 *
 * ovn-controller makes a row of VNetEnc_Profile in the local Open_vSwitch
 * database for each credential of a datapath that this chassis uses, if the
 * credential admits this chassis, and lists the tunnel keys of these datapaths
 * in it.  A packet of one of them is then opened under this profile only.
 *
 * As soon as there is any credential in the southbound database, it also lists
 * the tunnel keys of all other datapaths in profile 0, and lets Open vSwitch
 * drop packets whose key nobody lists (other_config:vnetenc-unlisted=drop).
 * Otherwise a packet of a network would pass under any profile until its row
 * is read.  The setting stays: only an administrator removes it, and as long
 * as it is there the keys are listed.
 *
 * Rows, and setting, are written only while ovs-vswitchd says that it obeys
 * them (capabilities:vnetenc_credentials).  Otherwise there is no row, nothing
 * leaves under the credential, and table 241 refuses encrypted packets that
 * arrive for its datapaths.
 *
 * Ownership
 * =========
 *
 * Rows made here have external_ids:ovn-credential, the UUID of the credential.
 * If another credential is behind the id, the row is deleted in one
 * transaction and made in a later one, after ovs-vswitchd has acknowledged the
 * former, so that its sessions end.  A row that anybody else made for the id
 * of a credential stays as it is, and wins.
 *
 * Of profile 0, and of a profile that an administrator made and a switch names
 * by its number, only the column tunnel_keys is written.
 *
 * Several chassis may share one Open vSwitch.  Each keeps its own keys in
 * external_ids:ovn-keys-CHASSIS; tunnel_keys is the union, and a row without
 * such keys goes.
 *
 * Configurations
 * ==============
 *
 * While there are credentials, no configuration is reported as installed
 * before the rows, and the rights of peers, are those that the southbound
 * database demands, and ovs-vswitchd has acknowledged them in 'cur_cfg'.
 *
 * After a start
 * =============
 *
 * The set of local datapaths grows over several rounds.  Before it is
 * complete, and its flows are in Open vSwitch, nothing is written: the rows
 * are those that an earlier ovn-controller wrote, and no configuration is
 * reported as installed.
 *
 * Thread-safety
 * =============
 *
 * Main thread only. */

#include <stdbool.h>

struct ovsdb_idl;
struct ovsdb_idl_txn;
struct sbrec_chassis;

/* Updates the rows, and says whether they are in force.
 * Call once per main loop, after the row of profile 0 was made, and after the
 * engine, whose modes it needs. */
void ovn_vnetenc_profiles_run(struct ovsdb_idl *ovs_idl,
                              struct ovsdb_idl_txn *ovs_txn,
                              const struct ovsdb_idl *ovnsb_idl,
                              const struct sbrec_chassis *this_chassis);

/* Says that the present transaction changes the rights of a peer, which
 * ovs-vswitchd has to follow as well. */
void ovn_vnetenc_profiles_rights_changed(void);

/* Withdraws the keys of this chassis, and deletes rows that no other chassis
 * needs.  Call in each iteration at exit.  Returns true if nothing is left to
 * do. */
bool ovn_vnetenc_profiles_cleanup(struct ovsdb_idl *ovs_idl,
                                  struct ovsdb_idl_txn *ovs_txn,
                                  const char *chassis_name);

#endif /* controller/ovn-vnetenc-profiles.h */
