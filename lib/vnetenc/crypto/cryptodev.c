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
#include "vnetenc/crypto/cryptodev.h"

#ifdef DPDK_NETDEV

#define ALLOW_EXPERIMENTAL_API  /* For the pool of sessions. */

#include <errno.h>
#include <openssl/crypto.h>
#include <rte_cryptodev.h>
#include <rte_mempool.h>
#include <string.h>
#include "dpdk.h"
#include "openvswitch/list.h"
#include "openvswitch/vlog.h"
#include "ovs-atomic.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "util.h"
#include "vnetenc/crypto/cryptodev-cpu.h"
#include "vnetenc/crypto/cryptodev-find.h"
#include "vnetenc/crypto/cryptodev-queue.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_cryptodev);

enum {
    MAX_QUEUES = 64,
    QUEUE_DESCRIPTORS = 128,
    MAX_SESSIONS = 4096,        /* Each key has two. */
    MIN_SESSIONS = 64,
};

/* A queue pair, which one thread can take. */
struct place {
    PADDED_MEMBERS(CACHE_LINE_SIZE,
        atomic_bool taken;
        struct vnetenc_cryptodev_queue *queue;
    );
};

struct vnetenc_cryptodev {
    struct ovs_list node;       /* In 'devices'. */
    struct ovs_refcount ref_cnt;
    char *name;                 /* From DPDK, like the next two. */
    uint8_t id;
    const char *driver;
    bool supports[VNETENC_N_CIPHERS];
    bool synchronous;
    struct rte_mempool *session_pool, *op_pool, *buffer_pool;

    /* Any thread.  No member changes with every packet. */
    ATOMIC(const char *) error; /* If nonnull, the device has failed. */
    PADDED_MEMBERS(CACHE_LINE_SIZE,
        atomic_uint64_t n_elsewhere;
        struct vnetenc_cryptodev_counts counts;     /* Of destroyed queues. */
    );

    /* Queue pairs, unless synchronous. */
    ovsthread_key_t thread_key; /* The 'struct place' of a thread. */
    unsigned int n_places;
    struct place *places;

    /* Under 'mutex'. */
    unsigned int n_sessions;
    bool stopped;               /* After a failure. */
    struct ovs_list remains;    /* Sessions to destroy after the stop. */
};

struct vnetenc_cryptodev_session {
    struct vnetenc_cryptodev *dev;
    void *session;              /* Of DPDK. */
    bool seal;
    struct ovs_list node;       /* In 'remains' of 'dev'. */
};

/* Guards devices, their sessions and pools; never taken per packet. */
static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
static struct ovs_list devices OVS_GUARDED_BY(mutex)
    = OVS_LIST_INITIALIZER(&devices);

/* Closing. */

static void
cleanse_object(struct rte_mempool *pool, void *opaque OVS_UNUSED, void *object,
               unsigned int i OVS_UNUSED)
{
    OPENSSL_cleanse(object, pool->elt_size);
}

/* Destroys all queues and keeps their counters. */
static void
destroy_queues(struct vnetenc_cryptodev *dev)
{
    for (unsigned int i = 0; i < dev->n_places; i++) {
        struct vnetenc_cryptodev_queue *queue = dev->places[i].queue;

        if (queue) {
            vnetenc_cryptodev_queue_counts_add(
                &dev->counts, vnetenc_cryptodev_queue_counts(queue));
            vnetenc_cryptodev_queue_destroy(queue);
            dev->places[i].queue = NULL;
        }
    }
    atomic_store_relaxed(&dev->counts.n_inside, 0);
}

static void
close_device(struct vnetenc_cryptodev *dev)
    OVS_REQUIRES(mutex)
{
    ovs_list_remove(&dev->node);
    if (dev->places) {
        ovsthread_key_delete(dev->thread_key);
    }
    if (!dev->stopped) {
        vnetenc_cryptodev_calls.stop(dev->id);
    }
    destroy_queues(dev);
    /* DPDK's device stays open, because some drivers cannot open it again. */
    if (dev->session_pool) {
        /* Drivers may have made more objects than free_session() knows. */
        rte_mempool_obj_iter(dev->session_pool, cleanse_object, NULL);
    }
    rte_mempool_free(dev->session_pool);
    rte_mempool_free(dev->op_pool);
    rte_mempool_free(dev->buffer_pool);
    free_cacheline(dev->places);
    free(dev->name);
    free_cacheline(dev);
}

/* Drops a reference.  The mutex guarantees that a device in 'devices' is
 * open. */
static void
unref_device(struct vnetenc_cryptodev *dev)
    OVS_REQUIRES(mutex)
{
    if (ovs_refcount_unref(&dev->ref_cnt) == 1) {
        close_device(dev);
    }
}

void
vnetenc_cryptodev_unref(struct vnetenc_cryptodev *dev)
{
    if (dev) {
        ovs_mutex_lock(&mutex);
        unref_device(dev);
        ovs_mutex_unlock(&mutex);
    }
}

/* Sessions. */

/* Frees DPDK's 'session' and erases its secrets, because drivers do not
 * guarantee that.  The mutex keeps the session in the pool meanwhile. */
static void
free_session(struct vnetenc_cryptodev *dev, void *session)
    OVS_REQUIRES(mutex)
{
    rte_cryptodev_sym_session_free(dev->id, session);
    OPENSSL_cleanse(session, dev->session_pool->elt_size);
}

static void *
make_session(struct vnetenc_cryptodev *dev, enum vnetenc_cipher cipher,
             const uint8_t *key, bool seal)
    OVS_REQUIRES(mutex)
{
    struct rte_crypto_sym_xform xform;

    vnetenc_cryptodev_find_xform(cipher, key, seal,
                                 vnetenc_cryptodev_nonce_ofs, &xform);
    return rte_cryptodev_sym_session_create(dev->id, &xform,
                                            dev->session_pool);
}

int
vnetenc_cryptodev_session_create(struct vnetenc_cryptodev *dev,
                                 enum vnetenc_cipher cipher,
                                 const uint8_t *key, bool seal,
                                 struct vnetenc_cryptodev_session **sessionp)
{
    struct vnetenc_cryptodev_session *session;
    void *made = NULL;

    *sessionp = NULL;
    ovs_mutex_lock(&mutex);
    if (vnetenc_cryptodev_works(dev)) {
        made = make_session(dev, cipher, key, seal);
        dev->n_sessions += made != NULL;
    }
    ovs_mutex_unlock(&mutex);
    if (!made) {
        return ENOSPC;
    }

    session = xmalloc(sizeof *session);
    session->dev = dev;
    session->session = made;
    session->seal = seal;
    ovs_refcount_ref(&dev->ref_cnt);
    *sessionp = session;
    return 0;
}

static void
destroy_session(struct vnetenc_cryptodev_session *session)
    OVS_REQUIRES(mutex)
{
    struct vnetenc_cryptodev *dev = session->dev;

    free_session(dev, session->session);
    free(session);
    dev->n_sessions--;
    unref_device(dev);
}

void
vnetenc_cryptodev_session_destroy(struct vnetenc_cryptodev_session *session)
{
    if (session) {
        struct vnetenc_cryptodev *dev = session->dev;

        ovs_mutex_lock(&mutex);
        if (!vnetenc_cryptodev_works(dev) && !dev->stopped) {
            /* The device may still read the session. */
            ovs_list_push_back(&dev->remains, &session->node);
        } else {
            destroy_session(session);
        }
        ovs_mutex_unlock(&mutex);
    }
}

/* Failure. */

bool
vnetenc_cryptodev_works(const struct vnetenc_cryptodev *dev)
{
    const char *error;

    atomic_read_explicit(&dev->error, &error, memory_order_acquire);
    return !error;
}

/* Stops 'dev' after a failure.  Runs when no thread uses 'dev' any more. */
static void
stop_failed(struct vnetenc_cryptodev *dev)
{
    struct vnetenc_cryptodev_session *session;
    const char *error;

    atomic_read_relaxed(&dev->error, &error);
    VLOG_ERR("%s: crypto device %s; it is not used any more", dev->name,
             error);
    vnetenc_cryptodev_calls.stop(dev->id);

    ovs_mutex_lock(&mutex);
    destroy_queues(dev);
    dev->stopped = true;
    LIST_FOR_EACH_POP (session, node, &dev->remains) {
        destroy_session(session);
    }
    unref_device(dev);
    ovs_mutex_unlock(&mutex);
}

/* Notes that the device has failed.  Any thread. */
static void
fail(struct vnetenc_cryptodev *dev, const char *error)
{
    const char *expected = NULL;

    if (atomic_compare_exchange_strong(&dev->error, &expected, error)) {
        ovs_refcount_ref(&dev->ref_cnt);
        ovsrcu_postpone(stop_failed, dev);
    }
}

/* Per packet. */

static void
give_place(void *place_)
{
    struct place *place = place_;

    atomic_store_explicit(&place->taken, false, memory_order_release);
}

/* Returns the queue pair of the calling thread, or NULL if there is none for
 * it. */
static struct vnetenc_cryptodev_queue *
find_queue(struct vnetenc_cryptodev *dev)
{
    struct place *place = ovsthread_getspecific(dev->thread_key);

    for (unsigned int i = 0; !place && i < dev->n_places; i++) {
        struct place *p = &dev->places[i];
        bool taken;

        atomic_read_relaxed(&p->taken, &taken);
        if (!taken && atomic_compare_exchange_strong_explicit(
                &p->taken, &taken, true, memory_order_acquire,
                memory_order_relaxed)) {
            ovsthread_setspecific(dev->thread_key, p);
            place = p;
        }
    }
    return place ? place->queue : NULL;
}

void
vnetenc_cryptodev_leave(struct vnetenc_cryptodev *dev)
{
    struct place *place = (dev->places ? ovsthread_getspecific(dev->thread_key)
                           : NULL);

    if (place) {
        ovsthread_setspecific(dev->thread_key, NULL);
        give_place(place);
    }
}

static void
run_synchronous(struct vnetenc_cryptodev_session *session,
                struct vnetenc_aead_op *ops, size_t n)
{
    struct vnetenc_cryptodev *dev = session->dev;

    if (vnetenc_cryptodev_cpu_run(dev->id, session->session, session->seal,
                                  ops, n)) {
        fail(dev, "reported an error");
    }
}

/* Returns false if the device has not seen the operations. */
static bool
run_burst(struct vnetenc_cryptodev_session *session,
          struct vnetenc_aead_op *ops, size_t n)
{
    struct vnetenc_cryptodev *dev = session->dev;
    struct vnetenc_cryptodev_queue *queue;
    const char *error;

    if (!vnetenc_cryptodev_works(dev)) {
        return false;
    } else if (dev->synchronous) {
        run_synchronous(session, ops, n);
        return true;
    }

    queue = find_queue(dev);
    if (!queue) {
        return false;
    }
    error = vnetenc_cryptodev_queue_run(queue, session->session, session->seal,
                                        ops, n);
    if (error) {
        fail(dev, error);
    }
    return true;
}

void
vnetenc_cryptodev_run(struct vnetenc_cryptodev_session *session,
                      struct vnetenc_aead_op *ops, size_t n)
{
    size_t n_elsewhere = 0;

    for (size_t start = 0, end; start < n; start = end) {
        /* Some devices cannot process an empty text, and any peer may send
         * one. */
        for (end = start; end < n && end - start < VNETENC_BURST
             && ops[end].size; end++) {
            continue;
        }
        if (end == start || !run_burst(session, &ops[start], end - start)) {
            end = MAX(end, start + 1);
            for (size_t i = start; i < end; i++) {
                ops[i].result = VNETENC_AEAD_UNTRIED;
            }
            n_elsewhere += end - start;
        }
    }
    if (n_elsewhere) {
        uint64_t orig;

        atomic_add_relaxed(&session->dev->n_elsewhere, n_elsewhere, &orig);
    }
}

/* Opening. */

/* Tries out whether the device can compute at once.  Its flag is not enough:
 * some devices that forward operations to other devices have it and cannot. */
static bool
is_synchronous(struct vnetenc_cryptodev *dev)
{
    const uint8_t key[VNETENC_MAX_KEY_BYTES] = { 0 };
    uint8_t text[VNETENC_TAG_BYTES] = { 0 }, tag[VNETENC_TAG_BYTES];
    struct vnetenc_aead_op op = {
        .text = text, .tag = tag, .size = sizeof text,
    };
    bool able = false;

    ovs_mutex_lock(&mutex);
    for (int i = 0; i < VNETENC_N_CIPHERS && !able; i++) {
        void *session = (dev->supports[i] ? make_session(dev, i, key, true)
                         : NULL);

        if (session) {
            able = !vnetenc_cryptodev_cpu_run(dev->id, session, true, &op, 1);
            free_session(dev, session);
        }
    }
    ovs_mutex_unlock(&mutex);
    return able;
}

/* Writes a new name for a pool of DPDK into 'name' and returns it. */
static const char *
pool_name(char name[RTE_MEMPOOL_NAMESIZE])
{
    static atomic_count n = ATOMIC_COUNT_INIT(0);

    snprintf(name, RTE_MEMPOOL_NAMESIZE, "vnetenc-%u", atomic_count_inc(&n));
    return name;
}

static bool
make_session_pool(struct vnetenc_cryptodev *dev, int node)
{
    unsigned int size = rte_cryptodev_sym_get_private_session_size(dev->id);
    char name[RTE_MEMPOOL_NAMESIZE];

    for (unsigned int n = MAX_SESSIONS; n >= MIN_SESSIONS; n /= 2) {
        dev->session_pool = rte_cryptodev_sym_session_pool_create(
            pool_name(name), n, size, 0, 0, node);
        if (dev->session_pool) {
            return true;
        }
    }
    return false;
}

static bool
make_queues(struct vnetenc_cryptodev *dev, unsigned int n, int node,
            const struct rte_cryptodev_info *info)
{
    char name[RTE_MEMPOOL_NAMESIZE];

    dev->op_pool = vnetenc_cryptodev_queue_op_pool(pool_name(name), n, node);
    dev->buffer_pool = vnetenc_cryptodev_queue_buffer_pool(pool_name(name), n,
                                                           node);
    if (!dev->op_pool || !dev->buffer_pool) {
        return false;
    }
    dev->n_places = n;
    dev->places = xzalloc_cacheline(n * sizeof *dev->places);
    ovsthread_key_create(&dev->thread_key, give_place);
    for (unsigned int i = 0; i < n; i++) {
        struct place *place = &dev->places[i];

        atomic_init(&place->taken, false);
        place->queue = vnetenc_cryptodev_queue_create(
            dev->id, i, dev->op_pool, dev->buffer_pool,
            info->min_mbuf_headroom_req, info->min_mbuf_tailroom_req);
        if (!place->queue) {
            return false;
        }
    }
    return true;
}

static bool
configure(struct vnetenc_cryptodev *dev, unsigned int n_queues, int node)
{
    struct rte_cryptodev_config config = {
        .socket_id = node,
        .nb_queue_pairs = n_queues,
        .ff_disable = RTE_CRYPTODEV_FF_ASYMMETRIC_CRYPTO,
    };
    const struct rte_cryptodev_qp_conf queue = {
        .nb_descriptors = QUEUE_DESCRIPTORS,
        .mp_session = dev->session_pool,
    };

    if (rte_cryptodev_configure(dev->id, &config)) {
        return false;
    }
    for (unsigned int i = 0; i < n_queues; i++) {
        if (rte_cryptodev_queue_pair_setup(dev->id, i, &queue, node)) {
            return false;
        }
    }
    return true;
}

/* Returns NULL, or the reason why the device cannot be used. */
static const char *
start_device(struct vnetenc_cryptodev *dev,
             const struct rte_cryptodev_info *info)
{
    static const char no_memory[] = "DPDK does not have enough memory";
    int node = MAX(rte_cryptodev_socket_id(dev->id), 0);
    unsigned int n_queues = MAX(count_total_cores(), 0) + 2;

    n_queues = MIN(n_queues, MIN(info->max_nb_queue_pairs, MAX_QUEUES));
    if (!n_queues) {
        return "it has no queue pairs";
    }
    if (!make_session_pool(dev, node)) {
        return no_memory;
    }
    if (!configure(dev, n_queues, node)) {
        return "it cannot be configured";
    }
    if (rte_cryptodev_start(dev->id)) {
        return "it cannot be started";
    }
    dev->synchronous = (info->feature_flags & RTE_CRYPTODEV_FF_SYM_CPU_CRYPTO
                        && is_synchronous(dev));
    return (dev->synchronous || make_queues(dev, n_queues, node, info)
            ? NULL : no_memory);
}

static char *
open_id(uint8_t id, struct vnetenc_cryptodev **devp)
{
    struct rte_cryptodev_info info;
    struct vnetenc_cryptodev *dev;
    const char *error;

    rte_cryptodev_info_get(id, &info);
    dev = xzalloc_cacheline(sizeof *dev);
    ovs_refcount_init(&dev->ref_cnt);
    dev->name = xstrdup(rte_cryptodev_name_get(id));
    dev->id = id;
    dev->driver = info.driver_name;
    atomic_init(&dev->error, NULL);
    atomic_init(&dev->n_elsewhere, 0);
    vnetenc_cryptodev_queue_counts_init(&dev->counts);
    ovs_list_init(&dev->remains);
    for (int i = 0; i < VNETENC_N_CIPHERS; i++) {
        dev->supports[i] = vnetenc_cryptodev_find_can(id, i);
    }
    ovs_mutex_lock(&mutex);
    ovs_list_push_back(&devices, &dev->node);
    ovs_mutex_unlock(&mutex);

    error = start_device(dev, &info);
    if (error) {
        char *message = xasprintf("\"%s\": %s", dev->name, error);

        vnetenc_cryptodev_unref(dev);
        return message;
    }
    *devp = dev;
    return NULL;
}

static struct vnetenc_cryptodev *
find_open(uint8_t id)
{
    struct vnetenc_cryptodev *dev, *found = NULL;

    ovs_mutex_lock(&mutex);
    LIST_FOR_EACH (dev, node, &devices) {
        if (dev->id == id) {
            ovs_refcount_ref(&dev->ref_cnt);
            found = dev;
        }
    }
    ovs_mutex_unlock(&mutex);
    return found;
}

char *
vnetenc_cryptodev_open(const char *devargs, struct vnetenc_cryptodev **devp)
{
    struct vnetenc_cryptodev *dev;
    char *error;
    uint8_t id;

    *devp = NULL;
    if (!dpdk_available()) {
        return xstrdup("DPDK is not initialized, see other_config:dpdk-init");
    }
    error = vnetenc_cryptodev_find(devargs, &id);
    if (error) {
        return error;
    }
    dev = find_open(id);
    if (!dev) {
        return open_id(id, devp);
    } else if (!vnetenc_cryptodev_works(dev)) {
        error = xasprintf("\"%s\" has failed; it can be used again when its "
                          "earlier sessions have been replaced",
                          dev->name);
        vnetenc_cryptodev_unref(dev);
        return error;
    }
    *devp = dev;
    return NULL;
}

/* Status. */

const char *
vnetenc_cryptodev_name(const struct vnetenc_cryptodev *dev)
{
    return dev->name;
}

bool
vnetenc_cryptodev_supports(const struct vnetenc_cryptodev *dev,
                           enum vnetenc_cipher cipher)
{
    return dev->supports[cipher];
}

static void
get_status(const struct vnetenc_cryptodev *dev,
           struct vnetenc_cryptodev_status *status)
    OVS_REQUIRES(mutex)
{
    struct vnetenc_cryptodev_counts counts;

    memset(status, 0, sizeof *status);
    status->name = dev->name;
    status->driver = dev->driver;
    atomic_read_relaxed(&dev->error, &status->error);
    status->synchronous = dev->synchronous;
    status->n_queues = dev->n_places;
    status->n_sessions = dev->n_sessions;
    atomic_read_relaxed(&dev->n_elsewhere, &status->n_elsewhere);
    vnetenc_cryptodev_queue_counts_init(&counts);
    vnetenc_cryptodev_queue_counts_add(&counts, &dev->counts);
    for (unsigned int i = 0; i < dev->n_places; i++) {
        const struct place *place = &dev->places[i];
        bool taken;

        atomic_read_relaxed(&place->taken, &taken);
        status->n_queues_taken += taken;
        if (place->queue) {
            vnetenc_cryptodev_queue_counts_add(
                &counts, vnetenc_cryptodev_queue_counts(place->queue));
        }
    }
    atomic_read_relaxed(&counts.n_done, &status->n_done);
    atomic_read_relaxed(&counts.n_errors, &status->n_errors);
    atomic_read_relaxed(&counts.n_lost, &status->n_lost);
    atomic_read_relaxed(&counts.n_inside, &status->n_inside);
}

void
vnetenc_cryptodev_for_each(
    void (*cb)(const struct vnetenc_cryptodev_status *, void *aux), void *aux)
{
    struct vnetenc_cryptodev *dev;

    ovs_mutex_lock(&mutex);
    LIST_FOR_EACH (dev, node, &devices) {
        struct vnetenc_cryptodev_status status;

        get_status(dev, &status);
        cb(&status, aux);
    }
    ovs_mutex_unlock(&mutex);
}

#else /* !DPDK_NETDEV */

void
vnetenc_cryptodev_for_each(
    void (*cb)(const struct vnetenc_cryptodev_status *, void *aux) OVS_UNUSED,
    void *aux OVS_UNUSED)
{
}

#endif
