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
 * What Open vSwitch's own files call.  Beside this header, each of the
 * following is for one of them: odp.h (odp-util.c), port.h
 * (netdev-vport.c), main/ovsdb.h (bridge.c), ofproto-dpif-vnetenc.h
 * (ofproto-dpif-xlate.c).
 *
 * A packet's way out: translation merges the demand of the OpenFlow action
 * with that of the tunnel port (vnetenc_merge()), asks for the DTLS port of
 * the tunnel (vnetenc_port()) and emits a datapath action right behind
 * tnl_push.  The datapath hands the pushed batch to vnetenc_seal_batch(),
 * which turns every tunnel payload into one DTLS 1.2 record or drops it.
 *
 * A packet's way in: the DTLS port is in the tunnel port map, so the datapath
 * pops the packet as a tunnel packet and, once the outer IP and UDP headers
 * are known to be sound, calls vnetenc_open(), which gives back the outer UDP
 * header of a packet whose payload is plaintext again, or NULL.
 *
 * Thread-safety
 * =============
 *
 * vnetenc_seal_*() and vnetenc_open() may be called by any number of threads
 * at once; they take no lock, and they must be called from a thread that
 * quiesces (see ovs-rcu.h).  vnetenc_init(), vnetenc_update(), vnetenc_exit()
 * belong to the main thread.  Everything else is a pure function of its
 * arguments and of the DTLS ports, which never change once vnetenc_init() was
 * called. */

#include "vnetenc/bridge/limits.h"
#include "vnetenc/bridge/tunnel.h"
#include "vnetenc/mode.h"
#include "vnetenc/packet/half.h"
#include "vnetenc/packet/open.h"
#include "vnetenc/packet/seal.h"

struct smap;

/* Starts what does not depend on the database's tables: ciphers, the inbox of
 * the control thread, DTLS ports.  Does nothing if called again. */
void vnetenc_init(const struct smap *other_config);

/* Takes over changes of 'other_config' that need no restart. */
void vnetenc_update(const struct smap *other_config);

/* Ends all sessions and the control thread.  Datapath threads may still
 * run. */
void vnetenc_exit(void);

#endif /* vnetenc/vnetenc.h */
