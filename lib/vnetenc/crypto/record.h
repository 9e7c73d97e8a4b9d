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

#ifndef VNETENC_RECORD_H
#define VNETENC_RECORD_H 1

/* DTLS 1.2 records
 * ================
 *
 * Functions that write and read the octets of a record (RFC 6347 section 4.1):
 *
 *     type 1 | version 2 | epoch 2 | sequence number 6 | length 2
 *     explicit nonce 8 (AES-GCM only) | ciphertext | tag 16
 *
 * and the other inputs of the cipher: nonce (RFC 5288 section 3, RFC 7905
 * section 2) and additional data (RFC 5246 section 6.2.3.3).
 *
 * Thread-safety: the functions work only on the caller's data. */

#include <stdbool.h>
#include "vnetenc/base/drops.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/crypto/aead-provider.h"

/* RFC 5246 section 6.2.1. */
enum vnetenc_record_type {
    VNETENC_RECORD_CHANGE_CIPHER_SPEC = 20,
    VNETENC_RECORD_ALERT = 21,
    VNETENC_RECORD_HANDSHAKE = 22,
    VNETENC_RECORD_DATA = 23,
};

/* Type of handshake message, RFC 6347 section 4.3.2. */
enum { VNETENC_HANDSHAKE_CLIENT_HELLO = 1 };

enum {
    VNETENC_DTLS_1_2 = 0xfefd,
    VNETENC_EPOCH = 1,          /* The only one without renegotiation. */
};

/* True if a record of 'type' is for the control thread. */
static inline bool
vnetenc_record_is_control(uint8_t type)
{
    return (type == VNETENC_RECORD_CHANGE_CIPHER_SPEC
            || type == VNETENC_RECORD_ALERT
            || type == VNETENC_RECORD_HANDSHAKE);
}

/* The header of a record, RFC 6347 section 4.1. */
struct vnetenc_record {
    uint8_t type;
    uint16_t version;
    uint16_t epoch;
    uint64_t seq;               /* 48 bits. */
    uint16_t length;            /* Bytes after the header. */
};

/* Key of the records of one direction of a session (RFC 5246 section 6.3:
 * write key and write IV). */
struct vnetenc_record_key {
    enum vnetenc_cipher cipher;
    bool single;                /* Only one thread uses it at a time. */
    uint8_t key[VNETENC_MAX_KEY_BYTES];
    uint8_t fixed_iv[VNETENC_MAX_FIXED_IV_BYTES];
};

/* Cleanses a key. */
void vnetenc_record_key_wipe(struct vnetenc_record_key *);

/* Returns the number of bytes before the ciphertext. */
static inline size_t
vnetenc_record_head(const struct vnetenc_cipher_info *cipher)
{
    return VNETENC_RECORD_HEADER_BYTES + cipher->explicit_bytes;
}

/* Returns the number of bytes that a record adds to its plaintext. */
static inline size_t
vnetenc_record_overhead(const struct vnetenc_cipher_info *cipher)
{
    return vnetenc_record_head(cipher) + VNETENC_TAG_BYTES;
}

/* Reads the header of the first record in the 'size' bytes at 'data'.  Returns
 * false if 'size' is less than the size of a header. */
bool vnetenc_record_parse(const void *data, size_t size,
                          struct vnetenc_record *) OVS_WARN_UNUSED_RESULT;

/* Reads the header of the record at '*pos' in the 'size' bytes at 'data',
 * moves '*pos' to the end of the record and returns its body, whose size is
 * the length in the header.  Returns NULL at the end of 'data', or if there is
 * no whole record at '*pos'. */
const uint8_t *vnetenc_record_next(const uint8_t *data, size_t size,
                                   size_t *pos, struct vnetenc_record *)
    OVS_WARN_UNUSED_RESULT;

/* Writes a header, VNETENC_RECORD_HEADER_BYTES long, to 'data' and returns its
 * end. */
uint8_t *vnetenc_record_put_header(uint8_t *data,
                                   const struct vnetenc_record *);

/* Checks that a datagram of 'size' bytes consists of exactly this record, that
 * its epoch is that of our keys, and that it has the 'type'.  Returns
 * VNETENC_KEEP or the reason to drop it. */
enum vnetenc_drop vnetenc_record_check(const struct vnetenc_record *,
                                       uint8_t type, size_t size)
    OVS_WARN_UNUSED_RESULT;

/* Writes header and explicit nonce of a record with 'size' bytes of plaintext
 * at 'record', where the caller has made room for them, the ciphertext and the
 * tag.  Fills in all members of 'op' except 'packet' and 'result'. */
void vnetenc_record_seal_op(uint8_t *record,
                            const struct vnetenc_cipher_info *,
                            const uint8_t *fixed_iv, uint8_t type,
                            uint64_t seq, size_t size,
                            struct vnetenc_aead_op *op);

/* Fills in 'op', except 'packet' and 'result', to open the record at 'data',
 * whose parsed header passed vnetenc_record_check().  Returns VNETENC_KEEP if
 * the length suits the cipher, otherwise VNETENC_DROP_rx_bad_length. */
enum vnetenc_drop vnetenc_record_open_op(uint8_t *data,
                                         const struct vnetenc_record *,
                                         const struct vnetenc_cipher_info *,
                                         const uint8_t *fixed_iv,
                                         struct vnetenc_aead_op *op)
    OVS_WARN_UNUSED_RESULT;

#endif /* vnetenc/crypto/record.h */
