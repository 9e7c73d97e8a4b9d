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
 * The functions here read and write the Interface options 'encryption' and
 * 'encryption_profile' of a tunnel port.  The options apply to every packet
 * that leaves through the port; "encryption=require" also applies to every
 * packet that arrives.
 *
 * Thread-safety
 * =============
 *
 * The functions depend only on their arguments and on the DTLS ports, which
 * never change after vnetenc_init(). */

#include <stdbool.h>
#include "openvswitch/compiler.h"

struct netdev;
struct netdev_tunnel_config;
struct smap;

/* Sets the encryption of a tunnel port of the given 'type' from 'options'.
 * 'cfg' already holds the port's UDP destination port; 'old' is the
 * configuration that was in force before.
 *
 * Returns NULL if successful, otherwise an error message that the caller must
 * free.  In case of an error, a port that is in use (see
 * vnetenc_port_is_configured()) must continue with 'cfg', and a new port must
 * not come up.  'cfg' is safe then: a refused value stays as it is in 'old',
 * and an unreadable mode becomes VNETENC_REQUIRE if 'old' demanded nothing. */
char *vnetenc_port_set_config(const char *type, const struct smap *options,
                              const struct netdev_tunnel_config *old,
                              struct netdev_tunnel_config *cfg)
    OVS_WARN_UNUSED_RESULT;

/* Checks the 'options' of a tunnel port in use.  Returns NULL, or an error
 * message that the caller must free; the valid options are in force even
 * then. */
char *vnetenc_port_get_error(const struct netdev *, const struct smap *options)
    OVS_WARN_UNUSED_RESULT;

/* True if the configuration is that of a tunnel port in use, false if the port
 * is new and not configured yet. */
bool vnetenc_port_is_configured(const struct netdev_tunnel_config *);

/* Adds the options that are in force in a configuration to 'options'. */
void vnetenc_port_get_config(const struct netdev_tunnel_config *,
                             struct smap *options);

#endif /* vnetenc/port.h */
