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

#ifndef VNETENC_CRYPTODEV_H
#define VNETENC_CRYPTODEV_H 1

/* A crypto device of DPDK
 * =======================
 *
 * One that computes at once, with the caller's CPU (DPDK's synchronous CPU
 * crypto), needs nothing more.  All others are handed operations through queue
 * pairs (crypto/cryptodev-queue.h).  A thread takes a queue pair when it
 * first needs one and gives it back when it ends; a thread that comes when
 * all are taken cannot use the device.
 *
 * A device that fails is not asked again.  When no thread can be using it any
 * more it is stopped, then all that it held is freed.
 *
 * Thread-safety
 * =============
 *
 * vnetenc_cryptodev_run(), _works() and the name: any thread that quiesces
 * (ovs-rcu.h), no locks.  Opening: main thread.  All else: any thread but
 * those of the datapath; a session must outlive a grace period after it was
 * last published. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "vnetenc/crypto/aead-provider.h"

struct vnetenc_cryptodev;
struct vnetenc_cryptodev_session;

/* Opens the device that 'devargs' names (see crypto/cryptodev-find.h), or
 * refers to it once more.  Returns NULL and the device, or an error message
 * that the caller must free. */
char *vnetenc_cryptodev_open(const char *devargs, struct vnetenc_cryptodev **);

void vnetenc_cryptodev_unref(struct vnetenc_cryptodev *);
const char *vnetenc_cryptodev_name(const struct vnetenc_cryptodev *);
bool vnetenc_cryptodev_supports(const struct vnetenc_cryptodev *,
                                enum vnetenc_cipher);

/* False once the device has failed. */
bool vnetenc_cryptodev_works(const struct vnetenc_cryptodev *);

/* The calling thread does without the device from now on. */
void vnetenc_cryptodev_leave(struct vnetenc_cryptodev *);

/* A key, in one direction.  Returns 0 or a positive errno value.  The device
 * stays open until its last session is destroyed. */
int vnetenc_cryptodev_session_create(struct vnetenc_cryptodev *,
                                     enum vnetenc_cipher, const uint8_t *key,
                                     bool seal,
                                     struct vnetenc_cryptodev_session **)
    OVS_WARN_UNUSED_RESULT;
void vnetenc_cryptodev_session_destroy(struct vnetenc_cryptodev_session *);

/* Seals or opens, as the session was made for.  Operations that the device
 * was not asked to do are VNETENC_AEAD_UNTRIED afterwards. */
void vnetenc_cryptodev_run(struct vnetenc_cryptodev_session *,
                           struct vnetenc_aead_op *, size_t n);

/* What there is to say of a device. */
struct vnetenc_cryptodev_status {
    const char *name;
    const char *driver;
    const char *error;          /* Why it failed, or NULL. */
    bool synchronous;
    unsigned int n_queues, n_queues_taken;
    unsigned int n_sessions;
    uint64_t n_done, n_errors, n_lost, n_inside;    /* 0 if synchronous. */
    uint64_t n_elsewhere;       /* Left to another provider. */
};

/* Calls 'cb' for each open device. */
void vnetenc_cryptodev_for_each(
    void (*cb)(const struct vnetenc_cryptodev_status *, void *aux),
    void *aux);

#endif /* vnetenc/crypto/cryptodev.h */
