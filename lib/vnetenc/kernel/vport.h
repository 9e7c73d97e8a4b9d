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
 * is opened.  The main thread makes the others when translation asks for them;
 * until then packets are dropped.  Ports are never removed, and are made again
 * if somebody removes them.
 *
 * No bridge has these ports, and struct flow does not name them: it has the
 * port of the tunnel type's own device instead, and the mark of arrival
 * (FLOW_TNL_F_VNETENC) or the demand.  vnetenc_vport_decode() and
 * vnetenc_vport_encode() translate.
 *
 * None of the functions does anything for a userspace datapath.
 *
 * Thread-safety
 * =============
 *
 * vnetenc_vport_open(), _close(), _expect(), _is_used(), _error(), _collect(),
 * _run(), _changed() and _set_tunnels() belong to the main thread.  Any thread
 * may call the others. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct dpif;
struct flow;
struct flow_tnl;
struct flow_wildcards;
struct pkt_metadata;
struct simap;

/* Sets up N and the port of Geneve's arrivals.  Starts the workers.  Call when
 * a datapath is opened, before its ports are listed.  Logs a failure. */
void vnetenc_vport_open(struct dpif *);

/* Takes our devices down.  Call before a datapath is deleted: the host itself
 * would receive what arrives on a device that is up and no port. */
void vnetenc_vport_close(const struct dpif *);

/* Has the ports of Geneve with profile 0, which nearly every host with peers
 * needs, made before the first packet asks for them. */
void vnetenc_vport_expect(void);

/* Returns true if a kernel datapath was opened. */
bool vnetenc_vport_is_used(void);

/* Returns NULL if the kernel datapath can encrypt and decrypt, otherwise the
 * reason why it cannot. */
const char *vnetenc_vport_error(void);

/* Counts the packets without a VLAN tag that our devices have refused since
 * the last call because they were too long (kernel/too-long.h counts those
 * with a tag). */
void vnetenc_vport_collect(void);

/* Returns true if this is the name of a port of ours. */
bool vnetenc_vport_is_name(const char *);

/* Makes the ports that translation asked for.  Returns true if flows have to
 * be translated again.  Call in each iteration of the main loop. */
bool vnetenc_vport_run(struct dpif *);

/* Call when somebody, maybe ourselves, has added a port to the datapath or
 * deleted it.  If the port has a name of ours, has it made again if it is
 * gone, or deletes it if we did not make it.  Returns false if the port has no
 * name of ours. */
bool vnetenc_vport_changed(struct dpif *, const char *name);

/* Takes the port numbers of the tunnel types' own devices from 'tunnels',
 * which has the number of each tunnel port of the datapath by its name. */
void vnetenc_vport_set_tunnels(const struct dpif *,
                               const struct simap *tunnels);

/* Returns the port for packets of 'tunnel_type' with the demand in the tunnel
 * metadata.  If there is none yet, has it made and returns ODPP_NONE.  The
 * caller has checked that tunnels to the metadata's UDP port can carry
 * records.
 *
 * For VXLAN, sets the UDP port of the metadata to 0: a VXLAN device of the
 * kernel, unlike a Geneve device, would send to that port instead of D. */
odp_port_t vnetenc_vport_find(const struct dpif *, const char *tunnel_type,
                              struct flow_tnl *);

/* Call for each flow that was parsed from a key of the datapath.  An arrival
 * on a port of ours becomes one on the port of its tunnel type, with the mark.
 * If there is no such port, the flow stays as it is and belongs to no
 * bridge. */
void vnetenc_vport_decode(const struct dpif *, struct flow *);

/* Call for each mask that was parsed from a mask of the datapath.  It always
 * has the input port, which implies the mark, so this adds the mark. */
void vnetenc_vport_decode_mask(const struct dpif *, struct flow_wildcards *);

/* The reverse of vnetenc_vport_decode_mask(), for a mask that goes to the
 * datapath.  Returns the mask to use: '*mask' or, changed, '*copy'. */
const struct flow *vnetenc_vport_encode_mask(const struct dpif *,
                                             const struct flow *mask,
                                             struct flow *copy);

/* The reverse of vnetenc_vport_decode(), for the metadata of a packet that the
 * datapath is to execute.  A second call does nothing. */
void vnetenc_vport_encode(const struct dpif *, struct pkt_metadata *);

#endif /* vnetenc/kernel/vport.h */
