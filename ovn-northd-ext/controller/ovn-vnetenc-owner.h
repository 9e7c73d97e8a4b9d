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

#ifndef OVN_VNETENC_OWNER_H
#define OVN_VNETENC_OWNER_H 1

/* Owners of rows in the database of Open vSwitch
 * ==============================================
 *
 * A host may run several ovn-controllers on one database, and its
 * administrator may make rows there.  A row that an ovn-controller makes names
 * the chassis in external_ids.
 *
 * Thread-safety
 * =============
 *
 * The functions work only on their arguments. */

#include <stdbool.h>

struct ovsrec_open_vswitch_table;
struct smap;

/* Returns true if Open vSwitch is configured for a chassis 'name': an
 * ovn-controller with that name may run here. */
bool ovn_vnetenc_owner_is_configured(const struct ovsrec_open_vswitch_table *,
                                     const char *name);

/* Returns the name of the chassis whose ovn-controller made the row with these
 * external_ids, or NULL if no ovn-controller made it. */
const char *ovn_vnetenc_owner_get(const struct smap *external_ids);

/* The key that a row of VNetEnc_Profile has if an ovn-controller made it for a
 * credential: the UUID of the credential. */
extern const char ovn_vnetenc_owner_credential[];

/* Returns true if an ovn-controller made the row for a credential. */
bool ovn_vnetenc_owner_is_credential(const struct smap *external_ids);

/* Returns true if the row belongs to this chassis, or to one that was renamed
 * and therefore will never remove it. */
bool ovn_vnetenc_owner_is_ours(const struct smap *external_ids,
                               const struct ovsrec_open_vswitch_table *,
                               const char *chassis_name);

#endif /* controller/ovn-vnetenc-owner.h */
