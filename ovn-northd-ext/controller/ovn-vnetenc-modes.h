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

#ifndef OVN_VNETENC_MODES_H
#define OVN_VNETENC_MODES_H 1

/* Modes of all datapaths, and what they were a moment ago
 * =======================================================
 *
 * Chassis hear of a new mode one after the other.  The first one that refuses
 * what comes in clear would lose what the others still send so, and the first
 * one that sends in clear again would send in vain.  For a second after its
 * mode went from `off` to `require` or back, a datapath is therefore
 * "settling": what leaves obeys the stronger of both, what arrives the weaker.
 * No packet is lost, and each leaves encrypted from the moment at which its
 * own chassis heard of `require`.
 *
 * What a settling datapath admits in clear it would have admitted before its
 * mode changed.  A datapath that was not here then, because it has just been
 * created, gets its first port here or because the process began, admits
 * nothing.
 *
 * From `prefer` to `require` a datapath settles, too, but admits nothing: what
 * others send in clear is what they are to drop.
 *
 * The second is that of the flow caches, too, so it begins when the flows have
 * been sent, which on a large chassis may be some time after they were asked
 * for.  ovn-controller does not report a configuration as installed while
 * anything settles.  After `ovn-nbctl --wait=hv` so nothing is admitted any
 * more, and the flow caches of Open vSwitch, which follow its flow tables,
 * have had a second to do so on the last of all chassis.
 *
 * Thread-safety
 * =============
 *
 * A set of modes belongs to one thread. */

#include <stdbool.h>
#include <stdint.h>
#include "lib/ovn-vnetenc-demand.h"
#include "openvswitch/hmap.h"

struct sbrec_datapath_binding_table;

/* Longer than it takes an update to reach every chassis and its datapath. */
enum { OVN_VNETENC_SETTLE_MS = 1000 };

struct ovn_vnetenc_dp {
    struct hmap_node node;      /* In 'dps', by 'key'. */
    uint32_t key;               /* Datapath_Binding.tunnel_key. */
    uint32_t cookie;
    bool evpn;
    bool local;                 /* This chassis has a use for it. */
    struct ovn_vnetenc_demand demand;   /* What the database says. */
    struct ovn_vnetenc_demand tx;       /* What leaves obeys. */
    enum vnetenc_mode rx;               /* What arrives obeys. */
    long long int settled_at;   /* In ms; LLONG_MAX if settled. */
    bool fresh;                 /* 'settled_at' is still to be counted from
                                 * when the flows were sent. */
};

struct ovn_vnetenc_modes {
    struct hmap dps;            /* Of struct ovn_vnetenc_dp. */
    size_t n_demanding;         /* With a 'tx' other than off. */
    bool evpn;                  /* A demanding one is part of an EVPN. */
    bool fresh;                 /* One is. */
    long long int settled_at;   /* The first that settles; or LLONG_MAX. */
};

#define OVN_VNETENC_MODES_INITIALIZER(MODES) \
    { .dps = HMAP_INITIALIZER(&(MODES)->dps), .settled_at = LLONG_MAX }

/* Fills 'modes', which is empty, from the database; 'former' is what it said
 * before.  Ownership stays with the caller. */
void ovn_vnetenc_modes_collect(struct ovn_vnetenc_modes *,
                               const struct ovn_vnetenc_modes *former,
                               const struct sbrec_datapath_binding_table *,
                               const struct hmap *local_datapaths,
                               long long int now_ms);
void ovn_vnetenc_modes_clear(struct ovn_vnetenc_modes *);

/* Call when the flows of the fresh ones have been sent: from now on they
 * settle. */
void ovn_vnetenc_modes_start(struct ovn_vnetenc_modes *, long long int now_ms);
void ovn_vnetenc_modes_destroy(struct ovn_vnetenc_modes *);

/* Moves 'new' into 'modes' and destroys it. */
void ovn_vnetenc_modes_replace(struct ovn_vnetenc_modes *,
                               struct ovn_vnetenc_modes *new);

/* Would the flows be the same? */
bool ovn_vnetenc_modes_equal(const struct ovn_vnetenc_modes *,
                             const struct ovn_vnetenc_modes *);

/* The datapath, or NULL if it is not known or has no demand. */
const struct ovn_vnetenc_dp *ovn_vnetenc_modes_find_demanding(
    const struct ovn_vnetenc_modes *, uint32_t key);

#endif /* controller/ovn-vnetenc-modes.h */
