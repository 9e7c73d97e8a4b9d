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

#ifndef OVN_VNETENC_LOG_H
#define OVN_VNETENC_LOG_H 1

/* The row of the flow log
 * =======================
 *
 * While this chassis uses a datapath that is logged, the table
 * VNetEnc_Flow_Log of the local Open vSwitch has a row.  The row says which
 * bits of register 31 are the mark, which registers hold the ports, and how
 * the datapaths are called.  Settings come from the options of SB_Global.
 *
 * The table has at most one row.  A row that somebody else made stays as it
 * is, and there is none of ours beside it.
 *
 * Thread-safety
 * =============
 *
 * Main thread only. */

#include <stdbool.h>
#include <stdint.h>

struct hmap;
struct ofpbuf;
struct ovn_desired_flow_table;
struct ovn_vnetenc_dp;
struct ovsdb_idl;
struct ovsdb_idl_txn;
struct ovsrec_bridge;
struct ovsrec_open_vswitch_table;
struct sbrec_chassis;
struct uuid;

/* Monitors the table. */
void ovn_vnetenc_log_register_ovs_idl(struct ovsdb_idl *);

/* Makes the row, updates it or removes it.  Call in each round of the main
 * loop, after the engine. */
void ovn_vnetenc_log_run(struct ovsdb_idl *ovs_idl,
                         struct ovsdb_idl_txn *ovs_txn,
                         const struct ovsdb_idl *sb_idl,
                         const struct ovsrec_open_vswitch_table *,
                         const struct ovsrec_bridge *br_int,
                         const struct sbrec_chassis *this_chassis,
                         const struct hmap *local_datapaths);

/* Removes the row of a chassis that stops for good.  Returns true if there is
 * none left. */
bool ovn_vnetenc_log_cleanup(struct ovsdb_idl *ovs_idl,
                             struct ovsdb_idl_txn *ovs_txn,
                             const char *chassis_name);

/* Unless 'dp', which is cut off from all tunnels, is not logged: adds a flow
 * of 'priority' and 'uuid' that marks packets that arrive for it and has table
 * 241 look at them again.  The logical flows that do this elsewhere see no
 * packet of such a datapath.  Puts into 'ofpacts', for the flow that moves the
 * marked packets to another datapath, a note for the log and the end of the
 * mark: so the last flow that the log knows of is that of 'dp'. */
void ovn_vnetenc_log_add_cut_off_flow(const struct ovn_vnetenc_dp *dp,
                                      uint16_t priority,
                                      struct ofpbuf *ofpacts,
                                      struct ovn_desired_flow_table *,
                                      const struct uuid *);

/* Frees memory.  Call at exit. */
void ovn_vnetenc_log_destroy(void);

#endif /* controller/ovn-vnetenc-log.h */
