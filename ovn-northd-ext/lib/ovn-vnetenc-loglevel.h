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

#ifndef OVN_VNETENC_LOGLEVEL_H
#define OVN_VNETENC_LOGLEVEL_H 1

/* Level of the flow log
 * =====================
 *
 * The level says how finely the packets of a logical switch are logged.  It
 * is the value with which the logical flows of the switch mark its packets
 * (lib/ovn-vnetenc-fields.h), and it is a word in both databases: ovn-northd
 * copies it from other_config of the Logical_Switch into external_ids of the
 * Datapath_Binding.
 *
 * Thread-safety
 * =============
 *
 * The functions work only on their arguments. */

#include <stdbool.h>

struct sbrec_datapath_binding;

/* Key in the southbound database. */
#define OVN_VNETENC_LOG "vnetenc-log"

/* Keys in the northbound database; the last five are also in the options of
 * SB_Global. */
#define OVN_VNETENC_NB_LOG "encryption-log"
#define OVN_VNETENC_LOG_INTERVAL "vnetenc-log-interval"
#define OVN_VNETENC_LOG_MAX_FLOWS "vnetenc-log-max-flows"
#define OVN_VNETENC_LOG_CONNECTIONS "vnetenc-log-connections"
#define OVN_VNETENC_LOG_FILE "vnetenc-log-file"
#define OVN_VNETENC_LOG_MAX_SIZE "vnetenc-log-max-size"

enum ovn_vnetenc_loglevel {
    OVN_VNETENC_LOGLEVEL_OFF,
    OVN_VNETENC_LOGLEVEL_PAIR,          /* By addresses. */
    OVN_VNETENC_LOGLEVEL_CONNECTION,    /* Also by protocol and ports. */
};

/* Returns false, and leaves the level as it is, if the word is unknown. */
bool ovn_vnetenc_loglevel_from_string(const char *,
                                      enum ovn_vnetenc_loglevel *);

const char *ovn_vnetenc_loglevel_to_string(enum ovn_vnetenc_loglevel);

/* Returns the level of a datapath.  An unknown word, which only another
 * version of ovn-northd writes, counts as off. */
enum ovn_vnetenc_loglevel ovn_vnetenc_loglevel_of_dp(
    const struct sbrec_datapath_binding *);

#endif /* lib/ovn-vnetenc-loglevel.h */
