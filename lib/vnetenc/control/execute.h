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

#ifndef VNETENC_EXECUTE_H
#define VNETENC_EXECUTE_H 1

/* Packets that the control thread sends through the datapath
 * ==========================================================
 *
 * Some actions, for instance recirc, cause translation.  Translation may
 * learn, and takes locks of upstream, one of which is never released once the
 * daemon ends.  The control thread holds its mutex and has to end.  Therefore
 * it hands packets to a thread that never takes the mutex and never ends:
 * nobody waits for this thread, even if it is blocked.
 *
 * Thread-safety: under vnetenc_control_mutex, except vnetenc_execute_pause()
 * and vnetenc_execute_resume(). */

#include <stddef.h>
#include "vnetenc/base/drops.h"

struct dp_packet;
struct nlattr;
struct vnetenc_path_key;

/* Takes ownership of 'packet' and soon has the datapath apply 'actions',
 * 'actions_len' bytes long, to it.  Packets keep the order of the calls.  If
 * this fails, the packet is counted as 'verdict' of 'path', unless the verdict
 * is VNETENC_KEEP: then 'path' may be NULL. */
void vnetenc_execute(struct dp_packet *packet, const struct nlattr *actions,
                     size_t actions_len, const struct vnetenc_path_key *path,
                     enum vnetenc_drop verdict);

/* Drops all packets to which no actions were applied yet. */
void vnetenc_execute_end(void);

/* Waits until this file has no datapath open, and keeps it from opening one
 * until vnetenc_execute_resume().  The main thread must release the last
 * reference to a datapath that ends, because it holds locks of that datapath.
 * Packets are dropped meanwhile.  Call in the main thread, without
 * vnetenc_control_mutex. */
void vnetenc_execute_pause(void);

/* Lets this file open datapaths again after vnetenc_execute_pause().  Main
 * thread. */
void vnetenc_execute_resume(void);

#endif /* vnetenc/control/execute.h */
