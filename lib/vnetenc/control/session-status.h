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

#ifndef VNETENC_SESSION_STATUS_H
#define VNETENC_SESSION_STATUS_H 1

/* Status of one session
 * =====================
 *
 * control/outgoing.c and control/incoming.c fill in the status, and
 * main/status.c collects it.  Its pointers are borrowed: they are good while
 * vnetenc_control_mutex is held. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/types.h"
#include "vnetenc/bridge/path.h"
#include "vnetenc/trust/cert.h"
#include "vnetenc/trust/peer.h"

/* A lane towards a peer, with or without a session, or a session from one. */
struct vnetenc_session_status {
    enum vnetenc_direction direction;
    const struct vnetenc_peer *peer;
    const struct vnetenc_path_key *path;
    unsigned int lane;          /* Outgoing only. */
    const char *state;
    ovs_be16 lane_port;         /* 0: no session. */
    const char *suite;          /* Below: NULL, "" or 0 if no session. */
    const char *provider;
    char fingerprint[VNETENC_FINGERPRINT_TEXT_BYTES];
    long long int age_ms;
    bool former_key;            /* This host may have shown its former
                                 * certificate (trust/next-key.h). */
    struct vnetenc_traffic_counts traffic;
    uint64_t n_failed;          /* Incoming only: forgeries. */
    uint64_t n_dropped;         /* Outgoing only, lane 0: packets of the path
                                 * that found no session. */
    uint64_t n_clear;           /* Likewise: that left in clear. */
    uint64_t n_split;           /* Likewise: sealed as two records. */
    unsigned int mtu;           /* Likewise: of the underlay. */
    bool down;                  /* Likewise: packets have wanted a session for
                                 * VNETENC_DOWN_MS, and none is up. */
};

#endif /* vnetenc/control/session-status.h */
