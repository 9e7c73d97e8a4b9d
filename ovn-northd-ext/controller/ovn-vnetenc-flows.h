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

/* Tables 240 and 241: what a demand means at the tunnels
 * ======================================================
 *
 * Every place of physical.c that prepares a packet for a tunnel resubmits to
 * table 240, which knows from the datapath under which the packet leaves, and
 * from what register 31 carries, whether it must be encrypted.  It does so
 * whoever produced the packet: a logical flow, the controller, or a future
 * stage.  Every place that takes a packet from a tunnel resubmits to table
 * 241, which notes in register 31 how the packet arrived.
 *
 *     240  210  a chassisredirect port with a demand, must carried
 *          200  a chassisredirect port with a demand
 *          190  a datapath that requires
 *          180  a datapath that prefers, must carried
 *          170  a datapath that prefers
 *          150  must carried with a profile        140  must carried
 *          100  want carried with a profile         90  want carried
 *            0  clear, in words: the state is sticky within an action list
 *     241  130  encrypted through VXLAN, which cannot carry must: it must
 *          120  a datapath with a demand, encrypted
 *          110  a datapath with a demand, clear
 *          100  any datapath, encrypted
 *            0  any datapath, clear
 *
 * The packet counters of the rows that name a datapath are the traffic of that
 * switch, encrypted and clear.
 *
 * Ways to another chassis that are no tunnel of OVN are closed to a packet
 * that carries "must", whatever its datapath demands:
 *
 *      45  110  an EVPN fabric: for local ports only
 *      46  110  a port behind a localnet port, or a bridged redirect: drop;
 *               the former has a row in table 44 that takes such packets into
 *               a tunnel (a bridged redirect addresses them to a router, so
 *               that they are of no use beyond a tunnel)
 *
 * Beyond a localnet port a packet is outside, as designed.
 *
 * States
 * ======
 *
 * Open vSwitch can encrypt: as above, whether or not a datapath has a demand
 * that this chassis knows of.  It may not know yet: its controller may have
 * lost the southbound database, or the demand may be another availability
 * zone's.  A packet that arrives encrypted must be forwarded as it says itself
 * from the first one on, so a chassis publishes its capability, and pins the
 * fingerprints of others, only after Open vSwitch has acknowledged the rows
 * (ovn_vnetenc_flows_installed()).
 *
 * Open vSwitch cannot encrypt: one unknown action would make ovn-controller
 * reconnect for ever, so there is none.  While no datapath has a demand, the
 * flow tables are those of upstream.  A datapath that requires encryption is
 * cut off: nothing goes into a tunnel, nothing comes from a tunnel, and
 * nothing passes its router and switch ports, because the carried demand would
 * be lost there.  Traffic between its ports on this chassis goes on.
 *
 * Incremental processing
 * ======================
 *
 * The flows that depend on the modes of datapaths belong to one uuid of our
 * own, so that a change of a mode removes and adds these alone.  Flows that
 * depend on a Port_Binding belong to its uuid, as do all others for that port.
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
struct sbrec_datapath_binding_table;
struct sbrec_logical_flow;
struct sbrec_port_binding;

#define OFTABLE_VNETENC_TX 240
#define OFTABLE_VNETENC_RX 241

/* Call before any other physical flow is computed. */
void ovn_vnetenc_flows_run(const struct sbrec_datapath_binding_table *,
                           const struct physical_ctx *,
                           struct ovn_desired_flow_table *);

/* Call when rows of Datapath_Binding changed, or one of them has settled
 * (ovn-vnetenc-modes.h). */
enum engine_input_handler_result
ovn_vnetenc_flows_handle_datapaths(const struct sbrec_datapath_binding_table *,
                                   const struct hmap *local_datapaths,
                                   enum mf_field_id mff_ovn_geneve,
                                   struct ovn_desired_flow_table *);

/* May others be told that this chassis takes encrypted packets? */
bool ovn_vnetenc_flows_installed(void);

/* Has one settled?  Ask in every round of the main loop. */
bool ovn_vnetenc_flows_settled(void);

/* Call for each Port_Binding of a local datapath. */
void ovn_vnetenc_flows_for_port(const struct physical_ctx *,
                                const struct sbrec_port_binding *,
                                enum en_lport_type,
                                struct ovn_desired_flow_table *);

/* Call where a port is reached over a VLAN. */
bool ovn_vnetenc_avoid_vlan(const struct sbrec_port_binding *, struct match *,
                            struct ofpbuf *ofpacts,
                            struct ovn_desired_flow_table *);

/* Call where an action list has set, or has read, the tunnel's fields. */
void ovn_vnetenc_put_tx(struct ofpbuf *ofpacts);
void ovn_vnetenc_put_rx(enum chassis_tunnel_type, struct ofpbuf *ofpacts);

/* Questions of physical.c, lflow.c and ovn-controller.c. */
bool ovn_vnetenc_requires(uint32_t dp_key);
bool ovn_vnetenc_cut_off(uint32_t dp_key);
bool ovn_vnetenc_settling(void);
uint16_t ovn_vnetenc_overhead(void);
bool ovn_vnetenc_skips_lflow(const struct sbrec_logical_flow *);

void ovn_vnetenc_flows_destroy(void);

#endif /* controller/ovn-vnetenc-flows.h */
