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

#ifndef VNETENC_KEYLOG_H
#define VNETENC_KEYLOG_H 1

/* The key log
 * ===========
 *
 * While the key log is on, the secrets of every handshake are written to
 * vnetenc-keylog.txt in the run directory, in the NSS key log format, so that
 * a capture can be decrypted.  The file opens all captured traffic of these
 * sessions: only "ovs-appctl vnetenc/keylog on" switches the key log on, and
 * it is off after a restart (PROTOCOL.md section 7).
 *
 * Thread-safety: under vnetenc_control_mutex. */

/* Begins a new file.  Returns NULL if successful, otherwise an error text that
 * the caller frees.  An existing file or link is never touched. */
char *vnetenc_keylog_on(void);

/* Closes the file if there is one. */
void vnetenc_keylog_off(void);

/* Returns the name of the file, or NULL if the key log is off. */
const char *vnetenc_keylog_file(void);

/* Logs a warning every VNETENC_KEYLOG_WARN_MS while the key log is on.
 * Returns when to call again, at the latest. */
long long int vnetenc_keylog_run(long long int now);

#endif /* vnetenc/control/keylog.h */
