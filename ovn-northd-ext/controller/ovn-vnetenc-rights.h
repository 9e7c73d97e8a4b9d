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

#ifndef OVN_VNETENC_RIGHTS_H
#define OVN_VNETENC_RIGHTS_H 1

/* The profiles under which each chassis may speak
 * ===============================================
 *
 * Every chassis may speak under profile 0, under the profiles of credentials
 * without a list of chassis, and under profiles that an administrator made in
 * the local database.  Under the profile of a credential with a list, only the
 * chassis in the list may.  The result goes into the column profiles of
 * VNetEnc_Peer and is never empty there, because an empty column admits to
 * all.
 *
 * Thread-safety
 * =============
 *
 * Main thread only. */

#include <stdbool.h>
#include "bitmap.h"
#include "openvswitch/shash.h"

struct ovsdb_idl;
struct ovsrec_vnetenc_peer;
struct sbrec_encryption_credential;

enum { OVN_VNETENC_N_PROFILES = 256 };

struct ovn_vnetenc_rights {
    unsigned long everyone[BITMAP_N_LONGS(OVN_VNETENC_N_PROFILES)];
    struct shash listed;        /* By name of the chassis: bitmap, in addition
                                 * to 'everyone'. */
};

/* Fills 'rights', which need not be initialized. */
void ovn_vnetenc_rights_init(struct ovn_vnetenc_rights *,
                             const struct ovsdb_idl *ovs_idl,
                             const struct ovsdb_idl *ovnsb_idl);

void ovn_vnetenc_rights_destroy(struct ovn_vnetenc_rights *);

/* Writes the rights of chassis 'name' into 'row'.  Returns true if that
 * changed it. */
bool ovn_vnetenc_rights_put(const struct ovn_vnetenc_rights *,
                            const char *name,
                            const struct ovsrec_vnetenc_peer *row);

/* Returns true if chassis 'name' may speak under the credential. */
bool ovn_vnetenc_rights_admit(const struct sbrec_encryption_credential *,
                              const char *name);

/* Returns the credential with the id, or NULL if there is none. */
const struct sbrec_encryption_credential *ovn_vnetenc_rights_credential(
    const struct ovsdb_idl *ovnsb_idl, int64_t id);

/* Says whether the local database, and ovs-vswitchd, obey what the southbound
 * database says of credentials.  False at the start; no configuration is
 * reported as installed before. */
void ovn_vnetenc_rights_set_in_force(bool);
bool ovn_vnetenc_rights_in_force(void);

#endif /* controller/ovn-vnetenc-rights.h */
