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
 * A device with DPDK's synchronous CPU crypto computes at once, on the CPU of
 * the caller.  All other devices get operations through queue pairs
 * (crypto/cryptodev-queue.h).  A thread takes a queue pair when it first needs
 * one and returns it when it ends.  A thread that finds all queue pairs taken
 * cannot use the device.
 *
 * A device that has failed gets no more operations.  It is stopped when no
 * thread can be using it any more; then all that it held is freed.
 *
 * Thread-safety
 * =============
 *
 * vnetenc_cryptodev_run(), vnetenc_cryptodev_works() and
 * vnetenc_cryptodev_name() may be called by any thread that quiesces
 * (ovs-rcu.h), and take no lock.  Only the main thread opens a device.  All
 * other functions may be called by any thread that is not of the datapath.  A
 * session must outlive a grace period after it was last published. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "vnetenc/crypto/aead-provider.h"

struct vnetenc_cryptodev;
struct vnetenc_cryptodev_session;

/* Opens the device that 'devargs' names (see crypto/cryptodev-find.h), or
 * takes another reference to it if it is open.  Returns NULL and sets the
 * device, or returns an error message that the caller must free. */
char *vnetenc_cryptodev_open(const char *devargs, struct vnetenc_cryptodev **);

/* Drops a reference to a device, which may be NULL.  The last reference closes
 * the device. */
void vnetenc_cryptodev_unref(struct vnetenc_cryptodev *);

/* Returns DPDK's name of the device, which the device owns. */
const char *vnetenc_cryptodev_name(const struct vnetenc_cryptodev *);

/* True if the device can compute the cipher. */
bool vnetenc_cryptodev_supports(const struct vnetenc_cryptodev *,
                                enum vnetenc_cipher);

/* False once the device has failed. */
bool vnetenc_cryptodev_works(const struct vnetenc_cryptodev *);

/* Returns the queue pair of the calling thread, if it has one. */
void vnetenc_cryptodev_leave(struct vnetenc_cryptodev *);

/* Makes a session: a key for one direction.  'key' has the size of the
 * cipher's key; no reference to it is kept.  Returns 0, or ENOSPC if the
 * device has failed or has no room for another key.  The device stays open
 * until its last session is destroyed. */
int vnetenc_cryptodev_session_create(struct vnetenc_cryptodev *,
                                     enum vnetenc_cipher, const uint8_t *key,
                                     bool seal,
                                     struct vnetenc_cryptodev_session **)
    OVS_WARN_UNUSED_RESULT;

/* Overwrites the key in DPDK's memory and frees the session, which may be
 * NULL.  If the device has failed and may still read the key, this happens
 * when the device is stopped. */
void vnetenc_cryptodev_session_destroy(struct vnetenc_cryptodev_session *);

/* Seals or opens 'n' operations, whichever the session was made for, and sets
 * their results: VNETENC_AEAD_UNTRIED in those that the device has not
 * seen. */
void vnetenc_cryptodev_run(struct vnetenc_cryptodev_session *,
                           struct vnetenc_aead_op *, size_t n);

/* Status of a device. */
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

/* Calls 'cb' for each open device, with its status and 'aux'.  The strings of
 * the status are good until 'cb' returns. */
void vnetenc_cryptodev_for_each(
    void (*cb)(const struct vnetenc_cryptodev_status *, void *aux),
    void *aux);

#endif /* vnetenc/crypto/cryptodev.h */
