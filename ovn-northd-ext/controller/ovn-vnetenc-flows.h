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

#ifndef OVN_VNETENC_FLOWS_H
#define OVN_VNETENC_FLOWS_H 1

/* Tables 240 and 241: demands at the tunnels
 * ==========================================
 *
 * Every place of physical.c that prepares a packet for a tunnel resubmits to
 * table 240.  The table decides whether the packet must be encrypted, from the
 * datapath under which it leaves and from register 31.  The origin of the
 * packet does not matter: a logical flow, the controller, or a future stage.
 * Every place that takes a packet from a tunnel resubmits to table 241, which
 * writes into register 31 how the packet arrived.
 *
 *     240  200  a port that leads to another chassis and requires
 *          190  a datapath that requires
 *          180  a datapath that prefers, must carried
 *          170  a datapath that prefers
 *          150  a datapath with a profile only, must carried
 *          140  must carried
 *          130  a chassisredirect port that requires in its options alone
 *          120  a port that leads to another chassis and prefers
 *          100  a datapath with a profile only, want carried
 *           90  want carried
 *           80  a chassisredirect port that prefers in its options alone
 *            0  clear, set explicitly: it persists within an action list
 *     241  130  encrypted through VXLAN, which cannot carry must: set must
 *          120  a datapath with a demand, encrypted
 *          110  a datapath with a demand, clear
 *          100  any datapath, encrypted
 *            0  any datapath, clear
 *
 * Ports that lead to another chassis are chassisredirect ports and those of
 * gateway routers.
 *
 * The profile is that of the datapath under which the packet leaves, in every
 * row: its tunnel key is the VNI, by which the receiver knows the profile too.
 *
 * The packet counters of the rows with a datapath show the traffic of that
 * switch, encrypted and clear.
 *
 * A packet that carries "must" cannot reach another chassis in any way other
 * than a tunnel of OVN, whatever its datapath demands:
 *
 *      45  110  an EVPN fabric: for local ports only
 *      46  110  a port behind a localnet port, or a bridged redirect: drop;
 *               the former has a row in table 44 that takes such packets into
 *               a tunnel (a bridged redirect addresses them to a router, so
 *               they would be useless beyond a tunnel)
 *
 * A packet that leaves through a localnet port is outside of the overlay, by
 * design.
 *
 * States
 * ======
 *
 * If Open vSwitch can encrypt, the tables are as above, whether or not this
 * chassis knows of a datapath with a demand.  It may not know of one yet: its
 * controller may have lost the southbound database, or the demand may belong
 * to another availability zone.  The demand in a packet that arrives encrypted
 * must be obeyed from the first packet on.  A chassis therefore publishes its
 * capability, and pins the fingerprints of others, only after Open vSwitch has
 * acknowledged the rows (ovn_vnetenc_flows_installed()).
 *
 * If Open vSwitch cannot encrypt, no flow has an unknown action, because one
 * of them would make ovn-controller reconnect forever.  While no datapath has
 * a demand, the flow tables are those of upstream.  A datapath that requires
 * encryption is cut off: its packets neither enter nor leave a tunnel, and do
 * not pass its router and switch ports, because the carried demand would be
 * lost there.  Traffic between its ports on this chassis continues.
 *
 * Incremental processing
 * ======================
 *
 * The flows that depend on the modes of datapaths belong to one uuid of our
 * own, so a change of a mode removes and adds only these.  Flows that depend
 * on a Port_Binding belong to its uuid, as do all other flows of that port.
 *
 * Thread-safety
 * =============
 *
 * Main thread only. */

#include <stdbool.h>
#include <stdint.h>
#include "lib/inc-proc-eng.h"
#include "lib/ovn-util.h"
#include "openvswitch/meta-flow.h"

struct hmap;
struct match;
struct ofpbuf;
struct ovn_desired_flow_table;
struct physical_ctx;
struct ovn_vnetenc_dp;
struct ovn_vnetenc_modes;
struct sbrec_datapath_binding_table;
struct sbrec_encryption_credential_table;
struct sbrec_port_binding;

#define OFTABLE_VNETENC_TX 240
#define OFTABLE_VNETENC_RX 241

/* Adds all flows that depend on the modes of datapaths.  Call before any other
 * physical flow is computed. */
void ovn_vnetenc_flows_run(const struct sbrec_datapath_binding_table *,
                           const struct sbrec_encryption_credential_table *,
                           const struct physical_ctx *,
                           struct ovn_desired_flow_table *);

/* Updates the flows that depend on the modes of datapaths.  Returns
 * EN_UNHANDLED if all physical flows must be computed again.  Call when rows
 * of Datapath_Binding or Encryption_Credential changed, or a datapath has
 * settled (ovn-vnetenc-modes.h). */
enum engine_input_handler_result ovn_vnetenc_flows_handle_datapaths(
    const struct sbrec_datapath_binding_table *,
    const struct sbrec_encryption_credential_table *,
    const struct hmap *local_datapaths, enum mf_field_id mff_ovn_geneve,
    struct ovn_desired_flow_table *);

/* Returns true once Open vSwitch has acknowledged the fixed rows of tables 240
 * and 241.  Before that, this chassis might forward a packet in clear that
 * arrives encrypted, so it must not announce that it takes such packets.
 *
 * Call in every round of the main loop, before the flows are sent. */
bool ovn_vnetenc_flows_installed(void);

/* Returns true, once, if a datapath has settled since the modes were
 * collected.  If a datapath is still to settle, wakes the main loop when it
 * does.  Call in every round of the main loop.
 *
 * One report is enough, because the engine remembers that it has work to do.
 * If the engine cannot run, for example without a connection to Open vSwitch,
 * repeated reports would keep the main loop from sleeping. */
bool ovn_vnetenc_flows_settled(void);

/* Adds the flows that depend on the port.  Call for each Port_Binding of a
 * local datapath. */
void ovn_vnetenc_flows_for_port(const struct physical_ctx *,
                                const struct sbrec_port_binding *,
                                enum en_lport_type,
                                struct ovn_desired_flow_table *);

/* Adds a flow that, at a port that upstream reaches over a VLAN instead of a
 * tunnel, drops packets that must be encrypted, or all packets if the port
 * itself requires encryption.  (Any chassis may write the option that makes a
 * redirect "bridged".)  Narrows 'match', which matches the port, to these
 * packets, for another flow that takes them into a tunnel, and clears
 * 'ofpacts'.  Returns false, and does nothing, if Open vSwitch cannot
 * encrypt. */
bool ovn_vnetenc_avoid_vlan(const struct sbrec_port_binding *, struct match *,
                            struct ofpbuf *ofpacts,
                            struct ovn_desired_flow_table *);

/* Appends a resubmit to table 240, if it has rows.  Call where an action list
 * has set the fields of the tunnel. */
void ovn_vnetenc_put_tx(struct ofpbuf *ofpacts);

/* Appends a resubmit to table 241, if it has rows.  Call where an action list
 * has read the fields of a tunnel of the given type. */
void ovn_vnetenc_put_rx(enum chassis_tunnel_type, struct ofpbuf *ofpacts);

/* Returns true if the datapath requires encryption. */
bool ovn_vnetenc_requires(uint32_t dp_key);

/* Returns true if no packet of the datapath may enter a tunnel because Open
 * vSwitch cannot encrypt it. */
bool ovn_vnetenc_cut_off(uint32_t dp_key);

/* Returns the modes of all datapaths.  They are empty before the flows were
 * computed once. */
const struct ovn_vnetenc_modes *ovn_vnetenc_flows_modes(void);

/* Returns a number that changes with the modes of datapaths and with the set
 * of datapaths that this chassis uses. */
unsigned int ovn_vnetenc_flows_generation(void);

/* Returns true if nothing that is encrypted passes for 'dp', because Open
 * vSwitch cannot encrypt or does not obey its credential. */
bool ovn_vnetenc_flows_cut_off(const struct ovn_vnetenc_dp *);

/* Returns the configuration that may be reported as installed: 'nb_cfg' of the
 * database or, while a datapath settles, the last one before its mode changed,
 * but never less than 'reported', which was reported last.  If the engine was
 * cancelled, returns 'reported', because the engine may not have seen a change
 * of a mode yet.  Call once in each round, after the engine. */
uint64_t ovn_vnetenc_reportable_cfg(uint64_t reported, uint64_t nb_cfg);

/* Returns the number of bytes by which encryption may enlarge a packet in a
 * tunnel.  The number is the same for all datapaths, because the mode of a
 * datapath changes without a recompute. */
uint16_t ovn_vnetenc_overhead(void);

/* Frees the modes of all datapaths.  Call at exit. */
void ovn_vnetenc_flows_destroy(void);

#endif /* controller/ovn-vnetenc-flows.h */
