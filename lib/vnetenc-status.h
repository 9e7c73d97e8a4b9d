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

#ifndef VNETENC_STATUS_H
#define VNETENC_STATUS_H 1

/* What there is to say of a session
 * =================================
 *
 * Filled in by vnetenc-outgoing.h and vnetenc-incoming.h, printed by
 * vnetenc-show.h, written into the database by vnetenc-ovsdb.h.  Borrowed:
 * valid during the callback that hands it out. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/types.h"
#include "vnetenc-session.h"

struct vnetenc_session_status {
    bool outgoing;              /* We seal; otherwise we open. */
    const struct vnetenc_path *path;
    unsigned int lane;          /* Outgoing only. */
    const char *state;
    ovs_be16 lane_port;         /* 0: no session. */
    const char *suite;          /* Below: NULL or 0 if no session. */
    const char *provider;
    const char *fingerprint;
    long long int age_ms;
    uint64_t n_records;
    uint64_t n_bytes;
    uint64_t n_failed;          /* Incoming only. */
    uint64_t n_dropped;         /* Outgoing only, lane 0: of the path. */
    uint64_t n_clear;           /* Likewise. */
};

#endif /* vnetenc-status.h */
