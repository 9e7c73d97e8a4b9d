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

/* Modes of all datapaths, now and a moment ago
 * ============================================
 *
 * A new mode reaches one chassis after the other.  If the first chassis
 * refused clear packets at once, it would drop packets that the others still
 * send in clear; if the first chassis sent in clear again at once, the others
 * would drop its packets.  For a second after its mode changed from `off` to
 * `require` or back, a datapath is therefore "settling": a packet that leaves
 * obeys the stronger of the two modes, a packet that arrives the weaker one.
 * No packet is lost, and every packet leaves encrypted from the moment at
 * which its own chassis learned of `require`.
 *
 * A settling datapath admits in clear only packets that it would have admitted
 * before its mode changed.  A datapath that did not exist on this chassis at
 * that time admits none: either it was just created, or it just got its first
 * port here, or the process just started.
 *
 * A datapath that changes from `prefer` to `require` settles as well, but
 * admits none: the packets that others send in clear are those that `require`
 * must drop.
 *
 * The flow caches of Open vSwitch need this second as well, so it begins when
 * the flows have been sent, which on a large chassis may be some time after
 * they were computed.  While a datapath that this chassis uses settles,
 * ovn-controller does not report any configuration as installed that may
 * contain the change; it does report earlier ones.  When `ovn-nbctl --wait=hv`
 * returns, no clear packet is admitted any more, and even on the last chassis
 * the flow caches have had a second to follow the flow tables.
 *
 * A datapath that changes its profile, because its credential changed, is
 * changed over before the former profile goes: for OVN_VNETENC_TX_MS packets
 * that leave keep the former profile, and for OVN_VNETENC_RX_MS both are
 * accepted, so that no packet is lost while one chassis after the other learns
 * of the change.  The second part of that time begins when the flows under
 * which packets leave under the new profile have been sent.  A former profile
 * whose credential is gone, even if another one has the same id, is dropped at
 * once.  No configuration that may contain the change is reported as
 * installed before the former profile is refused.  A datapath that did not
 * exist on this chassis at that time takes the new profile at once.
 *
 * Thread-safety
 * =============
 *
 * A set of modes belongs to one thread. */

#include <stdbool.h>
#include <stdint.h>
#include "lib/ovn-vnetenc-demand.h"
#include "lib/ovn-vnetenc-loglevel.h"
#include "openvswitch/hmap.h"
#include "openvswitch/uuid.h"

struct sbrec_datapath_binding_table;
struct sbrec_encryption_credential_table;

/* Longer than an update takes to reach every chassis and its datapath; and the
 * time in which a change of the profile does so, and new sessions are made. */
enum {
    OVN_VNETENC_SETTLE_MS = 1000,
    OVN_VNETENC_TX_MS = 5000,
    OVN_VNETENC_RX_MS = 15000,
};

/* Former profiles of one datapath that are accepted at the same time. */
enum { OVN_VNETENC_MAX_FORMER = 4 };

struct ovn_vnetenc_former {
    uint8_t profile;
    struct uuid credential;     /* Its credential then; zero if none. */
    long long int until;        /* In ms; LLONG_MAX if packets do not leave
                                 * under the new profile yet. */
    bool fresh;                 /* The flows under which they do have not been
                                 * sent yet, so 'until' is not final. */
};

struct ovn_vnetenc_dp {
    struct hmap_node node;      /* In 'dps', by 'key'. */
    uint32_t key;               /* Datapath_Binding.tunnel_key. */
    uint32_t cookie;
    bool evpn;
    bool local;                 /* This chassis uses it. */
    enum ovn_vnetenc_loglevel log;      /* Of its packets. */
    struct ovn_vnetenc_demand demand;   /* In the database. */
    struct uuid credential;             /* Of 'demand'; zero if none. */
    struct ovn_vnetenc_demand tx;       /* For packets that leave. */
    struct uuid tx_credential;          /* Of 'tx'; zero if none. */
    struct ovn_vnetenc_former former[OVN_VNETENC_MAX_FORMER];
    size_t n_former;                    /* Still accepted, oldest first. */
    long long int tx_at;        /* When 'tx' gets the profile of 'demand', in
                                 * ms; LLONG_MAX if it has it. */
    enum vnetenc_mode rx;               /* For packets that arrive. */
    long long int settled_at;   /* In ms; LLONG_MAX if settled. */
    bool fresh;                 /* The flows have not been sent yet, so
                                 * 'settled_at' is not final. */
    uint64_t nb_cfg;            /* The last one to report until settled. */
};

struct ovn_vnetenc_modes {
    struct hmap dps;            /* Of struct ovn_vnetenc_dp. */
    size_t n_demanding;         /* Datapaths with a 'tx' other than off. */
    size_t n_profiled;          /* Datapaths with a 'tx' other than 0. */
    bool evpn;                  /* One of these is part of an EVPN. */
    bool credentials;           /* A datapath has a credential. */
    bool fresh;                 /* A datapath, or a former profile, is
                                 * 'fresh'. */
    long long int settled_at;   /* When the first one settles, or changes its
                                 * profile; LLONG_MAX if all are settled. */
    uint64_t nb_cfg;            /* The last one that may be reported. */
};

#define OVN_VNETENC_MODES_INITIALIZER(MODES) \
    { .dps = HMAP_INITIALIZER(&(MODES)->dps), .settled_at = LLONG_MAX, \
      .nb_cfg = UINT64_MAX }

/* Fills 'modes', which must be empty, from the database.  'former' has the
 * modes before this change, which was not part of the configuration 'nb_cfg'.
 * The caller keeps both. */
void ovn_vnetenc_modes_collect(
    struct ovn_vnetenc_modes *, const struct ovn_vnetenc_modes *former,
    const struct sbrec_datapath_binding_table *,
    const struct sbrec_encryption_credential_table *,
    const struct hmap *local_datapaths, long long int now_ms,
    uint64_t nb_cfg);

/* Removes all datapaths. */
void ovn_vnetenc_modes_clear(struct ovn_vnetenc_modes *);

/* Starts the second in which fresh datapaths settle, and the time in which
 * fresh former profiles are accepted.  Call when their flows have been
 * sent. */
void ovn_vnetenc_modes_start(struct ovn_vnetenc_modes *, long long int now_ms);

/* Removes all datapaths and frees the memory of the set. */
void ovn_vnetenc_modes_destroy(struct ovn_vnetenc_modes *);

/* Moves the contents of 'new' into 'modes' and destroys 'new'. */
void ovn_vnetenc_modes_replace(struct ovn_vnetenc_modes *,
                               struct ovn_vnetenc_modes *new);

/* Returns true if both sets of modes result in the same flows. */
bool ovn_vnetenc_modes_equal(const struct ovn_vnetenc_modes *,
                             const struct ovn_vnetenc_modes *);

/* Returns true if no datapath sends under another profile in 'b' than in
 * 'a'. */
bool ovn_vnetenc_modes_same_profiles(const struct ovn_vnetenc_modes *a,
                                     const struct ovn_vnetenc_modes *b);

/* Returns the profile under which packets of the datapath leave. */
uint8_t ovn_vnetenc_modes_tx_profile(const struct ovn_vnetenc_modes *,
                                     uint32_t key);

/* Returns true if the datapath has settled, and accepts one profile only. */
bool ovn_vnetenc_modes_is_settled(const struct ovn_vnetenc_dp *);

/* Returns the datapath, or NULL if it is unknown or has no demand. */
const struct ovn_vnetenc_dp *ovn_vnetenc_modes_find_demanding(
    const struct ovn_vnetenc_modes *, uint32_t key);

#endif /* controller/ovn-vnetenc-modes.h */
