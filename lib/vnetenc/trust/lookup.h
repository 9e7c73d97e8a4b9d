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

#ifndef VNETENC_LOOKUP_H
#define VNETENC_LOOKUP_H 1

/* Questions of a handshake to its owner
 * =====================================
 *
 * Thread-safety: none.  Control thread only. */

#include <netinet/in.h>
#include <stdint.h>

struct vnetenc_cred;
struct vnetenc_trust;

/* A handshake asks its owner these questions anew each time, so the present
 * configuration judges a running handshake.  Results are borrowed for the
 * duration of the call that asked, except where it says otherwise. */
struct vnetenc_lookup {
    /* Returns the credentials of 'profile', or NULL if there is no such
     * profile. */
    struct vnetenc_cred *(*cred)(void *aux, uint8_t profile);

    /* Returns why there are none.  The caller frees it. */
    char *(*why_no_cred)(void *aux, uint8_t profile);

    /* Returns the trust in the peer at 'remote_ip', or NULL if there is no
     * such peer. */
    const struct vnetenc_trust *(*trust)(void *aux,
                                         const struct in6_addr *remote_ip);

    /* Returns after how many milliseconds a flight to 'remote_ip' must be
     * retransmitted.  NULL: VNETENC_HANDSHAKE_TIMER_MS. */
    unsigned int (*timer_ms)(void *aux, const struct in6_addr *remote_ip);
    void *aux;
};

#endif /* vnetenc/trust/lookup.h */
