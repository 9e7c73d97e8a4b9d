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
#include "vnetenc/control/dgram.h"

#include <string.h>

#include "openvswitch/ofpbuf.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc/crypto/wire.h"

/* RFC 6347 section 4.1: a sequence number has 48 bits. */
static const uint64_t MAX_SEQ = (UINT64_C(1) << 48) - 1;

static BIO_METHOD *dgram_method(void);

void
vnetenc_dgram_init(struct vnetenc_dgram *dgram)
{
    memset(dgram, 0, sizeof *dgram);
    ovs_list_init(&dgram->out);
}

void
vnetenc_dgram_uninit(struct vnetenc_dgram *dgram)
{
    vnetenc_dgram_purge(dgram);
}

BIO *
vnetenc_dgram_bio_new(struct vnetenc_dgram *dgram)
{
    BIO *bio = BIO_new(dgram_method());

    if (bio) {
        BIO_set_data(bio, dgram);
        BIO_set_init(bio, 1);
    }
    return bio;
}

void
vnetenc_dgram_lend(struct vnetenc_dgram *dgram, const void *data, size_t size)
{
    dgram->in = data;
    dgram->in_size = size;
}

void
vnetenc_dgram_take_back(struct vnetenc_dgram *dgram)
{
    vnetenc_dgram_lend(dgram, NULL, 0);
}

void
vnetenc_dgram_number_from(struct vnetenc_dgram *dgram, uint64_t sequence)
{
    dgram->next_clear = sequence;
}

struct ofpbuf *
vnetenc_dgram_pop(struct vnetenc_dgram *dgram)
{
    return (ovs_list_is_empty(&dgram->out)
            ? NULL
            : ofpbuf_from_list(ovs_list_pop_front(&dgram->out)));
}

void
vnetenc_dgram_purge(struct vnetenc_dgram *dgram)
{
    ofpbuf_list_delete(&dgram->out);
}

bool
vnetenc_dgram_nonces_ok(const struct vnetenc_dgram *dgram,
                        bool explicit_nonce)
{
    return !dgram->bad_sequence && !(explicit_nonce && dgram->bad_nonce);
}

/* The distance is that on a circle: the nonce after the last one is 0. */
bool
vnetenc_dgram_nonces_apart(const struct vnetenc_dgram_nonces *nonces,
                           uint64_t first)
{
    uint64_t last = nonces->first + nonces->n - 1;

    return (!nonces->n
            || (!nonces->scattered && nonces->n < VNETENC_NONCE_GAP
                && first - nonces->first >= VNETENC_NONCE_GAP
                && first - last >= VNETENC_NONCE_GAP
                && nonces->first - first >= VNETENC_NONCE_GAP
                && last - first >= VNETENC_NONCE_GAP));
}

static void
note_nonce(struct vnetenc_dgram_nonces *nonces, uint64_t nonce)
{
    if (!nonces->n) {
        nonces->first = nonce;
    } else if (nonce != nonces->first + nonces->n) {
        nonces->scattered = true;
    }
    nonces->n++;
}

/* Notes which part of the nonce space 'data', which libssl has just written,
 * uses. */
static void
watch(struct vnetenc_dgram *dgram, const uint8_t *data, size_t size)
{
    struct vnetenc_record record;
    const uint8_t *body;
    size_t pos = 0;

    while ((body = vnetenc_record_next(data, size, &pos, &record))) {
        if (!record.epoch) {
            continue;
        }
        dgram->n_records++;
        if (record.epoch != VNETENC_EPOCH
            || record.seq >= VNETENC_FIRST_SEQ) {
            dgram->bad_sequence = true;
        }
        /* Our own nonces begin with the epoch. */
        if (record.length < VNETENC_EXPLICIT_NONCE_BYTES
            || vnetenc_wire_get_u16(body) == VNETENC_EPOCH) {
            dgram->bad_nonce = true;
        }
        if (record.length >= VNETENC_EXPLICIT_NONCE_BYTES) {
            note_nonce(&dgram->nonces, vnetenc_wire_get_u64(body));
        }
    }
    if (pos != size) {
        /* libssl wrote bytes that are not a whole record, so nothing is known
         * of their nonces. */
        dgram->bad_sequence = true;
    }
}

/* Gives each record in clear of 'data' the next number of '*next'. */
static void
number(uint64_t *next, uint8_t *data, size_t size)
{
    struct vnetenc_record record;
    size_t start = 0;
    size_t pos = 0;

    while (vnetenc_record_next(data, size, &pos, &record)) {
        if (!record.epoch) {
            record.seq = (*next)++ & MAX_SEQ;
            vnetenc_record_put_header(data + start, &record);
        }
        start = pos;
    }
}

static int
dgram_write(BIO *bio, const char *data, int size)
{
    struct vnetenc_dgram *dgram = BIO_get_data(bio);
    struct ofpbuf *buf;

    if (size <= 0) {
        return size;
    }
    watch(dgram, (const uint8_t *) data, size);
    buf = ofpbuf_clone_data(data, size);
    number(&dgram->next_clear, buf->data, size);
    ovs_list_push_back(&dgram->out, &buf->list_node);
    BIO_clear_retry_flags(bio);
    return size;
}

static int
dgram_read(BIO *bio, char *data, int size)
{
    struct vnetenc_dgram *dgram = BIO_get_data(bio);
    int n;

    BIO_clear_retry_flags(bio);
    if (!dgram->in || size <= 0) {
        BIO_set_retry_read(bio);
        return -1;
    }

    /* Bytes that do not fit are lost, as with a socket. */
    n = MIN((size_t) size, dgram->in_size);
    memcpy(data, dgram->in, n);
    number(&dgram->next_read, (uint8_t *) data, n);
    vnetenc_dgram_take_back(dgram);
    return n;
}

static long
dgram_ctrl(BIO *bio, int cmd, long larg OVS_UNUSED, void *parg OVS_UNUSED)
{
    const struct vnetenc_dgram *dgram = BIO_get_data(bio);

    switch (cmd) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_PENDING:
        return dgram->in ? dgram->in_size : 0;
    default:
        /* These are, among others, all commands about the MTU, which is fixed,
         * and about the peer's address, which libssl does not need. */
        return 0;
    }
}

static BIO_METHOD *
dgram_method(void)
{
    static BIO_METHOD *method;

    if (!method) {
        method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK,
                              "vnetenc datagram");
        ovs_assert(method);
        BIO_meth_set_write(method, dgram_write);
        BIO_meth_set_read(method, dgram_read);
        BIO_meth_set_ctrl(method, dgram_ctrl);
    }
    return method;
}
