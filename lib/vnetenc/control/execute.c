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
#include "sset.h"

/* Opens the datapath.  Of the two types that can encrypt only one is in use,
 * and it has one datapath.  Returns NULL if there is none. */
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

bool
vnetenc_execute(struct dp_packet *packet, const struct nlattr *actions,
                size_t actions_len)
{
    struct dpif *dpif = open_dpif();
    struct dpif_execute execute;
    struct flow flow;
    int error;

    if (!dpif) {
        return false;
    }
    flow_extract(packet, &flow);

    memset(&execute, 0, sizeof execute);
    execute.actions = actions;
    execute.actions_len = actions_len;
    execute.flow = &flow;
    execute.packet = packet;
    error = dpif_execute(dpif, &execute);

    /* The datapath is not kept open, because it must go with its last bridge.
     * If that happened just now, it goes here: its threads end while we hold
     * the control mutex, for which none of them ever waits. */
    dpif_close(dpif);
    return !error;
}
