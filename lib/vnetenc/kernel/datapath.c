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
#include "vnetenc/kernel/datapath.h"
#include <stdlib.h>
#include "openvswitch/vlog.h"
#include "ovs-thread.h"
#include "util.h"
#include "vnetenc/kernel/egress.h"
#include "vnetenc/kernel/inject.h"
#include "vnetenc/kernel/netns.h"
#include "vnetenc/kernel/too-long.h"
#include "vnetenc/kernel/worker.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_datapath);

static unsigned int n_workers;      /* 0: not configured. */
static char *way_in;                /* Wanted; NULL: the best. */

void
vnetenc_datapath_configure(const char *value)
{
    n_workers = vnetenc_worker_number(value, count_cpu_cores());
}

void
vnetenc_datapath_set_way_in(const char *wanted)
{
    if (!nullable_string_is_equal(way_in, wanted)) {
        free(way_in);
        way_in = nullable_xstrdup(wanted);
        if (vnetenc_worker_n()) {
            vnetenc_inject_choose(vnetenc_netns_tap_fd(0), way_in);
        }
    }
}

void
vnetenc_datapath_start(void)
{
    if (vnetenc_worker_n()) {
        return;
    }
    if (!n_workers) {
        vnetenc_datapath_configure(NULL);
    }
    /* Choose before a worker reads from the TAP: the first call sets the size
     * of its virtio headers. */
    vnetenc_inject_choose(vnetenc_netns_tap_fd(0), way_in);
    vnetenc_worker_start(n_workers);
    vnetenc_egress_start();
    vnetenc_too_long_start();
    VLOG_INFO("kernel datapath: %u workers read from a %s", n_workers,
              vnetenc_egress_way());
}

void
vnetenc_datapath_stop(void)
{
    if (vnetenc_worker_n()) {
        vnetenc_egress_stop();
        vnetenc_worker_stop();
    }
}
