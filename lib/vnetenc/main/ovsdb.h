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
 * vswitchd/bridge.c calls the functions here.  They read the tables
 * VNetEnc_Peer and VNetEnc_Profile for the control thread and write the status
 * columns of these tables.
 *
 * The status of a row names a value that is refused.  A refused value never
 * makes a peer easier to impersonate than a good value would have.
 *
 * Thread-safety: main thread. */

struct netdev;
struct ovsdb_idl;
struct ovsrec_interface;
struct ovsrec_open_vswitch;

/* Prepares the status columns and registers the commands of ovs-appctl.  Call
 * once, before the first vnetenc_ovsdb_run(). */
void vnetenc_ovsdb_init(struct ovsdb_idl *);

/* Hands a changed configuration to the control thread; the first call starts
 * that thread.  Call in each iteration of the main loop.  It is cheap if the
 * database has not changed. */
void vnetenc_ovsdb_run(struct ovsdb_idl *, const struct ovsrec_open_vswitch *);

/* Writes the status columns, within the caller's transaction. */
void vnetenc_ovsdb_status(struct ovsdb_idl *);

/* Writes the error in the encryption options of a tunnel port to the column
 * 'error' of its Interface, and empties the column if there is none. */
void vnetenc_ovsdb_set_port_error(const struct ovsrec_interface *,
                                  const struct netdev *);

#endif /* vnetenc/main/ovsdb.h */
