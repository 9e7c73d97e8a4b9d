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

#ifndef OVN_VNETENC_NOTES_H
#define OVN_VNETENC_NOTES_H 1

/* Comments about encryption in the output of tools
 * ================================================
 *
 * `ovn-sbctl lflow-list` and ovn-trace print a comment beside each logical
 * flow of encryption: the description of the flow in the southbound database.
 * Wherever a packet may enter a tunnel, ovn-trace prints another comment: the
 * decision that table 240 of ovn-controller would make, and the origin of the
 * demand.  Without a demand there are no comments.
 *
 * `ovn-nbctl show' prints the demand of a switch and its state.
 *
 * Thread-safety
 * =============
 *
 * The functions work only on their arguments. */

#include "ovn-vnetenc-demand.h"

struct ds;
struct flow;
struct nbrec_logical_switch;
struct sbrec_logical_flow;

/* Appends the description of the logical flow as a comment, if it is a flow of
 * encryption. */
void ovn_vnetenc_put_lflow_note(const struct sbrec_logical_flow *,
                                struct ds *);

/* Returns the comment for a packet like 'flow' that is about to leave, or NULL
 * if there is none.  'dp' is the demand of its datapath, 'port' that of its
 * output port, or NULL for a multicast group.  The caller must free the
 * comment. */
char *ovn_vnetenc_tunnel_note(const struct ovn_vnetenc_demand *dp,
                              const struct ovn_vnetenc_demand *port,
                              const struct flow *flow);

/* Appends a line with the demand of the switch, and its state in parentheses,
 * unless it has neither. */
void ovn_vnetenc_put_switch(const struct nbrec_logical_switch *, struct ds *);

#endif /* lib/ovn-vnetenc-notes.h */
