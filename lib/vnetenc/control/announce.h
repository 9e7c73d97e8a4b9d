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

#ifndef VNETENC_ANNOUNCE_H
#define VNETENC_ANNOUNCE_H 1

/* News for the main thread
 * ========================
 *
 * When connectivity_seq changes, the main thread writes the state of all peers
 * to the database, and holds vnetenc_control_mutex meanwhile.  With many peers
 * that takes as long as dozens of handshakes.  Sessions therefore announce
 * their changes here: the first one is passed on at once, and later ones are
 * passed on together, each VNETENC_ANNOUNCE_MS.
 *
 * Thread-safety: under vnetenc_control_mutex. */

/* Announces that a session came up or ended. */
void vnetenc_announce(void);

/* Passes on the changes that were announced.  Returns when to call again, at
 * the latest, in milliseconds of time_msec() like 'now'. */
long long int vnetenc_announce_run(long long int now);

#endif /* vnetenc/control/announce.h */
