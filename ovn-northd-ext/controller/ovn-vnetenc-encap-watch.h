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
 * options of its Encap rows.  If that column were tracked like others, its
 * change would also count as a change of the Chassis row that refers to the
 * Encap row, and every chassis would compute all its flows again, although
 * none depends on a fingerprint.  Therefore the column is not tracked.
 * Instead, the functions here find out whether an option changed that is not
 * ours.
 *
 * The main loop still wakes up for each change, because tunnels and peers are
 * updated in every round.
 *
 * Thread-safety
 * =============
 *
 * Main thread only. */

#include <stdbool.h>

struct ovsdb_idl;

/* Stops the tracking of the column.  Call after the tracking of all columns of
 * the southbound database was requested. */
void ovn_vnetenc_encap_watch_init(struct ovsdb_idl *ovnsb_idl);

/* Returns true if the flows must be computed again.  Call in each round,
 * before the engine. */
bool ovn_vnetenc_encap_watch_run(const struct ovsdb_idl *ovnsb_idl);

/* Frees the remembered options. */
void ovn_vnetenc_encap_watch_destroy(void);

#endif /* controller/ovn-vnetenc-encap-watch.h */
