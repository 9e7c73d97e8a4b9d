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
 * vnetenc_control_mutex guards all that belongs to the control thread.  The
 * main thread takes it to show and to change; the packet path never does.
 * The functions below belong to the main thread and take it themselves. */

#include "ovs-thread.h"

struct vnetenc_config;

/* Guards all that belongs to the control thread. */
extern struct ovs_mutex vnetenc_control_mutex;

/* How other threads take the mutex: a busy control thread lets them in. */
void vnetenc_control_lock(void) OVS_ACQUIRES(vnetenc_control_mutex);

/* Gives the mutex back. */
void vnetenc_control_unlock(void) OVS_RELEASES(vnetenc_control_mutex);

/* Starts the thread, if it does not run already. */
void vnetenc_control_start(void);

/* Ends the thread, and all sessions with it. */
void vnetenc_control_stop(void);

/* Puts 'config', of which it takes ownership, in force. */
void vnetenc_control_configure(struct vnetenc_config *config);

#endif /* vnetenc/control/control.h */
