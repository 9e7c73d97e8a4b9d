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

#ifndef VNETENC_CRYPTODEV_QUEUE_H
#define VNETENC_CRYPTODEV_QUEUE_H 1

/* A queue pair of a crypto device
 * ===============================
 *
 * A queue hands a burst of operations to the device and waits for all of
 * them.  This file is compiled only in a build with DPDK.
 *
 * All memory for a burst is allocated with the queue: a descriptor for each
 * operation, with room for nonce and additional data, and a buffer for a text
 * that the device cannot reach in its place.  The device works on the text in
 * its place if the text is in a packet of DPDK that may be kept ('packet' of
 * struct vnetenc_aead_op), otherwise on a copy.
 *
 * A device has failed if it does not return all operations within
 * VNETENC_DEVICE_MS, or if it returns an operation that it does not have.  It
 * may still write into everything that it holds: descriptors, buffers and kept
 * packets stay untouched until the device is stopped and the queue destroyed.
 *
 * Thread-safety: a queue belongs to one thread at a time.  Any thread may read
 * the counters. */

#include "ovs-atomic.h"
#include "vnetenc/crypto/aead-provider.h"

struct rte_crypto_op;
struct rte_mempool;
struct vnetenc_cryptodev_queue;

/* Calls of DPDK, which tests replace to simulate a bad device. */
struct vnetenc_cryptodev_calls {
    uint16_t (*enqueue)(uint8_t device, uint16_t queue,
                        struct rte_crypto_op **, uint16_t n);
    uint16_t (*dequeue)(uint8_t device, uint16_t queue,
                        struct rte_crypto_op **, uint16_t n);
    void (*stop)(uint8_t device);
};
extern struct vnetenc_cryptodev_calls vnetenc_cryptodev_calls;

/* Counters of operations.  One thread writes, any thread reads. */
struct vnetenc_cryptodev_counts {
    atomic_uint64_t n_done;     /* Returned by the device. */
    atomic_uint64_t n_errors;   /* Of these: neither success nor a bad tag. */
    atomic_uint64_t n_lost;     /* Not returned in time. */
    atomic_uint n_inside;       /* In the device now. */
};

/* Sets all counters to 0. */
void vnetenc_cryptodev_queue_counts_init(struct vnetenc_cryptodev_counts *);

/* Adds the counters of the second argument to those of the first. */
void vnetenc_cryptodev_queue_counts_add(
    struct vnetenc_cryptodev_counts *,
    const struct vnetenc_cryptodev_counts *);

/* Offset of the nonce in a descriptor in bytes, for
 * vnetenc_cryptodev_find_xform(). */
extern const uint16_t vnetenc_cryptodev_nonce_ofs;

/* Makes a pool with the descriptors of 'n' queues.  'name' must not name
 * another pool of DPDK.  Returns NULL if there is not enough memory.  The
 * caller frees the pool with rte_mempool_free(). */
struct rte_mempool *vnetenc_cryptodev_queue_op_pool(const char *name,
                                                    unsigned int n,
                                                    int numa_node);

/* Makes a pool with the buffers of 'n' queues, in the same way. */
struct rte_mempool *vnetenc_cryptodev_queue_buffer_pool(const char *name,
                                                        unsigned int n,
                                                        int numa_node);

/* Makes the queue for queue pair 'id' of 'device', with descriptors and
 * buffers from the pools.  'headroom' and 'tailroom' are the bytes that the
 * device needs before and after a text.  Returns NULL if the pools are empty
 * or the device needs more room than a buffer has. */
struct vnetenc_cryptodev_queue *vnetenc_cryptodev_queue_create(
    uint8_t device, uint16_t id, struct rte_mempool *ops,
    struct rte_mempool *buffers, uint16_t headroom, uint16_t tailroom);

/* Frees a queue, which may be NULL, and the packets that it kept.  The device
 * must be stopped. */
void vnetenc_cryptodev_queue_destroy(struct vnetenc_cryptodev_queue *);

/* Seals or opens up to VNETENC_BURST operations, none of them with an empty
 * text, under DPDK's 'session' and sets all results.  Returns NULL, or the
 * reason why the device must not be used any more, which is a constant. */
const char *vnetenc_cryptodev_queue_run(struct vnetenc_cryptodev_queue *,
                                        void *session, bool seal,
                                        struct vnetenc_aead_op *, size_t n);

/* Returns the counters of a queue, which last as long as the queue. */
const struct vnetenc_cryptodev_counts *vnetenc_cryptodev_queue_counts(
    const struct vnetenc_cryptodev_queue *);

#endif /* vnetenc/crypto/cryptodev-queue.h */
