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
#include "vnetenc/kernel/worker.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "coverage.h"
#include "openvswitch/list.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/mode.h"
#include "vnetenc/packet/pool.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_worker);

struct vnetenc_worker {
    unsigned int index;
    pthread_t thread;
    int epoll_fd;
    int exit_fd;                /* Readable once the thread is to end. */
    atomic_bool exiting;
    struct ovs_list sources;    /* Main thread only. */

    /* Written by the worker, read by any thread. */
    PADDED_MEMBERS(CACHE_LINE_SIZE,
        atomic_uint64_t counters[VNETENC_WORKER_N_COUNTERS];
    );
};

struct vnetenc_worker_source {
    struct ovs_list node;       /* In 'worker->sources'. */
    struct vnetenc_worker *worker;
    int fd;
    vnetenc_worker_run_func *run;
    vnetenc_worker_gone_func *gone;
    void *aux;
};

static struct vnetenc_worker *workers[VNETENC_MAX_WORKERS];
static unsigned int n_workers;

/* The thread. */

/* Has the worker no longer wait for the descriptor of 's'.  If
 * vnetenc_worker_remove_fd() has just done that, this fails, without harm. */
static void
give_up(struct vnetenc_worker *worker, const struct vnetenc_worker_source *s)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

    if (!epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL)) {
        VLOG_ERR_RL(&rl, "worker %u: descriptor %d cannot be read any more",
                    worker->index, s->fd);
    }
}

/* Sleeps until a descriptor can be read.  The worker asks for the source only
 * when it is no longer quiescent: a source is freed after a grace period, so
 * it lives as long as the worker uses it.  A worker that was 'busy' wakes up
 * once more, to hand in its coverage counters. */
static void
wait_for_events(const struct vnetenc_worker *worker, bool busy)
{
    struct pollfd pfd = { .fd = worker->epoll_fd, .events = POLLIN };

    ovsrcu_quiesce_start();
    poll(&pfd, 1, busy ? COVERAGE_CLEAR_INTERVAL : -1);
    ovsrcu_quiesce_end();
}

static void *
worker_main(void *worker_)
{
    struct epoll_event events[VNETENC_WORKER_EVENTS];
    struct vnetenc_worker *worker = worker_;
    bool busy = false;

    vnetenc_pool_begin();
    for (;;) {
        bool exiting;
        int n;

        n = epoll_wait(worker->epoll_fd, events, ARRAY_SIZE(events), 0);
        atomic_read_relaxed(&worker->exiting, &exiting);
        if (exiting) {
            vnetenc_pool_end();
            return NULL;
        }
        for (int i = 0; i < n; i++) {
            struct vnetenc_worker_source *s = events[i].data.ptr;

            if (s && !s->run(worker, s->fd, s->aux)) {
                give_up(worker, s);
            }
        }
        coverage_try_clear();
        if (n > 0) {
            busy = true;
            ovsrcu_quiesce();
        } else {
            wait_for_events(worker, busy);
            busy = false;
        }
    }
}

/* Start and stop. */

unsigned int
vnetenc_worker_number(const char *value, unsigned int n_cores)
{
    unsigned int by_cores = MIN(MAX(n_cores, 1), VNETENC_DEFAULT_WORKERS);
    unsigned int n;

    if (!value) {
        return by_cores;
    }
    if (!vnetenc_mode_parse_uint(value, VNETENC_MAX_WORKERS, &n) || !n) {
        VLOG_ERR("other_config:vnetenc-kernel-workers: \"%s\" is not a number "
                 "from 1 to %d; using %u", value, VNETENC_MAX_WORKERS,
                 by_cores);
        return by_cores;
    }
    return n;
}

static struct vnetenc_worker *
worker_create(unsigned int index)
{
    struct vnetenc_worker *worker = xzalloc_cacheline(sizeof *worker);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

    worker->index = index;
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    worker->exit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->epoll_fd < 0 || worker->exit_fd < 0
        || epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, worker->exit_fd,
                     &event)) {
        VLOG_FATAL("worker %u: no descriptors: %s", index,
                   ovs_strerror(errno));
    }
    atomic_init(&worker->exiting, false);
    ovs_list_init(&worker->sources);
    for (int i = 0; i < VNETENC_WORKER_N_COUNTERS; i++) {
        atomic_init(&worker->counters[i], 0);
    }
    worker->thread = ovs_thread_create("vnetenc-worker", worker_main, worker);
    return worker;
}

static void
worker_destroy(struct vnetenc_worker *worker)
{
    struct vnetenc_worker_source *s;

    atomic_store_relaxed(&worker->exiting, true);
    eventfd_write(worker->exit_fd, 1);
    xpthread_join(worker->thread, NULL);
    LIST_FOR_EACH_SAFE (s, node, &worker->sources) {
        vnetenc_worker_remove_fd(s);
    }
    close(worker->epoll_fd);
    close(worker->exit_fd);
    free_cacheline(worker);
}

void
vnetenc_worker_start(unsigned int n)
{
    ovs_assert(!n_workers && n && n <= VNETENC_MAX_WORKERS);
    for (unsigned int i = 0; i < n; i++) {
        workers[i] = worker_create(i);
    }
    n_workers = n;
}

void
vnetenc_worker_stop(void)
{
    unsigned int n = n_workers;

    n_workers = 0;
    for (unsigned int i = 0; i < n; i++) {
        worker_destroy(workers[i]);
        workers[i] = NULL;
    }
}

unsigned int
vnetenc_worker_n(void)
{
    return n_workers;
}

struct vnetenc_worker *
vnetenc_worker_get(unsigned int index)
{
    ovs_assert(index < n_workers);
    return workers[index];
}

/* Sources. */

struct vnetenc_worker_source *
vnetenc_worker_add_fd(struct vnetenc_worker *worker, int fd,
                      vnetenc_worker_run_func *run,
                      vnetenc_worker_gone_func *gone, void *aux)
{
    struct vnetenc_worker_source *s = xmalloc(sizeof *s);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = s };

    *s = (struct vnetenc_worker_source) {
        .worker = worker,
        .fd = fd,
        .run = run,
        .gone = gone,
        .aux = aux,
    };
    ovs_list_push_back(&worker->sources, &s->node);
    if (epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
        VLOG_ERR("worker %u: cannot wait for descriptor %d: %s",
                 worker->index, fd, ovs_strerror(errno));
    }
    return s;
}

static void
source_destroy(struct vnetenc_worker_source *s)
{
    if (s->gone) {
        s->gone(s->aux);
    }
    free(s);
}

void
vnetenc_worker_remove_fd(struct vnetenc_worker_source *s)
{
    if (s) {
        ovs_list_remove(&s->node);
        epoll_ctl(s->worker->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
        ovsrcu_postpone(source_destroy, s);
    }
}

/* Counters. */

void
vnetenc_worker_count(struct vnetenc_worker *worker,
                     enum vnetenc_worker_counter counter, unsigned int n)
{
    uint64_t old;

    atomic_read_relaxed(&worker->counters[counter], &old);
    atomic_store_relaxed(&worker->counters[counter], old + n);
}

uint64_t
vnetenc_worker_total(const struct vnetenc_worker *worker_,
                     enum vnetenc_worker_counter counter)
{
    struct vnetenc_worker *worker = CONST_CAST(struct vnetenc_worker *,
                                               worker_);
    uint64_t n;

    atomic_read_relaxed(&worker->counters[counter], &n);
    return n;
}

const char *
vnetenc_worker_counter_name(enum vnetenc_worker_counter counter)
{
    static const char *const names[] = {
#define VNETENC_WORKER_COUNTER(NAME, TEXT) #NAME,
        VNETENC_WORKER_COUNTERS
#undef VNETENC_WORKER_COUNTER
    };

    return counter < ARRAY_SIZE(names) ? names[counter] : "unknown";
}
