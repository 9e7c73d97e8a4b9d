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
#ifdef DPDK_NETDEV
#include "vnetenc/crypto/cryptodev-queue.h"
#include <rte_cryptodev.h>
#include <rte_mbuf.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include "dp-packet.h"
#include "timeval.h"
#include "util.h"

/* This follows each descriptor.  Devices read more of it than they need. */
struct extra {
    uint8_t nonce[16];
    uint8_t aad[48];
};
enum { EXTRA_OFS = (sizeof(struct rte_crypto_op)
                    + sizeof(struct rte_crypto_sym_op)) };
BUILD_ASSERT_DECL(VNETENC_NONCE_BYTES <= MEMBER_SIZEOF(struct extra, nonce));
BUILD_ASSERT_DECL(VNETENC_AAD_BYTES <= MEMBER_SIZEOF(struct extra, aad));

const uint16_t vnetenc_cryptodev_nonce_ofs
    = EXTRA_OFS + offsetof(struct extra, nonce);

enum {
    MAX_TEXT_BYTES = VNETENC_MAX_PLAINTEXT_BYTES + VNETENC_TAG_BYTES,
    MAX_ROOM_BYTES = 256,       /* Headroom or tailroom for a device. */

    /* A thread that has waited for longer than this yields the CPU, which the
     * device may need for its computation. */
    BUSY_US = 100,

    /* Errors in a row that a device may report. */
    MAX_ERRORS = VNETENC_BURST,
};

/* State of one operation of a burst. */
struct slot {
    struct rte_crypto_op *op;
    struct rte_mbuf *buffer;
    struct dp_packet *kept;     /* The device may still write into it. */
    bool inside;                /* Offered to the device and not returned. */
    bool copied;                /* The text is in 'buffer'. */
};

struct vnetenc_cryptodev_queue {
    uint8_t device;
    uint16_t id;
    uint16_t headroom, tailroom;
    unsigned int n_errors;      /* In a row. */
    struct slot slots[VNETENC_BURST];
    struct vnetenc_cryptodev_counts counts;
};

struct vnetenc_cryptodev_calls vnetenc_cryptodev_calls = {
    .enqueue = rte_cryptodev_enqueue_burst,
    .dequeue = rte_cryptodev_dequeue_burst,
    .stop = rte_cryptodev_stop,
};

static long long int
now_us(void)
{
    struct timespec now;

    xclock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

/* Counters. */

void
vnetenc_cryptodev_queue_counts_init(struct vnetenc_cryptodev_counts *counts)
{
    atomic_init(&counts->n_done, 0);
    atomic_init(&counts->n_errors, 0);
    atomic_init(&counts->n_lost, 0);
    atomic_init(&counts->n_inside, 0);
}

void
vnetenc_cryptodev_queue_counts_add(
    struct vnetenc_cryptodev_counts *sum,
    const struct vnetenc_cryptodev_counts *counts)
{
    unsigned int n_inside, orig_inside;
    uint64_t n, orig;

    atomic_read_relaxed(&counts->n_done, &n);
    atomic_add_relaxed(&sum->n_done, n, &orig);
    atomic_read_relaxed(&counts->n_errors, &n);
    atomic_add_relaxed(&sum->n_errors, n, &orig);
    atomic_read_relaxed(&counts->n_lost, &n);
    atomic_add_relaxed(&sum->n_lost, n, &orig);
    atomic_read_relaxed(&counts->n_inside, &n_inside);
    atomic_add_relaxed(&sum->n_inside, n_inside, &orig_inside);
}

/* Life. */

struct rte_mempool *
vnetenc_cryptodev_queue_op_pool(const char *name, unsigned int n,
                                int numa_node)
{
    return rte_crypto_op_pool_create(name, RTE_CRYPTO_OP_TYPE_SYMMETRIC,
                                     n * VNETENC_BURST, 0,
                                     sizeof(struct extra), numa_node);
}

struct rte_mempool *
vnetenc_cryptodev_queue_buffer_pool(const char *name, unsigned int n,
                                    int numa_node)
{
    return rte_pktmbuf_pool_create(name, n * VNETENC_BURST, 0, 0,
                                   MAX_TEXT_BYTES + 2 * MAX_ROOM_BYTES,
                                   numa_node);
}

struct vnetenc_cryptodev_queue *
vnetenc_cryptodev_queue_create(uint8_t device, uint16_t id,
                               struct rte_mempool *ops,
                               struct rte_mempool *buffers,
                               uint16_t headroom, uint16_t tailroom)
{
    struct vnetenc_cryptodev_queue *q = xzalloc_cacheline(sizeof *q);

    q->device = device;
    q->id = id;
    q->headroom = headroom;
    q->tailroom = tailroom;
    vnetenc_cryptodev_queue_counts_init(&q->counts);
    for (size_t i = 0; i < VNETENC_BURST; i++) {
        struct slot *slot = &q->slots[i];

        slot->op = rte_crypto_op_alloc(ops, RTE_CRYPTO_OP_TYPE_SYMMETRIC);
        slot->buffer = rte_pktmbuf_alloc(buffers);
        if (!slot->op || !slot->buffer
            || headroom > MAX_ROOM_BYTES || tailroom > MAX_ROOM_BYTES) {
            vnetenc_cryptodev_queue_destroy(q);
            return NULL;
        }
    }
    return q;
}

void
vnetenc_cryptodev_queue_destroy(struct vnetenc_cryptodev_queue *q)
{
    if (!q) {
        return;
    }
    for (size_t i = 0; i < VNETENC_BURST; i++) {
        struct slot *slot = &q->slots[i];

        dp_packet_delete(slot->kept);
        rte_pktmbuf_free(slot->buffer);
        rte_crypto_op_free(slot->op);
    }
    free_cacheline(q);
}

const struct vnetenc_cryptodev_counts *
vnetenc_cryptodev_queue_counts(const struct vnetenc_cryptodev_queue *q)
{
    return &q->counts;
}

/* Preparing. */

/* Returns true if the device can work on the text of 'op' in its place. */
static bool
is_usable_in_place(const struct vnetenc_cryptodev_queue *q,
                   const struct vnetenc_aead_op *op)
{
    const struct rte_mbuf *m;
    const uint8_t *start, *end;

    if (!op->packet || op->packet->source != DPBUF_DPDK) {
        return false;
    }
    m = &op->packet->mbuf;
    start = rte_pktmbuf_mtod(m, const uint8_t *);
    end = start + rte_pktmbuf_data_len(m);
    return (m->nb_segs == 1
            && rte_mbuf_refcnt_read(m) == 1
            && rte_pktmbuf_headroom(m) >= q->headroom
            && rte_pktmbuf_tailroom(m) >= q->tailroom
            && op->text >= start && op->text <= end
            && op->size <= end - op->text
            && op->tag >= start && op->tag <= end
            && VNETENC_TAG_BYTES <= end - op->tag);
}

static void
copy_text_in(struct rte_mbuf *m, uint16_t headroom,
             const struct vnetenc_aead_op *op)
{
    uint8_t *data;

    m->data_off = MAX(headroom, RTE_PKTMBUF_HEADROOM);
    m->data_len = m->pkt_len = op->size + VNETENC_TAG_BYTES;
    data = rte_pktmbuf_mtod(m, uint8_t *);
    memcpy(data, op->text, op->size);
    memcpy(data + op->size, op->tag, VNETENC_TAG_BYTES);
}

static void
copy_text_out(struct rte_mbuf *m, bool seal, const struct vnetenc_aead_op *op)
{
    const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);

    memcpy(op->text, data, op->size);
    if (seal) {
        memcpy(op->tag, data + op->size, VNETENC_TAG_BYTES);
    }
}

static void
prepare(struct vnetenc_cryptodev_queue *q, struct slot *slot, void *session,
        const struct vnetenc_aead_op *op)
{
    struct extra *extra = rte_crypto_op_ctod_offset(slot->op, struct extra *,
                                                    EXTRA_OFS);
    struct rte_crypto_sym_op *sym = slot->op->sym;
    struct rte_mbuf *m;
    size_t text_ofs, tag_ofs;

    slot->copied = !is_usable_in_place(q, op);
    if (slot->copied) {
        m = slot->buffer;
        copy_text_in(m, q->headroom, op);
        text_ofs = 0;
        tag_ofs = op->size;
    } else {
        m = &op->packet->mbuf;
        text_ofs = op->text - rte_pktmbuf_mtod(m, uint8_t *);
        tag_ofs = op->tag - rte_pktmbuf_mtod(m, uint8_t *);
    }

    memcpy(extra->nonce, op->nonce, sizeof op->nonce);
    memcpy(extra->aad, op->aad, sizeof op->aad);
    slot->op->status = RTE_CRYPTO_OP_STATUS_NOT_PROCESSED;
    rte_crypto_op_attach_sym_session(slot->op, session);
    sym->m_src = m;
    sym->m_dst = NULL;
    sym->aead.data.offset = text_ofs;
    sym->aead.data.length = op->size;
    sym->aead.digest.data = rte_pktmbuf_mtod_offset(m, uint8_t *, tag_ofs);
    sym->aead.digest.phys_addr = rte_pktmbuf_iova_offset(m, tag_ofs);
    sym->aead.aad.data = extra->aad;
    sym->aead.aad.phys_addr = rte_crypto_op_ctophys_offset(
        slot->op, EXTRA_OFS + offsetof(struct extra, aad));
    slot->inside = true;
}

/* Finishing. */

/* Returns the slot of 'op', or NULL if the device does not have 'op'.  Most
 * operations come back in order, so 'guess' is usually right. */
static struct slot *
find_slot(struct vnetenc_cryptodev_queue *q, const struct rte_crypto_op *op,
          size_t guess, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct slot *slot = &q->slots[(guess + i) % n];

        if (slot->op == op) {
            return slot->inside ? slot : NULL;
        }
    }
    return NULL;
}

/* Takes back an operation from the device and sets its result. */
static void
finish(struct vnetenc_cryptodev_queue *q, struct slot *slot, bool seal,
       struct vnetenc_aead_op *op)
{
    uint8_t status = slot->op->status;
    uint64_t orig;

    slot->inside = false;
    if (status == RTE_CRYPTO_OP_STATUS_SUCCESS) {
        if (slot->copied) {
            copy_text_out(slot->buffer, seal, op);
        }
        op->result = VNETENC_AEAD_OK;
        q->n_errors = 0;
    } else if (status == RTE_CRYPTO_OP_STATUS_AUTH_FAILED && !seal) {
        op->result = VNETENC_AEAD_BAD;
        q->n_errors = 0;
    } else {
        op->result = VNETENC_AEAD_FAILED;
        q->n_errors++;
        atomic_add_relaxed(&q->counts.n_errors, 1, &orig);
    }
}

/* Gives up the operations that the device did not return.  A packet in which
 * it may still work is kept. */
static void
give_up(struct vnetenc_cryptodev_queue *q, struct vnetenc_aead_op *ops,
        size_t n)
{
    uint64_t orig;

    for (size_t i = 0; i < n; i++) {
        struct slot *slot = &q->slots[i];

        if (slot->inside) {
            atomic_add_relaxed(&q->counts.n_lost, 1, &orig);
            ops[i].result = VNETENC_AEAD_FAILED;
            if (!slot->copied) {
                slot->kept = ops[i].packet;
                ops[i].result = VNETENC_AEAD_KEPT;
            }
        }
    }
}

/* Collects the operations that have come back.  Returns their number, or -1 if
 * the device returned an operation that it does not have. */
static int
collect(struct vnetenc_cryptodev_queue *q, bool seal,
        struct vnetenc_aead_op *ops, size_t n, size_t n_back)
{
    struct rte_crypto_op *back[VNETENC_BURST];
    uint16_t n_got = vnetenc_cryptodev_calls.dequeue(q->device, q->id, back,
                                                     n);
    uint64_t orig;

    for (uint16_t i = 0; i < n_got; i++) {
        struct slot *slot = find_slot(q, back[i], n_back + i, n);

        if (!slot) {
            return -1;
        }
        finish(q, slot, seal, &ops[slot - q->slots]);
    }
    if (n_got) {
        atomic_add_relaxed(&q->counts.n_done, n_got, &orig);
    }
    return n_got;
}

const char *
vnetenc_cryptodev_queue_run(struct vnetenc_cryptodev_queue *q, void *session,
                            bool seal, struct vnetenc_aead_op *ops, size_t n)
{
    struct rte_crypto_op *in[VNETENC_BURST];
    long long int start = 0;
    const char *error = NULL;
    size_t n_in = 0, n_back = 0;

    ovs_assert(n <= VNETENC_BURST);
    for (size_t i = 0; i < n; i++) {
        prepare(q, &q->slots[i], session, &ops[i]);
        in[i] = q->slots[i].op;
    }
    while (n_back < n) {
        long long int waited;
        int n_got;

        if (n_in < n) {
            n_in += vnetenc_cryptodev_calls.enqueue(q->device, q->id,
                                                    &in[n_in], n - n_in);
            atomic_store_relaxed(&q->counts.n_inside, n_in - n_back);
        }
        /* Read the time before the queue: a thread that was interrupted for
         * long then still finds the operations that came back meanwhile. */
        waited = start ? now_us() - start : 0;
        n_got = collect(q, seal, ops, n, n_back);
        if (n_got < 0 || n_got > n_in - n_back) {
            error = "gave back an operation that it did not have";
            break;
        }
        n_back += n_got;
        if (n_back == n) {
            break;
        }
        if (waited > VNETENC_DEVICE_MS * 1000LL) {
            error = "did not answer in time";
            break;
        } else if (!start) {
            start = now_us();
        } else if (waited > BUSY_US) {
            sched_yield();
        } else if (!n_got) {
            rte_pause();
        }
    }
    if (!error && q->n_errors >= MAX_ERRORS) {
        error = "reported nothing but errors";
    }
    give_up(q, ops, n);
    atomic_store_relaxed(&q->counts.n_inside, n_in - n_back);
    return error;
}

#else /* !DPDK_NETDEV */
/* An empty translation unit is not standard C. */
extern int vnetenc_cryptodev_queue_not_built;
#endif
