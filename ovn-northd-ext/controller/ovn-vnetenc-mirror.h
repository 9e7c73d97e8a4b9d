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
 * in clear: they leave through Open vSwitch's own mirror port and bypass all
 * flows.  A port of a switch that requires encryption takes no part in such a
 * mirror.  Copies of a mirror of type "lport" stay in the logical switch,
 * which encrypts them.  Copies of type "local" stay on the chassis.
 *
 * A mirror at a port of a switch that does not require encryption copies all
 * packets there, wherever they come from.
 *
 * Thread-safety
 * =============
 *
 * Main thread only. */

#include <stdbool.h>

struct sbrec_mirror;
struct sbrec_port_binding;

/* Returns true, and logs a warning, if the mirror may not see packets of the
 * port. */
bool ovn_vnetenc_refuses_mirror(const struct sbrec_port_binding *,
                                const struct sbrec_mirror *);

#endif /* controller/ovn-vnetenc-mirror.h */
