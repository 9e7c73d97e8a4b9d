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

/* Credentials of networks
 * =======================
 *
 * The functions here copy rows of Encryption_Credential from the northbound to
 * the southbound database, each under the same UUID, and list in the column
 * datapaths the datapaths whose tunnel packets belong to the credential
 * (ovn-vnetenc-places.h).  The list is the only source: senders and receivers
 * find the profile of a packet by its VNI in it.
 *
 * NB_Global.options:vnetenc-default-credential names the credential of the
 * cluster.  A name that no credential has is refused, and the credential that
 * was in force stays, even if its northbound row is gone: its southbound row
 * is kept until the option has another value.  If a credential with the same
 * name is made, that one takes its place.  If another one gets its id, or none
 * is known to have been in force, a southbound row without a northbound one
 * takes its place that admits nobody, so the networks of the default are
 * closed: nothing of them is sent under profile 0 or under the credential of
 * somebody else, but networks with "prefer" are in clear.  If no other id is
 * left, the row has that of a credential, which is not copied and whose
 * networks are closed as well.  external_ids of SB_Global say which credential
 * was in force, and of a default with members=auto whom it lists.
 *
 * Where members=auto, the column chassis has the members of the credential
 * (ovn-vnetenc-members.h), but only those that the northbound column chassis
 * lists, unless it is empty.  If none is left, it has the empty name, which no
 * chassis has, because an empty column admits every chassis.
 *
 * Thread-safety
 * =============
 *
 * Main thread only. */

#include <stdbool.h>

struct nbrec_encryption_credential_table;
struct northd_data;
struct ovsdb_idl_txn;
struct sbrec_chassis_hostname_table;
struct sbrec_chassis_table;
struct sbrec_encryption_credential;
struct sbrec_encryption_credential_table;
struct sbrec_port_binding_table;
struct smap;

struct ovn_vnetenc_credential_input {
    const struct nbrec_encryption_credential_table *nb_credentials;
    const struct smap *nb_options;      /* Of NB_Global. */
    const struct northd_data *northd;
    const struct sbrec_chassis_table *sb_chassis;
    const struct sbrec_chassis_hostname_table *sb_hostnames;
    const struct sbrec_encryption_credential_table *sb_credentials;
    struct ovsdb_idl_txn *sb_txn;
};

/* Makes the southbound rows equal to the northbound ones. */
void ovn_vnetenc_credential_run(const struct ovn_vnetenc_credential_input *);

/* Returns true if the credential admits nobody. */
bool ovn_vnetenc_credential_is_closed(
    const struct sbrec_encryption_credential *);

/* Returns true if a chassis claimed or released a port, and that may change
 * the members of a credential. */
bool ovn_vnetenc_credential_follows_claims(
    const struct nbrec_encryption_credential_table *,
    const struct sbrec_port_binding_table *);

#endif /* northd/ovn-vnetenc-credential.h */
