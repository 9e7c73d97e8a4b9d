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

#ifndef OVN_VNETENC_ENCAP_H
#define OVN_VNETENC_ENCAP_H 1

/* Announcement of this chassis to the others
 * ==========================================
 *
 * While Open vSwitch can encrypt, the Encap rows of this chassis in the
 * southbound database have
 *
 *     options:vnetenc=1           this chassis takes encrypted packets
 *     options:vnetenc-fp=LIST     fingerprints of its certificates, the one
 *                                 in use first, separated by commas
 *
 * and its Chassis row announces the same in a place that a stock
 * ovn-controller corrects when it takes over (lib/ovn-vnetenc-capable.h).  An
 * Encap row with another UDP port than the usual one has neither option,
 * because its tunnels cannot be encrypted.
 *
 * Role-based access control lets a chassis write only its own rows, and ovn-ic
 * copies the options to other availability zones.  The fingerprint comes from
 * the local Open_vSwitch database: ovs-vswitchd writes it into row 0 of
 * VNetEnc_Profile.  ovn-controller creates that row if it does not exist, so
 * that a cluster needs no configuration on its chassis.
 *
 * Thread-safety
 * =============
 *
 * Main thread only. */

struct ovsdb_idl;
struct ovsdb_idl_txn;
struct sbrec_chassis;

/* Updates the announcement.  Call once per main loop, after the Encap rows
 * were updated. */
void ovn_vnetenc_encap_run(struct ovsdb_idl *ovs_idl,
                           struct ovsdb_idl_txn *ovs_txn,
                           struct ovsdb_idl_txn *ovnsb_txn,
                           const struct sbrec_chassis *);

#endif /* controller/ovn-vnetenc-encap.h */
