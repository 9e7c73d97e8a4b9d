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

#ifndef VNETENC_FLOW_LOG_H
#define VNETENC_FLOW_LOG_H 1

/* Configuration of the flow log
 * =============================
 *
 * This file reads the row of table VNetEnc_Flow_Log and writes its status
 * columns.  While the row has a value that is refused, the previous settings
 * stay in force.
 *
 * Thread-safety: main thread. */

struct ovsdb_idl;
struct ovsrec_open_vswitch;

/* Makes changes of status columns wake nobody.  Call this once, before 'idl'
 * runs. */
void vnetenc_flow_log_init(struct ovsdb_idl *idl);

/* Follows the row.  Has all flows translated again if what is logged has
 * changed. */
void vnetenc_flow_log_run(const struct ovsdb_idl *,
                          const struct ovsrec_open_vswitch *);

/* Writes the status columns in the caller's transaction. */
void vnetenc_flow_log_write(struct ovsdb_idl *);

#endif /* vnetenc/main/flow-log.h */
