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

#ifndef VNETENC_TX_H
#define VNETENC_TX_H 1

/* Sessions to seal with
 * =====================
 *
 * A session is one DTLS 1.2 association that carries data one way.  This is
 * the sender's end of it, with the key and the sequence numbers; the
 * receiver's end is a 'struct vnetenc_rx' (bridge/rx.h).  The control thread
 * makes each from a finished handshake.  The packet path finds this one on a
 * lane (bridge/lanes.h).
 *
 * Some control messages travel against the data.  For them, a sender also
 * keeps an unpublished 'struct vnetenc_rx', and a receiver an unpublished
 * 'struct vnetenc_tx', with the keys of the other direction.
 *
 * Each nonce space has one owner (PROTOCOL.md section 3): a sequence number is
 * used once, by the thread that took it with vnetenc_tx_reserve() or
 * vnetenc_tx_reserve_newest().
 *
 * Threads that seal for one session do not wait for each other at every
 * packet: each has a range of numbers of its own (base/slot.h), which it
 * extends when it has used them; only large bursts take their numbers from the
 * session.  Records of such threads therefore overtake each other.  A thread
 * whose range has fallen VNETENC_RANGE_LAG behind the newest number gives the
 * rest up, so that its records are far inside of the receiver's window.
 * Nobody ever uses the numbers of such a rest.
 *
 * Thread-safety
 * =============
 *
 * Only the control thread creates, destroys and retires sessions.  Any thread
 * may use a session that it found on a lane until the thread next quiesces.
 * Members marked "any thread" are atomic; all others are immutable. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/types.h"
#include "ovs-atomic.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/base/slot.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc/crypto/record.h"

/* The range of one thread, or the counts of all threads without one.  The
 * record that follows 'n_records' others has the number 'base' +
 * 'n_records'. */
struct vnetenc_tx_range {
    PADDED_MEMBERS(CACHE_LINE_SIZE,
        /* Only the owner. */
        uint64_t base;
        uint64_t max_records;       /* 'n_records' and 'n_bytes' may grow up */
        uint64_t max_bytes;         /* to these before more are taken. */
        unsigned int step;          /* Numbers to take at once, at least. */

        /* Only the owner writes; any thread reads. */
        atomic_uint64_t n_records;  /* Numbers given to records, */
        atomic_uint64_t n_bytes;    /* and bytes of their plaintext. */
    );
};

struct vnetenc_tx {
    /* All that a packet needs, beside the range of its thread.  Threads that
     * have one hardly ever write here. */
    PADDED_MEMBERS(CACHE_LINE_SIZE,
        struct vnetenc_aead_key *key;
        const struct vnetenc_cipher_info *cipher;
        uint8_t fixed_iv[VNETENC_MAX_FIXED_IV_BYTES];
        ovs_be16 lane_port;         /* UDP source port of the records. */
        int fd;                     /* Socket of that port for workers of the
                                     * kernel datapath, ours, or -1. */
        atomic_uint64_t next_seq;   /* First number that no thread has taken.
                                     * Any thread. */
        bool has_ranges;            /* False: numbers are taken one by one. */
    );

    PADDED_MEMBERS(CACHE_LINE_SIZE,
        uint64_t end_seq;           /* First sequence number never used. */
        uint64_t max_bytes;         /* Limit of 'bytes_taken'. */
        bool makes_nonces;          /* The provider of 'key' does, */
        uint64_t first_nonce;       /* from this explicit nonce on. */

        /* Any thread. */
        atomic_bool spent;          /* A reservation met the hard limit. */
        atomic_uint64_t bytes_taken;    /* Of plaintext, that threads have
                                         * sealed or may seal. */
    );

    /* By slot; the last one has only counts. */
    struct vnetenc_tx_range ranges[VNETENC_SLOTS + 1];
};

/* Makes an unpublished session that sends from UDP port 'lane_port', uses
 * sequence numbers below 'end_seq', and seals at most 'max_bytes' bytes of
 * plaintext.  Copies the key; the caller wipes its own copy.  Returns NULL if
 * the cipher cannot be set up. */
struct vnetenc_tx *vnetenc_tx_create(const struct vnetenc_record_key *,
                                     ovs_be16 lane_port, uint64_t end_seq,
                                     uint64_t max_bytes);

/* Gives a session that was not published yet the socket 'fd', or -1, and with
 * it the duty to close it. */
void vnetenc_tx_set_fd(struct vnetenc_tx *, int fd);

/* Wipes and frees a session that was never published.  NULL is ignored. */
void vnetenc_tx_destroy(struct vnetenc_tx *);

/* Wipes and frees, after a grace period, a session that has been withdrawn
 * from its lane.  NULL is ignored. */
void vnetenc_tx_retire(struct vnetenc_tx *);

/* Begins to fetch what a packet needs of a session.  Any thread. */
static inline void
vnetenc_tx_fetch(const struct vnetenc_tx *tx)
{
    OVS_PREFETCH(tx);
    OVS_PREFETCH_WRITE(&tx->ranges[vnetenc_slot_own()]);
}

/* Takes 'n' sequence numbers for 'n_bytes' bytes of plaintext.  Returns the
 * first number, or UINT64_MAX if a hard limit of the key does not admit that
 * many numbers or bytes.  Numbers that the caller does not use are lost.  Any
 * thread. */
uint64_t vnetenc_tx_reserve(struct vnetenc_tx *, unsigned int n,
                            uint64_t n_bytes);

/* Does the same, with numbers greater than all that were taken before.  For
 * records that would suffer if others overtook them. */
uint64_t vnetenc_tx_reserve_newest(struct vnetenc_tx *, unsigned int n,
                                   uint64_t n_bytes);

/* Stores how many records were given a number, and how many bytes of plaintext
 * they have.  Neither ever falls.  Any thread. */
void vnetenc_tx_sum(const struct vnetenc_tx *, uint64_t *n_records,
                    uint64_t *n_bytes);

/* True if a reservation has failed, that is, if packets are being dropped and
 * the session must be replaced.  Any thread. */
bool vnetenc_tx_is_spent(const struct vnetenc_tx *);

#endif /* vnetenc/bridge/tx.h */
