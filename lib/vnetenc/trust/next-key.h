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

#ifndef VNETENC_NEXT_KEY_H
#define VNETENC_NEXT_KEY_H 1

/* The next and the former key of the hypervisor
 * =============================================
 *
 * The hypervisor's own key (trust/selfcert.h) is replaced without loss in
 * three steps:
 *
 *   - A next pair is made beside the present one.  Its fingerprint is
 *     published with that of the present one, so that peers pin both.  Nothing
 *     else uses the pair.
 *
 *   - When all peers have pinned it, the operator has it take the place of the
 *     present one, which becomes the former one and is lost: the host shows
 *     the new certificate from now on, and replaces its sessions.
 *
 *   - The fingerprint of the former one is published until no session is left
 *     in which this host has shown it.  A session that a peer began ends when
 *     the peer replaces it, after VNETENC_REKEY_S at the latest.  The former
 *     one is forgotten then even if a peer has not: it must not be up to a
 *     peer how long a key that may be stolen counts.
 *
 * The next pair is a file and survives a restart.  The former fingerprint is
 * forgotten in a restart, as are all sessions that need it.
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <stdbool.h>
#include <stdint.h>
#include "compiler.h"
#include "vnetenc/base/limits.h"

/* Reads the next pair of 'directory' again if its file has changed.  Returns
 * true if the fingerprint has changed. */
bool vnetenc_next_key_run(const char *directory);

/* Returns the fingerprint of the next certificate, or NULL if there is
 * none. */
const uint8_t *vnetenc_next_key_fingerprint(void);

/* Returns why the file of the next pair cannot be used, or NULL. */
const char *vnetenc_next_key_error(void);

/* Returns the fingerprint of the former certificate, or NULL if there is
 * none. */
const uint8_t *vnetenc_next_key_former(void);

/* Makes a next pair, unless there is one.  Returns NULL if there is one now,
 * otherwise a text that names file and cause, to be freed. */
char *vnetenc_next_key_make(const char *directory) OVS_WARN_UNUSED_RESULT;

/* Deletes the next pair.  Returns the same. */
char *vnetenc_next_key_drop(const char *directory) OVS_WARN_UNUSED_RESULT;

/* Puts the next pair in the place of the present one, whose fingerprint,
 * 'present', becomes the former one if it is nonnull.  The caller then loads
 * the file of the present pair again.  'now' is in monotonic milliseconds.
 * Returns NULL if successful, otherwise the reason, to be freed, and nothing
 * has changed: there is no next pair or it cannot be used, or there is a
 * former one already. */
char *vnetenc_next_key_use(const char *directory,
                           const uint8_t present[VNETENC_FINGERPRINT_BYTES],
                           long long int now)
    OVS_WARN_UNUSED_RESULT;

/* Returns the number of times that the key was replaced since the daemon
 * began.  A handshake that began while it was another one may have shown the
 * former certificate. */
unsigned int vnetenc_next_key_n_used(void);

/* Returns true if there is a former certificate and no handshake can still run
 * that began before it became that.  If a session needs the certificate, that
 * session must be older than any that a peer replaces in time. */
bool vnetenc_next_key_may_forget(long long int now, bool needed);

/* Forgets the former certificate. */
void vnetenc_next_key_forget(void);

/* Forgets everything. */
void vnetenc_next_key_end(void);

#endif /* vnetenc/trust/next-key.h */
