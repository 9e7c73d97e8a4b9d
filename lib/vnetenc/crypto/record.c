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

#include <config.h>
#include "vnetenc/crypto/record.h"
#include <openssl/crypto.h>
#include <string.h>
#include "openvswitch/types.h"
#include "vnetenc/crypto/wire.h"

/* Offsets in a record. */
enum {
    OFS_TYPE = 0,
    OFS_VERSION = 1,
    OFS_EPOCH = 3,              /* Epoch and sequence number: 64 bits. */
    OFS_LENGTH = 11,
};
BUILD_ASSERT_DECL(OFS_LENGTH + 2 == VNETENC_RECORD_HEADER_BYTES);

static ovs_be32
get_be32(const uint8_t *p)
{
    ovs_be32 x;

    memcpy(&x, p, sizeof x);
    return x;
}

/* Returns epoch and sequence number in the form that header and additional
 * data have. */
static uint64_t
seq_num(uint16_t epoch, uint64_t seq)
{
    return (uint64_t) epoch << 48 | seq;
}

/* Stores 16 bytes at once.  A cipher reads nonce and additional data as one
 * word each, directly after they were stored.  If they were stored in pieces,
 * the CPU would have to wait before it could read them as one word. */
static void
put_words(uint8_t *p, ovs_be32 a, ovs_be32 b, ovs_be32 c, ovs_be32 d)
{
    typedef uint32_t words_t __attribute__((vector_size(16)));
    const words_t words = {
        (OVS_FORCE uint32_t) a, (OVS_FORCE uint32_t) b,
        (OVS_FORCE uint32_t) c, (OVS_FORCE uint32_t) d,
    };

    memcpy(p, &words, sizeof words);
}

/* Sets the additional data, RFC 5246 section 6.2.3.3: seq_num, type, version,
 * length of the plaintext. */
static void
put_aad(struct vnetenc_aead_op *op, uint64_t seq_num_, uint8_t type)
{
    put_words(op->aad, htonl(seq_num_ >> 32), htonl(seq_num_),
              htonl((uint32_t) type << 24 | VNETENC_DTLS_1_2 << 8
                    | op->size >> 8),
              htonl(op->size << 24));
}

BUILD_ASSERT_DECL(VNETENC_GCM_SALT_BYTES + VNETENC_EXPLICIT_NONCE_BYTES
                  == VNETENC_NONCE_BYTES);
BUILD_ASSERT_DECL(VNETENC_GCM_SALT_BYTES == sizeof(ovs_be32));
BUILD_ASSERT_DECL(VNETENC_NONCE_BYTES <= 16 && VNETENC_AAD_BYTES <= 16);

/* Sets the nonce.  AES-GCM, RFC 5288 section 3: the fixed IV, then the
 * explicit nonce in the record.  ChaCha20, RFC 7905 section 2: the sequence
 * number, padded on the left to 12 octets, XORed with the fixed IV. */
static void
put_nonce(struct vnetenc_aead_op *op, const struct vnetenc_cipher_info *cipher,
          const uint8_t *fixed_iv, const uint8_t *explicit, uint64_t seq_num_)
{
    if (cipher->explicit_bytes) {
        put_words(op->nonce, get_be32(fixed_iv), get_be32(explicit),
                  get_be32(explicit + 4), 0);
    } else {
        put_words(op->nonce, get_be32(fixed_iv),
                  get_be32(fixed_iv + 4) ^ htonl(seq_num_ >> 32),
                  get_be32(fixed_iv + 8) ^ htonl(seq_num_), 0);
    }
}

void
vnetenc_record_key_wipe(struct vnetenc_record_key *key)
{
    OPENSSL_cleanse(key, sizeof *key);
}

bool
vnetenc_record_parse(const void *data, size_t size, struct vnetenc_record *r)
{
    const uint8_t *p = data;

    if (size < VNETENC_RECORD_HEADER_BYTES) {
        return false;
    }
    r->type = p[OFS_TYPE];
    r->version = vnetenc_wire_get_u16(p + OFS_VERSION);
    r->epoch = vnetenc_wire_get_u16(p + OFS_EPOCH);
    r->seq = vnetenc_wire_get_u64(p + OFS_EPOCH) & ((UINT64_C(1) << 48) - 1);
    r->length = vnetenc_wire_get_u16(p + OFS_LENGTH);
    return true;
}

const uint8_t *
vnetenc_record_next(const uint8_t *data, size_t size, size_t *pos,
                    struct vnetenc_record *r)
{
    const uint8_t *p = data + *pos;
    size_t left = size - *pos;

    if (!vnetenc_record_parse(p, left, r)
        || r->length > left - VNETENC_RECORD_HEADER_BYTES) {
        return NULL;
    }
    *pos += VNETENC_RECORD_HEADER_BYTES + r->length;
    return p + VNETENC_RECORD_HEADER_BYTES;
}

uint8_t *
vnetenc_record_put_header(uint8_t *data, const struct vnetenc_record *r)
{
    data[OFS_TYPE] = r->type;
    vnetenc_wire_put_u16(data + OFS_VERSION, r->version);
    vnetenc_wire_put_u64(data + OFS_EPOCH, seq_num(r->epoch, r->seq));
    vnetenc_wire_put_u16(data + OFS_LENGTH, r->length);
    return data + VNETENC_RECORD_HEADER_BYTES;
}

enum vnetenc_drop
vnetenc_record_check(const struct vnetenc_record *r, uint8_t type, size_t size)
{
    return (r->type != type ? VNETENC_DROP_rx_bad_type
            : r->version != VNETENC_DTLS_1_2 ? VNETENC_DROP_rx_bad_version
            : r->epoch != VNETENC_EPOCH ? VNETENC_DROP_rx_bad_epoch
            : r->seq > VNETENC_MAX_SEQ ? VNETENC_DROP_rx_bad_sequence
            : VNETENC_RECORD_HEADER_BYTES + r->length != size
            ? VNETENC_DROP_rx_bad_length
            : VNETENC_KEEP);
}

void
vnetenc_record_seal_op(uint8_t *record,
                       const struct vnetenc_cipher_info *cipher,
                       const uint8_t *fixed_iv, uint8_t type,
                       uint64_t seq, size_t size, struct vnetenc_aead_op *op)
{
    const struct vnetenc_record header = {
        .type = type,
        .version = VNETENC_DTLS_1_2,
        .epoch = VNETENC_EPOCH,
        .seq = seq,
        .length = cipher->explicit_bytes + size + VNETENC_TAG_BYTES,
    };
    uint64_t seq_num_ = seq_num(VNETENC_EPOCH, seq);
    uint8_t *explicit = vnetenc_record_put_header(record, &header);

    if (cipher->explicit_bytes) {
        vnetenc_wire_put_u64(explicit, seq_num_);
    }

    op->text = explicit + cipher->explicit_bytes;
    op->tag = op->text + size;
    op->size = size;
    put_nonce(op, cipher, fixed_iv, explicit, seq_num_);
    put_aad(op, seq_num_, type);
}

enum vnetenc_drop
vnetenc_record_open_op(uint8_t *data, const struct vnetenc_record *r,
                       const struct vnetenc_cipher_info *cipher,
                       const uint8_t *fixed_iv, struct vnetenc_aead_op *op)
{
    size_t extra = cipher->explicit_bytes + VNETENC_TAG_BYTES;
    uint8_t *explicit = data + VNETENC_RECORD_HEADER_BYTES;
    uint64_t seq_num_ = seq_num(r->epoch, r->seq);

    if (r->length < extra
        || r->length - extra > VNETENC_MAX_PLAINTEXT_BYTES) {
        return VNETENC_DROP_rx_bad_length;
    }

    op->text = explicit + cipher->explicit_bytes;
    op->size = r->length - extra;
    op->tag = op->text + op->size;
    put_nonce(op, cipher, fixed_iv, explicit, seq_num_);
    put_aad(op, seq_num_, r->type);
    return VNETENC_KEEP;
}
