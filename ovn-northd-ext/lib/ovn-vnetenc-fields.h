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

#ifndef OVN_VNETENC_FIELDS_H
#define OVN_VNETENC_FIELDS_H 1

/* The register that carries a demand through the logical pipelines
 * ================================================================
 *
 * The physical tables choose a tunnel long after the packet has left the
 * switch that demanded encryption, perhaps after it passed routers.  Register
 * 31 carries the demand on that way: upstream clears the other registers at
 * every patch port between datapaths, but uses none above 15.  Logical flows
 * and ovn-trace know the register as these fields:
 *
 *     vnetenc.want      a switch on the way prefers encryption
 *     vnetenc.must      a switch on the way requires encryption
 *     vnetenc.rx        how the packet came to this chassis: 0 through no
 *                       tunnel; 1 through a tunnel, in clear; 2 like 1, but
 *                       its switch has only just begun to require encryption
 *                       and admits the packet; 3 through a tunnel, encrypted
 *                       and authenticated
 *     vnetenc.profile   written by flows of former versions of ovn-northd,
 *                       and read by nobody: the datapath of the tunnel
 *                       decides the profile
 *     vnetenc.log       not 0 if a switch on the way is logged: its level
 *                       (lib/ovn-vnetenc-loglevel.h).  Open vSwitch reads it
 *                       when the packet is output or dropped
 *
 * The register never leaves the chassis.  Bit 31 of the Geneve option of OVN,
 * formerly "rsv", carries a copy of vnetenc.must to the next chassis, where
 * table 241 trusts it only in an encrypted packet.
 *
 * Thread-safety
 * =============
 *
 * The functions work only on their arguments. */

#include <stdbool.h>

#include "openvswitch/flow.h"
#include "openvswitch/meta-flow.h"
#include "util.h"

struct shash;

#define MFF_LOG_VNETENC MFF_REG31
BUILD_ASSERT_DECL(FLOW_N_REGS == 32);

enum ovn_vnetenc_field_layout {
    OVN_VNETENC_WANT_BIT = 0,
    OVN_VNETENC_MUST_BIT = 1,
    OVN_VNETENC_RX_OFS = 2,
    OVN_VNETENC_RX_BITS = 2,
    OVN_VNETENC_PROFILE_OFS = 8,
    OVN_VNETENC_PROFILE_BITS = 8,
    OVN_VNETENC_LOG_OFS = 16,
    OVN_VNETENC_LOG_BITS = 2,

    /* Bit of vnetenc.must in the 32-bit Geneve option. */
    OVN_VNETENC_GENEVE_MUST_BIT = 31,
};

enum ovn_vnetenc_rx {
    OVN_VNETENC_RX_CLEAR = 1,
    OVN_VNETENC_RX_ADMITTED = 2,
    OVN_VNETENC_RX_ENCRYPTED = 3,
};

/* Adds the fields to 'symtab'. */
void ovn_vnetenc_init_symtab(struct shash *symtab);

/* Returns true if 's', a match or actions, names one of the fields other than
 * vnetenc.log, which has a meaning also where nothing can be encrypted.  Text
 * between quotation marks is the name of a port. */
bool ovn_vnetenc_names_demand(const char *s);

#endif /* lib/ovn-vnetenc-fields.h */
