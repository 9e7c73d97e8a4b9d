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

#ifndef OFPROTO_DPIF_VNETENC_H
#define OFPROTO_DPIF_VNETENC_H 1

/* Encryption in translation
 * =========================
 *
 * What translation asks when a packet is about to leave through a tunnel, and
 * when it has arrived through one.  Each decision comes with the sentence that
 * "ofproto/trace" prints for it.
 *
 * The demand of a packet (struct flow_tnl's 'enc_mode' and 'enc_profile') and
 * the mark of its arrival (FLOW_TNL_F_VNETENC) are separate on purpose: the
 * first decides about output and is always zero on arrival, so it takes part
 * in no megaflow mask; the second is set by nobody but vnetenc_open().
 *
 * Translation never looks at sessions.  Whether there is one for a packet is
 * the datapath's business, packet by packet, so no revalidation is needed when
 * sessions come and go.
 *
 * Thread-safety
 * =============
 *
 * Pure functions of their arguments and of the DTLS ports, which never change
 * once vnetenc_init() was called. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/compiler.h"

struct ds;
struct flow;
struct flow_tnl;
struct flow_wildcards;
struct ofpbuf;

bool vnetenc_xlate_tx(struct flow_tnl *, const char *tunnel_type,
                      const char *obstacle, struct ds *why)
    OVS_WARN_UNUSED_RESULT;
bool vnetenc_xlate_rx(const struct flow *, uint8_t port_mode, bool capable,
                      struct flow_wildcards *, struct ds *why)
    OVS_WARN_UNUSED_RESULT;
int vnetenc_xlate_put(const struct flow_tnl *, const char *tunnel_type,
                      struct ofpbuf *odp_actions, struct flow *,
                      struct flow *base_flow);

#endif /* ofproto-dpif-vnetenc.h */
