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

#ifndef OVN_VNETENC_ENCAP_WATCH_H
#define OVN_VNETENC_ENCAP_WATCH_H 1

/* Changes of Encap options that concern the flows
 * ===============================================
 *
 * A chassis that gets another certificate writes its fingerprint into the
 * options of its Encap rows.  If these were tracked as other columns are, that
 * would be a change of the Chassis row that refers to them as well, and every
 * chassis would compute all its flows again, none of which depends on a
 * fingerprint.  So the column is not tracked, and it is seen here whether an
 * option changed that is not ours.
 *
 * The main loop still wakes up for each change: tunnels and peers are brought
 * up to date in every round.
 *
 * Thread-safety
 * =============
 *
 * Main thread only. */

#include <stdbool.h>

struct ovsdb_idl;

/* Call when all columns of the southbound database are tracked. */
void ovn_vnetenc_encap_watch_init(struct ovsdb_idl *ovnsb_idl);

/* Returns true if the flows are to be computed again.  Call in each round,
 * before the engine. */
bool ovn_vnetenc_encap_watch_run(const struct ovsdb_idl *ovnsb_idl);

/* Frees what was remembered of the rows. */
void ovn_vnetenc_encap_watch_destroy(void);

#endif /* controller/ovn-vnetenc-encap-watch.h */
