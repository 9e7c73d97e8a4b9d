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
#include "vnetenc/control/execute.h"
#include <string.h>
#include "dp-packet.h"
#include "dpif.h"
#include "flow.h"
#include "netlink.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/thread.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "seq.h"
#include "sset.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/path.h"

struct job {
    struct ovs_list node;
    struct dp_packet *packet;
    struct vnetenc_path_key path;
    enum vnetenc_drop verdict;
    size_t n_bytes;             /* Counted in 'n_bytes'. */
    size_t actions_len;
    uint32_t actions[];
};

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
static struct ovs_list jobs OVS_GUARDED_BY(mutex)
    = OVS_LIST_INITIALIZER(&jobs);
static size_t n_bytes OVS_GUARDED_BY(mutex);
static struct seq *posted;      /* Made with the thread. */

/* Held while this file has a datapath open, and while one ends. */
static struct ovs_mutex datapath_mutex = OVS_MUTEX_INITIALIZER;

/* Opens the userspace datapath.  Only one of its two types is in use, and it
 * has one datapath.  Returns NULL if there is none. */
static struct dpif *
open_dpif(void)
{
    static const char *const types[] = { "netdev", "dummy" };
    struct dpif *dpif = NULL;

    for (size_t i = 0; !dpif && i < ARRAY_SIZE(types); i++) {
        struct sset names = SSET_INITIALIZER(&names);
        const char *name;

        dp_enumerate_names(types[i], &names);
        SSET_FOR_EACH (name, &names) {
            if (!dpif && dpif_open(name, types[i], &dpif)) {
                dpif = NULL;
            }
        }
        sset_destroy(&names);
    }
    return dpif;
}

static bool
execute__(const struct job *job)
{
    struct dpif *dpif = open_dpif();
    struct dpif_execute execute;
    struct flow flow;
    int error;

    if (!dpif) {
        return false;
    }
    flow_extract(job->packet, &flow);

    memset(&execute, 0, sizeof execute);
    execute.actions = (const struct nlattr *) job->actions;
    execute.actions_len = job->actions_len;
    execute.flow = &flow;
    execute.packet = job->packet;
    error = dpif_execute(dpif, &execute);

    /* Do not keep the datapath open: it must end with its last bridge, in the
     * main thread. */
    dpif_close(dpif);
    return !error;
}

/* Executes 'job'.  Fails while a datapath ends instead of waiting: the main
 * thread, which ends it, may be waiting until all threads have quiesced. */
static bool
execute(const struct job *job)
{
    bool done = false;

    if (!ovs_mutex_trylock(&datapath_mutex)) {
        done = execute__(job);
        ovs_mutex_unlock(&datapath_mutex);
    }
    return done;
}

void
vnetenc_execute_pause(void)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    ovs_mutex_lock(&datapath_mutex);
}

void
vnetenc_execute_resume(void)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    ovs_mutex_unlock(&datapath_mutex);
}

static void
end(struct job *job, bool done)
{
    if (!done && job->verdict != VNETENC_KEEP) {
        vnetenc_path_count(vnetenc_path_find(&job->path), &job->path,
                           job->verdict, 1);
    }
    dp_packet_delete(job->packet);
    free(job);
}

static struct job *
take(void)
{
    struct job *job = NULL;

    ovs_mutex_lock(&mutex);
    if (!ovs_list_is_empty(&jobs)) {
        job = CONTAINER_OF(ovs_list_pop_front(&jobs), struct job, node);
        n_bytes -= job->n_bytes;
    }
    ovs_mutex_unlock(&mutex);
    return job;
}

static void *
execute_main(void *aux OVS_UNUSED)
{
    for (;;) {
        uint64_t seen = seq_read(posted);
        struct job *job;

        while ((job = take())) {
            end(job, execute(job));
            ovsrcu_quiesce();
        }
        seq_wait(posted, seen);
        poll_block();
    }
    OVS_NOT_REACHED();
}

static bool
post(struct job *job)
{
    bool fits;

    ovs_mutex_lock(&mutex);
    fits = n_bytes + job->n_bytes <= VNETENC_EXECUTE_BYTES;
    if (fits) {
        ovs_list_push_back(&jobs, &job->node);
        n_bytes += job->n_bytes;
    }
    ovs_mutex_unlock(&mutex);
    return fits;
}

void
vnetenc_execute(struct dp_packet *packet, const struct nlattr *actions,
                size_t actions_len, const struct vnetenc_path_key *path,
                enum vnetenc_drop verdict)
{
    struct job *job = xmalloc(sizeof *job + actions_len);

    job->packet = packet;
    if (path) {
        job->path = *path;
    }
    job->verdict = verdict;
    job->n_bytes = (sizeof *job + actions_len + sizeof *packet
                    + dp_packet_size(packet));
    job->actions_len = actions_len;
    memcpy(job->actions, actions, actions_len);
    if (!posted) {
        posted = seq_create();
        ovs_thread_create("vnetenc_execute", execute_main, NULL);
    }
    if (post(job)) {
        seq_change(posted);
    } else {
        end(job, false);
    }
}

void
vnetenc_execute_end(void)
{
    struct job *job;

    while ((job = take())) {
        end(job, false);
    }
}
