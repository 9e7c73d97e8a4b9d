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

#ifndef VNETENC_TEST_KEYS_H
#define VNETENC_TEST_KEYS_H 1

/* Sessions with static keys, for tests
 * ====================================
 *
 * A dummy datapath has no kernel sockets, so no handshake can succeed on it.
 * These commands of ovs-appctl publish the same objects as the control thread
 * does after a handshake, so that the packet path can be tested alone:
 *
 *     vnetenc/test-add-peer REMOTE
 *     vnetenc/test-add-path LOCAL REMOTE DTLS_PORT PROFILE STATE
 *     vnetenc/test-add-session out|in LOCAL REMOTE DTLS_PORT PROFILE
 *             LANE_PORT CIPHER KEY IV [MAX_RECORDS [MAX_BYTES]]
 *     vnetenc/test-set-mtu LOCAL REMOTE DTLS_PORT PROFILE MTU split|drop
 *     vnetenc/test-set-vni [VNI:PROFILE]...
 *     vnetenc/test-reset
 *
 * LOCAL and REMOTE are addresses as this end sees them; KEY and IV are
 * hexadecimal.  Each "out" session of a path becomes its next lane and stops
 * after MAX_RECORDS records or MAX_BYTES bytes of plaintext.  On a path
 * without a session, STATE decides about a packet of mode `prefer`: "wait"
 * drops it, "no-session" and "lost" send it in clear.  test-reset removes
 * everything that these commands made.
 *
 * Anybody who knows a key can read and forge packets.  The commands therefore
 * exist only in a process with dummy devices (--enable-dummy), which no
 * production ovs-vswitchd has.
 *
 * Thread-safety: main thread.  The commands hold the mutex of the control
 * thread, which does not touch objects that it did not make. */

/* Registers the commands if the process has dummy devices. */
void vnetenc_test_keys_init(void);

#endif /* vnetenc/main/test-keys.h */
