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

#ifndef OVN_VNETENC_LFLOW_H
#define OVN_VNETENC_LFLOW_H 1

/* Logical flows about encryption, as OpenFlow flows
 * =================================================
 *
 * Thread-safety
 * =============
 *
 * Main thread only. */

#include <stdbool.h>

struct ofpbuf;
struct sbrec_logical_flow;

/* Returns true if the logical flow is about a demand and Open vSwitch does not
 * support our actions. */
bool ovn_vnetenc_skips_lflow(const struct sbrec_logical_flow *);

/* Appends to 'ofpacts', the actions of the logical flow, a note for the flow
 * log (lib/vnetenc/log/note.h of Open vSwitch) if the flow drops packets
 * because they arrived in clear. */
void ovn_vnetenc_note_lflow(const struct sbrec_logical_flow *,
                            struct ofpbuf *ofpacts);

#endif /* controller/ovn-vnetenc-lflow.h */
