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

#ifndef VNETENC_CONTROL_H
#define VNETENC_CONTROL_H 1

/* The control thread
 * ==================
 *
 * One thread does everything that is not done per packet: handshakes, probes,
 * key changes, judgements.  It sleeps until the packet path posts an event
 * (bridge/inbox.h), a socket has a datagram, a timer expires or the main
 * thread brings a new configuration.
 *
 * Thread-safety
 * =============
 *
 * vnetenc_control_mutex guards all data of the control thread.  The main
 * thread takes the mutex to read and to change that data; the packet path
 * never takes it.  Only the main thread calls the functions below, which take
 * the mutex themselves. */

#include "ovs-thread.h"

struct vnetenc_config;

/* Guards all data of the control thread. */
extern struct ovs_mutex vnetenc_control_mutex;

/* Takes the mutex for a thread other than the control thread, which pauses for
 * a moment to let that thread in. */
void vnetenc_control_lock(void) OVS_ACQUIRES(vnetenc_control_mutex);

/* Releases the mutex. */
void vnetenc_control_unlock(void) OVS_RELEASES(vnetenc_control_mutex);

/* Starts the thread if it does not run already. */
void vnetenc_control_start(void);

/* Ends the thread and all sessions. */
void vnetenc_control_stop(void);

/* Takes ownership of 'config'.  The control thread applies it at its next
 * run. */
void vnetenc_control_configure(struct vnetenc_config *config);

#endif /* vnetenc/control/control.h */
