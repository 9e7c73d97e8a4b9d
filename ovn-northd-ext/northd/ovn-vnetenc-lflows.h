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

#ifndef OVN_VNETENC_LFLOWS_H
#define OVN_VNETENC_LFLOWS_H 1

/* Logical flows and port options of encrypted switches
 * ====================================================
 *
 * All flows are additions to existing stages, and exist only for switches with
 * a demand, or with a flow log, whose packets they mark.  They make the
 * decisions that the logical pipeline can make: they drop packets that arrived
 * in clear, keep traffic of a "require" switch away from ports that lead out
 * of the overlay, and write the demand into register 31 when a packet leaves
 * the switch for another datapath (see lib/ovn-vnetenc-fields.h).  Table 240
 * of ovn-controller decides whether a packet leaves the chassis encrypted.
 *
 * Thread-safety
 * =============
 *
 * Several threads call the builders for different switches at once.  The
 * builders write only the lflow table, which is made for that. */

struct ds;
struct lflow_table;
struct ovn_datapath;
struct ovn_port;
struct smap;

/* Adds the flows of a logical switch. */
void ovn_vnetenc_build_ls_flows(const struct ovn_datapath *,
                                struct lflow_table *);

/* Adds the flows of a logical switch port.  'match' and 'actions' are buffers,
 * whose contents are overwritten. */
void ovn_vnetenc_build_lsp_flows(const struct ovn_port *,
                                 struct lflow_table *,
                                 struct ds *match, struct ds *actions);

/* Removes an option of a logical router port with which packets would bypass
 * encryption.  Call after all other options were collected. */
void ovn_vnetenc_lrp_options(const struct ovn_port *, struct smap *options);

/* Sets external_ids in the Port_Binding of the logical router port.  Call
 * wherever upstream sets them, and after a demand may have changed. */
void ovn_vnetenc_lrp_set_external_ids(const struct ovn_port *);

/* Puts the demand of a logical switch port into 'ids', which become
 * Port_Binding external_ids. */
void ovn_vnetenc_lsp_external_ids(const struct ovn_port *, struct smap *ids);

#endif /* northd/ovn-vnetenc-lflows.h */
