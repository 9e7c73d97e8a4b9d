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

#ifndef OVN_VNETENC_STATUS_H
#define OVN_VNETENC_STATUS_H 1

/* The status of logical switches
 * ==============================
 *
 * The column 'encryption_status' of a logical switch says whether what is
 * demanded is in force on all chassis that send packets of the switch into
 * tunnels, from what they report in Chassis_Private
 * (controller/ovn-vnetenc-report.h).  These are the chassis with a port of the
 * switch, or of another datapath from which a router leads to it without a
 * gateway.  The documentation of the column in ovn-nb.xml names all keys.
 *
 * Thread-safety: main thread only. */

struct ovsdb_idl;

/* The shortest time between two looks at all ports, in ms. */
enum { OVN_VNETENC_STATUS_INTERVAL_MS = 5000 };

/* Updates the status of all switches, if a database has changed since the last
 * time and that is long enough ago; otherwise wakes the main loop when it is.
 * Both databases must have an open transaction.  Costs two walks over
 * Port_Binding while a switch has a demand. */
void ovn_vnetenc_status_run(struct ovsdb_idl *nb_idl,
                            struct ovsdb_idl *sb_idl);

/* Keeps the column from waking ovn-northd, and from making it compute
 * everything again. */
void ovn_vnetenc_status_init(struct ovsdb_idl *nb_idl);

#endif /* northd/ovn-vnetenc-status.h */
