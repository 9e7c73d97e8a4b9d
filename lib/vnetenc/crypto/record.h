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
 * The octets of a record, both ways (RFC 6347 section 4.1):
 *
 *     type 1 | version 2 | epoch 2 | sequence number 6 | length 2
 *     explicit nonce 8 (AES-GCM only) | ciphertext | tag 16
 *
 * and what the cipher is given beside the text: nonce (RFC 5288 section 3,
 * RFC 7905 section 2) and additional data (RFC 5246 section 6.2.3.3).
 *
 * Thread-safety: pure functions of the caller's data. */

#include "vnetenc/bridge/drops.h"
#include "vnetenc/bridge/limits.h"
#include "vnetenc/crypto/aead-provider.h"

/* RFC 5246 section 6.2.1. */
enum vnetenc_record_type {
    VNETENC_RECORD_CHANGE_CIPHER_SPEC = 20,
    VNETENC_RECORD_ALERT = 21,
    VNETENC_RECORD_HANDSHAKE = 22,
    VNETENC_RECORD_DATA = 23,
};

enum {
    VNETENC_DTLS_1_2 = 0xfefd,
    VNETENC_EPOCH = 1,          /* Without renegotiation the only one. */
};

/* True if records of 'type' concern a handshake, and so the control thread. */
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
    uint16_t length;            /* Bytes behind the header, as it says. */
};

/* Key of the records of one direction of a session (RFC 5246 section 6.3:
 * write key and write IV). */
struct vnetenc_record_key {
    enum vnetenc_cipher cipher;
    uint8_t key[VNETENC_MAX_KEY_BYTES];
    uint8_t fixed_iv[VNETENC_MAX_FIXED_IV_BYTES];
};

/* Overwrites a key that is no longer needed. */
void vnetenc_record_key_wipe(struct vnetenc_record_key *);

/* Bytes in front of the ciphertext, and added in all. */
static inline size_t
vnetenc_record_head(const struct vnetenc_cipher_info *cipher)
{
    return VNETENC_RECORD_HEADER_BYTES + cipher->explicit_bytes;
}

static inline size_t
vnetenc_record_overhead(const struct vnetenc_cipher_info *cipher)
{
    return vnetenc_record_head(cipher) + VNETENC_TAG_BYTES;
}

/* Reads the header of the first record in the 'size' bytes at 'data'.
 * Returns false if they are too few for one. */
bool vnetenc_record_parse(const void *data, size_t size,
                          struct vnetenc_record *) OVS_WARN_UNUSED_RESULT;

/* Reads the header of the record at '*pos' in the 'size' bytes at 'data',
 * moves '*pos' behind the record and returns its body, which has as many bytes
 * as the header says.  Returns NULL at the end of 'data' and at anything that
 * is not a whole record. */
const uint8_t *vnetenc_record_next(const uint8_t *data, size_t size,
                                   size_t *pos, struct vnetenc_record *)
    OVS_WARN_UNUSED_RESULT;

/* Writes a header, VNETENC_RECORD_HEADER_BYTES long, to 'data' and returns the
 * place behind it. */
uint8_t *vnetenc_record_put_header(uint8_t *data,
                                   const struct vnetenc_record *);

/* VNETENC_KEEP if a datagram of 'size' octets is exactly this record, under
 * our keys, with 'type'; or why not. */
enum vnetenc_drop vnetenc_record_check(const struct vnetenc_record *,
                                       uint8_t type, size_t size)
    OVS_WARN_UNUSED_RESULT;

/* Writes header and explicit nonce of a record with 'size' octets of
 * plaintext at 'record', behind which ciphertext and tag have their places,
 * and fills in 'op' but for 'packet' and 'result'. */
void vnetenc_record_seal_op(uint8_t *record,
                            const struct vnetenc_cipher_info *,
                            const uint8_t *fixed_iv, uint8_t type,
                            uint64_t seq, size_t size,
                            struct vnetenc_aead_op *op);

/* Fills in 'op' to open the record at 'data', whose header 'record' passed
 * vnetenc_record_check().  VNETENC_KEEP if its length suits the cipher. */
enum vnetenc_drop vnetenc_record_open_op(uint8_t *data,
                                         const struct vnetenc_record *,
                                         const struct vnetenc_cipher_info *,
                                         const uint8_t *fixed_iv,
                                         struct vnetenc_aead_op *op)
    OVS_WARN_UNUSED_RESULT;

#endif /* vnetenc/crypto/record.h */
