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
#include "vnetenc/crypto/secret.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <openssl/crypto.h>

#include "openvswitch/compiler.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_secret);

/* A slab begins at a multiple of SLAB_BYTES, so the address of a block leads
 * to the slab of the block.  All blocks of a slab have the same size.  A block
 * of more than LARGE_BYTES has a slab of its own, which is mapped
 * separately. */
enum {
    REGION_BYTES = 1024 * 1024,
    SLAB_BYTES = 64 * 1024,
    LINE_BYTES = 64,
    SMALL_BYTES = 1024,         /* Sizes up to this: by STEP_BYTES. */
    STEP_BYTES = 16,
    LARGE_BYTES = 20 * 1024,    /* Up to this: by eighths of powers of 2.  The
                                 * record buffers of libssl fit in. */
    N_CLASSES = SMALL_BYTES / STEP_BYTES + 4 * 8 + 2 + 1,
};

struct slab {
    size_t block_bytes;
    size_t map_bytes;           /* Nonzero: one block, mapped separately. */
    size_t class;
};
BUILD_ASSERT_DECL(sizeof(struct slab) <= LINE_BYTES);

/* A block that is free. */
struct block {
    struct block *next;
};
BUILD_ASSERT_DECL(sizeof(struct block) <= STEP_BYTES);

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct block *free_blocks[N_CLASSES];
static uint8_t *next_slab, *end_slab;   /* Of the region in use. */
static bool no_fork;
static bool has_libcrypto;

/* All regions, for vnetenc_secret_no_fork(). */
struct region {
    struct region *next;
};
static struct region *regions;

/* True in a build with a sanitizer: clang tells with __has_feature(), gcc with
 * macros. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#undef SANITIZED
#define SANITIZED true
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

/* Returns the class of the smallest blocks that hold 'size' bytes, and stores
 * their size in '*block_bytes'. */
static size_t
class_of(size_t size, size_t *block_bytes)
{
    size_t power = SMALL_BYTES;
    size_t class, step;

    if (size <= SMALL_BYTES) {
        class = DIV_ROUND_UP(MAX(size, 1), STEP_BYTES);
        *block_bytes = class * STEP_BYTES;
        return class;
    }
    class = SMALL_BYTES / STEP_BYTES;
    while (size > 2 * power) {
        power *= 2;
        class += 8;
    }
    step = DIV_ROUND_UP(size - power, power / 8);
    *block_bytes = power + step * (power / 8);
    return class + step;
}

/* Maps 'size' bytes, a multiple of SLAB_BYTES, at a multiple of SLAB_BYTES.
 * Returns NULL if there is no memory. */
static void *
map(size_t size)
{
    size_t all = size + SLAB_BYTES;
    uint8_t *p = mmap(NULL, all, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t *start;

    if (p == MAP_FAILED) {
        return NULL;
    }
    start = (uint8_t *) ROUND_UP((uintptr_t) p, SLAB_BYTES);
    if (start != p) {
        munmap(p, start - p);
    }
    if (start + size != p + all) {
        munmap(start + size, p + all - (start + size));
    }
    if (madvise(start, size, MADV_DONTDUMP)
        || (no_fork && madvise(start, size, MADV_DONTFORK))) {
        munmap(start, size);
        return NULL;
    }
    return start;
}

static struct slab *
slab_of(const void *block)
{
    return (struct slab *) ((uintptr_t) block & ~(uintptr_t) (SLAB_BYTES - 1));
}

/* Makes a slab of free blocks.  Returns false if there is no memory. */
static bool
add_slab(size_t class, size_t block_bytes)
{
    struct slab *slab;

    if (next_slab == end_slab) {
        struct region *region = map(REGION_BYTES);

        if (!region) {
            return false;
        }
        /* The first line of the first slab has room for both structs. */
        next_slab = (uint8_t *) region;
        end_slab = next_slab + REGION_BYTES;
        region = ALIGNED_CAST(struct region *, next_slab + LINE_BYTES / 2);
        region->next = regions;
        regions = region;
    }
    slab = ALIGNED_CAST(struct slab *, next_slab);
    next_slab += SLAB_BYTES;

    slab->block_bytes = block_bytes;
    slab->class = class;
    for (size_t ofs = LINE_BYTES; ofs + block_bytes <= SLAB_BYTES;
         ofs += block_bytes) {
        struct block *block
            = ALIGNED_CAST(struct block *, (uint8_t *) slab + ofs);

        block->next = free_blocks[class];
        free_blocks[class] = block;
    }
    return true;
}
BUILD_ASSERT_DECL(sizeof(struct slab) <= LINE_BYTES / 2);
BUILD_ASSERT_DECL(sizeof(struct region) <= LINE_BYTES / 2);

static void *
alloc_small(size_t size)
{
    size_t block_bytes;
    size_t class = class_of(size, &block_bytes);
    struct block *block;

    pthread_mutex_lock(&mutex);
    if (!free_blocks[class] && !add_slab(class, block_bytes)) {
        pthread_mutex_unlock(&mutex);
        return NULL;
    }
    block = free_blocks[class];
    free_blocks[class] = block->next;
    pthread_mutex_unlock(&mutex);
    block->next = NULL;
    return block;
}

static void *
alloc_large(size_t size)
{
    size_t map_bytes = ROUND_UP(size + LINE_BYTES, SLAB_BYTES);
    struct slab *slab;

    if (map_bytes < size) {
        return NULL;
    }
    pthread_mutex_lock(&mutex);         /* For 'no_fork'. */
    slab = map(map_bytes);
    pthread_mutex_unlock(&mutex);
    if (!slab) {
        return NULL;
    }
    slab->map_bytes = map_bytes;
    slab->block_bytes = map_bytes - LINE_BYTES;
    return (uint8_t *) slab + LINE_BYTES;
}

/* Returns 'size' bytes of zeros, or NULL. */
static void *
alloc(size_t size)
{
    return size <= LARGE_BYTES ? alloc_small(size) : alloc_large(size);
}

static void
release(void *p)
{
    struct slab *slab = slab_of(p);

    if (slab->map_bytes) {
        munmap(slab, slab->map_bytes);
    } else {
        struct block *block = p;

        explicit_bzero(p, slab->block_bytes);
        pthread_mutex_lock(&mutex);
        block->next = free_blocks[slab->class];
        free_blocks[slab->class] = block;
        pthread_mutex_unlock(&mutex);
    }
}

/* Called by libcrypto. */

static void *
crypto_malloc(size_t size, const char *file OVS_UNUSED, int line OVS_UNUSED)
{
    return size ? alloc(size) : NULL;
}

static void
crypto_free(void *p, const char *file OVS_UNUSED, int line OVS_UNUSED)
{
    if (p) {
        release(p);
    }
}

static void *
crypto_realloc(void *old, size_t size, const char *file OVS_UNUSED,
               int line OVS_UNUSED)
{
    size_t old_bytes = old ? slab_of(old)->block_bytes : 0;
    void *new;

    if (!size) {
        crypto_free(old, NULL, 0);
        return NULL;
    }
    if (size <= old_bytes && size >= old_bytes / 2) {
        return old;
    }
    new = alloc(size);
    if (new && old) {
        memcpy(new, old, MIN(size, old_bytes));
        release(old);
    }
    return new;
}

bool
vnetenc_secret_take_over(void)
{
    if (!SANITIZED && CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc,
                                               crypto_free)) {
        has_libcrypto = true;
    }
    return has_libcrypto;
}

bool
vnetenc_secret_has_libcrypto(void)
{
    return has_libcrypto;
}

void *
vnetenc_secret_alloc(size_t size)
{
    void *p = (SANITIZED ? xzalloc_cacheline(size)
               : alloc(ROUND_UP(MAX(size, 1), LINE_BYTES)));

    if (!p) {
        out_of_memory();
    }
    return p;
}

void
vnetenc_secret_free(void *p)
{
    if (SANITIZED) {
        free_cacheline(p);
    } else if (p) {
        release(p);
    }
}

void
vnetenc_secret_no_fork(void)
{
    pthread_mutex_lock(&mutex);
    no_fork = true;
    for (struct region *r = regions; r; r = r->next) {
        if (madvise(slab_of(r), REGION_BYTES, MADV_DONTFORK)) {
            VLOG_WARN("children will inherit keys: %s", ovs_strerror(errno));
        }
    }
    pthread_mutex_unlock(&mutex);
}
