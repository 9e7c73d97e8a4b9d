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

#ifndef OVN_VNETENC_DEMAND_H
#define OVN_VNETENC_DEMAND_H 1

/* Demand of a datapath or a port
 * ==============================
 *
 * A demand for the tunnel traffic of a datapath is a mode and a profile, that
 * of a port only a mode: the tunnel key of a packet, which is that of its
 * datapath, decides the profile.  ovn-northd writes the two as strings into
 * external_ids of Datapath_Binding, and the mode into external_ids of
 * Port_Binding for ports that lead to another chassis.  ovn-northd itself and
 * ovn-controller read it from there, so the southbound database has the only
 * copy, and the two daemons always agree about a switch.
 *
 * Role-based access control lets no chassis write these columns.  Every
 * chassis may write the options of Port_Binding, into which former versions of
 * ovn-northd wrote the demand.  A mode in options counts if it is the stronger
 * one.
 *
 * Reading fails closed: an unknown mode counts as the strongest one.
 *
 * Thread-safety
 * =============
 *
 * The functions work only on their arguments. */

#include <stdbool.h>
#include <stdint.h>
#include "vnetenc/mode.h"

struct ovsdb_idl;
struct sbrec_datapath_binding;
struct sbrec_port_binding;
struct smap;

/* Option names in the southbound database. */
#define OVN_VNETENC_MODE "vnetenc"
#define OVN_VNETENC_PROFILE "vnetenc-profile"

/* Option names in the northbound database. */
#define OVN_VNETENC_NB_DEFAULT "vnetenc-default"
#define OVN_VNETENC_NB_DEFAULT_CREDENTIAL "vnetenc-default-credential"
#define OVN_VNETENC_NB_PROFILE "encryption-profile"
#define OVN_VNETENC_NB_EXTERNAL "encryption-allow-external"

/* Option names in Encap options of the southbound database. */
/* Column 'encryption' of Chassis_Private: by the tunnel key of a datapath, its
 * mode or OVN_VNETENC_REPORT_CUT_OFF; by OVN_VNETENC_REPORT_ALARM and the name
 * of another chassis, alarms of sessions with it, separated by commas; the
 * number of the chassis with alarms; by OVN_VNETENC_REPORT_CREDENTIAL and the
 * id of a credential, the state of its profile; by OVN_VNETENC_REPORT_USABLE
 * and that id, the listed certificates that the chassis can use; whether Open
 * vSwitch obeys credentials. */
#define OVN_VNETENC_REPORT_CUT_OFF "cut-off"
#define OVN_VNETENC_REPORT_ALARM "alarm:"
#define OVN_VNETENC_REPORT_N_ALARMS "alarms"
#define OVN_VNETENC_REPORT_CREDENTIAL "credential:"
#define OVN_VNETENC_REPORT_USABLE "credential_has:"
#define OVN_VNETENC_REPORT_CREDENTIALS "credentials"

#define OVN_VNETENC_ENCAP_CAPABLE "vnetenc"
#define OVN_VNETENC_ENCAP_FINGERPRINTS "vnetenc-fp"

struct ovn_vnetenc_demand {
    enum vnetenc_mode mode;
    uint8_t profile;            /* Of a datapath, whatever its mode. */
    bool yields;                /* To a packet that must be encrypted. */
};

/* Returns the demand that the smap holds, or mode off if it holds none. */
struct ovn_vnetenc_demand ovn_vnetenc_demand_get(const struct smap *);

/* Writes a demand into the smap, which must not hold one yet.  Mode off and
 * profile 0 write nothing. */
void ovn_vnetenc_demand_put(struct smap *, struct ovn_vnetenc_demand);

/* Returns true if mode and profile are equal. */
bool ovn_vnetenc_demand_equals(struct ovn_vnetenc_demand,
                               struct ovn_vnetenc_demand);

/* Returns the demand of a datapath. */
struct ovn_vnetenc_demand ovn_vnetenc_demand_of_dp(
    const struct sbrec_datapath_binding *);

/* Returns the demand of a datapath with the profile of its packets in tunnels,
 * which for routers only Encryption_Credential has.  Too slow for many. */
struct ovn_vnetenc_demand ovn_vnetenc_demand_on_wire(
    const struct sbrec_datapath_binding *, const struct ovsdb_idl *sb_idl);

/* Returns the demand of a port in addition to that of its datapath, which
 * ovn-northd writes into external_ids of the port.  Options count only for
 * chassisredirect ports of routers, where former versions of ovn-northd wrote
 * the demand of the switch behind the router.
 *
 * A chassis that writes options can only cause more encryption: a demand in
 * external_ids is never weakened, and a demand in options always 'yields'. */
struct ovn_vnetenc_demand ovn_vnetenc_demand_of_port(
    const struct sbrec_port_binding *);

#endif /* lib/ovn-vnetenc-demand.h */
