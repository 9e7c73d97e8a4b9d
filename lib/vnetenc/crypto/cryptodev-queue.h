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
 * Hands a burst of operations to the device and waits for all of them.  Only
 * where DPDK is built in.
 *
 * Everything that a burst needs is made with the queue: a descriptor for each
 * operation, with room for nonce and additional data, and a buffer for texts
 * that cannot be given to the device where they are.  A device gets the text
 * itself if it is in a packet of DPDK's that may be kept
 * (vnetenc_aead_op:packet), else a copy.
 *
 * A device that does not give everything back in VNETENC_DEVICE_MS, or gives
 * back what it does not have, has failed.  What it still holds it may still
 * write: descriptors, buffers and kept packets stay as they are until the
 * device is stopped and the queue destroyed.
 *
 * Thread-safety: a queue belongs to one thread at a time.  Counters may be
 * read by any thread. */

#include "ovs-atomic.h"
#include "vnetenc/crypto/aead-provider.h"

struct rte_crypto_op;
struct rte_mempool;
struct vnetenc_cryptodev_queue;

/* What is asked of a device, so that tests can put a bad one in its place. */
struct vnetenc_cryptodev_calls {
    uint16_t (*enqueue)(uint8_t device, uint16_t queue,
                        struct rte_crypto_op **, uint16_t n);
    uint16_t (*dequeue)(uint8_t device, uint16_t queue,
                        struct rte_crypto_op **, uint16_t n);
    void (*stop)(uint8_t device);
};
extern struct vnetenc_cryptodev_calls vnetenc_cryptodev_calls;

/* Any thread reads. */
struct vnetenc_cryptodev_counts {
    atomic_uint64_t n_done;     /* Operations that came back. */
    atomic_uint64_t n_errors;   /* Of these: neither success nor a bad tag. */
    atomic_uint64_t n_lost;     /* That did not come back in time. */
    atomic_uint n_inside;       /* Handed over and not come back. */
};

void vnetenc_cryptodev_counts_init(struct vnetenc_cryptodev_counts *);
void vnetenc_cryptodev_counts_add(struct vnetenc_cryptodev_counts *,
                                  const struct vnetenc_cryptodev_counts *);

/* Where in a descriptor the nonce is, for vnetenc_cryptodev_xform(). */
extern const uint16_t vnetenc_cryptodev_nonce_ofs;

/* Memory for 'n' queues. */
struct rte_mempool *vnetenc_cryptodev_queue_op_pool(const char *name,
                                                    unsigned int n,
                                                    int numa_node);
struct rte_mempool *vnetenc_cryptodev_queue_buffer_pool(const char *name,
                                                        unsigned int n,
                                                        int numa_node);

/* Returns NULL if the pools are empty.  'headroom' and 'tailroom' are what the
 * device wants around a text. */
struct vnetenc_cryptodev_queue *vnetenc_cryptodev_queue_create(
    uint8_t device, uint16_t id, struct rte_mempool *ops,
    struct rte_mempool *buffers, uint16_t headroom, uint16_t tailroom);

/* Frees the packets that were kept, too.  The device must be stopped. */
void vnetenc_cryptodev_queue_destroy(struct vnetenc_cryptodev_queue *);

/* Seals or opens up to VNETENC_BURST operations, none of them empty, under
 * DPDK's 'session'.  Sets all results; returns NULL, or why the device must
 * not be used any more. */
const char *vnetenc_cryptodev_queue_run(struct vnetenc_cryptodev_queue *,
                                        void *session, bool seal,
                                        struct vnetenc_aead_op *, size_t n);

const struct vnetenc_cryptodev_counts *vnetenc_cryptodev_queue_counts(
    const struct vnetenc_cryptodev_queue *);

#endif /* vnetenc/crypto/cryptodev-queue.h */
