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

#ifndef VNETENC_PATH_H
#define VNETENC_PATH_H 1

/* Paths to peers
 * ==============
 *
 * A sender knows a path before it has a session.  The key of a path is two
 * addresses, the DTLS port, which implies the tunnel type, and a profile.  The
 * control thread publishes a path when packets ask for it, and the packet path
 * finds it by its key.  A path has lanes (bridge/lanes.h), each with one
 * session at a time.
 *
 * Thread-safety
 * =============
 *
 * Only the control thread creates and retires paths.  Any thread may find a
 * path and use it until the thread next quiesces.  Members that are not atomic
 * are immutable. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "cmap.h"
#include "openvswitch/types.h"
#include "ovs-atomic.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/bridge/lanes.h"
#include "vnetenc/bridge/mail.h"
#include "vnetenc/bridge/rate.h"

/* Initialize a key with vnetenc_path_key_init(), which also zeroes the
 * padding: callers may hash and compare whole keys. */
struct vnetenc_path_key {
    struct in6_addr local;      /* IPv4 addresses are mapped. */
    struct in6_addr remote;
    ovs_be16 dtls_port;
    uint8_t profile;
};

/* What each packet needs stands first, in two cache lines. */
struct vnetenc_path {
    struct cmap_node node;      /* In table of published paths. */
    struct vnetenc_path_key key;
    atomic_uint mtu;            /* Of IP in the underlay, in bytes.  0 if
                                 * unknown.  See vnetenc_path_set_mtu(). */
    struct vnetenc_mailbox mailbox;
    struct vnetenc_lanes lanes;
    atomic_bool sent_long;      /* Any thread sets, control thread clears:
                                 * packets beyond VNETENC_LONG_BYTES. */
    atomic_bool split;          /* Split longer packets, or drop them.  Any
                                 * thread reads, control thread writes. */

    /* Any thread reads, control thread writes.
     *
     * While no lane has a session, packets of mode `prefer` are dropped before
     * 'clear_at' (time_msec()); after that they leave in clear and are counted
     * as 'clear_reason', an enum vnetenc_drop.  PROTOCOL.md section 5. */
    atomic_llong clear_at;
    atomic_uint clear_reason;

    struct vnetenc_rate want;   /* Any thread: WANT events. */

    /* Any thread.  Numbers of packets since creation; see
     * vnetenc_path_count(). */
    atomic_uint64_t n_dropped;
    atomic_uint64_t n_clear;    /* Left in clear. */
    atomic_uint64_t n_split;    /* Sealed as two records. */
};

/* Zeroes a key and its padding. */
static inline void
vnetenc_path_key_init(struct vnetenc_path_key *key)
{
    memset(key, 0, sizeof *key);
}

/* Returns the hash of a key.  Pure function. */
uint32_t vnetenc_path_hash(const struct vnetenc_path_key *);

/* Returns the hash of two addresses on top of 'basis'.  Pure function. */
uint32_t vnetenc_path_hash_addresses(const struct in6_addr *a,
                                     const struct in6_addr *b, uint32_t basis);

/* True if two keys name the same path.  Pure function. */
bool vnetenc_path_equals(const struct vnetenc_path_key *,
                         const struct vnetenc_path_key *);

/* Makes and publishes a path with 'n_lanes' lanes, 1 to VNETENC_MAX_LANES,
 * without sessions.  No other path with this key may be published.  Control
 * thread. */
struct vnetenc_path *vnetenc_path_create(const struct vnetenc_path_key *,
                                         unsigned int n_lanes);

/* Withdraws a path, whose lanes must have no sessions, and frees it after a
 * grace period.  Control thread. */
void vnetenc_path_retire(struct vnetenc_path *);

/* Notes that a packet of more than VNETENC_LONG_BYTES is sealed.  Any
 * thread. */
static inline void
vnetenc_path_note_long(struct vnetenc_path *path)
{
    bool noted;

    atomic_read_relaxed(&path->sent_long, &noted);
    if (!noted) {
        atomic_store_relaxed(&path->sent_long, true);
    }
}

/* Returns the published path with this key, or NULL.  Any thread, which may
 * use the path until it next quiesces. */
struct vnetenc_path *vnetenc_path_find(const struct vnetenc_path_key *);

/* Does the same for 'n' keys, 1 to VNETENC_BURST, at once: waits for the
 * memory of all paths together, and then has begun to fetch all that a packet
 * needs of them. */
void vnetenc_path_find_batch(const struct vnetenc_path_key *const keys[],
                             size_t n, struct vnetenc_path *paths[]);

/* Sets the MTU of a path, in bytes, 0 if it is not known.  Control thread. */
void vnetenc_path_set_mtu(struct vnetenc_path *, unsigned int mtu);

/* Returns the least MTU of all published paths, in bytes, or UINT_MAX if none
 * is known.  A path may get a smaller one at any time.  Any thread. */
unsigned int vnetenc_path_least_mtu(void);

/* Calls 'cb' for each published path.  Any thread. */
void vnetenc_path_for_each(void (*cb)(const struct vnetenc_path *, void *aux),
                           void *aux);

/* Returns true if a WANT event for this path may be posted at 'now', in
 * milliseconds of time_msec(): one each VNETENC_WANT_AGAIN_MS.  Any thread. */
bool vnetenc_path_may_want(struct vnetenc_path *, long long int now);

/* Counts 'n' packets that were dropped for 'reason' or, if 'reason' is a
 * fallback, left in clear.  Also counts them for 'path', which is NULL if the
 * packets had no path, and notes the reason for the flow log
 * (bridge/outcome.h).  'key' is that of the packets' path, or NULL if it is
 * that of 'path' or not known.  Any thread. */
void vnetenc_path_count(struct vnetenc_path *path,
                        const struct vnetenc_path_key *key,
                        enum vnetenc_drop reason, unsigned int n);

#endif /* vnetenc/bridge/path.h */
