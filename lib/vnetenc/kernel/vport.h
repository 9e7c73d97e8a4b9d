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

#ifndef VNETENC_VPORT_H
#define VNETENC_VPORT_H 1

/* Our ports of the kernel datapath
 * ================================
 *
 * Each device of kernel/device.h becomes a port of the kernel datapath, of
 * which there is one.  The port of Geneve's arrivals is made when the datapath
 * is opened.  The main thread makes the others when translation asks for them,
 * and packets are dropped until it has.  Ports are never removed, but made
 * again if somebody removed them.
 *
 * No bridge has these ports.  In struct flow they do not exist: there is the
 * port of the tunnel type's own device, and the mark of arrival
 * (FLOW_TNL_F_VNETENC) or the demand.  vnetenc_vport_decode() and
 * vnetenc_vport_encode() translate.
 *
 * None of the functions does anything for a userspace datapath.
 *
 * Thread-safety
 * =============
 *
 * vnetenc_vport_open(), _expect(), _is_used(), _error(), _run(), _changed()
 * and _set_tunnels() belong to the main thread.  Any thread may call the
 * others. */

#include <stdbool.h>
#include "openvswitch/types.h"

struct dpif;
struct flow;
struct flow_tnl;
struct flow_wildcards;
struct pkt_metadata;
struct simap;

/* Sets up N and the port of Geneve's arrivals.  Call when a datapath is
 * opened, before its ports are looked at.  Logs what fails. */
void vnetenc_vport_open(struct dpif *);

/* Has the ports that nearly every host with peers needs made before the first
 * packet asks for them: those of Geneve with profile 0. */
void vnetenc_vport_expect(void);

/* True if a kernel datapath was opened. */
bool vnetenc_vport_is_used(void);

/* Returns NULL if the kernel datapath can encrypt and decrypt, otherwise the
 * reason why it cannot. */
const char *vnetenc_vport_error(void);

/* True for the name of a port of ours. */
bool vnetenc_vport_is_name(const char *);

/* Makes ports that translation asked for.  Returns true if flows have to be
 * translated again. */
bool vnetenc_vport_run(struct dpif *);

/* Somebody, maybe ourselves, added or deleted a port of the datapath.  Returns
 * false if the port is not one of ours. */
bool vnetenc_vport_changed(struct dpif *, const char *name);

/* Takes the numbers of the tunnel types' own ports from 'tunnels', which has
 * all ports of the datapath that belong to tunnels, by name. */
void vnetenc_vport_set_tunnels(const struct dpif *,
                               const struct simap *tunnels);

/* Returns the port that seals packets with the demand in the tunnel metadata,
 * whose UDP port is the plain one.  ODPP_NONE if there is no such port, or not
 * yet. */
odp_port_t vnetenc_vport_find(const struct dpif *, const char *tunnel_type,
                              const struct flow_tnl *);

/* To be called for each flow that was made of a key of the datapath.  An
 * arrival on a port of ours becomes one on the port of its tunnel type, with
 * the mark.  If there is no such port the flow stays as it is, and is
 * nobody's. */
void vnetenc_vport_decode(const struct dpif *, struct flow *);

/* To be called for each mask that was made of a mask of the datapath, which
 * always has the input port, and so the mark. */
void vnetenc_vport_decode_mask(const struct dpif *, struct flow_wildcards *);

/* The reverse, for a mask that is going to the datapath with a key of its own.
 * Returns the mask to use: '*mask' or, changed, '*copy'. */
const struct flow *vnetenc_vport_encode_mask(const struct dpif *,
                                             const struct flow *mask,
                                             struct flow *copy);

/* The reverse of vnetenc_vport_decode(), for a packet that is to be executed.
 * Does nothing the second time. */
void vnetenc_vport_encode(const struct dpif *, struct pkt_metadata *);

#endif /* vnetenc/kernel/vport.h */
