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

#ifndef OVN_VNETENC_SWITCH_H
#define OVN_VNETENC_SWITCH_H 1

/* The demand of a logical switch
 * ==============================
 *
 * The functions here combine Logical_Switch.encryption, the cluster default
 * and the profile into one demand and write it into external_ids of the
 * Datapath_Binding, together with the level of the flow log.  All other parts
 * of ovn-northd read both from there.
 *
 * Thread-safety
 * =============
 *
 * Main thread only. */

#include <stdbool.h>

struct ed_type_global_config;
struct nbrec_logical_switch;
struct ovn_unsynced_datapath_map;
struct smap;

/* Adds the demand and the level of the flow log to 'external_ids'.  Call after
 * all other external_ids of the switch were collected. */
void ovn_vnetenc_switch_external_ids(const struct nbrec_logical_switch *,
                                     const struct ed_type_global_config *,
                                     struct smap *external_ids);

/* Returns true if a change of the cluster default changed the demand of a
 * switch, whose row does not change with it.  Call when rows of Logical_Switch
 * or the global configuration changed, after the changed rows were handled. */
bool ovn_vnetenc_default_changed(const struct ovn_unsynced_datapath_map *,
                                 const struct ed_type_global_config *);

#endif /* northd/ovn-vnetenc-switch.h */
