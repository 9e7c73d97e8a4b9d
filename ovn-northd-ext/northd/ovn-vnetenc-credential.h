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

#ifndef OVN_VNETENC_CREDENTIAL_H
#define OVN_VNETENC_CREDENTIAL_H 1

/* Credentials of networks, and which datapaths use them
 * =====================================================
 *
 * The functions here copy rows of Encryption_Credential from the northbound to
 * the southbound database, each under the same UUID, and list in the column
 * datapaths the datapaths whose tunnel packets belong to the credential.  The
 * list is the only source: senders and receivers find the profile of a packet
 * by its VNI in it.
 *
 * A switch uses the credential that its row names.  A router, and a switch
 * that has ports to routers and switches only, use that of the networks near
 * them, because their packets are those of the networks: never profile 0 where
 * a credential is near.  Where there are several, the lowest id counts, so
 * that the order does not matter:
 *
 *   1. for a router: of the switches to which its ports lead, other than
 *      gateway ports;
 *   2. of all switches that are reached from there without passing a gateway
 *      port or a router that is bound to a chassis;
 *   3. of the datapaths next to it that have found one, on and on.
 *
 * A switch with other ports that names no credential has none, and hands none
 * on: several tenants may share it.
 *
 * Thread-safety
 * =============
 *
 * Main thread only. */

struct nbrec_encryption_credential_table;
struct northd_data;
struct ovsdb_idl_txn;
struct sbrec_encryption_credential_table;

/* Makes the southbound rows equal to the northbound ones. */
void ovn_vnetenc_credential_run(
    const struct nbrec_encryption_credential_table *,
    const struct sbrec_encryption_credential_table *,
    const struct northd_data *, struct ovsdb_idl_txn *ovnsb_txn);

#endif /* northd/ovn-vnetenc-credential.h */
