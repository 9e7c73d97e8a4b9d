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

#ifndef OVN_VNETENC_MIRROR_H
#define OVN_VNETENC_MIRROR_H 1

/* Mirrors of ports whose switch requires encryption
 * =================================================
 *
 * A mirror of type "gre" or "erspan" sends copies of packets to another host
 * in clear, out of Open vSwitch's own mirror port, past all flows.  A port of
 * a switch that requires encryption takes no part in such a mirror.  Mirrors
 * of type "lport" stay in the logical switch, which encrypts them; those of
 * type "local" stay on the chassis.
 *
 * What a mirror sees at a port of another switch it copies, wherever the
 * packet comes from.
 *
 * Thread-safety
 * =============
 *
 * Main thread only. */

#include <stdbool.h>

struct sbrec_mirror;
struct sbrec_port_binding;

bool ovn_vnetenc_refuses_mirror(const struct sbrec_port_binding *,
                                const struct sbrec_mirror *);

#endif /* controller/ovn-vnetenc-mirror.h */
