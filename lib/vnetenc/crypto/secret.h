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

#ifndef VNETENC_SECRET_H
#define VNETENC_SECRET_H 1

/* Memory for secrets
 * ==================
 *
 * A core dump is kept, copied and sent to others, and a live key in it
 * decrypts everything that its session carries.  Keys therefore have memory of
 * their own, which the kernel leaves out of core dumps (MADV_DONTDUMP), and
 * which is cleansed when it is freed:
 *
 *   - Keys of our own code are allocated here.
 *
 *   - In ovs-vswitchd, vnetenc_secret_take_over() makes libcrypto allocate all
 *     of its memory here, because the host's private key, master secrets and
 *     key schedules may lie anywhere in it.
 *
 * After vnetenc_secret_no_fork(), children of the process inherit none of this
 * memory (MADV_DONTFORK), except blocks of more than 20 kB that were allocated
 * before.
 *
 * Memory is taken from the kernel in regions of 1 MB and kept; only a block of
 * more than 20 kB is mapped and unmapped separately.  In a build with a
 * sanitizer, which finds errors only in the memory of malloc(), all of this
 * memory is malloc()'s.
 *
 * Thread-safety: any thread.  The functions take a mutex: not for the path of
 * a packet. */

#include <stdbool.h>
#include <stddef.h>
#include "compiler.h"

/* Returns 'size' bytes of zeros that begin at a multiple of 64.  Aborts if
 * there is no memory. */
void *vnetenc_secret_alloc(size_t size);

/* Cleanses and frees memory from vnetenc_secret_alloc().  NULL is ignored. */
void vnetenc_secret_free(void *);

/* Makes libcrypto allocate its memory here.  Returns true if successful, which
 * is possible only before libcrypto is used, and never in a build with a
 * sanitizer. */
bool vnetenc_secret_take_over(void);

/* Returns true if vnetenc_secret_take_over() was successful. */
bool vnetenc_secret_has_libcrypto(void);

/* Keeps children of the process from inheriting the memory.  Call when the
 * process has become a daemon.  Blocks of more than 20 kB that exist by then
 * are still inherited. */
void vnetenc_secret_no_fork(void);

#endif /* vnetenc/crypto/secret.h */
