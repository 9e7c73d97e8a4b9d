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

#ifndef VNETENC_DGRAM_H
#define VNETENC_DGRAM_H 1

/* A BIO that keeps datagrams
 * ==========================
 *
 * libssl reads and writes whole datagrams through a BIO; a memory BIO would
 * merge the datagrams of a flight into one blob.  This BIO hands libssl one
 * datagram that the owner lends it, and queues every datagram that libssl
 * writes.
 *
 * The BIO numbers the records that libssl writes in clear, one after the
 * other: a responder has to continue from the number of the ClientHello that
 * it answers (RFC 6347 section 4.2.1), which OpenSSL 3.0 does and 3.5 does
 * not.  A peer takes a record for a replay if it has seen its number, so the
 * first flight would be lost.
 *
 * The BIO also numbers the records in clear that libssl reads.  Nothing
 * authenticates their numbers: one forged record with a high number would move
 * libssl's replay window past all genuine ones, and the handshake would
 * stall.  The sequence numbers of handshake messages still tell which message
 * was read before.
 *
 * The BIO also watches the records that libssl writes under the new keys.
 * OpenSSL's explicit AES-GCM nonce is a counter with a random start.  Ours is
 * (epoch, sequence number) with a first sequence number of 2^16, so all of
 * ours begin with the 16 bits 0x0001.  If libssl ever uses a nonce or a
 * sequence number in our part of the space, the BIO remembers that for ever.
 * For providers that make nonces (crypto/aead-provider.h), it also remembers
 * all nonces of libssl: the first one and their number.
 *
 * Lifetime
 * ========
 *
 * 'struct vnetenc_dgram' belongs to its owner and must outlive the BIO, which
 * SSL_free() frees.  The counts and flags of the struct remain after the SSL
 * object is gone.
 *
 * Thread-safety: none.  One thread at a time may use an object. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <openssl/bio.h>
#include "openvswitch/list.h"

struct ofpbuf;

/* Explicit nonces that libssl used: each is the one before plus 1. */
struct vnetenc_dgram_nonces {
    uint64_t first;
    uint64_t n;
    bool scattered;             /* One was not. */
};

struct vnetenc_dgram {
    /* Lent to libssl; NULL once it has been read. */
    const void *in;
    size_t in_size;

    struct ovs_list out;        /* Of "struct ofpbuf", oldest first. */
    uint64_t next_clear;        /* Number of the next record in clear that
                                 * libssl writes. */
    uint64_t next_read;         /* Likewise, that libssl reads. */

    /* Records of epoch 1 that libssl wrote. */
    uint64_t n_records;
    bool bad_sequence;          /* Sequence number or epoch in our space. */
    bool bad_nonce;             /* First 8 octets of the body in our space. */
    struct vnetenc_dgram_nonces nonces;     /* These 8 octets. */
};

/* Initializes 'dgram' without datagrams and with counts of zero. */
void vnetenc_dgram_init(struct vnetenc_dgram *);

/* Frees the datagrams that were not popped, but not 'dgram'.  No BIO may use
 * it any more. */
void vnetenc_dgram_uninit(struct vnetenc_dgram *);

/* Makes a BIO on 'dgram', for both ends of SSL_set_bio().  Returns NULL if
 * OpenSSL fails. */
BIO *vnetenc_dgram_bio_new(struct vnetenc_dgram *);

/* Lends one datagram to libssl until vnetenc_dgram_take_back(). */
void vnetenc_dgram_lend(struct vnetenc_dgram *, const void *, size_t);

/* Ends the loan, whether libssl read the datagram or not. */
void vnetenc_dgram_take_back(struct vnetenc_dgram *);

/* Gives the next record that libssl writes in clear the number 'sequence'. */
void vnetenc_dgram_number_from(struct vnetenc_dgram *, uint64_t sequence);

/* Removes and returns the oldest datagram that libssl wrote, or NULL.  The
 * caller frees it. */
struct ofpbuf *vnetenc_dgram_pop(struct vnetenc_dgram *);

/* Frees all datagrams that were not popped. */
void vnetenc_dgram_purge(struct vnetenc_dgram *);

/* Returns true as long as libssl stayed out of our part of the nonce space.
 * 'explicit_nonce' says whether the records carry one (AES-GCM). */
bool vnetenc_dgram_nonces_ok(const struct vnetenc_dgram *,
                             bool explicit_nonce);

/* Returns true if none of libssl's nonces is less than VNETENC_NONCE_GAP from
 * the nonces of a provider that begins with 'first': it makes fewer than so
 * many. */
bool vnetenc_dgram_nonces_apart(const struct vnetenc_dgram_nonces *,
                                uint64_t first);

#endif /* vnetenc/control/dgram.h */
