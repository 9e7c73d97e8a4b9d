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
 * This file reads the rows of the tables VNetEnc_Peer and VNetEnc_Profile, and
 * writes their status columns.  The status of a row names a value of the row
 * that was refused (trust/configuration.h).  From the rows of tunnel ports it
 * reads the marks of packets to peers.
 *
 * Thread-safety: main thread. */

struct ovsdb_idl;
struct ovsrec_open_vswitch;
struct vnetenc_config;

/* Makes changes of status columns wake nobody.  Call this once, before 'idl'
 * runs. */
void vnetenc_ovsdb_init(struct ovsdb_idl *idl);

/* Sets the marks that the database has now (bridge/marks.h). */
void vnetenc_ovsdb_read_marks(const struct ovsdb_idl *);

/* Returns the configuration that the database has now, never NULL.  The caller
 * destroys it or passes it to vnetenc_run(). */
struct vnetenc_config *vnetenc_ovsdb_read(const struct ovsdb_idl *,
                                          const struct ovsrec_open_vswitch *);

/* Writes the status columns in the caller's transaction.  Call this under
 * vnetenc_control_mutex. */
void vnetenc_ovsdb_write(struct ovsdb_idl *);

#endif /* vnetenc/main/ovsdb.h */
