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
 * Dummy datapaths have no kernel sockets, so no handshake can succeed on
 * them.  These ovs-appctl commands publish what the control thread would after
 * one, so that the packet path can be tested alone:
 *
 *     vnetenc/test-add-peer REMOTE
 *     vnetenc/test-add-path LOCAL REMOTE DTLS_PORT PROFILE STATE
 *     vnetenc/test-add-session out|in LOCAL REMOTE DTLS_PORT PROFILE
 *             LANE_PORT CIPHER KEY IV [MAX_RECORDS [MAX_OCTETS]]
 *     vnetenc/test-set-vni [VNI:PROFILE]...
 *     vnetenc/test-reset
 *
 * LOCAL and REMOTE are addresses as this end sees them, KEY and IV are
 * hexadecimal.  Each "out" session of a path becomes its next lane, and is
 * given up when it has sealed MAX_RECORDS records or MAX_OCTETS octets of
 * plaintext.  A path without a session does with `prefer' what STATE says:
 * "wait" drops, "no-session" and "lost" send in clear.  test-reset takes away
 * everything that these commands made.
 *
 * Whoever knows a key can read and forge, so the commands exist in a process
 * with dummy devices (--enable-dummy) only, which no production ovs-vswitchd
 * has.
 *
 * Thread-safety: main thread.  What is published here is touched under the
 * mutex of the control thread, which leaves alone what it did not make. */

void vnetenc_test_keys_init(void);

#endif /* vnetenc/main/test-keys.h */
