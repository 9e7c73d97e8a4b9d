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
 * Actions may ask for translation, recirc for one.  Translation may learn, and
 * takes locks of upstream, of which one is held for good when the daemon ends.
 * So the control thread, which holds its mutex and has to end, hands packets
 * to a thread that never takes the mutex, and never ends: nobody waits for it,
 * wherever it stands.
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <stddef.h>
#include "vnetenc/bridge/drops.h"

struct dp_packet;
struct nlattr;
struct vnetenc_path_key;

/* Takes 'packet' and makes the datapath apply 'actions' to it, soon, and in
 * the order of the calls.  If that fails, the packet is counted as 'verdict'
 * of 'path', unless the verdict is VNETENC_KEEP: then 'path' may be NULL. */
void vnetenc_execute(struct dp_packet *packet, const struct nlattr *actions,
                     size_t actions_len, const struct vnetenc_path_key *path,
                     enum vnetenc_drop verdict);

/* Drops all packets to which nothing was applied yet. */
void vnetenc_execute_end(void);

/* Keeps this file from opening a datapath until vnetenc_execute_resume(), and
 * waits until it has none open: the last reference to a datapath that ends
 * must be the main thread's, which holds locks of it.  Packets are dropped
 * meanwhile.  For ofproto-dpif.c, in the main thread, without the mutex. */
void vnetenc_execute_pause(void);

/* Ends what vnetenc_execute_pause() has begun. */
void vnetenc_execute_resume(void);

#endif /* vnetenc/control/execute.h */
