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

#ifndef VNETENC_PORT_H
#define VNETENC_PORT_H 1

/* Encryption of a tunnel port
 * ===========================
 *
 * The Interface options 'encryption' and 'encryption_profile' of a tunnel
 * port, both ways.  What they say holds for every packet that leaves through
 * the port, and "encryption=require" for every packet that arrives.
 *
 * Thread-safety
 * =============
 *
 * Pure functions of their arguments and of the DTLS ports, which never change
 * once vnetenc_init() was called. */

#include <stdbool.h>
#include "openvswitch/compiler.h"

struct netdev;
struct netdev_tunnel_config;
struct smap;

char *vnetenc_port_set_config(const char *type, const struct smap *options,
                              const struct netdev_tunnel_config *old,
                              struct netdev_tunnel_config *)
    OVS_WARN_UNUSED_RESULT;
char *vnetenc_port_get_error(const struct netdev *, const struct smap *options)
    OVS_WARN_UNUSED_RESULT;
bool vnetenc_port_is_configured(const struct netdev_tunnel_config *);
void vnetenc_port_get_config(const struct netdev_tunnel_config *,
                             struct smap *options);

#endif /* vnetenc/port.h */
