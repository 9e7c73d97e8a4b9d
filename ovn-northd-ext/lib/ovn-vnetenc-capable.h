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

/* Announcement that a chassis takes encrypted packets
 * ===================================================
 *
 * A chassis announces its capability in two places of the southbound database:
 *
 *     Encap   options:vnetenc=1           for each tunnel address
 *     Chassis other_config:iface-types    "vnetenc" is among them
 *
 * Both are needed.  When a stock ovn-controller of any version takes over from
 * the ovn-controller of vnetenc, it does not change the Encap option, which
 * would still announce a capability that is gone.  The interface types,
 * however, are a value that a stock ovn-controller compares with its own and
 * corrects when it starts.  (Old releases such as 23.03 would not correct an
 * unknown key of other_config.)
 *
 * ovn-ic copies the Encap option to other availability zones if the entry in
 * the interface types exists, but it does not copy the entry.  For a remote
 * chassis the option is therefore sufficient.
 *
 * A tunnel address with another UDP port than the usual one of its tunnel type
 * takes no encrypted packets, whatever its options say.
 *
 * Thread-safety
 * =============
 *
 * The functions work only on their arguments. */

#include <stdbool.h>

struct ds;
struct sbrec_chassis;
struct sbrec_encap;
struct smap;

/* The entry of other_config:iface-types. */
#define OVN_VNETENC_IFACE_TYPE "vnetenc"

/* Returns true if the interface types of the chassis have our entry. */
bool ovn_vnetenc_chassis_is_announced(const struct sbrec_chassis *);

/* Returns true if packets to the address of 'encap' can be encrypted, that is,
 * if it has the usual UDP port of its tunnel type. */
bool ovn_vnetenc_has_usual_port(const struct sbrec_encap *);

/* Returns true if 'chassis' takes encrypted packets at the address of 'encap',
 * which must be one of its own. */
bool ovn_vnetenc_is_capable(const struct sbrec_chassis *chassis,
                            const struct sbrec_encap *encap);

/* Appends the interface types of 'chassis' to 'types', separated by commas,
 * with our entry if 'announced' is true and without it otherwise. */
void ovn_vnetenc_put_iface_types(const struct sbrec_chassis *chassis,
                                 bool announced, struct ds *types);

/* Appends our entry to 'types', which are separated by commas, if 'chassis'
 * has the entry.  Call before 'types' replace the interface types of
 * 'chassis'.  Only ovn_vnetenc_encap_run() adds and removes the entry. */
void ovn_vnetenc_keep_iface_type(const struct sbrec_chassis *chassis,
                                 struct ds *types);

/* Initializes 'options' with the options of the Encap that other availability
 * zones may know, for ovn-ic.  The caller must destroy 'options'. */
void ovn_vnetenc_ic_options(const struct sbrec_chassis *,
                            const struct sbrec_encap *, struct smap *options);

/* Returns true if 'options' equal those of ovn_vnetenc_ic_options(), for
 * ovn-ic. */
bool ovn_vnetenc_ic_options_equal(const struct sbrec_chassis *,
                                  const struct sbrec_encap *,
                                  const struct smap *options);

#endif /* lib/ovn-vnetenc-capable.h */
