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

#ifndef VNETENC_WORKER_H
#define VNETENC_WORKER_H 1

/* Workers
 * =======
 *
 * Threads that carry packets between the kernel's datapath and the underlay.
 * A worker sleeps until one of its descriptors can be read, has the function
 * of that descriptor work off one burst, and quiesces (see ovs-rcu.h).  Who
 * has a descriptor to be read adds it:
 *
 *     source = vnetenc_worker_add_fd(worker, fd, run, gone, aux);
 *     ...
 *     vnetenc_worker_remove_fd(source);
 *
 * A run function neither allocates nor locks nor blocks; what it needs is in
 * its 'aux', made before the descriptor is added.  A descriptor belongs to one
 * worker, so what hangs on it needs no lock either.  What a run function keeps
 * back to join it with more, it sends before it returns.
 *
 * Thread-safety
 * =============
 *
 * The main thread starts and stops workers.  Descriptors are added and removed
 * by the main thread, or under vnetenc_control_mutex, never by both.  Run
 * functions belong to the worker, and any thread reads counters. */

#include <stdbool.h>
#include <stdint.h>
#include "ovs-atomic.h"

struct vnetenc_worker;
struct vnetenc_worker_source;

/* What a worker counts: NAME, text. */
#define VNETENC_WORKER_COUNTERS                                             \
    VNETENC_WORKER_COUNTER(out_packets, "packets read from the kernel")     \
    VNETENC_WORKER_COUNTER(out_super, "of these, super-packets")            \
    VNETENC_WORKER_COUNTER(out_records, "datagrams sent to the underlay")   \
    VNETENC_WORKER_COUNTER(out_sends, "messages that these were sent in")   \
    VNETENC_WORKER_COUNTER(in_receives, "messages from the underlay")       \
    VNETENC_WORKER_COUNTER(in_records, "datagrams in these")                \
    VNETENC_WORKER_COUNTER(in_packets, "packets for the kernel")            \
    VNETENC_WORKER_COUNTER(in_writes, "writes that these were handed over in")

enum vnetenc_worker_counter {
#define VNETENC_WORKER_COUNTER(NAME, TEXT) VNETENC_WORKER_##NAME,
    VNETENC_WORKER_COUNTERS
#undef VNETENC_WORKER_COUNTER
    VNETENC_WORKER_N_COUNTERS
};

/* Reads what there is at 'fd', but no more than a burst: if there is more, it
 * is called again.  Returns false if 'fd' cannot be read any more; then it is
 * not called again. */
typedef bool vnetenc_worker_run_func(struct vnetenc_worker *, int fd,
                                     void *aux);

/* Called when no worker uses 'aux' any more: closes and frees. */
typedef void vnetenc_worker_gone_func(void *aux);

/* The number of workers for other_config:vnetenc-kernel-workers, 'value', or
 * for NULL, on a host with 'n_cores' cores.  A value that is out of range is
 * logged, and the default is used. */
unsigned int vnetenc_worker_number(const char *value, unsigned int n_cores);

/* Starts 'n' workers, 1 to VNETENC_MAX_WORKERS; none may run. */
void vnetenc_worker_start(unsigned int n);

/* Ends all workers.  All descriptors are removed. */
void vnetenc_worker_stop(void);

/* The number of workers, 0 if none run. */
unsigned int vnetenc_worker_n(void);

/* Worker 'index', less than vnetenc_worker_n(). */
struct vnetenc_worker *vnetenc_worker_get(unsigned int index);

/* Has 'worker' call 'run' whenever 'fd', which is nonblocking, can be read.
 * 'gone' may be NULL. */
struct vnetenc_worker_source *vnetenc_worker_add_fd(
    struct vnetenc_worker *worker, int fd, vnetenc_worker_run_func *run,
    vnetenc_worker_gone_func *gone, void *aux);

/* The worker reads no more from the descriptor, which must still be open.  A
 * call that runs now may still end: 'gone' is called when it has. */
void vnetenc_worker_remove_fd(struct vnetenc_worker_source *);

/* Adds 'n' to a counter.  The worker itself. */
void vnetenc_worker_count(struct vnetenc_worker *,
                          enum vnetenc_worker_counter, unsigned int n);

/* Reads a counter.  Any thread. */
uint64_t vnetenc_worker_total(const struct vnetenc_worker *,
                              enum vnetenc_worker_counter);

/* Returns the name of a counter.  Pure function. */
const char *vnetenc_worker_counter_name(enum vnetenc_worker_counter);

#endif /* vnetenc/kernel/worker.h */
