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
 * used once, by the thread that took it with vnetenc_tx_reserve().
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
#include "vnetenc/crypto/aead.h"
#include "vnetenc/crypto/record.h"

struct vnetenc_tx {
    struct vnetenc_aead_key *key;
    const struct vnetenc_cipher_info *cipher;
    uint8_t fixed_iv[VNETENC_MAX_FIXED_IV_BYTES];
    ovs_be16 lane_port;         /* UDP source port of the records. */
    int fd;                     /* Socket of that port for workers of the
                                 * kernel datapath, ours, or -1. */
    uint64_t end_seq;           /* First sequence number never to be used. */
    uint64_t max_bytes;         /* Limit of 'n_bytes'. */
    bool makes_nonces;          /* The provider of 'key' does, */
    uint64_t first_nonce;       /* from this explicit nonce on. */

    /* Any thread. */
    PADDED_MEMBERS(CACHE_LINE_SIZE,
        atomic_bool spent;          /* A reservation met the hard limit. */
        atomic_uint64_t next_seq;
        atomic_uint64_t n_bytes;    /* Bytes of plaintext sealed. */
    );
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
    OVS_PREFETCH_WRITE(&tx->next_seq);
}

/* Takes 'n' sequence numbers for 'n_bytes' bytes of plaintext.  Returns the
 * first number, or UINT64_MAX if a hard limit of the key does not admit that
 * many numbers or bytes.  Numbers that the caller does not use are lost.  Any
 * thread. */
uint64_t vnetenc_tx_reserve(struct vnetenc_tx *, unsigned int n,
                            uint64_t n_bytes);

/* True if a reservation has failed, that is, if packets are being dropped and
 * the session must be replaced.  Any thread. */
bool vnetenc_tx_is_spent(const struct vnetenc_tx *);

#endif /* vnetenc/bridge/tx.h */
