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

#ifndef VNETENC_H
#define VNETENC_H 1

/* Virtual network encryption
 * ==========================
 *
 * Open vSwitch's own files include this header and call nothing else of ours,
 * with four exceptions: odp-util.c includes odp.h, netdev-vport.c includes
 * port.h, ofp-actions.c also includes ofpact.inc, and ofproto-dpif-xlate.c and
 * ofproto-dpif-xlate-cache.c include ofproto-dpif-vnetenc.h.
 *
 * A packet's way out: translation merges the demand of the OpenFlow action
 * with the demand of the tunnel port (vnetenc_mode_merge()), asks for the DTLS
 * port of the tunnel (vnetenc_tunnel_dtls_port()) and emits a datapath action
 * directly after tnl_push.  The datapath hands the pushed batch to
 * vnetenc_seal_batch_of_flow(), or a single packet on the slow path to
 * vnetenc_seal_packet().  These functions seal each tunnel payload into one
 * DTLS 1.2 record, seal it into two if one would be too long for the underlay,
 * or drop it.
 *
 * A packet's way in: the DTLS port is in the tunnel port map, so the datapath
 * pops the packet as a tunnel packet.  After it has checked the outer IP and
 * UDP headers, the datapath calls vnetenc_open().  That function returns the
 * outer UDP header of the packet, whose payload is plaintext again, or NULL if
 * the packet goes no further.
 *
 * Thread-safety
 * =============
 *
 * Any number of threads that quiesce (see ovs-rcu.h) may call vnetenc_seal_*()
 * and vnetenc_open() at once; these functions take no lock.  vnetenc_init(),
 * vnetenc_run(), vnetenc_exit() and vnetenc_main_*() belong to the main
 * thread.  All other functions depend only on their arguments and on the DTLS
 * ports. */

/* As in configure.ac and NEWS. */
#define VNETENC_VERSION "0.1.0"

#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/tunnel.h"
#include "vnetenc/control/execute.h"
#include "vnetenc/kernel/vport.h"
#include "vnetenc/mode.h"
#include "vnetenc/packet/half.h"
#include "vnetenc/packet/open.h"
#include "vnetenc/packet/seal.h"

struct netdev;
struct ovsdb_idl;
struct ovsrec_interface;
struct ovsrec_open_vswitch;
struct smap;
struct vnetenc_config;

/* Keeps libcrypto's keys out of core dumps, see crypto/secret.h.  Must be
 * called before anything uses libcrypto, that is, before main(). */
void vnetenc_protect_secrets(void);

/* Makes what encryption in the kernel datapath needs root for, if the kernel
 * has an Open vSwitch datapath.  Must be called once, before daemonize_start()
 * drops root. */
void vnetenc_prepare(void);

/* Starts the parts that do not depend on the tables of the database: ciphers,
 * the inbox of the control thread, DTLS ports.  A second call does nothing. */
void vnetenc_init(const struct smap *other_config);

/* Starts the control thread, if it does not run yet.  Hands over to it
 * 'config', of which it takes ownership, and applies those settings in
 * 'other_config' that need no restart.  Call after vnetenc_init(). */
void vnetenc_run(const struct smap *other_config,
                 struct vnetenc_config *config);

/* Ends all sessions and stops the control thread.  Datapath threads may still
 * run. */
void vnetenc_exit(void);

/* For vswitchd/bridge.c, in main/main.c. */

/* Registers commands.  Call once, before the first vnetenc_main_run(). */
void vnetenc_main_init(struct ovsdb_idl *);

/* Calls vnetenc_init() and vnetenc_run() with the contents of the database.
 * Call in each iteration of the main loop; cheap if the database did not
 * change. */
void vnetenc_main_run(struct ovsdb_idl *, const struct ovsrec_open_vswitch *);

/* Writes status columns, within the caller's transaction. */
void vnetenc_main_status(struct ovsdb_idl *);

/* Writes the error in the encryption options of a tunnel port to the 'error'
 * column of its Interface, within the caller's transaction.  Clears the column
 * if there is no error. */
void vnetenc_main_port_status(const struct ovsrec_interface *,
                              const struct netdev *);

#endif /* vnetenc/vnetenc.h */
