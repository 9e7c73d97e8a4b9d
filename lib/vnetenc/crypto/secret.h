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
 * A core dump is kept, copied and sent to others, and a live key in it opens
 * all that a session carries.  Keys therefore have memory of their own, which
 * the kernel leaves out of core dumps (MADV_DONTDUMP), and which is cleansed
 * when it is freed:
 *
 *   - Keys of our own code are allocated here.
 *
 *   - In ovs-vswitchd all of libcrypto's memory is taken from here, because
 *     the host's private key, master secrets and key schedules lie anywhere in
 *     it.  vnetenc_secret_take_over() sees to that.
 *
 * Once vnetenc_secret_no_fork() was called, no child of the process inherits
 * any of it (MADV_DONTFORK).
 *
 * Memory is taken from the kernel in pieces of 1 MB and kept.  With a
 * sanitizer, which finds errors only in memory that it knows, all of this is
 * malloc()'s.
 *
 * Thread-safety: any thread.  Takes a mutex; not for the path of a packet. */

#include <stdbool.h>
#include <stddef.h>
#include "compiler.h"

/* 'size' octets of zeros that begin at a multiple of 64.  Never NULL. */
void *vnetenc_secret_alloc(size_t size);

/* Cleanses and frees.  NULL is fine. */
void vnetenc_secret_free(void *);

/* Makes libcrypto take its memory from here, too, and returns true if it does.
 * Works only before libcrypto is used. */
bool vnetenc_secret_take_over(void);

/* Whether vnetenc_secret_take_over() has worked. */
bool vnetenc_secret_has_libcrypto(void);

/* Call once the process has become a daemon.  Blocks of more than 16 kB that
 * are there already are still inherited. */
void vnetenc_secret_no_fork(void);

#endif /* vnetenc/crypto/secret.h */
