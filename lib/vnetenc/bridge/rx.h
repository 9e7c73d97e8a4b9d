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

#ifndef VNETENC_RX_H
#define VNETENC_RX_H 1

/* Sessions to open with
 * =====================
 *
 * This is the receiver's end of a session; the sender's end is in bridge/tx.h.
 * It has the key, the replay window, the halves of packets that wait for each
 * other, and counts of what was received.  The control thread makes it from a
 * finished handshake and publishes it in a table by addresses and ports, where
 * the packet path finds it.  Every session has epoch 1 and no other
 * (PROTOCOL.md section 3).
 *
 * Thread-safety
 * =============
 *
 * Only the control thread creates, publishes, withdraws and destroys sessions.
 * Any thread may find a published session and use it until the thread next
 * quiesces.  Members marked "any thread" are atomic; all others are immutable
 * after creation, unless marked "control thread". */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cmap.h"
#include "openvswitch/types.h"
#include "ovs-atomic.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/halves.h"
#include "vnetenc/bridge/path.h"
#include "vnetenc/bridge/rate.h"
#include "vnetenc/bridge/replay.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc/crypto/record.h"

/* Counts of the records that one thread received.  Only that thread writes
 * here; the last entry of 'counts' is for all threads without their own. */
struct vnetenc_rx_counts {
    PADDED_MEMBERS(CACHE_LINE_SIZE,
        atomic_uint owner;          /* Thread, 0 for none. */
        atomic_uint64_t n_records;  /* Authenticated, not replayed. */
        atomic_uint64_t n_bytes;    /* Bytes of their plaintext. */
    );
};

struct vnetenc_rx {
    struct cmap_node node;      /* In table of published sessions. */
    struct vnetenc_path_key path;   /* As the receiver sees it. */
    ovs_be16 lane_port;         /* UDP source port of the records. */
    struct vnetenc_aead_key *key;
    const struct vnetenc_cipher_info *cipher;
    uint8_t fixed_iv[VNETENC_MAX_FIXED_IV_BYTES];
    bool geneve;                /* Carries Geneve, maybe halves. */
    bool published;             /* Control thread. */

    /* Any thread.  The first member and counts[0] share a cache line with
     * what is above. */
    atomic_uint64_t n_failed;   /* Forgeries. */
    struct vnetenc_rx_counts counts[VNETENC_RX_COUNTS];
    PADDED_MEMBERS(CACHE_LINE_SIZE,
        struct vnetenc_rate replies;    /* Probes to be answered. */
        struct vnetenc_rate handshake;  /* Datagrams for the control thread. */
    );
    struct vnetenc_replay window;
    struct vnetenc_halves halves;
};

/* Makes an unpublished session for records that arrive on 'path' from UDP port
 * 'lane_port'.  Copies the key; the caller wipes its own copy.  Returns NULL
 * if the cipher cannot be set up. */
struct vnetenc_rx *vnetenc_rx_create(const struct vnetenc_record_key *,
                                     const struct vnetenc_path_key *path,
                                     ovs_be16 lane_port);

/* Wipes and frees a session that was never published.  NULL is ignored. */
void vnetenc_rx_destroy(struct vnetenc_rx *);

/* Publishes a session.  If another one with the same addresses and ports is
 * published, replaces it in one step; the caller must still retire that
 * one. */
void vnetenc_rx_publish(struct vnetenc_rx *);

/* Withdraws a session, if it is published, and wipes and frees it after a
 * grace period.  NULL is ignored. */
void vnetenc_rx_retire(struct vnetenc_rx *);

/* Returns the published session with these addresses and ports, or NULL.  Any
 * thread, which may use the session until it next quiesces. */
struct vnetenc_rx *vnetenc_rx_find(const struct in6_addr *local,
                                   ovs_be16 dtls_port,
                                   const struct in6_addr *remote,
                                   ovs_be16 lane_port);

/* Begins to fetch what opening a record needs of 'n' published sessions, 1 to
 * VNETENC_BURST, all at once.  Session 'i' is one with the hash 'hashes[i]'
 * (bridge/tuple.h), if there is any, and its record has the number 'seqs[i]'.
 * It only saves time: this thread's vnetenc_rx_find() looks at these sessions
 * first, and compares addresses and ports as always.  Any thread. */
void vnetenc_rx_fetch_batch(const uint32_t hashes[], const uint64_t seqs[],
                            size_t n);

/* Counts a record of 'n_bytes' bytes of plaintext that was authentic and new.
 * Any thread. */
void vnetenc_rx_count(struct vnetenc_rx *, size_t n_bytes);

/* Stores the numbers of records and of bytes of their plaintext.  They include
 * every record that was counted before the call.  Any thread. */
void vnetenc_rx_sum(const struct vnetenc_rx *, uint64_t *n_records,
                    uint64_t *n_bytes);

/* Frees the halves that have waited too long at 'now', in milliseconds of
 * time_msec(), in all published sessions.  Control thread. */
void vnetenc_rx_sweep(long long int now);

/* True if one more probe at 'now' is within VNETENC_REPLIES_PER_SECOND.  Any
 * thread. */
bool vnetenc_rx_may_reply(struct vnetenc_rx *, long long int now);

/* True if one more handshake or alert datagram from this session's addresses
 * and ports may go to the control thread at 'now': VNETENC_SOURCE_PER_SECOND.
 * Any thread. */
bool vnetenc_rx_may_shake(struct vnetenc_rx *, long long int now);

#endif /* vnetenc/bridge/rx.h */
