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

#ifndef VNETENC_SESSION_H
#define VNETENC_SESSION_H 1

/* Sessions
 * ========
 *
 * A session is one DTLS 1.2 association that carries data one way.  Its
 * sender has a 'struct vnetenc_tx', its receiver a 'struct vnetenc_rx'; both
 * are made by the control thread from a finished handshake and published for
 * the packet path, the only place where the two halves of vnetenc meet.
 *
 * A path is what a sender knows before it has a session: two addresses, the
 * DTLS port (and so the tunnel type), and a profile.  A path has up to
 * VNETENC_MAX_LANES lanes, each with one session at a time.
 *
 * Control messages travel against the data: the sender keeps an unpublished
 * 'struct vnetenc_rx' and the receiver an unpublished 'struct vnetenc_tx'
 * with the keys of the other direction.
 *
 * Thread-safety
 * =============
 *
 * Only the control thread creates, publishes, withdraws and destroys.  Any
 * thread may find and use what is published until it next quiesces.
 * Members marked "any thread" are atomic; all others are immutable after
 * creation, unless marked "control thread". */

#include <netinet/in.h>
#include "cmap.h"
#include "openvswitch/types.h"
#include "ovs-atomic.h"
#include "ovs-rcu.h"
#include "vnetenc/bridge/limits.h"
#include "vnetenc/bridge/rate.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc/packet/join.h"
#include "vnetenc/packet/replay.h"

struct vnetenc_path_key {
    struct in6_addr local;      /* IPv4 addresses are mapped. */
    struct in6_addr remote;
    ovs_be16 dtls_port;
    uint8_t profile;
};

uint32_t vnetenc_path_hash(const struct vnetenc_path_key *);
bool vnetenc_path_equals(const struct vnetenc_path_key *,
                         const struct vnetenc_path_key *);

/* What a handshake yields for one direction. */
struct vnetenc_record_key {
    enum vnetenc_cipher cipher;
    uint8_t key[VNETENC_MAX_KEY_BYTES];
    uint8_t fixed_iv[VNETENC_MAX_FIXED_IV_BYTES];
};

void vnetenc_record_key_wipe(struct vnetenc_record_key *);

/* Sender's half.
 *
 * One owner per nonce space (PROTOCOL.md 3): a sequence number is used once,
 * by the thread that took it with vnetenc_tx_reserve(). */
struct vnetenc_tx {
    struct vnetenc_aead_key *key;
    const struct vnetenc_cipher_info *cipher;
    uint8_t fixed_iv[VNETENC_MAX_FIXED_IV_BYTES];
    ovs_be16 lane_port;         /* UDP source port of the records. */
    uint64_t end_seq;           /* First sequence number never to be used. */
    uint64_t max_bytes;         /* Nothing is sealed past this. */

    /* Any thread. */
    PADDED_MEMBERS(CACHE_LINE_SIZE,
        atomic_uint64_t next_seq;
        atomic_uint64_t n_bytes;    /* Plaintext octets sealed. */
    );
};

/* What one thread received, which alone writes to it. */
struct vnetenc_rx_count {
    PADDED_MEMBERS(CACHE_LINE_SIZE,
        atomic_uint owner;          /* Thread, 0 for none. */
        atomic_uint64_t n_records;  /* Authenticated, not replayed. */
        atomic_uint64_t n_bytes;    /* Their plaintext octets. */
    );
};

/* Receiver's half. */
struct vnetenc_rx {
    struct cmap_node node;      /* In table of published sessions. */
    struct vnetenc_path_key path;   /* As the receiver sees it. */
    ovs_be16 lane_port;         /* UDP source port of the records. */
    struct vnetenc_aead_key *key;
    const struct vnetenc_cipher_info *cipher;
    uint8_t fixed_iv[VNETENC_MAX_FIXED_IV_BYTES];
    bool geneve;                /* Carries Geneve, so maybe halves. */
    bool published;             /* Control thread. */

    /* Any thread. */
    struct vnetenc_rx_count counts[VNETENC_RX_COUNTS];
    PADDED_MEMBERS(CACHE_LINE_SIZE,
        atomic_uint64_t n_failed;       /* Forgeries. */
        struct vnetenc_rate replies;    /* Probes to be answered. */
        struct vnetenc_rate handshake;  /* Datagrams for the control thread. */
    );
    struct vnetenc_replay window;
    struct vnetenc_join join;
};

/* Lanes of a path, from the sender's side. */
struct vnetenc_lanes {
    struct cmap_node node;      /* In table of published paths. */
    struct vnetenc_path_key path;

    /* Any thread reads, control thread writes. */
    OVSRCU_TYPE(struct vnetenc_tx *) tx[VNETENC_MAX_LANES];
    atomic_uint n_lanes;        /* 1 to VNETENC_MAX_LANES. */

    /* Mode `prefer` while no lane has a session: packets are dropped before
     * 'clear_at' (time_msec()), then leave in clear, counted as
     * 'clear_reason', an enum vnetenc_drop.  PROTOCOL.md 5. */
    atomic_llong clear_at;
    atomic_uint clear_reason;

    atomic_uint mtu;            /* Of the underlay, IP.  0: not known. */
    atomic_bool split;          /* What is longer is split, else dropped. */

    struct vnetenc_rate want;   /* Any thread: WANT events. */

    /* Any thread: packets dropped and left in clear since creation. */
    atomic_uint64_t n_dropped;
    atomic_uint64_t n_clear;
    atomic_uint64_t n_split;    /* Likewise: sealed as two records. */
};

/* Creation.  Keys are copied; the caller wipes its own.  Return NULL if the
 * cipher cannot be set up. */
struct vnetenc_tx *vnetenc_tx_create(const struct vnetenc_record_key *,
                                     ovs_be16 lane_port, uint64_t end_seq,
                                     uint64_t max_bytes);
struct vnetenc_rx *vnetenc_rx_create(const struct vnetenc_record_key *,
                                     const struct vnetenc_path_key *,
                                     ovs_be16 lane_port);
void vnetenc_tx_destroy(struct vnetenc_tx *);   /* Never published. */
void vnetenc_rx_destroy(struct vnetenc_rx *);   /* Never published. */

/* Lanes. */
struct vnetenc_lanes *vnetenc_lanes_create(const struct vnetenc_path_key *,
                                           unsigned int n_lanes);
void vnetenc_lanes_retire(struct vnetenc_lanes *);  /* Empty by then. */
struct vnetenc_lanes *vnetenc_lanes_find(const struct vnetenc_path_key *);

/* Makes 'tx' (NULL for none) the session of 'lane'.  What was there is
 * returned: the caller may go on to use it and then retires it. */
struct vnetenc_tx *vnetenc_lanes_swap(struct vnetenc_lanes *,
                                      unsigned int lane, struct vnetenc_tx *);
void vnetenc_tx_retire(struct vnetenc_tx *);    /* Was published. */

/* True if a WANT for this path may be posted now. */
bool vnetenc_lanes_may_want(struct vnetenc_lanes *, long long int now);

/* Takes 'n' sequence numbers.  Returns the first, or UINT64_MAX if the key's
 * hard limit does not admit that many or 'n_bytes' more octets.  Numbers
 * that end up unused are lost. */
uint64_t vnetenc_tx_reserve(struct vnetenc_tx *, unsigned int n,
                            uint64_t n_bytes);

/* Receiver's table.  A session takes the place of a published one with the
 * same addresses and ports in one step; that one the caller still retires. */
void vnetenc_rx_publish(struct vnetenc_rx *);
void vnetenc_rx_retire(struct vnetenc_rx *);    /* Was published. */
struct vnetenc_rx *vnetenc_rx_find(const struct in6_addr *local,
                                   ovs_be16 dtls_port,
                                   const struct in6_addr *remote,
                                   ovs_be16 lane_port);

/* Counts a record of 'n_bytes' plaintext octets that was authentic and new. */
void vnetenc_rx_count(struct vnetenc_rx *, size_t n_bytes);

/* The sums, of which no record is missing that was counted before. */
void vnetenc_rx_traffic(const struct vnetenc_rx *, uint64_t *n_records,
                        uint64_t *n_bytes);

/* Frees halves that have waited too long, in all published sessions. */
void vnetenc_rx_sweep(long long int now);

/* True if one more probe is within VNETENC_REPLIES_PER_SECOND. */
bool vnetenc_rx_may_reply(struct vnetenc_rx *, long long int now);

/* True if one more datagram from this session's addresses is within the rate
 * at which the control thread will see them. */
bool vnetenc_rx_may_shake(struct vnetenc_rx *, long long int now);

#endif /* vnetenc/bridge/session.h */
