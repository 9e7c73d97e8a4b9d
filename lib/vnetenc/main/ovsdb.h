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

#ifndef VNETENC_OVSDB_H
#define VNETENC_OVSDB_H 1

/* Database
 * ========
 *
 * For vswitchd/bridge.c: reads the tables VNetEnc_Peer and VNetEnc_Profile
 * for the control thread and writes their status columns.
 *
 * A value that is refused is named in the row's own status; it never makes a
 * peer easier to impersonate than the good value would have.
 *
 * Thread-safety: main thread. */

struct netdev;
struct ovsdb_idl;
struct ovsrec_interface;
struct ovsrec_open_vswitch;

/* Once, before the first vnetenc_ovsdb_run(). */
void vnetenc_ovsdb_init(struct ovsdb_idl *);

/* In each main loop iteration.  Cheap if the database did not change. */
void vnetenc_ovsdb_run(struct ovsdb_idl *, const struct ovsrec_open_vswitch *);

/* Writes status columns, within the caller's transaction. */
void vnetenc_ovsdb_status(struct ovsdb_idl *);

/* Writes what is wrong with the encryption of a tunnel port, or nothing, to
 * the 'error' of its Interface. */
void vnetenc_ovsdb_set_port_error(const struct ovsrec_interface *,
                                  const struct netdev *);

#endif /* vnetenc/main/ovsdb.h */
