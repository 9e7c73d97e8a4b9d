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
 * Workers are threads that carry packets between the kernel's datapath and the
 * underlay.  A worker sleeps until one of its descriptors can be read, has the
 * function of that descriptor process one burst, and quiesces (see ovs-rcu.h).
 * A module adds a descriptor to a worker and removes it:
 *
 *     source = vnetenc_worker_add_fd(worker, fd, run, gone, aux);
 *     ...
 *     vnetenc_worker_remove_fd(source);
 *
 * A run function neither allocates nor locks nor blocks; what it needs is in
 * its 'aux', made before the descriptor is added.  A descriptor belongs to one
 * worker, so data that only its run function uses needs no lock.  A run
 * function sends all packets that it has kept back for joining before it
 * returns.
 *
 * Thread-safety
 * =============
 *
 * The main thread starts and stops workers, and adds and removes descriptors.
 * Run functions and vnetenc_worker_count() belong to the worker.  Any thread
 * may read counters. */

#include <stdbool.h>
#include <stdint.h>
#include "ovs-atomic.h"

struct vnetenc_worker;
struct vnetenc_worker_source;

/* The counters of a worker: NAME, text. */
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

/* Reads one burst from 'fd'.  If there is more to read, the function is called
 * again.  Returns false if 'fd' cannot be read any more; then the function is
 * not called again. */
typedef bool vnetenc_worker_run_func(struct vnetenc_worker *, int fd,
                                     void *aux);

/* Closes the descriptor and frees 'aux', which no worker uses any more.
 * Called after a grace period, in the thread that ends it (see ovs-rcu.h). */
typedef void vnetenc_worker_gone_func(void *aux);

/* Returns the number of workers for 'value', which is
 * other_config:vnetenc-kernel-workers or NULL, on a host with 'n_cores' cores.
 * If 'value' is out of range, logs that and returns the default. */
unsigned int vnetenc_worker_number(const char *value, unsigned int n_cores);

/* Starts 'n' workers, 1 to VNETENC_MAX_WORKERS.  No worker may run. */
void vnetenc_worker_start(unsigned int n);

/* Stops all workers and removes all descriptors. */
void vnetenc_worker_stop(void);

/* Returns the number of workers, 0 if none run. */
unsigned int vnetenc_worker_n(void);

/* Returns worker 'index', which must be less than vnetenc_worker_n(). */
struct vnetenc_worker *vnetenc_worker_get(unsigned int index);

/* Has 'worker' call 'run' with 'aux' whenever 'fd', which is nonblocking, can
 * be read.  'gone', which may be NULL, is called after the descriptor is
 * removed.  The source belongs to this file. */
struct vnetenc_worker_source *vnetenc_worker_add_fd(
    struct vnetenc_worker *worker, int fd, vnetenc_worker_run_func *run,
    vnetenc_worker_gone_func *gone, void *aux);

/* Has the worker stop reading from the descriptor, which must still be open.
 * A run function may still be in progress; 'gone' is called when it has ended.
 * The source may be NULL. */
void vnetenc_worker_remove_fd(struct vnetenc_worker_source *);

/* Adds 'n' to a counter.  Only the worker itself may call this. */
void vnetenc_worker_count(struct vnetenc_worker *,
                          enum vnetenc_worker_counter, unsigned int n);

/* Reads a counter.  Any thread. */
uint64_t vnetenc_worker_total(const struct vnetenc_worker *,
                              enum vnetenc_worker_counter);

/* Returns the name of a counter.  Pure function. */
const char *vnetenc_worker_counter_name(enum vnetenc_worker_counter);

#endif /* vnetenc/kernel/worker.h */
