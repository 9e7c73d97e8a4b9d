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

#ifndef OVN_VNETENC_CAPABLE_H
#define OVN_VNETENC_CAPABLE_H 1

/* Which chassis take encrypted packets
 * ====================================
 *
 * A chassis says so in two places of the southbound database:
 *
 *     Encap   options:vnetenc=1           for each tunnel address
 *     Chassis other_config:iface-types    "vnetenc" is among them
 *
 * Both are needed.  Stock ovn-controller, of whatever version, does not touch
 * the first, and would so go on saying what is true no more when it takes over
 * from the ovn-controller of vnetenc.  The second is a value that it compares
 * with its own and writes anew when it starts.  (An unknown key of
 * other_config would not do: old releases, like 23.03, leave it alone.)
 *
 * ovn-ic copies the first to other availability zones, but not the second.  It
 * copies the first only if the second is there, and of a remote chassis the
 * first is enough.
 *
 * Thread-safety
 * =============
 *
 * Pure functions of their arguments. */

#include <stdbool.h>

struct ds;
struct sbrec_chassis;
struct sbrec_encap;
struct smap;

/* The entry of other_config:iface-types. */
#define OVN_VNETENC_IFACE_TYPE "vnetenc"

/* Is the entry there? */
bool ovn_vnetenc_chassis_is_announced(const struct sbrec_chassis *);

/* Does 'chassis' take encrypted packets at the address of 'encap', one of its
 * own? */
bool ovn_vnetenc_is_capable(const struct sbrec_chassis *chassis,
                            const struct sbrec_encap *encap);

/* Fills 'types' with those of 'chassis', with our entry or without. */
void ovn_vnetenc_put_iface_types(const struct sbrec_chassis *chassis,
                                 bool announced, struct ds *types);

/* Call before 'types', separated by commas, replace those of 'chassis': our
 * entry stays if it is there.  It is ovn_vnetenc_encap_run() that adds it and
 * takes it away. */
void ovn_vnetenc_keep_iface_type(const struct sbrec_chassis *chassis,
                                 struct ds *types);

/* For ovn-ic: initializes 'options' with those of 'encap' that other zones may
 * know. */
void ovn_vnetenc_ic_options(const struct sbrec_chassis *,
                            const struct sbrec_encap *, struct smap *options);
bool ovn_vnetenc_ic_options_equal(const struct sbrec_chassis *,
                                  const struct sbrec_encap *,
                                  const struct smap *options);

#endif /* lib/ovn-vnetenc-capable.h */
